/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "thread-info.h"

/* include/linux/sched.h: not part of any header for user space, but shown in stat and unchanged in what they mean here */
enum {
        FLAG_IO_WORKER = 0x00000010,   /* io_uring's threads have it beside FLAG_USER_WORKER */
        FLAG_USER_WORKER = 0x00004000, /* since 6.4 */
        FLAG_KERNEL_THREAD = 0x00200000,
        KTHREADD = 2, /* parent of all kernel threads */
};

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

pid_t thread_parse_id(const char *text) {
        char *end;

        if (!is_digit(text[0]))
                return -1;
        errno = 0;
        unsigned long id = strtoul(text, &end, 10);
        return errno == 0 && *end == '\0' && id > 0 && id <= INT_MAX ? (pid_t) id : -1;
}

bool thread_parse_name(const char *text, pid_t *ret_creator) {
        static const char prefix[] = "vhost-";
        char digits[16];

        if (strncmp(text, prefix, sizeof prefix - 1) != 0)
                return false;
        text += sizeof prefix - 1;
        size_t length = strcspn(text, "\n");
        if (length >= sizeof digits || (text[length] == '\n' && text[length + 1] != '\0'))
                return false;
        memcpy(digits, text, length);
        digits[length] = '\0';
        pid_t creator = thread_parse_id(digits);
        if (creator < 0)
                return false;
        *ret_creator = creator;
        return true;
}

bool thread_is_unnamed(const char *text) {
        return strcmp(text, "kthreadd") == 0;
}

int thread_parse_stat(const char *text, struct thread_stat *ret) {
        enum { STATE = 1, PARENT = 2, FLAGS = 7, START_TIME = 20 }; /* tokens after the name */
        struct thread_stat stat = { 0 };

        const char *field = strrchr(text, ')'); /* no later field holds one, a name may hold any number */
        if (!field)
                return -EINVAL;
        field++;
        for (int i = STATE; i <= START_TIME; i++) {
                field += strspn(field, " ");
                if (*field == '\0' || *field == '\n')
                        return -EINVAL;
                if (i == PARENT || i == FLAGS || i == START_TIME) {
                        char *end;
                        errno = 0;
                        unsigned long long value = strtoull(field, &end, 10);
                        if (errno != 0 || end == field || !is_digit(*field) || (*end != ' ' && *end != '\n' && *end != '\0'))
                                return -EINVAL;
                        if ((i == PARENT && value > INT_MAX) || (i == FLAGS && value > UINT32_MAX))
                                return -EINVAL;
                        if (i == PARENT)
                                stat.parent = (pid_t) value;
                        else if (i == FLAGS)
                                stat.flags = (uint32_t) value;
                        else
                                stat.start_time = value;
                }
                field += strcspn(field, " \n");
        }
        *ret = stat;
        return 0;
}

enum thread_shape thread_classify(const struct thread_stat *stat) {
        if (stat->flags & FLAG_KERNEL_THREAD)
                return stat->parent == KTHREADD ? THREAD_VHOST_KERNEL : THREAD_OTHER;
        if ((stat->flags & FLAG_USER_WORKER) && !(stat->flags & FLAG_IO_WORKER))
                return THREAD_VHOST_TASK;
        return THREAD_OTHER;
}

/* Decimal digits with `end` after them; moves on behind it. strtoull() would take spaces and signs too, and costs twice as much: this is read for each worker in each epoch. */
static bool parse_counter(const char **text, char end, uint64_t *ret) {
        const char *c = *text;
        uint64_t value = 0;

        for (; is_digit(*c); c++)
                if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, (uint64_t) (*c - '0'), &value))
                        return false;
        if (c == *text || *c != end)
                return false;
        *ret = value;
        *text = c + 1;
        return true;
}

int thread_parse_schedstat(const char *text, struct thread_times *ret) {
        struct thread_times times;

        if (!parse_counter(&text, ' ', &times.run) || !parse_counter(&text, ' ', &times.wait) || !parse_counter(&text, '\n', &times.switches))
                return -EINVAL;
        *ret = times;
        return 0;
}

/* Three numbers of 20 digits at most. */
#define SCHEDSTAT_FILE_MAX 80

int thread_sample(int fd, uint64_t clock, struct iocore_worker *worker) {
        char text[SCHEDSTAT_FILE_MAX];
        struct thread_times times;

        ssize_t length = fd < 0 ? 0 : pread(fd, text, sizeof text - 1, 0);
        if (length < 0 && errno == ESRCH)
                return -ESRCH;
        text[length > 0 ? length : 0] = '\0';
        if (thread_parse_schedstat(text, &times) < 0)
                return -EINVAL;
        worker->clock = clock;
        worker->busy = times.run;
        worker->wait = times.wait;
        worker->switches = times.switches;
        return 0;
}

const char *thread_status_value(const char *text, const char *key, size_t *ret_length) {
        size_t key_length = strlen(key);

        while (text && *text) {
                if (strncmp(text, key, key_length) == 0 && text[key_length] == ':') {
                        text += key_length + 1;
                        text += strspn(text, " \t");
                        *ret_length = strcspn(text, "\n");
                        return text;
                }
                text = strchr(text, '\n');
                text = text ? text + 1 : NULL;
        }
        return NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "plugins/common/file-io.h"
#include "search.h"

enum {
        NAME_FILE_MAX = 80,      /* comm holds 16 bytes, of some kernel threads 64 */
        STAT_FILE_MAX = 2048,    /* 52 numbers of up to 20 digits and the name */
        STATUS_FILE_MAX = 16384, /* grows with CPUs and NUMA nodes */
        CGROUP_FILE_MAX = 8192,  /* a path for each hierarchy of cgroup v1 */
        /* With more new threads than this since the last but one scan, a walk over all of /proc is no dearer. */
        NEW_THREADS_MAX = 1024,
};

void vhost_thread_path(const struct vhost_thread *thread, const char *file, char ret[static VHOST_PATH_MAX]) {
        if (thread->process == thread->id)
                snprintf(ret, VHOST_PATH_MAX, "/proc/%d/%s", (int) thread->id, file);
        else
                snprintf(ret, VHOST_PATH_MAX, "/proc/%d/task/%d/%s", (int) thread->process, (int) thread->id, file);
}

int search_read_stat(const struct iocore_services *services, struct iocore_context *context, const struct vhost_thread *thread, struct thread_stat *ret) {
        char path[VHOST_PATH_MAX], text[STAT_FILE_MAX];

        vhost_thread_path(thread, "stat", path);
        ssize_t length = file_read_path(services, context, path, text, sizeof text);
        return length < 0 ? (int) length : thread_parse_stat(text, ret);
}

pid_t search_read_process_of(const struct iocore_services *services, struct iocore_context *context, pid_t thread) {
        char path[VHOST_PATH_MAX], text[STATUS_FILE_MAX], digits[16];
        size_t length;

        snprintf(path, sizeof path, "/proc/%d/status", (int) thread);
        if (file_read_path(services, context, path, text, sizeof text) < 0)
                return -1;
        const char *value = thread_status_value(text, "Tgid", &length);
        if (!value || length >= sizeof digits)
                return -1;
        memcpy(digits, value, length);
        digits[length] = '\0';
        return thread_parse_id(digits);
}

bool search_is_younger(const struct iocore_services *services, struct iocore_context *context, pid_t id, const struct vhost_thread *worker) {
        const struct vhost_thread thread = { .id = id, .process = id };
        struct thread_stat stat;
        return search_read_stat(services, context, &thread, &stat) >= 0 && stat.start_time > worker->start_time;
}

pid_t search_read_owner(const struct iocore_services *services, struct iocore_context *context, const struct vhost_thread *worker) {
        return search_is_younger(services, context, worker->creator, worker) ? -1 : search_read_process_of(services, context, worker->creator);
}

/* What a thread of this name may be; THREAD_OTHER: nothing that anybody looks for. Only the kernel's word makes it that. */
static enum thread_shape guess_by_name(const struct search *search, const char *name, struct vhost_thread *thread, struct pattern_match *match) {
        if (thread_parse_name(name, &thread->creator))
                return THREAD_VHOST_TASK;
        if (thread->process != thread->id || !search->patterns || !pattern_set_match(search->patterns, name, match))
                return THREAD_OTHER;
        thread->creator = match->creator;
        thread->match = match;
        return THREAD_PATTERN;
}

/* The shape of a thread whose name is a worker's; THREAD_OTHER: it is none. */
static enum thread_shape read_shape(const struct search *search, enum thread_shape guess, struct vhost_thread *thread) {
        struct thread_stat stat;

        if (search_read_stat(search->services, search->context, thread, &stat) < 0)
                return THREAD_OTHER;
        thread->start_time = stat.start_time;
        enum thread_shape shape = thread_classify(&stat);
        if (guess != THREAD_PATTERN)
                return shape;
        return shape == THREAD_VHOST_KERNEL ? THREAD_PATTERN : THREAD_OTHER;
}

/* A kernel thread that serves vhost goes to its creator's cgroups by itself when it first runs (vhost_attach_cgroups()), a moment after it was named. */
static bool is_attached(const struct search *search, const struct vhost_thread *thread) {
        char path[VHOST_PATH_MAX], own[CGROUP_FILE_MAX], creators[CGROUP_FILE_MAX];

        vhost_thread_path(thread, "cgroup", path);
        ssize_t length = file_read_path(search->services, search->context, path, own, sizeof own);
        snprintf(path, sizeof path, "/proc/%d/cgroup", (int) thread->creator);
        /* what cannot be compared is not waited for */
        return length < 0 || file_read_path(search->services, search->context, path, creators, sizeof creators) < 0 || strcmp(own, creators) == 0;
}

int search_look_at(const struct search *search, pid_t process, pid_t id) {
        struct vhost_thread thread = { .id = id, .process = process, .schedstat = -1 };
        struct pattern_match match;
        char path[VHOST_PATH_MAX], name[NAME_FILE_MAX];

        vhost_thread_path(&thread, "comm", path);
        ssize_t length = file_read_path(search->services, search->context, path, name, sizeof name);
        if (length <= 0)
                return 0;
        if (name[length - 1] == '\n')
                name[length - 1] = '\0';
        bool unnamed = process == id && search->unfinished && thread_is_unnamed(name);
        enum thread_shape guess = unnamed ? THREAD_VHOST_KERNEL : guess_by_name(search, name, &thread, &match);
        thread.shape = guess == THREAD_OTHER ? THREAD_OTHER : read_shape(search, guess, &thread);
        if (thread.shape == THREAD_OTHER)
                return 0;
        if (unnamed) {
                search->unfinished(search->userdata, id);
                return 0;
        }
        if (thread.shape == THREAD_VHOST_KERNEL && search->unfinished && !search->any_cgroup && !is_attached(search, &thread)) {
                search->unfinished(search->userdata, id);
                return 0;
        }
        if (thread.shape == THREAD_VHOST_TASK && process == id) {
                /* seen by its own id, not below its process */
                thread.process = search_read_process_of(search->services, search->context, id);
                if (thread.process < 0)
                        return 0;
        }
        return search->found(search->userdata, &thread);
}

/* Other threads of a process than its first. */
static int search_process(const struct search *search, pid_t process) {
        char path[VHOST_PATH_MAX];
        struct stat status;

        snprintf(path, sizeof path, "/proc/%d/task", (int) process);
        _cleanup_close_ int fd = search->services->open_path(search->context, path, O_RDONLY | O_DIRECTORY);
        /* A directory of one thread has three links: nothing to list. */
        if (fd < 0 || fstat(fd, &status) < 0 || status.st_nlink == 3)
                return 0;
        _cleanup_closedir_ DIR *directory = fdopendir(fd);
        if (!directory)
                return 0;
        (void) TAKE_FD(fd);
        for (struct dirent *entry; (entry = readdir(directory));) {
                pid_t id = thread_parse_id(entry->d_name);
                int r = id < 0 || id == process ? 0 : search_look_at(search, process, id);
                if (r < 0)
                        return r;
        }
        return 0;
}

int search_everywhere(const struct search *search) {
        _cleanup_close_ int fd = search->services->open_path(search->context, "/proc", O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd;
        _cleanup_closedir_ DIR *directory = fdopendir(fd);
        if (!directory)
                return -errno;
        (void) TAKE_FD(fd);
        for (struct dirent *entry; (entry = readdir(directory));) {
                pid_t id = thread_parse_id(entry->d_name);
                if (id < 0)
                        continue;
                int r = search_look_at(search, id, id);
                if (r >= 0)
                        r = search_process(search, id);
                if (r < 0)
                        return r;
        }
        return 0;
}

pid_t search_read_newest(const struct iocore_services *services, struct iocore_context *context) {
        char text[128];
        ssize_t length = file_read_path(services, context, "/proc/loadavg", text, sizeof text);
        if (length <= 0)
                return 0;
        trim_end(text, (size_t) length);
        const char *word = strrchr(text, ' ');
        pid_t id = word ? thread_parse_id(word + 1) : -1;
        return id < 0 ? 0 : id;
}

bool search_new(const struct search *search, pid_t after, pid_t newest, int *ret) {
        if (after <= 0 || newest < after || newest - after > NEW_THREADS_MAX)
                return false;
        *ret = 0;
        for (pid_t id = after + 1; id <= newest && *ret >= 0; id++)
                *ret = search_look_at(search, id, id);
        return true;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "daemon/host/cpu-list.h"
#include "file-io.h"
#include "owner.h"

/* libvirt puts -name first; QEMU's whole command line is some KiB. */
#define COMMAND_LINE_MAX 16384
#define STATUS_MAX 8192
/* A dozen hierarchies, each with a path of up to 4 KiB that is usually some hundred bytes. */
#define CGROUP_MAX 16384

/* Copies the value of the line "NAME:\tVALUE" to ret_list if it is a list of indexes ("0-3,8"). */
static int status_list(const char *status, const char *name, char *ret_list, size_t size) {
        size_t name_length = strlen(name);

        for (const char *line = status; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
                if (strncmp(line, name, name_length) != 0 || line[name_length] != ':')
                        continue;
                const char *value = line + name_length + 1;
                value += strspn(value, " \t");
                size_t length = strspn(value, "0123456789,-");
                if (length == 0 || length >= size || (value[length] != '\n' && value[length] != '\0'))
                        return -EINVAL;
                memcpy(ret_list, value, length);
                ret_list[length] = '\0';
                return 0;
        }
        return -ENOENT;
}

int owner_parse_node(const char *status, int n_cpus, int (*cpu_node)(void *userdata, int cpu), void *userdata) {
        char list[STATUS_MAX];
        int node = IOCORE_NODE_UNKNOWN;

        if (status_list(status, "Mems_allowed_list", list, sizeof list) == 0) {
                hwloc_bitmap_t nodes = NULL;
                if (cpu_list_parse(list, &nodes) == 0 && hwloc_bitmap_weight(nodes) == 1)
                        node = hwloc_bitmap_first(nodes);
                hwloc_bitmap_free(nodes);
        }
        if (node != IOCORE_NODE_UNKNOWN || status_list(status, "Cpus_allowed_list", list, sizeof list) < 0)
                return node;

        hwloc_bitmap_t cpus = NULL;
        if (cpu_list_parse(list, &cpus) < 0)
                return IOCORE_NODE_UNKNOWN;
        for (int cpu = hwloc_bitmap_first(cpus); cpu >= 0 && cpu < n_cpus; cpu = hwloc_bitmap_next(cpus, cpu)) {
                int of_cpu = cpu_node(userdata, cpu);
                if (of_cpu == IOCORE_NODE_UNKNOWN)
                        continue;
                if (node != IOCORE_NODE_UNKNOWN && node != of_cpu) {
                        node = IOCORE_NODE_UNKNOWN;
                        break;
                }
                node = of_cpu;
        }
        hwloc_bitmap_free(cpus);
        return node;
}

/* Copies one QEMU option value up to its single comma. Returns where it ended, or NULL when it does not fit. */
static const char *copy_option(const char *value, char *ret, size_t size) {
        size_t length = 0;

        while (*value) {
                if (*value == ',' && *++value != ',')
                        return ret[length] = '\0', value;
                if (length + 1 >= size)
                        return NULL;
                ret[length++] = *value++;
        }
        ret[length] = '\0';
        return value;
}

/* `argument` is what follows -name: "guest=NAME,debug-threads=on" or "NAME,process=..."; the plain form is only allowed first. */
static int parse_name_argument(const char *argument, char *ret_name) {
        for (bool first = true; *argument; first = false) {
                char option[IOCORE_NAME_MAX + sizeof "guest="] = "";
                const char *next = copy_option(argument, option, sizeof option);
                if (!next)
                        return -ENAMETOOLONG;
                const char *name = strncmp(option, "guest=", 6) == 0 ? option + 6 : first && !strchr(option, '=') ? option : NULL;
                if (name) {
                        size_t length = strlen(name);
                        if (length == 0)
                                return -ENOENT;
                        if (length >= IOCORE_NAME_MAX)
                                return -ENAMETOOLONG;
                        for (const unsigned char *c = (const unsigned char *) name; *c; c++)
                                if (*c < 0x20 || *c == 0x7f)
                                        return -EINVAL;
                        memcpy(ret_name, name, length + 1);
                        return 0;
                }
                argument = next;
        }
        return -ENOENT;
}

int owner_parse_name(const char *command_line, size_t length, char ret_name[static IOCORE_NAME_MAX]) {
        const char *end = command_line + length;
        bool wanted = false;

        ret_name[0] = '\0';
        while (command_line < end) {
                size_t argument_length = strnlen(command_line, (size_t) (end - command_line));
                /* an argument without its NUL was cut off by the end of the buffer */
                if (command_line + argument_length == end)
                        break;
                if (wanted)
                        return parse_name_argument(command_line, ret_name);
                wanted = strcmp(command_line, "-name") == 0 || strcmp(command_line, "--name") == 0;
                command_line += argument_length + 1;
        }
        return -ENOENT;
}

static int hex_digit(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What systemd wrote as "\x2d" is "-" again (unit_name_escape()). */
static int unescape(const char *text, size_t length, char *ret, size_t size) {
        size_t n = 0;

        for (size_t i = 0; i < length; i++) {
                char c = text[i];
                if (c == '\\') {
                        int high = i + 3 < length && text[i + 1] == 'x' ? hex_digit(text[i + 2]) : -1;
                        int low = high >= 0 ? hex_digit(text[i + 3]) : -1;
                        if (low < 0)
                                return -EINVAL;
                        c = (char) (high * 16 + low);
                        i += 3;
                }
                if (n + 1 >= size || c <= 0x20 || c >= 0x7f)
                        return -EINVAL;
                ret[n++] = c;
        }
        ret[n] = '\0';
        return n > 0 ? 0 : -EINVAL;
}

/* "qemu-3-NAME": libvirt's driver and the number that the VM has as long as it runs. */
static const char *skip_driver(const char *machine) {
        size_t driver = strspn(machine, "abcdefghijklmnopqrstuvwxyz");
        size_t number = machine[driver] == '-' ? strspn(machine + driver + 1, "0123456789") : 0;
        const char *rest = machine + driver + 1 + number;

        return driver > 0 && number > 0 && rest[0] == '-' && rest[1] != '\0' ? rest + 1 : machine;
}

static const char *find_last(const char *text, size_t length, const char *wanted) {
        size_t wanted_length = strlen(wanted);

        for (size_t i = length; i-- > 0;)
                if (i + wanted_length <= length && memcmp(text + i, wanted, wanted_length) == 0)
                        return text + i;
        return NULL;
}

/* One directory of a cgroup's path. */
static int parse_cgroup_directory(const char *directory, size_t length, char *ret_name) {
        static const char prefix[] = "machine-", suffix[] = ".scope", libvirt[] = ".libvirt-";
        char machine[2 * IOCORE_NAME_MAX];
        int r = -ENOENT;

        const char *end = length > 0 ? find_last(directory, length, libvirt) : NULL;
        if (end)
                r = unescape(directory, (size_t) (end - directory), machine, sizeof machine);
        else if (length > sizeof prefix - 1 + sizeof suffix - 1 && memcmp(directory, prefix, sizeof prefix - 1) == 0 &&
                 memcmp(directory + length - (sizeof suffix - 1), suffix, sizeof suffix - 1) == 0)
                r = unescape(directory + sizeof prefix - 1, length - (sizeof prefix - 1) - (sizeof suffix - 1), machine, sizeof machine);
        if (r < 0)
                return r;
        const char *name = skip_driver(machine);
        size_t name_length = strlen(name);
        if (name_length >= IOCORE_NAME_MAX)
                return -EINVAL;
        memcpy(ret_name, name, name_length + 1);
        return 0;
}

int owner_parse_cgroup(const char *text, char ret_name[static IOCORE_NAME_MAX]) {
        static const char deleted[] = " (deleted)";

        ret_name[0] = '\0';
        while (*text) {
                size_t line = strcspn(text, "\n");
                const char *path = memchr(text, '/', line), *end = text + line;
                if (path && end - path >= (ssize_t) sizeof deleted - 1 && memcmp(end - (sizeof deleted - 1), deleted, sizeof deleted - 1) == 0)
                        end -= sizeof deleted - 1;
                /* the outermost: what is below may have been made by the guest's own processes */
                while (path && path < end) {
                        const char *next = memchr(path + 1, '/', (size_t) (end - path - 1));
                        int r = parse_cgroup_directory(path + 1, (size_t) ((next ? next : end) - path - 1), ret_name);
                        if (r != -ENOENT)
                                return r;
                        path = next;
                }
                text += line + (text[line] == '\n');
        }
        return -ENOENT;
}

int owner_read_cgroup(const struct iocore_services *services, struct iocore_context *context, pid_t thread, char ret_name[static IOCORE_NAME_MAX]) {
        char path[64];
        _cleanup_free_ char *text = malloc(CGROUP_MAX);

        ret_name[0] = '\0';
        if (!text)
                return -ENOMEM;
        snprintf(path, sizeof path, "/proc/%d/cgroup", (int) thread);
        ssize_t length = file_read_path(services, context, path, text, CGROUP_MAX);
        if (length < 0)
                return length == -ENOENT ? -ESRCH : (int) length;
        return owner_parse_cgroup(text, ret_name);
}

struct node_lookup {
        const struct iocore_services *services;
        struct iocore_context *context;
};

static int lookup_cpu_node(void *userdata, int cpu) {
        struct node_lookup *lookup = userdata;
        return lookup->services->cpu_node(lookup->context, cpu);
}

int owner_read(const struct iocore_services *services, struct iocore_context *context, pid_t pid, struct owner *ret) {
        struct node_lookup lookup = { services, context };
        char path[64];

        *ret = (struct owner) { .node = IOCORE_NODE_UNKNOWN };
        if (pid <= 0)
                return -ESRCH;
        _cleanup_free_ char *text = malloc(COMMAND_LINE_MAX);
        if (!text)
                return -ENOMEM;

        snprintf(path, sizeof path, "/proc/%d/status", pid);
        ssize_t length = file_read_path(services, context, path, text, STATUS_MAX);
        if (length < 0 && length != -EFBIG)
                return length == -ENOENT ? -ESRCH : (int) length;
        ret->node = owner_parse_node(text, services->cpu_count(context), lookup_cpu_node, &lookup);

        snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
        length = file_read_path(services, context, path, text, COMMAND_LINE_MAX);
        if (length == -EFBIG)
                length = COMMAND_LINE_MAX - 1;
        if (length < 0)
                return length == -ENOENT ? -ESRCH : (int) length;
        if (owner_parse_name(text, (size_t) length, ret->domain) == -ENOENT)
                (void) owner_read_cgroup(services, context, pid, ret->domain);
        return 0;
}

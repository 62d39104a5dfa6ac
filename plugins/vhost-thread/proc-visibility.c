/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "plugins/common/file-io.h"
#include "proc-visibility.h"
#include "thread-info.h"

enum { STATUS_FILE_MAX = 65536 }; /* its line of groups may be long */

static enum hidepid parse_hidepid(const char *value) {
        static const struct {
                const char *word, *number; /* numbers up to Linux 5.7 */
                enum hidepid hidepid;
        } values[] = {
                { "noaccess", "1", HIDEPID_NO_ACCESS },
                { "invisible", "2", HIDEPID_INVISIBLE },
                { "ptraceable", "4", HIDEPID_PTRACEABLE },
        };
        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                if (strcmp(value, values[i].word) == 0 || strcmp(value, values[i].number) == 0)
                        return values[i].hidepid;
        return HIDEPID_NOTHING;
}

bool proc_parse_mount(char *line, struct proc_mount *ret) {
        struct proc_mount mount = { HIDEPID_NOTHING, 0 };
        char *rest = NULL, *point = NULL;

        /* id, parent, device, root, mount point, its options, any number of tags, "-", type, source, options of the file system */
        char *end = strstr(line, " - ");
        if (!end)
                return false;
        *end = '\0';
        end += strlen(" - ");
        for (int i = 0; i < 5; i++)
                if (!(point = strtok_r(i == 0 ? line : NULL, " ", &rest)))
                        return false;
        if (strcmp(point, "/proc") != 0 || strncmp(end, "proc ", strlen("proc ")) != 0)
                return false;
        char *options = strrchr(end, ' ') + 1;
        options[strcspn(options, "\n")] = '\0';
        for (char *option = strtok_r(options, ",", &rest); option; option = strtok_r(NULL, ",", &rest)) {
                if (strncmp(option, "hidepid=", strlen("hidepid=")) == 0)
                        mount.hidepid = parse_hidepid(option + strlen("hidepid="));
                else if (strncmp(option, "gid=", strlen("gid=")) == 0)
                        mount.gid = (gid_t) strtoul(option + strlen("gid="), NULL, 10);
        }
        *ret = mount;
        return true;
}

/* Is one of the numbers of the line, from the one number `skip` on, this one? */
static bool line_has(const char *status, const char *key, int skip, gid_t wanted) {
        size_t length;
        const char *value = thread_status_value(status, key, &length);

        if (!value)
                return false;
        for (const char *end = value + length; value < end;) {
                char *next;
                unsigned long number = strtoul(value, &next, 10);
                if (next == value || next > end)
                        return false;
                if (skip-- <= 0 && number == wanted)
                        return true;
                value = next;
        }
        return false;
}

bool proc_may_see(const char *status, const struct proc_mount *mount) {
        size_t length;

        if (mount->hidepid == HIDEPID_NOTHING)
                return true;
        const char *capabilities = thread_status_value(status, "CapEff", &length);
        if (capabilities && length > 0 && (strtoull(capabilities, NULL, 16) >> CAP_SYS_PTRACE & 1))
                return true;
        /* the last of the four is what counts for file systems */
        return mount->hidepid != HIDEPID_PTRACEABLE && (line_has(status, "Gid", 3, mount->gid) || line_has(status, "Groups", 0, mount->gid));
}

/* The mount that is seen, which is the last one. */
static bool read_mount(const struct iocore_services *services, struct iocore_context *context, struct proc_mount *ret) {
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        bool found = false;

        _cleanup_close_ int fd = services->open_path(context, "/proc/self/mountinfo", O_RDONLY);
        _cleanup_fclose_ FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
        if (!file)
                return false;
        (void) TAKE_FD(fd);
        while (getline(&line, &size, file) > 0)
                found |= proc_parse_mount(line, ret);
        return found;
}

bool proc_is_hidden(const struct iocore_services *services, struct iocore_context *context, char *ret_text, size_t size) {
        static const char *const names[] = { [HIDEPID_NO_ACCESS] = "noaccess", [HIDEPID_INVISIBLE] = "invisible", [HIDEPID_PTRACEABLE] = "ptraceable" };
        _cleanup_free_ char *status = malloc(STATUS_FILE_MAX);
        struct proc_mount mount;

        if (status && read_mount(services, context, &mount) && file_read_path(services, context, "/proc/self/status", status, STATUS_FILE_MAX) > 0 &&
            !proc_may_see(status, &mount)) {
                snprintf(ret_text, size, "/proc is mounted with hidepid=%s: workers of other users' processes are not found without CAP_SYS_PTRACE%s", names[mount.hidepid],
                         mount.hidepid == HIDEPID_PTRACEABLE ? "" : " or the group of its option gid=");
                return true;
        }
        /* A security module may do the same. Everybody may read this file otherwise. */
        _cleanup_close_ int fd = services->open_path(context, "/proc/1/comm", O_RDONLY);
        if (fd == -EACCES || fd == -EPERM)
                snprintf(ret_text, size, "/proc/1 cannot be read (%s): workers of other users' processes may not be found", strerror(-fd));
        return fd == -EACCES || fd == -EPERM;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "owner-files.h"
#include "plugins/common/file-io.h"
#include "thread-info.h"

enum {
        FILES_MAX = 16384,           /* open files of one owner that are looked at: 16 ms at 1 us for a readlink */
        /* Those of them that are vhost devices or taps, at 10 us or more for a tap's fdinfo: four devices with as many queue pairs as a tap can have. */
        FILES_OF_VHOST_MAX = 2048,
        LINK_MAX_LENGTH = 64,        /* longer ones are nothing of vhost */
        INFO_FILE_MAX = 4096,
        COMMAND_LINE_MAX = 1 << 18,
};

bool owner_file_parse_link(const char *target, struct owner_file *ret) {
        static const char *const devices[] = { [VHOST_NET] = "/dev/vhost-net", [VHOST_SCSI] = "/dev/vhost-scsi", [VHOST_VSOCK] = "/dev/vhost-vsock" };
        static const char macvtap[] = "/dev/tap";

        *ret = (struct owner_file) { .fd = -1 };
        for (int kind = 0; kind < _VHOST_KIND_MAX; kind++)
                if (strcmp(target, devices[kind]) == 0) {
                        ret->kind = (enum vhost_kind) kind;
                        return true;
                }
        ret->is_tap = true;
        if (strcmp(target, "/dev/net/tun") == 0)
                return true;
        if (strncmp(target, macvtap, sizeof macvtap - 1) != 0)
                return false;
        pid_t index = thread_parse_id(target + sizeof macvtap - 1);
        ret->macvtap = index > 0 ? (unsigned) index : 0;
        return index > 0;
}

/* As dev_valid_name() of the kernel has it, and nothing that a terminal obeys. */
static bool is_interface_name(const char *name, size_t length) {
        if (length == 0 || length >= TAP_NAME_SIZE || (length == 1 && name[0] == '.') || (length == 2 && name[0] == '.' && name[1] == '.'))
                return false;
        for (size_t i = 0; i < length; i++)
                if ((unsigned char) name[i] <= ' ' || name[i] == '/' || name[i] == ':' || name[i] == 0x7f)
                        return false;
        return true;
}

void owner_file_parse_info(const char *text, char ret_tap[static TAP_NAME_SIZE]) {
        size_t length, again;
        const char *name = thread_status_value(text, "iff", &length);

        ret_tap[0] = '\0';
        /* written once: a second one is not the kernel's */
        if (!name || thread_status_value(name + length, "iff", &again) || !is_interface_name(name, length))
                return;
        memcpy(ret_tap, name, length);
        ret_tap[length] = '\0';
}

/* The interface of a macvtap: /sys/class/macvtap/tapN/device leads to it. */
static void read_macvtap(const struct iocore_services *services, struct iocore_context *context, struct owner_file *file) {
        char path[64], target[PATH_MAX];

        snprintf(path, sizeof path, "/sys/class/macvtap/tap%u", file->macvtap);
        _cleanup_close_ int fd = services->open_path(context, path, O_PATH | O_DIRECTORY);
        if (fd < 0)
                return;
        ssize_t length = readlinkat(fd, "device", target, sizeof target - 1);
        if (length <= 0)
                return;
        target[length] = '\0';
        const char *slash = strrchr(target, '/');
        const char *name = slash ? slash + 1 : target;
        if (is_interface_name(name, strlen(name)))
                memcpy(file->tap, name, strlen(name) + 1);
}

static void read_tap(const struct iocore_services *services, struct iocore_context *context, pid_t pid, struct owner_file *file) {
        char path[64], text[INFO_FILE_MAX];

        if (file->macvtap > 0) {
                read_macvtap(services, context, file);
                return;
        }
        snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int) pid, file->fd);
        /* Unreadable, or longer than the kernel writes it: a tap without a name. */
        if (file_read_path(services, context, path, text, sizeof text) >= 0)
                owner_file_parse_info(text, file->tap);
}

static int append(struct owner_files *files, const struct owner_file *file) {
        struct owner_file *more = reallocarray(files->files, files->n_files + 1, sizeof *more);
        if (!more)
                return -ENOMEM;
        files->files = more;
        more[files->n_files++] = *file;
        return 0;
}

static int read_files(const struct iocore_services *services, struct iocore_context *context, pid_t pid, struct owner_files *ret) {
        char path[64], target[LINK_MAX_LENGTH];
        size_t n = 0;

        snprintf(path, sizeof path, "/proc/%d/fd", (int) pid);
        _cleanup_close_ int fd = services->open_path(context, path, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd == -ENOENT ? -ESRCH : fd;
        _cleanup_closedir_ DIR *directory = fdopendir(fd);
        if (!directory)
                return -errno;
        (void) TAKE_FD(fd);
        errno = 0;
        for (struct dirent *entry; (entry = readdir(directory)); errno = 0) {
                struct owner_file file;
                pid_t number = thread_parse_id(entry->d_name);
                if (number < 0)
                        continue;
                if (++n > FILES_MAX)
                        return -EMFILE;
                ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof target);
                if (length < 0 && (errno == EACCES || errno == EPERM))
                        return -errno;
                if (length <= 0 || length == sizeof target)
                        continue;
                target[length] = '\0';
                if (!owner_file_parse_link(target, &file))
                        continue;
                if (ret->n_files == FILES_OF_VHOST_MAX)
                        return -EMFILE;
                file.fd = number;
                if (file.is_tap)
                        read_tap(services, context, pid, &file);
                int r = append(ret, &file);
                if (r < 0)
                        return r;
        }
        return errno == ENOENT ? -ESRCH : -errno;
}

static int read_options(const struct iocore_services *services, struct iocore_context *context, pid_t pid, struct owner_files *ret) {
        char path[64];
        _cleanup_free_ char *text = malloc(COMMAND_LINE_MAX);

        if (!text)
                return -ENOMEM;
        snprintf(path, sizeof path, "/proc/%d/cmdline", (int) pid);
        ssize_t length = file_read_path(services, context, path, text, COMMAND_LINE_MAX);
        if (length < 0 && length != -EFBIG)
                return 0; /* says nothing */
        bool complete = length >= 0;
        return owner_options_parse(text, complete ? (size_t) length : COMMAND_LINE_MAX - 1, complete, &ret->options, &ret->n_options);
}

int owner_files_read(const struct iocore_services *services, struct iocore_context *context, pid_t pid, struct owner_files *ret) {
        *ret = (struct owner_files) { 0 };
        int r = read_files(services, context, pid, ret);
        if (r == 0)
                r = read_options(services, context, pid, ret);
        if (r < 0)
                owner_files_done(ret);
        return r;
}

void owner_files_done(struct owner_files *files) {
        free(files->files);
        free(files->options);
        *files = (struct owner_files) { 0 };
}

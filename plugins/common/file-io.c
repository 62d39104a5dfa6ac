/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "file-io.h"

ssize_t file_read(int fd, char *buffer, size_t size) {
        size_t length = 0;

        while (length < size - 1) {
                ssize_t n = pread(fd, buffer + length, size - 1 - length, (off_t) length);
                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (n == 0) {
                        buffer[length] = '\0';
                        return (ssize_t) length;
                }
                length += (size_t) n;
        }
        buffer[length] = '\0';

        char more;
        ssize_t n = pread(fd, &more, 1, (off_t) length);
        return n > 0 ? -EFBIG : (ssize_t) length;
}

ssize_t file_read_at(int directory, const char *path, char *buffer, size_t size) {
        _cleanup_close_ int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return file_read(fd, buffer, size);
}

ssize_t file_read_path(const struct iocore_services *services, struct iocore_context *context, const char *path, char *buffer, size_t size) {
        _cleanup_close_ int fd = services->open_path(context, path, O_RDONLY);
        if (fd < 0)
                return fd;
        return file_read(fd, buffer, size);
}

int file_write_at(int directory, const char *path, const char *value) {
        char line[IOCORE_VALUE_MAX + 1];
        int length = snprintf(line, sizeof line, "%s\n", value);
        if (length < 0 || (size_t) length >= sizeof line)
                return -EINVAL;

        _cleanup_close_ int fd = openat(directory, path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        /* A short write cannot be completed: the kernel takes each write for a whole value. */
        ssize_t n = write(fd, line, (size_t) length);
        if (n < 0)
                return -errno;
        return n == length ? 0 : -EIO;
}

size_t trim_end(char *text, size_t length) {
        while (length > 0 && strchr(" \t\r\n", text[length - 1]))
                length--;
        text[length] = '\0';
        return length;
}

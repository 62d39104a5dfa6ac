/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small kernel files (/proc, /sys): read whole, written whole. */
#ifndef FILE_IO_H
#define FILE_IO_H

#include <stddef.h>
#include <sys/types.h>

#include "plugins/iocore-plugin.h"

/* Reads the file from its start into buffer and ends it with a NUL. Returns the number of bytes without the NUL; -EFBIG: it holds more than
 * size - 1 bytes (the buffer then holds the first size - 1); another -errno of read(2). */
ssize_t file_read(int fd, char *buffer, size_t size);
/* The same for `path` relative to an open directory: opened, read, closed. Also -errno of openat(2). */
ssize_t file_read_at(int directory, const char *path, char *buffer, size_t size);
/* The same for an absolute path below the daemon's root. */
ssize_t file_read_path(const struct iocore_services *services, struct iocore_context *context, const char *path, char *buffer, size_t size);

/* Writes `value` and a newline with one write(2), as sysfs wants it. 0 or -errno of openat(2) or write(2). */
int file_write_at(int directory, const char *path, const char *value);

/* Cuts white space off the end, in place; returns the new length. */
size_t trim_end(char *text, size_t length);

#endif

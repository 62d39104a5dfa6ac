/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Trees of plain files on tmpfs that stand for a kernel's /proc and /sys. Whatever fails here ends the program with a message. */
#ifndef PLAIN_FILES_H
#define PLAIN_FILES_H

#include <limits.h>
#include <unistd.h>

/* A new empty directory. */
void plain_root_make(char ret[static PATH_MAX]);
/* Removes it with all below it. */
void plain_root_remove(const char *root);

/* Makes the file `path`, relative to the root, with the directories on the way. Returns an fd to rewrite it by. */
__attribute__((format(printf, 3, 4))) int plain_file(const char *root, const char *path, const char *format, ...);
/* The same, closed. */
#define plain_file_put(...) close(plain_file(__VA_ARGS__))
/* Replaces the whole text. */
void plain_file_rewrite(int fd, const char *text, int length);
/* Makes the symbolic link `path`, whose directory exists, to `target`. */
void plain_link(const char *root, const char *path, const char *target);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All paths of /proc, /sys and /run go through here, so that every parser can be fed a fixture tree. */
#ifndef ROOT_PATH_H
#define ROOT_PATH_H

#include <stddef.h>

/* Joins `root` ("/" or a fixture tree) and the absolute `path` into ret. 0; -ENAMETOOLONG; -EINVAL: path is not absolute. */
int root_path(const char *root, const char *path, char *ret, size_t size);
/* Opens the joined path, O_CLOEXEC added. fd or -errno. */
int root_open(const char *root, const char *path, int flags);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "root-path.h"

int root_path(const char *root, const char *path, char *ret, size_t size) {
        if (path[0] != '/')
                return -EINVAL;
        size_t root_length = strlen(root);
        while (root_length > 0 && root[root_length - 1] == '/')
                root_length--;
        int n = snprintf(ret, size, "%.*s%s", (int) root_length, root, path);
        return n < 0 || (size_t) n >= size ? -ENAMETOOLONG : 0;
}

int root_open(const char *root, const char *path, int flags) {
        char joined[PATH_MAX];
        int r = root_path(root, path, joined, sizeof joined);
        if (r < 0)
                return r;
        int fd = open(joined, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

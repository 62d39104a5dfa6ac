/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "paths.h"

bool paths_build_directory(char *ret, size_t size) {
        char program[PATH_MAX], marker[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
        if (n <= 0)
                return false;
        program[n] = '\0';
        char *slash = strrchr(program, '/');
        if (!slash)
                return false;
        *slash = '\0';
        /* configure leaves this in the build directory, and nowhere else */
        int length = snprintf(marker, sizeof marker, "%s/config.status", program);
        if (length < 0 || (size_t) length >= sizeof marker || access(marker, F_OK) < 0)
                return false;
        length = snprintf(ret, size, "%s", program);
        return length >= 0 && (size_t) length < size;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "plain-files.h"

#define TEXT_MAX 4096

static void die(const char *what) {
        fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
        exit(1);
}

void plain_root_make(char ret[static PATH_MAX]) {
        const char *directory = getenv("TMPDIR");
        snprintf(ret, PATH_MAX, "%s/iocore-bench-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : directory ? directory : "/tmp");
        if (!mkdtemp(ret))
                die("making the tree");
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw) {
        (void) status, (void) type, (void) ftw;
        return remove(path);
}

void plain_root_remove(const char *root) {
        (void) nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int plain_file(const char *root, const char *path, const char *format, ...) {
        char joined[PATH_MAX + 128], text[TEXT_MAX];
        va_list arguments;

        snprintf(joined, sizeof joined, "%s/%s", root, path);
        for (char *slash = joined + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                if (mkdir(joined, 0755) < 0 && errno != EEXIST)
                        die(joined);
                *slash = '/';
        }
        va_start(arguments, format);
        int length = vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        int fd = open(joined, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || write(fd, text, (size_t) length) != length)
                die(joined);
        return fd;
}

void plain_file_rewrite(int fd, const char *text, int length) {
        if (pwrite(fd, text, (size_t) length, 0) != length || ftruncate(fd, length) < 0)
                die("rewriting a counter");
}

void plain_link(const char *root, const char *path, const char *target) {
        char joined[PATH_MAX + 128];

        snprintf(joined, sizeof joined, "%s/%s", root, path);
        if (symlink(target, joined) < 0)
                die(joined);
}

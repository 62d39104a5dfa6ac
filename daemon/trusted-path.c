/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Walks a path component by component, each opened before it is looked at, so that what was checked is what is opened. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "trusted-path.h"

#define LINKS_MAX 40 /* as the kernel's own limit, path_resolution(7) */

/* NULL: nobody else could have put this here. */
static const char *distrust(const struct stat *st) {
        if (st->st_uid != 0 && st->st_uid != geteuid())
                return "does not belong to root or to the daemon's user";
        if (S_ISLNK(st->st_mode))
                return NULL; /* its mode says nothing; its directory was checked */
        if (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) && st->st_uid == 0)
                return NULL;
        if (st->st_mode & S_IWOTH)
                return "is writable by others";
        if (st->st_mode & S_IWGRP)
                return "is writable by its group";
        return NULL;
}

static int refuse(char *ret_reason, size_t size, const char *path, const char *component, const char *why) {
        if (*component)
                snprintf(ret_reason, size, "%s: component \"%s\" %s", path, component, why);
        else
                snprintf(ret_reason, size, "%s: / %s", path, why);
        return -EPERM;
}

static int fail(int error, char *ret_reason, size_t size, const char *path) {
        snprintf(ret_reason, size, "%s: %s", path, strerror(error));
        return -error;
}

/* Puts the target of the link `fd` before `rest`. */
static int follow(int fd, char rest[PATH_MAX]) {
        char target[PATH_MAX], joined[PATH_MAX];
        ssize_t length = readlinkat(fd, "", target, sizeof target - 1);
        if (length < 0)
                return -errno;
        target[length] = '\0';
        int n = snprintf(joined, sizeof joined, "%s%s%s", target, *rest ? "/" : "", rest);
        if (n < 0 || (size_t) n >= sizeof joined)
                return -ENAMETOOLONG;
        memcpy(rest, joined, (size_t) n + 1);
        return 0;
}

/* Takes the next component off `rest`; "" when nothing is left. */
static int next_component(char rest[PATH_MAX], char component[NAME_MAX + 1]) {
        size_t skip = strspn(rest, "/"), length = strcspn(rest + skip, "/");
        if (length > NAME_MAX)
                return -ENAMETOOLONG;
        memcpy(component, rest + skip, length);
        component[length] = '\0';
        skip += length;
        skip += strspn(rest + skip, "/");
        memmove(rest, rest + skip, strlen(rest + skip) + 1);
        return 0;
}

/* Opens the last component for reading; `checked` is what was found in its place a moment ago. */
static int open_checked(int directory, const char *component, const struct stat *checked) {
        _cleanup_close_ int fd = openat(directory, component, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        /* A trusted hand replaced it in between: whoever asked may ask again. */
        if (st.st_dev != checked->st_dev || st.st_ino != checked->st_ino || distrust(&st))
                return -EAGAIN;
        return TAKE_FD(fd);
}

static int absolute(const char *path, char ret[PATH_MAX]) {
        int n;
        if (path[0] == '/') {
                n = snprintf(ret, PATH_MAX, "%s", path);
        } else {
                _cleanup_free_ char *directory = getcwd(NULL, 0);
                if (!directory)
                        return -errno;
                n = snprintf(ret, PATH_MAX, "%s/%s", directory, path);
        }
        return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int open_root(struct stat *ret_st) {
        _cleanup_close_ int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, ret_st) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int trusted_open(const char *path, char *ret_reason, size_t size) {
        char rest[PATH_MAX], component[NAME_MAX + 1] = "";
        struct stat st = { 0 };
        unsigned links = 0;
        int r = absolute(path, rest);
        if (r < 0)
                return fail(-r, ret_reason, size, path);
        _cleanup_close_ int directory = open_root(&st);
        if (directory < 0)
                return fail(-directory, ret_reason, size, path);

        for (;;) {
                const char *why = distrust(&st);
                if (why)
                        return refuse(ret_reason, size, path, component, why);
                r = next_component(rest, component);
                if (r < 0)
                        return fail(-r, ret_reason, size, path);
                if (*component == '\0')
                        return refuse(ret_reason, size, path, component, "is not a regular file");

                _cleanup_close_ int fd = openat(directory, component, O_PATH | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0 || fstat(fd, &st) < 0)
                        return fail(errno, ret_reason, size, path);
                why = distrust(&st);
                if (why)
                        return refuse(ret_reason, size, path, component, why);

                if (S_ISLNK(st.st_mode)) {
                        r = ++links > LINKS_MAX ? -ELOOP : follow(fd, rest);
                        if (r < 0)
                                return fail(-r, ret_reason, size, path);
                        if (rest[0] != '/')
                                continue; /* relative to the directory that holds the link */
                        close(fd);
                        fd = open_root(&st);
                        if (fd < 0)
                                return fail(-fd, ret_reason, size, path);
                } else if (*rest == '\0') {
                        if (!S_ISREG(st.st_mode))
                                return refuse(ret_reason, size, path, component, "is not a regular file");
                        r = open_checked(directory, component, &st);
                        return r < 0 ? fail(-r, ret_reason, size, path) : r;
                }
                close(directory);
                directory = TAKE_FD(fd);
        }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy-files.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/cleanup.h"
#include "daemon/policy/policy-set.h"
#include "daemon/trusted-path.h"

static bool is_policy_name(const char *base) {
        size_t length = strlen(base);

        return length > strlen("NN-.lua") && length - strlen("NN-.lua") < POLICY_NAME_MAX && fnmatch("[0-9][0-9]-[a-z0-9]*.lua", base, 0) == 0 &&
               strspn(base, "abcdefghijklmnopqrstuvwxyz0123456789-") == length - strlen(".lua");
}

static void policy_file_done(struct policy_file *file) {
        free(file->path);
        free(file->name);
        *file = (struct policy_file) { 0 };
}

void policy_files_done(struct policy_files *files) {
        for (size_t i = 0; i < files->n; i++)
                policy_file_done(&files->files[i]);
        for (size_t i = 0; i < files->n_ignored; i++)
                free(files->ignored[i]);
        free(files->files);
        free(files->ignored);
        *files = (struct policy_files) { 0 };
}

/* An empty file or a link to /dev/null. */
static bool is_mask(int directory, const char *base) {
        struct stat status, null_status;

        if (fstatat(directory, base, &status, 0) < 0)
                return false;
        if (S_ISREG(status.st_mode))
                return status.st_size == 0;
        return S_ISCHR(status.st_mode) && stat("/dev/null", &null_status) == 0 && status.st_rdev == null_status.st_rdev;
}

static bool writable_by_others(int directory) {
        struct stat status;

        return fstat(directory, &status) < 0 || (status.st_uid != 0 && status.st_uid != geteuid()) || (status.st_mode & (S_IWGRP | S_IWOTH));
}

static void remove_base(struct policy_files *files, const char *base) {
        for (size_t i = 0; i < files->n; i++)
                if (strcmp(files->files[i].base, base) == 0) {
                        policy_file_done(&files->files[i]);
                        files->files[i] = files->files[--files->n];
                        return;
                }
}

static int add_ignored(struct policy_files *files, const char *directory, const char *base) {
        char **grown = reallocarray(files->ignored, files->n_ignored + 1, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        files->ignored = grown;
        if (asprintf(&grown[files->n_ignored], "%s/%s", directory, base) < 0)
                return -ENOMEM;
        files->n_ignored++;
        return 0;
}

static int add_file(struct policy_files *files, const char *directory, const char *base) {
        struct policy_file *grown = reallocarray(files->files, files->n + 1, sizeof(*grown)), *file;

        if (!grown)
                return -ENOMEM;
        files->files = grown;
        file = &grown[files->n];
        *file = (struct policy_file) { 0 };
        if (asprintf(&file->path, "%s/%s", directory, base) < 0) {
                file->path = NULL;
                return -ENOMEM;
        }
        file->base = file->path + strlen(directory) + 1;
        file->name = strndup(base + 3, strlen(base) - strlen("NN-.lua"));
        if (!file->name) {
                policy_file_done(file);
                return -ENOMEM;
        }
        file->priority = (base[0] - '0') * 10 + (base[1] - '0');
        files->n++;
        return 0;
}

static int find_in(struct policy_files *files, const char *path) {
        _cleanup_closedir_ DIR *directory = opendir(path);
        bool untrusted;
        int r = 0;

        if (!directory)
                return errno == ENOENT ? 0 : -errno;
        untrusted = writable_by_others(dirfd(directory));
        for (const struct dirent *entry = readdir(directory); entry && r == 0; entry = readdir(directory)) {
                const char *base = entry->d_name;
                size_t length = strlen(base);

                if (base[0] == '.' || length < 4 || strcmp(base + length - 4, ".lua") != 0)
                        continue;
                if (!is_policy_name(base)) {
                        r = add_ignored(files, path, base);
                        continue;
                }
                if (is_mask(dirfd(directory), base) && untrusted)
                        continue;
                remove_base(files, base);
                if (!is_mask(dirfd(directory), base))
                        r = add_file(files, path, base);
        }
        return r;
}

static int compare_files(const void *a, const void *b) {
        return strcmp(((const struct policy_file *) a)->base, ((const struct policy_file *) b)->base);
}

int policy_files_find(struct policy_files *ret, char *const *directories) {
        struct policy_files files = { 0 };
        int r = 0;

        for (char *const *directory = directories; directory && *directory; directory++) {
                int found = find_in(&files, *directory);

                /* A directory that cannot be read hides its own files only. */
                if (found == -ENOMEM) {
                        policy_files_done(&files);
                        return found;
                }
                if (found < 0 && r == 0)
                        r = found;
        }
        if (files.n > 0)
                qsort(files.files, files.n, sizeof(*files.files), compare_files);
        *ret = files;
        return r;
}

int policy_file_read(const char *path, size_t limit, char **ret, size_t *ret_size, char *ret_error, size_t error_size) {
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *text = NULL;
        size_t size = 0;

        ret_error[0] = '\0';
        fd = trusted_open(path, ret_error, error_size);
        if (fd < 0) {
                if (ret_error[0] == '\0')
                        snprintf(ret_error, error_size, "cannot be read: %s", strerror(-fd));
                return fd;
        }
        text = malloc(limit + 2);
        if (!text)
                return -ENOMEM;
        while (size <= limit) {
                ssize_t n = read(fd, text + size, limit + 1 - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        int error = errno;

                        snprintf(ret_error, error_size, "cannot be read: %s", strerror(error));
                        return -error;
                }
                if (n == 0)
                        break;
                size += (size_t) n;
        }
        if (size > limit) {
                snprintf(ret_error, error_size, "longer than %zu bytes", limit);
                return -EFBIG;
        }
        text[size] = '\0';
        *ret = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

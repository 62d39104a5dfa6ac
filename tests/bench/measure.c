/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"

bool ends_with(const char *text, const char *end) {
        size_t length = strlen(text), end_length = strlen(end);
        return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static bool is_for_reading(int fd) {
        int flags = fcntl(fd, F_GETFL);
        return flags >= 0 && (flags & O_ACCMODE) == O_RDONLY;
}

void file_set_find(struct file_set *ret, bool (*wanted)(const char *path)) {
        const struct dirent *entry;
        DIR *directory = opendir("/proc/self/fd");
        if (!directory)
                abort();
        *ret = (struct file_set) { 0 };
        while ((entry = readdir(directory))) {
                char link[64], target[PATH_MAX];
                int fd = (int) strtol(entry->d_name, NULL, 10);
                snprintf(link, sizeof link, "/proc/self/fd/%.16s", entry->d_name);
                ssize_t n = readlink(link, target, sizeof target - 1);
                if (n < 0)
                        continue;
                target[n] = '\0';
                if (!wanted(target) || !is_for_reading(fd))
                        continue;
                ret->fds = reallocarray(ret->fds, ret->n + 1, sizeof *ret->fds);
                if (!ret->fds)
                        abort();
                ret->fds[ret->n++] = fd;
        }
        closedir(directory);
}

bool file_set_read(const struct file_set *files, size_t size) {
        char buffer[FILE_SET_READ_MAX];
        for (size_t i = 0; i < files->n; i++)
                if (pread(files->fds[i], buffer, size, 0) <= 0)
                        return false;
        return true;
}

void file_set_free(struct file_set *files) {
        free(files->fds);
        *files = (struct file_set) { 0 };
}

uint64_t cpu_nsec(void) {
        struct timespec now;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

static int compare_numbers(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;
        return (x > y) - (x < y);
}

double median(double *values, size_t n) {
        qsort(values, n, sizeof *values, compare_numbers);
        return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

void raise_files_limit(void) {
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

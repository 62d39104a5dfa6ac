/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every benchmark needs: a clock, a median, and the bare loop of preads that things are measured against. */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Files that this process has open for reading. */
struct file_set {
        int *fds;
        size_t n;
};

/* Those whose path is `wanted`. Ends the program when that cannot be told. */
void file_set_find(struct file_set *ret, bool (*wanted)(const char *path));
/* Reads each from its start with one pread() of `size` bytes, at most FILE_SET_READ_MAX. False: one was empty or failed. */
enum { FILE_SET_READ_MAX = 4097 };
bool file_set_read(const struct file_set *files, size_t size);
void file_set_free(struct file_set *files);

bool ends_with(const char *text, const char *end);

/* CPU time of this thread: other load on the machine counts little. */
uint64_t cpu_nsec(void);
/* Sorts the values, n > 0. */
double median(double *values, size_t n);

/* As many open files as the system lets this process have. */
void raise_files_limit(void);

#endif

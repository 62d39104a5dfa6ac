/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The drop-in files of policies: which there are, and which of the same name counts. */
#ifndef POLICY_FILES_H
#define POLICY_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct policy_file {
        char *path;
        const char *base; /* "50-dynamic-cores.lua", within path */
        char *name;       /* "dynamic-cores" */
        int priority;     /* 50 */
};

struct policy_files {
        struct policy_file *files; /* sorted by base */
        size_t n;
        char **ignored; /* paths that end in .lua but are not named NN-name.lua; NULL-terminated, NULL = none */
        size_t n_ignored;
};

/* Looks through `directories` (NULL-terminated, later ones win). A directory that does not exist counts as empty; what masks a file is left out together with
 * what it masks. A mask counts only in a directory that others cannot write to. 0, -ENOMEM, or -errno: a directory exists but cannot be read. */
int policy_files_find(struct policy_files *ret, char *const *directories);
void policy_files_done(struct policy_files *files);
/* Reads a trusted file of at most `limit` bytes. -EPERM: not trusted; -EFBIG; -errno. ret_error says what failed. *ret is NUL-terminated. */
int policy_file_read(const char *path, size_t limit, char **ret, size_t *ret_size, char *ret_error, size_t error_size);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads ini files by libinih, with what its Debian build leaves out: line numbers, empty sections, every error and not only the first. */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include <stdio.h>

/* All strings are valid during the call only. */
struct config_file_handler {
        void *userdata;
        void (*section)(void *userdata, unsigned line, const char *section);
        void (*value)(void *userdata, unsigned line, const char *section, const char *key, const char *value);
        void (*error)(void *userdata, unsigned line, const char *what);
};

/* 0, or -errno when reading fails. What does not parse goes to handler->error, and reading goes on. */
int config_file_read(FILE *file, const struct config_file_handler *handler);

/* A file of a drop-in directory. */
struct config_dropin {
        char *name, *path;
};
/* Finds *.conf in `directories` (NULL-terminated; one that does not exist counts as empty), sorted by name; of equal names the one of the later directory. Files that are
 * masked (empty, or a link to /dev/null) are left out. 0, -ENOMEM, or -errno with *ret_failed (may be NULL) naming the directory. */
int config_dropins_find(const char *const *directories, struct config_dropin **ret, size_t *ret_n, const char **ret_failed);
void config_dropins_free(struct config_dropin *dropins, size_t n);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "config-file.h"

#define SECTION_MAX 49 /* libinih cuts longer ones off without a word */

/* Between libinih's two callbacks: the reader sees each line before the handler sees what is in it. */
struct reading {
        FILE *file;
        const struct config_file_handler *handler;
        char *line;
        size_t allocated;
        unsigned number;
        bool unclaimed; /* the line should have been an assignment, and the handler did not see one */
        bool skip;      /* the section is not valid: what is in it means nothing */
        int error;
};

static void check_claimed(struct reading *reading) {
        if (reading->unclaimed)
                reading->handler->error(reading->handler->userdata, reading->number, "is neither [SECTION] nor KEY=VALUE nor a comment");
        reading->unclaimed = false;
}

static void begin_section(struct reading *reading, char *text) {
        char *end = strchr(text, ']');
        reading->skip = true;
        if (!end) {
                reading->handler->error(reading->handler->userdata, reading->number, "the ] is missing");
        } else if (end - text > SECTION_MAX) {
                reading->handler->error(reading->handler->userdata, reading->number, "the name of the section is too long");
        } else {
                reading->skip = false;
                *end = '\0';
                reading->handler->section(reading->handler->userdata, reading->number, text);
                *end = ']';
        }
}

/* Returns the line to parse; "" when there is nothing in it for libinih. */
static char *look_at_line(struct reading *reading, ssize_t length, size_t size) {
        char *line = reading->line;
        const char *wrong = NULL;

        if (strlen(line) != (size_t) length)
                wrong = "holds a NUL byte";
        else if (reading->number == 1 && strncmp(line, "\xEF\xBB\xBF", 3) == 0)
                line += 3;
        /* An indented line would be the value's next part to libinih. */
        line += strspn(line, " \t\r\n\f\v");
        if (!wrong && strlen(line) >= size)
                wrong = "is too long; give a list in several assignments";
        if (wrong) {
                reading->handler->error(reading->handler->userdata, reading->number, wrong);
                return NULL;
        }
        if (*line == '[')
                begin_section(reading, line + 1);
        else if (*line && *line != '#' && *line != ';')
                reading->unclaimed = true;
        return line;
}

static char *read_line(char *buffer, int size, void *stream) {
        struct reading *reading = stream;
        check_claimed(reading);
        errno = 0;
        ssize_t length = getline(&reading->line, &reading->allocated, reading->file);
        if (length < 0) {
                reading->error = ferror(reading->file) || errno == ENOMEM ? -(errno ? errno : EIO) : 0;
                return NULL;
        }
        reading->number++;
        const char *line = look_at_line(reading, length, (size_t) size);
        if (!line)
                line = "";
        memcpy(buffer, line, strlen(line) + 1); /* fits: look_at_line() refused what does not */
        return buffer;
}

static int take_value(void *userdata, const char *section, const char *key, const char *value) {
        struct reading *reading = userdata;
        reading->unclaimed = false;
        if (reading->skip)
                return 1;
        if (*section == '\0')
                reading->handler->error(reading->handler->userdata, reading->number, "stands before the first [SECTION]");
        else
                reading->handler->value(reading->handler->userdata, reading->number, section, key, value);
        return 1;
}

int config_file_read(FILE *file, const struct config_file_handler *handler) {
        struct reading reading = { .file = file, .handler = handler };
        int r = ini_parse_stream(read_line, &reading, take_value, &reading);
        check_claimed(&reading);
        free(reading.line);
        return r == -2 ? -ENOMEM : reading.error;
}

static int is_dropin(const struct dirent *entry) {
        size_t length = strlen(entry->d_name);
        return entry->d_name[0] != '.' && length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0;
}

static bool is_masked(const char *path) {
        struct stat st, null;
        if (stat(path, &st) < 0)
                return false; /* reading it will say why */
        if (S_ISREG(st.st_mode))
                return st.st_size == 0;
        return stat("/dev/null", &null) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == null.st_rdev;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(((const struct config_dropin *) a)->name, ((const struct config_dropin *) b)->name);
}

/* Adds one, or puts its path in the place of an earlier directory's. */
static int put(struct config_dropin **dropins, size_t *n, const char *directory, const char *name) {
        char *path;
        if (asprintf(&path, "%s/%s", directory, name) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < *n; i++)
                if (strcmp((*dropins)[i].name, name) == 0) {
                        free((*dropins)[i].path);
                        (*dropins)[i].path = path;
                        return 0;
                }
        struct config_dropin *grown = reallocarray(*dropins, *n + 1, sizeof *grown);
        char *copy = strdup(name);
        if (grown)
                *dropins = grown;
        if (!grown || !copy) {
                free(path);
                free(copy);
                return -ENOMEM;
        }
        grown[(*n)++] = (struct config_dropin) { copy, path };
        return 0;
}

static int put_directory(struct config_dropin **dropins, size_t *n, const char *directory) {
        struct dirent **entries;
        int n_entries = scandir(directory, &entries, is_dropin, NULL), r = 0;
        if (n_entries < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        for (int i = 0; i < n_entries; i++) {
                if (r == 0)
                        r = put(dropins, n, directory, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        return r;
}

int config_dropins_find(const char *const *directories, struct config_dropin **ret, size_t *ret_n, const char **ret_failed) {
        struct config_dropin *dropins = NULL;
        size_t n = 0, kept = 0;
        for (; *directories; directories++) {
                int r = put_directory(&dropins, &n, *directories);
                if (r < 0) {
                        if (ret_failed)
                                *ret_failed = *directories;
                        config_dropins_free(dropins, n);
                        return r;
                }
        }
        for (size_t i = 0; i < n; i++) {
                if (is_masked(dropins[i].path)) {
                        free(dropins[i].name);
                        free(dropins[i].path);
                } else {
                        dropins[kept++] = dropins[i];
                }
        }
        if (kept > 1)
                qsort(dropins, kept, sizeof *dropins, compare_names);
        *ret = dropins;
        *ret_n = kept;
        return 0;
}

void config_dropins_free(struct config_dropin *dropins, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(dropins[i].name);
                free(dropins[i].path);
        }
        free(dropins);
}

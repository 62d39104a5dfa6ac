/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of iocored.conf: one type for each kind of value, with what it accepts and how it is freed. */
#ifndef CONFIG_VALUES_H
#define CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>

#define CONFIG_WHY_MAX 256

struct config_range {
        double minimum, maximum; /* durations in microseconds, sizes in bytes */
};

struct config_type {
        /* Parses `value` into *field (of the C type said below); for lists: appends. 0; -EINVAL, with one sentence in `ret_why`; -ENOMEM. On failure *field is as it was. */
        int (*parse)(void *field, const char *value, const struct config_range *range, const char *const *names, char *ret_why, size_t size);
        /* Makes *field empty again; NULL: nothing to free. */
        void (*clear)(void *field);
        bool is_list;   /* assignments add up, an empty one clears */
};

extern const struct config_type config_type_duration; /* uint64_t, microseconds */
extern const struct config_type config_type_unsigned; /* unsigned */
extern const struct config_type config_type_size;     /* size_t: "4M" */
extern const struct config_type config_type_count;    /* size_t: a bare number */
extern const struct config_type config_type_number;   /* double */
extern const struct config_type config_type_boolean;  /* bool */
extern const struct config_type config_type_name;     /* int or enum: the index in `names` */
extern const struct config_type config_type_string;   /* char *; empty = NULL */
extern const struct config_type config_type_path;     /* char *: absolute */
extern const struct config_type config_type_bus;      /* char *: system, user, none or a D-Bus address */
extern const struct config_type config_type_words;    /* char **: NULL-terminated; empty = NULL */
extern const struct config_type config_type_paths;    /* char **: each absolute */
extern const struct config_type config_type_cpus;     /* hwloc_bitmap_t, never NULL */
extern const struct config_type config_type_cpu_list; /* char *: a CPU list, kept as text; empty = NULL */

#endif

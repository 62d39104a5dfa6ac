/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel threads that do I/O for guests but are no vhost workers, told by their names: a table of regular expressions, of which some are built in and others
 * come from the configuration. What a worker serves is put together from the parts of its name.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "plugins/iocore-plugin.h"

struct pattern_match {
        const char *pattern;           /* its name; valid as long as the set */
        char kind[16];                 /* as iocore_device.kind */
        char backend[IOCORE_NAME_MAX]; /* "" when the name does not tell; likewise: */
        char domain[IOCORE_NAME_MAX];
        int queue_pair;                /* -1 */
        pid_t creator;                 /* a thread of the process that it works for, -1 */
};

struct pattern_set;

/* The value of an option, or NULL. */
typedef const char *(*pattern_option)(void *userdata, const char *key);

/* The patterns that the option "patterns" names (default: all that are built in), each with its options NAME.regex and so on, see iocored.conf(5). 0; -ENOMEM; -EINVAL:
 * ret_reason says which option is wrong, and how. */
int pattern_set_new(pattern_option option, void *userdata, struct pattern_set **ret, char *ret_reason, size_t size);
/* NULL is fine. Always returns NULL. */
struct pattern_set *pattern_set_free(struct pattern_set *set);

/* Does a kernel thread of this name, the text of its comm without the newline, do I/O? The first pattern that matches tells. The names that the kernel gives have 63 bytes at most:
 * a longer one is no match, so that the cost is bounded. */
bool pattern_set_match(const struct pattern_set *set, const char *name, struct pattern_match *ret);

/* The module of the kernel that makes the threads of the set's pattern number `index`; "" when it is not known, NULL: no such pattern. */
const char *pattern_set_module(const struct pattern_set *set, size_t index);
/* Some pattern is in the set that is not built in: somebody wants it here. */
bool pattern_set_is_configured(const struct pattern_set *set);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "regex-cost.h"

enum { GROUPS_MAX = 9, REPETITIONS_MAX = 256 };

struct scan {
        bool complex[GROUPS_MAX + 1]; /* by depth of groups: has repetitions or alternatives */
        size_t depth, n_groups;
        bool after_repetition, after_complex; /* what ended before this place */
        unsigned long repetitions;
};

/* The last byte of a bracket expression, in which nothing else has a meaning of its own; the end of the text when it is not closed. */
static const char *skip_bracket(const char *c) {
        c += c[1] == '^' ? 2 : 1;
        c += *c == ']'; /* in the first place it stands for itself */
        while (*c && *c != ']') {
                const char *end = *c == '[' && (c[1] == ':' || c[1] == '.' || c[1] == '=') ? strchr(c + 2, ']') : NULL;
                c = end ? end + 1 : c + 1;
        }
        return c;
}

/* The last byte of {N}, {N,} or {N,M}; counts the most that it repeats. */
static const char *skip_brace(struct scan *scan, const char *c) {
        char *end;
        unsigned long least = strtoul(c + 1, &end, 10);
        unsigned long most = *end == ',' ? strtoul(end + 1, &end, 10) : 0;

        least = least > REPETITIONS_MAX ? REPETITIONS_MAX + 1 : least;
        most = most > REPETITIONS_MAX ? REPETITIONS_MAX + 1 : most;
        scan->repetitions += least > most ? least : most;
        return *end == '}' ? end : c;
}

static const char *see_repetition(struct scan *scan, const char **c) {
        if (scan->after_repetition)
                return "a repetition of a repetition";
        if (scan->after_complex && **c != '?')
                return "a repetition of a group that has repetitions or alternatives itself";
        if (**c == '{')
                *c = skip_brace(scan, *c);
        scan->complex[scan->depth] = true;
        scan->after_repetition = true;
        scan->after_complex = false;
        return ++scan->repetitions > REPETITIONS_MAX ? "more than 256 repetitions" : NULL;
}

static const char *see_group(struct scan *scan, char c) {
        if (c == '(') {
                if (++scan->n_groups > GROUPS_MAX)
                        return "more than 9 groups";
                scan->complex[++scan->depth] = false;
        } else if (scan->depth > 0) {
                scan->after_complex = scan->complex[scan->depth--];
                scan->complex[scan->depth] |= scan->after_complex;
        }
        return NULL;
}

const char *regex_too_costly(const char *regex) {
        struct scan scan = { .depth = 0 };
        const char *why = NULL;

        for (const char *c = regex; *c && !why; c++) {
                if (strchr("*+?{", *c)) {
                        why = see_repetition(&scan, &c);
                        continue;
                }
                scan.after_repetition = scan.after_complex = false;
                if (*c == '(' || *c == ')')
                        why = see_group(&scan, *c);
                else if (*c == '|')
                        scan.complex[scan.depth] = true;
                else if (*c == '\\' && c[1] >= '1' && c[1] <= '9')
                        why = "a back-reference";
                else if (*c == '\\' && c[1] != '\0')
                        c++;
                else if (*c == '[' && *(c = skip_bracket(c)) == '\0')
                        break;
        }
        return why;
}

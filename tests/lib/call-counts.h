/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts what a steady state must not do: allocate, open, format. Linked into a program, its symbols come before those of the C library, for what is
 * loaded at run time, too. */
#ifndef CALL_COUNTS_H
#define CALL_COUNTS_H

#include <stdbool.h>

struct call_counts {
        bool counting; /* set and cleared by whoever wants to know */
        unsigned long allocations, frees, opens, closes, formats;
};

extern struct call_counts call_counts;

/* Before anything is counted. */
void call_counts_begin(void);

#endif

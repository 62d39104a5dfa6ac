/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves pages of a process to a node, in slices that are bounded in time. */
#ifndef MOVER_H
#define MOVER_H

#include <stdint.h>
#include <sys/types.h>

#include "memory.h"

/* Pages that are looked at together; a 2 MiB page of small ones. */
#define MOVER_WINDOW 512
/* A slice ends after the call that is in hand when this much of it has passed ... */
#define MOVER_SLICE_USEC 25000
/* ... and the calls are made so long, by the number of pages they are given: together some 50 ms at most. One page of 1 GiB takes as long as it takes. */
#define MOVER_CALL_USEC 20000

/* What is busy for a moment (somebody looks at the page just now) moves when it is tried again; what is pinned never does. */
#define MOVER_PASSES 3

/* The kernel, or a test's. */
struct mover_host {
        /* As move_pages(2), but -errno; `to`: NULL asks where they are. */
        long (*move)(void *userdata, pid_t pid, unsigned long n, void **pages, const int *to, int *status);
        uint64_t (*now_usec)(void *userdata);
        void *userdata;
};

struct mover {
        const struct mover_host *host;
        pid_t pid;
        int node;
        size_t page_size; /* that pages are counted in */

        const struct memory_range *ranges;
        size_t n_ranges, range; /* where it is */
        uint64_t address;
        uint64_t window_page; /* bytes; size of the pages of the window */
        unsigned pass;
        uint64_t moved_before; /* this pass */

        /* those of the window that are on another node, and not yet dealt with: from `at` to `n` */
        size_t at, n, chunk; /* chunk: given to the kernel in one call */
        void *pages[MOVER_WINDOW];
        uint64_t weight[MOVER_WINDOW]; /* pages of page_size that each of them is */
        int to[MOVER_WINDOW], status[MOVER_WINDOW];

        uint64_t total, moved, failed; /* pages of page_size */
};

/* `ranges` is borrowed; those without an end are passed over. */
void mover_init(struct mover *mover, const struct mover_host *host, pid_t pid, int node, size_t page_size, const struct memory_range *ranges, size_t n_ranges);
/* One slice. 1: there is more to do; 0: all is done; -ENOSPC: the node is full; -ESRCH, -EPERM; -EACCES: a cpuset forbids the node; -ENODEV: the node has no memory; -errno. */
int mover_slice(struct mover *mover);

#endif

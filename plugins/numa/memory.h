/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the memory of a process is, and which ranges of its addresses that is. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "numa-maps.h"

struct memory_range {
        uint64_t start, end;
        uint64_t page_kib;
        uint64_t kib;       /* that it has on other nodes than the one that was asked for */
        enum numa_mapping_kind kind;
        int cell;           /* as in struct numa_mapping */
};

struct memory {
        size_t n_cells;
        uint64_t (*cells)[NUMA_NODES_MAX]; /* KiB of each guest cell on each node; cells[n_cells]: of none that can be told. NULL: not counted */
        bool told;                         /* what backs it names the cells, or there is one at most */
        struct memory_range *ranges;       /* in the order of their addresses; files are left out */
        size_t n_ranges, n_allocated;
        unsigned n_malformed;              /* lines that did not parse */
};

void memory_done(struct memory *memory);

/* Finds the process /proc/PID below the directory `root` that began at `start` (0: whichever it is). *ret: its directory, *ret_start: when it began, in clock ticks. 0; -ESRCH;
 * -errno. */
int memory_open_process(int root, pid_t pid, uint64_t start, int *ret, uint64_t *ret_start);
/* Is it still that process, and alive? */
bool memory_process_lives(int process, uint64_t start);

/* Reads numa_maps, for which the kernel walks the page tables of the whole process while others of it cannot map memory: seldom. `n_cells`: guest cells of the domain. `node`: the ranges
 * are wanted of what is not on it; -1: none are. Ends early with -ECANCELED when *stop is set. 0; -ESRCH: it is gone; -EACCES, -EPERM: not allowed; -E2BIG: more mappings than any process has;
 * -ENOMEM; -errno. *ret is filled on success only. */
int memory_read(int process, size_t n_cells, int node, const atomic_bool *stop, struct memory *ret);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line of /proc/PID/numa_maps and of /proc/PID/maps: pure functions over text. fs/proc/task_mmu.c, show_numa_map() and show_map_vma(). */
#ifndef NUMA_MAPS_H
#define NUMA_MAPS_H

#include <stddef.h>
#include <stdint.h>

/* Nodes of higher numbers are not looked at; hosts of today have 32 at most. */
#define NUMA_NODES_MAX 256
#define NUMA_CELLS_MAX 1024

enum numa_mapping_kind {
        NUMA_MAPPING_OWN,   /* anonymous memory, heap and stack too: a guest's, where nothing else backs it */
        NUMA_MAPPING_GUEST, /* what only backs guests: huge pages, memfd, QEMU's memory backends in files */
        NUMA_MAPPING_FILE,  /* programs, libraries and other files */
};

struct numa_mapping {
        uint64_t start;
        enum numa_mapping_kind kind;
        int cell;           /* of the guest, where the name of what backs it tells (".../ram-node1"); else -1 */
        uint64_t page_kib;  /* size of the pages that it is counted in */
        size_t n;           /* nodes on which it has pages */
        struct {
                int node;
                uint64_t kib;
        } on[NUMA_NODES_MAX];
};

/* `line` without its newline. 0; -EINVAL: it is none of numa_maps; -ERANGE: numbers that no host has. */
int numa_maps_parse(const char *line, struct numa_mapping *ret);

/* A line of /proc/PID/maps: where a mapping begins and ends. 0 or -EINVAL. */
int maps_parse(const char *line, uint64_t *ret_start, uint64_t *ret_end);

#endif

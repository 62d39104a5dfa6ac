/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's CPUs and NUMA nodes, by hwloc. Read once, and when a CPU comes online that was offline then; plain data after that.
 */
#ifndef TOPOLOGY_H
#define TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hwloc.h>

struct topology_cpu {
        int cpu;        /* OS index; equals the index into topology.cpus */
        bool present;   /* OS indexes may have holes */
        bool online;
        bool told_offline; /* by the configuration: whatever the kernel says */
        bool isolated;  /* isolcpus= */
        int core;       /* logical number of the physical core, unique on the host; -1 unknown (the CPU is offline) */
        int llc;        /* logical number of the last-level cache domain, unique on the host; -1 unknown */
        int package;    /* socket; -1 unknown */
        int node;       /* NUMA node's OS index; -1 unknown */
        hwloc_bitmap_t siblings; /* CPUs of the same physical core, itself included */
};

struct topology_node {
        int node;             /* OS index */
        hwloc_bitmap_t cpus;  /* present CPUs */
};

struct topology {
        struct topology_cpu *cpus; /* n_cpus = highest OS index + 1 */
        size_t n_cpus;
        struct topology_node *nodes; /* those that have CPUs, in ascending order of OS index, those that came later at the end */
        size_t n_nodes;
        bool synthetic;
        uint8_t *distances; /* between nodes, n_distances x n_distances, by their places in `nodes`; NULL: the kernel does not tell */
        size_t n_distances;
};

/*
 * Reads the topology. `synthetic`: an hwloc synthetic description ("pack:2 numa:1 l3:1 core:16 pu:2") or NULL for the
 * real host below `root` ("/" or a fixture tree with sys/devices/system). On a synthetic topology all CPUs are online and none isolated,
 * unless `isolated` / `offline` (CPU lists, may be NULL) say otherwise; on a real one these two add to what the kernel says.
 * hwloc takes a root other than "/" only from the environment: HWLOC_FSROOT is set while it loads and put back after, so no other thread
 * may use the environment meanwhile.
 * Returns 0; -EINVAL: the description or a list does not parse; -ENODEV: no CPU found; -ENOMEM.
 */
int topology_new(struct topology **ret, const char *root, const char *synthetic, const char *isolated, const char *offline);
/* Takes over from `fresh`, read anew, where the CPUs are that are online now; others stay where they were, but for the numbers of core, cache and package, which hwloc gives anew
 * (-1 then). CPUs beyond n_cpus are left out; nodes are only ever added, at the end. Pointers to CPUs stay valid, those to nodes do not. 0; -ENOMEM: nothing is damaged. */
int topology_refresh(struct topology *topology, const struct topology *fresh);
struct topology *topology_free(struct topology *topology);
static inline void topology_freep(struct topology **topology) { topology_free(*topology); }

/* NULL when there is no such CPU / node. */
const struct topology_cpu *topology_cpu(const struct topology *topology, int cpu);
const struct topology_node *topology_node(const struct topology *topology, int node);
/* How far the memory of the node at place `to` is for a CPU of the one at place `from`, as ACPI tells: 10 is local. Where the kernel does not tell: 20. */
unsigned topology_distance(const struct topology *topology, size_t from, size_t to);

#endif

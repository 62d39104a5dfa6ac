/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's CPUs and NUMA nodes, by hwloc. Read once and on CPU hot-plug; plain data after that.
 */
#ifndef TOPOLOGY_H
#define TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>

#include <hwloc.h>

struct topology_cpu {
        int cpu;        /* OS index; equals the index into topology.cpus */
        bool present;   /* OS indexes may have holes */
        bool online;
        bool isolated;  /* isolcpus= */
        int core;       /* logical number of the physical core, unique on the host */
        int llc;        /* logical number of the last-level cache domain, unique on the host; -1 unknown */
        int package;    /* socket */
        int node;       /* NUMA node's OS index */
        hwloc_bitmap_t siblings; /* CPUs of the same physical core, itself included */
};

struct topology_node {
        int node;             /* OS index */
        hwloc_bitmap_t cpus;  /* present CPUs */
};

struct topology {
        struct topology_cpu *cpus; /* n_cpus = highest OS index + 1 */
        size_t n_cpus;
        struct topology_node *nodes; /* in ascending order of OS index */
        size_t n_nodes;
        bool synthetic;
};

/*
 * Reads the topology. `synthetic`: an hwloc synthetic description ("pack:2 numa:1 l3:1 core:16 pu:2") or NULL for the
 * real host below `root` ("/" or a fixture tree with sys/devices/system). On a synthetic topology all CPUs are online and none isolated,
 * unless `isolated` / `offline` (CPU lists, may be NULL) say otherwise; on a real one these two add to what the kernel says.
 * Returns 0; -EINVAL: the description or a list does not parse; -ENODEV: no CPU found; -ENOMEM.
 */
int topology_new(struct topology **ret, const char *root, const char *synthetic, const char *isolated, const char *offline);
struct topology *topology_free(struct topology *topology);
static inline void topology_freep(struct topology **topology) { topology_free(*topology); }

/* NULL when there is no such CPU / node. */
const struct topology_cpu *topology_cpu(const struct topology *topology, int cpu);
const struct topology_node *topology_node(const struct topology *topology, int node);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vCPUs that may use all CPUs of several nodes: it is the kernel's scheduler that moves them to where CPUs are free. A node is not fuller for them than it has to be: what is bound to it comes
 * first, and they fill what is left. So a domain that is larger than a node, and bound to none, takes no room from one that is to be placed whole.
 */
#include <string.h>

#include "placement-internal.h"

/* Those with fewer nodes first: who has more of them can still go elsewhere. */
static int compare(uint64_t a, uint64_t b) {
        int n_a = __builtin_popcountll(a), n_b = __builtin_popcountll(b);
        if (n_a != n_b)
                return n_a < n_b ? -1 : 1;
        return a < b ? -1 : a > b;
}

void float_count(struct placement *placement, uint64_t nodes, int sign) {
        struct floating *groups = placement->floating;
        size_t i = 0;
        while (i < placement->n_floating && compare(groups[i].nodes, nodes) < 0)
                i++;
        if (i == placement->n_floating || groups[i].nodes != nodes) {
                /* never more of them than there are vCPUs, for which there is room */
                memmove(groups + i + 1, groups + i, (placement->n_floating++ - i) * sizeof *groups);
                groups[i] = (struct floating) { .nodes = nodes };
        }
        groups[i].n = sign > 0 ? groups[i].n + 1 : groups[i].n - 1;
        if (groups[i].n == 0)
                memmove(groups + i, groups + i + 1, (--placement->n_floating - i) * sizeof *groups);
}

/* Pours vCPUs over the nodes like water: the emptiest (for its CPUs) first, until all that get some are equally full. */
static void pour(const struct placement *placement, const struct floating *group, double *loads) {
        uint64_t taking = group->nodes, before;
        double level;
        do {
                double vcpus = (double) group->n, cpus = 0;
                for (size_t i = 0; i < placement->n_nodes; i++)
                        if (taking >> i & 1) {
                                vcpus += loads[i];
                                cpus += (double) placement->nodes[i].n_cpus;
                        }
                level = vcpus / cpus;
                before = taking;
                for (size_t i = 0; i < placement->n_nodes; i++)
                        if ((taking >> i & 1) && loads[i] > level * (double) placement->nodes[i].n_cpus + PLACEMENT_EPSILON)
                                taking &= ~((uint64_t) 1 << i);
        } while (taking != before);
        for (size_t i = 0; i < placement->n_nodes; i++)
                if (taking >> i & 1)
                        loads[i] = level * (double) placement->nodes[i].n_cpus;
}

void float_fill(const struct placement *placement, double *loads) {
        for (size_t i = 0; i < placement->n_floating; i++)
                pour(placement, &placement->floating[i], loads);
}

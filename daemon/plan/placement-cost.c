/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a placement costs, in CPUs lost. A vCPU all of whose memory is on a neighbour node loses 1; everything else is weighed against that. The sum over all domains and nodes falls with each
 * move that is planned, so planning ends.
 */
#include "placement-internal.h"

/* vCPUs of one guest cell share caches and locks: on different nodes that costs a third of what remote memory does. What cells share is little. */
#define SAME_CELL_WEIGHT 0.3
#define OTHER_CELL_WEIGHT 0.05

/* Two threads of a physical core do 1.4 times the work of one: each vCPU beyond one for a core loses (2 - 1.4) / 2 = 0.3. Each beyond one for a CPU loses all, and the more there are, the
 * longer each waits. Below that, caches and memory bandwidth are shared by all: little, but of two nodes the emptier one is better. */
#define SIBLING_WEIGHT 0.3
#define BANDWIDTH_WEIGHT 0.1

/* On a node that has no CPU for it: worse than any other place. */
#define NO_CPU_COST 10.0

double node_cost(const struct placed_node *node, double load) {
        double cpus = (double) node->n_cpus, beyond_cores = load - (double) node->n_cores, beyond_cpus = load - cpus;
        if (node->n_cpus == 0)
                return NO_CPU_COST * load;
        double cost = BANDWIDTH_WEIGHT * load * load / cpus;
        if (beyond_cores > 0)
                cost += SIBLING_WEIGHT * beyond_cores;
        if (beyond_cpus > 0)
                cost += beyond_cpus + beyond_cpus * beyond_cpus / cpus;
        return cost;
}

/* How many vCPUs of each cell are on each node: placement->weights. */
static void weigh(struct placement *placement, const struct placed_domain *domain, const struct layout *layout) {
        size_t n_nodes = placement->n_nodes;
        for (size_t i = 0; i < domain->n_cells * n_nodes; i++)
                placement->weights[i] = 0;
        for (size_t i = 0; i < domain->n_vcpus; i++) {
                double *weights = placement->weights + domain->vcpus[i].cell * n_nodes;
                if (layout->node_of[i] == NOT_YET)
                        continue;
                if (layout->node_of[i] != NO_NODE)
                        weights[layout->node_of[i]] += 1;
                else
                        for (size_t node = 0; node < n_nodes; node++)
                                weights[node] += domain->shares[i * n_nodes + node];
        }
}

/* Of `weights` vCPUs: the sum over all of them of the mean distance to the others. */
static double distance_within(const struct placement *placement, const double *weights) {
        double sum = 0, total = 0;
        for (size_t i = 0; i < placement->n_nodes; i++) {
                total += weights[i];
                for (size_t j = 0; weights[i] > 0 && j < placement->n_nodes; j++)
                        sum += weights[i] * weights[j] * distance(placement, i, j);
        }
        return total > 0 ? sum / total : 0;
}

/* The sum over the cell's vCPUs of the mean distance to its memory. */
static double distance_to_memory(const struct placement *placement, const double *weights, const uint64_t *kib, size_t moved_to) {
        double total = 0, sum = 0;
        for (size_t i = 0; i < placement->n_nodes; i++)
                total += (double) kib[i];
        if (total <= 0)
                return 0;
        for (size_t i = 0; i < placement->n_nodes; i++) {
                double mean = 0;
                if (weights[i] <= 0)
                        continue;
                if (moved_to < placement->n_nodes)
                        mean = distance(placement, i, moved_to);
                else
                        for (size_t j = 0; j < placement->n_nodes; j++)
                                mean += (double) kib[j] / total * distance(placement, i, j);
                sum += weights[i] * mean;
        }
        return sum;
}

void layout_cost(struct placement *placement, const struct placed_domain *domain, struct layout *layout) {
        size_t n_nodes = placement->n_nodes;
        double cost = 0;
        weigh(placement, domain, layout);
        for (size_t cell = 0; cell < domain->n_cells; cell++) {
                const double *weights = placement->weights + cell * n_nodes;
                cost += SAME_CELL_WEIGHT * distance_within(placement, weights);
                if (domain->kib_known[cell])
                        cost += distance_to_memory(placement, weights, domain->kib + cell * n_nodes, layout->memory_to[cell]);
        }
        /* from here on the first row is the whole domain's */
        for (size_t cell = 1; cell < domain->n_cells; cell++)
                for (size_t node = 0; node < n_nodes; node++)
                        placement->weights[node] += placement->weights[cell * n_nodes + node];
        for (size_t node = 0; node < n_nodes; node++) {
                double weight = placement->weights[node];
                cost += weight * domain->near[node] + node_cost(&placement->nodes[node], placement->loads[node] + weight);
        }
        layout->cost = cost + OTHER_CELL_WEIGHT * distance_within(placement, placement->weights);
}

double domain_remote_share(const struct placement *placement, const struct placed_domain *domain) {
        size_t n_nodes = placement->n_nodes;
        double remote = 0;
        size_t n = 0;
        for (size_t i = 0; i < domain->n_vcpus; i++) {
                size_t cell = domain->vcpus[i].cell;
                const uint64_t *kib = domain->kib + cell * n_nodes;
                double total = 0, local = 0;
                for (size_t node = 0; node < n_nodes; node++) {
                        total += (double) kib[node];
                        local += domain->shares[i * n_nodes + node] * (double) kib[node];
                }
                if (!domain->kib_known[cell] || total <= 0)
                        continue;
                remote += 1 - local / total;
                n++;
        }
        return n > 0 ? remote / (double) n : -1;
}

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

double memory_distance(const struct placement *placement, const struct placed_domain *domain, const struct layout *layout, size_t cell, size_t node) {
        const uint64_t *kib = domain->kib + cell * placement->n_nodes;
        double total = 0, mean = 0;
        for (size_t i = 0; domain->kib_known[cell] && i < placement->n_nodes; i++)
                total += (double) kib[i];
        for (size_t i = 0; total > 0 && i < placement->n_nodes; i++)
                mean += (double) kib[i] / total * distance(placement, node, layout ? memory_lands(layout, cell, i) : i);
        return mean;
}

static uint64_t cell_kib(const struct placement *placement, const struct placed_domain *domain, size_t cell) {
        uint64_t sum = 0;
        for (size_t i = 0; domain->kib_known[cell] && i < placement->n_nodes; i++)
                sum += domain->kib[cell * placement->n_nodes + i];
        return sum;
}

/* The sum over the cell's vCPUs of the mean distance to its memory. */
static double distance_to_memory(const struct placement *placement, const struct placed_domain *domain, const struct layout *layout, size_t cell, const double *weights) {
        double sum = 0;
        if (cell_kib(placement, domain, cell) == 0)
                return 0;
        for (size_t i = 0; i < placement->n_nodes; i++)
                if (weights[i] > 0)
                        sum += weights[i] * memory_distance(placement, domain, layout, cell, i);
        return sum;
}

/* placement->filled: the nodes with all that is on them, when the domain is as the layout says. */
static void fill_nodes(struct placement *placement, const struct placed_domain *domain, const struct layout *layout) {
        double *filled = placement->filled;
        for (size_t node = 0; node < placement->n_nodes; node++)
                filled[node] = placement->nodes[node].load;
        for (size_t i = 0; i < domain->n_vcpus; i++) {
                size_t to = layout->node_of[i];
                if (to == NOT_YET)
                        continue;
                if (to != NO_NODE)
                        filled[to] += 1;
                else if (domain->vcpus[i].floats)
                        float_count(placement, domain->vcpus[i].floats, 1);
                else
                        for (size_t node = 0; node < placement->n_nodes; node++)
                                filled[node] += domain->shares[i * placement->n_nodes + node];
        }
        float_fill(placement, filled);
        for (size_t i = 0; i < domain->n_vcpus; i++)
                if (layout->node_of[i] == NO_NODE && domain->vcpus[i].floats)
                        float_count(placement, domain->vcpus[i].floats, -1);
}

double add_nodes_cost(const struct placement *placement, const struct placed_domain *domain, const double *weights, double cost) {
        for (size_t node = 0; node < placement->n_nodes; node++)
                cost += weights[node] * domain->near[node] + node_cost(&placement->nodes[node], placement->filled[node]);
        return cost + OTHER_CELL_WEIGHT * distance_within(placement, weights);
}

void layout_cost(struct placement *placement, const struct placed_domain *domain, struct layout *layout) {
        size_t n_nodes = placement->n_nodes;
        double cost = 0;
        weigh(placement, domain, layout);
        for (size_t cell = 0; cell < domain->n_cells; cell++) {
                const double *weights = placement->weights + cell * n_nodes;
                cost += SAME_CELL_WEIGHT * distance_within(placement, weights);
                cost += distance_to_memory(placement, domain, layout, cell, weights);
        }
        /* from here on the first row is the whole domain's */
        for (size_t cell = 1; cell < domain->n_cells; cell++)
                for (size_t node = 0; node < n_nodes; node++)
                        placement->weights[node] += placement->weights[cell * n_nodes + node];
        fill_nodes(placement, domain, layout);
        layout->cost = add_nodes_cost(placement, domain, placement->weights, cost);
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

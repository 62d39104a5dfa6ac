/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Level 1: which nodes a domain goes to. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "placement-internal.h"

/* The price of moving pages, in CPUs. */
static double price(const struct placement *placement, uint64_t moved_kib) {
        return placement->rules->gib_cost * (double) moved_kib / (1024.0 * 1024.0);
}

/* Takes LAYOUT_TRY for LAYOUT_BEST if it is cheaper, and with its memory moved for LAYOUT_MOVED. */
static void try_layout(struct placement *placement, const struct placed_domain *domain) {
        struct layout *try = &placement->layouts[LAYOUT_TRY];
        try->valid = true;
        for (int with_memory = 0; with_memory < 2; with_memory++) {
                struct layout *best = &placement->layouts[with_memory ? LAYOUT_MOVED : LAYOUT_BEST];
                if (with_memory && (!layout_move_memory(placement, domain, try, placement->rules->memory) || try->moved_kib == 0))
                        continue;
                if (!with_memory)
                        layout_keep_memory(domain, try);
                if (try->shape == PLACEMENT_SPREAD)
                        spread_vcpus(placement, domain, try, try->sets[0]);
                layout_cost(placement, domain, try);
                if (!best->valid || try->cost + price(placement, try->moved_kib) < best->cost + price(placement, best->moved_kib) - PLACEMENT_EPSILON)
                        layout_copy(placement, best, try);
        }
}

/* --- whole */

/* Memory of the domain, or of one of its cells, as far as it is told. */
static uint64_t cell_memory(const struct placed_domain *domain, size_t cell) {
        return cell < domain->domain->n_cells ? domain->domain->cells[cell].pub.memory_kib : domain->domain->pub.memory_kib;
}

static uint64_t domain_memory(const struct placed_domain *domain) {
        uint64_t sum = 0;
        for (size_t cell = 0; cell < domain->domain->n_cells; cell++)
                sum += domain->domain->cells[cell].pub.memory_kib;
        return sum > domain->domain->pub.memory_kib ? sum : domain->domain->pub.memory_kib;
}

static bool is_smaller_than(const struct placed_node *node, size_t n_vcpus, uint64_t memory_kib) {
        return n_vcpus <= node->n_cpus && (!node->memory_known || memory_kib <= node->total_kib);
}

/* A node with a free CPU for each vCPU? */
static bool has_free_cpus(const struct placement *placement, size_t node, size_t n_vcpus) {
        return placement->loads[node] + (double) n_vcpus <= (double) placement->nodes[node].n_cpus + PLACEMENT_EPSILON;
}

static void set_all(const struct placed_domain *domain, struct layout *layout, size_t node) {
        for (size_t i = 0; i < domain->n_vcpus; i++)
                layout->node_of[i] = node;
        for (size_t cell = 0; cell < domain->n_cells; cell++)
                (void) hwloc_bitmap_only(layout->sets[cell], (unsigned) node);
}

/* False: the domain is larger than any node. */
static bool try_whole(struct placement *placement, const struct placed_domain *domain) {
        struct layout *try = &placement->layouts[LAYOUT_TRY];
        uint64_t memory = domain_memory(domain);
        bool fits = false, free = false;
        for (size_t node = 0; node < placement->n_nodes; node++) {
                bool smaller = is_smaller_than(&placement->nodes[node], domain->n_vcpus, memory);
                fits = fits || smaller;
                free = free || (smaller && has_free_cpus(placement, node, domain->n_vcpus));
        }
        for (size_t node = 0; node < placement->n_nodes; node++) {
                if (!is_smaller_than(&placement->nodes[node], domain->n_vcpus, memory) || (free && !has_free_cpus(placement, node, domain->n_vcpus)))
                        continue;
                try->shape = PLACEMENT_WHOLE;
                set_all(domain, try, node);
                try_layout(placement, domain);
        }
        return fits;
}

/* --- split */

int split_init(struct split *split, size_t n_cells, size_t n_nodes) {
        n_nodes = n_nodes ? n_nodes : 1;
        split->order = calloc(n_cells, sizeof *split->order);
        split->node_of = calloc(n_cells, sizeof *split->node_of);
        split->vcpus = calloc(n_nodes, sizeof *split->vcpus);
        split->memory = calloc(n_nodes, sizeof *split->memory);
        split->remote = calloc(n_cells * n_nodes, sizeof *split->remote);
        split->elsewhere_kib = calloc(n_cells * n_nodes, sizeof *split->elsewhere_kib);
        return split->order && split->node_of && split->vcpus && split->memory && split->remote && split->elsewhere_kib ? 0 : -ENOMEM;
}

void split_done(struct split *split) {
        free(split->order);
        free(split->node_of);
        free(split->vcpus);
        free(split->memory);
        free(split->remote);
        free(split->elsewhere_kib);
}

/* Beside the cells that are there already, is the node large enough for this one, which is nowhere yet? */
static bool node_takes_cell(const struct placement *placement, const struct placed_domain *domain, size_t cell, size_t node) {
        const struct split *split = &placement->split;
        return is_smaller_than(&placement->nodes[node], (size_t) split->vcpus[node] + domain->vcpus_of_cell[cell], split->memory[node] + cell_memory(domain, cell));
}

/* NOT_YET: onto no node. */
static void put_cell(struct placement *placement, const struct placed_domain *domain, size_t cell, size_t node) {
        struct split *split = &placement->split;
        size_t before = split->node_of[cell];
        if (before != NOT_YET) {
                split->vcpus[before] -= (double) domain->vcpus_of_cell[cell];
                split->memory[before] -= cell_memory(domain, cell);
        }
        split->node_of[cell] = node;
        if (node != NOT_YET) {
                split->vcpus[node] += (double) domain->vcpus_of_cell[cell];
                split->memory[node] += cell_memory(domain, cell);
        }
}

/* As layout_move_memory() has it: which cells' memory would move? */
static bool memory_may_move(const struct placement *placement, const struct placed_domain *domain, bool *ret_whole) {
        const size_t *node_of = placement->split.node_of;
        bool whole = node_of[0] != NOT_YET, known = true;
        for (size_t cell = 0; cell < domain->n_cells; cell++) {
                whole = whole && node_of[cell] == node_of[0];
                known = known && domain->kib_known[cell];
        }
        *ret_whole = whole;
        return memory_can_move(domain, placement->rules->memory) && (whole ? known : placement->rules->memory == PLACEMENT_MEMORY_CELLS);
}

/* What layout_cost() and the price of moved memory would be with the cells where they are now; HUGE when the memory has no room. Asked for each cell on each node, for every domain that is
 * larger than a node: so it touches each cell once, and no vCPU. */
static double split_cost(struct placement *placement, const struct placed_domain *domain, bool with_memory) {
        const struct split *split = &placement->split;
        size_t n_nodes = placement->n_nodes;
        bool whole = false, moves = with_memory && memory_may_move(placement, domain, &whole);
        uint64_t moved_kib = 0;
        double cost = 0;
        memset(placement->coming, 0, n_nodes * sizeof *placement->coming);
        for (size_t cell = 0; cell < domain->n_cells; cell++) {
                size_t node = split->node_of[cell];
                if (node == NOT_YET)
                        continue;
                uint64_t kib = moves && (whole || cell_is_told(domain, cell)) ? split->elsewhere_kib[cell * n_nodes + node] : 0;
                placement->coming[node] += kib;
                moved_kib += kib;
                /* its vCPUs are on one node, at no distance from each other, nor from memory that comes there */
                if (kib == 0)
                        cost += split->remote[cell * n_nodes + node];
        }
        for (size_t node = 0; node < n_nodes; node++) {
                if (placement->coming[node] > 0 && !node_has_room(&placement->nodes[node], placement->coming[node]))
                        return HUGE_VAL;
                placement->filled[node] = placement->nodes[node].load + split->vcpus[node];
        }
        float_fill(placement, placement->filled);
        return add_nodes_cost(placement, domain, split->vcpus, cost) + price(placement, moved_kib);
}

/* Puts the cell onto the node where the layout is cheapest; false: no node takes it. */
static bool put_cell_best(struct placement *placement, const struct placed_domain *domain, size_t cell, bool with_memory) {
        size_t best = NOT_YET;
        double best_cost = HUGE_VAL;
        for (size_t node = 0; node < placement->n_nodes; node++) {
                put_cell(placement, domain, cell, NOT_YET);
                if (!node_takes_cell(placement, domain, cell, node))
                        continue;
                put_cell(placement, domain, cell, node);
                double cost = split_cost(placement, domain, with_memory);
                if (cost < best_cost - PLACEMENT_EPSILON) {
                        best = node;
                        best_cost = cost;
                }
        }
        put_cell(placement, domain, cell, best);
        return best != NOT_YET;
}

static int compare_cells(const void *a, const void *b, void *userdata) {
        const struct placed_domain *domain = userdata;
        size_t x = *(const size_t *) a, y = *(const size_t *) b, n_x = domain->vcpus_of_cell[x], n_y = domain->vcpus_of_cell[y];
        if (n_x != n_y)
                return n_x > n_y ? -1 : 1;
        return x < y ? -1 : x > y;
}

/* The first cell onto `seed`, the others where they are cheapest; then each once more, knowing where the others are. */
static void try_split_from(struct placement *placement, const struct placed_domain *domain, size_t seed, bool with_memory) {
        struct layout *try = &placement->layouts[LAYOUT_TRY];
        struct split *split = &placement->split;
        for (size_t cell = 0; cell < domain->n_cells; cell++)
                split->node_of[cell] = NOT_YET;
        memset(split->vcpus, 0, placement->n_nodes * sizeof *split->vcpus);
        memset(split->memory, 0, placement->n_nodes * sizeof *split->memory);
        if (!node_takes_cell(placement, domain, split->order[0], seed))
                return;
        put_cell(placement, domain, split->order[0], seed);
        for (size_t i = 1; i < domain->n_cells; i++)
                if (!put_cell_best(placement, domain, split->order[i], with_memory))
                        return;
        for (size_t i = 0; i < domain->n_cells; i++)
                if (!put_cell_best(placement, domain, split->order[i], with_memory))
                        return;
        try->shape = PLACEMENT_SPLIT;
        for (size_t cell = 0; cell < domain->n_cells; cell++)
                (void) hwloc_bitmap_only(try->sets[cell], (unsigned) split->node_of[cell]);
        for (size_t i = 0; i < domain->n_vcpus; i++)
                try->node_of[i] = split->node_of[domain->vcpus[i].cell];
        try_layout(placement, domain);
}

static void try_split(struct placement *placement, const struct placed_domain *domain) {
        struct split *split = &placement->split;
        size_t n_nodes = placement->n_nodes;
        for (size_t cell = 0; cell < domain->n_cells; cell++) {
                split->order[cell] = cell;
                for (size_t node = 0; node < n_nodes; node++) {
                        split->remote[cell * n_nodes + node] = (double) domain->vcpus_of_cell[cell] * memory_distance(placement, domain, NULL, cell, node);
                        split->elsewhere_kib[cell * n_nodes + node] = cell_kib_elsewhere(placement, domain, cell, node);
                }
        }
        qsort_r(split->order, domain->n_cells, sizeof *split->order, compare_cells, (void *) domain);
        int n_ways = memory_can_move(domain, placement->rules->memory) ? 2 : 1;
        for (size_t seed = 0; seed < n_nodes; seed++)
                for (int with_memory = 0; with_memory < n_ways; with_memory++)
                        try_split_from(placement, domain, seed, with_memory);
}

/* --- spread */

/* The node of the set where one vCPU more of the cell costs least on top of placement->filled. One without a free CPU is taken only when none has one, however near the memory is. */
static size_t cheapest_node(const struct placement *placement, const struct placed_domain *domain, const struct layout *layout, size_t cell, hwloc_const_bitmap_t set) {
        size_t best = NO_NODE;
        double best_cost = 0;
        bool best_free = false;
        unsigned node;
        hwloc_bitmap_foreach_begin(node, set) {
                const struct placed_node *place = &placement->nodes[node];
                double load = placement->filled[node];
                bool free = load + 1 <= (double) place->n_cpus + PLACEMENT_EPSILON;
                if (place->n_cpus == 0 || (best_free && !free))
                        continue;
                double cost = node_cost(place, load + 1) - node_cost(place, load) + memory_distance(placement, domain, layout, cell, node);
                if (best == NO_NODE || free != best_free || cost < best_cost - PLACEMENT_EPSILON) {
                        best = node;
                        best_cost = cost;
                        best_free = free;
                }
        } hwloc_bitmap_foreach_end();
        return best;
}

/* Neighbours together: the vCPUs of the cell, in their order, to the nodes in theirs. */
static void spread_cell(struct placement *placement, const struct placed_domain *domain, struct layout *layout, size_t cell, hwloc_const_bitmap_t set) {
        double *given = placement->weights;
        size_t next = 0;
        memset(given, 0, placement->n_nodes * sizeof *given);
        for (size_t i = 0; i < domain->n_vcpus; i++) {
                size_t node = domain->vcpus[i].cell == cell ? cheapest_node(placement, domain, layout, cell, set) : NO_NODE;
                if (node == NO_NODE)
                        continue;
                given[node] += 1;
                placement->filled[node] += 1;
        }
        for (size_t i = 0; i < domain->n_vcpus; i++) {
                if (domain->vcpus[i].cell != cell)
                        continue;
                while (next < placement->n_nodes && given[next] < 1)
                        next++;
                if (next >= placement->n_nodes)
                        break;
                layout->node_of[i] = next;
                given[next] -= 1;
        }
}

void spread_vcpus(struct placement *placement, const struct placed_domain *domain, struct layout *layout, hwloc_const_bitmap_t set) {
        memcpy(placement->filled, placement->loads, placement->n_nodes * sizeof *placement->filled);
        for (size_t cell = 0; cell < domain->n_cells; cell++)
                if (hwloc_bitmap_isequal(layout->sets[cell], set))
                        spread_cell(placement, domain, layout, cell, set);
}

/* How good a node is beside those of a set. */
struct neighbour {
        double distance, share; /* share: of its CPUs that are taken */
        uint64_t kib;           /* of the domain's memory */
};

/* The nearer one; of equals the one with more of the domain's memory, then the emptier one. */
static bool is_better_neighbour(const struct neighbour *a, const struct neighbour *b) {
        if (a->distance < b->distance - PLACEMENT_EPSILON || a->distance > b->distance + PLACEMENT_EPSILON)
                return a->distance < b->distance;
        return a->kib != b->kib ? a->kib > b->kib : a->share < b->share - PLACEMENT_EPSILON;
}

static size_t nearest_node(const struct placement *placement, const struct placed_domain *domain, hwloc_const_bitmap_t set) {
        size_t best = NO_NODE;
        struct neighbour nearest = { 0 };
        for (size_t node = 0; node < placement->n_nodes; node++) {
                const struct placed_node *place = &placement->nodes[node];
                if (hwloc_bitmap_isset(set, (unsigned) node) || place->n_cpus == 0)
                        continue;
                struct neighbour neighbour = { .share = placement->loads[node] / (double) place->n_cpus };
                unsigned other;
                hwloc_bitmap_foreach_begin(other, set) {
                        neighbour.distance += distance(placement, node, other);
                } hwloc_bitmap_foreach_end();
                for (size_t cell = 0; cell < domain->n_cells; cell++)
                        neighbour.kib += domain->kib_known[cell] ? domain->kib[cell * placement->n_nodes + node] : 0;
                if (best == NO_NODE || is_better_neighbour(&neighbour, &nearest)) {
                        best = node;
                        nearest = neighbour;
                }
        }
        return best;
}

/* From `seed` on as many near nodes as hold the domain, or all. */
static void try_spread_from(struct placement *placement, const struct placed_domain *domain, size_t seed) {
        struct layout *try = &placement->layouts[LAYOUT_TRY];
        hwloc_bitmap_t set = try->sets[0];
        struct placed_node sum = { 0 };
        uint64_t memory = domain_memory(domain);
        try->shape = PLACEMENT_SPREAD;
        hwloc_bitmap_zero(set);
        sum.memory_known = true;
        for (size_t node = seed; node != NO_NODE; node = nearest_node(placement, domain, set)) {
                (void) hwloc_bitmap_set(set, (unsigned) node);
                sum.n_cpus += placement->nodes[node].n_cpus;
                sum.total_kib += placement->nodes[node].total_kib;
                sum.memory_known = sum.memory_known && placement->nodes[node].memory_known;
                if (is_smaller_than(&sum, domain->n_vcpus, memory))
                        break;
        }
        for (size_t cell = 1; cell < domain->n_cells; cell++)
                (void) hwloc_bitmap_copy(try->sets[cell], set);
        for (size_t i = 0; i < domain->n_vcpus; i++)
                try->node_of[i] = NO_NODE;
        try_layout(placement, domain);
}

static void try_spread(struct placement *placement, const struct placed_domain *domain) {
        for (size_t seed = 0; seed < placement->n_nodes; seed++)
                if (placement->nodes[seed].n_cpus > 0)
                        try_spread_from(placement, domain, seed);
}

/* --- memory alone: vCPUs stay where they are */

static void try_memory(struct placement *placement, const struct placed_domain *domain) {
        struct layout *try = &placement->layouts[LAYOUT_TRY];
        for (size_t node = 0; node < placement->n_nodes; node++) {
                set_all(domain, try, node);
                for (size_t i = 0; i < domain->n_vcpus; i++)
                        try->node_of[i] = NO_NODE;
                try->shape = PLACEMENT_WHOLE;
                if (is_smaller_than(&placement->nodes[node], 0, domain_memory(domain)))
                        try_layout(placement, domain);
        }
}

static void try_shapes(struct placement *placement, const struct placed_domain *domain) {
        if (placement->rules->pin == PLACEMENT_PIN_NO) {
                try_memory(placement, domain);
                return;
        }
        if (try_whole(placement, domain))
                return;
        if (domain->n_cells > 1)
                try_split(placement, domain);
        if (!placement->layouts[LAYOUT_BEST].valid)
                try_spread(placement, domain);
}

double least_gain(const struct placement *placement, const struct placed_domain *domain) {
        double least = placement->rules->min_gain > PLACEMENT_LEAST_GAIN ? placement->rules->min_gain : PLACEMENT_LEAST_GAIN;
        return least * (double) domain->n_vcpus;
}

void choose_nodes(struct placement *placement, const struct placed_domain *domain) {
        struct layout *best = &placement->layouts[LAYOUT_BEST], *moved = &placement->layouts[LAYOUT_MOVED];
        best->valid = moved->valid = false;
        try_shapes(placement, domain);
        /* memory must win by itself what a move must win, not on the back of vCPUs that are better off anyway */
        if (moved->valid && moved->cost + price(placement, moved->moved_kib) + least_gain(placement, domain) <= best->cost)
                layout_copy(placement, best, moved);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which memory of a domain moves in a layout, and where it comes to. */
#include <string.h>

#include "placement-internal.h"

uint64_t cell_kib_elsewhere(const struct placement *placement, const struct placed_domain *domain, size_t cell, size_t node) {
        uint64_t sum = 0;
        for (size_t i = 0; i < placement->n_nodes; i++)
                if (i != node)
                        sum += domain->kib[cell * placement->n_nodes + i];
        return sum;
}

/* The only node of a set; NO_NODE: several. */
static size_t only_node(hwloc_const_bitmap_t set) {
        return hwloc_bitmap_weight(set) == 1 ? (size_t) hwloc_bitmap_first(set) : NO_NODE;
}

bool node_has_room(const struct placed_node *node, uint64_t coming_kib) {
        uint64_t taken = node->coming_kib + node->keep_kib, free_kib = node->free_kib < node->total_kib ? node->free_kib : node->total_kib;
        return node->memory_known && taken <= free_kib && coming_kib <= free_kib - taken;
}

bool cell_is_told(const struct placed_domain *domain, size_t cell) {
        return cell < domain->domain->n_cells && domain->domain->cells[cell].kib_of_node;
}

bool memory_can_move(const struct placed_domain *domain, enum placement_memory memory) {
        return memory != PLACEMENT_MEMORY_STAY && !domain->memory_fixed;
}

void layout_keep_memory(const struct placed_domain *domain, struct layout *layout) {
        layout->moved_kib = 0;
        for (size_t cell = 0; cell < domain->n_cells; cell++)
                layout->memory_to[cell] = NO_NODE;
}

/* The number of members of the set below `member`. */
static size_t rank_in(hwloc_const_bitmap_t set, unsigned member) {
        size_t rank = 0;
        unsigned i;
        hwloc_bitmap_foreach_begin(i, set) {
                rank += i < member;
        } hwloc_bitmap_foreach_end();
        return rank;
}

static size_t member_of_rank(hwloc_const_bitmap_t set, size_t rank) {
        int member = hwloc_bitmap_first(set);
        while (rank-- > 0)
                member = hwloc_bitmap_next(set, member);
        return (size_t) member;
}

/* Where memory may be now, into placement->common: nodes that it is allowed on, and those that it is on all the same. */
static void find_memory(const struct placement *placement, const struct placed_domain *domain) {
        hwloc_bitmap_zero(placement->common);
        for (size_t node = 0; node < placement->n_nodes; node++) {
                bool may = !domain->memory_nodes || hwloc_bitmap_isset(domain->memory_nodes, (unsigned) placement->host->nodes[node].topology->node);
                for (size_t cell = 0; !may && cell < domain->n_cells; cell++)
                        may = domain->kib[cell * placement->n_nodes + node] > 0;
                if (may)
                        (void) hwloc_bitmap_set(placement->common, (unsigned) node);
        }
}

/* Where the kernel moves what is on each node when the nodes that memory may be on become `set`: what is on one of them stays, and else the first of the nodes before goes to the first of the
 * set, the second to the second, around again when there are no more. As many nodes as before: the same, but all move. (do_migrate_pages() of mm/mempolicy.c, Linux 6.1 and 6.12.) */
static void find_landings(const struct placement *placement, const struct placed_domain *domain, struct layout *layout, hwloc_const_bitmap_t set) {
        size_t n_to = (size_t) hwloc_bitmap_weight(set);
        find_memory(placement, domain);
        bool as_many = (size_t) hwloc_bitmap_weight(placement->common) == n_to;
        for (size_t node = 0; node < placement->n_nodes; node++) {
                bool stays = !hwloc_bitmap_isset(placement->common, (unsigned) node) || (hwloc_bitmap_isset(set, (unsigned) node) && !as_many);
                layout->lands[node] = stays ? node : member_of_rank(set, rank_in(placement->common, (unsigned) node) % n_to);
        }
}

/* Can the domain be bound to the nodes of the set, which are several? */
static bool all_have_memory(const struct placement *placement, hwloc_const_bitmap_t set) {
        unsigned node;
        hwloc_bitmap_foreach_begin(node, set) {
                if (!placement->nodes[node].memory_known || placement->nodes[node].total_kib == 0)
                        return false;
        } hwloc_bitmap_foreach_end();
        return true;
}

static bool comes_into_room(const struct placement *placement, const struct placed_domain *domain, struct layout *layout) {
        size_t n_nodes = placement->n_nodes;
        memset(placement->coming, 0, n_nodes * sizeof *placement->coming);
        for (size_t cell = 0; cell < domain->n_cells; cell++)
                for (size_t node = 0; node < n_nodes; node++) {
                        size_t to = memory_lands(layout, cell, node);
                        uint64_t kib = to != node ? domain->kib[cell * n_nodes + node] : 0;
                        layout->moved_kib += kib;
                        placement->coming[to] += kib;
                }
        for (size_t node = 0; node < n_nodes; node++)
                if (placement->coming[node] > 0 && !node_has_room(&placement->nodes[node], placement->coming[node]))
                        return false;
        return true;
}

bool layout_move_memory(struct placement *placement, const struct placed_domain *domain, struct layout *layout, enum placement_memory memory) {
        bool whole = true;
        layout_keep_memory(domain, layout);
        if (!memory_can_move(domain, memory))
                return true;
        for (size_t cell = 1; cell < domain->n_cells; cell++)
                whole = whole && hwloc_bitmap_isequal(layout->sets[cell], layout->sets[0]);
        if (!whole && memory == PLACEMENT_MEMORY_DOMAIN)
                return true;
        for (size_t cell = 0; whole && cell < domain->n_cells; cell++)
                /* what would move beside what is meant to is not known otherwise */
                if (!domain->kib_known[cell])
                        return true;
        bool several = whole && hwloc_bitmap_weight(layout->sets[0]) > 1;
        if (several && !all_have_memory(placement, layout->sets[0]))
                return true;
        if (several)
                find_landings(placement, domain, layout, layout->sets[0]);
        for (size_t cell = 0; cell < domain->n_cells; cell++) {
                size_t node = only_node(layout->sets[cell]);
                if (several)
                        layout->memory_to[cell] = SEVERAL_NODES;
                else if (node != NO_NODE && (whole || cell_is_told(domain, cell)))
                        layout->memory_to[cell] = node;
        }
        return comes_into_room(placement, domain, layout);
}

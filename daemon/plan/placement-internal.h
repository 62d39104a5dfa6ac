/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the placement-*.c files: the picture of the host on which placements are worked out. */
#ifndef PLACEMENT_INTERNAL_H
#define PLACEMENT_INTERNAL_H

#include "placement.h"

/* Loads and costs that differ by less are equal. */
#define PLACEMENT_EPSILON 1e-9

#define NO_NODE SIZE_MAX
#define NOT_YET (SIZE_MAX - 1) /* in a layout in the making: counts for nothing so far */
#define SEVERAL_NODES (SIZE_MAX - 2)

struct placed_vcpu {
        hwloc_bitmap_t cpus; /* that it may use; NULL: unknown */
        size_t cell;
        int fixed;           /* the only usable CPU of them; -1: several */
        size_t node;         /* the only node of them; NO_NODE: several, or nobody knows */
        uint64_t floats;     /* the nodes all of whose CPUs it may use, bit by place, when these are several and all that it may use; 0: it does not float */
};

/* Only as many nodes have a bit in a set of nodes that vCPUs float over; on a host with more of them nothing floats, and vCPUs weigh on all their nodes alike. */
#define FLOATING_NODES_MAX 64

/* vCPUs that float over the same nodes. */
struct floating {
        uint64_t nodes;
        size_t n;
};

struct placed_domain {
        const struct domain *domain;
        const char *off_limits; /* the rule; NULL: may be placed */
        bool loads;             /* its vCPUs count: it runs, or is paused and will run again */
        bool memory_fixed;      /* bound by hand or for as long as it runs, or pages that are no normal memory */
        size_t n_cells, n_vcpus;
        size_t n_units;         /* that I/O cores serve */
        struct placed_vcpu *vcpus;
        size_t *vcpus_of_cell;  /* n_cells: how many */
        double *shares;         /* n_vcpus x n_nodes: how much of its time each vCPU is on each node */
        uint64_t *kib;          /* n_cells x n_nodes: where the memory of each cell is */
        bool *kib_known;        /* n_cells */
        hwloc_bitmap_t memory_nodes; /* OS indexes: that its memory may be on; NULL: unknown */
        double *near;           /* n_nodes: CPUs lost for each vCPU on that node, for the domain's hardware and I/O cores being elsewhere */
        hwloc_bitmap_t emulator; /* NULL: unknown */
};

struct placed_node {
        hwloc_bitmap_t usable; /* CPUs that may be given vCPUs */
        size_t n_cpus, n_cores; /* of them; physical cores */
        double load;           /* vCPUs, of all domains, but for those that float */
        bool memory_known;
        uint64_t total_kib, free_kib; /* free: at the begin of the stage */
        uint64_t keep_kib; /* that nobody is given */
        uint64_t coming_kib, going_kib; /* in this stage */
};

/* Where a domain could be. */
struct layout {
        bool valid;
        enum placement_shape shape;
        size_t *node_of;      /* of each vCPU; NO_NODE: as it is now */
        hwloc_bitmap_t *sets; /* of each cell: the nodes that it is to be on */
        size_t *memory_to;    /* of each cell; NO_NODE: stays; SEVERAL_NODES: as `lands` says */
        size_t *lands;        /* n_nodes: where what is on that node comes to when the domain is bound to several */
        uint64_t moved_kib;
        double cost;
};
/* LAYOUT_MOVED: the best of those in which memory moves. */
enum { LAYOUT_NOW, LAYOUT_BEST, LAYOUT_MOVED, LAYOUT_TRY, _LAYOUT_MAX };

/* Guest cells of a domain on nodes, in the making. */
struct split {
        size_t *order;           /* of the cells: largest first */
        size_t *node_of;         /* of each cell; NOT_YET */
        double *vcpus;           /* of the domain, on each node */
        uint64_t *memory;        /* of the cells on each node, in KiB */
        double *remote;          /* most cells x n_nodes: what the cell's vCPUs lose by the distance to its memory, on that node */
        uint64_t *elsewhere_kib; /* most cells x n_nodes: how much of the cell's memory is not on that node */
};

struct placement {
        const struct host *host;
        const struct placement_rules *rules;
        size_t n_nodes;
        struct placed_node *nodes;
        double *distances; /* n_nodes x n_nodes: 0 local, 1 for the usual neighbour */
        hwloc_bitmap_t usable, ignored; /* ignored: I/O cores and CPUs that are offline: in a mask they mean nothing */
        size_t n_domains;
        struct placed_domain *domains;
        size_t *order;     /* of domains: largest first */
        double *occupancy; /* of each CPU: vCPUs (or parts of them) that are bound to it or to few with it */
        double *core_occupancy; /* of each physical core, by topology_cpu.core */
        struct floating *floating; /* in the order in which they are poured; room for as many as there are vCPUs */
        size_t n_floating;

        /* scratch of one domain's turn */
        struct layout layouts[_LAYOUT_MAX];
        double *loads;     /* of the nodes without that domain, floating vCPUs poured in */
        double *filled;    /* of the nodes with it, as it is being tried */
        double *weights;   /* n_nodes x most cells of a domain: vCPUs of each cell on each node */
        uint64_t *coming;  /* of each node */
        hwloc_bitmap_t common;
        unsigned *own;     /* of each CPU: vCPUs of that domain that are bound to it */
        struct split split;
        size_t max_cells, max_vcpus; /* of a domain */
};

static inline double distance(const struct placement *placement, size_t from, size_t to) {
        return placement->distances[from * placement->n_nodes + to];
}

/* Where memory of the cell that is on the node is in that layout. */
static inline size_t memory_lands(const struct layout *layout, size_t cell, size_t node) {
        size_t to = layout->memory_to[cell];
        return to == NO_NODE ? node : to == SEVERAL_NODES ? layout->lands[node] : to;
}

/* --- placement-picture.c */
/* Brings what is summed up (loads of nodes, occupancy of CPUs) in line with the domains' vCPUs, always in the same order, so that equal pictures have equal sums. */
void picture_sum_up(struct placement *placement);
/* Sets shares, fixed and node of a vCPU from its CPUs. */
void picture_vcpu_changed(struct placement *placement, struct placed_domain *domain, size_t vcpu);
/* Takes the domain's part off (sign -1) or adds it to (+1) loads and occupancy. */
void picture_count(struct placement *placement, const struct placed_domain *domain, int sign);
/* Takes the domain out of the picture's sums, for its turn, and sets `loads`; picture_count() ends the turn. */
void picture_begin_turn(struct placement *placement, const struct placed_domain *domain);
/* Where the cell's memory is, as the model has it. */
void picture_take_memory(const struct placement *placement, struct placed_domain *domain, size_t cell);
/* Which nodes its memory may be on, as the model has it. 0 or -ENOMEM. */
int picture_take_memory_nodes(struct placed_domain *domain);
void layout_copy(const struct placement *placement, struct layout *to, const struct layout *from);
/* As the domain is now. */
void layout_set_now(struct placement *placement, const struct placed_domain *domain, struct layout *layout);
struct placed_domain *placed_domain_of(const struct placement *placement, const struct domain *domain);

/* --- placement-cost.c */
/* The cost of a node with `load` vCPUs on it, in CPUs lost. */
double node_cost(const struct placed_node *node, double load);
/* The mean distance from the node of the cell's memory, as it is in that layout (NULL: as it is now); 0: nobody knows where it is. */
double memory_distance(const struct placement *placement, const struct placed_domain *domain, const struct layout *layout, size_t cell, size_t node);
/* Fills layout->cost: of the domain in that layout, and of all nodes with the others on them. Within the domain's turn. */
void layout_cost(struct placement *placement, const struct placed_domain *domain, struct layout *layout);
/* `cost` plus that of all nodes, with placement->filled on them, of which `weights` of the domain. */
double add_nodes_cost(const struct placement *placement, const struct placed_domain *domain, const double *weights, double cost);
/* Share of accesses to remote memory; < 0: unknown. */
double domain_remote_share(const struct placement *placement, const struct placed_domain *domain);

/* --- placement-float.c */
/* Counts a vCPU that floats over these nodes in (sign 1) or out (-1). */
void float_count(struct placement *placement, uint64_t nodes, int sign);
/* Adds all that float to the loads of the nodes. */
void float_fill(const struct placement *placement, double *loads);

/* --- placement-memory.c */
/* Of the cell's memory, what is not on that node. */
uint64_t cell_kib_elsewhere(const struct placement *placement, const struct placed_domain *domain, size_t cell, size_t node);
/* Has the node room for so much more in this stage? What leaves it in this stage does not count: nobody knows when it will have left. */
bool node_has_room(const struct placed_node *node, uint64_t coming_kib);
/* Is the cell's memory known well enough to be moved on its own? A guess where it is (it was bound there) does not tell which it is. */
bool cell_is_told(const struct placed_domain *domain, size_t cell);
bool memory_can_move(const struct placed_domain *domain, enum placement_memory memory);
/* All memory stays in this layout. */
void layout_keep_memory(const struct placed_domain *domain, struct layout *layout);
/* Says which memory moves in this layout, whose sets of nodes are given; false: there is no room for it. */
bool layout_move_memory(struct placement *placement, const struct placed_domain *domain, struct layout *layout, enum placement_memory memory);

/* --- placement-nodes.c */
/* Room for domains of so many cells. 0 or -ENOMEM, after which split_done() is to be called all the same. */
int split_init(struct split *split, size_t n_cells, size_t n_nodes);
void split_done(struct split *split);
/* What a move of the domain must win, in CPUs. */
double least_gain(const struct placement *placement, const struct placed_domain *domain);
/* The best layout on nodes for the domain, into LAYOUT_BEST; `valid` false: there is none. Within the domain's turn. */
void choose_nodes(struct placement *placement, const struct placed_domain *domain);
/* Gives the vCPUs of the cells with this very set of nodes each a node of it, neighbours together: where CPUs are free, near the cell's memory as it is in that layout, and otherwise evenly. */
void spread_vcpus(struct placement *placement, const struct placed_domain *domain, struct layout *layout, hwloc_const_bitmap_t set);

/* --- placement-cpus.c */
/* Sets the CPUs of the domain's vCPUs by layout->node_of; its own part is not in the picture's sums. ret_changed: one for each vCPU. 0 or -ENOMEM. */
int choose_cpus(struct placement *placement, struct placed_domain *domain, const struct layout *layout, enum placement_pin pin, bool *ret_changed);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the virtual CPUs and the memory of domains should be. Pure functions over a snapshot of the model: no I/O, no memory between two runs; same snapshot, same rules, same answer.
 *
 * Level 1 chooses nodes: a domain that fits a node goes whole onto one; a larger one is split, guest cell by guest cell; a larger one with one cell is spread over as few nodes as hold it, near
 * ones and those with its memory first, with more vCPUs where more of that is, as long as CPUs are free there. What of its memory is elsewhere comes to these, as the kernel divides it.
 * vCPUs that may use all CPUs of several nodes keep nobody from them: they are taken to be where CPUs are free, to where the kernel's scheduler moves them.
 * Level 2 chooses CPUs on these nodes. What both minimise is a cost, in CPUs lost: memory that is remote to the vCPUs that use it, vCPUs of a domain far from each other, from the domain's
 * hardware and from the I/O cores that serve it, and more vCPUs on a node than it has physical cores or CPUs. A domain moves when that wins at least `min_gain` for each of its vCPUs, after
 * the price of the pages that have to move; so a run over what a run planned plans nothing.
 *
 * The places of nodes are those in host.nodes; sets of nodes are hwloc bitmaps of these places.
 */
#ifndef PLACEMENT_H
#define PLACEMENT_H

#include "daemon/host/host.h"

enum placement_pin {
        PLACEMENT_PIN_NO,   /* vCPUs stay where they are, only memory moves */
        PLACEMENT_PIN_NODE, /* a vCPU may use all VM cores of its node */
        PLACEMENT_PIN_CPU,  /* a vCPU gets one CPU */
        _PLACEMENT_PIN_MAX,
};

enum placement_memory {
        PLACEMENT_MEMORY_STAY,
        PLACEMENT_MEMORY_DOMAIN, /* can move as a whole, to the node, or the nodes, of all guest cells (<numatune>) */
        PLACEMENT_MEMORY_CELLS,  /* beside that, each guest cell's of one that is split to a node of its own, where it is told which memory that is */
        _PLACEMENT_MEMORY_MAX,
};

struct placement_rules {
        enum placement_pin pin;
        enum placement_memory memory;
        bool emulator;      /* the emulator's threads follow the vCPUs: the CPUs of their nodes, and all I/O cores */
        bool use_isolated;  /* isolated CPUs may be given vCPUs */
        double min_gain;    /* CPUs won for each vCPU, below which a domain stays where it is; at least PLACEMENT_LEAST_GAIN */
        double gib_cost;    /* CPUs that moving 1 GiB must win on top of that */
        double keep_free;   /* share of a node's memory that is left free when memory is moved there */
        hwloc_const_bitmap_t banned_cpus; /* may be NULL */
        char *const *banned_domains;      /* fnmatch(3) patterns, NULL-terminated; may be NULL */
};

/* With less than that a rounding error would be a gain. */
#define PLACEMENT_LEAST_GAIN 0.001

/* The defaults that iocored-policy(7) documents. */
void placement_rules_init(struct placement_rules *rules);

enum placement_shape {
        PLACEMENT_STAY,   /* on its nodes; only CPUs on them change */
        PLACEMENT_WHOLE,  /* on one node */
        PLACEMENT_SPLIT,  /* each guest cell on one node */
        PLACEMENT_SPREAD, /* vCPUs of one guest cell on several nodes */
};

/* What is to be done with one domain. Borrows the domain from the host; owns everything else. */
struct placement_proposal {
        const struct domain *domain;
        /* 1: can be carried out at once. Higher: needs room that proposals of the stages before make, so it is better planned anew after these. */
        unsigned stage;
        enum placement_shape shape;
        size_t n_cells;        /* at least 1: a domain without guest cells counts as one */
        hwloc_bitmap_t *nodes; /* of each cell: where its vCPUs are to be; empty: nobody knows, they stay */
        uint64_t *kib;         /* of each cell: memory that has to move to its node, or nodes */
        size_t n_vcpus;
        hwloc_bitmap_t *cpus;  /* of each of domain->vcpus: what it is to be pinned to; NULL: stays */
        size_t n_pins;         /* of them not NULL */
        hwloc_bitmap_t emulator; /* NULL: stays */
        bool moves_memory;
        hwloc_bitmap_t memory_nodes; /* OS indexes of the nodes that its memory is to be allowed on, before it moves; NULL: those that it is allowed on now */
        bool memory_untold;    /* it is split, and would move memory if anybody could tell which is which guest cell's */
        uint64_t total_kib;    /* sum of kib */
        double gain;           /* CPUs for each vCPU; 0 for PLACEMENT_STAY */
        double remote_before, remote_after; /* share of memory accesses that go to another node; < 0: unknown */
};

struct placement_plan {
        struct placement_proposal *proposals; /* owned; by stage, then in the order in which they were planned */
        size_t n_proposals;
        bool settled; /* false: there may be more to plan after what is planned here */
};
/* Moves make room for further moves, each of which wins; more than a few stages happen only on hosts where everything is in the wrong place. */
#define PLACEMENT_STAGES_MAX 64
void placement_proposal_done(struct placement_proposal *proposal);
void placement_plan_done(struct placement_plan *plan);

/* The picture of one host that placements are worked out on; what is placed on it is taken into account by what is placed later. Borrows host and rules. 0 or -ENOMEM. */
struct placement;
int placement_new(struct placement **ret, const struct host *host, const struct placement_rules *rules);
struct placement *placement_free(struct placement *placement);
static inline void placement_freep(struct placement **placement) { placement_free(*placement); }

/* Why the domain is never touched: the name of the rule ("manual", "pinned", "banned", "stale", "not-running", "moving", "unknown") and a sentence in ret_text (may be NULL); NULL: it may be. */
const char *placement_off_limits(const struct placement *placement, const struct domain *domain, char *ret_text, size_t size);

/* Plans all domains of the host, in at most `max_stages` stages (PLACEMENT_STAGES_MAX for all that there is to do). 0 or -ENOMEM. */
int placement_run(struct placement *placement, unsigned max_stages, struct placement_plan *ret);

/* A placement that somebody else decided on: the nodes of each guest cell. */
struct placement_request {
        size_t n_cells;        /* 0: vCPUs stay on their nodes */
        hwloc_bitmap_t *nodes; /* of each cell, not empty */
        enum placement_pin pin;
        enum placement_memory memory;
        bool emulator;
};
void placement_request_done(struct placement_request *request);
/*
 * Works one request out, by its own `pin`, `memory`, `emulator` instead of the rules', and whatever the gain. Returns 0: *ret says what is to be done, which may be nothing (no pins, no memory).
 * -EINVAL, -ENOSPC, -EPERM: not possible; *ret_rule and ret_text say why ("invalid", "no-memory", "no-cpu", those of placement_off_limits()). -ENOMEM.
 */
int placement_expand(struct placement *placement, const struct domain *domain, const struct placement_request *request, struct placement_proposal *ret,
                     const char **ret_rule, char *ret_text, size_t size);

/* Makes the picture as if placement_expand() had not been called. 0 or -ENOMEM. */
int placement_undo(struct placement *placement, const struct placement_proposal *proposal);
/* For what is placed later: vCPU number `vcpu` (its place in domain->vcpus) is pinned to `cpus` (NULL: unknown) from now on. 0 or -ENOMEM. */
int placement_set_cpus(struct placement *placement, const struct domain *domain, size_t vcpu, hwloc_const_bitmap_t cpus);
/* May the CPU be given vCPUs? */
bool placement_cpu_is_usable(const struct placement *placement, unsigned cpu);

/*
 * A request as text, and back: "0@0 1@1 pin=cpu memory=cells emulator=yes": guest cell 0 to the host's node 0 (OS index), cell 1 to node 1; several nodes as a list ("0@0-1,3"). Without
 * cells: vCPUs stay on their nodes. Without pin=: node; memory=: stay; emulator=: no. -ENAMETOOLONG: does not fit. -EINVAL: not one; ret_text says what is wrong. -ENOMEM.
 */
int placement_request_format(const struct host *host, const struct placement_proposal *proposal, const struct placement_rules *rules, char *ret, size_t size);
int placement_request_parse(const struct host *host, const char *text, struct placement_request *ret, char *ret_text, size_t size);
const char *placement_pin_to_string(enum placement_pin pin);
const char *placement_memory_to_string(enum placement_memory memory);
const char *placement_shape_to_string(enum placement_shape shape);

/*
 * The <cpu> and <numatune> elements that would give a domain of one guest cell, larger than a node, a cell on each of the nodes that it needs. 1: *ret is the text, which the caller frees;
 * 0: nothing to advise, it fits a node or has cells, or nobody knows how much memory it has; -ENOMEM. Also for domains that are never touched: it is their owner who would do it. The rules' pin must not be PLACEMENT_PIN_NO.
 */
int placement_advise(struct placement *placement, const struct domain *domain, char **ret);

/* How well domains are placed now: averages over the vCPUs of all that run, and over nodes. For comparisons. */
struct placement_quality {
        double remote_share;  /* of memory accesses, if all were spread evenly over a cell's memory; < 0: unknown */
        double worst_node;    /* highest vCPUs per usable CPU of a node */
        double node_deviation; /* standard deviation of that over the nodes */
        size_t n_stacked;     /* vCPUs that share their only CPU with another while one of their node is free */
};
/* vCPUs on each node, by its place; those that may use all CPUs of several nodes are where CPUs are free, as the kernel's scheduler has it. */
void placement_node_loads(const struct placement *placement, double *ret);
void placement_measure(const struct placement *placement, struct placement_quality *ret);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by the planner's files: its memory between epochs, and the scratch model on which one plan is worked out, so that a later intent sees what
 * an earlier one of the same plan will have changed.
 */
#ifndef PLANNER_INTERNAL_H
#define PLANNER_INTERNAL_H

#include "placement.h"
#include "planner.h"

/* "queue.poll vq.4.1", "cores 0" */
#define CHANGE_KEY_MAX (IOCORE_ID_MAX * 2 + IOCORE_NAME_MAX + 1)

/* A change of where a domain's vCPUs or memory are, of whatever kind: "domain NAME" */
#define PLACE_KEY "domain"

/* Loads that differ by less are equal: a rounding error of a sum is no reason to move a unit. */
#define LOAD_EPSILON 1e-6

/* What is remembered of one kind of change of one object. */
struct change_memory {
        char key[CHANGE_KEY_MAX];
        uint64_t changed_usec;   /* when it was last really changed */
        uint64_t hold_until_usec;
        uint64_t backoff_from_usec, backoff_until_usec;
        unsigned failures;       /* in a row */
        unsigned undone;         /* trials in a row; see UNDONE_MEMORY */
};

struct change_table { /* sorted by key */
        struct change_memory *entries;
        size_t n, allocated;
};

/* A CPU on the scratch model; indexed like host->cpus. */
struct plan_core {
        bool io_core, ours;
        bool received;      /* this plan decided that a unit is on it: it may not go any more */
        unsigned n_pinned;  /* threads that are bound to it by hand and stay */
        int first_unit;     /* list by plan_unit.next; -1: none */
        size_t n_units;
        double load;
};

/* A unit on the scratch model; indexed like host->units. */
struct plan_unit {
        int core;           /* IOCORE_CPU_ANY: on no I/O core */
        int next;
        bool settled;       /* this plan decided where it is */
        enum share_within share; /* the stricter of the rules and what its domain's owner wants */
        double load;
};

struct planner {
        const struct planner_rules *rules;
        struct change_table changes;

        /* What was really done in the epoch `epoch`, for the limits that count per epoch. */
        uint64_t epoch;
        size_t n_moves;
        size_t *removed_cores; /* per node, indexed like host->nodes */
        size_t n_removed_cores;

        /* Scratch of planner_plan(), kept so that it is allocated once; says nothing between two calls. */
        struct plan_core *cores;
        size_t n_cores;
        struct plan_unit *units;
        size_t n_units;
        size_t *order;       /* n_units entries */
        int *targets;        /* n_units entries */
};

/* One call of planner_plan(). */
struct planning {
        const struct planner *planner;
        const struct planner_rules *rules;
        const struct host *host;
        const struct planner_capabilities *capabilities; /* may be NULL: everything is available */
        struct plan_core *cores;
        struct plan_unit *units;
        size_t *order;
        int *targets;
        size_t n_moves; /* in this epoch, this plan's own included */
        enum share_within strictest; /* of all units */

        /* The host with what this plan has placed so far; made for the first intent that places a domain. */
        struct placement *placement;
        struct placement_rules placement_rules;
        hwloc_bitmap_t not_for_vcpus;
};

/* Why not: the rule's name (a string constant) and a sentence. rule == NULL: nothing against it. */
struct refusal {
        const char *rule;
        char text[IOCORE_REASON_MAX];
};

/* --- planner.c */
void decision_refuse(struct decision *decision, const char *rule, const char *format, ...) __attribute__((format(printf, 3, 4)));
void decision_unchanged(struct decision *decision, const char *format, ...) __attribute__((format(printf, 2, 3)));
void decision_planned(struct decision *decision, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends a step; NULL: out of memory, the plan is then given up as a whole. */
struct step *decision_add_step(struct decision *decision, enum step_kind kind, int cpu, const char *object);
const char *planning_unavailable(const struct planning *planning, const char *kind, const char *object);

/* --- planner-memory.c */
/* True and refused when `key` backs off, or (unless a client asks) is held. `held_rule`: "hold" or "cool-down". */
bool change_is_held(const struct planning *planning, struct decision *decision, const char *key, const char *held_rule, const char *what);
void change_key(char *buffer, size_t size, const char *kind, const char *object);
void change_key_node(char *buffer, size_t size, const char *kind, int node);

/* --- planner-rules.c: the rules about single CPUs, units and moves; all of them only look */
void refusal_set(struct refusal *refusal, const char *rule, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Index of the unit in host->units; -1: no such unit. */
int planning_unit(const struct planning *planning, const char *id);
size_t planning_node_index(const struct planning *planning, const struct cpu *cpu);
size_t node_io_cores(const struct planning *planning, size_t node);
size_t host_io_cores(const struct planning *planning);
/* Moves still allowed in this epoch. */
size_t planning_moves_left(const struct planning *planning);
/* True when a pattern of the NULL-terminated `patterns` (or NULL) matches. */
bool pattern_matches(char *const *patterns, const char *string);
/* True (refused): the unit itself may not be touched: banned, manual. */
bool unit_is_off_limits(const struct planning *planning, size_t unit, struct refusal *refusal);
/* True (refused): the host keeps the unit where it is. A client may try all the same. */
bool unit_is_blocked(const struct planning *planning, size_t unit, struct refusal *refusal);
/* True (refused): the CPU stays what it is, I/O core or not: banned, manual. */
bool core_is_untouchable(const struct planning *planning, int cpu, struct refusal *refusal);
/* True (refused): the CPU may neither become an I/O core nor be given units: that, or reserved, isolated, offline. */
bool core_is_off_limits(const struct planning *planning, int cpu, struct refusal *refusal);
/* True (refused): no more room on `cpu` for this unit: max-devices-per-worker, share-within. */
bool core_has_no_room(const struct planning *planning, int cpu, size_t unit, struct refusal *refusal);
/* An I/O core of the scratch model that may be given units. */
bool core_takes_units(const struct planning *planning, int cpu);
/* True (refused): the unit's own node has an I/O core with room, which is not `cpu`'s. */
bool move_leaves_node(const struct planning *planning, size_t unit, int cpu, struct refusal *refusal);
/* The node that a unit belongs to, as an index into host->nodes. */
size_t unit_node_index(const struct planning *planning, size_t unit);
/* On the scratch model only. */
void relocate_unit(struct planning *planning, size_t unit, int cpu);
/* The same, as a step of the decision. 0 or -ENOMEM. */
int plan_unit_move(struct planning *planning, struct decision *decision, size_t unit, int cpu);
/* Sorts `units` (indices): heaviest first, then in the host's order. */
void sort_heaviest_first(const struct planning *planning, size_t *units, size_t n);
/* The least loaded I/O core of `node` that has room for `unit`, leaving out `except`; IOCORE_CPU_ANY: none. */
int least_loaded_core(const struct planning *planning, size_t node, size_t unit, int except);

/* --- planner-cores.c */
/* Which CPU of the node becomes an I/O core; IOCORE_CPU_ANY and a refusal when none may. `asked`: the CPU that was asked for, or IOCORE_CPU_ANY; a client (`by_client`) may name
 * one that others are bound to by hand: they stay there, which is told. */
int choose_cpu(const struct planning *planning, size_t node, int asked, bool by_client, struct refusal *refusal);

/* --- planner-grow.c, planner-shrink.c, planner-knobs.c: work one intent out; set verdict, rule, text, steps. 0 or -ENOMEM. */
int plan_grow(struct planning *planning, struct decision *decision, size_t node);
int plan_shrink(struct planning *planning, struct decision *decision, size_t node);
int plan_move(struct planning *planning, struct decision *decision);
int plan_knob(struct planning *planning, struct decision *decision);

/* --- planner-placement.c */
int plan_place(struct planning *planning, struct decision *decision);
void planning_place_done(struct planning *planning);

#endif

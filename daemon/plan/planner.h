/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The planner: merges intents, refuses what breaks a rule, and orders the rest into steps. Decides over a
 * snapshot of the model and its own memory (holds, cool-downs); no I/O. Deterministic: same snapshot, same memory, same intents, same plan.
 */
#ifndef PLANNER_H
#define PLANNER_H

#include "daemon/host/host.h"
#include "decision.h"

/* Whose units may be together on an I/O core; from free to strict. */
enum share_within { SHARE_ANY, SHARE_DOMAIN, SHARE_NONE };

/* From iocored.conf; see iocored.conf(5). */
struct planner_rules {
        unsigned min_cores, max_cores;                   /* I/O cores of the host; max 0 = no limit */
        unsigned min_cores_per_node, max_cores_per_node;
        hwloc_bitmap_t reserved_cpus;                    /* never I/O cores */
        bool use_isolated;                               /* may isolated CPUs become I/O cores: they are chosen first then */
        bool vcpus_on_isolated;                          /* may isolated CPUs be given vCPUs */
        bool whole_physical_cores;                       /* an I/O core takes all SMT siblings: they must be free of VM-core duty too */
        unsigned max_devices_per_worker;                 /* 0 = no limit */
        unsigned max_moves_per_epoch;                    /* 0 = no limit */
        enum share_within share_within;
        uint64_t hold_usec;      /* the same (rule, object) is not changed again for so long */
        uint64_t cool_down_usec; /* after a real change of the set of I/O cores of a node, none on that node for so long */
        char **banned_units;     /* NULL-terminated arrays of fnmatch(3) patterns; NULL = none. Bans are absolute, for clients too. */
        char **banned_domains;
        hwloc_bitmap_t banned_cpus;
};
/* Sets the defaults documented in iocored.conf(5). -ENOMEM. */
int planner_rules_init(struct planner_rules *rules);
void planner_rules_done(struct planner_rules *rules);

/* Jobs that move memory, as struct planner_capabilities asks for them. */
#define MEMORY_MOVE "memory-move"

/* What the plugins can do now: asked by the planner through the engine, so that it knows no plugin. */
struct planner_capabilities {
        void *userdata;
        /* NULL: can. Otherwise why not (static or owned by the callee). `kind`: "grow", MEMORY_MOVE or a knob kind; `object` may be NULL. */
        const char *(*unavailable)(void *userdata, const char *kind, const char *object);
        /* Who is still changing this object, in words ("decision 7 of policy:numa"), valid until the next call; NULL: nobody. `knob` "" : any. May be NULL. */
        const char *(*in_progress)(void *userdata, const char *knob, const char *object);
};

struct plan {
        struct decision **decisions; /* owned; in the order in which they are to be carried out, refusals included */
        size_t n_decisions;
};
void plan_done(struct plan *plan);

struct planner;
/* 0 or -ENOMEM. `rules` is borrowed and may change between calls. */
int planner_new(struct planner **ret, const struct planner_rules *rules);
struct planner *planner_free(struct planner *planner);
static inline void planner_freep(struct planner **planner) { planner_free(*planner); }

/*
 * One decision for each intent. Clients' intents (priority -1) skip hold, cool-down and back-off: an administrator who asks again knows why; nothing skips bans and limits.
 * Allocates nothing when n == 0. 0 or -ENOMEM. */
int planner_plan(struct planner *planner, const struct host *host, const struct planner_capabilities *capabilities,
                 const struct intent *intents, size_t n_intents, struct plan *ret);

/* Tells what became of a planned decision: holds and cool-down start only after a real change (VERDICT_DONE or _WOULD);
 * a failure backs off (doubling, from hold_usec up to 64 x). */
void planner_report(struct planner *planner, const struct host *host, const struct decision *decision);
/* An undone trial: the same change (action, node or object) waits longer each time before it is planned again. */
void planner_report_undone(struct planner *planner, const struct host *host, const struct decision *decision);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hosts for tests of the planner: made by hand or at random, and changed as a plan says while every rule is checked anew at each step. */
#ifndef PLANNER_MODEL_H
#define PLANNER_MODEL_H

#include "daemon/host/host.h"
#include "daemon/plan/planner.h"

/* --- by hand */

struct host *model_host(const char *synthetic);
/* Makes `cpu` an I/O core. `worker`: id of the shared worker that executes it, or NULL as on stock kernels. */
struct cpu *model_core(struct host *host, int cpu, const char *worker, bool ours);
/* A unit on `cpu` (an I/O core or IOCORE_CPU_ANY), with a device of the same id. */
struct unit *model_unit(struct host *host, const char *id, int cpu, int node, double load);
struct queue *model_queue(struct host *host, const char *id, const char *unit);

/* Does to the model what the step says, as a kernel would: refuses (false) what a kernel would refuse. */
bool model_apply_step(struct host *host, const struct step *step);

/* --- at random */

/* Where random numbers come from: a seeded generator, or a fuzzer's bytes. */
struct draw {
        uint32_t (*next)(void *userdata);
        void *userdata;
};
/* 0 .. n - 1; 0 when n is 0. */
unsigned draw_below(struct draw *draw, unsigned n);

#define WORLD_INTENTS_MAX 24
#define WORLD_PATTERNS_MAX 3

struct world {
        struct host *host; /* not owned: kept from one world to the next of the same shape */
        struct planner_rules rules;
        char *banned_units[WORLD_PATTERNS_MAX], *banned_domains[WORLD_PATTERNS_MAX];
        struct intent intents[WORLD_INTENTS_MAX];
        size_t n_intents;
        bool can_close, can_move, can_grow;
        struct planner_capabilities capabilities;
};

/* Throws away everything on `host` but its topology and fills it, the rules and the intents at random. Sets of CPUs are allocated once; world_done() frees them. */
void world_draw(struct world *world, struct host *host, struct draw *draw);
void world_done(struct world *world);

/*
 * Carries out `plan` on the world's model, step by step, checking every rule by its own means. Marks the decisions that had steps VERDICT_DONE.
 * NULL: all is well; otherwise what is broken (in a buffer of the caller).
 */
const char *world_carry_out(struct world *world, struct plan *plan, char *buffer, size_t size);
/* NULL: both plans are the same. */
const char *plan_difference(const struct plan *a, const struct plan *b);

#endif

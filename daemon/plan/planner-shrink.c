/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shrink: which I/O core goes, and where its units go.
 *
 * All units have to leave before it goes. Where max-moves-per-epoch does not let them all go at once, the heaviest leave now, the core stays, and whoever
 * asks again in a later epoch goes on from there: the core that is emptier now is the one that is taken first then. Nothing cools down before the core is gone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "planner-internal.h"

/* A policy does not take a node's last I/O core away while it carries more than this: half a core of work is where sharing begins to pay.
 * Clients may: they know what they do. */
#define LAST_CORE_MAX_LOAD 0.5

/* Where a unit goes that has to leave `core`: its own node first when it is away from it, then the node of `core`. */
static int refuge(const struct planning *planning, size_t unit, int core, size_t node) {
        size_t own = unit_node_index(planning, unit);
        int cpu = own != node ? least_loaded_core(planning, own, unit, core) : IOCORE_CPU_ANY;
        return cpu >= 0 ? cpu : least_loaded_core(planning, node, unit, core);
}

static bool is_last_of_node(const struct planning *planning, size_t node, int core) {
        for (size_t i = 0; i < planning->host->n_cpus; i++)
                if ((int) i != core && core_takes_units(planning, (int) i) && planning_node_index(planning, &planning->host->cpus[i]) == node)
                        return false;
        return true;
}

static bool can_close(const struct planning *planning, int core) {
        const struct worker *worker = planning->host->cpus[core].worker;
        return worker && !worker->pub.locked && !planning_unavailable(planning, "worker.locked", worker->pub.id);
}

/* Finds a target for each unit of `core`, heaviest first (planning->order, planning->targets). The scratch model is as before afterwards.
 * True: refused, a unit cannot go anywhere. */
static bool units_are_stuck(struct planning *planning, int core, size_t node, bool last, size_t *ret_n, struct refusal *refusal) {
        size_t n = 0, placed = 0;
        for (int i = planning->cores[core].first_unit; i >= 0; i = planning->units[i].next) {
                if (unit_is_off_limits(planning, (size_t) i, refusal))
                        return true;
                const char *why = planning_unavailable(planning, "unit.place", planning->host->units[i]->pub.id);
                if (why) {
                        refusal_set(refusal, "unavailable", "%s cannot leave CPU %d: %.150s", planning->host->units[i]->pub.id, core, why);
                        return true;
                }
                planning->order[n++] = (size_t) i;
        }
        sort_heaviest_first(planning, planning->order, n);
        refusal->rule = NULL;
        for (; placed < n; placed++) {
                size_t unit = planning->order[placed];
                int target = refuge(planning, unit, core, node);
                if (target < 0 && !last) {
                        const char *rule = planning->strictest == SHARE_ANY ? "max-devices-per-worker" : "share-within";
                        refusal_set(refusal, rule, "the other I/O cores of node %d have room for %zu of the %zu units of CPU %d",
                                    planning->host->nodes[node].topology->node, placed, n, core);
                        break;
                }
                planning->targets[placed] = target;
                relocate_unit(planning, unit, target);
        }
        /* back again; the order of the list says nothing */
        for (size_t i = placed; i-- > 0;)
                relocate_unit(planning, planning->order[i], core);
        *ret_n = n;
        return refusal->rule != NULL;
}

/* True: refused, this core cannot go. */
static bool core_must_stay(struct planning *planning, int core, size_t node, const struct intent *intent, size_t *ret_n_units, struct refusal *refusal) {
        const struct worker *worker = planning->host->cpus[core].worker;
        bool last = is_last_of_node(planning, node, core);

        /* One that iocored made and that is reserved since may go all the sooner; one of somebody else's there is left to them. */
        if (planning->cores[core].ours ? core_is_untouchable(planning, core, refusal) : core_is_off_limits(planning, core, refusal))
                return true;
        if (planning->cores[core].received)
                refusal_set(refusal, "conflict", "a more important intent of this epoch wants units on CPU %d", core);
        else if (worker && worker->pub.is_default)
                refusal_set(refusal, "default-worker", "worker %s of CPU %d is the one that new devices are born on", worker->pub.id, core);
        else if (!planning->cores[core].ours && worker && worker->pub.locked)
                refusal_set(refusal, "locked", "worker %s of CPU %d is closed already, and CPU %d was made an I/O core by somebody else", worker->pub.id, core, core);
        else if (!planning->cores[core].ours && !can_close(planning, core))
                refusal_set(refusal, "unavailable", "CPU %d was made an I/O core by somebody else, and its worker cannot be closed", core);
        else if (last && intent->priority >= 0 && planning->cores[core].load > LAST_CORE_MAX_LOAD)
                refusal_set(refusal, "last-core", "CPU %d is the last I/O core of node %d and carries %.2f cores of work, %.2f above the limit of %.2f", core,
                            planning->host->nodes[node].topology->node, planning->cores[core].load, planning->cores[core].load - LAST_CORE_MAX_LOAD,
                            LAST_CORE_MAX_LOAD);
        else
                return units_are_stuck(planning, core, node, last, ret_n_units, refusal);
        return true;
}

/* Ours before others', then the least loaded, the emptiest, the highest number: the one that was made last where grow took the lowest first. */
static int compare_dispensable_first(const void *a, const void *b, void *userdata) {
        const struct plan_core *cores = userdata;
        int x = *(const int *) a, y = *(const int *) b;
        if (cores[x].ours != cores[y].ours)
                return cores[x].ours ? -1 : 1;
        if (cores[x].load != cores[y].load)
                return cores[x].load < cores[y].load ? -1 : 1;
        if (cores[x].n_units != cores[y].n_units)
                return cores[x].n_units < cores[y].n_units ? -1 : 1;
        return x > y ? -1 : x < y;
}

/* The core to go and the number of its units; IOCORE_CPU_ANY and why the best one may not. -ENOMEM. */
static int choose_core(struct planning *planning, size_t node, const struct intent *intent, int *ret_core, size_t *ret_n_units, struct refusal *refusal) {
        size_t n = 0;
        *ret_core = IOCORE_CPU_ANY;
        if (intent->cpu >= 0) {
                if (!core_must_stay(planning, intent->cpu, node, intent, ret_n_units, refusal))
                        *ret_core = intent->cpu;
                return 0;
        }
        int *cores = calloc(planning->host->n_cpus, sizeof *cores);
        if (!cores)
                return -ENOMEM;
        for (size_t i = 0; i < planning->host->n_cpus; i++)
                if (planning->cores[i].io_core && planning_node_index(planning, &planning->host->cpus[i]) == node)
                        cores[n++] = (int) i;
        qsort_r(cores, n, sizeof *cores, compare_dispensable_first, planning->cores);
        for (size_t i = 0; i < n && *ret_core < 0; i++) {
                struct refusal why;
                if (!core_must_stay(planning, cores[i], node, intent, ret_n_units, &why))
                        *ret_core = cores[i];
                else if (i == 0)
                        *refusal = why;
        }
        free(cores);
        return 0;
}

static bool limits_refuse(const struct planning *planning, struct decision *decision, size_t node) {
        const struct planner_rules *rules = planning->rules;
        const struct planner *planner = planning->planner;
        size_t on_host = host_io_cores(planning), on_node = node_io_cores(planning, node);
        int number = planning->host->nodes[node].topology->node;

        if (on_host <= rules->min_cores) {
                decision_refuse(decision, "min-cores", "the host has %zu I/O cores and keeps at least %u (0 to spare)", on_host, rules->min_cores);
                return true;
        }
        if (on_node <= rules->min_cores_per_node) {
                decision_refuse(decision, "min-cores", "node %d has %zu I/O cores and keeps at least %u (0 to spare)", number, on_node,
                                rules->min_cores_per_node);
                return true;
        }
        size_t removed = planner->epoch == planning->host->epoch && node < planner->n_removed_cores ? planner->removed_cores[node] : 0;
        size_t at_most = (on_node + removed) / 2 > 0 ? (on_node + removed) / 2 : 1;
        if (removed >= at_most) {
                decision_refuse(decision, "shrink-half", "%zu of the %zu I/O cores that node %d had went in this epoch, and at most %zu may (0 left)", removed,
                                on_node + removed, number, at_most);
                return true;
        }
        return false;
}

static int add_steps(struct planning *planning, struct decision *decision, int core, size_t n_units, size_t n_moves) {
        const struct worker *worker = planning->host->cpus[core].worker;
        const char *worker_id = worker ? worker->pub.id : "";
        bool whole = n_moves == n_units;

        if (whole && can_close(planning, core)) {
                struct step *step = decision_add_step(decision, STEP_CORE_CLOSE, core, worker_id);
                if (!step)
                        return -ENOMEM;
                snprintf(step->knob, sizeof step->knob, "worker.locked");
                snprintf(step->value, sizeof step->value, "1");
        }
        for (size_t i = 0; i < n_moves; i++) {
                int r = plan_unit_move(planning, decision, planning->order[i], planning->targets[i]);
                if (r < 0)
                        return r;
        }
        if (whole && planning->cores[core].ours && !decision_add_step(decision, STEP_CORE_REMOVE, core, worker_id))
                return -ENOMEM;
        if (whole)
                planning->cores[core].io_core = false;
        return 0;
}

int plan_shrink(struct planning *planning, struct decision *decision, size_t node) {
        int number = planning->host->nodes[node].topology->node, asked = decision->intent.cpu, core;
        char key[CHANGE_KEY_MAX], what[64];
        struct refusal refusal = { 0 };
        size_t n_units = 0;

        if (asked >= 0 && !planning->cores[asked].io_core) {
                decision_unchanged(decision, "CPU %d is no I/O core.", asked);
                return 0;
        }
        size_t n_before = node_io_cores(planning, node);
        if (n_before == 0) {
                decision_unchanged(decision, "Node %d has no I/O core: there is nothing to shrink.", number);
                return 0;
        }
        if (limits_refuse(planning, decision, node))
                return 0;
        int r = choose_core(planning, node, &decision->intent, &core, &n_units, &refusal);
        if (r < 0)
                return r;
        if (core < 0) {
                decision_refuse(decision, refusal.rule, "%s", refusal.text);
                return 0;
        }
        size_t moves_left = planning_moves_left(planning), n_moves = n_units < moves_left ? n_units : moves_left;
        if (n_units > 0 && n_moves == 0) {
                decision_refuse(decision, "max-moves-per-epoch", "%zu of at most %u units were moved in this epoch (0 left); CPU %d serves %zu", planning->n_moves,
                                planning->rules->max_moves_per_epoch, core, n_units);
                return 0;
        }
        snprintf(what, sizeof what, "the set of I/O cores of node %d", number);
        change_key_node(key, sizeof key, "cores", number);
        if (change_is_held(planning, decision, key, "cool-down", what))
                return 0;
        snprintf(what, sizeof what, "shrinking on node %d", number);
        change_key_node(key, sizeof key, "shrink", number);
        if (change_is_held(planning, decision, key, "hold", what))
                return 0;
        double load = planning->cores[core].load;
        r = add_steps(planning, decision, core, n_units, n_moves);
        if (r < 0)
                return r;
        if (n_moves < n_units)
                decision_planned(decision, "%zu of the %zu units of CPU %d leave it now, as many as max-moves-per-epoch allows; it stays an I/O core of node %d until the rest have left.",
                                 n_moves, n_units, core, number);
        else
                decision_planned(decision, "CPU %d, with %.2f cores of work, is an I/O core of node %d no more (%zu left); its %zu unit%s go%s %s.", core, load, number,
                                 n_before - 1, n_units, n_units == 1 ? "" : "s", n_units == 1 ? "es" : "", n_before > 1 ? "to other I/O cores" : "home");
        return 0;
}

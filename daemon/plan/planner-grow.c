/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Grow: which units the new I/O core is given. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "planner-internal.h"

/* --- which units it is given */

/* May this unit be moved by a grow of `node`? */
static bool is_candidate(const struct planning *planning, size_t unit, size_t node) {
        struct refusal unused;
        return !planning->units[unit].settled && unit_node_index(planning, unit) == node && !unit_is_off_limits(planning, unit, &unused) &&
               !unit_is_blocked(planning, unit, &unused) &&
               !planning_unavailable(planning, "unit.place", planning->host->units[unit]->pub.id);
}

/* On no I/O core, or on one of another node because this one had none. */
static bool is_unplaced(const struct planning *planning, size_t unit, size_t node) {
        int core = planning->units[unit].core;
        return core == IOCORE_CPU_ANY || planning_node_index(planning, &planning->host->cpus[core]) != node;
}

struct taking {
        size_t node;
        int cpu;
        size_t n_wanted; /* units that should have gone there, moved or not */
        size_t n_moved;
};

static int take_unplaced(struct planning *planning, struct decision *decision, struct taking *taking) {
        size_t n = 0;
        for (size_t i = 0; i < planning->host->n_units; i++)
                if (is_unplaced(planning, i, taking->node) && is_candidate(planning, i, taking->node))
                        planning->order[n++] = i;
        sort_heaviest_first(planning, planning->order, n);
        taking->n_wanted += n;
        for (size_t i = 0; i < n && planning_moves_left(planning) > 0; i++) {
                struct refusal unused;
                if (core_has_no_room(planning, taking->cpu, planning->order[i], &unused))
                        continue;
                int r = plan_unit_move(planning, decision, planning->order[i], taking->cpu);
                if (r < 0)
                        return r;
                taking->n_moved++;
        }
        return 0;
}

/* The unit whose move onto `cpu` leaves the smaller maximum of the two cores' loads; -1: no move makes it smaller. */
static int best_unit_from(const struct planning *planning, int from, const struct taking *taking) {
        const struct plan_core *source = &planning->cores[from], *target = &planning->cores[taking->cpu];
        double best_maximum = source->load - LOAD_EPSILON;
        int best = -1;
        for (int i = source->first_unit; i >= 0; i = planning->units[i].next) {
                struct refusal unused;
                double less = source->load - planning->units[i].load, more = target->load + planning->units[i].load;
                double maximum = less > more ? less : more;
                if (maximum < best_maximum && is_candidate(planning, (size_t) i, taking->node) &&
                    !core_has_no_room(planning, taking->cpu, (size_t) i, &unused)) {
                        best = i;
                        best_maximum = maximum;
                }
        }
        return best;
}

static int compare_fullest_first(const void *a, const void *b, void *userdata) {
        const struct plan_core *cores = userdata;
        int x = *(const int *) a, y = *(const int *) b;
        if (cores[x].load > cores[y].load)
                return -1;
        if (cores[x].load < cores[y].load)
                return 1;
        return x < y ? -1 : x > y;
}

/* From the node's fullest core that can give one, until no move evens out any more. */
static int even_out(struct planning *planning, struct decision *decision, struct taking *taking) {
        size_t n_cpus = planning->host->n_cpus, n = 0;
        int *sources = calloc(n_cpus, sizeof *sources);
        if (!sources)
                return -ENOMEM;
        for (size_t i = 0; i < n_cpus; i++)
                if ((int) i != taking->cpu && planning->cores[i].io_core && planning_node_index(planning, &planning->host->cpus[i]) == taking->node)
                        sources[n++] = (int) i;
        int r = 0;
        for (bool progress = true; progress && r == 0;) {
                progress = false;
                qsort_r(sources, n, sizeof *sources, compare_fullest_first, planning->cores);
                for (size_t i = 0; i < n && !progress; i++) {
                        int unit = best_unit_from(planning, sources[i], taking);
                        if (unit < 0)
                                continue;
                        taking->n_wanted++;
                        if (planning_moves_left(planning) == 0)
                                goto finish;
                        r = plan_unit_move(planning, decision, (size_t) unit, taking->cpu);
                        taking->n_moved++;
                        progress = r == 0;
                }
        }
finish:
        free(sources);
        return r;
}

/* --- the whole */

static bool limits_refuse(const struct planning *planning, struct decision *decision, size_t node) {
        const struct planner_rules *rules = planning->rules;
        size_t on_host = host_io_cores(planning), on_node = node_io_cores(planning, node);
        if (rules->max_cores > 0 && on_host >= rules->max_cores) {
                decision_refuse(decision, "max-cores", "the host has %zu of at most %u I/O cores (0 left)", on_host, rules->max_cores);
                return true;
        }
        if (rules->max_cores_per_node > 0 && on_node >= rules->max_cores_per_node) {
                decision_refuse(decision, "max-cores", "node %d has %zu of at most %u I/O cores (0 left)", planning->host->nodes[node].topology->node, on_node,
                                rules->max_cores_per_node);
                return true;
        }
        return false;
}

int plan_grow(struct planning *planning, struct decision *decision, size_t node) {
        int number = planning->host->nodes[node].topology->node, asked = decision->intent.cpu;
        char key[CHANGE_KEY_MAX], what[64];
        struct refusal refusal;

        const char *why = planning_unavailable(planning, "grow", NULL);
        if (asked >= 0 && planning->cores[asked].io_core) {
                decision_unchanged(decision, "CPU %d is an I/O core already.", asked);
                return 0;
        }
        if (why) {
                decision_refuse(decision, "unavailable", "%s", why);
                return 0;
        }
        if (limits_refuse(planning, decision, node))
                return 0;
        int cpu = choose_cpu(planning, node, asked, decision->intent.priority < 0, &refusal);
        if (cpu < 0) {
                decision_refuse(decision, refusal.rule, "%s", refusal.text);
                return 0;
        }
        snprintf(what, sizeof what, "the set of I/O cores of node %d", number);
        change_key_node(key, sizeof key, "cores", number);
        if (change_is_held(planning, decision, key, "cool-down", what))
                return 0;
        snprintf(what, sizeof what, "growing on node %d", number);
        change_key_node(key, sizeof key, "grow", number);
        if (change_is_held(planning, decision, key, "hold", what))
                return 0;
        if (planning_moves_left(planning) == 0) {
                decision_refuse(decision, "max-moves-per-epoch", "%zu of at most %u units were moved in this epoch (0 left): none could go to a new I/O core",
                                planning->n_moves, planning->rules->max_moves_per_epoch);
                return 0;
        }

        size_t n_before = node_io_cores(planning, node);
        if (!decision_add_step(decision, STEP_CORE_ADD, cpu, ""))
                return -ENOMEM;
        planning->cores[cpu].io_core = planning->cores[cpu].ours = true;
        struct taking taking = { .node = node, .cpu = cpu };
        int r = take_unplaced(planning, decision, &taking);
        if (r == 0 && n_before > 0)
                r = even_out(planning, decision, &taking);
        if (r < 0)
                return r;
        const char *plural = taking.n_moved == 1 ? "" : "s";
        char pinned[80] = "";
        if (planning->cores[cpu].n_pinned > 0)
                snprintf(pinned, sizeof pinned, " %u of others, bound there by hand, stay.", planning->cores[cpu].n_pinned);
        if (taking.n_moved < taking.n_wanted)
                decision_planned(decision, "CPU %d becomes I/O core number %zu of node %d and takes %zu unit%s with %.2f cores of work; more of them are left where they are by max-moves-per-epoch, max-devices-per-worker or share-within.%s",
                                 cpu, n_before + 1, number, taking.n_moved, plural, planning->cores[cpu].load, pinned);
        else
                decision_planned(decision, "CPU %d becomes I/O core number %zu of node %d and takes %zu unit%s with %.2f cores of work.%s", cpu, n_before + 1, number,
                                 taking.n_moved, plural, planning->cores[cpu].load, pinned);
        return 0;
}

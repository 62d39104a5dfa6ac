/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which CPU becomes an I/O core.
 *
 * With whole-physical-cores an I/O core takes its whole physical core: the SMT siblings run no vCPUs any more (they idle, so that the I/O core has the
 * execution units and caches for itself), count as taken, and are not chosen as further I/O cores. Only who names such a sibling by its number gets it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "planner-internal.h"

/* CPUs whose busy shares are in the same tenth are equally idle: a measured difference below that is noise. */
#define BUSY_STEPS 10

enum obstacle {
        OBSTACLE_NONE,
        OBSTACLE_ABSENT,
        OBSTACLE_IO_CORE,
        OBSTACLE_OFF_LIMITS, /* see core_is_off_limits() */
        OBSTACLE_PINNED,     /* threads are bound to it by hand */
        OBSTACLE_SIBLING,    /* its physical core cannot be taken as a whole */
        OBSTACLE_LAST_VM_CORE,
        _OBSTACLE_MAX,
};

/* Calls are in a loop over the siblings of a CPU that exist in the model; the CPU itself is one of them. */
/* NOLINTBEGIN(bugprone-macro-parentheses): `i` is a name that the macro declares */
#define FOR_EACH_SIBLING(i, host, cpu)                                                                                                             \
        for (size_t i = 0; i < (host)->n_cpus; i++)                                                                                                \
                if ((int) i == (cpu) ||                                                                                                            \
                    ((host)->cpus[cpu].topology->siblings && hwloc_bitmap_isset((host)->cpus[cpu].topology->siblings, (unsigned) i)))
/* NOLINTEND(bugprone-macro-parentheses) */

/* An I/O core, or taken by one. */
static bool is_taken(const struct planning *planning, int cpu) {
        if (!planning->rules->whole_physical_cores)
                return planning->cores[cpu].io_core;
        FOR_EACH_SIBLING(i, planning->host, cpu)
                if (planning->cores[i].io_core)
                        return true;
        return false;
}

static bool is_vm_core(const struct planning *planning, int cpu) {
        const struct topology_cpu *topology = planning->host->cpus[cpu].topology;
        return topology->present && topology->online && !is_taken(planning, cpu);
}

static size_t count_vm_cores(const struct planning *planning, size_t node) {
        size_t n = 0;
        for (size_t i = 0; i < planning->host->n_cpus; i++)
                if (planning_node_index(planning, &planning->host->cpus[i]) == node && is_vm_core(planning, (int) i))
                        n++;
        return n;
}

/* How many VM cores the node would have less. */
static size_t vm_cores_taken_by(const struct planning *planning, int cpu) {
        if (!planning->rules->whole_physical_cores)
                return is_vm_core(planning, cpu) ? 1 : 0;
        size_t n = 0;
        FOR_EACH_SIBLING(i, planning->host, cpu)
                if (is_vm_core(planning, (int) i))
                        n++;
        return n;
}

/* True: a sibling stands in the way. One that is offline does not: it runs nothing. */
static bool sibling_objects(const struct planning *planning, int cpu, bool asked, struct refusal *refusal) {
        if (!planning->rules->whole_physical_cores)
                return false;
        FOR_EACH_SIBLING(i, planning->host, cpu) {
                struct refusal why;
                if ((int) i == cpu || !planning->host->cpus[i].topology->online)
                        continue;
                if (planning->cores[i].io_core && !asked) {
                        refusal_set(refusal, "whole-physical-cores", "CPU %d is taken by the I/O core CPU %zu of the same physical core", cpu, i);
                        return true;
                }
                if (!planning->cores[i].io_core && core_is_off_limits(planning, (int) i, &why)) {
                        refusal_set(refusal, "whole-physical-cores", "CPU %d cannot take its whole physical core: %.150s", cpu, why.text);
                        return true;
                }
        }
        return false;
}

/* True: whatever becomes of the CPU, somebody has bound threads to it or to a sibling that would be taken with it, and they stay. */
static bool is_pinned(const struct planning *planning, int cpu, struct refusal *refusal) {
        FOR_EACH_SIBLING(i, planning->host, cpu) {
                unsigned n = planning->cores[i].n_pinned;
                if (n == 0 || ((int) i != cpu && !planning->rules->whole_physical_cores))
                        continue;
                refusal_set(refusal, "pinned-by-hand", "%u %s bound by hand to CPU %zu and would stay there", n, n == 1 ? "thread is" : "threads are", i);
                return true;
        }
        return false;
}

static enum obstacle find_obstacle(const struct planning *planning, int cpu, size_t n_vm_cores, bool asked, bool by_client, struct refusal *refusal) {
        refusal->rule = NULL;
        if (!planning->host->cpus[cpu].topology->present) {
                refusal_set(refusal, "unknown-object", "there is no CPU %d", cpu);
                return OBSTACLE_ABSENT;
        }
        if (planning->cores[cpu].io_core) {
                refusal_set(refusal, "no-cpu", "CPU %d is an I/O core already", cpu);
                return OBSTACLE_IO_CORE;
        }
        if (core_is_off_limits(planning, cpu, refusal))
                return OBSTACLE_OFF_LIMITS;
        if (sibling_objects(planning, cpu, asked, refusal))
                return OBSTACLE_SIBLING;
        if (!(asked && by_client) && is_pinned(planning, cpu, refusal))
                return OBSTACLE_PINNED;
        size_t takes = vm_cores_taken_by(planning, cpu);
        if (takes > 0 && n_vm_cores < takes + 1) {
                refusal_set(refusal, "no-cpu", "an I/O core on CPU %d would take %zu of the node's %zu VM cores, and at least 1 must remain", cpu, takes,
                            n_vm_cores);
                return OBSTACLE_LAST_VM_CORE;
        }
        return OBSTACLE_NONE;
}

/* Busy share of the busiest CPU that would be taken, in steps; what was never sampled counts as idle. */
static int busy_steps(const struct planning *planning, int cpu) {
        double worst = 0;
        FOR_EACH_SIBLING(i, planning->host, cpu) {
                const struct cpu *sibling = &planning->host->cpus[i];
                if (sibling->topology->online && sibling->sampled && sibling->busy_share > worst)
                        worst = sibling->busy_share;
        }
        return worst >= 1 ? BUSY_STEPS : (int) (worst * BUSY_STEPS);
}

static bool shares_cache_with_io_core(const struct planning *planning, int cpu) {
        const struct topology_cpu *own = planning->host->cpus[cpu].topology;
        for (size_t i = 0; own->llc >= 0 && i < planning->host->n_cpus; i++) {
                const struct topology_cpu *other = planning->host->cpus[i].topology;
                if (planning->cores[i].io_core && other->llc == own->llc && other->node == own->node)
                        return true;
        }
        return false;
}

/* What was set aside for such use first, then what is idlest, then what is near the others. */
struct candidate {
        int cpu;
        bool isolated, cache;
        int busy;
};

static bool is_better(const struct candidate *a, const struct candidate *b) {
        if (b->cpu == IOCORE_CPU_ANY)
                return true;
        if (a->isolated != b->isolated)
                return a->isolated;
        if (a->busy != b->busy)
                return a->busy < b->busy;
        return a->cache && !b->cache;
}

static void refuse_all(const struct planning *planning, size_t node, const size_t *counts, struct refusal *refusal) {
        refusal_set(refusal, counts[OBSTACLE_PINNED] > 0 ? "pinned-by-hand" : "no-cpu",
                    "no CPU of node %d is free (0 left): %zu are I/O cores, %zu reserved, isolated, banned or offline, %zu bound to their siblings, %zu needed for vCPUs, "
                    "%zu have threads that are bound by hand",
                    planning->host->nodes[node].topology->node, counts[OBSTACLE_IO_CORE], counts[OBSTACLE_OFF_LIMITS], counts[OBSTACLE_SIBLING],
                    counts[OBSTACLE_LAST_VM_CORE], counts[OBSTACLE_PINNED]);
}

int choose_cpu(const struct planning *planning, size_t node, int asked, bool by_client, struct refusal *refusal) {
        size_t n_vm_cores = count_vm_cores(planning, node), counts[_OBSTACLE_MAX] = { 0 };
        struct candidate best = { .cpu = IOCORE_CPU_ANY };

        if (asked >= 0)
                return find_obstacle(planning, asked, n_vm_cores, true, by_client, refusal) == OBSTACLE_NONE ? asked : IOCORE_CPU_ANY;
        for (size_t i = 0; i < planning->host->n_cpus; i++) {
                if (planning_node_index(planning, &planning->host->cpus[i]) != node)
                        continue;
                enum obstacle obstacle = find_obstacle(planning, (int) i, n_vm_cores, false, by_client, refusal);
                counts[obstacle]++;
                if (obstacle != OBSTACLE_NONE)
                        continue;
                struct candidate candidate = { .cpu = (int) i, .isolated = planning->host->cpus[i].topology->isolated,
                                               .cache = shares_cache_with_io_core(planning, (int) i), .busy = busy_steps(planning, (int) i) };
                if (is_better(&candidate, &best))
                        best = candidate;
        }
        if (best.cpu == IOCORE_CPU_ANY)
                refuse_all(planning, node, counts, refusal);
        return best.cpu;
}

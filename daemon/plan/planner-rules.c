/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rules about single CPUs, units and moves. All of them only look at the scratch model, but for relocate_unit(). */
#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "planner-internal.h"

void refusal_set(struct refusal *refusal, const char *rule, const char *format, ...) {
        refusal->rule = rule;
        va_list arguments;
        va_start(arguments, format);
        /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the checker misses va_start when it analyses several files */
        vsnprintf(refusal->text, sizeof refusal->text, format, arguments);
        va_end(arguments);
}

int planning_unit(const struct planning *planning, const char *id) {
        size_t low = 0, high = planning->host->n_units;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = id_compare(planning->host->units[middle]->pub.id, id);
                if (order == 0)
                        return (int) middle;
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return -1;
}

static size_t node_index(const struct host *host, int node) {
        for (size_t i = 0; i < host->n_nodes; i++)
                if (host->nodes[i].topology->node == node)
                        return i;
        return 0; /* what belongs nowhere counts for the first node, as in the model */
}

size_t planning_node_index(const struct planning *planning, const struct cpu *cpu) {
        return node_index(planning->host, cpu->topology->node);
}

size_t unit_node_index(const struct planning *planning, size_t unit) {
        const struct node *node = host_unit_node(planning->host, planning->host->units[unit]);
        return node ? (size_t) (node - planning->host->nodes) : 0;
}

size_t node_io_cores(const struct planning *planning, size_t node) {
        size_t n = 0;
        for (size_t i = 0; i < planning->host->n_cpus; i++)
                if (planning->cores[i].io_core && planning_node_index(planning, &planning->host->cpus[i]) == node)
                        n++;
        return n;
}

size_t host_io_cores(const struct planning *planning) {
        size_t n = 0;
        for (size_t i = 0; i < planning->host->n_cpus; i++)
                if (planning->cores[i].io_core)
                        n++;
        return n;
}

size_t planning_moves_left(const struct planning *planning) {
        if (planning->rules->max_moves_per_epoch == 0)
                return SIZE_MAX;
        return planning->n_moves < planning->rules->max_moves_per_epoch ? planning->rules->max_moves_per_epoch - planning->n_moves : 0;
}

bool pattern_matches(char *const *patterns, const char *string) {
        for (; patterns && *patterns; patterns++)
                if (fnmatch(*patterns, string, 0) == 0)
                        return true;
        return false;
}

static bool in_set(hwloc_const_bitmap_t set, int cpu) {
        return set && cpu >= 0 && hwloc_bitmap_isset(set, (unsigned) cpu);
}

bool unit_is_off_limits(const struct planning *planning, size_t index, struct refusal *refusal) {
        const struct planner_rules *rules = planning->rules;
        const struct unit *unit = planning->host->units[index];
        const char *device = unit->pub.device ? unit->pub.device->id : unit->pub.id;
        int core = planning->units[index].core;

        if (pattern_matches(rules->banned_units, unit->pub.id) || pattern_matches(rules->banned_units, device)) {
                refusal_set(refusal, "banned", "%s is banned by [bans] units and is never touched", unit->pub.id);
                return true;
        }
        const char *domain = host_unit_domain_name(unit);
        if (domain[0] && pattern_matches(rules->banned_domains, domain)) {
                refusal_set(refusal, "banned", "%s belongs to domain %.80s, which is banned by [bans] domains and is never touched", unit->pub.id,
                            domain);
                return true;
        }
        if (in_set(rules->banned_cpus, core)) {
                refusal_set(refusal, "banned", "%s is on CPU %d, which is banned by [bans] cpus and is never touched", unit->pub.id, core);
                return true;
        }
        /* a worker of its own is the unit; a shared one may be in somebody else's hands while its units are not */
        const struct worker *worker = (const struct worker *) unit->pub.worker;
        if (host_unit_is_manual(unit) || (worker && !worker->pub.shared && worker->state == OBJECT_MANUAL)) {
                refusal_set(refusal, "manual", "%s is in manual hands: it was placed by somebody else and is left there", unit->pub.id);
                return true;
        }
        return false;
}

bool unit_is_blocked(const struct planning *planning, size_t index, struct refusal *refusal) {
        const struct unit *unit = planning->host->units[index];
        if (!unit->pub.blocked)
                return false;
        refusal_set(refusal, "blocked", "%s could not go to an I/O core when it was last tried, and is left where it is until its cpuset changes", unit->pub.id);
        return true;
}

bool core_is_untouchable(const struct planning *planning, int cpu, struct refusal *refusal) {
        const struct cpu *host_core = &planning->host->cpus[cpu];

        if (in_set(planning->rules->banned_cpus, cpu))
                refusal_set(refusal, "banned", "CPU %d is banned by [bans] cpus and is never touched", cpu);
        else if (host_core->worker && host_core->worker->state == OBJECT_MANUAL)
                refusal_set(refusal, "manual", "worker %s of CPU %d is in manual hands: somebody else changed it", host_core->worker->pub.id, cpu);
        else
                return false;
        return true;
}

bool core_is_off_limits(const struct planning *planning, int cpu, struct refusal *refusal) {
        const struct planner_rules *rules = planning->rules;
        const struct cpu *host_core = &planning->host->cpus[cpu];

        if (core_is_untouchable(planning, cpu, refusal))
                return true;
        if (!host_core->topology->online)
                refusal_set(refusal, "offline-cpu", "CPU %d is offline", cpu);
        else if (in_set(rules->reserved_cpus, cpu))
                refusal_set(refusal, "reserved-cpu", "CPU %d is reserved by [cores] reserved", cpu);
        else if (host_core->topology->isolated && !rules->use_isolated)
                refusal_set(refusal, "isolated-cpu", "CPU %d is isolated from the scheduler, and [cores] use-isolated is no", cpu);
        else
                return false;
        return true;
}

bool core_takes_units(const struct planning *planning, int cpu) {
        if (!planning->cores[cpu].io_core)
                return false;
        const struct worker *worker = planning->host->cpus[cpu].worker;
        struct refusal refusal;
        return !(worker && worker->pub.locked) && !core_is_off_limits(planning, cpu, &refusal);
}

static bool same_domain(const struct unit *a, const struct unit *b) {
        return host_unit_domain_name(a)[0] && strcmp(host_unit_domain_name(a), host_unit_domain_name(b)) == 0;
}

static const char *domain_or_unknown(const struct unit *unit) {
        const char *name = host_unit_domain_name(unit);
        return name[0] ? name : "unknown";
}

/* Of two units on one I/O core the stricter one's wish is heeded. */
static bool may_not_share(const struct planning *planning, int cpu, size_t unit, struct refusal *refusal) {
        const struct host *host = planning->host;
        const struct unit *newcomer = host->units[unit];
        for (int i = planning->cores[cpu].first_unit; i >= 0; i = planning->units[i].next) {
                const struct unit *other = host->units[i];
                const struct unit *says = planning->units[i].share > planning->units[unit].share ? other : newcomer;
                enum share_within share = planning->units[says == other ? (size_t) i : unit].share;
                if (share == SHARE_ANY || (share == SHARE_DOMAIN && same_domain(newcomer, other)))
                        continue;
                bool is_rule = planning->rules->share_within == share;
                refusal_set(refusal, "share-within", "CPU %d serves %s of domain %.60s, %s is of domain %.60s, and %s%.60s is %s", cpu, other->pub.id,
                            domain_or_unknown(other), newcomer->pub.id, domain_or_unknown(newcomer), is_rule ? "[units] share-within" : "share-within of domain ",
                            is_rule ? "" : domain_or_unknown(says), share == SHARE_NONE ? "none" : "domain");
                return true;
        }
        return false;
}

bool core_has_no_room(const struct planning *planning, int cpu, size_t unit, struct refusal *refusal) {
        const struct planner_rules *rules = planning->rules;
        const struct plan_core *core = &planning->cores[cpu];

        if (planning->units[unit].core == cpu)
                return false;
        if (rules->max_devices_per_worker > 0 && core->n_units >= rules->max_devices_per_worker) {
                refusal_set(refusal, "max-devices-per-worker", "CPU %d has %zu of at most %u units (0 left)", cpu, core->n_units,
                            rules->max_devices_per_worker);
                return true;
        }
        return planning->strictest != SHARE_ANY && may_not_share(planning, cpu, unit, refusal);
}

bool move_leaves_node(const struct planning *planning, size_t unit, int cpu, struct refusal *refusal) {
        int own = planning->host->units[unit]->pub.node;
        if (own < 0 || planning->host->cpus[cpu].topology->node == own)
                return false;
        for (size_t i = 0; i < planning->host->n_cpus; i++) {
                struct refusal unused;
                if (planning->host->cpus[i].topology->node != own || !core_takes_units(planning, (int) i) ||
                    core_has_no_room(planning, (int) i, unit, &unused))
                        continue;
                char limit[32] = "no limit";
                if (planning->rules->max_devices_per_worker > 0)
                        snprintf(limit, sizeof limit, "at most %u", planning->rules->max_devices_per_worker);
                refusal_set(refusal, "numa", "%s belongs to node %d, and CPU %zu there has room (%zu units, %s); CPU %d is on node %d",
                            planning->host->units[unit]->pub.id, own, i, planning->cores[i].n_units, limit, cpu, planning->host->cpus[cpu].topology->node);
                return true;
        }
        return false;
}

void relocate_unit(struct planning *planning, size_t unit, int cpu) {
        struct plan_unit *moved = &planning->units[unit];
        if (moved->core >= 0) {
                struct plan_core *from = &planning->cores[moved->core];
                int *link = &from->first_unit;
                while (*link != (int) unit)
                        link = &planning->units[*link].next;
                *link = moved->next;
                from->n_units--;
                from->load -= moved->load;
        }
        moved->core = cpu;
        moved->next = -1;
        if (cpu >= 0) {
                struct plan_core *to = &planning->cores[cpu];
                moved->next = to->first_unit;
                to->first_unit = (int) unit;
                to->n_units++;
                to->load += moved->load;
        }
}

int plan_unit_move(struct planning *planning, struct decision *decision, size_t unit, int cpu) {
        struct step *step = decision_add_step(decision, STEP_UNIT_MOVE, cpu, planning->host->units[unit]->pub.id);
        if (!step)
                return -ENOMEM;
        snprintf(step->knob, sizeof step->knob, "unit.place");
        relocate_unit(planning, unit, cpu);
        planning->units[unit].settled = true;
        planning->n_moves++;
        if (cpu >= 0)
                planning->cores[cpu].received = true;
        return 0;
}

static int compare_heaviest_first(const void *a, const void *b, void *userdata) {
        const struct plan_unit *units = userdata;
        size_t x = *(const size_t *) a, y = *(const size_t *) b;
        if (units[x].load > units[y].load)
                return -1;
        if (units[x].load < units[y].load)
                return 1;
        return x < y ? -1 : x > y;
}

void sort_heaviest_first(const struct planning *planning, size_t *units, size_t n) {
        if (n > 1)
                qsort_r(units, n, sizeof *units, compare_heaviest_first, planning->units);
}

int least_loaded_core(const struct planning *planning, size_t node, size_t unit, int except) {
        int best = IOCORE_CPU_ANY;
        for (size_t i = 0; i < planning->host->n_cpus; i++) {
                struct refusal unused;
                if ((int) i == except || !core_takes_units(planning, (int) i) || planning_node_index(planning, &planning->host->cpus[i]) != node ||
                    core_has_no_room(planning, (int) i, unit, &unused))
                        continue;
                if (best == IOCORE_CPU_ANY || planning->cores[i].load < planning->cores[best].load - LOAD_EPSILON)
                        best = (int) i;
        }
        return best;
}

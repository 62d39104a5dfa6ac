/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Level 2: which CPUs of its node a vCPU gets. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "placement-internal.h"

/* A vCPU changes its CPU only when that takes at least a quarter of a vCPU off its neck: less is nothing but another picture of the same. */
#define LEAST_RELIEF 0.25

/* What a vCPU would meet on a CPU. */
struct company {
        double same_cpu;  /* vCPUs that share it; those of the same domain count twice: one that spins for a lock keeps the one that holds it from running */
        double siblings;  /* vCPUs on other threads of the physical core */
};

static struct company company_on(const struct placement *placement, unsigned cpu) {
        int core = placement->host->cpus[cpu].topology->core;
        bool known = core >= 0 && (size_t) core < placement->host->n_cpus;
        return (struct company) { .same_cpu = placement->occupancy[cpu] + placement->own[cpu],
                                  .siblings = known ? placement->core_occupancy[core] - placement->occupancy[cpu] : 0 };
}

static bool is_better(const struct company *a, const struct company *b) {
        if (a->same_cpu < b->same_cpu - PLACEMENT_EPSILON)
                return true;
        return a->same_cpu < b->same_cpu + PLACEMENT_EPSILON && a->siblings < b->siblings - PLACEMENT_EPSILON;
}

/* The CPU of the node with the least company; of equals the lowest. -1: the node has none. */
static int best_cpu(const struct placement *placement, size_t node) {
        int best = -1;
        struct company least = { HUGE_VAL, HUGE_VAL };
        unsigned cpu;
        hwloc_bitmap_foreach_begin(cpu, placement->nodes[node].usable) {
                struct company company = company_on(placement, cpu);
                if (is_better(&company, &least)) {
                        best = (int) cpu;
                        least = company;
                }
        } hwloc_bitmap_foreach_end();
        return best;
}

/* Counts a vCPU of the domain in on its CPU (part 1), or out (-1). */
static void occupy(struct placement *placement, int cpu, int part) {
        int core = placement->host->cpus[cpu].topology->core;
        placement->occupancy[cpu] += part;
        placement->own[cpu] = part > 0 ? placement->own[cpu] + 1 : placement->own[cpu] - 1;
        if (core >= 0 && (size_t) core < placement->host->n_cpus)
                placement->core_occupancy[core] += part;
}

static int pin(struct placement *placement, struct placed_domain *domain, size_t index, hwloc_const_bitmap_t cpus, bool *ret_changed) {
        struct placed_vcpu *vcpu = &domain->vcpus[index];
        if (!vcpu->cpus && !(vcpu->cpus = hwloc_bitmap_alloc()))
                return -ENOMEM;
        if (hwloc_bitmap_copy(vcpu->cpus, cpus) < 0)
                return -ENOMEM;
        picture_vcpu_changed(placement, domain, index);
        ret_changed[index] = true;
        return 0;
}

/* The node whose CPUs the vCPU is to have; NO_NODE: it is left as it is. */
static size_t target(const struct placed_domain *domain, const struct layout *layout, size_t vcpu) {
        return layout->node_of[vcpu] != NO_NODE ? layout->node_of[vcpu] : domain->vcpus[vcpu].node;
}

/* All CPUs of the node for each vCPU. One that stays on its node and may use all of its CPUs, and some that mean nothing, is left alone. */
static int pin_to_nodes(struct placement *placement, struct placed_domain *domain, const struct layout *layout, bool *ret_changed) {
        for (size_t i = 0; i < domain->n_vcpus; i++) {
                const struct placed_vcpu *vcpu = &domain->vcpus[i];
                size_t node = target(domain, layout, i);
                if (node == NO_NODE || placement->nodes[node].n_cpus == 0)
                        continue;
                if (vcpu->node == node && (!vcpu->cpus || hwloc_bitmap_isincluded(placement->nodes[node].usable, vcpu->cpus)))
                        continue;
                int r = pin(placement, domain, i, placement->nodes[node].usable, ret_changed);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool keeps_cpu(const struct placed_domain *domain, const struct layout *layout, size_t vcpu) {
        return domain->vcpus[vcpu].fixed >= 0 && domain->vcpus[vcpu].node == target(domain, layout, vcpu);
}

static int pin_to_cpu(struct placement *placement, struct placed_domain *domain, size_t vcpu, int cpu, bool *ret_changed) {
        hwloc_bitmap_t only = hwloc_bitmap_alloc();
        int r = only && hwloc_bitmap_only(only, (unsigned) cpu) == 0 ? pin(placement, domain, vcpu, only, ret_changed) : -ENOMEM;
        hwloc_bitmap_free(only);
        return r;
}

/* Moves a vCPU that has better company elsewhere on its node. 1: moved; 0; -ENOMEM. */
static int relieve(struct placement *placement, struct placed_domain *domain, size_t vcpu, bool *ret_changed) {
        int from = domain->vcpus[vcpu].fixed;
        occupy(placement, from, -1);
        int to = best_cpu(placement, domain->vcpus[vcpu].node), r = 0;
        struct company here = company_on(placement, (unsigned) from), there = company_on(placement, (unsigned) to);
        bool equal = fabs(here.same_cpu - there.same_cpu) <= PLACEMENT_EPSILON;
        if (here.same_cpu - there.same_cpu >= LEAST_RELIEF || (equal && here.siblings - there.siblings >= LEAST_RELIEF)) {
                r = pin_to_cpu(placement, domain, vcpu, to, ret_changed);
                if (r < 0)
                        return r;
                r = 1;
        }
        occupy(placement, domain->vcpus[vcpu].fixed, 1);
        return r;
}

static int pin_to_cpus(struct placement *placement, struct placed_domain *domain, const struct layout *layout, bool *ret_changed) {
        int r = 0;
        for (size_t i = 0; i < domain->n_vcpus; i++)
                if (keeps_cpu(domain, layout, i))
                        occupy(placement, domain->vcpus[i].fixed, 1);
        for (size_t i = 0; i < domain->n_vcpus; i++) {
                size_t node = target(domain, layout, i);
                int cpu = node != NO_NODE && !keeps_cpu(domain, layout, i) ? best_cpu(placement, node) : -1;
                if (cpu < 0)
                        continue;
                r = pin_to_cpu(placement, domain, i, cpu, ret_changed);
                if (r < 0)
                        return r;
                occupy(placement, cpu, 1);
        }
        /* each relief takes weight off, so this ends; the bound is for what rounding could do */
        for (size_t round = 0; round <= domain->n_vcpus; round++) {
                bool any = false;
                for (size_t i = 0; i < domain->n_vcpus; i++) {
                        r = domain->vcpus[i].fixed >= 0 ? relieve(placement, domain, i, ret_changed) : 0;
                        if (r < 0)
                                return r;
                        any = any || r > 0;
                }
                if (!any)
                        break;
        }
        for (size_t i = 0; i < domain->n_vcpus; i++)
                if (domain->vcpus[i].fixed >= 0)
                        occupy(placement, domain->vcpus[i].fixed, -1);
        return 0;
}

int choose_cpus(struct placement *placement, struct placed_domain *domain, const struct layout *layout, enum placement_pin pin, bool *ret_changed) {
        memset(ret_changed, 0, domain->n_vcpus * sizeof *ret_changed);
        if (pin == PLACEMENT_PIN_NO)
                return 0;
        if (pin == PLACEMENT_PIN_NODE)
                return pin_to_nodes(placement, domain, layout, ret_changed);
        memset(placement->own, 0, placement->host->n_cpus * sizeof *placement->own);
        return pin_to_cpus(placement, domain, layout, ret_changed);
}

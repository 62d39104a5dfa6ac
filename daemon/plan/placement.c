/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plans placements: domain after domain, stage after stage, until nothing is left that is worth it. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "placement-internal.h"

/* Defaults of iocored-policy(7). A tenth of a CPU for each vCPU is more than measurements of remote memory are uncertain by; a move of 100 GiB, half a minute of copying, must win a whole one. */
#define DEFAULT_MIN_GAIN 0.1
#define DEFAULT_GIB_COST 0.01
#define DEFAULT_KEEP_FREE 0.02

void placement_rules_init(struct placement_rules *rules) {
        *rules = (struct placement_rules) { .pin = PLACEMENT_PIN_NODE,
                                            .memory = PLACEMENT_MEMORY_DOMAIN,
                                            .min_gain = DEFAULT_MIN_GAIN,
                                            .gib_cost = DEFAULT_GIB_COST,
                                            .keep_free = DEFAULT_KEEP_FREE };
}

static void free_bitmaps(hwloc_bitmap_t *bitmaps, size_t n) {
        for (size_t i = 0; bitmaps && i < n; i++)
                hwloc_bitmap_free(bitmaps[i]);
        free(bitmaps);
}

void placement_proposal_done(struct placement_proposal *proposal) {
        free_bitmaps(proposal->nodes, proposal->n_cells);
        free_bitmaps(proposal->cpus, proposal->n_vcpus);
        free(proposal->kib);
        hwloc_bitmap_free(proposal->memory_nodes);
        hwloc_bitmap_free(proposal->emulator);
        *proposal = (struct placement_proposal) { 0 };
}

void placement_plan_done(struct placement_plan *plan) {
        for (size_t i = 0; i < plan->n_proposals; i++)
                placement_proposal_done(&plan->proposals[i]);
        free(plan->proposals);
        *plan = (struct placement_plan) { 0 };
}

void placement_request_done(struct placement_request *request) {
        free_bitmaps(request->nodes, request->n_cells);
        *request = (struct placement_request) { 0 };
}

/* --- one domain */

/* What the emulator's threads may use: all CPUs of the vCPUs' nodes, and each I/O core, as its vhost workers live in the same cpuset. NULL: no memory. */
static hwloc_bitmap_t emulator_cpus(const struct placement *placement, const struct placed_domain *domain) {
        const struct host *host = placement->host;
        hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
        int r = cpus ? 0 : -1;
        for (size_t node = 0; r == 0 && node < placement->n_nodes; node++) {
                double share = 0;
                for (size_t i = 0; i < domain->n_vcpus; i++)
                        share += domain->shares[i * placement->n_nodes + node];
                if (share > 0)
                        r = hwloc_bitmap_or(cpus, cpus, placement->nodes[node].usable);
        }
        if (r == 0 && hwloc_bitmap_iszero(cpus))
                r = hwloc_bitmap_or(cpus, cpus, placement->usable);
        for (size_t i = 0; r == 0 && i < host->n_cpus; i++)
                if (host->cpus[i].io_core)
                        r = hwloc_bitmap_set(cpus, (unsigned) i);
        if (r == 0)
                return cpus;
        hwloc_bitmap_free(cpus);
        return NULL;
}

/* Equal but for CPUs that mean nothing in a mask? */
static int means_the_same(const struct placement *placement, hwloc_const_bitmap_t a, hwloc_const_bitmap_t b) {
        hwloc_bitmap_t difference = hwloc_bitmap_alloc();
        int r = -ENOMEM;
        if (difference && hwloc_bitmap_xor(difference, a, b) == 0)
                r = hwloc_bitmap_isincluded(difference, placement->ignored);
        hwloc_bitmap_free(difference);
        return r;
}

/* The emulator follows when something of the domain moves. */
static int propose_emulator(struct placement *placement, struct placed_domain *domain, struct placement_proposal *proposal) {
        if (!domain->emulator || !domain->domain->emulator.knob[0] || (domain->domain->emulator.by_hand && domain->domain->pub.wish != IOCORE_WISH_AUTO))
                return 0;
        hwloc_bitmap_t cpus = emulator_cpus(placement, domain);
        int r = cpus ? means_the_same(placement, cpus, domain->emulator) : -ENOMEM;
        if (r == 0) {
                r = hwloc_bitmap_copy(domain->emulator, cpus);
                if (r == 0) {
                        proposal->emulator = TAKE_PTR(cpus);
                        return 0;
                }
                r = -ENOMEM;
        }
        hwloc_bitmap_free(cpus);
        return r < 0 ? r : 0;
}

static bool any_cell_is_told(const struct domain *domain) {
        for (size_t cell = 0; cell < domain->n_cells; cell++)
                if (domain->cells[cell].kib_of_node)
                        return true;
        return false;
}

static int propose_cells(const struct placement *placement, const struct placed_domain *domain, const struct layout *layout, struct placement_proposal *proposal) {
        proposal->nodes = calloc(domain->n_cells, sizeof(hwloc_bitmap_t));
        proposal->kib = calloc(domain->n_cells, sizeof *proposal->kib);
        if (!proposal->nodes || !proposal->kib)
                return -ENOMEM;
        proposal->n_cells = domain->n_cells;
        for (size_t cell = 0; cell < domain->n_cells; cell++) {
                proposal->nodes[cell] = hwloc_bitmap_dup(layout->sets[cell]);
                if (!proposal->nodes[cell])
                        return -ENOMEM;
                for (size_t i = 0; i < placement->n_nodes; i++)
                        if (memory_lands(layout, cell, i) != i)
                                proposal->kib[cell] += domain->kib[cell * placement->n_nodes + i];
                proposal->total_kib += proposal->kib[cell];
        }
        proposal->moves_memory = proposal->total_kib > 0;
        proposal->memory_untold = layout->shape == PLACEMENT_SPLIT && !domain->memory_fixed && !any_cell_is_told(domain->domain);
        return 0;
}

/* What goes whole is bound to its node, and so moves. What goes cell by cell is moved by jobs, to which the kernel refuses a node that the domain may have no memory on, as it was bound
 * elsewhere when it was whole: it is allowed there first, beside what it has, so that nothing moves by that. */
static int propose_memory_nodes(const struct placement *placement, struct placed_domain *domain, struct placement_proposal *proposal) {
        bool whole = true;
        for (size_t cell = 1; cell < proposal->n_cells; cell++)
                whole = whole && hwloc_bitmap_isequal(proposal->nodes[cell], proposal->nodes[0]);
        if (!proposal->moves_memory || (!whole && !domain->memory_nodes))
                return 0;
        hwloc_bitmap_t nodes = whole ? hwloc_bitmap_alloc() : hwloc_bitmap_dup(domain->memory_nodes);
        int r = nodes ? 0 : -1;
        for (size_t cell = 0; cell < proposal->n_cells; cell++) {
                unsigned place;
                hwloc_bitmap_foreach_begin(place, proposal->nodes[cell]) {
                        if (r == 0)
                                r = hwloc_bitmap_set(nodes, (unsigned) placement->host->nodes[place].topology->node);
                } hwloc_bitmap_foreach_end();
        }
        if (r == 0 && (whole || !hwloc_bitmap_isequal(nodes, domain->memory_nodes))) {
                proposal->memory_nodes = TAKE_PTR(nodes);
                hwloc_bitmap_free(domain->memory_nodes);
                domain->memory_nodes = hwloc_bitmap_dup(proposal->memory_nodes);
                r = domain->memory_nodes ? 0 : -1;
        }
        hwloc_bitmap_free(nodes);
        return r < 0 ? -ENOMEM : 0;
}

static int propose_cpus(const struct placed_domain *domain, hwloc_bitmap_t *before, const bool *changed, struct placement_proposal *proposal) {
        proposal->cpus = calloc(domain->n_vcpus ? domain->n_vcpus : 1, sizeof(hwloc_bitmap_t));
        if (!proposal->cpus)
                return -ENOMEM;
        proposal->n_vcpus = domain->n_vcpus;
        for (size_t i = 0; i < domain->n_vcpus; i++) {
                if (!changed[i] || (before[i] && hwloc_bitmap_isequal(before[i], domain->vcpus[i].cpus)))
                        continue;
                proposal->cpus[i] = hwloc_bitmap_dup(domain->vcpus[i].cpus);
                if (!proposal->cpus[i])
                        return -ENOMEM;
                proposal->n_pins++;
        }
        return 0;
}

/* sign -1: what was counted is not. */
static void count_moved(struct placement *placement, const uint64_t *before, const uint64_t *after, int sign) {
        for (size_t i = 0; i < placement->n_nodes; i++) {
                struct placed_node *node = &placement->nodes[i];
                uint64_t coming = after[i] > before[i] ? after[i] - before[i] : 0, going = before[i] > after[i] ? before[i] - after[i] : 0;
                node->coming_kib = sign > 0 ? node->coming_kib + coming : node->coming_kib - coming;
                node->going_kib = sign > 0 ? node->going_kib + going : node->going_kib - going;
        }
}

/* The pages are where they go, for whoever is placed later; what they leave counts from the next stage on. */
static void move_memory(struct placement *placement, struct placed_domain *domain, const struct layout *layout) {
        uint64_t *after = placement->coming; /* scratch: nothing is tried now */
        for (size_t cell = 0; cell < domain->n_cells; cell++) {
                uint64_t *kib = domain->kib + cell * placement->n_nodes;
                memset(after, 0, placement->n_nodes * sizeof *after);
                for (size_t i = 0; i < placement->n_nodes; i++)
                        after[memory_lands(layout, cell, i)] += kib[i];
                count_moved(placement, kib, after, 1);
                memcpy(kib, after, placement->n_nodes * sizeof *after);
        }
}

static void take_memory_back(struct placement *placement, struct placed_domain *domain, size_t cell) {
        uint64_t *kib = domain->kib + cell * placement->n_nodes, *after = placement->coming; /* scratch: nothing is tried now */
        memcpy(after, kib, placement->n_nodes * sizeof *after);
        picture_take_memory(placement, domain, cell);
        count_moved(placement, kib, after, -1);
}

static int copy_cpus(const struct placed_domain *domain, hwloc_bitmap_t *copies) {
        for (size_t i = 0; i < domain->n_vcpus; i++)
                if (domain->vcpus[i].cpus && !(copies[i] = hwloc_bitmap_dup(domain->vcpus[i].cpus)))
                        return -ENOMEM;
        return 0;
}

/* Makes the picture such that the domain is as the layout says, and writes down what changes by that. The domain's part is not in the sums. */
static int carry_out(struct placement *placement, struct placed_domain *domain, const struct layout *layout, enum placement_pin pin, bool emulator,
                     struct placement_proposal *proposal) {
        hwloc_bitmap_t *before = calloc(domain->n_vcpus ? domain->n_vcpus : 1, sizeof(hwloc_bitmap_t));
        _cleanup_free_ bool *changed = calloc(domain->n_vcpus ? domain->n_vcpus : 1, sizeof *changed);
        int r = before && changed ? copy_cpus(domain, before) : -ENOMEM;
        proposal->domain = domain->domain;
        proposal->shape = layout->shape;
        proposal->remote_before = domain_remote_share(placement, domain);
        if (r == 0)
                r = propose_cells(placement, domain, layout, proposal);
        if (r == 0)
                r = propose_memory_nodes(placement, domain, proposal);
        if (r == 0)
                r = choose_cpus(placement, domain, layout, pin, changed);
        if (r == 0)
                r = propose_cpus(domain, before, changed, proposal);
        if (r == 0) {
                move_memory(placement, domain, layout);
                proposal->remote_after = domain_remote_share(placement, domain);
        }
        if (r == 0 && emulator && (proposal->n_pins > 0 || proposal->moves_memory))
                r = propose_emulator(placement, domain, proposal);
        free_bitmaps(before, domain->n_vcpus);
        return r;
}

static int place_domain(struct placement *placement, struct placed_domain *domain, struct placement_proposal *proposal) {
        struct layout *now = &placement->layouts[LAYOUT_NOW], *best = &placement->layouts[LAYOUT_BEST];
        picture_begin_turn(placement, domain);
        layout_set_now(placement, domain, now);
        choose_nodes(placement, domain);
        double gain = 0;
        if (best->valid) {
                gain = now->cost - best->cost - placement->rules->gib_cost * (double) best->moved_kib / (1024.0 * 1024.0);
                if (!(gain >= least_gain(placement, domain)))
                        best->valid = false;
        }
        int r = carry_out(placement, domain, best->valid ? best : now, placement->rules->pin, placement->rules->emulator, proposal);
        proposal->gain = best->valid ? gain / (double) domain->n_vcpus : 0;
        picture_count(placement, domain, 1);
        return r;
}

/* --- all of them */

static int append(struct placement_plan *plan, struct placement_proposal *proposal) {
        /* grows to the next power of two */
        if ((plan->n_proposals & (plan->n_proposals - 1)) == 0) {
                struct placement_proposal *proposals = reallocarray(plan->proposals, plan->n_proposals ? plan->n_proposals * 2 : 1, sizeof *proposals);
                if (!proposals)
                        return -ENOMEM;
                plan->proposals = proposals;
        }
        plan->proposals[plan->n_proposals++] = *proposal;
        *proposal = (struct placement_proposal) { 0 };
        return 0;
}

/* What left a node in the stage that ended is free from now on. */
static void begin_stage(struct placement *placement) {
        for (size_t i = 0; i < placement->n_nodes; i++) {
                struct placed_node *node = &placement->nodes[i];
                node->free_kib += node->going_kib;
                node->free_kib = node->free_kib > node->coming_kib ? node->free_kib - node->coming_kib : 0;
                node->coming_kib = node->going_kib = 0;
        }
        picture_sum_up(placement);
}

static int run_stage(struct placement *placement, unsigned stage, struct placement_plan *plan) {
        begin_stage(placement);
        for (size_t i = 0; i < placement->n_domains; i++) {
                struct placed_domain *domain = &placement->domains[placement->order[i]];
                struct placement_proposal proposal = { .stage = stage };
                if (domain->off_limits)
                        continue;
                int r = place_domain(placement, domain, &proposal);
                if (r == 0 && (proposal.n_pins > 0 || proposal.moves_memory))
                        r = append(plan, &proposal);
                placement_proposal_done(&proposal);
                if (r < 0)
                        return r;
        }
        return 0;
}

int placement_run(struct placement *placement, unsigned max_stages, struct placement_plan *ret) {
        _cleanup_(placement_plan_done) struct placement_plan plan = { 0 };
        for (unsigned stage = 1; !plan.settled && stage <= max_stages && stage <= PLACEMENT_STAGES_MAX; stage++) {
                size_t before = plan.n_proposals;
                int r = run_stage(placement, stage, &plan);
                if (r < 0)
                        return r;
                plan.settled = plan.n_proposals == before;
        }
        *ret = plan;
        plan = (struct placement_plan) { 0 };
        return 0;
}

/* --- what somebody else decided on */

static int refuse(const char **ret_rule, const char *rule, int error) {
        *ret_rule = rule;
        return error;
}

/* The layout that a request asks for, into LAYOUT_BEST. */
static int take_request(struct placement *placement, const struct placed_domain *domain, const struct placement_request *request, const char **ret_rule, char *text,
                        size_t size) {
        struct layout *best = &placement->layouts[LAYOUT_BEST];
        layout_set_now(placement, domain, best);
        if (request->n_cells == 0)
                return 0;
        if (request->n_cells != domain->n_cells)
                return snprintf(text, size, "domain %.100s has %zu guest cells, not %zu", domain->domain->pub.id, domain->n_cells, request->n_cells),
                       refuse(ret_rule, "invalid", -EINVAL);
        bool several = false, differ = false;
        for (size_t cell = 0; cell < domain->n_cells; cell++) {
                unsigned node;
                size_t n_cpus = 0;
                hwloc_bitmap_foreach_begin(node, request->nodes[cell]) {
                        if (node >= placement->n_nodes)
                                return snprintf(text, size, "there is no such node"), refuse(ret_rule, "invalid", -EINVAL);
                        n_cpus += placement->nodes[node].n_cpus;
                } hwloc_bitmap_foreach_end();
                if (n_cpus == 0 && request->pin != PLACEMENT_PIN_NO)
                        return snprintf(text, size, "no CPU of the nodes for cell %zu of domain %.100s may be given vCPUs", cell, domain->domain->pub.id),
                               refuse(ret_rule, "no-cpu", -ENOSPC);
                if (hwloc_bitmap_copy(best->sets[cell], request->nodes[cell]) < 0)
                        return -ENOMEM;
                several = several || hwloc_bitmap_weight(request->nodes[cell]) > 1;
                differ = differ || !hwloc_bitmap_isequal(request->nodes[cell], request->nodes[0]);
        }
        best->shape = several ? PLACEMENT_SPREAD : differ ? PLACEMENT_SPLIT : PLACEMENT_WHOLE;
        if (!layout_move_memory(placement, domain, best, request->memory))
                return snprintf(text, size, "%.1f GiB of domain %.100s would have to move, for which there is no room", (double) best->moved_kib / (1024.0 * 1024.0),
                                domain->domain->pub.id),
                       refuse(ret_rule, "no-memory", -ENOSPC);
        /* after that: it is near the memory as that will be */
        for (size_t i = 0; request->pin != PLACEMENT_PIN_NO && i < domain->n_vcpus; i++)
                best->node_of[i] = (size_t) hwloc_bitmap_first(best->sets[domain->vcpus[i].cell]);
        for (size_t cell = 0; request->pin != PLACEMENT_PIN_NO && cell < domain->n_cells; cell++)
                if (hwloc_bitmap_weight(best->sets[cell]) > 1)
                        spread_vcpus(placement, domain, best, best->sets[cell]);
        return 0;
}

int placement_expand(struct placement *placement, const struct domain *domain, const struct placement_request *request, struct placement_proposal *ret,
                     const char **ret_rule, char *ret_text, size_t size) {
        struct placed_domain *placed = placed_domain_of(placement, domain);
        if (!placed)
                return snprintf(ret_text, size, "there is no such domain"), refuse(ret_rule, "invalid", -EINVAL);
        const char *rule = placement_off_limits(placement, domain, ret_text, size);
        if (rule)
                return refuse(ret_rule, rule, -EPERM);
        _cleanup_(placement_proposal_done) struct placement_proposal proposal = { .stage = 1 };
        picture_begin_turn(placement, placed);
        int r = take_request(placement, placed, request, ret_rule, ret_text, size);
        if (r == 0)
                r = carry_out(placement, placed, &placement->layouts[LAYOUT_BEST], request->pin, request->emulator, &proposal);
        picture_count(placement, placed, 1);
        if (r < 0)
                return r;
        *ret = proposal;
        proposal = (struct placement_proposal) { 0 };
        return 0;
}

int placement_undo(struct placement *placement, const struct placement_proposal *proposal) {
        const struct domain *domain = proposal->domain;
        struct placed_domain *placed = placed_domain_of(placement, domain);
        int r = 0;
        for (size_t i = 0; placed && r == 0 && i < proposal->n_vcpus; i++)
                if (proposal->cpus[i])
                        r = placement_set_cpus(placement, domain, i, domain->vcpus[i].cpus);
        for (size_t cell = 0; placed && cell < proposal->n_cells; cell++)
                if (proposal->kib[cell] > 0)
                        take_memory_back(placement, placed, cell);
        if (placed && r == 0 && proposal->memory_nodes)
                r = picture_take_memory_nodes(placed);
        if (placed && r == 0 && proposal->emulator)
                r = hwloc_bitmap_copy(placed->emulator, domain->emulator.cpus) < 0 ? -ENOMEM : 0;
        return r;
}

int placement_set_cpus(struct placement *placement, const struct domain *domain, size_t vcpu, hwloc_const_bitmap_t cpus) {
        struct placed_domain *placed = placed_domain_of(placement, domain);
        if (!placed || vcpu >= placed->n_vcpus)
                return 0;
        hwloc_bitmap_t copy = cpus ? hwloc_bitmap_dup(cpus) : NULL;
        if (cpus && !copy)
                return -ENOMEM;
        picture_count(placement, placed, -1);
        hwloc_bitmap_free(placed->vcpus[vcpu].cpus);
        placed->vcpus[vcpu].cpus = copy;
        picture_vcpu_changed(placement, placed, vcpu);
        picture_count(placement, placed, 1);
        return 0;
}

bool placement_cpu_is_usable(const struct placement *placement, unsigned cpu) {
        return hwloc_bitmap_isset(placement->usable, cpu);
}

/* --- how good it is */

void placement_node_loads(const struct placement *placement, double *ret) {
        for (size_t i = 0; i < placement->n_nodes; i++)
                ret[i] = placement->nodes[i].load;
        float_fill(placement, ret);
}

static void measure_nodes(const struct placement *placement, struct placement_quality *ret) {
        double sum = 0, squares = 0;
        size_t n = 0;
        placement_node_loads(placement, placement->filled);
        for (size_t i = 0; i < placement->n_nodes; i++) {
                const struct placed_node *node = &placement->nodes[i];
                if (node->n_cpus == 0)
                        continue;
                double share = placement->filled[i] / (double) node->n_cpus;
                ret->worst_node = share > ret->worst_node ? share : ret->worst_node;
                sum += share;
                squares += share * share;
                n++;
        }
        double mean = n > 0 ? sum / (double) n : 0, variance = n > 0 ? squares / (double) n - mean * mean : 0;
        ret->node_deviation = variance > 0 ? sqrt(variance) : 0;
}

static bool has_free_cpu(const struct placement *placement, size_t node) {
        unsigned cpu;
        hwloc_bitmap_foreach_begin(cpu, placement->nodes[node].usable) {
                if (placement->occupancy[cpu] < PLACEMENT_EPSILON)
                        return true;
        } hwloc_bitmap_foreach_end();
        return false;
}

void placement_measure(const struct placement *placement, struct placement_quality *ret) {
        double remote = 0;
        size_t n = 0;
        *ret = (struct placement_quality) { 0 };
        for (size_t i = 0; i < placement->n_domains; i++) {
                const struct placed_domain *domain = &placement->domains[i];
                double share = domain->loads ? domain_remote_share(placement, domain) : -1;
                if (share >= 0) {
                        remote += share * (double) domain->n_vcpus;
                        n += domain->n_vcpus;
                }
                for (size_t j = 0; domain->loads && j < domain->n_vcpus; j++) {
                        const struct placed_vcpu *vcpu = &domain->vcpus[j];
                        if (vcpu->fixed >= 0 && placement->occupancy[vcpu->fixed] > 1 + PLACEMENT_EPSILON && has_free_cpu(placement, vcpu->node))
                                ret->n_stacked++;
                }
        }
        ret->remote_share = n > 0 ? remote / (double) n : -1;
        measure_nodes(placement, ret);
}

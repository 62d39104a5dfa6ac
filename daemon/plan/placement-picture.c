/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The picture of a host that placements are worked out on: taken from the model, and summed up. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "daemon/host/cpu-list.h"
#include "placement-internal.h"

/* CPUs lost for each vCPU of a domain whose hardware (a NIC given to it, the one below its tap) is on a neighbour node, and for one whose queues an I/O core there serves. Of the same
 * order as an interrupt or a cache line from there now and then, against 1 for a vCPU all of whose memory is there. Hardware cannot move, an I/O core's units can: so it weighs more. */
#define DEVICE_WEIGHT 0.3
#define IO_CORE_WEIGHT 0.2

/* Distances of ACPI's table: 10 is local, 20 or 21 the usual neighbour. What is farther than 40 cannot be much worse. */
#define LOCAL_DISTANCE 10.0
#define FARTHEST 3.0

static size_t node_place(const struct host *host, int node) {
        for (size_t i = 0; i < host->n_nodes; i++)
                if (host->nodes[i].topology->node == node)
                        return i;
        return NO_NODE;
}

/* --- CPUs and nodes */

static bool cpu_is_usable(const struct placement_rules *rules, const struct cpu *cpu) {
        const struct topology_cpu *topology = cpu->topology;
        return topology->present && topology->online && !cpu->io_core && (!topology->isolated || rules->use_isolated) &&
               !(rules->banned_cpus && hwloc_bitmap_isset(rules->banned_cpus, (unsigned) topology->cpu));
}

static int take_cpus(struct placement *placement) {
        const struct host *host = placement->host;
        for (size_t i = 0; i < host->n_cpus; i++) {
                const struct cpu *cpu = &host->cpus[i];
                size_t node = node_place(host, cpu->topology->node);
                if (cpu->io_core || !cpu->topology->present || !cpu->topology->online)
                        if (hwloc_bitmap_set(placement->ignored, (unsigned) i) < 0)
                                return -ENOMEM;
                if (node == NO_NODE || !cpu_is_usable(placement->rules, cpu))
                        continue;
                struct placed_node *place = &placement->nodes[node];
                bool new_core = cpu->topology->core < 0;
                if (!new_core) {
                        new_core = true;
                        unsigned other;
                        hwloc_bitmap_foreach_begin(other, place->usable) {
                                new_core = new_core && host->cpus[other].topology->core != cpu->topology->core;
                        } hwloc_bitmap_foreach_end();
                }
                place->n_cpus++;
                place->n_cores += new_core;
                if (hwloc_bitmap_set(place->usable, (unsigned) i) < 0 || hwloc_bitmap_set(placement->usable, (unsigned) i) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static void take_nodes(struct placement *placement) {
        const struct host *host = placement->host;
        for (size_t i = 0; i < placement->n_nodes; i++) {
                const struct node *node = &host->nodes[i];
                struct placed_node *place = &placement->nodes[i];
                place->memory_known = node->memory_kib > 0;
                place->total_kib = node->memory_kib;
                place->keep_kib = (uint64_t) ((double) node->memory_kib * placement->rules->keep_free);
                place->keep_kib += node->memory_coming_kib; /* of jobs that are under way */
                place->free_kib = node->memory_free_kib;
                for (size_t j = 0; j < placement->n_nodes; j++) {
                        double far = topology_distance(host->topology, i, j) / LOCAL_DISTANCE - 1;
                        placement->distances[i * placement->n_nodes + j] = i == j || far < 0 ? 0 : far > FARTHEST ? FARTHEST : far;
                }
        }
}

/* --- domains */

static bool pattern_matches(char *const *patterns, const char *string) {
        for (; patterns && *patterns; patterns++)
                if (fnmatch(*patterns, string, 0) == 0)
                        return true;
        return false;
}

static const char *find_off_limits(const struct placement_rules *rules, const struct domain *domain, char *text, size_t size) {
        const char *name = domain->pub.id;
        if (pattern_matches(rules->banned_domains, name))
                return snprintf(text, size, "domain %.100s is banned by [bans] domains and is never touched", name), "banned";
        if (domain->pub.wish == IOCORE_WISH_MANUAL)
                return snprintf(text, size, "the owner of domain %.100s wants it to be left alone (policy=manual)", name), "manual";
        if (domain->pub.stale)
                return snprintf(text, size, "nobody has answered for domain %.100s for a while: where it is now is not known", name), "stale";
        if (domain->pub.state != IOCORE_DOMAIN_RUNNING)
                return snprintf(text, size, "domain %.100s does not run", name), "not-running";
        if (domain->n_vcpus == 0)
                return snprintf(text, size, "the vCPUs of domain %.100s are not known", name), "unknown";
        if (domain->moving)
                return snprintf(text, size, "memory of domain %.100s is being moved: until that is over (see iocorectl jobs) it is left alone", name), "moving";
        bool by_hand = domain->pub.pinned;
        for (size_t i = 0; i < domain->n_vcpus; i++) {
                by_hand = by_hand || domain->vcpus[i].pub.by_hand;
                if (!domain->vcpus[i].pub.knob[0])
                        return snprintf(text, size, "vCPU %u of domain %.100s cannot be pinned: nobody offers that", domain->vcpus[i].pub.id, name), "unknown";
        }
        if (by_hand && domain->pub.wish != IOCORE_WISH_AUTO)
                return snprintf(text, size, "domain %.100s is pinned by hand, and its owner does not say policy=auto", name), "pinned";
        return NULL;
}

const char *placement_off_limits(const struct placement *placement, const struct domain *domain, char *ret_text, size_t size) {
        char unused[1];
        return find_off_limits(placement->rules, domain, ret_text ? ret_text : unused, ret_text ? size : sizeof unused);
}

/* How many of the CPUs there are on each node, usable ones only or all: shares; returns how many in all. */
static size_t count_cpus(const struct placement *placement, hwloc_const_bitmap_t set, bool all, double *shares) {
        const struct host *host = placement->host;
        size_t total = 0;
        unsigned cpu;
        for (size_t node = 0; !all && node < placement->n_nodes; node++) {
                (void) hwloc_bitmap_and(placement->common, set, placement->nodes[node].usable);
                shares[node] = hwloc_bitmap_weight(placement->common);
                total += (size_t) shares[node];
        }
        if (!all)
                return total;
        hwloc_bitmap_foreach_begin(cpu, set) {
                if (cpu >= host->n_cpus)
                        break; /* also of a set that has no end */
                size_t node = node_place(host, host->cpus[cpu].topology->node);
                if (node == NO_NODE)
                        continue;
                shares[node] += 1;
                total++;
        } hwloc_bitmap_foreach_end();
        return total;
}

/* A vCPU that may use all CPUs of its nodes weighs on all alike: that is no reason to prefer one. */
static bool is_free_on_its_nodes(const struct placement *placement, hwloc_const_bitmap_t cpus, const double *shares) {
        if (!cpus || hwloc_bitmap_isincluded(placement->usable, cpus))
                return true;
        for (size_t i = 0; i < placement->n_nodes; i++)
                if (shares[i] > 0 && !hwloc_bitmap_isincluded(placement->nodes[i].usable, cpus))
                        return false;
        return true;
}

/* placed_vcpu.floats */
static uint64_t nodes_to_float_over(const struct placement *placement, hwloc_const_bitmap_t cpus, const double *shares) {
        uint64_t nodes = 0;
        for (size_t i = 0; i < placement->n_nodes; i++)
                if (shares[i] > 0)
                        nodes |= (uint64_t) 1 << i;
        return (nodes & (nodes - 1)) != 0 && is_free_on_its_nodes(placement, cpus, shares) ? nodes : 0;
}

void picture_vcpu_changed(struct placement *placement, struct placed_domain *domain, size_t index) {
        struct placed_vcpu *vcpu = &domain->vcpus[index];
        double *shares = domain->shares + index * placement->n_nodes;

        vcpu->fixed = -1;
        vcpu->node = NO_NODE;
        memset(shares, 0, placement->n_nodes * sizeof *shares);
        /* what it may use of what there is; if that is nothing, where it would be if it were there */
        bool lost = vcpu->cpus && !hwloc_bitmap_intersects(vcpu->cpus, placement->usable);
        hwloc_const_bitmap_t set = vcpu->cpus && (!lost || hwloc_bitmap_last(vcpu->cpus) >= 0) ? vcpu->cpus : placement->usable;
        size_t total = count_cpus(placement, set, lost, shares);
        vcpu->floats = lost || placement->n_nodes > FLOATING_NODES_MAX ? 0 : nodes_to_float_over(placement, vcpu->cpus, shares);
        for (size_t node = 0; node < placement->n_nodes; node++)
                if (shares[node] > 0)
                        vcpu->node = shares[node] >= (double) total ? node : NO_NODE;
        if (total == 1 && !lost && vcpu->cpus) {
                (void) hwloc_bitmap_and(placement->common, set, placement->usable);
                vcpu->fixed = hwloc_bitmap_first(placement->common);
        }
        for (size_t i = 0; i < placement->n_nodes; i++)
                shares[i] = total > 0 ? shares[i] / (double) total : 1.0 / (double) placement->n_nodes;
}

static int take_vcpus(struct placement *placement, struct placed_domain *placed) {
        const struct domain *domain = placed->domain;
        placed->n_vcpus = domain->n_vcpus;
        placed->vcpus = calloc(placed->n_vcpus ? placed->n_vcpus : 1, sizeof *placed->vcpus);
        placed->shares = calloc((placed->n_vcpus ? placed->n_vcpus : 1) * placement->n_nodes, sizeof *placed->shares);
        placed->vcpus_of_cell = calloc(placed->n_cells, sizeof *placed->vcpus_of_cell);
        if (!placed->vcpus || !placed->shares || !placed->vcpus_of_cell)
                return -ENOMEM;
        for (size_t i = 0; i < placed->n_vcpus; i++) {
                int cell = domain->vcpus[i].pub.cell;
                placed->vcpus[i].cell = cell >= 0 && (size_t) cell < placed->n_cells ? (size_t) cell : 0;
                placed->vcpus_of_cell[placed->vcpus[i].cell]++;
                if (domain->vcpus[i].cpus && !(placed->vcpus[i].cpus = hwloc_bitmap_dup(domain->vcpus[i].cpus)))
                        return -ENOMEM;
                picture_vcpu_changed(placement, placed, i);
        }
        return 0;
}

void picture_take_memory(const struct placement *placement, struct placed_domain *placed, size_t cell) {
        const struct cell *from = &placed->domain->cells[cell];
        uint64_t *to = placed->kib + cell * placement->n_nodes;
        size_t bound = node_place(placement->host, from->pub.node);
        memset(to, 0, placement->n_nodes * sizeof *to);
        if (from->kib_of_node)
                memcpy(to, from->kib_of_node, placement->n_nodes * sizeof *to);
        else if (bound != NO_NODE)
                to[bound] = from->pub.memory_kib; /* bound by its owner: where it is, or will be */
        placed->kib_known[cell] = from->kib_of_node || (bound != NO_NODE && from->pub.memory_kib > 0);
}

int picture_take_memory_nodes(struct placed_domain *placed) {
        const char *nodes = placed->domain->pub.memory_nodes;
        hwloc_bitmap_free(placed->memory_nodes);
        placed->memory_nodes = NULL;
        return nodes[0] && cpu_list_parse(nodes, &placed->memory_nodes) == -ENOMEM ? -ENOMEM : 0;
}

static int take_memory(struct placement *placement, struct placed_domain *placed) {
        const struct domain *domain = placed->domain;
        placed->kib = calloc(placed->n_cells * placement->n_nodes, sizeof *placed->kib);
        placed->kib_known = calloc(placed->n_cells, sizeof *placed->kib_known);
        if (!placed->kib || !placed->kib_known)
                return -ENOMEM;
        /* huge pages come from pools of their own, about whose room nobody tells */
        placed->memory_fixed = domain->pub.memory_fixed || (domain->pub.bound && domain->pub.wish != IOCORE_WISH_AUTO) || strcmp(domain->pub.backing, "hugepages") == 0;
        for (size_t cell = 0; cell < domain->n_cells; cell++)
                picture_take_memory(placement, placed, cell);
        return picture_take_memory_nodes(placed);
}

static int take_domain(struct placement *placement, struct placed_domain *placed, const struct domain *domain) {
        char unused[1];
        placed->domain = domain;
        placed->off_limits = find_off_limits(placement->rules, domain, unused, sizeof unused);
        placed->loads = domain->pub.state != IOCORE_DOMAIN_SHUTOFF;
        placed->n_cells = domain->n_cells > 0 ? domain->n_cells : 1;
        placed->near = calloc(placement->n_nodes, sizeof *placed->near);
        if (!placed->near)
                return -ENOMEM;
        if (domain->emulator.cpus && !(placed->emulator = hwloc_bitmap_dup(domain->emulator.cpus)))
                return -ENOMEM;
        int r = take_vcpus(placement, placed);
        if (r < 0)
                return r;
        r = take_memory(placement, placed);
        if (r < 0)
                return r;
        size_t n_devices = 0;
        for (size_t i = 0; i < domain->n_devices; i++)
                n_devices += node_place(placement->host, domain->devices[i].node) != NO_NODE;
        for (size_t i = 0; i < domain->n_devices; i++) {
                size_t there = node_place(placement->host, domain->devices[i].node);
                for (size_t node = 0; there != NO_NODE && node < placement->n_nodes; node++)
                        placed->near[node] += DEVICE_WEIGHT / (double) n_devices * distance(placement, node, there);
        }
        return 0;
}

struct placed_domain *placed_domain_of(const struct placement *placement, const struct domain *domain) {
        size_t low = 0, high = placement->n_domains;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = id_compare(placement->domains[middle].domain->pub.id, domain->pub.id);
                if (order == 0)
                        return placement->domains[middle].domain == domain ? &placement->domains[middle] : NULL;
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}

/* The domain that a unit on an I/O core belongs to, and the place of that core's node. */
static struct placed_domain *served_by_core(const struct placement *placement, const struct unit *unit, size_t *ret_node) {
        const struct host *host = placement->host;
        const struct cpu *core = unit->core >= 0 ? host_cpu(host, unit->core) : NULL;
        const struct domain *domain = core && core->io_core ? host_unit_domain(host, unit) : NULL;
        *ret_node = domain ? node_place(host, core->topology->node) : NO_NODE;
        return *ret_node != NO_NODE ? placed_domain_of(placement, domain) : NULL;
}

static void take_units(struct placement *placement) {
        const struct host *host = placement->host;
        size_t at;
        for (size_t i = 0; i < host->n_units; i++) {
                struct placed_domain *placed = served_by_core(placement, host->units[i], &at);
                if (placed)
                        placed->n_units++;
        }
        for (size_t i = 0; i < host->n_units; i++) {
                struct placed_domain *placed = served_by_core(placement, host->units[i], &at);
                for (size_t node = 0; placed && node < placement->n_nodes; node++)
                        placed->near[node] += IO_CORE_WEIGHT / (double) placed->n_units * distance(placement, node, at);
        }
}

/* --- sums */

static void count_cpu(struct placement *placement, unsigned cpu, double part) {
        int core = placement->host->cpus[cpu].topology->core;
        placement->occupancy[cpu] += part;
        if (core >= 0 && (size_t) core < placement->host->n_cpus)
                placement->core_occupancy[core] += part;
}

void picture_count(struct placement *placement, const struct placed_domain *domain, int sign) {
        for (size_t i = 0; domain->loads && i < domain->n_vcpus; i++) {
                const struct placed_vcpu *vcpu = &domain->vcpus[i];
                const double *shares = domain->shares + i * placement->n_nodes;
                if (vcpu->floats) {
                        float_count(placement, vcpu->floats, sign);
                        continue;
                }
                for (size_t node = 0; node < placement->n_nodes; node++)
                        placement->nodes[node].load += sign * shares[node];
                if (vcpu->fixed >= 0) {
                        count_cpu(placement, (unsigned) vcpu->fixed, sign);
                        continue;
                }
                if (is_free_on_its_nodes(placement, vcpu->cpus, shares))
                        continue;
                unsigned cpu;
                (void) hwloc_bitmap_and(placement->common, placement->usable, vcpu->cpus);
                int n = hwloc_bitmap_weight(placement->common);
                hwloc_bitmap_foreach_begin(cpu, placement->common) {
                        count_cpu(placement, cpu, sign / (double) n);
                } hwloc_bitmap_foreach_end();
        }
}

void picture_begin_turn(struct placement *placement, const struct placed_domain *domain) {
        picture_count(placement, domain, -1);
        for (size_t node = 0; node < placement->n_nodes; node++)
                placement->loads[node] = placement->nodes[node].load;
        float_fill(placement, placement->loads);
}

void picture_sum_up(struct placement *placement) {
        const struct host *host = placement->host;
        memset(placement->occupancy, 0, host->n_cpus * sizeof *placement->occupancy);
        memset(placement->core_occupancy, 0, host->n_cpus * sizeof *placement->core_occupancy);
        for (size_t i = 0; i < placement->n_nodes; i++)
                placement->nodes[i].load = 0;
        placement->n_floating = 0;
        /* threads of guests that nobody told to be vCPUs */
        for (size_t i = 0; i < host->n_cpus; i++)
                if (host->cpus[i].n_pinned > 0)
                        count_cpu(placement, (unsigned) i, host->cpus[i].n_pinned);
        for (size_t i = 0; i < placement->n_domains; i++)
                picture_count(placement, &placement->domains[i], 1);
}

/* --- layouts */

void layout_copy(const struct placement *placement, struct layout *to, const struct layout *from) {
        to->valid = from->valid;
        to->shape = from->shape;
        to->moved_kib = from->moved_kib;
        to->cost = from->cost;
        memcpy(to->node_of, from->node_of, placement->max_vcpus * sizeof *to->node_of);
        memcpy(to->memory_to, from->memory_to, placement->max_cells * sizeof *to->memory_to);
        memcpy(to->lands, from->lands, placement->n_nodes * sizeof *to->lands);
        for (size_t i = 0; i < placement->max_cells; i++)
                (void) hwloc_bitmap_copy(to->sets[i], from->sets[i]);
}

void layout_set_now(struct placement *placement, const struct placed_domain *domain, struct layout *layout) {
        layout->valid = true;
        layout->shape = PLACEMENT_STAY;
        layout->moved_kib = 0;
        for (size_t i = 0; i < domain->n_vcpus; i++)
                layout->node_of[i] = NO_NODE;
        for (size_t i = 0; i < domain->n_cells; i++) {
                layout->memory_to[i] = NO_NODE;
                hwloc_bitmap_zero(layout->sets[i]);
        }
        layout_cost(placement, domain, layout);
}

static int make_layout(const struct placement *placement, struct layout *layout) {
        layout->node_of = calloc(placement->max_vcpus, sizeof *layout->node_of);
        layout->memory_to = calloc(placement->max_cells, sizeof *layout->memory_to);
        layout->lands = calloc(placement->n_nodes ? placement->n_nodes : 1, sizeof *layout->lands);
        layout->sets = calloc(placement->max_cells, sizeof(hwloc_bitmap_t));
        if (!layout->node_of || !layout->memory_to || !layout->lands || !layout->sets)
                return -ENOMEM;
        for (size_t i = 0; i < placement->max_cells; i++) {
                layout->sets[i] = hwloc_bitmap_alloc();
                /* room for all nodes now, so that nothing is allocated while placing */
                if (!layout->sets[i] || hwloc_bitmap_set_range(layout->sets[i], 0, (int) placement->n_nodes) < 0)
                        return -ENOMEM;
                hwloc_bitmap_zero(layout->sets[i]);
        }
        return 0;
}

/* --- the whole */

static int compare_domains(const void *a, const void *b, void *userdata) {
        const struct placed_domain *domains = userdata;
        size_t x = *(const size_t *) a, y = *(const size_t *) b;
        if (domains[x].n_vcpus != domains[y].n_vcpus)
                return domains[x].n_vcpus > domains[y].n_vcpus ? -1 : 1;
        if (domains[x].domain->pub.memory_kib != domains[y].domain->pub.memory_kib)
                return domains[x].domain->pub.memory_kib > domains[y].domain->pub.memory_kib ? -1 : 1;
        return x < y ? -1 : x > y;
}

static int take_domains(struct placement *placement) {
        const struct host *host = placement->host;
        placement->n_domains = host->n_domains;
        for (size_t i = 0; i < host->n_domains; i++) {
                struct placed_domain *placed = &placement->domains[i];
                int r = take_domain(placement, placed, host->domains[i]);
                if (r < 0)
                        return r;
                placement->order[i] = i;
                if (placed->n_cells > placement->max_cells)
                        placement->max_cells = placed->n_cells;
                if (placed->n_vcpus > placement->max_vcpus)
                        placement->max_vcpus = placed->n_vcpus;
        }
        qsort_r(placement->order, placement->n_domains, sizeof *placement->order, compare_domains, placement->domains);
        take_units(placement);
        return 0;
}

static int allocate(struct placement *placement) {
        const struct host *host = placement->host;
        size_t n_nodes = placement->n_nodes ? placement->n_nodes : 1, n_domains = host->n_domains ? host->n_domains : 1;
        placement->nodes = calloc(n_nodes, sizeof *placement->nodes);
        placement->distances = calloc(n_nodes * n_nodes, sizeof *placement->distances);
        placement->loads = calloc(n_nodes, sizeof *placement->loads);
        placement->filled = calloc(n_nodes, sizeof *placement->filled);
        placement->coming = calloc(n_nodes, sizeof *placement->coming);
        placement->usable = hwloc_bitmap_alloc();
        placement->ignored = hwloc_bitmap_alloc();
        placement->common = hwloc_bitmap_alloc();
        placement->domains = calloc(n_domains, sizeof *placement->domains);
        placement->order = calloc(n_domains, sizeof *placement->order);
        placement->occupancy = calloc(host->n_cpus, sizeof *placement->occupancy);
        placement->core_occupancy = calloc(host->n_cpus, sizeof *placement->core_occupancy);
        placement->own = calloc(host->n_cpus, sizeof *placement->own);
        if (!placement->nodes || !placement->distances || !placement->loads || !placement->filled || !placement->coming || !placement->usable || !placement->ignored || !placement->common || !placement->domains ||
            !placement->order || !placement->occupancy || !placement->core_occupancy || !placement->own)
                return -ENOMEM;
        for (size_t i = 0; i < n_nodes; i++)
                if (!(placement->nodes[i].usable = hwloc_bitmap_alloc()))
                        return -ENOMEM;
        return 0;
}

static int allocate_scratch(struct placement *placement) {
        placement->weights = calloc(placement->max_cells * placement->n_nodes, sizeof *placement->weights);
        size_t n_vcpus = 1; /* one more, that nothing is allocated without a size */
        for (size_t i = 0; i < placement->n_domains; i++)
                n_vcpus += placement->domains[i].n_vcpus;
        placement->floating = calloc(n_vcpus, sizeof *placement->floating);
        if (!placement->weights || !placement->floating)
                return -ENOMEM;
        for (int i = 0; i < _LAYOUT_MAX; i++) {
                int r = make_layout(placement, &placement->layouts[i]);
                if (r < 0)
                        return r;
        }
        return split_init(&placement->split, placement->max_cells, placement->n_nodes);
}

int placement_new(struct placement **ret, const struct host *host, const struct placement_rules *rules) {
        _cleanup_(placement_freep) struct placement *placement = calloc(1, sizeof *placement);
        if (!placement)
                return -ENOMEM;
        placement->host = host;
        placement->rules = rules;
        placement->n_nodes = host->n_nodes;
        placement->max_cells = placement->max_vcpus = 1;
        int r = allocate(placement);
        if (r < 0)
                return r;
        take_nodes(placement);
        r = take_cpus(placement);
        if (r < 0)
                return r;
        r = take_domains(placement);
        if (r < 0)
                return r;
        r = allocate_scratch(placement);
        if (r < 0)
                return r;
        picture_sum_up(placement);
        *ret = TAKE_PTR(placement);
        return 0;
}

static void free_domain(struct placed_domain *domain) {
        for (size_t i = 0; domain->vcpus && i < domain->n_vcpus; i++)
                hwloc_bitmap_free(domain->vcpus[i].cpus);
        hwloc_bitmap_free(domain->emulator);
        hwloc_bitmap_free(domain->memory_nodes);
        free(domain->vcpus);
        free(domain->vcpus_of_cell);
        free(domain->shares);
        free(domain->kib);
        free(domain->kib_known);
        free(domain->near);
}

struct placement *placement_free(struct placement *placement) {
        if (!placement)
                return NULL;
        for (size_t i = 0; placement->domains && i < placement->n_domains; i++)
                free_domain(&placement->domains[i]);
        for (size_t i = 0; placement->nodes && i < placement->n_nodes; i++)
                hwloc_bitmap_free(placement->nodes[i].usable);
        for (int i = 0; i < _LAYOUT_MAX; i++) {
                struct layout *layout = &placement->layouts[i];
                for (size_t j = 0; layout->sets && j < placement->max_cells; j++)
                        hwloc_bitmap_free(layout->sets[j]);
                free(layout->sets);
                free(layout->node_of);
                free(layout->memory_to);
                free(layout->lands);
        }
        hwloc_bitmap_free(placement->usable);
        hwloc_bitmap_free(placement->ignored);
        hwloc_bitmap_free(placement->common);
        free(placement->nodes);
        free(placement->distances);
        free(placement->domains);
        free(placement->order);
        free(placement->occupancy);
        free(placement->core_occupancy);
        free(placement->loads);
        free(placement->filled);
        free(placement->floating);
        free(placement->weights);
        free(placement->coming);
        free(placement->own);
        split_done(&placement->split);
        free(placement);
        return NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "placement-model.h"

#include "daemon/host/cpu-list.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *allocated(void *pointer) {
        if (!pointer)
                abort();
        return pointer;
}

static hwloc_bitmap_t cpu_list(const char *list) {
        hwloc_bitmap_t set = NULL;
        if (cpu_list_parse(list, &set) < 0)
                abort();
        return set;
}

/* --- by hand */

struct host *placement_host(size_t n_nodes, size_t cores, size_t threads) {
        struct topology *topology = allocated(calloc(1, sizeof *topology));
        struct host *host;
        size_t per_node = cores * threads;
        topology->n_cpus = n_nodes * per_node;
        topology->n_nodes = n_nodes;
        topology->cpus = allocated(calloc(topology->n_cpus, sizeof *topology->cpus));
        topology->nodes = allocated(calloc(n_nodes, sizeof *topology->nodes));
        for (size_t i = 0; i < n_nodes; i++) {
                topology->nodes[i] = (struct topology_node) { .node = (int) i, .cpus = allocated(hwloc_bitmap_alloc()) };
                hwloc_bitmap_set_range(topology->nodes[i].cpus, (unsigned) (i * per_node), (int) ((i + 1) * per_node) - 1);
        }
        for (size_t i = 0; i < topology->n_cpus; i++) {
                struct topology_cpu *cpu = &topology->cpus[i];
                size_t core = i / threads;
                *cpu = (struct topology_cpu) { .cpu = (int) i, .present = true, .online = true, .core = (int) core, .llc = (int) (i / per_node),
                                               .package = (int) (i / per_node), .node = (int) (i / per_node), .siblings = allocated(hwloc_bitmap_alloc()) };
                hwloc_bitmap_set_range(cpu->siblings, (unsigned) (core * threads), (int) ((core + 1) * threads) - 1);
        }
        if (host_new(&host, topology) < 0)
                abort();
        return host;
}

static void free_belongings(struct domain *domain) {
        for (size_t i = 0; i < domain->n_vcpus; i++)
                hwloc_bitmap_free(domain->vcpus[i].cpus);
        for (size_t i = 0; i < domain->n_cells; i++)
                free(domain->cells[i].kib_of_node);
        free(domain->vcpus);
        free(domain->cells);
        free(domain->devices);
        hwloc_bitmap_free(domain->emulator.cpus);
        domain->vcpus = NULL;
        domain->cells = NULL;
        domain->devices = NULL;
        domain->emulator.cpus = NULL;
        domain->n_vcpus = domain->n_cells = domain->n_devices = 0;
}

void placement_host_free(struct host *host) {
        for (size_t i = 0; host && i < host->n_domains; i++)
                free_belongings(host->domains[i]);
        host_free(host);
}

void placement_host_memory(struct host *host, size_t node, uint64_t total_kib, uint64_t free_kib) {
        host->nodes[node].memory_kib = total_kib;
        host->nodes[node].memory_free_kib = free_kib;
}

void placement_io_core(struct host *host, int cpu) {
        host->cpus[cpu].io_core = host->cpus[cpu].io_core_ours = true;
}

struct domain *placement_domain(struct host *host, const char *name, size_t n_vcpus, const char *cpus, uint64_t memory_kib) {
        struct domain *domain = allocated(host_domain_add(host, NULL, name));
        domain->pub.n_vcpus = (unsigned) n_vcpus;
        domain->pub.memory_kib = memory_kib;
        domain->vcpus = allocated(calloc(n_vcpus ? n_vcpus : 1, sizeof *domain->vcpus));
        domain->n_vcpus = n_vcpus;
        for (size_t i = 0; i < n_vcpus; i++) {
                domain->vcpus[i].pub.id = (unsigned) i;
                snprintf(domain->vcpus[i].pub.knob, sizeof domain->vcpus[i].pub.knob, "%.40s.7.%zu", name, i);
                if (cpus)
                        domain->vcpus[i].cpus = cpu_list(cpus);
        }
        snprintf(domain->emulator.knob, sizeof domain->emulator.knob, "%.40s.7", name);
        if (cpus)
                domain->emulator.cpus = cpu_list(cpus);
        placement_cells(domain, 1);
        return domain;
}

void placement_cells(struct domain *domain, size_t n) {
        for (size_t i = 0; i < domain->n_cells; i++)
                free(domain->cells[i].kib_of_node);
        free(domain->cells);
        domain->cells = allocated(calloc(n, sizeof *domain->cells));
        domain->n_cells = n;
        for (size_t i = 0; i < n; i++)
                domain->cells[i].pub = (struct iocore_cell) { .memory_kib = domain->pub.memory_kib / n, .node = IOCORE_NODE_UNKNOWN };
        for (size_t i = 0; i < domain->n_vcpus; i++)
                domain->vcpus[i].pub.cell = (int) (i * n / domain->n_vcpus);
}

void placement_cell_memory(struct host *host, struct domain *domain, size_t cell, size_t node) {
        struct cell *changed = &domain->cells[cell];
        if (!changed->kib_of_node)
                changed->kib_of_node = allocated(calloc(host->n_nodes, sizeof *changed->kib_of_node));
        memset(changed->kib_of_node, 0, host->n_nodes * sizeof *changed->kib_of_node);
        changed->kib_of_node[node] = changed->pub.memory_kib;
}

void placement_vcpu_cpus(struct domain *domain, size_t vcpu, const char *cpus) {
        hwloc_bitmap_free(domain->vcpus[vcpu].cpus);
        domain->vcpus[vcpu].cpus = cpu_list(cpus);
}

void placement_device(struct domain *domain, int node) {
        domain->devices = allocated(reallocarray(domain->devices, domain->n_devices + 1, sizeof *domain->devices));
        domain->devices[domain->n_devices++] = (struct iocore_domain_device) { .kind = "hostdev", .node = node };
}

static size_t domain_index(const struct host *host, const struct domain *domain) {
        size_t i = 0;
        while (host->domains[i] != domain)
                i++;
        return i;
}

/* Where the kernel moves what is on `node` when a process may have memory on `to` from now on, and might on `from` before, as do_migrate_pages() has it. */
static size_t lands(hwloc_const_bitmap_t from, hwloc_const_bitmap_t to, size_t node) {
        int n_before = 0, at = -1;
        if (hwloc_bitmap_weight(to) == 1)
                return (size_t) hwloc_bitmap_first(to);
        if (!hwloc_bitmap_isset(from, (unsigned) node) || (hwloc_bitmap_weight(from) != hwloc_bitmap_weight(to) && hwloc_bitmap_isset(to, (unsigned) node)))
                return node;
        for (size_t i = 0; i < node; i++)
                n_before += hwloc_bitmap_isset(from, (unsigned) i);
        for (int i = 0; i <= n_before % hwloc_bitmap_weight(to); i++)
                at = hwloc_bitmap_next(to, at);
        return (size_t) at;
}

static uint64_t cell_kib_on(const struct cell *cell, size_t node) {
        return cell->kib_of_node ? cell->kib_of_node[node] : cell->pub.node == (int) node ? cell->pub.memory_kib : 0;
}

/* The nodes that memory of the domain is on or may be on. The caller frees. */
static hwloc_bitmap_t memory_from(const struct host *host, const struct domain *domain) {
        hwloc_bitmap_t from = domain->pub.memory_nodes[0] ? cpu_list(domain->pub.memory_nodes) : allocated(hwloc_bitmap_alloc_full());
        for (size_t i = 0; i < host->n_nodes; i++)
                for (size_t cell = 0; cell < domain->n_cells; cell++)
                        if (cell_kib_on(&domain->cells[cell], i) > 0)
                                (void) hwloc_bitmap_set(from, (unsigned) i);
        (void) hwloc_bitmap_clr_range(from, (unsigned) host->n_nodes, -1);
        return from;
}

/* One `part`th of what is to move does. */
static void move_cell(struct host *host, struct cell *moved, hwloc_const_bitmap_t from, hwloc_const_bitmap_t to, uint64_t part) {
        uint64_t *before = allocated(calloc(host->n_nodes, sizeof *before));
        for (size_t i = 0; i < host->n_nodes; i++)
                before[i] = cell_kib_on(moved, i);
        /* memory that a cell was told to be bound to is where it was bound to, until somebody counts */
        if (!moved->kib_of_node) {
                moved->kib_of_node = allocated(calloc(host->n_nodes, sizeof *moved->kib_of_node));
                moved->kib_of_node[moved->pub.node] = moved->pub.memory_kib;
        }
        for (size_t i = 0; i < host->n_nodes; i++) {
                size_t node = lands(from, to, i);
                uint64_t kib = node != i ? before[i] / part : 0;
                host->nodes[i].memory_free_kib += kib;
                host->nodes[node].memory_free_kib -= kib;
                moved->kib_of_node[node] += kib;
                moved->kib_of_node[i] -= kib;
        }
        free(before);
}

static void apply(struct host *host, const struct placement_proposal *proposal, uint64_t part) {
        struct domain *domain = host->domains[domain_index(host, proposal->domain)];
        for (size_t i = 0; i < proposal->n_vcpus; i++)
                if (proposal->cpus[i]) {
                        hwloc_bitmap_free(domain->vcpus[i].cpus);
                        domain->vcpus[i].cpus = allocated(hwloc_bitmap_dup(proposal->cpus[i]));
                }
        hwloc_bitmap_t from = memory_from(host, domain);
        for (size_t cell = 0; cell < proposal->n_cells; cell++)
                if (proposal->kib[cell] > 0)
                        move_cell(host, &domain->cells[cell], from, proposal->nodes[cell], part);
        hwloc_bitmap_free(from);
        if (proposal->memory_nodes)
                hwloc_bitmap_list_snprintf(domain->pub.memory_nodes, sizeof domain->pub.memory_nodes, proposal->memory_nodes);
        if (proposal->emulator) {
                hwloc_bitmap_free(domain->emulator.cpus);
                domain->emulator.cpus = allocated(hwloc_bitmap_dup(proposal->emulator));
        }
}

void placement_apply(struct host *host, const struct placement_proposal *proposal) {
        apply(host, proposal, 1);
}

/* What is still to come, as the daemon has it: to each of several nodes all of it, as it does not know how the kernel divides it. */
static void mark_what_comes(struct host *host, const struct domain *domain, hwloc_const_bitmap_t to, size_t cell) {
        unsigned node;
        hwloc_bitmap_foreach_begin(node, to) {
                for (size_t i = 0; i < host->n_nodes; i++)
                        if (!hwloc_bitmap_isset(to, (unsigned) i))
                                host->nodes[node].memory_coming_kib += domain->cells[cell].kib_of_node[i];
        } hwloc_bitmap_foreach_end();
}

void placement_begin_to_apply(struct host *host, const struct placement_proposal *proposal) {
        apply(host, proposal, 3);
        host->domains[domain_index(host, proposal->domain)]->moving = proposal->moves_memory;
        for (size_t cell = 0; cell < proposal->n_cells; cell++)
                if (proposal->kib[cell] > 0)
                        mark_what_comes(host, proposal->domain, proposal->nodes[cell], cell);
}

/* --- at random */

/* splitmix64 */
unsigned placement_draw(struct draw *draw, unsigned n) {
        uint64_t mixed = draw->state += 0x9e3779b97f4a7c15u;
        mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
        return n > 0 ? (unsigned) ((mixed ^ mixed >> 31) >> 16) % n : 0;
}

static bool one_in(struct draw *draw, unsigned n) {
        return placement_draw(draw, n) == 0;
}

static void draw_host(struct placement_world *world, struct draw *draw) {
        size_t n_nodes = 1 + placement_draw(draw, one_in(draw, 3) ? 8 : 3);
        struct host *host = placement_host(n_nodes, 1 + placement_draw(draw, 5), 1 + placement_draw(draw, 2));
        static const uint8_t far[] = { 12, 16, 20, 21, 31, 100 };
        bool oddities = one_in(draw, 2), told = !one_in(draw, 4);
        world->host = host;
        for (size_t i = 0; i < host->n_cpus; i++) {
                struct topology_cpu *cpu = &host->topology->cpus[i];
                if (oddities && one_in(draw, 8))
                        cpu->isolated = true;
                if (oddities && one_in(draw, 10)) {
                        cpu->online = false;
                        /* of a CPU that was offline from the begin nobody knows where it is */
                        if (one_in(draw, 2)) {
                                cpu->node = cpu->core = -1;
                                host->cpus[i].node = NULL;
                        }
                }
                if (cpu->online && one_in(draw, 6))
                        placement_io_core(host, (int) i);
                if (oddities && one_in(draw, 12))
                        hwloc_bitmap_set(world->banned_cpus, (unsigned) i);
                if (oddities && one_in(draw, 12))
                        host->cpus[i].n_pinned = 1 + placement_draw(draw, 2);
        }
        for (size_t i = 0; i < n_nodes; i++) {
                if (told && !one_in(draw, 8))
                        placement_host_memory(host, i, 16u << 20, (uint64_t) placement_draw(draw, 17) << 20);
                if (oddities && one_in(draw, 4))
                        host->nodes[i].memory_coming_kib = (uint64_t) placement_draw(draw, 9) << 20;
        }
        if (!one_in(draw, 3)) {
                host->topology->n_distances = n_nodes;
                host->topology->distances = allocated(calloc(n_nodes ? n_nodes * n_nodes : 1, 1));
                for (size_t i = 0; i < n_nodes; i++)
                        for (size_t j = 0; j <= i; j++)
                                host->topology->distances[i * n_nodes + j] = host->topology->distances[j * n_nodes + i] =
                                        i == j ? 10 : far[placement_draw(draw, sizeof far)];
        }
}

static hwloc_bitmap_t draw_cpus(const struct host *host, struct draw *draw) {
        hwloc_bitmap_t set = allocated(hwloc_bitmap_alloc());
        unsigned kind = placement_draw(draw, 6), cpu = placement_draw(draw, (unsigned) host->n_cpus);
        if (kind == 0)
                hwloc_bitmap_set_range(set, 0, (int) host->n_cpus - 1);
        else if (kind == 1)
                hwloc_bitmap_copy(set, host->topology->nodes[placement_draw(draw, (unsigned) host->n_nodes)].cpus);
        else if (kind <= 3)
                hwloc_bitmap_set(set, cpu);
        else if (kind == 4) {
                for (size_t i = 0; i < host->n_cpus; i++)
                        if (one_in(draw, 2))
                                hwloc_bitmap_set(set, (unsigned) i);
                hwloc_bitmap_set(set, cpu);
        } else {
                hwloc_bitmap_free(set);
                set = NULL;
        }
        return set;
}

static void draw_memory(struct host *host, struct domain *domain, struct draw *draw) {
        for (size_t i = 0; i < domain->n_cells; i++) {
                struct cell *cell = &domain->cells[i];
                if (one_in(draw, 10) && cell->pub.memory_kib > 0)
                        cell->pub.node = (int) placement_draw(draw, (unsigned) host->n_nodes);
                if (one_in(draw, 4))
                        continue;
                placement_cell_memory(host, domain, i, placement_draw(draw, (unsigned) host->n_nodes));
                if (one_in(draw, 3)) {
                        size_t other = placement_draw(draw, (unsigned) host->n_nodes), from = 0;
                        while (from + 1 < host->n_nodes && cell->kib_of_node[from] == 0)
                                from++;
                        uint64_t part = cell->kib_of_node[from] / 3;
                        cell->kib_of_node[from] -= part;
                        cell->kib_of_node[other] += part;
                }
        }
}

/* Nobody tells, or all nodes, or one, as of one that iocored once placed whole, or some. */
static void draw_memory_nodes(const struct host *host, struct domain *domain, struct draw *draw) {
        hwloc_bitmap_t nodes = allocated(hwloc_bitmap_alloc());
        unsigned kind = placement_draw(draw, 4);
        if (kind == 1)
                hwloc_bitmap_set_range(nodes, 0, (int) host->n_nodes - 1);
        for (unsigned i = kind == 1 ? 0 : kind; i > 1; i--)
                hwloc_bitmap_set(nodes, placement_draw(draw, (unsigned) host->n_nodes));
        hwloc_bitmap_list_snprintf(domain->pub.memory_nodes, sizeof domain->pub.memory_nodes, nodes);
        hwloc_bitmap_free(nodes);
}

static void draw_domain(struct host *host, struct draw *draw, unsigned number) {
        char name[32];
        size_t n = one_in(draw, 6) ? 1 + placement_draw(draw, (unsigned) host->n_cpus + 2) : 1 + placement_draw(draw, 4);
        snprintf(name, sizeof name, "%s-%u", one_in(draw, 10) ? "banned" : "vm", number);
        struct domain *domain = placement_domain(host, name, n, NULL, (uint64_t) placement_draw(draw, one_in(draw, 5) ? 40 : 8) << 20);
        struct iocore_domain *pub = &domain->pub;
        bool alike = one_in(draw, 2);
        if (n > 1 && one_in(draw, 3))
                placement_cells(domain, 2 + placement_draw(draw, n > 3 ? 3 : (unsigned) n - 1));
        hwloc_bitmap_t first = draw_cpus(host, draw);
        for (size_t i = 0; i < n; i++)
                domain->vcpus[i].cpus = alike && first ? allocated(hwloc_bitmap_dup(first)) : draw_cpus(host, draw);
        hwloc_bitmap_free(first);
        domain->emulator.cpus = draw_cpus(host, draw);
        domain->emulator.by_hand = one_in(draw, 8);
        draw_memory(host, domain, draw);
        draw_memory_nodes(host, domain, draw);
        pub->state = one_in(draw, 10) ? one_in(draw, 2) ? IOCORE_DOMAIN_PAUSED : IOCORE_DOMAIN_SHUTOFF : IOCORE_DOMAIN_RUNNING;
        pub->wish = one_in(draw, 4) ? one_in(draw, 2) ? IOCORE_WISH_AUTO : IOCORE_WISH_MANUAL : IOCORE_WISH_NONE;
        pub->pinned = one_in(draw, 10);
        pub->bound = one_in(draw, 10);
        pub->memory_fixed = one_in(draw, 10);
        pub->stale = one_in(draw, 20);
        domain->vcpus[placement_draw(draw, (unsigned) n)].pub.by_hand = one_in(draw, 12);
        if (one_in(draw, 12))
                snprintf(pub->backing, sizeof pub->backing, "hugepages");
        if (one_in(draw, 25))
                domain->vcpus[placement_draw(draw, (unsigned) n)].pub.knob[0] = '\0';
        domain->moving = one_in(draw, 15);
        for (unsigned i = placement_draw(draw, 3); i > 0; i--)
                placement_device(domain, (int) placement_draw(draw, (unsigned) host->n_nodes + 1) - 1);
}

static void draw_units(struct host *host, struct draw *draw) {
        for (unsigned i = 0; host->n_domains > 0 && i < 2 * host->n_domains; i++) {
                char id[IOCORE_ID_MAX];
                snprintf(id, sizeof id, "t.%u", i);
                struct unit *unit = allocated(host_unit_add(host, NULL, id));
                snprintf(unit->pub.domain, sizeof unit->pub.domain, "%s", host->domains[placement_draw(draw, (unsigned) host->n_domains)]->pub.id);
                int cpu = (int) placement_draw(draw, (unsigned) host->n_cpus);
                unit->core = host->cpus[cpu].io_core ? cpu : IOCORE_CPU_ANY;
        }
}

void placement_world_draw(struct placement_world *world, struct draw *draw) {
        static char *banned[] = { "banned-*", NULL };
        *world = (struct placement_world) { .banned_cpus = allocated(hwloc_bitmap_alloc()) };
        placement_rules_init(&world->rules);
        draw_host(world, draw);
        for (unsigned i = 0, n = placement_draw(draw, 9); i < n; i++)
                draw_domain(world->host, draw, i);
        draw_units(world->host, draw);
        world->rules.pin = placement_draw(draw, 8) == 0 ? PLACEMENT_PIN_NO : one_in(draw, 3) ? PLACEMENT_PIN_NODE : PLACEMENT_PIN_CPU;
        world->rules.memory = (enum placement_memory) placement_draw(draw, _PLACEMENT_MEMORY_MAX);
        world->rules.emulator = one_in(draw, 2);
        world->rules.use_isolated = one_in(draw, 3);
        world->rules.min_gain = one_in(draw, 3) ? 0.001 : 0.05 * (1 + placement_draw(draw, 8));
        world->rules.gib_cost = one_in(draw, 3) ? 0 : 0.01 * placement_draw(draw, 10);
        world->rules.keep_free = one_in(draw, 2) ? 0 : 0.1;
        world->rules.banned_cpus = world->banned_cpus;
        world->rules.banned_domains = banned;
}

void placement_world_done(struct placement_world *world) {
        placement_host_free(world->host);
        hwloc_bitmap_free(world->banned_cpus);
        *world = (struct placement_world) { 0 };
}

/* --- checks, by means of their own */

#define BROKEN(...) return snprintf(buffer, size, __VA_ARGS__), buffer

static bool may_be_used(const struct placement_world *world, size_t cpu) {
        const struct cpu *host_cpu = &world->host->cpus[cpu];
        return host_cpu->topology->online && !host_cpu->io_core && (world->rules.use_isolated || !host_cpu->topology->isolated) &&
               !hwloc_bitmap_isset(world->banned_cpus, (unsigned) cpu);
}

static size_t usable_of(const struct placement_world *world, size_t node) {
        size_t n = 0;
        for (size_t i = 0; i < world->host->n_cpus; i++)
                n += world->host->cpus[i].topology->node == (int) node && may_be_used(world, i);
        return n;
}

static bool may_be_touched(const struct domain *domain) {
        bool by_hand = domain->pub.pinned, knobs = true;
        for (size_t i = 0; i < domain->n_vcpus; i++) {
                by_hand = by_hand || domain->vcpus[i].pub.by_hand;
                knobs = knobs && domain->vcpus[i].pub.knob[0];
        }
        return domain->pub.state == IOCORE_DOMAIN_RUNNING && domain->pub.wish != IOCORE_WISH_MANUAL && !domain->pub.stale && !domain->moving && knobs &&
               (!by_hand || domain->pub.wish == IOCORE_WISH_AUTO) && strncmp(domain->pub.id, "banned-", 7) != 0;
}

/* Would the domain go whole onto some node of the host, if that were empty? */
static bool is_small(const struct placement_world *world, const struct domain *domain) {
        uint64_t memory = 0;
        for (size_t i = 0; i < domain->n_cells; i++)
                memory += domain->cells[i].pub.memory_kib;
        memory = memory > domain->pub.memory_kib ? memory : domain->pub.memory_kib;
        for (size_t i = 0; i < world->host->n_nodes; i++)
                if (domain->n_vcpus <= usable_of(world, i) && (world->host->nodes[i].memory_kib == 0 || memory <= world->host->nodes[i].memory_kib))
                        return true;
        return false;
}

/* The only node of a vCPU's usable CPUs; -1. */
static int node_of(const struct placement_world *world, hwloc_const_bitmap_t cpus) {
        int node = -1;
        for (size_t i = 0; cpus && i < world->host->n_cpus; i++) {
                if (!hwloc_bitmap_isset(cpus, (unsigned) i) || !may_be_used(world, i))
                        continue;
                if (node >= 0 && node != world->host->cpus[i].topology->node)
                        return -1;
                node = world->host->cpus[i].topology->node;
        }
        return node;
}

static const char *check_pins(const struct placement_world *world, const struct placement_proposal *proposal, char *buffer, size_t size) {
        const char *name = proposal->domain->pub.id;
        size_t n = 0;
        for (size_t i = 0; i < proposal->n_vcpus; i++) {
                hwloc_const_bitmap_t cpus = proposal->cpus[i];
                unsigned cpu;
                if (!cpus)
                        continue;
                n++;
                if (hwloc_bitmap_iszero(cpus))
                        BROKEN("%s: vCPU %zu gets no CPU at all", name, i);
                hwloc_bitmap_foreach_begin(cpu, cpus) {
                        if (cpu >= world->host->n_cpus || !may_be_used(world, cpu))
                                BROKEN("%s: vCPU %zu gets CPU %u, which is none for vCPUs", name, i, cpu);
                } hwloc_bitmap_foreach_end();
                if (node_of(world, cpus) < 0)
                        BROKEN("%s: vCPU %zu gets CPUs of several nodes", name, i);
                if (world->rules.pin == PLACEMENT_PIN_CPU && hwloc_bitmap_weight(cpus) != 1)
                        BROKEN("%s: vCPU %zu gets several CPUs", name, i);
                if (proposal->shape == PLACEMENT_STAY) {
                        int before = node_of(world, proposal->domain->vcpus[i].cpus);
                        if (before >= 0 && before != node_of(world, cpus))
                                BROKEN("%s stays, and its vCPU %zu changes nodes", name, i);
                } else if (!hwloc_bitmap_isset(proposal->nodes[proposal->domain->vcpus[i].pub.cell], (unsigned) node_of(world, cpus)))
                        BROKEN("%s: vCPU %zu is not on the nodes of its cell", name, i);
        }
        if (n != proposal->n_pins)
                BROKEN("%s: %zu pins, said to be %zu", name, n, proposal->n_pins);
        if (world->rules.pin == PLACEMENT_PIN_NO && n > 0)
                BROKEN("%s is pinned, and nothing is to be", name);
        if (n == 0 && !proposal->moves_memory)
                BROKEN("%s: nothing changes", name);
        return NULL;
}

static const char *check_shape(const struct placement_world *world, const struct placement_proposal *proposal, char *buffer, size_t size) {
        const struct domain *domain = proposal->domain;
        const char *name = domain->pub.id;
        if (proposal->shape == PLACEMENT_STAY) {
                if (proposal->moves_memory || proposal->gain != 0)
                        BROKEN("%s stays, and memory moves or there is a gain", name);
                return NULL;
        }
        if (!(proposal->gain >= world->rules.min_gain - 1e-9))
                BROKEN("%s moves for a gain of %g, less than %g", name, proposal->gain, world->rules.min_gain);
        if (world->rules.pin != PLACEMENT_PIN_NO && is_small(world, domain) != (proposal->shape == PLACEMENT_WHOLE))
                BROKEN("%s is %s, and is to be %s", name, is_small(world, domain) ? "small" : "large", placement_shape_to_string(proposal->shape));
        size_t n_vcpus[8] = { 0 };
        for (size_t cell = 0; cell < proposal->n_cells; cell++) {
                if (proposal->shape == PLACEMENT_WHOLE && !hwloc_bitmap_isequal(proposal->nodes[cell], proposal->nodes[0]))
                        BROKEN("%s is not whole", name);
                if (proposal->shape != PLACEMENT_SPREAD && hwloc_bitmap_weight(proposal->nodes[cell]) != 1)
                        BROKEN("%s: cell %zu is on several nodes", name, cell);
                for (size_t i = 0; i < domain->n_vcpus; i++)
                        n_vcpus[hwloc_bitmap_first(proposal->nodes[cell])] += domain->vcpus[i].pub.cell == (int) cell;
        }
        for (size_t i = 0; proposal->shape == PLACEMENT_SPLIT && i < world->host->n_nodes; i++)
                if (n_vcpus[i] > usable_of(world, i))
                        BROKEN("%s: %zu vCPUs of it on node %zu, which has %zu CPUs", name, n_vcpus[i], i, usable_of(world, i));
        return NULL;
}

/* What is said to move of the cell is what is elsewhere, and comes to where there is room for it. */
static const char *check_moved_cell(const struct placement_world *world, const struct placement_proposal *proposal, size_t cell, uint64_t *room, char *buffer, size_t size) {
        const struct domain *domain = proposal->domain;
        const struct cell *moved = cell < domain->n_cells ? &domain->cells[cell] : NULL;
        const char *name = domain->pub.id;
        uint64_t elsewhere = 0, coming[8] = { 0 };
        if (!moved || (!moved->kib_of_node && moved->pub.node < 0))
                BROKEN("%s: memory moves of which nobody knows where it is", name);
        hwloc_bitmap_t from = memory_from(world->host, domain);
        for (size_t i = 0; i < world->host->n_nodes; i++) {
                size_t to = lands(from, proposal->nodes[cell], i);
                elsewhere += to != i ? cell_kib_on(moved, i) : 0;
                coming[to] += to != i ? cell_kib_on(moved, i) : 0;
        }
        hwloc_bitmap_free(from);
        if (elsewhere != proposal->kib[cell])
                BROKEN("%s: %lu KiB of cell %zu move, of %lu elsewhere", name, (unsigned long) proposal->kib[cell], cell, (unsigned long) elsewhere);
        for (size_t i = 0; i < world->host->n_nodes; i++) {
                if (coming[i] > 0 && (world->host->nodes[i].memory_kib == 0 || coming[i] > room[i]))
                        BROKEN("%s: %lu KiB go to node %zu, which has room for %lu", name, (unsigned long) coming[i], i, (unsigned long) room[i]);
                room[i] -= coming[i];
        }
        return NULL;
}

static const char *check_memory(const struct placement_world *world, const struct placement_proposal *proposal, uint64_t *room, char *buffer, size_t size) {
        const struct domain *domain = proposal->domain;
        const char *name = domain->pub.id, *broken;
        size_t n_moved = 0;
        for (size_t cell = 0; cell < proposal->n_cells; cell++) {
                if (proposal->kib[cell] == 0)
                        continue;
                n_moved++;
                if ((broken = check_moved_cell(world, proposal, cell, room, buffer, size)))
                        return broken;
        }
        if ((n_moved > 0) != proposal->moves_memory)
                BROKEN("%s: memory moves, and is said not to", name);
        if (n_moved > 0 && (world->rules.memory == PLACEMENT_MEMORY_STAY || strcmp(domain->pub.backing, "hugepages") == 0 || domain->pub.memory_fixed ||
                            (domain->pub.bound && domain->pub.wish != IOCORE_WISH_AUTO)))
                BROKEN("%s: memory moves that must not", name);
        bool whole = true;
        for (size_t cell = 1; cell < proposal->n_cells; cell++)
                whole = whole && hwloc_bitmap_isequal(proposal->nodes[cell], proposal->nodes[0]);
        for (size_t cell = 0; n_moved > 0 && cell < proposal->n_cells; cell++) {
                const struct cell *moved = &domain->cells[cell];
                if (!whole && proposal->kib[cell] > 0 && !moved->kib_of_node)
                        BROKEN("%s: memory of cell %zu moves, and nothing tells which that is", name, cell);
                if (whole && !moved->kib_of_node && moved->pub.node < 0)
                        BROKEN("%s: all of its memory moves, and where that of cell %zu is nobody knows", name, cell);
        }
        if (n_moved > 0 && !whole && world->rules.memory == PLACEMENT_MEMORY_DOMAIN)
                BROKEN("%s: memory moves as a whole to several nodes, to each cell's its own", name);
        return NULL;
}

/* Memory moves only where the domain may have some; of what it may have that is changed alone, and cell by cell it loses nothing. Nodes are numbered by their places here. */
static const char *check_memory_nodes(const struct placement_proposal *proposal, char *buffer, size_t size) {
        const struct domain *domain = proposal->domain;
        const char *name = domain->pub.id;
        hwloc_bitmap_t before = domain->pub.memory_nodes[0] ? cpu_list(domain->pub.memory_nodes) : NULL;
        hwloc_const_bitmap_t after = proposal->memory_nodes ? proposal->memory_nodes : before;
        bool whole = true, allowed = true, wider = before && proposal->memory_nodes && hwloc_bitmap_isincluded(before, proposal->memory_nodes);
        bool other = before && proposal->memory_nodes && !hwloc_bitmap_isequal(before, proposal->memory_nodes);
        for (size_t cell = 0; cell < proposal->n_cells; cell++) {
                whole = whole && hwloc_bitmap_isequal(proposal->nodes[cell], proposal->nodes[0]);
                allowed = allowed && (proposal->kib[cell] == 0 || !after || hwloc_bitmap_isincluded(proposal->nodes[cell], after));
        }
        hwloc_bitmap_free(before);
        if (!allowed)
                BROKEN("%s: memory moves to a node that it may have none on", name);
        if (!proposal->moves_memory && proposal->memory_nodes)
                BROKEN("%s: what nodes its memory may be on changes, and none moves", name);
        if (proposal->moves_memory && whole && !(proposal->memory_nodes && hwloc_bitmap_isequal(proposal->memory_nodes, proposal->nodes[0])))
                BROKEN("%s: it goes whole, and its memory may be elsewhere", name);
        if (!whole && proposal->memory_nodes && !(wider && other))
                BROKEN("%s: it goes cell by cell, and its memory may not be where it might before, or nothing changes", name);
        return NULL;
}

static const char *check_emulator(const struct placement_world *world, const struct placement_proposal *proposal, char *buffer, size_t size) {
        if (!proposal->emulator)
                return NULL;
        if (!world->rules.emulator || (proposal->domain->emulator.by_hand && proposal->domain->pub.wish != IOCORE_WISH_AUTO) || !proposal->domain->emulator.cpus)
                BROKEN("%s: the emulator moves, and should not", proposal->domain->pub.id);
        for (size_t i = 0; i < world->host->n_cpus; i++)
                if (world->host->cpus[i].io_core ? !hwloc_bitmap_isset(proposal->emulator, (unsigned) i) :
                                                   hwloc_bitmap_isset(proposal->emulator, (unsigned) i) && !may_be_used(world, i))
                        BROKEN("%s: CPU %zu is wrong in the emulator's", proposal->domain->pub.id, i);
        return NULL;
}

/* The usable CPU that a vCPU is bound to; -1. */
static int bound_to(const struct placement_world *world, hwloc_const_bitmap_t cpus) {
        int found = -1;
        for (size_t i = 0; cpus && i < world->host->n_cpus; i++) {
                if (!hwloc_bitmap_isset(cpus, (unsigned) i) || !may_be_used(world, i) || world->host->cpus[i].topology->node < 0)
                        continue;
                if (found >= 0)
                        return -1;
                found = (int) i;
        }
        return found;
}

/* Where everything is as planned: nobody who may be touched shares a CPU while another of the node is free, or is with another of the same domain there. */
static const char *check_stacks(const struct placement_world *world, char *buffer, size_t size) {
        const struct host *host = world->host;
        unsigned count[128] = { 0 }, same[128];
        for (size_t i = 0; i < host->n_cpus; i++)
                count[i] = host->cpus[i].n_pinned;
        for (size_t d = 0; d < host->n_domains; d++)
                for (size_t i = 0; host->domains[d]->pub.state != IOCORE_DOMAIN_SHUTOFF && i < host->domains[d]->n_vcpus; i++) {
                        int cpu = bound_to(world, host->domains[d]->vcpus[i].cpus);
                        if (cpu >= 0)
                                count[cpu]++;
                }
        for (size_t d = 0; d < host->n_domains; d++) {
                const struct domain *domain = host->domains[d];
                memset(same, 0, sizeof same);
                for (size_t i = 0; may_be_touched(domain) && i < domain->n_vcpus; i++) {
                        int cpu = bound_to(world, domain->vcpus[i].cpus);
                        if (cpu < 0)
                                continue;
                        same[cpu]++;
                        for (size_t other = 0; other < host->n_cpus; other++)
                                if (host->cpus[other].topology->node == host->cpus[cpu].topology->node && may_be_used(world, other) && count[other] == 0 &&
                                    (count[cpu] > 1 || same[cpu] > 1)) {
                                        /* a CPU that others may use beside more is not free */
                                        bool taken = false;
                                        for (size_t e = 0; e < host->n_domains; e++)
                                                for (size_t j = 0; j < host->domains[e]->n_vcpus; j++) {
                                                        hwloc_const_bitmap_t cpus = host->domains[e]->vcpus[j].cpus;
                                                        taken = taken || (cpus && hwloc_bitmap_isset(cpus, (unsigned) other) && hwloc_bitmap_weight(cpus) > 1);
                                                }
                                        if (!taken)
                                                BROKEN("%s: vCPU %zu is on CPU %d with %u others, and CPU %zu is free", domain->pub.id, i, cpu, count[cpu] - 1, other);
                                }
                }
        }
        return NULL;
}

static void measure_room(const struct placement_world *world, uint64_t *room) {
        for (size_t i = 0; i < world->host->n_nodes; i++) {
                const struct node *node = &world->host->nodes[i];
                uint64_t free = node->memory_free_kib < node->memory_kib ? node->memory_free_kib : node->memory_kib;
                uint64_t keep = (uint64_t) ((double) node->memory_kib * world->rules.keep_free);
                room[i] = free > keep + node->memory_coming_kib ? free - keep - node->memory_coming_kib : 0;
        }
}

const char *placement_world_carry_out(struct placement_world *world, const struct placement_plan *plan, char *buffer, size_t size) {
        uint64_t room[8] = { 0 };
        unsigned stage = 0;
        const char *broken = NULL;
        if (!plan->settled)
                BROKEN("planning did not end");
        for (size_t i = 0, first = 0; i < plan->n_proposals; i++) {
                const struct placement_proposal *proposal = &plan->proposals[i];
                if (proposal->stage != stage) {
                        /* what the stage before made free may be used now, not earlier */
                        for (; first < i; first++)
                                placement_apply(world->host, &plan->proposals[first]);
                        measure_room(world, room);
                        stage = proposal->stage;
                }
                if (!may_be_touched(proposal->domain))
                        BROKEN("%s is touched, and must not be", proposal->domain->pub.id);
                for (size_t j = first; j < i; j++)
                        if (plan->proposals[j].domain == proposal->domain)
                                BROKEN("%s is planned twice in stage %u", proposal->domain->pub.id, stage);
                if ((broken = check_pins(world, proposal, buffer, size)) || (broken = check_shape(world, proposal, buffer, size)) ||
                    (broken = check_memory(world, proposal, room, buffer, size)) || (broken = check_memory_nodes(proposal, buffer, size)) ||
                    (broken = check_emulator(world, proposal, buffer, size)))
                        return broken;
                if (i + 1 == plan->n_proposals)
                        for (; first <= i; first++)
                                placement_apply(world->host, &plan->proposals[first]);
        }
        return world->rules.pin == PLACEMENT_PIN_CPU ? check_stacks(world, buffer, size) : NULL;
}

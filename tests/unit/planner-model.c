/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "planner-model.h"

/* --- by hand */

struct host *model_host(const char *synthetic) {
        struct topology *topology;
        struct host *host;
        if (topology_new(&topology, "/", synthetic, NULL, NULL) < 0 || host_new(&host, topology) < 0)
                abort();
        host_begin_epoch(host, 1000000);
        return host;
}

struct cpu *model_core(struct host *host, int number, const char *worker_id, bool ours) {
        struct cpu *cpu = host_cpu(host, number);
        struct worker *worker = worker_id ? host_worker_add(host, NULL, worker_id) : NULL;
        if (!cpu || (worker_id && !worker))
                abort();
        if (worker) {
                worker->pub.cpu = number;
                worker->pub.shared = true;
        }
        cpu->io_core = true;
        cpu->io_core_ours = ours;
        cpu->worker = worker;
        return cpu;
}

static void put_on(struct host *host, struct unit *unit, int core) {
        struct cpu *cpu = core >= 0 ? host_cpu(host, core) : NULL;
        unit->core = core;
        unit->pub.worker = cpu && cpu->worker ? &cpu->worker->pub : NULL;
}

struct unit *model_unit(struct host *host, const char *id, int cpu, int node, double load) {
        struct unit *unit = host_unit_add(host, NULL, id);
        struct device *device = host_device_add(host, NULL, id);
        if (!unit || !device)
                abort();
        unit->pub.device = &device->pub;
        unit->pub.node = node;
        unit->load = unit->load_average = load;
        unit->rates_valid = true;
        put_on(host, unit, cpu);
        return unit;
}

struct queue *model_queue(struct host *host, const char *id, const char *unit_id) {
        struct queue *queue = host_queue_add(host, NULL, id);
        struct unit *unit = host_unit(host, unit_id);
        if (!queue || !unit)
                abort();
        queue->pub.unit = &unit->pub;
        queue->pub.device = unit->pub.device;
        queue->pub.can_poll = true;
        return queue;
}

static size_t units_on(const struct host *host, int cpu) {
        size_t n = 0;
        for (size_t i = 0; i < host->n_units; i++)
                if (host->units[i]->core == cpu)
                        n++;
        return n;
}

bool model_apply_step(struct host *host, const struct step *step) {
        struct cpu *cpu = step->cpu >= 0 ? host_cpu(host, step->cpu) : NULL;
        struct unit *unit;

        switch (step->kind) {
        case STEP_CORE_ADD:
                if (!cpu || cpu->io_core || !cpu->topology->online)
                        return false;
                cpu->io_core = cpu->io_core_ours = true;
                return true;
        case STEP_CORE_CLOSE:
                if (!cpu || !cpu->worker || cpu->worker->pub.locked || cpu->worker->pub.is_default || strcmp(cpu->worker->pub.id, step->object) != 0)
                        return false;
                cpu->worker->pub.locked = true;
                return true;
        case STEP_UNIT_MOVE:
                unit = host_unit(host, step->object);
                if (!unit || (step->cpu >= 0 && (!cpu || !cpu->io_core || (cpu->worker && cpu->worker->pub.locked))))
                        return false;
                put_on(host, unit, step->cpu);
                return true;
        case STEP_CORE_REMOVE:
                if (!cpu || !cpu->io_core || !cpu->io_core_ours || units_on(host, step->cpu) > 0)
                        return false;
                if (cpu->worker && (cpu->worker->pub.is_default || strcmp(cpu->worker->pub.id, step->object) != 0))
                        return false;
                cpu->io_core = cpu->io_core_ours = false;
                cpu->worker = NULL;
                return true;
        case STEP_MEMORY_MOVE:
                return true;
        case STEP_KNOB_SET:
                if (strcmp(step->knob, "queue.poll") == 0) {
                        struct queue *queue = host_queue(host, step->object);
                        if (!queue)
                                return false;
                        queue->pub.poll = step->value[0] == '1';
                } else if (strcmp(step->knob, "worker.locked") == 0) {
                        struct worker *worker = host_worker(host, step->object);
                        if (!worker)
                                return false;
                        worker->pub.locked = step->value[0] == '1';
                }
                return true;
        }
        return false;
}

/* --- at random */

unsigned draw_below(struct draw *draw, unsigned n) {
        return n > 0 ? draw->next(draw->userdata) % n : 0;
}

static bool one_in(struct draw *draw, unsigned n) {
        return draw_below(draw, n) == 0;
}

static const char *cannot(void *userdata, const char *kind, const char *object) {
        const struct world *world = userdata;
        (void) object;
        if ((strcmp(kind, "grow") == 0 && !world->can_grow) || (strcmp(kind, "unit.place") == 0 && !world->can_move) ||
            (strcmp(kind, "worker.locked") == 0 && !world->can_close))
                return "this kernel cannot";
        return NULL;
}

static void draw_cpus(struct world *world, struct draw *draw) {
        struct topology *topology = world->host->topology;
        unsigned oddities = draw_below(draw, 4); /* none on a quarter of the hosts */
        hwloc_bitmap_zero(world->rules.reserved_cpus);
        hwloc_bitmap_zero(world->rules.banned_cpus);
        for (size_t i = 0; i < topology->n_cpus; i++) {
                struct cpu *cpu = &world->host->cpus[i];
                topology->cpus[i].online = oddities == 0 || !one_in(draw, 12);
                topology->cpus[i].isolated = oddities == 1 && one_in(draw, 5);
                if (oddities >= 2 && one_in(draw, 8))
                        hwloc_bitmap_set(world->rules.reserved_cpus, (unsigned) i);
                if (oddities == 3 && one_in(draw, 10))
                        hwloc_bitmap_set(world->rules.banned_cpus, (unsigned) i);
                cpu->io_core = cpu->io_core_ours = false;
                cpu->worker = NULL;
                cpu->load_average = -1;
                cpu->n_pinned = oddities == 2 && one_in(draw, 6);
                cpu->sampled = one_in(draw, 2);
                cpu->busy_share = draw_below(draw, 101) / 100.0;
        }
}

static void draw_cores(struct world *world, struct draw *draw, bool elvis) {
        struct host *host = world->host;
        unsigned density = 2 + draw_below(draw, 12);
        bool has_default = false;
        char id[IOCORE_ID_MAX];
        for (size_t i = 0; i < host->n_cpus; i++) {
                if (!one_in(draw, density))
                        continue;
                snprintf(id, sizeof id, "w.%zu", i + 2);
                struct cpu *cpu = model_core(host, (int) i, elvis ? id : NULL, !one_in(draw, 4));
                if (!cpu->worker)
                        continue;
                cpu->worker->pub.locked = one_in(draw, 12);
                cpu->worker->state = one_in(draw, 12) ? OBJECT_MANUAL : OBJECT_ACTIVE;
                cpu->worker->pub.is_default = !has_default && one_in(draw, 12);
                has_default |= cpu->worker->pub.is_default;
        }
        struct worker *first = host_worker_add(host, NULL, "w.1");
        if (!first)
                abort();
        first->pub.shared = true;
        first->pub.is_default = !has_default;
}

static void draw_units(struct world *world, struct draw *draw) {
        struct host *host = world->host;
        unsigned n = draw_below(draw, 30);
        int cores[64], n_cores = 0;
        char id[IOCORE_ID_MAX];
        for (size_t i = 0; i < host->n_cpus && n_cores < 64; i++)
                if (host->cpus[i].io_core)
                        cores[n_cores++] = (int) i;
        for (unsigned i = 1; one_in(draw, 2) && i < 5; i++) {
                static const char *const wishes[] = { "", "", "any", "cgroup", "domain", "none" };
                snprintf(id, sizeof id, "vm%u", i);
                struct domain *domain = host_domain_add(host, NULL, id);
                if (!domain)
                        abort();
                snprintf(domain->pub.share_within, sizeof domain->pub.share_within, "%s", wishes[draw_below(draw, ELEMENTSOF(wishes))]);
        }
        for (unsigned i = 0; i < n; i++) {
                snprintf(id, sizeof id, "d.%u", i + 1);
                int core = n_cores > 0 && !one_in(draw, 3) ? cores[draw_below(draw, (unsigned) n_cores)] : IOCORE_CPU_ANY;
                int node = (int) draw_below(draw, (unsigned) host->n_nodes + 1) - 1;
                /* coarse, so that equal loads are common; now and then nonsense */
                double load = draw_below(draw, 11) / 20.0;
                if (one_in(draw, 40))
                        load = one_in(draw, 2) ? NAN : INFINITY;
                struct unit *unit = model_unit(host, id, core, node, load);
                unit->rates_valid = !one_in(draw, 10);
                if (!unit->rates_valid)
                        unit->load_average = -1;
                unit->pub.manual = one_in(draw, 12);
                unit->state = one_in(draw, 15) ? OBJECT_MANUAL : OBJECT_ACTIVE;
                unsigned domain = draw_below(draw, 5);
                if (domain > 0)
                        snprintf(unit->pub.domain, sizeof unit->pub.domain, "vm%u", domain);
                for (unsigned q = 0; q < 2; q++) {
                        char queue_id[IOCORE_ID_MAX];
                        snprintf(queue_id, sizeof queue_id, "vq.%u.%u", i + 1, q);
                        struct queue *queue = model_queue(host, queue_id, id);
                        queue->pub.can_poll = !one_in(draw, 6);
                        queue->pub.poll = one_in(draw, 2);
                        queue->state = one_in(draw, 10) ? OBJECT_MANUAL : OBJECT_ACTIVE;
                }
        }
}

static void draw_rules(struct world *world, struct draw *draw) {
        static char *const unit_patterns[] = { "d.1", "d.?", "d.[2-4]", "vq.3.0" }, *const domain_patterns[] = { "vm1", "vm[34]", "*2" };
        struct planner_rules *rules = &world->rules;
        hwloc_bitmap_t reserved = rules->reserved_cpus, banned = rules->banned_cpus;
        *rules = (struct planner_rules) {
                .min_cores = draw_below(draw, 3),
                .max_cores = draw_below(draw, 6) * draw_below(draw, 2),
                .min_cores_per_node = draw_below(draw, 2),
                .max_cores_per_node = draw_below(draw, 4) * draw_below(draw, 2),
                .reserved_cpus = reserved,
                .banned_cpus = banned,
                .use_isolated = one_in(draw, 2),
                .whole_physical_cores = one_in(draw, 2),
                .max_devices_per_worker = draw_below(draw, 8) * draw_below(draw, 2),
                .max_moves_per_epoch = draw_below(draw, 10) * draw_below(draw, 2),
                .share_within = (enum share_within) (one_in(draw, 3) ? draw_below(draw, 3) : SHARE_ANY),
                .hold_usec = 1000000,
                .cool_down_usec = 2000000,
                .banned_units = world->banned_units,
                .banned_domains = world->banned_domains,
        };
        world->banned_units[0] = one_in(draw, 3) ? unit_patterns[draw_below(draw, 4)] : NULL;
        world->banned_domains[0] = one_in(draw, 3) ? domain_patterns[draw_below(draw, 3)] : NULL;
}

static void draw_intent(struct world *world, struct draw *draw, struct intent *intent) {
        static const char *const knobs[] = { "worker.locked", "unit.place", "queue.poll", "queue.limit", "nic.coalesce", "", "unit.x" };
        static const char *const values[] = { "0", "1", "1500", "-1", "", "nonsense", "0-3", "18446744073709551616" };
        *intent = (struct intent) { .action = (enum intent_action) draw_below(draw, _INTENT_ACTION_MAX), .node = IOCORE_NODE_UNKNOWN, .cpu = IOCORE_CPU_ANY };
        if (one_in(draw, 2)) /* structure is what matters most */
                intent->action = (enum intent_action) draw_below(draw, 3);
        snprintf(intent->source, sizeof intent->source, "policy:test%u", draw_below(draw, 3));
        intent->priority = (int) draw_below(draw, 4) * 10 + 40;
        if (one_in(draw, 2))
                intent->node = (int) draw_below(draw, (unsigned) world->host->n_nodes + (one_in(draw, 20) ? 2 : 0));
        if (intent->action == INTENT_MOVE ? !one_in(draw, 6) : one_in(draw, 3)) {
                intent->cpu = (int) draw_below(draw, (unsigned) world->host->n_cpus + (one_in(draw, 20) ? 3 : 0));
                intent->node = IOCORE_NODE_UNKNOWN;
        }
        if (one_in(draw, 60))
                intent->cpu = -5;
        unsigned number = 1 + draw_below(draw, (unsigned) world->host->n_units + 1);
        const char *knob = knobs[draw_below(draw, 7)];
        if (intent->action == INTENT_SET)
                snprintf(intent->knob, sizeof intent->knob, "%s", knob);
        if (intent->action == INTENT_POLL || intent->action == INTENT_LIMIT || strncmp(intent->knob, "queue.", 6) == 0)
                snprintf(intent->object, sizeof intent->object, "vq.%u.%u", number, draw_below(draw, 2));
        else if (strcmp(intent->knob, "worker.locked") == 0)
                snprintf(intent->object, sizeof intent->object, "w.%u", number);
        else if (intent->action != INTENT_GROW && intent->action != INTENT_SHRINK)
                snprintf(intent->object, sizeof intent->object, "d.%u", number);
        snprintf(intent->value, sizeof intent->value, "%s", values[draw_below(draw, 8) % (one_in(draw, 3) ? 8 : 2)]);
        intent->n_evidence = 1;
        intent->evidence[0] = (struct evidence) { "idle", one_in(draw, 50) ? NAN : 0.05 };
}

void world_draw(struct world *world, struct host *host, struct draw *draw) {
        world->host = host;
        if (!world->rules.reserved_cpus)
                world->rules.reserved_cpus = hwloc_bitmap_alloc();
        if (!world->rules.banned_cpus)
                world->rules.banned_cpus = hwloc_bitmap_alloc();
        if (!world->rules.reserved_cpus || !world->rules.banned_cpus)
                abort();
        host_remove_plugin(host, NULL);
        host_clear_events(host);
        host_begin_epoch(host, host->now_usec + 100000);
        draw_cpus(world, draw);
        draw_rules(world, draw);
        bool elvis = one_in(draw, 2);
        draw_cores(world, draw, elvis);
        draw_units(world, draw);
        world->can_close = elvis && !one_in(draw, 6);
        world->can_grow = !one_in(draw, 20);
        world->can_move = !one_in(draw, 20);
        world->capabilities = (struct planner_capabilities) { .userdata = world, .unavailable = cannot };
        world->n_intents = 1 + draw_below(draw, one_in(draw, 4) ? WORLD_INTENTS_MAX : 6);
        for (size_t i = 0; i < world->n_intents; i++)
                draw_intent(world, draw, &world->intents[i]);
}

void world_done(struct world *world) {
        hwloc_bitmap_free(world->rules.reserved_cpus);
        hwloc_bitmap_free(world->rules.banned_cpus);
        *world = (struct world) { 0 };
}

/* --- the rules, once more and in another way */

#define BROKEN(...) return snprintf(buffer, size, __VA_ARGS__), buffer

static bool matches(char *const *patterns, const char *string) {
        for (; *patterns; patterns++)
                if (fnmatch(*patterns, string, 0) == 0)
                        return true;
        return false;
}

static bool is_set(hwloc_const_bitmap_t set, int cpu) {
        return cpu >= 0 && hwloc_bitmap_isset(set, (unsigned) cpu);
}

static bool unit_untouchable(const struct world *world, const struct unit *unit) {
        return matches(world->banned_units, unit->pub.id) || (unit->pub.domain[0] && matches(world->banned_domains, unit->pub.domain)) ||
               is_set(world->rules.banned_cpus, unit->core) || unit->pub.manual || unit->state == OBJECT_MANUAL;
}

static bool own_core_untouchable(const struct world *world, int number) {
        const struct cpu *cpu = host_cpu(world->host, number);
        return !cpu || is_set(world->rules.banned_cpus, number) || (cpu->worker && cpu->worker->state == OBJECT_MANUAL);
}

static bool cpu_untouchable(const struct world *world, int number) {
        const struct cpu *cpu = host_cpu(world->host, number);
        return !cpu || !cpu->topology->online || is_set(world->rules.banned_cpus, number) || is_set(world->rules.reserved_cpus, number) ||
               (cpu->topology->isolated && !world->rules.use_isolated) || (cpu->worker && cpu->worker->state == OBJECT_MANUAL);
}

/* Of the rules and what the owners of both want. */
static enum share_within strictest_of(const struct world *world, const struct unit *a, const struct unit *b) {
        static const struct { const char *wish; enum share_within share; } wishes[] = { { "domain", SHARE_DOMAIN }, { "cgroup", SHARE_DOMAIN }, { "none", SHARE_NONE } };
        const char *const names[] = { a->pub.domain, b->pub.domain };
        enum share_within share = world->rules.share_within;
        for (size_t i = 0; i < 2 * ELEMENTSOF(wishes); i++) {
                const struct domain *domain = names[i % 2][0] ? host_domain(world->host, names[i % 2]) : NULL;
                if (domain && strcmp(domain->pub.share_within, wishes[i / 2].wish) == 0 && wishes[i / 2].share > share)
                        share = wishes[i / 2].share;
        }
        return share;
}

/* Could `unit` be put on `cpu`, as far as the number and the domains of the units there go? */
static bool has_room(const struct world *world, const struct unit *unit, int cpu) {
        const struct planner_rules *rules = &world->rules;
        size_t others = 0;
        for (size_t i = 0; i < world->host->n_units; i++) {
                const struct unit *other = world->host->units[i];
                if (other == unit || other->core != cpu)
                        continue;
                others++;
                enum share_within share = strictest_of(world, unit, other);
                if (share == SHARE_NONE || (share == SHARE_DOMAIN && (!unit->pub.domain[0] || strcmp(unit->pub.domain, other->pub.domain) != 0)))
                        return false;
        }
        return rules->max_devices_per_worker == 0 || others < rules->max_devices_per_worker;
}

static size_t count_cores(const struct host *host, int node) {
        size_t n = 0;
        for (size_t i = 0; i < host->n_cpus; i++)
                if (host->cpus[i].io_core && (node < 0 || host->cpus[i].topology->node == node))
                        n++;
        return n;
}

/* CPUs of the node that can run vCPUs. */
static size_t count_vm_cores(const struct world *world, int node) {
        size_t n = 0;
        for (size_t i = 0; i < world->host->n_cpus; i++) {
                const struct topology_cpu *cpu = &world->host->topology->cpus[i];
                bool taken = world->host->cpus[i].io_core;
                for (size_t j = 0; world->rules.whole_physical_cores && j < world->host->n_cpus; j++)
                        taken |= world->host->cpus[j].io_core && hwloc_bitmap_isset(cpu->siblings, (unsigned) j);
                if (cpu->node == node && cpu->online && !taken)
                        n++;
        }
        return n;
}

static const char *check_core_add(struct world *world, const struct step *step, char *buffer, size_t size) {
        const struct planner_rules *rules = &world->rules;
        const struct topology_cpu *cpu = topology_cpu(world->host->topology, step->cpu);
        if (cpu_untouchable(world, step->cpu))
                BROKEN("CPU %d became an I/O core though it may not be touched", step->cpu);
        size_t had = count_vm_cores(world, cpu->node);
        if (!model_apply_step(world->host, step))
                BROKEN("CPU %d cannot become an I/O core", step->cpu);
        if (rules->max_cores > 0 && count_cores(world->host, -1) > rules->max_cores)
                BROKEN("%zu I/O cores on a host of at most %u", count_cores(world->host, -1), rules->max_cores);
        if (rules->max_cores_per_node > 0 && count_cores(world->host, cpu->node) > rules->max_cores_per_node)
                BROKEN("%zu I/O cores on a node of at most %u", count_cores(world->host, cpu->node), rules->max_cores_per_node);
        size_t has = count_vm_cores(world, cpu->node);
        if (has < had && has == 0)
                BROKEN("CPU %d was node %d's last VM core", step->cpu, cpu->node);
        for (size_t i = 0; rules->whole_physical_cores && i < world->host->n_cpus; i++)
                if (hwloc_bitmap_isset(cpu->siblings, (unsigned) i) && !world->host->cpus[i].io_core && world->host->topology->cpus[i].online &&
                    cpu_untouchable(world, (int) i))
                        BROKEN("I/O core CPU %d took its sibling %zu, which may not be touched", step->cpu, i);
        return NULL;
}

static const char *check_unit_move(struct world *world, const struct step *step, char *buffer, size_t size) {
        struct host *host = world->host;
        struct unit *unit = host_unit(host, step->object);
        if (!unit || unit_untouchable(world, unit))
                BROKEN("%s was moved though it may not be touched", step->object);
        if (!world->can_move)
                BROKEN("%s was moved on a host that cannot", step->object);
        int from = unit->core, own = unit->pub.node;
        if (step->cpu >= 0) {
                if (cpu_untouchable(world, step->cpu))
                        BROKEN("%s was moved to CPU %d, which may not be touched", step->object, step->cpu);
                if (!has_room(world, unit, step->cpu))
                        BROKEN("%s was moved to CPU %d, which has no room", step->object, step->cpu);
                for (size_t i = 0; own >= 0 && host->cpus[step->cpu].topology->node != own && i < host->n_cpus; i++)
                        if (host->cpus[i].io_core && host->cpus[i].topology->node == own && !cpu_untouchable(world, (int) i) &&
                            !(host->cpus[i].worker && host->cpus[i].worker->pub.locked) && has_room(world, unit, (int) i))
                                BROKEN("%s left node %d for CPU %d though CPU %zu had room", step->object, own, step->cpu, i);
        }
        if (!model_apply_step(host, step))
                BROKEN("%s cannot be moved from CPU %d to CPU %d", step->object, from, step->cpu);
        return NULL;
}

/* Nothing is left on a core that was closed or removed by this decision. */
static const char *check_core_gone(const struct world *world, const struct decision *decision, char *buffer, size_t size) {
        for (size_t i = 0; i < decision->n_steps; i++) {
                const struct step *step = &decision->steps[i];
                if (step->kind != STEP_CORE_CLOSE && step->kind != STEP_CORE_REMOVE)
                        continue;
                for (size_t j = 0; j < world->host->n_units; j++)
                        if (world->host->units[j]->core == step->cpu)
                                BROKEN("%s was left on CPU %d", world->host->units[j]->pub.id, step->cpu);
                world->host->cpus[step->cpu].io_core = false; /* as a scan would find after a close */
        }
        return NULL;
}

static const char *check_minimum(const struct world *world, const struct decision *decision, const size_t *cores_before, char *buffer, size_t size) {
        size_t total = 0, total_before = 0;
        (void) decision;
        for (size_t i = 0; i < world->host->n_nodes; i++) {
                size_t n = count_cores(world->host, world->host->nodes[i].topology->node);
                if (n < cores_before[i] && n < world->rules.min_cores_per_node)
                        BROKEN("%zu I/O cores are left on node %zu of at least %u", n, i, world->rules.min_cores_per_node);
                total += n;
                total_before += cores_before[i];
        }
        if (total < total_before && total < world->rules.min_cores)
                BROKEN("%zu I/O cores are left on a host of at least %u", total, world->rules.min_cores);
        return NULL;
}

static const char *check_knob_set(struct world *world, const struct step *step, char *buffer, size_t size) {
        struct host *host = world->host;
        if (strcmp(step->knob, "unit.place") == 0)
                BROKEN("%s was placed around the rules", step->object);
        const struct queue *queue = strncmp(step->knob, "queue.", 6) == 0 ? host_queue(host, step->object) : NULL;
        if (queue && (queue->state == OBJECT_MANUAL || matches(world->banned_units, step->object)))
                BROKEN("%s was set though it may not be touched", step->object);
        const struct unit *unit = queue ? (const struct unit *) queue->pub.unit : strncmp(step->knob, "unit.", 5) == 0 ? host_unit(host, step->object) : NULL;
        if (unit && (matches(world->banned_units, unit->pub.id) || (unit->pub.domain[0] && matches(world->banned_domains, unit->pub.domain))))
                BROKEN("%s was set though its unit is banned", step->object);
        if (strcmp(step->knob, "worker.locked") == 0) {
                const struct worker *worker = host_worker(host, step->object);
                if (!worker || worker->state == OBJECT_MANUAL || worker->pub.cpu >= 0 || worker->pub.is_default || !world->can_close)
                        BROKEN("worker %s was locked or unlocked though it may not be", step->object);
        }
        if (!model_apply_step(host, step))
                BROKEN("%s of %s cannot be set", step->knob, step->object);
        return NULL;
}

static const char *check_step(struct world *world, const struct intent *intent, const struct step *step, char *buffer, size_t size) {
        const struct cpu *cpu = step->cpu >= 0 ? host_cpu(world->host, step->cpu) : NULL;
        switch (step->kind) {
        case STEP_CORE_ADD:
                if (cpu && cpu->n_pinned > 0 && !(intent->priority < 0 && intent->cpu == step->cpu))
                        BROKEN("CPU %d became an I/O core though others are bound to it by hand", step->cpu);
                return check_core_add(world, step, buffer, size);
        case STEP_UNIT_MOVE:
                return check_unit_move(world, step, buffer, size);
        case STEP_MEMORY_MOVE:
                BROKEN("memory moves, which nobody asked for");
        case STEP_KNOB_SET:
                return check_knob_set(world, step, buffer, size);
        case STEP_CORE_CLOSE:
        case STEP_CORE_REMOVE:
                if (!cpu || (cpu->io_core_ours ? own_core_untouchable(world, step->cpu) : cpu_untouchable(world, step->cpu)))
                        BROKEN("I/O core CPU %d was closed or removed though it may not be touched", step->cpu);
                if (step->kind == STEP_CORE_CLOSE && !world->can_close)
                        BROKEN("CPU %d was closed on a host that cannot", step->cpu);
                if (!model_apply_step(world->host, step))
                        BROKEN("CPU %d cannot be closed or removed: is it empty, ours, not the default?", step->cpu);
                return NULL;
        }
        BROKEN("a step of no kind");
}

/* A unit is on an I/O core or at home: never on a CPU that is none. */
static const char *check_every_unit_is_served(const struct world *world, char *buffer, size_t size) {
        for (size_t i = 0; i < world->host->n_units; i++) {
                const struct unit *unit = world->host->units[i];
                if (unit->core >= 0 && !world->host->cpus[unit->core].io_core)
                        BROKEN("%s is on CPU %d, which is no I/O core", unit->pub.id, unit->core);
        }
        return NULL;
}

static const char *check_form(const struct decision *decision, char *buffer, size_t size) {
        bool planned = decision->verdict == VERDICT_PLANNED, refused = decision->verdict == VERDICT_REFUSED || decision->verdict == VERDICT_SUPERSEDED;
        if (!decision->text[0] || strlen(decision->text) >= sizeof decision->text - 1)
                BROKEN("the text of a decision is empty or cut off: %s", decision->text);
        if (planned != (decision->n_steps > 0))
                BROKEN("a decision with verdict %s has %zu steps", verdict_to_string(decision->verdict), decision->n_steps);
        if (!planned && !refused && decision->verdict != VERDICT_UNCHANGED)
                BROKEN("the planner gave the verdict %d", (int) decision->verdict);
        if (refused != (decision->rule[0] != '\0') || (refused && strncmp(decision->text, decision->rule, strlen(decision->rule)) != 0))
                BROKEN("rule \"%s\" and text \"%s\" of verdict %s", decision->rule, decision->text, verdict_to_string(decision->verdict));
        if (decision->intent.priority < 0 && (strcmp(decision->rule, "hold") == 0 || strcmp(decision->rule, "cool-down") == 0))
                BROKEN("a client was refused by %s", decision->rule);
        return NULL;
}

const char *world_carry_out(struct world *world, struct plan *plan, char *buffer, size_t size) {
        size_t n_moves = 0, *cores_before = calloc(world->host->n_nodes, sizeof *cores_before);
        const char *broken = NULL;
        if (!cores_before)
                abort();
        if (plan->n_decisions != world->n_intents)
                broken = "the number of decisions is not that of the intents";
        for (size_t i = 0; !broken && i < plan->n_decisions; i++) {
                struct decision *decision = plan->decisions[i];
                if ((broken = check_form(decision, buffer, size)))
                        break;
                for (size_t j = 0; j < world->host->n_nodes; j++)
                        cores_before[j] = count_cores(world->host, world->host->nodes[j].topology->node);
                for (size_t j = 0; !broken && j < decision->n_steps; j++) {
                        if (decision->steps[j].kind == STEP_UNIT_MOVE)
                                n_moves++;
                        broken = check_step(world, &decision->intent, &decision->steps[j], buffer, size);
                        if (!broken)
                                broken = check_every_unit_is_served(world, buffer, size);
                        decision->steps[j].result = STEP_DONE;
                }
                if (!broken)
                        broken = check_core_gone(world, decision, buffer, size);
                if (!broken)
                        broken = check_minimum(world, decision, cores_before, buffer, size);
                if (decision->verdict == VERDICT_PLANNED)
                        decision->verdict = VERDICT_DONE;
        }
        free(cores_before);
        if (!broken && world->rules.max_moves_per_epoch > 0 && n_moves > world->rules.max_moves_per_epoch)
                BROKEN("%zu moves in an epoch of at most %u", n_moves, world->rules.max_moves_per_epoch);
        return broken;
}

const char *plan_difference(const struct plan *a, const struct plan *b) {
        if (a->n_decisions != b->n_decisions)
                return "the numbers of decisions differ";
        for (size_t i = 0; i < a->n_decisions; i++) {
                const struct decision *x = a->decisions[i], *y = b->decisions[i];
                if (x->verdict != y->verdict || strcmp(x->rule, y->rule) != 0 || strcmp(x->text, y->text) != 0 || x->n_steps != y->n_steps)
                        return "the decisions differ";
                for (size_t j = 0; j < x->n_steps; j++)
                        if (x->steps[j].kind != y->steps[j].kind || x->steps[j].cpu != y->steps[j].cpu ||
                            strcmp(x->steps[j].object, y->steps[j].object) != 0 || strcmp(x->steps[j].value, y->steps[j].value) != 0)
                                return "the steps differ";
        }
        return NULL;
}

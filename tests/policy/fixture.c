/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/cleanup.h"
#include "daemon/host/counter.h"

static void *allocated(void *pointer) {
        if (!pointer)
                abort();
        return pointer;
}

static void on_log(void *userdata, const char *policy, int priority, const char *text) {
        struct fixture *fixture = userdata;

        (void) priority;
        fixture->n_logged++;
        snprintf(fixture->last_log, sizeof(fixture->last_log), "%s: %s", policy, text);
}

static void on_stopped(void *userdata, const char *policy, const char *why) {
        struct fixture *fixture = userdata;
        size_t used = strlen(fixture->stopped);

        fixture->n_stopped++;
        snprintf(fixture->stopped + used, sizeof(fixture->stopped) - used, "%s: %s; ", policy, why);
}

static const char *on_unavailable(void *userdata, const char *action) {
        const struct fixture *fixture = userdata;

        return fixture->unavailable && strcmp(fixture->unavailable, action) == 0 ? "this kernel has no such thing" : NULL;
}

void fixture_init(struct fixture *fixture, size_t n_nodes, size_t cpus_per_node) {
        size_t n_cpus = n_nodes * cpus_per_node;

        memset(fixture, 0, sizeof(*fixture));
        fixture->topology.n_cpus = n_cpus;
        fixture->topology.n_nodes = n_nodes;
        fixture->topology.cpus = allocated(calloc(n_cpus, sizeof(*fixture->topology.cpus)));
        fixture->topology.nodes = allocated(calloc(n_nodes, sizeof(*fixture->topology.nodes)));
        fixture->host.topology = &fixture->topology;
        fixture->host.n_cpus = n_cpus;
        fixture->host.n_nodes = n_nodes;
        fixture->host.cpus = allocated(calloc(n_cpus, sizeof(*fixture->host.cpus)));
        fixture->host.nodes = allocated(calloc(n_nodes, sizeof(*fixture->host.nodes)));
        for (size_t i = 0; i < n_nodes; i++) {
                fixture->topology.nodes[i].node = (int) i;
                fixture->host.nodes[i].topology = &fixture->topology.nodes[i];
                fixture->host.nodes[i].io_load_average = fixture->host.nodes[i].unplaced_load_average = -1;
        }
        for (size_t i = 0; i < n_cpus; i++) {
                fixture->topology.cpus[i] = (struct topology_cpu) { .cpu = (int) i, .present = true, .online = true, .core = (int) i, .llc = (int) (i / cpus_per_node),
                                                                    .package = (int) (i / cpus_per_node), .node = (int) (i / cpus_per_node) };
                fixture->host.cpus[i].topology = &fixture->topology.cpus[i];
                fixture->host.cpus[i].load_average = -1;
        }
        fixture->host.now_usec = 1000000;
        fixture->host.ewma_weight = FIXTURE_WEIGHT;
        strcpy(fixture->directory, "/tmp/iocore-policies-XXXXXX");
        if (!mkdtemp(fixture->directory))
                abort();
}

static void remove_files(const char *path) {
        _cleanup_closedir_ DIR *directory = opendir(path);

        for (const struct dirent *entry = directory ? readdir(directory) : NULL; entry; entry = readdir(directory))
                if (entry->d_name[0] != '.')
                        (void) unlinkat(dirfd(directory), entry->d_name, 0);
        (void) rmdir(path);
}

void fixture_done(struct fixture *fixture) {
        policy_set_free(fixture->set);
        remove_files(fixture->directory);
        intent_list_done(&fixture->intents);
        while (fixture->host.n_units > 0)
                fixture_remove_unit(fixture, fixture->host.units[0]);
        for (size_t i = 0; i < fixture->host.n_queues; i++)
                free(fixture->host.queues[i]);
        free(fixture->host.queues);
        free(fixture->host.units);
        free(fixture->host.events);
        free(fixture->host.cpus);
        free(fixture->host.nodes);
        free(fixture->topology.cpus);
        free(fixture->topology.nodes);
}

void fixture_write_bytes(struct fixture *fixture, const char *base, const char *text, size_t size) {
        FILE *file;
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", fixture->directory, base);
        file = fopen(path, "we");
        if (!file)
                abort();
        if (fwrite(text, 1, size, file) != size || fclose(file) != 0)
                abort();
}

void fixture_write(struct fixture *fixture, const char *base, const char *text) {
        fixture_write_bytes(fixture, base, text, strlen(text));
}

void fixture_remove(struct fixture *fixture, const char *base) {
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", fixture->directory, base);
        if (unlink(path) < 0)
                abort();
}

void fixture_copy_shipped(struct fixture *fixture, const char *base) {
        FILE *file;
        char path[1024], text[65536];
        size_t size;

        snprintf(path, sizeof(path), "%s/%s", SHIPPED_POLICIES, base);
        file = fopen(path, "re");
        if (!file)
                abort();
        size = fread(text, 1, sizeof(text), file);
        (void) fclose(file);
        fixture_write_bytes(fixture, base, text, size);
}

void fixture_load(struct fixture *fixture) {
        char *directories[] = { fixture->directory, NULL };
        const struct policy_callbacks callbacks = { .userdata = fixture, .log = on_log, .stopped = on_stopped, .unavailable = on_unavailable };

        assert_int_equal(policy_set_new(&fixture->set, directories, NULL, NULL, 0, &callbacks), 0);
}

/* Inserts at the place that natural order asks for. */
static void insert(void ***array, size_t *n, void *object) {
        size_t at = *n;

        *array = allocated(reallocarray(*array, *n + 1, sizeof(**array)));
        while (at > 0 && id_compare((const char *) (*array)[at - 1], (const char *) object) > 0) {
                (*array)[at] = (*array)[at - 1];
                at--;
        }
        (*array)[at] = object;
        (*n)++;
}

struct unit *fixture_add_unit(struct fixture *fixture, const char *id, int node) {
        struct unit *unit = allocated(calloc(1, sizeof(*unit)));

        snprintf(unit->pub.id, sizeof(unit->pub.id), "%s", id);
        unit->pub.node = node;
        unit->pub.owner = -1;
        unit->core = IOCORE_CPU_ANY;
        unit->load_average = -1;
        unit->rates_valid = true;
        unit->seen_epoch = fixture->host.epoch;
        insert((void ***) &fixture->host.units, &fixture->host.n_units, unit);
        return unit;
}

struct queue *fixture_add_queue(struct fixture *fixture, const char *id, struct unit *unit) {
        struct queue *queue = allocated(calloc(1, sizeof(*queue)));

        snprintf(queue->pub.id, sizeof(queue->pub.id), "%s", id);
        queue->pub.unit = unit ? &unit->pub : NULL;
        queue->pub.can_poll = true;
        queue->pub.fields = IOCORE_QUEUE_BUSY | IOCORE_QUEUE_BYTES | IOCORE_QUEUE_PACKETS | IOCORE_QUEUE_WORKS;
        queue->load_average = -1;
        queue->n_samples = 2;
        queue->seen_epoch = fixture->host.epoch;
        insert((void ***) &fixture->host.queues, &fixture->host.n_queues, queue);
        return queue;
}

void fixture_remove_unit(struct fixture *fixture, struct unit *unit) {
        struct host *host = &fixture->host;
        size_t i = 0;

        while (host->units[i] != unit)
                i++;
        memmove(&host->units[i], &host->units[i + 1], (host->n_units - i - 1) * sizeof(void *));
        host->n_units--;
        for (i = 0; i < host->n_queues; i++)
                if (host->queues[i]->pub.unit == &unit->pub)
                        host->queues[i]->pub.unit = NULL;
        free(unit);
}

void fixture_set_core(struct fixture *fixture, int cpu, bool io_core, bool ours) {
        fixture->host.cpus[cpu].io_core = io_core;
        fixture->host.cpus[cpu].io_core_ours = ours;
        fixture->host.cpus[cpu].load_average = -1;
}

void fixture_event(struct fixture *fixture, enum host_event_kind kind, const char *id) {
        struct host *host = &fixture->host;

        host->events = allocated(reallocarray(host->events, host->n_events + 1, sizeof(*host->events)));
        host->events[host->n_events] = (struct host_event) { .kind = kind };
        snprintf(host->events[host->n_events].id, sizeof(host->events->id), "%s", id);
        host->n_events++;
}

void fixture_domain_event(struct fixture *fixture, const char *domain, const char *event, const char *detail) {
        fixture_event(fixture, HOST_DOMAIN_EVENT, domain);
        struct host_event *told = &fixture->host.events[fixture->host.n_events - 1];
        snprintf(told->event, sizeof(told->event), "%s", event);
        snprintf(told->detail, sizeof(told->detail), "%s", detail);
}

static void derive_cores(struct host *host, bool contended) {
        for (size_t i = 0; i < host->n_cpus; i++) {
                struct cpu *cpu = &host->cpus[i];

                cpu->load = 0;
                cpu->load_valid = true;
                cpu->n_units = 0;
                for (size_t j = 0; j < host->n_units; j++)
                        if (host->units[j]->core == (int) i) {
                                cpu->load += host->units[j]->load;
                                cpu->n_units++;
                        }
                if (cpu->load > 1)
                        cpu->load = 1;
                /* an M/M/1 queue of which each of n customers has a share */
                cpu->wait_share = contended && cpu->n_units > 1 ? cpu->load * (double) (cpu->n_units - 1) / (double) cpu->n_units : 0;
                cpu->load_average = cpu->io_core ? ewma(cpu->load_average, cpu->load, host->ewma_weight) : -1;
        }
}

static void derive_node(struct host *host, struct node *node) {
        node->n_io_cores = node->n_vm_cores = node->n_units = node->n_units_unplaced = 0;
        node->io_load_valid = true;
        node->io_load = node->unplaced_load = 0;
        for (size_t i = 0; i < host->n_cpus; i++) {
                if (host->cpus[i].topology->node != node->topology->node)
                        continue;
                if (host->cpus[i].io_core) {
                        node->n_io_cores++;
                        node->io_load += host->cpus[i].load;
                } else
                        node->n_vm_cores++;
        }
        for (size_t i = 0; i < host->n_units; i++) {
                if (host_unit_node(host, host->units[i]) != node)
                        continue;
                node->n_units++;
                if (host->units[i]->core < 0) {
                        node->unplaced_load += host->units[i]->load;
                        node->n_units_unplaced++;
                }
        }
        node->io_idle = (double) node->n_io_cores > node->io_load ? (double) node->n_io_cores - node->io_load : 0;
        node->io_load_average = ewma(node->io_load_average, node->io_load, host->ewma_weight);
        node->unplaced_load_average = ewma(node->unplaced_load_average, node->unplaced_load, host->ewma_weight);
}

int fixture_epoch(struct fixture *fixture) {
        struct host *host = &fixture->host;
        int r;

        host->epoch++;
        host->last_usec = host->now_usec;
        host->now_usec += FIXTURE_EPOCH_USEC;
        for (size_t i = 0; i < host->n_units; i++)
                host->units[i]->load_average = ewma(host->units[i]->load_average, host->units[i]->load, host->ewma_weight);
        for (size_t i = 0; i < host->n_queues; i++)
                if (host->queues[i]->load > 0)
                        host->queues[i]->sampled_epoch = host->epoch;
        derive_cores(host, fixture->contended);
        for (size_t i = 0; i < host->n_nodes; i++)
                derive_node(host, &host->nodes[i]);
        fixture->intents.n = 0;
        r = policy_set_run(fixture->set, host, &fixture->intents);
        host->n_events = 0;
        return r;
}

static void carry_out_grow(struct host *host, int node) {
        struct cpu *fullest = NULL;
        int cpu = -1;

        for (size_t i = 0; i < host->n_cpus; i++) {
                if (host->cpus[i].topology->node != node)
                        continue;
                if (!host->cpus[i].io_core && cpu < 0)
                        cpu = (int) i;
                if (host->cpus[i].io_core && (!fullest || host->cpus[i].load > fullest->load))
                        fullest = &host->cpus[i];
        }
        if (cpu < 0)
                return;
        host->cpus[cpu].io_core = host->cpus[cpu].io_core_ours = true;
        for (size_t i = 0, n = 0; i < host->n_units; i++) {
                struct unit *unit = host->units[i];

                if (!fullest ? unit->core < 0 && host_unit_node(host, unit)->topology->node == node : unit->core == fullest->topology->cpu && n++ % 2 == 1)
                        unit->core = cpu;
        }
}

static void carry_out_shrink(struct host *host, int node, int cpu) {
        int refuge = IOCORE_CPU_ANY;

        for (size_t i = 0; cpu < 0 && i < host->n_cpus; i++)
                if (host->cpus[i].io_core && host->cpus[i].topology->node == node)
                        cpu = (int) i;
        if (cpu < 0)
                return;
        host->cpus[cpu].io_core = host->cpus[cpu].io_core_ours = false;
        for (size_t i = 0; i < host->n_cpus; i++)
                if (host->cpus[i].io_core && host->cpus[i].topology->node == host->cpus[cpu].topology->node)
                        refuge = (int) i;
        for (size_t i = 0; i < host->n_units; i++)
                if (host->units[i]->core == cpu)
                        host->units[i]->core = refuge;
}

unsigned fixture_carry_out(struct fixture *fixture) {
        struct host *host = &fixture->host;
        unsigned n_changes = 0;

        for (size_t i = 0; i < fixture->intents.n; i++) {
                const struct intent *intent = &fixture->intents.intents[i];

                switch (intent->action) {
                case INTENT_GROW:
                        carry_out_grow(host, intent->node);
                        n_changes++;
                        break;
                case INTENT_SHRINK:
                        carry_out_shrink(host, intent->node, intent->cpu);
                        n_changes++;
                        break;
                case INTENT_MOVE:
                        host_unit(host, intent->object)->core = intent->cpu;
                        break;
                case INTENT_POLL:
                        host_queue(host, intent->object)->pub.poll = intent->value[0] == '1';
                        break;
                default:
                        break;
                }
        }
        return n_changes;
}

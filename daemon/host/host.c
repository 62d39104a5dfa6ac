/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The objects of the model: adding, finding, removing. What is derived from their samples is in derive.c. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "host.h"

/* Each kind of object begins with its id, so that one set of functions keeps all five arrays. */
static_assert(offsetof(struct worker, pub) == 0 && offsetof(struct iocore_worker, id) == 0, "a worker begins with its id");
static_assert(offsetof(struct device, pub) == 0 && offsetof(struct iocore_device, id) == 0, "a device begins with its id");
static_assert(offsetof(struct unit, pub) == 0 && offsetof(struct iocore_unit, id) == 0, "a unit begins with its id");
static_assert(offsetof(struct queue, pub) == 0 && offsetof(struct iocore_queue, id) == 0, "a queue begins with its id");
static_assert(offsetof(struct domain, pub) == 0 && offsetof(struct iocore_domain, id) == 0, "a domain begins with its name");

int id_compare(const char *a, const char *b) {
        return strverscmp(a, b);
}

/* Where `id` is, or where it would be inserted. */
static size_t position(void *const *objects, size_t n, const char *id, bool *ret_found) {
        size_t low = 0, high = n;

        /* Scans mostly add in order: look at the end first. */
        if (n > 0 && id_compare(objects[n - 1], id) < 0)
                low = n;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = id_compare(objects[middle], id);
                if (order == 0) {
                        *ret_found = true;
                        return middle;
                }
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        *ret_found = false;
        return low;
}

static void *find(void *const *objects, size_t n, const char *id) {
        bool found;
        size_t at = position(objects, n, id, &found);
        return found ? objects[at] : NULL;
}

/* Makes room for one more. Grows at each power of two, so the array's size needs no member of its own. 0 or -ENOMEM. */
static int reserve(void ***objects, size_t n) {
        if ((n & (n - 1)) != 0)
                return 0;
        void **grown = reallocarray(*objects, n == 0 ? 1 : 2 * n, sizeof *grown);
        if (!grown)
                return -ENOMEM;
        *objects = grown;
        return 0;
}

/* As many flags as reserve() makes room for queues. */
static int reserve_flags(bool **flags, size_t n) {
        if ((n & (n - 1)) != 0)
                return 0;
        bool *grown = reallocarray(*flags, n == 0 ? 1 : 2 * n, sizeof *grown);
        if (!grown)
                return -ENOMEM;
        *flags = grown;
        return 0;
}

static void insert(void **objects, size_t *n, size_t at, void *object) {
        memmove(objects + at + 1, objects + at, (*n - at) * sizeof *objects);
        objects[at] = object;
        (*n)++;
}

static void take_out(void **objects, size_t *n, const char *id) {
        bool found;
        size_t at = position(objects, *n, id, &found);
        if (!found)
                return;
        memmove(objects + at, objects + at + 1, (*n - at - 1) * sizeof *objects);
        (*n)--;
}

static bool id_valid(const char *id) {
        size_t length = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-");
        return length > 0 && length < IOCORE_ID_MAX && id[length] == '\0';
}

/* Names are the administrator's, in any language: only what could break a line or a terminal is refused. */
static bool name_valid(const char *name) {
        size_t length = strnlen(name, IOCORE_NAME_MAX);
        if (length == 0 || length == IOCORE_NAME_MAX)
                return false;
        for (size_t i = 0; i < length; i++)
                if ((unsigned char) name[i] < 0x20 || name[i] == 0x7f)
                        return false;
        return true;
}

/* Finds `id` or adds a zeroed object of `size` bytes with that id. NULL: errno. */
static void *add(void ***objects, size_t *n, size_t size, const char *id, bool *ret_new) {
        bool found;
        size_t at = position(*objects, *n, id, &found);
        if (found) {
                *ret_new = false;
                return (*objects)[at];
        }
        _cleanup_free_ char *object = calloc(1, size);
        if (!object || reserve(objects, *n) < 0) {
                errno = ENOMEM;
                return NULL;
        }
        memcpy(object, id, strlen(id) + 1);
        insert(*objects, n, at, object);
        *ret_new = true;
        return TAKE_PTR(object);
}

/* What is common to all add functions once the object is there. */
#define RETURN_IF_EXISTS(object, is_new, owner)                                                                                        \
        do {                                                                                                                           \
                if (!(object))                                                                                                         \
                        return NULL;                                                                                                   \
                if (!(is_new)) {                                                                                                       \
                        if ((object)->plugin == (owner))                                                                               \
                                return (object);                                                                                       \
                        errno = EEXIST;                                                                                                \
                        return NULL;                                                                                                   \
                }                                                                                                                      \
        } while (0)

int host_new(struct host **ret, struct topology *topology) {
        _cleanup_free_ struct host *host = calloc(1, sizeof *host);
        _cleanup_free_ struct cpu *cpus = calloc(topology->n_cpus, sizeof *cpus);
        _cleanup_free_ struct node *nodes = calloc(topology->n_nodes, sizeof *nodes);
        if (!host || !cpus || !nodes)
                return -ENOMEM;

        for (size_t i = 0; i < topology->n_nodes; i++) {
                nodes[i].topology = &topology->nodes[i];
                nodes[i].io_load_average = nodes[i].unplaced_load_average = -1;
        }
        host->nodes = TAKE_PTR(nodes);
        host->n_nodes = topology->n_nodes;
        for (size_t i = 0; i < topology->n_cpus; i++) {
                cpus[i].topology = &topology->cpus[i];
                cpus[i].node = host_node(host, topology->cpus[i].node);
                cpus[i].load_average = -1;
        }
        host->cpus = TAKE_PTR(cpus);
        host->n_cpus = topology->n_cpus;
        host->topology = topology;
        host->ewma_weight = 0.3;
        host->busy_threshold = 0.02;
        host->idle_queues_sampled = true;
        *ret = TAKE_PTR(host);
        return 0;
}

static void free_all(void *objects, size_t n) {
        void **array = objects;
        for (size_t i = 0; i < n; i++)
                free(array[i]);
        free(array);
}

struct host *host_free(struct host *host) {
        if (!host)
                return NULL;
        free_all(host->workers, host->n_workers);
        free_all(host->devices, host->n_devices);
        free_all(host->units, host->n_units);
        free_all(host->queues, host->n_queues);
        for (size_t i = 0; i < host->n_domains; i++)
                host_domain_done(host->domains[i]);
        free_all(host->domains, host->n_domains);
        free(host->domains_by_pid);
        free(host->domain_threads);
        free(host->queues_by_unit);
        free(host->queue_sampled);
        free(host->events);
        free(host->cpus);
        free(host->nodes);
        topology_free(host->topology);
        free(host);
        return NULL;
}

struct worker *host_worker_add(struct host *host, struct plugin_instance *plugin, const char *id) {
        bool is_new;
        if (!id_valid(id)) {
                errno = EINVAL;
                return NULL;
        }
        struct worker *worker = add((void ***) &host->workers, &host->n_workers, sizeof *worker, id, &is_new);
        RETURN_IF_EXISTS(worker, is_new, plugin);
        worker->plugin = plugin;
        worker->seen_epoch = host->epoch;
        worker->pub.cpu = IOCORE_CPU_ANY;
        worker->load_average = -1;
        return worker;
}

struct device *host_device_add(struct host *host, struct plugin_instance *plugin, const char *id) {
        bool is_new;
        if (!id_valid(id)) {
                errno = EINVAL;
                return NULL;
        }
        struct device *device = add((void ***) &host->devices, &host->n_devices, sizeof *device, id, &is_new);
        RETURN_IF_EXISTS(device, is_new, plugin);
        device->plugin = plugin;
        device->seen_epoch = host->epoch;
        device->pub.owner = -1;
        return device;
}

struct unit *host_unit_add(struct host *host, struct plugin_instance *plugin, const char *id) {
        bool is_new;
        if (!id_valid(id)) {
                errno = EINVAL;
                return NULL;
        }
        struct unit *unit = add((void ***) &host->units, &host->n_units, sizeof *unit, id, &is_new);
        RETURN_IF_EXISTS(unit, is_new, plugin);
        unit->plugin = plugin;
        unit->seen_epoch = host->epoch;
        unit->pub.node = IOCORE_NODE_UNKNOWN;
        unit->pub.owner = -1;
        unit->pub.queue_pair = -1;
        unit->core = IOCORE_CPU_ANY;
        unit->load_average = -1;
        host->queues_regrouped = false;
        /* Without memory for the event policies see the unit in their next on_epoch all the same. */
        (void) host_event_tell(host, HOST_DEVICE_ADDED, id);
        return unit;
}

struct queue *host_queue_add(struct host *host, struct plugin_instance *plugin, const char *id) {
        bool is_new;
        if (!id_valid(id)) {
                errno = EINVAL;
                return NULL;
        }
        /* Room for the regrouping is made here, so that host_derive() allocates nothing. */
        if (reserve((void ***) &host->queues_by_unit, host->n_queues) < 0 || reserve_flags(&host->queue_sampled, host->n_queues) < 0) {
                errno = ENOMEM;
                return NULL;
        }
        struct queue *queue = add((void ***) &host->queues, &host->n_queues, sizeof *queue, id, &is_new);
        RETURN_IF_EXISTS(queue, is_new, plugin);
        queue->plugin = plugin;
        queue->seen_epoch = host->epoch;
        queue->load_average = -1;
        host->queues_regrouped = false;
        return queue;
}

struct domain *host_domain_add(struct host *host, struct plugin_instance *plugin, const char *name) {
        bool is_new;
        if (!name_valid(name)) {
                errno = EINVAL;
                return NULL;
        }
        /* Room for the regrouping is made here, so that host_derive() allocates nothing. */
        if (reserve((void ***) &host->domains_by_pid, host->n_domains) < 0) {
                errno = ENOMEM;
                return NULL;
        }
        struct domain *domain = add((void ***) &host->domains, &host->n_domains, sizeof *domain, name, &is_new);
        RETURN_IF_EXISTS(domain, is_new, plugin);
        domain->plugin = plugin;
        domain->seen_epoch = host->epoch;
        domain->pub.node = IOCORE_NODE_UNKNOWN;
        host->domains_regrouped = false;
        (void) host_event_tell(host, HOST_DOMAIN_ADDED, name);
        return domain;
}

static void core_clear(struct host *host, struct cpu *cpu) {
        char number[16];
        cpu->io_core = cpu->io_core_ours = false;
        cpu->worker = NULL;
        cpu->plugin = NULL;
        cpu->load = cpu->wait = cpu->wait_share = 0;
        cpu->load_average = -1;
        cpu->load_valid = false;
        cpu->n_units = 0;
        cpu->idle_since_usec = 0;
        cpu->idle_told = false;
        snprintf(number, sizeof number, "%d", cpu->topology->cpu);
        (void) host_event_tell(host, HOST_CORE_REMOVED, number);
}

void host_worker_remove(struct host *host, struct worker *worker) {
        for (size_t i = 0; i < host->n_units; i++)
                if (host->units[i]->pub.worker == &worker->pub) {
                        host->units[i]->pub.worker = NULL;
                        host->units[i]->core = IOCORE_CPU_ANY;
                }
        for (size_t i = 0; i < host->n_cpus; i++)
                if (host->cpus[i].worker == worker)
                        core_clear(host, &host->cpus[i]);
        take_out((void **) host->workers, &host->n_workers, worker->pub.id);
        free(worker);
}

void host_device_remove(struct host *host, struct device *device) {
        for (size_t i = 0; i < host->n_units; i++)
                if (host->units[i]->pub.device == &device->pub)
                        host->units[i]->pub.device = NULL;
        for (size_t i = 0; i < host->n_queues; i++)
                if (host->queues[i]->pub.device == &device->pub)
                        host->queues[i]->pub.device = NULL;
        take_out((void **) host->devices, &host->n_devices, device->pub.id);
        free(device);
}

void host_unit_remove(struct host *host, struct unit *unit) {
        for (size_t i = 0; i < host->n_queues; i++)
                if (host->queues[i]->pub.unit == &unit->pub)
                        host->queues[i]->pub.unit = NULL;
        host->queues_regrouped = false;
        take_out((void **) host->units, &host->n_units, unit->pub.id);
        (void) host_event_tell(host, HOST_DEVICE_REMOVED, unit->pub.id);
        free(unit);
}

void host_queue_remove(struct host *host, struct queue *queue) {
        host->queues_regrouped = false;
        take_out((void **) host->queues, &host->n_queues, queue->pub.id);
        free(queue);
}

void host_domain_remove(struct host *host, struct domain *domain) {
        for (size_t i = 0; i < host->n_units; i++)
                if (host->units[i]->domain == domain) {
                        host->units[i]->domain = NULL;
                        host->units[i]->domain_by_pid = false;
                }
        host->domains_regrouped = false;
        host->n_domains_by_pid = 0;
        host->domain_threads_known = false;
        host->iothreads_told++;
        take_out((void **) host->domains, &host->n_domains, domain->pub.id);
        (void) host_event_tell(host, HOST_DOMAIN_REMOVED, domain->pub.id);
        host_domain_done(domain);
        free(domain);
}

/* Backwards, and what refers before what is referred to: then nothing is moved and nothing is left to clear. */
void host_remove_plugin(struct host *host, struct plugin_instance *plugin) {
        for (size_t i = host->n_queues; i-- > 0;)
                if (host->queues[i]->plugin == plugin)
                        host_queue_remove(host, host->queues[i]);
        for (size_t i = host->n_units; i-- > 0;)
                if (host->units[i]->plugin == plugin)
                        host_unit_remove(host, host->units[i]);
        for (size_t i = host->n_devices; i-- > 0;)
                if (host->devices[i]->plugin == plugin)
                        host_device_remove(host, host->devices[i]);
        for (size_t i = 0; i < host->n_cpus; i++)
                if (host->cpus[i].io_core && host->cpus[i].plugin == plugin)
                        core_clear(host, &host->cpus[i]);
        for (size_t i = host->n_workers; i-- > 0;)
                if (host->workers[i]->plugin == plugin)
                        host_worker_remove(host, host->workers[i]);
        for (size_t i = host->n_domains; i-- > 0;)
                if (host->domains[i]->plugin == plugin)
                        host_domain_remove(host, host->domains[i]);
}

struct worker *host_worker(const struct host *host, const char *id) {
        return find((void *const *) host->workers, host->n_workers, id);
}

struct device *host_device(const struct host *host, const char *id) {
        return find((void *const *) host->devices, host->n_devices, id);
}

struct unit *host_unit(const struct host *host, const char *id) {
        return find((void *const *) host->units, host->n_units, id);
}

struct queue *host_queue(const struct host *host, const char *id) {
        return find((void *const *) host->queues, host->n_queues, id);
}

struct domain *host_domain(const struct host *host, const char *name) {
        return find((void *const *) host->domains, host->n_domains, name);
}

struct cpu *host_cpu(const struct host *host, int cpu) {
        if (cpu < 0 || (size_t) cpu >= host->n_cpus || !host->cpus[cpu].topology->present)
                return NULL;
        return &host->cpus[cpu];
}

struct node *host_node(const struct host *host, int node) {
        /* Most hosts number their nodes without holes. */
        if (node >= 0 && (size_t) node < host->n_nodes && host->nodes[node].topology->node == node)
                return &host->nodes[node];
        for (size_t i = 0; i < host->n_nodes; i++)
                if (host->nodes[i].topology->node == node)
                        return &host->nodes[i];
        return NULL;
}

int host_core_set(struct host *host, struct plugin_instance *plugin, int number, struct worker *worker, bool io_core) {
        struct cpu *cpu = host_cpu(host, number);
        if (!cpu)
                return -EINVAL;
        if (!io_core) {
                /* Another worker on this CPU, or another plugin, may go without taking the core with it. */
                if (cpu->io_core && cpu->plugin == plugin && (!worker || !cpu->worker || cpu->worker == worker))
                        core_clear(host, cpu);
                return 0;
        }
        if (!cpu->io_core) {
                char text[16];
                cpu->io_core = true;
                cpu->load_average = -1;
                snprintf(text, sizeof text, "%d", number);
                (void) host_event_tell(host, HOST_CORE_ADDED, text);
        }
        cpu->plugin = plugin;
        cpu->worker = worker;
        return 0;
}

bool host_set_online(struct host *host, hwloc_const_bitmap_t online, hwloc_bitmap_t went, hwloc_bitmap_t came) {
        bool unknown = false;
        for (size_t i = 0; i < host->n_cpus; i++) {
                struct topology_cpu *cpu = &host->topology->cpus[i];
                bool is = hwloc_bitmap_isset(online, (unsigned) i) && !cpu->told_offline;
                if (is == cpu->online || (!cpu->present && !is) || hwloc_bitmap_set(is ? came : went, (unsigned) i) < 0)
                        continue;
                cpu->online = is;
                cpu->present = true;
                /* Its counters begin anew, or stand still. */
                host->cpus[i].sampled = false;
                host->cpus[i].total = 0;
                unknown = unknown || (is && cpu->core < 0);
        }
        return unknown;
}

int host_refresh_topology(struct host *host, const struct topology *fresh) {
        int r = topology_refresh(host->topology, fresh);
        struct node *nodes = r < 0 ? NULL : reallocarray(host->nodes, host->topology->n_nodes ? host->topology->n_nodes : 1, sizeof *nodes);
        if (r >= 0 && !nodes)
                r = -ENOMEM;
        if (nodes) {
                for (size_t i = host->n_nodes; i < host->topology->n_nodes; i++)
                        nodes[i] = (struct node) { .io_load_average = -1, .unplaced_load_average = -1 };
                /* What is known by the nodes' number is too short now, and told anew. */
                for (size_t i = 0; host->n_nodes != host->topology->n_nodes && i < host->n_domains; i++)
                        host_domain_forget_memory(host->domains[i]);
                host->nodes = nodes;
                host->n_nodes = host->topology->n_nodes;
        }
        /* Also on a failure: the topology's nodes may have moved. */
        for (size_t i = 0; i < host->n_nodes; i++)
                host->nodes[i].topology = &host->topology->nodes[i];
        for (size_t i = 0; i < host->n_cpus; i++)
                host->cpus[i].node = host_node(host, host->topology->cpus[i].node);
        return r;
}

struct node *host_unit_node(const struct host *host, const struct unit *unit) {
        struct node *node = NULL;
        if (unit->pub.node >= 0)
                node = host_node(host, unit->pub.node);
        if (!node) {
                const struct cpu *cpu = host_cpu(host, unit->core);
                if (cpu)
                        node = cpu->node;
        }
        if (!node && host->n_nodes > 0)
                node = &host->nodes[0];
        return node;
}

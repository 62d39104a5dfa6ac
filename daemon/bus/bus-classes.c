/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Classes of objects: how a path is turned into the model's object and back, and how they are listed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus-internal.h"
#include "daemon/cleanup.h"
#include "daemon/log.h"

struct class_description {
        enum bus_class class;
        const char *prefix;
        const char *interface;
        sd_bus_object_find_t find;
        sd_bus_node_enumerator_t enumerate;
};

static const struct class_description classes[_BUS_CLASS_MAX];

const char *bus_domain_state_to_string(enum iocore_domain_state state) {
        switch (state) {
        case IOCORE_DOMAIN_RUNNING:
                return "running";
        case IOCORE_DOMAIN_PAUSED:
                return "paused";
        case IOCORE_DOMAIN_SHUTOFF:
                return "shutoff";
        }
        return "unknown";
}

/* A CPU's number in its one spelling: no sign, no leading zero. */
static struct cpu *find_cpu(const struct host *host, const char *id) {
        char spelt[16];
        struct cpu *cpu;
        long number;
        char *end;

        errno = 0;
        number = strtol(id, &end, 10);
        if (errno != 0 || end == id || *end != '\0' || number < 0 || number > INT32_MAX)
                return NULL;
        (void) snprintf(spelt, sizeof(spelt), "%ld", number);
        if (strcmp(spelt, id) != 0)
                return NULL;
        cpu = host_cpu(host, (int) number);
        return cpu && cpu->topology->present ? cpu : NULL;
}

void *bus_class_find(const struct bus *bus, enum bus_class class, const char *id) {
        const struct host *host = engine_host(bus->engine);

        switch (class) {
        case BUS_CORE:
                return find_cpu(host, id);
        case BUS_WORKER:
                return host_worker(host, id);
        case BUS_UNIT:
                return host_unit(host, id);
        case BUS_DEVICE:
                return host_device(host, id);
        case BUS_QUEUE:
                return host_queue(host, id);
        case BUS_DOMAIN:
                return host_domain(host, id);
        case BUS_POLICY:
                return (void *) policy_set_find(engine_policies(bus->engine), id);
        case _BUS_CLASS_MAX:
                break;
        }
        return NULL;
}

const struct unit *bus_worker_unit(const struct host *host, const struct worker *worker) {
        const struct unit *unit = host_unit(host, worker->pub.id); /* on stock kernels it has the worker's name */

        if (worker->n_units != 1)
                return NULL;
        if (unit && unit->pub.worker == &worker->pub)
                return unit;
        for (size_t i = 0; i < host->n_units; i++)
                if (host->units[i]->pub.worker == &worker->pub)
                        return host->units[i];
        return NULL;
}

size_t bus_device_pairs(const struct host *host, const struct device *device) {
        size_t n = 0;

        for (size_t i = 0; i < host->n_units; i++) {
                const struct iocore_unit *unit = &host->units[i]->pub;

                n += unit->device == &device->pub && (unit->queue_pair >= 0 || unit->unidentified[0] != '\0');
        }
        return n;
}

int bus_class_visit(struct bus *bus, enum bus_class class, int (*visit)(void *userdata, const char *id), void *userdata) {
        const struct host *host = engine_host(bus->engine);
        int r = 0;

#define VISIT(count, id)                                                                                                                   \
        for (size_t i = 0; r == 0 && i < (count); i++)                                                                                     \
        r = visit(userdata, (id))

        switch (class) {
        case BUS_CORE:
                for (size_t i = 0; r == 0 && i < host->n_cpus; i++) {
                        char number[24];

                        (void) snprintf(number, sizeof(number), "%zu", i);
                        if (host->cpus[i].topology->present)
                                r = visit(userdata, number);
                }
                break;
        case BUS_WORKER:
                VISIT(host->n_workers, host->workers[i]->pub.id);
                break;
        case BUS_UNIT:
                VISIT(host->n_units, host->units[i]->pub.id);
                break;
        case BUS_DEVICE:
                VISIT(host->n_devices, host->devices[i]->pub.id);
                break;
        case BUS_QUEUE:
                VISIT(host->n_queues, host->queues[i]->pub.id);
                break;
        case BUS_DOMAIN:
                VISIT(host->n_domains, host->domains[i]->pub.id);
                break;
        case BUS_POLICY:
                VISIT(policy_set_size(engine_policies(bus->engine)), policy_set_info(engine_policies(bus->engine), i)->name);
                break;
        case _BUS_CLASS_MAX:
                break;
        }
        return r;
}

const char *bus_class_interface(enum bus_class class) {
        return classes[class].interface;
}

int bus_object_path(enum bus_class class, const char *id, char **ret) {
        return sd_bus_path_encode(classes[class].prefix, id, ret) < 0 ? -ENOMEM : 0;
}

int bus_append_reference(sd_bus_message *reply, enum bus_class class, const char *id) {
        _cleanup_free_ char *path = NULL;

        if (!id)
                return sd_bus_message_append(reply, "(so)", "", "/");
        if (bus_object_path(class, id, &path) < 0)
                return -ENOMEM;
        return sd_bus_message_append(reply, "(so)", id, path);
}

void bus_object_changed(struct bus *bus, const char *id) {
        for (enum bus_class class = 0; class < _BUS_CLASS_MAX; class ++) {
                _cleanup_free_ char *path = NULL;
                int r;

                /* a device has nothing that is announced */
                if (class == BUS_DEVICE || !bus_class_find(bus, class, id))
                        continue;
                r = bus_object_path(class, id, &path);
                if (r >= 0) {
                        bus->emitting = true;
                        r = sd_bus_emit_properties_changed_strv(bus->connection, path, classes[class].interface, NULL);
                        bus->emitting = false;
                }
                if (r < 0)
                        log_debug("bus: cannot tell that %s changed: %s", id, strerror(-r));
        }
}

static int find_object(enum bus_class class, const char *path, void *userdata, void **ret_found) {
        struct bus *bus = userdata;
        _cleanup_free_ char *id = NULL;
        int r;

        r = sd_bus_path_decode(path, classes[class].prefix, &id);
        if (r <= 0)
                return r;
        /* Before the object is looked up: nothing may be sampled while somebody holds a pointer to it. */
        if (!bus->emitting)
                engine_refresh(bus->engine);
        *ret_found = bus_class_find(bus, class, id);
        return *ret_found != NULL;
}

struct path_list {
        enum bus_class class;
        char **paths;
        size_t n, allocated;
};

static int collect_path(void *userdata, const char *id) {
        struct path_list *list = userdata;
        char *path;

        if (list->n + 2 > list->allocated) {
                size_t wanted = list->allocated ? list->allocated * 2 : 64;
                char **paths = reallocarray(list->paths, wanted, sizeof(*paths));

                if (!paths)
                        return -ENOMEM;
                list->paths = paths;
                list->allocated = wanted;
        }
        if (bus_object_path(list->class, id, &path) < 0)
                return -ENOMEM;
        list->paths[list->n++] = path;
        list->paths[list->n] = NULL;
        return 0;
}

static int enumerate_objects(enum bus_class class, sd_bus *connection, void *userdata, char ***ret_nodes) {
        struct path_list list = {.class = class};
        sd_bus_message *message = sd_bus_get_current_message(connection);
        int r;

        /* Anybody may ask for all managed objects: ten thousand queues would make that a burden. They are reached by their device's
         * property Queues. */
        if (class == BUS_QUEUE && message &&
            sd_bus_message_is_method_call(message, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects") > 0)
                return 0;
        r = bus_class_visit(userdata, class, collect_path, &list);
        if (r < 0) {
                for (size_t i = 0; i < list.n; i++)
                        free(list.paths[i]);
                free(list.paths);
                return r;
        }
        *ret_nodes = list.paths;
        return 0;
}

/* sd-bus hands a find function the path, but not which vtable it is asked for: one pair of functions a class. */
#define CLASS_FUNCTIONS(name, class)                                                                                                       \
        static int find_##name(sd_bus *connection, const char *path, const char *interface, void *userdata, void **ret_found,              \
                               sd_bus_error *error) {                                                                                      \
                (void) connection, (void) interface, (void) error;                                                                         \
                return find_object(class, path, userdata, ret_found);                                                                      \
        }                                                                                                                                  \
        static int enumerate_##name(sd_bus *connection, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *error) {      \
                (void) prefix, (void) error;                                                                                               \
                return enumerate_objects(class, connection, userdata, ret_nodes);                                                          \
        }

CLASS_FUNCTIONS(core, BUS_CORE)
CLASS_FUNCTIONS(worker, BUS_WORKER)
CLASS_FUNCTIONS(unit, BUS_UNIT)
CLASS_FUNCTIONS(device, BUS_DEVICE)
CLASS_FUNCTIONS(queue, BUS_QUEUE)
CLASS_FUNCTIONS(domain, BUS_DOMAIN)
CLASS_FUNCTIONS(policy, BUS_POLICY)

static const struct class_description classes[_BUS_CLASS_MAX] = {
        [BUS_CORE] = {BUS_CORE, BUS_ROOT "/core", "org.iocore1.Core", find_core, enumerate_core},
        [BUS_WORKER] = {BUS_WORKER, BUS_ROOT "/worker", "org.iocore1.Worker", find_worker, enumerate_worker},
        [BUS_UNIT] = {BUS_UNIT, BUS_ROOT "/unit", "org.iocore1.Unit", find_unit, enumerate_unit},
        [BUS_DEVICE] = {BUS_DEVICE, BUS_ROOT "/device", "org.iocore1.Device", find_device, enumerate_device},
        [BUS_QUEUE] = {BUS_QUEUE, BUS_ROOT "/queue", "org.iocore1.Queue", find_queue, enumerate_queue},
        [BUS_DOMAIN] = {BUS_DOMAIN, BUS_ROOT "/domain", "org.iocore1.Domain", find_domain, enumerate_domain},
        [BUS_POLICY] = {BUS_POLICY, BUS_ROOT "/policy", "org.iocore1.Policy", find_policy, enumerate_policy},
};

int bus_classes_register(struct bus *bus) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < _BUS_CLASS_MAX; i++) {
                const struct class_description *class = classes + i;

                r = sd_bus_add_fallback_vtable(bus->connection, NULL, class->prefix, class->interface, bus_class_vtable(class->class),
                                               class->find, bus);
                if (r >= 0)
                        r = sd_bus_add_node_enumerator(bus->connection, NULL, class->prefix, class->enumerate, bus);
        }
        return r < 0 ? r : 0;
}

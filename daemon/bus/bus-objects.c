/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The objects below the root: one fallback vtable a class, so that ten thousand queues cost nothing until somebody asks for one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus-properties.h"
#include "daemon/cleanup.h"

static struct bus *current_bus(sd_bus *connection) {
        return sd_bus_slot_get_userdata(sd_bus_get_current_slot(connection));
}

const struct host *bus_current_host(sd_bus *connection) {
        return engine_host(current_bus(connection)->engine);
}

/* ---- getters of one member */

BUS_GETTER(bus_get_string) {
        struct bus_text text;

        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append_basic(reply, 's', bus_text(&text, userdata));
}

BUS_GETTER(bus_get_bool) {
        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "b", (int) *(const bool *) userdata);
}

BUS_GETTER(bus_get_pid) {
        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "i", (int) *(const pid_t *) userdata);
}

GETTER(get_size) {
        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "t", (uint64_t) * (const size_t *) userdata);
}

GETTER(get_object_state) {
        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "s", *(const enum object_state *) userdata == OBJECT_MANUAL ? "manual" : "active");
}

GETTER(get_unit_state) {
        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "s", host_unit_is_manual(userdata) ? "manual" : "active");
}

GETTER(get_worker_reference) {
        const struct worker *worker = *(struct worker *const *) userdata;

        UNUSED_GETTER_ARGUMENTS;
        return bus_append_reference(reply, BUS_WORKER, worker ? worker->pub.id : NULL);
}

GETTER(get_unit_worker) {
        const struct unit *unit = userdata;

        UNUSED_GETTER_ARGUMENTS;
        return bus_append_reference(reply, BUS_WORKER, unit->pub.worker ? unit->pub.worker->id : NULL);
}

GETTER(get_unit_reference) {
        const struct iocore_unit *unit = *(struct iocore_unit *const *) userdata;

        UNUSED_GETTER_ARGUMENTS;
        return bus_append_reference(reply, BUS_UNIT, unit ? unit->id : NULL);
}

GETTER(get_device_reference) {
        const struct iocore_device *device = *(struct iocore_device *const *) userdata;

        UNUSED_GETTER_ARGUMENTS;
        return bus_append_reference(reply, BUS_DEVICE, device ? device->id : NULL);
}

/* ---- lists of units and queues: found by walking the model, only when asked */

typedef bool (*unit_filter)(const struct unit *unit, const void *of);

static int append_units(sd_bus *connection, sd_bus_message *reply, unit_filter filter, const void *of) {
        const struct host *host = bus_current_host(connection);
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(so)");
        for (size_t i = 0; r >= 0 && i < host->n_units; i++)
                if (filter(host->units[i], of))
                        r = bus_append_reference(reply, BUS_UNIT, host->units[i]->pub.id);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static bool unit_is_on_core(const struct unit *unit, const void *of) {
        return unit->core == ((const struct cpu *) of)->topology->cpu;
}
static bool unit_is_of_worker(const struct unit *unit, const void *of) {
        return unit->pub.worker == &((const struct worker *) of)->pub;
}
static bool unit_is_of_device(const struct unit *unit, const void *of) {
        return unit->pub.device == &((const struct device *) of)->pub;
}
GETTER(get_core_units) {
        UNUSED_GETTER_ARGUMENTS;
        return append_units(connection, reply, unit_is_on_core, userdata);
}
GETTER(get_worker_units) {
        UNUSED_GETTER_ARGUMENTS;
        return append_units(connection, reply, unit_is_of_worker, userdata);
}
GETTER(get_device_units) {
        UNUSED_GETTER_ARGUMENTS;
        return append_units(connection, reply, unit_is_of_device, userdata);
}
GETTER(get_device_queues) {
        const struct host *host = bus_current_host(connection);
        const struct device *device = userdata;
        int r;

        UNUSED_GETTER_ARGUMENTS;
        r = sd_bus_message_open_container(reply, 'a', "(so)");
        for (size_t i = 0; r >= 0 && i < host->n_queues; i++)
                if (host->queues[i]->pub.device == &device->pub)
                        r = bus_append_reference(reply, BUS_QUEUE, host->queues[i]->pub.id);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(get_device_pairs) {
        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "u", (unsigned) bus_device_pairs(bus_current_host(connection), userdata));
}

/* ---- workers: whom one serves is known by its unit, where it executes just one */

GETTER(get_worker_text) {
        const struct unit *unit = bus_worker_unit(bus_current_host(connection), userdata);
        const struct iocore_device *device = unit ? unit->pub.device : NULL;
        struct bus_text clean;
        const char *text = "";

        UNUSED_GETTER_ARGUMENTS;
        if (device && strcmp(property, "Kind") == 0)
                text = device->kind;
        else if (device && strcmp(property, "Backend") == 0)
                text = device->backend;
        else if (unit && strcmp(property, "Domain") == 0)
                text = host_unit_domain_name(unit);
        else if (unit && strcmp(property, "Unidentified") == 0)
                text = unit->pub.unidentified;
        return sd_bus_message_append_basic(reply, 's', bus_text(&clean, text));
}

GETTER(get_worker_queue_pair) {
        const struct unit *unit = bus_worker_unit(bus_current_host(connection), userdata);

        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "i", unit ? unit->pub.queue_pair : -1);
}

GETTER(get_worker_owner) {
        const struct unit *unit = bus_worker_unit(bus_current_host(connection), userdata);

        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "i", unit ? (int) unit->pub.owner : -1);
}

/* ---- cores: most of what is told of one is its place in the topology */

GETTER(get_core_topology) {
        const struct topology_cpu *cpu = ((const struct cpu *) userdata)->topology;
        static const struct {
                const char *property;
                size_t offset;
        } numbers[] = {
                {"Cpu", offsetof(struct topology_cpu, cpu)},           {"Node", offsetof(struct topology_cpu, node)},
                {"Package", offsetof(struct topology_cpu, package)},   {"LastLevelCache", offsetof(struct topology_cpu, llc)},
                {"PhysicalCore", offsetof(struct topology_cpu, core)},
        };

        UNUSED_GETTER_ARGUMENTS;
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (strcmp(property, numbers[i].property) == 0)
                        return sd_bus_message_append(reply, "i", *(const int *) ((const char *) cpu + numbers[i].offset));
        return -ENXIO;
}

GETTER(get_core_online) {
        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "b", (int) ((const struct cpu *) userdata)->topology->online);
}
GETTER(get_core_isolated) {
        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "b", (int) ((const struct cpu *) userdata)->topology->isolated);
}
GETTER(get_core_busy) {
        const struct cpu *cpu = userdata;

        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "d", cpu->sampled ? cpu->busy_share : -1.0);
}

static const sd_bus_vtable core_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Cpu", "i", get_core_topology, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Node", "i", get_core_topology, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Package", "i", get_core_topology, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("PhysicalCore", "i", get_core_topology, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("LastLevelCache", "i", get_core_topology, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Online", "b", get_core_online, 0, 0),
        SD_BUS_PROPERTY("Isolated", "b", get_core_isolated, 0, 0),
        SD_BUS_PROPERTY("IOCore", "b", bus_get_bool, offsetof(struct cpu, io_core), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Ours", "b", bus_get_bool, offsetof(struct cpu, io_core_ours), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Worker", "(so)", get_worker_reference, offsetof(struct cpu, worker), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Units", "a(so)", get_core_units, 0, SD_BUS_VTABLE_PROPERTY_EXPLICIT),
        SD_BUS_PROPERTY("BusyShare", "d", get_core_busy, 0, 0),
        SD_BUS_PROPERTY("Load", "d", NULL, offsetof(struct cpu, load), 0),
        SD_BUS_PROPERTY("LoadAverage", "d", NULL, offsetof(struct cpu, load_average), 0),
        SD_BUS_PROPERTY("WaitShare", "d", NULL, offsetof(struct cpu, wait_share), 0),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable worker_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "s", bus_get_string, offsetof(struct worker, pub.id), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Pid", "i", bus_get_pid, offsetof(struct worker, pub.pid), 0),
        SD_BUS_PROPERTY("Cpu", "i", NULL, offsetof(struct worker, pub.cpu), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Locked", "b", bus_get_bool, offsetof(struct worker, pub.locked), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Shared", "b", bus_get_bool, offsetof(struct worker, pub.shared), 0),
        SD_BUS_PROPERTY("Default", "b", bus_get_bool, offsetof(struct worker, pub.is_default), 0),
        SD_BUS_PROPERTY("State", "s", get_object_state, offsetof(struct worker, state), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Kind", "s", get_worker_text, 0, 0),
        SD_BUS_PROPERTY("Backend", "s", get_worker_text, 0, 0),
        SD_BUS_PROPERTY("QueuePair", "i", get_worker_queue_pair, 0, 0),
        SD_BUS_PROPERTY("Unidentified", "s", get_worker_text, 0, 0),
        SD_BUS_PROPERTY("Owner", "i", get_worker_owner, 0, 0),
        SD_BUS_PROPERTY("Domain", "s", get_worker_text, 0, 0),
        SD_BUS_PROPERTY("Units", "a(so)", get_worker_units, 0, SD_BUS_VTABLE_PROPERTY_EXPLICIT),
        SD_BUS_PROPERTY("Load", "d", NULL, offsetof(struct worker, load), 0),
        SD_BUS_PROPERTY("LoadAverage", "d", NULL, offsetof(struct worker, load_average), 0),
        SD_BUS_PROPERTY("WaitShare", "d", NULL, offsetof(struct worker, wait_share), 0),
        SD_BUS_PROPERTY("SwitchesPerSecond", "d", NULL, offsetof(struct worker, switches_per_second), 0),
        SD_BUS_VTABLE_END,
};

GETTER(get_unit_domain) {
        struct bus_text clean;

        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append_basic(reply, 's', bus_text(&clean, host_unit_domain_name(userdata)));
}

static const sd_bus_vtable unit_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "s", bus_get_string, offsetof(struct unit, pub.id), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Domain", "s", get_unit_domain, 0, 0),
        SD_BUS_PROPERTY("Device", "(so)", get_device_reference, offsetof(struct unit, pub.device), 0),
        SD_BUS_PROPERTY("QueuePair", "i", NULL, offsetof(struct unit, pub.queue_pair), 0),
        SD_BUS_PROPERTY("Unidentified", "s", bus_get_string, offsetof(struct unit, pub.unidentified), 0),
        SD_BUS_PROPERTY("Worker", "(so)", get_unit_worker, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Core", "i", NULL, offsetof(struct unit, core), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Node", "i", NULL, offsetof(struct unit, pub.node), 0),
        SD_BUS_PROPERTY("Owner", "i", bus_get_pid, offsetof(struct unit, pub.owner), 0),
        SD_BUS_PROPERTY("State", "s", get_unit_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Blocked", "b", bus_get_bool, offsetof(struct unit, pub.blocked), 0),
        SD_BUS_PROPERTY("RatesValid", "b", bus_get_bool, offsetof(struct unit, rates_valid), 0),
        SD_BUS_PROPERTY("Load", "d", NULL, offsetof(struct unit, load), 0),
        SD_BUS_PROPERTY("LoadAverage", "d", NULL, offsetof(struct unit, load_average), 0),
        SD_BUS_PROPERTY("BytesPerSecond", "d", NULL, offsetof(struct unit, bytes_per_second), 0),
        SD_BUS_PROPERTY("NsecPerByte", "d", NULL, offsetof(struct unit, nsec_per_byte), 0),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable device_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "s", bus_get_string, offsetof(struct device, pub.id), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Owner", "i", bus_get_pid, offsetof(struct device, pub.owner), 0),
        SD_BUS_PROPERTY("Kind", "s", bus_get_string, offsetof(struct device, pub.kind), 0),
        SD_BUS_PROPERTY("Backend", "s", bus_get_string, offsetof(struct device, pub.backend), 0),
        SD_BUS_PROPERTY("QueuePairs", "u", get_device_pairs, 0, 0),
        SD_BUS_PROPERTY("Units", "a(so)", get_device_units, 0, SD_BUS_VTABLE_PROPERTY_EXPLICIT),
        SD_BUS_PROPERTY("Queues", "a(so)", get_device_queues, 0, SD_BUS_VTABLE_PROPERTY_EXPLICIT),
        SD_BUS_VTABLE_END,
};

/* ---- queues: a rate that does not rest on two fresh samples is told as 0 */

GETTER(get_queue_rate) {
        const struct queue *queue = userdata;
        static const struct {
                const char *property;
                size_t offset;
        } rates[] = {
                {"Load", offsetof(struct queue, load)},
                {"BytesPerSecond", offsetof(struct queue, bytes_per_second)},
                {"PacketsPerSecond", offsetof(struct queue, packets_per_second)},
                {"WorksPerSecond", offsetof(struct queue, works_per_second)},
                {"WaitShare", offsetof(struct queue, wait_share)},
                {"StuckPerSecond", offsetof(struct queue, stuck_per_second)},
                {"RingFullPerSecond", offsetof(struct queue, ring_full_per_second)},
                {"PollEmptyPerSecond", offsetof(struct queue, poll_empty_per_second)},
                {"DropsPerSecond", offsetof(struct queue, drops_per_second)},
        };

        double rate = 0;

        UNUSED_GETTER_ARGUMENTS;
        for (size_t i = 0; i < ELEMENTSOF(rates); i++)
                if (strcmp(property, rates[i].property) == 0) {
                        if (queue_rates_valid(bus_current_host(connection), queue))
                                memcpy(&rate, (const char *) queue + rates[i].offset, sizeof(rate));
                        return sd_bus_message_append(reply, "d", rate);
                }
        return -ENXIO;
}

GETTER(get_queue_rates_valid) {
        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "b", (int) queue_rates_valid(bus_current_host(connection), userdata));
}

GETTER(get_queue_counters) {
        const struct queue *queue = userdata;
        const struct {
                const char *name;
                uint32_t field;
                uint64_t value;
        } counters[] = {
                {"busy", IOCORE_QUEUE_BUSY, queue->pub.busy},
                {"bytes", IOCORE_QUEUE_BYTES, queue->pub.bytes},
                {"packets", IOCORE_QUEUE_PACKETS, queue->pub.packets},
                {"works", IOCORE_QUEUE_WORKS, queue->pub.works},
                {"wait", IOCORE_QUEUE_WAIT, queue->pub.wait},
                {"stuck", IOCORE_QUEUE_STUCK, queue->pub.stuck},
                {"ring_full", IOCORE_QUEUE_RING_FULL, queue->pub.ring_full},
                {"poll_empty", IOCORE_QUEUE_POLL_EMPTY, queue->pub.poll_empty},
                {"drops", IOCORE_QUEUE_DROPS, queue->pub.drops},
        };
        int r;

        UNUSED_GETTER_ARGUMENTS;
        r = sd_bus_message_open_container(reply, 'a', "{st}");
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(counters); i++)
                if (queue->pub.fields & counters[i].field)
                        r = sd_bus_message_append(reply, "{st}", counters[i].name, counters[i].value);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static const sd_bus_vtable queue_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "s", bus_get_string, offsetof(struct queue, pub.id), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Index", "u", NULL, offsetof(struct queue, pub.index), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Unit", "(so)", get_unit_reference, offsetof(struct queue, pub.unit), 0),
        SD_BUS_PROPERTY("Device", "(so)", get_device_reference, offsetof(struct queue, pub.device), 0),
        SD_BUS_PROPERTY("CanPoll", "b", bus_get_bool, offsetof(struct queue, pub.can_poll), 0),
        SD_BUS_PROPERTY("Poll", "b", bus_get_bool, offsetof(struct queue, pub.poll), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("State", "s", get_object_state, offsetof(struct queue, state), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("RatesValid", "b", get_queue_rates_valid, 0, 0),
        SD_BUS_PROPERTY("Load", "d", get_queue_rate, 0, 0),
        SD_BUS_PROPERTY("BytesPerSecond", "d", get_queue_rate, 0, 0),
        SD_BUS_PROPERTY("PacketsPerSecond", "d", get_queue_rate, 0, 0),
        SD_BUS_PROPERTY("WorksPerSecond", "d", get_queue_rate, 0, 0),
        SD_BUS_PROPERTY("WaitShare", "d", get_queue_rate, 0, 0),
        SD_BUS_PROPERTY("StuckPerSecond", "d", get_queue_rate, 0, 0),
        SD_BUS_PROPERTY("RingFullPerSecond", "d", get_queue_rate, 0, 0),
        SD_BUS_PROPERTY("PollEmptyPerSecond", "d", get_queue_rate, 0, 0),
        SD_BUS_PROPERTY("DropsPerSecond", "d", get_queue_rate, 0, 0),
        SD_BUS_PROPERTY("Counters", "a{st}", get_queue_counters, 0, 0),
        SD_BUS_VTABLE_END,
};

GETTER(get_policy_state) {
        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "s", policy_state_to_string(*(const enum policy_state *) userdata));
}

GETTER(get_policy_parameters) {
        const struct policy_info *policy = userdata;
        int r;

        UNUSED_GETTER_ARGUMENTS;
        r = sd_bus_message_open_container(reply, 'a', "(sddddbss)");
        for (size_t i = 0; r >= 0 && i < policy->n_parameters; i++) {
                const struct policy_parameter *p = policy->parameters + i;

                r = sd_bus_message_append(reply, "(sddddbss)", p->name, p->value, p->fallback, p->minimum, p->maximum, (int) p->is_boolean,
                                          p->unit, p->doc);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static const sd_bus_vtable policy_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", bus_get_string, offsetof(struct policy_info, name), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("File", "s", bus_get_string, offsetof(struct policy_info, file), 0),
        SD_BUS_PROPERTY("Path", "s", NULL, offsetof(struct policy_info, path), 0),
        SD_BUS_PROPERTY("Doc", "s", bus_get_string, offsetof(struct policy_info, doc), 0),
        SD_BUS_PROPERTY("Priority", "i", NULL, offsetof(struct policy_info, priority), 0),
        SD_BUS_PROPERTY("State", "s", get_policy_state, offsetof(struct policy_info, state), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Error", "s", bus_get_string, offsetof(struct policy_info, error), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Parameters", "a(sddddbss)", get_policy_parameters, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Runs", "t", NULL, offsetof(struct policy_info, n_runs), 0),
        SD_BUS_PROPERTY("Intents", "t", NULL, offsetof(struct policy_info, n_intents), 0),
        SD_BUS_PROPERTY("MemoryBytes", "t", get_size, offsetof(struct policy_info, memory_bytes), 0),
        SD_BUS_VTABLE_END,
};

const sd_bus_vtable *bus_class_vtable(enum bus_class class) {
        static const sd_bus_vtable *const vtables[_BUS_CLASS_MAX] = {
                [BUS_CORE] = core_vtable,   [BUS_WORKER] = worker_vtable, [BUS_UNIT] = unit_vtable,     [BUS_DEVICE] = device_vtable,
                [BUS_QUEUE] = queue_vtable, [BUS_DOMAIN] = bus_domain_vtable, [BUS_POLICY] = policy_vtable,
        };

        return vtables[class];
}

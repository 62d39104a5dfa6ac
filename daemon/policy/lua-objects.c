/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fields of each kind of object. Reading one allocates nothing beyond Lua's own strings. */
#include <string.h>

#include "daemon/cleanup.h"
#include "lua-internal.h"

static int host_node_by_id(lua_State *lua);
static int host_core_by_cpu(lua_State *lua);
static int host_unit_by_id(lua_State *lua);
static int host_queue_by_id(lua_State *lua);
static int host_worker_by_id(lua_State *lua);
static int host_domain_by_name(lua_State *lua);

#define METHOD(name, function) { name, -1, function }
#define VALUE(name, field) { name, field, NULL }

static const struct field host_fields[] = {
        VALUE("epoch", FIELD_EPOCH), VALUE("time", FIELD_TIME), VALUE("can", FIELD_CAN), VALUE("why_not", FIELD_WHY_NOT),
        VALUE("n_units", FIELD_N_UNITS), VALUE("n_queues", FIELD_N_QUEUES),
        METHOD("nodes", host_nodes), METHOD("cores", host_cores), METHOD("units", host_units), METHOD("queues", host_queues),
        METHOD("workers", host_workers), METHOD("domains", host_domains),
        METHOD("node", host_node_by_id), METHOD("core", host_core_by_cpu), METHOD("unit", host_unit_by_id), METHOD("queue", host_queue_by_id),
        METHOD("worker", host_worker_by_id), METHOD("domain", host_domain_by_name),
        METHOD("set", action_set), METHOD("pin_irq", action_pin_irq), METHOD("coalesce", action_coalesce),
        METHOD("placements", host_placements),
};
static const struct field node_fields[] = {
        VALUE("id", FIELD_ID), VALUE("io", FIELD_IO), VALUE("vm", FIELD_VM), VALUE("unplaced_load", FIELD_UNPLACED_LOAD),
        VALUE("unplaced_load_average", FIELD_UNPLACED_LOAD_AVERAGE), VALUE("n_units", FIELD_N_UNITS),
        VALUE("n_unplaced", FIELD_N_UNPLACED),
        METHOD("cores", host_cores), METHOD("units", host_units), METHOD("queues", host_queues),
        METHOD("grow", action_grow), METHOD("shrink", action_shrink),
};
static const struct field node_io_fields[] = {
        VALUE("cores", FIELD_CORES), VALUE("load", FIELD_LOAD), VALUE("load_average", FIELD_LOAD_AVERAGE), VALUE("idle", FIELD_IDLE),
        VALUE("sampled", FIELD_SAMPLED), VALUE("busiest", FIELD_BUSIEST), VALUE("idlest", FIELD_IDLEST),
};
static const struct field node_vm_fields[] = { VALUE("cores", FIELD_CORES), VALUE("idle", FIELD_IDLE) };
static const struct field core_fields[] = {
        VALUE("cpu", FIELD_CPU), VALUE("node", FIELD_NODE), VALUE("io", FIELD_IO_CORE), VALUE("ours", FIELD_OURS), VALUE("load", FIELD_LOAD),
        VALUE("load_average", FIELD_LOAD_AVERAGE), VALUE("idle", FIELD_IDLE), VALUE("wait", FIELD_WAIT), VALUE("busy", FIELD_BUSY),
        VALUE("n_units", FIELD_N_UNITS), VALUE("online", FIELD_ONLINE), VALUE("isolated", FIELD_ISOLATED), VALUE("package", FIELD_PACKAGE),
        VALUE("llc", FIELD_LLC), VALUE("worker", FIELD_WORKER), VALUE("sampled", FIELD_SAMPLED),
        METHOD("units", host_units), METHOD("queues", host_queues), METHOD("shrink", action_shrink),
};
static const struct field unit_fields[] = {
        VALUE("id", FIELD_ID), VALUE("gone", FIELD_GONE), VALUE("load", FIELD_LOAD), VALUE("load_average", FIELD_LOAD_AVERAGE),
        VALUE("sampled", FIELD_SAMPLED), VALUE("core", FIELD_CORE), VALUE("node", FIELD_NODE), VALUE("domain", FIELD_DOMAIN),
        VALUE("backend", FIELD_BACKEND), VALUE("worker", FIELD_WORKER), VALUE("bytes_per_second", FIELD_BYTES), VALUE("manual", FIELD_MANUAL),
        VALUE("blocked", FIELD_BLOCKED), VALUE("nsec_per_byte", FIELD_COST),
        METHOD("move", action_move),
};
static const struct field queue_fields[] = {
        VALUE("id", FIELD_ID), VALUE("gone", FIELD_GONE), VALUE("load", FIELD_LOAD), VALUE("load_average", FIELD_LOAD_AVERAGE),
        VALUE("sampled", FIELD_SAMPLED), VALUE("unit", FIELD_UNIT), VALUE("index", FIELD_INDEX), VALUE("polled", FIELD_POLLED),
        VALUE("can_poll", FIELD_CAN_POLL), VALUE("manual", FIELD_MANUAL), VALUE("bytes_per_second", FIELD_BYTES),
        VALUE("packets_per_second", FIELD_PACKETS), VALUE("works_per_second", FIELD_WORKS), VALUE("wait", FIELD_WAIT),
        VALUE("stuck_per_second", FIELD_STUCK), VALUE("ring_full_per_second", FIELD_RING_FULL), VALUE("poll_empty_per_second", FIELD_POLL_EMPTY),
        VALUE("drops_per_second", FIELD_DROPS),
        METHOD("poll", action_poll), METHOD("limit", action_limit),
};
static const struct field worker_fields[] = {
        VALUE("id", FIELD_ID), VALUE("gone", FIELD_GONE), VALUE("cpu", FIELD_CPU), VALUE("load", FIELD_LOAD),
        VALUE("load_average", FIELD_LOAD_AVERAGE), VALUE("sampled", FIELD_SAMPLED), VALUE("wait", FIELD_WAIT),
        VALUE("switches_per_second", FIELD_SWITCHES), VALUE("locked", FIELD_LOCKED),
        VALUE("shared", FIELD_SHARED), VALUE("default", FIELD_DEFAULT), VALUE("manual", FIELD_MANUAL),
};
static const struct field domain_fields[] = {
        VALUE("name", FIELD_NAME), VALUE("gone", FIELD_GONE), VALUE("state", FIELD_STATE), VALUE("node", FIELD_NODE), VALUE("vcpus", FIELD_VCPUS),
        VALUE("uuid", FIELD_UUID), VALUE("stale", FIELD_STALE), VALUE("pinned", FIELD_PINNED), VALUE("bound", FIELD_BOUND), VALUE("wish", FIELD_WISH),
        VALUE("class", FIELD_CLASS), VALUE("weight", FIELD_WEIGHT), VALUE("share_within", FIELD_SHARE_WITHIN), VALUE("memory_kib", FIELD_MEMORY),
        VALUE("backing", FIELD_BACKING), VALUE("moving", FIELD_MOVING), VALUE("emulator_cpus", FIELD_EMULATOR_CPUS), VALUE("n_vcpus", FIELD_N_VCPUS), VALUE("n_iothreads", FIELD_N_IOTHREADS),
        VALUE("n_cells", FIELD_N_CELLS), VALUE("n_devices", FIELD_N_DEVICES), METHOD("vcpu", domain_vcpu), METHOD("iothread", domain_iothread),
        METHOD("cell", domain_cell), METHOD("device", domain_device),
        METHOD("pin", action_pin), METHOD("bind_memory", action_bind_memory), METHOD("place", action_place),
};

#define FIELDS_OF(kind, array) [kind] = { array, ELEMENTSOF(array) }
static const struct {
        const struct field *fields;
        size_t n;
} all_fields[_OBJECT_KIND_MAX] = {
        FIELDS_OF(OBJECT_HOST, host_fields),       FIELDS_OF(OBJECT_NODE, node_fields),     FIELDS_OF(OBJECT_NODE_IO, node_io_fields),
        FIELDS_OF(OBJECT_NODE_VM, node_vm_fields), FIELDS_OF(OBJECT_CORE, core_fields),     FIELDS_OF(OBJECT_UNIT, unit_fields),
        FIELDS_OF(OBJECT_QUEUE, queue_fields),     FIELDS_OF(OBJECT_WORKER, worker_fields), FIELDS_OF(OBJECT_DOMAIN, domain_fields),
};

const struct field *object_fields(enum object_kind kind, size_t *ret_n) {
        *ret_n = all_fields[kind].n;
        return all_fields[kind].fields;
}

/* An average that does not exist yet is the newest value. */
static double average_or(double average, double value) {
        return average < 0 ? value : average;
}

void push_cpu_or_nil(lua_State *lua, int cpu) {
        if (cpu < 0)
                lua_pushnil(lua);
        else
                lua_pushinteger(lua, cpu);
}

static void push_host_field(lua_State *lua, const struct host *host, int field) {
        const struct lua_sandbox *sandbox = sandbox_of(lua);

        switch (field) {
        case FIELD_EPOCH:
                lua_pushinteger(lua, (lua_Integer) host->epoch);
                break;
        case FIELD_TIME:
                lua_pushnumber(lua, (double) host->now_usec / 1e6);
                break;
        case FIELD_CAN:
                lua_rawgeti(lua, LUA_REGISTRYINDEX, sandbox->can_object);
                break;
        case FIELD_WHY_NOT:
                lua_rawgeti(lua, LUA_REGISTRYINDEX, sandbox->why_not_object);
                break;
        case FIELD_N_UNITS:
                lua_pushinteger(lua, (lua_Integer) host->n_units);
                break;
        case FIELD_N_QUEUES:
                lua_pushinteger(lua, (lua_Integer) host->n_queues);
                break;
        default:
                lua_pushnil(lua);
        }
}

static void push_node_field(lua_State *lua, const struct object *object, const struct node *node, int field) {
        switch (field) {
        case FIELD_ID:
                lua_pushinteger(lua, node->topology->node);
                break;
        case FIELD_IO:
                push_node_part(lua, OBJECT_NODE_IO, object->index);
                break;
        case FIELD_VM:
                push_node_part(lua, OBJECT_NODE_VM, object->index);
                break;
        case FIELD_UNPLACED_LOAD:
                lua_pushnumber(lua, node->unplaced_load);
                break;
        case FIELD_UNPLACED_LOAD_AVERAGE:
                lua_pushnumber(lua, average_or(node->unplaced_load_average, node->unplaced_load));
                break;
        case FIELD_N_UNITS:
                lua_pushinteger(lua, (lua_Integer) node->n_units);
                break;
        case FIELD_N_UNPLACED:
                lua_pushinteger(lua, (lua_Integer) node->n_units_unplaced);
                break;
        default:
                lua_pushnil(lua);
        }
}

/* The node's I/O core with the highest or the lowest load; of equals the one with more or fewer units, then the lowest CPU. */
static void push_extreme(lua_State *lua, const struct host *host, const struct node *node, bool highest) {
        const struct cpu *best = NULL;

        for (size_t i = 0; i < host->n_cpus; i++) {
                const struct cpu *cpu = &host->cpus[i];
                double difference;

                if (!cpu->io_core || cpu->topology->node != node->topology->node)
                        continue;
                if (!best) {
                        best = cpu;
                        continue;
                }
                difference = average_or(cpu->load_average, cpu->load) - average_or(best->load_average, best->load);
                if (difference == 0)
                        difference = (double) cpu->n_units - (double) best->n_units;
                if (highest ? difference > 0 : difference < 0)
                        best = cpu;
        }
        if (best)
                push_core(lua, best->topology->cpu);
        else
                lua_pushnil(lua);
}

static void push_node_io_field(lua_State *lua, const struct node *node, int field) {
        switch (field) {
        case FIELD_CORES:
                lua_pushinteger(lua, (lua_Integer) node->n_io_cores);
                break;
        case FIELD_LOAD:
                lua_pushnumber(lua, node->io_load);
                break;
        case FIELD_LOAD_AVERAGE:
                lua_pushnumber(lua, average_or(node->io_load_average, node->io_load));
                break;
        case FIELD_IDLE:
                lua_pushnumber(lua, node->io_idle);
                break;
        case FIELD_SAMPLED:
                lua_pushboolean(lua, node->io_load_valid);
                break;
        case FIELD_BUSIEST:
        case FIELD_IDLEST:
                push_extreme(lua, sandbox_of(lua)->host, node, field == FIELD_BUSIEST);
                break;
        default:
                lua_pushnil(lua);
        }
}

static void push_node_vm_field(lua_State *lua, const struct node *node, int field) {
        if (field == FIELD_CORES)
                lua_pushinteger(lua, (lua_Integer) node->n_vm_cores);
        else if (node->vm_sampled)
                lua_pushnumber(lua, node->vm_idle);
        else
                lua_pushnil(lua);
}

static void push_core_state(lua_State *lua, const struct cpu *cpu, int field) {
        switch (field) {
        case FIELD_LOAD:
                lua_pushnumber(lua, cpu->io_core ? cpu->load : 0);
                break;
        case FIELD_LOAD_AVERAGE:
                lua_pushnumber(lua, cpu->io_core ? average_or(cpu->load_average, cpu->load) : 0);
                break;
        case FIELD_IDLE:
                lua_pushnumber(lua, !cpu->io_core ? 1 : cpu->load < 1 ? 1 - cpu->load : 0);
                break;
        case FIELD_WAIT:
                lua_pushnumber(lua, cpu->io_core ? cpu->wait_share : 0);
                break;
        case FIELD_SAMPLED:
                lua_pushboolean(lua, cpu->io_core && cpu->load_valid);
                break;
        case FIELD_BUSY:
                if (cpu->sampled)
                        lua_pushnumber(lua, cpu->busy_share);
                else
                        lua_pushnil(lua);
                break;
        case FIELD_N_UNITS:
                lua_pushinteger(lua, cpu->io_core ? (lua_Integer) cpu->n_units : 0);
                break;
        default:
                lua_pushnil(lua);
        }
}

static void push_core_field(lua_State *lua, const struct cpu *cpu, int field) {
        const struct topology_cpu *topology = cpu->topology;

        switch (field) {
        case FIELD_CPU:
                lua_pushinteger(lua, topology->cpu);
                break;
        case FIELD_NODE:
                lua_pushinteger(lua, topology->node);
                break;
        case FIELD_IO_CORE:
                lua_pushboolean(lua, cpu->io_core);
                break;
        case FIELD_OURS:
                lua_pushboolean(lua, cpu->io_core && cpu->io_core_ours);
                break;
        case FIELD_ONLINE:
                lua_pushboolean(lua, topology->online);
                break;
        case FIELD_ISOLATED:
                lua_pushboolean(lua, topology->isolated);
                break;
        case FIELD_PACKAGE:
                lua_pushinteger(lua, topology->package);
                break;
        case FIELD_LLC:
                push_cpu_or_nil(lua, topology->llc);
                break;
        case FIELD_WORKER:
                lua_pushstring(lua, cpu->worker ? cpu->worker->pub.id : NULL);
                break;
        default:
                push_core_state(lua, cpu, field);
        }
}

static void push_unit_field(lua_State *lua, const struct host *host, const struct unit *unit, int field) {
        const struct node *node;

        switch (field) {
        case FIELD_LOAD:
                lua_pushnumber(lua, unit->rates_valid ? unit->load : 0);
                break;
        case FIELD_LOAD_AVERAGE:
                lua_pushnumber(lua, average_or(unit->load_average, unit->rates_valid ? unit->load : 0));
                break;
        case FIELD_SAMPLED:
                lua_pushboolean(lua, unit->rates_valid);
                break;
        case FIELD_CORE:
                push_cpu_or_nil(lua, unit->core);
                break;
        case FIELD_NODE:
                node = host_unit_node(host, unit);
                push_cpu_or_nil(lua, node ? node->topology->node : -1);
                break;
        case FIELD_DOMAIN:
                lua_pushstring(lua, host_unit_domain_name(unit)[0] ? host_unit_domain_name(unit) : NULL);
                break;
        case FIELD_BACKEND:
                lua_pushstring(lua, unit->pub.device && unit->pub.device->backend[0] ? unit->pub.device->backend : NULL);
                break;
        case FIELD_WORKER:
                lua_pushstring(lua, unit->pub.worker ? unit->pub.worker->id : NULL);
                break;
        case FIELD_BYTES:
                lua_pushnumber(lua, unit->rates_valid ? unit->bytes_per_second : 0);
                break;
        case FIELD_COST:
                if (unit->nsec_per_byte > 0)
                        lua_pushnumber(lua, unit->nsec_per_byte);
                else
                        lua_pushnil(lua);
                break;
        case FIELD_MANUAL:
                lua_pushboolean(lua, host_unit_is_manual(unit));
                break;
        case FIELD_BLOCKED:
                lua_pushboolean(lua, unit->pub.blocked);
                break;
        default:
                lua_pushnil(lua);
        }
}

/* A rate that the kernel does not count is nil, one of an idle queue 0. */
static void push_rate(lua_State *lua, const struct host *host, const struct queue *queue, unsigned counter, double rate) {
        if (!(queue->pub.fields & counter))
                lua_pushnil(lua);
        else
                lua_pushnumber(lua, queue_rates_valid(host, queue) ? rate : 0);
}

static void push_queue_rate(lua_State *lua, const struct host *host, const struct queue *queue, int field) {
        switch (field) {
        case FIELD_BYTES:
                push_rate(lua, host, queue, IOCORE_QUEUE_BYTES, queue->bytes_per_second);
                break;
        case FIELD_PACKETS:
                push_rate(lua, host, queue, IOCORE_QUEUE_PACKETS, queue->packets_per_second);
                break;
        case FIELD_WORKS:
                push_rate(lua, host, queue, IOCORE_QUEUE_WORKS, queue->works_per_second);
                break;
        case FIELD_WAIT:
                push_rate(lua, host, queue, IOCORE_QUEUE_WAIT, queue->wait_share);
                break;
        case FIELD_STUCK:
                push_rate(lua, host, queue, IOCORE_QUEUE_STUCK, queue->stuck_per_second);
                break;
        case FIELD_RING_FULL:
                push_rate(lua, host, queue, IOCORE_QUEUE_RING_FULL, queue->ring_full_per_second);
                break;
        case FIELD_POLL_EMPTY:
                push_rate(lua, host, queue, IOCORE_QUEUE_POLL_EMPTY, queue->poll_empty_per_second);
                break;
        case FIELD_DROPS:
                push_rate(lua, host, queue, IOCORE_QUEUE_DROPS, queue->drops_per_second);
                break;
        default:
                lua_pushnil(lua);
        }
}

static void push_queue_field(lua_State *lua, const struct host *host, const struct queue *queue, int field) {
        bool valid = queue_rates_valid(host, queue);

        switch (field) {
        case FIELD_LOAD:
                lua_pushnumber(lua, valid ? queue->load : 0);
                break;
        case FIELD_LOAD_AVERAGE:
                lua_pushnumber(lua, valid ? average_or(queue->load_average, queue->load) : 0);
                break;
        case FIELD_SAMPLED:
                lua_pushboolean(lua, valid);
                break;
        case FIELD_UNIT:
                lua_pushstring(lua, queue->pub.unit ? queue->pub.unit->id : NULL);
                break;
        case FIELD_INDEX:
                lua_pushinteger(lua, queue->pub.index);
                break;
        case FIELD_POLLED:
                lua_pushboolean(lua, queue->pub.poll);
                break;
        case FIELD_CAN_POLL:
                lua_pushboolean(lua, queue->pub.can_poll);
                break;
        case FIELD_MANUAL:
                lua_pushboolean(lua, queue->state == OBJECT_MANUAL);
                break;
        default:
                push_queue_rate(lua, host, queue, field);
        }
}

static void push_worker_field(lua_State *lua, const struct worker *worker, int field) {
        switch (field) {
        case FIELD_CPU:
                push_cpu_or_nil(lua, worker->pub.cpu);
                break;
        case FIELD_LOAD:
                lua_pushnumber(lua, worker->load);
                break;
        case FIELD_LOAD_AVERAGE:
                lua_pushnumber(lua, average_or(worker->load_average, worker->load));
                break;
        case FIELD_SAMPLED:
                lua_pushboolean(lua, worker->n_samples >= 2);
                break;
        case FIELD_WAIT:
                lua_pushnumber(lua, worker->wait_share);
                break;
        case FIELD_SWITCHES:
                lua_pushnumber(lua, worker->switches_per_second);
                break;
        case FIELD_LOCKED:
                lua_pushboolean(lua, worker->pub.locked);
                break;
        case FIELD_SHARED:
                lua_pushboolean(lua, worker->pub.shared);
                break;
        case FIELD_DEFAULT:
                lua_pushboolean(lua, worker->pub.is_default);
                break;
        case FIELD_MANUAL:
                lua_pushboolean(lua, worker->state == OBJECT_MANUAL);
                break;
        default:
                lua_pushnil(lua);
        }
}

void push_field(lua_State *lua, struct object *object, int field) {
        const void *target = object_target(lua, object);
        const struct host *host = sandbox_of(lua)->host;
        bool fixed = object->kind <= OBJECT_CORE;

        if (field == FIELD_GONE)
                lua_pushboolean(lua, !target);
        else if (!fixed && (field == FIELD_ID || field == FIELD_NAME))
                lua_pushstring(lua, object->id);
        else if (!target)
                lua_pushnil(lua);
        else if (object->kind == OBJECT_HOST)
                push_host_field(lua, target, field);
        else if (object->kind == OBJECT_NODE)
                push_node_field(lua, object, target, field);
        else if (object->kind == OBJECT_NODE_IO)
                push_node_io_field(lua, target, field);
        else if (object->kind == OBJECT_NODE_VM)
                push_node_vm_field(lua, target, field);
        else if (object->kind == OBJECT_CORE)
                push_core_field(lua, target, field);
        else if (object->kind == OBJECT_UNIT)
                push_unit_field(lua, host, target, field);
        else if (object->kind == OBJECT_QUEUE)
                push_queue_field(lua, host, target, field);
        else if (object->kind == OBJECT_WORKER)
                push_worker_field(lua, target, field);
        else
                push_domain_field(lua, target, field);
}

/* host:node(n), host:core(cpu), host:unit(id) ...: the object, or nil when there is none. */

static const struct host *check_host(lua_State *lua) {
        return object_target(lua, check_object(lua, 1, OBJECT_HOST));
}

static int host_node_by_id(lua_State *lua) {
        const struct host *host = check_host(lua);
        lua_Integer id = luaL_checkinteger(lua, 2);

        for (size_t i = 0; i < host->n_nodes; i++)
                if (host->nodes[i].topology->node == id) {
                        push_node(lua, i);
                        return 1;
                }
        return 0;
}

static int host_core_by_cpu(lua_State *lua) {
        const struct host *host = check_host(lua);
        lua_Integer cpu = luaL_checkinteger(lua, 2);

        if (cpu < 0 || cpu >= (lua_Integer) host->n_cpus)
                return 0;
        push_core(lua, (int) cpu);
        return 1;
}

static int push_by_id(lua_State *lua, enum object_kind kind) {
        (void) check_host(lua);
        push_of_id(lua, kind, luaL_checkstring(lua, 2));
        return 1;
}

static int host_unit_by_id(lua_State *lua) {
        return push_by_id(lua, OBJECT_UNIT);
}

static int host_queue_by_id(lua_State *lua) {
        return push_by_id(lua, OBJECT_QUEUE);
}

static int host_worker_by_id(lua_State *lua) {
        return push_by_id(lua, OBJECT_WORKER);
}

static int host_domain_by_name(lua_State *lua) {
        return push_by_id(lua, OBJECT_DOMAIN);
}

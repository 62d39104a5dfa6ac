/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The objects of the model as Lua sees them: cached userdata that name an object, never point at it for longer than an epoch. */
#include <string.h>

#include "daemon/cleanup.h"
#include "lua-internal.h"

static const char *const kind_names[_OBJECT_KIND_MAX] = {
        [OBJECT_HOST] = "host",       [OBJECT_NODE] = "node",       [OBJECT_NODE_IO] = "node.io", [OBJECT_NODE_VM] = "node.vm",
        [OBJECT_CORE] = "core",       [OBJECT_UNIT] = "unit",       [OBJECT_QUEUE] = "queue",     [OBJECT_WORKER] = "worker",
        [OBJECT_DOMAIN] = "domain",   [OBJECT_CAN] = "host.can",    [OBJECT_WHY_NOT] = "host.why_not",
        [OBJECT_PARAMETERS] = "params", [OBJECT_FILTER] = "filter", [OBJECT_POLICY] = "policy",
};

const char *object_kind_name(enum object_kind kind) {
        return kind_names[kind];
}

static int refuse_write(lua_State *lua) {
        return luaL_error(lua, "%s is read-only", kind_names[((struct object *) lua_touserdata(lua, 1))->kind]);
}

/* __index of objects with fields. Upvalue 1: name -> number of a field, or a method. Reached by the VM only: the metatables are locked. */
static int read_field(lua_State *lua) {
        lua_pushvalue(lua, 2);
        switch (lua_rawget(lua, lua_upvalueindex(1))) {
        case LUA_TNUMBER:
                push_field(lua, lua_touserdata(lua, 1), (int) lua_tointeger(lua, -1));
                return 1;
        case LUA_TFUNCTION:
                return 1;
        default:
                return luaL_error(lua, "%s has no '%s'", kind_names[((struct object *) lua_touserdata(lua, 1))->kind],
                                  lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : luaL_typename(lua, 2));
        }
}

static int read_parameter(lua_State *lua) {
        struct lua_sandbox *sandbox = sandbox_of(lua);
        const struct policy_parameter *parameter;
        lua_Integer integer;

        lua_pushvalue(lua, 2);
        if (lua_rawget(lua, lua_upvalueindex(1)) != LUA_TNUMBER)
                return luaL_error(lua, "no parameter '%s' was declared", lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : luaL_typename(lua, 2));
        parameter = &sandbox->parameters[lua_tointeger(lua, -1)];
        if (parameter->is_boolean)
                lua_pushboolean(lua, parameter->value != 0);
        else if (parameter->n_words > 0)
                lua_pushstring(lua, parameter->words[(size_t) parameter->value]);
        else if (lua_numbertointeger(parameter->value, &integer) && (double) integer == parameter->value)
                lua_pushinteger(lua, integer);
        else
                lua_pushnumber(lua, parameter->value);
        return 1;
}

/* host.can.ACTION and host.why_not.ACTION */
static int read_capability(lua_State *lua) {
        const struct lua_sandbox *sandbox = sandbox_of(lua);
        const struct object *object = lua_touserdata(lua, 1);
        char name[IOCORE_ID_MAX];
        size_t length;
        const char *text = luaL_checklstring(lua, 2, &length), *why_not = NULL;

        luaL_argcheck(lua, length < sizeof(name), 2, "no such action");
        memcpy(name, text, length + 1);
        for (char *c = strchr(name, '_'); c; c = strchr(c, '_'))
                *c = '-';
        luaL_argcheck(lua, intent_action_from_string(name) != _INTENT_ACTION_INVALID, 2, "no such action");
        if (sandbox->callbacks && sandbox->callbacks->unavailable)
                why_not = sandbox->callbacks->unavailable(sandbox->callbacks->userdata, name);
        if (object->kind == OBJECT_CAN)
                lua_pushboolean(lua, !why_not);
        else if (why_not)
                lua_pushstring(lua, why_not);
        else
                lua_pushnil(lua);
        return 1;
}

/* The metatable of a kind. It has no __gc: nothing of a policy's ever runs outside of its budget. */
static void create_metatable(lua_State *lua, enum object_kind kind) {
        struct lua_sandbox *sandbox = sandbox_of(lua);

        lua_createtable(lua, 0, 3);
        if (kind == OBJECT_PARAMETERS) {
                lua_createtable(lua, 0, 8);
                lua_pushvalue(lua, -1);
                sandbox->parameter_index = luaL_ref(lua, LUA_REGISTRYINDEX);
                lua_pushcclosure(lua, read_parameter, 1);
        } else if (kind == OBJECT_CAN || kind == OBJECT_WHY_NOT)
                lua_pushcfunction(lua, read_capability);
        else {
                size_t n;
                const struct field *fields = object_fields(kind, &n);

                lua_createtable(lua, 0, (int) n);
                for (size_t i = 0; i < n; i++) {
                        if (fields[i].method)
                                lua_pushcfunction(lua, fields[i].method);
                        else
                                lua_pushinteger(lua, fields[i].field);
                        lua_setfield(lua, -2, fields[i].name);
                }
                lua_pushcclosure(lua, read_field, 1);
        }
        lua_setfield(lua, -2, "__index");
        lua_pushcfunction(lua, refuse_write);
        lua_setfield(lua, -2, "__newindex");
        lua_pushboolean(lua, 0);
        lua_setfield(lua, -2, "__metatable");
        sandbox->metatable[kind] = luaL_ref(lua, LUA_REGISTRYINDEX);
}

struct object *push_new_object(lua_State *lua, enum object_kind kind, size_t size) {
        struct object *object = lua_newuserdatauv(lua, size, 0);

        memset(object, 0, size);
        object->kind = kind;
        lua_rawgeti(lua, LUA_REGISTRYINDEX, sandbox_of(lua)->metatable[kind]);
        lua_setmetatable(lua, -2);
        return object;
}

static int singleton(lua_State *lua, enum object_kind kind) {
        push_new_object(lua, kind, sizeof(struct object));
        return luaL_ref(lua, LUA_REGISTRYINDEX);
}

void host_objects_open(lua_State *lua) {
        struct lua_sandbox *sandbox = sandbox_of(lua);

        lua_createtable(lua, 0, 1);
        lua_pushliteral(lua, "v");
        lua_setfield(lua, -2, "__mode");
        for (enum object_kind kind = 0; kind < _OBJECT_KIND_MAX; kind++) {
                create_metatable(lua, kind);
                lua_newtable(lua);
                sandbox->cache[kind] = luaL_ref(lua, LUA_REGISTRYINDEX);
                lua_newtable(lua);
                lua_pushvalue(lua, -2);
                lua_setmetatable(lua, -2);
                sandbox->by_id[kind] = luaL_ref(lua, LUA_REGISTRYINDEX);
        }
        lua_pop(lua, 1);
        sandbox->host_object = singleton(lua, OBJECT_HOST);
        sandbox->parameters_object = singleton(lua, OBJECT_PARAMETERS);
        sandbox->can_object = singleton(lua, OBJECT_CAN);
        sandbox->why_not_object = singleton(lua, OBJECT_WHY_NOT);
}

/* What the model knows of an object that can come and go. */
struct identity {
        const void *target;
        const char *id;
        uint64_t seen_epoch, incarnation;
};

static struct identity identity_at(const struct host *host, enum object_kind kind, size_t index) {
        switch (kind) {
        case OBJECT_UNIT:
                if (index < host->n_units) {
                        const struct unit *unit = host->units[index];
                        return (struct identity) { unit, unit->pub.id, unit->seen_epoch, unit->pub.incarnation };
                }
                break;
        case OBJECT_QUEUE:
                if (index < host->n_queues) {
                        const struct queue *queue = host->queues[index];
                        return (struct identity) { queue, queue->pub.id, queue->seen_epoch, 0 };
                }
                break;
        case OBJECT_WORKER:
                if (index < host->n_workers) {
                        const struct worker *worker = host->workers[index];
                        return (struct identity) { worker, worker->pub.id, worker->seen_epoch, worker->pub.incarnation };
                }
                break;
        case OBJECT_DOMAIN:
                if (index < host->n_domains) {
                        const struct domain *domain = host->domains[index];
                        return (struct identity) { domain, domain->pub.id, domain->seen_epoch, 0 };
                }
                break;
        default:
                break;
        }
        return (struct identity) { 0 };
}

static bool is_same(const struct object *object, const struct identity *identity) {
        return object->seen_epoch == identity->seen_epoch && object->incarnation == identity->incarnation && strcmp(object->id, identity->id) == 0;
}

/* Index of an id in one of the model's arrays, which are in natural order; SIZE_MAX when there is none. */
static size_t find_index(const struct host *host, enum object_kind kind, const char *id) {
        size_t low = 0, high = kind == OBJECT_UNIT ? host->n_units : kind == OBJECT_QUEUE ? host->n_queues : kind == OBJECT_WORKER ? host->n_workers : host->n_domains;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = id_compare(id, identity_at(host, kind, middle).id);

                if (order == 0)
                        return middle;
                if (order < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return SIZE_MAX;
}

/* Pushes the one userdata of the object at `index`; makes it at the first use, and after the object was replaced by another of its id. */
static void push_at(lua_State *lua, enum object_kind kind, size_t index) {
        struct lua_sandbox *sandbox = sandbox_of(lua);
        struct identity identity = identity_at(sandbox->host, kind, index);
        struct object *object;

        if (!identity.target) {
                lua_pushnil(lua);
                return;
        }
        lua_rawgeti(lua, LUA_REGISTRYINDEX, sandbox->cache[kind]);
        if (lua_rawgeti(lua, -1, (lua_Integer) index + 1) == LUA_TUSERDATA) {
                object = lua_touserdata(lua, -1);
                if ((object->run == sandbox->run && object->target == identity.target) || is_same(object, &identity))
                        goto found;
        }
        lua_pop(lua, 1);
        /* Not where it was: the array has changed, or this is its first time. */
        lua_rawgeti(lua, LUA_REGISTRYINDEX, sandbox->by_id[kind]);
        if (lua_getfield(lua, -1, identity.id) == LUA_TUSERDATA && is_same(lua_touserdata(lua, -1), &identity))
                object = lua_touserdata(lua, -1);
        else {
                size_t length = strlen(identity.id);

                lua_pop(lua, 1);
                object = push_new_object(lua, kind, offsetof(struct object, id) + length + 1);
                memcpy(object->id, identity.id, length + 1);
                object->seen_epoch = identity.seen_epoch;
                object->incarnation = identity.incarnation;
                lua_pushvalue(lua, -1);
                lua_setfield(lua, -3, identity.id);
        }
        lua_remove(lua, -2);
        lua_pushvalue(lua, -1);
        lua_rawseti(lua, -3, (lua_Integer) index + 1);
found:
        object->index = (uint32_t) index;
        object->run = sandbox->run;
        object->target = identity.target;
        lua_remove(lua, -2);
}

/* Nodes and CPUs do not come and go: their index is their identity. */
static void push_fixed(lua_State *lua, enum object_kind kind, size_t index, const void *target) {
        struct lua_sandbox *sandbox = sandbox_of(lua);
        struct object *object;

        lua_rawgeti(lua, LUA_REGISTRYINDEX, sandbox->cache[kind]);
        if (lua_rawgeti(lua, -1, (lua_Integer) index + 1) == LUA_TUSERDATA)
                object = lua_touserdata(lua, -1);
        else {
                lua_pop(lua, 1);
                object = push_new_object(lua, kind, sizeof(struct object));
                object->index = (uint32_t) index;
                lua_pushvalue(lua, -1);
                lua_rawseti(lua, -3, (lua_Integer) index + 1);
        }
        object->run = sandbox->run;
        object->target = target;
        lua_remove(lua, -2);
}

void push_node(lua_State *lua, size_t index) {
        const struct host *host = sandbox_of(lua)->host;

        if (index < host->n_nodes)
                push_fixed(lua, OBJECT_NODE, index, &host->nodes[index]);
        else
                lua_pushnil(lua);
}

void push_node_part(lua_State *lua, enum object_kind kind, size_t index) {
        push_fixed(lua, kind, index, &sandbox_of(lua)->host->nodes[index]);
}

void push_core(lua_State *lua, int cpu) {
        const struct cpu *target = host_cpu(sandbox_of(lua)->host, cpu);

        if (target && target->topology->present)
                push_fixed(lua, OBJECT_CORE, (size_t) cpu, target);
        else
                lua_pushnil(lua);
}

void push_unit(lua_State *lua, size_t index) {
        push_at(lua, OBJECT_UNIT, index);
}

void push_queue(lua_State *lua, size_t index) {
        push_at(lua, OBJECT_QUEUE, index);
}

void push_worker(lua_State *lua, size_t index) {
        push_at(lua, OBJECT_WORKER, index);
}

void push_domain(lua_State *lua, size_t index) {
        push_at(lua, OBJECT_DOMAIN, index);
}

void push_of_id(lua_State *lua, enum object_kind kind, const char *id) {
        push_at(lua, kind, find_index(sandbox_of(lua)->host, kind, id));
}

struct object *check_object(lua_State *lua, int argument, enum object_kind kind) {
        struct object *object = lua_type(lua, argument) == LUA_TUSERDATA ? lua_touserdata(lua, argument) : NULL;

        if (!object || object->kind != kind) {
                lua_pushfstring(lua, "%s expected, got %s", kind_names[kind], object ? kind_names[object->kind] : luaL_typename(lua, argument));
                luaL_argerror(lua, argument, lua_tostring(lua, -1));
        }
        return object;
}

const void *object_target(lua_State *lua, struct object *object) {
        struct lua_sandbox *sandbox = sandbox_of(lua);
        const struct host *host = sandbox->host;
        struct identity identity;

        if (!host) {
                luaL_error(lua, "the host can be read during an event only");
                return NULL;
        }
        if (object->run == sandbox->run)
                return object->target;
        object->run = sandbox->run;
        object->target = NULL;
        switch (object->kind) {
        case OBJECT_HOST:
                object->target = host;
                break;
        case OBJECT_NODE:
        case OBJECT_NODE_IO:
        case OBJECT_NODE_VM:
                object->target = object->index < host->n_nodes ? &host->nodes[object->index] : NULL;
                break;
        case OBJECT_CORE:
                object->target = host_cpu(host, (int) object->index);
                break;
        case OBJECT_UNIT:
        case OBJECT_QUEUE:
        case OBJECT_WORKER:
        case OBJECT_DOMAIN:
                identity = identity_at(host, object->kind, object->index);
                if (!identity.target || !is_same(object, &identity)) {
                        size_t index = find_index(host, object->kind, object->id);

                        identity = identity_at(host, object->kind, index);
                        if (!identity.target || !is_same(object, &identity))
                                return NULL;
                        object->index = (uint32_t) index;
                }
                object->target = identity.target;
                break;
        default:
                break;
        }
        return object->target;
}

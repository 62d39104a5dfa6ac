/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the lua-*.c files; nobody else includes it. Functions that take a lua_State raise Lua errors and run below lua_pcall only. */
#ifndef LUA_INTERNAL_H
#define LUA_INTERNAL_H

#include <lua5.4/lauxlib.h>
#include <lua5.4/lua.h>
#include <lua5.4/lualib.h>

#include "daemon/text.h"
#include "lua-arena.h"
#include "lua-sandbox.h"

/* What Lua can hold a reference to. */
enum object_kind {
        OBJECT_HOST,
        OBJECT_NODE,
        OBJECT_NODE_IO,
        OBJECT_NODE_VM,
        OBJECT_CORE,
        OBJECT_UNIT,
        OBJECT_QUEUE,
        OBJECT_WORKER,
        OBJECT_DOMAIN,
        OBJECT_CAN,
        OBJECT_WHY_NOT,
        OBJECT_PARAMETERS,
        OBJECT_FILTER,
        OBJECT_POLICY, /* what policy {} returns */
        _OBJECT_KIND_MAX,
};

/*
 * A reference to an object of the model. It holds no pointer across epochs: `target` is valid only while `run` is the sandbox's current one, otherwise the
 * object is looked up again, by its id and by the epoch in which it was added, so that an object of the same name that came later is not taken for it.
 * All userdata that a policy can reach begin with this.
 */
struct object {
        enum object_kind kind;
        uint32_t index; /* where it was last found in the model's array; a node's, a CPU's or a policy parameter's index */
        uint64_t run;
        const void *target; /* NULL: gone */
        uint64_t seen_epoch, incarnation;
        char id[IOCORE_NAME_MAX]; /* allocated only as long as needed */
};

/* Which objects an iterator gives. */
struct filter {
        struct object object;
        enum object_kind kind; /* OBJECT_UNIT or OBJECT_QUEUE */
        int node, core;        /* -1: any */
        signed char polled, can_poll, placed, manual, blocked; /* -1: any */
        double min_load, max_load, min_works, max_works;
};

struct lua_sandbox {
        lua_State *lua;
        struct lua_arena *arena;
        struct policy_limits limits;
        const struct policy_callbacks *callbacks;
        char name[POLICY_NAME_MAX];
        int priority;

        /* the budget of the running event */
        int64_t budget;
        const char *exhausted;  /* which limit was reached; NULL: none */
        bool epoch_timed;       /* cpu_begin is set */
        uint64_t cpu_begin, cpu_limit; /* nanoseconds of the thread's CPU time */

        /* the running epoch */
        uint64_t run;
        const struct host *host; /* NULL outside of an epoch */
        struct intent_list *intents;
        unsigned n_intents;
        bool out_of_memory;

        /* messages: at most LOG_BURST, then one each LOG_REFILL_USEC of the host's time */
        unsigned log_tokens;
        unsigned log_suppressed;
        uint64_t log_refilled;

        /* references into the registry */
        int cache[_OBJECT_KIND_MAX]; /* index -> object */
        int by_id[_OBJECT_KIND_MAX]; /* id -> object, weak */
        int metatable[_OBJECT_KIND_MAX];
        int handlers[_POLICY_EVENT_MAX];
        int parameter_index; /* name -> index */
        int host_object, parameters_object, can_object, why_not_object;

        bool declared;
        char doc[IOCORE_REASON_MAX];
        struct policy_parameter parameters[SANDBOX_PARAMETERS_MAX];
        size_t n_parameters;
};

static inline struct lua_sandbox *sandbox_of(lua_State *lua) {
        return *(struct lua_sandbox **) lua_getextraspace(lua);
}

/* lua-sandbox.c: takes `units` (about one instruction each) off the budget; raises when it is spent. Every C function whose work grows with its
 * input calls this before it begins. */
void sandbox_charge(lua_State *lua, uint64_t units);
/* The running event is over: the hook raises at every further instruction, whatever catches it. `why` must be static. */
void sandbox_exhaust(struct lua_sandbox *sandbox, const char *why);
/* Writes to the log, bounded and rate-limited. */
void sandbox_log(struct lua_sandbox *sandbox, int priority, const char *text, size_t length);

/* lua-library.c: pushes the environment of the policy: the allow-list. */
void library_push_environment(lua_State *lua);
/* Text for an object on the stack that never shows an address. Pushes it. */
const char *push_text(lua_State *lua, int index, size_t *ret_length);

/* lua-declare.c: the function policy {}, pushed with its environment. */
int declare_policy(lua_State *lua);

/* lua-host.c: creates metatables, caches and the objects that live as long as the state. */
void host_objects_open(lua_State *lua);
/* Pushes the object; nil where there is none. */
void push_node(lua_State *lua, size_t index);
void push_core(lua_State *lua, int cpu);
void push_unit(lua_State *lua, size_t index);
void push_queue(lua_State *lua, size_t index);
void push_worker(lua_State *lua, size_t index);
void push_domain(lua_State *lua, size_t index);
/* `kind`: OBJECT_UNIT, OBJECT_QUEUE, OBJECT_WORKER or OBJECT_DOMAIN. */
void push_of_id(lua_State *lua, enum object_kind kind, const char *id);
/* node.io and node.vm */
void push_node_part(lua_State *lua, enum object_kind kind, size_t index);
/* A new userdata of `size` bytes that begins with struct object, with the kind's metatable. */
struct object *push_new_object(lua_State *lua, enum object_kind kind, size_t size);
/* The argument as an object of `kind`; raises an error that names what was expected. */
struct object *check_object(lua_State *lua, int argument, enum object_kind kind);
/* The model's object, or NULL when it is gone. Raises outside of an epoch. */
const void *object_target(lua_State *lua, struct object *object);
const char *object_kind_name(enum object_kind kind);

/* lua-objects.c: reading fields. Pushes one value for field `field` of `object`. */
struct field {
        const char *name;
        int field;
        lua_CFunction method; /* instead of a value */
};
const struct field *object_fields(enum object_kind kind, size_t *ret_n);
void push_field(lua_State *lua, struct object *object, int field);

/* lua-iterate.c */
int host_nodes(lua_State *lua);
int host_cores(lua_State *lua);
int host_units(lua_State *lua);
int host_queues(lua_State *lua);
int host_workers(lua_State *lua);
int host_domains(lua_State *lua);

/* lua-actions.c */
int action_grow(lua_State *lua);
int action_shrink(lua_State *lua);
int action_move(lua_State *lua);
int action_poll(lua_State *lua);
int action_limit(lua_State *lua);
int action_pin(lua_State *lua);
int action_bind_memory(lua_State *lua);
int action_pin_irq(lua_State *lua);
int action_coalesce(lua_State *lua);
int action_set(lua_State *lua);
int action_place(lua_State *lua);

/* lua-placement.c */
int host_placements(lua_State *lua);

/* What is read by name; see lua-objects.c. */
enum object_field {
        /* all that can vanish */
        FIELD_ID, FIELD_GONE,
        /* host */
        FIELD_EPOCH, FIELD_TIME, FIELD_CAN, FIELD_WHY_NOT, FIELD_N_QUEUES,
        /* node */
        FIELD_IO, FIELD_VM, FIELD_UNPLACED_LOAD, FIELD_UNPLACED_LOAD_AVERAGE, FIELD_N_UNITS, FIELD_N_UNPLACED,
        /* node.io, node.vm */
        FIELD_CORES, FIELD_IDLE, FIELD_BUSIEST, FIELD_IDLEST,
        /* loads */
        FIELD_LOAD, FIELD_LOAD_AVERAGE, FIELD_WAIT, FIELD_SAMPLED,
        /* core, worker */
        FIELD_CPU, FIELD_NODE, FIELD_OURS, FIELD_IO_CORE, FIELD_ONLINE, FIELD_ISOLATED, FIELD_PACKAGE, FIELD_LLC, FIELD_BUSY, FIELD_WORKER,
        FIELD_LOCKED, FIELD_SHARED, FIELD_DEFAULT, FIELD_MANUAL, FIELD_BLOCKED,
        /* unit, queue, domain */
        FIELD_CORE, FIELD_DOMAIN, FIELD_BACKEND, FIELD_UNIT, FIELD_INDEX, FIELD_POLLED, FIELD_CAN_POLL,
        FIELD_BYTES, FIELD_COST, FIELD_PACKETS, FIELD_WORKS, FIELD_STUCK, FIELD_RING_FULL, FIELD_POLL_EMPTY, FIELD_DROPS, FIELD_SWITCHES,
        FIELD_NAME, FIELD_STATE, FIELD_VCPUS,
        /* domain */
        FIELD_UUID, FIELD_STALE, FIELD_PINNED, FIELD_BOUND, FIELD_WISH, FIELD_CLASS, FIELD_WEIGHT, FIELD_SHARE_WITHIN, FIELD_MEMORY, FIELD_BACKING, FIELD_MOVING,
        FIELD_EMULATOR_CPUS, FIELD_N_VCPUS, FIELD_N_IOTHREADS, FIELD_N_CELLS, FIELD_N_DEVICES,
};

/* Nil for a negative number. */
void push_cpu_or_nil(lua_State *lua, int cpu);

/* lua-domain.c */
void push_domain_field(lua_State *lua, const struct domain *domain, int field);
int domain_vcpu(lua_State *lua);
int domain_iothread(lua_State *lua);
int domain_cell(lua_State *lua);
int domain_device(lua_State *lua);

#endif

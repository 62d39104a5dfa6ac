/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lua-internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "daemon/cleanup.h"

/* How many instructions pass between two looks at the budget: 1,000 take about 6 us, a look 0.2 us. */
#define HOOK_STEP 1000
/* Copying 16 bytes costs less than an instruction. */
#define BYTES_PER_UNIT 16
/* A million instructions take 5 to 10 ms; this is 25 times as much, so that only what the budget cannot see is ever cut by it. */
#define CPU_NSEC_PER_INSTRUCTION 250
#define LOG_BURST 10
#define LOG_REFILL_USEC 6000000 /* ten a minute */

static void budget_hook(lua_State *lua, lua_Debug *debug);

static uint64_t thread_cpu_nsec(void) {
        struct timespec now = { 0 };

        (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

/* From now on the hook fires, and raises, at every instruction of this event. */
void sandbox_exhaust(struct lua_sandbox *sandbox, const char *why) {
        if (!sandbox->exhausted)
                sandbox->exhausted = why;
        if (sandbox->lua)
                lua_sethook(sandbox->lua, budget_hook, LUA_MASKCOUNT, 1);
}

static void budget_hook(lua_State *lua, lua_Debug *debug) {
        struct lua_sandbox *sandbox = sandbox_of(lua);

        (void) debug;
        if (!sandbox->exhausted) {
                uint64_t now = thread_cpu_nsec();

                sandbox->budget -= HOOK_STEP;
                if (!sandbox->epoch_timed) {
                        sandbox->epoch_timed = true;
                        sandbox->cpu_begin = now;
                }
                if (sandbox->budget <= 0)
                        sandbox_exhaust(sandbox, "instruction budget exceeded");
                else if (now - sandbox->cpu_begin > sandbox->cpu_limit)
                        sandbox_exhaust(sandbox, "CPU time of an epoch exceeded");
        }
        if (sandbox->exhausted)
                luaL_error(lua, "%s", sandbox->exhausted);
}

void sandbox_charge(lua_State *lua, uint64_t units) {
        struct lua_sandbox *sandbox = sandbox_of(lua);

        if (!sandbox->exhausted) {
                sandbox->budget -= units < INT32_MAX ? (int64_t) units : INT32_MAX;
                if (sandbox->budget <= 0)
                        sandbox_exhaust(sandbox, "instruction budget exceeded");
        }
        if (sandbox->exhausted)
                luaL_error(lua, "%s", sandbox->exhausted);
}

/* Charges without raising: the hook does, at the next instruction. */
static void charge_bytes(struct lua_sandbox *sandbox, size_t bytes, const char *why) {
        sandbox->budget -= (int64_t) (bytes / BYTES_PER_UNIT);
        if (sandbox->budget <= 0 && !sandbox->exhausted)
                sandbox_exhaust(sandbox, why);
}

/* Lua answers a failed allocation with a whole garbage collection, and a policy may try again and again. */
static void *refuse_memory(struct lua_sandbox *sandbox) {
        charge_bytes(sandbox, lua_arena_used(sandbox->arena), "memory limit exceeded");
        return NULL;
}

/* lua_Alloc. For a new block `old_size` is the type of the object that it is for. */
static void *allocate(void *userdata, void *pointer, size_t old_size, size_t size) {
        struct lua_sandbox *sandbox = userdata;
        bool larger = !pointer || size > old_size;
        void *result;

        if (larger && (size > SANDBOX_BLOCK_MAX || (!pointer && old_size == LUA_TSTRING && size > SANDBOX_STRING_MAX + 64)))
                return refuse_memory(sandbox);
        result = lua_arena_resize(sandbox->arena, pointer, size);
        if (size > 0 && !result)
                return refuse_memory(sandbox);
        if (size > 0 && larger)
                charge_bytes(sandbox, size, "instruction budget exceeded by allocations");
        return result;
}

void sandbox_log(struct lua_sandbox *sandbox, int priority, const char *text, size_t length) {
        char line[IOCORE_REASON_MAX];
        uint64_t now = sandbox->host ? sandbox->host->now_usec : 0;

        if (!sandbox->callbacks || !sandbox->callbacks->log)
                return;
        if (now > sandbox->log_refilled) {
                uint64_t more = (now - sandbox->log_refilled) / LOG_REFILL_USEC;

                if (more > 0) {
                        sandbox->log_tokens = more + sandbox->log_tokens > LOG_BURST ? LOG_BURST : sandbox->log_tokens + (unsigned) more;
                        sandbox->log_refilled += more * LOG_REFILL_USEC;
                }
        }
        if (sandbox->log_tokens == 0) {
                sandbox->log_suppressed++;
                return;
        }
        if (sandbox->log_suppressed > 0) {
                snprintf(line, sizeof(line), "%u messages suppressed", sandbox->log_suppressed);
                sandbox->callbacks->log(sandbox->callbacks->userdata, sandbox->name, LOG_WARNING, line);
                sandbox->log_suppressed = 0;
        }
        sandbox->log_tokens--;
        text_copy(line, sizeof(line), text, length);
        sandbox->callbacks->log(sandbox->callbacks->userdata, sandbox->name, priority, line);
}

/* A fresh budget for one event. */
static void arm(struct lua_sandbox *sandbox) {
        sandbox->budget = sandbox->limits.instructions_per_event;
        sandbox->exhausted = NULL;
        lua_sethook(sandbox->lua, budget_hook, LUA_MASKCOUNT, HOOK_STEP);
}

/* What went wrong, out of a pcall's status and the error object on top of the stack, which may be anything. Never allocates: a number is not converted. */
static void describe_failure(struct lua_sandbox *sandbox, int status, char *ret_error, size_t size) {
        lua_State *lua = sandbox->lua;

        if (sandbox->exhausted)
                snprintf(ret_error, size, "%s", sandbox->exhausted);
        else if (status == LUA_ERRMEM)
                snprintf(ret_error, size, "not enough memory (the limit is %zu bytes, of one string %zu)", sandbox->limits.memory_bytes, SANDBOX_STRING_MAX);
        else if (lua_type(lua, -1) == LUA_TSTRING) {
                size_t length;
                const char *text = lua_tolstring(lua, -1, &length);

                text_copy(ret_error, size, text, length);
        } else
                snprintf(ret_error, size, "error object is a %s value", lua_typename(lua, lua_type(lua, -1)));
}

struct load_request {
        const char *source;
        size_t size;
};

static int load_protected(lua_State *lua) {
        const struct load_request *request = lua_touserdata(lua, 1);
        struct lua_sandbox *sandbox = sandbox_of(lua);
        char chunk_name[POLICY_NAME_MAX + 2];

        lua_settop(lua, 0);
        for (size_t i = 0; i < _POLICY_EVENT_MAX; i++)
                sandbox->handlers[i] = LUA_NOREF;
        host_objects_open(lua);
        library_push_environment(lua);
        snprintf(chunk_name, sizeof(chunk_name), "=%s", sandbox->name);
        arm(sandbox);
        if (luaL_loadbufferx(lua, request->source, request->size, chunk_name, "t") != LUA_OK)
                return lua_error(lua);
        lua_pushvalue(lua, 1);
        if (!lua_setupvalue(lua, 2, 1))
                lua_pop(lua, 1); /* a chunk always has _ENV; without it there is nothing to replace */
        lua_call(lua, 0, 1);
        if (!sandbox->declared)
                return luaL_error(lua, "does not call policy { ... }");
        if (lua_type(lua, -1) != LUA_TUSERDATA || ((struct object *) lua_touserdata(lua, -1))->kind != OBJECT_POLICY)
                return luaL_error(lua, "does not return policy { ... }");
        return 0;
}

static int sandbox_open(struct lua_sandbox *sandbox, const struct load_request *request, char *ret_error, size_t error_size) {
        int status;

        sandbox->lua = lua_newstate(allocate, sandbox);
        if (!sandbox->lua)
                return -ENOMEM;
        *(struct lua_sandbox **) lua_getextraspace(sandbox->lua) = sandbox;
        sandbox->exhausted = NULL;
        lua_pushcfunction(sandbox->lua, load_protected);
        lua_pushlightuserdata(sandbox->lua, (void *) request);
        status = lua_pcall(sandbox->lua, 1, 0, 0);
        if (status == LUA_OK && !sandbox->exhausted)
                return 0;
        describe_failure(sandbox, status, ret_error, error_size);
        return -EINVAL;
}

int lua_sandbox_new(struct lua_sandbox **ret, const char *name, int priority, const char *source, size_t size, const struct policy_limits *limits,
                    const struct policy_callbacks *callbacks, char *ret_error, size_t error_size) {
        _cleanup_(lua_sandbox_freep) struct lua_sandbox *sandbox = NULL;
        const struct load_request request = { source, size };
        int r;

        if (size > SANDBOX_SOURCE_MAX) {
                snprintf(ret_error, error_size, "longer than %zu bytes", SANDBOX_SOURCE_MAX);
                return -EINVAL;
        }
        sandbox = calloc(1, sizeof(*sandbox));
        if (!sandbox)
                return -ENOMEM;
        snprintf(sandbox->name, sizeof(sandbox->name), "%s", name);
        sandbox->priority = priority;
        sandbox->limits = *limits;
        sandbox->callbacks = callbacks;
        sandbox->budget = limits->instructions_per_event;
        sandbox->cpu_limit = (uint64_t) limits->instructions_per_event * CPU_NSEC_PER_INSTRUCTION;
        sandbox->log_tokens = LOG_BURST;
        r = lua_arena_new(&sandbox->arena, limits->memory_bytes);
        if (r < 0) {
                snprintf(ret_error, error_size, "memory limit of %zu bytes: %s", limits->memory_bytes, strerror(-r));
                return r;
        }
        r = sandbox_open(sandbox, &request, ret_error, error_size);
        if (r < 0)
                return r;
        sandbox->epoch_timed = false;
        *ret = TAKE_PTR(sandbox);
        return 0;
}

struct lua_sandbox *lua_sandbox_free(struct lua_sandbox *sandbox) {
        if (!sandbox)
                return NULL;
        /* All its memory is in the arena, and no finalizer of a policy's can exist: closing only has to free what Lua's own buffers hold. */
        if (sandbox->lua) {
                lua_sethook(sandbox->lua, NULL, 0, 0);
                sandbox->exhausted = "closed";
                lua_close(sandbox->lua);
        }
        lua_arena_free(sandbox->arena);
        free(sandbox);
        return NULL;
}

const char *lua_sandbox_doc(const struct lua_sandbox *sandbox) {
        return sandbox->doc;
}

struct policy_parameter *lua_sandbox_parameters(struct lua_sandbox *sandbox, size_t *ret_n) {
        *ret_n = sandbox->n_parameters;
        return sandbox->parameters;
}

bool lua_sandbox_handles(const struct lua_sandbox *sandbox, enum policy_event event) {
        return sandbox->handlers[event] != LUA_NOREF;
}

void lua_sandbox_begin(struct lua_sandbox *sandbox, const struct host *host, struct intent_list *intents) {
        sandbox->run++;
        sandbox->host = host;
        sandbox->intents = intents;
        sandbox->n_intents = 0;
        sandbox->epoch_timed = false;
        sandbox->out_of_memory = false;
}

void lua_sandbox_end(struct lua_sandbox *sandbox) {
        sandbox->host = NULL;
        sandbox->intents = NULL;
}

struct call_request {
        enum policy_event event;
        const struct host_event *subject;
};

/* A core's events carry its CPU number as text; -1 for what is none. */
static int cpu_number(const char *text) {
        char *end;
        long number = strtol(text, &end, 10);

        return end != text && *end == '\0' && number >= 0 && number <= INT_MAX ? (int) number : -1;
}

static void push_subject(lua_State *lua, enum policy_event event, const struct host_event *subject) {
        const char *what = "added";

        switch (subject->kind) {
        case HOST_DEVICE_ADDED:
                push_of_id(lua, OBJECT_UNIT, subject->id);
                break;
        case HOST_DOMAIN_ADDED:
                push_of_id(lua, OBJECT_DOMAIN, subject->id);
                break;
        case HOST_DOMAIN_CHANGED:
                push_of_id(lua, OBJECT_DOMAIN, subject->id);
                what = "changed";
                break;
        case HOST_CORE_ADDED:
                push_core(lua, cpu_number(subject->id));
                break;
        case HOST_CORE_REMOVED:
                push_core(lua, cpu_number(subject->id));
                what = "removed";
                break;
        case HOST_DEVICE_REMOVED:
        case HOST_DOMAIN_REMOVED:
                lua_pushnil(lua);
                what = "removed";
                break;
        case HOST_DOMAIN_EVENT:
                if (event == POLICY_ON_DOMAIN)
                        push_of_id(lua, OBJECT_DOMAIN, subject->id);
                else
                        lua_pushnil(lua); /* a device of a domain is no unit */
                what = subject->event;
                break;
        case _HOST_EVENT_KIND_MAX:
                lua_pushnil(lua);
                break;
        }
        lua_pushstring(lua, what);
        lua_pushstring(lua, subject->id);
        lua_pushstring(lua, subject->detail);
}

static int call_protected(lua_State *lua) {
        const struct call_request *request = lua_touserdata(lua, 1);
        struct lua_sandbox *sandbox = sandbox_of(lua);
        int n_arguments = 2;

        lua_settop(lua, 0);
        lua_rawgeti(lua, LUA_REGISTRYINDEX, sandbox->handlers[request->event]);
        lua_rawgeti(lua, LUA_REGISTRYINDEX, sandbox->host_object);
        lua_rawgeti(lua, LUA_REGISTRYINDEX, sandbox->parameters_object);
        if (request->subject) {
                push_subject(lua, request->event, request->subject);
                n_arguments += 4;
        }
        lua_call(lua, n_arguments, 0);
        return 0;
}

int lua_sandbox_call(struct lua_sandbox *sandbox, enum policy_event event, const struct host_event *subject, char *ret_error, size_t error_size) {
        const struct call_request request = { event, subject };
        lua_State *lua = sandbox->lua;
        int status;

        if (!lua_sandbox_handles(sandbox, event))
                return 0;
        arm(sandbox);
        lua_settop(lua, 0);
        lua_pushcfunction(lua, call_protected);
        lua_pushlightuserdata(lua, (void *) &request);
        status = lua_pcall(lua, 1, 0, 0);
        if (sandbox->out_of_memory)
                return -ENOMEM;
        if (status == LUA_OK && !sandbox->exhausted)
                return 0;
        describe_failure(sandbox, status, ret_error, error_size);
        return -EINVAL;
}

unsigned lua_sandbox_n_intents(const struct lua_sandbox *sandbox) {
        return sandbox->n_intents;
}

size_t lua_sandbox_memory(const struct lua_sandbox *sandbox) {
        return lua_arena_used(sandbox->arena);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Actions: what a policy asks for becomes an intent; nothing acts here. Wrong arguments raise an error; an object that has vanished gives false, "gone". */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "lua-internal.h"

enum {
        KEY_REASON = 1u << 0, /* every action takes reason, evidence and trial */
        KEY_EVIDENCE = 1u << 1,
        KEY_TRIAL = 1u << 2,
        KEY_CPU = 1u << 3,
        KEY_TO = 1u << 4,
        KEY_ON = 1u << 5,
        KEY_BYTES = 1u << 6,
        KEY_CPUS = 1u << 7,
        KEY_NODE = 1u << 8,
        KEY_IRQ = 1u << 9,
        KEY_NIC = 1u << 10,
        KEY_KNOB = 1u << 11,
        KEY_OBJECT = 1u << 12,
        KEY_VALUE = 1u << 13,
        KEY_PLACEMENT = 1u << 14,
        KEY_VCPUS = 1u << 15, /* "cpus", also for each vCPU */
};
/* No hypervisor gives a guest more. */
#define VCPU_MAX 4095
#define KEY_COMMON (KEY_REASON | KEY_EVIDENCE | KEY_TRIAL)

static const char *const key_names[] = { "reason", "evidence", "trial", "cpu", "to", "on", "bytes", "cpus", "node", "irq", "nic", "knob", "object", "value",
                                          "placement", "cpus" };

static int compare_evidence(const void *a, const void *b) {
        return strcmp(((const struct evidence *) a)->name, ((const struct evidence *) b)->name);
}

/* The value on top of the stack as text. */
static void take_text(lua_State *lua, const char *key, char *destination, size_t size) {
        size_t length;
        const char *text;

        if (lua_type(lua, -1) != LUA_TSTRING)
                luaL_error(lua, "%s is not a string", key);
        text = lua_tolstring(lua, -1, &length);
        text_copy(destination, size, text, length);
}

/* As take_text(), but what does not fit or has other characters is refused: it names something. */
static void take_name(lua_State *lua, const char *key, char *destination, size_t size) {
        size_t length;
        const char *text;

        if (lua_type(lua, -1) != LUA_TSTRING)
                luaL_error(lua, "%s is not a string", key);
        text = lua_tolstring(lua, -1, &length);
        text_copy(destination, size, text, length);
        if (length == 0 || length >= size || strlen(destination) != length || memcmp(destination, text, length) != 0)
                luaL_error(lua, "%s is empty, too long or has unprintable characters", key);
}

/* A CPU of this host, by number or as a core. */
static int take_cpu(lua_State *lua, const char *key) {
        const struct host *host = sandbox_of(lua)->host;
        const struct cpu *cpu;
        lua_Integer number;
        int is_integer = 1;

        if (lua_type(lua, -1) == LUA_TUSERDATA)
                number = (lua_Integer) check_object(lua, -1, OBJECT_CORE)->index;
        else
                number = lua_type(lua, -1) == LUA_TNUMBER ? lua_tointegerx(lua, -1, &is_integer) : -1;
        cpu = is_integer && number >= 0 && number < (lua_Integer) host->n_cpus ? host_cpu(host, (int) number) : NULL;
        if (!cpu || !cpu->topology->present)
                luaL_error(lua, "%s: no such CPU", key);
        return (int) number;
}

static int take_node(lua_State *lua, const char *key) {
        const struct host *host = sandbox_of(lua)->host;
        lua_Integer number = -1;

        if (lua_type(lua, -1) == LUA_TUSERDATA) {
                const struct object *object = check_object(lua, -1, OBJECT_NODE);

                if (object->index < host->n_nodes)
                        return host->nodes[object->index].topology->node;
        } else if (lua_isinteger(lua, -1))
                number = lua_tointeger(lua, -1);
        for (size_t i = 0; i < host->n_nodes; i++)
                if (host->nodes[i].topology->node == number)
                        return (int) number;
        return luaL_error(lua, "%s: no such NUMA node", key);
}

static void take_evidence(lua_State *lua, struct intent *intent) {
        if (!lua_istable(lua, -1))
                luaL_error(lua, "evidence is not a table");
        lua_pushnil(lua);
        while (lua_next(lua, -2)) {
                struct evidence *evidence = &intent->evidence[intent->n_evidence];

                if (intent->n_evidence >= INTENT_EVIDENCE_MAX)
                        luaL_error(lua, "more than %d values in evidence", INTENT_EVIDENCE_MAX);
                if (lua_type(lua, -2) != LUA_TSTRING || (lua_type(lua, -1) != LUA_TNUMBER && !lua_isboolean(lua, -1)))
                        luaL_error(lua, "evidence is not a table of names and numbers");
                text_copy(evidence->name, sizeof(evidence->name), lua_tostring(lua, -2), lua_rawlen(lua, -2));
                evidence->value = lua_isboolean(lua, -1) ? lua_toboolean(lua, -1) : lua_tonumber(lua, -1);
                if (!isfinite(evidence->value))
                        luaL_error(lua, "evidence: %s is not finite", evidence->name);
                intent->n_evidence++;
                lua_pop(lua, 1);
        }
        /* Lua's order of keys changes from run to run */
        qsort(intent->evidence, intent->n_evidence, sizeof(*intent->evidence), compare_evidence);
}

static void take_trial(lua_State *lua, struct intent *intent) {
        const char *text;

        if (!lua_istable(lua, -1))
                luaL_error(lua, "trial is not a table");
        lua_getfield(lua, -1, "measure");
        text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "";
        intent->trial = trial_measure_from_string(text);
        if (intent->trial <= TRIAL_NONE)
                luaL_error(lua, "trial.measure is none of cycles_per_byte, worst_wait, bytes_per_second");
        lua_getfield(lua, -2, "better");
        text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "";
        if (strcmp(text, "higher") != 0 && strcmp(text, "lower") != 0)
                luaL_error(lua, "trial.better is neither higher nor lower");
        intent->trial_higher_is_better = text[0] == 'h';
        lua_pop(lua, 2);
}

/* A value that is set: text, a number, true and false as 1 and 0. */
static void take_value(lua_State *lua, const char *key, char *destination, size_t size) {
        if (lua_isboolean(lua, -1))
                snprintf(destination, size, "%d", lua_toboolean(lua, -1));
        else if (lua_type(lua, -1) == LUA_TNUMBER) {
                if (!isfinite(lua_tonumber(lua, -1)))
                        luaL_error(lua, "%s is not finite", key);
                lua_pushvalue(lua, -1);
                snprintf(destination, size, "%s", lua_tostring(lua, -1));
                lua_pop(lua, 1);
        } else
                take_name(lua, key, destination, size);
}

static void take_count(lua_State *lua, const char *key, char *destination, size_t size) {
        int is_integer = 0;
        lua_Integer number = lua_type(lua, -1) == LUA_TNUMBER ? lua_tointegerx(lua, -1, &is_integer) : -1;

        if (!is_integer || number < 0)
                luaL_error(lua, "%s is not a whole number from 0 on", key);
        snprintf(destination, size, "%lld", (long long) number);
}

static void take_cpu_list(lua_State *lua, const char *key, char *destination, size_t size) {
        if (lua_type(lua, -1) == LUA_TNUMBER || lua_type(lua, -1) == LUA_TUSERDATA)
                snprintf(destination, size, "%d", take_cpu(lua, key));
        else {
                take_name(lua, key, destination, size);
                if (strspn(destination, "0123456789,-") != strlen(destination))
                        luaL_error(lua, "%s is not a list of CPUs like 0-3,8", key);
        }
}

/* { [0] = "2", [1] = "3,5" }: vCPU -> its CPUs, in the order of the vCPUs. */
static void take_vcpu_lists(lua_State *lua, const char *key, char *destination, size_t size) {
        lua_Integer highest = -1;
        size_t used = 0;
        int n = 0;

        if (!lua_istable(lua, -1)) {
                take_cpu_list(lua, key, destination, size);
                return;
        }
        lua_pushnil(lua);
        while (lua_next(lua, -2)) {
                lua_Integer vcpu = lua_isinteger(lua, -2) ? lua_tointeger(lua, -2) : -1;

                /* each takes four characters of a text that is not long */
                if (vcpu < 0 || vcpu > VCPU_MAX || n > (int) size)
                        luaL_error(lua, "%s: a key is no vCPU, or there are too many", key);
                highest = vcpu > highest ? vcpu : highest;
                n++;
                lua_pop(lua, 1);
        }
        if (n == 0)
                luaL_error(lua, "%s is empty", key);
        sandbox_charge(lua, (uint64_t) highest + 1);
        for (lua_Integer vcpu = 0; vcpu <= highest; vcpu++) {
                char list[IOCORE_REASON_MAX];

                if (lua_rawgeti(lua, -1, vcpu) != LUA_TNIL) {
                        take_cpu_list(lua, key, list, sizeof(list));
                        used += (size_t) snprintf(destination + used, size - used, "%s%lld=%s", used > 0 ? ";" : "", (long long) vcpu, list);
                        if (used >= size)
                                luaL_error(lua, "%s is too long", key);
                }
                lua_pop(lua, 1);
        }
}

static void take_destination(lua_State *lua, struct intent *intent) {
        if (lua_type(lua, -1) == LUA_TSTRING && strcmp(lua_tostring(lua, -1), "home") == 0)
                intent->cpu = IOCORE_CPU_ANY;
        else
                intent->cpu = take_cpu(lua, "to");
}

static void take_object(lua_State *lua, struct intent *intent, const char *key) {
        const struct object *object = lua_type(lua, -1) == LUA_TUSERDATA ? lua_touserdata(lua, -1) : NULL;

        if (object && object->kind >= OBJECT_UNIT && object->kind <= OBJECT_DOMAIN)
                snprintf(intent->object, sizeof(intent->object), "%s", object->id);
        else if (lua_type(lua, -1) == LUA_TNUMBER)
                take_count(lua, key, intent->object, sizeof(intent->object));
        else
                take_name(lua, key, intent->object, sizeof(intent->object));
}

static void take_key(lua_State *lua, struct intent *intent, unsigned key, const char *name) {
        switch (key) {
        case KEY_REASON:
                take_text(lua, name, intent->reason, sizeof(intent->reason));
                break;
        case KEY_EVIDENCE:
                take_evidence(lua, intent);
                break;
        case KEY_TRIAL:
                take_trial(lua, intent);
                break;
        case KEY_CPU:
                intent->cpu = take_cpu(lua, name);
                break;
        case KEY_TO:
                take_destination(lua, intent);
                break;
        case KEY_ON:
                if (!lua_isboolean(lua, -1))
                        luaL_error(lua, "on is not true or false");
                snprintf(intent->value, sizeof(intent->value), "%d", lua_toboolean(lua, -1));
                break;
        case KEY_BYTES:
                take_count(lua, name, intent->value, sizeof(intent->value));
                break;
        case KEY_CPUS:
                take_cpu_list(lua, name, intent->value, sizeof(intent->value));
                break;
        case KEY_VCPUS:
                take_vcpu_lists(lua, name, intent->value, sizeof(intent->value));
                break;
        case KEY_PLACEMENT:
                take_name(lua, name, intent->value, sizeof(intent->value));
                break;
        case KEY_NODE:
                intent->node = take_node(lua, name);
                snprintf(intent->value, sizeof(intent->value), "%d", intent->node);
                break;
        case KEY_IRQ:
        case KEY_NIC:
        case KEY_OBJECT:
                take_object(lua, intent, name);
                break;
        case KEY_KNOB:
                take_name(lua, name, intent->knob, sizeof(intent->knob));
                break;
        default:
                take_value(lua, name, intent->value, sizeof(intent->value));
        }
}

/* Reads the table of an action (argument 2) into `intent`; `wanted` keys must be there, `optional` ones may. */
static void take_arguments(lua_State *lua, struct intent *intent, unsigned wanted, unsigned optional) {
        unsigned seen = 0;

        if (lua_isnoneornil(lua, 2) && !wanted)
                return;
        luaL_checktype(lua, 2, LUA_TTABLE);
        lua_settop(lua, 2);
        lua_pushnil(lua);
        while (lua_next(lua, 2)) {
                unsigned key = 0;

                if (lua_type(lua, -2) == LUA_TSTRING)
                        for (size_t i = 0; i < ELEMENTSOF(key_names); i++)
                                if (strcmp(lua_tostring(lua, -2), key_names[i]) == 0) {
                                        unsigned known = 1u << i & (wanted | optional | KEY_COMMON);
                                        if (known)
                                                take_key(lua, intent, known, key_names[i]);
                                        key |= known; /* "cpus" is there twice */
                                }
                if (!key)
                        luaL_error(lua, "unknown key '%s'", lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : luaL_typename(lua, -2));
                seen |= key;
                lua_pop(lua, 1);
        }
        for (size_t i = 0; i < ELEMENTSOF(key_names); i++)
                if (wanted & ~seen & 1u << i)
                        luaL_error(lua, "%s is missing", key_names[i]);
}

static struct intent blank_intent(enum intent_action action) {
        return (struct intent) { .action = action, .node = IOCORE_NODE_UNKNOWN, .cpu = IOCORE_CPU_ANY };
}

/* Appends the intent and returns true to Lua. */
static int submit(lua_State *lua, const struct intent *intent) {
        struct lua_sandbox *sandbox = sandbox_of(lua);
        struct intent *added;

        if (!sandbox->intents)
                return luaL_error(lua, "an action can be asked for during an event only");
        if (sandbox->n_intents >= sandbox->limits.intents_per_epoch) {
                sandbox_exhaust(sandbox, "too many intents in one epoch");
                return luaL_error(lua, "%s", sandbox->exhausted);
        }
        added = intent_list_append(sandbox->intents);
        if (!added) {
                sandbox->out_of_memory = true;
                return luaL_error(lua, "no memory for an intent");
        }
        *added = *intent;
        snprintf(added->source, sizeof(added->source), "policy:%s", sandbox->name);
        added->priority = sandbox->priority;
        sandbox->n_intents++;
        lua_pushboolean(lua, 1);
        return 1;
}

/* The object that a method is called on. NULL: it is gone, and what the method returns is on the stack. */
static const void *subject(lua_State *lua, enum object_kind kind) {
        const void *target = object_target(lua, check_object(lua, 1, kind));

        sandbox_charge(lua, 50);
        if (!target) {
                lua_pushboolean(lua, 0);
                lua_pushliteral(lua, "gone");
        }
        return target;
}

static int subject_action(lua_State *lua, enum object_kind kind, enum intent_action action, unsigned wanted) {
        struct intent intent = blank_intent(action);

        if (!subject(lua, kind))
                return 2;
        snprintf(intent.object, sizeof(intent.object), "%s", check_object(lua, 1, kind)->id);
        take_arguments(lua, &intent, wanted, 0);
        return submit(lua, &intent);
}

int action_grow(lua_State *lua) {
        struct intent intent = blank_intent(INTENT_GROW);
        const struct node *node = subject(lua, OBJECT_NODE);

        if (!node)
                return 2;
        intent.node = node->topology->node;
        take_arguments(lua, &intent, 0, KEY_CPU);
        return submit(lua, &intent);
}

/* node:shrink{} or core:shrink{} */
int action_shrink(lua_State *lua) {
        struct intent intent = blank_intent(INTENT_SHRINK);
        const struct object *object = lua_type(lua, 1) == LUA_TUSERDATA ? lua_touserdata(lua, 1) : NULL;

        if (object && object->kind == OBJECT_CORE) {
                const struct cpu *cpu = subject(lua, OBJECT_CORE);

                if (!cpu)
                        return 2;
                intent.node = cpu->topology->node;
                intent.cpu = cpu->topology->cpu;
                take_arguments(lua, &intent, 0, 0);
        } else {
                const struct node *node = subject(lua, OBJECT_NODE);

                if (!node)
                        return 2;
                intent.node = node->topology->node;
                take_arguments(lua, &intent, 0, KEY_CPU);
        }
        return submit(lua, &intent);
}

int action_move(lua_State *lua) {
        return subject_action(lua, OBJECT_UNIT, INTENT_MOVE, KEY_TO);
}

int action_poll(lua_State *lua) {
        return subject_action(lua, OBJECT_QUEUE, INTENT_POLL, KEY_ON);
}

int action_limit(lua_State *lua) {
        return subject_action(lua, OBJECT_QUEUE, INTENT_LIMIT, KEY_BYTES);
}

int action_pin(lua_State *lua) {
        return subject_action(lua, OBJECT_DOMAIN, INTENT_PIN, KEY_VCPUS);
}

int action_bind_memory(lua_State *lua) {
        return subject_action(lua, OBJECT_DOMAIN, INTENT_BIND_MEMORY, KEY_NODE);
}

int action_place(lua_State *lua) {
        return subject_action(lua, OBJECT_DOMAIN, INTENT_PLACE, KEY_PLACEMENT);
}

static int host_action(lua_State *lua, enum intent_action action, unsigned wanted) {
        struct intent intent = blank_intent(action);

        if (!subject(lua, OBJECT_HOST))
                return 2;
        take_arguments(lua, &intent, wanted, 0);
        return submit(lua, &intent);
}

int action_pin_irq(lua_State *lua) {
        return host_action(lua, INTENT_PIN_IRQ, KEY_IRQ | KEY_CPUS);
}

int action_coalesce(lua_State *lua) {
        return host_action(lua, INTENT_COALESCE, KEY_NIC | KEY_VALUE);
}

int action_set(lua_State *lua) {
        return host_action(lua, INTENT_SET, KEY_KNOB | KEY_OBJECT | KEY_VALUE);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Iterators for the generic for. The state is an object (or a filter), the control variable the object before: nothing is allocated in the steady state but a
 * filter, and that in the arena. Filters are looked at here, since 1,000 queues cost some microseconds in C and a hundred times as much in Lua.
 */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "lua-internal.h"

/* Looking at so many objects costs about one instruction. */
#define OBJECTS_PER_UNIT 4

/* Where the loop goes on: behind the control variable. */
static size_t next_index(lua_State *lua, enum object_kind kind) {
        struct object *object;

        if (lua_isnoneornil(lua, 2))
                return 0;
        object = check_object(lua, 2, kind);
        if (!object_target(lua, object) && kind != OBJECT_NODE && kind != OBJECT_CORE)
                luaL_argerror(lua, 2, "gone");
        return (size_t) object->index + 1;
}

static struct object *check_state(lua_State *lua) {
        struct object *state = lua_type(lua, 1) == LUA_TUSERDATA ? lua_touserdata(lua, 1) : NULL;

        if (!state || (state->kind != OBJECT_HOST && state->kind != OBJECT_NODE && state->kind != OBJECT_CORE && state->kind != OBJECT_FILTER))
                luaL_argerror(lua, 1, "host, node or core expected");
        if (!sandbox_of(lua)->host)
                luaL_error(lua, "the host can be read during an event only");
        return state;
}

static int next_node(lua_State *lua) {
        (void) check_state(lua);
        push_node(lua, next_index(lua, OBJECT_NODE));
        return 1;
}

static int next_core(lua_State *lua) {
        const struct object *state = check_state(lua);
        const struct host *host = sandbox_of(lua)->host;
        size_t first = next_index(lua, OBJECT_CORE), i;
        int node = state->kind == OBJECT_NODE && state->index < host->n_nodes ? host->nodes[state->index].topology->node : INT_MIN;

        for (i = first; i < host->n_cpus; i++)
                if (host->cpus[i].io_core && (node == INT_MIN || host->cpus[i].topology->node == node))
                        break;
        sandbox_charge(lua, (i - first) / OBJECTS_PER_UNIT);
        if (i >= host->n_cpus)
                return 0;
        push_core(lua, (int) i);
        return 1;
}

static int next_worker(lua_State *lua) {
        (void) check_state(lua);
        push_worker(lua, next_index(lua, OBJECT_WORKER));
        return 1;
}

static int next_domain(lua_State *lua) {
        (void) check_state(lua);
        push_domain(lua, next_index(lua, OBJECT_DOMAIN));
        return 1;
}

static bool unit_is_at(const struct host *host, const struct unit *unit, int node, int core) {
        const struct node *home;

        if (core >= 0 && unit->core != core)
                return false;
        if (node < 0)
                return true;
        home = host_unit_node(host, unit);
        return home && home->topology->node == node;
}

static bool unit_matches(const struct host *host, const struct unit *unit, const struct filter *filter) {
        double load = unit->load_average >= 0 ? unit->load_average : unit->rates_valid ? unit->load : 0;

        return load >= filter->min_load && load <= filter->max_load && (filter->placed < 0 || filter->placed == (unit->core >= 0)) &&
               (filter->manual < 0 || filter->manual == host_unit_is_manual(unit)) && (filter->blocked < 0 || filter->blocked == unit->pub.blocked) &&
               unit_is_at(host, unit, filter->node, filter->core);
}

static bool queue_matches(const struct host *host, const struct queue *queue, const struct filter *filter) {
        bool valid;

        if ((filter->polled >= 0 && filter->polled != queue->pub.poll) || (filter->can_poll >= 0 && filter->can_poll != queue->pub.can_poll) ||
            (filter->manual >= 0 && filter->manual != (queue->state == OBJECT_MANUAL)))
                return false;
        valid = queue_rates_valid(host, queue);
        if (!valid && (filter->min_load > 0 || filter->min_works > 0))
                return false;
        if (valid && (queue->load < filter->min_load || queue->load > filter->max_load || queue->works_per_second < filter->min_works ||
                      queue->works_per_second > filter->max_works))
                return false;
        if (filter->placed >= 0 && filter->placed != (queue->pub.unit && ((const struct unit *) queue->pub.unit)->core >= 0))
                return false;
        if (filter->node < 0 && filter->core < 0)
                return true;
        return queue->pub.unit && unit_is_at(host, (const struct unit *) queue->pub.unit, filter->node, filter->core);
}

/* The state itself as a filter: all of the host, of a node, of a core. */
static struct filter plain_filter(const struct host *host, const struct object *state, enum object_kind kind) {
        struct filter filter = { .kind = kind, .node = -1, .core = -1, .polled = -1, .can_poll = -1, .placed = -1, .manual = -1, .blocked = -1,
                                 .min_load = -HUGE_VAL, .max_load = HUGE_VAL, .min_works = -HUGE_VAL, .max_works = HUGE_VAL };

        if (state->kind == OBJECT_NODE && state->index < host->n_nodes)
                filter.node = host->nodes[state->index].topology->node;
        else if (state->kind == OBJECT_CORE)
                filter.core = (int) state->index;
        return filter;
}

static int next_unit(lua_State *lua) {
        const struct object *state = check_state(lua);
        const struct host *host = sandbox_of(lua)->host;
        struct filter filter = state->kind == OBJECT_FILTER ? *(const struct filter *) state : plain_filter(host, state, OBJECT_UNIT);
        size_t first = next_index(lua, OBJECT_UNIT), i = first;

        while (i < host->n_units && !unit_matches(host, host->units[i], &filter))
                i++;
        sandbox_charge(lua, (i - first) / OBJECTS_PER_UNIT);
        push_unit(lua, i);
        return 1;
}

static int next_queue(lua_State *lua) {
        const struct object *state = check_state(lua);
        const struct host *host = sandbox_of(lua)->host;
        struct filter filter = state->kind == OBJECT_FILTER ? *(const struct filter *) state : plain_filter(host, state, OBJECT_QUEUE);
        size_t first = next_index(lua, OBJECT_QUEUE), i = first;

        /* Work can only be asked of queues that were sampled: the others are passed over without a look at their memory. */
        bool works = host->queues_regrouped && (filter.min_load > 0 || filter.min_works > 0);
        while (i < host->n_queues && ((works && !host->queue_sampled[i]) || !queue_matches(host, host->queues[i], &filter)))
                i++;
        sandbox_charge(lua, (i - first) / OBJECTS_PER_UNIT);
        push_queue(lua, i);
        return 1;
}

static signed char filter_boolean(lua_State *lua, const char *key) {
        if (!lua_isboolean(lua, -1))
                luaL_error(lua, "filter: %s is not true or false", key);
        return (signed char) lua_toboolean(lua, -1);
}

static double filter_number(lua_State *lua, const char *key) {
        double value;

        if (lua_type(lua, -1) != LUA_TNUMBER)
                luaL_error(lua, "filter: %s is not a number", key);
        value = lua_tonumber(lua, -1);
        if (isnan(value))
                luaL_error(lua, "filter: %s is not a number", key);
        return value;
}

/* One key of a filter's table; the value is on top of the stack. */
static void filter_key(lua_State *lua, struct filter *filter, const char *key) {
        bool queues = filter->kind == OBJECT_QUEUE;

        if (strcmp(key, "min_load") == 0)
                filter->min_load = filter_number(lua, key);
        else if (strcmp(key, "max_load") == 0)
                filter->max_load = filter_number(lua, key);
        else if (strcmp(key, "manual") == 0)
                filter->manual = filter_boolean(lua, key);
        else if (!queues && strcmp(key, "blocked") == 0)
                filter->blocked = filter_boolean(lua, key);
        else if (queues && strcmp(key, "min_works") == 0)
                filter->min_works = filter_number(lua, key);
        else if (queues && strcmp(key, "max_works") == 0)
                filter->max_works = filter_number(lua, key);
        else if (queues && strcmp(key, "polled") == 0)
                filter->polled = filter_boolean(lua, key);
        else if (queues && strcmp(key, "can_poll") == 0)
                filter->can_poll = filter_boolean(lua, key);
        else if (strcmp(key, "placed") == 0)
                filter->placed = filter_boolean(lua, key);
        else
                luaL_error(lua, "filter: unknown key '%s'", key);
}

/* Returns the three values of the generic for; with a filter table as second argument the state is a filter. */
static int begin_loop(lua_State *lua, lua_CFunction next, enum object_kind kind) {
        const struct object *state = check_state(lua);

        luaL_argcheck(lua, state->kind != OBJECT_FILTER, 1, "host, node or core expected");
        if (lua_isnoneornil(lua, 2) || kind == OBJECT_HOST) {
                lua_pushcfunction(lua, next);
                lua_pushvalue(lua, 1);
                return 2;
        }
        luaL_checktype(lua, 2, LUA_TTABLE);
        struct filter filter = plain_filter(sandbox_of(lua)->host, state, kind);

        lua_settop(lua, 2);
        lua_pushnil(lua);
        while (lua_next(lua, 2)) {
                if (lua_type(lua, -2) != LUA_TSTRING)
                        return luaL_error(lua, "filter: a key is no string");
                filter_key(lua, &filter, lua_tostring(lua, -2));
                lua_pop(lua, 1);
        }
        lua_pushcfunction(lua, next);
        filter.object = *push_new_object(lua, OBJECT_FILTER, sizeof(struct filter));
        *(struct filter *) lua_touserdata(lua, -1) = filter;
        return 2;
}

int host_nodes(lua_State *lua) {
        (void) check_object(lua, 1, OBJECT_HOST);
        return begin_loop(lua, next_node, OBJECT_HOST);
}

int host_cores(lua_State *lua) {
        return begin_loop(lua, next_core, OBJECT_HOST);
}

int host_units(lua_State *lua) {
        return begin_loop(lua, next_unit, OBJECT_UNIT);
}

int host_queues(lua_State *lua) {
        return begin_loop(lua, next_queue, OBJECT_QUEUE);
}

int host_workers(lua_State *lua) {
        (void) check_object(lua, 1, OBJECT_HOST);
        return begin_loop(lua, next_worker, OBJECT_HOST);
}

int host_domains(lua_State *lua) {
        (void) check_object(lua, 1, OBJECT_HOST);
        return begin_loop(lua, next_domain, OBJECT_HOST);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host:placements {}: where domains should be, as placement.h works it out. Nothing of Lua is called while memory is held that Lua does not own: an error of
 * Lua jumps past whatever would free it. So the answer is written into a block of Lua's own first, and made into tables after.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "daemon/plan/placement.h"
#include "lua-internal.h"

/* More than that in one answer would be more than a host can move at a time. */
#define PROPOSALS_MAX 64

/* Working out one vCPU costs about so many instructions, and the sum over nodes for each domain as many again. */
#define UNITS_PER_VCPU 20
#define UNITS_PER_DOMAIN_AND_NODE 20

struct answer {
        size_t n;
        bool out_of_memory;
        struct {
                char domain[IOCORE_NAME_MAX];
                char text[IOCORE_REASON_MAX]; /* as domain:place {} takes it */
                char nodes[64];
                enum placement_shape shape;
                size_t n_pins;
                uint64_t kib;
                double gain, remote_before, remote_after;
        } proposals[];
};

static double number_option(lua_State *lua, const char *key, double lowest, double highest) {
        double value = lua_type(lua, -1) == LUA_TNUMBER ? lua_tonumber(lua, -1) : NAN;

        if (!(value >= lowest && value <= highest))
                luaL_error(lua, "placements: %s is not a number from %f to %f", key, lowest, highest);
        return value;
}

static bool boolean_option(lua_State *lua, const char *key) {
        if (!lua_isboolean(lua, -1))
                luaL_error(lua, "placements: %s is not true or false", key);
        return lua_toboolean(lua, -1);
}

static int word_option(lua_State *lua, const char *key, const char *(*name)(int), int n) {
        const char *word = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "";

        for (int i = 0; i < n; i++)
                if (strcmp(word, name(i)) == 0)
                        return i;
        return luaL_error(lua, "placements: %s has no such value", key);
}

static const char *pin_name(int pin) {
        return placement_pin_to_string((enum placement_pin) pin);
}

static const char *memory_name(int memory) {
        return placement_memory_to_string((enum placement_memory) memory);
}

/* One key of the argument; the value is on top of the stack. */
static void take_option(lua_State *lua, const char *key, struct placement_rules *rules, size_t *max) {
        if (strcmp(key, "pin") == 0)
                rules->pin = (enum placement_pin) word_option(lua, key, pin_name, _PLACEMENT_PIN_MAX);
        else if (strcmp(key, "memory") == 0)
                rules->memory = (enum placement_memory) word_option(lua, key, memory_name, _PLACEMENT_MEMORY_MAX);
        else if (strcmp(key, "emulator") == 0)
                rules->emulator = boolean_option(lua, key);
        else if (strcmp(key, "gain") == 0)
                rules->min_gain = number_option(lua, key, PLACEMENT_LEAST_GAIN, 1000);
        else if (strcmp(key, "gib_cost") == 0)
                rules->gib_cost = number_option(lua, key, 0, 1000);
        else if (strcmp(key, "keep_free") == 0)
                rules->keep_free = number_option(lua, key, 0, 1);
        else if (strcmp(key, "max") == 0)
                *max = (size_t) number_option(lua, key, 1, PROPOSALS_MAX);
        else
                luaL_error(lua, "placements: unknown key '%s'", key);
}

static void take_options(lua_State *lua, struct placement_rules *rules, size_t *max) {
        if (lua_isnoneornil(lua, 2))
                return;
        luaL_checktype(lua, 2, LUA_TTABLE);
        lua_settop(lua, 2);
        lua_pushnil(lua);
        while (lua_next(lua, 2)) {
                if (lua_type(lua, -2) != LUA_TSTRING)
                        luaL_error(lua, "placements: a key is no string");
                take_option(lua, lua_tostring(lua, -2), rules, max);
                lua_pop(lua, 1);
        }
}

/* Writes the nodes of all cells as a list of OS indexes. */
static void write_nodes(const struct host *host, const struct placement_proposal *proposal, char *buffer, size_t size) {
        hwloc_bitmap_t nodes = hwloc_bitmap_alloc();
        unsigned place;

        buffer[0] = '\0';
        for (size_t cell = 0; nodes && cell < proposal->n_cells; cell++)
                hwloc_bitmap_foreach_begin(place, proposal->nodes[cell]) {
                        (void) hwloc_bitmap_set(nodes, (unsigned) host->nodes[place].topology->node);
                } hwloc_bitmap_foreach_end();
        if (nodes)
                (void) hwloc_bitmap_list_snprintf(buffer, size, nodes);
        hwloc_bitmap_free(nodes);
}

/* Calls nothing of Lua. */
static void work_out(const struct host *host, const struct placement_rules *rules, struct answer *answer, size_t max) {
        _cleanup_(placement_freep) struct placement *placement = NULL;
        _cleanup_(placement_plan_done) struct placement_plan plan = { 0 };

        /* what later stages would do is better asked for when the first is done */
        if (placement_new(&placement, host, rules) < 0 || placement_run(placement, 1, &plan) < 0) {
                answer->out_of_memory = true;
                return;
        }
        for (size_t i = 0; i < plan.n_proposals && answer->n < max; i++) {
                const struct placement_proposal *proposal = &plan.proposals[i];
                __typeof__(answer->proposals[0]) *to = &answer->proposals[answer->n];

                /* one whose text does not fit, of a guest with dozens of cells, cannot be asked for */
                if (placement_request_format(host, proposal, rules, to->text, sizeof(to->text)) < 0)
                        continue;
                snprintf(to->domain, sizeof(to->domain), "%s", proposal->domain->pub.id);
                write_nodes(host, proposal, to->nodes, sizeof(to->nodes));
                to->shape = proposal->shape;
                to->n_pins = proposal->n_pins;
                to->kib = proposal->total_kib;
                to->gain = proposal->gain;
                to->remote_before = proposal->remote_before;
                to->remote_after = proposal->remote_after;
                answer->n++;
        }
}

static void set_share(lua_State *lua, const char *key, double share) {
        if (share < 0)
                return;
        lua_pushnumber(lua, share);
        lua_setfield(lua, -2, key);
}

int host_placements(lua_State *lua) {
        struct lua_sandbox *sandbox = sandbox_of(lua);
        const struct host *host = object_target(lua, check_object(lua, 1, OBJECT_HOST));
        struct placement_rules rules;
        struct answer *answer;
        size_t max = PROPOSALS_MAX, n_vcpus = 0;

        placement_rules_init(&rules);
        if (sandbox->callbacks && sandbox->callbacks->placement_rules)
                sandbox->callbacks->placement_rules(sandbox->callbacks->userdata, &rules);
        take_options(lua, &rules, &max);
        for (size_t i = 0; i < host->n_domains; i++)
                n_vcpus += host->domains[i]->n_vcpus;
        if (n_vcpus == 0) {
                lua_newtable(lua);
                return 1;
        }
        sandbox_charge(lua, n_vcpus * UNITS_PER_VCPU + host->n_domains * host->n_nodes * UNITS_PER_DOMAIN_AND_NODE + host->n_cpus + 100);
        answer = lua_newuserdatauv(lua, sizeof(*answer) + max * sizeof(answer->proposals[0]), 0);
        memset(answer, 0, sizeof(*answer));
        work_out(host, &rules, answer, max);
        if (answer->out_of_memory)
                return luaL_error(lua, "no memory to work placements out");
        lua_createtable(lua, (int) answer->n, 0);
        for (size_t i = 0; i < answer->n; i++) {
                lua_createtable(lua, 0, 9);
                push_of_id(lua, OBJECT_DOMAIN, answer->proposals[i].domain);
                lua_setfield(lua, -2, "domain");
                lua_pushstring(lua, placement_shape_to_string(answer->proposals[i].shape));
                lua_setfield(lua, -2, "shape");
                lua_pushstring(lua, answer->proposals[i].nodes);
                lua_setfield(lua, -2, "nodes");
                lua_pushstring(lua, answer->proposals[i].text);
                lua_setfield(lua, -2, "placement");
                lua_pushinteger(lua, (lua_Integer) answer->proposals[i].n_pins);
                lua_setfield(lua, -2, "pins");
                lua_pushnumber(lua, (double) answer->proposals[i].kib / (1024.0 * 1024.0));
                lua_setfield(lua, -2, "gib");
                lua_pushnumber(lua, answer->proposals[i].gain);
                lua_setfield(lua, -2, "gain");
                set_share(lua, "remote_before", answer->proposals[i].remote_before);
                set_share(lua, "remote_after", answer->proposals[i].remote_after);
                lua_rawseti(lua, -2, (lua_Integer) i + 1);
        }
        return 1;
}

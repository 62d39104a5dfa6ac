/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What policies see of a domain. Of its parts one at a time is handed out, so that the cost of each call is bounded. */
#include "lua-internal.h"

static void push_text_or_nil(lua_State *lua, const char *text) {
        lua_pushstring(lua, text[0] != '\0' ? text : NULL);
}

static void push_set_or_nil(lua_State *lua, hwloc_const_bitmap_t set) {
        char text[IOCORE_VALUE_MAX];

        if (set && hwloc_bitmap_list_snprintf(text, sizeof(text), set) >= 0)
                lua_pushstring(lua, text);
        else
                lua_pushnil(lua);
}

static const char *wish_name(enum iocore_wish wish) {
        return wish == IOCORE_WISH_AUTO ? "auto" : wish == IOCORE_WISH_MANUAL ? "manual" : "";
}

void push_domain_field(lua_State *lua, const struct domain *domain, int field) {
        switch (field) {
        case FIELD_STATE:
                lua_pushstring(lua, domain->pub.state == IOCORE_DOMAIN_RUNNING ? "running" : domain->pub.state == IOCORE_DOMAIN_PAUSED ? "paused" : "shutoff");
                break;
        case FIELD_NODE:
                push_cpu_or_nil(lua, domain->pub.node);
                break;
        case FIELD_VCPUS:
                lua_pushinteger(lua, domain->pub.n_vcpus);
                break;
        case FIELD_UUID:
                push_text_or_nil(lua, domain->pub.uuid);
                break;
        case FIELD_STALE:
                lua_pushboolean(lua, domain->pub.stale);
                break;
        case FIELD_PINNED:
                lua_pushboolean(lua, domain->pub.pinned);
                break;
        case FIELD_BOUND:
                lua_pushboolean(lua, domain->pub.bound);
                break;
        case FIELD_WISH:
                push_text_or_nil(lua, wish_name(domain->pub.wish));
                break;
        case FIELD_CLASS:
                push_text_or_nil(lua, domain->pub.class);
                break;
        case FIELD_WEIGHT:
                if (domain->pub.weight > 0)
                        lua_pushinteger(lua, domain->pub.weight);
                else
                        lua_pushnil(lua);
                break;
        case FIELD_SHARE_WITHIN:
                push_text_or_nil(lua, domain->pub.share_within);
                break;
        case FIELD_MEMORY:
                if (domain->pub.memory_kib > 0)
                        lua_pushinteger(lua, (lua_Integer) domain->pub.memory_kib);
                else
                        lua_pushnil(lua);
                break;
        case FIELD_BACKING:
                push_text_or_nil(lua, domain->pub.backing);
                break;
        case FIELD_MOVING:
                lua_pushboolean(lua, domain->moving);
                break;
        case FIELD_EMULATOR_CPUS:
                push_set_or_nil(lua, domain->emulator.cpus);
                break;
        case FIELD_N_VCPUS:
                lua_pushinteger(lua, (lua_Integer) domain->n_vcpus);
                break;
        case FIELD_N_IOTHREADS:
                lua_pushinteger(lua, (lua_Integer) domain->n_iothreads);
                break;
        case FIELD_N_CELLS:
                lua_pushinteger(lua, (lua_Integer) domain->n_cells);
                break;
        case FIELD_N_DEVICES:
                lua_pushinteger(lua, (lua_Integer) domain->n_devices);
                break;
        default:
                lua_pushnil(lua);
        }
}

/* --- its parts: domain:vcpu(1) to domain:vcpu(domain.n_vcpus), a table each; nil beyond, and of a domain that is gone */

/* NULL: there is none. *ret_index counts from 0. */
static const struct domain *check_part(lua_State *lua, size_t *ret_index) {
        const struct domain *domain = object_target(lua, check_object(lua, 1, OBJECT_DOMAIN));
        lua_Integer index = luaL_checkinteger(lua, 2);

        if (!domain || index < 1)
                return NULL;
        *ret_index = (size_t) index - 1;
        return domain;
}

static void set_integer(lua_State *lua, const char *name, lua_Integer value) {
        lua_pushinteger(lua, value);
        lua_setfield(lua, -2, name);
}

static void set_number_or_nil(lua_State *lua, const char *name, int value) {
        push_cpu_or_nil(lua, value);
        lua_setfield(lua, -2, name);
}

static void set_text(lua_State *lua, const char *name, const char *value) {
        push_text_or_nil(lua, value);
        lua_setfield(lua, -2, name);
}

static void set_boolean(lua_State *lua, const char *name, bool value) {
        lua_pushboolean(lua, value);
        lua_setfield(lua, -2, name);
}

int domain_vcpu(lua_State *lua) {
        size_t index = 0;
        const struct domain *domain = check_part(lua, &index);

        if (!domain || index >= domain->n_vcpus)
                return 0;
        const struct iocore_vcpu *vcpu = &domain->vcpus[index].pub;
        lua_createtable(lua, 0, 6);
        set_integer(lua, "id", vcpu->id);
        set_integer(lua, "tid", vcpu->tid);
        set_integer(lua, "cell", vcpu->cell);
        set_boolean(lua, "by_hand", vcpu->by_hand);
        set_text(lua, "cpus", vcpu->cpus);
        set_text(lua, "knob", vcpu->knob);
        return 1;
}

int domain_iothread(lua_State *lua) {
        size_t index = 0;
        const struct domain *domain = check_part(lua, &index);

        if (!domain || index >= domain->n_iothreads)
                return 0;
        const struct iocore_iothread *thread = &domain->iothreads[index].pub;
        lua_createtable(lua, 0, 6);
        set_integer(lua, "id", thread->id);
        set_integer(lua, "tid", thread->tid);
        set_integer(lua, "poll_max_ns", (lua_Integer) thread->poll_max_ns);
        set_boolean(lua, "by_hand", thread->by_hand);
        set_text(lua, "cpus", thread->cpus);
        set_text(lua, "knob", thread->knob);
        return 1;
}

/* Where its memory is: a table of KiB by node, nil when unknown. */
int domain_cell(lua_State *lua) {
        const struct host *host = sandbox_of(lua)->host;
        size_t index = 0;
        const struct domain *domain = check_part(lua, &index);

        if (!domain || index >= domain->n_cells)
                return 0;
        const struct cell *cell = &domain->cells[index];
        lua_createtable(lua, 0, 3);
        set_integer(lua, "memory_kib", (lua_Integer) cell->pub.memory_kib);
        set_number_or_nil(lua, "node", cell->pub.node);
        if (!cell->kib_of_node)
                return 1;
        lua_newtable(lua);
        for (size_t i = 0; i < host->n_nodes; i++) {
                lua_pushinteger(lua, (lua_Integer) cell->kib_of_node[i]);
                lua_rawseti(lua, -2, host->nodes[i].topology->node);
        }
        lua_setfield(lua, -2, "where");
        return 1;
}

int domain_device(lua_State *lua) {
        size_t index = 0;
        const struct domain *domain = check_part(lua, &index);

        if (!domain || index >= domain->n_devices)
                return 0;
        const struct iocore_domain_device *device = &domain->devices[index];
        lua_createtable(lua, 0, 7);
        set_text(lua, "kind", device->kind);
        set_text(lua, "bus", device->bus);
        set_text(lua, "alias", device->alias);
        set_text(lua, "backend", device->backend);
        set_integer(lua, "queues", device->n_queues);
        set_number_or_nil(lua, "iothread", device->iothread > 0 ? (int) device->iothread : -1);
        set_number_or_nil(lua, "node", device->node);
        return 1;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domains on the bus: their properties, and what their owners want. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus-methods.h"
#include "bus-properties.h"
#include "daemon/cleanup.h"
#include "daemon/log.h"
#include "daemon/plan/placement.h"

const char *bus_wish_to_string(enum iocore_wish wish) {
        return wish == IOCORE_WISH_AUTO ? "auto" : wish == IOCORE_WISH_MANUAL ? "manual" : "";
}

/* ---- properties */

GETTER(get_state) {
        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "s", bus_domain_state_to_string(*(const enum iocore_domain_state *) userdata));
}

GETTER(get_wish) {
        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "s", bus_wish_to_string(*(const enum iocore_wish *) userdata));
}

GETTER(get_units) {
        const struct host *host = bus_current_host(connection);
        const struct domain *domain = userdata;
        int r;

        UNUSED_GETTER_ARGUMENTS;
        r = sd_bus_message_open_container(reply, 'a', "(so)");
        for (size_t i = 0; r >= 0 && i < host->n_units; i++)
                if (strcmp(host_unit_domain_name(host->units[i]), domain->pub.id) == 0)
                        r = bus_append_reference(reply, BUS_UNIT, host->units[i]->pub.id);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(get_vcpu_threads) {
        const struct domain *domain = userdata;
        int r;

        UNUSED_GETTER_ARGUMENTS;
        r = sd_bus_message_open_container(reply, 'a', "(uiibs)");
        for (size_t i = 0; r >= 0 && i < domain->n_vcpus; i++) {
                const struct iocore_vcpu *vcpu = &domain->vcpus[i].pub;

                r = sd_bus_message_append(reply, "(uiibs)", vcpu->id, (int) vcpu->tid, vcpu->cell, (int) vcpu->by_hand, vcpu->cpus);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(get_iothreads) {
        const struct domain *domain = userdata;
        int r;

        UNUSED_GETTER_ARGUMENTS;
        r = sd_bus_message_open_container(reply, 'a', "(uibst)");
        for (size_t i = 0; r >= 0 && i < domain->n_iothreads; i++) {
                const struct iocore_iothread *thread = &domain->iothreads[i].pub;

                r = sd_bus_message_append(reply, "(uibst)", thread->id, (int) thread->tid, (int) thread->by_hand, thread->cpus, thread->poll_max_ns);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_memory(const struct host *host, sd_bus_message *reply, const struct cell *cell) {
        int r = sd_bus_message_open_container(reply, 'a', "{it}");

        for (size_t i = 0; r >= 0 && cell->kib_of_node && i < host->n_nodes; i++)
                if (cell->kib_of_node[i] > 0)
                        r = sd_bus_message_append(reply, "{it}", host->nodes[i].topology->node, cell->kib_of_node[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(get_cells) {
        const struct host *host = bus_current_host(connection);
        const struct domain *domain = userdata;
        int r;

        UNUSED_GETTER_ARGUMENTS;
        r = sd_bus_message_open_container(reply, 'a', "(tia{it})");
        for (size_t i = 0; r >= 0 && i < domain->n_cells; i++) {
                r = sd_bus_message_open_container(reply, 'r', "tia{it}");
                if (r >= 0)
                        r = sd_bus_message_append(reply, "ti", domain->cells[i].pub.memory_kib, domain->cells[i].pub.node);
                if (r >= 0)
                        r = append_memory(host, reply, &domain->cells[i]);
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(get_devices) {
        const struct domain *domain = userdata;
        struct bus_text kind, alias, backend, bus;
        int r;

        UNUSED_GETTER_ARGUMENTS;
        r = sd_bus_message_open_container(reply, 'a', "(sssuuis)");
        for (size_t i = 0; r >= 0 && i < domain->n_devices; i++) {
                const struct iocore_domain_device *device = &domain->devices[i];

                r = sd_bus_message_append(reply, "(sssuuis)", bus_text(&kind, device->kind), bus_text(&alias, device->alias), bus_text(&backend, device->backend),
                                          device->n_queues, device->iothread, device->node, bus_text(&bus, device->bus));
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(get_emulator_cpus) {
        const struct domain *domain = userdata;
        char cpus[IOCORE_VALUE_MAX] = "";

        UNUSED_GETTER_ARGUMENTS;
        if (domain->emulator.cpus)
                (void) hwloc_bitmap_list_snprintf(cpus, sizeof(cpus), domain->emulator.cpus);
        return sd_bus_message_append(reply, "s", cpus);
}

const sd_bus_vtable bus_domain_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", bus_get_string, offsetof(struct domain, pub.id), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("UUID", "s", bus_get_string, offsetof(struct domain, pub.uuid), 0),
        SD_BUS_PROPERTY("State", "s", get_state, offsetof(struct domain, pub.state), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Stale", "b", bus_get_bool, offsetof(struct domain, pub.stale), 0),
        SD_BUS_PROPERTY("Node", "i", NULL, offsetof(struct domain, pub.node), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("VCPUs", "u", NULL, offsetof(struct domain, pub.n_vcpus), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Pid", "i", bus_get_pid, offsetof(struct domain, pub.pid), 0),
        SD_BUS_PROPERTY("Policy", "s", get_wish, offsetof(struct domain, pub.wish), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Class", "s", bus_get_string, offsetof(struct domain, pub.class), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Weight", "u", NULL, offsetof(struct domain, pub.weight), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ShareWithin", "s", bus_get_string, offsetof(struct domain, pub.share_within), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Pinned", "b", bus_get_bool, offsetof(struct domain, pub.pinned), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Bound", "b", bus_get_bool, offsetof(struct domain, pub.bound), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("MemoryKiB", "t", NULL, offsetof(struct domain, pub.memory_kib), 0),
        SD_BUS_PROPERTY("Backing", "s", bus_get_string, offsetof(struct domain, pub.backing), 0),
        SD_BUS_PROPERTY("EmulatorCPUs", "s", get_emulator_cpus, 0, 0),
        SD_BUS_PROPERTY("VCPUThreads", "a(uiibs)", get_vcpu_threads, 0, SD_BUS_VTABLE_PROPERTY_EXPLICIT),
        SD_BUS_PROPERTY("IOThreads", "a(uibst)", get_iothreads, 0, SD_BUS_VTABLE_PROPERTY_EXPLICIT),
        SD_BUS_PROPERTY("Cells", "a(tia{it})", get_cells, 0, SD_BUS_VTABLE_PROPERTY_EXPLICIT),
        SD_BUS_PROPERTY("Devices", "a(sssuuis)", get_devices, 0, SD_BUS_VTABLE_PROPERTY_EXPLICIT),
        SD_BUS_PROPERTY("Units", "a(so)", get_units, 0, SD_BUS_VTABLE_PROPERTY_EXPLICIT),
        SD_BUS_VTABLE_END,
};

/* ---- wishes */

/* A call that is answered when the plugin has answered. It holds the connection by its message, and nothing else of the bus. */
struct bus_wish {
        sd_bus_message *message;
        char source[INTENT_SOURCE_MAX];
        char domain[IOCORE_NAME_MAX], attributes[IOCORE_REASON_MAX];
};

static struct bus_wish *bus_wish_free(struct bus_wish *wish) {
        if (wish)
                sd_bus_message_unref(wish->message);
        free(wish);
        return NULL;
}

static void bus_wish_freep(struct bus_wish **wish) {
        bus_wish_free(*wish);
}

static int wish_error(sd_bus_error *error, int r, const char *domain, const char *reason) {
        const char *why = reason[0] ? reason : r == -ETIMEDOUT ? "nobody has answered for ten seconds" : strerror(-r);
        struct bus_text clean;

        why = bus_text(&clean, why);
        switch (r) {
        case -ENOENT:
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_OBJECT, "There is no domain \"%s\"", bus_text(&clean, domain));
        case -EINVAL:
                return sd_bus_error_setf(error, BUS_ERROR_INVALID, "%s", why);
        case -EPERM:
                return sd_bus_error_setf(error, BUS_ERROR_REFUSED, "banned: domain %s is banned by [bans] domains and is never touched", domain);
        case -EOPNOTSUPP:
                return sd_bus_error_setf(error, BUS_ERROR_REFUSED, "unavailable: who knows domain %s keeps no wishes of its owner", domain);
        case -EBUSY:
        case -ENOBUFS:
                return sd_bus_error_setf(error, BUS_ERROR_BUSY, "%s is under way: try again when it is answered",
                                         r == -EBUSY ? "Another wish for this domain" : "Too much");
        default:
                return sd_bus_error_setf(error, BUS_ERROR_FAILED, "It was not kept: %s", why);
        }
}

static void on_answer(void *userdata, int result, const char *reason) {
        _cleanup_(bus_wish_freep) struct bus_wish *wish = userdata;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (result >= 0) {
                log_notice("Domain %s: %s wishes %s.", wish->domain, wish->source, wish->attributes);
                r = sd_bus_reply_method_return(wish->message, NULL);
        } else {
                (void) wish_error(&error, result == -EPERM ? -EACCES : result, wish->domain, reason);
                r = sd_bus_reply_method_error(wish->message, &error);
        }
        sd_bus_error_free(&error);
        if (r < 0)
                log_debug("bus: cannot answer to a wish for domain %s: %s", wish->domain, strerror(-r));
}

/* ---- advice */

BUS_METHOD(bus_method_advise) {
        struct bus *bus = userdata;
        const struct host *host = engine_host(bus->engine);
        const struct planner_rules *rules = &engine_config(bus->engine)->rules;
        _cleanup_(placement_freep) struct placement *placement = NULL;
        _cleanup_free_ char *text = NULL;
        struct placement_rules wanted;
        const char *name;

        int r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        const struct domain *domain = host_domain(host, name);
        if (!domain)
                return wish_error(error, -ENOENT, name, "");
        uint64_t begin;
        r = bus_may_look(bus, &begin, error);
        if (r < 0)
                return r;
        placement_rules_init(&wanted);
        wanted.use_isolated = rules->vcpus_on_isolated;
        wanted.banned_cpus = rules->banned_cpus;
        wanted.banned_domains = rules->banned_domains;
        r = placement_new(&placement, host, &wanted);
        if (r == 0)
                r = placement_advise(placement, domain, &text);
        bus_looked(bus, begin);
        return r < 0 ? r : sd_bus_reply_method_return(message, "s", text ? text : "");
}

BUS_METHOD(bus_method_set_wish) {
        struct bus *bus = userdata;
        _cleanup_(bus_wish_freep) struct bus_wish *wish = calloc(1, sizeof(*wish));
        const char *domain, *attributes;
        int r;

        if (!wish)
                return -ENOMEM;
        r = sd_bus_message_read(message, "ss", &domain, &attributes);
        if (r >= 0)
                r = bus_take_string(wish->domain, sizeof(wish->domain), domain, "The domain's name", error);
        if (r >= 0)
                r = bus_take_string(wish->attributes, sizeof(wish->attributes), attributes, "What is wished", error);
        if (r >= 0 && wish->attributes[0] == '\0')
                r = sd_bus_error_setf(error, BUS_ERROR_INVALID, "Nothing is wished");
        if (r >= 0)
                r = bus_client_source(message, wish->source, sizeof(wish->source));
        if (r < 0)
                return r;
        wish->message = sd_bus_message_ref(message);
        bus_state_forget(bus);
        r = engine_wish(bus->engine, wish->domain, wish->attributes, on_answer, wish);
        if (r < 0)
                return wish_error(error, r, wish->domain, "");
        (void) TAKE_PTR(wish);
        return 1; /* answered then, or when the answer is there */
}

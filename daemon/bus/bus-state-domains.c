/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domains in the state's JSON document. */
#include "bus-json.h"

static void add_nodes_of(const struct host *host, const struct domain *domain, cJSON *to) {
        cJSON *nodes = add_array(to, "nodes");

        for (size_t n = 0; n < host->n_nodes; n++) {
                int node = host->nodes[n].topology->node;
                bool there = false, known = false;

                for (size_t i = 0; i < domain->n_cells; i++) {
                        known = known || domain->cells[i].kib_of_node;
                        there = there || (domain->cells[i].kib_of_node && domain->cells[i].kib_of_node[n] > 0);
                }
                if (known ? there : domain->pub.node == node)
                        (void) cJSON_AddItemToArray(nodes, cJSON_CreateNumber(node));
        }
}

static size_t count_units(const struct host *host, const struct domain *domain) {
        size_t n = 0;

        for (size_t i = 0; i < host->n_units; i++)
                n += host->units[i]->domain == domain;
        return n;
}

static void add_vcpus(const struct domain *domain, cJSON *to) {
        cJSON *array = add_array(to, "vcpu_threads");

        for (size_t i = 0; i < domain->n_vcpus; i++) {
                const struct iocore_vcpu *vcpu = &domain->vcpus[i].pub;
                cJSON *json = append_object(array);

                add_number(json, "id", vcpu->id);
                add_number(json, "tid", vcpu->tid);
                add_number(json, "cell", vcpu->cell);
                add_string(json, "cpus", vcpu->cpus);
                add_bool(json, "by_hand", vcpu->by_hand);
                add_string(json, "knob", vcpu->knob);
        }
}

static void add_iothreads(const struct domain *domain, cJSON *to) {
        cJSON *array = add_array(to, "iothreads");

        for (size_t i = 0; i < domain->n_iothreads; i++) {
                const struct iocore_iothread *thread = &domain->iothreads[i].pub;
                cJSON *json = append_object(array);

                add_number(json, "id", thread->id);
                add_number(json, "tid", thread->tid);
                add_string(json, "cpus", thread->cpus);
                add_bool(json, "by_hand", thread->by_hand);
                add_number(json, "poll_max_ns", (double) thread->poll_max_ns);
                add_string(json, "knob", thread->knob);
        }
}

static void add_cells(const struct host *host, const struct domain *domain, cJSON *to) {
        cJSON *array = add_array(to, "cells");

        for (size_t i = 0; i < domain->n_cells; i++) {
                const struct cell *cell = &domain->cells[i];
                cJSON *json = append_object(array), *where;

                add_number(json, "memory_kib", (double) cell->pub.memory_kib);
                add_number(json, "node", cell->pub.node);
                where = cell->kib_of_node ? add_array(json, "where") : NULL;
                for (size_t n = 0; where && n < host->n_nodes; n++) {
                        cJSON *part = cell->kib_of_node[n] > 0 ? append_object(where) : NULL;

                        if (!part)
                                continue;
                        add_number(part, "node", host->nodes[n].topology->node);
                        add_number(part, "kib", (double) cell->kib_of_node[n]);
                }
        }
}

static void add_devices(const struct domain *domain, cJSON *to) {
        cJSON *array = add_array(to, "devices");

        for (size_t i = 0; i < domain->n_devices; i++) {
                const struct iocore_domain_device *device = &domain->devices[i];
                cJSON *json = append_object(array);

                add_string(json, "kind", device->kind);
                add_string(json, "bus", device->bus);
                add_string(json, "alias", device->alias);
                add_string(json, "backend", device->backend);
                add_number(json, "queues", device->n_queues);
                add_number(json, "iothread", device->iothread);
                add_number(json, "node", device->node);
        }
}

static void add_emulator(const struct domain *domain, cJSON *to) {
        char cpus[IOCORE_VALUE_MAX] = "";
        cJSON *json = add_object(to, "emulator");

        if (domain->emulator.cpus)
                (void) hwloc_bitmap_list_snprintf(cpus, sizeof(cpus), domain->emulator.cpus);
        add_string(json, "cpus", cpus);
        add_bool(json, "by_hand", domain->emulator.by_hand);
        add_string(json, "knob", domain->emulator.knob);
}

void bus_state_add_domains(struct bus *bus, cJSON *to) {
        const struct host *host = engine_host(bus->engine);

        for (size_t i = 0; i < host->n_domains; i++) {
                const struct domain *domain = host->domains[i];
                cJSON *json = append_object(to);

                add_string(json, "name", domain->pub.id);
                add_string(json, "uuid", domain->pub.uuid);
                add_string(json, "state", bus_domain_state_to_string(domain->pub.state));
                add_bool(json, "stale", domain->pub.stale);
                add_number(json, "node", domain->pub.node);
                add_nodes_of(host, domain, json);
                add_number(json, "vcpus", domain->pub.n_vcpus);
                add_number(json, "pid", domain->pub.pid);
                add_number(json, "units", (double) count_units(host, domain));
                add_number_or_null(json, "memory_kib", domain->pub.memory_kib > 0, (double) domain->pub.memory_kib);
                add_string(json, "backing", domain->pub.backing);
                add_string(json, "policy", bus_wish_to_string(domain->pub.wish));
                add_string(json, "class", domain->pub.class);
                add_number_or_null(json, "weight", domain->pub.weight > 0, domain->pub.weight);
                add_string(json, "share_within", domain->pub.share_within);
                add_bool(json, "pinned", domain->pub.pinned);
                add_bool(json, "bound", domain->pub.bound);
                add_vcpus(domain, json);
                add_emulator(domain, json);
                add_iothreads(domain, json);
                add_cells(host, domain, json);
                add_devices(domain, json);
        }
}

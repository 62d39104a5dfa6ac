/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the model is told of one domain. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "picture.h"

/* "UUID.START", with ".NUMBER" for a vCPU or an IOThread. Where libvirt runs no process of its own, its number of the domain stands for the start. */
void known_object(const struct known *known, enum question_kind kind, unsigned number, char *ret) {
        const struct description *description = known->description;
        char run[32];

        ret[0] = '\0';
        if (!description || !description->active || (description->start == 0 && description->id < 0))
                return;
        if (description->start > 0)
                snprintf(run, sizeof run, "%" PRIu64, description->start);
        else
                snprintf(run, sizeof run, "i%d", description->id);
        if (kind == ASK_EMULATOR_CPUS || kind == ASK_NODESET)
                snprintf(ret, IOCORE_NAME_MAX, "%s.%s", known->uuid, run);
        else
                snprintf(ret, IOCORE_NAME_MAX, "%s.%s.%u", known->uuid, run, number);
}

static void object_if_writable(const struct libvirt_state *state, const struct known *known, const struct pin *pin, char *ret) {
        ret[0] = '\0';
        /* While libvirt is away its domains stay ours. */
        if (!state->status.connected || state->status.writable)
                known_object(known, pin->kind, pin->number, ret);
}

static size_t count_pins(const struct known *known, enum question_kind kind) {
        size_t n = 0;
        for (size_t i = 0; i < known->n_pins; i++)
                n += known->pins[i].kind == kind;
        return n;
}

static void publish_vcpus(struct libvirt_state *state, struct known *known) {
        const struct description *description = known->description;
        _cleanup_free_ struct iocore_vcpu *vcpus = calloc(description->n_vcpus + 1, sizeof *vcpus);

        if (!vcpus)
                return; /* told again when something changes */
        for (size_t i = 0; i < description->n_vcpus; i++) {
                const struct described_vcpu *vcpu = description->vcpus + i;
                const struct pin *pin = known_pin(known, ASK_VCPU_CPUS, vcpu->id);
                vcpus[i] = (struct iocore_vcpu) { .id = vcpu->id, .tid = vcpu->tid, .cell = vcpu->cell, .cpus = "" };
                if (!pin)
                        continue;
                vcpus[i].by_hand = pin->by_hand;
                vcpus[i].cpus = pin->value ?: "";
                object_if_writable(state, known, pin, vcpus[i].knob);
        }
        (void) state->services->domain_set_vcpus(state->context, known->pub, vcpus, description->n_vcpus);
}

static void publish_iothreads(struct libvirt_state *state, struct known *known) {
        const struct description *description = known->description;
        _cleanup_free_ struct iocore_iothread *iothreads = calloc(description->n_iothreads + 1, sizeof *iothreads);

        if (!iothreads)
                return;
        for (size_t i = 0; i < description->n_iothreads; i++) {
                const struct described_iothread *iothread = description->iothreads + i;
                const struct pin *pin = known_pin(known, ASK_IOTHREAD_CPUS, iothread->id);
                iothreads[i] = (struct iocore_iothread) { .id = iothread->id, .tid = iothread->tid, .cpus = "" };
                if (!pin)
                        continue;
                iothreads[i].by_hand = pin->by_hand;
                iothreads[i].cpus = pin->value ?: "";
                iothreads[i].poll_max_ns = pin->polling[0].value;
                object_if_writable(state, known, pin, iothreads[i].knob);
        }
        (void) state->services->domain_set_iothreads(state->context, known->pub, iothreads, description->n_iothreads);
}

static void publish_emulator(struct libvirt_state *state, struct known *known) {
        const struct pin *pin = known_pin(known, ASK_EMULATOR_CPUS, 0);
        char object[IOCORE_NAME_MAX] = "";

        if (pin)
                object_if_writable(state, known, pin, object);
        (void) state->services->domain_set_emulator(state->context, known->pub, pin && pin->value ? pin->value : "", pin && pin->by_hand, object);
}

/* The one node whose CPUs the list has, or IOCORE_NODE_UNKNOWN. */
static int node_of_cpus(const struct libvirt_state *state, const char *list) {
        struct affinity_mask mask;
        int node = IOCORE_NODE_UNKNOWN, n_cpus = state->services->cpu_count(state->context);

        if (!list || affinity_parse(list, &mask) < 0)
                return IOCORE_NODE_UNKNOWN;
        for (int cpu = 0; cpu < n_cpus; cpu++) {
                int of_cpu = affinity_has(&mask, cpu) ? state->services->cpu_node(state->context, cpu) : IOCORE_NODE_UNKNOWN;
                if (of_cpu == IOCORE_NODE_UNKNOWN)
                        continue;
                if (node != IOCORE_NODE_UNKNOWN && node != of_cpu)
                        return IOCORE_NODE_UNKNOWN;
                node = of_cpu;
        }
        return node;
}

/* The node that it lives on: that of its memory, or that of all of its vCPUs. */
static int node_of(const struct libvirt_state *state, const struct known *known) {
        const struct pin *nodeset = known_pin(known, ASK_NODESET, 0);
        const char *last_list = NULL;
        struct affinity_mask mask;
        int node = IOCORE_NODE_UNKNOWN;

        if (nodeset && nodeset->value && affinity_parse(nodeset->value, &mask) >= 0 && affinity_only_cpu(&mask) >= 0)
                return affinity_only_cpu(&mask);
        for (size_t i = 0; i < known->n_pins; i++) {
                const struct pin *pin = known->pins + i;
                if (pin->kind != ASK_VCPU_CPUS || string_equal(pin->value, last_list))
                        continue; /* many have the same */
                last_list = pin->value;
                int of_pin = node_of_cpus(state, pin->value);
                if (of_pin == IOCORE_NODE_UNKNOWN || (node != IOCORE_NODE_UNKNOWN && node != of_pin))
                        return IOCORE_NODE_UNKNOWN;
                node = of_pin;
        }
        return node;
}

static bool any_by_hand(const struct known *known) {
        for (size_t i = 0; i < known->n_pins; i++)
                if (known->pins[i].kind == ASK_VCPU_CPUS && known->pins[i].by_hand)
                        return true;
        return false;
}

/* All of the list or nothing: a part of it would be another. */
static void publish_memory_nodes(const struct known *known, const char *nodes) {
        bool fits = nodes && strlen(nodes) < sizeof known->pub->memory_nodes;
        snprintf(known->pub->memory_nodes, sizeof known->pub->memory_nodes, "%s", fits ? nodes : "");
}

void publish_pins(struct libvirt_state *state, struct known *known) {
        if (!known->pub || !known->description)
                return;
        const struct pin *nodeset = known_pin(known, ASK_NODESET, 0);
        known->pub->node = node_of(state, known);
        known->pub->pinned = any_by_hand(known);
        known->pub->bound = nodeset && nodeset->by_hand;
        known->pub->memory_fixed = nodeset && known->description->nodeset_fixed;
        publish_memory_nodes(known, nodeset ? nodeset->value : NULL);
        publish_vcpus(state, known);
        publish_iothreads(state, known);
        publish_emulator(state, known);
}

static void publish_devices(struct libvirt_state *state, struct known *known) {
        const struct description *description = known->description;
        _cleanup_free_ struct iocore_domain_device *devices = calloc(description->n_devices + 1, sizeof *devices);

        if (!devices)
                return;
        for (size_t i = 0; i < description->n_devices; i++)
                devices[i] = description->devices[i].pub;
        (void) state->services->domain_set_devices(state->context, known->pub, devices, description->n_devices);
        (void) state->services->domain_set_cells(state->context, known->pub, description->cells, description->n_cells);
}

void publish_ask_for_polling(struct libvirt_state *state, struct known *known, bool again) {
        bool ask = again;

        if (!known->description || !known->description->active || count_pins(known, ASK_IOTHREAD_CPUS) == 0)
                return;
        for (size_t i = 0; i < known->n_pins; i++) {
                struct pin *pin = known->pins + i;
                ask = ask || (pin->kind == ASK_IOTHREAD_CPUS && !pin->polls_asked);
                pin->polls_asked = true;
        }
        if (ask)
                talk_read_polling(state->talk, known->uuid, known->description->id);
}

void publish(struct libvirt_state *state, struct known *known) {
        const struct description *description = known->description;
        struct iocore_domain *pub = known->pub;

        if (!pub)
                return;
        memcpy(pub->uuid, description->uuid, sizeof pub->uuid);
        pub->state = description->state;
        pub->stale = false;
        pub->n_vcpus = (unsigned) description->n_vcpus;
        pub->pid = description->pid;
        pub->incarnation = description->start;
        pub->memory_kib = description->memory_kib;
        memcpy(pub->backing, description->backing, sizeof pub->backing);
        pub->wish = description->wishes.policy;
        memcpy(pub->class, description->wishes.class, sizeof pub->class);
        pub->weight = description->wishes.weight;
        memcpy(pub->share_within, description->wishes.share_within, sizeof pub->share_within);
        publish_devices(state, known);
        publish_pins(state, known);
        publish_ask_for_polling(state, known, false);
}

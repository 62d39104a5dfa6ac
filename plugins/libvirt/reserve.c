/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which virtual CPU and IOThread has to leave which CPU, and has got which back. */
#include <stdio.h>
#include <string.h>

#include "picture.h"

struct reservation {
        struct libvirt_state *state;
        struct affinity_mask online;
        iocore_want want;
        void *userdata;
        bool waits; /* something is not answered yet */
};

static void read_masks(const struct libvirt_state *state, struct affinity_mask *ret_online, struct affinity_mask *ret_cores) {
        int n_cpus = state->services->cpu_count(state->context);

        memset(ret_online, 0, sizeof *ret_online);
        memset(ret_cores, 0, sizeof *ret_cores);
        for (int cpu = 0; cpu < n_cpus && cpu < AFFINITY_CPUS_MAX; cpu++) {
                if (state->services->cpu_online(state->context, cpu))
                        CPU_SET_S((size_t) cpu, sizeof ret_online->sets, ret_online->sets);
                if (state->services->cpu_is_io_core(state->context, cpu))
                        CPU_SET_S((size_t) cpu, sizeof ret_cores->sets, ret_cores->sets);
        }
}

/* All VM cores of the nodes that `mask` has CPUs on. */
static struct affinity_mask vm_cores_of_nodes(const struct reservation *reservation, const struct affinity_mask *mask) {
        const struct libvirt_state *state = reservation->state;
        const struct affinity_mask vm_cores = affinity_minus(&reservation->online, &state->cores);
        struct affinity_mask ret = { 0 };
        int n_cpus = state->services->cpu_count(state->context);

        for (int cpu = 0; cpu < n_cpus; cpu++) {
                if (!affinity_has(mask, cpu))
                        continue;
                int node = state->services->cpu_node(state->context, cpu);
                for (int other = 0; other < n_cpus; other++)
                        if (affinity_has(&vm_cores, other) && state->services->cpu_node(state->context, other) == node)
                                CPU_SET_S((size_t) other, sizeof ret.sets, ret.sets);
        }
        return ret;
}

static void tell_stays(const struct reservation *reservation, const struct known *known, struct pin *pin, const char *why) {
        const struct libvirt_state *state = reservation->state;
        char object[IOCORE_NAME_MAX], text[IOCORE_REASON_MAX] = "";

        if (!why && !pin->told_stays)
                return;
        known_object(known, pin->kind, pin->number, object);
        if (why)
                snprintf(text, sizeof text, "%s %u of %.100s stays: %.80s", pin->kind == ASK_VCPU_CPUS ? "vCPU" : "IOThread", pin->number, known->pub->id, why);
        state->services->tell(state->context, "not-isolated", object, text);
        pin->told_stays = why;
}

/* What it should have now; false, with why it stays: what it has. */
static const char *find_wanted(const struct reservation *reservation, const struct known *known, const struct pin *pin, struct affinity_mask *ret) {
        const struct affinity_mask *cores = &reservation->state->cores;
        struct affinity_mask base;

        if (affinity_parse(pin->base, &base) < 0)
                return NULL;
        *ret = base;
        const struct affinity_mask rest = affinity_minus(&base, cores);
        if (affinity_equal(&rest, &base))
                return NULL;
        if (pin->kind == ASK_IOTHREAD_CPUS && pin->first && affinity_is_empty(&rest))
                return NULL; /* a decision put it there: it does the work of I/O cores */
        if (pin->hands_off)
                return "somebody else has set its CPUs";
        if (known->pub->wish == IOCORE_WISH_MANUAL)
                return "its owner wants it to be left alone";
        if (pin->by_hand && known->pub->wish != IOCORE_WISH_AUTO)
                return "it is pinned by hand, and its owner does not say policy=auto";
        if (!affinity_is_empty(&rest)) {
                *ret = rest;
                return NULL;
        }
        const struct affinity_mask near = vm_cores_of_nodes(reservation, &base), any = affinity_minus(&reservation->online, cores);
        if (affinity_is_empty(&any))
                return "all CPUs are I/O cores";
        *ret = affinity_is_empty(&near) ? any : near;
        return NULL;
}

static int reserve_pin(struct reservation *reservation, const struct known *known, struct pin *pin) {
        char value[IOCORE_VALUE_MAX], object[IOCORE_NAME_MAX];
        struct affinity_mask wanted;

        if (!pin->value || !pin->base)
                return 0;
        wanted = (struct affinity_mask) { 0 };
        tell_stays(reservation, known, pin, find_wanted(reservation, known, pin, &wanted));
        if (affinity_is_empty(&wanted) || affinity_format(&wanted, value, sizeof value) < 0)
                return 0;
        string_set(&pin->wanted, value);
        bool holds = string_equal(pin->value, value);
        if ((holds && !pin->came_true) || string_equal(pin->refused, value))
                return 0;
        pin->came_true = false;
        known_object(known, pin->kind, pin->number, object);
        int r = reservation->want(reservation->userdata, kind_of_pin(pin->kind), object, value);
        /* also when it was not even asked for, because it has just been in vain */
        reservation->waits = reservation->waits || pin->asked || !(holds || string_equal(pin->refused, value));
        return r;
}

int libvirt_reserve(void *userdata, iocore_want want, void *want_userdata) {
        struct libvirt_state *state = userdata;
        struct reservation reservation = { .state = state, .want = want, .userdata = want_userdata };
        struct affinity_mask cores;
        int r = 0;

        read_masks(state, &reservation.online, &cores);
        if (!affinity_equal(&cores, &state->cores))
                state->reserve_pending = true;
        if (!state->reserve_pending || !state->status.connected || !state->status.writable)
                return 0;
        state->cores = cores;
        state->reserve_pending = false;
        state->reserving = true;
        for (size_t i = 0; i < state->n_domains && r >= 0; i++) {
                struct known *known = state->domains[i];
                for (size_t k = 0; k < known->n_pins && known_runs(known) && r >= 0; k++)
                        if (known->pins[k].kind == ASK_VCPU_CPUS || known->pins[k].kind == ASK_IOTHREAD_CPUS)
                                r = reserve_pin(&reservation, known, known->pins + k);
        }
        state->reserving = false;
        if (reservation.waits || r < 0)
                state->reserve_pending = true;
        return r;
}

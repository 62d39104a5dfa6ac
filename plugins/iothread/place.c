/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "iothread.h"

/* An IOThread whose CPUs are not set after so long is left where it is, and tried again after that. A decision of the daemon gives up after 30 s, too. */
#define PATIENCE_NSEC 30000000000u
#define REST_NSEC 60000000000u

#define HOME "home"

void iothread_give_up_place(struct iothread_entry *entry) {
        free(entry->home);
        entry->home = NULL;
        entry->place = IOCORE_CPU_ANY;
        entry->returning = false;
        entry->since = 0;
}

/* Has it all CPUs that it had at home? More than that is what others gave it back since. */
static bool is_at_home(const struct iothread_entry *entry) {
        struct affinity_mask home, now;

        return affinity_parse(entry->home, &home) < 0 || (affinity_parse(entry->cpus, &now) >= 0 && affinity_within(&home, &now));
}

static void give_up(struct iothread_state *state, struct iothread_entry *entry, uint64_t now) {
        char text[IOCORE_REASON_MAX];

        snprintf(text, sizeof text, "IOThread of %.100s: its CPUs could not be set to %d, it has %.60s", entry->unit->domain, entry->place, entry->cpus);
        state->services->tell(state->context, "blocked", entry->unit->id, text);
        entry->unit->blocked = true;
        entry->blocked_until = now + REST_NSEC;
        entry->place = IOCORE_CPU_ANY;
        entry->returning = true; /* what was asked for may be done yet */
        entry->since = 0;
}

void iothread_check_place(struct iothread_state *state, struct iothread_entry *entry, uint64_t now) {
        if (entry->unit->blocked && now >= entry->blocked_until) {
                state->services->tell(state->context, "blocked", entry->unit->id, "");
                entry->unit->blocked = false;
        }
        if (entry->place != IOCORE_CPU_ANY) {
                if (entry->only == entry->place)
                        entry->since = 0;
                else if (entry->since == 0)
                        entry->since = now;
                else if (now - entry->since >= PATIENCE_NSEC)
                        give_up(state, entry, now);
        } else if (entry->returning && is_at_home(entry))
                iothread_give_up_place(entry);
        /* On its way it counts where it goes, like the one who sent it there thinks. */
        entry->worker->cpu = entry->place != IOCORE_CPU_ANY ? entry->place : entry->returning ? IOCORE_CPU_ANY : entry->only;
}

int iothread_place(void *userdata, const struct iocore_unit *unit, int cpu, char *ret_value, size_t size) {
        (void) userdata, (void) unit;
        if (cpu == IOCORE_CPU_ANY)
                snprintf(ret_value, size, HOME);
        else
                snprintf(ret_value, size, "%d", cpu);
        return 0;
}

static int place_get(void *userdata, const char *object, char *ret_value, size_t size) {
        struct iothread_entry *entry = iothread_find(userdata, object);

        if (!entry)
                return -ENOENT;
        /* who is in other hands, or not known well enough, is on no I/O core of ours */
        return iothread_place(userdata, entry->unit, entry->unit->manual ? IOCORE_CPU_ANY : entry->worker->cpu, ret_value, size);
}

/* Where one goes back to that has one CPU, and not by its owner's hand: an earlier iocored may have put it here. */
static char *all_cpus(const struct iothread_state *state) {
        char list[IOCORE_VALUE_MAX];
        struct affinity_mask mask = { 0 };
        int n_cpus = state->services->cpu_count(state->context);

        for (int cpu = 0; cpu < n_cpus && cpu < AFFINITY_CPUS_MAX; cpu++)
                if (state->services->cpu_online(state->context, cpu))
                        CPU_SET_S((size_t) cpu, sizeof mask.sets, mask.sets);
        return affinity_format(&mask, list, sizeof list) < 0 ? NULL : strdup(list);
}

static int place_set(void *userdata, const char *object, const char *value, char *ret_value, size_t size) {
        struct iothread_state *state = userdata;
        struct iothread_entry *entry = iothread_find(state, object);
        bool home = strcmp(value, HOME) == 0;

        if (!entry)
                return -ENOENT;
        pid_t cpu = home ? -1 : strcmp(value, "0") == 0 ? 0 : thread_parse_id(value);
        if (!home && (cpu < 0 || cpu >= state->services->cpu_count(state->context)))
                return -EINVAL;
        if (entry->unit->manual)
                return home ? place_get(state, object, ret_value, size) : -EBUSY;
        if (!entry->home)
                entry->home = entry->only != IOCORE_CPU_ANY && !entry->by_hand ? all_cpus(state) : strdup(entry->cpus);
        if (!entry->home)
                return -ENOMEM;
        entry->place = home ? IOCORE_CPU_ANY : (int) cpu;
        entry->returning = home;
        entry->since = 0;
        state->changed = true; /* reserve() has something to ask for */
        iothread_check_place(state, entry, monotonic_nsec());
        return place_get(state, object, ret_value, size);
}

int iothread_reserve(void *userdata, iocore_want want, void *want_userdata) {
        struct iothread_state *state = userdata;
        char value[16];
        int r = 0;

        for (size_t i = 0; i < state->n && r >= 0; i++) {
                struct iothread_entry *entry = state->entries[i];
                if (entry->ended || entry->unit->manual)
                        continue;
                if (entry->place != IOCORE_CPU_ANY && entry->only != entry->place) {
                        snprintf(value, sizeof value, "%d", entry->place);
                        r = want(want_userdata, "iothread.cpus", entry->knob, value);
                } else if (entry->returning)
                        r = want(want_userdata, "iothread.cpus", entry->knob, entry->home);
        }
        return r;
}

const struct iocore_knob iothread_knobs[1] = {
        { .kind = "unit.place", .doc = "the I/O core of an IOThread, a CPU, or \"home\"", .get = place_get, .set = place_set },
};

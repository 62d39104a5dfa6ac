/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Is what was set still there? If not: did the kernel take it away, or somebody else? */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "cpuset.h"
#include "guests.h"
#include "vhost-thread.h"

enum mask_change {
        MASK_NARROWED, /* the kernel's: the cpuset allows only a part of it now */
        MASK_RESET,    /* the kernel's: it got the whole cpuset */
        MASK_FOREIGN,
};

/* Who fights with somebody over a mask does it ever more rarely. */
enum { RESETS_MAX = 6 };

/*
 * Linux before 6.2 gives every thread of a cpuset the whole of it when that changes (kernel/cgroup/cpuset.c, update_tasks_cpumask()), later ones what is left of the
 * thread's own mask; both may happen when CPUs come and go.
 */
static enum mask_change classify(struct vhost_state *state, pid_t id, uint64_t cpuset, const struct affinity_mask *held, const struct affinity_mask *mask,
                                 bool changed) {
        struct affinity_mask allowed;

        if (!changed && cpuset_mark(state, id) == cpuset)
                return MASK_FOREIGN;
        if (cpuset_allowed(state, id, &allowed) < 0)
                return MASK_FOREIGN;
        struct affinity_mask rest = affinity_and(held, &allowed);
        if (affinity_equal(mask, &rest))
                return MASK_NARROWED;
        return affinity_within(&allowed, mask) ? MASK_RESET : MASK_FOREIGN;
}

static void told_reset(struct vhost_state *state, pid_t id, unsigned n) {
        if (!state->told_reset)
                state->services->log(state->context, LOG_INFO, "thread %d: its cpuset or the CPUs online changed, and the kernel its CPUs with it: set again%s", (int) id,
                                     n > 1 ? ", ever more rarely" : "");
        state->told_reset = true; /* one of many says it */
}

/* At once, after the next scan, after three more ... */
static void schedule(unsigned *n_resets, unsigned *n_pause) {
        if (*n_pause > 0)
                return;
        *n_pause = 1u << *n_resets;
        *n_resets += *n_resets < RESETS_MAX;
}

/* --- threads of guests --- */

/* What had been born with the leader's mask has no entry of its own in the journal: it is asked for from now on. */
static void release_covered(struct vhost_state *state, struct guest *guest) {
        for (size_t i = 0; i < guest->n_threads; i++) {
                struct guest_thread *thread = guest->threads + i;
                struct affinity_mask really;
                if (thread->covered && vhost_mask_set(state, thread->id, &thread->base, &really) >= 0)
                        guest_thread_set_base(state, thread, &really);
        }
}

static void ask_whose(struct vhost_state *state, struct guest *guest, struct guest_thread *thread) {
        char object[IOCORE_NAME_MAX];

        guest_object_name(guest, thread, object, sizeof object);
        thread->n_pause = 0;
        thread->foreign = thread->undecided = true;
        state->guests.pending = true;
        state->services->knob_changed(state->context, guest_is_leader(guest, thread) ? KIND_PROCESS_CPUS : KIND_THREAD_CPUS, object);
}

void guest_thread_is_foreign(struct vhost_state *state, struct guest *guest, struct guest_thread *thread, enum iocore_foreign what) {
        struct affinity_mask mask;

        thread->undecided = thread->narrowed = thread->settle = false;
        thread->foreign = what == IOCORE_FOREIGN_MANUAL;
        thread->n_pause = 0;
        if (vhost_mask_read(state, thread->id, &mask) < 0) {
                guest->changed = true;
                return;
        }
        if (what == IOCORE_FOREIGN_CONTEST) {
                /* The daemon sets it back; where that fails it is asked for. */
                guest_thread_set_held(state, thread, &mask);
                thread->asked = 0;
                state->guests.pending = true;
                return;
        }
        guest_thread_set_base(state, thread, &mask);
        if (guest_is_leader(guest, thread))
                release_covered(state, guest);
}

void vhost_foreign(void *userdata, const char *kind, const char *object, enum iocore_foreign what) {
        struct vhost_state *state = userdata;
        struct guest_thread *thread = NULL;
        struct thread_object named;
        bool process = strcmp(kind, KIND_PROCESS_CPUS) == 0;

        if (strcmp(kind, KIND_CGROUP_CPUS) == 0 && what != IOCORE_FOREIGN_CONTEST)
                widening_is_foreign(state, object);
        if ((!process && strcmp(kind, KIND_THREAD_CPUS) != 0) || !thread_object_parse(object, &named, process))
                return;
        struct guest *guest = guests_of_thread(state, named.id, &thread);
        if (guest && thread->start_time == named.start_time)
                guest_thread_is_foreign(state, guest, thread, what);
}

static void set_again(struct vhost_state *state, struct guest_thread *thread) {
        struct affinity_mask held = thread->held, really;

        told_reset(state, thread->id, thread->n_resets);
        if (vhost_mask_set(state, thread->id, &held, &really) < 0)
                return; /* the cpuset has nothing of it: what was asked for is asked for again when that changes */
        guest_thread_set_held(state, thread, &held);
        thread->narrowed = !affinity_equal(&held, &really);
        thread->settle = true;
        state->guests.pending = true;
}

static void on_thread_changed(struct vhost_state *state, struct guest *guest, struct guest_thread *thread, const struct affinity_mask *seen, bool online_changed) {
        struct affinity_mask mask;

        if (vhost_mask_read(state, thread->id, &mask) < 0) {
                guest->changed = true;
                return;
        }
        thread->seen = *seen;
        if (thread->undecided)
                return;
        if (affinity_equal(&mask, &thread->held)) {
                /* a CPU went offline or came back, or its cpuset got back what it had lost */
                thread->settle = thread->narrowed;
                state->guests.pending = state->guests.pending || thread->narrowed;
                thread->narrowed = false;
                return;
        }
        if (!thread->reserved) {
                guest_thread_set_base(state, thread, &mask);
                guest->changed = true;
                return;
        }
        switch (classify(state, thread->id, thread->cpuset, &thread->held, &mask, online_changed || thread->n_pause > 0)) {
        case MASK_NARROWED:
                thread->cpuset = cpuset_mark(state, thread->id);
                thread->narrowed = thread->settle = state->guests.pending = true;
                break;
        case MASK_RESET:
                schedule(&thread->n_resets, &thread->n_pause);
                break;
        case MASK_FOREIGN:
                ask_whose(state, guest, thread);
        }
}

static void watch_thread(struct vhost_state *state, struct guest *guest, struct guest_thread *thread, bool online_changed, bool thorough) {
        struct affinity_mask seen;

        int r = thread->read ? state->affinity->get(state->affinity->userdata, thread->id, &seen) : 0;
        if (r == -ESRCH)
                guest->changed = true;
        if (r < 0 || !thread->read)
                return;
        if (!affinity_equal(&seen, &thread->seen))
                on_thread_changed(state, guest, thread, &seen, online_changed);
        else if (thorough && thread->n_pause == 0)
                thread->n_resets = 0;
        if (thread->n_pause > 0 && --thread->n_pause == 0)
                set_again(state, thread);
}

/* --- units --- */

static bool any_online(const struct vhost_state *state, const struct affinity_mask *mask) {
        for (int cpu = 0; cpu < state->n_cpus; cpu++)
                if (affinity_has(mask, cpu) && state->services->cpu_online(state->context, cpu))
                        return true;
        return false;
}

static void on_unit_changed(struct vhost_state *state, struct vhost_thread *thread, const struct affinity_mask *seen, bool online_changed) {
        struct affinity_mask mask;

        if (vhost_mask_read(state, thread->id, &mask) < 0)
                return;
        thread->seen = *seen;
        /* Of a thread whose CPUs all went offline the kernel takes the mask away: where it goes now is for the daemon to say. */
        if (affinity_equal(&mask, &thread->set) || !any_online(state, &thread->set))
                return;
        switch (classify(state, thread->id, thread->cpuset, &thread->set, &mask, online_changed || thread->n_pause > 0)) {
        case MASK_NARROWED:
                break;
        case MASK_RESET:
                schedule(&thread->n_resets, &thread->n_pause);
                break;
        case MASK_FOREIGN:
                thread->is_set = false;
                thread->n_pause = 0;
                state->services->knob_changed(state->context, "unit.place", thread->unit->id);
        }
}

static void watch_unit(struct vhost_state *state, struct vhost_thread *thread, bool online_changed, bool thorough) {
        struct affinity_mask seen;

        if (!thread->is_set || state->affinity->get(state->affinity->userdata, thread->id, &seen) < 0)
                return;
        if (!affinity_equal(&seen, &thread->seen))
                on_unit_changed(state, thread, &seen, online_changed);
        else if (thorough && thread->n_pause == 0)
                thread->n_resets = 0;
        if (thread->n_pause == 0 || --thread->n_pause > 0)
                return;
        told_reset(state, thread->id, thread->n_resets);
        struct affinity_mask set = thread->set, really;
        if (vhost_mask_set(state, thread->id, &set, &really) >= 0)
                vhost_thread_is_set(state, thread, &really);
}

/* A mark of the CPUs that are online. */
static uint64_t mark_online(const struct vhost_state *state) {
        uint64_t mark = 0xcbf29ce484222325u;
        for (int cpu = 0; cpu < state->n_cpus; cpu++)
                mark = (mark ^ (state->services->cpu_online(state->context, cpu) ? 2u : 1u)) * 0x100000001b3u;
        return mark;
}

void watch_masks(struct vhost_state *state, bool thorough) {
        struct guests *guests = &state->guests;
        uint64_t online = mark_online(state);
        bool online_changed = guests->online != 0 && online != guests->online;

        guests->online = online;
        state->told_reset = false;
        for (size_t i = 0; i < state->n_threads; i++)
                watch_unit(state, state->threads[i], online_changed, thorough);
        if (!guests->active && guests->n_reserved == 0)
                return;
        for (size_t i = 0; i < guests->n; i++)
                for (size_t k = 0; k < guests->guests[i]->n_threads; k++)
                        watch_thread(state, guests->guests[i], guests->guests[i]->threads + k, online_changed, thorough);
}

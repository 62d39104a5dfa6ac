/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which thread of a guest has to leave which CPU. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guests.h"
#include "plugins/common/owner.h"
#include "vhost-thread.h"

static void name_of_guest(struct vhost_state *state, const struct guest *guest, struct owner *ret) {
        if (owner_read(state->services, state->context, guest->id, ret) < 0 || !ret->domain[0])
                snprintf(ret->domain, sizeof ret->domain, "process %d", (int) guest->id);
}

void guest_tell(struct vhost_state *state, const struct guest *guest, struct guest_thread *thread, const char *why) {
        char object[IOCORE_NAME_MAX], text[IOCORE_REASON_MAX] = "";
        struct owner owner;

        if (why) {
                name_of_guest(state, guest, &owner);
                snprintf(text, sizeof text, "%sthread %d of %.100s stays: %.80s", thread->vcpu ? "vCPU " : "", (int) thread->id, owner.domain, why);
        }
        snprintf(object, sizeof object, "%d.%" PRIu64, (int) thread->id, thread->start_time);
        state->services->tell(state->context, "not-isolated", object, text);
        thread->told = why;
}

void guest_tell_pinned(struct vhost_state *state, struct guest *guest, bool pinned) {
        char object[IOCORE_NAME_MAX], text[IOCORE_REASON_MAX] = "";
        struct owner owner;

        if (pinned) {
                name_of_guest(state, guest, &owner);
                snprintf(text, sizeof text, "%.100s is left alone: each of its vCPUs is bound by hand to one CPU", owner.domain);
        }
        snprintf(object, sizeof object, "%d.%" PRIu64, (int) guest->id, guest->start_time);
        state->services->tell(state->context, "not-isolated", object, text);
        guest->told_pinned = pinned;
}

/* What is being done in one call of reserve(). */
struct asking {
        struct vhost_state *state;
        const struct affinity_mask *cores;
        iocore_want want;
        void *userdata;
};

/* What the thread should have now; NULL, or why it cannot leave the I/O cores. */
static const char *find_wanted(const struct guest_thread *thread, const struct affinity_mask *cores, struct affinity_mask *ret) {
        *ret = affinity_minus(&thread->base, cores);
        if (affinity_equal(ret, &thread->base))
                return NULL;
        bool empty = affinity_is_empty(ret);
        if (empty || thread->fixed)
                *ret = thread->held;
        return thread->fixed ? "the kernel lets nobody move it" :
               !empty ? NULL :
               affinity_only_cpu(&thread->base) >= 0 ? "it is bound by hand to one CPU, which is an I/O core" : "all CPUs that it may use are I/O cores";
}

static uint64_t ticks_since_boot(void) {
        struct timespec now;
        uint64_t per_second = (uint64_t) sysconf(_SC_CLK_TCK);

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (uint64_t) now.tv_sec * per_second + (uint64_t) now.tv_nsec * per_second / 1000000000u;
}

void guest_object_name(const struct guest *guest, const struct guest_thread *thread, char *ret, size_t size) {
        if (guest_is_leader(guest, thread))
                snprintf(ret, size, "%d.%" PRIu64 ".%" PRIu64, (int) thread->id, thread->start_time, guest->since);
        else
                snprintf(ret, size, "%d.%" PRIu64, (int) thread->id, thread->start_time);
}

static int ask_for(const struct asking *asking, struct guest *guest, struct guest_thread *thread, const struct affinity_mask *wanted) {
        char object[IOCORE_NAME_MAX], value[IOCORE_VALUE_MAX];

        if (guest->since == 0)
                guest->since = ticks_since_boot();
        guest_object_name(guest, thread, object, sizeof object);
        thread->set_error = affinity_format(wanted, value, sizeof value);
        return thread->set_error < 0 ? 0 : asking->want(asking->userdata, guest_is_leader(guest, thread) ? KIND_PROCESS_CPUS : KIND_THREAD_CPUS, object, value);
}

/* Its cpuset took some of what it was given: if the journal did not know, that would look like somebody else's change when it is played back. */
static int settle(const struct asking *asking, struct guest *guest, struct guest_thread *thread) {
        struct affinity_mask mask;

        thread->settle = false;
        return thread->reserved && vhost_mask_read(asking->state, thread->id, &mask) >= 0 ? ask_for(asking, guest, thread, &mask) : 0;
}

static int ask(const struct asking *asking, struct guest *guest, struct guest_thread *thread, const struct affinity_mask *wanted) {
        char why[IOCORE_REASON_MAX];

        thread->asked = asking->state->guests.generation;
        int r = ask_for(asking, guest, thread, wanted);
        if (r < 0)
                return r;
        if (thread->set_error == -ESRCH || thread->set_error == -ENOENT)
                guest->changed = true;
        else if (thread->set_error < 0) {
                snprintf(why, sizeof why, "its CPUs cannot be set: %s", strerror(-thread->set_error));
                guest_tell(asking->state, guest, thread, why);
        } else if (thread->told && affinity_equal(wanted, &thread->held))
                guest_tell(asking->state, guest, thread, NULL);
        return 0;
}

/* Whoever knows the domain makes it leave the I/O cores, too, through the domain's manager: two hands would undo each other's work when it is put back. What was set before the domain
 * was known is seen through. */
static bool is_left_to_its_domain(const struct vhost_state *state, const struct guest_thread *thread) {
        return !thread->reserved && !thread->covered && state->services->thread_is_of_domain(state->context, thread->id);
}

static int reserve_thread(const struct asking *asking, struct guest *guest, struct guest_thread *thread) {
        struct affinity_mask wanted;

        if (thread->undecided) /* the daemon does not know of anything that it set there */
                guest_thread_is_foreign(asking->state, guest, thread, IOCORE_FOREIGN_MANUAL);
        if (!thread->read || thread->foreign || is_left_to_its_domain(asking->state, thread))
                return 0;
        int r = thread->settle ? settle(asking, guest, thread) : 0;
        if (r < 0)
                return r;
        const char *why = find_wanted(thread, asking->cores, &wanted);
        if (why && !thread->told)
                guest_tell(asking->state, guest, thread, why);
        if (affinity_equal(&wanted, &thread->held)) {
                if (!why && thread->told)
                        guest_tell(asking->state, guest, thread, NULL);
                return 0;
        }
        if (thread->covered || thread->asked == asking->state->guests.generation)
                return 0;
        return ask(asking, guest, thread, &wanted);
}

static bool anything_reserved(const struct guest *guest) {
        for (size_t i = 0; i < guest->n_threads; i++)
                if (guest->threads[i].reserved || guest->threads[i].covered)
                        return true;
        return false;
}

static bool stands_in_the_way(const struct guest *guest, const struct affinity_mask *cores) {
        for (size_t i = 0; i < guest->n_threads; i++) {
                const struct affinity_mask common = affinity_and(&guest->threads[i].base, cores);
                if (guest->threads[i].read && !affinity_is_empty(&common))
                        return true;
        }
        return false;
}

static int reserve_guest(const struct asking *asking, struct guest *guest) {
        static const struct affinity_mask no_cores;
        struct asking mine = *asking;
        bool tell = guest->pinned && stands_in_the_way(guest, asking->cores);

        if (tell != guest->told_pinned)
                guest_tell_pinned(asking->state, guest, tell);
        if (guest->pinned)
                mine.cores = &no_cores;
        /* The leader first: what is born from now on inherits what it has. */
        struct guest_thread *leader = guest_thread_find(guest, guest->id);
        int r = leader ? reserve_thread(&mine, guest, leader) : 0;
        for (size_t i = 0; i < guest->n_threads && r >= 0; i++)
                if (!guest_is_leader(guest, guest->threads + i))
                        r = reserve_thread(&mine, guest, guest->threads + i);
        if (guest->since > 0 && !anything_reserved(guest))
                guest->since = 0;
        return r;
}

void vhost_core_mask(const struct vhost_state *state, struct affinity_mask *ret) {
        memset(ret, 0, sizeof *ret);
        for (int cpu = 0; cpu < state->n_cpus && cpu < AFFINITY_CPUS_MAX; cpu++)
                if (state->cores[cpu])
                        CPU_SET_S((size_t) cpu, sizeof ret->sets, ret->sets);
}

static int reserve_guests(struct vhost_state *state, iocore_want want, void *want_userdata) {
        struct guests *guests = &state->guests;
        struct affinity_mask cores;
        const struct asking asking = { .state = state, .cores = &cores, .want = want, .userdata = want_userdata };

        vhost_core_mask(state, &cores);
        bool active = !affinity_is_empty(&cores);
        if (active && !guests->active) {
                /* Nobody looked for a while. */
                guests->pending = true;
                guests_change_all(state);
        }
        guests->active = active;
        if (!active && guests->n_reserved == 0 && !state->widenings)
                return 0;
        int r = guests_refresh(state);
        if (r < 0 || !guests->pending)
                return r;
        guests->pending = false;
        r = widening_settle(state, want, want_userdata);
        for (size_t i = 0; i < guests->n && r >= 0; i++)
                r = reserve_guest(&asking, guests->guests[i]);
        return r;
}

int vhost_reserve(void *userdata, iocore_want want, void *want_userdata) {
        struct vhost_state *state = userdata;

        /* What holds CPUs gives them back first, and takes them last. */
        int r = partition_before_guests(state, want, want_userdata);
        if (r >= 0)
                r = reserve_guests(state, want, want_userdata);
        return r < 0 ? r : partition_after_guests(state, want, want_userdata);
}

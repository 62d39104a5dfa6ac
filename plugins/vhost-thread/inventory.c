/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "plugins/common/owner.h"
#include "search.h"

int vhost_thread_check(const struct vhost_state *state, const struct vhost_thread *thread) {
        struct thread_stat stat;
        int r = search_read_stat(state->services, state->context, thread, &stat);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        return stat.start_time == thread->start_time ? 0 : -ESRCH;
}

static int compare_id(const void *key, const void *member) {
        pid_t a = *(const pid_t *) key, b = (*(struct vhost_thread *const *) member)->id;
        return (a > b) - (a < b);
}

struct vhost_thread *vhost_thread_find(const struct vhost_state *state, pid_t id) {
        if (state->n_threads == 0)
                return NULL;
        struct vhost_thread **found = bsearch(&id, state->threads, state->n_threads, sizeof(struct vhost_thread *), compare_id);
        return found ? *found : NULL;
}

static void forget(struct vhost_state *state, size_t index) {
        struct vhost_thread *thread = state->threads[index];

        memmove(state->threads + index, state->threads + index + 1, (state->n_threads - index - 1) * sizeof(struct vhost_thread *));
        state->n_threads--;
        pattern_device_release(state, thread);
        if (thread->unit)
                identity_owner_changed(state, thread->unit->owner);
        if (thread->unit)
                state->services->unit_remove(state->context, thread->unit);
        if (thread->worker)
                state->services->worker_remove(state->context, thread->worker);
        closep(&thread->schedstat);
        free(thread->home);
        free(thread);
        state->n_changes++;
}

void vhost_forget_ended(struct vhost_state *state) {
        for (size_t i = state->n_threads; i-- > 0;)
                if (state->threads[i]->ended)
                        forget(state, i);
}

void vhost_forget_all(struct vhost_state *state) {
        while (state->n_threads > 0)
                forget(state, state->n_threads - 1);
        free(state->threads);
        state->threads = NULL;
        state->n_allocated = 0;
}

void vhost_refresh_cpu(struct vhost_state *state, struct vhost_thread *thread) {
        struct affinity_mask mask;
        int r = state->affinity->get(state->affinity->userdata, thread->id, &mask);
        thread->worker->cpu = r < 0 ? IOCORE_CPU_ANY : affinity_only_cpu(&mask);
        /* Whoever bound it has let it go; the other way round a change by hand is for the daemon to notice. */
        if (thread->worker->cpu == IOCORE_CPU_ANY)
                thread->unit->manual = false;
}

bool vhost_is_bound_elsewhere(const struct vhost_state *state, const struct vhost_thread *thread) {
        int cpu = thread->worker->cpu;
        return cpu >= 0 && (cpu >= state->n_cpus || !state->cores[cpu]);
}

static void refresh_owner(struct vhost_state *state, struct vhost_thread *thread) {
        struct owner owner = { .node = IOCORE_NODE_UNKNOWN };
        struct iocore_unit *unit = thread->unit;

        pid_t process = thread->shape == THREAD_VHOST_TASK ? thread->process : search_read_owner(state->services, state->context, thread);
        /* One that has ended leaves its worker a moment longer, or for good when it gave the device away: what was known of it stays, though its id may be another's. */
        if (process > 0)
                unit->owner = process;
        if (unit->owner < 0 || search_is_younger(state->services, state->context, unit->owner, thread) ||
            owner_read(state->services, state->context, unit->owner, &owner) < 0) {
                if (unit->domain[0] == '\0')
                        (void) owner_read_cgroup(state->services, state->context, thread->id, unit->domain);
                return;
        }
        unit->node = owner.node;
        if (thread->shape != THREAD_PATTERN || owner.domain[0] != '\0')
                memcpy(unit->domain, owner.domain, sizeof unit->domain);
}

/* Fills the two objects of a new thread. */
static void describe(struct vhost_state *state, struct vhost_thread *thread, const struct pattern_match *match) {
        struct iocore_worker *worker = thread->worker;
        struct iocore_unit *unit = thread->unit;

        worker->incarnation = unit->incarnation = thread->start_time;
        worker->pid = thread->id;
        worker->locked = worker->shared = worker->is_default = false;
        worker->plugin_data = unit->plugin_data = thread;
        vhost_refresh_cpu(state, thread);
        unit->worker = worker;
        unit->device = NULL;
        unit->owner = -1;
        unit->node = IOCORE_NODE_UNKNOWN;
        unit->domain[0] = '\0';
        refresh_owner(state, thread);
        if (match)
                pattern_device_describe(state, thread, match);
        /* Nobody binds a worker to one CPU by accident. If it was an iocored before this one, its journal is played back next, and that lets it go. */
        unit->manual = vhost_is_bound_elsewhere(state, thread);
}

static int reserve(struct vhost_state *state) {
        if (state->n_threads < state->n_allocated)
                return 0;
        size_t n = state->n_allocated > 0 ? state->n_allocated * 2 : 16;
        struct vhost_thread **threads = reallocarray(state->threads, n, sizeof(struct vhost_thread *));
        if (!threads)
                return -ENOMEM;
        state->threads = threads;
        state->n_allocated = n;
        return 0;
}

/* True when the thread is in the model; an older one of its id has left it then. */
static bool is_known(struct vhost_state *state, const struct vhost_thread *found) {
        struct vhost_thread *known = vhost_thread_find(state, found->id);

        if (!known || known->start_time == found->start_time)
                return known;
        known->ended = true;
        vhost_forget_ended(state);
        return false;
}

int vhost_remember(void *userdata, const struct vhost_thread *found) {
        struct vhost_state *state = userdata;
        char path[VHOST_PATH_MAX], object[IOCORE_ID_MAX];

        if (is_known(state, found))
                return 0;
        int r = reserve(state);
        if (r < 0)
                return r;
        vhost_thread_path(found, "schedstat", path);
        int fd = state->services->open_path(state->context, path, O_RDONLY);
        if (fd == -ENOENT || fd == -ESRCH)
                return 0;
        struct vhost_thread *thread = malloc(sizeof *thread);
        if (!thread) {
                closep(&fd);
                return -ENOMEM;
        }
        *thread = *found;
        thread->schedstat = fd < 0 ? -1 : fd;
        thread->match = NULL;
        thread->placed = IOCORE_CPU_ANY;

        size_t index = state->n_threads;
        while (index > 0 && state->threads[index - 1]->id > thread->id)
                index--;
        memmove(state->threads + index + 1, state->threads + index, (state->n_threads - index) * sizeof(struct vhost_thread *));
        state->threads[index] = thread;
        state->n_threads++;

        snprintf(object, sizeof object, "t.%d", (int) thread->id);
        if (!(thread->worker = state->services->worker_add(state->context, object)) ||
            !(thread->unit = state->services->unit_add(state->context, object))) {
                r = -errno;
                forget(state, index);
                return r == -ENOMEM ? r : 0;
        }
        guests_worker_born(state, thread);
        describe(state, thread, found->match);
        state->n_changes++;
        identity_owner_changed(state, thread->unit->owner);
        return 0;
}

/* Without a connector: looks at the threads that are new since the scan before the last one, as a thread exists for a moment before it has its name. */
static int look_for_new(struct vhost_state *state, bool thorough) {
        const struct search search = { .services = state->services, .context = state->context, .found = vhost_remember, .userdata = state, .patterns = state->patterns };
        pid_t newest = search_read_newest(state->services, state->context); /* before looking: what comes later is looked at next time */
        int r;

        if (thorough || !search_new(&search, state->newest[1], newest, &r))
                r = vhost_look_everywhere(state);
        state->newest[1] = state->newest[0];
        state->newest[0] = newest;
        return r;
}

/* One that could not be opened: there may have been no file descriptor left. */
static void reopen_schedstat(struct vhost_state *state, struct vhost_thread *thread) {
        char path[VHOST_PATH_MAX];

        vhost_thread_path(thread, "schedstat", path);
        int fd = state->services->open_path(state->context, path, O_RDONLY);
        if (fd < 0)
                return;
        thread->schedstat = fd;
        thread->told = false;
}

int vhost_scan(struct vhost_state *state, bool thorough) {
        if (thorough)
                vhost_check_visibility(state);
        for (size_t i = state->n_threads; i-- > 0;) {
                struct vhost_thread *thread = state->threads[i];
                /* An open schedstat says by itself when its thread has gone. */
                if (!thread->ended && (thorough || !state->connector || thread->schedstat < 0))
                        thread->ended = vhost_thread_check(state, thread) == -ESRCH;
        }
        vhost_forget_ended(state);
        for (size_t i = 0; i < state->n_threads; i++) {
                vhost_refresh_cpu(state, state->threads[i]);
                vhost_refresh_blocked(state, state->threads[i]);
                if (thorough)
                        refresh_owner(state, state->threads[i]);
                if (thorough && state->threads[i]->schedstat < 0)
                        reopen_schedstat(state, state->threads[i]);
        }
        int r = !state->connector ? look_for_new(state, thorough) : thorough ? vhost_look_everywhere(state) : 0;
        identity_scan(state, thorough);
        return r;
}

static int stop_search(void *userdata, const struct vhost_thread *thread) {
        (void) userdata;
        (void) thread;
        return -EEXIST;
}

bool vhost_any_worker(const struct iocore_services *services, struct iocore_context *context, const struct pattern_set *patterns) {
        const struct search search = { .services = services, .context = context, .found = stop_search, .patterns = patterns };
        return search_everywhere(&search) == -EEXIST;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "cleanup.h"
#include "plugins/common/file-io.h"
#include "vhost-thread.h"

enum { STATUS_FILE_MAX = 16384 };

/* The thread that a unit's id names, if it is still that one. */
static int find_object(struct vhost_state *state, const char *object, struct vhost_thread **ret) {
        if (strncmp(object, "t.", 2) != 0)
                return -ENOENT;
        struct vhost_thread *thread = vhost_thread_find(state, thread_parse_id(object + 2));
        if (!thread)
                return -ENOENT;
        int r = vhost_thread_check(state, thread);
        if (r < 0)
                return r;
        *ret = thread;
        return 0;
}

static int place_get(void *userdata, const char *object, char *ret_value, size_t size) {
        struct vhost_state *state = userdata;
        struct vhost_thread *thread;
        struct affinity_mask mask;

        int r = find_object(state, object, &thread);
        if (r < 0)
                return r;
        r = state->affinity->get(state->affinity->userdata, thread->id, &mask);
        return r < 0 ? r : affinity_format(&mask, ret_value, size);
}

/* The kernel intersects a mask with the cpuset in silence: what counts is what is there afterwards. */
static int set_and_read_back(struct vhost_state *state, pid_t id, const struct affinity_mask *wanted, struct affinity_mask *ret) {
        const struct affinity_calls *affinity = state->affinity;
        struct affinity_mask before, after;

        int r = affinity->get(affinity->userdata, id, &before);
        if (r < 0)
                return r;
        r = affinity->set(affinity->userdata, id, wanted);
        if (r < 0)
                return r;
        r = affinity->get(affinity->userdata, id, &after);
        if (r < 0)
                return r;
        if (!affinity_within(&after, wanted)) {
                (void) affinity->set(affinity->userdata, id, &before);
                return -EINVAL;
        }
        *ret = after;
        return 0;
}

/* The decision only has an errno: what to look at is told here, once until it is mended. */
static void tell_blocked(struct vhost_state *state, struct vhost_thread *thread, const char *value) {
        if (!thread->told_blocked)
                state->services->log(state->context, LOG_WARNING, "%s: blocked from CPUs %.64s by the cpuset of its cgroup, or these CPUs are offline",
                                     thread->worker->id, value);
        thread->told_blocked = true;
}

static int place_set(void *userdata, const char *object, const char *value, char *ret_value, size_t size) {
        struct vhost_state *state = userdata;
        struct vhost_thread *thread;
        struct affinity_mask wanted, really;

        int r = affinity_parse(value, &wanted);
        if (r < 0)
                return r;
        r = find_object(state, object, &thread);
        if (r < 0)
                return r;
        r = set_and_read_back(state, thread->id, &wanted, &really);
        if (r == -EINVAL)
                tell_blocked(state, thread, value);
        if (r < 0)
                return r;
        thread->told_blocked = false;
        thread->worker->cpu = affinity_only_cpu(&really);
        thread->unit->manual = vhost_is_bound_elsewhere(state, thread);
        thread->placed = thread->worker->cpu;
        return affinity_format(&really, ret_value, size);
}

/* Where a worker without iocored would be: where its owner is. */
static int read_owner_cpus(struct vhost_state *state, pid_t owner, char *ret_value, size_t size) {
        char path[VHOST_PATH_MAX], text[STATUS_FILE_MAX];
        size_t length;

        if (owner <= 0)
                return -ESRCH;
        snprintf(path, sizeof path, "/proc/%d/status", (int) owner);
        ssize_t r = file_read_path(state->services, state->context, path, text, sizeof text);
        if (r < 0)
                return (int) r;
        const char *value = thread_status_value(text, "Cpus_allowed_list", &length);
        if (!value || length == 0 || length >= size)
                return -EINVAL;
        memcpy(ret_value, value, length);
        ret_value[length] = '\0';
        return 0;
}

int vhost_place(void *userdata, const struct iocore_unit *unit, int cpu, char *ret_value, size_t size) {
        struct vhost_state *state = userdata;
        int n;

        if (cpu != IOCORE_CPU_ANY) {
                if (cpu < 0 || cpu >= state->n_cpus)
                        return -ENOENT;
                n = snprintf(ret_value, size, "%d", cpu);
        } else {
                if (read_owner_cpus(state, unit->owner, ret_value, size) >= 0)
                        return 0;
                n = snprintf(ret_value, size, "0-%d", state->n_cpus - 1);
        }
        return n < 0 || (size_t) n >= size ? -EOVERFLOW : 0;
}

int vhost_core_add(void *userdata, int cpu, char *ret_worker, size_t size) {
        struct vhost_state *state = userdata;

        if (cpu < 0 || cpu >= state->n_cpus || !state->services->cpu_online(state->context, cpu) || size == 0)
                return -EINVAL;
        int r = state->services->core_set(state->context, cpu, NULL, true);
        if (r < 0)
                return r;
        state->cores[cpu] = true;
        ret_worker[0] = '\0';
        return 0;
}

int vhost_core_remove(void *userdata, int cpu, const char *worker) {
        struct vhost_state *state = userdata;

        (void) worker;
        if (cpu < 0 || cpu >= state->n_cpus || !state->cores[cpu])
                return -ENOENT;
        for (size_t i = 0; i < state->n_threads; i++) {
                struct vhost_thread *thread = state->threads[i];
                vhost_refresh_cpu(state, thread);
                /* One that somebody else bound to this CPU is not for iocored to move, and needs no I/O core. */
                if (thread->placed == cpu && thread->worker->cpu == cpu && vhost_thread_check(state, thread) >= 0)
                        return -EBUSY;
        }
        int r = state->services->core_set(state->context, cpu, NULL, false);
        if (r < 0)
                return r;
        state->cores[cpu] = false;
        return 0;
}

const struct iocore_knob vhost_knobs[VHOST_N_KNOBS] = {
        { .kind = "unit.place", .doc = "CPUs that a vhost worker thread may run on, as a list", .get = place_get, .set = place_set },
};

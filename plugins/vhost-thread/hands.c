/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "cleanup.h"
#include "daemon/clock.h"
#include "cpuset.h"
#include "plugins/common/file-io.h"
#include "vhost-thread.h"

enum {
        STATUS_FILE_MAX = 16384,
        BLOCKED_USEC = 600000000, /* what kept a worker away, other than its cpuset, is tried again so often: it costs a decision that fails */
};

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

int vhost_mask_read(const struct vhost_state *state, pid_t id, struct affinity_mask *ret) {
        const struct affinity_calls *affinity = state->affinity;
        return (affinity->get_whole ?: affinity->get)(affinity->userdata, id, ret);
}

int vhost_mask_set(struct vhost_state *state, pid_t id, const struct affinity_mask *wanted, struct affinity_mask *ret) {
        const struct affinity_calls *affinity = state->affinity;
        struct affinity_mask before, after, allowed, any;

        int r = vhost_mask_read(state, id, &before);
        if (r < 0)
                return r;
        /* Linux 6.2 and later remember each mask that is set, and go by it when the cpuset changes: one that has all of its cpuset is told to have any CPU. */
        bool all = cpuset_allowed(state, id, &allowed) >= 0 && affinity_within(&allowed, wanted);
        if (all) {
                memset(&any, 0xff, sizeof any);
                r = affinity->set(affinity->userdata, id, &any);
                if (r >= 0)
                        r = vhost_mask_read(state, id, &after);
        }
        if (!all || r < 0 || !affinity_within(&after, wanted)) {
                r = affinity->set(affinity->userdata, id, wanted);
                if (r >= 0)
                        r = vhost_mask_read(state, id, &after);
        }
        if (r < 0)
                return r;
        if (!affinity_within(&after, wanted)) {
                (void) affinity->set(affinity->userdata, id, &before);
                return -EINVAL;
        }
        *ret = after;
        return 0;
}

static int place_get(void *userdata, const char *object, char *ret_value, size_t size) {
        struct vhost_state *state = userdata;
        struct vhost_thread *thread;
        struct affinity_mask mask;

        int r = find_object(state, object, &thread);
        if (r < 0)
                return r;
        r = vhost_mask_read(state, thread->id, &mask);
        return r < 0 ? r : affinity_format(&mask, ret_value, size);
}

void vhost_thread_is_set(struct vhost_state *state, struct vhost_thread *thread, const struct affinity_mask *mask) {
        thread->set = *mask;
        thread->is_set = affinity_only_cpu(mask) >= 0;
        thread->cpuset = cpuset_mark(state, thread->id);
        if (state->affinity->get(state->affinity->userdata, thread->id, &thread->seen) < 0)
                thread->seen = *mask;
}

/* The decision only has an errno: what to look at is told here, once until it is mended. */
static void tell_blocked(struct vhost_state *state, struct vhost_thread *thread, const char *value) {
        if (!thread->told_blocked)
                state->services->log(state->context, LOG_WARNING, "%s: blocked from CPUs %.64s by the cpuset of its cgroup, or these CPUs are offline",
                                     thread->worker->id, value);
        thread->told_blocked = true;
        thread->unit->blocked = true;
        thread->blocked_cpuset = cpuset_mark(state, thread->id);
        thread->blocked_since = monotonic_usec();
}

void vhost_refresh_blocked(struct vhost_state *state, struct vhost_thread *thread) {
        if (thread->unit->blocked && (monotonic_usec() - thread->blocked_since >= BLOCKED_USEC || cpuset_mark(state, thread->id) != thread->blocked_cpuset))
                thread->unit->blocked = false;
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
        r = vhost_mask_set(state, thread->id, &wanted, &really);
        if (r == -EINVAL)
                tell_blocked(state, thread, value);
        if (r < 0)
                return r;
        thread->told_blocked = thread->unit->blocked = false;
        thread->n_pause = thread->n_resets = 0;
        state->guests.pending = state->guests.pending || state->widenings;
        state->partition.generation = state->partition.waiting = 0; /* it may have been the last one to be placed */
        vhost_thread_is_set(state, thread, &really);
        thread->worker->cpu = affinity_only_cpu(&really);
        thread->unit->manual = vhost_is_bound_elsewhere(state, thread);
        thread->placed = thread->worker->cpu;
        return affinity_format(&really, ret_value, size);
}

/* Where a worker without iocored would be: where its owner would be. */
static int read_owner_cpus(struct vhost_state *state, pid_t owner, char *ret_value, size_t size) {
        char path[VHOST_PATH_MAX], text[STATUS_FILE_MAX];
        size_t length;

        if (owner <= 0)
                return -ESRCH;
        const struct guest *guest = guests_find(state, owner);
        const struct guest_thread *leader = guest ? guest_thread_find(guest, owner) : NULL;
        if (leader && leader->reserved)
                return affinity_format(&leader->base, ret_value, size);
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

static void cores_changed(struct vhost_state *state) {
        state->guests.pending = true;
        state->guests.generation++;
        partition_cores_changed(state);
}

int vhost_core_add(void *userdata, int cpu, char *ret_worker, size_t size) {
        struct vhost_state *state = userdata;

        if (cpu < 0 || cpu >= state->n_cpus || !state->services->cpu_online(state->context, cpu) || size == 0)
                return -EINVAL;
        int r = state->services->core_set(state->context, cpu, NULL, true);
        if (r < 0)
                return r;
        state->cores[cpu] = true;
        cores_changed(state);
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
                if (thread->placed == cpu && thread->worker->cpu == cpu && vhost_thread_check(state, thread) != -ESRCH)
                        return -EBUSY;
        }
        int r = state->services->core_set(state->context, cpu, NULL, false);
        if (r < 0)
                return r;
        state->cores[cpu] = false;
        cores_changed(state);
        return 0;
}

const struct iocore_knob vhost_knobs[VHOST_N_KNOBS] = {
        { .kind = "unit.place", .doc = "CPUs that a vhost worker thread may run on, as a list", .get = place_get, .set = place_set },
        { .kind = KIND_THREAD_CPUS, .doc = "CPUs that a thread of a guest may run on, as a list", .get = thread_cpus_get, .set = thread_cpus_set },
        { .kind = KIND_PROCESS_CPUS, .doc = "CPUs that the first thread of a guest, and what was born with its CPUs since, may run on, as a list",
          .get = process_cpus_get, .set = process_cpus_set },
        { .kind = KIND_CGROUP_CPUS, .doc = "CPUs of a cgroup, as a list", .get = cgroup_cpus_get, .set = cgroup_cpus_set },
        { .kind = KIND_PARTITION_DIRECTORY, .doc = "is there a cgroup for a partition of the I/O cores: yes or no", .get = partition_directory_get,
          .set = partition_directory_set },
        { .kind = KIND_PARTITION_CPUS, .doc = "CPUs of the partition of the I/O cores, as a list; empty: there is none", .get = partition_cpus_get,
          .set = partition_cpus_set },
        { .kind = KIND_THREAD_CGROUP, .doc = "cgroup of a worker that is a kernel thread, as a path", .get = thread_cgroup_get, .set = thread_cgroup_set },
};

/* Cpus_allowed of /proc/TID/status is the mask as the kernel keeps it (fs/proc/array.c, task_cpus_allowed()). */
static int read_whole(void *userdata, pid_t id, struct affinity_mask *ret) {
        const struct vhost_state *state = userdata;
        char path[VHOST_PATH_MAX], text[STATUS_FILE_MAX];
        size_t length;

        snprintf(path, sizeof path, "/proc/%d/status", (int) id);
        ssize_t r = file_read_path(state->services, state->context, path, text, sizeof text);
        if (r == -ENOENT)
                return -ESRCH;
        /* The mask is in its first part. */
        const char *groups = r >= 0 || r == -EFBIG ? thread_status_value(text, "Cpus_allowed", &length) : NULL;
        if (groups)
                return affinity_parse_groups(groups, length, ret);
        return r < 0 && r != -EFBIG ? (int) r : state->affinity->get(state->affinity->userdata, id, ret);
}

int hands_open(struct vhost_state *state) {
        if (state->affinity == &affinity_of_the_kernel) {
                state->kernel_affinity = affinity_of_the_kernel;
                state->kernel_affinity.userdata = state;
                state->kernel_affinity.get_whole = read_whole;
                state->affinity = &state->kernel_affinity;
        }
        return guests_open(state);
}

void hands_close(struct vhost_state *state) {
        guests_close(state);
        widening_forget_all(state);
        partition_close(state);
        free(state->cpuset_mount);
}

int hands_scan(struct vhost_state *state, bool thorough) {
        partition_scan(state);
        return guests_scan(state, thorough);
}

const char *hands_describe(const struct vhost_state *state) {
        const struct cpuset_mount *mount = state->cpuset_mount;
        return !mount || !mount->path[0] ? "thread affinity" : mount->v1 ? "thread affinity, cgroup v1 cpusets" : "thread affinity, cgroup v2 cpusets";
}

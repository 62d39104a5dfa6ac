/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <syslog.h>
#include <time.h>

#include "cleanup.h"
#include "plugins/common/file-io.h"
#include "vhost-thread.h"

enum { SCHEDSTAT_FILE_MAX = 80, STATUS_FILE_MAX = 16384 };

static bool exists(const struct iocore_services *services, struct iocore_context *context, const char *path) {
        _cleanup_close_ int fd = services->open_path(context, path, O_PATH);
        return fd >= 0;
}

static int vhost_probe(const struct iocore_services *services, struct iocore_context *context, char *ret_reason, size_t size) {
        if (exists(services, context, "/sys/module/vhost") || exists(services, context, "/dev/vhost-net") || vhost_any_worker(services, context))
                return 1;
        snprintf(ret_reason, size, "no vhost worker thread in /proc, no /sys/module/vhost, no /dev/vhost-net: the kernel's vhost is not there");
        return 0;
}

/* Thread ids out of a fixture tree, or of another container's /proc, would be other threads here. */
static bool is_own_proc(const struct iocore_services *services, struct iocore_context *context) {
        struct statfs status;
        char self[16];

        _cleanup_close_ int fd = services->open_path(context, "/proc", O_RDONLY | O_DIRECTORY);
        if (fd < 0 || fstatfs(fd, &status) < 0 || status.f_type != PROC_SUPER_MAGIC)
                return false;
        ssize_t length = readlinkat(fd, "self", self, sizeof self - 1);
        if (length <= 0)
                return false;
        self[length] = '\0';
        return thread_parse_id(self) == getpid();
}

static void vhost_close(void *userdata) {
        struct vhost_state *state = userdata;

        if (!state)
                return;
        vhost_forget_all(state);
        for (int cpu = 0; state->cores && cpu < state->n_cpus; cpu++)
                if (state->cores[cpu])
                        (void) state->services->core_set(state->context, cpu, NULL, false);
        free(state->cores);
        free(state);
}

int vhost_open_with(const struct iocore_services *services, struct iocore_context *context, const struct affinity_calls *affinity, void **ret_state,
                    char *ret_reason, size_t size) {
        struct vhost_state *state = calloc(1, sizeof *state);
        if (!state)
                return -ENOMEM;
        state->services = services;
        state->context = context;
        state->affinity = affinity;
        state->n_cpus = services->cpu_count(context);
        state->cores = state->n_cpus > 0 ? calloc((size_t) state->n_cpus, sizeof *state->cores) : NULL;
        int r = state->cores ? vhost_scan(state, true) : -ENOMEM;
        if (r < 0) {
                snprintf(ret_reason, size, "/proc: %s", strerror(-r));
                vhost_close(state);
                return r;
        }
        *ret_state = state;
        return 0;
}

static int vhost_open(const struct iocore_services *services, struct iocore_context *context, void **ret_state, char *ret_reason, size_t size) {
        bool own = is_own_proc(services, context);
        if (!own)
                services->log(context, LOG_NOTICE, "/proc is not this kernel's or shows other thread ids: affinity is neither read nor set");
        return vhost_open_with(services, context, own ? &affinity_of_the_kernel : &affinity_refused, ret_state, ret_reason, size);
}

static int vhost_rescan(void *userdata, bool thorough) {
        return vhost_scan(userdata, thorough);
}

/* A thread that has ended fails with ESRCH; it is left as it is, and the next scan removes it. */
static int vhost_sample_workers(void *userdata) {
        struct vhost_state *state = userdata;

        for (size_t i = 0; i < state->n_threads; i++) {
                struct vhost_thread *thread = state->threads[i];
                char text[SCHEDSTAT_FILE_MAX];
                struct timespec now;
                uint64_t run, wait;

                ssize_t length = thread->schedstat < 0 ? -EBADF : pread(thread->schedstat, text, sizeof text - 1, 0);
                if (length < 0 && thread->schedstat >= 0 && errno == ESRCH)
                        continue;
                text[length > 0 ? length : 0] = '\0';
                clock_gettime(CLOCK_MONOTONIC, &now);
                if (thread_parse_schedstat(text, &run, &wait) < 0) {
                        if (!thread->told)
                                state->services->log(state->context, LOG_WARNING, "%s: its schedstat cannot be read: load unknown", thread->worker->id);
                        thread->told = true;
                        continue;
                }
                thread->worker->clock = (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
                thread->worker->busy = run;
                thread->worker->wait = wait;
        }
        return 0;
}

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

static int vhost_place(void *userdata, const struct iocore_unit *unit, int cpu, char *ret_value, size_t size) {
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

static int vhost_core_add(void *userdata, int cpu, char *ret_worker, size_t size) {
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

static int vhost_core_remove(void *userdata, int cpu, const char *worker) {
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

static const char *vhost_unavailable(void *userdata, const char *kind) {
        const struct vhost_state *state = userdata;

        if (strcmp(kind, "queue.poll") == 0)
                return "a stock kernel's vhost polls only as its owner asks (vhost busyloop_timeout); nobody else can switch it";
        if (strcmp(kind, "queue.limit") == 0)
                return "a stock kernel's vhost has a fixed limit for one turn of a queue";
        if (strcmp(kind, "worker.locked") == 0)
                return "a stock kernel makes a worker for each device: none takes devices of others";
        if (state->affinity == &affinity_refused && (strcmp(kind, "unit.place") == 0 || strcmp(kind, "grow") == 0))
                return "/proc is not this kernel's or shows other thread ids";
        return NULL;
}

static const struct iocore_knob knobs[] = {
        { .kind = "unit.place", .doc = "CPUs that a vhost worker thread may run on, as a list", .get = place_get, .set = place_set },
};

__attribute__((visibility("default"))) const struct iocore_plugin iocore_plugin = {
        .abi = IOCORE_PLUGIN_ABI,
        .size = sizeof(struct iocore_plugin),
        .name = "vhost-thread",
        .doc = "vhost worker threads of stock kernels, moved by their affinity",
        .provides = "vhost",
        .rank = 50,
        .probe = vhost_probe,
        .open = vhost_open,
        .close = vhost_close,
        .scan = vhost_rescan,
        .sample_workers = vhost_sample_workers,
        .knobs = knobs,
        .n_knobs = ELEMENTSOF(knobs),
        .place = vhost_place,
        .core_add = vhost_core_add,
        .core_remove = vhost_core_remove,
        .unavailable = vhost_unavailable,
};

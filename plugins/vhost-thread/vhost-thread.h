/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vhost workers of stock kernels: one thread for each vhost device (or queue pair), which is worker and unit at once. */
#ifndef VHOST_THREAD_H
#define VHOST_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "affinity.h"
#include "plugins/iocore-plugin.h"
#include "thread-info.h"

/* One vhost worker as found in /proc. */
struct vhost_thread {
        pid_t id;
        pid_t process;       /* where it is found: /proc/PROCESS/task/ID; equal to id for a kernel thread */
        pid_t creator;       /* the thread that made the device: its process is the owner */
        uint64_t start_time;
        enum thread_shape shape;

        int schedstat;       /* kept open; -1 when it cannot be had */
        int placed;          /* the CPU that iocored bound it to last, or IOCORE_CPU_ANY */
        bool told;           /* that its schedstat cannot be read */
        bool told_blocked;   /* that its cpuset kept it from where it was wanted; until a place is taken again */
        struct iocore_worker *worker;
        struct iocore_unit *unit;
};

struct vhost_state {
        const struct iocore_services *services;
        struct iocore_context *context;
        const struct affinity_calls *affinity;
        struct vhost_thread **threads; /* in order of id */
        size_t n_threads, n_allocated;
        bool *cores;                   /* by CPU: made an I/O core by core_add() */
        int n_cpus;
        pid_t newest[2];               /* newest thread id of the host at the last scan and the one before; 0: not known */
};

/* Opens the plugin with other affinity calls than the kernel's (borrowed). As iocore_plugin.open(). */
int vhost_open_with(const struct iocore_services *services, struct iocore_context *context, const struct affinity_calls *affinity, void **ret_state,
                    char *ret_reason, size_t size);

/* inventory.c */

/* Where the files of a thread are. */
enum { VHOST_PATH_MAX = 80 };
void vhost_thread_path(const struct vhost_thread *thread, const char *file, char ret[static VHOST_PATH_MAX]);
/* Reads whether the thread is still the one that was found. 0; -ESRCH: it is gone, or its id is another thread's now. */
int vhost_thread_check(const struct vhost_state *state, const struct vhost_thread *thread);
/* NULL when there is none. */
struct vhost_thread *vhost_thread_find(const struct vhost_state *state, pid_t id);
/* See iocore_plugin.scan(). Every vhost worker that exists is in the model after it. 0; -ENOMEM; -errno of /proc. */
int vhost_scan(struct vhost_state *state, bool thorough);
/* True when a vhost worker exists now. */
bool vhost_any_worker(const struct iocore_services *services, struct iocore_context *context);
/* Reads the CPU that the thread is bound to into the model. */
void vhost_refresh_cpu(struct vhost_state *state, struct vhost_thread *thread);
/* True when it is bound to one CPU that is no I/O core of iocored's. */
bool vhost_is_bound_elsewhere(const struct vhost_state *state, const struct vhost_thread *thread);
void vhost_forget_all(struct vhost_state *state);

/* sampler.c; see iocore_plugin.sample_workers() */
int vhost_sample_workers(void *state);

/* hands.c: the members of iocore_plugin of these names */
int vhost_place(void *state, const struct iocore_unit *unit, int cpu, char *ret_value, size_t size);
int vhost_core_add(void *state, int cpu, char *ret_worker, size_t size);
int vhost_core_remove(void *state, int cpu, const char *worker);
enum { VHOST_N_KNOBS = 1 };
extern const struct iocore_knob vhost_knobs[VHOST_N_KNOBS];

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vhost workers of stock kernels: one thread for each vhost device (or queue pair), which is worker and unit at once. */
#ifndef VHOST_THREAD_H
#define VHOST_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "affinity.h"
#include "connector.h"
#include "pattern-device.h"
#include "identity.h"
#include "cpuset.h"
#include "guests.h"
#include "partition.h"
#include "plugins/iocore-plugin.h"
#include "thread-info.h"

/* One vhost worker as found in /proc. */
struct vhost_thread {
        pid_t id;
        pid_t process;       /* where it is found: /proc/PROCESS/task/ID; equal to id for a kernel thread */
        pid_t creator;       /* the thread that made the device: its process is the owner */
        uint64_t start_time;
        enum thread_shape shape;
        const struct pattern_match *match; /* of THREAD_PATTERN, and only while search.found is told of it */

        int schedstat;       /* kept open; -1 when it cannot be had */
        int placed;          /* the CPU that iocored bound it to last, or IOCORE_CPU_ANY */
        bool ended;          /* its schedstat says that it is gone: announced() or the next scan removes it */
        bool told;           /* that its schedstat cannot be read */
        bool told_blocked;   /* that its cpuset kept it from where it was wanted; until a place is taken again */
        struct iocore_worker *worker;
        struct iocore_unit *unit;

        struct pattern_device *pattern_device; /* of THREAD_PATTERN; NULL: not known */

        /* identity.c */
        struct vhost_device *device;  /* that it serves; NULL: not known */
        unsigned n_looks;             /* how often scans have looked for it */
        bool identity_wanted, look_again;
        /* what iocored set last */
        bool told_cpuset;    /* that its cpuset cannot be widened */
        uint64_t blocked_cpuset; /* cpuset_mark() when unit->blocked was set */
        uint64_t blocked_since;  /* usec of the monotonic clock */
        bool is_set;         /* it is bound to an I/O core, and nobody else changed that */
        unsigned n_resets, n_pause; /* as in struct guest_thread */
        uint64_t cpuset;     /* cpuset_mark() when it was set */
        struct affinity_mask set, seen; /* seen: as sched_getaffinity() last told it */
        char *home;          /* path of its own cgroup while it is in the partition; NULL: it is there */
};

/* A kernel thread that its maker had not finished when it was looked at. */
struct vhost_young {
        pid_t id;
        int looks; /* how often it is still looked at */
};

/* More kernel threads than this are not made between two epochs; if they are, all of /proc is looked at once. */
enum { VHOST_YOUNG_MAX = 64 };

struct vhost_state {
        const struct iocore_services *services;
        struct iocore_context *context;
        const struct affinity_calls *affinity;
        struct vhost_thread **threads; /* in order of id */
        size_t n_threads, n_allocated;
        bool *cores;                   /* by CPU: made an I/O core by core_add() */
        int n_cpus;
        bool no_rights;                /* affinity of others' threads cannot be set by this process */
        unsigned n_changes;            /* workers that came or went, ever */
        struct identity *identity;

        struct pattern_set *patterns;
        struct connector *connector;   /* NULL: new workers are found by a scan */
        char no_connector[IOCORE_REASON_MAX]; /* why there is none */
        struct vhost_young young[VHOST_YOUNG_MAX];
        size_t n_young;
        bool look_everywhere;          /* some threads were not heard of, so that all of /proc must be looked at */
        uint64_t looked_everywhere;    /* when that was last done, monotonic usec */
        uint64_t look_took;            /* how long it took, usec */
        char hidden[IOCORE_REASON_MAX]; /* what of /proc may not be seen, and why; "" */
        unsigned n_lost;               /* times that events were lost */
        pid_t newest[2];               /* without a connector: newest thread id of the host at the last scan and the one before; 0: not known */
        struct guests guests;
        struct cpuset_mount *cpuset_mount; /* NULL: not looked for yet */
        struct cpuset_place cpuset_place; /* the cgroup that cgroup.cpus was last asked of */
        struct widening *widenings;    /* the latest first */
        struct partition partition;
        bool told_reset;               /* in this scan */
        struct affinity_calls kernel_affinity; /* the kernel's calls, with this as their userdata */
};

/* Opens the plugin with other affinity calls than the kernel's (borrowed), and without a connector. As iocore_plugin.open(). */
int vhost_open_with(const struct iocore_services *services, struct iocore_context *context, const struct affinity_calls *affinity, void **ret_state,
                    char *ret_reason, size_t size);
/* The same with a connector, which is taken in any case; NULL: none, because of `no_connector`. */
int vhost_open_connected(const struct iocore_services *services, struct iocore_context *context, const struct affinity_calls *affinity, struct connector *connector,
                         const char *no_connector, void **ret_state, char *ret_reason, size_t size);

/* inventory.c */

/* Where the files of a thread are. */
enum { VHOST_PATH_MAX = 80 };
void vhost_thread_path(const struct vhost_thread *thread, const char *file, char ret[static VHOST_PATH_MAX]);
/* Reads whether the thread is still the one that was found. 0; -ESRCH: it is gone, or its id is another thread's now; another -errno: that cannot be told. */
int vhost_thread_check(const struct vhost_state *state, const struct vhost_thread *thread);
/* NULL when there is none. */
struct vhost_thread *vhost_thread_find(const struct vhost_state *state, pid_t id);
/* See iocore_plugin.scan(). Without a connector, or when thorough, every vhost worker that exists is in the model after it. 0; -ENOMEM; -errno of /proc. */
int vhost_scan(struct vhost_state *state, bool thorough);
/* Puts a worker that was found into the model. One of the same id that is another thread makes way. 0; -ENOMEM. For search.found. */
int vhost_remember(void *state, const struct vhost_thread *found);
/* Takes those out of the model that have been seen to be gone. */
void vhost_forget_ended(struct vhost_state *state);
/* True when a vhost worker exists now, or a kernel thread that matches. */
bool vhost_any_worker(const struct iocore_services *services, struct iocore_context *context, const struct pattern_set *patterns);
/* Reads the CPU that the thread is bound to into the model. */
void vhost_refresh_cpu(struct vhost_state *state, struct vhost_thread *thread);
/* True when it is bound to one CPU that is no I/O core of iocored's. */
bool vhost_is_bound_elsewhere(const struct vhost_state *state, const struct vhost_thread *thread);
/* One that its cpuset kept from an I/O core may be tried again when that has changed, or every ten minutes. */
void vhost_refresh_blocked(struct vhost_state *state, struct vhost_thread *thread);
void vhost_forget_all(struct vhost_state *state);

/* discovery.c */

/* See iocore_plugin.announced() and describe(). */
int vhost_announced(void *state);
void vhost_describe(void *userdata, void (*say)(void *userdata, const char *key, const char *value), void *say_userdata);
/* Tells what of /proc may not be seen. */
void vhost_check_visibility(struct vhost_state *state);
/* Looks for workers in all of /proc. 0; -ENOMEM; -errno of /proc. */
int vhost_look_everywhere(struct vhost_state *state);

/* sampler.c; see iocore_plugin.sample_workers() */
int vhost_sample_workers(void *state);

/* hands.c: the members of iocore_plugin of these names */
int vhost_place(void *state, const struct iocore_unit *unit, int cpu, char *ret_value, size_t size);
int vhost_core_add(void *state, int cpu, char *ret_worker, size_t size);
int vhost_core_remove(void *state, int cpu, const char *worker);
enum { VHOST_N_KNOBS = 7 };
extern const struct iocore_knob vhost_knobs[VHOST_N_KNOBS];
/* The hands' part of opening (after affinity and n_cpus are known, before the first scan), closing (nothing of the host is changed) and scanning (after the
 * workers are known). 0; -ENOMEM. */
int hands_open(struct vhost_state *state);
void hands_close(struct vhost_state *state);
int hands_scan(struct vhost_state *state, bool thorough);
/* In a few words, how I/O cores are kept free of others. */
const char *hands_describe(const struct vhost_state *state);
/* The mask of a thread with the CPUs that are offline. 0; -ESRCH; -errno. */
int vhost_mask_read(const struct vhost_state *state, pid_t id, struct affinity_mask *ret);
/* Sets it and reads what became of it: the kernel intersects a mask with the cpuset in silence. -EINVAL: the cpuset allows none of it, or all are offline; then
 * the old one is in place. Also -ESRCH, -EPERM. */
int vhost_mask_set(struct vhost_state *state, pid_t id, const struct affinity_mask *wanted, struct affinity_mask *ret);
/* Knows from now on that iocored gave the worker this mask. */
void vhost_thread_is_set(struct vhost_state *state, struct vhost_thread *thread, const struct affinity_mask *mask);

/* thread-knobs.c */
#define KIND_THREAD_CPUS "thread.cpus"
#define KIND_PROCESS_CPUS "process.cpus"
int thread_cpus_get(void *state, const char *object, char *ret_value, size_t size);
int thread_cpus_set(void *state, const char *object, const char *value, char *ret_value, size_t size);
int process_cpus_get(void *state, const char *object, char *ret_value, size_t size);
int process_cpus_set(void *state, const char *object, const char *value, char *ret_value, size_t size);
struct thread_object {
        pid_t id;
        uint64_t start_time, since;
};
/* TID.STARTTIME or TID.STARTTIME.SINCE, decimal. */
bool thread_object_parse(const char *object, struct thread_object *ret, bool with_since);

/* cpuset-knob.c */
#define KIND_CGROUP_CPUS "cgroup.cpus"
int cgroup_cpus_get(void *state, const char *object, char *ret_value, size_t size);
int cgroup_cpus_set(void *state, const char *object, const char *value, char *ret_value, size_t size);

/* widen.c; see iocore_plugin.prepare() */
int vhost_prepare(void *userdata, const struct iocore_unit *unit, int cpu, iocore_want want, void *want_userdata);
/* Asks for the cpusets from the root down to `directory` to be widened where they lack the CPU, so that the unit can be there; tells where that cannot be. 0; -ENOMEM. */
int vhost_make_room(struct vhost_state *state, const struct iocore_unit *unit, const char *directory, int cpu, iocore_want want, void *userdata);
/* Asks for what cpusets were widened by and no worker needs any more to be taken away again. 0; -ENOMEM. */
int widening_settle(struct vhost_state *state, iocore_want want, void *userdata);
/* Knows from now on that the cgroup has these CPUs. */
void widening_is_set(struct vhost_state *state, ino_t inode, const struct affinity_mask *held);
void widening_forget_all(struct vhost_state *state);
/* What the cgroup has now is somebody else's, and what it is to get back from now on. */
void widening_is_foreign(struct vhost_state *state, const char *object);

/* watch.c; see iocore_plugin.foreign() */
void vhost_foreign(void *userdata, const char *kind, const char *object, enum iocore_foreign what);

/* reserve.c */
int vhost_reserve(void *userdata, iocore_want want, void *want_userdata);
/* The I/O cores as a mask. */
void vhost_core_mask(const struct vhost_state *state, struct affinity_mask *ret);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * I/O cores as a cpuset partition of their own: where that is configured, on cgroup v2, and only while every worker is a kernel thread; a worker that is a thread of its
 * owner cannot leave its owner's cgroups. The partition is a child of the root cgroup, which the kernel demands up to Linux 6.6. What it takes CPUs from by hand-set masks is asked
 * for, and so journaled, before it is made; where a mask would be lost for good there is no partition, and its reason is told.
 *
 * It is never changed while it holds CPUs: it is dissolved (its CPUs are anybody's), workers come and go, and it is made anew. So each thread's mask is the same before and
 * after each step, and whoever plays the journal back finds what it says.
 */
#ifndef PARTITION_H
#define PARTITION_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "affinity.h"
#include "plugins/iocore-plugin.h"

struct vhost_state;
struct vhost_thread;

#define PARTITION_NAME "iocored.partition"

enum partition_kind { PARTITION_NONE, PARTITION_ROOT, PARTITION_ISOLATED };

/* A thread of nobody's that had to leave the partition's CPUs by its mask. */
struct partition_other {
        pid_t id;
        uint64_t start_time, since;      /* since: of a process's first thread, as in struct guest; 0: of another thread */
        struct affinity_mask base, held; /* without iocored, and now */
};

struct partition {
        enum partition_kind kind;
        bool made;                         /* the cgroup, by this process */
        struct affinity_mask cpus;         /* of the partition as it was made last; empty: there is none */
        char why[IOCORE_REASON_MAX];       /* why the kernel did not take it */
        char refused[IOCORE_REASON_MAX];   /* why it is not used; "" */
        unsigned generation;               /* of guests, when that was found: looked at again in another one */
        bool failed;                       /* the kernel refused these very I/O cores */
        unsigned waiting;                  /* generation of guests in which a worker was still to be placed */
        struct partition_other *others;
        size_t n_others, n_allocated;
};

/* partition.c */

/* Reads the option. 0; -EINVAL with a reason. */
int partition_open(struct vhost_state *state, char *ret_reason, size_t size);
void partition_close(struct vhost_state *state);
/* Is it still valid? To be called by each scan. */
void partition_scan(struct vhost_state *state);
/* See iocore_plugin.prepare(): dissolves it if the worker cannot go to `cpu` (or home) otherwise, and takes a worker that goes onto an I/O core into its cgroup. 0; -ENOMEM. */
int partition_prepare(struct vhost_state *state, struct vhost_thread *thread, int cpu, iocore_want want, void *userdata);
/* See iocore_plugin.reserve(): before guests are asked to leave I/O cores, and after they have left. 0; -ENOMEM. */
int partition_before_guests(struct vhost_state *state, iocore_want want, void *userdata);
int partition_after_guests(struct vhost_state *state, iocore_want want, void *userdata);
/* The set of I/O cores is another one: what was refused may be had now. */
void partition_cores_changed(struct vhost_state *state);
/* In a few words, how I/O cores are reserved. */
void partition_describe(const struct vhost_state *state, char *ret, size_t size);

/* partition-check.c */

/* Can these CPUs be a partition without a thread of the host losing its mask for good? Remembers whose mask has to be changed before. 1: yes; 0: not now, ret_why says why (a
 * worker is still to be placed); -EPERM: no, ret_why; -ENOMEM or another -errno: that cannot be told. */
int partition_check(struct vhost_state *state, const struct affinity_mask *cpus, char *ret_why, size_t size);

/* partition-knobs.c */
#define KIND_PARTITION_DIRECTORY "partition.directory"
#define KIND_PARTITION_CPUS "partition.cpus"
#define KIND_THREAD_CGROUP "thread.cgroup"
int partition_directory_get(void *state, const char *object, char *ret_value, size_t size);
int partition_directory_set(void *state, const char *object, const char *value, char *ret_value, size_t size);
int partition_cpus_get(void *state, const char *object, char *ret_value, size_t size);
int partition_cpus_set(void *state, const char *object, const char *value, char *ret_value, size_t size);
int thread_cgroup_get(void *state, const char *object, char *ret_value, size_t size);
int thread_cgroup_set(void *state, const char *object, const char *value, char *ret_value, size_t size);
/* The directory of its cgroup, whether it exists or not. */
void partition_directory(struct vhost_state *state, char ret[static PATH_MAX]);
/* "root", "isolated". */
const char *partition_kind_name(enum partition_kind kind);
/* What the kernel says of it: "root", "root invalid (why)" ... 0; -errno. */
int partition_read_state(struct vhost_state *state, char *ret, size_t size);

#endif

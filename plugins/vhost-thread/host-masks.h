/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The masks of all threads of the host that are not simply what their cpuset allows. Making a partition, changing it and removing it gives every thread of the root
 * cgroup, and of each cgroup that loses or gets CPUs by it, all that its cpuset allows then (Linux 6.1, kernel/cgroup/cpuset.c: update_prstate(), update_cpumask(),
 * update_tasks_cpumask()); per-CPU kernel threads are spared. cgroup v2 only.
 */
#ifndef HOST_MASKS_H
#define HOST_MASKS_H

#include <stddef.h>
#include <sys/types.h>

#include "affinity.h"

struct vhost_state;

struct host_mask {
        pid_t id;
        struct affinity_mask mask;
        struct affinity_mask whole; /* what the kernel would give it now */
};

struct host_masks {
        struct host_mask *threads;
        size_t n, n_allocated;
};

/* Reads them. Of the threads in the partition all are among them. 0; -ENOMEM; -errno: some could not be read. To be freed by host_masks_done() in any case. */
int host_masks_read(struct vhost_state *state, struct host_masks *ret);
/* Gives each its mask again, as far as its cpuset allows it. */
void host_masks_give_back(struct vhost_state *state, const struct host_masks *masks);
void host_masks_done(struct host_masks *masks);

#endif

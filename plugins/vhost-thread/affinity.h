/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPU masks of threads, as the CPU lists that people write ("0-3,8"). */
#ifndef AFFINITY_H
#define AFFINITY_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The most CPUs that a Linux kernel can be built for on any architecture: a fixed size never fails with EINVAL and needs no memory of its own. */
enum { AFFINITY_CPUS_MAX = 8192 };

struct affinity_mask {
        cpu_set_t sets[AFFINITY_CPUS_MAX / CPU_SETSIZE];
};

/* How affinity is read and set; 0 or -errno. Tests on fixture trees have their own, so that no real thread is touched. */
struct affinity_calls {
        int (*get)(void *userdata, pid_t thread, struct affinity_mask *ret);
        int (*set)(void *userdata, pid_t thread, const struct affinity_mask *mask);
        void *userdata;
};

/* The kernel's calls. */
extern const struct affinity_calls affinity_of_the_kernel;
/* Both fail with -EPERM: for a /proc that is not this kernel's or shows other thread ids. */
extern const struct affinity_calls affinity_refused;

/* 0; -EINVAL: not a CPU list, an empty one, or one that names CPUs beyond AFFINITY_CPUS_MAX. */
int affinity_parse(const char *list, struct affinity_mask *ret);
/* 0; -EOVERFLOW: does not fit; -ENOMEM. */
int affinity_format(const struct affinity_mask *mask, char *ret, size_t size);
/* The CPU of a mask that holds exactly one; -1 for any other. */
int affinity_only_cpu(const struct affinity_mask *mask);
/* True when `mask` has a CPU and none that is not in `wider`. */
bool affinity_within(const struct affinity_mask *mask, const struct affinity_mask *wider);

#endif

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
        /* As `get`, with the CPUs that are offline now, which sched_getaffinity(2) leaves out (kernel/sched/core.c, sched_getaffinity(): cpus_mask and
         * cpu_active_mask): what is put back must have them. NULL: the same as `get`. */
        int (*get_whole)(void *userdata, pid_t thread, struct affinity_mask *ret);
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
/* The kernel's own words for a mask in /proc/TID/status ("ff,ffffffff": hexadecimal, groups of 32 CPUs, highest first), `length` bytes of text. 0; -EINVAL:
 * it is none, an empty one, or has CPUs beyond AFFINITY_CPUS_MAX. */
int affinity_parse_groups(const char *text, size_t length, struct affinity_mask *ret);

static inline bool affinity_has(const struct affinity_mask *mask, int cpu) {
        return cpu >= 0 && cpu < AFFINITY_CPUS_MAX && CPU_ISSET_S((size_t) cpu, sizeof mask->sets, mask->sets);
}
static inline bool affinity_equal(const struct affinity_mask *a, const struct affinity_mask *b) {
        return CPU_EQUAL_S(sizeof a->sets, a->sets, b->sets);
}
static inline bool affinity_is_empty(const struct affinity_mask *mask) {
        return CPU_COUNT_S(sizeof mask->sets, mask->sets) == 0;
}
/* What both have. */
static inline struct affinity_mask affinity_and(const struct affinity_mask *a, const struct affinity_mask *b) {
        struct affinity_mask both;
        CPU_AND_S(sizeof both.sets, both.sets, a->sets, b->sets);
        return both;
}
/* What `a` has and `b` has not. */
static inline struct affinity_mask affinity_minus(const struct affinity_mask *a, const struct affinity_mask *b) {
        struct affinity_mask common = affinity_and(a, b), rest;
        CPU_XOR_S(sizeof rest.sets, rest.sets, a->sets, common.sets);
        return rest;
}

#endif

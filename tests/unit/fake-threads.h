/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A kernel's worth of threads for tests of the vhost-thread plugin: their files are a fixture tree, their masks are here. What a real kernel does with masks and
 * cpusets (intersecting, resetting) is imitated, not tried: that is for the test machine.
 */
#ifndef FAKE_THREADS_H
#define FAKE_THREADS_H

#include "fake-services.h"
#include "plugins/vhost-thread/affinity.h"

enum {
        FAKE_THREADS_MAX = 2048,
        FAKE_WANTS_MAX = 1024,
        FAKE_PLAIN = 0x00400000,
        FAKE_KTHREAD = 0x00208040,
        FAKE_USER_WORKER = 0x00404040,
        FAKE_IO_WORKER = 0x00404050,
        FAKE_FIXED = 0x04400000,
};

struct fake_thread {
        pid_t id, process;
        uint64_t start_time;
        unsigned flags;
        uint64_t mask;    /* CPUs 0 to 63 */
        uint64_t natural; /* what it would have if there were no iocored */
        bool alive, was_there; /* was_there: before iocored began */
        bool refuses;     /* sched_setaffinity() fails with EPERM */
};

/* What the daemon's journal would know. */
struct fake_want {
        char kind[64], object[IOCORE_NAME_MAX];
        char old_value[256], set_value[256];
};

struct fake_kernel {
        struct iocore_context *context;
        struct fake_thread threads[FAKE_THREADS_MAX];
        size_t n_threads;
        uint64_t online, cpuset; /* cpuset: of the one cgroup that all threads are in */
        bool linked; /* what is written to the cgroup's cpuset.cpus is what it allows */
        bool old; /* a cpuset that changes gives each thread the whole of it, as before Linux 6.2 */
        pid_t next_id;
        uint64_t clock; /* start times; follows the real clock, which the plugin reads */
        unsigned n_sets, n_reads;

        struct affinity_calls calls;
        void *state; /* of the plugin */
        struct fake_want wants[FAKE_WANTS_MAX]; /* in order of their first setting */
        size_t n_wants;
        unsigned n_asked;
        bool refuse; /* wants are heard, but not carried out */
        enum iocore_foreign foreign; /* what is made of somebody else's change, as the daemon does */
        unsigned n_heard;            /* of what knob_changed() told */
};

/* With a new fixture tree, eight CPUs, all online and allowed. */
struct fake_kernel *fake_kernel_new(void);
void fake_kernel_free(struct fake_kernel *kernel);

/* A process with its first thread. */
struct fake_thread *fake_process(struct fake_kernel *kernel, const char *name, uint64_t mask);
/* A further thread of the creator's process, with the creator's mask. */
struct fake_thread *fake_clone(struct fake_kernel *kernel, struct fake_thread *creator, const char *name, unsigned flags);
/* A kernel thread named for its creator, which is born with the cpuset's CPUs. */
struct fake_thread *fake_kthread(struct fake_kernel *kernel, const struct fake_thread *creator);
void fake_exit(struct fake_kernel *kernel, struct fake_thread *thread);
void fake_rename(struct fake_kernel *kernel, struct fake_thread *thread, const char *name);
/* As a user does with taskset(1). */
void fake_taskset(struct fake_thread *thread, uint64_t mask);
void fake_set_cpuset(struct fake_kernel *kernel, uint64_t cpus);

/* From now on cpuset.cpus of the cgroup can be written, as the plugin does. */
void fake_link_cpuset(struct fake_kernel *kernel);

void fake_open(struct fake_kernel *kernel);
/* An end without a farewell. */
void fake_close(struct fake_kernel *kernel);
/* A turn of the daemon: scan, what somebody else changed (one knob a turn), then reserve, with wants journaled and carried out. */
void fake_turn(struct fake_kernel *kernel, bool thorough);
void fake_reserve(struct fake_kernel *kernel);
/* Plays the journal back through the open plugin, newest first, as daemon/act/restore.c does. */
void fake_restore(struct fake_kernel *kernel);
void fake_core(struct fake_kernel *kernel, int cpu, bool add);
/* Puts a unit onto a CPU, journaled. 0 or -errno. */
int fake_place(struct fake_kernel *kernel, const struct fake_thread *worker, int cpu);
/* Carries out one want as the daemon does: 0 or -errno. */
int fake_want(struct fake_kernel *kernel, const char *kind, const char *object, const char *value);
const struct fake_want *fake_find_want(const struct fake_kernel *kernel, const char *kind, const char *object);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host for tests of the actor: its state lives in shared memory, so that it outlives the process that changes it, as a kernel does. Two kinds: shared
 * workers with ids (as on ELVIS), and units with a CPU list (as on stock kernels).
 */
#ifndef MOCK_HOST_H
#define MOCK_HOST_H

#include "daemon/act/transaction.h"

#define MOCK_UNITS 6
#define MOCK_WORKERS 256
#define MOCK_CPUS 8
#define MOCK_KEEPS 4
#define MOCK_FOREIGN_CPU 6 /* an I/O core that was there before iocored */

struct mock_kernel {
        bool stock;
        unsigned n_workers; /* ids are never reused: w.1 .. w.n */
        unsigned default_worker;
        struct {
                bool exists, locked;
                int cpu;
        } workers[MOCK_WORKERS];
        struct {
                bool exists;
                uint64_t incarnation;
                char place[16]; /* worker id or CPU list */
                char poll[4];
                char original[16]; /* place that it shall have when iocored is gone */
        } units[MOCK_UNITS];
        /* Outside the model. A unit goes to a CPU only when its gate (knob mock.gate, object "g.N") is open, which cannot be shut while one is there. */
        bool gated;
        bool gates_shut[MOCK_CPUS];
        bool resets; /* a gate that is opened lets all units go anywhere, as a cpuset of an old kernel does */
        /* What is kept off I/O cores (knob mock.keep, object "k.N"): "all", or "not 3 4". */
        struct {
                bool exists;
                char cpus[24];
        } keeps[MOCK_KEEPS];
        unsigned n_asked_home; /* times that the plugin was asked what a unit needs to go home */
        char partition[16];    /* knob partition.cpus of the object "p" */
        char place_then[16];   /* where u.0 was when that was set last */
        char tune[32]; /* knob mock.tune of the object "x": spells "0x10" as "16" */

        unsigned n_writes;  /* that were tried */
        unsigned fail_at;   /* this write fails, counted from 1; 0: none */
        int error;          /* with this error */
        bool fail_half;     /* after it was done all the same */
        unsigned fail_percent; /* of writes, at random, every second one after it was done all the same */
        bool fail_whole;       /* none of them */
        uint64_t seed;
        bool ignore_poll;   /* writes to poll have no effect */
};

/* Shared with children; w.1 unbound and default, w.2 bound to MOCK_FOREIGN_CPU; all units on w.1 (CPU list "0-7"), u.5 on the foreign core; gates are not
 * looked at before `gated` is set. */
struct mock_kernel *mock_kernel_new(bool stock);
void mock_kernel_free(struct mock_kernel *kernel);
/* What an administrator would see, as text. Valid until the next call. */
const char *mock_kernel_text(const struct mock_kernel *kernel);

/* One process's view: model, plugin and actor. */
struct mock {
        struct mock_kernel *kernel;
        struct host *host;
        struct plugin_instance instance;
        struct plugin_instance *instances[2];
        struct actor actor;
        unsigned n_foreign, n_refused;
};
/* Opens journal and model anew, as a new daemon would. */
struct mock *mock_new(struct mock_kernel *kernel, const char *journal);
struct mock *mock_free(struct mock *mock);
int mock_scan(void *state, bool thorough);

#endif

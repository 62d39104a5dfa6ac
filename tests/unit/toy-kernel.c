/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "toy-plugin.h"

#define STEP_USEC 1000

/* In turns of a millisecond: each thread takes the least crowded CPU of its mask, and those of one CPU share it. */
static void run_step(struct toy *toy) {
        double wanted[TOY_CPUS] = { 0 };
        int cpus[TOY_THREADS];
        /* Those that have no choice come first. */
        for (int pass = 0; pass < 2; pass++)
                for (unsigned i = 0; i < TOY_THREADS; i++) {
                        const struct toy_thread *thread = toy->threads + i;
                        unsigned mask = thread->mask & toy->online;
                        if (!thread->exists || ((mask & (mask - 1)) != 0) != (pass == 1))
                                continue;
                        int best = -1;
                        for (int cpu = 0; cpu < TOY_CPUS; cpu++)
                                if ((mask & 1u << cpu) && (best < 0 || wanted[cpu] < wanted[best]))
                                        best = cpu;
                        cpus[i] = best;
                        if (best >= 0)
                                wanted[best] += thread->demand;
                }
        for (unsigned i = 0; i < TOY_THREADS; i++) {
                struct toy_thread *thread = toy->threads + i;
                if (!thread->exists || cpus[i] < 0)
                        continue;
                double capacity = 1 - toy->stolen;
                double share = wanted[cpus[i]] > capacity ? capacity / wanted[cpus[i]] : 1;
                thread->run += (uint64_t) (thread->demand * share * STEP_USEC * 1000);
                thread->wait += (uint64_t) (thread->demand * (1 - share) * STEP_USEC * 1000);
        }
}

void toy_run(struct toy *toy, uint64_t usec) {
        for (uint64_t i = 0; i < usec / STEP_USEC; i++)
                run_step(toy);
        toy->clock += usec * 1000;
}

void toy_set_online(struct toy *toy, int cpu, bool online) {
        unsigned char bit = (unsigned char) (1u << cpu);
        toy->online = (unsigned char) (online ? toy->online | bit : toy->online & ~bit);
        for (unsigned i = 0; i < TOY_THREADS; i++)
                if (toy->threads[i].exists && !(toy->threads[i].mask & toy->online))
                        toy->threads[i].mask = 0xff;
}

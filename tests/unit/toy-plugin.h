/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stock host for tests of the whole engine, as a plugin that is loaded like any other: vhost threads of a made-up kernel on CPUs that they share fairly, in virtual time.
 * Test and plugin share one struct, whose address is the plugin's option "toy".
 */
#ifndef TOY_PLUGIN_H
#define TOY_PLUGIN_H

#include "plugins/iocore-plugin.h"

#define TOY_THREADS 16
#define TOY_CPUS 8
#define TOY_GUESTS 12

struct toy {
        struct toy_thread {
                bool exists;
                unsigned char mask; /* CPUs that it may run on */
                double demand;      /* cores that it would use if it were alone */
                int node;
                uint64_t run, wait; /* ns */
                unsigned char set;  /* what iocored set last; 0: nothing */
                struct iocore_worker *worker;
                struct iocore_unit *unit;
        } threads[TOY_THREADS];
        unsigned char guests[TOY_GUESTS]; /* masks of threads that are no units: knob toy.cpus, object "g.N" */
        unsigned char online;
        double stolen;            /* share of each CPU's time that the made-up kernel does not get */
        bool announces;           /* threads that came are known by announced(), not only by scan() */
        int announced_error;
        const char *rights;       /* what unavailable() says of "rights" */
        const char *told;         /* of the object "toy", at each scan */
        int guests_error;         /* what setting toy.cpus fails with; 0: nothing */
        bool late;                /* setting toy.cpus is done, but said to have timed out */
        const char *changed;      /* the object whose toy.cpus is said to be changed, in the next epoch */
        unsigned n_foreign;       /* calls of foreign(), and the last of them */
        enum iocore_foreign foreign;
        char foreign_object[16];
        uint64_t clock;           /* ns */
        bool cores[TOY_CPUS];
        unsigned n_announced, n_scans, n_reserved, n_writes, n_core_changes;

        const struct iocore_services *services;
        struct iocore_context *context;
};

/* Lets the kernel run for so long. */
void toy_run(struct toy *toy, uint64_t usec);
/* A CPU goes offline or comes online; the threads that have no other may go anywhere, as Linux has it. */
void toy_set_online(struct toy *toy, int cpu, bool online);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A made-up manager of domains for tests of the whole engine, as a plugin that is loaded like any other: what it is asked for it does after some epochs, or never. Test and plugin share one
 * struct, whose address is the plugin's option "toy".
 */
#ifndef TOY_DOMAINS_H
#define TOY_DOMAINS_H

#include "plugins/iocore-plugin.h"

#define TOY_DOMAINS 3
#define TOY_VCPUS 2
#define TOY_NODES 2
#define TOY_JOBS 8

struct toy_domains {
        struct toy_domain {
                const char *name; /* NULL: there is none */
                pid_t pid;
                enum iocore_domain_state state;
                enum iocore_wish wish;
                bool pinned;
                char class[16];
                char cpus[TOY_VCPUS][32];
                const char *events[4]; /* to be told in the next epoch */
                bool split;            /* each vCPU is in a guest cell of its own, and can be pinned; each cell has memory */
                uint64_t kib[TOY_VCPUS][TOY_NODES]; /* where that is, of each cell on each node */
                bool changed;          /* to be told in the next epoch */
                struct iocore_domain *known;
                struct iocore_device *device;
                struct iocore_unit *unit; /* of a device that its process owns */
                struct iocore_worker *worker;
        } domains[TOY_DOMAINS];
        unsigned slow;          /* an answer takes so many epochs */
        int error;              /* and is this error */
        bool does_it;           /* when it is -EIO, it is done all the same */
        bool away;              /* since a -EIO: nobody knows what holds until this is unset */
        unsigned n_sets;        /* that were asked for anew */
        const char *wanted;     /* what reserve() wants of each vCPU */
        uint64_t clock;
        char wish_reason[64];   /* why a wish is refused (-EINVAL); "" it is not */
        char wished[128];       /* "DOMAIN ATTRIBUTES" */
        int memory_error;       /* what memory_begin() returns; 0 */
        unsigned n_memory_begun;
        unsigned job_epochs;    /* that a job which moves memory takes */
        uint64_t node_kib;      /* of each node; 0: unknown */

        struct toy_job {
                struct iocore_job job;
                unsigned domain, left;
                int cell, node;
        } jobs[TOY_JOBS];

        struct { char value[32]; unsigned left; bool open; } asked[TOY_DOMAINS][TOY_VCPUS];
        char nodes[TOY_DOMAINS][32]; /* that the memory of each is bound to; "": none */
        struct { char value[32]; unsigned left; bool open; } nodes_asked[TOY_DOMAINS];
        unsigned wish_left;
        bool wish_open;
        const struct iocore_services *services;
        struct iocore_context *context;
};

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host built by hand and policies in a directory of their own, for the tests of daemon/policy. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "daemon/host/host.h"
#include "daemon/plan/intent.h"
#include "daemon/policy/policy-set.h"

#define FIXTURE_EPOCH_USEC 100000
#define FIXTURE_WEIGHT 0.3

struct fixture {
        struct host host;
        struct topology topology;
        struct intent_list intents;
        struct policy_set *set;
        char directory[64];
        /* what the callbacks were told */
        char stopped[256]; /* "name: why; " ... */
        unsigned n_stopped, n_logged;
        char last_log[512];
        bool contended; /* units that share a core wait for it, the more the fuller it is; otherwise nothing is known of waiting */
        const char *unavailable; /* the action that cannot be had, NULL: none */
};

/* `n_nodes` nodes of `cpus_per_node` CPUs, numbered node by node. Ends the test program when memory is out. */
void fixture_init(struct fixture *fixture, size_t n_nodes, size_t cpus_per_node);
void fixture_done(struct fixture *fixture);

/* Writes a file into the directory of policies. */
void fixture_write(struct fixture *fixture, const char *base, const char *text);
void fixture_write_bytes(struct fixture *fixture, const char *base, const char *text, size_t size);
void fixture_remove(struct fixture *fixture, const char *base);
/* Copies a shipped policy there. */
void fixture_copy_shipped(struct fixture *fixture, const char *base);
/* policy_set_new() over that directory; asserts that it returns 0. */
void fixture_load(struct fixture *fixture);

struct unit *fixture_add_unit(struct fixture *fixture, const char *id, int node);
struct queue *fixture_add_queue(struct fixture *fixture, const char *id, struct unit *unit);
void fixture_remove_unit(struct fixture *fixture, struct unit *unit);
void fixture_set_core(struct fixture *fixture, int cpu, bool io_core, bool ours);
void fixture_event(struct fixture *fixture, enum host_event_kind kind, const char *id);
void fixture_domain_event(struct fixture *fixture, const char *domain, const char *event, const char *detail);

/* Begins an epoch: derives what policies read from the `load` of units and queues (and, for units, what a full core lets them have), runs the policies, and
 * clears the events. The intents are in fixture->intents. Returns policy_set_run()'s result. */
int fixture_epoch(struct fixture *fixture);
/* Carries out grow (lowest free CPU; the first core takes the unplaced units, a further one half of the fullest core's), shrink, move and poll. Returns how
 * many changed the set of I/O cores. */
unsigned fixture_carry_out(struct fixture *fixture);

#endif

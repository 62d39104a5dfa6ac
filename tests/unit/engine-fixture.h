/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole engine on a made-up stock host, in virtual time: see toy-plugin.h. What tests of it share. */
#ifndef ENGINE_FIXTURE_H
#define ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/config.h"
#include "daemon/engine.h"
#include "toy-plugin.h"

#define EPOCH_USEC 100000u
#define EVENTS_MAX 512

struct event {
        char kind[32], object[IOCORE_NAME_MAX], text[IOCORE_REASON_MAX];
        uint64_t usec;
};

struct fixture {
        char root[64];
        struct toy toy;
        struct engine *engine;
        struct event events[EVENTS_MAX];
        size_t n_events;
        unsigned n_failed;  /* decisions */
        uint64_t now;
        bool policies;
        enum foreign_policy foreign;
        uint64_t scan_usec; /* 0: as configured by default */
        enum mode mode;
        bool unknown_option; /* load_another() gives the plugin one */
};

void set_online(struct fixture *fixture, int cpu, bool online);
void replace(char **string, const char *value);
/* What the fixture says, for start() or a loader. */
struct config *configure(struct fixture *fixture);
/* Opens the engine, and listens to it. */
void start(struct fixture *fixture);
/* Puts the host back and closes the engine. */
void stop(struct fixture *fixture);
/* Lets `n` epochs pass. */
void epochs(struct fixture *fixture, unsigned n);
struct toy_thread *add_thread(struct fixture *fixture, unsigned i, double demand, int node);
/* What a client asks for; its decision. */
const struct decision *wish(struct fixture *fixture, enum intent_action action, int cpu, const char *object);
unsigned n_events(const struct fixture *fixture, const char *kind);
const struct event *last_event(const struct fixture *fixture, const char *kind);
unsigned n_cores(const struct fixture *fixture);
/* The CPU of a thread that is bound to an I/O core; -1. */
int core_of(const struct fixture *fixture, unsigned thread);
/* The host alone. */
int set_up(void **state);
/* For an engine that rests. */
int set_up_paused(void **state);
/* With the shipped policies. */
int set_up_policies(void **state);
int tear_down(void **state);

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define TEST_POLICIES(f) cmocka_unit_test_setup_teardown(f, set_up_policies, tear_down)

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vhost-thread plugin on a fixture tree of /proc, with a connector whose events the test plays. */
#ifndef DISCOVERY_FIXTURE_H
#define DISCOVERY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "connector-events.h"
#include "fake-services.h"
#include "plugins/vhost-thread/vhost-thread.h"

enum { N_ANSWERS_MAX = 256, KTHREAD = 0x00208040, USER_WORKER = 0x00404040, PLAIN = 0x00400000, LOOKS = 10 };

extern const struct iocore_plugin iocore_plugin;

struct fixture {
        struct iocore_context *context;
        struct iocore_services services;
        struct vhost_state *state;
        struct {
                int error; /* < 0: instead of a datagram */
                char datagram[CONNECTOR_EVENT_SIZE];
        } answers[N_ANSWERS_MAX];
        size_t n, next;
        unsigned n_opened, n_searched; /* files; times that all of /proc was looked at */
        unsigned vanish_at;            /* the file number at which `vanishes` goes; NULL: it has gone, or nothing is to go */
        const char *vanishes;
        const char *unreadable;        /* the name of files that nobody may read, or NULL */
        struct {
                char key[32], value[256];
        } said[8];
        size_t n_said;
};

void tell_born(struct fixture *fixture, pid_t process, pid_t thread);
void tell_error(struct fixture *fixture, int error);
void put_thread(struct fixture *fixture, const char *directory, pid_t process, pid_t id, const char *name, pid_t parent, unsigned flags, unsigned start_time);
void put_kernel_thread(struct fixture *fixture, pid_t id, const char *name, unsigned start_time);
void put_task(struct fixture *fixture, pid_t process, pid_t id, const char *name, unsigned flags);
void open_plugin(struct fixture *fixture, struct connector *connector);
void connect_plugin(struct fixture *fixture);
int announced(struct fixture *fixture);
void scan(struct fixture *fixture, bool thorough);
int set_up(void **test_state);
int tear_down(void **test_state);
/* What describe() says of a key; "" when it says nothing. */
const char *described(struct fixture *fixture, const char *key);
/* Opens the plugin with these options (keys and values, ended by NULL). */
int open_with(struct fixture *fixture, const char *const *with, char reason[static IOCORE_REASON_MAX]);

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif

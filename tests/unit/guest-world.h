/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One guest of made-up threads, and the vhost-thread plugin beside it: see fake-threads.h. */
#ifndef GUEST_WORLD_H
#define GUEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake-threads.h"
#include "plugins/vhost-thread/vhost-thread.h"

extern const struct iocore_plugin iocore_plugin;

/* A guest of three threads beside its worker, as its test begins. */
struct world {
        struct fake_kernel *kernel;
        struct fake_thread *leader, *vcpu, *worker;
};

/* A guest; the plugin is not open. */
int set_up(void **test_state);
int tear_down(void **test_state);
/* With CPU 7 as I/O core. */
struct world *reserved(void **test_state);

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif

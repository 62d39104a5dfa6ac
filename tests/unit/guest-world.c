/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "guest-world.h"

int set_up(void **test_state) {
        struct world *world = calloc(1, sizeof *world);
        assert_non_null(world);
        world->kernel = fake_kernel_new();
        world->leader = fake_process(world->kernel, "qemu-system-x86", 0xff);
        world->vcpu = fake_clone(world->kernel, world->leader, "CPU 0/KVM", FAKE_PLAIN);
        char name[32];
        snprintf(name, sizeof name, "vhost-%d", (int) world->leader->id);
        world->worker = fake_clone(world->kernel, world->leader, name, FAKE_USER_WORKER);
        *test_state = world;
        return 0;
}

int tear_down(void **test_state) {
        struct world *world = *test_state;
        fake_kernel_free(world->kernel);
        free(world);
        return 0;
}

struct world *reserved(void **test_state) {
        struct world *world = *test_state;
        fake_open(world->kernel);
        fake_core(world->kernel, 7, true);
        fake_turn(world->kernel, false);
        return world;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the vhost-thread plugin does about masks that somebody else changed, and those that the kernel reset. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "guest-world.h"

static void a_change_by_hand_is_told_and_not_touched_again(void **test_state) {
        struct world *world = reserved(test_state);
        char object[128];
        fake_taskset(world->vcpu, 0xf0);
        unsigned n_asked = world->kernel->n_asked;
        fake_turn(world->kernel, false);
        fake_turn(world->kernel, true);
        assert_int_equal(world->vcpu->mask, 0xf0);
        assert_int_equal(world->kernel->n_asked, n_asked);
        assert_int_equal(world->kernel->context->n_knobs_changed, 1);
        snprintf(object, sizeof object, "thread.cpus %d.%" PRIu64, (int) world->vcpu->id, world->vcpu->start_time);
        assert_string_equal(world->kernel->context->last_knob_changed, object);
        fake_core(world->kernel, 7, false);
        fake_reserve(world->kernel);
        assert_int_equal(world->vcpu->mask, 0xf0);
        assert_int_equal(world->leader->mask, 0xff);
}

/* The kernel does that too, but only when the cpuset changes. */
static void a_thread_that_is_given_all_of_its_cpuset_by_hand_is_told(void **test_state) {
        struct world *world = reserved(test_state);
        fake_taskset(world->vcpu, 0xff);
        fake_turn(world->kernel, false);
        fake_turn(world->kernel, false);
        assert_int_equal(world->kernel->context->n_knobs_changed, 1);
        assert_int_equal(world->vcpu->mask, 0xff);
}

static void a_leader_changed_by_hand_does_not_take_along_what_was_born_with_its_mask(void **test_state) {
        struct world *world = reserved(test_state);
        struct fake_thread *born = fake_clone(world->kernel, world->leader, "worker", FAKE_PLAIN);
        guests_process_changed(world->kernel->state, world->leader->id);
        fake_turn(world->kernel, false);
        fake_taskset(world->leader, 0x0f);
        fake_turn(world->kernel, false);
        assert_memory_equal(world->kernel->context->last_knob_changed, "process.cpus ", 13);
        assert_int_equal(born->mask, 0x7f); /* by a want of its own now */
        fake_close(world->kernel);
        fake_open(world->kernel);
        fake_restore(world->kernel);
        assert_int_equal(world->leader->mask, 0x0f);
        assert_int_equal(born->mask, 0xff);
}

static void a_change_by_hand_may_be_adopted(void **test_state) {
        struct world *world = reserved(test_state);
        world->kernel->foreign = IOCORE_FOREIGN_ADOPT;
        fake_taskset(world->vcpu, 0xf0);
        fake_turn(world->kernel, false);
        assert_int_equal(world->kernel->context->n_knobs_changed, 1);
        assert_int_equal(world->vcpu->mask, 0x70); /* it has to leave the I/O core like any other */
        fake_core(world->kernel, 6, true);
        fake_reserve(world->kernel);
        assert_int_equal(world->vcpu->mask, 0x30);
        fake_core(world->kernel, 6, false);
        fake_core(world->kernel, 7, false);
        fake_reserve(world->kernel);
        assert_int_equal(world->vcpu->mask, 0xf0); /* and returns to what was adopted */
        assert_int_equal(world->leader->mask, 0xff);
        assert_int_equal(world->kernel->n_wants, 0);
        assert_int_equal(world->kernel->context->n_knobs_changed, 1);
}

static void an_adopted_change_is_what_a_restore_leaves(void **test_state) {
        struct world *world = reserved(test_state);
        world->kernel->foreign = IOCORE_FOREIGN_ADOPT;
        fake_taskset(world->vcpu, 0xf0);
        fake_turn(world->kernel, false);
        fake_taskset(world->leader, 0x8f);
        fake_turn(world->kernel, false);
        assert_int_equal(world->leader->mask, 0x0f);
        fake_close(world->kernel);
        fake_open(world->kernel);
        fake_restore(world->kernel);
        assert_int_equal(world->vcpu->mask, 0xf0);
        assert_int_equal(world->leader->mask, 0x8f);
}

/* The daemon sees it before the plugin's scan does, when the I/O cores change just then. */
static void a_change_that_is_found_when_a_thread_is_to_be_set_counts_all_the_same(void **test_state) {
        struct world *world = reserved(test_state);
        world->kernel->foreign = IOCORE_FOREIGN_ADOPT;
        fake_taskset(world->vcpu, 0xf0);
        fake_core(world->kernel, 7, false);
        fake_reserve(world->kernel);
        assert_int_equal(world->vcpu->mask, 0xf0); /* not 0xff, which it had before */
        fake_turn(world->kernel, false);
        assert_int_equal(world->vcpu->mask, 0xf0);
        fake_core(world->kernel, 7, true);
        fake_reserve(world->kernel);
        assert_int_equal(world->vcpu->mask, 0x70);

        world->kernel->foreign = IOCORE_FOREIGN_MANUAL;
        fake_taskset(world->vcpu, 0x3c);
        fake_core(world->kernel, 5, true);
        fake_reserve(world->kernel);
        unsigned n_asked = world->kernel->n_asked;
        fake_turn(world->kernel, true);
        fake_turn(world->kernel, true);
        assert_int_equal(world->vcpu->mask, 0x3c);
        assert_int_equal(world->kernel->n_asked, n_asked);
        assert_int_equal(world->kernel->context->n_knobs_changed, 0);
}

static void a_change_by_hand_may_be_contested(void **test_state) {
        struct world *world = reserved(test_state);
        struct fake_thread *born = fake_clone(world->kernel, world->leader, "worker", FAKE_PLAIN);
        world->kernel->foreign = IOCORE_FOREIGN_CONTEST;
        static const uint64_t masks[] = { 0xf0, 0xff };
        guests_process_changed(world->kernel->state, world->leader->id);
        fake_turn(world->kernel, false);
        for (unsigned i = 0; i < 2; i++) {
                world->vcpu->mask = masks[i];
                fake_turn(world->kernel, false);
                assert_int_equal(world->vcpu->mask, 0x7f);
                world->leader->mask = masks[i];
                fake_turn(world->kernel, false);
                assert_int_equal(world->leader->mask, 0x7f);
                assert_int_equal(world->kernel->context->n_knobs_changed, 2 * (i + 1));
        }
        assert_int_equal(born->mask, 0x7f);
        fake_core(world->kernel, 6, true);
        fake_reserve(world->kernel);
        assert_int_equal(world->vcpu->mask, 0x3f);
        assert_int_equal(world->leader->mask, 0x3f);
        fake_core(world->kernel, 6, false);
        fake_core(world->kernel, 7, false);
        fake_reserve(world->kernel);
        assert_int_equal(world->vcpu->mask, 0xff); /* what it had before iocored, not what was contested */
        assert_int_equal(world->leader->mask, 0xff);
        assert_int_equal(born->mask, 0xff);
        assert_int_equal(world->kernel->n_wants, 0);
}

static void what_could_not_be_set_back_is_asked_for_when_it_can(void **test_state) {
        struct world *world = reserved(test_state);
        world->kernel->foreign = IOCORE_FOREIGN_CONTEST;
        fake_taskset(world->vcpu, 0xf0);
        world->vcpu->refuses = true;
        fake_turn(world->kernel, false);
        assert_int_equal(world->vcpu->mask, 0xf0);
        world->vcpu->refuses = false;
        fake_turn(world->kernel, true);
        assert_int_equal(world->vcpu->mask, 0x7f);
        fake_restore(world->kernel);
        assert_int_equal(world->vcpu->mask, 0xff);
}

static void what_the_daemon_says_nothing_about_is_left_alone(void **test_state) {
        struct world *world = reserved(test_state);
        world->kernel->foreign = IOCORE_FOREIGN_CONTEST;
        world->kernel->n_wants = 0; /* its journal knows nothing of it */
        fake_taskset(world->vcpu, 0xf0);
        unsigned n_asked = world->kernel->n_asked;
        for (int i = 0; i < 3; i++)
                fake_turn(world->kernel, true);
        assert_int_equal(world->vcpu->mask, 0xf0);
        assert_int_equal(world->kernel->n_asked, n_asked);
        assert_int_equal(world->kernel->context->n_knobs_changed, 1);
}

static void a_worker_changed_by_hand_is_told(void **test_state) {
        struct world *world = reserved(test_state);
        char object[64];
        assert_int_equal(fake_place(world->kernel, world->worker, 7), 0);
        fake_turn(world->kernel, false);
        assert_int_equal(world->kernel->context->n_knobs_changed, 0);
        fake_taskset(world->worker, 0x02);
        fake_turn(world->kernel, false);
        fake_turn(world->kernel, false);
        assert_int_equal(world->kernel->context->n_knobs_changed, 1);
        snprintf(object, sizeof object, "unit.place t.%d", (int) world->worker->id);
        assert_string_equal(world->kernel->context->last_knob_changed, object);
        assert_int_equal(world->worker->mask, 0x02);
}

static void what_a_cpuset_change_reset_is_set_again(void **test_state) {
        struct world *world = *test_state;
        world->kernel->old = true;
        reserved(test_state);
        assert_int_equal(fake_place(world->kernel, world->worker, 7), 0);
        fake_set_cpuset(world->kernel, 0xfe);
        assert_int_equal(world->worker->mask, 0xfe);
        fake_turn(world->kernel, false);
        assert_int_equal(world->worker->mask, 0x80);
        assert_int_equal(world->vcpu->mask, 0x7e);
        assert_int_equal(world->leader->mask, 0x7e);
        assert_int_equal(world->kernel->context->n_knobs_changed, 0);
        /* again and again: ever more rarely */
        unsigned n = 0;
        for (unsigned i = 0; i < 40; i++) {
                fake_set_cpuset(world->kernel, i % 2 ? 0xfe : 0xfc);
                unsigned before = world->kernel->n_sets;
                fake_turn(world->kernel, false);
                n += world->kernel->n_sets != before;
        }
        assert_true(n > 0 && n < 20);
        assert_int_equal(world->kernel->context->n_knobs_changed, 0);
}

static void what_a_cpuset_change_narrowed_is_put_back_all_the_same(void **test_state) {
        struct world *world = reserved(test_state);
        fake_set_cpuset(world->kernel, 0xf0);
        assert_int_equal(world->vcpu->mask, 0x70);
        fake_turn(world->kernel, false);
        assert_int_equal(world->kernel->context->n_knobs_changed, 0);
        assert_int_equal(world->vcpu->mask, 0x70);
        fake_close(world->kernel);
        fake_open(world->kernel);
        fake_restore(world->kernel);
        assert_int_equal(world->vcpu->mask, 0xf0);
        assert_int_equal(world->leader->mask, 0xf0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(a_change_by_hand_is_told_and_not_touched_again),
                TEST(a_change_by_hand_may_be_adopted),
                TEST(an_adopted_change_is_what_a_restore_leaves),
                TEST(a_change_that_is_found_when_a_thread_is_to_be_set_counts_all_the_same),
                TEST(a_change_by_hand_may_be_contested),
                TEST(what_could_not_be_set_back_is_asked_for_when_it_can),
                TEST(what_the_daemon_says_nothing_about_is_left_alone),
                TEST(a_thread_that_is_given_all_of_its_cpuset_by_hand_is_told),
                TEST(a_leader_changed_by_hand_does_not_take_along_what_was_born_with_its_mask),
                TEST(a_worker_changed_by_hand_is_told),
                TEST(what_a_cpuset_change_reset_is_set_again),
                TEST(what_a_cpuset_change_narrowed_is_put_back_all_the_same),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

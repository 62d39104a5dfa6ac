/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the vhost-thread plugin asks for so that nothing but workers runs on I/O cores, and that all of it can be put back by whoever knows only objects and values. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"
#include "fake-threads.h"
#include "plugins/vhost-thread/vhost-thread.h"

extern const struct iocore_plugin iocore_plugin;

/* A guest of three threads beside its worker, as its test begins. */
struct world {
        struct fake_kernel *kernel;
        struct fake_thread *leader, *vcpu, *worker;
};

static int set_up(void **test_state) {
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

static int tear_down(void **test_state) {
        struct world *world = *test_state;
        fake_kernel_free(world->kernel);
        free(world);
        return 0;
}

/* With CPU 7 as I/O core. */
static struct world *reserved(void **test_state) {
        struct world *world = *test_state;
        fake_open(world->kernel);
        fake_core(world->kernel, 7, true);
        fake_turn(world->kernel, false);
        return world;
}

static void threads_of_a_guest_leave_an_io_core_and_its_worker_does_not(void **test_state) {
        struct world *world = reserved(test_state);
        assert_int_equal(world->leader->mask, 0x7f);
        assert_int_equal(world->vcpu->mask, 0x7f);
        assert_int_equal(world->worker->mask, 0xff);
        assert_int_equal(world->kernel->n_wants, 2);
        char object[64];
        snprintf(object, sizeof object, "%d.%" PRIu64, (int) world->vcpu->id, world->vcpu->start_time);
        const struct fake_want *want = fake_find_want(world->kernel, "thread.cpus", object);
        assert_non_null(want);
        assert_string_equal(want->old_value, "0-7");
        assert_string_equal(want->set_value, "0-6");
}

static void they_get_it_back_when_it_is_one_no_more(void **test_state) {
        struct world *world = reserved(test_state);
        fake_core(world->kernel, 6, true);
        fake_reserve(world->kernel);
        assert_int_equal(world->vcpu->mask, 0x3f);
        fake_core(world->kernel, 7, false);
        fake_reserve(world->kernel);
        assert_int_equal(world->vcpu->mask, 0xbf);
        assert_int_equal(world->leader->mask, 0xbf);
        fake_core(world->kernel, 6, false);
        fake_reserve(world->kernel);
        assert_int_equal(world->vcpu->mask, 0xff);
        assert_int_equal(world->leader->mask, 0xff);
        assert_int_equal(world->kernel->n_wants, 0); /* nothing is left to put back */
}

static void nothing_is_read_while_there_is_no_io_core(void **test_state) {
        struct world *world = *test_state;
        fake_open(world->kernel);
        fake_turn(world->kernel, true);
        unsigned n_reads = world->kernel->n_reads;
        fake_turn(world->kernel, false);
        assert_true(world->kernel->n_reads - n_reads <= 1); /* the worker's */
        assert_int_equal(world->kernel->n_sets, 0);
        assert_int_equal(world->kernel->n_asked, 0);
}

static void nothing_is_asked_for_twice(void **test_state) {
        struct world *world = reserved(test_state);
        unsigned n_asked = world->kernel->n_asked, n_sets = world->kernel->n_sets;
        for (int i = 0; i < 3; i++)
                fake_turn(world->kernel, i == 2);
        assert_int_equal(world->kernel->n_asked, n_asked);
        assert_int_equal(world->kernel->n_sets, n_sets);
}

static void what_was_refused_is_asked_for_again_by_a_thorough_scan_only(void **test_state) {
        struct world *world = *test_state;
        fake_open(world->kernel);
        fake_core(world->kernel, 7, true);
        world->vcpu->refuses = true;
        fake_turn(world->kernel, false);
        assert_non_null(strstr(world->kernel->context->last_told, "cannot be set"));
        unsigned n_asked = world->kernel->n_asked;
        fake_turn(world->kernel, false);
        assert_int_equal(world->kernel->n_asked, n_asked);
        world->vcpu->refuses = false;
        fake_turn(world->kernel, true);
        assert_int_equal(world->vcpu->mask, 0x7f);
        assert_string_equal(strchr(world->kernel->context->last_told, ':'), ": "); /* no longer so */
}

static void a_thread_bound_by_hand_to_an_io_core_is_left_alone_and_told_once(void **test_state) {
        struct world *world = *test_state;
        struct fake_thread *bound = fake_clone(world->kernel, world->leader, "IO iothread1", FAKE_PLAIN);
        fake_taskset(bound, 0x80);
        reserved(test_state);
        assert_int_equal(bound->mask, 0x80);
        assert_int_equal(world->vcpu->mask, 0x7f);
        assert_int_equal(world->kernel->context->n_told, 1);
        assert_non_null(strstr(world->kernel->context->last_told, "not-isolated"));
        assert_non_null(strstr(world->kernel->context->last_told, "bound by hand to one CPU"));
        fake_turn(world->kernel, true);
        assert_int_equal(world->kernel->context->n_told, 1);
        assert_int_equal(world->kernel->context->n_pinned[7], 1);
        fake_exit(world->kernel, bound);
        fake_turn(world->kernel, true);
        assert_int_equal(world->kernel->context->n_pinned[7], 0);
        assert_int_equal(world->kernel->context->n_told, 2); /* taken back */
}

static void cpus_of_threads_bound_by_hand_are_told_before_there_is_an_io_core(void **test_state) {
        struct world *world = *test_state;
        fake_taskset(world->vcpu, 0x08);
        fake_open(world->kernel);
        fake_turn(world->kernel, true);
        assert_int_equal(world->kernel->context->n_pinned[3], 1);
        assert_int_equal(world->kernel->context->n_pinned[4], 0);
}

static void a_guest_whose_vcpus_are_all_bound_by_hand_is_left_alone_altogether(void **test_state) {
        struct world *world = *test_state;
        fake_taskset(world->vcpu, 0x08);
        reserved(test_state);
        assert_int_equal(world->leader->mask, 0xff);
        assert_int_equal(world->kernel->n_asked, 0);
        assert_int_equal(world->kernel->context->n_told, 1);
        assert_non_null(strstr(world->kernel->context->last_told, "left alone"));
}

static void a_mask_is_never_made_empty(void **test_state) {
        struct world *world = *test_state;
        fake_taskset(world->vcpu, 0xc0);
        reserved(test_state);
        assert_int_equal(world->vcpu->mask, 0x40);
        fake_core(world->kernel, 6, true);
        fake_reserve(world->kernel);
        assert_int_equal(world->vcpu->mask, 0x40); /* one of the two, as before */
        assert_non_null(strstr(world->kernel->context->last_told, "all CPUs that it may use"));
        fake_restore(world->kernel);
        assert_int_equal(world->vcpu->mask, 0xc0);
}

static void cpus_that_are_offline_are_not_lost(void **test_state) {
        struct world *world = *test_state;
        world->kernel->online = 0x0f;
        world->kernel->cpuset = 0xffff; /* of the root: as Linux 6.12 has it */
        world->leader->mask = world->leader->natural = 0xffff;
        world->vcpu->mask = world->vcpu->natural = 0xff03;
        fake_open(world->kernel);
        fake_core(world->kernel, 3, true);
        fake_core(world->kernel, 1, true);
        fake_turn(world->kernel, false);
        assert_int_equal(world->leader->mask, 0xfff5);
        assert_int_equal(world->vcpu->mask, 0xff01);
        fake_restore(world->kernel);
        assert_int_equal(world->leader->mask, 0xffff);
        assert_int_equal(world->vcpu->mask, 0xff03);
}

static void a_guest_without_a_worker_is_found_by_its_vcpus(void **test_state) {
        struct world *world = *test_state;
        struct fake_thread *other = fake_process(world->kernel, "vmm", 0xff), *vcpu = fake_clone(world->kernel, other, "CPU 11/KVM", FAKE_PLAIN);
        struct fake_thread *nobody = fake_process(world->kernel, "postgres", 0xff), *helper = fake_clone(world->kernel, nobody, "CPU 1/KVMx", FAKE_PLAIN);
        reserved(test_state);
        assert_int_equal(other->mask, 0x7f);
        assert_int_equal(vcpu->mask, 0x7f);
        assert_int_equal(nobody->mask, 0xff);
        assert_int_equal(helper->mask, 0xff);
        /* one more while it runs */
        fake_rename(world->kernel, helper, "CPU 1/KVM");
        guests_process_changed(world->kernel->state, nobody->id);
        fake_turn(world->kernel, false);
        assert_int_equal(nobody->mask, 0x7f);
        assert_int_equal(helper->mask, 0x7f);
}

static void a_thread_born_meanwhile_is_put_back_with_its_leader(void **test_state) {
        struct world *world = reserved(test_state);
        struct fake_thread *born = fake_clone(world->kernel, world->leader, "worker", FAKE_PLAIN), *unseen;
        assert_int_equal(born->mask, 0x7f);
        guests_process_changed(world->kernel->state, world->leader->id);
        unsigned n_asked = world->kernel->n_asked;
        fake_turn(world->kernel, false);
        assert_int_equal(world->kernel->n_asked, n_asked); /* it has what it should */
        fake_core(world->kernel, 6, true);
        fake_reserve(world->kernel);
        assert_int_equal(born->mask, 0x3f);
        unseen = fake_clone(world->kernel, world->leader, "worker", FAKE_PLAIN);
        fake_core(world->kernel, 7, false);
        fake_reserve(world->kernel);
        assert_int_equal(born->mask, 0xbf);
        assert_int_equal(unseen->mask, 0xbf);
        fake_core(world->kernel, 6, false);
        fake_reserve(world->kernel);
        assert_int_equal(born->mask, 0xff);
        assert_int_equal(unseen->mask, 0xff);
        assert_int_equal(world->kernel->n_wants, 0);
}

static void one_that_knows_only_the_journal_puts_back_threads_born_meanwhile(void **test_state) {
        struct world *world = reserved(test_state);
        struct fake_thread *born = fake_clone(world->kernel, world->leader, "worker", FAKE_PLAIN);
        struct fake_thread *worker = fake_clone(world->kernel, world->leader, "vhost-100", FAKE_USER_WORKER);
        struct fake_thread *bound = fake_clone(world->kernel, world->leader, "bound", FAKE_PLAIN);
        fake_taskset(bound, 0x03);
        fake_close(world->kernel);
        fake_open(world->kernel);
        fake_restore(world->kernel);
        assert_int_equal(world->leader->mask, 0xff);
        assert_int_equal(world->vcpu->mask, 0xff);
        assert_int_equal(born->mask, 0xff);
        assert_int_equal(worker->mask, 0xff);
        assert_int_equal(bound->mask, 0x03);
}

/* Who is killed in between leaves a leader that still has what the journal says: the next one does all of it again. */
static void threads_born_meanwhile_are_put_back_before_their_leader(void **test_state) {
        struct world *world = reserved(test_state);
        struct fake_thread *born = fake_clone(world->kernel, world->leader, "worker", FAKE_PLAIN);
        fake_close(world->kernel);
        fake_open(world->kernel);
        world->leader->refuses = true;
        fake_restore(world->kernel);
        assert_int_equal(world->leader->mask, 0x7f);
        assert_int_equal(born->mask, 0xff);
}

static void a_thread_that_had_the_narrower_mask_before_keeps_it(void **test_state) {
        struct world *world = *test_state;
        struct fake_thread *own = fake_clone(world->kernel, world->leader, "own", FAKE_PLAIN);
        fake_taskset(own, 0x7f); /* just what the leader will have */
        reserved(test_state);
        assert_int_equal(world->leader->mask, 0x7f);
        fake_close(world->kernel);
        fake_open(world->kernel);
        fake_restore(world->kernel);
        assert_int_equal(world->leader->mask, 0xff);
        assert_int_equal(own->mask, 0x7f);
}

static void a_worker_that_is_older_than_the_reservation_keeps_the_mask_that_looks_like_it(void **test_state) {
        struct world *world = *test_state;
        struct fake_thread *worker = fake_clone(world->kernel, world->leader, "unnamed", FAKE_USER_WORKER);
        fake_taskset(worker, 0x7f);
        reserved(test_state);
        fake_rename(world->kernel, worker, "vhost-100");
        fake_turn(world->kernel, true);
        assert_int_equal(world->leader->mask, 0x7f);
        assert_int_equal(worker->mask, 0x7f);
}

/* Spins until the clock of start times has gone on. */
static void wait_for_next_tick(void) {
        struct timespec now;
        clock_gettime(CLOCK_BOOTTIME, &now);
        int64_t end = (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000 + 1000 / sysconf(_SC_CLK_TCK) + 1;
        while ((int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000 < end)
                clock_gettime(CLOCK_BOOTTIME, &now);
}

static void what_was_born_before_a_later_reservation_is_not_taken_for_its_child(void **test_state) {
        struct world *world = reserved(test_state);
        fake_core(world->kernel, 7, false);
        fake_reserve(world->kernel);
        assert_int_equal(world->leader->mask, 0xff);
        wait_for_next_tick();
        struct fake_thread *own = fake_clone(world->kernel, world->leader, "own", FAKE_PLAIN);
        fake_taskset(own, 0x7f);
        wait_for_next_tick();
        fake_core(world->kernel, 7, true);
        fake_turn(world->kernel, true);
        assert_int_equal(world->leader->mask, 0x7f);
        fake_close(world->kernel);
        fake_open(world->kernel);
        fake_restore(world->kernel);
        assert_int_equal(world->leader->mask, 0xff);
        assert_int_equal(own->mask, 0x7f);
}

static void a_worker_born_meanwhile_gets_its_owners_mask_before_it_is_placed(void **test_state) {
        struct world *world = reserved(test_state);
        struct fake_thread *worker = fake_clone(world->kernel, world->leader, "vhost-100", FAKE_USER_WORKER);
        assert_int_equal(worker->mask, 0x7f);
        fake_turn(world->kernel, true);
        assert_int_equal(worker->mask, 0xff);
        assert_int_equal(fake_place(world->kernel, worker, 7), 0);
        assert_int_equal(worker->mask, 0x80);
        fake_close(world->kernel);
        fake_open(world->kernel);
        fake_restore(world->kernel);
        assert_int_equal(worker->mask, 0xff);
}

static void what_a_vcpu_thread_made_gets_that_threads_mask_back(void **test_state) {
        struct world *world = *test_state;
        fake_taskset(world->vcpu, 0xc3);
        reserved(test_state);
        assert_int_equal(world->vcpu->mask, 0x43);
        struct fake_thread *born = fake_clone(world->kernel, world->vcpu, "worker", FAKE_PLAIN);
        guests_process_changed(world->kernel->state, world->leader->id);
        fake_turn(world->kernel, false);
        assert_int_equal(born->mask, 0x43);
        fake_close(world->kernel);
        fake_open(world->kernel);
        fake_restore(world->kernel);
        assert_int_equal(born->mask, 0xc3);
}

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

static void a_cpu_that_goes_offline_is_no_change_by_hand(void **test_state) {
        struct world *world = reserved(test_state);
        world->kernel->online = 0xf7;
        fake_turn(world->kernel, false);
        fake_turn(world->kernel, false);
        world->kernel->online = 0xff;
        fake_turn(world->kernel, false);
        assert_int_equal(world->kernel->context->n_knobs_changed, 0);
        fake_restore(world->kernel);
        assert_int_equal(world->vcpu->mask, 0xff);
}

static void a_thread_that_the_kernel_holds_fast_is_told(void **test_state) {
        struct world *world = *test_state;
        struct fake_thread *fixed = fake_clone(world->kernel, world->leader, "iou-wrk-100", FAKE_FIXED);
        struct fake_thread *free_one = fake_clone(world->kernel, world->leader, "iou-wrk-100", FAKE_IO_WORKER);
        reserved(test_state);
        assert_int_equal(fixed->mask, 0xff);
        assert_int_equal(free_one->mask, 0x7f);
        assert_non_null(strstr(world->kernel->context->last_told, "the kernel lets nobody move it"));
}

static void a_kernel_thread_of_vhost_keeps_what_it_was_born_with(void **test_state) {
        struct world *world = *test_state;
        fake_taskset(world->leader, 0x0f);
        reserved(test_state);
        struct fake_thread *worker = fake_kthread(world->kernel, world->leader);
        fake_turn(world->kernel, true);
        assert_int_equal(fake_place(world->kernel, worker, 7), 0);
        fake_close(world->kernel);
        fake_open(world->kernel);
        fake_restore(world->kernel);
        assert_int_equal(worker->mask, 0xff);
}

static void names_of_objects_are_read_in_one_way_only(void **test_state) {
        (void) test_state;
        static const char *const bad[] = { "", ".", "1", "1.", ".1", "0.1", "-1.2", "1.-2", "1.2.", "1.2.3", "1 .2", " 1.2", "1.2 ", "1.2x", "99999999999.1", "1.99999999999999999999" };
        struct thread_object object;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(thread_object_parse(bad[i], &object, false));
        assert_true(thread_object_parse("12.34", &object, false));
        assert_true(object.id == 12 && object.start_time == 34);
        assert_false(thread_object_parse("12.34", &object, true));
        assert_true(thread_object_parse("12.34.56", &object, true));
        assert_int_equal(object.since, 56);
}

static void an_id_that_is_used_again_is_another_thread(void **test_state) {
        struct world *world = reserved(test_state);
        char object[64], value[64];
        snprintf(object, sizeof object, "%d.%" PRIu64, (int) world->vcpu->id, world->vcpu->start_time + 1);
        assert_int_equal(thread_cpus_get(world->kernel->state, object, value, sizeof value), -ESRCH);
        assert_int_equal(thread_cpus_set(world->kernel->state, object, "0", value, sizeof value), -ESRCH);
        assert_int_equal(thread_cpus_set(world->kernel->state, "99999.1", "0", value, sizeof value), -ESRCH);
        assert_int_equal(thread_cpus_set(world->kernel->state, "nonsense", "0", value, sizeof value), -ENOENT);
        assert_int_equal(world->vcpu->mask, 0x7f);
}

/* --- cpusets --- */

static void the_mount_of_the_cpuset_controller_is_found(void **test_state) {
        (void) test_state;
        struct cpuset_mount mount;
        assert_true(cpuset_parse_mounts("22 28 0:20 / /proc rw shared:1 - proc proc rw\n30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:9 master:3 - cgroup2 cgroup2 rw,nsdelegate\n",
                                        &mount));
        assert_false(mount.v1);
        assert_string_equal(mount.path, "/sys/fs/cgroup");
        assert_string_equal(mount.root, "/");
        assert_true(cpuset_parse_mounts("30 20 0:26 / /a\\040b\\1x4\\9 rw - cgroup2 cgroup2 rw\n", &mount));
        assert_string_equal(mount.path, "/a b\\1x4\\9"); /* only three octal digits stand for a character */
        /* hybrid: v1 has it; the order does not matter */
        assert_true(cpuset_parse_mounts("31 20 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
                                        "32 20 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                                        "33 20 0:29 /docker/x /sys/fs/with\\040space rw - cgroup cgroup rw,cpuset,clone_children\n",
                                        &mount));
        assert_true(mount.v1);
        assert_string_equal(mount.path, "/sys/fs/with space");
        assert_string_equal(mount.root, "/docker/x");
        static const char *const none[] = { "", "\n\n", "-", "1 2 3 4 5 6 - cgroup2", "33 20 0:29 / /x rw - cgroup cgroup rw,cpusets\n", "33 20 0:29 / x rw - cgroup2 cgroup2 rw\n" };
        for (size_t i = 0; i < ELEMENTSOF(none); i++)
                assert_false(cpuset_parse_mounts(none[i], &mount));
}

static void the_cgroup_that_rules_cpus_is_found(void **test_state) {
        (void) test_state;
        char path[64];
        static const char hybrid[] = "12:cpu,cpuacct:/a\n5:cpuset:/machine/x:y\n0::/b\n";
        assert_int_equal(cpuset_parse_cgroup(hybrid, true, path, sizeof path), 0);
        assert_string_equal(path, "/machine/x:y");
        assert_int_equal(cpuset_parse_cgroup(hybrid, false, path, sizeof path), 0);
        assert_string_equal(path, "/b");
        assert_int_equal(cpuset_parse_cgroup("0::/\n", false, path, sizeof path), 0);
        assert_string_equal(path, "/");
        assert_int_equal(cpuset_parse_cgroup("0::/\n", true, path, sizeof path), -ENOENT);
        assert_int_equal(cpuset_parse_cgroup("", false, path, sizeof path), -ENOENT);
        assert_int_equal(cpuset_parse_cgroup("0::/../x\n", false, path, sizeof path), -EINVAL);
        assert_int_equal(cpuset_parse_cgroup("0::x\n", false, path, sizeof path), -EINVAL);
        assert_int_equal(cpuset_parse_cgroup("0::\n", false, path, sizeof path), -EINVAL);
        assert_int_equal(cpuset_parse_cgroup(hybrid, true, path, 5), -ENAMETOOLONG);
}

static int want_it(void *userdata, const char *kind, const char *object, const char *value) {
        (void) fake_want(userdata, kind, object, value);
        return 0;
}

static int prepare(struct world *world, int cpu) {
        char id[32];
        snprintf(id, sizeof id, "t.%d", (int) world->worker->id);
        return iocore_plugin.prepare(world->kernel->state, fake_unit(world->kernel->context, id), cpu, want_it, world->kernel);
}

/* A cpuset of CPUs 0 to 3, from which the worker is to go to CPU 6; on each kind of kernel. */
static void widen_and_narrow(struct world *world, bool old) {
        struct fake_kernel *kernel = world->kernel;
        kernel->old = old;
        fake_set_cpuset(kernel, 0x0f);
        fake_taskset(world->leader, 0x0f), fake_taskset(world->worker, 0x0f), fake_taskset(world->vcpu, 0x06);
        fake_link_cpuset(kernel);
        fake_open(kernel);
        fake_core(kernel, 6, true);
        fake_turn(kernel, true);
        assert_int_equal(kernel->n_wants, 0);
        assert_int_equal(fake_place(kernel, world->worker, 6), -EINVAL);
        assert_int_equal(prepare(world, 6), 0);
        assert_string_equal(fixture_read(kernel->context, "/sys/fs/cgroup/vm/cpuset.cpus"), "0-3,6");
        assert_int_equal(fake_place(kernel, world->worker, 6), 0);
        fake_turn(kernel, false);
        assert_int_equal(world->worker->mask, 0x40);
        assert_int_equal(world->leader->mask, 0x0f); /* nothing else comes with it */
        assert_int_equal(world->vcpu->mask, 0x06);
        assert_int_equal(kernel->context->n_knobs_changed, 0);
}

static void check_as_before(struct world *world) {
        assert_string_equal(fixture_read(world->kernel->context, "/sys/fs/cgroup/vm/cpuset.cpus"), "0-3");
        assert_int_equal(world->worker->mask, 0x0f);
        assert_int_equal(world->leader->mask, 0x0f);
        assert_int_equal(world->vcpu->mask, 0x06);
        assert_int_equal(world->kernel->n_wants, 0);
}

static void leave_again(struct world *world) {
        char object[32];
        snprintf(object, sizeof object, "t.%d", (int) world->worker->id);
        assert_int_equal(fake_want(world->kernel, "unit.place", object, "0-3"), 0);
        fake_reserve(world->kernel);
        check_as_before(world);
}

static void restore_blindly(struct world *world) {
        fake_close(world->kernel);
        fake_open(world->kernel);
        fake_restore(world->kernel);
        check_as_before(world);
}

static void a_cpuset_is_widened_and_narrowed_again_by_an_old_kernel(void **test_state) {
        widen_and_narrow(*test_state, true);
        leave_again(*test_state);
}

static void a_cpuset_is_widened_and_narrowed_again_by_a_new_kernel(void **test_state) {
        widen_and_narrow(*test_state, false);
        leave_again(*test_state);
}

static void a_widened_cpuset_is_put_back_by_who_knows_only_the_journal_on_an_old_kernel(void **test_state) {
        widen_and_narrow(*test_state, true);
        restore_blindly(*test_state);
}

static void a_widened_cpuset_is_put_back_by_who_knows_only_the_journal_on_a_new_kernel(void **test_state) {
        widen_and_narrow(*test_state, false);
        restore_blindly(*test_state);
}

static void a_cpuset_that_somebody_else_widened_is_left_as_they_have_it(void **test_state) {
        struct world *world = *test_state;
        static const struct {
                enum iocore_foreign setting;
                uint64_t cpus;
                const char *list;
        } cases[] = { { IOCORE_FOREIGN_ADOPT, 0x5f, "0-4,6" }, { IOCORE_FOREIGN_MANUAL, 0x7f, "0-6" } };
        char object[32];
        snprintf(object, sizeof object, "t.%d", (int) world->worker->id);
        widen_and_narrow(world, false);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                world->kernel->foreign = cases[i].setting;
                fake_set_cpuset(world->kernel, cases[i].cpus);
                assert_int_equal(fake_want(world->kernel, "unit.place", object, "0-3"), 0);
                for (int n = 0; n < 2; n++)
                        fake_turn(world->kernel, true);
                assert_string_equal(fixture_read(world->kernel->context, "/sys/fs/cgroup/vm/cpuset.cpus"), cases[i].list);
                assert_null(((struct vhost_state *) world->kernel->state)->widenings);
                /* it lacks the CPU once more, and is widened from there */
                fake_set_cpuset(world->kernel, 0x1f);
                assert_int_equal(prepare(world, 6), 0);
                assert_int_equal(fake_place(world->kernel, world->worker, 6), 0);
        }
        fake_restore(world->kernel);
        assert_string_equal(fixture_read(world->kernel->context, "/sys/fs/cgroup/vm/cpuset.cpus"), "0-4");
}

static void systemds_own_levels_are_never_written(void **test_state) {
        struct world *world = *test_state;
        struct fake_kernel *kernel = world->kernel;
        char path[64];
        fake_set_cpuset(kernel, 0x0f);
        fixture_write(kernel->context, "/sys/fs/cgroup/machine.slice/x.scope/cpuset.cpus", "0-3\n");
        fixture_write(kernel->context, "/sys/fs/cgroup/machine.slice/x.scope/libvirt/cpuset.cpus", "0-3\n");
        fixture_write(kernel->context, "/sys/fs/cgroup/machine.slice/x.scope/cpuset.cpus.effective", "0-3\n");
        snprintf(path, sizeof path, "/proc/%d/cgroup", (int) world->worker->id);
        fixture_write(kernel->context, path, "0::/machine.slice/x.scope/libvirt\n");
        fake_open(kernel);
        fake_core(kernel, 6, true);
        assert_int_equal(prepare(world, 6), 0);
        assert_int_equal(kernel->n_asked, 0);
        assert_string_equal(fixture_read(kernel->context, "/sys/fs/cgroup/machine.slice/x.scope/libvirt/cpuset.cpus"), "0-3");
        assert_non_null(strstr(kernel->context->last_told, "blocked"));
        assert_non_null(strstr(kernel->context->last_told, "x.scope lacks CPU 6"));
        assert_int_equal(prepare(world, 2), 0);
        assert_string_equal(strchr(kernel->context->last_told, ':'), ": ");
}

static void a_worker_kept_by_its_cpuset_is_blocked_until_that_changes(void **test_state) {
        struct world *world = *test_state;
        struct fake_kernel *kernel = world->kernel;
        fake_set_cpuset(kernel, 0x0f);
        fake_open(kernel);
        fake_core(kernel, 6, true);
        char id[32];
        snprintf(id, sizeof id, "t.%d", (int) world->worker->id);
        const struct iocore_unit *unit = fake_unit(kernel->context, id);
        assert_false(unit->blocked);
        assert_int_equal(fake_place(kernel, world->worker, 6), -EINVAL);
        assert_true(unit->blocked);
        fake_turn(kernel, true); /* as a failed decision causes */
        assert_true(unit->blocked);
        fake_set_cpuset(kernel, 0xff);
        fake_turn(kernel, false);
        assert_false(unit->blocked);
        assert_int_equal(fake_place(kernel, world->worker, 6), 0);
        assert_false(unit->blocked);
}

static void parents_are_widened_before_their_children(void **test_state) {
        struct world *world = *test_state;
        struct fake_kernel *kernel = world->kernel;
        char path[64];
        fake_taskset(world->leader, 0x0f), fake_taskset(world->vcpu, 0x0f);
        fixture_write(kernel->context, "/proc/self/mountinfo", "30 20 0:26 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n");
        static const char *const directories[] = { "", "/machine", "/machine/a", "/machine/a/emulator" };
        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                char file[128];
                snprintf(file, sizeof file, "/sys/fs/cgroup/cpuset%s/cpuset.cpus", directories[i]);
                fixture_write(kernel->context, file, i == 0 ? "0-7\n" : "0-3\n");
                snprintf(file, sizeof file, "/sys/fs/cgroup/cpuset%s/tasks", directories[i]);
                fixture_write(kernel->context, file, "");
        }
        snprintf(path, sizeof path, "/proc/%d/cgroup", (int) world->worker->id);
        fixture_write(kernel->context, path, "4:cpuset:/machine/a/emulator\n0::/\n");
        fake_open(kernel);
        fake_core(kernel, 6, true);
        assert_int_equal(prepare(world, 6), 0);
        assert_int_equal(kernel->n_wants, 3);
        ino_t inode;
        char object[64];
        assert_int_equal(cpuset_inode(kernel->state, "/sys/fs/cgroup/cpuset/machine", &inode), 0);
        snprintf(object, sizeof object, "c.%" PRIu64, (uint64_t) inode);
        assert_string_equal(kernel->wants[0].object, object);
        assert_string_equal(fixture_read(kernel->context, "/sys/fs/cgroup/cpuset/machine/a/emulator/cpuset.cpus"), "0-3,6");
        assert_int_equal(kernel->context->n_told, 0);
        fake_turn(kernel, false); /* no worker is there: nobody needs it */
        assert_int_equal(kernel->n_wants, 0);
        assert_string_equal(fixture_read(kernel->context, "/sys/fs/cgroup/cpuset/machine/cpuset.cpus"), "0-3");
}

static void a_cgroup_that_vanished_is_gone(void **test_state) {
        struct world *world = *test_state;
        char value[64];
        fake_open(world->kernel);
        static const char *const objects[] = { "", "c.", "c.x", "c.1x", "c.-1", "1", "c.99999999999999999999", "c.1" };
        for (size_t i = 0; i < ELEMENTSOF(objects); i++) {
                assert_int_equal(cgroup_cpus_get(world->kernel->state, objects[i], value, sizeof value), -ENOENT);
                assert_int_equal(cgroup_cpus_set(world->kernel->state, objects[i], "0", value, sizeof value), -ENOENT);
        }
}

/* --- lives --- */

static unsigned pick(unsigned *seed, unsigned n) {
        return (unsigned) rand_r(seed) % n;
}

static struct fake_thread *pick_leader(struct fake_kernel *kernel, unsigned *seed) {
        for (unsigned tries = 0; tries < 200; tries++) {
                struct fake_thread *thread = kernel->threads + pick(seed, (unsigned) kernel->n_threads);
                if (thread->alive && thread->id == thread->process && thread->flags == FAKE_PLAIN)
                        return thread;
        }
        return NULL;
}

static void populate(struct fake_kernel *kernel, unsigned *seed) {
        char name[32];
        for (unsigned i = 0; i < 1 + pick(seed, 5); i++) {
                struct fake_thread *leader = fake_process(kernel, "qemu-system-x86", 1 + pick(seed, 255));
                for (unsigned k = 0; k < 1 + pick(seed, 4); k++) {
                        snprintf(name, sizeof name, "CPU %u/KVM", k);
                        fake_taskset(fake_clone(kernel, leader, name, FAKE_PLAIN), 1 + pick(seed, 255));
                }
                snprintf(name, sizeof name, "vhost-%d", (int) leader->id);
                fake_clone(kernel, leader, name, FAKE_USER_WORKER);
        }
}

static void place_some(struct fake_kernel *kernel, unsigned *seed, const bool cores[static 8]) {
        unsigned cpu = pick(seed, 8);
        if (!cores[cpu])
                return;
        /* Workers that were bound to one CPU are their administrator's, the daemon never moves them. */
        for (size_t i = 0; i < kernel->n_threads; i++)
                if (kernel->threads[i].alive && kernel->threads[i].flags != FAKE_PLAIN && (kernel->threads[i].natural & (kernel->threads[i].natural - 1)) && pick(seed, 2))
                        (void) fake_place(kernel, kernel->threads + i, (int) cpu);
}

static void unplace(struct fake_kernel *kernel, unsigned cpu) {
        char value[16];
        snprintf(value, sizeof value, "%u", cpu);
        for (size_t i = kernel->n_wants; i-- > 0;) {
                struct fake_want want = kernel->wants[i];
                if (strcmp(want.kind, "unit.place") == 0 && strcmp(want.set_value, value) == 0)
                        (void) fake_want(kernel, want.kind, want.object, want.old_value);
        }
}

static void live_a_while(struct fake_kernel *kernel, unsigned *seed) {
        bool cores[8] = { false };
        for (unsigned n = 20 + pick(seed, 60); n > 0; n--) {
                struct fake_thread *leader = pick_leader(kernel, seed);
                char name[32];
                unsigned cpu = pick(seed, 8);
                switch (pick(seed, 9)) {
                case 0:
                case 1:
                        if (cores[cpu])
                                unplace(kernel, cpu);
                        fake_core(kernel, (int) cpu, !cores[cpu]);
                        cores[cpu] = !cores[cpu];
                        fake_reserve(kernel);
                        break;
                case 2:
                        if (!leader)
                                break;
                        fake_clone(kernel, leader, "worker", FAKE_PLAIN);
                        if (pick(seed, 2))
                                guests_process_changed(kernel->state, leader->id);
                        break;
                case 3:
                        if (!leader)
                                break;
                        snprintf(name, sizeof name, "vhost-%d", (int) leader->id);
                        fake_clone(kernel, leader, name, FAKE_USER_WORKER);
                        break;
                case 4:
                        for (unsigned tries = 0; tries < 20; tries++) {
                                struct fake_thread *thread = kernel->threads + pick(seed, (unsigned) kernel->n_threads);
                                if (thread->alive && (thread->id != thread->process || pick(seed, 10) == 0)) {
                                        fake_exit(kernel, thread);
                                        break;
                                }
                        }
                        break;
                case 5:
                        place_some(kernel, seed, cores);
                        break;
                case 6:
                        if (pick(seed, 4) == 0) {
                                fake_close(kernel);
                                fake_open(kernel);
                                fake_restore(kernel);
                                memset(cores, 0, sizeof cores);
                        }
                        break;
                default:
                        fake_turn(kernel, pick(seed, 4) == 0);
                }
        }
        for (unsigned cpu = 0; cpu < 8; cpu++)
                if (cores[cpu])
                        unplace(kernel, cpu);
}

static void at_the_end_of_any_life_every_thread_has_the_mask_that_it_would_have_without_iocored(void **test_state) {
        (void) test_state;
        const char *given = getenv("IOCORE_SEED");
        unsigned first = given ? (unsigned) strtoul(given, NULL, 10) : (unsigned) time(NULL);
        print_message("seed %u (IOCORE_SEED)\n", first);
        for (unsigned life = 0; life < (given ? 1 : 60); life++) {
                unsigned seed = first + life;
                struct fake_kernel *kernel = fake_kernel_new();
                populate(kernel, &seed);
                fake_open(kernel);
                live_a_while(kernel, &seed);
                if (pick(&seed, 2)) { /* killed */
                        fake_close(kernel);
                        fake_open(kernel);
                }
                fake_restore(kernel);
                for (size_t i = 0; i < kernel->n_threads; i++) {
                        const struct fake_thread *thread = kernel->threads + i;
                        if (thread->alive && thread->mask != thread->natural)
                                fail_msg("IOCORE_SEED=%u: thread %d (%s) has %#" PRIx64 ", not %#" PRIx64, first + life, (int) thread->id,
                                         thread->was_there ? "was there" : "born meanwhile", thread->mask, thread->natural);
                }
                assert_int_equal(kernel->n_wants, 0);
                fake_kernel_free(kernel);
        }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(threads_of_a_guest_leave_an_io_core_and_its_worker_does_not),
                TEST(they_get_it_back_when_it_is_one_no_more),
                TEST(nothing_is_read_while_there_is_no_io_core),
                TEST(nothing_is_asked_for_twice),
                TEST(what_was_refused_is_asked_for_again_by_a_thorough_scan_only),
                TEST(a_thread_bound_by_hand_to_an_io_core_is_left_alone_and_told_once),
                TEST(cpus_of_threads_bound_by_hand_are_told_before_there_is_an_io_core),
                TEST(a_guest_whose_vcpus_are_all_bound_by_hand_is_left_alone_altogether),
                TEST(a_mask_is_never_made_empty),
                TEST(cpus_that_are_offline_are_not_lost),
                TEST(a_guest_without_a_worker_is_found_by_its_vcpus),
                TEST(a_thread_born_meanwhile_is_put_back_with_its_leader),
                TEST(one_that_knows_only_the_journal_puts_back_threads_born_meanwhile),
                TEST(threads_born_meanwhile_are_put_back_before_their_leader),
                TEST(a_thread_that_had_the_narrower_mask_before_keeps_it),
                TEST(a_worker_that_is_older_than_the_reservation_keeps_the_mask_that_looks_like_it),
                TEST(what_was_born_before_a_later_reservation_is_not_taken_for_its_child),
                TEST(a_worker_born_meanwhile_gets_its_owners_mask_before_it_is_placed),
                TEST(what_a_vcpu_thread_made_gets_that_threads_mask_back),
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
                TEST(a_cpu_that_goes_offline_is_no_change_by_hand),
                TEST(a_thread_that_the_kernel_holds_fast_is_told),
                TEST(a_kernel_thread_of_vhost_keeps_what_it_was_born_with),
                cmocka_unit_test(names_of_objects_are_read_in_one_way_only),
                TEST(an_id_that_is_used_again_is_another_thread),
                cmocka_unit_test(the_mount_of_the_cpuset_controller_is_found),
                cmocka_unit_test(the_cgroup_that_rules_cpus_is_found),
                TEST(a_cpuset_is_widened_and_narrowed_again_by_an_old_kernel),
                TEST(a_cpuset_is_widened_and_narrowed_again_by_a_new_kernel),
                TEST(a_widened_cpuset_is_put_back_by_who_knows_only_the_journal_on_an_old_kernel),
                TEST(a_widened_cpuset_is_put_back_by_who_knows_only_the_journal_on_a_new_kernel),
                TEST(a_cpuset_that_somebody_else_widened_is_left_as_they_have_it),
                TEST(systemds_own_levels_are_never_written),
                TEST(a_worker_kept_by_its_cpuset_is_blocked_until_that_changes),
                TEST(parents_are_widened_before_their_children),
                TEST(a_cgroup_that_vanished_is_gone),
                cmocka_unit_test(at_the_end_of_any_life_every_thread_has_the_mask_that_it_would_have_without_iocored),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

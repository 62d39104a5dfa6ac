/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the vhost-thread plugin asks for so that nothing but workers runs on I/O cores, and that all of it can be put back by whoever knows only objects and values. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "guest-world.h"

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

static void a_vcpu_that_its_domain_s_manager_pins_is_left_to_it(void **test_state) {
        struct world *world = *test_state;
        struct iocore_context *context = world->kernel->context;
        struct iocore_vcpu vcpu = { .id = 0, .tid = world->vcpu->id, .cpus = "0-7", .knob = "somebody.else" };
        struct iocore_domain *domain = fake_services.domain_add(context, "guest");
        assert_non_null(domain);
        assert_int_equal(fake_services.domain_set_vcpus(context, domain, &vcpu, 1), 0);
        reserved(test_state);
        assert_int_equal(world->vcpu->mask, 0xff);
        assert_int_equal(world->leader->mask, 0x7f);
        assert_int_equal(world->kernel->n_wants, 1);
        fake_restore(world->kernel);
        assert_int_equal(world->vcpu->mask, 0xff);
        assert_int_equal(world->leader->mask, 0xff);
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

/* --- whoever may run programs may have any number of threads --- */

static void a_guest_of_very_many_threads_is_not_listed_whenever_one_comes_or_goes(void **test_state) {
        enum { MANY = 1200, TURNS = 12 };
        struct world *world = *test_state;
        struct fake_kernel *kernel = world->kernel;
        for (unsigned i = 0; i < MANY; i++)
                fake_taskset(fake_clone(kernel, world->leader, "worker", FAKE_PLAIN), 0x0f);
        reserved(test_state);
        unsigned n_lists = 0;
        for (unsigned i = 0; i < TURNS; i++) {
                struct guest *guest = guests_find(kernel->state, world->leader->id);
                guests_process_changed(kernel->state, world->leader->id);
                assert_int_equal(guests_refresh(kernel->state), 0);
                n_lists += !guest->changed;
        }
        assert_in_range(n_lists, TURNS / 4, TURNS / 2);
        /* but by a thorough scan, and when there is a first I/O core */
        guests_process_changed(kernel->state, world->leader->id);
        fake_turn(kernel, true);
        assert_false(guests_find(kernel->state, world->leader->id)->changed);
}

static void processes_of_very_many_threads_are_looked_at_one_after_the_other(void **test_state) {
        enum { MANY = 2100 };
        struct world *world = reserved(test_state);
        struct fake_kernel *kernel = world->kernel;
        struct fake_thread *crowd = fake_process(kernel, "java", 0xff), *other = fake_process(kernel, "vmm", 0xff);
        char path[64];
        fake_clone(kernel, other, "CPU 0/KVM", FAKE_PLAIN);
        for (int i = 0; i < MANY; i++) {
                snprintf(path, sizeof path, "/proc/%d/task/%d/comm", (int) crowd->id, 100000 + i);
                fixture_write(kernel->context, path, "helper\n");
        }
        guests_process_changed(kernel->state, crowd->id);
        guests_process_changed(kernel->state, other->id);
        assert_int_equal(guests_refresh(kernel->state), 0);
        assert_null(guests_find(kernel->state, other->id));
        assert_int_equal(guests_refresh(kernel->state), 0);
        assert_non_null(guests_find(kernel->state, other->id));
        assert_null(guests_find(kernel->state, crowd->id));
}

static void more_processes_than_can_be_remembered_are_searched_for_but_rarely(void **test_state) {
        struct world *world = reserved(test_state);
        struct fake_kernel *kernel = world->kernel;
        struct vhost_state *state = kernel->state;
        struct fake_thread *other = fake_process(kernel, "vmm", 0xff);
        struct timespec now;
        fake_clone(kernel, other, "CPU 0/KVM", FAKE_PLAIN);
        for (pid_t id = 100000; id < 100000 + GUEST_CANDIDATES_MAX; id++)
                guests_process_changed(state, id);
        guests_process_changed(state, other->id);
        clock_gettime(CLOCK_MONOTONIC, &now);
        state->guests.search_took = 1000000;
        state->guests.searched = (uint64_t) now.tv_sec * 1000000u - 5000000u;
        assert_int_equal(guests_refresh(state), 0);
        assert_null(guests_find(state, other->id));
        state->guests.search_took = 200000;
        assert_int_equal(guests_refresh(state), 0);
        assert_non_null(guests_find(state, other->id));
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

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(threads_of_a_guest_leave_an_io_core_and_its_worker_does_not),
                TEST(a_vcpu_that_its_domain_s_manager_pins_is_left_to_it),
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
                TEST(a_guest_of_very_many_threads_is_not_listed_whenever_one_comes_or_goes),
                TEST(processes_of_very_many_threads_are_looked_at_one_after_the_other),
                TEST(more_processes_than_can_be_remembered_are_searched_for_but_rarely),
                TEST(a_thread_born_meanwhile_is_put_back_with_its_leader),
                TEST(one_that_knows_only_the_journal_puts_back_threads_born_meanwhile),
                TEST(threads_born_meanwhile_are_put_back_before_their_leader),
                TEST(a_thread_that_had_the_narrower_mask_before_keeps_it),
                TEST(a_worker_that_is_older_than_the_reservation_keeps_the_mask_that_looks_like_it),
                TEST(what_was_born_before_a_later_reservation_is_not_taken_for_its_child),
                TEST(a_worker_born_meanwhile_gets_its_owners_mask_before_it_is_placed),
                TEST(what_a_vcpu_thread_made_gets_that_threads_mask_back),
                TEST(a_cpu_that_goes_offline_is_no_change_by_hand),
                TEST(a_thread_that_the_kernel_holds_fast_is_told),
                TEST(a_kernel_thread_of_vhost_keeps_what_it_was_born_with),
                cmocka_unit_test(names_of_objects_are_read_in_one_way_only),
                TEST(an_id_that_is_used_again_is_another_thread),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin for IOThreads, on a fixture tree; what knows their domains is played by the test. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake-services.h"

extern const struct iocore_plugin iocore_plugin;

#define KNOB "uuid.5.1"

struct world {
        struct iocore_context *context;
        struct iocore_domain *domain;
        void *plugin;
        unsigned n_wants;
        char wanted[256]; /* "KIND OBJECT VALUE" of the last one */
};

static void write_thread(struct world *world, pid_t tid, unsigned start_time, const char *schedstat) {
        char path[64], text[256];

        snprintf(path, sizeof path, "proc/100/task/%d/stat", (int) tid);
        snprintf(text, sizeof text, "%d (IO iothread1) S 1 1 1 0 -1 4194624 0 0 0 0 0 0 0 0 20 0 5 0 %u 1 1\n", (int) tid, start_time);
        fixture_write(world->context, path, text);
        snprintf(path, sizeof path, "proc/100/task/%d/schedstat", (int) tid);
        fixture_write(world->context, path, schedstat);
}

static void tell(struct world *world, const char *cpus, bool by_hand) {
        const struct iocore_iothread iothread = { .id = 1, .tid = 101, .by_hand = by_hand, .cpus = cpus, .poll_max_ns = 32768, .knob = KNOB };
        assert_int_equal(fake_services.domain_set_iothreads(world->context, world->domain, &iothread, 1), 0);
}

static void open_plugin(struct world *world) {
        char reason[IOCORE_REASON_MAX] = "";
        assert_int_equal(iocore_plugin.open(&fake_services, world->context, &world->plugin, reason, sizeof reason), 0);
}

static int set_up(void **state) {
        struct world *world = calloc(1, sizeof *world);
        assert_non_null(world);
        world->context = fake_context_new();
        world->domain = fake_services.domain_add(world->context, "vm");
        assert_non_null(world->domain);
        world->domain->pid = 100;
        world->domain->node = IOCORE_NODE_UNKNOWN;
        write_thread(world, 101, 7, "1000 20 3\n");
        tell(world, "0-7", false);
        open_plugin(world);
        *state = world;
        return 0;
}

static int tear_down(void **state) {
        struct world *world = *state;
        iocore_plugin.close(world->plugin);
        assert_int_equal(world->context->n_units, 0);
        assert_int_equal(world->context->n_workers, 0);
        fake_context_free(world->context);
        free(world);
        return 0;
}

static int want(void *userdata, const char *kind, const char *object, const char *value) {
        struct world *world = userdata;
        world->n_wants++;
        snprintf(world->wanted, sizeof world->wanted, "%s %s %s", kind, object, value);
        return 0;
}

/* What reserve() wants; "" nothing. */
static const char *wanted(struct world *world) {
        world->n_wants = 0;
        world->wanted[0] = '\0';
        assert_int_equal(iocore_plugin.reserve(world->plugin, want, world), 0);
        assert_true(world->n_wants <= 1);
        return world->wanted;
}

static int place(struct world *world, const char *value) {
        char set[64];
        int r = iocore_plugin.knobs[0].set(world->plugin, "io.101", value, set, sizeof set);
        if (r == 0)
                assert_string_equal(set, value);
        return r;
}

static const char *placed(struct world *world) {
        static char value[64];
        assert_int_equal(iocore_plugin.knobs[0].get(world->plugin, "io.101", value, sizeof value), 0);
        return value;
}

static void an_IOThread_is_a_unit_and_the_worker_of_it(void **state) {
        struct world *world = *state;
        struct iocore_unit *unit = fake_unit(world->context, "io.101");
        assert_non_null(unit);
        assert_ptr_equal(unit->worker, fake_worker(world->context, "io.101"));
        assert_int_equal(unit->incarnation, 7);
        assert_int_equal(unit->worker->pid, 101);
        assert_int_equal(unit->owner, 100);
        assert_string_equal(unit->domain, "vm");
        assert_int_equal(unit->node, IOCORE_NODE_UNKNOWN);
        assert_false(unit->manual);
        assert_int_equal(unit->worker->cpu, IOCORE_CPU_ANY);
        assert_string_equal(placed(world), "home");
        tell(world, "4-6", false);
        assert_int_equal(iocore_plugin.announced(world->plugin), 1); /* it came */
        assert_int_equal(unit->node, 1);
}

static void its_times_are_read_from_a_file_that_stays_open(void **state) {
        struct world *world = *state;
        const struct iocore_worker *worker = fake_worker(world->context, "io.101");
        assert_int_equal(iocore_plugin.sample_workers(world->plugin), 0);
        assert_int_equal(worker->busy, 1000);
        assert_int_equal(worker->wait, 20);
        assert_int_equal(worker->switches, 3);
        uint64_t clock = worker->clock;
        fixture_write(world->context, "proc/100/task/101/schedstat", "garbage\n");
        assert_int_equal(iocore_plugin.sample_workers(world->plugin), 0);
        assert_int_equal(iocore_plugin.sample_workers(world->plugin), 0);
        assert_int_equal(worker->clock, clock);
        assert_int_equal(world->context->n_warnings, 1);
}

static void it_is_wanted_where_it_was_placed_until_it_is_there(void **state) {
        struct world *world = *state;
        const struct iocore_worker *worker = fake_worker(world->context, "io.101");
        assert_string_equal(wanted(world), "");
        assert_int_equal(place(world, "3"), 0);
        assert_int_equal(worker->cpu, 3);
        assert_string_equal(wanted(world), "iothread.cpus " KNOB " 3");
        tell(world, "0-2,4-7", false); /* somebody keeps it off the new I/O core first */
        (void) iocore_plugin.announced(world->plugin);
        assert_string_equal(wanted(world), "iothread.cpus " KNOB " 3");
        tell(world, "3", false);
        (void) iocore_plugin.announced(world->plugin);
        assert_string_equal(wanted(world), "");
        assert_string_equal(placed(world), "3");
        assert_int_equal(worker->cpu, 3);
}

static void it_goes_home_to_what_it_had_before_the_first_place(void **state) {
        struct world *world = *state;
        const struct iocore_worker *worker = fake_worker(world->context, "io.101");
        assert_int_equal(place(world, "3"), 0);
        tell(world, "3", false);
        (void) iocore_plugin.announced(world->plugin);
        assert_int_equal(place(world, "2"), 0);
        assert_int_equal(place(world, "home"), 0); /* before it was there */
        assert_int_equal(worker->cpu, IOCORE_CPU_ANY);
        assert_string_equal(wanted(world), "iothread.cpus " KNOB " 0-7");
        tell(world, "2", false);
        (void) iocore_plugin.announced(world->plugin);
        assert_string_equal(wanted(world), "iothread.cpus " KNOB " 0-7");
        tell(world, "0-7", false);
        (void) iocore_plugin.announced(world->plugin);
        assert_string_equal(wanted(world), "");
        tell(world, "0-2,4-7", false); /* kept off another I/O core: none of ours to take back */
        (void) iocore_plugin.announced(world->plugin);
        assert_string_equal(wanted(world), "");
}

static void one_that_an_earlier_iocored_left_on_a_core_goes_home_to_all_CPUs(void **state) {
        struct world *world = *state;
        tell(world, "3", false);
        (void) iocore_plugin.announced(world->plugin);
        assert_string_equal(placed(world), "3");
        assert_int_equal(place(world, "home"), 0);
        assert_string_equal(wanted(world), "iothread.cpus " KNOB " 0-7");
}

static void one_that_its_owner_pinned_to_a_CPU_goes_home_to_that(void **state) {
        struct world *world = *state;
        tell(world, "1", true);
        world->domain->wish = IOCORE_WISH_AUTO;
        (void) iocore_plugin.announced(world->plugin);
        assert_int_equal(place(world, "3"), 0);
        tell(world, "3", true);
        (void) iocore_plugin.announced(world->plugin);
        assert_int_equal(place(world, "home"), 0);
        assert_string_equal(wanted(world), "iothread.cpus " KNOB " 1");
}

static void hands_and_owners_are_left_alone(void **state) {
        struct world *world = *state;
        struct iocore_unit *unit = fake_unit(world->context, "io.101");
        assert_int_equal(place(world, "3"), 0);
        tell(world, "1", true);
        (void) iocore_plugin.announced(world->plugin);
        assert_true(unit->manual);
        assert_int_equal(world->context->n_knobs_changed, 1); /* told once */
        assert_string_equal(world->context->last_knob_changed, "unit.place io.101");
        assert_string_equal(wanted(world), "");
        assert_int_equal(unit->worker->cpu, 1);
        assert_int_equal(place(world, "3"), -EBUSY);
        assert_string_equal(placed(world), "home");
        assert_int_equal(place(world, "home"), 0);
        world->domain->wish = IOCORE_WISH_AUTO; /* also where it was pinned by hand */
        tell(world, "1", true);
        (void) iocore_plugin.announced(world->plugin);
        assert_false(unit->manual);
        world->domain->wish = IOCORE_WISH_MANUAL;
        tell(world, "0-7", false);
        (void) iocore_plugin.announced(world->plugin);
        assert_true(unit->manual);
        world->domain->wish = IOCORE_WISH_NONE;
        tell(world, "", false); /* nobody knows */
        (void) iocore_plugin.announced(world->plugin);
        assert_true(unit->manual);
}

static void places_that_are_none_are_refused(void **state) {
        static const char *const bad[] = { "", "8", "-1", "1-2", "x", "99999999999", " 1" };
        struct world *world = *state;
        char set[64];
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_int_equal(place(world, bad[i]), -EINVAL);
        assert_int_equal(place(world, "0"), 0);
        assert_int_equal(iocore_plugin.knobs[0].set(world->plugin, "io.102", "1", set, sizeof set), -ENOENT);
        assert_int_equal(iocore_plugin.knobs[0].get(world->plugin, "t.101", set, sizeof set), -ENOENT);
}

static void one_that_is_told_no_more_goes(void **state) {
        struct world *world = *state;
        (void) iocore_plugin.announced(world->plugin);
        assert_int_equal(fake_services.domain_set_iothreads(world->context, world->domain, NULL, 0), 0);
        assert_int_equal(iocore_plugin.announced(world->plugin), 1);
        assert_null(fake_unit(world->context, "io.101"));
        assert_int_equal(world->context->n_workers, 0);
}

static void an_id_that_another_thread_has_got_is_another_unit(void **state) {
        struct world *world = *state;
        assert_int_equal(place(world, "3"), 0);
        write_thread(world, 101, 8, "5 0 1\n");
        assert_int_equal(iocore_plugin.scan(world->plugin, true), 0);
        const struct iocore_unit *unit = fake_unit(world->context, "io.101");
        assert_non_null(unit);
        assert_int_equal(unit->incarnation, 8);
        assert_string_equal(placed(world), "home");
        assert_string_equal(wanted(world), "");
}

static void a_thread_that_is_not_there_is_none(void **state) {
        struct world *world = *state;
        const struct iocore_iothread iothreads[] = { { .id = 1, .tid = 0, .cpus = "0", .knob = "a.1.1" }, { .id = 2, .tid = 555, .cpus = "0", .knob = "a.1.2" } };
        assert_int_equal(fake_services.domain_set_iothreads(world->context, world->domain, iothreads, 2), 0);
        (void) iocore_plugin.announced(world->plugin);
        assert_int_equal(world->context->n_units, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(an_IOThread_is_a_unit_and_the_worker_of_it, set_up, tear_down),
                cmocka_unit_test_setup_teardown(its_times_are_read_from_a_file_that_stays_open, set_up, tear_down),
                cmocka_unit_test_setup_teardown(it_is_wanted_where_it_was_placed_until_it_is_there, set_up, tear_down),
                cmocka_unit_test_setup_teardown(it_goes_home_to_what_it_had_before_the_first_place, set_up, tear_down),
                cmocka_unit_test_setup_teardown(one_that_its_owner_pinned_to_a_CPU_goes_home_to_that, set_up, tear_down),
                cmocka_unit_test_setup_teardown(one_that_an_earlier_iocored_left_on_a_core_goes_home_to_all_CPUs, set_up, tear_down),
                cmocka_unit_test_setup_teardown(hands_and_owners_are_left_alone, set_up, tear_down),
                cmocka_unit_test_setup_teardown(places_that_are_none_are_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(one_that_is_told_no_more_goes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_id_that_another_thread_has_got_is_another_unit, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_thread_that_is_not_there_is_none, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

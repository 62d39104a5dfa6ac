/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What plugins want to be set besides the decisions: before a unit moves, and so that nothing but units runs on I/O cores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/act/reservation.h"
#include "daemon/log.h"
#include "daemon/notices.h"
#include "mock-host.h"

struct fixture {
        char directory[64], journal[96];
        struct mock_kernel *kernel;
        struct mock *mock;
};

static int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        log_set_max_level(LOG_CRIT);
        strcpy(fixture->directory, "/tmp/test-reservation.XXXXXX");
        assert_non_null(mkdtemp(fixture->directory));
        snprintf(fixture->journal, sizeof fixture->journal, "%s/journal", fixture->directory);
        fixture->kernel = mock_kernel_new(true);
        fixture->kernel->gated = true;
        fixture->mock = mock_new(fixture->kernel, fixture->journal);
        *state = fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;
        mock_free(fixture->mock);
        mock_kernel_free(fixture->kernel);
        assert_int_equal(unlink(fixture->journal), 0);
        assert_int_equal(rmdir(fixture->directory), 0);
        free(fixture);
        return 0;
}

#define CORE_ADD(c) { .kind = STEP_CORE_ADD, .cpu = (c) }
#define CORE_REMOVE(c) { .kind = STEP_CORE_REMOVE, .cpu = (c) }
#define MOVE(u, c) { .kind = STEP_UNIT_MOVE, .cpu = (c), .object = u }

static int run(struct fixture *fixture, struct step *steps, size_t n_steps) {
        struct decision decision = { .intent.action = INTENT_MOVE, .intent.source = "policy:test", .verdict = VERDICT_PLANNED, .steps = steps, .n_steps = n_steps };
        return transaction_run(&fixture->mock->actor, &decision);
}

#define RUN(fixture, ...) run(fixture, (struct step[]) { __VA_ARGS__ }, sizeof((struct step[]) { __VA_ARGS__ }) / sizeof(struct step))

static struct reservation_report settle(struct fixture *fixture) {
        struct reservation_report report;
        assert_int_equal(reservation_settle(&fixture->mock->actor, "reservation", &report), 0);
        return report;
}

static const struct journal_entry *entry(const struct fixture *fixture, const char *knob, const char *object) {
        return journal_find(fixture->mock->actor.journal, JOURNAL_KNOB, "mock", knob, object);
}

static void assert_report(struct reservation_report report, unsigned n_set, unsigned n_refused, unsigned n_gone, unsigned n_kept) {
        assert_int_equal(report.n_set, n_set);
        assert_int_equal(report.n_refused, n_refused);
        assert_int_equal(report.n_gone, n_gone);
        assert_int_equal(report.n_kept, n_kept);
}

/* --- before a unit moves --- */

static void what_a_move_needs_is_set_before_it_and_journaled_as_the_decision_s(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, CORE_ADD(4), MOVE("u.0", 4)), 0);
        assert_string_equal(fixture->kernel->units[0].place, "4");
        assert_false(fixture->kernel->gates_shut[4]);
        const struct journal_entry *gate = entry(fixture, "mock.gate", "g.4");
        assert_non_null(gate);
        assert_string_equal(gate->old_value, "shut");
        assert_string_equal(gate->set_value, "open");
        assert_string_equal(gate->source, "policy:test");
        assert_true(gate->sequence < entry(fixture, "unit.place", "u.0")->sequence);
}

static void what_was_set_for_a_move_is_undone_when_a_later_step_fails(void **state) {
        struct fixture *fixture = *state;
        char *before = strdup(mock_kernel_text(fixture->kernel));
        assert_int_equal(RUN(fixture, CORE_ADD(4), CORE_ADD(5), MOVE("u.0", 4), MOVE("u.1", 5), MOVE("u.2", 4), MOVE("u.9", 4)), -ENOENT);
        assert_string_equal(mock_kernel_text(fixture->kernel), before);
        assert_int_equal(journal_n_entries(fixture->mock->actor.journal), 0);
        free(before);
}

static void a_move_that_fails_at_any_write_leaves_no_gate_open(void **state) {
        struct fixture *fixture = *state;
        char *before = strdup(mock_kernel_text(fixture->kernel));
        unsigned at = 0;
        bool failed = true;
        while (failed) {
                fixture->mock->host->now_usec += 1000000000; /* what was refused may be tried again */
                fixture->kernel->n_writes = 0;
                fixture->kernel->fail_at = ++at;
                fixture->kernel->error = -EIO;
                fixture->kernel->fail_half = at % 2;
                int r = RUN(fixture, CORE_ADD(4), MOVE("u.0", 4), MOVE("u.1", 4));
                failed = fixture->kernel->n_writes >= at;
                fixture->kernel->fail_at = 0;
                /* a gate that opened though the kernel said otherwise is as good as any */
                if (r < 0) {
                        assert_string_equal(mock_kernel_text(fixture->kernel), before);
                        assert_int_equal(journal_n_entries(fixture->mock->actor.journal), 0);
                }
                assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, NULL), 0);
                assert_string_equal(mock_kernel_text(fixture->kernel), before);
        }
        assert_true(at > 4);
        free(before);
}

static void a_move_that_fails_after_what_it_needs_moved_the_unit_puts_it_back(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, CORE_ADD(1), CORE_ADD(4), MOVE("u.0", 1)), 0);
        fixture->kernel->resets = true;
        fixture->kernel->n_writes = 0;
        fixture->kernel->fail_at = 2; /* the first is the gate's */
        fixture->kernel->error = -EINVAL;
        assert_int_equal(RUN(fixture, MOVE("u.0", 4)), -EINVAL);
        assert_string_equal(fixture->kernel->units[0].place, "1");
        assert_string_equal(entry(fixture, "unit.place", "u.0")->set_value, "1");
}

static void a_gate_is_shut_by_a_restore_only_after_the_units_have_left(void **state) {
        struct fixture *fixture = *state;
        char *before = strdup(mock_kernel_text(fixture->kernel));
        assert_int_equal(RUN(fixture, CORE_ADD(4), MOVE("u.0", 4), MOVE("u.1", 4)), 0);
        (void) settle(fixture);
        struct restore_report report;
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, &report), 0);
        assert_int_equal(report.failed, 0);
        assert_string_equal(mock_kernel_text(fixture->kernel), before);
        free(before);
}

/* The gate stands for a cpuset that gets its CPUs back: what the unit has then is what it would have without iocored. */
static void a_unit_returns_to_what_it_has_when_all_that_it_needs_is_set(void **state) {
        struct fixture *fixture = *state;
        strcpy(fixture->kernel->units[0].place, "0-3");
        fixture->kernel->resets = true;
        assert_int_equal(RUN(fixture, CORE_ADD(4), MOVE("u.0", 4)), 0);
        assert_string_equal(entry(fixture, "unit.place", "u.0")->old_value, "0-7");
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, NULL), 0);
        assert_string_equal(fixture->kernel->units[0].place, "0-7");
}

static void what_keeps_a_unit_from_going_home_is_set_before_it_goes(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, CORE_ADD(4), MOVE("u.0", 4)), 0);
        assert_int_equal(fixture->kernel->n_asked_home, 0);
        strcpy(fixture->kernel->partition, "4");
        assert_int_equal(RUN(fixture, MOVE("u.0", IOCORE_CPU_ANY)), 0);
        assert_int_equal(fixture->kernel->n_asked_home, 1);
        assert_string_equal(fixture->kernel->partition, "");
        assert_string_equal(fixture->kernel->place_then, "4"); /* it was still there */
        assert_string_equal(fixture->kernel->units[0].place, "0-7");
}

static void a_partition_is_dissolved_by_a_restore_before_the_units_leave(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, CORE_ADD(4), MOVE("u.0", 4), { .kind = STEP_KNOB_SET, .cpu = IOCORE_CPU_ANY, .knob = "partition.cpus", .object = "p", .value = "4" }), 0);
        struct reservation *reservation = fixture->mock->actor.reservation;
        fixture->mock->actor.reservation = NULL; /* as in a process that only restores */
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, NULL), 0);
        fixture->mock->actor.reservation = reservation;
        assert_string_equal(fixture->kernel->partition, "");
        assert_string_equal(fixture->kernel->place_then, "4");
        assert_string_equal(fixture->kernel->units[0].place, "0-7");
}

/* --- settling --- */

static void what_plugins_want_is_set_once_and_given_back_when_the_core_goes(void **state) {
        struct fixture *fixture = *state;
        assert_report(settle(fixture), 0, 0, 0, 0);
        assert_int_equal(RUN(fixture, CORE_ADD(3)), 0);
        struct reservation_report report = settle(fixture);
        assert_report(report, MOCK_KEEPS, 0, 0, 0);
        assert_int_equal(report.n_kinds, 1);
        assert_string_equal(report.kinds[0].kind, "mock.keep");
        assert_int_equal(report.kinds[0].n_set, MOCK_KEEPS);
        assert_string_equal(fixture->kernel->keeps[0].cpus, "not 3");
        assert_string_equal(entry(fixture, "mock.keep", "k.0")->source, "reservation");
        unsigned n_writes = fixture->kernel->n_writes;
        assert_report(settle(fixture), 0, 0, 0, 0);
        assert_int_equal(fixture->kernel->n_writes, n_writes);
        assert_int_equal(RUN(fixture, CORE_REMOVE(3)), 0);
        assert_report(settle(fixture), MOCK_KEEPS, 0, 0, 0);
        assert_string_equal(fixture->kernel->keeps[3].cpus, "all");
        assert_int_equal(journal_n_entries(fixture->mock->actor.journal), 0);
}

static void a_want_that_is_refused_undoes_nothing_and_is_told_once(void **state) {
        struct fixture *fixture = *state;
        struct host *host = fixture->mock->host;
        host->now_usec = 1000000;
        assert_int_equal(RUN(fixture, CORE_ADD(3)), 0);
        fixture->kernel->fail_percent = 100;
        fixture->kernel->fail_whole = true;
        assert_report(settle(fixture), 0, MOCK_KEEPS, 0, 0);
        assert_true(host_cpu(host, 3)->io_core_ours);
        assert_int_equal(fixture->mock->n_refused, MOCK_KEEPS);
        assert_int_equal(journal_n_entries(fixture->mock->actor.journal), 1); /* the core */

        /* However often a plugin asks: 100 s of ten epochs each. */
        unsigned n_writes = fixture->kernel->n_writes;
        for (unsigned i = 0; i < 1000; i++) {
                host->now_usec += 100000;
                (void) settle(fixture);
        }
        assert_in_range(fixture->kernel->n_writes - n_writes, 1, 8 * MOCK_KEEPS);
        assert_int_equal(fixture->mock->n_refused, MOCK_KEEPS);

        /* Another value is another matter. */
        fixture->kernel->fail_percent = 0;
        assert_int_equal(RUN(fixture, CORE_ADD(2)), 0);
        assert_report(settle(fixture), MOCK_KEEPS, 0, 0, 0);
        assert_string_equal(fixture->kernel->keeps[0].cpus, "not 2 3");
}

static void objects_that_are_gone_are_normal(void **state) {
        struct fixture *fixture = *state;
        fixture->kernel->keeps[1].exists = fixture->kernel->keeps[2].exists = false;
        assert_int_equal(RUN(fixture, CORE_ADD(3)), 0);
        assert_report(settle(fixture), MOCK_KEEPS - 2, 0, 2, 0);
        assert_int_equal(fixture->mock->n_refused, 0);
        fixture->kernel->keeps[0].exists = false;
        struct restore_report report;
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, &report), 0);
        assert_int_equal(report.gone, 1);
        assert_int_equal(report.restored, 2); /* the other one, and the core */
        assert_int_equal(journal_n_entries(fixture->mock->actor.journal), 0);
}

static void what_somebody_else_changed_is_not_set_again_and_not_restored(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, CORE_ADD(3)), 0);
        (void) settle(fixture);
        strcpy(fixture->kernel->keeps[2].cpus, "not 7");
        assert_report(settle(fixture), 0, 0, 0, 1);
        assert_int_equal(fixture->mock->n_foreign, 1);
        assert_null(entry(fixture, "mock.keep", "k.2"));
        for (unsigned i = 0; i < 100; i++)
                assert_report(settle(fixture), 0, 0, 0, 1);
        assert_int_equal(fixture->mock->n_foreign, 1);
        assert_int_equal(RUN(fixture, CORE_ADD(2)), 0);
        assert_report(settle(fixture), MOCK_KEEPS - 1, 0, 0, 1);
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, NULL), 0);
        assert_string_equal(fixture->kernel->keeps[2].cpus, "not 7");
        assert_string_equal(fixture->kernel->keeps[0].cpus, "all");
}

static void what_was_remembered_of_objects_that_are_gone_is_dropped(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, CORE_ADD(3)), 0);
        (void) settle(fixture);
        strcpy(fixture->kernel->keeps[2].cpus, "not 7");
        assert_report(settle(fixture), 0, 0, 0, 1);
        reservation_prune(&fixture->mock->actor);
        assert_report(settle(fixture), 0, 0, 0, 1);
        fixture->kernel->keeps[2].exists = false;
        reservation_prune(&fixture->mock->actor);
        /* Names are unique for ever; that this one comes again shows that it was forgotten. */
        fixture->kernel->keeps[2].exists = true;
        assert_report(settle(fixture), 1, 0, 0, 0);
}

static void the_journal_does_not_grow_with_guests_that_come_and_go(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, CORE_ADD(3)), 0);
        (void) settle(fixture);
        size_t n = journal_n_entries(fixture->mock->actor.journal);
        reservation_prune(&fixture->mock->actor);
        assert_int_equal(journal_n_entries(fixture->mock->actor.journal), n);
        fixture->kernel->keeps[2].exists = false;
        reservation_prune(&fixture->mock->actor);
        assert_int_equal(journal_n_entries(fixture->mock->actor.journal), n - 1);
        /* The others are known as before. */
        fixture->kernel->keeps[2].exists = true;
        struct restore_report restored;
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, &restored), 0);
        assert_int_equal(restored.restored, n - 1);
        assert_int_equal(restored.gone, 0);
}

static void what_the_journal_has_of_an_object_whose_name_another_one_has_now_is_dropped(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, CORE_ADD(1), MOVE("u.0", 1), MOVE("u.1", 1)), 0);
        fixture->kernel->units[0].incarnation = 200;
        assert_int_equal(mock_scan(fixture->mock, true), 0);
        reservation_prune(&fixture->mock->actor);
        assert_null(entry(fixture, "unit.place", "u.0"));
        assert_non_null(entry(fixture, "unit.place", "u.1"));
}

/* --- a host full of guests --- */

enum { N_THREADS = 2000 };

struct crowd {
        unsigned masks[N_THREADS], wanted;
};

static int crowd_get(void *state, const char *object, char *ret, size_t size) {
        const struct crowd *crowd = state;
        return snprintf(ret, size, "0-%u", crowd->masks[strtoul(object, NULL, 10)]) < 0 ? -EIO : 0;
}

static int crowd_set(void *state, const char *object, const char *value, char *ret, size_t size) {
        struct crowd *crowd = state;
        crowd->masks[strtoul(object, NULL, 10)] = (unsigned) strtoul(value + 2, NULL, 10);
        return crowd_get(state, object, ret, size);
}

static int crowd_reserve(void *state, iocore_want want, void *userdata) {
        const struct crowd *crowd = state;
        char object[32], value[16];
        snprintf(value, sizeof value, "0-%u", crowd->wanted);
        for (unsigned i = 0; i < N_THREADS; i++) {
                snprintf(object, sizeof object, "%u.%u", i, 1000 + i);
                if (want(userdata, "thread.cpus", object, value) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static double seconds(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* All threads of 100 guests or so, in one epoch, and back. */
static void two_thousand_threads_are_reserved_and_restored_in_linear_time(void **state) {
        struct fixture *fixture = *state;
        static const struct iocore_knob knob = { "thread.cpus", "", crowd_get, crowd_set };
        static const struct iocore_plugin plugin = { .name = "crowd", .knobs = &knob, .n_knobs = 1, .reserve = crowd_reserve };
        struct crowd crowd = { .wanted = 5 };
        struct plugin_instance instance = { .plugin = &plugin, .state = &crowd }, *instances[] = { &instance, NULL };
        struct actor actor = fixture->mock->actor;
        actor.plugins = instances;
        for (unsigned i = 0; i < N_THREADS; i++)
                crowd.masks[i] = 7;

        struct reservation_report report;
        double begin = seconds();
        assert_int_equal(reservation_settle(&actor, "reservation", &report), 0);
        double reserved = seconds();
        assert_int_equal(report.n_set, N_THREADS);
        assert_int_equal(reservation_settle(&actor, "reservation", &report), 0);
        double nothing = seconds();
        assert_int_equal(report.n_set, 0);
        struct restore_report restored;
        assert_int_equal(transaction_restore(&actor, NULL, &restored), 0);
        double end = seconds();
        assert_int_equal(restored.restored, N_THREADS);
        for (unsigned i = 0; i < N_THREADS; i++)
                assert_int_equal(crowd.masks[i], 7);
        printf("# %d threads: reserved in %.1f ms, looked at again in %.1f ms, restored in %.1f ms\n", N_THREADS, 1e3 * (reserved - begin),
               1e3 * (nothing - reserved), 1e3 * (end - nothing));
        /* Far from both what it takes and what a quadratic one would. */
        assert_true(reserved - begin < 2 && end - nothing < 2);
}

/* --- what plugins tell --- */

static void news_is_told_once_until_it_is_told_otherwise(void **state) {
        (void) state;
        struct notices *notices;
        struct notice notice;
        assert_int_equal(notices_new(&notices), 0);
        assert_false(notices_take(notices, &notice));
        assert_true(notices_tell(notices, "not-isolated", "t.1", "bound by hand to CPU 3"));
        assert_false(notices_tell(notices, "not-isolated", "t.1", "bound by hand to CPU 3"));
        assert_true(notices_tell(notices, "blocked", "t.1", "bound by hand to CPU 3"));
        assert_true(notices_tell(notices, "not-isolated", "t.1", "bound by hand to CPU 4"));
        assert_false(notices_tell(notices, "not-isolated", "t.1", "bound by hand to CPU 3"));
        assert_false(notices_tell(notices, "not-isolated", "t.2", ""));
        assert_true(notices_tell(notices, "not-isolated", "t.1", ""));
        assert_true(notices_tell(notices, "not-isolated", "t.1", "bound by hand to CPU 3"));
        notices_knob_changed(notices, "unit.place", "t.1");
        static const char *const expected[] = { "bound by hand to CPU 3", "bound by hand to CPU 3", "bound by hand to CPU 4", "", "bound by hand to CPU 3" };
        for (size_t i = 0; i < 5; i++) {
                assert_true(notices_take(notices, &notice));
                assert_int_equal(notice.what, NOTICE_TOLD);
                assert_string_equal(notice.kind, i == 1 ? "blocked" : "not-isolated");
                assert_string_equal(notice.text, expected[i]);
        }
        assert_true(notices_take(notices, &notice));
        assert_int_equal(notice.what, NOTICE_KNOB_CHANGED);
        assert_string_equal(notice.kind, "unit.place");
        assert_string_equal(notice.object, "t.1");
        assert_false(notices_take(notices, &notice));
        assert_int_equal(notices_take_dropped(notices), 0);
        notices_free(notices);
}

static void a_plugin_gone_wild_fills_no_memory(void **state) {
        (void) state;
        struct notices *notices;
        struct notice notice;
        char object[32];
        unsigned n = 0;
        assert_int_equal(notices_new(&notices), 0);
        for (unsigned i = 0; i < 50000; i++) {
                snprintf(object, sizeof object, "t.%u", i);
                notices_tell(notices, "not-isolated", object, "for no reason");
        }
        while (notices_take(notices, &notice))
                n++;
        assert_in_range(n, 1, 5000);
        assert_int_equal(n + notices_take_dropped(notices), 50000);
        assert_int_equal(notices_take_dropped(notices), 0);
        notices_free(notices);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
                TEST(what_a_move_needs_is_set_before_it_and_journaled_as_the_decision_s),
                TEST(what_was_set_for_a_move_is_undone_when_a_later_step_fails),
                TEST(a_unit_returns_to_what_it_has_when_all_that_it_needs_is_set),
                TEST(what_keeps_a_unit_from_going_home_is_set_before_it_goes),
                TEST(a_partition_is_dissolved_by_a_restore_before_the_units_leave),
                TEST(a_move_that_fails_at_any_write_leaves_no_gate_open),
                TEST(a_move_that_fails_after_what_it_needs_moved_the_unit_puts_it_back),
TEST(a_gate_is_shut_by_a_restore_only_after_the_units_have_left),
                TEST(what_plugins_want_is_set_once_and_given_back_when_the_core_goes),
                TEST(a_want_that_is_refused_undoes_nothing_and_is_told_once),
                TEST(objects_that_are_gone_are_normal),
                TEST(what_somebody_else_changed_is_not_set_again_and_not_restored),
                TEST(what_was_remembered_of_objects_that_are_gone_is_dropped),
                TEST(the_journal_does_not_grow_with_guests_that_come_and_go),
                TEST(what_the_journal_has_of_an_object_whose_name_another_one_has_now_is_dropped),
                TEST(two_thousand_threads_are_reserved_and_restored_in_linear_time),
                cmocka_unit_test(news_is_told_once_until_it_is_told_otherwise),
                cmocka_unit_test(a_plugin_gone_wild_fills_no_memory),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

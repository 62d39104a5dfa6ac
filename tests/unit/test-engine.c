/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole engine on a made-up stock host: what plugins announce, tell and want, and what somebody else changes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "engine-fixture.h"

/* --- configuration --- */

static int load_another(void *userdata, struct config **ret, FILE *errors) {
        struct fixture *fixture = userdata;
        (void) errors;
        *ret = configure(fixture);
        (*ret)->epoch_usec = 2 * EPOCH_USEC;
        if (fixture->unknown_option)
                replace(&(*ret)->options[0].key, "tyo");
        return 0;
}

static void an_option_that_no_plugin_knows_refuses_a_start_and_leaves_the_old_configuration_at_a_reload(void **state) {
        struct fixture *fixture = *state;
        _cleanup_free_ char *told = NULL;
        size_t size;
        struct config *config;

        fixture->unknown_option = true;
        assert_int_equal(load_another(fixture, &config, stderr), 0);
        assert_int_equal(engine_new(&fixture->engine, config), -EINVAL);
        config_free(config);

        start(fixture);
        engine_set_loader(fixture->engine, load_another, fixture);
        FILE *errors = open_memstream(&told, &size);
        assert_non_null(errors);
        uint64_t before = engine_config(fixture->engine)->epoch_usec;
        assert_int_equal(engine_reload(fixture->engine, errors), -EINVAL);
        fclose(errors);
        assert_string_equal(told, "[plugin.toy] tyo: there is no such key; the plugin has toy\n");
        assert_int_equal(n_events(fixture, "reload-failed"), 1);
        assert_int_equal(engine_config(fixture->engine)->epoch_usec, before);
        fixture->unknown_option = false;
        assert_int_equal(engine_reload(fixture->engine, stderr), 0);
        assert_int_equal(engine_config(fixture->engine)->epoch_usec, 2 * EPOCH_USEC);
        stop(fixture);
}

/* --- announcements, messages --- */

static void plugins_are_asked_what_announced_itself_in_each_epoch_until_they_fail(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.announces = true;
        start(fixture);
        epochs(fixture, 5);
        assert_int_equal(fixture->toy.n_announced, 5);
        unsigned n_scans = fixture->toy.n_scans;
        add_thread(fixture, 3, 0.5, 0);
        epochs(fixture, 1);
        assert_non_null(host_unit(engine_host(fixture->engine), "t.3"));
        assert_int_equal(fixture->toy.n_scans, n_scans);

        fixture->toy.announces = false;
        fixture->toy.announced_error = -ENOBUFS;
        epochs(fixture, 1);
        assert_int_equal(n_events(fixture, "discovery"), 1);
        unsigned n = fixture->toy.n_announced;
        add_thread(fixture, 4, 0.5, 0);
        epochs(fixture, 30);
        assert_int_equal(fixture->toy.n_announced, n);
        assert_int_equal(n_events(fixture, "discovery"), 1);
        assert_non_null(host_unit(engine_host(fixture->engine), "t.4"));
        stop(fixture);
}

static void what_a_plugin_tells_is_one_event_until_it_is_over(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.told = "bound by hand to CPU 3";
        start(fixture);
        epochs(fixture, 50);
        assert_int_equal(n_events(fixture, "not-isolated"), 1);
        assert_string_equal(last_event(fixture, "not-isolated")->object, "toy");
        assert_string_equal(last_event(fixture, "not-isolated")->text, "bound by hand to CPU 3");
        fixture->toy.told = "";
        epochs(fixture, 50);
        assert_int_equal(n_events(fixture, "not-isolated"), 2);
        assert_string_equal(last_event(fixture, "not-isolated")->text, "");
        stop(fixture);
}

/* --- reservation --- */

static void guests_leave_an_io_core_and_get_it_back(void **state) {
        struct fixture *fixture = *state;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(fixture->toy.n_writes, 0);
        assert_int_equal(wish(fixture, INTENT_GROW, 3, "")->verdict, VERDICT_DONE);
        assert_int_equal(fixture->toy.guests[0], 0xf7);
        assert_int_equal(fixture->toy.guests[TOY_GUESTS - 1], 0xf7);
        assert_int_equal(n_events(fixture, "reserved"), 1);
        assert_string_equal(last_event(fixture, "reserved")->object, "3");
        assert_string_equal(last_event(fixture, "reserved")->text, "12 knobs set: 12 toy.cpus; keep off CPUs 3");
        /* What somebody else gives it again is theirs, wherever that is looked at. */
        fixture->toy.guests[1] = 0xff;
        epochs(fixture, 11);
        assert_int_equal(fixture->toy.guests[1], 0xff);
        assert_int_equal(n_events(fixture, "foreign-change"), fixture->mode == MODE_ACTIVE);
        assert_int_equal(wish(fixture, INTENT_SHRINK, 3, "")->verdict, VERDICT_DONE);
        for (int i = 0; i < TOY_GUESTS; i++)
                assert_int_equal(fixture->toy.guests[i], 0xff);
        stop(fixture);
        for (int i = 0; i < TOY_GUESTS; i++)
                assert_int_equal(fixture->toy.guests[i], 0xff);
}

static void observing_changes_nothing(void **state) {
        struct fixture *fixture = *state;
        fixture->mode = MODE_OBSERVE;
        fixture->toy.guests[1] = 0x0f; /* toy would have it otherwise */
        add_thread(fixture, 0, 0.9, 0);
        start(fixture);
        epochs(fixture, 50);
        assert_int_equal(wish(fixture, INTENT_GROW, 3, "")->verdict, VERDICT_WOULD);
        epochs(fixture, 50);
        assert_int_equal(fixture->toy.n_writes, 0);
        assert_int_equal(fixture->toy.n_reserved, 0);
        stop(fixture);
}

static void without_rights_nothing_is_changed_and_no_other_mode_taken(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.rights = "without CAP_TOY nothing can be set";
        add_thread(fixture, 0, 0.9, 0);
        start(fixture);
        assert_int_equal(engine_mode(fixture->engine), MODE_OBSERVE);
        assert_string_equal(engine_no_rights(fixture->engine), fixture->toy.rights);
        assert_int_equal(engine_set_mode(fixture->engine, MODE_ACTIVE, "client:test"), -EPERM);
        assert_int_equal(engine_set_mode(fixture->engine, MODE_PAUSED, "client:test"), -EPERM);
        assert_int_equal(engine_set_mode(fixture->engine, MODE_OBSERVE, "client:test"), 0);
        epochs(fixture, 50);
        assert_int_equal(fixture->toy.n_writes, 0);
        assert_int_equal(fixture->n_failed, 0);
        stop(fixture);
}

/* --- somebody else --- */

static void a_foreign_taskset_on_a_worker_is_noticed_without_a_write_and_left_alone(void **state) {
        struct fixture *fixture = *state;
        struct toy_thread *thread = add_thread(fixture, 0, 0.9, 0);
        add_thread(fixture, 1, 0.3, 0);
        start(fixture);
        epochs(fixture, 30);
        assert_true(core_of(fixture, 0) >= 0);
        unsigned n_writes = fixture->toy.n_writes;
        thread->mask = 0x30;
        epochs(fixture, 11); /* a scan is within */
        assert_int_equal(fixture->toy.n_writes, n_writes);
        assert_int_equal(n_events(fixture, "foreign-change"), 1);
        assert_string_equal(last_event(fixture, "foreign-change")->object, "t.0");
        assert_int_equal(host_unit(engine_host(fixture->engine), "t.0")->state, OBJECT_MANUAL);
        assert_string_equal(wish(fixture, INTENT_MOVE, core_of(fixture, 1), "t.0")->rule, "manual");
        epochs(fixture, 600);
        assert_int_equal(thread->mask, 0x30);
        assert_int_equal(n_events(fixture, "foreign-change"), 1);
        stop(fixture);
        assert_int_equal(thread->mask, 0x30);
        assert_int_equal(fixture->toy.threads[1].mask, 0xff);
}

static void a_foreign_change_may_be_contested(void **state) {
        struct fixture *fixture = *state;
        struct toy_thread *thread = add_thread(fixture, 0, 0.9, 0);
        fixture->foreign = FOREIGN_CONTEST;
        start(fixture);
        epochs(fixture, 30);
        int cpu = core_of(fixture, 0);
        assert_true(cpu >= 0);
        thread->mask = 0x30;
        epochs(fixture, 11);
        assert_int_equal(core_of(fixture, 0), cpu);
        assert_int_equal(host_unit(engine_host(fixture->engine), "t.0")->state, OBJECT_ACTIVE);
        assert_int_equal(n_events(fixture, "foreign-change"), 1);
        stop(fixture);
        assert_int_equal(thread->mask, 0xff);
}

static void a_foreign_change_may_be_adopted(void **state) {
        struct fixture *fixture = *state;
        struct toy_thread *thread = add_thread(fixture, 0, 0.9, 0);
        fixture->foreign = FOREIGN_ADOPT;
        start(fixture);
        epochs(fixture, 30);
        thread->mask = 0x30;
        epochs(fixture, 60);
        assert_true(core_of(fixture, 0) >= 0); /* from there, as from anywhere else */
        assert_int_equal(n_events(fixture, "foreign-change"), 1);
        stop(fixture);
        assert_int_equal(thread->mask, 0x30);
}

/* Found when it is to be set, or told by the plugin: the plugin hears what is made of it, and it is one event. */
static void check_guest(struct fixture *fixture, enum foreign_policy policy, enum iocore_foreign what, bool told) {
        fixture->foreign = policy;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(wish(fixture, INTENT_GROW, 3, "")->verdict, VERDICT_DONE);
        fixture->toy.guests[1] = 0x0f;
        if (told)
                fixture->toy.changed = "g.1";
        for (int i = 0; i < 11 && fixture->toy.n_foreign == 0; i++)
                epochs(fixture, 1);
        assert_int_equal(fixture->toy.n_foreign, 1);
        assert_int_equal(fixture->toy.foreign, what);
        assert_string_equal(fixture->toy.foreign_object, "g.1");
        /* What was asked for without knowing of it is not set when it is adopted. */
        if (!told || policy == FOREIGN_MANUAL)
                assert_int_equal(fixture->toy.guests[1], policy == FOREIGN_CONTEST ? 0xf7 : 0x0f);
        epochs(fixture, 22);
        assert_int_equal(fixture->toy.guests[1], policy == FOREIGN_MANUAL ? 0x0f : 0xf7);
        assert_int_equal(n_events(fixture, "foreign-change"), 1);
        assert_int_equal(fixture->toy.n_foreign, 1);
        stop(fixture);
        assert_int_equal(fixture->toy.guests[1], policy == FOREIGN_CONTEST ? 0xff : 0x0f);
        assert_int_equal(fixture->toy.guests[0], 0xff);
}

static void a_guest_changed_by_somebody_else_is_theirs(void **state) {
        check_guest(*state, FOREIGN_MANUAL, IOCORE_FOREIGN_MANUAL, false);
}

static void a_guest_changed_by_somebody_else_may_be_adopted(void **state) {
        check_guest(*state, FOREIGN_ADOPT, IOCORE_FOREIGN_ADOPT, false);
}

static void a_guest_changed_by_somebody_else_may_be_contested(void **state) {
        check_guest(*state, FOREIGN_CONTEST, IOCORE_FOREIGN_CONTEST, false);
}

static void what_its_plugin_tells_of_a_guest_is_theirs(void **state) {
        check_guest(*state, FOREIGN_MANUAL, IOCORE_FOREIGN_MANUAL, true);
}

static void what_its_plugin_tells_of_a_guest_may_be_adopted(void **state) {
        check_guest(*state, FOREIGN_ADOPT, IOCORE_FOREIGN_ADOPT, true);
}

static void what_its_plugin_tells_of_a_guest_may_be_contested(void **state) {
        check_guest(*state, FOREIGN_CONTEST, IOCORE_FOREIGN_CONTEST, true);
}

static void a_change_that_cannot_be_undone_now_is_one_event_all_the_same(void **state) {
        struct fixture *fixture = *state;
        fixture->foreign = FOREIGN_CONTEST;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(wish(fixture, INTENT_GROW, 3, "")->verdict, VERDICT_DONE);
        fixture->toy.guests[1] = 0x0f;
        fixture->toy.guests_error = -EBUSY;
        epochs(fixture, 100);
        fixture->toy.guests_error = 0;
        epochs(fixture, 200);
        assert_int_equal(fixture->toy.guests[1], 0xf7);
        assert_int_equal(n_events(fixture, "foreign-change"), 1);
        stop(fixture);
        assert_int_equal(fixture->toy.guests[1], 0xff);
}

/* A plugin whose answers come late says when they have come: nobody waits for a pause to end then, which doubles each time. */
static void what_was_refused_is_tried_again_at_once_when_its_plugin_says_so(void **state) {
        struct fixture *fixture = *state;
        start(fixture);
        epochs(fixture, 3);
        fixture->toy.guests_error = -ETIMEDOUT;
        assert_int_equal(wish(fixture, INTENT_GROW, 3, "")->verdict, VERDICT_DONE);
        epochs(fixture, 100); /* by now it waits for longer than 4 s */
        fixture->toy.guests_error = 0;
        fixture->toy.changed = "g.1";
        epochs(fixture, 1);
        assert_int_equal(fixture->toy.guests[1], 0xf7);
        assert_int_equal(fixture->toy.guests[2], 0xff); /* of which nothing was said */
        stop(fixture);
        assert_int_equal(fixture->toy.guests[1], 0xff);
}

/* It came about after it had been given up: it is iocored's all the same, and somebody else's change of it is noticed. */
static void what_came_late_is_known_to_the_journal(void **state) {
        struct fixture *fixture = *state;
        start(fixture);
        epochs(fixture, 3);
        fixture->toy.late = true;
        assert_int_equal(wish(fixture, INTENT_GROW, 3, "")->verdict, VERDICT_DONE);
        fixture->toy.late = false;
        fixture->toy.changed = "g.1";
        epochs(fixture, 1);
        assert_int_equal(n_events(fixture, "foreign-change"), 0);
        fixture->toy.guests[1] = 0x0f;
        fixture->toy.changed = "g.1";
        epochs(fixture, 1);
        assert_int_equal(n_events(fixture, "foreign-change"), 1);
        stop(fixture);
        assert_int_equal(fixture->toy.guests[0], 0xff);
        assert_int_equal(fixture->toy.guests[1], 0x0f);
}

static void of_many_guests_that_resist_some_are_told_and_of_the_others_how_many(void **state) {
        struct fixture *fixture = *state;
        start(fixture);
        epochs(fixture, 3);
        fixture->toy.guests_error = -EBUSY;
        assert_int_equal(wish(fixture, INTENT_GROW, 3, "")->verdict, VERDICT_DONE);
        assert_int_equal(n_events(fixture, "not-reserved"), 9);
        assert_string_equal(last_event(fixture, "not-reserved")->object, "");
        assert_string_equal(last_event(fixture, "not-reserved")->text, "4 more could not be set");
        /* the same again is not told again, another time has its own bound */
        epochs(fixture, 100);
        assert_int_equal(n_events(fixture, "not-reserved"), 9);
        fixture->toy.guests_error = -EPERM;
        epochs(fixture, 700);
        assert_int_equal(n_events(fixture, "not-reserved"), 18);
        fixture->toy.guests_error = 0;
        stop(fixture);
}

/* --- reserved but idle --- */

static void an_idle_io_core_is_told_once_until_it_works_again(void **state) {
        struct fixture *fixture = *state;
        add_thread(fixture, 0, 0, 0);
        fixture->toy.threads[0].unit = NULL;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(wish(fixture, INTENT_GROW, 3, "")->verdict, VERDICT_DONE);
        epochs(fixture, 590);
        assert_int_equal(n_events(fixture, "core-idle"), 0);
        epochs(fixture, 600);
        assert_int_equal(n_events(fixture, "core-idle"), 1);
        assert_string_equal(last_event(fixture, "core-idle")->object, "3");
        assert_non_null(strstr(last_event(fixture, "core-idle")->text, "its 1 unit had next to nothing to do"));
        fixture->toy.threads[0].demand = 0.5;
        epochs(fixture, 20);
        assert_int_equal(n_events(fixture, "core-idle"), 2);
        assert_string_equal(last_event(fixture, "core-idle")->text, "");
        fixture->toy.threads[0].exists = false;
        epochs(fixture, 700);
        assert_int_equal(n_events(fixture, "core-idle"), 3);
        assert_non_null(strstr(last_event(fixture, "core-idle")->text, "no unit is on it"));
        stop(fixture);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(plugins_are_asked_what_announced_itself_in_each_epoch_until_they_fail),
                TEST(what_a_plugin_tells_is_one_event_until_it_is_over),
                TEST(guests_leave_an_io_core_and_get_it_back),
                TEST(an_option_that_no_plugin_knows_refuses_a_start_and_leaves_the_old_configuration_at_a_reload),
                cmocka_unit_test_setup_teardown(guests_leave_an_io_core_and_get_it_back, set_up_paused, tear_down),
                TEST_POLICIES(observing_changes_nothing),
                TEST_POLICIES(without_rights_nothing_is_changed_and_no_other_mode_taken),
                TEST_POLICIES(a_foreign_taskset_on_a_worker_is_noticed_without_a_write_and_left_alone),
                TEST_POLICIES(a_foreign_change_may_be_contested),
                TEST_POLICIES(a_foreign_change_may_be_adopted),
                TEST(a_guest_changed_by_somebody_else_is_theirs),
                TEST(a_guest_changed_by_somebody_else_may_be_adopted),
                TEST(a_guest_changed_by_somebody_else_may_be_contested),
                TEST(what_its_plugin_tells_of_a_guest_is_theirs),
                TEST(what_its_plugin_tells_of_a_guest_may_be_adopted),
                TEST(what_its_plugin_tells_of_a_guest_may_be_contested),
                TEST(a_change_that_cannot_be_undone_now_is_one_event_all_the_same),
                TEST(of_many_guests_that_resist_some_are_told_and_of_the_others_how_many),
                TEST(what_was_refused_is_tried_again_at_once_when_its_plugin_says_so),
                TEST(what_came_late_is_known_to_the_journal),
                TEST(an_idle_io_core_is_told_once_until_it_works_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/jobs.h"

/* Only told apart by their addresses. */
static int one, two;
#define PLUGIN ((struct plugin_instance *) &one)
#define OTHER_PLUGIN ((struct plugin_instance *) &two)

static int set_up(void **state) {
        return jobs_new((struct jobs **) state);
}

static int tear_down(void **state) {
        jobs_free(*state);
        return 0;
}

static void end(struct jobs *jobs, uint64_t id, enum iocore_job_state how) {
        jobs_update(jobs, PLUGIN, &(struct iocore_job) { .id = id, .state = how, .moved_pages = id });
}

static void what_is_over_makes_room_the_oldest_first(void **state) {
        struct jobs *jobs = *state;
        for (uint64_t id = 1; id <= JOBS_MAX; id++)
                assert_int_equal(jobs_add(jobs, PLUGIN, "move-memory")->pub.id, id);
        assert_null(jobs_add(jobs, PLUGIN, "move-memory"));
        end(jobs, 7, IOCORE_JOB_DONE);
        end(jobs, 5, IOCORE_JOB_FAILED);
        assert_int_equal(jobs_add(jobs, PLUGIN, "move-memory")->pub.id, JOBS_MAX + 1);
        assert_null(jobs_find(jobs, 5));
        assert_int_equal(jobs_find(jobs, 7)->pub.moved_pages, 7);
        for (size_t i = 1; i < JOBS_MAX; i++)
                assert_true(jobs_at(jobs, i - 1)->pub.id < jobs_at(jobs, i)->pub.id);
        assert_null(jobs_at(jobs, JOBS_MAX));
}

static void what_is_over_stays_as_it_ended(void **state) {
        struct jobs *jobs = *state;
        uint64_t id = jobs_add(jobs, PLUGIN, "move-memory")->pub.id;
        end(jobs, id, IOCORE_JOB_CANCELLED);
        assert_true(jobs_find(jobs, id)->ended_usec >= jobs_find(jobs, id)->begun_usec);
        end(jobs, id, IOCORE_JOB_DONE);
        assert_int_equal(jobs_find(jobs, id)->pub.state, IOCORE_JOB_CANCELLED);
}

static void only_the_plugin_that_was_given_it_tells_of_a_job(void **state) {
        struct jobs *jobs = *state;
        uint64_t id = jobs_add(jobs, PLUGIN, "move-memory")->pub.id;
        jobs_update(jobs, OTHER_PLUGIN, &(struct iocore_job) { .id = id, .state = IOCORE_JOB_DONE });
        assert_int_equal(jobs_find(jobs, id)->pub.state, IOCORE_JOB_WAITING);
        jobs_update(jobs, PLUGIN, &(struct iocore_job) { .id = id + 1, .state = IOCORE_JOB_DONE });
        assert_null(jobs_find(jobs, id + 1));
}

static void each_change_is_taken_once(void **state) {
        struct jobs *jobs = *state;
        uint64_t first = jobs_add(jobs, PLUGIN, "move-memory")->pub.id, second = jobs_add(jobs, PLUGIN, "move-memory")->pub.id;
        assert_int_equal(jobs_take_changed(jobs)->pub.id, first);
        assert_int_equal(jobs_take_changed(jobs)->pub.id, second);
        assert_null(jobs_take_changed(jobs));
        end(jobs, second, IOCORE_JOB_DONE);
        end(jobs, second, IOCORE_JOB_DONE);
        assert_int_equal(jobs_take_changed(jobs)->pub.id, second);
        assert_null(jobs_take_changed(jobs));
        jobs_add(jobs, PLUGIN, "move-memory");
        jobs_drop(jobs, second + 1);
        assert_null(jobs_take_changed(jobs));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_is_over_makes_room_the_oldest_first, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_is_over_stays_as_it_ended, set_up, tear_down),
                cmocka_unit_test_setup_teardown(only_the_plugin_that_was_given_it_tells_of_a_job, set_up, tear_down),
                cmocka_unit_test_setup_teardown(each_change_is_taken_once, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

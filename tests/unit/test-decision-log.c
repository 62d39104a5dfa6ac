/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/plan/decision-log.h"

static int add(struct decision_log *log, enum verdict verdict, const char *object, const char *rule) {
        struct decision *decision = calloc(1, sizeof *decision);
        assert_non_null(decision);
        decision->verdict = verdict;
        decision->intent.action = INTENT_MOVE;
        snprintf(decision->intent.object, sizeof decision->intent.object, "%s", object);
        snprintf(decision->rule, sizeof decision->rule, "%s", rule);
        return decision_log_add(log, decision, NULL);
}

static void the_oldest_is_dropped_and_ids_count_on(void **state) {
        struct decision_log *log;
        (void) state;
        assert_int_equal(decision_log_new(&log, 3), 0);
        for (int i = 0; i < 5; i++)
                assert_int_equal(add(log, VERDICT_DONE, "d.1", ""), 1);
        assert_int_equal(decision_log_size(log), 3);
        assert_int_equal(decision_log_at(log, 0)->id, 3);
        assert_int_equal(decision_log_at(log, 2)->id, 5);
        assert_null(decision_log_at(log, 3));
        assert_null(decision_log_find(log, 2));
        assert_null(decision_log_find(log, 6));
        assert_ptr_equal(decision_log_find(log, 4), decision_log_at(log, 1));
        decision_log_free(log);
}

static void a_refusal_that_repeats_is_counted(void **state) {
        struct decision_log *log;
        (void) state;
        assert_int_equal(decision_log_new(&log, 10), 0);
        assert_int_equal(add(log, VERDICT_REFUSED, "d.1", "hold"), 1);
        assert_int_equal(add(log, VERDICT_REFUSED, "d.2", "hold"), 1);
        assert_int_equal(add(log, VERDICT_REFUSED, "d.1", "hold"), 0);
        assert_int_equal(decision_log_size(log), 2);
        assert_int_equal(decision_log_at(log, 0)->repeated, 1);
        decision_log_free(log);
}

static void after_another_outcome_the_same_refusal_is_news(void **state) {
        struct decision_log *log;
        (void) state;
        assert_int_equal(decision_log_new(&log, 10), 0);
        assert_int_equal(add(log, VERDICT_REFUSED, "d.1", "hold"), 1);
        assert_int_equal(add(log, VERDICT_DONE, "d.1", ""), 1);
        assert_int_equal(add(log, VERDICT_REFUSED, "d.1", "hold"), 1);
        assert_int_equal(add(log, VERDICT_REFUSED, "d.1", "numa"), 1);
        assert_int_equal(add(log, VERDICT_DONE, "d.1", ""), 1);
        assert_int_equal(add(log, VERDICT_DONE, "d.1", ""), 1);
        decision_log_free(log);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_oldest_is_dropped_and_ids_count_on),
                cmocka_unit_test(a_refusal_that_repeats_is_counted),
                cmocka_unit_test(after_another_outcome_the_same_refusal_is_news),
        };
        return cmocka_run_group_tests_name("decision-log", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/plan/trial.h"
#include "planner-model.h"

#define EPOCH 100000u

struct fixture {
        struct host *host;
        struct trial_set *set;
};

static void begin(struct fixture *f) {
        f->host = model_host("pack:1 numa:1 l3:1 core:2 pu:1");
        model_unit(f->host, "d.1", IOCORE_CPU_ANY, 0, 0.5);
        model_queue(f->host, "vq.1.0", "d.1")->pub.fields = IOCORE_QUEUE_BUSY | IOCORE_QUEUE_BYTES | IOCORE_QUEUE_WAIT;
        host_derive(f->host); /* groups the queues by unit */
        assert_int_equal(trial_set_new(&f->set, 5 * EPOCH, 10 * EPOCH), 0);
}

static void end(struct fixture *f) {
        trial_set_free(f->set);
        host_free(f->host);
}

static void observe(struct fixture *f, unsigned epochs, double load, double bytes_per_second) {
        struct queue *queue = f->host->queues[0];
        for (unsigned i = 0; i < epochs; i++) {
                host_begin_epoch(f->host, f->host->now_usec + EPOCH);
                queue->n_samples = 2;
                queue->sampled_epoch = f->host->epoch;
                queue->load = load;
                queue->bytes_per_second = bytes_per_second;
                trial_set_observe(f->set, f->host);
        }
}

static enum trial_verdict try(double load_after, double bytes_after) {
        struct fixture f;
        struct trial_outcome outcome;
        begin(&f);
        observe(&f, 20, 0.5, 1e6);
        assert_int_equal(trial_set_begin(f.set, f.host, 7, TRIAL_CYCLES_PER_BYTE, false), 0);
        observe(&f, 14, load_after, bytes_after);
        assert_int_equal(trial_set_next_outcome(f.set, f.host, &outcome), 0);
        observe(&f, 1, load_after, bytes_after);
        assert_int_equal(trial_set_next_outcome(f.set, f.host, &outcome), 1);
        assert_int_equal(outcome.decision_id, 7);
        assert_int_equal(trial_set_next_outcome(f.set, f.host, &outcome), 0);
        end(&f);
        return outcome.verdict;
}

static void what_got_better_is_kept(void **state) {
        (void) state;
        assert_int_equal(try(0.4, 1e6), TRIAL_KEPT);
}

static void what_got_worse_or_stayed_is_undone(void **state) {
        (void) state;
        assert_int_equal(try(0.6, 1e6), TRIAL_UNDONE);
        assert_int_equal(try(0.5, 1e6), TRIAL_UNDONE);
}

static void a_load_that_moved_by_more_than_the_effect_is_inconclusive(void **state) {
        (void) state;
        assert_int_equal(try(0.3, 0.5e6), TRIAL_INCONCLUSIVE);
        assert_int_equal(try(0, 0), TRIAL_INCONCLUSIVE);
}

static void too_little_observed_is_no_trial(void **state) {
        struct fixture f;
        (void) state;
        begin(&f);
        observe(&f, 3, 0.5, 1e6);
        assert_int_equal(trial_set_begin(f.set, f.host, 7, TRIAL_CYCLES_PER_BYTE, false), -EAGAIN);
        end(&f);
}

static void only_trials_of_one_epoch_run_together(void **state) {
        struct fixture f;
        (void) state;
        begin(&f);
        observe(&f, 20, 0.5, 1e6);
        assert_int_equal(trial_set_begin(f.set, f.host, 7, TRIAL_CYCLES_PER_BYTE, false), 0);
        assert_int_equal(trial_set_begin(f.set, f.host, 8, TRIAL_BYTES_PER_SECOND, true), 0);
        observe(&f, 1, 0.5, 1e6);
        assert_int_equal(trial_set_begin(f.set, f.host, 9, TRIAL_CYCLES_PER_BYTE, false), -EBUSY);
        end(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_got_better_is_kept),
                cmocka_unit_test(what_got_worse_or_stayed_is_undone),
                cmocka_unit_test(a_load_that_moved_by_more_than_the_effect_is_inconclusive),
                cmocka_unit_test(too_little_observed_is_no_trial),
                cmocka_unit_test(only_trials_of_one_epoch_run_together),
        };
        return cmocka_run_group_tests_name("trial", tests, NULL, NULL);
}

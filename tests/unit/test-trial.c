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

/* A worker thread of a stock kernel; its load is all that is told of its time. */
static void add_thread(struct host *host, const char *id, const char *device) {
        struct worker *worker = host_worker_add(host, NULL, id);
        struct unit *unit = host_unit_add(host, NULL, id);
        assert_true(worker && unit);
        unit->pub.worker = &worker->pub;
        unit->pub.device = &host_device_add(host, NULL, device)->pub;
}

static void add_tap_queue(struct host *host, const char *id, const char *device, const char *unit) {
        struct queue *queue = host_queue_add(host, NULL, id);
        assert_non_null(queue);
        queue->pub.device = &host_device_add(host, NULL, device)->pub;
        queue->pub.unit = unit ? &host_unit(host, unit)->pub : NULL;
        queue->pub.fields = IOCORE_QUEUE_BYTES | IOCORE_QUEUE_PACKETS | IOCORE_QUEUE_DROPS;
}

/* One epoch of 100 ms: each worker runs for `load` of it, each queue gets `bytes`. */
static void run_threads(struct host *host, struct trial_set *set, double load, uint64_t bytes) {
        host_begin_epoch(host, host->now_usec + EPOCH);
        for (size_t i = 0; i < host->n_workers; i++) {
                host->workers[i]->pub.clock += EPOCH;
                host->workers[i]->pub.busy += (uint64_t) (load * EPOCH);
        }
        for (size_t i = 0; i < host->n_queues; i++) {
                host->queues[i]->pub.clock += EPOCH;
                host->queues[i]->pub.bytes += bytes;
        }
        host_derive_workers(host);
        host_derive(host);
        trial_set_observe(set, host);
}

/* What is measured before a trial begins. */
static double measure(struct host *host, enum trial_measure measure) {
        struct trial_set *set;
        struct trial_outcome outcome;
        assert_int_equal(trial_set_new(&set, EPOCH, EPOCH), 0);
        for (int i = 0; i < 20; i++)
                run_threads(host, set, 0.5, 1000000);
        assert_int_equal(trial_set_begin(set, host, 1, measure, false), 0);
        for (int i = 0; i < 5; i++)
                run_threads(host, set, 0.5, 1000000);
        assert_int_equal(trial_set_next_outcome(set, host, &outcome), 1);
        assert_true(outcome.before > outcome.after * 0.999 && outcome.before < outcome.after * 1.001);
        trial_set_free(set);
        return outcome.before;
}

static void the_time_of_a_worker_is_that_of_the_queues_it_serves_alone(void **state) {
        (void) state;
        struct host *host = model_host("pack:1 numa:1 l3:1 core:2 pu:1");
        add_thread(host, "t.1", "net.1");
        add_tap_queue(host, "net.1.rx", "net.1", "t.1");
        add_tap_queue(host, "net.1.tx", "net.1", "t.1");
        add_thread(host, "t.9", "vsock.1"); /* nobody counts its bytes: its time says nothing of bytes */
        /* half a core for two times 10 MB/s */
        assert_true(measure(host, TRIAL_CYCLES_PER_BYTE) > 24.9 && measure(host, TRIAL_CYCLES_PER_BYTE) < 25.1);
        assert_true(measure(host, TRIAL_BYTES_PER_SECOND) > 9.99e6 && measure(host, TRIAL_BYTES_PER_SECOND) < 10.01e6);
        host_free(host);
}

static void bytes_of_a_tap_with_several_queue_pairs_are_of_all_its_workers(void **state) {
        (void) state;
        struct host *host = model_host("pack:1 numa:1 l3:1 core:2 pu:1");
        add_thread(host, "t.1", "net.1");
        add_thread(host, "t.2", "net.1");
        add_tap_queue(host, "net.1.rx", "net.1", NULL);
        add_tap_queue(host, "net.1.tx", "net.1", NULL);
        /* two halves of a core for two times 10 MB/s */
        assert_true(measure(host, TRIAL_CYCLES_PER_BYTE) > 49.9 && measure(host, TRIAL_CYCLES_PER_BYTE) < 50.1);
        assert_true(measure(host, TRIAL_BYTES_PER_SECOND) > 9.99e6 && measure(host, TRIAL_BYTES_PER_SECOND) < 10.01e6);
        assert_false(host_unit(host, "t.1")->counts_bytes);
        host_free(host);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_got_better_is_kept),
                cmocka_unit_test(what_got_worse_or_stayed_is_undone),
                cmocka_unit_test(a_load_that_moved_by_more_than_the_effect_is_inconclusive),
                cmocka_unit_test(too_little_observed_is_no_trial),
                cmocka_unit_test(only_trials_of_one_epoch_run_together),
                cmocka_unit_test(the_time_of_a_worker_is_that_of_the_queues_it_serves_alone),
                cmocka_unit_test(bytes_of_a_tap_with_several_queue_pairs_are_of_all_its_workers),
        };
        return cmocka_run_group_tests_name("trial", tests, NULL, NULL);
}

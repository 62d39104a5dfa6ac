/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole engine with the shipped policies on a made-up stock host, and what an epoch costs in which nothing happens. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "engine-fixture.h"
#include "tests/lib/call-counts.h"

/* --- the shipped policies on a stock host --- */

static bool all_on_cores(const struct fixture *fixture) {
        for (unsigned i = 0; i < TOY_THREADS; i++)
                if (fixture->toy.threads[i].exists && core_of(fixture, i) < 0)
                        return false;
        return true;
}

static void all_workers_are_on_io_cores_within_three_epochs_of_appearing(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.announces = true;
        start(fixture);
        epochs(fixture, 20);
        assert_int_equal(n_cores(fixture), 0);
        for (unsigned i = 0; i < 8; i++)
                add_thread(fixture, i, i < 4 ? 0.2 : 0, 0); /* idle ones, too */
        epochs(fixture, 3);
        assert_int_equal(n_cores(fixture), 1);
        assert_true(all_on_cores(fixture));
        stop(fixture);
}

static void a_worker_that_comes_is_placed_in_the_epoch_in_which_it_announces_itself(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.announces = true;
        add_thread(fixture, 0, 0.5, 0);
        start(fixture);
        epochs(fixture, 20);
        assert_true(all_on_cores(fixture));
        for (unsigned i = 1; i < 9; i++) {
                add_thread(fixture, i, i % 2 ? 0.02 : 0, i == 5 ? IOCORE_NODE_UNKNOWN : 0);
                epochs(fixture, 1);
                assert_true(all_on_cores(fixture));
                epochs(fixture, i);
        }
        stop(fixture);
}

static unsigned epochs_until_cores(struct fixture *fixture, unsigned wanted, unsigned at_most) {
        unsigned n = 0;
        while (n_cores(fixture) != wanted && n < at_most) {
                epochs(fixture, 1);
                n++;
        }
        return n;
}

/* Load rises until a core is full. */
static void rise_and_expect_a_second_core(struct fixture *fixture) {
        for (unsigned i = 0; i < 4; i++)
                add_thread(fixture, i, 0.15, 0);
        start(fixture);
        epochs(fixture, 100);
        assert_int_equal(n_cores(fixture), 1);
        for (unsigned i = 0; i < 4; i++)
                fixture->toy.threads[i].demand = 0.4;
        assert_in_range(epochs_until_cores(fixture, 2, 50), 1, 5);
        epochs(fixture, 5);
        int on_first = 0;
        for (unsigned i = 0; i < 4; i++)
                on_first += core_of(fixture, i) == core_of(fixture, 0);
        assert_int_equal(on_first, 2);
}

static void a_full_core_gets_a_second_one_within_five_epochs(void **state) {
        struct fixture *fixture = *state;
        rise_and_expect_a_second_core(fixture);
        stop(fixture);
}

/* On an emulated machine no CPU ever looks full; that others wait for it tells. */
static void a_core_that_never_looks_full_but_is_waited_for_gets_a_second_one_too(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.stolen = 0.2;
        rise_and_expect_a_second_core(fixture);
        stop(fixture);
}

/* One thread cannot be on two CPUs. */
static void a_core_that_one_worker_fills_gets_no_second_one(void **state) {
        struct fixture *fixture = *state;
        add_thread(fixture, 0, 1, 0);
        add_thread(fixture, 1, 0, 0);
        start(fixture);
        epochs(fixture, 200);
        assert_int_equal(n_cores(fixture), 1);
        stop(fixture);
}

/* The most changes of the set of I/O cores within any minute. */
static unsigned most_changes_in_a_minute(const struct fixture *fixture, uint64_t from) {
        unsigned most = 0;
        for (size_t i = 0; i < fixture->n_events; i++) {
                unsigned n = 0;
                for (size_t k = i; k < fixture->n_events && fixture->events[k].usec < fixture->events[i].usec + 60000000; k++)
                        n += strcmp(fixture->events[k].kind, "core-added") == 0 || strcmp(fixture->events[k].kind, "core-removed") == 0;
                if (fixture->events[i].usec >= from && n > most)
                        most = n;
        }
        return most;
}

static double random_share(uint64_t *seed) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        return (double) (*seed >> 40) / (double) (1u << 24);
}

static void when_the_load_falls_back_the_cores_do_so_without_flapping(void **state) {
        struct fixture *fixture = *state;
        const char *given = getenv("IOCORE_SEED");
        uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t) time(NULL);
        printf("# seed %llu\n", (unsigned long long) seed);
        for (unsigned round = 0; round < 4; round++) {
                rise_and_expect_a_second_core(fixture);
                uint64_t fell = fixture->now;
                bool fell_back = false;
                double level = 0.03 + 0.03 * round; /* of each of the four */
                for (unsigned i = 0; i < 3000; i++) {
                        for (unsigned k = 0; k < 4; k++)
                                fixture->toy.threads[k].demand = level * 2 * random_share(&seed) + (random_share(&seed) < 0.03 ? 0.4 : 0);
                        epochs(fixture, 1);
                        fell_back = fell_back || n_cores(fixture) == 1;
                }
                assert_true(fell_back);
                assert_in_range(n_cores(fixture), 1, 2); /* a burst now and then may be worth one */
                assert_in_range(most_changes_in_a_minute(fixture, fell), 1, 2);
                stop(fixture);
                fixture->n_events = 0;
                memset(fixture->toy.threads, 0, sizeof fixture->toy.threads);
        }
}

/* --- when nothing happens --- */

/* With announcements, reserved guests, and in all epochs that bring no scan: a scan is once a second, and plugins may open files then. */
static void measure_steady_epochs(struct fixture *fixture) {
        fixture->toy.announces = true;
        for (unsigned i = 0; i < 8; i++)
                add_thread(fixture, i, 0.15, i % 2);
        start(fixture);
        epochs(fixture, 200);
        assert_int_equal(n_cores(fixture), 2);
        assert_int_not_equal(fixture->toy.guests[0], 0xff);
        memset(&call_counts, 0, sizeof call_counts);
        call_counts.counting = true;
        epochs(fixture, 100);
        call_counts.counting = false;
        printf("# %lu allocations, %lu frees, %lu opens, %lu formatted texts in 100 epochs\n", call_counts.allocations, call_counts.frees, call_counts.opens,
               call_counts.formats);
}

static void a_steady_epoch_allocates_opens_and_formats_nothing(void **state) {
        struct fixture *fixture = *state;
        fixture->scan_usec = 3600000000u;
        measure_steady_epochs(fixture);
        assert_int_equal(call_counts.allocations, 0);
        assert_int_equal(call_counts.frees, 0);
        assert_int_equal(call_counts.opens, 0);
        assert_int_equal(call_counts.closes, 0);
        assert_int_equal(call_counts.formats, 0);
        stop(fixture);
}

/* Looking at the online CPUs and asking for wants is all that the daemon adds to a plugin's scan. */
static void a_scan_of_a_steady_host_allocates_and_opens_nothing_of_the_daemon_s(void **state) {
        struct fixture *fixture = *state;
        measure_steady_epochs(fixture);
        assert_int_equal(call_counts.allocations, 0);
        assert_int_equal(call_counts.frees, 0);
        assert_int_equal(call_counts.opens, 0);
        stop(fixture);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST_POLICIES(all_workers_are_on_io_cores_within_three_epochs_of_appearing),
                TEST_POLICIES(a_worker_that_comes_is_placed_in_the_epoch_in_which_it_announces_itself),
                TEST_POLICIES(a_full_core_gets_a_second_one_within_five_epochs),
                TEST_POLICIES(a_core_that_never_looks_full_but_is_waited_for_gets_a_second_one_too),
                TEST_POLICIES(a_core_that_one_worker_fills_gets_no_second_one),
                TEST_POLICIES(when_the_load_falls_back_the_cores_do_so_without_flapping),
                TEST_POLICIES(a_steady_epoch_allocates_opens_and_formats_nothing),
                TEST_POLICIES(a_scan_of_a_steady_host_allocates_and_opens_nothing_of_the_daemon_s),
        };
        call_counts_begin();
        return cmocka_run_group_tests(tests, NULL, NULL);
}

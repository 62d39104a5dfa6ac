/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The shipped policies over hosts built by hand, through many epochs: decided in time, no flapping, gain or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/cleanup.h"
#include "fixture.h"

#define EPOCHS_A_MINUTE (60 * 1000000 / FIXTURE_EPOCH_USEC)

static unsigned seed = 1;

/* -1 .. 1 */
static double noise(void) {
        return 2.0 * (double) rand_r(&seed) / RAND_MAX - 1.0;
}

static void start(struct fixture *fixture, size_t n_nodes, size_t cpus_per_node, const char *policy) {
        fixture_init(fixture, n_nodes, cpus_per_node);
        fixture_copy_shipped(fixture, policy);
        fixture_load(fixture);
        assert_int_equal(policy_set_size(fixture->set), 1);
        assert_string_equal(policy_set_info(fixture->set, 0)->error, "");
        assert_int_equal(policy_set_info(fixture->set, 0)->state, POLICY_LOADED);
}

static void still_runs(struct fixture *fixture) {
        assert_string_equal(policy_set_info(fixture->set, 0)->error, "");
        assert_int_equal(policy_set_info(fixture->set, 0)->state, POLICY_LOADED);
}

static void add_units(struct fixture *fixture, unsigned n, int node, double load) {
        for (unsigned i = 0; i < n; i++) {
                char id[IOCORE_ID_MAX];

                snprintf(id, sizeof(id), "d.%zu", fixture->host.n_units + 1);
                fixture_add_unit(fixture, id, node)->load = load;
        }
}

static void set_loads(struct fixture *fixture, double load) {
        for (size_t i = 0; i < fixture->host.n_units; i++)
                fixture->host.units[i]->load = load;
}

/* Runs epochs, carrying out what is asked for, until the number of I/O cores of node 0 is `wanted`; returns how many it took, at most `limit` + 1. */
static unsigned epochs_until_cores(struct fixture *fixture, size_t wanted, unsigned limit) {
        unsigned n = 0;

        while (n <= limit) {
                n++;
                fixture_epoch(fixture);
                fixture_carry_out(fixture);
                size_t cores = 0;
                for (size_t i = 0; i < fixture->host.n_cpus; i++)
                        cores += fixture->host.cpus[i].io_core && fixture->host.cpus[i].topology->node == 0;
                if (cores == wanted)
                        break;
        }
        return n;
}

static void run(struct fixture *fixture, unsigned epochs) {
        for (unsigned i = 0; i < epochs; i++) {
                fixture_epoch(fixture);
                fixture_carry_out(fixture);
        }
}

static void the_first_core_comes_on_the_second_epoch_of_load_and_takes_the_nodes_units(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, 2, 4, "50-dynamic-cores.lua");
        add_units(&fixture, 4, 0, 0);
        add_units(&fixture, 4, 1, 0);
        run(&fixture, 50);
        assert_int_equal(fixture.intents.n, 0);
        for (size_t i = 0; i < 4; i++)
                fixture.host.units[i]->load = 0.2;
        assert_int_equal(epochs_until_cores(&fixture, 1, 3), 2);
        assert_int_equal(fixture.intents.n, 1);
        assert_int_equal(fixture.intents.intents[0].action, INTENT_GROW);
        assert_int_equal(fixture.intents.intents[0].node, 0);
        assert_true(fixture.intents.intents[0].n_evidence >= 2);
        assert_string_not_equal(fixture.intents.intents[0].reason, "");
        run(&fixture, 100);
        for (size_t i = 0; i < 8; i++)
                assert_int_equal(fixture.host.units[i]->core, i < 4 ? 0 : IOCORE_CPU_ANY);
        still_runs(&fixture);
        fixture_done(&fixture);
}

static void a_full_worker_shared_by_nodes_is_overload(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, 4, 4, "50-dynamic-cores.lua");
        for (int node = 0; node < 4; node++)
                add_units(&fixture, node == 2 ? 3 : 2, node, 0);
        /* one worker on the VM cores for all: each node has a part of it that would not be worth an I/O core */
        struct worker worker = { .pub = { .id = "w.1", .cpu = IOCORE_CPU_ANY, .shared = true, .is_default = true }, .n_samples = 2, .load = 0.8, .load_average = 0.8 };
        struct worker *workers[] = { &worker };
        fixture.host.workers = workers;
        fixture.host.n_workers = 1;
        for (size_t i = 0; i < fixture.host.n_units; i++)
                fixture.host.units[i]->pub.worker = &worker.pub;
        set_loads(&fixture, 0.09);
        run(&fixture, 50);
        assert_int_equal(fixture.intents.n, 0);
        worker.load = 1;
        unsigned n = 0;
        do {
                assert_true(++n <= 3);
                fixture_epoch(&fixture);
        } while (fixture.intents.n == 0);
        /* only one: the others are judged again when the worker has less to do */
        assert_int_equal(fixture.intents.n, 1);
        assert_int_equal(fixture.intents.intents[0].action, INTENT_GROW);
        assert_int_equal(fixture.intents.intents[0].node, 2);
        assert_non_null(strstr(fixture.intents.intents[0].reason, "w.1"));
        fixture_carry_out(&fixture);
        worker.load = 0.7;
        run(&fixture, 50);
        assert_int_equal(fixture.host.nodes[0].n_io_cores + fixture.host.nodes[1].n_io_cores + fixture.host.nodes[3].n_io_cores, 0);
        assert_int_equal(fixture.host.nodes[2].n_io_cores, 1);
        still_runs(&fixture);
        fixture.host.workers = NULL;
        fixture.host.n_workers = 0;
        fixture_done(&fixture);
}

static void many_units_are_placed_in_steps_that_the_planner_carries_out(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, 1, 4, "50-dynamic-cores.lua");
        fixture_set_core(&fixture, 0, true, false);
        add_units(&fixture, 100, 0, 0.006);
        size_t placed = 0, refused = 0;
        for (unsigned epoch = 0; epoch < 80 && placed < 100; epoch++) {
                fixture_epoch(&fixture);
                assert_true(fixture.intents.n <= 16);
                /* a planner that is configured to let through only four moves an epoch */
                refused += fixture.intents.n > 4 ? fixture.intents.n - 4 : 0;
                fixture.intents.n = fixture.intents.n > 4 ? 4 : fixture.intents.n;
                fixture_carry_out(&fixture);
                placed = 0;
                for (size_t i = 0; i < fixture.host.n_units; i++)
                        placed += fixture.host.units[i]->core == 0;
        }
        assert_true(refused > 0);
        assert_int_equal(placed, 100);
        still_runs(&fixture);
        fixture_done(&fixture);
}

static void overload_is_answered_on_its_second_epoch(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, 1, 8, "50-dynamic-cores.lua");
        add_units(&fixture, 4, 0, 0.15);
        run(&fixture, 30);
        assert_int_equal(fixture.host.nodes[0].n_io_cores, 1);
        set_loads(&fixture, 0.24);
        assert_int_equal(epochs_until_cores(&fixture, 2, 3), 2);
        still_runs(&fixture);
        fixture_done(&fixture);
}

static void six_threads_that_want_a_cpu_each_are_gathered_then_spread_then_given_back(void **state) {
        struct fixture fixture;
        unsigned epochs;

        (void) state;
        start(&fixture, 1, 8, "50-dynamic-cores.lua");
        add_units(&fixture, 6, 0, 1);
        fixture.host.nodes[0].vm_sampled = true;
        fixture.host.nodes[0].vm_idle = 2;
        assert_true(epochs_until_cores(&fixture, 1, 5) <= 3);
        /* on one core they cannot use more than it has */
        set_loads(&fixture, 1.0 / 6);
        fixture.host.nodes[0].vm_idle = 7;
        assert_true(epochs_until_cores(&fixture, 2, 5) <= 3);
        /* no more when the VM cores have nothing to spare */
        for (size_t i = 0; i < 6; i++)
                fixture.host.units[i]->load = 1.0 / 3;
        fixture.host.nodes[0].vm_idle = 1;
        run(&fixture, 100);
        assert_int_equal(fixture.host.nodes[0].n_io_cores, 2);
        set_loads(&fixture, 0);
        epochs = epochs_until_cores(&fixture, 1, 60);
        assert_in_range(epochs, 20, 40);
        epochs = epochs_until_cores(&fixture, 0, 60);
        assert_in_range(epochs, 20, 40);
        still_runs(&fixture);
        fixture_done(&fixture);
}

static void busy_vm_cores_are_not_taken(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, 1, 8, "50-dynamic-cores.lua");
        fixture_set_core(&fixture, 0, true, true);
        add_units(&fixture, 2, 0, 0.5);
        fixture.host.units[0]->core = fixture.host.units[1]->core = 0;
        fixture.host.nodes[0].vm_sampled = true;
        fixture.host.nodes[0].vm_idle = 0.9;
        for (unsigned i = 0; i < 100; i++) {
                fixture_epoch(&fixture);
                assert_int_equal(fixture.intents.n, 0);
        }
        fixture.host.nodes[0].vm_idle = 1.1;
        assert_true(epochs_until_cores(&fixture, 2, 3) <= 2);
        fixture_done(&fixture);
}

/* What a steady load of that many cores, spread over 12 units, does to the set of I/O cores: with noise of +-20 % on all of them together. */
struct unrest {
        unsigned worst_minute; /* changes within any 60 s */
        unsigned changes;      /* in all */
};

/* The first minute finds the number of cores, and is not counted. */
static struct unrest find_unrest(double load, bool contended, unsigned minutes) {
        enum { UNITS = 12, CHANGES_MAX = 1024 };
        unsigned epochs[CHANGES_MAX], oldest = 0;
        struct unrest unrest = { 0 };
        struct fixture fixture;

        start(&fixture, 1, 16, "50-dynamic-cores.lua");
        fixture.contended = contended;
        add_units(&fixture, UNITS, 0, 0);
        for (unsigned epoch = 0; epoch < (minutes + 1) * EPOCHS_A_MINUTE; epoch++) {
                set_loads(&fixture, load / UNITS * (1 + 0.2 * noise()));
                fixture_epoch(&fixture);
                unsigned n = fixture_carry_out(&fixture);
                if (epoch < EPOCHS_A_MINUTE)
                        continue;
                for (; n > 0; n--) {
                        assert_true(unrest.changes < CHANGES_MAX);
                        epochs[unrest.changes++] = epoch;
                }
                while (oldest < unrest.changes && epochs[oldest] + EPOCHS_A_MINUTE <= epoch)
                        oldest++;
                if (unrest.changes - oldest > unrest.worst_minute)
                        unrest.worst_minute = unrest.changes - oldest;
        }
        still_runs(&fixture);
        fixture_done(&fixture);
        return unrest;
}

static void assert_calm(bool contended) {
        for (unsigned i = 0; i < 36; i++) {
                double load = 0.05 + 0.11 * i;
                struct unrest unrest = find_unrest(load, contended, 10);

                if (unrest.worst_minute > 2 || unrest.changes > 4)
                        print_error("load %.2f: %u changes in ten minutes, %u in the worst one\n", load, unrest.changes, unrest.worst_minute);
                assert_true(unrest.worst_minute <= 2);
                /* what was found to be too few is not tried again and again */
                assert_true(unrest.changes <= 4);
        }
}

static void noise_changes_the_number_of_cores_at_most_twice_a_minute(void **state) {
        (void) state;
        assert_calm(false);
}

static void noise_where_units_wait_for_their_cores_changes_it_no_more_often(void **state) {
        (void) state;
        assert_calm(true);
}

static void a_load_that_comes_and_goes_every_few_seconds_soon_keeps_its_cores(void **state) {
        struct fixture fixture;
        unsigned changes = 0;

        (void) state;
        start(&fixture, 1, 8, "50-dynamic-cores.lua");
        add_units(&fixture, 8, 0, 0);
        for (unsigned i = 0; i < 10 * EPOCHS_A_MINUTE; i++) {
                set_loads(&fixture, i / 50 % 2 ? 1.5 / 8 : 0.3 / 8);
                fixture_epoch(&fixture);
                unsigned n = fixture_carry_out(&fixture);
                if (i >= EPOCHS_A_MINUTE)
                        changes += n;
        }
        assert_true(changes <= 9 * 2);
        fixture_done(&fixture);
}

static void a_shrink_waits_and_goes_one_core_at_a_time(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, 1, 8, "50-dynamic-cores.lua");
        for (int i = 0; i < 4; i++)
                fixture_set_core(&fixture, i, true, true);
        add_units(&fixture, 8, 0, 0.3);
        for (size_t i = 0; i < 8; i++)
                fixture.host.units[i]->core = (int) i / 2;
        run(&fixture, 40);
        /* 2.4 cores of work: 3 would be filled beyond 0.7 */
        assert_int_equal(fixture.host.nodes[0].n_io_cores, 4);
        set_loads(&fixture, 0.15);
        /* 1.2 cores of work: 3 and 2 can carry it, 1 cannot */
        assert_in_range(epochs_until_cores(&fixture, 3, 60), 20, 32);
        assert_in_range(epochs_until_cores(&fixture, 2, 60), 20, 32);
        run(&fixture, 200);
        assert_int_equal(fixture.host.nodes[0].n_io_cores, 2);
        still_runs(&fixture);
        fixture_done(&fixture);
}

static void cores_that_iocored_did_not_make_are_left_alone(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, 1, 8, "50-dynamic-cores.lua");
        fixture_set_core(&fixture, 0, true, false);
        fixture_set_core(&fixture, 1, true, false);
        for (unsigned i = 0; i < 200; i++) {
                fixture_epoch(&fixture);
                assert_int_equal(fixture.intents.n, 0);
        }
        fixture_done(&fixture);
}

static void the_last_core_stays_when_it_is_told_to(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, 1, 8, "50-dynamic-cores.lua");
        assert_int_equal(policy_set_parameter(fixture.set, "dynamic-cores", "release_last", "no"), 0);
        fixture_set_core(&fixture, 0, true, true);
        run(&fixture, 200);
        assert_int_equal(fixture.host.nodes[0].n_io_cores, 1);
        assert_int_equal(policy_set_parameter(fixture.set, "dynamic-cores", "release_last", "yes"), 0);
        assert_true(epochs_until_cores(&fixture, 0, 60) <= 40);
        fixture_done(&fixture);
}

static void what_is_refused_is_asked_for_ever_more_rarely(void **state) {
        struct fixture fixture;
        unsigned asked = 0;

        (void) state;
        start(&fixture, 1, 8, "50-dynamic-cores.lua");
        fixture_set_core(&fixture, 0, true, true);
        add_units(&fixture, 2, 0, 0.5);
        fixture.host.units[0]->core = fixture.host.units[1]->core = 0;
        for (unsigned i = 0; i < 1000; i++) {
                fixture_epoch(&fixture);
                asked += (unsigned) fixture.intents.n;
        }
        assert_in_range(asked, 5, 30);
        fixture_done(&fixture);
}

static void a_unit_that_appears_goes_to_the_least_loaded_core_of_its_node(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, 2, 4, "50-dynamic-cores.lua");
        for (int cpu = 0; cpu < 6; cpu += cpu == 1 ? 3 : 1)
                fixture_set_core(&fixture, cpu, true, true);
        add_units(&fixture, 3, 0, 0.4);
        fixture.host.units[0]->core = 0;
        fixture.host.units[1]->core = 1;
        fixture.host.units[1]->load = 0.3;
        fixture.host.units[2]->core = 0;
        run(&fixture, 5);
        add_units(&fixture, 1, 0, 0);
        fixture_event(&fixture, HOST_DEVICE_ADDED, "d.4");
        fixture_epoch(&fixture);
        assert_int_equal(fixture.intents.n, 1);
        assert_int_equal(fixture.intents.intents[0].action, INTENT_MOVE);
        assert_string_equal(fixture.intents.intents[0].object, "d.4");
        assert_int_equal(fixture.intents.intents[0].cpu, 1);
        /* one whose placing failed is tried again, but rarely */
        unsigned asked = 0;
        for (unsigned i = 0; i < 1000; i++) {
                fixture_epoch(&fixture);
                for (size_t j = 0; j < fixture.intents.n; j++)
                        asked += fixture.intents.intents[j].action == INTENT_MOVE;
        }
        assert_in_range(asked, 5, 10);
        still_runs(&fixture);
        fixture_done(&fixture);
}

static void a_unit_that_goes_at_once_harms_nobody(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, 1, 4, "50-dynamic-cores.lua");
        fixture_set_core(&fixture, 0, true, true);
        fixture_event(&fixture, HOST_DEVICE_ADDED, "d.1");
        fixture_event(&fixture, HOST_DEVICE_REMOVED, "d.1");
        fixture_epoch(&fixture);
        assert_int_equal(fixture.intents.n, 0);
        still_runs(&fixture);
        fixture_done(&fixture);
}

/* --- 60-balance */

static double busiest(const struct fixture *fixture) {
        double highest = 0;

        for (size_t i = 0; i < fixture->host.n_cpus; i++)
                if (fixture->host.cpus[i].io_core && fixture->host.cpus[i].load > highest)
                        highest = fixture->host.cpus[i].load;
        return highest;
}

static void units_move_off_the_busiest_core_within_the_limit_of_moves(void **state) {
        struct fixture fixture;
        unsigned moves = 0;

        (void) state;
        start(&fixture, 1, 8, "60-balance.lua");
        for (int i = 0; i < 3; i++)
                fixture_set_core(&fixture, i, true, true);
        add_units(&fixture, 6, 0, 0.15);
        for (size_t i = 0; i < 6; i++)
                fixture.host.units[i]->core = 0;
        for (unsigned i = 0; i < 3 * 30; i++) {
                fixture_epoch(&fixture);
                assert_true(fixture.intents.n <= 2);
                if (i < 2)
                        assert_int_equal(fixture.intents.n, 0);
                moves += (unsigned) fixture.intents.n;
                fixture_carry_out(&fixture);
        }
        fixture_epoch(&fixture);
        assert_true(busiest(&fixture) < 0.31);
        assert_int_equal(moves, 4);
        still_runs(&fixture);
        fixture_done(&fixture);
}

static void nothing_moves_without_gain(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, 1, 8, "60-balance.lua");
        fixture_set_core(&fixture, 0, true, true);
        fixture_set_core(&fixture, 1, true, true);
        /* one heavy unit: moving it only swaps the cores' places */
        add_units(&fixture, 1, 0, 0.8);
        fixture.host.units[0]->core = 0;
        for (unsigned i = 0; i < 300; i++) {
                fixture_epoch(&fixture);
                assert_int_equal(fixture.intents.n, 0);
        }
        still_runs(&fixture);
        fixture_done(&fixture);
}

static void a_gain_of_less_than_a_quarter_moves_nothing(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, 1, 8, "60-balance.lua");
        fixture_set_core(&fixture, 0, true, true);
        fixture_set_core(&fixture, 1, true, true);
        /* 0.84 and 0.4: moving the 0.04 gives 0.80 and 0.44, (0.36 / 0.44)^2 = 0.67 of the variance; the 0.02 alone 0.83 of it */
        add_units(&fixture, 3, 0, 0.4);
        fixture.host.units[0]->load = 0.82;
        fixture.host.units[0]->core = 0;
        fixture.host.units[1]->load = 0.02;
        fixture.host.units[1]->core = 0;
        fixture.host.units[2]->core = 1;
        for (unsigned i = 0; i < 100; i++) {
                fixture_epoch(&fixture);
                assert_int_equal(fixture.intents.n, 0);
        }
        fixture.host.units[1]->load = 0.06;
        run(&fixture, 60);
        assert_int_equal(fixture.host.units[1]->core, 1);
        fixture_done(&fixture);
}

static void what_cannot_go_there_is_not_asked_to(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, 1, 8, "50-dynamic-cores.lua");
        fixture_set_core(&fixture, 0, true, true);
        add_units(&fixture, 3, 0, 0.2);
        fixture.host.units[0]->core = 0;
        fixture.host.units[1]->core = fixture.host.units[2]->core = IOCORE_CPU_ANY;
        fixture.host.units[1]->pub.manual = fixture.host.units[2]->pub.blocked = true;
        for (unsigned i = 0; i < 100; i++) {
                fixture_epoch(&fixture);
                assert_int_equal(fixture.intents.n, 0);
        }
        fixture.host.units[2]->pub.blocked = false;
        run(&fixture, 100);
        assert_int_equal(fixture.host.units[1]->core, IOCORE_CPU_ANY);
        assert_int_equal(fixture.host.units[2]->core, 0);
        fixture_done(&fixture);
}

static void nothing_moves_between_nodes_nor_by_hand_pinned_units(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, 2, 4, "60-balance.lua");
        fixture_set_core(&fixture, 0, true, true);
        fixture_set_core(&fixture, 4, true, true);
        fixture_set_core(&fixture, 5, true, true);
        add_units(&fixture, 4, 0, 0.2);
        add_units(&fixture, 2, 1, 0.3);
        for (size_t i = 0; i < 6; i++) {
                fixture.host.units[i]->core = i < 4 ? 0 : 4;
                fixture.host.units[i]->pub.manual = i == 4;
                fixture.host.units[i]->pub.blocked = i == 5;
        }
        for (unsigned i = 0; i < 100; i++) {
                fixture_epoch(&fixture);
                assert_int_equal(fixture.intents.n, 0);
        }
        fixture_done(&fixture);
}

static void noise_moves_at_most_two_units_a_minute(void **state) {
        struct fixture fixture;
        unsigned worst = 0;

        (void) state;
        start(&fixture, 1, 8, "60-balance.lua");
        for (int i = 0; i < 4; i++)
                fixture_set_core(&fixture, i, true, true);
        add_units(&fixture, 16, 0, 0);
        for (size_t i = 0; i < 16; i++)
                fixture.host.units[i]->core = (int) i % 4;
        for (unsigned minute = 0; minute < 10; minute++) {
                unsigned moves = 0;

                for (unsigned i = 0; i < EPOCHS_A_MINUTE; i++) {
                        for (size_t j = 0; j < 16; j++)
                                fixture.host.units[j]->load = 0.15 * (1 + 0.2 * noise());
                        fixture_epoch(&fixture);
                        moves += (unsigned) fixture.intents.n;
                        fixture_carry_out(&fixture);
                }
                if (moves > worst)
                        worst = moves;
        }
        assert_true(worst <= 2);
        fixture_done(&fixture);
}

/* --- 70-adaptive-polling */

/* A queue that is served by the I/O core CPU 0, which is made one. */
static struct queue *add_queue(struct fixture *fixture, const char *id) {
        struct unit *unit;

        fixture_set_core(fixture, 0, true, true);
        if (fixture->host.n_units == 0)
                fixture_add_unit(fixture, "d.1", 0)->core = 0;
        unit = fixture->host.units[0];
        return fixture_add_queue(fixture, id, unit);
}

static void set_queue(struct queue *queue, double works, double load) {
        queue->works_per_second = works;
        queue->load = load;
}

static void busy_queues_are_polled_and_idle_ones_get_notifications_back(void **state) {
        struct fixture fixture;
        struct queue *queue, *mute;

        (void) state;
        start(&fixture, 1, 4, "70-adaptive-polling.lua");
        queue = add_queue(&fixture, "vq.1.0");
        mute = add_queue(&fixture, "vq.1.1");
        mute->pub.can_poll = false;
        set_queue(queue, 5000, 0.2);
        set_queue(mute, 5000, 0.2);
        run(&fixture, 2);
        assert_false(queue->pub.poll);
        run(&fixture, 1);
        assert_true(queue->pub.poll);
        assert_false(mute->pub.poll);
        /* polled: no notifications any more, and that alone is no reason to stop */
        set_queue(queue, 0, 0.2);
        run(&fixture, 100);
        assert_true(queue->pub.poll);
        /* 20 epochs, found at one of the looks that are 5 epochs apart */
        set_queue(queue, 0, 0.01);
        run(&fixture, 15);
        assert_true(queue->pub.poll);
        run(&fixture, 10);
        assert_false(queue->pub.poll);
        /* not sampled at all since its worker idles; more than a minute later, so that giving them back was right */
        run(&fixture, EPOCHS_A_MINUTE + 10);
        set_queue(queue, 5000, 0.2);
        run(&fixture, 3);
        assert_true(queue->pub.poll);
        set_queue(queue, 0, 0);
        run(&fixture, 26);
        assert_false(queue->pub.poll);
        still_runs(&fixture);
        fixture_done(&fixture);
}

static void only_queues_on_io_cores_are_polled(void **state) {
        struct fixture fixture;
        struct queue *queue, *foreign;

        (void) state;
        start(&fixture, 1, 4, "70-adaptive-polling.lua");
        queue = add_queue(&fixture, "vq.1.0");
        foreign = add_queue(&fixture, "vq.1.1");
        foreign->pub.poll = true;
        set_queue(queue, 5000, 0.2);
        set_queue(foreign, 0, 0.2);
        fixture.host.units[0]->core = IOCORE_CPU_ANY;
        run(&fixture, 20);
        assert_false(queue->pub.poll);
        fixture.host.units[0]->core = 0;
        run(&fixture, 5);
        assert_true(queue->pub.poll);
        fixture.host.units[0]->core = IOCORE_CPU_ANY;
        run(&fixture, 5);
        assert_false(queue->pub.poll);
        /* what somebody else lets poll is left alone while it is busy */
        assert_true(foreign->pub.poll);
        still_runs(&fixture);
        fixture_done(&fixture);
}

static void noise_switches_a_queue_at_most_twice_a_minute(void **state) {
        (void) state;
        for (unsigned step = 1; step <= 20; step++) {
                double scale = 0.15 * step;
                struct fixture fixture;
                struct queue *queue;
                unsigned worst = 0;

                start(&fixture, 1, 4, "70-adaptive-polling.lua");
                queue = add_queue(&fixture, "vq.1.0");
                for (unsigned minute = 0; minute < 4; minute++) {
                        unsigned changes = 0;

                        for (unsigned i = 0; i < EPOCHS_A_MINUTE; i++) {
                                set_queue(queue, queue->pub.poll ? 0 : 2000 * scale * (1 + 0.2 * noise()), 0.05 * scale * (1 + 0.2 * noise()));
                                fixture_epoch(&fixture);
                                changes += (unsigned) fixture.intents.n;
                                fixture_carry_out(&fixture);
                        }
                        if (changes > worst)
                                worst = changes;
                }
                if (worst > 2)
                        print_error("scale %.2f: %u changes in a minute\n", scale, worst);
                assert_true(worst <= 2);
                fixture_done(&fixture);
        }
}

static void a_queue_that_works_in_bursts_is_soon_left_polled(void **state) {
        struct fixture fixture;
        struct queue *queue;
        unsigned changes[2] = { 0, 0 };

        (void) state;
        start(&fixture, 1, 4, "70-adaptive-polling.lua");
        queue = add_queue(&fixture, "vq.1.0");
        /* one second of work, three seconds of none */
        for (unsigned minute = 0; minute < 2; minute++)
                for (unsigned i = 0; i < EPOCHS_A_MINUTE; i++) {
                        bool works = i % 40 < 10;

                        set_queue(queue, works && !queue->pub.poll ? 20000 : 0, works ? 0.3 : 0);
                        fixture_epoch(&fixture);
                        changes[minute] += (unsigned) fixture.intents.n;
                        fixture_carry_out(&fixture);
                }
        assert_in_range(changes[0], 1, 6);
        assert_int_equal(changes[1], 0);
        /* and given its notifications back when there is really nothing any more */
        set_queue(queue, 0, 0);
        run(&fixture, 1000);
        assert_false(queue->pub.poll);
        still_runs(&fixture);
        fixture_done(&fixture);
}

static void nothing_is_polled_where_polling_cannot_be_had(void **state) {
        struct fixture fixture;

        (void) state;
        start(&fixture, 1, 4, "70-adaptive-polling.lua");
        set_queue(add_queue(&fixture, "vq.1.0"), 5000, 0.5);
        fixture.unavailable = "poll";
        for (unsigned i = 0; i < 20; i++) {
                fixture_epoch(&fixture);
                assert_int_equal(fixture.intents.n, 0);
        }
        still_runs(&fixture);
        fixture_done(&fixture);
}

static void a_thousand_busy_queues_are_switched_a_few_at_a_time(void **state) {
        struct fixture fixture;
        unsigned n = 0;

        (void) state;
        start(&fixture, 1, 4, "70-adaptive-polling.lua");
        for (unsigned i = 0; i < 1000; i++) {
                char id[IOCORE_ID_MAX];

                snprintf(id, sizeof(id), "vq.%u.0", i);
                set_queue(add_queue(&fixture, id), 5000, 0.06);
        }
        for (unsigned i = 0; i < 80; i++) {
                fixture_epoch(&fixture);
                assert_true(fixture.intents.n <= 16);
                n += (unsigned) fixture.intents.n;
                fixture_carry_out(&fixture);
        }
        assert_int_equal(n, 1000);
        still_runs(&fixture);
        fixture_done(&fixture);
}

/* --- the manual */

static void the_example_of_the_manual_does_what_it_says(void **state) {
        char path[1024], page[65536], *begin, *end;
        struct fixture fixture;
        FILE *file;
        size_t size;

        (void) state;
        snprintf(path, sizeof(path), "%s/../man/iocored-policy.7", SHIPPED_POLICIES);
        file = fopen(path, "re");
        assert_non_null(file);
        size = fread(page, 1, sizeof(page) - 1, file);
        (void) fclose(file);
        page[size] = '\0';
        begin = strstr(page, "\nreturn policy {");
        end = begin ? strstr(begin, "\n.Ed") : NULL;
        assert_non_null(end);
        fixture_init(&fixture, 2, 4);
        fixture_write_bytes(&fixture, "50-example.lua", begin, (size_t) (end - begin));
        fixture_load(&fixture);
        still_runs(&fixture);
        add_units(&fixture, 2, 0, 0.3);
        assert_true(epochs_until_cores(&fixture, 1, 10) <= 10);
        run(&fixture, 50);
        assert_int_equal(fixture.host.nodes[0].n_io_cores, 1);
        set_loads(&fixture, 0.1);
        epochs_until_cores(&fixture, 0, 20);
        assert_string_equal(fixture.intents.intents[0].reason, "it is not any more");
        still_runs(&fixture);
        fixture_done(&fixture);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_first_core_comes_on_the_second_epoch_of_load_and_takes_the_nodes_units),
                cmocka_unit_test(a_full_worker_shared_by_nodes_is_overload),
                cmocka_unit_test(many_units_are_placed_in_steps_that_the_planner_carries_out),
                cmocka_unit_test(overload_is_answered_on_its_second_epoch),
                cmocka_unit_test(six_threads_that_want_a_cpu_each_are_gathered_then_spread_then_given_back),
                cmocka_unit_test(busy_vm_cores_are_not_taken),
                cmocka_unit_test(noise_changes_the_number_of_cores_at_most_twice_a_minute),
                cmocka_unit_test(noise_where_units_wait_for_their_cores_changes_it_no_more_often),
                cmocka_unit_test(a_load_that_comes_and_goes_every_few_seconds_soon_keeps_its_cores),
                cmocka_unit_test(a_shrink_waits_and_goes_one_core_at_a_time),
                cmocka_unit_test(cores_that_iocored_did_not_make_are_left_alone),
                cmocka_unit_test(the_last_core_stays_when_it_is_told_to),
                cmocka_unit_test(what_is_refused_is_asked_for_ever_more_rarely),
                cmocka_unit_test(a_unit_that_appears_goes_to_the_least_loaded_core_of_its_node),
                cmocka_unit_test(a_unit_that_goes_at_once_harms_nobody),
                cmocka_unit_test(units_move_off_the_busiest_core_within_the_limit_of_moves),
                cmocka_unit_test(nothing_moves_without_gain),
                cmocka_unit_test(a_gain_of_less_than_a_quarter_moves_nothing),
                cmocka_unit_test(nothing_moves_between_nodes_nor_by_hand_pinned_units),
                cmocka_unit_test(what_cannot_go_there_is_not_asked_to),
                cmocka_unit_test(noise_moves_at_most_two_units_a_minute),
                cmocka_unit_test(busy_queues_are_polled_and_idle_ones_get_notifications_back),
                cmocka_unit_test(only_queues_on_io_cores_are_polled),
                cmocka_unit_test(noise_switches_a_queue_at_most_twice_a_minute),
                cmocka_unit_test(a_queue_that_works_in_bursts_is_soon_left_polled),
                cmocka_unit_test(nothing_is_polled_where_polling_cannot_be_had),
                cmocka_unit_test(the_example_of_the_manual_does_what_it_says),
                cmocka_unit_test(a_thousand_busy_queues_are_switched_a_few_at_a_time),
        };
        const char *given = getenv("IOCORE_SEED");

        if (given)
                seed = (unsigned) strtoul(given, NULL, 10);
        printf("# seed %u\n", seed);
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole engine on a made-up stock host: CPUs that come and go. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "engine-fixture.h"

static void units_of_an_io_core_that_goes_offline_move_and_it_may_serve_again(void **state) {
        struct fixture *fixture = *state;
        for (unsigned i = 0; i < 4; i++)
                add_thread(fixture, i, 0.15, 0);
        start(fixture);
        epochs(fixture, 30);
        int cpu = core_of(fixture, 0);
        assert_true(cpu >= 0);
        assert_int_equal(fixture->toy.guests[0], 0xff & ~(1 << cpu));
        set_online(fixture, cpu, false);
        epochs(fixture, 40);
        assert_false(fixture->toy.cores[cpu]);
        assert_false(host_cpu(engine_host(fixture->engine), cpu)->io_core);
        assert_int_equal(n_events(fixture, "core-offline"), 1);
        assert_int_equal(n_events(fixture, "foreign-change"), 0);
        assert_int_equal(n_cores(fixture), 1);
        for (unsigned i = 0; i < 4; i++) {
                assert_true(core_of(fixture, i) >= 0 && core_of(fixture, i) != cpu);
                assert_int_equal(host_unit(engine_host(fixture->engine), i == 0 ? "t.0" : i == 1 ? "t.1" : i == 2 ? "t.2" : "t.3")->state, OBJECT_ACTIVE);
        }
        assert_int_equal(fixture->n_failed, 0);
        uint64_t n_decisions = engine_statistics(fixture->engine)->decisions;
        epochs(fixture, 100);
        assert_int_equal(engine_statistics(fixture->engine)->decisions, n_decisions); /* no loops */

        set_online(fixture, cpu, true);
        epochs(fixture, 20);
        assert_int_equal(n_events(fixture, "cpu-online"), 1);
        assert_int_equal(wish(fixture, INTENT_GROW, cpu, "")->verdict, VERDICT_DONE);
        stop(fixture);
        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(fixture->toy.threads[i].mask, 0xff);
        assert_int_equal(fixture->toy.guests[0], 0xff);
}

static void units_go_home_when_no_other_core_is_there(void **state) {
        struct fixture *fixture = *state;
        add_thread(fixture, 0, 0.5, 0);
        fixture->toy.threads[0].mask = 0x0f;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(wish(fixture, INTENT_GROW, 2, "")->verdict, VERDICT_DONE);
        assert_int_equal(core_of(fixture, 0), 2);
        set_online(fixture, 2, false);
        epochs(fixture, 12);
        assert_int_equal(fixture->toy.threads[0].mask, 0x0f);
        assert_int_equal(n_cores(fixture), 0);
        assert_int_equal(journal_n_entries(engine_journal(fixture->engine)), TOY_GUESTS); /* that keep off an offline CPU */
        stop(fixture);
}

static void a_restore_after_a_crash_knows_the_kernel_s_own_changes(void **state) {
        struct fixture *fixture = *state;
        add_thread(fixture, 0, 0.5, 0);
        fixture->toy.threads[0].mask = 0x0f;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(wish(fixture, INTENT_GROW, 2, "")->verdict, VERDICT_DONE);
        fixture->engine = engine_free(fixture->engine); /* without a restore */
        set_online(fixture, 2, false);
        assert_int_equal(fixture->toy.threads[0].mask, 0xff);
        start(fixture);
        assert_int_equal(fixture->toy.threads[0].mask, 0x0f);
        stop(fixture);
}

static void a_cpu_that_was_offline_at_the_start_gets_its_place_when_it_comes(void **state) {
        struct fixture *fixture = *state;
        set_online(fixture, 5, false);
        set_online(fixture, 6, false);
        char path[256];
        snprintf(path, sizeof path, "rm -rf '%s/sys/devices/system/cpu/cpu5/topology' '%s/sys/devices/system/cpu/cpu6/topology'", fixture->root, fixture->root);
        assert_int_equal(system(path), 0);
        start(fixture);
        epochs(fixture, 3);
        const struct host *host = engine_host(fixture->engine);
        const struct cpu *cpu = host_cpu(host, 5);
        assert_int_equal(host->n_cpus, 8);
        assert_false(cpu->topology->online);
        assert_int_equal(cpu->topology->node, IOCORE_NODE_UNKNOWN);
        assert_int_equal(host_node(host, 1)->n_vm_cores, 2);
        assert_string_equal(wish(fixture, INTENT_GROW, 5, "")->rule, "offline-cpu");
        set_online(fixture, 5, true);
        epochs(fixture, 12);
        assert_true(cpu->topology->online);
        assert_int_equal(cpu->topology->node, 1);
        assert_int_equal(cpu->topology->package, 1);
        assert_ptr_equal(cpu->node, host_node(host, 1));
        assert_true(hwloc_bitmap_isset(cpu->topology->siblings, 5));
        assert_int_equal(host_node(host, 1)->n_vm_cores, 3);
        assert_int_equal(wish(fixture, INTENT_GROW, 5, "")->verdict, VERDICT_DONE);
        assert_false(host_cpu(host, 6)->topology->online);
        stop(fixture);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST_POLICIES(units_of_an_io_core_that_goes_offline_move_and_it_may_serve_again),
                TEST(units_go_home_when_no_other_core_is_there),
                TEST(a_restore_after_a_crash_knows_the_kernel_s_own_changes),
                TEST(a_cpu_that_was_offline_at_the_start_gets_its_place_when_it_comes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

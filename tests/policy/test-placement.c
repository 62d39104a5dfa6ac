/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What policies see of placements, and the shipped policy that uses it, through the planner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/plan/planner.h"
#include "fixture.h"
#include "tests/unit/placement-model.h"

#define GIB ((uint64_t) 1 << 20)
#define EPOCHS(seconds) ((unsigned) ((seconds) * 1000000 / FIXTURE_EPOCH_USEC))

/* Two nodes of four CPUs, with memory. */
static void start(struct fixture *fixture) {
        fixture_init(fixture, 2, 4);
        for (size_t i = 0; i < 2; i++)
                placement_host_memory(&fixture->host, i, 64 * GIB, 32 * GIB);
}

static void start_shipped(struct fixture *fixture) {
        start(fixture);
        fixture_copy_shipped(fixture, "40-numa-placement.lua");
        fixture_load(fixture);
        assert_int_equal(policy_set_size(fixture->set), 1);
        assert_string_equal(policy_set_info(fixture->set, 0)->error, "");
}

static void finish(struct fixture *fixture) {
        assert_string_equal(fixture->stopped, "");
        while (fixture->host.n_domains > 0)
                host_domain_remove(&fixture->host, fixture->host.domains[0]);
        free(fixture->host.domains);
        free(fixture->host.domains_by_pid);
        fixture->host.domains = NULL;
        fixture_done(fixture);
}

/* Two vCPUs anywhere, 4 GiB on `node`. */
static struct domain *add_domain(struct fixture *fixture, const char *name, size_t node) {
        struct domain *domain = placement_domain(&fixture->host, name, 2, "0-7", 4 * GIB);
        placement_cell_memory(&fixture->host, domain, 0, node);
        return domain;
}

/* Runs `n` epochs; how many intents came in all. The last ones stay to be looked at when the last epoch had any. */
static unsigned run(struct fixture *fixture, unsigned n) {
        unsigned sum = 0;
        for (unsigned i = 0; i < n; i++) {
                assert_int_equal(fixture_epoch(fixture), 0);
                sum += (unsigned) fixture->intents.n;
        }
        return sum;
}

/* Until something is asked for; how many epochs that took, at most `limit` + 1. */
static unsigned run_until_asked(struct fixture *fixture, unsigned limit) {
        unsigned n = 0;
        do {
                n++;
                assert_int_equal(fixture_epoch(fixture), 0);
        } while (fixture->intents.n == 0 && n <= limit);
        return n;
}

/* Through the planner, and onto the model. */
static unsigned carry_out(struct fixture *fixture) {
        struct planner_rules rules;
        struct planner *planner;
        struct plan plan;
        unsigned n = 0;
        assert_int_equal(planner_rules_init(&rules), 0);
        assert_int_equal(planner_new(&planner, &rules), 0);
        assert_int_equal(planner_plan(planner, &fixture->host, NULL, fixture->intents.intents, fixture->intents.n, &plan), 0);
        for (size_t i = 0; i < plan.n_decisions; i++) {
                const struct decision *decision = plan.decisions[i];
                struct domain *domain = host_domain(&fixture->host, decision->intent.object);
                assert_int_equal(decision->verdict, VERDICT_PLANNED);
                n++;
                for (size_t j = 0; j < decision->n_steps; j++) {
                        const struct step *step = &decision->steps[j];
                        if (strcmp(step->knob, "vcpu.cpus") == 0)
                                for (size_t vcpu = 0; vcpu < domain->n_vcpus; vcpu++) {
                                        if (strcmp(domain->vcpus[vcpu].pub.knob, step->object) == 0)
                                                placement_vcpu_cpus(domain, vcpu, step->value);
                                }
                        else if (strcmp(step->knob, "numatune.nodeset") == 0)
                                placement_cell_memory(&fixture->host, domain, 0, strtoul(step->value, NULL, 10));
                        else if (step->kind == STEP_MEMORY_MOVE)
                                domain->moving = true;
                }
        }
        plan_done(&plan);
        planner_free(planner);
        planner_rules_done(&rules);
        return n;
}

static void a_domain_that_comes_goes_to_the_node_of_its_memory_once(void **state) {
        struct fixture fixture;
        (void) state;
        start_shipped(&fixture);
        assert_int_equal(run(&fixture, EPOCHS(60)), 0);
        struct domain *domain = add_domain(&fixture, "vm", 1);
        unsigned n = run_until_asked(&fixture, EPOCHS(10));
        assert_in_range(n, EPOCHS(2), EPOCHS(2) + 3);
        assert_int_equal(fixture.intents.n, 1);
        const struct intent *intent = &fixture.intents.intents[0];
        assert_int_equal(intent->action, INTENT_PLACE);
        assert_int_equal(intent->priority, 40);
        assert_string_equal(intent->object, "vm");
        assert_string_equal(intent->value, "0@1 pin=node memory=stay emulator=no");
        assert_non_null(strstr(intent->reason, "whole to node 1"));
        assert_true(intent->n_evidence >= 4);
        assert_int_equal(carry_out(&fixture), 1);
        assert_int_equal(hwloc_bitmap_first(domain->vcpus[0].cpus), 4);
        assert_int_equal(run(&fixture, EPOCHS(120)), 0);
        finish(&fixture);
}

/* Six vCPUs in two cells: too many for a node. All of their memory is on node 0. */
static struct domain *add_large_domain(struct fixture *fixture) {
        struct domain *domain = placement_domain(&fixture->host, "large", 6, "0-7", 12 * GIB);
        placement_cells(domain, 2);
        placement_cell_memory(&fixture->host, domain, 0, 0);
        placement_cell_memory(&fixture->host, domain, 1, 0);
        return domain;
}

static void a_domain_larger_than_a_node_is_split_with_its_memory_once(void **state) {
        struct fixture fixture;
        (void) state;
        start_shipped(&fixture);
        struct domain *domain = add_large_domain(&fixture);
        run_until_asked(&fixture, EPOCHS(10));
        assert_int_equal(fixture.intents.n, 1);
        const struct intent *intent = &fixture.intents.intents[0];
        assert_string_equal(intent->object, "large");
        assert_string_equal(intent->value, "0@0 1@1 pin=node memory=cells emulator=no");
        assert_non_null(strstr(intent->reason, "split to node 0-1"));
        assert_int_equal(carry_out(&fixture), 1);
        assert_true(domain->moving);
        assert_int_equal(hwloc_bitmap_first(domain->vcpus[3].cpus), 4);
        /* as long as that takes */
        assert_int_equal(run(&fixture, EPOCHS(120)), 0);
        placement_cell_memory(&fixture.host, domain, 1, 1);
        domain->moving = false;
        assert_int_equal(run(&fixture, EPOCHS(120)), 0);
        finish(&fixture);
}

static void memory_that_did_not_come_is_asked_for_less_and_less_often(void **state) {
        struct fixture fixture;
        unsigned n = 0;
        (void) state;
        start_shipped(&fixture);
        struct domain *domain = add_large_domain(&fixture);
        run_until_asked(&fixture, EPOCHS(10));
        for (unsigned second = 0; second < 3600; second++) {
                if (fixture.intents.n > 0) {
                        n++;
                        carry_out(&fixture);
                        assert_true(domain->moving);
                        run(&fixture, EPOCHS(20)); /* and nothing comes of it */
                        domain->moving = false;
                }
                for (unsigned i = 0; i < EPOCHS(1) && (i == 0 || fixture.intents.n == 0); i++)
                        run(&fixture, 1);
        }
        assert_in_range(n, 4, 10);
        finish(&fixture);
}

static void memory_stays_or_goes_only_with_all_of_it_where_that_is_configured(void **state) {
        static const char *const values[] = { "stay", "domain" };
        struct fixture fixture;
        (void) state;
        for (size_t i = 0; i < 2; i++) {
                start_shipped(&fixture);
                assert_int_equal(policy_set_parameter(fixture.set, "numa-placement", "memory", values[i]), 0);
                add_large_domain(&fixture);
                run_until_asked(&fixture, EPOCHS(10));
                assert_int_equal(fixture.intents.n, 1);
                assert_non_null(strstr(fixture.intents.intents[0].value, "memory=stay"));
                finish(&fixture);
        }
}

static void what_is_not_carried_out_is_asked_for_less_and_less_often(void **state) {
        struct fixture fixture;
        (void) state;
        start_shipped(&fixture);
        add_domain(&fixture, "vm", 1);
        unsigned first = run(&fixture, EPOCHS(100)), second = run(&fixture, EPOCHS(900));
        assert_in_range(first, 3, 6);
        assert_in_range(second, 2, 5);
        finish(&fixture);
}

static void a_domain_in_somebodys_hands_is_not_asked_about(void **state) {
        struct fixture fixture;
        (void) state;
        start_shipped(&fixture);
        add_domain(&fixture, "manual", 1)->pub.wish = IOCORE_WISH_MANUAL;
        add_domain(&fixture, "pinned", 1)->vcpus[1].pub.by_hand = true;
        add_domain(&fixture, "paused", 1)->pub.state = IOCORE_DOMAIN_PAUSED;
        add_domain(&fixture, "stale", 1)->pub.stale = true;
        assert_int_equal(run(&fixture, EPOCHS(120)), 0);
        finish(&fixture);
}

static void without_news_the_host_is_looked_at_now_and_then_only(void **state) {
        struct fixture fixture;
        (void) state;
        start_shipped(&fixture);
        struct domain *domain = add_domain(&fixture, "vm", 1);
        run_until_asked(&fixture, EPOCHS(10));
        carry_out(&fixture);
        assert_int_equal(run(&fixture, EPOCHS(6)), 0);
        /* nobody tells that its memory has gone elsewhere */
        placement_cell_memory(&fixture.host, domain, 0, 0);
        unsigned n = run_until_asked(&fixture, EPOCHS(60));
        assert_in_range(n, EPOCHS(20), EPOCHS(31));
        assert_int_equal(carry_out(&fixture), 1);
        run(&fixture, EPOCHS(6));
        placement_cell_memory(&fixture.host, domain, 0, 1);
        fixture_set_core(&fixture, 0, true, true);
        fixture_event(&fixture, HOST_CORE_ADDED, "0");
        n = run_until_asked(&fixture, EPOCHS(60));
        assert_in_range(n, EPOCHS(2), EPOCHS(2) + 3);
        finish(&fixture);
}

static void vcpus_get_a_cpu_each_where_that_is_configured(void **state) {
        struct fixture fixture;
        (void) state;
        start_shipped(&fixture);
        assert_int_equal(policy_set_parameter(fixture.set, "numa-placement", "pin_vcpus", "each"), -EINVAL);
        assert_int_equal(policy_set_parameter(fixture.set, "numa-placement", "pin_vcpus", "2"), -EINVAL);
        assert_int_equal(policy_set_parameter(fixture.set, "numa-placement", "pin_vcpus", "cpu"), 0);
        struct domain *domain = add_domain(&fixture, "vm", 0), *other = add_domain(&fixture, "other", 0);
        run_until_asked(&fixture, EPOCHS(10));
        assert_int_equal(fixture.intents.n, 2);
        assert_int_equal(carry_out(&fixture), 2);
        hwloc_bitmap_t all = hwloc_bitmap_alloc();
        for (size_t i = 0; i < 2; i++) {
                hwloc_bitmap_or(all, all, domain->vcpus[i].cpus);
                hwloc_bitmap_or(all, all, other->vcpus[i].cpus);
        }
        assert_int_equal(hwloc_bitmap_weight(all), 4);
        assert_int_equal(hwloc_bitmap_last(all), 3);
        hwloc_bitmap_free(all);
        assert_int_equal(run(&fixture, EPOCHS(120)), 0);
        finish(&fixture);
}

static void only_some_domains_are_placed_at_a_time(void **state) {
        struct fixture fixture;
        unsigned rounds = 0;
        (void) state;
        start_shipped(&fixture);
        for (unsigned i = 0; i < 10; i++) {
                char name[32];
                snprintf(name, sizeof name, "vm%u", i);
                add_domain(&fixture, name, i % 2);
        }
        for (;;) {
                run_until_asked(&fixture, EPOCHS(60));
                if (fixture.intents.n == 0)
                        break;
                assert_true(fixture.intents.n <= 4 && ++rounds < 10);
                carry_out(&fixture);
        }
        assert_true(rounds >= 3);
        finish(&fixture);
}

/* --- what any policy can say */

static void try(const char *body, const char *stopped) {
        struct fixture fixture;
        char text[4096];
        start(&fixture);
        add_domain(&fixture, "vm", 1);
        snprintf(text, sizeof text, "return policy { on_epoch = function(host, p)\n%s\nend }", body);
        fixture_write(&fixture, "10-try.lua", text);
        fixture_load(&fixture);
        assert_string_equal(policy_set_info(fixture.set, 0)->error, "");
        fixture_epoch(&fixture);
        if (stopped) {
                assert_non_null(strstr(fixture.stopped, stopped));
                fixture.stopped[0] = '\0';
        }
        finish(&fixture);
}

static void proposals_are_tables(void **state) {
        (void) state;
        try("local t = host:placements()\n"
            "assert(#t == 1)\n"
            "local x = t[1]\n"
            "assert(x.domain == host:domain('vm') and x.shape == 'whole' and x.nodes == '1' and x.pins == 2 and x.gib == 0)\n"
            "assert(not x.domain.moving)\n"
            "assert(x.gain > 0.5 and x.remote_before == 0.5 and x.remote_after == 0)\n"
            "assert(x.domain:place { placement = x.placement, reason = 'r' })\n"
            "assert(#host:placements { gain = 5 } == 0)\n"
            "assert(host:placements { pin = 'no', memory = 'stay' }[1] == nil)\n"
            "assert(host:placements { pin = 'cpu', memory = 'domain', emulator = true, gib_cost = 0, keep_free = 0.1, max = 1 }[1].placement == '0@1 pin=cpu memory=stay emulator=yes')",
            NULL);
}

static void wrong_options_and_wrong_calls_are_errors(void **state) {
        static const char *const bad[] = { "{ pin = 'all' }", "{ pin = 1 }", "{ memory = true }", "{ gain = 0 }", "{ gain = 'x' }", "{ gain = 0/0 }", "{ keep_free = 2 }", "{ max = 0 }",
                                           "{ max = 65 }",    "{ emulator = 1 }", "{ other = 1 }",  "{ 1 }",        "1",               "{ gib_cost = -1 }" };
        char body[256];
        (void) state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                snprintf(body, sizeof body, "assert(not pcall(host.placements, host, %s))", bad[i]);
                try(body, NULL);
        }
        try("assert(not pcall(host.placements)) assert(not pcall(host.placements, host:domain('vm')))", NULL);
        try("local d = host:domain('vm') assert(not pcall(d.place, d, {})) assert(not pcall(d.place, d, { placement = 1 })) assert(not pcall(d.place, d, { placement = '' }))\n"
            "assert(not pcall(d.place, d, { placement = '0@1', cpus = '1' }))",
            NULL);
        try("while true do host:placements() end", "exceeded");
}

static void vcpus_are_pinned_one_by_one(void **state) {
        struct fixture fixture;
        (void) state;
        try("local d = host:domain('vm')\n"
            "for _, bad in ipairs { {}, { [-1] = '1' }, { x = '1' }, { [0] = 'x' }, { [5000] = '1' }, { [0] = {} }, { [0] = '' } } do assert(not pcall(d.pin, d, { cpus = bad })) end\n"
            "local long = {} for i = 0, 99 do long[i] = '0-3,5' end assert(not pcall(d.pin, d, { cpus = long }))",
            NULL);
        start(&fixture);
        add_domain(&fixture, "vm", 1);
        fixture_write(&fixture, "10-pin.lua", "return policy { on_epoch = function(host) host:domain('vm'):pin { cpus = { [1] = '2-3', [0] = 1 } } end }");
        fixture_load(&fixture);
        fixture_epoch(&fixture);
        assert_int_equal(fixture.intents.n, 1);
        assert_string_equal(fixture.intents.intents[0].value, "0=1;1=2-3");
        assert_int_equal(carry_out(&fixture), 1);
        finish(&fixture);
}

static void a_parameter_can_be_one_of_some_words(void **state) {
        static const char *const bad[] = { "{ default = 'a' }",  "{ default = 'c', values = { 'a', 'b' } }", "{ default = 1, values = { 'a', 'b' } }", "{ default = 'a', values = { 'a' } }",
                                           "{ default = 'a', values = { 'a', 1 } }", "{ default = 'a', values = { 'a', 'B' } }", "{ default = 'a', values = 'a' }", "{ values = { 'a', 'b' } }",
                                           "{ default = 'a', values = { 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i' } }" };
        struct fixture fixture;
        (void) state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                char text[256];
                start(&fixture);
                snprintf(text, sizeof text, "return policy { params = { x = %s } }", bad[i]);
                fixture_write(&fixture, "10-words.lua", text);
                fixture_load(&fixture);
                assert_int_equal(policy_set_info(fixture.set, 0)->state, POLICY_FAILED);
                finish(&fixture);
        }
        start(&fixture);
        fixture_write(&fixture, "10-words.lua", "return policy { params = { x = { default = 'b', values = { 'a', 'b' } } }, on_epoch = function(host, p) assert(p.x == (host.epoch < 2 and 'b' or 'a')) end }");
        fixture_load(&fixture);
        fixture_epoch(&fixture);
        assert_int_equal(policy_set_parameter(fixture.set, "words", "x", "c"), -EINVAL);
        assert_int_equal(policy_set_parameter(fixture.set, "words", "x", "a"), 0);
        fixture_epoch(&fixture);
        finish(&fixture);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_domain_that_comes_goes_to_the_node_of_its_memory_once),
                cmocka_unit_test(a_domain_larger_than_a_node_is_split_with_its_memory_once),
                cmocka_unit_test(memory_that_did_not_come_is_asked_for_less_and_less_often),
                cmocka_unit_test(memory_stays_or_goes_only_with_all_of_it_where_that_is_configured),
                cmocka_unit_test(what_is_not_carried_out_is_asked_for_less_and_less_often),
                cmocka_unit_test(a_domain_in_somebodys_hands_is_not_asked_about),
                cmocka_unit_test(without_news_the_host_is_looked_at_now_and_then_only),
                cmocka_unit_test(vcpus_get_a_cpu_each_where_that_is_configured),
                cmocka_unit_test(only_some_domains_are_placed_at_a_time),
                cmocka_unit_test(proposals_are_tables),
                cmocka_unit_test(wrong_options_and_wrong_calls_are_errors),
                cmocka_unit_test(vcpus_are_pinned_one_by_one),
                cmocka_unit_test(a_parameter_can_be_one_of_some_words),
        };
        return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}

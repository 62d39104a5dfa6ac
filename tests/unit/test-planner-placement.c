/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the planner makes of place, pin and bind-memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/plan/planner.h"
#include "placement-model.h"

#define GIB ((uint64_t) 1 << 20)

struct fixture {
        struct host *host;
        struct planner_rules rules;
        struct planner *planner;
        struct planner_capabilities capabilities;
        const char *cannot; /* knob kind */
        struct plan plan;
};

static const char *unavailable(void *userdata, const char *kind, const char *object) {
        const struct fixture *fixture = userdata;
        (void) object;
        return fixture->cannot && strcmp(fixture->cannot, kind) == 0 ? "nobody can" : NULL;
}

/* Two nodes of four CPUs, memory known; "vm" with two vCPUs anywhere, its 4 GiB on node 1. */
static int setup(void **state) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        if (!fixture)
                return -1;
        fixture->host = placement_host(2, 4, 1);
        fixture->host->now_usec = 1000000;
        fixture->host->epoch = 10;
        for (size_t i = 0; i < 2; i++)
                placement_host_memory(fixture->host, i, 16 * GIB, 8 * GIB);
        struct domain *domain = placement_domain(fixture->host, "vm", 2, "0-7", 4 * GIB);
        placement_cell_memory(fixture->host, domain, 0, 1);
        assert_int_equal(planner_rules_init(&fixture->rules), 0);
        assert_int_equal(planner_new(&fixture->planner, &fixture->rules), 0);
        fixture->capabilities = (struct planner_capabilities) { .userdata = fixture, .unavailable = unavailable };
        *state = fixture;
        return 0;
}

static int teardown(void **state) {
        struct fixture *fixture = *state;
        plan_done(&fixture->plan);
        planner_free(fixture->planner);
        planner_rules_done(&fixture->rules);
        placement_host_free(fixture->host);
        free(fixture);
        return 0;
}

static struct intent intent(enum intent_action action, const char *domain, const char *value, int priority) {
        struct intent made = { .action = action, .priority = priority, .node = IOCORE_NODE_UNKNOWN, .cpu = IOCORE_CPU_ANY };
        snprintf(made.source, sizeof made.source, "%s", priority < 0 ? "client:uid=0" : "policy:test");
        snprintf(made.object, sizeof made.object, "%s", domain);
        snprintf(made.value, sizeof made.value, "%s", value);
        return made;
}

static const struct decision *plan_one(struct fixture *fixture, enum intent_action action, const char *domain, const char *value) {
        struct intent one = intent(action, domain, value, 40);
        plan_done(&fixture->plan);
        assert_int_equal(planner_plan(fixture->planner, fixture->host, &fixture->capabilities, &one, 1, &fixture->plan), 0);
        assert_int_equal(fixture->plan.n_decisions, 1);
        return fixture->plan.decisions[0];
}

static void assert_step(const struct decision *decision, size_t index, const char *knob, const char *object, const char *value) {
        assert_true(index < decision->n_steps);
        assert_int_equal(decision->steps[index].kind, STEP_KNOB_SET);
        assert_string_equal(decision->steps[index].knob, knob);
        assert_string_equal(decision->steps[index].object, object);
        assert_string_equal(decision->steps[index].value, value);
}

static void assert_refused(const struct decision *decision, const char *rule) {
        assert_int_equal(decision->verdict, VERDICT_REFUSED);
        assert_string_equal(decision->rule, rule);
        assert_int_equal(decision->n_steps, 0);
        assert_string_not_equal(decision->text, "");
}

static struct domain *vm(const struct fixture *fixture) {
        return host_domain(fixture->host, "vm");
}

static void a_placement_becomes_pins_of_all_vcpus_and_the_emulator_and_then_of_memory(void **state) {
        struct fixture *fixture = *state;
        placement_io_core(fixture->host, 3);
        const struct decision *decision = plan_one(fixture, INTENT_PLACE, "vm", "0@0 pin=cpu memory=domain emulator=yes");
        assert_int_equal(decision->verdict, VERDICT_PLANNED);
        assert_int_equal(decision->n_steps, 4);
        assert_step(decision, 0, "vcpu.cpus", "vm.7.0", "0");
        assert_step(decision, 1, "vcpu.cpus", "vm.7.1", "1");
        assert_step(decision, 2, "emulator.cpus", "vm.7", "0-3");
        assert_step(decision, 3, "numatune.nodeset", "vm.7", "0");
        assert_non_null(strstr(decision->text, "node 0"));
        decision = plan_one(fixture, INTENT_PLACE, "vm", "0@0");
        assert_int_equal(decision->n_steps, 2);
        assert_step(decision, 1, "vcpu.cpus", "vm.7.1", "0-2");
}

static void vcpus_are_placed_also_where_memory_cannot_be_bound_anew(void **state) {
        struct fixture *fixture = *state;
        vm(fixture)->pub.bound = vm(fixture)->pub.memory_fixed = true;
        vm(fixture)->pub.wish = IOCORE_WISH_AUTO;
        const struct decision *decision = plan_one(fixture, INTENT_PLACE, "vm", "0@1 pin=cpu memory=domain");
        assert_int_equal(decision->verdict, VERDICT_PLANNED);
        assert_int_equal(decision->n_steps, 2);
        assert_step(decision, 0, "vcpu.cpus", "vm.7.0", "4");
        assert_step(decision, 1, "vcpu.cpus", "vm.7.1", "5");
        assert_refused(plan_one(fixture, INTENT_BIND_MEMORY, "vm", "0"), "fixed");
        vm(fixture)->pub.memory_fixed = false;
        assert_int_equal(plan_one(fixture, INTENT_BIND_MEMORY, "vm", "0")->verdict, VERDICT_PLANNED);
}

static void assert_job_step(const struct decision *decision, size_t index, const char *domain, int cell, int node) {
        assert_true(index < decision->n_steps);
        assert_int_equal(decision->steps[index].kind, STEP_MEMORY_MOVE);
        assert_string_equal(decision->steps[index].object, domain);
        assert_int_equal(decision->steps[index].cell, cell);
        assert_int_equal(decision->steps[index].node, node);
        assert_int_equal(decision->steps[index].job, 0);
}

/* Two cells, all of their memory on node 0. */
static struct domain *add_two_cells(const struct fixture *fixture) {
        struct domain *domain = placement_domain(fixture->host, "two", 4, "0-7", 4 * GIB);
        placement_cells(domain, 2);
        placement_cell_memory(fixture->host, domain, 0, 0);
        placement_cell_memory(fixture->host, domain, 1, 0);
        return domain;
}

static void cells_are_placed_each_on_its_own_node(void **state) {
        struct fixture *fixture = *state;
        struct domain *domain = add_two_cells(fixture);
        const struct decision *decision = plan_one(fixture, INTENT_PLACE, "two", "0@0 1@1 memory=cells emulator=yes");
        assert_int_equal(decision->n_steps, 5);
        assert_step(decision, 0, "vcpu.cpus", "two.7.0", "0-3");
        assert_step(decision, 3, "vcpu.cpus", "two.7.3", "4-7");
        assert_job_step(decision, 4, "two", 1, 1);
        assert_string_equal(decision->text, "two goes split to node 0-1: 4 of 4 vCPUs are pinned anew, 2.0 GiB of memory move.");
        decision = plan_one(fixture, INTENT_PLACE, "two", "0@1 1@0 memory=cells");
        assert_int_equal(decision->n_steps, 5);
        assert_job_step(decision, 4, "two", 0, 1);
        placement_cell_memory(fixture->host, domain, 1, 1);
        decision = plan_one(fixture, INTENT_PLACE, "two", "0@1 1@0 pin=no memory=cells");
        assert_int_equal(decision->n_steps, 2);
        assert_job_step(decision, 0, "two", 0, 1);
        assert_job_step(decision, 1, "two", 1, 0);
        /* memory goes as a whole, or not */
        decision = plan_one(fixture, INTENT_PLACE, "two", "0@1 1@0 memory=domain");
        assert_int_equal(decision->n_steps, 4);
        assert_refused(plan_one(fixture, INTENT_PLACE, "two", "0@0"), "invalid");
}

/* As one that was placed whole once: it may have memory on node 0 alone, and the kernel moves none elsewhere. */
static void a_domain_that_was_whole_is_allowed_more_nodes_before_it_is_split(void **state) {
        struct fixture *fixture = *state;
        struct domain *domain = add_two_cells(fixture);
        const struct decision *decision;
        strcpy(domain->pub.memory_nodes, "0");
        decision = plan_one(fixture, INTENT_PLACE, "two", "0@0 1@1 memory=cells emulator=yes");
        assert_int_equal(decision->verdict, VERDICT_PLANNED);
        assert_int_equal(decision->n_steps, 6);
        assert_step(decision, 3, "vcpu.cpus", "two.7.3", "4-7");
        assert_step(decision, 4, "numatune.nodeset", "two.7", "0-1");
        assert_job_step(decision, 5, "two", 1, 1);
        /* nodes that it has are not taken from it: pages would move */
        placement_cell_memory(fixture->host, domain, 0, 1);
        placement_cell_memory(fixture->host, domain, 1, 1);
        strcpy(domain->pub.memory_nodes, "1,7");
        decision = plan_one(fixture, INTENT_PLACE, "two", "0@0 1@1 pin=no memory=cells");
        assert_int_equal(decision->n_steps, 2);
        assert_step(decision, 0, "numatune.nodeset", "two.7", "0-1,7");
        assert_job_step(decision, 1, "two", 0, 0);
        /* what is allowed is not asked for, and of what nobody knows nothing is */
        strcpy(domain->pub.memory_nodes, "0-1");
        assert_int_equal(plan_one(fixture, INTENT_PLACE, "two", "0@0 1@1 pin=no memory=cells")->n_steps, 1);
        strcpy(domain->pub.memory_nodes, "");
        assert_int_equal(plan_one(fixture, INTENT_PLACE, "two", "0@0 1@1 pin=no memory=cells")->n_steps, 1);
        /* no memory moves: nor is its setting changed */
        strcpy(domain->pub.memory_nodes, "1");
        assert_int_equal(plan_one(fixture, INTENT_PLACE, "two", "0@0 1@1 memory=stay")->n_steps, 4);
        /* by hand: as its owner wants it, unless that is that iocored decides */
        domain->pub.bound = true;
        assert_int_equal(plan_one(fixture, INTENT_PLACE, "two", "0@0 1@1 memory=cells")->n_steps, 4);
        domain->pub.wish = IOCORE_WISH_AUTO;
        assert_int_equal(plan_one(fixture, INTENT_PLACE, "two", "0@0 1@1 memory=cells")->n_steps, 6);
        domain->pub.memory_fixed = true;
        assert_int_equal(plan_one(fixture, INTENT_PLACE, "two", "0@0 1@1 memory=cells")->n_steps, 4);
        domain->pub.memory_fixed = domain->pub.bound = false;
        fixture->cannot = "numatune.nodeset";
        assert_refused(plan_one(fixture, INTENT_PLACE, "two", "0@0 1@1 memory=cells"), "unavailable");
}

static void without_a_mover_memory_of_cells_is_refused_and_that_of_a_whole_domain_is_not(void **state) {
        struct fixture *fixture = *state;
        add_two_cells(fixture);
        fixture->cannot = MEMORY_MOVE;
        const struct decision *decision = plan_one(fixture, INTENT_PLACE, "two", "0@0 1@1 memory=cells");
        assert_refused(decision, "unavailable");
        assert_non_null(strstr(decision->text, "nobody can"));
        assert_int_equal(plan_one(fixture, INTENT_PLACE, "two", "0@0 1@1 memory=stay")->n_steps, 4);
        decision = plan_one(fixture, INTENT_PLACE, "two", "0@1 1@1 memory=cells");
        assert_int_equal(decision->n_steps, 5);
        assert_step(decision, 4, "numatune.nodeset", "two.7", "1");
}

static void cells_whose_memory_nothing_tells_are_split_without_it_and_that_is_said(void **state) {
        struct fixture *fixture = *state;
        struct domain *domain = placement_domain(fixture->host, "two", 4, "0-7", 4 * GIB);
        uint64_t *rest = calloc(2, sizeof *rest);
        placement_cells(domain, 2);
        const struct decision *decision = plan_one(fixture, INTENT_PLACE, "two", "0@0 1@1 memory=cells");
        assert_int_equal(decision->n_steps, 4);
        assert_non_null(strstr(decision->text, "Memory stays: where it is nobody has told."));
        domain->rest_kib_of_node = rest;
        decision = plan_one(fixture, INTENT_PLACE, "two", "0@0 1@1 memory=cells");
        assert_int_equal(decision->verdict, VERDICT_PLANNED);
        assert_int_equal(decision->n_steps, 4);
        assert_non_null(strstr(decision->text, "Memory stays: nothing tells which of it is which guest cell's."));
        /* where it was bound to says nothing of which it is */
        domain->pub.wish = IOCORE_WISH_AUTO;
        domain->cells[0].pub.node = 1;
        assert_int_equal(plan_one(fixture, INTENT_PLACE, "two", "0@0 1@1 memory=cells")->n_steps, 4);
        /* and nobody asked for that here */
        assert_null(strstr(plan_one(fixture, INTENT_PLACE, "two", "0@0 1@1 memory=stay")->text, "Memory stays"));
        domain->rest_kib_of_node = NULL;
        free(rest);
}

static void a_domain_whose_memory_moves_is_left_alone(void **state) {
        struct fixture *fixture = *state;
        vm(fixture)->moving = true;
        const struct decision *decision = plan_one(fixture, INTENT_PLACE, "vm", "0@0");
        assert_refused(decision, "moving");
        assert_non_null(strstr(decision->text, "iocorectl jobs"));
        assert_refused(plan_one(fixture, INTENT_PIN, "vm", "1"), "moving");
        assert_refused(plan_one(fixture, INTENT_BIND_MEMORY, "vm", "0"), "moving");
        vm(fixture)->moving = false;
        assert_int_equal(plan_one(fixture, INTENT_PLACE, "vm", "0@0")->verdict, VERDICT_PLANNED);
}

static void a_domain_that_is_there_is_left_alone(void **state) {
        struct fixture *fixture = *state;
        placement_vcpu_cpus(vm(fixture), 0, "4");
        placement_vcpu_cpus(vm(fixture), 1, "5");
        const struct decision *decision = plan_one(fixture, INTENT_PLACE, "vm", "0@1 pin=cpu memory=domain");
        assert_int_equal(decision->verdict, VERDICT_UNCHANGED);
        assert_int_equal(decision->n_steps, 0);
}

static void what_is_in_somebodys_hands_is_refused(void **state) {
        struct fixture *fixture = *state;
        struct domain *domain = vm(fixture);
        static char *banned[] = { "v*", NULL };
        const enum intent_action actions[] = { INTENT_PLACE, INTENT_PIN, INTENT_BIND_MEMORY };
        const char *const values[] = { "0@0", "1", "0" };
        for (size_t i = 0; i < 3; i++) {
                assert_refused(plan_one(fixture, actions[i], "none", values[i]), "unknown-object");
                domain->pub.wish = IOCORE_WISH_MANUAL;
                assert_refused(plan_one(fixture, actions[i], "vm", values[i]), "manual");
                domain->pub.wish = IOCORE_WISH_NONE;
                domain->vcpus[1].pub.by_hand = true;
                assert_refused(plan_one(fixture, actions[i], "vm", values[i]), "pinned");
                domain->pub.wish = IOCORE_WISH_AUTO;
                assert_int_equal(plan_one(fixture, actions[i], "vm", values[i])->verdict, VERDICT_PLANNED);
                domain->pub.wish = IOCORE_WISH_NONE;
                domain->vcpus[1].pub.by_hand = false;
                domain->pub.stale = true;
                assert_refused(plan_one(fixture, actions[i], "vm", values[i]), "stale");
                domain->pub.stale = false;
                domain->pub.state = IOCORE_DOMAIN_PAUSED;
                assert_refused(plan_one(fixture, actions[i], "vm", values[i]), "not-running");
                domain->pub.state = IOCORE_DOMAIN_RUNNING;
                fixture->rules.banned_domains = banned;
                assert_refused(plan_one(fixture, actions[i], "vm", values[i]), "banned");
                fixture->rules.banned_domains = NULL;
                fixture->cannot = actions[i] == INTENT_BIND_MEMORY ? "numatune.nodeset" : "vcpu.cpus";
                assert_refused(plan_one(fixture, actions[i], "vm", values[i]), "unavailable");
                fixture->cannot = NULL;
                assert_int_equal(plan_one(fixture, actions[i], "vm", values[i])->verdict, VERDICT_PLANNED);
        }
}

static void what_is_no_placement_is_refused(void **state) {
        static const char *const bad[] = { "0@2", "0@", "@0", "1@0", "0@0 0@1", "0@0 1@0", "0@0  pin=cpu", "pin=all", "memory=some", "0@0 emulator=perhaps", "0@0-1-", "cpu", "0@0,7" };
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_refused(plan_one(*state, INTENT_PLACE, "vm", bad[i]), "invalid");
}

static void vcpus_are_pinned_alike_or_each_on_its_own(void **state) {
        struct fixture *fixture = *state;
        const struct decision *decision = plan_one(fixture, INTENT_PIN, "vm", "2-3");
        assert_int_equal(decision->n_steps, 2);
        assert_step(decision, 0, "vcpu.cpus", "vm.7.0", "2-3");
        assert_step(decision, 1, "vcpu.cpus", "vm.7.1", "2-3");
        decision = plan_one(fixture, INTENT_PIN, "vm", "0=5;1=0,7");
        assert_step(decision, 0, "vcpu.cpus", "vm.7.0", "5");
        assert_step(decision, 1, "vcpu.cpus", "vm.7.1", "0,7");
        decision = plan_one(fixture, INTENT_PIN, "vm", "1=4");
        assert_int_equal(decision->n_steps, 1);
        assert_int_equal(plan_one(fixture, INTENT_PIN, "vm", "0-7")->verdict, VERDICT_UNCHANGED);
        static const char *const bad[] = { "8", "", "2-", "0=", "=1", "2=1", "0-2=1", "0=1;", "0=1=2", "x" };
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                if (bad[i][0])
                        assert_refused(plan_one(fixture, INTENT_PIN, "vm", bad[i]), "invalid");
}

static void no_vcpu_is_pinned_to_a_cpu_that_is_not_for_vcpus(void **state) {
        struct fixture *fixture = *state;
        placement_io_core(fixture->host, 0);
        fixture->host->topology->cpus[1].online = false;
        fixture->host->topology->cpus[2].isolated = true;
        hwloc_bitmap_set(fixture->rules.banned_cpus, 3);
        assert_refused(plan_one(fixture, INTENT_PIN, "vm", "0,4"), "io-core");
        assert_refused(plan_one(fixture, INTENT_PIN, "vm", "0=4;1=1"), "offline-cpu");
        assert_refused(plan_one(fixture, INTENT_PIN, "vm", "2"), "isolated-cpu");
        assert_refused(plan_one(fixture, INTENT_PIN, "vm", "3-4"), "banned");
        assert_refused(plan_one(fixture, INTENT_PLACE, "vm", "0@0"), "no-cpu");
        fixture->rules.vcpus_on_isolated = true;
        assert_int_equal(plan_one(fixture, INTENT_PIN, "vm", "2")->verdict, VERDICT_PLANNED);
        assert_step(plan_one(fixture, INTENT_PLACE, "vm", "0@0"), 0, "vcpu.cpus", "vm.7.0", "2");
}

static void a_core_that_the_same_plan_takes_is_given_no_vcpus(void **state) {
        struct fixture *fixture = *state;
        struct intent intents[] = { { .action = INTENT_GROW, .priority = -1, .node = 0, .cpu = 0, .source = "client:uid=0" }, intent(INTENT_PLACE, "vm", "0@0", 40) };
        assert_int_equal(planner_plan(fixture->planner, fixture->host, &fixture->capabilities, intents, 2, &fixture->plan), 0);
        assert_int_equal(fixture->plan.decisions[0]->verdict, VERDICT_PLANNED);
        assert_step(fixture->plan.decisions[1], 0, "vcpu.cpus", "vm.7.0", "1-3");
}

static void memory_goes_only_where_there_is_room_for_all_of_it(void **state) {
        struct fixture *fixture = *state;
        struct domain *other = placement_domain(fixture->host, "other", 1, "0-7", 4 * GIB);
        placement_cell_memory(fixture->host, other, 0, 1);
        struct intent intents[] = { intent(INTENT_PLACE, "vm", "0@0 memory=domain", 40), intent(INTENT_BIND_MEMORY, "other", "0", 50) };
        assert_int_equal(planner_plan(fixture->planner, fixture->host, &fixture->capabilities, intents, 2, &fixture->plan), 0);
        assert_int_equal(fixture->plan.decisions[0]->verdict, VERDICT_PLANNED);
        /* 8 GiB are free, 0.32 of them are kept so, 4 are taken by the first */
        assert_refused(fixture->plan.decisions[1], "no-memory");
        assert_int_equal(plan_one(fixture, INTENT_BIND_MEMORY, "other", "0")->verdict, VERDICT_PLANNED);
        assert_int_equal(plan_one(fixture, INTENT_BIND_MEMORY, "other", "1")->verdict, VERDICT_UNCHANGED);
        assert_refused(plan_one(fixture, INTENT_BIND_MEMORY, "other", "2"), "invalid");
        assert_refused(plan_one(fixture, INTENT_BIND_MEMORY, "other", "0-1"), "invalid");
        /* what jobs are still to bring has taken its room */
        fixture->host->nodes[0].memory_coming_kib = 3 * GIB;
        assert_int_equal(plan_one(fixture, INTENT_BIND_MEMORY, "other", "0")->verdict, VERDICT_PLANNED);
        fixture->host->nodes[0].memory_coming_kib = 4 * GIB;
        assert_refused(plan_one(fixture, INTENT_BIND_MEMORY, "other", "0"), "no-memory");
        fixture->host->nodes[0].memory_coming_kib = 20 * GIB;
        assert_refused(plan_one(fixture, INTENT_BIND_MEMORY, "other", "0"), "no-memory");
        fixture->host->nodes[0].memory_coming_kib = 0;
        placement_host_memory(fixture->host, 0, 0, 0);
        assert_refused(plan_one(fixture, INTENT_BIND_MEMORY, "other", "0"), "no-memory");
        vm(fixture)->pub.bound = true;
        assert_refused(plan_one(fixture, INTENT_BIND_MEMORY, "vm", "0"), "pinned");
}

static void a_placement_that_is_refused_takes_no_room_of_the_next(void **state) {
        struct fixture *fixture = *state;
        struct domain *other = placement_domain(fixture->host, "other", 2, "0-7", 7 * GIB);
        placement_cell_memory(fixture->host, other, 0, 1);
        vm(fixture)->emulator.knob[0] = '\0'; /* its memory cannot be moved */
        struct intent intents[] = { intent(INTENT_PLACE, "vm", "0@0 pin=cpu memory=domain", 40), intent(INTENT_PLACE, "other", "0@0 pin=cpu memory=domain", 40) };
        assert_int_equal(planner_plan(fixture->planner, fixture->host, &fixture->capabilities, intents, 2, &fixture->plan), 0);
        assert_refused(fixture->plan.decisions[0], "unavailable");
        assert_int_equal(fixture->plan.decisions[1]->verdict, VERDICT_PLANNED);
        assert_step(fixture->plan.decisions[1], 0, "vcpu.cpus", "other.7.0", "0");
        assert_step(fixture->plan.decisions[1], 2, "numatune.nodeset", "other.7", "0");
}

static void two_domains_of_one_plan_do_not_share_cpus(void **state) {
        struct fixture *fixture = *state;
        placement_domain(fixture->host, "other", 2, "0-7", 0);
        placement_domain(fixture->host, "third", 1, "0-7", 0);
        struct intent intents[] = { intent(INTENT_PIN, "third", "1", 40), intent(INTENT_PLACE, "vm", "0@0 pin=cpu", 40), intent(INTENT_PLACE, "other", "0@0 pin=cpu", 40) };
        assert_int_equal(planner_plan(fixture->planner, fixture->host, &fixture->capabilities, intents, 3, &fixture->plan), 0);
        assert_step(fixture->plan.decisions[1], 0, "vcpu.cpus", "vm.7.0", "0");
        assert_step(fixture->plan.decisions[1], 1, "vcpu.cpus", "vm.7.1", "2");
        assert_step(fixture->plan.decisions[2], 0, "vcpu.cpus", "other.7.0", "3");
}

static void of_two_that_place_the_same_domain_the_more_important_wins(void **state) {
        struct fixture *fixture = *state;
        struct intent intents[] = { intent(INTENT_PIN, "vm", "1", 50), intent(INTENT_PLACE, "vm", "0@0", 40), intent(INTENT_BIND_MEMORY, "vm", "0", 60) };
        assert_int_equal(planner_plan(fixture->planner, fixture->host, &fixture->capabilities, intents, 3, &fixture->plan), 0);
        assert_int_equal(fixture->plan.decisions[0]->intent.action, INTENT_PLACE);
        assert_int_equal(fixture->plan.decisions[0]->verdict, VERDICT_PLANNED);
        assert_int_equal(fixture->plan.decisions[1]->verdict, VERDICT_SUPERSEDED);
        assert_int_equal(fixture->plan.decisions[2]->verdict, VERDICT_SUPERSEDED);
}

static void a_domain_is_left_alone_for_a_while_after_it_was_placed_and_longer_when_that_failed(void **state) {
        struct fixture *fixture = *state;
        struct intent again = intent(INTENT_PIN, "vm", "1", -1);
        const struct decision *decision = plan_one(fixture, INTENT_PLACE, "vm", "0@0");
        struct decision *done = fixture->plan.decisions[0];
        assert_int_equal(decision->verdict, VERDICT_PLANNED);
        done->verdict = VERDICT_DONE;
        planner_report(fixture->planner, fixture->host, done);
        assert_refused(plan_one(fixture, INTENT_PIN, "vm", "1"), "hold");
        plan_done(&fixture->plan);
        assert_int_equal(planner_plan(fixture->planner, fixture->host, &fixture->capabilities, &again, 1, &fixture->plan), 0);
        assert_int_equal(fixture->plan.decisions[0]->verdict, VERDICT_PLANNED);
        fixture->host->now_usec += fixture->rules.hold_usec;
        decision = plan_one(fixture, INTENT_PLACE, "vm", "0@1");
        assert_int_equal(decision->verdict, VERDICT_PLANNED);
        fixture->plan.decisions[0]->verdict = VERDICT_FAILED;
        planner_report(fixture->planner, fixture->host, fixture->plan.decisions[0]);
        assert_refused(plan_one(fixture, INTENT_BIND_MEMORY, "vm", "0"), "backoff");
}

static void the_knobs_behind_are_not_to_be_set_past_the_rules(void **state) {
        static const char *const knobs[] = { "vcpu.cpus", "emulator.cpus", "numatune.nodeset" };
        struct fixture *fixture = *state;
        for (size_t i = 0; i < 3; i++) {
                struct intent set = intent(INTENT_SET, "vm.7.0", "1", -1);
                snprintf(set.knob, sizeof set.knob, "%s", knobs[i]);
                plan_done(&fixture->plan);
                assert_int_equal(planner_plan(fixture->planner, fixture->host, &fixture->capabilities, &set, 1, &fixture->plan), 0);
                assert_refused(fixture->plan.decisions[0], "invalid");
        }
}

static void a_list_that_is_too_long_for_a_step_is_refused(void **state) {
        struct fixture *fixture = *state;
        struct host *large = placement_host(1, 512, 1);
        /* every second CPU belongs to somebody else */
        for (int i = 0; i < 512; i += 2)
                placement_io_core(large, i);
        placement_domain(large, "vm", 1, "0-511", 0);
        struct intent one = intent(INTENT_PLACE, "vm", "0@0", 40);
        placement_vcpu_cpus(host_domain(large, "vm"), 0, "1");
        assert_int_equal(planner_plan(fixture->planner, large, &fixture->capabilities, &one, 1, &fixture->plan), 0);
        assert_refused(fixture->plan.decisions[0], "too-long");
        placement_host_free(large);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_placement_becomes_pins_of_all_vcpus_and_the_emulator_and_then_of_memory, setup, teardown),
                cmocka_unit_test_setup_teardown(vcpus_are_placed_also_where_memory_cannot_be_bound_anew, setup, teardown),
                cmocka_unit_test_setup_teardown(cells_are_placed_each_on_its_own_node, setup, teardown),
                cmocka_unit_test_setup_teardown(a_domain_that_was_whole_is_allowed_more_nodes_before_it_is_split, setup, teardown),
                cmocka_unit_test_setup_teardown(without_a_mover_memory_of_cells_is_refused_and_that_of_a_whole_domain_is_not, setup, teardown),
                cmocka_unit_test_setup_teardown(cells_whose_memory_nothing_tells_are_split_without_it_and_that_is_said, setup, teardown),
                cmocka_unit_test_setup_teardown(a_domain_whose_memory_moves_is_left_alone, setup, teardown),
                cmocka_unit_test_setup_teardown(a_domain_that_is_there_is_left_alone, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_in_somebodys_hands_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_no_placement_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(vcpus_are_pinned_alike_or_each_on_its_own, setup, teardown),
                cmocka_unit_test_setup_teardown(no_vcpu_is_pinned_to_a_cpu_that_is_not_for_vcpus, setup, teardown),
                cmocka_unit_test_setup_teardown(a_core_that_the_same_plan_takes_is_given_no_vcpus, setup, teardown),
                cmocka_unit_test_setup_teardown(memory_goes_only_where_there_is_room_for_all_of_it, setup, teardown),
                cmocka_unit_test_setup_teardown(a_placement_that_is_refused_takes_no_room_of_the_next, setup, teardown),
                cmocka_unit_test_setup_teardown(two_domains_of_one_plan_do_not_share_cpus, setup, teardown),
                cmocka_unit_test_setup_teardown(of_two_that_place_the_same_domain_the_more_important_wins, setup, teardown),
                cmocka_unit_test_setup_teardown(a_domain_is_left_alone_for_a_while_after_it_was_placed_and_longer_when_that_failed, setup, teardown),
                cmocka_unit_test_setup_teardown(the_knobs_behind_are_not_to_be_set_past_the_rules, setup, teardown),
                cmocka_unit_test_setup_teardown(a_list_that_is_too_long_for_a_step_is_refused, setup, teardown),
        };
        return cmocka_run_group_tests_name("planner-placement", tests, NULL, NULL);
}

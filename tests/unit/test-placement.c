/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Placement by examples: where domains go, and why not elsewhere. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "placement-model.h"

#define GIB ((uint64_t) 1 << 20)

struct fixture {
        struct host *host;
        struct placement_rules rules;
        struct placement_plan plan;
};

static void start(struct fixture *fixture, size_t n_nodes, size_t cores, size_t threads) {
        *fixture = (struct fixture) { .host = placement_host(n_nodes, cores, threads) };
        placement_rules_init(&fixture->rules);
}

static void finish(struct fixture *fixture) {
        placement_plan_done(&fixture->plan);
        placement_host_free(fixture->host);
}

static size_t plan(struct fixture *fixture) {
        struct placement *placement;
        placement_plan_done(&fixture->plan);
        assert_int_equal(placement_new(&placement, fixture->host, &fixture->rules), 0);
        assert_int_equal(placement_run(placement, PLACEMENT_STAGES_MAX, &fixture->plan), 0);
        assert_true(fixture->plan.settled);
        placement_free(placement);
        return fixture->plan.n_proposals;
}

static void apply(struct fixture *fixture) {
        for (size_t i = 0; i < fixture->plan.n_proposals; i++)
                placement_apply(fixture->host, &fixture->plan.proposals[i]);
}

static struct placement_quality measure(const struct fixture *fixture) {
        struct placement *placement;
        struct placement_quality quality;
        assert_int_equal(placement_new(&placement, fixture->host, &fixture->rules), 0);
        placement_measure(placement, &quality);
        placement_free(placement);
        return quality;
}

static void assert_nodes(const struct placement_proposal *proposal, size_t cell, const char *nodes) {
        char list[64];
        hwloc_bitmap_list_snprintf(list, sizeof list, proposal->nodes[cell]);
        assert_string_equal(list, nodes);
}

static void assert_cpus(const struct fixture *fixture, const char *name, size_t vcpu, const char *cpus) {
        char list[64];
        hwloc_bitmap_list_snprintf(list, sizeof list, host_domain(fixture->host, name)->vcpus[vcpu].cpus);
        assert_string_equal(list, cpus);
}

static void a_small_domain_goes_to_the_node_of_its_hardware(void **state) {
        struct fixture fixture;
        (void) state;
        start(&fixture, 4, 4, 1);
        placement_device(placement_domain(fixture.host, "vm", 2, "0-15", GIB), 2);
        assert_int_equal(plan(&fixture), 1);
        assert_int_equal(fixture.plan.proposals[0].shape, PLACEMENT_WHOLE);
        assert_nodes(&fixture.plan.proposals[0], 0, "2");
        assert_false(fixture.plan.proposals[0].moves_memory);
        finish(&fixture);
}

static void a_small_domain_goes_to_the_node_of_the_io_core_that_serves_it(void **state) {
        struct fixture fixture;
        (void) state;
        start(&fixture, 4, 4, 1);
        placement_domain(fixture.host, "vm", 2, "0-15", GIB);
        struct unit *unit = host_unit_add(fixture.host, NULL, "t.1");
        snprintf(unit->pub.domain, sizeof unit->pub.domain, "vm");
        unit->core = 5;
        assert_int_equal(plan(&fixture), 1);
        assert_nodes(&fixture.plan.proposals[0], 0, "0"); /* CPU 5 is no I/O core: that says nothing */
        placement_io_core(fixture.host, 5);
        assert_int_equal(plan(&fixture), 1);
        assert_nodes(&fixture.plan.proposals[0], 0, "1");
        finish(&fixture);
}

static void a_node_without_room_for_all_vcpus_is_not_taken(void **state) {
        struct fixture fixture;
        (void) state;
        start(&fixture, 3, 4, 1);
        fixture.rules.min_gain = 0.01;
        struct domain *other = placement_domain(fixture.host, "other", 3, "4-7", GIB);
        other->pub.wish = IOCORE_WISH_MANUAL;
        placement_device(placement_domain(fixture.host, "vm", 2, "0-11", GIB), 1);
        assert_int_equal(plan(&fixture), 1);
        assert_nodes(&fixture.plan.proposals[0], 0, "0");
        other->pub.state = IOCORE_DOMAIN_SHUTOFF;
        assert_int_equal(plan(&fixture), 1);
        assert_nodes(&fixture.plan.proposals[0], 0, "1");
        finish(&fixture);
}

static void memory_follows_where_there_is_room_and_is_told_how_much(void **state) {
        struct fixture fixture;
        (void) state;
        start(&fixture, 2, 4, 1);
        struct domain *domain = placement_domain(fixture.host, "vm", 4, "4-7", 8 * GIB);
        placement_cell_memory(fixture.host, domain, 0, 0);
        for (size_t i = 0; i < 4; i++)
                placement_domain(fixture.host, i == 0 ? "a" : i == 1 ? "b" : i == 2 ? "c" : "d", 1, "0-3", GIB)->pub.wish = IOCORE_WISH_MANUAL;
        /* node 0 is full of others: the pages have to come */
        placement_host_memory(fixture.host, 1, 32 * GIB, 16 * GIB);
        assert_int_equal(plan(&fixture), 1);
        assert_true(fixture.plan.proposals[0].moves_memory);
        assert_int_equal(fixture.plan.proposals[0].n_pins, 0);
        assert_int_equal(fixture.plan.proposals[0].total_kib, 8 * GIB);
        assert_true(fixture.plan.proposals[0].remote_before > 0.99 && fixture.plan.proposals[0].remote_after < 0.01);
        placement_host_memory(fixture.host, 1, 32 * GIB, 4 * GIB);
        assert_int_equal(plan(&fixture), 0);
        /* and nobody knows how much a node has: none */
        placement_host_memory(fixture.host, 1, 0, 0);
        assert_int_equal(plan(&fixture), 0);
        finish(&fixture);
}

static void nothing_moves_for_less_than_the_gain_or_the_price_of_its_pages(void **state) {
        struct fixture fixture;
        (void) state;
        start(&fixture, 2, 4, 1);
        struct domain *domain = placement_domain(fixture.host, "vm", 2, "4-7", 100 * GIB);
        placement_cell_memory(fixture.host, domain, 0, 0);
        assert_int_equal(plan(&fixture), 1);
        double gain = fixture.plan.proposals[0].gain;
        assert_true(gain > 0.9);
        fixture.rules.min_gain = gain - 0.001;
        assert_int_equal(plan(&fixture), 1);
        fixture.rules.min_gain = gain + 0.001;
        assert_int_equal(plan(&fixture), 0);
        /* the vCPUs cannot go there, the memory can come: 100 GiB at 0.01 are half a CPU for each vCPU */
        fixture.rules.min_gain = 0.1;
        for (int i = 0; i < 4; i++)
                placement_io_core(fixture.host, i);
        placement_host_memory(fixture.host, 1, 400 * GIB, 300 * GIB);
        assert_int_equal(plan(&fixture), 1);
        assert_true(fixture.plan.proposals[0].moves_memory && fixture.plan.proposals[0].gain < 0.51);
        fixture.rules.gib_cost = 0.02;
        assert_int_equal(plan(&fixture), 0);
        finish(&fixture);
}

static void cells_of_a_large_domain_go_each_to_the_node_of_its_memory(void **state) {
        struct fixture fixture;
        (void) state;
        start(&fixture, 4, 4, 1);
        struct domain *domain = placement_domain(fixture.host, "vm", 8, "0-15", 8 * GIB);
        placement_cells(domain, 2);
        placement_cell_memory(fixture.host, domain, 0, 3);
        placement_cell_memory(fixture.host, domain, 1, 1);
        assert_int_equal(plan(&fixture), 1);
        assert_int_equal(fixture.plan.proposals[0].shape, PLACEMENT_SPLIT);
        assert_nodes(&fixture.plan.proposals[0], 0, "3");
        assert_nodes(&fixture.plan.proposals[0], 1, "1");
        apply(&fixture);
        assert_cpus(&fixture, "vm", 0, "12-15");
        assert_cpus(&fixture, "vm", 7, "4-7");
        assert_true(measure(&fixture).remote_share < 0.01);
        finish(&fixture);
}

static void the_memory_of_cells_moves_where_it_can_be_told_apart(void **state) {
        struct fixture fixture;
        (void) state;
        start(&fixture, 2, 4, 1);
        struct domain *domain = placement_domain(fixture.host, "vm", 8, "0-7", 8 * GIB);
        placement_cells(domain, 2);
        placement_cell_memory(fixture.host, domain, 0, 0);
        placement_cell_memory(fixture.host, domain, 1, 0);
        for (size_t i = 0; i < 2; i++)
                placement_host_memory(fixture.host, i, 32 * GIB, 16 * GIB);
        fixture.rules.memory = PLACEMENT_MEMORY_CELLS;
        assert_int_equal(plan(&fixture), 1);
        assert_int_equal(fixture.plan.proposals[0].total_kib, 4 * GIB);
        apply(&fixture);
        assert_true(measure(&fixture).remote_share < 0.01);
        finish(&fixture);
}

static void a_large_domain_of_one_cell_is_spread_over_near_nodes(void **state) {
        static const uint8_t distances[] = { 10, 31, 16, 31, 31, 10, 31, 16, 16, 31, 10, 31, 31, 16, 31, 10 };
        struct fixture fixture;
        (void) state;
        start(&fixture, 4, 4, 1);
        fixture.host->topology->distances = malloc(sizeof distances);
        memcpy(fixture.host->topology->distances, distances, sizeof distances);
        fixture.host->topology->n_distances = 4;
        struct domain *domain = placement_domain(fixture.host, "vm", 6, "0-15", GIB);
        placement_device(domain, 3);
        assert_int_equal(plan(&fixture), 1);
        assert_int_equal(fixture.plan.proposals[0].shape, PLACEMENT_SPREAD);
        assert_nodes(&fixture.plan.proposals[0], 0, "1,3");
        apply(&fixture);
        for (size_t i = 0; i < 6; i++)
                assert_cpus(&fixture, "vm", i, i < 3 ? "4-7" : "12-15");
        finish(&fixture);
}

/* Memory of the cell on each node, in GiB. */
static void set_memory(const struct fixture *fixture, struct domain *domain, const unsigned *gib, size_t n_nodes) {
        placement_cell_memory(fixture->host, domain, 0, 0);
        for (size_t i = 0; i < n_nodes; i++)
                domain->cells[0].kib_of_node[i] = gib[i] * GIB;
}

static void a_large_domain_of_one_cell_is_spread_over_the_nodes_with_its_memory_and_has_more_vcpus_where_more_of_it_is(void **state) {
        static const unsigned gib[] = { 0, 20, 0, 60 };
        struct fixture fixture;
        (void) state;
        start(&fixture, 4, 8, 1);
        struct domain *domain = placement_domain(fixture.host, "vm", 12, "0-31", 80 * GIB);
        set_memory(&fixture, domain, gib, 4);
        assert_int_equal(plan(&fixture), 1);
        assert_int_equal(fixture.plan.proposals[0].shape, PLACEMENT_SPREAD);
        assert_nodes(&fixture.plan.proposals[0], 0, "1,3");
        apply(&fixture);
        for (size_t i = 0; i < 12; i++)
                assert_cpus(&fixture, "vm", i, i < 4 ? "8-15" : "24-31");
        assert_int_equal(plan(&fixture), 0);
        finish(&fixture);
}

/* Twelve vCPUs fit two of the four nodes: half of the accesses at most are remote there, three quarters before. */
static void the_memory_of_a_large_domain_follows_to_the_nodes_that_it_is_spread_over(void **state) {
        static const unsigned gib[] = { 10, 10, 10, 10 };
        struct fixture fixture;
        (void) state;
        start(&fixture, 4, 8, 1);
        for (size_t i = 0; i < 4; i++)
                placement_host_memory(fixture.host, i, 64 * GIB, 40 * GIB);
        struct domain *domain = placement_domain(fixture.host, "vm", 12, "0-31", 40 * GIB);
        set_memory(&fixture, domain, gib, 4);
        assert_int_equal(plan(&fixture), 1);
        const struct placement_proposal *proposal = &fixture.plan.proposals[0];
        assert_int_equal(proposal->shape, PLACEMENT_SPREAD);
        assert_int_equal(hwloc_bitmap_weight(proposal->nodes[0]), 2);
        assert_true(proposal->moves_memory);
        assert_int_equal(proposal->total_kib, 20 * GIB);
        assert_true(hwloc_bitmap_isequal(proposal->memory_nodes, proposal->nodes[0]));
        assert_true(fabs(proposal->remote_before - 0.75) < 0.01 && proposal->remote_after <= 0.5);
        double remote_after = proposal->remote_after;
        apply(&fixture);
        assert_true(fabs(measure(&fixture).remote_share - remote_after) < 0.01);
        assert_int_equal(plan(&fixture), 0);
        finish(&fixture);
}

static void the_memory_of_a_large_domain_stays_where_it_must_or_has_no_room_or_is_too_dear(void **state) {
        static const unsigned gib[] = { 10, 10, 10, 10 };
        (void) state;
        for (int why = 0; why < 4; why++) {
                struct fixture fixture;
                start(&fixture, 4, 8, 1);
                for (size_t i = 0; i < 4; i++)
                        placement_host_memory(fixture.host, i, 64 * GIB, why == 0 ? 8 * GIB : 40 * GIB);
                struct domain *domain = placement_domain(fixture.host, "vm", 12, "0-31", 40 * GIB);
                set_memory(&fixture, domain, gib, 4);
                if (why == 1)
                        fixture.rules.memory = PLACEMENT_MEMORY_STAY;
                if (why == 2)
                        fixture.rules.gib_cost = 1;
                if (why == 3)
                        domain->pub.memory_fixed = true;
                (void) plan(&fixture);
                for (size_t i = 0; i < fixture.plan.n_proposals; i++)
                        assert_false(fixture.plan.proposals[i].moves_memory || fixture.plan.proposals[i].memory_nodes);
                finish(&fixture);
        }
}

/* What may run on all CPUs is moved out of the way by the kernel, so it keeps nobody from a node of its own; and it is not bound around those that are not placed yet. */
static void a_large_domain_that_is_bound_to_no_node_leaves_room_for_small_ones(void **state) {
        static const unsigned large[] = { 40, 40 }, small[] = { 4, 4 };
        struct fixture fixture;
        (void) state;
        start(&fixture, 2, 8, 1);
        for (size_t i = 0; i < 2; i++)
                placement_host_memory(fixture.host, i, 64 * GIB, 16 * GIB);
        set_memory(&fixture, placement_domain(fixture.host, "large", 12, "0-15", 80 * GIB), large, 2);
        set_memory(&fixture, placement_domain(fixture.host, "placed", 2, "0-7", 8 * GIB), small, 2);
        set_memory(&fixture, placement_domain(fixture.host, "new", 2, "0-15", 8 * GIB), small, 2);
        assert_int_equal(plan(&fixture), 2);
        for (size_t i = 0; i < 2; i++) {
                assert_int_equal(fixture.plan.proposals[i].shape, PLACEMENT_WHOLE);
                assert_string_not_equal(fixture.plan.proposals[i].domain->pub.id, "large");
        }
        apply(&fixture);
        struct placement_quality quality = measure(&fixture);
        assert_true(quality.remote_share < 12 * 0.5 / 16 + 0.001 && quality.worst_node < 1.001);
        finish(&fixture);
}

static void vcpus_prefer_free_physical_cores(void **state) {
        struct fixture fixture;
        (void) state;
        start(&fixture, 1, 4, 2);
        fixture.rules.pin = PLACEMENT_PIN_CPU;
        placement_domain(fixture.host, "a", 2, "0-7", GIB);
        placement_domain(fixture.host, "b", 2, "0-7", GIB);
        placement_domain(fixture.host, "c", 1, "0-7", GIB);
        assert_int_equal(plan(&fixture), 3);
        apply(&fixture);
        assert_cpus(&fixture, "a", 0, "0");
        assert_cpus(&fixture, "a", 1, "2");
        assert_cpus(&fixture, "b", 0, "4");
        assert_cpus(&fixture, "b", 1, "6");
        assert_cpus(&fixture, "c", 0, "1");
        finish(&fixture);
}

static void a_vcpu_that_is_well_off_keeps_its_cpu(void **state) {
        struct fixture fixture;
        (void) state;
        start(&fixture, 1, 4, 1);
        fixture.rules.pin = PLACEMENT_PIN_CPU;
        struct domain *domain = placement_domain(fixture.host, "vm", 3, "0-3", GIB);
        placement_vcpu_cpus(domain, 0, "3");
        placement_vcpu_cpus(domain, 1, "2");
        placement_vcpu_cpus(domain, 2, "2");
        assert_int_equal(measure(&fixture).n_stacked, 2);
        assert_int_equal(plan(&fixture), 1);
        assert_int_equal(fixture.plan.proposals[0].shape, PLACEMENT_STAY);
        assert_int_equal(fixture.plan.proposals[0].n_pins, 1);
        apply(&fixture);
        assert_cpus(&fixture, "vm", 0, "3");
        assert_int_equal(measure(&fixture).n_stacked, 0);
        finish(&fixture);
}

static void vcpus_of_one_domain_do_not_share_a_cpu_with_each_other_rather_than_with_others(void **state) {
        struct fixture fixture;
        (void) state;
        start(&fixture, 1, 2, 1);
        fixture.rules.pin = PLACEMENT_PIN_CPU;
        placement_domain(fixture.host, "other", 1, "0", GIB)->pub.wish = IOCORE_WISH_MANUAL;
        struct domain *domain = placement_domain(fixture.host, "vm", 2, "1", GIB);
        assert_int_equal(plan(&fixture), 1);
        apply(&fixture);
        assert_false(hwloc_bitmap_isequal(domain->vcpus[0].cpus, domain->vcpus[1].cpus));
        finish(&fixture);
}

static void a_list_that_holds_all_of_the_node_and_what_means_nothing_is_left_alone(void **state) {
        struct fixture fixture;
        (void) state;
        start(&fixture, 1, 4, 1);
        placement_io_core(fixture.host, 0);
        fixture.host->topology->cpus[1].online = false;
        placement_domain(fixture.host, "vm", 2, "0-3", GIB);
        assert_int_equal(plan(&fixture), 0);
        /* an I/O core was given back: its CPU is for all */
        placement_vcpu_cpus(host_domain(fixture.host, "vm"), 0, "2-3");
        fixture.host->cpus[0].io_core = false;
        assert_int_equal(plan(&fixture), 1);
        assert_int_equal(fixture.plan.proposals[0].n_pins, 1);
        apply(&fixture);
        assert_cpus(&fixture, "vm", 0, "0,2-3");
        finish(&fixture);
}

static void a_vcpu_whose_cpus_have_all_gone_gets_others_of_the_node(void **state) {
        struct fixture fixture;
        (void) state;
        start(&fixture, 2, 4, 1);
        placement_domain(fixture.host, "vm", 1, "6", GIB);
        fixture.host->topology->cpus[6].online = false;
        assert_int_equal(plan(&fixture), 1);
        apply(&fixture);
        assert_cpus(&fixture, "vm", 0, "4-5,7");
        finish(&fixture);
}

static void a_domain_too_large_for_a_node_is_advised_to_have_cells(void **state) {
        static const char expected[] = "<cpu>\n"
                                       "  <numa>\n"
                                       "    <cell id='0' cpus='0-2' memory='3145728' unit='KiB'/>\n"
                                       "    <cell id='1' cpus='3-5' memory='3145728' unit='KiB'/>\n"
                                       "  </numa>\n"
                                       "</cpu>\n"
                                       "<numatune>\n"
                                       "  <memory mode='strict' nodeset='0-1'/>\n"
                                       "  <memnode cellid='0' mode='strict' nodeset='0'/>\n"
                                       "  <memnode cellid='1' mode='strict' nodeset='1'/>\n"
                                       "</numatune>\n";
        static const uint8_t distances[] = { 10, 21, 21, 10 };
        struct fixture fixture;
        struct placement *placement;
        char *text = NULL;
        (void) state;
        start(&fixture, 2, 4, 1);
        struct domain *large = placement_domain(fixture.host, "large", 6, "0-7", 6 * GIB), *small = placement_domain(fixture.host, "small", 4, "0-7", GIB),
                      *cells = placement_domain(fixture.host, "cells", 6, "0-7", GIB);
        placement_cells(cells, 2);
        large->pub.wish = IOCORE_WISH_MANUAL;
        struct domain *unknown = placement_domain(fixture.host, "unknown", 6, "0-7", 0);
        assert_int_equal(placement_new(&placement, fixture.host, &fixture.rules), 0);
        assert_int_equal(placement_advise(placement, small, &text), 0);
        assert_int_equal(placement_advise(placement, cells, &text), 0);
        assert_int_equal(placement_advise(placement, unknown, &text), 0);
        assert_int_equal(placement_advise(placement, large, &text), 1);
        assert_string_equal(text, expected);
        free(text);
        fixture.host->topology->distances = malloc(sizeof distances);
        memcpy(fixture.host->topology->distances, distances, sizeof distances);
        fixture.host->topology->n_distances = 2;
        assert_int_equal(placement_advise(placement, large, &text), 1);
        assert_non_null(strstr(text, "unit='KiB'>\n      <distances>\n        <sibling id='0' value='10'/>\n        <sibling id='1' value='21'/>\n      </distances>\n    </cell>\n"));
        free(text);
        placement_free(placement);
        finish(&fixture);
}

static void a_request_as_text_has_a_length(void **state) {
        struct fixture fixture;
        char text[40];
        (void) state;
        start(&fixture, 2, 4, 1);
        placement_domain(fixture.host, "vm", 2, "0-7", GIB);
        assert_int_equal(plan(&fixture), 1);
        assert_int_equal(placement_request_format(fixture.host, &fixture.plan.proposals[0], &fixture.rules, text, sizeof text), 0);
        assert_string_equal(text, "0@0 pin=node memory=stay emulator=no");
        assert_int_equal(placement_request_format(fixture.host, &fixture.plan.proposals[0], &fixture.rules, text, strlen(text)), -ENAMETOOLONG);
        assert_int_equal(placement_request_format(fixture.host, &fixture.plan.proposals[0], &fixture.rules, text, 0), -ENAMETOOLONG);
        finish(&fixture);
}

/* All VMs of a large host at once: what one look of the policy costs. */
static void a_thousand_domains_are_placed_in_a_moment(void **state) {
        struct fixture fixture;
        (void) state;
        start(&fixture, 8, 64, 2);
        for (unsigned i = 0; i < 1000; i++) {
                char name[32];
                snprintf(name, sizeof name, "vm%u", i);
                struct domain *domain = placement_domain(fixture.host, name, 4, "0-1023", 4 * GIB);
                placement_cell_memory(fixture.host, domain, 0, i % 8);
        }
        assert_int_equal(plan(&fixture), 1000);
        apply(&fixture);
        struct placement_quality quality = measure(&fixture);
        assert_true(quality.remote_share < 0.01 && quality.node_deviation < 0.01);
        assert_int_equal(plan(&fixture), 0);
        finish(&fixture);
}

/* CPU time, in seconds, that it takes to plan domains on two nodes that are each too small for one, with a vCPU in each guest cell; the best of some. */
static double time_to_split(size_t n_cells) {
        double best = HUGE_VAL;
        struct fixture fixture;
        start(&fixture, 2, n_cells * 3 / 4, 1);
        for (unsigned i = 0; i < 4; i++) {
                char name[32];
                snprintf(name, sizeof name, "vm%u", i);
                struct domain *domain = placement_domain(fixture.host, name, n_cells, "0-1023", n_cells * GIB);
                placement_cells(domain, n_cells);
                for (size_t cell = 0; cell < n_cells; cell++)
                        placement_cell_memory(fixture.host, domain, cell, cell % 2);
        }
        for (unsigned i = 0; i < 5; i++) {
                struct timespec begin, end;
                (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
                assert_int_equal(plan(&fixture), 4);
                (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
                best = fmin(best, (double) (end.tv_sec - begin.tv_sec) + (double) (end.tv_nsec - begin.tv_nsec) / 1e9);
        }
        assert_int_equal(fixture.plan.proposals[0].shape, PLACEMENT_SPLIT);
        finish(&fixture);
        return best;
}

/* Each cell is tried on each node, knowing where the others are: the square of their number, not its cube, as when each trial looked at all vCPUs of all cells. */
static void four_times_as_many_guest_cells_take_at_most_sixteen_times_as_long(void **state) {
        double few = time_to_split(32), many = time_to_split(128);
        (void) state;
        printf("# 32 cells: %.3f ms, 128 cells: %.3f ms: %.1f times\n", few * 1e3, many * 1e3, many / few);
        assert_true(many < 16 * few);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_small_domain_goes_to_the_node_of_its_hardware),
                cmocka_unit_test(a_small_domain_goes_to_the_node_of_the_io_core_that_serves_it),
                cmocka_unit_test(a_node_without_room_for_all_vcpus_is_not_taken),
                cmocka_unit_test(memory_follows_where_there_is_room_and_is_told_how_much),
                cmocka_unit_test(nothing_moves_for_less_than_the_gain_or_the_price_of_its_pages),
                cmocka_unit_test(cells_of_a_large_domain_go_each_to_the_node_of_its_memory),
                cmocka_unit_test(the_memory_of_cells_moves_where_it_can_be_told_apart),
                cmocka_unit_test(a_large_domain_of_one_cell_is_spread_over_near_nodes),
                cmocka_unit_test(a_large_domain_of_one_cell_is_spread_over_the_nodes_with_its_memory_and_has_more_vcpus_where_more_of_it_is),
                cmocka_unit_test(the_memory_of_a_large_domain_follows_to_the_nodes_that_it_is_spread_over),
                cmocka_unit_test(the_memory_of_a_large_domain_stays_where_it_must_or_has_no_room_or_is_too_dear),
                cmocka_unit_test(a_large_domain_that_is_bound_to_no_node_leaves_room_for_small_ones),
                cmocka_unit_test(vcpus_prefer_free_physical_cores),
                cmocka_unit_test(a_vcpu_that_is_well_off_keeps_its_cpu),
                cmocka_unit_test(vcpus_of_one_domain_do_not_share_a_cpu_with_each_other_rather_than_with_others),
                cmocka_unit_test(a_list_that_holds_all_of_the_node_and_what_means_nothing_is_left_alone),
                cmocka_unit_test(a_vcpu_whose_cpus_have_all_gone_gets_others_of_the_node),
                cmocka_unit_test(a_domain_too_large_for_a_node_is_advised_to_have_cells),
                cmocka_unit_test(a_request_as_text_has_a_length),
                cmocka_unit_test(a_thousand_domains_are_placed_in_a_moment),
                cmocka_unit_test(four_times_as_many_guest_cells_take_at_most_sixteen_times_as_long),
        };
        return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}

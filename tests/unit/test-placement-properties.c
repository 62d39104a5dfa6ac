/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must hold for every host and every set of domains. IOCORE_SEED=N repeats a run, IOCORE_ROUNDS=N makes it longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "placement-model.h"

#define ROUNDS 10000

static unsigned long seed, rounds;

static unsigned long number_from_environment(const char *name, unsigned long fallback) {
        const char *value = getenv(name);
        return value ? strtoul(value, NULL, 10) : fallback;
}

/* Each round has a seed of its own, so that one that fails can be run alone. */
static void draw_round(struct placement_world *world, unsigned long round) {
        struct draw draw = { seed * 1000003u + round };
        placement_world_draw(world, &draw);
}

static void make_plan(const struct placement_world *world, struct placement_plan *ret) {
        struct placement *placement;
        assert_int_equal(placement_new(&placement, world->host, &world->rules), 0);
        assert_int_equal(placement_run(placement, PLACEMENT_STAGES_MAX, ret), 0);
        placement_free(placement);
}

static void print_list(const char *what, hwloc_const_bitmap_t set) {
        char *list = NULL;
        if (set && hwloc_bitmap_list_asprintf(&list, set) >= 0)
                print_error(" %s=%s", what, list);
        free(list);
}

static void fail_round(unsigned long round, const char *broken, const struct placement_world *world, const struct placement_plan *plan) {
        print_error("seed %lu, round %lu: %s\n", seed, round, broken);
        print_error("  pin=%s memory=%s gain=%g gib=%g\n", placement_pin_to_string(world->rules.pin), placement_memory_to_string(world->rules.memory), world->rules.min_gain,
                    world->rules.gib_cost);
        for (size_t i = 0; i < plan->n_proposals && i < 40; i++) {
                const struct placement_proposal *proposal = &plan->proposals[i];
                print_error("  stage %u: %s %s gain %g, %zu pins, %lu KiB", proposal->stage, proposal->domain->pub.id, placement_shape_to_string(proposal->shape), proposal->gain,
                            proposal->n_pins, (unsigned long) proposal->total_kib);
                for (size_t j = 0; j < proposal->n_cells; j++)
                        print_list("nodes", proposal->nodes[j]);
                for (size_t j = 0; j < proposal->n_vcpus; j++)
                        print_list("cpus", proposal->cpus[j]);
                print_error("\n");
        }
        fail();
}

static void no_promise_is_broken_by_any_plan(void **state) {
        unsigned long n_moved = 0, n_kib = 0, n_cells = 0, n_allowed = 0, n_split = 0, n_spread = 0, n_stages = 0;
        (void) state;
        for (unsigned long round = 0; round < rounds; round++) {
                struct placement_world world;
                struct placement_plan plan;
                char buffer[512];
                draw_round(&world, round);
                make_plan(&world, &plan);
                for (size_t i = 0; i < plan.n_proposals; i++) {
                        n_moved += plan.proposals[i].shape != PLACEMENT_STAY;
                        n_split += plan.proposals[i].shape == PLACEMENT_SPLIT;
                        n_spread += plan.proposals[i].shape == PLACEMENT_SPREAD;
                        n_kib += plan.proposals[i].moves_memory;
                        n_cells += plan.proposals[i].moves_memory && plan.proposals[i].shape == PLACEMENT_SPLIT;
                        n_allowed += plan.proposals[i].memory_nodes && plan.proposals[i].shape == PLACEMENT_SPLIT;
                        n_stages += plan.proposals[i].stage > 1;
                }
                const char *broken = placement_world_carry_out(&world, &plan, buffer, sizeof buffer);
                if (broken)
                        fail_round(round, broken, &world, &plan);
                placement_plan_done(&plan);
                placement_world_done(&world);
        }
        printf("# %lu hosts: %lu moves, %lu of them with memory, %lu split, %lu of them with memory, %lu of these to nodes that were not allowed, %lu spread, %lu in later stages\n", rounds, n_moved,
               n_kib, n_split, n_cells, n_allowed, n_spread, n_stages);
        /* worlds in which nothing happens would prove nothing */
        assert_true(n_moved > rounds / 2 && n_kib > rounds / 20 && n_split > rounds / 100 && n_cells > rounds / 400 && n_allowed > rounds / 2000 && n_spread > rounds / 100 && n_stages > rounds / 100);
}

static void planning_again_what_was_carried_out_plans_nothing(void **state) {
        (void) state;
        for (unsigned long round = 0; round < rounds; round++) {
                struct placement_world world;
                struct placement_plan plan, again;
                draw_round(&world, round);
                make_plan(&world, &plan);
                for (size_t i = 0; i < plan.n_proposals; i++)
                        placement_apply(world.host, &plan.proposals[i]);
                make_plan(&world, &again);
                if (again.n_proposals > 0)
                        fail_round(round, "planned again", &world, &again);
                placement_plan_done(&plan);
                placement_plan_done(&again);
                placement_world_done(&world);
        }
}

/* Of what is half done nothing is done again, and the room that it still needs is given to nobody else. */
static void what_moves_is_left_alone_and_its_room_is_kept(void **state) {
        unsigned long n_moving = 0, n_others = 0;
        (void) state;
        for (unsigned long round = 0; round < rounds; round++) {
                struct placement_world world;
                struct placement_plan plan, again;
                char buffer[512];
                draw_round(&world, round);
                make_plan(&world, &plan);
                for (size_t i = 0; i < plan.n_proposals && plan.proposals[i].stage == 1; i++) {
                        placement_begin_to_apply(world.host, &plan.proposals[i]);
                        n_moving += plan.proposals[i].moves_memory;
                }
                make_plan(&world, &again);
                for (size_t i = 0; i < again.n_proposals; i++) {
                        if (again.proposals[i].domain->moving)
                                fail_round(round, "planned while it moves", &world, &again);
                        n_others += again.proposals[i].moves_memory;
                }
                const char *broken = placement_world_carry_out(&world, &again, buffer, sizeof buffer);
                if (broken)
                        fail_round(round, broken, &world, &again);
                placement_plan_done(&plan);
                placement_plan_done(&again);
                placement_world_done(&world);
        }
        printf("# %lu domains moved, beside which %lu were planned to move\n", n_moving, n_others);
        assert_true(n_moving > rounds / 20 && n_others >= rounds / 2000);
}

static bool same_set(hwloc_const_bitmap_t a, hwloc_const_bitmap_t b) {
        return a && b ? hwloc_bitmap_isequal(a, b) : a == b;
}

static const char *difference(const struct placement_proposal *a, const struct placement_proposal *b) {
        if (a->domain != b->domain || a->n_pins != b->n_pins || a->total_kib != b->total_kib || !same_set(a->emulator, b->emulator) || !same_set(a->memory_nodes, b->memory_nodes))
                return "other domains, pins, memory or emulator";
        for (size_t i = 0; i < a->n_vcpus; i++)
                if (!same_set(a->cpus[i], b->cpus[i]))
                        return "other CPUs";
        for (size_t i = 0; i < a->n_cells; i++)
                if (a->kib[i] != b->kib[i])
                        return "other memory";
        return NULL;
}

static void the_planner_that_is_told_the_nodes_finds_the_same_cpus(void **state) {
        unsigned long n = 0;
        (void) state;
        for (unsigned long round = 0; round < rounds / 2; round++) {
                struct placement_world world;
                struct placement_plan plan;
                struct placement *placement;
                draw_round(&world, round);
                make_plan(&world, &plan);
                assert_int_equal(placement_new(&placement, world.host, &world.rules), 0);
                for (size_t i = 0; i < plan.n_proposals && plan.proposals[i].stage == 1; i++) {
                        const struct placement_proposal *proposal = &plan.proposals[i];
                        struct placement_proposal expanded;
                        struct placement_request request;
                        char text[IOCORE_REASON_MAX], why[IOCORE_REASON_MAX];
                        const char *rule = NULL;
                        assert_int_equal(placement_request_format(world.host, proposal, &world.rules, text, sizeof text), 0);
                        assert_int_equal(placement_request_parse(world.host, text, &request, why, sizeof why), 0);
                        int r = placement_expand(placement, proposal->domain, &request, &expanded, &rule, why, sizeof why);
                        if (r < 0)
                                fail_round(round, why, &world, &plan);
                        const char *broken = difference(proposal, &expanded);
                        if (broken)
                                fail_round(round, broken, &world, &plan);
                        placement_proposal_done(&expanded);
                        placement_request_done(&request);
                        n++;
                }
                placement_free(placement);
                placement_plan_done(&plan);
                placement_world_done(&world);
        }
        assert_true(n > rounds / 2);
}

static void overcommit_is_spread_evenly_over_equal_nodes(void **state) {
        (void) state;
        for (unsigned long round = 0; round < rounds / 20; round++) {
                struct draw draw = { seed * 1000003u + round };
                size_t n_nodes = 2 + placement_draw(&draw, 4), cores = 1 + placement_draw(&draw, 6);
                struct host *host = placement_host(n_nodes, cores, 1 + placement_draw(&draw, 2));
                size_t n = host->n_cpus + placement_draw(&draw, 2 * (unsigned) host->n_cpus);
                struct placement_rules rules;
                struct placement_plan plan;
                struct placement *placement;
                unsigned lowest = UINT32_MAX, highest = 0;
                placement_rules_init(&rules);
                rules.pin = PLACEMENT_PIN_CPU;
                for (size_t i = 0; i < n; i++) {
                        char name[32];
                        snprintf(name, sizeof name, "vm%zu", i);
                        /* all are on the first node, or nowhere */
                        placement_domain(host, name, 1, NULL, 0);
                        if (round % 2)
                                placement_vcpu_cpus(host_domain(host, name), 0, "0");
                }
                assert_int_equal(placement_new(&placement, host, &rules), 0);
                assert_int_equal(placement_run(placement, PLACEMENT_STAGES_MAX, &plan), 0);
                for (size_t i = 0; i < plan.n_proposals; i++)
                        placement_apply(host, &plan.proposals[i]);
                for (size_t cpu = 0; cpu < host->n_cpus; cpu++) {
                        unsigned count = 0;
                        for (size_t i = 0; i < n; i++)
                                count += host->domains[i]->vcpus[0].cpus && hwloc_bitmap_isset(host->domains[i]->vcpus[0].cpus, (unsigned) cpu);
                        lowest = count < lowest ? count : lowest;
                        highest = count > highest ? count : highest;
                }
                if (!plan.settled || highest - lowest > 1) {
                        print_error("seed %lu, round %lu: %zu vCPUs on %zu CPUs of %zu nodes: from %u to %u\n", seed, round, n, host->n_cpus, n_nodes, lowest, highest);
                        fail();
                }
                placement_plan_done(&plan);
                placement_free(placement);
                placement_host_free(host);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_promise_is_broken_by_any_plan),
                cmocka_unit_test(planning_again_what_was_carried_out_plans_nothing),
                cmocka_unit_test(what_moves_is_left_alone_and_its_room_is_kept),
                cmocka_unit_test(the_planner_that_is_told_the_nodes_finds_the_same_cpus),
                cmocka_unit_test(overcommit_is_spread_evenly_over_equal_nodes),
        };
        seed = number_from_environment("IOCORE_SEED", (unsigned long) time(NULL));
        rounds = number_from_environment("IOCORE_ROUNDS", ROUNDS);
        printf("# seed %lu\n", seed);
        return cmocka_run_group_tests_name("placement-properties", tests, NULL, NULL);
}

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

/* All nodes are as far from each other, some three times as far as usual. */
static void draw_distance(struct host *host, struct draw *draw) {
        size_t n = host->n_nodes;
        uint8_t far = placement_draw(draw, 2) ? 20 : 40;
        host->topology->n_distances = n;
        host->topology->distances = malloc(n * n);
        assert_non_null(host->topology->distances);
        for (size_t i = 0; i < n * n; i++)
                host->topology->distances[i] = i / n == i % n ? 10 : far;
}

/* Nodes alike, all at the same distance, and one domain with memory anywhere, larger than a node, that may run anywhere. */
static struct host *draw_large(struct draw *draw, struct domain **ret) {
        size_t n_nodes = 2 + placement_draw(draw, 4);
        struct host *host = placement_host(n_nodes, 2 + placement_draw(draw, 5), 1 + placement_draw(draw, 2));
        size_t per_node = host->n_cpus / n_nodes;
        struct domain *domain = placement_domain(host, "large", per_node + 1 + placement_draw(draw, (unsigned) (host->n_cpus - per_node)), NULL, 8u << 20);
        draw_distance(host, draw);
        placement_cell_memory(host, domain, 0, 0);
        for (size_t i = 0; i < n_nodes; i++) {
                placement_host_memory(host, i, 64u << 20, 32u << 20);
                domain->cells[0].kib_of_node[i] = (uint64_t) placement_draw(draw, 4) << 20;
        }
        *ret = domain;
        return host;
}

static void carry_out_all(struct host *host, const struct placement_rules *rules, struct placement_plan *ret) {
        struct placement *placement;
        assert_int_equal(placement_new(&placement, host, rules), 0);
        assert_int_equal(placement_run(placement, PLACEMENT_STAGES_MAX, ret), 0);
        for (size_t i = 0; i < ret->n_proposals; i++)
                placement_apply(host, &ret->proposals[i]);
        placement_free(placement);
}

static const char *check_spread(const struct host *host, const struct domain *domain, const struct placement_proposal *proposal) {
        size_t per_node = host->n_cpus / host->n_nodes, count[8] = { 0 };
        hwloc_const_bitmap_t set = proposal->nodes[0];
        for (size_t i = 0; i < domain->n_vcpus; i++)
                count[(size_t) hwloc_bitmap_first(domain->vcpus[i].cpus) / per_node]++;
        if (proposal->shape != PLACEMENT_SPREAD || (size_t) hwloc_bitmap_weight(set) != (domain->n_vcpus + per_node - 1) / per_node)
                return "not spread over as few nodes as hold it";
        for (size_t a = 0; a < host->n_nodes; a++) {
                if (count[a] > per_node)
                        return "more vCPUs than CPUs, while there are free ones";
                for (size_t b = 0; b < host->n_nodes; b++)
                        if (hwloc_bitmap_isset(set, (unsigned) a) && hwloc_bitmap_isset(set, (unsigned) b) && count[a] < count[b] &&
                            domain->cells[0].kib_of_node[a] > domain->cells[0].kib_of_node[b])
                                return "more vCPUs where less of the memory is";
        }
        return NULL;
}

static void what_is_larger_than_a_node_is_spread_over_few_and_as_its_memory_is(void **state) {
        unsigned long n_spread = 0, n_moved = 0, n_twice = 0;
        (void) state;
        for (unsigned long round = 0; round < rounds; round++) {
                struct placement_world world = { 0 };
                struct draw draw = { seed * 1000003u + round };
                struct placement_plan plan;
                struct domain *domain;
                world.host = draw_large(&draw, &domain);
                placement_rules_init(&world.rules);
                world.rules.pin = placement_draw(&draw, 2) ? PLACEMENT_PIN_CPU : PLACEMENT_PIN_NODE;
                carry_out_all(world.host, &world.rules, &plan);
                /* the kernel divides what it moves as it likes: when that is known vCPUs may do better elsewhere, once */
                const char *broken = plan.n_proposals > 2 || (plan.n_proposals == 2 && (!plan.proposals[0].moves_memory || plan.proposals[1].moves_memory)) ? "planned again" :
                                     plan.n_proposals > 0 ? check_spread(world.host, domain, &plan.proposals[plan.n_proposals - 1]) : NULL;
                if (broken)
                        fail_round(round, broken, &world, &plan);
                n_spread += plan.n_proposals > 0;
                n_moved += plan.n_proposals > 0 && plan.proposals[0].moves_memory;
                n_twice += plan.n_proposals > 1;
                placement_plan_done(&plan);
                placement_host_free(world.host);
        }
        printf("# %lu of %lu large domains spread, %lu with memory, %lu twice\n", n_spread, rounds, n_moved, n_twice);
        assert_true(n_spread > rounds / 4 && n_moved > rounds / 100 && n_twice < rounds / 100);
}

/* A small domain for which there are as many CPUs as it needs, though on several nodes, gets them on one: the large one, which may run on all, makes room. */
static void what_may_run_anywhere_keeps_no_small_domain_from_a_node(void **state) {
        (void) state;
        for (unsigned long round = 0; round < rounds; round++) {
                struct draw draw = { seed * 1000003u + round };
                struct placement_world world = { .host = placement_host(2 + placement_draw(&draw, 4), 2 + placement_draw(&draw, 5), 1 + placement_draw(&draw, 2)) };
                struct placement_plan plan;
                struct host *host = world.host;
                unsigned per_node = (unsigned) (host->n_cpus / host->n_nodes), n = 1 + placement_draw(&draw, per_node - 1);
                struct domain *domains[] = { placement_domain(host, "large", host->n_cpus - n, NULL, host->n_nodes << 22), placement_domain(host, "small", n, NULL, host->n_nodes << 20) };
                for (size_t i = 0; i < host->n_nodes; i++)
                        placement_host_memory(host, i, 64u << 20, 32u << 20);
                for (size_t i = 0; i < 2; i++) {
                        placement_cell_memory(host, domains[i], 0, 0);
                        for (size_t node = 0; node < host->n_nodes; node++)
                                domains[i]->cells[0].kib_of_node[node] = domains[i]->pub.memory_kib / host->n_nodes;
                }
                placement_rules_init(&world.rules);
                carry_out_all(host, &world.rules, &plan);
                if (plan.n_proposals < 1 || plan.proposals[0].domain != domains[1] || plan.proposals[0].shape != PLACEMENT_WHOLE || plan.proposals[0].remote_after > 1e-9)
                        fail_round(round, "the small domain is not placed first, whole and with its memory", &world, &plan);
                struct placement *placement;
                struct placement_quality quality;
                assert_int_equal(placement_new(&placement, host, &world.rules), 0);
                placement_measure(placement, &quality);
                if (quality.worst_node > 1 + 1e-9)
                        fail_round(round, "more vCPUs than CPUs on a node, while there are free ones on another", &world, &plan);
                placement_free(placement);
                placement_plan_done(&plan);
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
                cmocka_unit_test(what_is_larger_than_a_node_is_spread_over_few_and_as_its_memory_is),
                cmocka_unit_test(what_may_run_anywhere_keeps_no_small_domain_from_a_node),
        };
        seed = number_from_environment("IOCORE_SEED", (unsigned long) time(NULL));
        rounds = number_from_environment("IOCORE_ROUNDS", ROUNDS);
        printf("# seed %lu\n", seed);
        return cmocka_run_group_tests_name("placement-properties", tests, NULL, NULL);
}

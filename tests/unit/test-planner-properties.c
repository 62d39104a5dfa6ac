/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must hold for every host, every set of rules and every list of intents. IOCORE_SEED=N repeats a run, IOCORE_ROUNDS=N makes it longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "planner-model.h"

#define ROUNDS 10000

static const char *const shapes[] = {
        "pack:1 numa:1 l3:1 core:2 pu:1", "pack:2 numa:1 l3:1 core:4 pu:2", "pack:1 numa:1 l3:2 core:4 pu:2",
        "pack:2 numa:2 l3:1 core:3 pu:1", "pack:1 numa:1 l3:1 core:1 pu:2", "pack:2 numa:1 l3:2 core:4 pu:2",
};
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

/* splitmix64: small, seedable, good enough to shuffle */
static uint32_t next_random(void *userdata) {
        uint64_t *state = userdata, mixed = *state += 0x9e3779b97f4a7c15u;
        mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
        return (uint32_t) ((mixed ^ mixed >> 31) >> 16);
}

static unsigned long number_from_environment(const char *name, unsigned long fallback) {
        const char *value = getenv(name);
        return value ? strtoul(value, NULL, 10) : fallback;
}

struct fixture {
        struct host *hosts[N_SHAPES];
        struct world world;
        unsigned long seed, rounds;
};

static int setup(void **state) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        if (!fixture)
                return -1;
        for (size_t i = 0; i < N_SHAPES; i++)
                fixture->hosts[i] = model_host(shapes[i]);
        fixture->seed = number_from_environment("IOCORE_SEED", (unsigned long) time(NULL));
        fixture->rounds = number_from_environment("IOCORE_ROUNDS", ROUNDS);
        printf("# seed %lu\n", fixture->seed);
        *state = fixture;
        return 0;
}

static int teardown(void **state) {
        struct fixture *fixture = *state;
        for (size_t i = 0; i < N_SHAPES; i++)
                host_free(fixture->hosts[i]);
        world_done(&fixture->world);
        free(fixture);
        return 0;
}

/* Each round has a seed of its own, so that one that fails can be run alone. */
static void draw_round(struct fixture *fixture, unsigned long round) {
        uint64_t state = fixture->seed * 1000003u + round;
        struct draw draw = { next_random, &state };
        world_draw(&fixture->world, fixture->hosts[draw_below(&draw, N_SHAPES)], &draw);
}

static void make_plan(struct planner *planner, const struct world *world, struct plan *ret) {
        assert_int_equal(planner_plan(planner, world->host, &world->capabilities, world->intents, world->n_intents, ret), 0);
}

static void fail_round(const struct fixture *fixture, unsigned long round, const char *broken, const struct plan *plan) {
        print_error("seed %lu, round %lu: %s\n", fixture->seed, round, broken);
        for (size_t i = 0; i < plan->n_decisions; i++) {
                const struct decision *decision = plan->decisions[i];
                print_error("  %s node %d cpu %d %s %s, priority %d: %s, %s\n", intent_action_to_string(decision->intent.action), decision->intent.node,
                            decision->intent.cpu, decision->intent.knob, decision->intent.object, decision->intent.priority,
                            verdict_to_string(decision->verdict), decision->text);
                for (size_t j = 0; j < decision->n_steps; j++) {
                        char line[512];
                        step_format(&decision->steps[j], line, sizeof line);
                        print_error("    %s\n", line);
                }
        }
        fail();
}

static void no_rule_is_broken_at_any_step_of_any_plan(void **state) {
        struct fixture *fixture = *state;
        struct world *world = &fixture->world;
        size_t n_planned = 0, n_refused = 0;
        for (unsigned long round = 0; round < fixture->rounds; round++) {
                struct planner *planner;
                struct plan plan = { 0 };
                char buffer[512];
                draw_round(fixture, round);
                for (size_t i = 0; i < world->n_intents; i++)
                        if (i % 3 == 0 && round % 2 == 0) {
                                world->intents[i].priority = -1;
                                snprintf(world->intents[i].source, sizeof world->intents[i].source, "client:uid=0");
                        }
                assert_int_equal(planner_new(&planner, &world->rules), 0);
                make_plan(planner, world, &plan);
                const char *broken = world_carry_out(world, &plan, buffer, sizeof buffer);
                if (broken)
                        fail_round(fixture, round, broken, &plan);
                for (size_t i = 0; i < plan.n_decisions; i++) {
                        n_planned += plan.decisions[i]->verdict == VERDICT_DONE;
                        n_refused += plan.decisions[i]->verdict == VERDICT_REFUSED;
                }
                plan_done(&plan);
                planner_free(planner);
        }
        /* worlds in which nothing happens would prove nothing */
        assert_true(n_planned > fixture->rounds / 4);
        assert_true(n_refused > fixture->rounds / 4);
}

static void the_same_snapshot_gives_the_same_plan(void **state) {
        struct fixture *fixture = *state;
        struct world *world = &fixture->world;
        for (unsigned long round = 0; round < fixture->rounds / 4; round++) {
                struct planner *one, *other;
                struct plan first = { 0 }, second = { 0 }, third = { 0 };
                draw_round(fixture, round);
                assert_int_equal(planner_new(&one, &world->rules), 0);
                assert_int_equal(planner_new(&other, &world->rules), 0);
                make_plan(one, world, &first);
                make_plan(one, world, &second);
                make_plan(other, world, &third);
                const char *difference = plan_difference(&first, &second);
                if (!difference)
                        difference = plan_difference(&first, &third);
                if (difference)
                        fail_round(fixture, round, difference, &first);
                plan_done(&first);
                plan_done(&second);
                plan_done(&third);
                planner_free(one);
                planner_free(other);
        }
}

static struct decision *decision_for(const struct plan *plan, const struct intent *intent) {
        for (size_t i = 0; i < plan->n_decisions; i++) {
                struct decision *decision = plan->decisions[i];
                const struct intent *other = &decision->intent;
                if (other->action == intent->action && other->priority == intent->priority && other->node == intent->node && other->cpu == intent->cpu &&
                    strcmp(other->object, intent->object) == 0 && strcmp(other->knob, intent->knob) == 0 && strcmp(other->value, intent->value) == 0)
                        return decision;
        }
        return NULL;
}

/* What was refused at first may find its obstacle gone; what was carried out, found done already or superseded is not planned a second time. */
static void planning_again_what_was_carried_out_plans_nothing(void **state) {
        struct fixture *fixture = *state;
        struct world *world = &fixture->world;
        size_t n_checked = 0;
        for (unsigned long round = 0; round < fixture->rounds; round++) {
                struct planner *planner;
                struct plan first = { 0 }, second = { 0 };
                char buffer[512];
                draw_round(fixture, round);
                assert_int_equal(planner_new(&planner, &world->rules), 0);
                make_plan(planner, world, &first);
                const char *broken = world_carry_out(world, &first, buffer, sizeof buffer);
                if (broken)
                        fail_round(fixture, round, broken, &first);
                for (size_t i = 0; i < first.n_decisions; i++)
                        planner_report(planner, world->host, first.decisions[i]);
                make_plan(planner, world, &second);
                for (size_t i = 0; i < second.n_decisions; i++) {
                        const struct decision *again = second.decisions[i];
                        const struct decision *before = decision_for(&first, &again->intent);
                        bool anywhere = intent_knob_kind(&again->intent) == NULL && again->intent.node < 0 && again->intent.cpu < 0;
                        assert_non_null(before);
                        /* "shrink somewhere" may mean another node once the first has none left */
                        if (before->verdict == VERDICT_REFUSED || anywhere)
                                continue;
                        n_checked++;
                        if (again->verdict == VERDICT_PLANNED)
                                fail_round(fixture, round, again->text, &first);
                }
                plan_done(&first);
                plan_done(&second);
                planner_free(planner);
        }
        assert_true(n_checked > fixture->rounds / 4);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_rule_is_broken_at_any_step_of_any_plan),
                cmocka_unit_test(the_same_snapshot_gives_the_same_plan),
                cmocka_unit_test(planning_again_what_was_carried_out_plans_nothing),
        };
        return cmocka_run_group_tests_name("planner-properties", tests, setup, teardown);
}

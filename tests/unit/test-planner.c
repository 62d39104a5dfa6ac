/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The planner's rules, one by one, on small hosts. What holds for all hosts is in test-planner-properties.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/cleanup.h"
#include "planner-model.h"

/* Two nodes of four CPUs, no SMT: CPUs 0-3 and 4-7. */
#define TWO_NODES "pack:2 numa:1 l3:1 core:4 pu:1"
/* One node, four physical cores of two threads: 0+1, 2+3, 4+5, 6+7. */
#define SMT "pack:1 numa:1 l3:1 core:4 pu:2"

struct fixture {
        struct host *host;
        struct planner_rules rules;
        struct planner *planner;
        struct plan plan;
};

static void begin(struct fixture *f, const char *synthetic) {
        *f = (struct fixture) { .host = model_host(synthetic) };
        assert_int_equal(planner_rules_init(&f->rules), 0);
        assert_int_equal(planner_new(&f->planner, &f->rules), 0);
}

static void end(struct fixture *f) {
        plan_done(&f->plan);
        planner_free(f->planner);
        planner_rules_done(&f->rules);
        host_free(f->host);
}

static struct intent wish(enum intent_action action, int node, int cpu, const char *object, const char *value) {
        struct intent intent = { .action = action, .priority = 50, .node = node, .cpu = cpu };
        snprintf(intent.source, sizeof intent.source, "policy:test");
        snprintf(intent.object, sizeof intent.object, "%s", object);
        snprintf(intent.value, sizeof intent.value, "%s", value);
        return intent;
}

static const struct decision *decide(struct fixture *f, struct intent intent) {
        plan_done(&f->plan);
        assert_int_equal(planner_plan(f->planner, f->host, NULL, &intent, 1, &f->plan), 0);
        assert_int_equal(f->plan.n_decisions, 1);
        return f->plan.decisions[0];
}

static void assert_refused(const struct decision *decision, const char *rule) {
        if (decision->verdict != VERDICT_REFUSED || strcmp(decision->rule, rule) != 0)
                fail_msg("wanted %s, got %s: %s", rule, verdict_to_string(decision->verdict), decision->text);
        assert_non_null(strstr(decision->text, rule));
        assert_int_equal(decision->n_steps, 0);
}

static void assert_verdict(const struct decision *decision, enum verdict verdict) {
        if (decision->verdict != verdict)
                fail_msg("wanted %s, got %s: %s", verdict_to_string(verdict), verdict_to_string(decision->verdict), decision->text);
}

static void carry_out(struct fixture *f) {
        struct decision *decision = f->plan.decisions[0];
        for (size_t i = 0; i < decision->n_steps; i++) {
                assert_true(model_apply_step(f->host, &decision->steps[i]));
                decision->steps[i].result = STEP_DONE;
        }
        decision->verdict = VERDICT_DONE;
        planner_report(f->planner, f->host, decision);
}

static void pass_time(struct fixture *f, uint64_t usec) {
        host_begin_epoch(f->host, f->host->now_usec + usec);
}

#define GROW(node) wish(INTENT_GROW, node, IOCORE_CPU_ANY, "", "")
#define SHRINK(node) wish(INTENT_SHRINK, node, IOCORE_CPU_ANY, "", "")
#define MOVE(unit, cpu) wish(INTENT_MOVE, IOCORE_NODE_UNKNOWN, cpu, unit, "")

static void the_first_core_of_a_node_takes_its_unplaced_units(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        model_unit(f.host, "d.1", IOCORE_CPU_ANY, 1, 0.2);
        model_unit(f.host, "d.2", IOCORE_CPU_ANY, 1, 0.4);
        model_unit(f.host, "d.3", IOCORE_CPU_ANY, 0, 0.4);
        const struct decision *decision = decide(&f, GROW(1));
        assert_verdict(decision, VERDICT_PLANNED);
        assert_int_equal(decision->n_steps, 3);
        assert_int_equal(decision->steps[0].kind, STEP_CORE_ADD);
        assert_int_equal(decision->steps[0].cpu, 4);
        assert_string_equal(decision->steps[1].object, "d.2");
        assert_string_equal(decision->steps[2].object, "d.1");
        end(&f);
}

static void a_later_core_evens_out_the_loads(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        model_core(f.host, 0, "w.2", true);
        for (int i = 1; i <= 4; i++) {
                char id[8];
                snprintf(id, sizeof id, "d.%d", i);
                model_unit(f.host, id, 0, 0, 0.25);
        }
        const struct decision *decision = decide(&f, GROW(0));
        assert_verdict(decision, VERDICT_PLANNED);
        assert_int_equal(decision->n_steps, 3);
        assert_int_equal(decision->steps[0].cpu, 1);
        end(&f);
}

static void one_heavy_unit_stays_where_moving_it_evens_out_nothing(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        model_core(f.host, 0, "w.2", true);
        model_unit(f.host, "d.1", 0, 0, 1.0);
        assert_int_equal(decide(&f, GROW(0))->n_steps, 1);
        end(&f);
}

static void grow_prefers_idle_cpus(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        for (int i = 0; i < 4; i++) {
                f.host->cpus[i].sampled = true;
                f.host->cpus[i].busy_share = i == 2 ? 0.05 : 0.8;
        }
        assert_int_equal(decide(&f, GROW(0))->steps[0].cpu, 2);
        end(&f);
}

static void isolated_cpus_that_may_be_used_are_used_first(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        f.host->topology->cpus[3].isolated = true;
        f.host->cpus[3].sampled = true;
        f.host->cpus[3].busy_share = 0.5;
        assert_int_not_equal(decide(&f, GROW(0))->steps[0].cpu, 3);
        f.rules.use_isolated = true;
        assert_int_equal(decide(&f, GROW(0))->steps[0].cpu, 3);
        end(&f);
}

static void cpus_that_others_are_bound_to_by_hand_are_left_to_them(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        f.host->cpus[0].n_pinned = 1;
        struct worker *worker = host_worker_add(f.host, NULL, "t.1");
        struct unit *unit = model_unit(f.host, "t.1", 0, IOCORE_CPU_ANY, 0.1);
        worker->pub.cpu = 1;
        unit->pub.worker = &worker->pub;
        unit->pub.manual = true;
        assert_int_equal(decide(&f, GROW(0))->steps[0].cpu, 2);
        f.host->cpus[2].n_pinned = f.host->cpus[3].n_pinned = 2;
        assert_refused(decide(&f, GROW(0)), "pinned-by-hand");
        assert_refused(decide(&f, wish(INTENT_GROW, IOCORE_NODE_UNKNOWN, 2, "", "")), "pinned-by-hand");
        /* A client that names it knows what it does, and is told what stays there. */
        struct intent named = wish(INTENT_GROW, IOCORE_NODE_UNKNOWN, 2, "", "");
        named.priority = -1;
        const struct decision *decision = decide(&f, named);
        assert_verdict(decision, VERDICT_PLANNED);
        assert_non_null(strstr(decision->text, "2 of others, bound there by hand, stay"));
        named.cpu = IOCORE_CPU_ANY;
        named.node = 0;
        assert_refused(decide(&f, named), "pinned-by-hand");
        end(&f);
}

static void with_whole_physical_cores_a_sibling_that_is_bound_by_hand_counts_too(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, SMT);
        f.host->cpus[1].n_pinned = 1;
        assert_int_equal(decide(&f, GROW(0))->steps[0].cpu, 2);
        f.rules.whole_physical_cores = false;
        assert_int_equal(decide(&f, GROW(0))->steps[0].cpu, 0);
        end(&f);
}

static void siblings_of_an_io_core_are_taken_unless_asked_for(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, SMT);
        model_core(f.host, 0, NULL, true);
        assert_int_equal(decide(&f, GROW(0))->steps[0].cpu, 2);
        assert_int_equal(decide(&f, wish(INTENT_GROW, IOCORE_NODE_UNKNOWN, 1, "", ""))->steps[0].cpu, 1);
        hwloc_bitmap_set(f.rules.reserved_cpus, 3);
        assert_refused(decide(&f, wish(INTENT_GROW, IOCORE_NODE_UNKNOWN, 2, "", "")), "whole-physical-cores");
        f.rules.whole_physical_cores = false;
        assert_int_equal(decide(&f, GROW(0))->steps[0].cpu, 1);
        end(&f);
}

static void cpus_that_may_not_become_io_cores_are_named_with_their_rule(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        hwloc_bitmap_set(f.rules.reserved_cpus, 0);
        hwloc_bitmap_set(f.rules.banned_cpus, 1);
        f.host->topology->cpus[2].isolated = true;
        f.host->topology->cpus[3].online = false;
        static const char *const rules[] = { "reserved-cpu", "banned", "isolated-cpu", "offline-cpu" };
        for (int i = 0; i < 4; i++)
                assert_refused(decide(&f, wish(INTENT_GROW, IOCORE_NODE_UNKNOWN, i, "", "")), rules[i]);
        assert_refused(decide(&f, GROW(0)), "no-cpu");
        f.rules.use_isolated = true;
        assert_int_equal(decide(&f, GROW(0))->steps[0].cpu, 2);
        assert_refused(decide(&f, wish(INTENT_GROW, IOCORE_NODE_UNKNOWN, 99, "", "")), "unknown-object");
        assert_refused(decide(&f, GROW(7)), "unknown-object");
        end(&f);
}

/* What was reserved while it was an I/O core is to be had back. */
static void an_io_core_that_was_reserved_since_may_go(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        model_core(f.host, 0, NULL, true);
        hwloc_bitmap_set(f.rules.reserved_cpus, 0);
        assert_verdict(decide(&f, wish(INTENT_SHRINK, IOCORE_NODE_UNKNOWN, 0, "", "")), VERDICT_PLANNED);
        host_cpu(f.host, 0)->io_core_ours = false;
        assert_refused(decide(&f, wish(INTENT_SHRINK, IOCORE_NODE_UNKNOWN, 0, "", "")), "reserved-cpu");
        host_cpu(f.host, 0)->io_core_ours = true;
        hwloc_bitmap_set(f.rules.banned_cpus, 0);
        assert_refused(decide(&f, wish(INTENT_SHRINK, IOCORE_NODE_UNKNOWN, 0, "", "")), "banned");
        end(&f);
}

static void a_vm_core_remains_on_each_node(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        for (int i = 0; i < 3; i++)
                model_core(f.host, i, NULL, true);
        assert_refused(decide(&f, GROW(0)), "no-cpu");
        assert_verdict(decide(&f, GROW(1)), VERDICT_PLANNED);
        end(&f);
}

static void limits_of_the_number_of_cores_hold(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        model_core(f.host, 0, NULL, true);
        f.rules.max_cores_per_node = 1;
        assert_refused(decide(&f, GROW(0)), "max-cores");
        assert_verdict(decide(&f, GROW(1)), VERDICT_PLANNED);
        f.rules.max_cores = 1;
        assert_refused(decide(&f, GROW(1)), "max-cores");
        f.rules.min_cores = 1;
        assert_refused(decide(&f, SHRINK(0)), "min-cores");
        f.rules.min_cores = 0;
        f.rules.min_cores_per_node = 1;
        assert_refused(decide(&f, SHRINK(0)), "min-cores");
        end(&f);
}

static void shrink_takes_ours_first_then_the_least_loaded(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        model_core(f.host, 0, "w.2", false);
        model_core(f.host, 1, "w.3", true);
        model_core(f.host, 2, "w.4", true);
        model_unit(f.host, "d.1", 1, 0, 0.5);
        model_unit(f.host, "d.2", 2, 0, 0.2);
        const struct decision *decision = decide(&f, SHRINK(0));
        assert_int_equal(decision->n_steps, 3);
        assert_int_equal(decision->steps[0].kind, STEP_CORE_CLOSE);
        assert_int_equal(decision->steps[0].cpu, 2);
        assert_int_equal(decision->steps[1].kind, STEP_UNIT_MOVE);
        assert_int_equal(decision->steps[1].cpu, 0);
        assert_int_equal(decision->steps[2].kind, STEP_CORE_REMOVE);
        assert_string_equal(decision->steps[2].object, "w.4");
        end(&f);
}

static void units_of_the_last_core_go_home_when_it_is_quiet(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        model_core(f.host, 0, NULL, true);
        struct unit *unit = model_unit(f.host, "d.1", 0, 0, 0.8);
        assert_refused(decide(&f, SHRINK(0)), "last-core");
        unit->load_average = 0.1;
        const struct decision *decision = decide(&f, SHRINK(0));
        assert_int_equal(decision->n_steps, 2);
        assert_int_equal(decision->steps[0].cpu, IOCORE_CPU_ANY);
        assert_int_equal(decision->steps[1].kind, STEP_CORE_REMOVE);
        end(&f);
}

static void a_core_with_more_units_than_moves_is_drained_over_epochs(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        f.rules.max_moves_per_epoch = 2;
        model_core(f.host, 0, NULL, true);
        model_unit(f.host, "d.1", 0, 0, 0.1);
        model_unit(f.host, "d.2", 0, 0, 0.1);
        model_unit(f.host, "d.3", 0, 0, 0.1);
        assert_int_equal(decide(&f, SHRINK(0))->n_steps, 2);
        carry_out(&f);
        assert_true(f.host->cpus[0].io_core);
        assert_refused(decide(&f, SHRINK(0)), "max-moves-per-epoch");
        pass_time(&f, 100000);
        assert_int_equal(decide(&f, SHRINK(0))->n_steps, 2);
        carry_out(&f);
        assert_false(f.host->cpus[0].io_core);
        end(&f);
}

static void cores_in_others_hands_stay(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        struct cpu *cpu = model_core(f.host, 0, "w.1", false);
        cpu->worker->pub.is_default = true;
        assert_refused(decide(&f, SHRINK(0)), "default-worker");
        cpu->worker->pub.is_default = false;
        cpu->worker->state = OBJECT_MANUAL;
        assert_refused(decide(&f, SHRINK(0)), "manual");
        end(&f);
}

static void a_move_keeps_to_every_rule(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        model_core(f.host, 0, NULL, true);
        model_core(f.host, 4, NULL, true);
        struct unit *unit = model_unit(f.host, "d.1", 0, 0, 0.1);
        struct unit *other = model_unit(f.host, "d.2", 4, 1, 0.1);
        assert_verdict(decide(&f, MOVE("d.1", 0)), VERDICT_UNCHANGED);
        assert_refused(decide(&f, MOVE("d.1", 4)), "numa");
        assert_refused(decide(&f, MOVE("d.1", 3)), "unknown-object");
        assert_refused(decide(&f, MOVE("d.9", 0)), "unknown-object");
        assert_refused(decide(&f, MOVE("d.1", -7)), "invalid");
        unit->pub.node = IOCORE_NODE_UNKNOWN;
        assert_verdict(decide(&f, MOVE("d.1", 4)), VERDICT_PLANNED);
        f.rules.max_devices_per_worker = 1;
        assert_refused(decide(&f, MOVE("d.1", 4)), "max-devices-per-worker");
        f.rules.max_devices_per_worker = 0;
        f.rules.share_within = SHARE_DOMAIN;
        assert_refused(decide(&f, MOVE("d.1", 4)), "share-within");
        snprintf(unit->pub.domain, sizeof unit->pub.domain, "vm1");
        snprintf(other->pub.domain, sizeof other->pub.domain, "vm1");
        assert_verdict(decide(&f, MOVE("d.1", 4)), VERDICT_PLANNED);
        unit->pub.manual = true;
        assert_refused(decide(&f, MOVE("d.1", 4)), "manual");
        end(&f);
}

/* The owner of a domain can be stricter than the configuration, also about others; not more generous. */
static void an_owner_says_whose_units_may_be_beside_his(void **state) {
        (void) state;
        static const struct { const char *mine, *yours; enum share_within rule; bool same, refused; } cases[] = {
                { "", "", SHARE_ANY, false, false },         { "any", "any", SHARE_ANY, false, false },    { "domain", "", SHARE_ANY, false, true },
                { "", "domain", SHARE_ANY, false, true },    { "cgroup", "", SHARE_ANY, false, true },     { "domain", "domain", SHARE_ANY, true, false },
                { "none", "none", SHARE_ANY, true, true },   { "", "none", SHARE_ANY, false, true },       { "none", "", SHARE_DOMAIN, true, true },
                { "any", "any", SHARE_DOMAIN, false, true }, { "domain", "domain", SHARE_NONE, true, true }, { "nonsense", "", SHARE_ANY, false, false },
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct fixture f;
                begin(&f, "numa:2 core:4 pu:1");
                model_core(f.host, 0, NULL, true);
                model_core(f.host, 1, NULL, true);
                struct unit *mine = model_unit(f.host, "d.1", 0, 0, 0.1), *yours = model_unit(f.host, "d.2", 1, 0, 0.1);
                snprintf(mine->pub.domain, sizeof mine->pub.domain, "vm1");
                snprintf(yours->pub.domain, sizeof yours->pub.domain, cases[i].same ? "vm1" : "vm2");
                struct domain *a = host_domain_add(f.host, NULL, "vm1"), *b = host_domain_add(f.host, NULL, "vm2");
                snprintf(a->pub.share_within, sizeof a->pub.share_within, "%s", cases[i].mine);
                snprintf(b->pub.share_within, sizeof b->pub.share_within, "%s", cases[i].yours);
                f.rules.share_within = cases[i].rule;
                if (cases[i].refused)
                        assert_refused(decide(&f, MOVE("d.1", 1)), "share-within");
                else
                        assert_verdict(decide(&f, MOVE("d.1", 1)), VERDICT_PLANNED);
                end(&f);
        }
}

static void a_unit_that_the_host_keeps_where_it_is_does_not_keep_others_from_growing(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        struct unit *unit = model_unit(f.host, "d.1", IOCORE_CPU_ANY, 0, 0.4);
        model_unit(f.host, "d.2", IOCORE_CPU_ANY, 0, 0.4);
        unit->pub.blocked = true;
        const struct decision *decision = decide(&f, GROW(0));
        assert_verdict(decision, VERDICT_PLANNED);
        assert_int_equal(decision->n_steps, 2);
        assert_string_equal(decision->steps[1].object, "d.2");
        model_core(f.host, 0, NULL, true);
        assert_refused(decide(&f, MOVE("d.1", 0)), "blocked");
        struct intent client = MOVE("d.1", 0);
        client.priority = -1;
        assert_verdict(decide(&f, client), VERDICT_PLANNED);
        end(&f);
}

static void bans_are_absolute_for_clients_too(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        char unit_pattern[] = "d.[12]", domain_pattern[] = "prod-*", *units[] = { unit_pattern, NULL }, *domains[] = { domain_pattern, NULL };
        model_core(f.host, 0, NULL, true);
        model_unit(f.host, "d.1", IOCORE_CPU_ANY, 0, 0.1);
        struct unit *unit = model_unit(f.host, "d.3", IOCORE_CPU_ANY, 0, 0.1);
        model_queue(f.host, "vq.1.0", "d.1");
        snprintf(unit->pub.domain, sizeof unit->pub.domain, "prod-7");
        f.rules.banned_units = units;
        f.rules.banned_domains = domains;
        struct intent intents[] = { MOVE("d.1", 0), MOVE("d.3", 0), wish(INTENT_POLL, -1, -1, "vq.1.0", "1") };
        for (int i = 0; i < 3; i++) {
                intents[i].priority = -1;
                assert_refused(decide(&f, intents[i]), "banned");
        }
        f.rules.banned_units = f.rules.banned_domains = NULL;
        end(&f);
}

static void holds_and_cool_downs_start_after_a_real_change_and_skip_clients(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        assert_verdict(decide(&f, GROW(0)), VERDICT_PLANNED);
        assert_verdict(decide(&f, GROW(0)), VERDICT_PLANNED); /* planned only: nothing cools down */
        carry_out(&f);
        assert_refused(decide(&f, GROW(0)), "cool-down");
        assert_refused(decide(&f, SHRINK(0)), "cool-down");
        assert_verdict(decide(&f, GROW(1)), VERDICT_PLANNED);
        struct intent client = GROW(0);
        client.priority = -1;
        assert_verdict(decide(&f, client), VERDICT_PLANNED);
        pass_time(&f, f.rules.cool_down_usec);
        assert_verdict(decide(&f, GROW(0)), VERDICT_PLANNED);

        model_unit(f.host, "d.1", IOCORE_CPU_ANY, 0, 0.1);
        decide(&f, MOVE("d.1", 0));
        carry_out(&f);
        assert_refused(decide(&f, MOVE("d.1", IOCORE_CPU_ANY)), "hold");
        pass_time(&f, f.rules.hold_usec);
        assert_verdict(decide(&f, MOVE("d.1", IOCORE_CPU_ANY)), VERDICT_PLANNED);
        end(&f);
}

static void failures_and_undone_trials_back_off_twice_as_long_each_time(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        uint64_t wait = f.rules.hold_usec;
        for (int i = 0; i < 10; i++) {
                decide(&f, GROW(0));
                assert_verdict(f.plan.decisions[0], VERDICT_PLANNED);
                if (i % 2 == 0) {
                        f.plan.decisions[0]->verdict = VERDICT_FAILED;
                        planner_report(f.planner, f.host, f.plan.decisions[0]);
                } else
                        planner_report_undone(f.planner, f.host, f.plan.decisions[0]);
                assert_refused(decide(&f, GROW(0)), "backoff");
                pass_time(&f, wait - 1);
                assert_refused(decide(&f, GROW(0)), "backoff");
                pass_time(&f, 1);
                if (i % 2 == 1 && wait < f.rules.hold_usec * 64)
                        wait *= 2;
        }
        end(&f);
}

static void the_lower_priority_number_wins_and_the_loser_is_recorded(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        model_unit(f.host, "d.1", IOCORE_CPU_ANY, 0, 0.1);
        model_queue(f.host, "vq.1.0", "d.1");
        struct intent intents[] = { wish(INTENT_LIMIT, -1, -1, "vq.1.0", "1500"), wish(INTENT_LIMIT, -1, -1, "vq.1.0", "9000") };
        intents[0].priority = 70;
        assert_int_equal(planner_plan(f.planner, f.host, NULL, intents, 2, &f.plan), 0);
        assert_verdict(f.plan.decisions[0], VERDICT_PLANNED);
        assert_string_equal(f.plan.decisions[0]->steps[0].value, "9000");
        assert_verdict(f.plan.decisions[1], VERDICT_SUPERSEDED);
        assert_string_equal(f.plan.decisions[1]->rule, "conflict");
        end(&f);
}

static void nonsense_is_invalid(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        model_unit(f.host, "d.1", IOCORE_CPU_ANY, 0, 0.1);
        model_queue(f.host, "vq.1.0", "d.1")->pub.can_poll = false;
        struct intent nan_evidence = GROW(0);
        nan_evidence.n_evidence = 1;
        nan_evidence.evidence[0].value = NAN;
        assert_refused(decide(&f, nan_evidence), "invalid");
        assert_refused(decide(&f, wish(INTENT_LIMIT, -1, -1, "vq.1.0", "-1")), "invalid");
        assert_refused(decide(&f, wish(INTENT_POLL, -1, -1, "vq.1.0", "maybe")), "invalid");
        assert_refused(decide(&f, wish(INTENT_POLL, -1, -1, "vq.1.0", "1")), "unavailable");
        assert_verdict(decide(&f, wish(INTENT_POLL, -1, -1, "vq.1.0", "0")), VERDICT_UNCHANGED);
        assert_refused(decide(&f, wish(INTENT_POLL, -1, -1, "vq.9.0", "1")), "unknown-object");
        struct intent around = wish(INTENT_SET, -1, -1, "d.1", "w.7");
        snprintf(around.knob, sizeof around.knob, "unit.place");
        assert_refused(decide(&f, around), "invalid");
        end(&f);
}

static void no_intents_cost_nothing(void **state) {
        struct fixture f;
        (void) state;
        begin(&f, TWO_NODES);
        assert_int_equal(planner_plan(f.planner, f.host, NULL, NULL, 0, &f.plan), 0);
        assert_null(f.plan.decisions);
        assert_int_equal(f.plan.n_decisions, 0);
        end(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_first_core_of_a_node_takes_its_unplaced_units),
                cmocka_unit_test(a_later_core_evens_out_the_loads),
                cmocka_unit_test(one_heavy_unit_stays_where_moving_it_evens_out_nothing),
                cmocka_unit_test(grow_prefers_idle_cpus),
                cmocka_unit_test(siblings_of_an_io_core_are_taken_unless_asked_for),
                cmocka_unit_test(isolated_cpus_that_may_be_used_are_used_first),
                cmocka_unit_test(cpus_that_others_are_bound_to_by_hand_are_left_to_them),
                cmocka_unit_test(with_whole_physical_cores_a_sibling_that_is_bound_by_hand_counts_too),
                cmocka_unit_test(cpus_that_may_not_become_io_cores_are_named_with_their_rule),
                cmocka_unit_test(an_io_core_that_was_reserved_since_may_go),
                cmocka_unit_test(a_vm_core_remains_on_each_node),
                cmocka_unit_test(limits_of_the_number_of_cores_hold),
                cmocka_unit_test(shrink_takes_ours_first_then_the_least_loaded),
                cmocka_unit_test(units_of_the_last_core_go_home_when_it_is_quiet),
                cmocka_unit_test(a_core_with_more_units_than_moves_is_drained_over_epochs),
                cmocka_unit_test(cores_in_others_hands_stay),
                cmocka_unit_test(a_move_keeps_to_every_rule),
                cmocka_unit_test(an_owner_says_whose_units_may_be_beside_his),
                cmocka_unit_test(a_unit_that_the_host_keeps_where_it_is_does_not_keep_others_from_growing),
                cmocka_unit_test(bans_are_absolute_for_clients_too),
                cmocka_unit_test(holds_and_cool_downs_start_after_a_real_change_and_skip_clients),
                cmocka_unit_test(failures_and_undone_trials_back_off_twice_as_long_each_time),
                cmocka_unit_test(the_lower_priority_number_wins_and_the_loser_is_recorded),
                cmocka_unit_test(nonsense_is_invalid),
                cmocka_unit_test(no_intents_cost_nothing),
        };
        return cmocka_run_group_tests_name("planner", tests, NULL, NULL);
}

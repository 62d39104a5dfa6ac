/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Merges intents into a plan, and remembers what became of it. */
#include <errno.h>
#include <math.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "planner-internal.h"

/* Defaults of iocored.conf(5). Two seconds are twenty epochs: long enough for a change to show in averages, short against the load of a VM. Whether a core
 * more or less is enough shows sooner. A move waits for two workers to finish what they are at: 16 keep an epoch short on any host. */
#define DEFAULT_HOLD_USEC 2000000u
#define DEFAULT_COOL_DOWN_USEC 1000000u
#define DEFAULT_MAX_MOVES 16u

int planner_rules_init(struct planner_rules *rules) {
        hwloc_bitmap_t reserved = hwloc_bitmap_alloc(), banned = hwloc_bitmap_alloc();
        if (!reserved || !banned) {
                hwloc_bitmap_free(reserved);
                hwloc_bitmap_free(banned);
                return -ENOMEM;
        }
        *rules = (struct planner_rules) {
                .reserved_cpus = reserved,
                .banned_cpus = banned,
                .whole_physical_cores = true,
                .max_moves_per_epoch = DEFAULT_MAX_MOVES,
                .share_within = SHARE_ANY,
                .hold_usec = DEFAULT_HOLD_USEC,
                .cool_down_usec = DEFAULT_COOL_DOWN_USEC,
        };
        return 0;
}

static void free_strings(char **strings) {
        for (char **string = strings; string && *string; string++)
                free(*string);
        free(strings);
}

void planner_rules_done(struct planner_rules *rules) {
        hwloc_bitmap_free(rules->reserved_cpus);
        hwloc_bitmap_free(rules->banned_cpus);
        free_strings(rules->banned_units);
        free_strings(rules->banned_domains);
        *rules = (struct planner_rules) { 0 };
}

void plan_done(struct plan *plan) {
        for (size_t i = 0; i < plan->n_decisions; i++)
                decision_free(plan->decisions[i]);
        free(plan->decisions);
        *plan = (struct plan) { 0 };
}

int planner_new(struct planner **ret, const struct planner_rules *rules) {
        struct planner *planner = calloc(1, sizeof *planner);
        if (!planner)
                return -ENOMEM;
        planner->rules = rules;
        *ret = planner;
        return 0;
}

struct planner *planner_free(struct planner *planner) {
        if (!planner)
                return NULL;
        free(planner->changes.entries);
        free(planner->removed_cores);
        free(planner->cores);
        free(planner->units);
        free(planner->order);
        free(planner->targets);
        free(planner);
        return NULL;
}

/* --- decisions in the making */

__attribute__((format(printf, 4, 0))) static void conclude(struct decision *decision, enum verdict verdict, const char *rule, const char *format,
                                                           va_list arguments) {
        decision->verdict = verdict;
        snprintf(decision->rule, sizeof decision->rule, "%s", rule);
        int prefix = rule[0] ? snprintf(decision->text, sizeof decision->text, "%s: ", rule) : 0;
        vsnprintf(decision->text + prefix, sizeof decision->text - (size_t) prefix, format, arguments);
}

void decision_refuse(struct decision *decision, const char *rule, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        conclude(decision, VERDICT_REFUSED, rule, format, arguments);
        va_end(arguments);
}

void decision_unchanged(struct decision *decision, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        conclude(decision, VERDICT_UNCHANGED, "", format, arguments);
        va_end(arguments);
}

void decision_planned(struct decision *decision, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        conclude(decision, VERDICT_PLANNED, "", format, arguments);
        va_end(arguments);
}

struct step *decision_add_step(struct decision *decision, enum step_kind kind, int cpu, const char *object) {
        /* grows to the next power of two */
        if ((decision->n_steps & (decision->n_steps - 1)) == 0) {
                struct step *steps = reallocarray(decision->steps, decision->n_steps ? decision->n_steps * 2 : 1, sizeof *steps);
                if (!steps)
                        return NULL;
                decision->steps = steps;
        }
        struct step *step = &decision->steps[decision->n_steps++];
        *step = (struct step) { .kind = kind, .cpu = cpu };
        snprintf(step->object, sizeof step->object, "%s", object);
        return step;
}

const char *planning_unavailable(const struct planning *planning, const char *kind, const char *object) {
        const struct planner_capabilities *capabilities = planning->capabilities;
        return capabilities && capabilities->unavailable ? capabilities->unavailable(capabilities->userdata, kind, object) : NULL;
}

/* --- one plan */

/* A load that is not a number of cores counts as none: sums must stay sums. */
static double sane_load(double average, double now) {
        double load = average >= 0 ? average : now;
        return isfinite(load) && load > 0 ? load : 0;
}

static int grow_scratch(struct planner *planner, const struct host *host) {
        if (planner->n_cores < host->n_cpus) {
                struct plan_core *cores = reallocarray(planner->cores, host->n_cpus, sizeof *cores);
                if (!cores)
                        return -ENOMEM;
                planner->cores = cores;
                planner->n_cores = host->n_cpus;
        }
        if (planner->n_units < host->n_units) {
                struct plan_unit *units = reallocarray(planner->units, host->n_units, sizeof *units);
                if (units)
                        planner->units = units;
                size_t *order = reallocarray(planner->order, host->n_units, sizeof *order);
                if (order)
                        planner->order = order;
                int *targets = reallocarray(planner->targets, host->n_units, sizeof *targets);
                if (targets)
                        planner->targets = targets;
                if (!units || !order || !targets)
                        return -ENOMEM;
                planner->n_units = host->n_units;
        }
        return 0;
}

/* What the owner of a domain wants. Each domain is a control group of its own. */
static enum share_within wanted_share(const struct domain *domain) {
        const char *wish = domain ? domain->pub.share_within : "";
        if (strcmp(wish, "none") == 0)
                return SHARE_NONE;
        return strcmp(wish, "domain") == 0 || strcmp(wish, "cgroup") == 0 ? SHARE_DOMAIN : SHARE_ANY;
}

static enum share_within stricter(enum share_within a, enum share_within b) {
        return a > b ? a : b;
}

static void fill_scratch(struct planning *planning) {
        const struct host *host = planning->host;
        planning->strictest = planning->rules->share_within;
        for (size_t i = 0; i < host->n_cpus; i++)
                planning->cores[i] = (struct plan_core) { .io_core = host->cpus[i].io_core, .ours = host->cpus[i].io_core_ours, .n_pinned = host->cpus[i].n_pinned,
                                                          .first_unit = -1 };
        /* backwards, so that each core's list is in the host's order */
        for (size_t i = host->n_units; i-- > 0;) {
                const struct unit *unit = host->units[i];
                planning->units[i] = (struct plan_unit) { .core = IOCORE_CPU_ANY, .next = -1,
                                                          .share = stricter(planning->rules->share_within, wanted_share(host_unit_domain(host, unit))),
                                                          .load = sane_load(unit->load_average, unit->rates_valid ? unit->load : 0) };
                planning->strictest = stricter(planning->strictest, planning->units[i].share);
                const struct worker *worker = (const struct worker *) unit->pub.worker;
                if (host_unit_is_manual(unit) && worker && !worker->pub.shared && worker->pub.cpu >= 0 && (size_t) worker->pub.cpu < host->n_cpus)
                        planning->cores[worker->pub.cpu].n_pinned++;
                if (unit->core >= 0 && (size_t) unit->core < host->n_cpus && planning->cores[unit->core].io_core)
                        relocate_unit(planning, i, unit->core);
        }
        /* what no unit accounts for is load all the same */
        for (size_t i = 0; i < host->n_cpus; i++) {
                double load = planning->cores[i].io_core ? sane_load(host->cpus[i].load_average, host->cpus[i].load) : 0;
                if (load > planning->cores[i].load)
                        planning->cores[i].load = load;
        }
}

static const char *find_invalid(const struct intent *intent) {
        if ((int) intent->action < 0 || intent->action >= _INTENT_ACTION_MAX)
                return "no such action";
        if (intent->cpu < IOCORE_CPU_ANY)
                return "the CPU is negative";
        if (intent->node < IOCORE_NODE_UNKNOWN)
                return "the node is negative";
        if (intent->n_evidence > INTENT_EVIDENCE_MAX)
                return "too much evidence";
        for (size_t i = 0; i < intent->n_evidence; i++)
                if (!isfinite(intent->evidence[i].value))
                        return "evidence is not a finite number";
        if ((int) intent->trial < 0 || intent->trial >= _TRIAL_MEASURE_MAX)
                return "no such measure for a trial";
        const char *knob = intent_knob_kind(intent);
        if (knob && !knob[0])
                return "no knob is named";
        if (knob && !intent->object[0])
                return "no object is named";
        return NULL;
}

static struct decision *new_decision(const struct host *host, const struct intent *intent) {
        struct decision *decision = calloc(1, sizeof *decision);
        if (!decision)
                return NULL;
        decision->epoch = host->epoch;
        decision->intent = *intent;
        struct intent *copy = &decision->intent;
        /* whatever the sender did, from here on strings end and counts fit */
        copy->source[sizeof copy->source - 1] = copy->object[sizeof copy->object - 1] = copy->knob[sizeof copy->knob - 1] = '\0';
        copy->value[sizeof copy->value - 1] = copy->reason[sizeof copy->reason - 1] = '\0';
        for (size_t i = 0; i < INTENT_EVIDENCE_MAX; i++)
                copy->evidence[i].name[sizeof copy->evidence[i].name - 1] = '\0';
        const char *invalid = find_invalid(copy);
        if (copy->n_evidence > INTENT_EVIDENCE_MAX)
                copy->n_evidence = INTENT_EVIDENCE_MAX;
        if (invalid)
                decision_refuse(decision, "invalid", "%s", invalid);
        else
                decision->verdict = VERDICT_PLANNED;
        return decision;
}

/* How far a node is from having enough I/O cores, in cores: the more, the sooner it gets one. */
static double shortage(const struct node *node) {
        return sane_load(node->io_load_average, node->io_load) + sane_load(node->unplaced_load_average, node->unplaced_load) - (double) node->n_io_cores;
}

/* Which node a grow or shrink is about. False: refused. */
static bool resolve_node(const struct planning *planning, struct decision *decision, size_t *ret_node) {
        const struct host *host = planning->host;
        const struct intent *intent = &decision->intent;

        if (intent->cpu >= 0) {
                const struct cpu *cpu = host_cpu(host, intent->cpu);
                if (!cpu || !cpu->topology->present) {
                        decision_refuse(decision, "unknown-object", "there is no CPU %d; the highest is %zu", intent->cpu, host->n_cpus - 1);
                        return false;
                }
                if (intent->node >= 0 && cpu->topology->online && intent->node != cpu->topology->node) {
                        decision_refuse(decision, "invalid", "CPU %d is on node %d, not on node %d", intent->cpu, cpu->topology->node, intent->node);
                        return false;
                }
                *ret_node = planning_node_index(planning, cpu);
                return true;
        }
        size_t best = host->n_nodes;
        for (size_t i = 0; i < host->n_nodes; i++) {
                const struct node *node = &host->nodes[i];
                if (intent->node >= 0) {
                        if (node->topology->node == intent->node)
                                best = i;
                } else if (intent->action == INTENT_GROW) {
                        if (best == host->n_nodes || shortage(node) > shortage(&host->nodes[best]) + LOAD_EPSILON)
                                best = i;
                } else if (node_io_cores(planning, i) > 0 &&
                           (best == host->n_nodes || shortage(node) < shortage(&host->nodes[best]) - LOAD_EPSILON))
                        best = i;
        }
        if (best == host->n_nodes) {
                if (intent->node >= 0 || host->n_nodes == 0)
                        decision_refuse(decision, "unknown-object", "there is no node %d; the host has %zu", intent->node, host->n_nodes);
                else
                        decision_unchanged(decision, "The host has no I/O core: there is nothing to shrink.");
                return false;
        }
        *ret_node = best;
        return true;
}

/* Of an object only one decision is under way at a time: what it was before, to which a failure returns, would be what another one is just changing. */
static void check_in_progress(const struct planning *planning, struct decision *decision) {
        const struct planner_capabilities *capabilities = planning->capabilities;
        if (!capabilities || !capabilities->in_progress)
                return;
        const char *who = decision->intent.object[0] ? capabilities->in_progress(capabilities->userdata, "", decision->intent.object) : NULL;
        const char *object = decision->intent.object;
        for (size_t i = 0; !who && i < decision->n_steps; i++)
                if (decision->steps[i].kind == STEP_KNOB_SET) {
                        object = decision->steps[i].object;
                        who = capabilities->in_progress(capabilities->userdata, decision->steps[i].knob, object);
                }
        if (who) {
                decision->n_steps = 0;
                decision_refuse(decision, "in-progress", "%.80s is still changing %.100s", who, object);
        }
}

/* What an intent of this plan has already decided about. */
struct claim {
        char key[CHANGE_KEY_MAX];
        const struct decision *winner;
};

static int compare_claims(const void *a, const void *b) {
        return strcmp(((const struct claim *) a)->key, ((const struct claim *) b)->key);
}

static void forget_nothing(void *claim) {
        (void) claim; /* the claims are members of one array */
}

static int work_out(struct planning *planning, struct decision *decision, struct claim *claim, void **claims) {
        const char *knob = intent_knob_kind(&decision->intent);
        size_t node = 0;
        int r;

        if (decision->verdict != VERDICT_PLANNED)
                return 0;
        if (intent_places_domain(&decision->intent))
                change_key(claim->key, sizeof claim->key, PLACE_KEY, decision->intent.object);
        else if (knob)
                change_key(claim->key, sizeof claim->key, knob, decision->intent.object);
        else if (resolve_node(planning, decision, &node))
                change_key_node(claim->key, sizeof claim->key, "cores", planning->host->nodes[node].topology->node);
        else
                return 0;

        void *found = tfind(claim, claims, compare_claims);
        if (found) {
                const struct decision *winner = (*(struct claim **) found)->winner;
                decision_refuse(decision, "conflict", "%s (priority %d) has already decided about %.100s in this epoch; this one has priority %d",
                                winner->intent.source, winner->intent.priority, claim->key, decision->intent.priority);
                decision->verdict = VERDICT_SUPERSEDED;
                return 0;
        }
        if (decision->intent.action == INTENT_GROW)
                r = plan_grow(planning, decision, node);
        else if (decision->intent.action == INTENT_SHRINK)
                r = plan_shrink(planning, decision, node);
        else if (decision->intent.action == INTENT_MOVE)
                r = plan_move(planning, decision);
        else if (intent_places_domain(&decision->intent))
                r = plan_place(planning, decision);
        else
                r = plan_knob(planning, decision);
        if (r < 0)
                return r;
        if (knob && decision->verdict == VERDICT_PLANNED)
                check_in_progress(planning, decision);
        /* A refusal decides nothing: the next one may have its try. "Already so" does: it is what the more important one wants. */
        if (decision->verdict == VERDICT_PLANNED || decision->verdict == VERDICT_UNCHANGED) {
                claim->winner = decision;
                if (!tsearch(claim, claims, compare_claims))
                        return -ENOMEM;
        }
        return 0;
}

static int compare_priorities(const void *a, const void *b, void *userdata) {
        const struct intent *intents = userdata;
        size_t x = *(const size_t *) a, y = *(const size_t *) b;
        if (intents[x].priority != intents[y].priority)
                return intents[x].priority < intents[y].priority ? -1 : 1;
        return x < y ? -1 : x > y;
}

static int plan_all(struct planning *planning, const struct intent *intents, size_t n, struct plan *plan) {
        _cleanup_free_ size_t *order = calloc(n, sizeof *order);
        _cleanup_free_ struct claim *claim = calloc(n, sizeof *claim);
        plan->decisions = calloc(n, sizeof(struct decision *));
        if (!order || !claim || !plan->decisions)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                order[i] = i;
        qsort_r(order, n, sizeof *order, compare_priorities, (void *) intents);

        void *claims = NULL;
        int r = 0;
        for (size_t i = 0; r == 0 && i < n; i++) {
                struct decision *decision = new_decision(planning->host, &intents[order[i]]);
                if (decision) {
                        plan->decisions[plan->n_decisions++] = decision;
                        r = work_out(planning, decision, &claim[i], &claims);
                } else
                        r = -ENOMEM;
        }
        tdestroy(claims, forget_nothing);
        return r;
}

int planner_plan(struct planner *planner, const struct host *host, const struct planner_capabilities *capabilities, const struct intent *intents,
                 size_t n_intents, struct plan *ret) {
        if (n_intents == 0) {
                *ret = (struct plan) { 0 };
                return 0;
        }
        int r = grow_scratch(planner, host);
        if (r < 0)
                return r;
        struct planning planning = {
                .planner = planner,
                .rules = planner->rules,
                .host = host,
                .capabilities = capabilities,
                .cores = planner->cores,
                .units = planner->units,
                .order = planner->order,
                .targets = planner->targets,
                .n_moves = planner->epoch == host->epoch ? planner->n_moves : 0,
        };
        fill_scratch(&planning);
        _cleanup_(plan_done) struct plan plan = { 0 };
        r = plan_all(&planning, intents, n_intents, &plan);
        planning_place_done(&planning);
        if (r < 0)
                return r;
        *ret = plan;
        plan = (struct plan) { 0 };
        return 0;
}

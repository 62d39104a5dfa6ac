/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the vCPUs and the memory of domains go: checked by the rules, and worked out into the knobs of each vCPU. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "daemon/host/cpu-list.h"
#include "planner-internal.h"

static void bitmap_freep(hwloc_bitmap_t *bitmap) {
        hwloc_bitmap_free(*bitmap); /* accepts NULL */
}
#define _cleanup_bitmap_ _cleanup_(bitmap_freep)

/* The host as it is, but for the I/O cores that this plan has made of VM cores. */
static int picture_host(struct planning *planning) {
        const struct planner_rules *rules = planning->rules;
        if (planning->placement)
                return 0;
        if (!planning->not_for_vcpus && !(planning->not_for_vcpus = hwloc_bitmap_alloc()))
                return -ENOMEM;
        if (rules->banned_cpus && hwloc_bitmap_copy(planning->not_for_vcpus, rules->banned_cpus) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < planning->host->n_cpus; i++)
                if (planning->cores[i].io_core && hwloc_bitmap_set(planning->not_for_vcpus, (unsigned) i) < 0)
                        return -ENOMEM;
        placement_rules_init(&planning->placement_rules);
        planning->placement_rules.use_isolated = rules->vcpus_on_isolated;
        planning->placement_rules.banned_cpus = planning->not_for_vcpus;
        planning->placement_rules.banned_domains = rules->banned_domains;
        return placement_new(&planning->placement, planning->host, &planning->placement_rules);
}

void planning_place_done(struct planning *planning) {
        planning->placement = placement_free(planning->placement);
        hwloc_bitmap_free(planning->not_for_vcpus);
        planning->not_for_vcpus = NULL;
}

/* --- steps */

/* 0; 1: refused; -ENOMEM. */
static int add_list_step(struct planning *planning, struct decision *decision, const char *knob, const char *object, hwloc_const_bitmap_t set) {
        const char *why = object[0] ? planning_unavailable(planning, knob, object) : "nobody offers it";
        if (why) {
                decision_refuse(decision, "unavailable", "%s of domain %.60s: %.120s", knob, decision->intent.object, why);
                return 1;
        }
        struct step *step = decision_add_step(decision, STEP_KNOB_SET, IOCORE_CPU_ANY, object);
        if (!step)
                return -ENOMEM;
        snprintf(step->knob, sizeof step->knob, "%s", knob);
        if (hwloc_bitmap_list_snprintf(step->value, sizeof step->value, set) >= (int) sizeof step->value) {
                decision_refuse(decision, "too-long", "the list of CPUs for %s of domain %.60s is longer than the %zu characters there is room for", knob,
                                decision->intent.object, sizeof step->value - 1);
                return 1;
        }
        return 0;
}

/* A refusal carries nothing out: what was added for it goes. */
static int conclude_steps(struct decision *decision, int r) {
        if (r > 0 || decision->verdict == VERDICT_REFUSED)
                decision->n_steps = 0;
        return r < 0 ? r : 0;
}

/* --- place */

static int node_of_cell(const struct planning *planning, const struct placement_proposal *proposal, size_t cell) {
        return planning->host->nodes[hwloc_bitmap_first(proposal->nodes[cell])].topology->node;
}

/* Guest cell by guest cell: a job each. */
static int add_job_steps(struct planning *planning, struct decision *decision, const struct placement_proposal *proposal) {
        const char *why = planning_unavailable(planning, MEMORY_MOVE, proposal->domain->pub.id);
        if (why) {
                decision_refuse(decision, "unavailable", "memory of guest cells of domain %.60s: %.120s", decision->intent.object, why);
                return 1;
        }
        for (size_t cell = 0; cell < proposal->n_cells; cell++) {
                if (proposal->kib[cell] == 0)
                        continue;
                struct step *step = decision_add_step(decision, STEP_MEMORY_MOVE, IOCORE_CPU_ANY, proposal->domain->pub.id);
                if (!step)
                        return -ENOMEM;
                step->cell = (int) cell;
                step->node = node_of_cell(planning, proposal, cell);
        }
        return 0;
}

/* All of it goes by a setting of the domain, which holds for what it allocates from now on, too; guest cells by jobs, for which that setting may have to be widened first. */
static int add_memory_steps(struct planning *planning, struct decision *decision, const struct placement_proposal *proposal) {
        bool whole = true;
        for (size_t cell = 1; cell < proposal->n_cells; cell++)
                whole = whole && hwloc_bitmap_isequal(proposal->nodes[cell], proposal->nodes[0]);
        int r = proposal->memory_nodes ? add_list_step(planning, decision, "numatune.nodeset", proposal->domain->emulator.knob, proposal->memory_nodes) : 0;
        return r == 0 && !whole ? add_job_steps(planning, decision, proposal) : r;
}

static int add_placement_steps(struct planning *planning, struct decision *decision, const struct placement_proposal *proposal) {
        int r = 0;
        for (size_t i = 0; r == 0 && i < proposal->n_vcpus; i++)
                if (proposal->cpus[i])
                        r = add_list_step(planning, decision, "vcpu.cpus", proposal->domain->vcpus[i].pub.knob, proposal->cpus[i]);
        if (r == 0 && proposal->emulator)
                r = add_list_step(planning, decision, "emulator.cpus", proposal->domain->emulator.knob, proposal->emulator);
        /* last: what the guest allocates from now on is where its vCPUs are, and pages take their time */
        if (r == 0 && proposal->moves_memory)
                r = add_memory_steps(planning, decision, proposal);
        return r;
}

/* What is said of memory that would move if it could. */
static const char *say_what_stays(const struct placement_proposal *proposal, enum placement_memory memory) {
        if (memory != PLACEMENT_MEMORY_CELLS || !proposal->memory_untold)
                return "";
        return proposal->domain->rest_kib_of_node ? " Memory stays: nothing tells which of it is which guest cell's." : " Memory stays: where it is nobody has told.";
}

static void say_what_is_placed(const struct planning *planning, struct decision *decision, const struct placement_proposal *proposal, enum placement_memory memory) {
        char list[64] = "";
        _cleanup_bitmap_ hwloc_bitmap_t nodes = hwloc_bitmap_alloc();
        unsigned place;
        for (size_t cell = 0; nodes && cell < proposal->n_cells; cell++)
                hwloc_bitmap_foreach_begin(place, proposal->nodes[cell]) {
                        (void) hwloc_bitmap_set(nodes, (unsigned) planning->host->nodes[place].topology->node);
                } hwloc_bitmap_foreach_end();
        if (nodes)
                (void) hwloc_bitmap_list_snprintf(list, sizeof list, nodes);
        if (proposal->shape == PLACEMENT_STAY)
                decision_planned(decision, "%zu of %zu vCPUs of %.80s get other CPUs of their nodes.", proposal->n_pins, proposal->n_vcpus, decision->intent.object);
        else
                decision_planned(decision, "%.80s goes %s to node %s: %zu of %zu vCPUs are pinned anew, %.1f GiB of memory move.%s", decision->intent.object,
                                 placement_shape_to_string(proposal->shape), list, proposal->n_pins, proposal->n_vcpus, (double) proposal->total_kib / (1024.0 * 1024.0),
                                 say_what_stays(proposal, memory));
}

static int expand(struct planning *planning, struct decision *decision, const struct domain *domain, const struct placement_request *request) {
        _cleanup_(placement_proposal_done) struct placement_proposal proposal = { 0 };
        char text[IOCORE_REASON_MAX] = "";
        const char *rule = NULL;
        int r = placement_expand(planning->placement, domain, request, &proposal, &rule, text, sizeof text);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                decision_refuse(decision, rule, "%s", text);
                return 0;
        }
        if (proposal.n_pins == 0 && !proposal.moves_memory) {
                decision_unchanged(decision, "%.100s is there already.", decision->intent.object);
                return 0;
        }
        r = add_placement_steps(planning, decision, &proposal);
        if (r == 0)
                say_what_is_placed(planning, decision, &proposal, request->memory);
        else if (r > 0)
                r = placement_undo(planning->placement, &proposal) < 0 ? -ENOMEM : r;
        return r;
}

static int place(struct planning *planning, struct decision *decision, const struct domain *domain) {
        _cleanup_(placement_request_done) struct placement_request request = { 0 };
        char text[IOCORE_REASON_MAX];
        int r = placement_request_parse(planning->host, decision->intent.value, &request, text, sizeof text);
        if (r == -EINVAL) {
                decision_refuse(decision, "invalid", "%s", text);
                return 0;
        }
        return r < 0 ? r : expand(planning, decision, domain, &request);
}

/* --- bind-memory: as the memory part of a placement, or, where nobody knows where the memory is, without a check */

static int bind_memory(struct planning *planning, struct decision *decision, const struct domain *domain) {
        const char *value = decision->intent.value;
        size_t place = planning->host->n_nodes;
        bool known = domain->n_cells > 0;
        _cleanup_bitmap_ hwloc_bitmap_t node = NULL;
        int r = cpu_list_parse(value, &node);
        if (r == -ENOMEM)
                return r;
        for (size_t i = 0; r == 0 && hwloc_bitmap_weight(node) == 1 && i < planning->host->n_nodes; i++)
                if (hwloc_bitmap_isset(node, (unsigned) planning->host->nodes[i].topology->node))
                        place = i;
        if (place == planning->host->n_nodes) {
                decision_refuse(decision, "invalid", "\"%.60s\" is no node of this host", value);
                return 0;
        }
        if (domain->pub.bound && domain->pub.wish != IOCORE_WISH_AUTO) {
                decision_refuse(decision, "pinned", "the memory of domain %.100s is bound by hand, and its owner does not say policy=auto", decision->intent.object);
                return 0;
        }
        if (domain->pub.memory_fixed) {
                decision_refuse(decision, "fixed", "the memory of domain %.100s cannot be bound to other nodes while it runs: of <numatune> libvirt changes mode=restrictive only",
                                decision->intent.object);
                return 0;
        }
        for (size_t cell = 0; cell < domain->n_cells; cell++)
                known = known && domain->cells[cell].kib_of_node;
        if (!known) {
                r = add_list_step(planning, decision, "numatune.nodeset", domain->emulator.knob, node);
                if (r == 0)
                        decision_planned(decision, "The memory of %.100s is bound to node %s; where it is now nobody knows.", decision->intent.object, value);
                return r;
        }
        _cleanup_(placement_request_done) struct placement_request request = { .pin = PLACEMENT_PIN_NO, .memory = PLACEMENT_MEMORY_DOMAIN };
        request.nodes = calloc(domain->n_cells, sizeof(hwloc_bitmap_t));
        if (!request.nodes)
                return -ENOMEM;
        for (; request.n_cells < domain->n_cells; request.n_cells++) {
                request.nodes[request.n_cells] = hwloc_bitmap_alloc();
                if (!request.nodes[request.n_cells] || hwloc_bitmap_set(request.nodes[request.n_cells], (unsigned) place) < 0)
                        return request.n_cells++, -ENOMEM;
        }
        return expand(planning, decision, domain, &request);
}

/* --- pin */

/* True (refused): a CPU of the list is none for vCPUs. */
static bool cpus_are_off_limits(const struct planning *planning, struct decision *decision, hwloc_const_bitmap_t cpus) {
        unsigned cpu;
        hwloc_bitmap_foreach_begin(cpu, cpus) {
                struct refusal refusal;
                if (cpu >= planning->host->n_cpus || !planning->host->cpus[cpu].topology->present)
                        return decision_refuse(decision, "invalid", "there is no CPU %u; the highest is %zu", cpu, planning->host->n_cpus - 1), true;
                if (planning->cores[cpu].io_core)
                        return decision_refuse(decision, "io-core", "CPU %u is an I/O core: no vCPU runs there", cpu), true;
                if (placement_cpu_is_usable(planning->placement, cpu))
                        continue;
                if (core_is_untouchable(planning, (int) cpu, &refusal))
                        decision_refuse(decision, refusal.rule, "%s", refusal.text);
                else if (!planning->host->cpus[cpu].topology->online)
                        decision_refuse(decision, "offline-cpu", "CPU %u is offline", cpu);
                else
                        decision_refuse(decision, "isolated-cpu", "CPU %u is isolated from the scheduler, and [cores] vcpus-on-isolated is no", cpu);
                return true;
        } hwloc_bitmap_foreach_end();
        return false;
}

/* One of "VCPUS=CPUS" or "CPUS", which is for all. */
struct pin_word {
        hwloc_bitmap_t vcpus; /* NULL: all */
        hwloc_bitmap_t cpus;
};

static void pin_word_done(struct pin_word *word) {
        hwloc_bitmap_free(word->vcpus);
        hwloc_bitmap_free(word->cpus);
}

/* 0; 1: refused; -ENOMEM. */
static int parse_pin_word(const struct planning *planning, struct decision *decision, const struct domain *domain, char *text, struct pin_word *ret) {
        char *equals = strchr(text, '=');
        size_t n = 0;
        int r = cpu_list_parse(equals ? equals + 1 : text, &ret->cpus);
        if (equals && r == 0) {
                *equals = '\0';
                r = cpu_list_parse(text, &ret->vcpus);
                *equals = '=';
        }
        if (r == -ENOMEM)
                return r;
        if (r < 0 || hwloc_bitmap_iszero(ret->cpus) || (ret->vcpus && hwloc_bitmap_iszero(ret->vcpus)))
                return decision_refuse(decision, "invalid", "\"%.60s\" is no list of CPUs, and no list of vCPUs and one of CPUs (0=2;1=3)", text), 1;
        for (size_t i = 0; ret->vcpus && i < domain->n_vcpus; i++)
                n += hwloc_bitmap_isset(ret->vcpus, domain->vcpus[i].pub.id) != 0;
        if (ret->vcpus && n < (size_t) hwloc_bitmap_weight(ret->vcpus))
                return decision_refuse(decision, "invalid", "domain %.80s has not all of the vCPUs that are named in %.60s", decision->intent.object, text), 1;
        return cpus_are_off_limits(planning, decision, ret->cpus);
}

static int add_pin_steps(struct planning *planning, struct decision *decision, const struct domain *domain, const struct pin_word *word) {
        int r = 0;
        for (size_t i = 0; r == 0 && i < domain->n_vcpus; i++) {
                const struct vcpu *vcpu = &domain->vcpus[i];
                bool meant = !word->vcpus || hwloc_bitmap_isset(word->vcpus, vcpu->pub.id);
                if (meant && !(vcpu->cpus && hwloc_bitmap_isequal(vcpu->cpus, word->cpus)))
                        r = add_list_step(planning, decision, "vcpu.cpus", vcpu->pub.knob, word->cpus);
        }
        return r;
}

/* What was planned, on the picture: only when nothing is refused any more. */
static int carry_out_pins(struct planning *planning, const struct decision *decision, const struct domain *domain) {
        for (size_t i = 0; i < decision->n_steps; i++) {
                _cleanup_bitmap_ hwloc_bitmap_t cpus = NULL;
                size_t vcpu = 0;
                while (strcmp(domain->vcpus[vcpu].pub.knob, decision->steps[i].object) != 0)
                        vcpu++;
                int r = cpu_list_parse(decision->steps[i].value, &cpus);
                if (r == 0)
                        r = placement_set_cpus(planning->placement, domain, vcpu, cpus);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int pin(struct planning *planning, struct decision *decision, const struct domain *domain) {
        _cleanup_free_ char *copy = strdup(decision->intent.value);
        char *rest = copy, *text;
        if (!copy)
                return -ENOMEM;
        while ((text = strsep(&rest, ";"))) {
                _cleanup_(pin_word_done) struct pin_word word = { 0 };
                int r = parse_pin_word(planning, decision, domain, text, &word);
                if (r == 0)
                        r = add_pin_steps(planning, decision, domain, &word);
                if (r != 0)
                        return r;
        }
        if (decision->n_steps == 0)
                decision_unchanged(decision, "%.100s is pinned so already.", decision->intent.object);
        else
                decision_planned(decision, "%zu of %zu vCPUs of %.80s are pinned to %.100s.", decision->n_steps, domain->n_vcpus, decision->intent.object,
                                 decision->intent.value);
        return carry_out_pins(planning, decision, domain);
}

/* --- all three */

int plan_place(struct planning *planning, struct decision *decision) {
        const struct intent *intent = &decision->intent;
        const struct domain *domain = host_domain(planning->host, intent->object);
        char key[CHANGE_KEY_MAX], text[IOCORE_REASON_MAX];

        if (!domain) {
                decision_refuse(decision, "unknown-object", "there is no domain %.100s", intent->object);
                return 0;
        }
        int r = picture_host(planning);
        if (r < 0)
                return r;
        const char *rule = placement_off_limits(planning->placement, domain, text, sizeof text);
        if (rule) {
                decision_refuse(decision, rule, "%s", text);
                return 0;
        }
        /* before it is worked out: what is refused must not be in the picture that is for the next */
        const struct planner_capabilities *capabilities = planning->capabilities;
        const char *who = capabilities && capabilities->in_progress ? capabilities->in_progress(capabilities->userdata, "", intent->object) : NULL;
        if (who) {
                decision_refuse(decision, "in-progress", "%.80s is still changing %.100s", who, intent->object);
                return 0;
        }
        change_key(key, sizeof key, PLACE_KEY, intent->object);
        if (change_is_held(planning, decision, key, "hold", intent->object))
                return 0;
        if (intent->action == INTENT_PLACE)
                r = place(planning, decision, domain);
        else if (intent->action == INTENT_PIN)
                r = pin(planning, decision, domain);
        else
                r = bind_memory(planning, decision, domain);
        return conclude_steps(decision, r);
}

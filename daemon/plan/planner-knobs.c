/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves of single units, and every other knob. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/host/cpu-list.h"
#include "planner-internal.h"

static bool decision_refused_by(struct decision *decision, const struct refusal *refusal) {
        decision_refuse(decision, refusal->rule, "%s", refusal->text);
        return true;
}

/* --- move */

static bool move_is_refused(const struct planning *planning, struct decision *decision, size_t unit, int cpu) {
        struct refusal refusal;
        const char *id = planning->host->units[unit]->pub.id;

        if (unit_is_off_limits(planning, unit, &refusal) || (cpu >= 0 && core_is_off_limits(planning, cpu, &refusal)))
                return decision_refused_by(decision, &refusal);
        if (cpu >= 0 && decision->intent.priority >= 0 && unit_is_blocked(planning, unit, &refusal))
                return decision_refused_by(decision, &refusal);
        const struct worker *worker = cpu >= 0 ? planning->host->cpus[cpu].worker : NULL;
        if (worker && worker->pub.locked) {
                decision_refuse(decision, "locked", "worker %s of CPU %d is locked and takes no units", worker->pub.id, cpu);
                return true;
        }
        const char *why = planning_unavailable(planning, "unit.place", id);
        if (why) {
                decision_refuse(decision, "unavailable", "%s cannot be moved: %.200s", id, why);
                return true;
        }
        if (cpu >= 0 && (core_has_no_room(planning, cpu, unit, &refusal) || move_leaves_node(planning, unit, cpu, &refusal)))
                return decision_refused_by(decision, &refusal);
        char key[CHANGE_KEY_MAX];
        change_key(key, sizeof key, "unit.place", id);
        if (change_is_held(planning, decision, key, "hold", id))
                return true;
        if (planning_moves_left(planning) == 0) {
                decision_refuse(decision, "max-moves-per-epoch", "%zu of at most %u units were moved in this epoch (0 left)", planning->n_moves,
                                planning->rules->max_moves_per_epoch);
                return true;
        }
        return false;
}

int plan_move(struct planning *planning, struct decision *decision) {
        const struct intent *intent = &decision->intent;
        int cpu = intent->cpu, found = planning_unit(planning, intent->object);

        if (found < 0) {
                decision_refuse(decision, "unknown-object", "there is no unit %.100s", intent->object);
                return 0;
        }
        if (cpu >= 0 && (!host_cpu(planning->host, cpu) || !planning->cores[cpu].io_core)) {
                decision_refuse(decision, "unknown-object", "CPU %d is no I/O core", cpu);
                return 0;
        }
        size_t unit = (size_t) found;
        int from = planning->units[unit].core;
        if (planning->units[unit].settled) {
                decision_refuse(decision, "conflict", "%s is moved already by a more important intent in this epoch", intent->object);
                decision->verdict = VERDICT_SUPERSEDED;
                return 0;
        }
        if (from == cpu) {
                if (cpu >= 0)
                        decision_unchanged(decision, "%s is on CPU %d already.", intent->object, cpu);
                else
                        decision_unchanged(decision, "%s is on no I/O core: it is at home already.", intent->object);
                /* a less important grow or shrink must not take it away again */
                planning->units[unit].settled = true;
                if (cpu >= 0)
                        planning->cores[cpu].received = true;
                return 0;
        }
        if (move_is_refused(planning, decision, unit, cpu))
                return 0;
        int r = plan_unit_move(planning, decision, unit, cpu);
        if (r < 0)
                return r;
        double load = planning->units[unit].load;
        if (cpu < 0)
                decision_planned(decision, "%s, with %.2f cores of work, goes home from CPU %d.", intent->object, load, from);
        else if (from < 0)
                decision_planned(decision, "%s, with %.2f cores of work, goes to CPU %d, which then carries %.2f.", intent->object, load, cpu,
                                 planning->cores[cpu].load);
        else
                decision_planned(decision, "%s, with %.2f cores of work, goes from CPU %d to CPU %d, which then carry %.2f and %.2f.", intent->object, load, from,
                                 cpu, planning->cores[from].load, planning->cores[cpu].load);
        return 0;
}

/* --- values */

static bool is_boolean(const char *value) {
        return strcmp(value, "0") == 0 || strcmp(value, "1") == 0;
}

static bool is_positive_number(const char *value) {
        size_t length = strlen(value);
        if (length == 0 || strspn(value, "0123456789") != length)
                return false;
        errno = 0;
        return strtoull(value, NULL, 10) > 0 && errno == 0;
}

static bool is_cpu_list(const struct planning *planning, const char *value) {
        hwloc_bitmap_t set = NULL;
        /* not hwloc's own parser: it makes room for whatever number it finds */
        bool valid = cpu_list_parse(value, &set) == 0 && hwloc_bitmap_last(set) >= 0 && (size_t) hwloc_bitmap_last(set) < planning->host->n_cpus;
        hwloc_bitmap_free(set);
        return valid;
}

static bool is_text(const char *value) {
        for (const char *c = value; *c; c++)
                if ((unsigned char) *c < ' ' || *c == 0x7f)
                        return false;
        return value[0] != '\0';
}

/* --- what each kind of knob asks for; true: concluded, there is nothing to plan */

static bool check_queue(const struct planning *planning, struct decision *decision, const char *knob) {
        const struct intent *intent = &decision->intent;
        const struct queue *queue = host_queue(planning->host, intent->object);
        bool poll = strcmp(knob, "queue.poll") == 0, on = strcmp(intent->value, "1") == 0;

        if (poll ? !is_boolean(intent->value) : strcmp(knob, "queue.limit") == 0 && !is_positive_number(intent->value)) {
                decision_refuse(decision, "invalid", "\"%.60s\" is no value for %s", intent->value, knob);
                return true;
        }
        if (!queue) {
                decision_refuse(decision, "unknown-object", "there is no queue %.100s", intent->object);
                return true;
        }
        const char *device = queue->pub.device ? queue->pub.device->id : "";
        struct refusal refusal;
        int unit = queue->pub.unit ? planning_unit(planning, queue->pub.unit->id) : -1;
        if (pattern_matches(planning->rules->banned_units, intent->object) || pattern_matches(planning->rules->banned_units, device)) {
                decision_refuse(decision, "banned", "%s is banned by [bans] units and is never touched", intent->object);
                return true;
        }
        /* a unit in manual hands was placed by somebody, which says nothing about its queues */
        if (unit >= 0 && unit_is_off_limits(planning, (size_t) unit, &refusal) && strcmp(refusal.rule, "banned") == 0)
                return decision_refused_by(decision, &refusal);
        if (queue->state == OBJECT_MANUAL) {
                decision_refuse(decision, "manual", "%s is in manual hands: somebody else changed it", intent->object);
                return true;
        }
        if (poll && queue->pub.poll == on) {
                decision_unchanged(decision, "%s %s already.", intent->object, on ? "is polled" : "takes notifications");
                return true;
        }
        if (poll && on && !queue->pub.can_poll) {
                decision_refuse(decision, "unavailable", "%s cannot be polled: its kernel side says so", intent->object);
                return true;
        }
        return false;
}

static bool check_worker(const struct planning *planning, struct decision *decision, const char *knob) {
        const struct intent *intent = &decision->intent;
        const struct worker *worker = host_worker(planning->host, intent->object);
        bool locked = strcmp(knob, "worker.locked") == 0, on = strcmp(intent->value, "1") == 0;

        if (!worker) {
                decision_refuse(decision, "unknown-object", "there is no worker %.100s", intent->object);
                return true;
        }
        int cpu = worker->pub.cpu;
        if (planning->rules->banned_cpus && cpu >= 0 && hwloc_bitmap_isset(planning->rules->banned_cpus, (unsigned) cpu))
                decision_refuse(decision, "banned", "%s is on CPU %d, which is banned by [bans] cpus and is never touched", intent->object, cpu);
        else if (worker->state == OBJECT_MANUAL)
                decision_refuse(decision, "manual", "%s is in manual hands: somebody else changed it", intent->object);
        else if (locked && !is_boolean(intent->value))
                decision_refuse(decision, "invalid", "\"%.60s\" is no value for %s", intent->value, knob);
        else if (locked && worker->pub.locked == on)
                decision_unchanged(decision, "%s is %s already.", intent->object, on ? "locked" : "unlocked");
        else if (locked && cpu >= 0)
                decision_refuse(decision, "invalid", "%s is the worker of CPU %d: grow and shrink open and close it", intent->object, cpu);
        else if (locked && on && worker->pub.is_default)
                decision_refuse(decision, "default-worker", "%s is the one that new devices are born on", intent->object);
        else
                return false;
        return true;
}

static bool check_unit(const struct planning *planning, struct decision *decision, const char *knob) {
        struct refusal refusal;
        int unit = planning_unit(planning, decision->intent.object);
        if (strcmp(knob, "unit.place") == 0)
                decision_refuse(decision, "invalid", "unit.place is set by the action move, which keeps to the rules");
        else if (unit < 0)
                decision_refuse(decision, "unknown-object", "there is no unit %.100s", decision->intent.object);
        else if (unit_is_off_limits(planning, (size_t) unit, &refusal))
                decision_refused_by(decision, &refusal);
        else
                return false;
        return true;
}

/* The domain whose IOThread has this knob object. NULL: none. */
static const struct domain *domain_of_iothread(const struct host *host, const char *object) {
        for (size_t i = 0; i < host->n_domains; i++)
                for (size_t t = 0; t < host->domains[i]->n_iothreads; t++)
                        if (strcmp(host->domains[i]->iothreads[t].pub.knob, object) == 0)
                                return host->domains[i];
        return NULL;
}

static bool starts_with(const char *string, const char *prefix) {
        return strncmp(string, prefix, strlen(prefix)) == 0;
}

static bool check_iothread(const struct planning *planning, struct decision *decision, const char *knob) {
        const char *object = decision->intent.object;
        const struct domain *domain = domain_of_iothread(planning->host, object);
        if (!domain)
                return false;
        if (pattern_matches(planning->rules->banned_domains, domain->pub.id))
                decision_refuse(decision, "banned", "%.60s is of domain %.80s, which is banned by [bans] domains and is never touched", object, domain->pub.id);
        else if (domain->pub.wish == IOCORE_WISH_MANUAL)
                decision_refuse(decision, "manual", "%.60s is of domain %.80s, whose owner wants it to be left alone (policy=manual)", object, domain->pub.id);
        else if (strcmp(knob, "iothread.cpus") == 0 && domain->pub.pinned && domain->pub.wish != IOCORE_WISH_AUTO)
                decision_refuse(decision, "pinned", "%.60s is of domain %.80s, which is pinned by hand, and its owner does not say policy=auto", object, domain->pub.id);
        else
                return false;
        return true;
}

static bool check_knob(const struct planning *planning, struct decision *decision, const char *knob) {
        const struct intent *intent = &decision->intent;
        if (!is_text(intent->value)) {
                decision_refuse(decision, "invalid", "the value for %s is empty or no printable text", knob);
                return true;
        }
        if (!is_text(knob) || !is_text(intent->object)) {
                decision_refuse(decision, "invalid", "the name of the knob or of the object is no printable text");
                return true;
        }
        if (starts_with(knob, "iothread."))
                return check_iothread(planning, decision, knob);
        if (starts_with(knob, "queue."))
                return check_queue(planning, decision, knob);
        if (starts_with(knob, "worker."))
                return check_worker(planning, decision, knob);
        if (starts_with(knob, "unit."))
                return check_unit(planning, decision, knob);
        if (strcmp(knob, "vcpu.cpus") == 0 || strcmp(knob, "emulator.cpus") == 0 || strcmp(knob, "numatune.nodeset") == 0) {
                decision_refuse(decision, "invalid", "%s is set by the actions place, pin and bind-memory, which keep to the rules", knob);
                return true;
        }
        if (strcmp(knob, "irq.affinity") == 0 && !is_cpu_list(planning, intent->value)) {
                decision_refuse(decision, "invalid", "\"%.60s\" is no value for %s on this host", intent->value, knob);
                return true;
        }
        return false;
}

int plan_knob(struct planning *planning, struct decision *decision) {
        struct intent *intent = &decision->intent;
        const char *knob = intent_knob_kind(intent);
        char key[CHANGE_KEY_MAX];

        if (check_knob(planning, decision, knob))
                return 0;
        const char *why = planning_unavailable(planning, knob, intent->object);
        if (why) {
                decision_refuse(decision, "unavailable", "%s of %.60s: %.150s", knob, intent->object, why);
                return 0;
        }
        change_key(key, sizeof key, knob, intent->object);
        if (change_is_held(planning, decision, key, "hold", key))
                return 0;
        struct step *step = decision_add_step(decision, STEP_KNOB_SET, IOCORE_CPU_ANY, intent->object);
        if (!step)
                return -ENOMEM;
        snprintf(step->knob, sizeof step->knob, "%s", knob);
        snprintf(step->value, sizeof step->value, "%s", intent->value);
        if (intent->action == INTENT_POLL)
                decision_planned(decision, "%s %s.", intent->object, strcmp(intent->value, "1") == 0 ? "is polled" : "takes notifications");
        else
                decision_planned(decision, "%s of %.60s becomes %.100s.", knob, intent->object, intent->value);
        return 0;
}

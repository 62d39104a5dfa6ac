/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Trials that are over: the decision is kept, or undone by a decision of its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "engine-private.h"
#include "log.h"

/* The CPU whose I/O core this decision removed: units that it moved away go back there, whatever its new worker is called. */
static int removed_core(const struct decision *decision) {
        for (size_t i = 0; i < decision->n_steps; i++)
                if (decision->steps[i].kind == STEP_CORE_REMOVE && decision->steps[i].result == STEP_DONE)
                        return decision->steps[i].cpu;
        return IOCORE_CPU_ANY;
}

static bool invert_step(const struct step *done, int removed_cpu, struct step *ret) {
        *ret = *done;
        ret->result = STEP_PENDING;
        ret->error = 0;
        ret->old_value[0] = ret->new_value[0] = '\0';
        switch (done->kind) {
        case STEP_CORE_ADD:
                ret->kind = STEP_CORE_REMOVE;
                snprintf(ret->object, sizeof ret->object, "%s", done->new_value);
                return true;
        case STEP_CORE_REMOVE:
                ret->kind = STEP_CORE_ADD;
                return true;
        case STEP_CORE_CLOSE:
                if (removed_cpu != IOCORE_CPU_ANY)
                        return false; /* its worker is gone: the new one is open */
                ret->kind = STEP_KNOB_SET;
                snprintf(ret->knob, sizeof ret->knob, "worker.locked");
                snprintf(ret->value, sizeof ret->value, "0");
                return true;
        case STEP_UNIT_MOVE:
                if (removed_cpu != IOCORE_CPU_ANY) {
                        ret->cpu = removed_cpu;
                        return true;
                }
                ret->kind = STEP_KNOB_SET;
                snprintf(ret->knob, sizeof ret->knob, "unit.place");
                snprintf(ret->value, sizeof ret->value, "%s", done->old_value);
                return true;
        case STEP_KNOB_SET:
                snprintf(ret->value, sizeof ret->value, "%s", done->old_value);
                return true;
        case STEP_MEMORY_MOVE:
                return false; /* what was moved stays */
        }
        return false;
}

static bool is_manual(const struct host *host, const char *kind, const char *object) {
        const struct unit *unit = strncmp(kind, "unit.", 5) == 0 ? host_unit(host, object) : NULL;
        const struct worker *worker = strncmp(kind, "worker.", 7) == 0 ? host_worker(host, object) : NULL;
        const struct queue *queue = strncmp(kind, "queue.", 6) == 0 ? host_queue(host, object) : NULL;
        return (unit && host_unit_is_manual(unit)) || (worker && worker->state == OBJECT_MANUAL) ||
               (queue && queue->state == OBJECT_MANUAL);
}

static bool core_is_of(const struct engine *engine, int cpu, const char *source) {
        for (size_t i = 0; i < journal_n_entries(engine->journal); i++) {
                const struct journal_entry *entry = journal_entry(engine->journal, i);
                if (entry->kind == JOURNAL_CORE_ADD && strtol(entry->object, NULL, 10) == cpu)
                        return strcmp(entry->source, source) == 0;
        }
        return false;
}

/* Whoever decided since, and it may have been a client, decided for good: only what is still as this step left it goes back. */
static bool still_holds(const struct engine *engine, const struct step *step, const char *source) {
        if (step->kind == STEP_CORE_REMOVE)
                return true;
        if (step->kind == STEP_CORE_ADD)
                return core_is_of(engine, step->cpu, source);
        const char *kind = step->kind == STEP_UNIT_MOVE ? "unit.place" : step->kind == STEP_CORE_CLOSE ? "worker.locked" : step->knob;
        if (is_manual(engine->host, kind, step->object))
                return false;
        for (size_t i = 0; i < journal_n_entries(engine->journal); i++) {
                const struct journal_entry *entry = journal_entry(engine->journal, i);
                if (entry->kind == JOURNAL_KNOB && strcmp(entry->knob, kind) == 0 && strcmp(entry->object, step->object) == 0)
                        return entry->set_value && strncmp(entry->set_value, step->new_value, sizeof step->new_value - 1) == 0;
        }
        return true; /* it is as it was before iocored came: this step brought it there */
}

/* A worker must be there and open again before units can return to it. */
static bool makes_room(enum step_kind kind) {
        return kind == STEP_CORE_REMOVE || kind == STEP_CORE_CLOSE;
}

static struct decision *invert(const struct engine *engine, const struct decision *decision) {
        _cleanup_(decision_freep) struct decision *inverse = calloc(1, sizeof *inverse);
        if (!inverse)
                return NULL;
        inverse->intent = decision->intent;
        inverse->intent.trial = TRIAL_NONE;
        inverse->verdict = VERDICT_PLANNED;
        snprintf(inverse->intent.reason, sizeof inverse->intent.reason, "trial of decision %llu: %.180s", (unsigned long long) decision->id,
                 decision->trial_text);
        snprintf(inverse->text, sizeof inverse->text, "Undid decision %llu.", (unsigned long long) decision->id);
        inverse->steps = calloc(decision->n_steps ? decision->n_steps : 1, sizeof *inverse->steps);
        if (!inverse->steps)
                return NULL;
        int removed_cpu = removed_core(decision);
        for (int pass = 0; pass < 2; pass++)
                for (size_t i = decision->n_steps; i-- > 0;) {
                        const struct step *step = &decision->steps[i];
                        if (makes_room(step->kind) == (pass == 0) && step->result == STEP_DONE && still_holds(engine, step, decision->intent.source) &&
                            invert_step(step, removed_cpu, &inverse->steps[inverse->n_steps]))
                                inverse->n_steps++;
                }
        return TAKE_PTR(inverse);
}

/* True: the host is as it was before the decision, but for what others changed since. */
static bool undo(struct engine *engine, const struct decision *decision) {
        struct decision *inverse = invert(engine, decision);
        if (!inverse) {
                log_warning("Decision %llu did not prove itself but cannot be undone now: out of memory.", (unsigned long long) decision->id);
                return false;
        }
        planner_report_undone(engine->planner, engine->host, decision);
        const struct decision *undone = NULL;
        int r = engine_carry_out(engine, inverse, &undone);
        if (r < 0)
                log_warning("The undoing of a decision could not be recorded: %s.", strerror(-r));
        return r < 0 || undone->verdict != VERDICT_FAILED;
}

static void conclude(struct engine *engine, const struct trial_outcome *outcome) {
        struct decision *entry = decision_log_find_for_update(engine->log, outcome->decision_id);
        if (!entry)
                return; /* so many decisions since that it was dropped: it stays */
        char text[sizeof entry->trial_text];
        snprintf(text, sizeof text, "%s went from %.4g to %.4g (load %.3g to %.3g)", trial_measure_to_string(entry->intent.trial), outcome->before,
                 outcome->after, outcome->load_before, outcome->load_after);
        entry->trial = outcome->verdict;
        entry->trial_before = outcome->before;
        entry->trial_after = outcome->after;
        snprintf(entry->trial_text, sizeof entry->trial_text, "%s", text);
        if (outcome->verdict == TRIAL_UNDONE) {
                bool acts = engine->mode == MODE_ACTIVE, undone = acts && undo(engine, entry);
                entry = decision_log_find_for_update(engine->log, outcome->decision_id); /* the log has a new entry */
                if (entry && !undone) {
                        entry->trial = TRIAL_INCONCLUSIVE;
                        snprintf(entry->trial_text, sizeof entry->trial_text, "%.140s; did not prove itself, but %s", text,
                                 acts ? "could not be undone" : "is not undone in this mode");
                }
        }
        if (entry)
                log_info("Trial of decision %llu: %s, %s.", (unsigned long long) entry->id, trial_verdict_to_string(entry->trial), entry->trial_text);
}

void engine_judge(struct engine *engine) {
        struct trial_outcome outcome;
        while (trial_set_next_outcome(engine->trials, engine->host, &outcome) > 0)
                conclude(engine, &outcome);
}

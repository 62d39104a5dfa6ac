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
        }
        return false;
}

static struct decision *invert(const struct decision *decision) {
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
        for (size_t i = decision->n_steps; i-- > 0;)
                if (decision->steps[i].result == STEP_DONE && invert_step(&decision->steps[i], removed_cpu, &inverse->steps[inverse->n_steps]))
                        inverse->n_steps++;
        return TAKE_PTR(inverse);
}

static void undo(struct engine *engine, const struct decision *entry) {
        struct decision *inverse = invert(entry);
        if (!inverse) {
                log_warning("Decision %llu did not prove itself but cannot be undone now: out of memory.", (unsigned long long) entry->id);
                return;
        }
        planner_report_undone(engine->planner, engine->host, entry);
        int r = engine_carry_out(engine, inverse, NULL);
        if (r < 0)
                log_warning("The undoing of a decision could not be recorded: %s.", strerror(-r));
}

void engine_judge(struct engine *engine) {
        struct trial_outcome outcome;
        while (trial_set_next_outcome(engine->trials, engine->host, &outcome) > 0) {
                struct decision *entry = decision_log_find_for_update(engine->log, outcome.decision_id);
                if (!entry)
                        continue; /* so many decisions since that it was dropped: it stays */
                entry->trial = outcome.verdict;
                entry->trial_before = outcome.before;
                entry->trial_after = outcome.after;
                snprintf(entry->trial_text, sizeof entry->trial_text, "%s went from %.4g to %.4g (load %.3g to %.3g)",
                         trial_measure_to_string(entry->intent.trial), outcome.before, outcome.after, outcome.load_before, outcome.load_after);
                log_info("Trial of decision %llu: %s, %s.", (unsigned long long) entry->id, trial_verdict_to_string(outcome.verdict), entry->trial_text);
                if (outcome.verdict == TRIAL_UNDONE)
                        undo(engine, entry);
        }
}

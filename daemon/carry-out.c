/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of decisions: carried out, at once or over epochs, remembered and told. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "daemon/act/asks.h"
#include "engine-private.h"
#include "log.h"

static void log_decision(const struct decision *decision) {
        int priority = decision->verdict == VERDICT_DONE ? LOG_NOTICE : decision->verdict == VERDICT_FAILED ? LOG_WARNING : LOG_INFO;
        log_message(priority, "Decision %llu, %s by %s, %s: %s%s%s", (unsigned long long) decision->id, intent_action_to_string(decision->intent.action),
                    decision->intent.source, verdict_to_string(decision->verdict), decision->text, decision->intent.reason[0] ? " Reason: " : "",
                    decision->intent.reason);
}

static bool touches_structure(const struct decision *decision) {
        for (size_t i = 0; i < decision->n_steps; i++)
                if (decision->steps[i].kind != STEP_KNOB_SET && decision->steps[i].kind != STEP_MEMORY_MOVE)
                        return true;
        return false;
}

static void begin_trial(struct engine *engine, struct decision *entry) {
        int r = trial_set_begin(engine->trials, engine->host, entry->id, entry->intent.trial, entry->intent.trial_higher_is_better);
        if (r == 0) {
                entry->trial = TRIAL_RUNNING;
                return;
        }
        entry->trial = TRIAL_INCONCLUSIVE;
        snprintf(entry->trial_text, sizeof entry->trial_text, "not tried: %s",
                 r == -EAGAIN  ? "too little was observed before"
                 : r == -EBUSY ? "another trial was running"
                               : strerror(-r));
}

/* A queue whose VM ended while it was decided about is normal: nothing failed, there is nothing left to be set. */
static void excuse_what_vanished(struct decision *decision, int error) {
        if ((error != -ENOENT && error != -ENODEV && error != -ESRCH) || decision->n_steps != 1 || touches_structure(decision))
                return;
        decision->verdict = VERDICT_REFUSED;
        snprintf(decision->rule, sizeof decision->rule, "unknown-object");
        snprintf(decision->text, sizeof decision->text, "%s has vanished meanwhile.", decision->steps[0].object);
}

/* What follows on a decision that is over. */
static void conclude(struct engine *engine, struct decision *decision, int error) {
        if (error < 0) {
                engine->scan_wanted = true;
                excuse_what_vanished(decision, error);
        }
        planner_report(engine->planner, engine->host, decision);
        if ((decision->verdict == VERDICT_DONE || decision->verdict == VERDICT_FAILED) && touches_structure(decision))
                engine->settle_wanted = true;
        if (decision->verdict == VERDICT_DONE && touches_structure(decision))
                engine_scan(engine, false);
}

static void tell(struct engine *engine, const struct decision *decision) {
        if (!engine->listener.tells_decisions)
                log_decision(decision);
        if (engine->listener.decided)
                engine->listener.decided(engine->listener.userdata, decision);
}

/* Takes the decision. */
static int record(struct engine *engine, struct decision *decision, const struct decision **ret) {
        const struct decision *entry = NULL;
        int r = decision_log_add(engine->log, decision, &entry);
        if (r < 0) {
                decision_free(decision);
                return r;
        }
        if (ret)
                *ret = entry;
        if (r == 0)
                return 0; /* the same refusal again: counted, not told again */
        engine->statistics.decisions++;
        if (entry->verdict == VERDICT_DONE && entry->intent.trial != TRIAL_NONE)
                begin_trial(engine, decision_log_find_for_update(engine->log, entry->id));
        tell(engine, entry);
        return 0;
}

/* --- decisions that stay open */

/* Knobs of the model's own objects are the kernel's, which answers at once. */
static bool may_stay_open(const struct decision *decision) {
        bool slow = false;
        for (size_t i = 0; i < decision->n_steps; i++)
                slow = slow || (decision->steps[i].kind == STEP_KNOB_SET && !hand_kind_is_modelled(decision->steps[i].knob));
        return slow && !touches_structure(decision);
}

static bool refuse_if_too_many_are_open(const struct engine *engine, struct decision *decision) {
        if (engine->n_open < OPEN_DECISIONS_MAX || !may_stay_open(decision))
                return false;
        decision->verdict = VERDICT_REFUSED;
        snprintf(decision->rule, sizeof decision->rule, "in-progress");
        snprintf(decision->text, sizeof decision->text, "in-progress: %zu decisions wait for somebody to answer already (0 left)", engine->n_open);
        return true;
}

/* Takes both; the log gets a copy, as it may drop its entry before the end. */
static int keep_open(struct engine *engine, struct decision *decision, struct transaction *transaction, const struct decision **ret) {
        struct open_decision *open = &engine->open[engine->n_open++];
        *open = (struct open_decision) { .decision = decision, .transaction = transaction };
        engine_mark_what_moves(engine);
        struct decision *copy = decision_copy(decision);
        const struct decision *entry = NULL;
        int r = copy ? record(engine, copy, &entry) : -ENOMEM; /* without memory for the record it goes on all the same */
        if (r < 0)
                return r;
        decision->id = entry->id;
        if (ret)
                *ret = entry;
        return 0;
}

/* The log's entry, if it is still there, becomes what the decision is now. */
static void update_entry(struct engine *engine, const struct decision *decision) {
        struct decision *entry = decision->id > 0 ? decision_log_find_for_update(engine->log, decision->id) : NULL;
        if (!entry || entry->n_steps != decision->n_steps)
                return;
        entry->verdict = decision->verdict;
        memcpy(entry->rule, decision->rule, sizeof entry->rule);
        memcpy(entry->text, decision->text, sizeof entry->text);
        if (decision->n_steps > 0)
                memcpy(entry->steps, decision->steps, decision->n_steps * sizeof *entry->steps);
        if (entry->verdict == VERDICT_DONE && entry->intent.trial != TRIAL_NONE)
                begin_trial(engine, entry);
}

static void forget_open(struct engine *engine, size_t index) {
        transaction_free(engine->open[index].transaction);
        decision_free(engine->open[index].decision);
        memmove(engine->open + index, engine->open + index + 1, (engine->n_open - index - 1) * sizeof *engine->open);
        engine->n_open--;
        engine_mark_what_moves(engine);
}

void engine_resume_open(struct engine *engine) {
        if (engine->n_open == 0 && asks_n(engine->asks) == 0)
                return;
        struct reservation_report report = { 0 };
        if (asks_poll(&engine->actor, &report))
                engine->settle_wanted = true;
        if (report.n_set > 0)
                engine_tell_reserved(engine, &report);
        for (size_t i = 0; i < engine->n_open;) {
                struct decision *decision = engine->open[i].decision;
                int r = transaction_resume(engine->open[i].transaction);
                if (r == -EINPROGRESS) {
                        i++;
                        continue;
                }
                conclude(engine, decision, r);
                update_entry(engine, decision);
                tell(engine, decision);
                forget_open(engine, i);
        }
}

void engine_abandon_open(struct engine *engine, const char *source) {
        for (size_t i = 0; i < engine->n_open; i++)
                if (strcmp(engine->open[i].decision->intent.source, source) == 0)
                        transaction_abandon(engine->open[i].transaction);
}

void engine_drop_open(struct engine *engine) {
        while (engine->n_open > 0) {
                struct decision *decision = engine->open[0].decision;
                decision->verdict = VERDICT_FAILED;
                snprintf(decision->text, sizeof decision->text, "iocored ended while this was in progress; the host is put back");
                update_entry(engine, decision);
                forget_open(engine, 0);
        }
}

static bool touches(const struct decision *decision, const char *object) {
        if (strcmp(decision->intent.object, object) == 0)
                return true;
        for (size_t i = 0; i < decision->n_steps; i++)
                if (strcmp(decision->steps[i].object, object) == 0)
                        return true;
        return false;
}

const char *engine_in_progress(struct engine *engine, const char *knob, const char *object) {
        for (size_t i = 0; i < engine->n_open; i++) {
                const struct decision *decision = engine->open[i].decision;
                if (!touches(decision, object))
                        continue;
                snprintf(engine->in_progress, sizeof engine->in_progress, "decision %llu of %s", (unsigned long long) decision->id, decision->intent.source);
                return engine->in_progress;
        }
        return knob[0] != '\0' && asks_is_open(engine->asks, knob, object) ? "an earlier change" : NULL;
}

/* --- */

int engine_carry_out(struct engine *engine, struct decision *decision, const struct decision **ret) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        decision->usec = (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
        decision->epoch = engine->host->epoch;

        int error = 0;
        if (decision->verdict == VERDICT_PLANNED && engine->mode == MODE_OBSERVE)
                decision->verdict = VERDICT_WOULD;
        else if (decision->verdict == VERDICT_PLANNED && !refuse_if_too_many_are_open(engine, decision)) {
                struct transaction *transaction = NULL;
                error = transaction_begin(&engine->actor, decision, &transaction);
                if (transaction)
                        return keep_open(engine, decision, transaction, ret);
        }
        conclude(engine, decision, error);
        return record(engine, decision, ret);
}

void engine_carry_out_plan(struct engine *engine, struct plan *plan, const struct decision **ret_last) {
        if (plan->n_decisions > 0)
                engine_check_hotplug(engine);
        for (size_t i = 0; i < plan->n_decisions; i++) {
                int r = engine_carry_out(engine, TAKE_PTR(plan->decisions[i]), ret_last);
                if (r < 0)
                        log_warning("A decision could not be recorded: %s, continuing.", strerror(-r));
        }
        plan_done(plan);
}

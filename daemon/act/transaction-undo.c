/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "transaction-internal.h"

/* The worker that a unit was on may have been made anew under another id. */
static int undo_place(struct transaction *run, const struct undo *undo, struct hand *hand, const char *live) {
        char value[IOCORE_VALUE_MAX], set[IOCORE_VALUE_MAX];
        bool changed;
        int r = -ENOENT;
        if (undo->cpu_before != IOCORE_CPU_ANY && unit_place(hand, undo->cpu_before, value) >= 0)
                r = strcmp(value, live) == 0 ? 0 : hand_set_journaled(run->actor, hand, live, value, set, &changed);
        return r < 0 ? unit_go_home(run->actor, hand, live, set, &changed) : r;
}

int transaction_undo_knob(struct transaction *run, const struct undo *undo) {
        char live[IOCORE_VALUE_MAX], set[IOCORE_VALUE_MAX];
        struct hand hand;
        int r = hand_find(run->actor, undo->kind, undo->object, &hand);
        if (r >= 0)
                r = hand_get(&hand, live);
        if (error_is_gone(r))
                return 0; /* nothing is left that could be put back */
        if (r < 0)
                return r;
        bool changed;
        hand.source = undo->source_before[0] ? undo->source_before : run->decision->intent.source;
        hand.insist = true;
        if (strcmp(live, undo->before) == 0 && !undo->asked) {
                (void) hand_settle(run->actor, &hand, live);
                return 0;
        }
        r = hand_set_journaled(run->actor, &hand, live, undo->before, set, &changed);
        return r < 0 && r != -EINPROGRESS && !changed && strcmp(undo->kind, "unit.place") == 0 ? undo_place(run, undo, &hand, live) : r;
}

static int undo_core_add(struct transaction *run, int cpu, const struct undo *undo) {
        if (undo->instance->plugin->scan)
                (void) undo->instance->plugin->scan(undo->instance->state, true); /* who is there by now */
        return transaction_clear_place(run, undo->instance, cpu);
}

static int undo_core_remove(struct transaction *run, int cpu, struct undo *undo) {
        struct undo added = { 0 };
        return undo->instance->plugin->core_add ? transaction_add_core(run, undo->instance, cpu, &added) : -EOPNOTSUPP;
}

static int undo_step(struct transaction *run, size_t index) {
        struct undo *undo = run->undos + index;
        const struct step *step = run->decision->steps + index;
        switch (step->kind) {
        case STEP_CORE_ADD:
                return undo_core_add(run, step->cpu, undo);
        case STEP_CORE_REMOVE:
                return undo_core_remove(run, step->cpu, undo);
        case STEP_MEMORY_MOVE:
                transaction_cancel_memory(run, step);
                return 0;
        default:
                return transaction_undo_knob(run, undo);
        }
}

/* --- telling --- */

static void describe(const struct step *step, char *ret, size_t size) {
        switch (step->kind) {
        case STEP_CORE_ADD:
                snprintf(ret, size, "make CPU %d an I/O core", step->cpu);
                break;
        case STEP_CORE_CLOSE:
                snprintf(ret, size, "close the I/O core of CPU %d", step->cpu);
                break;
        case STEP_UNIT_MOVE:
                if (step->cpu == IOCORE_CPU_ANY)
                        snprintf(ret, size, "move %.64s home", step->object);
                else
                        snprintf(ret, size, "move %.64s to CPU %d", step->object, step->cpu);
                break;
        case STEP_CORE_REMOVE:
                snprintf(ret, size, "remove the I/O core of CPU %d", step->cpu);
                break;
        case STEP_KNOB_SET:
                snprintf(ret, size, "set %.40s of %.64s", step->knob, step->object);
                break;
        case STEP_MEMORY_MOVE:
                snprintf(ret, size, "move memory of guest cell %d of %.60s to node %d", step->cell, step->object, step->node);
                break;
        }
}

void transaction_tell_failure(struct transaction *run, size_t failed, unsigned n_undone, unsigned n_left) {
        struct decision *decision = run->decision;
        const struct step *step = decision->steps + failed;
        char what[IOCORE_NAME_MAX], why[IOCORE_NAME_MAX];
        describe(step, what, sizeof what);
        shorten(why, sizeof why, run->reason[0]                   ? run->reason
                                 : run->foreign              ? "somebody else changed it, hands off"
                                 : step->error == -ETIMEDOUT ? "no answer in time"
                                 : step->error == -ECANCELED ? "whoever wanted it was stopped"
                                                             : strerrordesc_np(-step->error) ?: "unknown error");
        int n = snprintf(decision->text, sizeof decision->text, "step %zu of %zu failed: %s: %s%s", failed + 1, decision->n_steps, what,
                         run->unannounced ? "the journal, without which it could not be put back, cannot be written: " : "", why);
        if (n > 0 && (size_t) n < sizeof decision->text && n_undone > 0)
                n += snprintf(decision->text + n, sizeof decision->text - (size_t) n, "; %u earlier %s undone", n_undone,
                              n_undone == 1 ? "step was" : "steps were");
        if (n > 0 && (size_t) n < sizeof decision->text && n_left > 0)
                snprintf(decision->text + n, sizeof decision->text - (size_t) n, "; %u could not be undone", n_left);
}

static bool makes_room(enum step_kind kind) {
        return kind == STEP_CORE_REMOVE || kind == STEP_CORE_CLOSE;
}

/* What was set before this step so that it could be done. */
static unsigned undo_prepared(struct transaction *run, size_t step) {
        unsigned n_left = 0;
        for (; run->n_prepared > 0 && run->prepared[run->n_prepared - 1].step == step; free(run->prepared[--run->n_prepared].before))
                if (run->prepared[run->n_prepared - 1].changed && transaction_undo_knob(run, run->prepared + run->n_prepared - 1) < 0)
                        n_left++;
        return n_left;
}

/* Backwards; but a worker that was removed or closed must be there and open before units can return to it. */
void transaction_undo(struct transaction *run, size_t failed) {
        unsigned n_undone = 0, n_left = 0;
        bool unannounced = run->unannounced; /* what undoing announces is another matter */
        for (int pass = 0; pass < 2; pass++)
                for (size_t i = failed + 1; i-- > 0;) {
                        struct step *step = run->decision->steps + i;
                        if (makes_room(step->kind) != (pass == 0))
                                continue;
                        bool changed = run->undos[i].changed || run->undos[i].asked;
                        int r = changed ? undo_step(run, i) : 0;
                        if (r < 0 && r != -EINPROGRESS) {
                                n_left++;
                                step->error = i == failed ? step->error : r;
                        } else if (i < failed && changed) {
                                n_undone++;
                                step->result = STEP_UNDONE;
                        }
                        n_left += undo_prepared(run, i);
                }
        run->unannounced = unannounced;
        transaction_tell_failure(run, failed, n_undone, n_left);
}


/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transactions that stay open over epochs, because somebody else has to answer for a knob. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transaction-internal.h"

static bool may_wait(const struct decision *decision) {
        for (size_t i = 0; i < decision->n_steps; i++)
                if (decision->steps[i].kind != STEP_KNOB_SET && decision->steps[i].kind != STEP_MEMORY_MOVE)
                        return false;
        return true;
}

static int out_of_memory(struct decision *decision) {
        decision->verdict = VERDICT_FAILED;
        shorten(decision->text, sizeof decision->text, "out of memory");
        return -ENOMEM;
}

static struct transaction *transaction_new(struct actor *actor, struct decision *decision) {
        struct transaction *run = calloc(1, sizeof *run);
        if (!run)
                return NULL;
        *run = (struct transaction) { .actor = actor, .decision = decision, .failed = decision->n_steps, .progress_usec = actor->host->now_usec };
        run->undos = calloc(decision->n_steps + 1, sizeof *run->undos);
        if (!run->undos) {
                free(run);
                return NULL;
        }
        return run;
}

struct transaction *transaction_free(struct transaction *run) {
        if (!run)
                return NULL;
        for (size_t i = 0; i < run->decision->n_steps; i++) {
                if (run->undos[i].asked || run->undos[i].undo_asked)
                        asks_disown(run->actor->asks, run->undos[i].kind, run->undos[i].object);
                free(run->undos[i].before);
        }
        free(run->undos);
        while (run->n_prepared > 0)
                free(run->prepared[--run->n_prepared].before);
        free(run->prepared);
        free(run);
        return NULL;
}

int transaction_run(struct actor *actor, struct decision *decision) {
        struct transaction *run = transaction_new(actor, decision);
        if (!run)
                return out_of_memory(decision);
        int r = transaction_start(run);
        transaction_free(run);
        return r;
}

int transaction_begin(struct actor *actor, struct decision *decision, struct transaction **ret) {
        struct transaction *run = transaction_new(actor, decision);
        if (!run)
                return out_of_memory(decision);
        run->may_stay_open = actor->asks && may_wait(decision);
        int r = transaction_start(run);
        if (r == -EINPROGRESS && decision->verdict == VERDICT_OPEN)
                *ret = run;
        else
                transaction_free(run);
        return r;
}

void transaction_wait_for(struct transaction *run, size_t step) {
        asks_own(run->actor->asks, run->undos[step].kind, run->undos[step].object);
}

/* --- going on */

/* By the most patient of those that are waited for. */
static bool is_late(const struct transaction *run) {
        uint64_t patience = 0;
        for (size_t i = 0; i < run->decision->n_steps; i++) {
                const struct undo *undo = run->undos + i;
                if ((undo->asked || undo->undo_asked) && ask_patience_usec(undo->kind) > patience)
                        patience = ask_patience_usec(undo->kind);
        }
        return run->actor->host->now_usec - run->progress_usec >= patience;
}

static void fail_step(struct transaction *run, size_t i, int error) {
        struct step *step = run->decision->steps + i;
        step->result = STEP_FAILED;
        step->error = error;
        if (i < run->failed)
                run->failed = i;
}

/* -EINPROGRESS: it has not answered. */
static int take_answer(struct transaction *run, size_t i) {
        struct step *step = run->decision->steps + i;
        struct undo *undo = run->undos + i;
        char set[IOCORE_VALUE_MAX] = "";
        int r = asks_take(run->actor->asks, undo->kind, undo->object, set, &undo->changed);
        if (r == -EINPROGRESS)
                return r;
        undo->asked = false;
        run->progress_usec = run->actor->host->now_usec;
        if (r == -EOPNOTSUPP && !undo->changed && value_may_be_written_otherwise(undo->kind)) {
                step->result = STEP_UNCHANGED;
                return 0;
        }
        if (r < 0) {
                fail_step(run, i, r);
                return 0;
        }
        shorten(step->new_value, sizeof step->new_value, set);
        step->result = undo->changed ? STEP_DONE : STEP_UNCHANGED;
        return 0;
}

/* True: something has not answered. */
static bool await_steps(struct transaction *run) {
        bool waits = false;
        for (size_t i = 0; i < run->decision->n_steps; i++)
                if (run->undos[i].asked && take_answer(run, i) == -EINPROGRESS)
                        waits = true;
        if (!waits || !is_late(run))
                return waits;
        for (size_t i = 0; i < run->decision->n_steps; i++)
                if (run->undos[i].asked)
                        fail_step(run, i, -ETIMEDOUT);
        return false;
}

static void count_undone(struct transaction *run, size_t i, int r) {
        struct step *step = run->decision->steps + i;
        if (r < 0) {
                run->n_left++;
                step->error = step->error < 0 ? step->error : r;
        } else if (step->result == STEP_DONE) {
                run->n_undone++;
                step->result = STEP_UNDONE;
        }
}

/* What has not answered is undone too, without asking what holds: it may be done yet. */
static void begin_to_undo(struct transaction *run) {
        run->undoing = true;
        run->progress_usec = run->actor->host->now_usec;
        for (size_t i = run->decision->n_steps; i-- > 0;) {
                struct undo *undo = run->undos + i;
                if (!undo->changed && !undo->asked)
                        continue;
                int r = 0;
                if (run->decision->steps[i].kind == STEP_MEMORY_MOVE)
                        transaction_cancel_memory(run, run->decision->steps + i);
                else
                        r = transaction_undo_knob(run, undo);
                undo->asked = false;
                if (r == -EINPROGRESS) {
                        undo->undo_asked = true;
                        transaction_wait_for(run, i);
                } else
                        count_undone(run, i, r);
        }
}

static bool await_undoing(struct transaction *run) {
        bool waits = false;
        char set[IOCORE_VALUE_MAX];
        for (size_t i = run->decision->n_steps; i-- > 0;) {
                struct undo *undo = run->undos + i;
                bool changed;
                int r = undo->undo_asked ? asks_take(run->actor->asks, undo->kind, undo->object, set, &changed) : 0;
                if (r == -EINPROGRESS) {
                        waits = true;
                        continue;
                }
                if (!undo->undo_asked)
                        continue;
                undo->undo_asked = false;
                run->progress_usec = run->actor->host->now_usec;
                count_undone(run, i, error_is_gone(r) ? 0 : r);
        }
        if (!waits || !is_late(run))
                return waits;
        for (size_t i = 0; i < run->decision->n_steps; i++)
                if (run->undos[i].undo_asked) {
                        run->undos[i].undo_asked = false;
                        asks_disown(run->actor->asks, run->undos[i].kind, run->undos[i].object);
                        count_undone(run, i, -ETIMEDOUT);
                }
        return false;
}

static int finish(struct transaction *run) {
        struct decision *decision = run->decision;
        bool changed = false;
        for (size_t i = 0; i < decision->n_steps; i++)
                changed = changed || decision->steps[i].result == STEP_DONE;
        decision->verdict = changed ? VERDICT_DONE : VERDICT_UNCHANGED;
        transaction_tell_jobs(decision);
        return 0;
}

/* All that was asked for has answered: now those steps that waited for that, and jobs when these have answered, too: where they move memory to it may have to be allowed first.
 * -EINPROGRESS; 0: none is left; -errno: one failed. */
static int begin_rest(struct transaction *run) {
        bool open = false;
        for (size_t i = 0; i < run->decision->n_steps; i++) {
                struct step *step = run->decision->steps + i;
                if (step->result != STEP_PENDING || !transaction_moves_memory(step) || (open && step->kind == STEP_MEMORY_MOVE))
                        continue;
                int r = transaction_run_step(run, step, run->undos + i);
                if (r == -EINPROGRESS) {
                        transaction_wait_for(run, i);
                        open = true;
                } else if (r < 0) {
                        fail_step(run, i, r);
                        return r;
                }
        }
        run->progress_usec = run->actor->host->now_usec;
        return open ? -EINPROGRESS : 0;
}

int transaction_resume(struct transaction *run) {
        struct decision *decision = run->decision;
        if (!run->undoing) {
                if (await_steps(run))
                        return -EINPROGRESS;
                int r = run->failed == decision->n_steps ? begin_rest(run) : 0;
                if (r == -EINPROGRESS)
                        return r;
                if (run->failed == decision->n_steps)
                        return finish(run);
                begin_to_undo(run);
        }
        if (await_undoing(run))
                return -EINPROGRESS;
        transaction_tell_failure(run, run->failed, run->n_undone, run->n_left);
        decision->verdict = VERDICT_FAILED;
        return decision->steps[run->failed].error;
}

void transaction_abandon(struct transaction *run) {
        if (run->undoing)
                return;
        (void) await_steps(run); /* what has answered by now */
        for (size_t i = 0; i < run->decision->n_steps; i++)
                if (run->undos[i].asked)
                        fail_step(run, i, -ECANCELED);
        if (run->failed == run->decision->n_steps)
                fail_step(run, run->decision->n_steps - 1, -ECANCELED); /* all is done, and is undone */
        begin_to_undo(run);
}

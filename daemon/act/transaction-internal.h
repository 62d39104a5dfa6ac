/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the transaction share: transaction.c (doing), transaction-undo.c (undoing and telling), transaction-open.c (staying open over epochs), transaction-memory.c (jobs). */
#ifndef TRANSACTION_INTERNAL_H
#define TRANSACTION_INTERNAL_H

#include "asks.h"
#include "hands.h"
#include "reservation.h"

/* What it takes to undo one step. */
struct undo {
        bool changed;               /* the host is not as it was before the step */
        bool asked;                 /* it was asked for and has not answered: what holds may change yet */
        bool undo_asked;            /* the same of the way back */
        struct plugin_instance *instance;
        char kind[IOCORE_ID_MAX * 2]; /* of the knob; "" for cores */
        char object[IOCORE_NAME_MAX];
        char *before;               /* the knob's value */
        int cpu_before;             /* where the unit was */
        char source_before[INTENT_SOURCE_MAX]; /* who had set it; "" nobody */
        char worker[IOCORE_ID_MAX]; /* that was added */
        size_t step;                /* before which it was prepared */
};

struct transaction {
        struct actor *actor;
        struct decision *decision;
        struct undo *undos; /* one for each step */
        struct undo *prepared; /* what else was set so that a unit can go where it shall, in order */
        size_t n_prepared, n_allocated;
        bool foreign;
        bool unannounced; /* the journal could not be written */
        char reason[IOCORE_NAME_MAX]; /* why a job could not be begun; "" */

        /* While it stays open: see transaction_resume(). */
        bool may_stay_open;
        bool undoing;
        size_t failed;          /* the first step that did; n_steps: none */
        unsigned n_undone, n_left;
        uint64_t progress_usec; /* when something answered last */
};

/* Cut to fit. */
void shorten(char *ret, size_t size, const char *text);
/* Units and workers take exactly the values that the daemon itself writes; another knob may say the same in other words ("0-1,2" and "0-2"). */
bool value_may_be_written_otherwise(const char *kind);
/* Does what it takes; see transaction.h. -EINPROGRESS: to be resumed. */
int transaction_start(struct transaction *run);
/* One of its steps. As transaction_start(). */
int transaction_run_step(struct transaction *run, struct step *step, struct undo *undo);

/* transaction.c: makes an I/O core, and unmakes what the journal has on a CPU. 0 or -errno. */
int transaction_add_core(struct transaction *run, struct plugin_instance *instance, int cpu, struct undo *undo);
int transaction_clear_place(struct transaction *run, const struct plugin_instance *instance, int cpu);

/* transaction-memory.c */
/* 0 or -errno, and why in run->reason. */
int transaction_begin_memory(struct transaction *run, struct step *step, struct undo *undo);
void transaction_cancel_memory(struct transaction *run, const struct step *step);
/* Does it move memory, which takes long, and which a way back moves again? */
bool transaction_moves_memory(const struct step *step);
/* Of a decision that is done: adds to its text which jobs it began. */
void transaction_tell_jobs(struct decision *decision);

/* transaction-undo.c */
/* Puts a knob back. 0 (also when the object is gone), -EINPROGRESS, -errno. */
int transaction_undo_knob(struct transaction *run, const struct undo *undo);
/* Undoes all steps up to the one that failed, and tells it in the decision's text. */
void transaction_undo(struct transaction *run, size_t failed);
void transaction_tell_failure(struct transaction *run, size_t failed, unsigned n_undone, unsigned n_left);

/* transaction-open.c: the step was asked for: somebody waits for it. */
void transaction_wait_for(struct transaction *run, size_t step);

#endif

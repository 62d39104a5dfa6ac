/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hands: carries out the steps of a decision as one transaction, each knob journaled before it is set, and plays the journal back.
 */
#ifndef TRANSACTION_H
#define TRANSACTION_H

#include "daemon/host/host.h"
#include "daemon/plan/decision.h"
#include "journal.h"

/* How the actor reaches plugins. Implemented by plugin-loader.c. */
struct plugin_instance {
        const struct iocore_plugin *plugin;
        void *state;
        bool announces_no_more; /* its announced() failed: only scan() is relied on */
};

struct reservation;
struct asks;

enum foreign_policy { FOREIGN_MANUAL, FOREIGN_ADOPT, FOREIGN_CONTEST };

struct actor {
        struct host *host;
        struct journal *journal;
        struct plugin_instance *const *plugins; /* NULL-terminated, in order of rank */
        enum foreign_policy foreign;
        /* Told when somebody else's change is found: the object, what iocored had set, what is there now. May be NULL. */
        void (*on_foreign)(void *userdata, const char *object, const char *knob, const char *set_value, const char *live_value);
        /* Told once for each (kind, object, error) when what a plugin asked for cannot be set; unannounced: because the journal cannot be written. May be NULL. */
        void (*on_refused)(void *userdata, const char *kind, const char *object, const char *value, int error, bool unannounced);
        /* Begins a job that moves the memory of a guest cell of a domain to a node, for `source`. 0 and its number; -errno and why. NULL: nobody can (a mere restore). */
        int (*begin_memory)(void *userdata, const char *domain, int cell, int node, const char *source, uint64_t *ret_job, char *ret_reason, size_t size);
        /* Ends a job, which is over a little later. NULL where begin_memory is. */
        void (*cancel_job)(void *userdata, uint64_t job);
        struct reservation *reservation; /* what was refused to plugins, and what is others'; borrowed; NULL where no plugin is asked what it wants (a mere restore) */
        struct asks *asks; /* what was asked for and has not answered; borrowed; NULL where nothing can be waited for (a mere restore): -EINPROGRESS is then a failure */
        void *userdata;
};

/*
 * Carries out decision->steps in order; fills old_value, new_value, result, error of each step, and sets decision->verdict
 * (DONE, UNCHANGED, FAILED) and, on a failure, text. A step that fails undoes the steps before it, and what plugins asked for before
 * a unit's move (prepare()), in reverse order. A unit that vanished is
 * passed over (STEP_UNCHANGED) in a grow or shrink; any other object that vanished is a failed step (-ENOENT). A value that somebody else changed since iocored set it: by actor->foreign; MANUAL marks the
 * object OBJECT_MANUAL and fails the step with -ESTALE. Jobs that move memory are begun when all other steps are done; the decision is done when they are begun, and undoing it cancels
 * them: what they have moved stays. Their numbers are in the steps and in the text. Returns 0 when done or unchanged, otherwise the error of the failed step.
 */
int transaction_run(struct actor *actor, struct decision *decision);

/*
 * A decision all of whose steps are STEP_KNOB_SET, and STEP_MEMORY_MOVE after them, may stay open while knobs have not answered (-EINPROGRESS): these are all asked for, then all awaited,
 * and then jobs begin. A step that fails, or
 * does not answer for ask_patience_usec() after the answer before, undoes those that were done as soon as the others have answered; undoing may take as long again. What does not
 * answer even then is asked for on and stays in the journal until it does.
 */
struct transaction;
/* As transaction_run(), or -EINPROGRESS: decision->verdict is VERDICT_OPEN, and *ret goes on by transaction_resume(). The decision is borrowed until transaction_free(). */
int transaction_begin(struct actor *actor, struct decision *decision, struct transaction **ret);
/* To be called once an epoch, after asks_poll(). -EINPROGRESS: still open; otherwise it is over, and the decision filled and the return as by transaction_run(). */
int transaction_resume(struct transaction *transaction);
/* Whoever wanted it is gone: what was done is undone, what was not is not awaited. It stays open until that is done. */
void transaction_abandon(struct transaction *transaction);
/* What is still open is asked for to its end, but nobody waits for it. Takes NULL; returns NULL. */
struct transaction *transaction_free(struct transaction *transaction);
static inline void transaction_freep(struct transaction **transaction) { transaction_free(*transaction); }

struct restore_report {
        unsigned restored, gone, foreign, failed, unchanged;
};
/* Plays the journal back: all that still exists and still has the value that iocored set (or announced) gets its old value again, newest first:
 * workers that were closed open, units return, and I/O cores that iocored made are emptied (units go home) and removed. What was put back or is gone is forgotten; what failed stays in the journal. `source`: only what
 * this source changed last, NULL: everything. Never stops at an error. Returns 0, or the first error when something failed. */
int transaction_restore(struct actor *actor, const char *source, struct restore_report *ret);

#endif

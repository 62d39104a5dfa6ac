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
        struct reservation *reservation; /* what was refused to plugins, and what is others'; borrowed; NULL where no plugin is asked what it wants (a mere restore) */
        void *userdata;
};

/*
 * Carries out decision->steps in order; fills old_value, new_value, result, error of each step, and sets decision->verdict
 * (DONE, UNCHANGED, FAILED) and, on a failure, text. A step that fails undoes the steps before it, and what plugins asked for before
 * a unit's move (prepare()), in reverse order. A unit that vanished is
 * passed over (STEP_UNCHANGED) in a grow or shrink; any other object that vanished is a failed step (-ENOENT). A value that somebody else changed since iocored set it: by actor->foreign; MANUAL marks the
 * object OBJECT_MANUAL and fails the step with -ESTALE. Returns 0 when done or unchanged, otherwise the error of the failed step.
 */
int transaction_run(struct actor *actor, struct decision *decision);

struct restore_report {
        unsigned restored, gone, foreign, failed, unchanged;
};
/* Plays the journal back: all that still exists and still has the value that iocored set (or announced) gets its old value again, newest first:
 * workers that were closed open, units return, and I/O cores that iocored made are emptied (units go home) and removed. What was put back or is gone is forgotten; what failed stays in the journal. `source`: only what
 * this source changed last, NULL: everything. Never stops at an error. Returns 0, or the first error when something failed. */
int transaction_restore(struct actor *actor, const char *source, struct restore_report *ret);

#endif

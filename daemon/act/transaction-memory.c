/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps that move memory. Those that begin a job: where pages are is no setting: nothing of it is journaled, and what a job has moved stays when the decision that began it is undone. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "transaction-internal.h"

int transaction_begin_memory(struct transaction *run, struct step *step, struct undo *undo) {
        struct actor *actor = run->actor;
        char reason[IOCORE_REASON_MAX] = "";
        if (!actor->begin_memory)
                return -EOPNOTSUPP;
        int r = actor->begin_memory(actor->userdata, step->object, step->cell, step->node, run->decision->intent.source, &step->job, reason, sizeof reason);
        if (r < 0) {
                step->job = 0;
                shorten(run->reason, sizeof run->reason, reason);
                return r;
        }
        undo->changed = true;
        step->result = STEP_DONE;
        return 0;
}

void transaction_cancel_memory(struct transaction *run, const struct step *step) {
        if (run->actor->cancel_job)
                run->actor->cancel_job(run->actor->userdata, step->job); /* one that is over already has nothing to be cancelled */
}

bool transaction_moves_memory(const struct step *step) {
        return step->kind == STEP_MEMORY_MOVE || (step->kind == STEP_KNOB_SET && strcmp(step->knob, "numatune.nodeset") == 0);
}

void transaction_tell_jobs(struct decision *decision) {
        size_t n = strlen(decision->text), n_jobs = 0;
        for (size_t i = 0; i < decision->n_steps; i++) {
                const struct step *step = decision->steps + i;
                if (step->job == 0 || n >= sizeof decision->text)
                        continue;
                n += (size_t) snprintf(decision->text + n, sizeof decision->text - n, "%s%" PRIu64, n_jobs++ == 0 ? " Jobs that move it: " : ", ", step->job);
        }
        if (n_jobs > 0 && n < sizeof decision->text)
                (void) snprintf(decision->text + n, sizeof decision->text - n, ".");
}

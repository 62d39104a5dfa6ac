/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trials: a decision that must prove itself by a measure, or is undone. Pure: fed with the model each epoch, says
 * which trials ended and how; the engine undoes.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include "daemon/host/host.h"
#include "decision.h"

struct trial_set;
int trial_set_new(struct trial_set **ret, uint64_t settle_usec, uint64_t measure_usec);
struct trial_set *trial_set_free(struct trial_set *set);
static inline void trial_set_freep(struct trial_set **set) { trial_set_free(*set); }

/* Feeds the running averages of the measures (host-wide, normalised by offered load); call once an epoch. Allocates nothing. */
void trial_set_observe(struct trial_set *set, const struct host *host);
/* Begins a trial for a decision that was just carried out: "before" is what was observed up to now. -ENOMEM, -EAGAIN: not enough observed yet (no trial);
 * -EBUSY: a trial that began in an earlier epoch still runs, and nobody could tell the effects of the two apart (no trial); -EINVAL: no such measure. */
int trial_set_begin(struct trial_set *set, const struct host *host, uint64_t decision_id, enum trial_measure measure, bool higher_is_better);
struct trial_outcome {
        uint64_t decision_id;
        enum trial_verdict verdict; /* KEPT, UNDONE, INCONCLUSIVE */
        double before, after, load_before, load_after;
};
/* Returns 1 and fills ret while a trial has ended, 0 when none has. */
int trial_set_next_outcome(struct trial_set *set, const struct host *host, struct trial_outcome *ret);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which device each worker serves: reads it off its owner when something changed, and keeps the devices of the model. */
#ifndef IDENTITY_H
#define IDENTITY_H

#include "identity-match.h"

struct vhost_state;
struct vhost_thread;
struct identity;
struct tap_counters;

/* 0 or -ENOMEM */
int identity_new(struct identity **ret);
/* Takes its devices and queues out of the model. Takes NULL. */
struct identity *identity_free(struct identity *identity, struct vhost_state *state);

/* A worker of this owner came (it is in state->threads) or went: to be called for each. What follows from it is found by the next identity_refresh(). Never fails,
 * costs next to nothing. */
void identity_owner_changed(struct vhost_state *state, pid_t owner);
/* To be called once after all that came and went, by announced(); costs next to nothing when nothing did. */
void identity_refresh(struct vhost_state *state);
/* To be called at the end of each scan() instead: looks a few times more at new workers of which nothing could be told, and thoroughly at all owners, some in each. */
void identity_scan(struct vhost_state *state, bool thorough);

/* Where counters of taps come from; until then, and with NULL, they are not known. Taken over. */
void identity_use_taps(struct vhost_state *state, struct tap_counters *taps);
/* See iocore_plugin.sample_queues(): copies the counters of the worker's tap; the first call after identity_new_epoch() asks the kernel for all of them. */
int identity_sample_queues(void *state, struct iocore_worker *worker);
/* The next sample of queues is to be a new one. */
void identity_new_epoch(struct vhost_state *state);

#endif

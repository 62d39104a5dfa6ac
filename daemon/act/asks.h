/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Knobs that were asked for and have not answered: set() said -EINPROGRESS, because somebody else (libvirt) has to answer first. Each is asked again for the same value once in every epoch until
 * it does; then the journal, which knows of it since before it was first asked for, is brought up to date. Until then nothing else is set there but the way back.
 */
#ifndef ASKS_H
#define ASKS_H

#include "hands.h"
#include "reservation.h"

struct asks;

/* So long a knob may take before whoever waits for it gives up. A libvirtd that works answers in milliseconds, one that starts again is back after some seconds. */
#define ASK_PATIENCE_USEC UINT64_C(30000000)
/* Memory that was bound to nodes is moved there before the kernel returns (cpuset.mems, kernel/cgroup/cpuset.c cpuset_migrate_mm()): a domain of 1 TiB takes minutes, and to give up in the
 * middle would leave its vCPUs on one node and its memory on another. */
#define ASK_PATIENCE_MEMORY_USEC UINT64_C(1800000000)

/* By the kind of the knob. */
uint64_t ask_patience_usec(const char *kind);

/* 0 or -ENOMEM. */
int asks_new(struct asks **ret);
struct asks *asks_free(struct asks *asks); /* NULL */
static inline void asks_freep(struct asks **asks) { asks_free(*asks); }

size_t asks_n(const struct asks *asks);
/* Has this knob of this object been asked for and not answered? `asks` may be NULL. */
bool asks_is_open(const struct asks *asks, const char *kind, const char *object);
/* Is there somebody who waits for it? See asks_own(). */
bool asks_is_owned(const struct asks *asks, const char *kind, const char *object);

/* For hand_set_journaled(): set() of `hand` said -EINPROGRESS for `value`. `live`: the value before; `announced`: the journal was told of it then, and `source_before` had set it last.
 * -EINPROGRESS, or -ENOMEM: nobody will ask again, the journal goes on knowing it. */
int asks_add(struct asks *asks, const struct actor *actor, const struct hand *hand, const char *live, const char *value, bool announced, const char *source_before);
/* It is not asked for any more, as something else takes its place. */
void asks_drop(struct asks *asks, const char *kind, const char *object);

/* The caller waits for the answer of what is open, and takes it by asks_take(); until then it is kept. */
void asks_own(struct asks *asks, const char *kind, const char *object);
/* The caller waits no longer: it is asked for to its end all the same, by nobody's order. */
void asks_disown(struct asks *asks, const char *kind, const char *object);
/* What came of it: -EINPROGRESS: nothing yet; otherwise as from hand_set_journaled(), and it is taken. -ENOENT also when it was never asked for. `ret`: IOCORE_VALUE_MAX bytes. */
int asks_take(struct asks *asks, const char *kind, const char *object, char *ret, bool *ret_changed);
/* It was asked for by a plugin's want: what becomes of it is remembered (and a refusal told) as of one that answered at once. */
void asks_mark_wanted(struct asks *asks, const char *kind, const char *object);

/* Asks again, once an epoch. What plugins wanted and is set now is added to `report`. True: something that a plugin wanted has answered. */
bool asks_poll(struct actor *actor, struct reservation_report *report);

#endif

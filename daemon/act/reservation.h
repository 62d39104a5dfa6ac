/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What plugins ask for besides the steps of decisions: that nothing but units runs on I/O cores (reserve()), and that a unit can go where it shall (prepare()). Each want is a
 * knob like any other: journaled, checked for somebody else's change, put back by a restore. Its object need not be in the model.
 */
#ifndef RESERVATION_H
#define RESERVATION_H

#include "hands.h"

/* What was refused, and what somebody else changed, so that it is neither tried nor told again and again. */
struct reservation;

enum { RESERVATION_KINDS_MAX = 8 };

struct reservation_report {
        unsigned n_set, n_refused, n_gone, n_kept; /* kept: refused a short while ago, or somebody else's */
        unsigned n_in_progress; /* asked for, now or earlier, and not answered: to be asked for again in the next epoch */
        struct {
                char kind[IOCORE_ID_MAX * 2];
                unsigned n_set;
        } kinds[RESERVATION_KINDS_MAX]; /* of n_set; those of further kinds are in the sum only */
        size_t n_kinds;
};

/* 0 or -ENOMEM. */
int reservation_new(struct reservation **ret);
struct reservation *reservation_free(struct reservation *reservation); /* NULL */
static inline void reservation_freep(struct reservation **reservation) { reservation_free(*reservation); }

/* Lets each plugin ask for what the present I/O cores demand, and sets it with `source` in the journal. Failures undo nothing: they are counted, and told once by actor->on_refused. 0; the
 * first -errno of a plugin that could not say what it wants, the others are asked all the same. */
int reservation_settle(struct actor *actor, const char *source, struct reservation_report *ret);
/* Forgets what is known, here and in the journal, of objects that are gone: guests come and go as long as the daemon runs. Costs a read of each. */
void reservation_prune(struct actor *actor);
/* The object is somebody else's: nothing is set there any more on a plugin's wish. */
void reservation_set_manual(struct reservation *reservation, const char *kind, const char *object);

/* The object has `live` now, whoever made it so: what was refused is tried again at once when it is asked for next, and forgotten when it has come true. */
void reservation_look_again(struct reservation *reservation, const char *kind, const char *object, const char *live);

/* Before a unit goes home: lets its plugin ask for what must be set so that it can, with hand->source in the journal. Failures show when it goes. */
void reservation_prepare_home(struct actor *actor, const struct hand *hand);

/*
 * The two halves of carrying out one want; in between the caller sets it. want_begin(): 1: it is to be set, *ret is the way there and `live` (IOCORE_VALUE_MAX bytes) what it is
 * now; 0: it is so already; -EALREADY: refused a short while ago; -ESTALE: somebody else's; -EINPROGRESS: was asked for and has not answered, see asks.h;
 * -ENOENT, -ENODEV, -ESRCH: the object is gone; other errors have been told as refused.
 */
int want_begin(struct actor *actor, const char *kind, const char *object, const char *value, struct hand *ret, char *live);
/* `error`: what came of it, 0 or -errno. The same value is not tried again at once; it waits longer after each failure. -EINPROGRESS is neither: asks_poll() ends it. */
void want_end(struct actor *actor, const struct hand *hand, const char *value, int error);
/* The same for what has answered later. `unannounced`: as in struct hand. */
void want_answered(struct actor *actor, const char *kind, const char *object, const char *value, int error, bool unannounced);
/* One more of `kind` is set. */
void reservation_count_set(struct reservation_report *report, const char *kind);

#endif

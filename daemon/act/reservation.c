/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asks.h"
#include "cleanup.h"
#include "log.h"
#include "reservation.h"

/* The same value that was refused is tried again after so long, twice as long after each further failure: plugins ask again only when something changed, but one that
 * does not must not make a tight loop of it. */
#define RETRY_FIRST_USEC 1000000u
#define RETRY_MAX_USEC 64000000u
/* A host has fewer threads that resist than that; what is beyond is tried whenever it is asked for, and not told. */
#define REMEMBERED_MAX 16384

/* One object that does not take what it should. */
struct refusal {
        char *kind, *object, *value; /* value: that was refused last; NULL: somebody else's */
        int error;
        uint64_t wait_usec, retry_usec;
};

struct reservation {
        void *tree; /* of struct refusal, by kind and object */
        size_t n;
};

static int compare_refusals(const void *a, const void *b) {
        const struct refusal *x = a, *y = b;
        int r = strcmp(x->object, y->object);
        return r ? r : strcmp(x->kind, y->kind);
}

static void refusal_free(void *pointer) {
        struct refusal *refusal = pointer;
        free(refusal->kind);
        free(refusal->object);
        free(refusal->value);
        free(refusal);
}

int reservation_new(struct reservation **ret) {
        *ret = calloc(1, sizeof **ret);
        return *ret ? 0 : -ENOMEM;
}

struct reservation *reservation_free(struct reservation *reservation) {
        if (reservation)
                tdestroy(reservation->tree, refusal_free);
        free(reservation);
        return NULL;
}

static struct refusal *find_refusal(const struct reservation *reservation, const char *kind, const char *object) {
        struct refusal key = { .kind = (char *) kind, .object = (char *) object }; /* only compared */
        struct refusal *const *found = tfind(&key, &reservation->tree, compare_refusals);
        return found ? *found : NULL;
}

static void forget(struct reservation *reservation, const char *kind, const char *object) {
        struct refusal *refusal = find_refusal(reservation, kind, object);
        if (!refusal)
                return;
        tdelete(refusal, &reservation->tree, compare_refusals);
        refusal_free(refusal);
        reservation->n--;
}

/* NULL: there is no room, or no memory. */
static struct refusal *recall(struct reservation *reservation, const char *kind, const char *object) {
        struct refusal *refusal = find_refusal(reservation, kind, object);
        if (refusal || reservation->n >= REMEMBERED_MAX)
                return refusal;
        refusal = calloc(1, sizeof *refusal);
        if (!refusal)
                return NULL;
        refusal->kind = strdup(kind);
        refusal->object = strdup(object);
        if (!refusal->kind || !refusal->object || !tsearch(refusal, &reservation->tree, compare_refusals)) {
                refusal_free(refusal);
                return NULL;
        }
        reservation->n++;
        return refusal;
}

void reservation_set_manual(struct reservation *reservation, const char *kind, const char *object) {
        struct refusal *refusal = recall(reservation, kind, object);
        if (!refusal)
                return;
        free(refusal->value);
        refusal->value = NULL;
}

static void remember_refusal(struct actor *actor, const char *kind, const char *object, const char *value, int error, bool unannounced) {
        struct refusal *refusal = recall(actor->reservation, kind, object);
        if (!refusal)
                return;
        bool same = refusal->value && strcmp(refusal->value, value) == 0, told = refusal->error == error;
        if (!same) {
                char *copy = strdup(value);
                if (!copy && !refusal->value)
                        forget(actor->reservation, kind, object); /* without a value it would be somebody else's */
                if (!copy)
                        return;
                free(refusal->value);
                refusal->value = copy;
        }
        refusal->error = error;
        refusal->wait_usec = !same ? RETRY_FIRST_USEC : 2 * refusal->wait_usec > RETRY_MAX_USEC ? RETRY_MAX_USEC : 2 * refusal->wait_usec;
        refusal->retry_usec = actor->host->now_usec + refusal->wait_usec;
        if (!told && actor->on_refused)
                actor->on_refused(actor->userdata, kind, object, value, error, unannounced);
}

void reservation_look_again(struct reservation *reservation, const char *kind, const char *object, const char *live) {
        struct refusal *refusal = find_refusal(reservation, kind, object);
        if (!refusal || !refusal->value)
                return;
        if (strcmp(refusal->value, live) == 0)
                forget(reservation, kind, object);
        else
                refusal->retry_usec = 0;
}

int want_begin(struct actor *actor, const char *kind, const char *object, const char *value, struct hand *ret, char *live) {
        const struct refusal *refusal = find_refusal(actor->reservation, kind, object);
        if (refusal && !refusal->value)
                return -ESTALE;
        if (asks_is_open(actor->asks, kind, object))
                return -EINPROGRESS;
        int r = hand_find(actor, kind, object, ret);
        if (r >= 0)
                r = hand_get(ret, live);
        if (r >= 0 && strcmp(live, value) == 0) {
                /* A kernel may have made it so, a cpuset that changed; from now on it counts as set by iocored. */
                (void) hand_settle(actor, ret, live);
                forget(actor->reservation, kind, object);
                return 0;
        }
        if (error_is_gone(r)) {
                forget(actor->reservation, kind, object);
                return r;
        }
        if (refusal && strcmp(refusal->value, value) == 0 && actor->host->now_usec < refusal->retry_usec)
                return -EALREADY;
        if (r >= 0)
                r = hand_check_foreign(actor, ret, live);
        if (r >= 0)
                return 1;
        if (r != -ESTALE)
                remember_refusal(actor, kind, object, value, r, false);
        return r;
}

void want_answered(struct actor *actor, const char *kind, const char *object, const char *value, int error, bool unannounced) {
        if (error >= 0 || error_is_gone(error))
                forget(actor->reservation, kind, object);
        else
                remember_refusal(actor, kind, object, value, error, unannounced);
}

void want_end(struct actor *actor, const struct hand *hand, const char *value, int error) {
        if (error == -EINPROGRESS)
                asks_mark_wanted(actor->asks, hand->knob->kind, hand->object);
        else
                want_answered(actor, hand->knob->kind, hand->object, value, error, hand->unannounced);
}

/* --- settling --- */

struct settling {
        struct actor *actor;
        const char *source;
        struct reservation_report *report;
};

void reservation_count_set(struct reservation_report *report, const char *kind) {
        report->n_set++;
        size_t i = 0;
        while (i < report->n_kinds && strcmp(report->kinds[i].kind, kind) != 0)
                i++;
        if (i == RESERVATION_KINDS_MAX)
                return;
        if (i == report->n_kinds)
                snprintf(report->kinds[report->n_kinds++].kind, sizeof report->kinds[i].kind, "%s", kind);
        report->kinds[i].n_set++;
}

static void count(struct settling *settling, const char *kind, int r) {
        if (r >= 0)
                reservation_count_set(settling->report, kind);
        else if (error_is_gone(r))
                settling->report->n_gone++;
        else if (r == -EINPROGRESS)
                settling->report->n_in_progress++;
        else if (r == -EALREADY || r == -ESTALE)
                settling->report->n_kept++;
        else
                settling->report->n_refused++;
}

static int settle_one(void *userdata, const char *kind, const char *object, const char *value) {
        struct settling *settling = userdata;
        char live[IOCORE_VALUE_MAX], set[IOCORE_VALUE_MAX];
        struct hand hand;
        bool changed;
        int r = want_begin(settling->actor, kind, object, value, &hand, live);
        if (r == 0)
                return 0;
        if (r > 0 && hand.adopted && hand.instance->plugin->foreign)
                r = -EALREADY; /* it was asked for without knowing what to go on from: the plugin does by now, and asks again */
        else if (r > 0) {
                hand.source = settling->source;
                r = hand_set_journaled(settling->actor, &hand, live, value, set, &changed);
                want_end(settling->actor, &hand, value, r);
                if (r >= 0)
                        log_debug("%s of %s: %s -> %s, for %s.", kind, object, live, set, settling->source);
        }
        count(settling, kind, r);
        return 0;
}

int reservation_settle(struct actor *actor, const char *source, struct reservation_report *ret) {
        struct reservation_report report = { 0 };
        struct settling settling = { actor, source, &report };
        int error = 0;
        for (struct plugin_instance *const *p = actor->plugins; *p; p++) {
                int r = (*p)->plugin->reserve ? (*p)->plugin->reserve((*p)->state, settle_one, &settling) : 0;
                error = error < 0 ? error : r < 0 ? r : 0;
        }
        *ret = report;
        return error;
}

void reservation_prepare_home(struct actor *actor, const struct hand *hand) {
        const struct iocore_plugin *plugin = hand->instance->plugin;
        struct reservation_report report = { 0 };
        struct settling settling = { actor, hand->source, &report };
        /* A mere restore has put back what was set before it comes to units. */
        if (plugin->prepare && actor->reservation)
                (void) plugin->prepare(hand->instance->state, &hand->unit->pub, IOCORE_CPU_ANY, settle_one, &settling);
}

/* --- */

struct pruning {
        struct actor *actor;
        struct refusal **gone;
        size_t n_gone;
};

static void collect_gone(const void *node, VISIT visit, void *userdata) {
        struct pruning *pruning = userdata;
        struct refusal *refusal = *(struct refusal *const *) node;
        char live[IOCORE_VALUE_MAX];
        struct hand hand;
        if (visit != postorder && visit != leaf)
                return;
        int r = hand_find(pruning->actor, refusal->kind, refusal->object, &hand);
        if (error_is_gone(r >= 0 ? hand_get(&hand, live) : r))
                pruning->gone[pruning->n_gone++] = refusal;
}

static void prune_journal(struct actor *actor) {
        for (size_t i = journal_n_entries(actor->journal); i-- > 0;) {
                const struct journal_entry *entry = journal_entry(actor->journal, i);
                if (entry->kind != JOURNAL_KNOB || !hand_is_gone(actor, entry))
                        continue;
                const struct journal_entry gone = *entry;
                if (journal_forget(actor->journal, JOURNAL_KNOB, gone.plugin, gone.knob, gone.object) < 0)
                        return; /* the file is behind; the next time */
        }
}

static void prune_refusals(struct actor *actor) {
        struct reservation *reservation = actor->reservation;
        if (reservation->n == 0)
                return;
        _cleanup_free_ struct refusal **gone = calloc(reservation->n, sizeof(struct refusal *));
        struct pruning pruning = { .actor = actor, .gone = gone };
        if (!gone)
                return; /* the next time */
        twalk_r(reservation->tree, collect_gone, &pruning);
        for (size_t i = 0; i < pruning.n_gone; i++)
                forget(reservation, gone[i]->kind, gone[i]->object);
}

void reservation_prune(struct actor *actor) {
        prune_refusals(actor);
        prune_journal(actor);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asks.h"
#include "cleanup.h"
#include "log.h"

struct ask {
        char *kind, *object, *value;
        char *live;          /* the value before */
        char *source;        /* who asked for it, for the journal */
        char *source_before; /* who had set it before */
        uint64_t incarnation;
        uint64_t since_usec;
        bool announced, insist;
        bool owned, wanted, told_late;

        bool answered;
        int error;
        bool changed;
        char *set; /* what holds now */
};

struct asks {
        struct ask **asks; /* sorted by object and kind */
        size_t n, allocated;
};

static void ask_free(struct ask *ask) {
        if (!ask)
                return;
        free(ask->kind);
        free(ask->object);
        free(ask->value);
        free(ask->live);
        free(ask->source);
        free(ask->source_before);
        free(ask->set);
        free(ask);
}

static void ask_freep(struct ask **ask) {
        ask_free(*ask);
}

int asks_new(struct asks **ret) {
        *ret = calloc(1, sizeof **ret);
        return *ret ? 0 : -ENOMEM;
}

struct asks *asks_free(struct asks *asks) {
        if (!asks)
                return NULL;
        for (size_t i = 0; i < asks->n; i++)
                ask_free(asks->asks[i]);
        free(asks->asks);
        free(asks);
        return NULL;
}

/* Where it is, or where it would be inserted. */
static size_t position(const struct asks *asks, const char *kind, const char *object, bool *ret_found) {
        size_t low = 0, high = asks->n;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = strcmp(asks->asks[middle]->object, object);
                if (order == 0)
                        order = strcmp(asks->asks[middle]->kind, kind);
                if (order == 0) {
                        *ret_found = true;
                        return middle;
                }
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        *ret_found = false;
        return low;
}

static struct ask *find(const struct asks *asks, const char *kind, const char *object) {
        if (!asks || asks->n == 0)
                return NULL;
        bool found;
        size_t at = position(asks, kind, object, &found);
        return found ? asks->asks[at] : NULL;
}

static void remove_at(struct asks *asks, size_t at) {
        ask_free(asks->asks[at]);
        memmove(asks->asks + at, asks->asks + at + 1, (asks->n - at - 1) * sizeof *asks->asks);
        asks->n--;
}

size_t asks_n(const struct asks *asks) {
        return asks->n;
}

bool asks_is_open(const struct asks *asks, const char *kind, const char *object) {
        const struct ask *ask = find(asks, kind, object);
        return ask && !ask->answered;
}

bool asks_is_owned(const struct asks *asks, const char *kind, const char *object) {
        const struct ask *ask = find(asks, kind, object);
        return ask && ask->owned;
}

int asks_add(struct asks *asks, const struct actor *actor, const struct hand *hand, const char *live, const char *value, bool announced, const char *source_before) {
        _cleanup_(ask_freep) struct ask *ask = calloc(1, sizeof *ask);
        if (!ask)
                return -ENOMEM;
        ask->kind = strdup(hand->knob->kind);
        ask->object = strdup(hand->object);
        ask->value = strdup(value);
        ask->live = strdup(live);
        ask->source = strdup(hand->source ?: "");
        ask->source_before = strdup(source_before);
        if (!ask->kind || !ask->object || !ask->value || !ask->live || !ask->source || !ask->source_before)
                return -ENOMEM;
        ask->incarnation = hand->incarnation;
        ask->since_usec = actor->host->now_usec;
        ask->announced = announced;
        ask->insist = hand->insist;
        if (asks->n == asks->allocated) {
                size_t n = asks->allocated ? 2 * asks->allocated : 16;
                struct ask **grown = reallocarray(asks->asks, n, sizeof *grown);
                if (!grown)
                        return -ENOMEM;
                asks->asks = grown;
                asks->allocated = n;
        }
        asks_drop(asks, ask->kind, ask->object); /* an answer that nobody took */
        bool found;
        size_t at = position(asks, ask->kind, ask->object, &found);
        memmove(asks->asks + at + 1, asks->asks + at, (asks->n - at) * sizeof *asks->asks);
        asks->asks[at] = TAKE_PTR(ask);
        asks->n++;
        return -EINPROGRESS;
}

void asks_drop(struct asks *asks, const char *kind, const char *object) {
        bool found;
        size_t at = position(asks, kind, object, &found);
        if (found)
                remove_at(asks, at);
}

void asks_own(struct asks *asks, const char *kind, const char *object) {
        struct ask *ask = find(asks, kind, object);
        if (ask)
                ask->owned = true;
}

void asks_disown(struct asks *asks, const char *kind, const char *object) {
        struct ask *ask = find(asks, kind, object);
        if (!ask)
                return;
        ask->owned = false;
        if (ask->answered)
                asks_drop(asks, kind, object);
}

void asks_mark_wanted(struct asks *asks, const char *kind, const char *object) {
        struct ask *ask = find(asks, kind, object);
        if (ask)
                ask->wanted = true;
}

int asks_take(struct asks *asks, const char *kind, const char *object, char *ret, bool *ret_changed) {
        const struct ask *ask = find(asks, kind, object);
        if (!ask)
                return -ENOENT;
        if (!ask->answered)
                return -EINPROGRESS;
        int error = ask->error;
        snprintf(ret, IOCORE_VALUE_MAX, "%s", ask->set ?: "");
        *ret_changed = ask->changed;
        asks_drop(asks, kind, object);
        return error;
}

/* --- asking again */

/* -ENOENT: another has its name now, or nobody. */
static int find_hand(const struct actor *actor, const struct ask *ask, struct hand *ret) {
        int r = hand_find(actor, ask->kind, ask->object, ret);
        if (r < 0)
                return r;
        if (ret->incarnation != ask->incarnation)
                return -ENOENT;
        ret->source = ask->source;
        ret->insist = ask->insist;
        return 0;
}

uint64_t ask_patience_usec(const char *kind) {
        return strcmp(kind, "numatune.nodeset") == 0 ? ASK_PATIENCE_MEMORY_USEC : ASK_PATIENCE_USEC;
}

/* Told once as refused, so that an administrator hears of a libvirtd that hangs; asked on all the same, as what was once asked for may be done later. */
static void tell_late(struct actor *actor, struct ask *ask) {
        if (!ask->wanted || !actor->reservation || ask->told_late || actor->host->now_usec - ask->since_usec < ask_patience_usec(ask->kind))
                return;
        ask->told_late = true;
        want_answered(actor, ask->kind, ask->object, ask->value, -ETIMEDOUT, false);
}

/* False: no answer yet. */
static bool ask_again(struct actor *actor, struct ask *ask, struct reservation_report *report) {
        char set[IOCORE_VALUE_MAX] = "";
        struct hand hand;
        bool changed = false;
        int r = find_hand(actor, ask, &hand);
        if (r >= 0) {
                r = hand_set(&hand, ask->value, set);
                if (r == -EINPROGRESS) {
                        tell_late(actor, ask);
                        return false;
                }
                r = hand_conclude(actor, &hand, ask->live, ask->value, r, ask->announced, ask->source_before, set, &changed);
        } /* of what is gone the journal is cleaned by whoever looks for what is gone */
        log_debug("%s of %s has answered: %s.", ask->kind, ask->object, r < 0 ? strerror(-r) : set);
        if (ask->wanted && actor->reservation) {
                if (r >= 0)
                        reservation_count_set(report, ask->kind);
                want_answered(actor, ask->kind, ask->object, ask->value, r, false);
        }
        ask->answered = true;
        ask->error = r;
        ask->changed = changed;
        ask->set = strdup(set);
        return true;
}

bool asks_poll(struct actor *actor, struct reservation_report *report) {
        struct asks *asks = actor->asks;
        bool wanted = false;
        for (size_t i = asks->n; i-- > 0;) {
                struct ask *ask = asks->asks[i];
                if (ask->answered || !ask_again(actor, ask, report))
                        continue;
                wanted = wanted || ask->wanted;
                if (!ask->owned)
                        remove_at(asks, i);
        }
        return wanted;
}

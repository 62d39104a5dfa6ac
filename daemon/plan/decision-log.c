/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "decision-log.h"

/* How many of the newest entries are searched for the same refusal: some policies, each refused for some objects, epoch after epoch. */
#define REPEAT_WINDOW 64

struct decision_log {
        struct decision **ring;
        size_t capacity;
        size_t oldest, n;
        uint64_t next_id;
};

int decision_log_new(struct decision_log **ret, size_t capacity) {
        if (capacity == 0)
                return -EINVAL;
        struct decision_log *log = calloc(1, sizeof *log);
        struct decision **ring = calloc(capacity, sizeof *ring);
        if (!log || !ring) {
                free(log);
                free(ring);
                return -ENOMEM;
        }
        *log = (struct decision_log) { .ring = ring, .capacity = capacity, .next_id = 1 };
        *ret = log;
        return 0;
}

struct decision_log *decision_log_free(struct decision_log *log) {
        if (!log)
                return NULL;
        for (size_t i = 0; i < log->n; i++)
                decision_free(log->ring[(log->oldest + i) % log->capacity]);
        free(log->ring);
        free(log);
        return NULL;
}

static struct decision *entry_at(const struct decision_log *log, size_t index) {
        return index < log->n ? log->ring[(log->oldest + index) % log->capacity] : NULL;
}

static bool same_subject(const struct decision *a, const struct decision *b) {
        return a->intent.action == b->intent.action && a->intent.cpu == b->intent.cpu && a->intent.node == b->intent.node &&
               strcmp(a->intent.object, b->intent.object) == 0 && strcmp(a->intent.knob, b->intent.knob) == 0 &&
               strcmp(a->intent.source, b->intent.source) == 0;
}

/* The same refusal among the newest entries, unless something else became of the same wish in between: then it is news again. */
static struct decision *find_repeated(const struct decision_log *log, const struct decision *decision) {
        if (decision->verdict != VERDICT_REFUSED && decision->verdict != VERDICT_SUPERSEDED && decision->verdict != VERDICT_UNCHANGED)
                return NULL;
        for (size_t i = 0; i < log->n && i < REPEAT_WINDOW; i++) {
                struct decision *entry = entry_at(log, log->n - 1 - i);
                if (!same_subject(entry, decision))
                        continue;
                return entry->verdict == decision->verdict && strcmp(entry->rule, decision->rule) == 0 ? entry : NULL;
        }
        return NULL;
}

int decision_log_add(struct decision_log *log, struct decision *decision, const struct decision **ret) {
        struct decision *repeated = find_repeated(log, decision);
        if (repeated) {
                repeated->repeated++;
                decision_free(decision);
                if (ret)
                        *ret = repeated;
                return 0;
        }
        decision->id = log->next_id++;
        if (decision->usec == 0) {
                struct timespec now;
                if (clock_gettime(CLOCK_REALTIME, &now) == 0)
                        decision->usec = (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
        }
        if (log->n > 0 && log->n == log->capacity) {
                decision_free(log->ring[log->oldest]);
                log->oldest = (log->oldest + 1) % log->capacity;
                log->n--;
        }
        log->ring[(log->oldest + log->n++) % log->capacity] = decision;
        if (ret)
                *ret = decision;
        return 1;
}

size_t decision_log_size(const struct decision_log *log) {
        return log->n;
}

const struct decision *decision_log_at(const struct decision_log *log, size_t index) {
        return entry_at(log, index);
}

struct decision *decision_log_find_for_update(struct decision_log *log, uint64_t id) {
        /* ids are consecutive: each entry got the next one */
        uint64_t first = log->next_id - log->n;
        return id >= first && id < log->next_id ? entry_at(log, (size_t) (id - first)) : NULL;
}

const struct decision *decision_log_find(const struct decision_log *log, uint64_t id) {
        uint64_t first = log->next_id - log->n;
        return id >= first && id < log->next_id ? entry_at(log, (size_t) (id - first)) : NULL;
}

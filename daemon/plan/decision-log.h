/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last decisions, oldest dropped first; a refusal that repeats is counted, not stored again. */
#ifndef DECISION_LOG_H
#define DECISION_LOG_H

#include "decision.h"

struct decision_log;

/* 0 or -ENOMEM. `capacity` > 0. */
int decision_log_new(struct decision_log **ret, size_t capacity);
struct decision_log *decision_log_free(struct decision_log *log);
static inline void decision_log_freep(struct decision_log **log) { decision_log_free(*log); }
/* Takes the decision (not on -ENOMEM) and gives it its id; or, when it repeats the same refusal (source, action, object, cpu, node, rule) that is among the
 * newest, frees it and counts that one up. *ret (may be NULL): the entry. Returns 1 = new entry, 0 = repeated. */
int decision_log_add(struct decision_log *log, struct decision *decision, const struct decision **ret);
size_t decision_log_size(const struct decision_log *log);
/* 0 = oldest. NULL beyond the end. Valid until the next add. */
const struct decision *decision_log_at(const struct decision_log *log, size_t index);
const struct decision *decision_log_find(const struct decision_log *log, uint64_t id);
/* The trial's outcome is the one thing that may still change. */
struct decision *decision_log_find_for_update(struct decision_log *log, uint64_t id);

#endif

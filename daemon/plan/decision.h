/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A decision: what became of one intent, with everything needed to say why.
 */
#ifndef DECISION_H
#define DECISION_H

#include "intent.h"

enum step_kind {
        STEP_CORE_ADD,    /* make `cpu` an I/O core */
        STEP_CORE_CLOSE,  /* let the I/O core `cpu` take no new devices (knob worker.locked of `object`), where the plugin has that */
        STEP_UNIT_MOVE,   /* unit `object` onto the I/O core `cpu`, or home (IOCORE_CPU_ANY) */
        STEP_CORE_REMOVE, /* `cpu` is an I/O core no more; `object`: its worker's id or "" */
        STEP_KNOB_SET,    /* knob `knob` of `object` to `value` */
        STEP_MEMORY_MOVE, /* a job begins that moves the memory of guest cell `cell` of domain `object` to `node`; after all steps of other kinds */
};

enum step_result { STEP_PENDING, STEP_DONE, STEP_UNCHANGED, STEP_FAILED, STEP_UNDONE };

struct step {
        enum step_kind kind;
        int cpu;
        char object[IOCORE_NAME_MAX];
        char knob[IOCORE_ID_MAX * 2];
        char value[IOCORE_REASON_MAX];
        int cell, node; /* STEP_MEMORY_MOVE only */
        /* filled by the transaction; shortened to fit */
        enum step_result result;
        int error; /* negative errno, 0 */
        char old_value[IOCORE_NAME_MAX];
        char new_value[IOCORE_NAME_MAX];
        uint64_t job; /* that was begun; 0: none */
};

enum verdict {
        VERDICT_DONE,       /* carried out */
        VERDICT_WOULD,      /* observe mode: would have been carried out */
        VERDICT_UNCHANGED,  /* already so: nothing was written */
        VERDICT_REFUSED,    /* a rule forbids it: `rule` */
        VERDICT_SUPERSEDED, /* another intent in the same epoch won: `rule` = "conflict" */
        VERDICT_FAILED,     /* a step failed; the steps before it were undone */
        VERDICT_OPEN,       /* asked for; whoever has to answer has not answered for all of its steps */
        VERDICT_PLANNED,    /* not yet carried out (between planner and transaction) */
        _VERDICT_MAX,
};

enum trial_verdict { TRIAL_NOT_ASKED, TRIAL_RUNNING, TRIAL_KEPT, TRIAL_UNDONE, TRIAL_INCONCLUSIVE };

struct decision {
        uint64_t id;         /* counts from 1; unique as long as the daemon runs */
        uint64_t epoch;
        uint64_t usec;       /* realtime */
        uint64_t repeated;   /* how often the same refusal came again since; not logged again */
        struct intent intent;
        enum verdict verdict;
        char rule[32];       /* rule that refused: "max-cores", "hold" ... */
        char text[IOCORE_REASON_MAX]; /* one sentence: what was done or why not, with thresholds and distance to them */
        struct step *steps;
        size_t n_steps;
        enum trial_verdict trial;
        double trial_before, trial_after;
        char trial_text[IOCORE_REASON_MAX];
};

/* NULL: out of memory. */
struct decision *decision_copy(const struct decision *decision);
struct decision *decision_free(struct decision *decision);
static inline void decision_freep(struct decision **decision) { decision_free(*decision); }
const char *verdict_to_string(enum verdict verdict);
const char *trial_verdict_to_string(enum trial_verdict verdict);
const char *step_kind_to_string(enum step_kind kind);
const char *step_result_to_string(enum step_result result);
/* One line for people: "move d.4 to CPU 3 (w.1 -> w.2): done". */
void step_format(const struct step *step, char *buffer, size_t size);

#endif

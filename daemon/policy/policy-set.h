/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The drop-in policies: found, loaded each in a Lua state of its own, run over the host model, stopped when they misbehave.
 * Knows only the model and intents.
 */
#ifndef POLICY_SET_H
#define POLICY_SET_H

#include "daemon/host/host.h"
#include "daemon/plan/intent.h"
#include "daemon/plan/placement.h"

#define POLICY_NAME_MAX 48

enum policy_state {
        POLICY_LOADED,
        POLICY_DISABLED, /* by configuration */
        POLICY_FAILED,   /* did not load: never ran */
        POLICY_STOPPED,  /* erred, exceeded its budget or flooded intents while running */
};

#define POLICY_WORDS_MAX 8
#define POLICY_WORD_MAX 16

struct policy_parameter {
        char name[POLICY_NAME_MAX];
        char unit[32];
        char doc[IOCORE_REASON_MAX];
        double value, fallback, minimum, maximum; /* booleans are 0 / 1 */
        bool is_boolean;
        char words[POLICY_WORDS_MAX][POLICY_WORD_MAX]; /* one of these, told by its number from 0 */
        size_t n_words;                                /* 0: a number or a boolean */
};

struct policy_info {
        char name[POLICY_NAME_MAX]; /* from the file: "50-dynamic-cores.lua" -> "dynamic-cores" */
        char file[POLICY_NAME_MAX + 16];
        const char *path;
        char doc[IOCORE_REASON_MAX];
        int priority; /* NN of the file name */
        enum policy_state state;
        char error[IOCORE_REASON_MAX]; /* why FAILED or STOPPED; after a reload that failed: why the last good version still runs */
        const struct policy_parameter *parameters; /* valid until the next reload */
        size_t n_parameters;
        uint64_t n_runs, n_intents;
        size_t memory_bytes; /* in use by its Lua state */
};

struct policy_limits {
        unsigned instructions_per_event; /* default 1,000,000 */
        size_t memory_bytes;             /* default 4 MiB */
        unsigned intents_per_epoch;      /* default 1024 */
};

/* Values from the configuration, applied at load and at reload. NULL: the parameter's default. */
struct policy_setting {
        const char *policy, *parameter, *value; /* parameter "enabled": yes / no */
};

struct policy_callbacks {
        void *userdata;
        void (*log)(void *userdata, const char *policy, int priority, const char *text);
        /* A running policy was stopped, disabled (why: "disabled") or its file removed ("removed"); its knobs are to be put back. */
        void (*stopped)(void *userdata, const char *policy, const char *why);
        /* What Lua sees as host.can.KIND ("poll", "limit", "move", "grow", "pin" ...): NULL yes, else why not. */
        const char *(*unavailable)(void *userdata, const char *action);
        /* Sets what the rules of the planner say of placements (bans, isolated CPUs), borrowed until the policies have run. May be NULL. */
        void (*placement_rules)(void *userdata, struct placement_rules *rules);
};

struct policy_set;

/* `directories`: NULL-terminated, later ones win; a file of the same name replaces the earlier, an empty file or a link to /dev/null masks it. Names must be
 * NN-name.lua. A file whose path is not trusted (see trusted-path.h) is not loaded. Returns 0 even when policies failed to load (their state says so); -ENOMEM. */
int policy_set_new(struct policy_set **ret, char *const *directories, const struct policy_limits *limits,
                   const struct policy_setting *settings, size_t n_settings, const struct policy_callbacks *callbacks);
struct policy_set *policy_set_free(struct policy_set *set);
static inline void policy_set_freep(struct policy_set **set) { policy_set_free(*set); }
/* Reads the directories again: a file that does not load keeps its last good version; vanished files' policies end (callback `stopped` with why "removed"). Parameters that were
 * set at run time stay. A stopped policy gets a new chance. `settings` as in new. */
int policy_set_reload(struct policy_set *set, const struct policy_setting *settings, size_t n_settings);

/* Runs on_start (once per load), on_domain/on_device/on_core for the model's events, then on_epoch, of each loaded policy in order of priority; appends intents.
 * In the steady state nothing is allocated with malloc. */
int policy_set_run(struct policy_set *set, const struct host *host, struct intent_list *intents);

size_t policy_set_size(const struct policy_set *set);
const struct policy_info *policy_set_info(struct policy_set *set, size_t index);
const struct policy_info *policy_set_find(struct policy_set *set, const char *name);
/* -ENOENT: no such policy or parameter; -ERANGE: outside minimum..maximum; -EINVAL: not a number / boolean. Takes effect in the next epoch. */
int policy_set_parameter(struct policy_set *set, const char *name, const char *parameter, const char *value);
/* -ENOENT */
int policy_set_enable(struct policy_set *set, const char *name, bool enable);
const char *policy_state_to_string(enum policy_state state);

#endif

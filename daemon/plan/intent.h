/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Intents: what a policy or a client asks for, with its reason and evidence. Plain data.
 */
#ifndef INTENT_H
#define INTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugins/iocore-plugin.h"

enum intent_action {
        INTENT_GROW,    /* one I/O core more on `node` (on `cpu` when given) */
        INTENT_SHRINK,  /* one I/O core less on `node` (`cpu` when given) */
        INTENT_MOVE,    /* unit `object` to the I/O core `cpu`; IOCORE_CPU_ANY: home, where it was before iocored moved it */
        INTENT_POLL,    /* queue `object`: poll (value "1") or take notifications ("0") */
        INTENT_LIMIT,   /* queue `object`: at most `value` bytes in one turn */
        INTENT_PIN,         /* vCPUs of domain `object` to the CPUs `value`: a list for all ("0-3,8"), or one for each ("0=2;1=3;2-5=8-11") */
        INTENT_BIND_MEMORY, /* memory of domain `object` to the node `value` */
        INTENT_PLACE,       /* vCPUs and memory of domain `object` to nodes: `value` as placement_request_format() has it */
        INTENT_PIN_IRQ,     /* interrupt `object` to CPUs `value` */
        INTENT_COALESCE,    /* NIC `object`: interrupt moderation `value` */
        INTENT_SET,     /* knob `knob` of `object` to `value` */
        _INTENT_ACTION_MAX,
        _INTENT_ACTION_INVALID = -1,
};

#define INTENT_EVIDENCE_MAX 8
#define INTENT_SOURCE_MAX 64

struct evidence {
        char name[32];
        double value;
};

/* A decision that must prove itself: kept only when `measure` gets better. */
enum trial_measure { TRIAL_NONE, TRIAL_CYCLES_PER_BYTE, TRIAL_WORST_WAIT, TRIAL_BYTES_PER_SECOND, _TRIAL_MEASURE_MAX, _TRIAL_MEASURE_INVALID = -1 };

struct intent {
        enum intent_action action;
        char source[INTENT_SOURCE_MAX]; /* "policy:dynamic-cores", "client:uid=0" */
        int priority;                   /* the policy's NN; lower wins. Clients: -1 */
        int node;                       /* IOCORE_NODE_UNKNOWN when not given */
        int cpu;                        /* IOCORE_CPU_ANY when not given */
        char object[IOCORE_NAME_MAX];
        char knob[IOCORE_ID_MAX * 2];
        char value[IOCORE_REASON_MAX];
        char reason[IOCORE_REASON_MAX];
        struct evidence evidence[INTENT_EVIDENCE_MAX];
        size_t n_evidence;
        enum trial_measure trial;
        bool trial_higher_is_better;
};

/* A growable list; memory is kept by clear() so that a steady epoch allocates nothing. */
struct intent_list {
        struct intent *intents;
        size_t n, allocated;
};
/* Returns a zeroed intent at the end (node, cpu set to "not given"), or NULL: ENOMEM. */
struct intent *intent_list_append(struct intent_list *list);
void intent_list_clear(struct intent_list *list);
void intent_list_done(struct intent_list *list);

/* "grow", "bind-memory" ...; NULL / _INTENT_ACTION_INVALID for what is unknown. */
const char *intent_action_to_string(enum intent_action action);
enum intent_action intent_action_from_string(const char *string);
const char *trial_measure_to_string(enum trial_measure measure);
enum trial_measure trial_measure_from_string(const char *string);

/* The knob kind that realises an action ("queue.poll" for INTENT_POLL; the intent's own for INTENT_SET; NULL for grow, shrink). For INTENT_PIN, INTENT_BIND_MEMORY and INTENT_PLACE,
 * whose object is a domain, the kind that most of their steps are of. */
const char *intent_knob_kind(const struct intent *intent);
/* Is it about where a domain's vCPUs or memory are? */
bool intent_places_domain(const struct intent *intent);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "intent.h"

/* The first allocation: more than the shipped policies ask for in one epoch. */
#define FIRST_ALLOCATION 16

static const char *const action_names[_INTENT_ACTION_MAX] = {
        [INTENT_GROW] = "grow",
        [INTENT_SHRINK] = "shrink",
        [INTENT_MOVE] = "move",
        [INTENT_POLL] = "poll",
        [INTENT_LIMIT] = "limit",
        [INTENT_PIN] = "pin",
        [INTENT_BIND_MEMORY] = "bind-memory",
        [INTENT_PLACE] = "place",
        [INTENT_PIN_IRQ] = "pin-irq",
        [INTENT_COALESCE] = "coalesce",
        [INTENT_SET] = "set",
};

static const char *const measure_names[_TRIAL_MEASURE_MAX] = {
        [TRIAL_NONE] = "none",
        [TRIAL_CYCLES_PER_BYTE] = "cycles_per_byte",
        [TRIAL_WORST_WAIT] = "worst_wait",
        [TRIAL_BYTES_PER_SECOND] = "bytes_per_second",
};

struct intent *intent_list_append(struct intent_list *list) {
        if (list->n == list->allocated) {
                size_t allocated = list->allocated ? list->allocated * 2 : FIRST_ALLOCATION;
                struct intent *intents = reallocarray(list->intents, allocated, sizeof *intents);
                if (!intents)
                        return NULL;
                list->intents = intents;
                list->allocated = allocated;
        }
        struct intent *intent = &list->intents[list->n++];
        *intent = (struct intent) { .node = IOCORE_NODE_UNKNOWN, .cpu = IOCORE_CPU_ANY };
        return intent;
}

void intent_list_clear(struct intent_list *list) {
        list->n = 0;
}

void intent_list_done(struct intent_list *list) {
        free(list->intents);
        *list = (struct intent_list) { 0 };
}

const char *intent_action_to_string(enum intent_action action) {
        return action >= 0 && action < _INTENT_ACTION_MAX ? action_names[action] : NULL;
}

enum intent_action intent_action_from_string(const char *string) {
        for (int i = 0; string && i < _INTENT_ACTION_MAX; i++)
                if (strcmp(action_names[i], string) == 0)
                        return (enum intent_action) i;
        return _INTENT_ACTION_INVALID;
}

const char *trial_measure_to_string(enum trial_measure measure) {
        return measure >= 0 && measure < _TRIAL_MEASURE_MAX ? measure_names[measure] : NULL;
}

enum trial_measure trial_measure_from_string(const char *string) {
        for (int i = 0; string && i < _TRIAL_MEASURE_MAX; i++)
                if (strcmp(measure_names[i], string) == 0)
                        return (enum trial_measure) i;
        return _TRIAL_MEASURE_INVALID;
}

const char *intent_knob_kind(const struct intent *intent) {
        switch (intent->action) {
        case INTENT_MOVE:
                return "unit.place";
        case INTENT_POLL:
                return "queue.poll";
        case INTENT_LIMIT:
                return "queue.limit";
        case INTENT_PIN:
        case INTENT_PLACE:
                return "vcpu.cpus";
        case INTENT_BIND_MEMORY:
                return "numatune.nodeset";
        case INTENT_PIN_IRQ:
                return "irq.affinity";
        case INTENT_COALESCE:
                return "nic.coalesce";
        case INTENT_SET:
                return intent->knob;
        default:
                return NULL;
        }
}

bool intent_places_domain(const struct intent *intent) {
        return intent->action == INTENT_PIN || intent->action == INTENT_BIND_MEMORY || intent->action == INTENT_PLACE;
}

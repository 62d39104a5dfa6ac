/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decisions on the wire. */
#include <errno.h>
#include <string.h>

#include "bus-internal.h"
#include "daemon/cleanup.h"

int bus_decision_append_summary(sd_bus_message *reply, const struct decision *d) {
        struct bus_text text, object;

        return sd_bus_message_append(reply, BUS_DECISION_SUMMARY, d->id, d->usec, d->epoch, d->intent.source,
                                     intent_action_to_string(d->intent.action), bus_text(&object, d->intent.object), d->intent.node,
                                     d->intent.cpu, verdict_to_string(d->verdict), d->rule, bus_text(&text, d->text), d->intent.reason,
                                     d->repeated);
}

/* One entry of a{sv} of a basic type or of basic types. */
#define ENTRY(key, type, ...)                                                                                                              \
        do {                                                                                                                               \
                if (r >= 0)                                                                                                                \
                        r = sd_bus_message_append(reply, "{sv}", key, type, __VA_ARGS__);                                                  \
        } while (0)

#define TEXT_ENTRY(key, string)                                                                                                            \
        do {                                                                                                                               \
                struct bus_text clean_;                                                                                                    \
                ENTRY(key, "s", bus_text(&clean_, string));                                                                                \
        } while (0)

static int open_entry(sd_bus_message *reply, const char *key, const char *type) {
        int r;

        r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', type);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', type + 1);
        return r;
}

static int close_entry(sd_bus_message *reply) {
        int r = 0;

        for (unsigned i = 0; r >= 0 && i < 3; i++) /* array, variant, dictionary entry */
                r = sd_bus_message_close_container(reply);
        return r;
}

static int append_evidence(sd_bus_message *reply, const struct intent *intent) {
        int r;

        r = open_entry(reply, "evidence", "a{sd}");
        for (size_t i = 0; r >= 0 && i < intent->n_evidence; i++)
                r = sd_bus_message_append(reply, "{sd}", intent->evidence[i].name, intent->evidence[i].value);
        return r < 0 ? r : close_entry(reply);
}

static int append_steps(sd_bus_message *reply, const struct decision *decision) {
        int r;

        r = open_entry(reply, "steps", "aa{sv}");
        for (size_t i = 0; r >= 0 && i < decision->n_steps; i++) {
                const struct step *step = decision->steps + i;
                char text[IOCORE_REASON_MAX * 2];

                step_format(step, text, sizeof(text));
                r = sd_bus_message_open_container(reply, 'a', "{sv}");
                ENTRY("kind", "s", step_kind_to_string(step->kind));
                ENTRY("cpu", "i", step->cpu);
                TEXT_ENTRY("object", step->object);
                ENTRY("knob", "s", step->knob);
                TEXT_ENTRY("value", step->value);
                TEXT_ENTRY("old_value", step->old_value);
                TEXT_ENTRY("new_value", step->new_value);
                ENTRY("result", "s", step_result_to_string(step->result));
                ENTRY("error", "s", step->error != 0 ? strerror(step->error < 0 ? -step->error : step->error) : "");
                TEXT_ENTRY("text", text);
                if (step->kind == STEP_MEMORY_MOVE) {
                        ENTRY("cell", "i", step->cell);
                        ENTRY("node", "i", step->node);
                        ENTRY("job", "t", step->job);
                }
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
        }
        return r < 0 ? r : close_entry(reply);
}

int bus_decision_append_full(sd_bus_message *reply, const struct decision *d) {
        const struct intent *intent = &d->intent;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        ENTRY("id", "t", d->id);
        ENTRY("usec", "t", d->usec);
        ENTRY("epoch", "t", d->epoch);
        ENTRY("repeated", "t", d->repeated);
        ENTRY("source", "s", intent->source);
        ENTRY("priority", "i", intent->priority);
        ENTRY("action", "s", intent_action_to_string(intent->action));
        TEXT_ENTRY("object", intent->object);
        ENTRY("node", "i", intent->node);
        ENTRY("cpu", "i", intent->cpu);
        ENTRY("knob", "s", intent->knob);
        TEXT_ENTRY("value", intent->value);
        ENTRY("reason", "s", intent->reason);
        ENTRY("verdict", "s", verdict_to_string(d->verdict));
        ENTRY("rule", "s", d->rule);
        TEXT_ENTRY("text", d->text);
        if (r >= 0)
                r = append_evidence(reply, intent);
        if (r >= 0)
                r = append_steps(reply, d);
        ENTRY("trial", "s", trial_verdict_to_string(d->trial));
        if (d->trial != TRIAL_NOT_ASKED) {
                ENTRY("trial_measure", "s", trial_measure_to_string(intent->trial));
                ENTRY("trial_before", "d", d->trial_before);
                ENTRY("trial_after", "d", d->trial_after);
                TEXT_ENTRY("trial_text", d->trial_text);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

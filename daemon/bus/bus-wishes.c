/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A client's wish becomes an intent, and the engine's decision the answer. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus-methods.h"
#include "daemon/cleanup.h"
#include "daemon/clock.h"

/* ---- what comes in: strings of a bounded length without control characters, ids that exist */

/* Control characters of ASCII and of Latin 1 (U+0080 to U+009F) would reach logs and terminals. sd-bus has checked that it is UTF-8. */
static bool has_control_character(const char *string) {
        for (const unsigned char *c = (const unsigned char *) string; *c; c++)
                if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f))
                        return true;
        return false;
}

int bus_take_string(char *to, size_t size, const char *from, const char *what, sd_bus_error *error) {
        const size_t length = strlen(from);

        if (length >= size)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID, "%s is longer than %zu bytes", what, size - 1);
        if (has_control_character(from))
                return sd_bus_error_setf(error, BUS_ERROR_INVALID, "%s has control characters", what);
        memcpy(to, from, length + 1);
        return 0;
}

int bus_check_exists(struct bus *bus, enum bus_class class, const char *what, const char *id, sd_bus_error *error) {
        if (bus_class_find(bus, class, id))
                return 0;
        return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_OBJECT, "There is no %s \"%s\"", what, id);
}

static int check_place(struct bus *bus, int node, int cpu, sd_bus_error *error) {
        const struct host *host = engine_host(bus->engine);
        char id[16];

        if (node < IOCORE_NODE_UNKNOWN || cpu < IOCORE_CPU_ANY)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID, "A node or CPU is -1 (any) or more");
        if (node != IOCORE_NODE_UNKNOWN && !host_node(host, node))
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_OBJECT, "There is no node %d", node);
        (void) snprintf(id, sizeof(id), "%d", cpu);
        return cpu == IOCORE_CPU_ANY ? 0 : bus_check_exists(bus, BUS_CORE, "CPU", id, error);
}

int bus_client_source(sd_bus_message *message, char *ret, size_t size) {
        sd_bus_creds *creds = NULL;
        uid_t uid;
        int r;

        r = sd_bus_query_sender_creds(message, SD_BUS_CREDS_EUID, &creds);
        if (r >= 0)
                r = sd_bus_creds_get_euid(creds, &uid);
        if (r >= 0)
                (void) snprintf(ret, size, "client:uid=%u", (unsigned) uid);
        sd_bus_creds_unref(creds);
        return r < 0 ? r : 0;
}

#define LOOK_USEC 5000
#define LOOK_WINDOW_USEC 100000

int bus_may_look(struct bus *bus, uint64_t *ret_begin, sd_bus_error *error) {
        const uint64_t now = monotonic_usec();

        if (now - bus->look_window_usec >= LOOK_WINDOW_USEC) {
                bus->look_window_usec = now;
                bus->looked_usec = 0;
        }
        if (bus->looked_usec >= LOOK_USEC)
                return sd_bus_error_set(error, BUS_ERROR_BUSY, "Advice, or what would become of a wish, was asked for too often: ask again a moment later");
        *ret_begin = now;
        return 0;
}

void bus_looked(struct bus *bus, uint64_t begin) {
        bus->looked_usec += monotonic_usec() - begin;
}

static void intent_init(struct intent *intent, enum intent_action action) {
        *intent = (struct intent){.action = action, .priority = -1, .node = IOCORE_NODE_UNKNOWN, .cpu = IOCORE_CPU_ANY};
}

/* ---- what goes out */

/* "rule: why", whether or not the planner's sentence begins with the rule's name itself. */
static int refuse(const struct decision *decision, sd_bus_error *error) {
        const size_t length = strlen(decision->rule);
        const bool named = strncmp(decision->text, decision->rule, length) == 0 && decision->text[length] == ':';

        return sd_bus_error_setf(error, BUS_ERROR_REFUSED, "%s%s%s (decision %" PRIu64 ")", named ? "" : decision->rule, named ? "" : ": ",
                                 decision->text, decision->id);
}

static int submit(struct bus *bus, sd_bus_message *message, struct intent *intent, const char *reason, sd_bus_error *error) {
        const struct decision *decision = NULL;
        int r;

        r = bus_take_string(intent->reason, sizeof(intent->reason), reason, "The reason", error);
        if (r >= 0)
                r = bus_client_source(message, intent->source, sizeof(intent->source));
        if (r < 0)
                return r;
        bus->submitting = true;
        r = engine_submit(bus->engine, intent, &decision);
        bus->submitting = false;
        if (r == -EAGAIN)
                return sd_bus_error_setf(error, BUS_ERROR_BUSY, "There is no second sample of the host yet: try again in an epoch or two");
        if (r < 0)
                return r;
        switch (decision->verdict) {
        case VERDICT_REFUSED:
        case VERDICT_SUPERSEDED:
                return refuse(decision, error);
        case VERDICT_FAILED:
                return sd_bus_error_setf(error, BUS_ERROR_FAILED, "%s (decision %" PRIu64 ")", decision->text, decision->id);
        default:
                return sd_bus_reply_method_return(message, "tss", decision->id, verdict_to_string(decision->verdict), decision->text);
        }
}

static int method_cores(struct bus *bus, sd_bus_message *message, enum intent_action action, sd_bus_error *error) {
        struct intent intent;
        const char *reason;
        int r;

        intent_init(&intent, action);
        r = sd_bus_message_read(message, "iis", &intent.node, &intent.cpu, &reason);
        if (r >= 0)
                r = check_place(bus, intent.node, intent.cpu, error);
        return r < 0 ? r : submit(bus, message, &intent, reason, error);
}

BUS_METHOD(bus_method_grow) {
        return method_cores(userdata, message, INTENT_GROW, error);
}

BUS_METHOD(bus_method_shrink) {
        return method_cores(userdata, message, INTENT_SHRINK, error);
}

BUS_METHOD(bus_method_move) {
        struct bus *bus = userdata;
        const char *unit, *reason;
        struct intent intent;
        int r;

        intent_init(&intent, INTENT_MOVE);
        r = sd_bus_message_read(message, "sis", &unit, &intent.cpu, &reason);
        if (r >= 0)
                r = bus_take_string(intent.object, sizeof(intent.object), unit, "The unit's id", error);
        if (r >= 0)
                r = bus_check_exists(bus, BUS_UNIT, "unit", intent.object, error);
        if (r >= 0)
                r = check_place(bus, IOCORE_NODE_UNKNOWN, intent.cpu, error);
        return r < 0 ? r : submit(bus, message, &intent, reason, error);
}

static int take_queue(struct bus *bus, struct intent *intent, const char *queue, sd_bus_error *error) {
        int r;

        r = bus_take_string(intent->object, sizeof(intent->object), queue, "The queue's id", error);
        return r < 0 ? r : bus_check_exists(bus, BUS_QUEUE, "queue", intent->object, error);
}

BUS_METHOD(bus_method_poll) {
        struct bus *bus = userdata;
        const char *queue, *reason;
        struct intent intent;
        int r, on;

        intent_init(&intent, INTENT_POLL);
        r = sd_bus_message_read(message, "sbs", &queue, &on, &reason);
        if (r >= 0)
                r = take_queue(bus, &intent, queue, error);
        if (r < 0)
                return r;
        intent.value[0] = on ? '1' : '0';
        return submit(bus, message, &intent, reason, error);
}

BUS_METHOD(bus_method_limit) {
        struct bus *bus = userdata;
        const char *queue, *reason;
        struct intent intent;
        uint64_t bytes;
        int r;

        intent_init(&intent, INTENT_LIMIT);
        r = sd_bus_message_read(message, "sts", &queue, &bytes, &reason);
        if (r >= 0)
                r = take_queue(bus, &intent, queue, error);
        if (r < 0)
                return r;
        (void) snprintf(intent.value, sizeof(intent.value), "%" PRIu64, bytes);
        return submit(bus, message, &intent, reason, error);
}

static int take_set(struct intent *intent, const char *knob, const char *object, const char *value, sd_bus_error *error) {
        int r;

        r = bus_take_string(intent->knob, sizeof(intent->knob), knob, "The knob's name", error);
        if (r >= 0)
                r = bus_take_string(intent->object, sizeof(intent->object), object, "The object's id", error);
        if (r >= 0)
                r = bus_take_string(intent->value, sizeof(intent->value), value, "The value", error);
        if (r >= 0 && (intent->knob[0] == '\0' || intent->object[0] == '\0'))
                r = sd_bus_error_setf(error, BUS_ERROR_INVALID, "A knob and an object are needed");
        return r;
}

BUS_METHOD(bus_method_set) {
        const char *knob, *object, *value, *reason;
        struct intent intent;
        int r;

        intent_init(&intent, INTENT_SET);
        r = sd_bus_message_read(message, "ssss", &knob, &object, &value, &reason);
        if (r >= 0)
                r = take_set(&intent, knob, object, value, error);
        return r < 0 ? r : submit(userdata, message, &intent, reason, error);
}

BUS_METHOD(bus_method_why_not) {
        struct bus *bus = userdata;
        _cleanup_(decision_freep) struct decision *decision = NULL;
        sd_bus_message *reply = NULL;
        const char *action, *object, *value;
        struct intent intent;
        char name[sizeof(intent.knob)];
        int r;

        intent_init(&intent, INTENT_SET);
        r = sd_bus_message_read(message, "ssiis", &action, &object, &intent.node, &intent.cpu, &value);
        if (r >= 0)
                r = bus_take_string(name, sizeof(name), action, "The action", error);
        if (r >= 0)
                r = bus_take_string(intent.object, sizeof(intent.object), object, "The object's id", error);
        if (r >= 0)
                r = bus_take_string(intent.value, sizeof(intent.value), value, "The value", error);
        if (r >= 0)
                r = check_place(bus, intent.node, intent.cpu, error);
        if (r < 0)
                return r;
        if (strchr(name, '.')) /* a knob's name: set */
                memcpy(intent.knob, name, sizeof(intent.knob));
        else if ((intent.action = intent_action_from_string(name)) < 0 || intent.action == INTENT_SET)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID, "There is no action \"%s\"; to ask for a knob, give its name", name);
        r = bus_client_source(message, intent.source, sizeof(intent.source));
        uint64_t begin = 0;
        if (r >= 0)
                r = bus_may_look(bus, &begin, error);
        if (r < 0)
                return r;
        r = engine_why_not(bus->engine, &intent, &decision);
        bus_looked(bus, begin);
        if (r == -EAGAIN)
                return sd_bus_error_setf(error, BUS_ERROR_BUSY, "There is no second sample of the host yet: try again in an epoch or two");
        if (r < 0)
                return r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "sss", verdict_to_string(decision->verdict), decision->rule, decision->text);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < decision->n_steps; i++) {
                char text[IOCORE_REASON_MAX * 2];

                step_format(decision->steps + i, text, sizeof(text));
                r = sd_bus_message_append(reply, "s", text);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

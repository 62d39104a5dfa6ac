/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was decided, why, and what happens now. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "iocorectl.h"

int client_decision(struct client *client, uint64_t id, cJSON **ret) {
        _cleanup_(message_freep) sd_bus_message *reply = NULL;
        int status, r;

        status = client_call(client, "Decision", &reply, "t", id);
        if (status != EXIT_OK)
                return status;
        r = message_to_json(reply, ret);
        return r < 0 ? client_error(client, &SD_BUS_ERROR_NULL, r) : EXIT_OK;
}

/* ---- why */

static void show_wish(const cJSON *d) {
        char words[512];
        size_t n;

        n = (size_t) snprintf(words, sizeof(words), "%s", json_text(d, "action"));
        if (json_text(d, "knob")[0])
                n += (size_t) snprintf(words + n, sizeof(words) - n, " %s", json_text(d, "knob"));
        if (json_text(d, "object")[0])
                n += (size_t) snprintf(words + n, sizeof(words) - n, " %s", json_text(d, "object"));
        if (json_number(d, "node", -1) >= 0)
                n += (size_t) snprintf(words + n, sizeof(words) - n, " on node %.0f", json_number(d, "node", -1));
        if (json_number(d, "cpu", -1) >= 0)
                n += (size_t) snprintf(words + n, sizeof(words) - n, " CPU %.0f", json_number(d, "cpu", -1));
        if (json_text(d, "value")[0] && n < sizeof(words))
                (void) snprintf(words + n, sizeof(words) - n, " to %s", json_text(d, "value"));
        show_field("asked for", "%s", words);
}

static void show_decision(const struct client *client, const cJSON *d) {
        const char *verdict = json_text(d, "verdict"), *rule = json_text(d, "rule");
        char when[32];
        const cJSON *item;
        int step = 0;

        format_time(json_number(d, "usec", 0), true, when, sizeof(when));
        printf("Decision %.0f: %s%s%s%s%s\n", json_number(d, "id", 0), colour_of(client, verdict), verdict, colour_end(client),
               rule[0] ? " by the rule " : "", rule);
        show_field("when", "%s, epoch %.0f", when, json_number(d, "epoch", 0));
        show_field("who", "%s", json_text(d, "source"));
        show_wish(d);
        if (json_text(d, "reason")[0])
                show_field("because", "%s", json_text(d, "reason"));
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(d, "evidence")) {
                show_field("evidence", "%s = %g", item->string, item->valuedouble);
        }
        show_field("outcome", "%s", json_text(d, "text"));
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(d, "steps")) {
                step++;
                show_field(step == 1 ? "steps" : "", "%d. %s", step, json_text(item, "text"));
        }
        if (strcmp(json_text(d, "trial"), "not-asked") != 0 && json_text(d, "trial_measure")[0])
                show_field("trial", "%s: %s from %g to %g %s", json_text(d, "trial"), json_text(d, "trial_measure"),
                           json_number(d, "trial_before", 0), json_number(d, "trial_after", 0), json_text(d, "trial_text"));
        if (json_number(d, "repeated", 0) > 0)
                show_field("repeated", "%.0f times since", json_number(d, "repeated", 0));
}

int verb_why(struct client *client, char **arguments, int n) {
        _cleanup_(json_freep) cJSON *decision = NULL;
        unsigned long long id;
        char *end;
        int status;

        (void) n;
        errno = 0;
        id = strtoull(arguments[0], &end, 10);
        if (errno != 0 || end == arguments[0] || *end != '\0' || arguments[0][0] == '-') {
                fprintf(stderr, "iocorectl: not a decision's number: \"%s\"\n", arguments[0]);
                return EXIT_USAGE;
        }
        status = client_decision(client, id, &decision);
        if (status != EXIT_OK)
                return status;
        if (client->json)
                return show_json(decision, false);
        show_decision(client, decision);
        return EXIT_OK;
}

/* ---- following signals */

struct follower {
        struct client *client;
        uint64_t last_id, shown;
        int status;
        bool ended;
};

static void count_one(struct follower *follower) {
        follower->shown++;
        if (follower->client->count > 0 && follower->shown >= follower->client->count)
                follower->ended = true;
        (void) fflush(stdout);
}

static int on_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct follower *follower = userdata;
        const char *name, *old, *new;

        (void) error;
        if (sd_bus_message_read(message, "sss", &name, &old, &new) >= 0 && new[0] == '\0' && !follower->ended) {
                fputs("iocorectl: iocored has ended\n", stderr);
                follower->status = EXIT_UNREACHABLE;
                follower->ended = true;
        }
        return 0;
}

/* Subscribes, and makes sure that there is somebody to listen to. */
static int follow_begin(struct follower *follower, const char *member, sd_bus_message_handler_t handler) {
        struct client *client = follower->client;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *version = NULL;
        int status, r;

        status = client_connect(client);
        if (status != EXIT_OK)
                return status;
        r = sd_bus_match_signal(client->bus, NULL, IOCORE_BUS_NAME, IOCORE_BUS_ROOT, IOCORE_BUS_MANAGER, member, handler, follower);
        if (r >= 0)
                r = sd_bus_add_match(client->bus, NULL,
                                     "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='"
                                     "NameOwnerChanged',arg0='" IOCORE_BUS_NAME "'",
                                     on_owner_changed, follower);
        if (r >= 0)
                r = sd_bus_get_property_string(client->bus, IOCORE_BUS_NAME, IOCORE_BUS_ROOT, IOCORE_BUS_MANAGER, "Version", &error,
                                               &version);
        return r < 0 ? client_error(client, &error, r) : EXIT_OK;
}

static int follow(struct follower *follower) {
        sd_bus *bus = follower->client->bus;

        while (!follower->ended) {
                int r = sd_bus_process(bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                if (r < 0 && r != -EINTR)
                        return client_error(follower->client, &SD_BUS_ERROR_NULL, r);
        }
        return follower->status;
}

/* ---- decisions */

static void show_line(const struct client *client, const cJSON *d) {
        const char *verdict = json_text(d, "verdict");
        char when[32];

        format_time(json_number(d, "usec", 0), false, when, sizeof(when));
        printf("%s %5.0f %s%-10s%s ", when, json_number(d, "id", 0), colour_of(client, verdict), verdict, colour_end(client));
        show_text(json_text(d, "source"));
        fputs(": ", stdout);
        if (show_rule(d)) {
                show_text(json_text(d, "rule"));
                fputs(": ", stdout);
        }
        show_text(json_text(d, "text"));
        putchar('\n');
}

static void show_followed(struct follower *follower, const cJSON *decision) {
        follower->last_id = (uint64_t) json_number(decision, "id", 0);
        if (follower->client->json)
                (void) show_json(decision, true);
        else
                show_line(follower->client, decision);
        count_one(follower);
}

static int on_decided(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct follower *follower = userdata;
        _cleanup_(json_freep) cJSON *decision = NULL;
        uint64_t id;
        int status;

        (void) error;
        if (sd_bus_message_read(message, "t", &id) < 0 || id <= follower->last_id || follower->ended)
                return 0;
        status = client_decision(follower->client, id, &decision);
        if (status == EXIT_OK)
                show_followed(follower, decision);
        else if (status == EXIT_UNREACHABLE) {
                follower->status = status;
                follower->ended = true;
        }
        return 0;
}

int client_decisions(struct client *client, uint64_t since, uint32_t limit, cJSON **ret) {
        static const char *const names[] = {"id",   "usec", "epoch",   "source", "action", "object",
                                            "node", "cpu",  "verdict", "rule",   "text",   "reason", "repeated"};
        _cleanup_(message_freep) sd_bus_message *reply = NULL;
        _cleanup_(json_freep) cJSON *array = NULL;
        int status, r;

        status = client_call(client, "Decisions", &reply, "tu", since, limit);
        if (status != EXIT_OK)
                return status;
        r = message_to_json(reply, &array);
        if (r >= 0)
                r = json_name_members(array, names, ELEMENTSOF(names), ret);
        return r < 0 ? client_error(client, &SD_BUS_ERROR_NULL, r) : EXIT_OK;
}

static int follow_decisions(struct client *client) {
        struct follower follower = {.client = client, .last_id = client->since};
        _cleanup_(json_freep) cJSON *decisions = NULL;
        const cJSON *decision;
        int status;

        status = follow_begin(&follower, "Decided", on_decided);
        if (status == EXIT_OK)
                status = client_decisions(client, client->since, client->limit, &decisions);
        if (status != EXIT_OK)
                return status;
        cJSON_ArrayForEach(decision, decisions) {
                if (!follower.ended)
                        show_followed(&follower, decision);
        }
        (void) fflush(stdout);
        return follow(&follower);
}

/* For the table: a decision about a node or a CPU has no object of its own. */
static void add_targets(cJSON *decisions) {
        cJSON *decision;

        cJSON_ArrayForEach(decision, decisions) {
                const double node = json_number(decision, "node", -1), cpu = json_number(decision, "cpu", -1);
                char target[32] = "";

                if (json_text(decision, "object")[0] == '\0' && node >= 0)
                        (void) snprintf(target, sizeof(target), "node %.0f", node);
                else if (json_text(decision, "object")[0] == '\0' && cpu >= 0)
                        (void) snprintf(target, sizeof(target), "CPU %.0f", cpu);
                cJSON_AddStringToObject(decision, "target", target[0] ? target : json_text(decision, "object"));
        }
}

int verb_decisions(struct client *client, char **arguments, int n) {
        static const struct column columns[] = {
                {"ID", "id", COLUMN_ID, false, false},
                {"TIME", "usec", COLUMN_TIME, false, false},
                {"VERDICT", "verdict", COLUMN_WORD, false, false},
                {"RULE", "rule", COLUMN_TEXT, false, false},
                {"WHO", "source", COLUMN_TEXT, false, false},
                {"ACTION", "action", COLUMN_TEXT, false, false},
                {"OBJECT", "target", COLUMN_TEXT, false, false},
                {"WHAT", "text", COLUMN_TEXT, true, false},
                {"WHY", "reason", COLUMN_TEXT, true, false},
        };
        _cleanup_(json_freep) cJSON *decisions = NULL;
        int status;

        (void) arguments, (void) n;
        if (client->follow)
                return follow_decisions(client);
        status = client_decisions(client, client->since, client->limit, &decisions);
        if (status == EXIT_OK && !client->json)
                add_targets(decisions);
        return status != EXIT_OK ? status : show_table(client, decisions, columns, ELEMENTSOF(columns));
}

/* ---- events */

static int on_signal(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct follower *follower = userdata;
        const char *member = sd_bus_message_get_member(message), *kind, *object = "", *text;
        char id[24], when[16];
        uint64_t number;
        int r;

        (void) error;
        if (follower->ended)
                return 0;
        if (strcmp(member, "Decided") == 0) {
                r = sd_bus_message_read(message, "tss", &number, &kind, &text);
                if (r >= 0) {
                        (void) snprintf(id, sizeof(id), "%" PRIu64, number);
                        object = id;
                }
        } else
                r = sd_bus_message_read(message, "sss", &kind, &object, &text);
        if (r < 0)
                return 0;
        if (follower->client->json) {
                _cleanup_(json_freep) cJSON *json = cJSON_CreateObject();

                cJSON_AddStringToObject(json, "signal", member);
                cJSON_AddStringToObject(json, object == id ? "verdict" : "kind", kind);
                cJSON_AddStringToObject(json, object == id ? "decision" : "object", object);
                cJSON_AddStringToObject(json, "text", text);
                (void) show_json(json, true);
        } else {
                format_time((double) time(NULL) * 1e6, false, when, sizeof(when));
                printf("%s %s%s%s ", when, object == id ? "decision " : "", object == id ? id : kind, object == id ? ":" : "");
                show_text(object == id ? kind : object);
                text = event_text(kind, text);
                fputs(text[0] ? ": " : "", stdout);
                show_text(text);
                putchar('\n');
        }
        count_one(follower);
        return 0;
}

int verb_events(struct client *client, char **arguments, int n) {
        struct follower follower = {.client = client};
        int status;

        (void) arguments, (void) n;
        client->follow = true;
        status = follow_begin(&follower, NULL, on_signal);
        return status != EXIT_OK ? status : follow(&follower);
}

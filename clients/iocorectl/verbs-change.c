/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Wishes: grow, shrink, move, poll, limit, set, mode, reload; and why one would not be granted. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "iocorectl.h"

static int usage_error(const char *what, const char *value) {
        fprintf(stderr, "iocorectl: %s: \"%s\"\n", what, value);
        return EXIT_USAGE;
}

/* "3", "home"; -1 is home. */
static int parse_place(const char *string, int *ret) {
        char *end;
        long value;

        if (strcmp(string, "home") == 0) {
                *ret = -1;
                return EXIT_OK;
        }
        errno = 0;
        value = strtol(string, &end, 10);
        if (errno != 0 || end == string || *end != '\0' || value < 0 || value > INT32_MAX)
                return usage_error("not a CPU's number, nor \"home\"", string);
        *ret = (int) value;
        return EXIT_OK;
}

static int parse_switch(const char *string, int *ret) {
        if (strcmp(string, "on") == 0 || strcmp(string, "1") == 0 || strcmp(string, "yes") == 0)
                *ret = 1;
        else if (strcmp(string, "off") == 0 || strcmp(string, "0") == 0 || strcmp(string, "no") == 0)
                *ret = 0;
        else
                return usage_error("neither \"on\" nor \"off\"", string);
        return EXIT_OK;
}

static int parse_bytes(const char *string, uint64_t *ret) {
        unsigned long long value;
        char *end;

        errno = 0;
        value = strtoull(string, &end, 10);
        if (errno != 0 || end == string || *end != '\0' || string[0] < '0' || string[0] > '9')
                return usage_error("not a number of bytes", string);
        *ret = value;
        return EXIT_OK;
}

/* The daemon gives up on somebody who does not answer after 30 s, and on undoing after as long again. */
#define PATIENCE_TENTHS 650u
#define TENTH_USEC 100000u

static bool is_in_progress(const char *verdict) {
        return strcmp(verdict, "in-progress") == 0;
}

/* Somebody else (libvirt) has to answer first: waits until the decision is over. */
static int wait_for_outcome(struct client *client, uint64_t id, cJSON **ret) {
        for (unsigned i = 0; i < PATIENCE_TENTHS; i++) {
                _cleanup_(json_freep) cJSON *decision = NULL;
                int status;

                (void) usleep(TENTH_USEC);
                status = client_decision(client, id, &decision);
                if (status != EXIT_OK)
                        return status;
                if (is_in_progress(json_text(decision, "verdict")) && i + 1 < PATIENCE_TENTHS)
                        continue;
                *ret = TAKE_PTR(decision);
                break;
        }
        return EXIT_OK;
}

/* What became of a wish: t decision, s verdict, s text. */
static int show_outcome(struct client *client, int status, sd_bus_message *reply) {
        _cleanup_(json_freep) cJSON *decision = NULL;
        const char *verdict, *text;
        uint64_t id;
        int r;

        if (status != EXIT_OK)
                return status;
        r = sd_bus_message_read(reply, "tss", &id, &verdict, &text);
        if (r < 0)
                return client_error(client, &SD_BUS_ERROR_NULL, r);
        if (is_in_progress(verdict) && !client->no_wait) {
                status = wait_for_outcome(client, id, &decision);
                if (status != EXIT_OK)
                        return status;
                verdict = json_text(decision, "verdict");
                text = json_text(decision, "text");
        }
        status = strcmp(verdict, "failed") == 0 || strcmp(verdict, "refused") == 0 ? EXIT_REFUSED : EXIT_OK;
        if (client->json) {
                _cleanup_(json_freep) cJSON *json = cJSON_CreateObject();

                cJSON_AddNumberToObject(json, "decision", (double) id);
                cJSON_AddStringToObject(json, "verdict", verdict);
                cJSON_AddStringToObject(json, "text", text);
                (void) show_json(json, false);
                return status;
        }
        printf("%s%s%s: ", colour_of(client, verdict), verdict, colour_end(client));
        show_text(text);
        printf(" (decision %" PRIu64 ")\n", id);
        return status;
}

#define CALL(member, ...)                                                                                                                  \
        ({                                                                                                                                 \
                _cleanup_(message_freep) sd_bus_message *_reply = NULL;                                                                    \
                int _status = client_call(client, member, &_reply, __VA_ARGS__);                                                           \
                show_outcome(client, _status, _reply);                                                                                     \
        })

int verb_grow(struct client *client, char **arguments, int n) {
        (void) arguments, (void) n;
        return CALL("Grow", "iis", client->node, client->cpu, client->reason);
}

int verb_shrink(struct client *client, char **arguments, int n) {
        (void) arguments, (void) n;
        return CALL("Shrink", "iis", client->node, client->cpu, client->reason);
}

int verb_move(struct client *client, char **arguments, int n) {
        int cpu, status;

        (void) n;
        status = parse_place(arguments[1], &cpu);
        return status != EXIT_OK ? status : CALL("Move", "sis", arguments[0], cpu, client->reason);
}

int verb_poll(struct client *client, char **arguments, int n) {
        int on, status;

        (void) n;
        status = parse_switch(arguments[1], &on);
        return status != EXIT_OK ? status : CALL("Poll", "sbs", arguments[0], on, client->reason);
}

int verb_limit(struct client *client, char **arguments, int n) {
        uint64_t bytes;
        int status;

        (void) n;
        status = parse_bytes(arguments[1], &bytes);
        return status != EXIT_OK ? status : CALL("Limit", "sts", arguments[0], bytes, client->reason);
}

int verb_set(struct client *client, char **arguments, int n) {
        (void) n;
        return CALL("Set", "ssss", arguments[0], arguments[1], arguments[2], client->reason);
}

static int show_mode(struct client *client) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *mode = NULL;
        int status, r;

        status = client_connect(client);
        if (status != EXIT_OK)
                return status;
        r = sd_bus_get_property_string(client->bus, IOCORE_BUS_NAME, IOCORE_BUS_ROOT, IOCORE_BUS_MANAGER, "Mode", &error, &mode);
        if (r < 0)
                return client_error(client, &error, r);
        if (client->json) {
                _cleanup_(json_freep) cJSON *json = cJSON_CreateObject();

                cJSON_AddStringToObject(json, "mode", mode);
                return show_json(json, false);
        }
        printf("%s%s%s\n", colour_of(client, mode), mode, colour_end(client));
        return EXIT_OK;
}

int verb_mode(struct client *client, char **arguments, int n) {
        int status = EXIT_OK;

        if (n > 0)
                status = client_call(client, "SetMode", NULL, "s", arguments[0]);
        return status == EXIT_OK ? show_mode(client) : status;
}

int verb_reload(struct client *client, char **arguments, int n) {
        int status;

        (void) arguments, (void) n;
        status = client_call(client, "Reload", NULL, "");
        if (status == EXIT_OK && client->json) {
                _cleanup_(json_freep) cJSON *json = cJSON_CreateObject();

                cJSON_AddTrueToObject(json, "reloaded");
                return show_json(json, false);
        }
        return status;
}

/* ---- why-not */

struct question {
        const char *action, *object, *value;
        int cpu;
        char buffer[24];
};

/* The words after "why-not" mean what they mean as a command. */
static int parse_question(struct client *client, char **arguments, int n, struct question *ret) {
        static const struct {
                const char *action;
                int n;
        } forms[] = {{"grow", 0}, {"shrink", 0}, {"move", 2}, {"poll", 2}, {"limit", 2}, {"set", 3}};
        int status = EXIT_OK, on;
        uint64_t bytes;

        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                if (strcmp(arguments[0], forms[i].action) != 0)
                        continue;
                if (n - 1 != forms[i].n) {
                        fprintf(stderr, "iocorectl: \"%s\" takes %d arguments: see iocorectl %s --help\n", forms[i].action, forms[i].n,
                                forms[i].action);
                        return EXIT_USAGE;
                }
                *ret = (struct question){.action = forms[i].action, .object = "", .value = "", .cpu = client->cpu};
                if (n > 2)
                        ret->object = arguments[1];
                switch (arguments[0][0]) {
                case 'm':
                        status = parse_place(arguments[2], &ret->cpu);
                        break;
                case 'p':
                        status = parse_switch(arguments[2], &on);
                        if (status == EXIT_OK)
                                ret->value = on ? "1" : "0";
                        break;
                case 'l':
                        status = parse_bytes(arguments[2], &bytes);
                        if (status == EXIT_OK) {
                                (void) snprintf(ret->buffer, sizeof(ret->buffer), "%" PRIu64, bytes);
                                ret->value = ret->buffer;
                        }
                        break;
                default:
                        if (forms[i].n == 3) { /* set: the knob's name is the action */
                                ret->action = arguments[1];
                                ret->object = arguments[2];
                                ret->value = arguments[3];
                        }
                }
                return status;
        }
        return usage_error("nothing that could be asked for", arguments[0]);
}

static int show_answer(struct client *client, sd_bus_message *reply) {
        _cleanup_(json_freep) cJSON *json = cJSON_CreateObject(), *steps = NULL;
        const char *verdict, *rule, *text;
        const cJSON *step;
        int r;

        r = sd_bus_message_read(reply, "sss", &verdict, &rule, &text);
        if (r >= 0)
                r = message_to_json(reply, &steps);
        if (r < 0)
                return client_error(client, &SD_BUS_ERROR_NULL, r);
        cJSON_AddStringToObject(json, "verdict", verdict);
        cJSON_AddStringToObject(json, "rule", rule);
        cJSON_AddStringToObject(json, "text", text);
        if (cJSON_AddItemToObject(json, "steps", steps))
                (void) TAKE_PTR(steps);
        if (client->json)
                return show_json(json, false);

        if (strcmp(verdict, "planned") == 0)
                fputs("nothing forbids it: ", stdout);
        else
                printf("%s%s%s%s%s: ", colour_of(client, verdict), verdict, colour_end(client), show_rule(json) ? " by the rule " : "",
                       show_rule(json) ? rule : "");
        show_text(text);
        putchar('\n');
        cJSON_ArrayForEach(step, cJSON_GetObjectItemCaseSensitive(json, "steps")) {
                /* "...: pending" says what is known of all of them */
                const char *words = cJSON_IsString(step) ? step->valuestring : "", *colon = strrchr(words, ':');

                show_field("step", "%.*s", colon && strcmp(colon, ": pending") == 0 ? (int) (colon - words) : (int) strlen(words), words);
        }
        return EXIT_OK;
}

int verb_why_not(struct client *client, char **arguments, int n) {
        _cleanup_(message_freep) sd_bus_message *reply = NULL;
        struct question question;
        int status;

        status = parse_question(client, arguments, n, &question);
        if (status == EXIT_OK)
                status = client_call(client, "WhyNot", &reply, "ssiis", question.action, question.object, client->node, question.cpu,
                                     question.value);
        return status == EXIT_OK ? show_answer(client, reply) : status;
}

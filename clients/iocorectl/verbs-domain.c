/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domains: the table, one in full, and what its owner wants. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "iocorectl.h"

/* ---- the table */

/* [0, 1] as "0,1"; "" for none. */
static void join_numbers(const cJSON *array, char *ret, size_t size) {
        const cJSON *item;
        size_t n = 0;

        ret[0] = '\0';
        cJSON_ArrayForEach(item, array) {
                int length = snprintf(ret + n, size - n, "%s%.0f", n > 0 ? "," : "", item->valuedouble);

                if (length < 0 || (size_t) length >= size - n)
                        return;
                n += (size_t) length;
        }
}

static void format_kib(double kib, char *ret, size_t size) {
        if (kib >= 1048576)
                (void) snprintf(ret, size, "%.4gG", kib / 1048576);
        else
                (void) snprintf(ret, size, "%.4gM", kib / 1024);
}

/* What a person wants to see in one word each. */
static void add_words(cJSON *domain) {
        const cJSON *memory = cJSON_GetObjectItemCaseSensitive(domain, "memory_kib");
        const char *class = json_text(domain, "class"), *policy = json_text(domain, "policy");
        char text[128], state[64];

        join_numbers(cJSON_GetObjectItemCaseSensitive(domain, "nodes"), text, sizeof(text));
        (void) cJSON_AddStringToObject(domain, "nodes_text", text);
        if (cJSON_IsNumber(memory)) {
                format_kib(memory->valuedouble, text, sizeof(text));
                (void) cJSON_AddStringToObject(domain, "memory_text", text);
        }
        (void) snprintf(text, sizeof(text), "%s%s%s", class, class[0] && policy[0] ? "/" : "", policy);
        (void) cJSON_AddStringToObject(domain, "wish_text", text);
        (void) snprintf(state, sizeof(state), "%s%s", json_text(domain, "state"), json_true(domain, "stale") ? " (stale)" : "");
        (void) cJSON_AddStringToObject(domain, "state_text", state);
        (void) cJSON_AddBoolToObject(domain, "by_hand", json_true(domain, "pinned") || json_true(domain, "bound"));
}

static int get_domains(struct client *client, cJSON **ret_state, cJSON **ret_domains) {
        char *sections[] = {(char *) "domains", NULL};
        int status;

        status = client_state(client, sections, ret_state);
        if (status == EXIT_OK)
                *ret_domains = cJSON_GetObjectItemCaseSensitive(*ret_state, "domains");
        return status;
}

int verb_domains(struct client *client, char **arguments, int n) {
        static const struct column columns[] = {
                {"DOMAIN", "name", COLUMN_TEXT, false, true},          {"STATE", "state_text", COLUMN_WORD, false, false},
                {"NODES", "nodes_text", COLUMN_TEXT, false, false},    {"VCPUS", "vcpus", COLUMN_ID, false, false},
                {"MEMORY", "memory_text", COLUMN_TEXT, false, false},  {"UNITS", "units", COLUMN_ID, false, false},
                {"CLASS/POLICY", "wish_text", COLUMN_TEXT, false, false}, {"PINNED", "by_hand", COLUMN_YES, false, false},
        };
        _cleanup_(json_freep) cJSON *state = NULL;
        cJSON *domains = NULL, *domain;
        int status;

        (void) arguments, (void) n;
        status = get_domains(client, &state, &domains);
        if (status != EXIT_OK)
                return status;
        if (client->json)
                return show_json(domains, false);
        cJSON_ArrayForEach(domain, domains) {
                add_words(domain);
        }
        return show_table(client, domains, columns, ELEMENTSOF(columns));
}

/* ---- domain show */

static void show_parts(const cJSON *domain, const char *key, const char *title, void (*format)(const cJSON *part, char *ret, size_t size)) {
        const cJSON *part;
        bool first = true;

        cJSON_ArrayForEach(part, cJSON_GetObjectItemCaseSensitive(domain, key)) {
                char text[512];

                format(part, text, sizeof(text));
                show_field(first ? title : "", "%s", text);
                first = false;
        }
}

/* What is said of something one by one: "0: thread 77, cell 0". */
struct words {
        char *text;
        size_t size, length;
        const char *separator;
};

__attribute__((format(printf, 2, 3))) static void add_word(struct words *words, const char *format, ...) {
        va_list arguments;

        if (words->length < words->size)
                words->length += (size_t) snprintf(words->text + words->length, words->size - words->length, "%s", words->separator);
        words->separator = ", ";
        if (words->length >= words->size)
                return;
        va_start(arguments, format);
        words->length += (size_t) vsnprintf(words->text + words->length, words->size - words->length, format, arguments);
        va_end(arguments);
}

static struct words begin_words(char *ret, size_t size, double number) {
        return (struct words){ret, size, (size_t) snprintf(ret, size, "%.0f", number), ": "};
}

static void add_thread(struct words *words, const cJSON *part) {
        if (json_number(part, "tid", 0) > 0)
                add_word(words, "thread %.0f", json_number(part, "tid", 0));
}

static void add_pin(struct words *words, const cJSON *part) {
        const char *cpus = json_text(part, "cpus");

        add_word(words, "CPUs %.200s", cpus[0] ? cpus : "unknown");
        if (json_true(part, "by_hand"))
                add_word(words, "pinned by hand");
}

static void format_vcpu(const cJSON *part, char *ret, size_t size) {
        struct words words = begin_words(ret, size, json_number(part, "id", 0));

        add_thread(&words, part);
        add_word(&words, "cell %.0f", json_number(part, "cell", 0));
        add_pin(&words, part);
}

static void format_iothread(const cJSON *part, char *ret, size_t size) {
        struct words words = begin_words(ret, size, json_number(part, "id", 0));

        add_thread(&words, part);
        add_pin(&words, part);
        if (json_number(part, "tid", 0) > 0 || json_number(part, "poll_max_ns", 0) > 0)
                add_word(&words, "polls %.0f us at most", json_number(part, "poll_max_ns", 0) / 1000);
}

static void format_cell(const cJSON *part, char *ret, size_t size) {
        const cJSON *where;
        char memory[32];
        size_t n;

        format_kib(json_number(part, "memory_kib", 0), memory, sizeof(memory));
        n = (size_t) snprintf(ret, size, "%s", memory);
        if (json_number(part, "node", -1) >= 0 && n < size)
                n += (size_t) snprintf(ret + n, size - n, ", bound to node %.0f", json_number(part, "node", -1));
        cJSON_ArrayForEach(where, cJSON_GetObjectItemCaseSensitive(part, "where")) {
                format_kib(json_number(where, "kib", 0), memory, sizeof(memory));
                if (n < size)
                        n += (size_t) snprintf(ret + n, size - n, ", %s on node %.0f", memory, json_number(where, "node", -1));
        }
}

static void format_device(const cJSON *part, char *ret, size_t size) {
        const char *kind = json_text(part, "kind");
        const double queues = json_number(part, "queues", 0);
        struct words words = {ret, size, (size_t) snprintf(ret, size, "%s", kind), " "};

        if (json_text(part, "alias")[0])
                add_word(&words, "%s", json_text(part, "alias"));
        if (json_text(part, "backend")[0])
                add_word(&words, "%s", json_text(part, "backend"));
        if (json_text(part, "bus")[0])
                add_word(&words, "bus %s", json_text(part, "bus"));
        if (queues > 0)
                add_word(&words, "%.0f queue%s%s", queues, strcmp(kind, "interface") == 0 ? " pair" : "", queues == 1 ? "" : "s");
        if (json_number(part, "iothread", 0) > 0)
                add_word(&words, "IOThread %.0f", json_number(part, "iothread", 0));
        if (json_number(part, "node", -1) >= 0)
                add_word(&words, "hardware on node %.0f", json_number(part, "node", -1));
}

static void show_wishes(const cJSON *domain) {
        static const char *const keys[] = {"policy", "class", "share_within"};
        const cJSON *weight = cJSON_GetObjectItemCaseSensitive(domain, "weight");
        char text[256] = "";
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (json_text(domain, keys[i])[0] && n < sizeof(text))
                        n += (size_t) snprintf(text + n, sizeof(text) - n, "%s%s=%s", n > 0 ? " " : "", i == 2 ? "share-within" : keys[i], json_text(domain, keys[i]));
        if (cJSON_IsNumber(weight) && n < sizeof(text))
                n += (size_t) snprintf(text + n, sizeof(text) - n, "%sweight=%.0f", n > 0 ? " " : "", weight->valuedouble);
        show_field("wishes", "%s", n > 0 ? text : "none");
}

static void show_domain(const struct client *client, const cJSON *domain) {
        const char *state = json_text(domain, "state"), *emulator = json_text(cJSON_GetObjectItemCaseSensitive(domain, "emulator"), "cpus");
        const cJSON *memory = cJSON_GetObjectItemCaseSensitive(domain, "memory_kib");
        char nodes[128], text[32];

        fputs("Domain ", stdout);
        show_text(json_text(domain, "name"));
        printf(": %s%s%s\n", colour_of(client, state), state, colour_end(client));
        if (json_true(domain, "stale"))
                show_field("stale", "whoever manages it does not answer: this is how it was last");
        if (json_text(domain, "uuid")[0])
                show_field("uuid", "%s", json_text(domain, "uuid"));
        if (json_number(domain, "pid", 0) > 0)
                show_field("pid", "%.0f", json_number(domain, "pid", 0));
        join_numbers(cJSON_GetObjectItemCaseSensitive(domain, "nodes"), nodes, sizeof(nodes));
        show_field("nodes", "%s", nodes[0] ? nodes : "unknown");
        if (cJSON_IsNumber(memory)) {
                format_kib(memory->valuedouble, text, sizeof(text));
                show_field("memory", "%s%s%s", text, json_text(domain, "backing")[0] ? ", " : "", json_text(domain, "backing"));
        }
        show_wishes(domain);
        if (json_true(domain, "pinned") || json_true(domain, "bound"))
                show_field("by hand", "%s%s%s", json_true(domain, "pinned") ? "CPUs" : "", json_true(domain, "pinned") && json_true(domain, "bound") ? " and " : "",
                           json_true(domain, "bound") ? "memory" : "");
        show_parts(domain, "vcpu_threads", "vCPUs", format_vcpu);
        if (emulator[0])
                show_field("emulator", "CPUs %s", emulator);
        show_parts(domain, "iothreads", "IOThreads", format_iothread);
        show_parts(domain, "cells", "cells", format_cell);
        show_parts(domain, "devices", "devices", format_device);
        show_field("units", "%.0f", json_number(domain, "units", 0));
}

static int domain_show(struct client *client, const char *name) {
        _cleanup_(json_freep) cJSON *state = NULL;
        cJSON *domains = NULL;
        const cJSON *domain;
        int status;

        status = get_domains(client, &state, &domains);
        if (status != EXIT_OK)
                return status;
        cJSON_ArrayForEach(domain, domains) {
                if (strcmp(json_text(domain, "name"), name) != 0 && strcmp(json_text(domain, "uuid"), name) != 0)
                        continue;
                if (client->json)
                        return show_json(domain, false);
                show_domain(client, domain);
                return EXIT_OK;
        }
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_error_setf(&error, "org.iocore1.Error.NoSuchObject", "There is no domain \"%s\"", name);
        return client_error(client, &error, r);
}

/* ---- domain set */

static int domain_set(struct client *client, const char *name, char **settings, int n) {
        char attributes[256] = "";
        size_t length = 0;
        int status;

        for (int i = 0; i < n; i++) {
                const char *equals = strchr(settings[i], '=');

                if (!equals || equals == settings[i] || strpbrk(settings[i], " \t\n")) {
                        fprintf(stderr, "iocorectl: not of the form KEY=VALUE: \"%s\"\n", settings[i]);
                        return EXIT_USAGE;
                }
                length += (size_t) snprintf(attributes + length, sizeof(attributes) - length, "%s%s", i > 0 ? " " : "", settings[i]);
                if (length >= sizeof(attributes)) {
                        fputs("iocorectl: that is too much at once\n", stderr);
                        return EXIT_USAGE;
                }
        }
        status = client_call(client, "SetWish", NULL, "ss", name, attributes);
        if (status == EXIT_OK && client->json) {
                _cleanup_(json_freep) cJSON *json = cJSON_CreateObject();

                cJSON_AddStringToObject(json, "domain", name);
                cJSON_AddStringToObject(json, "wishes", attributes);
                return show_json(json, false);
        }
        return status;
}

/* ---- domain advise */

static int domain_advise(struct client *client, const char *name) {
        sd_bus_message *reply = NULL;
        const char *xml = "";
        int status = client_call(client, "Advise", &reply, "s", name);

        if (status == EXIT_OK && sd_bus_message_read(reply, "s", &xml) < 0)
                status = EXIT_FAILURE;
        if (status == EXIT_OK && client->json) {
                _cleanup_(json_freep) cJSON *json = cJSON_CreateObject();

                cJSON_AddStringToObject(json, "domain", name);
                cJSON_AddStringToObject(json, "xml", xml);
                status = show_json(json, false);
        } else if (status == EXIT_OK)
                fputs(xml[0] ? xml : "It fits a node, or has guest cells: nothing to advise.\n", stdout);
        sd_bus_message_unref(reply);
        return status;
}

int verb_domain(struct client *client, char **arguments, int n) {
        if ((client->given & OPTION_CELL) && strcmp(arguments[0], "move-memory") != 0) {
                fputs("iocorectl: --cell only means something to domain move-memory\n", stderr);
                return EXIT_USAGE;
        }
        if (strcmp(arguments[0], "show") == 0 && n == 2)
                return domain_show(client, arguments[1]);
        if (strcmp(arguments[0], "set") == 0 && n > 2)
                return domain_set(client, arguments[1], arguments + 2, n - 2);
        if (strcmp(arguments[0], "advise") == 0 && n == 2)
                return domain_advise(client, arguments[1]);
        if (strcmp(arguments[0], "memory") == 0 && n == 2)
                return domain_memory(client, arguments[1]);
        if (strcmp(arguments[0], "move-memory") == 0 && n == 3)
                return domain_move_memory(client, arguments[1], arguments[2]);
        return wrong_use("domain");
}

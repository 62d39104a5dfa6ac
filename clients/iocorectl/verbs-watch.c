/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line a second that a person understands. */
#include <errno.h>
#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "iocorectl.h"

/* A cell for each CPU up to this many, so that a line stays a line. */
#define BAR_CELLS            16
#define BAR_CELLS_MANY_NODES 8

/* Height of a cell: an I/O core's load. Without UTF-8: tenths. */
static const char *cell(double load, bool utf8) {
        static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
        static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "#"};
        const double share = load < 0 ? 0 : load > 1 ? 1 : load;

        return utf8 ? blocks[(int) (share * 7 + 0.5)] : digits[(int) (share * 10 + 0.5)];
}

struct line {
        char text[4096];
        size_t n, columns;
};

/* Appends text that takes `columns` columns; what does not fit is left out whole. */
static void append(struct line *line, const char *text, size_t columns) {
        size_t length = strlen(text);

        if (line->n + length >= sizeof(line->text))
                return;
        memcpy(line->text + line->n, text, length + 1);
        line->n += length;
        line->columns += columns;
}

static void append_bar(struct line *line, const cJSON *node, const cJSON *cores, int cells, bool utf8) {
        const double number = json_number(node, "node", -1);
        int shown = 0, cpus = (int) json_number(node, "cpus", 0);
        const cJSON *core;
        char text[64];
        int n;

        n = snprintf(text, sizeof(text), "  node %.0f: %2.0f ", number, json_number(node, "io_cores", 0));
        append(line, text, (size_t) n);
        cJSON_ArrayForEach(core, cores) {
                if (json_number(core, "node", -1) != number || !json_true(core, "io_core") || shown > cells)
                        continue;
                append(line, shown == cells ? "+" : cell(json_number(core, "load", 0), utf8), 1);
                shown++;
        }
        for (; shown < cells && shown < cpus; shown++)
                append(line, utf8 ? "·" : ".", 1);
}

/* Bytes of `text` that fit into `columns`: every code point is taken to be one column wide. */
static size_t fitting(const char *text, size_t columns) {
        size_t i = 0;

        for (size_t used = 0; text[i] != '\0'; i++)
                if (((unsigned char) text[i] & 0xc0) != 0x80 && used++ == columns)
                        break;
        return i;
}

static double total_load(const cJSON *state) {
        const cJSON *node;
        double load = 0;

        cJSON_ArrayForEach(node, cJSON_GetObjectItemCaseSensitive(state, "nodes")) {
                load += json_number(node, "io_load", 0) + json_number(node, "unplaced_load", 0);
        }
        return load;
}

/* What of all that was decided since the line before is told: the one that changes most, and how many others there were. */
struct told {
        uint64_t id; /* newest decision that was looked at */
        char text[1024];
        cJSON *events;  /* since the line before */
        char event[512]; /* the last of them that is worth a word */
        unsigned n_events;
};

/* What comes and goes is seen in the bars, and told with the decisions that follow from it. */
static bool is_worth_a_word(const char *kind) {
        static const char *const others[] = {"device-added",   "device-removed", "core-added", "core-removed", "domain-added",
                                             "domain-removed", "domain-changed", "overrun",    "mode",         "reserved"};

        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (strcmp(kind, others[i]) == 0)
                        return false;
        return true;
}

static int on_event(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct told *told = userdata;
        const char *kind, *object, *text;
        cJSON *json;

        (void) error;
        if (sd_bus_message_read(message, "sss", &kind, &object, &text) < 0)
                return 0;
        json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "kind", kind);
        cJSON_AddStringToObject(json, "object", object);
        cJSON_AddStringToObject(json, "text", text);
        cJSON_AddItemToArray(told->events, json);
        if (is_worth_a_word(kind)) {
                text = event_text(kind, text);
                (void) snprintf(told->event, sizeof(told->event), "%s%s%s%s%s", kind, object[0] ? " " : "", object, text[0] ? ": " : "", text);
                told->n_events++;
        }
        return 0;
}

static int watch_events(struct client *client, struct told *told) {
        int status = client_connect(client), r;

        if (status != EXIT_OK)
                return status;
        r = sd_bus_match_signal(client->bus, NULL, IOCORE_BUS_NAME, IOCORE_BUS_ROOT, IOCORE_BUS_MANAGER, "Event", on_event, told);
        return r < 0 ? client_error(client, &SD_BUS_ERROR_NULL, r) : EXIT_OK;
}

/* Reads what has come since the line before. */
static int look_at_events(struct client *client, struct told *told) {
        int r;

        cJSON_Delete(told->events);
        told->events = cJSON_CreateArray();
        told->event[0] = '\0';
        told->n_events = 0;
        while ((r = sd_bus_process(client->bus, NULL)) > 0)
                ;
        return r < 0 ? client_error(client, &SD_BUS_ERROR_NULL, r) : EXIT_OK;
}

static void forget_events(struct told *told) {
        cJSON_Delete(told->events);
}

/* The number of I/O cores matters more than where a unit is, and that more than any other knob. */
static int weight(const cJSON *decision) {
        const char *verdict = json_text(decision, "verdict"), *action = json_text(decision, "action");

        if (strcmp(verdict, "done") != 0 && strcmp(verdict, "would") != 0 && strcmp(verdict, "failed") != 0 && strcmp(verdict, "undone") != 0)
                return 0;
        return strcmp(action, "grow") == 0 || strcmp(action, "shrink") == 0 ? 3 : strcmp(action, "move") == 0 ? 2 : 1;
}

static void tell(struct told *told, const cJSON *decision, unsigned others) {
        char more[32] = "";

        if (others > 0)
                (void) snprintf(more, sizeof(more), " (and %u more)", others);
        (void) snprintf(told->text, sizeof(told->text), "  %s #%.0f %s: %s%s", json_text(decision, "verdict"), json_number(decision, "id", 0),
                        json_text(decision, "action"), json_text(decision, "text"), more);
}

static int look_at_decisions(struct client *client, struct told *told) {
        _cleanup_(json_freep) cJSON *decisions = NULL;
        const cJSON *decision, *best = NULL;
        unsigned n = 0;

        int status = client_decisions(client, told->id, 0, &decisions);
        if (status != EXIT_OK)
                return status;
        cJSON_ArrayForEach(decision, decisions) {
                told->id = (uint64_t) json_number(decision, "id", 0);
                if (weight(decision) == 0)
                        continue;
                n++;
                if (!best || weight(decision) >= weight(best))
                        best = decision;
        }
        if (best)
                tell(told, best, n - 1);
        return EXIT_OK;
}

/* Each is told once; a decision waits for a line without an event. */
static void take_told(struct told *told, char *ret, size_t size) {
        char more[32] = "";

        if (told->n_events > 1)
                (void) snprintf(more, sizeof(more), " (and %u more)", told->n_events - 1);
        if (told->event[0]) {
                (void) snprintf(ret, size, "  %s%s", told->event, more);
                return;
        }
        (void) snprintf(ret, size, "%s", told->text);
        told->text[0] = '\0';
}

/* The first line tells what was last, whenever that was. */
static void look_back(const cJSON *state, struct told *told) {
        const cJSON *decision = cJSON_GetObjectItemCaseSensitive(state, "last_decision");

        if (!decision)
                return;
        told->id = (uint64_t) json_number(decision, "id", 0);
        tell(told, decision, 0);
}

static void show_line(const cJSON *state, struct told *told, bool utf8) {
        const cJSON *nodes = cJSON_GetObjectItemCaseSensitive(state, "nodes"), *cores = cJSON_GetObjectItemCaseSensitive(state, "cores");
        const cJSON *node;
        const int cells = cJSON_GetArraySize(nodes) > 2 ? BAR_CELLS_MANY_NODES : BAR_CELLS;
        struct line line = {.n = 0};
        struct winsize window;
        char text[1024];
        int n;

        format_time(json_number(state, "usec", 0), false, text, sizeof(text));
        append(&line, text, strlen(text));
        n = snprintf(text, sizeof(text), "  load %5.2f", total_load(state));
        append(&line, text, (size_t) n);
        cJSON_ArrayForEach(node, nodes) {
                append_bar(&line, node, cores, cells, utf8);
        }
        fputs(line.text, stdout);

        take_told(told, text, sizeof(text));
        if (text[0]) {
                if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
                        text[fitting(text, window.ws_col > line.columns ? window.ws_col - line.columns : 0)] = '\0';
                show_text(text);
        }
        putchar('\n');
        (void) fflush(stdout);
}

static int show_json_line(const cJSON *state, const struct told *told) {
        _cleanup_(json_freep) cJSON *json = cJSON_CreateObject();
        const cJSON *decision = cJSON_GetObjectItemCaseSensitive(state, "last_decision"), *core;
        cJSON *cores;

        cJSON_AddNumberToObject(json, "usec", json_number(state, "usec", 0));
        cJSON_AddNumberToObject(json, "epoch", json_number(state, "epoch", 0));
        cJSON_AddStringToObject(json, "mode", json_text(state, "mode"));
        cJSON_AddNumberToObject(json, "load", total_load(state));
        cJSON_AddItemToObject(json, "nodes", cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(state, "nodes"), true));
        cores = cJSON_AddArrayToObject(json, "io_cores");
        cJSON_ArrayForEach(core, cJSON_GetObjectItemCaseSensitive(state, "cores")) {
                if (json_true(core, "io_core"))
                        cJSON_AddItemToArray(cores, cJSON_Duplicate(core, true));
        }
        if (decision)
                cJSON_AddItemToObject(json, "last_decision", cJSON_Duplicate(decision, true));
        cJSON_AddItemToObject(json, "events", cJSON_Duplicate(told->events, true));
        return show_json(json, true);
}

int verb_watch(struct client *client, char **arguments, int n) {
        static char *sections[] = {(char *) "nodes", (char *) "cores", NULL};
        const bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
        _cleanup_(forget_events) struct told told = {.id = 0};
        struct timespec next;
        int status;

        (void) arguments, (void) n;
        client->follow = true;
        status = watch_events(client, &told);
        if (status != EXIT_OK)
                return status;
        (void) clock_gettime(CLOCK_MONOTONIC, &next);
        if (!client->json && !client->no_legend)
                printf("I/O load in cores; for each node the number of its I/O cores and a bar: %s an I/O core by its load, %s a CPU left "
                       "to VMs; what is new\n",
                       utf8 ? "▁ to █" : "0 to #", utf8 ? "·" : ".");
        for (uint64_t i = 0; client->count == 0 || i < client->count; i++) {
                _cleanup_(json_freep) cJSON *state = NULL;

                if (i > 0) {
                        double seconds = (double) next.tv_nsec / 1e9 + client->interval;

                        next.tv_sec += (time_t) seconds;
                        next.tv_nsec = (long) ((seconds - (double) (time_t) seconds) * 1e9);
                        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
                                ;
                }
                status = client_state(client, sections, &state);
                if (status == EXIT_OK)
                        status = look_at_events(client, &told);
                if (status != EXIT_OK)
                        break;
                if (client->json) {
                        status = show_json_line(state, &told);
                        continue;
                }
                if (i == 0)
                        look_back(state, &told);
                else if ((status = look_at_decisions(client, &told)) != EXIT_OK)
                        break;
                show_line(state, &told, utf8);
        }
        return status;
}

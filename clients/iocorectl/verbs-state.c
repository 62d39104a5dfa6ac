/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What there is: status and the lists of objects. */
#include <stdio.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "iocorectl.h"

/* Fetches one section of the state and shows it. */
static int show_section(struct client *client, const char *section, const struct column *columns, size_t n) {
        _cleanup_(json_freep) cJSON *state = NULL;
        char *sections[] = {(char *) section, NULL};
        int status;

        status = client_state(client, sections, &state);
        if (status != EXIT_OK)
                return status;
        return show_table(client, cJSON_GetObjectItemCaseSensitive(state, section), columns, n);
}

static int count(const cJSON *state, const char *section) {
        return cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(state, section));
}

static void show_io_cores(const cJSON *state) {
        const cJSON *core;
        char list[512] = "";
        double load = 0;
        int n = 0;

        cJSON_ArrayForEach(core, cJSON_GetObjectItemCaseSensitive(state, "cores")) {
                size_t used = strlen(list);

                if (!json_true(core, "io_core"))
                        continue;
                (void) snprintf(list + used, sizeof(list) - used, "%s%.0f", n == 0 ? "" : ",", json_number(core, "cpu", -1));
                load += json_number(core, "load", 0);
                n++;
        }
        if (n == 0)
                show_field("I/O cores", "none");
        else
                show_field("I/O cores", "%d (CPU %s), load %.2f", n, list, load);
}

static void show_objects(const cJSON *state) {
        static const char *const sections[] = {"workers", "units", "devices", "domains"};
        char text[256] = "";
        size_t length = 0;

        for (size_t i = 0; i < ELEMENTSOF(sections); i++) {
                const int n = count(state, sections[i]), letters = (int) strlen(sections[i]) - (n == 1);

                length += (size_t) snprintf(text + length, sizeof(text) - length, "%s%d %.*s", i > 0 ? ", " : "", n, letters, sections[i]);
        }
        show_field("objects", "%s", text);
}

static void show_status(const struct client *client, const cJSON *state) {
        const cJSON *decision = cJSON_GetObjectItemCaseSensitive(state, "last_decision"), *item, *about;
        const char *mode = json_text(state, "mode");

        printf("iocored %s, mode %s%s%s\n", json_text(state, "version"), colour_of(client, mode), mode, colour_end(client));
        show_io_cores(state);
        show_objects(state);
        show_field("epoch", "%.0f, every %g ms; the last took %.0f us, the worst %.0f us; %.0f overruns", json_number(state, "epoch", 0),
                   json_number(state, "epoch_usec", 0) / 1000, json_number(state, "last_epoch_usec", 0),
                   json_number(state, "worst_epoch_usec", 0), json_number(state, "overruns", 0));
        show_field("changes", "%.0f to be put back at the end", json_number(state, "changes", 0));
        if (json_number(state, "malformed", 0) > 0)
                show_field("malformed", "%.0f attributes or ids that could not be read", json_number(state, "malformed", 0));
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(state, "plugins")) {
                const char *reason = json_text(item, "reason");

                show_field("plugin", "%s: %s%s%s", json_text(item, "name"), json_text(item, "status"), reason[0] ? ", " : "", reason);
                cJSON_ArrayForEach(about, cJSON_GetObjectItemCaseSensitive(item, "about")) {
                        show_field(json_text(about, "key"), "%s: %s", json_text(item, "name"), json_text(about, "value"));
                }
        }
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(state, "policies")) {
                const char *error = json_text(item, "error");

                show_field("policy", "%s: %s%s%s", json_text(item, "name"), json_text(item, "state"), error[0] ? ", " : "", error);
        }
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(state, "unavailable")) {
                show_field("cannot", "%s: %s", item->string, cJSON_IsString(item) ? item->valuestring : "");
        }
        if (decision)
                show_field("decision", "%.0f, %s: %s", json_number(decision, "id", 0), json_text(decision, "verdict"),
                           json_text(decision, "text"));
}

int verb_status(struct client *client, char **arguments, int n) {
        _cleanup_(json_freep) cJSON *state = NULL;
        int status;

        (void) arguments, (void) n;
        status = client_state(client, NULL, &state);
        if (status != EXIT_OK)
                return status;
        if (client->json)
                return show_json(state, false);
        show_status(client, state);
        return EXIT_OK;
}

int verb_nodes(struct client *client, char **arguments, int n) {
        static const struct column columns[] = {
                {"NODE", "node", COLUMN_ID, false, false},           {"CPUS", "cpus", COLUMN_ID, false, false},
                {"I/O CORES", "io_cores", COLUMN_ID, false, false},  {"I/O LOAD", "io_load", COLUMN_CORES, false, false},
                {"I/O IDLE", "io_idle", COLUMN_CORES, false, false}, {"UNPLACED", "unplaced_load", COLUMN_CORES, false, false},
                {"UNITS", "units", COLUMN_ID, false, false},         {"VM CORES", "vm_cores", COLUMN_ID, false, false},
                {"VM IDLE", "vm_idle", COLUMN_CORES, false, false},
        };

        (void) arguments, (void) n;
        return show_section(client, "nodes", columns, ELEMENTSOF(columns));
}

/* Takes out of `array` what `keep` does not want. */
static void filter(cJSON *array, bool (*keep)(const cJSON *object)) {
        for (cJSON *object = array ? array->child : NULL, *next; object; object = next) {
                next = object->next;
                if (!keep(object))
                        cJSON_Delete(cJSON_DetachItemViaPointer(array, object));
        }
}

static bool is_io_core(const cJSON *core) {
        return json_true(core, "io_core");
}

static bool is_fresh(const cJSON *queue) {
        return json_true(queue, "fresh") &&
               (json_number(queue, "load", 0) > 0 || json_number(queue, "bytes_per_second", 0) > 0 || json_true(queue, "poll"));
}

static int show_filtered(struct client *client, const char *section, bool (*keep)(const cJSON *object), const struct column *columns,
                         size_t n) {
        _cleanup_(json_freep) cJSON *state = NULL;
        char *sections[] = {(char *) section, NULL};
        cJSON *array;
        int status;

        status = client_state(client, sections, &state);
        if (status != EXIT_OK)
                return status;
        array = cJSON_GetObjectItemCaseSensitive(state, section);
        if (!client->all)
                filter(array, keep);
        return show_table(client, array, columns, n);
}

int verb_cores(struct client *client, char **arguments, int n) {
        static const struct column columns[] = {
                {"CPU", "cpu", COLUMN_ID, false, false},         {"NODE", "node", COLUMN_CPU, false, false},
                {"I/O", "io_core", COLUMN_YES, false, false},    {"OURS", "ours", COLUMN_YES, false, false},
                {"WORKER", "worker", COLUMN_TEXT, false, false}, {"UNITS", "units", COLUMN_ID, false, false},
                {"LOAD", "load", COLUMN_CORES, false, false},    {"AVERAGE", "load_average", COLUMN_CORES, false, false},
                {"WAIT", "wait", COLUMN_SHARE, false, false},    {"BUSY", "busy", COLUMN_SHARE, false, false},
        };

        (void) arguments, (void) n;
        return show_filtered(client, "cores", is_io_core, columns, ELEMENTSOF(columns));
}

/* ---- who is who: workers, units, devices */

static void set_unknown(cJSON *object, const char *key) {
        (void) cJSON_ReplaceItemInObjectCaseSensitive(object, key, cJSON_CreateString("?"));
}

/* Puts "?" where somebody looked and could not tell, for people; the reasons follow below the table. */
static void mark_unknown(cJSON *array) {
        cJSON *object;

        cJSON_ArrayForEach(object, array) {
                if (json_text(object, "unidentified")[0] == '\0')
                        continue;
                if (json_text(object, "kind")[0] == '\0')
                        set_unknown(object, "kind");
                if (!cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(object, "queue_pair")))
                        set_unknown(object, "queue_pair");
        }
}

/* Each reason once, with the first that it is about, and how many others. */
static void explain_unknown(const cJSON *array) {
        const cJSON *object, *other;

        cJSON_ArrayForEach(object, array) {
                const char *why = json_text(object, "unidentified");
                const cJSON *first = NULL;
                unsigned n = 0;

                if (why[0] == '\0')
                        continue;
                cJSON_ArrayForEach(other, array) {
                        if (strcmp(json_text(other, "unidentified"), why) != 0)
                                continue;
                        first = first ? first : other;
                        n++;
                }
                if (first != object)
                        continue;
                printf("? %s", json_text(object, "id"));
                if (n > 1)
                        printf(" and %u more", n - 1);
                fputs(": ", stdout);
                show_text(why);
                putchar('\n');
        }
}

/* Shows a section whose objects may be unidentified. */
static int show_identified(struct client *client, cJSON *array, const struct column *columns, size_t n) {
        int status;

        if (client->json)
                return show_json(array, false);
        mark_unknown(array);
        status = show_table(client, array, columns, n);
        if (status == EXIT_OK && !client->no_legend)
                explain_unknown(array);
        return status;
}

/* Columns of workers: whose each one is, where each has one owner, as on stock kernels; what may be done with it where they are shared. */
enum { WORKERS_EACH = 1 << 0, WORKERS_SHARED = 1 << 1 };

static unsigned which_workers(const cJSON *workers) {
        const cJSON *worker;

        cJSON_ArrayForEach(worker, workers) {
                if (json_true(worker, "shared"))
                        return WORKERS_SHARED;
        }
        return WORKERS_EACH;
}

int verb_workers(struct client *client, char **arguments, int n) {
        static const struct {
                struct column column;
                unsigned of; /* mask of WORKERS_; 0: of all */
        } known[] = {
                {{"WORKER", "id", COLUMN_TEXT, false, false}, 0},
                {{"CPU", "cpu", COLUMN_CPU, false, false}, 0},
                {{"PID", "pid", COLUMN_ID, false, false}, 0},
                {{"KIND", "kind", COLUMN_TEXT, false, false}, WORKERS_EACH},
                {{"BACKEND", "backend", COLUMN_TEXT, false, false}, WORKERS_EACH},
                {{"PAIR", "queue_pair", COLUMN_PAIR, false, false}, WORKERS_EACH},
                {{"OWNER", "owner", COLUMN_CPU, false, false}, WORKERS_EACH},
                {{"DOMAIN", "domain", COLUMN_TEXT, false, true}, WORKERS_EACH},
                {{"UNITS", "units", COLUMN_ID, false, false}, WORKERS_SHARED},
                {{"LOAD", "load", COLUMN_CORES, false, false}, 0},
                {{"AVERAGE", "load_average", COLUMN_CORES, false, false}, WORKERS_SHARED},
                {{"WAIT", "wait", COLUMN_SHARE, false, false}, 0},
                {{"SWITCHES/S", "switches_per_second", COLUMN_RATE, false, false}, WORKERS_EACH},
                {{"LOCKED", "locked", COLUMN_YES, false, false}, WORKERS_SHARED},
                {{"SHARED", "shared", COLUMN_YES, false, false}, WORKERS_SHARED},
                {{"DEFAULT", "default", COLUMN_YES, false, false}, WORKERS_SHARED},
                {{"STATE", "state", COLUMN_WORD, false, false}, 0},
        };
        _cleanup_(json_freep) cJSON *state = NULL;
        char *sections[] = {(char *) "workers", NULL};
        struct column columns[ELEMENTSOF(known)];
        size_t n_columns = 0;
        unsigned which;
        cJSON *workers;
        int status;

        (void) arguments, (void) n;
        status = client_state(client, sections, &state);
        if (status != EXIT_OK)
                return status;
        workers = cJSON_GetObjectItemCaseSensitive(state, "workers");
        which = client->all ? WORKERS_EACH | WORKERS_SHARED : which_workers(workers);
        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (known[i].of == 0 || known[i].of & which)
                        columns[n_columns++] = known[i].column;
        return show_identified(client, workers, columns, n_columns);
}

/* In the table one word says whether it may be moved. */
static void show_blocked(const struct client *client, const cJSON *units) {
        cJSON *unit;

        if (client->json)
                return;
        cJSON_ArrayForEach(unit, units) {
                if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(unit, "blocked")) && strcmp(json_text(unit, "state"), "active") == 0)
                        (void) cJSON_SetValuestring(cJSON_GetObjectItemCaseSensitive(unit, "state"), "blocked");
        }
}

int verb_units(struct client *client, char **arguments, int n) {
        static const struct column columns[] = {
                {"UNIT", "id", COLUMN_TEXT, false, false},
                {"DEVICE", "device", COLUMN_TEXT, false, false},
                {"PAIR", "queue_pair", COLUMN_PAIR, false, false},
                {"DOMAIN", "domain", COLUMN_TEXT, false, true},
                {"NODE", "node", COLUMN_CPU, false, false},
                {"CORE", "core", COLUMN_CPU, false, false},
                {"WORKER", "worker", COLUMN_TEXT, false, false},
                {"LOAD", "load", COLUMN_CORES, false, false},
                {"AVERAGE", "load_average", COLUMN_CORES, false, false},
                {"BYTES/S", "bytes_per_second", COLUMN_RATE, false, false},
                {"NS/BYTE", "nsec_per_byte", COLUMN_CORES, false, false},
                {"STATE", "state", COLUMN_WORD, false, false},
        };
        _cleanup_(json_freep) cJSON *state = NULL;
        char *sections[] = {(char *) "units", NULL};
        cJSON *units;
        int status;

        (void) arguments, (void) n;
        status = client_state(client, sections, &state);
        if (status != EXIT_OK)
                return status;
        units = cJSON_GetObjectItemCaseSensitive(state, "units");
        show_blocked(client, units);
        return show_identified(client, units, columns, ELEMENTSOF(columns));
}

int verb_devices(struct client *client, char **arguments, int n) {
        static const struct column columns[] = {
                {"DEVICE", "id", COLUMN_TEXT, false, false},       {"KIND", "kind", COLUMN_TEXT, false, false},
                {"BACKEND", "backend", COLUMN_TEXT, false, false}, {"OWNER", "owner", COLUMN_CPU, false, false},
                {"PAIRS", "queue_pairs", COLUMN_ID, false, false},
        };

        (void) arguments, (void) n;
        return show_section(client, "devices", columns, ELEMENTSOF(columns));
}

int verb_queues(struct client *client, char **arguments, int n) {
        static const struct column columns[] = {
                {"QUEUE", "id", COLUMN_TEXT, false, false},
                {"UNIT", "unit", COLUMN_TEXT, false, false},
                {"LOAD", "load", COLUMN_CORES, false, false},
                {"BYTES/S", "bytes_per_second", COLUMN_RATE, false, false},
                {"PACKETS/S", "packets_per_second", COLUMN_RATE, false, false},
                {"KICKS/S", "works_per_second", COLUMN_RATE, false, false},
                {"WAIT", "wait", COLUMN_SHARE, false, false},
                {"FULL/S", "ring_full_per_second", COLUMN_RATE, false, false},
                {"DROPS/S", "drops_per_second", COLUMN_RATE, false, false},
                {"STUCK/S", "stuck_per_second", COLUMN_RATE, false, false},
                {"POLL", "poll", COLUMN_YES, false, false},
                {"STATE", "state", COLUMN_WORD, false, false},
        };

        (void) arguments, (void) n;
        return show_filtered(client, "queues", is_fresh, columns, ELEMENTSOF(columns));
}

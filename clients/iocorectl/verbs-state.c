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

static void show_status(const struct client *client, const cJSON *state) {
        const cJSON *decision = cJSON_GetObjectItemCaseSensitive(state, "last_decision"), *item;
        const char *mode = json_text(state, "mode");

        printf("iocored %s, mode %s%s%s\n", json_text(state, "version"), colour_of(client, mode), mode, colour_end(client));
        show_io_cores(state);
        show_field("objects", "%d workers, %d units, %d devices, %d domains", count(state, "workers"), count(state, "units"),
                   count(state, "devices"), count(state, "domains"));
        show_field("epoch", "%.0f, every %g ms; the last took %.0f us, the worst %.0f us; %.0f overruns", json_number(state, "epoch", 0),
                   json_number(state, "epoch_usec", 0) / 1000, json_number(state, "last_epoch_usec", 0),
                   json_number(state, "worst_epoch_usec", 0), json_number(state, "overruns", 0));
        show_field("changes", "%.0f to be put back at the end", json_number(state, "changes", 0));
        if (json_number(state, "malformed", 0) > 0)
                show_field("malformed", "%.0f attributes or ids that could not be read", json_number(state, "malformed", 0));
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(state, "plugins")) {
                const char *reason = json_text(item, "reason");

                show_field("plugin", "%s: %s%s%s", json_text(item, "name"), json_text(item, "status"), reason[0] ? ", " : "", reason);
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
                {"NODE", "node", COLUMN_ID, false},           {"CPUS", "cpus", COLUMN_ID, false},
                {"I/O CORES", "io_cores", COLUMN_ID, false},  {"I/O LOAD", "io_load", COLUMN_CORES, false},
                {"I/O IDLE", "io_idle", COLUMN_CORES, false}, {"UNPLACED", "unplaced_load", COLUMN_CORES, false},
                {"UNITS", "units", COLUMN_ID, false},         {"VM CORES", "vm_cores", COLUMN_ID, false},
                {"VM IDLE", "vm_idle", COLUMN_CORES, false},
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
                {"CPU", "cpu", COLUMN_ID, false},         {"NODE", "node", COLUMN_CPU, false},
                {"I/O", "io_core", COLUMN_YES, false},    {"OURS", "ours", COLUMN_YES, false},
                {"WORKER", "worker", COLUMN_TEXT, false}, {"UNITS", "units", COLUMN_ID, false},
                {"LOAD", "load", COLUMN_CORES, false},    {"AVERAGE", "load_average", COLUMN_CORES, false},
                {"WAIT", "wait", COLUMN_SHARE, false},    {"BUSY", "busy", COLUMN_SHARE, false},
        };

        (void) arguments, (void) n;
        return show_filtered(client, "cores", is_io_core, columns, ELEMENTSOF(columns));
}

int verb_workers(struct client *client, char **arguments, int n) {
        static const struct column columns[] = {
                {"WORKER", "id", COLUMN_TEXT, false},
                {"CPU", "cpu", COLUMN_CPU, false},
                {"PID", "pid", COLUMN_ID, false},
                {"LOAD", "load", COLUMN_CORES, false},
                {"AVERAGE", "load_average", COLUMN_CORES, false},
                {"WAIT", "wait", COLUMN_SHARE, false},
                {"LOCKED", "locked", COLUMN_YES, false},
                {"SHARED", "shared", COLUMN_YES, false},
                {"DEFAULT", "default", COLUMN_YES, false},
                {"STATE", "state", COLUMN_WORD, false},
        };

        (void) arguments, (void) n;
        return show_section(client, "workers", columns, ELEMENTSOF(columns));
}

int verb_units(struct client *client, char **arguments, int n) {
        static const struct column columns[] = {
                {"UNIT", "id", COLUMN_TEXT, false},
                {"DOMAIN", "domain", COLUMN_TEXT, false},
                {"NODE", "node", COLUMN_CPU, false},
                {"CORE", "core", COLUMN_CPU, false},
                {"WORKER", "worker", COLUMN_TEXT, false},
                {"LOAD", "load", COLUMN_CORES, false},
                {"AVERAGE", "load_average", COLUMN_CORES, false},
                {"BYTES/S", "bytes_per_second", COLUMN_RATE, false},
                {"STATE", "state", COLUMN_WORD, false},
        };

        (void) arguments, (void) n;
        return show_section(client, "units", columns, ELEMENTSOF(columns));
}

int verb_devices(struct client *client, char **arguments, int n) {
        static const struct column columns[] = {
                {"DEVICE", "id", COLUMN_TEXT, false},
                {"OWNER", "owner", COLUMN_CPU, false},
                {"BACKEND", "backend", COLUMN_TEXT, false},
        };

        (void) arguments, (void) n;
        return show_section(client, "devices", columns, ELEMENTSOF(columns));
}

int verb_queues(struct client *client, char **arguments, int n) {
        static const struct column columns[] = {
                {"QUEUE", "id", COLUMN_TEXT, false},
                {"UNIT", "unit", COLUMN_TEXT, false},
                {"LOAD", "load", COLUMN_CORES, false},
                {"BYTES/S", "bytes_per_second", COLUMN_RATE, false},
                {"PACKETS/S", "packets_per_second", COLUMN_RATE, false},
                {"KICKS/S", "works_per_second", COLUMN_RATE, false},
                {"WAIT", "wait", COLUMN_SHARE, false},
                {"FULL/S", "ring_full_per_second", COLUMN_RATE, false},
                {"STUCK/S", "stuck_per_second", COLUMN_RATE, false},
                {"POLL", "poll", COLUMN_YES, false},
                {"STATE", "state", COLUMN_WORD, false},
        };

        (void) arguments, (void) n;
        return show_filtered(client, "queues", is_fresh, columns, ELEMENTSOF(columns));
}

int verb_domains(struct client *client, char **arguments, int n) {
        static const struct column columns[] = {
                {"DOMAIN", "name", COLUMN_TEXT, false}, {"STATE", "state", COLUMN_WORD, false}, {"NODE", "node", COLUMN_CPU, false},
                {"VCPUS", "vcpus", COLUMN_ID, false},   {"PID", "pid", COLUMN_ID, false},       {"UUID", "uuid", COLUMN_TEXT, false},
        };

        (void) arguments, (void) n;
        return show_section(client, "domains", columns, ELEMENTSOF(columns));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where memory is, moving it, and the jobs that this is done in. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "iocorectl.h"

/* How far a job is changes ten times a second. */
#define LOOK_MSEC 200
/* Where lines are written one below the other. */
#define LINE_EVERY_LOOKS 10
#define BAR_CELLS 30
#define NODES_MAX 64

/* ---- the list */

static double pages_to_mib(double pages) {
        return pages * (double) sysconf(_SC_PAGESIZE) / 1048576;
}

static double mib_per_second(const cJSON *job) {
        const double usec = json_number(job, "busy_usec", 0);

        return usec > 0 ? pages_to_mib(json_number(job, "moved", 0)) * 1e6 / usec : 0;
}

static double pages_per_second(const cJSON *job) {
        const double usec = json_number(job, "busy_usec", 0);

        return usec > 0 ? json_number(job, "moved", 0) * 1e6 / usec : 0;
}

static int get_jobs(struct client *client, cJSON **ret) {
        static const char *const names[] = {"id",     "kind",      "object",       "state",      "cell",   "node", "total",
                                            "moved", "failed", "busy_usec", "begun_usec", "ended_usec", "source", "text"};
        _cleanup_(message_freep) sd_bus_message *reply = NULL;
        _cleanup_(json_freep) cJSON *array = NULL, *jobs = NULL;
        cJSON *job;
        int status, r;

        status = client_call(client, "ListJobs", &reply, "");
        if (status != EXIT_OK)
                return status;
        r = message_to_json(reply, &array);
        if (r >= 0)
                r = json_name_members(array, names, ELEMENTSOF(names), &jobs);
        if (r < 0)
                return client_error(client, &SD_BUS_ERROR_NULL, r);
        cJSON_ArrayForEach(job, jobs) {
                (void) cJSON_AddNumberToObject(job, "pages_per_second", pages_per_second(job));
        }
        *ret = TAKE_PTR(jobs);
        return EXIT_OK;
}

int verb_jobs(struct client *client, char **arguments, int n) {
        static const struct column columns[] = {
                {"JOB", "id", COLUMN_ID, false, false},           {"KIND", "kind", COLUMN_TEXT, false, false},
                {"OBJECT", "object", COLUMN_TEXT, false, true},   {"CELL", "cell", COLUMN_CPU, false, false},
                {"NODE", "node", COLUMN_CPU, false, false},       {"STATE", "state", COLUMN_WORD, false, false},
                {"PAGES", "total", COLUMN_ID, false, false},      {"MOVED", "moved", COLUMN_ID, false, false},
                {"FAILED", "failed", COLUMN_ID, false, false},    {"PAGES/S", "pages_per_second", COLUMN_RATE, false, false},
                {"BEGUN", "begun_usec", COLUMN_TIME, false, false}, {"REMARK", "text", COLUMN_TEXT, false, true},
        };
        _cleanup_(json_freep) cJSON *jobs = NULL;
        int status;

        (void) arguments, (void) n;
        status = get_jobs(client, &jobs);
        return status != EXIT_OK ? status : show_table(client, jobs, columns, ELEMENTSOF(columns));
}

/* A whole number of at most `maximum`. */
static int parse_number(const char *what, const char *text, uint64_t maximum, uint64_t *ret) {
        char *end;

        errno = 0;
        unsigned long long value = strtoull(text, &end, 10);
        if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9' || value > maximum) {
                fprintf(stderr, "iocorectl: no %s: \"%s\"\n", what, text);
                return EXIT_USAGE;
        }
        *ret = value;
        return EXIT_OK;
}

int verb_job(struct client *client, char **arguments, int n) {
        uint64_t id;
        int status;

        (void) n;
        if (strcmp(arguments[0], "cancel") != 0)
                return wrong_use("job");
        status = parse_number("number of a job", arguments[1], INT64_MAX, &id);
        if (status == EXIT_OK)
                status = client_call(client, "CancelJob", NULL, "t", id);
        if (status == EXIT_OK && client->json) {
                _cleanup_(json_freep) cJSON *json = cJSON_CreateObject();

                (void) cJSON_AddNumberToObject(json, "cancelled", (double) id);
                return show_json(json, false);
        }
        return status;
}

/* ---- following one */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
        (void) number;
        interrupted++;
}

static bool is_over(const cJSON *job) {
        const char *state = json_text(job, "state");

        return strcmp(state, "waiting") != 0 && strcmp(state, "running") != 0;
}

static void show_bar(const cJSON *job) {
        const double total = json_number(job, "total", 0), done = json_number(job, "moved", 0) + json_number(job, "failed", 0);
        const double share = total > 0 ? (done < total ? done / total : 1) : is_over(job) ? 1 : 0;
        char bar[BAR_CELLS + 1];

        memset(bar, '.', BAR_CELLS);
        memset(bar, '#', (size_t) (share * BAR_CELLS));
        bar[BAR_CELLS] = '\0';
        printf("\r[%s] %3.0f %%  %.0f of %.0f pages, %.0f MiB/s\033[K", bar, share * 100, done, total, mib_per_second(job));
        (void) fflush(stdout);
}

static void show_line(const cJSON *job) {
        printf("%s: %.0f of %.0f pages, %.0f MiB/s\n", json_text(job, "state"), json_number(job, "moved", 0) + json_number(job, "failed", 0),
               json_number(job, "total", 0), mib_per_second(job));
        (void) fflush(stdout);
}

static void show_end(const struct client *client, const cJSON *job) {
        const char *state = json_text(job, "state"), *text = json_text(job, "text");

        printf("%s%s%s: %.0f pages (%.0f MiB) moved, %.0f not, in %.2f s, %.0f pages/s", colour_of(client, state), state, colour_end(client),
               json_number(job, "moved", 0), pages_to_mib(json_number(job, "moved", 0)), json_number(job, "failed", 0), json_number(job, "busy_usec", 0) / 1e6,
               pages_per_second(job));
        if (text[0]) {
                fputs(": ", stdout);
                show_text(text);
        }
        putchar('\n');
}

static int find_job(struct client *client, uint64_t id, cJSON **ret) {
        _cleanup_(json_freep) cJSON *jobs = NULL;
        cJSON *job;
        int status;

        status = get_jobs(client, &jobs);
        if (status != EXIT_OK)
                return status;
        cJSON_ArrayForEach(job, jobs) {
                if (json_number(job, "id", 0) == (double) id) {
                        *ret = cJSON_DetachItemViaPointer(jobs, job);
                        return EXIT_OK;
                }
        }
        fprintf(stderr, "iocorectl: iocored knows nothing of job %" PRIu64 " any more\n", id);
        return EXIT_REFUSED;
}

/* Until it is over, `*ret` is how it ended. The first Ctrl-C cancels it, the second leaves it alone. */
static int follow(struct client *client, uint64_t id, bool quiet, cJSON **ret) {
        const bool terminal = isatty(STDOUT_FILENO) != 0;
        const struct sigaction action = {.sa_handler = on_interrupt};
        int status = EXIT_OK, cancelled = 0;

        (void) sigaction(SIGINT, &action, NULL);
        for (unsigned looks = 0;; looks++) {
                _cleanup_(json_freep) cJSON *job = NULL;

                if (interrupted > cancelled) {
                        if (cancelled++ > 0)
                                return EXIT_REFUSED;
                        (void) client_call(client, "CancelJob", NULL, "t", id);
                }
                status = find_job(client, id, &job);
                if (status != EXIT_OK)
                        return status;
                const bool over = is_over(job);
                if (!quiet && terminal)
                        show_bar(job);
                else if (!quiet && !over && looks % LINE_EVERY_LOOKS == 0)
                        show_line(job);
                if (over) {
                        if (!quiet && terminal)
                                fputs("\r\033[K", stdout);
                        *ret = TAKE_PTR(job);
                        return EXIT_OK;
                }
                (void) nanosleep(&(struct timespec){.tv_nsec = LOOK_MSEC * 1000000L}, NULL);
        }
}

/* The answer to what began a job. */
static int follow_reply(struct client *client, sd_bus_message *reply, bool quiet, cJSON **ret) {
        uint64_t id;
        int r;

        r = sd_bus_message_read(reply, "t", &id);
        return r < 0 ? client_error(client, &SD_BUS_ERROR_NULL, r) : follow(client, id, quiet, ret);
}

static int follow_move(struct client *client, sd_bus_message *reply) {
        _cleanup_(json_freep) cJSON *job = NULL;
        int status;

        status = follow_reply(client, reply, client->json, &job);
        if (status != EXIT_OK)
                return status;
        if (client->json)
                (void) show_json(job, false);
        else
                show_end(client, job);
        return strcmp(json_text(job, "state"), "done") == 0 ? EXIT_OK : EXIT_REFUSED;
}

int domain_move_memory(struct client *client, const char *name, const char *node) {
        _cleanup_(message_freep) sd_bus_message *reply = NULL;
        uint64_t number;
        int status;

        status = parse_number("number of a node", node, INT32_MAX, &number);
        if (status == EXIT_OK)
                status = client_call(client, "MoveMemory", &reply, "sii", name, client->cell, (int) number);
        return status == EXIT_OK ? follow_move(client, reply) : status;
}

int verb_process(struct client *client, char **arguments, int n) {
        _cleanup_(message_freep) sd_bus_message *reply = NULL;
        _cleanup_free_ char *pid_text = NULL;
        uint64_t pid, start = 0, node;
        char *dot;
        int status;

        (void) n;
        if (strcmp(arguments[0], "move-memory") != 0)
                return wrong_use("process");
        pid_text = strdup(arguments[1]);
        if (!pid_text)
                return EXIT_REFUSED;
        dot = strchr(pid_text, '.');
        if (dot)
                *dot = '\0';
        status = parse_number("process", pid_text, INT32_MAX, &pid);
        if (status == EXIT_OK && dot)
                status = parse_number("start of a process", dot + 1, INT64_MAX, &start);
        if (status == EXIT_OK)
                status = parse_number("number of a node", arguments[2], INT32_MAX, &node);
        if (status == EXIT_OK)
                status = client_call(client, "MoveProcessMemory", &reply, "iti", (int) pid, start, (int) node);
        return status == EXIT_OK ? follow_move(client, reply) : status;
}

/* ---- where memory is */

static void format_memory(double kib, char *ret, size_t size) {
        const double pages = kib * 1024 / (double) sysconf(_SC_PAGESIZE);

        if (kib <= 0)
                (void) snprintf(ret, size, "0");
        else if (kib >= 1048576)
                (void) snprintf(ret, size, "%.4gG (%.0f)", kib / 1048576, pages);
        else
                (void) snprintf(ret, size, "%.4gM (%.0f)", kib / 1024, pages);
}

/* [[0, [[0, 1024], [1, 0]]], ...] as a table with a column for each node. */
static int show_memory(struct client *client, const char *name, double age_usec, const cJSON *cells) {
        struct column columns[NODES_MAX + 1] = {{"CELL", "cell", COLUMN_TEXT, false, false}};
        char titles[NODES_MAX][24];
        _cleanup_(json_freep) cJSON *lines = cJSON_CreateArray(), *json = cJSON_CreateObject();
        const cJSON *cell, *node;
        size_t n = 0;
        int status;

        cJSON_ArrayForEach(cell, cells) {
                const double number = cJSON_GetNumberValue(cJSON_GetArrayItem(cell, 0));
                cJSON *line = cJSON_CreateObject();
                char text[64];

                n = 0;
                if (number < 0)
                        (void) snprintf(text, sizeof(text), client->json ? "" : "other");
                else
                        (void) snprintf(text, sizeof(text), "%.0f", number);
                (void) cJSON_AddStringToObject(line, "cell", text);
                cJSON_ArrayForEach(node, cJSON_GetArrayItem(cell, 1)) {
                        const double kib = cJSON_GetNumberValue(cJSON_GetArrayItem(node, 1));

                        if (n == NODES_MAX)
                                break;
                        (void) snprintf(titles[n], sizeof(titles[n]), client->json ? "node%.0f_kib" : "NODE %.0f", cJSON_GetNumberValue(cJSON_GetArrayItem(node, 0)));
                        columns[n + 1] = (struct column){titles[n], titles[n], COLUMN_TEXT, false, false};
                        format_memory(kib, text, sizeof(text));
                        if (client->json)
                                (void) cJSON_AddNumberToObject(line, titles[n], kib);
                        else
                                (void) cJSON_AddStringToObject(line, titles[n], text);
                        n++;
                }
                (void) cJSON_AddItemToArray(lines, line);
        }
        if (client->json) {
                (void) cJSON_AddStringToObject(json, "domain", name);
                (void) cJSON_AddNumberToObject(json, "age_usec", age_usec);
                if (cJSON_AddItemToObject(json, "memory", lines))
                        (void) TAKE_PTR(lines);
                return show_json(json, false);
        }
        status = show_table(client, lines, columns, n + 1);
        if (status == EXIT_OK && !client->no_legend && n > 0)
                printf("In brackets: pages of %ld KiB. As it was %.0f s ago.\n", sysconf(_SC_PAGESIZE) / 1024, age_usec / 1e6);
        return status;
}

/* Whoever may not ask for a look is shown what was seen last. */
static int look(struct client *client, const char *name) {
        _cleanup_(message_freep) sd_bus_message *reply = NULL;
        _cleanup_(json_freep) cJSON *job = NULL;
        int status;

        if (geteuid() != 0)
                return EXIT_OK;
        status = client_call(client, "ReadMemory", &reply, "s", name);
        if (status == EXIT_OK)
                status = follow_reply(client, reply, true, &job);
        if (status == EXIT_OK && strcmp(json_text(job, "state"), "done") != 0) {
                fprintf(stderr, "iocorectl: the memory of %s could not be looked at: %s\n", name, json_text(job, "text"));
                return EXIT_REFUSED;
        }
        return status;
}

int domain_memory(struct client *client, const char *name) {
        _cleanup_(message_freep) sd_bus_message *reply = NULL;
        _cleanup_(json_freep) cJSON *cells = NULL;
        uint64_t age;
        int status, r;

        status = look(client, name);
        if (status == EXIT_OK)
                status = client_call(client, "GetMemory", &reply, "s", name);
        if (status != EXIT_OK)
                return status;
        r = sd_bus_message_read(reply, "t", &age);
        if (r >= 0)
                r = message_to_json(reply, &cells);
        if (r < 0)
                return client_error(client, &SD_BUS_ERROR_NULL, r);
        return show_memory(client, name, (double) age, cells);
}

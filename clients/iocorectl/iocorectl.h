/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of iocorectl share. */
#ifndef IOCORECTL_H
#define IOCORECTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cjson/cJSON.h>
#include <systemd/sd-bus.h>

/* Exit statuses; documented in iocorectl(1). Functions that return int return one of these, having said what is wrong. */
enum {
        EXIT_OK = 0,
        EXIT_REFUSED = 1, /* refused by a rule, failed, or no permission */
        EXIT_USAGE = 2,
        EXIT_UNREACHABLE = 3, /* no bus, or no daemon on it */
};

/* Which options a verb takes besides --json, --bus, --no-legend and --help. */
enum {
        OPTION_NODE = 1 << 0,
        OPTION_CPU = 1 << 1,
        OPTION_REASON = 1 << 2,
        OPTION_SINCE = 1 << 3,
        OPTION_LIMIT = 1 << 4,
        OPTION_FOLLOW = 1 << 5,
        OPTION_ALL = 1 << 6,
        OPTION_INTERVAL = 1 << 7,
        OPTION_COUNT = 1 << 8,
        OPTION_ROOT = 1 << 9,
        OPTION_NO_WAIT = 1 << 10,
        OPTION_CELL = 1 << 11,
        OPTION_BUS = 1 << 12, /* every verb takes it */
};

struct client {
        sd_bus *bus;             /* NULL until something is asked */
        const char *bus_address; /* "system", "user", a D-Bus address */
        bool json, no_legend;
        bool quiet;              /* say nothing of a daemon that cannot be reached */
        bool colours; /* stdout is a terminal that shall have them */

        unsigned given; /* mask of OPTION_ */
        int node, cpu;  /* -1: any */
        int cell;       /* of a guest; -1: all */
        const char *reason;
        uint64_t since;
        uint32_t limit; /* 0: all there are */
        bool follow, all, no_wait;
        double interval; /* seconds */
        uint64_t count;  /* 0: without end */
        const char *root; /* of the host that is looked at */
};

struct verb {
        const char *name;
        const char *arguments; /* "UNIT CPU|home" */
        const char *doc;       /* one line */
        const char *details;   /* for `VERB --help`; may be NULL */
        int minimum, maximum;  /* number of arguments */
        unsigned options;      /* mask of OPTION_ */
        int (*run)(struct client *client, char **arguments, int n);
};

/* verbs-*.c */
int verb_status(struct client *client, char **arguments, int n);
int verb_nodes(struct client *client, char **arguments, int n);
int verb_cores(struct client *client, char **arguments, int n);
int verb_workers(struct client *client, char **arguments, int n);
int verb_units(struct client *client, char **arguments, int n);
int verb_devices(struct client *client, char **arguments, int n);
int verb_queues(struct client *client, char **arguments, int n);
int verb_domains(struct client *client, char **arguments, int n);
int verb_domain(struct client *client, char **arguments, int n);
int verb_jobs(struct client *client, char **arguments, int n);
int verb_job(struct client *client, char **arguments, int n);
int verb_process(struct client *client, char **arguments, int n);
int verb_grow(struct client *client, char **arguments, int n);
int verb_shrink(struct client *client, char **arguments, int n);
int verb_move(struct client *client, char **arguments, int n);
int verb_poll(struct client *client, char **arguments, int n);
int verb_limit(struct client *client, char **arguments, int n);
int verb_set(struct client *client, char **arguments, int n);
int verb_mode(struct client *client, char **arguments, int n);
int verb_reload(struct client *client, char **arguments, int n);
int verb_why_not(struct client *client, char **arguments, int n);
int verb_policy(struct client *client, char **arguments, int n);
int verb_decisions(struct client *client, char **arguments, int n);
int verb_why(struct client *client, char **arguments, int n);
int verb_events(struct client *client, char **arguments, int n);
int verb_watch(struct client *client, char **arguments, int n);
int verb_doctor(struct client *client, char **arguments, int n); /* doctor.c */

/* ---- main.c */

/* Says how the verb of this name is used; returns EXIT_USAGE. */
int wrong_use(const char *name);

/* ---- client.c: talk */

#define IOCORE_BUS_NAME    "org.iocore1"
#define IOCORE_BUS_ROOT    "/org/iocore1"
#define IOCORE_BUS_MANAGER "org.iocore1.Manager"

/* Connects unless it is done already; the functions below do that too, so that mistakes in the use are told first. */
int client_connect(struct client *client);
/* Calls a method of the Manager; `ret` may be NULL. */
int client_call(struct client *client, const char *member, sd_bus_message **ret, const char *types, ...);
/* Says what `error` means, or prints it as JSON, and returns the exit status for it. */
int client_error(struct client *client, const sd_bus_error *error, int r);
/* The state's sections (NULL-terminated; NULL: all but queues), parsed. */
int client_state(struct client *client, char **sections, cJSON **ret);
/* The newest `limit` (0: all) decisions after the number `since`, the oldest first, as an array of objects. Returns an exit status. */
int client_decisions(struct client *client, uint64_t since, uint32_t limit, cJSON **ret);
/* One decision as an object. Returns an exit status. */
int client_decision(struct client *client, uint64_t id, cJSON **ret);
/* The next complete value of `message` as JSON. 0 or -errno. */
int message_to_json(sd_bus_message *message, cJSON **ret);
/* The names of struct members in order, for a struct that was read as an array. Takes nothing; the caller frees *ret. 0 or -ENOMEM. */
int json_name_members(const cJSON *array, const char *const *names, size_t n, cJSON **ret);
static inline void json_freep(cJSON **json) {
        cJSON_Delete(*json);
}
static inline void message_freep(sd_bus_message **message) {
        sd_bus_message_unref(*message);
}

/* ---- verbs-jobs.c: what `iocorectl domain` does there */

/* Looks where the memory of a domain is, and shows it. */
int domain_memory(struct client *client, const char *name);
int domain_move_memory(struct client *client, const char *name, const char *node);

/* ---- output.c: show */

enum column_format {
        COLUMN_TEXT,
        COLUMN_ID,    /* a number, plain */
        COLUMN_CPU,   /* -1: "-" */
        COLUMN_PAIR,  /* a number, or the "?" of show_unknown() */
        COLUMN_CORES, /* 0.42 */
        COLUMN_SHARE, /* 0..1 as "42%" */
        COLUMN_RATE,  /* per second, with k M G */
        COLUMN_YES,   /* "yes", "-" */
        COLUMN_TIME,  /* microseconds of the real-time clock, as local time */
        COLUMN_WORD,  /* text with a colour by its meaning: "refused" red ... */
};

struct column {
        const char *title;
        const char *key;
        enum column_format format;
        bool wrap; /* long text */
        bool cut;  /* the first to be cut on a narrow terminal */
};

/* Prints `array` of objects as a table, or as JSON if that is asked for. */
int show_table(const struct client *client, const cJSON *array, const struct column *columns, size_t n);
/* Prints one JSON document on as many lines as it needs, or on one. */
int show_json(const cJSON *json, bool one_line);
/* Prints "  name  text" for a person, the name padded. */
void show_field(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes `string` to stdout without the control characters that a terminal would act on. */
void show_text(const char *string);
/* The same to `file`. */
void print_text(FILE *file, const char *string);
/* Is the rule of a decision worth a word, or does its text begin with it anyway? */
bool show_rule(const cJSON *decision);
/* The text of an event, for a person: one that tells of a state comes without text when that is over. */
const char *event_text(const char *kind, const char *text);
/* Escape sequence for a word by its meaning ("" without colours), and the one that ends it. */
const char *colour_of(const struct client *client, const char *word);
const char *colour_end(const struct client *client);
/* Member as text or number; "" / 0 / fallback when there is none. */
const char *json_text(const cJSON *object, const char *key);
double json_number(const cJSON *object, const char *key, double fallback);
bool json_true(const cJSON *object, const char *key);
/* "2026-11-21 00:12:45" local time. */
void format_time(double usec, bool date, char *ret, size_t size);

#endif

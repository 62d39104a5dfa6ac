/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keeps the rest of the host off I/O cores: AllowedCPUs of the slices that the administrator names, over systemd's D-Bus API, until the next boot at most. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "cleanup.h"
#include "connection.h"

#define OPTION "reserve-slices"
#define KIND "slice.cpus"
#define CONTROLLERS_PATH "/sys/fs/cgroup/cgroup.controllers"
#define BOOTED_PATH "/run/systemd/system"

/* An epoch may be late by that much once, when systemd begins to hang. */
#define HASTE_WAIT_USEC (100 * 1000ULL)
/* Where there is nothing that could be late. */
#define LEISURE_WAIT_USEC (2 * 1000 * 1000ULL)

struct slice {
        char name[IOCORE_NAME_MAX];
        bool reserved; /* AllowedCPUs is as reserve() asked: `set`; what it was before is `base` */
        bool awaited;  /* a request's outcome is to come */
        bool postponed; /* a request met something that passes, and is to be made again when it has */
        bool manual;   /* somebody else changed what was set, and the daemon has not said otherwise */
        bool refused;  /* `wanted` was asked for in vain */
        bool told;     /* that something keeps it from being reserved */
        struct affinity_mask base, set, wanted;
};

struct systemd_state {
        const struct iocore_services *services;
        struct iocore_context *context;
        struct connection *connection;
        struct slice slices[SLICES_MAX]; /* by the connection's index: those configured first */
        size_t n_slices, n_configured;
        bool answered; /* what was logged last */
};

static uint64_t patience(const struct systemd_state *state) {
        return state->services->in_haste(state->context) ? HASTE_WAIT_USEC : LEISURE_WAIT_USEC;
}

/* --- is it for this host */

/* Returns the number of slices or -EINVAL with a reason. */
static int read_option(const struct iocore_services *services, struct iocore_context *context, char (*ret_names)[IOCORE_NAME_MAX], char *ret_reason, size_t size) {
        char bad[IOCORE_NAME_MAX] = "";

        int n = slices_parse(services->option(context, OPTION) ?: "", ret_names, bad);
        if (n == -E2BIG)
                snprintf(ret_reason, size, OPTION ": more than %d slices", SLICES_MAX);
        else if (n < 0)
                snprintf(ret_reason, size, OPTION ": %s: not a slice that can be reserved (the root slice, machine.slice and what is below it cannot)", bad);
        return n < 0 ? -EINVAL : n;
}

static bool has_cpuset(const struct iocore_services *services, struct iocore_context *context) {
        char text[512], *rest = text;

        _cleanup_close_ int fd = services->open_path(context, CONTROLLERS_PATH, O_RDONLY);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (n < 0)
                return false;
        text[n] = '\0';
        for (const char *word; (word = strsep(&rest, " \n"));)
                if (strcmp(word, "cpuset") == 0)
                        return true;
        return false;
}

static int systemd_probe(const struct iocore_services *services, struct iocore_context *context, char *ret_reason, size_t size) {
        char names[SLICES_MAX][IOCORE_NAME_MAX];

        int n = read_option(services, context, names, ret_reason, size);
        if (n < 0)
                return n;
        if (n == 0) {
                snprintf(ret_reason, size, OPTION " is not set: the rest of the host is not kept off I/O cores");
                return 0;
        }
        _cleanup_close_ int booted = services->open_path(context, BOOTED_PATH, O_PATH);
        if (booted < 0) {
                snprintf(ret_reason, size, "looked for " BOOTED_PATH ": %s: systemd does not run this host", strerror(-booted));
                return 0;
        }
        if (!has_cpuset(services, context)) {
                snprintf(ret_reason, size, CONTROLLERS_PATH " has no cpuset: AllowedCPUs does nothing without control groups v2");
                return 0;
        }
        return 1;
}

static void systemd_close(void *userdata) {
        struct systemd_state *state = userdata;

        if (!state)
                return;
        connection_close(state->connection);
        free(state);
}

static int systemd_open(const struct iocore_services *services, struct iocore_context *context, void **ret_state, char *ret_reason, size_t size) {
        char names[SLICES_MAX][IOCORE_NAME_MAX];
        struct affinity_mask all = { 0 };

        int n = read_option(services, context, names, ret_reason, size);
        if (n < 0)
                return n;
        for (int cpu = 0; cpu < services->cpu_count(context) && cpu < AFFINITY_CPUS_MAX; cpu++)
                CPU_SET_S((size_t) cpu, sizeof all.sets, all.sets);
        struct systemd_state *state = calloc(1, sizeof *state);
        if (!state)
                return -ENOMEM;
        *state = (struct systemd_state) { .services = services, .context = context, .n_slices = (size_t) n, .n_configured = (size_t) n, .answered = true };
        for (int i = 0; i < n; i++)
                memcpy(state->slices[i].name, names[i], sizeof names[i]);
        int r = connection_open(&state->connection, names, (size_t) n, &all);
        if (r < 0) {
                snprintf(ret_reason, size, "its thread: %s", strerror(-r));
                free(state);
                return r;
        }
        /* A systemd that does not answer now may do so later. */
        (void) connection_wait(state->connection, patience(state));
        *ret_state = state;
        return 0;
}

/* --- the knob */

static int find_slice(struct systemd_state *state, const char *name, struct slice **ret) {
        int index = connection_slice(state->connection, name);

        if (index < 0)
                return index == -EINVAL ? -ENOENT : index;
        if ((size_t) index == state->n_slices) {
                struct slice *slice = state->slices + state->n_slices++;
                snprintf(slice->name, sizeof slice->name, "%s", name);
                (void) connection_wait(state->connection, patience(state));
        }
        *ret = state->slices + index;
        return 0;
}

static size_t index_of(const struct systemd_state *state, const struct slice *slice) {
        return (size_t) (slice - state->slices);
}

static int cpus_get(void *userdata, const char *object, char *ret_value, size_t size) {
        struct systemd_state *state = userdata;
        struct slice_picture picture;
        struct slice *slice;

        int r = find_slice(state, object, &slice);
        if (r < 0)
                return r;
        connection_picture(state->connection, index_of(state, slice), &picture);
        return picture.known ? slice_mask_format(&picture.cpus, ret_value, size) : -EAGAIN;
}

/* What reserve() asked for, or anything else, as which the slice is then nobody's but its own. */
static void note_set(struct slice *slice, const struct affinity_mask *asked, const struct affinity_mask *really) {
        slice->reserved = slice_mask_equal(asked, &slice->wanted) && !slice_mask_equal(asked, &slice->base);
        slice->set = *really;
        slice->refused = false;
}

static void tell_refused(struct systemd_state *state, struct slice *slice) {
        char text[IOCORE_REASON_MAX];

        connection_trouble(state->connection, text, sizeof text);
        state->services->tell(state->context, "not-isolated", slice->name, text);
        slice->refused = slice->told = true;
}

/* The next attempt may well succeed. */
static bool is_passing(int error) {
        return error == -EAGAIN || error == -ETIMEDOUT || error == -ENOTCONN || error == -ESTALE;
}

static int cpus_set(void *userdata, const char *object, const char *value, char *ret_value, size_t size) {
        struct systemd_state *state = userdata;
        struct slice_picture picture;
        struct affinity_mask mask;
        struct slice *slice;

        int r = slice_mask_parse(value, &mask);
        if (r >= 0)
                r = find_slice(state, object, &slice);
        if (r < 0)
                return r;
        r = connection_set(state->connection, index_of(state, slice), &mask, patience(state));
        connection_picture(state->connection, index_of(state, slice), &picture);
        slice->awaited = picture.pending;
        slice->postponed = is_passing(r) && !slice->awaited;
        if (is_passing(r))
                return r; /* reserve() asks again when it has passed */
        if (r < 0) {
                tell_refused(state, slice);
                return r;
        }
        note_set(slice, &mask, &picture.cpus);
        return slice_mask_format(&picture.cpus, ret_value, size);
}

static const struct iocore_knob knobs[] = {
        { .kind = KIND, .doc = "CPUs that the units of a slice may run on (AllowedCPUs), as a list; empty: not set", .get = cpus_get, .set = cpus_set },
};

/* --- what others do meanwhile */

/* The daemon looks again, and does not wait until it would have tried again by itself. */
static void take_late_answer(struct systemd_state *state, struct slice *slice, const struct slice_picture *picture) {
        bool came = slice_mask_equal(&picture->cpus, &slice->wanted);

        slice->awaited = false;
        state->services->log(state->context, LOG_INFO, "%s: systemd answered late: %s", slice->name, came ? "it is set" : "it is not set");
        if (came)
                note_set(slice, &slice->wanted, &picture->cpus);
        else if (picture->result < 0 && !is_passing(picture->result))
                tell_refused(state, slice);
        state->services->knob_changed(state->context, KIND, slice->name);
}

static void look_at(struct systemd_state *state, struct slice *slice, bool answers) {
        struct slice_picture picture;

        connection_picture(state->connection, index_of(state, slice), &picture);
        if (!picture.known || picture.pending)
                return;
        if (slice->awaited)
                take_late_answer(state, slice, &picture);
        else if (slice->postponed && answers) {
                slice->postponed = false;
                state->services->knob_changed(state->context, KIND, slice->name);
        } else if (slice->reserved && !slice->manual && !slice_mask_equal(&picture.cpus, &slice->set)) {
                slice->manual = true;
                state->services->knob_changed(state->context, KIND, slice->name);
        }
}

static void log_answers(struct systemd_state *state) {
        bool answers = connection_answers(state->connection);
        char text[IOCORE_REASON_MAX];

        if (answers == state->answered)
                return;
        state->answered = answers;
        connection_trouble(state->connection, text, sizeof text);
        if (answers)
                state->services->log(state->context, LOG_NOTICE, "systemd answers");
        else
                state->services->log(state->context, LOG_WARNING, "systemd does not answer (%s): slices stay as they are until it does", text);
}

static int systemd_announced(void *userdata) {
        struct systemd_state *state = userdata;

        if (!connection_news(state->connection))
                return 0;
        bool answers = connection_answers(state->connection);
        for (size_t i = 0; i < state->n_slices; i++)
                look_at(state, state->slices + i, answers);
        log_answers(state);
        return 1; /* what could not be reserved before may be now */
}

static int systemd_scan(void *userdata, bool thorough) {
        struct systemd_state *state = userdata;

        for (size_t i = 0; thorough && i < state->n_slices; i++)
                state->slices[i].refused = false;
        log_answers(state);
        return 0;
}

/* --- reserving */

struct masks {
        struct affinity_mask online, cores;
};

static void read_masks(const struct systemd_state *state, struct masks *ret) {
        int n_cpus = state->services->cpu_count(state->context);

        memset(ret, 0, sizeof *ret);
        for (int cpu = 0; cpu < n_cpus && cpu < AFFINITY_CPUS_MAX; cpu++) {
                if (state->services->cpu_online(state->context, cpu))
                        CPU_SET_S((size_t) cpu, sizeof ret->online.sets, ret->online.sets);
                if (state->services->cpu_is_io_core(state->context, cpu))
                        CPU_SET_S((size_t) cpu, sizeof ret->cores.sets, ret->cores.sets);
        }
}

static void tell(struct systemd_state *state, struct slice *slice, const char *text) {
        if (text[0] != '\0' || slice->told)
                state->services->tell(state->context, "not-isolated", slice->name, text);
        slice->told = text[0] != '\0';
}

static int reserve_slice(struct systemd_state *state, struct slice *slice, const struct masks *masks, iocore_want want, void *userdata) {
        char value[IOCORE_VALUE_MAX];
        struct slice_picture picture;
        struct affinity_mask wanted;

        connection_picture(state->connection, index_of(state, slice), &picture);
        if (!picture.known || picture.pending || slice->manual)
                return 0;
        if (!picture.loaded) {
                tell(state, slice, "systemd has no such slice loaded: nothing to keep off I/O cores");
                return 0;
        }
        if (!slice->reserved)
                slice->base = picture.cpus;
        if (slice_want(&slice->base, &masks->online, &masks->cores, &wanted) < 0) {
                tell(state, slice, "it is allowed nothing but I/O cores: left alone");
                return 0;
        }
        if (slice->refused && slice_mask_equal(&wanted, &slice->wanted))
                return 0;
        tell(state, slice, "");
        slice->refused = false;
        slice->wanted = wanted;
        if (slice_mask_equal(&wanted, &picture.cpus))
                return 0;
        int r = slice_mask_format(&wanted, value, sizeof value);
        return r < 0 ? r : want(userdata, KIND, slice->name, value);
}

static int systemd_reserve(void *userdata, iocore_want want, void *want_userdata) {
        struct systemd_state *state = userdata;
        struct masks masks;
        int error = 0;

        if (!connection_answers(state->connection))
                return 0;
        read_masks(state, &masks);
        /* what times out says that the others would, too */
        for (size_t i = 0; i < state->n_configured && connection_answers(state->connection); i++) {
                int r = reserve_slice(state, state->slices + i, &masks, want, want_userdata);
                if (r < 0 && error == 0)
                        error = r;
        }
        return error;
}

static void systemd_foreign(void *userdata, const char *kind, const char *object, enum iocore_foreign what) {
        struct systemd_state *state = userdata;

        for (size_t i = 0; i < state->n_slices && strcmp(kind, KIND) == 0; i++) {
                struct slice *slice = state->slices + i;
                if (strcmp(slice->name, object) != 0)
                        continue;
                slice->manual = what == IOCORE_FOREIGN_MANUAL;
                slice->reserved = slice->reserved && what == IOCORE_FOREIGN_CONTEST; /* else what it has is what it returns to */
        }
}

static void systemd_describe(void *userdata, void (*say)(void *userdata, const char *key, const char *value), void *say_userdata) {
        struct systemd_state *state = userdata;
        char text[IOCORE_VALUE_MAX] = "";
        size_t length = 0;

        if (!connection_answers(state->connection)) {
                say(say_userdata, "slices", "systemd does not answer");
                return;
        }
        for (size_t i = 0; i < state->n_configured && length < sizeof text; i++)
                length += (size_t) snprintf(text + length, sizeof text - length, "%s%s%s", i > 0 ? ", " : "", state->slices[i].name,
                                            state->slices[i].manual ? " (changed by somebody else, left alone)" : state->slices[i].told ? " (not reserved)" : "");
        if (length < sizeof text)
                snprintf(text + length, sizeof text - length, " by AllowedCPUs");
        say(say_userdata, "slices", text);
}

static const struct iocore_option options[] = {
        { OPTION, "slices that are kept off I/O cores" },
        { NULL, NULL },
};

__attribute__((visibility("default"))) extern const struct iocore_plugin iocore_plugin;

const struct iocore_plugin iocore_plugin = {
        .abi = IOCORE_PLUGIN_ABI,
        .size = sizeof(struct iocore_plugin),
        .name = "systemd",
        .doc = "slices of systemd, kept off I/O cores by AllowedCPUs",
        .rank = 90,
        .probe = systemd_probe,
        .open = systemd_open,
        .close = systemd_close,
        .scan = systemd_scan,
        .knobs = knobs,
        .n_knobs = sizeof knobs / sizeof *knobs,
        .announced = systemd_announced,
        .reserve = systemd_reserve,
        .describe = systemd_describe,
        .foreign = systemd_foreign,
        .options = options,
};

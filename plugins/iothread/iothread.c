/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "daemon/clock.h"
#include "iothread.h"

#define SCHEDSTAT_PATH "/proc/self/schedstat"

static int iothread_probe(const struct iocore_services *services, struct iocore_context *context, char *ret_reason, size_t size) {
        _cleanup_close_ int fd = services->open_path(context, SCHEDSTAT_PATH, O_RDONLY);
        if (fd >= 0)
                return 1;
        snprintf(ret_reason, size, "looked for %s: %s", SCHEDSTAT_PATH, strerror(-fd));
        return 0;
}

static void iothread_close(void *userdata) {
        struct iothread_state *state = userdata;

        iothread_forget_all(state);
        free(state);
}

static int iothread_open(const struct iocore_services *services, struct iocore_context *context, void **ret_state, char *ret_reason, size_t size) {
        const char *place = services->option(context, "place");

        if (place && strcmp(place, "yes") != 0 && strcmp(place, "no") != 0) {
                snprintf(ret_reason, size, "option place: \"%.64s\" is neither yes nor no", place);
                return -EINVAL;
        }
        struct iothread_state *state = calloc(1, sizeof *state);
        if (!state)
                return -ENOMEM;
        *state = (struct iothread_state) { .services = services, .context = context, .may_place = !place || strcmp(place, "yes") == 0 };
        int r = iothread_look(state);
        if (r < 0) {
                snprintf(ret_reason, size, "%s", strerror(-r));
                iothread_close(state);
                return r;
        }
        *ret_state = state;
        return 0;
}

static int iothread_scan(void *userdata, bool thorough) {
        struct iothread_state *state = userdata;
        const uint64_t now = monotonic_nsec();

        iothread_forget_ended(state, thorough);
        /* whoever waits for too long is told by no news */
        for (size_t i = 0; i < state->n; i++)
                iothread_check_place(state, state->entries[i], now);
        return iothread_look(state);
}

static int iothread_announced(void *userdata) {
        struct iothread_state *state = userdata;

        int r = iothread_look(state);
        bool changed = state->changed;
        state->changed = false;
        return r == -ENOMEM ? 0 : changed;
}

static void sample(struct iothread_state *state, struct iothread_entry *entry) {
        int r = thread_sample(entry->schedstat, monotonic_nsec(), entry->worker);
        if (r == -ESRCH)
                entry->ended = true;
        if (r >= 0 || r == -ESRCH || entry->told)
                return;
        state->services->log(state->context, LOG_WARNING, "%s: its schedstat cannot be read: load unknown", entry->worker->id);
        entry->told = true;
}

static int iothread_sample_workers(void *userdata) {
        struct iothread_state *state = userdata;

        for (size_t i = 0; i < state->n; i++)
                if (!state->entries[i]->ended)
                        sample(state, state->entries[i]);
        return 0;
}

static const struct iocore_option options[] = {
        { "place", "yes or no: may IOThreads be put onto I/O cores" },
        { NULL, NULL },
};

__attribute__((visibility("default"))) extern const struct iocore_plugin iocore_plugin;

const struct iocore_plugin iocore_plugin = {
        .abi = IOCORE_PLUGIN_ABI,
        .size = sizeof(struct iocore_plugin),
        .name = "iothread",
        .doc = "IOThreads of QEMU, moved through libvirt",
        .probe = iothread_probe,
        .open = iothread_open,
        .close = iothread_close,
        .scan = iothread_scan,
        .announced = iothread_announced,
        .sample_workers = iothread_sample_workers,
        .knobs = iothread_knobs,
        .n_knobs = 1,
        .place = iothread_place,
        .reserve = iothread_reserve,
        .options = options,
};

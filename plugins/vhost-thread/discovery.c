/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "daemon/clock.h"
#include "plugins/common/file-io.h"
#include "proc-visibility.h"
#include "search.h"

enum {
        /* A kernel thread is named by its maker, which goes on when kthreadd has made it: at the latest when it gets a CPU again. A worker then goes to its
         * owner's cgroup. */
        YOUNG_LOOKS = 10,
        /* All of /proc is looked at once in this time at most, however many events are lost; */
        LOOK_EVERYWHERE_USEC = 1000000,
        /* and not for more than a twentieth of the time: anybody can have ten thousand threads, and make events get lost by making more. */
        LOOK_EVERYWHERE_SHARE = 20,
};

static void remember_young(struct vhost_state *state, pid_t id, int looks) {
        for (size_t i = 0; i < state->n_young; i++)
                if (state->young[i].id == id)
                        return;
        if (state->n_young == ELEMENTSOF(state->young))
                state->look_everywhere = true;
        else if (looks > 0)
                state->young[state->n_young++] = (struct vhost_young) { id, looks };
}

static void unfinished(void *userdata, pid_t id) {
        remember_young(userdata, id, YOUNG_LOOKS);
}

static struct search make_search(struct vhost_state *state) {
        return (struct search) {
                .services = state->services,
                .context = state->context,
                .found = vhost_remember,
                /* A scan that follows soon anyway needs no list of what to look at again. */
                .unfinished = state->connector ? unfinished : NULL,
                .userdata = state,
                .patterns = state->patterns,
        };
}

int vhost_look_everywhere(struct vhost_state *state) {
        struct search search = make_search(state);

        search.any_cgroup = true; /* most are old */
        state->look_everywhere = false; /* before: the search may find that it is not enough */
        state->looked_everywhere = monotonic_usec();
        int r = search_everywhere(&search);
        state->look_took = monotonic_usec() - state->looked_everywhere;
        if (r < 0)
                state->look_everywhere = true;
        return r;
}

static bool may_look_everywhere(const struct vhost_state *state) {
        uint64_t pause = state->look_took * LOOK_EVERYWHERE_SHARE;
        return monotonic_usec() - state->looked_everywhere >= (pause > LOOK_EVERYWHERE_USEC ? pause : LOOK_EVERYWHERE_USEC);
}

void vhost_check_visibility(struct vhost_state *state) {
        char text[IOCORE_REASON_MAX] = "";

        (void) proc_is_hidden(state->services, state->context, text, sizeof text);
        if (strcmp(text, state->hidden) == 0)
                return;
        memcpy(state->hidden, text, sizeof state->hidden);
        state->services->tell(state->context, "discovery", "/proc", text);
}

/* --- what the connector tells */

static void look_at(struct vhost_state *state, pid_t process, pid_t id) {
        const struct search search = make_search(state);
        /* No memory: later, with all others. */
        if (search_look_at(&search, process, id) < 0)
                state->look_everywhere = true;
}

static void heard(void *userdata, const struct connector_event *event) {
        if (event->kind == CONNECTOR_BORN)
                look_at(userdata, event->process, event->thread);
        if (event->process != event->thread)
                guests_process_changed(userdata, event->process);
}

struct second_look {
        struct vhost_state *state;
        int looks;
};

static void still_unfinished(void *userdata, pid_t id) {
        struct second_look *second_look = userdata;
        remember_young(second_look->state, id, second_look->looks);
}

static int found_now(void *userdata, const struct vhost_thread *thread) {
        struct second_look *second_look = userdata;
        return vhost_remember(second_look->state, thread);
}

static void look_at_young(struct vhost_state *state) {
        struct vhost_young young[ELEMENTSOF(state->young)];
        size_t n = state->n_young;

        if (n == 0)
                return;
        memcpy(young, state->young, n * sizeof young[0]);
        state->n_young = 0;
        for (size_t i = 0; i < n; i++) {
                struct second_look second_look = { state, young[i].looks - 1 };
                struct search search = make_search(state);
                search.found = found_now;
                search.unfinished = still_unfinished;
                search.any_cgroup = second_look.looks == 0;
                search.userdata = &second_look;
                if (search_look_at(&search, young[i].id, young[i].id) < 0)
                        state->look_everywhere = true;
        }
}

static int listen(struct vhost_state *state) {
        look_at_young(state);
        int r = connector_drain(state->connector, heard, state);
        if (r == -ENOBUFS) {
                state->n_lost++;
                state->look_everywhere = true;
        } else if (r < 0) {
                state->connector = connector_close(state->connector);
                state->n_young = 0;
                snprintf(state->no_connector, sizeof state->no_connector, "%s", strerror(-r));
                return r;
        }
        if (state->look_everywhere && may_look_everywhere(state))
                (void) vhost_look_everywhere(state); /* a failure is tried again then */
        return 0;
}

int vhost_announced(void *userdata) {
        struct vhost_state *state = userdata;
        unsigned n_changes = state->n_changes;

        vhost_forget_ended(state);
        int r = state->connector ? listen(state) : 0;
        identity_refresh(state);
        if (r < 0)
                return r;
        return state->n_changes != n_changes;
}

/* --- what is told of it */

static void describe_workers(const struct vhost_state *state, char *ret, size_t size) {
        static const struct {
                enum thread_shape shape;
                const char *text;
        } shapes[] = {
                { THREAD_VHOST_KERNEL, "kernel threads" },
                { THREAD_VHOST_TASK, "threads of their owners" },
                { THREAD_PATTERN, "kernel threads of other drivers" },
        };
        size_t length = 0;

        snprintf(ret, size, "none yet");
        for (size_t i = 0; i < ELEMENTSOF(shapes); i++)
                for (size_t j = 0; j < state->n_threads; j++)
                        if (state->threads[j]->shape == shapes[i].shape) {
                                length += (size_t) snprintf(ret + length, size - length, "%s%s", length > 0 ? ", " : "", shapes[i].text);
                                break;
                        }
}

void vhost_describe(void *userdata, void (*say)(void *userdata, const char *key, const char *value), void *say_userdata) {
        struct vhost_state *state = userdata;
        char text[IOCORE_REASON_MAX + 64], value[16];

        if (!state->connector)
                snprintf(text, sizeof text, "a scan every %g s (process connector: %s)", (double) state->services->scan_interval(state->context) / 1e6, state->no_connector);
        else if (state->n_lost > 0)
                snprintf(text, sizeof text, "process connector (events were lost %u times, and all of /proc was looked at)", state->n_lost);
        else
                snprintf(text, sizeof text, "process connector");
        say(say_userdata, "discovery", text);
        if (state->hidden[0] != '\0')
                say(say_userdata, "hidden", state->hidden);
        describe_workers(state, text, sizeof text);
        say(say_userdata, "workers", text);
        say(say_userdata, "reservation", hands_describe(state));
        partition_describe(state, text, sizeof text);
        say(say_userdata, "reserved by", text);

        /* Linux 6.12.42 and 6.17 on: which of the two shapes new workers have, unless their owner chooses. */
        ssize_t length = file_read_path(state->services, state->context, "/sys/module/vhost/parameters/fork_from_owner_default", value, sizeof value);
        if (length > 0) {
                trim_end(value, (size_t) length);
                say(say_userdata, "fork_from_owner_default", value);
        }
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "vhost-thread.h"

enum {
        SCHEDSTAT_FILE_MAX = 80,
        /* One reading of the clock for so many threads: reading it for each took as long as reading the thread where the clock is no plain instruction. The last of them is
         * read some microseconds later than it says, and as much later in the next epoch. */
        CLOCK_EVERY = 16,
};

/* The old numbers stay in the model with their old clock: no load is made up. */
static void tell_unreadable(struct vhost_state *state, struct vhost_thread *thread) {
        if (!thread->told)
                state->services->log(state->context, LOG_WARNING, "%s: its schedstat cannot be read: load unknown", thread->worker->id);
        thread->told = true;
}

/* A thread that has ended fails with ESRCH; it is left as it is until it is removed. */
static void sample(struct vhost_state *state, struct vhost_thread *thread, uint64_t clock) {
        struct iocore_worker *worker = thread->worker;
        char text[SCHEDSTAT_FILE_MAX];
        struct thread_times times;

        ssize_t length = thread->schedstat < 0 ? 0 : pread(thread->schedstat, text, sizeof text - 1, 0);
        if (length < 0 && errno == ESRCH) {
                thread->ended = true;
                return;
        }
        text[length > 0 ? length : 0] = '\0';
        if (thread_parse_schedstat(text, &times) < 0) {
                tell_unreadable(state, thread);
                return;
        }
        worker->clock = clock;
        worker->busy = times.run;
        worker->wait = times.wait;
        worker->switches = times.switches;
}

int vhost_sample_workers(void *userdata) {
        struct vhost_state *state = userdata;
        uint64_t clock = 0;

        identity_new_epoch(state);
        for (size_t i = 0; i < state->n_threads; i++) {
                if (i % CLOCK_EVERY == 0)
                        clock = monotonic_nsec();
                if (!state->threads[i]->ended)
                        sample(state, state->threads[i], clock);
        }
        return 0;
}

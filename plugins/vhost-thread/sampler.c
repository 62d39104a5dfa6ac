/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "vhost-thread.h"

enum {
        /* One reading of the clock for so many threads: reading it for each took as long as reading the thread where the clock is no plain instruction. The last of them is
         * read some microseconds later than it says, and as much later in the next epoch. */
        CLOCK_EVERY = 16,
};

static void tell_unreadable(struct vhost_state *state, struct vhost_thread *thread) {
        if (!thread->told)
                state->services->log(state->context, LOG_WARNING, "%s: its schedstat cannot be read: load unknown", thread->worker->id);
        thread->told = true;
}

static void sample(struct vhost_state *state, struct vhost_thread *thread, uint64_t clock) {
        int r = thread_sample(thread->schedstat, clock, thread->worker);
        if (r == -ESRCH)
                thread->ended = true; /* it is left as it is until it is removed */
        else if (r < 0)
                tell_unreadable(state, thread);
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

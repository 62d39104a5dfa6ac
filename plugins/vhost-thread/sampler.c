/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "vhost-thread.h"

enum {
        SCHEDSTAT_FILE_MAX = 80,
        /* One reading of the clock for so many threads: reading it for each took as long as reading the thread where the clock is no plain instruction. The last of them is
         * read some microseconds later than it says, and as much later in the next epoch. */
        CLOCK_EVERY = 16,
};

static uint64_t monotonic_nsec(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

/* A thread that has ended fails with ESRCH; it is left as it is, and removed before the next sample is taken. */
int vhost_sample_workers(void *userdata) {
        struct vhost_state *state = userdata;
        uint64_t clock = 0;

        for (size_t i = 0; i < state->n_threads; i++) {
                struct vhost_thread *thread = state->threads[i];
                char text[SCHEDSTAT_FILE_MAX];
                uint64_t run, wait;

                if (i % CLOCK_EVERY == 0)
                        clock = monotonic_nsec();
                ssize_t length = thread->schedstat < 0 ? -EBADF : pread(thread->schedstat, text, sizeof text - 1, 0);
                if (length < 0 && thread->schedstat >= 0 && errno == ESRCH) {
                        thread->ended = true;
                        continue;
                }
                text[length > 0 ? length : 0] = '\0';
                if (thread_parse_schedstat(text, &run, &wait) < 0) {
                        if (!thread->told)
                                state->services->log(state->context, LOG_WARNING, "%s: its schedstat cannot be read: load unknown", thread->worker->id);
                        thread->told = true;
                        continue;
                }
                thread->worker->clock = clock;
                thread->worker->busy = run;
                thread->worker->wait = wait;
        }
        return 0;
}

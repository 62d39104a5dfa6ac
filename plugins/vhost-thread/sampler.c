/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "vhost-thread.h"

enum { SCHEDSTAT_FILE_MAX = 80 };

/* A thread that has ended fails with ESRCH; it is left as it is, and the next scan removes it. */
int vhost_sample_workers(void *userdata) {
        struct vhost_state *state = userdata;

        for (size_t i = 0; i < state->n_threads; i++) {
                struct vhost_thread *thread = state->threads[i];
                char text[SCHEDSTAT_FILE_MAX];
                struct timespec now;
                uint64_t run, wait;

                ssize_t length = thread->schedstat < 0 ? -EBADF : pread(thread->schedstat, text, sizeof text - 1, 0);
                if (length < 0 && thread->schedstat >= 0 && errno == ESRCH)
                        continue;
                text[length > 0 ? length : 0] = '\0';
                clock_gettime(CLOCK_MONOTONIC, &now);
                if (thread_parse_schedstat(text, &run, &wait) < 0) {
                        if (!thread->told)
                                state->services->log(state->context, LOG_WARNING, "%s: its schedstat cannot be read: load unknown", thread->worker->id);
                        thread->told = true;
                        continue;
                }
                thread->worker->clock = (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
                thread->worker->busy = run;
                thread->worker->wait = wait;
        }
        return 0;
}

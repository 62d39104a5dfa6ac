/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "connection-private.h"

static void lock(struct connection *connection) {
        pthread_mutex_lock(&connection->lock);
}

static void unlock(struct connection *connection) {
        pthread_mutex_unlock(&connection->lock);
}

static void wake(struct connection *connection) {
        (void) eventfd_write(connection->wake_fd, 1);
}

static struct timespec deadline(uint64_t usec) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        uint64_t nsec = (uint64_t) now.tv_nsec + usec % 1000000 * 1000;
        return (struct timespec) { .tv_sec = now.tv_sec + (time_t) (usec / 1000000 + nsec / 1000000000), .tv_nsec = (long) (nsec % 1000000000) };
}

/* Signals are the main thread's. */
static int start_thread(struct connection *connection) {
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = pthread_create(&connection->thread, NULL, conversation_run, connection);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return -r;
}

static void destroy(struct connection *connection) {
        closep(&connection->wake_fd);
        pthread_cond_destroy(&connection->changed);
        pthread_mutex_destroy(&connection->lock);
        free(connection);
}

int connection_open(struct connection **ret, char (*names)[IOCORE_NAME_MAX], size_t n, const struct affinity_mask *all_cpus) {
        pthread_condattr_t attributes;

        if (n > SLICES_MAX)
                return -E2BIG;
        struct connection *connection = calloc(1, sizeof *connection);
        if (!connection)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                memcpy(connection->slices[i].name, names[i], sizeof connection->slices[i].name);
        connection->n_slices = n;
        connection->all_cpus = *all_cpus;
        pthread_mutex_init(&connection->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&connection->changed, &attributes);
        pthread_condattr_destroy(&attributes);
        connection->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        int r = connection->wake_fd < 0 ? -errno : start_thread(connection);
        if (r < 0) {
                destroy(connection);
                return r;
        }
        *ret = connection;
        return 0;
}

struct connection *connection_close(struct connection *connection) {
        if (!connection)
                return NULL;
        lock(connection);
        connection->stop = true;
        unlock(connection);
        wake(connection);
        /* Bounded: the thread only ever waits in its loop, and leaves that at the end of its own bound. */
        pthread_join(connection->thread, NULL);
        destroy(connection);
        return NULL;
}

int connection_slice(struct connection *connection, const char *name) {
        int index = -E2BIG;

        if (!slice_name_is_valid(name))
                return -EINVAL;
        lock(connection);
        for (size_t i = 0; i < connection->n_slices; i++)
                if (strcmp(connection->slices[i].name, name) == 0)
                        index = (int) i;
        bool is_new = index < 0 && connection->n_slices < SLICES_MAX;
        if (is_new) {
                index = (int) connection->n_slices++;
                snprintf(connection->slices[index].name, sizeof connection->slices[index].name, "%s", name);
        }
        unlock(connection);
        if (is_new)
                wake(connection);
        return index;
}

static bool all_known(const struct connection *connection) {
        for (size_t i = 0; i < connection->n_slices; i++)
                if (!connection->slices[i].known)
                        return false;
        return true;
}

int connection_wait(struct connection *connection, uint64_t usec) {
        struct timespec end = deadline(usec);

        lock(connection);
        int r = 0;
        while (r == 0 && !all_known(connection))
                r = pthread_cond_timedwait(&connection->changed, &connection->lock, &end);
        bool known = all_known(connection);
        unlock(connection);
        return known ? 0 : -ETIMEDOUT;
}

void connection_picture(struct connection *connection, size_t slice, struct slice_picture *ret) {
        lock(connection);
        const struct shared_slice *shared = connection->slices + slice;
        /* What may yet happen is taken to have happened: so the journal goes on knowing it. */
        ret->pending = shared->abandoned;
        ret->result = shared->result;
        ret->known = shared->known;
        ret->loaded = shared->loaded;
        ret->cpus = shared->abandoned ? shared->asked : shared->cpus;
        unlock(connection);
}

int connection_set(struct connection *connection, size_t slice, const struct affinity_mask *mask, uint64_t usec) {
        struct shared_slice *shared = connection->slices + slice;
        struct timespec end = deadline(usec);

        lock(connection);
        if (!connection->answers || !shared->known || shared->stage != STAGE_NONE) {
                unlock(connection);
                return -EAGAIN;
        }
        shared->expected = shared->cpus;
        shared->asked = *mask;
        shared->stage = STAGE_QUEUED;
        unlock(connection);
        wake(connection);

        lock(connection);
        int r = 0;
        while (r == 0 && shared->stage != STAGE_DONE)
                r = pthread_cond_timedwait(&connection->changed, &connection->lock, &end);
        if (shared->stage == STAGE_DONE) {
                r = shared->result;
                shared->stage = STAGE_NONE;
        } else {
                r = -ETIMEDOUT;
                connection->answers = false;
                snprintf(connection->trouble, sizeof connection->trouble, "no answer within %llu ms", (unsigned long long) (usec / 1000));
                /* Also what the thread has not taken yet: on a host that is so busy the next request would wait as long, and this one is checked before anything is set. */
                shared->abandoned = true;
        }
        unlock(connection);
        return r;
}

bool connection_answers(struct connection *connection) {
        lock(connection);
        bool answers = connection->answers;
        unlock(connection);
        return answers;
}

bool connection_news(struct connection *connection) {
        return atomic_load_explicit(&connection->news, memory_order_relaxed) && atomic_exchange(&connection->news, false);
}

void connection_trouble(struct connection *connection, char *ret, size_t size) {
        lock(connection);
        snprintf(ret, size, "%s", connection->trouble);
        unlock(connection);
}

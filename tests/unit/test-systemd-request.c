/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The main thread's side of the talk with systemd, with a thread that gets no CPU for a while, as on a host that is overloaded: which no real one does when it is told to. */
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include <cmocka.h>

#include "plugins/systemd/connection-private.h"

/* Shorter than any wait of the plugin's. */
#define WAIT_USEC 10000u
#define SOON_SECONDS 20

/* Posted when the thread may go on. */
static sem_t may_run;

static void take_requests(struct connection *connection) {
        for (size_t i = 0; i < connection->n_slices; i++) {
                struct shared_slice *shared = connection->slices + i;
                if (shared->stage != STAGE_QUEUED)
                        continue;
                shared->cpus = shared->asked;
                shared->result = 0;
                shared->stage = shared->abandoned ? STAGE_NONE : STAGE_DONE;
                shared->abandoned = false;
                connection->answers = true;
                atomic_store(&connection->news, true);
        }
}

/* In place of conversation.c: a systemd that does all it is asked for, at once when the thread runs. */
void *conversation_run(void *userdata) {
        struct connection *connection = userdata;
        pthread_mutex_lock(&connection->lock);
        connection->answers = true;
        for (size_t i = 0; i < connection->n_slices; i++)
                connection->slices[i].known = connection->slices[i].loaded = true;
        pthread_cond_broadcast(&connection->changed);
        pthread_mutex_unlock(&connection->lock);
        sem_wait(&may_run);
        for (bool stop = false; !stop;) {
                pthread_mutex_lock(&connection->lock);
                take_requests(connection);
                stop = connection->stop;
                pthread_cond_broadcast(&connection->changed);
                pthread_mutex_unlock(&connection->lock);
                struct pollfd fd = { .fd = connection->wake_fd, .events = POLLIN };
                eventfd_t value;
                if (!stop && poll(&fd, 1, SOON_SECONDS * 1000) > 0)
                        (void) eventfd_read(connection->wake_fd, &value);
        }
        return NULL;
}

static void await_news(struct connection *connection) {
        for (int i = 0; i < SOON_SECONDS * 100; i++) {
                if (connection_news(connection))
                        return;
                nanosleep(&(struct timespec) { .tv_nsec = 10 * 1000 * 1000 }, NULL);
        }
        fail_msg("nothing new");
}

static void what_the_thread_did_not_come_to_is_done_when_it_does(void **state) {
        char names[1][IOCORE_NAME_MAX] = { "system.slice" };
        struct affinity_mask all, asked, other;
        struct slice_picture picture;
        struct connection *connection;
        (void) state;
        assert_int_equal(sem_init(&may_run, 0, 0), 0);
        assert_int_equal(slice_mask_parse("0-7", &all), 0);
        assert_int_equal(slice_mask_parse("0-6", &asked), 0);
        assert_int_equal(slice_mask_parse("0-5", &other), 0);
        assert_int_equal(connection_open(&connection, names, 1, &all), 0);
        assert_int_equal(connection_wait(connection, SOON_SECONDS * 1000000u), 0);

        assert_int_equal(connection_set(connection, 0, &asked, WAIT_USEC), -ETIMEDOUT);
        connection_picture(connection, 0, &picture);
        assert_true(picture.pending);
        assert_true(slice_mask_equal(&picture.cpus, &asked)); /* it may yet happen */
        assert_false(connection_answers(connection));
        assert_int_equal(connection_set(connection, 0, &other, WAIT_USEC), -EAGAIN);

        sem_post(&may_run);
        await_news(connection);
        connection_picture(connection, 0, &picture);
        assert_false(picture.pending);
        assert_int_equal(picture.result, 0);
        assert_true(slice_mask_equal(&picture.cpus, &asked));
        assert_int_equal(connection_set(connection, 0, &other, SOON_SECONDS * 1000000u), 0);
        connection_close(connection);
        sem_destroy(&may_run);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(what_the_thread_did_not_come_to_is_done_when_it_does) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

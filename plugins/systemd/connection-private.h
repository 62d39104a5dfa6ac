/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What connection.c (the main thread's side) and conversation.c (the thread's) share. */
#ifndef CONNECTION_PRIVATE_H
#define CONNECTION_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "connection.h"

enum stage {
        STAGE_NONE,
        STAGE_QUEUED,   /* by the main thread; nothing has been sent */
        STAGE_CHECKING, /* is it still as the main thread knows it? */
        STAGE_SETTING,  /* SetUnitProperties() is sent, and a read after it */
        STAGE_DONE,     /* `result` is to be fetched by the main thread */
};

struct shared_slice {
        char name[IOCORE_NAME_MAX];
        bool known, loaded;
        struct affinity_mask cpus;

        enum stage stage;
        bool abandoned; /* the main thread waits no longer */
        struct affinity_mask expected, asked;
        int result;
};

struct connection {
        pthread_t thread;
        int wake_fd; /* eventfd: the main thread has something for the thread */
        struct affinity_mask all_cpus;

        pthread_mutex_t lock; /* for all below */
        pthread_cond_t changed;
        struct shared_slice slices[SLICES_MAX];
        size_t n_slices; /* only grows */
        bool answers, stop;
        char trouble[IOCORE_REASON_MAX];

        atomic_bool news;
};

/* The thread: a connection to the system bus, and a loop that ends after `stop`. */
void *conversation_run(void *userdata);

#endif

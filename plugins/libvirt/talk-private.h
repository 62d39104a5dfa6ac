/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the main thread's side (talk.c, requests.c) and the threads (talker.c, hand.c, loop.c) share. */
#ifndef LIBVIRT_TALK_PRIVATE_H
#define LIBVIRT_TALK_PRIVATE_H

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <stdatomic.h>

#include "talk.h"

enum stage { STAGE_QUEUED, STAGE_ASKED, STAGE_ANSWERED };

struct request {
        struct request *next;
        struct question question;
        char *value; /* question.value is this */
        enum stage stage;
        bool abandoned; /* nobody waits for it */
        uint64_t asked_usec, answered_usec;
        int result;
        uint64_t serial;
        char *text; /* what holds now, or why not; NULL: "" */
};

/* libvirt's daemons take five calls of one client at a time (max_client_requests); one is for the talker, and one for keeping the connection alive. */
enum { HANDS = 3 };

/* A guest makes events as often as it likes (it reboots, its agent comes and goes): so often in a second its domain is looked at because of them, at most. */
#define LOOKS_PER_SECOND 10
/* So much may wait for the main thread; of what a guest can make no more is kept then, and all domains are looked at anew. */
#define NEWS_MAX 10000

/* A domain that is to be looked at, or was in the last second. */
struct look {
        char uuid[UUID_SIZE];
        bool wanted;
        unsigned n; /* looks since */
        uint64_t since_usec;
};

/* A thread that calls libvirt: since when it waits for an answer, 0: it does not. */
struct caller {
        pthread_t thread;
        bool runs;
        atomic_uint_fast64_t since_usec;
        bool told; /* that it waits too long; the loop's own */
};

struct talk {
        char *uri;
        int root;
        uint64_t resync_usec;
        int wake_fd; /* eventfd: ends the loop's turn */
        struct caller loop, talker, hands[HANDS];

        atomic_bool news_waits;

        pthread_mutex_t lock; /* for all below */
        pthread_cond_t changed;
        unsigned references; /* of the main thread and the threads */
        bool stop;
        bool lost;              /* the connection ended */
        bool tried;             /* a first attempt to connect has ended */
        virConnectPtr connection; /* the talker's; others take a reference */
        struct talk_status status;
        uint64_t serial;        /* of the last event or answer */

        struct news *first_news, **end_of_news;
        size_t n_news;
        struct request *requests, **end_of_requests; /* the oldest first */
        void *awaited;       /* tree: those that somebody waits for, by what they are about */
        size_t n_abandoned;  /* the others */
        uint64_t next_forget_usec;
        struct look *looks; /* in the order in which they were wanted first */
        size_t n_looks, n_looks_allocated;
        uint64_t next_resync_usec;
};

uint64_t talk_now(void); /* monotonic, usec */
void talk_lock(struct talk *talk);
void talk_unlock(struct talk *talk);
/* With the lock: waits until something changed, or `until` (monotonic, usec). */
void talk_pause(struct talk *talk, uint64_t until);
bool talk_stops(struct talk *talk);
/* The last of them frees. */
void talk_unref(struct talk *talk);

/* With the lock. A domain that is to be looked at now, and no longer wanted then; false: none is, and *ret_next is when one will be (UINT64_MAX: never). */
bool looks_take(struct talk *talk, char *ret_uuid, uint64_t *ret_next);

/* With the lock. The oldest that can be asked now; NULL: none. */
struct request *next_request(struct talk *talk);
void requests_free(struct talk *talk);

/* NULL: out of memory. */
struct news *news_new(enum news_kind kind, const char *uuid, const char *text);
/* NULL is nothing to tell. Without the lock. */
void talk_tell(struct talk *talk, struct news *news);

/* The last error of libvirt in this thread, as -errno; ret_text (NULL, or of SIZE) in its words. */
int libvirt_error(char *ret_text, size_t size);
static inline void call_begin(struct caller *caller) { atomic_store(&caller->since_usec, talk_now()); }
static inline void call_end(struct caller *caller) { atomic_store(&caller->since_usec, 0); }

/* The threads. */
void *loop_run(void *userdata);
void *talker_run(void *userdata);
void *hand_run(void *userdata);

/* Registers for all events that the driver has; `ret_ids`: EVENTS_MAX, those that it has not are -1. */
enum { EVENTS_MAX = 16 };
void events_register(struct talk *talk, virConnectPtr connection, int *ret_ids);
void events_deregister(virConnectPtr connection, const int *ids);

/* Whole-library set-up, once in a process: libvirt has one event loop. 0 or -EIO. */
int library_set_up(void);

#endif

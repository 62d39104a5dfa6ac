/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The main thread's side. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "talk-private.h"

#define CLOSE_USEC (2 * 1000 * 1000ULL)

uint64_t talk_now(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

void talk_lock(struct talk *talk) {
        pthread_mutex_lock(&talk->lock);
}

void talk_unlock(struct talk *talk) {
        pthread_mutex_unlock(&talk->lock);
}

static struct timespec to_timespec(uint64_t usec) {
        return (struct timespec) { .tv_sec = (time_t) (usec / 1000000), .tv_nsec = (long) (usec % 1000000 * 1000) };
}

void talk_pause(struct talk *talk, uint64_t until) {
        struct timespec end = to_timespec(until);
        (void) pthread_cond_timedwait(&talk->changed, &talk->lock, &end);
}

bool talk_stops(struct talk *talk) {
        talk_lock(talk);
        bool stop = talk->stop;
        talk_unlock(talk);
        return stop;
}

/* --- news */

struct news *news_new(enum news_kind kind, const char *uuid, const char *text) {
        struct news *news = calloc(1, sizeof *news);

        if (!news)
                return NULL;
        news->kind = kind;
        news->text = text ? strdup(text) : NULL;
        if (text && !news->text) {
                free(news);
                return NULL;
        }
        if (uuid)
                snprintf(news->uuid, sizeof news->uuid, "%s", uuid);
        return news;
}

struct news *news_free(struct news *news) {
        struct news *next = news->next;

        description_free(news->description);
        free(news->name);
        free(news->text);
        free(news);
        return next;
}

void talk_tell(struct talk *talk, struct news *news) {
        if (!news)
                return;
        talk_lock(talk);
        if (talk->n_news >= NEWS_MAX && (news->kind == NEWS_EVENT || news->kind == NEWS_MEMORY || news->kind == NEWS_STATE)) {
                talk->next_resync_usec = 0;
                pthread_cond_broadcast(&talk->changed);
                talk_unlock(talk);
                news_free(news);
                return;
        }
        *talk->end_of_news = news;
        talk->end_of_news = &news->next;
        talk->n_news++;
        talk_unlock(talk);
        atomic_store(&talk->news_waits, true);
}

bool talk_has_news(const struct talk *talk) {
        return atomic_load_explicit(&talk->news_waits, memory_order_relaxed);
}

struct news *talk_take_news(struct talk *talk) {
        atomic_store(&talk->news_waits, false);
        talk_lock(talk);
        struct news *news = TAKE_PTR(talk->first_news);
        talk->end_of_news = &talk->first_news;
        talk->n_news = 0;
        talk_unlock(talk);
        return news;
}

void talk_status(struct talk *talk, struct talk_status *ret) {
        talk_lock(talk);
        *ret = talk->status;
        talk_unlock(talk);
}

/* --- opening and closing */

static void destroy(struct talk *talk) {
        while (talk->first_news)
                talk->first_news = news_free(talk->first_news);
        requests_free(talk);
        closep(&talk->wake_fd);
        closep(&talk->root);
        pthread_cond_destroy(&talk->changed);
        pthread_mutex_destroy(&talk->lock);
        free(talk->looks);
        free(talk->uri);
        free(talk);
}

void talk_unref(struct talk *talk) {
        talk_lock(talk);
        bool last = --talk->references == 0;
        talk_unlock(talk);
        if (last)
                destroy(talk);
}

static int start(struct talk *talk, struct caller *caller, void *(*run)(void *userdata)) {
        talk_lock(talk);
        talk->references++;
        talk_unlock(talk);
        int r = pthread_create(&caller->thread, NULL, run, talk);
        if (r != 0) {
                talk_unref(talk);
                return -r;
        }
        caller->runs = true;
        return 0;
}

/* Signals are the main thread's. */
static int start_threads(struct talk *talk) {
        sigset_t all, before;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = start(talk, &talk->loop, loop_run);
        if (r >= 0)
                r = start(talk, &talk->talker, talker_run);
        for (size_t i = 0; i < HANDS && r >= 0; i++)
                r = start(talk, &talk->hands[i], hand_run);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return r;
}

static struct talk *talk_new(const char *uri, int root_fd, uint64_t resync_usec) {
        struct talk *talk = calloc(1, sizeof *talk);
        pthread_condattr_t attributes;

        if (!talk) {
                close(root_fd);
                return NULL;
        }
        *talk = (struct talk) { .uri = strdup(uri), .root = root_fd, .resync_usec = resync_usec, .references = 1, .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
        talk->end_of_news = &talk->first_news;
        talk->end_of_requests = &talk->requests;
        pthread_mutex_init(&talk->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&talk->changed, &attributes);
        pthread_condattr_destroy(&attributes);
        return talk;
}

int talk_open(struct talk **ret, const char *uri, int root_fd, uint64_t resync_usec) {
        struct talk *talk = talk_new(uri, root_fd, resync_usec);

        if (!talk)
                return -ENOMEM;
        int r = !talk->uri || talk->wake_fd < 0 ? -ENOMEM : library_set_up();
        if (r >= 0)
                r = start_threads(talk);
        if (r < 0) {
                talk_close(talk);
                return r;
        }
        *ret = talk;
        return 0;
}

/* One that waits for a libvirt that hangs is left alone: it frees what it uses when that answers. */
static void end(struct caller *caller, uint64_t until) {
        /* pthread_timedjoin_np() takes the time of day */
        uint64_t now = talk_now(), left = until > now ? until - now : 0;
        struct timespec today;

        if (!caller->runs)
                return;
        clock_gettime(CLOCK_REALTIME, &today);
        struct timespec bound = to_timespec((uint64_t) today.tv_sec * 1000000 + (uint64_t) today.tv_nsec / 1000 + left);
        if (pthread_timedjoin_np(caller->thread, NULL, &bound) != 0)
                (void) pthread_detach(caller->thread);
        caller->runs = false;
}

struct talk *talk_close(struct talk *talk) {
        if (!talk)
                return NULL;
        uint64_t until = talk_now() + CLOSE_USEC;
        talk_lock(talk);
        talk->stop = true;
        pthread_cond_broadcast(&talk->changed);
        talk_unlock(talk);
        /* The loop last: what the others wait for comes through it. */
        for (size_t i = 0; i < HANDS; i++)
                end(&talk->hands[i], until);
        end(&talk->talker, until);
        (void) eventfd_write(talk->wake_fd, 1);
        end(&talk->loop, until);
        talk_unref(talk);
        return NULL;
}

int talk_wait(struct talk *talk, uint64_t usec) {
        uint64_t until = talk_now() + usec;

        talk_lock(talk);
        while (!talk->status.listed && !(talk->tried && !talk->status.connected) && talk_now() < until)
                talk_pause(talk, until);
        int r = talk->status.listed ? 0 : talk->tried && !talk->status.connected ? -ENOTCONN : -ETIMEDOUT;
        talk_unlock(talk);
        return r;
}

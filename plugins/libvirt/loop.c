/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's event loop, and a look once a second at whether the other threads are waiting for too long. */
#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>

#include "talk-private.h"

#define LOOK_EVERY_MSEC 1000
/* As the keepalive of the connection has it, for what has none: see talker.c. */
#define HUNG_USEC (5 * 1000 * 1000ULL)
/* After a turn that failed, so that a loop which cannot run does not spin. */
#define FAILED_PAUSE_NSEC (100 * 1000 * 1000)

static void say_nothing(void *userdata, virErrorPtr error) {
        (void) userdata, (void) error; /* each is told by whoever asked, instead of to stderr */
}

static int set_up_result;

/* The event loop and the function for errors are the library's own, one for a process and for ever. */
static void set_up(void) {
        if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
                set_up_result = -EIO;
        virSetErrorFunc(NULL, say_nothing);
}

int library_set_up(void) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        (void) pthread_once(&once, set_up);
        return set_up_result;
}

static void on_wake(int watch, int fd, int events, void *userdata) {
        eventfd_t value;

        (void) watch, (void) events, (void) userdata;
        (void) eventfd_read(fd, &value);
}

/* Of the talker alone: who sets something learns by itself that it takes long. */
static void look(int timer, void *userdata) {
        struct talk *talk = userdata;
        uint64_t since = atomic_load(&talk->talker.since_usec);
        bool hung = since > 0 && talk_now() - since > HUNG_USEC;

        (void) timer;
        if (hung == talk->talker.told)
                return;
        talk->talker.told = hung;
        talk_lock(talk);
        talk->status.answers = !hung;
        if (hung)
                snprintf(talk->status.trouble, sizeof talk->status.trouble, "no answer for %llu s", (unsigned long long) (HUNG_USEC / 1000000));
        talk_unlock(talk);
        talk_tell(talk, news_new(hung ? NEWS_AWAY : NEWS_ANSWERS, NULL, NULL));
}

void *loop_run(void *userdata) {
        struct talk *talk = userdata;
        int watch = virEventAddHandle(talk->wake_fd, VIR_EVENT_HANDLE_READABLE, on_wake, NULL, NULL);
        int timer = virEventAddTimeout(LOOK_EVERY_MSEC, look, talk, NULL);

        while (!talk_stops(talk))
                if (virEventRunDefaultImpl() < 0)
                        (void) nanosleep(&(struct timespec) { .tv_nsec = FAILED_PAUSE_NSEC }, NULL);
        if (watch >= 0)
                (void) virEventRemoveHandle(watch);
        if (timer >= 0)
                (void) virEventRemoveTimeout(timer);
        talk_unref(talk);
        return NULL;
}

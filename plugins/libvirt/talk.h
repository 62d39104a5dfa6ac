/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The talk with libvirt, in threads of its own: a loop for its events, a talker for what is asked about domains, and hands for what is to be set, which may have to wait for a
 * hypervisor itself. A libvirt that hangs delays none but them. All functions here are for the main thread; none waits, unless it says so.
 */
#ifndef LIBVIRT_TALK_H
#define LIBVIRT_TALK_H

#include "description.h"

struct talk;

enum news_kind {
        NEWS_STARTED_LISTING, /* connected: what comes until NEWS_LISTED is all that there is */
        NEWS_LISTED,
        NEWS_AWAY,        /* the connection ended, or nothing is heard any more; `text` says why */
        NEWS_ANSWERS,     /* what was asked for long is answered after all */
        NEWS_DESCRIPTION, /* `description`, which the main thread may take */
        NEWS_GONE,        /* there is no such domain any more */
        NEWS_STATE,       /* its `state`, by an event; `event` and `text` as in domain_event() */
        NEWS_EVENT,       /* `event` and `text` as in domain_event() */
        NEWS_MEMORY,      /* `number`: KiB that it has now */
        NEWS_TUNED,       /* somebody set `kind` of thread `number` to the CPUs in `text`; it may have been us */
        NEWS_ANSWERED,    /* a question that nobody waits for any more was answered: `kind`, `number`, and in `text` what is set now, "" when that is not known */
};

enum question_kind { ASK_VCPU_CPUS, ASK_EMULATOR_CPUS, ASK_IOTHREAD_CPUS, ASK_IOTHREAD_POLL, ASK_IOTHREAD_GROW, ASK_IOTHREAD_SHRINK, ASK_NODESET, ASK_WISH, ASK_IOTHREADS };

/* How an IOThread polls: three values, in the order of their questions. */
enum { POLL_VALUES = 3 };
static inline bool kind_is_polling(enum question_kind kind) { return kind >= ASK_IOTHREAD_POLL && kind <= ASK_IOTHREAD_SHRINK; }

struct news {
        struct news *next;
        enum news_kind kind;
        char uuid[UUID_SIZE];
        uint64_t serial; /* of the event; with NEWS_ANSWERED, of the answer */
        enum iocore_domain_state state;
        const char *event;
        enum question_kind question;
        uint64_t number;
        struct description *description;
        char *name; /* of the domain, with NEWS_STATE; NULL: not told */
        char *text; /* NULL: "" */
};

struct talk_status {
        bool connected, writable, listed, answers;
        char trouble[IOCORE_REASON_MAX];   /* why it is not connected, or does not answer */
        char read_only[IOCORE_REASON_MAX]; /* why nothing can be set, in libvirt's words */
};

struct question {
        enum question_kind kind;
        char uuid[UUID_SIZE];
        int id;               /* libvirt's number of the running domain that is meant; -1: whether it runs or not */
        unsigned number;      /* of the vCPU or IOThread */
        const char *value;
};

/* `root_fd` is taken, also on failure. 0; -ENOMEM; -errno of a thread; -EIO: libvirt's library refused to start. */
int talk_open(struct talk **ret, const char *uri, int root_fd, uint64_t resync_usec);
/* Ends the threads, but does not wait longer than two seconds for one that waits for libvirt: that one ends whenever libvirt answers. */
struct talk *talk_close(struct talk *talk);
/* Waits until all domains are known, or until that has failed. 0; -ETIMEDOUT; -ENOTCONN. */
int talk_wait(struct talk *talk, uint64_t usec);

/* Is there news? One load. */
bool talk_has_news(const struct talk *talk);
/* All of it, the oldest first; NULL: none. */
struct news *talk_take_news(struct talk *talk);
struct news *news_free(struct news *news); /* one; returns the next */
void talk_status(struct talk *talk, struct talk_status *ret);
/* Asks for this domain to be looked at again. */
void talk_look(struct talk *talk, const char *uuid);

/* Asks how the IOThreads of a running domain poll, unless that is being asked: each value comes as a NEWS_ANSWERED of its kind. */
void talk_read_polling(struct talk *talk, const char *uuid, int id);

/*
 * Asks for something to be set, or what became of that; waits at most `usec` for the answer. Returns 0: done, and ret_text is what holds now, and in
 * all descriptions that are not older than *ret_serial; -EINPROGRESS (with `usec` 0): not answered yet, to
 * be called again with the same; -ETIMEDOUT: not answered within `usec`, or 10 s: nobody waits for it any more, and if it had begun NEWS_ANSWERED will tell what came of it; -ENOTCONN:
 * not connected; -EROFS: connected read-only; -ENOENT: no such domain or thread (any more); -EINVAL, -EACCES, -EOPNOTSUPP, -EBUSY, -EEXIST, -EIO: refused, ret_text says why in libvirt's words.
 */
int talk_ask(struct talk *talk, const struct question *question, uint64_t usec, char *ret_text, size_t size, uint64_t *ret_serial);
/* Is a question about this open, which nobody waits for? Then what was asked for. ret: IOCORE_VALUE_MAX bytes. */
bool talk_is_abandoned(struct talk *talk, const struct question *question, char *ret);

#endif

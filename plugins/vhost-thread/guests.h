/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests: the processes that own vhost workers or run virtual CPUs, and their threads, which have to leave I/O cores. vhost workers are not among them.
 * Nothing is read of them while there is no I/O core and nothing to give back, but by thorough scans.
 */
#ifndef GUESTS_H
#define GUESTS_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "affinity.h"
#include "plugins/iocore-plugin.h"
#include "thread-info.h"

struct vhost_state;
struct vhost_thread;

/* One thread of a guest. Masks of threads are only believed while `read` is set. */
struct guest_thread {
        pid_t id;
        uint64_t start_time;
        bool vcpu;     /* named "CPU N/KVM" */
        bool fixed;    /* the kernel lets nobody change its mask (PF_NO_SETAFFINITY) */
        bool listed;   /* found by the listing that is being made */
        bool read;
        bool reserved; /* iocored gave it another mask than its base */
        bool covered;  /* born with its leader's mask after that was changed: process.cpus takes it along, nothing else is journaled for it */
        bool foreign;  /* somebody else changed what iocored had set: left alone from then on */
        bool undecided; /* the daemon has not said yet whose it is */
        bool told;     /* that it stays on an I/O core */
        bool narrowed; /* its cpuset allows but a part of what iocored set */
        bool settle;   /* the journal is to be told what it has now */
        int set_error; /* what came of setting it last; 0 or -errno */
        unsigned asked;             /* the generation of guests in which it was last asked for */
        unsigned n_resets, n_pause; /* how often the kernel took its mask away in a row; scans to wait before it is set again */
        uint64_t cpuset;            /* cpuset_mark() when the mask was set */
        struct affinity_mask base;  /* what it has without iocored */
        struct affinity_mask held;  /* what iocored set last, or its base: with CPUs that are offline */
        struct affinity_mask seen;  /* what sched_getaffinity() told last */
};

struct guest {
        pid_t id;
        uint64_t start_time;
        uint64_t since;   /* clock ticks since boot when iocored first took CPUs from it; 0: it has not */
        bool changed;     /* its threads are to be listed again */
        unsigned n_skips; /* refreshes in which they are not, because they are so many */
        bool owner;       /* of a vhost worker */
        bool pinned;      /* each of its virtual CPUs is bound by hand to one CPU: left alone altogether */
        bool told_pinned;
        struct guest_thread *threads; /* in order of id */
        size_t n_threads, n_allocated;
};

struct guests {
        struct guest **guests; /* in order of id */
        size_t n, n_allocated;
        pid_t *candidates;     /* processes whose threads appeared or were renamed: to be looked at */
        size_t n_candidates;
        bool search;           /* all processes are to be looked at */
        bool crowded;          /* there were more candidates than that: all processes, when that may be */
        uint64_t searched, search_took; /* when they were looked at last, and how long that took; monotonic usec */
        bool pending;          /* something may have to be asked for by reserve() */
        unsigned generation;   /* raised when what was refused may be asked for again */
        size_t n_reserved;     /* threads with reserved or covered set */
        bool active;           /* in the last reserve() there were I/O cores */
        unsigned *n_pinned;    /* by CPU: what cpu_pinned() was told last */
        uint64_t online;       /* a mark of the CPUs that were online at the last scan */
};

enum { GUEST_CANDIDATES_MAX = 256, GUEST_PATH_MAX = 80 };

/* guests-search.c */

/* Threads of this process appeared or were renamed: it is looked at by the next scan. Costs next to nothing, and nothing at all while there is no I/O core. For
 * a process that is no guest, too. */
void guests_process_changed(struct vhost_state *state, pid_t process);
/* Adds the guests among the candidates, or among all processes where that is due. 0; -ENOMEM. */
int guests_search(struct vhost_state *state);

/* 0, also when it is known, or gone; -ENOMEM. */
int guests_add(struct vhost_state *state, pid_t process);
/* All are listed, and searched for, by the next refresh. */
void guests_change_all(struct vhost_state *state);
/* NULL: it cannot be opened, or there is no memory. */
DIR *guest_open_directory(struct vhost_state *state, const char *path);
/* A vhost worker is new in the model: one that inherited a mask that iocored made narrower gets the one that its owner has without iocored, before that is
 * taken for its own. Changes nothing while nothing is reserved. */
void guests_worker_born(struct vhost_state *state, const struct vhost_thread *worker);

/* 0; -ENOMEM. */
int guests_open(struct vhost_state *state);
void guests_close(struct vhost_state *state);
/* To be called by each scan after the workers are known. 0; -ENOMEM. */
int guests_scan(struct vhost_state *state, bool thorough);
/* Lists the threads of what has changed, and looks for guests where that is due. 0; -ENOMEM. */
int guests_refresh(struct vhost_state *state);

/* NULL: no guest. */
struct guest *guests_find(const struct vhost_state *state, pid_t process);
struct guest_thread *guest_thread_find(const struct guest *guest, pid_t id);
/* The guest that has this thread; NULL: none. */
struct guest *guests_of_thread(const struct vhost_state *state, pid_t id, struct guest_thread **ret_thread);
static inline bool guest_is_leader(const struct guest *guest, const struct guest_thread *thread) {
        return thread->id == guest->id;
}
/* Knows from now on that iocored gave it this mask, or its base again. */
void guest_thread_set_held(struct vhost_state *state, struct guest_thread *thread, const struct affinity_mask *held);
/* The same when somebody else did: that is its base now. */
void guest_thread_set_base(struct vhost_state *state, struct guest_thread *thread, const struct affinity_mask *base);

/* reserve.c: the name of the thread's knob, process.cpus for a leader */
void guest_object_name(const struct guest *guest, const struct guest_thread *thread, char *ret, size_t size);
/* Tells that a thread stays where it must not be, and why; NULL: it does no longer. */
void guest_tell(struct vhost_state *state, const struct guest *guest, struct guest_thread *thread, const char *why);
void guest_tell_pinned(struct vhost_state *state, struct guest *guest, bool pinned);

/* watch.c: the thread has what somebody else set, and this is to be made of it; nothing is set on the thread itself. */
void guest_thread_is_foreign(struct vhost_state *state, struct guest *guest, struct guest_thread *thread, enum iocore_foreign what);

/* watch.c: compares what the threads of guests and the workers have with what was set last. */
void watch_masks(struct vhost_state *state, bool thorough);

/* Is this the name of a virtual CPU's thread, as QEMU calls them ("CPU 0/KVM")? */
bool guest_is_vcpu_name(const char *name);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * IOThreads of QEMU as units and workers. What they are and which CPUs they may use is told by whoever knows domains (libvirt), and it alone sets their CPUs, which takes a while:
 * so "unit.place" is where an IOThread should be, known at once, and reserve() wants its knob "iothread.cpus" to be that, until it is.
 */
#ifndef IOTHREAD_H
#define IOTHREAD_H

#include "plugins/iocore-plugin.h"
#include "plugins/vhost-thread/affinity.h"
#include "plugins/vhost-thread/thread-info.h"

struct iothread_entry {
        pid_t process, tid;
        uint64_t start_time;
        int schedstat; /* fd, or -1 */
        struct iocore_worker *worker;
        struct iocore_unit *unit;
        char knob[IOCORE_NAME_MAX];
        char *cpus;        /* that it may use now, as was told; "" unknown */
        int only;          /* the one CPU of `cpus`; IOCORE_CPU_ANY when it has more */
        bool by_hand;      /* `cpus` are what its owner gave it */
        char *home;        /* what it had before it was placed; NULL: it was not */
        int place;         /* the I/O core where it should be; IOCORE_CPU_ANY: none */
        bool returning;    /* it should be at home, and is not yet */
        uint64_t since;    /* when it should first have been there, in nsec of the monotonic clock; 0: it is there */
        uint64_t blocked_until;
        uint64_t turn;     /* in which it was told of */
        bool ended, told;
};

struct iothread_state {
        const struct iocore_services *services;
        struct iocore_context *context;
        struct iothread_entry **entries; /* by tid */
        size_t n, n_allocated;
        uint64_t told;     /* see each_iothread() */
        uint64_t turn;     /* counts the times that it was asked */
        bool out_of_memory;
        bool changed;      /* something came, went, or goes somewhere else since announced() said so */
        bool may_place;    /* option "place" */
};

/* --- inventory.c */

/* Takes what is told of IOThreads, if that is news. 0 or -ENOMEM. */
int iothread_look(struct iothread_state *state);
/* Forgets those that have ended (`thorough`: looks for them), and has all told anew if there are any. */
void iothread_forget_ended(struct iothread_state *state, bool thorough);
void iothread_forget_all(struct iothread_state *state);
/* NULL: no such unit. */
struct iothread_entry *iothread_find(const struct iothread_state *state, const char *unit);

/* --- place.c */

/* What is told of its CPUs has changed, or time has gone by: is it where it should be? */
void iothread_check_place(struct iothread_state *state, struct iothread_entry *entry, uint64_t now);
/* It goes nowhere any more: somebody else said where it is to be. */
void iothread_give_up_place(struct iothread_entry *entry);
int iothread_place(void *userdata, const struct iocore_unit *unit, int cpu, char *ret_value, size_t size);
int iothread_reserve(void *userdata, iocore_want want, void *want_userdata);
extern const struct iocore_knob iothread_knobs[1];

#endif

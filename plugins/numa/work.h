/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin's thread: reads where memory is and moves it, in the order in which it was asked; what is only read goes before what is moved, between two slices. */
#ifndef WORK_H
#define WORK_H

#include "memory.h"
#include "mover.h"
#include "plugins/iocore-plugin.h"

/* So much may wait. */
#define WORK_TASKS_MAX 32

struct work;

/* What the thread has found out; whoever takes it owns it. */
struct work_report {
        enum { WORK_JOB, WORK_MEMORY } kind;
        struct iocore_job job; /* WORK_JOB */
        char domain[IOCORE_NAME_MAX];
        /* WORK_MEMORY: */
        pid_t pid;
        int error;             /* 0; why it could not be read */
        uint64_t busy_usec;    /* that reading it took */
        struct memory memory;  /* if it could */
};

/* `root`: an open directory below which /proc is, taken. `host`: borrowed for ever. `rate`: bytes a second that are moved at most, all jobs together; 0: as fast as it goes. 0 or -errno;
 * `root` is closed in any case. */
int work_open(struct work **ret, int root, const struct mover_host *host, uint64_t rate);
/* Ends the thread, which takes as long as what is in hand: a slice, or one read(2) of numa_maps. One that takes longer is left to end by itself. NULL is fine. */
void work_close(struct work *work);

/* Begins; `job` 0: a look at memory that is no job, only told as WORK_MEMORY. Where the memory of a domain is is told, too, before a job that moved it is over, unless that was cancelled or
 * the process is gone. 0; -ESRCH: there is no such process; -EBUSY: too much waits; -ENOMEM; -errno. */
int work_begin(struct work *work, const struct iocore_memory *memory, uint64_t job);
/* -ENOENT: it is over. */
int work_cancel(struct work *work, uint64_t job);
/* Does the thread look at memory without a job, or is to? */
bool work_looks(struct work *work);
/* False: there is none. One load of memory when there is none. */
bool work_take(struct work *work, struct work_report *ret);

#endif

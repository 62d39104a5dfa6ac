/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What /proc tells about one thread, and whether that is a vhost worker. Pure functions over text, but for thread_sample(). */
#ifndef THREAD_INFO_H
#define THREAD_INFO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "plugins/iocore-plugin.h"

struct thread_stat {
        pid_t parent;
        uint32_t flags;      /* PF_* of the kernel */
        uint64_t start_time; /* clock ticks since boot: with the id it names one thread for ever */
};

struct thread_times {
        uint64_t run, wait; /* nanoseconds that it ran, and that it was runnable but did not run */
        uint64_t switches;  /* times that it was given a CPU */
};

enum thread_shape {
        THREAD_OTHER,
        THREAD_VHOST_KERNEL, /* a kernel thread: Linux up to 6.3, and later ones that are told to */
        THREAD_VHOST_TASK,   /* a thread of the owner's process: Linux 6.4 and later */
        THREAD_PATTERN,      /* a kernel thread of another driver, known by its name; see pattern.h. Never told by thread_classify() */
};

/* The text of /proc/TID/comm: true when it has the form of a vhost worker's name, and then the thread id of its creator. Any thread may
 * call itself so: thread_classify() decides. */
bool thread_parse_name(const char *text, pid_t *ret_creator);
/* True for the name of a kernel thread that kthreadd has just made and nobody has named yet (up to 6.3; later kernels name it before anybody sees it,
 * as they do with threads of processes that they make: kernel/fork.c, copy_process()). */
bool thread_is_unnamed(const char *text);
/* The text of /proc/TID/stat. The name in it may hold spaces and parentheses. 0 or -EINVAL. */
int thread_parse_stat(const char *text, struct thread_stat *ret);
/* A thread that is named like a worker is one if the kernel made it: users cannot set these flags. */
enum thread_shape thread_classify(const struct thread_stat *stat);
/* The text of /proc/TID/schedstat. 0 or -EINVAL. */
int thread_parse_schedstat(const char *text, struct thread_times *ret);
/* Reads the open schedstat `fd` (-1: it could not be opened) into the worker, as of `clock`. On a failure the old numbers stay there with their old clock: no load is made up. 0; -ESRCH: the
 * thread has ended; -EINVAL: it cannot be read, or not understood. */
int thread_sample(int fd, uint64_t clock, struct iocore_worker *worker);
/* The line "KEY:<tab>VALUE" in the text of /proc/TID/status. Returns where VALUE begins in text and its length, or NULL. */
const char *thread_status_value(const char *text, const char *key, size_t *ret_length);
/* A thread id in decimal digits alone: > 0, else -1. */
pid_t thread_parse_id(const char *text);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks for vhost workers, and those of other drivers, in /proc: in all of it, among the newest threads, or at one thread. */
#ifndef SEARCH_H
#define SEARCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "vhost-thread.h"

struct search {
        const struct iocore_services *services;
        struct iocore_context *context;
        /* Is told each worker, may return < 0 to end the search with that. */
        int (*found)(void *userdata, const struct vhost_thread *thread);
        /* Is told, instead of found(), each kernel thread that its maker has not finished yet: one without its name may be a worker in a moment, and one that is not in
         * its creator's cgroup yet gets the whole cpuset as its mask when it goes there. NULL: nobody wants to know. */
        void (*unfinished)(void *userdata, pid_t id);
        /* A worker outside of its creator's cgroup is found all the same: somebody may have moved it. */
        bool any_cgroup;
        void *userdata;
        /* Kernel threads that match are workers too. NULL: none. */
        const struct pattern_set *patterns;
};

/* Looks at one thread: at /proc/PROCESS/task/ID, or, when both are the same, at /proc/ID. One that vanishes meanwhile, or whose files make no sense, is no worker.
 * 0, or what `found` returned below 0. */
int search_look_at(const struct search *search, pid_t process, pid_t id);
/* All threads of the host. 0, -errno of /proc, or what `found` returned below 0. */
int search_everywhere(const struct search *search);
/* Thread ids are given out in ascending order, so those after `after`, up to `newest`, are the new ones. False: they cannot be told, or are too many. */
bool search_new(const struct search *search, pid_t after, pid_t newest, int *ret);
/* The newest thread id of the host, the last word of /proc/loadavg; 0 when it cannot be had. */
pid_t search_read_newest(const struct iocore_services *services, struct iocore_context *context);
/* The process of a thread; -1 when there is no such thread (any more). */
pid_t search_read_process_of(const struct iocore_services *services, struct iocore_context *context, pid_t thread);
/* The process of the thread that a worker names as its creator; -1 when it has ended, also when its id is another thread's now: a creator is older than its worker. */
pid_t search_read_owner(const struct iocore_services *services, struct iocore_context *context, const struct vhost_thread *worker);
/* Is the thread of this id younger than the worker, so that it cannot have made it? */
bool search_is_younger(const struct iocore_services *services, struct iocore_context *context, pid_t id, const struct vhost_thread *worker);
/* What /proc/TID/stat says now. 0 or -errno. */
int search_read_stat(const struct iocore_services *services, struct iocore_context *context, const struct vhost_thread *thread, struct thread_stat *ret);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A /proc of plain files on tmpfs: a host whose VMs have vhost workers, as Linux 6.4 and later show them. */
#ifndef THREAD_TREE_H
#define THREAD_TREE_H

#include <limits.h>

struct thread_tree {
        char root[PATH_MAX]; /* the daemon's root: proc lies below it */
        unsigned n_workers;
        unsigned long epoch;
        int *schedstat_fds;
};

/* Each VM is a process of four vCPU threads and two workers; there are as many other processes as VMs. Ends the program with a message when it fails. */
void thread_tree_make(struct thread_tree *tree, unsigned n_workers);
/* An epoch passes: every worker has run and waited. */
void thread_tree_advance(struct thread_tree *tree);
void thread_tree_remove(struct thread_tree *tree);

#endif

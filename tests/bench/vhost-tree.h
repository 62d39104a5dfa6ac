/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tree of the vhost control interface, second generation, made of plain files on tmpfs, whose counters go on when told. */
#ifndef VHOST_TREE_H
#define VHOST_TREE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define TREE_EPOCH_CYCLES 220000000u /* 100 ms at 2.2 GHz */

struct tree {
        char root[PATH_MAX]; /* the daemon's root: sys/class/vhost and proc lie below it */
        unsigned n_workers, n_devices, n_queues;
        uint64_t epoch;
        double load; /* of each worker while it is busy, in cores */
        double queue_load;
        int poll;    /* queues are polled */
        int cycles_fd;
        int *worker_fds, *queue_fds; /* of status */
};

/* Queues are dealt out evenly to devices, devices to workers; there are two CPUs to a worker, on two nodes. `load` 0: they will be idle. Exits with a message when it fails. */
void tree_make(struct tree *tree, unsigned n_workers, unsigned n_devices, unsigned n_queues, double load);
/* An epoch passes: the clock goes on, and with `busy` all counters of workers and queues. */
void tree_advance(struct tree *tree, bool busy);
/* Closes the writer's files: for a process that only reads. */
void tree_close(struct tree *tree);
void tree_remove(struct tree *tree);

#endif

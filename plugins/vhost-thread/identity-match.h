/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which worker serves which device: pure functions over what was read.
 *
 * The kernel does not say it. What it says is when each worker was made, and a vhost device gets its worker when it gets its owner (vhost_dev_set_owner()).
 * QEMU does that for each -netdev in the order of its command line, for the queue pairs of each in the order of its fds, then for each -device, then for what
 * is plugged in later. So where all are counted, order tells; where the counts differ, nothing is told.
 */
#ifndef IDENTITY_MATCH_H
#define IDENTITY_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "plugins/iocore-plugin.h"

enum vhost_kind { VHOST_NET, VHOST_SCSI, VHOST_VSOCK, _VHOST_KIND_MAX };

enum { TAP_NAME_SIZE = 16 }; /* IFNAMSIZ */

/* "net", "scsi", "vsock" */
const char *vhost_kind_name(enum vhost_kind kind);

/* An open file of an owner that has to do with vhost. */
struct owner_file {
        int fd;
        bool is_tap;            /* a queue of a tap or macvtap, else a vhost device of this kind: */
        enum vhost_kind kind;
        char tap[TAP_NAME_SIZE];     /* the tap's interface, "" when unknown */
        unsigned macvtap;       /* index of the macvtap's interface; 0 for a tap */
};

enum { OWNER_PAIRS_MAX = 256 }; /* MAX_TAP_QUEUES of drivers/net/tun.c */

/* A vhost device, or a tap, as an owner's command line asks for it; in the order of that line. */
struct owner_option {
        enum vhost_kind kind;
        bool vhost;                    /* a tap may be served by its owner itself */
        bool opaque;                   /* it does not say enough to find its files */
        char tap[TAP_NAME_SIZE];            /* opened by its owner itself, by name */
        char target[IOCORE_NAME_MAX];  /* scsi and vsock: what it is called by */
        unsigned n_pairs;              /* of a tap; else 1 */
        unsigned n_fds, n_vhost_fds;   /* handed over to the owner, 0: opened by itself; else n_pairs of them */
        int fds[OWNER_PAIRS_MAX], vhost_fds[OWNER_PAIRS_MAX];
};

struct owner_files {
        struct owner_file *files;
        size_t n_files;
        struct owner_option *options;
        size_t n_options;
};

struct match_worker {
        pid_t id;
        uint64_t start_time; /* clock ticks */
};

/* A vhost device as a user understands it: a tap with all of its queue pairs is one. */
struct match_device {
        enum vhost_kind kind;
        char tap[TAP_NAME_SIZE];           /* "" when unknown, or there is none */
        unsigned macvtap;
        char target[IOCORE_NAME_MAX]; /* of scsi and vsock, "" when unknown */
        unsigned n_pairs;             /* workers that it has */
};

/* What was found out of a worker. */
struct match {
        int device;                /* index, or -1 */
        int queue_pair;            /* of a tap, from 0; else -1 */
        int vhost_fd;              /* -1: its device is known, its number is not */
        char why[IOCORE_NAME_MAX]; /* why device or queue_pair are not known */
};

/* `ret_matches` and `ret_devices` have room for n_workers. The order of workers and of files makes no difference. Nothing is allocated for the caller.
 * 0 or -ENOMEM. */
int identity_match(const struct match_worker *workers, size_t n_workers, const struct owner_files *files, struct match *ret_matches,
                   struct match_device *ret_devices, size_t *ret_n_devices);

#endif

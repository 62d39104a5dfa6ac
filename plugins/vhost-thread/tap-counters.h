/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counters of network interfaces: one netlink dump for all of them (RTM_GETSTATS with IFLA_STATS_LINK_64, Linux 4.7), instead of a request or a file each. The
 * request is prebuilt, the buffer is fixed: a dump allocates nothing.
 */
#ifndef TAP_COUNTERS_H
#define TAP_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tap_counters;

/* As the host sees it: what a guest sends is received by its tap. */
struct interface_counters {
        uint64_t rx_bytes, rx_packets, rx_dropped;
        uint64_t tx_bytes, tx_packets, tx_dropped;
};

/* How messages go to and come from the kernel. Tests have their own. */
struct tap_calls {
        /* 0 or -errno */
        int (*send)(void *userdata, const void *message, size_t length);
        /* The length of what was received, -errno; never waits: -EAGAIN. */
        ssize_t (*receive)(void *userdata, void *buffer, size_t size);
        void (*close)(void *userdata);
        void *userdata;
};

/* With the kernel's rtnetlink of the network namespace that the caller is in. 0; -ENOMEM; -errno of socket(2). */
int tap_counters_new(struct tap_counters **ret);
/* With other calls than the kernel's. `calls` is copied; close() is called by tap_counters_free(), not on failure. 0 or -ENOMEM. */
int tap_counters_new_with(struct tap_counters **ret, const struct tap_calls *calls);
struct tap_counters *tap_counters_free(struct tap_counters *counters);

/* From now on counters of the interfaces with these indexes are kept. `indexes` is sorted in place. 0; -ENOMEM: as before. */
int tap_counters_watch(struct tap_counters *counters, unsigned *indexes, size_t n);

/* Asks for all interfaces. 0; -EAGAIN: the answer was not complete; -EBADMSG: it made no sense; -errno. What was received until then counts. */
int tap_counters_dump(struct tap_counters *counters);

/* What the last dump said of an interface; NULL: nothing, it is gone or not watched. */
const struct interface_counters *tap_counters_get(const struct tap_counters *counters, unsigned index);

/* Takes one datagram of an answer to request `sequence`. 1: it was the last; 0: there is more; -errno. Exported for tests. */
int tap_counters_take(struct tap_counters *counters, void *buffer, size_t length, uint32_t sequence);

#endif

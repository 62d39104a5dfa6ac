/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The talk with systemd, in a thread of its own: a hung systemd or bus delays nobody who does not wait for it. The thread owns connection and event loop; main thread
 * and thread share a picture of the slices under a lock. All functions are for the main thread, and each ends within the time that it is given.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "slices.h"

struct connection;

struct slice_picture {
        bool known;                /* read at least once */
        bool loaded;               /* systemd has the unit in memory; a name that nobody uses it has not */
        bool pending;              /* something was asked for whose outcome is not known yet */
        int result;                /* of what was asked for last: as of connection_set(), once it is not pending any more */
        struct affinity_mask cpus; /* AllowedCPUs: as read last, or what was asked for while that is pending */
};

/* Starts the thread, with slices of these names, which begins to connect and to read. `all_cpus`: those of the host, also if offline. 0; -E2BIG; -ENOMEM; -errno of the thread. */
int connection_open(struct connection **ret, char (*names)[IOCORE_NAME_MAX], size_t n, const struct affinity_mask *all_cpus);
/* Waits at most 2 s for what was asked for and is not answered, then ends the thread. */
struct connection *connection_close(struct connection *connection);

/* The slice's index; one that is not known yet is added, and read soon. -EINVAL: no name of a slice; -E2BIG: there are SLICES_MAX already. */
int connection_slice(struct connection *connection, const char *name);
/* Waits until all slices have been read. 0; -ETIMEDOUT. */
int connection_wait(struct connection *connection, uint64_t usec);
void connection_picture(struct connection *connection, size_t slice, struct slice_picture *ret);
/*
 * Sets AllowedCPUs for this boot, unless it is no longer as the main thread knows it. 0: done and read back. -EAGAIN: systemd does not answer at present, or an earlier request is pending:
 * nothing was asked. -ETIMEDOUT: no answer within `usec`; the picture then says pending: it may still happen, and connection_news() tells what came of it. -ESTALE: somebody else
 * changed it meanwhile; nothing was set. -EACCES and other errors: systemd refused, connection_trouble() tells in its words. Never -ENOENT, -ENODEV, -ESRCH.
 */
int connection_set(struct connection *connection, size_t slice, const struct affinity_mask *mask, uint64_t usec);
/* Does systemd answer? Not before the first answer. */
bool connection_answers(struct connection *connection);
/* True once after anything changed that the main thread has not asked for itself. Costs one atomic operation. */
bool connection_news(struct connection *connection);
/* What went wrong last, "" when nothing did. */
void connection_trouble(struct connection *connection, char *ret, size_t size);

#endif

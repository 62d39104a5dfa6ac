/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's process connector: a netlink socket (NETLINK_CONNECTOR, group CN_IDX_PROC) that tells of each new thread of the host, so that nobody
 * has to look for them. Needs CONFIG_PROC_EVENTS, CAP_NET_ADMIN and the initial network, PID and user namespaces. Linux: drivers/connector/cn_proc.c.
 */
#ifndef CONNECTOR_H
#define CONNECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum connector_event_kind {
        CONNECTOR_BORN,    /* a kernel thread, or a further thread of a process; new processes are not told */
        CONNECTOR_RENAMED, /* by prctl(PR_SET_NAME) or a write to its comm; the kernel names its own threads without a word */
};

struct connector_event {
        enum connector_event_kind kind;
        pid_t thread;  /* > 0 */
        pid_t process; /* > 0; equal to thread for a kernel thread */
};

typedef void (*connector_heard)(void *userdata, const struct connector_event *event);

/* Reads one datagram without waiting into buffer. Returns its length and in *ret_sender the netlink port that sent it (0: the kernel); -EAGAIN: there is none; -ENOBUFS: some were lost;
 * -EMSGSIZE: one that did not fit was thrown away; another -errno of recvmsg(2). */
typedef ssize_t (*connector_receive)(void *userdata, void *buffer, size_t size, uint32_t *ret_sender);

struct connector;

/* Opens the socket and sees to it that the kernel talks to it. 0, or -errno, and then ret_reason says why in words: -EPERM without CAP_NET_ADMIN; -EPROTONOSUPPORT: no
 * CONFIG_CONNECTOR; -ECONNREFUSED: not the initial network namespace; -ENOENT: the kernel does not answer (no CONFIG_PROC_EVENTS, or not the initial PID or user namespace). */
int connector_open(struct connector **ret, char *ret_reason, size_t size);
/* One whose datagrams come from elsewhere, for tests. NULL: no memory. */
struct connector *connector_new(connector_receive receive, void *userdata);
/* NULL is fine. Always returns NULL. */
struct connector *connector_close(struct connector *connector);

/* Tells `heard` what has come since, up to a bound: the rest stays for the next call. Nothing is allocated. Returns the number of events told; -ENOBUFS: some
 * were lost, after all others have been told; another -errno: the socket is of no use any more. */
int connector_drain(struct connector *connector, connector_heard heard, void *userdata);

/* The events in one datagram, which may be anything: what is malformed, or no event of those above, is passed over. Returns the number told. */
int connector_parse(const void *datagram, size_t length, connector_heard heard, void *userdata);

/* Lets through to the socket only answers of the process connector and the events above. 0 or -errno of setsockopt(2). */
int connector_attach_filter(int fd);

#endif

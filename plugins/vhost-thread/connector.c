/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "daemon/clock.h"
#include "connector.h"

enum {
        /* An event takes 76 bytes, and some 800 of the receive buffer: 5,000 threads may be born between two epochs before events are lost. */
        RECEIVE_BUFFER = 4 << 20,
        DATAGRAM_MAX = 1024,
        /* At some 10 us for looking at a thread: an epoch is not held up for longer than 10 ms, and 10,000 threads may be born a second. */
        DRAIN_MAX = 1024,
        /* The kernel answers from within sendto(2); the time is for one that will do otherwise. */
        ANSWER_MSEC = 200,
        KTHREADD = 2, /* parent of all kernel threads */
};

struct connector {
        connector_receive receive;
        void *userdata;
        int fd; /* -1: none of its own */
        _Alignas(struct nlmsghdr) char buffer[DATAGRAM_MAX];
};

/* --- what comes */

/* The parts of one message; false when it is none of the process connector's, or cut off. What the kernel did not send of the event is 0. */
static bool take_apart(const struct nlmsghdr *header, struct cn_msg *ret_message, struct proc_event *ret_event) {
        size_t length = NLMSG_PAYLOAD(header, 0);

        if (length < sizeof *ret_message)
                return false;
        memcpy(ret_message, NLMSG_DATA(header), sizeof *ret_message);
        length -= sizeof *ret_message;
        if (ret_message->id.idx != CN_IDX_PROC || ret_message->id.val != CN_VAL_PROC || ret_message->len > length ||
            ret_message->len < offsetof(struct proc_event, event_data))
                return false;
        memset(ret_event, 0, sizeof *ret_event);
        memcpy(ret_event, (const char *) NLMSG_DATA(header) + sizeof *ret_message,
               ret_message->len < sizeof *ret_event ? ret_message->len : sizeof *ret_event);
        return true;
}

static bool is_of_interest(const struct proc_event *event, struct connector_event *ret) {
        /* `what` is compared as a number: the kernel may send others than the enumeration of this header has */
        uint32_t what;
        memcpy(&what, &event->what, sizeof what);
        switch (what) {
        case PROC_EVENT_FORK:
                *ret = (struct connector_event) { CONNECTOR_BORN, event->event_data.fork.child_pid, event->event_data.fork.child_tgid };
                return ret->thread > 0 && ret->process > 0 && (ret->thread != ret->process || event->event_data.fork.parent_pid == KTHREADD);
        case PROC_EVENT_COMM:
                *ret = (struct connector_event) { CONNECTOR_RENAMED, event->event_data.comm.process_pid, event->event_data.comm.process_tgid };
                return ret->thread > 0 && ret->process > 0;
        default:
                return false;
        }
}

/* The next message of a datagram, or NULL. As NLMSG_OK() and NLMSG_NEXT() do it, but with lengths that cannot wrap. */
static const struct nlmsghdr *next_message(const char *datagram, size_t length, size_t *offset) {
        if (*offset > length || length - *offset < sizeof(struct nlmsghdr))
                return NULL;
        const struct nlmsghdr *header = (const struct nlmsghdr *) (const void *) (datagram + *offset);
        if (header->nlmsg_len < sizeof *header || header->nlmsg_len > length - *offset)
                return NULL;
        *offset += NLMSG_ALIGN((size_t) header->nlmsg_len);
        return header;
}

int connector_parse(const void *datagram, size_t length, connector_heard heard, void *userdata) {
        struct connector_event told;
        struct cn_msg message;
        struct proc_event event;
        size_t offset = 0;
        int n = 0;

        for (const struct nlmsghdr *header; (header = next_message(datagram, length, &offset));)
                if (take_apart(header, &message, &event) && is_of_interest(&event, &told)) {
                        heard(userdata, &told);
                        n++;
                }
        return n;
}

int connector_drain(struct connector *connector, connector_heard heard, void *userdata) {
        bool lost = false;
        int n = 0;

        for (int i = 0; i < DRAIN_MAX; i++) {
                uint32_t sender = UINT32_MAX;
                ssize_t length = connector->receive(connector->userdata, connector->buffer, sizeof connector->buffer, &sender);
                if (length == -EAGAIN)
                        break;
                if (length == -ENOBUFS)
                        lost = true;
                else if (length < 0 && length != -EINTR && length != -EMSGSIZE)
                        return (int) length;
                /* Whoever has CAP_NET_ADMIN may send to the group, and say anything. */
                if (length >= 0 && sender == 0)
                        n += connector_parse(connector->buffer, (size_t) length, heard, userdata);
        }
        return lost ? -ENOBUFS : n;
}

static ssize_t receive_from_kernel(void *userdata, void *buffer, size_t size, uint32_t *ret_sender) {
        const struct connector *connector = userdata;
        struct sockaddr_nl sender = { 0 };
        struct iovec part = { .iov_base = buffer, .iov_len = size };
        struct msghdr message = { .msg_name = &sender, .msg_namelen = sizeof sender, .msg_iov = &part, .msg_iovlen = 1 };

        ssize_t length = recvmsg(connector->fd, &message, MSG_DONTWAIT);
        if (length < 0)
                return -errno;
        if (message.msg_flags & MSG_TRUNC)
                return -EMSGSIZE;
        *ret_sender = sender.nl_pid;
        return length;
}

/* --- set up */

/* Most of what happens on a host are processes that come and go: they shall not even be queued. */
int connector_attach_filter(int fd) {
        enum { MESSAGE = NLMSG_HDRLEN, EVENT = MESSAGE + sizeof(struct cn_msg), ALL = 0x40000 };
#define AT(member) (EVENT + offsetof(struct proc_event, member))
        /* A load converts from the byte order of the network: constants of this machine's own order are converted too. A load from beyond the end drops. */
        struct sock_filter program[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, MESSAGE + offsetof(struct cn_msg, id.idx)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(CN_IDX_PROC), 0, 11),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(what)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(PROC_EVENT_NONE), 8, 0), /* an answer */
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(PROC_EVENT_COMM), 7, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(PROC_EVENT_FORK), 0, 7),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(event_data.fork.parent_pid)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(KTHREADD), 4, 0),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(event_data.fork.child_pid)),
                BPF_STMT(BPF_MISC | BPF_TAX, 0),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(event_data.fork.child_tgid)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 1, 0),
                BPF_STMT(BPF_RET | BPF_K, ALL),
                BPF_STMT(BPF_RET | BPF_K, 0),
        };
#undef AT
        const struct sock_fprog filter = { .len = sizeof program / sizeof program[0], .filter = program };
        return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0 ? -errno : 0;
}

static int enlarge_buffer(int fd) {
        int size = RECEIVE_BUFFER;
        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) >= 0)
                return 0;
        return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) < 0 ? -errno : 0;
}

/* `token` comes back in the answer, one higher. */
static int request(int fd, enum proc_cn_mcast_op operation, uint32_t token) {
        const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        struct cn_msg message = { .id = { CN_IDX_PROC, CN_VAL_PROC }, .ack = token, .len = sizeof operation };
        struct {
                struct nlmsghdr header;
                char payload[sizeof message + sizeof operation];
        } datagram = { .header = { .nlmsg_len = sizeof datagram, .nlmsg_type = NLMSG_DONE } };

        memcpy(datagram.payload, &message, sizeof message);
        memcpy(datagram.payload + sizeof message, &operation, sizeof operation);
        ssize_t n = sendto(fd, &datagram, sizeof datagram, 0, (const struct sockaddr *) &kernel, sizeof kernel);
        return n < 0 ? -errno : 0;
}

/* 1: the kernel's answer to the request with `token` is in the datagram, and what it says in *ret. */
static int find_answer(const char *datagram, size_t length, uint32_t token, int *ret) {
        struct cn_msg message;
        struct proc_event event;
        size_t offset = 0;

        for (const struct nlmsghdr *header; (header = next_message(datagram, length, &offset));)
                if (take_apart(header, &message, &event) && event.what == PROC_EVENT_NONE && message.ack == token + 1) {
                        *ret = event.event_data.ack.err <= 4095 ? -(int) event.event_data.ack.err : -EPROTO;
                        return 1;
                }
        return 0;
}

static int64_t monotonic_msec(void) {
        return (int64_t) (monotonic_usec() / 1000);
}

/* Events that come before the answer are thrown away: whoever opens a connector has not looked for threads yet. */
static int await_answer(struct connector *connector, uint32_t token) {
        int64_t end = monotonic_msec() + ANSWER_MSEC;

        for (int64_t left = ANSWER_MSEC; left >= 0; left = end - monotonic_msec()) {
                struct pollfd poll_fd = { .fd = connector->fd, .events = POLLIN };
                uint32_t sender = UINT32_MAX;
                int answer;
                if (poll(&poll_fd, 1, (int) left) < 0 && errno != EINTR)
                        return -errno;
                ssize_t length = receive_from_kernel(connector, connector->buffer, sizeof connector->buffer, &sender);
                if (length >= 0 && sender == 0 && find_answer(connector->buffer, (size_t) length, token, &answer))
                        return answer;
                if (length < 0 && length != -EAGAIN && length != -EINTR && length != -ENOBUFS && length != -EMSGSIZE)
                        return (int) length;
        }
        return -ENOENT;
}

static int join(struct connector *connector) {
        struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1u << (CN_IDX_PROC - 1) };
        uint32_t token = (uint32_t) getpid();

        int r = connector_attach_filter(connector->fd);
        if (r >= 0)
                r = enlarge_buffer(connector->fd);
        if (r >= 0 && bind(connector->fd, (struct sockaddr *) &address, sizeof address) < 0)
                r = -errno;
        if (r >= 0)
                r = request(connector->fd, PROC_CN_MCAST_LISTEN, token);
        return r < 0 ? r : await_answer(connector, token);
}

static const char *reason_of(int error) {
        switch (error) {
        case -EPROTONOSUPPORT:
                return "the kernel has no CONFIG_CONNECTOR";
        case -ECONNREFUSED:
                return "not in the initial network namespace";
        case -ENOENT:
                return "no answer: the kernel has no CONFIG_PROC_EVENTS, or this is not the initial PID and user namespace";
        default:
                return strerror(-error);
        }
}

struct connector *connector_new(connector_receive receive, void *userdata) {
        struct connector *connector = calloc(1, sizeof *connector);
        if (!connector)
                return NULL;
        *connector = (struct connector) { .receive = receive, .userdata = userdata, .fd = -1 };
        return connector;
}

int connector_open(struct connector **ret, char *ret_reason, size_t size) {
        struct connector *connector = connector_new(receive_from_kernel, NULL);
        if (!connector) {
                snprintf(ret_reason, size, "%s", strerror(ENOMEM));
                return -ENOMEM;
        }
        connector->userdata = connector;
        connector->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);
        int r = connector->fd < 0 ? -errno : join(connector);
        if (r < 0) {
                snprintf(ret_reason, size, "%s", reason_of(r));
                closep(&connector->fd);
                free(connector);
                return r;
        }
        *ret = connector;
        return 0;
}

struct connector *connector_close(struct connector *connector) {
        if (!connector)
                return NULL;
        if (connector->fd >= 0) {
                /* Kernels before 6.6 count listeners, and go on making events for one that only closed its socket. */
                (void) request(connector->fd, PROC_CN_MCAST_IGNORE, (uint32_t) getpid());
                closep(&connector->fd);
        }
        free(connector);
        return NULL;
}

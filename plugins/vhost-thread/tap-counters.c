/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "tap-counters.h"

enum {
        BUFFER_SIZE = 32768, /* netlink_dump() of the kernel fills no more in one go */
        DATAGRAMS_MAX = 4096, /* some ten interfaces or more in each */
};

struct interface {
        unsigned index;
        uint32_t sequence; /* of the dump that `counters` are of */
        struct interface_counters counters;
};

struct tap_counters {
        struct tap_calls calls;
        struct interface *interfaces; /* by index */
        size_t n_interfaces;
        uint32_t sequence;
        int fd; /* of the kernel's calls */
        struct {
                struct nlmsghdr header;
                struct if_stats_msg filter;
        } request;
        _Alignas(NLMSG_ALIGNTO) char buffer[BUFFER_SIZE];
};

static int kernel_send(void *userdata, const void *message, size_t length) {
        static const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        const int *fd = userdata;
        ssize_t n = sendto(*fd, message, length, MSG_DONTWAIT, (const struct sockaddr *) &kernel, sizeof kernel);
        return n < 0 ? -errno : (size_t) n == length ? 0 : -EIO;
}

static ssize_t kernel_receive(void *userdata, void *buffer, size_t size) {
        const int *fd = userdata;
        for (;;) {
                struct sockaddr_nl from = { 0 };
                socklen_t from_length = sizeof from;
                ssize_t n = recvfrom(*fd, buffer, size, MSG_DONTWAIT, (struct sockaddr *) &from, &from_length);
                if (n < 0 && errno == EINTR)
                        continue;
                /* any process may send to a netlink socket: only the kernel is number 0 */
                if (n >= 0 && from.nl_pid != 0)
                        continue;
                return n < 0 ? -errno : n;
        }
}

static void kernel_close(void *userdata) {
        const int *fd = userdata;
        close(*fd);
}

int tap_counters_new_with(struct tap_counters **ret, const struct tap_calls *calls) {
        struct tap_counters *counters = calloc(1, sizeof *counters);
        if (!counters)
                return -ENOMEM;
        counters->calls = *calls;
        counters->request.header = (struct nlmsghdr) {
                .nlmsg_len = sizeof counters->request,
                .nlmsg_type = RTM_GETSTATS,
                .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
        };
        counters->request.filter = (struct if_stats_msg) { .family = AF_UNSPEC, .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64) };
        *ret = counters;
        return 0;
}

int tap_counters_new(struct tap_counters **ret) {
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        if (fd < 0)
                return -errno;
        static const struct tap_calls calls = { .send = kernel_send, .receive = kernel_receive, .close = kernel_close };
        struct tap_counters *counters = NULL;
        int r = tap_counters_new_with(&counters, &calls);
        if (r < 0)
                return r;
        counters->fd = TAKE_FD(fd);
        counters->calls.userdata = &counters->fd;
        *ret = counters;
        return 0;
}

struct tap_counters *tap_counters_free(struct tap_counters *counters) {
        if (counters) {
                counters->calls.close(counters->calls.userdata);
                free(counters->interfaces);
                free(counters);
        }
        return NULL;
}

static int compare_index(const void *a, const void *b) {
        unsigned left = *(const unsigned *) a, right = *(const unsigned *) b;
        return (left > right) - (left < right);
}

/* `index` is the first member of an interface. */
static struct interface *find(const struct tap_counters *counters, unsigned index) {
        if (counters->n_interfaces == 0)
                return NULL;
        return bsearch(&index, counters->interfaces, counters->n_interfaces, sizeof *counters->interfaces, compare_index);
}

int tap_counters_watch(struct tap_counters *counters, unsigned *indexes, size_t n) {
        struct interface *interfaces = calloc(n + 1, sizeof *interfaces);
        size_t n_interfaces = 0;

        if (!interfaces)
                return -ENOMEM;
        if (n > 0)
                qsort(indexes, n, sizeof *indexes, compare_index);
        for (size_t i = 0; i < n; i++) {
                if (i > 0 && indexes[i] == indexes[i - 1])
                        continue;
                const struct interface *known = find(counters, indexes[i]);
                interfaces[n_interfaces++] = known ? *known : (struct interface) { .index = indexes[i] };
        }
        free(counters->interfaces);
        counters->interfaces = interfaces;
        counters->n_interfaces = n_interfaces;
        return 0;
}

static void take_message(struct tap_counters *counters, struct nlmsghdr *message) {
        const struct if_stats_msg *about = nlmsg_data(message);
        struct interface *interface = find(counters, about->ifindex);
        struct rtnl_link_stats64 stats;

        if (!interface)
                return;
        const struct nlattr *attribute = nlmsg_find_attr(message, sizeof *about, IFLA_STATS_LINK_64);
        /* later kernels append members */
        if (!attribute || nla_len(attribute) < (int) offsetof(struct rtnl_link_stats64, multicast))
                return;
        memcpy(&stats, nla_data(attribute), offsetof(struct rtnl_link_stats64, multicast));
        interface->sequence = counters->sequence;
        interface->counters = (struct interface_counters) {
                .rx_bytes = stats.rx_bytes, .rx_packets = stats.rx_packets, .rx_dropped = stats.rx_dropped,
                .tx_bytes = stats.tx_bytes, .tx_packets = stats.tx_packets, .tx_dropped = stats.tx_dropped,
        };
}

int tap_counters_take(struct tap_counters *counters, void *buffer, size_t length, uint32_t sequence) {
        int left = (int) length;

        for (struct nlmsghdr *message = buffer; nlmsg_ok(message, left); message = nlmsg_next(message, &left)) {
                /* the rest of an answer that was given up */
                if (message->nlmsg_seq != sequence)
                        continue;
                if (message->nlmsg_type == NLMSG_DONE)
                        return 1;
                if (message->nlmsg_type == NLMSG_ERROR) {
                        const struct nlmsgerr *error = nlmsg_data(message);
                        return nlmsg_datalen(message) >= (int) sizeof *error && error->error < 0 ? error->error : -EBADMSG;
                }
                if (message->nlmsg_type == RTM_NEWSTATS && nlmsg_valid_hdr(message, sizeof(struct if_stats_msg)))
                        take_message(counters, message);
        }
        return 0;
}

int tap_counters_dump(struct tap_counters *counters) {
        counters->request.header.nlmsg_seq = ++counters->sequence;
        int r = counters->calls.send(counters->calls.userdata, &counters->request, sizeof counters->request);
        for (size_t i = 0; r == 0 && i < DATAGRAMS_MAX; i++) {
                ssize_t length = counters->calls.receive(counters->calls.userdata, counters->buffer, sizeof counters->buffer);
                if (length <= 0)
                        return length < 0 ? (int) length : -EBADMSG;
                r = tap_counters_take(counters, counters->buffer, (size_t) length, counters->sequence);
        }
        return r > 0 ? 0 : r < 0 ? r : -EAGAIN;
}

const struct interface_counters *tap_counters_get(const struct tap_counters *counters, unsigned index) {
        const struct interface *interface = find(counters, index);
        return interface && interface->sequence == counters->sequence && counters->sequence > 0 ? &interface->counters : NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "tap-messages.h"

static void *append(struct tap_messages *messages, size_t length) {
        void *at = messages->buffer + messages->length;
        if (messages->length + NLMSG_ALIGN(length) > sizeof messages->buffer)
                abort();
        memset(at, 0, NLMSG_ALIGN(length));
        messages->length += NLMSG_ALIGN(length);
        return at;
}

void tap_messages_add(struct tap_messages *messages, uint32_t sequence, unsigned index, const struct interface_counters *counters, size_t attribute_length) {
        struct rtnl_link_stats64 stats = {
                .rx_bytes = counters->rx_bytes, .rx_packets = counters->rx_packets, .rx_dropped = counters->rx_dropped,
                .tx_bytes = counters->tx_bytes, .tx_packets = counters->tx_packets, .tx_dropped = counters->tx_dropped,
        };
        size_t payload = attribute_length > 0 ? attribute_length : sizeof stats;
        struct {
                struct nlmsghdr header;
                struct if_stats_msg about;
                struct nlattr attribute;
        } *message = append(messages, sizeof *message + payload);

        message->header = (struct nlmsghdr) { .nlmsg_len = (uint32_t) (sizeof *message + payload), .nlmsg_type = RTM_NEWSTATS, .nlmsg_flags = NLM_F_MULTI, .nlmsg_seq = sequence };
        message->about.ifindex = index;
        message->attribute = (struct nlattr) { .nla_len = (uint16_t) (sizeof message->attribute + payload), .nla_type = IFLA_STATS_LINK_64 };
        memcpy(message + 1, &stats, payload);
}

void tap_messages_end(struct tap_messages *messages, uint32_t sequence, int error) {
        struct {
                struct nlmsghdr header;
                struct nlmsgerr error;
        } *message = append(messages, error < 0 ? sizeof *message : NLMSG_LENGTH(sizeof(int)));

        message->header = (struct nlmsghdr) {
                .nlmsg_len = (uint32_t) (error < 0 ? sizeof *message : NLMSG_LENGTH(sizeof(int))),
                .nlmsg_type = error < 0 ? NLMSG_ERROR : NLMSG_DONE,
                .nlmsg_seq = sequence,
        };
        if (error < 0)
                message->error.error = error;
}

static int fake_send(void *userdata, const void *message, size_t length) {
        struct fake_kernel *kernel = userdata;
        const struct nlmsghdr *header = message;
        const struct if_stats_msg *filter = NLMSG_DATA(header);

        if (length != header->nlmsg_len || header->nlmsg_type != RTM_GETSTATS || header->nlmsg_flags != (NLM_F_REQUEST | NLM_F_DUMP) ||
            filter->filter_mask != IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64))
                return -EINVAL;
        kernel->n_requests++;
        kernel->n_answers = 0;
        kernel->sequence = header->nlmsg_seq;
        return 0;
}

static ssize_t fake_receive(void *userdata, void *buffer, size_t size) {
        struct fake_kernel *kernel = userdata;
        struct tap_messages messages = { .length = 0 };

        if (kernel->refuse != 0 && kernel->refuse != -EOPNOTSUPP)
                return kernel->refuse;
        if (kernel->refuse != 0)
                tap_messages_end(&messages, kernel->sequence, kernel->refuse);
        else if (kernel->n_answers == 0 || kernel->endless)
                for (size_t i = 0; i < 4; i++) {
                        if (kernel->interfaces[i].index > 0)
                                tap_messages_add(&messages, kernel->sequence, kernel->interfaces[i].index, &kernel->interfaces[i].counters, 0);
                }
        else
                tap_messages_end(&messages, kernel->sequence, 0);
        if (kernel->n_answers++ == 0 && messages.length == 0)
                tap_messages_add(&messages, kernel->sequence, 9999, &(struct interface_counters) { 0 }, 0);
        if (messages.length > size)
                abort();
        memcpy(buffer, messages.buffer, messages.length);
        return (ssize_t) messages.length;
}

static void fake_close(void *userdata) {
        (void) userdata;
}

struct tap_calls fake_kernel_calls(struct fake_kernel *kernel) {
        return (struct tap_calls) { .send = fake_send, .receive = fake_receive, .close = fake_close, .userdata = kernel };
}

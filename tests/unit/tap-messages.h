/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers of rtnetlink to a dump of counters, as the kernel builds them. */
#ifndef TAP_MESSAGES_H
#define TAP_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugins/vhost-thread/tap-counters.h"

struct tap_messages {
        _Alignas(8) char buffer[8192];
        size_t length;
};

/* Appends the counters of one interface; `attribute_length` bytes of them (0: all). */
void tap_messages_add(struct tap_messages *messages, uint32_t sequence, unsigned index, const struct interface_counters *counters, size_t attribute_length);
/* Appends the end of an answer, or an error (a negative errno). */
void tap_messages_end(struct tap_messages *messages, uint32_t sequence, int error);

/* A kernel with some interfaces; what it was asked is answered in two datagrams. */
struct fake_kernel {
        struct {
                unsigned index; /* 0: none */
                struct interface_counters counters;
        } interfaces[4];
        unsigned n_requests, n_answers;
        uint32_t sequence;
        int refuse;   /* instead of an answer */
        bool endless; /* it never says that this was all */
};
struct tap_calls fake_kernel_calls(struct fake_kernel *kernel);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is measured against the bare loop. */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include <stdint.h>
#include <systemd/sd-event.h>

#include "vhost-tree.h"

struct subject_kind {
        const char *name;
        /* Opens everything on the tree. Exits with a message when it fails. */
        void *(*make)(const struct tree *tree);
        /* One epoch at level 1, at the given time. */
        void (*epoch)(void *subject, uint64_t now_usec);
        /* Lets it run on an event loop, 10 epochs a second. NULL where it cannot. */
        void (*attach)(void *subject, sd_event *event);
        void (*free)(void *subject);
};

/* The plugin and the host model: sampling and deriving, nothing else. */
extern const struct subject_kind sampler_kind;
/* The daemon's own engine with the shipped policies. */
extern const struct subject_kind engine_kind;

#endif

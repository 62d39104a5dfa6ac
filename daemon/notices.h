/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What plugins have to say besides their objects: things that an administrator should hear of, and knobs that somebody else changed. Kept until the engine takes them. */
#ifndef NOTICES_H
#define NOTICES_H

#include <stdbool.h>
#include <stddef.h>

#include "plugins/iocore-plugin.h"

enum notice_what {
        NOTICE_TOLD,         /* see tell() of iocore-plugin.h: `text` of `object`, news of the kind `kind` */
        NOTICE_KNOB_CHANGED, /* see knob_changed(): knob `kind` of `object` */
};

struct notice {
        enum notice_what what;
        char kind[IOCORE_ID_MAX * 2];
        char object[IOCORE_NAME_MAX];
        char text[IOCORE_REASON_MAX];
};

struct notices;

/* 0 or -ENOMEM. */
int notices_new(struct notices **ret);
struct notices *notices_free(struct notices *notices); /* NULL */

/* True when this is news: it was not told before, or told otherwise since (an empty text: that it is over). What is no news is dropped. Out of memory, or more than
 * anybody could read between two epochs: dropped, and counted. */
bool notices_tell(struct notices *notices, const char *kind, const char *object, const char *text);
void notices_knob_changed(struct notices *notices, const char *kind, const char *object);

/* The oldest one; false: there is none. Costs nothing when there is none. */
bool notices_take(struct notices *notices, struct notice *ret);
/* How many were dropped since this was asked last. */
unsigned notices_take_dropped(struct notices *notices);

#endif

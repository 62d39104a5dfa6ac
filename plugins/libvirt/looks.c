/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which domains are to be looked at, and how soon. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "talk-private.h"

#define SECOND_USEC UINT64_C(1000000)

static struct look *find(struct talk *talk, const char *uuid) {
        for (size_t i = 0; i < talk->n_looks; i++)
                if (strcmp(talk->looks[i].uuid, uuid) == 0)
                        return talk->looks + i;
        return NULL;
}

/* NULL: out of memory. */
static struct look *add(struct talk *talk, const char *uuid) {
        if (talk->n_looks == talk->n_looks_allocated) {
                size_t n = talk->n_looks_allocated ? talk->n_looks_allocated * 2 : 16;
                struct look *larger = reallocarray(talk->looks, n, sizeof *larger);
                if (!larger)
                        return NULL;
                talk->looks = larger;
                talk->n_looks_allocated = n;
        }
        struct look *look = talk->looks + talk->n_looks++;
        *look = (struct look) { .wanted = false };
        snprintf(look->uuid, sizeof look->uuid, "%s", uuid);
        return look;
}

void talk_look(struct talk *talk, const char *uuid) {
        talk_lock(talk);
        struct look *look = find(talk, uuid) ?: add(talk, uuid);
        if (!look)
                talk->next_resync_usec = 0; /* all are looked at then */
        else
                look->wanted = true;
        pthread_cond_broadcast(&talk->changed);
        talk_unlock(talk);
}

static uint64_t due(const struct look *look) {
        return look->n < LOOKS_PER_SECOND ? 0 : look->since_usec + SECOND_USEC;
}

bool looks_take(struct talk *talk, char *ret_uuid, uint64_t *ret_next) {
        uint64_t now = talk_now();
        size_t n = 0;
        bool taken = false;

        *ret_next = UINT64_MAX;
        for (size_t i = 0; i < talk->n_looks; i++) {
                struct look *look = talk->looks + i;
                if (now - look->since_usec >= SECOND_USEC) {
                        if (!look->wanted)
                                continue; /* forgotten */
                        look->n = 0;
                        look->since_usec = now;
                }
                if (look->wanted && !taken && due(look) <= now) {
                        memcpy(ret_uuid, look->uuid, UUID_SIZE);
                        look->wanted = false;
                        look->n++;
                        taken = true;
                } else if (look->wanted && due(look) < *ret_next)
                        *ret_next = due(look);
                talk->looks[n++] = *look;
        }
        talk->n_looks = n;
        return taken;
}

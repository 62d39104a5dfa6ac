/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin's main side: the picture of all domains, and what is set on them. Main thread only. */
#ifndef LIBVIRT_PICTURE_H
#define LIBVIRT_PICTURE_H

#include "plugins/vhost-thread/affinity.h"
#include "talk.h"

#define KIND_VCPU_CPUS "vcpu.cpus"
#define KIND_EMULATOR_CPUS "emulator.cpus"
#define KIND_IOTHREAD_CPUS "iothread.cpus"
#define KIND_IOTHREAD_POLL "iothread.poll-max-ns"
#define KIND_IOTHREAD_GROW "iothread.poll-grow"
#define KIND_IOTHREAD_SHRINK "iothread.poll-shrink"
#define KIND_NODESET "numatune.nodeset"

/* One thing of a running domain that can be set. Strings are lists as affinity_format() writes them; NULL: not known, or none. */
struct pin {
        enum question_kind kind; /* one that sets CPUs or nodes */
        unsigned number;         /* of the vCPU or IOThread; 0 */
        char *value;             /* now */
        char *base;              /* what its owner gave it, or a decision did: what it has while no CPU of it is an I/O core */
        char *asked;             /* was asked for, and is not answered */
        uint64_t asked_after;    /* state->n_away then */
        bool asked_by_reserve;   /* `asked` was, by reserve(): it does not change `base` */
        char *wanted;            /* reserve() asked for this */
        char *refused;           /* reserve() asked for this in vain */
        char *unclear;           /* was asked for when the connection was lost, or failed: it may hold all the same, which is being read */
        bool unclear_by_reserve, came_true; /* reserve() asked for that; and it is so now, which the daemon has not heard */
        char *before, *before_base; /* `value` and `base` before the last decision, to be recognised when that is undone */
        char *first, *first_base; /* IOThreads: the same before the first of several decisions: where it is at home, also after it was sent from one I/O core to another */
        bool by_hand;            /* base, if no decision changed it, leaves out CPUs that the domain could have */
        char *overruled;         /* `base` before somebody else set it */
        bool overruled_by_hand;  /* `by_hand` then */
        bool contested;          /* what somebody else set does not count: it is being set again, and `base` is right already */
        bool hands_off;          /* what somebody else set counts, until the domain ends */
        bool touched;            /* something was set here in this process */
        bool told_stays;         /* that it stays on an I/O core */
        bool told_refused;       /* libvirt's words about why it was not set */
        uint64_t serial;         /* of the last answer: older descriptions know nothing of it */

        /* IOThreads */
        struct polling {
                bool known;
                uint64_t value, serial; /* serial: of the last answer about it */
        } polling[POLL_VALUES];
        bool polls_asked; /* it was asked for */
};

/* What happened to a domain of which nothing else is known yet: policies hear of it when it is in the model. Of more than so many the first are kept. */
enum { EARLY_MAX = 16 };
struct early {
        const char *event;
        char *detail; /* NULL: "" */
};

struct known {
        char uuid[UUID_SIZE];
        struct iocore_domain *pub;       /* NULL: the model does not take it */
        struct description *description; /* NULL: only an event told of it */
        uint64_t serial;                 /* of its last event */
        struct early early[EARLY_MAX];   /* what happened while `pub` is NULL */
        size_t n_early;
        bool seen;                       /* in the listing that is going on */
        bool told_foreign, told_unreadable, told_name;
        struct pin *pins; /* by kind and number */
        size_t n_pins;
};

struct libvirt_state {
        const struct iocore_services *services;
        struct iocore_context *context;
        struct talk *talk;
        char *uri;
        struct known **domains; /* by UUID */
        size_t n_domains, n_allocated;
        bool listed;          /* once, since the start: what is not here does not exist */
        bool away_told, read_only_told;
        bool reserve_pending; /* something changed since reserve() looked */
        uint64_t n_away;      /* how often the connection was lost */
        bool reserving;       /* reserve() goes through the domains, and what it asks for calls set() */
        struct affinity_mask cores; /* as reserve() saw them last */
        struct talk_status status;
        char unavailable[IOCORE_REASON_MAX + 64];
};

/* --- picture.c: from news to the model */

/* Applies all news; true: something came, went or changed. */
bool picture_update(struct libvirt_state *state);
void picture_free(struct libvirt_state *state);
struct known *picture_find(const struct libvirt_state *state, const char *uuid);
struct known *picture_find_name(const struct libvirt_state *state, const char *name);
struct pin *known_pin(const struct known *known, enum question_kind kind, unsigned number);
/* Does it run, as far as is known, and is it known as what? */
bool known_runs(const struct known *known);

/* --- publish.c: one domain's part of the model */

/* All of it, from the description and the pins. */
void publish(struct libvirt_state *state, struct known *known);
/* Polling is known to QEMU alone: asks for that of IOThreads of which it was not asked for yet; `again`: of all. */
void publish_ask_for_polling(struct libvirt_state *state, struct known *known, bool again);
/* The CPUs of its threads only. */
void publish_pins(struct libvirt_state *state, struct known *known);
/* ret: IOCORE_NAME_MAX bytes: the object of the knobs of one pin; "" where it has none. */
void known_object(const struct known *known, enum question_kind kind, unsigned number, char *ret);

/* --- pins.c */

/* Takes what the description says: adds, keeps and removes pins. -ENOMEM: nothing changed. */
int pins_update(struct libvirt_state *state, struct known *known, const struct description *description);
void pins_free(struct known *known);
/* Is it being read what became of something that was asked for? */
bool pins_are_unclear(const struct known *known);
/* Something that we had asked for holds now. */
void pin_set(struct libvirt_state *state, struct known *known, struct pin *pin, const char *value, uint64_t serial);
/* Replaces a string by a copy; NULL, or no memory for it: by none. */
void string_set(char **string, const char *text);
static inline bool string_equal(const char *a, const char *b) { return a && b && __builtin_strcmp(a, b) == 0; }
const char *kind_of_pin(enum question_kind kind);

/* --- knobs.c, reserve.c */

enum { LIBVIRT_KNOBS = 7 };
extern const struct iocore_knob libvirt_knobs[LIBVIRT_KNOBS];
int libvirt_reserve(void *userdata, iocore_want want, void *want_userdata);
void libvirt_foreign(void *userdata, const char *kind, const char *object, enum iocore_foreign what);

#endif

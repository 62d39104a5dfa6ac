/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The knobs: read from the picture, set by asking the hand. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "picture.h"

/* Where there is nothing that could be late. */
#define LEISURE_WAIT_USEC (2 * 1000 * 1000ULL)
#define LOOK_AGAIN_USEC 5000

/* One knob of one domain that runs. */
struct place {
        struct known *known;
        struct pin *pin;
        struct question question;
};

static bool has_number(enum question_kind kind) {
        return kind != ASK_EMULATOR_CPUS && kind != ASK_NODESET;
}

/* -ENOENT: gone, or none of ours; -EAGAIN: nobody knows yet. */
static int find(struct libvirt_state *state, enum question_kind kind, const char *object, struct place *ret) {
        char uuid[UUID_SIZE], wanted[IOCORE_NAME_MAX];
        const char *number = strrchr(object, '.');

        /* Whoever goes through the domains and asks for knobs meanwhile (reserve(), or the daemon in an epoch) finds those that he began with: in an epoch announced() has the news. */
        if (!state->reserving && !state->services->in_haste(state->context))
                (void) picture_update(state);
        if (strlen(object) < UUID_SIZE || object[UUID_SIZE - 1] != '.')
                return -ENOENT;
        memcpy(uuid, object, UUID_SIZE - 1);
        uuid[UUID_SIZE - 1] = '\0';
        struct known *known = picture_find(state, uuid);
        if (!known || !known->description)
                return state->listed ? -ENOENT : -EAGAIN;
        if (!known_runs(known))
                return -ENOENT;
        unsigned long value = has_number(kind) ? strtoul(number + 1, NULL, 10) : 0;
        if (value > UINT32_MAX)
                return -ENOENT;
        known_object(known, kind, (unsigned) value, wanted);
        struct pin *pin = known_pin(known, kind_is_polling(kind) ? ASK_IOTHREAD_CPUS : kind, (unsigned) value);
        if (strcmp(wanted, object) != 0 || !pin)
                return -ENOENT;
        *ret = (struct place) { .known = known, .pin = pin, .question = { .kind = kind, .id = known->description->id, .number = (unsigned) value } };
        memcpy(ret->question.uuid, known->uuid, UUID_SIZE);
        return 0;
}

static int copy(const char *text, char *ret, size_t size) {
        if (!text)
                return -EAGAIN;
        return (size_t) snprintf(ret, size, "%s", text) < size ? 0 : -EOVERFLOW;
}

static struct polling *polling_of(struct pin *pin, enum question_kind kind) {
        return pin->polling + (kind - ASK_IOTHREAD_POLL);
}

/* How an IOThread polls is not in any description: it is asked for when the domain is found. Where nothing could be late that answer is waited for. */
static int find_answered(struct libvirt_state *state, enum question_kind kind, const char *object, struct place *ret) {
        const uint64_t end = monotonic_usec() + LEISURE_WAIT_USEC;
        int r;

        while ((r = find(state, kind, object, ret)) >= 0 && kind_is_polling(kind) && !polling_of(ret->pin, kind)->known && !state->services->in_haste(state->context) &&
               monotonic_usec() < end)
                (void) usleep(LOOK_AGAIN_USEC);
        return r;
}

static int get(struct libvirt_state *state, enum question_kind kind, const char *object, char *ret_value, size_t size) {
        char asked[IOCORE_VALUE_MAX], number[32];
        struct place place;

        int r = find_answered(state, kind, object, &place);
        if (r < 0)
                return r;
        /* What may yet happen is taken to have happened: so the journal goes on knowing it. */
        if (talk_is_abandoned(state->talk, &place.question, asked))
                return copy(asked, ret_value, size);
        if (!kind_is_polling(kind) && place.pin->unclear)
                return -EAGAIN;
        if (!kind_is_polling(kind))
                return copy(place.pin->value, ret_value, size);
        const struct polling *polling = polling_of(place.pin, kind);
        snprintf(number, sizeof number, "%" PRIu64, polling->value);
        return copy(polling->known ? number : NULL, ret_value, size);
}

/* In the one form that values have here. */
static int parse_value(enum question_kind kind, const char *value, char ret[static IOCORE_VALUE_MAX]) {
        struct affinity_mask mask;

        if (!kind_is_polling(kind))
                return affinity_parse(value, &mask) < 0 ? -EINVAL : affinity_format(&mask, ret, IOCORE_VALUE_MAX);
        size_t length = strlen(value);
        if (length == 0 || length > 10 || strspn(value, "0123456789") != length)
                return -EINVAL;
        snprintf(ret, IOCORE_VALUE_MAX, "%llu", strtoull(value, NULL, 10));
        return 0;
}

static void tell_refused(struct libvirt_state *state, struct pin *pin, const char *object, const char *text) {
        if (text[0] != '\0' || pin->told_refused)
                state->services->tell(state->context, "not-set", object, text);
        pin->told_refused = text[0] != '\0';
}

static void note_asked(struct libvirt_state *state, struct pin *pin, const char *value) {
        if (!pin->asked)
                pin->asked_after = state->n_away;
        /* reserve() may be asked for on its behalf again later, by whoever waits for the answer */
        pin->asked_by_reserve = state->reserving || (pin->asked_by_reserve && string_equal(pin->asked, value));
        string_set(&pin->asked, value);
}

static void note_set(struct libvirt_state *state, struct place *place, const char *text, uint64_t serial) {
        if (kind_is_polling(place->question.kind))
                *polling_of(place->pin, place->question.kind) = (struct polling) { .known = true, .value = strtoull(text, NULL, 10), .serial = serial };
        else
                pin_set(state, place->known, place->pin, text, serial);
        publish_pins(state, place->known);
}

/* Nobody refuses anything when the connection is lost: then what reserve() wants is asked for again. Lost, or failed for a reason that libvirt has no name for, it may have been done all
 * the same: what holds is read anew, by nothing that is older than the answer. */
static void note_failed(struct libvirt_state *state, struct place *place, const char *value, int error, uint64_t serial) {
        struct pin *pin = place->pin;
        bool lost = !state->status.connected || pin->asked_after != state->n_away;

        if (error == -EIO) {
                string_set(&pin->unclear, value);
                pin->unclear_by_reserve = pin->asked_by_reserve;
                pin->serial = serial;
        }
        if (error == -EIO || lost) {
                place->known->description->fingerprint = 0; /* whatever comes is news */
                talk_look(state->talk, place->question.uuid);
        }
        if (pin->asked_by_reserve && !lost)
                string_set(&pin->refused, value);
        string_set(&pin->asked, NULL);
        pin->asked_by_reserve = false;
        state->reserve_pending = state->reserve_pending || lost;
}

static int set(struct libvirt_state *state, enum question_kind kind, const char *object, const char *value, char *ret_value, size_t size) {
        char canonical[IOCORE_VALUE_MAX], text[IOCORE_VALUE_MAX];
        struct place place;
        uint64_t serial;

        int r = parse_value(kind, value, canonical);
        if (r >= 0)
                r = find(state, kind, object, &place);
        if (r < 0)
                return r;
        place.question.value = canonical;
        if (!kind_is_polling(kind))
                note_asked(state, place.pin, canonical);
        r = talk_ask(state->talk, &place.question, state->services->in_haste(state->context) ? 0 : LEISURE_WAIT_USEC, text, sizeof text, &serial);
        if (r == -EINPROGRESS)
                return r;
        if (r >= 0) {
                note_set(state, &place, text, serial);
                tell_refused(state, place.pin, object, "");
                return copy(text, ret_value, size);
        }
        if (!kind_is_polling(kind))
                note_failed(state, &place, canonical, r, serial);
        if (r != -ENOENT && text[0] != '\0')
                tell_refused(state, place.pin, object, text);
        if (r == -ENOENT)
                talk_look(state->talk, place.question.uuid);
        return r;
}

void libvirt_foreign(void *userdata, const char *kind, const char *object, enum iocore_foreign what) {
        struct libvirt_state *state = userdata;
        struct place place;

        for (enum question_kind k = ASK_VCPU_CPUS; k <= ASK_NODESET; k++) {
                if (kind_is_polling(k) || strcmp(kind_of_pin(k), kind) != 0 || find(state, k, object, &place) < 0)
                        continue;
                struct pin *pin = place.pin;
                pin->hands_off = what == IOCORE_FOREIGN_MANUAL;
                pin->contested = what == IOCORE_FOREIGN_CONTEST && pin->overruled;
                if (pin->contested) {
                        string_set(&pin->base, pin->overruled);
                        pin->by_hand = pin->overruled_by_hand;
                }
                publish_pins(state, place.known);
        }
}

#define KNOB(name, kind)                                                                                                        \
        static int name##_get(void *userdata, const char *object, char *ret_value, size_t size) {                               \
                return get(userdata, kind, object, ret_value, size);                                                            \
        }                                                                                                                       \
        static int name##_set(void *userdata, const char *object, const char *value, char *ret_value, size_t size) {            \
                return set(userdata, kind, object, value, ret_value, size);                                                     \
        }
KNOB(vcpu_cpus, ASK_VCPU_CPUS)
KNOB(emulator_cpus, ASK_EMULATOR_CPUS)
KNOB(iothread_cpus, ASK_IOTHREAD_CPUS)
KNOB(iothread_poll, ASK_IOTHREAD_POLL)
KNOB(iothread_grow, ASK_IOTHREAD_GROW)
KNOB(iothread_shrink, ASK_IOTHREAD_SHRINK)
KNOB(nodeset, ASK_NODESET)

const struct iocore_knob libvirt_knobs[LIBVIRT_KNOBS] = {
        { .kind = KIND_VCPU_CPUS, .doc = "CPUs that a virtual CPU may run on, as a list", .get = vcpu_cpus_get, .set = vcpu_cpus_set },
        { .kind = KIND_EMULATOR_CPUS, .doc = "CPUs that the other threads of a virtual machine may run on, as a list", .get = emulator_cpus_get, .set = emulator_cpus_set },
        { .kind = KIND_IOTHREAD_CPUS, .doc = "CPUs that an IOThread may run on, as a list", .get = iothread_cpus_get, .set = iothread_cpus_set },
        { .kind = KIND_IOTHREAD_POLL, .doc = "nanoseconds that an IOThread polls at most before it sleeps; 0: never", .get = iothread_poll_get, .set = iothread_poll_set },
        { .kind = KIND_IOTHREAD_GROW, .doc = "what the time that an IOThread polls is multiplied by when it was too short; 0: QEMU's own", .get = iothread_grow_get, .set = iothread_grow_set },
        { .kind = KIND_IOTHREAD_SHRINK, .doc = "what the time that an IOThread polls is divided by when it was too long; 0: it is begun anew", .get = iothread_shrink_get, .set = iothread_shrink_set },
        { .kind = KIND_NODESET, .doc = "nodes that a virtual machine has its memory on, as a list; pages move there", .get = nodeset_get, .set = nodeset_set },
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "picture.h"

void string_set(char **string, const char *text) {
        char *copy = text ? strdup(text) : NULL;
        free(*string);
        *string = copy;
}

const char *kind_of_pin(enum question_kind kind) {
        switch (kind) {
        case ASK_VCPU_CPUS:
                return KIND_VCPU_CPUS;
        case ASK_EMULATOR_CPUS:
                return KIND_EMULATOR_CPUS;
        case ASK_IOTHREAD_CPUS:
                return KIND_IOTHREAD_CPUS;
        case ASK_IOTHREAD_POLL:
                return KIND_IOTHREAD_POLL;
        case ASK_IOTHREAD_GROW:
                return KIND_IOTHREAD_GROW;
        case ASK_IOTHREAD_SHRINK:
                return KIND_IOTHREAD_SHRINK;
        default:
                return KIND_NODESET;
        }
}

static void pin_done(struct pin *pin) {
        char **strings[] = { &pin->value, &pin->base, &pin->asked, &pin->wanted, &pin->refused, &pin->unclear, &pin->before, &pin->before_base, &pin->first, &pin->first_base, &pin->overruled };
        for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
                string_set(strings[i], NULL);
}

void pins_free(struct known *known) {
        for (size_t i = 0; i < known->n_pins; i++)
                pin_done(known->pins + i);
        free(known->pins);
        known->pins = NULL;
        known->n_pins = 0;
}

static int compare_pins(const void *a, const void *b) {
        const struct pin *x = a, *y = b;
        return x->kind != y->kind ? (int) x->kind - (int) y->kind : (x->number > y->number) - (x->number < y->number);
}

struct pin *known_pin(const struct known *known, enum question_kind kind, unsigned number) {
        const struct pin key = { .kind = kind, .number = number };
        return known->n_pins > 0 ? bsearch(&key, known->pins, known->n_pins, sizeof key, compare_pins) : NULL;
}

/* Is some CPU that is online not in the list? */
static bool leaves_out(const char *list, const char *online) {
        struct affinity_mask mask, all;

        if (!list || !online || affinity_parse(list, &mask) < 0 || affinity_parse(online, &all) < 0)
                return false;
        const struct affinity_mask rest = affinity_minus(&all, &mask);
        return !affinity_is_empty(&rest);
}

static void forget_decisions(struct pin *pin) {
        string_set(&pin->first, NULL);
        string_set(&pin->first_base, NULL);
}

/* Did somebody bind its memory? Not who let it have all nodes, as an iocored does that puts back what was bound to none: libvirt has no way to take that away from a domain that runs. */
static bool memory_is_by_hand(const struct description *description) {
        if (!description->nodeset || description->placement_auto)
                return false;
        return description->nodeset_fixed || !string_equal(description->nodeset, description->all_nodes);
}

/* What a pin is that nobody here has set. */
static void pin_adopt(struct pin *pin, const char *value, const struct description *description, bool pinned) {
        string_set(&pin->value, value);
        string_set(&pin->base, value);
        string_set(&pin->before, NULL);
        string_set(&pin->before_base, NULL);
        forget_decisions(pin);
        /* what libvirt got from numad and what was put back to that is nobody's hand */
        bool automatic = description->placement_auto && (!pinned || string_equal(value, description->auto_cpus));
        pin->by_hand = pin->kind == ASK_NODESET ? memory_is_by_hand(description) : leaves_out(value, description->online) && !automatic;
}

/* The value that the description has for a pin, if that is news. */
static void pin_update(struct libvirt_state *state, struct known *known, struct pin *pin, const char *value, const struct description *description, bool pinned) {
        char object[IOCORE_NAME_MAX];

        if (description->serial < pin->serial || pin->asked || !value)
                return;
        if (string_equal(value, pin->value)) {
                string_set(&pin->unclear, NULL); /* it was not done */
                return;
        }
        bool was_known = pin->value;
        if (string_equal(value, pin->unclear)) {
                /* it was us: what its owner gave it stays known */
                string_set(&pin->value, value);
                string_set(&pin->unclear, NULL);
                string_set(&pin->refused, NULL);
                pin->touched = true;
                pin->came_true = pin->unclear_by_reserve;
                if (pin->came_true)
                        return;
        } else {
                string_set(&pin->unclear, NULL);
                string_set(&pin->overruled, pin->base);
                pin->overruled_by_hand = pin->by_hand;
                pin_adopt(pin, value, description, pinned);
        }
        known_object(known, pin->kind, pin->number, object);
        if (was_known && object[0] != '\0')
                state->services->knob_changed(state->context, kind_of_pin(pin->kind), object);
}

struct pins {
        struct pin *pins;
        size_t n;
};

bool pins_are_unclear(const struct known *known) {
        for (size_t i = 0; i < known->n_pins; i++)
                if (known->pins[i].unclear)
                        return true;
        return false;
}

/* Moves the pin to the new ones, or makes it. */
static void take_pin(struct libvirt_state *state, struct known *known, bool same, struct pins *pins, const struct description *description, enum question_kind kind,
                     unsigned number, const char *value, bool pinned) {
        struct pin *old = same ? known_pin(known, kind, number) : NULL;
        struct pin *pin = pins->pins + pins->n++;

        if (old) {
                *pin = *old;
                *old = (struct pin) { .kind = kind, .number = number };
                pin_update(state, known, pin, value, description, pinned);
        } else {
                *pin = (struct pin) { .kind = kind, .number = number };
                pin_adopt(pin, value, description, pinned);
        }
}

/* Where its memory may be; NULL: not known. */
static const char *nodes_of_memory(const struct description *description) {
        if (description->nodeset)
                return description->nodeset;
        return description->memory_auto ? description->auto_nodes : description->all_nodes;
}

static bool is_same_run(const struct description *a, const struct description *b) {
        return a && a->active && b->active && a->start == b->start && a->id == b->id;
}

int pins_update(struct libvirt_state *state, struct known *known, const struct description *description) {
        bool same = is_same_run(known->description, description);
        struct pins pins = { 0 };

        if (description->active) {
                pins.pins = calloc(description->n_vcpus + description->n_iothreads + 2, sizeof *pins.pins);
                if (!pins.pins)
                        return -ENOMEM;
                /* in the order of compare_pins() */
                for (size_t i = 0; i < description->n_vcpus; i++)
                        take_pin(state, known, same, &pins, description, ASK_VCPU_CPUS, description->vcpus[i].id, description->vcpus[i].cpus, description->vcpus[i].pinned);
                take_pin(state, known, same, &pins, description, ASK_EMULATOR_CPUS, 0, description->emulator_cpus, description->emulator_pinned);
                for (size_t i = 0; i < description->n_iothreads; i++)
                        take_pin(state, known, same, &pins, description, ASK_IOTHREAD_CPUS, description->iothreads[i].id, description->iothreads[i].cpus,
                                 description->iothreads[i].pinned);
                take_pin(state, known, same, &pins, description, ASK_NODESET, 0, nodes_of_memory(description), description->nodeset);
        }
        pins_free(known);
        known->pins = pins.pins;
        known->n_pins = pins.n;
        return 0;
}

/* A decision's value is the new base; the value from before the last decision takes its base back with it. */
static void rebase(struct pin *pin, const char *value) {
        bool home = pin->kind == ASK_IOTHREAD_CPUS && (string_equal(value, pin->first) || string_equal(value, pin->first_base));

        if (home || string_equal(value, pin->before)) {
                string_set(&pin->base, home ? pin->first_base : pin->before_base);
                string_set(&pin->before, NULL);
                string_set(&pin->before_base, NULL);
                if (home)
                        forget_decisions(pin);
                return;
        }
        if (pin->kind == ASK_IOTHREAD_CPUS && !pin->first) {
                string_set(&pin->first, pin->value);
                string_set(&pin->first_base, pin->base);
        }
        string_set(&pin->before, pin->value);
        string_set(&pin->before_base, pin->base);
        string_set(&pin->base, value);
}

void pin_set(struct libvirt_state *state, struct known *known, struct pin *pin, const char *value, uint64_t serial) {
        bool reserved = pin->asked_by_reserve;

        pin->serial = serial;
        known->description->fingerprint = 0; /* what it was before is news, too, when somebody sets that */
        if (!reserved && !pin->touched && !state->services->in_haste(state->context)) {
                /* What an earlier iocored left behind is put back: this is what its owner had given it. */
                pin_adopt(pin, value, known->description, true);
        } else if (!reserved && !pin->contested)
                rebase(pin, value);
        pin->contested = false;
        pin->touched = true;
        string_set(&pin->value, value);
        string_set(&pin->asked, NULL);
        string_set(&pin->refused, NULL);
        string_set(&pin->unclear, NULL);
        pin->asked_by_reserve = false;
        state->reserve_pending = true;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "daemon/cleanup.h"
#include "picture.h"

#define TELL_KIND "libvirt"
#define TELL_RIGHTS_KIND "libvirt-rights"
#define TELL_METADATA_KIND "metadata"

/* --- the table */

static size_t find_place(const struct libvirt_state *state, const char *uuid, bool *ret_found) {
        size_t low = 0, high = state->n_domains;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = strcmp(state->domains[middle]->uuid, uuid);
                if (order == 0) {
                        *ret_found = true;
                        return middle;
                }
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        *ret_found = false;
        return low;
}

struct known *picture_find(const struct libvirt_state *state, const char *uuid) {
        bool found;
        size_t place = find_place(state, uuid, &found);
        return found ? state->domains[place] : NULL;
}

struct known *picture_find_name(const struct libvirt_state *state, const char *name) {
        for (size_t i = 0; i < state->n_domains; i++)
                if (state->domains[i]->pub && strcmp(state->domains[i]->pub->id, name) == 0)
                        return state->domains[i];
        return NULL;
}

bool known_runs(const struct known *known) {
        return known->pub && known->description && known->description->active && known->pub->state != IOCORE_DOMAIN_SHUTOFF;
}

static struct known *insert(struct libvirt_state *state, const char *uuid) {
        bool found;
        size_t place = find_place(state, uuid, &found);

        if (found)
                return state->domains[place];
        if (state->n_domains == state->n_allocated) {
                size_t n = state->n_allocated ? state->n_allocated * 2 : 16;
                struct known **larger = reallocarray(state->domains, n, sizeof(struct known *));
                if (!larger)
                        return NULL;
                state->domains = larger;
                state->n_allocated = n;
        }
        struct known *known = calloc(1, sizeof *known);
        if (!known)
                return NULL;
        snprintf(known->uuid, sizeof known->uuid, "%s", uuid);
        memmove(state->domains + place + 1, state->domains + place, (state->n_domains - place) * sizeof(struct known *));
        state->n_domains++;
        return state->domains[place] = known;
}

static void tell_about(struct libvirt_state *state, const struct known *known, const char *kind, const char *text) {
        state->services->tell(state->context, kind, known->pub ? known->pub->id : known->uuid, text);
}

static void untell(struct libvirt_state *state, struct known *known) {
        if (known->told_foreign)
                tell_about(state, known, TELL_METADATA_KIND, "");
        if (known->told_unreadable)
                tell_about(state, known, TELL_KIND, "");
        known->told_foreign = known->told_unreadable = false;
}

static void forget_early(struct known *known) {
        for (size_t i = 0; i < known->n_early; i++)
                free(known->early[i].detail);
        known->n_early = 0;
}

static void known_free(struct known *known) {
        forget_early(known);
        pins_free(known);
        description_free(known->description);
        free(known);
}

static void leave_model(struct libvirt_state *state, struct known *known) {
        if (!known->pub)
                return;
        untell(state, known);
        known->pub->plugin_data = NULL;
        state->services->domain_remove(state->context, TAKE_PTR(known->pub));
}

static void drop(struct libvirt_state *state, struct known *known) {
        bool found;
        size_t place = find_place(state, known->uuid, &found);

        leave_model(state, known);
        memmove(state->domains + place, state->domains + place + 1, (state->n_domains - place - 1) * sizeof(struct known *));
        state->n_domains--;
        known_free(known);
}

void picture_free(struct libvirt_state *state) {
        for (size_t i = 0; i < state->n_domains; i++)
                known_free(state->domains[i]);
        free(state->domains);
        state->domains = NULL;
        state->n_domains = 0;
}

/* --- into the model */

static bool is_name(const char *name) {
        size_t length = strlen(name);

        for (size_t i = 0; i < length; i++)
                if ((unsigned char) name[i] < 0x20 || name[i] == 0x7f)
                        return false;
        return length > 0 && length < IOCORE_NAME_MAX;
}

/* Under this name; NULL: another plugin's, or another domain's, or the model does not take it. */
static struct iocore_domain *add_named(struct libvirt_state *state, struct known *known, const char *name) {
        struct iocore_domain *pub = is_name(name) ? state->services->domain_add(state->context, name) : NULL;

        if (!pub || (pub->plugin_data && pub->plugin_data != known))
                return NULL;
        pub->plugin_data = known;
        return pub;
}

static void tell_early(struct libvirt_state *state, struct known *known) {
        for (size_t i = 0; i < known->n_early; i++)
                state->services->domain_event(state->context, known->pub, known->early[i].event, known->early[i].detail ?: "");
        forget_early(known);
}

static void keep_early(struct known *known, const struct news *news) {
        if (known->n_early < EARLY_MAX)
                known->early[known->n_early++] = (struct early) { news->event, news->text ? strdup(news->text) : NULL };
}

/* Under its name, or under its UUID where that is none which the model takes. */
static void enter_model(struct libvirt_state *state, struct known *known, const char *name) {
        if (known->pub && (strcmp(known->pub->id, name) == 0 || (!is_name(name) && strcmp(known->pub->id, known->uuid) == 0)))
                return;
        leave_model(state, known);
        known->pub = add_named(state, known, name);
        if (known->pub) {
                tell_early(state, known);
                return;
        }
        known->pub = add_named(state, known, known->uuid);
        if (known->pub)
                tell_early(state, known);
        if (!known->told_name)
                state->services->log(state->context, LOG_NOTICE, "domain %s has a name that is %s: it is known by its UUID", known->uuid,
                                     is_name(name) ? "taken" : "too long or cannot be printed");
        known->told_name = true;
}

static void tell_foreign(struct libvirt_state *state, struct known *known) {
        const struct wishes *wishes = &known->description->wishes;
        char text[IOCORE_REASON_MAX];

        if (wishes->foreign[0] != '\0') {
                snprintf(text, sizeof text, "its element in our namespace is not one of ours (%s): left as it is, and not heeded", wishes->foreign);
                tell_about(state, known, TELL_METADATA_KIND, text);
        } else if (known->told_foreign)
                tell_about(state, known, TELL_METADATA_KIND, "");
        known->told_foreign = wishes->foreign[0] != '\0';
}

/* Takes the description. */
static void apply_description(struct libvirt_state *state, struct description *description) {
        _cleanup_(description_freep) struct description *new = description;
        struct known *known = insert(state, description->uuid);

        if (!known)
                return; /* no memory: at the next listing */
        known->seen = true;
        if (description->serial < known->serial)
                return; /* an event came meanwhile, after which it is looked at again */
        if (known->told_unreadable)
                tell_about(state, known, TELL_KIND, "");
        known->told_unreadable = false;
        if (known->pub)
                known->pub->stale = false;
        if (known->description && known->description->fingerprint == description->fingerprint && known->pub && known->pub->state == description->state && !pins_are_unclear(known)) {
                known->description->serial = description->serial;
                return;
        }
        enter_model(state, known, description->name);
        if (pins_update(state, known, description) < 0)
                return;
        description_free(known->description);
        known->description = TAKE_PTR(new);
        publish(state, known);
        tell_foreign(state, known);
        state->reserve_pending = true;
}

/* Its process is gone, and with it all that was set there; the next one is another. */
static void end_run(struct libvirt_state *state, struct known *known) {
        struct description *description = known->description;

        known->pub->pid = 0;
        known->pub->incarnation = 0;
        if (!description)
                return;
        description->active = false;
        description->start = 0;
        description->pid = 0;
        description->id = -1;
        description->fingerprint = 0; /* whatever comes is news */
        for (size_t i = 0; i < description->n_vcpus; i++)
                description->vcpus[i].tid = 0;
        for (size_t i = 0; i < description->n_iothreads; i++)
                description->iothreads[i].tid = 0;
        pins_free(known);
        publish_pins(state, known);
}

/* An event says what it is now; all else follows when it was looked at. */
static void apply_state(struct libvirt_state *state, const struct news *news) {
        struct known *known = insert(state, news->uuid);

        if (!known)
                return;
        known->seen = true;
        known->serial = news->serial;
        if (!known->pub && news->name)
                enter_model(state, known, news->name);
        if (!known->pub)
                return;
        memcpy(known->pub->uuid, known->uuid, sizeof known->pub->uuid);
        known->pub->state = news->state;
        if (news->state == IOCORE_DOMAIN_SHUTOFF)
                end_run(state, known);
        state->services->domain_event(state->context, known->pub, news->event, news->text ?: "");
        state->reserve_pending = true;
}

static void apply_event(struct libvirt_state *state, const struct news *news) {
        /* That of one that is not known yet: it is looked at, and then is in the model, or gone, and with it this. */
        struct known *known = news->event ? insert(state, news->uuid) : picture_find(state, news->uuid);

        if (!known)
                return;
        if (news->event) {
                known->seen = true;
                known->serial = news->serial;
                if (known->pub)
                        state->services->domain_event(state->context, known->pub, news->event, news->text ?: "");
                else
                        keep_early(known, news);
                return;
        }
        char text[IOCORE_REASON_MAX];
        known->seen = known->told_unreadable = true;
        snprintf(text, sizeof text, "its description cannot be read: %s", news->text ?: "");
        tell_about(state, known, TELL_KIND, text);
}

/* Somebody set a pin. If it was not us, what holds is read again, and told then. */
static void apply_tuned(struct libvirt_state *state, const struct news *news) {
        struct known *known = picture_find(state, news->uuid);
        struct pin *pin = known ? known_pin(known, news->question, (unsigned) news->number) : NULL;
        char list[IOCORE_VALUE_MAX];
        struct affinity_mask mask;

        if (!pin || affinity_parse(news->text ?: "", &mask) < 0 || affinity_format(&mask, list, sizeof list) < 0)
                return;
        if (!string_equal(list, pin->value) && !string_equal(list, pin->asked))
                talk_look(state->talk, news->uuid);
}

/* There is no event of that: what is read may be what somebody else has set. */
static void apply_polling(struct libvirt_state *state, const struct known *known, struct pin *pin, const struct news *news) {
        struct polling *polling = pin->polling + (news->question - ASK_IOTHREAD_POLL);
        const struct polling new = { .known = news->text, .value = news->text ? strtoull(news->text, NULL, 10) : 0, .serial = news->serial };
        bool changed = polling->known && (!new.known || new.value != polling->value);
        char object[IOCORE_NAME_MAX];

        if (new.serial < polling->serial)
                return;
        *polling = new;
        known_object(known, news->question, pin->number, object);
        if (changed && object[0] != '\0')
                state->services->knob_changed(state->context, kind_of_pin(news->question), object);
}

static void apply_answer(struct libvirt_state *state, const struct news *news) {
        struct known *known = picture_find(state, news->uuid);
        enum question_kind kind = kind_is_polling(news->question) ? ASK_IOTHREAD_CPUS : news->question;
        struct pin *pin = known ? known_pin(known, kind, (unsigned) news->number) : NULL;
        char object[IOCORE_NAME_MAX];

        if (!pin)
                return;
        if (kind_is_polling(news->question))
                apply_polling(state, known, pin, news);
        else {
                /* what was given up has come to an end after all; it is nobody's decision any more */
                if (news->text) {
                        string_set(&pin->value, news->text);
                        pin->serial = news->serial;
                        pin->touched = state->reserve_pending = true;
                }
                known_object(known, pin->kind, pin->number, object);
                state->services->knob_changed(state->context, kind_of_pin(pin->kind), object);
        }
        publish_pins(state, known);
}

static void apply_memory(struct libvirt_state *state, const struct news *news) {
        struct known *known = picture_find(state, news->uuid);

        if (known && known->pub)
                known->pub->memory_kib = news->number;
}

/* --- the connection */

static void apply_away(struct libvirt_state *state) {
        char text[IOCORE_REASON_MAX];

        for (size_t i = 0; i < state->n_domains; i++)
                if (state->domains[i]->pub)
                        state->domains[i]->pub->stale = true;
        state->n_away++;
        snprintf(text, sizeof text, "libvirt does not answer (%.150s): its domains are shown as they were last, and left as they are", state->status.trouble);
        if (!state->away_told)
                state->services->tell(state->context, TELL_KIND, state->uri, text);
        state->away_told = true;
}

static void apply_answers(struct libvirt_state *state) {
        char text[IOCORE_REASON_MAX] = "";

        if (state->away_told) {
                state->services->tell(state->context, TELL_KIND, state->uri, "");
                state->services->log(state->context, LOG_NOTICE, "libvirt answers");
        }
        state->away_told = false;
        bool read_only = state->status.connected && !state->status.writable;
        if (read_only)
                snprintf(text, sizeof text, "connected read-only, so vCPUs and memory are not placed (%.170s)", state->status.read_only);
        if (read_only || state->read_only_told)
                state->services->tell(state->context, TELL_RIGHTS_KIND, state->uri, text);
        state->read_only_told = read_only;
}

static void set_seen(struct libvirt_state *state, bool seen) {
        for (size_t i = 0; i < state->n_domains; i++)
                state->domains[i]->seen = seen;
}

static void unset_stale(struct libvirt_state *state) {
        for (size_t i = 0; i < state->n_domains; i++)
                if (state->domains[i]->pub)
                        state->domains[i]->pub->stale = false;
}

/* What was refused may have been by a connection that was about to end, which was not known then. */
static void forget_refusals(struct libvirt_state *state, struct known *known) {
        char object[IOCORE_NAME_MAX];

        for (size_t i = 0; i < known->n_pins; i++) {
                struct pin *pin = known->pins + i;
                if (!pin->refused)
                        continue;
                string_set(&pin->refused, NULL);
                /* whoever asked in vain need not wait any longer */
                known_object(known, pin->kind, pin->number, object);
                if (object[0] != '\0')
                        state->services->knob_changed(state->context, kind_of_pin(pin->kind), object);
        }
}

static void apply_listed(struct libvirt_state *state) {
        for (size_t i = state->n_domains; i-- > 0;)
                if (!state->domains[i]->seen)
                        drop(state, state->domains[i]);
        for (size_t i = 0; i < state->n_domains; i++) {
                forget_refusals(state, state->domains[i]);
                publish_ask_for_polling(state, state->domains[i], true);
        }
        unset_stale(state);
        state->listed = true;
        state->reserve_pending = true;
}

static void apply_gone(struct libvirt_state *state, const char *uuid) {
        struct known *known = picture_find(state, uuid);
        if (known)
                drop(state, known);
}

static void apply(struct libvirt_state *state, struct news *news) {
        switch (news->kind) {
        case NEWS_STARTED_LISTING:
                set_seen(state, false);
                apply_answers(state);
                break;
        case NEWS_LISTED:
                apply_listed(state);
                break;
        case NEWS_AWAY:
                apply_away(state);
                break;
        case NEWS_ANSWERS:
                unset_stale(state);
                apply_answers(state);
                break;
        case NEWS_DESCRIPTION:
                apply_description(state, TAKE_PTR(news->description));
                break;
        case NEWS_GONE:
                apply_gone(state, news->uuid);
                break;
        case NEWS_STATE:
                apply_state(state, news);
                break;
        case NEWS_EVENT:
                apply_event(state, news);
                break;
        case NEWS_MEMORY:
                apply_memory(state, news);
                break;
        case NEWS_TUNED:
                apply_tuned(state, news);
                break;
        case NEWS_ANSWERED:
                apply_answer(state, news);
                break;
        }
}

bool picture_update(struct libvirt_state *state) {
        if (!talk_has_news(state->talk))
                return false;
        struct news *news = talk_take_news(state->talk);
        talk_status(state->talk, &state->status);
        while (news) {
                apply(state, news);
                news = news_free(news);
        }
        return true;
}

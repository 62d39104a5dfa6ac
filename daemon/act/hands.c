/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asks.h"
#include "cleanup.h"
#include "fault-point.h"
#include "hands.h"
#include "reservation.h"

struct plugin_instance *actor_plugin(const struct actor *actor, const char *name) {
        for (struct plugin_instance *const *p = actor->plugins; *p; p++)
                if (strcmp((*p)->plugin->name, name) == 0)
                        return *p;
        return NULL;
}

static const struct iocore_knob *find_knob(const struct plugin_instance *instance, const char *kind) {
        for (size_t i = 0; i < instance->plugin->n_knobs; i++)
                if (strcmp(instance->plugin->knobs[i].kind, kind) == 0)
                        return instance->plugin->knobs + i;
        return NULL;
}

/* What the model knows of a knob's object. */
struct owner {
        bool modelled; /* the kind is one whose objects are in the model */
        bool present;
        struct plugin_instance *instance;
        uint64_t incarnation;
        struct unit *unit;
};

static bool kind_is_of(const char *kind, const char *what) {
        size_t length = strlen(what);
        return strncmp(kind, what, length) == 0 && kind[length] == '.';
}

bool hand_kind_is_modelled(const char *kind) {
        return kind_is_of(kind, "unit") || kind_is_of(kind, "worker") || kind_is_of(kind, "queue") || kind_is_of(kind, "device") || kind_is_of(kind, "domain");
}

static struct owner find_owner(const struct host *host, const char *kind, const char *object) {
        if (kind_is_of(kind, "unit")) {
                struct unit *unit = host_unit(host, object);
                return unit ? (struct owner) { true, true, unit->plugin, unit->pub.incarnation, unit } : (struct owner) { .modelled = true };
        }
        if (kind_is_of(kind, "worker")) {
                struct worker *worker = host_worker(host, object);
                return worker ? (struct owner) { true, true, worker->plugin, worker->pub.incarnation, NULL } : (struct owner) { .modelled = true };
        }
        if (kind_is_of(kind, "queue")) {
                struct queue *queue = host_queue(host, object);
                if (!queue)
                        return (struct owner) { .modelled = true };
                /* A queue lives and dies with its unit. */
                return (struct owner) { true, true, queue->plugin, queue->pub.unit ? queue->pub.unit->incarnation : 0, NULL };
        }
        if (kind_is_of(kind, "device")) {
                struct device *device = host_device(host, object);
                return device ? (struct owner) { true, true, device->plugin, 0, NULL } : (struct owner) { .modelled = true };
        }
        if (kind_is_of(kind, "domain")) {
                struct domain *domain = host_domain(host, object);
                return domain ? (struct owner) { true, true, domain->plugin, 0, NULL } : (struct owner) { .modelled = true };
        }
        return (struct owner) { 0 };
}

int hand_find(const struct actor *actor, const char *kind, const char *object, struct hand *ret) {
        struct owner owner = find_owner(actor->host, kind, object);
        if (owner.modelled && !owner.present)
                return -ENOENT;
        struct plugin_instance *instance = owner.instance;
        const struct iocore_knob *knob = instance ? find_knob(instance, kind) : NULL;
        /* A domain that one plugin found may be another one's to pin. */
        for (struct plugin_instance *const *p = actor->plugins; !knob && *p; p++) {
                instance = *p;
                knob = find_knob(instance, kind);
        }
        if (!knob)
                return -EOPNOTSUPP;
        *ret = (struct hand) { .instance = instance, .knob = knob, .object = object, .incarnation = owner.incarnation, .unit = owner.unit };
        return 0;
}

int hand_find_journaled(const struct actor *actor, const struct journal_entry *entry, struct hand *ret) {
        struct plugin_instance *instance = actor_plugin(actor, entry->plugin);
        if (!instance)
                return -ENODEV;
        const struct iocore_knob *knob = find_knob(instance, entry->knob);
        if (!knob)
                return -EOPNOTSUPP;
        struct owner owner = find_owner(actor->host, entry->knob, entry->object);
        if (owner.present ? owner.incarnation != entry->incarnation : entry->incarnation != 0)
                return -ENOENT;
        *ret = (struct hand) { .instance = instance, .knob = knob, .object = entry->object, .incarnation = entry->incarnation, .unit = owner.unit };
        return 0;
}

bool hand_is_gone(const struct actor *actor, const struct journal_entry *entry) {
        const struct plugin_instance *instance = actor_plugin(actor, entry->plugin);
        const struct iocore_knob *knob = instance ? find_knob(instance, entry->knob) : NULL;
        char value[IOCORE_VALUE_MAX];
        if (!knob)
                return false;
        struct owner owner = find_owner(actor->host, entry->knob, entry->object);
        if (owner.present)
                return owner.incarnation != entry->incarnation;
        return error_is_gone(knob->get(instance->state, entry->object, value, sizeof value));
}

int hand_get(const struct hand *hand, char *ret) {
        ret[0] = '\0';
        int r = hand->knob->get(hand->instance->state, hand->object, ret, IOCORE_VALUE_MAX);
        ret[IOCORE_VALUE_MAX - 1] = '\0';
        return r < 0 ? r : 0;
}

int hand_set(const struct hand *hand, const char *value, char *ret) {
        ret[0] = '\0';
        fault_point_before_write();
        int r = hand->knob->set(hand->instance->state, hand->object, value, ret, IOCORE_VALUE_MAX);
        fault_point_after_write();
        ret[IOCORE_VALUE_MAX - 1] = '\0';
        return r < 0 ? r : 0;
}

int hand_forget(const struct actor *actor, const struct hand *hand) {
        return journal_forget(actor->journal, JOURNAL_KNOB, hand->instance->plugin->name, hand->knob->kind, hand->object);
}

const struct journal_entry *hand_entry(const struct actor *actor, const struct hand *hand) {
        const struct journal_entry *entry =
                journal_find(actor->journal, JOURNAL_KNOB, hand->instance->plugin->name, hand->knob->kind, hand->object);
        if (!entry || entry->incarnation == hand->incarnation)
                return entry;
        (void) hand_forget(actor, hand); /* if it cannot be written now, the next announcement replaces it */
        return NULL;
}

/* After a set() that returned `r`: when that failed, looks whether the old value still holds, as it should: if not, `ret` is what holds instead; *ret_unclear: nobody knows what does. */
static int look(const struct hand *hand, const char *live, const char *value, int r, char *ret, bool *ret_changed, bool *ret_unclear) {
        *ret_changed = *ret_unclear = false;
        if (r < 0) {
                int found = hand_get(hand, ret);
                *ret_changed = found >= 0 && strcmp(ret, live) != 0;
                *ret_unclear = found == -EAGAIN;
                return r;
        }
        if (strcmp(ret, live) == 0)
                return strcmp(value, live) == 0 ? 0 : -EOPNOTSUPP; /* taken without a word, and nothing happened */
        *ret_changed = true;
        return 0;
}

static int set_and_look(const struct hand *hand, const char *live, const char *value, char *ret, bool *ret_changed) {
        bool unclear;
        int r = hand_set(hand, value, ret);
        return look(hand, live, value, r, ret, ret_changed, &unclear);
}

static int announce(struct actor *actor, const struct hand *hand, const char *live, const char *value) {
        const struct iocore_plugin *plugin = hand->instance->plugin;
        const struct journal_entry *entry = hand_entry(actor, hand);
        /* What an earlier announcement set without a confirmation must not be lost when this one is taken back. */
        if (entry && entry->pending_value && strcmp(live, entry->pending_value) == 0) {
                int r = journal_confirm(actor->journal, JOURNAL_KNOB, plugin->name, hand->knob->kind, hand->object, live);
                if (r < 0)
                        return r;
        }
        struct journal_entry announced = { .kind = JOURNAL_KNOB, .incarnation = hand->incarnation };
        snprintf(announced.plugin, sizeof announced.plugin, "%s", plugin->name);
        snprintf(announced.knob, sizeof announced.knob, "%s", hand->knob->kind);
        snprintf(announced.object, sizeof announced.object, "%s", hand->object);
        snprintf(announced.source, sizeof announced.source, "%s", hand->source ?: "");
        return journal_announce(actor->journal, &announced, live, value);
}

/* Whoever comes after a crash at this moment finds a value that the journal knows. */
static bool is_known(const struct journal_entry *entry, const char *value) {
        return entry && (strcmp(value, entry->old_value) == 0 || (entry->set_value && strcmp(value, entry->set_value) == 0));
}

int hand_settle(struct actor *actor, const struct hand *hand, const char *value) {
        const char *plugin = hand->instance->plugin->name, *kind = hand->knob->kind;
        const struct journal_entry *entry = hand_entry(actor, hand);
        if (!entry)
                return 0;
        if (strcmp(value, entry->old_value) == 0) {
                (void) hand_forget(actor, hand); /* an entry too much is told as "unchanged" when the journal is played back */
                return 0;
        }
        if (entry->set_value && strcmp(value, entry->set_value) == 0)
                return journal_cancel(actor->journal, JOURNAL_KNOB, plugin, kind, hand->object, hand->source);
        return journal_confirm(actor->journal, JOURNAL_KNOB, plugin, kind, hand->object, value);
}

int hand_conclude(struct actor *actor, const struct hand *hand, const char *live, const char *value, int r, bool announced, const char *source_before, char *ret,
                  bool *ret_changed) {
        bool unclear;
        r = look(hand, live, value, r, ret, ret_changed, &unclear);
        if (unclear && !announced)
                (void) announce(actor, hand, live, value);
        if (r < 0 && hand->insist && *ret_changed && strcmp(ret, value) == 0)
                r = 0; /* on the way back it counts what holds, not what the kernel said */
        if (r >= 0) {
                r = hand_settle(actor, hand, ret);
                return hand->insist ? 0 : r;
        }
        if (announced && !*ret_changed && !unclear)
                (void) journal_cancel(actor->journal, JOURNAL_KNOB, hand->instance->plugin->name, hand->knob->kind, hand->object,
                                      source_before[0] ? source_before : NULL);
        return r;
}

/* What was asked for before and has not answered. False: it goes first. */
static bool make_way(const struct actor *actor, const struct hand *hand) {
        if (!asks_is_open(actor->asks, hand->knob->kind, hand->object))
                return true;
        if (hand->insist)
                asks_drop(actor->asks, hand->knob->kind, hand->object);
        return hand->insist;
}

int hand_set_journaled(struct actor *actor, struct hand *hand, const char *live, const char *value, char *ret, bool *ret_changed) {
        *ret_changed = false;
        if (!make_way(actor, hand))
                return -EBUSY;
        const struct journal_entry *entry = hand_entry(actor, hand);
        char source_before[sizeof entry->source] = "";
        if (entry)
                memcpy(source_before, entry->source, sizeof source_before);
        bool announced = false;
        if (!is_known(entry, value)) {
                int r = announce(actor, hand, live, value);
                if (r < 0 && !hand->insist) {
                        hand->unannounced = true;
                        return r;
                }
                announced = r >= 0;
        }
        int r = hand_set(hand, value, ret);
        if (r == -EINPROGRESS) {
                snprintf(ret, IOCORE_VALUE_MAX, "%s", live);
                return actor->asks ? asks_add(actor->asks, actor, hand, live, value, announced, source_before) : r;
        }
        return hand_conclude(actor, hand, live, value, r, announced, source_before, ret, ret_changed);
}

int unit_place(const struct hand *hand, int cpu, char *ret) {
        if (!hand->unit)
                return -ENOENT;
        if (!hand->instance->plugin->place)
                return -EOPNOTSUPP;
        ret[0] = '\0';
        int r = hand->instance->plugin->place(hand->instance->state, &hand->unit->pub, cpu, ret, IOCORE_VALUE_MAX);
        ret[IOCORE_VALUE_MAX - 1] = '\0';
        return r < 0 ? r : 0;
}

/* The original value can never be set again: its worker is gone, its CPUs are no more. */
static bool error_is_final(int error) {
        return error == -EINVAL || error_is_gone(error);
}

int unit_go_home(struct actor *actor, struct hand *hand, const char *live, char *ret, bool *ret_changed) {
        *ret_changed = false;
        if (!hand->unit)
                return -ENOENT;
        reservation_prepare_home(actor, hand);
        /* A unit that was born on a worker of iocored's has no other original place than the one by birth. */
        const struct iocore_worker *worker = hand->unit->pub.worker;
        bool forget = worker && actor_worker_is_ours(actor, hand->unit->plugin, worker);
        int first = 0;
        const struct journal_entry *entry = hand_entry(actor, hand);
        if (entry) {
                _cleanup_free_ char *original = strdup(entry->old_value);
                if (!original)
                        return -ENOMEM;
                if (strcmp(live, original) == 0) {
                        memcpy(ret, live, strlen(live) + 1);
                        return hand_forget(actor, hand);
                }
                first = hand_set_journaled(actor, hand, live, original, ret, ret_changed);
                if (first >= 0 || *ret_changed || first == -EINPROGRESS)
                        return first;
                /* Where the original may be had again later, the journal goes on knowing it. */
                forget = error_is_final(first);
        }
        char home[IOCORE_VALUE_MAX];
        int r = unit_place(hand, IOCORE_CPU_ANY, home);
        if (r >= 0 && strcmp(home, live) == 0)
                memcpy(ret, live, strlen(live) + 1);
        else if (r >= 0 && forget) /* there is no way back from home that the journal would have to know */
                r = set_and_look(hand, live, home, ret, ret_changed);
        else if (r >= 0)
                r = hand_set_journaled(actor, hand, live, home, ret, ret_changed);
        if (r < 0)
                return first < 0 ? first : r;
        return forget ? hand_forget(actor, hand) : 0;
}

void object_set_manual(const struct actor *actor, const char *kind, const char *object) {
        struct unit *unit = kind_is_of(kind, "unit") ? host_unit(actor->host, object) : NULL;
        struct worker *worker = kind_is_of(kind, "worker") ? host_worker(actor->host, object) : NULL;
        struct queue *queue = kind_is_of(kind, "queue") ? host_queue(actor->host, object) : NULL;
        if (unit)
                unit->state = OBJECT_MANUAL;
        if (worker)
                worker->state = OBJECT_MANUAL;
        if (queue)
                queue->state = OBJECT_MANUAL;
        if (!unit && !worker && !queue && actor->reservation)
                reservation_set_manual(actor->reservation, kind, object);
}

static void tell_plugin(const struct hand *hand, enum iocore_foreign what) {
        if (hand->instance->plugin->foreign)
                hand->instance->plugin->foreign(hand->instance->state, hand->knob->kind, hand->object, what);
}

int hand_check_foreign(struct actor *actor, struct hand *hand, const char *live) {
        const struct journal_entry *entry = hand_entry(actor, hand);
        if (!entry || !entry->set_value || strcmp(live, entry->set_value) == 0 || (entry->pending_value && strcmp(live, entry->pending_value) == 0))
                return 0;
        if (actor->on_foreign)
                actor->on_foreign(actor->userdata, hand->object, hand->knob->kind, entry->set_value, live);
        if (actor->foreign == FOREIGN_CONTEST) {
                tell_plugin(hand, IOCORE_FOREIGN_CONTEST);
                (void) hand_settle(actor, hand, live); /* told once, also when it cannot be set now; and whoever comes after a crash puts it back */
                return 0;
        }
        /* Adopted: the value found is the one to return to. Manual: it is nobody's to put back any more. */
        int r = hand_forget(actor, hand);
        if (actor->foreign == FOREIGN_ADOPT) {
                if (r >= 0)
                        tell_plugin(hand, IOCORE_FOREIGN_ADOPT);
                hand->adopted = r >= 0;
                return r;
        }
        object_set_manual(actor, hand->knob->kind, hand->object);
        tell_plugin(hand, IOCORE_FOREIGN_MANUAL);
        return -ESTALE;
}

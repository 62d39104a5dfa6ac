/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plays the journal back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asks.h"
#include "cleanup.h"
#include "hands.h"
#include "log.h"
#include "transaction.h"

/* What is put back first. A worker that was closed takes its units again only when it is open; units leave iocored's workers before those go. What plugins asked for besides (cpusets,
 * affinities of other threads) is of objects that are not in the model: a unit leaves before the cpuset that was widened for it is narrowed under it. Slices come before all that: when
 * systemd rewrites their cpusets, Linux before 6.2 resets affinities. But a partition is dissolved first of all: as long as it is one, nobody else can have its CPUs. */
enum phase { PHASE_PARTITION, PHASE_SLICES, PHASE_KNOBS, PHASE_WORKERS, PHASE_PLACES, PHASE_OUTSIDE, PHASE_CORES, _PHASE_MAX };

struct restore {
        struct actor *actor;
        const char *source;
        struct restore_report report;
        int error; /* the first */
};

static enum phase phase_of(const struct journal_entry *entry) {
        if (entry->kind != JOURNAL_KNOB)
                return PHASE_CORES;
        if (strcmp(entry->knob, "partition.cpus") == 0)
                return PHASE_PARTITION;
        if (strncmp(entry->knob, "slice.", 6) == 0)
                return PHASE_SLICES;
        if (strcmp(entry->knob, "unit.place") == 0)
                return PHASE_PLACES;
        if (strncmp(entry->knob, "worker.", 7) == 0)
                return PHASE_WORKERS;
        return hand_kind_is_modelled(entry->knob) ? PHASE_KNOBS : PHASE_OUTSIDE;
}

static void failed(struct restore *restore, const struct journal_entry *entry, int error) {
        log_warning("%s %s: cannot be put back, it stays in the journal: %s", entry->knob[0] ? entry->knob : "I/O core", entry->object,
                    strerror(-error));
        restore->report.failed++;
        if (restore->error == 0)
                restore->error = error;
}

/* The worker of a core that this very restore removes needs no unlocking: it would be locked again at once. */
static bool worker_goes_with_its_core(const struct restore *restore, const struct journal_entry *entry) {
        for (size_t i = 0; i < journal_n_entries(restore->actor->journal); i++) {
                const struct journal_entry *core = journal_entry(restore->actor->journal, i);
                if (core->kind == JOURNAL_CORE_ADD && core->set_value && strcmp(core->set_value, entry->object) == 0 &&
                    strcmp(core->plugin, entry->plugin) == 0 && (!restore->source || strcmp(core->source, restore->source) == 0))
                        return true;
        }
        return false;
}

static bool is_ours(const struct journal_entry *entry, const char *live) {
        return (entry->set_value && strcmp(live, entry->set_value) == 0) || (entry->pending_value && strcmp(live, entry->pending_value) == 0);
}

/* It was put onto a CPU that is offline now: the kernel has moved it since, and nobody else. */
static bool is_of_offline_cpu(const struct restore *restore, const struct hand *hand, const struct journal_entry *entry) {
        const struct host *host = restore->actor->host;
        char there[IOCORE_VALUE_MAX];
        for (size_t i = 0; hand->unit && entry->set_value && i < host->n_cpus; i++)
                if (host->cpus[i].topology->present && !host->cpus[i].topology->online && unit_place(hand, (int) i, there) >= 0 &&
                    strcmp(there, entry->set_value) == 0)
                        return true;
        return false;
}

static int put_back(struct restore *restore, struct hand *hand, const struct journal_entry *entry, const char *live) {
        char set[IOCORE_VALUE_MAX];
        bool changed;
        hand->source = entry->source;
        hand->insist = true;
        if (hand->unit && strcmp(entry->knob, "unit.place") == 0)
                return unit_go_home(restore->actor, hand, live, set, &changed);
        if (restore->actor->asks)
                asks_drop(restore->actor->asks, hand->knob->kind, hand->object); /* this is what is asked for now */
        int r = hand_set(hand, entry->old_value, set);
        if (r == -EINPROGRESS && restore->actor->asks) /* a policy was stopped; the journal knows it until it has answered */
                r = asks_add(restore->actor->asks, restore->actor, hand, live, entry->old_value, false, "");
        if (r >= 0 && strcmp(set, live) == 0 && strcmp(live, entry->old_value) != 0)
                return -EOPNOTSUPP; /* taken without a word, and nothing happened */
        if (r >= 0)
                (void) hand_forget(restore->actor, hand); /* found "unchanged" next time */
        return r;
}

/* What was asked for and never confirmed may be done yet by whoever was asked, although it has not been until now: asking for the old value is what puts an end to it. Knobs of the
 * model's own objects answer at once. */
static bool may_change_yet(const struct restore *restore, const struct journal_entry *entry) {
        return asks_is_open(restore->actor->asks, entry->knob, entry->object) || (entry->pending_value && !hand_kind_is_modelled(entry->knob));
}

/* `entry` is a copy, whose values are the journal's own: they are not used after the journal has changed. */
static void restore_knob(struct restore *restore, const struct journal_entry *entry) {
        struct actor *actor = restore->actor;
        char live[IOCORE_VALUE_MAX] = "";
        struct hand hand;
        int r = hand_find_journaled(actor, entry, &hand);
        if (r == -ENODEV || r == -EOPNOTSUPP) {
                failed(restore, entry, r);
                return;
        }
        if (r >= 0)
                r = hand_get(&hand, live);
        bool as_it_was = r >= 0 && strcmp(live, entry->old_value) == 0;
        if (as_it_was && !may_change_yet(restore, entry)) {
                restore->report.unchanged++;
                (void) hand_forget(actor, &hand);
                return;
        }
        if (r >= 0 && !as_it_was && !is_ours(entry, live) && !is_of_offline_cpu(restore, &hand, entry)) {
                restore->report.foreign++;
                if (actor->on_foreign)
                        actor->on_foreign(actor->userdata, entry->object, entry->knob, entry->set_value ?: entry->pending_value, live);
                (void) hand_forget(actor, &hand);
                return;
        }
        if (r >= 0)
                r = put_back(restore, &hand, entry, live);
        if (error_is_gone(r)) {
                restore->report.gone++;
                (void) journal_forget(actor->journal, JOURNAL_KNOB, entry->plugin, entry->knob, entry->object);
        } else if (r < 0 && r != -EINPROGRESS)
                failed(restore, entry, r);
        else if (as_it_was)
                restore->report.unchanged++;
        else
                restore->report.restored++;
}

static void restore_core(struct restore *restore, const struct journal_entry *entry) {
        bool gone = false;
        int r = actor_take_down_entry(restore->actor, entry, &gone);
        if (r < 0)
                failed(restore, entry, r);
        else if (gone)
                restore->report.gone++;
        else
                restore->report.restored++;
}

static void restore_entry(struct restore *restore, const struct journal_entry *entry) {
        if (restore->source && strcmp(entry->source, restore->source) != 0)
                return;
        if (entry->kind == JOURNAL_KNOB) {
                if (asks_is_owned(restore->actor->asks, entry->knob, entry->object))
                        return; /* a decision that undoes it by itself */
                if (phase_of(entry) != PHASE_WORKERS || !worker_goes_with_its_core(restore, entry))
                        restore_knob(restore, entry);
                return;
        }
        /* What is told of a core's removal is told of its making, too. */
        if (entry->kind == JOURNAL_CORE_REMOVE && journal_find(restore->actor->journal, JOURNAL_CORE_ADD, entry->plugin, "", entry->object))
                return;
        restore_core(restore, entry);
}

/* Entries may be forgotten meanwhile, others than the one at hand, too: so the order of sequence leads, not the index. */
static void restore_phase(struct restore *restore, enum phase phase) {
        const struct journal *journal = restore->actor->journal;
        uint64_t last = UINT64_MAX;
        for (size_t i = journal_n_entries(journal); i > 0;) {
                size_t n = journal_n_entries(journal);
                i = i > n ? n : i;
                if (i == 0)
                        break;
                const struct journal_entry *entry = journal_entry(journal, --i);
                if (entry->sequence >= last)
                        continue;
                last = entry->sequence;
                if (phase_of(entry) != phase)
                        continue;
                struct journal_entry copy = *entry;
                restore_entry(restore, &copy);
        }
}

static void scan_all(const struct actor *actor) {
        for (struct plugin_instance *const *p = actor->plugins; *p; p++)
                if ((*p)->plugin->scan)
                        (void) (*p)->plugin->scan((*p)->state, true);
}

int transaction_restore(struct actor *actor, const char *source, struct restore_report *ret) {
        struct restore restore = { .actor = actor, .source = source };
        if (journal_n_entries(actor->journal) > 0)
                scan_all(actor);
        for (enum phase phase = 0; phase < _PHASE_MAX; phase++) {
                if (phase == PHASE_CORES && journal_n_entries(actor->journal) > 0)
                        scan_all(actor); /* who is where now that units went home */
                restore_phase(&restore, phase);
        }
        if (ret)
                *ret = restore.report;
        return restore.error;
}

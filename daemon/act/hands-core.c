/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* I/O cores that iocored made, and how they are unmade. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "fault-point.h"
#include "hands.h"

char *actor_worker_ids(const struct actor *actor, const struct plugin_instance *instance) {
        char *ids = malloc(actor->host->n_workers * (IOCORE_ID_MAX + 1) + 1), *end = ids;
        if (!ids)
                return NULL;
        *end = '\0';
        for (size_t i = 0; i < actor->host->n_workers; i++)
                if (actor->host->workers[i]->plugin == instance) {
                        end = stpcpy(end, actor->host->workers[i]->pub.id);
                        end = stpcpy(end, " ");
                }
        return ids;
}

void actor_mark_our_cores(const struct actor *actor) {
        for (size_t i = 0; i < journal_n_entries(actor->journal); i++) {
                const struct journal_entry *entry = journal_entry(actor->journal, i);
                struct cpu *core = entry->kind == JOURNAL_CORE_ADD ? host_cpu(actor->host, (int) strtol(entry->object, NULL, 10)) : NULL;
                if (core && entry->set_value)
                        core->io_core_ours = core->io_core;
        }
}

static bool listed(const char *ids, const char *id) {
        size_t length = strlen(id);
        for (const char *p = ids; p && *p; p += strcspn(p, " "), p += strspn(p, " "))
                if (strncmp(p, id, length) == 0 && (p[length] == ' ' || p[length] == '\0'))
                        return true;
        return false;
}

bool actor_worker_is_ours(const struct actor *actor, const struct plugin_instance *instance, const struct iocore_worker *worker) {
        char number[16];
        snprintf(number, sizeof number, "%d", worker->cpu);
        const struct journal_entry *entry = journal_find(actor->journal, JOURNAL_CORE_ADD, instance->plugin->name, "", number);
        if (!entry || !worker->shared)
                return false;
        return entry->set_value ? strcmp(entry->set_value, worker->id) == 0 : !listed(entry->old_value, worker->id);
}

struct worker *actor_unconfirmed_worker(const struct actor *actor, const struct plugin_instance *instance, int cpu, const char *ids_before) {
        for (size_t i = 0; i < actor->host->n_workers; i++) {
                struct worker *worker = actor->host->workers[i];
                /* One that is not shared is a thread of some VM's, and nobody made it for this CPU. */
                if (worker->plugin == instance && worker->pub.cpu == cpu && worker->pub.shared && !worker->pub.is_default &&
                    !listed(ids_before, worker->pub.id))
                        return worker;
        }
        return NULL;
}

/* Whether a unit is executed by this I/O core, as the host is now: the model's own idea is one epoch old. */
static bool unit_is_there(const struct hand *hand, int cpu, const char *worker, const char *live) {
        if (worker[0])
                return hand->unit->pub.worker && strcmp(hand->unit->pub.worker->id, worker) == 0;
        char there[IOCORE_VALUE_MAX];
        return unit_place(hand, cpu, there) >= 0 && strcmp(there, live) == 0;
}

static void send_units_home(struct actor *actor, struct plugin_instance *instance, int cpu, const char *worker, const char *source) {
        char live[IOCORE_VALUE_MAX], set[IOCORE_VALUE_MAX];
        bool changed;
        for (size_t i = 0; i < actor->host->n_units; i++) {
                struct unit *unit = actor->host->units[i];
                struct hand hand;
                /* What is another plugin's (an IOThread) is there by a place of its own, not by the core's worker. */
                const char *by_worker = unit->plugin == instance ? worker : "";
                if (host_unit_is_manual(unit))
                        continue;
                if (hand_find(actor, "unit.place", unit->pub.id, &hand) < 0 || hand_get(&hand, live) < 0)
                        continue;
                /* Without a worker of iocored's, who is there and was not moved by iocored was there before, or came by somebody else. */
                if (!by_worker[0] && !hand_entry(actor, &hand))
                        continue;
                hand.source = source;
                hand.insist = true;
                /* One that cannot go shows when the core is removed. */
                if (unit_is_there(&hand, cpu, by_worker, live))
                        (void) unit_go_home(actor, &hand, live, set, &changed);
        }
}

static void close_worker(struct actor *actor, const char *worker) {
        char value[IOCORE_VALUE_MAX];
        struct hand hand;
        if (hand_find(actor, "worker.locked", worker, &hand) >= 0 && hand_get(&hand, value) >= 0 && strcmp(value, "1") != 0)
                (void) hand_set(&hand, "1", value); /* the journal knows the whole worker as made by iocored */
}

int actor_forget_core(struct actor *actor, const char *plugin, int cpu, const char *worker) {
        char number[16];
        snprintf(number, sizeof number, "%d", cpu);
        int r = 0;
        /* What was set on a worker that is no more. */
        for (size_t i = journal_n_entries(actor->journal); worker[0] && i-- > 0;) {
                const struct journal_entry *entry = journal_entry(actor->journal, i);
                if (entry->kind == JOURNAL_KNOB && strncmp(entry->knob, "worker.", 7) == 0 && strcmp(entry->object, worker) == 0 &&
                    strcmp(entry->plugin, plugin) == 0)
                        r = journal_forget(actor->journal, JOURNAL_KNOB, plugin, entry->knob, worker);
        }
        int added = journal_forget(actor->journal, JOURNAL_CORE_ADD, plugin, "", number);
        int removed = journal_forget(actor->journal, JOURNAL_CORE_REMOVE, plugin, "", number);
        return added < 0 ? added : removed < 0 ? removed : r;
}

int actor_take_down_core(struct actor *actor, struct plugin_instance *instance, int cpu, const char *worker_id, const char *source, bool *ret_gone) {
        struct cpu *core = host_cpu(actor->host, cpu);
        char worker[IOCORE_ID_MAX] = "";
        if (strlen(worker_id) < sizeof worker)
                memcpy(worker, worker_id, strlen(worker_id) + 1);
        *ret_gone = false;

        int r = -ENOENT;
        const struct worker *present = worker[0] ? host_worker(actor->host, worker) : NULL;
        if (core && (worker[0] ? present && present->plugin == instance && present->pub.cpu == cpu : core->io_core && core->plugin == instance)) {
                if (worker[0])
                        close_worker(actor, worker);
                send_units_home(actor, instance, cpu, worker, source);
                fault_point_before_write();
                r = instance->plugin->core_remove ? instance->plugin->core_remove(instance->state, cpu, worker) : -EOPNOTSUPP;
                fault_point_after_write();
        }
        if (r == -EBUSY && !worker[0])
                r = 0; /* those who stay there are not iocored's to move, and of the core itself nothing is left in the kernel */
        if (r < 0 && r != -ENOENT)
                return r;
        *ret_gone = r == -ENOENT;
        if (core)
                core->io_core_ours = false;
        return actor_forget_core(actor, instance->plugin->name, cpu, worker);
}

void actor_core_worker(const struct actor *actor, const struct plugin_instance *instance, const struct journal_entry *entry, char *ret) {
        const char *known = entry->kind == JOURNAL_CORE_REMOVE ? entry->old_value : entry->set_value;
        const struct worker *unconfirmed = known ? NULL : actor_unconfirmed_worker(actor, instance, (int) strtol(entry->object, NULL, 10), entry->old_value);
        snprintf(ret, IOCORE_ID_MAX, "%s", known ? known : unconfirmed ? unconfirmed->pub.id : "");
}

int actor_take_down_entry(struct actor *actor, const struct journal_entry *entry, bool *ret_gone) {
        struct plugin_instance *instance = actor_plugin(actor, entry->plugin);
        if (!instance)
                return -ENODEV;
        int cpu = (int) strtol(entry->object, NULL, 10);
        char worker[IOCORE_ID_MAX], source[sizeof entry->source];
        memcpy(source, entry->source, sizeof source);
        actor_core_worker(actor, instance, entry, worker);
        return actor_take_down_core(actor, instance, cpu, worker, source, ret_gone);
}

/* Was it put onto this CPU by iocored? Asked of the journal: where it is now says nothing. */
static bool unit_was_put_there(const struct actor *actor, const struct hand *hand, int cpu) {
        char there[IOCORE_VALUE_MAX];
        const struct journal_entry *entry = hand_entry(actor, hand);
        if (!entry || unit_place(hand, cpu, there) < 0)
                return false;
        return (entry->set_value && strcmp(entry->set_value, there) == 0) || (entry->pending_value && strcmp(entry->pending_value, there) == 0);
}

int actor_abandon_core(struct actor *actor, int cpu, unsigned *ret_n_units) {
        struct cpu *core = host_cpu(actor->host, cpu);
        char live[IOCORE_VALUE_MAX], set[IOCORE_VALUE_MAX], number[16];
        bool changed, gone;
        *ret_n_units = 0;
        if (!core || !core->io_core)
                return 0;
        struct plugin_instance *instance = core->plugin;
        for (size_t i = 0; i < actor->host->n_units; i++) {
                struct unit *unit = actor->host->units[i];
                struct hand hand;
                if (hand_find(actor, "unit.place", unit->pub.id, &hand) < 0 || !unit_was_put_there(actor, &hand, cpu) ||
                    hand_get(&hand, live) < 0)
                        continue;
                ++*ret_n_units;
                hand.source = "hotplug";
                hand.insist = true;
                if (unit_go_home(actor, &hand, live, set, &changed) < 0)
                        (void) hand_settle(actor, &hand, live); /* as the kernel has left it */
        }
        snprintf(number, sizeof number, "%d", cpu);
        const struct journal_entry *added = journal_find(actor->journal, JOURNAL_CORE_ADD, instance->plugin->name, "", number);
        return added ? actor_take_down_entry(actor, added, &gone) : 0;
}

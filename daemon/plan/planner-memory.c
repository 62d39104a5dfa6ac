/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the planner remembers between epochs: holds, cool-downs, back-offs and what was done in this epoch. Few entries, thrown away when they have no say any more. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "planner-internal.h"

#define FIRST_ALLOCATION 16

/* A back-off doubles from hold_usec up to 2^6 = 64 times that; a change that is not tried again for as long as the longest wait starts from the beginning. */
#define MAX_DOUBLINGS 6

/* --- the table */

/* The index of `key`, or where it would have to be inserted. */
static size_t position(const struct change_table *table, const char *key, bool *ret_found) {
        size_t low = 0, high = table->n;
        *ret_found = false;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = strcmp(table->entries[middle].key, key);
                if (order == 0) {
                        *ret_found = true;
                        return middle;
                }
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static const struct change_memory *change_table_find(const struct change_table *table, const char *key) {
        bool found;
        size_t index = position(table, key, &found);
        return found ? &table->entries[index] : NULL;
}

/* Finds or adds; NULL: out of memory. */
static struct change_memory *change_table_get(struct change_table *table, const char *key) {
        bool found;
        size_t index = position(table, key, &found);
        if (found)
                return &table->entries[index];
        if (!table->entries || table->n == table->allocated) {
                size_t allocated = table->allocated ? table->allocated * 2 : FIRST_ALLOCATION;
                struct change_memory *entries = reallocarray(table->entries, allocated, sizeof *entries);
                if (!entries)
                        return NULL;
                table->entries = entries;
                table->allocated = allocated;
        }
        struct change_memory *entry = &table->entries[index];
        memmove(entry + 1, entry, (table->n - index) * sizeof *entry);
        table->n++;
        *entry = (struct change_memory) { 0 };
        snprintf(entry->key, sizeof entry->key, "%s", key);
        return entry;
}

static bool has_a_say(const struct change_memory *entry, uint64_t now_usec, uint64_t memory_usec) {
        if (entry->hold_until_usec > now_usec)
                return true;
        return (entry->failures > 0 || entry->undone > 0) && entry->backoff_until_usec + memory_usec > now_usec;
}

/* Trials that were undone are remembered for `memory_usec` after their back-off ended. */
static void change_table_purge(struct change_table *table, uint64_t now_usec, uint64_t memory_usec) {
        size_t kept = 0;
        for (size_t i = 0; i < table->n; i++)
                if (has_a_say(&table->entries[i], now_usec, memory_usec)) {
                        if (kept != i)
                                table->entries[kept] = table->entries[i];
                        kept++;
                }
        table->n = kept;
}

/* --- what it says */

void change_key(char *buffer, size_t size, const char *kind, const char *object) {
        snprintf(buffer, size, "%s %s", kind, object);
}

void change_key_node(char *buffer, size_t size, const char *kind, int node) {
        snprintf(buffer, size, "%s %d", kind, node);
}

static double seconds(uint64_t usec) {
        return (double) usec / 1e6;
}

bool change_is_held(const struct planning *planning, struct decision *decision, const char *key, const char *held_rule, const char *what) {
        const struct change_memory *memory = change_table_find(&planning->planner->changes, key);
        uint64_t now = planning->host->now_usec;
        if (!memory)
                return false;
        if (decision->intent.priority >= 0 && memory->backoff_until_usec > now) {
                decision_refuse(decision, "backoff", "%s: %u in a row failed and %u were undone; not tried again for another %.1f s of %.1f s", what,
                                memory->failures, memory->undone, seconds(memory->backoff_until_usec - now),
                                seconds(memory->backoff_until_usec - memory->backoff_from_usec));
                return true;
        }
        if (decision->intent.priority >= 0 && memory->hold_until_usec > now) {
                decision_refuse(decision, held_rule, "%s changed %.1f s ago; it is left as it is for another %.1f s of %.1f s", what,
                                seconds(now - memory->changed_usec), seconds(memory->hold_until_usec - now),
                                seconds(memory->hold_until_usec - memory->changed_usec));
                return true;
        }
        return false;
}

static void remember_change(struct planner *planner, const struct host *host, const char *key, uint64_t hold_usec) {
        /* without memory for it there is no hold: the change itself was made all the same */
        struct change_memory *memory = change_table_get(&planner->changes, key);
        if (!memory)
                return;
        memory->changed_usec = host->now_usec;
        memory->hold_until_usec = host->now_usec + hold_usec;
        memory->failures = 0;
}

static void remember_backoff(struct planner *planner, const struct host *host, const char *key, bool undone) {
        struct change_memory *memory = change_table_get(&planner->changes, key);
        if (!memory)
                return;
        unsigned *count = undone ? &memory->undone : &memory->failures;
        unsigned doublings = *count < MAX_DOUBLINGS ? *count : MAX_DOUBLINGS;
        if (*count < UINT32_MAX)
                (*count)++;
        memory->backoff_from_usec = host->now_usec;
        memory->backoff_until_usec = host->now_usec + (planner->rules->hold_usec << doublings);
}

static int decision_node(const struct host *host, const struct decision *decision) {
        for (size_t i = 0; i < decision->n_steps; i++) {
                const struct step *step = &decision->steps[i];
                const struct cpu *cpu = step->kind != STEP_KNOB_SET && step->cpu >= 0 ? host_cpu(host, step->cpu) : NULL;
                if (cpu && step->kind != STEP_UNIT_MOVE)
                        return cpu->topology->node;
        }
        const struct cpu *asked = decision->intent.cpu >= 0 ? host_cpu(host, decision->intent.cpu) : NULL;
        return asked ? asked->topology->node : decision->intent.node;
}

/* What is backed off from: a grow or shrink of a node, or the change of one knob of one object. */
static void intent_key(const struct host *host, const struct decision *decision, char *key, size_t size) {
        const char *knob = intent_knob_kind(&decision->intent);
        if (intent_places_domain(&decision->intent))
                change_key(key, size, PLACE_KEY, decision->intent.object);
        else if (knob)
                change_key(key, size, knob, decision->intent.object);
        else
                change_key_node(key, size, intent_action_to_string(decision->intent.action), decision_node(host, decision));
}

/* Counts what was done in this epoch, for the limits that are per epoch. */
static void count_in_epoch(struct planner *planner, const struct host *host, const struct decision *decision) {
        if (planner->n_removed_cores != host->n_nodes) {
                size_t *removed = reallocarray(planner->removed_cores, host->n_nodes ? host->n_nodes : 1, sizeof *removed);
                if (!removed)
                        return;
                planner->removed_cores = removed;
                planner->n_removed_cores = host->n_nodes;
                planner->epoch = 0;
        }
        if (planner->epoch != host->epoch) {
                planner->epoch = host->epoch;
                planner->n_moves = 0;
                memset(planner->removed_cores, 0, planner->n_removed_cores * sizeof *planner->removed_cores);
        }
        bool removes = false;
        int node = decision_node(host, decision);
        for (size_t i = 0; i < decision->n_steps; i++) {
                if (decision->steps[i].kind == STEP_UNIT_MOVE)
                        planner->n_moves++;
                if (decision->steps[i].kind == STEP_CORE_CLOSE || decision->steps[i].kind == STEP_CORE_REMOVE)
                        removes = true;
        }
        for (size_t i = 0; removes && i < host->n_nodes; i++)
                if (host->nodes[i].topology->node == node)
                        planner->removed_cores[i]++;
}

void planner_report(struct planner *planner, const struct host *host, const struct decision *decision) {
        const struct planner_rules *rules = planner->rules;
        char key[CHANGE_KEY_MAX];

        if (decision->verdict != VERDICT_DONE && decision->verdict != VERDICT_WOULD && decision->verdict != VERDICT_FAILED)
                return;
        change_table_purge(&planner->changes, host->now_usec, rules->hold_usec << MAX_DOUBLINGS);
        count_in_epoch(planner, host, decision);
        intent_key(host, decision, key, sizeof key);
        if (decision->verdict == VERDICT_FAILED) {
                remember_backoff(planner, host, key, false);
                return;
        }
        bool structure = false, places = intent_places_domain(&decision->intent);
        for (size_t i = 0; i < decision->n_steps; i++) {
                const struct step *step = &decision->steps[i];
                if (step->result == STEP_UNCHANGED)
                        continue;
                if (places)
                        /* all of its vCPUs and its memory are one thing */
                        remember_change(planner, host, key, rules->hold_usec);
                else if (step->kind == STEP_UNIT_MOVE || step->kind == STEP_KNOB_SET) {
                        change_key(key, sizeof key, step->kind == STEP_UNIT_MOVE ? "unit.place" : step->knob, step->object);
                        remember_change(planner, host, key, rules->hold_usec);
                } else
                        structure = true;
        }
        int node = decision_node(host, decision);
        change_key_node(key, sizeof key, "cores", node);
        /* A core that is being drained is not gone: nothing cools down, but another must not be begun with in the same epoch. */
        if (!structure && decision->intent.action == INTENT_SHRINK && !change_table_find(&planner->changes, key))
                remember_change(planner, host, key, 1);
        if (structure) {
                remember_change(planner, host, key, rules->cool_down_usec);
                /* it worked: failures before are forgiven, undone trials are not */
                intent_key(host, decision, key, sizeof key);
                if (change_table_find(&planner->changes, key))
                        remember_change(planner, host, key, 0);
        }
}

void planner_report_undone(struct planner *planner, const struct host *host, const struct decision *decision) {
        char key[CHANGE_KEY_MAX];
        intent_key(host, decision, key, sizeof key);
        remember_backoff(planner, host, key, true);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "daemon/clock.h"
#include "iothread.h"
#include "plugins/common/file-io.h"

enum {
        PATH_SIZE = 64,
        STAT_FILE_MAX = 2048, /* 52 numbers of up to 20 digits and the name */
};

static int compare_tid(const void *key, const void *member) {
        pid_t a = *(const pid_t *) key, b = (*(struct iothread_entry *const *) member)->tid;
        return (a > b) - (a < b);
}

static struct iothread_entry *find_tid(const struct iothread_state *state, pid_t tid) {
        struct iothread_entry **found = state->n > 0 ? bsearch(&tid, state->entries, state->n, sizeof *state->entries, compare_tid) : NULL;
        return found ? *found : NULL;
}

struct iothread_entry *iothread_find(const struct iothread_state *state, const char *unit) {
        pid_t tid = strncmp(unit, "io.", 3) == 0 ? thread_parse_id(unit + 3) : -1;
        return tid > 0 ? find_tid(state, tid) : NULL;
}

static void entry_free(struct iothread_state *state, struct iothread_entry *entry) {
        if (entry->unit)
                state->services->unit_remove(state->context, entry->unit);
        if (entry->worker)
                state->services->worker_remove(state->context, entry->worker);
        closep(&entry->schedstat);
        free(entry->cpus);
        free(entry->home);
        free(entry);
}

static void forget(struct iothread_state *state, size_t index) {
        struct iothread_entry *entry = state->entries[index];

        memmove(state->entries + index, state->entries + index + 1, (state->n - index - 1) * sizeof *state->entries);
        state->n--;
        entry_free(state, entry);
        state->changed = true;
}

void iothread_forget_all(struct iothread_state *state) {
        while (state->n > 0)
                forget(state, state->n - 1);
        free(state->entries);
        state->entries = NULL;
        state->n_allocated = 0;
}

static int read_start_time(const struct iothread_state *state, pid_t process, pid_t tid, uint64_t *ret) {
        char path[PATH_SIZE], text[STAT_FILE_MAX];
        struct thread_stat stat;

        snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int) process, (int) tid);
        ssize_t length = file_read_path(state->services, state->context, path, text, sizeof text);
        int r = length < 0 ? (int) length : thread_parse_stat(text, &stat);
        if (r == 0)
                *ret = stat.start_time;
        return r;
}

/* The node of its domain; where that is on several, the one that has all of its own CPUs. */
static int node_of(const struct iothread_state *state, const struct iocore_domain *domain, const char *cpus) {
        int node = IOCORE_NODE_UNKNOWN, n_cpus = state->services->cpu_count(state->context);
        struct affinity_mask mask;

        if (domain->node != IOCORE_NODE_UNKNOWN || affinity_parse(cpus, &mask) < 0)
                return domain->node;
        for (int cpu = 0; cpu < n_cpus; cpu++) {
                int of_cpu = affinity_has(&mask, cpu) ? state->services->cpu_node(state->context, cpu) : IOCORE_NODE_UNKNOWN;
                if (of_cpu == IOCORE_NODE_UNKNOWN)
                        continue;
                if (node != IOCORE_NODE_UNKNOWN && node != of_cpu)
                        return IOCORE_NODE_UNKNOWN;
                node = of_cpu;
        }
        return node;
}

static struct iothread_entry *add(struct iothread_state *state, const struct iocore_domain *domain, const struct iocore_iothread *iothread) {
        char id[IOCORE_ID_MAX], path[PATH_SIZE];
        uint64_t start_time = 0;

        if (read_start_time(state, domain->pid, iothread->tid, &start_time) < 0)
                return NULL; /* it is gone again, which is told next */
        if (state->n == state->n_allocated) {
                size_t n = state->n > 0 ? 2 * state->n : 16;
                struct iothread_entry **grown = reallocarray(state->entries, n, sizeof *grown);
                if (!grown) {
                        state->out_of_memory = true;
                        return NULL;
                }
                state->entries = grown;
                state->n_allocated = n;
        }
        struct iothread_entry *entry = calloc(1, sizeof *entry);
        if (!entry) {
                state->out_of_memory = true;
                return NULL;
        }
        *entry = (struct iothread_entry) { .process = domain->pid, .tid = iothread->tid, .start_time = start_time, .schedstat = -1, .place = IOCORE_CPU_ANY, .only = IOCORE_CPU_ANY };
        snprintf(id, sizeof id, "io.%d", (int) iothread->tid);
        snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", (int) domain->pid, (int) iothread->tid);
        entry->schedstat = state->services->open_path(state->context, path, O_RDONLY);
        entry->worker = state->services->worker_add(state->context, id);
        entry->unit = entry->worker ? state->services->unit_add(state->context, id) : NULL;
        if (!entry->unit) {
                state->out_of_memory = state->out_of_memory || errno == ENOMEM;
                entry_free(state, entry);
                return NULL;
        }
        entry->worker->incarnation = entry->unit->incarnation = start_time;
        entry->worker->pid = entry->tid;
        entry->unit->worker = entry->worker;
        entry->unit->device = NULL;
        size_t at = state->n++;
        for (; at > 0 && state->entries[at - 1]->tid > entry->tid; at--)
                state->entries[at] = state->entries[at - 1];
        state->entries[at] = entry;
        state->changed = true;
        return entry;
}

static int only_cpu(const char *cpus) {
        struct affinity_mask mask;
        int cpu = affinity_parse(cpus, &mask) < 0 ? -1 : affinity_only_cpu(&mask);
        return cpu >= 0 ? cpu : IOCORE_CPU_ANY;
}

/* False: no memory. */
static bool take_cpus(struct iothread_entry *entry, const char *cpus) {
        if (entry->cpus && strcmp(entry->cpus, cpus) == 0)
                return true;
        char *copy = strdup(cpus);
        if (!copy)
                return false;
        free(entry->cpus);
        entry->cpus = copy;
        entry->only = only_cpu(copy);
        return true;
}

/* What its owner said comes first, then what a hand did; one whose CPUs nobody can set, or knows, stays where it is. */
static bool is_manual(const struct iothread_state *state, const struct iothread_entry *entry, const struct iocore_domain *domain, const struct iocore_iothread *iothread) {
        if (!state->may_place || domain->wish == IOCORE_WISH_MANUAL || entry->knob[0] == '\0' || entry->cpus[0] == '\0')
                return true;
        return iothread->by_hand && domain->wish != IOCORE_WISH_AUTO;
}

static void take(void *userdata, const struct iocore_domain *domain, const struct iocore_iothread *iothread) {
        struct iothread_state *state = userdata;

        if (iothread->tid <= 0 || domain->pid <= 0)
                return;
        struct iothread_entry *entry = find_tid(state, iothread->tid);
        if (entry && entry->process != domain->pid)
                entry->ended = true;
        if (entry && entry->ended)
                return; /* another one of the same id is taken when this one is forgotten */
        if (!entry)
                entry = add(state, domain, iothread);
        if (!entry)
                return;
        entry->turn = state->turn;
        if (!take_cpus(entry, iothread->cpus ? iothread->cpus : "")) {
                state->out_of_memory = true;
                if (!entry->cpus)
                        entry->ended = true;
                return;
        }
        memcpy(entry->knob, iothread->knob, sizeof entry->knob);
        entry->by_hand = iothread->by_hand;
        entry->unit->owner = domain->pid;
        memcpy(entry->unit->domain, domain->id, sizeof entry->unit->domain);
        entry->unit->node = node_of(state, domain, entry->home ? entry->home : entry->cpus);
        entry->unit->manual = is_manual(state, entry, domain, iothread);
        if (entry->unit->manual && entry->home) {
                iothread_give_up_place(entry);
                state->services->knob_changed(state->context, "unit.place", entry->unit->id);
        }
}

static void forget_unseen(struct iothread_state *state) {
        for (size_t i = state->n; i-- > 0;)
                if (state->entries[i]->ended || state->entries[i]->turn != state->turn)
                        forget(state, i);
}

void iothread_forget_ended(struct iothread_state *state, bool thorough) {
        uint64_t start_time = 0;

        for (size_t i = state->n; i-- > 0;) {
                struct iothread_entry *entry = state->entries[i];
                /* its id may have been given to another thread */
                if (thorough && (read_start_time(state, entry->process, entry->tid, &start_time) < 0 || start_time != entry->start_time))
                        entry->ended = true;
                if (!entry->ended)
                        continue;
                forget(state, i);
                state->told = 0;
        }
        if (thorough)
                state->told = 0;
}

int iothread_look(struct iothread_state *state) {
        const uint64_t before = state->told;

        state->turn++;
        state->out_of_memory = false;
        state->told = state->services->each_iothread(state->context, before, take, state);
        if (state->told == before)
                return 0;
        forget_unseen(state);
        for (size_t i = 0; i < state->n; i++)
                iothread_check_place(state, state->entries[i], monotonic_nsec());
        if (!state->out_of_memory)
                return 0;
        state->told = 0; /* all of it again, the next time */
        return -ENOMEM;
}

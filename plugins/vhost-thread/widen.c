/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A worker goes only where its cpuset lets it: cpusets that lack an I/O core are widened by it, and get back what they had when no worker needs it any more. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpuset.h"
#include "vhost-thread.h"

/* One cgroup that iocored widened. */
struct widening {
        ino_t inode;
        char path[PATH_MAX];
        struct affinity_mask base, held;
        struct widening *next;
};

static struct widening *find_widening(const struct vhost_state *state, ino_t inode) {
        struct widening *widening = state->widenings;
        while (widening && widening->inode != inode)
                widening = widening->next;
        return widening;
}

static void forget_widening(struct vhost_state *state, struct widening *gone) {
        for (struct widening **place = &state->widenings; *place; place = &(*place)->next)
                if (*place == gone) {
                        *place = gone->next;
                        free(gone);
                        return;
                }
}

void widening_forget_all(struct vhost_state *state) {
        while (state->widenings)
                forget_widening(state, state->widenings);
}

void widening_is_set(struct vhost_state *state, ino_t inode, const struct affinity_mask *held) {
        struct widening *widening = find_widening(state, inode);
        if (widening)
                widening->held = *held;
}

void widening_is_foreign(struct vhost_state *state, const char *object) {
        char value[IOCORE_VALUE_MAX];
        struct affinity_mask cpus;

        if (cgroup_cpus_get(state, object, value, sizeof value) < 0 || affinity_parse(value, &cpus) < 0)
                return; /* it is gone, or has no CPUs of its own any more: then it is forgotten when it is looked at next */
        struct widening *widening = find_widening(state, state->cpuset_place.inode);
        if (widening)
                widening->base = widening->held = cpus; /* who asks for it sees that there is nothing left to give back */
}

static bool ends_with(const char *name, const char *end) {
        size_t length = strlen(name), end_length = strlen(end);
        return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

/* systemd writes the cpusets of its own units anew whenever it likes; with cgroup v1 it has none (systemd.resource-control(5), AllowedCPUs=). */
static bool is_systemds(const char *directory, bool v1) {
        return !v1 && (ends_with(directory, ".slice") || ends_with(directory, ".scope") || ends_with(directory, ".service"));
}

static const char *name_of(const char *directory) {
        const char *slash = strrchr(directory, '/');
        return slash ? slash + 1 : directory;
}

static void tell_blocked(struct vhost_state *state, const struct iocore_unit *unit, const char *directory, int cpu, bool systemds) {
        char text[IOCORE_REASON_MAX];

        snprintf(text, sizeof text, systemds ? "the cpuset of %.100s lacks CPU %d, and is systemd's: AllowedCPUs= of it (virsh emulatorpin for a domain)" :
                                               "the cpuset of %.100s lacks CPU %d",
                 name_of(directory), cpu);
        state->services->tell(state->context, "blocked", unit->id, text);
        ((struct vhost_thread *) unit->plugin_data)->told_cpuset = true;
}

/* Asks for one level to be widened, if it lacks the CPU. */
static int widen_level(struct vhost_state *state, const char *directory, const struct affinity_mask *cpus, int cpu, iocore_want want, void *userdata) {
        char object[IOCORE_NAME_MAX], value[IOCORE_VALUE_MAX];
        struct affinity_mask wanted = *cpus;
        ino_t inode;

        if (cpuset_inode(state, directory, &inode) < 0)
                return 0;
        struct widening *widening = find_widening(state, inode);
        if (!widening) {
                widening = calloc(1, sizeof *widening);
                if (!widening)
                        return -ENOMEM;
                widening->inode = inode;
                snprintf(widening->path, sizeof widening->path, "%s", directory);
                widening->base = widening->held = *cpus;
                widening->next = state->widenings;
                state->widenings = widening;
        }
        CPU_SET_S((size_t) cpu, sizeof wanted.sets, wanted.sets);
        snprintf(object, sizeof object, "c.%" PRIu64, (uint64_t) inode);
        int r = affinity_format(&wanted, value, sizeof value) < 0 ? 0 : want(userdata, KIND_CGROUP_CPUS, object, value);
        if (affinity_equal(&widening->held, &widening->base))
                forget_widening(state, widening); /* refused */
        return r;
}

/* Goes from the hierarchy's root down to `directory`: a child can only have what its parent has. `widen`: asks; otherwise only looks. *ret_blocked: a level that lacks the CPU
 * and must not be written. */
static int walk(struct vhost_state *state, const char *directory, int cpu, bool widen, iocore_want want, void *userdata, char ret_blocked[static PATH_MAX]) {
        const struct cpuset_mount *mount = cpuset_find_mount(state);
        char path[PATH_MAX];

        for (size_t length = strlen(mount->path); directory[length] != '\0';) {
                length += 1 + strcspn(directory + length + 1, "/");
                memcpy(path, directory, length);
                path[length] = '\0';
                struct affinity_mask cpus;
                /* An empty one has what its parent has. */
                if (cpuset_read_list(state, path, "cpuset.cpus", &cpus) < 0 || affinity_is_empty(&cpus) || affinity_has(&cpus, cpu))
                        continue;
                if (is_systemds(path, mount->v1)) {
                        memcpy(ret_blocked, path, length + 1);
                        return 0;
                }
                int r = widen ? widen_level(state, path, &cpus, cpu, want, userdata) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

int vhost_make_room(struct vhost_state *state, const struct iocore_unit *unit, const char *directory, int cpu, iocore_want want, void *userdata) {
        struct vhost_thread *thread = unit->plugin_data;
        char blocked[PATH_MAX] = "";
        struct affinity_mask allowed;

        if (cpuset_effective(state, directory, &allowed) < 0)
                return 0;
        if (!affinity_has(&allowed, cpu)) {
                int r = walk(state, directory, cpu, false, want, userdata, blocked);
                if (r >= 0 && !blocked[0])
                        r = walk(state, directory, cpu, true, want, userdata, blocked);
                if (r < 0)
                        return r;
                if (cpuset_effective(state, directory, &allowed) < 0 || !affinity_has(&allowed, cpu)) {
                        tell_blocked(state, unit, blocked[0] ? blocked : directory, cpu, blocked[0]);
                        return 0;
                }
        }
        if (thread->told_cpuset)
                state->services->tell(state->context, "blocked", unit->id, "");
        thread->told_cpuset = false;
        return 0;
}

int vhost_prepare(void *userdata, const struct iocore_unit *unit, int cpu, iocore_want want, void *want_userdata) {
        struct vhost_state *state = userdata;
        struct vhost_thread *thread = unit->plugin_data;
        char directory[PATH_MAX];

        if (cpu >= state->n_cpus || !cpuset_find_mount(state))
                return 0;
        int r = partition_prepare(state, thread, cpu, want, want_userdata);
        if (r < 0 || cpu < 0 || cpuset_directory(state, thread->id, directory, sizeof directory) < 0)
                return r;
        return vhost_make_room(state, unit, directory, cpu, want, want_userdata);
}

static bool is_below(const char *path, const char *directory) {
        size_t length = strlen(directory);
        return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* What a cgroup must have so that the workers in it and below can be where they are. */
static struct affinity_mask find_needed(struct vhost_state *state, const struct widening *widening) {
        struct affinity_mask needed = widening->base;
        char directory[PATH_MAX];

        for (size_t i = 0; i < state->n_threads; i++) {
                const struct vhost_thread *thread = state->threads[i];
                int cpu = thread->is_set ? affinity_only_cpu(&thread->set) : -1;
                if (cpu >= 0 && affinity_has(&widening->held, cpu) && !affinity_has(&needed, cpu) &&
                    cpuset_directory(state, thread->id, directory, sizeof directory) >= 0 && is_below(directory, widening->path))
                        CPU_SET_S((size_t) cpu, sizeof needed.sets, needed.sets);
        }
        return needed;
}

int widening_settle(struct vhost_state *state, iocore_want want, void *userdata) {
        char object[IOCORE_NAME_MAX], value[IOCORE_VALUE_MAX];

        /* The latest first: children were widened after their parents, and have to give back before them. */
        for (struct widening *widening = state->widenings, *next; widening; widening = next) {
                ino_t inode;
                next = widening->next;
                if (cpuset_inode(state, widening->path, &inode) < 0 || inode != widening->inode) {
                        forget_widening(state, widening);
                        continue;
                }
                struct affinity_mask needed = find_needed(state, widening);
                if (!affinity_equal(&needed, &widening->held) && affinity_format(&needed, value, sizeof value) >= 0) {
                        snprintf(object, sizeof object, "c.%" PRIu64, (uint64_t) inode);
                        int r = want(userdata, KIND_CGROUP_CPUS, object, value);
                        if (r < 0)
                                return r;
                }
                if (affinity_equal(&widening->held, &widening->base))
                        forget_widening(state, widening);
        }
        return 0;
}

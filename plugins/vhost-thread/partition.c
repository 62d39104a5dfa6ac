/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When there is a partition, and of which CPUs. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cpuset.h"
#include "partition.h"
#include "plugins/common/file-io.h"
#include "vhost-thread.h"

static const struct affinity_mask no_cpus;

int partition_open(struct vhost_state *state, char *ret_reason, size_t size) {
        const char *value = state->services->option(state->context, "partition");

        if (!value || strcmp(value, "no") == 0)
                return 0;
        state->partition.kind = strcmp(value, "root") == 0 ? PARTITION_ROOT : strcmp(value, "isolated") == 0 ? PARTITION_ISOLATED : PARTITION_NONE;
        if (state->partition.kind != PARTITION_NONE)
                return 0;
        snprintf(ret_reason, size, "option partition: \"%.64s\" is none of no, root, isolated", value);
        return -EINVAL;
}

void partition_close(struct vhost_state *state) {
        free(state->partition.others);
}

static bool is_formed(const struct partition *partition) {
        return !affinity_is_empty(&partition->cpus);
}

/* --- may there be one? --- */

static void refuse(struct vhost_state *state, const char *why) {
        struct partition *partition = &state->partition;

        partition->generation = state->guests.generation;
        if (strcmp(partition->refused, why) == 0)
                return;
        snprintf(partition->refused, sizeof partition->refused, "%s", why);
        state->services->tell(state->context, "partition", PARTITION_NAME, why);
}

static void allow(struct vhost_state *state) {
        if (state->partition.refused[0])
                state->services->tell(state->context, "partition", PARTITION_NAME, "");
        state->partition.refused[0] = '\0';
}

static bool lists_cpuset(struct vhost_state *state, const char *file) {
        char path[PATH_MAX + 32], text[1024], *rest = text;

        snprintf(path, sizeof path, "%s/%s", cpuset_find_mount(state)->path, file);
        if (file_read_path(state->services, state->context, path, text, sizeof text) < 0)
                return false;
        for (char *word; (word = strsep(&rest, " \n"));)
                if (strcmp(word, "cpuset") == 0)
                        return true;
        return false;
}

/* What of the host forbids it; NULL. */
static const char *find_obstacle(struct vhost_state *state) {
        const struct cpuset_mount *mount = cpuset_find_mount(state);
        char directory[PATH_MAX];

        if (!mount)
                return "there are no cpusets";
        if (mount->v1)
                return "the cpuset controller is cgroup v1's, which has no partitions";
        if (strcmp(mount->root, "/") != 0)
                return "the root cgroup is not to be seen from here";
        if (!lists_cpuset(state, "cgroup.controllers"))
                return "the kernel has no cpuset controller for cgroup v2";
        if (!lists_cpuset(state, "cgroup.subtree_control"))
                return "cgroup.subtree_control of the root cgroup does not list cpuset";
        partition_directory(state, directory);
        _cleanup_close_ int fd = state->services->open_path(state->context, directory, O_PATH);
        return fd >= 0 ? "there is a cgroup " PARTITION_NAME " that iocored has not made" : NULL;
}

static const struct vhost_thread *find_thread_worker(const struct vhost_state *state) {
        for (size_t i = 0; i < state->n_threads; i++)
                if (state->threads[i]->shape == THREAD_VHOST_TASK)
                        return state->threads[i];
        return NULL;
}

static bool is_usable(struct vhost_state *state) {
        struct partition *partition = &state->partition;
        char why[IOCORE_REASON_MAX];

        if (partition->kind == PARTITION_NONE)
                return false;
        const struct vhost_thread *worker = find_thread_worker(state);
        if (worker) {
                snprintf(why, sizeof why, "worker %s is a thread of its owner and cannot leave its cgroups", worker->unit->id);
                refuse(state, why);
                return false;
        }
        if (partition->failed || (partition->refused[0] && partition->generation == state->guests.generation))
                return false;
        const char *obstacle = partition->made ? NULL : find_obstacle(state);
        if (obstacle)
                refuse(state, obstacle);
        return !obstacle;
}

/* 1: yes; 0: not now; -ENOMEM. What cannot be told is a no. */
static int check(struct vhost_state *state, const struct affinity_mask *cpus, bool *ret_later) {
        char why[IOCORE_REASON_MAX] = "";

        int r = partition_check(state, cpus, why, sizeof why);
        *ret_later = r == 0;
        state->partition.waiting = r == 0 ? state->guests.generation : 0;
        if (r == -ENOMEM || r >= 0)
                return r;
        if (r != -EPERM)
                snprintf(why, sizeof why, "the masks of all threads cannot be read: %s", strerror(-r));
        refuse(state, why);
        return 0;
}

void partition_cores_changed(struct vhost_state *state) {
        state->partition.failed = false;
        state->partition.waiting = 0;
}

void partition_scan(struct vhost_state *state) {
        struct partition *partition = &state->partition;
        char now[IOCORE_REASON_MAX], why[IOCORE_REASON_MAX];

        if (!is_formed(partition) || partition_read_state(state, now, sizeof now) < 0 || strcmp(now, partition_kind_name(partition->kind)) == 0)
                return;
        snprintf(why, sizeof why, "the kernel says %.200s", now);
        refuse(state, why);
        partition->failed = true;
}

/* --- workers --- */

static int want_cpus(const struct affinity_mask *cpus, iocore_want want, void *userdata) {
        char value[IOCORE_VALUE_MAX] = "";

        int r = affinity_is_empty(cpus) ? 0 : affinity_format(cpus, value, sizeof value);
        return r < 0 ? r : want(userdata, KIND_PARTITION_CPUS, PARTITION_NAME, value);
}

static int want_cgroup(const struct vhost_thread *thread, const char *path, iocore_want want, void *userdata) {
        char object[IOCORE_NAME_MAX];

        snprintf(object, sizeof object, "%d.%" PRIu64, (int) thread->id, thread->start_time);
        return want(userdata, KIND_THREAD_CGROUP, object, path);
}

/* The CPU that iocored bound it to, if that is an I/O core. */
static int core_of(const struct vhost_thread *thread, const struct affinity_mask *cores) {
        int cpu = thread->is_set ? affinity_only_cpu(&thread->set) : -1;
        return cpu >= 0 && affinity_has(cores, cpu) ? cpu : -1;
}

static int take_in(struct vhost_state *state, const struct vhost_thread *thread, iocore_want want, void *userdata) {
        int r = state->partition.made ? 0 : want(userdata, KIND_PARTITION_DIRECTORY, PARTITION_NAME, "yes");
        return r < 0 || !state->partition.made ? r : want_cgroup(thread, "/" PARTITION_NAME, want, userdata);
}

/* One that stays on an I/O core without the partition needs room there in its own cpuset. */
static int let_go(struct vhost_state *state, const struct vhost_thread *thread, int cpu, iocore_want want, void *userdata) {
        char directory[PATH_MAX], home[PATH_MAX];

        int n = snprintf(directory, sizeof directory, "%s%s", cpuset_find_mount(state)->path, strcmp(thread->home, "/") == 0 ? "" : thread->home);
        /* The original is freed when it is back. */
        int length = snprintf(home, sizeof home, "%s", thread->home);
        if (n < 0 || (size_t) n >= sizeof directory || length < 0 || (size_t) length >= sizeof home)
                return 0;
        int r = cpu >= 0 ? vhost_make_room(state, thread->unit, directory, cpu, want, userdata) : 0;
        return r < 0 ? r : want_cgroup(thread, home, want, userdata);
}

int partition_prepare(struct vhost_state *state, struct vhost_thread *thread, int cpu, iocore_want want, void *userdata) {
        struct partition *partition = &state->partition;
        struct affinity_mask cores;
        bool later;

        if (partition->kind == PARTITION_NONE || (cpu < 0 && !thread->home))
                return 0;
        if (cpu >= 0 && (!is_usable(state) || (thread->home && (!is_formed(partition) || affinity_has(&partition->cpus, cpu)))))
                return 0;
        int r = is_formed(partition) ? want_cpus(&no_cpus, want, userdata) : 0;
        if (r < 0 || is_formed(partition) || cpu < 0 || thread->home)
                return r;
        vhost_core_mask(state, &cores);
        CPU_SET_S((size_t) cpu, sizeof cores.sets, cores.sets);
        r = check(state, &cores, &later);
        return r > 0 || later ? take_in(state, thread, want, userdata) : r;
}

/* --- who else has to leave --- */

static int ask_others(struct vhost_state *state, const struct affinity_mask *cpus, iocore_want want, void *userdata) {
        struct partition *partition = &state->partition;

        for (size_t i = partition->n_others; i-- > 0;) {
                struct partition_other *other = partition->others + i;
                struct affinity_mask wanted = affinity_minus(&other->base, cpus);
                char object[IOCORE_NAME_MAX], value[IOCORE_VALUE_MAX];
                if (!affinity_equal(&wanted, &other->held)) {
                        int n = snprintf(object, sizeof object, "%d.%" PRIu64, (int) other->id, other->start_time);
                        if (other->since > 0)
                                snprintf(object + n, sizeof object - (size_t) n, ".%" PRIu64, other->since);
                        int r = affinity_format(&wanted, value, sizeof value);
                        if (r >= 0)
                                r = want(userdata, other->since > 0 ? KIND_PROCESS_CPUS : KIND_THREAD_CPUS, object, value);
                        if (r == -ENOMEM)
                                return r;
                        if (vhost_mask_read(state, other->id, &other->held) < 0)
                                other->held = wanted = other->base; /* it has ended */
                }
                if (affinity_equal(&other->held, &other->base) && affinity_equal(&wanted, &other->base))
                        *other = partition->others[--partition->n_others];
        }
        return 0;
}

/* One that resisted would lose its mask with the partition. */
static bool have_left(struct vhost_state *state, const struct affinity_mask *cpus) {
        struct partition *partition = &state->partition;

        for (size_t i = 0; i < partition->n_others; i++) {
                struct affinity_mask common = affinity_and(&partition->others[i].held, cpus);
                if (affinity_is_empty(&common))
                        continue;
                snprintf(partition->why, sizeof partition->why, "thread %d cannot be made to leave I/O cores", (int) partition->others[i].id);
                return false;
        }
        return true;
}

/* --- reserve() --- */

static bool is_misplaced(const struct vhost_thread *thread, const struct affinity_mask *cores) {
        return (thread->home != NULL) != (core_of(thread, cores) >= 0);
}

static bool is_settled(const struct vhost_state *state, const struct affinity_mask *cores) {
        if (!affinity_equal(&state->partition.cpus, cores))
                return false;
        for (size_t i = 0; i < state->n_threads; i++)
                if (is_misplaced(state->threads[i], cores))
                        return false;
        return true;
}

/* Those that are not to be in the partition of `cores` leave; without any all do, and the cgroup goes. */
static int empty_out(struct vhost_state *state, const struct affinity_mask *cores, iocore_want want, void *userdata) {
        struct affinity_mask all;
        int r = 0;

        vhost_core_mask(state, &all);
        for (size_t i = 0; i < state->n_threads && r >= 0; i++)
                if (state->threads[i]->home && core_of(state->threads[i], cores) < 0)
                        r = let_go(state, state->threads[i], core_of(state->threads[i], &all), want, userdata);
        if (r >= 0 && affinity_is_empty(cores))
                r = ask_others(state, &no_cpus, want, userdata);
        if (r >= 0 && affinity_is_empty(cores) && state->partition.made)
                r = want(userdata, KIND_PARTITION_DIRECTORY, PARTITION_NAME, "no");
        return r;
}

int partition_before_guests(struct vhost_state *state, iocore_want want, void *userdata) {
        struct partition *partition = &state->partition;
        struct affinity_mask cores = no_cpus;

        if (partition->kind == PARTITION_NONE)
                return 0;
        if (is_usable(state))
                vhost_core_mask(state, &cores);
        if (is_settled(state, &cores) && !(affinity_is_empty(&cores) && partition->made))
                return 0;
        int r = is_formed(partition) ? want_cpus(&no_cpus, want, userdata) : 0;
        return r < 0 || is_formed(partition) ? r : empty_out(state, &cores, want, userdata);
}

static int fill(struct vhost_state *state, const struct affinity_mask *cores, iocore_want want, void *userdata) {
        struct partition *partition = &state->partition;
        int r = 0;

        partition->why[0] = '\0';
        for (size_t i = 0; i < state->n_threads && r >= 0; i++)
                if (!state->threads[i]->home && core_of(state->threads[i], cores) >= 0)
                        r = take_in(state, state->threads[i], want, userdata);
        if (r >= 0 && !partition->made)
                r = want(userdata, KIND_PARTITION_DIRECTORY, PARTITION_NAME, "yes");
        if (r >= 0)
                r = ask_others(state, cores, want, userdata);
        if (r >= 0 && partition->made && have_left(state, cores))
                r = want_cpus(cores, want, userdata);
        return r;
}

int partition_after_guests(struct vhost_state *state, iocore_want want, void *userdata) {
        struct partition *partition = &state->partition;
        struct affinity_mask cores;
        bool later;

        if (partition->kind == PARTITION_NONE || is_formed(partition))
                return 0;
        vhost_core_mask(state, &cores);
        if (affinity_is_empty(&cores) || !is_usable(state) || partition->waiting == state->guests.generation)
                return 0;
        int r = check(state, &cores, &later);
        if (r == 0 && later)
                return 0;
        if (r > 0)
                r = fill(state, &cores, want, userdata);
        if (r < 0)
                return r;
        if (is_formed(partition)) {
                allow(state);
                return 0;
        }
        if (!partition->refused[0] || partition->generation != state->guests.generation) {
                refuse(state, partition->why[0] ? partition->why : "its cgroup cannot be made or set");
                partition->failed = true;
        }
        return empty_out(state, &no_cpus, want, userdata);
}

/* --- */

void partition_describe(const struct vhost_state *state, char *ret, size_t size) {
        const struct partition *partition = &state->partition;
        char cpus[96];

        if (partition->kind == PARTITION_NONE)
                snprintf(ret, size, "affinity");
        else if (is_formed(partition))
                snprintf(ret, size, "partition (%s) of CPUs %s", partition_kind_name(partition->kind),
                         affinity_format(&partition->cpus, cpus, sizeof cpus) < 0 ? "..." : cpus);
        else
                snprintf(ret, size, "affinity; no partition (%s): %s", partition_kind_name(partition->kind), partition->refused[0] ? partition->refused : "not yet");
}

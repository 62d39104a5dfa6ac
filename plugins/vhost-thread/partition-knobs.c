/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The knobs "partition.directory" (its cgroup: "yes" or "no"), "partition.cpus" (its CPUs; "": it is no partition, but a cgroup that has what all have), both of the object iocored.partition, and
 * "thread.cgroup" (object TID.STARTTIME: the path of a kernel thread's cgroup). Each leaves every thread of the host the mask that it had, and the way back works in a process that
 * knows nothing but names and values.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "cpuset.h"
#include "guests.h"
#include "host-masks.h"
#include "partition.h"
#include "plugins/common/file-io.h"
#include "vhost-thread.h"

enum { CGROUP_FILE_MAX = 16384 };

const char *partition_kind_name(enum partition_kind kind) {
        return kind == PARTITION_ISOLATED ? "isolated" : kind == PARTITION_ROOT ? "root" : "no";
}

void partition_directory(struct vhost_state *state, char ret[static PATH_MAX]) {
        const struct cpuset_mount *mount = cpuset_find_mount(state);
        int n = mount ? snprintf(ret, PATH_MAX, "%s/" PARTITION_NAME, mount->path) : 0;
        if (n <= 0 || n >= PATH_MAX)
                ret[0] = '\0';
}

/* Only v2 has partitions. */
static int find_directory(struct vhost_state *state, const char *object, char ret[static PATH_MAX]) {
        const struct cpuset_mount *mount = cpuset_find_mount(state);
        if (strcmp(object, PARTITION_NAME) != 0 || !mount || mount->v1)
                return -ENOENT;
        partition_directory(state, ret);
        return ret[0] ? 0 : -ENOENT;
}

static int copy_value(const char *value, char *ret_value, size_t size) {
        int n = snprintf(ret_value, size, "%s", value);
        return n < 0 || (size_t) n >= size ? -EOVERFLOW : 0;
}

/* --- the cgroup --- */

int partition_directory_get(void *userdata, const char *object, char *ret_value, size_t size) {
        struct vhost_state *state = userdata;
        char directory[PATH_MAX];

        int r = find_directory(state, object, directory);
        if (r < 0)
                return r;
        _cleanup_close_ int fd = state->services->open_path(state->context, directory, O_PATH | O_DIRECTORY);
        if (fd < 0 && fd != -ENOENT)
                return fd;
        return copy_value(fd < 0 ? "no" : "yes", ret_value, size);
}

static int move_to_root(void *userdata, pid_t id) {
        struct vhost_state *state = userdata;
        char number[16];

        snprintf(number, sizeof number, "%d", (int) id);
        (void) cgroup_write(state, cpuset_find_mount(state)->path, "cgroup.procs", number); /* who stays keeps the cgroup from being removed */
        return 0;
}

int partition_directory_set(void *userdata, const char *object, const char *value, char *ret_value, size_t size) {
        struct vhost_state *state = userdata;
        char directory[PATH_MAX];
        bool make = strcmp(value, "yes") == 0;

        if (!make && strcmp(value, "no") != 0)
                return -EINVAL;
        int r = find_directory(state, object, directory);
        if (r < 0)
                return r;
        /* A worker whose own cgroup is gone may still be in it. */
        if (!make)
                (void) cgroup_each_thread(state, directory, move_to_root, state);
        _cleanup_close_ int parent = state->services->open_path(state->context, cpuset_find_mount(state)->path, O_RDONLY | O_DIRECTORY);
        if (parent < 0)
                return parent;
        r = make ? mkdirat(parent, PARTITION_NAME, 0755) : unlinkat(parent, PARTITION_NAME, AT_REMOVEDIR);
        if (r < 0 && errno != (make ? EEXIST : ENOENT))
                return -errno;
        state->partition.made = make;
        return copy_value(value, ret_value, size);
}

/* --- its CPUs --- */

int partition_cpus_get(void *userdata, const char *object, char *ret_value, size_t size) {
        char directory[PATH_MAX], now[IOCORE_REASON_MAX];
        struct affinity_mask cpus;

        int r = find_directory(userdata, object, directory);
        if (r >= 0)
                r = partition_read_state(userdata, now, sizeof now);
        if (r >= 0 && strcmp(now, "member") == 0)
                return copy_value("", ret_value, size);
        if (r >= 0)
                r = cpuset_read_list(userdata, directory, "cpuset.cpus", &cpus);
        return r < 0 ? r : affinity_is_empty(&cpus) ? copy_value("", ret_value, size) : affinity_format(&cpus, ret_value, size);
}

int partition_read_state(struct vhost_state *state, char *ret, size_t size) {
        char path[PATH_MAX + 32], directory[PATH_MAX];

        partition_directory(state, directory);
        snprintf(path, sizeof path, "%s/cpuset.cpus.partition", directory);
        ssize_t length = file_read_path(state->services, state->context, path, ret, size);
        if (length < 0)
                return (int) length;
        trim_end(ret, (size_t) length);
        return 0;
}

/* Who is in it may be anywhere then. A cgroup that has CPUs of its own and holds threads cannot have none again (validate_change()). */
static int dissolve(struct vhost_state *state, const char *directory) {
        struct affinity_mask possible;
        char now[IOCORE_REASON_MAX];

        int r = partition_read_state(state, now, sizeof now);
        if (r >= 0 && strcmp(now, "member") != 0)
                r = cgroup_write(state, directory, "cpuset.cpus.partition", "member");
        if (r >= 0)
                r = cpuset_read_list(state, "/sys/devices/system/cpu", "possible", &possible);
        return r < 0 ? r : cpuset_write(state, directory, &possible);
}

/* The kernel takes the word in any case; what became of it is to be read. */
static int form(struct vhost_state *state, const char *directory, const struct affinity_mask *cpus) {
        const char *kind = partition_kind_name(state->partition.kind);
        char now[IOCORE_REASON_MAX];

        int r = cpuset_write(state, directory, cpus);
        if (r >= 0)
                r = cgroup_write(state, directory, "cpuset.cpus.partition", kind);
        if (r >= 0)
                r = partition_read_state(state, now, sizeof now);
        if (r >= 0 && strcmp(now, kind) != 0) {
                snprintf(state->partition.why, sizeof state->partition.why, "the kernel says %.200s", now);
                r = -EINVAL;
        } else if (r < 0)
                snprintf(state->partition.why, sizeof state->partition.why, "it cannot be made: %s", strerror(-r));
        if (r < 0)
                (void) dissolve(state, directory);
        return r;
}

/* What iocored itself had set, and the kernel took away meanwhile, as it was allowed to. */
static void refresh_guest_thread(struct vhost_state *state, struct guest_thread *thread) {
        struct affinity_mask now, allowed, really;

        if (!thread->read || vhost_mask_read(state, thread->id, &now) < 0)
                return;
        if ((thread->reserved || thread->covered) && !affinity_equal(&now, &thread->held) && cpuset_allowed(state, thread->id, &allowed) >= 0 &&
            affinity_within(&allowed, &now) && vhost_mask_set(state, thread->id, &thread->held, &really) >= 0)
                now = really;
        if (!affinity_equal(&now, &thread->held))
                return;
        thread->cpuset = cpuset_mark(state, thread->id);
        (void) state->affinity->get(state->affinity->userdata, thread->id, &thread->seen);
}

/* The cpusets that what was set was compared with have changed, by iocored itself. */
static void refresh_known(struct vhost_state *state) {
        struct affinity_mask now;

        for (size_t i = 0; i < state->n_threads; i++) {
                struct vhost_thread *worker = state->threads[i];
                if (worker->is_set && vhost_mask_read(state, worker->id, &now) >= 0 && affinity_equal(&now, &worker->set))
                        vhost_thread_is_set(state, worker, &now);
        }
        for (size_t i = 0; i < state->guests.n; i++)
                for (size_t k = 0; k < state->guests.guests[i]->n_threads; k++)
                        refresh_guest_thread(state, state->guests.guests[i]->threads + k);
}

int partition_cpus_set(void *userdata, const char *object, const char *value, char *ret_value, size_t size) {
        __attribute__((cleanup(host_masks_done))) struct host_masks masks = { 0 };
        struct vhost_state *state = userdata;
        struct affinity_mask cpus = { 0 };
        char directory[PATH_MAX];

        int r = value[0] ? affinity_parse(value, &cpus) : 0;
        if (r >= 0)
                r = find_directory(state, object, directory);
        if (r >= 0 && value[0] && state->partition.kind == PARTITION_NONE)
                r = -EINVAL;
        if (r >= 0)
                r = host_masks_read(state, &masks);
        if (r < 0)
                return r;
        r = value[0] ? form(state, directory, &cpus) : dissolve(state, directory);
        host_masks_give_back(state, &masks);
        if (r >= 0)
                state->partition.cpus = cpus;
        else if (value[0])
                memset(&state->partition.cpus, 0, sizeof state->partition.cpus);
        refresh_known(state);
        return r < 0 ? r : partition_cpus_get(state, object, ret_value, size);
}

/* --- the cgroup of a kernel thread --- */

static int find_thread(struct vhost_state *state, const char *object, pid_t *ret) {
        struct thread_object thread;
        struct thread_stat stat;
        char path[VHOST_PATH_MAX], text[2048];

        if (!thread_object_parse(object, &thread, false))
                return -ENOENT;
        snprintf(path, sizeof path, "/proc/%d/stat", (int) thread.id);
        ssize_t length = file_read_path(state->services, state->context, path, text, sizeof text);
        if (length < 0 && length != -ENOENT && length != -ESRCH)
                return (int) length;
        if (length <= 0 || thread_parse_stat(text, &stat) < 0 || stat.start_time != thread.start_time)
                return -ESRCH;
        *ret = thread.id;
        return 0;
}

int thread_cgroup_get(void *userdata, const char *object, char *ret_value, size_t size) {
        struct vhost_state *state = userdata;
        char path[VHOST_PATH_MAX], text[CGROUP_FILE_MAX];
        pid_t id;

        int r = find_thread(state, object, &id);
        if (r < 0)
                return r;
        snprintf(path, sizeof path, "/proc/%d/cgroup", (int) id);
        ssize_t length = file_read_path(state->services, state->context, path, text, sizeof text);
        if (length < 0)
                return length == -ENOENT ? -ESRCH : (int) length;
        return cpuset_parse_cgroup(text, false, ret_value, size);
}

/* Whose cgroup it is from now on. */
static void remember_home(struct vhost_state *state, pid_t id, const char *before, const char *now) {
        struct vhost_thread *worker = vhost_thread_find(state, id);

        if (!worker)
                return;
        if (strcmp(now, "/" PARTITION_NAME) != 0) {
                free(worker->home);
                worker->home = NULL;
        } else if (!worker->home)
                worker->home = strdup(before);
}

int thread_cgroup_set(void *userdata, const char *object, const char *value, char *ret_value, size_t size) {
        struct vhost_state *state = userdata;
        const struct cpuset_mount *mount = cpuset_find_mount(state);
        char directory[PATH_MAX], number[16], before[IOCORE_VALUE_MAX];
        struct affinity_mask mask, now, really;
        pid_t id;

        if (value[0] != '/' || strstr(value, "/..") || !mount || mount->v1)
                return -EINVAL;
        int n = snprintf(directory, sizeof directory, "%s%s", mount->path, strcmp(value, "/") == 0 ? "" : value);
        if (n < 0 || (size_t) n >= sizeof directory)
                return -EINVAL;
        int r = find_thread(state, object, &id);
        if (r >= 0)
                r = thread_cgroup_get(state, object, before, sizeof before);
        if (r >= 0)
                r = vhost_mask_read(state, id, &mask);
        if (r < 0)
                return r;
        snprintf(number, sizeof number, "%d", (int) id);
        r = cgroup_write(state, directory, "cgroup.procs", number);
        if (r < 0)
                return r;
        /* Who joins a cgroup is given all of its cpuset (cpuset_attach()). */
        if (vhost_mask_read(state, id, &now) >= 0 && !affinity_equal(&now, &mask))
                (void) vhost_mask_set(state, id, &mask, &really);
        remember_home(state, id, before, value);
        struct vhost_thread *worker = vhost_thread_find(state, id);
        if (worker && worker->is_set && affinity_equal(&worker->set, &mask))
                vhost_thread_is_set(state, worker, &mask);
        return thread_cgroup_get(state, object, ret_value, size);
}

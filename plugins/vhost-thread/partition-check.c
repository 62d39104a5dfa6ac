/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose mask would be lost with a partition? */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "guests.h"
#include "host-masks.h"
#include "partition.h"
#include "plugins/common/file-io.h"
#include "vhost-thread.h"

enum {
        STAT_FILE_MAX = 2048,
        FLAG_WORKQUEUE = 0x00000020,      /* include/linux/sched.h, PF_WQ_WORKER */
        FLAG_KERNEL = 0x00200000,         /* PF_KTHREAD */
        FLAG_NO_SETAFFINITY = 0x04000000, /* PF_NO_SETAFFINITY */
};

struct check {
        struct vhost_state *state;
        const struct affinity_mask *cpus;
        char *why;
        size_t size;
};

struct subject {
        pid_t id, process;
        struct thread_stat stat;
        char name[64];
};

/* A thread that is no leader is not listed in /proc, but it opens. -ESRCH: it has ended. */
static int read_subject(struct vhost_state *state, pid_t id, struct subject *ret) {
        char path[VHOST_PATH_MAX], text[STAT_FILE_MAX];
        size_t length = 0;

        snprintf(path, sizeof path, "/proc/%d/stat", (int) id);
        if (file_read_path(state->services, state->context, path, text, sizeof text) <= 0 || thread_parse_stat(text, &ret->stat) < 0)
                return -ESRCH;
        const char *name = strchr(text, '('), *end = strrchr(text, ')');
        snprintf(ret->name, sizeof ret->name, "%.*s", name && end > name ? (int) (end - name - 1) : 0, name ? name + 1 : "");
        snprintf(path, sizeof path, "/proc/%d/status", (int) id);
        ssize_t r = file_read_path(state->services, state->context, path, text, sizeof text);
        const char *process = r > 0 || r == -EFBIG ? thread_status_value(text, "Tgid", &length) : NULL;
        ret->id = id;
        ret->process = process ? (pid_t) strtol(process, NULL, 10) : id;
        return 0;
}

/* Nobody's setting: the kernel spares threads that are bound to one CPU by itself ("ksoftirqd/3", "kworker/3:0"), and a workqueue's rescuer takes on the CPUs of whom it helps, each time
 * anew (kernel/workqueue.c, rescuer_thread()). */
static bool is_of_no_account(const struct subject *subject, const struct affinity_mask *mask) {
        const char *slash = strchr(subject->name, '/');
        int cpu = affinity_only_cpu(mask);
        char *end;

        if (!(subject->stat.flags & FLAG_KERNEL) || !(subject->stat.flags & FLAG_NO_SETAFFINITY))
                return false;
        if (cpu >= 0 && slash && slash[1] >= '0' && slash[1] <= '9' && strtol(slash + 1, &end, 10) == cpu && (*end == '\0' || *end == ':'))
                return true;
        return (subject->stat.flags & FLAG_WORKQUEUE) && (strncmp(subject->name, "kworker/", 8) != 0 || strncmp(subject->name, "kworker/R-", 10) == 0);
}

static int refuse(const struct check *check, const struct subject *subject, const char *why) {
        snprintf(check->why, check->size, "thread %d (%.40s) %s", (int) subject->id, subject->name, why);
        return -EPERM;
}

/* Once it has lost the partition's CPUs it could not be told from a thread that has all of its cpuset, and would get all of it when they come back. */
static bool would_be_forgotten(const struct check *check, const struct affinity_mask *base, const struct affinity_mask *whole) {
        struct affinity_mask mine = affinity_minus(base, check->cpus), others = affinity_minus(whole, check->cpus);
        return !affinity_equal(base, whole) && affinity_equal(&mine, &others);
}

static bool overlaps(const struct check *check, const struct affinity_mask *base) {
        struct affinity_mask common = affinity_and(base, check->cpus);
        return !affinity_is_empty(&common);
}

/* What all have in common. 0 or -EPERM. */
static int look_at_mask(const struct check *check, const struct subject *subject, const struct affinity_mask *base, const struct affinity_mask *whole) {
        struct affinity_mask rest = affinity_minus(base, check->cpus);

        if (subject->stat.flags & FLAG_NO_SETAFFINITY)
                return refuse(check, subject, (subject->stat.flags & FLAG_WORKQUEUE) ?
                                      "has CPUs of its own, which Linux would take away for good (the boot parameter workqueue.disable_numa=1 makes none such)" :
                                      "has CPUs of its own, which Linux would take away and nobody can give back");
        if (affinity_is_empty(&rest))
                return refuse(check, subject, "is bound by hand to I/O cores only");
        return would_be_forgotten(check, base, whole) ? refuse(check, subject, "is bound by hand to all CPUs but I/O cores, which could not be given back") : 0;
}

/* 0: nothing to fear; 1: it is still to be placed; -EPERM. */
static int look_at_worker(const struct check *check, const struct subject *subject, const struct vhost_thread *worker, const struct host_mask *found) {
        int cpu = worker->is_set ? affinity_only_cpu(&worker->set) : -1;

        if (worker->home || (cpu >= 0 && affinity_has(check->cpus, cpu)))
                return 0;
        if (!overlaps(check, &found->mask))
                return would_be_forgotten(check, &found->mask, &found->whole) ? look_at_mask(check, subject, &found->mask, &found->whole) : 0;
        if (worker->unit->manual || worker->unit->blocked)
                return refuse(check, subject, "is a worker that iocored does not place, and may use I/O cores");
        snprintf(check->why, check->size, "worker %.20s is not placed yet", worker->unit->id);
        return 1;
}

static int look_at_guest(const struct check *check, const struct subject *subject, const struct guest *guest, const struct guest_thread *thread,
                         const struct host_mask *found) {
        const struct affinity_mask *base = thread->read && !thread->foreign ? &thread->base : &found->mask;

        if (affinity_equal(base, &found->whole))
                return 0;
        if (overlaps(check, base) && (guest->pinned || thread->fixed || thread->foreign || !thread->read))
                return refuse(check, subject, "is a guest's, and cannot leave I/O cores");
        return look_at_mask(check, subject, base, &found->whole);
}

static int remember_other(struct vhost_state *state, const struct subject *subject, const struct host_mask *found) {
        struct partition *partition = &state->partition;
        bool leader = subject->process == subject->id && !(subject->stat.flags & FLAG_KERNEL);
        struct timespec now;

        if (partition->n_others == partition->n_allocated) {
                size_t n = partition->n_allocated > 0 ? 2 * partition->n_allocated : 16;
                struct partition_other *others = reallocarray(partition->others, n, sizeof *others);
                if (!others)
                        return -ENOMEM;
                partition->others = others;
                partition->n_allocated = n;
        }
        clock_gettime(CLOCK_BOOTTIME, &now);
        uint64_t per_second = (uint64_t) sysconf(_SC_CLK_TCK), ticks = (uint64_t) now.tv_sec * per_second + (uint64_t) now.tv_nsec / (1000000000u / per_second);
        partition->others[partition->n_others++] = (struct partition_other) {
                .id = subject->id, .start_time = subject->stat.start_time, .since = leader ? ticks : 0, .base = found->mask, .held = found->mask,
        };
        return 0;
}

static struct partition_other *find_other(struct partition *partition, const struct subject *subject) {
        for (size_t i = 0; i < partition->n_others; i++)
                if (partition->others[i].id == subject->id && partition->others[i].start_time == subject->stat.start_time)
                        return partition->others + i;
        return NULL;
}

static int look_at(const struct check *check, const struct host_mask *found) {
        struct vhost_state *state = check->state;
        struct subject subject;
        struct guest_thread *thread;

        if (read_subject(state, found->id, &subject) < 0 || is_of_no_account(&subject, &found->mask))
                return 0;
        const struct vhost_thread *worker = vhost_thread_find(state, found->id);
        if (worker)
                return look_at_worker(check, &subject, worker, found);
        struct partition_other *other = find_other(&state->partition, &subject);
        if (other)
                return look_at_mask(check, &subject, &other->base, &found->whole);
        const struct guest *guest = guests_of_thread(state, found->id, &thread);
        if (guest)
                return look_at_guest(check, &subject, guest, thread, found);
        int r = look_at_mask(check, &subject, &found->mask, &found->whole);
        return r < 0 || !overlaps(check, &found->mask) ? r : remember_other(state, &subject, found);
}

/* The kernel demands that no other child of the root cgroup names the CPUs of a partition (kernel/cgroup/cpuset.c, validate_change()). */
static int look_at_sibling(void *userdata, const char *directory, ino_t inode) {
        const struct check *check = userdata;
        const char *name = directory + strlen(cpuset_find_mount(check->state)->path) + 1;
        struct affinity_mask cpus;

        (void) inode;
        if (strchr(name, '/') || strcmp(name, PARTITION_NAME) == 0 || cpuset_read_list(check->state, directory, "cpuset.cpus", &cpus) < 0 || !overlaps(check, &cpus))
                return 0;
        snprintf(check->why, check->size, "cpuset.cpus of %.100s names I/O cores", name);
        return -EPERM;
}

int partition_check(struct vhost_state *state, const struct affinity_mask *cpus, char *ret_why, size_t size) {
        __attribute__((cleanup(host_masks_done))) struct host_masks masks = { 0 };
        struct check check = { .state = state, .cpus = cpus, .why = ret_why, .size = size };
        const struct cpuset_mount *mount = cpuset_find_mount(state);
        char path[PATH_MAX];
        bool later = false;

        if (!mount)
                return -ENOENT;
        memcpy(path, mount->path, sizeof path);

        state->guests.search = true; /* which threads are guests' must be known */
        int r = guests_refresh(state);
        if (r >= 0)
                r = cgroup_each_below(state, path, look_at_sibling, &check);
        if (r >= 0)
                r = host_masks_read(state, &masks);
        for (size_t i = 0; i < masks.n && r >= 0; i++) {
                r = look_at(&check, masks.threads + i);
                later = later || r > 0;
        }
        return r < 0 ? r : !later;
}

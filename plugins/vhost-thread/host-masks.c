/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cpuset.h"
#include "host-masks.h"
#include "partition.h"
#include "vhost-thread.h"

#define CPU_DIRECTORY "/sys/devices/system/cpu"

struct reading {
        struct vhost_state *state;
        struct host_masks *masks;
        struct affinity_mask whole; /* of the cgroup that is being read */
        bool all;                   /* of its threads are kept */
};

/* In the root cgroup a thread is given all possible CPUs, those that are offline, too, but those of partitions. */
static int read_root_whole(struct vhost_state *state, const struct affinity_mask *effective, struct affinity_mask *ret) {
        struct affinity_mask possible, online;

        int r = cpuset_read_list(state, CPU_DIRECTORY, "possible", &possible);
        if (r >= 0)
                r = cpuset_read_list(state, CPU_DIRECTORY, "online", &online);
        if (r < 0)
                return r;
        struct affinity_mask taken = affinity_minus(&online, effective);
        *ret = affinity_minus(&possible, &taken);
        return 0;
}

/* Where the controller is not enabled, threads are in the cpuset of the next cgroup above that has one. */
static int read_whole(struct vhost_state *state, const char *directory, struct affinity_mask *ret) {
        size_t root_length = strlen(cpuset_find_mount(state)->path);
        struct affinity_mask effective;
        char path[PATH_MAX];

        memcpy(path, directory, strlen(directory) + 1);
        for (;;) {
                bool is_root = strlen(path) <= root_length;
                int r = cpuset_read_list(state, path, "cpuset.cpus.effective", &effective);
                if (r >= 0 && is_root)
                        return read_root_whole(state, &effective, ret);
                if (r >= 0)
                        *ret = effective;
                if (r != -ENOENT || is_root)
                        return r;
                *strrchr(path, '/') = '\0';
        }
}

static int read_thread(void *userdata, pid_t id) {
        struct reading *reading = userdata;
        struct host_masks *masks = reading->masks;
        struct affinity_mask mask;

        if (vhost_mask_read(reading->state, id, &mask) < 0 || (!reading->all && affinity_equal(&mask, &reading->whole)))
                return 0; /* it has ended, or the kernel gives it what it has */
        if (masks->n == masks->n_allocated) {
                size_t n = masks->n_allocated > 0 ? 2 * masks->n_allocated : 32;
                struct host_mask *threads = reallocarray(masks->threads, n, sizeof *threads);
                if (!threads)
                        return -ENOMEM;
                masks->threads = threads;
                masks->n_allocated = n;
        }
        masks->threads[masks->n++] = (struct host_mask) { .id = id, .mask = mask, .whole = reading->whole };
        return 0;
}

static int read_cgroup(void *userdata, const char *directory, ino_t inode) {
        struct reading *reading = userdata;
        char partition[PATH_MAX];

        (void) inode;
        partition_directory(reading->state, partition);
        reading->all = strcmp(directory, partition) == 0;
        int r = read_whole(reading->state, directory, &reading->whole);
        if (r == -ENOENT || r == -ENODEV)
                return 0; /* it has vanished */
        return r < 0 ? r : cgroup_each_thread(reading->state, directory, read_thread, reading);
}

int host_masks_read(struct vhost_state *state, struct host_masks *ret) {
        struct reading reading = { .state = state, .masks = ret };
        const struct cpuset_mount *mount = cpuset_find_mount(state);
        char path[PATH_MAX];

        *ret = (struct host_masks) { 0 };
        if (!mount)
                return -ENOENT;
        memcpy(path, mount->path, sizeof path);
        int r = read_cgroup(&reading, path, 0);
        return r < 0 ? r : cgroup_each_below(state, path, read_cgroup, &reading);
}

void host_masks_give_back(struct vhost_state *state, const struct host_masks *masks) {
        for (size_t i = 0; i < masks->n; i++) {
                const struct host_mask *kept = masks->threads + i;
                struct affinity_mask now, really;
                if (vhost_mask_read(state, kept->id, &now) >= 0 && !affinity_equal(&now, &kept->mask))
                        (void) vhost_mask_set(state, kept->id, &kept->mask, &really);
        }
}

void host_masks_done(struct host_masks *masks) {
        free(masks->threads);
        *masks = (struct host_masks) { 0 };
}

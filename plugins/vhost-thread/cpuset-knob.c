/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The knob "cgroup.cpus" (object c.INODE of the cgroup's directory): its cpuset.cpus. Linux before 6.2 gives every thread of a cpuset that changes the whole of it
 * (kernel/cgroup/cpuset.c, update_tasks_cpumask()): what the threads in it and below had is taken down before and given back after.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "cpuset.h"
#include "guests.h"
#include "plugins/common/file-io.h"
#include "vhost-thread.h"

enum { DEPTH_MAX = 32 };

static int open_directory(struct vhost_state *state, const char *path, DIR **ret) {
        _cleanup_close_ int fd = state->services->open_path(state->context, path, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd;
        *ret = fdopendir(fd);
        if (!*ret)
                return -errno;
        (void) TAKE_FD(fd);
        return 0;
}

static int for_each_below(struct vhost_state *state, char *path, int depth, int (*each)(void *userdata, const char *path, ino_t inode), void *userdata) {
        _cleanup_closedir_ DIR *directory = NULL;
        size_t length = strlen(path);

        int error = depth < DEPTH_MAX ? open_directory(state, path, &directory) : -ELOOP;
        if (!directory)
                return error == -ENOENT || error == -ENODEV || error == -ELOOP ? 0 : error;
        for (struct dirent *entry; (entry = readdir(directory));) {
                struct stat status;
                int n = entry->d_name[0] == '.' || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN) ? -1 :
                        snprintf(path + length, PATH_MAX - length, "/%s", entry->d_name);
                int r = 0;
                if (n > 0 && (size_t) n < PATH_MAX - length && fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode)) {
                        r = each(userdata, path, status.st_ino);
                        if (r == 0)
                                r = for_each_below(state, path, depth + 1, each, userdata);
                }
                if (r != 0)
                        return r;
                path[length] = '\0';
        }
        return 0;
}

int cgroup_each_below(struct vhost_state *state, char *path, int (*each)(void *userdata, const char *path, ino_t inode), void *userdata) {
        return for_each_below(state, path, 0, each, userdata);
}

int cgroup_each_thread(struct vhost_state *state, const char *directory, int (*each)(void *userdata, pid_t id), void *userdata) {
        char path[PATH_MAX + 32], line[32];

        snprintf(path, sizeof path, "%s/%s", directory, cpuset_find_mount(state)->v1 ? "tasks" : "cgroup.threads");
        int fd = state->services->open_path(state->context, path, O_RDONLY);
        if (fd < 0)
                return fd == -ENOENT || fd == -ENODEV ? 0 : fd;
        _cleanup_fclose_ FILE *file = fdopen(fd, "re");
        if (!file) {
                closep(&fd);
                return -ENOMEM;
        }
        while (fgets(line, sizeof line, file)) {
                trim_end(line, strlen(line));
                pid_t id = thread_parse_id(line);
                int r = id < 0 ? 0 : each(userdata, id);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int is_inode(void *userdata, const char *path, ino_t inode) {
        (void) path;
        return inode == *(const ino_t *) userdata;
}

int cpuset_inode(struct vhost_state *state, const char *directory, ino_t *ret) {
        struct stat status;
        _cleanup_close_ int fd = state->services->open_path(state->context, directory, O_PATH | O_DIRECTORY);

        if (fd < 0)
                return fd;
        if (fstat(fd, &status) < 0)
                return -errno;
        *ret = status.st_ino;
        return 0;
}

/* The directory of a cgroup. The last one that was looked for is remembered. -ENOENT: there is none (any more). */
static int find_directory(struct vhost_state *state, const char *object, char ret[static PATH_MAX]) {
        const struct cpuset_mount *mount = cpuset_find_mount(state);
        struct cpuset_place *last = &state->cpuset_place;
        char *end;
        ino_t inode, found = 0;

        if (!mount || strncmp(object, "c.", 2) != 0 || object[2] < '0' || object[2] > '9')
                return -ENOENT;
        errno = 0;
        inode = strtoull(object + 2, &end, 10);
        if (errno != 0 || *end != '\0')
                return -ENOENT;
        if (last->inode != inode || cpuset_inode(state, last->path, &found) < 0 || found != inode) {
                memcpy(last->path, mount->path, sizeof last->path);
                last->inode = 0;
                int r = cgroup_each_below(state, last->path, is_inode, &inode);
                if (r <= 0)
                        return r < 0 ? r : -ENOENT;
                last->inode = inode;
        }
        memcpy(ret, last->path, sizeof last->path);
        return 0;
}

int cgroup_cpus_get(void *userdata, const char *object, char *ret_value, size_t size) {
        char directory[PATH_MAX];
        struct affinity_mask cpus;

        int r = find_directory(userdata, object, directory);
        if (r >= 0)
                r = cpuset_read_list(userdata, directory, "cpuset.cpus", &cpus);
        return r < 0 ? r : affinity_format(&cpus, ret_value, size);
}

/* --- what the threads of a cgroup and below have --- */

struct saved {
        pid_t id;
        struct affinity_mask mask;
};

struct saving {
        struct vhost_state *state;
        struct saved *threads;
        size_t n, n_allocated;
};

static int save_thread(void *userdata, pid_t id) {
        struct saving *saving = userdata;

        if (saving->n == saving->n_allocated) {
                size_t n = saving->n_allocated > 0 ? 2 * saving->n_allocated : 32;
                struct saved *threads = reallocarray(saving->threads, n, sizeof *threads);
                if (!threads)
                        return -ENOMEM;
                saving->threads = threads;
                saving->n_allocated = n;
        }
        saving->threads[saving->n].id = id;
        /* One that has ended has nothing to be given back. */
        saving->n += vhost_mask_read(saving->state, id, &saving->threads[saving->n].mask) >= 0;
        return 0;
}

static int save_cgroup(void *userdata, const char *directory, ino_t inode) {
        struct saving *saving = userdata;

        (void) inode;
        return cgroup_each_thread(saving->state, directory, save_thread, saving);
}

static void give_back(struct vhost_state *state, const struct saved *saved) {
        struct affinity_mask now, allowed, really;
        struct guest_thread *known;
        struct vhost_thread *worker = vhost_thread_find(state, saved->id);

        if (vhost_mask_read(state, saved->id, &now) < 0 || cpuset_allowed(state, saved->id, &allowed) < 0)
                return;
        struct affinity_mask rest = affinity_and(&saved->mask, &allowed);
        /* One that had all of it goes on with all of it: on Linux 6.2 and later, too, where each mask that is set is remembered. */
        if (!affinity_is_empty(&rest) && (!affinity_equal(&now, &rest) || affinity_equal(&rest, &allowed)))
                (void) vhost_mask_set(state, saved->id, &saved->mask, &really);
        if (worker && worker->is_set)
                vhost_thread_is_set(state, worker, &worker->set);
        if (guests_of_thread(state, saved->id, &known)) {
                known->cpuset = cpuset_mark(state, saved->id);
                (void) state->affinity->get(state->affinity->userdata, saved->id, &known->seen);
        }
}

int cgroup_write(struct vhost_state *state, const char *directory, const char *file, const char *value) {
        char line[IOCORE_VALUE_MAX + 1], path[PATH_MAX];

        int n = snprintf(path, sizeof path, "%s/%s", directory, file), length = snprintf(line, sizeof line, "%s\n", value);
        _cleanup_close_ int fd = n < 0 || (size_t) n >= sizeof path || (size_t) length >= sizeof line ? -ENAMETOOLONG :
                state->services->open_path(state->context, path, O_WRONLY | O_TRUNC);
        if (fd < 0)
                return fd;
        /* the kernel takes each write for a whole value */
        ssize_t written = write(fd, line, (size_t) length);
        return written < 0 ? -errno : written == length ? 0 : -EIO;
}

int cpuset_write(struct vhost_state *state, const char *directory, const struct affinity_mask *wanted) {
        char list[IOCORE_VALUE_MAX] = "";
        struct affinity_mask really;

        int r = affinity_is_empty(wanted) ? 0 : affinity_format(wanted, list, sizeof list);
        if (r >= 0)
                r = cgroup_write(state, directory, "cpuset.cpus", list);
        if (r >= 0)
                r = cpuset_read_list(state, directory, "cpuset.cpus", &really);
        return r < 0 ? r : affinity_equal(&really, wanted) ? 0 : -EINVAL;
}

int cgroup_cpus_set(void *userdata, const char *object, const char *value, char *ret_value, size_t size) {
        struct vhost_state *state = userdata;
        struct saving saving = { .state = state };
        struct affinity_mask wanted = { 0 }, before;
        char directory[PATH_MAX], path[PATH_MAX];

        int r = value[0] ? affinity_parse(value, &wanted) : 0;
        if (r >= 0)
                r = find_directory(state, object, directory);
        if (r >= 0)
                r = cpuset_read_list(state, directory, "cpuset.cpus", &before);
        if (r < 0)
                return r;
        memcpy(path, directory, sizeof path);
        r = save_cgroup(&saving, directory, 0);
        if (r >= 0)
                r = cgroup_each_below(state, path, save_cgroup, &saving);
        _cleanup_free_ struct saved *threads = saving.threads;
        if (r < 0)
                return r;
        r = cpuset_write(state, directory, &wanted);
        if (r < 0)
                (void) cpuset_write(state, directory, &before);
        for (size_t i = 0; i < saving.n; i++)
                give_back(state, threads + i);
        if (r < 0)
                return r;
        widening_is_set(state, state->cpuset_place.inode, &wanted);
        return affinity_is_empty(&wanted) && size > 0 ? (ret_value[0] = '\0', 0) : affinity_format(&wanted, ret_value, size);
}

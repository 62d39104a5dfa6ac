/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the cpuset of a thread is and what it allows. cgroup v2 ("cpuset.cpus.effective"), v1 ("cpuset.effective_cpus") and both at once (the controller is in one
 * of them). Facts: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/cpusets.rst of the kernel.
 */
#ifndef CPUSET_H
#define CPUSET_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "affinity.h"

struct vhost_state;

/* Where the hierarchy with the cpuset controller is mounted. */
struct cpuset_mount {
        bool v1;
        char path[PATH_MAX]; /* "" when there is none */
        char root[PATH_MAX]; /* the cgroup that is seen at `path`, "/" but in containers */
};

/* A cgroup's directory. */
struct cpuset_place {
        ino_t inode; /* 0: none */
        char path[PATH_MAX];
};

/* Finds it in the text of /proc/self/mountinfo. False: none. */
bool cpuset_parse_mounts(const char *text, struct cpuset_mount *ret);
/* The path of the cgroup that rules CPUs ("/machine.slice/...") in the text of /proc/TID/cgroup. 0; -ENOENT: none; -ENAMETOOLONG; -EINVAL: a path that leads out of the
 * hierarchy. */
int cpuset_parse_cgroup(const char *text, bool v1, char *ret, size_t size);

/* NULL: there are no cpusets. Valid while the plugin is open. */
const struct cpuset_mount *cpuset_find_mount(struct vhost_state *state);
/* What names a cgroup as long as it exists: the inode of its directory. 0 or -errno. */
int cpuset_inode(struct vhost_state *state, const char *directory, ino_t *ret);
/* The directory of a thread's cpuset. 0; -ENOENT: there are no cpusets, or it is not below the mount; -ESRCH: no such thread. */
int cpuset_directory(struct vhost_state *state, pid_t thread, char *ret, size_t size);
/* One list out of a file of a directory, which may be empty. 0 or -errno. */
int cpuset_read_list(struct vhost_state *state, const char *directory, const char *file, struct affinity_mask *ret);
/* The CPUs that a directory allows now; one that has no such file (the controller is not enabled there) does what its parent does. 0 or -errno. */
int cpuset_effective(struct vhost_state *state, const char *directory, struct affinity_mask *ret);
/* Both at once, for a thread. */
int cpuset_allowed(struct vhost_state *state, pid_t thread, struct affinity_mask *ret);
/* A number that changes when the thread is in another cpuset, or its cpuset allows other CPUs; 0: cannot be told. */
uint64_t cpuset_mark(struct vhost_state *state, pid_t thread);

/* cpuset-knob.c */

/* Calls `each` for every cgroup below `path`, until it returns non-zero, which is returned. `path` (PATH_MAX bytes) is as before when nothing was found. -errno: not all
 * could be looked at; one that vanishes meanwhile is passed over. */
int cgroup_each_below(struct vhost_state *state, char *path, int (*each)(void *userdata, const char *path, ino_t inode), void *userdata);
/* The same for the threads of one cgroup, until `each` returns -errno. */
int cgroup_each_thread(struct vhost_state *state, const char *directory, int (*each)(void *userdata, pid_t id), void *userdata);
/* Writes a file of a cgroup as one piece. 0 or -errno. */
int cgroup_write(struct vhost_state *state, const char *directory, const char *file, const char *value);
/* Writes cpuset.cpus and reads it back. 0; -EINVAL: other CPUs are there; -errno. */
int cpuset_write(struct vhost_state *state, const char *directory, const struct affinity_mask *wanted);

#endif

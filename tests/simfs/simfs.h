/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of iocore-simfs: the model host behind the vhost control interface, byte for byte. */
#ifndef SIMFS_H
#define SIMFS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "plugins/sim/model.h"

/* A write to a path that matches is answered by an error instead of being done. */
struct simfs_fault {
        char pattern[128]; /* fnmatch(3), relative to the mount point */
        int error;         /* positive errno */
        long skip;         /* that many are let through first */
        long count;        /* then that many fail; -1: all */
};

#define SIMFS_FAULTS_MAX 32

struct simfs {
        pthread_mutex_t mutex; /* of everything below but what is set once before the threads start */
        struct scenario *scenario;
        struct model *model;
        uint64_t last_usec;
        double usec_rest;
        struct simfs_fault faults[SIMFS_FAULTS_MAX];
        size_t n_faults;
        uint64_t proc_generation; /* of the model, when the fixture /proc was last made to fit */
        bool *proc_present;       /* by VM: has its directory */

        /* set once */
        unsigned generation; /* 1 or 2, of the interface */
        double speed;
        bool stopped;        /* time stands still unless "advance" says otherwise */
        int proc_fd;         /* the fixture's directory, -1: none */
        int proc_stat_fd;
        int control_fd;      /* FIFO, -1: none */
};

enum simfs_object_kind { OBJECT_ROOT, OBJECT_WORKERS, OBJECT_DEVICES, OBJECT_QUEUES, OBJECT_WORKER, OBJECT_DEVICE, OBJECT_QUEUE };

struct simfs_object {
        enum simfs_object_kind kind;
        unsigned number; /* of the worker or device */
        unsigned index;  /* of the queue */
};

enum simfs_node_kind { NODE_DIRECTORY, NODE_POWER, NODE_ATTRIBUTE, NODE_LINK };

struct simfs_attribute;

/* What a path names. */
struct simfs_node {
        enum simfs_node_kind kind;
        struct simfs_object object;
        const struct simfs_attribute *attribute;
        char target[64]; /* of a link */
};

/* The command channel that answers: an extended attribute of the mount point that is set. */
#define SIMFS_CONTROL_XATTR "user.iocore.control"

/* iocore-simfs.c: lets the model catch up with the clock; the caller holds the mutex. */
void simfs_catch_up(struct simfs *fs);

static inline void simfs_unlockp(pthread_mutex_t **mutex) {
        pthread_mutex_unlock(*mutex);
}

/* Each operation looks at the host of this moment. */
#define SIMFS_LOCK(fs)                                                                     \
        pthread_mutex_lock(&(fs)->mutex);                                            \
        __attribute__((cleanup(simfs_unlockp))) pthread_mutex_t *locked_ = &(fs)->mutex;   \
        (void) locked_;                                                              \
        simfs_catch_up(fs)

struct fuse_operations;
/* simfs-operations.c */
extern const struct fuse_operations simfs_operations;

/* simfs-tree.c. 0 or -ENOENT. */
int simfs_resolve(const struct simfs *fs, const char *path, struct simfs_node *ret);
bool simfs_exists(const struct simfs *fs, const struct simfs_object *object);
unsigned simfs_n_subdirectories(const struct simfs *fs, const struct simfs_node *node);
/* Calls `add` with the name of each entry until it returns false. */
void simfs_list(const struct simfs *fs, const struct simfs_node *node, bool (*add)(void *userdata, const char *name), void *userdata);

/* simfs-attributes.c */
const struct simfs_attribute *simfs_attribute(const struct simfs *fs, enum simfs_object_kind kind, const char *name);
const struct simfs_attribute *simfs_attribute_at(const struct simfs *fs, enum simfs_object_kind kind, size_t *position); /* the next one of this generation; NULL at the end */
const char *simfs_attribute_name(const struct simfs_attribute *attribute);
mode_t simfs_attribute_mode(const struct simfs *fs, const struct simfs_attribute *attribute);
/* The object must exist. 0 or -errno. */
int simfs_show(struct simfs *fs, const struct simfs_object *object, const struct simfs_attribute *attribute, FILE *stream);
int simfs_store(struct simfs *fs, const struct simfs_object *object, const struct simfs_attribute *attribute, const char *value);

/* simfs-proc.c: the fixture /proc. */
int simfs_proc_open(struct simfs *fs, const char *path);
void simfs_proc_update_vms(struct simfs *fs);
void simfs_proc_update_stat(struct simfs *fs);
void simfs_proc_close(struct simfs *fs);

/* simfs-control.c: one command; the caller holds the mutex. 0 or -errno. */
int simfs_command(struct simfs *fs, char *line);
/* "PATTERN=ERRNO[:COUNT]" of --fail. 0 or -EINVAL. */
int simfs_add_fault_option(struct simfs *fs, const char *option);
/* The error (negative errno) that a write to `path` is to get, or 0. */
int simfs_fault(struct simfs *fs, const char *path);

#endif

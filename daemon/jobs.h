/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work that a plugin was given and does in its own time: that which goes on, and the last that is over. A job changes nothing that would have to be put back, so
 * it is not journaled.
 */
#ifndef JOBS_H
#define JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugins/iocore-plugin.h"

/* So many are kept. When as many go on at once no further one is begun. */
#define JOBS_MAX 64

struct plugin_instance;
struct jobs;

struct job {
        struct iocore_job pub;
        struct plugin_instance *plugin;
        const char *kind;             /* "move-memory", "read-memory" */
        char object[IOCORE_NAME_MAX]; /* a domain, or "PID.START" of a process */
        bool of_domain;
        int cell, node;               /* as in struct iocore_memory */
        char source[64];              /* who asked for it: "client:uid=0" */
        uint64_t begun_usec, ended_usec; /* of the real-time clock; ended_usec: 0 while it goes on */
};

int jobs_new(struct jobs **ret);
struct jobs *jobs_free(struct jobs *jobs);

/* A new one, which is waiting: the caller fills in what it is about. `kind` is borrowed for ever. The oldest that is over makes room. NULL: JOBS_MAX go on. */
struct job *jobs_add(struct jobs *jobs, struct plugin_instance *plugin, const char *kind);
/* It was not begun after all. */
void jobs_drop(struct jobs *jobs, uint64_t id);
/* What is unknown, over, or another plugin's is passed over. */
void jobs_update(struct jobs *jobs, const struct plugin_instance *plugin, const struct iocore_job *update);

/* The oldest first; NULL beyond the last. Valid until the next jobs_add(). */
const struct job *jobs_at(const struct jobs *jobs, size_t index);
const struct job *jobs_find(const struct jobs *jobs, uint64_t id);
/* One that changed since it was taken last, or NULL. */
const struct job *jobs_take_changed(struct jobs *jobs);

/* "waiting" "running" "done" "failed" "cancelled" */
const char *job_state_to_string(enum iocore_job_state state);
static inline bool job_is_over(const struct job *job) {
        return job->pub.state != IOCORE_JOB_WAITING && job->pub.state != IOCORE_JOB_RUNNING;
}

#endif

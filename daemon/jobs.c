/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "jobs.h"

struct jobs {
        struct job jobs[JOBS_MAX]; /* by id */
        bool changed[JOBS_MAX];
        size_t n, n_changed;
        uint64_t last_id;
};

static uint64_t real_usec(void) {
        struct timespec now;
        (void) clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

int jobs_new(struct jobs **ret) {
        *ret = calloc(1, sizeof **ret);
        return *ret ? 0 : -ENOMEM;
}

struct jobs *jobs_free(struct jobs *jobs) {
        free(jobs);
        return NULL;
}

static void take_out(struct jobs *jobs, size_t index) {
        jobs->n_changed -= jobs->changed[index];
        jobs->n--;
        memmove(jobs->jobs + index, jobs->jobs + index + 1, (jobs->n - index) * sizeof *jobs->jobs);
        memmove(jobs->changed + index, jobs->changed + index + 1, (jobs->n - index) * sizeof *jobs->changed);
}

/* JOBS_MAX: there is none. */
static size_t find(const struct jobs *jobs, uint64_t id) {
        for (size_t i = 0; i < jobs->n; i++)
                if (jobs->jobs[i].pub.id == id)
                        return i;
        return JOBS_MAX;
}

static void note_change(struct jobs *jobs, size_t index) {
        jobs->n_changed += !jobs->changed[index];
        jobs->changed[index] = true;
}

struct job *jobs_add(struct jobs *jobs, struct plugin_instance *plugin, const char *kind) {
        size_t oldest = 0;
        while (oldest < jobs->n && !job_is_over(jobs->jobs + oldest))
                oldest++;
        if (jobs->n == JOBS_MAX) {
                if (oldest == JOBS_MAX)
                        return NULL;
                take_out(jobs, oldest);
        }
        struct job *job = jobs->jobs + jobs->n;
        *job = (struct job) { .pub = { .id = ++jobs->last_id }, .plugin = plugin, .kind = kind, .cell = -1, .node = IOCORE_NODE_UNKNOWN, .begun_usec = real_usec() };
        jobs->changed[jobs->n] = false;
        note_change(jobs, jobs->n++);
        return job;
}

void jobs_drop(struct jobs *jobs, uint64_t id) {
        size_t index = find(jobs, id);
        if (index < JOBS_MAX)
                take_out(jobs, index);
}

void jobs_update(struct jobs *jobs, const struct plugin_instance *plugin, const struct iocore_job *update) {
        size_t index = find(jobs, update->id);
        if (index == JOBS_MAX || jobs->jobs[index].plugin != plugin || job_is_over(jobs->jobs + index))
                return;
        struct job *job = jobs->jobs + index;
        job->pub = *update;
        job->pub.text[sizeof job->pub.text - 1] = '\0';
        if (job_is_over(job))
                job->ended_usec = real_usec();
        note_change(jobs, index);
}

const struct job *jobs_at(const struct jobs *jobs, size_t index) {
        return index < jobs->n ? jobs->jobs + index : NULL;
}

const struct job *jobs_find(const struct jobs *jobs, uint64_t id) {
        return jobs_at(jobs, find(jobs, id));
}

const struct job *jobs_take_changed(struct jobs *jobs) {
        for (size_t i = 0; jobs->n_changed > 0 && i < jobs->n; i++)
                if (jobs->changed[i]) {
                        jobs->changed[i] = false;
                        jobs->n_changed--;
                        return jobs->jobs + i;
                }
        return NULL;
}

const char *job_state_to_string(enum iocore_job_state state) {
        static const char *const names[] = {
                [IOCORE_JOB_WAITING] = "waiting", [IOCORE_JOB_RUNNING] = "running",     [IOCORE_JOB_DONE] = "done",
                [IOCORE_JOB_FAILED] = "failed",   [IOCORE_JOB_CANCELLED] = "cancelled",
        };
        return (size_t) state < ELEMENTSOF(names) ? names[state] : "failed";
}

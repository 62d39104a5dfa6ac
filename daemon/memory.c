/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients' wishes about where memory is: looked at and moved by whichever plugin can, as a job. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "engine-private.h"
#include "log.h"

__attribute__((format(printf, 4, 5))) static int refuse(char *ret_reason, size_t size, int error, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(ret_reason, size, format, arguments);
        va_end(arguments);
        return error;
}

static struct plugin_instance *mover(const struct engine *engine) {
        for (struct plugin_instance *const *i = plugin_set_instances(engine->plugins); *i; i++)
                if ((*i)->plugin->memory_begin && (*i)->plugin->job_cancel)
                        return *i;
        return NULL;
}

static int begin(struct engine *engine, const struct iocore_memory *memory, const char *object, const char *source, uint64_t *ret_job, char *ret_reason, size_t size) {
        struct plugin_instance *instance = mover(engine);
        bool moves = memory->node != IOCORE_NODE_UNKNOWN;

        ret_reason[0] = '\0';
        if (!instance)
                return refuse(ret_reason, size, -EOPNOTSUPP, "no open plugin looks at memory: see the plugin numa in iocorectl status");
        if (moves && !host_node(engine->host, memory->node))
                return refuse(ret_reason, size, -ENOENT, "there is no node %d", memory->node);
        if (moves && engine->mode == MODE_OBSERVE)
                return refuse(ret_reason, size, -EPERM, "in the mode observe nothing is moved");
        struct job *job = jobs_add(plugin_set_jobs(engine->plugins), instance, moves ? "move-memory" : "read-memory");
        if (!job)
                return refuse(ret_reason, size, -EBUSY, "%d jobs go on already", JOBS_MAX);
        uint64_t id = job->pub.id;
        snprintf(job->object, sizeof job->object, "%s", object);
        snprintf(job->source, sizeof job->source, "%s", source);
        job->cell = memory->cell;
        job->node = memory->node;
        int r = instance->plugin->memory_begin(instance->state, memory, id, ret_reason, size);
        if (r < 0) {
                jobs_drop(plugin_set_jobs(engine->plugins), id);
                return ret_reason[0] ? r : refuse(ret_reason, size, r, "%s", strerror(-r));
        }
        if (moves)
                log_notice("Job %" PRIu64 ": memory of %s goes to node %d, as %s wants it.", id, object, memory->node, source);
        *ret_job = id;
        return 0;
}

int engine_domain_memory(struct engine *engine, const char *name, int cell, int node, const char *source, uint64_t *ret_job, char *ret_reason, size_t size) {
        const struct domain *domain = host_domain(engine->host, name);
        if (!domain)
                return refuse(ret_reason, size, -ENOENT, "there is no domain \"%s\"", name);
        if (node != IOCORE_NODE_UNKNOWN && engine_domain_is_banned(engine, name))
                return refuse(ret_reason, size, -EPERM, "%s is banned: iocored changes nothing of it", name);
        if (domain->pub.pid <= 0)
                return refuse(ret_reason, size, -ENOENT, "%s does not run", name);
        if (cell < -1 || (cell >= 0 && (size_t) cell >= domain->n_cells))
                return refuse(ret_reason, size, -ENOENT, "%s has no guest cell %d", name, cell);
        struct iocore_memory memory = {
                .pid = domain->pub.pid, .start = domain->pub.incarnation, .domain = domain->pub.id, .n_cells = domain->n_cells, .cell = cell, .node = node,
        };
        return begin(engine, &memory, name, source, ret_job, ret_reason, size);
}

int engine_process_memory(struct engine *engine, pid_t pid, uint64_t start, int node, const char *source, uint64_t *ret_job, char *ret_reason, size_t size) {
        char object[48];
        if (start > 0)
                snprintf(object, sizeof object, "%d.%" PRIu64, (int) pid, start);
        else
                snprintf(object, sizeof object, "%d", (int) pid);
        struct iocore_memory memory = { .pid = pid, .start = start, .domain = "", .cell = -1, .node = node };
        return begin(engine, &memory, object, source, ret_job, ret_reason, size);
}

int engine_cancel_job(struct engine *engine, uint64_t id) {
        const struct job *job = jobs_find(plugin_set_jobs(engine->plugins), id);
        if (!job || job_is_over(job) || !job->plugin->plugin->job_cancel)
                return -ENOENT;
        return job->plugin->plugin->job_cancel(job->plugin->state, id);
}

const struct jobs *engine_jobs(const struct engine *engine) {
        return plugin_set_jobs(engine->plugins);
}

void engine_tell_jobs(struct engine *engine) {
        const struct job *job;
        while ((job = jobs_take_changed(plugin_set_jobs(engine->plugins)))) {
                if (job_is_over(job) && job->node != IOCORE_NODE_UNKNOWN)
                        log_notice("Job %" PRIu64 " (memory of %s to node %d) is %s: %" PRIu64 " pages moved, %" PRIu64 " could not be, in %.1f s%s%s.", job->pub.id, job->object,
                                   job->node, job_state_to_string(job->pub.state), job->pub.moved_pages, job->pub.failed_pages, (double) job->pub.busy_usec / 1e6,
                                   job->pub.text[0] ? ": " : "", job->pub.text);
                if (engine->listener.job)
                        engine->listener.job(engine->listener.userdata, job);
        }
}

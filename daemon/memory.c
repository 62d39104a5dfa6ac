/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where memory is: looked at and moved by whichever plugin can, as a job, for clients and for decisions. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "daemon/host/cpu-list.h"
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

/* KiB that the model has of a domain, or of one cell of it (-1: all), on the node in that place. */
static uint64_t kib_on(const struct domain *domain, int only_cell, size_t place) {
        uint64_t sum = only_cell < 0 && domain->rest_kib_of_node ? domain->rest_kib_of_node[place] : 0;
        for (size_t cell = 0; cell < domain->n_cells; cell++)
                if ((only_cell < 0 || (size_t) only_cell == cell) && domain->cells[cell].kib_of_node)
                        sum += domain->cells[cell].kib_of_node[place];
        return sum;
}

/* The same on all nodes but this one. */
static uint64_t elsewhere_kib(const struct host *host, const struct domain *domain, int only_cell, int node_number) {
        uint64_t sum = 0;
        for (size_t i = 0; i < host->n_nodes; i++)
                if (host->nodes[i].topology->node != node_number)
                        sum += kib_on(domain, only_cell, i);
        return sum;
}

/* KiB that a job is still to move. As long as it has not looked, what the model has elsewhere: more than that it cannot be. */
static uint64_t still_to_come(const struct engine *engine, const struct job *job) {
        const struct host *host = engine->host;
        uint64_t page_kib = (uint64_t) sysconf(_SC_PAGESIZE) / 1024, done = job->pub.moved_pages + job->pub.failed_pages;
        const struct domain *domain = job->of_domain ? host_domain(host, job->object) : NULL;
        if (job->pub.total_pages > 0)
                return job->pub.total_pages > done ? (job->pub.total_pages - done) * page_kib : 0;
        return domain ? elsewhere_kib(host, domain, job->cell, job->node) : 0;
}

static const struct domain *domain_of_emulator(const struct host *host, const char *knob) {
        for (size_t i = 0; i < host->n_domains; i++)
                if (strcmp(host->domains[i]->emulator.knob, knob) == 0)
                        return host->domains[i];
        return NULL;
}

/* A job that is still to begin, when other steps have answered. */
static void mark_what_is_to_move(struct host *host, const struct step *step) {
        const struct domain *domain = host_domain(host, step->object);
        struct node *node = host_node(host, step->node);
        if (domain && node)
                node->memory_coming_kib += elsewhere_kib(host, domain, step->cell, step->node);
}

/* How much comes to which of several nodes the kernel decides: each of them is taken for all of it. */
static void mark_what_is_bound_to(struct host *host, const struct step *step) {
        const struct domain *domain = domain_of_emulator(host, step->object);
        hwloc_bitmap_t nodes = NULL;
        if (!domain || cpu_list_parse(step->value, &nodes) < 0)
                return;
        uint64_t elsewhere = 0;
        for (size_t i = 0; i < host->n_nodes; i++)
                if (!hwloc_bitmap_isset(nodes, (unsigned) host->nodes[i].topology->node))
                        elsewhere += kib_on(domain, -1, i);
        for (size_t i = 0; i < host->n_nodes; i++)
                if (hwloc_bitmap_isset(nodes, (unsigned) host->nodes[i].topology->node))
                        host->nodes[i].memory_coming_kib += elsewhere;
        hwloc_bitmap_free(nodes);
}

/* A machine that is bound to other nodes takes room there before it has moved; nobody tells how much of it has. */
static void mark_what_is_bound_anew(struct engine *engine, const struct decision *decision) {
        struct host *host = engine->host;
        for (size_t i = 0; i < decision->n_steps; i++) {
                const struct step *step = decision->steps + i;
                if (step->kind == STEP_MEMORY_MOVE && step->result == STEP_PENDING && step->job == 0)
                        mark_what_is_to_move(host, step);
                if (step->kind != STEP_KNOB_SET || step->result != STEP_PENDING || strcmp(step->knob, "numatune.nodeset") != 0)
                        continue;
                mark_what_is_bound_to(host, step);
        }
}

/* Placement leaves a domain alone whose memory moves, and takes no room twice. */
void engine_mark_what_moves(struct engine *engine) {
        const struct jobs *jobs = engine_jobs(engine);
        struct host *host = engine->host;
        const struct job *job;
        for (size_t i = 0; i < host->n_nodes; i++)
                host->nodes[i].memory_coming_kib = 0;
        for (size_t i = 0; i < host->n_domains; i++)
                host->domains[i]->moving = false;
        for (size_t i = 0; (job = jobs_at(jobs, i)); i++) {
                struct node *node = job->node != IOCORE_NODE_UNKNOWN && !job_is_over(job) ? host_node(host, job->node) : NULL;
                struct domain *domain = node && job->of_domain ? host_domain(host, job->object) : NULL;
                if (node)
                        node->memory_coming_kib += still_to_come(engine, job);
                if (domain)
                        domain->moving = true;
        }
        for (size_t i = 0; i < engine->n_open; i++)
                mark_what_is_bound_anew(engine, engine->open[i].decision);
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
        job->of_domain = memory->domain[0] != '\0';
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
        if (moves)
                engine_mark_what_moves(engine);
        return 0;
}

int engine_domain_memory(struct engine *engine, const char *name, int cell, int node, const char *source, uint64_t *ret_job, char *ret_reason, size_t size) {
        const struct domain *domain = host_domain(engine->host, name);
        if (!domain)
                return refuse(ret_reason, size, -ENOENT, "there is no domain \"%s\"", name);
        if (node != IOCORE_NODE_UNKNOWN && engine_domain_is_banned(engine, name))
                return refuse(ret_reason, size, -EPERM, "%s is banned: iocored changes nothing of it", name);
        if (domain->pub.pid <= 0 && domain->pub.state == IOCORE_DOMAIN_SHUTOFF)
                return refuse(ret_reason, size, -ENOENT, "%s does not run", name);
        if (domain->pub.pid <= 0)
                return refuse(ret_reason, size, -ENOENT, "the process of %s is not known: nobody can say where its memory is", name);
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

void engine_cancel_jobs_of(struct engine *engine, const char *source) {
        const struct job *job;
        for (size_t i = 0; (job = jobs_at(engine_jobs(engine), i)); i++)
                if (source ? strcmp(job->source, source) == 0 : job->node != IOCORE_NODE_UNKNOWN)
                        (void) engine_cancel_job(engine, job->pub.id); /* -ENOENT: it is over */
}

const struct jobs *engine_jobs(const struct engine *engine) {
        return plugin_set_jobs(engine->plugins);
}

void engine_tell_jobs(struct engine *engine) {
        const struct job *job;
        bool changed = false;
        while ((job = jobs_take_changed(plugin_set_jobs(engine->plugins)))) {
                changed = true;
                if (job_is_over(job) && job->node != IOCORE_NODE_UNKNOWN)
                        log_notice("Job %" PRIu64 " (memory of %s to node %d) is %s: %" PRIu64 " pages moved, %" PRIu64 " could not be, in %.1f s%s%s.", job->pub.id, job->object,
                                   job->node, job_state_to_string(job->pub.state), job->pub.moved_pages, job->pub.failed_pages, (double) job->pub.busy_usec / 1e6,
                                   job->pub.text[0] ? ": " : "", job->pub.text);
                if (engine->listener.job)
                        engine->listener.job(engine->listener.userdata, job);
        }
        if (changed)
                engine_mark_what_moves(engine);
}

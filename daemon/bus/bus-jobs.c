/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where memory is and where it goes: jobs, which plugins do in their own time. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus-methods.h"
#include "daemon/cleanup.h"
#include "daemon/log.h"

/* ---- what is asked for */

static int answer(sd_bus_message *message, int r, uint64_t job, const char *reason, sd_bus_error *error) {
        switch (r) {
        case 0:
                return sd_bus_reply_method_return(message, "t", job);
        case -ENOENT:
        case -ESRCH:
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_OBJECT, "%s", reason);
        case -EINVAL:
                return sd_bus_error_setf(error, BUS_ERROR_INVALID, "%s", reason);
        case -EBUSY:
                return sd_bus_error_setf(error, BUS_ERROR_BUSY, "%s", reason);
        case -EPERM:
        case -EOPNOTSUPP:
                return sd_bus_error_setf(error, BUS_ERROR_REFUSED, "unavailable: %s", reason);
        default:
                return sd_bus_error_setf(error, BUS_ERROR_FAILED, "%s", reason);
        }
}

static int domain_memory(struct bus *bus, sd_bus_message *message, const char *name, int cell, int node, sd_bus_error *error) {
        char domain[IOCORE_NAME_MAX], source[INTENT_SOURCE_MAX], reason[IOCORE_REASON_MAX] = "";
        uint64_t job = 0;
        int r;

        r = bus_take_string(domain, sizeof(domain), name, "The domain's name", error);
        if (r >= 0)
                r = bus_client_source(message, source, sizeof(source));
        if (r < 0)
                return r;
        r = engine_domain_memory(bus->engine, domain, cell, node, source, &job, reason, sizeof(reason));
        return answer(message, r, job, reason, error);
}

BUS_METHOD(bus_method_move_memory) {
        const char *domain;
        int r, cell, node;

        r = sd_bus_message_read(message, "sii", &domain, &cell, &node);
        if (r >= 0 && (cell < -1 || node < 0))
                r = sd_bus_error_setf(error, BUS_ERROR_INVALID, "A guest cell is -1 (all) or more, a node 0 or more");
        return r < 0 ? r : domain_memory(userdata, message, domain, cell, node, error);
}

BUS_METHOD(bus_method_read_memory) {
        const char *domain;
        int r;

        r = sd_bus_message_read(message, "s", &domain);
        return r < 0 ? r : domain_memory(userdata, message, domain, -1, IOCORE_NODE_UNKNOWN, error);
}

BUS_METHOD(bus_method_move_process_memory) {
        struct bus *bus = userdata;
        char source[INTENT_SOURCE_MAX], reason[IOCORE_REASON_MAX] = "";
        uint64_t start, job = 0;
        int r, pid, node;

        r = sd_bus_message_read(message, "iti", &pid, &start, &node);
        if (r >= 0 && (pid <= 0 || node < 0))
                r = sd_bus_error_setf(error, BUS_ERROR_INVALID, "A process is 1 or more, a node 0 or more");
        if (r >= 0)
                r = bus_client_source(message, source, sizeof(source));
        if (r < 0)
                return r;
        r = engine_process_memory(bus->engine, pid, start, node, source, &job, reason, sizeof(reason));
        return answer(message, r, job, reason, error);
}

BUS_METHOD(bus_method_cancel_job) {
        struct bus *bus = userdata;
        uint64_t job;
        int r;

        r = sd_bus_message_read(message, "t", &job);
        if (r < 0)
                return r;
        r = engine_cancel_job(bus->engine, job);
        if (r == -ENOENT)
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_OBJECT, "No job %" PRIu64 " goes on", job);
        return r < 0 ? r : sd_bus_reply_method_return(message, NULL);
}

/* ---- what is told */

static int append_job(sd_bus_message *reply, const struct job *job) {
        struct bus_text object, text;

        return sd_bus_message_append(reply, BUS_JOB, job->pub.id, job->kind, bus_text(&object, job->object), job_state_to_string(job->pub.state), job->cell,
                                     job->node, job->pub.total_pages, job->pub.moved_pages, job->pub.failed_pages, job->pub.busy_usec, job->begun_usec,
                                     job->ended_usec, job->source, bus_text(&text, job->pub.text));
}

BUS_METHOD(bus_method_list_jobs) {
        const struct jobs *jobs = engine_jobs(((struct bus *) userdata)->engine);
        sd_bus_message *reply = NULL;
        const struct job *job;
        int r;

        (void) error;
        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', BUS_JOB);
        for (size_t i = 0; r >= 0 && (job = jobs_at(jobs, i)); i++)
                r = append_job(reply, job);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

/* (cell, [(node, KiB)]) */
static int append_memory(sd_bus_message *reply, const struct host *host, int cell, const uint64_t *kib_of_node) {
        int r;

        if (!kib_of_node)
                return 0;
        r = sd_bus_message_open_container(reply, 'r', "ia(it)");
        if (r >= 0)
                r = sd_bus_message_append(reply, "i", cell);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(it)");
        for (size_t i = 0; r >= 0 && i < host->n_nodes; i++)
                r = sd_bus_message_append(reply, "(it)", host->nodes[i].topology->node, kib_of_node[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

BUS_METHOD(bus_method_get_memory) {
        const struct host *host = engine_host(((struct bus *) userdata)->engine);
        char name[IOCORE_NAME_MAX];
        sd_bus_message *reply = NULL;
        const struct domain *domain;
        const char *in_name;
        uint64_t age;
        int r;

        r = sd_bus_message_read(message, "s", &in_name);
        if (r >= 0)
                r = bus_take_string(name, sizeof(name), in_name, "The domain's name", error);
        if (r >= 0)
                r = bus_check_exists(userdata, BUS_DOMAIN, "domain", name, error);
        if (r < 0)
                return r;
        domain = host_domain(host, name);
        age = domain->memory_usec > 0 ? host->now_usec - domain->memory_usec : UINT64_MAX;
        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "t", age);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', BUS_CELL_MEMORY);
        for (size_t i = 0; r >= 0 && i < domain->n_cells; i++)
                r = append_memory(reply, host, (int) i, domain->cells[i].kib_of_node);
        if (r >= 0)
                r = append_memory(reply, host, -1, domain->rest_kib_of_node);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

void bus_job_changed(struct bus *bus, const struct job *job) {
        struct bus_text text;
        int r;

        if (!bus->connection)
                return;
        r = sd_bus_emit_signal(bus->connection, BUS_ROOT, BUS_MANAGER_INTERFACE, "JobChanged", "tstttts", job->pub.id, job_state_to_string(job->pub.state),
                               job->pub.total_pages, job->pub.moved_pages, job->pub.failed_pages, job->pub.busy_usec, bus_text(&text, job->pub.text));
        if (r < 0)
                log_debug("bus: cannot tell of job %" PRIu64 ": %s", job->pub.id, strerror(-r));
}

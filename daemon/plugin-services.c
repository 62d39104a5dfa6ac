/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "log.h"
#include "plugin-services.h"
#include "root-path.h"

static int service_open_path(struct iocore_context *context, const char *path, int flags) {
        return root_open(context->config->root ?: "/", path, flags);
}

static const char *service_option(struct iocore_context *context, const char *key) {
        return config_option(context->config, context->name, key);
}

__attribute__((format(printf, 3, 4))) static void service_log(struct iocore_context *context, int priority, const char *format, ...) {
        char text[1024];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        log_message(priority, "plugin %s: %s", context->name, text);
}

/* The public part is the first member of each object, so that the one's address is the other's. */
#define SERVICES_OF(type)                                                                                      \
        static struct iocore_##type *service_##type##_add(struct iocore_context *context, const char *id) {                  \
                struct type *object = host_##type##_add(context->host, context->instance, id);                         \
                return object ? &object->pub : NULL;                                                                         \
        }                                                                                                                    \
        static void service_##type##_remove(struct iocore_context *context, struct iocore_##type *pub) {                     \
                struct type *object = pub ? host_##type(context->host, pub->id) : NULL;                                \
                if (object && &object->pub == pub && object->plugin == context->instance)                                    \
                        host_##type##_remove(context->host, object);                                                         \
                else if (pub)                                                                                                \
                        log_warning("plugin %s: removes the " #type " %s, which is not its own", context->name, pub->id);    \
        }

SERVICES_OF(worker)
SERVICES_OF(device)
SERVICES_OF(unit)
SERVICES_OF(queue)
SERVICES_OF(domain)

static int service_core_set(struct iocore_context *context, int cpu, struct iocore_worker *pub, bool io_core) {
        struct worker *worker = pub ? host_worker(context->host, pub->id) : NULL;
        if (pub && (!worker || &worker->pub != pub || worker->plugin != context->instance))
                return -EINVAL;
        return host_core_set(context->host, context->instance, cpu, worker, io_core);
}

static int service_cpu_sample(struct iocore_context *context, int cpu, uint64_t busy, uint64_t total) {
        return host_cpu_sample(context->host, cpu, busy, total);
}

static int service_cpu_count(struct iocore_context *context) {
        return (int) context->host->n_cpus;
}

static int service_cpu_node(struct iocore_context *context, int cpu) {
        const struct cpu *known = host_cpu(context->host, cpu);
        return known && known->topology->present ? known->topology->node : IOCORE_NODE_UNKNOWN;
}

static bool service_cpu_online(struct iocore_context *context, int cpu) {
        const struct cpu *known = host_cpu(context->host, cpu);
        return known && known->topology->present && known->topology->online;
}

static bool service_cpu_isolated(struct iocore_context *context, int cpu) {
        const struct cpu *known = host_cpu(context->host, cpu);
        return known && known->topology->isolated;
}

static void service_tell(struct iocore_context *context, const char *kind, const char *object, const char *text) {
        if ((!context->notices || notices_tell(context->notices, kind, object, text)) && text[0] != '\0')
                log_notice("plugin %s: %s: %s: %s", context->name, kind, object, text);
}

static void service_knob_changed(struct iocore_context *context, const char *kind, const char *object) {
        if (context->notices)
                notices_knob_changed(context->notices, kind, object);
}

static int service_cpu_pinned(struct iocore_context *context, int cpu, unsigned n_threads) {
        struct cpu *known = host_cpu(context->host, cpu);
        if (!known)
                return -EINVAL;
        known->n_pinned = n_threads;
        return 0;
}

static bool service_cpu_is_io_core(struct iocore_context *context, int cpu) {
        const struct cpu *known = host_cpu(context->host, cpu);
        return known && known->io_core && known->io_core_ours;
}

static bool service_in_haste(struct iocore_context *context) {
        return context->host->in_haste;
}

static uint64_t service_scan_interval(struct iocore_context *context) {
        return context->config->scan_usec;
}

/* --- domains */

/* NULL: it is not this plugin's to say something about. */
static struct domain *own_domain(const struct iocore_context *context, const struct iocore_domain *pub) {
        struct domain *domain = pub ? host_domain(context->host, pub->id) : NULL;
        return domain && &domain->pub == pub && domain->plugin == context->instance ? domain : NULL;
}

static int service_domain_set_vcpus(struct iocore_context *context, struct iocore_domain *pub, const struct iocore_vcpu *vcpus, size_t n) {
        struct domain *domain = own_domain(context, pub);
        return domain ? host_domain_set_vcpus(context->host, domain, vcpus, n) : -EINVAL;
}

static int service_domain_set_iothreads(struct iocore_context *context, struct iocore_domain *pub, const struct iocore_iothread *iothreads, size_t n) {
        struct domain *domain = own_domain(context, pub);
        return domain ? host_domain_set_iothreads(context->host, domain, iothreads, n) : -EINVAL;
}

static int service_domain_set_cells(struct iocore_context *context, struct iocore_domain *pub, const struct iocore_cell *cells, size_t n) {
        struct domain *domain = own_domain(context, pub);
        return domain ? host_domain_set_cells(domain, cells, n) : -EINVAL;
}

static int service_domain_set_devices(struct iocore_context *context, struct iocore_domain *pub, const struct iocore_domain_device *devices, size_t n) {
        struct domain *domain = own_domain(context, pub);
        return domain ? host_domain_set_devices(domain, devices, n) : -EINVAL;
}

static int service_domain_set_emulator(struct iocore_context *context, struct iocore_domain *pub, const char *cpus, bool by_hand, const char *knob) {
        struct domain *domain = own_domain(context, pub);
        return domain ? host_domain_set_emulator(domain, cpus, by_hand, knob) : -EINVAL;
}

static void service_domain_event(struct iocore_context *context, struct iocore_domain *pub, const char *event, const char *detail) {
        struct domain *domain = own_domain(context, pub);
        if (domain)
                (void) host_domain_event(context->host, domain, event, detail); /* what is lost is counted, and told when the epoch ends */
        else
                log_warning("plugin %s: tells \"%s\" of a domain that is not its own, ignoring.", context->name, event);
}

static bool service_thread_is_of_domain(struct iocore_context *context, pid_t tid) {
        return host_thread_is_of_domain(context->host, tid);
}

static int service_node_memory(struct iocore_context *context, int node, uint64_t total_kib, uint64_t free_kib) {
        return host_node_memory(context->host, node, total_kib, free_kib);
}

/* Also of domains that another plugin found: whoever knows where memory is need not know whose it is. */
static int service_domain_memory(struct iocore_context *context, struct iocore_domain *pub, unsigned cell, const uint64_t *kib_of_node, size_t n_nodes) {
        struct domain *domain = pub ? host_domain(context->host, pub->id) : NULL;
        return domain && &domain->pub == pub ? host_domain_set_memory(context->host, domain, cell, kib_of_node, n_nodes) : -EINVAL;
}

static int service_domain_memory_rest(struct iocore_context *context, struct iocore_domain *pub, const uint64_t *kib_of_node, size_t n_nodes) {
        struct domain *domain = pub ? host_domain(context->host, pub->id) : NULL;
        return domain && &domain->pub == pub ? host_domain_set_memory_rest(context->host, domain, kib_of_node, n_nodes) : -EINVAL;
}

static void service_domain_visit(struct iocore_context *context, void (*visit)(void *userdata, struct iocore_domain *domain, size_t n_cells), void *userdata) {
        for (size_t i = 0; i < context->host->n_domains; i++)
                if (context->host->domains[i]->pub.pid > 0)
                        visit(userdata, &context->host->domains[i]->pub, context->host->domains[i]->n_cells);
}

static void service_job_update(struct iocore_context *context, const struct iocore_job *job) {
        if (context->jobs)
                jobs_update(context->jobs, context->instance, job);
}

static uint64_t service_each_iothread(struct iocore_context *context, uint64_t since,
                                      void (*each)(void *userdata, const struct iocore_domain *domain, const struct iocore_iothread *iothread), void *userdata) {
        return host_each_iothread(context->host, since, each, userdata);
}

const struct iocore_services plugin_services = {
        .size = sizeof(struct iocore_services),
        .open_path = service_open_path,
        .option = service_option,
        .log = service_log,
        .worker_add = service_worker_add,
        .device_add = service_device_add,
        .unit_add = service_unit_add,
        .queue_add = service_queue_add,
        .domain_add = service_domain_add,
        .worker_remove = service_worker_remove,
        .device_remove = service_device_remove,
        .unit_remove = service_unit_remove,
        .queue_remove = service_queue_remove,
        .domain_remove = service_domain_remove,
        .core_set = service_core_set,
        .cpu_sample = service_cpu_sample,
        .cpu_count = service_cpu_count,
        .cpu_node = service_cpu_node,
        .cpu_online = service_cpu_online,
        .cpu_isolated = service_cpu_isolated,
        .tell = service_tell,
        .knob_changed = service_knob_changed,
        .cpu_pinned = service_cpu_pinned,
        .cpu_is_io_core = service_cpu_is_io_core,
        .in_haste = service_in_haste,
        .scan_interval = service_scan_interval,
        .domain_set_vcpus = service_domain_set_vcpus,
        .domain_set_iothreads = service_domain_set_iothreads,
        .domain_set_cells = service_domain_set_cells,
        .domain_set_devices = service_domain_set_devices,
        .domain_set_emulator = service_domain_set_emulator,
        .domain_event = service_domain_event,
        .thread_is_of_domain = service_thread_is_of_domain,
        .node_memory = service_node_memory,
        .domain_memory = service_domain_memory,
        .domain_memory_rest = service_domain_memory_rest,
        .domain_visit = service_domain_visit,
        .job_update = service_job_update,
        .each_iothread = service_each_iothread,
};

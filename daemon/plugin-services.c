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
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The snapshot of the whole host as one JSON document, for programs that want everything at once. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "bus-internal.h"
#include "daemon/cleanup.h"

static void json_freep(cJSON **json) {
        cJSON_Delete(*json);
}

const char *bus_plugin_status_to_string(enum plugin_status status) {
        switch (status) {
        case PLUGIN_OPEN:
                return "open";
        case PLUGIN_NOT_FOR_THIS_HOST:
                return "not-for-this-host";
        case PLUGIN_SUPERSEDED:
                return "superseded";
        case PLUGIN_REFUSED:
                return "refused";
        }
        return "unknown";
}

const char *bus_action_unavailable(const struct bus *bus, enum intent_action action) {
        const struct intent intent = { .action = action };
        const char *kind = intent_knob_kind(&intent);

        return plugin_set_unavailable(engine_plugins(bus->engine), kind ? kind : "grow", NULL);
}

static const char *state_name(enum object_state state) {
        return state == OBJECT_MANUAL ? "manual" : "active";
}

/* cJSON's functions take NULL and do nothing: a document that memory did not suffice for lacks members, and most likely cannot be printed either. */
static void add_number_or_null(cJSON *to, const char *name, bool known, double value) {
        if (known)
                cJSON_AddNumberToObject(to, name, value);
        else
                cJSON_AddNullToObject(to, name);
}

static cJSON *append_object(cJSON *array) {
        cJSON *object = cJSON_CreateObject();

        if (object && !cJSON_AddItemToArray(array, object)) {
                cJSON_Delete(object);
                return NULL;
        }
        return object;
}

static void add_nodes(struct bus *bus, cJSON *to) {
        const struct host *host = engine_host(bus->engine);

        for (size_t i = 0; i < host->n_nodes; i++) {
                const struct node *node = host->nodes + i;
                cJSON *json = append_object(to);

                cJSON_AddNumberToObject(json, "node", node->topology->node);
                cJSON_AddNumberToObject(json, "cpus", hwloc_bitmap_weight(node->topology->cpus));
                cJSON_AddNumberToObject(json, "io_cores", (double) node->n_io_cores);
                cJSON_AddNumberToObject(json, "vm_cores", (double) node->n_vm_cores);
                cJSON_AddNumberToObject(json, "units", (double) node->n_units);
                cJSON_AddNumberToObject(json, "io_load", node->io_load);
                add_number_or_null(json, "io_load_average", node->io_load_average >= 0, node->io_load_average);
                cJSON_AddNumberToObject(json, "io_idle", node->io_idle);
                cJSON_AddNumberToObject(json, "unplaced_load", node->unplaced_load);
                add_number_or_null(json, "vm_idle", node->vm_sampled, node->vm_idle);
        }
}

static void add_cores(struct bus *bus, cJSON *to) {
        const struct host *host = engine_host(bus->engine);

        for (size_t i = 0; i < host->n_cpus; i++) {
                const struct cpu *cpu = host->cpus + i;
                cJSON *json;

                if (!cpu->topology->present)
                        continue;
                json = append_object(to);
                cJSON_AddNumberToObject(json, "cpu", cpu->topology->cpu);
                cJSON_AddNumberToObject(json, "node", cpu->topology->node);
                cJSON_AddNumberToObject(json, "physical_core", cpu->topology->core);
                cJSON_AddBoolToObject(json, "online", cpu->topology->online);
                cJSON_AddBoolToObject(json, "isolated", cpu->topology->isolated);
                cJSON_AddBoolToObject(json, "io_core", cpu->io_core);
                cJSON_AddBoolToObject(json, "ours", cpu->io_core_ours);
                cJSON_AddStringToObject(json, "worker", cpu->worker ? cpu->worker->pub.id : "");
                add_number_or_null(json, "busy", cpu->sampled, cpu->busy_share);
                if (!cpu->io_core)
                        continue;
                cJSON_AddNumberToObject(json, "units", (double) cpu->n_units);
                cJSON_AddNumberToObject(json, "load", cpu->load);
                add_number_or_null(json, "load_average", cpu->load_average >= 0, cpu->load_average);
                cJSON_AddNumberToObject(json, "wait", cpu->wait_share);
        }
}

static void add_workers(struct bus *bus, cJSON *to) {
        const struct host *host = engine_host(bus->engine);

        for (size_t i = 0; i < host->n_workers; i++) {
                const struct worker *worker = host->workers[i];
                cJSON *json = append_object(to);

                cJSON_AddStringToObject(json, "id", worker->pub.id);
                cJSON_AddNumberToObject(json, "cpu", worker->pub.cpu);
                cJSON_AddNumberToObject(json, "pid", worker->pub.pid);
                cJSON_AddBoolToObject(json, "locked", worker->pub.locked);
                cJSON_AddBoolToObject(json, "shared", worker->pub.shared);
                cJSON_AddBoolToObject(json, "default", worker->pub.is_default);
                cJSON_AddStringToObject(json, "state", state_name(worker->state));
                add_number_or_null(json, "load", worker->n_samples >= 2, worker->load);
                add_number_or_null(json, "load_average", worker->load_average >= 0, worker->load_average);
                cJSON_AddNumberToObject(json, "wait", worker->wait_share);
        }
}

static void add_units(struct bus *bus, cJSON *to) {
        const struct host *host = engine_host(bus->engine);

        for (size_t i = 0; i < host->n_units; i++) {
                const struct unit *unit = host->units[i];
                cJSON *json = append_object(to);

                cJSON_AddStringToObject(json, "id", unit->pub.id);
                cJSON_AddStringToObject(json, "domain", unit->pub.domain);
                cJSON_AddStringToObject(json, "device", unit->pub.device ? unit->pub.device->id : "");
                cJSON_AddStringToObject(json, "worker", unit->pub.worker ? unit->pub.worker->id : "");
                cJSON_AddNumberToObject(json, "core", unit->core);
                cJSON_AddNumberToObject(json, "node", unit->pub.node);
                cJSON_AddNumberToObject(json, "owner", unit->pub.owner);
                cJSON_AddStringToObject(json, "state", state_name(unit->state));
                add_number_or_null(json, "load", unit->rates_valid, unit->load);
                add_number_or_null(json, "load_average", unit->load_average >= 0, unit->load_average);
                add_number_or_null(json, "bytes_per_second", unit->rates_valid, unit->bytes_per_second);
        }
}

static void add_devices(struct bus *bus, cJSON *to) {
        const struct host *host = engine_host(bus->engine);

        for (size_t i = 0; i < host->n_devices; i++) {
                const struct device *device = host->devices[i];
                cJSON *json = append_object(to);

                cJSON_AddStringToObject(json, "id", device->pub.id);
                cJSON_AddNumberToObject(json, "owner", device->pub.owner);
                cJSON_AddStringToObject(json, "backend", device->pub.backend);
        }
}

static void add_domains(struct bus *bus, cJSON *to) {
        const struct host *host = engine_host(bus->engine);

        for (size_t i = 0; i < host->n_domains; i++) {
                const struct domain *domain = host->domains[i];
                cJSON *json = append_object(to);

                cJSON_AddStringToObject(json, "name", domain->pub.id);
                cJSON_AddStringToObject(json, "uuid", domain->pub.uuid);
                cJSON_AddStringToObject(json, "state", bus_domain_state_to_string(domain->pub.state));
                cJSON_AddNumberToObject(json, "node", domain->pub.node);
                cJSON_AddNumberToObject(json, "vcpus", domain->pub.n_vcpus);
                cJSON_AddNumberToObject(json, "pid", domain->pub.pid);
        }
}

static void add_parameter(cJSON *to, const struct policy_parameter *parameter) {
        cJSON *json = append_object(to);

        cJSON_AddStringToObject(json, "name", parameter->name);
        if (parameter->is_boolean) {
                cJSON_AddBoolToObject(json, "value", parameter->value != 0);
                cJSON_AddBoolToObject(json, "default", parameter->fallback != 0);
        } else {
                cJSON_AddNumberToObject(json, "value", parameter->value);
                cJSON_AddNumberToObject(json, "default", parameter->fallback);
                cJSON_AddNumberToObject(json, "minimum", parameter->minimum);
                cJSON_AddNumberToObject(json, "maximum", parameter->maximum);
        }
        cJSON_AddStringToObject(json, "unit", parameter->unit);
        cJSON_AddStringToObject(json, "doc", parameter->doc);
}

static void add_policies(struct bus *bus, cJSON *to) {
        struct policy_set *set = engine_policies(bus->engine);

        for (size_t i = 0; i < policy_set_size(set); i++) {
                const struct policy_info *policy = policy_set_info(set, i);
                cJSON *json = append_object(to), *parameters;

                cJSON_AddStringToObject(json, "name", policy->name);
                cJSON_AddStringToObject(json, "file", policy->file);
                cJSON_AddStringToObject(json, "path", policy->path ? policy->path : "");
                cJSON_AddStringToObject(json, "doc", policy->doc);
                cJSON_AddNumberToObject(json, "priority", policy->priority);
                cJSON_AddStringToObject(json, "state", policy_state_to_string(policy->state));
                cJSON_AddStringToObject(json, "error", policy->error);
                cJSON_AddNumberToObject(json, "runs", (double) policy->n_runs);
                cJSON_AddNumberToObject(json, "intents", (double) policy->n_intents);
                cJSON_AddNumberToObject(json, "memory_bytes", (double) policy->memory_bytes);
                parameters = cJSON_AddArrayToObject(json, "parameters");
                for (size_t j = 0; j < policy->n_parameters; j++)
                        add_parameter(parameters, policy->parameters + j);
        }
}

static void add_queues(struct bus *bus, cJSON *to) {
        const struct host *host = engine_host(bus->engine);

        for (size_t i = 0; i < host->n_queues; i++) {
                const struct queue *queue = host->queues[i];
                const bool valid = queue_rates_valid(host, queue);
                const uint32_t fields = queue->pub.fields;
                cJSON *json = append_object(to);

                cJSON_AddStringToObject(json, "id", queue->pub.id);
                cJSON_AddStringToObject(json, "unit", queue->pub.unit ? queue->pub.unit->id : "");
                cJSON_AddStringToObject(json, "device", queue->pub.device ? queue->pub.device->id : "");
                cJSON_AddNumberToObject(json, "index", queue->pub.index);
                cJSON_AddBoolToObject(json, "can_poll", queue->pub.can_poll);
                cJSON_AddBoolToObject(json, "poll", queue->pub.poll);
                cJSON_AddStringToObject(json, "state", state_name(queue->state));
                cJSON_AddBoolToObject(json, "fresh", valid);
                /* what the kernel does not tell is null; what was not looked at because it is idle is 0 */
                add_number_or_null(json, "load", fields & IOCORE_QUEUE_BUSY, valid ? queue->load : 0);
                add_number_or_null(json, "bytes_per_second", fields & IOCORE_QUEUE_BYTES, valid ? queue->bytes_per_second : 0);
                add_number_or_null(json, "packets_per_second", fields & IOCORE_QUEUE_PACKETS, valid ? queue->packets_per_second : 0);
                add_number_or_null(json, "works_per_second", fields & IOCORE_QUEUE_WORKS, valid ? queue->works_per_second : 0);
                add_number_or_null(json, "wait", fields & IOCORE_QUEUE_WAIT, valid ? queue->wait_share : 0);
                add_number_or_null(json, "stuck_per_second", fields & IOCORE_QUEUE_STUCK, valid ? queue->stuck_per_second : 0);
                add_number_or_null(json, "ring_full_per_second", fields & IOCORE_QUEUE_RING_FULL, valid ? queue->ring_full_per_second : 0);
                add_number_or_null(json, "poll_empty_per_second", fields & IOCORE_QUEUE_POLL_EMPTY, valid ? queue->poll_empty_per_second : 0);
        }
}

static const struct section {
        const char *name;
        void (*add)(struct bus *bus, cJSON *to);
        bool on_request; /* not part of "everything" */
} sections_known[] = {
        { "nodes", add_nodes, false },     { "cores", add_cores, false },     { "workers", add_workers, false },   { "units", add_units, false },
        { "devices", add_devices, false }, { "domains", add_domains, false }, { "policies", add_policies, false }, { "queues", add_queues, true },
};

static void add_decision(cJSON *to, const struct decision *decision) {
        cJSON *json = cJSON_AddObjectToObject(to, "last_decision");

        cJSON_AddNumberToObject(json, "id", (double) decision->id);
        cJSON_AddNumberToObject(json, "usec", (double) decision->usec);
        cJSON_AddStringToObject(json, "source", decision->intent.source);
        cJSON_AddStringToObject(json, "action", intent_action_to_string(decision->intent.action));
        cJSON_AddStringToObject(json, "object", decision->intent.object);
        cJSON_AddStringToObject(json, "reason", decision->intent.reason);
        cJSON_AddStringToObject(json, "verdict", verdict_to_string(decision->verdict));
        cJSON_AddStringToObject(json, "rule", decision->rule);
        cJSON_AddStringToObject(json, "text", decision->text);
}

/* The newest decision that changed something (or would have), else the newest. */
static const struct decision *last_decision(const struct decision_log *decisions) {
        size_t size = decision_log_size(decisions);

        for (size_t i = size; i > 0; i--) {
                const struct decision *decision = decision_log_at(decisions, i - 1);

                if (decision->verdict == VERDICT_DONE || decision->verdict == VERDICT_WOULD || decision->verdict == VERDICT_FAILED)
                        return decision;
        }
        return size > 0 ? decision_log_at(decisions, size - 1) : NULL;
}

static void add_daemon(struct bus *bus, cJSON *to) {
        const struct engine_statistics *statistics = engine_statistics(bus->engine);
        const struct plugin_set *plugins = engine_plugins(bus->engine);
        const struct journal *journal = engine_journal(bus->engine);
        const struct host *host = engine_host(bus->engine);
        const struct decision *decision = last_decision(engine_decisions(bus->engine));
        struct timespec now;
        cJSON *array;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        cJSON_AddStringToObject(to, "version", PACKAGE_VERSION);
        cJSON_AddStringToObject(to, "mode", mode_to_string(engine_mode(bus->engine)));
        cJSON_AddNumberToObject(to, "usec", (double) now.tv_sec * 1e6 + (double) (now.tv_nsec / 1000));
        cJSON_AddNumberToObject(to, "epoch", (double) host->epoch);
        cJSON_AddNumberToObject(to, "epoch_usec", (double) engine_config(bus->engine)->epoch_usec);
        cJSON_AddNumberToObject(to, "overruns", (double) statistics->overruns);
        cJSON_AddNumberToObject(to, "last_epoch_usec", (double) statistics->last_epoch_usec);
        cJSON_AddNumberToObject(to, "worst_epoch_usec", (double) statistics->worst_epoch_usec);
        cJSON_AddNumberToObject(to, "last_late_usec", (double) statistics->last_late_usec);
        cJSON_AddNumberToObject(to, "worst_late_usec", (double) statistics->worst_late_usec);
        cJSON_AddNumberToObject(to, "malformed", (double) statistics->malformed);
        cJSON_AddNumberToObject(to, "decisions", (double) statistics->decisions);
        cJSON_AddNumberToObject(to, "changes", (double) (journal ? journal_n_entries(journal) : 0));

        array = cJSON_AddArrayToObject(to, "plugins");
        for (size_t i = 0; i < plugin_set_size(plugins); i++) {
                const struct plugin_info *plugin = plugin_set_info(plugins, i);
                cJSON *json = append_object(array);

                cJSON_AddStringToObject(json, "name", plugin->name);
                cJSON_AddStringToObject(json, "status", bus_plugin_status_to_string(plugin->status));
                cJSON_AddStringToObject(json, "reason", plugin->reason);
        }
        array = cJSON_AddObjectToObject(to, "unavailable");
        for (enum intent_action action = 0; action < INTENT_SET; action++) {
                const char *why = bus_action_unavailable(bus, action);

                if (why)
                        cJSON_AddStringToObject(array, intent_action_to_string(action), why);
        }
        if (decision)
                add_decision(to, decision);
}

static bool is_wanted(const struct section *section, char **wanted) {
        if (!wanted || !wanted[0])
                return !section->on_request;
        for (char **name = wanted; *name; name++)
                if (strcmp(*name, section->name) == 0)
                        return true;
        return false;
}

static bool are_known(char **wanted) {
        size_t n = 0;

        for (char **name = wanted; name && *name; name++, n++) {
                bool known = false;

                for (size_t i = 0; i < ELEMENTSOF(sections_known); i++)
                        known = known || strcmp(*name, sections_known[i].name) == 0;
                if (!known || n >= ELEMENTSOF(sections_known))
                        return false;
        }
        return true;
}

int bus_state_json(struct bus *bus, char **sections, char **ret) {
        _cleanup_(json_freep) cJSON *root = NULL;
        char *text;

        if (!are_known(sections))
                return -EINVAL;
        engine_refresh(bus->engine);
        root = cJSON_CreateObject();
        add_daemon(bus, root);
        for (size_t i = 0; i < ELEMENTSOF(sections_known); i++)
                if (is_wanted(sections_known + i, sections))
                        sections_known[i].add(bus, cJSON_AddArrayToObject(root, sections_known[i].name));
        text = cJSON_PrintUnformatted(root);
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

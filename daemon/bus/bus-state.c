/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The snapshot of the whole host as one JSON document, for programs that want everything at once. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "bus-internal.h"
#include "bus-json.h"
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
        const struct intent intent = {.action = action};
        const char *kind = intent_knob_kind(&intent);

        return plugin_set_unavailable(engine_plugins(bus->engine), kind ? kind : "grow", NULL);
}

struct description {
        int (*say)(void *userdata, const char *plugin, const char *key, const char *value);
        void *userdata;
        const char *plugin;
        int result;
};

static void on_said(void *userdata, const char *key, const char *value) {
        struct description *description = userdata;
        struct bus_text clean_key, clean_value;

        if (description->result == 0)
                description->result = description->say(description->userdata, description->plugin, bus_text(&clean_key, key),
                                                       bus_text(&clean_value, value));
}

int bus_plugins_describe(const struct bus *bus, int (*say)(void *userdata, const char *plugin, const char *key, const char *value),
                         void *userdata) {
        struct description description = {.say = say, .userdata = userdata};

        for (struct plugin_instance *const *p = plugin_set_instances(engine_plugins(bus->engine)); *p && description.result == 0; p++) {
                description.plugin = (*p)->plugin->name;
                if ((*p)->plugin->describe)
                        (*p)->plugin->describe((*p)->state, on_said, &description);
        }
        return description.result;
}

static const char *state_name(enum object_state state) {
        return state == OBJECT_MANUAL ? "manual" : "active";
}

static void add_nodes(struct bus *bus, cJSON *to) {
        const struct host *host = engine_host(bus->engine);

        for (size_t i = 0; i < host->n_nodes; i++) {
                const struct node *node = host->nodes + i;
                cJSON *json = append_object(to);

                add_number(json, "node", node->topology->node);
                add_number(json, "cpus", hwloc_bitmap_weight(node->topology->cpus));
                add_number(json, "io_cores", (double) node->n_io_cores);
                add_number(json, "vm_cores", (double) node->n_vm_cores);
                add_number(json, "units", (double) node->n_units);
                add_number(json, "io_load", node->io_load);
                add_number_or_null(json, "io_load_average", node->io_load_average >= 0, node->io_load_average);
                add_number(json, "io_idle", node->io_idle);
                add_number(json, "unplaced_load", node->unplaced_load);
                add_number_or_null(json, "vm_idle", node->vm_sampled, node->vm_idle);
                add_number_or_null(json, "memory_kib", node->memory_kib > 0, (double) node->memory_kib);
                add_number_or_null(json, "memory_free_kib", node->memory_kib > 0, (double) node->memory_free_kib);
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
                add_number(json, "cpu", cpu->topology->cpu);
                add_number(json, "node", cpu->topology->node);
                add_number(json, "physical_core", cpu->topology->core);
                add_bool(json, "online", cpu->topology->online);
                add_bool(json, "isolated", cpu->topology->isolated);
                add_bool(json, "io_core", cpu->io_core);
                add_bool(json, "ours", cpu->io_core_ours);
                add_string(json, "worker", cpu->worker ? cpu->worker->pub.id : "");
                add_number_or_null(json, "busy", cpu->sampled, cpu->busy_share);
                if (!cpu->io_core)
                        continue;
                add_number(json, "units", (double) cpu->n_units);
                add_number(json, "load", cpu->load);
                add_number_or_null(json, "load_average", cpu->load_average >= 0, cpu->load_average);
                add_number(json, "wait", cpu->wait_share);
        }
}

static void add_workers(struct bus *bus, cJSON *to) {
        const struct host *host = engine_host(bus->engine);

        for (size_t i = 0; i < host->n_workers; i++) {
                const struct worker *worker = host->workers[i];
                const struct unit *unit = bus_worker_unit(host, worker);
                const struct iocore_device *device = unit ? unit->pub.device : NULL;
                cJSON *json = append_object(to);

                add_string(json, "id", worker->pub.id);
                add_number(json, "cpu", worker->pub.cpu);
                add_number(json, "pid", worker->pub.pid);
                add_number(json, "units", (double) worker->n_units);
                add_string(json, "kind", device ? device->kind : "");
                add_string(json, "backend", device ? device->backend : "");
                add_number_or_null(json, "queue_pair", unit && unit->pub.queue_pair >= 0, unit ? unit->pub.queue_pair : 0);
                add_string(json, "unidentified", unit ? unit->pub.unidentified : "");
                add_number(json, "owner", unit ? unit->pub.owner : -1);
                add_string(json, "domain", unit ? host_unit_domain_name(unit) : "");
                add_bool(json, "locked", worker->pub.locked);
                add_bool(json, "shared", worker->pub.shared);
                add_bool(json, "default", worker->pub.is_default);
                add_string(json, "state", state_name(worker->state));
                add_number_or_null(json, "load", worker->n_samples >= 2, worker->load);
                add_number_or_null(json, "load_average", worker->load_average >= 0, worker->load_average);
                add_number(json, "wait", worker->wait_share);
                add_number(json, "switches_per_second", worker->switches_per_second);
        }
}

static void add_units(struct bus *bus, cJSON *to) {
        const struct host *host = engine_host(bus->engine);

        for (size_t i = 0; i < host->n_units; i++) {
                const struct unit *unit = host->units[i];
                cJSON *json = append_object(to);

                add_string(json, "id", unit->pub.id);
                add_string(json, "domain", host_unit_domain_name(unit));
                add_string(json, "device", unit->pub.device ? unit->pub.device->id : "");
                add_string(json, "kind", unit->pub.device ? unit->pub.device->kind : "");
                add_string(json, "backend", unit->pub.device ? unit->pub.device->backend : "");
                add_number_or_null(json, "queue_pair", unit->pub.queue_pair >= 0, unit->pub.queue_pair);
                add_string(json, "unidentified", unit->pub.unidentified);
                add_string(json, "worker", unit->pub.worker ? unit->pub.worker->id : "");
                add_number(json, "core", unit->core);
                add_number(json, "node", unit->pub.node);
                add_number(json, "owner", unit->pub.owner);
                add_string(json, "state", state_name(host_unit_is_manual(unit) ? OBJECT_MANUAL : OBJECT_ACTIVE));
                add_bool(json, "blocked", unit->pub.blocked);
                add_number_or_null(json, "load", unit->rates_valid, unit->load);
                add_number_or_null(json, "load_average", unit->load_average >= 0, unit->load_average);
                add_number_or_null(json, "bytes_per_second", unit->rates_valid && unit->counts_bytes, unit->bytes_per_second);
                add_number_or_null(json, "nsec_per_byte", unit->nsec_per_byte > 0, unit->nsec_per_byte);
        }
}

static void add_devices(struct bus *bus, cJSON *to) {
        const struct host *host = engine_host(bus->engine);

        for (size_t i = 0; i < host->n_devices; i++) {
                const struct device *device = host->devices[i];
                const size_t n_pairs = bus_device_pairs(host, device);
                cJSON *json = append_object(to);

                add_string(json, "id", device->pub.id);
                add_string(json, "kind", device->pub.kind);
                add_string(json, "backend", device->pub.backend);
                add_number(json, "owner", device->pub.owner);
                add_number_or_null(json, "queue_pairs", n_pairs > 0, (double) n_pairs);
        }
}

static void add_parameter(cJSON *to, const struct policy_parameter *parameter) {
        cJSON *json = append_object(to);

        add_string(json, "name", parameter->name);
        if (parameter->is_boolean) {
                add_bool(json, "value", parameter->value != 0);
                add_bool(json, "default", parameter->fallback != 0);
        } else if (parameter->n_words > 0) {
                cJSON *values = cJSON_AddArrayToObject(json, "values");
                add_string(json, "value", parameter->words[(size_t) parameter->value]);
                add_string(json, "default", parameter->words[(size_t) parameter->fallback]);
                for (size_t i = 0; values && i < parameter->n_words; i++)
                        cJSON_AddItemToArray(values, cJSON_CreateString(parameter->words[i]));
        } else {
                add_number(json, "value", parameter->value);
                add_number(json, "default", parameter->fallback);
                add_number(json, "minimum", parameter->minimum);
                add_number(json, "maximum", parameter->maximum);
        }
        add_string(json, "unit", parameter->unit);
        add_string(json, "doc", parameter->doc);
}

static void add_policies(struct bus *bus, cJSON *to) {
        struct policy_set *set = engine_policies(bus->engine);

        for (size_t i = 0; i < policy_set_size(set); i++) {
                const struct policy_info *policy = policy_set_info(set, i);
                cJSON *json = append_object(to), *parameters;

                add_string(json, "name", policy->name);
                add_string(json, "file", policy->file);
                add_string(json, "path", policy->path ? policy->path : "");
                add_string(json, "doc", policy->doc);
                add_number(json, "priority", policy->priority);
                add_string(json, "state", policy_state_to_string(policy->state));
                add_string(json, "error", policy->error);
                add_number(json, "runs", (double) policy->n_runs);
                add_number(json, "intents", (double) policy->n_intents);
                add_number(json, "memory_bytes", (double) policy->memory_bytes);
                parameters = add_array(json, "parameters");
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

                add_string(json, "id", queue->pub.id);
                add_string(json, "unit", queue->pub.unit ? queue->pub.unit->id : "");
                add_string(json, "device", queue->pub.device ? queue->pub.device->id : "");
                add_number(json, "index", queue->pub.index);
                add_bool(json, "can_poll", queue->pub.can_poll);
                add_bool(json, "poll", queue->pub.poll);
                add_string(json, "state", state_name(queue->state));
                add_bool(json, "fresh", valid);
                /* what the kernel does not tell is null; what was not looked at because it is idle is 0 */
                add_number_or_null(json, "load", fields & IOCORE_QUEUE_BUSY, valid ? queue->load : 0);
                add_number_or_null(json, "bytes_per_second", fields & IOCORE_QUEUE_BYTES, valid ? queue->bytes_per_second : 0);
                add_number_or_null(json, "packets_per_second", fields & IOCORE_QUEUE_PACKETS, valid ? queue->packets_per_second : 0);
                add_number_or_null(json, "works_per_second", fields & IOCORE_QUEUE_WORKS, valid ? queue->works_per_second : 0);
                add_number_or_null(json, "wait", fields & IOCORE_QUEUE_WAIT, valid ? queue->wait_share : 0);
                add_number_or_null(json, "stuck_per_second", fields & IOCORE_QUEUE_STUCK, valid ? queue->stuck_per_second : 0);
                add_number_or_null(json, "ring_full_per_second", fields & IOCORE_QUEUE_RING_FULL, valid ? queue->ring_full_per_second : 0);
                add_number_or_null(json, "poll_empty_per_second", fields & IOCORE_QUEUE_POLL_EMPTY,
                                   valid ? queue->poll_empty_per_second : 0);
                add_number_or_null(json, "drops_per_second", fields & IOCORE_QUEUE_DROPS, valid ? queue->drops_per_second : 0);
        }
}

static const struct section {
        const char *name;
        void (*add)(struct bus *bus, cJSON *to);
        bool on_request; /* not part of "everything" */
} sections_known[] = {
        {"nodes", add_nodes, false},     {"cores", add_cores, false},     {"workers", add_workers, false},   {"units", add_units, false},
        {"devices", add_devices, false}, {"domains", bus_state_add_domains, false}, {"policies", add_policies, false}, {"queues", add_queues, true},
};

static void add_decision(cJSON *to, const struct decision *decision) {
        cJSON *json = add_object(to, "last_decision");

        add_number(json, "id", (double) decision->id);
        add_number(json, "usec", (double) decision->usec);
        add_string(json, "source", decision->intent.source);
        add_string(json, "action", intent_action_to_string(decision->intent.action));
        add_string(json, "object", decision->intent.object);
        add_string(json, "reason", decision->intent.reason);
        add_string(json, "verdict", verdict_to_string(decision->verdict));
        add_string(json, "rule", decision->rule);
        add_string(json, "text", decision->text);
}

/* Where what a plugin says of itself goes: the array of all plugins' objects. */
static int add_about(void *userdata, const char *plugin, const char *key, const char *value) {
        cJSON *array = userdata, *json;

        cJSON_ArrayForEach(json, array) {
                if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "name")) ?: "", plugin) != 0)
                        continue;
                json = append_object(cJSON_GetObjectItemCaseSensitive(json, "about"));
                add_string(json, "key", key);
                add_string(json, "value", value);
                break;
        }
        return 0;
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
        uint64_t usec;
        cJSON *array;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        usec = (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
        add_string(to, "version", PACKAGE_VERSION);
        add_string(to, "mode", mode_to_string(engine_mode(bus->engine)));
        add_number(to, "usec", (double) usec);
        add_number(to, "epoch", (double) host->epoch);
        add_number(to, "epoch_usec", (double) engine_config(bus->engine)->epoch_usec);
        add_number(to, "overruns", (double) statistics->overruns);
        add_number(to, "events_lost", (double) statistics->events_lost);
        add_number(to, "last_epoch_usec", (double) statistics->last_epoch_usec);
        add_number(to, "worst_epoch_usec", (double) statistics->worst_epoch_usec);
        add_number(to, "last_late_usec", (double) statistics->last_late_usec);
        add_number(to, "worst_late_usec", (double) statistics->worst_late_usec);
        add_number(to, "malformed", (double) statistics->malformed);
        add_number(to, "decisions", (double) statistics->decisions);
        add_number(to, "changes", (double) (journal ? journal_n_entries(journal) : 0));

        array = add_array(to, "plugins");
        for (size_t i = 0; i < plugin_set_size(plugins); i++) {
                const struct plugin_info *plugin = plugin_set_info(plugins, i);
                cJSON *json = append_object(array);

                add_string(json, "name", plugin->name);
                add_string(json, "status", bus_plugin_status_to_string(plugin->status));
                add_string(json, "reason", plugin->reason);
                (void) add_array(json, "about");
        }
        (void) bus_plugins_describe(bus, add_about, array);
        array = add_object(to, "unavailable");
        for (enum intent_action action = 0; action < INTENT_SET; action++) {
                const char *why = bus_action_unavailable(bus, action);

                if (why)
                        add_string(array, intent_action_to_string(action), why);
        }
        if (decision)
                add_decision(to, decision);
}

/* A bit for each section; -EINVAL: there is no such section. */
static int sections_to_mask(char **sections, unsigned *ret) {
        unsigned mask = 0;

        for (size_t i = 0; (!sections || !sections[0]) && i < ELEMENTSOF(sections_known); i++)
                if (!sections_known[i].on_request)
                        mask |= 1u << i;
        for (char **name = sections; name && *name; name++) {
                size_t i = 0;

                while (i < ELEMENTSOF(sections_known) && strcmp(*name, sections_known[i].name) != 0)
                        i++;
                if (i == ELEMENTSOF(sections_known))
                        return -EINVAL;
                mask |= 1u << i;
        }
        *ret = mask;
        return 0;
}

int bus_state_json(struct bus *bus, char **sections, const char **ret) {
        _cleanup_(json_freep) cJSON *root = NULL;
        const uint64_t epoch = engine_host(bus->engine)->epoch;
        unsigned mask;
        char *text;

        if (sections_to_mask(sections, &mask) < 0)
                return -EINVAL;
        engine_refresh(bus->engine);
        if (bus->state && bus->state_mask == mask && bus->state_epoch == epoch) {
                *ret = bus->state;
                return 0;
        }
        root = cJSON_CreateObject();
        add_daemon(bus, root);
        for (size_t i = 0; i < ELEMENTSOF(sections_known); i++)
                if (mask & 1u << i)
                        sections_known[i].add(bus, add_array(root, sections_known[i].name));
        text = cJSON_PrintUnformatted(root);
        if (!text)
                return -ENOMEM;
        bus_state_forget(bus);
        *ret = bus->state = text;
        bus->state_mask = mask;
        bus->state_epoch = epoch;
        return 0;
}

void bus_state_forget(struct bus *bus) {
        cJSON_free(bus->state);
        bus->state = NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The root object: how the daemon is run, policies, decisions, the state. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus-methods.h"
#include "bus-properties.h"
#include "daemon/cleanup.h"
#include "daemon/log.h"

/* A decision log is some thousands of entries; an answer stays far below the bus's limit on messages. */
#define DECISIONS_MAX 10000u

/* ---- how the daemon is run */

static BUS_METHOD(method_set_mode) {
        struct bus *bus = userdata;
        char source[INTENT_SOURCE_MAX], name[16];
        const char *mode;
        int r;

        r = sd_bus_message_read(message, "s", &mode);
        if (r >= 0)
                r = bus_take_string(name, sizeof(name), mode, "The mode", error);
        if (r >= 0 && mode_from_string(name) < 0)
                r = sd_bus_error_setf(error, BUS_ERROR_INVALID, "There is no mode \"%s\": active, observe or paused", name);
        if (r >= 0)
                r = bus_client_source(message, source, sizeof(source));
        if (r >= 0)
                r = engine_set_mode(bus->engine, mode_from_string(name), source);
        if (r == -EPERM && engine_no_rights(bus->engine))
                r = sd_bus_error_setf(error, BUS_ERROR_REFUSED, "unavailable: this iocored can only observe: %s", engine_no_rights(bus->engine));
        return r < 0 ? r : sd_bus_reply_method_return(message, NULL);
}

static BUS_METHOD(method_reload) {
        struct bus *bus = userdata;
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *errors;
        int r;

        errors = open_memstream(&text, &size);
        if (!errors)
                return -ENOMEM;
        r = engine_reload(bus->engine, errors);
        if (fclose(errors) != 0)
                return -ENOMEM;
        if (size > 0 && text[size - 1] == '\n')
                text[size - 1] = '\0';
        if (r == -EINVAL)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID, "The configuration has errors, the old one stays:\n%s", text);
        return r < 0 ? r : sd_bus_reply_method_return(message, NULL);
}

/* ---- policies */

static BUS_METHOD(method_list_policies) {
        struct bus *bus = userdata;
        struct policy_set *set = engine_policies(bus->engine);
        sd_bus_message *reply = NULL;
        int r;

        (void) error;
        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sisss)");
        for (size_t i = 0; r >= 0 && i < policy_set_size(set); i++) {
                const struct policy_info *policy = policy_set_info(set, i);

                r = sd_bus_message_append(reply, "(sisss)", policy->name, policy->priority, policy_state_to_string(policy->state),
                                          policy->error, policy->doc);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

static int take_policy(struct bus *bus, char *to, const char *name, sd_bus_error *error) {
        int r;

        r = bus_take_string(to, POLICY_NAME_MAX, name, "The policy's name", error);
        return r < 0 ? r : bus_check_exists(bus, BUS_POLICY, "policy", to, error);
}

/* A change of policy that was made: told to log and clients. */
static int policy_changed(struct bus *bus, sd_bus_message *message, const char *policy, const char *what, const char *value) {
        char source[INTENT_SOURCE_MAX], text[IOCORE_REASON_MAX * 2];
        int r;

        r = bus_client_source(message, source, sizeof(source));
        if (r < 0)
                return r;
        (void) snprintf(text, sizeof(text), "%s set %s to %s", source, what, value);
        log_notice("policy %s: %s", policy, text);
        bus_event(bus, "policy-changed", policy, text);
        return sd_bus_reply_method_return(message, NULL);
}

static BUS_METHOD(method_set_policy_parameter) {
        struct bus *bus = userdata;
        char policy[POLICY_NAME_MAX], parameter[POLICY_NAME_MAX], value[IOCORE_REASON_MAX];
        const char *in_policy, *in_parameter, *in_value;
        int r;

        r = sd_bus_message_read(message, "sss", &in_policy, &in_parameter, &in_value);
        if (r >= 0)
                r = take_policy(bus, policy, in_policy, error);
        if (r >= 0)
                r = bus_take_string(parameter, sizeof(parameter), in_parameter, "The parameter's name", error);
        if (r >= 0)
                r = bus_take_string(value, sizeof(value), in_value, "The value", error);
        if (r < 0)
                return r;
        r = policy_set_parameter(engine_policies(bus->engine), policy, parameter, value);
        switch (r) {
        case -ENOENT:
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_OBJECT, "Policy \"%s\" has no parameter \"%s\"", policy, parameter);
        case -ERANGE:
                return sd_bus_error_setf(error, BUS_ERROR_INVALID, "%s is outside the range of %s: see iocorectl policy show %s", value,
                                         parameter, policy);
        case -EINVAL:
                return sd_bus_error_setf(error, BUS_ERROR_INVALID, "\"%s\" is not a value for %s: see iocorectl policy show %s", value,
                                         parameter, policy);
        default:
                return r < 0 ? r : policy_changed(bus, message, policy, parameter, value);
        }
}

static BUS_METHOD(method_enable_policy) {
        struct bus *bus = userdata;
        char policy[POLICY_NAME_MAX];
        const char *name;
        int r, enable;

        r = sd_bus_message_read(message, "sb", &name, &enable);
        if (r >= 0)
                r = take_policy(bus, policy, name, error);
        if (r >= 0)
                r = policy_set_enable(engine_policies(bus->engine), policy, enable);
        return r < 0 ? r : policy_changed(bus, message, policy, "enabled", enable ? "yes" : "no");
}

/* ---- decisions, state */

static BUS_METHOD(method_decisions) {
        struct bus *bus = userdata;
        const struct decision_log *decisions = engine_decisions(bus->engine);
        size_t size = decision_log_size(decisions), first = size;
        sd_bus_message *reply = NULL;
        uint64_t since;
        uint32_t limit;
        int r;

        (void) error;
        r = sd_bus_message_read(message, "tu", &since, &limit);
        if (r < 0)
                return r;
        if (limit == 0 || limit > DECISIONS_MAX)
                limit = DECISIONS_MAX;
        /* the newest `limit` of those after `since`, oldest first */
        while (first > 0 && size - first < limit && decision_log_at(decisions, first - 1)->id > since)
                first--;
        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', BUS_DECISION_SUMMARY);
        for (size_t i = first; r >= 0 && i < size; i++)
                r = bus_decision_append_summary(reply, decision_log_at(decisions, i));
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

static BUS_METHOD(method_decision) {
        struct bus *bus = userdata;
        const struct decision *decision;
        sd_bus_message *reply = NULL;
        uint64_t id;
        int r;

        r = sd_bus_message_read(message, "t", &id);
        if (r < 0)
                return r;
        decision = decision_log_find(engine_decisions(bus->engine), id);
        if (!decision)
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_OBJECT, "There is no decision %" PRIu64 " (any more)", id);
        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = bus_decision_append_full(reply, decision);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

static BUS_METHOD(method_get_state) {
        const char *json = NULL;
        char **sections = NULL;
        int r;

        /* a flood of calls that nobody waits for costs nothing */
        if (sd_bus_message_get_expect_reply(message) == 0)
                return 1;
        r = sd_bus_message_read_strv(message, &sections);
        if (r >= 0)
                r = bus_state_json(userdata, sections, &json);
        for (char **s = sections; s && *s; s++)
                free(*s);
        free(sections);
        if (r == -EINVAL)
                return sd_bus_error_setf(error, BUS_ERROR_INVALID,
                                         "Sections are: nodes cores workers units devices domains policies queues");
        return r < 0 ? r : sd_bus_reply_method_return(message, "s", json);
}

/* ---- properties */

GETTER(get_version) {
        UNUSED_GETTER_ARGUMENTS, (void) userdata;
        return sd_bus_message_append(reply, "s", PACKAGE_VERSION);
}

GETTER(get_mode) {
        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "s", mode_to_string(engine_mode(((struct bus *) userdata)->engine)));
}

GETTER(get_epoch) {
        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "t", engine_host(((struct bus *) userdata)->engine)->epoch);
}

GETTER(get_epoch_usec) {
        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "t", engine_config(((struct bus *) userdata)->engine)->epoch_usec);
}

GETTER(get_statistic) {
        const struct engine_statistics *statistics = engine_statistics(((struct bus *) userdata)->engine);
        static const struct {
                const char *property;
                size_t offset;
        } numbers[] = {
                {"Overruns", offsetof(struct engine_statistics, overruns)},
                {"EventsLost", offsetof(struct engine_statistics, events_lost)},
                {"LastEpochUSec", offsetof(struct engine_statistics, last_epoch_usec)},
                {"WorstEpochUSec", offsetof(struct engine_statistics, worst_epoch_usec)},
                {"LastLateUSec", offsetof(struct engine_statistics, last_late_usec)},
                {"WorstLateUSec", offsetof(struct engine_statistics, worst_late_usec)},
                {"Malformed", offsetof(struct engine_statistics, malformed)},
                {"DecisionCount", offsetof(struct engine_statistics, decisions)},
        };

        UNUSED_GETTER_ARGUMENTS;
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (strcmp(property, numbers[i].property) == 0)
                        return sd_bus_message_append(reply, "t", *(const uint64_t *) ((const char *) statistics + numbers[i].offset));
        return -ENXIO;
}

GETTER(get_changes) {
        const struct journal *journal = engine_journal(((struct bus *) userdata)->engine);

        UNUSED_GETTER_ARGUMENTS;
        return sd_bus_message_append(reply, "t", (uint64_t) (journal ? journal_n_entries(journal) : 0));
}

GETTER(get_io_cores) {
        const struct host *host = engine_host(((struct bus *) userdata)->engine);
        int r;

        UNUSED_GETTER_ARGUMENTS;
        r = sd_bus_message_open_container(reply, 'a', "i");
        for (size_t i = 0; r >= 0 && i < host->n_cpus; i++)
                if (host->cpus[i].io_core)
                        r = sd_bus_message_append(reply, "i", (int) i);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(get_plugins) {
        const struct plugin_set *plugins = engine_plugins(((struct bus *) userdata)->engine);
        int r;

        UNUSED_GETTER_ARGUMENTS;
        r = sd_bus_message_open_container(reply, 'a', "(sss)");
        for (size_t i = 0; r >= 0 && i < plugin_set_size(plugins); i++) {
                const struct plugin_info *plugin = plugin_set_info(plugins, i);

                r = sd_bus_message_append(reply, "(sss)", plugin->name, bus_plugin_status_to_string(plugin->status), plugin->reason);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_about(void *userdata, const char *plugin, const char *key, const char *value) {
        int r = sd_bus_message_append(userdata, "(sss)", plugin, key, value);

        return r < 0 ? r : 0;
}

GETTER(get_about) {
        int r;

        UNUSED_GETTER_ARGUMENTS;
        r = sd_bus_message_open_container(reply, 'a', "(sss)");
        if (r >= 0)
                r = bus_plugins_describe(userdata, append_about, reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(get_unavailable) {
        struct bus *bus = userdata;
        int r;

        UNUSED_GETTER_ARGUMENTS;
        r = sd_bus_message_open_container(reply, 'a', "{ss}");
        for (enum intent_action action = 0; r >= 0 && action < INTENT_SET; action++) {
                const char *why = bus_action_unavailable(bus, action);

                if (why)
                        r = sd_bus_message_append(reply, "{ss}", intent_action_to_string(action), why);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* A method without UNPRIVILEGED is for root and the daemon's own user. */
static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Mode", "s", get_mode, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("IOCores", "ai", get_io_cores, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("EpochUSec", "t", get_epoch_usec, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Epoch", "t", get_epoch, 0, 0),
        SD_BUS_PROPERTY("Overruns", "t", get_statistic, 0, 0),
        SD_BUS_PROPERTY("EventsLost", "t", get_statistic, 0, 0),
        SD_BUS_PROPERTY("LastEpochUSec", "t", get_statistic, 0, 0),
        SD_BUS_PROPERTY("WorstEpochUSec", "t", get_statistic, 0, 0),
        SD_BUS_PROPERTY("LastLateUSec", "t", get_statistic, 0, 0),
        SD_BUS_PROPERTY("WorstLateUSec", "t", get_statistic, 0, 0),
        SD_BUS_PROPERTY("Malformed", "t", get_statistic, 0, 0),
        SD_BUS_PROPERTY("DecisionCount", "t", get_statistic, 0, 0),
        SD_BUS_PROPERTY("Changes", "t", get_changes, 0, 0),
        SD_BUS_PROPERTY("Plugins", "a(sss)", get_plugins, 0, 0),
        SD_BUS_PROPERTY("About", "a(sss)", get_about, 0, 0),
        SD_BUS_PROPERTY("Unavailable", "a{ss}", get_unavailable, 0, 0),

        SD_BUS_METHOD_WITH_ARGS("Grow", SD_BUS_ARGS("i", node, "i", cpu, "s", reason),
                                SD_BUS_RESULT("t", decision, "s", verdict, "s", text), bus_method_grow, 0),
        SD_BUS_METHOD_WITH_ARGS("Shrink", SD_BUS_ARGS("i", node, "i", cpu, "s", reason),
                                SD_BUS_RESULT("t", decision, "s", verdict, "s", text), bus_method_shrink, 0),
        SD_BUS_METHOD_WITH_ARGS("Move", SD_BUS_ARGS("s", unit, "i", cpu, "s", reason),
                                SD_BUS_RESULT("t", decision, "s", verdict, "s", text), bus_method_move, 0),
        SD_BUS_METHOD_WITH_ARGS("Poll", SD_BUS_ARGS("s", queue, "b", on, "s", reason),
                                SD_BUS_RESULT("t", decision, "s", verdict, "s", text), bus_method_poll, 0),
        SD_BUS_METHOD_WITH_ARGS("Limit", SD_BUS_ARGS("s", queue, "t", bytes, "s", reason),
                                SD_BUS_RESULT("t", decision, "s", verdict, "s", text), bus_method_limit, 0),
        SD_BUS_METHOD_WITH_ARGS("Set", SD_BUS_ARGS("s", knob, "s", object, "s", value, "s", reason),
                                SD_BUS_RESULT("t", decision, "s", verdict, "s", text), bus_method_set, 0),
        SD_BUS_METHOD_WITH_ARGS("SetWish", SD_BUS_ARGS("s", domain, "s", attributes), SD_BUS_NO_RESULT, bus_method_set_wish, 0),
        SD_BUS_METHOD_WITH_ARGS("Advise", SD_BUS_ARGS("s", domain), SD_BUS_RESULT("s", xml), bus_method_advise, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("MoveMemory", SD_BUS_ARGS("s", domain, "i", cell, "i", node), SD_BUS_RESULT("t", job), bus_method_move_memory, 0),
        SD_BUS_METHOD_WITH_ARGS("MoveProcessMemory", SD_BUS_ARGS("i", pid, "t", start, "i", node), SD_BUS_RESULT("t", job),
                                bus_method_move_process_memory, 0),
        SD_BUS_METHOD_WITH_ARGS("ReadMemory", SD_BUS_ARGS("s", domain), SD_BUS_RESULT("t", job), bus_method_read_memory, 0),
        SD_BUS_METHOD_WITH_ARGS("CancelJob", SD_BUS_ARGS("t", job), SD_BUS_NO_RESULT, bus_method_cancel_job, 0),
        SD_BUS_METHOD_WITH_ARGS("SetMode", SD_BUS_ARGS("s", mode), SD_BUS_NO_RESULT, method_set_mode, 0),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_reload, 0),
        SD_BUS_METHOD_WITH_ARGS("SetPolicyParameter", SD_BUS_ARGS("s", policy, "s", parameter, "s", value), SD_BUS_NO_RESULT,
                                method_set_policy_parameter, 0),
        SD_BUS_METHOD_WITH_ARGS("EnablePolicy", SD_BUS_ARGS("s", policy, "b", enable), SD_BUS_NO_RESULT, method_enable_policy, 0),

        SD_BUS_METHOD_WITH_ARGS("ListPolicies", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sisss)", policies), method_list_policies,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Decisions", SD_BUS_ARGS("t", since, "u", limit), SD_BUS_RESULT("a" BUS_DECISION_SUMMARY, decisions),
                                method_decisions, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Decision", SD_BUS_ARGS("t", id), SD_BUS_RESULT("a{sv}", decision), method_decision,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("WhyNot", SD_BUS_ARGS("s", action, "s", object, "i", node, "i", cpu, "s", value),
                                SD_BUS_RESULT("s", verdict, "s", rule, "s", text, "as", steps), bus_method_why_not,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetMemory", SD_BUS_ARGS("s", domain), SD_BUS_RESULT("t", age_usec, "a" BUS_CELL_MEMORY, memory),
                                bus_method_get_memory, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListJobs", SD_BUS_NO_ARGS, SD_BUS_RESULT("a" BUS_JOB, jobs), bus_method_list_jobs, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetState", SD_BUS_ARGS("as", sections), SD_BUS_RESULT("s", json), method_get_state,
                                SD_BUS_VTABLE_UNPRIVILEGED),

        SD_BUS_SIGNAL_WITH_ARGS("Decided", SD_BUS_ARGS("t", id, "s", verdict, "s", text), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Event", SD_BUS_ARGS("s", kind, "s", object, "s", text), 0),
        SD_BUS_SIGNAL_WITH_ARGS("JobChanged",
                                SD_BUS_ARGS("t", id, "s", state, "t", total, "t", moved, "t", failed, "t", busy_usec, "s", text), 0),
        SD_BUS_VTABLE_END,
};

int bus_manager_register(struct bus *bus) {
        return sd_bus_add_object_vtable(bus->connection, NULL, BUS_ROOT, BUS_MANAGER_INTERFACE, manager_vtable, bus);
}

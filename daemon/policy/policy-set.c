/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy-set.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

#include "daemon/cleanup.h"
#include "lua-arena.h"
#include "lua-sandbox.h"
#include "policy-files.h"

#define DEFAULT_INSTRUCTIONS 1000000u
#define DEFAULT_MEMORY ((size_t) 4 * 1024 * 1024)
#define DEFAULT_INTENTS 1024u

/* A value that was set at run time: it outlives reloads. */
struct override {
        char name[POLICY_NAME_MAX];
        double value;
};

struct policy {
        struct policy_info info;
        char *path;
        char *source; /* of the version that is loaded: a reload of the same text keeps the running state */
        size_t source_size;
        struct lua_sandbox *sandbox; /* NULL: FAILED, or STOPPED */
        bool started;                /* on_start has run */
        bool enabled, enabled_at_run_time;
        struct override *overrides;
        size_t n_overrides;
        struct policy_parameter *last_parameters; /* of a sandbox that was stopped and freed */
};

struct policy_set {
        struct policy **policies; /* in the order of their files' names */
        size_t n_policies;
        char **directories;
        struct policy_limits limits;
        struct policy_callbacks callbacks;
};

static void set_log(const struct policy_set *set, const char *policy, int priority, const char *format, ...) __attribute__((format(printf, 4, 5)));
static void set_log(const struct policy_set *set, const char *policy, int priority, const char *format, ...) {
        char text[IOCORE_REASON_MAX * 2];
        va_list arguments;

        if (!set->callbacks.log)
                return;
        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        set->callbacks.log(set->callbacks.userdata, policy, priority, text);
}

static struct policy *policy_free(struct policy *policy) {
        if (!policy)
                return NULL;
        lua_sandbox_free(policy->sandbox);
        free(policy->path);
        free(policy->source);
        free(policy->overrides);
        free(policy->last_parameters);
        free(policy);
        return NULL;
}

static bool is_running(const struct policy *policy) {
        return policy->info.state == POLICY_LOADED;
}

/* Parameters */

static int parse_value(const struct policy_parameter *parameter, const char *text, double *ret) {
        static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };
        char *end;
        double value;

        if (parameter->is_boolean) {
                for (size_t i = 0; i < ELEMENTSOF(words); i++)
                        if (strcasecmp(text, words[i]) == 0) {
                                *ret = (double) (i % 2);
                                return 0;
                        }
                return -EINVAL;
        }
        for (size_t i = 0; i < parameter->n_words; i++)
                if (strcmp(text, parameter->words[i]) == 0) {
                        *ret = (double) i;
                        return 0;
                }
        if (parameter->n_words > 0)
                return -EINVAL;
        errno = 0;
        value = strtod(text, &end);
        if (end == text || *end != '\0' || !isfinite(value) || errno == ERANGE)
                return -EINVAL;
        if (value < parameter->minimum || value > parameter->maximum)
                return -ERANGE;
        *ret = value;
        return 0;
}

static struct policy_parameter *find_parameter(struct policy *policy, const char *name) {
        struct policy_parameter *parameters;
        size_t n;

        if (!policy->sandbox)
                return NULL;
        parameters = lua_sandbox_parameters(policy->sandbox, &n);
        for (size_t i = 0; i < n; i++)
                if (strcmp(parameters[i].name, name) == 0)
                        return &parameters[i];
        return NULL;
}

static void apply_setting(struct policy_set *set, struct policy *policy, const struct policy_setting *setting) {
        struct policy_parameter *parameter;
        double value;
        int r;

        if (strcmp(setting->parameter, "enabled") == 0) {
                const struct policy_parameter enabled = { .is_boolean = true };

                r = parse_value(&enabled, setting->value, &value);
                if (r < 0)
                        set_log(set, policy->info.name, LOG_WARNING, "enabled = %s is neither yes nor no, ignoring", setting->value);
                else if (!policy->enabled_at_run_time)
                        policy->enabled = value != 0;
                return;
        }
        if (!policy->sandbox)
                return;
        parameter = find_parameter(policy, setting->parameter);
        if (!parameter) {
                set_log(set, policy->info.name, LOG_WARNING, "has no parameter %s, ignoring", setting->parameter);
                return;
        }
        r = parse_value(parameter, setting->value, &value);
        if (r < 0 && parameter->n_words > 0)
                set_log(set, policy->info.name, LOG_WARNING, "%s = %s is no value for it, keeping %s", parameter->name, setting->value,
                        parameter->words[(size_t) parameter->value]);
        else if (r < 0)
                set_log(set, policy->info.name, LOG_WARNING, "%s = %s %s, keeping %g", parameter->name, setting->value,
                        r == -ERANGE ? "is out of range" : "is no value for it", parameter->value);
        else
                parameter->value = value;
}

/* Defaults, then the configuration, then what was set at run time. */
static void apply_settings(struct policy_set *set, struct policy *policy, const struct policy_setting *settings, size_t n_settings) {
        size_t n = 0;
        struct policy_parameter *parameters = policy->sandbox ? lua_sandbox_parameters(policy->sandbox, &n) : NULL;

        if (!policy->enabled_at_run_time)
                policy->enabled = true;
        for (size_t i = 0; i < n; i++)
                parameters[i].value = parameters[i].fallback;
        for (size_t i = 0; i < n_settings; i++)
                if (strcmp(settings[i].policy, policy->info.name) == 0)
                        apply_setting(set, policy, &settings[i]);
        for (size_t i = 0; i < policy->n_overrides; i++) {
                struct policy_parameter *parameter = find_parameter(policy, policy->overrides[i].name);

                if (parameter && policy->overrides[i].value >= parameter->minimum && policy->overrides[i].value <= parameter->maximum)
                        parameter->value = policy->overrides[i].value;
        }
}

/* Loading */

static int load(struct policy_set *set, const struct policy_file *file, char **ret_source, size_t *ret_size, struct lua_sandbox **ret, char *error,
                size_t error_size) {
        _cleanup_free_ char *source = NULL;
        size_t size = 0;
        int r;

        r = policy_file_read(file->path, SANDBOX_SOURCE_MAX, &source, &size, error, error_size);
        if (r < 0)
                return r;
        r = lua_sandbox_new(ret, file->name, file->priority, source, size, &set->limits, &set->callbacks, error, error_size);
        if (r < 0)
                return r;
        *ret_source = TAKE_PTR(source);
        *ret_size = size;
        return 0;
}

/* Shows the policy's sandbox in its info. */
static void describe(struct policy *policy) {
        if (!policy->sandbox)
                return;
        snprintf(policy->info.doc, sizeof(policy->info.doc), "%s", lua_sandbox_doc(policy->sandbox));
        policy->info.parameters = lua_sandbox_parameters(policy->sandbox, &policy->info.n_parameters);
        policy->info.memory_bytes = lua_sandbox_memory(policy->sandbox);
}

/* The state that a policy with a sandbox has by configuration. */
static void set_enabled_state(struct policy_set *set, struct policy *policy, bool was_running) {
        policy->info.state = policy->enabled ? POLICY_LOADED : POLICY_DISABLED;
        if (was_running && !policy->enabled && set->callbacks.stopped)
                set->callbacks.stopped(set->callbacks.userdata, policy->info.name, "disabled");
}

static int policy_new(struct policy **ret, const struct policy_file *file) {
        struct policy *policy = calloc(1, sizeof(*policy));
        char *path = strdup(file->path);

        if (!policy || !path) {
                free(policy);
                free(path);
                return -ENOMEM;
        }
        policy->path = path;
        policy->enabled = true;
        snprintf(policy->info.name, sizeof(policy->info.name), "%s", file->name);
        snprintf(policy->info.file, sizeof(policy->info.file), "%s", file->base);
        policy->info.path = policy->path;
        policy->info.priority = file->priority;
        policy->info.state = POLICY_FAILED;
        *ret = policy;
        return 0;
}

/* Loads the file's present text into the policy; a version that was loaded before stays when that fails. */
static int policy_load(struct policy_set *set, struct policy *policy, const struct policy_file *file, const struct policy_setting *settings, size_t n_settings) {
        _cleanup_(lua_sandbox_freep) struct lua_sandbox *sandbox = NULL;
        _cleanup_free_ char *source = NULL;
        char error[IOCORE_REASON_MAX] = "", *path;
        bool was_running = is_running(policy);
        size_t size = 0;
        int r;

        path = strdup(file->path);
        if (!path)
                return -ENOMEM;
        free(policy->path);
        policy->info.path = policy->path = path;
        r = load(set, file, &source, &size, &sandbox, error, sizeof(error));
        if (r == -ENOMEM && error[0] == '\0')
                return r;
        snprintf(policy->info.error, sizeof(policy->info.error), "%s", error);
        if (r < 0) {
                set_log(set, policy->info.name, LOG_ERR, "%s does not load%s: %s", file->path, policy->sandbox ? ", keeping the version that runs" : "", error);
                apply_settings(set, policy, settings, n_settings);
                if (policy->sandbox)
                        set_enabled_state(set, policy, was_running);
                return 0;
        }
        if (!policy->sandbox || policy->source_size != size || memcmp(policy->source, source, size) != 0) {
                lua_sandbox_free(policy->sandbox);
                free(policy->source);
                free(policy->last_parameters);
                policy->last_parameters = NULL;
                policy->sandbox = TAKE_PTR(sandbox);
                policy->source = TAKE_PTR(source);
                policy->source_size = size;
                policy->started = false;
        }
        describe(policy);
        apply_settings(set, policy, settings, n_settings);
        set_enabled_state(set, policy, was_running);
        return 0;
}

static struct policy *find_by_file(struct policy **policies, size_t n, const char *base) {
        for (size_t i = 0; i < n; i++)
                if (policies[i] && strcmp(policies[i]->info.file, base) == 0)
                        return policies[i];
        return NULL;
}

static struct policy *find_by_name(const struct policy_set *set, const char *name) {
        for (size_t i = 0; i < set->n_policies; i++)
                if (strcmp(set->policies[i]->info.name, name) == 0)
                        return set->policies[i];
        return NULL;
}

static void warn_unknown_settings(const struct policy_set *set, const struct policy_setting *settings, size_t n_settings) {
        for (size_t i = 0; i < n_settings; i++)
                if (!find_by_name(set, settings[i].policy) && (i == 0 || strcmp(settings[i].policy, settings[i - 1].policy) != 0))
                        set_log(set, settings[i].policy, LOG_WARNING, "is set up in the configuration, but there is no such policy");
}

/* The policy of `file`: the one that was there before, or a new one. */
static int take_or_make(struct policy **old, size_t n_old, const struct policy_file *file, struct policy **ret) {
        struct policy *policy = find_by_file(old, n_old, file->base);

        if (!policy)
                return policy_new(ret, file);
        for (size_t i = 0; i < n_old; i++)
                if (old[i] == policy)
                        old[i] = NULL;
        *ret = policy;
        return 0;
}

static void end_vanished(struct policy_set *set, struct policy **old, size_t n_old) {
        for (size_t i = 0; i < n_old; i++) {
                if (!old[i])
                        continue;
                if (is_running(old[i])) {
                        set_log(set, old[i]->info.name, LOG_NOTICE, "removed");
                        if (set->callbacks.stopped)
                                set->callbacks.stopped(set->callbacks.userdata, old[i]->info.name, "removed");
                }
                policy_free(old[i]);
        }
}

int policy_set_reload(struct policy_set *set, const struct policy_setting *settings, size_t n_settings) {
        _cleanup_free_ struct policy **old = NULL;
        struct policy_files files = { 0 };
        struct policy **policies;
        size_t n_old = set->n_policies;
        int r;

        r = policy_files_find(&files, set->directories);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                set_log(set, "", LOG_WARNING, "a directory of policies cannot be read: %s", strerror(-r));
        for (size_t i = 0; i < files.n_ignored; i++)
                set_log(set, "", LOG_WARNING, "%s is not named NN-name.lua, ignoring", files.ignored[i]);
        policies = calloc(files.n + 1, sizeof(void *));
        if (!policies) {
                policy_files_done(&files);
                return -ENOMEM;
        }
        old = set->policies;
        set->policies = policies;
        set->n_policies = 0;
        r = 0;
        for (size_t i = 0; i < files.n && r == 0; i++) {
                const struct policy *twin = find_by_name(set, files.files[i].name);
                struct policy *policy;

                r = take_or_make(old, n_old, &files.files[i], &policy);
                if (r < 0)
                        break;
                set->policies[set->n_policies++] = policy;
                if (twin) {
                        snprintf(policy->info.error, sizeof(policy->info.error), "%s has the same name", twin->info.file);
                        set_log(set, policy->info.name, LOG_ERR, "%s does not load: %s", files.files[i].path, policy->info.error);
                } else
                        r = policy_load(set, policy, &files.files[i], settings, n_settings);
        }
        end_vanished(set, old, n_old);
        if (r == 0)
                warn_unknown_settings(set, settings, n_settings);
        policy_files_done(&files);
        return r;
}

static char **free_directories(char **directories) {
        for (size_t i = 0; directories && directories[i]; i++)
                free(directories[i]);
        free(directories);
        return NULL;
}

static char **copy_directories(char *const *directories) {
        size_t n = 0;
        char **copy;

        while (directories && directories[n])
                n++;
        copy = calloc(n + 1, sizeof(void *));
        for (size_t i = 0; copy && i < n; i++) {
                copy[i] = strdup(directories[i]);
                if (!copy[i])
                        return free_directories(copy);
        }
        return copy;
}

int policy_set_new(struct policy_set **ret, char *const *directories, const struct policy_limits *limits, const struct policy_setting *settings,
                   size_t n_settings, const struct policy_callbacks *callbacks) {
        char **copy = copy_directories(directories);
        struct policy_set *set = copy ? calloc(1, sizeof(*set)) : NULL;
        int r;

        if (!set) {
                free_directories(copy);
                return -ENOMEM;
        }
        set->directories = copy;
        if (limits)
                set->limits = *limits;
        if (set->limits.instructions_per_event == 0)
                set->limits.instructions_per_event = DEFAULT_INSTRUCTIONS;
        if (set->limits.memory_bytes == 0)
                set->limits.memory_bytes = DEFAULT_MEMORY;
        if (set->limits.intents_per_epoch == 0)
                set->limits.intents_per_epoch = DEFAULT_INTENTS;
        if (callbacks)
                set->callbacks = *callbacks;
        r = policy_set_reload(set, settings, n_settings);
        if (r < 0) {
                policy_set_free(set);
                return r;
        }
        *ret = set;
        return 0;
}

struct policy_set *policy_set_free(struct policy_set *set) {
        if (!set)
                return NULL;
        for (size_t i = 0; i < set->n_policies; i++)
                policy_free(set->policies[i]);
        free(set->policies);
        free_directories(set->directories);
        free(set);
        return NULL;
}

/* Running */

/* Ends a policy that misbehaved. Its Lua state goes at once; what it declared stays to be shown. */
static void stop(struct policy_set *set, struct policy *policy, const char *why) {
        size_t n = policy->info.n_parameters;

        policy->info.state = POLICY_STOPPED;
        snprintf(policy->info.error, sizeof(policy->info.error), "%s", why);
        policy->last_parameters = calloc(n ? n : 1, sizeof(*policy->last_parameters));
        if (policy->last_parameters && n > 0)
                memcpy(policy->last_parameters, policy->info.parameters, n * sizeof(*policy->last_parameters));
        policy->info.parameters = policy->last_parameters;
        policy->info.n_parameters = policy->last_parameters ? n : 0;
        policy->info.memory_bytes = 0;
        policy->sandbox = lua_sandbox_free(policy->sandbox);
        if (set->callbacks.stopped)
                set->callbacks.stopped(set->callbacks.userdata, policy->info.name, why);
}

static enum policy_event event_of(enum host_event_kind kind) {
        switch (kind) {
        case HOST_DEVICE_ADDED:
        case HOST_DEVICE_REMOVED:
                return POLICY_ON_DEVICE;
        case HOST_CORE_ADDED:
        case HOST_CORE_REMOVED:
                return POLICY_ON_CORE;
        default:
                return POLICY_ON_DOMAIN;
        }
}

/* What comes to or leaves a domain is of interest both to those that look after devices and to those that look after domains. */
static bool event_is_of_device_too(const struct host_event *event) {
        return event->kind == HOST_DOMAIN_EVENT && (strcmp(event->event, "device-added") == 0 || strcmp(event->event, "device-removed") == 0);
}

static int run_events(struct policy *policy, const struct host *host, char *error, size_t error_size) {
        int r = 0;

        if (!policy->started) {
                policy->started = true;
                r = lua_sandbox_call(policy->sandbox, POLICY_ON_START, NULL, error, error_size);
        }
        for (size_t i = 0; i < host->n_events && r == 0; i++) {
                const struct host_event *event = &host->events[i];
                r = lua_sandbox_call(policy->sandbox, event_of(event->kind), event, error, error_size);
                if (r == 0 && event_is_of_device_too(event))
                        r = lua_sandbox_call(policy->sandbox, POLICY_ON_DEVICE, event, error, error_size);
        }
        if (r == 0)
                r = lua_sandbox_call(policy->sandbox, POLICY_ON_EPOCH, NULL, error, error_size);
        return r;
}

int policy_set_run(struct policy_set *set, const struct host *host, struct intent_list *intents) {
        int result = 0;

        for (size_t i = 0; i < set->n_policies; i++) {
                struct policy *policy = set->policies[i];
                size_t n_before = intents->n;
                char error[IOCORE_REASON_MAX];
                int r;

                if (!is_running(policy))
                        continue;
                lua_sandbox_begin(policy->sandbox, host, intents);
                r = run_events(policy, host, error, sizeof(error));
                lua_sandbox_end(policy->sandbox);
                policy->info.n_runs++;
                if (r == 0) {
                        policy->info.n_intents += lua_sandbox_n_intents(policy->sandbox);
                        continue;
                }
                /* What it asked for in this epoch is not worth more than the rest of it. */
                intents->n = n_before;
                if (r == -ENOMEM)
                        result = r;
                else
                        stop(set, policy, error);
        }
        return result;
}

/* Reading and setting */

size_t policy_set_size(const struct policy_set *set) {
        return set->n_policies;
}

const struct policy_info *policy_set_info(struct policy_set *set, size_t index) {
        struct policy *policy;

        if (index >= set->n_policies)
                return NULL;
        policy = set->policies[index];
        if (policy->sandbox)
                policy->info.memory_bytes = lua_sandbox_memory(policy->sandbox);
        return &policy->info;
}

const struct policy_info *policy_set_find(struct policy_set *set, const char *name) {
        for (size_t i = 0; i < set->n_policies; i++)
                if (strcmp(set->policies[i]->info.name, name) == 0)
                        return policy_set_info(set, i);
        return NULL;
}

/* Remembers the value for reloads to come. */
static int remember(struct policy *policy, const char *parameter, double value) {
        struct override *grown;

        for (size_t i = 0; i < policy->n_overrides; i++)
                if (strcmp(policy->overrides[i].name, parameter) == 0) {
                        policy->overrides[i].value = value;
                        return 0;
                }
        grown = reallocarray(policy->overrides, policy->n_overrides + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        policy->overrides = grown;
        snprintf(grown[policy->n_overrides].name, sizeof(grown->name), "%s", parameter);
        grown[policy->n_overrides++].value = value;
        return 0;
}

int policy_set_parameter(struct policy_set *set, const char *name, const char *parameter, const char *value) {
        struct policy *policy = find_by_name(set, name);
        struct policy_parameter *found = policy ? find_parameter(policy, parameter) : NULL;
        double number;
        int r;

        if (!found)
                return -ENOENT;
        r = parse_value(found, value, &number);
        if (r < 0)
                return r;
        r = remember(policy, parameter, number);
        if (r < 0)
                return r;
        found->value = number;
        return 0;
}

int policy_set_enable(struct policy_set *set, const char *name, bool enable) {
        struct policy *policy = find_by_name(set, name);
        bool was_running;

        if (!policy)
                return -ENOENT;
        was_running = is_running(policy);
        policy->enabled = enable;
        policy->enabled_at_run_time = true;
        if (policy->sandbox)
                set_enabled_state(set, policy, was_running);
        return 0;
}

const char *policy_state_to_string(enum policy_state state) {
        static const char *const names[] = { "loaded", "disabled", "failed", "stopped" };

        return (size_t) state < ELEMENTSOF(names) ? names[state] : NULL;
}

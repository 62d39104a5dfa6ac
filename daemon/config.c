/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of keys, and what is made of it: defaults, loading, freeing. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "cleanup.h"
#include "config-file.h"
#include "config-values.h"
#include "config.h"
#include "text.h"

static const char *const mode_names[] = { [MODE_ACTIVE] = "active", [MODE_OBSERVE] = "observe", [MODE_PAUSED] = "paused", NULL };
static const char *const foreign_names[] = { [FOREIGN_MANUAL] = "manual", [FOREIGN_ADOPT] = "adopt", [FOREIGN_CONTEST] = "contest", NULL };
static const char *const share_names[] = { [SHARE_ANY] = "any", [SHARE_DOMAIN] = "domain", [SHARE_NONE] = "none", NULL };
static const char *const level_names[] = {
        [LOG_EMERG] = "emerg",     [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
        [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug", NULL,
};

#define POLICY_DIRECTORIES PKGDATADIR "/policies.d /run/iocored/policies.d " SYSCONFDIR "/iocored/policies.d"
#define MS 1e3
#define S 1e6
#define HOUR 3600e6

struct config_key {
        const char *section, *key;
        const struct config_type *type;
        size_t offset;
        const char *fallback; /* parsed like any other value */
        struct config_range range;
        const char *const *names;
        const char *doc;
};
#define FIELD(member) offsetof(struct config, member)

static const struct config_key keys[] = {
        { "daemon", "epoch", &config_type_duration, FIELD(epoch_usec), "100ms", { 10 * MS, 60 * S }, NULL, "Time from one decision to the next" },
        { "daemon", "mode", &config_type_name, FIELD(mode), "active", { 0, 0 }, mode_names, "Act, only say what would be done, or rest" },
        { "daemon", "root", &config_type_path, FIELD(root), "/", { 0, 0 }, NULL, "Where /proc and /sys are" },
        { "daemon", "journal", &config_type_path, FIELD(journal), "/run/iocored/journal", { 0, 0 }, NULL, "Where old values are kept for putting them back" },
        { "daemon", "bus", &config_type_bus, FIELD(bus), "system", { 0, 0 }, NULL, "The D-Bus on which the API is offered" },
        { "daemon", "plugin-directory", &config_type_path, FIELD(plugin_directory), PLUGINDIR, { 0, 0 }, NULL, "Where plugins are looked for" },
        { "daemon", "plugins", &config_type_words, FIELD(plugins), "", { 0, 0 }, NULL, "The plugins to use; empty: each that is for this host" },
        { "daemon", "policy-directories", &config_type_paths, FIELD(policy_directories), POLICY_DIRECTORIES, { 0, 0 }, NULL,
          "Where policies are looked for; a later directory's file replaces an earlier one's" },
        { "daemon", "busy-threshold", &config_type_number, FIELD(busy_threshold), "0.02", { 0, 1 }, NULL, "Load of a worker from which its queues are read" },
        { "daemon", "smoothing", &config_type_number, FIELD(smoothing), "0.3", { 0.01, 1 }, NULL, "Weight of the newest epoch in averages" },
        { "daemon", "scan-interval", &config_type_duration, FIELD(scan_usec), "1s", { 10 * MS, HOUR }, NULL, "How often new and vanished objects are looked for" },
        { "daemon", "full-sample-interval", &config_type_duration, FIELD(full_sample_usec), "10s", { 10 * MS, HOUR }, NULL,
          "How often idle queues are read too" },
        { "daemon", "foreign-changes", &config_type_name, FIELD(foreign_changes), "manual", { 0, 0 }, foreign_names,
          "What to do with what somebody else changed" },
        { "daemon", "decision-log-size", &config_type_count, FIELD(decision_log_size), "1024", { 16, 1e6 }, NULL, "How many decisions are remembered" },
        { "daemon", "trial-settle", &config_type_duration, FIELD(trial_settle_usec), "500ms", { 0, HOUR }, NULL, "How long a change settles before it is measured" },
        { "daemon", "trial-measure", &config_type_duration, FIELD(trial_measure_usec), "1s", { 10 * MS, HOUR }, NULL, "How long a change is measured" },
        { "daemon", "log-level", &config_type_name, FIELD(log_level), "info", { 0, 0 }, level_names, "The least important messages that are shown" },

        { "topology", "synthetic", &config_type_string, FIELD(topology_synthetic), "", { 0, 0 }, NULL, "A made-up host, as hwloc describes one" },
        { "topology", "isolated", &config_type_cpu_list, FIELD(topology_isolated), "", { 0, 0 }, NULL, "CPUs to take for isolated" },
        { "topology", "offline", &config_type_cpu_list, FIELD(topology_offline), "", { 0, 0 }, NULL, "CPUs to take for offline" },

        { "cores", "min", &config_type_unsigned, FIELD(rules.min_cores), "0", { 0, 65535 }, NULL, "Fewest I/O cores of the host" },
        { "cores", "max", &config_type_unsigned, FIELD(rules.max_cores), "0", { 0, 65535 }, NULL, "Most I/O cores of the host; 0: no limit" },
        { "cores", "min-per-node", &config_type_unsigned, FIELD(rules.min_cores_per_node), "0", { 0, 65535 }, NULL, "Fewest I/O cores of each NUMA node" },
        { "cores", "max-per-node", &config_type_unsigned, FIELD(rules.max_cores_per_node), "0", { 0, 65535 }, NULL,
          "Most I/O cores of each NUMA node; 0: no limit" },
        { "cores", "reserved", &config_type_cpus, FIELD(rules.reserved_cpus), "", { 0, 0 }, NULL, "CPUs that never become I/O cores" },
        { "cores", "use-isolated", &config_type_boolean, FIELD(rules.use_isolated), "no", { 0, 0 }, NULL, "May isolated CPUs become I/O cores: they are the first then" },
        { "cores", "vcpus-on-isolated", &config_type_boolean, FIELD(rules.vcpus_on_isolated), "no", { 0, 0 }, NULL, "May isolated CPUs be given vCPUs" },
        { "cores", "whole-physical-cores", &config_type_boolean, FIELD(rules.whole_physical_cores), "yes", { 0, 0 }, NULL,
          "Does an I/O core take its SMT siblings too" },
        { "cores", "hold", &config_type_duration, FIELD(rules.hold_usec), "2s", { 0, 24 * HOUR }, NULL, "How long what was changed is left alone" },
        { "cores", "idle-core-after", &config_type_duration, FIELD(idle_core_usec), "60s", { 0, 24 * HOUR }, NULL,
          "How long an I/O core may be idle before that is told" },
        { "cores", "cool-down", &config_type_duration, FIELD(rules.cool_down_usec), "1s", { 0, 24 * HOUR }, NULL,
          "How long the I/O cores of a node are left alone after one came or went" },

        { "units", "max-devices-per-worker", &config_type_unsigned, FIELD(rules.max_devices_per_worker), "0", { 0, 65535 }, NULL,
          "Most units on one I/O core; 0: no limit" },
        { "units", "max-moves-per-epoch", &config_type_unsigned, FIELD(rules.max_moves_per_epoch), "16", { 0, 65535 }, NULL,
          "Most units moved in one epoch; 0: no limit" },
        { "units", "share-within", &config_type_name, FIELD(rules.share_within), "any", { 0, 0 }, share_names, "Whose units may share an I/O core" },

        { "bans", "units", &config_type_words, FIELD(rules.banned_units), "", { 0, 0 }, NULL, "Units that are never touched" },
        { "bans", "domains", &config_type_words, FIELD(rules.banned_domains), "", { 0, 0 }, NULL, "Domains that are never touched" },
        { "bans", "cpus", &config_type_cpus, FIELD(rules.banned_cpus), "", { 0, 0 }, NULL, "CPUs that are never touched" },

        { "policy", "instructions", &config_type_unsigned, FIELD(policy_limits.instructions_per_event), "1000000", { 1000, 1e9 }, NULL,
          "Lua instructions of one policy for one event" },
        { "policy", "memory", &config_type_size, FIELD(policy_limits.memory_bytes), "4M", { 65536, 1024.0 * 1024 * 1024 }, NULL, "Memory of one policy" },
        { "policy", "intents", &config_type_unsigned, FIELD(policy_limits.intents_per_epoch), "1024", { 1, 1e6 }, NULL, "Intents of one policy in one epoch" },
};

static void *field_of(struct config *config, const struct config_key *key) {
        return (char *) config + key->offset;
}

const char *mode_to_string(enum mode mode) {
        return mode >= 0 && mode < _MODE_MAX ? mode_names[mode] : NULL;
}

enum mode mode_from_string(const char *string) {
        for (int i = 0; i < _MODE_MAX; i++)
                if (strcmp(mode_names[i], string) == 0)
                        return (enum mode) i;
        return _MODE_INVALID;
}

bool config_key_info(size_t index, struct config_key_info *ret) {
        if (index >= ELEMENTSOF(keys))
                return false;
        *ret = (struct config_key_info) { keys[index].section, keys[index].key, keys[index].fallback, keys[index].doc };
        return true;
}

int config_new(struct config **ret) {
        _cleanup_(config_freep) struct config *config = calloc(1, sizeof *config);
        if (!config)
                return -ENOMEM;
        int r = planner_rules_init(&config->rules);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(keys); i++) {
                char why[CONFIG_WHY_MAX];
                r = keys[i].type->parse(field_of(config, &keys[i]), keys[i].fallback, &keys[i].range, keys[i].names, why, sizeof why);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(config);
        return 0;
}

struct config *config_free(struct config *config) {
        if (!config)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (keys[i].type->clear)
                        keys[i].type->clear(field_of(config, &keys[i]));
        planner_rules_done(&config->rules);
        for (size_t i = 0; i < config->n_policy_settings; i++) {
                free((char *) config->policy_settings[i].policy);
                free((char *) config->policy_settings[i].parameter);
                free((char *) config->policy_settings[i].value);
        }
        free(config->policy_settings);
        for (size_t i = 0; i < config->n_options; i++) {
                free(config->options[i].plugin);
                free(config->options[i].key);
                free(config->options[i].value);
                free(config->options[i].file);
        }
        free(config->options);
        free(config);
        return NULL;
}

const char *config_option(const struct config *config, const char *plugin, const char *key) {
        for (size_t i = 0; i < config->n_options; i++)
                if (strcmp(config->options[i].plugin, plugin) == 0 && strcmp(config->options[i].key, key) == 0)
                        return config->options[i].value;
        return NULL;
}

/* While files are read into a configuration. */
struct loading {
        struct config *config;
        FILE *errors;
        unsigned n_errors;
        int error;        /* -ENOMEM */
        const char *file; /* being read */
        struct {
                const char *file; /* where it was given last; NULL: nowhere yet */
                unsigned line;
        } given[ELEMENTSOF(keys)];
};

__attribute__((format(printf, 5, 6))) static void complain(struct loading *loading, unsigned line, const char *section, const char *key, const char *format, ...) {
        va_list arguments;
        fprintf(loading->errors, "%s:%u: ", loading->file, line);
        if (section)
                fprintf(loading->errors, "[%s] ", section);
        if (key)
                fprintf(loading->errors, "%s: ", key);
        va_start(arguments, format);
        vfprintf(loading->errors, format, arguments);
        va_end(arguments);
        fputc('\n', loading->errors);
        loading->n_errors++;
}

static void on_error(void *userdata, unsigned line, const char *what) {
        complain(userdata, line, NULL, NULL, "%s", what);
}

/* The name behind "policy." or "plugin.", or NULL. */
static const char *name_of(const char *section, const char *prefix) {
        size_t length = strlen(prefix);
        return strncmp(section, prefix, length) == 0 ? section + length : NULL;
}

static bool name_valid(const char *name) {
        size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
        return length > 0 && length < IOCORE_ID_MAX && name[length] == '\0';
}

static bool section_known(const char *section) {
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (strcmp(keys[i].section, section) == 0)
                        return true;
        return false;
}

static void on_section(void *userdata, unsigned line, const char *section) {
        const char *policy = name_of(section, "policy."), *plugin = name_of(section, "plugin.");
        if (policy || plugin) {
                if (!name_valid(policy ? policy : plugin))
                        complain(userdata, line, section, NULL, "is not the name of a %s", policy ? "policy" : "plugin");
        } else if (!section_known(section)) {
                complain(userdata, line, section, NULL, "there is no such section");
        }
}

static int set_key(struct loading *loading, size_t index, unsigned line, const char *value, char *why, size_t size) {
        const struct config_key *key = &keys[index];
        void *field = field_of(loading->config, key);
        /* The first assignment of a list takes the place of its default, an empty one of all before it. */
        if (key->type->is_list && (*value == '\0' || !loading->given[index].file))
                key->type->clear(field);
        int r = key->type->parse(field, value, &key->range, key->names, why, size);
        if (r < 0)
                return r;
        loading->given[index].file = loading->file;
        loading->given[index].line = line;
        return 0;
}

static int set_policy(struct config *config, const char *policy, const char *parameter, const char *value) {
        for (size_t i = 0; i < config->n_policy_settings; i++) {
                struct policy_setting *setting = &config->policy_settings[i];
                if (strcmp(setting->policy, policy) != 0 || strcmp(setting->parameter, parameter) != 0)
                        continue;
                return text_replace((char **) &setting->value, value);
        }
        struct policy_setting *grown = reallocarray(config->policy_settings, config->n_policy_settings + 1, sizeof *grown);
        if (!grown)
                return -ENOMEM;
        config->policy_settings = grown;
        /* Counted at once: config_free() frees what of it there is. */
        struct policy_setting *setting = &grown[config->n_policy_settings++];
        *setting = (struct policy_setting) { strdup(policy), strdup(parameter), strdup(value) };
        return setting->policy && setting->parameter && setting->value ? 0 : -ENOMEM;
}

static int set_option(struct loading *loading, unsigned line, const char *plugin, const char *key, const char *value) {
        struct config *config = loading->config;
        for (size_t i = 0; i < config->n_options; i++) {
                struct config_option *option = &config->options[i];
                if (strcmp(option->plugin, plugin) != 0 || strcmp(option->key, key) != 0)
                        continue;
                option->line = line;
                int r = text_replace(&option->file, loading->file);
                return r < 0 ? r : text_replace(&option->value, value);
        }
        struct config_option *grown = reallocarray(config->options, config->n_options + 1, sizeof *grown);
        if (!grown)
                return -ENOMEM;
        config->options = grown;
        struct config_option *option = &grown[config->n_options++];
        *option = (struct config_option) { strdup(plugin), strdup(key), strdup(value), strdup(loading->file), line };
        return option->plugin && option->key && option->value && option->file ? 0 : -ENOMEM;
}

static void on_value(void *userdata, unsigned line, const char *section, const char *key, const char *value) {
        struct loading *loading = userdata;
        const char *policy = name_of(section, "policy."), *plugin = name_of(section, "plugin.");
        char why[CONFIG_WHY_MAX] = "";
        int r = -ENOENT;

        if (loading->error < 0)
                return; /* -ENOMEM: members may be half set */
        if (policy || plugin) {
                if (*key == '\0') {
                        complain(loading, line, section, NULL, "a key is missing before the =");
                        return;
                }
                r = policy ? set_policy(loading->config, policy, key, value) : set_option(loading, line, plugin, key, value);
        } else {
                for (size_t i = 0; r == -ENOENT && i < ELEMENTSOF(keys); i++)
                        if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].key, key) == 0)
                                r = set_key(loading, i, line, value, why, sizeof why);
                if (r == -ENOENT && section_known(section))
                        complain(loading, line, section, key, "there is no such key");
        }
        if (r == -EINVAL)
                complain(loading, line, section, key, "%s", why);
        if (r == -ENOMEM)
                loading->error = r;
}

static size_t index_of(const char *section, const char *key) {
        size_t i = 0;
        while (strcmp(keys[i].section, section) != 0 || strcmp(keys[i].key, key) != 0)
                i++;
        return i;
}

/* `minimum` may not be more than `maximum`, where 0 is no limit. Told where the later of them was given. */
static void check_limits(struct loading *loading, const char *minimum, unsigned at_least, const char *maximum, unsigned at_most) {
        size_t low = index_of("cores", minimum), high = index_of("cores", maximum);
        if (at_most == 0 || at_least <= at_most)
                return;
        size_t where = loading->given[high].file ? high : low;
        if (!loading->given[where].file)
                return; /* defaults do not contradict each other; the unit test says so */
        loading->file = loading->given[where].file;
        complain(loading, loading->given[where].line, "cores", keys[where].key, "%s=%u is more than %s=%u", minimum, at_least, maximum, at_most);
}

static int read_one(struct loading *loading, FILE *file, const char *name) {
        const struct config_file_handler handler = { .userdata = loading, .section = on_section, .value = on_value, .error = on_error };
        loading->file = name;
        int r = config_file_read(file, &handler);
        return r < 0 ? r : loading->error;
}

/* 0; -ENOENT and others: cannot be opened or read. */
static int read_path(struct loading *loading, const char *path) {
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        if (!file)
                return -errno;
        return read_one(loading, file, path);
}

static int finish(struct loading *loading, struct config **config, struct config **ret) {
        const struct planner_rules *rules = &(*config)->rules;
        if (loading->n_errors > 0)
                return -EINVAL; /* what else is wrong may come of that */
        check_limits(loading, "min", rules->min_cores, "max", rules->max_cores);
        check_limits(loading, "min-per-node", rules->min_cores_per_node, "max-per-node", rules->max_cores_per_node);
        if (loading->n_errors > 0)
                return -EINVAL;
        *ret = TAKE_PTR(*config);
        return 0;
}

int config_load_file(struct config **ret, FILE *file, const char *name, FILE *errors) {
        _cleanup_(config_freep) struct config *config = NULL;
        int r = config_new(&config);
        if (r < 0)
                return r;
        struct loading loading = { .config = config, .errors = errors };
        r = read_one(&loading, file, name);
        if (r < 0)
                return r;
        return finish(&loading, &config, ret);
}

int config_load_from(struct config **ret, const char *path, bool optional, const char *const *directories, FILE *errors) {
        _cleanup_(config_freep) struct config *config = NULL;
        struct config_dropin *dropins;
        size_t n;
        const char *failed = NULL;
        int r = config_new(&config);
        if (r < 0)
                return r;
        struct loading loading = { .config = config, .errors = errors };
        r = read_path(&loading, path);
        if (r < 0 && !(r == -ENOENT && optional)) {
                fprintf(errors, "%s: %s\n", path, strerror(-r));
                return r;
        }
        r = config_dropins_find(directories, &dropins, &n, &failed);
        if (r < 0) {
                fprintf(errors, "%s: %s\n", failed ? failed : path, strerror(-r));
                return r;
        }
        for (size_t i = 0; r == 0 && i < n; i++) {
                r = read_path(&loading, dropins[i].path);
                if (r < 0)
                        fprintf(errors, "%s: %s\n", dropins[i].path, strerror(-r));
        }
        if (r == 0)
                r = finish(&loading, &config, ret);
        config_dropins_free(dropins, n);
        return r;
}

int config_load(struct config **ret, const char *path, FILE *errors) {
        static const char *const standard[] = { "/usr/lib/iocored/iocored.conf.d", "/run/iocored/iocored.conf.d", SYSCONFDIR "/iocored.conf.d", NULL };
        if (!path)
                return config_load_from(ret, SYSCONFDIR "/iocored.conf", true, standard, errors);

        _cleanup_free_ char *directory = NULL;
        if (asprintf(&directory, "%s.d", path) < 0)
                return -ENOMEM;
        const char *const directories[] = { directory, NULL };
        return config_load_from(ret, path, false, directories, errors);
}

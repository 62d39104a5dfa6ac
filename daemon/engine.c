/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "clock.h"
#include "daemon/act/reservation.h"
#include "engine-private.h"
#include "log.h"
#include "plugin-options.h"

/* The epoch timer may be late by this share of an epoch: the kernel then groups wake-ups; never more than 1 ms. */
#define TIMER_SLACK_DIVISOR 100
#define TIMER_SLACK_MAX_USEC 1000

void engine_tell(struct engine *engine, const char *kind, const char *object, const char *text) {
        if (engine->listener.event)
                engine->listener.event(engine->listener.userdata, kind, object, text);
}

/* --- what the rooms ask of each other, answered here so that they need not know one another */

static const char *capability(void *userdata, const char *kind, const char *object) {
        const struct engine *engine = userdata;
        return plugin_set_unavailable(engine->plugins, kind, object);
}

static const char *in_progress(void *userdata, const char *knob, const char *object) {
        return engine_in_progress(userdata, knob, object);
}

static const char *policy_action_unavailable(void *userdata, const char *action) {
        const struct engine *engine = userdata;
        enum intent_action known = intent_action_from_string(action);
        if (known == _INTENT_ACTION_INVALID)
                return "no such action";
        struct intent intent = { .action = known };
        const char *knob = intent_knob_kind(&intent);
        if (known == INTENT_MOVE)
                knob = "unit.place";
        if (known == INTENT_SET)
                return NULL; /* depends on the knob: the planner says */
        return plugin_set_unavailable(engine->plugins, knob ? knob : "grow", NULL);
}

static void policy_placement_rules(void *userdata, struct placement_rules *rules) {
        const struct engine *engine = userdata;
        rules->banned_cpus = engine->config->rules.banned_cpus;
        rules->banned_domains = engine->config->rules.banned_domains;
        rules->use_isolated = engine->config->rules.vcpus_on_isolated;
}

static void policy_log(void *userdata, const char *policy, int priority, const char *text) {
        (void) userdata;
        log_message(priority, "Policy %s: %s", policy, text);
}

static void policy_stopped(void *userdata, const char *policy, const char *why) {
        struct engine *engine = userdata;
        log_warning("Policy %s stopped: %s. What it changed is put back; the other policies go on.", policy, why);
        engine_tell(engine, "policy-stopped", policy, why);
        for (size_t i = 0; i < engine->n_stopped; i++)
                if (strcmp(engine->stopped[i], policy) == 0)
                        return; /* a client switches it on and off */
        if (engine->n_stopped < STOPPED_MAX)
                snprintf(engine->stopped[engine->n_stopped++], POLICY_NAME_MAX, "%s", policy);
}

static void foreign_change(void *userdata, const char *object, const char *knob, const char *set_value, const char *live_value) {
        struct engine *engine = userdata;
        char text[IOCORE_REASON_MAX];
        snprintf(text, sizeof text, "%s is %.60s, iocored had set it to %.60s", knob, live_value, set_value);
        log_notice("Somebody else changed %s: %s.", object, text);
        engine_tell(engine, "foreign-change", object, text);
}

static int begin_memory(void *userdata, const char *domain, int cell, int node, const char *source, uint64_t *ret_job, char *ret_reason, size_t size) {
        return engine_domain_memory(userdata, domain, cell, node, source, ret_job, ret_reason, size);
}

static void cancel_job(void *userdata, uint64_t job) {
        (void) engine_cancel_job(userdata, job); /* -ENOENT: it is over */
}

/* --- life */

static int open_journal(struct journal **ret, const struct config *config) {
        pid_t holder = 0;
        unsigned broken = 0;
        int r = journal_open(ret, config->journal, &holder, &broken);
        if (r == -EBUSY)
                log_error("Another iocored (pid %d) holds the journal %s; this one does not start.", (int) holder, config->journal);
        else if (r < 0)
                log_error("Cannot open the journal %s: %s. Without it nothing could be put back.", config->journal, strerror(-r));
        else if (broken > 0)
                log_warning("The journal %s has %u broken records, ignoring them.", config->journal, broken);
        return r;
}

static int open_host(struct host **ret, const struct config *config) {
        _cleanup_(topology_freep) struct topology *topology = NULL;
        int r = topology_new(&topology, config->root, config->topology_synthetic, config->topology_isolated, config->topology_offline);
        if (r < 0) {
                log_error("Cannot read the host's topology (%s): %s.", config->topology_synthetic ? config->topology_synthetic : config->root, strerror(-r));
                return r;
        }
        r = host_new(ret, topology);
        if (r < 0)
                return r;
        topology = NULL;
        (*ret)->ewma_weight = config->smoothing;
        (*ret)->busy_threshold = config->busy_threshold;
        return 0;
}

static void tell_plugins(const struct plugin_set *plugins, bool nothing_found) {
        for (size_t i = 0; i < plugin_set_size(plugins); i++) {
                const struct plugin_info *info = plugin_set_info(plugins, i);
                if (info->status == PLUGIN_OPEN)
                        log_info("Plugin %s is open.", info->name);
                else if (info->status == PLUGIN_REFUSED)
                        log_warning("Plugin %s is not loaded: %s", info->name, info->reason);
                else
                        log_message(nothing_found ? LOG_ERR : LOG_DEBUG, "Plugin %s: %s", info->name, info->reason);
        }
}

/* Logs what fails. *ret is set whenever there are plugins at all, though not those that were asked for (-ENOENT) or not one that has workers (-ENODEV). */
static int open_plugins(struct plugin_set **ret, const struct config *config, struct host *host) {
        struct plugin_set *plugins = NULL;
        int r = plugin_set_new(&plugins, config, host);
        if (plugins)
                tell_plugins(plugins, r < 0);
        *ret = plugins;
        if (r == -ENODEV)
                log_error("This host has no vhost interface that a plugin of %s can drive: nothing to do.", config->plugin_directory);
        else if (r < 0)
                log_error("Cannot open the plugins of %s: %s.", config->plugin_directory, strerror(-r));
        return r;
}

static void log_report(const char *when, const struct restore_report *report) {
        log_notice("%s: %u restored, %u already as before, %u gone, %u changed by others and left alone, %u failed.", when, report->restored,
                   report->unchanged, report->gone, report->foreign, report->failed);
}

static int restore_leftovers(struct engine *engine) {
        if (journal_n_entries(engine->journal) == 0)
                return 0;
        struct restore_report report = { 0 };
        int r = transaction_restore(&engine->actor, NULL, &report);
        log_report("An earlier iocored did not end cleanly; what it had changed was played back", &report);
        if (r < 0)
                log_warning("Not everything could be put back (%s); it stays in the journal, continuing.", strerror(-r));
        engine_scan(engine, true);
        return 0;
}

/* Once at the start: it does not change while the daemon runs. */
static void check_rights(struct engine *engine) {
        for (struct plugin_instance *const *i = plugin_set_instances(engine->plugins); *i && engine->no_rights[0] == '\0'; i++) {
                const struct iocore_plugin *plugin = (*i)->plugin;
                if (!plugin->provides || strcmp(plugin->provides, "vhost") != 0 || !plugin->unavailable)
                        continue;
                const char *why = plugin->unavailable((*i)->state, "rights");
                if (why)
                        snprintf(engine->no_rights, sizeof engine->no_rights, "%s", why);
        }
        if (engine->no_rights[0] == '\0')
                return;
        engine->mode = MODE_OBSERVE;
        log_warning("iocored can change nothing here and only observes: %s.", engine->no_rights);
}

static int open_decision_rooms(struct engine *engine) {
        struct config *config = engine->config;
        int r = planner_new(&engine->planner, &config->rules);
        if (r < 0)
                return r;
        r = decision_log_new(&engine->log, config->decision_log_size);
        if (r < 0)
                return r;
        r = trial_set_new(&engine->trials, config->trial_settle_usec, config->trial_measure_usec);
        if (r < 0)
                return r;
        struct policy_callbacks callbacks = { engine, policy_log, policy_stopped, policy_action_unavailable, policy_placement_rules };
        r = policy_set_new(&engine->policies, config->policy_directories, &config->policy_limits, config->policy_settings,
                           config->n_policy_settings, &callbacks);
        if (r < 0)
                return r;
        if (policy_set_size(engine->policies) == 0)
                log_warning("There is no policy in the policy-directories: only what clients wish is done.");
        for (size_t i = 0; i < policy_set_size(engine->policies); i++) {
                const struct policy_info *info = policy_set_info(engine->policies, i);
                if (info->state == POLICY_FAILED)
                        log_warning("Policy %s does not load and is left out: %s", info->path, info->error);
                else
                        log_info("Policy %s: %s", info->name, policy_state_to_string(info->state));
        }
        return 0;
}

int engine_new(struct engine **ret, struct config *config) {
        _cleanup_(engine_freep) struct engine *engine = calloc(1, sizeof *engine);
        if (!engine)
                return -ENOMEM;
        engine->mode = config->mode;
        engine->capabilities = (struct planner_capabilities) { engine, capability, in_progress };

        int r = open_journal(&engine->journal, config);
        if (r < 0)
                return r;
        r = open_host(&engine->host, config);
        if (r < 0)
                return r;
        r = open_plugins(&engine->plugins, config, engine->host);
        if (engine->plugins && plugin_options_check(engine->plugins, config, stderr) < 0) {
                log_error("The configuration cannot be used (%s): iocored does not start.", strerror(EINVAL));
                return -EINVAL;
        }
        if (r < 0)
                return r;
        check_rights(engine);
        r = reservation_new(&engine->reservation);
        if (r >= 0)
                r = asks_new(&engine->asks);
        if (r >= 0)
                r = wishes_new(&engine->wishes);
        if (r < 0)
                return r;
        engine->actor = (struct actor) {
                .host = engine->host,
                .journal = engine->journal,
                .plugins = plugin_set_instances(engine->plugins),
                .foreign = config->foreign_changes,
                .on_foreign = foreign_change,
                .on_refused = engine_tell_refused,
                .begin_memory = begin_memory,
                .cancel_job = cancel_job,
                .reservation = engine->reservation,
                .asks = engine->asks,
                .userdata = engine,
        };
        r = restore_leftovers(engine);
        if (r < 0)
                return r;
        r = hotplug_new(&engine->hotplug, config);
        if (r < 0)
                return r;
        engine->config = config;
        r = open_decision_rooms(engine);
        if (r < 0) {
                engine->config = NULL; /* still the caller's */
                log_error("Cannot set up planner and policies: %s.", strerror(-r));
                return r;
        }
        *ret = TAKE_PTR(engine);
        return 0;
}

struct engine *engine_free(struct engine *engine) {
        if (!engine)
                return NULL;
        sd_event_source_disable_unref(engine->timer);
        for (size_t i = 0; engine->watches && engine->watches[i]; i++)
                sd_event_source_disable_unref(engine->watches[i]);
        free(engine->watches);
        wishes_free(engine->wishes);
        engine_drop_open(engine);
        intent_list_done(&engine->intents);
        policy_set_free(engine->policies);
        trial_set_free(engine->trials);
        decision_log_free(engine->log);
        planner_free(engine->planner);
        plugin_set_free(engine->plugins);
        reservation_free(engine->reservation);
        asks_free(engine->asks);
        hotplug_free(engine->hotplug);
        host_free(engine->host);
        journal_close(engine->journal);
        config_free(engine->config);
        free(engine);
        return NULL;
}

int engine_restore(struct engine *engine, struct restore_report *ret) {
        struct restore_report report = { 0 };
        engine->host->in_haste = false; /* this is the end */
        engine_drop_open(engine);
        engine_check_hotplug(engine);
        engine_scan(engine, true);
        int r = transaction_restore(&engine->actor, NULL, &report);
        log_report("The host is put back", &report);
        if (ret)
                *ret = report;
        return r;
}

int restore_host(const struct config *config, struct restore_report *ret) {
        _cleanup_(journal_closep) struct journal *journal = NULL;
        _cleanup_(host_freep) struct host *host = NULL;
        _cleanup_(plugin_set_freep) struct plugin_set *plugins = NULL;

        *ret = (struct restore_report) { 0 };
        int r = open_journal(&journal, config);
        if (r < 0)
                return r;
        if (journal_n_entries(journal) == 0)
                return 0;
        r = open_host(&host, config);
        if (r < 0)
                return r;
        r = open_plugins(&plugins, config, host);
        if (!plugins)
                return r;
        /* Each plugin that opens puts back what it had changed; of the others it stays in the journal. */
        struct actor actor = { .host = host, .journal = journal, .plugins = plugin_set_instances(plugins) };
        r = transaction_restore(&actor, NULL, ret);
        log_report("The journal was played back", ret);
        return r;
}

/* --- the loop */

static int on_timer(sd_event_source *source, uint64_t scheduled, void *userdata) {
        struct engine *engine = userdata;
        uint64_t now = monotonic_usec();

        engine->statistics.last_late_usec = now > scheduled ? now - scheduled : 0;
        if (engine->statistics.last_late_usec > engine->statistics.worst_late_usec)
                engine->statistics.worst_late_usec = engine->statistics.last_late_usec;
        engine_epoch(engine, now);

        uint64_t epoch = engine->config->epoch_usec, after = monotonic_usec();
        engine->next_epoch_usec = scheduled + epoch;
        if (engine->next_epoch_usec <= after) {
                /* Epochs that could not begin are counted, never made up for. */
                uint64_t missed = (after - engine->next_epoch_usec) / epoch + 1;
                engine->next_epoch_usec += missed * epoch;
                if (engine->statistics.overruns == 0)
                        log_warning("An epoch began %" PRIu64 " us late and took %" PRIu64 " us, so that %" PRIu64 " of %" PRIu64
                                    " us each could not begin in time and are left out; further overruns are only counted.",
                                    engine->statistics.last_late_usec, engine->statistics.last_epoch_usec, missed, epoch);
                engine->statistics.overruns += missed;
                engine_tell(engine, "overrun", "", "an epoch took longer than configured, or began late");
        }
        int r = sd_event_source_set_time(source, engine->next_epoch_usec);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_plugin_fd(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        (void) fd;
        (void) events;
        struct plugin_instance *instance = userdata;
        int r = instance->plugin->dispatch(instance->state);
        if (r < 0) {
                log_warning("Plugin %s failed to read its events: %s; it is not watched any more, scans go on.", instance->plugin->name, strerror(-r));
                sd_event_source_set_enabled(source, SD_EVENT_OFF);
        }
        return 0;
}

static int watch_plugins(struct engine *engine, sd_event *event) {
        struct plugin_instance *const *instances = plugin_set_instances(engine->plugins);
        size_t n = 0, n_watches = 0;
        while (instances[n])
                n++;
        engine->watches = calloc(n + 1, sizeof *engine->watches);
        if (!engine->watches)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const struct iocore_plugin *plugin = instances[i]->plugin;
                int fd = plugin->watch_fd && plugin->dispatch ? plugin->watch_fd(instances[i]->state) : -ENOENT;
                if (fd < 0)
                        continue;
                int r = sd_event_add_io(event, &engine->watches[n_watches], fd, EPOLLIN, on_plugin_fd, instances[i]);
                if (r < 0)
                        return r;
                (void) sd_event_source_set_description(engine->watches[n_watches++], plugin->name);
        }
        return 0;
}

int engine_attach(struct engine *engine, sd_event *event) {
        uint64_t slack = engine->config->epoch_usec / TIMER_SLACK_DIVISOR;
        if (slack > TIMER_SLACK_MAX_USEC)
                slack = TIMER_SLACK_MAX_USEC;
        engine->next_epoch_usec = monotonic_usec();
        int r = sd_event_add_time(event, &engine->timer, CLOCK_MONOTONIC, engine->next_epoch_usec, slack, on_timer, engine);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(engine->timer, "epoch");
        return watch_plugins(engine, event);
}

/* --- configuration at run time */

#define SWAP(a, b)                    \
        do {                          \
                __typeof__(a) _a = a; \
                (a) = b;              \
                (b) = _a;             \
        } while (0)

/* What was opened with the old values keeps them. */
static void keep_what_needs_a_restart(struct config *config, struct config *old) {
        SWAP(config->root, old->root);
        SWAP(config->journal, old->journal);
        SWAP(config->bus, old->bus);
        SWAP(config->plugin_directory, old->plugin_directory);
        SWAP(config->plugins, old->plugins);
        SWAP(config->policy_directories, old->policy_directories);
        SWAP(config->topology_synthetic, old->topology_synthetic);
        SWAP(config->topology_isolated, old->topology_isolated);
        SWAP(config->topology_offline, old->topology_offline);
        SWAP(config->options, old->options);
        SWAP(config->n_options, old->n_options);
        SWAP(config->decision_log_size, old->decision_log_size);
        SWAP(config->trial_settle_usec, old->trial_settle_usec);
        SWAP(config->trial_measure_usec, old->trial_measure_usec);
}

/* A shorter epoch begins now, not when the long one that was under way ends. */
static void hasten(struct engine *engine) {
        uint64_t latest = monotonic_usec() + engine->config->epoch_usec;
        if (!engine->timer || engine->next_epoch_usec <= latest)
                return;
        engine->next_epoch_usec = latest;
        int r = sd_event_source_set_time(engine->timer, latest);
        if (r < 0)
                log_warning("The new epoch begins only with the next one: %s.", strerror(-r));
}

int engine_reload(struct engine *engine, FILE *errors) {
        if (!engine->load_config)
                return -EOPNOTSUPP;
        _cleanup_(config_freep) struct config *fresh = NULL;
        int r = engine->load_config(engine->load_config_userdata, &fresh, errors);
        if (r >= 0)
                r = plugin_options_check(engine->plugins, fresh, errors);
        if (r < 0) {
                log_error("The configuration was not reloaded (%s): the old one stays.", strerror(-r));
                engine_tell(engine, "reload-failed", "", "the configuration has errors; the old one stays");
                return r;
        }
        /* The planner holds a pointer to the rules inside: contents change places, not structures. */
        bool mode_changed = fresh->mode != engine->config->mode;
        SWAP(*fresh, *engine->config);
        keep_what_needs_a_restart(engine->config, fresh);
        engine->host->ewma_weight = engine->config->smoothing;
        engine->host->busy_threshold = engine->config->busy_threshold;
        engine->actor.foreign = engine->config->foreign_changes;
        log_set_max_level(engine->config->log_level);
        if (mode_changed)
                (void) engine_set_mode(engine, engine->config->mode, "configuration"); /* a refusal is told */
        r = policy_set_reload(engine->policies, engine->config->policy_settings, engine->config->n_policy_settings);
        if (r < 0)
                return r;
        for (size_t i = 0; i < policy_set_size(engine->policies); i++) {
                const struct policy_info *info = policy_set_info(engine->policies, i);
                if (info->error[0] != '\0')
                        log_warning("Policy %s: %s", info->name, info->error);
        }
        engine->n_quiet = 0;
        hasten(engine);
        log_notice("Configuration and policies were reloaded.");
        engine_tell(engine, "reloaded", "", "configuration and policies were reloaded");
        return 0;
}

void engine_set_loader(struct engine *engine, engine_load_config load, void *userdata) {
        engine->load_config = load;
        engine->load_config_userdata = userdata;
}

int engine_set_mode(struct engine *engine, enum mode mode, const char *source) {
        if (mode < 0 || mode >= _MODE_MAX)
                return -EINVAL;
        if (mode == engine->mode)
                return 0;
        if (engine->no_rights[0] != '\0' && mode != MODE_OBSERVE) {
                log_notice("%s asked for the mode %s, but this iocored can only observe: %s.", source, mode_to_string(mode), engine->no_rights);
                return -EPERM;
        }
        engine->mode = mode;
        if (mode == MODE_OBSERVE)
                engine_cancel_jobs_of(engine, NULL);
        log_notice("Mode is now %s, asked for by %s.", mode_to_string(mode), source);
        engine_tell(engine, "mode", mode_to_string(mode), source);
        return 0;
}

/* --- for readers */

void engine_set_listener(struct engine *engine, const struct engine_listener *listener) {
        engine->listener = listener ? *listener : (struct engine_listener) { 0 };
}

const char *engine_no_rights(const struct engine *engine) {
        return engine->no_rights[0] != '\0' ? engine->no_rights : NULL;
}
enum mode engine_mode(const struct engine *engine) {
        return engine->mode;
}
const struct host *engine_host(const struct engine *engine) {
        return engine->host;
}
const struct config *engine_config(const struct engine *engine) {
        return engine->config;
}
struct policy_set *engine_policies(struct engine *engine) {
        return engine->policies;
}
const struct decision_log *engine_decisions(const struct engine *engine) {
        return engine->log;
}
const struct plugin_set *engine_plugins(const struct engine *engine) {
        return engine->plugins;
}
const struct journal *engine_journal(const struct engine *engine) {
        return engine->journal;
}
const struct engine_statistics *engine_statistics(const struct engine *engine) {
        return &engine->statistics;
}

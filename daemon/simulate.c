/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "daemon/engine.h"
#include "log.h"
#include "plugins/sim/scenario.h"
#include "simulate.h"
#include "text.h"

#define USEC_PER_SEC 1000000.0

static int add_option(struct config *config, const char *key, const char *value) {
        struct config_option *options = reallocarray(config->options, config->n_options + 1, sizeof *options);
        if (!options)
                return -ENOMEM;
        config->options = options;
        options[config->n_options] = (struct config_option) { .plugin = strdup("sim"), .key = strdup(key), .value = strdup(value) };
        struct config_option *added = &options[config->n_options++];
        return added->plugin && added->key && added->value ? 0 : -ENOMEM;
}

static int only_plugin_sim(struct config *config) {
        char **plugins = calloc(2, sizeof *plugins);
        if (!plugins)
                return -ENOMEM;
        for (size_t i = 0; config->plugins && config->plugins[i]; i++)
                free(config->plugins[i]);
        free(config->plugins);
        config->plugins = plugins;
        return (plugins[0] = strdup("sim")) ? 0 : -ENOMEM;
}

int simulate_configure(struct config *config, const char *path, const char *directory) {
        _cleanup_(scenario_freep) struct scenario *scenario = NULL;
        char error[512], topology[256], journal[4096];

        int r = scenario_load(&scenario, path, error, sizeof error);
        if (r < 0) {
                log_error("Cannot simulate %s: %s", path, error);
                return r;
        }
        if (scenario->duration_usec == SCENARIO_NEVER) {
                log_error("Cannot simulate %s: it has no \"duration\", so it would never end.", path);
                return -EINVAL;
        }
        r = scenario_topology_string(scenario, topology, sizeof topology);
        if (r < 0)
                return r;
        int n = snprintf(journal, sizeof journal, "%s/journal", directory);
        if (n < 0 || (size_t) n >= sizeof journal)
                return -ENAMETOOLONG;
        if ((r = text_replace(&config->topology_synthetic, topology)) < 0 || (r = text_replace(&config->journal, journal)) < 0 ||
            (r = text_replace(&config->bus, "none")) < 0 || (r = only_plugin_sim(config)) < 0 || (r = add_option(config, "scenario", path)) < 0 ||
            (r = add_option(config, "pace", "virtual")) < 0)
                return r;
        return 0;
}

struct simulation {
        struct engine *engine;
        FILE *output;
        unsigned long done, refused, failed;
};

static void print_decision(void *userdata, const struct decision *decision) {
        struct simulation *simulation = userdata;
        switch (decision->verdict) {
        case VERDICT_DONE:
        case VERDICT_WOULD:
                simulation->done++;
                break;
        case VERDICT_FAILED:
                simulation->failed++;
                break;
        case VERDICT_OPEN:
                break; /* told again when it is over */
        default:
                simulation->refused++;
        }
        fprintf(simulation->output, "[%9.3f s] %4llu %-10s %-10s %-24s %s%s%s\n", (double) engine_host(simulation->engine)->now_usec / USEC_PER_SEC,
                (unsigned long long) decision->id, intent_action_to_string(decision->intent.action), verdict_to_string(decision->verdict),
                decision->intent.source, decision->text, decision->intent.reason[0] ? " Reason: " : "", decision->intent.reason);
}

static struct plugin_instance *simulated_host(const struct engine *engine) {
        for (struct plugin_instance *const *i = plugin_set_instances(engine_plugins(engine)); *i; i++)
                if ((*i)->plugin->advance && (*i)->plugin->ended)
                        return *i;
        return NULL;
}

int simulate_run(struct config *config, FILE *output) {
        _cleanup_(engine_freep) struct engine *engine = NULL;
        uint64_t epoch_usec = config->epoch_usec, now = 0;

        int r = engine_new(&engine, config);
        if (r < 0) {
                config_free(config);
                return r;
        }
        struct plugin_instance *host = simulated_host(engine);
        if (!host)
                return -ENODEV;
        struct simulation simulation = { .engine = engine, .output = output };
        engine_set_listener(engine, &(struct engine_listener) { .userdata = &simulation, .decided = print_decision, .tells_decisions = true });
        /* in its order with what policies log */
        (void) setvbuf(output, NULL, _IOLBF, 0);
        while (!host->plugin->ended(host->state)) {
                now += epoch_usec;
                r = host->plugin->advance(host->state, epoch_usec);
                if (r < 0) {
                        log_error("The simulated host stopped at %.3f s: %s.", (double) now / USEC_PER_SEC, strerror(-r));
                        return r;
                }
                engine_epoch(engine, now);
        }
        struct restore_report report;
        r = engine_restore(engine, &report);
        fprintf(output, "%.1f s of the host's time in %" PRIu64 " epochs; %lu decisions carried out, %lu refused, %lu failed; host restored: %s\n",
                (double) now / USEC_PER_SEC, engine_statistics(engine)->epochs, simulation.done, simulation.refused, simulation.failed,
                r == 0 ? "yes" : "no");
        return r;
}

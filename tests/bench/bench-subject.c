/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench-plugin.h"
#include "bench-subject.h"
#include "daemon/engine.h"
#include "daemon/log.h"

static void die(const char *what, int error) {
        fprintf(stderr, "bench: %s: %s\n", what, strerror(-error));
        exit(1);
}

/* As many VM cores as I/O cores, on two nodes. */
static void describe_topology(const struct tree *tree, char *ret, size_t size) {
        snprintf(ret, size, "pack:2 numa:1 core:%u pu:1", tree->n_workers);
}

/* The daemon's own defaults, on the tree. */
static struct config *make_config(const struct tree *tree) {
        struct config *config;
        char text[PATH_MAX + 32];

        int r = config_new(&config);
        if (r < 0)
                die("config", r);
        free(config->root);
        config->root = strdup(tree->root);
        free(config->journal);
        snprintf(text, sizeof text, "%s/journal", tree->root);
        config->journal = strdup(text);
        free(config->plugin_directory);
        config->plugin_directory = strdup(BENCH_PLUGINS);
        free(config->topology_synthetic);
        describe_topology(tree, text, sizeof text);
        config->topology_synthetic = strdup(text);
        for (char **i = config->policy_directories; i && *i; i++)
                free(*i);
        free(config->policy_directories);
        config->policy_directories = calloc(2, sizeof *config->policy_directories);
        if (!config->root || !config->journal || !config->plugin_directory || !config->topology_synthetic || !config->policy_directories)
                die("config", -ENOMEM);
        config->policy_directories[0] = strdup(BENCH_POLICIES);
        return config;
}

/* --- sampling and deriving ------------------------------------------------------------------------------------------------------------ */

static void *sampler_make(const struct tree *tree) {
        char text[PATH_MAX];
        describe_topology(tree, text, sizeof text);
        return bench_plugin_open(make_config(tree), text);
}

static void sampler_epoch(void *subject, uint64_t now_usec) {
        struct bench_plugin *sampler = subject;
        struct host *host = sampler->host;

        host_begin_epoch(host, now_usec);
        if (iocore_plugin.sample_workers(sampler->instance.state) < 0)
                die("sample_workers", -EIO);
        host_derive_workers(host);
        for (size_t i = 0; i < host->n_workers; i++)
                if (host_worker_is_busy(host, host->workers[i]))
                        (void) iocore_plugin.sample_queues(sampler->instance.state, &host->workers[i]->pub);
        host_derive(host);
}

static void sampler_free(void *subject) {
        struct bench_plugin *sampler = subject;
        /* a row that was not measured at level 1 is no row */
        for (size_t i = 0; i < sampler->host->n_queues; i++)
                if (!queue_rates_valid(sampler->host, sampler->host->queues[i]) || sampler->host->queues[i]->load <= 0)
                        die("a queue was not sampled", -EIO);
        bench_plugin_close(sampler);
}

const struct subject_kind sampler_kind = { .name = "sampler", .make = sampler_make, .epoch = sampler_epoch, .free = sampler_free };

/* --- the engine --------------------------------------------------------------------------------------------------------------------- */

static void *subject_engine_make(const struct tree *tree) {
        struct engine *engine;
        log_set_max_level(LOG_WARNING);
        int r = engine_new(&engine, make_config(tree));
        if (r < 0)
                die("engine", r);
        return engine;
}

static void subject_engine_epoch(void *subject, uint64_t now_usec) {
        engine_epoch(subject, now_usec);
}

static void subject_engine_attach(void *subject, sd_event *event) {
        int r = engine_attach(subject, event);
        if (r < 0)
                die("engine_attach", r);
}

static void subject_engine_free(void *subject) {
        engine_free(subject);
}

const struct subject_kind engine_kind = {
        .name = "engine",
        .make = subject_engine_make,
        .epoch = subject_engine_epoch,
        .attach = subject_engine_attach,
        .free = subject_engine_free,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench-plugin.h"
#include "daemon/log.h"

static void die(const char *what, int error) {
        fprintf(stderr, "bench: %s: %s\n", what, strerror(-error));
        exit(1);
}

struct bench_plugin *bench_plugin_open(struct config *config, const char *synthetic) {
        struct bench_plugin *plugin = calloc(1, sizeof *plugin);
        struct topology *topology = NULL;
        char reason[IOCORE_REASON_MAX] = "";

        if (!plugin)
                die("plugin", -ENOMEM);
        log_set_max_level(LOG_WARNING);
        plugin->config = config;
        int r = topology_new(&topology, "/", synthetic, NULL, NULL);
        if (r >= 0)
                r = host_new(&plugin->host, topology);
        if (r < 0)
                die("host", r);
        plugin->host->ewma_weight = config->smoothing;
        plugin->host->busy_threshold = config->busy_threshold;
        plugin->instance.plugin = &iocore_plugin;
        plugin->context = (struct iocore_context) { .name = iocore_plugin.name, .instance = &plugin->instance, .host = plugin->host, .config = config };
        r = iocore_plugin.open(&plugin_services, &plugin->context, &plugin->instance.state, reason, sizeof reason);
        if (r < 0)
                die(reason, r);
        return plugin;
}

void bench_plugin_close(struct bench_plugin *plugin) {
        iocore_plugin.close(plugin->instance.state);
        host_free(plugin->host);
        config_free(plugin->config);
        free(plugin);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin that this benchmark is linked with, opened with the daemon's own services on a host model of its own: no engine round it. */
#ifndef BENCH_PLUGIN_H
#define BENCH_PLUGIN_H

#include "daemon/config.h"
#include "daemon/plugin-services.h"

/* Linked in, not loaded: the same code. */
extern const struct iocore_plugin iocore_plugin;

struct bench_plugin {
        struct config *config;
        struct host *host;
        struct plugin_instance instance;
        struct iocore_context context;
};

/* `config` (the daemon's root and the plugin's options) belongs to the plugin from now on; `synthetic` as for topology_new(). Ends the program with a message when it fails. */
struct bench_plugin *bench_plugin_open(struct config *config, const char *synthetic);
void bench_plugin_close(struct bench_plugin *plugin);

#endif

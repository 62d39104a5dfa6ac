/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the daemon gives to each plugin: the services table of iocore-plugin.h, over the host model. */
#ifndef PLUGIN_SERVICES_H
#define PLUGIN_SERVICES_H

#include "daemon/act/transaction.h"
#include "daemon/config.h"
#include "daemon/host/host.h"
#include "daemon/jobs.h"
#include "daemon/notices.h"

/* One per plugin instance. All borrowed. */
struct iocore_context {
        const char *name;
        struct plugin_instance *instance; /* owner of what it adds */
        struct host *host;
        const struct config *config;
        struct notices *notices;
        struct jobs *jobs;
};

extern const struct iocore_services plugin_services;

#endif

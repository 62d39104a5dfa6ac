/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds, checks and opens plugins; gives each the services of iocore-plugin.h. */
#ifndef PLUGIN_LOADER_H
#define PLUGIN_LOADER_H

#include "daemon/act/transaction.h"
#include "daemon/config.h"
#include "daemon/host/host.h"
#include "daemon/jobs.h"
#include "daemon/notices.h"

struct plugin_set;

enum plugin_status { PLUGIN_OPEN, PLUGIN_NOT_FOR_THIS_HOST, PLUGIN_SUPERSEDED, PLUGIN_REFUSED };

struct plugin_info {
        char name[IOCORE_ID_MAX];
        const char *doc; /* NULL when it could not be loaded */
        const struct iocore_option *options; /* that it knows, valid as long as the set; NULL: it does not say */
        enum plugin_status status;
        char reason[IOCORE_REASON_MAX]; /* why it is not open */
};

/* Loads the shared objects of config->plugin_directory (those in config->plugins when given: then one that is missing or not for this host is an error), checks trust, ABI
 * and size, probes in order of rank and opens. `host` and `config` are borrowed. A plugin that cannot be loaded is told and left out.
 * Returns 0; -ENODEV: no plugin that provides "vhost" is for this host (each one's reason is in plugin_set_info(); *ret is set all the same); -ENOENT: a plugin that was asked for cannot be had. */
int plugin_set_new(struct plugin_set **ret, const struct config *config, struct host *host);
/* Loads and checks the same ones, and neither probes nor opens any: to ask what they know. 0 or -ENOMEM. */
int plugin_set_load(struct plugin_set **ret, const struct config *config);
struct plugin_set *plugin_set_free(struct plugin_set *set); /* closes, removes their objects from the model */
static inline void plugin_set_freep(struct plugin_set **set) { plugin_set_free(*set); }

/* The open ones, NULL-terminated, in order of rank. */
struct plugin_instance *const *plugin_set_instances(const struct plugin_set *set);
size_t plugin_set_size(const struct plugin_set *set);
const struct plugin_info *plugin_set_info(const struct plugin_set *set, size_t index);
/* What the plugins told since it was taken last. */
struct notices *plugin_set_notices(const struct plugin_set *set);
/* What plugins were given to do. */
struct jobs *plugin_set_jobs(const struct plugin_set *set);
/* NULL: some open plugin can do KIND ("grow" or a knob kind) to `object` (NULL: to any). Otherwise why not. */
const char *plugin_set_unavailable(const struct plugin_set *set, const char *kind, const char *object);

#endif

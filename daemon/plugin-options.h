/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the configuration says to plugins, compared with what they say that they know. */
#ifndef PLUGIN_OPTIONS_H
#define PLUGIN_OPTIONS_H

#include <stdio.h>

#include "daemon/plugin-loader.h"

/*
 * Writes to `errors`, as config_load() does ("FILE:LINE: [plugin.NAME] KEY: ..."), each key that a plugin of `plugins` does not know. The section of a plugin for which there is no file in
 * config->plugin_directory is told there, too, but is no error: the plugin may be a package of its own. Not looked at are those of plugins that are not used, could not be
 * loaded (which the loader tells), or do not say what they know.
 * Returns 0; -EINVAL: there are keys that nobody knows.
 */
int plugin_options_check(const struct plugin_set *plugins, const struct config *config, FILE *errors);

#endif

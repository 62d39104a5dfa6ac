/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "plugin-options.h"

static const struct plugin_info *find(const struct plugin_set *plugins, const char *name) {
        for (size_t i = 0; i < plugin_set_size(plugins); i++)
                if (strcmp(plugin_set_info(plugins, i)->name, name) == 0)
                        return plugin_set_info(plugins, i);
        return NULL;
}

static bool matches(const char *name, const char *key) {
        if (name[0] != '*')
                return strcmp(name, key) == 0;
        size_t length = strlen(key), tail = strlen(name + 1);
        return length > tail && strcmp(key + length - tail, name + 1) == 0;
}

static bool is_known(const struct iocore_option *options, const char *key) {
        for (const struct iocore_option *option = options; option->name; option++)
                if (matches(option->name, key))
                        return true;
        return false;
}

static bool has_file(const struct config *config, const char *name) {
        char path[PATH_MAX];
        int n = snprintf(path, sizeof path, "%s/%s.so", config->plugin_directory ?: "", name);
        return n < 0 || (size_t) n >= sizeof path || access(path, F_OK) == 0;
}

static void tell_where(const struct config_option *option, FILE *errors) {
        if (option->file)
                fprintf(errors, "%s:%u: ", option->file, option->line);
        fprintf(errors, "[plugin.%s] ", option->plugin);
}

static void tell_unknown(const struct config_option *option, const struct iocore_option *known, FILE *errors) {
        tell_where(option, errors);
        fprintf(errors, "%s: there is no such key; the plugin has ", option->key);
        if (!known->name)
                fputs("none", errors);
        for (const struct iocore_option *each = known; each->name; each++)
                fprintf(errors, "%s%s", each == known ? "" : ", ", each->name);
        fputc('\n', errors);
}

/* Was the section of this option's plugin looked at before? */
static bool is_first_of_section(const struct config *config, size_t index) {
        for (size_t i = 0; i < index; i++)
                if (strcmp(config->options[i].plugin, config->options[index].plugin) == 0)
                        return false;
        return true;
}

int plugin_options_check(const struct plugin_set *plugins, const struct config *config, FILE *errors) {
        int r = 0;
        for (size_t i = 0; i < config->n_options; i++) {
                const struct config_option *option = &config->options[i];
                const struct plugin_info *info = find(plugins, option->plugin);
                if (info && info->options && !is_known(info->options, option->key)) {
                        tell_unknown(option, info->options, errors);
                        r = -EINVAL;
                }
                if (!info && is_first_of_section(config, i) && !has_file(config, option->plugin)) {
                        tell_where(option, errors);
                        fprintf(errors, "there is no such plugin in %s: the section means nothing\n", config->plugin_directory ?: "any directory");
                }
        }
        return r;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* iocored.conf from any bytes: it loads, or every complaint is one line that names file and line. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Once a configuration is accepted these hold, whatever was in the file. */
static void check_accepted(const struct config *config) {
        const struct planner_rules *rules = &config->rules;
        if (config->epoch_usec < 10000 || config->epoch_usec > 60000000 || config->trial_measure_usec < 10000)
                abort();
        if (!(config->smoothing >= 0.01 && config->smoothing <= 1) || !(config->busy_threshold >= 0 && config->busy_threshold <= 1))
                abort();
        if (!config->root || config->root[0] != '/' || !config->journal || config->journal[0] != '/' || !config->bus)
                abort();
        if (!mode_to_string(config->mode) || config->decision_log_size < 16)
                abort();
        if (hwloc_bitmap_weight(rules->reserved_cpus) < 0 || hwloc_bitmap_weight(rules->banned_cpus) < 0)
                abort();
        if ((rules->max_cores > 0 && rules->min_cores > rules->max_cores) ||
            (rules->max_cores_per_node > 0 && rules->min_cores_per_node > rules->max_cores_per_node))
                abort();
        for (size_t i = 0; i < config->n_policy_settings; i++)
                if (!*config->policy_settings[i].policy || !*config->policy_settings[i].parameter)
                        abort();
        for (size_t i = 0; i < config->n_options; i++)
                if (!config_option(config, config->options[i].plugin, config->options[i].key))
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct config *config = NULL;
        char *told = NULL;
        size_t told_size = 0;
        if (size == 0)
                return 0;
        FILE *file = fmemopen((void *) data, size, "r"), *errors = open_memstream(&told, &told_size);
        if (!file || !errors)
                abort();
        int r = config_load_file(&config, file, "fuzz.conf", errors);
        fclose(file);
        fclose(errors);
        if ((r == 0) != (config != NULL) || (r == -EINVAL) != (told_size > 0))
                abort();
        if (r == -EINVAL && (strncmp(told, "fuzz.conf:", 10) != 0 || told[strlen(told) - 1] != '\n'))
                abort();
        if (config)
                check_accepted(config);
        config_free(config);
        free(told);
        return 0;
}

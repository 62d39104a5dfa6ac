/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iocored.conf and its drop-ins (libinih): one table of keys, each with its parser; every error names file and line.
 * Not to be confused with autoconf's generated config header, which is called build-config.h here.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/act/transaction.h"
#include "daemon/plan/planner.h"
#include "daemon/policy/policy-set.h"

enum mode { MODE_ACTIVE, MODE_OBSERVE, MODE_PAUSED, _MODE_MAX, _MODE_INVALID = -1 };
const char *mode_to_string(enum mode mode);
enum mode mode_from_string(const char *string);

struct config_option { /* [plugin.NAME] KEY = VALUE */
        char *plugin, *key, *value;
        char *file; /* where it was given last; NULL: in no file */
        unsigned line;
};

struct config {
        /* [daemon] */
        uint64_t epoch_usec;          /* epoch: 10ms .. 60s */
        enum mode mode;
        char *root;                   /* root: where /proc, /sys and /run are; "/" */
        char *journal;                /* journal: path below /run, not moved by root */
        char *bus;                    /* bus: system, user, none, or a D-Bus address */
        char *plugin_directory;
        char **plugins;               /* plugins: names, NULL-terminated; NULL = every one whose probe says yes */
        char **policy_directories;
        double busy_threshold;        /* busy-threshold: worker load from which its queues are read each epoch */
        double smoothing;             /* smoothing: EWMA weight of the newest epoch */
        uint64_t scan_usec;           /* scan-interval */
        uint64_t full_sample_usec;    /* full-sample-interval: level 2 */
        enum foreign_policy foreign_changes; /* foreign-changes: manual, adopt, contest */
        size_t decision_log_size;
        uint64_t trial_settle_usec, trial_measure_usec;
        int log_level;
        /* [topology] */
        char *topology_synthetic, *topology_isolated, *topology_offline;
        /* [cores] [units] [bans] */
        struct planner_rules rules;
        uint64_t idle_core_usec; /* idle-core-after; 0: never told */
        /* [policy] limits; [policy.NAME] parameters */
        struct policy_limits policy_limits;
        struct policy_setting *policy_settings; /* members owned by this array */
        size_t n_policy_settings;
        /* [plugin.NAME] */
        struct config_option *options;
        size_t n_options;
};

/* Defaults only. 0 or -ENOMEM. */
int config_new(struct config **ret);
struct config *config_free(struct config *config);
static inline void config_freep(struct config **config) { config_free(*config); }

/*
 * Reads `path` (NULL: SYSCONFDIR/iocored.conf; then a missing file is fine) and, sorted by name, PATH.d/ *.conf; for the default path also the drop-ins of
 * /run/iocored/iocored.conf.d and /usr/lib/iocored/iocored.conf.d, where a later directory's file of the same name replaces the earlier one (usr < run < etc) and an empty file or link to /dev/null masks it.
 * A key that is given again replaces the earlier one; a list goes on instead, and an empty assignment empties it.
 * Each error is printed to `errors` as "FILE:LINE: [SECTION] KEY: what is wrong" and reading goes on, so that all are told at once.
 * Returns 0; -EINVAL: there were errors, *ret is not set; -errno: cannot be read.
 */
int config_load(struct config **ret, const char *path, FILE *errors);
/* The same with other places: `path` must exist unless `optional`; `directories` (NULL-terminated, later ones win) hold the drop-ins. */
int config_load_from(struct config **ret, const char *path, bool optional, const char *const *directories, FILE *errors);
/* Reads one open file into a configuration of defaults; `name` is for messages. For fuzzers and tests. */
int config_load_file(struct config **ret, FILE *file, const char *name, FILE *errors);

/* The table of keys, for tests and documents: its `index`th key. False beyond the end. */
struct config_key_info {
        const char *section, *key;
        const char *fallback; /* default, as it would be written */
        const char *doc;
};
bool config_key_info(size_t index, struct config_key_info *ret);

/* NULL when not given. */
const char *config_option(const struct config *config, const char *plugin, const char *key);
/* Parses "100ms", "2s", "1min", "500us", "1h"; a bare number is seconds. 0; -EINVAL; -ERANGE: more than 2^53 us. */
int parse_duration(const char *string, uint64_t *ret_usec);

#endif

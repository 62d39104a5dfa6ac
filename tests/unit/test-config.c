/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* iocored.conf: values, errors with file and line, drop-ins; and that documents and table agree. */
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/cleanup.h"
#include "daemon/config.h"

/* Loads `text`; what was told is in *ret_told, which the caller frees. */
static int load_size(struct config **ret, const char *text, size_t length, char **ret_told) {
        size_t size;
        FILE *file = fmemopen((char *) text, length, "r"), *errors = open_memstream(ret_told, &size);
        assert_non_null(file);
        assert_non_null(errors);
        int r = config_load_file(ret, file, "test.conf", errors);
        fclose(file);
        fclose(errors);
        return r;
}

static struct config *load(const char *text) {
        struct config *config = NULL;
        _cleanup_free_ char *told = NULL;
        int r = load_size(&config, text, strlen(text), &told);
        if (r < 0)
                print_error("%s", told);
        assert_int_equal(r, 0);
        assert_string_equal(told, "");
        return config;
}

static void assert_told(const char *text, const char *wanted) {
        struct config *config = NULL;
        _cleanup_free_ char *told = NULL;
        int r = load_size(&config, text, strlen(text), &told);
        assert_null(config);
        assert_int_equal(r, -EINVAL);
        assert_string_equal(told, wanted);
}

static void the_defaults_are_those_of_the_manual(void **state) {
        (void) state;
        _cleanup_(config_freep) struct config *config = NULL;
        assert_int_equal(config_new(&config), 0);
        assert_int_equal(config->epoch_usec, 100000);
        assert_int_equal(config->mode, MODE_ACTIVE);
        assert_string_equal(config->root, "/");
        assert_string_equal(config->journal, "/run/iocored/journal");
        assert_string_equal(config->bus, "system");
        assert_string_equal(config->plugin_directory, PLUGINDIR);
        assert_null(config->plugins);
        assert_string_equal(config->policy_directories[0], PKGDATADIR "/policies.d");
        assert_string_equal(config->policy_directories[1], "/run/iocored/policies.d");
        assert_string_equal(config->policy_directories[2], SYSCONFDIR "/iocored/policies.d");
        assert_null(config->policy_directories[3]);
        assert_true(config->busy_threshold == 0.02 && config->smoothing == 0.3);
        assert_int_equal(config->scan_usec, 1000000);
        assert_int_equal(config->full_sample_usec, 10000000);
        assert_int_equal(config->foreign_changes, FOREIGN_MANUAL);
        assert_int_equal(config->decision_log_size, 1024);
        assert_int_equal(config->trial_settle_usec, 500000);
        assert_int_equal(config->trial_measure_usec, 1000000);
        assert_int_equal(config->log_level, LOG_INFO);
        assert_null(config->topology_synthetic);
        assert_null(config->topology_isolated);
        assert_null(config->topology_offline);
        assert_int_equal(config->rules.min_cores + config->rules.max_cores, 0);
        assert_int_equal(config->rules.min_cores_per_node + config->rules.max_cores_per_node, 0);
        assert_int_equal(hwloc_bitmap_weight(config->rules.reserved_cpus), 0);
        assert_int_equal(hwloc_bitmap_weight(config->rules.banned_cpus), 0);
        assert_false(config->rules.use_isolated);
        assert_true(config->rules.whole_physical_cores);
        assert_int_equal(config->rules.hold_usec, 2000000);
        assert_int_equal(config->rules.cool_down_usec, 1000000);
        assert_int_equal(config->idle_core_usec, 60000000);
        assert_int_equal(config->rules.max_devices_per_worker, 0);
        assert_int_equal(config->rules.max_moves_per_epoch, 16);
        assert_int_equal(config->rules.share_within, SHARE_ANY);
        assert_null(config->rules.banned_units);
        assert_null(config->rules.banned_domains);
        assert_int_equal(config->policy_limits.instructions_per_event, 1000000);
        assert_int_equal(config->policy_limits.memory_bytes, 4 << 20);
        assert_int_equal(config->policy_limits.intents_per_epoch, 1024);
        assert_int_equal(config->n_policy_settings + config->n_options, 0);
}

static void every_key_sets_its_member(void **state) {
        (void) state;
        _cleanup_(config_freep) struct config *config = load("[daemon]\nepoch=20ms\nmode=observe\nroot=/r\njournal=/j\nbus=unix:path=/tmp/bus\nplugin-directory=/p\n"
                                                              "plugins=sim cpu\npolicy-directories=/a /b\nbusy-threshold=0.5\nsmoothing=1\nscan-interval=2s\n"
                                                              "full-sample-interval=1min\nforeign-changes=contest\ndecision-log-size=16\ntrial-settle=0\ntrial-measure=3\n"
                                                              "log-level=debug\n"
                                                              "[topology]\nsynthetic=numa:2 core:4 pu:1\nisolated=1\noffline=2-3\n"
                                                              "[cores]\nmin=1\nmax=8\nmin-per-node=1\nmax-per-node=4\nreserved=0,9\nuse-isolated=yes\nwhole-physical-cores=no\nidle-core-after=5s\n"
                                                              "hold=1500us\ncool-down=0.5s\n"
                                                              "[units]\nmax-devices-per-worker=7\nmax-moves-per-epoch=0\nshare-within=domain\n"
                                                              "[bans]\nunits=d.1 d.2*\ndomains=db-?\ncpus=4-5\n"
                                                              "[policy]\ninstructions=5000\nmemory=64K\nintents=3\n"
                                                              "[policy.dynamic-cores]\nenabled=no\n[plugin.sim]\nscenario = /x y.json\n");
        assert_int_equal(config->epoch_usec, 20000);
        assert_int_equal(config->mode, MODE_OBSERVE);
        assert_string_equal(config->root, "/r");
        assert_string_equal(config->journal, "/j");
        assert_string_equal(config->bus, "unix:path=/tmp/bus");
        assert_string_equal(config->plugin_directory, "/p");
        assert_string_equal(config->plugins[0], "sim");
        assert_string_equal(config->plugins[1], "cpu");
        assert_null(config->plugins[2]);
        assert_string_equal(config->policy_directories[0], "/a");
        assert_string_equal(config->policy_directories[1], "/b");
        assert_null(config->policy_directories[2]);
        assert_true(config->busy_threshold == 0.5 && config->smoothing == 1);
        assert_int_equal(config->scan_usec, 2000000);
        assert_int_equal(config->full_sample_usec, 60000000);
        assert_int_equal(config->foreign_changes, FOREIGN_CONTEST);
        assert_int_equal(config->decision_log_size, 16);
        assert_int_equal(config->trial_settle_usec, 0);
        assert_int_equal(config->trial_measure_usec, 3000000);
        assert_int_equal(config->log_level, LOG_DEBUG);
        assert_string_equal(config->topology_synthetic, "numa:2 core:4 pu:1");
        assert_string_equal(config->topology_isolated, "1");
        assert_string_equal(config->topology_offline, "2-3");
        assert_int_equal(config->rules.min_cores, 1);
        assert_int_equal(config->rules.max_cores, 8);
        assert_int_equal(config->rules.min_cores_per_node, 1);
        assert_int_equal(config->rules.max_cores_per_node, 4);
        assert_int_equal(hwloc_bitmap_weight(config->rules.reserved_cpus), 2);
        assert_true(hwloc_bitmap_isset(config->rules.reserved_cpus, 9));
        assert_true(config->rules.use_isolated);
        assert_false(config->rules.whole_physical_cores);
        assert_int_equal(config->rules.hold_usec, 1500);
        assert_int_equal(config->rules.cool_down_usec, 500000);
        assert_int_equal(config->idle_core_usec, 5000000);
        assert_int_equal(config->rules.max_devices_per_worker, 7);
        assert_int_equal(config->rules.max_moves_per_epoch, 0);
        assert_int_equal(config->rules.share_within, SHARE_DOMAIN);
        assert_string_equal(config->rules.banned_units[1], "d.2*");
        assert_string_equal(config->rules.banned_domains[0], "db-?");
        assert_null(config->rules.banned_domains[1]);
        assert_true(hwloc_bitmap_isset(config->rules.banned_cpus, 5));
        assert_int_equal(config->policy_limits.instructions_per_event, 5000);
        assert_int_equal(config->policy_limits.memory_bytes, 65536);
        assert_int_equal(config->policy_limits.intents_per_epoch, 3);
        assert_int_equal(config->n_policy_settings, 1);
        assert_string_equal(config->policy_settings[0].policy, "dynamic-cores");
        assert_string_equal(config->policy_settings[0].parameter, "enabled");
        assert_string_equal(config->policy_settings[0].value, "no");
        assert_string_equal(config_option(config, "sim", "scenario"), "/x y.json");
        assert_null(config_option(config, "sim", "seed"));
        assert_null(config_option(config, "cpu", "scenario"));
}

static void a_later_value_replaces_and_a_list_goes_on(void **state) {
        (void) state;
        _cleanup_(config_freep) struct config *config =
                load("[daemon]\nepoch=20ms\nepoch=30ms\npolicy-directories=/a\npolicy-directories=/b\nplugins=sim\nplugins=\n"
                     "[cores]\nreserved=0-1\nreserved=4\n[bans]\nunits=d.1\nunits=\nunits=d.2\ncpus=1\ncpus=\n[topology]\nisolated=1\nisolated=3\n"
                     "[policy.a]\nx=1\nx=2\n[plugin.p]\nk=1\nk=2\n");
        assert_int_equal(config->epoch_usec, 30000);
        assert_string_equal(config->policy_directories[0], "/a");
        assert_string_equal(config->policy_directories[1], "/b");
        assert_null(config->policy_directories[2]);
        assert_null(config->plugins);
        assert_int_equal(hwloc_bitmap_weight(config->rules.reserved_cpus), 3);
        assert_string_equal(config->rules.banned_units[0], "d.2");
        assert_null(config->rules.banned_units[1]);
        assert_int_equal(hwloc_bitmap_weight(config->rules.banned_cpus), 0);
        assert_string_equal(config->topology_isolated, "1,3");
        assert_int_equal(config->n_policy_settings, 1);
        assert_string_equal(config->policy_settings[0].value, "2");
        assert_string_equal(config_option(config, "p", "k"), "2");
}

static void comments_blanks_and_indents_mean_nothing(void **state) {
        (void) state;
        _cleanup_(config_freep) struct config *config = load("\xEF\xBB\xBF# first\n\n; second\n  [daemon]  \r\n\tepoch = 20ms ; why\r\n   mode: observe\n   \n[cores]\n[bans]\n"
                                                              "\tunits = a\n\tdomains = b");
        assert_int_equal(config->epoch_usec, 20000);
        assert_int_equal(config->mode, MODE_OBSERVE);
        assert_string_equal(config->rules.banned_units[0], "a");
        assert_null(config->rules.banned_units[1]);
        assert_string_equal(config->rules.banned_domains[0], "b");
}

static void every_error_is_told_with_file_and_line(void **state) {
        (void) state;
        assert_told("epoch=1s\n[daemon]\n\nepoch=fast\nepoh=1s\nnonsense\n[demon]\nepoch=3\n\n[cores\nmin=1\n[cores]\nmin=-1\nmax=1.5\n",
                    "test.conf:1: stands before the first [SECTION]\n"
                    "test.conf:4: [daemon] epoch: \"fast\" is not a time; write a number and us, ms, s, min or h (\"100ms\")\n"
                    "test.conf:5: [daemon] epoh: there is no such key\n"
                    "test.conf:6: is neither [SECTION] nor KEY=VALUE nor a comment\n"
                    "test.conf:7: [demon] there is no such section\n"
                    "test.conf:10: the ] is missing\n"
                    "test.conf:13: [cores] min: \"-1\" is not a whole number\n"
                    "test.conf:14: [cores] max: \"1.5\" is not a whole number\n");
}

static void values_out_of_range_or_kind_are_errors(void **state) {
        (void) state;
        static const char *const cases[][2] = {
                { "[daemon]\nepoch=9ms\n", "epoch: 9ms is not within 10ms and 1min" },
                { "[daemon]\nepoch=61s\n", "epoch: 61s is not within 10ms and 1min" },
                { "[daemon]\nepoch=99999999999999999999h\n", "epoch: 99999999999999999999h is not within 10ms and 1min" },
                { "[daemon]\nepoch=\n", "epoch: \"\" is not a time; write a number and us, ms, s, min or h (\"100ms\")" },
                { "[daemon]\nmode=on\n", "mode: \"on\" is none of active, observe, paused" },
                { "[daemon]\nroot=etc\n", "root: \"etc\" is not an absolute path" },
                { "[daemon]\npolicy-directories=/a b\n", "policy-directories: \"b\" is not an absolute path" },
                { "[daemon]\nbus=session\n", "bus: \"session\" is none of system, user, none, or a D-Bus address" },
                { "[daemon]\nbusy-threshold=1.01\n", "busy-threshold: 1.01 is not within 0 and 1" },
                { "[daemon]\nsmoothing=0\n", "smoothing: 0 is not within 0.01 and 1" },
                { "[daemon]\nsmoothing=nan\n", "smoothing: \"nan\" is not a number" },
                { "[daemon]\nsmoothing=1e-1\n", "smoothing: \"1e-1\" is not a number" },
                { "[daemon]\ndecision-log-size=0\n", "decision-log-size: 0 is not within 16 and 1000000" },
                { "[cores]\nreserved=1-\n", "reserved: \"1-\" is not a CPU list; write numbers and ranges with commas (\"0-3,8\")" },
                { "[cores]\nreserved=7-3\n", "reserved: \"7-3\": a CPU number is too large or a range runs backwards" },
                { "[topology]\nisolated=x\n", "isolated: \"x\" is not a CPU list; write numbers and ranges with commas (\"0-3,8\")" },
                { "[cores]\nuse-isolated=maybe\n", "use-isolated: \"maybe\" is neither yes nor no" },
                { "[cores]\nmax=65536\n", "max: 65536 is not within 0 and 65535" },
                { "[policy]\nmemory=1T\n", "memory: \"1T\" is not a whole number of bytes (K, M or G may follow)" },
                { "[policy]\nmemory=1K\n", "memory: 1K is not within 65536 and 1073741824" },
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char wanted[256];
                snprintf(wanted, sizeof wanted, "test.conf:2: %.*s %s\n", (int) strcspn(cases[i][0], "\n"), cases[i][0], cases[i][1]);
                assert_told(cases[i][0], wanted);
        }
}

static void limits_may_not_contradict_each_other(void **state) {
        (void) state;
        assert_told("[cores]\nmax=2\n\nmin=3\n", "test.conf:2: [cores] max: min=3 is more than max=2\n");
        assert_told("[cores]\nmin-per-node=3\nmax-per-node=2\n", "test.conf:3: [cores] max-per-node: min-per-node=3 is more than max-per-node=2\n");
        config_free(load("[cores]\nmin=3\nmax=0\n"));
        config_free(load("[cores]\nmin=3\nmax=3\n"));
}

static void what_libinih_would_cut_is_an_error(void **state) {
        (void) state;
        char text[512], *end = stpcpy(text, "[bans]\nunits=");
        memset(end, 'x', 300);
        static const char rest[] = "\ndomains=a\n";
        memcpy(end + 300, rest, sizeof rest);
        assert_told(text, "test.conf:2: is too long; give a list in several assignments\n");
        assert_told("[plugin.a-name-that-is-longer-than-what-libinih-keeps-of-it]\nkey=1\n", "test.conf:1: the name of the section is too long\n");
        assert_told("[policy.]\nx=1\n", "test.conf:1: [policy.] is not the name of a policy\n");
        assert_told("[plugin.a/b]\n", "test.conf:1: [plugin.a/b] is not the name of a plugin\n");
        assert_told("[policy.p]\n=1\n", "test.conf:2: [policy.p] a key is missing before the =\n");

        struct config *config = NULL;
        _cleanup_free_ char *told = NULL;
        assert_int_equal(load_size(&config, "[daemon]\nepoch=1s\0x\n", 20, &told), -EINVAL);
        assert_string_equal(told, "test.conf:2: holds a NUL byte\n");
}

static void durations_have_units(void **state) {
        (void) state;
        static const struct {
                const char *text;
                int result;
                uint64_t usec;
        } cases[] = {
                { "100ms", 0, 100000 }, { "2s", 0, 2000000 }, { "1min", 0, 60000000 }, { "500us", 0, 500 },   { "1h", 0, 3600000000 }, { "3", 0, 3000000 },
                { "0.25", 0, 250000 },  { "1.5 s", 0, 1500000 }, { "0", 0, 0 },        { "", -EINVAL, 0 },    { "s", -EINVAL, 0 },     { "-1s", -EINVAL, 0 },
                { "1 day", -EINVAL, 0 }, { "1s2", -EINVAL, 0 },  { "1..2s", -EINVAL, 0 }, { ".", -EINVAL, 0 }, { "0x10", -EINVAL, 0 },  { "inf", -EINVAL, 0 },
                { "99999999999999999h", -ERANGE, 0 },
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t usec = 12345;
                assert_int_equal(parse_duration(cases[i].text, &usec), cases[i].result);
                assert_int_equal(usec, cases[i].result == 0 ? cases[i].usec : 12345);
        }
        assert_int_equal(mode_from_string("observe"), MODE_OBSERVE);
        assert_int_equal(mode_from_string("x"), _MODE_INVALID);
        assert_string_equal(mode_to_string(MODE_PAUSED), "paused");
        assert_null(mode_to_string(_MODE_INVALID));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) st, (void) type, (void) ftw;
        return remove(path);
}

static void put(const char *root, const char *name, const char *text) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", root, name);
        _cleanup_fclose_ FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
}

static int load_path(struct config **ret, const char *path, bool optional, const char *const *directories, char **ret_told) {
        size_t size;
        FILE *errors = open_memstream(ret_told, &size);
        assert_non_null(errors);
        int r = directories ? config_load_from(ret, path, optional, directories, errors) : config_load(ret, path, errors);
        fclose(errors);
        return r;
}

static void drop_ins_are_sorted_replaced_and_masked(void **state) {
        (void) state;
        char root[] = "/tmp/test-config.XXXXXX", path[PATH_MAX], usr[PATH_MAX], etc[PATH_MAX], missing[PATH_MAX];
        assert_non_null(mkdtemp(root));
        snprintf(path, sizeof path, "%s/iocored.conf", root);
        snprintf(usr, sizeof usr, "%s/usr", root);
        snprintf(etc, sizeof etc, "%s/iocored.conf.d", root);
        snprintf(missing, sizeof missing, "%s/missing", root);
        assert_int_equal(mkdir(usr, 0755), 0);
        assert_int_equal(mkdir(etc, 0755), 0);
        put(root, "iocored.conf", "[daemon]\nepoch=20ms\n[cores]\nmin=1\n");
        put(usr, "10-a.conf", "[cores]\nmin=2\nmax=9\n");
        put(usr, "20-b.conf", "[cores]\nmax-per-node=1\n");
        put(usr, "30-c.conf", "[units]\nmax-moves-per-epoch=1\n");
        put(usr, "40-d.conf", "[units]\nmax-devices-per-worker=1\n");
        put(etc, "20-b.conf", "[cores]\nmax-per-node=5\n");
        put(etc, "30-c.conf", "");
        put(etc, "05-first.conf", "[cores]\nmax=7\n");
        put(etc, "ignored.txt", "nonsense");
        put(etc, ".hidden.conf", "nonsense");
        char masked[PATH_MAX + 16];
        snprintf(masked, sizeof masked, "%s/40-d.conf", etc);
        assert_int_equal(symlink("/dev/null", masked), 0);

        const char *const directories[] = { missing, usr, etc, NULL };
        struct config *config = NULL;
        char *told = NULL;
        assert_int_equal(load_path(&config, path, false, directories, &told), 0);
        assert_string_equal(told, "");
        assert_int_equal(config->epoch_usec, 20000);
        assert_int_equal(config->rules.min_cores, 2);
        assert_int_equal(config->rules.max_cores, 9); /* 10-a comes after 05-first, whatever their directories */
        assert_int_equal(config->rules.max_cores_per_node, 5);
        assert_int_equal(config->rules.max_moves_per_epoch, 16);
        assert_int_equal(config->rules.max_devices_per_worker, 0);
        config = config_free(config);
        free(told);

        /* an explicit path: its own drop-ins only */
        assert_int_equal(load_path(&config, path, false, NULL, &told), 0);
        assert_int_equal(config->rules.min_cores, 1);
        assert_int_equal(config->rules.max_cores, 7);
        config = config_free(config);
        free(told);

        /* errors name the file that they are in */
        put(etc, "50-bad.conf", "[cores]\nmin=8\n\nmax=six\n");
        char wanted[3 * PATH_MAX];
        snprintf(wanted, sizeof wanted, "%s/50-bad.conf:4: [cores] max: \"six\" is not a whole number\n", etc);
        assert_int_equal(load_path(&config, path, false, NULL, &told), -EINVAL);
        assert_string_equal(told, wanted);
        free(told);
        put(etc, "50-bad.conf", "[cores]\nmin=8\n");
        snprintf(wanted, sizeof wanted, "%s/05-first.conf:2: [cores] max: min=8 is more than max=7\n", etc);
        assert_int_equal(load_path(&config, path, false, NULL, &told), -EINVAL);
        assert_string_equal(told, wanted);
        free(told);

        assert_int_equal(load_path(&config, missing, false, directories, &told), -ENOENT);
        snprintf(wanted, sizeof wanted, "%s: No such file or directory\n", missing);
        assert_string_equal(told, wanted);
        free(told);
        const char *const none[] = { missing, NULL };
        assert_int_equal(load_path(&config, missing, true, none, &told), 0);
        config = config_free(config);
        free(told);
        assert_int_equal(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static char *slurp(const char *path) {
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        char *text = NULL;
        size_t size = 0;
        if (!file)
                print_error("%s: %s\n", path, strerror(errno));
        assert_non_null(file);
        assert_true(getdelim(&text, &size, '\0', file) > 0);
        return text;
}

/* The example, with each "#KEY=VALUE" uncommented, is the defaults. */
static void the_example_holds_every_key_with_its_default(void **state) {
        (void) state;
        _cleanup_free_ char *text = slurp(BUILD_DIR "/daemon/iocored.conf");
        struct config_key_info info;
        char section[64] = "";
        size_t n = 0;
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
                char wanted[512];
                if (sscanf(line, "[%63[^]]]", section) == 1)
                        continue;
                if (line[0] != '#' || line[1] == ' ' || line[1] == '\0')
                        continue;
                if (strncmp(section, "policy.", 7) == 0 || strncmp(section, "plugin.", 7) == 0)
                        continue;
                assert_true(config_key_info(n++, &info)); /* in the table's order */
                assert_string_equal(section, info.section);
                snprintf(wanted, sizeof wanted, "#%s=%s", info.key, info.fallback);
                assert_string_equal(line, wanted);
        }
        assert_false(config_key_info(n, &info));
        assert_true(n > 30);
        struct config *config = NULL;
        _cleanup_free_ char *told = NULL;
        assert_int_equal(load_path(&config, BUILD_DIR "/daemon/iocored.conf", false, NULL, &told), 0);
        config_free(config);
}

/* Each key has a paragraph in the manual, and its default is in it. */
static void the_manual_has_every_key_with_its_default(void **state) {
        (void) state;
        _cleanup_free_ char *manual = slurp(SOURCE_DIR "/man/iocored.conf.5");
        struct config_key_info info;
        const char *from = manual;
        for (size_t i = 0; config_key_info(i, &info); i++) {
                char item[128], fallback[128];
                assert_true(info.doc && *info.doc);
                snprintf(item, sizeof item, "\n.It Ic %s ", info.key);
                const char *paragraph = strstr(from, item);
                if (!paragraph) {
                        fail_msg("no paragraph of [%s] %s", info.section, info.key);
                        return;
                }
                from = paragraph + strlen(item);
                /* what depends on where it was installed is said in words */
                if (info.fallback[0] == '\0' || strchr(info.fallback, '/'))
                        continue;
                snprintf(fallback, sizeof fallback, "Default: %s.\n", info.fallback);
                const char *found = strstr(from, fallback), *next = strstr(from, "\n.It Ic ");
                if (!found || (next && found > next))
                        print_error("[%s] %s: the default %s is not told\n", info.section, info.key, info.fallback);
                assert_true(found && (!next || found < next));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_defaults_are_those_of_the_manual),
                cmocka_unit_test(every_key_sets_its_member),
                cmocka_unit_test(a_later_value_replaces_and_a_list_goes_on),
                cmocka_unit_test(comments_blanks_and_indents_mean_nothing),
                cmocka_unit_test(every_error_is_told_with_file_and_line),
                cmocka_unit_test(values_out_of_range_or_kind_are_errors),
                cmocka_unit_test(limits_may_not_contradict_each_other),
                cmocka_unit_test(what_libinih_would_cut_is_an_error),
                cmocka_unit_test(durations_have_units),
                cmocka_unit_test(drop_ins_are_sorted_replaced_and_masked),
                cmocka_unit_test(the_example_holds_every_key_with_its_default),
                cmocka_unit_test(the_manual_has_every_key_with_its_default),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

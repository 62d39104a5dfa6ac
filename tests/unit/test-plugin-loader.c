/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Real shared objects: the sample plugin, built by its own Makefile with nothing of the tree but what pkg-config names, and variants of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "daemon/log.h"
#include "daemon/plugin-loader.h"
#include "daemon/plugin-options.h"

struct fixture {
        char directory[64]; /* of everything */
        char plugins[80];
        struct config config;
        struct host *host;
};

__attribute__((format(printf, 1, 2))) static void run(const char *format, ...) {
        char command[2048];
        va_list arguments;
        va_start(arguments, format);
        int n = vsnprintf(command, sizeof command, format, arguments);
        va_end(arguments);
        assert_true(n > 0 && (size_t) n < sizeof command);
        int status = system(command);
        if (status != 0)
                print_error("failed: %s\n", command);
        assert_int_equal(status, 0);
}

/* As its README says: copied out of the tree, pkg-config, make. */
static int build_sample(void **state) {
        char *directory = strdup("/tmp/test-plugin-loader.XXXXXX");
        if (!directory || !mkdtemp(directory))
                return -1;
        log_set_max_level(LOG_CRIT);
        run("cp '%s'/plugins/sample/sample.c '%s'/plugins/sample/Makefile '%s' && chmod u+w '%s'/*", SOURCE_DIR, SOURCE_DIR, directory, directory);
        run("PKG_CONFIG_PATH='%s/plugins' make -C '%s' -s PKG_CONFIG='pkg-config --define-variable=includedir=%s/plugins' >/dev/null", BUILD_DIR,
            directory, SOURCE_DIR);
        *state = directory;
        return 0;
}

static int remove_sample(void **state) {
        run("rm -rf '%s'", (char *) *state);
        free(*state);
        return 0;
}

static struct fixture *fixture_new(const char *sample) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        struct topology *topology = NULL;
        snprintf(fixture->directory, sizeof fixture->directory, "%s/case.XXXXXX", sample);
        assert_non_null(mkdtemp(fixture->directory));
        snprintf(fixture->plugins, sizeof fixture->plugins, "%s/plugins", fixture->directory);
        run("mkdir -m 755 '%s' '%s/units' && echo any > '%s/units/s.1' && echo any > '%s/units/s.2' && : > '%s/units/other'", fixture->plugins,
            fixture->directory, fixture->directory, fixture->directory, fixture->directory);
        assert_int_equal(topology_new(&topology, "/", "pack:1 numa:1 core:4 pu:1", NULL, NULL), 0);
        assert_int_equal(host_new(&fixture->host, topology), 0);
        char path[96];
        snprintf(path, sizeof path, "%s/units", fixture->directory);
        fixture->config.root = (char *) "/";
        fixture->config.plugin_directory = fixture->plugins;
        fixture->config.options = calloc(1, sizeof *fixture->config.options);
        fixture->config.options[0] = (struct config_option) { .plugin = (char *) "sample", .key = (char *) "directory", .value = strdup(path) };
        fixture->config.n_options = 1;
        return fixture;
}

static void fixture_free(struct fixture *fixture) {
        assert_int_equal(fixture->host->n_units, 0); /* a plugin leaves nothing behind in the model */
        host_free(fixture->host);
        free(fixture->config.options[0].value);
        free(fixture->config.options);
        free(fixture);
}

/* Installs a variant: the sample with its text changed by a sed script. */
static void install(const struct fixture *fixture, const char *sample, const char *name, const char *script) {
        run("cd '%s' && sed '%s' sample.c > variant.c && "
            "${CC:-cc} -std=gnu17 -fPIC -shared -fvisibility=hidden -I'%s/plugins' variant.c -o '%s/%s.so' && chmod 644 '%s/%s.so'",
            sample, script, SOURCE_DIR, fixture->plugins, name, fixture->plugins, name);
}

static void install_sample(const struct fixture *fixture, const char *sample) {
        run("cp '%s/sample.so' '%s' && chmod 644 '%s/sample.so'", sample, fixture->plugins, fixture->plugins);
}

static struct plugin_set *load(struct fixture *fixture, int expected) {
        struct plugin_set *set = NULL;
        assert_int_equal(plugin_set_new(&set, &fixture->config, fixture->host), expected);
        assert_non_null(set);
        return set;
}

static const struct plugin_info *info_of(const struct plugin_set *set, const char *name) {
        for (size_t i = 0; i < plugin_set_size(set); i++)
                if (strcmp(plugin_set_info(set, i)->name, name) == 0)
                        return plugin_set_info(set, i);
        fail_msg("no plugin %s", name);
        return NULL;
}

static void assert_refused(const struct plugin_set *set, const char *name, const char *why) {
        const struct plugin_info *info = info_of(set, name);
        assert_int_equal(info->status, PLUGIN_REFUSED);
        if (!strstr(info->reason, why))
                fail_msg("%s: \"%s\" does not say \"%s\"", name, info->reason, why);
}

static char *unit_content(const struct fixture *fixture, const char *unit, char *ret, size_t size) {
        char path[128];
        snprintf(path, sizeof path, "%s/units/%s", fixture->directory, unit);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        assert_non_null(fgets(ret, (int) size, file));
        fclose(file);
        ret[strcspn(ret, "\n")] = '\0';
        return ret;
}

/* --- the sample --- */

static void a_plugin_built_out_of_tree_is_opened_and_fills_the_model(void **state) {
        struct fixture *fixture = fixture_new(*state);
        install_sample(fixture, *state);
        struct plugin_set *set = load(fixture, 0);
        assert_int_equal(plugin_set_size(set), 1);
        assert_int_equal(info_of(set, "sample")->status, PLUGIN_OPEN);
        assert_non_null(info_of(set, "sample")->doc);
        assert_int_equal(fixture->host->n_units, 2);
        assert_non_null(host_unit(fixture->host, "s.1"));
        assert_ptr_equal(host_unit(fixture->host, "s.1")->plugin, plugin_set_instances(set)[0]);
        assert_null(plugin_set_instances(set)[1]);

        struct plugin_instance *instance = plugin_set_instances(set)[0];
        run("rm '%s/units/s.1' && echo 2 > '%s/units/s.3'", fixture->directory, fixture->directory);
        assert_int_equal(instance->plugin->scan(instance->state, false), 0);
        assert_null(host_unit(fixture->host, "s.1"));
        assert_non_null(host_unit(fixture->host, "s.3"));
        plugin_set_free(set);
        fixture_free(fixture);
}

static void a_decision_changes_the_host_through_it_and_a_new_daemon_puts_it_back(void **state) {
        struct fixture *fixture = fixture_new(*state);
        install_sample(fixture, *state);
        struct plugin_set *set = load(fixture, 0);
        char path[128], content[64];
        snprintf(path, sizeof path, "%s/journal", fixture->directory);
        struct actor actor = { .host = fixture->host, .plugins = plugin_set_instances(set) };
        assert_int_equal(journal_open(&actor.journal, path, NULL, NULL), 0);
        struct step steps[] = { { .kind = STEP_CORE_ADD, .cpu = 3 }, { .kind = STEP_UNIT_MOVE, .cpu = 3, .object = "s.1" } };
        struct decision decision = { .intent.source = "policy:test", .steps = steps, .n_steps = 2 };
        assert_int_equal(transaction_run(&actor, &decision), 0);
        assert_string_equal(unit_content(fixture, "s.1", content, sizeof content), "3");
        assert_true(host_cpu(fixture->host, 3)->io_core);
        journal_close(actor.journal);
        plugin_set_free(set);
        assert_false(host_cpu(fixture->host, 3)->io_core);

        set = load(fixture, 0);
        actor.plugins = plugin_set_instances(set);
        assert_int_equal(journal_open(&actor.journal, path, NULL, NULL), 0);
        assert_int_equal(transaction_restore(&actor, NULL, NULL), 0);
        assert_string_equal(unit_content(fixture, "s.1", content, sizeof content), "any");
        assert_int_equal(journal_n_entries(actor.journal), 0);
        journal_close(actor.journal);
        plugin_set_free(set);
        fixture_free(fixture);
}

static void what_it_can_do_is_known_and_why_not(void **state) {
        struct fixture *fixture = fixture_new(*state);
        install_sample(fixture, *state);
        struct plugin_set *set = load(fixture, 0);
        assert_null(plugin_set_unavailable(set, "grow", NULL));
        assert_null(plugin_set_unavailable(set, "unit.place", NULL));
        assert_null(plugin_set_unavailable(set, "unit.place", "s.1"));
        assert_string_equal(plugin_set_unavailable(set, "queue.poll", NULL), "the sample host has no queues");
        assert_string_equal(plugin_set_unavailable(set, "irq.cpus", "33"), "no open plugin offers irq.cpus");
        plugin_set_free(set);
        fixture_free(fixture);
}

static void services_refuse_what_is_not_the_plugins(void **state) {
        struct fixture *fixture = fixture_new(*state);
        /* its scan also tries what it must not: to remove another's unit, to make a CPU that does not exist an I/O core, to add a bad id */
        install(fixture, *state, "sample",
                "s|^        remove_vanished(sample);|"
                "struct iocore_unit stranger = { .id = \"u.1\" }; sample->services->unit_remove(sample->context, \\&stranger);"
                "if (sample->services->core_set(sample->context, 4, NULL, true) != -EINVAL \\|\\| sample->services->core_set(sample->context, -1, NULL, true) != -EINVAL"
                " \\|\\| sample->services->core_set(sample->context, 0, (struct iocore_worker *) \\&stranger, true) != -EINVAL"
                " \\|\\| sample->services->unit_add(sample->context, \"u.1\") \\|\\| errno != EEXIST"
                " \\|\\| sample->services->unit_add(sample->context, \"../x\") \\|\\| errno != EINVAL"
                " \\|\\| sample->services->cpu_count(sample->context) != 4 \\|\\| sample->services->cpu_node(sample->context, 9) != IOCORE_NODE_UNKNOWN"
                " \\|\\| sample->services->cpu_online(sample->context, 9) \\|\\| !sample->services->cpu_online(sample->context, 0)"
                " \\|\\| sample->services->open_path(sample->context, \"relative\", O_RDONLY) != -EINVAL) abort();&|");
        struct plugin_instance other = { 0 };
        assert_non_null(host_unit_add(fixture->host, &other, "u.1"));
        struct plugin_set *set = load(fixture, 0);
        assert_int_equal(info_of(set, "sample")->status, PLUGIN_OPEN);
        assert_non_null(host_unit(fixture->host, "u.1"));
        plugin_set_free(set);
        assert_non_null(host_unit(fixture->host, "u.1"));
        host_remove_plugin(fixture->host, &other);
        fixture_free(fixture);
}

/* --- who is opened --- */

static void a_host_that_it_is_not_for_is_told_with_the_reason(void **state) {
        struct fixture *fixture = fixture_new(*state);
        install_sample(fixture, *state);
        run("rm -r '%s/units'", fixture->directory);
        struct plugin_set *set = load(fixture, -ENODEV);
        assert_int_equal(info_of(set, "sample")->status, PLUGIN_NOT_FOR_THIS_HOST);
        assert_non_null(strstr(info_of(set, "sample")->reason, "units: No such file"));
        assert_null(plugin_set_instances(set)[0]);
        plugin_set_free(set);
        fixture_free(fixture);
}

#define NAMED(name, rank) "s/\"sample\"/\"" name "\"/; s/\\.rank = 1000/.rank = " #rank "/; s|\"directory\"|\"none\"|; s|\"/run/iocore-sample\"|\"/tmp\"|"

static void of_those_that_provide_the_same_the_first_by_rank_is_opened(void **state) {
        struct fixture *fixture = fixture_new(*state);
        install(fixture, *state, "alpha", NAMED("alpha", 30));
        install(fixture, *state, "beta", NAMED("beta", 10));
        install(fixture, *state, "gamma", NAMED("gamma", 20));
        install(fixture, *state, "helper", NAMED("helper", 40) "; s/\\.provides = \"vhost\",//");
        struct plugin_set *set = load(fixture, 0);
        assert_int_equal(info_of(set, "beta")->status, PLUGIN_OPEN);
        assert_int_equal(info_of(set, "alpha")->status, PLUGIN_SUPERSEDED);
        assert_int_equal(info_of(set, "gamma")->status, PLUGIN_SUPERSEDED);
        assert_non_null(strstr(info_of(set, "gamma")->reason, "beta provides vhost"));
        assert_int_equal(info_of(set, "helper")->status, PLUGIN_OPEN);
        assert_string_equal(plugin_set_instances(set)[0]->plugin->name, "beta");
        assert_string_equal(plugin_set_instances(set)[1]->plugin->name, "helper");
        assert_null(plugin_set_instances(set)[2]);
        plugin_set_free(set);
        fixture_free(fixture);
}

static void those_that_the_configuration_names_must_be_there_and_no_other_is_loaded(void **state) {
        struct fixture *fixture = fixture_new(*state);
        install_sample(fixture, *state);
        run("echo nonsense > '%s/alpha.so'", fixture->plugins);
        fixture->config.plugins = (char *[]) { (char *) "sample", NULL };
        struct plugin_set *set = load(fixture, 0);
        assert_int_equal(plugin_set_size(set), 1);
        plugin_set_free(set);
        fixture->config.plugins = (char *[]) { (char *) "sample", (char *) "missing", NULL };
        set = load(fixture, -ENOENT);
        assert_int_equal(info_of(set, "sample")->status, PLUGIN_OPEN);
        assert_refused(set, "missing", "there is no missing.so in");
        plugin_set_free(set);
        fixture_free(fixture);
}

static void a_plugin_that_does_not_open_leaves_nothing_in_the_model(void **state) {
        struct fixture *fixture = fixture_new(*state);
        install(fixture, *state, "sample", "s/        \\*ret_state = sample;/snprintf(ret_reason, size, \"no luck\"); close_sample(sample); return -EIO;/");
        struct plugin_set *set = load(fixture, -ENODEV);
        assert_refused(set, "sample", "no luck");
        assert_int_equal(fixture->host->n_units, 0);
        plugin_set_free(set);
        fixture_free(fixture);
}

/* --- who is not loaded --- */

static void files_that_are_no_plugins_are_told_and_left_out(void **state) {
        struct fixture *fixture = fixture_new(*state);
        install_sample(fixture, *state);
        run("cd '%s' && echo nonsense > text.so && : > empty.so && mkdir directory.so && : > README && : > .hidden.so && : > 'Bad name.so' && "
            "echo 'int x;' | ${CC:-cc} -shared -fPIC -x c - -o nothing.so && chmod 644 *.so",
            fixture->plugins);
        run("chmod 755 '%s/directory.so'", fixture->plugins);
        struct plugin_set *set = load(fixture, 0);
        assert_int_equal(plugin_set_size(set), 5);
        assert_int_equal(info_of(set, "sample")->status, PLUGIN_OPEN);
        assert_refused(set, "text", "cannot be loaded");
        assert_refused(set, "empty", "cannot be loaded");
        assert_refused(set, "nothing", "no symbol iocore_plugin");
        assert_refused(set, "Bad name", "not a name");
        plugin_set_free(set);
        fixture_free(fixture);
}

static void a_plugin_of_another_abi_or_with_parts_missing_is_refused(void **state) {
        static const struct {
                const char *name, *script, *why;
        } variants[] = {
                { "abi", "s/\\.abi = IOCORE_PLUGIN_ABI/.abi = 77/", "ABI 77" },
                { "small", "s/\\.size = sizeof iocore_plugin/.size = 8/", "says that its iocore_plugin has 8 bytes" },
                { "large", "s/\\.size = sizeof iocore_plugin/.size = 100000/", "100000 bytes" },
                { "noprobe", "s/\\.probe = probe,//", "lacks probe" },
                { "noclose", "s/\\.close = close_sample,//", "lacks probe" },
                { "noknobs", "s/\\.knobs = knobs,//", "no table" },
                { "noset", "s/get_place, set_place }/get_place, 0 }/", "lacks kind, get or set" },
                { "tiny", "s/^const struct iocore_plugin iocore_plugin = {/const unsigned iocore_plugin = 1; static const struct iocore_plugin unused = {/;"
                          " s/^__attribute__((visibility(\"default\"))).*/__attribute__((visibility(\"default\"))) extern const unsigned iocore_plugin;/;"
                          " s/sizeof iocore_plugin/sizeof unused/",
                  "has 4 bytes" },
        };
        struct fixture *fixture = fixture_new(*state);
        for (size_t i = 0; i < ELEMENTSOF(variants); i++) {
                char script[1024];
                snprintf(script, sizeof script, "s/\"sample\"/\"%s\"/; %s", variants[i].name, variants[i].script);
                install(fixture, *state, variants[i].name, script);
        }
        install(fixture, *state, "renamed", "s/x/x/");
        struct plugin_set *set = load(fixture, -ENODEV);
        for (size_t i = 0; i < ELEMENTSOF(variants); i++)
                assert_refused(set, variants[i].name, variants[i].why);
        assert_refused(set, "renamed", "calls itself \"sample\"");
        assert_int_equal(plugin_set_size(set), ELEMENTSOF(variants) + 1);
        plugin_set_free(set);
        fixture_free(fixture);
}

static void an_older_plugin_gets_zeros_for_what_it_does_not_know(void **state) {
        struct fixture *fixture = fixture_new(*state);
        install(fixture, *state, "sample", "s/\\.size = sizeof iocore_plugin/.size = offsetof(struct iocore_plugin, core_add)/");
        struct plugin_set *set = load(fixture, 0);
        const struct iocore_plugin *plugin = plugin_set_instances(set)[0]->plugin;
        assert_non_null(plugin->place);
        assert_null(plugin->core_add);
        assert_null(plugin->unavailable);
        assert_string_equal(plugin_set_unavailable(set, "grow", NULL), "no open plugin offers grow");
        plugin_set_free(set);
        fixture_free(fixture);
}

static void a_newer_plugin_is_used_as_far_as_it_is_known(void **state) {
        struct fixture *fixture = fixture_new(*state);
        install(fixture, *state, "sample",
                "s/^const struct iocore_plugin iocore_plugin = {/struct newer { struct iocore_plugin old; void *more[4]; };"
                " extern const struct newer iocore_plugin; const struct newer iocore_plugin = { .more = { (void *) knobs }, .old = {/;"
                " s/^__attribute__((visibility(\"default\"))) extern.*/struct newer; __attribute__((visibility(\"default\"))) extern const struct newer iocore_plugin;/;"
                " $s/.*/} };/");
        struct plugin_set *set = load(fixture, 0);
        assert_int_equal(info_of(set, "sample")->status, PLUGIN_OPEN);
        assert_int_equal(plugin_set_instances(set)[0]->plugin->size, sizeof(struct iocore_plugin) + 4 * sizeof(void *));
        plugin_set_free(set);
        fixture_free(fixture);
}

static void a_file_that_others_could_have_written_is_not_loaded(void **state) {
        struct fixture *fixture = fixture_new(*state);
        /* were it loaded, it would tell */
        install(fixture, *state, "sample", "$a __attribute__((constructor)) static void loaded(void) { abort(); }");
        char path[128];
        snprintf(path, sizeof path, "%s/sample.so", fixture->plugins);
        assert_int_equal(chmod(path, 0666), 0);
        struct plugin_set *set = load(fixture, -ENODEV);
        assert_refused(set, "sample", "writ");
        plugin_set_free(set);
        assert_int_equal(chmod(path, 0644), 0);
        assert_int_equal(chmod(fixture->plugins, 0777), 0);
        set = load(fixture, -ENODEV);
        assert_refused(set, "sample", "writ");
        plugin_set_free(set);
        fixture_free(fixture);
}

static void no_directory_is_no_plugin(void **state) {
        struct fixture *fixture = fixture_new(*state);
        run("rmdir '%s'", fixture->plugins);
        struct plugin_set *set = load(fixture, -ENODEV);
        assert_int_equal(plugin_set_size(set), 0);
        plugin_set_free(set);
        fixture_free(fixture);
}

/* --- options: what the configuration says to plugins --- */

/* Checks a configuration of this text, with the fixture's directory of plugins, and compares what is told ("DIR" stands for that directory). */
static void assert_options(const struct fixture *fixture, const char *text, int expected, const char *told) {
        _cleanup_(config_freep) struct config *config = NULL;
        _cleanup_(plugin_set_freep) struct plugin_set *set = NULL;
        _cleanup_free_ char *errors = NULL;
        size_t size = 0;
        char whole[1024], wanted[512];
        const char *directory = strstr(told, "DIR");
        int n = snprintf(whole, sizeof whole, "%s[daemon]\nplugin-directory=%s\n", text, fixture->plugins);
        FILE *file = fmemopen(whole, (size_t) n, "r"), *stream = open_memstream(&errors, &size);
        assert_true(file && stream);
        assert_int_equal(config_load_file(&config, file, "x.conf", stream), 0);
        assert_int_equal(plugin_set_load(&set, config), 0);
        assert_int_equal(plugin_options_check(set, config, stream), expected);
        fclose(file);
        fclose(stream);
        snprintf(wanted, sizeof wanted, "%.*s%s%s", directory ? (int) (directory - told) : (int) strlen(told), told, directory ? fixture->plugins : "",
                 directory ? directory + 3 : "");
        assert_string_equal(errors, wanted);
}

static void a_key_that_its_plugin_does_not_know_is_told_with_file_and_line(void **state) {
        struct fixture *fixture = fixture_new(*state);
        install_sample(fixture, *state);
        assert_options(fixture, "[plugin.sample]\ndirectory=/x\n", 0, "");
        assert_options(fixture, "[plugin.sample]\n\ndirectroy=/x\ndirectory=/y\nDirectory=/z\n", -EINVAL,
                       "x.conf:3: [plugin.sample] directroy: there is no such key; the plugin has directory\n"
                       "x.conf:5: [plugin.sample] Directory: there is no such key; the plugin has directory\n");
        /* given again: where it was given last */
        assert_options(fixture, "[plugin.sample]\ndir=1\ndir=2\n", -EINVAL, "x.conf:3: [plugin.sample] dir: there is no such key; the plugin has directory\n");
        fixture_free(fixture);
}

static void keys_of_which_only_the_end_is_fixed_may_have_any_name_before_it(void **state) {
        struct fixture *fixture = fixture_new(*state);
        install(fixture, *state, "sample", "s|{ \"directory\", \"where.*|{ \"*.cpu\", \"\" }, { \"path\", \"\" },|");
        assert_options(fixture, "[plugin.sample]\na.cpu=1\na.b.cpu=1\npath=/\n", 0, "");
        assert_options(fixture, "[plugin.sample]\n.cpu=1\n", -EINVAL, "x.conf:2: [plugin.sample] .cpu: there is no such key; the plugin has *.cpu, path\n");
        assert_options(fixture, "[plugin.sample]\na.cpus=1\n", -EINVAL, "x.conf:2: [plugin.sample] a.cpus: there is no such key; the plugin has *.cpu, path\n");
        assert_options(fixture, "[plugin.sample]\na.path=1\n", -EINVAL, "x.conf:2: [plugin.sample] a.path: there is no such key; the plugin has *.cpu, path\n");
        fixture_free(fixture);
}

static void options_of_a_plugin_that_does_not_say_what_it_knows_are_not_checked(void **state) {
        struct fixture *fixture = fixture_new(*state);
        install(fixture, *state, "sample", "s/\\.size = sizeof iocore_plugin/.size = offsetof(struct iocore_plugin, options)/");
        assert_options(fixture, "[plugin.sample]\nanything=1\n", 0, "");
        install(fixture, *state, "sample", "/\\.options = options,/d");
        assert_options(fixture, "[plugin.sample]\nanything=1\n", 0, "");
        install(fixture, *state, "sample", "/{ \"directory\", \"where/d");
        assert_options(fixture, "[plugin.sample]\nanything=1\n", -EINVAL, "x.conf:2: [plugin.sample] anything: there is no such key; the plugin has none\n");
        fixture_free(fixture);
}

static void the_section_of_a_plugin_that_is_not_there_is_told_and_of_one_that_is_not_used_is_not(void **state) {
        struct fixture *fixture = fixture_new(*state);
        install_sample(fixture, *state);
        assert_options(fixture, "[plugin.smaple]\na=1\nb=1\n[plugin.sample]\ndirectory=/\n", 0,
                       "x.conf:2: [plugin.smaple] there is no such plugin in DIR: the section means nothing\n");
        assert_options(fixture, "[plugin.sample]\na=1\n[daemon]\nplugins=other\n", 0, "");
        fixture_free(fixture);
}

/* What the plugins that are installed know is what iocored.conf(5) explains. */
static void the_manual_has_every_option_of_every_plugin(void **state) {
        (void) state;
        _cleanup_(plugin_set_freep) struct plugin_set *set = NULL;
        char manual[65536];
        FILE *file = fopen(SOURCE_DIR "/man/iocored.conf.5", "r");
        assert_non_null(file);
        size_t n = fread(manual, 1, sizeof manual - 1, file), n_options = 0, n_plugins = 0;
        assert_true(feof(file));
        fclose(file);
        manual[n] = '\0';
        struct config config = { .plugin_directory = (char *) BUILD_DIR "/.libs" };
        assert_int_equal(plugin_set_load(&set, &config), 0);
        for (size_t i = 0; i < plugin_set_size(set); i++) {
                const struct plugin_info *info = plugin_set_info(set, i);
                assert_string_equal(info->reason, "");
                assert_non_null(info->options);
                n_plugins++;
                for (const struct iocore_option *option = info->options; option->name; option++, n_options++) {
                        char item[128], others[128];
                        assert_true(option->doc && *option->doc);
                        /* "*.kind" is "PATTERN.kind" there, in an item of its own or in one with others */
                        bool any = option->name[0] == '*';
                        snprintf(item, sizeof item, any ? "It Ar PATTERN Ns Cm %s" : "It Cm %s No of %s\n", option->name + any, info->name);
                        snprintf(others, sizeof others, ", Ar PATTERN Ns Cm %s ", option->name + any);
                        if (!strstr(manual, item) && !(any && strstr(manual, others)))
                                fail_msg("no paragraph of [plugin.%s] %s", info->name, option->name);
                }
        }
        assert_true(n_plugins >= 5 && n_options >= 13);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_plugin_built_out_of_tree_is_opened_and_fills_the_model),
                cmocka_unit_test(a_decision_changes_the_host_through_it_and_a_new_daemon_puts_it_back),
                cmocka_unit_test(what_it_can_do_is_known_and_why_not),
                cmocka_unit_test(services_refuse_what_is_not_the_plugins),
                cmocka_unit_test(a_host_that_it_is_not_for_is_told_with_the_reason),
                cmocka_unit_test(of_those_that_provide_the_same_the_first_by_rank_is_opened),
                cmocka_unit_test(those_that_the_configuration_names_must_be_there_and_no_other_is_loaded),
                cmocka_unit_test(a_plugin_that_does_not_open_leaves_nothing_in_the_model),
                cmocka_unit_test(files_that_are_no_plugins_are_told_and_left_out),
                cmocka_unit_test(a_plugin_of_another_abi_or_with_parts_missing_is_refused),
                cmocka_unit_test(an_older_plugin_gets_zeros_for_what_it_does_not_know),
                cmocka_unit_test(a_newer_plugin_is_used_as_far_as_it_is_known),
                cmocka_unit_test(a_file_that_others_could_have_written_is_not_loaded),
                cmocka_unit_test(no_directory_is_no_plugin),
                cmocka_unit_test(a_key_that_its_plugin_does_not_know_is_told_with_file_and_line),
                cmocka_unit_test(keys_of_which_only_the_end_is_fixed_may_have_any_name_before_it),
                cmocka_unit_test(options_of_a_plugin_that_does_not_say_what_it_knows_are_not_checked),
                cmocka_unit_test(the_section_of_a_plugin_that_is_not_there_is_told_and_of_one_that_is_not_used_is_not),
                cmocka_unit_test(the_manual_has_every_option_of_every_plugin),
        };
        return cmocka_run_group_tests(tests, build_sample, remove_sample);
}

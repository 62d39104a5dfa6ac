/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "cleanup.h"
#include "daemon/bus/bus.h"
#include "daemon/engine.h"
#include "daemon/paths.h"
#include "daemon/plugin-options.h"
#include "daemon/simulate.h"
#include "log.h"
#include "text.h"

struct arguments {
        const char *config, *root, *bus, *plugin_directory, *simulate;
        char **policy_directories; /* NULL-terminated; the strings are of argv */
        size_t n_policy_directories;
        bool check_config, restore, observe;
        int log_level; /* -1: the configuration's */
};

static void arguments_done(struct arguments *arguments) {
        free(arguments->policy_directories);
}

static void print_help(void) {
        puts("Usage: iocored [OPTION...]\n"
             "Decides how many CPUs of a virtualization host do I/O, and which virtio queues each of them serves.\n"
             "\n"
             "  -c, --config=FILE       read FILE and FILE.d/*.conf (default " SYSCONFDIR "/iocored.conf)\n"
             "      --root=DIR          look for /proc and /sys below DIR\n"
             "      --bus=ADDRESS       system, user, none or a D-Bus address\n"
             "      --plugin-dir=DIR    load plugins from DIR\n"
             "      --policy-dir=DIR    load policies from DIR; may be given several times, later ones win\n"
             "      --observe           decide, but do not act: decisions are recorded as \"would\"\n"
             "      --check-config      name file and line of each error in the configuration, and exit\n"
             "      --restore           put back what an iocored that was killed had changed, and exit\n"
             "      --simulate=SCENARIO play SCENARIO on the simulated host in virtual time, and exit\n"
             "  -v, --verbose           log everything\n"
             "  -h, --help              this text\n"
             "      --version           the version\n"
             "\n"
             "See iocored(8), iocored.conf(5), iocored-policy(7), iocored-scenario(5).");
}

static int add_policy_directory(struct arguments *arguments, char *directory) {
        char **grown = reallocarray(arguments->policy_directories, arguments->n_policy_directories + 2, sizeof *grown);
        if (!grown)
                return -ENOMEM;
        arguments->policy_directories = grown;
        grown[arguments->n_policy_directories++] = directory;
        grown[arguments->n_policy_directories] = NULL;
        return 0;
}

/* 1: go on; 0: done, exit 0; -EINVAL: usage error, already told. */
static int parse_arguments(int argc, char **argv, struct arguments *arguments) {
        enum { OPTION_ROOT = 256, OPTION_BUS, OPTION_PLUGINS, OPTION_POLICIES, OPTION_OBSERVE, OPTION_CHECK, OPTION_RESTORE, OPTION_SIMULATE, OPTION_VERSION };
        static const struct option options[] = {
                { "config", required_argument, NULL, 'c' },
                { "root", required_argument, NULL, OPTION_ROOT },
                { "bus", required_argument, NULL, OPTION_BUS },
                { "plugin-dir", required_argument, NULL, OPTION_PLUGINS },
                { "policy-dir", required_argument, NULL, OPTION_POLICIES },
                { "observe", no_argument, NULL, OPTION_OBSERVE },
                { "check-config", no_argument, NULL, OPTION_CHECK },
                { "restore", no_argument, NULL, OPTION_RESTORE },
                { "simulate", required_argument, NULL, OPTION_SIMULATE },
                { "verbose", no_argument, NULL, 'v' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, OPTION_VERSION },
                {},
        };
        int c;
        while ((c = getopt_long(argc, argv, "c:vh", options, NULL)) != -1)
                switch (c) {
                case 'c':
                        arguments->config = optarg;
                        break;
                case OPTION_ROOT:
                        arguments->root = optarg;
                        break;
                case OPTION_BUS:
                        arguments->bus = optarg;
                        break;
                case OPTION_PLUGINS:
                        arguments->plugin_directory = optarg;
                        break;
                case OPTION_POLICIES:
                        if (add_policy_directory(arguments, optarg) < 0)
                                return -ENOMEM;
                        break;
                case OPTION_OBSERVE:
                        arguments->observe = true;
                        break;
                case OPTION_CHECK:
                        arguments->check_config = true;
                        break;
                case OPTION_RESTORE:
                        arguments->restore = true;
                        break;
                case OPTION_SIMULATE:
                        arguments->simulate = optarg;
                        break;
                case 'v':
                        arguments->log_level = LOG_DEBUG;
                        break;
                case 'h':
                        print_help();
                        return 0;
                case OPTION_VERSION:
                        puts(PACKAGE_STRING);
                        return 0;
                default:
                        return -EINVAL;
                }
        if (optind < argc) {
                log_error("iocored takes no arguments, only options: %s", argv[optind]);
                return -EINVAL;
        }
        return 1;
}

/* --- configuration: the file, then what the command line says, and for a program in its build directory what was built there */

static int replace_all(char ***strings, char *const *values) {
        size_t n = 0;
        while (values[n])
                n++;
        char **copies = calloc(n + 1, sizeof *copies);
        if (!copies)
                return -ENOMEM;
        for (size_t i = 0; (*strings) && (*strings)[i]; i++)
                free((*strings)[i]);
        free(*strings);
        *strings = copies;
        for (size_t i = 0; i < n; i++)
                if (!(copies[i] = strdup(values[i])))
                        return -ENOMEM;
        return 0;
}

static int use_build_directory(struct config *config, const struct arguments *arguments) {
        char build[PATH_MAX - 16], directory[PATH_MAX];
        if (!paths_build_directory(build, sizeof build))
                return 0;
        snprintf(directory, sizeof directory, "%s/.libs", build);
        int r = arguments->plugin_directory || strcmp(config->plugin_directory, PLUGINDIR) != 0 ? 0 : text_replace(&config->plugin_directory, directory);
        if (r < 0 || arguments->policy_directories || arguments->config)
                return r;
        snprintf(directory, sizeof directory, "%s/policies.d", build);
        return replace_all(&config->policy_directories, (char *const[]) { directory, NULL });
}

static int load_configuration(void *userdata, struct config **ret, FILE *errors) {
        const struct arguments *arguments = userdata;
        _cleanup_(config_freep) struct config *config = NULL;
        int r = config_load(&config, arguments->config, errors);
        if (r < 0)
                return r;
        if ((r = use_build_directory(config, arguments)) < 0 || (arguments->root && (r = text_replace(&config->root, arguments->root)) < 0) ||
            (arguments->bus && (r = text_replace(&config->bus, arguments->bus)) < 0) ||
            (arguments->plugin_directory && (r = text_replace(&config->plugin_directory, arguments->plugin_directory)) < 0) ||
            (arguments->policy_directories && (r = replace_all(&config->policy_directories, arguments->policy_directories)) < 0))
                return r;
        if (arguments->observe)
                config->mode = MODE_OBSERVE;
        if (arguments->log_level >= 0)
                config->log_level = arguments->log_level;
        *ret = TAKE_PTR(config);
        return 0;
}

/* --- what the program can be asked to do */

static int check_plugin_options(const struct config *config) {
        _cleanup_(plugin_set_freep) struct plugin_set *plugins = NULL;
        int r = plugin_set_load(&plugins, config);
        return r < 0 ? r : plugin_options_check(plugins, config, stderr);
}

static int simulate(struct config *config, const char *scenario) {
        char directory[] = "/tmp/iocored-simulation-XXXXXX", journal[sizeof directory + 16];
        if (!mkdtemp(directory)) {
                int r = -errno;
                config_free(config);
                log_error("Cannot make a directory for the simulation: %s.", strerror(-r));
                return r;
        }
        int r = simulate_configure(config, scenario, directory);
        if (r < 0)
                config_free(config);
        else
                r = simulate_run(config, stdout);
        snprintf(journal, sizeof journal, "%s/journal", directory);
        (void) unlink(journal);
        (void) rmdir(directory);
        return r;
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        (void) userdata;
        log_notice("Got %s, ending.", info->ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        (void) source;
        (void) info;
        (void) sd_notify(0, "RELOADING=1");
        (void) engine_reload(userdata, stderr); /* told by the engine */
        (void) sd_notify(0, "READY=1");
        return 0;
}

static int handle_signals(sd_event *event, struct engine *engine) {
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return -errno;
        int r = sd_event_add_signal(event, NULL, SIGTERM, on_terminate, NULL);
        if (r < 0)
                return r;
        r = sd_event_add_signal(event, NULL, SIGINT, on_terminate, NULL);
        if (r < 0)
                return r;
        return sd_event_add_signal(event, NULL, SIGHUP, on_reload, engine);
}

static void event_unrefp(sd_event **event) {
        sd_event_unref(*event);
}

static int run(struct config *config, struct arguments *arguments) {
        _cleanup_(event_unrefp) sd_event *event = NULL;
        _cleanup_(engine_freep) struct engine *engine = NULL;
        _cleanup_(bus_freep) struct bus *bus = NULL;

        int r = engine_new(&engine, config);
        if (r < 0) {
                config_free(config);
                return r;
        }
        engine_set_loader(engine, load_configuration, arguments);
        if ((r = sd_event_new(&event)) < 0 || (r = handle_signals(event, engine)) < 0 || (r = engine_attach(engine, event)) < 0) {
                log_error("Cannot set up the event loop: %s.", strerror(-r));
                return r;
        }
        if (strcmp(engine_config(engine)->bus, "none") != 0 && (r = bus_new(&bus, engine, event, engine_config(engine)->bus)) < 0)
                return r;
        (void) sd_event_set_watchdog(event, true);
        log_notice("%s is running: %s mode, an epoch every %llu ms.", PACKAGE_STRING, mode_to_string(engine_mode(engine)),
                   (unsigned long long) engine_config(engine)->epoch_usec / 1000);
        (void) sd_notify(0, "READY=1");
        r = sd_event_loop(event);
        if (r < 0)
                log_error("The event loop ended: %s.", strerror(-r));
        (void) sd_notify(0, "STOPPING=1");
        int restored = engine_restore(engine, NULL);
        if (r >= 0 && engine_no_rights(engine) && !arguments->observe)
                return -EPERM; /* told at the start: it was to act and could not */
        return r < 0 ? r : restored;
}

int main(int argc, char **argv) {
        _cleanup_(arguments_done) struct arguments arguments = { .log_level = -1 };
        _cleanup_(config_freep) struct config *config = NULL;

        /* Whoever reads the messages may end; iocored must not, with the host changed or half put back. */
        (void) signal(SIGPIPE, SIG_IGN);
        int r = parse_arguments(argc, argv, &arguments);
        if (r <= 0)
                return r == 0 ? EXIT_SUCCESS : 2;
        r = load_configuration(&arguments, &config, stderr);
        if (r < 0) {
                log_error("The configuration cannot be used (%s): iocored does not start.", strerror(-r));
                return EXIT_FAILURE;
        }
        if (arguments.check_config)
                return check_plugin_options(config) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        log_set_max_level(config->log_level);
        if (arguments.restore) {
                struct restore_report report;
                return restore_host(config, &report) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        }
        if (arguments.simulate)
                return simulate(TAKE_PTR(config), arguments.simulate) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        return run(TAKE_PTR(config), &arguments) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

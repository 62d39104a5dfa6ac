/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* iocorectl: asks iocored and tells it. */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "iocorectl.h"

#define OPTIONS_CORE (OPTION_NODE | OPTION_CPU)

static const struct verb verbs[] = {
        {"status", "", "how the daemon is and what it did last (without a verb: this)", NULL, 0, 0, 0, verb_status},
        {"nodes", "", "NUMA nodes with their I/O cores and loads", NULL, 0, 0, 0, verb_nodes},
        {"cores", "", "I/O cores; with --all, every CPU", NULL, 0, 0, OPTION_ALL, verb_cores},
        {"workers", "", "what executes queues, and whose; with --all, every column", NULL, 0, 0, OPTION_ALL, verb_workers},
        {"units", "", "what can be moved to another I/O core", NULL, 0, 0, 0, verb_units},
        {"devices", "", "virtio backends", NULL, 0, 0, 0, verb_devices},
        {"queues", "", "virtqueues that do something; with --all, every one", NULL, 0, 0, OPTION_ALL, verb_queues},
        {"domains", "", "VMs: state, nodes, vCPUs, memory, what their owners want", NULL, 0, 0, 0, verb_domains},
        {"domain", "show NAME|advise NAME|set NAME KEY=VALUE...|memory NAME|move-memory NAME NODE",
         "one VM in full, guest cells that it should have, what its owner wants, where its memory is",
         "Keys: policy=auto|manual, class=latency|throughput|besteffort, weight=1 to 1000,\nshare-within=any|cgroup|domain|none. An empty value takes one away; what is not named stays.\n"
         "It is kept with the VM.\n"
         "memory shows what each guest NUMA cell has on each node; move-memory moves it, shows how far it is and, on Ctrl-C, stops.", 2, 8, OPTION_CELL,
         verb_domain},
        {"process", "move-memory PID[.START] NODE", "the memory of any process to a node",
         "START: when it began, in clock ticks since boot, so that no other process of that number is meant.", 3, 3, 0, verb_process},
        {"jobs", "", "memory that is being moved, and what was last", NULL, 0, 0, 0, verb_jobs},
        {"job", "cancel ID", "stop one; what it has done stays done", NULL, 2, 2, 0, verb_job},
        {"grow", "", "one I/O core more", "On the node or CPU given, else where the planner finds best.", 0, 0,
         OPTIONS_CORE | OPTION_REASON, verb_grow},
        {"shrink", "", "one I/O core less", "Of the node, or the CPU given.", 0, 0, OPTIONS_CORE | OPTION_REASON, verb_shrink},
        {"move", "UNIT CPU|home", "a unit to another I/O core", "\"home\" is where it was before iocored moved it.", 2, 2, OPTION_REASON,
         verb_move},
        {"poll", "QUEUE on|off", "poll a queue, or wait for its notifications", NULL, 2, 2, OPTION_REASON, verb_poll},
        {"limit", "QUEUE BYTES", "most bytes that a queue is served in one turn", NULL, 2, 2, OPTION_REASON, verb_limit},
        {"set", "KNOB OBJECT VALUE", "any knob of a plugin", "For example: iocorectl set worker.locked w.2 1", 3, 3,
         OPTION_REASON | OPTION_NO_WAIT, verb_set},
        {"mode", "[active|observe|paused]", "show or set the daemon's mode", "observe: decides but does not act; paused: does not decide.",
         0, 1, 0, verb_mode},
        {"policy", "[list|show NAME|set NAME PARAMETER VALUE|enable NAME|disable NAME|reload]", "policies and their parameters",
         "A parameter set here lasts until the daemon ends.", 0, 4, 0, verb_policy},
        {"reload", "", "read configuration and policies again", "If they have errors the old ones stay.", 0, 0, 0, verb_reload},
        {"decisions", "", "what was decided and refused", "--follow shows new ones as they come, one a line.", 0, 0,
         OPTION_SINCE | OPTION_LIMIT | OPTION_FOLLOW | OPTION_COUNT, verb_decisions},
        {"history", "", "the same as decisions", NULL, 0, 0, OPTION_SINCE | OPTION_LIMIT | OPTION_FOLLOW | OPTION_COUNT, verb_decisions},
        {"why", "ID", "one decision in full: who, why, the steps and what came of it", NULL, 1, 1, 0, verb_why},
        {"why-not", "grow|shrink|move UNIT CPU|poll QUEUE on|limit QUEUE BYTES|set KNOB OBJECT VALUE",
         "what would become of a wish, without doing it", NULL, 1, 4, OPTIONS_CORE, verb_why_not},
        {"events", "", "decisions and events as they come, one a line", NULL, 0, 0, OPTION_COUNT, verb_events},
        {"watch", "", "one line a second: time, load, I/O cores of each node, what is new", NULL, 0, 0, OPTION_INTERVAL | OPTION_COUNT,
         verb_watch},
        {"doctor", "", "what this host offers to iocored, and how to get more; needs no daemon",
         "The status is 0 when every check could be made.", 0, 0, OPTION_ROOT, verb_doctor},
};

enum { ARGUMENT_BUS = 256, ARGUMENT_NO_LEGEND, ARGUMENT_NO_PAGER, ARGUMENT_VERSION, ARGUMENT_FIRST_OF_VERB };

/* Options of verbs, in the order of their bits. */
static const struct {
        const char *name, *value, *doc;
} verb_options[] = {
        {"node", "N", "on this NUMA node"},
        {"cpu", "N", "this CPU"},
        {"reason", "TEXT", "kept with the decision"},
        {"since", "ID", "only decisions after this one"},
        {"limit", "N", "only the newest N (0: all)"},
        {"follow", NULL, "go on with those to come"},
        {"all", NULL, "all there is"},
        {"interval", "SECONDS", "between two lines (0.1 to 3600)"},
        {"count", "N", "end after N lines"},
        {"root", "DIR", "look at the host whose /proc and /sys are below DIR"},
        {"no-wait", NULL, "do not wait for what somebody else has to answer first"},
        {"cell", "N", "only the memory of this guest NUMA cell"},
};

static const struct option long_options[] = {
        {"help", no_argument, NULL, 'h'},
        {"json", no_argument, NULL, 'j'},
        {"bus", required_argument, NULL, ARGUMENT_BUS},
        {"no-legend", no_argument, NULL, ARGUMENT_NO_LEGEND},
        {"no-pager", no_argument, NULL, ARGUMENT_NO_PAGER},
        {"version", no_argument, NULL, ARGUMENT_VERSION},
        {"node", required_argument, NULL, ARGUMENT_FIRST_OF_VERB},
        {"cpu", required_argument, NULL, ARGUMENT_FIRST_OF_VERB + 1},
        {"reason", required_argument, NULL, ARGUMENT_FIRST_OF_VERB + 2},
        {"since", required_argument, NULL, ARGUMENT_FIRST_OF_VERB + 3},
        {"limit", required_argument, NULL, ARGUMENT_FIRST_OF_VERB + 4},
        {"follow", no_argument, NULL, ARGUMENT_FIRST_OF_VERB + 5},
        {"all", no_argument, NULL, ARGUMENT_FIRST_OF_VERB + 6},
        {"interval", required_argument, NULL, ARGUMENT_FIRST_OF_VERB + 7},
        {"count", required_argument, NULL, ARGUMENT_FIRST_OF_VERB + 8},
        {"root", required_argument, NULL, ARGUMENT_FIRST_OF_VERB + 9},
        {"no-wait", no_argument, NULL, ARGUMENT_FIRST_OF_VERB + 10},
        {"cell", required_argument, NULL, ARGUMENT_FIRST_OF_VERB + 11},
        {NULL, 0, NULL, 0},
};

static void help_common(void) {
        puts("\nOptions everywhere:\n"
             "      --json            JSON: one document, or one object a line where lines follow\n"
             "      --no-legend       no headings\n"
             "      --bus ADDRESS     system, user, or a D-Bus address (default: system)\n"
             "  -h, --help            this text; after a verb, that verb's\n"
             "      --version\n\n"
             "Exit status: 0 done, 1 refused or failed, 2 usage, 3 the daemon cannot be reached.");
}

static void help_all(void) {
        puts("iocorectl [OPTIONS] VERB [ARGUMENTS]: asks and tells iocored, the manager of I/O cores.\n");
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                printf("  %-10s %s\n", verbs[i].name, verbs[i].doc);
        help_common();
}

static void help_verb(const struct verb *verb) {
        printf("iocorectl %s%s%s: %s.\n", verb->name, verb->arguments[0] ? " " : "", verb->arguments, verb->doc);
        if (verb->details)
                puts(verb->details);
        if (verb->options)
                putchar('\n');
        for (size_t i = 0; i < ELEMENTSOF(verb_options); i++) {
                char option[32];

                if (!(verb->options & 1u << i))
                        continue;
                (void) snprintf(option, sizeof(option), "--%s%s%s", verb_options[i].name, verb_options[i].value ? " " : "",
                                verb_options[i].value ? verb_options[i].value : "");
                printf("      %-17s %s\n", option, verb_options[i].doc);
        }
        help_common();
}

/* A whole number of at most `maximum`. */
static int parse_number(const char *option, const char *string, uint64_t maximum, uint64_t *ret) {
        unsigned long long value;
        char *end;

        errno = 0;
        value = strtoull(string, &end, 10);
        if (errno != 0 || end == string || *end != '\0' || string[0] < '0' || string[0] > '9' || value > maximum) {
                fprintf(stderr, "iocorectl: --%s: \"%s\" is not a whole number from 0 to %llu\n", option, string,
                        (unsigned long long) maximum);
                return EXIT_USAGE;
        }
        *ret = value;
        return EXIT_OK;
}

static int parse_interval(const char *string, double *ret) {
        double value;
        char *end;

        value = strtod(string, &end);
        if (end == string || *end != '\0' || !(value >= 0.1 && value <= 3600)) {
                fprintf(stderr, "iocorectl: --interval: \"%s\" is not a number of seconds from 0.1 to 3600\n", string);
                return EXIT_USAGE;
        }
        *ret = value;
        return EXIT_OK;
}

static int set_verb_option(struct client *client, int bit, const char *value) {
        const char *name = verb_options[bit].name;
        uint64_t number = 0;
        int status = EXIT_OK;

        client->given |= 1u << bit;
        switch (1 << bit) {
        case OPTION_NODE:
        case OPTION_CPU:
                status = parse_number(name, value, INT32_MAX, &number);
                *(1 << bit == OPTION_NODE ? &client->node : &client->cpu) = (int) number;
                break;
        case OPTION_REASON:
                client->reason = value;
                break;
        case OPTION_SINCE:
                status = parse_number(name, value, INT64_MAX, &client->since);
                break;
        case OPTION_LIMIT:
                status = parse_number(name, value, UINT32_MAX, &number);
                client->limit = (uint32_t) number;
                break;
        case OPTION_FOLLOW:
                client->follow = true;
                break;
        case OPTION_ALL:
                client->all = true;
                break;
        case OPTION_INTERVAL:
                status = parse_interval(value, &client->interval);
                break;
        case OPTION_COUNT:
                status = parse_number(name, value, INT64_MAX, &client->count);
                break;
        case OPTION_CELL:
                status = parse_number(name, value, INT32_MAX, &number);
                client->cell = (int) number;
                break;
        case OPTION_ROOT:
                client->root = value;
                break;
        case OPTION_NO_WAIT:
                client->no_wait = true;
                break;
        }
        return status;
}

/* Returns an exit status to end with, or -1 to go on. */
static int parse_options(struct client *client, int argc, char **argv, bool *ret_help) {
        int option, status = EXIT_OK;

        while (status == EXIT_OK && (option = getopt_long(argc, argv, "hj", long_options, NULL)) >= 0)
                switch (option) {
                case 'h':
                        *ret_help = true;
                        break;
                case 'j':
                        client->json = true;
                        break;
                case ARGUMENT_BUS:
                        client->bus_address = optarg;
                        client->given |= OPTION_BUS;
                        break;
                case ARGUMENT_NO_LEGEND:
                        client->no_legend = true;
                        break;
                case ARGUMENT_NO_PAGER: /* there is none; scripts that say so to systemctl say so here too */
                        break;
                case ARGUMENT_VERSION:
                        puts(PACKAGE_STRING);
                        return EXIT_OK;
                case '?':
                        fputs("Try: iocorectl --help\n", stderr);
                        return EXIT_USAGE;
                default:
                        status = set_verb_option(client, option - ARGUMENT_FIRST_OF_VERB, optarg);
                }
        return status == EXIT_OK ? -1 : status;
}

static const struct verb *find_verb(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (strcmp(verbs[i].name, name) == 0)
                        return verbs + i;
        fprintf(stderr, "iocorectl: there is no verb \"%s\"\nTry: iocorectl --help\n", name);
        return NULL;
}

int wrong_use(const char *name) {
        const struct verb *verb = find_verb(name);

        if (verb)
                fprintf(stderr, "iocorectl: use: iocorectl %s%s%s\n", verb->name, verb->arguments[0] ? " " : "", verb->arguments);
        return EXIT_USAGE;
}

static int check_use(const struct verb *verb, const struct client *client, int n) {
        const unsigned wrong = client->given & ~(verb->options | OPTION_BUS);

        if (n < verb->minimum || n > verb->maximum)
                return wrong_use(verb->name);
        for (size_t i = 0; i < ELEMENTSOF(verb_options); i++)
                if (wrong & 1u << i) {
                        fprintf(stderr, "iocorectl: --%s means nothing to \"%s\"\nTry: iocorectl %s --help\n", verb_options[i].name,
                                verb->name, verb->name);
                        return EXIT_USAGE;
                }
        return EXIT_OK;
}

/* Colours only where somebody sees them and did not ask for none (no-color.org). */
static bool want_colours(void) {
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

        return isatty(STDOUT_FILENO) && !(no_color && no_color[0] != '\0') && term && strcmp(term, "dumb") != 0;
}

int main(int argc, char **argv) {
        struct client client = {.bus_address = "system", .node = -1, .cpu = -1, .cell = -1, .reason = "", .interval = 1, .root = "/"};
        const struct verb *verb = verbs;
        bool help = false;
        int status;

        (void) setlocale(LC_CTYPE, ""); /* numbers stay as JSON has them */
        client.colours = want_colours();
        status = parse_options(&client, argc, argv, &help);
        if (status >= 0)
                return status;
        if (optind < argc) {
                verb = find_verb(argv[optind]);
                if (!verb)
                        return EXIT_USAGE;
                optind++;
        } else if (help) {
                help_all();
                return EXIT_OK;
        }
        if (help) {
                help_verb(verb);
                return EXIT_OK;
        }
        status = check_use(verb, &client, argc - optind);
        if (status == EXIT_OK)
                status = verb->run(&client, argv + optind, argc - optind);
        sd_bus_flush_close_unref(client.bus);
        errno = 0;
        if (fflush(stdout) != 0 || ferror(stdout)) {
                /* what failed in the middle has not kept its errno */
                fprintf(stderr, "iocorectl: the output could not be written%s%s\n", errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
                status = status == EXIT_OK ? EXIT_REFUSED : status;
        }
        return status;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest without a guest: opens a tap and /dev/vhost-net for each queue pair, lays out rings in its own memory, sends frames that the host's network stack
 * drops and takes those that the host sends. The kernel makes vhost workers for it, as for QEMU, and they do real work. Its vCPUs only burn time.
 *
 *     vhost-load [--tap NAME] [--pairs N] [--max | --rate PACKETS | --load SHARE | --pause] [--inject PACKETS] [--vcpus N] [--vcpu-share SHARE]
 *                [--device PATH] [--name NAME] [-- WORD...]
 *
 *     --pairs       a multi-queue tap with so many queue pairs; without it one that has one queue
 *     --max ...     how fast each queue pair sends: at most, in packets per second, or so that its worker has this share of a CPU, whatever the machine makes of
 *                   a packet: the cost of one is measured all the time, and the rate follows it; like a guest it does not slow down because
 *                   its worker has to wait, except by the ring's end
 *     --inject      packets per second that the host sends to the guest, in 64 flows
 *     --vcpus       threads called "CPU N/KVM"; each burns --vcpu-share (1 unless given) of a CPU
 *     --device      also becomes the owner of this vhost device; its worker stays idle
 *     --name, WORD  what others see as its name and command line; %fds and %vhostfds stand for the descriptors, as in QEMU's -netdev
 *
 * Prints "worker TID PAIR USEC" for each queue pair (USEC: when it existed, since 1970), "idle TID PATH" and "vcpu TID N"; "tap NAME" when all are there. Then
 * obeys lines on its standard input: "max", "rate N", "load S", "pause", each with the number of a queue pair behind it or for all; "inject N"; "vcpu-share S";
 * "pair": one queue pair more; "report"; "quit". At the end of the input it goes on until it gets a signal.
 * The report's first line is the sum: "sent N completed N received N run_nsec N": completed and received are what the device says. Then a line for each
 * queue pair: "pair N sent ...".
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "vhost-load.h"

struct options {
        enum pace pace;
        double value;
        unsigned n_pairs;
        const char *device, *name;
        char **words;
};

uint64_t now_nsec(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

uint64_t realtime_usec(void) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t) now.tv_sec * 1000000u + (uint64_t) now.tv_nsec / 1000;
}

int fail(const char *what) {
        int error = errno;
        fprintf(stderr, "vhost-load: %s: %s\n", what, strerror(error));
        return -error;
}

/* A number from 0 to maximum. */
static bool parse_number(const char *text, double maximum, double *ret) {
        char *end = NULL;
        double number = text ? strtod(text, &end) : -1;

        if (!text || end == text || *end || !(number >= 0 && number <= maximum))
                return false;
        *ret = number;
        return true;
}

static bool parse_pace(const char *word, const char *value, enum pace *ret_pace, double *ret_value) {
        static const char *const words[] = { [PACE_PAUSE] = "pause", [PACE_MAX] = "max", [PACE_RATE] = "rate", [PACE_LOAD] = "load" };

        for (unsigned pace = 0; pace < ELEMENTSOF(words); pace++) {
                double number = 0;
                if (strcmp(word, words[pace]) != 0)
                        continue;
                if (pace >= PACE_RATE && !parse_number(value, 1e9, &number))
                        return false;
                *ret_pace = (enum pace) pace;
                *ret_value = number;
                return true;
        }
        return false;
}

static int add_pair(struct load *load, const struct options *options) {
        unsigned n = atomic_load(&load->n_pairs);
        int r = pair_add(load, options->pace, options->value);

        if (r == 0)
                printf("worker %d %u %llu\n", (int) load->pairs[n].worker, n, (unsigned long long) load->pairs[n].born_usec);
        return r;
}

static void print_pair(const struct queue_pair *pair) {
        printf("sent %llu completed %llu received %llu run_nsec %llu\n", (unsigned long long) atomic_load(&pair->sent),
               (unsigned long long) atomic_load(&pair->completed), (unsigned long long) atomic_load(&pair->received),
               (unsigned long long) worker_run_nsec(pair->schedstat));
}

static void report(const struct load *load) {
        unsigned n = atomic_load(&load->n_pairs);
        unsigned long long sent = 0, completed = 0, received = 0, run = 0;

        for (unsigned i = 0; i < n; i++) {
                sent += atomic_load(&load->pairs[i].sent);
                completed += atomic_load(&load->pairs[i].completed);
                received += atomic_load(&load->pairs[i].received);
                run += worker_run_nsec(load->pairs[i].schedstat);
        }
        printf("sent %llu completed %llu received %llu run_nsec %llu\n", sent, completed, received, run);
        for (unsigned i = 0; i < n; i++) {
                printf("pair %u ", i);
                print_pair(&load->pairs[i]);
        }
}

static bool set_pace(struct load *load, const char *words[static 3]) {
        enum pace pace;
        double value, only;

        if (!parse_pace(words[0], words[1], &pace, &value))
                return false;
        unsigned n = atomic_load(&load->n_pairs), first = 0, end = n;
        const char *which = words[pace >= PACE_RATE ? 2 : 1];
        if (which) {
                if (n == 0 || !parse_number(which, n - 1, &only))
                        return false;
                first = (unsigned) only;
                end = first + 1;
        }
        for (unsigned i = first; i < end; i++) {
                atomic_store(&load->pairs[i].value, value);
                atomic_store(&load->pairs[i].pace, (int) pace);
        }
        return true;
}

/* Returns false when it was told to end. */
static bool obey(struct load *load, const struct options *options, char *line) {
        char *rest = NULL;
        const char *words[3] = { strtok_r(line, " \n", &rest), NULL, NULL };
        bool understood = true;
        double number;

        if (!words[0])
                return true;
        words[1] = strtok_r(NULL, " \n", &rest);
        words[2] = words[1] ? strtok_r(NULL, " \n", &rest) : NULL;
        if (strcmp(words[0], "quit") == 0)
                return false;
        if (strcmp(words[0], "report") == 0)
                report(load);
        else if (strcmp(words[0], "pair") == 0)
                (void) add_pair(load, options);
        else if (strcmp(words[0], "inject") == 0 && (understood = parse_number(words[1], 1e9, &number)))
                atomic_store(&load->inject, number);
        else if (strcmp(words[0], "vcpu-share") == 0 && (understood = parse_number(words[1], 1, &number)))
                atomic_store(&load->vcpu_share, number);
        else
                understood = understood && set_pace(load, words);
        if (!understood)
                fprintf(stderr, "vhost-load: %s: not understood\n", words[0]);
        return true;
}

static int start_threads(struct load *load) {
        int error = pthread_create(&load->traffic, NULL, move_frames, load);
        if (error > 0) {
                errno = error;
                return fail("pthread_create");
        }
        error = pthread_create(&load->injector, NULL, inject_frames, load);
        if (error > 0) {
                errno = error;
                return fail("pthread_create");
        }
        return vcpus_start(load);
}

static int start(struct load *load, const struct options *options) {
        pid_t idle;
        int r;

        for (unsigned i = 0; i < options->n_pairs; i++)
                if ((r = add_pair(load, options)) < 0)
                        return r;
        if (options->device) {
                if ((r = idle_device_add(options->device, &idle)) < 0)
                        return r;
                printf("idle %d %s\n", (int) idle, options->device);
        }
        if (options->name && (r = disguise(load, options->name, options->words)) < 0)
                return r;
        if ((r = start_threads(load)) < 0)
                return r;
        printf("tap %s\n", load->tap);
        return 0;
}

static int run(struct load *load, const struct options *options) {
        setvbuf(stdout, NULL, _IOLBF, 0);
        int r = start(load, options);
        if (r < 0)
                return r; /* the process ends, and its threads with it */

        char line[128];
        bool go_on = true;
        while (go_on && fgets(line, sizeof line, stdin))
                go_on = obey(load, options, line);
        if (go_on)
                pause();
        return 0;
}

static bool parse_options(int argc, char *argv[], struct load *load, struct options *options) {
        static const struct option known[] = {
                { "tap", required_argument, NULL, 't' },    { "pairs", required_argument, NULL, 'q' },  { "max", no_argument, NULL, 'm' },
                { "rate", required_argument, NULL, 'r' },   { "load", required_argument, NULL, 'l' },   { "pause", no_argument, NULL, 'p' },
                { "inject", required_argument, NULL, 'i' }, { "vcpus", required_argument, NULL, 'v' },  { "vcpu-share", required_argument, NULL, 's' },
                { "device", required_argument, NULL, 'd' }, { "name", required_argument, NULL, 'n' },   { 0 },
        };
        double number = 1;
        bool good = true;

        for (int option; good && (option = getopt_long(argc, argv, "", known, NULL)) >= 0;)
                switch (option) {
                case 't':
                        good = (size_t) snprintf(load->tap, sizeof load->tap, "%s", optarg) < sizeof load->tap;
                        break;
                case 'q':
                        good = load->multi_queue = parse_number(optarg, PAIRS_MAX, &number) && number >= 1;
                        options->n_pairs = (unsigned) number;
                        break;
                case 'm':
                        good = parse_pace("max", NULL, &options->pace, &options->value);
                        break;
                case 'r':
                        good = parse_pace("rate", optarg, &options->pace, &options->value);
                        break;
                case 'l':
                        good = parse_pace("load", optarg, &options->pace, &options->value);
                        break;
                case 'p':
                        good = parse_pace("pause", NULL, &options->pace, &options->value);
                        break;
                case 'i':
                        good = parse_number(optarg, 1e9, &number);
                        atomic_store(&load->inject, number);
                        break;
                case 'v':
                        good = parse_number(optarg, VCPUS_MAX, &number);
                        load->n_vcpus = (unsigned) number;
                        break;
                case 's':
                        good = parse_number(optarg, 1, &number);
                        atomic_store(&load->vcpu_share, number);
                        break;
                case 'd':
                        options->device = optarg;
                        break;
                case 'n':
                        options->name = optarg;
                        break;
                default:
                        good = false;
                }
        options->words = argv + optind;
        return good && (optind == argc || options->name);
}

int main(int argc, char *argv[]) {
        static struct load load = { .vcpu_share = 1 };
        struct options options = { .pace = PACE_MAX, .n_pairs = 1 };

        if (!parse_options(argc, argv, &load, &options)) {
                fprintf(stderr, "usage: vhost-load [--tap NAME] [--pairs N] [--max | --rate PACKETS | --load SHARE | --pause] [--inject PACKETS]\n"
                                "                  [--vcpus N] [--vcpu-share SHARE] [--device PATH] [--name NAME [-- WORD...]]\n");
                return 2;
        }
        return run(&load, &options) < 0 ? 1 : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iocore-simfs: serves the vhost control interface of a simulated host as a file system, so that programs can be tested against it as
 * against a kernel. Runs in the foreground, says "ready" when the file system is there, ends and unmounts at SIGTERM.
 */
#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <fuse_lowlevel.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "simfs.h"

#define TICK_MSEC 100        /* how often the fixture /proc is written, and time passes if nobody looks */

static uint64_t monotonic_usec(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000u + (uint64_t) now.tv_nsec / 1000u;
}

void simfs_catch_up(struct simfs *fs) {
        uint64_t now = monotonic_usec();
        double usec = (double) (now - fs->last_usec) * fs->speed + fs->usec_rest;

        fs->last_usec = now;
        if (fs->stopped)
                return;
        fs->usec_rest = usec - (double) (uint64_t) usec;
        if (model_advance(fs->model, (uint64_t) usec) < 0)
                fprintf(stderr, "iocore-simfs: out of memory, a VM could not arrive\n");
        simfs_proc_update_vms(fs); /* a process is there before anybody can see its devices */
}

struct ticker {
        struct simfs *fs;
        int stop_fd;
        pthread_t thread;
};

/* Commands of the FIFO, whole lines. One that fails is told on stderr: a FIFO has no way back. */
static void read_control(struct simfs *fs, char *buffer, size_t size, size_t *length) {
        ssize_t n = read(fs->control_fd, buffer + *length, size - 1 - *length);
        char *line = buffer, *end;

        if (n <= 0)
                return;
        *length += (size_t) n;
        buffer[*length] = '\0';
        while ((end = strchr(line, '\n'))) {
                *end = '\0';
                SIMFS_LOCK(fs);
                int r = simfs_command(fs, line);
                if (r < 0)
                        fprintf(stderr, "iocore-simfs: command failed: %s\n", strerror(-r));
                line = end + 1;
        }
        *length = strlen(line);
        memmove(buffer, line, *length + 1);
        if (*length == size - 1)
                *length = 0; /* no command is that long */
}

static void *tick(void *userdata) {
        const struct ticker *ticker = userdata;
        struct simfs *fs = ticker->fs;
        struct pollfd fds[] = {{.fd = ticker->stop_fd, .events = POLLIN}, {.fd = fs->control_fd, .events = POLLIN}};
        char buffer[4096];
        size_t length = 0;

        for (;;) {
                int n = poll(fds, ELEMENTSOF(fds), TICK_MSEC);
                if (fds[0].revents)
                        return NULL;
                if (n > 0 && fds[1].revents & POLLIN)
                        read_control(fs, buffer, sizeof(buffer), &length);
                SIMFS_LOCK(fs);
                simfs_proc_update_stat(fs);
        }
}

static int ticker_start(struct ticker *ticker) {
        sigset_t all, before;
        int r;

        ticker->stop_fd = eventfd(0, EFD_CLOEXEC);
        if (ticker->stop_fd < 0)
                return -errno;
        /* signals are for the main thread, which waits for them */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&ticker->thread, NULL, tick, ticker);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r != 0)
                close(ticker->stop_fd);
        return -r;
}

static void ticker_stop(struct ticker *ticker) {
        const uint64_t one = 1;

        if (write(ticker->stop_fd, &one, sizeof(one)) != sizeof(one))
                abort(); /* an eventfd takes a one */
        pthread_join(ticker->thread, NULL);
        close(ticker->stop_fd);
}

/* Mounts, serves, unmounts. Returns the program's exit status. */
static int serve(struct simfs *fs, const char *program, const char *mountpoint) {
        char *arguments[] = {(char *) program, (char *) "-ofsname=iocore-simfs,subtype=iocore-simfs", NULL};
        struct fuse_args args = FUSE_ARGS_INIT(2, arguments);
        struct fuse_loop_config *loop = fuse_loop_cfg_create();
        struct fuse *fuse = loop ? fuse_new(&args, &simfs_operations, sizeof(simfs_operations), fs) : NULL;
        struct ticker ticker = {.fs = fs};
        int status = 1;

        if (!fuse || fuse_mount(fuse, mountpoint) != 0) {
                fprintf(stderr, "iocore-simfs: %s: cannot be mounted\n", mountpoint);
        } else if (fuse_set_signal_handlers(fuse_get_session(fuse)) == 0) {
                if (ticker_start(&ticker) == 0) {
                        int r = fuse_loop_mt(fuse, loop);
                        status = r < 0 ? 1 : 0; /* the number of the signal that ended it is no failure */
                        ticker_stop(&ticker);
                }
                fuse_remove_signal_handlers(fuse_get_session(fuse));
                fuse_unmount(fuse);
        }
        if (fuse)
                fuse_destroy(fuse);
        fuse_loop_cfg_destroy(loop);
        fuse_opt_free_args(&args);
        return status;
}

static void usage(FILE *stream) {
        fprintf(stream, "usage: iocore-simfs MOUNTPOINT --scenario FILE [--generation 1|2] [--speed X] [--proc DIR]\n"
                        "                    [--fail PATTERN=ERRNO[:COUNT]]... [--control FIFO]\n"
                        "       iocore-simfs --print-topology --scenario FILE\n"
                        "  --speed X     host time runs X times as fast; 0: only by the command advance\n"
                        "  --control     takes a command a line: fail PATTERN ERRNO [COUNT [SKIP]], heal, vanish d.N|w.N,\n"
                        "                load FACTOR, default w.N, advance MILLISECONDS, dump FILE;\n"
                        "                so does setfattr -n " SIMFS_CONTROL_XATTR " -v COMMAND MOUNTPOINT\n");
}

static int open_control(const char *path) {
        if (mkfifo(path, 0600) < 0 && errno != EEXIST)
                return -errno;
        int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC); /* with a writer of its own there is no end of file */
        return fd < 0 ? -errno : fd;
}

struct options {
        const char *mountpoint, *scenario, *proc, *control;
        bool print_topology; /* for the [topology] of iocored.conf, and nothing else */
};

static int refuse(const char *what, const char *value, const char *why) {
        fprintf(stderr, "iocore-simfs: %s %s: %s\n", what, value, why);
        return -EINVAL;
}

static int parse_option(struct simfs *fs, struct options *options, int option) {
        char *end;

        switch (option) {
        case 's':
                options->scenario = optarg;
                return 0;
        case 'p':
                options->proc = optarg;
                return 0;
        case 'c':
                options->control = optarg;
                return 0;
        case 'g':
                if (strcmp(optarg, "1") != 0 && strcmp(optarg, "2") != 0)
                        return refuse("--generation", optarg, "must be 1 or 2");
                fs->generation = (unsigned) (*optarg - '0');
                return 0;
        case 'x':
                fs->speed = strtod(optarg, &end);
                if (end == optarg || *end != '\0' || !(fs->speed >= 0 && fs->speed <= 1000))
                        return refuse("--speed", optarg, "must be a number from 0 to 1000");
                fs->stopped = fs->speed <= 0;
                return 0;
        case 'f':
                return simfs_add_fault_option(fs, optarg) < 0 ? refuse("--fail", optarg, "must be PATTERN=ERRNO[:COUNT]") : 0;
        case 't':
                options->print_topology = true;
                return 0;
        default:
                usage(stderr);
                return -EINVAL;
        }
}

static int parse_options(struct simfs *fs, struct options *options, int argc, char **argv) {
        static const struct option long_options[] = {
                {"scenario", required_argument, NULL, 's'}, {"generation", required_argument, NULL, 'g'}, {"speed", required_argument, NULL, 'x'},
                {"proc", required_argument, NULL, 'p'},     {"fail", required_argument, NULL, 'f'},       {"control", required_argument, NULL, 'c'},
                {"help", no_argument, NULL, 'h'},           {"print-topology", no_argument, NULL, 't'},
                {NULL, 0, NULL, 0},
        };
        int option, r;

        while ((option = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
                if (option == 'h') {
                        usage(stdout);
                        exit(0);
                }
                r = parse_option(fs, options, option);
                if (r < 0)
                        return r;
        }
        if (optind != argc - !options->print_topology || !options->scenario) {
                usage(stderr);
                return -EINVAL;
        }
        options->mountpoint = argv[optind];
        return 0;
}

static int print_topology(const char *path) {
        char error[SCENARIO_ERROR_MAX] = "", topology[256];
        struct scenario *scenario = NULL;
        int r = scenario_load(&scenario, path, error, sizeof(error));

        if (r < 0)
                return refuse("scenario", path, error);
        r = scenario_topology_string(scenario, topology, sizeof(topology));
        scenario_free(scenario);
        if (r >= 0)
                puts(topology);
        return r;
}

static int load(struct simfs *fs, const struct options *options) {
        char error[SCENARIO_ERROR_MAX] = "";
        int r = scenario_load(&fs->scenario, options->scenario, error, sizeof(error));

        if (r < 0)
                return refuse("scenario", options->scenario, error);
        r = model_new(&fs->model, fs->scenario);
        fs->proc_present = calloc(fs->scenario->n_vms + 1, sizeof(*fs->proc_present));
        if (r < 0 || !fs->proc_present)
                return -ENOMEM;
        if (options->control) {
                fs->control_fd = open_control(options->control);
                if (fs->control_fd < 0)
                        return refuse("--control", options->control, strerror(-fs->control_fd));
        }
        if (options->proc) {
                r = simfs_proc_open(fs, options->proc);
                if (r < 0)
                        return refuse("--proc", options->proc, strerror(-r));
                simfs_proc_update_vms(fs);
                simfs_proc_update_stat(fs);
        }
        fs->last_usec = monotonic_usec();
        return 0;
}

int main(int argc, char **argv) {
        struct simfs fs = {.mutex = PTHREAD_MUTEX_INITIALIZER, .generation = 2, .speed = 1, .proc_fd = -1, .proc_stat_fd = -1, .control_fd = -1};
        struct options options = {0};
        int status = 1;

        if (parse_options(&fs, &options, argc, argv) < 0)
                return status;
        if (options.print_topology)
                return print_topology(options.scenario) < 0;
        if (load(&fs, &options) >= 0)
                status = serve(&fs, argv[0], options.mountpoint);
        simfs_proc_close(&fs);
        if (fs.control_fd >= 0)
                close(fs.control_fd);
        free(fs.proc_present);
        model_free(fs.model);
        scenario_free(fs.scenario);
        return status;
}

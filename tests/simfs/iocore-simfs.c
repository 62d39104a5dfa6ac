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

#define ATTRIBUTE_SIZE 4096  /* what sysfs shows as the size of any attribute, and the longest write */
#define TICK_MSEC 100        /* how often the fixture /proc is written, and time passes if nobody looks */
#define CONTROL_XATTR "user.iocore.control"

/* What was read at offset 0, so that a reader in pieces gets the pieces of one text. */
struct open_file {
        char *text;
        size_t length;
};

/* libfuse keeps a file's handle in an integer of 64 bits. */
static struct open_file *open_file_of(const struct fuse_file_info *info) {
        struct open_file *file;

        memcpy(&file, &info->fh, sizeof(file));
        return file;
}

static struct simfs *filesystem(void) {
        return fuse_get_context()->private_data;
}

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

static void unlockp(pthread_mutex_t **mutex) {
        pthread_mutex_unlock(*mutex);
}

/* Each operation looks at the host of this moment. */
#define LOCK(fs)                                                                     \
        pthread_mutex_lock(&(fs)->mutex);                                            \
        __attribute__((cleanup(unlockp))) pthread_mutex_t *locked_ = &(fs)->mutex;   \
        (void) locked_;                                                              \
        simfs_catch_up(fs)

static int simfs_getattr(const char *path, struct stat *st, struct fuse_file_info *info) {
        struct simfs *fs = filesystem();
        struct simfs_node node;

        (void) info;
        LOCK(fs);
        int r = simfs_resolve(fs, path, &node);
        if (r < 0)
                return r;
        st->st_uid = getuid();
        st->st_gid = getgid();
        switch (node.kind) {
        case NODE_ATTRIBUTE:
                st->st_mode = S_IFREG | simfs_attribute_mode(fs, node.attribute);
                st->st_nlink = 1;
                st->st_size = ATTRIBUTE_SIZE;
                break;
        case NODE_LINK:
                st->st_mode = S_IFLNK | 0777;
                st->st_nlink = 1;
                st->st_size = (off_t) strlen(node.target);
                break;
        default:
                st->st_mode = S_IFDIR | 0755;
                st->st_nlink = 2 + simfs_n_subdirectories(fs, &node);
        }
        return 0;
}

static int simfs_readlink(const char *path, char *ret, size_t size) {
        struct simfs *fs = filesystem();
        struct simfs_node node;

        LOCK(fs);
        int r = simfs_resolve(fs, path, &node);
        if (r < 0)
                return r;
        if (node.kind != NODE_LINK)
                return -EINVAL;
        snprintf(ret, size, "%s", node.target);
        return 0;
}

struct filler {
        fuse_fill_dir_t fill;
        void *buffer;
};

static bool add_entry(void *userdata, const char *name) {
        const struct filler *filler = userdata;

        return filler->fill(filler->buffer, name, NULL, 0, 0) == 0;
}

static int simfs_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *info, enum fuse_readdir_flags flags) {
        struct simfs *fs = filesystem();
        struct filler filler = {.fill = fill, .buffer = buffer};
        struct simfs_node node;

        (void) offset;
        (void) info;
        (void) flags;
        LOCK(fs);
        int r = simfs_resolve(fs, path, &node);
        if (r < 0)
                return r;
        if (node.kind != NODE_DIRECTORY && node.kind != NODE_POWER)
                return -ENOTDIR;
        simfs_list(fs, &node, add_entry, &filler);
        return 0;
}

static int simfs_open(const char *path, struct fuse_file_info *info) {
        struct simfs *fs = filesystem();
        struct simfs_node node;

        LOCK(fs);
        int r = simfs_resolve(fs, path, &node);
        if (r < 0)
                return r;
        if (node.kind != NODE_ATTRIBUTE)
                return -EISDIR;
        /* as kernfs: even root cannot read what cannot be read */
        mode_t mode = simfs_attribute_mode(fs, node.attribute);
        int access = info->flags & O_ACCMODE;
        if ((access != O_WRONLY && !(mode & 0444)) || (access != O_RDONLY && !(mode & 0222)))
                return -EACCES;
        struct open_file *file = calloc(1, sizeof(*file));
        if (!file)
                return -ENOMEM;
        memcpy(&info->fh, &file, sizeof(file));
        info->direct_io = 1;
        return 0;
}

static int simfs_release(const char *path, struct fuse_file_info *info) {
        struct open_file *file = open_file_of(info);

        (void) path;
        free(file->text);
        free(file);
        return 0;
}

/* Finds what an open file belongs to. The directory may have gone since: then -ENODEV, as the kernel says. */
static int find_attribute(const struct simfs *fs, const char *path, struct simfs_node *ret) {
        return simfs_resolve(fs, path, ret) < 0 || ret->kind != NODE_ATTRIBUTE ? -ENODEV : 0;
}

static int refill(struct simfs *fs, const struct simfs_node *node, struct open_file *file) {
        _cleanup_free_ char *text = NULL;
        size_t length = 0;
        FILE *stream = open_memstream(&text, &length);
        int r;

        if (!stream)
                return -ENOMEM;
        r = simfs_show(fs, &node->object, node->attribute, stream);
        if (fclose(stream) != 0)
                return -ENOMEM;
        if (r < 0)
                return r;
        free(file->text);
        file->text = TAKE_PTR(text);
        file->length = length;
        return 0;
}

static int simfs_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *info) {
        struct simfs *fs = filesystem();
        struct open_file *file = open_file_of(info);
        struct simfs_node node;

        LOCK(fs);
        if (offset == 0) {
                int r = find_attribute(fs, path, &node);
                if (r >= 0)
                        r = refill(fs, &node, file);
                if (r < 0)
                        return r;
        }
        if (offset < 0 || (size_t) offset >= file->length)
                return 0;
        if (size > file->length - (size_t) offset)
                size = file->length - (size_t) offset;
        memcpy(buffer, file->text + offset, size);
        return (int) size;
}

static int simfs_write(const char *path, const char *buffer, size_t size, off_t offset, struct fuse_file_info *info) {
        struct simfs *fs = filesystem();
        struct simfs_node node;
        char value[ATTRIBUTE_SIZE];
        size_t length = size;
        int r;

        (void) offset; /* each write is a value of its own */
        (void) info;
        if (size >= sizeof(value))
                return -EINVAL;
        if (length > 0 && buffer[length - 1] == '\n')
                length--;
        if (memchr(buffer, '\0', length))
                return -EINVAL;
        memcpy(value, buffer, length);
        value[length] = '\0';
        LOCK(fs);
        r = find_attribute(fs, path, &node);
        if (r >= 0)
                r = simfs_fault(fs, path);
        if (r >= 0)
                r = simfs_store(fs, &node.object, node.attribute, value);
        return r < 0 ? r : (int) size;
}

/* "echo 1 > file" truncates first; attributes do not mind. */
static int simfs_truncate(const char *path, off_t size, struct fuse_file_info *info) {
        struct simfs *fs = filesystem();
        struct simfs_node node;

        (void) size;
        (void) info;
        LOCK(fs);
        return simfs_resolve(fs, path, &node);
}

/* A command for the simulator: setfattr -n user.iocore.control -v "vanish d.4" MOUNTPOINT. Done when the call returns. */
static int simfs_setxattr(const char *path, const char *name, const char *value, size_t size, int flags) {
        struct simfs *fs = filesystem();
        char line[1024];

        (void) flags;
        if (strcmp(path, "/") != 0 || strcmp(name, CONTROL_XATTR) != 0)
                return -EOPNOTSUPP;
        if (size >= sizeof(line))
                return -E2BIG;
        memcpy(line, value, size);
        line[size] = '\0';
        LOCK(fs);
        return simfs_command(fs, line);
}

static void *simfs_init(struct fuse_conn_info *connection, struct fuse_config *config) {
        (void) connection;
        /* nothing may be remembered: objects come and go without telling anybody */
        config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
        config->direct_io = 1;
        printf("ready\n");
        fflush(stdout);
        return fuse_get_context()->private_data;
}

static const struct fuse_operations operations = {
        .init = simfs_init,
        .getattr = simfs_getattr,
        .readlink = simfs_readlink,
        .readdir = simfs_readdir,
        .open = simfs_open,
        .release = simfs_release,
        .read = simfs_read,
        .write = simfs_write,
        .truncate = simfs_truncate,
        .setxattr = simfs_setxattr,
};

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
                LOCK(fs);
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
                LOCK(fs);
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
        struct fuse *fuse = loop ? fuse_new(&args, &operations, sizeof(operations), fs) : NULL;
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
                        "                so does setfattr -n " CONTROL_XATTR " -v COMMAND MOUNTPOINT\n");
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

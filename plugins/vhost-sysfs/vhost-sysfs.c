/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "plugins/common/file-io.h"
#include "vhost-sysfs.h"

/* Files that the rest of the daemon needs when the queues have taken all others: bus, journal, plugins, a reload. */
#define FILES_RESERVED 64

/* Each of these has to be there; together they are like nothing that a stock kernel has. */
static const char *const required_files[] = { "cycles", "worker/create", "worker/remove", "worker/default", "dev", "vq" };

const char *const queue_attribute_names[_QUEUE_ATTRIBUTE_MAX] = {
        [QUEUE_POLL] = "poll",
        [QUEUE_POLL_CYCLES] = "poll_cycles",
        [QUEUE_POLL_BYTES] = "poll_bytes",
        [QUEUE_POLL_EMPTY] = "poll_empty",
        [QUEUE_POLL_PENDING_CYCLES] = "poll_pending_cycles",
        [QUEUE_NOTIF_WORKS] = "notif_works",
        [QUEUE_NOTIF_CYCLES] = "notif_cycles",
        [QUEUE_NOTIF_BYTES] = "notif_bytes",
        [QUEUE_NOTIF_WAIT] = "notif_wait",
        [QUEUE_RING_FULL] = "ring_full",
        [QUEUE_STUCK_TIMES] = "stuck_times",
        [QUEUE_HANDLED_PACKETS] = "handled_packets",
        [QUEUE_CAN_POLL] = "can_poll",
};

static const char *const worker_attribute_names[_WORKER_ATTRIBUTE_MAX] = {
        [WORKER_TOTAL_WORK_CYCLES] = "total_work_cycles",
};

static const char *const trouble_texts[_TROUBLE_MAX] = {
        [TROUBLE_ID] = "is not an id of the control interface; skipped",
        [TROUBLE_VALUE] = "has a value that does not parse; skipped",
        [TROUBLE_HUGE] = "fills more than a page; skipped",
        [TROUBLE_MISSING] = "is missing; done without",
        [TROUBLE_REFERENCE] = "names an object that does not exist; skipped",
        [TROUBLE_READ] = "cannot be read; skipped",
        [TROUBLE_FILES] = "cannot be opened: the limit of open files (LimitNOFILE=) is reached; done without",
};

void vhost_trouble(struct vhost_sysfs *sysfs, enum trouble trouble, const char *object, const char *attribute, int error) {
        if (sysfs->troubles[trouble]++ > 0)
                return;
        sysfs->services->log(sysfs->context, LOG_WARNING, "%s%s%.64s %s%s%s (further ones are counted, not told)", object, *attribute ? "/" : "", attribute,
                             trouble_texts[trouble], error < 0 ? ": " : "", error < 0 ? strerror(-error) : "");
}

/* The class directory as the administrator knows it. */
static const char *class_path(const struct iocore_services *services, struct iocore_context *context) {
        const char *path = services->option(context, "path");
        return path && *path ? path : VHOST_DEFAULT_PATH;
}

/* A path from the configuration is taken as it is; the default one lies below the daemon's root. */
static int class_open(const struct iocore_services *services, struct iocore_context *context) {
        const char *path = services->option(context, "path");
        if (!path || !*path)
                return services->open_path(context, VHOST_DEFAULT_PATH, O_RDONLY | O_DIRECTORY);
        if (path[0] != '/')
                return -EINVAL;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int vhost_sysfs_probe(const struct iocore_services *services, struct iocore_context *context, char *ret_reason, size_t size) {
        const char *path = class_path(services, context);
        _cleanup_close_ int fd = class_open(services, context);

        if (fd == -EINVAL) {
                snprintf(ret_reason, size, "the option path must be absolute, not \"%s\"", path);
                return 0;
        }
        if (fd < 0) {
                snprintf(ret_reason, size, "looked for %s: %s; needs a kernel with the ELVIS or IOcm vhost patches, its vhost module loaded", path, strerror(-fd));
                return 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(required_files); i++)
                if (faccessat(fd, required_files[i], F_OK, 0) < 0) {
                        snprintf(ret_reason, size, "%s is not the ELVIS or IOcm vhost control interface: looked for %s/%s: %s", path, path, required_files[i],
                                 strerror(errno));
                        return 0;
                }
        return 1;
}

/* Lets the daemon have as many files as it may ever have: each busy object keeps its own open. */
static void raise_files_limit(struct vhost_sysfs *sysfs) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        sysfs->files_limit = limit.rlim_cur;
        if (limit.rlim_cur == limit.rlim_max)
                return;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
                sysfs->files_limit = limit.rlim_cur;
}

int vhost_attribute_open(struct vhost_sysfs *sysfs, const char *path) {
        int fd = openat(sysfs->class_fd, path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && (rlim_t) fd + FILES_RESERVED < sysfs->files_limit)
                return fd;
        int error = fd < 0 ? errno : EMFILE;
        if (fd >= 0)
                close(fd);
        if (error == EMFILE || error == ENFILE) {
                vhost_trouble(sysfs, TROUBLE_FILES, path, "", 0);
                return -EMFILE;
        }
        return -error;
}

ssize_t vhost_attribute_get(struct vhost_sysfs *sysfs, const char *path, char *ret, size_t size) {
        ssize_t n = file_read_at(sysfs->class_fd, path, ret, size);
        return n < 0 ? n : (ssize_t) trim_end(ret, (size_t) n);
}

static int write_attribute(struct vhost_sysfs *sysfs, const char *path, const char *value) {
        return file_write_at(sysfs->class_fd, path, value);
}

static DIR *directory_open(int class_fd, const char *name) {
        int fd = openat(class_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return NULL;
        DIR *directory = fdopendir(fd);
        if (!directory)
                close(fd);
        return directory;
}

/* Opens what stays open for good. ret_file: what could not be opened. */
static int open_class_files(struct vhost_sysfs *sysfs, const char **ret_file) {
        *ret_file = "worker";
        if (!(sysfs->worker_directory = directory_open(sysfs->class_fd, "worker")))
                return -errno;
        *ret_file = "dev";
        if (!(sysfs->device_directory = directory_open(sysfs->class_fd, "dev")))
                return -errno;
        *ret_file = "vq";
        if ((sysfs->queue_directory_fd = openat(sysfs->class_fd, "vq", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
                return -errno;
        *ret_file = "cycles";
        if ((sysfs->cycles_fd = openat(sysfs->class_fd, "cycles", O_RDONLY | O_CLOEXEC)) < 0)
                return -errno;
        *ret_file = "worker/default";
        if ((sysfs->default_fd = openat(sysfs->class_fd, "worker/default", O_RDONLY | O_CLOEXEC)) < 0)
                return -errno;
        sysfs->generation = faccessat(sysfs->class_fd, "status", F_OK, 0) == 0 ? GENERATION_IOCM : GENERATION_ELVIS;
        return 0;
}

static int prepare(struct vhost_sysfs *sysfs) {
        attribute_buffer_init(&sysfs->buffer);
        for (int i = 0; i < _QUEUE_ATTRIBUTE_MAX; i++) {
                int r = status_name_init(&sysfs->queue_names[i], queue_attribute_names[i]);
                if (r < 0)
                        return r;
        }
        for (int i = 0; i < _WORKER_ATTRIBUTE_MAX; i++) {
                int r = status_name_init(&sysfs->worker_names[i], worker_attribute_names[i]);
                if (r < 0)
                        return r;
        }
        sysfs->n_cpus = sysfs->services->cpu_count(sysfs->context);
        if (sysfs->n_cpus < 0)
                return sysfs->n_cpus;
        sysfs->core_workers = calloc((size_t) sysfs->n_cpus + 1, sizeof *sysfs->core_workers);
        return sysfs->core_workers ? 0 : -ENOMEM;
}

int vhost_sysfs_open(const struct iocore_services *services, struct iocore_context *context, void **ret_state, char *ret_reason, size_t size) {
        const char *path = class_path(services, context), *file = "";
        struct vhost_sysfs *sysfs = calloc(1, sizeof *sysfs);
        if (!sysfs)
                return -ENOMEM;
        sysfs->services = services;
        sysfs->context = context;
        sysfs->write = write_attribute;
        sysfs->queue_directory_fd = sysfs->cycles_fd = sysfs->default_fd = -1;
        raise_files_limit(sysfs);

        int r = sysfs->class_fd = class_open(services, context);
        if (r >= 0)
                r = open_class_files(sysfs, &file);
        if (r >= 0)
                r = prepare(sysfs);
        if (r >= 0)
                r = vhost_scan(sysfs, true);
        if (r < 0) {
                snprintf(ret_reason, size, "%s%s%s: %s", path, *file ? "/" : "", file, strerror(-r));
                vhost_inventory_free(sysfs, true);
                vhost_sysfs_close(sysfs);
                return r;
        }
        services->log(context, LOG_INFO, "%s: %s interface, %zu workers, %zu devices", path, sysfs->generation == GENERATION_IOCM ? "IOcm" : "ELVIS",
                      sysfs->n_workers, sysfs->n_devices);
        *ret_state = sysfs;
        return 0;
}

void vhost_sysfs_close(void *state) {
        struct vhost_sysfs *sysfs = state;

        vhost_inventory_free(sysfs, false);
        if (sysfs->worker_directory)
                closedir(sysfs->worker_directory);
        if (sysfs->device_directory)
                closedir(sysfs->device_directory);
        closep(&sysfs->queue_directory_fd);
        closep(&sysfs->cycles_fd);
        closep(&sysfs->default_fd);
        closep(&sysfs->class_fd);
        free(sysfs->core_workers);
        free(sysfs);
}

static const struct iocore_option options[] = {
        { "path", "the directory of the control interface" },
        { NULL, NULL },
};

__attribute__((visibility("default"))) extern const struct iocore_plugin iocore_plugin;

const struct iocore_plugin iocore_plugin = {
        .abi = IOCORE_PLUGIN_ABI,
        .size = sizeof(struct iocore_plugin),
        .name = "vhost-sysfs",
        .doc = "the vhost control interface of ELVIS and IOcm kernels",
        .provides = "vhost",
        .rank = 10,
        .probe = vhost_sysfs_probe,
        .open = vhost_sysfs_open,
        .close = vhost_sysfs_close,
        .scan = vhost_scan,
        .sample_workers = vhost_sample_workers,
        .sample_queues = vhost_sample_queues,
        .knobs = vhost_knobs,
        .n_knobs = VHOST_N_KNOBS,
        .place = vhost_place,
        .core_add = vhost_core_add,
        .core_remove = vhost_core_remove,
        .unavailable = vhost_unavailable,
        .options = options,
};

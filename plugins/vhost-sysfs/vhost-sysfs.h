/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The vhost control interface of ELVIS / IOcm kernels (/sys/class/vhost): what the files of this plugin share.
 *
 * vhost-sysfs.c the vtable, probe, open; inventory.c what is there; sampler.c counters; knobs.c values that can be set; structure.c I/O cores come and go;
 * attributes.c parsers.
 */
#ifndef VHOST_SYSFS_H
#define VHOST_SYSFS_H

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "attributes.h"
#include "plugins/iocore-plugin.h"

#define VHOST_DEFAULT_PATH "/sys/class/vhost"

enum generation {
        GENERATION_ELVIS = 1, /* one file per attribute; a worker's busy cycles are not exported */
        GENERATION_IOCM = 2,  /* `status` files, total_work_cycles, can_poll */
};

/* Attributes of a queue, in the order in which the kernels have them in `status`. On the first generation each one that is
 * looked at every time costs an open file of its own. */
enum queue_attribute {
        QUEUE_POLL,
        QUEUE_POLL_CYCLES,
        QUEUE_POLL_BYTES,
        QUEUE_POLL_EMPTY,
        QUEUE_POLL_PENDING_CYCLES,
        QUEUE_NOTIF_WORKS,
        QUEUE_NOTIF_CYCLES,
        QUEUE_NOTIF_BYTES,
        QUEUE_NOTIF_WAIT,
        QUEUE_RING_FULL,
        QUEUE_STUCK_TIMES,
        QUEUE_HANDLED_PACKETS, /* second generation only */
        QUEUE_CAN_POLL,        /* second generation only, read once */
        _QUEUE_ATTRIBUTE_MAX,
        QUEUE_SAMPLED_MAX = QUEUE_CAN_POLL,
};
extern const char *const queue_attribute_names[_QUEUE_ATTRIBUTE_MAX];

enum worker_attribute {
        WORKER_TOTAL_WORK_CYCLES,
        _WORKER_ATTRIBUTE_MAX,
};

/* Things that are told once, however often they happen. */
enum trouble {
        TROUBLE_ID,        /* an id that does not parse */
        TROUBLE_VALUE,     /* an attribute's value does not parse */
        TROUBLE_HUGE,      /* an attribute file of more than a page */
        TROUBLE_MISSING,   /* an attribute that the interface has is not there */
        TROUBLE_REFERENCE, /* a device names a worker that does not exist */
        TROUBLE_READ,      /* the kernel refused to read */
        TROUBLE_FILES,     /* too many open files */
        _TROUBLE_MAX,
};

struct vhost_queue {
        struct iocore_queue *model;
        uint32_t index;
        int status_fd; /* -1: there is none, its attributes are files of their own */
        union {
                struct status_memory memory;          /* of status */
                int attribute_fds[QUEUE_SAMPLED_MAX]; /* of single files */
        };
        uint64_t busy_clock, busy; /* single files: busy cycles as read for the worker's load, and when (0: never) */
        bool relearn;              /* an attribute went missing: the next thorough scan looks again */
};

struct vhost_device {
        struct iocore_device *model;
        struct iocore_unit *unit;
        uint32_t number;
        int worker_fd;
        struct vhost_worker *worker;
        struct vhost_device *next_of_worker; /* devices of the same worker */
        struct vhost_queue *queues;
        size_t n_queues;
        bool owner_known; /* its process was found and read */
        enum { DEVICE_KNOWN, DEVICE_YOUNG, DEVICE_NEW } age; /* until a second look its queues may not have been all there */
        bool seen;
};

/* Where a worker's busy cycles come from. */
enum worker_source {
        WORKER_STATUS, /* total_work_cycles in status */
        WORKER_FILE,   /* total_work_cycles, a file of its own */
        WORKER_QUEUES, /* the sum of its queues' cycles */
};

struct vhost_worker {
        struct iocore_worker *model;
        uint32_t number;
        enum worker_source source;
        int busy_fd; /* status or total_work_cycles */
        int cpu_fd, locked_fd, devices_fd;
        struct vhost_device *devices;
        struct status_memory memory;
        uint64_t busy;         /* WORKER_QUEUES: its queues' busy cycles, each for the time that it was on this worker */
        uint64_t queues_clock; /* when its queues were last sampled */
        uint64_t list_hash;    /* of dev_list at the last scan */
        bool seen;
};

struct vhost_sysfs {
        const struct iocore_services *services;
        struct iocore_context *context;
        enum generation generation;
        int class_fd, cycles_fd, default_fd;
        DIR *worker_directory, *device_directory;
        int queue_directory_fd;

        /* each in ascending order of number; a worker's plugin_data in the model points back */
        struct vhost_worker **workers;
        size_t n_workers;
        struct vhost_device **devices;
        size_t n_devices;
        /* who executes each CPU that was said to be an I/O core */
        struct vhost_worker **core_workers;
        int n_cpus;

        struct status_name queue_names[_QUEUE_ATTRIBUTE_MAX];
        struct status_name worker_names[_WORKER_ATTRIBUTE_MAX];
        struct attribute_buffer buffer; /* for whoever reads now */

        uint64_t clock;           /* the class's cycles as last read */
        bool cores_stale;         /* a worker's cpu or lock changed, or one came or went */
        bool incomplete;          /* something vanished, or a scan found less than there is: the next one looks at everything */
        bool young_devices;       /* some device is not known well yet: the next scan looks at everything */
        bool lists_cut;           /* a dev_list fills its page: it may be cut off */
        nlink_t links[3];         /* of worker/, dev/, vq/ at the last full look; 0: this file system does not count subdirectories */
        rlim_t files_limit;
        uint64_t troubles[_TROUBLE_MAX];

        /* How a value is written; tests put a kernel in its place. `path` is relative to the class directory. 0 or -errno. */
        int (*write)(struct vhost_sysfs *sysfs, const char *path, const char *value);
};

/* vhost-sysfs.c */
int vhost_sysfs_probe(const struct iocore_services *services, struct iocore_context *context, char *ret_reason, size_t size);
int vhost_sysfs_open(const struct iocore_services *services, struct iocore_context *context, void **ret_state, char *ret_reason, size_t size);
void vhost_sysfs_close(void *state);
/* Opens an attribute for reading. An fd or -errno; -EMFILE: what the daemon may have open is used up (told). */
int vhost_attribute_open(struct vhost_sysfs *sysfs, const char *path);
/* Reads a small attribute by path, white space at its end cut off. Length; -errno. */
ssize_t vhost_attribute_get(struct vhost_sysfs *sysfs, const char *path, char *ret, size_t size);
/* Counts trouble and tells the first of each kind. `error`: 0 or -errno. */
void vhost_trouble(struct vhost_sysfs *sysfs, enum trouble trouble, const char *object, const char *attribute, int error);
/* What the kernel says of an object that vanished. */
static inline bool vhost_gone(ssize_t error) {
        return error == -ENOENT || error == -ENODEV;
}

/* inventory.c */
int vhost_scan(void *state, bool thorough);
/* Closes all. `forget`: also takes the objects out of the model (else the daemon does). */
void vhost_inventory_free(struct vhost_sysfs *sysfs, bool forget);
/* NULL when there is none. The id need not be valid. */
struct vhost_worker *vhost_worker_by_id(const struct vhost_sysfs *sysfs, const char *id);
struct vhost_device *vhost_device_by_id(const struct vhost_sysfs *sysfs, const char *id);
struct vhost_queue *vhost_queue_by_id(const struct vhost_sysfs *sysfs, const char *id);
struct vhost_worker *vhost_worker_find(const struct vhost_sysfs *sysfs, uint32_t number);
struct vhost_device *vhost_device_find(const struct vhost_sysfs *sysfs, uint32_t number);
/* Inserts `object` at `place` of an array of pointers. 0 or -ENOMEM. */
int vhost_array_insert(void ***array, size_t *n, size_t place, void *object);
/* Says of each CPU whether it is an I/O core: its first unlocked worker makes it one. */
void vhost_cores_refresh(struct vhost_sysfs *sysfs);

/* worker.c */
/* Opens worker NUMBER and adds it to the model, unless it is there already. 0; -errno (ENOENT, ENODEV: it is gone). */
int vhost_worker_add(struct vhost_sysfs *sysfs, uint32_t number);
void vhost_worker_remove(struct vhost_sysfs *sysfs, struct vhost_worker *worker);
void vhost_worker_free(struct vhost_sysfs *sysfs, struct vhost_worker *worker, bool forget);
/* Reads cpu, locked and dev_list. 0; 1: the list changed; -errno. */
int vhost_worker_refresh(struct vhost_sysfs *sysfs, struct vhost_worker *worker);
/* Reads which worker is the default one. */
void vhost_default_refresh(struct vhost_sysfs *sysfs);

/* device.c */
int vhost_device_add(struct vhost_sysfs *sysfs, uint32_t number);
void vhost_device_remove(struct vhost_sysfs *sysfs, size_t place);
void vhost_device_free(struct vhost_sysfs *sysfs, struct vhost_device *device, bool forget);
/* Files a device under `worker` (NULL: none), here and in the model. */
void vhost_device_assign(struct vhost_device *device, struct vhost_worker *worker);
/* Reads which worker serves the device. 0; -EINVAL: not a worker's id; -ENXIO: a worker that is not known (yet); another -errno. */
int vhost_device_refresh(struct vhost_sysfs *sysfs, struct vhost_device *device);
/* Reads who owns the device, and what that process tells. 0 or -errno of the attribute. */
int vhost_device_refresh_owner(struct vhost_sysfs *sysfs, struct vhost_device *device);
/* Makes the device's queues those of its vq_list. `relearn`: those that lost an attribute are opened anew. 0 or -errno. */
int vhost_device_refresh_queues(struct vhost_sysfs *sysfs, struct vhost_device *device, bool relearn);

/* sampler.c */
int vhost_sample_workers(void *state);
int vhost_sample_queues(void *state, struct iocore_worker *worker);
/* Opens what is read of queue DEVICE.index and learns which attributes it has; fills the model's fields, can_poll and poll. 0 or -errno. */
int vhost_queue_open(struct vhost_sysfs *sysfs, uint32_t device, struct vhost_queue *queue);
void vhost_queue_close(struct vhost_queue *queue);

/* knobs.c */
#define VHOST_N_KNOBS 10
extern const struct iocore_knob vhost_knobs[VHOST_N_KNOBS];
/* Sets `locked` and reads back what is true now: the kernel answers EINVAL to an unlocking that it did. 0 or -errno. */
int vhost_worker_lock(struct vhost_sysfs *sysfs, uint32_t number, bool lock);

/* structure.c */
int vhost_place(void *state, const struct iocore_unit *unit, int cpu, char *ret_value, size_t size);
int vhost_core_add(void *state, int cpu, char *ret_worker, size_t size);
int vhost_core_remove(void *state, int cpu, const char *worker);
const char *vhost_unavailable(void *state, const char *kind);

#endif

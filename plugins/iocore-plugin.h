/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The contract between iocored and its plugins: the only header that a plugin needs.
 *
 * A plugin is a shared object that exports one symbol, `const struct iocore_plugin iocore_plugin`.
 * Plugins are the daemon's senses and hands: they add objects to the host model, fill their counters
 * and read and write knobs. They never decide. All functions are called on the daemon's main thread and
 * must not block on anything but the kernel's own sysfs/procfs/syscalls; slow talk belongs into a
 * thread of the plugin's own that reports through `watch_fd`.
 *
 * Errors are negative errno values. A plugin logs only what the daemon cannot know; it never both logs
 * and returns the same failure.
 */
#ifndef IOCORE_PLUGIN_H
#define IOCORE_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when an existing member changes its meaning or place. Members are only ever appended; a plugin
 * with a smaller `size` gets zeros for what it does not know. */
#define IOCORE_PLUGIN_ABI 1u

#define IOCORE_ID_MAX 32      /* "vq.4.1", "t.12345"; with the terminating NUL */
#define IOCORE_NAME_MAX 128   /* domain names, tap names */
#define IOCORE_VALUE_MAX 4096 /* a knob's value; a CPU list of 1,024 CPUs, every second one set, fits */
#define IOCORE_REASON_MAX 256

#define IOCORE_CPU_ANY (-1)      /* not bound to one CPU */
#define IOCORE_NODE_UNKNOWN (-1) /* a NUMA node that nobody could tell */

/* What the daemon gives to each plugin instance; opaque, passed back in every service call. */
struct iocore_context;

/* What executes queues: a shared kthread (ELVIS), a vhost thread (stock kernel), a QEMU IOThread. The
 * model owns the memory; the plugin that added it may write all members below "filled by the plugin". */
struct iocore_worker {
        char id[IOCORE_ID_MAX]; /* set by worker_add() */

        /* filled by the plugin */
        uint64_t incarnation; /* tells two objects of the same id apart (a thread's start time); 0 where ids are never reused */
        pid_t pid;            /* kernel thread id, 0 when unknown */
        int cpu;              /* the CPU it is bound to, or IOCORE_CPU_ANY */
        bool locked;          /* takes no new devices (ELVIS) */
        bool shared;          /* may serve units of several owners */
        bool is_default;      /* new devices are born on it */
        void *plugin_data;

        /* filled by sample_workers(): monotonic counters, in ticks of the plugin's own clock */
        uint64_t clock; /* when the sample was taken; unchanged = not sampled */
        uint64_t busy;  /* ticks spent on the work of queues */
        uint64_t wait;  /* ticks runnable but not running; 0 when the kernel does not tell */
        uint64_t switches; /* times it was given a CPU; 0 when the kernel does not tell */
};

/* A virtio backend (vhost-net, vhost-scsi ...): its queues and its owner. */
struct iocore_device {
        char id[IOCORE_ID_MAX];

        /* filled by the plugin */
        pid_t owner;                  /* owner process, -1 when none */
        char backend[IOCORE_NAME_MAX]; /* tap or target, "" when unknown */
        void *plugin_data;
        char kind[16];                 /* "net", "scsi", "vsock"; "" when unknown */
};

/* The smallest thing that can be moved to another I/O core: a device on ELVIS, a worker thread on stock kernels. */
struct iocore_unit {
        char id[IOCORE_ID_MAX];

        /* filled by the plugin */
        uint64_t incarnation;
        struct iocore_worker *worker; /* who executes it now; NULL only before the first scan ended */
        struct iocore_device *device; /* NULL when the plugin cannot tell */
        int node;                     /* NUMA node of its owner, or IOCORE_NODE_UNKNOWN */
        pid_t owner;                  /* owner process, -1 when none */
        char domain[IOCORE_NAME_MAX]; /* name of its domain, "" when unknown */
        bool manual;                  /* pinned by hand before iocored came: never moved */
        void *plugin_data;
        int queue_pair;               /* of its device, from 0; -1 when it cannot be told, or there are none; set to -1 by unit_add() */
        char unidentified[IOCORE_NAME_MAX]; /* why its device or its queue pair cannot be told; "" */
        bool blocked;                 /* was kept (by its cpuset) from going where it should: left where it is until the plugin says otherwise */
};

/* Which of a queue's counters the kernel has; a bit that is not set means "unknown", never 0. */
enum iocore_queue_field {
        IOCORE_QUEUE_BUSY = 1u << 0,
        IOCORE_QUEUE_BYTES = 1u << 1,
        IOCORE_QUEUE_PACKETS = 1u << 2,
        IOCORE_QUEUE_WORKS = 1u << 3,
        IOCORE_QUEUE_WAIT = 1u << 4,
        IOCORE_QUEUE_STUCK = 1u << 5,
        IOCORE_QUEUE_RING_FULL = 1u << 6,
        IOCORE_QUEUE_POLL_EMPTY = 1u << 7,
        IOCORE_QUEUE_DROPS = 1u << 8,
};

struct iocore_queue {
        char id[IOCORE_ID_MAX];

        /* filled by the plugin */
        struct iocore_unit *unit;     /* moves with it */
        struct iocore_device *device;
        unsigned index;               /* within the device */
        uint32_t fields;              /* mask of enum iocore_queue_field */
        bool can_poll;
        bool poll;                    /* polled now; refreshed by sample_queues() where that costs no extra read */
        void *plugin_data;

        /* filled by sample_queues(): monotonic counters; ticks are of the plugin's own clock */
        uint64_t clock;     /* when the sample was taken; unchanged = not sampled */
        uint64_t busy;      /* ticks spent serving it (polling and notification mode) */
        uint64_t bytes;
        uint64_t packets;
        uint64_t works;     /* times it was served because of a notification (kicks) */
        uint64_t wait;      /* ticks that its pending work waited for the worker */
        uint64_t stuck;     /* times it was found stuck */
        uint64_t ring_full; /* times its ring was found full */
        uint64_t poll_empty;/* polls that found nothing */
        uint64_t drops;     /* packets lost because the other side was too slow */
};

enum iocore_domain_state {
        IOCORE_DOMAIN_RUNNING,
        IOCORE_DOMAIN_PAUSED,
        IOCORE_DOMAIN_SHUTOFF,
};

/* A VM. */
struct iocore_domain {
        char id[IOCORE_NAME_MAX]; /* its name */

        /* filled by the plugin */
        char uuid[37];
        enum iocore_domain_state state;
        int node;
        unsigned n_vcpus;
        pid_t pid;
        void *plugin_data;
};

/* What the daemon offers. Members are only ever appended; check `size` before using one that is newer than
 * the plugin. Objects that are added belong to the model and stay valid until removed; adding an id that
 * exists returns the existing object. Each *_add returns NULL (errno set: ENOMEM; EINVAL for an id that is empty,
 * too long or has bytes outside [A-Za-z0-9._:-], a domain's name may be any printable text; EEXIST when another plugin
 * owns that id). */
struct iocore_services {
        uint32_t size;

        /* Opens `path` ("/proc/stat") below the configured root, O_CLOEXEC added. Returns an fd or -errno. */
        int (*open_path)(struct iocore_context *context, const char *path, int flags);
        /* The value of KEY in the section [plugin.NAME] of the configuration, or NULL. Valid while the plugin is open. */
        const char *(*option)(struct iocore_context *context, const char *key);
        /* Priority as in syslog(3). */
        void (*log)(struct iocore_context *context, int priority, const char *format, ...) __attribute__((format(printf, 3, 4)));

        struct iocore_worker *(*worker_add)(struct iocore_context *context, const char *id);
        struct iocore_device *(*device_add)(struct iocore_context *context, const char *id);
        struct iocore_unit *(*unit_add)(struct iocore_context *context, const char *id);
        struct iocore_queue *(*queue_add)(struct iocore_context *context, const char *id);
        struct iocore_domain *(*domain_add)(struct iocore_context *context, const char *name);
        /* Removing an object that others refer to clears their references (a unit's device, a queue's unit ...).
         * The memory is freed at once: the plugin drops its pointer first. */
        void (*worker_remove)(struct iocore_context *context, struct iocore_worker *worker);
        void (*device_remove)(struct iocore_context *context, struct iocore_device *device);
        void (*unit_remove)(struct iocore_context *context, struct iocore_unit *unit);
        void (*queue_remove)(struct iocore_context *context, struct iocore_queue *queue);
        void (*domain_remove)(struct iocore_context *context, struct iocore_domain *domain);

        /* Says that CPU is (or is no longer) an I/O core, executed by `worker` (NULL where any worker
         * thread that is bound to the CPU counts, as on stock kernels). -EINVAL: no such CPU. */
        int (*core_set)(struct iocore_context *context, int cpu, struct iocore_worker *worker, bool io_core);

        /* Fills a CPU's time counters, monotonic, both in the same ticks. -EINVAL: no such CPU. */
        int (*cpu_sample)(struct iocore_context *context, int cpu, uint64_t busy, uint64_t total);

        /* Topology: number of possible CPUs; NUMA node of a CPU or IOCORE_NODE_UNKNOWN; is it online. */
        int (*cpu_count)(struct iocore_context *context);
        int (*cpu_node)(struct iocore_context *context, int cpu);
        bool (*cpu_online)(struct iocore_context *context, int cpu);

        /* Is CPU isolated by the administrator (isolcpus=, an isolated partition)? */
        bool (*cpu_isolated)(struct iocore_context *context, int cpu);
        /* Something that an administrator should hear of: logged and sent as an event, once for each (kind, object, text) until it is told otherwise with an
         * empty text. Kinds in use: "not-isolated" (something of a guest stays on an I/O core), "blocked" (a unit cannot go where it should), "discovery", "partition". */
        void (*tell)(struct iocore_context *context, const char *kind, const char *object, const char *text);
        /* The knob of this object has no longer the value that was set last: somebody else changed it. The daemon compares, tells, and treats the object as
         * foreign-changes says. Also to be called when what a set() had given up waiting for has come about, or may be tried again: a want that was refused is otherwise
         * tried again only after a pause, which doubles. To be called from scan() or announced(), not from a knob's own functions. */
        void (*knob_changed)(struct iocore_context *context, const char *kind, const char *object);
        /* How many threads of guests are bound by hand to CPU alone, so that it cannot be freed of them. -EINVAL: no such CPU. */
        int (*cpu_pinned)(struct iocore_context *context, int cpu, unsigned n_threads);
        /* Is CPU an I/O core that iocored made, now? For plugins that keep others off I/O cores which some other plugin makes. */
        bool (*cpu_is_io_core)(struct iocore_context *context, int cpu);
        /* Do epochs run, so that a hand that has to wait for somebody else may do so for 100 ms at most? Otherwise (at the start, at the end, in iocored --restore)
         * two seconds are better spent than given up. */
        bool (*in_haste)(struct iocore_context *context);
        /* How long it is from one scan to the next, at most, in microseconds, as it is configured now. */
        uint64_t (*scan_interval)(struct iocore_context *context);
};

/* What the daemon makes of somebody else's change of a knob, see foreign-changes in iocored.conf(5). */
enum iocore_foreign {
        IOCORE_FOREIGN_MANUAL,  /* theirs from now on: nothing is set there any more */
        IOCORE_FOREIGN_ADOPT,   /* what it has now is what iocored goes on from, and returns to; a want that was just made is not carried out */
        IOCORE_FOREIGN_CONTEST, /* what iocored set is set again, and what it returns to is as before */
};

/* Asks for one knob of one object to be set to `value`: journaled before it is set, and told, by the daemon. Returns 0, also when the set failed (the knob's own set()
 * knows), or -ENOMEM. */
typedef int (*iocore_want)(void *userdata, const char *kind, const char *object, const char *value);

/* One settable value of one kind of object. Kinds that the daemon itself uses:
 *   "unit.place"    object: a unit; who executes it, in the plugin's own words (a worker id, a CPU list)
 *   "worker.locked" object: a worker; "0" or "1"
 *   "queue.poll"    object: a queue; "0" or "1"
 *   "queue.limit"   object: a queue; most bytes served in one turn, decimal
 * An object of a kind that is not in the model ("thread.cpus") must be named so that the name is never used for another one (a thread's id and start time).
 * Any other kind is reachable by the action `set`.
 */
struct iocore_knob {
        const char *kind;
        const char *doc;
        /* Reads the live value, NUL-terminated, without a newline. -ENOENT / -ENODEV / -ESRCH: the object is gone. */
        int (*get)(void *state, const char *object, char *ret_value, size_t size);
        /* Sets it and returns in ret_value what was really set (read back). Same errors; -EINVAL: the value
         * is not one of this knob's; anything else: the kernel refused. On failure the old value still holds. */
        int (*set)(void *state, const char *object, const char *value, char *ret_value, size_t size);
};

/* A key of the section [plugin.NAME] of the configuration. */
struct iocore_option {
        const char *name; /* a leading `*` stands for any name, at least one byte long: "*.regex" */
        const char *doc;
};

struct iocore_plugin {
        uint32_t abi;  /* IOCORE_PLUGIN_ABI */
        uint32_t size; /* sizeof(struct iocore_plugin) */
        const char *name;
        const char *doc;
        /* Of the plugins that provide the same thing ("vhost", "cpu") only the first, by rank, whose probe says yes is opened; NULL: no such limit. */
        const char *provides;
        int rank; /* lower is asked first */

        /* Is this host for me? 1 yes; 0 no, with a reason that says what was looked for; -errno on a failure. */
        int (*probe)(const struct iocore_services *services, struct iocore_context *context, char *ret_reason, size_t size);
        /* Opens and makes the first scan. On failure nothing stays open; ret_reason says what failed on which object. */
        int (*open)(const struct iocore_services *services, struct iocore_context *context, void **ret_state, char *ret_reason, size_t size);
        void (*close)(void *state);

        /* inventory. scan(): adds new objects, removes vanished ones. Called about once a second and after
         * each change of structure; must be cheap when nothing changed. `thorough`: do not trust hints, look at everything. */
        int (*scan)(void *state, bool thorough);
        /* An fd to poll for input, or -errno; dispatch() is called when it is readable. Both optional. */
        int (*watch_fd)(void *state);
        int (*dispatch)(void *state);

        /* sampler. Nothing is opened, allocated or formatted here in the steady state; an object that has vanished is
         * skipped, and removed by the next scan. sample_queues() reads the queues of the units of one worker. */
        int (*sample_workers)(void *state);
        int (*sample_queues)(void *state, struct iocore_worker *worker);
        int (*sample_cpus)(void *state);

        /* hands */
        const struct iocore_knob *knobs;
        size_t n_knobs;
        /* The value of "unit.place" that puts `unit` onto the I/O core `cpu`; IOCORE_CPU_ANY: the place that a unit
         * has by birth. -ENOENT: no worker there. */
        int (*place)(void *state, const struct iocore_unit *unit, int cpu, char *ret_value, size_t size);
        /* Makes `cpu` an I/O core, and calls core_set(). ret_worker: id of the worker that was created for it, "" where none is needed. */
        int (*core_add)(void *state, int cpu, char *ret_worker, size_t size);
        /* Removes an I/O core that core_add() made, with its (empty) worker if it has one. -EBUSY: units are still there. -ENOENT: already gone. */
        int (*core_remove)(void *state, int cpu, const char *worker);
        /* Why this host cannot do KIND (a knob kind, "grow"), or NULL when nobody knows better. "rights": which right this process lacks so that it can change nothing of what this plugin
         * finds; asked once after open(), and then the daemon only observes. */
        const char *(*unavailable)(void *state, const char *kind);

        /* Simulated hosts only: lets `usec` of the host's own time pass. A plugin that has it is driven in virtual time by --simulate. */
        int (*advance)(void *state, uint64_t usec);
        /* Simulated hosts only: 1 when the scenario has ended. */
        int (*ended)(void *state);

        /* Called at the begin of each epoch, before sampling: adds and removes what has announced itself since. Must cost next to nothing when nothing did.
         * > 0: something came or went; 0; -errno: from now on only scan() is to be relied on. Optional. */
        int (*announced)(void *state);
        /* Before `unit` is put onto the I/O core `cpu`, or, with IOCORE_CPU_ANY, goes home: asks for what else must be set first so that it can go there (its cpuset). Optional. */
        int (*prepare)(void *state, const struct iocore_unit *unit, int cpu, iocore_want want, void *userdata);
        /* Asks, with the set of I/O cores as it is now, for each knob that has not the value it should have so that nothing but units runs on an I/O core, and
         * that what was kept off gets its CPUs back when one is no I/O core any more. Called after each change of the set and after each scan; when nothing is to be done it
         * must be cheap. What was refused is asked for again only after something changed, or by a thorough scan. Optional. */
        int (*reserve)(void *state, iocore_want want, void *userdata);
        /* Says in a few words how it works on this host ("discovery": "process connector"), for `iocorectl status`. Optional. */
        void (*describe)(void *state, void (*say)(void *userdata, const char *key, const char *value), void *userdata);

        /* Every option that the plugin asks for, ended by a NULL name: any other key of its section is an error of the configuration, told with file and line. The list may be
         * read without the plugin being probed. NULL: nobody checks them. */
        const struct iocore_option *options;
        /* Somebody else changed the knob KIND of OBJECT, as knob_changed() told or the daemon saw itself when it was about to set it; `what` is made of it. What is asked for next is
         * to go by it. May be called within a want. Optional: without it all that the plugin asks for counts. */
        void (*foreign)(void *state, const char *kind, const char *object, enum iocore_foreign what);

        void *reserved[2];
};

#ifdef __cplusplus
}
#endif
#endif

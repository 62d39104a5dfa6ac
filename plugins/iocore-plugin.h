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

/* What the owner of a domain wants of iocored: the attribute `policy` of its metadata. */
enum iocore_wish {
        IOCORE_WISH_NONE,   /* nothing said */
        IOCORE_WISH_AUTO,   /* is placed, also where it was pinned by hand */
        IOCORE_WISH_MANUAL, /* never touched */
};

/* A VM. */
struct iocore_domain {
        char id[IOCORE_NAME_MAX]; /* its name */

        /* filled by the plugin */
        char uuid[37];
        enum iocore_domain_state state;
        int node;
        unsigned n_vcpus;
        pid_t pid;                    /* of its process; 0 when it does not run */
        void *plugin_data;
        uint64_t incarnation;         /* start time of its process, in clock ticks since boot; 0 when it does not run, or unknown */
        bool stale;                   /* the picture is old: whoever knows better does not answer */
        bool pinned;                  /* its owner gave it CPUs by hand (<cputune>, or a pin found that nobody but a hand can have set) */
        bool bound;                   /* its owner gave it memory nodes by hand (<numatune>) */
        bool memory_fixed;            /* whoever manages it cannot give its memory other nodes while it runs */
        enum iocore_wish wish;
        char class[16];               /* "latency", "throughput", "besteffort"; "" nothing said */
        unsigned weight;              /* 1 to 1000; 0 nothing said */
        char share_within[16];        /* "any", "cgroup", "domain", "none"; "" nothing said */
        uint64_t memory_kib;          /* what it has now (with ballooning) */
        char backing[16];             /* of its memory: "", "hugepages", "memfd", "file" */
        char memory_nodes[64];        /* of the host, that its memory may be on now (its knob "numatune.nodeset"), a list; "" when unknown, or longer */
};

/* A virtual CPU of a domain. Strings are borrowed in calls, and the model's own in the model. */
struct iocore_vcpu {
        unsigned id;
        pid_t tid;        /* its thread on the host; 0 when unknown */
        int cell;         /* its guest NUMA cell; 0 where the guest has none */
        bool by_hand;     /* its owner pinned it */
        const char *cpus; /* CPUs of the host that it may use now, a CPU list; "" when unknown */
        char knob[IOCORE_NAME_MAX]; /* the object of its knob "vcpu.cpus"; "" where it cannot be pinned */
};

/* An IOThread of a domain. */
struct iocore_iothread {
        unsigned id;
        pid_t tid;
        bool by_hand;
        const char *cpus;
        uint64_t poll_max_ns;
        char knob[IOCORE_NAME_MAX]; /* the object of its knobs "iothread.cpus", "iothread.poll-max-ns", "iothread.poll-grow", "iothread.poll-shrink" */
};

/* A NUMA cell of a guest; a guest without cells has one, with all of its memory. */
struct iocore_cell {
        uint64_t memory_kib;
        int node; /* of the host, to which its memory is bound by its owner, or by numad on his behalf; IOCORE_NODE_UNKNOWN */
};

/* A device of a domain, as its configuration has it. */
struct iocore_domain_device {
        char kind[16];                 /* "interface", "disk", "hostdev" */
        char bus[16];                  /* of a disk, as its guest sees it: "virtio", "scsi", "sata"; "" when unknown */
        char alias[64];
        char backend[IOCORE_NAME_MAX]; /* tap, target ("vda"), PCI address ("0000:3b:00.1") */
        unsigned n_queues;             /* queue pairs; 0 when unknown */
        unsigned iothread;             /* id of the IOThread that serves it; 0 none */
        int node;                      /* of the host, where its hardware is; IOCORE_NODE_UNKNOWN */
};

/* A process whose memory is looked at or moved. */
struct iocore_memory {
        pid_t pid;
        uint64_t start;     /* of the process, in clock ticks since boot: it tells two processes of one pid apart; 0: whichever has that pid now */
        const char *domain; /* name of the domain that it is the process of; "" none */
        size_t n_cells;     /* guest NUMA cells of that domain */
        int cell;           /* of them, the one whose memory is meant; -1: all of the process's own memory */
        int node;           /* of the host, to which it is moved; IOCORE_NODE_UNKNOWN: it is only looked at */
};

enum iocore_job_state {
        IOCORE_JOB_WAITING,   /* for those before it */
        IOCORE_JOB_RUNNING,
        IOCORE_JOB_DONE,
        IOCORE_JOB_FAILED,    /* `text` says why */
        IOCORE_JOB_CANCELLED, /* what was done until then stays done */
};

/* How far a job is that a plugin was given. Pages are of the size that the kernel manages memory in, a huge page is many of them. */
struct iocore_job {
        uint64_t id; /* as the daemon gave it */
        enum iocore_job_state state;
        uint64_t total_pages;  /* that are to be moved; 0 until it is known */
        uint64_t moved_pages;
        uint64_t failed_pages; /* that the kernel does not move: pinned for a device, shared with others */
        uint64_t busy_usec;    /* time spent on it */
        char text[IOCORE_REASON_MAX]; /* "" or what there is to say */
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

        /* What belongs to a domain: replaces what was said before; all is copied. 0; -EINVAL: an id twice, a CPU list that is none; -ENOMEM. */
        int (*domain_set_vcpus)(struct iocore_context *context, struct iocore_domain *domain, const struct iocore_vcpu *vcpus, size_t n);
        int (*domain_set_iothreads)(struct iocore_context *context, struct iocore_domain *domain, const struct iocore_iothread *iothreads, size_t n);
        int (*domain_set_cells)(struct iocore_context *context, struct iocore_domain *domain, const struct iocore_cell *cells, size_t n);
        int (*domain_set_devices)(struct iocore_context *context, struct iocore_domain *domain, const struct iocore_domain_device *devices, size_t n);
        /* The emulator's threads: the CPUs that they may use (a CPU list, "" when unknown), and the object of the knob "emulator.cpus". */
        int (*domain_set_emulator)(struct iocore_context *context, struct iocore_domain *domain, const char *cpus, bool by_hand, const char *knob);
        /* Something happened to a domain: policies hear of it in on_domain within an epoch, and so does the bus. `event`: "defined", "undefined", "started", "suspended",
         * "pmsuspended", "resumed", "shutdown", "crashed", "stopped", "rebooted", "migrated", "device-added", "device-removed", "metadata", "agent";
         * `detail`: in the source's words ("booted", "restored", an alias), "" none. */
        void (*domain_event)(struct iocore_context *context, struct iocore_domain *domain, const char *event, const char *detail);
        /* Is this thread a virtual CPU or an IOThread of a domain of some plugin that pins it itself, so that others keep their hands off? */
        bool (*thread_is_of_domain)(struct iocore_context *context, pid_t tid);
        /* Memory of a node of the host, in KiB. -EINVAL: no such node. */
        int (*node_memory)(struct iocore_context *context, int node, uint64_t total_kib, uint64_t free_kib);
        /* Where the memory of a domain's guest cell is: KiB on each node of the host, by number. -EINVAL: no such cell or too many nodes; -ENOMEM. */
        int (*domain_memory)(struct iocore_context *context, struct iocore_domain *domain, unsigned cell, const uint64_t *kib_of_node, size_t n_nodes);
        /* The same of memory of a domain's process of which nobody can tell to which guest cell it belongs. -EINVAL: too many nodes; -ENOMEM. */
        int (*domain_memory_rest)(struct iocore_context *context, struct iocore_domain *domain, const uint64_t *kib_of_node, size_t n_nodes);
        /* Calls `visit` for each domain that has a process, whichever plugin found it, with its number of guest cells (0: nobody told). It must not add or remove any. */
        void (*domain_visit)(struct iocore_context *context, void (*visit)(void *userdata, struct iocore_domain *domain, size_t n_cells), void *userdata);
        /* How far a job is: told when it changes. What is over is over: an update that comes later is ignored. */
        void (*job_update)(struct iocore_context *context, const struct iocore_job *job);
        /* Calls `each` for every IOThread of every domain, of whatever plugin, unless nothing was told of any since the call that returned `since` (0: there was none). The arguments of
         * `each` are borrowed, and it may not change domains. Returns what the next call is to be given, never 0. */
        uint64_t (*each_iothread)(struct iocore_context *context, uint64_t since,
                                  void (*each)(void *userdata, const struct iocore_domain *domain, const struct iocore_iothread *iothread), void *userdata);
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
        /* Reads the live value, NUL-terminated, without a newline. -ENOENT / -ENODEV / -ESRCH: the object is gone; -EAGAIN: nobody knows it yet. */
        int (*get)(void *state, const char *object, char *ret_value, size_t size);
        /* Sets it and returns in ret_value what was really set (read back). Same errors; -EINVAL: the value
         * is not one of this knob's; anything else: the kernel refused. On failure the old value still holds, unless get() says -EAGAIN from then on: whoever was to do it went away, or
         * failed half-way, and it may be done or not. The journal knows both until get() succeeds again, by what was read anew; knob_changed() is told if that is not the old value.
         * -EINPROGRESS: asked for, and somebody else has to answer first. The daemon goes on with its epoch and calls set() with the same value again in later epochs until it returns
         * something else. Only where in_haste(); otherwise set() itself waits (two seconds at most, then -ETIMEDOUT). While one value is under way another may be asked for, to take back what
         * does not answer: it takes its place and must be done after it, also when it is what get() still says; nobody asks for the first one any more. */
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
        /* What the owner of a domain wants, kept with the domain and not journaled: `attributes` as "class=latency policy=manual weight=200", an empty value takes one away; those not named stay.
         * -EINPROGRESS as in set() of a knob: call again with the same to hear what became of it. -EINVAL: no such attribute or value (ret_reason says which); -ENOENT: no such domain. Optional. */
        int (*domain_wish)(void *state, const char *domain, const char *attributes, char *ret_reason, size_t size);
        /* Begins the job `job`: the memory is moved, or looked at (then told by domain_memory(), if it is a domain's). Returns at once, the work is done in a thread of the plugin's own, and
         * told by job_update(); where the memory of a domain is then is told before its move is over, or soon after one was cancelled. Nothing of it is journaled: where pages are is no setting. -EINVAL: no such node or cell; -ESRCH: no such process; -EBUSY: too many jobs; -EOPNOTSUPP; ret_reason says
         * more. Optional. */
        int (*memory_begin)(void *state, const struct iocore_memory *memory, uint64_t job, char *ret_reason, size_t size);
        /* Ends a job as soon as the slice of work in hand (some 50 ms) is done; it is over when job_update() says so. -ENOENT: it is over already, or not this plugin's. */
        int (*job_cancel)(void *state, uint64_t job);

        void *reserved[2];
};

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host model: what iocored knows about CPUs, workers, units, queues and domains. Plain data, no I/O.
 * Plugins write the public part (`pub`) of each object through the services of iocore-plugin.h; derive functions
 * turn two samples into loads; policies and planner read it as a snapshot.
 *
 * Loads are in cores: 1.0 = one CPU's whole time. Rates are per second.
 */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugins/iocore-plugin.h"
#include "topology.h"

/* Identifies the plugin instance that owns an object; opaque to the model. */
struct plugin_instance;

enum object_state {
        OBJECT_ACTIVE,
        OBJECT_MANUAL, /* somebody else changed it, or it was pinned by hand: hands off */
};

struct node;

struct cpu {
        const struct topology_cpu *topology;
        struct node *node;       /* NULL when unknown (a CPU that is offline) */
        bool io_core;            /* see core_set() */
        bool io_core_ours;       /* made by iocored: may be removed by it */
        struct worker *worker;   /* executes this I/O core; NULL on stock kernels and on VM cores */
        struct plugin_instance *plugin; /* that said io_core */
        unsigned n_pinned;       /* threads of guests that are bound by hand to it alone: see cpu_pinned() */

        /* cpu_sample() */
        uint64_t busy, total, last_busy, last_total;
        bool sampled;       /* `busy_share` is meaningful */
        double busy_share;  /* 0..1, all tasks; a worker that polls counts as busy */

        /* I/O cores only; derived each epoch from the units on it */
        double load;        /* cores of useful work of the workers on it: may not exceed 1 by much */
        bool load_valid;    /* false: one of its workers does not have two samples yet */
        double load_average; /* EWMA; < 0: none yet */
        double wait;        /* cores: runnable work that waited */
        double wait_share;  /* share of the time that runnable work waited; 0 when unknown */
        size_t n_units;
        uint64_t idle_since_usec; /* used by the engine: since when it has had next to nothing to do; 0: it works */
        bool idle_told;
};

struct worker {
        struct iocore_worker pub; /* must be first */
        struct plugin_instance *plugin;
        enum object_state state;
        uint64_t seen_epoch; /* epoch in which it was added */

        uint64_t last_clock, last_busy, last_wait, last_switches, last_incarnation;
        uint64_t sampled_epoch; /* epoch of the newest sample */
        uint64_t sampled_usec;  /* host.now_usec of it */
        unsigned n_samples;    /* 0, 1, 2 = two valid samples: rates mean something */
        double load;           /* busy share in the last epoch */
        double load_average;   /* EWMA; < 0: none yet */
        double wait;           /* share of the last epoch that it was runnable and did not run */
        double wait_share;     /* wait / (wait + load): of the time that it wanted, how much it did not get; 0 when unknown */
        double switches_per_second; /* times that it was given a CPU; 0 when unknown */
        size_t n_units;        /* derived: how many units it executes */
};

struct device {
        struct iocore_device pub;
        struct plugin_instance *plugin;
        uint64_t seen_epoch;
        uint64_t shared_bytes_epoch; /* in which queues of it that belong to no unit told bytes: of all of its units together */
};

struct unit {
        struct iocore_unit pub;
        struct plugin_instance *plugin;
        enum object_state state;
        uint64_t seen_epoch;

        /* derived */
        int core;             /* the I/O core that executes it, or IOCORE_CPU_ANY */
        double load;          /* sum of its queues' loads, or its worker's load where it is the worker's only unit */
        double load_average;  /* < 0: none yet */
        double bytes_per_second;
        double nsec_per_byte; /* CPU time that a byte costs, the measure that trials call cycles_per_byte; 0 when unknown, or when it handled none */
        bool counts_bytes;    /* false: no queue of it counts bytes, bytes_per_second is 0 because nobody knows */
        bool rates_valid;     /* false: load and bytes_per_second are not known in this epoch */

        /* used by host_derive() */
        size_t first_queue, n_queues; /* its part of host.queues_by_unit */
        struct domain *domain;        /* that it belongs to: see host_unit_domain(); NULL: none, or not looked for yet */
        bool domain_by_pid;           /* found by its owner's process, not by name */
        pid_t domain_owner;           /* its owner when it was looked for */
        uint64_t domain_search;       /* host.domain_search when it was looked for */
};

struct queue {
        struct iocore_queue pub;
        struct plugin_instance *plugin;
        enum object_state state;
        uint64_t seen_epoch;

        struct {
                uint64_t clock, busy, bytes, packets, works, wait, stuck, ring_full, poll_empty, drops;
        } last;
        unsigned n_samples;
        uint64_t sampled_usec;  /* host.now_usec of the newest sample */
        size_t place;           /* in host.queues; as host.queue_sampled counts */
        uint64_t sampled_epoch; /* epoch of the newest sample: older than the host's epoch = idle, all rates below are then 0 to readers */

        double load, load_average;
        double bytes_per_second, packets_per_second, works_per_second;
        double wait_share;
        double stuck_per_second, ring_full_per_second, poll_empty_per_second, drops_per_second;
};

struct vcpu {
        struct iocore_vcpu pub;
        hwloc_bitmap_t cpus; /* NULL when unknown */
};

struct iothread {
        struct iocore_iothread pub;
        hwloc_bitmap_t cpus; /* NULL when unknown */
};

struct cell {
        struct iocore_cell pub;
        uint64_t *kib_of_node; /* n_nodes of them, by the node's place in host.nodes; NULL when unknown */
};

struct domain {
        struct iocore_domain pub;
        struct plugin_instance *plugin;
        uint64_t seen_epoch;

        /* what host_derive() saw last: a difference makes a HOST_DOMAIN_CHANGED */
        bool derived;
        enum iocore_domain_state last_state;
        int last_node;
        unsigned last_n_vcpus;
        pid_t last_pid;
        /* Its events that wait: how many, and which came last. Both only while `events_turn` is the host's. */
        uint64_t events_turn;
        size_t n_events, last_event;

        /* What belongs to it; see domain_set_vcpus() and its like. */
        struct vcpu *vcpus; /* by id */
        size_t n_vcpus;
        struct iothread *iothreads; /* by id */
        size_t n_iothreads;
        struct cell *cells;
        size_t n_cells;
        struct iocore_domain_device *devices;
        size_t n_devices;
        struct {
                hwloc_bitmap_t cpus; /* NULL when unknown */
                bool by_hand;
                char knob[IOCORE_NAME_MAX];
        } emulator;
        uint64_t *rest_kib_of_node; /* of no cell that anybody could tell; as cell.kib_of_node */
        uint64_t memory_usec;       /* host.now_usec when somebody last told where its memory is; 0: nobody has */
        bool moving;                /* a job moves memory of it: where that is now is not where it will be */
};

struct node {
        const struct topology_node *topology;
        /* derived */
        size_t n_io_cores, n_vm_cores; /* online CPUs */
        size_t n_units;
        size_t n_units_unplaced, n_units_unplaced_known; /* of them: on no I/O core; and their load is known */
        double io_load;          /* useful work on its I/O cores, in cores */
        bool io_load_valid;      /* false: an I/O core's load is not known yet */
        double io_load_average;  /* < 0: none yet */
        double io_idle;          /* n_io_cores - io_load, never below 0 */
        double unplaced_load;    /* load of this node's units that are on no I/O core; units of unknown node count for the first node */
        double unplaced_load_average;
        uint64_t memory_kib, memory_free_kib; /* 0: unknown */
        uint64_t memory_coming_kib; /* that jobs, and decisions that are open, are still to bring here: it is free, and spoken for */
        bool vm_sampled;
        double vm_idle;          /* idle cores among online VM cores */
};

enum host_event_kind {
        HOST_DEVICE_ADDED,
        HOST_DEVICE_REMOVED,
        HOST_CORE_ADDED,
        HOST_CORE_REMOVED,
        HOST_DOMAIN_ADDED,
        HOST_DOMAIN_REMOVED,
        HOST_DOMAIN_CHANGED,
        HOST_DOMAIN_EVENT, /* told by domain_event(): see `event` */
        _HOST_EVENT_KIND_MAX,
};

/* What happened since the last epoch, for policies and the bus, in order. Collapsed: at most one of a kind per object; of what was told by domain_event() all but
 * repetitions without anything else of that domain in between. */
struct host_event {
        enum host_event_kind kind;
        char id[IOCORE_NAME_MAX]; /* unit id, CPU number, domain name */
        char event[32];           /* HOST_DOMAIN_EVENT only: "suspended", "device-added" ... */
        char detail[IOCORE_NAME_MAX];
};

/* So many told events of one domain, and of all, are kept for an epoch: a domain that is switched on and off in a loop must not push out the others, and a host whose
 * domains all restart at once has an event or three of each. */
#define DOMAIN_EVENTS_MAX 32
#define DOMAIN_EVENTS_ALL_MAX 4096

struct host {
        struct topology *topology;
        struct cpu *cpus;
        size_t n_cpus;
        struct node *nodes;
        size_t n_nodes;

        /* in the order of their natural sort (w.2 before w.10); stable between scans */
        struct worker **workers;
        size_t n_workers;
        struct device **devices;
        size_t n_devices;
        struct unit **units;
        size_t n_units;
        struct queue **queues;
        size_t n_queues;
        struct domain **domains;
        size_t n_domains;

        struct host_event *events;
        size_t n_events, events_allocated;
        size_t n_events_of[_HOST_EVENT_KIND_MAX]; /* of each kind */
        uint64_t events_turn;        /* counts host_clear_events() */
        size_t n_domain_events_lost; /* since the last one: told and not kept */

        /* The queues grouped by unit, those without a unit first, so that the queues of idle workers need not even be looked at.
         * Rebuilt by host_derive() after units or queues came or went: a queue's unit is set once, before the next host_derive(). */
        struct queue **queues_by_unit;
        /* For each of host.queues, by its place there: was it sampled in this epoch? So that whoever looks for busy queues need not touch the others. */
        bool *queue_sampled;
        size_t n_queues_without_unit;
        size_t n_domains_stopped;

        /* The domains that have a process, by its pid; rebuilt by host_derive() when domains or their processes came or went. */
        struct domain **domains_by_pid;
        size_t n_domains_by_pid;
        uint64_t domain_search;  /* counts the rebuilds: a unit whose number is older looks for its domain again */
        /* The threads of vCPUs and IOThreads that have a knob, sorted; rebuilt when they are asked for. */
        pid_t *domain_threads;
        size_t n_domain_threads, n_domain_threads_allocated;
        uint64_t iothreads_told; /* counts what was told of IOThreads, and domains that went: see host_each_iothread() */

        uint64_t epoch;      /* counts from 1 */
        uint64_t now_usec;   /* monotonic (or virtual) time of this epoch */
        uint64_t last_usec;
        double ewma_weight;  /* of the newest epoch */
        double busy_threshold; /* load from which a worker's queues are looked at (level 1) */

        bool in_haste; /* epochs run: nothing may take long */
        /* Were queues of idle workers sampled in this epoch? Set by whoever samples; false spares host_derive() a look at one queue of each idle unit. */
        bool idle_queues_sampled;
        bool queues_regrouped;     /* false: queues_by_unit is to be rebuilt */
        bool domains_regrouped;    /* false: domains_by_pid is to be rebuilt */
        bool domain_threads_known; /* false: domain_threads is to be rebuilt */
};

/* Takes `topology` on success. 0 or -ENOMEM. */
int host_new(struct host **ret, struct topology *topology);
struct host *host_free(struct host *host);
static inline void host_freep(struct host **host) { host_free(*host); }

/* Add or find; a new object is unbound, unplaced, of unknown node. NULL with errno ENOMEM, EINVAL or EEXIST as said in iocore-plugin.h. */
struct worker *host_worker_add(struct host *host, struct plugin_instance *plugin, const char *id);
struct device *host_device_add(struct host *host, struct plugin_instance *plugin, const char *id);
struct unit *host_unit_add(struct host *host, struct plugin_instance *plugin, const char *id);
struct queue *host_queue_add(struct host *host, struct plugin_instance *plugin, const char *id);
struct domain *host_domain_add(struct host *host, struct plugin_instance *plugin, const char *name);
/* Remove and free; references of other objects are cleared. */
void host_worker_remove(struct host *host, struct worker *worker);
void host_device_remove(struct host *host, struct device *device);
void host_unit_remove(struct host *host, struct unit *unit);
void host_queue_remove(struct host *host, struct queue *queue);
void host_domain_remove(struct host *host, struct domain *domain);
/* Removes everything that `plugin` added, and its I/O cores. */
void host_remove_plugin(struct host *host, struct plugin_instance *plugin);

/* NULL when there is none; O(log n). */
struct worker *host_worker(const struct host *host, const char *id);
struct device *host_device(const struct host *host, const char *id);
struct unit *host_unit(const struct host *host, const char *id);
struct queue *host_queue(const struct host *host, const char *id);
struct domain *host_domain(const struct host *host, const char *name);
struct cpu *host_cpu(const struct host *host, int cpu);
struct node *host_node(const struct host *host, int node);

/* See iocore-plugin.h. 0 or -EINVAL. */
int host_core_set(struct host *host, struct plugin_instance *plugin, int cpu, struct worker *worker, bool io_core);
int host_cpu_sample(struct host *host, int cpu, uint64_t busy, uint64_t total);

/* `online`: the CPUs that are so now. Marks them, and adds those that went and those that came to the two sets (borrowed). True: one of those that came is where nobody knows, as it was
 * offline when the topology was read: see host_refresh_topology(). What iocored made of a CPU that went is for the actor to unmake. -ENOMEM is not an error here: told the next time. */
bool host_set_online(struct host *host, hwloc_const_bitmap_t online, hwloc_bitmap_t went, hwloc_bitmap_t came);
/* Puts CPUs where the topology `fresh`, read anew, says that they are. 0 or -ENOMEM. */
int host_refresh_topology(struct host *host, const struct topology *fresh);

/* One epoch: begin (counts the epoch, sets the time), workers are sampled, derive_workers, queues of busy workers are sampled, derive (everything else).
 * None allocates. host_clear_events() when policies have seen them. */
void host_begin_epoch(struct host *host, uint64_t now_usec);
void host_derive_workers(struct host *host);
/* Are its queues worth reading in this epoch? So when its load (or its average) reaches busy_threshold, and as long as it is not known. */
bool host_worker_is_busy(const struct host *host, const struct worker *worker);
void host_derive(struct host *host);
void host_clear_events(struct host *host);
/* 0 (also when the same event waits already) or -ENOMEM. */
int host_event_add(struct host *host, enum host_event_kind kind, const char *id);
/* What came or went; as host_event_add(), cheap also for the first scan of a large host. */
int host_event_tell(struct host *host, enum host_event_kind kind, const char *id);
/* See domain_event() in iocore-plugin.h. Control characters become '?', what is too long is cut. 0; -ENOBUFS: too many of them wait, it is counted as lost; -ENOMEM. */
int host_domain_event(struct host *host, struct domain *domain, const char *event, const char *detail);

/* What belongs to a domain: see domain_set_vcpus() and its like in iocore-plugin.h. All is copied; on a failure what was said before stays. 0, -EINVAL, -ENOMEM. */
int host_domain_set_vcpus(struct host *host, struct domain *domain, const struct iocore_vcpu *vcpus, size_t n);
int host_domain_set_iothreads(struct host *host, struct domain *domain, const struct iocore_iothread *iothreads, size_t n);
/* Where the memory of the cells is stays known as long as their number is the same. */
int host_domain_set_cells(struct domain *domain, const struct iocore_cell *cells, size_t n);
int host_domain_set_devices(struct domain *domain, const struct iocore_domain_device *devices, size_t n);
int host_domain_set_emulator(struct domain *domain, const char *cpus, bool by_hand, const char *knob);
/* Memory on nodes that have no CPU is left out. */
int host_domain_set_memory(const struct host *host, struct domain *domain, unsigned cell, const uint64_t *kib_of_node, size_t n_nodes);
/* See domain_memory_rest() in iocore-plugin.h. */
int host_domain_set_memory_rest(const struct host *host, struct domain *domain, const uint64_t *kib_of_node, size_t n_nodes);
/* Where its memory is is not known any more. */
void host_domain_forget_memory(struct domain *domain);
/* Frees what belongs to it, as before it is freed itself. */
void host_domain_done(struct domain *domain);
/* Is it a vCPU or an IOThread that has a knob? O(log n), after changes O(n log n). */
bool host_thread_is_of_domain(struct host *host, pid_t tid);
uint64_t host_each_iothread(const struct host *host, uint64_t since,
                            void (*each)(void *userdata, const struct iocore_domain *domain, const struct iocore_iothread *iothread), void *userdata);
/* 0; -EINVAL: no such node. */
int host_node_memory(struct host *host, int node, uint64_t total_kib, uint64_t free_kib);
/* For host_derive(): rebuilds domains_by_pid. Allocates nothing. */
void host_regroup_domains(struct host *host);
/* For host_derive(): looks for its domain where it has to be looked for again. */
void host_find_unit_domain(const struct host *host, struct unit *unit);

/* True while the queue's rates are of this epoch and rest on two samples. Readers show 0 otherwise. */
static inline bool queue_rates_valid(const struct host *host, const struct queue *queue) {
        return queue->n_samples >= 2 && queue->sampled_epoch == host->epoch;
}
/* The domain that a unit belongs to: that of its owner's process, as of the last host_derive(), else the one that has the name which its plugin gave. NULL: unknown. */
const struct domain *host_unit_domain(const struct host *host, const struct unit *unit);
/* Its name: the domain's own, else the one that the unit's plugin gave; "" when unknown. */
const char *host_unit_domain_name(const struct unit *unit);
/* A unit whose domain is paused or shut off counts as idle. */
bool host_unit_domain_runs(const struct host *host, const struct unit *unit);
/* In somebody else's hands. */
static inline bool host_unit_is_manual(const struct unit *unit) {
        return unit->pub.manual || unit->state == OBJECT_MANUAL;
}
/* That, or kept where it is by the host: not for policies to move. */
static inline bool host_unit_is_left_alone(const struct unit *unit) {
        return host_unit_is_manual(unit) || unit->pub.blocked;
}
/* The node that a unit belongs to: its own, else that of its I/O core, else the first node of the host. Never NULL on a host with nodes. */
struct node *host_unit_node(const struct host *host, const struct unit *unit);
/* Natural order of ids: w.2 before w.10. Returns what strcmp() would. */
int id_compare(const char *a, const char *b);

#endif

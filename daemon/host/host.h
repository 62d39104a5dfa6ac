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
        struct domain *domain;        /* the last one found by name; NULL: none yet */
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

struct domain {
        struct iocore_domain pub;
        struct plugin_instance *plugin;
        uint64_t seen_epoch;

        /* what host_derive() saw last: a difference makes a HOST_DOMAIN_CHANGED */
        bool derived;
        enum iocore_domain_state last_state;
        int last_node;
        unsigned last_n_vcpus;
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
        bool vm_sampled;
        double vm_idle;          /* idle cores among online VM cores */
};

enum host_event_kind { HOST_DEVICE_ADDED, HOST_DEVICE_REMOVED, HOST_CORE_ADDED, HOST_CORE_REMOVED, HOST_DOMAIN_ADDED, HOST_DOMAIN_REMOVED, HOST_DOMAIN_CHANGED };

/* What happened since the last epoch, for policies and the bus; collapsed: at most one of a kind per object. */
struct host_event {
        enum host_event_kind kind;
        char id[IOCORE_NAME_MAX]; /* unit id, CPU number, domain name */
};

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
        size_t n_events_of[HOST_DOMAIN_CHANGED + 1]; /* of each kind */

        /* The queues grouped by unit, those without a unit first, so that the queues of idle workers need not even be looked at.
         * Rebuilt by host_derive() after units or queues came or went: a queue's unit is set once, before the next host_derive(). */
        struct queue **queues_by_unit;
        /* For each of host.queues, by its place there: was it sampled in this epoch? So that whoever looks for busy queues need not touch the others. */
        bool *queue_sampled;
        /* Were queues of idle workers sampled in this epoch? Set by whoever samples; false spares host_derive() a look at one queue of each idle unit. */
        bool idle_queues_sampled;
        size_t n_queues_without_unit;
        bool queues_regrouped; /* false: to be rebuilt */
        size_t n_domains_stopped;

        bool in_haste;       /* epochs run: nothing may take long */
        uint64_t epoch;      /* counts from 1 */
        uint64_t now_usec;   /* monotonic (or virtual) time of this epoch */
        uint64_t last_usec;
        double ewma_weight;  /* of the newest epoch */
        double busy_threshold; /* load from which a worker's queues are looked at (level 1) */
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

/* True while the queue's rates are of this epoch and rest on two samples. Readers show 0 otherwise. */
static inline bool queue_rates_valid(const struct host *host, const struct queue *queue) {
        return queue->n_samples >= 2 && queue->sampled_epoch == host->epoch;
}
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The model host: a host of the vhost control interface in virtual time, shared by the plugin `sim` and by iocore-simfs.
 * Same scenario, same seed, same calls: same run, bit for bit. No I/O, no clock of its own.
 *
 * Time passes in slices of the scenario's quantum. In each slice guests make requests, each CPU's cycles are shared by the workers
 * that are bound to it, and each worker's cycles by its queues. vCPUs, and workers that are bound to no CPU, run on the CPUs that no
 * worker is bound to (VM cores). All counters are in cycles of one clock, model_cycles(), and never go back.
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scenario.h"

#define MODEL_CREATED_MAX 32 /* ids that a read of worker/create can tell at once */

struct model;
struct model_device;

/* Objects belong to the model; they are valid until the next call that changes the model (model_advance() too). Members are for reading. */
struct model_worker {
        unsigned number; /* w.N */
        int pid;
        int cpu;         /* or IOCORE_CPU_ANY */
        bool locked;
        bool from_start; /* by the scenario; not created while it ran */
        uint64_t born_cycles;
        struct model_device **devices; /* in the order in which they came */
        size_t n_devices, devices_allocated;
        int64_t max_stuck_cycles;      /* of its work list */
        int64_t max_disabled_soft_interrupts_cycles;

        /* total_work_cycles + cycles + wait = its age. cycles: looking for work, polls that found nothing among it; wait: not running. */
        struct {
                uint64_t loops, enabled_interrupts, cycles, mm_switches, wait, empty_works, empty_polls, stuck_works, pending_works, noqueue_works;
                uint64_t total_work_cycles, ksoftirq_occurrences, ksoftirq_time, ksoftirqs;
        } counters;
        uint64_t starved; /* cycles that it had work and others had the CPU */

        /* of the slice: see model-run.c */
        uint64_t demand, budget, used;
        uint64_t utilisation; /* smoothed, 1024 = all its time */
        bool polls;
};

struct model_queue {
        unsigned index;
        struct model_device *device;
        bool poll, can_poll;
        int64_t min_processed_data_limit, max_processed_data_limit; /* bytes per turn */
        int64_t max_stuck_pending_items, max_stuck_cycles;
        int64_t min_poll_rate;

        struct {
                uint64_t poll_kicks, poll_cycles, poll_bytes, poll_wait, poll_empty, poll_empty_cycles, poll_coalesced, poll_limited, poll_pending_cycles;
                uint64_t notif_works, notif_cycles, notif_bytes, notif_wait, notif_limited;
                uint64_t ring_full, stuck_times, stuck_cycles;
                uint64_t handled_bytes, handled_packets, last_handled_bytes, last_poll_cycles;
        } counters;
        uint64_t dropped; /* requests that found the ring full; no attribute of the interface tells this */
        uint64_t pending; /* requests in the ring */

        /* of the load and of the slice: see model-run.c */
        const struct scenario_load *load;
        uint64_t ramp_from, ramp_start_usec;
        uint64_t arrival_rest; /* fraction of a request, in 1e-6 */
        uint64_t random;
        uint64_t kicks, turns, demand, granted;
        uint64_t waiting_since; /* cycles; 0: nothing waits */
        bool stuck;
};

struct model_device {
        unsigned number; /* d.N */
        const struct scenario_device *scenario;
        struct model_vm *vm;
        struct model_worker *worker;
        struct model_queue *queues;
        size_t n_queues;
        size_t next_load;           /* phases before it have begun */
        bool moving;                /* between model_move_begin() and model_move_end() */
        uint64_t still_until_usec;  /* not served before */
        struct {
                uint64_t move_total, move_count, attach, detach;
        } counters;
};

enum model_vm_state { MODEL_VM_ABSENT, MODEL_VM_RUNNING, MODEL_VM_PAUSED };

struct model_vm {
        const struct scenario_vm *scenario;
        enum model_vm_state state;
        uint64_t busy_share;  /* of each of its vCPUs */
        uint64_t exit_cycles; /* that its vCPUs lost to kicks in the last slice */
};

struct model_cpu {
        int cpu, node;
        uint64_t worker_cycles, vcpu_cycles; /* since the start */
        /* of the slice */
        uint64_t used, small_demand;
        unsigned n_active, n_big, n_bound;
};

/* `scenario` is borrowed. 0 or -ENOMEM. */
int model_new(struct model **ret, const struct scenario *scenario);
struct model *model_free(struct model *model);
static inline void model_freep(struct model **model) {
        model_free(*model);
}

/* Lets `usec` of the host's time pass, in slices of the scenario's quantum; what is left of a slice is kept for the next call.
 * 0, or -ENOMEM: a VM could not arrive (time passed nevertheless). */
int model_advance(struct model *model, uint64_t usec);
uint64_t model_now_usec(const struct model *model);
uint64_t model_cycles(const struct model *model);
bool model_ended(const struct model *model);
/* Counts changes of what exists and of who executes what: unchanged means that no id came, went or moved. */
uint64_t model_generation(const struct model *model);
const struct scenario *model_scenario(const struct model *model);

/* All in ascending order of their numbers; NULL when there is none. */
size_t model_n_workers(const struct model *model);
const struct model_worker *model_worker_at(const struct model *model, size_t position);
const struct model_worker *model_worker(const struct model *model, unsigned number);
size_t model_n_devices(const struct model *model);
const struct model_device *model_device_at(const struct model *model, size_t position);
const struct model_device *model_device(const struct model *model, unsigned number);
const struct model_queue *model_queue(const struct model *model, unsigned device, unsigned index);
size_t model_n_vms(const struct model *model); /* absent ones too, in the order of the scenario */
const struct model_vm *model_vm_at(const struct model *model, size_t position);
size_t model_n_cpus(const struct model *model);
const struct model_cpu *model_cpu(const struct model *model, int cpu);
const struct model_worker *model_default_worker(const struct model *model);
uint64_t model_epoch(const struct model *model);

/* What can be written to the control interface, with the kernel's errors: -EINVAL unless said otherwise, -ENOMEM always. */

int model_set_epoch(struct model *model, int64_t value); /* anything but 1 is refused */
/* `cpu`: -1 or a CPU of the host. */
int model_worker_create(struct model *model, int cpu, unsigned *ret_number);
/* The ids created since the last call, at most MODEL_CREATED_MAX; forgets them. Returns how many. */
size_t model_take_created(struct model *model, unsigned ret[static MODEL_CREATED_MAX]);
/* Refused unless locked and without devices. */
int model_worker_remove(struct model *model, unsigned number);
/* Refused when locked. */
int model_set_default_worker(struct model *model, unsigned number);
/* Locking the default worker makes another unlocked one the default, or a new one. Unlocking a locked worker is done AND answered by -EINVAL, as the kernel does. -ENODEV: no such worker. */
int model_worker_set_locked(struct model *model, unsigned number, bool locked);
/* Moves a device; a locked target is not refused. begin: -EINVAL: no such worker, or already moving; -ENODEV: no such device; 1: it is there already, nothing to end.
 * Between begin and end the device is not served; end: -ENODEV: device or worker has gone meanwhile. */
int model_move_begin(struct model *model, unsigned device, unsigned worker);
int model_move_end(struct model *model, unsigned device, unsigned worker);
/* begin and end at once; the device stands still for the scenario's `move` of virtual time. 0 when it is there already. */
int model_move(struct model *model, unsigned device, unsigned worker);
/* Polling a queue that cannot be polled is answered by 0 and does nothing. -ENODEV: no such queue. */
int model_queue_set_poll(struct model *model, unsigned device, unsigned index, bool poll);

enum model_queue_limit { MODEL_MIN_PROCESSED_DATA, MODEL_MAX_PROCESSED_DATA, MODEL_MAX_STUCK_PENDING_ITEMS, MODEL_MAX_STUCK_CYCLES, MODEL_MIN_POLL_RATE };
int model_queue_set_limit(struct model *model, unsigned device, unsigned index, enum model_queue_limit limit, int64_t value);
enum model_worker_limit { MODEL_WORK_LIST_MAX_STUCK_CYCLES, MODEL_MAX_DISABLED_SOFT_INTERRUPTS_CYCLES };
int model_worker_set_limit(struct model *model, unsigned number, enum model_worker_limit limit, int64_t value);

/* What only a test can do. */
int model_vanish_device(struct model *model, unsigned number);         /* as if its process had closed it. -ENODEV */
int model_vanish_worker(struct model *model, unsigned number);         /* its devices go to the default worker. -ENODEV; -EBUSY: it is the only one */
void model_scale_load(struct model *model, uint64_t share);            /* all open loops; SCENARIO_SHARE = as written */

#endif

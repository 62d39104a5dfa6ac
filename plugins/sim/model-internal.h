/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inside of the model, for model.c, model-run.c and model-control.c only. */
#ifndef SIM_MODEL_INTERNAL_H
#define SIM_MODEL_INTERNAL_H

#include "model.h"

enum event_kind { EVENT_ARRIVE, EVENT_LEAVE, EVENT_PAUSE, EVENT_RESUME, EVENT_VCPU_LOAD };

/* Something that the scenario says about a VM as a whole. Loads of queues are followed by each device itself, see apply_loads(). */
struct event {
        uint64_t at_usec;
        size_t order; /* of the scenario: breaks ties */
        enum event_kind kind;
        size_t vm;
        uint64_t busy_share;
};

struct node_run {
        unsigned n_vm_cores;
        uint64_t vcpu_demand;  /* cycles of the slice */
        uint64_t supply_share; /* of their demand that vCPUs got in the slice before */
};

struct model {
        const struct scenario *scenario;
        uint64_t now_usec, rest_usec, slices;
        uint64_t generation, epoch;
        uint64_t load_share;
        int out_of_memory; /* 0 or -ENOMEM */

        struct model_worker **workers;
        size_t n_workers, workers_allocated;
        struct model_device **devices;
        size_t n_devices, devices_allocated;
        struct model_vm *vms;
        struct model_cpu *cpus;
        size_t n_cpus;
        struct node_run *nodes;
        size_t n_nodes;
        int *vm_cores; /* CPUs without a bound worker, filled anew in each slice */
        size_t n_vm_cores;

        struct model_worker *default_worker;
        unsigned last_worker, last_device; /* numbers are never used again */
        unsigned created[MODEL_CREATED_MAX];
        size_t n_created;

        struct event *events;
        size_t n_events, next_event;
};

/* model.c */
struct model_worker *model_find_worker(const struct model *model, unsigned number);
struct model_device *model_find_device(const struct model *model, unsigned number);
struct model_queue *model_find_queue(const struct model *model, unsigned device, unsigned index);
/* NULL: out of memory. */
struct model_worker *model_add_worker(struct model *model, int cpu);
void model_drop_worker(struct model *model, struct model_worker *worker); /* must be without devices */
int model_attach_device(struct model_worker *worker, struct model_device *device); /* 0 or -ENOMEM */
void model_detach_device(struct model_device *device);
void model_drop_device(struct model *model, struct model_device *device);
void model_apply_events(struct model *model); /* those that are due now */

/* model-run.c */
void model_run_slice(struct model *model);

static inline uint64_t minimum(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

#endif

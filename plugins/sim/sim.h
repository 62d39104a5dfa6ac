/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inside of the plugin `sim`, for sim.c, sim-inventory.c and sim-hands.c only. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "model.h"
#include "plugins/iocore-plugin.h"

struct sim_device {
        unsigned number;
        struct iocore_device *device;
        struct iocore_unit *unit;
        struct iocore_queue **queues;
        size_t n_queues;
};

struct sim_worker {
        unsigned number;
        int core; /* the CPU that was told by core_set(), or IOCORE_CPU_ANY */
        struct iocore_worker *worker;
};

struct sim {
        const struct iocore_services *services;
        struct iocore_context *context;
        struct scenario *scenario;
        struct model *model;
        bool real;
        double speed;
        uint64_t last_usec; /* of CLOCK_MONOTONIC, real pace only */

        /* both in ascending order of their numbers, which are never used again: new ones come at the end */
        struct sim_worker *workers;
        size_t n_workers;
        struct sim_device *devices;
        size_t n_devices;
        struct iocore_domain **domains; /* by VM of the scenario, NULL while it is absent */
        uint64_t scanned_generation;
};

/* sim.c: in real pace, the model catches up with the clock before anybody looks at it. */
void sim_catch_up(struct sim *sim);

/* sim-inventory.c. The entry of that number, or NULL. */
struct sim_device *sim_find_device(const struct sim *sim, unsigned number);
struct sim_worker *sim_find_worker(const struct sim *sim, unsigned number);
/* Makes the host's workers and I/O cores those of the model. 0, -ENOMEM, or the error of a service. */
int sim_scan_workers(struct sim *sim);
/* See scan() in iocore-plugin.h. */
int sim_scan(void *state, bool thorough);
/* Removes all that was added. */
void sim_drop_all(struct sim *sim);

/* sim-wishes.c: see iocore-plugin.h */
int sim_domain_wish(void *state, const char *name, const char *attributes, char *ret_reason, size_t size);

/* sim-hands.c: see iocore-plugin.h */
#define SIM_N_KNOBS 4
extern const struct iocore_knob sim_knobs[SIM_N_KNOBS];
int sim_place(void *state, const struct iocore_unit *unit, int cpu, char *ret_value, size_t size);
int sim_core_add(void *state, int cpu, char *ret_worker, size_t size);
int sim_core_remove(void *state, int cpu, const char *id);
const char *sim_unavailable(void *state, const char *kind);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The simulated host as a plugin: the objects and knobs of the vhost control interface, taken from the model without a file system
 * between. Options: scenario=FILE; pace=virtual (time passes when the daemon says so) or real (it follows CLOCK_MONOTONIC);
 * speed=X (real only).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "daemon/cleanup.h"
#include "daemon/clock.h"
#include "ids.h"
#include "sim.h"

/* In real pace, the model catches up with the clock before anybody looks at it. */
void sim_catch_up(struct sim *sim) {
        uint64_t now;

        if (!sim->real)
                return;
        now = monotonic_usec();
        if (model_advance(sim->model, (uint64_t) ((double) (now - sim->last_usec) * sim->speed)) < 0)
                sim->services->log(sim->context, LOG_WARNING, "sim: out of memory, a VM could not arrive");
        sim->last_usec = now;
}

/* --- sampler */

static int sim_sample_workers(void *state) {
        struct sim *sim = state;

        sim_catch_up(sim);
        for (size_t i = 0; i < sim->n_workers; i++) {
                const struct model_worker *model = model_worker(sim->model, sim->workers[i].number);
                if (!model)
                        continue;
                sim->workers[i].worker->clock = model_cycles(sim->model);
                sim->workers[i].worker->busy = model->counters.total_work_cycles;
                sim->workers[i].worker->wait = model->starved;
        }
        return 0;
}

static void sample_queue(const struct sim *sim, struct iocore_queue *queue, const struct model_queue *model) {
        queue->clock = model_cycles(sim->model);
        queue->poll = model->poll;
        queue->busy = model->counters.poll_cycles + model->counters.notif_cycles;
        queue->bytes = model->counters.handled_bytes;
        queue->packets = model->counters.handled_packets;
        queue->works = model->counters.notif_works;
        queue->wait = model->counters.poll_wait + model->counters.notif_wait;
        queue->stuck = model->counters.stuck_times;
        queue->ring_full = model->counters.ring_full;
        queue->poll_empty = model->counters.poll_empty;
}

static int sim_sample_queues(void *state, struct iocore_worker *worker) {
        const struct sim *sim = state;
        const struct model_worker *model;
        unsigned number = 0;

        model = id_parse(worker->id, "w", &number) ? model_worker(sim->model, number) : NULL;
        for (size_t i = 0; model && i < model->n_devices; i++) {
                const struct model_device *source = model->devices[i];
                const struct sim_device *device = sim_find_device(sim, source->number);
                for (size_t j = 0; device && j < source->n_queues; j++)
                        sample_queue(sim, device->queues[j], source->queues + j);
        }
        return 0;
}

static int sim_sample_cpus(void *state) {
        const struct sim *sim = state;

        for (int i = 0; (size_t) i < model_n_cpus(sim->model); i++) {
                const struct model_cpu *cpu = model_cpu(sim->model, i);
                int r = sim->services->cpu_sample(sim->context, i, cpu->worker_cycles + cpu->vcpu_cycles, model_cycles(sim->model));
                if (r < 0)
                        return r;
        }
        return 0;
}

/* --- life */

static int sim_advance(void *state, uint64_t usec) {
        struct sim *sim = state;

        return sim->real ? 0 : model_advance(sim->model, usec);
}

static int sim_ended(void *state) {
        return model_ended(((struct sim *) state)->model);
}

static void sim_close(void *state) {
        struct sim *sim = state;

        if (!sim)
                return;
        sim_drop_all(sim);
        free(sim->devices);
        free(sim->workers);
        free(sim->domains);
        model_free(sim->model);
        scenario_free(sim->scenario);
        free(sim);
}

static void sim_closep(struct sim **sim) {
        sim_close(*sim);
}

static int sim_probe(const struct iocore_services *services, struct iocore_context *context, char *ret_reason, size_t size) {
        if (services->option(context, "scenario"))
                return 1;
        snprintf(ret_reason, size, "no scenario is configured ([plugin.sim] scenario)");
        return 0;
}

static int read_pace(struct sim *sim, char *ret_reason, size_t size) {
        const char *pace = sim->services->option(sim->context, "pace"), *speed = sim->services->option(sim->context, "speed");
        char *end = NULL;

        sim->speed = 1;
        if (pace && strcmp(pace, "virtual") != 0 && strcmp(pace, "real") != 0) {
                snprintf(ret_reason, size, "pace is \"%s\", not virtual or real", pace);
                return -EINVAL;
        }
        sim->real = pace && strcmp(pace, "real") == 0;
        if (speed)
                sim->speed = strtod(speed, &end);
        if (speed && (end == speed || *end != '\0' || !(sim->speed > 0 && sim->speed <= 1000))) {
                snprintf(ret_reason, size, "speed is \"%s\", not a number up to 1000", speed);
                return -EINVAL;
        }
        sim->last_usec = monotonic_usec();
        return 0;
}

static int check_topology(const struct sim *sim, char *ret_reason, size_t size) {
        char string[128] = "";
        int n_cpus = (int) scenario_n_cpus(sim->scenario);
        bool same = sim->services->cpu_count(sim->context) == n_cpus;

        for (int cpu = 0; same && cpu < n_cpus; cpu++)
                same = sim->services->cpu_node(sim->context, cpu) == scenario_cpu_node(sim->scenario, cpu);
        if (same)
                return 0;
        (void) scenario_topology_string(sim->scenario, string, sizeof(string));
        snprintf(ret_reason, size, "the host's topology is not the scenario's ([topology] synthetic = %s)", string);
        return -EINVAL;
}

static int sim_open(const struct iocore_services *services, struct iocore_context *context, void **ret_state, char *ret_reason, size_t size) {
        const char *path = services->option(context, "scenario");
        _cleanup_(sim_closep) struct sim *sim = calloc(1, sizeof(*sim));
        char error[SCENARIO_ERROR_MAX] = "";
        int r;

        if (!sim)
                return -ENOMEM;
        sim->services = services;
        sim->context = context;
        r = scenario_load(&sim->scenario, path ? path : "", error, sizeof(error));
        if (r < 0) {
                snprintf(ret_reason, size, "%s: %s", path ? path : "scenario", error);
                return r;
        }
        r = read_pace(sim, ret_reason, size);
        if (r >= 0)
                r = check_topology(sim, ret_reason, size);
        if (r < 0)
                return r;
        sim->domains = calloc(sim->scenario->n_vms + 1, sizeof(*sim->domains));
        r = sim->domains ? model_new(&sim->model, sim->scenario) : -ENOMEM;
        if (r >= 0)
                r = sim_scan(sim, true);
        if (r < 0) {
                snprintf(ret_reason, size, "%s: %s", path, strerror(-r));
                return r;
        }
        *ret_state = TAKE_PTR(sim);
        return 0;
}

static const struct iocore_option options[] = {
        { "scenario", "the scenario to play" },
        { "pace", "real or virtual time" },
        { "speed", "seconds of the scenario in one second of real time" },
        { NULL, NULL },
};

extern const struct iocore_plugin iocore_plugin;
__attribute__((visibility("default"))) const struct iocore_plugin iocore_plugin = {
        .abi = IOCORE_PLUGIN_ABI,
        .size = sizeof(struct iocore_plugin),
        .name = "sim",
        .doc = "a simulated host of the vhost control interface, played from a scenario",
        .provides = "vhost",
        .rank = 0, /* who configures a scenario wants it, whatever else is here */
        .probe = sim_probe,
        .open = sim_open,
        .close = sim_close,
        .scan = sim_scan,
        .sample_workers = sim_sample_workers,
        .sample_queues = sim_sample_queues,
        .sample_cpus = sim_sample_cpus,
        .knobs = sim_knobs,
        .n_knobs = SIM_N_KNOBS,
        .place = sim_place,
        .core_add = sim_core_add,
        .core_remove = sim_core_remove,
        .unavailable = sim_unavailable,
        .advance = sim_advance,
        .ended = sim_ended,
        .domain_wish = sim_domain_wish,
        .options = options,
};

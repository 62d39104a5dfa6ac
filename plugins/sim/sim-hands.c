/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Knobs and I/O cores of the simulated host. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "ids.h"
#include "sim.h"

static int format_unsigned(char *ret, size_t size, const char *prefix, unsigned long long value) {
        int n = snprintf(ret, size, "%s%llu", prefix, value);

        return n < 0 || (size_t) n >= size ? -ENOBUFS : 0;
}

static int place_get(void *state, const char *object, char *ret_value, size_t size) {
        const struct sim *sim = state;
        unsigned number = 0;
        const struct model_device *device = id_parse(object, "d", &number) ? model_device(sim->model, number) : NULL;

        return device ? format_unsigned(ret_value, size, "w.", device->worker->number) : -ENOENT;
}

static int place_set(void *state, const char *object, const char *value, char *ret_value, size_t size) {
        struct sim *sim = state;
        unsigned device = 0, worker = 0;
        int r;

        if (!id_parse(object, "d", &device) || !model_device(sim->model, device))
                return -ENOENT;
        if (!id_parse(value, "w", &worker))
                return -EINVAL;
        r = model_move(sim->model, device, worker);
        if (r < 0)
                return r;
        struct sim_device *moved = sim_find_device(sim, device);
        const struct sim_worker *target = sim_find_worker(sim, worker);
        if (moved && target)
                moved->unit->worker = target->worker;
        return place_get(state, object, ret_value, size);
}

static int locked_get(void *state, const char *object, char *ret_value, size_t size) {
        const struct sim *sim = state;
        unsigned number = 0;
        const struct model_worker *worker = id_parse(object, "w", &number) ? model_worker(sim->model, number) : NULL;

        return worker ? format_unsigned(ret_value, size, "", worker->locked) : -ENOENT;
}

static bool parse_bool(const char *value, bool *ret) {
        if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
                return false;
        *ret = *value == '1';
        return true;
}

static int locked_set(void *state, const char *object, const char *value, char *ret_value, size_t size) {
        struct sim *sim = state;
        unsigned number = 0;
        bool locked = false;
        int r;

        if (!id_parse(object, "w", &number) || !model_worker(sim->model, number))
                return -ENOENT;
        if (!parse_bool(value, &locked))
                return -EINVAL;
        r = model_worker_set_locked(sim->model, number, locked);
        if (r < 0 && model_worker(sim->model, number)->locked != locked) /* an unlock is answered by an error though it is done */
                return r;
        r = sim_scan_workers(sim);
        return r < 0 ? r : locked_get(state, object, ret_value, size);
}

static int poll_get(void *state, const char *object, char *ret_value, size_t size) {
        const struct sim *sim = state;
        unsigned device = 0, index = 0;
        const struct model_queue *queue = id_parse_queue(object, &device, &index) ? model_queue(sim->model, device, index) : NULL;

        return queue ? format_unsigned(ret_value, size, "", queue->poll) : -ENOENT;
}

static int poll_set(void *state, const char *object, const char *value, char *ret_value, size_t size) {
        struct sim *sim = state;
        unsigned device = 0, index = 0;
        bool poll = false;

        if (!id_parse_queue(object, &device, &index) || !model_queue(sim->model, device, index))
                return -ENOENT;
        if (!parse_bool(value, &poll))
                return -EINVAL;
        int r = model_queue_set_poll(sim->model, device, index, poll);
        if (r < 0)
                return r;
        const struct sim_device *owner = sim_find_device(sim, device);
        if (owner && index < owner->n_queues)
                owner->queues[index]->poll = model_queue(sim->model, device, index)->poll;
        return poll_get(state, object, ret_value, size);
}

static int limit_get(void *state, const char *object, char *ret_value, size_t size) {
        const struct sim *sim = state;
        unsigned device = 0, index = 0;
        const struct model_queue *queue = id_parse_queue(object, &device, &index) ? model_queue(sim->model, device, index) : NULL;

        return queue ? format_unsigned(ret_value, size, "", (unsigned long long) queue->max_processed_data_limit) : -ENOENT;
}

static int limit_set(void *state, const char *object, const char *value, char *ret_value, size_t size) {
        struct sim *sim = state;
        unsigned device = 0, index = 0;
        long long limit = 0;
        int r;

        if (!id_parse_queue(object, &device, &index) || !model_queue(sim->model, device, index))
                return -ENOENT;
        if (!number_parse(value, &limit))
                return -EINVAL;
        r = model_queue_set_limit(sim->model, device, index, MODEL_MAX_PROCESSED_DATA, limit);
        return r < 0 ? r : limit_get(state, object, ret_value, size);
}

const struct iocore_knob sim_knobs[SIM_N_KNOBS] = {
        {"unit.place", "the worker that serves the device", place_get, place_set},
        {"worker.locked", "1: the worker takes no new devices", locked_get, locked_set},
        {"queue.poll", "1: the worker polls the queue and the guest does not kick", poll_get, poll_set},
        {"queue.limit", "most bytes served in one turn", limit_get, limit_set},
};

int sim_place(void *state, const struct iocore_unit *unit, int cpu, char *ret_value, size_t size) {
        const struct sim *sim = state;

        (void) unit;
        if (cpu == IOCORE_CPU_ANY)
                return format_unsigned(ret_value, size, "w.", model_default_worker(sim->model)->number);
        for (size_t i = 0; i < model_n_workers(sim->model); i++) {
                const struct model_worker *worker = model_worker_at(sim->model, i);
                if (worker->cpu == cpu && !worker->locked)
                        return format_unsigned(ret_value, size, "w.", worker->number);
        }
        return -ENOENT;
}

int sim_core_add(void *state, int cpu, char *ret_worker, size_t size) {
        struct sim *sim = state;
        unsigned number = 0, created[MODEL_CREATED_MAX];
        int r;

        if (cpu < 0)
                return -EINVAL;
        r = model_worker_create(sim->model, cpu, &number);
        if (r < 0)
                return r;
        model_take_created(sim->model, created); /* nobody else reads the list */
        r = sim_scan_workers(sim);                   /* adds it to the host and says core_set() */
        return r < 0 ? r : format_unsigned(ret_worker, size, "w.", number);
}

int sim_core_remove(void *state, int cpu, const char *id) {
        struct sim *sim = state;
        unsigned number = 0;
        const struct model_worker *worker = id_parse(id, "w", &number) ? model_worker(sim->model, number) : NULL;
        int r;

        if (!worker || worker->cpu != cpu)
                return -ENOENT;
        if (worker->n_devices > 0)
                return -EBUSY;
        r = worker->locked ? 0 : model_worker_set_locked(sim->model, number, true);
        if (r >= 0)
                r = model_worker_remove(sim->model, number);
        return r < 0 ? r : sim_scan_workers(sim);
}

const char *sim_unavailable(void *state, const char *kind) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(sim_knobs); i++)
                if (strcmp(kind, sim_knobs[i].kind) == 0)
                        return NULL;
        return strcmp(kind, "grow") == 0 || strcmp(kind, "rights") == 0 ? NULL : "the simulated host has no such knob";
}

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
#include "ids.h"
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

static uint64_t monotonic_usec(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000u + (uint64_t) now.tv_nsec / 1000u;
}

/* In real pace, the model catches up with the clock before anybody looks at it. */
static void catch_up(struct sim *sim) {
        uint64_t now;

        if (!sim->real)
                return;
        now = monotonic_usec();
        if (model_advance(sim->model, (uint64_t) ((double) (now - sim->last_usec) * sim->speed)) < 0)
                sim->services->log(sim->context, LOG_WARNING, "sim: out of memory, a VM could not arrive");
        sim->last_usec = now;
}

static int compare_devices(const void *key, const void *element) {
        unsigned number = *(const unsigned *) key, other = ((const struct sim_device *) element)->number;

        return (number > other) - (number < other);
}

static struct sim_device *find_device(const struct sim *sim, unsigned number) {
        return sim->n_devices ? bsearch(&number, sim->devices, sim->n_devices, sizeof(*sim->devices), compare_devices) : NULL;
}

static int compare_workers(const void *key, const void *element) {
        unsigned number = *(const unsigned *) key, other = ((const struct sim_worker *) element)->number;

        return (number > other) - (number < other);
}

static struct sim_worker *find_worker(const struct sim *sim, unsigned number) {
        return sim->n_workers ? bsearch(&number, sim->workers, sim->n_workers, sizeof(*sim->workers), compare_workers) : NULL;
}

/* --- inventory */

/* Tells which CPU a worker makes an I/O core, when that changed. Another worker that is bound to the old CPU keeps it one. */
static void set_core(struct sim *sim, struct sim_worker *worker, struct iocore_worker *object, int core) {
        int old = worker->core;

        if (core == old)
                return;
        worker->core = core;
        if (old >= 0)
                sim->services->core_set(sim->context, old, object, false);
        for (size_t i = 0; old >= 0 && i < sim->n_workers; i++)
                if (sim->workers[i].core == old && sim->workers[i].worker) {
                        sim->services->core_set(sim->context, old, sim->workers[i].worker, true);
                        break;
                }
        if (core >= 0)
                sim->services->core_set(sim->context, core, object, true);
}

static void drop_worker(struct sim *sim, struct sim_worker *worker) {
        struct iocore_worker *object = TAKE_PTR(worker->worker);

        set_core(sim, worker, object, IOCORE_CPU_ANY);
        if (object)
                sim->services->worker_remove(sim->context, object);
}

static void drop_device(struct sim *sim, struct sim_device *device) {
        for (size_t i = 0; device->queues && i < device->n_queues; i++)
                if (device->queues[i])
                        sim->services->queue_remove(sim->context, device->queues[i]);
        free(device->queues);
        device->queues = NULL;
        if (device->unit)
                sim->services->unit_remove(sim->context, TAKE_PTR(device->unit));
        if (device->device)
                sim->services->device_remove(sim->context, TAKE_PTR(device->device));
}

/* Fills what can change, and says whether its CPU is an I/O core. */
static void update_worker(struct sim *sim, struct sim_worker *worker, const struct model_worker *model) {
        worker->worker->pid = model->pid;
        worker->worker->cpu = model->cpu;
        worker->worker->locked = model->locked;
        worker->worker->shared = true;
        worker->worker->is_default = model == model_default_worker(sim->model);
        set_core(sim, worker, worker->worker, model->cpu >= 0 && !model->locked ? model->cpu : IOCORE_CPU_ANY);
}

/* Why a service that adds an object returned NULL: never 0. */
static int add_error(void) {
        int error = errno;

        return error > 0 ? -error : -ENOMEM;
}

static int scan_workers(struct sim *sim) {
        size_t n = 0;

        for (size_t i = 0; i < sim->n_workers; i++) {
                struct sim_worker *worker = sim->workers + i;
                if (!model_worker(sim->model, worker->number)) {
                        drop_worker(sim, worker);
                        continue;
                }
                sim->workers[n++] = *worker;
        }
        sim->n_workers = n;
        for (size_t i = 0; i < model_n_workers(sim->model); i++) {
                const struct model_worker *model = model_worker_at(sim->model, i);
                struct sim_worker *worker = find_worker(sim, model->number);
                char id[IOCORE_ID_MAX];
                if (!worker) {
                        struct sim_worker *workers = reallocarray(sim->workers, sim->n_workers + 1, sizeof(*workers));
                        if (!workers)
                                return -ENOMEM;
                        sim->workers = workers;
                        snprintf(id, sizeof(id), "w.%u", model->number);
                        struct iocore_worker *object = sim->services->worker_add(sim->context, id);
                        if (!object)
                                return add_error();
                        worker = workers + sim->n_workers++;
                        *worker = (struct sim_worker){.number = model->number, .core = IOCORE_CPU_ANY, .worker = object};
                }
                update_worker(sim, worker, model);
        }
        return 0;
}

static int add_device_objects(struct sim *sim, struct sim_device *device, const struct model_device *model) {
        char id[IOCORE_ID_MAX];

        snprintf(id, sizeof(id), "d.%u", model->number);
        device->queues = calloc(model->n_queues, sizeof(*device->queues));
        if (!device->queues)
                return -ENOMEM;
        device->n_queues = model->n_queues;
        device->device = sim->services->device_add(sim->context, id);
        device->unit = device->device ? sim->services->unit_add(sim->context, id) : NULL;
        if (!device->device || !device->unit)
                return add_error();
        device->device->owner = model->vm->scenario->pid;
        snprintf(device->device->backend, sizeof(device->device->backend), "%s", model->scenario->backend);
        device->unit->device = device->device;
        device->unit->node = model->vm->scenario->node;
        device->unit->owner = model->vm->scenario->pid;
        snprintf(device->unit->domain, sizeof(device->unit->domain), "%s", model->vm->scenario->name);
        for (unsigned i = 0; i < model->n_queues; i++) {
                snprintf(id, sizeof(id), "vq.%u.%u", model->number, i);
                struct iocore_queue *queue = sim->services->queue_add(sim->context, id);
                if (!queue)
                        return add_error();
                device->queues[i] = queue;
                queue->unit = device->unit;
                queue->device = device->device;
                queue->index = i;
                queue->can_poll = model->queues[i].can_poll;
                queue->poll = model->queues[i].poll;
                queue->fields = IOCORE_QUEUE_BUSY | IOCORE_QUEUE_BYTES | IOCORE_QUEUE_PACKETS | IOCORE_QUEUE_WORKS | IOCORE_QUEUE_WAIT | IOCORE_QUEUE_STUCK |
                                IOCORE_QUEUE_RING_FULL | IOCORE_QUEUE_POLL_EMPTY;
        }
        return 0;
}

static int scan_devices(struct sim *sim) {
        size_t n = 0;

        for (size_t i = 0; i < sim->n_devices; i++) {
                struct sim_device *device = sim->devices + i;
                if (!model_device(sim->model, device->number)) {
                        drop_device(sim, device);
                        continue;
                }
                sim->devices[n++] = *device;
        }
        sim->n_devices = n;
        for (size_t i = 0; i < model_n_devices(sim->model); i++) {
                const struct model_device *model = model_device_at(sim->model, i);
                struct sim_device *device = find_device(sim, model->number);
                if (!device) {
                        struct sim_device *devices = reallocarray(sim->devices, sim->n_devices + 1, sizeof(*devices));
                        if (!devices)
                                return -ENOMEM;
                        sim->devices = devices;
                        device = devices + sim->n_devices;
                        *device = (struct sim_device){.number = model->number};
                        int r = add_device_objects(sim, device, model);
                        if (r < 0) {
                                drop_device(sim, device);
                                return r;
                        }
                        sim->n_devices++;
                }
                const struct sim_worker *worker = find_worker(sim, model->worker->number);
                if (device->unit)
                        device->unit->worker = worker ? worker->worker : NULL;
        }
        return 0;
}

static int scan_domains(struct sim *sim) {
        for (size_t i = 0; i < model_n_vms(sim->model); i++) {
                const struct model_vm *vm = model_vm_at(sim->model, i);
                if (vm->state == MODEL_VM_ABSENT) {
                        if (sim->domains[i])
                                sim->services->domain_remove(sim->context, TAKE_PTR(sim->domains[i]));
                        continue;
                }
                if (!sim->domains[i]) {
                        struct iocore_domain *domain = sim->services->domain_add(sim->context, vm->scenario->name);
                        if (!domain)
                                return add_error();
                        domain->node = vm->scenario->node;
                        domain->n_vcpus = vm->scenario->n_vcpus;
                        domain->pid = vm->scenario->pid;
                        sim->domains[i] = domain;
                }
                sim->domains[i]->state = vm->state == MODEL_VM_RUNNING ? IOCORE_DOMAIN_RUNNING : IOCORE_DOMAIN_PAUSED;
        }
        return 0;
}

static int sim_scan(void *state, bool thorough) {
        struct sim *sim = state;
        int r;

        catch_up(sim);
        if (!thorough && model_generation(sim->model) == sim->scanned_generation)
                return 0;
        r = scan_workers(sim);
        if (r >= 0)
                r = scan_domains(sim);
        if (r >= 0)
                r = scan_devices(sim);
        if (r >= 0)
                sim->scanned_generation = model_generation(sim->model);
        return r;
}

/* --- sampler */

static int sim_sample_workers(void *state) {
        struct sim *sim = state;

        catch_up(sim);
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
                const struct sim_device *device = find_device(sim, source->number);
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

/* --- hands */

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
        struct sim_device *moved = find_device(sim, device);
        const struct sim_worker *target = find_worker(sim, worker);
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
        r = scan_workers(sim);
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
        const struct sim_device *owner = find_device(sim, device);
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

static const struct iocore_knob sim_knobs[] = {
        {"unit.place", "the worker that serves the device", place_get, place_set},
        {"worker.locked", "1: the worker takes no new devices", locked_get, locked_set},
        {"queue.poll", "1: the worker polls the queue and the guest does not kick", poll_get, poll_set},
        {"queue.limit", "most bytes served in one turn", limit_get, limit_set},
};

static int sim_place(void *state, const struct iocore_unit *unit, int cpu, char *ret_value, size_t size) {
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

static int sim_core_add(void *state, int cpu, char *ret_worker, size_t size) {
        struct sim *sim = state;
        unsigned number = 0, created[MODEL_CREATED_MAX];
        int r;

        if (cpu < 0)
                return -EINVAL;
        r = model_worker_create(sim->model, cpu, &number);
        if (r < 0)
                return r;
        model_take_created(sim->model, created); /* nobody else reads the list */
        r = scan_workers(sim);                   /* adds it to the host and says core_set() */
        return r < 0 ? r : format_unsigned(ret_worker, size, "w.", number);
}

static int sim_core_remove(void *state, int cpu, const char *id) {
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
        return r < 0 ? r : scan_workers(sim);
}

static const char *sim_unavailable(void *state, const char *kind) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(sim_knobs); i++)
                if (strcmp(kind, sim_knobs[i].kind) == 0)
                        return NULL;
        return strcmp(kind, "grow") == 0 ? NULL : "the simulated host has no such knob";
}

static int sim_advance(void *state, uint64_t usec) {
        struct sim *sim = state;

        return sim->real ? 0 : model_advance(sim->model, usec);
}

static int sim_ended(void *state) {
        return model_ended(((struct sim *) state)->model);
}

/* --- life */

static void sim_close(void *state) {
        struct sim *sim = state;

        if (!sim)
                return;
        for (size_t i = 0; i < sim->n_devices; i++)
                drop_device(sim, sim->devices + i);
        for (size_t i = 0; i < sim->n_workers; i++)
                drop_worker(sim, sim->workers + i);
        for (size_t i = 0; sim->domains && i < sim->scenario->n_vms; i++)
                if (sim->domains[i])
                        sim->services->domain_remove(sim->context, TAKE_PTR(sim->domains[i]));
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
        .n_knobs = ELEMENTSOF(sim_knobs),
        .place = sim_place,
        .core_add = sim_core_add,
        .core_remove = sim_core_remove,
        .unavailable = sim_unavailable,
        .advance = sim_advance,
        .ended = sim_ended,
};

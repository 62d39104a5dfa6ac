/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The model's workers, devices and VMs as objects of the host. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/cleanup.h"
#include "sim.h"

static int compare_devices(const void *key, const void *element) {
        unsigned number = *(const unsigned *) key, other = ((const struct sim_device *) element)->number;

        return (number > other) - (number < other);
}

struct sim_device *sim_find_device(const struct sim *sim, unsigned number) {
        return sim->n_devices ? bsearch(&number, sim->devices, sim->n_devices, sizeof(*sim->devices), compare_devices) : NULL;
}

static int compare_workers(const void *key, const void *element) {
        unsigned number = *(const unsigned *) key, other = ((const struct sim_worker *) element)->number;

        return (number > other) - (number < other);
}

struct sim_worker *sim_find_worker(const struct sim *sim, unsigned number) {
        return sim->n_workers ? bsearch(&number, sim->workers, sim->n_workers, sizeof(*sim->workers), compare_workers) : NULL;
}

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

int sim_scan_workers(struct sim *sim) {
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
                struct sim_worker *worker = sim_find_worker(sim, model->number);
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
                struct sim_device *device = sim_find_device(sim, model->number);
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
                const struct sim_worker *worker = sim_find_worker(sim, model->worker->number);
                if (device->unit)
                        device->unit->worker = worker ? worker->worker : NULL;
        }
        return 0;
}

/* Its vCPUs have no threads, and nobody knows where they run. */
static int tell_vcpus(struct sim *sim, struct iocore_domain *domain) {
        _cleanup_free_ struct iocore_vcpu *vcpus = calloc(domain->n_vcpus + 1, sizeof(*vcpus));

        if (!vcpus)
                return -ENOMEM;
        for (unsigned i = 0; i < domain->n_vcpus; i++)
                vcpus[i] = (struct iocore_vcpu){.id = i, .cpus = ""};
        return sim->services->domain_set_vcpus(sim->context, domain, vcpus, domain->n_vcpus);
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
                        if (tell_vcpus(sim, domain) < 0)
                                return -ENOMEM;
                }
                sim->domains[i]->state = vm->state == MODEL_VM_RUNNING ? IOCORE_DOMAIN_RUNNING : IOCORE_DOMAIN_PAUSED;
        }
        return 0;
}

int sim_scan(void *state, bool thorough) {
        struct sim *sim = state;
        int r;

        sim_catch_up(sim);
        if (!thorough && model_generation(sim->model) == sim->scanned_generation)
                return 0;
        r = sim_scan_workers(sim);
        if (r >= 0)
                r = scan_domains(sim);
        if (r >= 0)
                r = scan_devices(sim);
        if (r >= 0)
                sim->scanned_generation = model_generation(sim->model);
        return r;
}

void sim_drop_all(struct sim *sim) {
        for (size_t i = 0; i < sim->n_devices; i++)
                drop_device(sim, sim->devices + i);
        for (size_t i = 0; i < sim->n_workers; i++)
                drop_worker(sim, sim->workers + i);
        for (size_t i = 0; sim->domains && i < sim->scenario->n_vms; i++)
                if (sim->domains[i])
                        sim->services->domain_remove(sim->context, TAKE_PTR(sim->domains[i]));
}

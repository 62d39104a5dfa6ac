/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The objects of the model and their lives; what the scenario says about VMs. */
#include "model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "model-internal.h"

/* The limits that the kernel gives to a new queue. */
#define DEFAULT_MIN_PROCESSED_DATA 1500
#define DEFAULT_MAX_PROCESSED_DATA 524288
/* As for VMs: above any pid that the kernel of this machine can give out. */
#define FIRST_WORKER_PID 4500000

/* splitmix64: one number further; good enough to make seeds of neighbours differ. */
static uint64_t mix(uint64_t value) {
        value += 0x9e3779b97f4a7c15u;
        value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
        value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
        return value ^ (value >> 31);
}

static int make_room(void *array, size_t n, size_t *allocated, size_t size) {
        void **elements = array;

        if (n < *allocated)
                return 0;
        size_t wanted = *allocated ? *allocated * 2 : 8;
        void *larger = reallocarray(*elements, wanted, size);
        if (!larger)
                return -ENOMEM;
        *elements = larger;
        *allocated = wanted;
        return 0;
}

struct model_worker *model_find_worker(const struct model *model, unsigned number) {
        size_t low = 0, high = model->n_workers;

        while (low < high) {
                size_t middle = (low + high) / 2;
                if (model->workers[middle]->number < number)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < model->n_workers && model->workers[low]->number == number ? model->workers[low] : NULL;
}

struct model_device *model_find_device(const struct model *model, unsigned number) {
        size_t low = 0, high = model->n_devices;

        while (low < high) {
                size_t middle = (low + high) / 2;
                if (model->devices[middle]->number < number)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < model->n_devices && model->devices[low]->number == number ? model->devices[low] : NULL;
}

struct model_queue *model_find_queue(const struct model *model, unsigned device, unsigned index) {
        struct model_device *found = model_find_device(model, device);

        return found && index < found->n_queues ? found->queues + index : NULL;
}

struct model_worker *model_add_worker(struct model *model, int cpu) {
        if (make_room(&model->workers, model->n_workers, &model->workers_allocated, sizeof(*model->workers)) < 0)
                return NULL;
        struct model_worker *worker = calloc(1, sizeof(*worker));
        if (!worker)
                return NULL;
        worker->number = ++model->last_worker;
        worker->pid = FIRST_WORKER_PID + (int) (worker->number % 400000);
        worker->cpu = cpu;
        worker->from_start = model->slices == 0 && model->generation == 0;
        worker->born_cycles = model_cycles(model);
        worker->max_stuck_cycles = -1;
        worker->max_disabled_soft_interrupts_cycles = -1;
        model->workers[model->n_workers++] = worker;
        return worker;
}

static void worker_free(struct model_worker *worker) {
        free(worker->devices);
        free(worker);
}

void model_drop_worker(struct model *model, struct model_worker *worker) {
        size_t position = 0;

        while (model->workers[position] != worker)
                position++;
        model->n_workers--;
        memmove(model->workers + position, model->workers + position + 1, (model->n_workers - position) * sizeof(*model->workers));
        model->generation++;
        worker_free(worker);
}

int model_attach_device(struct model_worker *worker, struct model_device *device) {
        int r = make_room(&worker->devices, worker->n_devices, &worker->devices_allocated, sizeof(*worker->devices));

        if (r < 0)
                return r;
        worker->devices[worker->n_devices++] = device;
        device->worker = worker;
        device->counters.attach++;
        return 0;
}

void model_detach_device(struct model_device *device) {
        struct model_worker *worker = device->worker;
        size_t position = 0;

        while (worker->devices[position] != device)
                position++;
        worker->n_devices--;
        memmove(worker->devices + position, worker->devices + position + 1, (worker->n_devices - position) * sizeof(*worker->devices));
        device->worker = NULL;
        device->counters.detach++;
}

static void device_free(struct model_device *device) {
        free(device->queues);
        free(device);
}

void model_drop_device(struct model *model, struct model_device *device) {
        size_t position = 0;

        while (model->devices[position] != device)
                position++;
        model->n_devices--;
        memmove(model->devices + position, model->devices + position + 1, (model->n_devices - position) * sizeof(*model->devices));
        if (device->worker)
                model_detach_device(device);
        model->generation++;
        device_free(device);
}

static struct model_device *device_new(const struct model *model, const struct scenario_device *scenario, unsigned number) {
        struct model_device *device = calloc(1, sizeof(*device));

        if (!device)
                return NULL;
        device->number = number;
        device->scenario = scenario;
        device->n_queues = scenario->n_queues;
        device->queues = calloc(device->n_queues, sizeof(*device->queues));
        if (!device->queues) {
                free(device);
                return NULL;
        }
        for (unsigned i = 0; i < device->n_queues; i++) {
                struct model_queue *queue = device->queues + i;
                queue->index = i;
                queue->device = device;
                queue->can_poll = scenario->can_poll;
                queue->min_processed_data_limit = DEFAULT_MIN_PROCESSED_DATA;
                queue->max_processed_data_limit = DEFAULT_MAX_PROCESSED_DATA;
                queue->max_stuck_cycles = -1;
                queue->random = mix(mix(model->scenario->seed + device->number) + i);
        }
        return device;
}

static int add_device(struct model *model, struct model_vm *vm, const struct scenario_device *scenario) {
        /* a worker that the scenario names may have been removed or locked meanwhile */
        struct model_worker *worker = scenario->worker ? model_find_worker(model, scenario->worker) : NULL;
        struct model_device *device;

        if (make_room(&model->devices, model->n_devices, &model->devices_allocated, sizeof(*model->devices)) < 0)
                return -ENOMEM;
        device = device_new(model, scenario, model->last_device + 1);
        if (!device)
                return -ENOMEM;
        if (model_attach_device(worker ? worker : model->default_worker, device) < 0) {
                device_free(device);
                return -ENOMEM;
        }
        model->last_device++;
        device->vm = vm;
        model->devices[model->n_devices++] = device;
        model->generation++;
        return 0;
}

static void vm_arrive(struct model *model, struct model_vm *vm) {
        vm->state = MODEL_VM_RUNNING;
        model->generation++;
        for (size_t i = 0; i < vm->scenario->n_devices; i++)
                if (add_device(model, vm, vm->scenario->devices + i) < 0)
                        model->out_of_memory = -ENOMEM;
}

static void vm_leave(struct model *model, struct model_vm *vm) {
        for (size_t i = model->n_devices; i-- > 0;)
                if (model->devices[i]->vm == vm)
                        model_drop_device(model, model->devices[i]);
        vm->state = MODEL_VM_ABSENT;
        model->generation++;
}

static void vm_set_state(struct model *model, struct model_vm *vm, enum model_vm_state state) {
        if (vm->state == MODEL_VM_ABSENT)
                return;
        vm->state = state;
        model->generation++;
}

void model_apply_events(struct model *model) {
        for (; model->next_event < model->n_events && model->events[model->next_event].at_usec <= model->now_usec; model->next_event++) {
                const struct event *event = model->events + model->next_event;
                struct model_vm *vm = model->vms + event->vm;
                switch (event->kind) {
                case EVENT_ARRIVE:
                        vm_arrive(model, vm);
                        break;
                case EVENT_LEAVE:
                        vm_leave(model, vm);
                        break;
                case EVENT_PAUSE:
                        vm_set_state(model, vm, MODEL_VM_PAUSED);
                        break;
                case EVENT_RESUME:
                        vm_set_state(model, vm, MODEL_VM_RUNNING);
                        break;
                case EVENT_VCPU_LOAD:
                        vm->busy_share = event->busy_share;
                        break;
                }
        }
}

static int compare_events(const void *a, const void *b) {
        const struct event *x = a, *y = b;

        if (x->at_usec != y->at_usec)
                return x->at_usec < y->at_usec ? -1 : 1;
        return (x->order > y->order) - (x->order < y->order);
}

static void add_event(struct model *model, uint64_t at_usec, enum event_kind kind, size_t vm, uint64_t busy_share) {
        if (at_usec == SCENARIO_NEVER)
                return;
        model->events[model->n_events] = (struct event){.at_usec = at_usec, .order = model->n_events, .kind = kind, .vm = vm, .busy_share = busy_share};
        model->n_events++;
}

static int collect_events(struct model *model) {
        const struct scenario *scenario = model->scenario;
        size_t n = 0;

        for (size_t i = 0; i < scenario->n_vms; i++)
                n += 4 + scenario->vms[i].n_vcpu_loads;
        model->events = calloc(n + 1, sizeof(*model->events));
        if (!model->events)
                return -ENOMEM;
        for (size_t i = 0; i < scenario->n_vms; i++) {
                const struct scenario_vm *vm = scenario->vms + i;
                add_event(model, vm->arrives_usec, EVENT_ARRIVE, i, 0);
                for (size_t j = 0; j < vm->n_vcpu_loads; j++)
                        add_event(model, vm->vcpu_loads[j].at_usec, EVENT_VCPU_LOAD, i, vm->vcpu_loads[j].busy_share);
                add_event(model, vm->pauses_usec, EVENT_PAUSE, i, 0);
                add_event(model, vm->resumes_usec, EVENT_RESUME, i, 0);
                add_event(model, vm->leaves_usec, EVENT_LEAVE, i, 0);
        }
        qsort(model->events, model->n_events, sizeof(*model->events), compare_events);
        return 0;
}

static int add_first_workers(struct model *model) {
        model->default_worker = model_add_worker(model, IOCORE_CPU_ANY);
        if (!model->default_worker)
                return -ENOMEM;
        for (size_t i = 0; i < model->scenario->n_workers; i++) {
                struct model_worker *worker = model_add_worker(model, model->scenario->workers[i].cpu);
                if (!worker)
                        return -ENOMEM;
                worker->locked = model->scenario->workers[i].locked;
        }
        model->generation = 1;
        return 0;
}

int model_new(struct model **ret, const struct scenario *scenario) {
        _cleanup_(model_freep) struct model *model = calloc(1, sizeof(*model));

        if (!model)
                return -ENOMEM;
        model->scenario = scenario;
        model->load_share = SCENARIO_SHARE;
        model->n_cpus = scenario_n_cpus(scenario);
        model->n_nodes = scenario_n_nodes(scenario);
        model->cpus = calloc(model->n_cpus, sizeof(*model->cpus));
        model->vm_cores = calloc(model->n_cpus, sizeof(*model->vm_cores));
        model->nodes = calloc(model->n_nodes, sizeof(*model->nodes));
        model->vms = calloc(scenario->n_vms + 1, sizeof(*model->vms));
        if (!model->cpus || !model->vm_cores || !model->nodes || !model->vms || collect_events(model) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < model->n_cpus; i++) {
                model->cpus[i].cpu = (int) i;
                model->cpus[i].node = scenario_cpu_node(scenario, (int) i);
        }
        for (size_t i = 0; i < model->n_nodes; i++)
                model->nodes[i].supply_share = SCENARIO_SHARE;
        for (size_t i = 0; i < scenario->n_vms; i++)
                model->vms[i].scenario = scenario->vms + i;
        if (add_first_workers(model) < 0)
                return -ENOMEM;
        model_apply_events(model);
        if (model->out_of_memory < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(model);
        return 0;
}

struct model *model_free(struct model *model) {
        if (!model)
                return NULL;
        for (size_t i = 0; i < model->n_devices; i++)
                device_free(model->devices[i]);
        for (size_t i = 0; i < model->n_workers; i++)
                worker_free(model->workers[i]);
        free(model->devices);
        free(model->workers);
        free(model->vms);
        free(model->cpus);
        free(model->vm_cores);
        free(model->nodes);
        free(model->events);
        free(model);
        return NULL;
}

int model_advance(struct model *model, uint64_t usec) {
        const uint64_t quantum = model->scenario->quantum_usec;
        int r;

        for (model->rest_usec += usec; model->rest_usec >= quantum; model->rest_usec -= quantum) {
                model_run_slice(model);
                model->slices++;
                model->now_usec += quantum;
                model_apply_events(model);
        }
        r = model->out_of_memory;
        model->out_of_memory = 0;
        return r;
}

uint64_t model_now_usec(const struct model *model) {
        return model->now_usec;
}

uint64_t model_cycles(const struct model *model) {
        return model->now_usec * model->scenario->topology.cycles_per_usec;
}

bool model_ended(const struct model *model) {
        return model->now_usec >= model->scenario->duration_usec;
}

uint64_t model_generation(const struct model *model) {
        return model->generation;
}

const struct scenario *model_scenario(const struct model *model) {
        return model->scenario;
}

size_t model_n_workers(const struct model *model) {
        return model->n_workers;
}

const struct model_worker *model_worker_at(const struct model *model, size_t position) {
        return position < model->n_workers ? model->workers[position] : NULL;
}

const struct model_worker *model_worker(const struct model *model, unsigned number) {
        return model_find_worker(model, number);
}

size_t model_n_devices(const struct model *model) {
        return model->n_devices;
}

const struct model_device *model_device_at(const struct model *model, size_t position) {
        return position < model->n_devices ? model->devices[position] : NULL;
}

const struct model_device *model_device(const struct model *model, unsigned number) {
        return model_find_device(model, number);
}

const struct model_queue *model_queue(const struct model *model, unsigned device, unsigned index) {
        return model_find_queue(model, device, index);
}

size_t model_n_vms(const struct model *model) {
        return model->scenario->n_vms;
}

const struct model_vm *model_vm_at(const struct model *model, size_t position) {
        return position < model->scenario->n_vms ? model->vms + position : NULL;
}

size_t model_n_cpus(const struct model *model) {
        return model->n_cpus;
}

const struct model_cpu *model_cpu(const struct model *model, int cpu) {
        return cpu >= 0 && (size_t) cpu < model->n_cpus ? model->cpus + cpu : NULL;
}

const struct model_worker *model_default_worker(const struct model *model) {
        return model->default_worker;
}

uint64_t model_epoch(const struct model *model) {
        return model->epoch;
}

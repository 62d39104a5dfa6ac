/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be written to the control interface, with the kernel's own conditions and errors. */
#include <errno.h>

#include "model-internal.h"

int model_set_epoch(struct model *model, int64_t value) {
        if (value != 1)
                return -EINVAL;
        model->epoch++;
        return 0;
}

int model_worker_create(struct model *model, int cpu, unsigned *ret_number) {
        if (cpu < -1 || cpu >= (int) model->n_cpus)
                return -EINVAL;
        struct model_worker *worker = model_add_worker(model, cpu);
        if (!worker)
                return -ENOMEM;
        model->generation++;
        if (model->n_created < MODEL_CREATED_MAX)
                model->created[model->n_created++] = worker->number;
        *ret_number = worker->number;
        return 0;
}

size_t model_take_created(struct model *model, unsigned ret[static MODEL_CREATED_MAX]) {
        size_t n = model->n_created;

        for (size_t i = 0; i < n; i++)
                ret[i] = model->created[i];
        model->n_created = 0;
        return n;
}

int model_worker_remove(struct model *model, unsigned number) {
        struct model_worker *worker = model_find_worker(model, number);

        if (!worker || !worker->locked || worker->n_devices > 0)
                return -EINVAL;
        model_drop_worker(model, worker);
        return 0;
}

int model_set_default_worker(struct model *model, unsigned number) {
        struct model_worker *worker = model_find_worker(model, number);

        if (!worker || worker->locked)
                return -EINVAL;
        if (model->default_worker != worker)
                model->generation++;
        model->default_worker = worker;
        return 0;
}

/* The first unlocked worker but `except`, or a new one without a CPU. NULL: out of memory. */
static struct model_worker *other_default(struct model *model, const struct model_worker *except) {
        for (size_t i = 0; i < model->n_workers; i++)
                if (model->workers[i] != except && !model->workers[i]->locked)
                        return model->workers[i];
        return model_add_worker(model, IOCORE_CPU_ANY);
}

int model_worker_set_locked(struct model *model, unsigned number, bool locked) {
        struct model_worker *worker = model_find_worker(model, number);

        if (!worker)
                return -ENODEV;
        if (worker->locked == locked)
                return 0;
        if (locked && worker == model->default_worker) {
                struct model_worker *other = other_default(model, worker);
                if (!other)
                        return -ENOMEM;
                model->default_worker = other;
        }
        worker->locked = locked;
        model->generation++;
        return locked ? 0 : -EINVAL; /* the kernel's quirk: done, and refused */
}

int model_move_begin(struct model *model, unsigned number, unsigned target) {
        struct model_device *device = model_find_device(model, number);
        struct model_worker *worker = model_find_worker(model, target);

        if (!device)
                return -ENODEV;
        if (!worker || device->moving)
                return -EINVAL;
        if (device->worker == worker)
                return 1;
        device->moving = true;
        return 0;
}

int model_move_end(struct model *model, unsigned number, unsigned target) {
        struct model_device *device = model_find_device(model, number);
        struct model_worker *worker = model_find_worker(model, target);
        int r;

        if (!device)
                return -ENODEV;
        device->moving = false;
        if (!worker)
                return -ENODEV;
        struct model_worker *old = device->worker;
        model_detach_device(device);
        r = model_attach_device(worker, device);
        if (r < 0) {
                (void) model_attach_device(old, device); /* the room that it has just left is still there */
                return r;
        }
        device->counters.move_count++;
        device->counters.move_total += model->scenario->move_usec * model->scenario->topology.cycles_per_usec;
        model->generation++;
        return 0;
}

int model_move(struct model *model, unsigned number, unsigned target) {
        int r = model_move_begin(model, number, target);

        if (r != 0)
                return r < 0 ? r : 0;
        r = model_move_end(model, number, target);
        if (r >= 0)
                model_find_device(model, number)->still_until_usec = model->now_usec + model->scenario->move_usec;
        return r;
}

int model_queue_set_poll(struct model *model, unsigned device, unsigned index, bool poll) {
        struct model_queue *queue = model_find_queue(model, device, index);

        if (!queue)
                return -ENODEV;
        queue->poll = poll && queue->can_poll;
        return 0;
}

int model_queue_set_limit(struct model *model, unsigned device, unsigned index, enum model_queue_limit limit, int64_t value) {
        struct model_queue *queue = model_find_queue(model, device, index);
        int64_t *const limits[] = {
                [MODEL_MIN_PROCESSED_DATA] = queue ? &queue->min_processed_data_limit : NULL,
                [MODEL_MAX_PROCESSED_DATA] = queue ? &queue->max_processed_data_limit : NULL,
                [MODEL_MAX_STUCK_PENDING_ITEMS] = queue ? &queue->max_stuck_pending_items : NULL,
                [MODEL_MAX_STUCK_CYCLES] = queue ? &queue->max_stuck_cycles : NULL,
                [MODEL_MIN_POLL_RATE] = queue ? &queue->min_poll_rate : NULL,
        };

        if (!queue)
                return -ENODEV;
        if (value < (limit == MODEL_MAX_STUCK_CYCLES ? -1 : 0))
                return -EINVAL;
        *limits[limit] = value;
        return 0;
}

int model_worker_set_limit(struct model *model, unsigned number, enum model_worker_limit limit, int64_t value) {
        struct model_worker *worker = model_find_worker(model, number);

        if (!worker)
                return -ENODEV;
        if (value < -1)
                return -EINVAL;
        if (limit == MODEL_WORK_LIST_MAX_STUCK_CYCLES)
                worker->max_stuck_cycles = value;
        else
                worker->max_disabled_soft_interrupts_cycles = value;
        return 0;
}

int model_vanish_device(struct model *model, unsigned number) {
        struct model_device *device = model_find_device(model, number);

        if (!device)
                return -ENODEV;
        model_drop_device(model, device);
        return 0;
}

int model_vanish_worker(struct model *model, unsigned number) {
        struct model_worker *worker = model_find_worker(model, number);

        if (!worker)
                return -ENODEV;
        if (model->n_workers == 1)
                return -EBUSY;
        if (worker == model->default_worker) {
                struct model_worker *other = other_default(model, worker);
                if (!other)
                        return -ENOMEM;
                model->default_worker = other;
        }
        while (worker->n_devices > 0) {
                struct model_device *device = worker->devices[0];
                model_detach_device(device);
                if (model_attach_device(model->default_worker, device) < 0) {
                        (void) model_attach_device(worker, device);
                        return -ENOMEM;
                }
        }
        model_drop_worker(model, worker);
        return 0;
}

void model_scale_load(struct model *model, uint64_t share) {
        model->load_share = share;
}

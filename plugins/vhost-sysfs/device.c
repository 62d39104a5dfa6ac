/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices of the control interface, each one a unit, and their queues: opened, added to the model, refreshed, removed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "plugins/common/owner.h"
#include "vhost-sysfs.h"

void vhost_device_assign(struct vhost_device *device, struct vhost_worker *worker) {
        if (device->worker) {
                struct vhost_device **link = &device->worker->devices;
                while (*link != device)
                        link = &(*link)->next_of_worker;
                *link = device->next_of_worker;
        }
        device->worker = worker;
        device->next_of_worker = NULL;
        if (device->unit)
                device->unit->worker = worker ? worker->model : NULL;
        if (worker) {
                device->next_of_worker = worker->devices;
                worker->devices = device;
        }
}

static void queue_remove(struct vhost_sysfs *sysfs, struct vhost_queue *queue, bool forget) {
        if (queue->model && forget)
                sysfs->services->queue_remove(sysfs->context, queue->model);
        queue->model = NULL;
        vhost_queue_close(queue);
}

void vhost_device_free(struct vhost_sysfs *sysfs, struct vhost_device *device, bool forget) {
        for (size_t i = 0; i < device->n_queues; i++)
                queue_remove(sysfs, &device->queues[i], forget);
        free(device->queues);
        if (forget && device->unit)
                sysfs->services->unit_remove(sysfs->context, device->unit);
        device->unit = NULL;
        if (forget && device->model)
                sysfs->services->device_remove(sysfs->context, device->model);
        vhost_device_assign(device, NULL);
        closep(&device->worker_fd);
        free(device);
}

static int queue_add(struct vhost_sysfs *sysfs, struct vhost_device *device, struct vhost_queue *queue) {
        char id[IOCORE_ID_MAX];

        snprintf(id, sizeof id, "vq.%u.%u", device->number, queue->index);
        queue->model = sysfs->services->queue_add(sysfs->context, id);
        if (!queue->model)
                return -errno;
        queue->model->unit = device->unit;
        queue->model->device = device->model;
        queue->model->index = queue->index;
        int r = vhost_queue_open(sysfs, device->number, queue);
        if (r < 0)
                queue_remove(sysfs, queue, true);
        return r;
}

/* Reads vq_list into `indexes`. Returns how many, or -errno. */
static ssize_t device_read_queues(struct vhost_sysfs *sysfs, const struct vhost_device *device, uint32_t *indexes, size_t n_max) {
        char path[64], text[ATTRIBUTE_SIZE_MAX + 1];
        size_t n_found = 0, position = 0, length;
        const char *element;

        snprintf(path, sizeof path, "dev/d.%u/vq_list", device->number);
        ssize_t n = vhost_attribute_get(sysfs, path, text, sizeof text);
        if (n == -EFBIG) {
                vhost_trouble(sysfs, TROUBLE_HUGE, path, "", 0);
                return 0;
        }
        if (n < 0)
                return n;
        while ((element = list_next(text, (size_t) n, &position, &length)) && n_found < n_max) {
                uint32_t of_device, index;
                if (queue_id_parse(element, length, &of_device, &index) < 0 || of_device != device->number) {
                        vhost_trouble(sysfs, TROUBLE_ID, path, "", 0);
                        continue;
                }
                bool twice = false;
                for (size_t i = 0; i < n_found; i++)
                        twice |= indexes[i] == index;
                if (!twice)
                        indexes[n_found++] = index;
        }
        return (ssize_t) n_found;
}

/* The queue of `index` as it was, or a new one. 0 or -errno. */
static int queue_take_or_add(struct vhost_sysfs *sysfs, struct vhost_device *device, uint32_t index, bool relearn, struct vhost_queue *ret) {
        for (size_t i = 0; i < device->n_queues; i++) {
                struct vhost_queue *old = &device->queues[i];
                if (old->index != index || !old->model)
                        continue;
                *ret = *old;
                old->model = NULL;
                if (!relearn || !ret->relearn)
                        return 0;
                vhost_queue_close(ret);
                int r = vhost_queue_open(sysfs, device->number, ret);
                if (r < 0)
                        queue_remove(sysfs, ret, true);
                return r;
        }
        *ret = (struct vhost_queue) { .index = index, .status_fd = -1 };
        return queue_add(sysfs, device, ret);
}

static bool queues_are(const struct vhost_device *device, const uint32_t *indexes, size_t n, bool relearn) {
        if (device->n_queues != n)
                return false;
        for (size_t i = 0; i < n; i++)
                if (device->queues[i].index != indexes[i] || (relearn && device->queues[i].relearn))
                        return false;
        return true;
}

int vhost_device_refresh_queues(struct vhost_sysfs *sysfs, struct vhost_device *device, bool relearn) {
        uint32_t indexes[DEVICE_QUEUES_MAX];
        ssize_t n = device_read_queues(sysfs, device, indexes, ELEMENTSOF(indexes));
        if (n < 0)
                return (int) n;

        device->age = DEVICE_KNOWN;
        if (queues_are(device, indexes, (size_t) n, relearn))
                return 0;
        struct vhost_queue *queues = calloc((size_t) n + 1, sizeof *queues);
        if (!queues)
                return -ENOMEM;
        size_t n_queues = 0;
        for (ssize_t i = 0; i < n; i++) {
                int r = queue_take_or_add(sysfs, device, indexes[i], relearn, &queues[n_queues]);
                if (r == 0)
                        n_queues++;
                else if (vhost_gone(r))
                        device->age = DEVICE_YOUNG;
        }
        for (size_t j = 0; j < device->n_queues; j++)
                if (device->queues[j].model)
                        queue_remove(sysfs, &device->queues[j], true);
        free(device->queues);
        device->queues = queues;
        device->n_queues = n_queues;
        sysfs->young_devices |= device->age != DEVICE_KNOWN;
        return 0;
}

int vhost_device_refresh_owner(struct vhost_sysfs *sysfs, struct vhost_device *device) {
        char path[64], text[32];
        struct owner owner;
        int pid;

        snprintf(path, sizeof path, "dev/d.%u/owner", device->number);
        ssize_t n = vhost_attribute_get(sysfs, path, text, sizeof text);
        if (n < 0 && n != -EFBIG)
                return (int) n;
        if (n == -EFBIG || attribute_parse_int(text, (size_t) n, &pid) < 0) {
                vhost_trouble(sysfs, TROUBLE_VALUE, path, "", 0);
                pid = -1;
        }
        device->model->owner = device->unit->owner = pid > 0 ? pid : -1;
        device->owner_known = owner_read(sysfs->services, sysfs->context, pid, &owner) == 0;
        device->unit->node = owner.node;
        memcpy(device->unit->domain, owner.domain, sizeof device->unit->domain);
        return 0;
}

int vhost_device_refresh(struct vhost_sysfs *sysfs, struct vhost_device *device) {
        const char *text = attribute_text(&sysfs->buffer);
        uint32_t number;

        ssize_t n = attribute_buffer_read(&sysfs->buffer, device->worker_fd);
        if (n < 0)
                return (int) n;
        if (n > 0 && text[n - 1] == '\n')
                n--;
        if (worker_id_parse(text, (size_t) n, &number) < 0) {
                vhost_trouble(sysfs, TROUBLE_ID, device->model->id, "worker", 0);
                return -EINVAL;
        }
        if (device->worker && device->worker->number == number)
                return 0;
        struct vhost_worker *worker = vhost_worker_find(sysfs, number);
        if (!worker) {
                sysfs->incomplete = true;
                return -ENXIO;
        }
        vhost_device_assign(device, worker);
        return 0;
}

/* A device is only shown to the model when it is whole: its worker known. */
int vhost_device_add(struct vhost_sysfs *sysfs, uint32_t number) {
        char id[IOCORE_ID_MAX], path[64];
        size_t place = sysfs->n_devices;

        struct vhost_device *device = calloc(1, sizeof *device);
        if (!device)
                return -ENOMEM;
        *device = (struct vhost_device) { .number = number, .worker_fd = -1, .seen = true };
        snprintf(id, sizeof id, "d.%u", number);
        snprintf(path, sizeof path, "dev/%s/worker", id);
        int r = device->worker_fd = vhost_attribute_open(sysfs, path);
        if (r < 0)
                goto fail;
        device->model = sysfs->services->device_add(sysfs->context, id);
        device->unit = device->model ? sysfs->services->unit_add(sysfs->context, id) : NULL;
        if (!device->unit) {
                r = -errno;
                goto fail;
        }
        device->unit->device = device->model;
        device->unit->node = IOCORE_NODE_UNKNOWN;
        r = vhost_device_refresh(sysfs, device);
        if (r == 0)
                r = vhost_device_refresh_owner(sysfs, device);
        if (r == 0)
                r = vhost_device_refresh_queues(sysfs, device, false);
        if (r < 0)
                goto fail;
        device->age = DEVICE_NEW;
        while (place > 0 && sysfs->devices[place - 1]->number > number)
                place--;
        r = vhost_array_insert((void ***) &sysfs->devices, &sysfs->n_devices, place, device);
        if (r < 0)
                goto fail;
        return 0;
fail:
        vhost_device_free(sysfs, device, true);
        return r;
}

void vhost_device_remove(struct vhost_sysfs *sysfs, size_t place) {
        struct vhost_device *device = sysfs->devices[place];

        memmove(sysfs->devices + place, sysfs->devices + place + 1, (--sysfs->n_devices - place) * sizeof *sysfs->devices);
        vhost_device_free(sysfs, device, true);
}

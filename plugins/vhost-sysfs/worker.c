/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Workers of the control interface: opened, added to the model, refreshed, removed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "vhost-sysfs.h"

void vhost_worker_free(struct vhost_sysfs *sysfs, struct vhost_worker *worker, bool forget) {
        if (worker->model && forget)
                sysfs->services->worker_remove(sysfs->context, worker->model);
        closep(&worker->busy_fd);
        closep(&worker->cpu_fd);
        closep(&worker->locked_fd);
        closep(&worker->devices_fd);
        free(worker);
}

/* Prefers the file that the most can be read from. */
static int worker_open_busy(struct vhost_sysfs *sysfs, struct vhost_worker *worker, const char *id) {
        char path[64];

        snprintf(path, sizeof path, "worker/%s/status", id);
        worker->busy_fd = vhost_attribute_open(sysfs, path);
        if (worker->busy_fd >= 0) {
                worker->source = WORKER_STATUS;
                return 0;
        }
        snprintf(path, sizeof path, "worker/%s/total_work_cycles", id);
        worker->busy_fd = vhost_attribute_open(sysfs, path);
        if (worker->busy_fd < 0 && worker->busy_fd != -ENOENT)
                return worker->busy_fd;
        worker->source = worker->busy_fd >= 0 ? WORKER_FILE : WORKER_QUEUES;
        return 0;
}

static int worker_open(struct vhost_sysfs *sysfs, struct vhost_worker *worker, const char *id) {
        const struct { const char *name; int *fd; } files[] = {
                { "cpu", &worker->cpu_fd }, { "locked", &worker->locked_fd }, { "dev_list", &worker->devices_fd },
        };
        char path[64];

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                snprintf(path, sizeof path, "worker/%s/%s", id, files[i].name);
                *files[i].fd = vhost_attribute_open(sysfs, path);
                if (*files[i].fd < 0)
                        return *files[i].fd;
        }
        return worker_open_busy(sysfs, worker, id);
}

static pid_t worker_read_pid(struct vhost_sysfs *sysfs, const char *id) {
        char path[64], text[32];
        int pid;

        snprintf(path, sizeof path, "worker/%s/pid", id);
        ssize_t n = vhost_attribute_get(sysfs, path, text, sizeof text);
        return n > 0 && attribute_parse_int(text, (size_t) n, &pid) == 0 && pid > 0 ? pid : 0;
}

int vhost_worker_add(struct vhost_sysfs *sysfs, uint32_t number) {
        char id[IOCORE_ID_MAX];
        size_t place = 0;

        if (vhost_worker_find(sysfs, number))
                return 0;
        struct vhost_worker *worker = calloc(1, sizeof *worker);
        if (!worker)
                return -ENOMEM;
        *worker = (struct vhost_worker) { .number = number, .busy_fd = -1, .cpu_fd = -1, .locked_fd = -1, .devices_fd = -1, .seen = true };
        snprintf(id, sizeof id, "w.%u", number);
        int r = worker_open(sysfs, worker, id);
        if (r < 0)
                goto fail;
        worker->model = sysfs->services->worker_add(sysfs->context, id);
        if (!worker->model) {
                r = -errno;
                goto fail;
        }
        sysfs->cores_stale = true;
        worker->model->pid = worker_read_pid(sysfs, id);
        worker->model->cpu = IOCORE_CPU_ANY;
        worker->model->shared = true;
        worker->model->plugin_data = worker;
        r = vhost_worker_refresh(sysfs, worker);
        if (r < 0)
                goto fail;
        while (place < sysfs->n_workers && sysfs->workers[place]->number < number)
                place++;
        r = vhost_array_insert((void ***) &sysfs->workers, &sysfs->n_workers, place, worker);
        if (r < 0)
                goto fail;
        return 0;
fail:
        vhost_worker_free(sysfs, worker, true);
        return r;
}

void vhost_worker_remove(struct vhost_sysfs *sysfs, struct vhost_worker *worker) {
        for (size_t i = 0; i < sysfs->n_workers; i++)
                if (sysfs->workers[i] == worker) {
                        memmove(sysfs->workers + i, sysfs->workers + i + 1, (--sysfs->n_workers - i) * sizeof *sysfs->workers);
                        break;
                }
        while (worker->devices) {
                vhost_device_assign(worker->devices, NULL);
                sysfs->incomplete = true;
        }
        sysfs->cores_stale = true;
        vhost_cores_refresh(sysfs);
        vhost_worker_free(sysfs, worker, true);
}

/* FNV-1a: only tells "changed" from "unchanged". Source: draft-eastlake-fnv, 64 bit parameters. */
static uint64_t text_hash(const char *text, size_t length) {
        uint64_t hash = 0xcbf29ce484222325u;
        for (size_t i = 0; i < length; i++)
                hash = (hash ^ (unsigned char) text[i]) * 0x100000001b3u;
        return hash;
}

int vhost_worker_refresh(struct vhost_sysfs *sysfs, struct vhost_worker *worker) {
        const char *text = attribute_text(&sysfs->buffer);
        int cpu;
        bool locked;

        ssize_t n = attribute_buffer_read(&sysfs->buffer, worker->cpu_fd);
        if (n < 0)
                return (int) n;
        if (attribute_parse_int(text, (size_t) n, &cpu) == 0) {
                cpu = cpu >= 0 ? cpu : IOCORE_CPU_ANY;
                sysfs->cores_stale |= cpu != worker->model->cpu;
                worker->model->cpu = cpu;
        } else
                vhost_trouble(sysfs, TROUBLE_VALUE, worker->model->id, "cpu", 0);

        n = attribute_buffer_read(&sysfs->buffer, worker->locked_fd);
        if (n < 0)
                return (int) n;
        if (attribute_parse_bool(text, (size_t) n, &locked) == 0) {
                sysfs->cores_stale |= locked != worker->model->locked;
                worker->model->locked = locked;
        } else
                vhost_trouble(sysfs, TROUBLE_VALUE, worker->model->id, "locked", 0);

        n = attribute_buffer_read(&sysfs->buffer, worker->devices_fd);
        if (n < 0)
                return (int) n;
        /* the kernel cuts the list where its page ends: then it cannot tell what changed */
        if (n >= ATTRIBUTE_SIZE_MAX - IOCORE_ID_MAX)
                sysfs->lists_cut = true;
        uint64_t hash = text_hash(text, (size_t) n);
        bool changed = hash != worker->list_hash;
        worker->list_hash = hash;
        return changed;
}

void vhost_default_refresh(struct vhost_sysfs *sysfs) {
        const char *text = attribute_text(&sysfs->buffer);
        uint32_t number = 0;

        ssize_t n = attribute_buffer_read(&sysfs->buffer, sysfs->default_fd);
        if (n < 0)
                return;
        if (n > 0 && text[n - 1] == '\n')
                n--;
        bool valid = worker_id_parse(text, (size_t) n, &number) == 0;
        if (!valid && n > 0)
                vhost_trouble(sysfs, TROUBLE_ID, "worker/default", "", 0);
        if (valid && !vhost_worker_find(sysfs, number))
                sysfs->incomplete = true;
        for (size_t i = 0; i < sysfs->n_workers; i++)
                sysfs->workers[i]->model->is_default = valid && sysfs->workers[i]->number == number;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* I/O cores come and go: workers are created on CPUs and removed. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "vhost-sysfs.h"

static struct vhost_worker *default_worker(const struct vhost_sysfs *sysfs) {
        for (size_t i = 0; i < sysfs->n_workers; i++)
                if (sysfs->workers[i]->model->is_default)
                        return sysfs->workers[i];
        return NULL;
}

int vhost_place(void *state, const struct iocore_unit *unit, int cpu, char *ret_value, size_t size) {
        struct vhost_sysfs *sysfs = state;
        struct vhost_worker *worker = NULL;

        (void) unit; /* any device may be served by any worker */
        if (cpu == IOCORE_CPU_ANY) {
                vhost_default_refresh(sysfs);
                worker = default_worker(sysfs);
        } else if (cpu >= 0 && cpu < sysfs->n_cpus) {
                worker = sysfs->core_workers[cpu];
        }
        if (!worker)
                return -ENOENT;
        snprintf(ret_value, size, "%s", worker->model->id);
        return 0;
}

/* --- growing ---------------------------------------------------------------------------------------------------------------------- */

/* Adds worker NUMBER if it is a new one; 1 when it is the one that was created on `cpu`. */
static int try_created(struct vhost_sysfs *sysfs, uint32_t number, int cpu, uint32_t *ret_number) {
        if (vhost_worker_find(sysfs, number))
                return 0;
        int r = vhost_worker_add(sysfs, number);
        if (r < 0)
                return r;
        const struct vhost_worker *worker = vhost_worker_find(sysfs, number);
        if (worker->model->cpu != cpu || worker->model->locked)
                return 0;
        *ret_number = number;
        return 1;
}

/* Somebody else may create workers at the same moment: of all that are listed ours is the one on `cpu`. Returns 1 when it was found. */
static int find_listed(struct vhost_sysfs *sysfs, int cpu, uint32_t *ret_number) {
        char text[ATTRIBUTE_SIZE_MAX + 1];
        size_t position = 0, length;
        const char *element;
        int found = 0;

        ssize_t n = vhost_attribute_get(sysfs, "worker/create", text, sizeof text);
        if (n < 0)
                return (int) n;
        while ((element = list_next(text, (size_t) n, &position, &length))) {
                uint32_t number;
                if (worker_id_parse(element, length, &number) < 0) {
                        vhost_trouble(sysfs, TROUBLE_ID, "worker/create", "", 0);
                        continue;
                }
                if (!found && try_created(sysfs, number, cpu, ret_number) > 0)
                        found = 1;
        }
        return found;
}

/* The kernel lists 32 ids at most, and somebody else may have read, and so cleared, the list: look for the directory. */
static int find_unlisted(struct vhost_sysfs *sysfs, int cpu, uint32_t newest_before, uint32_t *ret_number) {
        int r = vhost_scan(sysfs, true);
        if (r < 0)
                return r;
        for (size_t i = 0; i < sysfs->n_workers; i++) {
                const struct vhost_worker *worker = sysfs->workers[i];
                if (worker->number <= newest_before || worker->model->cpu != cpu || worker->model->locked)
                        continue;
                *ret_number = worker->number;
                return 1;
        }
        return 0;
}

int vhost_core_add(void *state, int cpu, char *ret_worker, size_t size) {
        struct vhost_sysfs *sysfs = state;
        char text[ATTRIBUTE_SIZE_MAX + 1];
        uint32_t number = 0;

        if (cpu < 0 || cpu >= sysfs->n_cpus)
                return -EINVAL;
        if (sysfs->core_workers[cpu])
                return -EEXIST;
        uint32_t newest_before = sysfs->n_workers ? sysfs->workers[sysfs->n_workers - 1]->number : 0;

        /* what was created before is not ours: reading clears the list */
        ssize_t n = vhost_attribute_get(sysfs, "worker/create", text, sizeof text);
        if (n < 0)
                return (int) n;
        snprintf(text, sizeof text, "%d", cpu);
        int r = sysfs->write(sysfs, "worker/create", text);
        if (r < 0)
                return r;
        r = find_listed(sysfs, cpu, &number);
        if (r == 0)
                r = find_unlisted(sysfs, cpu, newest_before, &number);
        if (r < 0)
                return r;
        if (r == 0)
                return -EIO; /* the kernel said yes, but no worker came */
        vhost_default_refresh(sysfs);
        vhost_cores_refresh(sysfs);
        snprintf(ret_worker, size, "w.%u", number);
        return 0;
}

/* --- shrinking -------------------------------------------------------------------------------------------------------------------- */

/* 0 when nothing is served by the worker; -EBUSY; -errno. */
static int check_empty(struct vhost_sysfs *sysfs, uint32_t number) {
        char path[64], text[ATTRIBUTE_SIZE_MAX + 1];

        snprintf(path, sizeof path, "worker/w.%u/dev_list", number);
        ssize_t n = vhost_attribute_get(sysfs, path, text, sizeof text);
        if (n == -EFBIG || n > 0)
                return -EBUSY;
        return (int) n;
}

/* Locked first, so that no device is born on it while it goes. What fails leaves it as it was. */
static int remove_worker(struct vhost_sysfs *sysfs, uint32_t number) {
        char path[64], id[IOCORE_ID_MAX], text[16];
        bool was_locked;

        snprintf(path, sizeof path, "worker/w.%u/locked", number);
        ssize_t n = vhost_attribute_get(sysfs, path, text, sizeof text);
        if (n < 0)
                return (int) n;
        if (attribute_parse_bool(text, (size_t) n, &was_locked) < 0)
                return -EIO;
        int r = check_empty(sysfs, number);
        if (r == 0 && !was_locked)
                r = vhost_worker_lock(sysfs, number, true);
        if (r < 0)
                return r;
        r = check_empty(sysfs, number);
        if (r == 0) {
                snprintf(id, sizeof id, "w.%u", number);
                r = sysfs->write(sysfs, "worker/remove", id);
        }
        if (r < 0 && !vhost_gone(r) && !was_locked)
                (void) vhost_worker_lock(sysfs, number, false);
        return r;
}

int vhost_core_remove(void *state, int cpu, const char *id) {
        struct vhost_sysfs *sysfs = state;
        uint32_t number;

        if (id && *id) {
                if (worker_id_parse(id, strlen(id), &number) < 0)
                        return -ENOENT;
        } else {
                if (cpu < 0 || cpu >= sysfs->n_cpus || !sysfs->core_workers[cpu])
                        return -ENOENT;
                number = sysfs->core_workers[cpu]->number;
        }
        int r = remove_worker(sysfs, number);
        if (r < 0 && !vhost_gone(r))
                return r;
        struct vhost_worker *worker = vhost_worker_find(sysfs, number);
        if (worker)
                vhost_worker_remove(sysfs, worker);
        return r < 0 ? -ENOENT : 0;
}

const char *vhost_unavailable(void *state, const char *kind) {
        struct vhost_sysfs *sysfs = state;

        if (strcmp(kind, "grow") == 0 && faccessat(sysfs->class_fd, "worker/create", W_OK, AT_EACCESS) < 0)
                return "worker/create may not be written";
        if (strcmp(kind, "worker.work_list_max_stuck_cycles") == 0 && sysfs->generation == GENERATION_ELVIS)
                return "kernels of the ELVIS generation only show it";
        return NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "vhost-sysfs.h"

/* A full look that finds references to what came into being meanwhile looks again, this often at most. */
#define FULL_LOOKS_MAX 3

/* Both kinds of objects begin their comparison at their number. */
static int compare_worker(const void *key, const void *element) {
        uint32_t number = *(const uint32_t *) key, other = (*(struct vhost_worker *const *) element)->number;
        return (number > other) - (number < other);
}

static int compare_device(const void *key, const void *element) {
        uint32_t number = *(const uint32_t *) key, other = (*(struct vhost_device *const *) element)->number;
        return (number > other) - (number < other);
}

struct vhost_worker *vhost_worker_find(const struct vhost_sysfs *sysfs, uint32_t number) {
        struct vhost_worker **found = sysfs->n_workers ? bsearch(&number, sysfs->workers, sysfs->n_workers, sizeof *sysfs->workers, compare_worker) : NULL;
        return found ? *found : NULL;
}

struct vhost_device *vhost_device_find(const struct vhost_sysfs *sysfs, uint32_t number) {
        struct vhost_device **found = sysfs->n_devices ? bsearch(&number, sysfs->devices, sysfs->n_devices, sizeof *sysfs->devices, compare_device) : NULL;
        return found ? *found : NULL;
}

struct vhost_worker *vhost_worker_by_id(const struct vhost_sysfs *sysfs, const char *id) {
        uint32_t number;
        return worker_id_parse(id, strlen(id), &number) == 0 ? vhost_worker_find(sysfs, number) : NULL;
}

struct vhost_device *vhost_device_by_id(const struct vhost_sysfs *sysfs, const char *id) {
        uint32_t number;
        return device_id_parse(id, strlen(id), &number) == 0 ? vhost_device_find(sysfs, number) : NULL;
}

struct vhost_queue *vhost_queue_by_id(const struct vhost_sysfs *sysfs, const char *id) {
        uint32_t number, index;

        if (queue_id_parse(id, strlen(id), &number, &index) < 0)
                return NULL;
        struct vhost_device *device = vhost_device_find(sysfs, number);
        for (size_t i = 0; device && i < device->n_queues; i++)
                if (device->queues[i].index == index)
                        return &device->queues[i];
        return NULL;
}

int vhost_array_insert(void ***array, size_t *n, size_t place, void *object) {
        void **larger = reallocarray(*array, *n + 1, sizeof *larger);
        if (!larger)
                return -ENOMEM;
        memmove(larger + place + 1, larger + place, (*n - place) * sizeof *larger);
        larger[place] = object;
        *array = larger;
        (*n)++;
        return 0;
}

void vhost_cores_refresh(struct vhost_sysfs *sysfs) {
        if (!sysfs->cores_stale)
                return;
        sysfs->cores_stale = false;
        for (int cpu = 0; cpu < sysfs->n_cpus; cpu++) {
                struct vhost_worker *now = NULL;
                for (size_t i = 0; i < sysfs->n_workers && !now; i++)
                        if (sysfs->workers[i]->model->cpu == cpu && !sysfs->workers[i]->model->locked)
                                now = sysfs->workers[i];
                if (now == sysfs->core_workers[cpu])
                        continue;
                sysfs->core_workers[cpu] = now;
                (void) sysfs->services->core_set(sysfs->context, cpu, now ? now->model : NULL, now != NULL);
        }
}

/* --- looking ---------------------------------------------------------------------------------------------------------------------- */

enum directory { DIRECTORY_WORKERS, DIRECTORY_DEVICES, DIRECTORY_QUEUES, _DIRECTORY_MAX };

static void read_links(const struct vhost_sysfs *sysfs, nlink_t links[static _DIRECTORY_MAX]) {
        const int fds[_DIRECTORY_MAX] = {
                [DIRECTORY_WORKERS] = dirfd(sysfs->worker_directory),
                [DIRECTORY_DEVICES] = dirfd(sysfs->device_directory),
                [DIRECTORY_QUEUES] = sysfs->queue_directory_fd,
        };
        for (int i = 0; i < _DIRECTORY_MAX; i++) {
                struct stat status;
                links[i] = fstat(fds[i], &status) == 0 ? status.st_nlink : 0;
        }
}

/* sysfs counts a directory's subdirectories in its link count; a file system that does not is found by a count that is too small to be true. */
static void remember_links(struct vhost_sysfs *sysfs, const nlink_t links[static _DIRECTORY_MAX]) {
        const size_t known[_DIRECTORY_MAX] = {
                [DIRECTORY_WORKERS] = sysfs->n_workers,
                [DIRECTORY_DEVICES] = sysfs->n_devices,
                [DIRECTORY_QUEUES] = sysfs->n_devices, /* at least that many */
        };
        for (int i = 0; i < _DIRECTORY_MAX; i++)
                sysfs->links[i] = known[i] > 0 && links[i] >= known[i] + 2 ? links[i] : 0;
}

static bool directories_changed(const struct vhost_sysfs *sysfs, const nlink_t links[static _DIRECTORY_MAX]) {
        for (int i = 0; i < _DIRECTORY_MAX; i++)
                if (sysfs->links[i] == 0 || sysfs->links[i] != links[i])
                        return true;
        return false;
}

static bool is_object_directory(DIR *directory, const struct dirent *entry) {
        struct stat status;

        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "power") == 0 || strcmp(entry->d_name, "subsystem") == 0)
                return false;
        if (entry->d_type != DT_UNKNOWN)
                return entry->d_type == DT_DIR;
        return fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
}

typedef int (*id_parser)(const char *text, size_t length, uint32_t *ret_number);
typedef int (*object_visitor)(struct vhost_sysfs *sysfs, uint32_t number);

/* Shows each object of a directory to `visit`. What cannot be used is skipped; -ENOMEM ends it. */
static int list_objects(struct vhost_sysfs *sysfs, DIR *directory, id_parser parse, object_visitor visit) {
        const struct dirent *entry;
        uint32_t number;

        rewinddir(directory);
        while ((entry = readdir(directory))) {
                if (!is_object_directory(directory, entry))
                        continue;
                if (parse(entry->d_name, strlen(entry->d_name), &number) < 0) {
                        vhost_trouble(sysfs, TROUBLE_ID, entry->d_name, "", 0);
                        continue;
                }
                int r = visit(sysfs, number);
                if (r == -ENOMEM)
                        return r;
                if (r < 0 && r != -EMFILE && !vhost_gone(r))
                        vhost_trouble(sysfs, TROUBLE_READ, entry->d_name, "", r);
        }
        return 0;
}

static int visit_worker(struct vhost_sysfs *sysfs, uint32_t number) {
        struct vhost_worker *worker = vhost_worker_find(sysfs, number);
        if (!worker)
                return vhost_worker_add(sysfs, number);
        worker->seen = true;
        return 0;
}

static int visit_device(struct vhost_sysfs *sysfs, uint32_t number) {
        struct vhost_device *device = vhost_device_find(sysfs, number);
        if (!device)
                return vhost_device_add(sysfs, number);
        device->seen = true;
        return 0;
}

static int look_at_workers(struct vhost_sysfs *sysfs) {
        for (size_t i = 0; i < sysfs->n_workers; i++)
                sysfs->workers[i]->seen = false;
        int r = list_objects(sysfs, sysfs->worker_directory, worker_id_parse, visit_worker);
        if (r < 0)
                return r;
        for (size_t i = sysfs->n_workers; i-- > 0;)
                if (!sysfs->workers[i]->seen || vhost_gone(vhost_worker_refresh(sysfs, sysfs->workers[i])))
                        vhost_worker_remove(sysfs, sysfs->workers[i]);
        vhost_default_refresh(sysfs);
        return 0;
}

static int look_at_devices(struct vhost_sysfs *sysfs, bool thorough) {
        for (size_t i = 0; i < sysfs->n_devices; i++)
                sysfs->devices[i]->seen = false;
        int r = list_objects(sysfs, sysfs->device_directory, device_id_parse, visit_device);
        if (r < 0)
                return r;
        for (size_t i = sysfs->n_devices; i-- > 0;) {
                struct vhost_device *device = sysfs->devices[i];
                if (device->age == DEVICE_NEW) {
                        /* just read; once more by the next scan */
                        device->age = DEVICE_YOUNG;
                        sysfs->young_devices = true;
                        continue;
                }
                r = device->seen ? vhost_device_refresh(sysfs, device) : -ENOENT;
                if (r == 0 && (thorough || !device->owner_known))
                        r = vhost_device_refresh_owner(sysfs, device);
                if (r == 0 && (thorough || device->age == DEVICE_YOUNG || device->n_queues == 0))
                        r = vhost_device_refresh_queues(sysfs, device, thorough);
                if (r == -ENOMEM)
                        return r;
                if (vhost_gone(r) || !device->worker)
                        vhost_device_remove(sysfs, i);
        }
        return 0;
}

static int full_look(struct vhost_sysfs *sysfs, bool thorough) {
        nlink_t links[_DIRECTORY_MAX];

        for (int i = 0; i < FULL_LOOKS_MAX; i++) {
                read_links(sysfs, links); /* before: what comes while looking is then seen by the next scan */
                sysfs->incomplete = sysfs->lists_cut = sysfs->young_devices = false;
                int r = look_at_workers(sysfs);
                if (r == 0)
                        r = look_at_devices(sysfs, thorough);
                if (r < 0)
                        return r;
                if (!sysfs->incomplete)
                        break;
        }
        remember_links(sysfs, links);
        vhost_cores_refresh(sysfs);
        return 0;
}

/* Reads what may change without anything coming or going. Returns 1 when a full look is needed. */
static int quick_look(struct vhost_sysfs *sysfs) {
        for (size_t i = 0; i < sysfs->n_workers; i++) {
                int r = vhost_worker_refresh(sysfs, sysfs->workers[i]);
                if (r != 0)
                        return 1;
        }
        vhost_default_refresh(sysfs);
        for (size_t i = 0; i < sysfs->n_devices; i++) {
                struct vhost_device *device = sysfs->devices[i];
                if (sysfs->lists_cut && vhost_device_refresh(sysfs, device) < 0)
                        return 1;
                if (!device->owner_known && vhost_device_refresh_owner(sysfs, device) < 0)
                        return 1;
        }
        if (sysfs->incomplete)
                return 1;
        vhost_cores_refresh(sysfs);
        return 0;
}

int vhost_scan(void *state, bool thorough) {
        struct vhost_sysfs *sysfs = state;
        nlink_t links[_DIRECTORY_MAX];

        bool full = thorough || sysfs->incomplete || sysfs->young_devices;
        if (!full) {
                read_links(sysfs, links);
                full = directories_changed(sysfs, links) || quick_look(sysfs) > 0;
        }
        return full ? full_look(sysfs, thorough) : 0;
}

void vhost_inventory_free(struct vhost_sysfs *sysfs, bool forget) {
        for (size_t i = 0; i < sysfs->n_devices; i++)
                vhost_device_free(sysfs, sysfs->devices[i], forget);
        sysfs->n_devices = 0;
        for (size_t i = 0; i < sysfs->n_workers; i++)
                vhost_worker_free(sysfs, sysfs->workers[i], forget);
        sysfs->n_workers = 0;
        free(sysfs->devices);
        free(sysfs->workers);
        sysfs->devices = NULL;
        sysfs->workers = NULL;
}

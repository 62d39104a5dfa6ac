/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Values that can be set. Paths are made of the numbers of ids that parsed, never of what came from outside; what is written is read back, since the kernel
 * refuses some values silently and answers EINVAL to one that it took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/cleanup.h"
#include "vhost-sysfs.h"

/* A move that is under way ends when both workers have passed their loops: well below a millisecond. */
#define MOVE_RETRIES 3
#define MOVE_RETRY_NSEC 500000

enum object_kind { OBJECT_WORKER, OBJECT_DEVICE, OBJECT_QUEUE };

#define PATH_SIZE 96

/* Makes "vq/vq.4.1/FILE" for a valid id of that kind. 0; -ENOENT: there can be no such object. */
static int object_path(enum object_kind kind, const char *object, const char *file, char ret[static PATH_SIZE]) {
        uint32_t number, index;

        switch (kind) {
        case OBJECT_WORKER:
                if (worker_id_parse(object, strlen(object), &number) < 0)
                        return -ENOENT;
                snprintf(ret, PATH_SIZE, "worker/w.%u/%s", number, file);
                return 0;
        case OBJECT_DEVICE:
                if (device_id_parse(object, strlen(object), &number) < 0)
                        return -ENOENT;
                snprintf(ret, PATH_SIZE, "dev/d.%u/%s", number, file);
                return 0;
        case OBJECT_QUEUE:
                if (queue_id_parse(object, strlen(object), &number, &index) < 0)
                        return -ENOENT;
                snprintf(ret, PATH_SIZE, "vq/vq.%u.%u/%s", number, index, file);
                return 0;
        }
        return -ENOENT;
}

static int get_path(struct vhost_sysfs *sysfs, const char *path, char *ret_value, size_t size) {
        ssize_t n = vhost_attribute_get(sysfs, path, ret_value, size);
        return n < 0 ? (int) n : 0;
}

static int get_attribute(struct vhost_sysfs *sysfs, enum object_kind kind, const char *object, const char *file, char *ret_value, size_t size) {
        char path[PATH_SIZE];
        int r = object_path(kind, object, file, path);
        return r < 0 ? r : get_path(sysfs, path, ret_value, size);
}

/* Is it a number as the interface's settings have them? */
static bool is_number(const char *value) {
        size_t sign = value[0] == '-';
        uint64_t number;
        return attribute_parse_unsigned(value + sign, strlen(value + sign), &number) == 0 && !strchr(value, '\n');
}

static bool is_bool(const char *value) {
        return strcmp(value, "0") == 0 || strcmp(value, "1") == 0;
}

static int set_attribute(struct vhost_sysfs *sysfs, enum object_kind kind, const char *object, const char *file, bool is_valid, const char *value,
                         char *ret_value, size_t size) {
        char path[PATH_SIZE];

        int r = object_path(kind, object, file, path);
        if (r < 0)
                return r;
        if (!is_valid)
                return -EINVAL;
        r = sysfs->write(sysfs, path, value);
        return r < 0 ? r : get_path(sysfs, path, ret_value, size);
}

/* --- unit.place -------------------------------------------------------------------------------------------------------------------- */

static int get_unit_place(void *state, const char *object, char *ret_value, size_t size) {
        return get_attribute(state, OBJECT_DEVICE, object, "worker", ret_value, size);
}

/* The kernel takes a locked worker as a target; a device that lands there makes the worker impossible to remove. */
static int check_target(struct vhost_sysfs *sysfs, const char *worker) {
        char text[16];
        bool locked;

        int r = get_attribute(sysfs, OBJECT_WORKER, worker, "locked", text, sizeof text);
        if (r < 0)
                return vhost_gone(r) ? -EINVAL : r;
        if (attribute_parse_bool(text, strlen(text), &locked) < 0)
                return -EIO;
        return locked ? -EINVAL : 0;
}

/* The kernel's EINVAL has two meanings left when the target is good: a move of this device is under way, or the target vanished just now. */
static int write_place(struct vhost_sysfs *sysfs, const char *path, const char *worker) {
        for (int i = 0;; i++) {
                int r = sysfs->write(sysfs, path, worker);
                if (r != -EINVAL)
                        return r;
                r = check_target(sysfs, worker);
                if (r < 0)
                        return r;
                if (i >= MOVE_RETRIES)
                        return -EBUSY;
                nanosleep(&(struct timespec) { .tv_nsec = MOVE_RETRY_NSEC }, NULL);
        }
}

static int set_unit_place(void *state, const char *object, const char *value, char *ret_value, size_t size) {
        struct vhost_sysfs *sysfs = state;
        char path[PATH_SIZE];
        uint32_t number;

        int r = object_path(OBJECT_DEVICE, object, "worker", path);
        if (r == 0)
                r = get_path(sysfs, path, ret_value, size);
        if (r < 0)
                return r;
        if (worker_id_parse(value, strlen(value), &number) < 0)
                return -EINVAL;
        if (strcmp(ret_value, value) == 0)
                return 0;
        r = check_target(sysfs, value);
        if (r == 0)
                r = write_place(sysfs, path, value);
        if (r == 0)
                r = get_path(sysfs, path, ret_value, size);
        /* whatever became of it, the model is to show what is true now */
        struct vhost_device *device = vhost_device_by_id(sysfs, object);
        if (device && vhost_device_refresh(sysfs, device) < 0)
                sysfs->incomplete = true;
        return r;
}

/* --- worker.* ---------------------------------------------------------------------------------------------------------------------- */

int vhost_worker_lock(struct vhost_sysfs *sysfs, uint32_t number, bool lock) {
        char path[PATH_SIZE], text[16];
        bool locked;

        snprintf(path, sizeof path, "worker/w.%u/locked", number);
        int written = sysfs->write(sysfs, path, lock ? "1" : "0");
        if (written < 0 && written != -EINVAL)
                return written;
        int r = get_path(sysfs, path, text, sizeof text);
        if (r < 0)
                return r;
        if (attribute_parse_bool(text, strlen(text), &locked) < 0)
                return -EIO;

        struct vhost_worker *worker = vhost_worker_find(sysfs, number);
        if (worker && worker->model->locked != locked) {
                worker->model->locked = locked;
                sysfs->cores_stale = true;
                vhost_cores_refresh(sysfs);
        }
        /* locking the default worker makes another one the default, which may have been created for it */
        vhost_default_refresh(sysfs);
        if (sysfs->incomplete)
                (void) vhost_scan(sysfs, false);
        if (locked == lock)
                return 0;
        return written < 0 ? written : -EIO;
}

static int get_worker_locked(void *state, const char *object, char *ret_value, size_t size) {
        bool locked;
        int r = get_attribute(state, OBJECT_WORKER, object, "locked", ret_value, size);
        if (r < 0)
                return r;
        if (attribute_parse_bool(ret_value, strlen(ret_value), &locked) < 0)
                return -EIO;
        snprintf(ret_value, size, "%d", locked);
        return 0;
}

static int set_worker_locked(void *state, const char *object, const char *value, char *ret_value, size_t size) {
        uint32_t number;

        if (worker_id_parse(object, strlen(object), &number) < 0)
                return -ENOENT;
        if (!is_bool(value))
                return -EINVAL;
        int r = vhost_worker_lock(state, number, value[0] == '1');
        return r < 0 ? r : get_worker_locked(state, object, ret_value, size);
}

/* One value of the whole host; the object only has to be one of its workers. */
static int get_worker_default(void *state, const char *object, char *ret_value, size_t size) {
        char text[16];
        int r = get_attribute(state, OBJECT_WORKER, object, "locked", text, sizeof text);
        return r < 0 ? r : get_path(state, "worker/default", ret_value, size);
}

static int set_worker_default(void *state, const char *object, const char *value, char *ret_value, size_t size) {
        struct vhost_sysfs *sysfs = state;
        uint32_t number;

        int r = get_worker_default(sysfs, object, ret_value, size);
        if (r < 0)
                return r;
        if (worker_id_parse(value, strlen(value), &number) < 0)
                return -EINVAL;
        r = sysfs->write(sysfs, "worker/default", value);
        vhost_default_refresh(sysfs);
        return r < 0 ? r : get_path(sysfs, "worker/default", ret_value, size);
}

static int get_worker_stuck(void *state, const char *object, char *ret_value, size_t size) {
        return get_attribute(state, OBJECT_WORKER, object, "work_list_max_stuck_cycles", ret_value, size);
}

static int set_worker_stuck(void *state, const char *object, const char *value, char *ret_value, size_t size) {
        return set_attribute(state, OBJECT_WORKER, object, "work_list_max_stuck_cycles", is_number(value), value, ret_value, size);
}

/* --- queue.* ----------------------------------------------------------------------------------------------------------------------- */

static int get_queue_poll(void *state, const char *object, char *ret_value, size_t size) {
        return get_attribute(state, OBJECT_QUEUE, object, "poll", ret_value, size);
}

/* Where can_poll is 0 the kernel takes a 1 and does nothing: the value that is returned says so. */
static int set_queue_poll(void *state, const char *object, const char *value, char *ret_value, size_t size) {
        int r = set_attribute(state, OBJECT_QUEUE, object, "poll", is_bool(value), value, ret_value, size);
        struct vhost_queue *queue = r == 0 ? vhost_queue_by_id(state, object) : NULL;
        if (queue)
                queue->model->poll = strcmp(ret_value, "1") == 0;
        return r;
}

/* The queue's plain numbers: a pair of functions each. */
#define QUEUE_NUMBER(function, file)                                                                                                                            \
        static int get_queue_##function(void *state, const char *object, char *ret_value, size_t size) {                                                        \
                return get_attribute(state, OBJECT_QUEUE, object, file, ret_value, size);                                                                       \
        }                                                                                                                                                       \
        static int set_queue_##function(void *state, const char *object, const char *value, char *ret_value, size_t size) {                                     \
                return set_attribute(state, OBJECT_QUEUE, object, file, is_number(value), value, ret_value, size);                                              \
        }
QUEUE_NUMBER(limit, "max_processed_data_limit")
QUEUE_NUMBER(minimum, "min_processed_data_limit")
QUEUE_NUMBER(rate, "min_poll_rate")
QUEUE_NUMBER(stuck_cycles, "max_stuck_cycles")
QUEUE_NUMBER(stuck_items, "max_stuck_pending_items")

const struct iocore_knob vhost_knobs[VHOST_N_KNOBS] = {
        { "unit.place", "id of the worker that serves the device and all its queues", get_unit_place, set_unit_place },
        { "worker.locked", "1: the worker is given no new devices", get_worker_locked, set_worker_locked },
        { "worker.default", "id of the worker that new devices are given to (one for the host)", get_worker_default, set_worker_default },
        { "worker.work_list_max_stuck_cycles", "cycles after which a waiting work counts as stuck, 0: never (IOcm kernels)", get_worker_stuck, set_worker_stuck },
        { "queue.poll", "1: the worker polls the queue, 0: the guest notifies", get_queue_poll, set_queue_poll },
        { "queue.limit", "most bytes served in one turn", get_queue_limit, set_queue_limit },
        { "queue.min_processed_data_limit", "least bytes served in one turn", get_queue_minimum, set_queue_minimum },
        { "queue.min_poll_rate", "least polls of the queue, 0: no such limit", get_queue_rate, set_queue_rate },
        { "queue.max_stuck_cycles", "cycles without service after which the queue counts as stuck, -1: never", get_queue_stuck_cycles, set_queue_stuck_cycles },
        { "queue.max_stuck_pending_items", "with more items than this pending it does not count as stuck", get_queue_stuck_items, set_queue_stuck_items },
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directories: which paths exist, and what is in them. */
#include <errno.h>
#include <string.h>

#include "plugins/sim/ids.h"
#include "simfs.h"

static const char *const kind_directory[] = {
        [OBJECT_WORKERS] = "worker", [OBJECT_DEVICES] = "dev", [OBJECT_QUEUES] = "vq", [OBJECT_WORKER] = "worker", [OBJECT_DEVICE] = "dev", [OBJECT_QUEUE] = "vq",
};

/* What runtime power management shows of a device that has none. */
static const char *const power_files[] = {"async", "autosuspend_delay_ms", "control", "runtime_active_time", "runtime_status", "runtime_suspended_time", NULL};

bool simfs_exists(const struct simfs *fs, const struct simfs_object *object) {
        switch (object->kind) {
        case OBJECT_WORKER:
                return model_worker(fs->model, object->number);
        case OBJECT_DEVICE:
                return model_device(fs->model, object->number);
        case OBJECT_QUEUE:
                return model_queue(fs->model, object->number, object->index);
        default:
                return true;
        }
}

/* The object of that id, if there is one. */
static bool find_object(const struct simfs *fs, const char *id, struct simfs_object *ret) {
        struct simfs_object object = {0};

        if (id_parse(id, "w", &object.number))
                object.kind = OBJECT_WORKER;
        else if (id_parse(id, "d", &object.number))
                object.kind = OBJECT_DEVICE;
        else if (id_parse_queue(id, &object.number, &object.index))
                object.kind = OBJECT_QUEUE;
        else
                return false;
        *ret = object;
        return simfs_exists(fs, &object);
}

/* An entry of an object's directory. */
static int resolve_entry(const struct simfs *fs, const char *name, struct simfs_node *node) {
        if (node->object.kind != OBJECT_ROOT && strcmp(name, "power") == 0) {
                node->kind = NODE_POWER;
                return 0;
        }
        if (node->object.kind != OBJECT_ROOT && strcmp(name, "subsystem") == 0) {
                node->kind = NODE_LINK;
                snprintf(node->target, sizeof(node->target), "%s", node->object.kind < OBJECT_WORKER ? ".." : "../..");
                return 0;
        }
        node->attribute = simfs_attribute(fs, node->object.kind, name);
        node->kind = NODE_ATTRIBUTE;
        return node->attribute ? 0 : -ENOENT;
}

static int resolve_root_entry(const struct simfs *fs, const char *name, struct simfs_node *node) {
        struct simfs_object object;

        for (enum simfs_object_kind kind = OBJECT_WORKERS; kind <= OBJECT_QUEUES; kind++)
                if (strcmp(name, kind_directory[kind]) == 0) {
                        node->object.kind = kind;
                        return 0;
                }
        if (find_object(fs, name, &object)) {
                node->kind = NODE_LINK;
                snprintf(node->target, sizeof(node->target), "%s/%.32s", kind_directory[object.kind], name);
                return 0;
        }
        return resolve_entry(fs, name, node);
}

static int resolve_object(const struct simfs *fs, const char *name, struct simfs_node *node) {
        enum simfs_object_kind parent = node->object.kind;
        struct simfs_object object;

        if (!find_object(fs, name, &object) || object.kind != parent + (OBJECT_WORKER - OBJECT_WORKERS))
                return resolve_entry(fs, name, node);
        node->object = object;
        return 0;
}

int simfs_resolve(const struct simfs *fs, const char *path, struct simfs_node *ret) {
        struct simfs_node node = {.kind = NODE_DIRECTORY, .object.kind = OBJECT_ROOT};
        char copy[256], *rest = copy, *name;

        if (strlen(path) >= sizeof(copy))
                return -ENOENT;
        snprintf(copy, sizeof(copy), "%s", path);
        while ((name = strsep(&rest, "/"))) {
                int r = 0;
                if (!*name)
                        continue;
                if (node.kind == NODE_POWER) {
                        size_t i = 0;
                        while (power_files[i] && strcmp(power_files[i], name) != 0)
                                i++;
                        /* all of them read as an empty file: nobody has a use for them, they are in the way as on a real host */
                        node.attribute = power_files[i] ? simfs_attribute(fs, node.object.kind, "uevent") : NULL;
                        node.kind = NODE_ATTRIBUTE;
                        r = node.attribute ? 0 : -ENOENT;
                } else if (node.kind != NODE_DIRECTORY)
                        r = -ENOENT;
                else if (node.object.kind == OBJECT_ROOT)
                        r = resolve_root_entry(fs, name, &node);
                else if (node.object.kind < OBJECT_WORKER)
                        r = resolve_object(fs, name, &node);
                else
                        r = resolve_entry(fs, name, &node);
                if (r < 0)
                        return r;
        }
        *ret = node;
        return 0;
}

static size_t n_queues(const struct simfs *fs) {
        size_t n = 0;

        for (size_t i = 0; i < model_n_devices(fs->model); i++)
                n += model_device_at(fs->model, i)->n_queues;
        return n;
}

unsigned simfs_n_subdirectories(const struct simfs *fs, const struct simfs_node *node) {
        if (node->kind == NODE_POWER)
                return 0;
        switch (node->object.kind) {
        case OBJECT_ROOT:
                return 3;
        case OBJECT_WORKERS:
                return 1 + (unsigned) model_n_workers(fs->model);
        case OBJECT_DEVICES:
                return 1 + (unsigned) model_n_devices(fs->model);
        case OBJECT_QUEUES:
                return 1 + (unsigned) n_queues(fs);
        default:
                return 1;
        }
}

struct listing {
        bool (*add)(void *userdata, const char *name);
        void *userdata;
        bool full;
};

static void add_name(struct listing *listing, const char *name) {
        if (!listing->full)
                listing->full = !listing->add(listing->userdata, name);
}

static void add_workers(const struct simfs *fs, struct listing *listing) {
        char name[32];

        for (size_t i = 0; i < model_n_workers(fs->model); i++) {
                snprintf(name, sizeof(name), "w.%u", model_worker_at(fs->model, i)->number);
                add_name(listing, name);
        }
}

static void add_devices(const struct simfs *fs, struct listing *listing) {
        char name[32];

        for (size_t i = 0; i < model_n_devices(fs->model); i++) {
                snprintf(name, sizeof(name), "d.%u", model_device_at(fs->model, i)->number);
                add_name(listing, name);
        }
}

static void add_queues(const struct simfs *fs, struct listing *listing) {
        char name[48];

        for (size_t i = 0; i < model_n_devices(fs->model); i++) {
                const struct model_device *device = model_device_at(fs->model, i);
                for (size_t j = 0; j < device->n_queues; j++) {
                        snprintf(name, sizeof(name), "vq.%u.%zu", device->number, j);
                        add_name(listing, name);
                }
        }
}

void simfs_list(const struct simfs *fs, const struct simfs_node *node, bool (*add)(void *userdata, const char *name), void *userdata) {
        struct listing listing = {.add = add, .userdata = userdata};
        const struct simfs_attribute *attribute;
        size_t position = 0;

        add_name(&listing, ".");
        add_name(&listing, "..");
        if (node->kind == NODE_POWER) {
                for (size_t i = 0; power_files[i]; i++)
                        add_name(&listing, power_files[i]);
                return;
        }
        while ((attribute = simfs_attribute_at(fs, node->object.kind, &position)))
                add_name(&listing, simfs_attribute_name(attribute));
        if (node->object.kind == OBJECT_ROOT) {
                for (enum simfs_object_kind kind = OBJECT_WORKERS; kind <= OBJECT_QUEUES; kind++)
                        add_name(&listing, kind_directory[kind]);
        } else {
                add_name(&listing, "power");
                add_name(&listing, "subsystem");
        }
        if (node->object.kind == OBJECT_ROOT || node->object.kind == OBJECT_WORKERS)
                add_workers(fs, &listing);
        if (node->object.kind == OBJECT_ROOT || node->object.kind == OBJECT_DEVICES)
                add_devices(fs, &listing);
        if (node->object.kind == OBJECT_ROOT || node->object.kind == OBJECT_QUEUES)
                add_queues(fs, &listing);
}

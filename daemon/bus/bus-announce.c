/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* InterfacesAdded and InterfacesRemoved: what is there now against what was told last. Runs only after something came or went. */
#include <errno.h>
#include <string.h>

#include "bus-internal.h"
#include "daemon/cleanup.h"
#include "daemon/log.h"

struct announced_object {
        enum bus_class class;
        char *id;
};

struct announced {
        struct announced_object *objects; /* sorted */
        size_t n, allocated;
};

/* Cores are those of the host, for ever; of queues nobody is told. */
static const enum bus_class announced_classes[] = {BUS_WORKER, BUS_UNIT, BUS_DEVICE, BUS_DOMAIN, BUS_POLICY};

int bus_announce_new(struct announced **ret) {
        *ret = calloc(1, sizeof(**ret));
        return *ret ? 0 : -ENOMEM;
}

struct announced *bus_announce_free(struct announced *announced) {
        if (!announced)
                return NULL;
        for (size_t i = 0; i < announced->n; i++)
                free(announced->objects[i].id);
        free(announced->objects);
        free(announced);
        return NULL;
}

static void announced_freep(struct announced **announced) {
        bus_announce_free(*announced);
}

static int object_compare(const void *a, const void *b) {
        const struct announced_object *x = a, *y = b;

        return x->class != y->class ? (x->class < y->class ? -1 : 1) : strcmp(x->id, y->id);
}

struct collection {
        struct announced *announced;
        enum bus_class class;
};

static int collect(void *userdata, const char *id) {
        struct collection *collection = userdata;
        struct announced *announced = collection->announced;
        char *copy;

        if (announced->n == announced->allocated) {
                size_t wanted = announced->allocated ? announced->allocated * 2 : 64;
                struct announced_object *objects = reallocarray(announced->objects, wanted, sizeof(*objects));

                if (!objects)
                        return -ENOMEM;
                announced->objects = objects;
                announced->allocated = wanted;
        }
        copy = strdup(id);
        if (!copy)
                return -ENOMEM;
        announced->objects[announced->n++] = (struct announced_object){.class = collection->class, .id = copy};
        return 0;
}

static void tell(struct bus *bus, const struct announced_object *object, bool added) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = bus_object_path(object->class, object->id, &path);
        if (r >= 0) {
                bus->emitting = true;
                r = added ? sd_bus_emit_object_added(bus->connection, path)
                          : sd_bus_emit_interfaces_removed(bus->connection, path, bus_class_interface(object->class), NULL);
                bus->emitting = false;
        }
        if (r < 0)
                log_debug("bus: cannot tell that %s %s: %s", object->id, added ? "came" : "went", strerror(-r));
}

int bus_announce(struct bus *bus, bool silent) {
        _cleanup_(announced_freep) struct announced *now = NULL;
        struct announced *before = bus->announced;
        size_t i = 0, j = 0;
        int r;

        r = bus_announce_new(&now);
        for (size_t k = 0; r >= 0 && k < ELEMENTSOF(announced_classes); k++)
                r = bus_class_visit(bus, announced_classes[k], collect, &(struct collection){now, announced_classes[k]});
        if (r < 0)
                return r;
        qsort(now->objects, now->n, sizeof(*now->objects), object_compare);

        while (!silent && bus->connection && (i < before->n || j < now->n)) {
                int order = i == before->n ? 1 : j == now->n ? -1 : object_compare(before->objects + i, now->objects + j);

                if (order < 0)
                        tell(bus, before->objects + i, false);
                else if (order > 0)
                        tell(bus, now->objects + j, true);
                i += order <= 0;
                j += order >= 0;
        }
        bus->announced = TAKE_PTR(now);
        bus_announce_free(before);
        return 0;
}

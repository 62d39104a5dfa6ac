/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plugin for tests: three vhost threads of two guests, of which one cannot be told apart, with names that are not what they should be. A file named
 * in the option "tell" is read at each scan: its lines "KIND OBJECT TEXT" are told.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "iocore-plugin.h"

static struct host_state {
        const struct iocore_services *services;
        struct iocore_context *context;
        struct iocore_worker *workers[3];
} the_host;

static int probe(const struct iocore_services *services, struct iocore_context *context, char *ret_reason, size_t size) {
        (void) services, (void) context, (void) ret_reason, (void) size;
        return 1;
}

static struct iocore_device *add_device(const char *id, const char *kind, const char *backend, pid_t owner) {
        struct iocore_device *device = the_host.services->device_add(the_host.context, id);

        if (device) {
                snprintf(device->kind, sizeof(device->kind), "%s", kind);
                snprintf(device->backend, sizeof(device->backend), "%s", backend);
                device->owner = owner;
        }
        return device;
}

/* Of a tap, which counts for all of its queue pairs together. */
static int add_queue(struct iocore_device *device) {
        struct iocore_queue *queue = the_host.services->queue_add(the_host.context, "net.tap-red.rx");

        if (!queue)
                return -1;
        queue->device = device;
        queue->fields = IOCORE_QUEUE_BYTES | IOCORE_QUEUE_PACKETS | IOCORE_QUEUE_DROPS;
        queue->bytes = 7000;
        queue->packets = 7;
        queue->drops = 2;
        return 0;
}

static int add(size_t index, pid_t pid, struct iocore_device *device, int pair, const char *unidentified, const char *domain) {
        char id[IOCORE_ID_MAX];
        struct iocore_worker *worker;
        struct iocore_unit *unit;

        snprintf(id, sizeof(id), "t.%d", pid);
        worker = the_host.services->worker_add(the_host.context, id);
        unit = worker ? the_host.services->unit_add(the_host.context, id) : NULL;
        if (!unit)
                return -1;
        worker->pid = pid;
        unit->worker = worker;
        unit->device = device;
        unit->queue_pair = pair;
        unit->owner = device ? device->owner : 5000009;
        snprintf(unit->unidentified, sizeof(unit->unidentified), "%s", unidentified);
        snprintf(unit->domain, sizeof(unit->domain), "%s", domain);
        unit->manual = index == 1;
        unit->blocked = index == 2;
        the_host.workers[index] = worker;
        return 0;
}

static int open_host(const struct iocore_services *services, struct iocore_context *context, void **ret_state, char *ret_reason, size_t size) {
        struct iocore_device *device;

        (void) ret_reason, (void) size;
        the_host.services = services;
        the_host.context = context;
        device = add_device("net.tap-red", "net", "tap-red", 5000001);
        if (!device || add_queue(device) < 0 || add(0, 101, device, 0, "", "red") < 0 || add(1, 102, device, 1, "", "red") < 0 ||
            add(2, 103, NULL, -1, "the fds of process 5000009 cannot be read", "blue\xff\x1b[31m-whose-name-is-too-long-for-a-line") < 0)
                return -12;
        *ret_state = &the_host;
        return 0;
}

static void close_host(void *state) {
        (void) state;
}

static int scan(void *state, bool thorough) {
        const char *path = the_host.services->option(the_host.context, "tell");
        char line[512], kind[64], object[64];
        FILE *file = path ? fopen(path, "re") : NULL;
        int n;

        (void) state, (void) thorough;
        while (file && fgets(line, sizeof(line), file)) {
                line[strcspn(line, "\n")] = '\0';
                if (sscanf(line, "%63s %63s %n", kind, object, &n) == 2)
                        the_host.services->tell(the_host.context, kind, object, line + n);
        }
        if (file)
                fclose(file);
        return 0;
}

static int sample_workers(void *state) {
        (void) state;
        for (size_t i = 0; i < 3; i++) {
                the_host.workers[i]->clock += 100000000;
                the_host.workers[i]->busy += 25000000;
                the_host.workers[i]->switches += 100;
        }
        return 0;
}

static const char *unavailable(void *state, const char *kind) {
        (void) state;
        return strcmp(kind, "queue.poll") == 0 ? "this host cannot poll" : NULL;
}

static void describe(void *state, void (*say)(void *userdata, const char *key, const char *value), void *userdata) {
        (void) state;
        say(userdata, "discovery", "one look at the start");
        say(userdata, "reservation", "none\xfe");
}

__attribute__((visibility("default"))) const struct iocore_plugin iocore_plugin = {
        .abi = IOCORE_PLUGIN_ABI,
        .size = sizeof(struct iocore_plugin),
        .name = "stock-host",
        .doc = "three vhost threads that do not exist",
        .provides = "vhost",
        .probe = probe,
        .open = open_host,
        .close = close_host,
        .scan = scan,
        .sample_workers = sample_workers,
        .unavailable = unavailable,
        .describe = describe,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "toy-plugin.h"

static int format(unsigned char mask, char *ret, size_t size) {
        size_t n = 0;
        for (int cpu = 0; cpu < TOY_CPUS && n < size; cpu++)
                if (mask & 1u << cpu)
                        n += (size_t) snprintf(ret + n, size - n, "%s%d", n > 0 ? "," : "", cpu);
        return n < size ? 0 : -ENOSPC;
}

static int parse(const char *value) {
        unsigned mask = 0;
        for (const char *p = value; *p; p += *p == ',')
                mask |= 1u << strtoul(p, (char **) &p, 10);
        return mask > 0 && mask <= 0xff ? (int) mask : -EINVAL;
}

static int find_thread(const struct toy *toy, const char *object) {
        int i = atoi(object + 2);
        return i < TOY_THREADS && toy->threads[i].exists ? i : -ESRCH;
}

static int place_get(void *state, const char *object, char *ret, size_t size) {
        const struct toy *toy = state;
        int i = find_thread(toy, object);
        return i < 0 ? i : format(toy->threads[i].mask, ret, size);
}

static void show(struct toy_thread *thread) {
        unsigned mask = thread->mask;
        thread->worker->cpu = (mask & (mask - 1)) == 0 ? __builtin_ctz(mask) : IOCORE_CPU_ANY;
}

static int place_set(void *state, const char *object, const char *value, char *ret, size_t size) {
        struct toy *toy = state;
        int i = find_thread(toy, object), mask = parse(value);
        if (i < 0 || mask < 0)
                return i < 0 ? i : mask;
        if (!(mask & toy->online))
                return -EINVAL;
        toy->n_writes++;
        toy->threads[i].mask = toy->threads[i].set = (unsigned char) mask;
        show(&toy->threads[i]);
        return format((unsigned char) mask, ret, size);
}

static int cpus_get(void *state, const char *object, char *ret, size_t size) {
        const struct toy *toy = state;
        return format(toy->guests[atoi(object + 2)], ret, size);
}

static int cpus_set(void *state, const char *object, const char *value, char *ret, size_t size) {
        struct toy *toy = state;
        int mask = parse(value);
        if (mask < 0 || toy->guests_error < 0)
                return mask < 0 ? mask : toy->guests_error;
        toy->n_writes++;
        toy->guests[atoi(object + 2)] = (unsigned char) mask;
        if (toy->late)
                return -ETIMEDOUT;
        return format((unsigned char) mask, ret, size);
}

static void look_at_thread(struct toy *toy, unsigned i) {
        struct toy_thread *thread = &toy->threads[i];
        char id[16];
        snprintf(id, sizeof id, "t.%u", i);
        if (thread->exists && !thread->unit) {
                thread->worker = toy->services->worker_add(toy->context, id);
                thread->unit = toy->services->unit_add(toy->context, id);
                thread->unit->worker = thread->worker;
                thread->unit->node = thread->node;
        } else if (!thread->exists && thread->unit) {
                toy->services->unit_remove(toy->context, thread->unit);
                toy->services->worker_remove(toy->context, thread->worker);
                thread->unit = NULL;
        }
        if (!thread->exists)
                return;
        show(thread);
        if (thread->set && thread->set != thread->mask)
                toy->services->knob_changed(toy->context, "unit.place", id);
}

static int scan(void *state, bool thorough) {
        struct toy *toy = state;
        (void) thorough;
        toy->n_scans++;
        for (unsigned i = 0; i < TOY_THREADS; i++)
                look_at_thread(toy, i);
        if (toy->told)
                toy->services->tell(toy->context, "not-isolated", "toy", toy->told);
        return 0;
}

static int announced(void *state) {
        struct toy *toy = state;
        int n = 0;
        toy->n_announced++;
        if (toy->changed) {
                toy->services->knob_changed(toy->context, "toy.cpus", toy->changed);
                toy->changed = NULL;
                n = 1;
        }
        for (unsigned i = 0; toy->announces && i < TOY_THREADS; i++)
                if (toy->threads[i].exists != (toy->threads[i].unit != NULL)) {
                        look_at_thread(toy, i);
                        n++;
                }
        return toy->announced_error < 0 ? toy->announced_error : n;
}

static int sample_workers(void *state) {
        struct toy *toy = state;
        for (unsigned i = 0; i < TOY_THREADS; i++)
                if (toy->threads[i].worker && toy->threads[i].exists) {
                        struct iocore_worker *worker = toy->threads[i].worker;
                        worker->clock = toy->clock;
                        worker->busy = toy->threads[i].run;
                        worker->wait = toy->threads[i].wait;
                }
        return 0;
}

static int place(void *state, const struct iocore_unit *unit, int cpu, char *ret, size_t size) {
        (void) state;
        (void) unit;
        return cpu == IOCORE_CPU_ANY ? format(0xff, ret, size) : format((unsigned char) (1u << cpu), ret, size);
}

static int core_add(void *state, int cpu, char *ret_worker, size_t size) {
        struct toy *toy = state;
        (void) size;
        ret_worker[0] = '\0';
        toy->n_core_changes++;
        toy->cores[cpu] = true;
        return toy->services->core_set(toy->context, cpu, NULL, true);
}

static int core_remove(void *state, int cpu, const char *worker) {
        struct toy *toy = state;
        (void) worker;
        if (!toy->cores[cpu])
                return -ENOENT;
        toy->n_core_changes++;
        toy->cores[cpu] = false;
        return toy->services->core_set(toy->context, cpu, NULL, false);
}

static int reserve(void *state, iocore_want want, void *userdata) {
        struct toy *toy = state;
        unsigned char allowed = toy->online;
        char object[8], value[32];
        toy->n_reserved++;
        for (int cpu = 0; cpu < TOY_CPUS; cpu++)
                if (toy->cores[cpu])
                        allowed = (unsigned char) (allowed & ~(1u << cpu));
        for (int i = 0; i < TOY_GUESTS; i++) {
                if (toy->guests[i] == allowed)
                        continue;
                snprintf(object, sizeof object, "g.%d", i);
                int r = format(allowed, value, sizeof value);
                if (r >= 0)
                        r = want(userdata, "toy.cpus", object, value);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void foreign(void *state, const char *kind, const char *object, enum iocore_foreign what) {
        struct toy *toy = state;
        if (strcmp(kind, "toy.cpus") != 0)
                return;
        toy->n_foreign++;
        toy->foreign = what;
        snprintf(toy->foreign_object, sizeof toy->foreign_object, "%s", object);
}

static const char *unavailable(void *state, const char *kind) {
        const struct toy *toy = state;
        if (strcmp(kind, "rights") == 0 || (toy->rights && strcmp(kind, "unit.place") == 0))
                return toy->rights;
        return strcmp(kind, "queue.poll") == 0 ? "nobody can poll here" : NULL;
}

static int probe(const struct iocore_services *services, struct iocore_context *context, char *ret_reason, size_t size) {
        (void) ret_reason;
        (void) size;
        return services->option(context, "toy") ? 1 : 0;
}

static int open_toy(const struct iocore_services *services, struct iocore_context *context, void **ret_state, char *ret_reason, size_t size) {
        void *pointer = NULL;
        (void) ret_reason;
        (void) size;
        if (sscanf(services->option(context, "toy"), "%p", &pointer) != 1)
                return -EINVAL;
        struct toy *toy = pointer;
        toy->services = services;
        toy->context = context;
        *ret_state = toy;
        return scan(toy, true);
}

static void close_toy(void *state) {
        struct toy *toy = state;
        memset(toy->cores, 0, sizeof toy->cores);
        for (unsigned i = 0; i < TOY_THREADS; i++) {
                toy->threads[i].worker = NULL;
                toy->threads[i].unit = NULL;
                toy->threads[i].set = 0;
        }
}

static const struct iocore_knob knobs[] = {
        { "unit.place", "", place_get, place_set },
        { "toy.cpus", "", cpus_get, cpus_set },
};

static const struct iocore_option options[] = { { "toy", "address of the made-up host" }, { NULL, NULL } };

__attribute__((visibility("default"))) const struct iocore_plugin iocore_plugin = {
        .abi = IOCORE_PLUGIN_ABI, .size = sizeof(struct iocore_plugin), .name = "toy", .doc = "a made-up stock host", .provides = "vhost",
        .probe = probe, .open = open_toy, .close = close_toy, .scan = scan, .sample_workers = sample_workers, .knobs = knobs, .n_knobs = 2,
        .place = place, .core_add = core_add, .core_remove = core_remove, .unavailable = unavailable, .announced = announced, .reserve = reserve,
        .options = options,
        .foreign = foreign,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/act/reservation.h"
#include "mock-host.h"

#define ANYWHERE "0-7"

struct mock_kernel *mock_kernel_new(bool stock) {
        struct mock_kernel *kernel = mmap(NULL, sizeof *kernel, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (kernel == MAP_FAILED)
                abort();
        kernel->stock = stock;
        kernel->n_workers = 2;
        kernel->default_worker = 1;
        kernel->workers[1].exists = kernel->workers[2].exists = true;
        kernel->workers[1].cpu = IOCORE_CPU_ANY;
        kernel->workers[2].cpu = MOCK_FOREIGN_CPU;
        for (unsigned i = 0; i < MOCK_UNITS; i++) {
                kernel->units[i].exists = true;
                kernel->units[i].incarnation = 100 + i;
                strcpy(kernel->units[i].place, i == 5 ? stock ? "6" : "w.2" : stock ? ANYWHERE : "w.1");
                strcpy(kernel->units[i].original, kernel->units[i].place);
                strcpy(kernel->units[i].poll, "0");
        }
        for (unsigned i = 0; i < MOCK_KEEPS; i++) {
                kernel->keeps[i].exists = true;
                strcpy(kernel->keeps[i].cpus, "all");
        }
        for (unsigned i = 0; i < MOCK_CPUS; i++)
                kernel->gates_shut[i] = i >= 3 && i != MOCK_FOREIGN_CPU;
        strcpy(kernel->tune, "8");
        return kernel;
}

void mock_kernel_free(struct mock_kernel *kernel) {
        munmap(kernel, sizeof *kernel);
}

const char *mock_kernel_text(const struct mock_kernel *kernel) {
        static char text[8192];
        char *p = text, *end = text + sizeof text;
        for (unsigned i = 1; i <= kernel->n_workers; i++)
                if (kernel->workers[i].exists)
                        p += snprintf(p, (size_t) (end - p), "w.%u cpu %d locked %d\n", i, kernel->workers[i].cpu, kernel->workers[i].locked);
        for (unsigned i = 0; i < MOCK_UNITS; i++)
                if (kernel->units[i].exists)
                        p += snprintf(p, (size_t) (end - p), "u.%u place %s poll %s\n", i, kernel->units[i].place, kernel->units[i].poll);
        for (unsigned i = 0; i < MOCK_KEEPS; i++)
                if (kernel->keeps[i].exists)
                        p += snprintf(p, (size_t) (end - p), "k.%u %s\n", i, kernel->keeps[i].cpus);
        for (unsigned i = 0; i < MOCK_CPUS; i++)
                p += snprintf(p, (size_t) (end - p), "g.%u %s\n", i, kernel->gates_shut[i] ? "shut" : "open");
        snprintf(p, (size_t) (end - p), "tune %s\n", kernel->tune);
        return text;
}

/* Is this write the one that fails? Then its error; *half: it is done all the same. */
static int write_fails(struct mock_kernel *kernel, bool *half) {
        kernel->n_writes++;
        *half = kernel->fail_half;
        if (kernel->fail_at == kernel->n_writes)
                return kernel->error;
        kernel->seed = kernel->seed * 6364136223846793005u + 1442695040888963407u;
        *half = !kernel->fail_whole && (kernel->seed >> 60) % 2;
        return (kernel->seed >> 33) % 100 < kernel->fail_percent ? -EIO : 0;
}

static int parse_index(const char *object, const char *prefix, unsigned n) {
        size_t length = strlen(prefix);
        if (strncmp(object, prefix, length) != 0)
                return -ENOENT;
        char *end;
        unsigned long index = strtoul(object + length, &end, 10);
        return *end || index >= n ? -ENOENT : (int) index;
}

static int copy(char *ret, size_t size, const char *value) {
        return snprintf(ret, size, "%s", value) >= (int) size ? -ENOSPC : 0;
}

/* --- knobs --- */

static int find_unit(const struct mock *mock, const char *object, const char *prefix) {
        int i = parse_index(object, prefix, MOCK_UNITS);
        return i >= 0 && !mock->kernel->units[i].exists ? -ENOENT : i;
}

static int find_worker(const struct mock *mock, const char *object) {
        int i = parse_index(object, "w.", mock->kernel->n_workers + 1);
        return i >= 0 && !mock->kernel->workers[i].exists ? -ENOENT : i;
}

static int get_place(void *state, const char *object, char *ret, size_t size) {
        const struct mock *mock = state;
        int i = find_unit(mock, object, "u.");
        return i < 0 ? i : copy(ret, size, mock->kernel->units[i].place);
}

static void show_place(struct mock *mock, unsigned i) {
        char id[16];
        snprintf(id, sizeof id, "u.%u", i);
        struct unit *unit = host_unit(mock->host, id);
        const char *place = mock->kernel->units[i].place;
        if (!unit)
                return;
        if (mock->kernel->stock) {
                unit->core = strchr(place, '-') ? IOCORE_CPU_ANY : atoi(place);
                return;
        }
        struct worker *worker = host_worker(mock->host, place);
        unit->pub.worker = worker ? &worker->pub : NULL;
        unit->core = worker ? worker->pub.cpu : IOCORE_CPU_ANY;
}

/* The CPU that a place stands for; -1: none in particular. */
static int cpu_of_place(const struct mock *mock, const char *place) {
        if (mock->kernel->stock)
                return strchr(place, '-') ? -1 : atoi(place);
        int worker = find_worker(mock, place);
        return worker < 0 ? -1 : mock->kernel->workers[worker].cpu;
}

static int set_place(void *state, const char *object, const char *value, char *ret, size_t size) {
        struct mock *mock = state;
        int i = find_unit(mock, object, "u.");
        if (i < 0)
                return i;
        int worker = mock->kernel->stock ? 0 : find_worker(mock, value);
        if (strlen(value) >= sizeof mock->kernel->units[i].place || worker < 0 || mock->kernel->workers[worker].locked)
                return -EINVAL;
        int cpu = cpu_of_place(mock, value);
        if (mock->kernel->gated && cpu >= 0 && cpu < MOCK_CPUS && mock->kernel->gates_shut[cpu])
                return -EINVAL;
        bool half;
        int r = write_fails(mock->kernel, &half);
        if (r < 0 && !half)
                return r;
        strcpy(mock->kernel->units[i].place, value);
        show_place(mock, (unsigned) i);
        return r < 0 ? r : copy(ret, size, value);
}

static int get_poll(void *state, const char *object, char *ret, size_t size) {
        const struct mock *mock = state;
        int i = find_unit(mock, object, "q.");
        return i < 0 ? i : copy(ret, size, mock->kernel->units[i].poll);
}

static int set_poll(void *state, const char *object, const char *value, char *ret, size_t size) {
        struct mock *mock = state;
        int i = find_unit(mock, object, "q.");
        if (i < 0)
                return i;
        if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
                return -EINVAL;
        bool half;
        int r = write_fails(mock->kernel, &half);
        if (r < 0 && !half)
                return r;
        if (!mock->kernel->ignore_poll)
                strcpy(mock->kernel->units[i].poll, value);
        return r < 0 ? r : copy(ret, size, mock->kernel->units[i].poll);
}

/* As vhost-sysfs does: a core is a CPU with an unlocked worker, and a closed one is none any more. */
static void show_core(struct mock *mock, unsigned i) {
        char id[16];
        snprintf(id, sizeof id, "w.%u", i);
        struct worker *worker = host_worker(mock->host, id);
        if (!worker || mock->kernel->workers[i].cpu < 0)
                return;
        worker->pub.locked = mock->kernel->workers[i].locked;
        bool was = host_cpu(mock->host, mock->kernel->workers[i].cpu)->io_core, is = !worker->pub.locked;
        if (was != is)
                host_core_set(mock->host, &mock->instance, mock->kernel->workers[i].cpu, is ? worker : NULL, is);
}

static int get_locked(void *state, const char *object, char *ret, size_t size) {
        const struct mock *mock = state;
        int i = find_worker(mock, object);
        return i < 0 ? i : copy(ret, size, mock->kernel->workers[i].locked ? "1" : "0");
}

static int set_locked(void *state, const char *object, const char *value, char *ret, size_t size) {
        struct mock *mock = state;
        int i = find_worker(mock, object);
        if (i < 0)
                return i;
        bool half;
        int r = write_fails(mock->kernel, &half);
        if (r < 0 && !half)
                return r;
        mock->kernel->workers[i].locked = value[0] == '1';
        show_core(mock, (unsigned) i);
        return r < 0 ? r : copy(ret, size, value);
}

static int get_tune(void *state, const char *object, char *ret, size_t size) {
        const struct mock *mock = state;
        return strcmp(object, "x") == 0 ? copy(ret, size, mock->kernel->tune) : -ENOENT;
}

static int set_tune(void *state, const char *object, const char *value, char *ret, size_t size) {
        struct mock *mock = state;
        char *end;
        long number = strtol(value, &end, 0);
        if (strcmp(object, "x") != 0)
                return -ENOENT;
        if (*end)
                return -EINVAL;
        bool half;
        int r = write_fails(mock->kernel, &half);
        if (r < 0 && !half)
                return r;
        snprintf(mock->kernel->tune, sizeof mock->kernel->tune, "%ld", number);
        return r < 0 ? r : copy(ret, size, mock->kernel->tune);
}

static void reset_places(struct mock *mock) {
        for (unsigned unit = 0; mock->kernel->resets && unit < MOCK_UNITS; unit++) {
                strcpy(mock->kernel->units[unit].place, ANYWHERE);
                show_place(mock, unit);
        }
}

static int get_gate(void *state, const char *object, char *ret, size_t size) {
        const struct mock *mock = state;
        int i = parse_index(object, "g.", MOCK_CPUS);
        return i < 0 ? i : copy(ret, size, mock->kernel->gates_shut[i] ? "shut" : "open");
}

static int set_gate(void *state, const char *object, const char *value, char *ret, size_t size) {
        struct mock *mock = state;
        int i = parse_index(object, "g.", MOCK_CPUS);
        if (i < 0)
                return i;
        bool shut = strcmp(value, "shut") == 0;
        for (unsigned unit = 0; shut && unit < MOCK_UNITS; unit++)
                if (mock->kernel->units[unit].exists && cpu_of_place(mock, mock->kernel->units[unit].place) == i)
                        return -EBUSY;
        bool half;
        int r = write_fails(mock->kernel, &half);
        if (r < 0 && !half)
                return r;
        mock->kernel->gates_shut[i] = shut;
        if (!shut)
                reset_places(mock);
        return r < 0 ? r : copy(ret, size, value);
}

static int get_keep(void *state, const char *object, char *ret, size_t size) {
        const struct mock *mock = state;
        int i = parse_index(object, "k.", MOCK_KEEPS);
        return i < 0 || !mock->kernel->keeps[i].exists ? -ESRCH : copy(ret, size, mock->kernel->keeps[i].cpus);
}

static int set_keep(void *state, const char *object, const char *value, char *ret, size_t size) {
        struct mock *mock = state;
        int i = parse_index(object, "k.", MOCK_KEEPS);
        if (i < 0 || !mock->kernel->keeps[i].exists)
                return -ESRCH;
        bool half;
        int r = write_fails(mock->kernel, &half);
        if (r < 0 && !half)
                return r;
        snprintf(mock->kernel->keeps[i].cpus, sizeof mock->kernel->keeps[i].cpus, "%s", value);
        return r < 0 ? r : copy(ret, size, value);
}

static int get_partition(void *state, const char *object, char *ret, size_t size) {
        const struct mock *mock = state;
        return strcmp(object, "p") == 0 ? copy(ret, size, mock->kernel->partition) : -ENOENT;
}

static int set_partition(void *state, const char *object, const char *value, char *ret, size_t size) {
        struct mock *mock = state;
        if (strcmp(object, "p") != 0)
                return -ENOENT;
        snprintf(mock->kernel->partition, sizeof mock->kernel->partition, "%s", value);
        memcpy(mock->kernel->place_then, mock->kernel->units[0].place, sizeof mock->kernel->place_then);
        return copy(ret, size, value);
}

static int reserve(void *state, iocore_want want, void *userdata) {
        const struct mock *mock = state;
        char cpus[24] = "not", object[8];
        for (unsigned i = 0; i < MOCK_CPUS; i++)
                if (host_cpu(mock->host, (int) i)->io_core && host_cpu(mock->host, (int) i)->io_core_ours)
                        sprintf(cpus + strlen(cpus), " %u", i);
        for (unsigned i = 0; i < MOCK_KEEPS; i++) {
                sprintf(object, "k.%u", i);
                int r = want(userdata, "mock.keep", object, strcmp(cpus, "not") == 0 ? "all" : cpus);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int prepare(void *state, const struct iocore_unit *unit, int cpu, iocore_want want, void *userdata) {
        struct mock *mock = state;
        char object[8];
        (void) unit;
        if (cpu == IOCORE_CPU_ANY) {
                mock->kernel->n_asked_home++;
                return mock->kernel->partition[0] ? want(userdata, "partition.cpus", "p", "") : 0;
        }
        sprintf(object, "g.%d", cpu);
        return mock->kernel->gated ? want(userdata, "mock.gate", object, "open") : 0;
}

/* --- structure --- */

static int place(void *state, const struct iocore_unit *unit, int cpu, char *ret, size_t size) {
        (void) unit;
        const struct mock *mock = state;
        char value[32];
        if (mock->kernel->stock) {
                snprintf(value, sizeof value, "%d", cpu);
                return copy(ret, size, cpu == IOCORE_CPU_ANY ? ANYWHERE : value);
        }
        if (cpu == IOCORE_CPU_ANY) {
                snprintf(value, sizeof value, "w.%u", mock->kernel->default_worker);
                return copy(ret, size, value);
        }
        for (unsigned i = 1; i <= mock->kernel->n_workers; i++)
                if (mock->kernel->workers[i].exists && !mock->kernel->workers[i].locked && mock->kernel->workers[i].cpu == cpu) {
                        snprintf(value, sizeof value, "w.%u", i);
                        return copy(ret, size, value);
                }
        return -ENOENT;
}

static int core_add(void *state, int cpu, char *ret, size_t size) {
        struct mock *mock = state;
        bool half;
        int r = write_fails(mock->kernel, &half);
        if (r < 0 && !half)
                return r;
        if (mock->kernel->stock) {
                ret[0] = '\0';
                if (r >= 0)
                        host_core_set(mock->host, &mock->instance, cpu, NULL, true);
                return r;
        }
        unsigned i = ++mock->kernel->n_workers;
        if (i >= MOCK_WORKERS)
                abort();
        mock->kernel->workers[i].exists = true;
        mock->kernel->workers[i].cpu = cpu;
        if (r < 0)
                return r; /* made, but the daemon was not told */
        snprintf(ret, size, "w.%u", i);
        return mock_scan(mock, false);
}

static bool is_used(const struct mock *mock, int cpu, const char *worker) {
        char value[16];
        snprintf(value, sizeof value, "%d", cpu);
        for (unsigned i = 0; i < MOCK_UNITS; i++)
                if (mock->kernel->units[i].exists && strcmp(mock->kernel->units[i].place, mock->kernel->stock ? value : worker) == 0)
                        return true;
        return false;
}

static int core_remove(void *state, int cpu, const char *worker) {
        struct mock *mock = state;
        int i = mock->kernel->stock ? 0 : find_worker(mock, worker);
        if (i < 0)
                return i;
        if (is_used(mock, cpu, worker))
                return -EBUSY;
        bool half;
        int r = write_fails(mock->kernel, &half);
        if (r < 0 && !half)
                return r;
        if (!mock->kernel->stock)
                mock->kernel->workers[i].exists = false;
        host_core_set(mock->host, &mock->instance, cpu, NULL, false);
        mock_scan(mock, false);
        return r;
}

int mock_scan(void *state, bool thorough) {
        (void) thorough;
        struct mock *mock = state;
        struct mock_kernel *kernel = mock->kernel;
        char id[16];
        for (unsigned i = 1; i <= kernel->n_workers && !kernel->stock; i++) {
                snprintf(id, sizeof id, "w.%u", i);
                struct worker *worker = host_worker(mock->host, id);
                if (kernel->workers[i].exists && !worker) {
                        worker = host_worker_add(mock->host, &mock->instance, id);
                        worker->pub.cpu = kernel->workers[i].cpu;
                        worker->pub.shared = true;
                }
                if (worker && !kernel->workers[i].exists)
                        host_worker_remove(mock->host, worker);
                else if (worker) {
                        worker->pub.is_default = i == kernel->default_worker;
                        show_core(mock, i);
                }
        }
        for (unsigned i = 0; i < MOCK_UNITS; i++) {
                snprintf(id, sizeof id, "u.%u", i);
                struct unit *unit = host_unit(mock->host, id);
                if (unit && (!kernel->units[i].exists || unit->pub.incarnation != kernel->units[i].incarnation)) {
                        host_unit_remove(mock->host, unit);
                        snprintf(id, sizeof id, "q.%u", i);
                        host_queue_remove(mock->host, host_queue(mock->host, id));
                        unit = NULL;
                }
                if (kernel->units[i].exists && !unit) {
                        snprintf(id, sizeof id, "u.%u", i);
                        unit = host_unit_add(mock->host, &mock->instance, id);
                        unit->pub.incarnation = kernel->units[i].incarnation;
                        snprintf(id, sizeof id, "q.%u", i);
                        host_queue_add(mock->host, &mock->instance, id)->pub.unit = &unit->pub;
                }
                show_place(mock, i);
        }
        return 0;
}

/* --- a daemon --- */

static const struct iocore_knob knobs[] = {
        { "queue.poll", "", get_poll, set_poll },
        { "unit.place", "", get_place, set_place },
        { "mock.tune", "", get_tune, set_tune },
        { "mock.gate", "", get_gate, set_gate },
        { "mock.keep", "", get_keep, set_keep },
        { "partition.cpus", "", get_partition, set_partition },
        { "worker.locked", "", get_locked, set_locked }, /* the last: stock kernels do not have it */
};

static const struct iocore_plugin elvis = {
        .abi = IOCORE_PLUGIN_ABI, .size = sizeof elvis, .name = "mock", .provides = "vhost", .scan = mock_scan, .knobs = knobs, .n_knobs = 7,
        .place = place, .core_add = core_add, .core_remove = core_remove, .reserve = reserve, .prepare = prepare,
};
static const struct iocore_plugin stock = {
        .abi = IOCORE_PLUGIN_ABI, .size = sizeof stock, .name = "mock", .provides = "vhost", .scan = mock_scan, .knobs = knobs, .n_knobs = 6,
        .place = place, .core_add = core_add, .core_remove = core_remove, .reserve = reserve, .prepare = prepare,
};

static void on_foreign(void *userdata, const char *object, const char *knob, const char *set_value, const char *live_value) {
        struct mock *mock = userdata;
        if (object && knob && set_value && live_value)
                mock->n_foreign++;
}

static void on_refused(void *userdata, const char *kind, const char *object, const char *value, int error, bool unannounced) {
        struct mock *mock = userdata;
        (void) unannounced;
        if (kind && object && value && error < 0)
                mock->n_refused++;
}

struct mock *mock_new(struct mock_kernel *kernel, const char *journal) {
        struct mock *mock = calloc(1, sizeof *mock);
        struct topology *topology = NULL;
        mock->kernel = kernel;
        if (topology_new(&topology, "/", "pack:1 numa:1 core:8 pu:1", NULL, NULL) < 0 || host_new(&mock->host, topology) < 0)
                abort();
        mock->instance = (struct plugin_instance) { .plugin = kernel->stock ? &stock : &elvis, .state = mock };
        mock->instances[0] = &mock->instance;
        mock->actor = (struct actor) { .host = mock->host, .plugins = mock->instances, .on_foreign = on_foreign, .on_refused = on_refused, .userdata = mock };
        if (reservation_new(&mock->actor.reservation) < 0 || journal_open(&mock->actor.journal, journal, NULL, NULL) < 0)
                abort();
        mock_scan(mock, true);
        return mock;
}

struct mock *mock_free(struct mock *mock) {
        if (!mock)
                return NULL;
        journal_close(mock->actor.journal);
        reservation_free(mock->actor.reservation);
        host_free(mock->host);
        free(mock);
        return NULL;
}

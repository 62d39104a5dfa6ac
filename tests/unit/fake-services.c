/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/root-path.h"
#include "fake-services.h"

static void die(const char *what) {
        perror(what);
        abort();
}

/* The five kinds of objects only differ in their type: each begins with its id. */
static void *object_find(void *const *objects, size_t n, const char *id) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(objects[i], id) == 0)
                        return objects[i];
        return NULL;
}

static void *object_add(void **objects, size_t *n, size_t size, const char *id, size_t id_size) {
        void *object = object_find(objects, *n, id);
        if (object)
                return object;
        if (*n == FAKE_OBJECTS_MAX || strlen(id) >= id_size) {
                errno = EINVAL;
                return NULL;
        }
        object = calloc(1, size);
        if (!object)
                return NULL;
        memcpy(object, id, strlen(id) + 1);
        return objects[(*n)++] = object;
}

static void object_remove(void **objects, size_t *n, void *object) {
        for (size_t i = 0; i < *n; i++)
                if (objects[i] == object) {
                        free(object);
                        objects[i] = objects[--*n];
                        return;
                }
        fprintf(stderr, "an object was removed that the model does not have\n");
        abort();
}

#define KIND(kind)                                                                                                                      \
        static struct iocore_##kind *kind##_add(struct iocore_context *context, const char *id) {                                       \
                return object_add((void **) context->kind##s, &context->n_##kind##s, sizeof(struct iocore_##kind), id, IOCORE_ID_MAX);                 \
        }                                                                                                                               \
        struct iocore_##kind *fake_##kind(struct iocore_context *context, const char *id) {                                             \
                return object_find((void **) context->kind##s, context->n_##kind##s, id);                                               \
        }                                                                                                                               \
        static void kind##_remove(struct iocore_context *context, struct iocore_##kind *object) {                                       \
                object_remove((void **) context->kind##s, &context->n_##kind##s, object);                                               \
        }
KIND(worker)
KIND(device)
KIND(unit)
KIND(queue)

/* As the daemon's: which pair a unit is, is not known until it is said. */
static struct iocore_unit *unit_add_without_pair(struct iocore_context *context, const char *id) {
        size_t n = context->n_units;
        struct iocore_unit *unit = unit_add(context, id);

        if (unit && context->n_units > n)
                unit->queue_pair = -1;
        return unit;
}

static int fake_open_path(struct iocore_context *context, const char *path, int flags) {
        return root_open(context->root, path, flags);
}

static const char *fake_option(struct iocore_context *context, const char *key) {
        return context->option && strcmp(key, context->option) == 0 ? context->option_value : NULL;
}

__attribute__((format(printf, 3, 4))) static void fake_log(struct iocore_context *context, int priority, const char *format, ...) {
        va_list arguments;
        if (priority > LOG_WARNING)
                return;
        va_start(arguments, format);
        vsnprintf(context->last_warning, sizeof context->last_warning, format, arguments);
        va_end(arguments);
        context->n_warnings++;
}

static int fake_core_set(struct iocore_context *context, int cpu, struct iocore_worker *worker, bool io_core) {
        if (cpu < 0 || cpu >= context->n_cpus)
                return -EINVAL;
        context->cores[cpu].io_core = io_core;
        context->cores[cpu].worker = worker;
        return 0;
}

static int fake_cpu_sample(struct iocore_context *context, int cpu, uint64_t busy, uint64_t total) {
        if (cpu < 0 || cpu >= context->n_cpus)
                return -EINVAL;
        context->cpus[cpu].busy = busy;
        context->cpus[cpu].total = total;
        context->cpus[cpu].n++;
        return 0;
}

static int fake_cpu_count(struct iocore_context *context) {
        return context->n_cpus;
}

static int fake_cpu_node(struct iocore_context *context, int cpu) {
        return cpu >= 0 && cpu < context->n_cpus ? cpu / context->cpus_per_node : IOCORE_NODE_UNKNOWN;
}

static bool fake_cpu_online(struct iocore_context *context, int cpu) {
        return cpu >= 0 && cpu < context->n_cpus;
}

static bool fake_cpu_isolated(struct iocore_context *context, int cpu) {
        return cpu >= 0 && cpu < context->n_cpus && context->isolated[cpu];
}

static void fake_tell(struct iocore_context *context, const char *kind, const char *object, const char *text) {
        context->n_told++;
        snprintf(context->last_told, sizeof context->last_told, "%s %s: %s", kind, object, text);
}

static void fake_knob_changed(struct iocore_context *context, const char *kind, const char *object) {
        context->n_knobs_changed++;
        snprintf(context->last_knob_changed, sizeof context->last_knob_changed, "%s %s", kind, object);
}

static int fake_cpu_pinned(struct iocore_context *context, int cpu, unsigned n_threads) {
        if (cpu < 0 || cpu >= context->n_cpus)
                return -EINVAL;
        context->n_pinned[cpu] = n_threads;
        return 0;
}

static bool fake_cpu_is_io_core(struct iocore_context *context, int cpu) {
        return cpu >= 0 && cpu < context->n_cpus && context->cores[cpu].io_core;
}

static uint64_t fake_scan_interval(struct iocore_context *context) {
        return context->scan_usec ?: 1000000;
}

static bool fake_in_haste(struct iocore_context *context) {
        return context->in_haste;
}

/* --- domains */

static struct iocore_domain *domain_add(struct iocore_context *context, const char *name) {
        size_t n = context->n_domains;
        struct fake_domain *domain = object_add((void **) context->domains, &context->n_domains, sizeof *domain, name, IOCORE_NAME_MAX);

        if (domain && context->n_domains > n)
                domain->pub.node = IOCORE_NODE_UNKNOWN;
        return domain ? &domain->pub : NULL;
}

struct fake_domain *fake_domain(struct iocore_context *context, const char *name) {
        return object_find((void **) context->domains, context->n_domains, name);
}

static struct fake_domain *own(struct iocore_context *context, struct iocore_domain *domain) {
        for (size_t i = 0; i < context->n_domains; i++)
                if (&context->domains[i]->pub == domain)
                        return context->domains[i];
        fprintf(stderr, "something was said of a domain that the model does not have\n");
        abort();
}

static void forget_vcpus(struct fake_domain *domain) {
        while (domain->n_vcpus > 0)
                free((char *) domain->vcpus[--domain->n_vcpus].cpus);
}

static void forget_iothreads(struct fake_domain *domain) {
        while (domain->n_iothreads > 0)
                free((char *) domain->iothreads[--domain->n_iothreads].cpus);
}

static void domain_forget(struct fake_domain *domain) {
        forget_vcpus(domain);
        forget_iothreads(domain);
        free(domain->devices);
        domain->devices = NULL;
}

static void domain_remove(struct iocore_context *context, struct iocore_domain *pub) {
        struct fake_domain *domain = own(context, pub);

        domain_forget(domain);
        object_remove((void **) context->domains, &context->n_domains, domain);
}

static char *copy_text(const char *text) {
        char *copy = strdup(text ? text : "");
        if (!copy)
                die("strdup");
        return copy;
}

static int fake_domain_set_vcpus(struct iocore_context *context, struct iocore_domain *pub, const struct iocore_vcpu *vcpus, size_t n) {
        struct fake_domain *domain = own(context, pub);

        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < i; k++)
                        if (vcpus[i].id == vcpus[k].id)
                                return -EINVAL;
        if (n > FAKE_PARTS_MAX)
                return -ENOMEM;
        forget_vcpus(domain);
        for (; domain->n_vcpus < n; domain->n_vcpus++) {
                domain->vcpus[domain->n_vcpus] = vcpus[domain->n_vcpus];
                domain->vcpus[domain->n_vcpus].cpus = copy_text(vcpus[domain->n_vcpus].cpus);
        }
        domain->n_vcpus_set++;
        return 0;
}

static int fake_domain_set_iothreads(struct iocore_context *context, struct iocore_domain *pub, const struct iocore_iothread *iothreads, size_t n) {
        struct fake_domain *domain = own(context, pub);

        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < i; k++)
                        if (iothreads[i].id == iothreads[k].id)
                                return -EINVAL;
        if (n > FAKE_PARTS_MAX)
                return -ENOMEM;
        forget_iothreads(domain);
        for (; domain->n_iothreads < n; domain->n_iothreads++) {
                domain->iothreads[domain->n_iothreads] = iothreads[domain->n_iothreads];
                domain->iothreads[domain->n_iothreads].cpus = copy_text(iothreads[domain->n_iothreads].cpus);
        }
        domain->n_iothreads_set++;
        return 0;
}

static int fake_domain_set_cells(struct iocore_context *context, struct iocore_domain *pub, const struct iocore_cell *cells, size_t n) {
        struct fake_domain *domain = own(context, pub);

        if (n > FAKE_PARTS_MAX)
                return -ENOMEM;
        if (n > 0)
                memcpy(domain->cells, cells, n * sizeof *cells);
        domain->n_cells = n;
        domain->n_cells_set++;
        return 0;
}

static int fake_domain_set_devices(struct iocore_context *context, struct iocore_domain *pub, const struct iocore_domain_device *devices, size_t n) {
        struct fake_domain *domain = own(context, pub);
        struct iocore_domain_device *copy = calloc(n ? n : 1, sizeof *copy);

        if (!copy)
                die("calloc");
        if (n > 0)
                memcpy(copy, devices, n * sizeof *copy);
        free(domain->devices);
        domain->devices = copy;
        domain->n_devices = n;
        domain->n_devices_set++;
        return 0;
}

static int fake_domain_set_emulator(struct iocore_context *context, struct iocore_domain *pub, const char *cpus, bool by_hand, const char *knob) {
        struct fake_domain *domain = own(context, pub);

        snprintf(domain->emulator_cpus, sizeof domain->emulator_cpus, "%s", cpus);
        snprintf(domain->emulator_knob, sizeof domain->emulator_knob, "%s", knob);
        domain->emulator_by_hand = by_hand;
        domain->n_emulator_set++;
        return 0;
}

static void fake_domain_event(struct iocore_context *context, struct iocore_domain *pub, const char *event, const char *detail) {
        struct fake_domain *domain = own(context, pub);

        if (context->n_events < FAKE_EVENTS_MAX)
                snprintf(context->events[context->n_events], sizeof context->events[0], "%s %s %s", domain->pub.id, event, detail);
        context->n_events++;
}

static bool fake_thread_is_of_domain(struct iocore_context *context, pid_t tid) {
        for (size_t i = 0; tid > 0 && i < context->n_domains; i++) {
                const struct fake_domain *domain = context->domains[i];
                for (size_t v = 0; v < domain->n_vcpus; v++)
                        if (domain->vcpus[v].tid == tid && domain->vcpus[v].knob[0])
                                return true;
                for (size_t t = 0; t < domain->n_iothreads; t++)
                        if (domain->iothreads[t].tid == tid && domain->iothreads[t].knob[0])
                                return true;
        }
        return false;
}

static int fake_node_memory(struct iocore_context *context, int node, uint64_t total_kib, uint64_t free_kib) {
        if (node < 0 || node >= FAKE_NODES_MAX || node * context->cpus_per_node >= context->n_cpus)
                return -EINVAL;
        context->nodes[node].total_kib = total_kib;
        context->nodes[node].free_kib = free_kib;
        return 0;
}

static int fake_domain_memory(struct iocore_context *context, struct iocore_domain *pub, unsigned cell, const uint64_t *kib_of_node, size_t n_nodes) {
        struct fake_domain *domain = own(context, pub);

        if (cell >= domain->n_cells)
                return -EINVAL;
        for (size_t i = 0; i < FAKE_NODES_MAX; i++)
                domain->kib_of_node[cell][i] = i < n_nodes ? kib_of_node[i] : 0;
        return 0;
}

static int fake_domain_memory_rest(struct iocore_context *context, struct iocore_domain *pub, const uint64_t *kib_of_node, size_t n_nodes) {
        struct fake_domain *domain = own(context, pub);

        for (size_t i = 0; i < FAKE_NODES_MAX; i++)
                domain->rest_kib_of_node[i] = i < n_nodes ? kib_of_node[i] : 0;
        context->n_memory_told++;
        return 0;
}

static void fake_domain_visit(struct iocore_context *context, void (*visit)(void *userdata, struct iocore_domain *domain, size_t n_cells), void *userdata) {
        for (size_t i = 0; i < context->n_domains; i++)
                if (context->domains[i]->pub.pid > 0)
                        visit(userdata, &context->domains[i]->pub, context->domains[i]->n_cells);
}

static void fake_job_update(struct iocore_context *context, const struct iocore_job *job) {
        context->job = *job;
        context->n_job_updates++;
        context->n_told_before_job = context->n_memory_told;
}

/* Tells all of them each time. */
static uint64_t fake_each_iothread(struct iocore_context *context, uint64_t since,
                                   void (*each)(void *userdata, const struct iocore_domain *domain, const struct iocore_iothread *iothread), void *userdata) {
        for (size_t i = 0; i < context->n_domains; i++)
                for (size_t t = 0; t < context->domains[i]->n_iothreads; t++)
                        each(userdata, &context->domains[i]->pub, &context->domains[i]->iothreads[t]);
        return since + 1;
}

const struct iocore_services fake_services = {
        .size = sizeof(struct iocore_services),
        .open_path = fake_open_path,
        .option = fake_option,
        .log = fake_log,
        .worker_add = worker_add,
        .device_add = device_add,
        .unit_add = unit_add_without_pair,
        .queue_add = queue_add,
        .domain_add = domain_add,
        .worker_remove = worker_remove,
        .device_remove = device_remove,
        .unit_remove = unit_remove,
        .queue_remove = queue_remove,
        .domain_remove = domain_remove,
        .core_set = fake_core_set,
        .cpu_sample = fake_cpu_sample,
        .cpu_count = fake_cpu_count,
        .cpu_node = fake_cpu_node,
        .cpu_online = fake_cpu_online,
        .cpu_isolated = fake_cpu_isolated,
        .tell = fake_tell,
        .knob_changed = fake_knob_changed,
        .cpu_pinned = fake_cpu_pinned,
        .cpu_is_io_core = fake_cpu_is_io_core,
        .in_haste = fake_in_haste,
        .scan_interval = fake_scan_interval,
        .domain_set_vcpus = fake_domain_set_vcpus,
        .domain_set_iothreads = fake_domain_set_iothreads,
        .domain_set_cells = fake_domain_set_cells,
        .domain_set_devices = fake_domain_set_devices,
        .domain_set_emulator = fake_domain_set_emulator,
        .domain_event = fake_domain_event,
        .thread_is_of_domain = fake_thread_is_of_domain,
        .node_memory = fake_node_memory,
        .domain_memory = fake_domain_memory,
        .domain_memory_rest = fake_domain_memory_rest,
        .domain_visit = fake_domain_visit,
        .job_update = fake_job_update,
        .each_iothread = fake_each_iothread,
};

struct iocore_context *fake_context_new(void) {
        const char *directory = getenv("TMPDIR");
        struct iocore_context *context = calloc(1, sizeof *context);
        if (!context)
                die("calloc");
        snprintf(context->root, sizeof context->root, "%s/iocore-test-XXXXXX", directory ? directory : "/tmp");
        if (!mkdtemp(context->root))
                die("mkdtemp");
        context->n_cpus = 8;
        context->cpus_per_node = 4;
        return context;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw) {
        (void) status, (void) type, (void) ftw;
        return remove(path);
}

void fake_context_free(struct iocore_context *context) {
        fixture_remove(context, "");
        while (context->n_domains) {
                domain_forget(context->domains[--context->n_domains]);
                free(context->domains[context->n_domains]);
        }
        while (context->n_queues)
                free(context->queues[--context->n_queues]);
        while (context->n_units)
                free(context->units[--context->n_units]);
        while (context->n_devices)
                free(context->devices[--context->n_devices]);
        while (context->n_workers)
                free(context->workers[--context->n_workers]);
        free(context);
}

static void fixture_path(struct iocore_context *context, const char *path, char ret[static PATH_MAX]) {
        if (snprintf(ret, PATH_MAX, "%s/%s", context->root, path) >= PATH_MAX)
                abort();
}

void fixture_directory(struct iocore_context *context, const char *path) {
        char joined[PATH_MAX];

        fixture_path(context, path, joined);
        for (char *slash = joined + strlen(context->root) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                if (mkdir(joined, 0700) < 0 && errno != EEXIST)
                        die(joined);
                *slash = '/';
        }
        if (mkdir(joined, 0700) < 0 && errno != EEXIST)
                die(joined);
}

void fixture_write(struct iocore_context *context, const char *path, const char *text) {
        char joined[PATH_MAX];
        const char *slash = strrchr(path, '/');

        if (slash) {
                char directory[PATH_MAX];
                snprintf(directory, sizeof directory, "%.*s", (int) (slash - path), path);
                fixture_directory(context, directory);
        }
        fixture_path(context, path, joined);
        int fd = open(joined, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t) strlen(text))
                die(joined);
        close(fd);
}

void fixture_remove(struct iocore_context *context, const char *path) {
        char joined[PATH_MAX];

        fixture_path(context, path, joined);
        if (nftw(joined, remove_entry, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
                die(joined);
}

const char *fixture_read(struct iocore_context *context, const char *path) {
        static char text[8192];
        char joined[PATH_MAX];

        fixture_path(context, path, joined);
        int fd = open(joined, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (n < 0)
                die(joined);
        close(fd);
        while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
                n--;
        text[n] = '\0';
        return text;
}

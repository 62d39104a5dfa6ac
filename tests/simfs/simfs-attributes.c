/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each attribute of the control interface: its name, who has it in which generation, how it reads and what a write does. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "daemon/cleanup.h"
#include "plugins/sim/ids.h"
#include "simfs.h"

#define G1 1u
#define G2 2u
#define BOTH (G1 | G2)

struct simfs_attribute {
        const char *name;
        enum simfs_object_kind object;
        unsigned generations;
        unsigned writable;  /* generations in which it can be written */
        bool write_only;
        bool in_status;     /* is a line of the status file */
        size_t counter;     /* offset of a u64 in the model's object, when there is no show() */
        int (*show)(struct simfs *fs, const struct simfs_object *object, FILE *stream);
        int (*store)(struct simfs *fs, const struct simfs_object *object, const char *value);
};

static const struct model_worker *worker_of(const struct simfs *fs, const struct simfs_object *object) {
        return model_worker(fs->model, object->number);
}

static const struct model_device *device_of(const struct simfs *fs, const struct simfs_object *object) {
        return model_device(fs->model, object->number);
}

static const struct model_queue *queue_of(const struct simfs *fs, const struct simfs_object *object) {
        return model_queue(fs->model, object->number, object->index);
}

/* --- root */

static int show_epoch(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        (void) object;
        fprintf(stream, "%llu\n", (unsigned long long) model_epoch(fs->model));
        return 0;
}

static int store_epoch(struct simfs *fs, const struct simfs_object *object, const char *value) {
        long long number = 0;

        (void) object;
        return number_parse(value, &number) ? model_set_epoch(fs->model, number) : -EINVAL;
}

static int show_cycles(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        (void) object;
        fprintf(stream, "%llu\n", (unsigned long long) model_cycles(fs->model));
        return 0;
}

static int show_nothing(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        (void) fs;
        (void) object;
        (void) stream;
        return 0;
}

static int store_nothing(struct simfs *fs, const struct simfs_object *object, const char *value) {
        (void) fs;
        (void) object;
        (void) value;
        return 0;
}

/* --- worker/ */

static int show_create(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        unsigned created[MODEL_CREATED_MAX];
        size_t n = model_take_created(fs->model, created);

        (void) object;
        for (size_t i = 0; i < n; i++)
                fprintf(stream, "%sw.%u", i ? "\t" : "", created[i]);
        if (n > 0)
                fputc('\n', stream);
        return 0;
}

static int store_create(struct simfs *fs, const struct simfs_object *object, const char *value) {
        long long cpu = 0;
        unsigned number = 0;

        (void) object;
        if (!number_parse(value, &cpu) || cpu < INT_MIN || cpu > INT_MAX)
                return -EINVAL;
        return model_worker_create(fs->model, (int) cpu, &number);
}

static int store_remove(struct simfs *fs, const struct simfs_object *object, const char *value) {
        unsigned number = 0;

        (void) object;
        return id_parse(value, "w", &number) ? model_worker_remove(fs->model, number) : -EINVAL;
}

static int show_default(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        (void) object;
        fprintf(stream, "w.%u\n", model_default_worker(fs->model)->number);
        return 0;
}

static int store_default(struct simfs *fs, const struct simfs_object *object, const char *value) {
        unsigned number = 0;

        (void) object;
        return id_parse(value, "w", &number) ? model_set_default_worker(fs->model, number) : -EINVAL;
}

/* --- worker/w.N */

static bool parse_bool(const char *value, bool *ret) {
        if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
                return false;
        *ret = *value == '1';
        return true;
}

static int show_locked(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        fprintf(stream, "%d\n", worker_of(fs, object)->locked);
        return 0;
}

static int store_locked(struct simfs *fs, const struct simfs_object *object, const char *value) {
        bool locked = false;

        return parse_bool(value, &locked) ? model_worker_set_locked(fs->model, object->number, locked) : -EINVAL;
}

static int show_worker_cpu(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        fprintf(stream, "%d\n", worker_of(fs, object)->cpu);
        return 0;
}

static int show_worker_pid(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        fprintf(stream, "%d\n", worker_of(fs, object)->pid);
        return 0;
}

static int show_device_list(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        const struct model_worker *worker = worker_of(fs, object);

        for (size_t i = 0; i < worker->n_devices; i++)
                fprintf(stream, "%sd.%u", i ? "\t" : "", worker->devices[i]->number);
        if (worker->n_devices > 0)
                fputc('\n', stream);
        return 0;
}

static int show_work_list_max_stuck(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        fprintf(stream, "%lld\n", (long long) worker_of(fs, object)->max_stuck_cycles);
        return 0;
}

static int store_work_list_max_stuck(struct simfs *fs, const struct simfs_object *object, const char *value) {
        long long number = 0;

        return number_parse(value, &number) ? model_worker_set_limit(fs->model, object->number, MODEL_WORK_LIST_MAX_STUCK_CYCLES, number) : -EINVAL;
}

static int show_max_disabled(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        fprintf(stream, "%lld\n", (long long) worker_of(fs, object)->max_disabled_soft_interrupts_cycles);
        return 0;
}

static int store_max_disabled(struct simfs *fs, const struct simfs_object *object, const char *value) {
        long long number = 0;

        return number_parse(value, &number) ? model_worker_set_limit(fs->model, object->number, MODEL_MAX_DISABLED_SOFT_INTERRUPTS_CYCLES, number) : -EINVAL;
}

/* --- dev/d.N */

static int show_device_worker(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        fprintf(stream, "w.%u\n", device_of(fs, object)->worker->number);
        return 0;
}

/* The write returns when the move is done: it takes the scenario's time, and meanwhile others see the interface as usual. */
static int store_device_worker(struct simfs *fs, const struct simfs_object *object, const char *value) {
        unsigned worker = 0;
        int r;

        if (!id_parse(value, "w", &worker))
                return -EINVAL;
        r = model_move_begin(fs->model, object->number, worker);
        if (r != 0)
                return r < 0 ? r : 0;
        double nsec = fs->stopped ? 0 : (double) fs->scenario->move_usec * 1000 / fs->speed;
        if (nsec >= 1) {
                const struct timespec pause = {.tv_sec = (time_t) (nsec / 1e9), .tv_nsec = (long) nsec % 1000000000L};
                pthread_mutex_unlock(&fs->mutex);
                nanosleep(&pause, NULL);
                pthread_mutex_lock(&fs->mutex);
                simfs_catch_up(fs);
        }
        return model_move_end(fs->model, object->number, worker);
}

static int show_owner(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        fprintf(stream, "%d\n", device_of(fs, object)->vm->scenario->pid);
        return 0;
}

static int show_queue_list(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        const struct model_device *device = device_of(fs, object);

        for (size_t i = 0; i < device->n_queues; i++)
                fprintf(stream, "%svq.%u.%zu", i ? "\t" : "", device->number, i);
        fputc('\n', stream); /* a device has at least one queue */
        return 0;
}

/* --- vq/vq.D.I */

static int show_queue_device(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        (void) fs;
        fprintf(stream, "d.%u\n", object->number);
        return 0;
}

static int show_poll(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        fprintf(stream, "%d\n", queue_of(fs, object)->poll);
        return 0;
}

static int store_poll(struct simfs *fs, const struct simfs_object *object, const char *value) {
        bool poll = false;

        return parse_bool(value, &poll) ? model_queue_set_poll(fs->model, object->number, object->index, poll) : -EINVAL;
}

static int show_can_poll(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        fprintf(stream, "%d\n", queue_of(fs, object)->can_poll);
        return 0;
}

/* Generation 1 tells the bytes of the last service, generation 2 those of all. */
static int show_handled_bytes(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        const struct model_queue *queue = queue_of(fs, object);

        fprintf(stream, "%llu\n", (unsigned long long) (fs->generation == 1 ? queue->counters.last_handled_bytes : queue->counters.handled_bytes));
        return 0;
}

#define QUEUE_LIMIT(name, member, limit)                                                                                        \
        static int show_##name(struct simfs *fs, const struct simfs_object *object, FILE *stream) {                             \
                fprintf(stream, "%lld\n", (long long) queue_of(fs, object)->member);                                            \
                return 0;                                                                                                       \
        }                                                                                                                       \
        static int store_##name(struct simfs *fs, const struct simfs_object *object, const char *value) {                       \
                long long number = 0;                                                                                           \
                return number_parse(value, &number) ? model_queue_set_limit(fs->model, object->number, object->index, limit, number) : -EINVAL; \
        }
QUEUE_LIMIT(min_processed_data_limit, min_processed_data_limit, MODEL_MIN_PROCESSED_DATA)
QUEUE_LIMIT(max_processed_data_limit, max_processed_data_limit, MODEL_MAX_PROCESSED_DATA)
QUEUE_LIMIT(max_stuck_pending_items, max_stuck_pending_items, MODEL_MAX_STUCK_PENDING_ITEMS)
QUEUE_LIMIT(max_stuck_cycles, max_stuck_cycles, MODEL_MAX_STUCK_CYCLES)
QUEUE_LIMIT(min_poll_rate, min_poll_rate, MODEL_MIN_POLL_RATE)

static int show_status(struct simfs *fs, const struct simfs_object *object, FILE *stream);

#define READ(kind, generations_, name_) {.name = #name_, .object = (kind), .generations = (generations_), .in_status = true, .show = show_##name_}
#define WORKER_COUNTER(generations_, name_) \
        {.name = #name_, .object = OBJECT_WORKER, .generations = (generations_), .in_status = true, .counter = offsetof(struct model_worker, counters.name_)}
#define DEVICE_COUNTER(name_, member) {.name = (name_), .object = OBJECT_DEVICE, .generations = G2, .in_status = true, .counter = offsetof(struct model_device, counters.member)}
#define QUEUE_COUNTER_AS(generations_, name_, member) \
        {.name = (name_), .object = OBJECT_QUEUE, .generations = (generations_), .in_status = true, .counter = offsetof(struct model_queue, counters.member)}
#define QUEUE_COUNTER(generations_, name_) QUEUE_COUNTER_AS(generations_, #name_, name_)
#define QUEUE_SETTING(name_) \
        {.name = #name_, .object = OBJECT_QUEUE, .generations = BOTH, .writable = BOTH, .in_status = true, .show = show_##name_, .store = store_##name_}
#define COMMON(kind) \
        {.name = "status", .object = (kind), .generations = G2, .show = show_status}, \
        {.name = "uevent", .object = (kind), .generations = BOTH, .writable = BOTH, .show = show_nothing, .store = store_nothing}

static const struct simfs_attribute attributes[] = {
        {.name = "epoch", .object = OBJECT_ROOT, .generations = BOTH, .writable = BOTH, .in_status = true, .show = show_epoch, .store = store_epoch},
        READ(OBJECT_ROOT, BOTH, cycles),
        {.name = "status", .object = OBJECT_ROOT, .generations = G2, .show = show_status},

        {.name = "create", .object = OBJECT_WORKERS, .generations = BOTH, .writable = BOTH, .show = show_create, .store = store_create},
        {.name = "remove", .object = OBJECT_WORKERS, .generations = BOTH, .writable = BOTH, .write_only = true, .store = store_remove},
        {.name = "default", .object = OBJECT_WORKERS, .generations = BOTH, .writable = BOTH, .in_status = true, .show = show_default, .store = store_default},
        COMMON(OBJECT_WORKERS),
        COMMON(OBJECT_DEVICES),
        COMMON(OBJECT_QUEUES),

        {.name = "locked", .object = OBJECT_WORKER, .generations = BOTH, .writable = BOTH, .in_status = true, .show = show_locked, .store = store_locked},
        {.name = "cpu", .object = OBJECT_WORKER, .generations = BOTH, .in_status = true, .show = show_worker_cpu},
        {.name = "pid", .object = OBJECT_WORKER, .generations = BOTH, .in_status = true, .show = show_worker_pid},
        {.name = "dev_list", .object = OBJECT_WORKER, .generations = BOTH, .in_status = true, .show = show_device_list},
        {.name = "work_list_max_stuck_cycles", .object = OBJECT_WORKER, .generations = BOTH, .writable = G2, .in_status = true, .show = show_work_list_max_stuck,
         .store = store_work_list_max_stuck},
        {.name = "max_disabled_soft_interrupts_cycles", .object = OBJECT_WORKER, .generations = BOTH, .writable = G2, .in_status = true, .show = show_max_disabled,
         .store = store_max_disabled},
        WORKER_COUNTER(BOTH, loops),
        WORKER_COUNTER(BOTH, enabled_interrupts),
        WORKER_COUNTER(BOTH, cycles),
        WORKER_COUNTER(BOTH, mm_switches),
        WORKER_COUNTER(BOTH, wait),
        WORKER_COUNTER(BOTH, empty_works),
        WORKER_COUNTER(BOTH, empty_polls),
        WORKER_COUNTER(BOTH, stuck_works),
        WORKER_COUNTER(BOTH, pending_works),
        WORKER_COUNTER(BOTH, noqueue_works),
        WORKER_COUNTER(G2, total_work_cycles),
        WORKER_COUNTER(G2, ksoftirq_occurrences),
        WORKER_COUNTER(G2, ksoftirq_time),
        WORKER_COUNTER(G2, ksoftirqs),
        COMMON(OBJECT_WORKER),

        {.name = "worker", .object = OBJECT_DEVICE, .generations = BOTH, .writable = BOTH, .in_status = true, .show = show_device_worker, .store = store_device_worker},
        {.name = "owner", .object = OBJECT_DEVICE, .generations = BOTH, .in_status = true, .show = show_owner},
        {.name = "vq_list", .object = OBJECT_DEVICE, .generations = BOTH, .in_status = true, .show = show_queue_list},
        DEVICE_COUNTER("device_move_total", move_total),
        DEVICE_COUNTER("device_move_count", move_count),
        DEVICE_COUNTER("device_attach", attach),
        DEVICE_COUNTER("device_detach", detach),
        COMMON(OBJECT_DEVICE),

        {.name = "dev", .object = OBJECT_QUEUE, .generations = BOTH, .in_status = true, .show = show_queue_device},
        {.name = "poll", .object = OBJECT_QUEUE, .generations = BOTH, .writable = BOTH, .in_status = true, .show = show_poll, .store = store_poll},
        READ(OBJECT_QUEUE, G2, can_poll),
        QUEUE_COUNTER(G2, poll_kicks),
        QUEUE_COUNTER(BOTH, poll_cycles),
        QUEUE_COUNTER(BOTH, poll_bytes),
        QUEUE_COUNTER(BOTH, poll_wait),
        QUEUE_COUNTER(BOTH, poll_empty),
        QUEUE_COUNTER(BOTH, poll_empty_cycles),
        QUEUE_COUNTER(BOTH, poll_coalesced),
        QUEUE_COUNTER(BOTH, poll_limited),
        QUEUE_COUNTER(BOTH, poll_pending_cycles),
        QUEUE_COUNTER_AS(G1, "poll_aggregated_wait_cycles", poll_pending_cycles),
        QUEUE_COUNTER(BOTH, notif_works),
        QUEUE_COUNTER(BOTH, notif_cycles),
        QUEUE_COUNTER(BOTH, notif_bytes),
        QUEUE_COUNTER(BOTH, notif_wait),
        QUEUE_COUNTER(BOTH, notif_limited),
        QUEUE_COUNTER(BOTH, ring_full),
        QUEUE_COUNTER(BOTH, stuck_times),
        QUEUE_COUNTER(BOTH, stuck_cycles),
        READ(OBJECT_QUEUE, BOTH, handled_bytes),
        QUEUE_COUNTER(G2, handled_packets),
        QUEUE_COUNTER(BOTH, last_poll_cycles),
        QUEUE_SETTING(min_processed_data_limit),
        QUEUE_SETTING(max_processed_data_limit),
        QUEUE_SETTING(max_stuck_pending_items),
        QUEUE_SETTING(max_stuck_cycles),
        QUEUE_SETTING(min_poll_rate),
        COMMON(OBJECT_QUEUE),
};

static int show_counter(const struct simfs *fs, const struct simfs_object *object, const struct simfs_attribute *attribute, FILE *stream) {
        const char *base = object->kind == OBJECT_WORKER   ? (const char *) worker_of(fs, object)
                           : object->kind == OBJECT_DEVICE ? (const char *) device_of(fs, object)
                                                           : (const char *) queue_of(fs, object);
        uint64_t value;

        memcpy(&value, base + attribute->counter, sizeof(value));
        fprintf(stream, "%llu\n", (unsigned long long) value);
        return 0;
}

int simfs_show(struct simfs *fs, const struct simfs_object *object, const struct simfs_attribute *attribute, FILE *stream) {
        return attribute->show ? attribute->show(fs, object, stream) : show_counter(fs, object, attribute, stream);
}

/* "name:value" of each attribute; one whose file is empty has a line with nothing behind the colon. */
static int show_status(struct simfs *fs, const struct simfs_object *object, FILE *stream) {
        size_t position = 0;
        const struct simfs_attribute *attribute;

        while ((attribute = simfs_attribute_at(fs, object->kind, &position))) {
                if (!attribute->in_status)
                        continue;
                fprintf(stream, "%s:", attribute->name);
                long before = ftell(stream);
                int r = simfs_show(fs, object, attribute, stream);
                if (r < 0)
                        return r;
                if (ftell(stream) == before)
                        fputc('\n', stream);
        }
        return 0;
}

int simfs_store(struct simfs *fs, const struct simfs_object *object, const struct simfs_attribute *attribute, const char *value) {
        return attribute->store(fs, object, value);
}

const struct simfs_attribute *simfs_attribute_at(const struct simfs *fs, enum simfs_object_kind kind, size_t *position) {
        while (*position < ELEMENTSOF(attributes)) {
                const struct simfs_attribute *attribute = attributes + (*position)++;
                if (attribute->object == kind && attribute->generations & fs->generation)
                        return attribute;
        }
        return NULL;
}

const struct simfs_attribute *simfs_attribute(const struct simfs *fs, enum simfs_object_kind kind, const char *name) {
        size_t position = 0;
        const struct simfs_attribute *attribute;

        while ((attribute = simfs_attribute_at(fs, kind, &position)))
                if (strcmp(attribute->name, name) == 0)
                        return attribute;
        return NULL;
}

const char *simfs_attribute_name(const struct simfs_attribute *attribute) {
        return attribute->name;
}

mode_t simfs_attribute_mode(const struct simfs *fs, const struct simfs_attribute *attribute) {
        if (attribute->write_only)
                return 0200;
        return attribute->writable & fs->generation ? 0644 : 0444;
}

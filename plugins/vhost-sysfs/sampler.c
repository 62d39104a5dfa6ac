/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counters. Nothing is opened, allocated or formatted here: one pread of a status file per object, or one per attribute where there is no status.
 *
 * The clock of all samples is the class's `cycles`, read before the workers, and once more behind them to see that it was not long ago. What is read a little later counts for that moment too: the
 * delay is nearly the same in each epoch, so it cancels out in the difference of two samples.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "vhost-sysfs.h"

/* Reads a single-value file. 0 or -errno. */
static inline int read_counter(struct vhost_sysfs *sysfs, int fd, uint64_t *ret) {
        ssize_t n = attribute_buffer_read(&sysfs->buffer, fd);
        return n < 0 ? (int) n : attribute_parse_unsigned(attribute_text(&sysfs->buffer), (size_t) n, ret);
}

/* An object could not be read. That it is gone is normal: the next scan removes it. */
static void sample_failed(struct vhost_sysfs *sysfs, const char *object, const char *attribute, int error) {
        if (vhost_gone(error))
                sysfs->incomplete = true;
        else if (error == -EFBIG)
                vhost_trouble(sysfs, TROUBLE_HUGE, object, attribute, 0);
        else if (error == -EINVAL || error == -ERANGE)
                vhost_trouble(sysfs, TROUBLE_VALUE, object, attribute, 0);
        else
                vhost_trouble(sysfs, TROUBLE_READ, object, attribute, error);
}

/* --- the clock -------------------------------------------------------------------------------------------------------------------- */

static int read_clock(struct vhost_sysfs *sysfs) {
        int r = read_counter(sysfs, sysfs->cycles_fd, &sysfs->clock);
        if (r < 0)
                sample_failed(sysfs, "cycles", "", r);
        return r;
}

/* --- queues ----------------------------------------------------------------------------------------------------------------------- */

static const struct {
        uint32_t field, attributes;
} queue_fields[] = {
        { IOCORE_QUEUE_BUSY, 1u << QUEUE_POLL_CYCLES | 1u << QUEUE_NOTIF_CYCLES },
        { IOCORE_QUEUE_BYTES, 1u << QUEUE_POLL_BYTES | 1u << QUEUE_NOTIF_BYTES },
        { IOCORE_QUEUE_PACKETS, 1u << QUEUE_HANDLED_PACKETS },
        { IOCORE_QUEUE_WORKS, 1u << QUEUE_NOTIF_WORKS },
        { IOCORE_QUEUE_WAIT, 1u << QUEUE_POLL_PENDING_CYCLES | 1u << QUEUE_NOTIF_WAIT },
        { IOCORE_QUEUE_STUCK, 1u << QUEUE_STUCK_TIMES },
        { IOCORE_QUEUE_RING_FULL, 1u << QUEUE_RING_FULL },
        { IOCORE_QUEUE_POLL_EMPTY, 1u << QUEUE_POLL_EMPTY },
};

/* What both generations have to have: all but handled_packets and can_poll. */
#define QUEUE_EXPECTED ((1u << QUEUE_HANDLED_PACKETS) - 1)

static uint32_t fields_of_attributes(uint32_t attributes) {
        uint32_t fields = 0;
        for (size_t i = 0; i < ELEMENTSOF(queue_fields); i++)
                if ((attributes & queue_fields[i].attributes) == queue_fields[i].attributes)
                        fields |= queue_fields[i].field;
        return fields;
}

static inline void queue_store(struct iocore_queue *model, uint64_t clock, const uint64_t values[static QUEUE_SAMPLED_MAX]) {
        model->poll = values[QUEUE_POLL] != 0;
        model->clock = clock;
        model->busy = values[QUEUE_POLL_CYCLES] + values[QUEUE_NOTIF_CYCLES];
        /* not handled_bytes: on the first generation it holds the last service only */
        model->bytes = values[QUEUE_POLL_BYTES] + values[QUEUE_NOTIF_BYTES];
        model->packets = values[QUEUE_HANDLED_PACKETS];
        model->works = values[QUEUE_NOTIF_WORKS];
        model->wait = values[QUEUE_POLL_PENDING_CYCLES] + values[QUEUE_NOTIF_WAIT];
        model->stuck = values[QUEUE_STUCK_TIMES];
        model->ring_full = values[QUEUE_RING_FULL];
        model->poll_empty = values[QUEUE_POLL_EMPTY];
}

static void attribute_lost(struct vhost_sysfs *sysfs, struct vhost_queue *queue, uint32_t lost) {
        queue->relearn = true;
        vhost_trouble(sysfs, TROUBLE_VALUE, queue->model->id, queue_attribute_names[__builtin_ctz(lost)], 0);
}

static inline void sample_by_status(struct vhost_sysfs *sysfs, struct vhost_queue *queue, uint64_t clock) {
        uint64_t values[QUEUE_SAMPLED_MAX]; /* all are written by status_parse(); setting 96 bytes to 0 costs as much as reading two of them */

        ssize_t n = attribute_buffer_read(&sysfs->buffer, queue->status_fd);
        if (__builtin_expect(n < 0, 0)) {
                sample_failed(sysfs, queue->model->id, "status", (int) n);
                return;
        }
        uint32_t found = status_parse(&sysfs->buffer, (size_t) n, sysfs->queue_names, QUEUE_SAMPLED_MAX, &queue->memory, values);
        if (__builtin_expect(found != queue->memory.known, 0)) {
                attribute_lost(sysfs, queue, queue->memory.known & ~found);
                return;
        }
        queue_store(queue->model, clock, values);
}

/* Where a worker does not say how busy it is, its queues do. What a queue has done since it was read last was done on this worker. Once per clock. */
static int read_busy(struct vhost_sysfs *sysfs, struct vhost_worker *worker, struct vhost_queue *queue, uint64_t clock) {
        uint64_t polled = 0, notified = 0;

        if (queue->busy_clock == clock)
                return 0;
        int r = read_counter(sysfs, queue->attribute_fds[QUEUE_POLL_CYCLES], &polled);
        if (r == 0)
                r = read_counter(sysfs, queue->attribute_fds[QUEUE_NOTIF_CYCLES], &notified);
        if (r < 0) {
                sample_failed(sysfs, queue->model->id, "*_cycles", r);
                return r;
        }
        uint64_t busy = polled + notified;
        if (queue->busy_clock != 0 && busy >= queue->busy)
                worker->busy += busy - queue->busy;
        queue->busy = busy;
        queue->busy_clock = clock;
        return 0;
}

static void sample_by_files(struct vhost_sysfs *sysfs, struct vhost_worker *worker, struct vhost_queue *queue, uint64_t clock) {
        uint64_t values[QUEUE_SAMPLED_MAX] = { 0 };

        if (queue->model->fields & IOCORE_QUEUE_BUSY) {
                if (read_busy(sysfs, worker, queue, clock) < 0)
                        return;
                values[QUEUE_POLL_CYCLES] = queue->busy; /* the sum of both is what is wanted */
        }
        for (int i = 0; i < QUEUE_SAMPLED_MAX; i++) {
                if (i == QUEUE_POLL_CYCLES || i == QUEUE_NOTIF_CYCLES || queue->attribute_fds[i] < 0)
                        continue;
                int r = read_counter(sysfs, queue->attribute_fds[i], &values[i]);
                if (r < 0) {
                        sample_failed(sysfs, queue->model->id, queue_attribute_names[i], r);
                        return;
                }
        }
        queue_store(queue->model, clock, values);
}

/* Cache lines of an object that will be used in a moment. */
static inline void prefetch(const void *object, size_t size) {
        for (size_t i = 0; i < size; i += 64)
                __builtin_prefetch((const char *) object + i);
}

/* With a thousand queues nothing is in the nearest cache any more; each is fetched while the kernel copies the one before it. */
static void sample_queues_of_device(struct vhost_sysfs *sysfs, struct vhost_worker *worker, struct vhost_device *device, uint64_t clock) {
        const struct vhost_device *next = device->next_of_worker;

        if (next)
                prefetch(next, sizeof *next);
        for (size_t i = 0; i < device->n_queues; i++) {
                struct vhost_queue *queue = &device->queues[i];
                if (i + 1 < device->n_queues)
                        prefetch(queue + 1, sizeof *queue);
                else if (next)
                        prefetch(next->queues, sizeof *queue);
                prefetch(queue->model, sizeof *queue->model);
                if (queue->status_fd >= 0)
                        sample_by_status(sysfs, queue, clock);
                else
                        sample_by_files(sysfs, worker, queue, clock);
        }
}

int vhost_sample_queues(void *state, struct iocore_worker *model) {
        struct vhost_sysfs *sysfs = state;
        struct vhost_worker *worker = model->plugin_data;

        /* the epoch's clock serves all its workers; who asks again wants a new one */
        if (worker->queues_clock == sysfs->clock) {
                int r = read_clock(sysfs);
                if (r < 0)
                        return r;
        }
        uint64_t clock = worker->queues_clock = sysfs->clock;

        for (struct vhost_device *device = worker->devices; device; device = device->next_of_worker)
                sample_queues_of_device(sysfs, worker, device, clock);
        return 0;
}

/* --- workers ---------------------------------------------------------------------------------------------------------------------- */

static int sample_worker(struct vhost_sysfs *sysfs, struct vhost_worker *worker, uint64_t *ret_busy) {
        if (worker->source == WORKER_FILE)
                return read_counter(sysfs, worker->busy_fd, ret_busy);
        if (worker->source == WORKER_QUEUES) {
                for (struct vhost_device *device = worker->devices; device; device = device->next_of_worker)
                        for (size_t i = 0; i < device->n_queues; i++) {
                                struct vhost_queue *queue = &device->queues[i];
                                if (queue->status_fd < 0 && queue->model->fields & IOCORE_QUEUE_BUSY)
                                        (void) read_busy(sysfs, worker, queue, sysfs->clock);
                        }
                *ret_busy = worker->busy;
                return 0;
        }
        ssize_t n = attribute_buffer_read(&sysfs->buffer, worker->busy_fd);
        if (n < 0)
                return (int) n;
        uint32_t found = status_parse(&sysfs->buffer, (size_t) n, sysfs->worker_names, _WORKER_ATTRIBUTE_MAX, &worker->memory, ret_busy);
        if (found & 1u << WORKER_TOTAL_WORK_CYCLES)
                return 0;
        /* a status that was seen while it was still empty may have it next time */
        status_memory_forget(&worker->memory);
        return -EINVAL;
}

static int sample_all_workers(struct vhost_sysfs *sysfs) {
        int r = read_clock(sysfs);
        if (r < 0)
                return r;
        for (size_t i = 0; i < sysfs->n_workers; i++) {
                struct vhost_worker *worker = sysfs->workers[i];
                uint64_t busy;
                r = sample_worker(sysfs, worker, &busy);
                if (r < 0) {
                        sample_failed(sysfs, worker->model->id, "status", r);
                        continue;
                }
                worker->model->clock = sysfs->clock;
                worker->model->busy = busy;
                /* The kernel's `wait` mixes sleep for want of work with waiting for the CPU, so it says nothing here. */
        }
        return 0;
}

/* Were the counters read so long after the clock that loads would be wrong by more than a sixteenth? So when the daemon lost its CPU in between. */
static bool clock_is_stale(struct vhost_sysfs *sysfs, uint64_t last) {
        uint64_t now;
        return last != 0 && read_counter(sysfs, sysfs->cycles_fd, &now) == 0 && now > sysfs->clock && (now - sysfs->clock) > (sysfs->clock - last) / 16;
}

int vhost_sample_workers(void *state) {
        struct vhost_sysfs *sysfs = state;
        uint64_t last = sysfs->clock;

        int r = sample_all_workers(sysfs);
        /* once more, not until it succeeds: on a host so busy that it happens again the epoch goes on with what there is */
        return r == 0 && clock_is_stale(sysfs, last) ? sample_all_workers(sysfs) : r;
}

/* --- opening ---------------------------------------------------------------------------------------------------------------------- */

static int open_status(struct vhost_sysfs *sysfs, const char *directory, struct vhost_queue *queue) {
        uint64_t values[_QUEUE_ATTRIBUTE_MAX] = { 0 };
        struct status_memory memory = { 0 };
        char path[96];

        snprintf(path, sizeof path, "%s/status", directory);
        int fd = vhost_attribute_open(sysfs, path);
        if (fd < 0)
                return fd;
        ssize_t n = attribute_buffer_read(&sysfs->buffer, fd);
        if (n < 0) {
                close(fd);
                sample_failed(sysfs, queue->model->id, "status", (int) n);
                return (int) n;
        }
        queue->status_fd = fd;
        queue->relearn = false;
        uint32_t found = status_parse(&sysfs->buffer, (size_t) n, sysfs->queue_names, _QUEUE_ATTRIBUTE_MAX, &memory, values);
        if (QUEUE_EXPECTED & ~found)
                vhost_trouble(sysfs, TROUBLE_MISSING, queue->model->id, queue_attribute_names[__builtin_ctz(QUEUE_EXPECTED & ~found)], 0);
        queue->model->fields = fields_of_attributes(found);
        queue->model->poll = values[QUEUE_POLL] != 0;
        queue->model->can_poll = !(found & 1u << QUEUE_CAN_POLL) || values[QUEUE_CAN_POLL] != 0;
        memory.known &= ~(1u << QUEUE_CAN_POLL);
        queue->memory = memory;
        return 0;
}

static int open_files(struct vhost_sysfs *sysfs, const char *directory, struct vhost_queue *queue) {
        /* the most wanted first, for when files run out */
        static const enum queue_attribute order[QUEUE_SAMPLED_MAX] = {
                QUEUE_POLL_CYCLES, QUEUE_NOTIF_CYCLES, QUEUE_POLL_BYTES, QUEUE_NOTIF_BYTES, QUEUE_POLL, QUEUE_NOTIF_WORKS,
                QUEUE_POLL_PENDING_CYCLES, QUEUE_NOTIF_WAIT, QUEUE_STUCK_TIMES, QUEUE_RING_FULL, QUEUE_POLL_EMPTY, QUEUE_HANDLED_PACKETS,
        };
        uint32_t found = 0;
        uint64_t value;
        char path[96];

        queue->busy_clock = 0;
        queue->relearn = false;
        for (int i = 0; i < QUEUE_SAMPLED_MAX; i++) {
                enum queue_attribute attribute = order[i];
                snprintf(path, sizeof path, "%s/%s", directory, queue_attribute_names[attribute]);
                int fd = vhost_attribute_open(sysfs, path);
                if (fd >= 0 && read_counter(sysfs, fd, &value) == 0) {
                        queue->attribute_fds[attribute] = fd;
                        found |= 1u << attribute;
                        if (attribute == QUEUE_POLL)
                                queue->model->poll = value != 0;
                        continue;
                }
                if (fd >= 0) {
                        close(fd);
                        vhost_trouble(sysfs, TROUBLE_VALUE, path, "", 0);
                } else if (fd != -EMFILE && QUEUE_EXPECTED & 1u << attribute)
                        vhost_trouble(sysfs, TROUBLE_MISSING, path, "", fd);
        }
        queue->model->fields = fields_of_attributes(found);
        snprintf(path, sizeof path, "%s/can_poll", directory);
        char text[32];
        bool can_poll = true;
        ssize_t n = vhost_attribute_get(sysfs, path, text, sizeof text);
        if (n > 0)
                (void) attribute_parse_bool(text, (size_t) n, &can_poll);
        queue->model->can_poll = can_poll;
        return 0;
}

int vhost_queue_open(struct vhost_sysfs *sysfs, uint32_t device, struct vhost_queue *queue) {
        char directory[64];

        queue->status_fd = -1;
        for (int i = 0; i < QUEUE_SAMPLED_MAX; i++)
                queue->attribute_fds[i] = -1;
        snprintf(directory, sizeof directory, "vq/vq.%u.%u", device, queue->index);
        if (faccessat(sysfs->class_fd, directory, F_OK, 0) < 0)
                return -errno;
        int r = open_status(sysfs, directory, queue);
        return r == -ENOENT ? open_files(sysfs, directory, queue) : r;
}

void vhost_queue_close(struct vhost_queue *queue) {
        if (queue->status_fd >= 0) {
                closep(&queue->status_fd);
                queue->status_fd = -1;
                return;
        }
        for (int i = 0; i < QUEUE_SAMPLED_MAX; i++)
                if (queue->attribute_fds[i] >= 0)
                        close(queue->attribute_fds[i]);
}

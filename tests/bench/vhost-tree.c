/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plain-files.h"
#include "vhost-tree.h"

#define TEXT_MAX 4096
#define FIRST_OWNER 100000
/* A queue with that much work is polled, one with less is not: what the shipped policies would come to, so that they have nothing to do. */
#define POLLED_LOAD 0.04
/* Counters of a host that has been up for a while: their number of digits changes rarely. */
#define COUNTER_BASE UINT64_C(310000000000)

/* The first half of the workers is on the first half of the CPUs, which is one node. */
static unsigned worker_cpu(const struct tree *tree, unsigned worker) {
        unsigned half = (tree->n_workers + 1) / 2;
        return worker <= half ? worker - 1 : tree->n_workers + worker - half - 1;
}

static int worker_status(const struct tree *tree, unsigned worker, char *text) {
        uint64_t worked = COUNTER_BASE + (uint64_t) ((double) tree->epoch * TREE_EPOCH_CYCLES * tree->load);
        return snprintf(text, TEXT_MAX,
                        "locked:0\ncpu:%u\npid:%u\nwork_list_max_stuck_cycles:18446744073709551615\nmax_disabled_soft_interrupts_cycles:0\nloops:%" PRIu64
                        "\nenabled_interrupts:0\ncycles:%" PRIu64 "\nmm_switches:%" PRIu64 "\nwait:%" PRIu64 "\nempty_works:%" PRIu64 "\nempty_polls:%" PRIu64
                        "\nstuck_works:0\npending_works:0\nnoqueue_works:12\ntotal_work_cycles:%" PRIu64
                        "\nksoftirq_occurrences:%" PRIu64 "\nksoftirq_time:%" PRIu64 "\nksoftirqs:%" PRIu64 "\n",
                        worker_cpu(tree, worker), 2000 + worker, COUNTER_BASE + tree->epoch * 5000, COUNTER_BASE / 3 + tree->epoch * 999, COUNTER_BASE / 99,
                        COUNTER_BASE + tree->epoch * 77, COUNTER_BASE / 7, COUNTER_BASE / 5 + tree->epoch * 31, worked, tree->epoch + 1000, tree->epoch + 2000,
                        tree->epoch + 3000);
}

static int queue_status(const struct tree *tree, unsigned device, unsigned index, char *text) {
        uint64_t epoch = tree->epoch;
        uint64_t busy = COUNTER_BASE / 2 + (uint64_t) ((double) epoch * TREE_EPOCH_CYCLES * tree->queue_load);
        uint64_t bytes = COUNTER_BASE + epoch * (800000 + 1000 * device);
        return snprintf(text, TEXT_MAX,
                        "dev:d.%u\npoll:%d\ncan_poll:1\npoll_cycles:%" PRIu64 "\npoll_bytes:%" PRIu64 "\npoll_wait:%" PRIu64 "\npoll_empty:%" PRIu64
                        "\npoll_empty_cycles:%" PRIu64 "\npoll_coalesced:%" PRIu64 "\npoll_limited:%" PRIu64 "\npoll_pending_cycles:%" PRIu64
                        "\nnotif_works:%" PRIu64 "\nnotif_cycles:%" PRIu64 "\nnotif_bytes:%" PRIu64 "\nnotif_wait:%" PRIu64
                        "\nnotif_limited:0\nring_full:%u\nstuck_times:0\nstuck_cycles:0\nhandled_bytes:%" PRIu64 "\nhandled_packets:%" PRIu64
                        "\nlast_poll_cycles:%" PRIu64
                        "\nmin_processed_data_limit:1500\nmax_processed_data_limit:524288\nmax_stuck_pending_items:0\nmax_stuck_cycles:-1\nmin_poll_rate:0\n",
                        device, tree->poll, busy, bytes, COUNTER_BASE * 4 + epoch * 90000, COUNTER_BASE / 9 + epoch * 2000, COUNTER_BASE / 4 + epoch * 70000,
                        COUNTER_BASE / 999 + epoch, COUNTER_BASE / 9999 + epoch, COUNTER_BASE / 3 + epoch * 5000, COUNTER_BASE / 5000, COUNTER_BASE / 60,
                        COUNTER_BASE / 30, COUNTER_BASE / 70, 4000 + index, bytes, bytes / 1400, COUNTER_BASE * 9 + epoch * TREE_EPOCH_CYCLES);
}

static void queue_place(const struct tree *tree, unsigned queue, unsigned *ret_device, unsigned *ret_index) {
        *ret_device = queue % tree->n_devices + 1;
        *ret_index = queue / tree->n_devices;
}

static unsigned device_worker(const struct tree *tree, unsigned device) {
        return (device - 1) % tree->n_workers + 1;
}

static void make_workers(struct tree *tree) {
        char path[128], text[TEXT_MAX], list[TEXT_MAX];

        for (unsigned worker = 1; worker <= tree->n_workers; worker++) {
                size_t length = 0;
                list[0] = '\0';
                for (unsigned device = worker; device <= tree->n_devices; device += tree->n_workers)
                        length += (size_t) snprintf(list + length, sizeof list - length, "%sd.%u", length ? "\t" : "", device);
                const char *values[][2] = { { "locked", "0" }, { "dev_list", list } };
                for (unsigned i = 0; i < 2; i++) {
                        snprintf(path, sizeof path, "sys/class/vhost/worker/w.%u/%s", worker, values[i][0]);
                        plain_file_put(tree->root, path, "%s\n", values[i][1]);
                }
                snprintf(path, sizeof path, "sys/class/vhost/worker/w.%u/cpu", worker);
                plain_file_put(tree->root, path, "%u\n", worker_cpu(tree, worker));
                snprintf(path, sizeof path, "sys/class/vhost/worker/w.%u/pid", worker);
                plain_file_put(tree->root, path, "%u\n", 2000 + worker);
                snprintf(path, sizeof path, "sys/class/vhost/worker/w.%u/status", worker);
                worker_status(tree, worker, text);
                tree->worker_fds[worker - 1] = plain_file(tree->root, path, "%s", text);
        }
}

static void make_devices(struct tree *tree) {
        char path[128], list[TEXT_MAX];

        for (unsigned device = 1; device <= tree->n_devices; device++) {
                size_t length = 0;
                for (unsigned queue = device - 1; queue < tree->n_queues; queue += tree->n_devices)
                        length += (size_t) snprintf(list + length, sizeof list - length, "%svq.%u.%u", length ? "\t" : "", device, queue / tree->n_devices);
                snprintf(path, sizeof path, "sys/class/vhost/dev/d.%u/vq_list", device);
                plain_file_put(tree->root, path, "%s\n", list);
                snprintf(path, sizeof path, "sys/class/vhost/dev/d.%u/worker", device);
                plain_file_put(tree->root, path, "w.%u\n", device_worker(tree, device));
                snprintf(path, sizeof path, "sys/class/vhost/dev/d.%u/owner", device);
                plain_file_put(tree->root, path, "%u\n", FIRST_OWNER + device);
                snprintf(path, sizeof path, "proc/%u/status", FIRST_OWNER + device);
                plain_file_put(tree->root, path, "Name:\tqemu-system-x86\nMems_allowed_list:\t%u\n", device_worker(tree, device) <= (tree->n_workers + 1) / 2 ? 0u : 1u);
                snprintf(path, sizeof path, "proc/%u/cmdline", FIRST_OWNER + device);
                int fd = plain_file(tree->root, path, "%s", "");
                dprintf(fd, "qemu%c-name%cguest=vm%u%c", 0, 0, device, 0);
                close(fd);
        }
}

static void make_queues(struct tree *tree) {
        char path[128], text[TEXT_MAX];
        unsigned device, index;

        for (unsigned queue = 0; queue < tree->n_queues; queue++) {
                queue_place(tree, queue, &device, &index);
                snprintf(path, sizeof path, "sys/class/vhost/vq/vq.%u.%u/status", device, index);
                queue_status(tree, device, index, text);
                tree->queue_fds[queue] = plain_file(tree->root, path, "%s", text);
                snprintf(path, sizeof path, "sys/class/vhost/vq/vq.%u.%u/poll", device, index);
                plain_file_put(tree->root, path, "%d\n", tree->poll);
        }
}

void tree_make(struct tree *tree, unsigned n_workers, unsigned n_devices, unsigned n_queues, double load) {
        *tree = (struct tree) { .n_workers = n_workers, .n_devices = n_devices, .n_queues = n_queues, .load = load };
        tree->queue_load = load * n_workers / n_queues;
        tree->poll = tree->queue_load > POLLED_LOAD;
        tree->worker_fds = calloc(n_workers, sizeof *tree->worker_fds);
        tree->queue_fds = calloc(n_queues, sizeof *tree->queue_fds);
        if (!tree->worker_fds || !tree->queue_fds)
                abort();
        plain_root_make(tree->root);

        tree->cycles_fd = plain_file(tree->root, "sys/class/vhost/cycles", "%" PRIu64 "\n", COUNTER_BASE);
        plain_file_put(tree->root, "sys/class/vhost/status", "cycles:1\n");
        plain_file_put(tree->root, "sys/class/vhost/epoch", "1\n");
        plain_file_put(tree->root, "sys/class/vhost/worker/create", "%s", "");
        plain_file_put(tree->root, "sys/class/vhost/worker/remove", "%s", "");
        plain_file_put(tree->root, "sys/class/vhost/worker/default", "w.1\n");
        int fd = plain_file(tree->root, "proc/stat", "cpu  1 0 1 9 0 0 0 0 0 0\n");
        for (unsigned cpu = 0; cpu < 2 * n_workers; cpu++)
                dprintf(fd, "cpu%u 500000 0 300000 900000 0 0 0 0 0 0\n", cpu);
        dprintf(fd, "intr 1\n");
        close(fd);
        make_workers(tree);
        make_devices(tree);
        make_queues(tree);
}

void tree_advance(struct tree *tree, bool busy) {
        char text[TEXT_MAX];
        unsigned device, index;

        tree->epoch++;
        plain_file_rewrite(tree->cycles_fd, text, snprintf(text, sizeof text, "%" PRIu64 "\n", COUNTER_BASE + tree->epoch * TREE_EPOCH_CYCLES));
        if (!busy)
                return;
        for (unsigned worker = 1; worker <= tree->n_workers; worker++)
                plain_file_rewrite(tree->worker_fds[worker - 1], text, worker_status(tree, worker, text));
        for (unsigned queue = 0; queue < tree->n_queues; queue++) {
                queue_place(tree, queue, &device, &index);
                plain_file_rewrite(tree->queue_fds[queue], text, queue_status(tree, device, index, text));
        }
}

void tree_close(struct tree *tree) {
        close(tree->cycles_fd);
        for (unsigned i = 0; i < tree->n_workers; i++)
                close(tree->worker_fds[i]);
        for (unsigned i = 0; i < tree->n_queues; i++)
                close(tree->queue_fds[i]);
}

void tree_remove(struct tree *tree) {
        tree_close(tree);
        free(tree->worker_fds);
        free(tree->queue_fds);
        plain_root_remove(tree->root);
}

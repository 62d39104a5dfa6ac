/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest without a guest: the process that owns vhost devices, seen from inside. One process is one "VM". */
#ifndef VHOST_LOAD_H
#define VHOST_LOAD_H

#include <linux/vhost.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
        RING_SIZE = 1024,   /* long enough to keep the worker busy while this program's thread waits for a CPU */
        FRAME_SIZE = 1514,  /* a full Ethernet frame */
        BUFFER_SIZE = 2048, /* of a received frame: one always suffices */
        PAIRS_MAX = 64,
        VCPUS_MAX = 64,
        RX_RING = 0, /* of vhost-net */
        TX_RING = 1,
};

/* What a device sees of one ring. */
struct ring {
        _Alignas(16) struct vring_desc descriptors[RING_SIZE];
        struct {
                _Atomic uint16_t flags, index;
                uint16_t ring[RING_SIZE + 1];
        } available;
        _Alignas(4) struct {
                _Atomic uint16_t flags, index;
                struct vring_used_elem ring[RING_SIZE];
                uint16_t event;
        } used;
};

/* Of one queue pair: an address in this process is its address in the guest's memory too. */
struct guest_memory {
        struct ring rings[2];
        struct {
                struct virtio_net_hdr_mrg_rxbuf header;
                uint8_t data[FRAME_SIZE];
        } frame; /* all that is sent */
        struct {
                struct virtio_net_hdr_mrg_rxbuf header;
                uint8_t data[BUFFER_SIZE];
        } buffer; /* all that is received */
};

enum pace { PACE_PAUSE, PACE_MAX, PACE_RATE, PACE_LOAD };

/* What one frame costs the worker, in ns of its CPU time; smoothed over about a second. */
struct cost {
        uint64_t clock, run, completed;
        double nsec;
};

struct queue_pair {
        int tap, vhost, kicks[2];
        int schedstat; /* of its worker */
        pid_t worker;
        uint64_t born_usec; /* since 1970: when the worker existed */
        struct guest_memory *memory;

        _Atomic int pace;
        _Atomic double value; /* packets per second, or share of a CPU */
        _Atomic uint64_t sent, completed, received;

        /* the traffic thread's own */
        struct cost cost;
        uint64_t clock;
        double owed;
};

struct load {
        char tap[IFNAMSIZ];
        bool multi_queue;
        struct queue_pair pairs[PAIRS_MAX];
        _Atomic unsigned n_pairs; /* raised when a pair is complete */
        _Atomic double inject;    /* frames per second that the host sends to the guest */
        _Atomic double vcpu_share;
        unsigned n_vcpus;
        _Atomic bool stop;
        pthread_t traffic, injector, vcpus[VCPUS_MAX];
};

/* Prints what failed, with errno, and returns it negative. */
int fail(const char *what);
uint64_t now_nsec(void);
uint64_t realtime_usec(void);

/* vhost-load-device.c. Opens tap queue and vhost device of one more queue pair and starts them. 0 or -errno, told. */
int pair_add(struct load *load, enum pace pace, double value);
/* Opens a vhost device of another kind ("/dev/vhost-vsock") and becomes its owner: its worker has nothing to do. 0 or -errno, told. */
int idle_device_add(const char *path, pid_t *ret_worker);

/* vhost-load-worker.c. Finds the worker that was not there at the last call: a kernel thread (up to Linux 6.3) or a thread of this process. ret_schedstat (may be
 * NULL): its file, opened. 0 or -errno, told. */
int find_new_worker(pid_t *ret, int *ret_schedstat);
/* 0: unknown */
uint64_t worker_run_nsec(int schedstat);

/* vhost-load-traffic.c. The thread that fills and empties the rings, and the one that is the rest of the world: sends frames into the tap. */
void *move_frames(void *load);
void *inject_frames(void *load);

/* vhost-load-vcpu.c. 0 or -errno, told. Prints "vcpu TID N" for each. */
int vcpus_start(struct load *load);

/* vhost-load-disguise.c. What others see of this process: its name, and `name` and `words` as its command line, in which %fds and %vhostfds stand for
 * the queue pairs' file descriptors as in QEMU's -netdev. 0 or -errno, told. */
int disguise(const struct load *load, const char *name, char *const words[]);

#endif

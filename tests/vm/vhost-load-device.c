/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "vhost-load.h"

static int tap_up(const char *name) {
        struct ifreq request = { 0 };
        _cleanup_close_ int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (control < 0)
                return fail("socket");
        memcpy(request.ifr_name, name, sizeof request.ifr_name);
        if (ioctl(control, SIOCGIFFLAGS, &request) < 0)
                return fail("SIOCGIFFLAGS");
        request.ifr_flags |= IFF_UP;
        return ioctl(control, SIOCSIFFLAGS, &request) < 0 ? fail("SIOCSIFFLAGS") : 0;
}

/* The first queue makes the tap and gives it its name; the others join it. */
static int open_tap(struct load *load, struct queue_pair *pair) {
        struct ifreq request = { .ifr_flags = (short) (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (load->multi_queue ? IFF_MULTI_QUEUE : 0)) };
        int header_size = sizeof pair->memory->frame.header;

        pair->tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (pair->tap < 0)
                return fail("/dev/net/tun");
        memcpy(request.ifr_name, load->tap, sizeof request.ifr_name);
        if (ioctl(pair->tap, TUNSETIFF, &request) < 0)
                return fail("TUNSETIFF");
        memcpy(load->tap, request.ifr_name, sizeof load->tap);
        if (ioctl(pair->tap, TUNSETVNETHDRSZ, &header_size) < 0)
                return fail("TUNSETVNETHDRSZ");
        return tap_up(load->tap);
}

/* All descriptors of a ring point at the one frame, or buffer, and never change: a ring is filled by moving the index on. */
static int fill_memory(struct queue_pair *pair) {
        struct guest_memory *memory = mmap(NULL, sizeof *memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (memory == MAP_FAILED)
                return fail("mmap");
        for (unsigned i = 0; i < RING_SIZE; i++) {
                memory->rings[TX_RING].descriptors[i].addr = (uintptr_t) &memory->frame;
                memory->rings[TX_RING].descriptors[i].len = sizeof memory->frame.header + FRAME_SIZE;
                memory->rings[RX_RING].descriptors[i].addr = (uintptr_t) &memory->buffer;
                memory->rings[RX_RING].descriptors[i].len = sizeof memory->buffer.header + BUFFER_SIZE;
                memory->rings[RX_RING].descriptors[i].flags = VRING_DESC_F_WRITE;
                memory->rings[TX_RING].available.ring[i] = memory->rings[RX_RING].available.ring[i] = (uint16_t) i;
        }
        memory->rings[TX_RING].available.flags = memory->rings[RX_RING].available.flags = VRING_AVAIL_F_NO_INTERRUPT;
        memory->rings[RX_RING].available.index = RING_SIZE;
        memset(memory->frame.data, 0xff, ETH_ALEN);
        memory->frame.data[ETH_ALEN] = 0x02; /* locally administered */
        memory->frame.data[2 * ETH_ALEN] = 0x88;
        memory->frame.data[2 * ETH_ALEN + 1] = 0xb5; /* IEEE local experimental: no protocol takes it */
        pair->memory = memory;
        return 0;
}

static int set_memory_table(const struct queue_pair *pair) {
        union {
                struct vhost_memory table;
                unsigned char room_for_one_region[sizeof(struct vhost_memory) + sizeof(struct vhost_memory_region)];
        } memory = { .table.nregions = 1 };
        struct vhost_memory_region region = { .memory_size = sizeof *pair->memory };

        region.guest_phys_addr = region.userspace_addr = (uintptr_t) pair->memory;
        memcpy(memory.room_for_one_region + sizeof(struct vhost_memory), &region, sizeof region);
        return ioctl(pair->vhost, VHOST_SET_MEM_TABLE, &memory) < 0 ? fail("VHOST_SET_MEM_TABLE") : 0;
}

static int start_ring(struct queue_pair *pair, unsigned index) {
        struct ring *ring = &pair->memory->rings[index];
        struct vhost_vring_state size = { .index = index, .num = RING_SIZE }, base = { .index = index };
        struct vhost_vring_addr address = {
                .index = index,
                .desc_user_addr = (uintptr_t) ring->descriptors,
                .avail_user_addr = (uintptr_t) &ring->available,
                .used_user_addr = (uintptr_t) &ring->used,
        };
        struct vhost_vring_file kick = { .index = index }, backend = { .index = index, .fd = pair->tap };

        kick.fd = pair->kicks[index] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (kick.fd < 0)
                return fail("eventfd");
        if (ioctl(pair->vhost, VHOST_SET_VRING_NUM, &size) < 0 || ioctl(pair->vhost, VHOST_SET_VRING_BASE, &base) < 0 ||
            ioctl(pair->vhost, VHOST_SET_VRING_ADDR, &address) < 0 || ioctl(pair->vhost, VHOST_SET_VRING_KICK, &kick) < 0)
                return fail("VHOST_SET_VRING_*");
        return ioctl(pair->vhost, VHOST_NET_SET_BACKEND, &backend) < 0 ? fail("VHOST_NET_SET_BACKEND") : 0;
}

/* The kernel makes the device's worker here. */
static int own_device(const char *path, int *ret, uint64_t *ret_born_usec) {
        _cleanup_close_ int device = open(path, O_RDWR | O_CLOEXEC);

        if (device < 0)
                return fail(path);
        if (ioctl(device, VHOST_SET_OWNER) < 0)
                return fail("VHOST_SET_OWNER");
        if (ret_born_usec)
                *ret_born_usec = realtime_usec();
        *ret = TAKE_FD(device);
        return 0;
}

static int start_device(struct queue_pair *pair) {
        uint64_t features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF;
        int r;

        if ((r = own_device("/dev/vhost-net", &pair->vhost, &pair->born_usec)) < 0 || (r = find_new_worker(&pair->worker, &pair->schedstat)) < 0)
                return r;
        if (ioctl(pair->vhost, VHOST_SET_FEATURES, &features) < 0)
                return fail("VHOST_SET_FEATURES");
        if ((r = set_memory_table(pair)) < 0 || (r = start_ring(pair, RX_RING)) < 0)
                return r;
        return start_ring(pair, TX_RING);
}

int pair_add(struct load *load, enum pace pace, double value) {
        unsigned n = atomic_load(&load->n_pairs);
        int r;

        if (n == PAIRS_MAX) {
                errno = ENOSPC;
                return fail("one more queue pair");
        }
        struct queue_pair *pair = &load->pairs[n];
        atomic_store(&pair->value, value);
        atomic_store(&pair->pace, (int) pace);
        pair->clock = now_nsec();
        if ((r = fill_memory(pair)) < 0 || (r = open_tap(load, pair)) < 0 || (r = start_device(pair)) < 0)
                return r;
        atomic_store(&load->n_pairs, n + 1);
        return 0;
}

int idle_device_add(const char *path, pid_t *ret_worker) {
        int device; /* open until the process ends, as a guest's */
        int r = own_device(path, &device, NULL);

        return r < 0 ? r : find_new_worker(ret_worker, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A vhost-net guest without a guest: opens a tap and /dev/vhost-net, lays out a transmit ring in its own memory and sends frames
 * that the host's network stack drops. The kernel makes a vhost worker for it, as for QEMU, and that worker does real work.
 *
 *     vhost-load [--tap NAME] [--max | --rate PACKETS | --load SHARE | --pause]
 *
 * Prints "worker TID" when the worker exists, then obeys lines on its standard input: "max", "rate N", "load S", "pause",
 * "report", "quit"; at the end of the input it goes on until it gets a signal. "load" holds the worker's CPU time at a share of one CPU, whatever the machine makes
 * of a packet: the cost of one is measured all the time, and the rate follows it. Like a guest it does not slow down
 * because its worker has to wait, except by the ring's end.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cleanup.h"

enum {
        RING_SIZE = 1024,     /* long enough to keep the worker busy while this program's thread waits for a CPU */
        FRAME_SIZE = 1514,    /* a full Ethernet frame */
        TX_RING = 1,          /* of vhost-net; 0 receives and is not set up */
        TURN_NSEC = 2000000,  /* how often frames are put into the ring */
        BURST_NSEC = 50000000 /* a thread that had to wait longer than this does not make up for it */
};

enum pace { PACE_PAUSE, PACE_MAX, PACE_RATE, PACE_LOAD };

/* What the device sees: its address in this process is its address in the guest's memory too. */
struct guest_memory {
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
        struct {
                struct virtio_net_hdr_mrg_rxbuf header;
                uint8_t data[FRAME_SIZE];
        } frame;
};

struct load {
        int tap, vhost, kick, schedstat;
        pid_t worker;
        struct guest_memory *memory;

        _Atomic int pace;
        _Atomic double value; /* packets per second, or share of a CPU */
        _Atomic bool stop;
        _Atomic uint64_t sent, completed;
};

static uint64_t now_nsec(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

static int fail(const char *what) {
        int error = errno;
        fprintf(stderr, "vhost-load: %s: %s\n", what, strerror(error));
        return -error;
}

static int open_tap(struct load *load, const char *name) {
        struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
        int header_size = sizeof load->memory->frame.header;

        load->tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (load->tap < 0)
                return fail("/dev/net/tun");
        snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
        if (ioctl(load->tap, TUNSETIFF, &request) < 0)
                return fail("TUNSETIFF");
        if (ioctl(load->tap, TUNSETVNETHDRSZ, &header_size) < 0)
                return fail("TUNSETVNETHDRSZ");

        _cleanup_close_ int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (control < 0)
                return fail("socket");
        if (ioctl(control, SIOCGIFFLAGS, &request) < 0)
                return fail("SIOCGIFFLAGS");
        request.ifr_flags |= IFF_UP;
        return ioctl(control, SIOCSIFFLAGS, &request) < 0 ? fail("SIOCSIFFLAGS") : 0;
}

/* All descriptors point at the one frame and never change: the ring is filled by moving the index on. */
static int fill_memory(struct load *load) {
        struct guest_memory *memory =
                mmap(NULL, sizeof *memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (memory == MAP_FAILED)
                return fail("mmap");
        for (unsigned i = 0; i < RING_SIZE; i++) {
                memory->descriptors[i].addr = (uintptr_t) &memory->frame;
                memory->descriptors[i].len = sizeof memory->frame.header + FRAME_SIZE;
                memory->available.ring[i] = (uint16_t) i;
        }
        memory->available.flags = VRING_AVAIL_F_NO_INTERRUPT;
        memset(memory->frame.data, 0xff, ETH_ALEN);
        memory->frame.data[ETH_ALEN] = 0x02; /* locally administered */
        memory->frame.data[2 * ETH_ALEN] = 0x88;
        memory->frame.data[2 * ETH_ALEN + 1] = 0xb5; /* IEEE local experimental: no protocol takes it */
        load->memory = memory;
        return 0;
}

static int set_memory_table(struct load *load) {
        union {
                struct vhost_memory table;
                unsigned char room_for_one_region[sizeof(struct vhost_memory) + sizeof(struct vhost_memory_region)];
        } memory = { .table.nregions = 1 };
        struct vhost_memory_region region = { .memory_size = sizeof *load->memory };

        region.guest_phys_addr = region.userspace_addr = (uintptr_t) load->memory;
        memcpy(memory.room_for_one_region + sizeof(struct vhost_memory), &region, sizeof region);
        return ioctl(load->vhost, VHOST_SET_MEM_TABLE, &memory) < 0 ? fail("VHOST_SET_MEM_TABLE") : 0;
}

static int start_device(struct load *load) {
        uint64_t features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF;
        struct vhost_vring_state size = { .index = TX_RING, .num = RING_SIZE }, base = { .index = TX_RING };
        struct vhost_vring_addr address = {
                .index = TX_RING,
                .desc_user_addr = (uintptr_t) load->memory->descriptors,
                .avail_user_addr = (uintptr_t) &load->memory->available,
                .used_user_addr = (uintptr_t) &load->memory->used,
        };
        struct vhost_vring_file kick = { .index = TX_RING }, backend = { .index = TX_RING, .fd = load->tap };

        load->vhost = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
        if (load->vhost < 0)
                return fail("/dev/vhost-net");
        kick.fd = load->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (load->kick < 0)
                return fail("eventfd");
        if (ioctl(load->vhost, VHOST_SET_OWNER) < 0)
                return fail("VHOST_SET_OWNER");
        if (ioctl(load->vhost, VHOST_SET_FEATURES, &features) < 0)
                return fail("VHOST_SET_FEATURES");
        int r = set_memory_table(load);
        if (r < 0)
                return r;
        if (ioctl(load->vhost, VHOST_SET_VRING_NUM, &size) < 0 || ioctl(load->vhost, VHOST_SET_VRING_BASE, &base) < 0 ||
            ioctl(load->vhost, VHOST_SET_VRING_ADDR, &address) < 0 || ioctl(load->vhost, VHOST_SET_VRING_KICK, &kick) < 0)
                return fail("VHOST_SET_VRING_*");
        return ioctl(load->vhost, VHOST_NET_SET_BACKEND, &backend) < 0 ? fail("VHOST_NET_SET_BACKEND") : 0;
}

/* The worker is called after the thread that became the owner: a kernel thread (up to Linux 6.3) or a thread of this process. */
static int find_worker(struct load *load) {
        char wanted[32], command[64];
        snprintf(wanted, sizeof wanted, "vhost-%d\n", (int) getpid());

        static const char *const directories[] = { "/proc/self/task", "/proc" };
        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                _cleanup_closedir_ DIR *directory = opendir(directories[i]);
                if (!directory)
                        return fail(directories[i]);
                for (struct dirent *entry; (entry = readdir(directory));) {
                        char path[512], text[32] = "";
                        snprintf(path, sizeof path, "%s/%s/comm", directories[i], entry->d_name);
                        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
                        if (fd < 0 || read(fd, text, sizeof text - 1) <= 0 || strcmp(text, wanted) != 0)
                                continue;
                        load->worker = (pid_t) strtol(entry->d_name, NULL, 10);
                        snprintf(command, sizeof command, "%s/%d/schedstat", directories[i], (int) load->worker);
                        load->schedstat = open(command, O_RDONLY | O_CLOEXEC);
                        return load->schedstat < 0 ? fail(command) : 0;
                }
        }
        errno = ESRCH;
        return fail("its vhost worker");
}

/* 0: unknown */
static uint64_t worker_run_nsec(const struct load *load) {
        char text[96] = "";
        return pread(load->schedstat, text, sizeof text - 1, 0) > 0 ? strtoull(text, NULL, 10) : 0;
}

/* Counts what the device completed; returns how many frames fit into the ring. */
static unsigned room(struct load *load, uint64_t sent, uint64_t *completed) {
        uint16_t used = atomic_load_explicit(&load->memory->used.index, memory_order_acquire);
        *completed += (uint16_t) (used - (uint16_t) *completed);
        atomic_store(&load->completed, *completed);
        return (unsigned) (RING_SIZE - (sent - *completed));
}

static void publish(struct load *load, uint64_t sent) {
        atomic_store_explicit(&load->memory->available.index, (uint16_t) sent, memory_order_release);
        atomic_store(&load->sent, sent);
        atomic_thread_fence(memory_order_seq_cst);
        if (!(atomic_load(&load->memory->used.flags) & VRING_USED_F_NO_NOTIFY))
                (void) eventfd_write(load->kick, 1);
}

/* What one frame costs the worker, in ns of its CPU time; smoothed over about a second. */
struct cost {
        uint64_t clock, run, completed;
        double nsec;
};

static void measure_cost(const struct load *load, struct cost *cost, uint64_t now, uint64_t completed) {
        if (now - cost->clock < 100000000 || completed - cost->completed < 20)
                return;
        uint64_t run = worker_run_nsec(load);
        if (cost->clock > 0 && run > cost->run) {
                double nsec = (double) (run - cost->run) / (double) (completed - cost->completed);
                cost->nsec = cost->nsec > 0 ? cost->nsec * 0.8 + nsec * 0.2 : nsec;
        }
        *cost = (struct cost) { .clock = now, .run = run, .completed = completed, .nsec = cost->nsec };
}

static double packets_per_second(const struct load *load, const struct cost *cost) {
        double value = atomic_load(&load->value);
        switch ((enum pace) atomic_load(&load->pace)) {
        case PACE_RATE:
                return value;
        case PACE_LOAD: /* 500/s to begin with: enough to learn what a frame costs, little enough not to matter */
                return cost->nsec > 0 ? value * 1e9 / cost->nsec : 500;
        case PACE_MAX:
                return 1e12;
        case PACE_PAUSE:
                break;
        }
        return 0;
}

static void *send_frames(void *userdata) {
        struct load *load = userdata;
        struct cost cost = { 0 };
        uint64_t sent = 0, completed = 0, last = now_nsec();
        double owed = 0;

        while (!atomic_load(&load->stop)) {
                uint64_t now = now_nsec();
                unsigned free_descriptors = room(load, sent, &completed);
                measure_cost(load, &cost, now, completed);
                double rate = packets_per_second(load, &cost);
                owed += rate * (double) (now - last) / 1e9;
                if (owed > rate * BURST_NSEC / 1e9)
                        owed = rate * BURST_NSEC / 1e9;
                last = now;
                unsigned n = owed < free_descriptors ? (unsigned) owed : free_descriptors;
                if (n > 0) {
                        sent += n;
                        owed -= n;
                        publish(load, sent);
                }
                nanosleep(&(struct timespec) { .tv_nsec = TURN_NSEC }, NULL);
        }
        return NULL;
}

static int set_pace(struct load *load, const char *word, const char *value) {
        static const char *const words[] = { [PACE_PAUSE] = "pause", [PACE_MAX] = "max", [PACE_RATE] = "rate", [PACE_LOAD] = "load" };
        for (int pace = 0; pace < (int) ELEMENTSOF(words); pace++) {
                if (strcmp(word, words[pace]) != 0)
                        continue;
                char *end = NULL;
                double number = value ? strtod(value, &end) : 0;
                if (pace >= PACE_RATE && (!value || end == value || !(number >= 0)))
                        return -EINVAL;
                atomic_store(&load->value, number);
                atomic_store(&load->pace, pace);
                return 0;
        }
        return -EINVAL;
}

/* Returns false when it was told to end. */
static bool obey(struct load *load, char *line) {
        char *rest = NULL, *word = strtok_r(line, " \n", &rest), *value = word ? strtok_r(NULL, " \n", &rest) : NULL;
        if (!word)
                return true;
        if (strcmp(word, "quit") == 0)
                return false;
        if (strcmp(word, "report") == 0)
                printf("sent %llu completed %llu run_nsec %llu\n", (unsigned long long) atomic_load(&load->sent),
                       (unsigned long long) atomic_load(&load->completed), (unsigned long long) worker_run_nsec(load));
        else if (set_pace(load, word, value) < 0)
                fprintf(stderr, "vhost-load: %s: not understood\n", word);
        return true;
}

static int run(struct load *load, const char *tap) {
        pthread_t thread;
        int r;

        if ((r = fill_memory(load)) < 0 || (r = open_tap(load, tap)) < 0 || (r = start_device(load)) < 0 || (r = find_worker(load)) < 0)
                return r;
        r = -pthread_create(&thread, NULL, send_frames, load);
        if (r < 0) {
                errno = -r;
                return fail("pthread_create");
        }
        setvbuf(stdout, NULL, _IOLBF, 0);
        printf("worker %d\n", (int) load->worker);

        char line[128];
        bool go_on = true;
        while (go_on && fgets(line, sizeof line, stdin))
                go_on = obey(load, line);
        if (go_on)
                pause();
        atomic_store(&load->stop, true);
        pthread_join(thread, NULL);
        return 0;
}

int main(int argc, char *argv[]) {
        static const struct option options[] = { { "tap", required_argument, NULL, 't' },  { "max", no_argument, NULL, 'm' },
                                                 { "rate", required_argument, NULL, 'r' }, { "load", required_argument, NULL, 'l' },
                                                 { "pause", no_argument, NULL, 'p' },      { 0 } };
        struct load load = { .tap = -1, .vhost = -1, .kick = -1, .schedstat = -1, .pace = PACE_MAX };
        const char *tap = "";
        int r = 0;

        for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;)
                switch (option) {
                case 't':
                        tap = optarg;
                        break;
                case 'm':
                        r |= set_pace(&load, "max", NULL);
                        break;
                case 'r':
                        r |= set_pace(&load, "rate", optarg);
                        break;
                case 'l':
                        r |= set_pace(&load, "load", optarg);
                        break;
                case 'p':
                        r |= set_pace(&load, "pause", NULL);
                        break;
                default:
                        return 2;
                }
        if (r < 0 || optind != argc) {
                fprintf(stderr, "usage: vhost-load [--tap NAME] [--max | --rate PACKETS | --load SHARE | --pause]\n");
                return 2;
        }
        return run(&load, tap) < 0 ? 1 : 0;
}

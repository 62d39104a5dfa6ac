/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "vhost-load.h"

enum {
        TURN_NSEC = 2000000,       /* how often frames are put into the rings */
        IDLE_TURN_NSEC = 20000000, /* with nothing to send */
        BURST_NSEC = 50000000,     /* a thread that had to wait longer than this does not make up for it */
        FLOWS = 64,                /* that the injected frames seem to belong to: the kernel spreads them over the queues of the tap */
};

static uint64_t minimum(double a, uint64_t b) {
        return a < (double) b ? (uint64_t) a : b;
}

/* What has come due at `rate` since `*clock`. */
static double owed_now(double owed, double rate, uint64_t now, uint64_t *clock) {
        owed += rate * (double) (now - *clock) / 1e9;
        *clock = now;
        return owed > rate * BURST_NSEC / 1e9 ? rate * BURST_NSEC / 1e9 : owed;
}

static void publish(struct queue_pair *pair, unsigned index, uint64_t n) {
        struct ring *ring = &pair->memory->rings[index];

        atomic_store_explicit(&ring->available.index, (uint16_t) n, memory_order_release);
        atomic_thread_fence(memory_order_seq_cst);
        if (!(atomic_load(&ring->used.flags) & VRING_USED_F_NO_NOTIFY))
                (void) eventfd_write(pair->kicks[index], 1);
}

/* How many the device has done in all, given how many it had done before. */
static uint64_t used(const struct queue_pair *pair, unsigned index, uint64_t before) {
        uint16_t now = atomic_load_explicit(&pair->memory->rings[index].used.index, memory_order_acquire);
        return before + (uint16_t) (now - (uint16_t) before);
}

static void measure_cost(struct queue_pair *pair, uint64_t now, uint64_t completed) {
        struct cost *cost = &pair->cost;

        if (now - cost->clock < 100000000 || completed - cost->completed < 20)
                return;
        uint64_t run = worker_run_nsec(pair->schedstat);
        if (cost->clock > 0 && run > cost->run) {
                double nsec = (double) (run - cost->run) / (double) (completed - cost->completed);
                cost->nsec = cost->nsec > 0 ? cost->nsec * 0.8 + nsec * 0.2 : nsec;
        }
        *cost = (struct cost) { .clock = now, .run = run, .completed = completed, .nsec = cost->nsec };
}

static double packets_per_second(const struct queue_pair *pair) {
        double value = atomic_load(&pair->value);

        switch ((enum pace) atomic_load(&pair->pace)) {
        case PACE_RATE:
                return value;
        case PACE_LOAD: /* 500/s to begin with: enough to learn what a frame costs, little enough not to matter */
                return value > 0 && pair->cost.nsec > 0 ? value * 1e9 / pair->cost.nsec : value > 0 ? 500 : 0;
        case PACE_MAX:
                return 1e12;
        case PACE_PAUSE:
                break;
        }
        return 0;
}

/* Returns whether there is something to send. */
static bool serve(struct queue_pair *pair) {
        uint64_t now = now_nsec(), sent = atomic_load(&pair->sent);
        uint64_t completed = used(pair, TX_RING, atomic_load(&pair->completed)), before = atomic_load(&pair->received);
        uint64_t received = used(pair, RX_RING, before);

        atomic_store(&pair->completed, completed);
        measure_cost(pair, now, completed);
        double rate = packets_per_second(pair);
        pair->owed = owed_now(pair->owed, rate, now, &pair->clock);
        uint64_t n = minimum(pair->owed, RING_SIZE - (sent - completed));
        if (n > 0) {
                pair->owed -= (double) n;
                atomic_store(&pair->sent, sent + n);
                publish(pair, TX_RING, sent + n);
        }
        if (received != before) {
                atomic_store(&pair->received, received);
                publish(pair, RX_RING, received + RING_SIZE);
        }
        return rate > 0 || received != before;
}

void *move_frames(void *userdata) {
        struct load *load = userdata;

        while (!atomic_load(&load->stop)) {
                unsigned n = atomic_load(&load->n_pairs);
                bool busy = false;
                for (unsigned i = 0; i < n; i++)
                        busy |= serve(&load->pairs[i]);
                nanosleep(&(struct timespec) { .tv_nsec = busy ? TURN_NSEC : IDLE_TURN_NSEC }, NULL);
        }
        return NULL;
}

struct injected_frame {
        struct ethhdr ethernet;
        struct iphdr ip;
        struct udphdr udp;
        uint8_t data[FRAME_SIZE - sizeof(struct ethhdr) - sizeof(struct iphdr) - sizeof(struct udphdr)];
} __attribute__((packed));

static void fill_frame(struct injected_frame *frame, unsigned flow) {
        *frame = (struct injected_frame) {
                .ethernet = { .h_dest = { 0x02, 1 }, .h_source = { 0x02, 2 }, .h_proto = htons(ETH_P_IP) },
                .ip = { .ihl = 5,
                        .version = 4,
                        .tot_len = htons(sizeof *frame - sizeof frame->ethernet),
                        .ttl = 1,
                        .protocol = IPPROTO_UDP,
                        .saddr = htonl(0xc0000201), /* 192.0.2.0/24: documentation */
                        .daddr = htonl(0xc0000202) },
                .udp = { .source = htons((uint16_t) (1024 + flow)), .dest = htons(9), .len = htons(sizeof frame->udp + sizeof frame->data) },
        };
}

static int open_injector(const char *tap) {
        _cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = (int) if_nametoindex(tap) };

        if (fd < 0)
                return fail("packet socket");
        if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &(int) { 1 }, sizeof(int)) < 0)
                return fail("PACKET_QDISC_BYPASS");
        if (bind(fd, (struct sockaddr *) &address, sizeof address) < 0)
                return fail("bind to the tap");
        return TAKE_FD(fd);
}

/* What does not fit into the tap is lost, and counted by the kernel as dropped. */
void *inject_frames(void *userdata) {
        struct load *load = userdata;
        _cleanup_close_ int fd = open_injector(load->tap);
        struct injected_frame frame;
        unsigned flow = 0;
        uint64_t clock = now_nsec();
        double owed = 0;

        while (fd >= 0 && !atomic_load(&load->stop)) {
                double rate = atomic_load(&load->inject);
                owed = owed_now(owed, rate, now_nsec(), &clock);
                while (owed >= 1) {
                        owed -= 1;
                        fill_frame(&frame, flow++ % FLOWS);
                        (void) send(fd, &frame, sizeof frame, 0);
                }
                nanosleep(&(struct timespec) { .tv_nsec = rate > 0 ? TURN_NSEC : IDLE_TURN_NSEC }, NULL);
        }
        return NULL;
}

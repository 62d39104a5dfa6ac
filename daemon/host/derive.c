/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loads out of samples, once an epoch. The hot path: no allocation, and the queues of idle workers are not looked at.
 *
 * Data goes queue -> unit, worker -> CPU -> node. A load is ticks of work by ticks of the sampled clock; other rates are by
 * the host's own time. What rests on one sample only is not known, and is 0.
 */
#include <errno.h>
#include <string.h>

#include "counter.h"
#include "host.h"

/* A thread cannot work more than all the time; counters that are updated when a piece of work ends may put the end of the epoch before into this one,
 * which at the shortest epoch may double the load. Beyond that the counter is wrong, and must not drown the others in a sum. */
#define LOAD_MAX 2.0

/* Two samples with more than this many epochs between them say nothing about now: the queue was idle, it starts anew. */
#define GAP_MAX 2u

static double share(uint64_t part, uint64_t whole) {
        double value = (double) part / (double) whole;
        return value < LOAD_MAX ? value : LOAD_MAX;
}

/* Of the time that somebody wanted to run, how much did he wait? */
static double wait_share(double wait, double load) {
        return wait > 0 ? wait / (wait + load) : 0;
}

void host_begin_epoch(struct host *host, uint64_t now_usec) {
        host->epoch++;
        host->last_usec = host->now_usec;
        host->now_usec = now_usec;
        if (host->n_queues > 0)
                memset(host->queue_sampled, false, host->n_queues * sizeof *host->queue_sampled);
}

static void derive_worker(struct host *host, struct worker *worker) {
        const struct iocore_worker *now = &worker->pub;

        if (now->clock == worker->last_clock) {
                /* Not sampled. One miss is forgiven; a worker that cannot be read is gone, and the next scan will say so. */
                if (host->epoch - worker->sampled_epoch > GAP_MAX) {
                        worker->n_samples = 0;
                        worker->load = worker->wait = worker->wait_share = worker->switches_per_second = 0;
                }
                return;
        }

        struct counter_delta clock = counter_delta(now->clock, worker->last_clock);
        struct counter_delta busy = counter_delta(now->busy, worker->last_busy);
        struct counter_delta wait = counter_delta(now->wait, worker->last_wait);
        struct counter_delta switches = counter_delta(now->switches, worker->last_switches);
        uint64_t elapsed_usec = host->now_usec - worker->sampled_usec;
        bool known = worker->n_samples > 0 && now->incarnation == worker->last_incarnation && clock.valid && clock.delta > 0 && busy.valid && wait.valid;

        worker->last_clock = now->clock;
        worker->last_busy = now->busy;
        worker->last_wait = now->wait;
        worker->last_switches = now->switches;
        worker->last_incarnation = now->incarnation;
        worker->sampled_epoch = host->epoch;
        worker->sampled_usec = host->now_usec;
        if (!known) {
                worker->n_samples = 1;
                worker->load = worker->wait = worker->wait_share = worker->switches_per_second = 0;
                worker->load_average = -1;
                return;
        }
        worker->n_samples = 2;
        worker->load = share(busy.delta, clock.delta);
        worker->load_average = ewma(worker->load_average, worker->load, host->ewma_weight);
        worker->wait = share(wait.delta, clock.delta);
        worker->wait_share = wait_share(worker->wait, worker->load);
        worker->switches_per_second = switches.valid && elapsed_usec > 0 ? (double) switches.delta * 1e6 / (double) elapsed_usec : 0;
}

void host_derive_workers(struct host *host) {
        for (size_t i = 0; i < host->n_workers; i++)
                derive_worker(host, host->workers[i]);
}

bool host_worker_is_busy(const struct host *host, const struct worker *worker) {
        /* Not known yet: the first samples of its queues are taken now, so that both are known in the next epoch. */
        if (worker->n_samples < 2)
                return true;
        return worker->load >= host->busy_threshold || worker->load_average >= host->busy_threshold;
}

static void queue_keep_sample(const struct host *host, struct queue *queue) {
        const struct iocore_queue *now = &queue->pub;
        queue->last.clock = now->clock;
        queue->last.busy = now->busy;
        queue->last.bytes = now->bytes;
        queue->last.packets = now->packets;
        queue->last.works = now->works;
        queue->last.wait = now->wait;
        queue->last.stuck = now->stuck;
        queue->last.ring_full = now->ring_full;
        queue->last.poll_empty = now->poll_empty;
        queue->last.drops = now->drops;
        queue->sampled_epoch = host->epoch;
        queue->sampled_usec = host->now_usec;
}

static void queue_start_anew(struct queue *queue) {
        queue->n_samples = 1;
        queue->load = queue->wait_share = 0;
        queue->load_average = -1;
        queue->bytes_per_second = queue->packets_per_second = queue->works_per_second = 0;
        queue->stuck_per_second = queue->ring_full_per_second = queue->poll_empty_per_second = queue->drops_per_second = 0;
}

/* `went_back` is set, never cleared. A counter that the kernel does not have gives 0. */
static inline uint64_t delta_of(uint32_t fields, uint32_t field, uint64_t now, uint64_t last, bool *went_back) {
        if ((fields & field) == 0)
                return 0;
        struct counter_delta delta = counter_delta(now, last);
        *went_back |= !delta.valid;
        return delta.delta;
}

static void derive_queue(const struct host *host, struct queue *queue) {
        const struct iocore_queue *now = &queue->pub;
        uint32_t fields = now->fields;
        bool went_back = now->clock < queue->last.clock;

        if (queue->n_samples == 0 || went_back || host->epoch - queue->sampled_epoch > GAP_MAX) {
                queue_start_anew(queue);
                queue_keep_sample(host, queue);
                return;
        }
        /* Sampled twice in one epoch (a client asked): the later sample counts with the next epoch. */
        if (host->now_usec <= queue->sampled_usec)
                return;

        uint64_t busy = delta_of(fields, IOCORE_QUEUE_BUSY, now->busy, queue->last.busy, &went_back);
        uint64_t wait = delta_of(fields, IOCORE_QUEUE_WAIT, now->wait, queue->last.wait, &went_back);
        uint64_t bytes = delta_of(fields, IOCORE_QUEUE_BYTES, now->bytes, queue->last.bytes, &went_back);
        uint64_t packets = delta_of(fields, IOCORE_QUEUE_PACKETS, now->packets, queue->last.packets, &went_back);
        uint64_t works = delta_of(fields, IOCORE_QUEUE_WORKS, now->works, queue->last.works, &went_back);
        uint64_t stuck = delta_of(fields, IOCORE_QUEUE_STUCK, now->stuck, queue->last.stuck, &went_back);
        uint64_t ring_full = delta_of(fields, IOCORE_QUEUE_RING_FULL, now->ring_full, queue->last.ring_full, &went_back);
        uint64_t poll_empty = delta_of(fields, IOCORE_QUEUE_POLL_EMPTY, now->poll_empty, queue->last.poll_empty, &went_back);
        uint64_t drops = delta_of(fields, IOCORE_QUEUE_DROPS, now->drops, queue->last.drops, &went_back);

        if (went_back) {
                queue_start_anew(queue);
                queue_keep_sample(host, queue);
                return;
        }
        double per_second = 1e6 / (double) (host->now_usec - queue->sampled_usec);
        queue->n_samples = 2;
        queue->load = share(busy, now->clock - queue->last.clock);
        queue->load_average = ewma(queue->load_average, queue->load, host->ewma_weight);
        queue->wait_share = wait > 0 ? (double) wait / ((double) wait + (double) busy) : 0;
        queue->bytes_per_second = (double) bytes * per_second;
        queue->packets_per_second = (double) packets * per_second;
        queue->works_per_second = (double) works * per_second;
        queue->stuck_per_second = (double) stuck * per_second;
        queue->ring_full_per_second = (double) ring_full * per_second;
        queue->poll_empty_per_second = (double) poll_empty * per_second;
        queue->drops_per_second = (double) drops * per_second;
        queue_keep_sample(host, queue);
}

static bool queue_was_sampled(const struct queue *queue) {
        return queue->pub.clock != queue->last.clock;
}

/* A counting sort by unit. */
static void regroup_queues(struct host *host) {
        for (size_t i = 0; i < host->n_units; i++) {
                host->units[i]->n_queues = 0;
                host->units[i]->counts_bytes = false;
        }
        host->n_queues_without_unit = 0;
        for (size_t i = 0; i < host->n_queues; i++) {
                struct unit *unit = (struct unit *) host->queues[i]->pub.unit;
                host->queues[i]->place = i;
                host->queue_sampled[i] = host->queues[i]->sampled_epoch == host->epoch;
                if (unit) {
                        unit->n_queues++;
                        unit->counts_bytes |= (host->queues[i]->pub.fields & IOCORE_QUEUE_BYTES) != 0;
                } else
                        host->queues_by_unit[host->n_queues_without_unit++] = host->queues[i];
        }
        size_t next = host->n_queues_without_unit;
        for (size_t i = 0; i < host->n_units; i++) {
                host->units[i]->first_queue = next;
                next += host->units[i]->n_queues;
                host->units[i]->n_queues = 0;
        }
        for (size_t i = 0; i < host->n_queues; i++) {
                struct unit *unit = (struct unit *) host->queues[i]->pub.unit;
                if (unit)
                        host->queues_by_unit[unit->first_queue + unit->n_queues++] = host->queues[i];
        }
        host->queues_regrouped = true;
}

/* So many queues before a queue's turn its cache lines are asked for: with a thousand of them nothing is in the nearest cache any more. */
#define QUEUES_AHEAD 2
#define CACHE_LINE 64

static inline void prefetch_queue(const struct host *host, size_t place) {
        if (place >= host->n_queues)
                return;
        const char *queue = (const char *) host->queues_by_unit[place];
        for (size_t i = 0; i < sizeof(struct queue); i += CACHE_LINE)
                __builtin_prefetch(queue + i, 1);
}

/* What the queues of one unit say together. */
struct queue_sums {
        double load, bytes_per_second;
        bool load_known;    /* a queue has a busy counter with two samples */
        bool first_samples; /* a queue was sampled for the first time */
};

static struct queue_sums derive_queues(struct host *host, const struct unit *unit, bool worker_is_busy) {
        struct queue_sums sums = { 0 };

        if (unit->n_queues == 0)
                return sums;
        struct queue **queues = host->queues_by_unit + unit->first_queue;
        /* The queues of an idle worker are read only when somebody asks for everything, and then all of a unit's. */
        if (!worker_is_busy && (!host->idle_queues_sampled || !queue_was_sampled(queues[0])))
                return sums;
        for (size_t i = 0; i < unit->n_queues; i++) {
                struct queue *queue = queues[i];
                prefetch_queue(host, unit->first_queue + i + QUEUES_AHEAD);
                if (queue_was_sampled(queue)) {
                        derive_queue(host, queue);
                        host->queue_sampled[queue->place] = true;
                }
                if (queue->sampled_epoch != host->epoch)
                        continue;
                if (queue->n_samples < 2) {
                        sums.first_samples = true;
                        continue;
                }
                sums.load_known |= (queue->pub.fields & IOCORE_QUEUE_BUSY) != 0;
                sums.load += queue->load;
                sums.bytes_per_second += queue->bytes_per_second;
        }
        return sums;
}

static void derive_unit_load(struct host *host, struct unit *unit) {
        const struct worker *worker = (const struct worker *) unit->pub.worker;
        bool worker_known = worker && worker->n_samples >= 2;
        bool worker_is_busy = worker && host_worker_is_busy(host, worker);
        struct queue_sums sums = derive_queues(host, unit, worker_is_busy);

        unit->bytes_per_second = sums.bytes_per_second;
        if (host->n_domains > 0)
                host_find_unit_domain(host, unit);
        if (unit->domain && host->n_domains_stopped > 0 && unit->domain->pub.state != IOCORE_DOMAIN_RUNNING) {
                unit->load = unit->bytes_per_second = 0;
                unit->rates_valid = true;
        } else if (sums.load_known) {
                unit->load = sums.load;
                unit->rates_valid = !sums.first_samples;
        } else if (worker_known && worker->n_units == 1) {
                unit->load = worker->load;
                unit->rates_valid = true;
        } else {
                /* One of several on an idle worker does next to nothing; on a busy one nobody knows. */
                unit->load = 0;
                unit->rates_valid = worker_known && !worker_is_busy;
        }
        unit->nsec_per_byte = unit->rates_valid && unit->counts_bytes && unit->bytes_per_second > 0 ? unit->load * 1e9 / unit->bytes_per_second : 0;
        if (unit->rates_valid)
                unit->load_average = ewma(unit->load_average, unit->load, host->ewma_weight);
}

static void derive_domains(struct host *host) {
        host->n_domains_stopped = 0;
        for (size_t i = 0; i < host->n_domains; i++) {
                struct domain *domain = host->domains[i];
                if (domain->pub.state != IOCORE_DOMAIN_RUNNING)
                        host->n_domains_stopped++;
                if (domain->last_pid != domain->pub.pid) {
                        domain->last_pid = domain->pub.pid;
                        host->domains_regrouped = false;
                }
                if (domain->derived && domain->last_state == domain->pub.state && domain->last_node == domain->pub.node &&
                    domain->last_n_vcpus == domain->pub.n_vcpus)
                        continue;
                /* Without memory for it policies see the change in the model all the same. */
                if (domain->derived)
                        (void) host_event_add(host, HOST_DOMAIN_CHANGED, domain->pub.id);
                domain->derived = true;
                domain->last_state = domain->pub.state;
                domain->last_node = domain->pub.node;
                domain->last_n_vcpus = domain->pub.n_vcpus;
        }
        if (!host->domains_regrouped)
                host_regroup_domains(host);
}

static void place_units(struct host *host) {
        for (size_t i = 0; i < host->n_workers; i++)
                host->workers[i]->n_units = 0;
        for (size_t i = 0; i < host->n_cpus; i++)
                host->cpus[i].n_units = 0;
        for (size_t i = 0; i < host->n_units; i++) {
                struct unit *unit = host->units[i];
                struct worker *worker = (struct worker *) unit->pub.worker;
                struct cpu *cpu = worker ? host_cpu(host, worker->pub.cpu) : NULL;

                unit->core = IOCORE_CPU_ANY;
                if (worker)
                        worker->n_units++;
                if (cpu && cpu->io_core) {
                        unit->core = cpu->topology->cpu;
                        cpu->n_units++;
                }
        }
}

/* One that counts for several units of a device (a tap for all of its queue pairs). */
static void derive_queue_without_unit(struct host *host, struct queue *queue) {
        struct device *device = (struct device *) queue->pub.device;

        if (!queue_was_sampled(queue))
                return;
        derive_queue(host, queue);
        host->queue_sampled[queue->place] = true;
        if (device && (queue->pub.fields & IOCORE_QUEUE_BYTES) && queue_rates_valid(host, queue))
                device->shared_bytes_epoch = host->epoch;
}

static void derive_units(struct host *host) {
        for (size_t i = 0; i < host->n_nodes; i++) {
                struct node *node = &host->nodes[i];
                node->n_units = 0;
                node->unplaced_load = 0;
                node->n_units_unplaced = node->n_units_unplaced_known = 0;
        }
        for (size_t i = 0; i < host->n_queues_without_unit; i++)
                derive_queue_without_unit(host, host->queues_by_unit[i]);
        for (size_t i = 0; i < host->n_units; i++) {
                struct unit *unit = host->units[i];
                struct node *node = host_unit_node(host, unit);

                derive_unit_load(host, unit);
                if (!node)
                        continue;
                node->n_units++;
                /* What nobody may move is no reason to have an I/O core. */
                if (unit->core == IOCORE_CPU_ANY && !host_unit_is_left_alone(unit)) {
                        node->unplaced_load += unit->load;
                        node->n_units_unplaced++;
                        node->n_units_unplaced_known += unit->rates_valid;
                }
        }
}

/* A core's load is that of the workers on it: the one that was made for it, or each thread that is bound to it and has units. The thread of a shut-off
 * VM has no load of its own, so for threads this is the sum over units, and it holds too where one thread has several. */
static void derive_cores(struct host *host) {
        for (size_t i = 0; i < host->n_cpus; i++) {
                struct cpu *cpu = &host->cpus[i];
                if (!cpu->io_core)
                        continue;
                cpu->load = cpu->worker ? cpu->worker->load : 0;
                cpu->wait = cpu->worker ? cpu->worker->wait : 0;
                cpu->load_valid = !cpu->worker || cpu->worker->n_samples >= 2;
        }
        for (size_t i = 0; i < host->n_workers; i++) {
                const struct worker *worker = host->workers[i];
                struct cpu *cpu = host_cpu(host, worker->pub.cpu);
                if (!cpu || !cpu->io_core || cpu->worker == worker || worker->n_units == 0)
                        continue;
                cpu->load += worker->load;
                cpu->wait += worker->wait;
                cpu->load_valid &= worker->n_samples >= 2;
        }
        for (size_t i = 0; i < host->n_cpus; i++) {
                struct cpu *cpu = &host->cpus[i];
                if (!cpu->io_core)
                        continue;
                cpu->wait_share = wait_share(cpu->wait, cpu->load);
                if (cpu->load_valid)
                        cpu->load_average = ewma(cpu->load_average, cpu->load, host->ewma_weight);
        }
}

static void derive_nodes(struct host *host) {
        for (size_t i = 0; i < host->n_nodes; i++) {
                struct node *node = &host->nodes[i];
                node->n_io_cores = node->n_vm_cores = 0;
                node->io_load = node->vm_idle = 0;
                node->vm_sampled = false;
                node->io_load_valid = true;
        }
        for (size_t i = 0; i < host->n_cpus; i++) {
                const struct cpu *cpu = &host->cpus[i];
                struct node *node = cpu->node;
                if (!node || !cpu->topology->online)
                        continue;
                if (cpu->io_core) {
                        node->n_io_cores++;
                        node->io_load += cpu->load;
                        node->io_load_valid &= cpu->load_valid;
                        continue;
                }
                node->n_vm_cores++;
                if (cpu->sampled) {
                        node->vm_sampled = true;
                        node->vm_idle += 1 - cpu->busy_share;
                }
        }
        for (size_t i = 0; i < host->n_nodes; i++) {
                struct node *node = &host->nodes[i];
                double idle = (double) node->n_io_cores - node->io_load;
                node->io_idle = idle > 0 ? idle : 0;
                if (node->io_load_valid)
                        node->io_load_average = ewma(node->io_load_average, node->io_load, host->ewma_weight);
                /* New units, not known yet, must not stop the average of the others; but before anything is known there is none. */
                if (node->n_units_unplaced == 0 || node->n_units_unplaced_known > 0)
                        node->unplaced_load_average = ewma(node->unplaced_load_average, node->unplaced_load, host->ewma_weight);
        }
}

void host_derive(struct host *host) {
        if (!host->queues_regrouped)
                regroup_queues(host);
        derive_domains(host);
        place_units(host);
        derive_units(host);
        derive_cores(host);
        derive_nodes(host);
}

int host_cpu_sample(struct host *host, int number, uint64_t busy, uint64_t total) {
        struct cpu *cpu = host_cpu(host, number);
        if (!cpu)
                return -EINVAL;
        struct counter_delta busy_delta = counter_delta(busy, cpu->last_busy);
        struct counter_delta total_delta = counter_delta(total, cpu->last_total);
        bool first = cpu->total == 0;

        cpu->busy = busy;
        cpu->total = total;
        /* Shorter than the kernel's clock tick: keep what is known and let the time add up. */
        if (!first && total_delta.valid && total_delta.delta == 0)
                return 0;
        cpu->last_busy = busy;
        cpu->last_total = total;
        cpu->sampled = !first && busy_delta.valid && total_delta.valid;
        if (cpu->sampled) {
                double value = (double) busy_delta.delta / (double) total_delta.delta;
                cpu->busy_share = value < 1 ? value : 1;
        }
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One slice of the model's time: guests make requests, CPUs are shared by workers, workers by queues. Integers only: a run is the same
 * on every machine. Products that could leave 64 bits go through scale().
 */
#include "model-internal.h"

/* Two busy threads of one core do about 1.3 times the work of one: each gets 65 % of its speed, so its work takes 1 / 0.65 = 1.54 times as long. */
#define SMT_SLOWER_SHARE 553u
/* Cycles of one turn of a worker's loop besides its works. */
#define LOOP_CYCLES 20u
/* vCPUs that get less CPU make fewer requests, but never none: a host that is starved still has to show its load. */
#define SUPPLY_MIN_SHARE 64u
#define FRACTION 1000000u /* of a request, kept from slice to slice */
#define STUCK_WEIGHT 4u   /* a queue that was found stuck is served before others for a slice */

static uint64_t scale(uint64_t value, uint64_t numerator, uint64_t denominator) {
        return (uint64_t) ((unsigned __int128) value * numerator / denominator);
}

static uint64_t slice_cycles(const struct model *model) {
        return model->scenario->quantum_usec * model->scenario->topology.cycles_per_usec;
}

/* xorshift64*; each queue has its own, so that one more queue does not change the others' load. */
static uint64_t random_share(struct model_queue *queue) {
        queue->random ^= queue->random >> 12;
        queue->random ^= queue->random << 25;
        queue->random ^= queue->random >> 27;
        return (queue->random * 0x2545f4914f6cdd1du) >> 54; /* 0 .. 1023 */
}

static uint64_t current_rate(const struct model *model, const struct model_queue *queue) {
        const struct scenario_load *load = queue->load;
        uint64_t passed = model->now_usec - queue->ramp_start_usec;

        if (passed >= load->ramp_usec)
                return load->rate;
        if (load->rate >= queue->ramp_from)
                return queue->ramp_from + scale(load->rate - queue->ramp_from, passed, load->ramp_usec);
        return queue->ramp_from - scale(queue->ramp_from - load->rate, passed, load->ramp_usec);
}

/* Phases that have begun since the last slice. */
static void apply_loads(const struct model *model, struct model_device *device) {
        const struct scenario_device *scenario = device->scenario;

        for (; device->next_load < scenario->n_loads && scenario->loads[device->next_load].at_usec <= model->now_usec; device->next_load++) {
                const struct scenario_load *load = scenario->loads + device->next_load;
                for (size_t i = 0; i < device->n_queues; i++) {
                        struct model_queue *queue = device->queues + i;
                        if (load->queue != SCENARIO_ALL_QUEUES && (size_t) load->queue != i)
                                continue;
                        queue->ramp_from = queue->load ? current_rate(model, queue) : 0;
                        queue->ramp_start_usec = load->at_usec;
                        queue->load = load;
                }
        }
}

/* What makes a worker's work on this device take longer, 1024 = as written: memory of the other node, a busy SMT sibling. */
static uint64_t slowness_share(const struct model *model, const struct model_worker *worker, const struct model_device *device) {
        const unsigned threads = model->scenario->topology.threads_per_core;
        uint64_t share = SCENARIO_SHARE;

        if (worker->cpu < 0)
                return share;
        if (model->cpus[worker->cpu].node != device->vm->scenario->node)
                share += device->scenario->costs.remote_share;
        int first = worker->cpu - worker->cpu % (int) threads;
        uint64_t siblings = 0;
        for (int cpu = first; cpu < first + (int) threads; cpu++)
                if (cpu != worker->cpu)
                        siblings += model->cpus[cpu].used;
        return share + scale(SMT_SLOWER_SHARE, minimum(siblings, slice_cycles(model)), slice_cycles(model));
}

static uint64_t request_cost(const struct scenario_costs *costs, uint64_t bytes, uint64_t slowness) {
        uint64_t cost = scale(costs->request + bytes * costs->byte_share / SCENARIO_SHARE, slowness, SCENARIO_SHARE);

        return cost ? cost : 1;
}

/* Requests that the guest makes in this slice. `cost`: of one request. */
static uint64_t arrivals(const struct model *model, struct model_queue *queue, const struct model_worker *worker, uint64_t cost) {
        const struct scenario_load *load = queue->load;
        const struct model_vm *vm = queue->device->vm;
        const struct scenario_costs *costs = &queue->device->scenario->costs;
        const uint64_t quantum = model->scenario->quantum_usec, per_usec = model->scenario->topology.cycles_per_usec;
        uint64_t supply = model->nodes[vm->scenario->node].supply_share, parts, taken = 0, n;

        if (!load || vm->state != MODEL_VM_RUNNING)
                return 0;
        if (load->in_flight > 0) {
                /* one round: the guest thinks, notifies (unless it is polled), is served */
                uint64_t latency = queue->poll ? 0 : scale(costs->kick + costs->exit, SCENARIO_SHARE - worker->utilisation, SCENARIO_SHARE);
                uint64_t round_nsec = load->think_usec * 1000 + (latency + cost) * 1000 / per_usec;
                uint64_t requests = load->in_flight;
                round_nsec = scale(round_nsec, SCENARIO_SHARE, supply);
                if (round_nsec >= quantum * 1000)
                        requests -= minimum(queue->pending, requests);
                else
                        taken = queue->pending; /* each goes round more than once in this slice; those in the ring are among them */
                parts = scale(requests, quantum * 1000 * FRACTION, round_nsec);
        } else {
                uint64_t rate = scale(scale(current_rate(model, queue), model->load_share, SCENARIO_SHARE), supply, SCENARIO_SHARE);
                parts = rate * quantum;
        }
        if (load->noise_share > 0)
                parts = scale(parts, SCENARIO_SHARE - load->noise_share + load->noise_share * random_share(queue) * 2 / SCENARIO_SHARE, SCENARIO_SHARE);
        parts += queue->arrival_rest;
        queue->arrival_rest = parts % FRACTION;
        n = parts / FRACTION;
        n -= minimum(n, taken);
        /* more than twice of what a core could do in a slice is lost anyway, and would only make the numbers below long */
        uint64_t most = 2 * slice_cycles(model) / cost + queue->device->scenario->ring;
        if (n > most) {
                queue->dropped += n - most;
                n = most;
        }
        return n;
}

static uint64_t turn_cost(const struct model_worker *worker, const struct scenario_costs *costs, bool many_owners) {
        return costs->turn + (many_owners ? costs->mm_switch : 0) + (worker->cpu < 0 ? costs->roam : 0);
}

/*
 * A queue's wish for this slice. A notified worker turns notifications off while it works, so only requests that come while it is idle kick; the
 * busier it is, the more requests each kick or look at the queue brings.
 */
static void prepare_queue(struct model *model, struct model_worker *worker, struct model_queue *queue, uint64_t slowness, bool many_owners, bool still) {
        const struct scenario_costs *costs = &queue->device->scenario->costs;
        uint64_t bytes = queue->load ? queue->load->bytes : 0, cost = request_cost(costs, bytes, slowness);
        uint64_t new = arrivals(model, queue, worker, cost), idle_share = SCENARIO_SHARE - worker->utilisation, limit_turns;

        queue->demand = queue->granted = queue->kicks = queue->turns = 0;
        if (new == 0 && queue->pending == 0)
                return;
        if (new > 0 && !queue->poll) {
                queue->kicks = scale(new, idle_share, SCENARIO_SHARE);
                if (queue->kicks == 0 && queue->pending == 0)
                        queue->kicks = 1;
                queue->device->vm->exit_cycles += minimum(queue->kicks * costs->exit, (uint64_t) queue->device->vm->scenario->n_vcpus * slice_cycles(model));
        }
        queue->pending += new;
        if (still)
                return;
        uint64_t limit = (uint64_t) queue->max_processed_data_limit > bytes ? (uint64_t) queue->max_processed_data_limit : bytes;
        limit_turns = limit ? (queue->pending * bytes + limit - 1) / limit : 1;
        queue->turns = queue->poll ? scale(queue->pending, idle_share, SCENARIO_SHARE) : queue->kicks;
        if (queue->turns < limit_turns)
                queue->turns = limit_turns;
        if (queue->turns == 0)
                queue->turns = 1;
        queue->demand = queue->pending * cost +
                        scale(queue->turns * (turn_cost(worker, costs, many_owners) + (queue->poll ? costs->poll : 0)) + queue->kicks * costs->kick, slowness,
                              SCENARIO_SHARE);
}

static void prepare_worker(struct model *model, struct model_worker *worker) {
        bool many_owners = false;

        worker->demand = worker->budget = 0;
        worker->polls = false;
        for (size_t i = 1; i < worker->n_devices && !many_owners; i++)
                many_owners = worker->devices[i]->vm != worker->devices[0]->vm;
        for (size_t i = 0; i < worker->n_devices; i++) {
                struct model_device *device = worker->devices[i];
                bool still = device->moving || device->still_until_usec > model->now_usec;
                uint64_t slowness = slowness_share(model, worker, device);
                apply_loads(model, device);
                for (size_t j = 0; j < device->n_queues; j++) {
                        prepare_queue(model, worker, device->queues + j, slowness, many_owners, still);
                        /* only compared with the slice: more than some slices is as good as more, and sums of the largest costs stay in 64 bits */
                        worker->demand += minimum(device->queues[j].demand, 4 * slice_cycles(model));
                        worker->polls |= device->queues[j].poll && !still;
                }
        }
        if (worker->polls && worker->demand < slice_cycles(model))
                worker->demand = slice_cycles(model);
}

/* Shares each CPU among the workers that are bound to it: small wishes are granted, the large ones share evenly what is left. */
static void share_cpus(struct model *model) {
        const uint64_t slice = slice_cycles(model);

        for (size_t i = 0; i < model->n_workers; i++) {
                struct model_worker *worker = model->workers[i];
                if (worker->cpu >= 0 && worker->demand > 0)
                        model->cpus[worker->cpu].n_active++;
        }
        for (size_t i = 0; i < model->n_workers; i++) {
                struct model_worker *worker = model->workers[i];
                struct model_cpu *cpu = worker->cpu >= 0 ? model->cpus + worker->cpu : NULL;
                if (!cpu || worker->demand == 0)
                        continue;
                if (worker->demand <= slice / cpu->n_active)
                        cpu->small_demand += worker->demand;
                else
                        cpu->n_big++;
        }
        for (size_t i = 0; i < model->n_workers; i++) {
                struct model_worker *worker = model->workers[i];
                struct model_cpu *cpu = worker->cpu >= 0 ? model->cpus + worker->cpu : NULL;
                if (!cpu || worker->demand == 0)
                        continue;
                worker->budget = worker->demand <= slice / cpu->n_active ? slice / cpu->n_active : (slice - cpu->small_demand) / cpu->n_big;
        }
}

/* Workers without a CPU run on the VM cores and compete with vCPUs there. */
static void share_vm_cores(struct model *model) {
        const uint64_t slice = slice_cycles(model), capacity = model->n_vm_cores * slice;
        uint64_t wanted = 0, budget = slice;

        for (size_t i = 0; i < model->n_nodes; i++)
                wanted += model->nodes[i].vcpu_demand;
        for (size_t i = 0; i < model->n_workers; i++)
                if (model->workers[i]->cpu < 0)
                        wanted += minimum(model->workers[i]->demand, slice);
        if (model->n_vm_cores == 0)
                budget = slice / 8; /* the scheduler squeezes them in on the I/O cores */
        else if (wanted > capacity)
                budget = scale(slice, capacity, wanted);
        for (size_t i = 0; i < model->n_workers; i++)
                if (model->workers[i]->cpu < 0)
                        model->workers[i]->budget = budget;
}

/* Splits a worker's budget among its queues by weight (the bytes that a turn may serve); what one does not need goes to the others. */
static uint64_t queue_weight(const struct model_queue *queue) {
        uint64_t weight = (uint64_t) queue->max_processed_data_limit;

        if (weight < 1500)
                weight = 1500;
        if (weight > 524288)
                weight = 524288;
        return queue->stuck ? weight * STUCK_WEIGHT : weight;
}

static uint64_t grant(struct model_worker *worker, uint64_t budget) {
        uint64_t left = budget;
        bool satisfied = true;

        while (satisfied && left > 0) {
                uint64_t weights = 0, before = left;
                satisfied = false;
                for (size_t i = 0; i < worker->n_devices; i++)
                        for (size_t j = 0; j < worker->devices[i]->n_queues; j++) {
                                const struct model_queue *queue = worker->devices[i]->queues + j;
                                if (queue->granted < queue->demand)
                                        weights += queue_weight(queue);
                        }
                if (weights == 0)
                        break;
                for (size_t i = 0; i < worker->n_devices; i++)
                        for (size_t j = 0; j < worker->devices[i]->n_queues; j++) {
                                struct model_queue *queue = worker->devices[i]->queues + j;
                                uint64_t missing = queue->demand - queue->granted;
                                if (missing == 0)
                                        continue;
                                uint64_t share = minimum(scale(before, queue_weight(queue), weights), left);
                                satisfied |= missing <= share;
                                queue->granted += minimum(missing, share);
                                left -= minimum(missing, share);
                        }
        }
        return budget - left;
}

static void count_stuck(struct model *model, struct model_worker *worker, struct model_queue *queue, uint64_t now) {
        uint64_t slice = slice_cycles(model);

        queue->stuck = false;
        if (queue->pending == 0) {
                queue->waiting_since = 0;
                return;
        }
        if (queue->waiting_since == 0) {
                queue->waiting_since = now;
                return;
        }
        if (queue->max_stuck_cycles < 0 || queue->pending <= (uint64_t) queue->max_stuck_pending_items ||
            now - queue->waiting_since < (uint64_t) queue->max_stuck_cycles)
                return;
        queue->stuck = true;
        queue->counters.stuck_times++;
        queue->counters.stuck_cycles += slice;
        worker->counters.stuck_works++;
}

/* Serves what was granted, and counts. */
static void serve_queue(struct model *model, struct model_worker *worker, struct model_queue *queue, uint64_t used, uint64_t now) {
        const uint64_t slice = slice_cycles(model), ring = queue->device->scenario->ring;
        uint64_t bytes = queue->load ? queue->load->bytes : 0, served, turns, wait;

        if (queue->pending == 0)
                return;
        served = queue->demand == 0 ? 0 : scale(queue->pending, queue->granted, queue->demand);
        turns = served == 0 ? 0 : scale(queue->turns, queue->granted, queue->demand);
        if (served > 0 && turns == 0)
                turns = 1;
        queue->pending -= served;
        if (queue->load && queue->load->in_flight > 0)
                queue->pending = minimum(queue->pending, queue->load->in_flight);
        if (queue->pending > ring) {
                queue->counters.ring_full++;
                queue->dropped += queue->pending - ring;
                queue->pending = ring;
        }
        wait = queue->pending > 0 ? slice : minimum(slice, (used - queue->granted) / 2);
        uint64_t limited = turns > 0 && served * bytes > (uint64_t) queue->max_processed_data_limit ? turns - 1 : 0;
        if (queue->poll) {
                queue->counters.poll_kicks += turns;
                queue->counters.poll_cycles += queue->granted;
                queue->counters.poll_bytes += served * bytes;
                queue->counters.poll_wait += wait;
                queue->counters.poll_pending_cycles += wait;
                queue->counters.poll_limited += limited;
                if (turns > 0 && served * bytes / turns < (uint64_t) queue->min_processed_data_limit)
                        queue->counters.poll_coalesced++;
        } else {
                queue->counters.notif_works += turns;
                queue->counters.notif_cycles += queue->granted;
                queue->counters.notif_bytes += served * bytes;
                queue->counters.notif_wait += wait;
                queue->counters.notif_limited += limited;
        }
        queue->counters.handled_bytes += served * bytes;
        queue->counters.handled_packets += served;
        if (turns > 0)
                queue->counters.last_handled_bytes = served * bytes / turns;
        worker->counters.loops += turns;
        worker->counters.mm_switches += worker->n_devices > 1 ? turns : 0;
        worker->counters.enabled_interrupts += queue->kicks;
        worker->counters.pending_works += queue->pending > 0;
        worker->counters.ksoftirqs += served / 64; /* a NAPI budget's worth of packets each */
        count_stuck(model, worker, queue, now);
}

/* Polls that find nothing fill what is left of a polling worker's time. Returns the cycles spent. */
static uint64_t poll_empty(struct model_worker *worker, uint64_t left, uint64_t now) {
        uint64_t n_polled = 0, spent = 0;

        for (size_t i = 0; i < worker->n_devices; i++)
                for (size_t j = 0; j < worker->devices[i]->n_queues; j++)
                        n_polled += worker->devices[i]->queues[j].poll;
        if (n_polled == 0)
                return 0;
        for (size_t i = 0; i < worker->n_devices; i++)
                for (size_t j = 0; j < worker->devices[i]->n_queues; j++) {
                        struct model_queue *queue = worker->devices[i]->queues + j;
                        uint64_t polls;
                        if (!queue->poll)
                                continue;
                        queue->counters.last_poll_cycles = now;
                        polls = left / n_polled / queue->device->scenario->costs.poll;
                        queue->counters.poll_empty += polls;
                        queue->counters.poll_empty_cycles += left / n_polled;
                        worker->counters.empty_polls += polls;
                        worker->counters.loops += polls;
                        spent += left / n_polled;
                }
        return spent;
}

static void run_worker(struct model *model, struct model_worker *worker) {
        const uint64_t slice = slice_cycles(model), now = model_cycles(model) + slice, loops = worker->counters.loops;
        uint64_t used = grant(worker, worker->budget), overhead;

        for (size_t i = 0; i < worker->n_devices; i++)
                for (size_t j = 0; j < worker->devices[i]->n_queues; j++)
                        serve_queue(model, worker, worker->devices[i]->queues + j, used, now);
        if (worker->polls)
                overhead = poll_empty(worker, worker->budget - used, now);
        else
                overhead = minimum((worker->counters.loops - loops) * LOOP_CYCLES, worker->budget - used);
        if (used == 0)
                worker->counters.empty_works++;
        worker->counters.total_work_cycles += used;
        worker->counters.cycles += overhead;
        worker->counters.wait += slice - used - overhead;
        if (minimum(worker->demand, slice) > worker->budget)
                worker->starved += minimum(worker->demand, slice) - worker->budget;
        /* smoothed over about eight slices: how busy a worker is decides how many requests come while it is idle, and that how busy it is */
        worker->utilisation = (worker->utilisation * 7 + (worker->budget ? scale(used, SCENARIO_SHARE, worker->budget) : 0) + 7) / 8;
        worker->used = used + overhead;
}

/* Which CPUs are left to vCPUs, and how much they want. An empty locked worker holds no CPU. */
static void begin_slice(struct model *model) {
        const uint64_t slice = slice_cycles(model);

        for (size_t i = 0; i < model->n_cpus; i++) {
                struct model_cpu *cpu = model->cpus + i;
                cpu->n_bound = cpu->n_active = cpu->n_big = 0;
                cpu->small_demand = 0;
        }
        for (size_t i = 0; i < model->n_workers; i++)
                if (model->workers[i]->cpu >= 0 && (!model->workers[i]->locked || model->workers[i]->n_devices > 0))
                        model->cpus[model->workers[i]->cpu].n_bound++;
        for (size_t i = 0; i < model->n_nodes; i++) {
                model->nodes[i].n_vm_cores = 0;
                model->nodes[i].vcpu_demand = 0;
        }
        model->n_vm_cores = 0;
        for (size_t i = 0; i < model->n_cpus; i++)
                if (model->cpus[i].n_bound == 0) {
                        model->nodes[model->cpus[i].node].n_vm_cores++;
                        model->n_vm_cores++;
                }
        for (size_t i = 0; i < model->scenario->n_vms; i++) {
                struct model_vm *vm = model->vms + i;
                if (vm->state == MODEL_VM_RUNNING)
                        model->nodes[vm->scenario->node].vcpu_demand +=
                                vm->scenario->n_vcpus * slice * vm->busy_share / SCENARIO_SHARE + minimum(vm->exit_cycles, vm->scenario->n_vcpus * slice);
                vm->exit_cycles = 0;
        }
}

static void account_cpus(struct model *model) {
        const uint64_t slice = slice_cycles(model);
        uint64_t unbound = 0;

        for (size_t i = 0; i < model->n_cpus; i++)
                model->cpus[i].used = 0;
        for (size_t i = 0; i < model->n_workers; i++) {
                const struct model_worker *worker = model->workers[i];
                if (worker->cpu < 0) {
                        unbound += worker->used;
                        continue;
                }
                model->cpus[worker->cpu].used += worker->used;
                model->cpus[worker->cpu].worker_cycles += worker->used;
        }
        uint64_t unbound_each = model->n_vm_cores ? minimum(unbound / model->n_vm_cores, slice) : 0;
        for (size_t i = 0; i < model->n_nodes; i++) {
                struct node_run *node = model->nodes + i;
                uint64_t supply = node->n_vm_cores * (slice - unbound_each);
                node->supply_share = node->vcpu_demand <= supply ? SCENARIO_SHARE : scale(SCENARIO_SHARE, supply, node->vcpu_demand);
                if (node->supply_share < SUPPLY_MIN_SHARE)
                        node->supply_share = SUPPLY_MIN_SHARE;
        }
        for (size_t i = 0; i < model->n_cpus; i++) {
                struct model_cpu *cpu = model->cpus + i;
                const struct node_run *node = model->nodes + cpu->node;
                if (cpu->n_bound > 0)
                        continue;
                uint64_t vcpus = minimum(node->vcpu_demand / node->n_vm_cores, slice - minimum(slice, unbound_each + cpu->used));
                cpu->worker_cycles += unbound_each;
                cpu->vcpu_cycles += vcpus;
                cpu->used += unbound_each + vcpus;
        }
}

void model_run_slice(struct model *model) {
        begin_slice(model);
        for (size_t i = 0; i < model->n_workers; i++)
                prepare_worker(model, model->workers[i]);
        share_cpus(model);
        share_vm_cores(model);
        for (size_t i = 0; i < model->n_workers; i++)
                run_worker(model, model->workers[i]);
        account_cpus(model);
}

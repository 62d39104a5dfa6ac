/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trials. What is observed each epoch, over the whole host:
 *
 *   cycles_per_byte   busy time of all queues (of the worker that serves them alone, where the kernel does not tell of queues) per byte that they handled, in
 *                     nanoseconds; its load is bytes per second
 *   worst_wait        largest share of the time that a queue's work waited (a worker's, where the kernel does not tell of queues); its load is the busy
 *                     time of all workers, in cores
 *   bytes_per_second  bytes per second and active queue; its load is the number of active queues
 *
 * A measure is of the host, so only trials that began in the same epoch run at the same time: nobody could say which of two changes made
 * the difference.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "daemon/cleanup.h"
#include "trial.h"

/* A change of less than one percent is not told from noise: the one published manager drew the line there too. */
#define LEAST_EFFECT 0.01

/* "Before" rests on at least so many observations. */
#define LEAST_OBSERVATIONS 3

struct observation {
        double value, load;
        bool valid;
};

/* A time-weighted mean. */
struct mean {
        double value, load;
        double usec;
        unsigned n;
};

struct trial {
        uint64_t decision_id;
        enum trial_measure measure;
        bool higher_is_better;
        double before, load_before;
};

struct trial_set {
        uint64_t settle_usec, measure_usec;
        uint64_t last_usec;                     /* of the newest observation; 0: none */
        struct mean recent[_TRIAL_MEASURE_MAX]; /* fades over measure_usec: "before" */

        /* the trials that run now, all begun in the same epoch */
        struct trial *trials;
        size_t n, allocated;
        uint64_t begin_usec;
        struct mean after[_TRIAL_MEASURE_MAX];
};

int trial_set_new(struct trial_set **ret, uint64_t settle_usec, uint64_t measure_usec) {
        struct trial_set *set = calloc(1, sizeof *set);
        if (!set)
                return -ENOMEM;
        set->settle_usec = settle_usec;
        set->measure_usec = measure_usec;
        *ret = set;
        return 0;
}

struct trial_set *trial_set_free(struct trial_set *set) {
        if (set) {
                free(set->trials);
                free(set);
        }
        return NULL;
}

/* --- observing */

struct queue_totals {
        double busy, bytes, served_bytes, worst_wait;
        size_t active;
        bool wait_known;
};

static void add_queue(struct queue_totals *totals, const struct queue *queue) {
        if (queue->pub.fields & IOCORE_QUEUE_BYTES) {
                totals->bytes += queue->bytes_per_second;
                if (queue->bytes_per_second > 0)
                        totals->active++;
                if (queue->pub.fields & IOCORE_QUEUE_BUSY) {
                        totals->busy += queue->load;
                        totals->served_bytes += queue->bytes_per_second;
                }
        }
        if (queue->pub.fields & IOCORE_QUEUE_WAIT) {
                totals->wait_known = true;
                if (queue->wait_share > totals->worst_wait)
                        totals->worst_wait = queue->wait_share;
        }
}

static bool counts_bytes_only(const struct queue *queue) {
        return (queue->pub.fields & (IOCORE_QUEUE_BYTES | IOCORE_QUEUE_BUSY)) == IOCORE_QUEUE_BYTES;
}

/* A worker that has this unit alone spends its time on it, whether its bytes are counted by queues of its own or by those that its device's units share. */
static void add_unit(struct queue_totals *totals, const struct host *host, const struct unit *unit) {
        const struct worker *worker = (const struct worker *) unit->pub.worker;
        const struct device *device = (const struct device *) unit->pub.device;
        bool worker_tells = worker && worker->n_samples >= 2 && worker->n_units == 1;
        bool of_worker = device && device->shared_bytes_epoch == host->epoch;

        for (size_t i = 0; i < unit->n_queues; i++) {
                const struct queue *queue = host->queues_by_unit[unit->first_queue + i];
                if (!queue_rates_valid(host, queue))
                        continue;
                add_queue(totals, queue);
                if (worker_tells && counts_bytes_only(queue)) {
                        totals->served_bytes += queue->bytes_per_second;
                        of_worker = true;
                }
        }
        if (worker_tells && of_worker)
                totals->busy += worker->load;
}

/* Queues of idle workers were not read in this epoch and are not looked at. */
static void observe_queues(const struct host *host, struct observation *observations) {
        struct queue_totals totals = { 0 };
        for (size_t i = 0; host->queues_regrouped && i < host->n_queues_without_unit; i++) {
                const struct queue *queue = host->queues_by_unit[i];
                if (!queue->pub.device || !queue_rates_valid(host, queue))
                        continue;
                add_queue(&totals, queue);
                if (counts_bytes_only(queue))
                        totals.served_bytes += queue->bytes_per_second;
        }
        for (size_t i = 0; host->queues_regrouped && i < host->n_units; i++) {
                const struct unit *unit = host->units[i];
                const struct worker *worker = (const struct worker *) unit->pub.worker;
                if (!worker || host_worker_is_busy(host, worker))
                        add_unit(&totals, host, unit);
        }
        if (totals.served_bytes > 0)
                observations[TRIAL_CYCLES_PER_BYTE] = (struct observation) { totals.busy * 1e9 / totals.served_bytes, totals.served_bytes, true };
        if (totals.active > 0)
                observations[TRIAL_BYTES_PER_SECOND] = (struct observation) { totals.bytes / (double) totals.active, (double) totals.active, true };
        observations[TRIAL_WORST_WAIT] = (struct observation) { .value = totals.worst_wait, .valid = totals.wait_known };
}

static void observe_workers(const struct host *host, struct observation *wait) {
        bool queues_tell = wait->valid;
        for (size_t i = 0; i < host->n_workers; i++) {
                const struct worker *worker = host->workers[i];
                if (worker->n_samples < 2)
                        continue;
                wait->load += worker->load;
                if (!queues_tell && worker->wait_share > wait->value)
                        wait->value = worker->wait_share;
                wait->valid = true;
        }
}

void trial_set_observe(struct trial_set *set, const struct host *host) {
        struct observation observations[_TRIAL_MEASURE_MAX] = { 0 };
        uint64_t now = host->now_usec, last = set->last_usec;

        set->last_usec = now;
        if (last == 0 || now <= last)
                return;
        observe_queues(host, observations);
        observe_workers(host, &observations[TRIAL_WORST_WAIT]);
        double elapsed = (double) (now - last);
        bool measuring = set->n > 0 && last >= set->begin_usec + set->settle_usec;
        for (size_t i = 0; i < _TRIAL_MEASURE_MAX; i++) {
                const struct observation *seen = &observations[i];
                struct mean *recent = &set->recent[i], *after = &set->after[i];
                if (!seen->valid || !isfinite(seen->value) || !isfinite(seen->load))
                        continue;
                double weight = set->measure_usec > 0 && recent->n > 0 ? 1 - exp(-elapsed / (double) set->measure_usec) : 1;
                recent->value += weight * (seen->value - recent->value);
                recent->load += weight * (seen->load - recent->load);
                recent->usec += elapsed;
                recent->n++;
                if (!measuring)
                        continue;
                after->value += (seen->value - after->value) * elapsed / (after->usec + elapsed);
                after->load += (seen->load - after->load) * elapsed / (after->usec + elapsed);
                after->usec += elapsed;
                after->n++;
        }
}

/* --- judging */

int trial_set_begin(struct trial_set *set, const struct host *host, uint64_t decision_id, enum trial_measure measure, bool higher_is_better) {
        if (measure <= TRIAL_NONE || measure >= _TRIAL_MEASURE_MAX)
                return -EINVAL;
        if (set->n > 0 && set->begin_usec != host->now_usec)
                return -EBUSY;
        const struct mean *recent = &set->recent[measure];
        if (recent->n < LEAST_OBSERVATIONS || recent->usec < (double) set->measure_usec)
                return -EAGAIN;
        if (set->n == set->allocated) {
                size_t allocated = set->allocated ? set->allocated * 2 : 4;
                struct trial *trials = reallocarray(set->trials, allocated, sizeof *trials);
                if (!trials)
                        return -ENOMEM;
                set->trials = trials;
                set->allocated = allocated;
        }
        if (set->n == 0) {
                set->begin_usec = host->now_usec;
                for (size_t i = 0; i < _TRIAL_MEASURE_MAX; i++)
                        set->after[i] = (struct mean) { 0 };
        }
        set->trials[set->n++] = (struct trial) { decision_id, measure, higher_is_better, recent->value, recent->load };
        return 0;
}

/* By how much `after` is more than `before`, as a share of `before`. */
static double relative_change(double before, double after) {
        if (before == after)
                return 0;
        return before != 0 ? (after - before) / fabs(before) : INFINITY;
}

static enum trial_verdict judge(const struct trial *trial, const struct mean *after) {
        if (after->n == 0)
                return TRIAL_INCONCLUSIVE; /* no load any more: nothing to measure */
        double effect = relative_change(trial->before, after->value);
        double load_moved = relative_change(trial->load_before, after->load);
        if (fabs(load_moved) > fabs(effect))
                return TRIAL_INCONCLUSIVE;
        double gain = trial->higher_is_better ? effect : -effect;
        return gain >= LEAST_EFFECT ? TRIAL_KEPT : TRIAL_UNDONE;
}

int trial_set_next_outcome(struct trial_set *set, const struct host *host, struct trial_outcome *ret) {
        if (set->n == 0 || host->now_usec < set->begin_usec + set->settle_usec + set->measure_usec)
                return 0;
        const struct trial *trial = &set->trials[--set->n];
        const struct mean *after = &set->after[trial->measure];
        *ret = (struct trial_outcome) {
                .decision_id = trial->decision_id,
                .verdict = judge(trial, after),
                .before = trial->before,
                .after = after->value,
                .load_before = trial->load_before,
                .load_after = after->load,
        };
        return 1;
}

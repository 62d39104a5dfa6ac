/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The model: its objects, and loads out of samples. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "daemon/cleanup.h"
#include "daemon/host/host.h"

#define EPOCH 100000u /* usec; also the ticks of an epoch in these tests' clocks */
#define ALL_FIELDS 0xffu
#define assert_near(a, b, tolerance) assert_true(fabs((double) (a) - (double) (b)) <= (tolerance))

/* The linker sends all allocations of this program through these (--wrap). */
static size_t n_allocations;
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_malloc(size_t size) {
        n_allocations++;
        return __real_malloc(size);
}
void *__wrap_calloc(size_t n, size_t size) {
        n_allocations++;
        return __real_calloc(n, size);
}
void *__wrap_realloc(void *p, size_t size) {
        n_allocations++;
        return __real_realloc(p, size);
}
void *__wrap_reallocarray(void *p, size_t n, size_t size) {
        n_allocations++;
        return __real_reallocarray(p, n, size);
}

static int plugins[2]; /* the model only compares their addresses */
#define ONE ((struct plugin_instance *) &plugins[0])
#define OTHER ((struct plugin_instance *) &plugins[1])

static struct host *new_host(const char *synthetic) {
        struct topology *topology;
        struct host *host;
        assert_int_equal(topology_new(&topology, "/", synthetic, NULL, NULL), 0);
        assert_int_equal(host_new(&host, topology), 0);
        host->ewma_weight = 0.5;
        return host;
}

static struct host *small_host(void) {
        return new_host("pack:2 numa:1 l3:1 core:2 pu:1"); /* nodes 0: CPUs 0-1, 1: CPUs 2-3 */
}

static struct worker *add_worker(struct host *host, const char *id, int cpu) {
        struct worker *worker = host_worker_add(host, ONE, id);
        assert_non_null(worker);
        worker->pub.cpu = cpu;
        return worker;
}

static struct unit *add_unit(struct host *host, const char *id, struct worker *worker) {
        struct unit *unit = host_unit_add(host, ONE, id);
        assert_non_null(unit);
        unit->pub.worker = &worker->pub;
        return unit;
}

static struct queue *add_queue(struct host *host, const char *id, struct unit *unit) {
        struct queue *queue = host_queue_add(host, ONE, id);
        assert_non_null(queue);
        queue->pub.unit = unit ? &unit->pub : NULL;
        queue->pub.fields = ALL_FIELDS;
        return queue;
}

static void sample_worker(struct worker *worker, double load, double wait) {
        worker->pub.clock += EPOCH;
        worker->pub.busy += (uint64_t) (load * EPOCH);
        worker->pub.wait += (uint64_t) (wait * EPOCH);
}

static void sample_queue(struct queue *queue, double load, uint64_t bytes) {
        queue->pub.clock += EPOCH;
        queue->pub.busy += (uint64_t) (load * EPOCH);
        queue->pub.bytes += bytes;
}

static void begin(struct host *host) {
        host_begin_epoch(host, host->now_usec + EPOCH);
}

static void derive(struct host *host) {
        host_derive_workers(host);
        host_derive(host);
}

static void ids_are_in_natural_order(void **state) {
        (void) state;
        static const char *const sorted[] = { "d.1", "d.2", "d.10", "vq.1.0", "vq.1.1", "vq.1.10", "vq.2.0", "vq.10.0", "w.2", "w.10" };
        for (size_t i = 0; i < ELEMENTSOF(sorted); i++)
                for (size_t j = 0; j < ELEMENTSOF(sorted); j++) {
                        int order = id_compare(sorted[i], sorted[j]);
                        assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
                }
        _cleanup_(host_freep) struct host *host = small_host();
        add_worker(host, "w.10", 1);
        add_worker(host, "w.2", 1);
        add_worker(host, "w.1", 1);
        assert_string_equal(host->workers[0]->pub.id, "w.1");
        assert_string_equal(host->workers[1]->pub.id, "w.2");
        assert_string_equal(host->workers[2]->pub.id, "w.10");
}

static void adding_an_id_again_finds_the_object_but_not_for_another_plugin(void **state) {
        (void) state;
        _cleanup_(host_freep) struct host *host = small_host();
        struct device *device = host_device_add(host, ONE, "d.1");
        assert_ptr_equal(host_device_add(host, ONE, "d.1"), device);
        assert_int_equal(host->n_devices, 1);
        errno = 0;
        assert_null(host_device_add(host, OTHER, "d.1"));
        assert_int_equal(errno, EEXIST);
        assert_ptr_equal(host_device(host, "d.1"), device);
        assert_null(host_device(host, "d.2"));
}

static void ids_that_are_none_are_refused(void **state) {
        (void) state;
        _cleanup_(host_freep) struct host *host = small_host();
        static const char *const bad[] = { "", "a b", "a/b", "w.1\n", "\xc3\xa4", "0123456789012345678901234567890x" };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                errno = 0;
                assert_null(host_worker_add(host, ONE, bad[i]));
                assert_int_equal(errno, EINVAL);
                assert_null(host_device_add(host, ONE, bad[i]));
                assert_null(host_unit_add(host, ONE, bad[i]));
                assert_null(host_queue_add(host, ONE, bad[i]));
        }
        assert_int_equal(host->n_workers + host->n_devices + host->n_units + host->n_queues, 0);
        assert_non_null(host_worker_add(host, ONE, "0123456789012345678901234567890"));
        assert_null(host_domain_add(host, ONE, "line\nbreak"));
        assert_null(host_domain_add(host, ONE, ""));
        assert_non_null(host_domain_add(host, ONE, "K\xc3\xbc" "che / web 1"));
}

static void removing_an_object_clears_what_refers_to_it(void **state) {
        (void) state;
        _cleanup_(host_freep) struct host *host = small_host();
        struct worker *worker = add_worker(host, "w.1", 1);
        struct device *device = host_device_add(host, ONE, "d.1");
        struct unit *unit = add_unit(host, "d.1", worker);
        struct queue *queue = add_queue(host, "vq.1.0", unit);
        unit->pub.device = queue->pub.device = &device->pub;
        assert_int_equal(host_core_set(host, ONE, 1, worker, true), 0);
        begin(host);
        derive(host);
        assert_int_equal(unit->core, 1);

        host_worker_remove(host, worker);
        assert_null(unit->pub.worker);
        assert_int_equal(unit->core, IOCORE_CPU_ANY);
        assert_false(host->cpus[1].io_core);
        host_device_remove(host, device);
        assert_null(unit->pub.device);
        assert_null(queue->pub.device);
        host_unit_remove(host, unit);
        assert_null(queue->pub.unit);
        begin(host);
        sample_queue(queue, 0.5, 1);
        derive(host);
        host_queue_remove(host, queue);
        derive(host);
        assert_int_equal(host->n_queues, 0);
}

static void removing_a_plugin_leaves_what_others_added(void **state) {
        (void) state;
        _cleanup_(host_freep) struct host *host = small_host();
        struct worker *worker = add_worker(host, "w.1", 1);
        struct unit *unit = add_unit(host, "d.1", worker);
        add_queue(host, "vq.1.0", unit);
        assert_non_null(host_domain_add(host, OTHER, "web"));
        assert_non_null(host_worker_add(host, OTHER, "t.1"));
        assert_int_equal(host_core_set(host, ONE, 1, worker, true), 0);
        assert_int_equal(host_core_set(host, OTHER, 2, NULL, true), 0);
        host_remove_plugin(host, ONE);
        assert_int_equal(host->n_workers, 1);
        assert_int_equal(host->n_units + host->n_queues, 0);
        assert_int_equal(host->n_domains, 1);
        assert_false(host->cpus[1].io_core);
        assert_true(host->cpus[2].io_core);
}

static unsigned seed(void) {
        const char *given = getenv("IOCORE_SEED");
        unsigned value = given ? (unsigned) strtoul(given, NULL, 10) : (unsigned) time(NULL);
        printf("# seed %u\n", value);
        return value;
}

static void ten_thousand_queues_come_and_go_in_any_order(void **state) {
        (void) state;
        enum { N = 10000 };
        _cleanup_(host_freep) struct host *host = small_host();
        _cleanup_free_ unsigned *order = calloc(N, sizeof *order);
        char id[IOCORE_ID_MAX];
        srand(seed());
        for (unsigned i = 0; i < N; i++) {
                unsigned j = (unsigned) rand() % (i + 1);
                order[i] = order[j];
                order[j] = i;
        }
        for (unsigned i = 0; i < N; i++) {
                snprintf(id, sizeof id, "vq.%u.%u", order[i] / 4, order[i] % 4);
                add_queue(host, id, NULL);
        }
        assert_int_equal(host->n_queues, N);
        for (unsigned i = 1; i < N; i++)
                assert_true(id_compare(host->queues[i - 1]->pub.id, host->queues[i]->pub.id) < 0);
        begin(host);
        derive(host);
        for (unsigned i = 0; i < N; i++) {
                snprintf(id, sizeof id, "vq.%u.%u", order[i] / 4, order[i] % 4);
                struct queue *queue = host_queue(host, id);
                assert_non_null(queue);
                if (i % 3)
                        host_queue_remove(host, queue);
        }
        assert_int_equal(host->n_queues, (N + 2) / 3);
        derive(host);
}

static void a_worker_has_a_load_after_two_samples(void **state) {
        (void) state;
        _cleanup_(host_freep) struct host *host = small_host();
        struct worker *worker = add_worker(host, "w.1", 1);
        worker->pub.busy = 77 * EPOCH; /* its life before */
        begin(host);
        sample_worker(worker, 0.5, 0);
        host_derive_workers(host);
        assert_int_equal(worker->n_samples, 1);
        assert_true(worker->load == 0 && worker->load_average < 0);
        assert_true(host_worker_is_busy(host, worker)); /* nobody knows yet */
        begin(host);
        sample_worker(worker, 0.6, 0.2);
        host_derive_workers(host);
        assert_int_equal(worker->n_samples, 2);
        assert_near(worker->load, 0.6, 1e-6);
        assert_near(worker->load_average, 0.6, 1e-6);
        assert_near(worker->wait_share, 0.25, 1e-6);
        begin(host);
        sample_worker(worker, 0.2, 0);
        host_derive_workers(host);
        assert_near(worker->load_average, 0.4, 1e-6);
        assert_near(worker->wait_share, 0, 0);
}

static void switches_are_told_by_the_second_and_going_back_spoils_nothing_else(void **state) {
        (void) state;
        _cleanup_(host_freep) struct host *host = small_host();
        struct worker *worker = add_worker(host, "t.7", 1);
        worker->pub.switches = 1000000;
        for (int i = 0; i < 2; i++) {
                begin(host);
                sample_worker(worker, 0.5, 0);
                worker->pub.switches += 7;
                host_derive_workers(host);
                assert_true(i == 1 || worker->switches_per_second == 0);
        }
        assert_near(worker->switches_per_second, 7e6 / EPOCH, 1e-6);
        /* not read in one epoch: those of both are of twice the time */
        begin(host);
        host_derive_workers(host);
        begin(host);
        sample_worker(worker, 0.5, 0);
        worker->pub.switches += 7;
        host_derive_workers(host);
        assert_near(worker->switches_per_second, 7e6 / EPOCH / 2, 1e-6);
        begin(host);
        sample_worker(worker, 0.5, 0);
        worker->pub.switches = 3;
        host_derive_workers(host);
        assert_near(worker->switches_per_second, 0, 0);
        assert_near(worker->load, 0.5, 1e-6);
}

static void a_worker_that_was_reset_or_replaced_starts_anew(void **state) {
        (void) state;
        _cleanup_(host_freep) struct host *host = small_host();
        struct worker *worker = add_worker(host, "t.7", 1);
        for (int i = 0; i < 3; i++) {
                begin(host);
                sample_worker(worker, 0.5, 0);
                host_derive_workers(host);
        }
        begin(host);
        sample_worker(worker, 0.5, 0);
        worker->pub.busy = 3;
        host_derive_workers(host);
        assert_int_equal(worker->n_samples, 1);
        assert_true(worker->load == 0);
        begin(host);
        sample_worker(worker, 0.25, 0);
        host_derive_workers(host);
        assert_near(worker->load, 0.25, 1e-6);
        begin(host);
        sample_worker(worker, 0.9, 0);
        worker->pub.incarnation = 2; /* same id, counters went on by chance */
        host_derive_workers(host);
        assert_int_equal(worker->n_samples, 1);
}

static void a_worker_that_is_not_sampled_keeps_its_load_for_a_moment_only(void **state) {
        (void) state;
        _cleanup_(host_freep) struct host *host = small_host();
        struct worker *worker = add_worker(host, "w.1", 1);
        for (int i = 0; i < 2; i++) {
                begin(host);
                sample_worker(worker, 0.5, 0);
                host_derive_workers(host);
        }
        begin(host);
        host_derive_workers(host);
        assert_near(worker->load, 0.5, 1e-6);
        for (int i = 0; i < 3; i++) {
                begin(host);
                host_derive_workers(host);
        }
        assert_int_equal(worker->n_samples, 0);
        assert_true(worker->load == 0);
}

/* A host with one busy worker on the I/O core 1, with two units of two queues. */
struct elvis {
        struct host *host;
        struct worker *worker;
        struct unit *units[2];
        struct queue *queues[4];
};

static struct elvis new_elvis(void) {
        struct elvis e = { .host = small_host() };
        char id[IOCORE_ID_MAX];
        e.worker = add_worker(e.host, "w.2", 1);
        assert_int_equal(host_core_set(e.host, ONE, 1, e.worker, true), 0);
        for (int i = 0; i < 2; i++) {
                snprintf(id, sizeof id, "d.%d", i + 1);
                e.units[i] = add_unit(e.host, id, e.worker);
        }
        for (int i = 0; i < 4; i++) {
                snprintf(id, sizeof id, "vq.%d.%d", i / 2 + 1, i % 2);
                e.queues[i] = add_queue(e.host, id, e.units[i / 2]);
        }
        return e;
}

static void elvis_epoch(struct elvis *e, double worker, double q0, double q1, double q2, double q3) {
        const double loads[] = { q0, q1, q2, q3 };
        begin(e->host);
        sample_worker(e->worker, worker, 0);
        for (size_t i = 0; i < 4; i++)
                if (loads[i] >= 0)
                        sample_queue(e->queues[i], loads[i], (uint64_t) (loads[i] * 1e6));
        derive(e->host);
}

static void a_queue_has_rates_after_two_samples(void **state) {
        (void) state;
        struct elvis e = new_elvis();
        _cleanup_(host_freep) struct host *host = e.host;
        elvis_epoch(&e, 0.5, 0.1, 0.2, 0.1, 0.1);
        assert_false(queue_rates_valid(host, e.queues[0]));
        assert_false(e.units[0]->rates_valid);
        assert_true(e.units[0]->nsec_per_byte == 0);
        assert_true(e.queues[0]->load == 0 && e.units[0]->load == 0 && e.units[0]->load_average < 0);
        e.queues[0]->pub.packets += 50;
        e.queues[0]->pub.works += 5;
        e.queues[0]->pub.wait += EPOCH / 10;
        e.queues[0]->pub.stuck += 1;
        e.queues[0]->pub.ring_full += 2;
        e.queues[0]->pub.poll_empty += 3;
        elvis_epoch(&e, 0.5, 0.1, 0.2, 0.1, 0.1);
        assert_true(queue_rates_valid(host, e.queues[0]));
        assert_near(e.queues[0]->load, 0.1, 1e-6);
        assert_near(e.queues[0]->bytes_per_second, 1e6, 1);
        assert_near(e.queues[0]->packets_per_second, 500, 1e-6);
        assert_near(e.queues[0]->works_per_second, 50, 1e-6);
        assert_near(e.queues[0]->wait_share, 0.5, 1e-6);
        assert_near(e.queues[0]->stuck_per_second, 10, 1e-6);
        assert_near(e.queues[0]->ring_full_per_second, 20, 1e-6);
        assert_near(e.queues[0]->poll_empty_per_second, 30, 1e-6);
        assert_near(e.units[0]->load, 0.3, 1e-6);
        assert_near(e.units[0]->bytes_per_second, 3e6, 1);
        assert_near(e.units[0]->nsec_per_byte, 100, 1e-6); /* 0.3 s of CPU for 3 MB */
        assert_true(e.units[0]->rates_valid);
        assert_int_equal(e.units[0]->core, 1);
        assert_near(host->cpus[1].load, 0.5, 1e-6);
        assert_int_equal(host->cpus[1].n_units, 2);
}

static void a_counter_that_goes_back_is_a_reset(void **state) {
        (void) state;
        struct elvis e = new_elvis();
        _cleanup_(host_freep) struct host *host = e.host;
        elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        e.queues[1]->pub.bytes = 0;
        e.queues[2]->pub.clock = 1;
        e.queues[2]->pub.busy = 1;
        elvis_epoch(&e, 0.5, 0.1, 0, 0.1, 0.1);
        assert_true(queue_rates_valid(host, e.queues[0]));
        for (int i = 1; i <= 2; i++) {
                assert_int_equal(e.queues[i]->n_samples, 1);
                assert_true(e.queues[i]->load == 0 && e.queues[i]->bytes_per_second == 0 && e.queues[i]->load_average < 0);
        }
        /* half of a unit's load is not its load */
        assert_false(e.units[0]->rates_valid);
        elvis_epoch(&e, 0.5, 0.1, 0.2, 0.3, 0.1);
        assert_near(e.queues[1]->load, 0.2, 1e-6);
        assert_true(e.units[0]->rates_valid);
        assert_near(e.queues[2]->load, 0.3, 1e-6);
}

static void a_queue_that_was_idle_for_long_starts_anew(void **state) {
        (void) state;
        struct elvis e = new_elvis();
        _cleanup_(host_freep) struct host *host = e.host;
        elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        elvis_epoch(&e, 0.5, -1, 0.1, 0.1, 0.1);
        assert_false(queue_rates_valid(host, e.queues[0])); /* not of this epoch */
        elvis_epoch(&e, 0.5, 0.1, -1, 0.1, 0.1);
        assert_true(queue_rates_valid(host, e.queues[0])); /* one miss is no gap */
        assert_near(e.queues[0]->bytes_per_second, 0.5e6, 1); /* 0.1e6 in two epochs */
        elvis_epoch(&e, 0.5, 0.1, -1, 0.1, 0.1);
        elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        assert_int_equal(e.queues[1]->n_samples, 1);
        assert_false(queue_rates_valid(host, e.queues[1]));
        elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        assert_true(queue_rates_valid(host, e.queues[1]));
}

static void counters_that_the_kernel_does_not_have_give_no_rates(void **state) {
        (void) state;
        struct elvis e = new_elvis();
        _cleanup_(host_freep) struct host *host = e.host;
        for (int i = 0; i < 4; i++)
                e.queues[i]->pub.fields = IOCORE_QUEUE_BYTES;
        for (int i = 0; i < 3; i++) {
                e.queues[0]->pub.packets = (uint64_t) rand(); /* means nothing, may go back */
                elvis_epoch(&e, 0.5, 0.4, 0.1, 0.1, 0.1);
        }
        assert_true(queue_rates_valid(host, e.queues[0]));
        assert_true(e.queues[0]->load == 0 && e.queues[0]->packets_per_second == 0);
        assert_near(e.queues[0]->bytes_per_second, 4e6, 1);
        /* One of two units on a busy worker, and no counter that says which of them works */
        assert_false(e.units[0]->rates_valid);
        assert_true(e.units[0]->load == 0);
}

static void a_queue_without_a_unit_has_rates_too(void **state) {
        (void) state;
        _cleanup_(host_freep) struct host *host = small_host();
        struct unit *unit = add_unit(host, "t.1", add_worker(host, "t.1", 1));
        struct queue *queue = add_queue(host, "net.1.rx", NULL);
        struct device *device = host_device_add(host, ONE, "net.1");
        assert_non_null(device);
        unit->pub.device = queue->pub.device = &device->pub;
        queue->pub.fields = IOCORE_QUEUE_BYTES | IOCORE_QUEUE_DROPS;
        for (int i = 0; i < 2; i++) {
                begin(host);
                sample_worker((struct worker *) unit->pub.worker, 0.5, 0);
                sample_queue(queue, 0, 1000);
                queue->pub.drops += 5;
                derive(host);
                assert_int_equal(device->shared_bytes_epoch, i == 1 ? host->epoch : 0);
        }
        assert_true(queue_rates_valid(host, queue));
        assert_near(queue->bytes_per_second, 1000e6 / EPOCH, 1e-6);
        assert_near(queue->drops_per_second, 5e6 / EPOCH, 1e-6);
        assert_true(unit->rates_valid && !unit->counts_bytes);
        assert_near(unit->load, 0.5, 1e-6);
        queue->pub.drops = 1; /* the tap was made anew under its old name */
        begin(host);
        sample_queue(queue, 0, 1000);
        derive(host);
        assert_false(queue_rates_valid(host, queue));
}

static void two_samples_in_one_epoch_are_one(void **state) {
        (void) state;
        struct elvis e = new_elvis();
        _cleanup_(host_freep) struct host *host = e.host;
        elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        e.queues[0]->pub.clock += EPOCH / 2;
        e.queues[0]->pub.busy += EPOCH / 2;
        host_derive(host);
        assert_near(e.queues[0]->load, 0.1, 1e-6);
        e.queues[0]->pub.clock -= EPOCH / 2;
        e.queues[0]->pub.busy -= EPOCH / 2;
        elvis_epoch(&e, 0.5, 0.3, 0.1, 0.1, 0.1);
        assert_near(e.queues[0]->load, 0.3, 1e-6);
}

static void units_of_an_idle_worker_are_idle_and_its_queues_show_nothing(void **state) {
        (void) state;
        struct elvis e = new_elvis();
        _cleanup_(host_freep) struct host *host = e.host;
        for (int i = 0; i < 3; i++)
                elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        for (int i = 0; i < 12; i++)
                elvis_epoch(&e, 0.001, -1, -1, -1, -1);
        assert_false(host_worker_is_busy(host, e.worker));
        assert_true(e.units[0]->rates_valid);
        assert_true(e.units[0]->load == 0);
        assert_true(e.units[0]->load_average < 0.001);
        assert_false(queue_rates_valid(host, e.queues[0]));
        /* somebody asks for everything, twice: then they are known, idle worker or not */
        elvis_epoch(&e, 0.001, 0, 0, 0, 0);
        assert_false(queue_rates_valid(host, e.queues[3]));
        elvis_epoch(&e, 0.001, 0.001, 0.001, 0.001, 0.001);
        assert_true(queue_rates_valid(host, e.queues[3]));
        assert_near(e.queues[3]->load, 0.001, 1e-6);
}

static void the_only_unit_of_a_worker_has_its_load(void **state) {
        (void) state;
        _cleanup_(host_freep) struct host *host = small_host();
        struct worker *a = add_worker(host, "t.1", 3), *b = add_worker(host, "t.2", 3), *c = add_worker(host, "t.3", IOCORE_CPU_ANY);
        struct unit *units[] = { add_unit(host, "t.1", a), add_unit(host, "t.2", b), add_unit(host, "t.3", c) };
        units[2]->pub.node = 1;
        assert_int_equal(host_core_set(host, ONE, 3, NULL, true), 0);
        for (int i = 0; i < 2; i++) {
                begin(host);
                sample_worker(a, 0.3, 0.1);
                sample_worker(b, 0.2, 0.4);
                sample_worker(c, 0.25, 0);
                derive(host);
                assert_int_equal(host->cpus[3].load_valid, i == 1);
        }
        assert_near(units[0]->load, 0.3, 1e-6);
        assert_near(units[1]->load, 0.2, 1e-6);
        assert_int_equal(units[0]->core, 3);
        assert_int_equal(units[2]->core, IOCORE_CPU_ANY);
        assert_near(host->cpus[3].load, 0.5, 1e-6);
        assert_near(host->cpus[3].wait_share, 0.5, 1e-6);
        assert_int_equal(host->cpus[3].n_units, 2);
        struct node *node = host_node(host, 1);
        assert_int_equal(node->n_io_cores, 1);
        assert_int_equal(node->n_vm_cores, 1);
        assert_int_equal(node->n_units, 3);
        assert_near(node->io_load, 0.5, 1e-6);
        assert_near(node->io_idle, 0.5, 1e-6);
        assert_near(node->unplaced_load, 0.25, 1e-6);
        assert_near(node->io_load_average, 0.5, 1e-6);
}

static void a_unit_of_no_known_node_counts_for_the_first(void **state) {
        (void) state;
        _cleanup_(host_freep) struct host *host = small_host();
        struct worker *worker = add_worker(host, "w.1", IOCORE_CPU_ANY);
        struct unit *unit = add_unit(host, "d.1", worker);
        for (int i = 0; i < 2; i++) {
                begin(host);
                sample_worker(worker, 0.7, 0);
                derive(host);
                if (i == 0)
                        assert_true(host->nodes[0].unplaced_load_average < 0);
        }
        assert_ptr_equal(host_unit_node(host, unit), &host->nodes[0]);
        assert_near(host->nodes[0].unplaced_load, 0.7, 1e-6);
        assert_near(host->nodes[0].unplaced_load_average, 0.7, 1e-6);
        assert_near(host->nodes[1].unplaced_load, 0, 0);
        unit->pub.node = 99; /* no such node */
        assert_ptr_equal(host_unit_node(host, unit), &host->nodes[0]);
}

static void units_of_a_domain_that_does_not_run_are_idle(void **state) {
        (void) state;
        struct elvis e = new_elvis();
        _cleanup_(host_freep) struct host *host = e.host;
        struct domain *domain = host_domain_add(host, OTHER, "web");
        snprintf(e.units[0]->pub.domain, sizeof e.units[0]->pub.domain, "web");
        snprintf(e.units[1]->pub.domain, sizeof e.units[1]->pub.domain, "not known to libvirt");
        elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        assert_near(e.units[0]->load, 0.2, 1e-6);
        assert_true(host_unit_domain_runs(host, e.units[0]));
        domain->pub.state = IOCORE_DOMAIN_PAUSED;
        elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        assert_false(host_unit_domain_runs(host, e.units[0]));
        assert_true(e.units[0]->load == 0 && e.units[0]->bytes_per_second == 0 && e.units[0]->rates_valid);
        assert_near(e.units[0]->load_average, 0.1, 1e-6);
        assert_near(e.units[1]->load, 0.2, 1e-6);
        host_domain_remove(host, domain);
        elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        assert_near(e.units[0]->load, 0.2, 1e-6);
}

static size_t count_events(const struct host *host, enum host_event_kind kind, const char *id) {
        size_t n = 0;
        for (size_t i = 0; i < host->n_events; i++)
                n += host->events[i].kind == kind && strcmp(host->events[i].id, id) == 0;
        return n;
}

static void events_tell_once_what_came_went_and_changed(void **state) {
        (void) state;
        struct elvis e = new_elvis();
        _cleanup_(host_freep) struct host *host = e.host;
        struct domain *domain = host_domain_add(host, OTHER, "web");
        elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        assert_int_equal(count_events(host, HOST_DEVICE_ADDED, "d.1"), 1);
        assert_int_equal(count_events(host, HOST_CORE_ADDED, "1"), 1);
        assert_int_equal(count_events(host, HOST_DOMAIN_ADDED, "web"), 1);
        assert_int_equal(count_events(host, HOST_DOMAIN_CHANGED, "web"), 0);
        host_clear_events(host);
        domain->pub.state = IOCORE_DOMAIN_SHUTOFF;
        elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        assert_int_equal(host_core_set(host, ONE, 1, e.worker, true), 0); /* says nothing new */
        for (int i = 0; i < 3; i++) {
                assert_int_equal(host_core_set(host, ONE, 1, e.worker, false), 0);
                assert_int_equal(host_core_set(host, ONE, 1, e.worker, true), 0);
        }
        assert_int_equal(host->n_events, 3);
        assert_int_equal(count_events(host, HOST_DOMAIN_CHANGED, "web"), 1);
        assert_int_equal(count_events(host, HOST_CORE_REMOVED, "1"), 1);
        assert_int_equal(count_events(host, HOST_CORE_ADDED, "1"), 1);
        assert_int_equal(host_core_set(host, ONE, 4, NULL, true), -EINVAL);
        assert_int_equal(host_core_set(host, ONE, -1, NULL, true), -EINVAL);
        assert_int_equal(host_core_set(host, OTHER, 1, NULL, false), 0); /* not its core */
        assert_true(host->cpus[1].io_core);
}

static void cpu_times_become_idle_vm_cores(void **state) {
        (void) state;
        _cleanup_(host_freep) struct host *host = small_host();
        begin(host);
        assert_int_equal(host_cpu_sample(host, 0, 100, 1000), 0);
        assert_int_equal(host_cpu_sample(host, 1, 100, 1000), 0);
        assert_int_equal(host_cpu_sample(host, 4, 100, 1000), -EINVAL);
        derive(host);
        assert_false(host->nodes[0].vm_sampled);
        begin(host);
        assert_int_equal(host_cpu_sample(host, 0, 125, 1100), 0);
        assert_int_equal(host_cpu_sample(host, 1, 200, 1100), 0);
        derive(host);
        assert_true(host->nodes[0].vm_sampled);
        assert_false(host->nodes[1].vm_sampled);
        assert_near(host->nodes[0].vm_idle, 0.75, 1e-9);
        assert_int_equal(host_cpu_sample(host, 0, 125, 1100), 0); /* no tick passed */
        assert_near(host->cpus[0].busy_share, 0.25, 1e-9);
        assert_int_equal(host_cpu_sample(host, 0, 5, 10), 0);
        assert_false(host->cpus[0].sampled);
}

static void assert_load(double value) {
        assert_true(isfinite(value) && value >= 0 && value < 100);
}

static void no_counter_whatsoever_makes_a_load_that_is_no_number(void **state) {
        (void) state;
        struct elvis e = new_elvis();
        _cleanup_(host_freep) struct host *host = e.host;
        static const uint64_t extremes[] = { 0, 1, EPOCH, UINT32_MAX, INT64_MAX, UINT64_MAX - 1, UINT64_MAX };
        srand(seed());
        for (int epoch = 0; epoch < 2000; epoch++) {
                host_begin_epoch(host, host->now_usec + (rand() % 4 ? EPOCH : 0));
                uint64_t *worker[] = { &e.worker->pub.clock, &e.worker->pub.busy, &e.worker->pub.wait };
                for (size_t i = 0; i < ELEMENTSOF(worker); i++)
                        *worker[i] = rand() % 2 ? *worker[i] + (uint64_t) rand() : extremes[(size_t) rand() % ELEMENTSOF(extremes)];
                for (int q = 0; q < 4; q++) {
                        struct iocore_queue *p = &e.queues[q]->pub;
                        uint64_t *counters[] = { &p->clock, &p->busy, &p->bytes, &p->packets, &p->works, &p->wait, &p->stuck, &p->ring_full, &p->poll_empty };
                        for (size_t i = 0; i < ELEMENTSOF(counters); i++)
                                if (rand() % 8 == 0)
                                        *counters[i] = extremes[(size_t) rand() % ELEMENTSOF(extremes)];
                                else
                                        *counters[i] += (uint64_t) rand();
                }
                (void) host_cpu_sample(host, rand() % 4, (uint64_t) rand() % 100, extremes[(size_t) rand() % ELEMENTSOF(extremes)]);
                derive(host);
                assert_load(e.worker->load);
                assert_load(e.worker->wait_share);
                for (int u = 0; u < 2; u++)
                        assert_load(e.units[u]->load);
                for (int q = 0; q < 4; q++) {
                        assert_load(e.queues[q]->load);
                        assert_load(e.queues[q]->wait_share);
                        assert_true(isfinite(e.queues[q]->bytes_per_second) && isfinite(e.queues[q]->works_per_second));
                }
                for (size_t n = 0; n < host->n_nodes; n++) {
                        assert_load(host->nodes[n].io_load);
                        assert_load(host->nodes[n].io_idle);
                        assert_load(host->nodes[n].vm_idle);
                        assert_true(isfinite(host->nodes[n].io_load_average) && isfinite(host->nodes[n].unplaced_load_average));
                }
        }
}

static void an_epoch_allocates_nothing(void **state) {
        (void) state;
        struct elvis e = new_elvis();
        _cleanup_(host_freep) struct host *host = e.host;
        elvis_epoch(&e, 0.5, 0.1, 0.1, 0.1, 0.1);
        assert_true(n_allocations > 0); /* the counter counts */
        host_queue_remove(host, e.queues[3]);
        e.queues[3] = add_queue(host, "vq.2.1", e.units[1]); /* to be regrouped */
        size_t before = n_allocations;
        for (int i = 0; i < 100; i++)
                elvis_epoch(&e, i % 2 ? 0.5 : 0.001, 0.1, 0.1, 0.1, 0.1);
        assert_int_equal(n_allocations, before);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ids_are_in_natural_order),
                cmocka_unit_test(adding_an_id_again_finds_the_object_but_not_for_another_plugin),
                cmocka_unit_test(ids_that_are_none_are_refused),
                cmocka_unit_test(removing_an_object_clears_what_refers_to_it),
                cmocka_unit_test(removing_a_plugin_leaves_what_others_added),
                cmocka_unit_test(ten_thousand_queues_come_and_go_in_any_order),
                cmocka_unit_test(a_worker_has_a_load_after_two_samples),
                cmocka_unit_test(switches_are_told_by_the_second_and_going_back_spoils_nothing_else),
                cmocka_unit_test(a_worker_that_was_reset_or_replaced_starts_anew),
                cmocka_unit_test(a_worker_that_is_not_sampled_keeps_its_load_for_a_moment_only),
                cmocka_unit_test(a_queue_has_rates_after_two_samples),
                cmocka_unit_test(a_counter_that_goes_back_is_a_reset),
                cmocka_unit_test(a_queue_that_was_idle_for_long_starts_anew),
                cmocka_unit_test(counters_that_the_kernel_does_not_have_give_no_rates),
                cmocka_unit_test(a_queue_without_a_unit_has_rates_too),
                cmocka_unit_test(two_samples_in_one_epoch_are_one),
                cmocka_unit_test(units_of_an_idle_worker_are_idle_and_its_queues_show_nothing),
                cmocka_unit_test(the_only_unit_of_a_worker_has_its_load),
                cmocka_unit_test(a_unit_of_no_known_node_counts_for_the_first),
                cmocka_unit_test(units_of_a_domain_that_does_not_run_are_idle),
                cmocka_unit_test(events_tell_once_what_came_went_and_changed),
                cmocka_unit_test(cpu_times_become_idle_vm_cores),
                cmocka_unit_test(no_counter_whatsoever_makes_a_load_that_is_no_number),
                cmocka_unit_test(an_epoch_allocates_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

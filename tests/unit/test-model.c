/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/sim/model.h"

#define SECOND 1000000u
#define HZ 2200000000u
#define RUN_HASH_42 0x8404c5b65764a02bu

struct sim_host {
        struct scenario *scenario;
        struct model *model;
};

__attribute__((format(printf, 2, 3))) static void begin(struct sim_host *host, const char *format, ...) {
        char text[4096], error[SCENARIO_ERROR_MAX] = "";
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        if (scenario_parse(&host->scenario, text, strlen(text), error, sizeof(error)) < 0)
                fail_msg("%s", error);
        assert_int_equal(model_new(&host->model, host->scenario), 0);
}

static void end(struct sim_host *host) {
        model_free(host->model);
        scenario_free(host->scenario);
}

/* `n` VMs with a device each on w.2, which is bound to CPU 1; w.3 is bound to CPU 2. */
static void begin_shared(struct sim_host *host, unsigned n, const char *load) {
        begin(host,
              "{\"topology\": {\"cores\": 16, \"ghz\": 2.2}, \"workers\": [{\"cpu\": 1}, {\"cpu\": 2}],"
              " \"vms\": [{\"name\": \"vm\", \"count\": %u, \"vcpu_load\": [{\"busy\": 0.5}], \"devices\": [{\"worker\": 2, \"load\": [%s]}]}]}",
              n, load);
}

static void poll_all(struct sim_host *host) {
        for (size_t i = 0; i < model_n_devices(host->model); i++) {
                const struct model_device *device = model_device_at(host->model, i);
                for (unsigned j = 0; j < device->n_queues; j++)
                        assert_int_equal(model_queue_set_poll(host->model, device->number, j, true), 0);
        }
}

static uint64_t packets(const struct sim_host *host) {
        uint64_t sum = 0;

        for (size_t i = 0; i < model_n_devices(host->model); i++)
                for (unsigned j = 0; j < model_device_at(host->model, i)->n_queues; j++)
                        sum += model_device_at(host->model, i)->queues[j].counters.handled_packets;
        return sum;
}

static uint64_t kicks(const struct sim_host *host) {
        uint64_t sum = 0;

        for (size_t i = 0; i < model_n_devices(host->model); i++)
                for (unsigned j = 0; j < model_device_at(host->model, i)->n_queues; j++)
                        sum += model_device_at(host->model, i)->queues[j].counters.notif_works;
        return sum;
}

static uint64_t work(const struct sim_host *host, unsigned worker) {
        return model_worker(host->model, worker)->counters.total_work_cycles;
}

/* Packets served in the second after the first, which lets things settle. */
static uint64_t throughput(unsigned n_vms, const char *load, bool poll, bool two_cores) {
        struct sim_host host;
        uint64_t before, served;

        begin_shared(&host, n_vms, load);
        if (poll)
                poll_all(&host);
        for (unsigned i = 1; two_cores && i <= n_vms; i += 2)
                assert_int_equal(model_move(host.model, i, 3), 0);
        model_advance(host.model, SECOND);
        before = packets(&host);
        model_advance(host.model, SECOND);
        served = packets(&host) - before;
        end(&host);
        return served;
}

/* --- running */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n) {
        const unsigned char *p = bytes;

        for (size_t i = 0; i < n; i++)
                hash = (hash ^ p[i]) * 0x100000001b3u;
        return hash;
}

/* Every counter of a run with moves, polls, noise, a VM that comes and one that goes. */
static uint64_t run_hash(unsigned seed, unsigned step_usec) {
        struct sim_host host;
        uint64_t hash = 0xcbf29ce484222325u;

        begin(&host,
              "{\"seed\": %u, \"topology\": {\"sockets\": 2, \"nodes\": 2, \"cores\": 4, \"threads\": 2}, \"workers\": [{\"cpu\": 1}, {\"cpu\": 9}],"
              " \"vms\": [{\"name\": \"vm\", \"count\": 4, \"vcpu_load\": [{\"busy\": 0.7}],"
              "  \"devices\": [{\"load\": [{\"packets\": 200000, \"bytes\": 900, \"noise\": 0.6}]}]},"
              " {\"name\": \"guest\", \"arrives\": 0.5, \"leaves\": 1.5, \"devices\": [{\"load\": [{\"in_flight\": 16, \"think\": 0.0001}]}]}]}",
              seed);
        for (unsigned usec = 0; usec < 2 * SECOND; usec += step_usec) {
                model_advance(host.model, step_usec);
                if (usec == 0)
                        assert_int_equal(model_move(host.model, 2, 2), 0);
                if (usec == SECOND)
                        assert_int_equal(model_move(host.model, 3, 3), 0);
        }
        for (size_t i = 0; i < model_n_devices(host.model); i++)
                for (unsigned j = 0; j < 2; j++)
                        hash = hash_bytes(hash, &model_device_at(host.model, i)->queues[j].counters, sizeof(model_device_at(host.model, i)->queues[j].counters));
        for (size_t i = 0; i < model_n_workers(host.model); i++)
                hash = hash_bytes(hash, &model_worker_at(host.model, i)->counters, sizeof(model_worker_at(host.model, i)->counters));
        end(&host);
        return hash;
}

static void same_seed_is_the_same_run_bit_for_bit(void **state) {
        (void) state;
        assert_true(run_hash(1, 1000) == run_hash(1, 1000));
        assert_true(run_hash(1, 1000) != run_hash(2, 1000));
}

static void a_run_is_this_one_on_every_machine(void **state) {
        (void) state;
        /* changes only when the model changes: then look at what else changes, and write the new value here */
        assert_int_equal(run_hash(42, 1000), RUN_HASH_42);
}

static void a_worker_spends_all_its_time_on_work_looking_or_waiting(void **state) {
        struct sim_host host;

        (void) state;
        begin_shared(&host, 5, "{\"packets\": 150000, \"noise\": 0.3}");
        model_advance(host.model, SECOND);
        assert_int_equal(model_queue_set_poll(host.model, 2, 1, true), 0);
        model_advance(host.model, SECOND);
        for (size_t i = 0; i < model_n_workers(host.model); i++) {
                const struct model_worker *worker = model_worker_at(host.model, i);
                assert_int_equal(worker->counters.total_work_cycles + worker->counters.cycles + worker->counters.wait, 2ull * HZ);
        }
        end(&host);
}

static void a_workers_work_is_the_sum_of_its_queues(void **state) {
        struct sim_host host;
        uint64_t sum = 0;

        (void) state;
        begin_shared(&host, 4, "{\"packets\": 100000}");
        assert_int_equal(model_queue_set_poll(host.model, 1, 1, true), 0);
        model_advance(host.model, SECOND);
        for (unsigned i = 1; i <= 4; i++)
                for (unsigned j = 0; j < 2; j++)
                        sum += model_queue(host.model, i, j)->counters.poll_cycles + model_queue(host.model, i, j)->counters.notif_cycles;
        assert_int_equal(sum, work(&host, 2));
        assert_true(model_queue(host.model, 1, 1)->counters.notif_works == 0);
        assert_true(model_queue(host.model, 2, 1)->counters.poll_kicks == 0);
        end(&host);
}

static void open_loop_packets_arrive_at_their_rate_and_ramp(void **state) {
        struct sim_host host;

        (void) state;
        begin_shared(&host, 1, "{\"queue\": 1, \"packets\": 100000, \"bytes\": 100}, {\"at\": 1, \"ramp\": 1, \"queue\": 1, \"packets\": 200000, \"bytes\": 100}");
        model_advance(host.model, SECOND);
        assert_in_range(packets(&host), 99900, 100100);
        model_advance(host.model, SECOND);
        assert_in_range(packets(&host), 249500, 250500); /* 150000 on average while it rises */
        assert_int_equal(model_queue(host.model, 1, 1)->counters.handled_bytes, packets(&host) * 100);
        assert_int_equal(model_queue(host.model, 1, 0)->counters.handled_packets, 0);
        end(&host);
}

static void noise_changes_the_moment_not_the_rate(void **state) {
        uint64_t even = throughput(1, "{\"packets\": 50000}", false, false), noisy = throughput(1, "{\"packets\": 50000, \"noise\": 1}", false, false);

        (void) state;
        assert_in_range(noisy, even * 95 / 100, even * 105 / 100);
        assert_int_not_equal(noisy, even);
}

static void a_full_core_saturates_and_fills_rings(void **state) {
        const char *load = "{\"queue\": 1, \"packets\": 400000, \"bytes\": 1400}";
        uint64_t four = throughput(4, load, false, false), eight = throughput(8, load, false, false);
        struct sim_host host;

        (void) state;
        assert_in_range(eight, four * 97 / 100, four * 103 / 100);
        begin_shared(&host, 8, load);
        model_advance(host.model, SECOND);
        assert_in_range(work(&host, 2), HZ / 100 * 99ull, HZ);
        assert_true(model_queue(host.model, 1, 1)->counters.ring_full > 900);
        assert_true(model_queue(host.model, 1, 1)->dropped > 100000);
        assert_true(model_queue(host.model, 1, 1)->counters.notif_wait > HZ / 10 * 9ull);
        assert_true(model_queue(host.model, 1, 1)->pending <= 256);
        assert_int_equal(model_cpu(host.model, 1)->worker_cycles, work(&host, 2) + model_worker(host.model, 2)->counters.cycles);
        end(&host);
}

static void two_cores_serve_twice_as_much(void **state) {
        const char *load = "{\"queue\": 1, \"packets\": 600000, \"bytes\": 1400}";
        uint64_t one = throughput(8, load, false, false), two = throughput(8, load, false, true);

        (void) state;
        assert_in_range(two, one * 19 / 10, one * 21 / 10);
}

/* The curves of the ELVIS talks: request and response of small packets, one in flight. */
static void polling_helps_few_vms_and_not_a_full_worker(void **state) {
        const char *load = "{\"queue\": 1, \"in_flight\": 1, \"think\": 0.000010, \"bytes\": 64}";
        uint64_t few_notified = throughput(1, load, false, false), few_polled = throughput(1, load, true, false);
        uint64_t many_notified = throughput(40, load, false, false), many_polled = throughput(40, load, true, false);

        (void) state;
        assert_true(few_polled > few_notified * 115 / 100);
        assert_in_range(many_polled, many_notified * 97 / 100, many_notified * 103 / 100);
}

static void kicks_per_packet_fall_as_a_worker_gets_busy(void **state) {
        const char *load = "{\"queue\": 1, \"packets\": 100000, \"bytes\": 1400}";
        struct sim_host one, ten;

        (void) state;
        begin_shared(&one, 1, load);
        begin_shared(&ten, 10, load);
        model_advance(one.model, SECOND);
        model_advance(ten.model, SECOND);
        assert_true(kicks(&one) * 10 > 7 * packets(&one));
        assert_true(kicks(&ten) * 10 < 2 * packets(&ten));
        assert_true(work(&ten, 2) < 7 * work(&one, 2)); /* ten times the packets */
        end(&one);
        end(&ten);
}

static void polling_saves_work_and_exits_at_a_high_kick_rate(void **state) {
        const char *load = "{\"queue\": 1, \"packets\": 60000, \"bytes\": 64}";
        struct sim_host notified, polled;
        uint64_t notified_vcpus = 0, polled_vcpus = 0;

        (void) state;
        begin_shared(&notified, 2, load);
        begin_shared(&polled, 2, load);
        poll_all(&polled);
        model_advance(notified.model, SECOND);
        model_advance(polled.model, SECOND);
        assert_int_equal(packets(&notified), packets(&polled));
        assert_true(work(&polled, 2) < work(&notified, 2) * 2 / 3);
        for (int i = 0; i < 16; i++) {
                notified_vcpus += model_cpu(notified.model, i)->vcpu_cycles;
                polled_vcpus += model_cpu(polled.model, i)->vcpu_cycles;
        }
        assert_true(polled_vcpus < notified_vcpus); /* no exits */
        /* and costs the whole CPU */
        assert_int_equal(model_cpu(polled.model, 1)->worker_cycles, HZ);
        assert_true(model_queue(polled.model, 1, 1)->counters.poll_empty > 1000000);
        end(&notified);
        end(&polled);
}

static void memory_of_another_node_makes_work_longer(void **state) {
        struct sim_host host;

        (void) state;
        begin(&host, "{\"topology\": {\"sockets\": 2, \"nodes\": 2, \"cores\": 4}, \"workers\": [{\"cpu\": 0}, {\"cpu\": 4}],"
                     " \"vms\": [{\"name\": \"near\", \"node\": 0, \"devices\": [{\"worker\": 2, \"load\": [{\"packets\": 50000}]}]},"
                     "           {\"name\": \"far\", \"node\": 0, \"devices\": [{\"worker\": 3, \"load\": [{\"packets\": 50000}]}]}]}");
        poll_all(&host); /* without kicks, which would hide it */
        model_advance(host.model, SECOND);
        assert_in_range(work(&host, 3), work(&host, 2) * 125 / 100, work(&host, 2) * 135 / 100);
        end(&host);
}

static void workers_of_one_cpu_share_it(void **state) {
        struct sim_host host;

        (void) state;
        begin(&host, "{\"topology\": {\"cores\": 4, \"ghz\": 2.2}, \"workers\": [{\"cpu\": 1}, {\"cpu\": 1}, {\"cpu\": 2}], \"vms\": [{\"name\": \"vm\", \"count\": 3, \"devices\": ["
                     " {\"worker\": 2, \"load\": [{\"packets\": 1000000}]}, {\"worker\": 3, \"load\": [{\"packets\": 1000000}]}]}]}");
        model_advance(host.model, SECOND);
        assert_in_range(work(&host, 2), HZ / 100 * 49ull, HZ / 100 * 51ull);
        assert_in_range(work(&host, 3), HZ / 100 * 49ull, HZ / 100 * 51ull);
        assert_true(model_worker(host.model, 2)->starved > HZ / 100 * 45ull);
        assert_int_equal(model_worker(host.model, 4)->starved, 0);
        end(&host);
}

static void busy_vcpus_take_time_from_a_worker_without_a_cpu(void **state) {
        static const char document[] = "{\"topology\": {\"cores\": 4, \"ghz\": 2.2}, \"vms\": [{\"name\": \"vm\", \"vcpus\": %u, \"vcpu_load\": [{\"busy\": 1}], \"devices\": ["
                                       " {\"load\": [{\"packets\": 3000000}]}]}]}";
        struct sim_host idle, busy;
        char text[512];

        (void) state;
        snprintf(text, sizeof(text), document, 1u);
        begin(&idle, "%s", text);
        snprintf(text, sizeof(text), document, 16u);
        begin(&busy, "%s", text);
        model_advance(idle.model, SECOND);
        model_advance(busy.model, SECOND);
        assert_true(work(&idle, 1) > HZ / 100 * 99ull);
        assert_true(work(&busy, 1) < HZ / 100 * 40ull);
        assert_true(model_worker(busy.model, 1)->starved > HZ / 2);
        for (int i = 0; i < 4; i++) {
                const struct model_cpu *cpu = model_cpu(busy.model, i);
                assert_in_range(cpu->vcpu_cycles + cpu->worker_cycles, HZ / 100 * 95ull, HZ);
        }
        end(&idle);
        end(&busy);
}

static void a_paused_vm_makes_no_requests(void **state) {
        struct sim_host host;
        uint64_t before;

        (void) state;
        begin(&host, "{\"topology\": {}, \"vms\": [{\"name\": \"vm\", \"pauses\": 1, \"resumes\": 2, \"devices\": [{\"load\": [{\"packets\": 1000}]}]}]}");
        model_advance(host.model, SECOND);
        assert_int_equal(model_vm_at(host.model, 0)->state, MODEL_VM_PAUSED);
        before = packets(&host);
        model_advance(host.model, SECOND);
        assert_int_equal(packets(&host), before);
        assert_int_equal(model_vm_at(host.model, 0)->state, MODEL_VM_RUNNING);
        model_advance(host.model, SECOND);
        assert_in_range(packets(&host) - before, 1998, 2002);
        end(&host);
}

static void devices_come_and_go_with_their_vm_and_numbers_are_not_used_again(void **state) {
        struct sim_host host;
        unsigned number = 0;

        (void) state;
        begin(&host, "{\"duration\": 4, \"topology\": {}, \"vms\": [{\"name\": \"a\", \"leaves\": 1, \"devices\": [{}, {}]}, {\"name\": \"b\", \"arrives\": 2, \"devices\": [{}]}]}");
        assert_int_equal(model_n_devices(host.model), 2);
        assert_int_equal(model_worker(host.model, 1)->n_devices, 2);
        model_advance(host.model, SECOND);
        assert_int_equal(model_n_devices(host.model), 0);
        assert_int_equal(model_worker(host.model, 1)->n_devices, 0);
        model_advance(host.model, SECOND);
        assert_int_equal(model_n_devices(host.model), 1);
        assert_int_equal(model_device_at(host.model, 0)->number, 3);
        assert_null(model_queue(host.model, 1, 0));
        assert_int_equal(model_worker_create(host.model, 1, &number), 0);
        assert_int_equal(number, 2);
        assert_int_equal(model_worker_set_locked(host.model, 2, true), 0);
        assert_int_equal(model_worker_remove(host.model, 2), 0);
        assert_int_equal(model_worker_create(host.model, 1, &number), 0);
        assert_int_equal(number, 3);
        assert_false(model_ended(host.model));
        model_advance(host.model, 2 * SECOND);
        assert_true(model_ended(host.model));
        end(&host);
}

static void stuck_queues_are_counted_once_a_limit_is_set(void **state) {
        struct sim_host host;

        (void) state;
        begin_shared(&host, 4, "{\"queue\": 1, \"packets\": 600000, \"bytes\": 1400}");
        model_advance(host.model, SECOND / 10);
        assert_int_equal(model_queue(host.model, 1, 1)->counters.stuck_times, 0);
        assert_int_equal(model_queue_set_limit(host.model, 1, 1, MODEL_MAX_STUCK_CYCLES, 1000000), 0);
        model_advance(host.model, SECOND / 10);
        assert_true(model_queue(host.model, 1, 1)->counters.stuck_times > 20);
        assert_int_equal(model_queue(host.model, 2, 1)->counters.stuck_times, 0);
        /* and it gets more of the worker */
        assert_true(model_queue(host.model, 1, 1)->counters.handled_packets > model_queue(host.model, 2, 1)->counters.handled_packets * 5 / 4);
        end(&host);
}

static void a_smaller_limit_gives_a_queue_less_of_a_full_worker(void **state) {
        struct sim_host host;

        (void) state;
        begin_shared(&host, 2, "{\"queue\": 1, \"packets\": 2000000, \"bytes\": 1400}");
        assert_int_equal(model_queue_set_limit(host.model, 1, 1, MODEL_MAX_PROCESSED_DATA, 65536), 0);
        model_advance(host.model, SECOND);
        assert_true(model_queue(host.model, 1, 1)->counters.handled_packets * 4 < model_queue(host.model, 2, 1)->counters.handled_packets);
        assert_true(model_queue(host.model, 1, 1)->counters.notif_limited > 0);
        end(&host);
}

/* --- control */

static void begin_small(struct sim_host *host) {
        begin(host, "{\"topology\": {\"cores\": 4}, \"workers\": [{\"cpu\": 3}], \"vms\": [{\"name\": \"vm\", \"devices\": [{}, {\"can_poll\": false}]}]}");
}

static void create_takes_minus_one_and_cpus_of_the_host_only(void **state) {
        struct sim_host host;
        unsigned number = 0, created[MODEL_CREATED_MAX];

        (void) state;
        begin_small(&host);
        assert_int_equal(model_worker_create(host.model, -2, &number), -EINVAL);
        assert_int_equal(model_worker_create(host.model, 4, &number), -EINVAL);
        assert_int_equal(model_worker_create(host.model, -1, &number), 0);
        assert_int_equal(number, 3);
        assert_int_equal(model_worker_create(host.model, 3, &number), 0);
        assert_int_equal(model_worker(host.model, 4)->cpu, 3);
        assert_int_equal(model_take_created(host.model, created), 2);
        assert_int_equal(created[1], 4);
        assert_int_equal(model_take_created(host.model, created), 0);
        for (unsigned i = 0; i < 40; i++)
                assert_int_equal(model_worker_create(host.model, 0, &number), 0);
        assert_int_equal(model_take_created(host.model, created), MODEL_CREATED_MAX);
        assert_int_equal(created[31], 36);
        assert_non_null(model_worker(host.model, 44));
        end(&host);
}

static void only_a_locked_empty_worker_can_be_removed(void **state) {
        struct sim_host host;

        (void) state;
        begin_small(&host);
        assert_int_equal(model_worker_remove(host.model, 2), -EINVAL);
        assert_int_equal(model_worker_set_locked(host.model, 2, true), 0);
        assert_int_equal(model_move(host.model, 1, 2), 0); /* a locked target is not refused */
        assert_int_equal(model_worker_remove(host.model, 2), -EINVAL);
        assert_int_equal(model_move(host.model, 1, 1), 0);
        assert_int_equal(model_worker_remove(host.model, 2), 0);
        assert_int_equal(model_worker_remove(host.model, 2), -EINVAL);
        end(&host);
}

static void unlocking_is_done_and_answered_by_an_error(void **state) {
        struct sim_host host;

        (void) state;
        begin_small(&host);
        assert_int_equal(model_worker_set_locked(host.model, 2, false), 0); /* it is not locked */
        assert_int_equal(model_worker_set_locked(host.model, 2, true), 0);
        assert_int_equal(model_worker_set_locked(host.model, 2, true), 0);
        assert_int_equal(model_worker_set_locked(host.model, 2, false), -EINVAL);
        assert_false(model_worker(host.model, 2)->locked);
        assert_int_equal(model_worker_set_locked(host.model, 9, true), -ENODEV);
        end(&host);
}

static void locking_the_default_worker_makes_another_the_default(void **state) {
        struct sim_host host;

        (void) state;
        begin_small(&host);
        assert_int_equal(model_default_worker(host.model)->number, 1);
        assert_int_equal(model_worker_set_locked(host.model, 1, true), 0);
        assert_int_equal(model_default_worker(host.model)->number, 2);
        assert_int_equal(model_set_default_worker(host.model, 1), -EINVAL);
        assert_int_equal(model_worker_set_locked(host.model, 2, true), 0);
        assert_int_equal(model_default_worker(host.model)->number, 3); /* made for it */
        assert_int_equal(model_default_worker(host.model)->cpu, -1);
        assert_int_equal(model_worker_set_locked(host.model, 1, false), -EINVAL);
        assert_int_equal(model_set_default_worker(host.model, 1), 0);
        assert_int_equal(model_default_worker(host.model)->number, 1);
        assert_int_equal(model_set_default_worker(host.model, 99), -EINVAL);
        end(&host);
}

static void a_move_takes_all_queues_and_is_refused_while_one_is_under_way(void **state) {
        struct sim_host host;

        (void) state;
        begin_small(&host);
        assert_int_equal(model_move(host.model, 1, 9), -EINVAL);
        assert_int_equal(model_move(host.model, 9, 1), -ENODEV);
        assert_int_equal(model_move(host.model, 1, 1), 0);
        assert_int_equal(model_device(host.model, 1)->counters.move_count, 0);
        assert_int_equal(model_move_begin(host.model, 1, 2), 0);
        assert_int_equal(model_move_begin(host.model, 1, 2), -EINVAL);
        assert_int_equal(model_device(host.model, 1)->worker->number, 1);
        assert_int_equal(model_move_end(host.model, 1, 2), 0);
        assert_int_equal(model_device(host.model, 1)->worker->number, 2);
        assert_int_equal(model_worker(host.model, 2)->n_devices, 1);
        assert_int_equal(model_worker(host.model, 1)->n_devices, 1);
        assert_int_equal(model_move_begin(host.model, 1, 1), 0);
        assert_int_equal(model_vanish_device(host.model, 1), 0);
        assert_int_equal(model_move_end(host.model, 1, 1), -ENODEV);
        end(&host);
}

static void a_queue_that_cannot_be_polled_stays_notified_without_an_error(void **state) {
        struct sim_host host;

        (void) state;
        begin_small(&host);
        assert_int_equal(model_queue_set_poll(host.model, 2, 0, true), 0);
        assert_false(model_queue(host.model, 2, 0)->poll);
        assert_int_equal(model_queue_set_poll(host.model, 1, 0, true), 0);
        assert_true(model_queue(host.model, 1, 0)->poll);
        assert_int_equal(model_queue_set_poll(host.model, 1, 2, true), -ENODEV);
        assert_int_equal(model_queue_set_limit(host.model, 1, 0, MODEL_MAX_PROCESSED_DATA, -1), -EINVAL);
        assert_int_equal(model_queue_set_limit(host.model, 1, 0, MODEL_MAX_STUCK_CYCLES, -1), 0);
        assert_int_equal(model_set_epoch(host.model, 2), -EINVAL);
        assert_int_equal(model_set_epoch(host.model, 1), 0);
        assert_int_equal(model_epoch(host.model), 1);
        end(&host);
}

static void a_worker_that_vanishes_leaves_its_devices_to_the_default_one(void **state) {
        struct sim_host host;

        (void) state;
        begin_small(&host);
        assert_int_equal(model_vanish_worker(host.model, 1), 0);
        assert_int_equal(model_default_worker(host.model)->number, 2);
        assert_int_equal(model_device(host.model, 1)->worker->number, 2);
        assert_int_equal(model_vanish_worker(host.model, 2), -EBUSY);
        end(&host);
}

/* Everything at random for a while: nothing breaks, and what must hold holds. */
static void random_operations_keep_the_model_whole(void **state) {
        const char *given = getenv("IOCORE_SEED");
        unsigned seed = given ? (unsigned) strtoul(given, NULL, 10) : 1, random;
        struct sim_host host;

        (void) state;
        print_message("# seed %u\n", seed);
        begin(&host, "{\"topology\": {\"sockets\": 2, \"nodes\": 2, \"cores\": 4, \"threads\": 2}, \"move\": 0.002, \"vms\": [{\"name\": \"vm\", \"count\": 6,"
                     " \"vcpu_load\": [{\"busy\": 0.9}], \"vcpus\": 4, \"devices\": [{\"load\": [{\"packets\": 300000, \"noise\": 1}]}]}]}");
        random = seed;
        for (unsigned i = 0; i < 4000; i++) {
                unsigned number = 0, kind, a, b;
                random = random * 1103515245u + 12345u;
                kind = random >> 29;
                a = (random >> 8) % 24;
                b = (random >> 14) % 24;
                if (kind == 0)
                        (void) model_worker_create(host.model, (int) a - 4, &number);
                else if (kind == 1)
                        (void) model_worker_set_locked(host.model, a, b & 1);
                else if (kind == 2)
                        (void) model_worker_remove(host.model, a);
                else if (kind == 3)
                        (void) model_set_default_worker(host.model, a);
                else if (kind == 4)
                        (void) model_queue_set_poll(host.model, a % 8, b & 1, b & 2);
                else
                        (void) model_move(host.model, a % 8, b);
                model_advance(host.model, 700);

                size_t devices = 0;
                assert_false(model_default_worker(host.model)->locked);
                for (size_t j = 0; j < model_n_workers(host.model); j++) {
                        const struct model_worker *worker = model_worker_at(host.model, j);
                        devices += worker->n_devices;
                        assert_int_equal(worker->counters.total_work_cycles + worker->counters.cycles + worker->counters.wait,
                                         model_cycles(host.model) - worker->born_cycles);
                }
                assert_int_equal(devices, 6);
                for (int cpu = 0; cpu < 16; cpu++)
                        assert_true(model_cpu(host.model, cpu)->worker_cycles + model_cpu(host.model, cpu)->vcpu_cycles <= model_cycles(host.model));
        }
        end(&host);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(same_seed_is_the_same_run_bit_for_bit),
                cmocka_unit_test(a_run_is_this_one_on_every_machine),
                cmocka_unit_test(a_worker_spends_all_its_time_on_work_looking_or_waiting),
                cmocka_unit_test(a_workers_work_is_the_sum_of_its_queues),
                cmocka_unit_test(open_loop_packets_arrive_at_their_rate_and_ramp),
                cmocka_unit_test(noise_changes_the_moment_not_the_rate),
                cmocka_unit_test(a_full_core_saturates_and_fills_rings),
                cmocka_unit_test(two_cores_serve_twice_as_much),
                cmocka_unit_test(polling_helps_few_vms_and_not_a_full_worker),
                cmocka_unit_test(kicks_per_packet_fall_as_a_worker_gets_busy),
                cmocka_unit_test(polling_saves_work_and_exits_at_a_high_kick_rate),
                cmocka_unit_test(memory_of_another_node_makes_work_longer),
                cmocka_unit_test(workers_of_one_cpu_share_it),
                cmocka_unit_test(busy_vcpus_take_time_from_a_worker_without_a_cpu),
                cmocka_unit_test(a_paused_vm_makes_no_requests),
                cmocka_unit_test(devices_come_and_go_with_their_vm_and_numbers_are_not_used_again),
                cmocka_unit_test(stuck_queues_are_counted_once_a_limit_is_set),
                cmocka_unit_test(a_smaller_limit_gives_a_queue_less_of_a_full_worker),
                cmocka_unit_test(create_takes_minus_one_and_cpus_of_the_host_only),
                cmocka_unit_test(only_a_locked_empty_worker_can_be_removed),
                cmocka_unit_test(unlocking_is_done_and_answered_by_an_error),
                cmocka_unit_test(locking_the_default_worker_makes_another_the_default),
                cmocka_unit_test(a_move_takes_all_queues_and_is_refused_while_one_is_under_way),
                cmocka_unit_test(a_queue_that_cannot_be_polled_stays_notified_without_an_error),
                cmocka_unit_test(a_worker_that_vanishes_leaves_its_devices_to_the_default_one),
                cmocka_unit_test(random_operations_keep_the_model_whole),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

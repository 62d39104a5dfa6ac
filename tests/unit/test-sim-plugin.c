/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin `sim` against the real host model and the real services. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/config.h"
#include "daemon/host/host.h"
#include "daemon/plugin-services.h"
#include "plugins/iocore-plugin.h"

#define SECOND 1000000u

extern const struct iocore_plugin iocore_plugin;

struct fixture {
        char path[64];
        struct config *config;
        struct host *host;
        struct plugin_instance instance;
        struct iocore_context context;
        struct config_option options[3];
        uint64_t now;
};

static const char *const two_nodes =
        "{\"topology\": {\"sockets\": 2, \"nodes\": 2, \"cores\": 4, \"ghz\": 2}, \"workers\": [{\"cpu\": 1}],"
        " \"vms\": [{\"name\": \"a\", \"pid\": 11, \"node\": 0, \"pauses\": 5, \"devices\": [{\"backend\": \"tap0\", \"load\": [{\"queue\": 1, \"packets\": 100000}]}]},"
        "           {\"name\": \"b\", \"pid\": 12, \"node\": 1, \"leaves\": 3, \"vcpu_load\": [{\"busy\": 1}], \"vcpus\": 2, \"devices\": [{\"worker\": 2, \"can_poll\": false}]}]}";

static int open_plugin(struct fixture *fixture, const char *topology, const char *pace, char *ret_reason) {
        struct topology *synthetic = NULL;

        assert_int_equal(topology_new(&synthetic, "/", topology, NULL, NULL), 0);
        assert_int_equal(host_new(&fixture->host, synthetic), 0);
        assert_int_equal(config_new(&fixture->config), 0);
        fixture->options[0] = (struct config_option){.plugin = (char *) "sim", .key = (char *) "scenario", .value = fixture->path};
        fixture->options[1] = (struct config_option){.plugin = (char *) "sim", .key = (char *) "pace", .value = (char *) pace};
        fixture->config->options = fixture->options;
        fixture->config->n_options = pace ? 2 : 1;
        fixture->instance.plugin = &iocore_plugin;
        fixture->context = (struct iocore_context){.name = "sim", .instance = &fixture->instance, .host = fixture->host, .config = fixture->config};
        return iocore_plugin.open(&plugin_services, &fixture->context, &fixture->instance.state, ret_reason, IOCORE_REASON_MAX);
}

static void write_scenario(struct fixture *fixture, const char *text) {
        strcpy(fixture->path, "/tmp/test-sim-plugin.XXXXXX");
        int fd = mkstemp(fixture->path);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static void begin(struct fixture *fixture) {
        char reason[IOCORE_REASON_MAX] = "";

        *fixture = (struct fixture){0};
        write_scenario(fixture, two_nodes);
        if (open_plugin(fixture, "pack:2 numa:1 l3:1 core:4 pu:1", NULL, reason) < 0)
                fail_msg("%s", reason);
}

static void end(struct fixture *fixture) {
        if (fixture->instance.state)
                iocore_plugin.close(fixture->instance.state);
        fixture->config->options = NULL; /* not from the heap */
        fixture->config->n_options = 0;
        host_free(fixture->host);
        config_free(fixture->config);
        unlink(fixture->path);
}

/* One epoch as the engine makes it, after `usec` of the host's time. */
static void epoch(struct fixture *fixture, unsigned usec) {
        assert_int_equal(iocore_plugin.advance(fixture->instance.state, usec), 0);
        fixture->now += usec;
        assert_int_equal(iocore_plugin.scan(fixture->instance.state, false), 0);
        host_begin_epoch(fixture->host, fixture->now);
        assert_int_equal(iocore_plugin.sample_workers(fixture->instance.state), 0);
        host_derive_workers(fixture->host);
        for (size_t i = 0; i < fixture->host->n_workers; i++)
                assert_int_equal(iocore_plugin.sample_queues(fixture->instance.state, &fixture->host->workers[i]->pub), 0);
        assert_int_equal(iocore_plugin.sample_cpus(fixture->instance.state), 0);
        host_derive(fixture->host);
}

static const struct iocore_knob *knob(const char *kind) {
        for (size_t i = 0; i < iocore_plugin.n_knobs; i++)
                if (strcmp(iocore_plugin.knobs[i].kind, kind) == 0)
                        return iocore_plugin.knobs + i;
        fail_msg("no knob %s", kind);
        return NULL;
}

static void assert_set(struct fixture *fixture, const char *kind, const char *object, const char *value, const char *wanted) {
        char really[IOCORE_VALUE_MAX] = "", live[IOCORE_VALUE_MAX] = "";

        assert_int_equal(knob(kind)->set(fixture->instance.state, object, value, really, sizeof(really)), 0);
        assert_string_equal(really, wanted);
        assert_int_equal(knob(kind)->get(fixture->instance.state, object, live, sizeof(live)), 0);
        assert_string_equal(live, wanted);
}

static int set_error(struct fixture *fixture, const char *kind, const char *object, const char *value) {
        char really[IOCORE_VALUE_MAX] = "";

        return knob(kind)->set(fixture->instance.state, object, value, really, sizeof(really));
}

static void without_a_scenario_the_probe_says_no(void **state) {
        struct config *config = NULL;
        struct iocore_context context = {.name = "sim"};
        char reason[IOCORE_REASON_MAX] = "";

        (void) state;
        assert_int_equal(config_new(&config), 0);
        context.config = config;
        assert_int_equal(iocore_plugin.probe(&plugin_services, &context, reason, sizeof(reason)), 0);
        assert_string_equal(reason, "no scenario is configured ([plugin.sim] scenario)");
        config_free(config);
}

static void open_adds_what_the_scenario_has(void **state) {
        struct fixture fixture;

        (void) state;
        begin(&fixture);
        const struct host *host = fixture.host;
        assert_int_equal(host->n_workers, 2);
        assert_true(host_worker(host, "w.1")->pub.is_default);
        assert_int_equal(host_worker(host, "w.1")->pub.cpu, IOCORE_CPU_ANY);
        assert_int_equal(host_worker(host, "w.2")->pub.cpu, 1);
        assert_true(host_cpu(host, 1)->io_core);
        assert_ptr_equal(host_cpu(host, 1)->worker, host_worker(host, "w.2"));
        assert_int_equal(host->n_units, 2);
        assert_ptr_equal(host_unit(host, "d.1")->pub.worker, &host_worker(host, "w.1")->pub);
        assert_ptr_equal(host_unit(host, "d.2")->pub.worker, &host_worker(host, "w.2")->pub);
        assert_int_equal(host_unit(host, "d.2")->pub.node, 1);
        assert_string_equal(host_unit(host, "d.2")->pub.domain, "b");
        assert_string_equal(host_device(host, "d.1")->pub.backend, "tap0");
        assert_int_equal(host->n_queues, 4);
        assert_true(host_queue(host, "vq.1.1")->pub.can_poll);
        assert_false(host_queue(host, "vq.2.0")->pub.can_poll);
        assert_int_equal(host_domain(host, "a")->pub.pid, 11);
        end(&fixture);
}

static void samples_become_loads(void **state) {
        struct fixture fixture;

        (void) state;
        begin(&fixture);
        for (unsigned i = 0; i < 10; i++)
                epoch(&fixture, SECOND / 10);
        const struct queue *queue = host_queue(fixture.host, "vq.1.1");
        assert_true(queue_rates_valid(fixture.host, queue));
        assert_true(queue->packets_per_second > 99000 && queue->packets_per_second < 101000);
        assert_true(queue->bytes_per_second > 99000 * 1500.0 && queue->bytes_per_second < 101000 * 1500.0);
        assert_true(queue->load > 0.05 && queue->load < 0.9);
        /* the worker's load is its queues' */
        double difference = host_worker(fixture.host, "w.1")->load - queue->load;
        assert_true(difference > -0.01 && difference < 0.01);
        /* CPU times: node 1 has two busy vCPUs on four cores */
        assert_true(host_cpu(fixture.host, 5)->busy_share > 0.45 && host_cpu(fixture.host, 5)->busy_share < 0.75);
        end(&fixture);
}

static void objects_come_and_go_with_the_scenario(void **state) {
        struct fixture fixture;

        (void) state;
        begin(&fixture);
        for (unsigned i = 0; i < 4; i++)
                epoch(&fixture, SECOND);
        assert_null(host_unit(fixture.host, "d.2"));
        assert_null(host_domain(fixture.host, "b"));
        assert_int_equal(fixture.host->n_queues, 2);
        assert_int_equal(host_domain(fixture.host, "a")->pub.state, IOCORE_DOMAIN_RUNNING);
        epoch(&fixture, 2 * SECOND);
        assert_int_equal(host_domain(fixture.host, "a")->pub.state, IOCORE_DOMAIN_PAUSED);
        assert_int_equal(iocore_plugin.ended(fixture.instance.state), 0);
        end(&fixture);
}

static void a_core_is_added_filled_emptied_and_removed(void **state) {
        struct fixture fixture;
        char worker[IOCORE_ID_MAX], place[IOCORE_VALUE_MAX];

        (void) state;
        begin(&fixture);
        const struct unit *unit = host_unit(fixture.host, "d.1");
        assert_int_equal(iocore_plugin.place(fixture.instance.state, &unit->pub, 2, place, sizeof(place)), -ENOENT);
        assert_int_equal(iocore_plugin.core_add(fixture.instance.state, 2, worker, sizeof(worker)), 0);
        assert_string_equal(worker, "w.3");
        assert_true(host_cpu(fixture.host, 2)->io_core);
        assert_ptr_equal(host_cpu(fixture.host, 2)->worker, host_worker(fixture.host, "w.3"));
        assert_int_equal(iocore_plugin.place(fixture.instance.state, &unit->pub, 2, place, sizeof(place)), 0);
        assert_set(&fixture, "unit.place", "d.1", place, "w.3");
        assert_string_equal(unit->pub.worker->id, "w.3");
        assert_int_equal(iocore_plugin.core_remove(fixture.instance.state, 2, worker), -EBUSY);
        assert_set(&fixture, "worker.locked", worker, "1", "1");
        assert_false(host_cpu(fixture.host, 2)->io_core);
        assert_set(&fixture, "worker.locked", worker, "0", "0"); /* the kernel's quirk does not show */
        assert_true(host_cpu(fixture.host, 2)->io_core);
        assert_int_equal(iocore_plugin.place(fixture.instance.state, &unit->pub, IOCORE_CPU_ANY, place, sizeof(place)), 0);
        assert_string_equal(place, "w.1");
        assert_set(&fixture, "unit.place", "d.1", place, "w.1");
        assert_int_equal(iocore_plugin.core_remove(fixture.instance.state, 2, worker), 0);
        assert_false(host_cpu(fixture.host, 2)->io_core);
        assert_null(host_worker(fixture.host, "w.3"));
        assert_int_equal(iocore_plugin.core_remove(fixture.instance.state, 2, worker), -ENOENT);
        assert_int_equal(iocore_plugin.core_add(fixture.instance.state, 8, worker, sizeof(worker)), -EINVAL);
        end(&fixture);
}

static void two_workers_on_a_cpu_keep_it_an_io_core_until_both_are_gone(void **state) {
        struct fixture fixture;
        char worker[IOCORE_ID_MAX];

        (void) state;
        begin(&fixture);
        assert_int_equal(iocore_plugin.core_add(fixture.instance.state, 1, worker, sizeof(worker)), 0);
        assert_int_equal(iocore_plugin.core_remove(fixture.instance.state, 1, worker), 0);
        assert_true(host_cpu(fixture.host, 1)->io_core);
        assert_ptr_equal(host_cpu(fixture.host, 1)->worker, host_worker(fixture.host, "w.2"));
        end(&fixture);
}

static void knobs_refuse_what_is_no_value_and_tell_what_is_gone(void **state) {
        struct fixture fixture;

        (void) state;
        begin(&fixture);
        assert_set(&fixture, "queue.poll", "vq.1.0", "1", "1");
        assert_true(host_queue(fixture.host, "vq.1.0")->pub.poll);
        assert_set(&fixture, "queue.poll", "vq.2.0", "1", "0"); /* what was really set */
        assert_set(&fixture, "queue.limit", "vq.1.0", "65536", "65536");
        assert_int_equal(set_error(&fixture, "unit.place", "d.1", "w.9"), -EINVAL);
        assert_int_equal(set_error(&fixture, "unit.place", "d.1", "5"), -EINVAL);
        assert_int_equal(set_error(&fixture, "unit.place", "d.9", "w.1"), -ENOENT);
        assert_int_equal(set_error(&fixture, "worker.locked", "w.1", "yes"), -EINVAL);
        assert_int_equal(set_error(&fixture, "worker.locked", "w.9", "1"), -ENOENT);
        assert_int_equal(set_error(&fixture, "queue.poll", "vq.1.7", "1"), -ENOENT);
        assert_int_equal(set_error(&fixture, "queue.limit", "vq.1.0", "-1"), -EINVAL);
        assert_int_equal(set_error(&fixture, "queue.limit", "vq.1.0", "1e3"), -EINVAL);
        assert_null(iocore_plugin.unavailable(fixture.instance.state, "grow"));
        assert_non_null(iocore_plugin.unavailable(fixture.instance.state, "irq.affinity"));
        end(&fixture);
}

static void another_topology_or_pace_is_refused(void **state) {
        struct fixture fixture = {0};
        char reason[IOCORE_REASON_MAX] = "";

        (void) state;
        write_scenario(&fixture, two_nodes);
        assert_int_equal(open_plugin(&fixture, "pack:1 numa:1 l3:1 core:8 pu:1", NULL, reason), -EINVAL);
        assert_string_equal(reason, "the host's topology is not the scenario's ([topology] synthetic = pack:2 numa:1 l3:1 core:4 pu:1)");
        assert_int_equal(fixture.host->n_workers, 0);
        end(&fixture);

        fixture = (struct fixture){0};
        write_scenario(&fixture, two_nodes);
        assert_int_equal(open_plugin(&fixture, "pack:2 numa:1 l3:1 core:4 pu:1", "fast", reason), -EINVAL);
        assert_string_equal(reason, "pace is \"fast\", not virtual or real");
        end(&fixture);

        fixture = (struct fixture){0};
        write_scenario(&fixture, "{\"topology\": {}, \"vms\": [{}]}");
        assert_int_equal(open_plugin(&fixture, "pack:1 numa:1 l3:1 core:4 pu:1", NULL, reason), -EINVAL);
        assert_non_null(strstr(reason, "vms[0]: has no name"));
        end(&fixture);
}

static void in_real_pace_time_passes_by_itself(void **state) {
        struct fixture fixture = {0};
        char reason[IOCORE_REASON_MAX] = "";
        uint64_t first;

        (void) state;
        write_scenario(&fixture, two_nodes);
        assert_int_equal(open_plugin(&fixture, "pack:2 numa:1 l3:1 core:4 pu:1", "real", reason), 0);
        assert_int_equal(iocore_plugin.sample_workers(fixture.instance.state), 0);
        first = host_worker(fixture.host, "w.1")->pub.clock;
        for (unsigned i = 0; i < 100000000 && host_worker(fixture.host, "w.1")->pub.clock == first; i++)
                assert_int_equal(iocore_plugin.sample_workers(fixture.instance.state), 0);
        assert_true(host_worker(fixture.host, "w.1")->pub.clock > first);
        end(&fixture);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_a_scenario_the_probe_says_no),
                cmocka_unit_test(open_adds_what_the_scenario_has),
                cmocka_unit_test(samples_become_loads),
                cmocka_unit_test(objects_come_and_go_with_the_scenario),
                cmocka_unit_test(a_core_is_added_filled_emptied_and_removed),
                cmocka_unit_test(two_workers_on_a_cpu_keep_it_an_io_core_until_both_are_gone),
                cmocka_unit_test(knobs_refuse_what_is_no_value_and_tell_what_is_gone),
                cmocka_unit_test(another_topology_or_pace_is_refused),
                cmocka_unit_test(in_real_pace_time_passes_by_itself),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <hwloc.h>

#include "plugins/sim/scenario.h"

#define TOPOLOGY "\"topology\": {\"sockets\": 2, \"nodes\": 2, \"cores\": 4}"

/* Parses what must parse. */
static struct scenario *parse(const char *text) {
        char error[SCENARIO_ERROR_MAX] = "";
        struct scenario *scenario = NULL;

        if (scenario_parse(&scenario, text, strlen(text), error, sizeof(error)) < 0)
                fail_msg("%s", error);
        return scenario;
}

static void assert_refused(const char *text, const char *wanted) {
        char error[SCENARIO_ERROR_MAX] = "";
        struct scenario *scenario = NULL;

        assert_int_equal(scenario_parse(&scenario, text, strlen(text), error, sizeof(error)), -EINVAL);
        assert_null(scenario);
        assert_string_equal(error, wanted);
}

static void a_document_with_everything_is_read(void **state) {
        struct scenario *scenario = parse(
                "{\"name\": \"all\", \"doc\": \"x\", \"seed\": 9, \"quantum\": 0.002, \"duration\": 12.5, \"move\": 0.001,"
                " \"topology\": {\"sockets\": 2, \"nodes\": 4, \"cores\": 3, \"threads\": 2, \"ghz\": 3},"
                " \"costs\": {\"request\": 1000, \"byte\": 0.5, \"kick\": 1, \"exit\": 2, \"poll\": 3, \"turn\": 4, \"mm_switch\": 5, \"roam\": 6, \"remote\": 0.25},"
                " \"workers\": [{\"cpu\": 5}, {\"cpu\": -1, \"locked\": true}],"
                " \"vms\": [{\"name\": \"a\", \"vcpus\": 2, \"node\": 3, \"pid\": 77, \"arrives\": 1, \"leaves\": 9, \"pauses\": 2, \"resumes\": 3,"
                "   \"vcpu_load\": [{\"at\": 1, \"busy\": 0.5}],"
                "   \"devices\": [{\"backend\": \"tap7\", \"queues\": 3, \"worker\": 2, \"can_poll\": false, \"ring\": 512, \"costs\": {\"kick\": 99},"
                "     \"load\": [{\"at\": 1, \"ramp\": 2, \"queue\": 1, \"packets\": 1000, \"bytes\": 64, \"noise\": 0.5},"
                "                {\"at\": 5, \"in_flight\": 32, \"think\": 0.0001, \"bytes\": 1024}]}]}]}");

        (void) state;
        assert_string_equal(scenario->name, "all");
        assert_int_equal(scenario->seed, 9);
        assert_int_equal(scenario->quantum_usec, 2000);
        assert_int_equal(scenario->duration_usec, 12500000);
        assert_int_equal(scenario->move_usec, 1000);
        assert_int_equal(scenario->topology.cycles_per_usec, 3000);
        assert_int_equal(scenario_n_cpus(scenario), 24);
        assert_int_equal(scenario_n_nodes(scenario), 4);
        assert_int_equal(scenario_cpu_node(scenario, 23), 3);
        assert_int_equal(scenario->n_workers, 2);
        assert_int_equal(scenario->workers[0].cpu, 5);
        assert_true(scenario->workers[1].locked);

        const struct scenario_vm *vm = scenario->vms;
        assert_int_equal(vm->pid, 77);
        assert_int_equal(vm->node, 3);
        assert_int_equal(vm->leaves_usec, 9000000);
        assert_int_equal(vm->vcpu_loads[0].busy_share, SCENARIO_SHARE / 2);
        const struct scenario_device *device = vm->devices;
        assert_string_equal(device->backend, "tap7");
        assert_int_equal(device->n_queues, 3);
        assert_int_equal(device->worker, 2);
        assert_false(device->can_poll);
        assert_int_equal(device->ring, 512);
        assert_int_equal(device->costs.kick, 99);     /* its own */
        assert_int_equal(device->costs.request, 1000); /* the document's */
        assert_int_equal(device->costs.byte_share, SCENARIO_SHARE / 2);
        assert_int_equal(device->loads[0].ramp_usec, 2000000);
        assert_int_equal(device->loads[0].queue, 1);
        assert_int_equal(device->loads[1].queue, SCENARIO_ALL_QUEUES);
        assert_int_equal(device->loads[1].in_flight, 32);
        assert_int_equal(device->loads[1].think_usec, 100);
        scenario_free(scenario);
}

static void count_makes_numbered_copies_that_go_round_the_nodes(void **state) {
        struct scenario *scenario = parse("{" TOPOLOGY ", \"vms\": [{\"name\": \"vm\", \"count\": 3, \"devices\": [{}], \"pid\": 100}, {\"name\": \"x\", \"devices\": [{}]}]}");

        (void) state;
        assert_int_equal(scenario->n_vms, 4);
        assert_string_equal(scenario->vms[0].name, "vm1");
        assert_string_equal(scenario->vms[2].name, "vm3");
        assert_int_equal(scenario->vms[1].node, 1);
        assert_int_equal(scenario->vms[2].node, 0);
        assert_int_equal(scenario->vms[2].pid, 102);
        assert_string_equal(scenario->vms[2].devices[0].backend, "tap2.0");
        assert_true(scenario->vms[3].pid > 4194304); /* nobody's pid */
        scenario_free(scenario);
}

static void topology_string_is_what_hwloc_makes_the_same_cpus_and_nodes_of(void **state) {
        struct scenario *scenario = parse("{\"topology\": {\"sockets\": 2, \"nodes\": 4, \"cores\": 3, \"threads\": 2}}");
        hwloc_topology_t topology;
        char string[128];

        (void) state;
        assert_int_equal(scenario_topology_string(scenario, string, sizeof(string)), 0);
        assert_int_equal(hwloc_topology_init(&topology), 0);
        assert_int_equal(hwloc_topology_set_synthetic(topology, string), 0);
        assert_int_equal(hwloc_topology_load(topology), 0);
        assert_int_equal(hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU), scenario_n_cpus(scenario));
        assert_int_equal(hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PACKAGE), 2);
        for (unsigned cpu = 0; cpu < scenario_n_cpus(scenario); cpu++) {
                hwloc_obj_t object = hwloc_get_pu_obj_by_os_index(topology, cpu);
                assert_non_null(object);
                assert_int_equal(hwloc_bitmap_first(object->nodeset), scenario_cpu_node(scenario, (int) cpu));
        }
        hwloc_topology_destroy(topology);
        assert_int_equal(scenario_topology_string(scenario, string, 8), -ENOBUFS);
        scenario_free(scenario);
}

static void errors_name_their_place_in_the_document(void **state) {
        static const struct {
                const char *text, *error;
        } cases[] = {
                {"", "line 1: not JSON"},
                {"{\n\"name\":\n]", "line 3: not JSON"},
                {"[]", "must be an object"},
                {"{} x", "there is more after the document"},
                {"{}", "topology: is missing"},
                {"{\"vms\": []}", "topology: is missing"},
                {"{\"tpology\": {}}", "unknown key \"tpology\""},
                {"{\"name\": 1, \"topology\": {}}", "name: must be a string"},
                {"{\"name\": \"a,b\", \"topology\": {}}", "name: must be printable ASCII without a comma"},
                {"{\"name\": \"a\\nb\", \"topology\": {}}", "name: must be printable ASCII without a comma"},
                {"{\"seed\": 1, \"seed\": 2, \"topology\": {}}", "key \"seed\" is given twice"},
                {"{\"seed\": -1, \"topology\": {}}", "seed: must be between 0 and 9.0072e+15"},
                {"{\"quantum\": 0, \"topology\": {}}", "quantum: must be between 1e-05 and 1"},
                {"{\"quantum\": 1e999, \"topology\": {}}", "quantum: must be between 1e-05 and 1"},
                {"{\"topology\": {\"sockets\": 0}}", "topology.sockets: must be a whole number between 1 and 64"},
                {"{\"topology\": {\"sockets\": 1.5}}", "topology.sockets: must be a whole number between 1 and 64"},
                {"{\"topology\": {\"sockets\": 2, \"nodes\": 3}}", "topology: nodes must be a multiple of sockets"},
                {"{\"topology\": {\"sockets\": 64, \"cores\": 4096}}", "topology: more than 4096 CPUs"},
                {"{" TOPOLOGY ", \"costs\": {\"poll\": 0}}", "costs: poll must be at least 1: a look at a queue takes time"},
                {"{" TOPOLOGY ", \"costs\": {\"kik\": 0}}", "costs: unknown key \"kik\""},
                {"{" TOPOLOGY ", \"workers\": [{\"cpu\": 8}]}", "workers[0].cpu: must be a whole number between -1 and 7"},
                {"{" TOPOLOGY ", \"vms\": {}}", "vms: must be an array"},
                {"{" TOPOLOGY ", \"vms\": [{}]}", "vms[0]: has no name"},
                {"{" TOPOLOGY ", \"vms\": [{\"name\": \"\"}]}", "vms[0].name: must have 1 to 115 characters"},
                {"{" TOPOLOGY ", \"vms\": [{\"name\": \"a\", \"node\": 2}]}", "vms[0].node: must be a whole number between 0 and 1"},
                {"{" TOPOLOGY ", \"vms\": [{\"name\": \"a\"}, {\"name\": \"a\"}]}", "vms: two are named \"a\""},
                {"{" TOPOLOGY ", \"vms\": [{\"name\": \"a\", \"pid\": 7}, {\"name\": \"b\", \"pid\": 7}]}", "vms: two have the pid 7"},
                {"{" TOPOLOGY ", \"vms\": [{\"name\": \"a\", \"arrives\": 2, \"leaves\": 2}]}", "vms[0]: leaves before it arrives"},
                {"{" TOPOLOGY ", \"vms\": [{\"name\": \"a\", \"resumes\": 2}]}", "vms[0]: resumes without having paused before"},
                {"{" TOPOLOGY ", \"vms\": [{\"name\": \"a\", \"count\": 20000}]}", "vms[0].count: must be a whole number between 1 and 16384"},
                {"{" TOPOLOGY ", \"vms\": [{\"name\": \"a\", \"count\": 16384, \"devices\": [{\"queues\": 256}]}]}", "vms[0]: makes more than 131072 queues"},
                {"{" TOPOLOGY ", \"vms\": [{\"name\": \"a\", \"vcpu_load\": [{\"busy\": 2}]}]}", "vms[0].vcpu_load[0].busy: must be between 0 and 1"},
                {"{" TOPOLOGY ", \"vms\": [{\"name\": \"a\"}, {\"name\": \"b\"}, {\"name\": \"c\", \"devices\": [{\"load\": 5}]}]}", "vms[2].devices[0].load: must be an array"},
                {"{" TOPOLOGY ", \"vms\": [{\"name\": \"a\", \"devices\": [{\"worker\": 2}]}]}", "vms[0].devices[0].worker: must be a whole number between 1 and 1"},
                {"{" TOPOLOGY ", \"vms\": [{\"name\": \"a\", \"devices\": [{\"load\": [{}]}]}]}",
                 "vms[0].devices[0].load[0]: needs either \"packets\" (open loop) or \"in_flight\" (closed loop)"},
                {"{" TOPOLOGY ", \"vms\": [{\"name\": \"a\", \"devices\": [{\"load\": [{\"packets\": 1, \"in_flight\": 1}]}]}]}",
                 "vms[0].devices[0].load[0]: needs either \"packets\" (open loop) or \"in_flight\" (closed loop)"},
                {"{" TOPOLOGY ", \"vms\": [{\"name\": \"a\", \"devices\": [{\"load\": [{\"in_flight\": 1}]}]}]}", "vms[0].devices[0].load[0]: \"in_flight\" needs \"think\""},
                {"{" TOPOLOGY ", \"vms\": [{\"name\": \"a\", \"devices\": [{\"load\": [{\"packets\": 1, \"queue\": 2}]}]}]}",
                 "vms[0].devices[0].load[0].queue: must be a whole number between 0 and 1"},
                {"{" TOPOLOGY ", \"vms\": [{\"name\": \"a\", \"devices\": [{\"load\": [{\"packets\": 1, \"at\": 2}, {\"packets\": 1, \"at\": 1}]}]}]}",
                 "vms[0].devices[0].load[1]: is earlier than the one before it"},
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_refused(cases[i].text, cases[i].error);
}

static void a_file_that_cannot_be_read_is_told(void **state) {
        char error[SCENARIO_ERROR_MAX] = "";
        struct scenario *scenario = NULL;

        (void) state;
        assert_int_equal(scenario_load(&scenario, "/nonexistent/scenario.json", error, sizeof(error)), -ENOENT);
        assert_string_equal(error, "cannot be read: No such file or directory");
        assert_int_equal(scenario_load(&scenario, "/", error, sizeof(error)), -EINVAL);
        assert_null(scenario);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_document_with_everything_is_read),
                cmocka_unit_test(count_makes_numbered_copies_that_go_round_the_nodes),
                cmocka_unit_test(topology_string_is_what_hwloc_makes_the_same_cpus_and_nodes_of),
                cmocka_unit_test(errors_name_their_place_in_the_document),
                cmocka_unit_test(a_file_that_cannot_be_read_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

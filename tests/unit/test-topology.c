/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPUs and nodes, of made-up hosts and of trees like /sys. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/cleanup.h"
#include "daemon/host/cpu-list.h"
#include "daemon/host/topology.h"

static void put(const char *root, const char *path, const char *text) {
        char name[512];
        snprintf(name, sizeof name, "%s/%s", root, path);
        for (char *slash = name + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                (void) mkdir(name, 0755);
                *slash = '/';
        }
        _cleanup_fclose_ FILE *file = fopen(name, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) st, (void) type, (void) ftw;
        return remove(path);
}

static void remove_treep(char **root) {
        nftw(*root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(*root);
}

static char *new_tree(void) {
        char *root = strdup("/tmp/test-topology.XXXXXX");
        assert_non_null(root);
        assert_non_null(mkdtemp(root));
        return root;
}

static void put_cpu(const char *root, int cpu, const char *core, const char *package, const char *siblings, const char *package_siblings) {
        char path[128];
        const char *const files[][2] = { { "core_id", core }, { "physical_package_id", package }, { "thread_siblings", siblings }, { "core_siblings", package_siblings } };
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/topology/%s", cpu, files[i][0]);
                put(root, path, files[i][1]);
        }
}

static void put_node(const char *root, int node, const char *cpus, const char *meminfo) {
        char path[128];
        snprintf(path, sizeof path, "sys/devices/system/node/node%d/cpumap", node);
        put(root, path, cpus);
        snprintf(path, sizeof path, "sys/devices/system/node/node%d/meminfo", node);
        put(root, path, meminfo);
}

/* Node 0 with an SMT pair, node 2 without memory, node 3 without CPUs, CPUs 2, 3 missing, 5 isolated, 6 switched off. */
static char *odd_host(void) {
        char *root = new_tree();
        put(root, "sys/devices/system/cpu/online", "0-1,4-5\n");
        put(root, "sys/devices/system/cpu/present", "0-1,4-6\n");
        put(root, "sys/devices/system/cpu/isolated", "5\n");
        put_cpu(root, 0, "0\n", "0\n", "00000003\n", "00000003\n");
        put_cpu(root, 1, "0\n", "0\n", "00000003\n", "00000003\n");
        put_cpu(root, 4, "0\n", "1\n", "00000010\n", "00000030\n");
        put_cpu(root, 5, "1\n", "1\n", "00000020\n", "00000030\n");
        put(root, "sys/devices/system/cpu/cpu6/online", "0\n");
        put(root, "sys/devices/system/node/online", "0,2-3\n");
        put_node(root, 0, "00000003\n", "Node 0 MemTotal:       1000000 kB\n");
        put_node(root, 2, "00000030\n", "Node 2 MemTotal:       0 kB\n");
        put_node(root, 3, "00000000\n", "Node 3 MemTotal:       500000 kB\n");
        return root;
}

static void assert_cpus(hwloc_const_bitmap_t set, const char *list) {
        hwloc_bitmap_t wanted;
        assert_int_equal(cpu_list_parse(list, &wanted), 0);
        assert_true(hwloc_bitmap_isequal(set, wanted));
        hwloc_bitmap_free(wanted);
}

static void a_synthetic_host_has_nodes_caches_cores_and_siblings(void **state) {
        (void) state;
        _cleanup_(topology_freep) struct topology *topology = NULL;
        assert_int_equal(topology_new(&topology, "/", "pack:2 numa:1 l3:2 core:8 pu:2", NULL, NULL), 0);
        assert_true(topology->synthetic);
        assert_int_equal(topology->n_cpus, 64);
        assert_int_equal(topology->n_nodes, 2);
        for (int i = 0; i < 64; i++) {
                const struct topology_cpu *cpu = topology_cpu(topology, i);
                assert_non_null(cpu);
                assert_int_equal(cpu->cpu, i);
                assert_true(cpu->online && !cpu->isolated);
                assert_int_equal(cpu->core, i / 2);
                assert_int_equal(cpu->llc, i / 16);
                assert_int_equal(cpu->package, i / 32);
                assert_int_equal(cpu->node, i / 32);
                assert_int_equal(hwloc_bitmap_weight(cpu->siblings), 2);
                assert_true(hwloc_bitmap_isset(cpu->siblings, (unsigned) i) && hwloc_bitmap_isset(cpu->siblings, (unsigned) (i ^ 1)));
        }
        assert_cpus(topology_node(topology, 1)->cpus, "32-63");
        assert_null(topology_node(topology, 2));
        assert_null(topology_cpu(topology, 64));
        assert_null(topology_cpu(topology, -1));
}

static void isolated_and_offline_cpus_can_be_given(void **state) {
        (void) state;
        _cleanup_(topology_freep) struct topology *topology = NULL;
        assert_int_equal(topology_new(&topology, "/", "numa:1 core:4 pu:1", "1,3,77", "2-3"), 0);
        assert_true(topology->cpus[0].online && !topology->cpus[0].isolated);
        assert_true(topology->cpus[1].online && topology->cpus[1].isolated);
        assert_true(!topology->cpus[2].online && !topology->cpus[2].isolated);
        assert_true(!topology->cpus[3].online && topology->cpus[3].isolated);
}

static void what_does_not_parse_is_refused(void **state) {
        (void) state;
        struct topology *topology = NULL;
        assert_int_equal(topology_new(&topology, "/", "four cores please", NULL, NULL), -EINVAL);
        assert_int_equal(topology_new(&topology, "/", "numa:1 core:4 pu:1", "1-", NULL), -EINVAL);
        assert_int_equal(topology_new(&topology, "/", "numa:1 core:4 pu:1", NULL, "3-1"), -EINVAL);
        assert_null(topology);
}

static void cpu_lists_are_taken_strictly(void **state) {
        (void) state;
        static const struct {
                const char *list;
                int result, weight;
        } cases[] = {
                { "", 0, 0 },           { "0", 0, 1 },           { "0-3,8", 0, 5 },       { "5-5", 0, 1 },        { "1,1,1", 0, 1 },    { "99999", 0, 1 },
                { "0-", -EINVAL, 0 },   { "-3", -EINVAL, 0 },    { "3,", -EINVAL, 0 },    { ",", -EINVAL, 0 },    { "1,,2", -EINVAL, 0 }, { "1 2", -EINVAL, 0 },
                { " 1", -EINVAL, 0 },   { "0x3", -EINVAL, 0 },   { "1-2-3", -EINVAL, 0 }, { "x", -EINVAL, 0 },    { "3-1", -ERANGE, 0 }, { "100000", -ERANGE, 0 },
                { "0-4294967296", -ERANGE, 0 }, { "010", 0, 1 }, { "069-8", -ERANGE, 0 },
        };
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                hwloc_bitmap_t set = NULL;
                assert_int_equal(cpu_list_parse(cases[i].list, &set), cases[i].result);
                if (cases[i].result == 0)
                        assert_int_equal(hwloc_bitmap_weight(set), cases[i].weight);
                else
                        assert_null(set);
                hwloc_bitmap_free(set);
        }
}

static void a_host_with_holes_and_memoryless_nodes_is_read_from_a_tree(void **state) {
        (void) state;
        _cleanup_(remove_treep) char *root = odd_host();
        _cleanup_(topology_freep) struct topology *topology = NULL;
        assert_int_equal(topology_new(&topology, root, NULL, NULL, "1"), 0);
        assert_false(topology->synthetic);
        assert_int_equal(topology->n_cpus, 7);
        assert_null(topology_cpu(topology, 2));
        assert_null(topology_cpu(topology, 3));
        assert_true(topology_cpu(topology, 0)->online);
        assert_false(topology_cpu(topology, 1)->online); /* given as offline */
        assert_true(topology_cpu(topology, 5)->isolated);
        assert_false(topology_cpu(topology, 4)->isolated);
        assert_false(topology_cpu(topology, 6)->online);
        assert_int_equal(topology_cpu(topology, 6)->core, -1);
        assert_cpus(topology_cpu(topology, 6)->siblings, "6");
        assert_cpus(topology_cpu(topology, 0)->siblings, "0-1");
        assert_cpus(topology_cpu(topology, 4)->siblings, "4");
        assert_true(topology_cpu(topology, 4)->core != topology_cpu(topology, 0)->core);
        assert_int_equal(topology->n_nodes, 2);
        assert_cpus(topology_node(topology, 0)->cpus, "0-1");
        assert_cpus(topology_node(topology, 2)->cpus, "4-5");
        assert_int_equal(topology_cpu(topology, 4)->node, 2);
        assert_int_equal(topology_cpu(topology, 6)->node, -1);
}

static void distances_of_nodes_are_read_and_kept_for_nodes_that_come(void **state) {
        (void) state;
        _cleanup_(remove_treep) char *root = odd_host();
        _cleanup_(topology_freep) struct topology *topology = NULL, *larger = NULL, *plain = NULL;
        put(root, "sys/devices/system/node/node0/distance", "10 21 17\n");
        put(root, "sys/devices/system/node/node2/distance", "21 10 28\n");
        put(root, "sys/devices/system/node/node3/distance", "17 28 10\n");
        assert_int_equal(topology_new(&topology, root, NULL, NULL, NULL), 0);
        assert_int_equal(topology_distance(topology, 0, 0), 10);
        assert_int_equal(topology_distance(topology, 0, 1), 21);
        /* where the kernel does not tell, or of places that are none */
        assert_int_equal(topology_new(&plain, "/", "numa:2 core:2 pu:1", NULL, NULL), 0);
        assert_int_equal(topology_distance(plain, 0, 1), 20);
        assert_int_equal(topology_distance(plain, 1, 1), 10);
        assert_int_equal(topology_distance(topology, 0, 7), 20);

        /* node 1 comes: it is between the others by number, and last by place */
        static const uint8_t distances[] = { 10, 16, 31, 16, 10, 16, 31, 16, 10 };
        assert_int_equal(topology_new(&larger, "/", "numa:3 core:2 pu:1", NULL, NULL), 0);
        larger->distances = malloc(sizeof distances);
        memcpy(larger->distances, distances, sizeof distances);
        larger->n_distances = 3;
        assert_int_equal(topology_refresh(topology, larger), 0);
        assert_int_equal(topology->n_nodes, 3);
        assert_int_equal(topology->nodes[2].node, 1);
        assert_int_equal(topology_distance(topology, 0, 1), 31);
        assert_int_equal(topology_distance(topology, 0, 2), 16);
        assert_int_equal(topology_distance(topology, 2, 1), 16);
        assert_int_equal(topology_distance(topology, 2, 2), 10);
}

static void a_host_without_nodes_has_one(void **state) {
        (void) state;
        _cleanup_(remove_treep) char *root = new_tree();
        _cleanup_(topology_freep) struct topology *topology = NULL;
        put_cpu(root, 0, "0\n", "0\n", "1\n", "3\n");
        put_cpu(root, 1, "1\n", "0\n", "2\n", "3\n");
        put(root, "sys/devices/system/cpu/isolated", "(null)\n"); /* seen on real kernels */
        assert_int_equal(topology_new(&topology, root, NULL, NULL, NULL), 0);
        assert_int_equal(topology->n_cpus, 2);
        assert_int_equal(topology->n_nodes, 1);
        assert_cpus(topology->nodes[0].cpus, "0-1");
        assert_true(topology->cpus[0].online && topology->cpus[1].online && !topology->cpus[1].isolated);
}

static void an_empty_tree_is_no_host_and_the_environment_stays(void **state) {
        (void) state;
        _cleanup_(remove_treep) char *root = new_tree();
        struct topology *topology = NULL;
        assert_int_equal(setenv("HWLOC_FSROOT", "/before", 1), 0);
        assert_int_equal(topology_new(&topology, root, NULL, NULL, NULL), -ENODEV);
        assert_string_equal(getenv("HWLOC_FSROOT"), "/before");
        assert_int_equal(unsetenv("HWLOC_FSROOT"), 0);
        assert_int_equal(topology_new(&topology, root, NULL, NULL, NULL), -ENODEV);
        assert_null(getenv("HWLOC_FSROOT"));
        assert_null(topology);
}

static void this_machine_can_be_read(void **state) {
        (void) state;
        _cleanup_(topology_freep) struct topology *topology = NULL;
        assert_int_equal(topology_new(&topology, "/", NULL, NULL, NULL), 0);
        assert_true(topology->n_cpus >= 1 && topology->n_nodes >= 1);
        int online = 0;
        for (size_t i = 0; i < topology->n_cpus; i++)
                online += topology->cpus[i].online;
        assert_true(online >= 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_synthetic_host_has_nodes_caches_cores_and_siblings),
                cmocka_unit_test(isolated_and_offline_cpus_can_be_given),
                cmocka_unit_test(what_does_not_parse_is_refused),
                cmocka_unit_test(cpu_lists_are_taken_strictly),
                cmocka_unit_test(a_host_with_holes_and_memoryless_nodes_is_read_from_a_tree),
                cmocka_unit_test(distances_of_nodes_are_read_and_kept_for_nodes_that_come),
                cmocka_unit_test(a_host_without_nodes_has_one),
                cmocka_unit_test(an_empty_tree_is_no_host_and_the_environment_stays),
                cmocka_unit_test(this_machine_can_be_read),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

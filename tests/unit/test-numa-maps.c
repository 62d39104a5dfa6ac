/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/numa/numa-maps.h"

static struct numa_mapping mapping;

static void anonymous_memory_is_the_process_own(void **state) {
        (void) state;
        assert_int_equal(numa_maps_parse("7f1234000000 default anon=32768 dirty=32768 active=0 N0=768 N1=32000 kernelpagesize_kB=4", &mapping), 0);
        assert_int_equal(mapping.start, 0x7f1234000000);
        assert_int_equal(mapping.kind, NUMA_MAPPING_OWN);
        assert_int_equal(mapping.cell, -1);
        assert_int_equal(mapping.n, 2);
        assert_int_equal(mapping.on[0].kib, 768 * 4);
        assert_int_equal(mapping.on[1].node, 1);
        assert_int_equal(mapping.on[1].kib, 32000 * 4);
        assert_int_equal(numa_maps_parse("55d0c0a00000 prefer (many):0-1 heap anon=3 N12=3 kernelpagesize_kB=4", &mapping), 0);
        assert_int_equal(mapping.kind, NUMA_MAPPING_OWN);
        assert_int_equal(mapping.on[0].node, 12);
}

static void huge_pages_count_by_their_size_and_tell_the_cell(void **state) {
        (void) state;
        assert_int_equal(numa_maps_parse("7f00 bind:1 file=/dev/hugepages/libvirt/qemu/1-vm/qemu_back_mem._objects_ram-node1.Fx3aZp\\040(deleted) huge anon=4 N1=4 kernelpagesize_kB=2048", &mapping), 0);
        assert_int_equal(mapping.kind, NUMA_MAPPING_GUEST);
        assert_int_equal(mapping.cell, 1);
        assert_int_equal(mapping.on[0].kib, 8192);
        assert_int_equal(numa_maps_parse("7f00 default file=/anon_hugepage\\040(deleted) huge N0=1 kernelpagesize_kB=1048576", &mapping), 0);
        assert_int_equal(mapping.kind, NUMA_MAPPING_GUEST);
        assert_int_equal(mapping.cell, -1);
        assert_int_equal(mapping.on[0].kib, 1048576);
}

static void only_the_file_name_tells_not_the_directory(void **state) {
        static const struct {
                const char *file;
                enum numa_mapping_kind kind;
                int cell;
        } cases[] = {
                { "/var/lib/libvirt/qemu/ram/1-vm/ram-node0", NUMA_MAPPING_GUEST, 0 },
                { "/var/lib/libvirt/qemu/ram/1-ram-node3/pc.ram", NUMA_MAPPING_GUEST, -1 },
                { "/memfd:memory-backend-memfd\\040(deleted)", NUMA_MAPPING_GUEST, -1 },
                { "/memfd:ram-node12\\040(deleted)", NUMA_MAPPING_GUEST, 12 },
                { "/dev/zero\\040(deleted)", NUMA_MAPPING_GUEST, -1 },
                { "/srv/ram-node2/disk.img", NUMA_MAPPING_FILE, -1 },
                { "/usr/bin/qemu-system-x86_64", NUMA_MAPPING_FILE, -1 },
                { "/srv/dram-node2", NUMA_MAPPING_FILE, -1 },
                { "/srv/ram-node2x", NUMA_MAPPING_FILE, -1 },
                { "/srv/ram-node", NUMA_MAPPING_FILE, -1 },
                { "/srv/ram-node99999999999999999999", NUMA_MAPPING_FILE, -1 },
                { "/srv/a\\040N0\\0757", NUMA_MAPPING_FILE, -1 },
        };
        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                char line[512];
                snprintf(line, sizeof line, "7f00 default file=%s mapped=1 N0=1 kernelpagesize_kB=4", cases[i].file);
                assert_int_equal(numa_maps_parse(line, &mapping), 0);
                if ((int) mapping.kind != (int) cases[i].kind || mapping.cell != cases[i].cell || mapping.n != 1)
                        fail_msg("%s: kind %d, cell %d", cases[i].file, (int) mapping.kind, mapping.cell);
        }
}

static void what_is_none_of_it_is_refused(void **state) {
        static const char *const lines[] = {
                "", " ", "7f00", "default", "-7f00 default", "7f00- default", "7fxx default", "ffffffffffffffffffff default",
                "7f00 default N0=1",                     /* pages of no size */
                "7f00 default N0=x kernelpagesize_kB=4", "7f00 default N0= kernelpagesize_kB=4", "7f00 default N0=1 kernelpagesize_kB=",
        };
        static const char *const ranges[] = {
                "7f00 default N256=1 kernelpagesize_kB=4", "7f00 default N99999999999999999999=1 kernelpagesize_kB=4", "7f00 default N0=18446744073709551615 kernelpagesize_kB=4",
                "7f00 default N0=4503599627370496 kernelpagesize_kB=1048576", "7f00 default N0=1 kernelpagesize_kB=0", "7f00 default N0=1 kernelpagesize_kB=99999999999",
        };
        (void) state;
        for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
                if (numa_maps_parse(lines[i], &mapping) >= 0)
                        fail_msg("\"%s\" was taken", lines[i]);
        for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
                if (numa_maps_parse(ranges[i], &mapping) != -ERANGE)
                        fail_msg("\"%s\" is not out of range", ranges[i]);
}

static void where_a_mapping_ends_is_in_maps(void **state) {
        uint64_t start, end;
        (void) state;
        assert_int_equal(maps_parse("7f1234000000-7f123c000000 rw-p 00000000 00:00 0 ", &start, &end), 0);
        assert_int_equal(start, 0x7f1234000000);
        assert_int_equal(end, 0x7f123c000000);
        assert_int_equal(maps_parse("7f00", &start, &end), -EINVAL);
        assert_int_equal(maps_parse("7f00-7e00 rw-p", &start, &end), -EINVAL);
        assert_int_equal(maps_parse("7f00-7f00 rw-p", &start, &end), -EINVAL);
        assert_int_equal(maps_parse("x-y rw-p", &start, &end), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(anonymous_memory_is_the_process_own),
                cmocka_unit_test(huge_pages_count_by_their_size_and_tell_the_cell),
                cmocka_unit_test(only_the_file_name_tells_not_the_directory),
                cmocka_unit_test(what_is_none_of_it_is_refused),
                cmocka_unit_test(where_a_mapping_ends_is_in_maps),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

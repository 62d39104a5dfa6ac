/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names and masks of slices, without systemd. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/systemd/slices.h"

static struct affinity_mask mask_of(const char *list) {
        struct affinity_mask mask;
        assert_int_equal(slice_mask_parse(list, &mask), 0);
        return mask;
}

static void assert_mask(const struct affinity_mask *mask, const char *list) {
        char text[IOCORE_VALUE_MAX];
        assert_int_equal(slice_mask_format(mask, text, sizeof text), 0);
        assert_string_equal(text, list);
}

static void a_byte_holds_eight_cpus_the_lowest_first(void **state) {
        const uint8_t bytes[] = { 0x81, 0x00, 0x06 };
        struct affinity_mask mask;
        (void) state;
        assert_int_equal(slice_mask_from_bytes(bytes, sizeof bytes, &mask), 0);
        assert_mask(&mask, "0,7,17-18");
}

static void no_bytes_are_no_cpus(void **state) {
        const uint8_t zeros[4] = { 0 };
        uint8_t bytes[SLICE_BYTES_MAX];
        struct affinity_mask mask;
        (void) state;
        assert_int_equal(slice_mask_from_bytes(NULL, 0, &mask), 0);
        assert_mask(&mask, "");
        assert_int_equal(slice_mask_to_bytes(&mask, bytes), 0);
        assert_int_equal(slice_mask_from_bytes(zeros, sizeof zeros, &mask), 0);
        assert_int_equal(slice_mask_to_bytes(&mask, bytes), 0);
}

static void every_mask_comes_back_as_it_was(void **state) {
        uint8_t bytes[SLICE_BYTES_MAX];
        struct affinity_mask mask = { 0 }, back;
        const char *given = getenv("IOCORE_SEED");
        unsigned seed = given ? (unsigned) strtoul(given, NULL, 10) : 7;
        (void) state;
        print_message("# seed %u\n", seed);
        for (int turn = 0; turn < 200; turn++) {
                size_t cpu = (size_t) rand_r(&seed) % AFFINITY_CPUS_MAX;
                CPU_SET_S(cpu, sizeof mask.sets, mask.sets);
                size_t n = slice_mask_to_bytes(&mask, bytes);
                assert_true(n > cpu / 8);
                assert_true(bytes[n - 1] != 0);
                assert_int_equal(slice_mask_from_bytes(bytes, n, &back), 0);
                assert_true(slice_mask_equal(&mask, &back));
        }
}

static void cpus_beyond_all_bounds_are_refused(void **state) {
        uint8_t bytes[SLICE_BYTES_MAX + 2] = { 0 };
        struct affinity_mask mask;
        (void) state;
        bytes[0] = 1;
        assert_int_equal(slice_mask_from_bytes(bytes, sizeof bytes, &mask), 0);
        assert_mask(&mask, "0");
        bytes[SLICE_BYTES_MAX] = 1;
        assert_int_equal(slice_mask_from_bytes(bytes, sizeof bytes, &mask), -ERANGE);
}

static void a_value_that_is_no_cpu_list_is_refused(void **state) {
        static const char *const bad[] = { " ", "a", "0-", "-1", "3-1,", "0,,1", "99999", "0x1" };
        struct affinity_mask mask;
        (void) state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_int_equal(slice_mask_parse(bad[i], &mask), -EINVAL);
}

static void names_are_divided_by_white_space_or_commas_and_each_counts_once(void **state) {
        char names[SLICES_MAX][IOCORE_NAME_MAX], bad[IOCORE_NAME_MAX];
        (void) state;
        assert_int_equal(slices_parse("  system.slice, user.slice\tsystem.slice user-1000.slice ", names, bad), 3);
        assert_string_equal(names[0], "system.slice");
        assert_string_equal(names[1], "user.slice");
        assert_string_equal(names[2], "user-1000.slice");
        assert_int_equal(slices_parse("", names, bad), 0);
        assert_int_equal(slices_parse(" ,\t", names, bad), 0);
}

static void what_is_no_slice_or_holds_vms_is_refused_by_name(void **state) {
        static const char *const refused[] = { "system", ".slice", "-.slice", "init.scope", "a/b.slice", "a--b.slice", "a-.slice", "machine.slice", "machine-qemu.slice",
                                               "system.slice;", "..slice" };
        char names[SLICES_MAX][IOCORE_NAME_MAX], bad[IOCORE_NAME_MAX], text[64];
        (void) state;
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
                snprintf(text, sizeof text, "user.slice %s", refused[i]);
                assert_int_equal(slices_parse(text, names, bad), -EINVAL);
                assert_string_equal(bad, refused[i]);
        }
}

static void long_names_and_many_names_are_refused(void **state) {
        char names[SLICES_MAX][IOCORE_NAME_MAX], bad[IOCORE_NAME_MAX], text[(SLICES_MAX + 1) * 16] = "", name[300];
        (void) state;
        memset(name, 'a', sizeof name);
        memcpy(name + sizeof name - 7, ".slice", 7);
        assert_int_equal(slices_parse(name, names, bad), -EINVAL);
        for (int i = 0; i <= SLICES_MAX; i++)
                snprintf(text + strlen(text), sizeof text - strlen(text), "s%d.slice ", i);
        assert_int_equal(slices_parse(text, names, bad), -E2BIG);
        assert_string_equal(bad, "s16.slice");
}

static void assert_want(const char *base, const char *online, const char *cores, const char *wanted) {
        struct affinity_mask b = mask_of(base), o = mask_of(online), c = mask_of(cores), want;
        assert_int_equal(slice_want(&b, &o, &c, &want), 0);
        assert_mask(&want, wanted);
}

static void io_cores_are_taken_from_what_there_was(void **state) {
        (void) state;
        assert_want("", "0-7", "7", "0-6");
        assert_want("", "0-3,5-7", "0,7", "1-3,5-6");
        assert_want("0-3", "0-7", "3", "0-2");
        assert_want("0-9", "0-7", "3", "0-2,4-9");
}

static void without_an_io_core_in_it_a_slice_is_as_it_was(void **state) {
        (void) state;
        assert_want("", "0-7", "", "");
        assert_want("0-3", "0-7", "", "0-3");
        assert_want("0-3", "0-7", "6-7", "0-3");
        assert_want("", "0-6", "7", ""); /* an I/O core that is offline */
}

static void a_slice_never_loses_its_last_cpu(void **state) {
        struct affinity_mask base = mask_of("6-7"), online = mask_of("0-7"), cores = mask_of("5-7"), none = mask_of(""), want;
        (void) state;
        assert_int_equal(slice_want(&base, &online, &cores, &want), -ENOSPC);
        assert_int_equal(slice_want(&none, &online, &online, &want), -ENOSPC);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_byte_holds_eight_cpus_the_lowest_first),
                cmocka_unit_test(no_bytes_are_no_cpus),
                cmocka_unit_test(every_mask_comes_back_as_it_was),
                cmocka_unit_test(cpus_beyond_all_bounds_are_refused),
                cmocka_unit_test(a_value_that_is_no_cpu_list_is_refused),
                cmocka_unit_test(names_are_divided_by_white_space_or_commas_and_each_counts_once),
                cmocka_unit_test(what_is_no_slice_or_holds_vms_is_refused_by_name),
                cmocka_unit_test(long_names_and_many_names_are_refused),
                cmocka_unit_test(io_cores_are_taken_from_what_there_was),
                cmocka_unit_test(without_an_io_core_in_it_a_slice_is_as_it_was),
                cmocka_unit_test(a_slice_never_loses_its_last_cpu),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

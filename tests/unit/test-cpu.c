/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake-services.h"
#include "plugins/cpu/stat.h"

extern const struct iocore_plugin iocore_plugin;

static int next(const char *text, struct cpu_times *ret) {
        size_t position = 0;
        return cpu_stat_next(text, strlen(text), &position, ret);
}

static void guest_time_is_not_counted_twice(void **state) {
        struct cpu_times times;
        (void) state;
        /*                       user nice system idle iowait irq softirq steal guest guest_nice */
        assert_int_equal(next("cpu3 100 20 30 400 50 6 7 8 90 10\n", &times), 1);
        assert_int_equal(times.cpu, 3);
        assert_int_equal(times.total, 100 + 20 + 30 + 400 + 50 + 6 + 7 + 8);
        assert_int_equal(times.busy, times.total - 400 - 50);
}

static void the_sum_of_all_is_passed_over(void **state) {
        const char *text = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 0 0 2 0 0 0 0 0 0\ncpu11 3 0 0 4 0 0 0 0 0 0\nintr 5 6\nctxt 7\n";
        struct cpu_times times;
        size_t position = 0;
        (void) state;
        assert_int_equal(cpu_stat_next(text, strlen(text), &position, &times), 1);
        assert_int_equal(times.cpu, 0);
        assert_int_equal(cpu_stat_next(text, strlen(text), &position, &times), 1);
        assert_int_equal(times.cpu, 11);
        assert_int_equal(times.busy, 3);
        assert_int_equal(cpu_stat_next(text, strlen(text), &position, &times), 0);
        assert_int_equal(cpu_stat_next(text, strlen(text), &position, &times), 0);
}

static void lines_that_do_not_parse_are_passed_over(void **state) {
        static const char *const bad[] = { "cpu1 1 2 3", "cpux 1 2 3 4", "cpu1 1 2 x 4", "cpu1 1 2 3 -4", "cpu1  1 2 3 4", "cpu99999999 1 2 3 4",
                                           "cpu1 18446744073709551616 2 3 4", "cpu1 18446744073709551615 2 3 4", "cpu1", "cpu1 1 2 3 4x" };
        struct cpu_times times;
        (void) state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                char text[256];
                size_t position = 0;
                snprintf(text, sizeof text, "%s\ncpu2 1 2 3 4\n", bad[i]);
                assert_int_equal(cpu_stat_next(text, strlen(text), &position, &times), -EINVAL);
                assert_int_equal(cpu_stat_next(text, strlen(text), &position, &times), 1);
                assert_int_equal(times.cpu, 2);
        }
}

static void a_line_without_an_end_is_cut_off(void **state) {
        struct cpu_times times;
        (void) state;
        assert_int_equal(next("cpu3 100 20 30 40", &times), -EAGAIN);
        assert_int_equal(next("cpu", &times), -EAGAIN);
        assert_int_equal(next("intr 1 2", &times), 0);
        assert_int_equal(next("", &times), 0);
}

static int set_up(void **state) {
        *state = fake_context_new();
        return 0;
}

static int tear_down(void **state) {
        fake_context_free(*state);
        return 0;
}

static void the_file_stays_open_and_is_read_anew(void **state) {
        struct iocore_context *context = *state;
        char reason[IOCORE_REASON_MAX];
        void *cpu;

        fixture_write(context, "proc/stat", "cpu  1 1 1 1\ncpu0 10 0 0 90\ncpu7 30 0 0 70\nintr 1\n");
        assert_int_equal(iocore_plugin.probe(&fake_services, context, reason, sizeof reason), 1);
        assert_int_equal(iocore_plugin.open(&fake_services, context, &cpu, reason, sizeof reason), 0);
        assert_int_equal(iocore_plugin.sample_cpus(cpu), 0);
        assert_int_equal(context->cpus[0].busy, 10);
        assert_int_equal(context->cpus[7].total, 100);
        fixture_write(context, "proc/stat", "cpu  1 1 1 1\ncpu0 11 0 0 99\ncpu7 nonsense\ncpu70 1 2 3 4\nintr 1\n");
        assert_int_equal(iocore_plugin.sample_cpus(cpu), 0);
        assert_int_equal(iocore_plugin.sample_cpus(cpu), 0);
        assert_int_equal(context->cpus[0].busy, 11);
        assert_int_equal(context->cpus[0].n, 3);
        assert_int_equal(context->cpus[7].n, 1);
        assert_int_equal(context->n_warnings, 1);
        iocore_plugin.close(cpu);
}

static void a_long_file_is_read_no_further_than_needed(void **state) {
        struct iocore_context *context = *state;
        char reason[IOCORE_REASON_MAX], *text = calloc(1, 200000);
        void *cpu;

        assert_non_null(text);
        strcpy(text, "cpu  1 1 1 1\ncpu0 10 0 0 90\ncpu7 30 0 0 70\nintr ");
        memset(text + strlen(text), '1', 190000);
        fixture_write(context, "proc/stat", text);
        free(text);
        assert_int_equal(iocore_plugin.open(&fake_services, context, &cpu, reason, sizeof reason), 0);
        assert_int_equal(iocore_plugin.sample_cpus(cpu), 0);
        assert_int_equal(context->cpus[7].busy, 30);
        assert_int_equal(context->n_warnings, 0);
        iocore_plugin.close(cpu);
}

static void without_the_file_the_reason_names_it(void **state) {
        struct iocore_context *context = *state;
        char reason[IOCORE_REASON_MAX];
        void *cpu;
        assert_int_equal(iocore_plugin.probe(&fake_services, context, reason, sizeof reason), 0);
        assert_non_null(strstr(reason, "/proc/stat"));
        assert_int_equal(iocore_plugin.open(&fake_services, context, &cpu, reason, sizeof reason), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(guest_time_is_not_counted_twice),
                cmocka_unit_test(the_sum_of_all_is_passed_over),
                cmocka_unit_test(lines_that_do_not_parse_are_passed_over),
                cmocka_unit_test(a_line_without_an_end_is_cut_off),
                cmocka_unit_test_setup_teardown(the_file_stays_open_and_is_read_anew, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_long_file_is_read_no_further_than_needed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(without_the_file_the_reason_names_it, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernel threads of other drivers, found by the patterns of the configuration. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "discovery-fixture.h"
#include "plugins/vhost-thread/regex-cost.h"

static void the_threads_of_a_netback_queue_are_workers_of_one_device(void **test_state) {
        struct fixture *fixture = *test_state;
        put_kernel_thread(fixture, 200, "vif3.1-q0-guest-rx", 700);
        put_kernel_thread(fixture, 201, "vif3.1-q0-dealloc", 700);
        connect_plugin(fixture);
        put_kernel_thread(fixture, 202, "vif3.1-q1-guest", 701); /* cut off, before Linux 5.17 */
        put_kernel_thread(fixture, 203, "vif4.0-guest-rx", 702); /* its driver does not number queues */
        tell_born(fixture, 202, 202);
        tell_born(fixture, 203, 203);
        assert_int_equal(announced(fixture), 1);
        assert_int_equal(fixture->context->n_workers, 4);
        assert_int_equal(fixture->context->n_devices, 2);

        const struct iocore_unit *unit = fake_unit(fixture->context, "t.201");
        assert_string_equal(unit->device->id, "netback.vif3.1");
        assert_string_equal(unit->device->kind, "net");
        assert_string_equal(unit->device->backend, "vif3.1");
        assert_int_equal(unit->device->owner, -1);
        assert_int_equal(unit->queue_pair, 0);
        assert_int_equal(unit->owner, -1);
        assert_string_equal(unit->domain, "dom3");
        assert_string_equal(unit->unidentified, "");
        assert_ptr_equal(fake_unit(fixture->context, "t.200")->device, unit->device);
        assert_ptr_equal(fake_unit(fixture->context, "t.202")->device, unit->device);
        assert_int_equal(fake_unit(fixture->context, "t.202")->queue_pair, 1);
        assert_string_equal(fake_unit(fixture->context, "t.203")->device->backend, "vif4.0");
        assert_int_equal(fake_unit(fixture->context, "t.203")->queue_pair, -1);
        assert_string_equal(described(fixture, "workers"), "kernel threads of other drivers");
        scan(fixture, true);
        assert_string_equal(unit->domain, "dom3");

        /* the device goes with its last worker */
        fixture_remove(fixture->context, "/proc/200");
        fixture_remove(fixture->context, "/proc/201");
        scan(fixture, true);
        assert_int_equal(fixture->context->n_devices, 2);
        fixture_remove(fixture->context, "/proc/202");
        scan(fixture, true);
        assert_int_equal(fixture->context->n_devices, 1);
        assert_null(fake_device(fixture->context, "netback.vif3.1"));
}

static void a_netmap_worker_belongs_to_the_process_that_made_it(void **test_state) {
        struct fixture *fixture = *test_state;
        put_kernel_thread(fixture, 210, "nmkth:100:0", 700);
        put_kernel_thread(fixture, 211, "nmkth:999:1", 700); /* whose maker has gone */
        connect_plugin(fixture);
        assert_int_equal(fake_unit(fixture->context, "t.210")->owner, 100);
        assert_int_equal(fake_unit(fixture->context, "t.210")->node, 1);
        assert_string_equal(fake_unit(fixture->context, "t.210")->device->id, "netmap.netmap:100");
        assert_int_equal(fake_unit(fixture->context, "t.210")->device->owner, 100);
        assert_int_equal(fake_unit(fixture->context, "t.211")->owner, -1);
}

static void users_threads_and_near_misses_match_no_pattern(void **test_state) {
        struct fixture *fixture = *test_state;
        static const char *const names[] = { "vif3.1-q0-guest-tx", "vif3-q0-dealloc", "xvif3.1-q0-dealloc", "vif3.1-q0-", "nmkth", "nmkthx:1:2", "kworker/0:1" };
        put_thread(fixture, "/proc/220", 220, 220, "vif3.1-q0-dealloc", 1, PLAIN, 700);
        put_thread(fixture, "/proc/221", 221, 221, "vif3.1-q0-dealloc", 100, KTHREAD, 700); /* not a child of kthreadd */
        put_thread(fixture, "/proc/100/task/100", 100, 100, "qemu-system-x86", 1, PLAIN, 50);
        put_task(fixture, 100, 222, "vif3.1-q0-dealloc", USER_WORKER);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                put_kernel_thread(fixture, (pid_t) (230 + i), names[i], 700);
        connect_plugin(fixture);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                tell_born(fixture, (pid_t) (230 + i), (pid_t) (230 + i));
        tell_born(fixture, 220, 220);
        tell_born(fixture, 100, 222);
        assert_int_equal(announced(fixture), 0);
        assert_int_equal(fixture->context->n_workers, 0);
}

static void a_pattern_of_the_configuration_names_what_it_finds(void **test_state) {
        struct fixture *fixture = *test_state;
        char reason[IOCORE_REASON_MAX];
        put_kernel_thread(fixture, 240, "blkd web/disk 7", 700);
        put_kernel_thread(fixture, 241, "nmkth:100:0", 700); /* not among the patterns that are wanted */
        put_kernel_thread(fixture, 242, "other", 700);
        assert_int_equal(open_with(fixture,
                                   (const char *const[]) { "patterns", "disks  other", "disks.regex", "^blkd ([a-z]+)/([a-z]+) ([0-9]+)$", "disks.kind", "blk", "disks.backend",
                                                           "\\1 \\2", "disks.queue", "\\3", "disks.domain", "vm-\\1", "other.regex", "^other$", NULL },
                                   reason),
                         0);
        assert_int_equal(fixture->context->n_workers, 2);
        const struct iocore_unit *unit = fake_unit(fixture->context, "t.240");
        assert_string_equal(unit->device->id, "disks.240"); /* a blank is no part of an id */
        assert_string_equal(unit->device->kind, "blk");
        assert_string_equal(unit->device->backend, "web disk");
        assert_string_equal(unit->domain, "vm-web");
        assert_int_equal(unit->queue_pair, 7);
        assert_null(fake_unit(fixture->context, "t.242")->device);
        assert_non_null(strstr(fake_unit(fixture->context, "t.242")->unidentified, "other"));
}

static void a_pattern_that_makes_no_sense_is_refused(void **test_state) {
        struct fixture *fixture = *test_state;
        static const struct {
                const char *options[5], *reason;
        } bad[] = {
                { { "netback.regex", "^vif(" }, "option netback.regex: \"^vif(\": Unmatched ( or \\(" },
                { { "patterns", "disks" }, "option patterns: \"disks\" is not built in, and there is no option disks.regex" },
                { { "patterns", "d", "d.regex", "(a)\\1" }, "option d.regex: \"(a)\\1\": a back-reference may take for ever" },
                { { "patterns", "d", "d.regex", "a{300}" }, "option d.regex: \"a{300}\": more than 256 repetitions may take for ever" },
                { { "netmap.backend", "x\\2" }, "option netmap.backend: \"x\\2\": the regular expression has no group for \"\\2\"" },
                { { "netmap.backend", "x\\" }, "option netmap.backend: \"x\\\": the regular expression has no group for \"\\\"" },
                { { "netmap.kind", "much-too-long-a-kind" }, "option netmap.kind: longer than 15 bytes" },
                { { "patterns", "a-name-that-is-longer-than-a-pattern-may-have" },
                  "option patterns: \"a-name-that-is-longer-than-a-pattern-may-have\": the name is too long" },
                { { "patterns", "netmap netmap netmap netmap netmap netmap netmap netmap netmap netmap netmap netmap netmap netmap netmap netmap netmap" },
                  "option patterns: \"netmap\": there are too many" },
        };
        char reason[IOCORE_REASON_MAX];

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_int_equal(open_with(fixture, bad[i].options, reason), -EINVAL);
                assert_string_equal(reason, bad[i].reason);
                assert_null(fixture->state);
                /* the host is believed to be meant: it is open() that tells */
                assert_int_equal(iocore_plugin.probe(&fixture->services, fixture->context, reason, sizeof reason), 1);
        }
}

static void what_a_regular_expression_may_cost_is_bounded(void **test_state) {
        (void) test_state;
        static const char *const cheap[] = {
                "", "^vif([0-9]+)\\.([0-9]+)(-q([0-9]+))?-(g|d)$", "a+0*", "a{2}0+", "[*+?{]*", "[]*]+", "[^]+]{3,5}", "[[:digit:]*]+x*", "\\**", "\\(+", "(ab)+", "(a|b)?", "(a*)?b*",
                "(((((((((", "a{1,250}", "x[",  "((a))+",
        };
        static const char *const costly[] = {
                "a++", "a*?", "a{2}{2}", "a{2}*", "(a*)*", "(a|b)*", "((a+))+", "(a(b|c))+", "(a*)?+", "(x(a{2})y){2}", "a{257}", "a{99999999999999999999}", "a{2,300}", "a{100}b{100}c{100}", "(a)\\1",
                "(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)", "(a*){", "((||)+x)+",
        };
        for (size_t i = 0; i < ELEMENTSOF(cheap); i++)
                if (regex_too_costly(cheap[i]))
                        fail_msg("%s is refused: %s", cheap[i], regex_too_costly(cheap[i]));
        for (size_t i = 0; i < ELEMENTSOF(costly); i++)
                if (!regex_too_costly(costly[i]))
                        fail_msg("%s is let through", costly[i]);
}

static void a_host_of_netback_is_for_the_plugin_before_its_first_guest(void **test_state) {
        struct fixture *fixture = *test_state;
        char reason[IOCORE_REASON_MAX] = "";
        assert_int_equal(iocore_plugin.probe(&fixture->services, fixture->context, reason, sizeof reason), 0);
        fixture_write(fixture->context, "/sys/module/xen_netback/initstate", "live\n");
        assert_int_equal(iocore_plugin.probe(&fixture->services, fixture->context, reason, sizeof reason), 1);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(the_threads_of_a_netback_queue_are_workers_of_one_device),
                TEST(a_netmap_worker_belongs_to_the_process_that_made_it),
                TEST(users_threads_and_near_misses_match_no_pattern),
                TEST(a_pattern_of_the_configuration_names_what_it_finds),
                TEST(a_pattern_that_makes_no_sense_is_refused),
                TEST(what_a_regular_expression_may_cost_is_bounded),
                TEST(a_host_of_netback_is_for_the_plugin_before_its_first_guest),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake-services.h"
#include "plugins/common/owner.h"

/* Eight CPUs on two nodes. */
static int two_nodes(void *userdata, int cpu) {
        (void) userdata;
        return cpu >= 0 && cpu < 8 ? cpu / 4 : IOCORE_NODE_UNKNOWN;
}

static int node_of(const char *memory, const char *cpus) {
        char status[512];
        snprintf(status, sizeof status, "Name:\tqemu\nUmask:\t0022\nCpus_allowed:\tff\nCpus_allowed_list:\t%s\nMems_allowed:\t3\nMems_allowed_list:\t%s\nx:\t1\n", cpus, memory);
        return owner_parse_node(status, 8, two_nodes, NULL);
}

static void the_one_node_of_its_memory_is_its_node(void **state) {
        (void) state;
        assert_int_equal(node_of("1", "0-7"), 1);
        assert_int_equal(node_of("0", "4-7"), 0);
}

static void with_memory_of_several_nodes_its_cpus_decide(void **state) {
        (void) state;
        assert_int_equal(node_of("0-1", "4-7"), 1);
        assert_int_equal(node_of("0-1", "1,3"), 0);
        assert_int_equal(node_of("0-1", "3-4"), IOCORE_NODE_UNKNOWN);
        assert_int_equal(node_of("0-1", "0-7"), IOCORE_NODE_UNKNOWN);
}

static void cpus_that_the_host_does_not_have_do_not_count(void **state) {
        (void) state;
        assert_int_equal(node_of("0-1", "5,8-255"), 1);
        assert_int_equal(node_of("0-1", "100-200"), IOCORE_NODE_UNKNOWN);
}

static void lists_that_do_not_parse_say_nothing(void **state) {
        static const char *const bad[] = { "", "x", "1-", "-1", "-11", "0,-3", "1,,2", "1-2-", "99999999999", "0-4294967295", "1 2", "5,\t6", "3-2", "0-1-2" };
        (void) state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_int_equal(node_of(bad[i], bad[i]), IOCORE_NODE_UNKNOWN);
        assert_int_equal(node_of("junk", "0-3"), 0);
        assert_int_equal(node_of("010", "0"), 10); /* never octal */
        assert_int_equal(owner_parse_node("", 8, two_nodes, NULL), IOCORE_NODE_UNKNOWN);
        assert_int_equal(owner_parse_node("Mems_allowed_list:", 8, two_nodes, NULL), IOCORE_NODE_UNKNOWN);
}

/* A string literal with NULs between the arguments; its own NUL ends the last. */
#define NAME_OF(line, name) owner_parse_name(line, sizeof(line), name)

static void names_are_found_in_both_spellings(void **state) {
        char name[IOCORE_NAME_MAX];
        (void) state;
        assert_int_equal(NAME_OF("qemu-system-x86_64\0-name\0guest=web-1,debug-threads=on\0-S", name), 0);
        assert_string_equal(name, "web-1");
        assert_int_equal(NAME_OF("qemu\0-m\0" "1G\0-name\0plain", name), 0);
        assert_string_equal(name, "plain");
        assert_int_equal(NAME_OF("qemu\0--name\0plain,process=x", name), 0);
        assert_string_equal(name, "plain");
        assert_int_equal(NAME_OF("qemu\0-name\0debug-threads=on,guest=last", name), 0);
        assert_string_equal(name, "last");
}

static void a_double_comma_is_a_comma_of_the_name(void **state) {
        char name[IOCORE_NAME_MAX];
        (void) state;
        assert_int_equal(NAME_OF("qemu\0-name\0guest=a,,b,debug-threads=on", name), 0);
        assert_string_equal(name, "a,b");
        assert_int_equal(NAME_OF("qemu\0-name\0a,,", name), 0);
        assert_string_equal(name, "a,");
}

static void what_has_no_usable_name_has_none(void **state) {
        char name[IOCORE_NAME_MAX], line[512] = "qemu\0-name\0guest=";
        (void) state;
        assert_int_equal(NAME_OF("qemu\0-m\0" "1G", name), -ENOENT);
        assert_int_equal(NAME_OF("qemu\0-name", name), -ENOENT);
        assert_int_equal(NAME_OF("qemu\0-name\0guest=", name), -ENOENT);
        assert_int_equal(NAME_OF("qemu\0-name\0debug-threads=on", name), -ENOENT);
        assert_int_equal(NAME_OF("qemu\0-name\0guest=bad\nname", name), -EINVAL);
        assert_int_equal(owner_parse_name("", 0, name), -ENOENT);
        /* cut off in the middle: half a name is none */
        assert_int_equal(owner_parse_name("qemu\0-name\0guest=web-1", 18, name), -ENOENT);
        memset(line + 17, 'x', 300);
        assert_int_equal(owner_parse_name(line, 400, name), -ENAMETOOLONG);
        assert_string_equal(name, "");
}

static const char *machine_of(const char *text) {
        static char name[IOCORE_NAME_MAX];
        int r = owner_parse_cgroup(text, name);
        assert_true(r == 0 || name[0] == '\0');
        return r == 0 ? name : r == -ENOENT ? "(none)" : r == -EINVAL ? "(bad)" : "(?)";
}

static void a_cgroup_tells_the_machine(void **state) {
        (void) state;
        assert_string_equal(machine_of("0::/machine.slice/machine-qemu\\x2d3\\x2dweb\\x2d1.scope/libvirt/emulator\n"), "web-1");
        assert_string_equal(machine_of("0::/machine.slice/machine-qemu\\x2d12\\x2ddb.scope\n"), "db");
        assert_string_equal(machine_of("0::/machine.slice/machine-lxc\\x2d77\\x2dbox.scope/init.scope\n"), "box");
        assert_string_equal(machine_of("12:cpuset:/machine/qemu-3-web.libvirt-qemu/emulator\n11:memory:/machine/qemu-3-web.libvirt-qemu\n0::/\n"), "web");
        assert_string_equal(machine_of("0::/\n5:cpuset:/machine.partition/db.libvirt-lxc\n"), "db");
        assert_string_equal(machine_of("1:name=systemd:/machine.slice/machine-qemu\\x2d1\\x2da.b.scope\n"), "a.b");
        /* machined's own, not libvirt's */
        assert_string_equal(machine_of("0::/machine.slice/machine-guest.scope/payload"), "guest");
        /* numbers and dashes of the name itself stay */
        assert_string_equal(machine_of("0::/machine.slice/machine-qemu\\x2d3\\x2d7\\x2d7.scope\n"), "7-7");
        assert_string_equal(machine_of("0::/machine.slice/machine-qemu\\x2d3.scope\n"), "qemu-3");
        assert_string_equal(machine_of("0::/machine.slice/machine-qemu\\x2d3\\x2d.scope\n"), "qemu-3-");
        /* a cgroup that was removed while a thread of it still ends */
        assert_string_equal(machine_of("0::/machine.slice/machine-qemu\\x2d3\\x2dweb.scope (deleted)\n"), "web");
}

static void other_cgroups_tell_nothing(void **state) {
        (void) state;
        static const char *const texts[] = { "", "\n", "0::/\n", "0::", "::::\n", "/", "0::/system.slice/ssh.service\n", "0::/machine.slice\n", "0::/machine-.scope\n",
                                             "0::/machine-web.slice\n", "0::/user.slice/machine-x.scopes\n", "0::/Machine-web.scope\n" };
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
                assert_string_equal(machine_of(texts[i]), "(none)");
}

static void hostile_cgroup_names_are_refused(void **state) {
        char text[1024];
        (void) state;
        static const char *const names[] = { "a\\x0ab", "a\\x00b", "a\\x1bb", "a\\xffb", "a\\x7f", "a\\x", "a\\x2", "a\\x2D", "a\\n", "a\\", "a\\x2gb", "a b", "a\tb", "g\xc3\xa4st" };
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                snprintf(text, sizeof text, "0::/machine.slice/machine-%s.scope/emulator\n", names[i]);
                assert_string_equal(machine_of(text), "(bad)");
                snprintf(text, sizeof text, "3:cpuset:/machine/%s.libvirt-qemu\n", names[i]);
                assert_string_equal(machine_of(text), "(bad)");
        }
        memset(text, 0, sizeof text);
        strcpy(text, "0::/machine-");
        memset(text + strlen(text), 'x', 500);
        strcat(text, ".scope\n");
        assert_string_equal(machine_of(text), "(bad)");
        assert_string_equal(machine_of("0::/.libvirt-qemu\n"), "(bad)");
        /* what a guest's process could make below its own cgroup does not count */
        assert_string_equal(machine_of("0::/machine.slice/machine-qemu\\x2d3\\x2dweb.scope/machine-other.scope\n"), "web");
}

static int set_up(void **state) {
        *state = fake_context_new();
        return 0;
}

static int tear_down(void **state) {
        fake_context_free(*state);
        return 0;
}

static void an_owner_is_read_from_proc(void **state) {
        struct iocore_context *context = *state;
        struct owner owner;
        fixture_write(context, "proc/42/status", "Name:\tqemu\nMems_allowed_list:\t1\n");
        fixture_write(context, "proc/42/cmdline", "cat");
        assert_int_equal(owner_read(&fake_services, context, 42, &owner), 0);
        assert_int_equal(owner.node, 1);
        assert_string_equal(owner.domain, "");
}

static void an_owner_without_a_name_has_that_of_its_cgroup(void **state) {
        struct iocore_context *context = *state;
        char name[IOCORE_NAME_MAX];
        struct owner owner;
        fixture_write(context, "proc/42/status", "Name:\tch-remote\nMems_allowed_list:\t1\n");
        fixture_write(context, "proc/42/cmdline", "cloud-hypervisor");
        fixture_write(context, "proc/42/cgroup", "0::/machine.slice/machine-qemu\\x2d3\\x2dweb.scope\n");
        assert_int_equal(owner_read(&fake_services, context, 42, &owner), 0);
        assert_string_equal(owner.domain, "web");
        /* a thread that outlives its owner */
        assert_int_equal(owner_read_cgroup(&fake_services, context, 42, name), 0);
        assert_string_equal(name, "web");
        assert_int_equal(owner_read_cgroup(&fake_services, context, 43, name), -ESRCH);
        assert_string_equal(name, "");
        fixture_write(context, "proc/42/cgroup", "0::/\n");
        assert_int_equal(owner_read(&fake_services, context, 42, &owner), 0);
        assert_string_equal(owner.domain, "");
}

static void an_owner_that_is_gone_is_unknown(void **state) {
        struct iocore_context *context = *state;
        struct owner owner;
        memset(&owner, 0x55, sizeof owner);
        assert_int_equal(owner_read(&fake_services, context, 43, &owner), -ESRCH);
        assert_int_equal(owner.node, IOCORE_NODE_UNKNOWN);
        assert_string_equal(owner.domain, "");
        assert_int_equal(owner_read(&fake_services, context, -1, &owner), -ESRCH);
        assert_int_equal(owner_read(&fake_services, context, 0, &owner), -ESRCH);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_one_node_of_its_memory_is_its_node),
                cmocka_unit_test(with_memory_of_several_nodes_its_cpus_decide),
                cmocka_unit_test(cpus_that_the_host_does_not_have_do_not_count),
                cmocka_unit_test(lists_that_do_not_parse_say_nothing),
                cmocka_unit_test(names_are_found_in_both_spellings),
                cmocka_unit_test(a_double_comma_is_a_comma_of_the_name),
                cmocka_unit_test(what_has_no_usable_name_has_none),
                cmocka_unit_test(a_cgroup_tells_the_machine),
                cmocka_unit_test(other_cgroups_tell_nothing),
                cmocka_unit_test(hostile_cgroup_names_are_refused),
                cmocka_unit_test_setup_teardown(an_owner_is_read_from_proc, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_owner_without_a_name_has_that_of_its_cgroup, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_owner_that_is_gone_is_unknown, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

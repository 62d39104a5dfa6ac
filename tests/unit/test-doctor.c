/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* iocorectl doctor on made-up hosts: fixture trees of /proc, /sys and /run. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "clients/iocorectl/doctor.h"
#include "cleanup.h"
#include "fake-services.h"

enum { KTHREAD = 0x00208040, USER_WORKER = 0x00404040, PLAIN = 0x00400000 };

#define ALL_CAPABILITIES 0x1ffffffffffull

static int set_up(void **state) {
        *state = fake_context_new();
        return *state ? 0 : -1;
}

static int tear_down(void **state) {
        fake_context_free(*state);
        return 0;
}

static const struct doctor_check *check_of(const char *name) {
        for (const struct doctor_check *check = doctor_checks; check->name; check++)
                if (strcmp(check->name, name) == 0)
                        return check;
        fail_msg("there is no check %s", name);
        return NULL;
}

static int connector_error;

static int fake_connector(void) {
        return connector_error;
}

static struct doctor_finding look_with(struct iocore_context *context, const char *name, int (*try_connector)(void)) {
        struct doctor_finding finding = {.answer = DOCTOR_UNKNOWN};
        struct doctor_host host;

        assert_int_equal(doctor_host_open(&host, context->root), 0);
        host.try_connector = try_connector;
        check_of(name)->look(&host, &finding);
        doctor_host_close(&host);
        return finding;
}

static void assert_finds_with(struct iocore_context *context, const char *name, int (*try_connector)(void), enum doctor_answer answer,
                              const char *found, const char *advice) {
        const struct doctor_finding finding = look_with(context, name, try_connector);

        if (finding.answer != answer || !strstr(finding.found, found) || !strstr(finding.advice, advice))
                fail_msg("%s: %s, \"%s\", \"%s\"; expected %s, \"%s\", \"%s\"", name, doctor_answer_to_string(finding.answer), finding.found,
                         finding.advice, doctor_answer_to_string(answer), found, advice);
}

static void assert_finds(struct iocore_context *context, const char *name, enum doctor_answer answer, const char *found, const char *advice) {
        assert_finds_with(context, name, NULL, answer, found, advice);
}

static void write_status(struct iocore_context *context, unsigned long long capabilities) {
        char text[128];

        snprintf(text, sizeof(text), "Name:\tiocorectl\nPid:\t1\nCapEff:\t%016llx\nCapBnd:\t0\n", capabilities);
        fixture_write(context, "proc/self/status", text);
}

static void write_thread(struct iocore_context *context, const char *directory, const char *name, int parent, unsigned flags) {
        char path[128], text[256];

        snprintf(path, sizeof(path), "proc/%s/comm", directory);
        snprintf(text, sizeof(text), "%s\n", name);
        fixture_write(context, path, text);
        snprintf(path, sizeof(path), "proc/%s/stat", directory);
        snprintf(text, sizeof(text), "7 (%s) S %d 0 0 0 -1 %u 0 0 0 0 0 0 0 0 20 0 1 0 4242 0\n", name, parent, flags);
        fixture_write(context, path, text);
}

/* A host as Debian 12 makes it: Linux 6.1, workers are kernel threads, cpusets of v1. */
static void make_old_host(struct iocore_context *context) {
        fixture_write(context, "proc/sys/kernel/osrelease", "6.1.0-50-amd64\n");
        fixture_write(context, "proc/self/mounts",
                      "proc /proc proc rw,nosuid,relatime 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu,cpuacct 0 0\n"
                      "cgroup /sys/fs/cgroup/cpuset cgroup rw,nosuid,cpuset 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n");
        write_status(context, ALL_CAPABILITIES);
        fixture_write(context, "dev/vhost-net", "");
        fixture_directory(context, "sys/module/vhost/parameters");
        fixture_directory(context, "sys/module/vhost_net");
        write_thread(context, "100", "qemu-system-x86", 1, PLAIN);
        write_thread(context, "100/task/100", "qemu-system-x86", 1, PLAIN);
        write_thread(context, "141", "vhost-100", 2, KTHREAD);
        write_thread(context, "142", "vhost-100", 2, KTHREAD);
        write_thread(context, "143", "vhost-1", 1, PLAIN);
        write_thread(context, "77", "irqbalance", 1, PLAIN);
        fixture_write(context, "proc/net/connector", "Name            ID\ncn_proc         1:1\n");
        fixture_write(context, "sys/devices/system/cpu/isolated", "\n");
        fixture_write(context, "sys/devices/system/cpu/smt/active", "1\n");
        fixture_write(context, "sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,8\n");
        fixture_write(context, "sys/devices/system/node/online", "0-1\n");
        fixture_write(context, "sys/module/kvm_amd/parameters/avic", "N\n");
        fixture_write(context, "sys/module/kvm/parameters/halt_poll_ns", "200000\n");
        fixture_write(context, "sys/kernel/mm/ksm/run", "1\n");
        fixture_write(context, "sys/kernel/mm/ksm/merge_across_nodes", "1\n");
}

/* A host with Linux 6.12: workers are threads of their owners, cpusets of v2, systemd. */
static void make_new_host(struct iocore_context *context) {
        fixture_write(context, "proc/sys/kernel/osrelease", "6.12.95+deb12-amd64\n");
        fixture_write(context, "proc/self/mounts", "proc /proc proc rw,hidepid=invisible,gid=3 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n");
        write_status(context, 1ull << 23);
        fixture_write(context, "dev/vhost-net", "");
        fixture_write(context, "sys/module/vhost/parameters/fork_from_owner_default", "Y\n");
        write_thread(context, "195", "qemu-system-x86", 1, PLAIN);
        write_thread(context, "195/task/195", "qemu-system-x86", 1, PLAIN);
        write_thread(context, "195/task/197", "vhost-195", 1, USER_WORKER);
        write_thread(context, "195/task/198", "vhost-195", 1, USER_WORKER);
        write_thread(context, "195/task/199", "CPU 0/KVM", 1, PLAIN);
        fixture_directory(context, "run/systemd/system");
        fixture_write(context, "run/irqbalance/irqbalance77.sock", "");
        fixture_write(context, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
        fixture_write(context, "sys/fs/cgroup/machine.slice/cgroup.controllers", "cpu memory pids\n");
        fixture_write(context, "sys/fs/cgroup/cpuset.cpus.isolated", "6\n");
        fixture_write(context, "sys/devices/system/cpu/isolated", "2-3\n");
        fixture_write(context, "sys/devices/system/cpu/nohz_full", "  (null)\n");
        fixture_write(context, "sys/devices/system/cpu/smt/active", "0\n");
        fixture_write(context, "sys/devices/system/cpu/smt/control", "notsupported\n");
        fixture_write(context, "sys/devices/system/node/online", "0\n");
        fixture_write(context, "sys/module/kvm_intel/parameters/enable_apicv", "Y\n");
        fixture_write(context, "sys/module/kvm/parameters/halt_poll_ns", "0\n");
        fixture_write(context, "sys/kernel/mm/ksm/run", "0\n");
        fixture_write(context, "sys/kernel/mm/ksm/merge_across_nodes", "1\n");
}

static void an_old_stock_host_is_described(void **state) {
        struct iocore_context *context = *state;

        make_old_host(context);
        assert_finds(context, "kernel", DOCTOR_YES, "Linux 6.1.0-50-amd64", "");
        assert_finds(context, "vhost", DOCTOR_YES, "/dev/vhost-net, module vhost, vhost_net", "");
        assert_finds(context, "control-interface", DOCTOR_NO, "cannot be polled", "ELVIS");
        assert_finds(context, "workers", DOCTOR_YES, "2 kernel threads, 0 threads of their owner's process; 1 threads only call themselves so", "");
        assert_finds(context, "rights", DOCTOR_YES, "CAP_SYS_NICE", "");
        assert_finds(context, "proc", DOCTOR_YES, "every process", "");
        assert_finds(context, "cpuset", DOCTOR_YES, "v1 at /sys/fs/cgroup/cpuset; hybrid", "");
        assert_finds(context, "systemd", DOCTOR_NO, "no /run/systemd/system", "");
        assert_finds(context, "smt", DOCTOR_YES, "0,8", "whole-physical-cores");
        assert_finds(context, "numa", DOCTOR_YES, "nodes 0-1", "");
        assert_finds(context, "isolated-cpus", DOCTOR_NO, "no CPU is isolated", "isolcpus");
        assert_finds(context, "posted-interrupts", DOCTOR_NO, "AVIC is off", "avic=1");
        assert_finds(context, "halt-polling", DOCTOR_YES, "200 us", "");
        assert_finds(context, "ksm", DOCTOR_YES, "different NUMA nodes", "merge_across_nodes");
        assert_finds(context, "irqbalance", DOCTOR_YES, "process 77", "IRQBALANCE_BANNED_CPULIST");
}

static void a_new_stock_host_is_described(void **state) {
        struct iocore_context *context = *state;

        make_new_host(context);
        assert_finds(context, "vhost", DOCTOR_YES, "/dev/vhost-net, module vhost", "");
        assert_finds(context, "workers", DOCTOR_YES, "0 kernel threads, 2 threads of their owner's process; fork_from_owner_default is Y", "fork_from_owner_default=0");
        assert_finds(context, "rights", DOCTOR_PARTLY, "CAP_SYS_PTRACE", "root");
        assert_finds(context, "proc", DOCTOR_NO, "hidepid=invisible", "CAP_SYS_PTRACE");
        assert_finds(context, "cpuset", DOCTOR_PARTLY, "not enabled for machine.slice", "AllowedCPUs");
        assert_finds(context, "systemd", DOCTOR_YES, "/run/systemd/system", "");
        assert_finds(context, "smt", DOCTOR_NO, "smt/control: notsupported", "");
        assert_finds(context, "numa", DOCTOR_NO, "one node", "");
        assert_finds(context, "isolated-cpus", DOCTOR_YES, "isolated: CPU 2-3; in isolated partitions: CPU 6", "use-isolated");
        assert_finds(context, "posted-interrupts", DOCTOR_YES, "APICv is on", "");
        assert_finds(context, "halt-polling", DOCTOR_NO, "off", "200000");
        assert_finds(context, "ksm", DOCTOR_NO, "off", "");
        assert_finds(context, "irqbalance", DOCTOR_YES, "/run/irqbalance", "");

        fixture_write(context, "sys/fs/cgroup/machine.slice/cgroup.controllers", "cpu memory pids cpuset\n");
        assert_finds(context, "cpuset", DOCTOR_YES, "enabled for machine.slice", "");
        fixture_remove(context, "sys/fs/cgroup/machine.slice");
        assert_finds(context, "cpuset", DOCTOR_YES, "there is no machine.slice", "");
        fixture_write(context, "sys/fs/cgroup/cgroup.controllers", "cpu io cpuset_but_not_quite\n");
        assert_finds(context, "cpuset", DOCTOR_NO, "without the controller cpuset", "CONFIG_CPUSETS");
        write_status(context, ALL_CAPABILITIES);
        assert_finds(context, "proc", DOCTOR_YES, "CAP_SYS_PTRACE sees", "");
}

static void without_workers_the_shape_is_that_of_the_kernel(void **state) {
        struct iocore_context *context = *state;

        fixture_directory(context, "proc");
        fixture_write(context, "proc/sys/kernel/osrelease", "6.3.9\n");
        assert_finds(context, "workers", DOCTOR_NO, "would make them kernel threads", "start a guest");
        fixture_write(context, "proc/sys/kernel/osrelease", "6.4.0-rc1\n");
        assert_finds(context, "workers", DOCTOR_NO, "would make them threads of their owner's process", "start a guest");
        fixture_write(context, "sys/module/vhost/parameters/fork_from_owner_default", "N\n");
        assert_finds(context, "workers", DOCTOR_NO, "would make them kernel threads; fork_from_owner_default is N", "start a guest");
}

static void an_elvis_host_has_the_control_interface(void **state) {
        struct iocore_context *context = *state;

        fixture_write(context, "sys/class/vhost/worker/create", "");
        assert_finds(context, "control-interface", DOCTOR_YES, "can be polled and limited", "");
}

static void arm_has_no_parameter_for_posted_interrupts(void **state) {
        struct iocore_context *context = *state;

        fixture_write(context, "proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\n");
        assert_finds(context, "posted-interrupts", DOCTOR_NOT_APPLICABLE, "GICv4", "");
        fixture_write(context, "proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\n");
        assert_finds(context, "posted-interrupts", DOCTOR_NO, "neither kvm_intel nor kvm_amd", "modprobe");
}

static void the_connector_needs_kernel_and_right(void **state) {
        struct iocore_context *context = *state;

        fixture_directory(context, "proc");
        assert_finds(context, "connector", DOCTOR_NO, "found by scans only", "CONFIG_PROC_EVENTS");
        fixture_write(context, "proc/net/connector", "Name            ID\nw1              3:1\n");
        assert_finds(context, "connector", DOCTOR_NO, "no cn_proc", "CONFIG_PROC_EVENTS");
        fixture_write(context, "proc/net/connector", "Name            ID\ncn_proc         1:1\n");
        assert_finds(context, "connector", DOCTOR_PARTLY, "may not listen", "CAP_NET_ADMIN");
        write_status(context, 1ull << 12);
        assert_finds(context, "connector", DOCTOR_YES, "each new thread", "");
        /* on the machine itself what counts is the socket */
        connector_error = -EPERM;
        assert_finds_with(context, "connector", fake_connector, DOCTOR_PARTLY, "may not listen", "CAP_NET_ADMIN");
        connector_error = -EPROTONOSUPPORT;
        assert_finds_with(context, "connector", fake_connector, DOCTOR_NO, "Protocol not supported", "network namespace");
        connector_error = 0;
        assert_finds_with(context, "connector", fake_connector, DOCTOR_YES, "its socket opens", "");
}

static void an_empty_root_is_looked_at_without_harm(void **state) {
        struct iocore_context *context = *state;
        static const char *const unknown[] = {"kernel", "workers", "rights", "proc", "cpuset", "smt", "isolated-cpus"};

        for (size_t i = 0; i < ELEMENTSOF(unknown); i++)
                assert_finds(context, unknown[i], DOCTOR_UNKNOWN, "No such file", "");
        assert_finds(context, "vhost", DOCTOR_NO, "neither", "modprobe");
        assert_finds(context, "ksm", DOCTOR_NO, "none", "");
        assert_finds(context, "halt-polling", DOCTOR_NO, "not loaded", "modprobe kvm");
}

static void a_root_that_is_no_directory_is_an_error(void **state) {
        struct iocore_context *context = *state;
        struct doctor_host host;
        char path[PATH_MAX + 8];

        snprintf(path, sizeof(path), "%s/none", context->root);
        assert_int_equal(doctor_host_open(&host, path), -ENOENT);
        fixture_write(context, "none", "");
        assert_int_equal(doctor_host_open(&host, path), -ENOTDIR);
}

static void links_do_not_lead_out_of_the_root(void **state) {
        struct iocore_context *context = *state;
        char path[PATH_MAX + 64];

        make_old_host(context);
        fixture_remove(context, "proc/sys/kernel/osrelease");
        snprintf(path, sizeof(path), "%s/proc/sys/kernel/osrelease", context->root);
        assert_int_equal(symlink("/proc/sys/kernel/osrelease", path), 0);
        assert_finds(context, "kernel", DOCTOR_UNKNOWN, "Too many levels of symbolic links", "");
        fixture_remove(context, "proc/sys/kernel/osrelease");
        assert_int_equal(symlink("../../../../../../../../etc/passwd", path), 0);
        assert_finds(context, "kernel", DOCTOR_UNKNOWN, "No such file", "");
        fixture_write(context, "etc/release", "5.5.5\n");
        fixture_remove(context, "proc/sys/kernel/osrelease");
        assert_int_equal(symlink("/etc/release", path), 0);
        assert_finds(context, "kernel", DOCTOR_YES, "Linux 5.5.5", "");
}

/* ---- every file that a check reads, replaced by what no kernel writes */

enum hostile { HOSTILE_NUL, HOSTILE_LONG, HOSTILE_WORDS, HOSTILE_DIRECTORY, HOSTILE_FIFO, HOSTILE_LOOP, _HOSTILE_MAX };

static void write_hostile(struct iocore_context *context, const char *path, enum hostile kind) {
        char full[PATH_MAX + 128], *text;
        FILE *file;

        fixture_remove(context, path);
        fixture_write(context, path, ""); /* makes the directories */
        snprintf(full, sizeof(full), "%s/%s", context->root, path);
        assert_int_equal(unlink(full), 0);
        switch (kind) {
        case HOSTILE_NUL:
                file = fopen(full, "we");
                assert_non_null(file);
                assert_int_equal(fwrite("1\0\xff\x1b[2J\n", 1, 8, file), 8);
                assert_int_equal(fclose(file), 0);
                break;
        case HOSTILE_LONG:
                text = malloc(70001);
                assert_non_null(text);
                memset(text, '7', 70000);
                text[70000] = '\0';
                fixture_write(context, path, text);
                free(text);
                break;
        case HOSTILE_WORDS:
                fixture_write(context, path, "none of your \x1b]0;business\x07 \xff\xfe %s%n\n");
                break;
        case HOSTILE_DIRECTORY:
                fixture_directory(context, path);
                break;
        case HOSTILE_FIFO:
                assert_int_equal(mkfifo(full, 0600), 0);
                break;
        case HOSTILE_LOOP:
                assert_int_equal(symlink(strrchr(full, '/') + 1, full), 0);
                break;
        case _HOSTILE_MAX:
                break;
        }
}

static void assert_harmless(const struct doctor_check *check, const struct doctor_finding *finding) {
        const char *const texts[] = {finding->found, finding->advice};

        assert_true(finding->answer <= DOCTOR_UNKNOWN);
        if (finding->found[0] == '\0')
                fail_msg("%s finds nothing to say", check->name);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                for (const char *c = texts[i]; *c; c++)
                        if ((unsigned char) *c < 0x20 || (unsigned char) *c >= 0x7f)
                                fail_msg("%s says a byte %#x", check->name, (unsigned char) *c);
}

static void hostile_files_make_unknown_answers(void **state) {
        struct iocore_context *context = *state;
        static const struct {
                const char *path, *check;
                unsigned harmless; /* forms of which something can be told all the same */
        } files[] = {
                {"proc/sys/kernel/osrelease", "kernel", 0},
                {"proc/self/status", "rights", 0},
                {"proc/self/mounts", "proc", 0},
                {"sys/devices/system/cpu/isolated", "isolated-cpus", 0},
                {"sys/devices/system/cpu/nohz_full", "isolated-cpus", 0},
                {"sys/devices/system/cpu/smt/active", "smt", 0},
                {"sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "smt", 0},
                {"sys/devices/system/node/online", "numa", 0},
                {"sys/module/kvm_amd/parameters/avic", "posted-interrupts", 0},
                {"sys/module/kvm/parameters/halt_poll_ns", "halt-polling", 0},
                {"sys/kernel/mm/ksm/run", "ksm", 0},
                {"sys/kernel/mm/ksm/merge_across_nodes", "ksm", 0},
                {"proc/net/connector", "connector", 1u << HOSTILE_WORDS},
        };

        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                for (enum hostile kind = 0; kind < _HOSTILE_MAX; kind++) {
                        struct doctor_host host;

                        make_old_host(context);
                        write_hostile(context, files[i].path, kind);
                        assert_int_equal(doctor_host_open(&host, context->root), 0);
                        for (const struct doctor_check *check = doctor_checks; check->name; check++) {
                                struct doctor_finding finding = {.answer = DOCTOR_UNKNOWN};

                                check->look(&host, &finding);
                                assert_harmless(check, &finding);
                                if (strcmp(check->name, files[i].check) == 0 && finding.answer != DOCTOR_UNKNOWN && !(files[i].harmless & 1u << kind))
                                        fail_msg("%s in the form %d: %s says %s, %s", files[i].path, (int) kind, check->name,
                                                 doctor_answer_to_string(finding.answer), finding.found);
                        }
                        doctor_host_close(&host);
                        fixture_remove(context, files[i].path);
                }
}

static void hostile_processes_are_passed_over(void **state) {
        struct iocore_context *context = *state;

        make_old_host(context);
        write_hostile(context, "proc/141/comm", HOSTILE_NUL);
        write_hostile(context, "proc/142/stat", HOSTILE_WORDS);
        write_hostile(context, "proc/150/comm", HOSTILE_FIFO);
        write_hostile(context, "proc/151/task", HOSTILE_LOOP);
        write_thread(context, "152", "vhost-99999999999999999999", 2, KTHREAD);
        write_thread(context, "00000000000000153", "vhost-7", 2, KTHREAD);
        write_thread(context, "154", "vhost-7) R 2 ", 2, KTHREAD);
        assert_finds(context, "workers", DOCTOR_YES, "1 kernel threads, 0 threads", "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
                TEST(an_old_stock_host_is_described),
                TEST(a_new_stock_host_is_described),
                TEST(without_workers_the_shape_is_that_of_the_kernel),
                TEST(an_elvis_host_has_the_control_interface),
                TEST(arm_has_no_parameter_for_posted_interrupts),
                TEST(the_connector_needs_kernel_and_right),
                TEST(an_empty_root_is_looked_at_without_harm),
                TEST(a_root_that_is_no_directory_is_an_error),
                TEST(links_do_not_lead_out_of_the_root),
                TEST(hostile_files_make_unknown_answers),
                TEST(hostile_processes_are_passed_over),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

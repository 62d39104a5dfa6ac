/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin numa on a fixture tree: what it tells of nodes and of domains, and how its jobs end. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake-services.h"
#include "plugins/numa/nodes.h"

extern const struct iocore_plugin iocore_plugin;

struct test {
        struct iocore_context *context;
        void *plugin;
};

#define MEMINFO                                                                                                                               \
        "Node %d MemTotal:        1014644 kB\nNode %d MemFree:          700000 kB\nNode %d MemUsed:          314644 kB\n"                      \
        "Node %d Active(file):     50000 kB\nNode %d Inactive(file):   100000 kB\n"

static void write_node(struct iocore_context *context, int node) {
        char path[128], text[512];
        snprintf(path, sizeof path, "sys/devices/system/node/node%d/meminfo", node);
        snprintf(text, sizeof text, MEMINFO, node, node, node, node, node);
        fixture_write(context, path, text);
}

static void write_process(struct iocore_context *context, int pid, unsigned long long start, const char *numa_maps, const char *maps) {
        char path[128], text[256];
        snprintf(path, sizeof path, "proc/%d/stat", pid);
        snprintf(text, sizeof text, "%d (qemu) S 1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 3 0 %llu 0 0\n", pid, start);
        fixture_write(context, path, text);
        snprintf(path, sizeof path, "proc/%d/numa_maps", pid);
        fixture_write(context, path, numa_maps);
        snprintf(path, sizeof path, "proc/%d/maps", pid);
        fixture_write(context, path, maps);
}

static int set_up(void **state) {
        struct test *test = calloc(1, sizeof *test);
        char reason[IOCORE_REASON_MAX] = "";
        test->context = fake_context_new();
        test->context->n_cpus = 8;
        test->context->cpus_per_node = 4;
        fixture_write(test->context, "sys/devices/system/node/online", "0-1\n");
        write_node(test->context, 0);
        write_node(test->context, 1);
        *state = test;
        if (iocore_plugin.probe(&fake_services, test->context, reason, sizeof reason) != 1)
                return 0; /* no NUMA system calls here: see needs_plugin() */
        return iocore_plugin.open(&fake_services, test->context, &test->plugin, reason, sizeof reason);
}

static int tear_down(void **state) {
        struct test *test = *state;
        if (test->plugin)
                iocore_plugin.close(test->plugin);
        fake_context_free(test->context);
        free(test);
        return 0;
}

static void needs_plugin(const struct test *test) {
        if (!test->plugin)
                skip();
}

static struct fake_domain *add_domain(struct test *test, const char *name, int pid, size_t n_cells) {
        const struct iocore_cell cells[4] = { { .memory_kib = 1024, .node = -1 }, { .memory_kib = 1024, .node = -1 } };
        struct iocore_domain *domain = fake_services.domain_add(test->context, name);
        domain->pid = pid;
        domain->incarnation = 5000;
        assert_int_equal(fake_services.domain_set_cells(test->context, domain, cells, n_cells), 0);
        return fake_domain(test->context, name);
}

/* The plugin has a thread of its own: turns of the daemon's loop, until it has told something. */
static void turn_until(struct test *test, const unsigned *counter, unsigned wanted) {
        for (int i = 0; i < 10000 && *counter < wanted; i++) {
                assert_int_equal(iocore_plugin.announced(test->plugin), 0);
                if (*counter < wanted)
                        (void) nanosleep(&(struct timespec) { .tv_nsec = 1000000 }, NULL);
        }
        assert_true(*counter >= wanted);
}

/* A domain is known from one scan and read in the next. */
static void read_domains(struct test *test) {
        unsigned before = test->context->n_memory_told;
        assert_int_equal(iocore_plugin.scan(test->plugin, false), 0);
        assert_int_equal(iocore_plugin.scan(test->plugin, false), 0);
        turn_until(test, &test->context->n_memory_told, before + 1);
}

static void what_is_free_counts_cache_that_is_not_in_use(void **state) {
        struct test *test = *state;
        uint64_t total, unused;
        needs_plugin(test);
        assert_int_equal(test->context->nodes[1].total_kib, 1014644);
        assert_int_equal(test->context->nodes[1].free_kib, 800000);
        assert_int_equal(nodes_parse_meminfo("Node 0 MemTotal: 5 kB\nNode 0 MemFree: 9 kB\n", &total, &unused), 0);
        assert_int_equal(unused, 5);
        assert_int_equal(nodes_parse_meminfo("Node 0 MemTotal: 5 kB\n", &total, &unused), -EINVAL);
        assert_int_equal(nodes_parse_meminfo("Node 0 MemTotal: 5\nNode 0 MemFree: 9\n", &total, &unused), -EINVAL);
        assert_int_equal(nodes_parse_meminfo("", &total, &unused), -EINVAL);
}

static void cells_are_told_apart_by_what_backs_them(void **state) {
        struct test *test = *state;
        needs_plugin(test);
        struct fake_domain *domain = add_domain(test, "vm", 100, 2);
        write_process(test->context, 100, 5000,
                      "7f0000000000 bind:0 file=/dev/hugepages/libvirt/qemu/1-vm/qemu_back_mem._objects_ram-node0.aBcDeF\\040(deleted) huge N0=3 N1=1 kernelpagesize_kB=2048\n"
                      "7f0000a00000 bind:1 file=/dev/hugepages/libvirt/qemu/1-vm/qemu_back_mem._objects_ram-node1.aBcDeG\\040(deleted) huge N1=4 kernelpagesize_kB=2048\n"
                      "what is this\n"
                      "7f0001400000 default anon=5 N0=5 kernelpagesize_kB=4\n"
                      "7f0001500000 default file=/usr/lib/libc.so mapped=9 N1=9 kernelpagesize_kB=4\n",
                      "");
        read_domains(test);
        assert_int_equal(domain->kib_of_node[0][0], 6144);
        assert_int_equal(domain->kib_of_node[0][1], 2048);
        assert_int_equal(domain->kib_of_node[1][0], 0);
        assert_int_equal(domain->kib_of_node[1][1], 8192);
        assert_int_equal(domain->rest_kib_of_node[0], 20);
        assert_int_equal(domain->rest_kib_of_node[1], 0);
}

static void a_guest_of_one_cell_has_all_anonymous_memory_where_nothing_else_backs_it(void **state) {
        struct test *test = *state;
        needs_plugin(test);
        struct fake_domain *domain = add_domain(test, "vm", 100, 1);
        write_process(test->context, 100, 5000, "7f0000000000 default anon=100 N0=60 N1=40 kernelpagesize_kB=4\n7f0000a00000 default heap anon=1 N1=1 kernelpagesize_kB=4\n", "");
        read_domains(test);
        assert_int_equal(domain->kib_of_node[0][0], 240);
        assert_int_equal(domain->kib_of_node[0][1], 164);
        assert_int_equal(domain->rest_kib_of_node[0] + domain->rest_kib_of_node[1], 0);
}

static void what_nothing_tells_the_cell_of_is_the_rest(void **state) {
        struct test *test = *state;
        needs_plugin(test);
        struct fake_domain *domain = add_domain(test, "vm", 100, 2);
        domain->kib_of_node[0][0] = 77; /* what is not known is not told as nothing */
        write_process(test->context, 100, 5000, "7f0000000000 default anon=100 N0=60 N1=40 kernelpagesize_kB=4\n", "");
        read_domains(test);
        assert_int_equal(domain->kib_of_node[0][0], 77);
        assert_int_equal(domain->rest_kib_of_node[0], 240);
        assert_int_equal(domain->rest_kib_of_node[1], 160);
}

static void it_is_not_read_again_before_its_time(void **state) {
        struct test *test = *state;
        needs_plugin(test);
        add_domain(test, "vm", 100, 1);
        write_process(test->context, 100, 5000, "7f0000000000 default anon=1 N0=1 kernelpagesize_kB=4\n", "");
        read_domains(test);
        for (int i = 0; i < 5; i++)
                assert_int_equal(iocore_plugin.scan(test->plugin, false), 0);
        /* when somebody asks, at once: and what a scan had asked for would be told before it */
        struct iocore_memory memory = { .pid = 100, .start = 5000, .domain = "vm", .n_cells = 1, .cell = -1, .node = IOCORE_NODE_UNKNOWN };
        char reason[IOCORE_REASON_MAX];
        assert_int_equal(iocore_plugin.memory_begin(test->plugin, &memory, 9, reason, sizeof reason), 0);
        turn_until(test, &test->context->n_memory_told, 2);
        while (test->context->job.state != IOCORE_JOB_DONE)
                turn_until(test, &test->context->n_job_updates, test->context->n_job_updates + 1);
        assert_int_equal(test->context->job.id, 9);
        assert_int_equal(test->context->n_memory_told, 2);
}

static void another_process_of_the_same_number_is_not_it(void **state) {
        struct test *test = *state;
        struct iocore_memory memory = { .pid = 100, .start = 4999, .domain = "", .cell = -1, .node = 0 };
        char reason[IOCORE_REASON_MAX] = "";
        needs_plugin(test);
        write_process(test->context, 100, 5000, "", "");
        assert_int_equal(iocore_plugin.memory_begin(test->plugin, &memory, 1, reason, sizeof reason), -ESRCH);
        assert_string_not_equal(reason, "");
        memory.node = 7;
        assert_int_equal(iocore_plugin.memory_begin(test->plugin, &memory, 1, reason, sizeof reason), -EINVAL);
        assert_int_equal(iocore_plugin.job_cancel(test->plugin, 1), -ENOENT);
}

static void a_rate_that_is_none_is_refused(void **state) {
        static const char *const wrong[] = { "", "0", "-1", "12 MiB", "99999999999999999999", "fast" };
        struct test *test = *state;
        char reason[IOCORE_REASON_MAX];
        void *plugin;
        needs_plugin(test);
        test->context->option = "move-rate";
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
                reason[0] = '\0';
                test->context->option_value = wrong[i];
                assert_int_equal(iocore_plugin.open(&fake_services, test->context, &plugin, reason, sizeof reason), -EINVAL);
                assert_non_null(strstr(reason, "move-rate"));
        }
}

static void a_cell_that_nothing_tells_is_not_moved_by_guess(void **state) {
        struct test *test = *state;
        struct iocore_memory memory = { .pid = 100, .start = 5000, .domain = "vm", .n_cells = 2, .cell = 1, .node = 0 };
        char reason[IOCORE_REASON_MAX] = "";
        needs_plugin(test);
        add_domain(test, "vm", 100, 2);
        write_process(test->context, 100, 5000, "7f0000000000 default anon=100 N1=100 kernelpagesize_kB=4\n", "7f0000000000-7f0000064000 rw-p 00000000 00:00 0\n");
        assert_int_equal(iocore_plugin.memory_begin(test->plugin, &memory, 3, reason, sizeof reason), 0);
        do
                turn_until(test, &test->context->n_job_updates, test->context->n_job_updates + 1);
        while (test->context->job.state == IOCORE_JOB_RUNNING || test->context->job.state == IOCORE_JOB_WAITING);
        assert_int_equal(test->context->job.state, IOCORE_JOB_FAILED);
        assert_non_null(strstr(test->context->job.text, "guest cell 1"));
        assert_int_equal(test->context->job.moved_pages, 0);
}

static bool job_is_over(const struct test *test) {
        enum iocore_job_state state = test->context->job.state;
        return test->context->n_job_updates > 0 && state != IOCORE_JOB_WAITING && state != IOCORE_JOB_RUNNING;
}

/* All pages are on node 0 already: no pid of this machine is touched. */
static void where_memory_is_is_told_before_its_move_is_over(void **state) {
        struct test *test = *state;
        struct iocore_memory memory = { .pid = 100, .start = 5000, .domain = "vm", .n_cells = 1, .cell = 0, .node = 0 };
        char reason[IOCORE_REASON_MAX] = "";
        needs_plugin(test);
        const struct fake_domain *domain = add_domain(test, "vm", 100, 1);
        write_process(test->context, 100, 5000, "7f0000000000 default anon=100 N0=100 kernelpagesize_kB=4\n", "7f0000000000-7f0000064000 rw-p 00000000 00:00 0\n");
        assert_int_equal(iocore_plugin.memory_begin(test->plugin, &memory, 3, reason, sizeof reason), 0);
        while (!job_is_over(test))
                turn_until(test, &test->context->n_job_updates, test->context->n_job_updates + 1);
        assert_int_equal(test->context->job.state, IOCORE_JOB_DONE);
        assert_int_equal(test->context->n_told_before_job, 1);
        assert_int_equal(domain->kib_of_node[0][0], 400);
}

/* The thread waits for somebody who writes the pipe. */
static void replace_by_pipe(const struct test *test, const char *path, char *ret, size_t size) {
        snprintf(ret, size, "%s/%s", test->context->root, path);
        assert_int_equal(unlink(ret), 0);
        assert_int_equal(mkfifo(ret, 0600), 0);
}

static void let_go_of_pipe(const char *pipe) {
        int fd = open(pipe, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0)
                close(fd);
}

static void after_a_move_that_was_cancelled_memory_is_read_soon(void **state) {
        struct test *test = *state;
        struct iocore_memory memory = { .pid = 100, .start = 5000, .domain = "vm", .n_cells = 1, .cell = 0, .node = 0 };
        const char *text = "7f0000000000 default anon=1 N0=1 kernelpagesize_kB=4\n";
        char reason[IOCORE_REASON_MAX] = "", pipe[PATH_MAX + 64];
        needs_plugin(test);
        add_domain(test, "vm", 100, 1);
        write_process(test->context, 100, 5000, text, "");
        read_domains(test);
        replace_by_pipe(test, "proc/100/numa_maps", pipe, sizeof pipe);
        assert_int_equal(iocore_plugin.memory_begin(test->plugin, &memory, 3, reason, sizeof reason), 0);
        assert_int_equal(iocore_plugin.job_cancel(test->plugin, 3), 0);
        for (int i = 0; i < 10000 && !job_is_over(test); i++) {
                let_go_of_pipe(pipe);
                assert_int_equal(iocore_plugin.announced(test->plugin), 0);
                (void) nanosleep(&(struct timespec) { .tv_nsec = 1000000 }, NULL);
        }
        assert_int_equal(test->context->job.state, IOCORE_JOB_CANCELLED);
        assert_int_equal(test->context->n_memory_told, 1);
        assert_int_equal(unlink(pipe), 0);
        fixture_write(test->context, "proc/100/numa_maps", text);
        assert_int_equal(iocore_plugin.scan(test->plugin, false), 0);
        turn_until(test, &test->context->n_memory_told, 2);
}

/* When libvirt says that they are set the pages have moved. */
static void memory_that_was_bound_to_other_nodes_is_read_again_at_once(void **state) {
        struct test *test = *state;
        needs_plugin(test);
        struct fake_domain *domain = add_domain(test, "vm", 100, 1);
        strcpy(domain->pub.memory_nodes, "0-1");
        write_process(test->context, 100, 5000, "7f0000000000 default anon=100 N0=100 kernelpagesize_kB=4\n", "");
        read_domains(test);
        assert_int_equal(domain->kib_of_node[0][0], 400);
        write_process(test->context, 100, 5000, "7f0000000000 default anon=100 N1=100 kernelpagesize_kB=4\n", "");
        for (int i = 0; i < 5; i++)
                assert_int_equal(iocore_plugin.scan(test->plugin, false), 0);
        strcpy(domain->pub.memory_nodes, "1");
        assert_int_equal(iocore_plugin.scan(test->plugin, false), 0);
        turn_until(test, &test->context->n_memory_told, 2);
        assert_int_equal(domain->kib_of_node[0][0], 0);
        assert_int_equal(domain->kib_of_node[0][1], 400);
        /* once */
        for (int i = 0; i < 5; i++)
                assert_int_equal(iocore_plugin.scan(test->plugin, false), 0);
        struct iocore_memory memory = { .pid = 100, .start = 5000, .domain = "vm", .n_cells = 1, .cell = -1, .node = IOCORE_NODE_UNKNOWN };
        char reason[IOCORE_REASON_MAX];
        assert_int_equal(iocore_plugin.memory_begin(test->plugin, &memory, 9, reason, sizeof reason), 0);
        while (!job_is_over(test))
                turn_until(test, &test->context->n_job_updates, test->context->n_job_updates + 1);
        assert_int_equal(test->context->n_memory_told, 3);
}

/* What is being read then may have been read before the pages moved. */
static void what_is_being_read_when_memory_is_bound_anew_is_read_once_more(void **state) {
        struct test *test = *state;
        const char *text = "7f0000000000 default anon=1 N0=1 kernelpagesize_kB=4\n";
        char pipe[PATH_MAX + 64];
        needs_plugin(test);
        struct fake_domain *domain = add_domain(test, "vm", 100, 1);
        write_process(test->context, 100, 5000, text, "");
        replace_by_pipe(test, "proc/100/numa_maps", pipe, sizeof pipe);
        assert_int_equal(iocore_plugin.scan(test->plugin, false), 0);
        assert_int_equal(iocore_plugin.scan(test->plugin, false), 0); /* begins */
        strcpy(domain->pub.memory_nodes, "1");
        assert_int_equal(iocore_plugin.scan(test->plugin, false), 0);
        for (int i = 0; i < 10000 && test->context->n_memory_told == 0; i++) {
                let_go_of_pipe(pipe);
                assert_int_equal(iocore_plugin.announced(test->plugin), 0);
                (void) nanosleep(&(struct timespec) { .tv_nsec = 1000000 }, NULL);
        }
        assert_int_equal(test->context->n_memory_told, 1);
        assert_int_equal(unlink(pipe), 0);
        fixture_write(test->context, "proc/100/numa_maps", text);
        assert_int_equal(iocore_plugin.scan(test->plugin, false), 0);
        turn_until(test, &test->context->n_memory_told, 2);
        assert_int_equal(domain->kib_of_node[0][0], 4);
}

static void so_many_wait_and_no_more(void **state) {
        struct test *test = *state;
        struct iocore_memory memory = { .pid = 100, .start = 5000, .domain = "", .cell = -1, .node = 0 };
        char reason[IOCORE_REASON_MAX] = "";
        unsigned n = 0;
        needs_plugin(test);
        write_process(test->context, 100, 5000, "", "");
        /* what is over is kept until it was told: nobody asks here */
        while (n < 1000 && iocore_plugin.memory_begin(test->plugin, &memory, n + 1, reason, sizeof reason) == 0)
                n++;
        assert_in_range(n, 1, 100);
        assert_int_equal(iocore_plugin.memory_begin(test->plugin, &memory, n + 1, reason, sizeof reason), -EBUSY);
        for (unsigned i = 0; i < 10000 && iocore_plugin.memory_begin(test->plugin, &memory, n + 1, reason, sizeof reason) == -EBUSY; i++) {
                assert_int_equal(iocore_plugin.announced(test->plugin), 0);
                (void) nanosleep(&(struct timespec) { .tv_nsec = 1000000 }, NULL);
        }
        assert_true(test->context->n_job_updates > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_is_free_counts_cache_that_is_not_in_use, set_up, tear_down),
                cmocka_unit_test_setup_teardown(cells_are_told_apart_by_what_backs_them, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_guest_of_one_cell_has_all_anonymous_memory_where_nothing_else_backs_it, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_nothing_tells_the_cell_of_is_the_rest, set_up, tear_down),
                cmocka_unit_test_setup_teardown(it_is_not_read_again_before_its_time, set_up, tear_down),
                cmocka_unit_test_setup_teardown(another_process_of_the_same_number_is_not_it, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_rate_that_is_none_is_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_cell_that_nothing_tells_is_not_moved_by_guess, set_up, tear_down),
                cmocka_unit_test_setup_teardown(where_memory_is_is_told_before_its_move_is_over, set_up, tear_down),
                cmocka_unit_test_setup_teardown(after_a_move_that_was_cancelled_memory_is_read_soon, set_up, tear_down),
                cmocka_unit_test_setup_teardown(memory_that_was_bound_to_other_nodes_is_read_again_at_once, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_is_being_read_when_memory_is_bound_anew_is_read_once_more, set_up, tear_down),
                cmocka_unit_test_setup_teardown(so_many_wait_and_no_more, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

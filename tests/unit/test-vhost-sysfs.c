/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin on fixture trees of both generations; where it writes, a small kernel of the test's own answers, quirks included. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake-services.h"
#include "plugins/vhost-sysfs/vhost-sysfs.h"

#define CLASS "sys/class/vhost"

extern const struct iocore_plugin iocore_plugin;

struct test {
        struct iocore_context *context;
        enum generation generation;
        void *state;
        char reason[IOCORE_REASON_MAX];
};

__attribute__((format(printf, 3, 4))) static void put(struct test *test, const char *path, const char *format, ...) {
        char joined[512], text[8192];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        snprintf(joined, sizeof joined, CLASS "/%s", path);
        fixture_write(test->context, joined, text);
}

static const char *get(struct test *test, const char *path) {
        char joined[512];
        snprintf(joined, sizeof joined, CLASS "/%s", path);
        return fixture_read(test->context, joined);
}

/* Puts a file into the directory of an object. */
#define PUT_OF(test, directory, file, ...)                                                              \
        do {                                                                                            \
                char path_[256];                                                                        \
                snprintf(path_, sizeof path_, "%s/%s", directory, file);                                \
                put(test, path_, __VA_ARGS__);                                                          \
        } while (0)

static void put_worker(struct test *test, int number, int cpu, const char *devices, uint64_t busy) {
        char directory[64];
        snprintf(directory, sizeof directory, "worker/w.%d", number);
        PUT_OF(test, directory, "cpu", "%d\n", cpu);
        PUT_OF(test, directory, "pid", "%d\n", 1000 + number);
        PUT_OF(test, directory, "locked", "0\n");
        PUT_OF(test, directory, "dev_list", "%s", devices);
        PUT_OF(test, directory, "cycles", "77\n");
        PUT_OF(test, directory, "power/control", "auto\n");
        if (test->generation == GENERATION_IOCM)
                PUT_OF(test, directory, "status", "loops:5\ncycles:77\ntotal_work_cycles:%" PRIu64 "\nlocked:0\n", busy);
}

/* Counters are `base` plus the attribute's place. */
static void put_queue(struct test *test, int device, int index, uint64_t base) {
        static const char *const names[] = { "poll_cycles", "poll_bytes", "poll_wait", "poll_empty", "poll_empty_cycles", "poll_coalesced", "poll_limited",
                                             "poll_pending_cycles", "notif_works", "notif_cycles", "notif_bytes", "notif_wait", "notif_limited", "ring_full",
                                             "stuck_times", "stuck_cycles" };
        char directory[64], status[2048];
        size_t length = 0;

        snprintf(directory, sizeof directory, "vq/vq.%d.%d", device, index);
        length += (size_t) snprintf(status, sizeof status, "dev:d.%d\npoll:1\ncan_poll:%d\n", device, index != 0);
        PUT_OF(test, directory, "poll", "1\n");
        PUT_OF(test, directory, "max_processed_data_limit", "524288\n");
        PUT_OF(test, directory, "max_stuck_cycles", "-1\n");
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                PUT_OF(test, directory, names[i], "%" PRIu64 "\n", base + i);
                length += (size_t) snprintf(status + length, sizeof status - length, "%s:%" PRIu64 "\n", names[i], base + i);
        }
        PUT_OF(test, directory, "handled_bytes", "64\n");
        if (test->generation == GENERATION_ELVIS)
                return;
        PUT_OF(test, directory, "can_poll", "%d\n", index != 0);
        snprintf(status + length, sizeof status - length, "handled_bytes:64\nhandled_packets:%" PRIu64 "\n", base + 100);
        PUT_OF(test, directory, "status", "%s", status);
}

static void put_device(struct test *test, int number, const char *worker, int owner) {
        char directory[64];
        snprintf(directory, sizeof directory, "dev/d.%d", number);
        PUT_OF(test, directory, "worker", "%s\n", worker);
        PUT_OF(test, directory, "owner", "%d\n", owner);
        PUT_OF(test, directory, "vq_list", "vq.%d.0\tvq.%d.1\n", number, number);
        put_queue(test, number, 0, 1000);
        put_queue(test, number, 1, 2000);
}

static void put_owner(struct test *test, int pid, int node, const char *name) {
        char path[64], text[256];
        snprintf(path, sizeof path, "proc/%d/status", pid);
        snprintf(text, sizeof text, "Name:\tqemu\nCpus_allowed_list:\t0-7\nMems_allowed:\t1\nMems_allowed_list:\t%d\n", node);
        fixture_write(test->context, path, text);
        snprintf(path, sizeof path, "proc/%d/cmdline", pid);
        fixture_write(test->context, path, "");
        char file[PATH_MAX + 64];
        snprintf(file, sizeof file, "%s/%s", test->context->root, path);
        FILE *stream = fopen(file, "we");
        assert_non_null(stream);
        fprintf(stream, "qemu%c-name%cguest=%s,debug-threads=on%c-S%c", 0, 0, name, 0, 0);
        fclose(stream);
}

/* w.1 on no CPU serves d.1; w.2 on CPU 2 serves d.2. */
static int set_up(void **state, enum generation generation) {
        struct test *test = calloc(1, sizeof *test);
        if (!test)
                return -1;
        test->context = fake_context_new();
        test->context->userdata = test;
        test->generation = generation;
        put(test, "cycles", "5000\n");
        put(test, "epoch", "0\n");
        if (generation == GENERATION_IOCM)
                put(test, "status", "cycles:5000\nepoch:0\n");
        put(test, "worker/create", "%s", "");
        put(test, "worker/remove", "%s", "");
        put(test, "worker/default", "w.1\n");
        put_worker(test, 1, -1, "d.1\n", 300);
        put_worker(test, 2, 2, "d.2\n", 400);
        put_device(test, 1, "w.1", 4711);
        put_device(test, 2, "w.2", 4712);
        put_owner(test, 4711, 1, "red");
        put_owner(test, 4712, 0, "blue");
        fixture_directory(test->context, CLASS "/worker/power");
        char path[PATH_MAX + 64];
        snprintf(path, sizeof path, "%s/" CLASS "/worker/w.9", test->context->root);
        assert_int_equal(symlink("w.1", path), 0);
        *state = test;
        return 0;
}

static int elvis_host(void **state) { return set_up(state, GENERATION_ELVIS); }
static int iocm_host(void **state) { return set_up(state, GENERATION_IOCM); }

static int tear_down(void **state) {
        struct test *test = *state;
        if (test->state)
                iocore_plugin.close(test->state);
        fake_context_free(test->context);
        free(test);
        return 0;
}

static struct vhost_sysfs *open_plugin(struct test *test) {
        int r = iocore_plugin.open(&fake_services, test->context, &test->state, test->reason, sizeof test->reason);
        if (r < 0)
                print_message("# %s\n", test->reason);
        assert_int_equal(r, 0);
        return test->state;
}

/* --- a kernel ---------------------------------------------------------------------------------------------------------------------- */

/* The writes of the control interface on files: what sysfs would do. */
static int kernel_write(struct vhost_sysfs *sysfs, const char *path, const char *value) {
        struct test *test = sysfs->context->userdata;
        char joined[256];
        unsigned number;

        if (sscanf(path, "worker/w.%u/locked", &number) == 1) {
                bool was = get(test, path)[0] == '1';
                put(test, path, "%s\n", value);
                /* unlocking is done, and refused */
                return was && value[0] == '0' ? -EINVAL : 0;
        }
        if (sscanf(path, "dev/d.%u/worker", &number) == 1) {
                char from[64];
                snprintf(from, sizeof from, "%s", get(test, path));
                put(test, path, "%s\n", value);
                snprintf(joined, sizeof joined, "worker/%s/dev_list", from);
                put(test, joined, "%s", "");
                snprintf(joined, sizeof joined, "worker/%s/dev_list", value);
                put(test, joined, "d.%u\n", number);
                return 0;
        }
        if (strcmp(path, "worker/create") == 0) {
                put_worker(test, 3, 6, "", 0); /* somebody else's */
                put_worker(test, 4, atoi(value), "", 0);
                put(test, "worker/create", "w.3\tw.4\n");
                return 0;
        }
        if (strcmp(path, "worker/remove") == 0) {
                snprintf(joined, sizeof joined, "worker/%s/locked", value);
                if (get(test, joined)[0] != '1')
                        return -EINVAL;
                snprintf(joined, sizeof joined, CLASS "/worker/%s", value);
                fixture_remove(test->context, joined);
                return 0;
        }
        put(test, path, "%s\n", value);
        return 0;
}

static struct vhost_sysfs *open_with_kernel(struct test *test) {
        struct vhost_sysfs *sysfs = open_plugin(test);
        sysfs->write = kernel_write;
        return sysfs;
}

static const struct iocore_knob *knob(const char *kind) {
        for (size_t i = 0; i < iocore_plugin.n_knobs; i++)
                if (strcmp(iocore_plugin.knobs[i].kind, kind) == 0)
                        return &iocore_plugin.knobs[i];
        fail_msg("no knob %s", kind);
        return NULL;
}

/* --- inventory --------------------------------------------------------------------------------------------------------------------- */

static void the_tree_is_found_as_it_is(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_plugin(test);
        struct iocore_context *context = test->context;

        assert_int_equal(sysfs->generation, test->generation);
        assert_int_equal(context->n_workers, 2);
        assert_int_equal(context->n_units, 2);
        assert_int_equal(context->n_queues, 4);
        assert_true(fake_worker(context, "w.1")->is_default);
        assert_int_equal(fake_worker(context, "w.1")->cpu, IOCORE_CPU_ANY);
        assert_false(fake_worker(context, "w.2")->is_default);
        assert_int_equal(fake_worker(context, "w.2")->cpu, 2);
        assert_int_equal(fake_worker(context, "w.2")->pid, 1002);
        assert_ptr_equal(fake_unit(context, "d.2")->worker, fake_worker(context, "w.2"));
        assert_ptr_equal(fake_queue(context, "vq.2.1")->unit, fake_unit(context, "d.2"));
        assert_ptr_equal(fake_queue(context, "vq.2.1")->device, fake_device(context, "d.2"));
        assert_int_equal(fake_queue(context, "vq.2.1")->index, 1);
        assert_true(fake_queue(context, "vq.2.1")->poll);
        assert_int_equal(fake_unit(context, "d.1")->owner, 4711);
        assert_int_equal(fake_unit(context, "d.1")->node, 1);
        assert_string_equal(fake_unit(context, "d.1")->domain, "red");
        assert_true(context->cores[2].io_core);
        assert_ptr_equal(context->cores[2].worker, fake_worker(context, "w.2"));
        assert_int_equal(context->n_warnings, 0);
}

static void can_poll_is_read_where_the_kernel_has_it(void **state) {
        struct test *test = *state;
        open_plugin(test);
        assert_int_equal(fake_queue(test->context, "vq.1.0")->can_poll, test->generation == GENERATION_ELVIS);
        assert_true(fake_queue(test->context, "vq.1.1")->can_poll);
        assert_int_equal((fake_queue(test->context, "vq.1.0")->fields & IOCORE_QUEUE_PACKETS) != 0, test->generation == GENERATION_IOCM);
}

static void devices_come_go_and_move_without_a_thorough_scan(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_plugin(test);

        put_device(test, 3, "w.1", 4711);
        put(test, "worker/w.1/dev_list", "d.1\td.3\n");
        assert_int_equal(iocore_plugin.scan(sysfs, false), 0);
        assert_non_null(fake_unit(test->context, "d.3"));
        assert_non_null(fake_queue(test->context, "vq.3.1"));

        put(test, "dev/d.3/worker", "w.2\n");
        put(test, "worker/w.1/dev_list", "d.1\n");
        put(test, "worker/w.2/dev_list", "d.2\td.3\n");
        assert_int_equal(iocore_plugin.scan(sysfs, false), 0);
        assert_ptr_equal(fake_unit(test->context, "d.3")->worker, fake_worker(test->context, "w.2"));

        fixture_remove(test->context, CLASS "/dev/d.3");
        fixture_remove(test->context, CLASS "/vq/vq.3.0");
        fixture_remove(test->context, CLASS "/vq/vq.3.1");
        put(test, "worker/w.2/dev_list", "d.2\n");
        assert_int_equal(iocore_plugin.scan(sysfs, false), 0);
        assert_null(fake_unit(test->context, "d.3"));
        assert_null(fake_queue(test->context, "vq.3.1"));
        assert_int_equal(test->context->n_units, 2);
        assert_int_equal(test->context->n_warnings, 0);
}

static void queues_that_come_late_are_found_by_the_next_scan(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_plugin(test);

        put_device(test, 3, "w.1", 4711);
        put(test, "dev/d.3/vq_list", "vq.3.0\n");
        put(test, "worker/w.1/dev_list", "d.1\td.3\n");
        assert_int_equal(iocore_plugin.scan(sysfs, false), 0);
        assert_null(fake_queue(test->context, "vq.3.1"));
        put(test, "dev/d.3/vq_list", "vq.3.0\tvq.3.1\n");
        assert_int_equal(iocore_plugin.scan(sysfs, false), 0);
        assert_non_null(fake_queue(test->context, "vq.3.1"));
}

static void a_lock_or_another_cpu_ends_an_io_core(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_plugin(test);

        put(test, "worker/w.2/locked", "1\n");
        assert_int_equal(iocore_plugin.scan(sysfs, false), 0);
        assert_false(test->context->cores[2].io_core);
        put(test, "worker/w.2/locked", "0\n");
        put(test, "worker/w.2/cpu", "5\n");
        assert_int_equal(iocore_plugin.scan(sysfs, false), 0);
        assert_false(test->context->cores[2].io_core);
        assert_true(test->context->cores[5].io_core);
}

static void of_several_workers_on_a_cpu_the_first_makes_the_io_core(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_plugin(test);

        put_worker(test, 10, 2, "", 0);
        assert_int_equal(iocore_plugin.scan(sysfs, false), 0);
        assert_ptr_equal(test->context->cores[2].worker, fake_worker(test->context, "w.2"));
        put(test, "worker/w.2/locked", "1\n");
        assert_int_equal(iocore_plugin.scan(sysfs, false), 0);
        assert_ptr_equal(test->context->cores[2].worker, fake_worker(test->context, "w.10"));
}

static void a_worker_that_vanishes_takes_its_core_along(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_plugin(test);

        put(test, "dev/d.2/worker", "w.1\n");
        put(test, "worker/w.1/dev_list", "d.1\td.2\n");
        fixture_remove(test->context, CLASS "/worker/w.2");
        assert_int_equal(iocore_plugin.scan(sysfs, false), 0);
        assert_null(fake_worker(test->context, "w.2"));
        assert_false(test->context->cores[2].io_core);
        assert_ptr_equal(fake_unit(test->context, "d.2")->worker, fake_worker(test->context, "w.1"));
}

static void bad_ids_are_skipped_and_told_once(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs;

        fixture_directory(test->context, CLASS "/worker/w.x");
        fixture_directory(test->context, CLASS "/dev/d.01");
        fixture_directory(test->context, CLASS "/dev/d.3"); /* empty: half-born */
        put(test, "dev/d.1/vq_list", "vq.1.0\tvq.2.1\t../../etc\tvq.1.1\tvq.1.1\n");
        sysfs = open_plugin(test);
        assert_int_equal(test->context->n_workers, 2);
        assert_int_equal(test->context->n_units, 2);
        assert_int_equal(test->context->n_queues, 4);
        assert_int_equal(test->context->n_warnings, 1);
        assert_true(sysfs->troubles[TROUBLE_ID] >= 4);
        assert_int_equal(iocore_plugin.scan(sysfs, true), 0);
        assert_int_equal(test->context->n_warnings, 1);
}

static void a_device_of_a_worker_that_does_not_exist_is_left_out(void **state) {
        struct test *test = *state;
        put(test, "dev/d.2/worker", "w.77\n");
        struct vhost_sysfs *sysfs = open_plugin(test);
        assert_null(fake_unit(test->context, "d.2"));
        assert_int_equal(test->context->n_queues, 2);
        put(test, "dev/d.2/worker", "w.2\n");
        assert_int_equal(iocore_plugin.scan(sysfs, false), 0);
        assert_non_null(fake_unit(test->context, "d.2"));
}

static void an_owner_that_comes_later_is_found(void **state) {
        struct test *test = *state;
        put(test, "dev/d.1/owner", "-1\n");
        struct vhost_sysfs *sysfs = open_plugin(test);
        assert_int_equal(fake_unit(test->context, "d.1")->owner, -1);
        assert_int_equal(fake_unit(test->context, "d.1")->node, IOCORE_NODE_UNKNOWN);
        put(test, "dev/d.1/owner", "4711\n");
        assert_int_equal(iocore_plugin.scan(sysfs, false), 0);
        assert_int_equal(fake_unit(test->context, "d.1")->node, 1);
        assert_string_equal(fake_unit(test->context, "d.1")->domain, "red");
}

static void what_cannot_be_opened_is_told_with_its_path(void **state) {
        struct test *test = *state;
        assert_int_equal(iocore_plugin.probe(&fake_services, test->context, test->reason, sizeof test->reason), 1);
        fixture_remove(test->context, CLASS "/worker/create");
        assert_int_equal(iocore_plugin.probe(&fake_services, test->context, test->reason, sizeof test->reason), 0);
        assert_non_null(strstr(test->reason, "/sys/class/vhost/worker/create"));
        fixture_remove(test->context, CLASS);
        assert_int_equal(iocore_plugin.probe(&fake_services, test->context, test->reason, sizeof test->reason), 0);
        assert_non_null(strstr(test->reason, "/sys/class/vhost"));
        assert_non_null(strstr(test->reason, "ELVIS"));
        assert_int_equal(iocore_plugin.open(&fake_services, test->context, &test->state, test->reason, sizeof test->reason), -ENOENT);
        assert_null(test->state);
}

static void a_configured_path_is_used_as_it_is(void **state) {
        struct test *test = *state;
        char path[PATH_MAX + 64];

        snprintf(path, sizeof path, "%s/" CLASS, test->context->root);
        test->context->option = "path";
        test->context->option_value = path;
        strcpy(test->context->root + strlen(test->context->root), "/nowhere");
        assert_int_equal(iocore_plugin.probe(&fake_services, test->context, test->reason, sizeof test->reason), 1);
        test->context->option_value = "relative";
        assert_int_equal(iocore_plugin.probe(&fake_services, test->context, test->reason, sizeof test->reason), 0);
        assert_non_null(strstr(test->reason, "absolute"));
        *strrchr(test->context->root, '/') = '\0';
}

/* --- counters ---------------------------------------------------------------------------------------------------------------------- */

static void counters_are_the_sum_of_both_modes(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_plugin(test);

        assert_int_equal(iocore_plugin.sample_workers(sysfs), 0);
        assert_int_equal(iocore_plugin.sample_queues(sysfs, fake_worker(test->context, "w.2")), 0);
        const struct iocore_queue *queue = fake_queue(test->context, "vq.2.1");
        assert_int_equal(queue->clock, 5000);
        assert_int_equal(queue->busy, 2000 + 2009);
        assert_int_equal(queue->bytes, 2001 + 2010);
        assert_int_equal(queue->works, 2008);
        assert_int_equal(queue->wait, 2007 + 2011);
        assert_int_equal(queue->stuck, 2014);
        assert_int_equal(queue->ring_full, 2013);
        assert_int_equal(queue->poll_empty, 2003);
        assert_int_equal(queue->packets, test->generation == GENERATION_IOCM ? 2100 : 0);
        /* the other worker's were not read */
        assert_int_equal(fake_queue(test->context, "vq.1.0")->clock, 0);
}

static void a_worker_of_the_second_generation_says_how_busy_it_is(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_plugin(test);
        assert_int_equal(iocore_plugin.sample_workers(sysfs), 0);
        assert_int_equal(fake_worker(test->context, "w.1")->busy, 300);
        assert_int_equal(fake_worker(test->context, "w.2")->busy, 400);
        assert_int_equal(fake_worker(test->context, "w.2")->clock, 5000);
}

static void a_worker_of_the_first_generation_is_as_busy_as_its_queues(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_plugin(test);
        const struct iocore_worker *w1 = fake_worker(test->context, "w.1"), *w2 = fake_worker(test->context, "w.2");

        assert_int_equal(iocore_plugin.sample_workers(sysfs), 0);
        uint64_t busy1 = w1->busy, busy2 = w2->busy;
        put(test, "cycles", "6000\n");
        put(test, "vq/vq.2.0/poll_cycles", "1100\n");  /* + 100 */
        put(test, "vq/vq.2.1/notif_cycles", "2039\n"); /* + 30 */
        assert_int_equal(iocore_plugin.sample_workers(sysfs), 0);
        assert_int_equal(w2->busy - busy2, 130);
        assert_int_equal(w1->busy, busy1);
        assert_int_equal(w2->clock, 6000);

        /* a device that moves does not bring its past along */
        put(test, "dev/d.2/worker", "w.1\n");
        put(test, "worker/w.1/dev_list", "d.1\td.2\n");
        put(test, "worker/w.2/dev_list", "%s", "");
        assert_int_equal(iocore_plugin.scan(sysfs, false), 0);
        put(test, "cycles", "7000\n");
        put(test, "vq/vq.2.0/poll_cycles", "1107\n");
        assert_int_equal(iocore_plugin.sample_workers(sysfs), 0);
        assert_int_equal(w1->busy - busy1, 7);
        assert_int_equal(w2->busy - busy2, 130);

        /* a counter that goes back adds nothing */
        put(test, "cycles", "8000\n");
        put(test, "vq/vq.2.0/poll_cycles", "3\n");
        assert_int_equal(iocore_plugin.sample_workers(sysfs), 0);
        assert_int_equal(w1->busy - busy1, 7);
}

static void queues_share_the_clock_of_their_epoch(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_plugin(test);
        struct iocore_worker *worker = fake_worker(test->context, "w.2");
        const struct iocore_queue *queue = fake_queue(test->context, "vq.2.0");

        assert_int_equal(iocore_plugin.sample_workers(sysfs), 0);
        put(test, "cycles", "5500\n");
        assert_int_equal(iocore_plugin.sample_queues(sysfs, worker), 0);
        assert_int_equal(queue->clock, 5000);
        /* who asks twice in an epoch wants to know what is new */
        assert_int_equal(iocore_plugin.sample_queues(sysfs, worker), 0);
        assert_int_equal(queue->clock, 5500);
}

static void a_malformed_attribute_skips_its_sample_only(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_plugin(test);
        struct iocore_worker *worker = fake_worker(test->context, "w.2");
        const struct iocore_queue *bad = fake_queue(test->context, "vq.2.0"), *good = fake_queue(test->context, "vq.2.1");

        assert_int_equal(iocore_plugin.sample_workers(sysfs), 0);
        assert_int_equal(iocore_plugin.sample_queues(sysfs, worker), 0);
        uint64_t bytes = bad->bytes;
        for (int i = 0; i < 3; i++) {
                put(test, "cycles", "%d\n", 6000 + i);
                put(test, "vq/vq.2.0/poll_bytes", "lots\n");
                if (test->generation == GENERATION_IOCM)
                        put(test, "vq/vq.2.0/status", "poll:1\npoll_cycles:9\npoll_bytes:lots\n");
                assert_int_equal(iocore_plugin.sample_workers(sysfs), 0);
                assert_int_equal(iocore_plugin.sample_queues(sysfs, worker), 0);
                assert_int_equal(bad->clock, 5000);
                assert_int_equal(bad->bytes, bytes);
                assert_int_equal(good->clock, 6000 + i);
        }
        assert_int_equal(test->context->n_warnings, 1);
        assert_true(sysfs->troubles[TROUBLE_VALUE] >= 3);
        put_queue(test, 2, 0, 3000);
        put(test, "cycles", "7000\n");
        assert_int_equal(iocore_plugin.scan(sysfs, true), 0);
        assert_int_equal(iocore_plugin.sample_workers(sysfs), 0);
        assert_int_equal(iocore_plugin.sample_queues(sysfs, worker), 0);
        assert_int_equal(bad->clock, 7000);
        assert_int_equal(bad->bytes, 3001 + 3010);
}

static void huge_files_are_skipped(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_plugin(test);
        char huge[6000];

        memset(huge, '1', sizeof huge - 1);
        huge[sizeof huge - 1] = '\0';
        put(test, "vq/vq.2.0/status", "%s", huge);
        put(test, "vq/vq.2.0/poll_bytes", "%s", huge);
        assert_int_equal(iocore_plugin.sample_workers(sysfs), 0);
        assert_int_equal(iocore_plugin.sample_queues(sysfs, fake_worker(test->context, "w.2")), 0);
        assert_int_equal(fake_queue(test->context, "vq.2.0")->clock, 0);
        assert_int_equal(fake_queue(test->context, "vq.2.1")->clock, 5000);
        assert_int_equal(test->context->n_warnings, 1);
        assert_int_equal(sysfs->troubles[TROUBLE_HUGE], 1);
}

static void a_missing_attribute_is_unknown_not_zero(void **state) {
        struct test *test = *state;
        fixture_remove(test->context, CLASS "/vq/vq.2.0/poll_pending_cycles");
        put(test, "vq/vq.2.0/status", "poll:0\npoll_cycles:1\npoll_bytes:2\nnotif_cycles:3\nnotif_bytes:4\nnotif_wait:5\n");
        if (test->generation == GENERATION_ELVIS)
                fixture_remove(test->context, CLASS "/vq/vq.2.0/status");
        struct vhost_sysfs *sysfs = open_plugin(test);
        const struct iocore_queue *queue = fake_queue(test->context, "vq.2.0");
        assert_false(queue->fields & IOCORE_QUEUE_WAIT);
        assert_true(queue->fields & IOCORE_QUEUE_BUSY);
        assert_true(queue->fields & IOCORE_QUEUE_BYTES);
        assert_int_equal(test->context->n_warnings, 1);
        assert_int_equal(iocore_plugin.sample_workers(sysfs), 0);
        assert_int_equal(iocore_plugin.sample_queues(sysfs, fake_worker(test->context, "w.2")), 0);
        assert_int_equal(queue->clock, 5000);
}

/* --- hands ------------------------------------------------------------------------------------------------------------------------- */

static void moving_a_unit_moves_it_in_the_model_too(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_with_kernel(test);
        char value[IOCORE_VALUE_MAX];

        assert_int_equal(knob("unit.place")->get(sysfs, "d.1", value, sizeof value), 0);
        assert_string_equal(value, "w.1");
        assert_int_equal(knob("unit.place")->set(sysfs, "d.1", "w.2", value, sizeof value), 0);
        assert_string_equal(value, "w.2");
        assert_ptr_equal(fake_unit(test->context, "d.1")->worker, fake_worker(test->context, "w.2"));
}

static void a_locked_or_unknown_target_is_refused_before_it_is_written(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_with_kernel(test);
        char value[IOCORE_VALUE_MAX];

        put(test, "worker/w.2/locked", "1\n");
        assert_int_equal(knob("unit.place")->set(sysfs, "d.1", "w.2", value, sizeof value), -EINVAL);
        assert_int_equal(knob("unit.place")->set(sysfs, "d.1", "w.55", value, sizeof value), -EINVAL);
        assert_int_equal(knob("unit.place")->set(sysfs, "d.1", "w.1/../w.2", value, sizeof value), -EINVAL);
        assert_int_equal(knob("unit.place")->set(sysfs, "d.1", "", value, sizeof value), -EINVAL);
        assert_string_equal(get(test, "dev/d.1/worker"), "w.1");
}

static unsigned moves_refused;

static int busy_kernel_write(struct vhost_sysfs *sysfs, const char *path, const char *value) {
        if (moves_refused > 0) {
                moves_refused--;
                return -EINVAL;
        }
        return kernel_write(sysfs, path, value);
}

static void a_move_under_way_is_waited_for_but_not_for_long(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_with_kernel(test);
        char value[IOCORE_VALUE_MAX];

        sysfs->write = busy_kernel_write;
        moves_refused = 2;
        assert_int_equal(knob("unit.place")->set(sysfs, "d.1", "w.2", value, sizeof value), 0);
        assert_string_equal(value, "w.2");
        moves_refused = 1000;
        assert_int_equal(knob("unit.place")->set(sysfs, "d.1", "w.1", value, sizeof value), -EBUSY);
        assert_true(moves_refused > 900);
        assert_string_equal(get(test, "dev/d.1/worker"), "w.2");
}

static void objects_that_are_gone_are_said_to_be_gone(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_plugin(test);
        char value[IOCORE_VALUE_MAX];
        static const char *const objects[][3] = {
                { "unit.place", "d.99", "w.1" },   { "unit.place", "../worker", "w.1" }, { "worker.locked", "w.99", "1" },    { "worker.locked", "d.1", "1" },
                { "queue.poll", "vq.99.0", "1" }, { "queue.limit", "vq.1", "1500" },     { "worker.default", "w.99", "w.1" },
        };

        for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
                assert_int_equal(knob(objects[i][0])->get(sysfs, objects[i][1], value, sizeof value), -ENOENT);
                assert_int_equal(knob(objects[i][0])->set(sysfs, objects[i][1], objects[i][2], value, sizeof value), -ENOENT);
        }
}

static void unlocking_succeeds_though_the_kernel_says_einval(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_with_kernel(test);
        char value[IOCORE_VALUE_MAX];

        assert_int_equal(knob("worker.locked")->set(sysfs, "w.2", "1", value, sizeof value), 0);
        assert_string_equal(value, "1");
        assert_true(fake_worker(test->context, "w.2")->locked);
        assert_false(test->context->cores[2].io_core);
        assert_int_equal(knob("worker.locked")->set(sysfs, "w.2", "0", value, sizeof value), 0);
        assert_string_equal(value, "0");
        assert_true(test->context->cores[2].io_core);
        assert_int_equal(knob("worker.locked")->set(sysfs, "w.2", "yes", value, sizeof value), -EINVAL);
}

static void queue_knobs_read_back_what_was_set(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_with_kernel(test);
        char value[IOCORE_VALUE_MAX];

        assert_int_equal(knob("queue.poll")->set(sysfs, "vq.1.1", "0", value, sizeof value), 0);
        assert_string_equal(value, "0");
        assert_false(fake_queue(test->context, "vq.1.1")->poll);
        assert_int_equal(knob("queue.poll")->set(sysfs, "vq.1.1", "2", value, sizeof value), -EINVAL);
        assert_int_equal(knob("queue.limit")->get(sysfs, "vq.1.1", value, sizeof value), 0);
        assert_string_equal(value, "524288");
        assert_int_equal(knob("queue.limit")->set(sysfs, "vq.1.1", "65536", value, sizeof value), 0);
        assert_string_equal(get(test, "vq/vq.1.1/max_processed_data_limit"), "65536");
        assert_int_equal(knob("queue.limit")->set(sysfs, "vq.1.1", "64k", value, sizeof value), -EINVAL);
        assert_int_equal(knob("queue.max_stuck_cycles")->set(sysfs, "vq.1.1", "-1", value, sizeof value), 0);
        assert_int_equal(knob("worker.default")->set(sysfs, "w.1", "w.2", value, sizeof value), 0);
        assert_string_equal(value, "w.2");
        assert_true(fake_worker(test->context, "w.2")->is_default);
        assert_false(fake_worker(test->context, "w.1")->is_default);
}

static void a_core_is_added_by_the_worker_that_was_created_for_it(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_with_kernel(test);
        char worker[IOCORE_ID_MAX], value[IOCORE_VALUE_MAX];

        assert_int_equal(iocore_plugin.core_add(sysfs, 5, worker, sizeof worker), 0);
        assert_string_equal(worker, "w.4"); /* not w.3, which somebody else made on CPU 6 */
        assert_true(test->context->cores[5].io_core);
        assert_ptr_equal(test->context->cores[5].worker, fake_worker(test->context, "w.4"));
        assert_non_null(fake_worker(test->context, "w.3"));
        assert_int_equal(iocore_plugin.place(sysfs, fake_unit(test->context, "d.1"), 5, value, sizeof value), 0);
        assert_string_equal(value, "w.4");
        assert_int_equal(iocore_plugin.place(sysfs, fake_unit(test->context, "d.1"), IOCORE_CPU_ANY, value, sizeof value), 0);
        assert_string_equal(value, "w.1");
        assert_int_equal(iocore_plugin.place(sysfs, fake_unit(test->context, "d.1"), 7, value, sizeof value), -ENOENT);
        assert_int_equal(iocore_plugin.core_add(sysfs, 5, worker, sizeof worker), -EEXIST);
        assert_int_equal(iocore_plugin.core_add(sysfs, 800, worker, sizeof worker), -EINVAL);
}

static int unlisting_kernel_write(struct vhost_sysfs *sysfs, const char *path, const char *value) {
        int r = kernel_write(sysfs, path, value);
        if (strcmp(path, "worker/create") == 0)
                put(sysfs->context->userdata, path, "%s", "");
        return r;
}

static void a_created_worker_that_is_not_listed_is_found(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_with_kernel(test);
        char worker[IOCORE_ID_MAX];

        sysfs->write = unlisting_kernel_write;
        assert_int_equal(iocore_plugin.core_add(sysfs, 5, worker, sizeof worker), 0);
        assert_string_equal(worker, "w.4");
}

static void a_core_goes_only_when_it_is_empty(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_with_kernel(test);
        char value[IOCORE_VALUE_MAX];

        assert_int_equal(iocore_plugin.core_remove(sysfs, 2, "w.2"), -EBUSY);
        assert_string_equal(get(test, "worker/w.2/locked"), "0");
        assert_true(test->context->cores[2].io_core);
        assert_int_equal(knob("unit.place")->set(sysfs, "d.2", "w.1", value, sizeof value), 0);
        assert_int_equal(iocore_plugin.core_remove(sysfs, 2, "w.2"), 0);
        assert_null(fake_worker(test->context, "w.2"));
        assert_false(test->context->cores[2].io_core);
        assert_int_equal(iocore_plugin.core_remove(sysfs, 2, "w.2"), -ENOENT);
        assert_int_equal(iocore_plugin.core_remove(sysfs, 2, "w.2/.."), -ENOENT);
}

static void what_a_kernel_cannot_do_is_said(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_plugin(test);
        assert_null(iocore_plugin.unavailable(sysfs, "grow"));
        assert_null(iocore_plugin.unavailable(sysfs, "queue.poll"));
        const char *why = iocore_plugin.unavailable(sysfs, "worker.work_list_max_stuck_cycles");
        assert_int_equal(why != NULL, test->generation == GENERATION_ELVIS);
}

/* Every call that costs more than a pread is counted by the linker's wrappers. */
static unsigned n_dear_calls;
#define WRAP(type, name, parameters, ...)                       \
        type __real_##name parameters;                          \
        type __wrap_##name parameters;                          \
        type __wrap_##name parameters {                         \
                n_dear_calls++;                                 \
                return __real_##name(__VA_ARGS__);              \
        }
WRAP(void *, malloc, (size_t size), size)
WRAP(void *, calloc, (size_t n, size_t size), n, size)
WRAP(void *, realloc, (void *old, size_t size), old, size)
WRAP(void *, reallocarray, (void *old, size_t n, size_t size), old, n, size)
WRAP(int, open, (const char *path, int flags, int mode), path, flags, mode)
WRAP(int, openat, (int directory, const char *path, int flags, int mode), directory, path, flags, mode)
WRAP(int, close, (int fd), fd)

static void a_steady_host_is_sampled_and_scanned_without_opening_or_allocating(void **state) {
        struct test *test = *state;
        struct vhost_sysfs *sysfs = open_plugin(test);

        assert_int_equal(iocore_plugin.scan(sysfs, false), 0); /* devices are looked at once more */
        assert_true(n_dear_calls > 0);
        n_dear_calls = 0;
        for (int i = 0; i < 10; i++) {
                assert_int_equal(iocore_plugin.scan(sysfs, false), 0);
                assert_int_equal(iocore_plugin.sample_workers(sysfs), 0);
                assert_int_equal(iocore_plugin.sample_queues(sysfs, fake_worker(test->context, "w.1")), 0);
                assert_int_equal(iocore_plugin.sample_queues(sysfs, fake_worker(test->context, "w.2")), 0);
        }
        assert_int_equal(n_dear_calls, 0);
}

static void nothing_stays_open_after_close(void **state) {
        struct test *test = *state;
        int before = dup(0);
        close(before);
        open_plugin(test);
        iocore_plugin.close(test->state);
        test->state = NULL;
        int after = dup(0);
        close(after);
        assert_int_equal(before, after);
}

#define ON_BOTH(test) { #test "_on_elvis", test, elvis_host, tear_down, NULL }, { #test "_on_iocm", test, iocm_host, tear_down, NULL }
#define ON_ELVIS(test) { #test, test, elvis_host, tear_down, NULL }
#define ON_IOCM(test) { #test, test, iocm_host, tear_down, NULL }

int main(void) {
        const struct CMUnitTest tests[] = {
                ON_BOTH(the_tree_is_found_as_it_is),
                ON_BOTH(can_poll_is_read_where_the_kernel_has_it),
                ON_BOTH(devices_come_go_and_move_without_a_thorough_scan),
                ON_BOTH(queues_that_come_late_are_found_by_the_next_scan),
                ON_BOTH(a_lock_or_another_cpu_ends_an_io_core),
                ON_IOCM(of_several_workers_on_a_cpu_the_first_makes_the_io_core),
                ON_BOTH(a_worker_that_vanishes_takes_its_core_along),
                ON_BOTH(bad_ids_are_skipped_and_told_once),
                ON_IOCM(a_device_of_a_worker_that_does_not_exist_is_left_out),
                ON_IOCM(an_owner_that_comes_later_is_found),
                ON_IOCM(what_cannot_be_opened_is_told_with_its_path),
                ON_IOCM(a_configured_path_is_used_as_it_is),
                ON_BOTH(counters_are_the_sum_of_both_modes),
                ON_IOCM(a_worker_of_the_second_generation_says_how_busy_it_is),
                ON_ELVIS(a_worker_of_the_first_generation_is_as_busy_as_its_queues),
                ON_BOTH(queues_share_the_clock_of_their_epoch),
                ON_BOTH(a_malformed_attribute_skips_its_sample_only),
                ON_BOTH(huge_files_are_skipped),
                ON_BOTH(a_missing_attribute_is_unknown_not_zero),
                ON_BOTH(moving_a_unit_moves_it_in_the_model_too),
                ON_IOCM(a_locked_or_unknown_target_is_refused_before_it_is_written),
                ON_IOCM(a_move_under_way_is_waited_for_but_not_for_long),
                ON_IOCM(objects_that_are_gone_are_said_to_be_gone),
                ON_BOTH(unlocking_succeeds_though_the_kernel_says_einval),
                ON_BOTH(queue_knobs_read_back_what_was_set),
                ON_BOTH(a_core_is_added_by_the_worker_that_was_created_for_it),
                ON_BOTH(a_created_worker_that_is_not_listed_is_found),
                ON_BOTH(a_core_goes_only_when_it_is_empty),
                ON_BOTH(what_a_kernel_cannot_do_is_said),
                ON_BOTH(a_steady_host_is_sampled_and_scanned_without_opening_or_allocating),
                ON_BOTH(nothing_stays_open_after_close),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

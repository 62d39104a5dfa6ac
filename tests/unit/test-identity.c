/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices, their units and counters, on fixture trees of /proc and /sys. */
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

#include "cleanup.h"
#include "fake-services.h"
#include "plugins/vhost-thread/owner-files.h"
#include "plugins/vhost-thread/vhost-thread.h"
#include "tap-messages.h"

extern const struct iocore_plugin iocore_plugin;

enum { KTHREAD = 0x00208040 };

/* --- nothing is allocated or opened while this counts */

static unsigned n_allocations, n_opened;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) {
        n_allocations++;
        return __real_malloc(size);
}
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size) {
        n_allocations++;
        return __real_calloc(n, size);
}
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size) {
        n_allocations++;
        return __real_realloc(p, size);
}
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size) {
        n_allocations++;
        return __real_reallocarray(p, n, size);
}
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode) {
        n_opened++;
        return __real_open(path, flags, mode);
}

/* --- the fixture */

static void __attribute__((format(printf, 3, 4))) put(struct iocore_context *context, const char *path, const char *format, ...) {
        char text[16384];
        va_list arguments;
        va_start(arguments, format);
        int length = vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        assert_true(length >= 0 && (size_t) length < sizeof text);
        fixture_write(context, path, text);
}

static void put_link(struct iocore_context *context, const char *path, const char *target) {
        char joined[2 * PATH_MAX];
        snprintf(joined, sizeof joined, "%s/%s", context->root, path);
        char *slash = strrchr(path, '/') ? joined + strlen(context->root) + 1 + (strrchr(path, '/') - path) : NULL;
        if (slash) {
                *slash = '\0';
                fixture_directory(context, joined + strlen(context->root) + 1);
                *slash = '/';
        }
        (void) unlink(joined);
        assert_int_equal(symlink(target, joined), 0);
}

static void put_fd(struct iocore_context *context, pid_t owner, int fd, const char *target) {
        char path[64];
        snprintf(path, sizeof path, "proc/%d/fd/%d", (int) owner, fd);
        put_link(context, path, target);
}

/* A queue of a tap. */
static void put_tap(struct iocore_context *context, pid_t owner, int fd, const char *name) {
        char path[64];
        put_fd(context, owner, fd, "/dev/net/tun");
        snprintf(path, sizeof path, "proc/%d/fdinfo/%d", (int) owner, fd);
        put(context, path, "pos:\t0\nflags:\t0104002\nmnt_id:\t22\niff:\t%s\n", name);
}

static void put_interface(struct iocore_context *context, const char *name, unsigned index) {
        char path[64];
        snprintf(path, sizeof path, "sys/class/net/%s/ifindex", name);
        put(context, path, "%u\n", index);
        snprintf(path, sizeof path, "sys/class/net/%s/tun_flags", name);
        put(context, path, "0x5102\n");
}

static void put_worker(struct iocore_context *context, pid_t owner, pid_t id, unsigned start_time) {
        char path[64];
        snprintf(path, sizeof path, "proc/%d/comm", (int) id);
        put(context, path, "vhost-%d\n", (int) owner);
        snprintf(path, sizeof path, "proc/%d/stat", (int) id);
        put(context, path, "%d (vhost-%d) S 2 0 0 0 -1 %u 0 0 0 0 3 7 0 0 20 0 1 0 %u 0 0\n", (int) id, (int) owner, KTHREAD, start_time);
        snprintf(path, sizeof path, "proc/%d/status", (int) id);
        put(context, path, "Name:\tvhost-%d\nTgid:\t%d\nPPid:\t2\n", (int) owner, (int) id);
        snprintf(path, sizeof path, "proc/%d/schedstat", (int) id);
        put(context, path, "1000 200 3\n");
        snprintf(path, sizeof path, "proc/%d/cgroup", (int) id);
        put(context, path, "0::/machine.slice/machine-qemu\\x2d1\\x2dfrom\\x2dcgroup.scope/libvirt/emulator\n");
}

static void put_owner(struct iocore_context *context, pid_t id) {
        char path[64];
        snprintf(path, sizeof path, "proc/%d/status", (int) id);
        put(context, path, "Name:\tqemu\nTgid:\t%d\nPPid:\t1\nCpus_allowed_list:\t0-7\nMems_allowed_list:\t0\n", (int) id);
        snprintf(path, sizeof path, "proc/%d/fd/0", (int) id);
        put_link(context, path, "/dev/null");
        snprintf(path, sizeof path, "proc/%d/ns/net", (int) id);
        put_link(context, path, "net:[4026531840]");
}

/* What one machine has: the taps tap0 (interface 7) and tap1 (8), a kernel that counts for them. */
struct machine {
        struct iocore_context *context;
        struct vhost_state *state;
        struct fake_kernel kernel;
};

static int set_up(void **test_state) {
        struct machine *m = calloc(1, sizeof *m);
        assert_non_null(m);
        m->context = fake_context_new();
        fixture_write(m->context, "proc/1/comm", "init\n");
        put_link(m->context, "proc/self/ns/net", "net:[4026531840]");
        put_interface(m->context, "tap0", 7);
        put_interface(m->context, "tap1", 8);
        m->kernel.interfaces[0].index = 7;
        m->kernel.interfaces[1].index = 8;
        m->kernel.interfaces[0].counters = (struct interface_counters) { .rx_bytes = 1, .rx_packets = 2, .rx_dropped = 3, .tx_bytes = 4, .tx_packets = 5, .tx_dropped = 6 };
        *test_state = m;
        return 0;
}

static int tear_down(void **test_state) {
        struct machine *m = *test_state;
        iocore_plugin.close(m->state);
        assert_int_equal(m->context->n_devices + m->context->n_queues + m->context->n_units + m->context->n_workers, 0);
        fake_context_free(m->context);
        free(m);
        return 0;
}

static void open_plugin(struct machine *m) {
        char reason[IOCORE_REASON_MAX] = "";
        struct tap_counters *taps;
        void *state = NULL;
        assert_int_equal(vhost_open_with(&fake_services, m->context, &affinity_refused, &state, reason, sizeof reason), 0);
        m->state = state;
        const struct tap_calls calls = fake_kernel_calls(&m->kernel);
        assert_int_equal(tap_counters_new_with(&taps, &calls), 0);
        identity_use_taps(m->state, taps);
}

static void scan(struct machine *m, bool thorough) {
        assert_int_equal(iocore_plugin.scan(m->state, thorough), 0);
}

static void sample(struct machine *m) {
        assert_int_equal(iocore_plugin.sample_workers(m->state), 0);
        for (size_t i = 0; i < m->context->n_workers; i++)
                assert_int_equal(iocore_plugin.sample_queues(m->state, m->context->workers[i]), 0);
}

/* "net.100.120 tap0 0" of the unit of this worker, or "? why" */
static const char *identity_of(struct machine *m, const char *id) {
        static char text[512];
        const struct iocore_unit *unit = fake_unit(m->context, id);
        if (!unit)
                return "gone";
        if (unit->device)
                snprintf(text, sizeof text, "%s %s %d", unit->device->id, unit->device->backend, unit->queue_pair);
        else
                snprintf(text, sizeof text, "? %s", unit->unidentified);
        assert_true(unit->device == NULL || unit->unidentified[0] == '\0');
        assert_true(unit->device != NULL || unit->queue_pair == -1);
        return text;
}

/* One owner, one tap, one worker. */
static void put_simple(struct machine *m) {
        put_owner(m->context, 100);
        put_tap(m->context, 100, 10, "tap0");
        put_fd(m->context, 100, 11, "/dev/vhost-net");
        put_worker(m->context, 100, 120, 50);
}

/* --- devices */

static void a_worker_has_the_device_of_its_owner(void **test_state) {
        struct machine *m = *test_state;
        put_simple(m);
        open_plugin(m);
        assert_string_equal(identity_of(m, "t.120"), "net.100.120 tap0 0");
        const struct iocore_device *device = m->context->devices[0];
        assert_string_equal(device->kind, "net");
        assert_int_equal(device->owner, 100);
        assert_int_equal(m->context->n_devices, 1);
}

static void queue_pairs_of_a_tap_are_one_device(void **test_state) {
        struct machine *m = *test_state;
        put_simple(m);
        put_tap(m->context, 100, 12, "tap0");
        put_fd(m->context, 100, 13, "/dev/vhost-net");
        put_worker(m->context, 100, 119, 51); /* younger, but of a lower id: they were used up and began anew */
        open_plugin(m);
        assert_string_equal(identity_of(m, "t.120"), "net.100.119 tap0 0");
        assert_string_equal(identity_of(m, "t.119"), "net.100.119 tap0 1");
        assert_int_equal(m->context->n_devices, 1);
        /* a tap counts for all of its queues together: for no unit alone */
        assert_int_equal(m->context->n_queues, 2);
        assert_null(m->context->queues[0]->unit);
        assert_ptr_equal(m->context->queues[0]->device, m->context->devices[0]);
}

static void the_command_line_tells_devices_apart(void **test_state) {
        struct machine *m = *test_state;
        put_simple(m);
        put_tap(m->context, 100, 12, "tap1");
        put_fd(m->context, 100, 13, "/dev/vhost-net");
        put_fd(m->context, 100, 14, "/dev/vhost-vsock");
        char path[PATH_MAX + 32]; /* with NULs in it: fixture_write() takes text */
        static const char line[] = "qemu\0-name\0guest=web\0-netdev\0{\"type\":\"tap\",\"fd\":\"12\",\"vhost\":true,\"vhostfd\":\"13\",\"id\":\"n0\"}\0-netdev\0tap,fd=10,vhostfd=11,id=n1\0"
                                   "-device\0vhost-vsock-pci,guest-cid=9";
        snprintf(path, sizeof path, "%s/proc/100/cmdline", m->context->root);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, line, sizeof line), sizeof line);
        put_worker(m->context, 100, 121, 50);
        put_worker(m->context, 100, 122, 50);
        open_plugin(m);
        assert_string_equal(identity_of(m, "t.120"), "net.100.120 tap1 0");
        assert_string_equal(identity_of(m, "t.121"), "net.100.121 tap0 0");
        assert_string_equal(identity_of(m, "t.122"), "vsock.100.122 cid 9 -1");
        assert_string_equal(fake_unit(m->context, "t.121")->domain, "web");
        assert_int_equal(m->context->n_queues, 4);
}

static void a_device_goes_with_the_last_of_its_workers(void **test_state) {
        struct machine *m = *test_state;
        put_simple(m);
        put_tap(m->context, 100, 12, "tap0");
        put_fd(m->context, 100, 13, "/dev/vhost-net");
        put_worker(m->context, 100, 121, 50);
        open_plugin(m);
        assert_int_equal(m->context->n_devices, 1);
        fixture_remove(m->context, "proc/120");
        scan(m, false);
        assert_int_equal(m->context->n_devices, 1);
        assert_string_equal(identity_of(m, "t.121"), "net.100.120 tap0 1");
        fixture_remove(m->context, "proc/121");
        scan(m, false);
        assert_int_equal(m->context->n_devices, 0);
        assert_int_equal(m->context->n_queues, 0);
}

static void a_worker_that_comes_alone_for_a_moment_takes_nothing_from_the_others(void **test_state) {
        struct machine *m = *test_state;
        put_simple(m);
        open_plugin(m);
        /* two are plugged in, the first worker is there, the second not yet */
        put_tap(m->context, 100, 20, "tap1");
        put_tap(m->context, 100, 21, "tap1");
        put_fd(m->context, 100, 22, "/dev/vhost-net");
        put_fd(m->context, 100, 23, "/dev/vhost-net");
        put_worker(m->context, 100, 130, 900);
        scan(m, false);
        assert_string_equal(identity_of(m, "t.120"), "net.100.120 tap0 0");
        assert_string_equal(identity_of(m, "t.130"), "? 2 workers, 3 vhost devices: hot-plugged?");
        put_worker(m->context, 100, 131, 901);
        scan(m, false);
        /* and without a command line three devices and two taps cannot be told apart, though one of them is known */
        assert_string_equal(identity_of(m, "t.120"), "net.100.120 tap0 0");
        assert_string_equal(identity_of(m, "t.130"), "? 3 vhost-net devices, several taps: which is whose cannot be told");
}

static void what_contradicts_what_is_known_is_not_believed(void **test_state) {
        struct machine *m = *test_state;
        put_simple(m);
        open_plugin(m);
        /* an older worker turns up: then the known one would be the second pair */
        put_tap(m->context, 100, 12, "tap0");
        put_fd(m->context, 100, 13, "/dev/vhost-net");
        put_worker(m->context, 100, 110, 40);
        scan(m, true);
        assert_string_equal(identity_of(m, "t.120"), "net.100.120 tap0 0");
        assert_string_equal(identity_of(m, "t.110"), "? it contradicts what was known of its owner's other workers");
}

static void a_tap_may_be_renamed(void **test_state) {
        struct machine *m = *test_state;
        put_simple(m);
        open_plugin(m);
        put_tap(m->context, 100, 10, "tap1");
        scan(m, true);
        assert_string_equal(identity_of(m, "t.120"), "net.100.120 tap1 0");
        sample(m);
        assert_int_equal(fake_queue(m->context, "net.100.120.rx")->bytes, 0); /* of interface 8 */
}

static void a_device_that_grows_keeps_its_id_and_shares_its_counters(void **test_state) {
        struct machine *m = *test_state;
        put_simple(m);
        open_plugin(m);
        assert_ptr_equal(fake_queue(m->context, "net.100.120.tx")->unit, fake_unit(m->context, "t.120"));
        put_tap(m->context, 100, 12, "tap0");
        put_fd(m->context, 100, 13, "/dev/vhost-net");
        put_worker(m->context, 100, 121, 60);
        scan(m, true);
        assert_string_equal(identity_of(m, "t.120"), "net.100.120 tap0 0");
        assert_string_equal(identity_of(m, "t.121"), "net.100.120 tap0 1");
        assert_int_equal(m->context->n_queues, 2);
        assert_null(fake_queue(m->context, "net.100.120.tx")->unit);
}

static void a_tap_that_comes_a_moment_after_its_worker_is_found(void **test_state) {
        struct machine *m = *test_state;
        put_owner(m->context, 100);
        put_fd(m->context, 100, 11, "/dev/vhost-net");
        put_worker(m->context, 100, 120, 50);
        open_plugin(m);
        assert_string_equal(identity_of(m, "t.120"), "? none of the open files of its owner is a tap");
        put_tap(m->context, 100, 10, "tap0");
        scan(m, false);
        assert_string_equal(identity_of(m, "t.120"), "net.100.120 tap0 0");
}

static void what_cannot_be_told_is_not_looked_for_forever(void **test_state) {
        struct machine *m = *test_state;
        put_owner(m->context, 100);
        put_fd(m->context, 100, 11, "/dev/vhost-net");
        put_worker(m->context, 100, 120, 50);
        put(m->context, "proc/loadavg", "0.00 0.00 0.00 1/100 130\n");
        open_plugin(m);
        for (int i = 0; i < 10; i++)
                scan(m, false);
        unsigned before = n_opened;
        scan(m, false);
        unsigned with_open_question = n_opened - before;
        put_tap(m->context, 100, 10, "tap0");
        scan(m, true); /* looks at all again */
        assert_string_equal(identity_of(m, "t.120"), "net.100.120 tap0 0");
        before = n_opened;
        scan(m, false);
        assert_int_equal(n_opened - before, with_open_question);
}

static void a_worker_outlives_its_owner_and_stays_known(void **test_state) {
        struct machine *m = *test_state;
        put_simple(m);
        open_plugin(m);
        fixture_remove(m->context, "proc/100");
        scan(m, true);
        assert_string_equal(identity_of(m, "t.120"), "net.100.120 tap0 0");
        assert_int_equal(fake_unit(m->context, "t.120")->owner, 100);
}

static void a_worker_whose_owner_is_gone_has_its_cgroups_name(void **test_state) {
        struct machine *m = *test_state;
        put_worker(m->context, 100, 120, 50);
        open_plugin(m);
        assert_string_equal(fake_unit(m->context, "t.120")->domain, "from-cgroup");
        assert_string_equal(identity_of(m, "t.120"), "? its owner is not known: the thread that made its device has ended");
}

/* --- bad input */

static void files_that_may_not_be_looked_at_say_why(void **test_state) {
        struct machine *m = *test_state;
        put_owner(m->context, 100);
        fixture_remove(m->context, "proc/100/fd");
        fixture_write(m->context, "proc/100/fd", "");
        put_worker(m->context, 100, 120, 50);
        open_plugin(m);
        assert_string_equal(identity_of(m, "t.120"), "? the open files of its owner cannot be looked at: Not a directory");
}

static void files_that_vanish_meanwhile_are_left_out(void **test_state) {
        struct machine *m = *test_state;
        put_simple(m);
        put_fd(m->context, 100, 30, "/dev/net/tun"); /* closed before its fdinfo was read: it has no name */
        open_plugin(m);
        assert_string_equal(identity_of(m, "t.120"), "? 1 vhost-net device, several taps: which is whose cannot be told");
        fixture_remove(m->context, "proc/100/fd/30");
        fixture_remove(m->context, "proc/100/fdinfo/10");
        scan(m, true);
        assert_string_equal(identity_of(m, "t.120"), "net.100.120  0"); /* the only one, whatever its name */
        assert_int_equal(m->context->n_queues, 0);
}

static void names_that_are_none_are_not_taken(void **test_state) {
        (void) test_state;
        char tap[TAP_NAME_SIZE], text[12000];
        static const char *const bad[] = {
                "", "iff:", "iff:\t", "iff:\t\n", "iff:\t.\n", "iff:\t..\n", "iff:\ta/b\n", "iff:\t../x\n", "iff:\ta b\n", "iff:\ta:1\n", "iff:\ta\x1b[2J\n", "iff:\ta\x7f\n",
                "iff:\t0123456789abcdef\n", "iff:\ttap0\niff:\ttap1\n", "iff:\ttap0\nflags:\t0\niff:\ttap0\n", "xiff:\ttap0\n", "IFF:\ttap0\n",
        };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                owner_file_parse_info(bad[i], tap);
                assert_string_equal(tap, "");
        }
        owner_file_parse_info("pos:\t0\nflags:\t02\nmnt_id:\t1\nino:\t3\niff:\t0123456789abcde\n", tap);
        assert_string_equal(tap, "0123456789abcde");
        owner_file_parse_info("iff:\ttap0", tap);
        assert_string_equal(tap, "tap0");
        memset(text, 'x', sizeof text);
        memcpy(text, "iff:\t", 5);
        text[sizeof text - 1] = '\0';
        owner_file_parse_info(text, tap);
        assert_string_equal(tap, "");
}

static void links_are_taken_for_what_they_are_only(void **test_state) {
        (void) test_state;
        struct owner_file file;
        static const char *const bad[] = { "",           "/dev/vhost-net ", "/dev/vhost-net (deleted)", "/tmp/dev/vhost-net", "dev/vhost-net", "/dev/vhost-netx", "/dev/vhost",
                                           "/dev/tap",   "/dev/tap0",       "/dev/tap-1",               "/dev/tap1x",         "/dev/tap99999999999",              "socket:[1]",
                                           "/dev/net/tun2", "anon_inode:[eventfd]" };
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(owner_file_parse_link(bad[i], &file));
        assert_true(owner_file_parse_link("/dev/tap12", &file));
        assert_true(file.is_tap && file.macvtap == 12);
        assert_true(owner_file_parse_link("/dev/vhost-scsi", &file));
        assert_true(!file.is_tap && file.kind == VHOST_SCSI);
}

static double cpu_seconds(void) {
        struct timespec now;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void ten_thousand_open_files_are_looked_at_in_bounded_time(void **test_state) {
        struct machine *m = *test_state;
        struct owner_files files;
        char path[2 * PATH_MAX];

        put_simple(m);
        for (int i = 100; i < 10000; i++) {
                snprintf(path, sizeof path, "%s/proc/100/fd/%d", m->context->root, i);
                assert_int_equal(symlink("anon_inode:[eventfd]", path), 0);
        }
        double begin = cpu_seconds();
        assert_int_equal(owner_files_read(&fake_services, m->context, 100, &files), 0);
        double look = cpu_seconds() - begin;
        assert_int_equal(files.n_files, 2);
        owner_files_done(&files);
        open_plugin(m);
        assert_string_equal(identity_of(m, "t.120"), "net.100.120 tap0 0");
        begin = cpu_seconds();
        for (int i = 0; i < 100; i++)
                scan(m, false);
        double scans = cpu_seconds() - begin;
        print_message("ten thousand files in %.0f ms, a hundred scans in %.0f ms\n", 1e3 * look, 1e3 * scans);
        assert_true(look < 2);
        assert_true(scans < 1); /* they are not looked at again each time */
        for (int i = 10000; i < 16500; i++) {
                snprintf(path, sizeof path, "%s/proc/100/fd/%d", m->context->root, i);
                assert_int_equal(symlink("x", path), 0);
        }
        assert_int_equal(owner_files_read(&fake_services, m->context, 100, &files), -EMFILE);
        assert_null(files.files);
}

/* Each costs more to look at than another file, and whoever can make devices can make any number of them. */
static void an_owner_of_very_many_devices_is_not_looked_at_to_the_end(void **test_state) {
        struct machine *m = *test_state;
        struct owner_files files;
        char path[2 * PATH_MAX];

        put_simple(m);
        for (int i = 100; i < 2200; i++) {
                snprintf(path, sizeof path, "%s/proc/100/fd/%d", m->context->root, i);
                assert_int_equal(symlink(i < 2100 ? "/dev/net/tun" : "/dev/vhost-net", path), 0);
        }
        assert_int_equal(owner_files_read(&fake_services, m->context, 100, &files), -EMFILE);
        assert_null(files.files);
        open_plugin(m);
        assert_null(fake_unit(m->context, "t.120")->device);
        assert_non_null(strstr(fake_unit(m->context, "t.120")->unidentified, "cannot be looked at"));
}

static void a_process_that_is_not_there_has_no_files(void **test_state) {
        struct machine *m = *test_state;
        struct owner_files files;
        assert_int_equal(owner_files_read(&fake_services, m->context, 4711, &files), -ESRCH);
        assert_null(files.files);
}

/* --- counters */

static void counters_are_the_guests(void **test_state) {
        struct machine *m = *test_state;
        put_simple(m);
        open_plugin(m);
        sample(m);
        const struct iocore_queue *receive = fake_queue(m->context, "net.100.120.rx"), *transmit = fake_queue(m->context, "net.100.120.tx");
        assert_int_equal(receive->index, 0);
        assert_int_equal(transmit->index, 1);
        assert_int_equal(receive->fields, IOCORE_QUEUE_BYTES | IOCORE_QUEUE_PACKETS | IOCORE_QUEUE_DROPS);
        assert_int_equal(transmit->fields, IOCORE_QUEUE_BYTES | IOCORE_QUEUE_PACKETS);
        assert_true(receive->bytes == 4 && receive->packets == 5 && receive->drops == 6);
        assert_true(transmit->bytes == 1 && transmit->packets == 2);
        assert_true(receive->clock > 0 && receive->clock == transmit->clock);
        assert_ptr_equal(receive->unit, fake_unit(m->context, "t.120"));
}

static void a_macvtap_is_not_reversed(void **test_state) {
        struct machine *m = *test_state;
        put_simple(m);
        fixture_remove(m->context, "proc/100/fdinfo");
        put_fd(m->context, 100, 10, "/dev/tap7");
        put_link(m->context, "sys/class/macvtap/tap7/device", "../../../macvtap0");
        open_plugin(m);
        assert_string_equal(identity_of(m, "t.120"), "net.100.120 macvtap0 0");
        sample(m);
        assert_int_equal(fake_queue(m->context, "net.100.120.rx")->bytes, 1);
        assert_int_equal(fake_queue(m->context, "net.100.120.rx")->drops, 3);
        assert_int_equal(fake_queue(m->context, "net.100.120.tx")->bytes, 4);
}

static void one_request_serves_all_taps_of_an_epoch(void **test_state) {
        struct machine *m = *test_state;
        put_simple(m);
        put_owner(m->context, 200);
        put_tap(m->context, 200, 10, "tap1");
        put_fd(m->context, 200, 11, "/dev/vhost-net");
        put_worker(m->context, 200, 220, 50);
        open_plugin(m);
        for (unsigned i = 1; i <= 3; i++) {
                sample(m);
                assert_int_equal(m->kernel.n_requests, i);
        }
        assert_true(fake_queue(m->context, "net.200.220.rx")->clock > 0);
        /* and none when nobody has a tap */
        fixture_remove(m->context, "proc/120");
        fixture_remove(m->context, "proc/220");
        scan(m, false);
        sample(m);
        assert_int_equal(m->kernel.n_requests, 3);
}

static void a_tap_that_vanished_between_is_not_sampled(void **test_state) {
        struct machine *m = *test_state;
        put_simple(m);
        open_plugin(m);
        sample(m);
        const struct iocore_queue *receive = fake_queue(m->context, "net.100.120.rx");
        uint64_t clock = receive->clock;
        m->kernel.interfaces[0].index = 0;
        sample(m);
        assert_true(receive->clock == clock && receive->bytes == 4);
        m->kernel.interfaces[0].index = 7;
        m->kernel.refuse = -ENOBUFS;
        unsigned warnings = m->context->n_warnings;
        for (int i = 0; i < 3; i++)
                sample(m);
        assert_true(receive->clock == clock);
        assert_int_equal(m->context->n_warnings, warnings + 1);
        m->kernel.refuse = 0;
        sample(m);
        assert_true(receive->clock > clock);
}

static void taps_of_other_network_namespaces_are_not_counted(void **test_state) {
        struct machine *m = *test_state;
        put_simple(m);
        put_link(m->context, "proc/100/ns/net", "net:[4026532000]");
        open_plugin(m);
        assert_string_equal(identity_of(m, "t.120"), "net.100.120 tap0 0");
        assert_int_equal(m->context->n_queues, 0);
        sample(m);
        assert_int_equal(m->kernel.n_requests, 0);
        /* an interface of that name here is another one */
        put_link(m->context, "proc/100/ns/net", "net:[4026531840]");
        fixture_remove(m->context, "sys/class/net/tap0/tun_flags");
        scan(m, true);
        assert_int_equal(m->context->n_queues, 0);
        put_interface(m->context, "tap0", 7);
        scan(m, true);
        assert_int_equal(m->context->n_queues, 2);
}

static void an_epoch_opens_and_allocates_nothing(void **test_state) {
        struct machine *m = *test_state;
        put_simple(m);
        open_plugin(m);
        sample(m);
        unsigned allocations = n_allocations, opened = n_opened;
        for (int i = 0; i < 10; i++) {
                assert_int_equal(iocore_plugin.announced(m->state), 0);
                sample(m);
        }
        assert_int_equal(n_allocations, allocations);
        assert_int_equal(n_opened, opened);
        assert_int_equal(m->kernel.n_requests, 11);
        assert_int_equal(m->context->workers[0]->switches, 3);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_worker_has_the_device_of_its_owner),
                TEST(queue_pairs_of_a_tap_are_one_device),
                TEST(the_command_line_tells_devices_apart),
                TEST(a_device_goes_with_the_last_of_its_workers),
                TEST(a_worker_that_comes_alone_for_a_moment_takes_nothing_from_the_others),
                TEST(what_contradicts_what_is_known_is_not_believed),
                TEST(a_tap_may_be_renamed),
                TEST(a_device_that_grows_keeps_its_id_and_shares_its_counters),
                TEST(a_tap_that_comes_a_moment_after_its_worker_is_found),
                TEST(what_cannot_be_told_is_not_looked_for_forever),
                TEST(a_worker_outlives_its_owner_and_stays_known),
                TEST(a_worker_whose_owner_is_gone_has_its_cgroups_name),
                TEST(files_that_may_not_be_looked_at_say_why),
                TEST(files_that_vanish_meanwhile_are_left_out),
                cmocka_unit_test(names_that_are_none_are_not_taken),
                cmocka_unit_test(links_are_taken_for_what_they_are_only),
                TEST(ten_thousand_open_files_are_looked_at_in_bounded_time),
                TEST(an_owner_of_very_many_devices_is_not_looked_at_to_the_end),
                TEST(a_process_that_is_not_there_has_no_files),
                TEST(counters_are_the_guests),
                TEST(a_macvtap_is_not_reversed),
                TEST(one_request_serves_all_taps_of_an_epoch),
                TEST(a_tap_that_vanished_between_is_not_sampled),
                TEST(taps_of_other_network_namespaces_are_not_counted),
                TEST(an_epoch_opens_and_allocates_nothing),
        };
        return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}

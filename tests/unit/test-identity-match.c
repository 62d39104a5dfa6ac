/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which worker serves which device: by hand for what is known of VMMs, at random for what must hold for anything. IOCORE_SEED repeats a run. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cleanup.h"
#include "plugins/vhost-thread/owner-files.h"

enum { MAX = 64 };

/* --- by hand */

static struct {
        struct match_worker workers[MAX];
        struct owner_file files[MAX];
        struct owner_files all;
        size_t n_workers;

        struct match matches[MAX];
        struct match_device devices[MAX];
        size_t n_devices;
} one;

static int start(void **state) {
        (void) state;
        free(one.all.options);
        memset(&one, 0, sizeof one);
        one.all.files = one.files;
        return 0;
}

static void worker(pid_t id, uint64_t start_time) {
        one.workers[one.n_workers++] = (struct match_worker) { id, start_time };
}

static void add_vhost(int fd, enum vhost_kind kind) {
        one.files[one.all.n_files++] = (struct owner_file) { .fd = fd, .kind = kind };
}

static void add_tap(int fd, const char *name) {
        struct owner_file *file = &one.files[one.all.n_files++];
        *file = (struct owner_file) { .fd = fd, .is_tap = true };
        snprintf(file->tap, sizeof file->tap, "%s", name);
}

/* Arguments with NULs between and after them. */
#define COMMAND_LINE(text) assert_int_equal(owner_options_parse(text, sizeof(text), true, &one.all.options, &one.all.n_options), 0)

static void match_all(void) {
        assert_int_equal(identity_match(one.workers, one.n_workers, &one.all, one.matches, one.devices, &one.n_devices), 0);
}

/* "vnet0/1" for the worker with this id, "scsi", or "?" and why. */
static const char *found(pid_t id) {
        static char text[256];
        for (size_t i = 0; i < one.n_workers; i++) {
                const struct match *match = &one.matches[i];
                if (one.workers[i].id != id)
                        continue;
                if (match->device < 0)
                        snprintf(text, sizeof text, "? %s", match->why);
                else if (one.devices[match->device].kind == VHOST_NET)
                        snprintf(text, sizeof text, "%s/%d", one.devices[match->device].tap, match->queue_pair);
                else
                        snprintf(text, sizeof text, "%s %s", vhost_kind_name(one.devices[match->device].kind), one.devices[match->device].target);
                return text;
        }
        return "no such worker";
}

static bool is_open(pid_t id) {
        return found(id)[0] == '?';
}

static void one_device_and_one_tap_are_certain(void **state) {
        (void) state;
        worker(200, 50);
        add_vhost(11, VHOST_NET);
        add_tap(10, "tap0");
        match_all();
        assert_string_equal(found(200), "tap0/0");
        assert_int_equal(one.matches[0].vhost_fd, 11);
        assert_int_equal(one.n_devices, 1);
}

static void queue_pairs_of_one_tap_are_in_the_order_of_their_workers(void **state) {
        (void) state;
        worker(203, 51);
        worker(201, 50);
        worker(202, 50);
        add_tap(10, "tap0");
        add_vhost(11, VHOST_NET);
        add_tap(12, "tap0");
        add_vhost(13, VHOST_NET);
        add_vhost(15, VHOST_NET);
        add_tap(14, "tap0");
        match_all();
        assert_string_equal(found(201), "tap0/0");
        assert_string_equal(found(202), "tap0/1");
        assert_string_equal(found(203), "tap0/2");
        assert_int_equal(one.n_devices, 1);
        assert_int_equal(one.devices[0].n_pairs, 3);
}

static void several_taps_without_a_command_line_cannot_be_told(void **state) {
        (void) state;
        worker(201, 50);
        worker(202, 50);
        add_tap(10, "tap0");
        add_tap(11, "tap1");
        add_vhost(12, VHOST_NET);
        add_vhost(13, VHOST_NET);
        match_all();
        assert_string_equal(found(201), "? 2 vhost-net devices, several taps: which is whose cannot be told");
        assert_true(is_open(202));
        assert_int_equal(one.n_devices, 0);
}

static void the_command_line_of_libvirt_tells_taps_and_pairs(void **state) {
        (void) state;
        /* host order of the fds is not the order of the line: the line counts */
        COMMAND_LINE("qemu-system-x86_64\0-name\0guest=web\0-netdev\0{\"type\":\"tap\",\"fds\":\"33:34\",\"vhost\":true,\"vhostfds\":\"35:36\",\"id\":\"hostnet0\"}\0"
                     "-device\0{\"driver\":\"virtio-net-pci\",\"mq\":true,\"netdev\":\"hostnet0\"}\0-netdev\0{\"type\":\"tap\",\"fd\":\"30\",\"vhost\":true,\"vhostfd\":\"31\",\"id\":\"hostnet1\"}\0"
                     "-device\0{\"driver\":\"vhost-vsock-pci\",\"id\":\"vsock0\",\"guest-cid\":3,\"vhostfd\":\"29\"}");
        for (int i = 0; i < 4; i++)
                worker(100 + i, 50);
        add_vhost(29, VHOST_VSOCK);
        add_tap(30, "vnet1");
        add_vhost(31, VHOST_NET);
        add_tap(33, "vnet0");
        add_tap(34, "vnet0");
        add_vhost(35, VHOST_NET);
        add_vhost(36, VHOST_NET);
        match_all();
        assert_string_equal(found(100), "vnet0/0");
        assert_string_equal(found(101), "vnet0/1");
        assert_string_equal(found(102), "vnet1/0");
        assert_string_equal(found(103), "vsock cid 3");
        assert_int_equal(one.matches[1].vhost_fd, 36);
        assert_int_equal(one.n_devices, 3);
}

static void the_plain_spelling_tells_the_same(void **state) {
        (void) state;
        COMMAND_LINE("qemu\0-netdev\0tap,fds=33:34,id=n0,vhost=on,vhostfds=35:36\0--netdev\0tap,fd=37,vhostfd=38,id=n1\0-netdev\0user,id=n2");
        for (int i = 0; i < 3; i++)
                worker(100 + i, 50);
        add_tap(33, "a");
        add_tap(34, "a");
        add_vhost(35, VHOST_NET);
        add_vhost(36, VHOST_NET);
        add_tap(37, "b");
        add_vhost(38, VHOST_NET);
        match_all();
        assert_string_equal(found(101), "a/1");
        assert_string_equal(found(102), "b/0");
}

static void taps_that_qemu_opened_itself_are_known_by_name(void **state) {
        (void) state;
        COMMAND_LINE("kvm\0-netdev\0type=tap,id=net0,ifname=tap100i0,script=/x,,y,vhost=on,queues=2\0-netdev\0type=tap,id=net1,ifname=tap100i1,vhost=on");
        for (int i = 0; i < 3; i++)
                worker(100 + i, 50);
        add_tap(20, "tap100i0");
        add_tap(21, "tap100i0");
        add_vhost(22, VHOST_NET);
        add_vhost(23, VHOST_NET);
        add_tap(24, "tap100i1");
        add_vhost(25, VHOST_NET);
        match_all();
        assert_string_equal(found(100), "tap100i0/0");
        assert_string_equal(found(101), "tap100i0/1");
        assert_string_equal(found(102), "tap100i1/0");
        assert_int_equal(one.matches[0].vhost_fd, -1);
}

static void a_tap_that_is_served_without_vhost_is_no_candidate(void **state) {
        (void) state;
        COMMAND_LINE("qemu\0-netdev\0tap,fd=10,id=n0\0-netdev\0tap,ifname=own,id=n1,vhost=off");
        worker(100, 50);
        add_tap(10, "slow");
        add_tap(11, "own");
        add_tap(12, "hotplugged");
        add_vhost(13, VHOST_NET);
        match_all();
        assert_string_equal(found(100), "hotplugged/0");
}

static void a_device_that_is_plugged_in_later_comes_after_the_others(void **state) {
        (void) state;
        COMMAND_LINE("qemu\0-netdev\0tap,fd=10,vhostfd=11,id=n0\0-netdev\0tap,fd=12,vhostfd=13,id=n1");
        worker(300, 90000);
        worker(100, 50);
        worker(101, 51);
        add_tap(10, "a");
        add_vhost(11, VHOST_NET);
        add_tap(12, "b");
        add_vhost(13, VHOST_NET);
        add_vhost(9, VHOST_NET); /* a number that was free */
        add_tap(8, "late");
        match_all();
        assert_string_equal(found(100), "a/0");
        assert_string_equal(found(101), "b/0");
        assert_string_equal(found(300), "late/0");
        assert_int_equal(one.matches[0].vhost_fd, 9);
}

static void what_is_plugged_in_later_does_not_spoil_what_was_there(void **state) {
        (void) state;
        COMMAND_LINE("qemu\0-netdev\0tap,fd=10,vhostfd=11,id=n0");
        worker(100, 50);
        worker(300, 90000);
        worker(301, 90001);
        add_tap(10, "a");
        add_vhost(11, VHOST_NET);
        add_tap(20, "late");
        add_vhost(21, VHOST_NET);
        add_vhost(22, VHOST_VSOCK);
        match_all();
        assert_string_equal(found(100), "a/0");
        assert_string_equal(found(300), "? vhost devices of several kinds: which is whose cannot be told");
        assert_true(is_open(301));
}

static void a_device_that_was_unplugged_is_left_out(void **state) {
        (void) state;
        COMMAND_LINE("qemu\0-netdev\0tap,fd=10,vhostfd=11,id=n0\0-netdev\0tap,fd=12,vhostfd=13,id=n1\0-netdev\0tap,ifname=gone,vhost=on,id=n2\0-device\0vhost-vsock-pci,guest-cid=5");
        worker(101, 51);
        add_tap(12, "b");
        add_vhost(13, VHOST_NET);
        match_all();
        assert_string_equal(found(101), "b/0");
}

static void file_numbers_that_are_used_again_are_noticed_by_the_age_of_workers(void **state) {
        (void) state;
        /* the first was unplugged; what was plugged in an hour later has its numbers, and the youngest worker */
        COMMAND_LINE("qemu\0-netdev\0tap,fd=10,vhostfd=11,id=n0\0-netdev\0tap,fd=12,vhostfd=13,id=n1");
        worker(101, 51);
        worker(400, 360051);
        add_tap(10, "new");
        add_vhost(11, VHOST_NET);
        add_tap(12, "b");
        add_vhost(13, VHOST_NET);
        match_all();
        assert_string_equal(found(101), "? the workers of its owner were not made together: one was unplugged");
        assert_true(is_open(400));
}

static void counts_that_differ_leave_everything_open(void **state) {
        (void) state;
        COMMAND_LINE("qemu\0-netdev\0tap,fd=10,vhostfd=11,id=n0\0-netdev\0tap,fd=12,vhostfd=13,id=n1");
        for (int i = 0; i < 3; i++)
                worker(100 + i, 50);
        add_tap(10, "a");
        add_vhost(11, VHOST_NET);
        add_tap(12, "b");
        add_vhost(13, VHOST_NET);
        match_all();
        for (int i = 0; i < 3; i++)
                assert_string_equal(found(100 + i), "? 3 workers, 2 vhost devices: hot-plugged?");
        one.n_workers = 1;
        match_all();
        assert_string_equal(found(100), "? 1 worker, 2 vhost devices: hot-plugged?");
        one.all.n_files = 0;
        match_all();
        assert_string_equal(found(100), "? none of the open files of its owner is a vhost device");
}

static void a_command_line_that_lies_is_not_believed(void **state) {
        (void) state;
        static const char *const lines[] = {
                "tap,fds=10:10,vhostfds=11:13",       "tap,fds=10:12,vhostfds=11:11", "tap,fds=10:12,vhostfds=11:99", "tap,fds=10:99,vhostfds=11:13",
                "tap,fds=10:12,vhostfds=10:12",       "tap,fds=10:12,vhost=on",       "tap,ifname=a,queues=2,vhostfds=11:13", "tap,ifname=a,queues=2,vhost=on",
        };
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                char line[256];
                start(NULL);
                worker(100, 50);
                worker(101, 50);
                add_tap(10, "a");
                add_vhost(11, VHOST_NET);
                add_tap(12, "b");
                add_vhost(13, VHOST_NET);
                int length = snprintf(line, sizeof line, "qemu%c-netdev%c%s", 0, 0, lines[i]);
                assert_int_equal(owner_options_parse(line, (size_t) length + 1, true, &one.all.options, &one.all.n_options), 0);
                assert_int_equal(one.all.n_options, 1);
                match_all();
                assert_string_equal(found(100), "? the command line and the open files of its owner disagree");
                assert_true(is_open(101));
        }
}

static void what_the_command_line_does_not_say_leaves_the_order_unknown(void **state) {
        (void) state;
        /* the first tap got its name from the kernel, so which of the two was first cannot be told from what is open */
        COMMAND_LINE("qemu\0-netdev\0tap,id=n0,vhost=on\0-netdev\0tap,ifname=b,vhost=on,id=n1");
        worker(100, 50);
        worker(101, 50);
        add_tap(10, "tap0");
        add_vhost(11, VHOST_NET);
        add_tap(12, "b");
        add_vhost(13, VHOST_NET);
        match_all();
        assert_true(is_open(100) && is_open(101));
        /* alone it needs no order */
        one.n_workers = 1;
        one.all.n_files = 2;
        match_all();
        assert_string_equal(found(100), "tap0/0");
}

static void a_command_line_that_is_cut_off_is_not_used(void **state) {
        (void) state;
        static const char line[] = "qemu\0-netdev\0tap,fd=10,vhostfd=11,id=n0\0-netdev\0tap,fd=12,vho";
        assert_int_equal(owner_options_parse(line, sizeof line - 1, false, &one.all.options, &one.all.n_options), 0);
        worker(100, 50);
        worker(101, 50);
        add_tap(10, "a");
        add_vhost(11, VHOST_NET);
        add_tap(12, "b");
        add_vhost(13, VHOST_NET);
        match_all();
        assert_true(is_open(100) && is_open(101));
}

static void all_workers_of_a_lone_scsi_device_are_its_own(void **state) {
        (void) state;
        COMMAND_LINE("qemu\0-device\0{\"driver\":\"vhost-scsi-pci\",\"wwpn\":\"naa.5001405\",\"vhostfd\":\"20\"}");
        for (int i = 0; i < 3; i++)
                worker(100 + i, 50);
        add_vhost(20, VHOST_SCSI);
        match_all();
        assert_string_equal(found(102), "scsi naa.5001405");
        assert_int_equal(one.n_devices, 1);
        assert_int_equal(one.matches[2].queue_pair, -1);
}

static void vsock_alone_is_known_by_count(void **state) {
        (void) state;
        worker(100, 50);
        add_vhost(20, VHOST_VSOCK);
        add_tap(10, "a"); /* served by somebody else */
        match_all();
        assert_string_equal(found(100), "vsock ");
}

static void devices_of_several_kinds_without_a_command_line_cannot_be_told(void **state) {
        (void) state;
        worker(100, 50);
        worker(101, 50);
        add_vhost(20, VHOST_VSOCK);
        add_vhost(21, VHOST_NET);
        add_tap(22, "a");
        match_all();
        assert_true(is_open(100) && is_open(101));
}

static void more_devices_than_queues_of_the_tap_are_not_paired(void **state) {
        (void) state;
        worker(100, 50);
        worker(101, 50);
        add_vhost(20, VHOST_NET);
        add_vhost(21, VHOST_NET);
        add_tap(22, "a");
        match_all();
        assert_string_equal(found(100), "? 2 vhost-net devices, 1 queue of a");
        one.all.n_files = 2;
        match_all();
        assert_string_equal(found(100), "? none of the open files of its owner is a tap");
}

static void taps_without_a_name_are_one_only_when_there_is_one(void **state) {
        (void) state;
        worker(100, 50);
        add_vhost(20, VHOST_NET);
        add_tap(22, "");
        match_all();
        assert_string_equal(found(100), "/0");
        worker(101, 50);
        add_vhost(21, VHOST_NET);
        add_tap(23, "");
        match_all();
        assert_true(is_open(100) && is_open(101));
}

static void macvtaps_are_told_by_their_index(void **state) {
        (void) state;
        worker(100, 50);
        worker(101, 50);
        add_vhost(20, VHOST_NET);
        add_vhost(21, VHOST_NET);
        add_tap(22, "");
        add_tap(23, "");
        one.files[2].macvtap = one.files[3].macvtap = 7;
        match_all();
        assert_string_equal(found(101), "/1");
        assert_int_equal(one.devices[0].macvtap, 7);
        one.files[3].macvtap = 8;
        match_all();
        assert_true(is_open(100) && is_open(101));
}

/* --- options */

static const struct owner_option *option_of(const char *argument) {
        char line[8192];
        start(NULL);
        int length = snprintf(line, sizeof line, "q%c-netdev%c%s", 0, 0, argument);
        assert_true(length > 0 && (size_t) length < sizeof line);
        assert_int_equal(owner_options_parse(line, (size_t) length + 1, true, &one.all.options, &one.all.n_options), 0);
        return one.all.n_options > 0 ? &one.all.options[0] : NULL;
}

static void what_is_no_tap_with_vhost_is_left_out(void **state) {
        (void) state;
        static const char *const arguments[] = { "", "tap", "user,id=n0", "tap,id=x", "tap,vhost=off,id=x", "tap,fd=abc", "vhost-user,id=x", "{", "{}", "{\"type\":\"tap\"}", "[]",
                                                 "{\"type\":7,\"fd\":\"3\"}", "{\"type\":\"tap\",\"fd\":null}", "{\"type\":\"tap\",\"vhost\":false,\"fds\":[3]}", "tapx,fd=3,vhost=on" };
        for (size_t i = 0; i < ELEMENTSOF(arguments); i++)
                assert_null(option_of(arguments[i]));
}

static void what_may_have_vhost_and_is_not_understood_is_opaque(void **state) {
        (void) state;
        static const char *const arguments[] = {
                "tap,vhost=on",          "tap,vhostforce=on",          "tap,fd=net0,vhost=on",     "tap,fd=3,vhostfd=vhost0",           "tap,fds=3:4,vhostfds=5",
                "tap,fd=3,vhost=on,fd=", "tap,ifname=tap%d,vhost=on",  "tap,ifname=,vhost=on",     "tap,ifname=a2345678901234567,vhost=on", "tap,ifname=a,vhost=on,queues=0",
                "tap,ifname=a,vhost=on,queues=257", "tap,fd=-3,vhost=on", "tap,fd=99999999999,vhost=on", "{\"type\":\"tap\",\"fd\":{},\"vhost\":true}",
                "{\"type\":\"tap\",\"fd\":\"3\",\"vhostfd\":\"\"}", "tap,fds=3:x,vhost=on", "tap,fds=:,vhost=on",
        };
        for (size_t i = 0; i < ELEMENTSOF(arguments); i++) {
                const struct owner_option *option = option_of(arguments[i]);
                assert_non_null(option);
                assert_true(option->opaque && option->vhost);
        }
        char many[4096] = "tap,vhost=on,fds=3";
        for (int i = 0; i < OWNER_PAIRS_MAX; i++)
                snprintf(many + strlen(many), sizeof many - strlen(many), ":%d", 1000 + i);
        assert_true(option_of(many)->opaque);
}

static void as_many_queue_pairs_as_a_tap_has_are_taken(void **state) {
        (void) state;
        char many[4096] = "tap,vhost=on,fds=3";
        for (int i = 1; i < OWNER_PAIRS_MAX; i++)
                snprintf(many + strlen(many), sizeof many - strlen(many), ":%d", 1000 + i);
        const struct owner_option *option = option_of(many);
        assert_false(option->opaque);
        assert_int_equal(option->n_pairs, OWNER_PAIRS_MAX);
        assert_int_equal(option->fds[OWNER_PAIRS_MAX - 1], 1000 + OWNER_PAIRS_MAX - 1);
}

static void vhost_files_without_vhost_are_none(void **state) {
        (void) state;
        const struct owner_option *option = option_of("tap,fd=3,vhostfd=4,vhost=off");
        assert_true(!option->vhost && option->n_fds == 1 && option->n_vhost_fds == 0);
}

static void the_last_of_two_keys_counts(void **state) {
        (void) state;
        const struct owner_option *option = option_of("tap,fd=3,vhost=off,fd=4,vhost=on");
        assert_int_equal(option->n_fds, 1);
        assert_int_equal(option->fds[0], 4);
        assert_true(option->vhost);
}

/* --- at random */

static uint64_t random_state;

static unsigned below(unsigned n) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        return n > 0 ? (unsigned) (random_state >> 33) % n : 0;
}

static void shuffle(void *base, size_t n, size_t size) {
        char swap[sizeof(struct owner_file)], *items = base;
        assert_true(size <= sizeof swap);
        for (size_t i = n; i > 1; i--) {
                size_t j = below((unsigned) i);
                memcpy(swap, items + j * size, size);
                memcpy(items + j * size, items + (i - 1) * size, size);
                memcpy(items + (i - 1) * size, swap, size);
        }
}

/* A VM that was started with some devices, or anything: options that fit the files, or not. */
static void draw_owner(struct owner_option *options) {
        unsigned n_netdevs = below(4), fd = 10;

        start(NULL);
        one.all.options = NULL;
        for (unsigned i = 0; i < n_netdevs; i++) {
                struct owner_option *option = &options[one.all.n_options];
                char name[TAP_NAME_SIZE];
                unsigned n = 1 + below(3), style = below(4); /* 0: not on the command line */
                snprintf(name, sizeof name, "tap%u", below(8) == 0 ? 0 : i);
                *option = (struct owner_option) { .vhost = below(6) != 0, .n_pairs = n };
                for (unsigned j = 0; j < n; j++) {
                        add_tap((int) fd, name);
                        option->fds[j] = (int) fd++;
                        if (!option->vhost)
                                continue;
                        add_vhost((int) fd, VHOST_NET);
                        option->vhost_fds[j] = (int) fd++;
                }
                option->n_fds = style == 1 ? 0 : n;
                option->n_vhost_fds = (option->vhost || below(6) == 0) && style != 2 && style != 1 ? n : 0;
                if (option->n_fds == 0)
                        memcpy(option->tap, name, sizeof name);
                if (below(10) == 0) /* lies */
                        option->fds[below(n)] = (int) (5 + below(30));
                if (below(10) == 0)
                        option->n_pairs = option->n_fds = 1 + below(4);
                one.all.n_options += style > 0;
        }
        for (int kind = VHOST_SCSI; kind <= VHOST_VSOCK; kind++)
                if (below(3) == 0) {
                        if (below(2) == 0)
                                options[one.all.n_options++] = (struct owner_option) { .kind = (enum vhost_kind) kind, .vhost = true, .n_pairs = 1, .opaque = below(8) == 0 };
                        add_vhost((int) fd++, (enum vhost_kind) kind);
                }
        if (below(5) == 0)
                add_vhost((int) fd++, (enum vhost_kind) below(_VHOST_KIND_MAX));
        size_t n_vhost = 0;
        for (size_t i = 0; i < one.all.n_files; i++)
                n_vhost += !one.files[i].is_tap;
        size_t n_workers = below(5) == 0 ? below(8) : n_vhost;
        for (size_t i = 0; i < n_workers; i++)
                worker(1000 + (pid_t) i, 50 + below(3) * (below(4) == 0 ? 7000 : 1));
        one.all.options = options;
}

static unsigned n_told, n_open;

static void check_one(void) {
        size_t n_vhost[_VHOST_KIND_MAX] = { 0 }, n_all = 0;
        for (size_t i = 0; i < one.all.n_files; i++)
                if (!one.files[i].is_tap) {
                        n_vhost[one.files[i].kind]++;
                        n_all++;
                }
        bool lone_scsi = n_all == 1 && n_vhost[VHOST_SCSI] == 1;
        for (size_t i = 0; i < one.n_workers; i++) {
                const struct match *match = &one.matches[i];
                assert_true(match->device >= -1 && match->device < (int) one.n_devices);
                n_told += match->device >= 0;
                n_open += match->device < 0;
                if (match->device < 0) {
                        assert_true(match->why[0] != '\0' && match->queue_pair == -1 && match->vhost_fd == -1);
                        continue;
                }
                assert_true(one.n_workers == n_all || lone_scsi);
                const struct match_device *device = &one.devices[match->device];
                assert_string_equal(match->why, "");
                assert_true(device->kind == VHOST_NET ? match->queue_pair >= 0 && match->queue_pair < (int) device->n_pairs : match->queue_pair == -1);
                bool is_file = match->vhost_fd == -1;
                for (size_t j = 0; j < one.all.n_files; j++)
                        is_file |= !one.files[j].is_tap && one.files[j].fd == match->vhost_fd && one.files[j].kind == device->kind;
                assert_true(is_file);
                /* nobody has the same file, nobody the same pair */
                for (size_t j = 0; j < i; j++) {
                        assert_true(match->vhost_fd == -1 || one.matches[j].vhost_fd != match->vhost_fd);
                        assert_true(one.matches[j].device != match->device || match->queue_pair == -1 || one.matches[j].queue_pair != match->queue_pair);
                }
        }
        /* a device has as many workers as it has pairs, and no more than its tap has queues */
        for (size_t i = 0; i < one.n_devices; i++) {
                size_t n = 0, n_queues = 0;
                for (size_t j = 0; j < one.n_workers; j++)
                        n += one.matches[j].device == (int) i;
                assert_int_equal(n, one.devices[i].n_pairs);
                for (size_t j = 0; j < one.all.n_files; j++)
                        n_queues += one.files[j].is_tap && strcmp(one.files[j].tap, one.devices[i].tap) == 0;
                assert_true(one.devices[i].kind != VHOST_NET || n <= n_queues);
        }
}

static void whatever_is_read_nothing_is_given_twice_and_order_makes_no_difference(void **state) {
        static struct owner_option options[16];
        const char *seed = getenv("IOCORE_SEED");
        (void) state;
        random_state = seed ? strtoull(seed, NULL, 10) : (uint64_t) time(NULL);
        print_message("# seed %llu\n", (unsigned long long) random_state);
        n_told = n_open = 0;
        for (int round = 0; round < 20000; round++) {
                struct { int pair, fd; char tap[TAP_NAME_SIZE], why[IOCORE_NAME_MAX]; } first[MAX];
                draw_owner(options);
                match_all();
                check_one();
                for (size_t i = 0; i < one.n_workers; i++) {
                        const struct match *match = &one.matches[i];
                        first[one.workers[i].id - 1000].pair = match->queue_pair;
                        first[one.workers[i].id - 1000].fd = match->vhost_fd;
                        memcpy(first[one.workers[i].id - 1000].why, match->why, sizeof match->why);
                        memcpy(first[one.workers[i].id - 1000].tap, match->device >= 0 ? one.devices[match->device].tap : "", match->device >= 0 ? TAP_NAME_SIZE : 1);
                }
                shuffle(one.workers, one.n_workers, sizeof one.workers[0]);
                shuffle(one.files, one.all.n_files, sizeof one.files[0]);
                match_all();
                for (size_t i = 0; i < one.n_workers; i++) {
                        const struct match *match = &one.matches[i];
                        assert_int_equal(first[one.workers[i].id - 1000].pair, match->queue_pair);
                        assert_int_equal(first[one.workers[i].id - 1000].fd, match->vhost_fd);
                        assert_string_equal(first[one.workers[i].id - 1000].why, match->why);
                        assert_string_equal(first[one.workers[i].id - 1000].tap, match->device >= 0 ? one.devices[match->device].tap : "");
                }
                one.all.options = NULL;
        }
        /* neither side of it is empty */
        assert_true(n_told > 5000 && n_open > 5000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(one_device_and_one_tap_are_certain, start),
                cmocka_unit_test_setup(queue_pairs_of_one_tap_are_in_the_order_of_their_workers, start),
                cmocka_unit_test_setup(several_taps_without_a_command_line_cannot_be_told, start),
                cmocka_unit_test_setup(the_command_line_of_libvirt_tells_taps_and_pairs, start),
                cmocka_unit_test_setup(the_plain_spelling_tells_the_same, start),
                cmocka_unit_test_setup(taps_that_qemu_opened_itself_are_known_by_name, start),
                cmocka_unit_test_setup(a_tap_that_is_served_without_vhost_is_no_candidate, start),
                cmocka_unit_test_setup(a_device_that_is_plugged_in_later_comes_after_the_others, start),
                cmocka_unit_test_setup(what_is_plugged_in_later_does_not_spoil_what_was_there, start),
                cmocka_unit_test_setup(a_device_that_was_unplugged_is_left_out, start),
                cmocka_unit_test_setup(file_numbers_that_are_used_again_are_noticed_by_the_age_of_workers, start),
                cmocka_unit_test_setup(counts_that_differ_leave_everything_open, start),
                cmocka_unit_test_setup(a_command_line_that_lies_is_not_believed, start),
                cmocka_unit_test_setup(what_the_command_line_does_not_say_leaves_the_order_unknown, start),
                cmocka_unit_test_setup(a_command_line_that_is_cut_off_is_not_used, start),
                cmocka_unit_test_setup(all_workers_of_a_lone_scsi_device_are_its_own, start),
                cmocka_unit_test_setup(vsock_alone_is_known_by_count, start),
                cmocka_unit_test_setup(devices_of_several_kinds_without_a_command_line_cannot_be_told, start),
                cmocka_unit_test_setup(more_devices_than_queues_of_the_tap_are_not_paired, start),
                cmocka_unit_test_setup(taps_without_a_name_are_one_only_when_there_is_one, start),
                cmocka_unit_test_setup(macvtaps_are_told_by_their_index, start),
                cmocka_unit_test(what_is_no_tap_with_vhost_is_left_out),
                cmocka_unit_test(what_may_have_vhost_and_is_not_understood_is_opaque),
                cmocka_unit_test(as_many_queue_pairs_as_a_tap_has_are_taken),
                cmocka_unit_test(vhost_files_without_vhost_are_none),
                cmocka_unit_test(the_last_of_two_keys_counts),
                cmocka_unit_test_setup(whatever_is_read_nothing_is_given_twice_and_order_makes_no_difference, start),
        };
        return cmocka_run_group_tests_name("identity-match", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "tap-messages.h"

static const struct interface_counters some = { .rx_bytes = 1000, .rx_packets = 10, .rx_dropped = 1, .tx_bytes = 1ull << 40, .tx_packets = 20, .tx_dropped = 2 };

struct fixture {
        struct fake_kernel kernel;
        struct tap_counters *counters;
};

static int set_up(void **state) {
        struct fixture *f = calloc(1, sizeof *f);
        assert_non_null(f);
        const struct tap_calls calls = fake_kernel_calls(&f->kernel);
        assert_int_equal(tap_counters_new_with(&f->counters, &calls), 0);
        unsigned indexes[] = { 9, 4, 7, 4 };
        assert_int_equal(tap_counters_watch(f->counters, indexes, ELEMENTSOF(indexes)), 0);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *f = *state;
        tap_counters_free(f->counters);
        free(f);
        return 0;
}

static void one_dump_tells_all_interfaces(void **state) {
        struct fixture *f = *state;
        f->kernel.interfaces[0].index = 7;
        f->kernel.interfaces[0].counters = some;
        f->kernel.interfaces[1].index = 4;
        f->kernel.interfaces[2].index = 5; /* nobody asked for */
        assert_null(tap_counters_get(f->counters, 7));
        assert_int_equal(tap_counters_dump(f->counters), 0);
        assert_int_equal(f->kernel.n_requests, 1);
        const struct interface_counters *got = tap_counters_get(f->counters, 7);
        assert_non_null(got);
        assert_memory_equal(got, &some, sizeof some);
        assert_non_null(tap_counters_get(f->counters, 4));
        assert_null(tap_counters_get(f->counters, 5));
        assert_null(tap_counters_get(f->counters, 9)); /* not there */
}

static void an_interface_that_vanished_tells_nothing_any_more(void **state) {
        struct fixture *f = *state;
        f->kernel.interfaces[0].index = 7;
        assert_int_equal(tap_counters_dump(f->counters), 0);
        assert_non_null(tap_counters_get(f->counters, 7));
        f->kernel.interfaces[0].index = 0;
        assert_int_equal(tap_counters_dump(f->counters), 0);
        assert_null(tap_counters_get(f->counters, 7));
}

static void what_is_watched_may_change(void **state) {
        struct fixture *f = *state;
        f->kernel.interfaces[0].index = 7;
        f->kernel.interfaces[1].index = 12;
        assert_int_equal(tap_counters_dump(f->counters), 0);
        unsigned indexes[] = { 12, 7 };
        assert_int_equal(tap_counters_watch(f->counters, indexes, 2), 0);
        assert_non_null(tap_counters_get(f->counters, 7)); /* known from before */
        assert_null(tap_counters_get(f->counters, 12));
        assert_int_equal(tap_counters_dump(f->counters), 0);
        assert_non_null(tap_counters_get(f->counters, 12));
        assert_int_equal(tap_counters_watch(f->counters, NULL, 0), 0);
        assert_null(tap_counters_get(f->counters, 7));
        assert_int_equal(tap_counters_dump(f->counters), 0);
}

static void a_kernel_that_refuses_is_told(void **state) {
        struct fixture *f = *state;
        static const int errors[] = { -EOPNOTSUPP, -EAGAIN, -ENOBUFS };
        f->kernel.interfaces[0].index = 7;
        for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
                f->kernel.refuse = errors[i];
                assert_int_equal(tap_counters_dump(f->counters), errors[i]);
                assert_null(tap_counters_get(f->counters, 7));
        }
        f->kernel.refuse = 0;
        assert_int_equal(tap_counters_dump(f->counters), 0);
        assert_non_null(tap_counters_get(f->counters, 7));
}

static void the_rest_of_an_older_answer_does_not_count(void **state) {
        struct fixture *f = *state;
        struct tap_messages messages = { .length = 0 };
        assert_int_equal(tap_counters_dump(f->counters), 0); /* number 1 */
        tap_messages_add(&messages, 0, 7, &some, 0);
        tap_messages_end(&messages, 0, 0);
        assert_int_equal(tap_counters_take(f->counters, messages.buffer, messages.length, 1), 0);
        assert_null(tap_counters_get(f->counters, 7));
        tap_messages_add(&messages, 1, 7, &some, 0);
        tap_messages_end(&messages, 1, 0);
        assert_int_equal(tap_counters_take(f->counters, messages.buffer, messages.length, 1), 1);
        assert_non_null(tap_counters_get(f->counters, 7));
}

static void messages_that_make_no_sense_do_no_harm(void **state) {
        struct fixture *f = *state;
        struct tap_messages messages;
        assert_int_equal(tap_counters_dump(f->counters), 0);

        /* every way of being cut off */
        messages.length = 0;
        tap_messages_add(&messages, 1, 7, &some, 0);
        for (size_t length = 0; length < messages.length; length++) {
                struct tap_messages copy = messages;
                assert_int_equal(tap_counters_take(f->counters, copy.buffer, length, 1), 0);
                assert_null(tap_counters_get(f->counters, 7));
        }
        /* a length in the message that is not so */
        static const uint32_t lengths[] = { 0, 1, 15, 16, 20, 27, 28, 31, 32, 40, 100000, UINT32_MAX };
        for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
                struct tap_messages copy = messages;
                ((struct nlmsghdr *) copy.buffer)->nlmsg_len = lengths[i];
                assert_int_equal(tap_counters_take(f->counters, copy.buffer, copy.length, 1), 0);
                assert_null(tap_counters_get(f->counters, 7));
        }
        /* counters of a kernel that has fewer of them than are read */
        messages.length = 0;
        tap_messages_add(&messages, 1, 7, &some, 40);
        assert_int_equal(tap_counters_take(f->counters, messages.buffer, messages.length, 1), 0);
        assert_null(tap_counters_get(f->counters, 7));
        /* as many as are read */
        messages.length = 0;
        tap_messages_add(&messages, 1, 7, &some, 64);
        assert_int_equal(tap_counters_take(f->counters, messages.buffer, messages.length, 1), 0);
        assert_non_null(tap_counters_get(f->counters, 7));
        /* an error that is none */
        messages.length = 0;
        tap_messages_end(&messages, 1, -EPERM);
        ((struct nlmsghdr *) messages.buffer)->nlmsg_len = NLMSG_HDRLEN;
        assert_int_equal(tap_counters_take(f->counters, messages.buffer, messages.length, 1), -EBADMSG);
}

static void an_answer_without_an_end_is_given_up(void **state) {
        struct fixture *f = *state;
        f->kernel.endless = true;
        f->kernel.interfaces[0].index = 7;
        assert_int_equal(tap_counters_dump(f->counters), -EAGAIN);
        assert_in_range(f->kernel.n_answers, 2, 10000);
        f->kernel.endless = false;
        assert_int_equal(tap_counters_dump(f->counters), 0);
}

/* The kernel that this runs on has a loopback interface, whatever else. */
static void this_kernel_answers(void **state) {
        struct tap_counters *counters = NULL;
        unsigned index = if_nametoindex("lo");
        (void) state;
        if (index == 0 || tap_counters_new(&counters) < 0) {
                print_message("no loopback interface or no rtnetlink here\n");
                skip();
        }
        assert_int_equal(tap_counters_watch(counters, &index, 1), 0);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(tap_counters_dump(counters), 0);
                const struct interface_counters *lo = tap_counters_get(counters, index);
                assert_non_null(lo);
                /* what it sends it receives */
                assert_true(lo->rx_packets == lo->tx_packets && lo->rx_bytes == lo->tx_bytes);
        }
        tap_counters_free(counters);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(one_dump_tells_all_interfaces, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_interface_that_vanished_tells_nothing_any_more, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_is_watched_may_change, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_kernel_that_refuses_is_told, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_rest_of_an_older_answer_does_not_count, set_up, tear_down),
                cmocka_unit_test_setup_teardown(messages_that_make_no_sense_do_no_harm, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_answer_without_an_end_is_given_up, set_up, tear_down),
                cmocka_unit_test(this_kernel_answers),
        };
        return cmocka_run_group_tests_name("tap-counters", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mover on a kernel of the test's own: pages with a node each, some pinned, some in huge pages, a node with so much room, and a clock that calls move on. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/numa/mover.h"

#define PAGE 4096
#define PAGES_MAX 65536
#define BASE UINT64_C(0x10000000)
#define PER_HUGE 512

enum { THERE, ABSENT, PINNED, SHARED, BUSY };

static struct kernel {
        int node[PAGES_MAX];
        char kind[PAGES_MAX];
        bool huge;          /* PER_HUGE pages go together */
        size_t room;        /* pages that node 0 still takes */
        uint64_t now, usec_per_page, usec_per_call, busy_until;
        unsigned n_calls, n_queries;
        long fails;         /* what each call that moves returns; 0: it works */
        uint64_t longest_call;
} kernel;

static size_t index_of(const void *page) {
        return (size_t) (((uintptr_t) page - BASE) / PAGE);
}

static int where(size_t page) {
        return kernel.kind[page] == ABSENT ? -ENOENT : kernel.node[page];
}

/* 0: it is moved, or there; 1: the kernel gives it up together with others; < 0: what it says of it alone. */
static int move_page(size_t page, int to, bool *busy) {
        size_t first = kernel.huge ? page / PER_HUGE * PER_HUGE : page, n = kernel.huge ? PER_HUGE : 1;

        if (kernel.kind[page] == ABSENT)
                return -ENOENT;
        if (kernel.kind[page] == SHARED)
                return -EACCES;
        if (kernel.node[page] == to)
                return *busy ? -EBUSY : 0;
        if (kernel.kind[page] == PINNED)
                return 1;
        if (kernel.kind[page] == BUSY && kernel.now < kernel.busy_until)
                return -EBUSY;
        if (kernel.room < n)
                return -ENOMEM;
        kernel.room -= n;
        kernel.now += kernel.usec_per_page * n;
        for (size_t i = first; i < first + n; i++)
                kernel.node[i] = to;
        *busy = kernel.huge; /* its other pages are told as busy, once */
        return 0;
}

static long fake_move(void *userdata, pid_t pid, unsigned long n, void **pages, const int *to, int *status) {
        long left = 0;
        bool busy = false;
        uint64_t begin = kernel.now;

        (void) userdata, (void) pid;
        assert_true(n > 0);
        if (!to) {
                kernel.n_queries++;
                kernel.now += 1;
                for (size_t i = 0; i < n; i++)
                        status[i] = where(index_of(pages[i]));
                return 0;
        }
        kernel.n_calls++;
        if (kernel.fails)
                return kernel.fails;
        kernel.now += kernel.usec_per_call;
        for (size_t i = 0; i < n; i++) {
                int r = move_page(index_of(pages[i]), to[i], &busy);
                if (r == -ENOMEM)
                        return -ENOMEM;
                left += r == 1;
                if (r < 0)
                        status[i] = r;
        }
        if (kernel.now - begin > kernel.longest_call)
                kernel.longest_call = kernel.now - begin;
        return left;
}

static uint64_t fake_now(void *userdata) {
        (void) userdata;
        return kernel.now;
}

static const struct mover_host host = { .move = fake_move, .now_usec = fake_now };

static struct memory_range range_of(size_t n) {
        return (struct memory_range) { .start = BASE, .end = BASE + n * PAGE, .page_kib = 4, .kib = n * 4 };
}

/* All on node 1, to node 0. */
static void set_up_kernel(void) {
        memset(&kernel, 0, sizeof kernel);
        for (size_t i = 0; i < PAGES_MAX; i++)
                kernel.node[i] = 1;
        kernel.room = PAGES_MAX;
        kernel.usec_per_page = 10;
}

/* Returns what the last slice did. */
static int run(struct mover *mover, const struct memory_range *range, uint64_t *ret_longest_slice) {
        int r;

        mover_init(mover, &host, 1, 0, PAGE, range, 1);
        *ret_longest_slice = 0;
        do {
                uint64_t begin = kernel.now;
                r = mover_slice(mover);
                if (kernel.now - begin > *ret_longest_slice)
                        *ret_longest_slice = kernel.now - begin;
        } while (r > 0);
        return r;
}

static void all_pages_go_and_none_that_is_absent_counts(void **state) {
        struct memory_range range = range_of(10000);
        struct mover mover;
        uint64_t longest;
        (void) state;
        set_up_kernel();
        for (size_t i = 0; i < 10000; i += 3)
                kernel.kind[i] = ABSENT;
        range.kib = (10000 - 3334) * 4;
        assert_int_equal(run(&mover, &range, &longest), 0);
        assert_int_equal(mover.moved, 10000 - 3334);
        assert_int_equal(mover.failed, 0);
        assert_int_equal(mover.total, mover.moved);
        for (size_t i = 0; i < 10000; i++)
                assert_int_equal(kernel.node[i], i % 3 == 0 ? 1 : 0);
        assert_int_equal(kernel.node[10000], 1); /* and nothing beyond */
}

static void a_slice_is_no_longer_than_it_may_be_however_slow_pages_are(void **state) {
        static const uint64_t usec_per_page[] = { 1, 30, 300, 3000, 20000 };
        (void) state;
        for (size_t i = 0; i < sizeof usec_per_page / sizeof usec_per_page[0]; i++) {
                struct memory_range range = range_of(2000);
                struct mover mover;
                uint64_t longest;
                set_up_kernel();
                kernel.usec_per_page = usec_per_page[i];
                kernel.usec_per_call = 1000;
                assert_int_equal(run(&mover, &range, &longest), 0);
                assert_int_equal(mover.moved, 2000);
                if (longest > MOVER_SLICE_USEC + 2 * MOVER_CALL_USEC + 2000)
                        fail_msg("%llu us a page: a slice of %llu us", (unsigned long long) usec_per_page[i], (unsigned long long) longest);
        }
}

static void pinned_pages_are_counted_and_given_up(void **state) {
        struct memory_range range = range_of(8192);
        struct mover mover;
        uint64_t longest;
        (void) state;
        set_up_kernel();
        for (size_t i = 0; i < 8192; i++)
                kernel.kind[i] = i >= 4096 || i % 7 == 0 ? PINNED : i % 7 == 3 ? SHARED : THERE;
        assert_int_equal(run(&mover, &range, &longest), 0);
        size_t moved = 0;
        for (size_t i = 0; i < 8192; i++)
                moved += kernel.node[i] == 0;
        assert_int_equal(mover.moved, moved);
        assert_int_equal(mover.moved + mover.failed, 8192);
        assert_true(moved > 2500);
        assert_true(kernel.n_calls < 8192 / 8); /* a call for each would take for ever where a call takes a millisecond */
}

static void pages_that_are_busy_for_a_moment_are_tried_again(void **state) {
        struct memory_range range = range_of(8192);
        struct mover mover;
        uint64_t longest;
        (void) state;
        set_up_kernel();
        for (size_t i = 0; i < 8192; i += 100)
                kernel.kind[i] = i % 200 == 0 ? BUSY : PINNED;
        kernel.busy_until = 8192 * 10 / 2; /* half of the first pass */
        assert_int_equal(run(&mover, &range, &longest), 0);
        assert_int_equal(mover.failed, 41);
        assert_int_equal(mover.moved, 8192 - 41);
        assert_int_equal(mover.total, 8192);
        for (size_t i = 0; i < 8192; i++)
                assert_int_equal(kernel.node[i], kernel.kind[i] == PINNED ? 1 : 0);
}

static void a_huge_page_goes_whole_with_its_first_page(void **state) {
        struct memory_range range = range_of((size_t) 16 * PER_HUGE);
        struct mover mover;
        uint64_t longest;
        (void) state;
        set_up_kernel();
        kernel.huge = true;
        kernel.usec_per_page = 1;
        for (size_t i = 0; i < PER_HUGE; i++)
                kernel.kind[i] = ABSENT;
        range.start += (uint64_t) PAGE * 100; /* huge pages are where they are, wherever the mapping begins */
        assert_int_equal(run(&mover, &range, &longest), 0);
        assert_int_equal(mover.moved, 15 * PER_HUGE);
        assert_int_equal(mover.failed, 0);
}

static void huge_pages_of_a_pool_count_as_many_small_ones(void **state) {
        struct memory_range range = { .start = BASE, .end = BASE + (uint64_t) 8 * PER_HUGE * PAGE, .page_kib = 2048, .kib = 8 * 2048 };
        struct mover mover;
        uint64_t longest;
        (void) state;
        set_up_kernel();
        kernel.huge = true;
        assert_int_equal(run(&mover, &range, &longest), 0);
        assert_int_equal(mover.moved, 8 * PER_HUGE);
        assert_true(kernel.n_queries < 40);
}

static void a_full_node_ends_it_with_what_fits_moved(void **state) {
        struct memory_range range = range_of(4096);
        struct mover mover;
        uint64_t longest;
        (void) state;
        set_up_kernel();
        kernel.room = 1000;
        assert_int_equal(run(&mover, &range, &longest), -ENOSPC);
        assert_int_equal(mover.moved, 1000);
        assert_int_equal(kernel.room, 0);
}

static void what_the_kernel_refuses_ends_it_at_once(void **state) {
        static const int errors[] = { -ESRCH, -EPERM, -EACCES, -ENODEV, -EINVAL };
        (void) state;
        for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
                struct memory_range range = range_of(4096);
                struct mover mover;
                uint64_t longest;
                set_up_kernel();
                kernel.fails = errors[i];
                assert_int_equal(run(&mover, &range, &longest), errors[i] == -EINVAL ? -ESRCH : errors[i]); /* a process that is ending */
                assert_int_equal(kernel.n_calls, 1);
        }
}

static void what_is_right_is_not_touched(void **state) {
        struct memory_range range = range_of(4096);
        struct mover mover;
        uint64_t longest;
        (void) state;
        set_up_kernel();
        for (size_t i = 0; i < 4096; i++)
                kernel.node[i] = 0;
        range.kib = 0;
        assert_int_equal(run(&mover, &range, &longest), 0);
        assert_int_equal(kernel.n_calls, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_pages_go_and_none_that_is_absent_counts),
                cmocka_unit_test(a_slice_is_no_longer_than_it_may_be_however_slow_pages_are),
                cmocka_unit_test(pinned_pages_are_counted_and_given_up),
                cmocka_unit_test(pages_that_are_busy_for_a_moment_are_tried_again),
                cmocka_unit_test(a_huge_page_goes_whole_with_its_first_page),
                cmocka_unit_test(huge_pages_of_a_pool_count_as_many_small_ones),
                cmocka_unit_test(a_full_node_ends_it_with_what_fits_moved),
                cmocka_unit_test(what_the_kernel_refuses_ends_it_at_once),
                cmocka_unit_test(what_is_right_is_not_touched),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

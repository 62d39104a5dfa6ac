/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Made-up lives of guests, of which nothing may be left that iocored changed. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "guest-world.h"

static unsigned pick(unsigned *seed, unsigned n) {
        return (unsigned) rand_r(seed) % n;
}

static struct fake_thread *pick_leader(struct fake_kernel *kernel, unsigned *seed) {
        for (unsigned tries = 0; tries < 200; tries++) {
                struct fake_thread *thread = kernel->threads + pick(seed, (unsigned) kernel->n_threads);
                if (thread->alive && thread->id == thread->process && thread->flags == FAKE_PLAIN)
                        return thread;
        }
        return NULL;
}

static void populate(struct fake_kernel *kernel, unsigned *seed) {
        char name[32];
        for (unsigned i = 0; i < 1 + pick(seed, 5); i++) {
                struct fake_thread *leader = fake_process(kernel, "qemu-system-x86", 1 + pick(seed, 255));
                for (unsigned k = 0; k < 1 + pick(seed, 4); k++) {
                        snprintf(name, sizeof name, "CPU %u/KVM", k);
                        fake_taskset(fake_clone(kernel, leader, name, FAKE_PLAIN), 1 + pick(seed, 255));
                }
                snprintf(name, sizeof name, "vhost-%d", (int) leader->id);
                fake_clone(kernel, leader, name, FAKE_USER_WORKER);
        }
}

static void place_some(struct fake_kernel *kernel, unsigned *seed, const bool cores[static 8]) {
        unsigned cpu = pick(seed, 8);
        if (!cores[cpu])
                return;
        /* Workers that were bound to one CPU are their administrator's, the daemon never moves them. */
        for (size_t i = 0; i < kernel->n_threads; i++)
                if (kernel->threads[i].alive && kernel->threads[i].flags != FAKE_PLAIN && (kernel->threads[i].natural & (kernel->threads[i].natural - 1)) && pick(seed, 2))
                        (void) fake_place(kernel, kernel->threads + i, (int) cpu);
}

static void unplace(struct fake_kernel *kernel, unsigned cpu) {
        char value[16];
        snprintf(value, sizeof value, "%u", cpu);
        for (size_t i = kernel->n_wants; i-- > 0;) {
                struct fake_want want = kernel->wants[i];
                if (strcmp(want.kind, "unit.place") == 0 && strcmp(want.set_value, value) == 0)
                        (void) fake_want(kernel, want.kind, want.object, want.old_value);
        }
}

static void live_a_while(struct fake_kernel *kernel, unsigned *seed) {
        bool cores[8] = { false };
        for (unsigned n = 20 + pick(seed, 60); n > 0; n--) {
                struct fake_thread *leader = pick_leader(kernel, seed);
                char name[32];
                unsigned cpu = pick(seed, 8);
                switch (pick(seed, 9)) {
                case 0:
                case 1:
                        if (cores[cpu])
                                unplace(kernel, cpu);
                        fake_core(kernel, (int) cpu, !cores[cpu]);
                        cores[cpu] = !cores[cpu];
                        fake_reserve(kernel);
                        break;
                case 2:
                        if (!leader)
                                break;
                        fake_clone(kernel, leader, "worker", FAKE_PLAIN);
                        if (pick(seed, 2))
                                guests_process_changed(kernel->state, leader->id);
                        break;
                case 3:
                        if (!leader)
                                break;
                        snprintf(name, sizeof name, "vhost-%d", (int) leader->id);
                        fake_clone(kernel, leader, name, FAKE_USER_WORKER);
                        break;
                case 4:
                        for (unsigned tries = 0; tries < 20; tries++) {
                                struct fake_thread *thread = kernel->threads + pick(seed, (unsigned) kernel->n_threads);
                                if (thread->alive && (thread->id != thread->process || pick(seed, 10) == 0)) {
                                        fake_exit(kernel, thread);
                                        break;
                                }
                        }
                        break;
                case 5:
                        place_some(kernel, seed, cores);
                        break;
                case 6:
                        if (pick(seed, 4) == 0) {
                                fake_close(kernel);
                                fake_open(kernel);
                                fake_restore(kernel);
                                memset(cores, 0, sizeof cores);
                        }
                        break;
                default:
                        fake_turn(kernel, pick(seed, 4) == 0);
                }
        }
        for (unsigned cpu = 0; cpu < 8; cpu++)
                if (cores[cpu])
                        unplace(kernel, cpu);
}

static void at_the_end_of_any_life_every_thread_has_the_mask_that_it_would_have_without_iocored(void **test_state) {
        (void) test_state;
        const char *given = getenv("IOCORE_SEED");
        unsigned first = given ? (unsigned) strtoul(given, NULL, 10) : (unsigned) time(NULL);
        print_message("seed %u (IOCORE_SEED)\n", first);
        for (unsigned life = 0; life < (given ? 1 : 60); life++) {
                unsigned seed = first + life;
                struct fake_kernel *kernel = fake_kernel_new();
                populate(kernel, &seed);
                fake_open(kernel);
                live_a_while(kernel, &seed);
                if (pick(&seed, 2)) { /* killed */
                        fake_close(kernel);
                        fake_open(kernel);
                }
                fake_restore(kernel);
                for (size_t i = 0; i < kernel->n_threads; i++) {
                        const struct fake_thread *thread = kernel->threads + i;
                        if (thread->alive && thread->mask != thread->natural)
                                fail_msg("IOCORE_SEED=%u: thread %d (%s) has %#" PRIx64 ", not %#" PRIx64, first + life, (int) thread->id,
                                         thread->was_there ? "was there" : "born meanwhile", thread->mask, thread->natural);
                }
                assert_int_equal(kernel->n_wants, 0);
                fake_kernel_free(kernel);
        }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(at_the_end_of_any_life_every_thread_has_the_mask_that_it_would_have_without_iocored),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

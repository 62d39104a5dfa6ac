/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nothing that iocored changed stays changed without iocored: killed at every write, and after any run of decisions, failures and deaths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/act/fault-point.h"
#include "daemon/act/reservation.h"
#include "daemon/cleanup.h"
#include "daemon/log.h"
#include "mock-host.h"

struct fixture {
        char directory[64], journal[96];
        struct mock_kernel *kernel;
};

static struct fixture *fixture_new(bool stock) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        strcpy(fixture->directory, "/tmp/test-restore.XXXXXX");
        assert_non_null(mkdtemp(fixture->directory));
        snprintf(fixture->journal, sizeof fixture->journal, "%s/journal", fixture->directory);
        fixture->kernel = mock_kernel_new(stock);
        log_set_max_level(LOG_CRIT);
        return fixture;
}

static void fixture_free(struct fixture *fixture) {
        mock_kernel_free(fixture->kernel);
        char path[128];
        snprintf(path, sizeof path, "%s.new", fixture->journal); /* who was killed while rewriting leaves it */
        (void) unlink(path);
        assert_int_equal(unlink(fixture->journal), 0);
        assert_int_equal(rmdir(fixture->directory), 0);
        free(fixture);
}

static int run_steps(struct mock *mock, const char *source, const struct step *steps, size_t n_steps) {
        struct step copy[16];
        memcpy(copy, steps, n_steps * sizeof *copy);
        struct decision decision = { .intent.action = INTENT_MOVE, .verdict = VERDICT_PLANNED, .steps = copy, .n_steps = n_steps };
        snprintf(decision.intent.source, sizeof decision.intent.source, "%s", source);
        int r = transaction_run(&mock->actor, &decision);
        if (mock->kernel->gated) {
                struct reservation_report report; /* as the engine does after each change */
                (void) reservation_settle(&mock->actor, "reservation", &report);
        }
        return r;
}

/* What a new daemon, or iocored --restore, does. */
static void restore_by_a_new_daemon(struct fixture *fixture) {
        struct mock *mock = mock_new(fixture->kernel, fixture->journal);
        assert_int_equal(transaction_restore(&mock->actor, NULL, NULL), 0);
        assert_int_equal(journal_n_entries(mock->actor.journal), 0);
        mock_free(mock);
}

#ifdef FAULT_POINTS

#define CORE_ADD(c) { .kind = STEP_CORE_ADD, .cpu = (c) }
#define CORE_CLOSE(c, w) { .kind = STEP_CORE_CLOSE, .cpu = (c), .object = w }
#define CORE_REMOVE(c, w) { .kind = STEP_CORE_REMOVE, .cpu = (c), .object = w }
#define MOVE(u, c) { .kind = STEP_UNIT_MOVE, .cpu = (c), .object = u }
#define SET(k, o, v) { .kind = STEP_KNOB_SET, .cpu = IOCORE_CPU_ANY, .knob = k, .object = o, .value = v }

/* The life of a daemon: grow, grow again, move, shrink, a decision that fails and is undone, and the restore at its end. */
static void live(struct mock *mock) {
        const char *worker = mock->kernel->stock ? "" : "w.3";
        const struct step grow[] = { CORE_ADD(3), MOVE("u.0", 3), MOVE("u.1", 3), MOVE("u.5", 3), SET("queue.poll", "q.0", "1") };
        const struct step grow_again[] = { CORE_ADD(4), MOVE("u.1", 4) };
        const struct step move[] = { MOVE("u.0", 4), SET("queue.poll", "q.0", "0"), SET("mock.tune", "x", "16"), MOVE("u.1", 3) };
        struct step shrink[] = { CORE_CLOSE(3, ""), MOVE("u.1", 4), MOVE("u.5", IOCORE_CPU_ANY), CORE_REMOVE(3, "") };
        strcpy(shrink[0].object, worker);
        strcpy(shrink[3].object, worker);
        const struct step fails[] = { CORE_ADD(2), MOVE("u.0", 2), MOVE("u.2", 2), SET("queue.poll", "q.2", "1"), MOVE("u.99", 2) };
        if (run_steps(mock, "policy:a", grow, ELEMENTSOF(grow)) < 0 || run_steps(mock, "policy:a", grow_again, ELEMENTSOF(grow_again)) < 0 ||
            run_steps(mock, "policy:b", move, ELEMENTSOF(move)) < 0 || run_steps(mock, "policy:a", shrink, ELEMENTSOF(shrink)) < 0 ||
            run_steps(mock, "policy:b", fails, ELEMENTSOF(fails)) >= 0)
                _exit(2);
        if (transaction_restore(&mock->actor, NULL, NULL) < 0)
                _exit(3);
}

/* Lives until the Nth fault point. Returns true when it was killed there. */
static bool live_and_die(struct fixture *fixture, const char *point, unsigned n, bool only_restore) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                char fault[32];
                snprintf(fault, sizeof fault, "%s:%u", point, n);
                fault_point_reset();
                setenv("IOCORED_FAULT", fault, 1);
                struct mock *mock = mock_new(fixture->kernel, fixture->journal);
                if (!only_restore)
                        live(mock);
                else if (transaction_restore(&mock->actor, NULL, NULL) < 0)
                        _exit(3);
                _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFSIGNALED(status)) {
                assert_int_equal(WTERMSIG(status), SIGKILL);
                return true;
        }
        assert_int_equal(WEXITSTATUS(status), 0);
        return false;
}

static void kill_at_every(const char *point, bool stock, bool gated, unsigned at_least) {
        unsigned n = 0;
        bool killed = true;
        while (killed) {
                struct fixture *fixture = fixture_new(stock);
                fixture->kernel->gated = gated;
                char *before = strdup(mock_kernel_text(fixture->kernel));
                killed = live_and_die(fixture, point, ++n, false);
                restore_by_a_new_daemon(fixture);
                assert_string_equal(mock_kernel_text(fixture->kernel), before);
                free(before);
                fixture_free(fixture);
        }
        printf("# killed %s each of %u points\n", strcmp(point, "before") == 0 ? "before" : "after", n - 1);
        assert_true(n > at_least);
}

static void killed_before_any_write_the_host_is_restored(void **state) {
        (void) state;
        kill_at_every("before", false, false, 25);
        kill_at_every("before", true, false, 20);
        kill_at_every("before", false, true, 35);
        kill_at_every("before", true, true, 30);
}

static void killed_after_any_write_the_host_is_restored(void **state) {
        (void) state;
        kill_at_every("after", false, false, 25);
        kill_at_every("after", true, false, 20);
        kill_at_every("after", false, true, 35);
        kill_at_every("after", true, true, 30);
}

static void killed_after_any_record_of_the_journal_the_host_is_restored(void **state) {
        (void) state;
        kill_at_every("journal", false, false, 40);
        kill_at_every("journal", true, false, 30);
        kill_at_every("journal", false, true, 45);
        kill_at_every("journal", true, true, 45);
}

/* Dies in the middle, and so does every daemon that tries to put it back, each one write later than the one before. */
static void restores_that_are_killed_too_are_finished_by_the_last(void **state) {
        (void) state;
        for (unsigned n = 1; n <= 24; n += 2) {
                struct fixture *fixture = fixture_new(false);
                fixture->kernel->gated = n % 4 == 1;
                char *before = strdup(mock_kernel_text(fixture->kernel));
                assert_true(live_and_die(fixture, "after", n, false));
                unsigned n_deaths = 0;
                while (live_and_die(fixture, n_deaths % 2 ? "journal" : "after", 1 + n_deaths / 4, true))
                        n_deaths++;
                restore_by_a_new_daemon(fixture);
                assert_string_equal(mock_kernel_text(fixture->kernel), before);
                free(before);
                fixture_free(fixture);
        }
}

#endif

/* --- any run of decisions --- */

static unsigned random_below(uint64_t *seed, unsigned n) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        return (unsigned) (*seed >> 33) % n;
}

static struct step random_step(const struct mock *mock, uint64_t *seed) {
        static const int cpus[] = { 2, 3, 4, MOCK_FOREIGN_CPU };
        struct step step = { .cpu = cpus[random_below(seed, 4)] };
        const struct cpu *core = host_cpu(mock->host, step.cpu);
        unsigned unit = random_below(seed, MOCK_UNITS);
        switch (random_below(seed, 8)) {
        case 0:
                step.kind = STEP_CORE_ADD;
                break;
        case 1:
                step.kind = STEP_CORE_CLOSE;
                if (!core->io_core_ours)
                        step.cpu = 7; /* no worker */
                break;
        case 2:
                step.kind = STEP_CORE_REMOVE;
                if (core->worker)
                        strcpy(step.object, core->worker->pub.id);
                break;
        case 3:
                step.kind = STEP_KNOB_SET;
                strcpy(step.knob, "queue.poll");
                snprintf(step.object, sizeof step.object, "q.%u", unit);
                strcpy(step.value, random_below(seed, 2) ? "1" : "0");
                break;
        case 4:
                step.kind = STEP_KNOB_SET;
                strcpy(step.knob, "mock.tune");
                strcpy(step.object, "x");
                snprintf(step.value, sizeof step.value, "%u", random_below(seed, 100));
                break;
        default:
                step.kind = STEP_UNIT_MOVE;
                snprintf(step.object, sizeof step.object, "u.%u", unit);
                if (random_below(seed, 4) == 0)
                        step.cpu = IOCORE_CPU_ANY;
        }
        return step;
}

static bool is_iocored_s(const struct journal_entry *entry, const char *place) {
        return entry && ((entry->set_value && strcmp(entry->set_value, place) == 0) ||
                         (entry->pending_value && strcmp(entry->pending_value, place) == 0));
}

/* A VM goes and another one comes, which by chance gets the same id; or an administrator moves one. */
static void random_event(const struct mock *mock, uint64_t *seed) {
        struct mock_kernel *kernel = mock->kernel;
        unsigned i = random_below(seed, MOCK_UNITS);
        char id[16];
        snprintf(id, sizeof id, "u.%u", i);
        const struct journal_entry *entry = journal_find(mock->actor.journal, JOURNAL_KNOB, "mock", "unit.place", id);
        if (random_below(seed, 2)) {
                kernel->units[i].incarnation += 100;
                strcpy(kernel->units[i].poll, "0");
                strcpy(kernel->units[i].place, kernel->stock ? "0-7" : "w.1");
        } else {
                const char *place = kernel->stock ? random_below(seed, 2) ? "1" : "0-3" : random_below(seed, 2) ? "w.2" : "w.1";
                if (strcmp(kernel->units[i].place, place) == 0 || is_iocored_s(entry, place))
                        return; /* where iocored had put it: nobody could tell */
                strcpy(kernel->units[i].place, place);
        }
        strcpy(kernel->units[i].original, kernel->units[i].place);
}

static void check_restored(const struct mock_kernel *kernel) {
        for (unsigned i = 1; i <= kernel->n_workers; i++) {
                assert_int_equal(kernel->workers[i].exists, i <= 2);
                assert_false(kernel->workers[i].exists && kernel->workers[i].locked);
        }
        for (unsigned i = 0; i < MOCK_UNITS; i++) {
                assert_string_equal(kernel->units[i].place, kernel->units[i].original);
                assert_string_equal(kernel->units[i].poll, "0");
        }
        for (unsigned i = 0; i < MOCK_KEEPS; i++)
                assert_string_equal(kernel->keeps[i].cpus, "all");
        for (unsigned i = 0; i < MOCK_CPUS; i++)
                assert_int_equal(kernel->gates_shut[i], i >= 3 && i != MOCK_FOREIGN_CPU);
        assert_string_equal(kernel->tune, "8");
}

static void one_random_life(uint64_t seed, bool stock, bool gated) {
        struct fixture *fixture = fixture_new(stock);
        fixture->kernel->gated = gated;
        struct mock *mock = mock_new(fixture->kernel, fixture->journal);
        fixture->kernel->seed = seed;
        unsigned n_decisions = 10 + random_below(&seed, 40);
        for (unsigned i = 0; i < n_decisions; i++) {
                if (random_below(&seed, 8) == 0) {
                        random_event(mock, &seed);
                        mock_scan(mock, true);
                }
                if (random_below(&seed, 15) == 0) { /* it dies between two decisions, and the next one puts back what it can */
                        mock_free(mock);
                        mock = mock_new(fixture->kernel, fixture->journal);
                        fixture->kernel->fail_percent = 20;
                        (void) transaction_restore(&mock->actor, NULL, NULL);
                }
                struct step steps[8];
                size_t n_steps = 1 + random_below(&seed, ELEMENTSOF(steps));
                for (size_t k = 0; k < n_steps; k++)
                        steps[k] = random_step(mock, &seed);
                fixture->kernel->fail_percent = random_below(&seed, 3) == 0 ? 15 : 0;
                (void) run_steps(mock, random_below(&seed, 2) ? "policy:a" : "policy:b", steps, n_steps);
                if (random_below(&seed, 20) == 0)
                        (void) transaction_restore(&mock->actor, "policy:a", NULL);
        }
        fixture->kernel->fail_percent = 0;
        mock_free(mock);
        restore_by_a_new_daemon(fixture);
        check_restored(fixture->kernel);
        fixture_free(fixture);
}

static void after_any_run_of_decisions_failures_and_deaths_the_host_is_restored(void **state) {
        (void) state;
        const char *given = getenv("IOCORE_SEED");
        uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t) time(NULL) * 1000003u + (uint64_t) getpid();
        printf("# seed %" PRIu64 "\n", seed);
        for (unsigned i = 0; i < 200; i++)
                one_random_life(seed + i, i % 2, i / 2 % 2);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
#ifdef FAULT_POINTS
                cmocka_unit_test(killed_before_any_write_the_host_is_restored),
                cmocka_unit_test(killed_after_any_write_the_host_is_restored),
                cmocka_unit_test(killed_after_any_record_of_the_journal_the_host_is_restored),
                cmocka_unit_test(restores_that_are_killed_too_are_finished_by_the_last),
#endif
                cmocka_unit_test(after_any_run_of_decisions_failures_and_deaths_the_host_is_restored),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

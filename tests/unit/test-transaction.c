/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "daemon/log.h"
#include "mock-host.h"

struct fixture {
        char directory[64], journal[96];
        struct mock_kernel *kernel;
        struct mock *mock;
};

static struct fixture *fixture_new(bool stock) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        strcpy(fixture->directory, "/tmp/test-transaction.XXXXXX");
        assert_non_null(mkdtemp(fixture->directory));
        snprintf(fixture->journal, sizeof fixture->journal, "%s/journal", fixture->directory);
        fixture->kernel = mock_kernel_new(stock);
        fixture->mock = mock_new(fixture->kernel, fixture->journal);
        return fixture;
}

static void fixture_free(struct fixture *fixture) {
        mock_free(fixture->mock);
        mock_kernel_free(fixture->kernel);
        assert_int_equal(unlink(fixture->journal), 0);
        assert_int_equal(rmdir(fixture->directory), 0);
        free(fixture);
}

static int set_up(void **state) {
        log_set_max_level(LOG_ERR);
        *state = fixture_new(false);
        return 0;
}

static int set_up_stock(void **state) {
        log_set_max_level(LOG_ERR);
        *state = fixture_new(true);
        return 0;
}

static int tear_down(void **state) {
        fixture_free(*state);
        return 0;
}

/* Another daemon takes over. */
static void restart(struct fixture *fixture) {
        mock_free(fixture->mock);
        fixture->mock = mock_new(fixture->kernel, fixture->journal);
}

#define CORE_ADD(c) { .kind = STEP_CORE_ADD, .cpu = (c) }
#define CORE_CLOSE(c, w) { .kind = STEP_CORE_CLOSE, .cpu = (c), .object = w }
#define CORE_REMOVE(c, w) { .kind = STEP_CORE_REMOVE, .cpu = (c), .object = w }
#define MOVE(u, c) { .kind = STEP_UNIT_MOVE, .cpu = (c), .object = u }
#define SET(k, o, v) { .kind = STEP_KNOB_SET, .cpu = IOCORE_CPU_ANY, .knob = k, .object = o, .value = v }

static int run_as(struct fixture *fixture, const char *source, struct step *steps, size_t n_steps, struct decision *ret) {
        struct decision decision = { .intent.action = INTENT_MOVE, .verdict = VERDICT_PLANNED, .steps = steps, .n_steps = n_steps };
        snprintf(decision.intent.source, sizeof decision.intent.source, "%s", source);
        int r = transaction_run(&fixture->mock->actor, &decision);
        assert_true(r < 0 ? decision.verdict == VERDICT_FAILED : decision.verdict == VERDICT_DONE || decision.verdict == VERDICT_UNCHANGED);
        assert_int_equal(r < 0, decision.text[0] != '\0');
        if (ret)
                *ret = decision;
        return r;
}

#define RUN(fixture, ret, ...) \
        run_as(fixture, "policy:test", (struct step[]) { __VA_ARGS__ }, sizeof((struct step[]) { __VA_ARGS__ }) / sizeof(struct step), ret)

static const char *place_of(const struct fixture *fixture, unsigned unit) {
        return fixture->kernel->units[unit].place;
}

static size_t n_entries(const struct fixture *fixture) {
        return journal_n_entries(fixture->mock->actor.journal);
}

static const struct journal_entry *entry_of(const struct fixture *fixture, const char *unit) {
        return journal_find(fixture->mock->actor.journal, JOURNAL_KNOB, "mock", "unit.place", unit);
}

/* --- what is done --- */

static void a_grow_makes_the_core_and_moves_units_onto_it(void **state) {
        struct fixture *fixture = *state;
        struct step steps[] = { CORE_ADD(3), MOVE("u.0", 3), MOVE("u.1", 3) };
        struct decision decision;
        assert_int_equal(run_as(fixture, "policy:test", steps, 3, &decision), 0);
        assert_int_equal(decision.verdict, VERDICT_DONE);
        assert_string_equal(place_of(fixture, 0), "w.3");
        assert_string_equal(place_of(fixture, 1), "w.3");
        assert_true(host_cpu(fixture->mock->host, 3)->io_core);
        assert_true(host_cpu(fixture->mock->host, 3)->io_core_ours);
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(steps[i].result, STEP_DONE);
        assert_string_equal(steps[0].new_value, "w.3");
        assert_string_equal(steps[1].old_value, "w.1");
        assert_string_equal(steps[1].new_value, "w.3");
        assert_int_equal(n_entries(fixture), 3);
        const struct journal_entry *core = journal_find(fixture->mock->actor.journal, JOURNAL_CORE_ADD, "mock", "", "3");
        assert_non_null(core);
        assert_string_equal(core->set_value, "w.3");
        assert_string_equal(core->source, "policy:test");
}

static void a_shrink_leaves_nothing_in_the_journal(void **state) {
        struct fixture *fixture = *state;
        char *before = strdup(mock_kernel_text(fixture->kernel));
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(3), MOVE("u.0", 3), MOVE("u.1", 3)), 0);
        assert_int_equal(RUN(fixture, NULL, CORE_CLOSE(3, "w.3"), MOVE("u.0", IOCORE_CPU_ANY), MOVE("u.1", IOCORE_CPU_ANY), CORE_REMOVE(3, "w.3")), 0);
        assert_string_equal(mock_kernel_text(fixture->kernel), before);
        assert_int_equal(n_entries(fixture), 0);
        assert_false(host_cpu(fixture->mock->host, 3)->io_core);
        assert_false(host_cpu(fixture->mock->host, 3)->io_core_ours);
        free(before);
}

static void on_a_stock_kernel_a_core_is_grown_and_shrunk_by_affinity(void **state) {
        struct fixture *fixture = *state;
        char *before = strdup(mock_kernel_text(fixture->kernel));
        struct decision decision;
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(3), MOVE("u.0", 3)), 0);
        assert_string_equal(place_of(fixture, 0), "3");
        struct step shrink[] = { CORE_CLOSE(3, ""), MOVE("u.0", IOCORE_CPU_ANY), CORE_REMOVE(3, "") };
        assert_int_equal(run_as(fixture, "policy:test", shrink, 3, &decision), 0);
        assert_int_equal(shrink[0].result, STEP_UNCHANGED); /* no worker to close */
        assert_string_equal(mock_kernel_text(fixture->kernel), before);
        assert_int_equal(n_entries(fixture), 0);
        free(before);
}

static void what_is_so_already_is_neither_written_nor_journaled(void **state) {
        struct fixture *fixture = *state;
        struct step steps[] = { MOVE("u.5", MOCK_FOREIGN_CPU), SET("queue.poll", "q.0", "0"), CORE_ADD(MOCK_FOREIGN_CPU), MOVE("u.0", IOCORE_CPU_ANY) };
        struct decision decision;
        assert_int_equal(run_as(fixture, "policy:test", steps, 4, &decision), 0);
        assert_int_equal(decision.verdict, VERDICT_UNCHANGED);
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(steps[i].result, STEP_UNCHANGED);
        assert_int_equal(fixture->kernel->n_writes, 0);
        assert_int_equal(n_entries(fixture), 0);
}

static void a_value_in_other_words_is_no_change(void **state) {
        struct fixture *fixture = *state;
        struct decision decision;
        assert_int_equal(RUN(fixture, &decision, SET("mock.tune", "x", "0x8")), 0);
        assert_int_equal(decision.verdict, VERDICT_UNCHANGED);
        assert_int_equal(n_entries(fixture), 0);
        assert_int_equal(RUN(fixture, &decision, SET("mock.tune", "x", "0x10")), 0);
        assert_int_equal(decision.verdict, VERDICT_DONE);
        assert_string_equal(journal_find(fixture->mock->actor.journal, JOURNAL_KNOB, "mock", "mock.tune", "x")->set_value, "16");
}

static void home_is_where_the_unit_was_first(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(3), CORE_ADD(4), MOVE("u.5", 3)), 0);
        assert_int_equal(RUN(fixture, NULL, MOVE("u.5", 4)), 0);
        assert_string_equal(entry_of(fixture, "u.5")->old_value, "w.2");
        assert_int_equal(RUN(fixture, NULL, MOVE("u.5", IOCORE_CPU_ANY)), 0);
        assert_string_equal(place_of(fixture, 5), "w.2");
        assert_null(entry_of(fixture, "u.5"));
}

static void a_unit_whose_first_worker_is_gone_goes_where_units_are_born(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(3), MOVE("u.5", 3)), 0);
        fixture->kernel->workers[2].exists = false;
        assert_int_equal(RUN(fixture, NULL, MOVE("u.5", IOCORE_CPU_ANY)), 0);
        assert_string_equal(place_of(fixture, 5), "w.1");
        assert_null(entry_of(fixture, "u.5"));
}

static void a_unit_that_iocored_never_moved_is_put_back_after_it_was_sent_home(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, NULL, MOVE("u.5", IOCORE_CPU_ANY)), 0);
        assert_string_equal(place_of(fixture, 5), "w.1");
        assert_string_equal(entry_of(fixture, "u.5")->old_value, "w.2");
}

/* --- what cannot be done --- */

static void a_unit_that_vanished_does_not_keep_a_core_from_growing_and_shrinking(void **state) {
        struct fixture *fixture = *state;
        struct step grow[] = { CORE_ADD(3), MOVE("u.0", 3), MOVE("u.77", 3), MOVE("u.1", 3) };
        struct step shrink[] = { CORE_CLOSE(3, "w.3"), MOVE("u.0", IOCORE_CPU_ANY), MOVE("u.1", IOCORE_CPU_ANY), CORE_REMOVE(3, "w.3") };
        struct decision decision = { .intent.action = INTENT_GROW, .verdict = VERDICT_PLANNED, .steps = grow, .n_steps = 4 };
        assert_int_equal(transaction_run(&fixture->mock->actor, &decision), 0);
        assert_int_equal(grow[2].result, STEP_UNCHANGED);
        assert_string_equal(place_of(fixture, 1), "w.3");
        fixture->kernel->units[0].exists = false; /* the model does not know it yet */
        decision = (struct decision) { .intent.action = INTENT_SHRINK, .verdict = VERDICT_PLANNED, .steps = shrink, .n_steps = 4 };
        assert_int_equal(transaction_run(&fixture->mock->actor, &decision), 0);
        assert_int_equal(decision.verdict, VERDICT_DONE);
        assert_int_equal(shrink[1].result, STEP_UNCHANGED);
        assert_string_equal(place_of(fixture, 1), "w.1");
        assert_false(host_cpu(fixture->mock->host, 3)->io_core);
}

static void a_step_that_fails_says_which_and_why(void **state) {
        struct fixture *fixture = *state;
        struct step steps[] = { CORE_ADD(3), MOVE("u.0", 3), MOVE("u.77", 3), SET("queue.poll", "q.1", "1") };
        struct decision decision;
        assert_int_equal(run_as(fixture, "policy:test", steps, 4, &decision), -ENOENT);
        assert_string_equal(decision.text, "step 3 of 4 failed: move u.77 to CPU 3: No such file or directory; 2 earlier steps were undone");
        assert_int_equal(steps[0].result, STEP_UNDONE);
        assert_int_equal(steps[1].result, STEP_UNDONE);
        assert_int_equal(steps[2].result, STEP_FAILED);
        assert_int_equal(steps[2].error, -ENOENT);
        assert_int_equal(steps[3].result, STEP_PENDING);
        assert_int_equal(n_entries(fixture), 0);
}

static void what_no_plugin_can_do_is_not_supported(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, NULL, SET("numa.bind", "vm", "0")), -EOPNOTSUPP);
        assert_int_equal(RUN(fixture, NULL, SET("queue.poll", "q.99", "1")), -ENOENT);
        assert_int_equal(RUN(fixture, NULL, SET("queue.poll", "q.0", "maybe")), -EINVAL);
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(99)), -EINVAL);
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(-1)), -EINVAL);
        assert_int_equal(RUN(fixture, NULL, MOVE("u.0", 5)), -ENOENT);
        fixture->mock->instances[0] = NULL;
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(3)), -EOPNOTSUPP);
        assert_int_equal(n_entries(fixture), 0);
        assert_int_equal(fixture->kernel->n_writes, 0);
}

static void a_core_that_iocored_did_not_make_is_not_removed(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, NULL, CORE_REMOVE(MOCK_FOREIGN_CPU, "w.2")), -EPERM);
        assert_true(fixture->kernel->workers[2].exists);
        assert_int_equal(fixture->kernel->n_writes, 0);
}

static void a_core_is_not_removed_under_a_unit(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(3), MOVE("u.0", 3)), 0);
        assert_int_equal(RUN(fixture, NULL, CORE_CLOSE(3, "w.3"), CORE_REMOVE(3, "w.3")), -EBUSY);
        assert_false(fixture->kernel->workers[3].locked);
        assert_true(host_cpu(fixture->mock->host, 3)->io_core_ours); /* so that it can be removed another time */
        assert_int_equal(RUN(fixture, NULL, CORE_CLOSE(3, "w.3"), MOVE("u.0", IOCORE_CPU_ANY), CORE_REMOVE(3, "w.3")), 0);
}

static void a_write_that_the_kernel_ignores_is_a_failure(void **state) {
        struct fixture *fixture = *state;
        fixture->kernel->ignore_poll = true;
        assert_int_equal(RUN(fixture, NULL, SET("queue.poll", "q.0", "1")), -EOPNOTSUPP);
        assert_int_equal(n_entries(fixture), 0);
}

static void a_removed_core_is_made_anew_when_a_later_step_fails(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(3), MOVE("u.0", 3)), 0);
        assert_int_equal(RUN(fixture, NULL, CORE_CLOSE(3, "w.3"), MOVE("u.0", IOCORE_CPU_ANY), CORE_REMOVE(3, "w.3"), MOVE("u.9", 3)), -ENOENT);
        assert_string_equal(place_of(fixture, 0), "w.4"); /* ids are never used again */
        assert_int_equal(fixture->kernel->workers[4].cpu, 3);
        struct restore_report report;
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, &report), 0);
        assert_string_equal(place_of(fixture, 0), "w.1");
        assert_false(fixture->kernel->workers[4].exists);
        assert_int_equal(n_entries(fixture), 0);
}

/* One decision is prepared by others and then fails at its Nth write: the host is as it was before, and after a restore as it was at first. */
static void fail_everywhere(bool stock, bool half, const struct step *prepare, size_t n_prepare, const struct step *steps, size_t n_steps) {
        unsigned n_failures = 0;
        for (unsigned fail_at = 1;; fail_at++) {
                struct fixture *fixture = fixture_new(stock);
                char *first = strdup(mock_kernel_text(fixture->kernel));
                struct step copy[16];
                if (n_prepare > 0) {
                        memcpy(copy, prepare, n_prepare * sizeof *copy);
                        assert_int_equal(run_as(fixture, "policy:test", copy, n_prepare, NULL), 0);
                }
                char *before = strdup(mock_kernel_text(fixture->kernel));
                size_t entries_before = n_entries(fixture);
                fixture->kernel->n_writes = 0;
                fixture->kernel->fail_at = fail_at;
                fixture->kernel->fail_half = half;
                fixture->kernel->error = -EIO;
                memcpy(copy, steps, n_steps * sizeof *copy);
                int r = run_as(fixture, "policy:other", copy, n_steps, NULL);
                bool failed = fixture->kernel->n_writes >= fail_at;
                if (failed && r == 0) /* the way home has a second choice: where units are born */
                        assert_string_equal(place_of(fixture, 5), stock ? "0-7" : "w.1");
                else
                        assert_int_equal(r, failed ? -EIO : 0);
                if (r < 0) {
                        n_failures++;
                        assert_int_equal(n_entries(fixture), entries_before);
                        assert_string_equal(mock_kernel_text(fixture->kernel), before);
                        for (size_t i = 0; i < n_entries(fixture); i++) {
                                assert_null(journal_entry(fixture->mock->actor.journal, i)->pending_value);
                                assert_string_equal(journal_entry(fixture->mock->actor.journal, i)->source, "policy:test");
                        }
                }
                fixture->kernel->fail_at = 0;
                struct restore_report report;
                assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, &report), 0);
                assert_int_equal(report.failed + report.foreign, 0);
                assert_string_equal(mock_kernel_text(fixture->kernel), first);
                assert_int_equal(n_entries(fixture), 0);
                free(first);
                free(before);
                fixture_free(fixture);
                if (!failed)
                        break;
        }
        assert_true(n_failures >= 2); /* or the loop tried nothing */
}

static const struct step grow[] = { CORE_ADD(3), MOVE("u.0", 3), MOVE("u.1", 3), MOVE("u.5", 3), SET("queue.poll", "q.0", "1") };
static const struct step grow_twice[] = { CORE_ADD(3), MOVE("u.0", 3), MOVE("u.5", 3), CORE_ADD(4), MOVE("u.1", 4), SET("queue.poll", "q.0", "1") };
static const struct step move[] = { MOVE("u.0", 4), MOVE("u.5", 4), SET("queue.poll", "q.0", "0"), MOVE("u.1", 3), SET("mock.tune", "x", "16") };
static const struct step shrink_elvis[] = { CORE_CLOSE(3, "w.3"), MOVE("u.0", 4), MOVE("u.5", IOCORE_CPU_ANY) };
static const struct step shrink_stock[] = { CORE_CLOSE(3, ""), MOVE("u.0", 4), MOVE("u.5", IOCORE_CPU_ANY), CORE_REMOVE(3, "") };

static void a_grow_that_fails_at_any_write_is_undone(void **state) {
        (void) state;
        for (int i = 0; i < 4; i++)
                fail_everywhere(i & 1, i & 2, NULL, 0, grow, ELEMENTSOF(grow));
}

static void a_move_that_fails_at_any_write_is_undone(void **state) {
        (void) state;
        for (int i = 0; i < 4; i++)
                fail_everywhere(i & 1, i & 2, grow_twice, ELEMENTSOF(grow_twice), move, ELEMENTSOF(move));
}

static void a_shrink_that_fails_at_any_write_is_undone(void **state) {
        (void) state;
        for (int i = 0; i < 2; i++) {
                fail_everywhere(false, i, grow_twice, ELEMENTSOF(grow_twice), shrink_elvis, ELEMENTSOF(shrink_elvis));
                fail_everywhere(true, false, grow_twice, ELEMENTSOF(grow_twice), shrink_stock, ELEMENTSOF(shrink_stock));
        }
}

/* The removal itself: what was removed cannot have its id again, but everything else is as before. */
static void a_shrink_whose_last_write_fails_is_undone(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(3), MOVE("u.0", 3)), 0);
        char *before = strdup(mock_kernel_text(fixture->kernel));
        fixture->kernel->n_writes = 0;
        fixture->kernel->fail_at = 3;
        fixture->kernel->error = -EIO;
        assert_int_equal(RUN(fixture, NULL, CORE_CLOSE(3, "w.3"), MOVE("u.0", IOCORE_CPU_ANY), CORE_REMOVE(3, "w.3")), -EIO);
        assert_string_equal(mock_kernel_text(fixture->kernel), before);
        free(before);
}

static off_t set_file_limit(const char *path, off_t room) {
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        struct rlimit limit = { .rlim_cur = room < 0 ? RLIM_INFINITY : (rlim_t) (st.st_size + room), .rlim_max = RLIM_INFINITY };
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        return st.st_size;
}

static void a_journal_that_cannot_be_written_is_told_as_that(void **state) {
        struct fixture *fixture = *state;
        struct step add[] = { CORE_ADD(3) }, to_core[] = { MOVE("u.0", 4) };
        struct decision decision;
        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(4)), 0);
        set_file_limit(fixture->journal, 0);
        assert_true(run_as(fixture, "policy:test", add, 1, &decision) < 0);
        assert_non_null(strstr(decision.text, "step 1 of 1 failed: make CPU 3 an I/O core: the journal, without which it could not be put back, cannot be written: "));
        assert_true(run_as(fixture, "policy:test", to_core, 1, &decision) < 0);
        assert_non_null(strstr(decision.text, "move u.0 to CPU 4: the journal"));
        set_file_limit(fixture->journal, -1);
        to_core[0] = (struct step) MOVE("u.77", 4);
        assert_true(run_as(fixture, "policy:test", to_core, 1, &decision) < 0);
        assert_null(strstr(decision.text, "journal"));
}

/* The disk gets full in the middle of a decision, at any byte of the journal. */
static void a_journal_that_cannot_be_written_stops_the_change_and_undoes_it(void **state) {
        (void) state;
        signal(SIGXFSZ, SIG_IGN);
        unsigned n_failures = 0;
        for (off_t room = 0;; room += 29) {
                struct fixture *fixture = fixture_new(false);
                assert_int_equal(RUN(fixture, NULL, CORE_ADD(3), MOVE("u.0", 3), SET("queue.poll", "q.0", "1")), 0);
                char *before = strdup(mock_kernel_text(fixture->kernel));
                set_file_limit(fixture->journal, room);
                int r = RUN(fixture, NULL, CORE_ADD(4), MOVE("u.0", 4), MOVE("u.1", 4), SET("queue.poll", "q.0", "0"), SET("mock.tune", "x", "9"));
                set_file_limit(fixture->journal, -1);
                if (r < 0) {
                        n_failures++;
                        assert_string_equal(mock_kernel_text(fixture->kernel), before);
                }
                restart(fixture);
                assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, NULL), 0);
                assert_string_equal(place_of(fixture, 0), "w.1");
                assert_string_equal(fixture->kernel->tune, "8");
                assert_int_equal(n_entries(fixture), 0);
                free(before);
                fixture_free(fixture);
                if (r >= 0)
                        break;
        }
        signal(SIGXFSZ, SIG_DFL);
        assert_true(n_failures > 10);
}

/* Nor does it stop the way back. */
static void what_was_changed_is_put_back_though_the_disk_is_full(void **state) {
        struct fixture *fixture = *state;
        char *before = strdup(mock_kernel_text(fixture->kernel));
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(3), MOVE("u.0", 3), SET("queue.poll", "q.0", "1")), 0);
        strcpy(fixture->kernel->units[1].place, "w.3"); /* born there */
        signal(SIGXFSZ, SIG_IGN);
        set_file_limit(fixture->journal, 0);
        restart(fixture);
        (void) transaction_restore(&fixture->mock->actor, NULL, NULL);
        set_file_limit(fixture->journal, -1);
        signal(SIGXFSZ, SIG_DFL);
        assert_string_equal(mock_kernel_text(fixture->kernel), before);
        restart(fixture);
        struct restore_report report;
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, &report), 0);
        assert_int_equal(report.restored, 0);
        assert_int_equal(n_entries(fixture), 0);
        free(before);
}

/* --- somebody else --- */

static void move_and_let_somebody_else_move_back(struct fixture *fixture, enum foreign_policy foreign) {
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(3), CORE_ADD(4), MOVE("u.0", 3)), 0);
        strcpy(fixture->kernel->units[0].place, "w.2");
        mock_scan(fixture->mock, false);
        fixture->mock->actor.foreign = foreign;
}

static void what_somebody_else_changed_becomes_manual(void **state) {
        struct fixture *fixture = *state;
        move_and_let_somebody_else_move_back(fixture, FOREIGN_MANUAL);
        struct decision decision;
        assert_int_equal(RUN(fixture, &decision, MOVE("u.1", 4), MOVE("u.0", 4)), -ESTALE);
        assert_string_equal(place_of(fixture, 0), "w.2");
        assert_string_equal(place_of(fixture, 1), "w.1"); /* undone */
        assert_int_equal(host_unit(fixture->mock->host, "u.0")->state, OBJECT_MANUAL);
        assert_int_equal(fixture->mock->n_foreign, 1);
        assert_non_null(strstr(decision.text, "somebody else"));
        struct restore_report report;
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, &report), 0);
        assert_string_equal(place_of(fixture, 0), "w.2");
}

static void what_somebody_else_changed_may_be_adopted(void **state) {
        struct fixture *fixture = *state;
        move_and_let_somebody_else_move_back(fixture, FOREIGN_ADOPT);
        assert_int_equal(RUN(fixture, NULL, MOVE("u.0", 4)), 0);
        assert_int_equal(fixture->mock->n_foreign, 1);
        assert_string_equal(entry_of(fixture, "u.0")->old_value, "w.2");
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, NULL), 0);
        assert_string_equal(place_of(fixture, 0), "w.2");
}

static void what_somebody_else_changed_may_be_contested(void **state) {
        struct fixture *fixture = *state;
        move_and_let_somebody_else_move_back(fixture, FOREIGN_CONTEST);
        assert_int_equal(RUN(fixture, NULL, MOVE("u.0", 4)), 0);
        assert_int_equal(fixture->mock->n_foreign, 1);
        assert_string_equal(entry_of(fixture, "u.0")->old_value, "w.1");
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, NULL), 0);
        assert_string_equal(place_of(fixture, 0), "w.1");
}

/* --- putting back --- */

static void a_restore_leaves_alone_what_somebody_else_changed(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(3), MOVE("u.0", 3), MOVE("u.1", 3)), 0);
        strcpy(fixture->kernel->units[0].place, "w.2");
        restart(fixture);
        struct restore_report report;
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, &report), 0);
        assert_string_equal(place_of(fixture, 0), "w.2");
        assert_string_equal(place_of(fixture, 1), "w.1");
        assert_int_equal(report.foreign, 1);
        assert_int_equal(report.restored, 2); /* u.1 and the core */
        assert_int_equal(fixture->mock->n_foreign, 1);
        assert_int_equal(n_entries(fixture), 0);
}

static void a_restore_forgets_what_is_gone_or_another_incarnation(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(3), MOVE("u.0", 3), MOVE("u.1", 3), SET("queue.poll", "q.1", "1")), 0);
        fixture->kernel->units[0].exists = false;
        fixture->kernel->units[1].incarnation++; /* by chance on the same worker, polled */
        strcpy(fixture->kernel->units[1].place, "w.2");
        restart(fixture);
        struct restore_report report;
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, &report), 0);
        assert_int_equal(report.gone, 3);
        assert_int_equal(report.restored, 1); /* the core */
        assert_string_equal(place_of(fixture, 1), "w.2");
        assert_string_equal(fixture->kernel->units[1].poll, "1");
        assert_int_equal(n_entries(fixture), 0);
}

static void a_core_that_was_announced_and_not_confirmed_is_found_and_removed(void **state) {
        struct fixture *fixture = *state;
        struct journal_entry entry = { .kind = JOURNAL_CORE_ADD, .plugin = "mock", .object = "3", .source = "policy:test" };
        assert_int_equal(journal_announce(fixture->mock->actor.journal, &entry, "w.1 w.2 ", ""), 0);
        fixture->kernel->n_workers = 4;
        fixture->kernel->workers[3].exists = fixture->kernel->workers[4].exists = true;
        fixture->kernel->workers[3].cpu = 3;
        fixture->kernel->workers[4].cpu = 4; /* not ours */
        strcpy(fixture->kernel->units[0].place, "w.3"); /* born there meanwhile */
        restart(fixture);
        struct restore_report report;
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, &report), 0);
        assert_int_equal(report.restored, 1);
        assert_false(fixture->kernel->workers[3].exists);
        assert_true(fixture->kernel->workers[4].exists);
        assert_string_equal(place_of(fixture, 0), "w.1");
        assert_int_equal(n_entries(fixture), 0);
}

static void a_worker_that_was_there_before_is_never_taken_for_ours(void **state) {
        struct fixture *fixture = *state;
        struct journal_entry entry = { .kind = JOURNAL_CORE_ADD, .plugin = "mock", .object = "6", .source = "policy:test" };
        assert_int_equal(journal_announce(fixture->mock->actor.journal, &entry, "w.1 w.2 ", ""), 0);
        restart(fixture);
        struct restore_report report;
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, &report), 0);
        assert_int_equal(report.gone, 1);
        assert_true(fixture->kernel->workers[2].exists);
        assert_false(fixture->kernel->workers[2].locked);
}

/* The plugin refuses a closed worker as a target, as vhost-sysfs does. */
static void a_worker_that_was_closed_is_opened_before_its_units_return(void **state) {
        struct fixture *fixture = *state;
        char *before = strdup(mock_kernel_text(fixture->kernel));
        assert_int_equal(RUN(fixture, NULL, CORE_CLOSE(MOCK_FOREIGN_CPU, "w.2"), CORE_ADD(3), MOVE("u.5", 3)), 0);
        assert_true(fixture->kernel->workers[2].locked);
        restart(fixture);
        struct restore_report report;
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, &report), 0);
        assert_int_equal(report.restored, 3);
        assert_string_equal(mock_kernel_text(fixture->kernel), before);
        free(before);
}

static void who_was_on_a_cpu_before_it_became_an_io_core_stays_there(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(MOCK_FOREIGN_CPU), MOVE("u.0", MOCK_FOREIGN_CPU)), 0);
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, NULL), 0);
        assert_string_equal(place_of(fixture, 0), "0-7");
        assert_string_equal(place_of(fixture, 5), "6");
        assert_int_equal(n_entries(fixture), 0);
}

/* The grow that would have made it one failed in the same epoch. */
static void no_unit_is_bound_to_a_cpu_that_did_not_become_an_io_core(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(RUN(fixture, NULL, MOVE("u.0", 3)), -ENOENT);
        assert_string_equal(place_of(fixture, 0), "0-7");
        assert_int_equal(fixture->kernel->n_writes, 0);
}

/* Everything that a failed core_add() left behind is in the way of the next one. */
static void a_core_that_could_not_be_unmade_is_unmade_before_another_is_made(void **state) {
        struct fixture *fixture = *state;
        struct journal_entry entry = { .kind = JOURNAL_CORE_ADD, .plugin = "mock", .object = "3", .source = "policy:test" };
        assert_int_equal(journal_announce(fixture->mock->actor.journal, &entry, "w.1 w.2 ", ""), 0);
        fixture->kernel->n_workers = 3;
        fixture->kernel->workers[3].exists = fixture->kernel->workers[3].locked = true;
        fixture->kernel->workers[3].cpu = 3;
        mock_scan(fixture->mock, true);
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(3)), 0);
        assert_false(fixture->kernel->workers[3].exists);
        assert_true(fixture->kernel->workers[4].exists);
        assert_int_equal(n_entries(fixture), 1);
}

static void what_cannot_be_put_back_stays_in_the_journal(void **state) {
        struct fixture *fixture = *state;
        char *before = strdup(mock_kernel_text(fixture->kernel));
        assert_int_equal(RUN(fixture, NULL, CORE_ADD(3), MOVE("u.0", 3), SET("queue.poll", "q.0", "1"), SET("worker.locked", "w.2", "1")), 0);
        fixture->kernel->fail_percent = 100;
        fixture->kernel->fail_whole = true;
        struct restore_report report;
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, &report), -EIO);
        assert_int_equal(report.failed, 4);
        assert_int_equal(n_entries(fixture), 4);
        fixture->kernel->fail_percent = 0;
        fixture->mock->instances[0] = NULL; /* its plugin is not open */
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, &report), -ENODEV);
        assert_int_equal(n_entries(fixture), 4);
        restart(fixture);
        assert_int_equal(transaction_restore(&fixture->mock->actor, NULL, &report), 0);
        assert_string_equal(mock_kernel_text(fixture->kernel), before);
        assert_int_equal(n_entries(fixture), 0);
        free(before);
}

static void only_what_one_source_changed_last_is_put_back(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(run_as(fixture, "policy:a", (struct step[]) { CORE_ADD(3), MOVE("u.0", 3), MOVE("u.1", 3) }, 3, NULL), 0);
        assert_int_equal(run_as(fixture, "policy:b", (struct step[]) { CORE_ADD(4), MOVE("u.1", 4), SET("queue.poll", "q.0", "1") }, 3, NULL), 0);
        struct restore_report report;
        assert_int_equal(transaction_restore(&fixture->mock->actor, "policy:b", &report), 0);
        assert_int_equal(report.restored, 3);
        assert_string_equal(place_of(fixture, 0), "w.3");
        assert_string_equal(place_of(fixture, 1), "w.1");
        assert_string_equal(fixture->kernel->units[0].poll, "0");
        assert_true(fixture->kernel->workers[3].exists);
        assert_false(fixture->kernel->workers[4].exists);
        assert_true(host_cpu(fixture->mock->host, 3)->io_core_ours);
        assert_int_equal(transaction_restore(&fixture->mock->actor, "policy:a", &report), 0);
        assert_int_equal(n_entries(fixture), 0);
}

static void a_core_of_one_source_is_emptied_of_the_units_of_another(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(run_as(fixture, "policy:a", (struct step[]) { CORE_ADD(3) }, 1, NULL), 0);
        assert_int_equal(run_as(fixture, "policy:b", (struct step[]) { MOVE("u.5", 3) }, 1, NULL), 0);
        assert_int_equal(transaction_restore(&fixture->mock->actor, "policy:a", NULL), 0);
        assert_false(fixture->kernel->workers[3].exists);
        assert_string_equal(place_of(fixture, 5), "w.2");
        assert_int_equal(n_entries(fixture), 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
                TEST(a_grow_makes_the_core_and_moves_units_onto_it),
                TEST(a_shrink_leaves_nothing_in_the_journal),
                cmocka_unit_test_setup_teardown(on_a_stock_kernel_a_core_is_grown_and_shrunk_by_affinity, set_up_stock, tear_down),
                TEST(what_is_so_already_is_neither_written_nor_journaled),
                TEST(a_value_in_other_words_is_no_change),
                TEST(home_is_where_the_unit_was_first),
                TEST(a_unit_whose_first_worker_is_gone_goes_where_units_are_born),
                TEST(a_unit_that_iocored_never_moved_is_put_back_after_it_was_sent_home),
                TEST(a_unit_that_vanished_does_not_keep_a_core_from_growing_and_shrinking),
                TEST(a_step_that_fails_says_which_and_why),
                TEST(what_no_plugin_can_do_is_not_supported),
                TEST(a_core_that_iocored_did_not_make_is_not_removed),
                TEST(a_core_is_not_removed_under_a_unit),
                TEST(a_write_that_the_kernel_ignores_is_a_failure),
                TEST(a_removed_core_is_made_anew_when_a_later_step_fails),
                TEST(a_grow_that_fails_at_any_write_is_undone),
                TEST(a_move_that_fails_at_any_write_is_undone),
                TEST(a_shrink_that_fails_at_any_write_is_undone),
                TEST(a_shrink_whose_last_write_fails_is_undone),
                TEST(a_journal_that_cannot_be_written_is_told_as_that),
                TEST(a_journal_that_cannot_be_written_stops_the_change_and_undoes_it),
                TEST(what_was_changed_is_put_back_though_the_disk_is_full),
                TEST(what_somebody_else_changed_becomes_manual),
                TEST(what_somebody_else_changed_may_be_adopted),
                TEST(what_somebody_else_changed_may_be_contested),
                TEST(a_restore_leaves_alone_what_somebody_else_changed),
                TEST(a_restore_forgets_what_is_gone_or_another_incarnation),
                TEST(a_core_that_was_announced_and_not_confirmed_is_found_and_removed),
                TEST(a_worker_that_was_there_before_is_never_taken_for_ours),
                TEST(a_worker_that_was_closed_is_opened_before_its_units_return),
                cmocka_unit_test_setup_teardown(who_was_on_a_cpu_before_it_became_an_io_core_stays_there, set_up_stock, tear_down),
                cmocka_unit_test_setup_teardown(no_unit_is_bound_to_a_cpu_that_did_not_become_an_io_core, set_up_stock, tear_down),
                TEST(a_core_that_could_not_be_unmade_is_unmade_before_another_is_made),
                TEST(what_cannot_be_put_back_stays_in_the_journal),
                TEST(only_what_one_source_changed_last_is_put_back),
                TEST(a_core_of_one_source_is_emptied_of_the_units_of_another),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

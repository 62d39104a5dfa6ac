/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Knobs for which somebody else answers, later or never. That somebody lives in shared memory, as libvirtd lives in another process: it works off what it was asked for in order, however
 * long it takes, and goes on when the one who asked is killed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/act/asks.h"
#include "daemon/act/fault-point.h"
#include "daemon/cleanup.h"
#include "daemon/log.h"

#define EPOCH 100000u
#define OBJECTS 5
#define REQUESTS 512
#define SECOND 1000000u

struct request {
        unsigned object, number;
        char value[24];
        int error; /* what is answered */
        bool half; /* though it was done */
        unsigned ticks;
};

struct remote {
        char values[OBJECTS][24];
        bool gone[OBJECTS];
        struct request requests[REQUESTS]; /* [first, n): not worked off */
        unsigned first, n;
        int answers[REQUESTS + 1]; /* by number: 1 not yet */
        bool hangs;      /* works off nothing */
        unsigned ticks;  /* that each new request takes */
        int fail_object; /* requests of this object fail, not on the way back; -1 none */
        int error;
        bool fail_half;
        unsigned n_asked;
};

/* One daemon. */
struct daemon {
        struct remote *remote;
        struct host *host;
        struct plugin_instance instance;
        struct plugin_instance *instances[2];
        struct actor actor;
        unsigned pending[OBJECTS]; /* number of the request that is under way, 0: none */
        char asked[OBJECTS][24];
        unsigned n_refused;
        int refused;
        const char *wanted; /* value that reserve() wants of s.0 */
        /* Jobs that move memory: what was begun ("two.1@1", job 1 is the first), and cancelled. */
        char jobs[8][48];
        unsigned n_jobs, n_cancelled;
        bool cancelled[8];
        unsigned fail_job; /* the Nth; 0: none */
};

/* --- the one who answers --- */

static void tick(struct remote *remote) {
        if (remote->hangs || remote->first == remote->n)
                return;
        struct request *request = &remote->requests[remote->first % REQUESTS];
        if (request->ticks > 0 && --request->ticks > 0)
                return;
        remote->first++;
        int r = remote->gone[request->object] ? -ENOENT : request->error;
        if (r == 0 || (request->half && r != -ENOENT))
                memcpy(remote->values[request->object], request->value, sizeof request->value);
        remote->answers[request->number] = r;
}

static void settle_down(struct remote *remote) {
        while (!remote->hangs && remote->first != remote->n)
                tick(remote);
}

static unsigned ask(struct remote *remote, unsigned object, const char *value) {
        assert_true(remote->n < REQUESTS);
        unsigned number = ++remote->n_asked;
        struct request *request = &remote->requests[remote->n++];
        bool fails = remote->fail_object == (int) object && strcmp(value, "a") != 0;
        *request = (struct request) { .object = object, .number = number, .error = fails ? remote->error : 0, .half = remote->fail_half, .ticks = remote->ticks };
        snprintf(request->value, sizeof request->value, "%s", value);
        remote->answers[number] = 1;
        return number;
}

/* --- its plugin --- */

static int index_of(const struct daemon *daemon, const char *object) {
        int i = atoi(object + 2);
        return i < 0 || i >= OBJECTS || daemon->remote->gone[i] ? -ENOENT : i;
}

static int get_slow(void *state, const char *object, char *ret, size_t size) {
        const struct daemon *daemon = state;
        int i = index_of(daemon, object);
        if (i < 0)
                return i;
        snprintf(ret, size, "%s", daemon->remote->values[i]);
        return 0;
}

static int set_slow(void *state, const char *object, const char *value, char *ret, size_t size) {
        struct daemon *daemon = state;
        struct remote *remote = daemon->remote;
        int i = index_of(daemon, object);
        if (i < 0)
                return i;
        if (daemon->pending[i] == 0 || strcmp(daemon->asked[i], value) != 0) {
                daemon->pending[i] = ask(remote, (unsigned) i, value);
                snprintf(daemon->asked[i], sizeof daemon->asked[i], "%s", value);
        }
        for (unsigned waits = 0; !daemon->host->in_haste && waits < 200 && remote->answers[daemon->pending[i]] == 1; waits++)
                tick(remote);
        int r = remote->answers[daemon->pending[i]];
        if (r == 1)
                return daemon->host->in_haste ? -EINPROGRESS : -ETIMEDOUT;
        daemon->pending[i] = 0;
        snprintf(ret, size, "%s", remote->values[i]);
        return r;
}

static int reserve(void *state, iocore_want want, void *userdata) {
        const struct daemon *daemon = state;
        return daemon->wanted ? want(userdata, "slow.value", "s.0", daemon->wanted) : 0;
}

static const struct iocore_knob knobs[] = { { "slow.value", "", get_slow, set_slow }, { "numatune.nodeset", "", get_slow, set_slow } };
static const struct iocore_plugin plugin = {
        .abi = IOCORE_PLUGIN_ABI, .size = sizeof plugin, .name = "slow", .knobs = knobs, .n_knobs = 2, .reserve = reserve,
};

static void on_refused(void *userdata, const char *kind, const char *object, const char *value, int error, bool unannounced) {
        struct daemon *daemon = userdata;
        (void) kind, (void) object, (void) value, (void) unannounced;
        daemon->n_refused++;
        daemon->refused = error;
}

static int begin_memory(void *userdata, const char *domain, int cell, int node, const char *source, uint64_t *ret_job, char *ret_reason, size_t size) {
        struct daemon *daemon = userdata;
        assert_string_equal(source, "policy:test");
        assert_int_equal(asks_n(daemon->actor.asks), 0); /* nothing is awaited any more */
        if (daemon->n_jobs + 1 == daemon->fail_job) {
                snprintf(ret_reason, size, "too many jobs");
                return -EBUSY;
        }
        snprintf(daemon->jobs[daemon->n_jobs], sizeof daemon->jobs[0], "%.30s.%d@%d", domain, cell, node);
        *ret_job = ++daemon->n_jobs;
        return 0;
}

static void cancel_job(void *userdata, uint64_t job) {
        struct daemon *daemon = userdata;
        assert_true(job >= 1 && job <= daemon->n_jobs && !daemon->cancelled[job]);
        daemon->cancelled[job] = true;
        daemon->n_cancelled++;
}

static struct daemon *daemon_new(struct remote *remote, const char *journal) {
        struct daemon *daemon = calloc(1, sizeof *daemon);
        struct topology *topology;
        pid_t holder;
        unsigned broken;
        assert_non_null(daemon);
        daemon->remote = remote;
        assert_int_equal(topology_new(&topology, "/", "pack:1 numa:1 core:4 pu:1", NULL, NULL), 0);
        assert_int_equal(host_new(&daemon->host, topology), 0);
        daemon->host->in_haste = true;
        daemon->host->now_usec = SECOND;
        daemon->instance = (struct plugin_instance) { .plugin = &plugin, .state = daemon };
        daemon->instances[0] = &daemon->instance;
        daemon->actor = (struct actor) { .host = daemon->host, .plugins = daemon->instances, .on_refused = on_refused, .begin_memory = begin_memory, .cancel_job = cancel_job,
                                         .userdata = daemon };
        assert_int_equal(journal_open(&daemon->actor.journal, journal, &holder, &broken), 0);
        assert_int_equal(reservation_new(&daemon->actor.reservation), 0);
        assert_int_equal(asks_new(&daemon->actor.asks), 0);
        return daemon;
}

static void daemon_free(struct daemon *daemon) {
        asks_free(daemon->actor.asks);
        reservation_free(daemon->actor.reservation);
        journal_close(daemon->actor.journal);
        host_free(daemon->host);
        free(daemon);
}

static struct reservation_report poll_asks(struct daemon *daemon) {
        struct reservation_report report = { 0 };
        tick(daemon->remote);
        daemon->host->now_usec += EPOCH;
        (void) asks_poll(&daemon->actor, &report);
        return report;
}

/* --- fixture --- */

struct fixture {
        char directory[64], journal[96];
        struct remote *remote;
        struct daemon *daemon;
        struct step steps[4];
        struct decision decision;
        struct transaction *transaction;
};

static int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        log_set_max_level(LOG_CRIT);
        strcpy(fixture->directory, "/tmp/test-open.XXXXXX");
        assert_non_null(mkdtemp(fixture->directory));
        snprintf(fixture->journal, sizeof fixture->journal, "%s/journal", fixture->directory);
        fixture->remote = mmap(NULL, sizeof *fixture->remote, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(fixture->remote != MAP_FAILED);
        for (unsigned i = 0; i < OBJECTS; i++)
                strcpy(fixture->remote->values[i], "a");
        fixture->remote->fail_object = -1;
        fixture->remote->ticks = 3;
        fixture->daemon = daemon_new(fixture->remote, fixture->journal);
        *state = fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;
        char path[128];
        fixture->transaction = transaction_free(fixture->transaction);
        if (fixture->daemon)
                daemon_free(fixture->daemon);
        snprintf(path, sizeof path, "%s.new", fixture->journal);
        (void) unlink(path);
        assert_int_equal(unlink(fixture->journal), 0);
        assert_int_equal(rmdir(fixture->directory), 0);
        munmap(fixture->remote, sizeof *fixture->remote);
        free(fixture);
        return 0;
}

static int begin(struct fixture *fixture, const char *value, unsigned n_steps) {
        fixture->transaction = transaction_free(fixture->transaction);
        fixture->decision = (struct decision) { .intent.action = INTENT_SET, .intent.source = "policy:test", .verdict = VERDICT_PLANNED, .steps = fixture->steps };
        fixture->decision.n_steps = n_steps;
        for (unsigned i = 0; i < n_steps; i++) {
                fixture->steps[i] = (struct step) { .kind = STEP_KNOB_SET, .cpu = IOCORE_CPU_ANY, .knob = "slow.value" };
                snprintf(fixture->steps[i].object, sizeof fixture->steps[i].object, "s.%u", i);
                snprintf(fixture->steps[i].value, sizeof fixture->steps[i].value, "%s", value);
        }
        return transaction_begin(&fixture->daemon->actor, &fixture->decision, &fixture->transaction);
}

/* So many epochs at most; returns what the transaction said last. */
static int epochs(struct fixture *fixture, unsigned n) {
        int r = -EINPROGRESS;
        for (unsigned i = 0; i < n && r == -EINPROGRESS; i++) {
                (void) poll_asks(fixture->daemon);
                r = transaction_resume(fixture->transaction);
        }
        return r;
}

static size_t n_entries(const struct fixture *fixture) {
        return journal_n_entries(fixture->daemon->actor.journal);
}

static void assert_values(const struct fixture *fixture, const char *expected) {
        char values[sizeof fixture->remote->values] = "";
        for (unsigned i = 0; i < OBJECTS; i++)
                strcat(values, fixture->remote->gone[i] ? "-" : fixture->remote->values[i]);
        assert_string_equal(values, expected);
}

/* --- decisions --- */

static void a_decision_stays_open_until_all_have_answered(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(begin(fixture, "b", 3), -EINPROGRESS);
        assert_int_equal(fixture->decision.verdict, VERDICT_OPEN);
        assert_int_equal(fixture->remote->n_asked, 3); /* all at once */
        assert_int_equal(epochs(fixture, 8), -EINPROGRESS);
        assert_int_equal(fixture->steps[0].result, STEP_DONE);
        assert_int_equal(fixture->steps[2].result, STEP_PENDING);
        assert_int_equal(epochs(fixture, 2), 0);
        assert_int_equal(fixture->decision.verdict, VERDICT_DONE);
        assert_string_equal(fixture->steps[2].old_value, "a");
        assert_string_equal(fixture->steps[2].new_value, "b");
        assert_int_equal(fixture->remote->n_asked, 3);
        assert_values(fixture, "bbbaa");
        const struct journal_entry *entry = journal_find(fixture->daemon->actor.journal, JOURNAL_KNOB, "slow", "slow.value", "s.1");
        assert_true(entry && entry->set_value && !entry->pending_value && strcmp(entry->set_value, "b") == 0);
        assert_int_equal(asks_n(fixture->daemon->actor.asks), 0);
        fixture->daemon->host->in_haste = false;
        assert_int_equal(transaction_restore(&fixture->daemon->actor, NULL, NULL), 0);
        assert_values(fixture, "aaaaa");
        assert_int_equal(n_entries(fixture), 0);
}

static void what_is_so_already_is_not_asked_for(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(begin(fixture, "a", 2), 0);
        assert_int_equal(fixture->decision.verdict, VERDICT_UNCHANGED);
        assert_int_equal(fixture->remote->n_asked, 0);
}

static void a_failure_undoes_what_was_done_when_the_others_have_answered(void **state) {
        struct fixture *fixture = *state;
        for (int half = 0; half < 2; half++) {
                fixture->remote->fail_object = 1;
                fixture->remote->error = -EIO;
                fixture->remote->fail_half = half;
                assert_int_equal(begin(fixture, "b", 3), -EINPROGRESS);
                assert_int_equal(epochs(fixture, 7), -EINPROGRESS);
                assert_int_equal(fixture->remote->n_asked % 100, 3); /* the third has not answered: nothing is undone yet */
                assert_int_equal(epochs(fixture, 20), -EIO);
                assert_int_equal(fixture->decision.verdict, VERDICT_FAILED);
                assert_non_null(strstr(fixture->decision.text, "step 2 of 3 failed: set slow.value of s.1: Input/output error; 2 earlier steps were undone"));
                assert_int_equal(fixture->steps[0].result, STEP_UNDONE);
                assert_int_equal(fixture->steps[1].result, STEP_FAILED);
                assert_values(fixture, "aaaaa");
                assert_int_equal(n_entries(fixture), 0);
                assert_int_equal(asks_n(fixture->daemon->actor.asks), 0);
                fixture->remote->n_asked = 100;
        }
}

static void one_that_vanishes_fails_and_the_others_are_undone(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(begin(fixture, "b", 2), -EINPROGRESS);
        fixture->remote->gone[1] = true;
        assert_int_equal(epochs(fixture, 20), -ENOENT);
        assert_values(fixture, "a-aaa");
        reservation_prune(&fixture->daemon->actor);
        assert_int_equal(n_entries(fixture), 0);
}

static void one_that_never_answers_is_given_up_after_half_a_minute(void **state) {
        struct fixture *fixture = *state;
        fixture->remote->ticks = 1;
        assert_int_equal(begin(fixture, "b", 3), -EINPROGRESS);
        assert_int_equal(epochs(fixture, 1), -EINPROGRESS);
        fixture->remote->hangs = true; /* the first one was done */
        assert_int_equal(epochs(fixture, ASK_PATIENCE_USEC / EPOCH - 1), -EINPROGRESS);
        assert_int_equal(fixture->remote->n_asked, 3);
        assert_int_equal(epochs(fixture, 2), -EINPROGRESS); /* undoing */
        assert_int_equal(fixture->remote->n_asked, 6);
        fixture->remote->hangs = false;
        assert_int_equal(epochs(fixture, 10), -ETIMEDOUT);
        assert_non_null(strstr(fixture->decision.text, "no answer in time; 1 earlier step was undone"));
        assert_values(fixture, "aaaaa");
        assert_int_equal(n_entries(fixture), 0);
}

static void memory_that_is_on_its_way_is_waited_for(void **state) {
        struct fixture *fixture = *state;
        fixture->remote->ticks = 1;
        assert_int_equal(begin(fixture, "a", 3), 0);
        strcpy(fixture->steps[2].knob, "numatune.nodeset");
        for (unsigned i = 0; i < 3; i++)
                strcpy(fixture->steps[i].value, "b");
        fixture->decision.verdict = VERDICT_PLANNED;
        fixture->transaction = transaction_free(fixture->transaction);
        assert_int_equal(transaction_begin(&fixture->daemon->actor, &fixture->decision, &fixture->transaction), -EINPROGRESS);
        assert_int_equal(fixture->remote->n_asked, 2); /* it moves when the vCPUs are there, not before */
        assert_int_equal(epochs(fixture, 2), -EINPROGRESS);
        assert_values(fixture, "bbaaa");
        assert_int_equal(fixture->remote->n_asked, 3);
        fixture->remote->hangs = true;
        assert_int_equal(epochs(fixture, 10 * ASK_PATIENCE_USEC / EPOCH), -EINPROGRESS);
        assert_values(fixture, "bbaaa"); /* the vCPUs stay where the memory goes */
        fixture->remote->hangs = false;
        assert_int_equal(epochs(fixture, 3), 0);
        assert_values(fixture, "bbbaa");
        assert_int_equal(fixture->remote->n_asked, 3);
}

static void memory_does_not_move_when_something_else_failed(void **state) {
        struct fixture *fixture = *state;
        fixture->remote->ticks = 1;
        fixture->remote->fail_object = 1;
        fixture->remote->error = -EIO;
        assert_int_equal(begin(fixture, "a", 3), 0);
        strcpy(fixture->steps[2].knob, "numatune.nodeset");
        for (unsigned i = 0; i < 3; i++)
                strcpy(fixture->steps[i].value, "b");
        fixture->decision.verdict = VERDICT_PLANNED;
        fixture->transaction = transaction_free(fixture->transaction);
        assert_int_equal(transaction_begin(&fixture->daemon->actor, &fixture->decision, &fixture->transaction), -EINPROGRESS);
        assert_int_equal(epochs(fixture, 20), -EIO);
        assert_int_equal(fixture->decision.verdict, VERDICT_FAILED);
        assert_values(fixture, "aaaaa");
        assert_int_equal(fixture->remote->n_asked, 3); /* two, and the way back of the first */
        assert_int_equal(n_entries(fixture), 0);
}

static void what_cannot_even_be_undone_in_time_is_undone_when_it_answers(void **state) {
        struct fixture *fixture = *state;
        fixture->remote->hangs = true;
        assert_int_equal(begin(fixture, "b", 2), -EINPROGRESS);
        assert_int_equal(epochs(fixture, 2 * ASK_PATIENCE_USEC / EPOCH - 1), -EINPROGRESS);
        assert_int_equal(epochs(fixture, 3), -ETIMEDOUT);
        assert_int_equal(fixture->decision.verdict, VERDICT_FAILED);
        assert_non_null(strstr(fixture->decision.text, "2 could not be undone"));
        assert_int_equal(n_entries(fixture), 2); /* it may be done yet, and whoever comes after must know */
        assert_true(asks_is_open(fixture->daemon->actor.asks, "slow.value", "s.0"));
        fixture->remote->hangs = false;
        for (int i = 0; i < 20; i++)
                (void) poll_asks(fixture->daemon);
        assert_values(fixture, "aaaaa");
        assert_int_equal(n_entries(fixture), 0);
        assert_int_equal(asks_n(fixture->daemon->actor.asks), 0);
}

static void while_one_is_under_way_nothing_else_is_set_there(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(begin(fixture, "b", 1), -EINPROGRESS);
        struct step step = { .kind = STEP_KNOB_SET, .knob = "slow.value", .object = "s.0", .value = "c" };
        struct decision another = { .intent.action = INTENT_SET, .verdict = VERDICT_PLANNED, .steps = &step, .n_steps = 1 };
        assert_int_equal(transaction_run(&fixture->daemon->actor, &another), -EBUSY);
        assert_int_equal(epochs(fixture, 10), 0);
        assert_values(fixture, "baaaa");
}

static void steps_of_other_kinds_do_not_wait(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(begin(fixture, "a", 2), 0);
        snprintf(fixture->steps[0].value, sizeof fixture->steps[0].value, "b");
        fixture->steps[1] = (struct step) { .kind = STEP_CORE_CLOSE, .cpu = 1 };
        fixture->decision.verdict = VERDICT_PLANNED;
        assert_int_equal(transaction_begin(&fixture->daemon->actor, &fixture->decision, &fixture->transaction), -EINPROGRESS);
        assert_int_equal(fixture->decision.verdict, VERDICT_FAILED);
        assert_null(fixture->transaction);
        for (int i = 0; i < 10; i++)
                (void) poll_asks(fixture->daemon);
        assert_values(fixture, "aaaaa"); /* it was done, and undone after */
        assert_int_equal(fixture->remote->n_asked, 2);
        assert_int_equal(n_entries(fixture), 0);
}

/* --- jobs that move memory --- */

/* Two knobs, and two jobs after them. */
static void prepare_jobs(struct fixture *fixture, const char *value) {
        fixture->transaction = transaction_free(fixture->transaction);
        fixture->daemon->n_jobs = fixture->daemon->n_cancelled = 0;
        memset(fixture->daemon->cancelled, 0, sizeof fixture->daemon->cancelled);
        fixture->decision = (struct decision) { .intent.action = INTENT_PLACE, .intent.source = "policy:test", .verdict = VERDICT_PLANNED, .steps = fixture->steps, .n_steps = 4,
                                                .text = "It moves." };
        for (int i = 0; i < 2; i++) {
                fixture->steps[i] = (struct step) { .kind = STEP_KNOB_SET, .cpu = IOCORE_CPU_ANY, .knob = "slow.value" };
                snprintf(fixture->steps[i].object, sizeof fixture->steps[i].object, "s.%d", i);
                snprintf(fixture->steps[i].value, sizeof fixture->steps[i].value, "%s", value);
                fixture->steps[2 + i] = (struct step) { .kind = STEP_MEMORY_MOVE, .cpu = IOCORE_CPU_ANY, .object = "two", .cell = i, .node = 1 - i };
        }
}

static int begin_with_jobs(struct fixture *fixture, const char *value) {
        prepare_jobs(fixture, value);
        return transaction_begin(&fixture->daemon->actor, &fixture->decision, &fixture->transaction);
}

static void jobs_begin_when_all_knobs_have_answered(void **state) {
        struct fixture *fixture = *state;
        struct daemon *daemon = fixture->daemon;
        assert_int_equal(begin_with_jobs(fixture, "b"), -EINPROGRESS);
        assert_int_equal(epochs(fixture, 5), -EINPROGRESS);
        assert_int_equal(fixture->steps[0].result, STEP_DONE);
        assert_int_equal(fixture->steps[2].result, STEP_PENDING);
        assert_int_equal(daemon->n_jobs, 0);
        assert_int_equal(epochs(fixture, 1), 0);
        assert_int_equal(fixture->decision.verdict, VERDICT_DONE);
        assert_string_equal(daemon->jobs[0], "two.0@1");
        assert_string_equal(daemon->jobs[1], "two.1@0");
        assert_int_equal(fixture->steps[2].job, 1);
        assert_int_equal(fixture->steps[3].job, 2);
        assert_int_equal(fixture->steps[3].result, STEP_DONE);
        assert_string_equal(fixture->decision.text, "It moves. Jobs that move it: 1, 2.");
        char text[256];
        step_format(fixture->steps + 3, text, sizeof text);
        assert_string_equal(text, "begin job 2 that moves memory of guest cell 1 of two to node 0: done");
        /* where pages are is no setting */
        assert_int_equal(n_entries(fixture), 2);
        daemon->host->in_haste = false;
        assert_int_equal(transaction_restore(&daemon->actor, NULL, NULL), 0);
        assert_int_equal(n_entries(fixture), 0);
        assert_int_equal(daemon->n_cancelled, 0);
}

/* As of a machine that is split and was whole: where its memory goes to has to be allowed first. */
static int begin_with_nodes_and_jobs(struct fixture *fixture, const char *pin) {
        prepare_jobs(fixture, "b");
        strcpy(fixture->steps[0].value, pin);
        strcpy(fixture->steps[1].knob, "numatune.nodeset");
        return transaction_begin(&fixture->daemon->actor, &fixture->decision, &fixture->transaction);
}

static void jobs_begin_when_nodes_that_they_move_to_are_allowed(void **state) {
        struct fixture *fixture = *state;
        struct daemon *daemon = fixture->daemon;
        for (int pins = 0; pins < 2; pins++) {
                daemon->host->in_haste = true;
                assert_int_equal(begin_with_nodes_and_jobs(fixture, pins ? "b" : "a"), -EINPROGRESS);
                assert_int_equal(epochs(fixture, pins ? 5 : 2), -EINPROGRESS);
                assert_int_equal(fixture->steps[1].result, STEP_PENDING); /* asked for, when the pins had answered */
                assert_true(asks_is_open(daemon->actor.asks, "numatune.nodeset", "s.1"));
                assert_int_equal(daemon->n_jobs, 0);
                assert_int_equal(epochs(fixture, 10), 0);
                assert_int_equal(fixture->decision.verdict, VERDICT_DONE);
                assert_values(fixture, pins ? "bbaaa" : "abaaa");
                assert_string_equal(daemon->jobs[0], "two.0@1");
                assert_string_equal(daemon->jobs[1], "two.1@0");
                assert_string_equal(fixture->decision.text, "It moves. Jobs that move it: 1, 2.");
                assert_int_equal(n_entries(fixture), pins + 1);
                /* a setting like any other: it is put back */
                daemon->host->in_haste = false;
                assert_int_equal(transaction_restore(&daemon->actor, NULL, NULL), 0);
                assert_values(fixture, "aaaaa");
                assert_int_equal(n_entries(fixture), 0);
        }
}

static void where_nodes_are_not_allowed_no_job_begins(void **state) {
        struct fixture *fixture = *state;
        fixture->remote->fail_object = 1;
        fixture->remote->error = -EPERM;
        assert_int_equal(begin_with_nodes_and_jobs(fixture, "b"), -EINPROGRESS);
        assert_int_equal(epochs(fixture, 20), -EPERM);
        assert_int_equal(fixture->decision.verdict, VERDICT_FAILED);
        assert_non_null(strstr(fixture->decision.text, "step 2 of 4 failed: set numatune.nodeset of s.1"));
        assert_int_equal(fixture->daemon->n_jobs, 0);
        assert_values(fixture, "aaaaa");
        assert_int_equal(n_entries(fixture), 0);
}

static void nodes_that_were_allowed_for_a_job_that_cannot_begin_are_so_no_more(void **state) {
        struct fixture *fixture = *state;
        fixture->daemon->fail_job = 2;
        assert_int_equal(begin_with_nodes_and_jobs(fixture, "b"), -EINPROGRESS);
        assert_int_equal(epochs(fixture, 30), -EBUSY);
        assert_int_equal(fixture->daemon->n_jobs, 1);
        assert_int_equal(fixture->daemon->n_cancelled, 1);
        assert_int_equal(fixture->steps[1].result, STEP_UNDONE);
        assert_values(fixture, "aaaaa");
        assert_int_equal(n_entries(fixture), 0);
}

static void knobs_that_are_so_already_keep_no_job_waiting(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(begin_with_jobs(fixture, "a"), 0);
        assert_int_equal(fixture->decision.verdict, VERDICT_DONE);
        assert_int_equal(fixture->daemon->n_jobs, 2);
        assert_int_equal(fixture->remote->n_asked, 0);
        fixture->daemon->fail_job = 2;
        assert_int_equal(begin_with_jobs(fixture, "a"), -EBUSY);
        assert_int_equal(fixture->decision.verdict, VERDICT_FAILED);
        assert_int_equal(fixture->daemon->n_cancelled, 1);
        assert_non_null(strstr(fixture->decision.text, "step 4 of 4 failed: move memory of guest cell 1 of two to node 0: too many jobs; 1 earlier step was undone"));
        assert_null(fixture->transaction);
        /* nobody can: a decision of an older plugin, or a mere restore */
        fixture->daemon->actor.begin_memory = NULL;
        assert_int_equal(begin_with_jobs(fixture, "a"), -EOPNOTSUPP);
        assert_int_equal(fixture->daemon->n_jobs, 0);
}

static void a_job_that_cannot_begin_undoes_the_knobs_and_cancels_the_jobs_before(void **state) {
        struct fixture *fixture = *state;
        struct daemon *daemon = fixture->daemon;
        for (unsigned failing = 1; failing <= 2; failing++) {
                daemon->fail_job = failing;
                assert_int_equal(begin_with_jobs(fixture, "b"), -EINPROGRESS);
                assert_int_equal(epochs(fixture, 20), -EBUSY);
                assert_int_equal(fixture->decision.verdict, VERDICT_FAILED);
                assert_non_null(strstr(fixture->decision.text, "too many jobs; "));
                assert_non_null(strstr(fixture->decision.text, failing == 1 ? "2 earlier steps were undone" : "3 earlier steps were undone"));
                assert_int_equal(daemon->n_jobs, failing - 1);
                assert_int_equal(daemon->n_cancelled, failing - 1);
                assert_int_equal(fixture->steps[0].result, STEP_UNDONE);
                assert_int_equal(fixture->steps[2].result, failing == 1 ? STEP_FAILED : STEP_UNDONE);
                assert_int_equal(fixture->steps[3].result, failing == 1 ? STEP_PENDING : STEP_FAILED);
                assert_values(fixture, "aaaaa");
                assert_int_equal(n_entries(fixture), 0);
                assert_int_equal(asks_n(daemon->actor.asks), 0);
        }
}

static void no_job_begins_when_a_knob_fails_or_the_decision_is_abandoned(void **state) {
        struct fixture *fixture = *state;
        fixture->remote->fail_object = 1;
        fixture->remote->error = -EIO;
        assert_int_equal(begin_with_jobs(fixture, "b"), -EINPROGRESS);
        assert_int_equal(epochs(fixture, 20), -EIO);
        assert_int_equal(fixture->daemon->n_jobs, 0);
        fixture->remote->fail_object = -1;
        for (unsigned after = 0; after < 6; after++) {
                assert_int_equal(begin_with_jobs(fixture, "b"), -EINPROGRESS);
                assert_int_equal(epochs(fixture, after), -EINPROGRESS);
                transaction_abandon(fixture->transaction);
                assert_int_equal(epochs(fixture, 20), -ECANCELED);
                assert_int_equal(fixture->daemon->n_jobs, 0);
                settle_down(fixture->remote);
                assert_values(fixture, "aaaaa");
                assert_int_equal(n_entries(fixture), 0);
        }
}

static void what_is_abandoned_is_undone(void **state) {
        struct fixture *fixture = *state;
        for (unsigned after = 0; after < 6; after++) {
                assert_int_equal(begin(fixture, "b", 2), -EINPROGRESS);
                assert_int_equal(epochs(fixture, after), -EINPROGRESS);
                transaction_abandon(fixture->transaction);
                assert_true(epochs(fixture, 20) < 0);
                settle_down(fixture->remote);
                assert_values(fixture, "aaaaa");
                assert_int_equal(n_entries(fixture), 0);
        }
}

/* --- ends --- */

static void a_stop_in_the_middle_leaves_nothing_changed(void **state) {
        struct fixture *fixture = *state;
        for (unsigned after = 0; after < 12; after++) {
                int r = begin(fixture, "b", 3);
                assert_int_equal(r, -EINPROGRESS);
                (void) epochs(fixture, after);
                fixture->transaction = transaction_free(fixture->transaction);
                fixture->daemon->host->in_haste = false;
                struct restore_report report;
                assert_int_equal(transaction_restore(&fixture->daemon->actor, NULL, &report), 0);
                settle_down(fixture->remote);
                assert_values(fixture, "aaaaa");
                assert_int_equal(n_entries(fixture), 0);
                fixture->daemon->host->in_haste = true;
                for (int i = 0; i < 3; i++)
                        (void) poll_asks(fixture->daemon);
                assert_int_equal(asks_n(fixture->daemon->actor.asks), 0);
        }
}

static void a_stop_while_nobody_answers_leaves_it_in_the_journal(void **state) {
        struct fixture *fixture = *state;
        fixture->remote->hangs = true;
        assert_int_equal(begin(fixture, "b", 2), -EINPROGRESS);
        fixture->transaction = transaction_free(fixture->transaction);
        fixture->daemon->host->in_haste = false;
        struct restore_report report;
        assert_int_equal(transaction_restore(&fixture->daemon->actor, NULL, &report), -ETIMEDOUT);
        assert_int_equal(report.failed, 2);
        daemon_free(fixture->daemon);
        fixture->remote->hangs = false;
        settle_down(fixture->remote);
        fixture->daemon = daemon_new(fixture->remote, fixture->journal);
        fixture->daemon->host->in_haste = false;
        assert_int_equal(transaction_restore(&fixture->daemon->actor, NULL, &report), 0);
        assert_values(fixture, "aaaaa");
        assert_int_equal(n_entries(fixture), 0);
}

#ifdef FAULT_POINTS

/* A decision that is done, one that fails and is undone, one that is done on top, a want, and the restore at the end. */
static void live(struct fixture *fixture) {
        struct reservation_report report;
        struct daemon *daemon = fixture->daemon;
        if (begin(fixture, "b", 3) != -EINPROGRESS || epochs(fixture, 50) != 0)
                _exit(2);
        fixture->remote->fail_object = 2;
        fixture->remote->error = -EIO;
        if (begin(fixture, "c", 3) != -EINPROGRESS || epochs(fixture, 50) != -EIO)
                _exit(3);
        fixture->remote->fail_object = -1;
        if (begin(fixture, "d", 2) != -EINPROGRESS || epochs(fixture, 50) != 0)
                _exit(4);
        daemon->wanted = "e";
        for (int i = 0; i < 8; i++) {
                (void) reservation_settle(&daemon->actor, "reservation", &report);
                (void) poll_asks(daemon);
        }
        if (begin(fixture, "f", 3) != -EINPROGRESS)
                _exit(5);
        (void) epochs(fixture, 4);
        fixture->transaction = transaction_free(fixture->transaction);
        daemon->host->in_haste = false;
        if (transaction_restore(&daemon->actor, NULL, NULL) < 0)
                _exit(6);
}

/* True: it was killed at the Nth fault point. */
static bool live_and_die(struct fixture *fixture, const char *point, unsigned n) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                char fault[32];
                snprintf(fault, sizeof fault, "%s:%u", point, n);
                fault_point_reset();
                setenv("IOCORED_FAULT", fault, 1);
                fixture->daemon = daemon_new(fixture->remote, fixture->journal);
                live(fixture);
                _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status))
                assert_int_equal(WEXITSTATUS(status), 0);
        else
                assert_int_equal(WTERMSIG(status), SIGKILL);
        return WIFSIGNALED(status);
}

static void killed_at_any_write_nothing_stays_changed(void **state) {
        struct fixture *fixture = *state;
        static const char *const points[] = { "before", "after", "journal" };
        daemon_free(fixture->daemon);
        for (size_t p = 0; p < ELEMENTSOF(points); p++) {
                unsigned n = 1;
                /* Whether what it was asked for last is done before or after the next one comes must not matter. */
                for (bool killed = true; killed; n++)
                        for (int done_first = 0; done_first < 2; done_first++) {
                                killed = live_and_die(fixture, points[p], n);
                                if (done_first)
                                        settle_down(fixture->remote);
                                fixture->daemon = daemon_new(fixture->remote, fixture->journal);
                                fixture->daemon->host->in_haste = false;
                                assert_int_equal(transaction_restore(&fixture->daemon->actor, NULL, NULL), 0);
                                settle_down(fixture->remote);
                                assert_values(fixture, "aaaaa");
                                assert_int_equal(n_entries(fixture), 0);
                                daemon_free(fixture->daemon);
                                fixture->remote->fail_object = -1;
                                fixture->remote->first = fixture->remote->n = fixture->remote->n_asked = 0;
                        }
                printf("# killed at each of %u fault points \"%s\"\n", n - 1, points[p]);
                assert_true(n > 15);
        }
        fixture->daemon = daemon_new(fixture->remote, fixture->journal);
}

#endif

/* --- wants --- */

static void a_want_that_is_under_way_is_no_refusal(void **state) {
        struct fixture *fixture = *state;
        struct daemon *daemon = fixture->daemon;
        struct reservation_report report;
        daemon->wanted = "b";
        for (int i = 0; i < 2; i++) {
                assert_int_equal(reservation_settle(&daemon->actor, "reservation", &report), 0);
                assert_true(report.n_in_progress == 1 && report.n_refused == 0 && report.n_set == 0 && report.n_kept == 0);
                assert_int_equal(poll_asks(daemon).n_set, 0);
        }
        assert_int_equal(fixture->remote->n_asked, 1);
        daemon->wanted = "c"; /* it has changed its mind: what was asked for first is awaited first */
        assert_int_equal(reservation_settle(&daemon->actor, "reservation", &report), 0);
        assert_int_equal(report.n_in_progress, 1);
        assert_int_equal(poll_asks(daemon).n_set, 1);
        assert_values(fixture, "baaaa");
        for (int i = 0; i < 4; i++) {
                assert_int_equal(reservation_settle(&daemon->actor, "reservation", &report), 0);
                (void) poll_asks(daemon);
        }
        assert_values(fixture, "caaaa");
        assert_int_equal(daemon->n_refused, 0);
        assert_string_equal(journal_find(daemon->actor.journal, JOURNAL_KNOB, "slow", "slow.value", "s.0")->set_value, "c");
}

static void a_want_that_is_refused_later_is_told_and_not_tried_again_at_once(void **state) {
        struct fixture *fixture = *state;
        struct daemon *daemon = fixture->daemon;
        struct reservation_report report;
        daemon->wanted = "b";
        fixture->remote->fail_object = 0;
        fixture->remote->error = -EPERM;
        for (int i = 0; i < 8; i++) {
                assert_int_equal(reservation_settle(&daemon->actor, "reservation", &report), 0);
                (void) poll_asks(daemon);
        }
        assert_int_equal(report.n_kept, 1);
        assert_int_equal(fixture->remote->n_asked, 1);
        assert_int_equal(daemon->n_refused, 1);
        assert_int_equal(daemon->refused, -EPERM);
        assert_int_equal(n_entries(fixture), 0);
}

static void a_want_that_is_never_answered_is_told_once(void **state) {
        struct fixture *fixture = *state;
        struct daemon *daemon = fixture->daemon;
        struct reservation_report report;
        fixture->remote->hangs = true;
        daemon->wanted = "b";
        for (unsigned i = 0; i < 3 * ASK_PATIENCE_USEC / EPOCH; i++) {
                assert_int_equal(reservation_settle(&daemon->actor, "reservation", &report), 0);
                (void) poll_asks(daemon);
                assert_int_equal(daemon->n_refused, i >= ASK_PATIENCE_USEC / EPOCH - 1);
        }
        assert_int_equal(daemon->refused, -ETIMEDOUT);
        assert_int_equal(fixture->remote->n_asked, 1);
        fixture->remote->hangs = false;
        for (int i = 0; i < 5; i++)
                (void) poll_asks(daemon);
        assert_values(fixture, "baaaa");
        assert_int_equal(n_entries(fixture), 1);
        assert_int_equal(asks_n(daemon->actor.asks), 0);
}

/* --- anything --- */

static unsigned pick(uint64_t *seed, unsigned n) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        return (unsigned) (*seed >> 33) % n;
}

static void after_any_run_of_answers_and_failures_everything_is_as_it_was(void **state) {
        struct fixture *fixture = *state;
        const char *given = getenv("IOCORE_SEED");
        uint64_t first = given ? strtoull(given, NULL, 10) : (uint64_t) time(NULL);
        unsigned n_done = 0, n_failed = 0;
        printf("# seed %" PRIu64 "\n", first);
        for (unsigned turn = 0; turn < 2000; turn++) {
                uint64_t seed = first + turn;
                struct remote *remote = fixture->remote;
                remote->first = remote->n = remote->n_asked = 0;
                for (unsigned decision = 0; decision < 3; decision++) {
                        char value[2] = { (char) ('b' + pick(&seed, 4)), '\0' };
                        remote->ticks = pick(&seed, 5);
                        remote->fail_object = pick(&seed, 3) == 0 ? (int) pick(&seed, 4) : -1;
                        remote->error = pick(&seed, 2) ? -EIO : -EINVAL;
                        remote->fail_half = pick(&seed, 2);
                        remote->hangs = pick(&seed, 8) == 0;
                        int r = begin(fixture, value, 1 + pick(&seed, 4));
                        if (r == -EINPROGRESS && pick(&seed, 6) == 0) {
                                (void) epochs(fixture, pick(&seed, 6));
                                transaction_abandon(fixture->transaction);
                        }
                        if (r == -EINPROGRESS)
                                r = epochs(fixture, 310);
                        remote->hangs = false;
                        if (r == -EINPROGRESS)
                                r = epochs(fixture, 700);
                        assert_true(r != -EINPROGRESS);
                        for (int i = 0; i < 60; i++)
                                (void) poll_asks(fixture->daemon);
                        assert_int_equal(asks_n(fixture->daemon->actor.asks), 0);
                        n_done += r == 0;
                        n_failed += r < 0;
                        if (pick(&seed, 3) == 0)
                                continue;
                        fixture->daemon->host->in_haste = false;
                        remote->fail_object = -1;
                        assert_int_equal(transaction_restore(&fixture->daemon->actor, NULL, NULL), 0);
                        settle_down(remote);
                        assert_values(fixture, "aaaaa");
                        assert_int_equal(n_entries(fixture), 0);
                        fixture->daemon->host->in_haste = true;
                }
                fixture->daemon->host->in_haste = false;
                remote->fail_object = -1;
                assert_int_equal(transaction_restore(&fixture->daemon->actor, NULL, NULL), 0);
                settle_down(remote);
                assert_values(fixture, "aaaaa");
                fixture->daemon->host->in_haste = true;
        }
        printf("# %u decisions done, %u failed\n", n_done, n_failed);
        assert_true(n_done > 500 && n_failed > 500);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_decision_stays_open_until_all_have_answered),
                TEST(what_is_so_already_is_not_asked_for),
                TEST(a_failure_undoes_what_was_done_when_the_others_have_answered),
                TEST(one_that_vanishes_fails_and_the_others_are_undone),
                TEST(one_that_never_answers_is_given_up_after_half_a_minute),
                TEST(memory_that_is_on_its_way_is_waited_for),
                TEST(memory_does_not_move_when_something_else_failed),
                TEST(what_cannot_even_be_undone_in_time_is_undone_when_it_answers),
                TEST(while_one_is_under_way_nothing_else_is_set_there),
                TEST(steps_of_other_kinds_do_not_wait),
                TEST(jobs_begin_when_all_knobs_have_answered),
                TEST(jobs_begin_when_nodes_that_they_move_to_are_allowed),
                TEST(where_nodes_are_not_allowed_no_job_begins),
                TEST(nodes_that_were_allowed_for_a_job_that_cannot_begin_are_so_no_more),
                TEST(knobs_that_are_so_already_keep_no_job_waiting),
                TEST(a_job_that_cannot_begin_undoes_the_knobs_and_cancels_the_jobs_before),
                TEST(no_job_begins_when_a_knob_fails_or_the_decision_is_abandoned),
                TEST(what_is_abandoned_is_undone),
                TEST(a_stop_in_the_middle_leaves_nothing_changed),
                TEST(a_stop_while_nobody_answers_leaves_it_in_the_journal),
#ifdef FAULT_POINTS
                TEST(killed_at_any_write_nothing_stays_changed),
#endif
                TEST(a_want_that_is_under_way_is_no_refusal),
                TEST(a_want_that_is_refused_later_is_told_and_not_tried_again_at_once),
                TEST(a_want_that_is_never_answered_is_told_once),
                TEST(after_any_run_of_answers_and_failures_everything_is_as_it_was),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

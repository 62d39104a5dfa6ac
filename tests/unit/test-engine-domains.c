/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole engine with domains whose manager answers later: see toy-domains.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/cleanup.h"
#include "daemon/config.h"
#include "daemon/engine.h"
#include "daemon/log.h"
#include "toy-domains.h"

#define EPOCH_USEC 100000u
#define TOLD_MAX 256

struct told {
        char kind[32], object[IOCORE_NAME_MAX], text[IOCORE_REASON_MAX];
};

struct fixture {
        char root[64];
        struct toy_domains toy;
        struct engine *engine;
        uint64_t now;
        struct told events[TOLD_MAX];
        size_t n_events;
        char verdicts[1024]; /* of decisions as they were told: "7:in-progress 7:done" */
        uint64_t scan_usec;
        const char *topology;
};

static void on_event(void *userdata, const char *kind, const char *object, const char *text) {
        struct fixture *fixture = userdata;
        if (fixture->n_events == TOLD_MAX)
                return;
        struct told *event = &fixture->events[fixture->n_events++];
        snprintf(event->kind, sizeof event->kind, "%s", kind);
        snprintf(event->object, sizeof event->object, "%s", object);
        snprintf(event->text, sizeof event->text, "%s", text);
}

static void on_decided(void *userdata, const struct decision *decision) {
        struct fixture *fixture = userdata;
        size_t n = strlen(fixture->verdicts);
        snprintf(fixture->verdicts + n, sizeof fixture->verdicts - n, "%s%d:%s", n > 0 ? " " : "", (int) decision->id, verdict_to_string(decision->verdict));
}

static char *copy(const char *text) {
        char *copied = strdup(text);
        assert_non_null(copied);
        return copied;
}

static void replace(char **string, const char *value) {
        free(*string);
        *string = copy(value);
}

static void replace_all(char ***strings, const char *value) {
        for (char **i = *strings; i && *i; i++)
                free(*i);
        free(*strings);
        *strings = calloc(2, sizeof **strings);
        assert_non_null(*strings);
        (*strings)[0] = copy(value);
}

static void start(struct fixture *fixture) {
        struct config *config;
        char text[128];
        assert_int_equal(config_new(&config), 0);
        replace(&config->root, fixture->root);
        replace(&config->topology_synthetic, fixture->topology ?: "pack:2 numa:1 l3:1 core:4 pu:1");
        snprintf(text, sizeof text, "%s/journal", fixture->root);
        replace(&config->journal, text);
        replace(&config->plugin_directory, BUILD_DIR "/tests/unit/.libs");
        replace_all(&config->plugins, "toy-domains");
        snprintf(text, sizeof text, "%s/policies", fixture->root);
        replace_all(&config->policy_directories, text);
        config->scan_usec = fixture->scan_usec ?: 3600000000u;
        config->options = calloc(1, sizeof *config->options);
        assert_non_null(config->options);
        snprintf(text, sizeof text, "%p", (void *) &fixture->toy);
        config->options[0] = (struct config_option) { .plugin = copy("toy-domains"), .key = copy("toy"), .value = copy(text) };
        config->n_options = 1;
        assert_int_equal(engine_new(&fixture->engine, config), 0);
        struct engine_listener listener = { .userdata = fixture, .decided = on_decided, .event = on_event, .tells_decisions = true };
        engine_set_listener(fixture->engine, &listener);
}

static void epochs(struct fixture *fixture, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                fixture->now += EPOCH_USEC;
                engine_epoch(fixture->engine, fixture->now);
        }
}

static const struct decision *pin(struct fixture *fixture, const char *object, const char *cpus) {
        struct intent intent = { .action = INTENT_SET, .priority = -1, .node = IOCORE_NODE_UNKNOWN, .cpu = IOCORE_CPU_ANY, .source = "client:test", .knob = "iothread.cpus" };
        const struct decision *decision;
        snprintf(intent.object, sizeof intent.object, "%s", object);
        snprintf(intent.value, sizeof intent.value, "%s", cpus);
        assert_int_equal(engine_submit(fixture->engine, &intent, &decision), 0);
        return decision;
}

static int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        log_set_max_level(getenv("VERBOSE") ? LOG_INFO : LOG_CRIT);
        strcpy(fixture->root, "/tmp/test-engine-domains.XXXXXX");
        assert_non_null(mkdtemp(fixture->root));
        for (int i = 0; i < TOY_DOMAINS; i++) {
                struct toy_domain *domain = &fixture->toy.domains[i];
                domain->name = i == 0 ? "web" : i == 1 ? "db" : NULL;
                domain->pid = 100 * (i + 1);
                for (int v = 0; v < TOY_VCPUS; v++)
                        strcpy(domain->cpus[v], "0-7");
        }
        fixture->now = 1000000;
        *state = fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;
        char path[96];
        engine_free(fixture->engine);
        static const char *const files[] = { "policies/50-test.lua", "policies/40-numa-placement.lua", "policies", "journal" };
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                snprintf(path, sizeof path, "%s/%s", fixture->root, files[i]);
                (void) remove(path);
        }
        assert_int_equal(rmdir(fixture->root), 0);
        free(fixture);
        return 0;
}

/* --- decisions that stay open --- */

static void a_decision_is_in_progress_until_the_manager_answers(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.slow = 5;
        start(fixture);
        epochs(fixture, 3);
        const struct decision *decision = pin(fixture, "toy.0.0", "1");
        assert_int_equal(decision->verdict, VERDICT_OPEN);
        uint64_t id = decision->id;
        epochs(fixture, 4);
        assert_string_equal(fixture->verdicts, "1:in-progress");

        /* Nothing else there meanwhile, elsewhere whatever is wished. */
        decision = pin(fixture, "toy.0.0", "2");
        assert_int_equal(decision->verdict, VERDICT_REFUSED);
        assert_string_equal(decision->rule, "in-progress");
        assert_non_null(strstr(decision->text, "decision 1 of client:test is still changing toy.0.0"));
        assert_int_equal(pin(fixture, "toy.0.1", "2")->verdict, VERDICT_OPEN);
        epochs(fixture, 2);
        assert_string_equal(fixture->verdicts, "1:in-progress 2:refused 3:in-progress 1:done");
        decision = decision_log_find(engine_decisions(fixture->engine), id);
        assert_int_equal(decision->verdict, VERDICT_DONE);
        assert_string_equal(decision->steps[0].new_value, "1");
        assert_int_equal(pin(fixture, "toy.0.0", "2")->verdict, VERDICT_OPEN);
        epochs(fixture, 10);
        assert_string_equal(fixture->toy.domains[0].cpus[0], "2");
        assert_int_equal(engine_restore(fixture->engine, NULL), 0);
        assert_string_equal(fixture->toy.domains[0].cpus[0], "0-7");
        assert_string_equal(fixture->toy.domains[0].cpus[1], "0-7");
}

static void a_failure_that_comes_later_is_told_as_one(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.slow = 3;
        fixture->toy.error = -EIO;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(pin(fixture, "toy.0.0", "1")->verdict, VERDICT_OPEN);
        epochs(fixture, 10);
        assert_string_equal(fixture->verdicts, "1:in-progress 1:failed");
        assert_int_equal(journal_n_entries(engine_journal(fixture->engine)), 0);
        /* and one whose domain is gone meanwhile as no failure at all */
        assert_int_equal(pin(fixture, "toy.1.0", "1")->verdict, VERDICT_OPEN);
        fixture->toy.domains[1].name = NULL;
        epochs(fixture, 5);
        assert_string_equal(fixture->verdicts, "1:in-progress 1:failed 2:in-progress 2:refused");
        assert_string_equal(decision_log_find(engine_decisions(fixture->engine), 2)->rule, "unknown-object");
}

/* What has failed, or whose answer was lost, and was done all the same. */
static void what_was_done_without_an_answer_is_known_and_put_back(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.slow = 3;
        fixture->toy.error = -EIO;
        fixture->toy.does_it = true;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(pin(fixture, "toy.0.0", "1")->verdict, VERDICT_OPEN);
        epochs(fixture, 10);
        assert_string_equal(fixture->verdicts, "1:in-progress 1:failed");
        assert_string_equal(fixture->toy.domains[0].cpus[0], "1");
        const struct journal_entry *entry = journal_entry(engine_journal(fixture->engine), 0);
        assert_int_equal(journal_n_entries(engine_journal(fixture->engine)), 1);
        assert_string_equal(entry->old_value, "0-7");
        assert_string_equal(entry->pending_value, "1");
        /* nothing is asked for where nobody knows what there is, not even the way back */
        unsigned n_sets = fixture->toy.n_sets;
        assert_int_equal(pin(fixture, "toy.0.0", "2")->verdict, VERDICT_FAILED);
        assert_int_equal(fixture->toy.n_sets, n_sets);
        /* it is known again: nobody else did that */
        fixture->toy.away = fixture->toy.does_it = false;
        fixture->toy.error = 0;
        size_t n_events = fixture->n_events;
        fixture->toy.services->knob_changed(fixture->toy.context, "iothread.cpus", "toy.0.0");
        epochs(fixture, 2);
        assert_int_equal(fixture->n_events, n_events);
        assert_int_equal(engine_restore(fixture->engine, NULL), 0);
        assert_string_equal(fixture->toy.domains[0].cpus[0], "0-7");
        assert_int_equal(journal_n_entries(engine_journal(fixture->engine)), 0);
}

/* The way back, too: what holds then is what the journal knew before, and it still does. */
static void a_way_back_without_an_answer_is_no_change_by_somebody_else(void **state) {
        struct fixture *fixture = *state;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(pin(fixture, "toy.0.0", "1")->verdict, VERDICT_DONE);
        fixture->toy.error = -EIO;
        fixture->toy.does_it = true;
        assert_int_equal(pin(fixture, "toy.0.0", "0-7")->verdict, VERDICT_FAILED);
        fixture->toy.away = fixture->toy.does_it = false;
        fixture->toy.error = 0;
        size_t n_events = fixture->n_events;
        fixture->toy.services->knob_changed(fixture->toy.context, "iothread.cpus", "toy.0.0");
        epochs(fixture, 2);
        assert_int_equal(fixture->n_events, n_events);
        assert_int_equal(pin(fixture, "toy.0.0", "2")->verdict, VERDICT_DONE);
        assert_int_equal(engine_restore(fixture->engine, NULL), 0);
        assert_string_equal(fixture->toy.domains[0].cpus[0], "0-7");
}

static void a_stop_in_the_middle_leaves_nothing_changed(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.slow = 1000;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(pin(fixture, "toy.0.0", "1")->verdict, VERDICT_OPEN);
        assert_int_equal(pin(fixture, "toy.1.0", "1")->verdict, VERDICT_OPEN);
        epochs(fixture, 3);
        assert_int_equal(engine_restore(fixture->engine, NULL), 0);
        assert_int_equal(fixture->toy.n_sets, 4); /* back to what it was, although it was so still: what was asked for first may have been done just then */
        assert_int_equal(journal_n_entries(engine_journal(fixture->engine)), 0);
        assert_int_equal(decision_log_find(engine_decisions(fixture->engine), 1)->verdict, VERDICT_FAILED);
}

static void what_a_plugin_wants_may_be_answered_later_too(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.slow = 4;
        fixture->toy.wanted = "2-7";
        fixture->scan_usec = 1000000;
        start(fixture);
        epochs(fixture, 2);
        assert_int_equal(fixture->toy.n_sets, 4);
        assert_int_equal(fixture->n_events, 4); /* two domains and their units were added: nothing was refused */
        epochs(fixture, 10);
        assert_int_equal(fixture->toy.n_sets, 4);
        const struct told *last = &fixture->events[fixture->n_events - 1];
        assert_string_equal(last->kind, "reserved");
        assert_non_null(strstr(last->text, "4 knobs set: 4 iothread.cpus"));
        assert_string_equal(fixture->toy.domains[1].cpus[1], "2-7");
        assert_int_equal(engine_restore(fixture->engine, NULL), 0);
        assert_string_equal(fixture->toy.domains[1].cpus[1], "0-7");
}

static void the_changes_of_a_policy_that_is_stopped_are_undone_when_they_answer(void **state) {
        struct fixture *fixture = *state;
        char path[96], file[128];
        snprintf(path, sizeof path, "%s/policies", fixture->root);
        assert_int_equal(mkdir(path, 0700), 0);
        snprintf(file, sizeof file, "%s/50-test.lua", path);
        FILE *stream = fopen(file, "we");
        assert_non_null(stream);
        fputs("return policy { name = 'test', on_epoch = function(host)\n"
              "  host:set { knob = 'iothread.cpus', object = 'toy.0.0', value = '1' } host:set { knob = 'iothread.cpus', object = 'toy.1.0', value = '1' } end }\n", stream);
        fclose(stream);
        fixture->toy.slow = 3;
        start(fixture);
        epochs(fixture, 3);
        assert_int_equal(fixture->toy.n_sets, 2);
        assert_int_equal(policy_set_enable(engine_policies(fixture->engine), "test", false), 0);
        epochs(fixture, 12);
        assert_string_equal(fixture->toy.domains[0].cpus[0], "0-7");
        assert_string_equal(fixture->toy.domains[1].cpus[0], "0-7");
        assert_int_equal(journal_n_entries(engine_journal(fixture->engine)), 0);
        assert_non_null(strstr(fixture->verdicts, "1:failed"));
        assert_non_null(strstr(fixture->verdicts, "2:failed"));
}

static void the_iothreads_of_a_domain_that_is_to_be_left_alone_are_too(void **state) {
        struct fixture *fixture = *state;
        start(fixture);
        epochs(fixture, 3);
        fixture->toy.domains[0].wish = IOCORE_WISH_MANUAL;
        fixture->toy.domains[1].pinned = true;
        epochs(fixture, 1);
        assert_string_equal(pin(fixture, "toy.0.0", "1")->rule, "manual");
        assert_string_equal(pin(fixture, "toy.1.0", "1")->rule, "pinned");
        fixture->toy.domains[0].wish = fixture->toy.domains[1].wish = IOCORE_WISH_AUTO;
        epochs(fixture, 1);
        assert_int_equal(pin(fixture, "toy.0.0", "1")->verdict, VERDICT_DONE);
        assert_int_equal(pin(fixture, "toy.1.0", "1")->verdict, VERDICT_DONE);
        assert_int_equal(engine_restore(fixture->engine, NULL), 0);
}

/* --- domains that are split --- */

#define GIB ((uint64_t) 1 << 20)

/* A host of two nodes with a CPU each, the shipped policy, and a machine of two vCPUs in a guest cell each, all of whose memory is on node 0. */
static void start_split(struct fixture *fixture) {
        struct toy_domain *domain = &fixture->toy.domains[0];
        char path[96];
        fixture->topology = "pack:2 numa:1 l3:1 core:1 pu:1";
        fixture->toy.domains[1].name = NULL;
        fixture->toy.node_kib = 8 * GIB;
        fixture->toy.slow = 3;
        fixture->toy.job_epochs = 100;
        domain->split = true;
        for (int v = 0; v < TOY_VCPUS; v++) {
                strcpy(domain->cpus[v], "0-1");
                domain->kib[v][0] = GIB;
        }
        snprintf(path, sizeof path, "%s/policies", fixture->root);
        assert_int_equal(mkdir(path, 0700), 0);
        snprintf(path, sizeof path, "%s/policies/40-numa-placement.lua", fixture->root);
        assert_int_equal(symlink(SOURCE_DIR "/policies/40-numa-placement.lua", path), 0);
        start(fixture);
}

static bool is_moving(const struct fixture *fixture) {
        return host_domain(engine_host(fixture->engine), "web")->moving;
}

static uint64_t coming_kib(const struct fixture *fixture, int node) {
        return host_node(engine_host(fixture->engine), node)->memory_coming_kib;
}

static void the_shipped_policy_splits_a_domain_and_its_memory_follows(void **state) {
        struct fixture *fixture = *state;
        const struct toy_domain *domain = &fixture->toy.domains[0];
        start_split(fixture);
        for (int i = 0; i < 60 && fixture->toy.n_memory_begun == 0; i++) {
                epochs(fixture, 1);
                /* last: when the vCPUs are where they should be */
                assert_true(fixture->toy.n_memory_begun == 0 || strcmp(domain->cpus[1], "1") == 0);
        }
        assert_string_equal(fixture->verdicts, "1:in-progress 1:done");
        const struct decision *decision = decision_log_find(engine_decisions(fixture->engine), 1);
        assert_string_equal(decision->text, "web goes split to node 0-1: 2 of 2 vCPUs are pinned anew, 1.0 GiB of memory move. Jobs that move it: 1.");
        assert_int_equal(decision->n_steps, 3);
        assert_int_equal(decision->steps[2].kind, STEP_MEMORY_MOVE);
        assert_int_equal(decision->steps[2].job, 1);
        assert_string_equal(domain->cpus[0], "0");
        const struct job *job = jobs_find(engine_jobs(fixture->engine), 1);
        assert_string_equal(job->kind, "move-memory");
        assert_string_equal(job->object, "web");
        assert_string_equal(job->source, "policy:numa-placement");
        assert_true(job->cell == 1 && job->node == 1);

        /* Meanwhile nobody plans it, whatever the picture is, and nobody gets its room. */
        assert_true(is_moving(fixture));
        assert_int_equal(coming_kib(fixture, 1), GIB);
        epochs(fixture, 50);
        assert_int_equal(job->pub.state, IOCORE_JOB_RUNNING);
        assert_in_range(coming_kib(fixture, 1), GIB / 2 - GIB / 50, GIB / 2 + GIB / 50);
        struct intent intent = { .action = INTENT_PLACE, .priority = -1, .node = IOCORE_NODE_UNKNOWN, .cpu = IOCORE_CPU_ANY, .source = "client:test", .object = "web", .value = "0@1 1@0" };
        assert_int_equal(engine_submit(fixture->engine, &intent, &decision), 0);
        assert_string_equal(decision->rule, "moving");
        epochs(fixture, 51);
        assert_int_equal(job->pub.state, IOCORE_JOB_DONE);
        assert_false(is_moving(fixture));
        assert_int_equal(coming_kib(fixture, 1), 0);
        assert_true(domain->kib[1][0] == 0 && domain->kib[1][1] == GIB && domain->kib[0][0] == GIB);

        /* All is where it should be: nothing is asked for again. */
        epochs(fixture, 1200);
        assert_string_equal(fixture->verdicts, "1:in-progress 1:done 2:refused");
        assert_int_equal(fixture->toy.n_memory_begun, 1);
        assert_int_equal(engine_restore(fixture->engine, NULL), 0);
        assert_string_equal(domain->cpus[0], "0-1");
        assert_true(domain->kib[1][1] == GIB);
}

/* One that was placed whole, and has grown. */
static void a_domain_that_was_bound_to_a_node_is_allowed_the_other_before_its_memory_goes_there(void **state) {
        struct fixture *fixture = *state;
        const struct toy_domain *domain = &fixture->toy.domains[0];
        strcpy(fixture->toy.nodes[0], "0");
        start_split(fixture);
        for (int i = 0; i < 60 && fixture->toy.n_memory_begun == 0; i++) {
                epochs(fixture, 1);
                if (decision_log_find(engine_decisions(fixture->engine), 1))
                        assert_int_equal(coming_kib(fixture, 1), GIB); /* of what is decided nobody gets the room, before it has begun and after */
        }
        assert_string_equal(fixture->verdicts, "1:in-progress 1:done");
        const struct decision *decision = decision_log_find(engine_decisions(fixture->engine), 1);
        assert_int_equal(decision->n_steps, 4);
        assert_string_equal(decision->steps[2].knob, "numatune.nodeset");
        assert_string_equal(decision->steps[2].old_value, "0");
        assert_string_equal(decision->steps[2].new_value, "0-1");
        assert_int_equal(decision->steps[3].kind, STEP_MEMORY_MOVE);
        assert_string_equal(fixture->toy.nodes[0], "0-1");
        assert_true(is_moving(fixture));
        epochs(fixture, 101);
        assert_true(domain->kib[1][0] == 0 && domain->kib[1][1] == GIB && domain->kib[0][0] == GIB);
        epochs(fixture, 1200);
        assert_string_equal(fixture->verdicts, "1:in-progress 1:done");
        assert_int_equal(engine_restore(fixture->engine, NULL), 0);
        assert_string_equal(fixture->toy.nodes[0], "0");
}

static void memory_that_is_bound_to_another_node_takes_room_there_before_it_comes(void **state) {
        struct fixture *fixture = *state;
        const struct decision *decision;
        struct intent intent = { .action = INTENT_BIND_MEMORY, .priority = -1, .node = IOCORE_NODE_UNKNOWN, .cpu = IOCORE_CPU_ANY, .source = "client:test", .object = "web", .value = "1" };
        start_split(fixture);
        fixture->toy.slow = 10;
        epochs(fixture, 2);
        assert_int_equal(coming_kib(fixture, 1), 0);
        assert_int_equal(engine_submit(fixture->engine, &intent, &decision), 0);
        assert_int_equal(decision->verdict, VERDICT_OPEN);
        assert_int_equal(coming_kib(fixture, 1), 2 * GIB);
        assert_int_equal(coming_kib(fixture, 0), 0);
        epochs(fixture, 5);
        assert_int_equal(coming_kib(fixture, 1), 2 * GIB);
        epochs(fixture, 8);
        assert_string_equal(fixture->toy.nodes[0], "1");
        assert_int_equal(coming_kib(fixture, 1), 0);
}

static void where_memory_cannot_be_moved_nothing_is(void **state) {
        struct fixture *fixture = *state;
        fixture->toy.memory_error = -EBUSY;
        start_split(fixture);
        epochs(fixture, 60);
        assert_non_null(strstr(fixture->verdicts, "1:in-progress 1:failed"));
        const struct decision *decision = decision_log_find(engine_decisions(fixture->engine), 1);
        assert_string_equal(decision->text, "step 3 of 3 failed: move memory of guest cell 1 of web to node 1: the toy does not want to; 2 earlier steps were undone");
        assert_string_equal(fixture->toy.domains[0].cpus[0], "0-1");
        assert_string_equal(fixture->toy.domains[0].cpus[1], "0-1");
        assert_null(jobs_at(engine_jobs(fixture->engine), 0));
        assert_false(is_moving(fixture));
        /* it is not tried in each epoch */
        epochs(fixture, 600);
        assert_in_range(decision_log_size(engine_decisions(fixture->engine)), 2, 12);
}

static void a_policy_that_is_stopped_moves_no_memory_any_more(void **state) {
        struct fixture *fixture = *state;
        start_split(fixture);
        epochs(fixture, 60);
        assert_int_equal(fixture->toy.n_memory_begun, 1);
        assert_true(is_moving(fixture));
        assert_int_equal(policy_set_enable(engine_policies(fixture->engine), "numa-placement", false), 0);
        epochs(fixture, 10);
        assert_int_equal(jobs_find(engine_jobs(fixture->engine), 1)->pub.state, IOCORE_JOB_CANCELLED);
        assert_false(is_moving(fixture));
        assert_string_equal(fixture->toy.domains[0].cpus[1], "0-1");
        assert_true(fixture->toy.domains[0].kib[1][1] > 0); /* what was moved stays */
}

static void a_daemon_that_observes_moves_no_memory(void **state) {
        struct fixture *fixture = *state;
        start_split(fixture);
        assert_int_equal(engine_set_mode(fixture->engine, MODE_OBSERVE, "client:test"), 0);
        epochs(fixture, 60);
        assert_int_equal(fixture->toy.n_memory_begun, 0);
        const struct decision *decision = decision_log_find(engine_decisions(fixture->engine), 1);
        assert_int_equal(decision->verdict, VERDICT_WOULD);
        assert_int_equal(decision->n_steps, 3);
        assert_string_equal(decision->text, "web goes split to node 0-1: 2 of 2 vCPUs are pinned anew, 1.0 GiB of memory move.");
}

static void one_that_is_told_to_observe_moves_no_more_of_it(void **state) {
        struct fixture *fixture = *state;
        const struct toy_domain *domain = &fixture->toy.domains[0];
        start_split(fixture);
        for (int i = 0; i < 60 && fixture->toy.n_memory_begun == 0; i++)
                epochs(fixture, 1);
        epochs(fixture, 10);
        assert_true(is_moving(fixture));
        assert_int_equal(engine_set_mode(fixture->engine, MODE_OBSERVE, "client:test"), 0);
        epochs(fixture, 1);
        assert_int_equal(jobs_find(engine_jobs(fixture->engine), 1)->pub.state, IOCORE_JOB_CANCELLED);
        uint64_t left = domain->kib[1][0];
        assert_true(left > 0);
        epochs(fixture, 60);
        assert_int_equal(domain->kib[1][0], left);
}

/* --- wishes --- */

struct answer {
        unsigned n;
        int error;
        char reason[64];
};

static void on_answer(void *userdata, int error, const char *reason) {
        struct answer *answer = userdata;
        answer->n++;
        answer->error = error;
        snprintf(answer->reason, sizeof answer->reason, "%s", reason);
}

static void a_wish_is_answered_once_when_its_keeper_has_answered(void **state) {
        struct fixture *fixture = *state;
        struct answer answer = { 0 };
        start(fixture);
        epochs(fixture, 2);
        assert_int_equal(engine_wish(fixture->engine, "web", "class=latency", on_answer, &answer), 0);
        assert_int_equal(answer.n, 1); /* at once */
        assert_int_equal(answer.error, 0);
        fixture->toy.slow = 4;
        assert_int_equal(engine_wish(fixture->engine, "web", "weight=7", on_answer, &answer), 0);
        assert_int_equal(engine_wish(fixture->engine, "web", "weight=8", on_answer, &answer), -EBUSY);
        assert_int_equal(engine_wish(fixture->engine, "nobody", "weight=8", on_answer, &answer), -ENOENT);
        epochs(fixture, 3);
        assert_int_equal(answer.n, 1);
        epochs(fixture, 5);
        assert_int_equal(answer.n, 2);
        assert_string_equal(fixture->toy.wished, "web weight=7");
        strcpy(fixture->toy.wish_reason, "no such attribute");
        assert_int_equal(engine_wish(fixture->engine, "web", "colour=blue", on_answer, &answer), 0);
        epochs(fixture, 6);
        assert_int_equal(answer.n, 3);
        assert_int_equal(answer.error, -EINVAL);
        assert_string_equal(answer.reason, "no such attribute");
}

static void a_wish_that_nobody_answers_ends_after_ten_seconds_or_with_the_daemon(void **state) {
        struct fixture *fixture = *state;
        struct answer answer = { 0 };
        fixture->toy.slow = 1000000;
        start(fixture);
        epochs(fixture, 2);
        assert_int_equal(engine_wish(fixture->engine, "web", "class=latency", on_answer, &answer), 0);
        epochs(fixture, 99);
        assert_int_equal(answer.n, 0);
        epochs(fixture, 2);
        assert_int_equal(answer.n, 1);
        assert_int_equal(answer.error, -ETIMEDOUT);
        assert_int_equal(engine_wish(fixture->engine, "web", "class=latency", on_answer, &answer), 0);
        assert_int_equal(engine_wish(fixture->engine, "db", "class=latency", on_answer, &answer), 0);
        fixture->toy.domains[1].name = NULL;
        epochs(fixture, 2);
        assert_int_equal(answer.n, 2);
        assert_int_equal(answer.error, -ENOENT);
        fixture->engine = engine_free(fixture->engine);
        assert_int_equal(answer.n, 3);
        assert_int_equal(answer.error, -ECANCELED);
}

/* --- domains --- */

static void what_happens_to_a_domain_is_an_event_within_an_epoch(void **state) {
        struct fixture *fixture = *state;
        start(fixture);
        epochs(fixture, 3);
        fixture->n_events = 0;
        fixture->toy.domains[0].events[0] = "suspended";
        fixture->toy.domains[0].events[1] = "resumed";
        fixture->toy.domains[1].events[0] = "device-added";
        epochs(fixture, 1);
        static const char *const expected[][2] = { { "domain-suspended", "web" }, { "domain-resumed", "web" }, { "domain-device-added", "db" } };
        assert_int_equal(fixture->n_events, ELEMENTSOF(expected));
        for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
                assert_string_equal(fixture->events[i].kind, expected[i][0]);
                assert_string_equal(fixture->events[i].object, expected[i][1]);
                assert_string_equal(fixture->events[i].text, "by toy");
        }
}

static void the_queues_of_a_paused_domain_are_idle_and_back_in_the_epoch_of_its_resuming(void **state) {
        struct fixture *fixture = *state;
        start(fixture);
        epochs(fixture, 4);
        const struct host *host = engine_host(fixture->engine);
        const struct unit *web = host_unit(host, "toy.0"), *db = host_unit(host, "toy.1");
        assert_true(web->load == 0.5 && db->load == 0.5);
        assert_string_equal(host_unit_domain_name(web), "web");
        for (int turn = 0; turn < 3; turn++) {
                fixture->toy.domains[0].state = turn == 1 ? IOCORE_DOMAIN_SHUTOFF : IOCORE_DOMAIN_PAUSED;
                epochs(fixture, 1);
                assert_true(web->load == 0 && web->rates_valid && db->load == 0.5);
                epochs(fixture, 3);
                fixture->toy.domains[0].state = IOCORE_DOMAIN_RUNNING;
                epochs(fixture, 1);
                assert_true(web->load == 0.5 && web->rates_valid);
        }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_decision_is_in_progress_until_the_manager_answers),
                TEST(a_failure_that_comes_later_is_told_as_one),
                TEST(a_stop_in_the_middle_leaves_nothing_changed),
                TEST(what_was_done_without_an_answer_is_known_and_put_back),
                TEST(a_way_back_without_an_answer_is_no_change_by_somebody_else),
                TEST(what_a_plugin_wants_may_be_answered_later_too),
                TEST(the_changes_of_a_policy_that_is_stopped_are_undone_when_they_answer),
                TEST(the_iothreads_of_a_domain_that_is_to_be_left_alone_are_too),
                TEST(the_shipped_policy_splits_a_domain_and_its_memory_follows),
                TEST(a_domain_that_was_bound_to_a_node_is_allowed_the_other_before_its_memory_goes_there),
                TEST(memory_that_is_bound_to_another_node_takes_room_there_before_it_comes),
                TEST(where_memory_cannot_be_moved_nothing_is),
                TEST(a_policy_that_is_stopped_moves_no_memory_any_more),
                TEST(a_daemon_that_observes_moves_no_memory),
                TEST(one_that_is_told_to_observe_moves_no_more_of_it),
                TEST(a_wish_is_answered_once_when_its_keeper_has_answered),
                TEST(a_wish_that_nobody_answers_ends_after_ten_seconds_or_with_the_daemon),
                TEST(what_happens_to_a_domain_is_an_event_within_an_epoch),
                TEST(the_queues_of_a_paused_domain_are_idle_and_back_in_the_epoch_of_its_resuming),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

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
        replace(&config->topology_synthetic, "pack:2 numa:1 l3:1 core:4 pu:1");
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
        static const char *const files[] = { "policies/50-test.lua", "policies", "journal" };
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
                TEST(what_a_plugin_wants_may_be_answered_later_too),
                TEST(the_changes_of_a_policy_that_is_stopped_are_undone_when_they_answer),
                TEST(the_iothreads_of_a_domain_that_is_to_be_left_alone_are_too),
                TEST(a_wish_is_answered_once_when_its_keeper_has_answered),
                TEST(a_wish_that_nobody_answers_ends_after_ten_seconds_or_with_the_daemon),
                TEST(what_happens_to_a_domain_is_an_event_within_an_epoch),
                TEST(the_queues_of_a_paused_domain_are_idle_and_back_in_the_epoch_of_its_resuming),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

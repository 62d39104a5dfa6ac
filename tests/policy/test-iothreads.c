/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The shipped policy for IOThreads: how long they poll, by the class of their domain. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

#define EPOCHS(seconds) ((unsigned) ((seconds) * 1000000 / FIXTURE_EPOCH_USEC))
#define QEMU_DEFAULT 32768

static void say(struct fixture *fixture, struct domain *domain, uint64_t poll_max_ns) {
        const struct iocore_iothread iothread = { .id = 1, .tid = 77, .cpus = "0-3", .poll_max_ns = poll_max_ns, .knob = "u.1.1" };
        assert_int_equal(host_domain_set_iothreads(&fixture->host, domain, &iothread, 1), 0);
}

static struct domain *start(struct fixture *fixture, const char *class) {
        fixture_init(fixture, 1, 4);
        fixture_copy_shipped(fixture, "65-iothreads.lua");
        fixture_load(fixture);
        assert_int_equal(policy_set_size(fixture->set), 1);
        assert_string_equal(policy_set_info(fixture->set, 0)->error, "");
        struct domain *domain = host_domain_add(&fixture->host, NULL, "vm");
        assert_non_null(domain);
        snprintf(domain->pub.class, sizeof domain->pub.class, "%s", class);
        say(fixture, domain, QEMU_DEFAULT);
        return domain;
}

static void finish(struct fixture *fixture) {
        assert_string_equal(fixture->stopped, "");
        while (fixture->host.n_domains > 0)
                host_domain_remove(&fixture->host, fixture->host.domains[0]);
        free(fixture->host.domains);
        free(fixture->host.domains_by_pid);
        fixture->host.domains = NULL;
        fixture_done(fixture);
}

/* Runs until something is asked for, or for `seconds`; what was asked for, -1 nothing. */
static long long asked_within(struct fixture *fixture, unsigned seconds) {
        for (unsigned i = 0; i < EPOCHS(seconds); i++) {
                assert_int_equal(fixture_epoch(fixture), 0);
                if (fixture->intents.n == 0)
                        continue;
                const struct intent *intent = &fixture->intents.intents[0];
                assert_int_equal(fixture->intents.n, 1);
                assert_int_equal(intent->action, INTENT_SET);
                assert_int_equal(intent->priority, 65);
                assert_string_equal(intent->knob, "iothread.poll-max-ns");
                assert_string_equal(intent->object, "u.1.1");
                return strtoll(intent->value, NULL, 10);
        }
        return -1;
}

static void each_class_has_its_polling(void **state) {
        static const struct { const char *class; long long ns; } cases[] = { { "latency", 200000 }, { "besteffort", 0 }, { "throughput", -1 }, { "", -1 } };
        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct fixture fixture;
                start(&fixture, cases[i].class);
                assert_int_equal(asked_within(&fixture, 10), cases[i].ns);
                finish(&fixture);
        }
}

static void what_has_its_value_is_left_alone_until_the_class_changes(void **state) {
        struct fixture fixture;
        (void) state;
        struct domain *domain = start(&fixture, "latency");
        assert_int_equal(asked_within(&fixture, 10), 200000);
        say(&fixture, domain, 200000);
        assert_int_equal(asked_within(&fixture, 120), -1);
        snprintf(domain->pub.class, sizeof domain->pub.class, "besteffort");
        assert_int_equal(asked_within(&fixture, 10), 0);
        say(&fixture, domain, 0);
        assert_int_equal(asked_within(&fixture, 120), -1);
        snprintf(domain->pub.class, sizeof domain->pub.class, "throughput");
        assert_int_equal(asked_within(&fixture, 10), QEMU_DEFAULT);
        finish(&fixture);
}

static void without_a_class_it_polls_as_before(void **state) {
        struct fixture fixture;
        (void) state;
        struct domain *domain = start(&fixture, "latency");
        say(&fixture, domain, 5000);
        assert_int_equal(asked_within(&fixture, 10), 200000);
        say(&fixture, domain, 200000);
        assert_int_equal(asked_within(&fixture, 10), -1);
        snprintf(domain->pub.class, sizeof domain->pub.class, "besteffort");
        assert_int_equal(asked_within(&fixture, 10), 0);
        say(&fixture, domain, 0);
        assert_int_equal(asked_within(&fixture, 10), -1);
        domain->pub.class[0] = '\0';
        assert_int_equal(asked_within(&fixture, 10), 5000);
        say(&fixture, domain, 5000);
        assert_int_equal(asked_within(&fixture, 10), -1);
        /* and what somebody sets then is theirs */
        say(&fixture, domain, 6000);
        assert_int_equal(asked_within(&fixture, 10), -1);
        finish(&fixture);
}

static void a_class_that_does_not_stay_asks_for_nothing(void **state) {
        struct fixture fixture;
        (void) state;
        struct domain *domain = start(&fixture, "throughput");
        for (unsigned i = 0; i < 60; i++) {
                snprintf(domain->pub.class, sizeof domain->pub.class, "%s", i % 2 ? "latency" : "besteffort");
                for (unsigned epoch = 0; epoch < 5; epoch++) {
                        assert_int_equal(fixture_epoch(&fixture), 0);
                        assert_int_equal(fixture.intents.n, 0);
                }
        }
        finish(&fixture);
}

static void what_is_refused_is_asked_for_less_and_less(void **state) {
        struct fixture fixture;
        unsigned n = 0;
        (void) state;
        start(&fixture, "latency");
        for (unsigned i = 0; i < EPOCHS(600); i++) {
                assert_int_equal(fixture_epoch(&fixture), 0);
                n += (unsigned) fixture.intents.n;
        }
        assert_in_range(n, 4, 8); /* after 5, 10, 20 ... seconds */
        finish(&fixture);
}

static void who_wants_to_be_left_alone_or_does_not_run_is(void **state) {
        struct fixture fixture;
        (void) state;
        struct domain *domain = start(&fixture, "latency");
        domain->pub.wish = IOCORE_WISH_MANUAL;
        assert_int_equal(asked_within(&fixture, 10), -1);
        domain->pub.wish = IOCORE_WISH_NONE;
        domain->pub.state = IOCORE_DOMAIN_PAUSED;
        assert_int_equal(asked_within(&fixture, 10), -1);
        domain->pub.state = IOCORE_DOMAIN_RUNNING;
        domain->pub.stale = true;
        assert_int_equal(asked_within(&fixture, 10), -1);
        domain->pub.stale = false;
        assert_int_equal(asked_within(&fixture, 10), 200000);
        finish(&fixture);
}

static void parameters_have_bounds(void **state) {
        struct fixture fixture;
        (void) state;
        start(&fixture, "latency");
        assert_int_equal(policy_set_parameter(fixture.set, "iothreads", "latency_ns", "-1"), -ERANGE);
        assert_int_equal(policy_set_parameter(fixture.set, "iothreads", "latency_ns", "10000001"), -ERANGE);
        assert_int_equal(policy_set_parameter(fixture.set, "iothreads", "latency_ns", "70000"), 0);
        assert_int_equal(asked_within(&fixture, 10), 70000);
        finish(&fixture);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_class_has_its_polling),
                cmocka_unit_test(what_has_its_value_is_left_alone_until_the_class_changes),
                cmocka_unit_test(without_a_class_it_polls_as_before),
                cmocka_unit_test(a_class_that_does_not_stay_asks_for_nothing),
                cmocka_unit_test(what_is_refused_is_asked_for_less_and_less),
                cmocka_unit_test(who_wants_to_be_left_alone_or_does_not_run_is),
                cmocka_unit_test(parameters_have_bounds),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

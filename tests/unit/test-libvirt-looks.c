/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How often libvirt is asked about a domain, however many events there are of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/libvirt/talk-private.h"

#define BUSY "00000000-0000-0000-0000-000000000001"
#define QUIET "00000000-0000-0000-0000-000000000002"

static int set_up(void **state) {
        struct talk *talk = calloc(1, sizeof *talk);
        if (!talk || pthread_mutex_init(&talk->lock, NULL) != 0 || pthread_cond_init(&talk->changed, NULL) != 0)
                return -1;
        talk->end_of_news = &talk->first_news;
        *state = talk;
        return 0;
}

static int tear_down(void **state) {
        struct talk *talk = *state;
        while (talk->first_news)
                talk->first_news = news_free(talk->first_news);
        free(talk->looks);
        free(talk);
        return 0;
}

static bool take(struct talk *talk, char *ret_uuid, uint64_t *ret_next) {
        talk_lock(talk);
        bool taken = looks_take(talk, ret_uuid, ret_next);
        talk_unlock(talk);
        return taken;
}

static void a_domain_is_looked_at_once_for_what_happens_meanwhile(void **state) {
        struct talk *talk = *state;
        char uuid[UUID_SIZE];
        uint64_t next;
        for (int i = 0; i < 100; i++) {
                talk_look(talk, BUSY);
                talk_look(talk, QUIET);
        }
        assert_true(take(talk, uuid, &next));
        assert_string_equal(uuid, BUSY);
        assert_true(take(talk, uuid, &next));
        assert_string_equal(uuid, QUIET);
        assert_false(take(talk, uuid, &next));
        assert_true(next == UINT64_MAX);
}

static void one_that_has_events_all_the_time_is_looked_at_so_often_and_no_more(void **state) {
        struct talk *talk = *state;
        char uuid[UUID_SIZE];
        uint64_t next = 0, begin = talk_now();
        unsigned n = 0;
        for (int i = 0; i < 10000; i++) {
                talk_look(talk, BUSY);
                n += take(talk, uuid, &next);
        }
        uint64_t seconds = (talk_now() - begin) / 1000000;
        assert_in_range(n, LOOKS_PER_SECOND, LOOKS_PER_SECOND * (seconds + 2));
        assert_in_range(next, begin, talk_now() + 1000000);
        /* others do not suffer */
        talk_look(talk, QUIET);
        assert_true(take(talk, uuid, &next));
        assert_string_equal(uuid, QUIET);
        /* and what happened last is seen in the end */
        while (!take(talk, uuid, &next)) {
                assert_true(next != UINT64_MAX);
                assert_true(talk_now() < begin + (seconds + 10) * 1000000);
        }
        assert_string_equal(uuid, BUSY);
}

static void news_that_nobody_takes_do_not_pile_up(void **state) {
        struct talk *talk = *state;
        talk->next_resync_usec = UINT64_MAX;
        for (int i = 0; i < 2 * NEWS_MAX; i++)
                talk_tell(talk, news_new(NEWS_EVENT, BUSY, "connected"));
        talk_tell(talk, news_new(NEWS_LISTED, NULL, NULL)); /* no guest makes that */
        assert_int_equal(talk->next_resync_usec, 0);
        struct news *news = talk_take_news(talk);
        size_t n = 0;
        enum news_kind last = NEWS_EVENT;
        for (; news; news = news_free(news), n++)
                last = news->kind;
        assert_int_equal(n, NEWS_MAX + 1);
        assert_int_equal(last, NEWS_LISTED);
        talk_tell(talk, news_new(NEWS_EVENT, BUSY, "connected"));
        assert_true(talk_has_news(talk));
        assert_non_null(talk->first_news);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_domain_is_looked_at_once_for_what_happens_meanwhile, set_up, tear_down),
                cmocka_unit_test_setup_teardown(one_that_has_events_all_the_time_is_looked_at_so_often_and_no_more, set_up, tear_down),
                cmocka_unit_test_setup_teardown(news_that_nobody_takes_do_not_pile_up, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

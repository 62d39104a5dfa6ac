/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The talk with libvirt: how often it is asked about a domain, however many events there are of it, and how often it is called while it does not want us. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "plugins/libvirt/talk-private.h"

#define BUSY "00000000-0000-0000-0000-000000000001"
#define QUIET "00000000-0000-0000-0000-000000000002"

static int set_up(void **state) {
        struct talk *talk = calloc(1, sizeof *talk);
        if (!talk || pthread_mutex_init(&talk->lock, NULL) != 0 || pthread_cond_init(&talk->changed, NULL) != 0)
                return -1;
        talk->end_of_news = &talk->first_news;
        talk->end_of_requests = &talk->requests;
        talk->status.connected = talk->status.writable = true;
        *state = talk;
        return 0;
}

static int tear_down(void **state) {
        struct talk *talk = *state;
        while (talk->first_news)
                talk->first_news = news_free(talk->first_news);
        requests_free(talk);
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
        /* its next turn is a second after the first of these, and may have come where this took long */
        do
                talk_look(talk, BUSY);
        while (take(talk, uuid, &next));
        assert_in_range(next, begin, talk_now() + 1000000);
        /* others do not suffer */
        talk_look(talk, QUIET);
        do
                assert_true(take(talk, uuid, &next));
        while (strcmp(uuid, BUSY) == 0);
        assert_string_equal(uuid, QUIET);
        /* and what happened last is seen in the end */
        talk_look(talk, BUSY);
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

/* "" or the last digit of the domain that a hand is given next, which then is busy. */
static const char *give(struct talk *talk) {
        struct request *request = next_request(talk);
        if (!request)
                return "";
        request->stage = STAGE_ASKED;
        return strchr(request->question.uuid, '\0') - 1;
}

static void queue(struct talk *talk, enum question_kind kind, unsigned domain) {
        struct question question = { .kind = kind, .id = 1, .value = "0" };
        char text[IOCORE_VALUE_MAX];
        uint64_t serial;
        snprintf(question.uuid, sizeof question.uuid, "00000000-0000-0000-0000-00000000000%u", domain);
        assert_int_equal(talk_ask(talk, &question, 0, text, sizeof text, &serial), -EINPROGRESS);
}

static void memory_of_one_domain_at_a_time_is_moved_and_keeps_nothing_else_waiting(void **state) {
        struct talk *talk = *state;
        queue(talk, ASK_NODESET, 1);
        queue(talk, ASK_NODESET, 2);
        queue(talk, ASK_IOTHREAD_POLL, 3);
        queue(talk, ASK_IOTHREAD_POLL, 4);
        queue(talk, ASK_VCPU_CPUS, 1);
        queue(talk, ASK_VCPU_CPUS, 5);
        assert_string_equal(give(talk), "1");
        assert_string_equal(give(talk), "3");
        assert_string_equal(give(talk), "5"); /* two may take for ever: the last hand is for what does not; and 1 has a hand */
        assert_string_equal(give(talk), "");
        talk->requests->stage = STAGE_ANSWERED;
        assert_string_equal(give(talk), "2");
}

/* Takes every connection and closes it, and notes when: those that follow each other at once are of one attempt. */
static size_t count_attempts(int fd, uint64_t *at, size_t n, uint64_t usec) {
        uint64_t begin = talk_now(), last = 0;
        size_t found = 0;

        while (found < n && talk_now() - begin < usec) {
                int connection = accept(fd, NULL, NULL);
                if (connection < 0) {
                        (void) usleep(1000);
                        continue;
                }
                uint64_t now = talk_now(); /* the attempt fails, and the pause begins, when it is closed: however late that is */
                close(connection);
                if (last == 0 || now - last > 800000)
                        at[found++] = now;
                last = now;
        }
        return found;
}

static void a_libvirt_that_refuses_is_called_less_and_less_often(void **state) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char directory[] = "/tmp/test-libvirt-talk.XXXXXX", uri[256];
        struct talk *talk;
        uint64_t at[3] = { 0 };
        (void) state;
        assert_non_null(mkdtemp(directory));
        snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", directory);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof address), 0);
        assert_int_equal(listen(fd, 4), 0);
        snprintf(uri, sizeof uri, "qemu+unix:///system?socket=%s", address.sun_path);
        assert_int_equal(talk_open(&talk, uri, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), 30000000), 0);
        size_t n = count_attempts(fd, at, 3, 30000000);
        talk_close(talk);
        close(fd);
        (void) unlink(address.sun_path);
        (void) rmdir(directory);
        assert_int_equal(n, 3);
        print_message("attempts after %llu and %llu ms\n", (unsigned long long) (at[1] - at[0]) / 1000, (unsigned long long) (at[2] - at[1]) / 1000);
        assert_true(at[1] - at[0] >= 900000);
        assert_true(at[2] - at[1] >= 1900000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(memory_of_one_domain_at_a_time_is_moved_and_keeps_nothing_else_waiting, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_domain_is_looked_at_once_for_what_happens_meanwhile, set_up, tear_down),
                cmocka_unit_test_setup_teardown(one_that_has_events_all_the_time_is_looked_at_so_often_and_no_more, set_up, tear_down),
                cmocka_unit_test_setup_teardown(news_that_nobody_takes_do_not_pile_up, set_up, tear_down),
                cmocka_unit_test(a_libvirt_that_refuses_is_called_less_and_less_often),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

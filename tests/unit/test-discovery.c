/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How plugins/vhost-thread learns of workers that come and go: events of a connector that the test plays, on fixture trees of /proc. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"
#include "connector-events.h"
#include "fake-services.h"
#include "plugins/vhost-thread/vhost-thread.h"

enum { N_ANSWERS_MAX = 256, KTHREAD = 0x00208040, USER_WORKER = 0x00404040, PLAIN = 0x00400000, LOOKS = 10 };

extern const struct iocore_plugin iocore_plugin;

struct fixture {
        struct iocore_context *context;
        struct iocore_services services;
        struct vhost_state *state;
        struct {
                int error; /* < 0: instead of a datagram */
                char datagram[CONNECTOR_EVENT_SIZE];
        } answers[N_ANSWERS_MAX];
        size_t n, next;
        unsigned n_opened;
        struct {
                char key[32], value[256];
        } said[8];
        size_t n_said;
};

static ssize_t play(void *userdata, void *buffer, size_t size, uint32_t *ret_sender) {
        struct fixture *fixture = userdata;
        assert_true(size >= CONNECTOR_EVENT_SIZE);
        if (fixture->next == fixture->n) {
                fixture->n = fixture->next = 0;
                return -EAGAIN;
        }
        size_t i = fixture->next++;
        if (fixture->answers[i].error < 0)
                return fixture->answers[i].error;
        memcpy(buffer, fixture->answers[i].datagram, CONNECTOR_EVENT_SIZE);
        *ret_sender = 0;
        return CONNECTOR_EVENT_SIZE;
}

static void tell_born(struct fixture *fixture, pid_t process, pid_t thread) {
        assert_true(fixture->n < N_ANSWERS_MAX);
        fixture->answers[fixture->n].error = 0;
        connector_event_fork(fixture->answers[fixture->n++].datagram, process == thread ? 2 : 1, process, thread);
}

static void tell_error(struct fixture *fixture, int error) {
        assert_true(fixture->n < N_ANSWERS_MAX);
        fixture->answers[fixture->n++].error = error;
}

static int count_open_path(struct iocore_context *context, const char *path, int flags) {
        ((struct fixture *) context->userdata)->n_opened++;
        return fake_services.open_path(context, path, flags);
}

static int any_cpu(void *userdata, pid_t thread, struct affinity_mask *ret) {
        (void) userdata;
        (void) thread;
        memset(ret, 0, sizeof *ret);
        for (unsigned cpu = 0; cpu < 8; cpu++)
                CPU_SET_S(cpu, sizeof ret->sets, ret->sets);
        return 0;
}

static const struct affinity_calls affinity = { .get = any_cpu };

static void put_thread(struct fixture *fixture, const char *directory, pid_t process, pid_t id, const char *name, pid_t parent, unsigned flags, unsigned start_time) {
        char path[160], text[512];

        snprintf(path, sizeof path, "%s/comm", directory);
        snprintf(text, sizeof text, "%s\n", name);
        fixture_write(fixture->context, path, text);
        snprintf(path, sizeof path, "%s/stat", directory);
        snprintf(text, sizeof text, "%d (%s) S %d 0 0 0 -1 %u 0 0 0 0 3 7 0 0 20 0 1 0 %u 0 0 18446744073709551615 0 0\n", (int) id, name, (int) parent, flags,
                 start_time);
        fixture_write(fixture->context, path, text);
        snprintf(path, sizeof path, "%s/status", directory);
        snprintf(text, sizeof text, "Name:\t%s\nTgid:\t%d\nPid:\t%d\nPPid:\t%d\nCpus_allowed_list:\t0-7\nMems_allowed_list:\t1\n", name, (int) process, (int) id,
                 (int) parent);
        fixture_write(fixture->context, path, text);
        snprintf(path, sizeof path, "%s/schedstat", directory);
        fixture_write(fixture->context, path, "1000 200 3\n");
}

static void put_kernel_thread(struct fixture *fixture, pid_t id, const char *name, unsigned start_time) {
        char directory[64];
        snprintf(directory, sizeof directory, "/proc/%d", (int) id);
        put_thread(fixture, directory, id, id, name, 2, KTHREAD, start_time);
}

static void put_task(struct fixture *fixture, pid_t process, pid_t id, const char *name, unsigned flags) {
        char directory[64];
        snprintf(directory, sizeof directory, "/proc/%d/task/%d", (int) process, (int) id);
        put_thread(fixture, directory, process, id, name, 1, flags, 99);
}

static void open_plugin(struct fixture *fixture, struct connector *connector) {
        char reason[IOCORE_REASON_MAX] = "";
        void *state = NULL;
        assert_int_equal(vhost_open_connected(&fixture->services, fixture->context, &affinity, connector, "not asked for", &state, reason, sizeof reason), 0);
        fixture->state = state;
}

static void connect_plugin(struct fixture *fixture) {
        struct connector *connector = connector_new(play, fixture);
        assert_non_null(connector);
        open_plugin(fixture, connector);
}

static int announced(struct fixture *fixture) {
        return iocore_plugin.announced(fixture->state);
}

static void scan(struct fixture *fixture, bool thorough) {
        assert_int_equal(iocore_plugin.scan(fixture->state, thorough), 0);
}

static int set_up(void **test_state) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        assert_non_null(fixture);
        fixture->context = fake_context_new();
        fixture->context->userdata = fixture;
        fixture->services = fake_services;
        fixture->services.open_path = count_open_path;
        fixture_write(fixture->context, "/proc/1/comm", "init\n");
        put_thread(fixture, "/proc/100", 100, 100, "qemu-system-x86", 1, PLAIN, 50);
        *test_state = fixture;
        return 0;
}

static int tear_down(void **test_state) {
        struct fixture *fixture = *test_state;
        iocore_plugin.close(fixture->state);
        assert_int_equal(fixture->context->n_workers, 0);
        assert_int_equal(fixture->context->n_units, 0);
        fake_context_free(fixture->context);
        free(fixture);
        return 0;
}

static void a_worker_is_in_the_model_when_its_event_has_been_read(void **test_state) {
        struct fixture *fixture = *test_state;
        connect_plugin(fixture);
        assert_int_equal(announced(fixture), 0);
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        put_task(fixture, 100, 104, "vhost-100", USER_WORKER);
        tell_born(fixture, 120, 120);
        tell_born(fixture, 100, 104);
        assert_int_equal(announced(fixture), 1);
        assert_non_null(fake_worker(fixture->context, "t.120"));
        assert_int_equal(fake_unit(fixture->context, "t.120")->owner, 100);
        assert_non_null(fake_worker(fixture->context, "t.104"));
        assert_int_equal(fake_unit(fixture->context, "t.104")->owner, 100);
        tell_born(fixture, 120, 120); /* told twice: nothing new */
        assert_int_equal(announced(fixture), 0);
}

static void a_thread_is_a_worker_by_its_flags_not_by_its_event(void **test_state) {
        struct fixture *fixture = *test_state;
        connect_plugin(fixture);
        put_task(fixture, 100, 105, "vhost-100", PLAIN);
        put_thread(fixture, "/proc/130", 130, 130, "vhost-1", 1, PLAIN, 60); /* a process that renamed itself */
        put_thread(fixture, "/proc/131", 131, 131, "kthreadd", 1, PLAIN, 60);
        tell_born(fixture, 100, 105);
        tell_born(fixture, 130, 130);
        tell_born(fixture, 131, 131);
        tell_born(fixture, 100, 106); /* gone already */
        tell_born(fixture, 140, 140);
        assert_int_equal(announced(fixture), 0);
        assert_int_equal(fixture->context->n_workers, 0);
        fixture->n_opened = 0;
        assert_int_equal(announced(fixture), 0);
        assert_int_equal(fixture->n_opened, 0); /* none is looked at again */
}

static void a_kernel_thread_that_has_no_name_yet_is_looked_at_again(void **test_state) {
        struct fixture *fixture = *test_state;
        connect_plugin(fixture);
        put_kernel_thread(fixture, 120, "kthreadd", 1234);
        put_kernel_thread(fixture, 121, "kthreadd", 1235);
        tell_born(fixture, 120, 120);
        tell_born(fixture, 121, 121);
        assert_int_equal(announced(fixture), 0);
        assert_int_equal(announced(fixture), 0);
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        put_kernel_thread(fixture, 121, "kworker/0:1", 1235);
        assert_int_equal(announced(fixture), 1);
        assert_non_null(fake_worker(fixture->context, "t.120"));
        assert_int_equal(fixture->context->n_workers, 1);
        fixture->n_opened = 0;
        assert_int_equal(announced(fixture), 0);
        assert_int_equal(fixture->n_opened, 0);
}

static void a_kernel_thread_that_never_gets_a_name_is_given_up(void **test_state) {
        struct fixture *fixture = *test_state;
        unsigned n = 0;
        connect_plugin(fixture);
        put_kernel_thread(fixture, 120, "kthreadd", 1234);
        tell_born(fixture, 120, 120);
        do {
                fixture->n_opened = 0;
                assert_int_equal(announced(fixture), 0);
                n++;
        } while (fixture->n_opened > 0 && n < 100);
        assert_in_range(n, 3, LOOKS + 2);
}

static void more_unnamed_threads_than_can_be_remembered_are_found_by_one_look_at_everything(void **test_state) {
        struct fixture *fixture = *test_state;
        connect_plugin(fixture);
        for (pid_t id = 1000; id < 1000 + VHOST_YOUNG_MAX + 3; id++) {
                put_kernel_thread(fixture, id, "kthreadd", 1234);
                tell_born(fixture, id, id);
        }
        assert_int_equal(announced(fixture), 0);
        put_kernel_thread(fixture, 1000 + VHOST_YOUNG_MAX + 2, "vhost-100", 1234);
        for (pid_t id = 1000; id < 1000 + VHOST_YOUNG_MAX + 2; id++)
                put_kernel_thread(fixture, id, "kworker", 1234);
        fixture->state->looked_everywhere = 0; /* long ago */
        assert_int_equal(announced(fixture), 1);
        assert_int_equal(fixture->context->n_workers, 1);
}

static void lost_events_cost_one_look_at_everything(void **test_state) {
        struct fixture *fixture = *test_state;
        connect_plugin(fixture);
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        fixture->state->looked_everywhere = 0; /* long ago */
        tell_error(fixture, -ENOBUFS);
        assert_int_equal(announced(fixture), 1);
        assert_non_null(fake_worker(fixture->context, "t.120"));
        fixture->n_opened = 0;
        assert_int_equal(announced(fixture), 0);
        assert_int_equal(fixture->n_opened, 0);
}

static void however_often_events_are_lost_everything_is_not_looked_at_all_the_time(void **test_state) {
        struct fixture *fixture = *test_state;
        connect_plugin(fixture);
        uint64_t looked = fixture->state->looked_everywhere;
        fixture->n_opened = 0;
        for (int i = 0; i < 20 && fixture->state->looked_everywhere == looked; i++) {
                tell_error(fixture, -ENOBUFS);
                assert_int_equal(announced(fixture), 0);
        }
        /* An epoch here takes microseconds; a machine that stood still for a second in between has looked again, rightly. */
        assert_true(fixture->n_opened == 0 || fixture->state->looked_everywhere - looked >= 1000000);
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        fixture->state->looked_everywhere = 0;
        assert_int_equal(announced(fixture), 1); /* but it is not forgotten */
}

static void an_unnamed_thread_whose_event_was_lost_is_found_too(void **test_state) {
        struct fixture *fixture = *test_state;
        connect_plugin(fixture);
        put_kernel_thread(fixture, 120, "kthreadd", 1234);
        fixture->state->looked_everywhere = 0;
        tell_error(fixture, -ENOBUFS);
        assert_int_equal(announced(fixture), 0);
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        assert_int_equal(announced(fixture), 1);
        assert_int_equal(fixture->context->n_workers, 1);
}

static void with_a_connector_only_a_thorough_scan_searches(void **test_state) {
        struct fixture *fixture = *test_state;
        put_kernel_thread(fixture, 119, "vhost-100", 1000);
        connect_plugin(fixture);
        assert_int_equal(fixture->context->n_workers, 1);
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        fixture->n_opened = 0;
        scan(fixture, false);
        assert_int_equal(fixture->n_opened, 0);
        assert_int_equal(fixture->context->n_workers, 1);
        scan(fixture, true);
        assert_int_equal(fixture->context->n_workers, 2);
}

/* The schedstat of a real thread, as only that says ESRCH. */
static void a_worker_that_ended_leaves_the_model_with_the_next_epoch(void **test_state) {
        struct fixture *fixture = *test_state;
        char path[64];
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        connect_plugin(fixture);

        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                pause();
                _exit(0);
        }
        snprintf(path, sizeof path, "/proc/%d/schedstat", (int) child);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_true(dup2(fd, fixture->state->threads[0]->schedstat) >= 0);
        close(fd);
        assert_int_equal(iocore_plugin.sample_workers(fixture->state), 0);
        assert_int_equal(announced(fixture), 0);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_int_equal(iocore_plugin.sample_workers(fixture->state), 0);
        assert_int_equal(fixture->context->n_workers, 1);
        assert_int_equal(announced(fixture), 1);
        assert_int_equal(fixture->context->n_workers, 0);
        assert_int_equal(fixture->context->n_units, 0);
}

static void an_id_that_is_used_again_at_once_is_another_worker(void **test_state) {
        struct fixture *fixture = *test_state;
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        connect_plugin(fixture);
        assert_int_equal(fake_worker(fixture->context, "t.120")->incarnation, 1234);
        put_kernel_thread(fixture, 120, "vhost-100", 5678);
        tell_born(fixture, 120, 120);
        assert_int_equal(announced(fixture), 1);
        assert_int_equal(fixture->context->n_workers, 1);
        assert_int_equal(fake_worker(fixture->context, "t.120")->incarnation, 5678);
}

static void say(void *userdata, const char *key, const char *value) {
        struct fixture *fixture = userdata;
        assert_true(fixture->n_said < ELEMENTSOF(fixture->said));
        snprintf(fixture->said[fixture->n_said].key, sizeof fixture->said[0].key, "%s", key);
        snprintf(fixture->said[fixture->n_said].value, sizeof fixture->said[0].value, "%s", value);
        fixture->n_said++;
}

static const char *described(struct fixture *fixture, const char *key) {
        fixture->n_said = 0;
        iocore_plugin.describe(fixture->state, say, fixture);
        for (size_t i = 0; i < fixture->n_said; i++)
                if (strcmp(fixture->said[i].key, key) == 0)
                        return fixture->said[i].value;
        return "";
}

static void a_connector_that_fails_is_replaced_by_scans(void **test_state) {
        struct fixture *fixture = *test_state;
        connect_plugin(fixture);
        assert_string_equal(described(fixture, "discovery"), "process connector");
        tell_error(fixture, -ENOTCONN);
        assert_int_equal(announced(fixture), -ENOTCONN);
        assert_string_equal(described(fixture, "discovery"), "a scan every second (process connector: Transport endpoint is not connected)");
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        assert_int_equal(announced(fixture), 0);
        scan(fixture, false);
        assert_int_equal(fixture->context->n_workers, 1);
}

static void it_is_said_how_workers_are_found_and_what_they_are(void **test_state) {
        struct fixture *fixture = *test_state;
        open_plugin(fixture, NULL);
        assert_string_equal(described(fixture, "discovery"), "a scan every second (process connector: not asked for)");
        assert_string_equal(described(fixture, "workers"), "none yet");
        assert_string_equal(described(fixture, "fork_from_owner_default"), "");
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        scan(fixture, true);
        assert_string_equal(described(fixture, "workers"), "kernel threads");
        put_task(fixture, 100, 104, "vhost-100", USER_WORKER);
        put_thread(fixture, "/proc/100/task/100", 100, 100, "qemu-system-x86", 1, PLAIN, 50);
        scan(fixture, true);
        assert_string_equal(described(fixture, "workers"), "kernel threads and threads of their owners");
        fixture_write(fixture->context, "/sys/module/vhost/parameters/fork_from_owner_default", "Y\n");
        assert_string_equal(described(fixture, "fork_from_owner_default"), "Y");
        fixture_remove(fixture->context, "/proc/120");
        scan(fixture, false);
        assert_string_equal(described(fixture, "workers"), "threads of their owners");
}

static const char *option_value;

static const char *option(struct iocore_context *context, const char *key) {
        (void) context;
        return strcmp(key, "connector") == 0 ? option_value : NULL;
}

static void the_connector_can_be_switched_off(void **test_state) {
        struct fixture *fixture = *test_state;
        char reason[IOCORE_REASON_MAX] = "";
        void *state = NULL;
        fixture->services.option = option;
        option_value = "perhaps";
        assert_int_equal(iocore_plugin.open(&fixture->services, fixture->context, &state, reason, sizeof reason), -EINVAL);
        assert_string_equal(reason, "option connector: \"perhaps\" is neither yes nor no");
        assert_null(state);
        option_value = "no";
        assert_int_equal(iocore_plugin.open(&fixture->services, fixture->context, &state, reason, sizeof reason), 0);
        fixture->state = state;
        assert_string_equal(described(fixture, "discovery"), "a scan every second (process connector: switched off)");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_worker_is_in_the_model_when_its_event_has_been_read),
                TEST(a_thread_is_a_worker_by_its_flags_not_by_its_event),
                TEST(a_kernel_thread_that_has_no_name_yet_is_looked_at_again),
                TEST(a_kernel_thread_that_never_gets_a_name_is_given_up),
                TEST(more_unnamed_threads_than_can_be_remembered_are_found_by_one_look_at_everything),
                TEST(lost_events_cost_one_look_at_everything),
                TEST(however_often_events_are_lost_everything_is_not_looked_at_all_the_time),
                TEST(an_unnamed_thread_whose_event_was_lost_is_found_too),
                TEST(with_a_connector_only_a_thorough_scan_searches),
                TEST(a_worker_that_ended_leaves_the_model_with_the_next_epoch),
                TEST(an_id_that_is_used_again_at_once_is_another_worker),
                TEST(a_connector_that_fails_is_replaced_by_scans),
                TEST(it_is_said_how_workers_are_found_and_what_they_are),
                TEST(the_connector_can_be_switched_off),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

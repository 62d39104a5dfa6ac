/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How plugins/vhost-thread learns of workers that come and go: events of a connector that the test plays, on fixture trees of /proc. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "discovery-fixture.h"

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

/* A worker of the kernel's goes to its creator's cgroup when it first runs: before that it would be given a place in the wrong one. */
static void a_kernel_thread_that_is_not_in_its_creators_cgroup_yet_is_looked_at_again(void **test_state) {
        struct fixture *fixture = *test_state;
        connect_plugin(fixture);
        fixture_write(fixture->context, "/proc/100/cgroup", "0::/machine.slice/vm\n");
        fixture_write(fixture->context, "/proc/120/cgroup", "0::/\n");
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        tell_born(fixture, 120, 120);
        assert_int_equal(announced(fixture), 0);
        assert_int_equal(announced(fixture), 0);
        assert_int_equal(fixture->context->n_workers, 0);
        fixture_write(fixture->context, "/proc/120/cgroup", "0::/machine.slice/vm\n");
        assert_int_equal(announced(fixture), 1);
        assert_non_null(fake_worker(fixture->context, "t.120"));
}

static void a_kernel_thread_that_stays_out_of_its_creators_cgroup_is_a_worker_all_the_same(void **test_state) {
        struct fixture *fixture = *test_state;
        unsigned n = 1;
        connect_plugin(fixture);
        fixture_write(fixture->context, "/proc/100/cgroup", "0::/moved\n");
        fixture_write(fixture->context, "/proc/120/cgroup", "0::/\n");
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        tell_born(fixture, 120, 120);
        while (announced(fixture) == 0 && n < 100)
                n++;
        assert_in_range(n, 3, LOOKS + 1);
        assert_non_null(fake_worker(fixture->context, "t.120"));
        /* and one that is old when it is found is not waited for */
        fixture_write(fixture->context, "/proc/121/cgroup", "0::/\n");
        put_kernel_thread(fixture, 121, "vhost-100", 1235);
        scan(fixture, true);
        assert_non_null(fake_worker(fixture->context, "t.121"));
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

static void a_look_at_everything_that_takes_long_is_rare(void **test_state) {
        struct fixture *fixture = *test_state;
        struct timespec now;
        connect_plugin(fixture);
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        clock_gettime(CLOCK_MONOTONIC, &now);
        /* as on a host with ten thousands of threads, 5 s ago */
        fixture->state->look_took = 1000000;
        fixture->state->looked_everywhere = (uint64_t) now.tv_sec * 1000000u - 5000000u;
        tell_error(fixture, -ENOBUFS);
        assert_int_equal(announced(fixture), 0);
        fixture->state->look_took = 200000;
        assert_int_equal(announced(fixture), 1);
        assert_non_null(fake_worker(fixture->context, "t.120"));
        assert_true(fixture->state->look_took != 200000); /* measured anew */
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
        fixture->n_searched = 0;
        scan(fixture, false);
        assert_int_equal(fixture->n_searched, 0);
        assert_int_equal(fixture->context->n_workers, 1);
        scan(fixture, true);
        assert_int_equal(fixture->n_searched, 2); /* for workers and for guests */
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

/* The thread that made the device has ended, and its id is somebody else's. */
static void an_id_that_is_used_again_is_not_the_owner(void **test_state) {
        struct fixture *fixture = *test_state;
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        put_kernel_thread(fixture, 121, "vhost-300", 1234);
        put_thread(fixture, "/proc/300", 300, 300, "other", 1, PLAIN, 2000);
        fixture_write(fixture->context, "/proc/300/cmdline", "other");
        connect_plugin(fixture);
        assert_int_equal(fake_unit(fixture->context, "t.120")->owner, 100);
        assert_int_equal(fake_unit(fixture->context, "t.120")->node, 1);
        assert_int_equal(fake_unit(fixture->context, "t.121")->owner, -1);
        assert_int_equal(fake_unit(fixture->context, "t.121")->node, IOCORE_NODE_UNKNOWN);

        put_thread(fixture, "/proc/100", 100, 100, "other", 1, PLAIN, 3000);
        fixture_write(fixture->context, "/proc/100/status", "Tgid:\t100\nMems_allowed_list:\t0\n");
        scan(fixture, true);
        assert_int_equal(fake_unit(fixture->context, "t.120")->node, 1); /* as it was known */
}

/* --- threads that end at any moment */

static void assert_consistent(struct fixture *fixture) {
        assert_int_equal(fixture->context->n_workers, fixture->state->n_threads);
        assert_int_equal(fixture->context->n_units, fixture->state->n_threads);
        for (size_t i = 0; i < fixture->state->n_threads; i++) {
                assert_non_null(fixture->state->threads[i]->worker);
                assert_ptr_equal(fixture->state->threads[i]->unit->worker, fixture->state->threads[i]->worker);
        }
}

/* What vanishes when the file number n is opened, counted from now on. */
static void vanish_at(struct fixture *fixture, unsigned n, const char *path) {
        fixture->n_opened = 0;
        fixture->vanish_at = n;
        fixture->vanishes = path;
}

static void worker_that_ends_at(struct fixture *fixture, const char *path, unsigned n) {
        put_thread(fixture, "/proc/100", 100, 100, "qemu-system-x86", 1, PLAIN, 50);
        fixture_write(fixture->context, "/proc/100/cmdline", "qemu-system-x86_64");
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        put_kernel_thread(fixture, 121, "vif3.1-q0-guest-rx", 1234);
        put_task(fixture, 100, 104, "vhost-100", USER_WORKER);
        tell_born(fixture, 120, 120);
        tell_born(fixture, 121, 121);
        tell_born(fixture, 100, 104);
        vanish_at(fixture, n, path);
        assert_true(announced(fixture) >= 0);
        assert_consistent(fixture);
        scan(fixture, false);
        assert_consistent(fixture);
        assert_true(announced(fixture) >= 0);
}

static void a_thread_may_end_between_any_two_looks_at_it(void **test_state) {
        static const char *const ends[] = { "/proc/120", "/proc/121", "/proc/100/task/104", "/proc/100", "/proc" };
        struct fixture *fixture = *test_state;
        unsigned n_files = 0;
        connect_plugin(fixture);

        for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                for (unsigned n = 1;; n++) {
                        worker_that_ends_at(fixture, ends[i], n);
                        bool vanished = fixture->vanishes == NULL;
                        n_files += vanished;
                        /* all go, and nothing is left behind */
                        fixture_remove(fixture->context, "/proc");
                        fixture_write(fixture->context, "/proc/1/comm", "init\n");
                        vanish_at(fixture, 0, NULL);
                        scan(fixture, true);
                        assert_int_equal(fixture->state->n_threads, 0);
                        assert_consistent(fixture);
                        assert_int_equal(fixture->context->n_devices, 0);
                        for (unsigned epochs = 0; epochs < LOOKS + 2; epochs++)
                                assert_true(announced(fixture) >= 0);
                        fixture->n_opened = 0;
                        assert_int_equal(announced(fixture), 0);
                        assert_int_equal(fixture->n_opened, 0); /* nobody goes on looking for it */
                        if (!vanished)
                                break;
                }
        assert_in_range(n_files, 40, 2000);
}

static void files_that_cannot_be_read_are_not_read_all_the_time(void **test_state) {
        static const char *const names[] = { "comm", "stat", "status", "schedstat", "cmdline", "cgroup" };
        struct fixture *fixture = *test_state;
        connect_plugin(fixture);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                fixture->unreadable = names[i];
                put_kernel_thread(fixture, (pid_t) (120 + i), "vhost-100", 1234);
                tell_born(fixture, (pid_t) (120 + i), (pid_t) (120 + i));
                assert_true(announced(fixture) >= 0);
                assert_consistent(fixture);
                fixture->n_opened = 0;
                assert_int_equal(announced(fixture), 0);
                assert_int_equal(fixture->n_opened, 0);
                scan(fixture, false);
                scan(fixture, true);
                assert_consistent(fixture);
                /* a thread whose name or whose flags cannot be read may be any */
                assert_int_equal(fixture->context->n_workers, i < 2 ? 0 : i + 1);
        }
        fixture->unreadable = "stat";
        scan(fixture, true);
        assert_int_equal(fixture->context->n_workers, ELEMENTSOF(names)); /* no news is not bad news */
}

static void a_worker_whose_times_could_not_be_read_has_a_load_when_they_can(void **test_state) {
        struct fixture *fixture = *test_state;
        connect_plugin(fixture);
        fixture->unreadable = "schedstat";
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        tell_born(fixture, 120, 120);
        assert_int_equal(announced(fixture), 1);
        assert_int_equal(iocore_plugin.sample_workers(fixture->state), 0);
        assert_int_equal(fake_worker(fixture->context, "t.120")->clock, 0);
        fixture->unreadable = NULL; /* there are file descriptors again */
        scan(fixture, true);
        assert_int_equal(iocore_plugin.sample_workers(fixture->state), 0);
        assert_true(fake_worker(fixture->context, "t.120")->clock > 0);
        assert_int_equal(fake_worker(fixture->context, "t.120")->busy, 1000);
}

static void a_connector_that_fails_is_replaced_by_scans(void **test_state) {
        struct fixture *fixture = *test_state;
        connect_plugin(fixture);
        assert_string_equal(described(fixture, "discovery"), "process connector");
        tell_error(fixture, -ENOTCONN);
        assert_int_equal(announced(fixture), -ENOTCONN);
        assert_string_equal(described(fixture, "discovery"), "a scan every 1 s (process connector: Transport endpoint is not connected)");
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        assert_int_equal(announced(fixture), 0);
        scan(fixture, false);
        assert_int_equal(fixture->context->n_workers, 1);
}

static void it_is_said_how_workers_are_found_and_what_they_are(void **test_state) {
        struct fixture *fixture = *test_state;
        open_plugin(fixture, NULL);
        assert_string_equal(described(fixture, "discovery"), "a scan every 1 s (process connector: not asked for)");
        assert_string_equal(described(fixture, "workers"), "none yet");
        assert_string_equal(described(fixture, "fork_from_owner_default"), "");
        put_kernel_thread(fixture, 120, "vhost-100", 1234);
        scan(fixture, true);
        assert_string_equal(described(fixture, "workers"), "kernel threads");
        put_task(fixture, 100, 104, "vhost-100", USER_WORKER);
        put_thread(fixture, "/proc/100/task/100", 100, 100, "qemu-system-x86", 1, PLAIN, 50);
        scan(fixture, true);
        assert_string_equal(described(fixture, "workers"), "kernel threads, threads of their owners");
        fixture_write(fixture->context, "/sys/module/vhost/parameters/fork_from_owner_default", "Y\n");
        assert_string_equal(described(fixture, "fork_from_owner_default"), "Y");
        fixture_remove(fixture->context, "/proc/120");
        scan(fixture, false);
        assert_string_equal(described(fixture, "workers"), "threads of their owners");
}

static void the_connector_can_be_switched_off(void **test_state) {
        struct fixture *fixture = *test_state;
        char reason[IOCORE_REASON_MAX];
        assert_int_equal(open_with(fixture, (const char *const[]) { "connector", "perhaps", NULL }, reason), -EINVAL);
        assert_string_equal(reason, "option connector: \"perhaps\" is neither yes nor no");
        assert_null(fixture->state);
        assert_int_equal(open_with(fixture, (const char *const[]) { "connector", "no", NULL }, reason), 0);
        assert_string_equal(described(fixture, "discovery"), "a scan every 1 s (process connector: switched off)");
        fixture->context->scan_usec = 250000; /* as a reload may change it */
        assert_string_equal(described(fixture, "discovery"), "a scan every 0.25 s (process connector: switched off)");
}

/* --- what is hidden */

static void put_mount(struct fixture *fixture, const char *mount_options, const char *status) {
        char text[512];
        snprintf(text, sizeof text,
                 "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n22 21 0:20 / /proc rw,nosuid shared:12 master:3 - proc proc rw%s\n"
                 "23 21 0:21 / /srv/proc rw - proc proc rw,hidepid=invisible\n24 21 0:22 / /sys rw - sysfs sysfs rw\n", mount_options);
        fixture_write(fixture->context, "/proc/self/mountinfo", text);
        fixture_write(fixture->context, "/proc/self/status", status);
}

#define NO_RIGHTS "Gid:\t500\t500\t500\t500\nGroups:\t20 24 30\nCapEff:\t0000000000001000\n"

static void a_proc_that_hides_processes_is_told_until_it_does_not(void **test_state) {
        struct fixture *fixture = *test_state;
        put_mount(fixture, ",gid=77,hidepid=invisible", NO_RIGHTS);
        connect_plugin(fixture);
        assert_int_equal(fixture->context->n_told, 1);
        assert_string_equal(fixture->context->last_told, "discovery /proc: /proc is mounted with hidepid=invisible: workers of other users' processes are not found "
                                                         "without CAP_SYS_PTRACE or the group of its option gid=");
        assert_non_null(strstr(described(fixture, "hidden"), "hidepid=invisible"));
        for (int i = 0; i < 10; i++) {
                scan(fixture, i % 2);
                assert_int_equal(announced(fixture), 0);
        }
        assert_int_equal(fixture->context->n_told, 1);
        put_mount(fixture, "", NO_RIGHTS);
        scan(fixture, true);
        assert_int_equal(fixture->context->n_told, 2);
        assert_string_equal(fixture->context->last_told, "discovery /proc: ");
        assert_string_equal(described(fixture, "hidden"), "");
}

static void who_may_see_all_is_told_nothing(void **test_state) {
        struct fixture *fixture = *test_state;
        static const struct {
                const char *mount_options, *status;
                bool hidden;
        } cases[] = {
                { "", NO_RIGHTS, false },
                { ",hidepid=off", NO_RIGHTS, false },
                { ",hidepid=0", NO_RIGHTS, false },
                { ",hidepid=2", NO_RIGHTS, true },
                { ",hidepid=noaccess", NO_RIGHTS, true },
                { ",hidepid=1,gid=500", NO_RIGHTS, false },
                { ",gid=24,hidepid=2", NO_RIGHTS, false },
                { ",gid=2,hidepid=2", NO_RIGHTS, true },
                { ",gid=24,hidepid=ptraceable", NO_RIGHTS, true },
                { ",hidepid=invisible", "Gid:\t0\t0\t0\t0\nGroups:\t\nCapEff:\t0000000000000000\n", false }, /* the group is root's unless it is said */
                { ",hidepid=invisible", "Gid:\t0\t0\t0\t7\nGroups:\t \nCapEff:\t0000000000000000\n", true },
                { ",hidepid=4", "Gid:\t9\t9\t9\t9\nGroups:\t\nCapEff:\t0000000000080000\n", false },
                { ",hidepid=4", "", false }, /* unreadable: nobody knows */
        };
        connect_plugin(fixture);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                put_mount(fixture, cases[i].mount_options, cases[i].status);
                scan(fixture, true);
                if ((described(fixture, "hidden")[0] != '\0') != cases[i].hidden)
                        fail_msg("%s with %s", cases[i].mount_options, cases[i].status);
        }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(a_worker_is_in_the_model_when_its_event_has_been_read),
                TEST(a_thread_is_a_worker_by_its_flags_not_by_its_event),
                TEST(a_kernel_thread_that_has_no_name_yet_is_looked_at_again),
                TEST(a_kernel_thread_that_never_gets_a_name_is_given_up),
                TEST(a_kernel_thread_that_is_not_in_its_creators_cgroup_yet_is_looked_at_again),
                TEST(a_kernel_thread_that_stays_out_of_its_creators_cgroup_is_a_worker_all_the_same),
                TEST(more_unnamed_threads_than_can_be_remembered_are_found_by_one_look_at_everything),
                TEST(lost_events_cost_one_look_at_everything),
                TEST(however_often_events_are_lost_everything_is_not_looked_at_all_the_time),
                TEST(a_look_at_everything_that_takes_long_is_rare),
                TEST(an_unnamed_thread_whose_event_was_lost_is_found_too),
                TEST(with_a_connector_only_a_thorough_scan_searches),
                TEST(a_worker_that_ended_leaves_the_model_with_the_next_epoch),
                TEST(an_id_that_is_used_again_at_once_is_another_worker),
                TEST(an_id_that_is_used_again_is_not_the_owner),
                TEST(a_thread_may_end_between_any_two_looks_at_it),
                TEST(files_that_cannot_be_read_are_not_read_all_the_time),
                TEST(a_worker_whose_times_could_not_be_read_has_a_load_when_they_can),
                TEST(a_connector_that_fails_is_replaced_by_scans),
                TEST(it_is_said_how_workers_are_found_and_what_they_are),
                TEST(the_connector_can_be_switched_off),
                TEST(a_proc_that_hides_processes_is_told_until_it_does_not),
                TEST(who_may_see_all_is_told_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plugin systemd against tests/bus/fake-systemd on a private, real dbus-daemon: how it bears a systemd that is slow, hangs, vanishes or refuses, which a real one
 * does not do when it is told to. That a real systemd understands it is for the layer vm to show.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake-services.h"

/* The plugin's own bounds, and room for a machine that is busy with other tests: of several turns, most must be quick, as any one may lose its CPU for long. */
#define SET_WAIT_MSEC 100
#define ROOM_MSEC 5000
#define AT_ONCE_MSEC 90
#define SOON_SECONDS 20

extern const struct iocore_plugin iocore_plugin;

struct fixture {
        struct iocore_context *context;
        struct iocore_services services;
        const char *slices; /* the option */
        pid_t bus, fake;
        int to_fake, from_fake;
        char directory[PATH_MAX];
        void *state;

        /* of the last round */
        unsigned n_wants;
        char wants[512]; /* "SLICE=LIST=RESULT ", each */
        int64_t msec;    /* the longest call of a set */
        char said[512];
};

static int64_t now_msec(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_10_msec(void) {
        nanosleep(&(struct timespec) { .tv_nsec = 10 * 1000 * 1000 }, NULL);
}

/* --- the bus and the fake */

static pid_t spawn(const char *const arguments[], int in, int out) {
        pid_t pid = fork();
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that dies leaves nobody behind */
                if (in >= 0)
                        dup2(in, STDIN_FILENO);
                if (out >= 0)
                        dup2(out, STDOUT_FILENO);
                else /* dbus-daemon complains about limits that it may not raise */
                        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
                execvp(arguments[0], (char *const *) arguments);
                _exit(127);
        }
        assert_true(pid > 0);
        return pid;
}

static void end(pid_t *pid) {
        if (*pid <= 0)
                return;
        kill(*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
        *pid = 0;
}

/* The socket is there before anybody listens. */
static bool bus_listens(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        assert_true(snprintf(address.sun_path, sizeof address.sun_path, "%s", path) < (int) sizeof address.sun_path);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        int r = connect(fd, (struct sockaddr *) &address, sizeof address);
        close(fd);
        return r == 0;
}

static void start_bus(struct fixture *fixture) {
        char option[PATH_MAX + 32], path[PATH_MAX + 8];
        snprintf(option, sizeof option, "--config-file=%s/bus.conf", fixture->directory);
        snprintf(path, sizeof path, "%s/bus", fixture->directory);
        unlink(path);
        fixture->bus = spawn((const char *[]) { "dbus-daemon", option, "--nofork", "--nopidfile", NULL }, -1, -1);
        for (int64_t limit = now_msec() + SOON_SECONDS * 1000; !bus_listens(path); pause_10_msec())
                assert_true(now_msec() < limit);
}

/* A line of the fake's, without its end. */
static void listen_to_fake(struct fixture *fixture, char *ret, size_t size) {
        size_t length = 0;
        for (;;) {
                struct pollfd fd = { .fd = fixture->from_fake, .events = POLLIN };
                assert_int_equal(poll(&fd, 1, SOON_SECONDS * 1000), 1);
                assert_true(length + 1 < size && read(fixture->from_fake, ret + length, 1) == 1);
                if (ret[length] == '\n')
                        break;
                length++;
        }
        ret[length] = '\0';
}

static void start_fake(struct fixture *fixture) {
        int in[2], out[2];
        char line[64];
        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        fixture->fake = spawn((const char *[]) { BUILD_DIR "/tests/bus/fake-systemd", NULL }, in[0], out[1]);
        close(in[0]);
        close(out[1]);
        fixture->to_fake = in[1];
        fixture->from_fake = out[0];
        listen_to_fake(fixture, line, sizeof line);
        assert_string_equal(line, "ready");
}

static void end_fake(struct fixture *fixture) {
        end(&fixture->fake);
        close(fixture->to_fake);
        close(fixture->from_fake);
}

static void tell_fake(struct fixture *fixture, const char *line) {
        char answer[64];
        assert_int_equal(dprintf(fixture->to_fake, "%s\n", line), (int) strlen(line) + 1);
        listen_to_fake(fixture, answer, sizeof answer);
        assert_string_equal(answer, "done");
}

/* "SLICE N LIST, LIST" */
static void assert_fake_shows(struct fixture *fixture, const char *slice, const char *wanted) {
        char line[512], answer[64];
        dprintf(fixture->to_fake, "show %s\n", slice);
        listen_to_fake(fixture, line, sizeof line);
        listen_to_fake(fixture, answer, sizeof answer);
        assert_string_equal(line, wanted);
}

/* --- the plugin */

static const char *fixture_option(struct iocore_context *context, const char *key) {
        const struct fixture *fixture = context->userdata;
        return strcmp(key, "reserve-slices") == 0 ? fixture->slices : NULL;
}

static int make_fixture(void **state) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        char path[PATH_MAX + 16];
        fixture->context = fake_context_new();
        fixture->context->userdata = fixture;
        fixture->services = fake_services;
        fixture->services.option = fixture_option;
        fixture->slices = "system.slice user.slice";
        fixture_directory(fixture->context, "run/systemd/system");
        fixture_write(fixture->context, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
        snprintf(fixture->directory, sizeof fixture->directory, "%s", fixture->context->root);
        snprintf(path, sizeof path, "unix:path=%.*s/bus", PATH_MAX - 32, fixture->directory);
        setenv("DBUS_SYSTEM_BUS_ADDRESS", path, true);
        char text[PATH_MAX + 512];
        snprintf(text, sizeof text,
                 "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">"
                 "<busconfig><type>system</type><listen>%s</listen><auth>EXTERNAL</auth><policy context=\"default\"><allow own=\"*\"/><allow user=\"*\"/>"
                 "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy></busconfig>",
                 path);
        fixture_write(fixture->context, "bus.conf", text);
        start_bus(fixture);
        start_fake(fixture);
        *state = fixture;
        return 0;
}

static int remove_fixture(void **state) {
        struct fixture *fixture = *state;
        iocore_plugin.close(fixture->state);
        end_fake(fixture);
        end(&fixture->bus);
        fake_context_free(fixture->context);
        free(fixture);
        return 0;
}

static int probe(struct fixture *fixture, char reason[static IOCORE_REASON_MAX]) {
        reason[0] = '\0';
        return iocore_plugin.probe(&fixture->services, fixture->context, reason, IOCORE_REASON_MAX);
}

static void open_plugin(struct fixture *fixture) {
        char reason[IOCORE_REASON_MAX] = "";
        assert_int_equal(probe(fixture, reason), 1);
        assert_int_equal(iocore_plugin.open(&fixture->services, fixture->context, &fixture->state, reason, sizeof reason), 0);
}

static int get(struct fixture *fixture, const char *slice, char ret[static IOCORE_VALUE_MAX]) {
        return iocore_plugin.knobs[0].get(fixture->state, slice, ret, IOCORE_VALUE_MAX);
}

static void assert_value(struct fixture *fixture, const char *slice, const char *wanted) {
        char value[IOCORE_VALUE_MAX];
        assert_int_equal(get(fixture, slice, value), 0);
        assert_string_equal(value, wanted);
}

/* As the daemon does: what is wanted is set at once. */
static int on_want(void *userdata, const char *kind, const char *object, const char *value) {
        struct fixture *fixture = userdata;
        char set[IOCORE_VALUE_MAX];
        size_t length = strlen(fixture->wants);
        assert_string_equal(kind, "slice.cpus");
        int64_t began = now_msec();
        int r = iocore_plugin.knobs[0].set(fixture->state, object, value, set, sizeof set);
        if (now_msec() - began > fixture->msec)
                fixture->msec = now_msec() - began;
        if (r >= 0)
                assert_string_equal(set, value);
        snprintf(fixture->wants + length, sizeof fixture->wants - length, "%s%s=%s=%s", length ? " " : "", object, value, r == 0 ? "ok" : strerrorname_np(-r));
        fixture->n_wants++;
        return 0;
}

/* What an epoch with a scan asks of the plugin; returns how long it took. */
static int64_t turn(struct fixture *fixture, bool thorough) {
        fixture->n_wants = 0;
        fixture->wants[0] = '\0';
        fixture->msec = 0;
        int64_t began = now_msec();
        assert_in_range(iocore_plugin.announced(fixture->state), 0, 1);
        assert_int_equal(iocore_plugin.scan(fixture->state, thorough), 0);
        assert_int_equal(iocore_plugin.reserve(fixture->state, on_want, fixture), 0);
        return now_msec() - began;
}

/* What is set from now on is waited for as long as a daemon waits that is not in haste: no answer of a busy machine comes too late for that. */
static void be_patient(struct fixture *fixture) {
        fixture->context->in_haste = false;
}

static void on_say(void *userdata, const char *key, const char *value) {
        struct fixture *fixture = userdata;
        snprintf(fixture->said, sizeof fixture->said, "%s: %s", key, value);
}

static const char *describe(struct fixture *fixture) {
        fixture->said[0] = '\0';
        iocore_plugin.describe(fixture->state, on_say, fixture);
        return fixture->said;
}

/* Turns until what it says of itself is TEXT. */
static void turn_until_it_says(struct fixture *fixture, const char *text) {
        for (int64_t limit = now_msec() + SOON_SECONDS * 1000; strcmp(describe(fixture), text) != 0; pause_10_msec()) {
                if (now_msec() > limit)
                        fail_msg("it says \"%s\", not \"%s\"", fixture->said, text);
                turn(fixture, false);
        }
}

/* What the plugin's thread did not come to in time may yet happen, and is taken to have happened until it has run. */
static void turn_until_value(struct fixture *fixture, const char *slice, const char *wanted) {
        char value[IOCORE_VALUE_MAX];
        for (int64_t limit = now_msec() + SOON_SECONDS * 1000; get(fixture, slice, value) < 0 || strcmp(value, wanted) != 0; pause_10_msec()) {
                assert_true(now_msec() < limit);
                turn(fixture, false);
        }
}

static void turn_until_knob_changed(struct fixture *fixture, unsigned n) {
        for (int64_t limit = now_msec() + SOON_SECONDS * 1000; fixture->context->n_knobs_changed < n; pause_10_msec()) {
                assert_true(now_msec() < limit);
                turn(fixture, false);
        }
}

/* --- is it for this host */

static void it_is_only_for_a_host_where_it_was_asked_for(void **state) {
        struct fixture *fixture = *state;
        char reason[IOCORE_REASON_MAX];
        static const char *const empty[] = { NULL, "", "  " };
        for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
                fixture->slices = empty[i];
                assert_int_equal(probe(fixture, reason), 0);
                assert_non_null(strstr(reason, "reserve-slices is not set"));
        }
        fixture->slices = "system.slice machine.slice";
        assert_int_equal(probe(fixture, reason), -EINVAL);
        assert_non_null(strstr(reason, "machine.slice"));
}

static void it_is_not_for_a_host_without_systemd_or_cpusets(void **state) {
        struct fixture *fixture = *state;
        char reason[IOCORE_REASON_MAX];
        assert_int_equal(probe(fixture, reason), 1);
        fixture_write(fixture->context, "sys/fs/cgroup/cgroup.controllers", "cpu memory cpusets\n");
        assert_int_equal(probe(fixture, reason), 0);
        assert_non_null(strstr(reason, "cgroup.controllers has no cpuset"));
        fixture_remove(fixture->context, "run/systemd");
        assert_int_equal(probe(fixture, reason), 0);
        assert_non_null(strstr(reason, "/run/systemd/system"));
}

/* --- reserving */

static void slices_lose_an_io_core_and_get_it_back(void **state) {
        struct fixture *fixture = *state;
        open_plugin(fixture);
        turn(fixture, true);
        assert_string_equal(fixture->wants, "");
        assert_string_equal(describe(fixture), "slices: system.slice, user.slice by AllowedCPUs");
        fixture->context->cores[7].io_core = true;
        turn(fixture, false);
        assert_string_equal(fixture->wants, "system.slice=0-6=ok user.slice=0-6=ok");
        assert_fake_shows(fixture, "system.slice", "system.slice 1 0-6, 0-6");
        turn(fixture, false);
        assert_string_equal(fixture->wants, "");
        fixture->context->cores[3].io_core = true;
        turn(fixture, false);
        assert_string_equal(fixture->wants, "system.slice=0-2,4-6=ok user.slice=0-2,4-6=ok");
        fixture->context->cores[3].io_core = fixture->context->cores[7].io_core = false;
        turn(fixture, false);
        assert_string_equal(fixture->wants, "system.slice==ok user.slice==ok");
        assert_fake_shows(fixture, "system.slice", "system.slice 4 , 0-7");
        assert_fake_shows(fixture, "user.slice", "user.slice 4 , 0-7");
        assert_int_equal(fixture->context->n_knobs_changed, 0);
}

static void what_a_slice_was_allowed_before_is_what_it_gets_back(void **state) {
        struct fixture *fixture = *state;
        tell_fake(fixture, "cpus system.slice 0-3,7");
        open_plugin(fixture);
        assert_value(fixture, "system.slice", "0-3,7");
        fixture->context->cores[7].io_core = true;
        turn(fixture, false);
        assert_string_equal(fixture->wants, "system.slice=0-3=ok user.slice=0-6=ok");
        fixture->context->cores[7].io_core = false;
        turn(fixture, false);
        assert_string_equal(fixture->wants, "system.slice=0-3,7=ok user.slice==ok");
}

static void a_slice_that_would_be_left_nothing_is_left_alone_and_told(void **state) {
        struct fixture *fixture = *state;
        tell_fake(fixture, "cpus user.slice 7");
        open_plugin(fixture);
        fixture->context->cores[7].io_core = true;
        turn(fixture, false);
        assert_string_equal(fixture->wants, "system.slice=0-6=ok");
        assert_non_null(strstr(fixture->context->last_told, "not-isolated user.slice: it is allowed nothing but I/O cores"));
        assert_string_equal(describe(fixture), "slices: system.slice, user.slice (not reserved) by AllowedCPUs");
        fixture->context->cores[7].io_core = false;
        turn(fixture, false);
        assert_string_equal(fixture->context->last_told, "not-isolated user.slice: ");
}

static void a_name_that_systemd_does_not_have_is_told(void **state) {
        struct fixture *fixture = *state;
        fixture->slices = "systm.slice user.slice";
        open_plugin(fixture);
        fixture->context->cores[7].io_core = true;
        turn(fixture, false);
        assert_string_equal(fixture->wants, "user.slice=0-6=ok");
        assert_non_null(strstr(fixture->context->last_told, "not-isolated systm.slice: systemd has no such slice"));
}

/* --restore: the journal names a slice that is not configured any more */
static void any_slice_is_reached_by_its_name(void **state) {
        struct fixture *fixture = *state;
        char value[IOCORE_VALUE_MAX];
        tell_fake(fixture, "cpus user.slice 1-2");
        fixture->slices = "system.slice";
        open_plugin(fixture);
        assert_value(fixture, "user.slice", "1-2");
        assert_int_equal(iocore_plugin.knobs[0].set(fixture->state, "user.slice", "", value, sizeof value), 0);
        assert_string_equal(value, "");
        assert_fake_shows(fixture, "user.slice", "user.slice 2 , 0-7");
        assert_int_equal(get(fixture, "user.service", value), -ENOENT);
        assert_int_equal(iocore_plugin.knobs[0].set(fixture->state, "user.slice", "x", value, sizeof value), -EINVAL);
        fixture->context->cores[7].io_core = true;
        turn(fixture, false);
        assert_string_equal(fixture->wants, "system.slice=0-6=ok");
}

/* --- a systemd that is not well */

static void a_refusal_is_told_in_systemds_words_and_not_asked_for_again(void **state) {
        struct fixture *fixture = *state;
        open_plugin(fixture);
        tell_fake(fixture, "refuse yes");
        fixture->context->cores[7].io_core = true;
        turn(fixture, false);
        assert_string_equal(fixture->wants, "system.slice=0-6=EACCES user.slice=0-6=EACCES");
        assert_non_null(strstr(fixture->context->last_told, "not-isolated user.slice: SetUnitProperties: Access denied"));
        turn(fixture, false);
        assert_string_equal(fixture->wants, "");
        turn(fixture, true);
        assert_int_equal(fixture->n_wants, 2);
        tell_fake(fixture, "refuse no");
        turn(fixture, true);
        assert_string_equal(fixture->wants, "system.slice=0-6=ok user.slice=0-6=ok");
}

static void a_slow_answer_is_waited_for_once_and_noticed_when_it_comes(void **state) {
        struct fixture *fixture = *state;
        open_plugin(fixture);
        fixture->context->in_haste = true;
        turn(fixture, false);
        tell_fake(fixture, "delay 2000");
        fixture->context->cores[7].io_core = true;
        int64_t msec = turn(fixture, false);
        assert_string_equal(fixture->wants, "system.slice=0-6=ETIMEDOUT");
        assert_in_range(msec, SET_WAIT_MSEC, SET_WAIT_MSEC + ROOM_MSEC);
        /* it may yet happen: so the journal has to go on knowing it */
        assert_value(fixture, "system.slice", "0-6");
        assert_value(fixture, "user.slice", "");
        assert_string_equal(describe(fixture), "slices: systemd does not answer");
        int n_late = 0;
        for (int i = 0; i < 20; i++) {
                n_late += turn(fixture, false) > AT_ONCE_MSEC;
                assert_string_equal(fixture->wants, "");
        }
        assert_in_range(n_late, 0, 5);
        turn_until_knob_changed(fixture, 1);
        assert_string_equal(fixture->context->last_knob_changed, "slice.cpus system.slice");
        tell_fake(fixture, "delay 0");
        be_patient(fixture);
        turn_until_it_says(fixture, "slices: system.slice, user.slice by AllowedCPUs");
        turn(fixture, false);
        assert_value(fixture, "system.slice", "0-6");
        /* what came late is iocored's: it goes back */
        fixture->context->cores[7].io_core = false;
        turn(fixture, false);
        assert_non_null(strstr(fixture->wants, "system.slice==ok"));
        assert_fake_shows(fixture, "system.slice", "system.slice 3 , 0-7");
}

static void a_refusal_that_comes_late_is_told_and_not_asked_for_again(void **state) {
        struct fixture *fixture = *state;
        open_plugin(fixture);
        fixture->context->in_haste = true;
        turn(fixture, false);
        tell_fake(fixture, "refuse yes");
        tell_fake(fixture, "delay 1000");
        fixture->context->cores[7].io_core = true;
        turn(fixture, false);
        assert_string_equal(fixture->wants, "system.slice=0-6=ETIMEDOUT");
        turn_until_knob_changed(fixture, 1);
        assert_string_equal(fixture->context->last_told, "not-isolated system.slice: SetUnitProperties: Access denied");
        assert_value(fixture, "system.slice", "");
        tell_fake(fixture, "delay 0");
        be_patient(fixture);
        turn_until_it_says(fixture, "slices: system.slice (not reserved), user.slice (not reserved) by AllowedCPUs");
        for (int i = 0; i < 5; i++) {
                turn(fixture, false);
                assert_null(strstr(fixture->wants, "system.slice"));
        }
        assert_fake_shows(fixture, "system.slice", "system.slice 0 , 0-7");
}

static void what_passes_is_said_to_have_passed(void **state) {
        struct fixture *fixture = *state;
        open_plugin(fixture);
        fixture->context->in_haste = true;
        turn(fixture, false);
        kill(fixture->bus, SIGSTOP);
        fixture->context->cores[7].io_core = true;
        turn(fixture, false);
        assert_string_equal(fixture->wants, "system.slice=0-6=ETIMEDOUT");
        assert_int_equal(fixture->context->n_knobs_changed, 0);
        end_fake(fixture);
        end(&fixture->bus);
        /* not by the pauses of the daemon, which knows nothing of the bus */
        turn_until_knob_changed(fixture, 1);
        assert_string_equal(fixture->context->last_knob_changed, "slice.cpus system.slice");
        assert_value(fixture, "system.slice", "");
        start_bus(fixture);
        start_fake(fixture);
        be_patient(fixture);
        turn_until_it_says(fixture, "slices: system.slice, user.slice by AllowedCPUs");
        turn(fixture, false);
        assert_value(fixture, "system.slice", "0-6");
}

static void a_hung_systemd_delays_one_turn_by_100_ms_and_no_other(void **state) {
        struct fixture *fixture = *state;
        int64_t healthy = 0, hung = 0, first;
        int n_late = 0;
        open_plugin(fixture);
        fixture->context->in_haste = true;
        for (int i = 0; i < 50; i++) {
                fixture->context->cores[7].io_core = i % 2;
                int64_t msec = turn(fixture, false);
                healthy = msec > healthy ? msec : healthy;
        }
        fixture->context->cores[7].io_core = false;
        be_patient(fixture); /* one of those may have been too late for a daemon in haste */
        turn_until_it_says(fixture, "slices: system.slice, user.slice by AllowedCPUs");
        turn(fixture, false);
        fixture->context->in_haste = true;
        kill(fixture->fake, SIGSTOP);
        fixture->context->cores[7].io_core = true;
        first = turn(fixture, false);
        assert_in_range(first, SET_WAIT_MSEC, SET_WAIT_MSEC + ROOM_MSEC);
        for (int i = 0; i < 50; i++) {
                fixture->context->cores[7].io_core = i % 2;
                int64_t msec = turn(fixture, false);
                hung = msec > hung ? msec : hung;
                n_late += msec > AT_ONCE_MSEC;
                assert_string_equal(fixture->wants, "");
        }
        print_message("# a turn took at most %lld ms with a healthy systemd, %lld ms once when it hung and then at most %lld ms\n", (long long) healthy,
                      (long long) first, (long long) hung);
        assert_in_range(n_late, 0, 10);
        kill(fixture->fake, SIGCONT);
        be_patient(fixture);
        turn_until_it_says(fixture, "slices: system.slice, user.slice by AllowedCPUs");
        turn(fixture, false);
        assert_value(fixture, "system.slice", "0-6");
        assert_value(fixture, "user.slice", "0-6");
}

static void nothing_that_was_not_asked_yet_is_set_late(void **state) {
        struct fixture *fixture = *state;
        open_plugin(fixture);
        fixture->context->in_haste = true;
        turn(fixture, false);
        end(&fixture->bus);
        fixture->context->cores[7].io_core = true;
        turn(fixture, false);
        assert_null(strstr(fixture->wants, "ok"));
        turn_until_value(fixture, "system.slice", "");
        assert_value(fixture, "user.slice", "");
}

static void a_systemd_that_vanished_is_found_again(void **state) {
        struct fixture *fixture = *state;
        open_plugin(fixture);
        fixture->context->in_haste = true;
        turn(fixture, false);
        end_fake(fixture);
        turn_until_it_says(fixture, "slices: systemd does not answer");
        int n_late = 0;
        for (int i = 0; i < 20; i++)
                n_late += turn(fixture, true) > AT_ONCE_MSEC;
        assert_in_range(n_late, 0, 5);
        start_fake(fixture);
        be_patient(fixture);
        turn_until_it_says(fixture, "slices: system.slice, user.slice by AllowedCPUs");
        fixture->context->cores[7].io_core = true;
        turn(fixture, false);
        assert_string_equal(fixture->wants, "system.slice=0-6=ok user.slice=0-6=ok");
}

static void a_bus_that_went_away_is_found_again(void **state) {
        struct fixture *fixture = *state;
        open_plugin(fixture);
        turn(fixture, false);
        end_fake(fixture);
        end(&fixture->bus);
        turn_until_it_says(fixture, "slices: systemd does not answer");
        start_bus(fixture);
        start_fake(fixture);
        turn_until_it_says(fixture, "slices: system.slice, user.slice by AllowedCPUs");
        fixture->context->cores[7].io_core = true;
        turn(fixture, false);
        assert_string_equal(fixture->wants, "system.slice=0-6=ok user.slice=0-6=ok");
}

static void without_a_bus_it_opens_within_its_bound_and_waits(void **state) {
        struct fixture *fixture = *state;
        char value[IOCORE_VALUE_MAX];
        end(&fixture->bus);
        int64_t began = now_msec();
        open_plugin(fixture);
        fixture->context->in_haste = true;
        assert_in_range(now_msec() - began, 0, 2000 + ROOM_MSEC);
        assert_string_equal(describe(fixture), "slices: systemd does not answer");
        assert_int_equal(get(fixture, "system.slice", value), -EAGAIN);
        assert_int_equal(iocore_plugin.knobs[0].set(fixture->state, "system.slice", "1", value, sizeof value), -EAGAIN);
        turn(fixture, true);
        assert_string_equal(fixture->wants, "");
        assert_non_null(strstr(fixture->context->last_warning, "systemd does not answer"));
}

static void it_ends_within_its_bound_also_when_systemd_hangs(void **state) {
        struct fixture *fixture = *state;
        char value[IOCORE_VALUE_MAX];
        open_plugin(fixture);
        fixture->context->in_haste = true;
        turn(fixture, false);
        kill(fixture->fake, SIGSTOP);
        assert_int_equal(iocore_plugin.knobs[0].set(fixture->state, "system.slice", "1", value, sizeof value), -ETIMEDOUT);
        int64_t began = now_msec();
        iocore_plugin.close(fixture->state);
        fixture->state = NULL;
        assert_in_range(now_msec() - began, 1900, 2000 + ROOM_MSEC);

        kill(fixture->fake, SIGCONT);
        open_plugin(fixture);
        began = now_msec();
        iocore_plugin.close(fixture->state);
        fixture->state = NULL;
        assert_in_range(now_msec() - began, 0, 1800); /* it does not wait for nothing */
}

static void what_was_asked_for_last_is_done_before_it_ends(void **state) {
        struct fixture *fixture = *state;
        char value[IOCORE_VALUE_MAX];
        open_plugin(fixture);
        fixture->context->in_haste = true;
        turn(fixture, false);
        tell_fake(fixture, "delay 300");
        assert_int_equal(iocore_plugin.knobs[0].set(fixture->state, "system.slice", "1", value, sizeof value), -ETIMEDOUT);
        iocore_plugin.close(fixture->state);
        fixture->state = NULL;
        assert_fake_shows(fixture, "system.slice", "system.slice 1 1, 1");
}

/* --- somebody else */

static void what_somebody_else_changed_is_told_and_left_alone(void **state) {
        struct fixture *fixture = *state;
        open_plugin(fixture);
        fixture->context->cores[7].io_core = true;
        turn(fixture, false);
        tell_fake(fixture, "cpus user.slice 0-1");
        turn_until_knob_changed(fixture, 1);
        assert_string_equal(fixture->context->last_knob_changed, "slice.cpus user.slice");
        assert_value(fixture, "user.slice", "0-1");
        fixture->context->cores[7].io_core = false;
        fixture->context->cores[1].io_core = true;
        turn(fixture, true);
        assert_string_equal(fixture->wants, "system.slice=0,2-7=ok");
        assert_string_equal(describe(fixture), "slices: system.slice, user.slice (changed by somebody else, left alone) by AllowedCPUs");
        turn(fixture, true);
        assert_int_equal(fixture->context->n_knobs_changed, 1);
}

static void what_somebody_else_changed_may_be_adopted(void **state) {
        struct fixture *fixture = *state;
        open_plugin(fixture);
        fixture->context->cores[7].io_core = true;
        turn(fixture, false);
        tell_fake(fixture, "cpus user.slice 0-1,7");
        turn_until_knob_changed(fixture, 1);
        iocore_plugin.foreign(fixture->state, "slice.cpus", "user.slice", IOCORE_FOREIGN_ADOPT);
        turn(fixture, false);
        assert_string_equal(fixture->wants, "user.slice=0-1=ok");
        assert_string_equal(describe(fixture), "slices: system.slice, user.slice by AllowedCPUs");
        fixture->context->cores[7].io_core = false;
        turn(fixture, false);
        assert_string_equal(fixture->wants, "system.slice==ok user.slice=0-1,7=ok");
}

static void what_somebody_else_changed_may_be_contested(void **state) {
        struct fixture *fixture = *state;
        open_plugin(fixture);
        fixture->context->cores[7].io_core = true;
        turn(fixture, false);
        for (unsigned i = 1; i <= 2; i++) {
                tell_fake(fixture, "cpus user.slice 0-1,7");
                turn_until_knob_changed(fixture, i);
                iocore_plugin.foreign(fixture->state, "slice.cpus", "user.slice", IOCORE_FOREIGN_CONTEST);
                turn(fixture, false);
                assert_value(fixture, "user.slice", "0-6");
        }
        fixture->context->cores[7].io_core = false;
        turn(fixture, false);
        assert_string_equal(fixture->wants, "system.slice==ok user.slice==ok");
}

static void a_change_just_before_ours_is_not_overwritten(void **state) {
        struct fixture *fixture = *state;
        open_plugin(fixture);
        turn(fixture, false);
        tell_fake(fixture, "cpus system.slice 0-5,7");
        fixture->context->cores[7].io_core = true;
        turn(fixture, false);
        /* unless it was read by chance in between */
        if (strcmp(fixture->wants, "system.slice=0-5=ok user.slice=0-6=ok") != 0)
                assert_string_equal(fixture->wants, "system.slice=0-6=ESTALE user.slice=0-6=ok");
        turn(fixture, false);
        assert_fake_shows(fixture, "system.slice", "system.slice 1 0-5, 0-5");
}

int main(void) {
        if (system("dbus-daemon --version >/dev/null 2>&1") != 0) {
                printf("ok 1 # SKIP dbus-daemon is not installed\n");
                return 0;
        }
        signal(SIGPIPE, SIG_IGN);
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, make_fixture, remove_fixture)
        const struct CMUnitTest tests[] = {
                WITH_FIXTURE(it_is_only_for_a_host_where_it_was_asked_for),
                WITH_FIXTURE(it_is_not_for_a_host_without_systemd_or_cpusets),
                WITH_FIXTURE(slices_lose_an_io_core_and_get_it_back),
                WITH_FIXTURE(what_a_slice_was_allowed_before_is_what_it_gets_back),
                WITH_FIXTURE(a_slice_that_would_be_left_nothing_is_left_alone_and_told),
                WITH_FIXTURE(a_name_that_systemd_does_not_have_is_told),
                WITH_FIXTURE(any_slice_is_reached_by_its_name),
                WITH_FIXTURE(a_refusal_is_told_in_systemds_words_and_not_asked_for_again),
                WITH_FIXTURE(a_slow_answer_is_waited_for_once_and_noticed_when_it_comes),
                WITH_FIXTURE(a_refusal_that_comes_late_is_told_and_not_asked_for_again),
                WITH_FIXTURE(what_passes_is_said_to_have_passed),
                WITH_FIXTURE(a_hung_systemd_delays_one_turn_by_100_ms_and_no_other),
                WITH_FIXTURE(nothing_that_was_not_asked_yet_is_set_late),
                WITH_FIXTURE(a_systemd_that_vanished_is_found_again),
                WITH_FIXTURE(a_bus_that_went_away_is_found_again),
                WITH_FIXTURE(without_a_bus_it_opens_within_its_bound_and_waits),
                WITH_FIXTURE(it_ends_within_its_bound_also_when_systemd_hangs),
                WITH_FIXTURE(what_was_asked_for_last_is_done_before_it_ends),
                WITH_FIXTURE(what_somebody_else_changed_is_told_and_left_alone),
                WITH_FIXTURE(what_somebody_else_changed_may_be_adopted),
                WITH_FIXTURE(what_somebody_else_changed_may_be_contested),
                WITH_FIXTURE(a_change_just_before_ours_is_not_overwritten),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

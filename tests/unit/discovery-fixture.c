/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "discovery-fixture.h"

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

void tell_born(struct fixture *fixture, pid_t process, pid_t thread) {
        assert_true(fixture->n < N_ANSWERS_MAX);
        fixture->answers[fixture->n].error = 0;
        connector_event_fork(fixture->answers[fixture->n++].datagram, process == thread ? 2 : 1, process, thread);
}

void tell_error(struct fixture *fixture, int error) {
        assert_true(fixture->n < N_ANSWERS_MAX);
        fixture->answers[fixture->n++].error = error;
}

static int count_open_path(struct iocore_context *context, const char *path, int flags) {
        struct fixture *fixture = context->userdata;
        fixture->n_opened++;
        fixture->n_searched += strcmp(path, "/proc") == 0;
        if (fixture->vanishes && fixture->n_opened == fixture->vanish_at) {
                fixture_remove(context, fixture->vanishes);
                fixture->vanishes = NULL;
                if (strcmp(path, "/proc") == 0)
                        fixture_write(context, "/proc/1/comm", "init\n"); /* that is always there */
        }
        const char *name = strrchr(path, '/');
        if (fixture->unreadable && name && strcmp(name + 1, fixture->unreadable) == 0)
                return -EACCES;
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

void put_thread(struct fixture *fixture, const char *directory, pid_t process, pid_t id, const char *name, pid_t parent, unsigned flags, unsigned start_time) {
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

void put_kernel_thread(struct fixture *fixture, pid_t id, const char *name, unsigned start_time) {
        char directory[64];
        snprintf(directory, sizeof directory, "/proc/%d", (int) id);
        put_thread(fixture, directory, id, id, name, 2, KTHREAD, start_time);
}

void put_task(struct fixture *fixture, pid_t process, pid_t id, const char *name, unsigned flags) {
        char directory[64];
        snprintf(directory, sizeof directory, "/proc/%d/task/%d", (int) process, (int) id);
        put_thread(fixture, directory, process, id, name, 1, flags, 99);
}

void open_plugin(struct fixture *fixture, struct connector *connector) {
        char reason[IOCORE_REASON_MAX] = "";
        void *state = NULL;
        assert_int_equal(vhost_open_connected(&fixture->services, fixture->context, &affinity, connector, "not asked for", &state, reason, sizeof reason), 0);
        fixture->state = state;
}

void connect_plugin(struct fixture *fixture) {
        struct connector *connector = connector_new(play, fixture);
        assert_non_null(connector);
        open_plugin(fixture, connector);
}

int announced(struct fixture *fixture) {
        return iocore_plugin.announced(fixture->state);
}

void scan(struct fixture *fixture, bool thorough) {
        assert_int_equal(iocore_plugin.scan(fixture->state, thorough), 0);
}

int set_up(void **test_state) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        assert_non_null(fixture);
        fixture->context = fake_context_new();
        fixture->context->userdata = fixture;
        fixture->services = fake_services;
        fixture->services.open_path = count_open_path;
        fixture_write(fixture->context, "/proc/1/comm", "init\n");
        put_thread(fixture, "/proc/100", 100, 100, "qemu-system-x86", 1, PLAIN, 50);
        fixture_write(fixture->context, "/proc/100/cmdline", "qemu-system-x86_64");
        *test_state = fixture;
        return 0;
}

int tear_down(void **test_state) {
        struct fixture *fixture = *test_state;
        iocore_plugin.close(fixture->state);
        assert_int_equal(fixture->context->n_workers, 0);
        assert_int_equal(fixture->context->n_units, 0);
        fake_context_free(fixture->context);
        free(fixture);
        return 0;
}

static void say(void *userdata, const char *key, const char *value) {
        struct fixture *fixture = userdata;
        assert_true(fixture->n_said < ELEMENTSOF(fixture->said));
        snprintf(fixture->said[fixture->n_said].key, sizeof fixture->said[0].key, "%s", key);
        snprintf(fixture->said[fixture->n_said].value, sizeof fixture->said[0].value, "%s", value);
        fixture->n_said++;
}

const char *described(struct fixture *fixture, const char *key) {
        fixture->n_said = 0;
        iocore_plugin.describe(fixture->state, say, fixture);
        for (size_t i = 0; i < fixture->n_said; i++)
                if (strcmp(fixture->said[i].key, key) == 0)
                        return fixture->said[i].value;
        return "";
}

static const char *const *options; /* keys and values, NULL-terminated */

static const char *option(struct iocore_context *context, const char *key) {
        (void) context;
        for (const char *const *o = options; o && *o; o += 2)
                if (strcmp(*o, key) == 0)
                        return o[1];
        return NULL;
}

int open_with(struct fixture *fixture, const char *const *with, char reason[static IOCORE_REASON_MAX]) {
        void *state = NULL;
        fixture->services.option = option;
        options = with;
        reason[0] = '\0';
        int r = iocore_plugin.open(&fixture->services, fixture->context, &state, reason, IOCORE_REASON_MAX);
        fixture->state = state;
        return r;
}

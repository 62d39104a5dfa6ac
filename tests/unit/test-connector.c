/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plugins/vhost-thread/connector: what it makes of datagrams, and the kernel's own ones where they can be had. */
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"
#include "connector-events.h"
#include "plugins/vhost-thread/connector.h"

enum { N_HEARD_MAX = 4096, N_ANSWERS_MAX = 16 };

struct ear {
        struct connector_event events[N_HEARD_MAX];
        size_t n;
};

static void hear(void *userdata, const struct connector_event *event) {
        struct ear *ear = userdata;
        if (ear->n < N_HEARD_MAX)
                ear->events[ear->n] = *event;
        ear->n++;
}

static void assert_heard(const struct ear *ear, size_t index, enum connector_event_kind kind, pid_t process, pid_t thread) {
        assert_in_range(index, 0, ear->n - 1);
        assert_int_equal(ear->events[index].kind, kind);
        assert_int_equal(ear->events[index].process, process);
        assert_int_equal(ear->events[index].thread, thread);
}

/* From a block of exactly its size, so that a sanitizer sees any byte read beyond. */
static int parse(const char *datagram, size_t length, struct ear *ear) {
        char *exact = malloc(length > 0 ? length : 1);
        assert_non_null(exact);
        memcpy(exact, datagram, length);
        memset(ear, 0, sizeof *ear);
        int n = connector_parse(exact, length, hear, ear);
        free(exact);
        assert_int_equal(n, ear->n);
        return n;
}

static void threads_kernel_threads_and_new_names_are_told(void **state) {
        (void) state;
        char datagram[CONNECTOR_EVENT_SIZE];
        static struct ear ear;

        connector_event_fork(datagram, 1, 100, 104);
        assert_int_equal(parse(datagram, sizeof datagram, &ear), 1);
        assert_heard(&ear, 0, CONNECTOR_BORN, 100, 104);
        connector_event_fork(datagram, 2, 120, 120);
        assert_int_equal(parse(datagram, sizeof datagram, &ear), 1);
        assert_heard(&ear, 0, CONNECTOR_BORN, 120, 120);
        connector_event_comm(datagram, 100, 105, "CPU 0/KVM");
        assert_int_equal(parse(datagram, sizeof datagram, &ear), 1);
        assert_heard(&ear, 0, CONNECTOR_RENAMED, 100, 105);
}

static void everything_else_is_passed_over(void **state) {
        (void) state;
        static const uint32_t others[] = { PROC_EVENT_NONE, PROC_EVENT_EXEC, PROC_EVENT_UID, PROC_EVENT_EXIT, PROC_EVENT_COREDUMP, 0x400, 3, UINT32_MAX };
        char datagram[CONNECTOR_EVENT_SIZE];
        static struct ear ear;

        connector_event_fork(datagram, 1, 100, 100); /* a process */
        assert_int_equal(parse(datagram, sizeof datagram, &ear), 0);
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                connector_event_other(datagram, others[i], 100, 104);
                assert_int_equal(parse(datagram, sizeof datagram, &ear), 0);
        }
        static const struct { pid_t process, thread; } none[] = { { 0, 104 }, { 100, 0 }, { -1, 104 }, { 100, -1 } };
        for (size_t i = 0; i < ELEMENTSOF(none); i++) {
                connector_event_fork(datagram, 2, none[i].process, none[i].thread);
                assert_int_equal(parse(datagram, sizeof datagram, &ear), 0);
        }
        connector_event_fork(datagram, 1, 100, 104);
        const struct cn_msg foreign = { .id = { CN_IDX_CIFS, CN_VAL_PROC }, .len = sizeof(struct proc_event) };
        memcpy(datagram + NLMSG_HDRLEN, &foreign, sizeof foreign);
        assert_int_equal(parse(datagram, sizeof datagram, &ear), 0);
}

static void a_datagram_that_is_cut_off_anywhere_tells_nothing(void **state) {
        (void) state;
        char datagram[CONNECTOR_EVENT_SIZE];
        static struct ear ear;

        connector_event_fork(datagram, 1, 100, 104);
        for (size_t length = 0; length < sizeof datagram; length++)
                assert_int_equal(parse(datagram, length, &ear), 0);
}

static void lengths_that_lie_are_not_believed(void **state) {
        (void) state;
        static const uint32_t lengths[] = { 0, 1, 15, 16, 35, 36, 77, 1000, UINT32_MAX, UINT32_MAX - 3, 0x80000000 };
        static const uint16_t inner[] = { 0, 15, 41, 1000, UINT16_MAX };
        char datagram[CONNECTOR_EVENT_SIZE];
        static struct ear ear;

        for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
                connector_event_fork(datagram, 1, 100, 104);
                memcpy(datagram + offsetof(struct nlmsghdr, nlmsg_len), &lengths[i], sizeof lengths[i]);
                assert_int_equal(parse(datagram, sizeof datagram, &ear), 0);
        }
        for (size_t i = 0; i < ELEMENTSOF(inner); i++) {
                connector_event_fork(datagram, 1, 100, 104);
                memcpy(datagram + NLMSG_HDRLEN + offsetof(struct cn_msg, len), &inner[i], sizeof inner[i]);
                assert_int_equal(parse(datagram, sizeof datagram, &ear), 0);
        }
}

static void an_event_without_what_newer_kernels_append_is_understood(void **state) {
        (void) state;
        char datagram[CONNECTOR_EVENT_SIZE];
        static struct ear ear;
        const uint16_t len = 32; /* up to the four ids of a fork */

        connector_event_fork(datagram, 1, 100, 104);
        memcpy(datagram + NLMSG_HDRLEN + offsetof(struct cn_msg, len), &len, sizeof len);
        assert_int_equal(parse(datagram, sizeof datagram, &ear), 1);
        assert_heard(&ear, 0, CONNECTOR_BORN, 100, 104);
}

static void each_message_of_a_datagram_is_told(void **state) {
        (void) state;
        char datagram[3 * CONNECTOR_EVENT_SIZE];
        static struct ear ear;

        connector_event_fork(datagram, 1, 100, 104);
        connector_event_fork(datagram + CONNECTOR_EVENT_SIZE, 1, 100, 100);
        connector_event_comm(datagram + (size_t) 2 * CONNECTOR_EVENT_SIZE, 100, 105, "x");
        assert_int_equal(parse(datagram, sizeof datagram, &ear), 2);
        assert_heard(&ear, 0, CONNECTOR_BORN, 100, 104);
        assert_heard(&ear, 1, CONNECTOR_RENAMED, 100, 105);
        assert_int_equal(parse(datagram, sizeof datagram - 1, &ear), 1);
}

/* --- drain */

/* Stands for the socket: each answer is an errno or a datagram with its sender; then -EAGAIN for ever. */
struct script {
        struct {
                ssize_t result; /* 0: a fork event of process 100 */
                uint32_t sender;
                pid_t thread;
        } answers[N_ANSWERS_MAX];
        size_t n, next;
        bool endless; /* a new thread at each call */
        unsigned n_calls;
};

static ssize_t play(void *userdata, void *buffer, size_t size, uint32_t *ret_sender) {
        struct script *script = userdata;
        assert_true(size >= CONNECTOR_EVENT_SIZE);
        script->n_calls++;
        if (script->endless) {
                *ret_sender = 0;
                connector_event_fork(buffer, 1, 100, (pid_t) (1000 + script->n_calls));
                return CONNECTOR_EVENT_SIZE;
        }
        if (script->next == script->n)
                return -EAGAIN;
        size_t i = script->next++;
        if (script->answers[i].result < 0)
                return script->answers[i].result;
        *ret_sender = script->answers[i].sender;
        connector_event_fork(buffer, 1, 100, script->answers[i].thread);
        return CONNECTOR_EVENT_SIZE;
}

static int drain(struct script *script, struct ear *ear) {
        struct connector *connector = connector_new(play, script);
        assert_non_null(connector);
        memset(ear, 0, sizeof *ear);
        int r = connector_drain(connector, hear, ear);
        assert_null(connector_close(connector));
        return r;
}

static void only_the_kernel_is_believed(void **state) {
        (void) state;
        static struct ear ear;
        struct script script = { .answers = { { 0, 4711, 101 }, { 0, 0, 102 }, { 0, UINT32_MAX, 103 } }, .n = 3 };

        assert_int_equal(drain(&script, &ear), 1);
        assert_heard(&ear, 0, CONNECTOR_BORN, 100, 102);
}

static void a_loss_is_told_after_all_that_was_not_lost(void **state) {
        (void) state;
        static struct ear ear;
        struct script script = { .answers = { { 0, 0, 101 }, { -ENOBUFS, 0, 0 }, { -EINTR, 0, 0 }, { -EMSGSIZE, 0, 0 }, { 0, 0, 102 } }, .n = 5 };

        assert_int_equal(drain(&script, &ear), -ENOBUFS);
        assert_int_equal(ear.n, 2);
        assert_heard(&ear, 1, CONNECTOR_BORN, 100, 102);
}

static void a_socket_that_fails_is_told(void **state) {
        (void) state;
        static struct ear ear;
        struct script script = { .answers = { { 0, 0, 101 }, { -ENOTCONN, 0, 0 }, { 0, 0, 102 } }, .n = 3 };

        assert_int_equal(drain(&script, &ear), -ENOTCONN);
        assert_int_equal(ear.n, 1);
}

static void however_much_comes_a_drain_ends(void **state) {
        (void) state;
        static struct ear ear;
        struct script script = { .endless = true };
        struct connector *connector = connector_new(play, &script);

        assert_non_null(connector);
        int first = connector_drain(connector, hear, &ear);
        assert_in_range(first, 100, N_HEARD_MAX / 2);
        assert_int_equal(connector_drain(connector, hear, &ear), first);
        assert_int_equal(script.n_calls, 2 * first); /* nothing is read and thrown away */
        connector_close(connector);
}

static void nothing_to_hear_costs_one_call(void **state) {
        (void) state;
        static struct ear ear;
        struct script script = { .n = 0 };

        assert_int_equal(drain(&script, &ear), 0);
        assert_int_equal(script.n_calls, 1);
}

/* --- the kernel's part */

static bool passes(int fds[2], const char *datagram, size_t size) {
        char received[2 * CONNECTOR_EVENT_SIZE];
        assert_int_equal(send(fds[0], datagram, size, 0), size);
        ssize_t n = recv(fds[1], received, sizeof received, MSG_DONTWAIT);
        assert_true(n >= 0 || errno == EAGAIN);
        assert_true(n < 0 || ((size_t) n == size && memcmp(received, datagram, size) == 0)); /* whole, or not at all */
        return n >= 0;
}

/* Filters work alike on all sockets. */
static void the_filter_lets_through_what_matters_alone(void **state) {
        (void) state;
        char datagram[CONNECTOR_EVENT_SIZE];
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(connector_attach_filter(fds[1]), 0);
        connector_event_fork(datagram, 1, 100, 104);
        assert_true(passes(fds, datagram, sizeof datagram));
        connector_event_fork(datagram, 2, 120, 120);
        assert_true(passes(fds, datagram, sizeof datagram));
        connector_event_comm(datagram, 100, 100, "x");
        assert_true(passes(fds, datagram, sizeof datagram));
        connector_event_other(datagram, PROC_EVENT_NONE, 0, 0);
        assert_true(passes(fds, datagram, sizeof datagram));

        connector_event_fork(datagram, 1, 100, 100);
        assert_false(passes(fds, datagram, sizeof datagram));
        connector_event_fork(datagram, 300, 301, 301);
        assert_false(passes(fds, datagram, sizeof datagram));
        static const uint32_t others[] = { PROC_EVENT_EXEC, PROC_EVENT_UID, PROC_EVENT_SID, PROC_EVENT_EXIT, UINT32_MAX };
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                connector_event_other(datagram, others[i], 100, 104);
                assert_false(passes(fds, datagram, sizeof datagram));
        }
        connector_event_fork(datagram, 1, 100, 104);
        assert_false(passes(fds, datagram, 60)); /* cut off before the ids */
        const struct cn_msg foreign = { .id = { CN_W1_IDX, CN_VAL_PROC }, .len = sizeof(struct proc_event) };
        memcpy(datagram + NLMSG_HDRLEN, &foreign, sizeof foreign);
        assert_false(passes(fds, datagram, sizeof datagram));
        close(fds[0]);
        close(fds[1]);
}

static void *name_itself(void *userdata) {
        *(pid_t *) userdata = (pid_t) syscall(SYS_gettid);
        prctl(PR_SET_NAME, "CPU 0/KVM");
        return NULL;
}

static size_t count(const struct ear *ear, enum connector_event_kind kind, pid_t process, pid_t thread) {
        size_t n = 0;
        for (size_t i = 0; i < ear->n && i < N_HEARD_MAX; i++)
                n += ear->events[i].kind == kind && ear->events[i].process == process && ear->events[i].thread == thread;
        return n;
}

static void the_kernel_tells_of_threads_and_their_names(void **state) {
        (void) state;
        static struct ear ear;
        char reason[256] = "";
        struct connector *connector = NULL;
        pthread_t thread;
        pid_t id = 0;

        int r = connector_open(&connector, reason, sizeof reason);
        if (r < 0) {
                assert_true(strlen(reason) > 5);
                assert_null(connector);
                print_message("the process connector is not to be had here: %s\n", reason);
                skip();
        }
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
                _exit(0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_int_equal(pthread_create(&thread, NULL, name_itself, &id), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(connector_drain(connector, hear, &ear) >= 2);
        assert_int_equal(count(&ear, CONNECTOR_BORN, getpid(), id), 1);
        assert_int_equal(count(&ear, CONNECTOR_RENAMED, getpid(), id), 1);
        assert_int_equal(count(&ear, CONNECTOR_BORN, child, child), 0);
        assert_null(connector_close(connector));
}

/* nobody has no CAP_NET_ADMIN: refused up to Linux 6.5, and then there is a reason; later kernels may allow it. */
static void without_the_right_there_is_a_reason(void **state) {
        (void) state;
        int status;

        if (geteuid() != 0)
                skip();
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                char reason[256] = "";
                struct connector *connector = NULL;
                if (setuid(65534) < 0)
                        _exit(2);
                int r = connector_open(&connector, reason, sizeof reason);
                bool fine = r == 0 ? connector != NULL : connector == NULL && reason[0] != '\0' && (r != -EPERM || strcmp(reason, strerror(EPERM)) == 0);
                connector_close(connector);
                _exit(fine ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(threads_kernel_threads_and_new_names_are_told),
                cmocka_unit_test(everything_else_is_passed_over),
                cmocka_unit_test(a_datagram_that_is_cut_off_anywhere_tells_nothing),
                cmocka_unit_test(lengths_that_lie_are_not_believed),
                cmocka_unit_test(an_event_without_what_newer_kernels_append_is_understood),
                cmocka_unit_test(each_message_of_a_datagram_is_told),
                cmocka_unit_test(only_the_kernel_is_believed),
                cmocka_unit_test(a_loss_is_told_after_all_that_was_not_lost),
                cmocka_unit_test(a_socket_that_fails_is_told),
                cmocka_unit_test(however_much_comes_a_drain_ends),
                cmocka_unit_test(nothing_to_hear_costs_one_call),
                cmocka_unit_test(the_filter_lets_through_what_matters_alone),
                cmocka_unit_test(the_kernel_tells_of_threads_and_their_names),
                cmocka_unit_test(without_the_right_there_is_a_reason),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

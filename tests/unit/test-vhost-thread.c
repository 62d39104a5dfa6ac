/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plugins/vhost-thread on fixture trees of /proc; affinity is a table of this test's own. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"
#include "plugins/vhost-thread/vhost-thread.h"
#include "root-path.h"

enum { MAX_OBJECTS = 16, N_CPUS = 8, KTHREAD = 0x00208040, USER_WORKER = 0x00404040, IO_WORKER = 0x00404050, PLAIN = 0x00400000 };

extern const struct iocore_plugin iocore_plugin;

/* The least that stands for the daemon: objects in an array, the fixture's root, one mask for each thread id. */
struct iocore_context {
        char root[64];
        struct iocore_worker *workers[MAX_OBJECTS];
        struct iocore_unit *units[MAX_OBJECTS];
        bool io_core[N_CPUS];
        unsigned n_messages;

        struct {
                pid_t id;
                unsigned mask, cpuset; /* cpuset: what the kernel lets through; 0: gone */
        } threads[MAX_OBJECTS];
        size_t n_threads;
        unsigned n_sets;
        bool broken_cpuset; /* the kernel answers a mask with another one, as when a cpuset changes in between */
        struct affinity_calls affinity;
        void *state;
};

static int service_open_path(struct iocore_context *context, const char *path, int flags) {
        return root_open(context->root, path, flags);
}

static void __attribute__((format(printf, 3, 4))) service_log(struct iocore_context *context, int priority, const char *format, ...) {
        (void) priority;
        (void) format;
        context->n_messages++;
}

static const char *service_option(struct iocore_context *context, const char *key) {
        (void) context;
        (void) key;
        return NULL;
}

static void service_tell(struct iocore_context *context, const char *kind, const char *object, const char *text) {
        (void) context;
        (void) kind;
        (void) object;
        (void) text;
}

#define FIND_OR_ADD(array, id_text)                                                                     \
        for (size_t i = 0; i < MAX_OBJECTS; i++) {                                                      \
                if (!(array)[i]) {                                                                      \
                        (array)[i] = calloc(1, sizeof *(array)[i]);                                     \
                        assert_non_null((array)[i]);                                                    \
                        snprintf((array)[i]->id, sizeof(array)[i]->id, "%s", id_text);                  \
                } else if (strcmp((array)[i]->id, id_text) != 0)                                        \
                        continue;                                                                       \
                return (array)[i];                                                                      \
        }

#define REMOVE(array, object)                                                                           \
        for (size_t i = 0; i < MAX_OBJECTS; i++)                                                        \
                if ((array)[i] == (object)) {                                                           \
                        memmove((array) + i, (array) + i + 1, (MAX_OBJECTS - 1 - i) * sizeof(void *)); \
                        (array)[MAX_OBJECTS - 1] = NULL;                                                \
                        break;                                                                          \
                }                                                                                       \
        free(object);

static struct iocore_worker *service_worker_add(struct iocore_context *context, const char *id) {
        FIND_OR_ADD(context->workers, id)
        errno = ENOMEM;
        return NULL;
}

static struct iocore_unit *service_unit_add(struct iocore_context *context, const char *id) {
        FIND_OR_ADD(context->units, id)
        errno = ENOMEM;
        return NULL;
}

static void service_worker_remove(struct iocore_context *context, struct iocore_worker *worker) {
        REMOVE(context->workers, worker)
}

static void service_unit_remove(struct iocore_context *context, struct iocore_unit *unit) {
        REMOVE(context->units, unit)
}

static int service_core_set(struct iocore_context *context, int cpu, struct iocore_worker *worker, bool io_core) {
        assert_null(worker);
        if (cpu < 0 || cpu >= N_CPUS)
                return -EINVAL;
        context->io_core[cpu] = io_core;
        return 0;
}

static int service_cpu_count(struct iocore_context *context) {
        (void) context;
        return N_CPUS;
}

static int service_cpu_node(struct iocore_context *context, int cpu) {
        (void) context;
        return cpu < 0 || cpu >= N_CPUS ? IOCORE_NODE_UNKNOWN : cpu / 4;
}

static bool service_cpu_online(struct iocore_context *context, int cpu) {
        (void) context;
        return cpu != 7;
}

static const struct iocore_services services = {
        .size = sizeof services,
        .open_path = service_open_path,
        .option = service_option,
        .tell = service_tell,
        .log = service_log,
        .worker_add = service_worker_add,
        .unit_add = service_unit_add,
        .worker_remove = service_worker_remove,
        .unit_remove = service_unit_remove,
        .core_set = service_core_set,
        .cpu_count = service_cpu_count,
        .cpu_node = service_cpu_node,
        .cpu_online = service_cpu_online,
};

static unsigned *fake_mask(struct iocore_context *context, pid_t id, unsigned **ret_cpuset) {
        for (size_t i = 0; i < context->n_threads; i++)
                if (context->threads[i].id == id && context->threads[i].cpuset != 0) {
                        *ret_cpuset = &context->threads[i].cpuset;
                        return &context->threads[i].mask;
                }
        return NULL;
}

static int fake_get(void *userdata, pid_t id, struct affinity_mask *ret) {
        unsigned *cpuset, *mask = fake_mask(userdata, id, &cpuset);
        if (!mask)
                return -ESRCH;
        memset(ret, 0, sizeof *ret);
        for (unsigned cpu = 0; cpu < 32; cpu++)
                if (*mask & 1u << cpu)
                        CPU_SET_S(cpu, sizeof ret->sets, ret->sets);
        return 0;
}

static int fake_set(void *userdata, pid_t id, const struct affinity_mask *wanted) {
        struct iocore_context *context = userdata;
        unsigned *cpuset, *mask = fake_mask(context, id, &cpuset), new_mask = 0;
        if (!mask)
                return -ESRCH;
        for (unsigned cpu = 0; cpu < 32; cpu++)
                if (CPU_ISSET_S(cpu, sizeof wanted->sets, wanted->sets))
                        new_mask |= 1u << cpu;
        new_mask &= *cpuset;
        if (new_mask == 0)
                return -EINVAL;
        *mask = context->broken_cpuset && context->n_sets == 0 ? *cpuset : new_mask;
        context->n_sets++;
        return 0;
}

static void __attribute__((format(printf, 3, 4))) put(const struct iocore_context *context, const char *path, const char *format, ...) {
        char joined[256], text[4096];
        va_list arguments;

        va_start(arguments, format);
        int length = vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        snprintf(joined, sizeof joined, "%s%s", context->root, path);
        for (char *slash = joined + strlen(context->root) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                assert_true(mkdir(joined, 0755) == 0 || errno == EEXIST);
                *slash = '/';
        }
        _cleanup_close_ int fd = open(joined, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, (size_t) length), length);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw) {
        (void) status;
        (void) type;
        (void) ftw;
        return remove(path);
}

static void vanish(const struct iocore_context *context, const char *path) {
        char joined[256];
        snprintf(joined, sizeof joined, "%s%s", context->root, path);
        assert_int_equal(nftw(joined, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Files of one thread; `directory` as "/proc/123" or "/proc/100/task/123". */
static void put_thread(struct iocore_context *context, const char *directory, pid_t process, pid_t id, const char *name, pid_t parent, unsigned flags,
                       unsigned start_time) {
        char path[160];

        snprintf(path, sizeof path, "%s/comm", directory);
        put(context, path, "%s\n", name);
        snprintf(path, sizeof path, "%s/stat", directory);
        put(context, path, "%d (%s) S %d 0 0 0 -1 %u 0 0 0 0 3 7 0 0 20 0 1 0 %u 0 0 18446744073709551615 0 0\n", (int) id, name, (int) parent, flags,
            start_time);
        snprintf(path, sizeof path, "%s/status", directory);
        put(context, path, "Name:\t%s\nTgid:\t%d\nPid:\t%d\nPPid:\t%d\nCpus_allowed:\tff\nCpus_allowed_list:\t4-7\nMems_allowed_list:\t1\n", name, (int) process,
            (int) id, (int) parent);
        snprintf(path, sizeof path, "%s/schedstat", directory);
        put(context, path, "1000 200 3\n");
        if (context->n_threads < MAX_OBJECTS) {
                context->threads[context->n_threads].id = id;
                context->threads[context->n_threads].mask = context->threads[context->n_threads].cpuset = 0xff;
                context->n_threads++;
        }
}

static void put_owner(struct iocore_context *context, pid_t id, const char *name) {
        char path[64];

        snprintf(path, sizeof path, "/proc/%d", (int) id);
        put_thread(context, path, id, id, "qemu-system-x86", 1, PLAIN, 50);
        context->n_threads--;
        snprintf(path, sizeof path, "/proc/%d/cmdline", (int) id);
        put(context, path, "qemu-system-x86_64%c-name%cguest=%s,debug-threads=on%c-S%c", 0, 0, name, 0, 0);
        snprintf(path, sizeof path, "/proc/%d/task/%d", (int) id, (int) id);
        put_thread(context, path, id, id, "qemu-system-x86", 1, PLAIN, 50);
        context->n_threads--;
}

/* Kernels up to 6.3: owner 100 with the worker 120. */
static void put_kernel_thread(struct iocore_context *context) {
        put_owner(context, 100, "web");
        put_thread(context, "/proc/120", 120, 120, "vhost-100", 2, KTHREAD, 1234);
}

static void scan(struct iocore_context *context, bool thorough) {
        assert_int_equal(iocore_plugin.scan(context->state, thorough), 0);
}

static void open_plugin(struct iocore_context *context) {
        char reason[IOCORE_REASON_MAX] = "";
        assert_int_equal(vhost_open_with(&services, context, &context->affinity, &context->state, reason, sizeof reason), 0);
}

static int set_up(void **test_state) {
        struct iocore_context *context = calloc(1, sizeof *context);
        assert_non_null(context);
        snprintf(context->root, sizeof context->root, "/tmp/test-vhost-thread.XXXXXX");
        assert_non_null(mkdtemp(context->root));
        put(context, "/proc/1/comm", "init\n");
        context->affinity = (struct affinity_calls) { .get = fake_get, .set = fake_set, .userdata = context };
        *test_state = context;
        return 0;
}

static int tear_down(void **test_state) {
        struct iocore_context *context = *test_state;
        iocore_plugin.close(context->state);
        assert_null(context->workers[0]); /* close() takes everything out of the model */
        assert_null(context->units[0]);
        vanish(context, "");
        free(context);
        return 0;
}

static int place(struct iocore_context *context, const char *object, const char *value, char ret[static 64]) {
        return iocore_plugin.knobs[0].set(context->state, object, value, ret, 64);
}

static void a_kernel_thread_of_vhost_is_worker_and_unit(void **test_state) {
        struct iocore_context *context = *test_state;
        put_kernel_thread(context);
        open_plugin(context);
        assert_string_equal(context->workers[0]->id, "t.120");
        assert_int_equal(context->workers[0]->pid, 120);
        assert_int_equal(context->workers[0]->incarnation, 1234);
        assert_int_equal(context->workers[0]->cpu, IOCORE_CPU_ANY);
        assert_null(context->workers[1]);
        assert_string_equal(context->units[0]->id, "t.120");
        assert_ptr_equal(context->units[0]->worker, context->workers[0]);
        assert_int_equal(context->units[0]->owner, 100);
        assert_int_equal(context->units[0]->node, 1);
        assert_string_equal(context->units[0]->domain, "web");
        assert_false(context->units[0]->manual);
}

static void the_owner_is_the_process_of_the_thread_that_made_the_device(void **test_state) {
        struct iocore_context *context = *test_state;
        put_owner(context, 100, "web");
        /* thread 107 of process 100: not listed in /proc, but it opens */
        put_thread(context, "/proc/107", 100, 107, "IO iothread1", 1, PLAIN, 60);
        put_thread(context, "/proc/120", 120, 120, "vhost-107", 2, KTHREAD, 1234);
        open_plugin(context);
        assert_int_equal(context->units[0]->owner, 100);
}

static void a_task_of_vhost_is_found_below_its_process(void **test_state) {
        struct iocore_context *context = *test_state;
        put_owner(context, 100, "db");
        put_thread(context, "/proc/100/task/104", 100, 104, "vhost-100", 1, USER_WORKER, 99);
        open_plugin(context);
        assert_string_equal(context->workers[0]->id, "t.104");
        assert_int_equal(context->units[0]->owner, 100);
        assert_string_equal(context->units[0]->domain, "db");
        assert_int_equal(iocore_plugin.sample_workers(context->state), 0);
        assert_int_equal(context->workers[0]->busy, 1000);
        assert_int_equal(context->workers[0]->wait, 200);
}

static void threads_that_only_call_themselves_so_are_not_workers(void **test_state) {
        struct iocore_context *context = *test_state;
        put_owner(context, 100, "web");
        put_thread(context, "/proc/100/task/101", 100, 101, "vhost-100", 1, PLAIN, 1);      /* prctl(PR_SET_NAME) */
        put_thread(context, "/proc/100/task/102", 100, 102, "vhost-100", 1, IO_WORKER, 1);  /* io_uring */
        put_thread(context, "/proc/130", 130, 130, "vhost-100", 1, PLAIN, 1);
        put_thread(context, "/proc/131", 131, 131, "vhost-100", 100, KTHREAD, 1);           /* not a child of kthreadd */
        put_thread(context, "/proc/132", 132, 132, "vhost-100x", 2, KTHREAD, 1);
        put_thread(context, "/proc/133", 133, 133, "vhost-", 2, KTHREAD, 1);
        put_thread(context, "/proc/134", 134, 134, "vhost--5", 2, KTHREAD, 1);
        put_thread(context, "/proc/135", 135, 135, "vhost-0", 2, KTHREAD, 1);
        put_thread(context, "/proc/136", 136, 136, "vhost-99999999999", 2, KTHREAD, 1);
        put_thread(context, "/proc/137", 137, 137, "vhost-100\nvhost-1", 2, KTHREAD, 1);
        open_plugin(context);
        assert_null(context->workers[0]);
}

static void spaces_and_parentheses_in_a_name_shift_no_field(void **test_state) {
        (void) test_state;
        struct thread_stat stat;
        assert_int_equal(thread_parse_stat("7 (a) S 9 (b c) ) R 2 0 0 0 -1 2097152 0 0 0 0 0 0 0 0 20 0 1 0 77 0\n", &stat), 0);
        assert_int_equal(stat.parent, 2);
        assert_int_equal(stat.flags, 0x200000);
        assert_int_equal(stat.start_time, 77);
        assert_int_equal(thread_classify(&stat), THREAD_VHOST_KERNEL);
}

static void garbage_in_stat_is_refused(void **test_state) {
        (void) test_state;
        struct thread_stat stat;
        static const char *const texts[] = {
                "", "\n", ")", "7 (x", "7 (x)", "7 (x) S", "7 (x) S 2 0 0 0 -1 2097152 0 0", "7 (x) S -2 0 0 0 -1 2097152 0 0 0 0 0 0 0 0 20 0 1 0 77 0\n",
                "7 (x) S 2 0 0 0 -1 flags 0 0 0 0 0 0 0 0 20 0 1 0 77 0\n", "7 (x) S 2 0 0 0 -1 2097152 0 0 0 0 0 0 0 0 20 0 1 0 99999999999999999999999 0\n",
                "7 (x) S 2 0 0 0 -1 9999999999 0 0 0 0 0 0 0 0 20 0 1 0 77 0\n", "7 (x) S 2 0 0 0 -1 2097152 0 0 0 0 0 0 0 0 20 0 1 0 77x 0\n",
        };
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_int_equal(thread_parse_stat(texts[i], &stat), -EINVAL);
}

static void garbage_in_schedstat_is_refused(void **test_state) {
        (void) test_state;
        struct thread_times times = { 0 };
        static const char *const texts[] = { "", "\n", "1", "1\n", "1 2", "1 2\n", "1 2 \n", "-1 2 3\n", " 1 2 3\n", "1 x 3\n", "1 2 3", "1 2 3 4\n", "1  2 3\n",
                                             "99999999999999999999999 2 3\n", "1 2 18446744073709551616\n" };
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_int_equal(thread_parse_schedstat(texts[i], &times), -EINVAL);
        assert_int_equal(thread_parse_schedstat("5 6 7\n", &times), 0);
        assert_int_equal(times.run, 5);
        assert_int_equal(times.wait, 6);
        assert_int_equal(times.switches, 7);
        assert_int_equal(thread_parse_schedstat("0 18446744073709551615 0\n", &times), 0);
        assert_true(times.wait == UINT64_MAX);
}

static void a_worker_with_broken_files_is_skipped_and_told_once(void **test_state) {
        struct iocore_context *context = *test_state;
        put_kernel_thread(context);
        put_thread(context, "/proc/121", 121, 121, "vhost-100", 2, KTHREAD, 5);
        put(context, "/proc/121/stat", "121 (vhost-100) S 2 0 0\n");
        put(context, "/proc/120/schedstat", "none of your business\n");
        open_plugin(context);
        assert_null(context->workers[1]);
        for (int i = 0; i < 3; i++)
                assert_int_equal(iocore_plugin.sample_workers(context->state), 0);
        assert_int_equal(context->workers[0]->clock, 0); /* never sampled: no load is made up */
        assert_int_equal(context->n_messages, 1);
}

static void samples_are_taken_anew_through_the_open_file(void **test_state) {
        struct iocore_context *context = *test_state;
        put_kernel_thread(context);
        open_plugin(context);
        assert_int_equal(iocore_plugin.sample_workers(context->state), 0);
        uint64_t clock = context->workers[0]->clock;
        assert_true(clock > 0);
        put(context, "/proc/120/schedstat", "5000000 700 9\n");
        assert_int_equal(iocore_plugin.sample_workers(context->state), 0);
        assert_int_equal(context->workers[0]->busy, 5000000);
        assert_int_equal(context->workers[0]->wait, 700);
        assert_true(context->workers[0]->clock > clock);
}

static void a_thread_that_vanished_leaves_the_model(void **test_state) {
        struct iocore_context *context = *test_state;
        put_kernel_thread(context);
        put_thread(context, "/proc/121", 121, 121, "vhost-100", 2, KTHREAD, 1300);
        open_plugin(context);
        assert_non_null(context->workers[1]);
        vanish(context, "/proc/120");
        assert_int_equal(iocore_plugin.sample_workers(context->state), 0);
        scan(context, false);
        assert_string_equal(context->workers[0]->id, "t.121");
        assert_null(context->workers[1]);
        assert_null(context->units[1]);
        char value[64];
        assert_int_equal(place(context, "t.120", "3", value), -ENOENT);
}

static void an_id_that_is_used_again_is_another_worker(void **test_state) {
        struct iocore_context *context = *test_state;
        char value[64];
        put_kernel_thread(context);
        open_plugin(context);
        put_thread(context, "/proc/120", 120, 120, "vhost-100", 2, KTHREAD, 9999);
        assert_int_equal(place(context, "t.120", "3", value), -ESRCH);
        assert_int_equal(context->n_sets, 0);
        scan(context, false);
        assert_int_equal(context->workers[0]->incarnation, 9999);
        assert_int_equal(context->units[0]->incarnation, 9999);
        assert_null(context->workers[1]);
}

static void new_workers_are_found_by_the_newest_thread_id(void **test_state) {
        struct iocore_context *context = *test_state;
        put_kernel_thread(context);
        put(context, "/proc/loadavg", "0.00 0.01 0.05 1/123 150\n");
        open_plugin(context);
        scan(context, false);
        put_thread(context, "/proc/153", 153, 153, "vhost-100", 2, KTHREAD, 2000);
        put_thread(context, "/proc/90", 90, 90, "vhost-100", 2, KTHREAD, 2001); /* out of order: for a thorough scan only */
        put(context, "/proc/loadavg", "0.00 0.01 0.05 1/124 160\n");
        scan(context, false);
        assert_string_equal(context->workers[1]->id, "t.153");
        assert_null(context->workers[2]);
        scan(context, true);
        assert_string_equal(context->workers[2]->id, "t.90");
}

static void thread_ids_that_wrapped_make_a_full_scan(void **test_state) {
        struct iocore_context *context = *test_state;
        put_kernel_thread(context);
        put(context, "/proc/loadavg", "0.00 0.01 0.05 1/123 30000\n");
        open_plugin(context);
        scan(context, false);
        put_thread(context, "/proc/301", 301, 301, "vhost-100", 2, KTHREAD, 2000);
        put(context, "/proc/loadavg", "0.00 0.01 0.05 1/123 310\n");
        scan(context, false);
        assert_string_equal(context->workers[1]->id, "t.301");
}

static void a_worker_bound_to_one_cpu_before_is_manual(void **test_state) {
        struct iocore_context *context = *test_state;
        put_kernel_thread(context);
        context->threads[0].mask = 1u << 5;
        open_plugin(context);
        assert_int_equal(context->workers[0]->cpu, 5);
        assert_true(context->units[0]->manual);
}

static void a_worker_that_is_let_go_is_manual_no_more(void **test_state) {
        struct iocore_context *context = *test_state;
        char value[64];
        put_kernel_thread(context);
        put_thread(context, "/proc/121", 121, 121, "vhost-100", 2, KTHREAD, 1300);
        context->threads[0].mask = context->threads[1].mask = 1u << 5;
        open_plugin(context);
        assert_true(context->units[0]->manual && context->units[1]->manual);
        context->threads[0].mask = 0xff; /* by hand */
        scan(context, false);
        assert_false(context->units[0]->manual);
        assert_int_equal(place(context, "t.121", "0-3", value), 0); /* by the journal of an iocored that crashed */
        assert_false(context->units[1]->manual);
}

static void a_worker_born_on_an_io_core_is_not_manual(void **test_state) {
        struct iocore_context *context = *test_state;
        char worker[64];
        put_owner(context, 100, "web");
        open_plugin(context);
        assert_int_equal(iocore_plugin.core_add(context->state, 5, worker, sizeof worker), 0);
        put_thread(context, "/proc/120", 120, 120, "vhost-100", 2, KTHREAD, 1234);
        context->threads[0].mask = 1u << 5;
        scan(context, true);
        assert_int_equal(context->workers[0]->cpu, 5);
        assert_false(context->units[0]->manual);
        assert_int_equal(place(context, "t.120", "0-7", worker), 0);
        assert_int_equal(iocore_plugin.core_remove(context->state, 5, ""), 0);
}

static void placing_returns_what_was_really_set(void **test_state) {
        struct iocore_context *context = *test_state;
        char value[64];
        put_kernel_thread(context);
        open_plugin(context);
        assert_int_equal(place(context, "t.120", "3", value), 0);
        assert_string_equal(value, "3");
        assert_int_equal(context->threads[0].mask, 8);
        assert_int_equal(context->workers[0]->cpu, 3);
        assert_int_equal(iocore_plugin.knobs[0].get(context->state, "t.120", value, sizeof value), 0);
        assert_string_equal(value, "3");
        context->threads[0].cpuset = 0x0f; /* the cpuset shrank meanwhile */
        assert_int_equal(place(context, "t.120", "0-7", value), 0);
        assert_string_equal(value, "0-3");
        assert_int_equal(context->workers[0]->cpu, IOCORE_CPU_ANY);
}

static void a_place_that_the_cpuset_forbids_changes_nothing(void **test_state) {
        struct iocore_context *context = *test_state;
        char value[64];
        put_kernel_thread(context);
        open_plugin(context);
        context->threads[0].mask = context->threads[0].cpuset = 0xf0;
        unsigned before = context->n_messages;
        assert_int_equal(place(context, "t.120", "3", value), -EINVAL);
        assert_int_equal(context->threads[0].mask, 0xf0);
        assert_int_equal(context->n_messages, before + 1);
        assert_int_equal(place(context, "t.120", "3", value), -EINVAL);
        assert_int_equal(context->n_messages, before + 1); /* told once */
        assert_int_equal(place(context, "t.120", "4", value), 0);
        assert_int_equal(place(context, "t.120", "3", value), -EINVAL);
        assert_int_equal(context->n_messages, before + 2); /* and again when it had been mended */
}

static void a_mask_that_was_not_taken_is_put_back(void **test_state) {
        struct iocore_context *context = *test_state;
        char value[64];
        put_kernel_thread(context);
        open_plugin(context);
        context->threads[0].mask = 0x30;
        context->broken_cpuset = true;
        assert_int_equal(place(context, "t.120", "3", value), -EINVAL);
        assert_int_equal(context->n_sets, 2);
        assert_int_equal(context->threads[0].mask, 0x30);
}

static void values_that_are_no_cpu_lists_are_refused(void **test_state) {
        struct iocore_context *context = *test_state;
        char value[64];
        static const char *const values[] = { "", "x", "-1", "3-", "-3", "3,", ",3", "1,,2", "1--2", "5-2", "0x3", "8192", "0-9999", "99999999999", " 3", "3\n", "w.1" };
        put_kernel_thread(context);
        open_plugin(context);
        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                assert_int_equal(place(context, "t.120", values[i], value), -EINVAL);
        static const char *const objects[] = { "", "t", "t.", "t.-1", "t.120x", "t.121", "w.1", "120", "t.99999999999999999999" };
        for (size_t i = 0; i < ELEMENTSOF(objects); i++)
                assert_int_equal(place(context, objects[i], "3", value), -ENOENT);
        assert_int_equal(context->n_sets, 0);
}

static void a_value_of_a_thousand_cpus_fits(void **test_state) {
        (void) test_state;
        char list[IOCORE_VALUE_MAX], again[IOCORE_VALUE_MAX];
        size_t length = 0;
        struct affinity_mask mask;
        for (int cpu = 1; cpu < 1024; cpu += 2)
                length += (size_t) snprintf(list + length, sizeof list - length, "%s%d", length ? "," : "", cpu);
        assert_int_equal(affinity_parse(list, &mask), 0);
        assert_int_equal(affinity_format(&mask, again, sizeof again), 0);
        assert_string_equal(again, list);
        assert_int_equal(affinity_format(&mask, again, 100), -EOVERFLOW);
}

static void the_place_by_birth_is_the_owners(void **test_state) {
        struct iocore_context *context = *test_state;
        char value[64];
        put_kernel_thread(context);
        open_plugin(context);
        assert_int_equal(iocore_plugin.place(context->state, context->units[0], 3, value, sizeof value), 0);
        assert_string_equal(value, "3");
        assert_int_equal(iocore_plugin.place(context->state, context->units[0], IOCORE_CPU_ANY, value, sizeof value), 0);
        assert_string_equal(value, "4-7");
        vanish(context, "/proc/100");
        assert_int_equal(iocore_plugin.place(context->state, context->units[0], IOCORE_CPU_ANY, value, sizeof value), 0);
        assert_string_equal(value, "0-7");
        assert_int_equal(iocore_plugin.place(context->state, context->units[0], N_CPUS, value, sizeof value), -ENOENT);
}

static void an_io_core_with_workers_is_not_removed(void **test_state) {
        struct iocore_context *context = *test_state;
        char value[64];
        put_kernel_thread(context);
        open_plugin(context);
        assert_int_equal(iocore_plugin.core_remove(context->state, 3, ""), -ENOENT);
        assert_int_equal(iocore_plugin.core_add(context->state, N_CPUS, value, sizeof value), -EINVAL);
        assert_int_equal(iocore_plugin.core_add(context->state, 7, value, sizeof value), -EINVAL); /* offline */
        assert_int_equal(iocore_plugin.core_add(context->state, 3, value, sizeof value), 0);
        assert_string_equal(value, "");
        assert_true(context->io_core[3]);
        assert_int_equal(place(context, "t.120", "3", value), 0);
        assert_int_equal(iocore_plugin.core_remove(context->state, 3, ""), -EBUSY);
        assert_true(context->io_core[3]);
        assert_int_equal(place(context, "t.120", "0-7", value), 0);
        assert_int_equal(iocore_plugin.core_remove(context->state, 3, NULL), 0);
        assert_false(context->io_core[3]);
}

static void a_worker_bound_by_hand_does_not_hold_an_io_core(void **test_state) {
        struct iocore_context *context = *test_state;
        char value[64];
        put_kernel_thread(context);
        put_thread(context, "/proc/121", 121, 121, "vhost-100", 2, KTHREAD, 1300);
        context->threads[0].mask = 1u << 3; /* before iocored came */
        open_plugin(context);
        assert_int_equal(iocore_plugin.core_add(context->state, 3, value, sizeof value), 0);
        context->threads[1].mask = 1u << 3; /* while it runs */
        scan(context, false);
        assert_int_equal(iocore_plugin.core_remove(context->state, 3, ""), 0);
}

static void probe_says_what_it_looked_for(void **test_state) {
        struct iocore_context *context = *test_state;
        char reason[IOCORE_REASON_MAX] = "";
        assert_int_equal(iocore_plugin.probe(&services, context, reason, sizeof reason), 0);
        assert_non_null(strstr(reason, "/sys/module/vhost"));
        put(context, "/sys/module/vhost/initstate", "live\n");
        assert_int_equal(iocore_plugin.probe(&services, context, reason, sizeof reason), 1);
        vanish(context, "/sys");
        put_kernel_thread(context);
        assert_int_equal(iocore_plugin.probe(&services, context, reason, sizeof reason), 1);
}

static void threads_of_a_fixture_tree_are_never_the_kernels(void **test_state) {
        struct iocore_context *context = *test_state;
        char reason[IOCORE_REASON_MAX], value[64];
        put_kernel_thread(context);
        assert_int_equal(iocore_plugin.open(&services, context, &context->state, reason, sizeof reason), 0);
        assert_string_equal(context->workers[0]->id, "t.120");
        assert_int_equal(place(context, "t.120", "0", value), -EPERM);
        assert_non_null(iocore_plugin.unavailable(context->state, "unit.place"));
        assert_non_null(iocore_plugin.unavailable(context->state, "queue.poll"));
        assert_null(iocore_plugin.unavailable(context->state, "something else"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_kernel_thread_of_vhost_is_worker_and_unit),
                TEST(the_owner_is_the_process_of_the_thread_that_made_the_device),
                TEST(a_task_of_vhost_is_found_below_its_process),
                TEST(threads_that_only_call_themselves_so_are_not_workers),
                cmocka_unit_test(spaces_and_parentheses_in_a_name_shift_no_field),
                cmocka_unit_test(garbage_in_stat_is_refused),
                cmocka_unit_test(garbage_in_schedstat_is_refused),
                TEST(a_worker_with_broken_files_is_skipped_and_told_once),
                TEST(samples_are_taken_anew_through_the_open_file),
                TEST(a_thread_that_vanished_leaves_the_model),
                TEST(an_id_that_is_used_again_is_another_worker),
                TEST(new_workers_are_found_by_the_newest_thread_id),
                TEST(thread_ids_that_wrapped_make_a_full_scan),
                TEST(a_worker_bound_to_one_cpu_before_is_manual),
                TEST(a_worker_that_is_let_go_is_manual_no_more),
                TEST(a_worker_born_on_an_io_core_is_not_manual),
                TEST(placing_returns_what_was_really_set),
                TEST(a_place_that_the_cpuset_forbids_changes_nothing),
                TEST(a_mask_that_was_not_taken_is_put_back),
                TEST(values_that_are_no_cpu_lists_are_refused),
                cmocka_unit_test(a_value_of_a_thousand_cpus_fits),
                TEST(the_place_by_birth_is_the_owners),
                TEST(an_io_core_with_workers_is_not_removed),
                TEST(a_worker_bound_by_hand_does_not_hold_an_io_core),
                TEST(probe_says_what_it_looked_for),
                TEST(threads_of_a_fixture_tree_are_never_the_kernels),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

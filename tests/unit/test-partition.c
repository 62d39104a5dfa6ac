/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * I/O cores as a cpuset partition: when there is one, when not and why, and in which order. The partition's files are imitated: they appear with the directory, a process
 * that is written to cgroup.procs is there from then on. What a kernel does with masks meanwhile is for the test machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake-threads.h"
#include "plugins/vhost-thread/vhost-thread.h"

extern const struct iocore_plugin iocore_plugin;

#define CGROUPS "/sys/fs/cgroup"
#define DIRECTORY CGROUPS "/iocored.partition"

enum { TYPE, CPUS, N_FILES };
static const char *const files[N_FILES] = { DIRECTORY "/cpuset.cpus.partition", DIRECTORY "/cpuset.cpus" };

/* A guest whose worker is a kernel thread. The plugin is opened with services that know the world. */
struct world {
        struct iocore_services services;
        struct fake_kernel *kernel;
        struct fake_thread *leader, *vcpu, *worker;
        const char *option, *invalid; /* invalid: what the kernel says of a partition instead of taking it */
        char contents[N_FILES][256];
};

/* The context of the fake services has no room for it: one test runs at a time. */
static struct world *the_world;

static bool has_directory(void) {
        char path[PATH_MAX + 64];
        snprintf(path, sizeof path, "%s" DIRECTORY, the_world->kernel->context->root);
        return access(path, F_OK) == 0;
}

static bool has_file(const char *file) {
        char path[PATH_MAX + 64];
        snprintf(path, sizeof path, "%s%s", the_world->kernel->context->root, file);
        return access(path, F_OK) == 0;
}

static void move_written(const char *directory, const char *cgroup) {
        char file[128], path[64], text[64];
        snprintf(file, sizeof file, "%s/cgroup.procs", directory);
        if (!has_file(file))
                return;
        long id = strtol(fixture_read(the_world->kernel->context, file), NULL, 10);
        snprintf(path, sizeof path, "/proc/%ld/cgroup", id);
        snprintf(text, sizeof text, "0::%s\n", cgroup);
        if (id > 0)
                fixture_write(the_world->kernel->context, path, text);
        fixture_write(the_world->kernel->context, file, "");
}

/* What was written since the last call is done; then the files go (they are no files to the kernel, whose rmdir() takes them along) or come. */
static void do_what_was_written(bool keep_files) {
        struct world *world = the_world;
        bool exists = has_directory();
        move_written(DIRECTORY, "/iocored.partition");
        move_written(CGROUPS "/vm", "/vm");
        for (int i = 0; i < N_FILES; i++) {
                if (!exists)
                        snprintf(world->contents[i], sizeof world->contents[i], "%s", i == TYPE ? "member" : "");
                else if (has_file(files[i]))
                        snprintf(world->contents[i], sizeof world->contents[i], "%s", fixture_read(world->kernel->context, files[i]));
        }
        if (world->invalid && strcmp(world->contents[TYPE], "root") == 0)
                snprintf(world->contents[TYPE], sizeof world->contents[TYPE], "root invalid (%s)", world->invalid);
        for (int i = 0; i < N_FILES && exists; i++) {
                if (keep_files)
                        fixture_write(world->kernel->context, files[i], world->contents[i]);
                else if (has_file(files[i]))
                        fixture_remove(world->kernel->context, files[i]);
        }
        if (exists && !keep_files && has_file(DIRECTORY "/cgroup.procs"))
                fixture_remove(world->kernel->context, DIRECTORY "/cgroup.procs");
        if (exists && keep_files && !has_file(DIRECTORY "/cgroup.procs"))
                fixture_write(world->kernel->context, DIRECTORY "/cgroup.procs", "");
}

static int open_path(struct iocore_context *context, const char *path, int flags) {
        do_what_was_written(strcmp(path, CGROUPS) != 0);
        return fake_services.open_path(context, path, flags);
}

static const char *option(struct iocore_context *context, const char *key) {
        (void) context;
        return strcmp(key, "partition") == 0 ? the_world->option : NULL;
}

static int set_up(void **test_state) {
        struct world *world = calloc(1, sizeof *world);
        assert_non_null(world);
        the_world = *test_state = world;
        world->services = fake_services;
        world->services.open_path = open_path;
        world->services.option = option;
        world->option = "root";
        world->kernel = fake_kernel_new();
        world->leader = fake_process(world->kernel, "qemu-system-x86", 0xff);
        world->vcpu = fake_clone(world->kernel, world->leader, "CPU 0/KVM", FAKE_PLAIN);
        world->worker = fake_kthread(world->kernel, world->leader);
        struct iocore_context *context = world->kernel->context;
        fixture_write(context, CGROUPS "/cgroup.controllers", "cpuset cpu io memory pids\n");
        fixture_write(context, CGROUPS "/cgroup.subtree_control", "cpuset memory\n");
        fixture_write(context, CGROUPS "/cpuset.cpus.effective", "0-7\n");
        fixture_write(context, CGROUPS "/vm/cgroup.procs", "");
        fixture_write(context, "/sys/devices/system/cpu/possible", "0-7\n");
        fixture_write(context, "/sys/devices/system/cpu/online", "0-7\n");
        return 0;
}

static int tear_down(void **test_state) {
        struct world *world = *test_state;
        fake_kernel_free(world->kernel);
        free(world);
        return 0;
}

static int open_plugin(struct world *world, char *reason) {
        return vhost_open_with(&world->services, world->kernel->context, &world->kernel->calls, &world->kernel->state, reason, IOCORE_REASON_MAX);
}

static int want_it(void *userdata, const char *kind, const char *object, const char *value) {
        (void) fake_want(userdata, kind, object, value);
        return 0;
}

/* As the daemon does. 0 or -errno. */
static int place(struct world *world, const struct fake_thread *worker, int cpu) {
        char id[32];
        snprintf(id, sizeof id, "t.%d", (int) worker->id);
        int r = iocore_plugin.prepare(world->kernel->state, fake_unit(world->kernel->context, id), cpu, want_it, world->kernel);
        return r < 0 ? r : fake_place(world->kernel, worker, cpu);
}

/* CPU 7 becomes an I/O core, with the worker on it. */
static struct world *reserved(void **test_state) {
        struct world *world = *test_state;
        char reason[IOCORE_REASON_MAX];
        fake_set_cpuset(world->kernel, 0xff); /* its file lists the threads that there are now */
        assert_int_equal(open_plugin(world, reason), 0);
        fake_core(world->kernel, 7, true);
        assert_int_equal(place(world, world->worker, 7), 0);
        fake_turn(world->kernel, false);
        return world;
}

static const char *content(struct world *world, int file) {
        do_what_was_written(true);
        return world->contents[file];
}

static const char *cgroup_of(struct world *world, const struct fake_thread *thread) {
        char path[64];
        do_what_was_written(true);
        snprintf(path, sizeof path, "/proc/%d/cgroup", (int) thread->id);
        return fixture_read(world->kernel->context, path);
}

static void say(void *userdata, const char *key, const char *value) {
        if (strcmp(key, "reserved by") == 0)
                snprintf(userdata, IOCORE_REASON_MAX + 64, "%s", value);
}

static void assert_described(struct world *world, const char *expected) {
        char text[IOCORE_REASON_MAX + 64] = "";
        iocore_plugin.describe(world->kernel->state, say, text);
        if (!strstr(text, expected))
                fail_msg("reserved by \"%s\", not \"%s\"", text, expected);
}

static void assert_refused(struct world *world, const char *why) {
        assert_false(has_directory());
        assert_string_equal(cgroup_of(world, world->worker), "0::/vm");
        assert_int_equal(world->worker->mask, 0x80); /* it is where it should be all the same */
        assert_int_equal(world->vcpu->mask, 0x7f);
        assert_described(world, "affinity; no partition (root): ");
        assert_described(world, why);
        assert_non_null(strstr(world->kernel->context->last_told, "partition iocored.partition: "));
        unsigned n_told = world->kernel->context->n_told;
        fake_turn(world->kernel, false);
        fake_turn(world->kernel, true);
        assert_int_equal(world->kernel->context->n_told, n_told);
        assert_null(fake_find_want(world->kernel, "partition.directory", "iocored.partition"));
}

/* --- */

static void the_io_cores_become_a_partition_with_the_workers_in_it(void **test_state) {
        struct world *world = reserved(test_state);
        char object[64];
        assert_string_equal(content(world, TYPE), "root");
        assert_string_equal(content(world, CPUS), "7");
        assert_string_equal(cgroup_of(world, world->worker), "0::/iocored.partition");
        assert_int_equal(world->worker->mask, 0x80);
        assert_int_equal(world->vcpu->mask, 0x7f);
        assert_described(world, "partition (root) of CPUs 7");
        /* What is put back last was set first, and everybody has left before the CPU is taken. */
        snprintf(object, sizeof object, "%d.%llu", (int) world->worker->id, (unsigned long long) world->worker->start_time);
        const struct fake_want *directory = fake_find_want(world->kernel, "partition.directory", "iocored.partition");
        const struct fake_want *cgroup = fake_find_want(world->kernel, "thread.cgroup", object), *cpus = fake_find_want(world->kernel, "partition.cpus", "iocored.partition");
        assert_non_null(directory);
        assert_non_null(cgroup);
        assert_true(directory < cgroup && cgroup < cpus && cpus == world->kernel->wants + world->kernel->n_wants - 1);
        assert_string_equal(cgroup->old_value, "/vm");
        assert_string_equal(cpus->old_value, "");
        unsigned n_asked = world->kernel->n_asked;
        for (int i = 0; i < 3; i++)
                fake_turn(world->kernel, i == 2);
        assert_int_equal(world->kernel->n_asked, n_asked);
}

static void nothing_of_it_is_left_by_a_restore_in_a_process_that_knows_nothing(void **test_state) {
        struct world *world = reserved(test_state);
        char reason[IOCORE_REASON_MAX];
        iocore_plugin.close(world->kernel->state);
        world->option = "no";
        assert_int_equal(open_plugin(world, reason), 0);
        fake_restore(world->kernel);
        assert_false(has_directory());
        assert_string_equal(cgroup_of(world, world->worker), "0::/vm");
        assert_int_equal(world->worker->mask, 0xff);
        assert_int_equal(world->vcpu->mask, 0xff);
        assert_int_equal(world->kernel->n_wants, 0);
}

static void a_further_io_core_makes_it_anew(void **test_state) {
        struct world *world = reserved(test_state);
        struct fake_thread *second = fake_kthread(world->kernel, world->leader);
        fake_turn(world->kernel, true);
        fake_core(world->kernel, 6, true);
        assert_int_equal(place(world, second, 6), 0);
        assert_string_equal(content(world, TYPE), "member"); /* or the second one's mask would not be its own */
        assert_string_equal(cgroup_of(world, second), "0::/iocored.partition");
        fake_turn(world->kernel, false);
        assert_string_equal(content(world, TYPE), "root");
        assert_string_equal(content(world, CPUS), "6-7");
        assert_int_equal(second->mask, 0x40);
        assert_int_equal(world->worker->mask, 0x80);
        assert_described(world, "partition (root) of CPUs 6-7");
}

static void it_goes_with_the_last_io_core(void **test_state) {
        struct world *world = reserved(test_state);
        char id[32];
        snprintf(id, sizeof id, "t.%d", (int) world->worker->id);
        struct iocore_unit *unit = fake_unit(world->kernel->context, id);
        assert_int_equal(iocore_plugin.prepare(world->kernel->state, unit, IOCORE_CPU_ANY, want_it, world->kernel), 0);
        assert_string_equal(content(world, TYPE), "member"); /* so that it can go home */
        assert_int_equal(fake_want(world->kernel, "unit.place", id, "0-7"), 0);
        fake_core(world->kernel, 7, false);
        fake_turn(world->kernel, false);
        assert_false(has_directory());
        assert_string_equal(cgroup_of(world, world->worker), "0::/vm");
        assert_int_equal(world->kernel->n_wants, 0);
}

static void there_is_none_under_a_thread_worker(void **test_state) {
        struct world *world = *test_state;
        char name[32];
        snprintf(name, sizeof name, "vhost-%d", (int) world->leader->id);
        (void) fake_clone(world->kernel, world->leader, name, FAKE_USER_WORKER);
        reserved(test_state);
        assert_refused(world, "is a thread of its owner");
}

static void a_thread_worker_that_comes_later_ends_it(void **test_state) {
        struct world *world = reserved(test_state);
        char name[32];
        assert_true(has_directory());
        snprintf(name, sizeof name, "vhost-%d", (int) world->leader->id);
        (void) fake_clone(world->kernel, world->leader, name, FAKE_USER_WORKER);
        fake_turn(world->kernel, true);
        assert_refused(world, "is a thread of its owner");
}

static void there_is_none_with_cgroup_v1(void **test_state) {
        struct world *world = *test_state;
        fixture_write(world->kernel->context, "/proc/self/mountinfo", "30 20 0:26 / /sys/fs/cgroup rw,nosuid - cgroup cgroup rw,cpuset\n");
        reserved(test_state);
        assert_refused(world, "cgroup v1");
}

static void there_is_none_without_the_controller(void **test_state) {
        struct world *world = *test_state;
        fixture_write(world->kernel->context, CGROUPS "/cgroup.controllers", "cpu cpusets memory\n");
        reserved(test_state);
        assert_refused(world, "no cpuset controller");
}

static void a_root_cgroup_that_does_not_enable_the_controller_is_left_so(void **test_state) {
        struct world *world = *test_state;
        fixture_write(world->kernel->context, CGROUPS "/cgroup.subtree_control", "memory\n");
        reserved(test_state);
        assert_refused(world, "subtree_control");
        assert_string_equal(fixture_read(world->kernel->context, CGROUPS "/cgroup.subtree_control"), "memory");
}

static void a_cgroup_of_that_name_which_somebody_made_is_not_touched(void **test_state) {
        struct world *world = *test_state;
        fixture_directory(world->kernel->context, DIRECTORY);
        reserved(test_state);
        assert_true(has_directory());
        assert_described(world, "that iocored has not made");
        assert_string_equal(cgroup_of(world, world->worker), "0::/vm");
}

static void what_the_kernel_says_of_an_invalid_one_is_told(void **test_state) {
        struct world *world = *test_state;
        world->invalid = "Parent is not a partition root";
        reserved(test_state);
        assert_refused(world, "root invalid (Parent is not a partition root)");
}

static void one_that_becomes_invalid_is_given_up(void **test_state) {
        struct world *world = reserved(test_state);
        assert_true(has_directory());
        world->invalid = "Cpu list in cpuset.cpus not exclusive";
        fake_turn(world->kernel, false);
        assert_refused(world, "not exclusive");
}

static void there_is_none_when_another_cgroup_names_its_cpus(void **test_state) {
        struct world *world = *test_state;
        fixture_write(world->kernel->context, CGROUPS "/system.slice/cpuset.cpus", "0-3,7\n");
        reserved(test_state);
        assert_refused(world, "system.slice");
        fixture_write(world->kernel->context, CGROUPS "/system.slice/cpuset.cpus", "0-3\n");
        fake_turn(world->kernel, true);
        fake_turn(world->kernel, false);
        assert_string_equal(content(world, TYPE), "root");
        assert_string_equal(strchr(world->kernel->context->last_told, ':'), ": "); /* no longer so */
}

static struct fake_thread *kernel_thread(struct world *world, const char *name, unsigned flags, uint64_t mask) {
        struct fake_thread *thread = fake_process(world->kernel, name, mask);
        thread->flags = 0x00208040 | flags;
        fake_rename(world->kernel, thread, name);
        return thread;
}

static void there_is_none_when_kernel_threads_would_lose_cpus_for_good(void **test_state) {
        struct world *world = *test_state;
        (void) kernel_thread(world, "kworker/u17:0", 0x04000020, 0x0f);
        reserved(test_state);
        assert_refused(world, "workqueue.disable_numa=1");
}

static void threads_that_the_kernel_spares_or_binds_anew_are_no_obstacle(void **test_state) {
        struct world *world = *test_state;
        (void) kernel_thread(world, "ksoftirqd/7", 0x04000000, 0x80);
        (void) kernel_thread(world, "kworker/7:1H", 0x04000020, 0x80);
        (void) kernel_thread(world, "mm_percpu_wq", 0x04000020, 0x80);
        (void) kernel_thread(world, "kworker/R-netns", 0x04000020, 0x0f);
        reserved(test_state);
        assert_string_equal(content(world, TYPE), "root");
}

static void masks_of_others_leave_its_cpus_and_come_back(void **test_state) {
        struct world *world = *test_state;
        struct fake_thread *process = fake_process(world->kernel, "sleep", 0xf3), *kernel_thread_there = kernel_thread(world, "kswapd1", 0, 0xf0);
        struct fake_thread *elsewhere = fake_process(world->kernel, "sleep", 0x0f);
        reserved(test_state);
        assert_int_equal(process->mask, 0x73);
        assert_int_equal(kernel_thread_there->mask, 0x70);
        assert_int_equal(elsewhere->mask, 0x0f);
        fake_core(world->kernel, 6, true);
        fake_turn(world->kernel, false);
        assert_int_equal(process->mask, 0x33);
        assert_int_equal(kernel_thread_there->mask, 0x30);
        fake_core(world->kernel, 6, false);
        fake_turn(world->kernel, false);
        assert_int_equal(process->mask, 0x73);
        fake_restore(world->kernel);
        assert_int_equal(process->mask, 0xf3);
        assert_int_equal(kernel_thread_there->mask, 0xf0);
        assert_int_equal(elsewhere->mask, 0x0f);
}

static void there_is_none_when_somebody_is_bound_to_its_cpus(void **test_state) {
        struct world *world = *test_state;
        (void) fake_process(world->kernel, "bound", 0x80);
        reserved(test_state);
        assert_refused(world, "(bound) is bound by hand to I/O cores only");
}

static void there_is_none_when_a_mask_would_look_like_no_mask(void **test_state) {
        struct world *world = *test_state;
        (void) fake_process(world->kernel, "kept-off", 0x7f);
        reserved(test_state);
        assert_refused(world, "(kept-off) is bound by hand to all CPUs but I/O cores");
}

static void there_is_none_when_somebody_cannot_be_made_to_leave(void **test_state) {
        struct world *world = *test_state;
        struct fake_thread *stubborn = fake_process(world->kernel, "stubborn", 0xf3);
        stubborn->refuses = true;
        reserved(test_state);
        assert_refused(world, "cannot be made to leave");
        assert_int_equal(stubborn->mask, 0xf3);
}

static void it_waits_for_a_worker_that_is_still_to_be_placed(void **test_state) {
        struct world *world = *test_state;
        struct fake_thread *second = fake_kthread(world->kernel, world->leader);
        fake_taskset(second, 0xf0);
        reserved(test_state);
        assert_string_equal(content(world, TYPE), "member");
        assert_int_equal(world->kernel->context->n_told, 0);
        assert_int_equal(place(world, second, 7), 0);
        fake_turn(world->kernel, false);
        assert_string_equal(content(world, TYPE), "root");
        assert_int_equal(second->mask, 0x80);
        fake_restore(world->kernel);
        assert_int_equal(second->mask, 0xf0);
}

static void nothing_is_made_unless_it_is_configured(void **test_state) {
        struct world *world = *test_state;
        world->option = NULL;
        reserved(test_state);
        assert_false(has_directory());
        assert_described(world, "affinity");
        assert_int_equal(world->kernel->context->n_told, 0);
        assert_int_equal(fake_want(world->kernel, "partition.cpus", "iocored.partition", "7"), -ENOENT);
}

static void a_wrong_option_is_told_by_name(void **test_state) {
        struct world *world = *test_state;
        char reason[IOCORE_REASON_MAX] = "";
        world->option = "yes";
        assert_int_equal(open_plugin(world, reason), -EINVAL);
        assert_non_null(strstr(reason, "partition"));
        assert_non_null(strstr(reason, "isolated"));
        world->kernel->state = NULL;
}

static void an_isolated_one_is_written_so(void **test_state) {
        struct world *world = *test_state;
        world->option = "isolated";
        reserved(test_state);
        assert_string_equal(content(world, TYPE), "isolated");
        assert_described(world, "partition (isolated) of CPUs 7");
}

static void paths_that_lead_elsewhere_are_no_cgroups(void **test_state) {
        struct world *world = reserved(test_state);
        static const char *const paths[] = { "", "vm", "/../etc", "/vm/../../x" };
        char object[64], value[IOCORE_VALUE_MAX];
        snprintf(object, sizeof object, "%d.%llu", (int) world->worker->id, (unsigned long long) world->worker->start_time);
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
                assert_int_equal(thread_cgroup_set(world->kernel->state, object, paths[i], value, sizeof value), -EINVAL);
        assert_int_equal(thread_cgroup_get(world->kernel->state, "1.2.3", value, sizeof value), -ENOENT);
        snprintf(object, sizeof object, "%d.1", (int) world->worker->id);
        assert_int_equal(thread_cgroup_set(world->kernel->state, object, "/vm", value, sizeof value), -ESRCH);
        assert_string_equal(cgroup_of(world, world->worker), "0::/iocored.partition");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(the_io_cores_become_a_partition_with_the_workers_in_it),
                TEST(nothing_of_it_is_left_by_a_restore_in_a_process_that_knows_nothing),
                TEST(a_further_io_core_makes_it_anew),
                TEST(it_goes_with_the_last_io_core),
                TEST(there_is_none_under_a_thread_worker),
                TEST(a_thread_worker_that_comes_later_ends_it),
                TEST(there_is_none_with_cgroup_v1),
                TEST(there_is_none_without_the_controller),
                TEST(a_root_cgroup_that_does_not_enable_the_controller_is_left_so),
                TEST(a_cgroup_of_that_name_which_somebody_made_is_not_touched),
                TEST(what_the_kernel_says_of_an_invalid_one_is_told),
                TEST(one_that_becomes_invalid_is_given_up),
                TEST(there_is_none_when_another_cgroup_names_its_cpus),
                TEST(there_is_none_when_kernel_threads_would_lose_cpus_for_good),
                TEST(threads_that_the_kernel_spares_or_binds_anew_are_no_obstacle),
                TEST(masks_of_others_leave_its_cpus_and_come_back),
                TEST(there_is_none_when_somebody_is_bound_to_its_cpus),
                TEST(there_is_none_when_a_mask_would_look_like_no_mask),
                TEST(there_is_none_when_somebody_cannot_be_made_to_leave),
                TEST(it_waits_for_a_worker_that_is_still_to_be_placed),
                TEST(nothing_is_made_unless_it_is_configured),
                TEST(a_wrong_option_is_told_by_name),
                TEST(an_isolated_one_is_written_so),
                TEST(paths_that_lead_elsewhere_are_no_cgroups),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

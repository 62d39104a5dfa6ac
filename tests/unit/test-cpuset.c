/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where cpusets are, and how they are widened for a worker and narrowed again. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "guest-world.h"

static void the_mount_of_the_cpuset_controller_is_found(void **test_state) {
        (void) test_state;
        struct cpuset_mount mount;
        assert_true(cpuset_parse_mounts("22 28 0:20 / /proc rw shared:1 - proc proc rw\n30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:9 master:3 - cgroup2 cgroup2 rw,nsdelegate\n",
                                        &mount));
        assert_false(mount.v1);
        assert_string_equal(mount.path, "/sys/fs/cgroup");
        assert_string_equal(mount.root, "/");
        assert_true(cpuset_parse_mounts("30 20 0:26 / /a\\040b\\1x4\\9 rw - cgroup2 cgroup2 rw\n", &mount));
        assert_string_equal(mount.path, "/a b\\1x4\\9"); /* only three octal digits stand for a character */
        /* hybrid: v1 has it; the order does not matter */
        assert_true(cpuset_parse_mounts("31 20 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
                                        "32 20 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                                        "33 20 0:29 /docker/x /sys/fs/with\\040space rw - cgroup cgroup rw,cpuset,clone_children\n",
                                        &mount));
        assert_true(mount.v1);
        assert_string_equal(mount.path, "/sys/fs/with space");
        assert_string_equal(mount.root, "/docker/x");
        static const char *const none[] = { "", "\n\n", "-", "1 2 3 4 5 6 - cgroup2", "33 20 0:29 / /x rw - cgroup cgroup rw,cpusets\n", "33 20 0:29 / x rw - cgroup2 cgroup2 rw\n" };
        for (size_t i = 0; i < ELEMENTSOF(none); i++)
                assert_false(cpuset_parse_mounts(none[i], &mount));
}

static void the_cgroup_that_rules_cpus_is_found(void **test_state) {
        (void) test_state;
        char path[64];
        static const char hybrid[] = "12:cpu,cpuacct:/a\n5:cpuset:/machine/x:y\n0::/b\n";
        assert_int_equal(cpuset_parse_cgroup(hybrid, true, path, sizeof path), 0);
        assert_string_equal(path, "/machine/x:y");
        assert_int_equal(cpuset_parse_cgroup(hybrid, false, path, sizeof path), 0);
        assert_string_equal(path, "/b");
        assert_int_equal(cpuset_parse_cgroup("0::/\n", false, path, sizeof path), 0);
        assert_string_equal(path, "/");
        assert_int_equal(cpuset_parse_cgroup("0::/\n", true, path, sizeof path), -ENOENT);
        assert_int_equal(cpuset_parse_cgroup("", false, path, sizeof path), -ENOENT);
        assert_int_equal(cpuset_parse_cgroup("0::/../x\n", false, path, sizeof path), -EINVAL);
        assert_int_equal(cpuset_parse_cgroup("0::x\n", false, path, sizeof path), -EINVAL);
        assert_int_equal(cpuset_parse_cgroup("0::\n", false, path, sizeof path), -EINVAL);
        assert_int_equal(cpuset_parse_cgroup(hybrid, true, path, 5), -ENAMETOOLONG);
}

static int want_it(void *userdata, const char *kind, const char *object, const char *value) {
        (void) fake_want(userdata, kind, object, value);
        return 0;
}

static int prepare(struct world *world, int cpu) {
        char id[32];
        snprintf(id, sizeof id, "t.%d", (int) world->worker->id);
        return iocore_plugin.prepare(world->kernel->state, fake_unit(world->kernel->context, id), cpu, want_it, world->kernel);
}

/* A cpuset of CPUs 0 to 3, from which the worker is to go to CPU 6; on each kind of kernel. */
static void widen_and_narrow(struct world *world, bool old) {
        struct fake_kernel *kernel = world->kernel;
        kernel->old = old;
        fake_set_cpuset(kernel, 0x0f);
        fake_taskset(world->leader, 0x0f), fake_taskset(world->worker, 0x0f), fake_taskset(world->vcpu, 0x06);
        fake_link_cpuset(kernel);
        fake_open(kernel);
        fake_core(kernel, 6, true);
        fake_turn(kernel, true);
        assert_int_equal(kernel->n_wants, 0);
        assert_int_equal(fake_place(kernel, world->worker, 6), -EINVAL);
        assert_int_equal(prepare(world, 6), 0);
        assert_string_equal(fixture_read(kernel->context, "/sys/fs/cgroup/vm/cpuset.cpus"), "0-3,6");
        assert_int_equal(fake_place(kernel, world->worker, 6), 0);
        fake_turn(kernel, false);
        assert_int_equal(world->worker->mask, 0x40);
        assert_int_equal(world->leader->mask, 0x0f); /* nothing else comes with it */
        assert_int_equal(world->vcpu->mask, 0x06);
        assert_int_equal(kernel->context->n_knobs_changed, 0);
}

static void check_as_before(struct world *world) {
        assert_string_equal(fixture_read(world->kernel->context, "/sys/fs/cgroup/vm/cpuset.cpus"), "0-3");
        assert_int_equal(world->worker->mask, 0x0f);
        assert_int_equal(world->leader->mask, 0x0f);
        assert_int_equal(world->vcpu->mask, 0x06);
        assert_int_equal(world->kernel->n_wants, 0);
}

static void leave_again(struct world *world) {
        char object[32];
        snprintf(object, sizeof object, "t.%d", (int) world->worker->id);
        assert_int_equal(fake_want(world->kernel, "unit.place", object, "0-3"), 0);
        fake_reserve(world->kernel);
        check_as_before(world);
}

static void restore_blindly(struct world *world) {
        fake_close(world->kernel);
        fake_open(world->kernel);
        fake_restore(world->kernel);
        check_as_before(world);
}

static void a_cpuset_is_widened_and_narrowed_again_by_an_old_kernel(void **test_state) {
        widen_and_narrow(*test_state, true);
        leave_again(*test_state);
}

static void a_cpuset_is_widened_and_narrowed_again_by_a_new_kernel(void **test_state) {
        widen_and_narrow(*test_state, false);
        leave_again(*test_state);
}

static void a_widened_cpuset_is_put_back_by_who_knows_only_the_journal_on_an_old_kernel(void **test_state) {
        widen_and_narrow(*test_state, true);
        restore_blindly(*test_state);
}

static void a_widened_cpuset_is_put_back_by_who_knows_only_the_journal_on_a_new_kernel(void **test_state) {
        widen_and_narrow(*test_state, false);
        restore_blindly(*test_state);
}

static void a_cpuset_that_somebody_else_widened_is_left_as_they_have_it(void **test_state) {
        struct world *world = *test_state;
        static const struct {
                enum iocore_foreign setting;
                uint64_t cpus;
                const char *list;
        } cases[] = { { IOCORE_FOREIGN_ADOPT, 0x5f, "0-4,6" }, { IOCORE_FOREIGN_MANUAL, 0x7f, "0-6" } };
        char object[32];
        snprintf(object, sizeof object, "t.%d", (int) world->worker->id);
        widen_and_narrow(world, false);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                world->kernel->foreign = cases[i].setting;
                fake_set_cpuset(world->kernel, cases[i].cpus);
                assert_int_equal(fake_want(world->kernel, "unit.place", object, "0-3"), 0);
                for (int n = 0; n < 2; n++)
                        fake_turn(world->kernel, true);
                assert_string_equal(fixture_read(world->kernel->context, "/sys/fs/cgroup/vm/cpuset.cpus"), cases[i].list);
                assert_null(((struct vhost_state *) world->kernel->state)->widenings);
                /* it lacks the CPU once more, and is widened from there */
                fake_set_cpuset(world->kernel, 0x1f);
                assert_int_equal(prepare(world, 6), 0);
                assert_int_equal(fake_place(world->kernel, world->worker, 6), 0);
        }
        fake_restore(world->kernel);
        assert_string_equal(fixture_read(world->kernel->context, "/sys/fs/cgroup/vm/cpuset.cpus"), "0-4");
}

static void systemds_own_levels_are_never_written(void **test_state) {
        struct world *world = *test_state;
        struct fake_kernel *kernel = world->kernel;
        char path[64];
        fake_set_cpuset(kernel, 0x0f);
        fixture_write(kernel->context, "/sys/fs/cgroup/machine.slice/x.scope/cpuset.cpus", "0-3\n");
        fixture_write(kernel->context, "/sys/fs/cgroup/machine.slice/x.scope/libvirt/cpuset.cpus", "0-3\n");
        fixture_write(kernel->context, "/sys/fs/cgroup/machine.slice/x.scope/cpuset.cpus.effective", "0-3\n");
        snprintf(path, sizeof path, "/proc/%d/cgroup", (int) world->worker->id);
        fixture_write(kernel->context, path, "0::/machine.slice/x.scope/libvirt\n");
        fake_open(kernel);
        fake_core(kernel, 6, true);
        assert_int_equal(prepare(world, 6), 0);
        assert_int_equal(kernel->n_asked, 0);
        assert_string_equal(fixture_read(kernel->context, "/sys/fs/cgroup/machine.slice/x.scope/libvirt/cpuset.cpus"), "0-3");
        assert_non_null(strstr(kernel->context->last_told, "blocked"));
        assert_non_null(strstr(kernel->context->last_told, "x.scope lacks CPU 6"));
        assert_int_equal(prepare(world, 2), 0);
        assert_string_equal(strchr(kernel->context->last_told, ':'), ": ");
}

static void a_worker_kept_by_its_cpuset_is_blocked_until_that_changes(void **test_state) {
        struct world *world = *test_state;
        struct fake_kernel *kernel = world->kernel;
        fake_set_cpuset(kernel, 0x0f);
        fake_open(kernel);
        fake_core(kernel, 6, true);
        char id[32];
        snprintf(id, sizeof id, "t.%d", (int) world->worker->id);
        const struct iocore_unit *unit = fake_unit(kernel->context, id);
        assert_false(unit->blocked);
        assert_int_equal(fake_place(kernel, world->worker, 6), -EINVAL);
        assert_true(unit->blocked);
        fake_turn(kernel, true); /* as a failed decision causes */
        assert_true(unit->blocked);
        fake_set_cpuset(kernel, 0xff);
        fake_turn(kernel, false);
        assert_false(unit->blocked);
        assert_int_equal(fake_place(kernel, world->worker, 6), 0);
        assert_false(unit->blocked);
}

static void parents_are_widened_before_their_children(void **test_state) {
        struct world *world = *test_state;
        struct fake_kernel *kernel = world->kernel;
        char path[64];
        fake_taskset(world->leader, 0x0f), fake_taskset(world->vcpu, 0x0f);
        fixture_write(kernel->context, "/proc/self/mountinfo", "30 20 0:26 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n");
        static const char *const directories[] = { "", "/machine", "/machine/a", "/machine/a/emulator" };
        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                char file[128];
                snprintf(file, sizeof file, "/sys/fs/cgroup/cpuset%s/cpuset.cpus", directories[i]);
                fixture_write(kernel->context, file, i == 0 ? "0-7\n" : "0-3\n");
                snprintf(file, sizeof file, "/sys/fs/cgroup/cpuset%s/tasks", directories[i]);
                fixture_write(kernel->context, file, "");
        }
        snprintf(path, sizeof path, "/proc/%d/cgroup", (int) world->worker->id);
        fixture_write(kernel->context, path, "4:cpuset:/machine/a/emulator\n0::/\n");
        fake_open(kernel);
        fake_core(kernel, 6, true);
        assert_int_equal(prepare(world, 6), 0);
        assert_int_equal(kernel->n_wants, 3);
        ino_t inode;
        char object[64];
        assert_int_equal(cpuset_inode(kernel->state, "/sys/fs/cgroup/cpuset/machine", &inode), 0);
        snprintf(object, sizeof object, "c.%" PRIu64, (uint64_t) inode);
        assert_string_equal(kernel->wants[0].object, object);
        assert_string_equal(fixture_read(kernel->context, "/sys/fs/cgroup/cpuset/machine/a/emulator/cpuset.cpus"), "0-3,6");
        assert_int_equal(kernel->context->n_told, 0);
        fake_turn(kernel, false); /* no worker is there: nobody needs it */
        assert_int_equal(kernel->n_wants, 0);
        assert_string_equal(fixture_read(kernel->context, "/sys/fs/cgroup/cpuset/machine/cpuset.cpus"), "0-3");
}

static void a_cgroup_that_vanished_is_gone(void **test_state) {
        struct world *world = *test_state;
        char value[64];
        fake_open(world->kernel);
        static const char *const objects[] = { "", "c.", "c.x", "c.1x", "c.-1", "1", "c.99999999999999999999", "c.1" };
        for (size_t i = 0; i < ELEMENTSOF(objects); i++) {
                assert_int_equal(cgroup_cpus_get(world->kernel->state, objects[i], value, sizeof value), -ENOENT);
                assert_int_equal(cgroup_cpus_set(world->kernel->state, objects[i], "0", value, sizeof value), -ENOENT);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_mount_of_the_cpuset_controller_is_found),
                cmocka_unit_test(the_cgroup_that_rules_cpus_is_found),
                TEST(a_cpuset_is_widened_and_narrowed_again_by_an_old_kernel),
                TEST(a_cpuset_is_widened_and_narrowed_again_by_a_new_kernel),
                TEST(a_widened_cpuset_is_put_back_by_who_knows_only_the_journal_on_an_old_kernel),
                TEST(a_widened_cpuset_is_put_back_by_who_knows_only_the_journal_on_a_new_kernel),
                TEST(a_cpuset_that_somebody_else_widened_is_left_as_they_have_it),
                TEST(systemds_own_levels_are_never_written),
                TEST(a_worker_kept_by_its_cpuset_is_blocked_until_that_changes),
                TEST(parents_are_widened_before_their_children),
                TEST(a_cgroup_that_vanished_is_gone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

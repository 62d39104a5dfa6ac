/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may be loaded: files that nobody else could have written. Cases that need another owner need root to make them. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/cleanup.h"
#include "daemon/trusted-path.h"

struct fixture {
        char root[64];
        char path[PATH_MAX];
        char reason[512];
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) st, (void) type, (void) ftw;
        return remove(path);
}

static int setup(void **state) {
        static struct fixture fixture;
        snprintf(fixture.root, sizeof fixture.root, "/tmp/test-trusted-path.XXXXXX"); /* below a sticky directory that all may write to */
        if (!mkdtemp(fixture.root))
                return -1;
        *state = &fixture;
        return 0;
}

static int teardown(void **state) {
        struct fixture *fixture = *state;
        return nftw(fixture->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *at(struct fixture *fixture, const char *name) {
        int n = snprintf(fixture->path, sizeof fixture->path, "%s/%s", fixture->root, name);
        assert_true(n > 0 && (size_t) n < sizeof fixture->path);
        return fixture->path;
}

static void put(struct fixture *fixture, const char *name, mode_t mode) {
        _cleanup_fclose_ FILE *file = fopen(at(fixture, name), "we");
        assert_non_null(file);
        assert_true(fputs(name, file) >= 0);
        assert_int_equal(fchmod(fileno(file), mode), 0);
}

static void make_directory(struct fixture *fixture, const char *name, mode_t mode) {
        assert_int_equal(mkdir(at(fixture, name), 0700), 0);
        assert_int_equal(chmod(fixture->path, mode), 0);
}

static void make_link(struct fixture *fixture, const char *target, const char *name) {
        assert_int_equal(symlink(target, at(fixture, name)), 0);
}

/* Opens and compares what is in it with `content`. */
static void assert_trusted(struct fixture *fixture, const char *name, const char *content) {
        char text[64];
        fixture->reason[0] = '\0';
        _cleanup_close_ int fd = trusted_open(at(fixture, name), fixture->reason, sizeof fixture->reason);
        if (fd < 0)
                print_error("%s\n", fixture->reason);
        assert_true(fd >= 0);
        assert_int_equal(read(fd, text, sizeof text), strlen(content));
        assert_memory_equal(text, content, strlen(content));
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void assert_refused(struct fixture *fixture, const char *name, int error, const char *reason) {
        fixture->reason[0] = '\0';
        assert_int_equal(trusted_open(at(fixture, name), fixture->reason, sizeof fixture->reason), error);
        if (!strstr(fixture->reason, reason))
                print_error("got \"%s\", wanted \"%s\"\n", fixture->reason, reason);
        assert_non_null(strstr(fixture->reason, reason));
}

static void a_file_of_ones_own_is_trusted(void **state) {
        put(*state, "mine", 0644);
        assert_trusted(*state, "mine", "mine");
        assert_trusted(*state, ".//./mine", "mine");
        make_directory(*state, "d", 0755);
        put(*state, "d/other", 0600);
        assert_trusted(*state, "d/../d/other", "d/other");
}

static void what_others_may_write_is_not(void **state) {
        put(*state, "world", 0646);
        assert_refused(*state, "world", -EPERM, "component \"world\" is writable by others");
        put(*state, "group", 0664);
        assert_refused(*state, "group", -EPERM, "component \"group\" is writable by its group");
}

static void every_directory_counts(void **state) {
        make_directory(*state, "a", 0755);
        make_directory(*state, "a/b", 0777);
        make_directory(*state, "a/b/c", 0755);
        put(*state, "a/b/c/file", 0644);
        assert_refused(*state, "a/b/c/file", -EPERM, "component \"b\" is writable by others");
        assert_int_equal(chmod(at(*state, "a/b"), 0755), 0);
        assert_trusted(*state, "a/b/c/file", "a/b/c/file");
        assert_int_equal(chmod(at(*state, "a"), 0775), 0);
        assert_refused(*state, "a/b/c/file", -EPERM, "component \"a\" is writable by its group");
}

static void links_are_followed_by_the_same_rule(void **state) {
        struct fixture *fixture = *state;
        char target[PATH_MAX];
        make_directory(fixture, "good", 0755);
        make_directory(fixture, "bad", 0777);
        put(fixture, "good/file", 0644);
        put(fixture, "bad/file", 0644);
        make_link(fixture, "good/file", "relative");
        make_link(fixture, "../good/file", "good/up");
        make_link(fixture, "bad/file", "through-bad");
        make_link(fixture, "good", "directory");
        assert_trusted(fixture, "relative", "good/file");
        assert_trusted(fixture, "good/up", "good/file");
        assert_trusted(fixture, "directory/file", "good/file");
        assert_refused(fixture, "through-bad", -EPERM, "component \"bad\" is writable by others");
        snprintf(target, sizeof target, "%s/good/file", fixture->root);
        make_link(fixture, target, "absolute");
        assert_trusted(fixture, "absolute", "good/file");
        make_link(fixture, "loop", "loop");
        assert_refused(fixture, "loop", -ELOOP, "loop");
        make_link(fixture, "nowhere", "dangling");
        assert_refused(fixture, "dangling", -ENOENT, "No such file");
}

static void only_regular_files_are_opened(void **state) {
        make_directory(*state, "directory", 0755);
        assert_refused(*state, "directory", -EPERM, "not a regular file");
        assert_refused(*state, "directory/", -EPERM, "not a regular file");
        assert_int_equal(mkfifo(at(*state, "fifo"), 0644), 0);
        assert_refused(*state, "fifo", -EPERM, "not a regular file"); /* and does not wait for a writer */
        make_link(*state, "/dev/null", "null");
        assert_refused(*state, "null", -EPERM, ""); /* a device, and writable by all */
        assert_refused(*state, "missing", -ENOENT, "No such file");
        put(*state, "file", 0644);
        assert_refused(*state, "file/below", -ENOTDIR, "Not a directory");
}

static void what_belongs_to_somebody_else_is_not(void **state) {
        if (geteuid() != 0) {
                print_message("# only root can give files away\n");
                skip();
        }
        put(*state, "theirs", 0644);
        assert_int_equal(chown(at(*state, "theirs"), 12345, 0), 0);
        assert_refused(*state, "theirs", -EPERM, "component \"theirs\" does not belong to root");
        make_directory(*state, "home", 01777);
        assert_int_equal(chown(at(*state, "home"), 12345, 0), 0);
        put(*state, "home/file", 0644);
        assert_refused(*state, "home/file", -EPERM, "component \"home\" does not belong to root");
        put(*state, "mine", 0644);
        make_link(*state, "mine", "their-link");
        assert_int_equal(lchown(at(*state, "their-link"), 12345, 0), 0);
        assert_refused(*state, "their-link", -EPERM, "component \"their-link\" does not belong to root");
}

static void too_long_names_are_errors(void **state) {
        char name[PATH_MAX + 8];
        struct fixture *fixture = *state;
        memset(name, 'x', sizeof name - 1);
        name[sizeof name - 1] = '\0';
        name[0] = '/';
        assert_int_equal(trusted_open(name, fixture->reason, sizeof fixture->reason), -ENAMETOOLONG);
        name[NAME_MAX + 3] = '\0';
        assert_int_equal(trusted_open(name, fixture->reason, sizeof fixture->reason), -ENAMETOOLONG);
        assert_int_equal(trusted_open("/", fixture->reason, sizeof fixture->reason), -EPERM);
        /* a reason that does not fit is cut */
        char small[8] = "1234567";
        assert_int_equal(trusted_open("/missing-for-sure", small, sizeof small), -ENOENT);
        assert_int_equal(strlen(small), sizeof small - 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_file_of_ones_own_is_trusted, setup, teardown),
                cmocka_unit_test_setup_teardown(what_others_may_write_is_not, setup, teardown),
                cmocka_unit_test_setup_teardown(every_directory_counts, setup, teardown),
                cmocka_unit_test_setup_teardown(links_are_followed_by_the_same_rule, setup, teardown),
                cmocka_unit_test_setup_teardown(only_regular_files_are_opened, setup, teardown),
                cmocka_unit_test_setup_teardown(what_belongs_to_somebody_else_is_not, setup, teardown),
                cmocka_unit_test_setup_teardown(too_long_names_are_errors, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

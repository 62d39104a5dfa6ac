/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "daemon/act/journal-record.h"
#include "daemon/act/journal.h"
#include "daemon/cleanup.h"
#include "daemon/log.h"

struct fixture {
        char directory[64];
        char path[128];
};

static int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof *fixture);
        strcpy(fixture->directory, "/tmp/test-journal.XXXXXX");
        if (!mkdtemp(fixture->directory))
                return -1;
        snprintf(fixture->path, sizeof fixture->path, "%s/run/journal", fixture->directory);
        *state = fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;
        char command[256];
        snprintf(command, sizeof command, "rm -rf '%s'", fixture->directory);
        int r = system(command);
        free(fixture);
        return r;
}

static struct journal *open_journal(const struct fixture *fixture, unsigned expected_broken) {
        struct journal *journal = NULL;
        unsigned broken = 99;
        assert_int_equal(journal_open(&journal, fixture->path, NULL, &broken), 0);
        assert_int_equal(broken, expected_broken);
        return journal;
}

static int announce_as(struct journal *journal, const char *object, uint64_t incarnation, const char *source, const char *old, const char *new) {
        struct journal_entry entry = { .kind = JOURNAL_KNOB, .plugin = "mock", .knob = "unit.place", .incarnation = incarnation };
        snprintf(entry.object, sizeof entry.object, "%s", object);
        snprintf(entry.source, sizeof entry.source, "%s", source);
        return journal_announce(journal, &entry, old, new);
}

static int announce(struct journal *journal, const char *object, const char *old, const char *new) {
        return announce_as(journal, object, 0, "policy:test", old, new);
}

static int confirm(struct journal *journal, const char *object, const char *value) {
        return journal_confirm(journal, JOURNAL_KNOB, "mock", "unit.place", object, value);
}

static int cancel(struct journal *journal, const char *object, const char *source) {
        return journal_cancel(journal, JOURNAL_KNOB, "mock", "unit.place", object, source);
}

static int forget(struct journal *journal, const char *object) {
        return journal_forget(journal, JOURNAL_KNOB, "mock", "unit.place", object);
}

static const struct journal_entry *find(const struct journal *journal, const char *object) {
        return journal_find(journal, JOURNAL_KNOB, "mock", "unit.place", object);
}

static void assert_value(const char *value, const char *expected) {
        if (expected) {
                assert_non_null(value);
                assert_string_equal(value, expected);
        } else
                assert_null(value);
}

static void assert_entry(const struct journal *journal, const char *object, const char *old, const char *set, const char *pending) {
        const struct journal_entry *entry = find(journal, object);
        assert_non_null(entry);
        assert_value(entry->old_value, old);
        assert_value(entry->set_value, set);
        assert_value(entry->pending_value, pending);
}

static off_t file_size(const char *path) {
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        return st.st_size;
}

static char *read_file(const char *path, size_t *ret_size) {
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        off_t size = file_size(path);
        char *data = malloc((size_t) size + 1);
        *ret_size = fread(data, 1, (size_t) size, file);
        fclose(file);
        return data;
}

static void write_file(const char *path, const char *data, size_t size) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
        close(fd);
}

static void append_file(const char *path, const char *data, size_t size) {
        int fd = open(path, O_WRONLY | O_APPEND);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
        close(fd);
}

static uint64_t seed_of_this_run(void) {
        const char *given = getenv("IOCORE_SEED");
        uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t) time(NULL) ^ ((uint64_t) getpid() << 20);
        printf("# seed %" PRIu64 "\n", seed);
        return seed;
}

static unsigned random_below(uint64_t *seed, unsigned n) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        return (unsigned) (*seed >> 33) % n;
}

/* --- entries --- */

static void what_was_announced_is_known_to_the_next_daemon(void **state) {
        struct journal *journal = open_journal(*state, 0);
        assert_int_equal(announce(journal, "d.1", "w.1", "w.2"), 0);
        assert_int_equal(announce(journal, "d.2", "w.1", "w.2"), 0);
        assert_int_equal(confirm(journal, "d.2", "w.2"), 0);
        journal_close(journal);
        journal = open_journal(*state, 0);
        assert_int_equal(journal_n_entries(journal), 2);
        assert_entry(journal, "d.1", "w.1", NULL, "w.2");
        assert_entry(journal, "d.2", "w.1", "w.2", NULL);
        assert_string_equal(journal_entry(journal, 0)->object, "d.1");
        assert_string_equal(journal_entry(journal, 1)->object, "d.2");
        assert_null(journal_entry(journal, 2));
        assert_string_equal(find(journal, "d.1")->source, "policy:test");
        journal_close(journal);
}

static void the_first_old_value_is_kept_and_the_last_source(void **state) {
        struct journal *journal = open_journal(*state, 0);
        assert_int_equal(announce_as(journal, "d.1", 7, "policy:a", "w.1", "w.2"), 0);
        assert_int_equal(confirm(journal, "d.1", "w.2"), 0);
        assert_int_equal(announce_as(journal, "d.1", 7, "policy:b", "w.2", "w.3"), 0);
        for (int i = 0; i < 2; i++) {
                assert_entry(journal, "d.1", "w.1", "w.2", "w.3");
                assert_string_equal(find(journal, "d.1")->source, "policy:b");
                assert_int_equal(find(journal, "d.1")->incarnation, 7);
                journal_close(journal);
                journal = open_journal(*state, 0);
        }
        journal_close(journal);
}

static void another_incarnation_of_an_object_begins_anew(void **state) {
        struct journal *journal = open_journal(*state, 0);
        assert_int_equal(announce_as(journal, "t.9", 1, "a", "0-7", "2"), 0);
        assert_int_equal(confirm(journal, "t.9", "2"), 0);
        assert_int_equal(announce(journal, "t.5", "0-7", "3"), 0);
        assert_int_equal(announce_as(journal, "t.9", UINT64_MAX, "a", "0-3", "2"), 0);
        for (int i = 0; i < 2; i++) {
                assert_entry(journal, "t.9", "0-3", NULL, "2");
                assert_true(find(journal, "t.9")->incarnation == UINT64_MAX);
                assert_int_equal(journal_n_entries(journal), 2);
                assert_string_equal(journal_entry(journal, 1)->object, "t.9");
                journal_close(journal);
                journal = open_journal(*state, 0);
        }
        journal_close(journal);
}

static void a_change_that_was_not_made_is_taken_back(void **state) {
        struct journal *journal = open_journal(*state, 0);
        assert_int_equal(announce_as(journal, "d.1", 0, "a", "w.1", "w.2"), 0);
        assert_int_equal(cancel(journal, "d.1", "a"), 0);
        assert_null(find(journal, "d.1"));
        assert_int_equal(announce_as(journal, "d.1", 0, "a", "w.1", "w.2"), 0);
        assert_int_equal(confirm(journal, "d.1", "w.2"), 0);
        assert_int_equal(announce_as(journal, "d.1", 0, "b", "w.2", "w.3"), 0);
        assert_int_equal(cancel(journal, "d.1", "a"), 0);
        journal_close(journal);
        journal = open_journal(*state, 0);
        assert_entry(journal, "d.1", "w.1", "w.2", NULL);
        assert_string_equal(find(journal, "d.1")->source, "a");
        journal_close(journal);
}

static void what_was_never_announced_cannot_be_confirmed(void **state) {
        struct journal *journal = open_journal(*state, 0);
        assert_int_equal(confirm(journal, "d.1", "w.2"), -ENOENT);
        assert_int_equal(cancel(journal, "d.1", NULL), -ENOENT);
        assert_int_equal(forget(journal, "d.1"), 0);
        char long_name[IOCORE_NAME_MAX + 9];
        memset(long_name, 'x', sizeof long_name - 1);
        long_name[sizeof long_name - 1] = '\0';
        assert_int_equal(confirm(journal, long_name, "w.2"), -ENOENT);
        assert_int_equal(journal_n_entries(journal), 0);
        journal_close(journal);
}

static void the_same_object_may_have_entries_of_several_knobs_kinds_and_plugins(void **state) {
        struct journal *journal = open_journal(*state, 0);
        static const struct journal_entry entries[] = {
                { .kind = JOURNAL_KNOB, .plugin = "a", .knob = "x", .object = "3" },
                { .kind = JOURNAL_KNOB, .plugin = "a", .knob = "y", .object = "3" },
                { .kind = JOURNAL_KNOB, .plugin = "b", .knob = "x", .object = "3" },
                { .kind = JOURNAL_CORE_ADD, .plugin = "a", .knob = "", .object = "3" },
                { .kind = JOURNAL_CORE_REMOVE, .plugin = "a", .knob = "", .object = "3" },
        };
        for (size_t i = 0; i < ELEMENTSOF(entries); i++)
                assert_int_equal(journal_announce(journal, entries + i, (char[]) { (char) ('0' + (int) i), '\0' }, ""), 0);
        journal_close(journal);
        journal = open_journal(*state, 0);
        assert_int_equal(journal_n_entries(journal), ELEMENTSOF(entries));
        for (size_t i = 0; i < ELEMENTSOF(entries); i++) {
                const struct journal_entry *entry = journal_find(journal, entries[i].kind, entries[i].plugin, entries[i].knob, entries[i].object);
                assert_non_null(entry);
                assert_int_equal(entry->old_value[0], '0' + (int) i);
        }
        journal_close(journal);
}

static void any_value_comes_back_as_it_was(void **state) {
        char value[IOCORE_VALUE_MAX];
        for (size_t i = 0; i < sizeof value - 1; i++)
                value[i] = (char) (i % 255 + 1); /* newlines, quotes, control and invalid UTF-8 bytes */
        value[sizeof value - 1] = '\0';
        struct journal *journal = open_journal(*state, 0);
        assert_int_equal(announce(journal, "d.1", value, ""), 0);
        journal_close(journal);
        journal = open_journal(*state, 0);
        assert_entry(journal, "d.1", value, NULL, "");
        journal_close(journal);
}

/* --- the file --- */

static void the_file_is_only_its_owners_and_its_directory_is_made(void **state) {
        struct fixture *fixture = *state;
        mode_t mask = umask(022);
        journal_close(open_journal(fixture, 0));
        umask(mask);
        struct stat st;
        assert_int_equal(stat(fixture->path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        char directory[128];
        snprintf(directory, sizeof directory, "%s/run", fixture->directory);
        assert_int_equal(stat(directory, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
        struct journal *journal;
        snprintf(directory, sizeof directory, "%s/a/b/journal", fixture->directory);
        assert_int_equal(journal_open(&journal, directory, NULL, NULL), -ENOENT);
}

static void the_file_is_emptied_when_nothing_is_left(void **state) {
        struct fixture *fixture = *state;
        struct journal *journal = open_journal(fixture, 0);
        off_t empty = file_size(fixture->path);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(announce(journal, "d.1", "w.1", "w.2"), 0);
                assert_int_equal(announce(journal, "d.2", "w.1", "w.2"), 0);
                assert_int_equal(forget(journal, "d.1"), 0);
                assert_true(file_size(fixture->path) > empty);
                assert_int_equal(forget(journal, "d.2"), 0);
                assert_int_equal(file_size(fixture->path), empty);
        }
        journal_close(journal);
        journal = open_journal(fixture, 0);
        assert_int_equal(journal_n_entries(journal), 0);
        journal_close(journal);
}

static void the_file_stays_small_however_often_things_change(void **state) {
        struct fixture *fixture = *state;
        struct journal *journal = open_journal(fixture, 0);
        assert_int_equal(announce(journal, "d.1", "home", "w.2"), 0);
        for (int i = 0; i < 3000; i++) {
                char value[16];
                snprintf(value, sizeof value, "w.%d", i);
                assert_int_equal(announce(journal, "d.2", "w.0", value), 0);
                assert_int_equal(confirm(journal, "d.2", value), 0);
        }
        assert_true(file_size(fixture->path) < 128 * 1024);
        journal_close(journal);
        journal = open_journal(fixture, 0);
        assert_entry(journal, "d.1", "home", NULL, "w.2");
        assert_entry(journal, "d.2", "w.0", "w.2999", NULL);
        journal_close(journal);
}

static void a_second_daemon_is_refused_and_told_the_pid_of_the_first(void **state) {
        struct fixture *fixture = *state;
        struct journal *journal = open_journal(fixture, 0), *second = NULL;
        pid_t pid = -1;
        assert_int_equal(journal_open(&second, fixture->path, &pid, NULL), -EBUSY);
        assert_int_equal(pid, getpid());
        /* also after the file was written anew */
        for (int i = 0; i < 1000; i++)
                assert_int_equal(announce(journal, "d.1", "a", i % 2 ? "b" : "c"), 0);
        assert_int_equal(journal_open(&second, fixture->path, &pid, NULL), -EBUSY);
        assert_null(second);
        /* what the first one knows is untouched */
        assert_int_equal(confirm(journal, "d.1", "b"), 0);
        journal_close(journal);
        journal = open_journal(fixture, 0);
        assert_entry(journal, "d.1", "a", "b", NULL);
        journal_close(journal);
}

static void the_lock_dies_with_its_daemon(void **state) {
        struct fixture *fixture = *state;
        pid_t child = fork();
        if (child == 0) {
                struct journal *journal;
                if (journal_open(&journal, fixture->path, NULL, NULL) < 0 || announce(journal, "d.1", "a", "b") < 0)
                        _exit(1);
                raise(SIGKILL);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        struct journal *journal = open_journal(fixture, 0);
        assert_entry(journal, "d.1", "a", NULL, "b");
        journal_close(journal);
}

static void a_file_that_others_could_have_written_is_refused(void **state) {
        struct fixture *fixture = *state;
        struct journal *journal = NULL;
        journal_close(open_journal(fixture, 0));
        assert_int_equal(chmod(fixture->path, 0666), 0);
        assert_int_equal(journal_open(&journal, fixture->path, NULL, NULL), -EPERM);
        assert_int_equal(chmod(fixture->path, 0600), 0);

        char other[256];
        snprintf(other, sizeof other, "%s.other", fixture->path);
        assert_int_equal(link(fixture->path, other), 0);
        assert_int_equal(journal_open(&journal, fixture->path, NULL, NULL), -EPERM);
        assert_int_equal(unlink(fixture->path), 0);
        assert_int_equal(symlink(other, fixture->path), 0);
        assert_int_equal(journal_open(&journal, fixture->path, NULL, NULL), -ELOOP);
        assert_int_equal(unlink(fixture->path), 0);
        assert_int_equal(mkfifo(fixture->path, 0600), 0);
        assert_int_equal(journal_open(&journal, fixture->path, NULL, NULL), -EPERM);
}

static void a_link_in_the_place_of_the_new_file_is_not_followed(void **state) {
        struct fixture *fixture = *state;
        char victim[256], new[256];
        snprintf(victim, sizeof victim, "%s/victim", fixture->directory);
        snprintf(new, sizeof new, "%s.new", fixture->path);
        write_file(victim, "precious", 8);
        journal_close(open_journal(fixture, 0));
        assert_int_equal(symlink(victim, new), 0);
        journal_close(open_journal(fixture, 0));
        size_t size;
        _cleanup_free_ char *data = read_file(victim, &size);
        assert_int_equal(size, 8);
        assert_memory_equal(data, "precious", 8);
}

static void what_an_earlier_boot_left_is_dropped(void **state) {
        struct fixture *fixture = *state;
        struct journal *journal = open_journal(fixture, 0);
        assert_int_equal(announce(journal, "d.1", "w.1", "w.2"), 0);
        journal_close(journal);
        size_t size, header_length;
        _cleanup_free_ char *data = read_file(fixture->path, &size);
        struct journal_record record = { .operation = JOURNAL_HEADER, .boot_id = "11111111-2222-3333-4444-555555555555", .pid = 1 };
        _cleanup_free_ char *header = journal_record_format(&record, &header_length);
        const char *records = (char *) memchr(data, '\n', size) + 1;
        write_file(fixture->path, header, header_length);
        append_file(fixture->path, records, size - (size_t) (records - data));
        log_set_max_level(LOG_ERR);
        journal = open_journal(fixture, 0);
        log_set_max_level(LOG_INFO);
        assert_int_equal(journal_n_entries(journal), 0);
        journal_close(journal);
}

/* --- damage --- */

static void a_file_cut_anywhere_still_has_every_whole_record(void **state) {
        struct fixture *fixture = *state;
        struct journal *journal = open_journal(fixture, 0);
        for (int i = 0; i < 4; i++)
                assert_int_equal(announce(journal, (char[]) { 'd', (char) ('1' + i), '\0' }, "w.1", "w.2"), 0);
        journal_close(journal);
        size_t size;
        _cleanup_free_ char *data = read_file(fixture->path, &size);
        for (size_t cut = 0; cut <= size; cut++) {
                write_file(fixture->path, data, cut);
                size_t n_lines = 0;
                for (size_t i = 0; i < cut; i++)
                        n_lines += data[i] == '\n';
                journal = open_journal(fixture, 0); /* a torn last line is not counted as broken */
                assert_int_equal(journal_n_entries(journal), n_lines > 0 ? n_lines - 1 : 0);
                /* and it can be written to again */
                assert_int_equal(announce(journal, "d.9", "a", "b"), 0);
                journal_close(journal);
                journal = open_journal(fixture, 0);
                assert_entry(journal, "d.9", "a", NULL, "b");
                journal_close(journal);
        }
}

static void a_damaged_record_is_skipped_and_counted_and_costs_no_other(void **state) {
        struct fixture *fixture = *state;
        struct journal *journal = open_journal(fixture, 0);
        for (int i = 0; i < 3; i++)
                assert_int_equal(announce(journal, (char[]) { 'd', (char) ('1' + i), '\0' }, "w.1", "w.2"), 0);
        journal_close(journal);
        size_t size;
        _cleanup_free_ char *data = read_file(fixture->path, &size);
        size_t line = 0;
        for (size_t i = 0; i < size; i++) {
                if (data[i] == '\n') {
                        line++;
                        continue;
                }
                char original = data[i];
                data[i] = (char) (original ^ 1 << i % 7);
                if (data[i] == '\n')
                        data[i] = '\r';
                write_file(fixture->path, data, size);
                journal = open_journal(fixture, 1);
                assert_int_equal(journal_n_entries(journal), line == 0 ? 3 : 2);
                journal_close(journal);
                data[i] = original;
        }
}

static void lines_that_are_no_records_are_counted_as_broken(void **state) {
        struct fixture *fixture = *state;
        static const char *const texts[] = {
                "{}", "[]", "null", "{\"op\":\"announce\"}", "{\"op\":7}", "{\"op\":\"explode\"}", "{\"op\":\"open\",\"version\":9,\"boot_id\":\"\",\"pid\":1}",
                "{\"op\":\"announce\",\"kind\":\"knob\",\"plugin\":\"p\",\"knob\":\"k\",\"object\":\"o\",\"source\":\"s\",\"incarnation\":\"-1\",\"sequence\":\"1\",\"old\":\"a\"}",
                "{\"op\":\"announce\",\"kind\":\"knob\",\"plugin\":\"p\",\"knob\":\"k\",\"object\":\"o\",\"source\":\"s\",\"incarnation\":\"0\",\"sequence\":\"1\"}",
                "{\"op\":\"forget\",\"kind\":\"knob\",\"plugin\":\"p\",\"knob\":\"k\"}",
        };
        journal_close(open_journal(fixture, 0));
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                char line[512];
                /* the checksum is right: what is wrong is what it says */
                unsigned long checksum = crc32(0, (const unsigned char *) texts[i], (unsigned) strlen(texts[i]));
                int length = snprintf(line, sizeof line, "%08lx %s\n", checksum, texts[i]);
                append_file(fixture->path, line, (size_t) length);
        }
        append_file(fixture->path, "\n\n", 2);
        append_file(fixture->path, "short\n", 6);
        struct journal *journal = open_journal(fixture, ELEMENTSOF(texts) + 1);
        assert_int_equal(journal_n_entries(journal), 0);
        journal_close(journal);
}

static void a_full_disk_refuses_announcements_and_damages_nothing(void **state) {
        struct fixture *fixture = *state;
        pid_t child = fork();
        if (child == 0) {
                struct journal *journal;
                if (journal_open(&journal, fixture->path, NULL, NULL) < 0 || announce(journal, "d.1", "w.1", "w.2") < 0)
                        _exit(1);
                signal(SIGXFSZ, SIG_IGN);
                struct rlimit limit = { (rlim_t) file_size(fixture->path) + 40, (rlim_t) file_size(fixture->path) + 40 };
                if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
                        _exit(2);
                if (announce(journal, "d.2", "w.1", "w.2") >= 0 || find(journal, "d.2"))
                        _exit(3);
                if (file_size(fixture->path) != (off_t) limit.rlim_cur - 40)
                        _exit(4);
                if (!find(journal, "d.1") || forget(journal, "d.1") < 0) /* the way back needs no room */
                        _exit(5);
                _exit(announce(journal, "d.3", "w.1", "w.2") < 0 ? 6 : 0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        struct journal *journal = open_journal(fixture, 0);
        assert_int_equal(journal_n_entries(journal), 1);
        assert_entry(journal, "d.3", "w.1", NULL, "w.2");
        journal_close(journal);
}

/* --- any order of changes --- */

#define N_OBJECTS 6

struct shadow {
        bool present;
        char old[8], set[8], pending[8]; /* "" = none */
};

static void random_change(struct journal *journal, struct shadow *shadows, uint64_t *seed) {
        unsigned i = random_below(seed, N_OBJECTS);
        struct shadow *shadow = shadows + i;
        char object[16], value[8], old[8];
        snprintf(object, sizeof object, "d.%u", i);
        snprintf(value, sizeof value, "v%u", random_below(seed, 1000));
        snprintf(old, sizeof old, "o%u", random_below(seed, 1000));
        switch (random_below(seed, 4)) {
        case 0:
                assert_int_equal(announce(journal, object, old, value), 0);
                if (!shadow->present) {
                        *shadow = (struct shadow) { .present = true };
                        strcpy(shadow->old, old);
                }
                strcpy(shadow->pending, value);
                break;
        case 1:
                assert_int_equal(confirm(journal, object, value), shadow->present ? 0 : -ENOENT);
                strcpy(shadow->set, shadow->present ? value : "");
                shadow->pending[0] = '\0';
                break;
        case 2:
                assert_int_equal(cancel(journal, object, NULL), shadow->present ? 0 : -ENOENT);
                shadow->present = shadow->set[0] != '\0';
                shadow->pending[0] = '\0';
                break;
        default:
                assert_int_equal(forget(journal, object), 0);
                *shadow = (struct shadow) { 0 };
        }
}

static void check_shadows(const struct journal *journal, const struct shadow *shadows) {
        size_t n = 0;
        for (unsigned i = 0; i < N_OBJECTS; i++) {
                char object[16];
                snprintf(object, sizeof object, "d.%u", i);
                n += shadows[i].present;
                if (shadows[i].present)
                        assert_entry(journal, object, shadows[i].old, shadows[i].set[0] ? shadows[i].set : NULL,
                                     shadows[i].pending[0] ? shadows[i].pending : NULL);
                else
                        assert_null(find(journal, object));
        }
        assert_int_equal(journal_n_entries(journal), n);
        for (size_t i = 1; i < n; i++)
                assert_true(journal_entry(journal, i - 1)->sequence < journal_entry(journal, i)->sequence);
}

static void any_order_of_changes_is_read_back_as_it_was(void **state) {
        uint64_t seed = seed_of_this_run();
        struct shadow shadows[N_OBJECTS] = { 0 };
        struct journal *journal = open_journal(*state, 0);
        for (int i = 0; i < 3000; i++) {
                random_change(journal, shadows, &seed);
                check_shadows(journal, shadows);
                if (random_below(&seed, 50) == 0) {
                        journal_close(journal);
                        journal = open_journal(*state, 0);
                        check_shadows(journal, shadows);
                }
        }
        journal_close(journal);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
                TEST(what_was_announced_is_known_to_the_next_daemon),
                TEST(the_first_old_value_is_kept_and_the_last_source),
                TEST(another_incarnation_of_an_object_begins_anew),
                TEST(a_change_that_was_not_made_is_taken_back),
                TEST(what_was_never_announced_cannot_be_confirmed),
                TEST(the_same_object_may_have_entries_of_several_knobs_kinds_and_plugins),
                TEST(any_value_comes_back_as_it_was),
                TEST(the_file_is_only_its_owners_and_its_directory_is_made),
                TEST(the_file_is_emptied_when_nothing_is_left),
                TEST(the_file_stays_small_however_often_things_change),
                TEST(a_second_daemon_is_refused_and_told_the_pid_of_the_first),
                TEST(the_lock_dies_with_its_daemon),
                TEST(a_file_that_others_could_have_written_is_refused),
                TEST(a_link_in_the_place_of_the_new_file_is_not_followed),
                TEST(what_an_earlier_boot_left_is_dropped),
                TEST(a_file_cut_anywhere_still_has_every_whole_record),
                TEST(a_damaged_record_is_skipped_and_counted_and_costs_no_other),
                TEST(lines_that_are_no_records_are_counted_as_broken),
                TEST(a_full_disk_refuses_announcements_and_damages_nothing),
                TEST(any_order_of_changes_is_read_back_as_it_was),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

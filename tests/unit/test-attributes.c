/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/cleanup.h"
#include "plugins/vhost-sysfs/attributes.h"

enum { POLL, POLL_CYCLES, NOTIF_BYTES, MISSING, N_NAMES };

struct fixture {
        struct attribute_buffer buffer;
        struct status_name names[N_NAMES];
        struct status_memory memory;
        uint64_t values[N_NAMES];
};

static void fixture_init(struct fixture *fixture) {
        *fixture = (struct fixture) { 0 };
        attribute_buffer_init(&fixture->buffer);
        assert_int_equal(status_name_init(&fixture->names[POLL], "poll"), 0);
        assert_int_equal(status_name_init(&fixture->names[POLL_CYCLES], "poll_cycles"), 0);
        assert_int_equal(status_name_init(&fixture->names[NOTIF_BYTES], "notif_bytes"), 0);
        assert_int_equal(status_name_init(&fixture->names[MISSING], "poll_pending_cycles"), 0);
}

static uint32_t parse(struct fixture *fixture, const char *text) {
        size_t length = strlen(text);
        memcpy(attribute_text(&fixture->buffer), text, length + 1);
        return status_parse(&fixture->buffer, length, fixture->names, N_NAMES, &fixture->memory, fixture->values);
}

#define PRESENT (1u << POLL | 1u << POLL_CYCLES | 1u << NOTIF_BYTES)

static void only_what_is_there_is_learned(void **state) {
        struct fixture f;
        (void) state;
        fixture_init(&f);
        assert_int_equal(parse(&f, "dev:d.4\npoll:1\npoll_cycles:12345678901\nfoo:3\nnotif_bytes:0\n"), PRESENT);
        assert_int_equal(f.memory.known, PRESENT);
        assert_int_equal(f.values[POLL], 1);
        assert_int_equal(f.values[POLL_CYCLES], 12345678901u);
        assert_int_equal(f.values[NOTIF_BYTES], 0);
}

static void values_that_grow_move_the_lines_behind_them(void **state) {
        struct fixture f;
        char text[256];
        (void) state;
        fixture_init(&f);
        for (uint64_t value = 1, i = 0; i < 20; i++, value = value * 10 + i % 10) {
                snprintf(text, sizeof text, "poll:0\nother:%" PRIu64 "\npoll_cycles:%" PRIu64 "\nnotif_bytes:%" PRIu64 "\n", value, value / 3, value / 7);
                assert_int_equal(parse(&f, text), PRESENT);
                assert_int_equal(f.values[POLL_CYCLES], value / 3);
                assert_int_equal(f.values[NOTIF_BYTES], value / 7);
        }
        /* and back: the counters were reset */
        assert_int_equal(parse(&f, "poll:0\nother:1\npoll_cycles:2\nnotif_bytes:3\n"), PRESENT);
        assert_int_equal(f.values[NOTIF_BYTES], 3);
}

static void lines_may_change_their_order(void **state) {
        struct fixture f;
        (void) state;
        fixture_init(&f);
        assert_int_equal(parse(&f, "poll:0\npoll_cycles:1\nnotif_bytes:2\n"), PRESENT);
        assert_int_equal(parse(&f, "notif_bytes:3\npoll_cycles:4\npoll:1\n"), PRESENT);
        assert_int_equal(f.values[NOTIF_BYTES], 3);
        assert_int_equal(f.values[POLL_CYCLES], 4);
        assert_int_equal(f.values[POLL], 1);
}

static void names_match_whole_only(void **state) {
        struct fixture f;
        (void) state;
        fixture_init(&f);
        assert_int_equal(parse(&f, "can_poll:1\npoll_cycles_more:9\nxnotif_bytes:7\n"), 0);
        assert_int_equal(f.memory.known, 0);
}

static void the_last_line_needs_no_newline(void **state) {
        struct fixture f;
        (void) state;
        fixture_init(&f);
        assert_int_equal(parse(&f, "poll:1\npoll_cycles:5\nnotif_bytes:77"), PRESENT);
        assert_int_equal(f.values[NOTIF_BYTES], 77);
}

static void malformed_values_are_not_taken(void **state) {
        static const char *const bad[] = { "", " 5", "-5", "0x5", "5 ", "5\t6", "18446744073709551616", "99999999999999999999", "100000000000000000000000", "nan" };
        struct fixture f;
        char text[256];
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                fixture_init(&f);
                parse(&f, "poll:1\npoll_cycles:5\nnotif_bytes:6\n");
                snprintf(text, sizeof text, "poll:1\npoll_cycles:%s\nnotif_bytes:8\n", bad[i]);
                assert_int_equal(parse(&f, text), PRESENT & ~(1u << POLL_CYCLES));
                assert_int_equal(f.values[NOTIF_BYTES], 8);
                /* it is not learned either */
                fixture_init(&f);
                parse(&f, text);
                assert_int_equal(f.memory.known, PRESENT & ~(1u << POLL_CYCLES));
        }
}

static void the_largest_counter_is_taken(void **state) {
        struct fixture f;
        (void) state;
        fixture_init(&f);
        assert_int_equal(parse(&f, "poll:1\npoll_cycles:18446744073709551615\nnotif_bytes:6\n"), PRESENT);
        assert_true(f.values[POLL_CYCLES] == UINT64_MAX);
}

static void what_an_earlier_longer_text_left_is_not_read(void **state) {
        struct fixture f;
        (void) state;
        fixture_init(&f);
        assert_int_equal(parse(&f, "poll:1\npoll_cycles:12345\nnotif_bytes:6\n"), PRESENT);
        assert_int_equal(parse(&f, "poll:1\npoll_cycles:12"), 1u << POLL | 1u << POLL_CYCLES);
        assert_int_equal(f.values[POLL_CYCLES], 12);
        assert_int_equal(parse(&f, "poll:1\npoll_cycles:"), 1u << POLL);
        assert_int_equal(parse(&f, "poll:1\n"), 1u << POLL);
        assert_int_equal(parse(&f, ""), 0);
}

/* Any text: compared with a parser that is obviously right. */
static bool slow_parse(const char *text, const char *name, uint64_t *ret) {
        size_t length = strlen(name);
        for (const char *line = text; *line;) {
                const char *end = strchrnul(line, '\n');
                if (strncmp(line, name, length) == 0 && line[length] == ':') {
                        const char *value = line + length + 1;
                        return attribute_parse_unsigned(value, (size_t) (end - value), ret) == 0;
                }
                line = *end ? end + 1 : end;
        }
        return false;
}

static void random_texts_are_read_like_a_slow_parser_reads_them(void **state) {
        static const char *const names[N_NAMES] = { "poll", "poll_cycles", "notif_bytes", "poll_pending_cycles" };
        const char *given = getenv("IOCORE_SEED");
        unsigned seed = given ? (unsigned) strtoul(given, NULL, 10) : (unsigned) time(NULL);
        struct fixture f;
        (void) state;
        print_message("# seed %u\n", seed);
        fixture_init(&f);
        for (int round = 0; round < 20000; round++) {
                char text[512] = "";
                size_t length = 0;
                unsigned order = (unsigned) rand_r(&seed);
                for (unsigned i = 0; i < N_NAMES; i++) {
                        uint64_t value = (uint64_t) rand_r(&seed) << 33 ^ (uint64_t) rand_r(&seed) << 11;
                        value >>= rand_r(&seed) % 64;
                        length += (size_t) snprintf(text + length, sizeof text - length, "%s:%" PRIu64 "\n", names[(i + order) % N_NAMES], value);
                }
                if (rand_r(&seed) % 8 == 0)
                        text[(size_t) rand_r(&seed) % length] = "\n:x\t"[rand_r(&seed) % 4];
                if (rand_r(&seed) % 8 == 0)
                        text[(size_t) rand_r(&seed) % length] = '\0';
                if (rand_r(&seed) % 8 == 0)
                        status_memory_forget(&f.memory);
                bool learned = f.memory.learned;
                uint32_t known = f.memory.known, found = parse(&f, text);
                for (unsigned i = 0; i < N_NAMES; i++) {
                        uint64_t value;
                        bool wanted = !learned || known & 1u << i;
                        /* a text with a line twice may be read either way */
                        char line[64];
                        snprintf(line, sizeof line, "%s:", names[i]);
                        const char *first = strstr(text, line);
                        if (first && strstr(first + 1, line))
                                continue;
                        assert_int_equal(wanted && slow_parse(text, names[i], &value), (found & 1u << i) != 0);
                        if (found & 1u << i)
                                assert_true(value == f.values[i]);
                }
        }
}

static void a_file_of_more_than_a_page_is_refused(void **state) {
        struct attribute_buffer buffer;
        char page[ATTRIBUTE_SIZE_MAX];
        FILE *file = tmpfile();
        (void) state;
        assert_non_null(file);
        memset(page, '7', sizeof page);
        attribute_buffer_init(&buffer);
        assert_int_equal(attribute_buffer_read(&buffer, fileno(file)), 0);
        assert_int_equal(pwrite(fileno(file), page, sizeof page, 0), sizeof page);
        assert_int_equal(attribute_buffer_read(&buffer, fileno(file)), ATTRIBUTE_SIZE_MAX);
        assert_int_equal(pwrite(fileno(file), page, 1, sizeof page), 1);
        assert_int_equal(attribute_buffer_read(&buffer, fileno(file)), -EFBIG);
        fclose(file);
        assert_int_equal(attribute_buffer_read(&buffer, -1), -EBADF);
}

static int parse_unsigned(const char *text, uint64_t *ret) {
        return attribute_parse_unsigned(text, strlen(text), ret);
}

static void single_values_are_digits_and_a_newline(void **state) {
        uint64_t value = 1;
        int number;
        bool flag;
        (void) state;
        assert_int_equal(parse_unsigned("0\n", &value), 0);
        assert_int_equal(value, 0);
        assert_int_equal(parse_unsigned("18446744073709551615", &value), 0);
        assert_int_equal(parse_unsigned("18446744073709551616\n", &value), -ERANGE);
        assert_int_equal(parse_unsigned("", &value), -EINVAL);
        assert_int_equal(parse_unsigned("\n", &value), -EINVAL);
        assert_int_equal(parse_unsigned("1\n\n", &value), -EINVAL);
        assert_int_equal(parse_unsigned("1 2\n", &value), -EINVAL);
        assert_int_equal(attribute_parse_int("-1\n", 3, &number), 0);
        assert_int_equal(number, -1);
        assert_int_equal(attribute_parse_int("--1\n", 4, &number), -EINVAL);
        assert_int_equal(attribute_parse_int("-", 1, &number), -EINVAL);
        assert_int_equal(attribute_parse_int("2147483648\n", 11, &number), -ERANGE);
        assert_int_equal(attribute_parse_bool("1\n", 2, &flag), 0);
        assert_true(flag);
        assert_int_equal(attribute_parse_bool("N", 1, &flag), 0);
        assert_false(flag);
        assert_int_equal(attribute_parse_bool("2\n", 2, &flag), -EINVAL);
        assert_int_equal(attribute_parse_bool("\n", 1, &flag), -EINVAL);
        assert_int_equal(attribute_parse_bool("", 0, &flag), -EINVAL);
}

static void ids_have_exactly_one_spelling(void **state) {
        static const char *const bad_workers[] = { "", "w", "w.", "w.01", "w.1.2", "w.1 ", "W.1", "d.1", "w.-1", "w.1234567890", "w.1/../..", "w..1" };
        static const char *const bad_queues[] = { "", "vq.1", "vq.1.", "vq..1", "vq.1.2.3", "vq.01.2", "vq.1.02", "vq.1.2\t", "w.1", "vq.1.x" };
        uint32_t number, index;
        (void) state;
        assert_int_equal(worker_id_parse("w.10", 4, &number), 0);
        assert_int_equal(number, 10);
        assert_int_equal(device_id_parse("d.999999999", 11, &number), 0);
        assert_int_equal(number, 999999999);
        assert_int_equal(queue_id_parse("vq.4.0", 6, &number, &index), 0);
        assert_int_equal(number, 4);
        assert_int_equal(index, 0);
        for (size_t i = 0; i < ELEMENTSOF(bad_workers); i++)
                assert_int_equal(worker_id_parse(bad_workers[i], strlen(bad_workers[i]), &number), -EINVAL);
        for (size_t i = 0; i < ELEMENTSOF(bad_queues); i++)
                assert_int_equal(queue_id_parse(bad_queues[i], strlen(bad_queues[i]), &number, &index), -EINVAL);
}

static void lists_are_separated_by_tabs(void **state) {
        const char *text = "d.1\td.22\t\td.3\n", *expected[] = { "d.1", "d.22", "d.3" };
        size_t position = 0, length;
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
                const char *element = list_next(text, strlen(text), &position, &length);
                assert_non_null(element);
                assert_int_equal(length, strlen(expected[i]));
                assert_memory_equal(element, expected[i], length);
        }
        assert_null(list_next(text, strlen(text), &position, &length));
        position = 0;
        assert_null(list_next("\n", 1, &position, &length));
}

static void names_too_long_for_the_parser_are_refused(void **state) {
        struct status_name name;
        (void) state;
        assert_int_equal(status_name_init(&name, ""), -EINVAL);
        assert_int_equal(status_name_init(&name, "work_list_max_stuck_cycles"), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_what_is_there_is_learned),
                cmocka_unit_test(values_that_grow_move_the_lines_behind_them),
                cmocka_unit_test(lines_may_change_their_order),
                cmocka_unit_test(names_match_whole_only),
                cmocka_unit_test(the_last_line_needs_no_newline),
                cmocka_unit_test(malformed_values_are_not_taken),
                cmocka_unit_test(the_largest_counter_is_taken),
                cmocka_unit_test(what_an_earlier_longer_text_left_is_not_read),
                cmocka_unit_test(random_texts_are_read_like_a_slow_parser_reads_them),
                cmocka_unit_test(a_file_of_more_than_a_page_is_refused),
                cmocka_unit_test(single_values_are_digits_and_a_newline),
                cmocka_unit_test(ids_have_exactly_one_spelling),
                cmocka_unit_test(lists_are_separated_by_tabs),
                cmocka_unit_test(names_too_long_for_the_parser_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

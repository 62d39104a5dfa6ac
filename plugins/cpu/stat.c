/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "stat.h"

enum column { COLUMN_USER, COLUMN_NICE, COLUMN_SYSTEM, COLUMN_IDLE, COLUMN_IOWAIT, COLUMN_IRQ, COLUMN_SOFTIRQ, COLUMN_STEAL, COLUMN_MAX };
/* Kernels have at least the first four. guest and guest_nice, behind steal, are contained in user and nice. */
#define COLUMNS_LEAST (COLUMN_IDLE + 1)
#define CPU_NUMBER_MAX 65535

/* Takes digits off the front. Where they ended, or NULL when there is none or the number is too large. */
static const char *take_number(const char *text, const char *end, uint64_t *ret) {
        uint64_t value = 0;
        const char *c = text;

        for (; c < end && *c >= '0' && *c <= '9'; c++)
                if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, (uint64_t) (*c - '0'), &value))
                        return NULL;
        if (c == text)
                return NULL;
        *ret = value;
        return c;
}

/* `line` begins behind "cpu". */
static int parse_line(const char *line, const char *end, struct cpu_times *ret) {
        uint64_t number, times[COLUMN_MAX] = { 0 }, total = 0;
        int n = 0;

        const char *c = take_number(line, end, &number);
        if (!c || number > CPU_NUMBER_MAX)
                return -EINVAL;
        for (; n < COLUMN_MAX && c < end && *c == ' '; n++) {
                c = take_number(c + 1, end, &times[n]);
                if (!c || __builtin_add_overflow(total, times[n], &total))
                        return -EINVAL;
        }
        if (n < COLUMNS_LEAST || (c < end && *c != ' '))
                return -EINVAL;
        *ret = (struct cpu_times) { .cpu = (int) number, .busy = total - times[COLUMN_IDLE] - times[COLUMN_IOWAIT], .total = total };
        return 1;
}

int cpu_stat_next(const char *text, size_t length, size_t *position, struct cpu_times *ret) {
        for (;;) {
                const char *line = text + *position, *end = memchr(line, '\n', length - *position);
                bool is_cpu = length - *position >= 4 && memcmp(line, "cpu", 3) == 0;
                if (!is_cpu && (end || length - *position >= 4))
                        return 0;
                if (!end)
                        return *position == length ? 0 : -EAGAIN;
                *position = (size_t) (end + 1 - text);
                if (line[3] != ' ')
                        return parse_line(line + 3, end, ret);
        }
}

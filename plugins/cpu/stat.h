/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parser of the CPU lines of /proc/stat: a pure function over a buffer. */
#ifndef CPU_STAT_H
#define CPU_STAT_H

#include <stddef.h>
#include <stdint.h>

/* The longest CPU line: "cpu", a number and ten counters of 64 bits. */
#define CPU_STAT_LINE_MAX 256

struct cpu_times {
        int cpu;
        uint64_t busy, total; /* in the kernel's clock ticks, guest time included */
};

/*
 * Takes the next CPU's line from text[*position, length); *position starts at 0 and is moved behind it. The summary line "cpu " is passed over.
 * Returns 1: *ret is filled; 0: there are no more CPU lines; -EINVAL: this line does not parse (it was passed over, go on); -EAGAIN: the
 * line has no end, the text was cut off there.
 */
int cpu_stat_next(const char *text, size_t length, size_t *position, struct cpu_times *ret);

#endif

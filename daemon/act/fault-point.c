/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fault-point.h"

#ifdef FAULT_POINTS

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Counted per process, because what they simulate is the death of the process. */
static unsigned long writes, journal_changes;

static void die_at(const char *point, unsigned long count) {
        const char *fault = getenv("IOCORED_FAULT");
        size_t length = strlen(point);
        if (fault && strncmp(fault, point, length) == 0 && fault[length] == ':' && strtoul(fault + length + 1, NULL, 10) == count)
                raise(SIGKILL);
}

void fault_point_before_write(void) {
        die_at("before", ++writes);
}

void fault_point_after_write(void) {
        die_at("after", writes);
}

void fault_point_after_journal(void) {
        die_at("journal", ++journal_changes);
}

void fault_point_reset(void) {
        writes = journal_changes = 0;
}

#endif

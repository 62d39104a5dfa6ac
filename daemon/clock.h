/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The monotonic clock as one number. Used by plugins, too. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t monotonic_nsec(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

static inline uint64_t monotonic_usec(void) {
        return monotonic_nsec() / 1000u;
}

#endif

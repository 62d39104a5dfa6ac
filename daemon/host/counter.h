/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rates out of monotonic counters. Rates need two samples; a counter that went back is a reset.
 */
#ifndef COUNTER_H
#define COUNTER_H

#include <stdbool.h>
#include <stdint.h>

/* What two samples of a counter say. */
struct counter_delta {
        uint64_t delta; /* 0 when `valid` is false */
        bool valid;     /* false: the counter went back (the object was re-created, the module reloaded, it wrapped) */
};

static inline struct counter_delta counter_delta(uint64_t now, uint64_t last) {
        return now >= last ? (struct counter_delta) { now - last, true } : (struct counter_delta) { 0, false };
}

/* Exponentially weighted moving average: `weight` of the new value, in (0, 1]; the first value is taken whole
 * (`average` < 0 = none yet). `value` >= 0. Source: NIST/SEMATECH e-Handbook 6.3.2.4, EWMA_t = w*Y_t + (1-w)*EWMA_{t-1}. */
static inline double ewma(double average, double value, double weight) {
        double next = average < 0 ? value : average + weight * (value - average);
        /* What is idle for long would otherwise end in denormal numbers, which are slow. */
        return next < 1e-9 ? 0 : next;
}

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Points at which a test may kill the daemon: IOCORED_FAULT=before:N or after:N (the Nth write that changes the host, counted from 1) or
 * journal:N (right after the Nth change of the journal). Compiled in by configure --enable-fault-points only; otherwise nothing.
 */
#ifndef FAULT_POINT_H
#define FAULT_POINT_H

#ifdef FAULT_POINTS
void fault_point_before_write(void);
void fault_point_after_write(void);
void fault_point_after_journal(void);
/* Counts from 1 again: for a test that forks. */
void fault_point_reset(void);
#else
static inline void fault_point_before_write(void) {
}
static inline void fault_point_after_write(void) {
}
static inline void fault_point_after_journal(void) {
}
#endif

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Datagrams of the kernel's process connector, for tests. */
#ifndef CONNECTOR_EVENTS_H
#define CONNECTOR_EVENTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { CONNECTOR_EVENT_SIZE = 76 };

/* Each writes one datagram of CONNECTOR_EVENT_SIZE bytes. */
void connector_event_fork(char ret[static CONNECTOR_EVENT_SIZE], pid_t parent, pid_t process, pid_t thread);
void connector_event_comm(char ret[static CONNECTOR_EVENT_SIZE], pid_t process, pid_t thread, const char *name);
/* Any other kind; PROC_EVENT_NONE is an answer. */
void connector_event_other(char ret[static CONNECTOR_EVENT_SIZE], uint32_t what, pid_t process, pid_t thread);

#endif

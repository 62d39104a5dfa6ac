/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <string.h>

#include "connector-events.h"

static void write_event(char *ret, uint32_t what, const struct proc_event *event) {
        const struct nlmsghdr header = { .nlmsg_len = CONNECTOR_EVENT_SIZE, .nlmsg_type = NLMSG_DONE };
        const struct cn_msg message = { .id = { CN_IDX_PROC, CN_VAL_PROC }, .len = sizeof *event };
        _Static_assert(NLMSG_HDRLEN + sizeof message + sizeof *event == CONNECTOR_EVENT_SIZE, "the size of an event");

        memcpy(ret, &header, sizeof header);
        memcpy(ret + NLMSG_HDRLEN, &message, sizeof message);
        memcpy(ret + NLMSG_HDRLEN + sizeof message, event, sizeof *event);
        memcpy(ret + NLMSG_HDRLEN + sizeof message, &what, sizeof what);
}

void connector_event_fork(char ret[static CONNECTOR_EVENT_SIZE], pid_t parent, pid_t process, pid_t thread) {
        write_event(ret, PROC_EVENT_FORK,
                    &(struct proc_event) { .event_data.fork = { .parent_pid = parent, .parent_tgid = parent, .child_pid = thread, .child_tgid = process } });
}

void connector_event_comm(char ret[static CONNECTOR_EVENT_SIZE], pid_t process, pid_t thread, const char *name) {
        struct proc_event event = { .event_data.comm = { .process_pid = thread, .process_tgid = process } };
        strncpy(event.event_data.comm.comm, name, sizeof event.event_data.comm.comm - 1);
        write_event(ret, PROC_EVENT_COMM, &event);
}

void connector_event_other(char ret[static CONNECTOR_EVENT_SIZE], uint32_t what, pid_t process, pid_t thread) {
        write_event(ret, what, &(struct proc_event) { .event_data.exec = { .process_pid = thread, .process_tgid = process } });
}

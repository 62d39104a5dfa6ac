/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether this process may see all others in /proc: a worker that is a thread of a hidden process is never found. */
#ifndef PROC_VISIBILITY_H
#define PROC_VISIBILITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "plugins/iocore-plugin.h"

/* The option hidepid= of a mount of proc: proc(5), Linux fs/proc/root.c. */
enum hidepid {
        HIDEPID_NOTHING = 0,
        HIDEPID_NO_ACCESS = 1,  /* directories of other users' processes are shown, their files cannot be read */
        HIDEPID_INVISIBLE = 2,  /* they are not shown */
        HIDEPID_PTRACEABLE = 4, /* what may not be traced is not shown, to no group */
};

struct proc_mount {
        enum hidepid hidepid;
        gid_t gid; /* whose members see everything, unless HIDEPID_PTRACEABLE */
};

/* One line of /proc/PID/mountinfo: true when it is the mount of proc at /proc. Changes the line. */
bool proc_parse_mount(char *line, struct proc_mount *ret);
/* The text of /proc/self/status: may this process see all others in spite of the mount's options? */
bool proc_may_see(const char *status, const struct proc_mount *mount);

/* False: nothing is hidden, as far as can be told. True: ret_text says what is, and what is missing. */
bool proc_is_hidden(const struct iocore_services *services, struct iocore_context *context, char *ret_text, size_t size);

#endif

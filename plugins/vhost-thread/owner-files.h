/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads what an owner of vhost workers has open, and how it was called. */
#ifndef OWNER_FILES_H
#define OWNER_FILES_H

#include "identity-match.h"

/* Reads /proc/PID/fd, the fdinfo of its taps (each takes the kernel's rtnl lock: not for every epoch) and /proc/PID/cmdline. Files that vanish meanwhile are left
 * out. 0; -ESRCH: no such process; -EACCES, -EPERM: it may not be looked at (CAP_SYS_PTRACE is needed); -EMFILE: it has more open files than are looked at;
 * -ENOMEM; another -errno. On failure *ret is empty. */
int owner_files_read(const struct iocore_services *services, struct iocore_context *context, pid_t pid, struct owner_files *ret);
void owner_files_done(struct owner_files *files);

/* What a link in /proc/PID/fd leads to. False: nothing of vhost. The names of taps are not there. */
bool owner_file_parse_link(const char *target, struct owner_file *ret);
/* The interface of a tap out of the text of /proc/PID/fdinfo/FD: "iff:<tab>NAME", a line that drivers/net/tun.c writes. "" when there is none, or none that is an
 * interface's name. */
void owner_file_parse_info(const char *text, char ret_tap[static TAP_NAME_SIZE]);

/* The options of a QEMU command line (arguments separated by NUL) that make vhost devices, in both spellings: -netdev and -device with JSON or with commas.
 * `complete`: false when its end is missing. 0 or -ENOMEM; what is not understood is left out, or opaque where it may be a vhost device. */
int owner_options_parse(const char *command_line, size_t length, bool complete, struct owner_option **ret_options, size_t *ret_n);

#endif

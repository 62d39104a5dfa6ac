/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a root daemon may load: files that nobody else could have written. */
#ifndef TRUSTED_PATH_H
#define TRUSTED_PATH_H

#include <stddef.h>

/*
 * Opens a regular file for reading, O_CLOEXEC, if every component of its path belongs to root or to the daemon's user and is not writable by group or others. A
 * world-writable directory with the sticky bit that belongs to root ("/tmp") passes, as nobody else can replace what is in it. Symbolic links are followed, each
 * by the same rule. Returns the fd of the very file that was checked; -EPERM: not trusted, `ret_reason` names the component and why; -errno.
 */
int trusted_open(const char *path, char *ret_reason, size_t size);

#endif

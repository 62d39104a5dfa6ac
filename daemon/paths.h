/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where an iocored that was built but not installed finds its plugins and policies. */
#ifndef PATHS_H
#define PATHS_H

#include <stdbool.h>
#include <stddef.h>

/* Is the running program in its build directory? Then ret is that directory. Errors count as no. */
bool paths_build_directory(char *ret, size_t size);

#endif

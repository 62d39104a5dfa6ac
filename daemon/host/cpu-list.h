/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPU lists ("0-3,8") as the kernel and people write them. Compiled into plugins, too. */
#ifndef CPU_LIST_H
#define CPU_LIST_H

#include <hwloc.h>

/* Parses a CPU list ("0-3,8"; "" is the empty set) into *ret, which the caller frees. Stricter than hwloc: -EINVAL for whatever is not one;
 * -ERANGE: a number of more than five digits, which no kernel has, or a range that runs backwards; -ENOMEM. */
int cpu_list_parse(const char *list, hwloc_bitmap_t *ret);

#endif

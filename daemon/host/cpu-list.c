/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpu-list.h"
#include "daemon/cleanup.h"

static void bitmap_freep(hwloc_bitmap_t *bitmap) {
        hwloc_bitmap_free(*bitmap); /* accepts NULL */
}

/* Reads "N" of at most five digits and moves on. */
static int read_number(const char **text, unsigned *ret) {
        size_t digits = strspn(*text, "0123456789");
        if (digits == 0)
                return -EINVAL;
        if (digits > 5)
                return -ERANGE;
        *ret = (unsigned) strtoul(*text, NULL, 10);
        *text += digits;
        return 0;
}

/* Not by hwloc_bitmap_list_sscanf(): hwloc 2.9 takes "3," for an endless set, "010" for CPU 8 and "0-1-5" for a list, makes room of 600 MB for "069-8", and does not return from
 * some others that are none. */
int cpu_list_parse(const char *list, hwloc_bitmap_t *ret) {
        _cleanup_(bitmap_freep) hwloc_bitmap_t set = hwloc_bitmap_alloc();
        if (!set)
                return -ENOMEM;
        for (const char *p = list; *list != '\0';) {
                unsigned first, last;
                int r = read_number(&p, &first);
                if (r < 0)
                        return r;
                last = first;
                if (*p == '-') {
                        p++;
                        r = read_number(&p, &last);
                        if (r < 0)
                                return r;
                }
                if (last < first)
                        return -ERANGE;
                if (hwloc_bitmap_set_range(set, first, (int) last) < 0)
                        return -ENOMEM;
                if (*p == '\0')
                        break;
                if (*p++ != ',')
                        return -EINVAL;
        }
        *ret = TAKE_PTR(set);
        return 0;
}

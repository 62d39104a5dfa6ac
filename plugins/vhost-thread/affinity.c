/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <hwloc.h>
#include <string.h>

#include "affinity.h"
#include "daemon/host/cpu-list.h"

static int kernel_get(void *userdata, pid_t thread, struct affinity_mask *ret) {
        (void) userdata;
        /* glibc clears what the kernel does not fill */
        return sched_getaffinity(thread, sizeof ret->sets, ret->sets) < 0 ? -errno : 0;
}

static int kernel_set(void *userdata, pid_t thread, const struct affinity_mask *mask) {
        (void) userdata;
        return sched_setaffinity(thread, sizeof mask->sets, mask->sets) < 0 ? -errno : 0;
}

static int refused_get(void *userdata, pid_t thread, struct affinity_mask *ret) {
        (void) userdata;
        (void) thread;
        (void) ret;
        return -EPERM;
}

static int refused_set(void *userdata, pid_t thread, const struct affinity_mask *mask) {
        (void) userdata;
        (void) thread;
        (void) mask;
        return -EPERM;
}

const struct affinity_calls affinity_of_the_kernel = { .get = kernel_get, .set = kernel_set };
const struct affinity_calls affinity_refused = { .get = refused_get, .set = refused_set };

static void bitmap_freep(hwloc_bitmap_t *bitmap) {
        hwloc_bitmap_free(*bitmap);
}

int affinity_parse(const char *list, struct affinity_mask *ret) {
        __attribute__((cleanup(bitmap_freep))) hwloc_bitmap_t bitmap = NULL;

        int r = cpu_list_parse(list, &bitmap);
        if (r < 0)
                return r == -ENOMEM ? r : -EINVAL;
        if (hwloc_bitmap_iszero(bitmap) || hwloc_bitmap_last(bitmap) >= AFFINITY_CPUS_MAX)
                return -EINVAL;
        memset(ret, 0, sizeof *ret);
        for (int cpu = hwloc_bitmap_first(bitmap); cpu >= 0; cpu = hwloc_bitmap_next(bitmap, cpu))
                CPU_SET_S((unsigned) cpu, sizeof ret->sets, ret->sets);
        return 0;
}

int affinity_format(const struct affinity_mask *mask, char *ret, size_t size) {
        __attribute__((cleanup(bitmap_freep))) hwloc_bitmap_t bitmap = hwloc_bitmap_alloc();

        if (!bitmap)
                return -ENOMEM;
        for (unsigned cpu = 0; cpu < AFFINITY_CPUS_MAX; cpu++)
                if (CPU_ISSET_S(cpu, sizeof mask->sets, mask->sets) && hwloc_bitmap_set(bitmap, cpu) < 0)
                        return -ENOMEM;
        int length = hwloc_bitmap_list_snprintf(ret, size, bitmap);
        return length < 0 ? -ENOMEM : (size_t) length >= size ? -EOVERFLOW : 0;
}

int affinity_only_cpu(const struct affinity_mask *mask) {
        if (CPU_COUNT_S(sizeof mask->sets, mask->sets) != 1)
                return -1;
        int cpu = 0;
        while (!CPU_ISSET_S((size_t) cpu, sizeof mask->sets, mask->sets))
                cpu++;
        return cpu;
}

bool affinity_within(const struct affinity_mask *mask, const struct affinity_mask *wider) {
        struct affinity_mask both;
        CPU_AND_S(sizeof both.sets, both.sets, mask->sets, wider->sets);
        return CPU_COUNT_S(sizeof mask->sets, mask->sets) > 0 && CPU_EQUAL_S(sizeof both.sets, both.sets, mask->sets);
}

static int hexadecimal(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* From the end of the text on: CPU 0 is there. */
int affinity_parse_groups(const char *text, size_t length, struct affinity_mask *ret) {
        size_t cpu = 0, digits = 0;

        memset(ret, 0, sizeof *ret);
        for (size_t i = length; i-- > 0;) {
                if (text[i] == ',') {
                        /* between groups only: the lower one is whole */
                        if (i == 0 || digits != 8)
                                return -EINVAL;
                        digits = 0;
                        continue;
                }
                int value = hexadecimal(text[i]);
                if (value < 0 || ++digits > 8 || cpu >= AFFINITY_CPUS_MAX)
                        return -EINVAL;
                for (size_t bit = 0; bit < 4; bit++)
                        if (value & 1 << bit)
                                CPU_SET_S(cpu + bit, sizeof ret->sets, ret->sets);
                cpu += 4;
        }
        return affinity_is_empty(ret) ? -EINVAL : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "slices.h"

#define SUFFIX ".slice"

static bool ends_with(const char *text, const char *end) {
        size_t length = strlen(text), n = strlen(end);
        return length > n && strcmp(text + length - n, end) == 0;
}

bool slice_name_is_valid(const char *name) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\";
        size_t length = strlen(name);

        /* A dash parts a slice from its parent: it neither begins nor ends a name, nor are there two. */
        return length < IOCORE_NAME_MAX && ends_with(name, SUFFIX) && strspn(name, allowed) == length && name[0] != '-' && name[0] != '.' && !strstr(name, "--") &&
               !strstr(name, "-" SUFFIX);
}

static bool may_be_reserved(const char *name) {
        return slice_name_is_valid(name) && strcmp(name, "machine" SUFFIX) != 0 && strncmp(name, "machine-", 8) != 0;
}

static bool is_listed(char (*names)[IOCORE_NAME_MAX], int n, const char *name) {
        for (int i = 0; i < n; i++)
                if (strcmp(names[i], name) == 0)
                        return true;
        return false;
}

int slices_parse(const char *option, char (*ret_names)[IOCORE_NAME_MAX], char *ret_bad) {
        static const char separators[] = " \t\n,";
        char name[IOCORE_NAME_MAX];
        int n = 0;

        for (const char *p = option + strspn(option, separators); *p;) {
                size_t length = strcspn(p, separators);
                snprintf(name, sizeof name, "%.*s", length > IOCORE_NAME_MAX ? IOCORE_NAME_MAX : (int) length, p);
                if (length >= sizeof name || !may_be_reserved(name)) {
                        memcpy(ret_bad, name, sizeof name);
                        return -EINVAL;
                }
                if (!is_listed(ret_names, n, name)) {
                        if (n == SLICES_MAX) {
                                memcpy(ret_bad, name, sizeof name);
                                return -E2BIG;
                        }
                        memcpy(ret_names[n++], name, sizeof name);
                }
                p += length;
                p += strspn(p, separators);
        }
        return n;
}

int slice_mask_from_bytes(const uint8_t *bytes, size_t n_bytes, struct affinity_mask *ret) {
        memset(ret, 0, sizeof *ret);
        for (size_t i = 0; i < n_bytes; i++) {
                if (bytes[i] != 0 && i >= SLICE_BYTES_MAX)
                        return -ERANGE;
                for (unsigned bit = 0; bit < 8; bit++)
                        if (bytes[i] & 1u << bit)
                                CPU_SET_S(i * 8 + bit, sizeof ret->sets, ret->sets);
        }
        return 0;
}

size_t slice_mask_to_bytes(const struct affinity_mask *mask, uint8_t *ret) {
        size_t n = 0;

        memset(ret, 0, SLICE_BYTES_MAX);
        for (size_t cpu = 0; cpu < AFFINITY_CPUS_MAX; cpu++)
                if (CPU_ISSET_S(cpu, sizeof mask->sets, mask->sets)) {
                        ret[cpu / 8] |= (uint8_t) (1u << cpu % 8);
                        n = cpu / 8 + 1;
                }
        return n;
}

bool slice_mask_equal(const struct affinity_mask *a, const struct affinity_mask *b) {
        return CPU_EQUAL_S(sizeof a->sets, a->sets, b->sets);
}

bool slice_mask_is_empty(const struct affinity_mask *mask) {
        return CPU_COUNT_S(sizeof mask->sets, mask->sets) == 0;
}

int slice_mask_parse(const char *value, struct affinity_mask *ret) {
        if (value[0] != '\0')
                return affinity_parse(value, ret);
        memset(ret, 0, sizeof *ret);
        return 0;
}

int slice_mask_format(const struct affinity_mask *mask, char *ret, size_t size) {
        if (!slice_mask_is_empty(mask))
                return affinity_format(mask, ret, size);
        if (size == 0)
                return -EOVERFLOW;
        ret[0] = '\0';
        return 0;
}

int slice_want(const struct affinity_mask *base, const struct affinity_mask *online, const struct affinity_mask *cores, struct affinity_mask *ret) {
        const struct affinity_mask *whole = slice_mask_is_empty(base) ? online : base;
        struct affinity_mask both;

        CPU_AND_S(sizeof both.sets, both.sets, whole->sets, cores->sets);
        if (slice_mask_is_empty(&both)) {
                *ret = *base;
                return 0;
        }
        /* whole without what both have */
        CPU_XOR_S(sizeof ret->sets, ret->sets, whole->sets, both.sets);
        return slice_mask_is_empty(ret) ? -ENOSPC : 0;
}

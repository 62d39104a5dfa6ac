/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "numa-maps.h"

/* 2^52 pages or KiB are more than any address space has: sums of them do not overflow. */
#define NUMBER_MAX (UINT64_C(1) << 52)
/* 16 GiB, the largest page of any architecture. */
#define PAGE_KIB_MAX (UINT64_C(16) << 20)

/* Digits at the beginning of `text`, up to one of `ends`. */
static int parse_number(const char *text, size_t length, int base, uint64_t *ret) {
        char *end;

        if (length == 0 || length > 20 || !isxdigit((unsigned char) text[0]))
                return -EINVAL;
        errno = 0;
        unsigned long long value = strtoull(text, &end, base);
        if (errno == ERANGE)
                return -ERANGE;
        if (end != text + length)
                return -EINVAL;
        *ret = value;
        return 0;
}

static bool begins(const char *text, size_t length, const char *with) {
        size_t n = strlen(with);
        return length >= n && memcmp(text, with, n) == 0;
}

static bool contains(const char *text, size_t length, const char *what) {
        return memmem(text, length, what, strlen(what)) != NULL;
}

/* The N of "ram-nodeN", as libvirt calls the memory backend of guest cell N (src/qemu/qemu_command.c, qemuBuildMemoryCellBackendProps()), in the name of the file that QEMU
 * made for it or was given. -1: it has none. */
static int cell_of_name(const char *name, size_t length) {
        static const char prefix[] = "ram-node";
        const char *found = memmem(name, length, prefix, sizeof prefix - 1);

        if (!found || (found > name && isalnum((unsigned char) found[-1])))
                return -1;
        const char *digits = found + sizeof prefix - 1, *end = digits;
        int cell = 0;
        while (end < name + length && isdigit((unsigned char) *end) && cell < NUMA_CELLS_MAX)
                cell = 10 * cell + (*end++ - '0');
        if (end == digits || cell >= NUMA_CELLS_MAX || (end < name + length && (isalnum((unsigned char) *end) || *end == '-' || *end == '_')))
                return -1;
        return cell;
}

/* Only the last part of a path tells: the directories have the domain's name in them, which is anybody's choice. */
static void look_at_file(const char *path, size_t length, struct numa_mapping *ret) {
        const char *slash = memrchr(path, '/', length);
        const char *name = slash ? slash + 1 : path;
        size_t name_length = (size_t) (path + length - name);

        ret->cell = cell_of_name(name, name_length);
        if (ret->cell >= 0 || ret->kind == NUMA_MAPPING_GUEST || begins(path, length, "/memfd:") || begins(path, length, "/dev/zero") || begins(name, name_length, "qemu_back_mem") ||
            contains(name, name_length, "pc.ram"))
                ret->kind = NUMA_MAPPING_GUEST;
        else
                ret->kind = NUMA_MAPPING_FILE;
}

/* "N1=512" */
static int look_at_node(const char *word, size_t length, struct numa_mapping *ret) {
        const char *equals = memchr(word, '=', length);
        uint64_t node, pages;

        int r = parse_number(word + 1, (size_t) (equals - word) - 1, 10, &node);
        if (r >= 0)
                r = parse_number(equals + 1, (size_t) (word + length - equals) - 1, 10, &pages);
        if (r < 0)
                return r;
        if (node >= NUMA_NODES_MAX || pages > NUMBER_MAX || ret->n == NUMA_NODES_MAX)
                return -ERANGE;
        ret->on[ret->n].node = (int) node;
        ret->on[ret->n++].kib = pages; /* pages, until their size is known */
        return 0;
}

static int look_at_word(const char *word, size_t length, struct numa_mapping *ret) {
        if (length == 4 && memcmp(word, "huge", 4) == 0) {
                ret->kind = NUMA_MAPPING_GUEST;
                return 0;
        }
        if (begins(word, length, "file=")) {
                look_at_file(word + 5, length - 5, ret);
                return 0;
        }
        if (begins(word, length, "kernelpagesize_kB=")) {
                int r = parse_number(word + 18, length - 18, 10, &ret->page_kib);
                return r < 0 ? r : ret->page_kib == 0 || ret->page_kib > PAGE_KIB_MAX ? -ERANGE : 0;
        }
        if (word[0] == 'N' && length > 1 && isdigit((unsigned char) word[1]) && memchr(word, '=', length))
                return look_at_node(word, length, ret);
        return 0; /* the policy, and counters that are not asked for */
}

int numa_maps_parse(const char *line, struct numa_mapping *ret) {
        const char *word = line;

        ret->kind = NUMA_MAPPING_OWN;
        ret->cell = -1;
        ret->page_kib = 0;
        ret->n = 0;
        size_t length = strcspn(word, " ");
        int r = parse_number(word, length, 16, &ret->start);
        if (r < 0)
                return r;
        if (word[length] != ' ')
                return -EINVAL;
        for (bool huge = false; word[length] != '\0';) {
                word += length + 1;
                length = strcspn(word, " ");
                if (length == 0)
                        continue;
                r = look_at_word(word, length, ret);
                if (r < 0)
                        return r;
                /* "huge" comes after the file */
                huge = huge || (length == 4 && memcmp(word, "huge", 4) == 0);
                if (huge)
                        ret->kind = NUMA_MAPPING_GUEST;
        }
        if (ret->n > 0 && ret->page_kib == 0)
                return -EINVAL;
        for (size_t i = 0; i < ret->n; i++) {
                if (ret->on[i].kib > NUMBER_MAX / ret->page_kib)
                        return -ERANGE;
                ret->on[i].kib *= ret->page_kib;
        }
        return 0;
}

int maps_parse(const char *line, uint64_t *ret_start, uint64_t *ret_end) {
        size_t first = strcspn(line, "- "), second;
        uint64_t start, end;

        if (line[first] != '-' || parse_number(line, first, 16, &start) < 0)
                return -EINVAL;
        second = strcspn(line + first + 1, " ");
        if (parse_number(line + first + 1, second, 16, &end) < 0 || end <= start)
                return -EINVAL;
        *ret_start = start;
        *ret_end = end;
        return 0;
}

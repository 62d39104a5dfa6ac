/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "memory.h"
#include "plugins/common/file-io.h"
#include "plugins/vhost-thread/thread-info.h"

/* A path may be PATH_MAX bytes long, each of them written as four. */
#define LINE_MAX_BYTES (32u << 10)
/* Of one process: vm.max_map_count is 65530 unless somebody raised it. */
#define MAPPINGS_MAX (1u << 20)

void memory_done(struct memory *memory) {
        free(memory->cells);
        free(memory->ranges);
        *memory = (struct memory) { 0 };
}

/* --- which process it is */

static int read_start(int process, uint64_t *ret) {
        struct thread_stat stat;
        char text[1024];

        ssize_t n = file_read_at(process, "stat", text, sizeof text);
        if (n < 0)
                return n == -ENOENT ? -ESRCH : (int) n;
        if (thread_parse_stat(text, &stat) < 0)
                return -EINVAL;
        *ret = stat.start_time;
        return 0;
}

int memory_open_process(int root, pid_t pid, uint64_t start, int *ret, uint64_t *ret_start) {
        char path[32];
        uint64_t found;

        snprintf(path, sizeof path, "proc/%d", (int) pid);
        _cleanup_close_ int process = openat(root, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (process < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        int r = read_start(process, &found);
        if (r < 0)
                return r;
        if (start > 0 && found != start)
                return -ESRCH;
        *ret = TAKE_FD(process);
        *ret_start = found;
        return 0;
}

bool memory_process_lives(int process, uint64_t start) {
        uint64_t found;
        return read_start(process, &found) == 0 && found == start;
}

/* --- lines of any number out of a buffer of one size */

struct lines {
        int fd;
        char *buffer; /* LINE_MAX_BYTES */
        size_t from, to;
        bool cut; /* the rest of a line that is too long is passed over */
};

/* 1: *ret is the next line, NUL-terminated, valid until the next call; 0: there is none any more; -EFBIG: one that is too long was passed over; -errno. */
static int next_line(struct lines *lines, char **ret) {
        for (;;) {
                char *newline = memchr(lines->buffer + lines->from, '\n', lines->to - lines->from);
                if (newline) {
                        bool cut = lines->cut;
                        *newline = '\0';
                        *ret = lines->buffer + lines->from;
                        lines->from = (size_t) (newline - lines->buffer) + 1;
                        lines->cut = false;
                        return cut ? -EFBIG : 1;
                }
                if (lines->from == 0 && lines->to == LINE_MAX_BYTES) {
                        lines->cut = true;
                        lines->to = 0;
                }
                memmove(lines->buffer, lines->buffer + lines->from, lines->to - lines->from);
                lines->to -= lines->from;
                lines->from = 0;
                ssize_t n = read(lines->fd, lines->buffer + lines->to, LINE_MAX_BYTES - lines->to);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                lines->to += (size_t) n;
        }
}

/* Calls `take` for each line of a file of the process. */
static int for_each_line(int process, const char *name, const atomic_bool *stop, int (*take)(void *userdata, const char *line), void *userdata, unsigned *n_malformed) {
        _cleanup_close_ int fd = openat(process, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        _cleanup_free_ char *buffer = malloc(LINE_MAX_BYTES);
        if (!buffer)
                return -ENOMEM;
        struct lines lines = { .fd = fd, .buffer = buffer };
        char *line = NULL;
        unsigned n = 0;
        int r;
        while ((r = next_line(&lines, &line)) != 0) {
                if (r < 0 && r != -EFBIG)
                        return r;
                if (++n > MAPPINGS_MAX)
                        return -E2BIG;
                if (atomic_load(stop))
                        return -ECANCELED;
                r = r < 0 ? -EINVAL : take(userdata, line);
                if (r == -EINVAL || r == -ERANGE)
                        (*n_malformed)++;
                else if (r < 0)
                        return r;
        }
        return 0;
}

/* --- counting */

struct counting {
        struct memory *memory;
        int node;
        struct numa_mapping mapping;
        uint64_t own[NUMA_NODES_MAX], guest[NUMA_NODES_MAX]; /* KiB of what names no cell */
        uint64_t n_guest, n_named;                           /* mappings with memory */
        size_t next; /* range to which the next line of maps may belong */
};

static int add_range(struct memory *memory, const struct numa_mapping *mapping, uint64_t kib) {
        if (memory->n_ranges == memory->n_allocated) {
                size_t n = memory->n_allocated ? 2 * memory->n_allocated : 64;
                struct memory_range *ranges = reallocarray(memory->ranges, n, sizeof *ranges);
                if (!ranges)
                        return -ENOMEM;
                memory->ranges = ranges;
                memory->n_allocated = n;
        }
        memory->ranges[memory->n_ranges++] = (struct memory_range) {
                .start = mapping->start, .page_kib = mapping->page_kib, .kib = kib, .kind = mapping->kind, .cell = mapping->cell,
        };
        return 0;
}

static int take_mapping(void *userdata, const char *line) {
        struct counting *counting = userdata;
        struct numa_mapping *mapping = &counting->mapping;
        struct memory *memory = counting->memory;
        uint64_t elsewhere = 0;

        int r = numa_maps_parse(line, mapping);
        if (r < 0)
                return r;
        if (mapping->kind == NUMA_MAPPING_FILE || mapping->n == 0)
                return 0;
        bool named = mapping->cell >= 0 && (size_t) mapping->cell < memory->n_cells;
        uint64_t *to = named ? memory->cells[mapping->cell] : mapping->kind == NUMA_MAPPING_GUEST ? counting->guest : counting->own;
        counting->n_named += named;
        counting->n_guest += mapping->kind == NUMA_MAPPING_GUEST;
        for (size_t i = 0; i < mapping->n; i++) {
                to[mapping->on[i].node] += mapping->on[i].kib;
                if (mapping->on[i].node != counting->node)
                        elsewhere += mapping->on[i].kib;
        }
        return counting->node >= 0 && elsewhere > 0 ? add_range(memory, mapping, elsewhere) : 0;
}

static void add(uint64_t *to, const uint64_t *from) {
        for (size_t i = 0; i < NUMA_NODES_MAX; i++)
                to[i] += from[i];
}

/* What names no cell is the one cell's, where there is one; and where nothing else backs the guest, its memory is among the process's own. */
static void attribute(struct counting *counting) {
        struct memory *memory = counting->memory;
        uint64_t *rest = memory->cells[memory->n_cells], *only = memory->n_cells == 1 ? memory->cells[0] : rest;

        add(only, counting->guest);
        add(counting->n_guest > 0 ? rest : only, counting->own);
        memory->told = memory->n_cells <= 1 || counting->n_named > 0;
}

/* --- where ranges end */

static int take_end(void *userdata, const char *line) {
        struct counting *counting = userdata;
        struct memory *memory = counting->memory;
        uint64_t start, end;

        int r = maps_parse(line, &start, &end);
        if (r < 0)
                return r;
        while (counting->next < memory->n_ranges && memory->ranges[counting->next].start < start)
                counting->next++;
        if (counting->next < memory->n_ranges && memory->ranges[counting->next].start == start)
                memory->ranges[counting->next++].end = end;
        return 0;
}

int memory_read(int process, size_t n_cells, int node, const atomic_bool *stop, struct memory *ret) {
        _cleanup_(memory_done) struct memory memory = { .n_cells = n_cells };
        _cleanup_free_ struct counting *counting = calloc(1, sizeof *counting);

        if (n_cells > NUMA_CELLS_MAX)
                return -E2BIG;
        memory.cells = calloc(n_cells + 1, sizeof *memory.cells);
        if (!memory.cells || !counting)
                return -ENOMEM;
        counting->memory = &memory;
        counting->node = node;
        int r = for_each_line(process, "numa_maps", stop, take_mapping, counting, &memory.n_malformed);
        if (r < 0)
                return r;
        attribute(counting);
        if (memory.n_ranges > 0)
                r = for_each_line(process, "maps", stop, take_end, counting, &memory.n_malformed);
        if (r < 0)
                return r;
        *ret = memory;
        memory = (struct memory) { 0 };
        return 0;
}

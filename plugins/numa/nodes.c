/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "daemon/host/cpu-list.h"
#include "nodes.h"
#include "numa-maps.h"
#include "plugins/common/file-io.h"

#define NODES_DIRECTORY "/sys/devices/system/node"

struct nodes {
        const struct iocore_services *services;
        struct iocore_context *context;
        unsigned n;
        int fds[NUMA_NODES_MAX]; /* -1: no such node */
};

/* "Node 0 MemFree:  1234 kB"; drivers/base/node.c, node_read_meminfo() */
static int find_value(const char *text, const char *key, uint64_t *ret) {
        char wanted[64];
        unsigned long long value;

        snprintf(wanted, sizeof wanted, " %s:", key);
        const char *found = strstr(text, wanted);
        if (!found || strncmp(text, "Node ", strlen("Node ")) != 0)
                return -EINVAL;
        errno = 0;
        char *end;
        value = strtoull(found + strlen(wanted), &end, 10);
        if (errno != 0 || strncmp(end, " kB", 3) != 0 || value > UINT64_C(1) << 52)
                return -EINVAL;
        *ret = value;
        return 0;
}

int nodes_parse_meminfo(const char *text, uint64_t *ret_total_kib, uint64_t *ret_free_kib) {
        uint64_t total, unused, cache = 0;

        if (find_value(text, "MemTotal", &total) < 0 || find_value(text, "MemFree", &unused) < 0)
                return -EINVAL;
        (void) find_value(text, "Inactive(file)", &cache); /* a kernel without it has the other two */
        *ret_total_kib = total;
        *ret_free_kib = unused + cache < total ? unused + cache : total;
        return 0;
}

struct nodes *nodes_close(struct nodes *nodes) {
        for (size_t i = 0; nodes && i < NUMA_NODES_MAX; i++)
                closep(&nodes->fds[i]);
        free(nodes);
        return NULL;
}

static int read_online(struct nodes *nodes, hwloc_bitmap_t *ret) {
        char text[4096];

        ssize_t n = file_read_path(nodes->services, nodes->context, NODES_DIRECTORY "/online", text, sizeof text);
        if (n < 0)
                return (int) n;
        (void) trim_end(text, (size_t) n);
        return cpu_list_parse(text, ret);
}

static void bitmap_freep(hwloc_bitmap_t *bitmap) {
        if (*bitmap)
                hwloc_bitmap_free(*bitmap);
}

static void nodes_closep(struct nodes **nodes) {
        nodes_close(*nodes);
}

int nodes_open(struct nodes **ret, const struct iocore_services *services, struct iocore_context *context) {
        _cleanup_(nodes_closep) struct nodes *nodes = calloc(1, sizeof *nodes);
        _cleanup_(bitmap_freep) hwloc_bitmap_t online = NULL;

        if (!nodes)
                return -ENOMEM;
        nodes->services = services;
        nodes->context = context;
        for (size_t i = 0; i < NUMA_NODES_MAX; i++)
                nodes->fds[i] = -1;
        int r = read_online(nodes, &online);
        if (r < 0)
                return r == -ERANGE ? -EINVAL : r;
        int node;
        hwloc_bitmap_foreach_begin(node, online) {
                char path[sizeof NODES_DIRECTORY + 32];
                snprintf(path, sizeof path, NODES_DIRECTORY "/node%d/meminfo", node);
                if (node < NUMA_NODES_MAX)
                        nodes->fds[node] = services->open_path(context, path, O_RDONLY);
                nodes->n += node < NUMA_NODES_MAX && nodes->fds[node] >= 0;
        }
        hwloc_bitmap_foreach_end();
        *ret = TAKE_PTR(nodes);
        return 0;
}

void nodes_tell(struct nodes *nodes) {
        char text[8192];

        for (int node = 0; node < NUMA_NODES_MAX; node++) {
                uint64_t total, unused;
                if (nodes->fds[node] >= 0 && file_read(nodes->fds[node], text, sizeof text) > 0 && nodes_parse_meminfo(text, &total, &unused) == 0)
                        (void) nodes->services->node_memory(nodes->context, node, total, unused); /* one without CPUs is not in the model */
        }
}

unsigned nodes_count(const struct nodes *nodes) {
        return nodes->n;
}

bool nodes_has(const struct nodes *nodes, int node) {
        return node >= 0 && node < NUMA_NODES_MAX && nodes->fds[node] >= 0;
}

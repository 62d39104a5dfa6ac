/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory of the host's nodes: /sys/devices/system/node/nodeN/meminfo, kept open. */
#ifndef NODES_H
#define NODES_H

#include "plugins/iocore-plugin.h"

struct nodes;

/* -ENOENT: the kernel knows no nodes; -EINVAL: it names them in a way that is not understood; -ENOMEM; -errno. A node whose memory cannot be read is left out. */
int nodes_open(struct nodes **ret, const struct iocore_services *services, struct iocore_context *context);
struct nodes *nodes_close(struct nodes *nodes);
/* Tells the daemon; one read for each node. */
void nodes_tell(struct nodes *nodes);
/* How many nodes have memory. */
unsigned nodes_count(const struct nodes *nodes);
bool nodes_has(const struct nodes *nodes, int node);

/* The text of a meminfo. What is free is what is used for nothing, and the cache of files that have not been used for long: the kernel gives that up when a page is to come. 0 or -EINVAL. */
int nodes_parse_meminfo(const char *text, uint64_t *ret_total_kib, uint64_t *ret_free_kib);

#endif

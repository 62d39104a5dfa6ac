/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hosts and domains for tests of placement: made by hand or at random, and changed as a proposal says, while every promise of placement.h is checked by other means. */
#ifndef PLACEMENT_MODEL_H
#define PLACEMENT_MODEL_H

#include "daemon/host/host.h"
#include "daemon/plan/placement.h"

/* `n_nodes` nodes of `cores` physical cores of `threads` CPUs, numbered node by node, a core's threads side by side. All CPUs online; memory of nodes unknown. */
struct host *placement_host(size_t n_nodes, size_t cores, size_t threads);
/* Frees what placement_domain() and its like made, then the host. */
void placement_host_free(struct host *host);
void placement_host_memory(struct host *host, size_t node, uint64_t total_kib, uint64_t free_kib);
void placement_io_core(struct host *host, int cpu);
/* A running domain with one guest cell, whose vCPUs may use `cpus` (a CPU list; NULL: unknown) and whose memory is unknown. */
struct domain *placement_domain(struct host *host, const char *name, size_t n_vcpus, const char *cpus, uint64_t memory_kib);
/* Gives it `n` guest cells; vCPUs are dealt out to them in blocks, memory in equal parts. */
void placement_cells(struct domain *domain, size_t n);
/* All memory of the cell is on `node`. */
void placement_cell_memory(struct host *host, struct domain *domain, size_t cell, size_t node);
void placement_vcpu_cpus(struct domain *domain, size_t vcpu, const char *cpus);
void placement_device(struct domain *domain, int node);

/* Does to the model what the proposal says. */
void placement_apply(struct host *host, const struct placement_proposal *proposal);
/* The same while jobs still move the memory: a part of it is there, the rest is to come. */
void placement_begin_to_apply(struct host *host, const struct placement_proposal *proposal);

struct draw {
        uint64_t state;
};
unsigned placement_draw(struct draw *draw, unsigned n);

struct placement_world {
        struct host *host;
        struct placement_rules rules;
        hwloc_bitmap_t banned_cpus;
};
void placement_world_draw(struct placement_world *world, struct draw *draw);
void placement_world_done(struct placement_world *world);

/* Carries out the plan on the world's model, checking every promise. NULL: all are kept; otherwise which is not (in a buffer of the caller). */
const char *placement_world_carry_out(struct placement_world *world, const struct placement_plan *plan, char *buffer, size_t size);

#endif

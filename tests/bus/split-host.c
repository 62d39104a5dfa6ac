/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plugin for tests: a guest of two vCPUs in a cell each, which is too large for a node of the host, with all of its memory on node 0. Moving memory comes half the way, and ends when there is
 * a file of the name in the option "gate".
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "iocore-plugin.h"

#define CELL_KIB 1048576u
#define PAGES (CELL_KIB / 4)

static struct split_host {
        const struct iocore_services *services;
        struct iocore_context *context;
        struct iocore_domain *domain;
        char cpus[2][32];
        uint64_t kib[2][2]; /* of each cell on each node */
        struct iocore_job job;
        int cell, node; /* that the job is about */
        bool changed;
} the_host;

static int probe(const struct iocore_services *services, struct iocore_context *context, char *ret_reason, size_t size) {
        (void) services, (void) context, (void) ret_reason, (void) size;
        return 1;
}

static void tell(void) {
        struct iocore_vcpu vcpus[2];
        const struct iocore_cell cells[2] = { { .memory_kib = CELL_KIB, .node = IOCORE_NODE_UNKNOWN }, { .memory_kib = CELL_KIB, .node = IOCORE_NODE_UNKNOWN } };

        for (int i = 0; i < 2; i++) {
                vcpus[i] = (struct iocore_vcpu) { .id = (unsigned) i, .tid = 5000010 + i, .cell = i, .cpus = the_host.cpus[i] };
                snprintf(vcpus[i].knob, sizeof(vcpus[i].knob), "two.%d", i);
        }
        (void) the_host.services->domain_set_vcpus(the_host.context, the_host.domain, vcpus, 2);
        (void) the_host.services->domain_set_cells(the_host.context, the_host.domain, cells, 2);
        for (unsigned i = 0; i < 2; i++)
                (void) the_host.services->domain_memory(the_host.context, the_host.domain, i, the_host.kib[i], 2);
        the_host.changed = false;
}

static int open_host(const struct iocore_services *services, struct iocore_context *context, void **ret_state, char *ret_reason, size_t size) {
        (void) ret_reason, (void) size;
        the_host = (struct split_host) { .services = services, .context = context, .cpus = { "0-1", "0-1" }, .kib = { { CELL_KIB }, { CELL_KIB } } };
        the_host.domain = services->domain_add(context, "two");
        if (!the_host.domain)
                return -ENOMEM;
        the_host.domain->pid = 5000001;
        the_host.domain->n_vcpus = 2;
        the_host.domain->memory_kib = 2 * CELL_KIB;
        tell();
        for (int node = 0; node < 2; node++)
                (void) services->node_memory(context, node, 8 * CELL_KIB, 4 * CELL_KIB);
        *ret_state = &the_host;
        return 0;
}

static void close_host(void *state) {
        (void) state;
}

static int scan(void *state, bool thorough) {
        (void) state, (void) thorough;
        return 0;
}

static void move(uint64_t pages) {
        uint64_t *kib = the_host.kib[the_host.cell];

        kib[the_host.node] = 4 * pages;
        kib[1 - the_host.node] = CELL_KIB - 4 * pages;
        the_host.job.moved_pages = pages;
        tell();
}

static int announced(void *state) {
        const char *gate = the_host.services->option(the_host.context, "gate");

        (void) state;
        if (the_host.changed)
                tell();
        if (the_host.job.id == 0)
                return 0;
        the_host.job.state = IOCORE_JOB_RUNNING;
        the_host.job.total_pages = PAGES;
        the_host.job.busy_usec += 50000;
        move(PAGES / 2);
        if (access(gate ? gate : "", F_OK) == 0) {
                move(PAGES);
                the_host.job.state = IOCORE_JOB_DONE;
        }
        the_host.services->job_update(the_host.context, &the_host.job);
        if (the_host.job.state == IOCORE_JOB_DONE)
                the_host.job.id = 0;
        return 0;
}

static int memory_begin(void *state, const struct iocore_memory *memory, uint64_t job, char *ret_reason, size_t size) {
        (void) state;
        if (the_host.job.id != 0 || memory->cell < 0 || memory->node < 0) {
                snprintf(ret_reason, size, "one cell at a time");
                return -EBUSY;
        }
        the_host.job = (struct iocore_job) { .id = job };
        the_host.cell = memory->cell;
        the_host.node = memory->node;
        return 0;
}

static int job_cancel(void *state, uint64_t job) {
        (void) state;
        if (job != the_host.job.id)
                return -ENOENT;
        the_host.job.state = IOCORE_JOB_CANCELLED;
        the_host.services->job_update(the_host.context, &the_host.job);
        the_host.job.id = 0;
        return 0;
}

static int cpus_get(void *state, const char *object, char *ret_value, size_t size) {
        int vcpu;

        (void) state;
        if (sscanf(object, "two.%d", &vcpu) != 1 || vcpu < 0 || vcpu > 1)
                return -ENOENT;
        snprintf(ret_value, size, "%s", the_host.cpus[vcpu]);
        return vcpu;
}

static int get(void *state, const char *object, char *ret_value, size_t size) {
        int r = cpus_get(state, object, ret_value, size);
        return r < 0 ? r : 0;
}

static int set(void *state, const char *object, const char *value, char *ret_value, size_t size) {
        int vcpu = cpus_get(state, object, ret_value, size);

        if (vcpu < 0)
                return vcpu;
        snprintf(the_host.cpus[vcpu], sizeof(the_host.cpus[vcpu]), "%s", value);
        snprintf(ret_value, size, "%s", value);
        the_host.changed = true;
        return 0;
}

static const struct iocore_knob knobs[] = { { "vcpu.cpus", "", get, set } };

__attribute__((visibility("default"))) const struct iocore_plugin iocore_plugin = {
        .abi = IOCORE_PLUGIN_ABI,
        .size = sizeof(struct iocore_plugin),
        .name = "split-host",
        .doc = "a guest that is larger than a node",
        .provides = "vhost",
        .probe = probe,
        .open = open_host,
        .close = close_host,
        .scan = scan,
        .announced = announced,
        .knobs = knobs,
        .n_knobs = 1,
        .memory_begin = memory_begin,
        .job_cancel = job_cancel,
};

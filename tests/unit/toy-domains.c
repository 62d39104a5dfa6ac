/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "toy-domains.h"

/* "toy.D.T": the Tth IOThread of domain D, both from 0. */
static int find(const struct toy_domains *toy, const char *object, int *ret_vcpu) {
        int domain;
        if (sscanf(object, "toy.%d.%d", &domain, ret_vcpu) != 2 || domain >= TOY_DOMAINS || *ret_vcpu >= TOY_VCPUS || !toy->domains[domain].name)
                return -ENOENT;
        return domain;
}

static int cpus_get(void *state, const char *object, char *ret, size_t size) {
        const struct toy_domains *toy = state;
        int vcpu, domain = find(toy, object, &vcpu);
        if (domain >= 0)
                snprintf(ret, size, "%s", toy->domains[domain].cpus[vcpu]);
        return domain < 0 ? domain : toy->away ? -EAGAIN : 0;
}

static int cpus_set(void *state, const char *object, const char *value, char *ret, size_t size) {
        struct toy_domains *toy = state;
        int vcpu, domain = find(toy, object, &vcpu);
        if (domain < 0)
                return domain;
        if (!toy->asked[domain][vcpu].open || strcmp(toy->asked[domain][vcpu].value, value) != 0) {
                toy->asked[domain][vcpu].open = true;
                toy->asked[domain][vcpu].left = toy->slow;
                snprintf(toy->asked[domain][vcpu].value, sizeof toy->asked[domain][vcpu].value, "%s", value);
                toy->n_sets++;
        }
        if (toy->services->in_haste(toy->context) && toy->asked[domain][vcpu].left > 0) {
                toy->asked[domain][vcpu].left--;
                return -EINPROGRESS;
        }
        toy->asked[domain][vcpu].open = false;
        if (toy->error == -EIO && toy->does_it) {
                toy->away = true;
                snprintf(toy->domains[domain].cpus[vcpu], sizeof toy->domains[domain].cpus[vcpu], "%s", value);
        }
        if (toy->error < 0 && (strcmp(value, "0-7") != 0 || toy->away))
                return toy->error;
        snprintf(toy->domains[domain].cpus[vcpu], sizeof toy->domains[domain].cpus[vcpu], "%s", value);
        toy->domains[domain].changed = toy->domains[domain].split;
        snprintf(ret, size, "%s", value);
        return 0;
}

/* "toy.D.memory" */
static int find_memory(const struct toy_domains *toy, const char *object) {
        int domain, n = 0;
        return sscanf(object, "toy.%d.memory%n", &domain, &n) == 1 && n > 0 && domain < TOY_DOMAINS && toy->domains[domain].name ? domain : -ENOENT;
}

static int nodes_get(void *state, const char *object, char *ret, size_t size) {
        const struct toy_domains *toy = state;
        int domain = find_memory(toy, object);
        if (domain >= 0)
                snprintf(ret, size, "%s", toy->nodes[domain][0] ? toy->nodes[domain] : "0-1");
        return domain < 0 ? domain : 0;
}

/* All of its memory has moved when the answer comes. */
static int nodes_set(void *state, const char *object, const char *value, char *ret, size_t size) {
        struct toy_domains *toy = state;
        int domain = find_memory(toy, object), node = atoi(value);
        if (domain < 0)
                return domain;
        if (!toy->nodes_asked[domain].open) {
                toy->nodes_asked[domain].open = true;
                toy->nodes_asked[domain].left = toy->slow;
        }
        if (toy->services->in_haste(toy->context) && toy->nodes_asked[domain].left > 0) {
                toy->nodes_asked[domain].left--;
                return -EINPROGRESS;
        }
        toy->nodes_asked[domain].open = false;
        snprintf(toy->nodes[domain], sizeof toy->nodes[domain], "%s", value);
        for (int cell = 0; strlen(value) == 1 && cell < TOY_VCPUS; cell++) {
                toy->domains[domain].kib[cell][node] += toy->domains[domain].kib[cell][1 - node];
                toy->domains[domain].kib[cell][1 - node] = 0;
        }
        toy->domains[domain].changed = true;
        snprintf(ret, size, "%s", value);
        return 0;
}

static void tell_parts(struct toy_domains *toy, unsigned i) {
        struct toy_domain *domain = &toy->domains[i];
        struct iocore_vcpu vcpus[TOY_VCPUS];
        struct iocore_iothread iothreads[TOY_VCPUS];
        struct iocore_cell cells[TOY_VCPUS];
        char memory[32];
        for (int v = 0; v < TOY_VCPUS; v++) {
                vcpus[v] = (struct iocore_vcpu) { .id = (unsigned) v, .tid = domain->pid + 10 + v, .cpus = domain->cpus[v] };
                iothreads[v] = (struct iocore_iothread) { .id = (unsigned) v + 1, .tid = domain->pid + 20 + v, .cpus = domain->cpus[v] };
                snprintf(iothreads[v].knob, sizeof iothreads[v].knob, "toy.%u.%d", i, v);
                cells[v] = (struct iocore_cell) { .memory_kib = 1048576, .node = IOCORE_NODE_UNKNOWN };
                if (domain->split) {
                        vcpus[v].cell = v;
                        memcpy(vcpus[v].knob, iothreads[v].knob, sizeof vcpus[v].knob);
                }
        }
        (void) toy->services->domain_set_iothreads(toy->context, domain->known, iothreads, TOY_VCPUS);
        (void) toy->services->domain_set_vcpus(toy->context, domain->known, vcpus, TOY_VCPUS);
        snprintf(memory, sizeof memory, "toy.%u.memory", i);
        (void) toy->services->domain_set_emulator(toy->context, domain->known, "0-1", false, domain->split ? memory : "");
        (void) toy->services->domain_set_cells(toy->context, domain->known, cells, domain->split ? TOY_VCPUS : 1);
        for (unsigned cell = 0; domain->split && cell < TOY_VCPUS; cell++)
                (void) toy->services->domain_memory(toy->context, domain->known, cell, domain->kib[cell], TOY_NODES);
        snprintf(domain->known->memory_nodes, sizeof domain->known->memory_nodes, "%s", toy->nodes[i]);
        domain->changed = false;
}

static void look_at(struct toy_domains *toy, unsigned i) {
        struct toy_domain *domain = &toy->domains[i];
        char id[16];
        if (domain->name && !domain->known) {
                domain->known = toy->services->domain_add(toy->context, domain->name);
                snprintf(id, sizeof id, "toy.%u", i);
                domain->worker = toy->services->worker_add(toy->context, id);
                domain->device = toy->services->device_add(toy->context, id);
                domain->unit = toy->services->unit_add(toy->context, id);
                domain->unit->worker = domain->worker;
                domain->unit->device = domain->device;
                domain->unit->owner = domain->pid;
                domain->known->n_vcpus = TOY_VCPUS;
                tell_parts(toy, i);
        } else if (!domain->name && domain->known) {
                toy->services->unit_remove(toy->context, domain->unit);
                toy->services->device_remove(toy->context, domain->device);
                toy->services->worker_remove(toy->context, domain->worker);
                toy->services->domain_remove(toy->context, domain->known);
                domain->known = NULL;
        }
        if (!domain->known)
                return;
        if (domain->changed)
                tell_parts(toy, i);
        domain->known->pid = domain->pid;
        domain->known->state = domain->state;
        domain->known->wish = domain->wish;
        domain->known->pinned = domain->pinned;
        snprintf(domain->known->class, sizeof domain->known->class, "%s", domain->class);
        for (size_t e = 0; e < sizeof domain->events / sizeof domain->events[0]; e++)
                if (domain->events[e]) {
                        toy->services->domain_event(toy->context, domain->known, domain->events[e], "by toy");
                        domain->events[e] = NULL;
                }
}

/* --- jobs that move memory */

static void end_job(struct toy_domains *toy, struct toy_job *job, enum iocore_job_state state) {
        toy->domains[job->domain].changed = true; /* where memory is is told first */
        look_at(toy, job->domain);
        job->job.state = state;
        toy->services->job_update(toy->context, &job->job);
        *job = (struct toy_job) { .job.id = 0 };
}

/* A part of what is left moves in each epoch. */
static void go_on(struct toy_domains *toy, struct toy_job *job) {
        uint64_t *kib = toy->domains[job->domain].kib[job->cell], *from = &kib[1 - job->node];
        uint64_t part = *from / job->left;
        if (job->job.total_pages == 0)
                job->job.total_pages = *from / 4;
        *from -= part;
        kib[job->node] += part;
        job->job.moved_pages += part / 4;
        job->job.state = IOCORE_JOB_RUNNING;
        if (--job->left > 0)
                toy->services->job_update(toy->context, &job->job);
        else
                end_job(toy, job, IOCORE_JOB_DONE);
}

static int memory_begin(void *state, const struct iocore_memory *memory, uint64_t id, char *ret_reason, size_t size) {
        struct toy_domains *toy = state;
        unsigned domain = 0, free_job = 0;
        while (domain < TOY_DOMAINS && (!toy->domains[domain].name || strcmp(toy->domains[domain].name, memory->domain) != 0))
                domain++;
        while (free_job < TOY_JOBS && toy->jobs[free_job].job.id != 0)
                free_job++;
        if (domain == TOY_DOMAINS || memory->cell < 0 || memory->cell >= TOY_VCPUS || memory->node < 0 || memory->node >= TOY_NODES || free_job == TOY_JOBS)
                return -EINVAL;
        if (toy->memory_error < 0) {
                snprintf(ret_reason, size, "the toy does not want to");
                return toy->memory_error;
        }
        /* as the kernel does */
        if (toy->nodes[domain][0] && strcmp(toy->nodes[domain], "0-1") != 0 && atoi(toy->nodes[domain]) != memory->node) {
                snprintf(ret_reason, size, "it may have no memory there");
                return -EACCES;
        }
        toy->n_memory_begun++;
        toy->jobs[free_job] = (struct toy_job) { .job.id = id, .domain = domain, .cell = memory->cell, .node = memory->node, .left = toy->job_epochs };
        return 0;
}

static int job_cancel(void *state, uint64_t id) {
        struct toy_domains *toy = state;
        for (struct toy_job *job = toy->jobs; job < toy->jobs + TOY_JOBS; job++)
                if (job->job.id == id && id != 0)
                        return end_job(toy, job, IOCORE_JOB_CANCELLED), 0;
        return -ENOENT;
}

static int announced(void *state) {
        struct toy_domains *toy = state;
        for (unsigned i = 0; i < TOY_DOMAINS; i++)
                look_at(toy, i);
        for (struct toy_job *job = toy->jobs; job < toy->jobs + TOY_JOBS; job++)
                if (job->job.id != 0)
                        go_on(toy, job);
        for (int node = 0; toy->node_kib > 0 && node < TOY_NODES; node++)
                (void) toy->services->node_memory(toy->context, node, toy->node_kib, toy->node_kib);
        return 0;
}

static int scan(void *state, bool thorough) {
        (void) thorough;
        return announced(state) < 0 ? -EIO : 0;
}

static int sample_workers(void *state) {
        struct toy_domains *toy = state;
        toy->clock += 100;
        for (unsigned i = 0; i < TOY_DOMAINS; i++)
                if (toy->domains[i].known) {
                        toy->domains[i].worker->clock = toy->clock;
                        toy->domains[i].worker->busy = toy->clock / 2;
                }
        return 0;
}

static int reserve(void *state, iocore_want want, void *userdata) {
        const struct toy_domains *toy = state;
        char object[32];
        for (int i = 0; toy->wanted && i < TOY_DOMAINS; i++)
                for (int v = 0; v < TOY_VCPUS; v++) {
                        snprintf(object, sizeof object, "toy.%d.%d", i, v);
                        int r = toy->domains[i].name && strcmp(toy->domains[i].cpus[v], toy->wanted) != 0 ? want(userdata, "iothread.cpus", object, toy->wanted) : 0;
                        if (r < 0)
                                return r;
                }
        return 0;
}

static int domain_wish(void *state, const char *name, const char *attributes, char *ret_reason, size_t size) {
        struct toy_domains *toy = state;
        char asked[128];
        snprintf(asked, sizeof asked, "%s %s", name, attributes);
        if (!toy->wish_open || strcmp(asked, toy->wished) != 0) {
                toy->wish_open = true;
                toy->wish_left = toy->slow;
                memcpy(toy->wished, asked, sizeof asked);
        }
        if (toy->wish_left > 0) {
                toy->wish_left--;
                return -EINPROGRESS;
        }
        toy->wish_open = false;
        snprintf(ret_reason, size, "%s", toy->wish_reason);
        return toy->wish_reason[0] ? -EINVAL : toy->error;
}

static int probe(const struct iocore_services *services, struct iocore_context *context, char *ret_reason, size_t size) {
        (void) ret_reason;
        (void) size;
        return services->option(context, "toy") ? 1 : 0;
}

static int open_toy(const struct iocore_services *services, struct iocore_context *context, void **ret_state, char *ret_reason, size_t size) {
        void *pointer = NULL;
        (void) ret_reason;
        (void) size;
        if (sscanf(services->option(context, "toy"), "%p", &pointer) != 1)
                return -EINVAL;
        struct toy_domains *toy = pointer;
        toy->services = services;
        toy->context = context;
        *ret_state = toy;
        return announced(toy);
}

static void close_toy(void *state) {
        struct toy_domains *toy = state;
        for (unsigned i = 0; i < TOY_DOMAINS; i++)
                toy->domains[i].known = NULL;
}

static const struct iocore_knob knobs[] = { { "iothread.cpus", "", cpus_get, cpus_set }, { "vcpu.cpus", "", cpus_get, cpus_set }, { "numatune.nodeset", "", nodes_get, nodes_set } };

__attribute__((visibility("default"))) const struct iocore_plugin iocore_plugin = {
        .abi = IOCORE_PLUGIN_ABI, .size = sizeof(struct iocore_plugin), .name = "toy-domains", .doc = "made-up domains", .provides = "vhost", .probe = probe, .open = open_toy,
        .close = close_toy, .scan = scan, .sample_workers = sample_workers, .knobs = knobs, .n_knobs = 3, .announced = announced, .reserve = reserve,
        .domain_wish = domain_wish, .memory_begin = memory_begin, .job_cancel = job_cancel,
};

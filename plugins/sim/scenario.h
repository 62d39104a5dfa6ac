/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A scenario: what a simulated host is made of and what happens on it, read from a JSON document (iocored-scenario(5)).
 * Plain data; everything that the model computes with is an integer, so that a run is the same on every machine.
 */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugins/iocore-plugin.h"

#define SCENARIO_NEVER UINT64_MAX /* a time that does not come */
#define SCENARIO_SHARE 1024u      /* shares and factors are fixed point: 1024 = 1.0 */
#define SCENARIO_ALL_QUEUES (-1)
#define SCENARIO_ERROR_MAX 512
/* 10,000 queues and 1,024 CPUs are the daemon's own bounds; the rest keeps a hostile document from asking for terabytes. */
#define SCENARIO_CPUS_MAX 4096u
#define SCENARIO_VMS_MAX 16384u
#define SCENARIO_QUEUES_MAX 131072u
#define SCENARIO_PHASES_MAX 262144u

struct scenario_topology {
        unsigned sockets, nodes_per_socket, cores_per_node, threads_per_core;
        uint64_t cycles_per_usec;
};

/* What serving costs, in cycles of the worker unless said otherwise. */
struct scenario_costs {
        uint64_t request;      /* per request */
        uint64_t byte_share;   /* per byte, in 1/1024 cycles */
        uint64_t kick;         /* per notification: waking up, leaving and entering notification mode */
        uint64_t exit;         /* per notification, of the vCPU: the exit */
        uint64_t poll;         /* per look at an empty queue */
        uint64_t turn;         /* per turn: going over to this queue */
        uint64_t mm_switch;    /* per turn on a worker that serves several owners */
        uint64_t roam;         /* per turn on a worker without a CPU of its own: cold caches */
        uint64_t remote_share; /* more of it all when worker and VM are on different nodes, in 1/1024 */
};

/* From `at_usec` on; a load of zero ends it. Either rate (open loop) or in_flight (closed loop). */
struct scenario_load {
        uint64_t at_usec;
        uint64_t ramp_usec;  /* the rate grows from that of the phase before within this time */
        int queue;           /* index or SCENARIO_ALL_QUEUES */
        uint64_t rate;       /* requests per second */
        uint64_t bytes;      /* of one request */
        uint64_t noise_share;
        uint64_t in_flight;
        uint64_t think_usec; /* between the answer and the next request */
};

struct scenario_device {
        char backend[IOCORE_NAME_MAX];
        unsigned n_queues;
        unsigned worker; /* number of the worker it is born on; 0: the default worker */
        bool can_poll;
        uint64_t ring;   /* entries */
        struct scenario_costs costs;
        struct scenario_load *loads; /* by time */
        size_t n_loads;
};

struct scenario_vcpu_load {
        uint64_t at_usec;
        uint64_t busy_share; /* of each vCPU */
};

struct scenario_vm {
        char name[IOCORE_NAME_MAX];
        unsigned n_vcpus;
        int node;
        int pid;
        uint64_t arrives_usec, leaves_usec, pauses_usec, resumes_usec;
        struct scenario_vcpu_load *vcpu_loads; /* by time */
        size_t n_vcpu_loads;
        struct scenario_device *devices;
        size_t n_devices;
};

/* Workers that exist from the start; they are numbered w.2 upwards, w.1 is the default worker without a CPU. */
struct scenario_worker {
        int cpu;
        bool locked;
};

struct scenario {
        char name[IOCORE_NAME_MAX];
        uint64_t seed;
        uint64_t quantum_usec;
        uint64_t duration_usec; /* SCENARIO_NEVER: no end */
        uint64_t move_usec;     /* how long a device stands still while it is moved */
        struct scenario_topology topology;
        struct scenario_worker *workers;
        size_t n_workers;
        struct scenario_vm *vms;
        size_t n_vms;
};

/*
 * Reads a scenario. On failure ret_error says what is wrong, with its place in the document: "vms[2].devices[0].load[1]: ...".
 * 0; -EINVAL: not a scenario; -ENOMEM; scenario_load(): also the errors of open(2) and read(2), -EFBIG above 64 MiB.
 */
int scenario_parse(struct scenario **ret, const char *text, size_t length, char *ret_error, size_t size);
int scenario_load(struct scenario **ret, const char *path, char *ret_error, size_t size);
/* Frees what a VM of a scenario holds, not the VM. */
void scenario_vm_done(struct scenario_vm *vm);
struct scenario *scenario_free(struct scenario *scenario);
static inline void scenario_freep(struct scenario **scenario) {
        scenario_free(*scenario);
}

/* CPUs and nodes are numbered depth first: socket, node, core, thread. */
unsigned scenario_n_cpus(const struct scenario *scenario);
unsigned scenario_n_nodes(const struct scenario *scenario);
int scenario_cpu_node(const struct scenario *scenario, int cpu);
/* The topology as an hwloc synthetic description: "pack:2 numa:1 l3:1 core:8 pu:1". 0 or -ENOBUFS. */
int scenario_topology_string(const struct scenario *scenario, char *ret, size_t size);

#endif

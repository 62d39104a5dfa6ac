/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt says of one domain: plain data, made in the talker's thread and handed to the main thread. */
#ifndef LIBVIRT_DESCRIPTION_H
#define LIBVIRT_DESCRIPTION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "plugins/iocore-plugin.h"

/* More than any hypervisor takes; what says more is not believed. */
enum { VCPUS_MAX = 8192, IOTHREADS_MAX = 4096, CELLS_MAX = 1024, DEVICES_MAX = 65536 };

enum { UUID_SIZE = 37 };

/* What the owner of a domain says in its metadata. Empty strings, 0 and IOCORE_WISH_NONE: nothing said. */
struct wishes {
        enum iocore_wish policy;
        char class[16];
        unsigned weight;
        char share_within[16];
        bool present;                /* there is an element of ours */
        char foreign[IOCORE_NAME_MAX]; /* what in it is not ours, so that it is left alone; "" when all is */
};

/* CPU lists are in the form that affinity_format() writes; NULL: not known. */
struct described_vcpu {
        unsigned id;
        pid_t tid;
        int cell;
        char *cpus;
        bool pinned; /* by name, in the XML */
};

struct described_iothread {
        unsigned id;
        pid_t tid;
        char *cpus;
        bool pinned;
};

struct described_device {
        struct iocore_domain_device pub;
        char host_device[IOCORE_NAME_MAX]; /* its network device or bridge on the host, "" none: to find its node */
};

struct description {
        char uuid[UUID_SIZE];
        char *name;
        enum iocore_domain_state state;
        bool active, persistent;
        uint64_t serial;      /* of the last event that was known when libvirt was asked */
        uint64_t fingerprint; /* differs whenever anything else here does */

        pid_t pid;            /* 0: none, or not found */
        uint64_t start;       /* clock ticks since boot; 0 with pid */
        int id;               /* libvirt's number of a domain that runs; -1 */

        uint64_t memory_kib;
        char backing[16];
        struct wishes wishes;

        bool placement_auto;  /* numad chose its CPUs and nodes: nobody's hand */
        char *cpuset;         /* of all of its vCPUs, <vcpu cpuset=''>; NULL none */
        char *online;         /* CPUs of the host, as libvirt sees them; NULL: not known, it does not run */
        char *emulator_cpus;
        char *nodeset;        /* <numatune><memory nodeset=''>; NULL none */
        char *all_nodes;      /* nodes of the host that have memory; NULL: not known */
        char *auto_nodes;     /* what numad chose; NULL: nothing, or not known */
        char *auto_cpus;
        bool emulator_pinned;
        bool memory_auto;     /* numad chose the nodes of its memory */
        bool nodeset_fixed;   /* libvirt would refuse to change it while the domain runs */

        struct described_vcpu *vcpus; /* those that are plugged in, by id */
        size_t n_vcpus;
        struct described_iothread *iothreads; /* by id */
        size_t n_iothreads;
        struct iocore_cell *cells;
        size_t n_cells;
        struct described_device *devices;
        size_t n_devices;
};

struct description *description_free(struct description *description);
static inline void description_freep(struct description **description) { description_free(*description); }

/* NULL when there is none. */
struct described_vcpu *description_vcpu(const struct description *description, unsigned id);
struct described_iothread *description_iothread(const struct description *description, unsigned id);

/* Sets description->fingerprint. */
void description_seal(struct description *description);

#endif

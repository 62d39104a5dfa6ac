/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's side of the plugin contract, for tests of plugins: a model that only stores, a root that is a fixture tree, a log that is kept. */
#ifndef FAKE_SERVICES_H
#define FAKE_SERVICES_H

#include <limits.h>

#include "plugins/iocore-plugin.h"

#define FAKE_OBJECTS_MAX 64
#define FAKE_CPUS_MAX 64

#define FAKE_PARTS_MAX 64
#define FAKE_EVENTS_MAX 64
#define FAKE_NODES_MAX 8

/* A domain and what was said of it last. */
struct fake_domain {
        struct iocore_domain pub; /* must be first */
        struct iocore_vcpu vcpus[FAKE_PARTS_MAX];
        struct iocore_iothread iothreads[FAKE_PARTS_MAX];
        struct iocore_cell cells[FAKE_PARTS_MAX];
        struct iocore_domain_device *devices;
        size_t n_vcpus, n_iothreads, n_cells, n_devices;
        uint64_t kib_of_node[FAKE_PARTS_MAX][FAKE_NODES_MAX]; /* by cell */
        char emulator_cpus[IOCORE_VALUE_MAX];
        char emulator_knob[IOCORE_NAME_MAX];
        bool emulator_by_hand;
        uint64_t rest_kib_of_node[FAKE_NODES_MAX];
        unsigned n_vcpus_set, n_iothreads_set, n_cells_set, n_devices_set, n_emulator_set; /* how often it was said */
};

struct iocore_context {
        char root[PATH_MAX];
        const char *option, *option_value; /* the one that is set; or NULL */
        int n_cpus, cpus_per_node;

        struct iocore_worker *workers[FAKE_OBJECTS_MAX];
        struct iocore_device *devices[FAKE_OBJECTS_MAX];
        struct iocore_unit *units[FAKE_OBJECTS_MAX];
        struct iocore_queue *queues[FAKE_OBJECTS_MAX];
        struct fake_domain *domains[FAKE_OBJECTS_MAX];
        size_t n_workers, n_devices, n_units, n_queues, n_domains;

        struct { bool io_core; struct iocore_worker *worker; } cores[FAKE_CPUS_MAX];
        struct { uint64_t busy, total; unsigned n; } cpus[FAKE_CPUS_MAX];

        void *userdata; /* the test's own */
        unsigned n_warnings;
        char last_warning[512];

        bool isolated[FAKE_CPUS_MAX];      /* what cpu_isolated() says */
        unsigned n_pinned[FAKE_CPUS_MAX];  /* what cpu_pinned() was told */
        unsigned n_told, n_knobs_changed;
        bool in_haste;               /* what in_haste() says */
        uint64_t scan_usec;          /* what scan_interval() says; 0: a second */
        char last_told[512];         /* "KIND OBJECT: TEXT" */
        char last_knob_changed[256]; /* "KIND OBJECT" */
        char events[FAKE_EVENTS_MAX][512]; /* "DOMAIN EVENT DETAIL"; what comes after the last one that fits is only counted */
        size_t n_events;
        struct { uint64_t total_kib, free_kib; } nodes[FAKE_NODES_MAX];
        struct iocore_job job; /* the last one that was told of */
        unsigned n_job_updates, n_memory_told;
        unsigned n_told_before_job; /* n_memory_told when the last job_update() came */
};

extern const struct iocore_services fake_services;

/* A context whose root is a new temporary directory. */
struct iocore_context *fake_context_new(void);
/* Removes the directory and whatever is left in the model. */
void fake_context_free(struct iocore_context *context);

/* NULL when the model has none. */
struct iocore_worker *fake_worker(struct iocore_context *context, const char *id);
struct iocore_device *fake_device(struct iocore_context *context, const char *id);
struct iocore_unit *fake_unit(struct iocore_context *context, const char *id);
struct iocore_queue *fake_queue(struct iocore_context *context, const char *id);
struct fake_domain *fake_domain(struct iocore_context *context, const char *name);

/* Fixture trees: paths are relative to the root; directories on the way are made. `text` is written as it is. */
void fixture_write(struct iocore_context *context, const char *path, const char *text);
void fixture_directory(struct iocore_context *context, const char *path);
void fixture_remove(struct iocore_context *context, const char *path); /* with all below it */
/* The file's text without white space at its end, in a buffer that the next call uses again. */
const char *fixture_read(struct iocore_context *context, const char *path);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What vhost workers of a stock kernel cost: reading their times against a bare loop of the same preads, and knowing which there are.
 *
 *     bench-threads          on a /proc of plain files with 250 workers
 *     bench-threads --here   on this machine's own /proc, with the workers that it has
 *
 * The two loops take turns in one run, over the very same open files, each after the counters have gone on. Times are of the thread's CPU clock. One JSON
 * object a line. Exit status 1: reading cost more than it may, or opened, allocated or formatted something.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "bench-plugin.h"
#include "measure.h"
#include "tests/lib/call-counts.h"
#include "thread-tree.h"

enum {
        N_WORKERS = 250,
        SCHEDSTAT_READ = 79, /* what the plugin asks for */
        ROW_READS = 320000, /* preads of a row, which decides how often it is repeated */
        N_COUNTED = 100,
        EPOCH_USEC = 100000,
        N_SCANS = 40,
        N_THOROUGH_SCANS = 10,
        N_ASKED = 1000, /* times that it is asked whether something announced itself, per value */
};
#define BOUND 1.3 /* times the bare loop */

struct bench {
        struct thread_tree *tree; /* NULL: this machine's own /proc */
        struct bench_plugin *plugin;
        const char *place;
        unsigned n_workers;
        uint64_t now_usec;
};

static void advance(struct bench *bench) {
        if (bench->tree)
                thread_tree_advance(bench->tree);
        host_begin_epoch(bench->plugin->host, bench->now_usec += EPOCH_USEC);
}

static void sample(const struct bench *bench) {
        if (iocore_plugin.sample_workers(bench->plugin->instance.state) < 0)
                abort();
}

static bool is_schedstat(const char *path) {
        return ends_with(path, "/schedstat");
}

static double *new_values(size_t n) {
        double *values = calloc(n, sizeof *values);
        if (!values)
                abort();
        return values;
}

/* --- reading ------------------------------------------------------------------------------------------------------------------------ */

struct turns {
        double *sampled, *bare;
        size_t n;
};

/* Which of the two comes first changes from round to round. */
static void take_turns(struct bench *bench, const struct file_set *files, struct turns *turns) {
        for (size_t i = 0; i < turns->n; i++)
                for (unsigned turn = 0; turn < 2; turn++) {
                        bool bare = (i + turn) % 2;
                        advance(bench);
                        uint64_t start = cpu_nsec();
                        if (!bare)
                                sample(bench);
                        else if (!file_set_read(files, SCHEDSTAT_READ))
                                abort();
                        (bare ? turns->bare : turns->sampled)[i] = (double) (cpu_nsec() - start);
                }
}

static struct call_counts count_calls(struct bench *bench) {
        call_counts = (struct call_counts) { 0 };
        for (unsigned i = 0; i < N_COUNTED; i++) {
                advance(bench);
                call_counts.counting = true;
                sample(bench);
                call_counts.counting = false;
        }
        return call_counts;
}

/* The last epochs with the daemon's own arithmetic on what was read: a row of workers that were not sampled is no row. */
static void check_loads(struct bench *bench) {
        const struct host *host = bench->plugin->host;

        for (unsigned i = 0; i < 3; i++) {
                advance(bench);
                sample(bench);
                host_derive_workers(bench->plugin->host);
        }
        for (size_t i = 0; i < host->n_workers; i++)
                if (host->workers[i]->n_samples < 2 || (bench->tree && host->workers[i]->load <= 0)) {
                        fprintf(stderr, "bench: %s was not sampled\n", host->workers[i]->pub.id);
                        exit(1);
                }
}

/* Level 0 of an epoch. False: beyond its bounds. */
static bool row_sampling(struct bench *bench) {
        struct turns turns = { .n = ROW_READS / bench->n_workers };
        struct file_set files;

        file_set_find(&files, is_schedstat);
        if (files.n != bench->n_workers) {
                fprintf(stderr, "bench: %zu files for %u workers\n", files.n, bench->n_workers);
                exit(1);
        }
        turns.sampled = new_values(turns.n), turns.bare = new_values(turns.n);
        take_turns(bench, &files, &turns);
        struct call_counts counts = count_calls(bench);
        check_loads(bench);
        /* Of medians: where a machine below this one takes its CPU away, that counts as CPU time here, and single rounds tell nothing. */
        double sampled = median(turns.sampled, turns.n), bare = median(turns.bare, turns.n), ratio = sampled / bare;
        unsigned long others = counts.frees + counts.closes + counts.formats;
        printf("{\"bench\":\"threads\",\"on\":\"%s\",\"what\":\"sampling, level 0\",\"workers\":%u,\"ratio\":%.2f,\"bound\":%.1f,\"nsec_per_worker\":%.0f,"
               "\"bare_nsec_per_worker\":%.0f,\"allocations\":%lu,\"opens\":%lu}\n",
               bench->place, bench->n_workers, ratio, BOUND, sampled / bench->n_workers, bare / bench->n_workers,
               counts.allocations, counts.opens);
        fflush(stdout);
        free(turns.sampled);
        free(turns.bare);
        file_set_free(&files);
        return ratio <= BOUND && counts.allocations + counts.opens + others == 0;
}

/* Level 1 of an epoch in which every worker is busy, beyond level 0: the counters of all taps. */
static void row_taps(struct bench *bench) {
        const struct host *host = bench->plugin->host;
        double values[N_SCANS];

        if (host->n_queues == 0)
                return;
        for (unsigned i = 0; i < N_SCANS; i++) {
                advance(bench);
                sample(bench);
                call_counts.counting = i > 0;
                uint64_t start = cpu_nsec();
                for (size_t j = 0; j < host->n_workers; j++)
                        if (iocore_plugin.sample_queues(bench->plugin->instance.state, &host->workers[j]->pub) < 0)
                                abort();
                values[i] = (double) (cpu_nsec() - start) / 1000;
                call_counts.counting = false;
        }
        printf("{\"bench\":\"threads\",\"on\":\"%s\",\"what\":\"counters of taps, level 1\",\"workers\":%u,\"queues\":%zu,\"usec_per_epoch\":%.0f,\"allocations\":%lu,"
               "\"opens\":%lu}\n",
               bench->place, bench->n_workers, host->n_queues, median(values, N_SCANS), call_counts.allocations, call_counts.opens);
        fflush(stdout);
}

/* --- knowing which there are -------------------------------------------------------------------------------------------------------- */

static double scan_usec(const struct bench *bench, bool thorough) {
        double values[N_SCANS];
        unsigned n = thorough ? N_THOROUGH_SCANS : N_SCANS;
        for (unsigned i = 0; i < n; i++) {
                uint64_t start = cpu_nsec();
                if (iocore_plugin.scan(bench->plugin->instance.state, thorough) < 0)
                        abort();
                values[i] = (double) (cpu_nsec() - start) / 1000;
        }
        return median(values, n);
}

static void remember_discovery(void *userdata, const char *key, const char *value) {
        if (strcmp(key, "discovery") == 0)
                snprintf(userdata, IOCORE_NAME_MAX, "%s", value);
}

/* Both kinds of scan; the first is what each second costs. */
static void row_scan(const struct bench *bench) {
        char discovery[IOCORE_NAME_MAX] = "a scan a second";
        if (iocore_plugin.describe)
                iocore_plugin.describe(bench->plugin->instance.state, remember_discovery, discovery);
        double each_second = scan_usec(bench, false), thorough = scan_usec(bench, true);
        printf("{\"bench\":\"threads\",\"on\":\"%s\",\"what\":\"scan, %s\",\"workers\":%u,\"usec_per_second\":%.0f,\"thorough_usec\":%.0f}\n", bench->place, discovery,
               bench->n_workers, each_second, thorough);
        fflush(stdout);
}

/* Nothing has come or gone: what each epoch costs. */
static void row_announced(const struct bench *bench) {
        double values[N_SCANS];

        if (!iocore_plugin.announced)
                return;
        for (unsigned i = 0; i < N_SCANS; i++) {
                uint64_t start = cpu_nsec();
                for (unsigned j = 0; j < N_ASKED; j++)
                        (void) iocore_plugin.announced(bench->plugin->instance.state);
                values[i] = (double) (cpu_nsec() - start) / N_ASKED;
        }
        printf("{\"bench\":\"threads\",\"on\":\"%s\",\"what\":\"nothing announced\",\"workers\":%u,\"nsec_per_epoch\":%.0f}\n", bench->place, bench->n_workers,
               median(values, N_SCANS));
        fflush(stdout);
}

/* --- */

/* The daemon's own defaults, on the tree or on this machine. */
static struct config *make_config(const struct thread_tree *tree, bool connector) {
        static const char with[] = "[plugin.vhost-thread]\nconnector = yes\n", without[] = "[plugin.vhost-thread]\nconnector = no\n";
        struct config *config;

        FILE *file = fmemopen((void *) (connector ? with : without), connector ? sizeof with - 1 : sizeof without - 1, "r");
        if (!file || config_load_file(&config, file, "bench", stderr) < 0)
                abort();
        fclose(file);
        if (tree) {
                free(config->root);
                config->root = strdup(tree->root);
        }
        if (!config->root)
                abort();
        return config;
}

static void open_plugin(struct bench *bench, bool connector) {
        bench->plugin = bench_plugin_open(make_config(bench->tree, connector), bench->tree ? "pack:2 numa:1 core:16 pu:1" : NULL);
        bench->n_workers = (unsigned) bench->plugin->host->n_workers;
        if (bench->n_workers == 0) {
                fprintf(stderr, "bench: there is no vhost worker here\n");
                exit(1);
        }
}

static int run(struct bench *bench) {
        bench->now_usec = 1000000;
        open_plugin(bench, true);
        bool good = row_sampling(bench);
        row_taps(bench);
        row_scan(bench);
        row_announced(bench);
        bench_plugin_close(bench->plugin);
        /* on plain files there is no connector anyway */
        if (!bench->tree) {
                open_plugin(bench, false);
                row_scan(bench);
                bench_plugin_close(bench->plugin);
        }
        return good ? 0 : 1;
}

int main(int argc, char *argv[]) {
        struct thread_tree tree;
        struct utsname kernel;
        struct bench bench = { .place = "plain files" };

        if (argc > 2 || (argc == 2 && strcmp(argv[1], "--here") != 0)) {
                fprintf(stderr, "usage: bench-threads [--here]\n");
                return 2;
        }
        call_counts_begin();
        raise_files_limit();
        if (argc == 2) {
                if (uname(&kernel) < 0)
                        abort();
                bench.place = kernel.release;
                return run(&bench);
        }
        thread_tree_make(&tree, N_WORKERS);
        bench.tree = &tree;
        int status = run(&bench);
        thread_tree_remove(&tree);
        return status;
}

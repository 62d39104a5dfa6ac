/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The same virtual machines placed by nobody, by numad's advice and by iocored: remote memory and balance of CPUs. numad (-w, what libvirt asks it for placement='auto') reads /sys and /proc:
 * in a mount namespace of its own it is shown hosts that exist only as files. Needs root and numad; each advice takes it two seconds.
 *
 * numad advises once, when a machine starts; that advice is kept, as libvirt keeps it. numad as a daemon, which moves what runs, is not compared. Of nodes that are alike numad's advice takes
 * now one, now the other, and where a machine just fits a node's free CPU time, a second look that comes a little late finds too little of it: its rows differ from run to run.
 *
 * All vCPUs are taken to be busy, and to use all of their machine's memory alike. In the table one that may use several nodes is where CPUs are
 * free, as the kernel's scheduler has it: counted in equal parts on its nodes, it would make nodes over-committed that are not. Memory is where a machine may run when it starts: numad's advice
 * comes before that, iocored moves what runs, so for iocored it begins on all nodes.
 *
 * Of a machine larger than a node some accesses are remote whatever is done; of one with one guest cell iocored moves no memory, so what it began with stays. What these machines have of the
 * remote accesses is a column of its own.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/host/cpu-list.h"
#include "tests/unit/placement-model.h"

#define GIB ((uint64_t) 1 << 20)
#define USER_HZ 100
/* numad looks twice, two seconds apart */
#define NUMAD_SECONDS 2

struct event {
        unsigned vcpus, gib; /* 0: a machine leaves */
        unsigned number;     /* which one, counted from 1 */
};

struct scenario {
        const char *name;
        size_t n_nodes, cores;
        unsigned gib; /* of each node */
        struct event events[40];
};

static const struct scenario scenarios[] = {
        { "small machines, two nodes", 2, 8, 64, { { 2, 8, 1 }, { 2, 8, 2 }, { 4, 16, 3 }, { 4, 16, 4 }, { 2, 8, 5 }, { 2, 8, 6 } } },
        { "mixed, four nodes, over-committed", 4, 8, 64, { { 8, 32, 1 }, { 8, 32, 2 }, { 4, 8, 3 }, { 6, 24, 4 }, { 8, 16, 5 }, { 4, 16, 6 }, { 4, 8, 7 }, { 2, 4, 8 }, { 6, 24, 9 } } },
        { "coming and going, four nodes", 4, 8, 64,
          { { 8, 40, 1 }, { 8, 40, 2 }, { 8, 40, 3 }, { 8, 40, 4 }, { 4, 20, 5 }, { 4, 20, 6 }, { 0, 0, 1 }, { 0, 0, 3 }, { 8, 48, 7 }, { 0, 0, 2 }, { 4, 16, 8 }, { 4, 16, 9 } } },
        { "one larger than a node", 2, 8, 64, { { 12, 80, 1 }, { 2, 8, 2 }, { 2, 8, 3 } } },
        { "one larger than a node, one for what is left", 2, 8, 64, { { 12, 80, 1 }, { 4, 16, 2 } } },
        { "one larger than a node, four nodes", 4, 8, 64, { { 12, 80, 1 }, { 8, 40, 2 }, { 4, 16, 3 }, { 4, 16, 4 } } },
};

static void fail(const char *what) {
        perror(what);
        exit(77);
}

static void write_file(const char *root, const char *name, const char *text) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", root, name);
        FILE *file = fopen(path, "r+e");
        if (!file)
                file = fopen(path, "we");
        if (!file || fputs(text, file) < 0 || fclose(file) != 0)
                fail(path);
}

static void make_directory(const char *root, const char *name) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", root, name);
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                fail(path);
}

/* --- the host as files */

static void show_cpus(const char *root, const struct host *host) {
        char name[128], text[64];
        make_directory(root, "cpu");
        snprintf(text, sizeof text, "0-%zu\n", host->n_cpus - 1);
        write_file(root, "cpu/possible", text);
        write_file(root, "cpu/online", text);
        for (size_t i = 0; i < host->n_cpus; i++) {
                snprintf(name, sizeof name, "cpu/cpu%zu", i);
                make_directory(root, name);
                snprintf(name, sizeof name, "cpu/cpu%zu/topology", i);
                make_directory(root, name);
                snprintf(name, sizeof name, "cpu/cpu%zu/topology/thread_siblings", i);
                snprintf(text, sizeof text, "%08x\n", 1u << i);
                write_file(root, name, text);
        }
}

static void show_nodes(const char *root, const struct host *host) {
        make_directory(root, "node");
        for (size_t i = 0; i < host->n_nodes; i++) {
                char name[128], text[1024];
                size_t per_node = host->n_cpus / host->n_nodes, used = 0;
                snprintf(name, sizeof name, "node/node%zu", i);
                make_directory(root, name);
                snprintf(name, sizeof name, "node/node%zu/cpulist", i);
                snprintf(text, sizeof text, "%zu-%zu\n", i * per_node, (i + 1) * per_node - 1);
                write_file(root, name, text);
                for (size_t j = 0; j < host->n_nodes; j++)
                        used += (size_t) snprintf(text + used, sizeof text - used, "%u%s", topology_distance(host->topology, i, j), j + 1 < host->n_nodes ? " " : "\n");
                snprintf(name, sizeof name, "node/node%zu/distance", i);
                write_file(root, name, text);
                snprintf(name, sizeof name, "node/node%zu/meminfo", i);
                snprintf(text, sizeof text,
                         "Node %zu MemTotal:   %12lu kB\nNode %zu MemFree:    %12lu kB\nNode %zu MemUsed:    %12lu kB\nNode %zu Inactive(file): %12d kB\nNode %zu FilePages: %12d kB\n", i,
                         (unsigned long) host->nodes[i].memory_kib, i, (unsigned long) host->nodes[i].memory_free_kib, i,
                         (unsigned long) (host->nodes[i].memory_kib - host->nodes[i].memory_free_kib), i, 0, i, 0);
                write_file(root, name, text);
        }
}

static void cpu_loads(const struct host *host, double *loads) {
        memset(loads, 0, host->n_cpus * sizeof *loads);
        for (size_t i = 0; i < host->n_domains; i++)
                for (size_t j = 0; j < host->domains[i]->n_vcpus; j++) {
                        hwloc_const_bitmap_t cpus = host->domains[i]->vcpus[j].cpus;
                        unsigned cpu;
                        hwloc_bitmap_foreach_begin(cpu, cpus) {
                                loads[cpu] += 1.0 / hwloc_bitmap_weight(cpus);
                        } hwloc_bitmap_foreach_end();
                }
}

static void show_stat(const char *root, const struct host *host, unsigned seconds) {
        double loads[64];
        char text[8192];
        size_t used = 0;
        cpu_loads(host, loads);
        used += (size_t) snprintf(text, sizeof text, "cpu  %10d 0 0 %10d 0 0 0 0 0 0\n", 0, 0);
        for (size_t i = 0; i < host->n_cpus; i++) {
                double busy = loads[i] > 1 ? 1 : loads[i];
                used += (size_t) snprintf(text + used, sizeof text - used, "cpu%zu %10lu 0 0 %10lu 0 0 0 0 0 0\n", i, (unsigned long) (1000 + seconds * USER_HZ * busy),
                                          (unsigned long) (1000 + seconds * USER_HZ * (1 - busy)));
        }
        snprintf(text + used, sizeof text - used, "ctxt 1\nbtime 1\n");
        write_file(root, "stat", text);
}

static void show_memory(const char *root, const struct host *host) {
        unsigned long total = 0, free = 0;
        char text[512];
        for (size_t i = 0; i < host->n_nodes; i++) {
                total += host->nodes[i].memory_kib;
                free += host->nodes[i].memory_free_kib;
        }
        snprintf(text, sizeof text, "MemTotal: %14lu kB\nMemFree: %14lu kB\nMemAvailable: %14lu kB\nHugepagesize: 2048 kB\n", total, free, free);
        write_file(root, "meminfo", text);
}

static void show(const char *root, const struct host *host) {
        show_cpus(root, host);
        show_nodes(root, host);
        show_stat(root, host, 0);
        show_memory(root, host);
}

static void cover(const char *root, const char *name, const char *path) {
        char source[512];
        snprintf(source, sizeof source, "%s/%s", root, name);
        if (mount(source, path, NULL, MS_BIND, NULL) < 0)
                fail(path);
}

/* In a child with mounts of its own: asks numad, whose answer goes to the pipe. */
static void ask_in_child(const char *root, unsigned vcpus, unsigned gib, int answer) {
        char wish[64];
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/var/log", "tmpfs", 0, NULL) < 0)
                fail("a mount namespace");
        cover(root, "cpu", "/sys/devices/system/cpu");
        cover(root, "node", "/sys/devices/system/node");
        cover(root, "stat", "/proc/stat");
        cover(root, "meminfo", "/proc/meminfo");
        if (dup2(answer, STDOUT_FILENO) < 0)
                fail("dup2");
        snprintf(wish, sizeof wish, "%u:%u", vcpus, gib * 1024);
        execlp("numad", "numad", "-w", wish, (char *) NULL);
        fail("numad");
}

/* After its first look numad sleeps; on a busy machine it comes to that late. If it does not within ten seconds, whatever it then sees is its answer. */
static void wait_for_sleep(pid_t child) {
        char path[64], text[64] = "";
        snprintf(path, sizeof path, "/proc/%d/syscall", (int) child);
        for (int i = 0; i < 500 && strtol(text, NULL, 10) != SYS_clock_nanosleep; i++) {
                usleep(20000);
                FILE *file = fopen(path, "re");
                if (!file || !fgets(text, sizeof text, file))
                        text[0] = '\0';
                if (file)
                        (void) fclose(file);
        }
}

static hwloc_bitmap_t ask_numad(const char *root, const struct host *host, unsigned vcpus, unsigned gib) {
        hwloc_bitmap_t nodes = NULL;
        char line[256] = "";
        int ends[2], status;
        show(root, host);
        if (pipe(ends) < 0)
                fail("pipe");
        pid_t child = fork();
        if (child < 0)
                fail("fork");
        if (child == 0)
                ask_in_child(root, vcpus, gib, ends[1]);
        close(ends[1]);
        /* between its two looks time passes on the host that it is shown */
        wait_for_sleep(child);
        show_stat(root, host, NUMAD_SECONDS);
        FILE *file = fdopen(ends[0], "r");
        if (!file || !fgets(line, sizeof line, file))
                line[0] = '\0';
        if (file)
                (void) fclose(file);
        if (waitpid(child, &status, 0) < 0 || status != 0)
                exit(77);
        line[strcspn(line, "\n")] = '\0';
        if (cpu_list_parse(line, &nodes) < 0 || hwloc_bitmap_iszero(nodes)) {
                fprintf(stderr, "numad said \"%s\"\n", line);
                exit(1);
        }
        return nodes;
}

/* --- machines */

/* Takes memory in equal parts from the nodes of the set, and what one has not from the others. */
static void take_memory(struct host *host, struct domain *domain, hwloc_const_bitmap_t nodes, uint64_t kib) {
        struct cell *cell = &domain->cells[0];
        placement_cell_memory(host, domain, 0, 0);
        cell->kib_of_node[0] = 0;
        for (int pass = 0; pass < 2 && kib > 0; pass++)
                for (size_t left = pass ? host->n_nodes : (size_t) hwloc_bitmap_weight(nodes), i = 0; i < host->n_nodes; i++) {
                        struct node *node = &host->nodes[i];
                        if (!pass && !hwloc_bitmap_isset(nodes, (unsigned) i))
                                continue;
                        uint64_t part = kib / left--;
                        part = part < node->memory_free_kib ? part : node->memory_free_kib;
                        cell->kib_of_node[i] += part;
                        node->memory_free_kib -= part;
                        kib -= part;
                }
}

static void leave(struct host *host, const char *name) {
        struct domain *domain = host_domain(host, name);
        for (size_t i = 0; i < host->n_nodes; i++)
                host->nodes[i].memory_free_kib += domain->cells[0].kib_of_node[i];
        host_domain_remove(host, domain);
}

static struct domain *arrive(struct host *host, const char *name, const struct event *event, hwloc_const_bitmap_t nodes) {
        struct domain *domain = placement_domain(host, name, event->vcpus, NULL, event->gib * GIB);
        take_memory(host, domain, nodes, event->gib * GIB);
        for (size_t i = 0; i < event->vcpus; i++) {
                unsigned node;
                domain->vcpus[i].cpus = hwloc_bitmap_alloc();
                hwloc_bitmap_foreach_begin(node, nodes) {
                        hwloc_bitmap_or(domain->vcpus[i].cpus, domain->vcpus[i].cpus, host->topology->nodes[node].cpus);
                } hwloc_bitmap_foreach_end();
        }
        return domain;
}

static double place(struct host *host) {
        struct placement_rules rules;
        struct placement *placement;
        struct placement_plan plan;
        double gib = 0;
        placement_rules_init(&rules);
        if (placement_new(&placement, host, &rules) < 0 || placement_run(placement, PLACEMENT_STAGES_MAX, &plan) < 0)
                exit(1);
        for (size_t i = 0; i < plan.n_proposals; i++) {
                gib += (double) plan.proposals[i].total_kib / (double) GIB;
                placement_apply(host, &plan.proposals[i]);
        }
        placement_plan_done(&plan);
        placement_free(placement);
        return gib;
}

/* Share of remote accesses of the machines with more vCPUs or memory than a node; < 0: there are none. */
static double remote_of_larger(const struct host *host) {
        size_t per_node = (size_t) hwloc_bitmap_weight(host->topology->nodes[0].cpus);
        double remote = 0, n = 0;
        for (size_t i = 0; i < host->n_domains; i++) {
                const struct domain *domain = host->domains[i];
                if (domain->n_vcpus <= per_node && domain->pub.memory_kib <= host->nodes[0].memory_kib)
                        continue;
                for (size_t vcpu = 0; vcpu < domain->n_vcpus; vcpu++, n++) {
                        unsigned cpu;
                        hwloc_const_bitmap_t cpus = domain->vcpus[vcpu].cpus;
                        hwloc_bitmap_foreach_begin(cpu, cpus) {
                                uint64_t local = domain->cells[0].kib_of_node[host->topology->cpus[cpu].node];
                                remote += (1 - (double) local / (double) domain->pub.memory_kib) / hwloc_bitmap_weight(cpus);
                        } hwloc_bitmap_foreach_end();
                }
        }
        return n > 0 ? remote / n : -1;
}

enum strategy { NOBODY, NUMAD, IOCORED, N_STRATEGIES };

static void run(const struct scenario *scenario, enum strategy strategy, const char *root) {
        static const char *const names[] = { "nobody", "numad advice", "iocored" };
        struct host *host = placement_host(scenario->n_nodes, scenario->cores, 1);
        struct placement_rules rules;
        struct placement *placement;
        struct placement_quality quality;
        double moved = 0;
        for (size_t i = 0; i < host->n_nodes; i++)
                placement_host_memory(host, i, scenario->gib * GIB, scenario->gib * GIB);
        for (const struct event *event = scenario->events; event->number > 0; event++) {
                char name[32];
                snprintf(name, sizeof name, "vm%u", event->number);
                if (event->vcpus == 0)
                        leave(host, name);
                else {
                        hwloc_bitmap_t nodes = strategy == NUMAD ? ask_numad(root, host, event->vcpus, event->gib) : hwloc_bitmap_alloc();
                        if (strategy != NUMAD)
                                hwloc_bitmap_set_range(nodes, 0, (int) host->n_nodes - 1);
                        arrive(host, name, event, nodes);
                        hwloc_bitmap_free(nodes);
                }
                if (strategy == IOCORED)
                        moved += place(host);
        }
        placement_rules_init(&rules);
        if (placement_new(&placement, host, &rules) < 0)
                exit(1);
        placement_measure(placement, &quality);
        double larger = remote_of_larger(host);
        printf("{\"machines\": \"%s\", \"placed_by\": \"%s\", \"remote_memory_percent\": %.0f, \"vcpus_per_cpu_of_fullest_node\": %.2f, \"deviation_of_nodes\": %.2f, \"gib_moved\": %.0f",
               scenario->name, names[strategy], 100 * quality.remote_share, quality.worst_node, quality.node_deviation, moved);
        if (larger >= 0)
                printf(", \"remote_percent_of_larger_than_a_node\": %.0f", 100 * larger);
        printf("}\n");
        fflush(stdout);
        placement_free(placement);
        placement_host_free(host);
}

int main(void) {
        char root[] = "/tmp/iocore-placement-XXXXXX";
        bool numad = geteuid() == 0 && system("command -v numad >/dev/null") == 0;
        if (!numad)
                fprintf(stderr, "not compared with numad: needs root and numad\n");
        /* whatever happens, nothing stays mounted where others would see it */
        else if (!mkdtemp(root) || unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("none", root, "tmpfs", 0, NULL) < 0)
                fail(root);
        for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
                for (enum strategy strategy = NOBODY; strategy < N_STRATEGIES; strategy++) {
                        char host[sizeof root + 32];
                        if (strategy == NUMAD && !numad)
                                continue;
                        snprintf(host, sizeof host, "%s/%zu", root, i);
                        if (strategy == NUMAD)
                                make_directory(host, "");
                        run(&scenarios[i], strategy, host);
                }
        if (numad) {
                (void) umount(root);
                (void) rmdir(root);
        }
        return 0;
}

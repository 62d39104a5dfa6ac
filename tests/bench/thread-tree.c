/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "plain-files.h"
#include "thread-tree.h"

enum {
        FIRST_OWNER = 10000,
        OWNER_STEP = 20, /* thread ids from one owner to the next */
        FIRST_VCPU = 2,  /* threads of an owner, by the distance of their ids from its own */
        N_VCPUS = 4,
        FIRST_WORKER = 10,
        WORKERS_PER_OWNER = 2,
        FIRST_OTHER = 2000, /* other processes */
        FLAGS_PROCESS = 0x00400000,
        FLAGS_WORKER = 0x00404040, /* PF_USER_WORKER among them */
        SCHEDSTAT_MAX = 80,
        RUN_BASE = 987654321, /* counters of a host that has been up for a while */
};

static void put_thread(const struct thread_tree *tree, const char *directory, unsigned process, unsigned id, const char *name, unsigned flags) {
        char path[128];

        snprintf(path, sizeof path, "%s/comm", directory);
        plain_file_put(tree->root, path, "%s\n", name);
        snprintf(path, sizeof path, "%s/stat", directory);
        plain_file_put(tree->root, path, "%u (%s) S 1 %u %u 0 -1 %u 120 0 0 0 3 7 0 0 20 0 7 0 %u 0 0 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 -1 3 0 0\n", id, name,
                       process, process, flags, 5000 + id);
        snprintf(path, sizeof path, "%s/status", directory);
        plain_file_put(tree->root, path, "Name:\t%s\nTgid:\t%u\nPid:\t%u\nPPid:\t1\nCpus_allowed_list:\t0-31\nMems_allowed_list:\t0\n", name, process, id);
}

static void put_vm(const struct thread_tree *tree, unsigned owner) {
        char path[128], name[32];

        snprintf(path, sizeof path, "proc/%u", owner);
        put_thread(tree, path, owner, owner, "qemu-system-x86", FLAGS_PROCESS);
        snprintf(path, sizeof path, "proc/%u/cmdline", owner);
        plain_file_put(tree->root, path, "qemu-system-x86_64%c-name%cguest=vm%u,debug-threads=on%c-S%c", 0, 0, owner, 0, 0);
        snprintf(path, sizeof path, "proc/%u/task/%u", owner, owner);
        put_thread(tree, path, owner, owner, "qemu-system-x86", FLAGS_PROCESS);
        for (unsigned i = 0; i < N_VCPUS; i++) {
                unsigned id = owner + FIRST_VCPU + i;
                snprintf(path, sizeof path, "proc/%u/task/%u", owner, id);
                snprintf(name, sizeof name, "CPU %u/KVM", i);
                put_thread(tree, path, owner, id, name, FLAGS_PROCESS);
        }
}

static int format_schedstat(const struct thread_tree *tree, unsigned worker, char text[static SCHEDSTAT_MAX]) {
        return snprintf(text, SCHEDSTAT_MAX, "%lu %lu %lu\n", RUN_BASE * 1000ul + worker * 7777ul + tree->epoch * 31234567ul,
                        RUN_BASE * 3ul + tree->epoch * 1234567ul, 4000000 + tree->epoch * 99);
}

void thread_tree_make(struct thread_tree *tree, unsigned n_workers) {
        char path[128], name[32], text[SCHEDSTAT_MAX];
        unsigned n_owners = (n_workers + WORKERS_PER_OWNER - 1) / WORKERS_PER_OWNER;

        *tree = (struct thread_tree) { .n_workers = n_workers, .schedstat_fds = calloc(n_workers, sizeof *tree->schedstat_fds) };
        if (!tree->schedstat_fds)
                abort();
        plain_root_make(tree->root);
        for (unsigned i = 0; i < n_owners; i++) {
                put_vm(tree, FIRST_OWNER + i * OWNER_STEP);
                snprintf(path, sizeof path, "proc/%u", FIRST_OTHER + i);
                put_thread(tree, path, FIRST_OTHER + i, FIRST_OTHER + i, "sshd", FLAGS_PROCESS);
                snprintf(path, sizeof path, "proc/%u/task/%u", FIRST_OTHER + i, FIRST_OTHER + i);
                put_thread(tree, path, FIRST_OTHER + i, FIRST_OTHER + i, "sshd", FLAGS_PROCESS);
        }
        for (unsigned i = 0; i < n_workers; i++) {
                unsigned owner = FIRST_OWNER + i / WORKERS_PER_OWNER * OWNER_STEP, id = owner + FIRST_WORKER + i % WORKERS_PER_OWNER;
                snprintf(path, sizeof path, "proc/%u/task/%u", owner, id);
                snprintf(name, sizeof name, "vhost-%u", owner);
                put_thread(tree, path, owner, id, name, FLAGS_WORKER);
                snprintf(path, sizeof path, "proc/%u/task/%u/schedstat", owner, id);
                format_schedstat(tree, i, text);
                tree->schedstat_fds[i] = plain_file(tree->root, path, "%s", text);
        }
        plain_file_put(tree->root, "proc/loadavg", "0.10 0.20 0.30 1/1500 %u\n", FIRST_OWNER + n_owners * OWNER_STEP);
}

void thread_tree_advance(struct thread_tree *tree) {
        char text[SCHEDSTAT_MAX];

        tree->epoch++;
        for (unsigned i = 0; i < tree->n_workers; i++)
                plain_file_rewrite(tree->schedstat_fds[i], text, format_schedstat(tree, i, text));
}

void thread_tree_remove(struct thread_tree *tree) {
        for (unsigned i = 0; i < tree->n_workers; i++)
                close(tree->schedstat_fds[i]);
        free(tree->schedstat_fds);
        plain_root_remove(tree->root);
}

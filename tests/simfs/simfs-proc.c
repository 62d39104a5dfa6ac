/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fixture /proc that goes with the interface: DIR/<pid>/{status,cmdline,stat} of each VM's process and DIR/stat with the times of
 * the model's CPUs. Regular files: a reader that keeps DIR/stat open sees it rewritten in place, line by line of the same width.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "simfs.h"

#define TICKS_PER_SECOND 100 /* USER_HZ on every architecture that runs KVM */

static const char *const vm_files[] = {"status", "cmdline", "stat"};

int simfs_proc_open(struct simfs *fs, const char *path) {
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                return -errno;
        fs->proc_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fs->proc_fd < 0)
                return -errno;
        fs->proc_stat_fd = openat(fs->proc_fd, "stat", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        return fs->proc_stat_fd < 0 ? -errno : 0;
}

static unsigned long long ticks(const struct simfs *fs, uint64_t cycles) {
        return cycles / (fs->scenario->topology.cycles_per_usec * (1000000u / TICKS_PER_SECOND));
}

static void print_cpu(const struct simfs *fs, FILE *stream, const char *name, uint64_t vcpu_cycles, uint64_t worker_cycles, uint64_t total_cycles) {
        unsigned long long user = ticks(fs, vcpu_cycles), system = ticks(fs, worker_cycles), total = ticks(fs, total_cycles);

        /* user nice system idle iowait irq softirq steal guest guest_nice; a guest's time is counted in user too. One blank between two, as the
         * kernel writes them; zeros in front, so that a reader who meets a half written file still finds each number in its place */
        fprintf(stream, "%s %012llu 0 %012llu %012llu 0 0 0 0 %012llu 0\n", name, user, system, total > user + system ? total - user - system : 0, user);
}

void simfs_proc_update_stat(struct simfs *fs) {
        _cleanup_free_ char *text = NULL;
        size_t length = 0;
        uint64_t vcpus = 0, workers = 0;

        if (fs->proc_stat_fd < 0)
                return;
        FILE *stream = open_memstream(&text, &length);
        if (!stream)
                return;
        for (int i = 0; (size_t) i < model_n_cpus(fs->model); i++) {
                vcpus += model_cpu(fs->model, i)->vcpu_cycles;
                workers += model_cpu(fs->model, i)->worker_cycles;
        }
        print_cpu(fs, stream, "cpu ", vcpus, workers, model_cycles(fs->model) * model_n_cpus(fs->model));
        for (int i = 0; (size_t) i < model_n_cpus(fs->model); i++) {
                const struct model_cpu *cpu = model_cpu(fs->model, i);
                char name[16];
                snprintf(name, sizeof(name), "cpu%d", i);
                print_cpu(fs, stream, name, cpu->vcpu_cycles, cpu->worker_cycles, model_cycles(fs->model));
        }
        fprintf(stream, "intr 0\nctxt 0\nbtime 1700000000\nprocesses 1\nprocs_running 1\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n");
        if (fclose(stream) != 0)
                return;
        if (pwrite(fs->proc_stat_fd, text, length, 0) != (ssize_t) length)
                fprintf(stderr, "iocore-simfs: stat of the fixture /proc cannot be written, ignoring\n");
}

static int write_file(int directory, const char *name, const char *text, size_t length) {
        _cleanup_close_ int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        if (fd < 0)
                return -errno;
        return write(fd, text, length) == (ssize_t) length ? 0 : -EIO;
}

static int print_status(const struct simfs *fs, const struct scenario_vm *vm, char *ret, size_t size) {
        unsigned per_node = scenario_n_cpus(fs->scenario) / scenario_n_nodes(fs->scenario);
        unsigned first = (unsigned) vm->node * per_node;

        return snprintf(ret, size,
                        "Name:\tqemu-system-x86\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t1\nThreads:\t%u\n"
                        "Cpus_allowed_list:\t%u%s%.0u\nMems_allowed_list:\t%d\nvoluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n",
                        vm->pid, vm->pid, vm->n_vcpus + 2, first, per_node > 1 ? "-" : "", per_node > 1 ? first + per_node - 1 : 0, vm->node);
}

static int write_vm(const struct simfs *fs, int directory, const struct scenario_vm *vm) {
        char text[1024];
        int n = print_status(fs, vm, text, sizeof(text)), r;

        r = write_file(directory, "status", text, (size_t) n);
        if (r < 0)
                return r;
        n = snprintf(text, sizeof(text), "qemu-system-x86_64%c-name%cguest=%s,debug-threads=on%c-S%c", 0, 0, vm->name, 0, 0);
        r = write_file(directory, "cmdline", text, (size_t) n);
        if (r < 0)
                return r;
        n = snprintf(text, sizeof(text),
                     "%d (qemu-system-x86) S 1 %d %d 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 %u 0 %llu 0 0 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
                     vm->pid, vm->pid, vm->pid, vm->n_vcpus + 2, (unsigned long long) model_now_usec(fs->model) / (1000000 / TICKS_PER_SECOND));
        return write_file(directory, "stat", text, (size_t) n);
}

static void remove_vm(const struct simfs *fs, const char *name) {
        char path[64];

        for (size_t i = 0; i < ELEMENTSOF(vm_files); i++) {
                snprintf(path, sizeof(path), "%.24s/%s", name, vm_files[i]);
                (void) unlinkat(fs->proc_fd, path, 0);
        }
        (void) unlinkat(fs->proc_fd, name, AT_REMOVEDIR);
}

/* A process appears at once with all its files: they are written under another name first. */
static int add_vm(const struct simfs *fs, const struct scenario_vm *vm) {
        char name[24];
        int r;

        remove_vm(fs, ".new");
        if (mkdirat(fs->proc_fd, ".new", 0755) < 0)
                return -errno;
        _cleanup_close_ int directory = openat(fs->proc_fd, ".new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0)
                return -errno;
        r = write_vm(fs, directory, vm);
        if (r < 0)
                return r;
        snprintf(name, sizeof(name), "%d", vm->pid);
        remove_vm(fs, name); /* left by an earlier run */
        return renameat(fs->proc_fd, ".new", fs->proc_fd, name) < 0 ? -errno : 0;
}

void simfs_proc_update_vms(struct simfs *fs) {
        if (fs->proc_fd < 0 || fs->proc_generation == model_generation(fs->model))
                return;
        fs->proc_generation = model_generation(fs->model);
        for (size_t i = 0; i < model_n_vms(fs->model); i++) {
                const struct model_vm *vm = model_vm_at(fs->model, i);
                bool present = vm->state != MODEL_VM_ABSENT;
                char name[24];
                if (present == fs->proc_present[i])
                        continue;
                fs->proc_present[i] = present;
                snprintf(name, sizeof(name), "%d", vm->scenario->pid);
                if (!present)
                        remove_vm(fs, name);
                else if (add_vm(fs, vm->scenario) < 0)
                        fprintf(stderr, "iocore-simfs: process %s cannot be added to the fixture /proc, ignoring\n", name);
        }
}

void simfs_proc_close(struct simfs *fs) {
        if (fs->proc_fd < 0)
                return;
        for (size_t i = 0; fs->model && i < model_n_vms(fs->model); i++) {
                char name[24];
                snprintf(name, sizeof(name), "%d", model_vm_at(fs->model, i)->scenario->pid);
                if (fs->proc_present[i])
                        remove_vm(fs, name);
        }
        remove_vm(fs, ".new");
        (void) unlinkat(fs->proc_fd, "stat", 0);
        if (fs->proc_stat_fd >= 0)
                close(fs->proc_stat_fd);
        close(fs->proc_fd);
}

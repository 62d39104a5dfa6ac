/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* iocorectl doctor on a host of which one file holds any bytes: each check has an answer, and one that a terminal takes. */
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/iocorectl/doctor.h"
#include "cleanup.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input's first byte chooses one; the rest is what it holds then. */
static const struct {
        const char *path, *text;
} files[] = {
        {"proc/self/mounts", "proc /proc proc rw,hidepid=2 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"},
        {"proc/self/status", "Name:\tx\nCapEff:\t00000000a0041000\n"},
        {"proc/sys/kernel/osrelease", "6.12.1\n"},
        {"proc/net/connector", "Name            ID\ncn_proc         1:1\n"},
        {"proc/cpuinfo", "processor\t: 0\n"},
        {"proc/7/comm", "vhost-5\n"},
        {"proc/7/stat", "7 (vhost-5) S 2 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 42 0\n"},
        {"sys/fs/cgroup/cgroup.controllers", "cpuset cpu\n"},
        {"sys/fs/cgroup/machine.slice/cgroup.controllers", "cpu\n"},
        {"sys/fs/cgroup/cpuset.cpus.isolated", "\n"},
        {"sys/devices/system/cpu/isolated", "2-3\n"},
        {"sys/devices/system/cpu/nohz_full", "  (null)\n"},
        {"sys/devices/system/cpu/smt/active", "1\n"},
        {"sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,8\n"},
        {"sys/devices/system/node/online", "0-1\n"},
        {"sys/module/vhost/parameters/fork_from_owner_default", "Y\n"},
        {"sys/module/kvm_intel/parameters/enable_apicv", "N\n"},
        {"sys/module/kvm/parameters/halt_poll_ns", "200000\n"},
        {"sys/kernel/mm/ksm/run", "1\n"},
        {"sys/kernel/mm/ksm/merge_across_nodes", "1\n"},
};

static char root[] = "/tmp/fuzz-doctor.XXXXXX";

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where) {
        (void) status, (void) type, (void) where;
        return remove(path);
}

static void remove_host(void) {
        (void) nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *path, const void *data, size_t size) {
        char full[PATH_MAX];
        int fd;

        (void) snprintf(full, sizeof(full), "%s/%s", root, path);
        for (char *slash = full + sizeof(root); (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                (void) mkdir(full, 0700);
                *slash = '/';
        }
        fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, data, size) != (ssize_t) size)
                abort();
        (void) close(fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
        (void) argc, (void) argv;
        if (!mkdtemp(root) || atexit(remove_host) != 0)
                abort();
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                write_file(files[i].path, files[i].text, strlen(files[i].text));
        return 0;
}

static void check_text(const char *text, size_t size) {
        if (strnlen(text, size) == size)
                abort();
        for (const unsigned char *c = (const unsigned char *) text; *c; c++)
                if (*c < 0x20 || *c == 0x7f)
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct doctor_host host;
        size_t chosen;

        if (size == 0)
                return 0;
        chosen = data[0] % ELEMENTSOF(files);
        write_file(files[chosen].path, data + 1, size - 1);
        if (doctor_host_open(&host, root) < 0)
                abort();
        for (const struct doctor_check *check = doctor_checks; check->name; check++) {
                struct doctor_finding finding = {.answer = DOCTOR_UNKNOWN};

                check->look(&host, &finding);
                if (finding.answer > DOCTOR_UNKNOWN || finding.found[0] == '\0')
                        abort();
                check_text(finding.found, sizeof(finding.found));
                check_text(finding.advice, sizeof(finding.advice));
        }
        doctor_host_close(&host);
        write_file(files[chosen].path, files[chosen].text, strlen(files[chosen].text));
        return 0;
}

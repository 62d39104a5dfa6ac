/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What KVM, memory and interrupts do beside iocored. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "doctor.h"

#define HALT_POLL "/sys/module/kvm/parameters/halt_poll_ns"
#define KSM "/sys/kernel/mm/ksm/"

/* A module's boolean: "Y" "N", "1" "0" of older kernels. 1, 0, -errno; -ENOMSG: something else. */
static int read_switch(const struct doctor_host *host, const char *path, char *ret_text, size_t size) {
        int r = doctor_read(host, path, ret_text, size);

        if (r < 0)
                return r;
        if (strcmp(ret_text, "Y") == 0 || strcmp(ret_text, "1") == 0)
                return 1;
        return strcmp(ret_text, "N") == 0 || strcmp(ret_text, "0") == 0 ? 0 : -ENOMSG;
}

/* A whole decimal number. 0; -errno; -ENOMSG: something else. */
static int read_number(const struct doctor_host *host, const char *path, char *ret_text, size_t size, unsigned long *ret) {
        int r = doctor_read(host, path, ret_text, size);

        if (r < 0)
                return r;
        if (ret_text[0] == '\0' || strlen(ret_text) > 18 || strspn(ret_text, "0123456789") != strlen(ret_text))
                return -ENOMSG;
        *ret = strtoul(ret_text, NULL, 10);
        return 0;
}

static void cannot_tell(struct doctor_finding *finding, const char *path, int r, const char *text) {
        if (r == -ENOMSG)
                finding_nonsense(finding, path, text);
        else
                finding_unreadable(finding, path, r);
}

/* Is it an Arm machine, whose /proc/cpuinfo has lines that others have not? arch/arm64/kernel/cpuinfo.c, c_show() */
static bool is_arm(const struct doctor_host *host) {
        _cleanup_close_ int fd = doctor_open(host, "/proc/cpuinfo", O_RDONLY);
        char text[4096]; /* the first CPU */
        ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

        text[n > 0 ? n : 0] = '\0';
        return strstr(text, "CPU implementer") != NULL;
}

void doctor_check_posted_interrupts(const struct doctor_host *host, struct doctor_finding *ret) {
        static const struct {
                const char *path, *name, *advice;
        } vendors[] = {
                {"/sys/module/kvm_intel/parameters/enable_apicv", "APICv", "options kvm_intel enable_apicv=1, on a CPU that has it"},
                {"/sys/module/kvm_amd/parameters/avic", "AVIC", "options kvm_amd avic=1, on a CPU that has it"},
        };

        for (size_t i = 0; i < ELEMENTSOF(vendors); i++) {
                char text[16];
                const int r = read_switch(host, vendors[i].path, text, sizeof(text));

                if (r == -ENOENT)
                        continue;
                if (r < 0)
                        cannot_tell(ret, vendors[i].path, r, text);
                else if (r > 0)
                        finding_set(ret, DOCTOR_YES, "%s is on: guests take interrupts without an exit", vendors[i].name);
                else {
                        finding_set(ret, DOCTOR_NO, "%s is off: each interrupt is an exit of the guest", vendors[i].name);
                        finding_advise(ret, "%s", vendors[i].advice);
                }
                return;
        }
        if (is_arm(host)) {
                finding_set(ret, DOCTOR_NOT_APPLICABLE, "Arm has them in its interrupt controller (GICv4), not in a parameter of KVM");
                return;
        }
        finding_set(ret, DOCTOR_NO, "neither kvm_intel nor kvm_amd is loaded");
        finding_advise(ret, "modprobe kvm_intel, or kvm_amd");
}

void doctor_check_halt_polling(const struct doctor_host *host, struct doctor_finding *ret) {
        unsigned long nanoseconds = 0;
        char text[64];
        const int r = read_number(host, HALT_POLL, text, sizeof(text), &nanoseconds);

        if (r == -ENOENT) {
                finding_set(ret, DOCTOR_NO, "the module kvm is not loaded");
                finding_advise(ret, "modprobe kvm");
        } else if (r < 0)
                cannot_tell(ret, HALT_POLL, r, text);
        else if (nanoseconds > 0) {
                finding_set(ret, DOCTOR_YES, "a vCPU that halts polls for up to %lu us", nanoseconds / 1000);
                finding_advise(ret, "it shortens wake-ups and makes idle vCPUs look busy; off: echo 0 >" HALT_POLL);
        } else {
                finding_set(ret, DOCTOR_NO, "off");
                finding_advise(ret, "echo 200000 >" HALT_POLL);
        }
}

void doctor_check_ksm(const struct doctor_host *host, struct doctor_finding *ret) {
        unsigned long run = 0, across = 0;
        char text[64];
        int r = read_number(host, KSM "run", text, sizeof(text), &run);

        if (r == -ENOENT) {
                finding_set(ret, DOCTOR_NO, "this kernel has none");
                return;
        }
        if (r < 0 || run > 2) {
                cannot_tell(ret, KSM "run", r < 0 ? r : -ENOMSG, text);
                return;
        }
        finding_set(ret, run == 1 ? DOCTOR_YES : DOCTOR_NO, run == 1 ? "pages of guests are merged" : run == 2 ? "off, and all was unmerged" : "off");
        r = read_number(host, KSM "merge_across_nodes", text, sizeof(text), &across);
        if (r < 0 && r != -ENOENT) /* kernels without NUMA have no such file */
                cannot_tell(ret, KSM "merge_across_nodes", r, text);
        else if (r == 0 && across == 1 && run == 1) {
                finding_add(ret, ", also of different NUMA nodes");
                finding_advise(ret, "guests then read memory of other nodes; it can only be switched off while nothing is merged: echo 2 >" KSM
                                    "run; echo 0 >" KSM "merge_across_nodes; echo 1 >" KSM "run");
        }
}

/* The name of its socket has the number of its process. */
static bool has_socket(const struct doctor_host *host, int *ret_error) {
        int fd = doctor_open(host, "/run/irqbalance", O_RDONLY | O_DIRECTORY);
        _cleanup_closedir_ DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;

        if (!directory) {
                *ret_error = fd < 0 ? fd : -errno;
                if (fd >= 0)
                        (void) close(fd);
                return false;
        }
        for (struct dirent *entry; (entry = readdir(directory));)
                if (fnmatch("irqbalance*.sock", entry->d_name, 0) == 0)
                        return true;
        return false;
}

void doctor_check_irqbalance(const struct doctor_host *host, struct doctor_finding *ret) {
        int error = 0;
        const bool socket = has_socket(host, &error);

        if (host->processes.irqbalance > 0)
                finding_set(ret, DOCTOR_YES, "runs as process %d", (int) host->processes.irqbalance);
        else if (socket)
                finding_set(ret, DOCTOR_YES, "has a socket in /run/irqbalance, though no process of that name is seen");
        else if (host->processes.error < 0)
                finding_unreadable(ret, "/proc", host->processes.error);
        else if (error < 0 && error != -ENOENT && error != -ENOTDIR)
                finding_unreadable(ret, "/run/irqbalance", error);
        else
                finding_set(ret, DOCTOR_NO, "does not run");
        if (ret->answer == DOCTOR_YES)
                finding_advise(ret, "it may put interrupts of other devices onto I/O cores: ban these CPUs (IRQBALANCE_BANNED_CPULIST)");
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's CPUs: siblings, nodes, isolation. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/cleanup.h"
#include "doctor.h"

#define CPU "/sys/devices/system/cpu"

/* A list of CPUs or nodes as kernels write it; nothing, or "(null)" with or without blanks before it, where there are none. 0; -errno; -ENOMSG: no list. */
static int read_list(const struct doctor_host *host, const char *path, char *ret, size_t size) {
        int r = doctor_read(host, path, ret, size);

        if (r < 0)
                return r;
        if (strcmp(ret + strspn(ret, " "), "(null)") == 0)
                ret[0] = '\0';
        return strspn(ret, "0123456789,-") == strlen(ret) ? 0 : -ENOMSG;
}

static void unreadable_list(struct doctor_finding *finding, const char *path, int r, const char *text) {
        if (r == -ENOMSG)
                finding_nonsense(finding, path, text);
        else
                finding_unreadable(finding, path, r);
}

void doctor_check_smt(const struct doctor_host *host, struct doctor_finding *ret) {
        static const char path[] = CPU "/cpu0/topology/thread_siblings_list";
        char active[16], control[32], siblings[4096];
        int r = doctor_read(host, CPU "/smt/active", active, sizeof(active));

        if (r < 0 && r != -ENOENT) {
                finding_unreadable(ret, CPU "/smt/active", r);
                return;
        }
        if (r == 0 && strcmp(active, "0") != 0 && strcmp(active, "1") != 0) {
                finding_nonsense(ret, CPU "/smt/active", active);
                return;
        }
        const bool asked = r == 0, on = asked && active[0] == '1';
        r = read_list(host, path, siblings, sizeof(siblings));
        if (r < 0 && !(asked && !on)) {
                unreadable_list(ret, path, r, siblings);
                return;
        }
        if (on || (!asked && strpbrk(siblings, ",-"))) {
                finding_set(ret, DOCTOR_YES, "active: CPU 0 is of the physical core with the CPUs %s", siblings);
                finding_advise(ret, "an I/O core takes its siblings out of the VM cores, unless whole-physical-cores is off");
                return;
        }
        finding_set(ret, DOCTOR_NO, "each CPU is a physical core");
        if (doctor_read(host, CPU "/smt/control", control, sizeof(control)) == 0)
                finding_add(ret, "; smt/control: %s", control);
}

void doctor_check_numa(const struct doctor_host *host, struct doctor_finding *ret) {
        static const char path[] = "/sys/devices/system/node/online";
        char nodes[1024];
        int r = read_list(host, path, nodes, sizeof(nodes));

        if (r == -ENOENT)
                finding_set(ret, DOCTOR_NO, "this kernel knows no nodes");
        else if (r < 0)
                unreadable_list(ret, path, r, nodes);
        else if (strpbrk(nodes, ",-"))
                finding_set(ret, DOCTOR_YES, "nodes %s: each has I/O cores of its own", nodes);
        else
                finding_set(ret, DOCTOR_NO, "one node");
}

void doctor_check_isolated(const struct doctor_host *host, struct doctor_finding *ret) {
        char partitions[512];
        const struct {
                const char *path, *name;
                bool optional; /* not every kernel has it */
        } sources[] = {
                {CPU "/isolated", "isolated", false},
                {CPU "/nohz_full", "nohz_full", true},
                {partitions, "in isolated partitions", true},
        };
        bool any = false;

        (void) snprintf(partitions, sizeof(partitions), "%s/cpuset.cpus.isolated", host->mounts.unified);
        finding_set(ret, DOCTOR_NO, "%s", "");
        for (size_t i = 0; i < ELEMENTSOF(sources); i++) {
                char list[4096];
                int r = sources[i].path == partitions && host->mounts.unified[0] == '\0' ? -ENOENT :
                                                                                          read_list(host, sources[i].path, list, sizeof(list));

                if (r == -ENOENT && sources[i].optional)
                        continue;
                if (r < 0) {
                        unreadable_list(ret, sources[i].path, r, list);
                        return;
                }
                if (list[0] == '\0')
                        continue;
                finding_add(ret, "%s%s: CPU %s", any ? "; " : "", sources[i].name, list);
                any = true;
        }
        if (any) {
                ret->answer = DOCTOR_YES;
                finding_advise(ret, "iocored leaves isolated CPUs alone unless use-isolated is set in [cores]");
        } else {
                finding_set(ret, DOCTOR_NO, "no CPU is isolated");
                finding_advise(ret, "not needed; isolcpus= at boot, or a cpuset partition (partition= of vhost-thread makes one of the I/O cores), isolates CPUs");
        }
}

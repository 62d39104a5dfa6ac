/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What iocored may do here: rights, /proc, cgroups, systemd. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/capability.h>

#include "daemon/cleanup.h"
#include "doctor.h"

void doctor_check_rights(const struct doctor_host *host, struct doctor_finding *ret) {
        static const struct {
                int capability;
                const char *name, *what;
        } needed[] = {
                {CAP_SYS_NICE, "CAP_SYS_NICE", "to move threads"},
                {CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "to see what a guest's process has open"},
                {CAP_NET_ADMIN, "CAP_NET_ADMIN", "to hear of new threads"},
        };
        char missing[256] = "";
        size_t n = 0;

        if (host->status_error < 0) {
                finding_unreadable(ret, "/proc/self/status", host->status_error);
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(needed); i++) {
                const size_t used = strlen(missing);

                if (doctor_may(host, needed[i].capability))
                        continue;
                (void) snprintf(missing + used, sizeof(missing) - used, "%s%s (%s)", n++ ? ", " : "", needed[i].name, needed[i].what);
        }
        if (n == 0) {
                finding_set(ret, DOCTOR_YES, "this process has CAP_SYS_NICE, CAP_SYS_PTRACE and CAP_NET_ADMIN");
                return;
        }
        finding_set(ret, n == ELEMENTSOF(needed) ? DOCTOR_NO : DOCTOR_PARTLY, "this process lacks %s", missing);
        finding_advise(ret, "run as root; iocored.service gives the daemon what it needs, whoever asks here");
}

static bool is_off(const char *hidepid) {
        return hidepid[0] == '\0' || strcmp(hidepid, "0") == 0 || strcmp(hidepid, "off") == 0;
}

void doctor_check_proc(const struct doctor_host *host, struct doctor_finding *ret) {
        const struct doctor_mounts *mounts = &host->mounts;

        if (mounts->error < 0)
                finding_unreadable(ret, "/proc/self/mounts", mounts->error);
        else if (!mounts->proc_found)
                finding_set(ret, DOCTOR_UNKNOWN, "/proc/self/mounts has no /proc");
        else if (is_off(mounts->hidepid))
                finding_set(ret, DOCTOR_YES, "every process can be seen");
        else if (doctor_may(host, CAP_SYS_PTRACE))
                finding_set(ret, DOCTOR_YES, "hidepid=%s, through which CAP_SYS_PTRACE sees", mounts->hidepid);
        else {
                finding_set(ret, DOCTOR_NO, "hidepid=%s: processes of others are hidden", mounts->hidepid);
                finding_advise(ret, "CAP_SYS_PTRACE, or the mount option gid= of /proc");
        }
}

/* ---- cpusets */

/* Has the cgroup below the unified hierarchy the controller? 1, 0, -errno; -ENOENT: there is no such cgroup. */
static int has_controller(const struct doctor_host *host, const char *cgroup, const char *controller) {
        char path[512], text[1024];
        int r;

        (void) snprintf(path, sizeof(path), "%s%s/cgroup.controllers", host->mounts.unified, cgroup);
        r = doctor_read(host, path, text, sizeof(text));
        return r < 0 ? r : doctor_has_word(text, controller);
}

static void check_cpuset_v2(const struct doctor_host *host, struct doctor_finding *ret) {
        const char *unified = host->mounts.unified;
        int r = has_controller(host, "", "cpuset");

        if (r < 0) {
                char path[512];

                (void) snprintf(path, sizeof(path), "%s/cgroup.controllers", unified);
                finding_unreadable(ret, path, r);
                return;
        }
        if (r == 0) {
                finding_set(ret, DOCTOR_NO, "v2 at %s, without the controller cpuset", unified);
                finding_advise(ret, "a kernel with CONFIG_CPUSETS; no cgroup_disable=cpuset");
                return;
        }
        r = has_controller(host, "/machine.slice", "cpuset");
        if (r == -ENOENT)
                finding_set(ret, DOCTOR_YES, "v2 at %s; there is no machine.slice (no guest of libvirt has run)", unified);
        else if (r < 0)
                finding_set(ret, DOCTOR_PARTLY, "v2 at %s; machine.slice cannot be looked at: %s", unified, strerror(-r));
        else if (r > 0)
                finding_set(ret, DOCTOR_YES, "v2 at %s, enabled for machine.slice", unified);
        else {
                finding_set(ret, DOCTOR_PARTLY, "v2 at %s, not enabled for machine.slice: guests are confined by affinity alone", unified);
                finding_advise(ret, "systemctl set-property --runtime machine.slice AllowedCPUs=... enables it");
        }
}

void doctor_check_cpuset(const struct doctor_host *host, struct doctor_finding *ret) {
        const struct doctor_mounts *mounts = &host->mounts;

        if (mounts->error < 0)
                finding_unreadable(ret, "/proc/self/mounts", mounts->error);
        else if (mounts->cpuset_v1[0] != '\0')
                finding_set(ret, DOCTOR_YES, "v1 at %s%s%s", mounts->cpuset_v1,
                            mounts->unified[0] ? "; hybrid: v2 is there too, without cpusets, at " : "", mounts->unified);
        else if (mounts->unified[0] != '\0')
                check_cpuset_v2(host, ret);
        else {
                finding_set(ret, DOCTOR_NO, "no cgroups with cpusets are mounted");
                finding_advise(ret, "mount -t cgroup2 none /sys/fs/cgroup; workers are placed by affinity without them");
        }
}

void doctor_check_systemd(const struct doctor_host *host, struct doctor_finding *ret) {
        /* as sd_booted(3) looks */
        const int r = doctor_exists(host, "/run/systemd/system");

        if (r < 0)
                finding_unreadable(ret, "/run/systemd/system", r);
        else if (r > 0)
                finding_set(ret, DOCTOR_YES, "/run/systemd/system is there");
        else {
                finding_set(ret, DOCTOR_NO, "no /run/systemd/system");
                finding_advise(ret, "without it no slice of the host can be kept off I/O cores");
        }
}

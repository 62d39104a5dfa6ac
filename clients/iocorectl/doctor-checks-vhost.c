/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of vhost the kernel has, and how one learns of its workers. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/capability.h>

#include "daemon/cleanup.h"
#include "doctor.h"

#define FORK_FROM_OWNER "/sys/module/vhost/parameters/fork_from_owner_default"
#define CONTROL_INTERFACE "/sys/class/vhost"

/* The first two numbers of a release. 0 or -EINVAL. */
static int parse_release(const char *text, unsigned *ret_major, unsigned *ret_minor) {
        return sscanf(text, "%4u.%4u", ret_major, ret_minor) == 2 ? 0 : -EINVAL; /* NOLINT(cert-err34-c): four digits do not overflow */
}

void doctor_check_kernel(const struct doctor_host *host, struct doctor_finding *ret) {
        char text[128];
        unsigned major, minor;
        int r = doctor_read(host, "/proc/sys/kernel/osrelease", text, sizeof(text));

        if (r < 0)
                finding_unreadable(ret, "/proc/sys/kernel/osrelease", r);
        else if (parse_release(text, &major, &minor) < 0)
                finding_nonsense(ret, "/proc/sys/kernel/osrelease", text);
        else
                finding_set(ret, DOCTOR_YES, "Linux %s", text);
}

void doctor_check_vhost(const struct doctor_host *host, struct doctor_finding *ret) {
        static const struct {
                const char *path, *name;
        } parts[] = {
                {"/dev/vhost-net", "/dev/vhost-net"},     {"/sys/module/vhost", "module vhost"},
                {"/sys/module/vhost_net", "vhost_net"},   {"/sys/module/vhost_scsi", "vhost_scsi"},
                {"/sys/module/vhost_vsock", "vhost_vsock"},
        };
        char there[256] = "";
        bool device = false, module = false;

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                const int r = doctor_exists(host, parts[i].path);
                const size_t used = strlen(there);

                if (r < 0) {
                        finding_unreadable(ret, parts[i].path, r);
                        return;
                }
                if (r == 0)
                        continue;
                device = device || i == 0;
                module = module || i == 1;
                (void) snprintf(there + used, sizeof(there) - used, "%s%s", used ? ", " : "", parts[i].name);
        }
        if (there[0] == '\0') {
                finding_set(ret, DOCTOR_NO, "neither /dev/vhost-net nor a vhost module");
                finding_advise(ret, "modprobe vhost_net; the kernel needs CONFIG_VHOST_NET");
        } else if (device && module)
                finding_set(ret, DOCTOR_YES, "%s", there);
        else {
                finding_set(ret, DOCTOR_PARTLY, "%s", there);
                finding_advise(ret, device ? "the module is loaded when a guest first opens the device" : "modprobe vhost_net");
        }
}

void doctor_check_control_interface(const struct doctor_host *host, struct doctor_finding *ret) {
        const int r = doctor_exists(host, CONTROL_INTERFACE "/worker/create");

        if (r < 0)
                finding_unreadable(ret, CONTROL_INTERFACE "/worker/create", r);
        else if (r > 0)
                finding_set(ret, DOCTOR_YES, CONTROL_INTERFACE ": workers are shared, queues can be polled and limited");
        else {
                finding_set(ret, DOCTOR_NO, "no " CONTROL_INTERFACE "/worker: queues cannot be polled or limited, workers not be shared");
                finding_advise(ret, "a kernel with the ELVIS or IOcm patches; without them iocored places worker threads by their affinity");
        }
}

/* Why workers have the shape that they have, where the kernel lets one choose. */
static void tell_fork_from_owner(const struct doctor_host *host, struct doctor_finding *ret) {
        char text[16];

        if (doctor_read(host, FORK_FROM_OWNER, text, sizeof(text)) < 0)
                return;
        finding_add(ret, "; fork_from_owner_default is %s", text);
        if (text[0] == 'Y')
                finding_advise(ret, "such threads live in their owner's cgroup; kernel threads instead: options vhost fork_from_owner_default=0");
}

/* Linux 6.4 has made workers threads of their owner; with fork_from_owner_default (6.12.42, 6.17) that is a choice. */
static bool makes_kernel_threads(const struct doctor_host *host, unsigned major, unsigned minor) {
        char text[16];

        if (major < 6 || (major == 6 && minor < 4))
                return true;
        return doctor_read(host, FORK_FROM_OWNER, text, sizeof(text)) == 0 && text[0] == 'N';
}

void doctor_check_workers(const struct doctor_host *host, struct doctor_finding *ret) {
        const struct doctor_processes *processes = &host->processes;
        const char *sorry = processes->n_unreadable > 0 ? "look as root" : "";
        unsigned major, minor;
        char release[128];

        if (processes->error < 0) {
                finding_unreadable(ret, "/proc", processes->error);
                return;
        }
        if (processes->n_kernel_workers + processes->n_task_workers > 0)
                finding_set(ret, DOCTOR_YES, "%u kernel threads, %u threads of their owner's process", processes->n_kernel_workers,
                            processes->n_task_workers);
        else if (processes->n_unreadable > 0) {
                finding_set(ret, DOCTOR_UNKNOWN, "none seen, but the threads of %u processes may not be listed", processes->n_unreadable);
                finding_advise(ret, "%s", sorry);
                return;
        } else if (doctor_read(host, "/proc/sys/kernel/osrelease", release, sizeof(release)) < 0 || parse_release(release, &major, &minor) < 0)
                finding_set(ret, DOCTOR_NO, "none among %u processes", processes->n_processes);
        else
                finding_set(ret, DOCTOR_NO, "none among %u processes; this kernel would make them %s", processes->n_processes,
                            makes_kernel_threads(host, major, minor) ? "kernel threads" : "threads of their owner's process");
        if (ret->answer == DOCTOR_NO)
                finding_advise(ret, "start a guest whose devices use vhost");
        tell_fork_from_owner(host, ret);
        if (processes->n_pretenders > 0)
                finding_add(ret, "; %u threads only call themselves so", processes->n_pretenders);
        if (processes->n_unreadable > 0)
                finding_add(ret, "; the threads of %u processes may not be listed", processes->n_unreadable);
}

/* Lines "NAME INDEX:VALUE" of whoever offers something by the kernel's connector; drivers/connector/connector.c, cn_proc_show(). */
void doctor_check_connector(const struct doctor_host *host, struct doctor_finding *ret) {
        static const char path[] = "/proc/net/connector";
        char text[4096];
        int r = doctor_read(host, path, text, sizeof(text));

        if (r < 0 && r != -ENOENT) {
                finding_unreadable(ret, path, r);
                return;
        }
        if (r == -ENOENT || !doctor_has_word(text, "cn_proc")) {
                finding_set(ret, DOCTOR_NO, r == -ENOENT ? "no %s: new workers are found by scans only" :
                                                           "no cn_proc in %s: new workers are found by scans only", path);
                finding_advise(ret, "a kernel with CONFIG_PROC_EVENTS, in the initial network namespace");
                return;
        }
        r = host->try_connector ? host->try_connector() : 0;
        if (r == 0 && (host->try_connector || doctor_may(host, CAP_NET_ADMIN)))
                finding_set(ret, DOCTOR_YES, "the kernel tells of each new thread%s", host->try_connector ? "; its socket opens" : "");
        else if (r == 0 || r == -EPERM || r == -EACCES) {
                finding_set(ret, DOCTOR_PARTLY, "the kernel has it, this process may not listen");
                finding_advise(ret, "CAP_NET_ADMIN");
        } else {
                finding_set(ret, DOCTOR_NO, "the kernel has it, but its socket cannot be opened: %s", strerror(-r));
                finding_advise(ret, "run in the initial network namespace");
        }
}

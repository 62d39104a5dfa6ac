/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the process that owns a virtio backend (QEMU) tells about its VM: the NUMA node it lives on and its name. */
#ifndef OWNER_H
#define OWNER_H

#include <sys/types.h>

#include "plugins/iocore-plugin.h"

struct owner {
        int node;                     /* the one NUMA node that it may use, or IOCORE_NODE_UNKNOWN */
        char domain[IOCORE_NAME_MAX]; /* name of its VM, "" when it is not a VM that has one */
};

/* Reads /proc/PID/status, /proc/PID/cmdline, and /proc/PID/cgroup when the command line has no name. 0; -ESRCH: there is no such process (any more); -errno: unreadable. *ret is always usable: what is
 * not known says so. */
int owner_read(const struct iocore_services *services, struct iocore_context *context, pid_t pid, struct owner *ret);

/* The node out of the text of /proc/PID/status: Mems_allowed_list when it names one node, else Cpus_allowed_list when all its CPUs are of one node.
 * `cpu_node` tells the node of a CPU, IOCORE_NODE_UNKNOWN for one that does not exist. */
int owner_parse_node(const char *status, int n_cpus, int (*cpu_node)(void *userdata, int cpu), void *userdata);

/* The VM's name out of a QEMU command line (arguments separated by NUL): -name guest=NAME,... or -name NAME,... where ",," stands for a comma.
 * Returns 0; -ENOENT: no name; -ENAMETOOLONG; -EINVAL: bytes in it that cannot be printed. ret_name is "" unless 0 is returned. */
int owner_parse_name(const char *command_line, size_t length, char ret_name[static IOCORE_NAME_MAX]);

/* The VM's name out of the text of /proc/PID/cgroup, as libvirt and systemd-machined name its cgroup: ".../machine-qemu\x2d3\x2dNAME.scope/..." or, without
 * systemd, "/machine/qemu-3-NAME.libvirt-qemu/...". Such names are ASCII, and those of VMs may be shortened to 64 bytes. Returns 0; -ENOENT: it is in no such
 * cgroup; -EINVAL: the name is not one that they write. ret_name is "" unless 0 is returned. */
int owner_parse_cgroup(const char *text, char ret_name[static IOCORE_NAME_MAX]);

/* The same for a thread that is there: kernel threads of vhost are in the cgroup of their owner, and may outlive it. Also -ESRCH, -errno. */
int owner_read_cgroup(const struct iocore_services *services, struct iocore_context *context, pid_t thread, char ret_name[static IOCORE_NAME_MAX]);

#endif

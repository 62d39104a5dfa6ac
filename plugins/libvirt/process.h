/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the host itself tells of a domain that runs: its process, its threads, and where its hardware is. Reads files only; for the talker's thread. */
#ifndef LIBVIRT_PROCESS_H
#define LIBVIRT_PROCESS_H

#include "description.h"

/*
 * Fills pid, start and the threads of a running domain's description. `root`: the directory below which /proc, /sys and /run are. What cannot be found stays 0. The process is that
 * which libvirt's own record names (/run/libvirt/qemu, readable by root), or that whose command line has the domain's UUID.
 */
void process_find(int root, struct description *description);
/* Fills all_nodes, and the node of each device whose hardware can be found: PCI devices, and what is behind the network device or bridge of an interface. */
void process_find_nodes(int root, struct description *description);

#endif

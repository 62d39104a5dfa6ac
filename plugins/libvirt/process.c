/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/cleanup.h"
#include "domain-xml.h"
#include "plugins/common/file-io.h"
#include "plugins/vhost-thread/affinity.h"
#include "plugins/vhost-thread/thread-info.h"
#include "process.h"

#define STATUS_DIRECTORY "run/libvirt/qemu"
/* QEMU's whole command line; one with 1,000 disks is longer, but the UUID comes before them. */
#define COMMAND_LINE_MAX 65536
#define STAT_MAX 2048
/* What the kernel keeps of a thread's name (TASK_COMM_LEN), with the NUL. */
#define COMM_SIZE 16
#define PATH_SIZE 320

/* --- the process */

/* NULL: not there, not readable, longer than an XML that is read. To be freed. */
static char *read_whole(int root, const char *path, size_t *ret_length) {
        _cleanup_close_ int fd = openat(root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat status;

        if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size <= 0 || status.st_size > DOMAIN_XML_MAX)
                return NULL;
        _cleanup_free_ char *text = malloc((size_t) status.st_size + 1);
        ssize_t length = text ? file_read(fd, text, (size_t) status.st_size + 1) : -ENOMEM;
        if (length <= 0)
                return NULL;
        *ret_length = (size_t) length;
        return TAKE_PTR(text);
}

static bool is_file_name(const char *name) {
        return name[0] != '.' && !strchr(name, '/') && strlen(name) <= NAME_MAX - 4;
}

static void read_status(int root, struct description *description) {
        char path[PATH_SIZE];
        size_t length;

        if (!is_file_name(description->name))
                return;
        snprintf(path, sizeof path, STATUS_DIRECTORY "/%s.xml", description->name);
        _cleanup_free_ char *text = read_whole(root, path, &length);
        if (text)
                (void) status_xml_parse(text, length, description);
}

/* A record may be older than the process that has the number now. */
static bool is_process_of(int root, pid_t pid, const char *uuid) {
        char path[64];
        _cleanup_free_ char *text = malloc(COMMAND_LINE_MAX);

        snprintf(path, sizeof path, "proc/%d/cmdline", (int) pid);
        ssize_t length = text ? file_read_at(root, path, text, COMMAND_LINE_MAX) : -ENOMEM;
        if (length == -EFBIG)
                length = COMMAND_LINE_MAX - 1;
        bool wanted = false;
        for (ssize_t i = 0; i < length; i += (ssize_t) strlen(text + i) + 1) {
                if (wanted)
                        return strcmp(text + i, uuid) == 0;
                wanted = strcmp(text + i, "-uuid") == 0;
        }
        return false;
}

static pid_t search_process(int root, const char *uuid) {
        _cleanup_close_ int fd = openat(root, "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *directory = fd < 0 ? NULL : fdopendir(fd);

        if (!directory)
                return 0;
        (void) TAKE_FD(fd);
        for (struct dirent *entry; (entry = readdir(directory));) {
                pid_t pid = thread_parse_id(entry->d_name);
                if (pid > 0 && is_process_of(root, pid, uuid))
                        return pid;
        }
        return 0;
}

static uint64_t read_start(int root, pid_t pid) {
        char path[64], text[STAT_MAX];
        struct thread_stat stat;

        snprintf(path, sizeof path, "proc/%d/stat", (int) pid);
        return file_read_at(root, path, text, sizeof text) > 0 && thread_parse_stat(text, &stat) >= 0 ? stat.start_time : 0;
}

/* --- its threads, by the names that QEMU gives them (-name debug-threads=on, which libvirt always asks for) */

/* "CPU 3/KVM", "CPU 3/TCG" */
static bool parse_vcpu_name(const char *name, unsigned *ret) {
        char *end;

        if (strncmp(name, "CPU ", 4) != 0 || name[4] < '0' || name[4] > '9')
                return false;
        unsigned long id = strtoul(name + 4, &end, 10);
        if (*end != '/' || id >= VCPUS_MAX)
                return false;
        *ret = (unsigned) id;
        return true;
}

/* The name may have been cut: then it is told only if it fits one alone. */
static struct described_iothread *find_iothread(const struct description *description, const char *name) {
        struct described_iothread *found = NULL;

        for (size_t i = 0; i < description->n_iothreads; i++) {
                char full[32];
                snprintf(full, sizeof full, "IO iothread%u", description->iothreads[i].id);
                if (strncmp(full, name, COMM_SIZE - 1) != 0)
                        continue;
                if (found)
                        return NULL;
                found = description->iothreads + i;
        }
        return found;
}

static void note_thread(struct description *description, pid_t tid, const char *name) {
        struct described_iothread *iothread;
        unsigned id;

        if (parse_vcpu_name(name, &id)) {
                struct described_vcpu *vcpu = description_vcpu(description, id);
                if (vcpu && vcpu->tid == 0)
                        vcpu->tid = tid;
        } else if (strncmp(name, "IO ", 3) == 0 && (iothread = find_iothread(description, name)) && iothread->tid == 0)
                iothread->tid = tid;
}

static void find_threads(int root, struct description *description) {
        char path[64], name[COMM_SIZE + 2];

        snprintf(path, sizeof path, "proc/%d/task", (int) description->pid);
        _cleanup_close_ int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *directory = fd < 0 ? NULL : fdopendir(fd);
        if (!directory)
                return;
        (void) TAKE_FD(fd);
        for (struct dirent *entry; (entry = readdir(directory));) {
                pid_t tid = thread_parse_id(entry->d_name);
                if (tid <= 0)
                        continue;
                snprintf(path, sizeof path, "%d/comm", (int) tid);
                ssize_t length = file_read_at(dirfd(directory), path, name, sizeof name);
                if (length <= 0)
                        continue;
                trim_end(name, (size_t) length);
                note_thread(description, tid, name);
        }
}

static void forget_record(struct description *description) {
        description->pid = 0;
        for (size_t i = 0; i < description->n_vcpus; i++)
                description->vcpus[i].tid = 0;
        free(TAKE_PTR(description->auto_nodes));
        free(TAKE_PTR(description->auto_cpus));
}

/* Where all memory is on one node that numad chose, each cell's is there. */
static void assign_cells(struct description *description) {
        struct affinity_mask mask;
        int node = description->memory_auto && description->auto_nodes && affinity_parse(description->auto_nodes, &mask) >= 0 ? affinity_only_cpu(&mask) : IOCORE_NODE_UNKNOWN;

        for (size_t i = 0; node >= 0 && i < description->n_cells; i++)
                if (description->cells[i].node == IOCORE_NODE_UNKNOWN)
                        description->cells[i].node = node;
}

void process_find(int root, struct description *description) {
        read_status(root, description);
        if (description->pid > 0 && !is_process_of(root, description->pid, description->uuid))
                forget_record(description);
        if (description->pid == 0)
                description->pid = search_process(root, description->uuid);
        description->start = description->pid > 0 ? read_start(root, description->pid) : 0;
        if (description->start == 0) {
                description->pid = 0;
                return;
        }
        find_threads(root, description);
        assign_cells(description);
}

/* --- where hardware is */

static int read_node(int root, const char *path) {
        char text[32], *end;

        if (file_read_at(root, path, text, sizeof text) <= 0)
                return IOCORE_NODE_UNKNOWN;
        long node = strtol(text, &end, 10);
        return end != text && node >= 0 && node <= INT16_MAX ? (int) node : IOCORE_NODE_UNKNOWN;
}

static int node_of_network_device(int root, const char *name) {
        char path[PATH_SIZE];

        if (!is_file_name(name))
                return IOCORE_NODE_UNKNOWN;
        snprintf(path, sizeof path, "sys/class/net/%s/device/numa_node", name);
        return read_node(root, path);
}

/* That of the hardware among its ports, if all of it is on one. */
static int node_of_bridge(int root, const char *name) {
        char path[PATH_SIZE];
        int node = IOCORE_NODE_UNKNOWN;

        snprintf(path, sizeof path, "sys/class/net/%s/brif", name);
        _cleanup_close_ int fd = is_file_name(name) ? openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        _cleanup_closedir_ DIR *directory = fd < 0 ? NULL : fdopendir(fd);
        if (!directory)
                return IOCORE_NODE_UNKNOWN;
        (void) TAKE_FD(fd);
        for (struct dirent *entry; (entry = readdir(directory));) {
                int of_port = node_of_network_device(root, entry->d_name);
                if (of_port == IOCORE_NODE_UNKNOWN)
                        continue;
                if (node != IOCORE_NODE_UNKNOWN && node != of_port)
                        return IOCORE_NODE_UNKNOWN;
                node = of_port;
        }
        return node;
}

/* "0000:3b:00.1" */
static bool is_pci_address(const char *text) {
        static const char form[] = "xxxx:xx:xx.x";
        size_t i = 0;

        while (form[i] && (form[i] == 'x' ? text[i] && strchr("0123456789abcdef", text[i]) : text[i] == form[i]))
                i++;
        return !form[i] && !text[i];
}

static void read_all_nodes(int root, struct description *description) {
        char text[IOCORE_VALUE_MAX], list[IOCORE_VALUE_MAX];
        struct affinity_mask mask;

        ssize_t length = file_read_at(root, "sys/devices/system/node/has_memory", text, sizeof text);
        if (length <= 0)
                return;
        trim_end(text, (size_t) length);
        if (affinity_parse(text, &mask) >= 0 && affinity_format(&mask, list, sizeof list) >= 0)
                description->all_nodes = strdup(list);
}

void process_find_nodes(int root, struct description *description) {
        read_all_nodes(root, description);
        for (size_t i = 0; i < description->n_devices; i++) {
                struct described_device *device = description->devices + i;
                char path[PATH_SIZE];

                if (device->host_device[0] != '\0') {
                        device->pub.node = node_of_network_device(root, device->host_device);
                        if (device->pub.node == IOCORE_NODE_UNKNOWN)
                                device->pub.node = node_of_bridge(root, device->host_device);
                } else if (strcmp(device->pub.kind, "disk") != 0 && is_pci_address(device->pub.backend)) {
                        snprintf(path, sizeof path, "sys/bus/pci/devices/%s/numa_node", device->pub.backend);
                        device->pub.node = read_node(root, path);
                }
        }
}

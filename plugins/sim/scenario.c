/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cleanup.h"

#define FILE_MAX_BYTES (64u << 20)

void scenario_vm_done(struct scenario_vm *vm) {
        for (size_t i = 0; vm->devices && i < vm->n_devices; i++)
                free(vm->devices[i].loads);
        free(vm->devices);
        free(vm->vcpu_loads);
}

struct scenario *scenario_free(struct scenario *scenario) {
        if (!scenario)
                return NULL;
        for (size_t i = 0; i < scenario->n_vms; i++)
                scenario_vm_done(scenario->vms + i);
        free(scenario->vms);
        free(scenario->workers);
        free(scenario);
        return NULL;
}

static int read_file(int fd, char **ret, size_t *ret_length) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_size > (off_t) FILE_MAX_BYTES)
                return -EFBIG;
        size_t size = (size_t) st.st_size, length = 0;
        _cleanup_free_ char *text = malloc(size + 1);
        if (!text)
                return -ENOMEM;
        while (length < size) {
                ssize_t n = read(fd, text + length, size - length);
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                length += (size_t) n;
        }
        text[length] = '\0';
        *ret = TAKE_PTR(text);
        *ret_length = length;
        return 0;
}

int scenario_load(struct scenario **ret, const char *path, char *ret_error, size_t size) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        _cleanup_free_ char *text = NULL;
        size_t length = 0;

        int r = fd < 0 ? -errno : read_file(fd, &text, &length);
        if (r < 0) {
                snprintf(ret_error, size, "cannot be read: %s", strerror(-r));
                return r;
        }
        return scenario_parse(ret, text, length, ret_error, size);
}

unsigned scenario_n_nodes(const struct scenario *scenario) {
        return scenario->topology.sockets * scenario->topology.nodes_per_socket;
}

unsigned scenario_n_cpus(const struct scenario *scenario) {
        return scenario_n_nodes(scenario) * scenario->topology.cores_per_node * scenario->topology.threads_per_core;
}

int scenario_cpu_node(const struct scenario *scenario, int cpu) {
        return cpu / (int) (scenario->topology.cores_per_node * scenario->topology.threads_per_core);
}

int scenario_topology_string(const struct scenario *scenario, char *ret, size_t size) {
        const struct scenario_topology *topology = &scenario->topology;
        int n = snprintf(ret, size, "pack:%u numa:%u l3:1 core:%u pu:%u", topology->sockets, topology->nodes_per_socket, topology->cores_per_node,
                         topology->threads_per_core);

        return n < 0 || (size_t) n >= size ? -ENOBUFS : 0;
}

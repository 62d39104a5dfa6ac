/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hwloc reads the host once; what iocored needs of it is copied into plain arrays. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cpu-list.h"
#include "root-path.h"
#include "topology.h"

/* ACPI's number for a node and itself, and what most machines tell of two others: for hosts whose kernel does not tell. */
#define LOCAL_DISTANCE 10
#define USUAL_DISTANCE 20

static void bitmap_freep(hwloc_bitmap_t *bitmap) {
        hwloc_bitmap_free(*bitmap); /* accepts NULL */
}
#define _cleanup_bitmap_ _cleanup_(bitmap_freep)

static void hwloc_destroyp(hwloc_topology_t *topology) {
        if (*topology)
                hwloc_topology_destroy(*topology);
}

/* Reads one of the kernel's CPU lists. -ENOENT: it has none; an unreadable list counts as none. */
static int read_cpu_list(const char *root, const char *path, hwloc_bitmap_t *ret) {
        _cleanup_close_ int fd = root_open(root, path, O_RDONLY);
        if (fd < 0)
                return -ENOENT;
        _cleanup_fclose_ FILE *file = fdopen(fd, "re");
        if (!file)
                return -errno;
        TAKE_FD(fd);
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        if (getline(&line, &size, file) < 0)
                return -ENOENT;
        line[strcspn(line, "\n")] = '\0';
        /* isolated holds "(null)" on some kernels where there is nothing to tell */
        int r = cpu_list_parse(line, ret);
        return r == -ENOMEM ? r : r < 0 ? -ENOENT : 0;
}

static int load_below(hwloc_topology_t hwloc, const char *root) {
        if (root[strspn(root, "/")] == '\0')
                return hwloc_topology_load(hwloc) < 0 ? -errno : 0;

        /* These two would describe the machine that the daemon runs on. */
        if (hwloc_topology_set_components(hwloc, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86") < 0 ||
            hwloc_topology_set_components(hwloc, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "no_os") < 0)
                return -errno;
        const char *before = getenv("HWLOC_FSROOT");
        _cleanup_free_ char *kept = before ? strdup(before) : NULL;
        if ((before && !kept) || setenv("HWLOC_FSROOT", root, 1) < 0)
                return -ENOMEM;
        int r = hwloc_topology_load(hwloc) < 0 ? -errno : 0;
        if (kept)
                (void) setenv("HWLOC_FSROOT", kept, 1);
        else
                (void) unsetenv("HWLOC_FSROOT");
        return r;
}

static int load(hwloc_topology_t *ret, const char *root, const char *synthetic) {
        _cleanup_(hwloc_destroyp) hwloc_topology_t hwloc = NULL;
        if (hwloc_topology_init(&hwloc) < 0)
                return -ENOMEM;
        /* The daemon's own cpuset is no limit to what VMs and workers may use. */
        if (hwloc_topology_set_flags(hwloc, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) < 0)
                return -errno;
        if (synthetic && hwloc_topology_set_synthetic(hwloc, synthetic) < 0)
                return errno == ENOMEM ? -ENOMEM : -EINVAL;
        int r = synthetic ? (hwloc_topology_load(hwloc) < 0 ? -errno : 0) : load_below(hwloc, root);
        if (r < 0)
                return r == -ENOMEM ? r : -ENODEV;
        *ret = TAKE_PTR(hwloc);
        return 0;
}

/* The last level is the cache nearest to memory, whatever its number: hybrid CPUs have an L3 for some cores only. */
static hwloc_obj_t last_level_cache(hwloc_obj_t pu) {
        hwloc_obj_t cache = NULL;
        for (hwloc_obj_t object = pu->parent; object; object = object->parent)
                if (hwloc_obj_type_is_dcache(object->type))
                        cache = object;
        return cache;
}

static int fill_cpus(struct topology *topology, hwloc_topology_t hwloc) {
        int n_caches = 0;

        for (hwloc_obj_t pu = NULL; (pu = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_PU, pu));) {
                struct topology_cpu *cpu = &topology->cpus[pu->os_index];
                hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(hwloc, HWLOC_OBJ_CORE, pu);
                hwloc_obj_t package = hwloc_get_ancestor_obj_by_type(hwloc, HWLOC_OBJ_PACKAGE, pu);
                hwloc_obj_t cache = last_level_cache(pu);

                cpu->present = true;
                cpu->online = true;
                /* a topology without cores has one CPU in each */
                cpu->core = core ? (int) core->logical_index : (int) pu->logical_index;
                cpu->package = package ? (int) package->logical_index : -1;
                cpu->siblings = hwloc_bitmap_dup(core ? core->cpuset : pu->cpuset);
                if (!cpu->siblings)
                        return -ENOMEM;
                /* Caches of several levels are numbered together, so by hand: each remembers the CPU that it was met with first. */
                if (cache && cache->userdata) {
                        cpu->llc = ((const struct topology_cpu *) cache->userdata)->llc;
                } else if (cache) {
                        cache->userdata = cpu;
                        cpu->llc = n_caches++;
                }
        }
        return 0;
}

static int node_compare(const void *a, const void *b) {
        return ((const struct topology_node *) a)->node - ((const struct topology_node *) b)->node;
}

/* A CPU that is local to two nodes (memory of two kinds) belongs to the first of them. Nodes without a CPU of their own are left out. */
static int fill_nodes(struct topology *topology, hwloc_topology_t hwloc) {
        int n = hwloc_get_nbobjs_by_type(hwloc, HWLOC_OBJ_NUMANODE);
        if (n <= 0)
                return 0;
        topology->nodes = calloc((size_t) n, sizeof *topology->nodes);
        if (!topology->nodes)
                return -ENOMEM;
        for (hwloc_obj_t object = NULL; (object = hwloc_get_next_obj_by_type(hwloc, HWLOC_OBJ_NUMANODE, object));) {
                struct topology_node *node = &topology->nodes[topology->n_nodes];
                unsigned cpu;
                bool any = false;

                node->cpus = hwloc_bitmap_alloc();
                if (!node->cpus)
                        return -ENOMEM;
                hwloc_bitmap_foreach_begin(cpu, object->cpuset) {
                        if (cpu >= topology->n_cpus || !topology->cpus[cpu].present || topology->cpus[cpu].node >= 0)
                                continue;
                        if (hwloc_bitmap_set(node->cpus, cpu) < 0) {
                                hwloc_bitmap_free(node->cpus);
                                return -ENOMEM;
                        }
                        topology->cpus[cpu].node = (int) object->os_index;
                        any = true;
                } hwloc_bitmap_foreach_end();
                if (!any) {
                        hwloc_bitmap_free(node->cpus);
                        node->cpus = NULL;
                        continue;
                }
                node->node = (int) object->os_index;
                topology->n_nodes++;
        }
        qsort(topology->nodes, topology->n_nodes, sizeof *topology->nodes, node_compare);
        return 0;
}

/* ACPI's numbers: a byte each, 10 local, 255 not reachable. A table that is not that is left out. */
static bool is_distance(hwloc_uint64_t value) {
        return value >= LOCAL_DISTANCE && value <= UINT8_MAX;
}

static int fill_distances(struct topology *topology, hwloc_topology_t hwloc) {
        struct hwloc_distances_s *table = NULL;
        unsigned n_tables = 1;
        size_t n = topology->n_nodes;
        if (n < 2 || hwloc_distances_get_by_type(hwloc, HWLOC_OBJ_NUMANODE, &n_tables, &table, HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) < 0 || n_tables == 0)
                return 0;
        topology->distances = malloc(n * n);
        bool complete = topology->distances != NULL;
        if (complete)
                memset(topology->distances, 0, n * n);
        for (unsigned i = 0; complete && i < table->nbobjs; i++)
                for (unsigned j = 0; complete && j < table->nbobjs; j++) {
                        const struct topology_node *from = topology_node(topology, (int) table->objs[i]->os_index), *to = topology_node(topology, (int) table->objs[j]->os_index);
                        hwloc_uint64_t value = table->values[(size_t) i * table->nbobjs + j];
                        if (from && to && is_distance(value))
                                topology->distances[(size_t) (from - topology->nodes) * n + (size_t) (to - topology->nodes)] = (uint8_t) value;
                        else if (from && to)
                                complete = false;
                }
        hwloc_distances_release(hwloc, table);
        for (size_t i = 0; complete && i < n * n; i++)
                complete = topology->distances[i] > 0;
        topology->n_distances = n;
        if (complete)
                return 0;
        int r = topology->distances ? 0 : -ENOMEM;
        free(topology->distances);
        topology->distances = NULL;
        topology->n_distances = 0;
        return r;
}

/* CPUs that are there but were switched off: hwloc does not show them. */
static int fill_absent(struct topology *topology, hwloc_const_bitmap_t present) {
        for (size_t i = 0; i < topology->n_cpus; i++) {
                struct topology_cpu *cpu = &topology->cpus[i];
                if (cpu->present || !present || !hwloc_bitmap_isset(present, (unsigned) i))
                        continue;
                cpu->present = true;
                cpu->siblings = hwloc_bitmap_alloc();
                if (!cpu->siblings || hwloc_bitmap_set(cpu->siblings, (unsigned) i) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static void mark(struct topology *topology, hwloc_const_bitmap_t isolated, hwloc_const_bitmap_t offline, hwloc_const_bitmap_t online) {
        for (size_t i = 0; i < topology->n_cpus; i++) {
                struct topology_cpu *cpu = &topology->cpus[i];
                if (!cpu->present)
                        continue;
                if (isolated && hwloc_bitmap_isset(isolated, (unsigned) i))
                        cpu->isolated = true;
                if (offline && hwloc_bitmap_isset(offline, (unsigned) i))
                        cpu->told_offline = true;
                if (cpu->told_offline || (online && !hwloc_bitmap_isset(online, (unsigned) i)))
                        cpu->online = false;
        }
}

static int fill(struct topology *topology, hwloc_topology_t hwloc, hwloc_const_bitmap_t present) {
        int last = hwloc_bitmap_last(hwloc_topology_get_topology_cpuset(hwloc));
        int last_present = present ? hwloc_bitmap_last(present) : -1;
        if (last < 0)
                return -ENODEV;
        topology->n_cpus = (size_t) (last > last_present ? last : last_present) + 1;
        topology->cpus = calloc(topology->n_cpus, sizeof *topology->cpus);
        if (!topology->cpus)
                return -ENOMEM;
        for (size_t i = 0; i < topology->n_cpus; i++) {
                struct topology_cpu *cpu = &topology->cpus[i];
                cpu->cpu = (int) i;
                cpu->core = cpu->llc = cpu->package = cpu->node = -1;
        }
        int r = fill_cpus(topology, hwloc);
        if (r < 0)
                return r;
        r = fill_nodes(topology, hwloc);
        if (r < 0)
                return r;
        r = fill_distances(topology, hwloc);
        if (r < 0)
                return r;
        return fill_absent(topology, present);
}

int topology_new(struct topology **ret, const char *root, const char *synthetic, const char *isolated, const char *offline) {
        _cleanup_(topology_freep) struct topology *topology = NULL;
        _cleanup_(hwloc_destroyp) hwloc_topology_t hwloc = NULL;
        _cleanup_bitmap_ hwloc_bitmap_t given_isolated = NULL, given_offline = NULL, kernel_isolated = NULL, online = NULL, present = NULL;
        int r;

        if (isolated && (r = cpu_list_parse(isolated, &given_isolated)) < 0)
                return r == -ENOMEM ? r : -EINVAL;
        if (offline && (r = cpu_list_parse(offline, &given_offline)) < 0)
                return r == -ENOMEM ? r : -EINVAL;
        if (!synthetic) {
                if (read_cpu_list(root, "/sys/devices/system/cpu/isolated", &kernel_isolated) == -ENOMEM ||
                    read_cpu_list(root, "/sys/devices/system/cpu/online", &online) == -ENOMEM ||
                    read_cpu_list(root, "/sys/devices/system/cpu/present", &present) == -ENOMEM)
                        return -ENOMEM;
        }
        r = load(&hwloc, root, synthetic);
        if (r < 0)
                return r;
        topology = calloc(1, sizeof *topology);
        if (!topology)
                return -ENOMEM;
        topology->synthetic = synthetic != NULL;
        r = fill(topology, hwloc, present);
        if (r < 0)
                return r;
        mark(topology, given_isolated, given_offline, NULL);
        mark(topology, kernel_isolated, NULL, online);
        *ret = TAKE_PTR(topology);
        return 0;
}

static int refresh_cpu(struct topology_cpu *cpu, const struct topology_cpu *fresh) {
        cpu->present = cpu->present || fresh->present;
        cpu->core = fresh->core;
        cpu->llc = fresh->llc;
        cpu->package = fresh->package;
        cpu->node = fresh->node >= 0 ? fresh->node : cpu->node;
        if (!fresh->siblings)
                return 0;
        /* A sibling that is offline is not shown, and is one all the same. */
        if (cpu->siblings)
                return hwloc_bitmap_or(cpu->siblings, cpu->siblings, fresh->siblings) < 0 ? -ENOMEM : 0;
        cpu->siblings = hwloc_bitmap_dup(fresh->siblings);
        return cpu->siblings ? 0 : -ENOMEM;
}

static struct topology_node *find_node(struct topology *topology, int node) {
        for (size_t i = 0; i < topology->n_nodes; i++)
                if (topology->nodes[i].node == node)
                        return &topology->nodes[i];
        return NULL;
}

static int refresh_node(struct topology *topology, const struct topology_node *fresh) {
        struct topology_node *node = find_node(topology, fresh->node);
        if (node)
                return hwloc_bitmap_or(node->cpus, node->cpus, fresh->cpus) < 0 ? -ENOMEM : 0;
        struct topology_node *nodes = reallocarray(topology->nodes, topology->n_nodes + 1, sizeof *nodes);
        if (!nodes)
                return -ENOMEM;
        topology->nodes = nodes;
        nodes[topology->n_nodes] = (struct topology_node) { .node = fresh->node, .cpus = hwloc_bitmap_dup(fresh->cpus) };
        return nodes[topology->n_nodes].cpus ? (topology->n_nodes++, 0) : -ENOMEM;
}

/* By the nodes' numbers, as their places differ: what is fresh, else what was known before, else the usual. */
static int refresh_distances(struct topology *topology, const struct topology *fresh) {
        size_t n = topology->n_nodes;
        if (!fresh->distances || n == 0)
                return 0;
        uint8_t *distances = malloc(n * n);
        if (!distances)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < n; j++) {
                        const struct topology_node *from = topology_node(fresh, topology->nodes[i].node), *to = topology_node(fresh, topology->nodes[j].node);
                        unsigned value = from && to ? topology_distance(fresh, (size_t) (from - fresh->nodes), (size_t) (to - fresh->nodes)) : topology_distance(topology, i, j);
                        distances[i * n + j] = (uint8_t) value;
                }
        free(topology->distances);
        topology->distances = distances;
        topology->n_distances = n;
        return 0;
}

int topology_refresh(struct topology *topology, const struct topology *fresh) {
        size_t n = topology->n_cpus < fresh->n_cpus ? topology->n_cpus : fresh->n_cpus;
        for (size_t i = 0; i < fresh->n_nodes; i++) {
                int r = refresh_node(topology, &fresh->nodes[i]);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < n; i++) {
                int r = refresh_cpu(&topology->cpus[i], &fresh->cpus[i]);
                if (r < 0)
                        return r;
        }
        return refresh_distances(topology, fresh);
}

struct topology *topology_free(struct topology *topology) {
        if (!topology)
                return NULL;
        for (size_t i = 0; topology->cpus && i < topology->n_cpus; i++)
                hwloc_bitmap_free(topology->cpus[i].siblings);
        for (size_t i = 0; i < topology->n_nodes; i++)
                hwloc_bitmap_free(topology->nodes[i].cpus);
        free(topology->cpus);
        free(topology->nodes);
        free(topology->distances);
        free(topology);
        return NULL;
}

const struct topology_cpu *topology_cpu(const struct topology *topology, int cpu) {
        if (cpu < 0 || (size_t) cpu >= topology->n_cpus || !topology->cpus[cpu].present)
                return NULL;
        return &topology->cpus[cpu];
}

const struct topology_node *topology_node(const struct topology *topology, int node) {
        for (size_t i = 0; i < topology->n_nodes; i++)
                if (topology->nodes[i].node == node)
                        return &topology->nodes[i];
        return NULL;
}

unsigned topology_distance(const struct topology *topology, size_t from, size_t to) {
        if (topology->distances && from < topology->n_distances && to < topology->n_distances)
                return topology->distances[from * topology->n_distances + to];
        return from == to ? LOCAL_DISTANCE : USUAL_DISTANCE;
}

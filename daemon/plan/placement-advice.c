/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest cells for a domain that is larger than a node and has only one: as libvirt's XML has them (formatdomain, "Guest NUMA topology", "NUMA Node Tuning"). All that varies in it is numbers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/cleanup.h"
#include "placement-internal.h"

#define KIB_OF_MIB 1024

/* The vCPUs of the layout that are on `node`, by id. */
static int vcpus_on(const struct placed_domain *domain, const struct layout *layout, size_t node, hwloc_bitmap_t ret) {
        hwloc_bitmap_zero(ret);
        for (size_t i = 0; i < domain->n_vcpus; i++)
                if (layout->node_of[i] == node && hwloc_bitmap_set(ret, domain->domain->vcpus[i].pub.id) < 0)
                        return -ENOMEM;
        return 0;
}

static uint64_t memory_of(const struct placed_domain *domain) {
        return domain->domain->n_cells > 0 && domain->domain->cells[0].pub.memory_kib > 0 ? domain->domain->cells[0].pub.memory_kib : domain->domain->pub.memory_kib;
}

/* The next place of a node that has vCPUs of the layout, from `node` on; n_nodes: none. */
static size_t next_node(const struct placement *placement, const struct placed_domain *domain, const struct layout *layout, size_t node) {
        for (; node < placement->n_nodes; node++)
                for (size_t i = 0; i < domain->n_vcpus; i++)
                        if (layout->node_of[i] == node)
                                return node;
        return node;
}

static void write_distances(FILE *file, const struct placement *placement, const struct placed_domain *domain, const struct layout *layout, size_t from) {
        size_t id = 0;
        fputs(">\n      <distances>\n", file);
        for (size_t to = next_node(placement, domain, layout, 0); to < placement->n_nodes; to = next_node(placement, domain, layout, to + 1))
                fprintf(file, "        <sibling id='%zu' value='%u'/>\n", id++, topology_distance(placement->host->topology, from, to));
        fputs("      </distances>\n    </cell>\n", file);
}

static int write_cells(FILE *file, const struct placement *placement, const struct placed_domain *domain, const struct layout *layout, hwloc_bitmap_t vcpus) {
        uint64_t memory = memory_of(domain), left = memory;
        size_t id = 0;
        fputs("<cpu>\n  <numa>\n", file);
        for (size_t node = next_node(placement, domain, layout, 0), next; node < placement->n_nodes; node = next) {
                char *list = NULL;
                next = next_node(placement, domain, layout, node + 1);
                if (vcpus_on(domain, layout, node, vcpus) < 0 || hwloc_bitmap_list_asprintf(&list, vcpus) < 0)
                        return -ENOMEM;
                uint64_t share = memory / domain->n_vcpus * (uint64_t) hwloc_bitmap_weight(vcpus) / KIB_OF_MIB * KIB_OF_MIB;
                if (next == placement->n_nodes)
                        share = left;
                left -= share;
                fprintf(file, "    <cell id='%zu' cpus='%s' memory='%llu' unit='KiB'", id++, list, (unsigned long long) share);
                free(list);
                if (placement->host->topology->distances)
                        write_distances(file, placement, domain, layout, node);
                else
                        fputs("/>\n", file);
        }
        fputs("  </numa>\n</cpu>\n", file);
        return 0;
}

static int write_nodes(FILE *file, const struct placement *placement, const struct placed_domain *domain, const struct layout *layout, hwloc_bitmap_t nodes) {
        char *list = NULL;
        size_t id = 0;
        hwloc_bitmap_zero(nodes);
        for (size_t node = next_node(placement, domain, layout, 0); node < placement->n_nodes; node = next_node(placement, domain, layout, node + 1))
                if (hwloc_bitmap_set(nodes, (unsigned) placement->host->nodes[node].topology->node) < 0)
                        return -ENOMEM;
        if (hwloc_bitmap_list_asprintf(&list, nodes) < 0)
                return -ENOMEM;
        fprintf(file, "<numatune>\n  <memory mode='strict' nodeset='%s'/>\n", list);
        free(list);
        for (size_t node = next_node(placement, domain, layout, 0); node < placement->n_nodes; node = next_node(placement, domain, layout, node + 1))
                fprintf(file, "  <memnode cellid='%zu' mode='strict' nodeset='%d'/>\n", id++, placement->host->nodes[node].topology->node);
        fputs("</numatune>\n", file);
        return 0;
}

static int write_advice(FILE *file, const struct placement *placement, const struct placed_domain *domain, const struct layout *layout) {
        hwloc_bitmap_t set = hwloc_bitmap_alloc();
        int r = set ? write_cells(file, placement, domain, layout, set) : -ENOMEM;
        if (r == 0)
                r = write_nodes(file, placement, domain, layout, set);
        hwloc_bitmap_free(set);
        return r < 0 ? r : ferror(file) ? -ENOMEM : 0;
}

int placement_advise(struct placement *placement, const struct domain *domain, char **ret) {
        struct placed_domain *placed = placed_domain_of(placement, domain);
        struct layout *best = &placement->layouts[LAYOUT_BEST];
        char *text = NULL;
        size_t size = 0;
        if (!placed || placed->n_vcpus == 0 || placed->n_cells != 1 || memory_of(placed) == 0 || placement->rules->pin == PLACEMENT_PIN_NO)
                return 0;
        /* where its memory is now does not matter: that will be another one, of a domain that starts anew */
        bool known = placed->kib_known[0];
        placed->kib_known[0] = false;
        picture_begin_turn(placement, placed);
        choose_nodes(placement, placed);
        placed->kib_known[0] = known;
        picture_count(placement, placed, 1);
        if (!best->valid || best->shape != PLACEMENT_SPREAD || hwloc_bitmap_weight(best->sets[0]) < 2)
                return 0;
        FILE *file = open_memstream(&text, &size);
        if (!file)
                return -ENOMEM;
        int r = write_advice(file, placement, placed, best);
        if (fclose(file) != 0)
                r = -ENOMEM;
        if (r < 0) {
                free(text);
                return r;
        }
        *ret = text;
        return 1;
}

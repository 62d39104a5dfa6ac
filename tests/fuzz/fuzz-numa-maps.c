/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of /proc/PID/numa_maps and maps: the names of the files in them are anybody's choice. The first byte chooses which. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "plugins/numa/numa-maps.h"

static void try_numa_maps(const char *line) {
        static struct numa_mapping mapping;
        int r = numa_maps_parse(line, &mapping);
        uint64_t sum = 0;

        must(r == 0 || r == -EINVAL || r == -ERANGE, "it fails as it says");
        if (r < 0)
                return;
        must(mapping.n <= NUMA_NODES_MAX, "no more nodes than there are");
        must(mapping.cell >= -1 && mapping.cell < NUMA_CELLS_MAX, "a cell is one, or none");
        must(mapping.cell < 0 || mapping.kind == NUMA_MAPPING_GUEST, "what has a cell is a guest's");
        must(mapping.n == 0 || mapping.page_kib > 0, "pages have a size");
        for (size_t i = 0; i < mapping.n; i++) {
                must(mapping.on[i].node >= 0 && mapping.on[i].node < NUMA_NODES_MAX, "a node is within bounds");
                must(sum + mapping.on[i].kib >= sum, "sums do not overflow");
                sum += mapping.on[i].kib;
        }
}

static void try_maps(const char *line) {
        uint64_t start, end;
        int r = maps_parse(line, &start, &end);

        must(r == 0 || r == -EINVAL, "it fails as it says");
        must(r < 0 || start < end, "a mapping has an end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size == 0 || size > 16384)
                return 0;
        char *text = text_of(data + 1, size - 1);
        text[strcspn(text, "\n")] = '\0';
        if (data[0] % 2)
                try_maps(text);
        else
                try_numa_maps(text);
        free(text);
        return 0;
}

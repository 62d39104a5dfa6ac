/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* prefer-node NODE PROGRAM [ARGUMENT...]: runs the program so that its memory, and that of all that it starts, comes from that node while there is room. */
#include <errno.h>
#include <limits.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
        char *end = NULL;
        unsigned long node = argc > 2 ? strtoul(argv[1], &end, 10) : ULONG_MAX;

        if (node > 63 || *end != '\0') {
                fputs("usage: prefer-node NODE PROGRAM [ARGUMENT...]\n", stderr);
                return 2;
        }
        unsigned long mask = 1ul << node;
        if (syscall(SYS_set_mempolicy, MPOL_PREFERRED, &mask, sizeof mask * 8) < 0) {
                fprintf(stderr, "prefer-node: node %lu: %s\n", node, strerror(errno));
                return 1;
        }
        execvp(argv[2], argv + 2);
        fprintf(stderr, "prefer-node: %s: %s\n", argv[2], strerror(errno));
        return 127;
}

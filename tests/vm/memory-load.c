/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Has memory on nodes of choice: memory-load NODE:MIB[:small|:NAME]... Each part is anonymous memory, "small": without huge pages; with a NAME it is shared and backed by a memfd of that
 * name, as QEMU's memory backends are. "ready" is written when all of it is there; then it waits to be killed.
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static int add_part(const char *text) {
        char name[64] = "";
        unsigned node, mib;

        if (sscanf(text, "%u:%u:%63s", &node, &mib, name) < 2 || node > 63 || mib == 0)
                return -EINVAL;
        size_t size = (size_t) mib << 20;
        int fd = -1, flags = MAP_PRIVATE | MAP_ANONYMOUS;
        if (name[0] && strcmp(name, "small") != 0) {
                fd = memfd_create(name, MFD_CLOEXEC);
                if (fd < 0 || ftruncate(fd, (off_t) size) < 0)
                        return -errno;
                flags = MAP_SHARED;
        }
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
        if (memory == MAP_FAILED)
                return -errno;
        if (strcmp(name, "small") == 0 && madvise(memory, size, MADV_NOHUGEPAGE) < 0 && errno != EINVAL)
                return -errno;
        unsigned long mask = 1ul << node;
        if (syscall(SYS_mbind, memory, size, MPOL_PREFERRED, &mask, sizeof mask * 8, 0) < 0)
                return -errno;
        memset(memory, 1, size);
        return 0;
}

int main(int argc, char **argv) {
        for (int i = 1; i < argc; i++) {
                int r = add_part(argv[i]);
                if (r < 0) {
                        fprintf(stderr, "memory-load: %s: %s\n", argv[i], strerror(-r));
                        return 1;
                }
        }
        puts("ready");
        fflush(stdout);
        for (;;)
                pause();
}

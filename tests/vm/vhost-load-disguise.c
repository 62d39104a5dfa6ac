/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "daemon/cleanup.h"
#include "vhost-load.h"

/* "33:34": of all queue pairs in their order. */
static void print_fds(FILE *file, const struct load *load, bool vhost) {
        for (unsigned i = 0; i < atomic_load(&load->n_pairs); i++)
                fprintf(file, "%s%d", i > 0 ? ":" : "", vhost ? load->pairs[i].vhost : load->pairs[i].tap);
}

static void print_word(FILE *file, const struct load *load, const char *word) {
        for (const char *c = word; *c;) {
                bool fds = strncmp(c, "%fds", 4) == 0, vhost_fds = strncmp(c, "%vhostfds", 9) == 0;
                if (fds || vhost_fds)
                        print_fds(file, load, vhost_fds);
                else
                        fputc(*c, file);
                c += vhost_fds ? 9 : fds ? 4 : 1;
        }
        fputc('\0', file);
}

/* The kernel shows what lies between two addresses that may be set (CAP_SYS_RESOURCE). The old line lies on the stack, above any mapping: the begin goes first. */
static int set_command_line(const char *text, size_t size) {
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (memory == MAP_FAILED)
                return fail("mmap");
        memcpy(memory, text, size);
        if (prctl(PR_SET_MM, PR_SET_MM_ARG_START, memory, 0, 0) < 0 || prctl(PR_SET_MM, PR_SET_MM_ARG_END, memory + size, 0, 0) < 0)
                return fail("PR_SET_MM");
        return 0;
}

int disguise(const struct load *load, const char *name, char *const words[]) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        const char *base = strrchr(name, '/');

        if (prctl(PR_SET_NAME, base ? base + 1 : name) < 0)
                return fail("PR_SET_NAME");
        FILE *file = open_memstream(&text, &size);
        if (!file)
                return fail("open_memstream");
        print_word(file, load, name);
        for (; *words; words++)
                print_word(file, load, *words);
        if (fclose(file) != 0)
                return fail("the command line");
        return set_command_line(text, size);
}

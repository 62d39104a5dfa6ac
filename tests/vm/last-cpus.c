/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* last-cpus SAMPLES TID...: looks ten times a second on which CPU each thread ran last, and prints for each "TID CPU..." in the order in which they were seen first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CPUS_MAX 64
#define FIELD_PROCESSOR 39 /* proc(5) */

/* -1: it is gone. */
static int last_cpu(const char *tid) {
        char path[64], text[1024];
        int cpu = -1;

        snprintf(path, sizeof path, "/proc/%.20s/stat", tid);
        FILE *file = fopen(path, "re");
        if (!file)
                return -1;
        const char *at = fgets(text, sizeof text, file) ? strrchr(text, ')') : NULL;
        fclose(file);
        for (int field = 2; at && field < FIELD_PROCESSOR; field++)
                at = strchr(at + 1, ' ');
        return at && sscanf(at, "%d", &cpu) == 1 && cpu < CPUS_MAX ? cpu : -1;
}

static void note(int *cpus, size_t *n, int cpu) {
        for (size_t i = 0; i < *n; i++)
                if (cpus[i] == cpu)
                        return;
        cpus[(*n)++] = cpu;
}

int main(int argc, char **argv) {
        int samples = argc > 2 ? atoi(argv[1]) : 0, n_threads = argc - 2;

        if (samples < 1)
                return EXIT_FAILURE;
        int(*cpus)[CPUS_MAX] = calloc((size_t) n_threads, sizeof *cpus);
        size_t *n = calloc((size_t) n_threads, sizeof *n);
        if (!cpus || !n)
                return EXIT_FAILURE;
        for (int sample = 0; sample < samples; sample++) {
                for (int i = 0; i < n_threads; i++) {
                        int cpu = last_cpu(argv[i + 2]);
                        if (cpu >= 0)
                                note(cpus[i], n + i, cpu);
                }
                (void) nanosleep(&(struct timespec) { .tv_nsec = 100000000 }, NULL);
        }
        for (int i = 0; i < n_threads; i++) {
                printf("%s", argv[i + 2]);
                for (size_t k = 0; k < n[i]; k++)
                        printf(" %d", cpus[i][k]);
                putchar('\n');
        }
        free(cpus);
        free(n);
        return EXIT_SUCCESS;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPU times: how busy the CPUs are, out of /proc/stat, which stays open. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "plugins/iocore-plugin.h"
#include "stat.h"

#define STAT_PATH "/proc/stat"

struct cpu_plugin {
        const struct iocore_services *services;
        struct iocore_context *context;
        int fd;
        char *buffer; /* holds the lines of all CPUs; what follows them is not wanted */
        size_t size;
        uint64_t n_malformed;
};

static int cpu_probe(const struct iocore_services *services, struct iocore_context *context, char *ret_reason, size_t size) {
        _cleanup_close_ int fd = services->open_path(context, STAT_PATH, O_RDONLY);
        if (fd >= 0)
                return 1;
        snprintf(ret_reason, size, "looked for %s: %s", STAT_PATH, strerror(-fd));
        return 0;
}

static void cpu_close(void *state) {
        struct cpu_plugin *cpu = state;

        closep(&cpu->fd);
        free(cpu->buffer);
        free(cpu);
}

static int cpu_open(const struct iocore_services *services, struct iocore_context *context, void **ret_state, char *ret_reason, size_t size) {
        struct cpu_plugin *cpu = calloc(1, sizeof *cpu);
        if (!cpu)
                return -ENOMEM;
        *cpu = (struct cpu_plugin) { .services = services, .context = context };
        cpu->fd = services->open_path(context, STAT_PATH, O_RDONLY);
        /* one line more for the sum of all */
        cpu->size = (size_t) (services->cpu_count(context) + 1) * CPU_STAT_LINE_MAX;
        cpu->buffer = malloc(cpu->size);
        if (cpu->fd < 0 || !cpu->buffer) {
                int r = cpu->fd < 0 ? cpu->fd : -ENOMEM;
                snprintf(ret_reason, size, "%s: %s", STAT_PATH, strerror(-r));
                cpu_close(cpu);
                return r;
        }
        *ret_state = cpu;
        return 0;
}

static void malformed(struct cpu_plugin *cpu) {
        if (cpu->n_malformed++ == 0)
                cpu->services->log(cpu->context, LOG_WARNING, "%s has a line that does not parse; skipped (further ones are counted, not told)", STAT_PATH);
}

/* The lines come in order, each pread gives as many as the kernel likes. Returns the length or -errno. */
static ssize_t read_lines(struct cpu_plugin *cpu) {
        size_t length = 0;

        while (length < cpu->size) {
                ssize_t n = pread(cpu->fd, cpu->buffer + length, cpu->size - length, (off_t) length);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                length += (size_t) n;
                /* the CPUs are done where another line begins */
                if (n == 0 || memmem(cpu->buffer, length, "\nintr", 5))
                        break;
        }
        return (ssize_t) length;
}

static int cpu_sample_cpus(void *state) {
        struct cpu_plugin *cpu = state;
        struct cpu_times times;
        size_t position = 0;

        ssize_t length = read_lines(cpu);
        if (length < 0)
                return (int) length;
        for (;;) {
                int r = cpu_stat_next(cpu->buffer, (size_t) length, &position, &times);
                if (r == 0)
                        return 0;
                if (r == -EAGAIN) {
                        malformed(cpu);
                        return 0;
                }
                if (r < 0)
                        malformed(cpu);
                else /* a CPU that the topology does not have is none of ours */
                        (void) cpu->services->cpu_sample(cpu->context, times.cpu, times.busy, times.total);
        }
}

static const struct iocore_option options[] = {
        { NULL, NULL },
};

__attribute__((visibility("default"))) extern const struct iocore_plugin iocore_plugin;

const struct iocore_plugin iocore_plugin = {
        .abi = IOCORE_PLUGIN_ABI,
        .size = sizeof(struct iocore_plugin),
        .name = "cpu",
        .doc = "CPU times of /proc/stat",
        .provides = "cpu",
        .rank = 10,
        .probe = cpu_probe,
        .open = cpu_open,
        .close = cpu_close,
        .sample_cpus = cpu_sample_cpus,
        .options = options,
};

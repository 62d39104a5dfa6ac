/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CPUs that go offline and come online. The kernel tells nobody but udev; its list of online CPUs is one short read, done before whatever would take what the kernel does then
 * (it moves the threads of a CPU that goes wherever it likes) for somebody else's change.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "daemon/host/cpu-list.h"
#include "daemon/act/hands.h"
#include "engine-private.h"
#include "log.h"
#include "root-path.h"

/* A list of 1,024 CPUs, every second one online, fits, as a page of sysfs does. */
#define LIST_MAX 8192

/* Some thread that is always there and may run almost anywhere: kthreadd. Where there is another one of this number, that does as well. */
#define WITNESS 2
#define ACTIVE_MAX 8192

struct active_cpus {
        cpu_set_t sets[ACTIVE_MAX / CPU_SETSIZE];
};

struct hotplug {
        int fd;
        bool real;                 /* the tree is this kernel's own */
        struct active_cpus active; /* those that the witness could run on when it was read last */
        ssize_t length;
        char list[LIST_MAX]; /* as it was read last */
};

int hotplug_new(struct hotplug **ret, const struct config *config) {
        *ret = NULL;
        if (config->topology_synthetic)
                return 0; /* what is online here says nothing about a made-up host */
        _cleanup_close_ int fd = root_open(config->root, "/sys/devices/system/cpu/online", O_RDONLY);
        if (fd < 0)
                return 0;
        struct hotplug *hotplug = calloc(1, sizeof *hotplug);
        if (!hotplug)
                return -ENOMEM;
        hotplug->fd = TAKE_FD(fd);
        hotplug->real = config->root[strspn(config->root, "/")] == '\0';
        *ret = hotplug;
        return 0;
}

struct hotplug *hotplug_free(struct hotplug *hotplug) {
        if (hotplug)
                close(hotplug->fd);
        free(hotplug);
        return NULL;
}

/* > 0: it is another list than before; 0: the same; -errno. */
static int read_list(struct hotplug *hotplug) {
        char list[LIST_MAX];
        struct active_cpus active = { 0 };
        if (hotplug->real && sched_getaffinity(WITNESS, sizeof active, active.sets) < 0)
                hotplug->real = false; /* there is no such thread, here in a container of its own */
        bool same = !hotplug->real || memcmp(&active, &hotplug->active, sizeof active) == 0;
        hotplug->active = active;
        ssize_t length = pread(hotplug->fd, list, sizeof list - 1, 0);
        if (length < 0)
                return -errno;
        if (same && length == hotplug->length && memcmp(list, hotplug->list, (size_t) length) == 0)
                return 0;
        memcpy(hotplug->list, list, (size_t) length);
        hotplug->length = length;
        return 1;
}

/* The CPUs that the witness was given, whether they can be had now or not. */
static int read_allowed(hwloc_bitmap_t *ret) {
        static const char key[] = "Cpus_allowed_list:";
        _cleanup_close_ int fd = root_open("/", "/proc/2/status", O_RDONLY);
        if (fd < 0)
                return fd;
        _cleanup_fclose_ FILE *file = fdopen(fd, "re");
        if (!file)
                return -errno;
        TAKE_FD(fd);
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        while (getline(&line, &size, file) >= 0)
                if (strncmp(line, key, sizeof key - 1) == 0) {
                        char *list = line + sizeof key - 1;
                        list += strspn(list, " \t");
                        list[strcspn(list, "\n")] = '\0';
                        return cpu_list_parse(list, ret);
                }
        return -ENOENT;
}

/*
 * A CPU that goes offline is taken from the scheduler first, and its threads sent elsewhere; only when they have left it is it marked offline. In between, on a slow machine for
 * seconds, it is online by name only. It shows in sched_getaffinity(2), which leaves it out of what a thread was given.
 */
static void drop_inactive(const struct hotplug *hotplug, hwloc_bitmap_t online) {
        hwloc_bitmap_t allowed = NULL;
        unsigned cpu;
        if (!hotplug->real || read_allowed(&allowed) < 0)
                return;
        hwloc_bitmap_foreach_begin(cpu, allowed) {
                if (cpu < ACTIVE_MAX && !CPU_ISSET_S(cpu, sizeof hotplug->active, hotplug->active.sets))
                        hwloc_bitmap_clr(online, cpu);
        } hwloc_bitmap_foreach_end();
        hwloc_bitmap_free(allowed);
}

static void look_where_they_are(struct engine *engine) {
        const struct config *config = engine->config;
        _cleanup_(topology_freep) struct topology *fresh = NULL;
        int r = topology_new(&fresh, config->root, NULL, config->topology_isolated, config->topology_offline);
        if (r >= 0)
                r = host_refresh_topology(engine->host, fresh);
        if (r < 0)
                log_warning("A CPU came online, but the topology cannot be read anew: %s. It is left alone.", strerror(-r));
}

static void tell_went(struct engine *engine, int cpu) {
        char number[16], text[128];
        unsigned n_units = 0;
        const struct cpu *core = host_cpu(engine->host, cpu);
        bool was_core = core && core->io_core;
        snprintf(number, sizeof number, "%d", cpu);
        int r = actor_abandon_core(&engine->actor, cpu, &n_units);
        engine_tell(engine, "cpu-offline", number, "");
        if (!was_core)
                return;
        snprintf(text, sizeof text, "an I/O core went offline; %u %s on it %s home", n_units, n_units == 1 ? "unit" : "units", n_units == 1 ? "goes" : "go");
        log_notice("CPU %d: %s.", cpu, text);
        if (r < 0)
                log_warning("CPU %d: what was made of it cannot be unmade now: %s; it stays in the journal.", cpu, strerror(-r));
        engine_tell(engine, "core-offline", number, text);
}

static void look_at_list(struct engine *engine, hwloc_const_bitmap_t online, hwloc_bitmap_t went, hwloc_bitmap_t came) {
        unsigned cpu;
        if (host_set_online(engine->host, online, went, came))
                look_where_they_are(engine);
        hwloc_bitmap_foreach_begin(cpu, went) {
                tell_went(engine, (int) cpu);
        } hwloc_bitmap_foreach_end();
        hwloc_bitmap_foreach_begin(cpu, came) {
                char number[16];
                snprintf(number, sizeof number, "%u", cpu);
                log_info("CPU %u is online again.", cpu);
                engine_tell(engine, "cpu-online", number, "");
        } hwloc_bitmap_foreach_end();
        if (hwloc_bitmap_iszero(went) && hwloc_bitmap_iszero(came))
                return;
        engine->n_quiet = 0;
        engine->settle_wanted = true;
}

void engine_check_hotplug(struct engine *engine) {
        struct hotplug *hotplug = engine->hotplug;
        if (!hotplug || read_list(hotplug) <= 0)
                return;
        hwloc_bitmap_t online = NULL, went = hwloc_bitmap_alloc(), came = hwloc_bitmap_alloc();
        char list[LIST_MAX];
        memcpy(list, hotplug->list, (size_t) hotplug->length);
        list[hotplug->length] = '\0';
        list[strcspn(list, "\n")] = '\0';
        int r = cpu_list_parse(list, &online);
        if (r >= 0)
                drop_inactive(hotplug, online);
        if (r >= 0 && went && came && !hwloc_bitmap_iszero(online))
                look_at_list(engine, online, went, came);
        else
                log_debug("The list of online CPUs cannot be used: %s.", strerror(r < 0 ? -r : EINVAL));
        hwloc_bitmap_free(online);
        hwloc_bitmap_free(went);
        hwloc_bitmap_free(came);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

#include "cleanup.h"
#include "plugins/common/file-io.h"
#include "tap-counters.h"
#include "vhost-thread.h"

static bool exists(const struct iocore_services *services, struct iocore_context *context, const char *path) {
        _cleanup_close_ int fd = services->open_path(context, path, O_PATH);
        return fd >= 0;
}

struct option_source {
        const struct iocore_services *services;
        struct iocore_context *context;
};

static const char *read_option(void *userdata, const char *key) {
        const struct option_source *source = userdata;
        return source->services->option(source->context, key);
}

static int read_patterns(const struct iocore_services *services, struct iocore_context *context, struct pattern_set **ret, char *ret_reason, size_t size) {
        struct option_source source = { services, context };
        return pattern_set_new(read_option, &source, ret, ret_reason, size);
}

static bool any_module(const struct iocore_services *services, struct iocore_context *context, const struct pattern_set *patterns) {
        const char *module;
        char path[64];

        for (size_t i = 0; (module = pattern_set_module(patterns, i)); i++) {
                snprintf(path, sizeof path, "/sys/module/%.40s", module);
                if (module[0] != '\0' && exists(services, context, path))
                        return true;
        }
        return false;
}

static void pattern_set_freep(struct pattern_set **patterns) {
        pattern_set_free(*patterns);
}

static int vhost_probe(const struct iocore_services *services, struct iocore_context *context, char *ret_reason, size_t size) {
        _cleanup_(pattern_set_freep) struct pattern_set *patterns = NULL;

        int r = read_patterns(services, context, &patterns, ret_reason, size);
        if (r == -ENOMEM)
                return r;
        /* Whoever writes patterns, right or wrong, means this host: open() says what is wrong. */
        if (r < 0 || pattern_set_is_configured(patterns) || exists(services, context, "/sys/module/vhost") || exists(services, context, "/dev/vhost-net") ||
            any_module(services, context, patterns) || vhost_any_worker(services, context, patterns))
                return 1;
        snprintf(ret_reason, size, "no vhost worker thread in /proc, no /sys/module/vhost, no /dev/vhost-net: the kernel's vhost is not there");
        return 0;
}

/* Thread ids out of a fixture tree, or of another container's /proc, would be other threads here. */
static bool is_own_proc(const struct iocore_services *services, struct iocore_context *context) {
        struct statfs status;
        char self[16];

        _cleanup_close_ int fd = services->open_path(context, "/proc", O_RDONLY | O_DIRECTORY);
        if (fd < 0 || fstatfs(fd, &status) < 0 || status.f_type != PROC_SUPER_MAGIC)
                return false;
        ssize_t length = readlinkat(fd, "self", self, sizeof self - 1);
        if (length <= 0)
                return false;
        self[length] = '\0';
        return thread_parse_id(self) == getpid();
}

static void vhost_close(void *userdata) {
        struct vhost_state *state = userdata;

        if (!state)
                return;
        state->connector = connector_close(state->connector);
        state->identity = identity_free(state->identity, state);
        vhost_forget_all(state);
        hands_close(state);
        for (int cpu = 0; state->cores && cpu < state->n_cpus; cpu++)
                if (state->cores[cpu])
                        (void) state->services->core_set(state->context, cpu, NULL, false);
        free(state->cores);
        pattern_set_free(state->patterns);
        free(state);
}

int vhost_open_connected(const struct iocore_services *services, struct iocore_context *context, const struct affinity_calls *affinity, struct connector *connector,
                         const char *no_connector, void **ret_state, char *ret_reason, size_t size) {
        struct vhost_state *state = calloc(1, sizeof *state);
        if (!state) {
                connector_close(connector);
                return -ENOMEM;
        }
        state->services = services;
        state->context = context;
        state->affinity = affinity;
        state->connector = connector;
        snprintf(state->no_connector, sizeof state->no_connector, "%s", no_connector);
        state->n_cpus = services->cpu_count(context);
        state->cores = state->n_cpus > 0 ? calloc((size_t) state->n_cpus, sizeof *state->cores) : NULL;
        int r = state->cores ? identity_new(&state->identity) : -ENOMEM;
        if (r < 0)
                snprintf(ret_reason, size, "%s", strerror(-r));
        else
                r = read_patterns(services, context, &state->patterns, ret_reason, size);
        if (r >= 0)
                r = partition_open(state, ret_reason, size);
        if (r >= 0)
                r = hands_open(state);
        if (r >= 0 && (r = vhost_scan(state, true)) < 0)
                snprintf(ret_reason, size, "/proc: %s", strerror(-r));
        if (r < 0) {
                vhost_close(state);
                return r;
        }
        *ret_state = state;
        return 0;
}

int vhost_open_with(const struct iocore_services *services, struct iocore_context *context, const struct affinity_calls *affinity, void **ret_state,
                    char *ret_reason, size_t size) {
        return vhost_open_connected(services, context, affinity, NULL, "not asked for", ret_state, ret_reason, size);
}

/* 1, 0, or -EINVAL with a reason; `otherwise` when the option is not set. */
static int option_bool(const struct iocore_services *services, struct iocore_context *context, const char *key, bool otherwise, char *ret_reason, size_t size) {
        const char *value = services->option(context, key);

        if (!value || strcmp(value, otherwise ? "yes" : "no") == 0)
                return otherwise;
        if (strcmp(value, otherwise ? "no" : "yes") == 0)
                return !otherwise;
        snprintf(ret_reason, size, "option %s: \"%.64s\" is neither yes nor no", key, value);
        return -EINVAL;
}

static void open_taps(struct vhost_state *state) {
        struct tap_counters *taps;
        int r = tap_counters_new(&taps);
        if (r == 0)
                identity_use_taps(state, taps);
        else
                state->services->log(state->context, LOG_NOTICE, "rtnetlink cannot be had (%s): bytes and packets of taps are unknown", strerror(-r));
}

/* Without it only threads of the daemon's own user could be moved: those of some guests and not of others. capget(2) has no wrapper in the C library. */
static bool may_set_affinity(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

        return syscall(SYS_capget, &header, data) == 0 && (data[CAP_TO_INDEX(CAP_SYS_NICE)].effective & CAP_TO_MASK(CAP_SYS_NICE));
}

static int vhost_open(const struct iocore_services *services, struct iocore_context *context, void **ret_state, char *ret_reason, size_t size) {
        char no_connector[IOCORE_REASON_MAX] = "/proc is not this kernel's or shows other thread ids";
        struct connector *connector = NULL;

        int wanted = option_bool(services, context, "connector", true, ret_reason, size);
        if (wanted < 0)
                return wanted;
        bool own = is_own_proc(services, context);
        if (!own)
                services->log(context, LOG_NOTICE, "/proc is not this kernel's or shows other thread ids: affinity is neither read nor set");
        if (!wanted)
                snprintf(no_connector, sizeof no_connector, "switched off");
        else if (own && connector_open(&connector, no_connector, sizeof no_connector) < 0)
                services->log(context, LOG_NOTICE, "New workers are found by a scan every %g s; process connector: %s", (double) services->scan_interval(context) / 1e6,
                              no_connector);
        int r = vhost_open_connected(services, context, own ? &affinity_of_the_kernel : &affinity_refused, connector, no_connector, ret_state, ret_reason, size);
        if (r == 0 && own) {
                struct vhost_state *state = *ret_state;
                state->no_rights = !may_set_affinity();
                open_taps(state);
        }
        return r;
}

static int vhost_rescan(void *userdata, bool thorough) {
        struct vhost_state *state = userdata;

        watch_masks(state, thorough); /* first: the scan reads them anew */
        int r = vhost_scan(state, thorough);
        int error = hands_scan(state, thorough);
        return r < 0 ? r : error;
}

static const char *vhost_unavailable(void *userdata, const char *kind) {
        const struct vhost_state *state = userdata;

        if (strcmp(kind, "queue.poll") == 0)
                return "a stock kernel's vhost polls only as its owner asks (vhost busyloop_timeout); nobody else can switch it";
        if (strcmp(kind, "queue.limit") == 0)
                return "a stock kernel's vhost has a fixed limit for one turn of a queue";
        if (strcmp(kind, "worker.locked") == 0)
                return "a stock kernel makes a worker for each device: none takes devices of others";
        bool placing = strcmp(kind, "unit.place") == 0 || strcmp(kind, "grow") == 0;
        if (state->no_rights && (placing || strcmp(kind, "rights") == 0))
                return "without CAP_SYS_NICE no affinity can be set";
        if (state->affinity == &affinity_refused && placing)
                return "/proc is not this kernel's or shows other thread ids";
        return NULL;
}

static const struct iocore_option options[] = {
        { "connector", "yes or no: may the process connector tell of new workers" },
        { "partition", "no, root or isolated: are the I/O cores to be a cpuset partition of that kind" },
        { "patterns", "names of patterns for kernel threads of other drivers" },
        { "*.regex", "names of the kernel threads that a pattern is for" },
        { "*.kind", "kind of the device that a thread of a pattern serves" },
        { "*.backend", "its backend" },
        { "*.queue", "its queue pair" },
        { "*.domain", "name of the domain it works for" },
        { "*.owner", "id of a thread of the process it works for" },
        { NULL, NULL },
};

__attribute__((visibility("default"))) const struct iocore_plugin iocore_plugin = {
        .abi = IOCORE_PLUGIN_ABI,
        .size = sizeof(struct iocore_plugin),
        .name = "vhost-thread",
        .doc = "vhost worker threads of stock kernels, moved by their affinity",
        .provides = "vhost",
        .rank = 50,
        .probe = vhost_probe,
        .open = vhost_open,
        .close = vhost_close,
        .scan = vhost_rescan,
        .sample_workers = vhost_sample_workers,
        .sample_queues = identity_sample_queues,
        .knobs = vhost_knobs,
        .n_knobs = VHOST_N_KNOBS,
        .place = vhost_place,
        .core_add = vhost_core_add,
        .core_remove = vhost_core_remove,
        .unavailable = vhost_unavailable,
        .announced = vhost_announced,
        .describe = vhost_describe,
        .prepare = vhost_prepare,
        .reserve = vhost_reserve,
        .options = options,
        .foreign = vhost_foreign,
};

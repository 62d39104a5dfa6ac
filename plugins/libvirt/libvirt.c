/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Knows the host's virtual machines from libvirt, and places their virtual CPUs and memory through it, so that its own view stays true. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "picture.h"
#include "wishes.h"

#define OPTION_URI "uri"
#define OPTION_RESYNC "resync"
#define DEFAULT_URI "qemu:///system"
/* What has no event (virtual CPUs and IOThreads that are plugged, <numatune>) is noticed that late. */
#define DEFAULT_RESYNC_SECONDS 30
#define RESYNC_SECONDS_MAX 3600
/* To know all domains before the first epoch. */
#define OPEN_WAIT_USEC (2 * 1000 * 1000ULL)

/* A daemon of libvirt that runs, may be started by its socket, or is installed and may be started later. */
static const char *const traces[] = {
        "/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock", "/usr/sbin/libvirtd", "/usr/sbin/virtqemud",
};

static bool has_services(const struct iocore_services *services) {
        return services->size >= sizeof(struct iocore_services) && services->domain_add && services->domain_set_vcpus && services->domain_set_iothreads &&
               services->domain_set_cells && services->domain_set_devices && services->domain_set_emulator && services->domain_event;
}

static int libvirt_probe(const struct iocore_services *services, struct iocore_context *context, char *ret_reason, size_t size) {
        if (!has_services(services)) {
                snprintf(ret_reason, size, "this iocored knows too little of virtual machines: it is older than the plugin");
                return 0;
        }
        if (services->option(context, OPTION_URI))
                return 1;
        for (size_t i = 0; i < ELEMENTSOF(traces); i++) {
                _cleanup_close_ int fd = services->open_path(context, traces[i], O_PATH);
                if (fd >= 0)
                        return 1;
        }
        snprintf(ret_reason, size, "looked for %s, %s, %s, %s: libvirt is not here", traces[0], traces[1], traces[2], traces[3]);
        return 0;
}

static void libvirt_close(void *userdata) {
        struct libvirt_state *state = userdata;

        if (!state)
                return;
        talk_close(state->talk);
        picture_free(state);
        free(state->uri);
        free(state);
}

/* Seconds; -EINVAL. */
static int read_resync(const struct iocore_services *services, struct iocore_context *context) {
        const char *text = services->option(context, OPTION_RESYNC);
        char *end;

        if (!text)
                return DEFAULT_RESYNC_SECONDS;
        errno = 0;
        long seconds = strtol(text, &end, 10);
        if (errno != 0 || end == text || (*end != '\0' && strcmp(end, "s") != 0) || seconds < 1 || seconds > RESYNC_SECONDS_MAX)
                return -EINVAL;
        return (int) seconds;
}

static int libvirt_open(const struct iocore_services *services, struct iocore_context *context, void **ret_state, char *ret_reason, size_t size) {
        const char *uri = services->option(context, OPTION_URI) ?: DEFAULT_URI;
        int resync = read_resync(services, context);

        if (resync < 0) {
                snprintf(ret_reason, size, OPTION_RESYNC ": 1s to %ds is wanted", RESYNC_SECONDS_MAX);
                return resync;
        }
        int root = services->open_path(context, "/", O_PATH | O_DIRECTORY);
        if (root < 0) {
                snprintf(ret_reason, size, "/: %s", strerror(-root));
                return root;
        }
        struct libvirt_state *state = calloc(1, sizeof *state);
        if (state)
                *state = (struct libvirt_state) { .services = services, .context = context, .uri = strdup(uri), .reserve_pending = true };
        if (!state || !state->uri) {
                free(state);
                close(root);
                return -ENOMEM;
        }
        int r = talk_open(&state->talk, uri, root, (uint64_t) resync * 1000000);
        if (r < 0) {
                snprintf(ret_reason, size, "the threads that talk with libvirt: %s", strerror(-r));
                libvirt_close(state);
                return r;
        }
        /* A libvirt that does not answer now may do so later. */
        (void) talk_wait(state->talk, OPEN_WAIT_USEC);
        (void) picture_update(state);
        *ret_state = state;
        return 0;
}

static int libvirt_announced(void *userdata) {
        return picture_update(userdata);
}

static int libvirt_scan(void *userdata, bool thorough) {
        struct libvirt_state *state = userdata;

        (void) picture_update(state);
        for (size_t i = 0; thorough && i < state->n_domains; i++)
                for (size_t k = 0; k < state->domains[i]->n_pins; k++)
                        if (state->domains[i]->pins[k].refused) {
                                string_set(&state->domains[i]->pins[k].refused, NULL);
                                state->reserve_pending = true;
                        }
        return 0;
}

static const char *libvirt_unavailable(void *userdata, const char *kind) {
        struct libvirt_state *state = userdata;
        bool ours = false;

        for (size_t i = 0; i < LIBVIRT_KNOBS; i++)
                ours = ours || strcmp(libvirt_knobs[i].kind, kind) == 0;
        talk_status(state->talk, &state->status);
        if (!ours || (state->status.connected && state->status.writable))
                return NULL;
        if (state->status.connected)
                snprintf(state->unavailable, sizeof state->unavailable, "libvirt lets us look only: %s", state->status.read_only);
        else
                snprintf(state->unavailable, sizeof state->unavailable, "libvirt does not answer: %s", state->status.trouble);
        return state->unavailable;
}

static void libvirt_describe(void *userdata, void (*say)(void *userdata, const char *key, const char *value), void *say_userdata) {
        struct libvirt_state *state = userdata;
        char text[2 * IOCORE_REASON_MAX];

        talk_status(state->talk, &state->status);
        if (!state->status.connected || !state->status.answers)
                snprintf(text, sizeof text, "%.200s does not answer (%s): %zu domains, as they were last", state->uri, state->status.trouble, state->n_domains);
        else
                snprintf(text, sizeof text, "%.200s, %zu domain%s%s%s%s", state->uri, state->n_domains, state->n_domains == 1 ? " of its" : "s of its",
                         state->status.writable ? "" : ", read-only (", state->status.writable ? "" : state->status.read_only, state->status.writable ? "" : "): nothing is placed");
        say(say_userdata, "libvirt", text);
}

static int libvirt_domain_wish(void *userdata, const char *domain, const char *attributes, char *ret_reason, size_t size) {
        struct libvirt_state *state = userdata;
        struct question question = { .kind = ASK_WISH, .id = -1, .value = attributes };
        struct wish_changes changes;
        uint64_t serial;

        ret_reason[0] = '\0';
        int r = wish_changes_parse(attributes, &changes, ret_reason, size);
        if (r < 0)
                return r;
        (void) picture_update(state);
        const struct known *known = picture_find_name(state, domain);
        if (!known)
                return -ENOENT;
        memcpy(question.uuid, known->uuid, sizeof question.uuid);
        _cleanup_free_ char *text = malloc(IOCORE_VALUE_MAX);
        if (!text)
                return -ENOMEM;
        r = talk_ask(state->talk, &question, state->services->in_haste(state->context) ? 0 : OPEN_WAIT_USEC, text, IOCORE_VALUE_MAX, &serial);
        if (r < 0 && r != -EINPROGRESS)
                snprintf(ret_reason, size, "%s", text[0] ? text : r == -EROFS ? state->status.read_only : r == -ENOTCONN ? state->status.trouble : "");
        return r;
}

static const struct iocore_option options[] = {
        { OPTION_URI, "The connection to libvirt; default: " DEFAULT_URI },
        { OPTION_RESYNC, "How often all domains are looked at again; default: 30s" },
        { NULL, NULL },
};

__attribute__((visibility("default"))) extern const struct iocore_plugin iocore_plugin;

const struct iocore_plugin iocore_plugin = {
        .abi = IOCORE_PLUGIN_ABI,
        .size = sizeof(struct iocore_plugin),
        .name = "libvirt",
        .doc = "virtual machines of libvirt: what they are, what their owners want, where their CPUs and memory are",
        .probe = libvirt_probe,
        .open = libvirt_open,
        .close = libvirt_close,
        .scan = libvirt_scan,
        .knobs = libvirt_knobs,
        .n_knobs = LIBVIRT_KNOBS,
        .unavailable = libvirt_unavailable,
        .announced = libvirt_announced,
        .reserve = libvirt_reserve,
        .foreign = libvirt_foreign,
        .describe = libvirt_describe,
        .domain_wish = libvirt_domain_wish,
        .options = options,
};

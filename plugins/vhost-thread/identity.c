/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "daemon/clock.h"
#include "identity.h"
#include "owner-files.h"
#include "plugins/common/file-io.h"
#include "tap-counters.h"
#include "vhost-thread.h"

enum {
        LOOKS_MAX = 5,        /* a device may get its tap a moment after its worker; so often a scan looks once more */
        LOOK_AGAIN_MAX = 16,  /* owners in one scan: a VM has some hundred open files */
};

/* Of a tap. Only those that a guest receives are counted as lost when its worker is too slow; of what it sends, the host's drops are also what nobody there wants. */
enum { RECEIVE, TRANSMIT, N_QUEUES };

struct vhost_device {
        struct iocore_device *model;
        struct iocore_queue *queues[N_QUEUES]; /* NULL where nothing counts them */
        pid_t owner;
        struct match_device is;
        unsigned interface;   /* index of its tap on this host; 0: unknown */
        bool wanted;          /* of an owner that changed */
        bool told;            /* that its counters are not known */
        int group;            /* used by look_at_owner() */
};

struct identity {
        struct vhost_device **devices;
        size_t n_devices;
        bool wanted; /* an owner changed */

        struct tap_counters *taps;
        bool sampled;   /* in this epoch */
        uint64_t clock; /* when */
        bool told;      /* that taps cannot be sampled */
};

int identity_new(struct identity **ret) {
        struct identity *identity = calloc(1, sizeof *identity);
        if (!identity)
                return -ENOMEM;
        *ret = identity;
        return 0;
}

static void remove_queues(struct vhost_state *state, struct vhost_device *device) {
        for (size_t i = 0; i < N_QUEUES; i++)
                if (device->queues[i]) {
                        struct iocore_queue *queue = TAKE_PTR(device->queues[i]);
                        state->services->queue_remove(state->context, queue);
                }
}

static void remove_device(struct vhost_state *state, size_t index) {
        struct identity *identity = state->identity;
        struct vhost_device *device = identity->devices[index];

        identity->devices[index] = identity->devices[--identity->n_devices];
        for (size_t i = 0; i < state->n_threads; i++)
                if (state->threads[i]->device == device) {
                        state->threads[i]->device = NULL;
                        state->threads[i]->unit->device = NULL;
                        state->threads[i]->unit->queue_pair = -1;
                }
        remove_queues(state, device);
        state->services->device_remove(state->context, device->model);
        free(device);
}

struct identity *identity_free(struct identity *identity, struct vhost_state *state) {
        if (!identity)
                return NULL;
        while (identity->n_devices > 0)
                remove_device(state, identity->n_devices - 1);
        free(identity->devices);
        tap_counters_free(identity->taps);
        free(identity);
        return NULL;
}

/* Only workers that a vhost device made have an owner with files to look at. */
static bool is_of(const struct vhost_thread *thread, pid_t owner) {
        return thread->unit && thread->unit->owner == owner && (thread->shape == THREAD_VHOST_KERNEL || thread->shape == THREAD_VHOST_TASK);
}

void identity_owner_changed(struct vhost_state *state, pid_t owner) {
        if (!state->identity)
                return;
        for (size_t i = 0; i < state->n_threads; i++)
                if (is_of(state->threads[i], owner))
                        state->threads[i]->identity_wanted = true;
        for (size_t i = 0; i < state->identity->n_devices; i++)
                if (state->identity->devices[i]->owner == owner)
                        state->identity->devices[i]->wanted = true;
        state->identity->wanted = true;
}

/* --- one owner */

/* All that is known of one owner while it is looked at. */
struct owner_view {
        pid_t pid;
        struct vhost_thread **threads;
        struct match_worker *workers;
        struct match *matches;
        size_t n_threads;
        struct match_device *groups;
        struct vhost_device **devices; /* of each group */
        size_t n_groups;
        struct owner_files files;
};

static void owner_view_done(struct owner_view *view) {
        free(view->threads);
        free(view->workers);
        free(view->matches);
        free(view->groups);
        free(view->devices);
        owner_files_done(&view->files);
}

static int list_threads(struct vhost_state *state, struct owner_view *view) {
        size_t n = 0;
        for (size_t i = 0; i < state->n_threads; i++)
                n += is_of(state->threads[i], view->pid);
        view->threads = calloc(n + 1, sizeof(struct vhost_thread *));
        view->workers = calloc(n + 1, sizeof *view->workers);
        view->matches = calloc(n + 1, sizeof *view->matches);
        view->groups = calloc(n + 1, sizeof *view->groups);
        view->devices = calloc(n + 1, sizeof(struct vhost_device *));
        if (!view->threads || !view->workers || !view->matches || !view->groups || !view->devices)
                return -ENOMEM;
        for (size_t i = 0; i < state->n_threads; i++)
                if (is_of(state->threads[i], view->pid)) {
                        struct vhost_thread *thread = state->threads[i];
                        thread->identity_wanted = thread->look_again = false;
                        view->workers[view->n_threads] = (struct match_worker) { thread->id, thread->start_time };
                        view->threads[view->n_threads++] = thread;
                }
        return 0;
}

static bool has_tap(const struct owner_files *files, const char *name) {
        for (size_t i = 0; i < files->n_files; i++)
                if (files->files[i].is_tap && strcmp(files->files[i].tap, name) == 0)
                        return true;
        return false;
}

/* A worker serves one device as long as it lives. What was found out when there was less to mix up is believed more than what seems so now; but a tap may be
 * renamed, and one that had no name may get it. */
static bool agrees(struct owner_view *view, size_t i) {
        const struct match *match = &view->matches[i];
        const struct vhost_thread *thread = view->threads[i];
        const struct match_device *group = &view->groups[match->device];
        struct vhost_device *device = thread->device;

        if (device->is.kind != group->kind || thread->unit->queue_pair != match->queue_pair)
                return false;
        if (strcmp(device->is.tap, group->tap) != 0 && device->is.tap[0] != '\0' && has_tap(&view->files, device->is.tap))
                return false;
        if ((device->group >= 0 && device->group != match->device) || (view->devices[match->device] && view->devices[match->device] != device))
                return false;
        device->group = match->device;
        view->devices[match->device] = device;
        return true;
}

static bool all_agree(struct vhost_state *state, struct owner_view *view) {
        for (size_t i = 0; i < state->identity->n_devices; i++)
                state->identity->devices[i]->group = -1;
        for (size_t i = 0; i < view->n_threads; i++)
                if (view->threads[i]->device && view->matches[i].device >= 0 && !agrees(view, i))
                        return false;
        return true;
}

static struct vhost_device *add_device(struct vhost_state *state, pid_t owner, enum vhost_kind kind, pid_t first) {
        struct identity *identity = state->identity;
        char id[IOCORE_ID_MAX];

        struct vhost_device **devices = reallocarray(identity->devices, identity->n_devices + 1, sizeof(struct vhost_device *));
        if (!devices)
                return NULL;
        identity->devices = devices;
        struct vhost_device *device = calloc(1, sizeof *device);
        if (!device)
                return NULL;
        snprintf(id, sizeof id, "%s.%d.%d", vhost_kind_name(kind), (int) owner, (int) first);
        device->model = state->services->device_add(state->context, id);
        if (!device->model) {
                free(device);
                return NULL;
        }
        device->owner = owner;
        device->model->owner = owner;
        snprintf(device->model->kind, sizeof device->model->kind, "%s", vhost_kind_name(kind));
        device->model->plugin_data = device;
        return identity->devices[identity->n_devices++] = device;
}

static void describe_device(struct vhost_device *device, const struct match_device *is) {
        static const char *const drivers[] = { [VHOST_NET] = "", [VHOST_SCSI] = "vhost-scsi", [VHOST_VSOCK] = "vhost-vsock" };

        /* another tap, or another name of it, is looked up anew */
        if (strcmp(device->is.tap, is->tap) != 0 || device->is.macvtap != is->macvtap)
                device->interface = 0;
        device->is = *is;
        snprintf(device->model->backend, sizeof device->model->backend, "%s", is->tap[0] ? is->tap : is->target[0] ? is->target : drivers[is->kind]);
}

static void say_why(struct owner_view *view, const char *why) {
        for (size_t i = 0; i < view->n_threads; i++)
                if (!view->threads[i]->device)
                        snprintf(view->threads[i]->unit->unidentified, sizeof view->threads[i]->unit->unidentified, "%s", why ? why : view->matches[i].why);
}

static void apply(struct vhost_state *state, struct owner_view *view) {
        if (!all_agree(state, view)) {
                say_why(view, "it contradicts what was known of its owner's other workers");
                return;
        }
        for (size_t i = 0; i < view->n_threads; i++) {
                const struct match *match = &view->matches[i];
                struct vhost_thread *thread = view->threads[i];
                struct iocore_unit *unit = thread->unit;
                if (match->device < 0)
                        continue;
                struct vhost_device **device = &view->devices[match->device];
                if (!*device)
                        *device = add_device(state, view->pid, view->groups[match->device].kind, thread->id);
                if (!*device)
                        continue; /* without memory for it */
                describe_device(*device, &view->groups[match->device]);
                thread->device = *device;
                unit->device = (*device)->model;
                unit->queue_pair = match->queue_pair;
                unit->unidentified[0] = '\0';
        }
        say_why(view, NULL);
}

/* --- the tap of a device, on this host */

static bool read_namespace(struct vhost_state *state, const char *process, char ret[static 64]) {
        char path[48];

        snprintf(path, sizeof path, "/proc/%s/ns", process);
        _cleanup_close_ int fd = state->services->open_path(state->context, path, O_PATH | O_DIRECTORY);
        ssize_t length = fd < 0 ? -1 : readlinkat(fd, "net", ret, 63);
        if (length <= 0)
                return false;
        ret[length] = '\0';
        return true;
}

/* Interfaces of another network namespace have the same names and indexes as those of this one. */
static bool is_in_own_namespace(struct vhost_state *state, pid_t owner) {
        char own[64], other[64], process[16];

        snprintf(process, sizeof process, "%d", (int) owner);
        return read_namespace(state, "self", own) && read_namespace(state, process, other) && strcmp(own, other) == 0;
}

/* 0 when there is no such interface here. */
static unsigned read_interface_index(struct vhost_state *state, const struct match_device *is) {
        char path[64], text[16];

        if (is->macvtap > 0)
                return is->macvtap;
        if (is->tap[0] == '\0')
                return 0;
        /* only taps have it */
        snprintf(path, sizeof path, "/sys/class/net/%s/tun_flags", is->tap);
        _cleanup_close_ int fd = state->services->open_path(state->context, path, O_PATH);
        snprintf(path, sizeof path, "/sys/class/net/%s/ifindex", is->tap);
        ssize_t length = fd < 0 ? fd : file_read_path(state->services, state->context, path, text, sizeof text);
        if (length <= 0)
                return 0;
        trim_end(text, (size_t) length);
        pid_t index = thread_parse_id(text);
        return index > 0 ? (unsigned) index : 0;
}

/* A tap counts for all of its queue pairs together: with one pair the numbers are its worker's, with several nobody's. */
static void add_queues(struct vhost_state *state, struct vhost_device *device, struct iocore_unit *unit) {
        static const char *const names[N_QUEUES] = { [RECEIVE] = "rx", [TRANSMIT] = "tx" };

        for (unsigned i = 0; i < N_QUEUES; i++) {
                char id[IOCORE_ID_MAX + 4];
                if (device->queues[i] && device->queues[i]->unit == unit)
                        continue;
                /* the model groups queues by unit when they come or go */
                if (device->queues[i]) {
                        struct iocore_queue *old = TAKE_PTR(device->queues[i]);
                        state->services->queue_remove(state->context, old);
                }
                snprintf(id, sizeof id, "%s.%s", device->model->id, names[i]);
                struct iocore_queue *queue = state->services->queue_add(state->context, id);
                if (!queue)
                        continue;
                queue->unit = unit;
                queue->device = device->model;
                queue->index = i;
                queue->fields = IOCORE_QUEUE_BYTES | IOCORE_QUEUE_PACKETS | (i == RECEIVE ? IOCORE_QUEUE_DROPS : 0);
                queue->can_poll = queue->poll = false;
                queue->plugin_data = device;
                device->queues[i] = queue;
        }
}

static void find_counters(struct vhost_state *state, struct vhost_device *device, bool own_namespace) {
        struct iocore_unit *unit = NULL;
        size_t n = 0;

        for (size_t i = 0; i < state->n_threads; i++)
                if (state->threads[i]->device == device) {
                        unit = state->threads[i]->unit;
                        n++;
                }
        device->interface = own_namespace ? read_interface_index(state, &device->is) : 0;
        if (device->interface == 0) {
                remove_queues(state, device);
                if (!device->told)
                        state->services->log(state->context, LOG_INFO, "%s: %s is an interface of another network namespace: its counters are unknown",
                                             device->model->id, device->model->backend[0] ? device->model->backend : "its tap");
                device->told = true;
                return;
        }
        add_queues(state, device, n == 1 ? unit : NULL);
}

/* --- */

static bool has_worker(const struct vhost_state *state, const struct vhost_device *device) {
        for (size_t i = 0; i < state->n_threads; i++)
                if (state->threads[i]->device == device)
                        return true;
        return false;
}

static void look_at_owner(struct vhost_state *state, pid_t pid) {
        _cleanup_(owner_view_done) struct owner_view view = { .pid = pid };
        struct identity *identity = state->identity;
        char why[IOCORE_NAME_MAX];

        for (size_t i = identity->n_devices; i-- > 0;)
                if (identity->devices[i]->owner == pid) {
                        identity->devices[i]->wanted = false;
                        if (!has_worker(state, identity->devices[i]))
                                remove_device(state, i);
                }
        int r = list_threads(state, &view);
        if (r < 0 || view.n_threads == 0)
                return;
        if (pid <= 0) {
                say_why(&view, "its owner is not known: the thread that made its device has ended");
                return;
        }
        r = owner_files_read(state->services, state->context, pid, &view.files);
        if (r == 0)
                r = identity_match(view.workers, view.n_threads, &view.files, view.matches, view.groups, &view.n_groups);
        if (r < 0) {
                snprintf(why, sizeof why, "the open files of its owner cannot be looked at: %s", strerror(-r));
                say_why(&view, why);
                return;
        }
        apply(state, &view);
        bool own_namespace = is_in_own_namespace(state, pid);
        for (size_t i = 0; i < identity->n_devices; i++)
                if (identity->devices[i]->owner == pid && identity->devices[i]->is.kind == VHOST_NET)
                        find_counters(state, identity->devices[i], own_namespace);
}

static void watch_taps(struct identity *identity) {
        if (!identity->taps)
                return;
        _cleanup_free_ unsigned *indexes = calloc(identity->n_devices + 1, sizeof *indexes);
        size_t n = 0;
        for (size_t i = 0; indexes && i < identity->n_devices; i++)
                if (identity->devices[i]->interface > 0)
                        indexes[n++] = identity->devices[i]->interface;
        /* without memory the counters of new taps stay unknown until something else changes */
        if (indexes)
                (void) tap_counters_watch(identity->taps, indexes, n);
}

void identity_use_taps(struct vhost_state *state, struct tap_counters *taps) {
        tap_counters_free(state->identity->taps);
        state->identity->taps = taps;
        watch_taps(state->identity);
}

void identity_refresh(struct vhost_state *state) {
        struct identity *identity = state->identity;

        if (!identity->wanted)
                return;
        identity->wanted = false;
        for (size_t i = identity->n_devices; i-- > 0;) {
                /* looking at an owner may remove several devices */
                if (i < identity->n_devices && identity->devices[i]->wanted)
                        look_at_owner(state, identity->devices[i]->owner);
        }
        for (size_t i = 0; i < state->n_threads; i++)
                if (state->threads[i]->identity_wanted)
                        look_at_owner(state, state->threads[i]->unit->owner);
        watch_taps(identity);
}

void identity_scan(struct vhost_state *state, bool thorough) {
        size_t n_looks = 0;

        for (size_t i = 0; i < state->n_threads; i++) {
                struct vhost_thread *thread = state->threads[i];
                thread->look_again |= thorough;
                if (!thread->unit->device && thread->n_looks < LOOKS_MAX) {
                        thread->n_looks++;
                        identity_owner_changed(state, thread->unit->owner);
                } else if (thread->look_again && !thread->identity_wanted && n_looks < LOOK_AGAIN_MAX) {
                        n_looks++;
                        identity_owner_changed(state, thread->unit->owner);
                }
        }
        identity_refresh(state);
}

/* --- counters */

void identity_new_epoch(struct vhost_state *state) {
        state->identity->sampled = false;
}

static void sample_taps(struct vhost_state *state) {
        struct identity *identity = state->identity;

        identity->sampled = true;
        int r = tap_counters_dump(identity->taps);
        identity->clock = monotonic_nsec();
        if (r < 0 && !identity->told)
                state->services->log(state->context, LOG_WARNING, "Counters of taps could not be read: %s, ignoring", strerror(-r));
        identity->told = r < 0;
}

static void fill(struct iocore_queue *queue, uint64_t clock, uint64_t bytes, uint64_t packets, uint64_t drops) {
        if (!queue)
                return;
        queue->clock = clock;
        queue->bytes = bytes;
        queue->packets = packets;
        queue->drops = drops;
}

int identity_sample_queues(void *userdata, struct iocore_worker *worker) {
        struct vhost_state *state = userdata;
        struct identity *identity = state->identity;
        const struct vhost_thread *thread = worker->plugin_data;
        const struct vhost_device *device = thread->device;

        if (!device || device->interface == 0 || !identity->taps)
                return 0;
        if (!identity->sampled)
                sample_taps(state);
        const struct interface_counters *counters = tap_counters_get(identity->taps, device->interface);
        if (!counters)
                return 0; /* gone: its device goes with the next scan */
        /* What the host receives from a tap the guest has sent. A macvtap is an interface of the guest's own side. */
        bool reversed = device->is.macvtap == 0;
        fill(device->queues[reversed ? TRANSMIT : RECEIVE], identity->clock, counters->rx_bytes, counters->rx_packets, counters->rx_dropped);
        fill(device->queues[reversed ? RECEIVE : TRANSMIT], identity->clock, counters->tx_bytes, counters->tx_packets, counters->tx_dropped);
        return 0;
}

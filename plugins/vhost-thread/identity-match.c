/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "identity-match.h"

/* The devices of a command line are made one after the other when the owner starts. Workers further apart than this are not all of them: one was unplugged,
 * and a later one has its file numbers. Setting up assigned PCI devices in between may take half a minute. In clock ticks of 10 ms. */
enum { TOGETHER_TICKS = 6000 };

/* One vhost device file, in the order in which the workers were made. */
struct slot {
        int device, queue_pair, vhost_fd;
};

struct matching {
        const struct owner_files *files;
        const struct owner_file **sorted; /* files by number */
        bool *claimed;                    /* of `sorted`: belongs to an option of the command line */
        size_t n_unclaimed[_VHOST_KIND_MAX]; /* vhost files that no option accounts for */

        struct slot *slots;
        size_t n_slots, n_workers; /* there are as many slots as workers, at most */
        struct match_device *devices;
        size_t n_devices;
        char why[IOCORE_NAME_MAX];
};

const char *vhost_kind_name(enum vhost_kind kind) {
        static const char *const names[] = { [VHOST_NET] = "net", [VHOST_SCSI] = "scsi", [VHOST_VSOCK] = "vsock" };
        return names[kind];
}

static int compare_files(const void *a, const void *b) {
        int left = (*(const struct owner_file *const *) a)->fd, right = (*(const struct owner_file *const *) b)->fd;
        return (left > right) - (left < right);
}

static int compare_workers(const void *a, const void *b) {
        const struct match_worker *left = *(const struct match_worker *const *) a, *right = *(const struct match_worker *const *) b;
        if (left->start_time != right->start_time)
                return left->start_time < right->start_time ? -1 : 1;
        return (left->id > right->id) - (left->id < right->id);
}

static bool is_same_tap(const struct owner_file *a, const struct owner_file *b) {
        return a->macvtap == b->macvtap && strcmp(a->tap, b->tap) == 0 && (a->macvtap > 0 || a->tap[0] != '\0');
}

static __attribute__((format(printf, 2, 3))) bool cannot_tell(struct matching *matching, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(matching->why, sizeof matching->why, format, arguments);
        va_end(arguments);
        return false;
}

static bool disagrees(struct matching *matching) {
        return cannot_tell(matching, "the command line and the open files of its owner disagree");
}

static struct match_device *add_device(struct matching *matching, enum vhost_kind kind) {
        struct match_device *device = &matching->devices[matching->n_devices++];
        *device = (struct match_device) { .kind = kind };
        return device;
}

/* One more worker of the device. */
static void add_slot(struct matching *matching, struct match_device *device, int vhost_fd) {
        int pair = device->kind == VHOST_NET ? (int) device->n_pairs : -1;
        device->n_pairs++;
        matching->slots[matching->n_slots++] = (struct slot) { (int) (device - matching->devices), pair, vhost_fd };
}

/* --- what the command line accounts for */

/* The open file with this number, if it is one of vhost or a tap; -1. */
static ssize_t find_file(const struct matching *matching, int fd) {
        struct owner_file key = { .fd = fd };
        const struct owner_file *pointer = &key;
        if (matching->files->n_files == 0)
                return -1;
        const struct owner_file **found =
                bsearch(&pointer, matching->sorted, matching->files->n_files, sizeof(const struct owner_file *), compare_files);
        return found ? found - matching->sorted : -1;
}

/* Of those numbers, how many are open and of this sort? */
static unsigned count_open(const struct matching *matching, const int *fds, unsigned n, bool is_tap, enum vhost_kind kind) {
        unsigned n_open = 0;
        for (unsigned i = 0; i < n; i++) {
                ssize_t at = find_file(matching, fds[i]);
                n_open += at >= 0 && matching->sorted[at]->is_tap == is_tap && (is_tap || matching->sorted[at]->kind == kind);
        }
        return n_open;
}

static bool claim(struct matching *matching, const int *fds, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                ssize_t at = find_file(matching, fds[i]);
                if (at < 0 || matching->claimed[at])
                        return disagrees(matching);
                matching->claimed[at] = true;
                if (!matching->sorted[at]->is_tap)
                        matching->n_unclaimed[matching->sorted[at]->kind]--;
        }
        return true;
}

/* Claims all queues of the tap of this name. */
static unsigned claim_tap(struct matching *matching, const char *name) {
        unsigned n = 0;
        for (size_t i = 0; i < matching->files->n_files; i++)
                if (matching->sorted[i]->is_tap && !matching->claimed[i] && strcmp(matching->sorted[i]->tap, name) == 0) {
                        matching->claimed[i] = true;
                        n++;
                }
        return n;
}

/* The tap behind an option's files: all that have a name have the same. */
static bool find_tap(struct matching *matching, const struct owner_option *option, const struct owner_file **ret) {
        const struct owner_file *tap = NULL;
        for (unsigned i = 0; i < option->n_fds; i++) {
                const struct owner_file *file = matching->sorted[find_file(matching, option->fds[i])];
                if (file->tap[0] == '\0' && file->macvtap == 0)
                        continue;
                if (tap && !is_same_tap(tap, file))
                        return disagrees(matching);
                tap = file;
        }
        *ret = tap;
        return true;
}

/* 1: the option's files are open and are claimed now; 0: none is, it was unplugged; -1: neither. */
static int claim_files(struct matching *matching, const struct owner_option *option) {
        unsigned n_taps = count_open(matching, option->fds, option->n_fds, true, VHOST_NET);
        unsigned n_vhost = count_open(matching, option->vhost_fds, option->n_vhost_fds, false, option->kind);

        if (option->kind == VHOST_NET && option->n_fds == 0) {
                unsigned n_named = claim_tap(matching, option->tap);
                if (n_named == 0 && n_vhost == 0)
                        return 0;
                if (n_named != option->n_pairs)
                        return disagrees(matching), -1;
        } else if (n_taps + n_vhost == 0 && option->n_fds + option->n_vhost_fds > 0)
                return 0;
        if (n_taps != option->n_fds || n_vhost != option->n_vhost_fds)
                return disagrees(matching), -1;
        return claim(matching, option->fds, option->n_fds) && claim(matching, option->vhost_fds, option->n_vhost_fds) ? 1 : -1;
}

static bool take_option(struct matching *matching, const struct owner_option *option) {
        const struct owner_file *tap = NULL;
        int r = claim_files(matching, option);
        if (r <= 0 || !option->vhost)
                return r >= 0;
        if (option->n_vhost_fds == 0) {
                if (option->kind != VHOST_NET && matching->n_unclaimed[option->kind] == 0)
                        return true; /* unplugged */
                /* opened by itself: whichever numbers they have, they are that many */
                if (matching->n_unclaimed[option->kind] < option->n_pairs)
                        return disagrees(matching);
                matching->n_unclaimed[option->kind] -= option->n_pairs;
        }
        if (!find_tap(matching, option, &tap))
                return false;
        if (matching->n_slots + option->n_pairs > matching->n_workers)
                return disagrees(matching);
        struct match_device *device = add_device(matching, option->kind);
        memcpy(device->target, option->target, sizeof device->target);
        memcpy(device->tap, tap ? tap->tap : option->tap, sizeof device->tap);
        device->macvtap = tap ? tap->macvtap : 0;
        for (unsigned i = 0; i < option->n_pairs; i++)
                add_slot(matching, device, option->n_vhost_fds > 0 ? option->vhost_fds[i] : -1);
        return true;
}

/* Each option says how many workers it makes, and of a tap which it is. */
static bool can_be_placed(const struct owner_option *option) {
        if (option->opaque || (option->n_vhost_fds > 0 && (!option->vhost || option->n_vhost_fds != option->n_pairs)))
                return false;
        if (option->kind != VHOST_NET)
                return option->n_fds == 0;
        return option->n_fds > 0 ? option->n_fds == option->n_pairs : option->tap[0] != '\0';
}

/* Backends are made before devices, whatever their order on the line. */
static bool take_command_line(struct matching *matching) {
        const struct owner_files *files = matching->files;

        /* one that cannot be placed among them makes the order of all others worthless */
        for (size_t i = 0; i < files->n_options; i++)
                if (!can_be_placed(&files->options[i]))
                        return true;
        for (size_t i = 0; i < files->n_options; i++)
                if (files->options[i].kind == VHOST_NET && !take_option(matching, &files->options[i]))
                        return false;
        for (size_t i = 0; i < files->n_options; i++)
                if (files->options[i].kind != VHOST_NET && !take_option(matching, &files->options[i]))
                        return false;
        return true;
}

/* --- what is left: plugged in later, or of an owner whose command line says nothing */

/* A tap of the command line that got more queues later is still one device. */
static struct match_device *device_of_tap(struct matching *matching, const struct owner_file *tap) {
        for (size_t i = 0; i < matching->n_devices; i++) {
                struct match_device *device = &matching->devices[i];
                if (device->kind == VHOST_NET && device->macvtap == tap->macvtap && strcmp(device->tap, tap->tap) == 0 &&
                    (tap->macvtap > 0 || tap->tap[0] != '\0'))
                        return device;
        }
        struct match_device *device = add_device(matching, VHOST_NET);
        memcpy(device->tap, tap->tap, sizeof device->tap);
        device->macvtap = tap->macvtap;
        return device;
}

/* The device of the one tap that is left; NULL: it is not one. */
static struct match_device *take_one_tap(struct matching *matching, size_t n_vhost) {
        const struct owner_file *tap = NULL;
        size_t n_queues = 0;

        for (size_t i = 0; i < matching->files->n_files; i++) {
                const struct owner_file *file = matching->sorted[i];
                if (!file->is_tap || matching->claimed[i])
                        continue;
                if (tap && !is_same_tap(tap, file)) {
                        (void) cannot_tell(matching, "%zu vhost-net device%s, several taps: which is whose cannot be told", n_vhost, n_vhost == 1 ? "" : "s");
                        return NULL;
                }
                tap = file;
                n_queues++;
        }
        if (tap && n_queues == n_vhost)
                return device_of_tap(matching, tap);
        if (!tap)
                (void) cannot_tell(matching, "none of the open files of its owner is a tap");
        else
                (void) cannot_tell(matching, "%zu vhost-net device%s, %zu queue%s of %.*s", n_vhost, n_vhost == 1 ? "" : "s", n_queues, n_queues == 1 ? "" : "s",
                                   TAP_NAME_SIZE, tap->tap);
        return NULL;
}

static bool take_rest(struct matching *matching) {
        struct match_device *device = NULL;
        size_t rest = 0;
        enum vhost_kind kind = VHOST_NET;

        for (int i = 0; i < _VHOST_KIND_MAX; i++) {
                if (matching->n_unclaimed[i] > 0 && rest > 0)
                        return cannot_tell(matching, "vhost devices of several kinds: which is whose cannot be told");
                if (matching->n_unclaimed[i] > 0)
                        kind = (enum vhost_kind) i;
                rest += matching->n_unclaimed[i];
        }
        if (rest == 0)
                return true;
        if (kind == VHOST_NET && !(device = take_one_tap(matching, rest)))
                return false;
        /* where the owner opened some by itself, which numbers those have is not known */
        size_t n_left = 0;
        for (size_t i = 0; i < matching->files->n_files; i++)
                n_left += !matching->sorted[i]->is_tap && !matching->claimed[i];
        bool numbers_known = n_left == rest;
        for (size_t i = 0, taken = 0; i < matching->files->n_files && taken < rest; i++) {
                if (matching->sorted[i]->is_tap || matching->claimed[i] || matching->sorted[i]->kind != kind)
                        continue;
                if (kind != VHOST_NET || !device)
                        device = add_device(matching, kind);
                add_slot(matching, device, numbers_known ? matching->sorted[i]->fd : -1);
                taken++;
        }
        return true;
}

/* --- the whole */

/* vhost-scsi alone may have a worker for each of its queues: all of them are of that one device. */
static bool take_lone_scsi(struct matching *matching) {
        const struct owner_files *files = matching->files;
        struct match_device *device = add_device(matching, VHOST_SCSI);
        int fd = -1;

        for (size_t i = 0; i < files->n_options; i++)
                if (files->options[i].kind == VHOST_SCSI)
                        memcpy(device->target, files->options[i].target, sizeof device->target);
        for (size_t i = 0; i < files->n_files; i++)
                if (!files->files[i].is_tap)
                        fd = files->files[i].fd;
        while (matching->n_slots < matching->n_workers)
                add_slot(matching, device, matching->n_slots == 0 ? fd : -1);
        return true;
}

/* True: `slots` are the devices of the oldest workers, in order; `why` is of the others. */
static bool find_slots(struct matching *matching, const struct match_worker *const *order) {
        size_t n_vhost = 0;
        for (int i = 0; i < _VHOST_KIND_MAX; i++)
                n_vhost += matching->n_unclaimed[i];
        if (n_vhost == 0)
                return cannot_tell(matching, "none of the open files of its owner is a vhost device");
        if (n_vhost == 1 && matching->n_unclaimed[VHOST_SCSI] == 1)
                return take_lone_scsi(matching);
        if (n_vhost != matching->n_workers)
                return cannot_tell(matching, "%zu worker%s, %zu vhost device%s: hot-plugged?", matching->n_workers, matching->n_workers == 1 ? "" : "s", n_vhost,
                                   n_vhost == 1 ? "" : "s");
        if (!take_command_line(matching))
                return false;
        if (matching->n_slots > 0 && order[matching->n_slots - 1]->start_time - order[0]->start_time > TOGETHER_TICKS)
                return cannot_tell(matching, "the workers of its owner were not made together: one was unplugged");
        (void) take_rest(matching);
        return true;
}

int identity_match(const struct match_worker *workers, size_t n_workers, const struct owner_files *files, struct match *ret_matches,
                   struct match_device *ret_devices, size_t *ret_n_devices) {
        struct matching matching = { .files = files, .n_workers = n_workers, .devices = ret_devices };
        _cleanup_free_ const struct match_worker **order = calloc(n_workers + 1, sizeof(const struct match_worker *));
        _cleanup_free_ const struct owner_file **sorted = calloc(files->n_files + 1, sizeof(const struct owner_file *));
        _cleanup_free_ bool *claimed = calloc(files->n_files + 1, sizeof *claimed);
        _cleanup_free_ struct slot *slots = calloc(n_workers + 1, sizeof *slots);

        if (!order || !sorted || !claimed || !slots)
                return -ENOMEM;
        matching.sorted = sorted;
        matching.claimed = claimed;
        matching.slots = slots;
        for (size_t i = 0; i < n_workers; i++)
                order[i] = &workers[i];
        qsort(order, n_workers, sizeof(const struct match_worker *), compare_workers);
        for (size_t i = 0; i < files->n_files; i++) {
                sorted[i] = &files->files[i];
                if (!sorted[i]->is_tap)
                        matching.n_unclaimed[sorted[i]->kind]++;
        }
        qsort(sorted, files->n_files, sizeof(const struct owner_file *), compare_files);

        if (!find_slots(&matching, order))
                matching.n_slots = matching.n_devices = 0;
        for (size_t i = 0; i < n_workers; i++) {
                struct match *match = &ret_matches[order[i] - workers];
                *match = (struct match) { .device = -1, .queue_pair = -1, .vhost_fd = -1 };
                if (i < matching.n_slots) {
                        match->device = slots[i].device;
                        match->queue_pair = slots[i].queue_pair;
                        match->vhost_fd = slots[i].vhost_fd;
                } else
                        memcpy(match->why, matching.why, sizeof match->why);
        }
        *ret_n_devices = matching.n_devices;
        return 0;
}

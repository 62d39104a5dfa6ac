/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern-device.h"
#include "vhost-thread.h"

struct pattern_device {
        struct iocore_device *model;
        const char *pattern;
        unsigned n_workers;
};

/* Two devices of one pattern differ in kind or backend. */
static struct pattern_device *find(struct vhost_state *state, const struct pattern_match *match) {
        for (size_t i = 0; i < state->n_threads; i++) {
                struct pattern_device *device = state->threads[i]->pattern_device;
                if (device && device->pattern == match->pattern && strcmp(device->model->kind, match->kind) == 0 &&
                    strcmp(device->model->backend, match->backend) == 0)
                        return device;
        }
        return NULL;
}

/* PATTERN.BACKEND where that is an id, else PATTERN.THREAD of the first of its workers. */
static void make_id(const struct vhost_thread *thread, const struct pattern_match *match, char *ret, size_t size) {
        bool is_id = strlen(match->pattern) + 1 + strlen(match->backend) < IOCORE_ID_MAX;
        for (const char *c = match->backend; *c; c++)
                is_id = is_id && (isalnum((unsigned char) *c) || strchr("._:-", *c));
        if (is_id)
                snprintf(ret, size, "%s.%s", match->pattern, match->backend);
        else
                snprintf(ret, size, "%.18s.%d", match->pattern, (int) thread->id);
}

static struct pattern_device *find_or_add(struct vhost_state *state, const struct vhost_thread *thread, const struct pattern_match *match) {
        char id[2 * IOCORE_NAME_MAX];

        struct pattern_device *device = find(state, match);
        if (device || !(device = calloc(1, sizeof *device)))
                return device;
        make_id(thread, match, id, sizeof id);
        device->pattern = match->pattern;
        device->model = state->services->device_add(state->context, id);
        if (!device->model) {
                free(device);
                return NULL;
        }
        device->model->owner = thread->unit->owner;
        snprintf(device->model->kind, sizeof device->model->kind, "%s", match->kind);
        snprintf(device->model->backend, sizeof device->model->backend, "%s", match->backend);
        return device;
}

void pattern_device_describe(struct vhost_state *state, struct vhost_thread *thread, const struct pattern_match *match) {
        struct iocore_unit *unit = thread->unit;

        if (match->domain[0] != '\0')
                memcpy(unit->domain, match->domain, sizeof unit->domain);
        unit->queue_pair = match->queue_pair;
        if (match->backend[0] != '\0')
                thread->pattern_device = find_or_add(state, thread, match);
        if (!thread->pattern_device) {
                snprintf(unit->unidentified, sizeof unit->unidentified, "its name, which matches the pattern %.31s, does not tell its device", match->pattern);
                return;
        }
        thread->pattern_device->n_workers++;
        unit->device = thread->pattern_device->model;
}

void pattern_device_release(struct vhost_state *state, struct vhost_thread *thread) {
        struct pattern_device *device = thread->pattern_device;

        thread->pattern_device = NULL;
        if (!device || --device->n_workers > 0)
                return;
        state->services->device_remove(state->context, device->model);
        free(device);
}

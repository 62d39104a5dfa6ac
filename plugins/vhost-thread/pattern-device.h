/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The devices of workers that a pattern found: all that they are is in their names. */
#ifndef PATTERN_DEVICE_H
#define PATTERN_DEVICE_H

#include "pattern.h"

struct vhost_state;
struct vhost_thread;

/* Fills the unit of a new worker from its match, and adds its device if it is the first of it. Never fails: without memory the unit has no device. */
void pattern_device_describe(struct vhost_state *state, struct vhost_thread *thread, const struct pattern_match *match);
/* A worker goes: takes its device out of the model with the last one. To be called before its unit is removed. */
void pattern_device_release(struct vhost_state *state, struct vhost_thread *thread);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Slices of systemd and their AllowedCPUs: names, masks, and what is wanted of them. No I/O. */
#ifndef SLICES_H
#define SLICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugins/iocore-plugin.h"
#include "plugins/vhost-thread/affinity.h"

/* A host has two or three slices at the top. */
enum { SLICES_MAX = 16, SLICE_BYTES_MAX = AFFINITY_CPUS_MAX / 8 };

/* May `name` be asked of systemd? A slice's unit name (systemd.unit(5)), other than the root slice "-.slice", on which AllowedCPUs does nothing. */
bool slice_name_is_valid(const char *name);
/* Names, divided by white space or commas, each once. Returns how many; -EINVAL: one is not the name of a slice that can be reserved, or it is machine.slice or below it, where
 * VMs and so vhost workers live; -E2BIG: more than SLICES_MAX. *ret_bad (SIZE IOCORE_NAME_MAX): which one, on a failure. */
int slices_parse(const char *option, char (*ret_names)[IOCORE_NAME_MAX], char *ret_bad);

/* AllowedCPUs on the bus is an array of bytes, CPU n is bit n % 8 of byte n / 8 (org.freedesktop.systemd1(5)); empty = not set.
 * 0; -ERANGE: a CPU beyond AFFINITY_CPUS_MAX. */
int slice_mask_from_bytes(const uint8_t *bytes, size_t n_bytes, struct affinity_mask *ret);
/* ret: SLICE_BYTES_MAX bytes. Returns how many are used, 0 for no CPUs. */
size_t slice_mask_to_bytes(const struct affinity_mask *mask, uint8_t *ret);

/* A knob's value: a CPU list, "" = AllowedCPUs is not set. Errors as of affinity_parse() and affinity_format(). */
int slice_mask_parse(const char *value, struct affinity_mask *ret);
int slice_mask_format(const struct affinity_mask *mask, char *ret, size_t size);

bool slice_mask_equal(const struct affinity_mask *a, const struct affinity_mask *b);
bool slice_mask_is_empty(const struct affinity_mask *mask);

/* What a slice should have that had `base` before: base itself where no I/O core is in it; without `cores` otherwise, of all CPUs that are `online` when base is empty (not set).
 * 0; -ENOSPC: nothing would be left. */
int slice_want(const struct affinity_mask *base, const struct affinity_mask *online, const struct affinity_mask *cores, struct affinity_mask *ret);

#endif

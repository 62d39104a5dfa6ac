/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ids of the control interface: "w.3", "d.4", "vq.4.1". */
#ifndef SIM_IDS_H
#define SIM_IDS_H

#include <stdbool.h>
#include <stddef.h>

/* True when `string` is PREFIX, a dot and a number from 1 without leading zeros ("w.3"). */
bool id_parse(const char *string, const char *prefix, unsigned *ret);
/* "vq.4.1"; the index counts from 0. */
bool id_parse_queue(const char *string, unsigned *ret_device, unsigned *ret_index);
/* Decimal without sign tricks: optional '-', digits, nothing else. */
bool number_parse(const char *string, long long *ret);

#endif

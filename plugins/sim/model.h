/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The model host: a host of the vhost control interface in virtual time, shared by the plugin `sim` and by iocore-simfs.
 * Same scenario, same seed, same calls: same run, bit for bit. No I/O, no clock of its own.
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "scenario.h"

struct model;

/* `scenario` is borrowed. 0 or -ENOMEM. */
int model_new(struct model **ret, const struct scenario *scenario);
struct model *model_free(struct model *model);

/* Lets `usec` of the host's time pass, in slices of the scenario's quantum. */
void model_advance(struct model *model, uint64_t usec);
uint64_t model_now_usec(const struct model *model);
bool model_ended(const struct model *model);

/* The rest (workers, devices, queues, VMs, CPU times, create / remove / lock / move / poll / limits with the
 * kernel's own errors) is declared by whoever implements it, below. */

#endif

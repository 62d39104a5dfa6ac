/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `iocored --simulate SCENARIO`: the whole daemon on the model host, in virtual time, thousands of epochs a second. */
#ifndef SIMULATE_H
#define SIMULATE_H

#include <stdio.h>

#include "daemon/config.h"

/* Points `config` at the scenario: plugin sim in virtual time, its topology, a journal of its own below `directory`, no bus. Logs what fails. 0, -EINVAL: the
 * scenario has errors or no end, -errno. */
int simulate_configure(struct config *config, const char *scenario, const char *directory);

/* Plays the scenario to its end and prints each decision and a closing summary. Takes `config`. 0; -errno: could not start (logged), or the host could not be put back. */
int simulate_run(struct config *config, FILE *output);

#endif

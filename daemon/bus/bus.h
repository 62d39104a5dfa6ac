/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The D-Bus API: vtables over the engine, no logic of its own. See man page org.iocore1(5). */
#ifndef BUS_H
#define BUS_H

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "daemon/engine.h"

struct bus;

/* `address`: "system", "user" or a D-Bus address. Claims org.iocore1; -EEXIST: another daemon has it. Logs what fails. */
int bus_new(struct bus **ret, struct engine *engine, sd_event *event, const char *address);
struct bus *bus_free(struct bus *bus);
static inline void bus_freep(struct bus **bus) {
        bus_free(*bus);
}

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Getters of properties: what the vtables of the manager and of the objects share. A getter's userdata points at the member that it tells. */
#ifndef BUS_PROPERTIES_H
#define BUS_PROPERTIES_H

#include "bus-internal.h"

#define BUS_GETTER(name)                                                                                                                   \
        int name(sd_bus *connection, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata, \
                 sd_bus_error *error)
#define GETTER(name) static BUS_GETTER(name)
#define UNUSED_GETTER_ARGUMENTS (void) connection, (void) path, (void) interface, (void) property, (void) error

BUS_GETTER(bus_get_string); /* char [] */
BUS_GETTER(bus_get_bool);
BUS_GETTER(bus_get_pid);

/* The model belongs to the bus object, which is the userdata of each vtable's slot. */
const struct host *bus_current_host(sd_bus *connection);

#endif

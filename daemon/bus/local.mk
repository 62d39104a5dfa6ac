# SPDX-License-Identifier: LGPL-2.1-or-later
libiocored_la_SOURCES += daemon/bus/bus.h daemon/bus/bus-internal.h daemon/bus/bus-methods.h daemon/bus/bus-properties.h daemon/bus/bus-json.h
libiocored_la_SOURCES += daemon/bus/bus.c daemon/bus/bus-manager.c daemon/bus/bus-wishes.c daemon/bus/bus-classes.c daemon/bus/bus-objects.c
libiocored_la_SOURCES += daemon/bus/bus-announce.c daemon/bus/bus-decision.c daemon/bus/bus-state.c daemon/bus/bus-state-domains.c daemon/bus/bus-domain.c
libiocored_la_SOURCES += daemon/bus/bus-jobs.c

dbuspolicydir = $(datadir)/dbus-1/system.d
dist_dbuspolicy_DATA = daemon/bus/org.iocore1.conf

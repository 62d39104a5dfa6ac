# SPDX-License-Identifier: LGPL-2.1-or-later
libiocored_la_SOURCES += daemon/host/host.h
libiocored_la_SOURCES += daemon/host/topology.h
libiocored_la_SOURCES += daemon/host/counter.h

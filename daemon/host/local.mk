# SPDX-License-Identifier: LGPL-2.1-or-later
libiocored_la_SOURCES += daemon/host/host.h daemon/host/host.c daemon/host/derive.c daemon/host/domain.c daemon/host/event.c
libiocored_la_SOURCES += daemon/host/topology.h daemon/host/topology.c daemon/host/cpu-list.h daemon/host/cpu-list.c
libiocored_la_SOURCES += daemon/host/counter.h

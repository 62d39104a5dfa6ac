# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libsystemd-plugin.la libsystemd-slices.la
libsystemd_plugin_la_SOURCES = plugins/systemd/systemd.c plugins/systemd/connection.h plugins/systemd/connection-private.h plugins/systemd/connection.c plugins/systemd/conversation.c
libsystemd_plugin_la_LIBADD = libsystemd-slices.la $(SYSTEMD_LIBS) -lpthread
libsystemd_slices_la_SOURCES = plugins/systemd/slices.h plugins/systemd/slices.c plugins/vhost-thread/affinity.h plugins/vhost-thread/affinity.c \
	daemon/host/cpu-list.h daemon/host/cpu-list.c
libsystemd_slices_la_LIBADD = $(HWLOC_LIBS)

if PLUGIN_SYSTEMD
plugin_LTLIBRARIES += systemd.la
systemd_la_SOURCES =
systemd_la_LIBADD = libsystemd-plugin.la
systemd_la_LDFLAGS = $(plugin_ldflags)
endif

# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libiothread.la
libiothread_la_SOURCES = plugins/iothread/iothread.h plugins/iothread/iothread.c plugins/iothread/inventory.c plugins/iothread/place.c \
	plugins/vhost-thread/thread-info.h plugins/vhost-thread/thread-info.c plugins/vhost-thread/affinity.h plugins/vhost-thread/affinity.c
libiothread_la_LIBADD = libplugin-common.la $(HWLOC_LIBS)

if PLUGIN_IOTHREAD
plugin_LTLIBRARIES += iothread.la
iothread_la_SOURCES =
iothread_la_LIBADD = libiothread.la
iothread_la_LDFLAGS = $(plugin_ldflags)
endif

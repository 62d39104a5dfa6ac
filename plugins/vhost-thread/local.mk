# SPDX-License-Identifier: LGPL-2.1-or-later
# All of it is in a library that the unit tests link too.
noinst_LTLIBRARIES += libvhost-thread.la
libvhost_thread_la_SOURCES = plugins/vhost-thread/plugin.c plugins/vhost-thread/vhost-thread.h plugins/vhost-thread/inventory.c plugins/vhost-thread/sampler.c plugins/vhost-thread/hands.c \
	plugins/vhost-thread/search.c plugins/vhost-thread/search.h plugins/vhost-thread/discovery.c plugins/vhost-thread/connector.c plugins/vhost-thread/connector.h \
	plugins/vhost-thread/pattern.c plugins/vhost-thread/pattern.h plugins/vhost-thread/pattern-device.c plugins/vhost-thread/pattern-device.h plugins/vhost-thread/regex-cost.c plugins/vhost-thread/regex-cost.h \
	plugins/vhost-thread/proc-visibility.c plugins/vhost-thread/proc-visibility.h \
	plugins/vhost-thread/guests.c plugins/vhost-thread/guests-search.c plugins/vhost-thread/guests.h plugins/vhost-thread/reserve.c plugins/vhost-thread/watch.c plugins/vhost-thread/thread-knobs.c \
	plugins/vhost-thread/cpuset.c plugins/vhost-thread/cpuset.h plugins/vhost-thread/cpuset-knob.c plugins/vhost-thread/widen.c \
	plugins/vhost-thread/partition.c plugins/vhost-thread/partition.h plugins/vhost-thread/partition-check.c plugins/vhost-thread/partition-knobs.c \
	plugins/vhost-thread/host-masks.c plugins/vhost-thread/host-masks.h \
	plugins/vhost-thread/thread-info.c plugins/vhost-thread/thread-info.h plugins/vhost-thread/affinity.c plugins/vhost-thread/affinity.h
libvhost_thread_la_SOURCES += plugins/vhost-thread/identity.c plugins/vhost-thread/identity.h plugins/vhost-thread/identity-match.c plugins/vhost-thread/identity-match.h \
	plugins/vhost-thread/owner-files.c plugins/vhost-thread/owner-files.h plugins/vhost-thread/owner-options.c \
	plugins/vhost-thread/tap-counters.c plugins/vhost-thread/tap-counters.h
libvhost_thread_la_CFLAGS = $(AM_CFLAGS) $(LIBNL_CFLAGS)
libvhost_thread_la_LIBADD = libplugin-common.la $(HWLOC_LIBS) $(CJSON_LIBS) $(LIBNL_LIBS)

if PLUGIN_VHOST_THREAD
plugin_LTLIBRARIES += vhost-thread.la
vhost_thread_la_SOURCES =
vhost_thread_la_LIBADD = libvhost-thread.la
vhost_thread_la_LDFLAGS = $(plugin_ldflags)
endif

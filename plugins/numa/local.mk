# SPDX-License-Identifier: LGPL-2.1-or-later
# Without libnuma's headers neither the plugin nor its tests are built.
if PLUGIN_NUMA
noinst_LTLIBRARIES += libnuma-maps.la libnuma-plugin.la
libnuma_maps_la_SOURCES = plugins/numa/numa-maps.h plugins/numa/numa-maps.c
libnuma_plugin_la_SOURCES = plugins/numa/numa.c plugins/numa/work.h plugins/numa/work.c plugins/numa/mover.h plugins/numa/mover.c plugins/numa/memory.h \
	plugins/numa/memory.c plugins/numa/nodes.h plugins/numa/nodes.c plugins/vhost-thread/thread-info.h plugins/vhost-thread/thread-info.c
# What links it adds $(NUMA_LDFLAGS).
libnuma_plugin_la_LIBADD = libnuma-maps.la libplugin-common.la $(HWLOC_LIBS) -lpthread

plugin_LTLIBRARIES += numa.la
numa_la_SOURCES =
numa_la_LIBADD = libnuma-plugin.la
# Its thread may still read a large numa_maps when the plugin is closed and must find its code: it is never unloaded. libnuma finds what it says wrong by.
numa_la_LDFLAGS = -module -avoid-version -shared -export-symbols-regex '^(iocore_plugin|numa_warn|numa_error)$$' $(IOCORE_LDFLAGS) $(NUMA_LDFLAGS) -Wl,-z,nodelete
endif

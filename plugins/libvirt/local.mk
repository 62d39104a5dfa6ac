# SPDX-License-Identifier: LGPL-2.1-or-later
# Without libvirt's headers neither the plugin nor its tests are built.
if PLUGIN_LIBVIRT
noinst_LTLIBRARIES += libdomain-xml.la liblibvirt-plugin.la
libdomain_xml_la_SOURCES = plugins/libvirt/description.h plugins/libvirt/description.c plugins/libvirt/wishes.h plugins/libvirt/wishes.c \
	plugins/libvirt/domain-xml.h plugins/libvirt/domain-xml.c plugins/libvirt/process.h plugins/libvirt/process.c \
	plugins/vhost-thread/affinity.h plugins/vhost-thread/affinity.c plugins/vhost-thread/thread-info.h plugins/vhost-thread/thread-info.c
libdomain_xml_la_CFLAGS = $(AM_CFLAGS) $(XML_CFLAGS)
libdomain_xml_la_LIBADD = libplugin-common.la $(XML_LIBS) $(HWLOC_LIBS)
liblibvirt_plugin_la_SOURCES = plugins/libvirt/picture.h plugins/libvirt/libvirt.c plugins/libvirt/picture.c plugins/libvirt/publish.c plugins/libvirt/pins.c \
	plugins/libvirt/knobs.c plugins/libvirt/reserve.c plugins/libvirt/talk.h plugins/libvirt/talk-private.h plugins/libvirt/talk.c plugins/libvirt/looks.c \
	plugins/libvirt/requests.c plugins/libvirt/talker.c \
	plugins/libvirt/hand.c plugins/libvirt/events.c plugins/libvirt/loop.c
liblibvirt_plugin_la_CFLAGS = $(AM_CFLAGS) $(LIBVIRT_CFLAGS)
# What links it adds $(LIBVIRT_LDFLAGS).
liblibvirt_plugin_la_LIBADD = libdomain-xml.la -lpthread

plugin_LTLIBRARIES += libvirt.la
libvirt_la_SOURCES =
libvirt_la_LIBADD = liblibvirt-plugin.la
# A thread that still waits for libvirt when the plugin is closed must find its code: it is never unloaded.
libvirt_la_LDFLAGS = $(plugin_ldflags) $(LIBVIRT_LDFLAGS) -Wl,-z,nodelete
endif

# SPDX-License-Identifier: LGPL-2.1-or-later
# The plugin is this library and nothing else, so that tests, fuzzers and the benchmark use the same code.
noinst_LTLIBRARIES += libvhost-sysfs.la
libvhost_sysfs_la_SOURCES = \
	plugins/vhost-sysfs/vhost-sysfs.h plugins/vhost-sysfs/vhost-sysfs.c \
	plugins/vhost-sysfs/attributes.h plugins/vhost-sysfs/attributes.c \
	plugins/vhost-sysfs/inventory.c plugins/vhost-sysfs/worker.c plugins/vhost-sysfs/device.c \
	plugins/vhost-sysfs/sampler.c plugins/vhost-sysfs/knobs.c plugins/vhost-sysfs/structure.c
libvhost_sysfs_la_LIBADD = libplugin-common.la

if PLUGIN_VHOST_SYSFS
plugin_LTLIBRARIES += vhost-sysfs.la
vhost_sysfs_la_SOURCES =
vhost_sysfs_la_LIBADD = libvhost-sysfs.la
vhost_sysfs_la_LDFLAGS = $(plugin_ldflags)
endif

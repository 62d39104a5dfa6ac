# SPDX-License-Identifier: LGPL-2.1-or-later
# What several plugins share; compiled into each.
noinst_LTLIBRARIES += libplugin-common.la
libplugin_common_la_SOURCES = plugins/common/file-io.h plugins/common/file-io.c plugins/common/owner.h plugins/common/owner.c \
	daemon/host/cpu-list.h daemon/host/cpu-list.c
libplugin_common_la_LIBADD = $(HWLOC_LIBS)

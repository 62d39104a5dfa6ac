# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libcpu.la
libcpu_la_SOURCES = plugins/cpu/cpu.c plugins/cpu/stat.h plugins/cpu/stat.c

if PLUGIN_CPU
plugin_LTLIBRARIES += cpu.la
cpu_la_SOURCES =
cpu_la_LIBADD = libcpu.la
cpu_la_LDFLAGS = $(plugin_ldflags)
endif

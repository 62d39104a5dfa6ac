# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libcpu.la libcpu-stat.la
libcpu_la_SOURCES = plugins/cpu/cpu.c
libcpu_la_LIBADD = libcpu-stat.la
libcpu_stat_la_SOURCES = plugins/cpu/stat.h plugins/cpu/stat.c

if PLUGIN_CPU
plugin_LTLIBRARIES += cpu.la
cpu_la_SOURCES =
cpu_la_LIBADD = libcpu.la
cpu_la_LDFLAGS = $(plugin_ldflags)
endif

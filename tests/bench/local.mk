# SPDX-License-Identifier: LGPL-2.1-or-later
EXTRA_DIST += tests/bench/run

check_PROGRAMS += tests/bench/bench-epoch
tests_bench_bench_epoch_SOURCES = \
	tests/bench/bench-epoch.c tests/bench/bench-subject.h tests/bench/bench-subject.c tests/bench/vhost-tree.h tests/bench/vhost-tree.c
tests_bench_bench_epoch_CPPFLAGS = $(AM_CPPFLAGS) -DBENCH_PLUGINS=\"$(abs_top_builddir)/.libs\" -DBENCH_POLICIES=\"$(abs_top_srcdir)/policies\"
tests_bench_bench_epoch_LDADD = libvhost-sysfs.la libiocored.la

# SPDX-License-Identifier: LGPL-2.1-or-later
EXTRA_DIST += tests/bench/run tests/bench/vm-threads

check_PROGRAMS += tests/bench/bench-epoch
tests_bench_bench_epoch_SOURCES = \
	tests/bench/bench-epoch.c tests/bench/bench-subject.h tests/bench/bench-subject.c tests/bench/bench-plugin.h tests/bench/bench-plugin.c \
	tests/bench/vhost-tree.h tests/bench/vhost-tree.c tests/bench/plain-files.h tests/bench/plain-files.c tests/bench/measure.h tests/bench/measure.c
tests_bench_bench_epoch_CPPFLAGS = $(AM_CPPFLAGS) -DBENCH_PLUGINS=\"$(abs_top_builddir)/.libs\" -DBENCH_POLICIES=\"$(abs_top_srcdir)/policies\"
tests_bench_bench_epoch_LDADD = libvhost-sysfs.la libiocored.la

check_PROGRAMS += tests/bench/bench-threads
tests_bench_bench_threads_SOURCES = \
	tests/bench/bench-threads.c tests/bench/bench-plugin.h tests/bench/bench-plugin.c tests/bench/thread-tree.h tests/bench/thread-tree.c \
	tests/bench/plain-files.h tests/bench/plain-files.c tests/bench/measure.h tests/bench/measure.c tests/lib/call-counts.h tests/lib/call-counts.c
tests_bench_bench_threads_LDADD = libvhost-thread.la libiocored.la

check_PROGRAMS += tests/bench/bench-placement
tests_bench_bench_placement_SOURCES = tests/bench/bench-placement.c tests/unit/placement-model.c tests/unit/placement-model.h
tests_bench_bench_placement_LDADD = libiocored.la $(HWLOC_LIBS)

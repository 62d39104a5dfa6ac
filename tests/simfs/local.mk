# SPDX-License-Identifier: LGPL-2.1-or-later
# The control interface as a file system. Built whenever libfuse3 is there: tests of other layers and the demo use it too.
if HAVE_FUSE
noinst_PROGRAMS += tests/simfs/iocore-simfs
tests_simfs_iocore_simfs_SOURCES = tests/simfs/simfs.h tests/simfs/iocore-simfs.c tests/simfs/simfs-operations.c tests/simfs/simfs-tree.c tests/simfs/simfs-attributes.c \
	tests/simfs/simfs-proc.c tests/simfs/simfs-control.c
tests_simfs_iocore_simfs_CFLAGS = $(AM_CFLAGS) $(FUSE_CFLAGS) -pthread
tests_simfs_iocore_simfs_LDADD = libsim-model.la $(FUSE_LIBS) $(CJSON_LIBS) -lpthread
endif

EXTRA_DIST += tests/simfs/run tests/simfs/lib.sh tests/simfs/test-interface.sh tests/simfs/test-daemon.sh tests/simfs/test-faults.sh tests/simfs/test-rules.sh tests/simfs/test-engine.sh tests/data/scenarios/demo.json tests/data/scenarios/overload.json tests/data/scenarios/reaction.json tests/data/scenarios/uneven.json \
	tests/data/scenarios/idle.json tests/data/scenarios/small.json tests/data/scenarios/large.json

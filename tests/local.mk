# SPDX-License-Identifier: LGPL-2.1-or-later
# A layer is a folder with a script `run` that prints TAP; programs of cmocka go into unit_programs and are run by `make check` too.
unit_programs =
check_LTLIBRARIES =

include tests/unit/local.mk
include tests/policy/local.mk
include tests/simfs/local.mk
include tests/bus/local.mk
include tests/libvirt/local.mk
include tests/vm/local.mk
include tests/fuzz/local.mk
include tests/bench/local.mk

check_PROGRAMS += $(unit_programs)
TESTS += $(unit_programs)
EXTRA_DIST += tests/lib/tap.sh tests/lib/host.sh tests/lib/difference.jq tests/dist/run tests/dist/cppcheck-suppressions tests/.clang-tidy tests/demo/run .ci/run

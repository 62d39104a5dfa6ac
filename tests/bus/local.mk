# SPDX-License-Identifier: LGPL-2.1-or-later
EXTRA_DIST += tests/bus/run tests/bus/lib.sh tests/bus/raw-client.py tests/bus/steady.json tests/bus/policies/50-quiet.lua
EXTRA_DIST += tests/bus/objects.sh tests/bus/wishes.sh tests/bus/rights.sh tests/bus/policies.sh tests/bus/following.sh tests/bus/terminal.sh \
	tests/bus/abuse.sh tests/bus/life.sh tests/bus/identity.sh tests/bus/stock-host.c tests/bus/split.sh tests/bus/split-host.c
check_PROGRAMS += tests/bus/fake-systemd
tests_bus_fake_systemd_SOURCES = tests/bus/fake-systemd.c
tests_bus_fake_systemd_LDADD = libsystemd-slices.la $(SYSTEMD_LIBS)

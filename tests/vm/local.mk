# SPDX-License-Identifier: LGPL-2.1-or-later
check_PROGRAMS += tests/vm/vhost-load
tests_vm_vhost_load_SOURCES = tests/vm/vhost-load-main.c tests/vm/vhost-load-device.c tests/vm/vhost-load-worker.c tests/vm/vhost-load-traffic.c \
	tests/vm/vhost-load-vcpu.c tests/vm/vhost-load-disguise.c tests/vm/vhost-load.h
tests_vm_vhost_load_LDADD = -lpthread

check_PROGRAMS += tests/vm/impostor
tests_vm_impostor_SOURCES = tests/vm/impostor.c

check_PROGRAMS += tests/vm/memory-load
tests_vm_memory_load_SOURCES = tests/vm/memory-load.c

check_PROGRAMS += tests/vm/dump-state tests/vm/last-cpus
tests_vm_dump_state_SOURCES = tests/vm/dump-state.c
tests_vm_last_cpus_SOURCES = tests/vm/last-cpus.c

check_PROGRAMS += tests/vm/prefer-node
tests_vm_prefer_node_SOURCES = tests/vm/prefer-node.c

EXTRA_DIST += tests/vm/run tests/vm/fetch-kernel tests/vm/build-image tests/vm/init tests/vm/guest.sh tests/vm/bus.conf
EXTRA_DIST += tests/vm/cases/10-workers.sh
EXTRA_DIST += tests/vm/cases/15-discovery.sh
EXTRA_DIST += tests/vm/cases/20-gather.sh tests/vm/cases/25-overload.sh
EXTRA_DIST += tests/vm/cases/30-restore.sh
EXTRA_DIST += tests/vm/cases/35-foreign.sh
EXTRA_DIST += tests/vm/cases/40-identity.sh
EXTRA_DIST += tests/vm/cases/42-counters.sh
EXTRA_DIST += tests/vm/cases/45-doctor.sh
EXTRA_DIST += tests/vm/cases/50-late-workers.sh
EXTRA_DIST += tests/vm/cases/52-reservation.sh
EXTRA_DIST += tests/vm/cases/54-cpuset.sh
EXTRA_DIST += tests/vm/cases/55-partition.sh
EXTRA_DIST += tests/vm/cases/60-hotplug.sh tests/vm/cases/62-numa-move.sh
EXTRA_DIST += tests/vm/cases/64-libvirt-placement.sh
EXTRA_DIST += tests/vm/cases/70-bad-input.sh tests/vm/quiet.sh
EXTRA_DIST += tests/vm/cases/71-missing-rights.sh tests/vm/cases/72-cpuset-without-core.sh
EXTRA_DIST += tests/vm/cases-bench/bench-threads.sh
EXTRA_DIST += tests/vm/run-cases tests/vm/systemd/init tests/vm/systemd/system.conf tests/vm/systemd/bus.conf tests/vm/systemd/default.target tests/vm/systemd/iocore-cases.service \
	tests/vm/systemd/dbus.socket tests/vm/systemd/dbus.service tests/vm/cases-systemd/10-service.sh

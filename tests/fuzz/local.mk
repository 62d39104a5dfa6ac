# SPDX-License-Identifier: LGPL-2.1-or-later
EXTRA_DIST += tests/fuzz/corpus/config/defaults tests/fuzz/corpus/config/everything tests/fuzz/corpus/config/errors tests/fuzz/corpus/config/odd
if FUZZERS
check_PROGRAMS += tests/fuzz/fuzz-config
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz-config.c
tests_fuzz_fuzz_config_LDADD = libiocored.la
tests_fuzz_fuzz_config_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif

EXTRA_DIST += tests/fuzz/corpus/thread-info/name tests/fuzz/corpus/thread-info/name-of-a-user tests/fuzz/corpus/thread-info/stat \
	tests/fuzz/corpus/thread-info/stat-with-parentheses tests/fuzz/corpus/thread-info/schedstat tests/fuzz/corpus/thread-info/status \
	tests/fuzz/corpus/thread-info/list tests/fuzz/corpus/thread-info/list-backwards tests/fuzz/corpus/thread-info/list-with-newline
if FUZZERS
check_PROGRAMS += tests/fuzz/fuzz-thread-info
tests_fuzz_fuzz_thread_info_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz-thread-info.c
tests_fuzz_fuzz_thread_info_LDADD = libvhost-thread.la
tests_fuzz_fuzz_thread_info_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif

EXTRA_DIST += tests/fuzz/corpus/identity/libvirt tests/fuzz/corpus/identity/plain tests/fuzz/corpus/identity/cut-off tests/fuzz/corpus/identity/info \
	tests/fuzz/corpus/identity/info-twice tests/fuzz/corpus/identity/link tests/fuzz/corpus/identity/counters tests/fuzz/corpus/identity/error
if FUZZERS
check_PROGRAMS += tests/fuzz/fuzz-identity
tests_fuzz_fuzz_identity_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz-identity.c
tests_fuzz_fuzz_identity_LDADD = libvhost-thread.la
tests_fuzz_fuzz_identity_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif

EXTRA_DIST += tests/fuzz/corpus/scenario/small tests/fuzz/corpus/scenario/overload tests/fuzz/corpus/scenario/everything tests/fuzz/corpus/scenario/extremes
if FUZZERS
check_PROGRAMS += tests/fuzz/fuzz-scenario
tests_fuzz_fuzz_scenario_SOURCES = tests/fuzz/fuzz-scenario.c
tests_fuzz_fuzz_scenario_LDADD = libsim-model.la
tests_fuzz_fuzz_scenario_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif

EXTRA_DIST += \
	tests/fuzz/corpus/attributes/list-created \
	tests/fuzz/corpus/attributes/list-devices \
	tests/fuzz/corpus/attributes/list-queues \
	tests/fuzz/corpus/attributes/owner-cgroup \
	tests/fuzz/corpus/attributes/owner-cmdline \
	tests/fuzz/corpus/attributes/owner-status \
	tests/fuzz/corpus/attributes/owner-status-negative \
	tests/fuzz/corpus/attributes/proc-stat \
	tests/fuzz/corpus/attributes/status-bounds \
	tests/fuzz/corpus/attributes/status-queue-iocm \
	tests/fuzz/corpus/attributes/status-worker-iocm \
	tests/fuzz/corpus/attributes/value-bool-elvis \
	tests/fuzz/corpus/attributes/value-counter-elvis \
	tests/fuzz/corpus/attributes/value-cpu-elvis
if FUZZERS
check_PROGRAMS += tests/fuzz/fuzz-attributes
tests_fuzz_fuzz_attributes_SOURCES = tests/fuzz/fuzz-attributes.c
tests_fuzz_fuzz_attributes_LDADD = libvhost-sysfs.la libcpu-stat.la
tests_fuzz_fuzz_attributes_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif

EXTRA_DIST += tests/fuzz/corpus/policy/actions tests/fuzz/corpus/policy/declaration tests/fuzz/corpus/policy/filters tests/fuzz/corpus/policy/hostile \
	tests/fuzz/corpus/policy/loops tests/fuzz/corpus/policy/strings
if FUZZERS
check_PROGRAMS += tests/fuzz/fuzz-policy
tests_fuzz_fuzz_policy_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz-policy.c
tests_fuzz_fuzz_policy_LDADD = libiocored.la
tests_fuzz_fuzz_policy_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif

EXTRA_DIST += tests/fuzz/corpus/journal/entries tests/fuzz/corpus/journal/cores tests/fuzz/corpus/journal/damaged
if FUZZERS
check_PROGRAMS += tests/fuzz/fuzz-journal
tests_fuzz_fuzz_journal_SOURCES = tests/fuzz/fuzz-journal.c
tests_fuzz_fuzz_journal_LDADD = libiocored.la $(ZLIB_LIBS)
tests_fuzz_fuzz_journal_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif

if FUZZERS
check_PROGRAMS += tests/fuzz/fuzz-planner
tests_fuzz_fuzz_planner_SOURCES = tests/fuzz/fuzz-planner.c tests/unit/planner-model.c tests/unit/planner-model.h
tests_fuzz_fuzz_planner_LDADD = libiocored.la $(HWLOC_LIBS)
tests_fuzz_fuzz_planner_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif
EXTRA_DIST += tests/fuzz/run

EXTRA_DIST += tests/fuzz/corpus/discovery/fork tests/fuzz/corpus/discovery/comm tests/fuzz/corpus/discovery/two-events tests/fuzz/corpus/discovery/pattern \
	tests/fuzz/corpus/discovery/pattern-repeats tests/fuzz/corpus/discovery/mount tests/fuzz/corpus/discovery/mount-and-status
if FUZZERS
check_PROGRAMS += tests/fuzz/fuzz-discovery
tests_fuzz_fuzz_discovery_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz-discovery.c
tests_fuzz_fuzz_discovery_LDADD = libvhost-thread.la
tests_fuzz_fuzz_discovery_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif

EXTRA_DIST += tests/fuzz/corpus/doctor/mounts tests/fuzz/corpus/doctor/status tests/fuzz/corpus/doctor/list tests/fuzz/corpus/doctor/controllers
if FUZZERS
check_PROGRAMS += tests/fuzz/fuzz-doctor
tests_fuzz_fuzz_doctor_SOURCES = tests/fuzz/fuzz-doctor.c $(doctor_sources)
tests_fuzz_fuzz_doctor_CFLAGS = $(AM_CFLAGS) # its objects are its own
tests_fuzz_fuzz_doctor_LDADD = libiocored.la
tests_fuzz_fuzz_doctor_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif

EXTRA_DIST += tests/fuzz/corpus/cpuset/mounts-v2 tests/fuzz/corpus/cpuset/mounts-hybrid tests/fuzz/corpus/cpuset/mounts-no-escape tests/fuzz/corpus/cpuset/cgroup-v1 tests/fuzz/corpus/cpuset/cgroup-v2 \
	tests/fuzz/corpus/cpuset/cgroup-outside tests/fuzz/corpus/cpuset/groups tests/fuzz/corpus/cpuset/host-v1 tests/fuzz/corpus/cpuset/host-v2
if FUZZERS
check_PROGRAMS += tests/fuzz/fuzz-cpuset
tests_fuzz_fuzz_cpuset_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz-cpuset.c
tests_fuzz_fuzz_cpuset_LDADD = libvhost-thread.la
tests_fuzz_fuzz_cpuset_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif

EXTRA_DIST += tests/fuzz/corpus/domain-xml/running tests/fuzz/corpus/domain-xml/status tests/fuzz/corpus/domain-xml/wishes tests/fuzz/corpus/domain-xml/entities
if FUZZERS
if PLUGIN_LIBVIRT
check_PROGRAMS += tests/fuzz/fuzz-domain-xml
tests_fuzz_fuzz_domain_xml_SOURCES = tests/fuzz/fuzz-domain-xml.c
tests_fuzz_fuzz_domain_xml_LDADD = libdomain-xml.la
tests_fuzz_fuzz_domain_xml_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif
endif

EXTRA_DIST += tests/fuzz/corpus/numa-maps/huge tests/fuzz/corpus/numa-maps/anonymous tests/fuzz/corpus/numa-maps/maps
if FUZZERS
if PLUGIN_NUMA
check_PROGRAMS += tests/fuzz/fuzz-numa-maps
tests_fuzz_fuzz_numa_maps_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz-numa-maps.c
tests_fuzz_fuzz_numa_maps_LDADD = libnuma-maps.la
tests_fuzz_fuzz_numa_maps_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif
endif

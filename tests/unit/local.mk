# SPDX-License-Identifier: LGPL-2.1-or-later
EXTRA_DIST += tests/unit/run

if HAVE_CMOCKA
unit_programs += tests/unit/test-host tests/unit/test-topology
tests_unit_test_host_SOURCES = tests/unit/test-host.c
tests_unit_test_host_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_host_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray
tests_unit_test_host_LDADD = libiocored.la $(CMOCKA_LIBS)
unit_programs += tests/unit/test-domain
tests_unit_test_domain_SOURCES = tests/unit/test-domain.c
tests_unit_test_domain_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_domain_LDADD = libiocored.la $(CMOCKA_LIBS)
tests_unit_test_topology_SOURCES = tests/unit/test-topology.c
tests_unit_test_topology_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_topology_LDADD = libiocored.la $(CMOCKA_LIBS)
unit_programs += tests/unit/test-config tests/unit/test-trusted-path
tests_unit_test_config_SOURCES = tests/unit/test-config.c
tests_unit_test_config_CPPFLAGS = $(AM_CPPFLAGS) -DSOURCE_DIR=\"$(abs_top_srcdir)\" -DBUILD_DIR=\"$(abs_top_builddir)\"
tests_unit_test_config_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_config_LDADD = libiocored.la $(CMOCKA_LIBS)
tests_unit_test_trusted_path_SOURCES = tests/unit/test-trusted-path.c
tests_unit_test_trusted_path_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_trusted_path_LDADD = libiocored.la $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
unit_programs += tests/unit/test-journal
tests_unit_test_journal_SOURCES = tests/unit/test-journal.c
tests_unit_test_journal_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_journal_LDADD = libiocored.la $(CMOCKA_LIBS) $(ZLIB_LIBS)
unit_programs += tests/unit/test-transaction
tests_unit_test_transaction_SOURCES = tests/unit/test-transaction.c tests/unit/mock-host.h tests/unit/mock-host.c
tests_unit_test_transaction_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_transaction_LDADD = libiocored.la $(CMOCKA_LIBS)
unit_programs += tests/unit/test-open
tests_unit_test_open_SOURCES = tests/unit/test-open.c
tests_unit_test_open_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_open_LDADD = libiocored.la $(CMOCKA_LIBS)
unit_programs += tests/unit/test-restore
tests_unit_test_restore_SOURCES = tests/unit/test-restore.c tests/unit/mock-host.h tests/unit/mock-host.c
tests_unit_test_restore_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_restore_LDADD = libiocored.la $(CMOCKA_LIBS)
unit_programs += tests/unit/test-plugin-loader
tests_unit_test_plugin_loader_SOURCES = tests/unit/test-plugin-loader.c
tests_unit_test_plugin_loader_CPPFLAGS = $(AM_CPPFLAGS) -DSOURCE_DIR=\"$(abs_top_srcdir)\" -DBUILD_DIR=\"$(abs_top_builddir)\"
tests_unit_test_plugin_loader_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_plugin_loader_LDADD = libiocored.la $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
unit_programs += tests/unit/test-attributes tests/unit/test-vhost-sysfs
tests_unit_test_attributes_SOURCES = tests/unit/test-attributes.c
tests_unit_test_attributes_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_attributes_LDADD = libvhost-sysfs.la $(CMOCKA_LIBS)
tests_unit_test_vhost_sysfs_SOURCES = tests/unit/test-vhost-sysfs.c tests/unit/fake-services.c tests/unit/fake-services.h
tests_unit_test_vhost_sysfs_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_vhost_sysfs_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=openat,--wrap=open,--wrap=close
tests_unit_test_vhost_sysfs_LDADD = libvhost-sysfs.la libiocored.la $(CMOCKA_LIBS)
unit_programs += tests/unit/test-owner tests/unit/test-cpu
tests_unit_test_owner_SOURCES = tests/unit/test-owner.c tests/unit/fake-services.c tests/unit/fake-services.h
tests_unit_test_owner_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_owner_LDADD = libplugin-common.la libiocored.la $(CMOCKA_LIBS)
tests_unit_test_cpu_SOURCES = tests/unit/test-cpu.c tests/unit/fake-services.c tests/unit/fake-services.h
tests_unit_test_cpu_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_cpu_LDADD = libcpu.la libiocored.la $(CMOCKA_LIBS)
unit_programs += tests/unit/test-iothread
tests_unit_test_iothread_SOURCES = tests/unit/test-iothread.c tests/unit/fake-services.c tests/unit/fake-services.h
tests_unit_test_iothread_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_iothread_LDADD = libiothread.la libiocored.la $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
unit_programs += tests/unit/test-vhost-thread
tests_unit_test_vhost_thread_SOURCES = tests/unit/test-vhost-thread.c
tests_unit_test_vhost_thread_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_vhost_thread_LDADD = libvhost-thread.la libiocored.la $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
unit_programs += tests/unit/test-scenario tests/unit/test-model
tests_unit_test_scenario_SOURCES = tests/unit/test-scenario.c
tests_unit_test_scenario_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_scenario_LDADD = libsim-model.la $(HWLOC_LIBS) $(CMOCKA_LIBS)
tests_unit_test_model_SOURCES = tests/unit/test-model.c
tests_unit_test_model_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_model_LDADD = libsim-model.la $(CMOCKA_LIBS)
unit_programs += tests/unit/test-sim-plugin
tests_unit_test_sim_plugin_SOURCES = tests/unit/test-sim-plugin.c plugins/sim/sim.h plugins/sim/sim.c plugins/sim/sim-inventory.c plugins/sim/sim-hands.c plugins/sim/sim-wishes.c
tests_unit_test_sim_plugin_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_sim_plugin_LDADD = libiocored.la libsim-model.la $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
unit_programs += tests/unit/test-planner tests/unit/test-planner-properties tests/unit/test-decision-log tests/unit/test-trial
tests_unit_test_planner_SOURCES = tests/unit/test-planner.c tests/unit/planner-model.c tests/unit/planner-model.h
tests_unit_test_planner_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_planner_LDADD = libiocored.la $(CMOCKA_LIBS) $(HWLOC_LIBS)
tests_unit_test_planner_properties_SOURCES = tests/unit/test-planner-properties.c tests/unit/planner-model.c tests/unit/planner-model.h
tests_unit_test_planner_properties_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_planner_properties_LDADD = libiocored.la $(CMOCKA_LIBS) $(HWLOC_LIBS)
tests_unit_test_decision_log_SOURCES = tests/unit/test-decision-log.c
tests_unit_test_decision_log_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_decision_log_LDADD = libiocored.la $(CMOCKA_LIBS)
tests_unit_test_trial_SOURCES = tests/unit/test-trial.c tests/unit/planner-model.c tests/unit/planner-model.h
tests_unit_test_trial_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_trial_LDADD = libiocored.la $(CMOCKA_LIBS) $(HWLOC_LIBS)
placement_model = tests/unit/placement-model.c tests/unit/placement-model.h
unit_programs += tests/unit/test-placement tests/unit/test-placement-properties
tests_unit_test_placement_SOURCES = tests/unit/test-placement.c $(placement_model)
tests_unit_test_placement_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_placement_LDADD = libiocored.la $(CMOCKA_LIBS) $(HWLOC_LIBS)
tests_unit_test_placement_properties_SOURCES = tests/unit/test-placement-properties.c $(placement_model)
tests_unit_test_placement_properties_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_placement_properties_LDADD = libiocored.la $(CMOCKA_LIBS) $(HWLOC_LIBS)
unit_programs += tests/unit/test-planner-placement
tests_unit_test_planner_placement_SOURCES = tests/unit/test-planner-placement.c $(placement_model)
tests_unit_test_planner_placement_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_planner_placement_LDADD = libiocored.la $(CMOCKA_LIBS) $(HWLOC_LIBS)
endif

if HAVE_CMOCKA
unit_programs += tests/unit/test-steady-epoch
tests_unit_test_steady_epoch_SOURCES = tests/unit/test-steady-epoch.c tests/bench/vhost-tree.h tests/bench/vhost-tree.c \
	tests/bench/plain-files.h tests/bench/plain-files.c 	tests/lib/call-counts.h tests/lib/call-counts.c
tests_unit_test_steady_epoch_CPPFLAGS = $(AM_CPPFLAGS) -DSOURCE_DIR=\"$(abs_top_srcdir)\" -DBUILD_DIR=\"$(abs_top_builddir)\"
tests_unit_test_steady_epoch_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_steady_epoch_LDADD = libiocored.la $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
unit_programs += tests/unit/test-connector
tests_unit_test_connector_SOURCES = tests/unit/test-connector.c tests/unit/connector-events.c tests/unit/connector-events.h
tests_unit_test_connector_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_connector_LDADD = libvhost-thread.la $(CMOCKA_LIBS) -lpthread
unit_programs += tests/unit/test-discovery tests/unit/test-patterns
discovery_fixture = tests/unit/discovery-fixture.c tests/unit/discovery-fixture.h tests/unit/connector-events.c tests/unit/connector-events.h tests/unit/fake-services.c tests/unit/fake-services.h
tests_unit_test_discovery_SOURCES = tests/unit/test-discovery.c $(discovery_fixture)
tests_unit_test_discovery_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_discovery_LDADD = libvhost-thread.la libiocored.la $(CMOCKA_LIBS)
tests_unit_test_patterns_SOURCES = tests/unit/test-patterns.c $(discovery_fixture)
tests_unit_test_patterns_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_patterns_LDADD = libvhost-thread.la libiocored.la $(CMOCKA_LIBS)
unit_programs += tests/unit/test-reservation
tests_unit_test_reservation_SOURCES = tests/unit/test-reservation.c tests/unit/mock-host.h tests/unit/mock-host.c
tests_unit_test_reservation_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_reservation_LDADD = libiocored.la $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
unit_programs += tests/unit/test-slices tests/unit/test-systemd tests/unit/test-systemd-request
tests_unit_test_systemd_request_SOURCES = tests/unit/test-systemd-request.c plugins/systemd/connection.c plugins/systemd/connection-private.h
tests_unit_test_systemd_request_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_systemd_request_LDADD = libsystemd-slices.la $(CMOCKA_LIBS) -lpthread
tests_unit_test_slices_SOURCES = tests/unit/test-slices.c
tests_unit_test_slices_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_slices_LDADD = libsystemd-slices.la $(CMOCKA_LIBS)
tests_unit_test_systemd_SOURCES = tests/unit/test-systemd.c tests/unit/fake-services.c tests/unit/fake-services.h
tests_unit_test_systemd_CPPFLAGS = $(AM_CPPFLAGS) -DBUILD_DIR=\"$(abs_top_builddir)\"
tests_unit_test_systemd_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_systemd_LDADD = libsystemd-plugin.la libiocored.la $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
unit_programs += tests/unit/test-doctor
tests_unit_test_doctor_SOURCES = tests/unit/test-doctor.c tests/unit/fake-services.c tests/unit/fake-services.h $(doctor_sources)
tests_unit_test_doctor_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_doctor_LDADD = libiocored.la $(CMOCKA_LIBS)
unit_programs += tests/unit/test-partition
tests_unit_test_partition_SOURCES = tests/unit/test-partition.c tests/unit/fake-threads.c tests/unit/fake-threads.h tests/unit/fake-services.c tests/unit/fake-services.h
tests_unit_test_partition_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_partition_LDADD = libvhost-thread.la libiocored.la $(CMOCKA_LIBS)
unit_programs += tests/unit/test-hands tests/unit/test-hands-foreign tests/unit/test-hands-lives tests/unit/test-cpuset
guest_world = tests/unit/guest-world.c tests/unit/guest-world.h tests/unit/fake-threads.c tests/unit/fake-threads.h tests/unit/fake-services.c tests/unit/fake-services.h
tests_unit_test_hands_SOURCES = tests/unit/test-hands.c $(guest_world)
tests_unit_test_hands_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_hands_LDADD = libvhost-thread.la libiocored.la $(CMOCKA_LIBS)
tests_unit_test_hands_foreign_SOURCES = tests/unit/test-hands-foreign.c $(guest_world)
tests_unit_test_hands_foreign_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_hands_foreign_LDADD = libvhost-thread.la libiocored.la $(CMOCKA_LIBS)
tests_unit_test_hands_lives_SOURCES = tests/unit/test-hands-lives.c $(guest_world)
tests_unit_test_hands_lives_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_hands_lives_LDADD = libvhost-thread.la libiocored.la $(CMOCKA_LIBS)
tests_unit_test_cpuset_SOURCES = tests/unit/test-cpuset.c $(guest_world)
tests_unit_test_cpuset_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_cpuset_LDADD = libvhost-thread.la libiocored.la $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
unit_programs += tests/unit/test-engine tests/unit/test-engine-hotplug tests/unit/test-engine-policies
engine_fixture = tests/unit/engine-fixture.c tests/unit/engine-fixture.h tests/unit/toy-plugin.h tests/unit/toy-kernel.c
tests_unit_test_engine_SOURCES = tests/unit/test-engine.c $(engine_fixture)
tests_unit_test_engine_CPPFLAGS = $(AM_CPPFLAGS) -DSOURCE_DIR=\"$(abs_top_srcdir)\" -DBUILD_DIR=\"$(abs_top_builddir)\"
tests_unit_test_engine_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_engine_LDADD = libiocored.la $(CMOCKA_LIBS)
tests_unit_test_engine_hotplug_SOURCES = tests/unit/test-engine-hotplug.c $(engine_fixture)
tests_unit_test_engine_hotplug_CPPFLAGS = $(AM_CPPFLAGS) -DSOURCE_DIR=\"$(abs_top_srcdir)\" -DBUILD_DIR=\"$(abs_top_builddir)\"
tests_unit_test_engine_hotplug_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_engine_hotplug_LDADD = libiocored.la $(CMOCKA_LIBS)
tests_unit_test_engine_policies_SOURCES = tests/unit/test-engine-policies.c $(engine_fixture) tests/lib/call-counts.h tests/lib/call-counts.c
tests_unit_test_engine_policies_CPPFLAGS = $(AM_CPPFLAGS) -DSOURCE_DIR=\"$(abs_top_srcdir)\" -DBUILD_DIR=\"$(abs_top_builddir)\"
tests_unit_test_engine_policies_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_engine_policies_LDADD = libiocored.la $(CMOCKA_LIBS)
unit_programs += tests/unit/test-engine-domains
tests_unit_test_engine_domains_SOURCES = tests/unit/test-engine-domains.c tests/unit/toy-domains.h
tests_unit_test_engine_domains_CPPFLAGS = $(AM_CPPFLAGS) -DSOURCE_DIR=\"$(abs_top_srcdir)\" -DBUILD_DIR=\"$(abs_top_builddir)\"
tests_unit_test_engine_domains_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_engine_domains_LDADD = libiocored.la $(CMOCKA_LIBS)
check_LTLIBRARIES += tests/unit/toy-domains.la
tests_unit_toy_domains_la_SOURCES = tests/unit/toy-domains.c tests/unit/toy-domains.h
EXTRA_tests_unit_test_engine_domains_DEPENDENCIES = tests/unit/toy-domains.la
tests_unit_toy_domains_la_LDFLAGS = $(plugin_ldflags) -rpath $(plugindir)
check_LTLIBRARIES += tests/unit/toy.la
tests_unit_toy_la_SOURCES = tests/unit/toy-plugin.c tests/unit/toy-plugin.h
EXTRA_tests_unit_test_engine_DEPENDENCIES = tests/unit/toy.la
EXTRA_tests_unit_test_engine_hotplug_DEPENDENCIES = tests/unit/toy.la
EXTRA_tests_unit_test_engine_policies_DEPENDENCIES = tests/unit/toy.la
# a path to be installed to, which it never is, makes a shared object of it
tests_unit_toy_la_LDFLAGS = $(plugin_ldflags) -rpath $(plugindir)
endif

if HAVE_CMOCKA
unit_programs += tests/unit/test-identity-match
tests_unit_test_identity_match_SOURCES = tests/unit/test-identity-match.c
tests_unit_test_identity_match_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_identity_match_LDADD = libvhost-thread.la libiocored.la $(CMOCKA_LIBS)
unit_programs += tests/unit/test-tap-counters tests/unit/test-identity
tests_unit_test_tap_counters_SOURCES = tests/unit/test-tap-counters.c tests/unit/tap-messages.c tests/unit/tap-messages.h
tests_unit_test_tap_counters_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_tap_counters_LDADD = libvhost-thread.la libiocored.la $(CMOCKA_LIBS)
tests_unit_test_identity_SOURCES = tests/unit/test-identity.c tests/unit/tap-messages.c tests/unit/tap-messages.h tests/unit/fake-services.c tests/unit/fake-services.h
tests_unit_test_identity_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_identity_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=open
tests_unit_test_identity_LDADD = libvhost-thread.la libiocored.la $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
if PLUGIN_LIBVIRT
unit_programs += tests/unit/test-domain-xml
tests_unit_test_domain_xml_SOURCES = tests/unit/test-domain-xml.c
tests_unit_test_domain_xml_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_domain_xml_LDADD = libdomain-xml.la $(CMOCKA_LIBS)
unit_programs += tests/unit/test-libvirt
tests_unit_test_libvirt_SOURCES = tests/unit/test-libvirt.c tests/unit/fake-services.c tests/unit/fake-services.h
tests_unit_test_libvirt_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LIBVIRT_CFLAGS)
tests_unit_test_libvirt_LDFLAGS = $(AM_LDFLAGS) -Wl,--no-as-needed $(LIBVIRT_LDFLAGS)
tests_unit_test_libvirt_LDADD = liblibvirt-plugin.la libiocored.la $(CMOCKA_LIBS)
unit_programs += tests/unit/test-libvirt-driver
tests_unit_test_libvirt_driver_SOURCES = tests/unit/test-libvirt-driver.c tests/unit/fake-services.c tests/unit/fake-services.h
tests_unit_test_libvirt_driver_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LIBVIRT_CFLAGS)
tests_unit_test_libvirt_driver_LDFLAGS = $(AM_LDFLAGS) -Wl,--no-as-needed $(LIBVIRT_LDFLAGS)
tests_unit_test_libvirt_driver_LDADD = liblibvirt-plugin.la libiocored.la $(CMOCKA_LIBS)
unit_programs += tests/unit/test-libvirt-talk
tests_unit_test_libvirt_talk_SOURCES = tests/unit/test-libvirt-talk.c
tests_unit_test_libvirt_talk_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(LIBVIRT_CFLAGS)
tests_unit_test_libvirt_talk_LDFLAGS = $(AM_LDFLAGS) -Wl,--no-as-needed $(LIBVIRT_LDFLAGS)
tests_unit_test_libvirt_talk_LDADD = liblibvirt-plugin.la libiocored.la $(CMOCKA_LIBS)
endif
endif

if HAVE_CMOCKA
unit_programs += tests/unit/test-jobs
tests_unit_test_jobs_SOURCES = tests/unit/test-jobs.c
tests_unit_test_jobs_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_jobs_LDADD = libiocored.la $(CMOCKA_LIBS)
if PLUGIN_NUMA
unit_programs += tests/unit/test-numa-maps tests/unit/test-mover tests/unit/test-numa
tests_unit_test_numa_maps_SOURCES = tests/unit/test-numa-maps.c
tests_unit_test_numa_maps_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_numa_maps_LDADD = libnuma-maps.la $(CMOCKA_LIBS)
tests_unit_test_mover_SOURCES = tests/unit/test-mover.c
tests_unit_test_mover_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_mover_LDADD = libnuma-plugin.la $(CMOCKA_LIBS)
tests_unit_test_mover_LDFLAGS = $(AM_LDFLAGS) -Wl,--no-as-needed $(NUMA_LDFLAGS)
tests_unit_test_numa_SOURCES = tests/unit/test-numa.c tests/unit/fake-services.c tests/unit/fake-services.h
tests_unit_test_numa_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_numa_LDADD = libnuma-plugin.la libiocored.la $(CMOCKA_LIBS)
tests_unit_test_numa_LDFLAGS = $(AM_LDFLAGS) -Wl,--no-as-needed $(NUMA_LDFLAGS)
endif
endif

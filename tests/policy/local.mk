# SPDX-License-Identifier: LGPL-2.1-or-later
EXTRA_DIST += tests/policy/run
if HAVE_CMOCKA
policy_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -DSHIPPED_POLICIES=\"$(abs_top_srcdir)/policies\"
policy_test_fixture = tests/policy/fixture.h tests/policy/fixture.c
unit_programs += tests/policy/test-api tests/policy/test-hostile tests/policy/test-policy-set tests/policy/test-shipped
tests_policy_test_hostile_SOURCES = tests/policy/test-hostile.c $(policy_test_fixture)
tests_policy_test_hostile_CFLAGS = $(policy_test_cflags)
tests_policy_test_hostile_LDADD = libiocored.la $(CMOCKA_LIBS)
tests_policy_test_shipped_SOURCES = tests/policy/test-shipped.c $(policy_test_fixture)
tests_policy_test_shipped_CFLAGS = $(policy_test_cflags)
tests_policy_test_shipped_LDADD = libiocored.la $(CMOCKA_LIBS)
tests_policy_test_api_SOURCES = tests/policy/test-api.c $(policy_test_fixture)
tests_policy_test_api_CFLAGS = $(policy_test_cflags)
tests_policy_test_api_LDADD = libiocored.la $(CMOCKA_LIBS)
tests_policy_test_policy_set_SOURCES = tests/policy/test-policy-set.c $(policy_test_fixture)
tests_policy_test_policy_set_CFLAGS = $(policy_test_cflags)
tests_policy_test_policy_set_LDADD = libiocored.la $(CMOCKA_LIBS)
unit_programs += tests/policy/test-iothreads
tests_policy_test_iothreads_SOURCES = tests/policy/test-iothreads.c $(policy_test_fixture)
tests_policy_test_iothreads_CFLAGS = $(policy_test_cflags)
tests_policy_test_iothreads_LDADD = libiocored.la $(CMOCKA_LIBS) $(HWLOC_LIBS)
unit_programs += tests/policy/test-placement
tests_policy_test_placement_SOURCES = tests/policy/test-placement.c $(policy_test_fixture) tests/unit/placement-model.c tests/unit/placement-model.h
tests_policy_test_placement_CFLAGS = $(policy_test_cflags)
tests_policy_test_placement_LDADD = libiocored.la $(CMOCKA_LIBS) $(HWLOC_LIBS)
endif

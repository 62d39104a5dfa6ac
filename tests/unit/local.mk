# SPDX-License-Identifier: LGPL-2.1-or-later
EXTRA_DIST += tests/unit/run
if HAVE_CMOCKA
unit_programs += tests/unit/test-journal
tests_unit_test_journal_SOURCES = tests/unit/test-journal.c
tests_unit_test_journal_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_journal_LDADD = libiocored.la $(CMOCKA_LIBS) $(ZLIB_LIBS)
endif

# SPDX-License-Identifier: LGPL-2.1-or-later
# Everything but main.c is in one library that tests, fuzzers and benchmarks link too.

sbin_PROGRAMS += iocored
iocored_SOURCES = daemon/main.c daemon/simulate.h daemon/simulate.c
iocored_LDADD = libiocored.la libsim-model.la

noinst_LTLIBRARIES += libiocored.la
libiocored_la_SOURCES =
libiocored_la_LIBADD = $(SYSTEMD_LIBS) $(HWLOC_LIBS) $(CJSON_LIBS) $(LUA_LIBS) $(INIH_LIBS) $(ZLIB_LIBS) -lm -ldl

libiocored_la_SOURCES += daemon/cleanup.h daemon/clock.h daemon/log.h daemon/log.c daemon/root-path.h daemon/root-path.c daemon/text.h daemon/text.c
libiocored_la_SOURCES += daemon/config.h daemon/config.c daemon/config-values.h daemon/config-values.c daemon/config-file.h daemon/config-file.c
libiocored_la_SOURCES += daemon/trusted-path.h daemon/trusted-path.c daemon/plugin-loader.h daemon/plugin-loader.c
libiocored_la_SOURCES += daemon/plugin-services.h daemon/plugin-services.c daemon/plugin-options.h daemon/plugin-options.c
libiocored_la_SOURCES += daemon/engine.h daemon/engine-private.h daemon/engine.c daemon/epoch.c daemon/carry-out.c daemon/judge.c daemon/wishes.c
libiocored_la_SOURCES += daemon/notices.h daemon/notices.c daemon/settle.c daemon/hotplug.c
libiocored_la_SOURCES += daemon/jobs.h daemon/jobs.c daemon/memory.c
libiocored_la_SOURCES += daemon/paths.h daemon/paths.c

include daemon/host/local.mk
include daemon/policy/local.mk
include daemon/plan/local.mk
include daemon/act/local.mk
include daemon/bus/local.mk

systemdsystemunitdir = $(prefix)/lib/systemd/system
systemdsystemunit_DATA = daemon/iocored.service
EXTRA_DIST += daemon/iocored.service.in
CLEANFILES += daemon/iocored.service
daemon/iocored.service: daemon/iocored.service.in
	$(AM_V_GEN)$(MKDIR_P) daemon && $(SED) 's|@sbindir[@]|$(sbindir)|g' $(srcdir)/daemon/iocored.service.in >$@

# The example names the directories of this installation; all in it is commented out.
sysconf_DATA = daemon/iocored.conf
EXTRA_DIST += daemon/iocored.conf.in
CLEANFILES += daemon/iocored.conf
daemon/iocored.conf: daemon/iocored.conf.in Makefile
	$(AM_V_GEN)$(MKDIR_P) daemon && $(SED) -e 's|@plugindir[@]|$(plugindir)|g' -e 's|@pkgdatadir[@]|$(pkgdatadir)|g' \
	  -e 's|@sysconfdir[@]|$(sysconfdir)|g' $(srcdir)/daemon/iocored.conf.in >$@

# SPDX-License-Identifier: LGPL-2.1-or-later
# What looks at a host; its unit test links it too.
doctor_sources = clients/iocorectl/doctor.h clients/iocorectl/doctor-host.c clients/iocorectl/doctor-checks.c \
	clients/iocorectl/doctor-checks-vhost.c clients/iocorectl/doctor-checks-host.c clients/iocorectl/doctor-checks-cpu.c \
	clients/iocorectl/doctor-checks-kvm.c plugins/vhost-thread/thread-info.h plugins/vhost-thread/thread-info.c \
	daemon/text.h daemon/text.c

bin_PROGRAMS += iocorectl
iocorectl_SOURCES = clients/iocorectl/iocorectl.h clients/iocorectl/main.c clients/iocorectl/client.c clients/iocorectl/output.c \
	clients/iocorectl/verbs-state.c clients/iocorectl/verbs-change.c clients/iocorectl/verbs-policy.c clients/iocorectl/verbs-decisions.c \
	clients/iocorectl/verbs-domain.c clients/iocorectl/verbs-watch.c clients/iocorectl/verbs-jobs.c clients/iocorectl/doctor.c $(doctor_sources)
iocorectl_CFLAGS = $(AM_CFLAGS) $(SMARTCOLS_CFLAGS)
iocorectl_LDADD = $(SYSTEMD_LIBS) $(CJSON_LIBS) $(SMARTCOLS_LIBS) -lm

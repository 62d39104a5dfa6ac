# SPDX-License-Identifier: LGPL-2.1-or-later
bin_PROGRAMS += iocorectl
iocorectl_SOURCES = clients/iocorectl/iocorectl.h clients/iocorectl/main.c clients/iocorectl/client.c clients/iocorectl/output.c \
	clients/iocorectl/verbs-state.c clients/iocorectl/verbs-change.c clients/iocorectl/verbs-policy.c clients/iocorectl/verbs-decisions.c \
	clients/iocorectl/verbs-watch.c
iocorectl_CFLAGS = $(AM_CFLAGS) $(SMARTCOLS_CFLAGS)
iocorectl_LDADD = $(SYSTEMD_LIBS) $(CJSON_LIBS) $(SMARTCOLS_LIBS) -lm

# SPDX-License-Identifier: LGPL-2.1-or-later
libiocored_la_SOURCES += daemon/policy/policy-set.h daemon/policy/policy-set.c \
	daemon/policy/policy-files.h daemon/policy/policy-files.c \
	daemon/policy/lua-arena.h daemon/policy/lua-arena.c \
	daemon/policy/lua-sandbox.h daemon/policy/lua-sandbox.c daemon/policy/lua-internal.h \
	daemon/policy/lua-library.c daemon/policy/lua-declare.c daemon/policy/lua-host.c \
	daemon/policy/lua-objects.c daemon/policy/lua-domain.c daemon/policy/lua-iterate.c daemon/policy/lua-actions.c daemon/policy/lua-placement.c

# SPDX-License-Identifier: LGPL-2.1-or-later
libiocored_la_SOURCES += daemon/policy/policy-set.h

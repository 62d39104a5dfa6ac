# SPDX-License-Identifier: LGPL-2.1-or-later
libiocored_la_SOURCES += daemon/act/journal.h
libiocored_la_SOURCES += daemon/act/transaction.h

# SPDX-License-Identifier: LGPL-2.1-or-later
libiocored_la_SOURCES += daemon/act/journal.h daemon/act/journal.c
libiocored_la_SOURCES += daemon/act/journal-record.h daemon/act/journal-record.c
libiocored_la_SOURCES += daemon/act/transaction.h daemon/act/transaction.c daemon/act/restore.c
libiocored_la_SOURCES += daemon/act/transaction-internal.h daemon/act/transaction-undo.c daemon/act/transaction-open.c daemon/act/transaction-memory.c
libiocored_la_SOURCES += daemon/act/asks.h daemon/act/asks.c
libiocored_la_SOURCES += daemon/act/hands.h daemon/act/hands.c daemon/act/hands-core.c
libiocored_la_SOURCES += daemon/act/fault-point.h daemon/act/fault-point.c
libiocored_la_SOURCES += daemon/act/reservation.h daemon/act/reservation.c

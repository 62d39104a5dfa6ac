# SPDX-License-Identifier: LGPL-2.1-or-later
libiocored_la_SOURCES += daemon/plan/intent.h
libiocored_la_SOURCES += daemon/plan/decision.h
libiocored_la_SOURCES += daemon/plan/decision-log.h
libiocored_la_SOURCES += daemon/plan/planner.h
libiocored_la_SOURCES += daemon/plan/trial.h

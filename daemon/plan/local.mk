# SPDX-License-Identifier: LGPL-2.1-or-later
libiocored_la_SOURCES += daemon/plan/intent.h daemon/plan/intent.c
libiocored_la_SOURCES += daemon/plan/decision.h daemon/plan/decision.c
libiocored_la_SOURCES += daemon/plan/decision-log.h daemon/plan/decision-log.c
libiocored_la_SOURCES += daemon/plan/planner.h daemon/plan/planner-internal.h daemon/plan/planner.c
libiocored_la_SOURCES += daemon/plan/planner-memory.c daemon/plan/planner-rules.c daemon/plan/planner-cores.c
libiocored_la_SOURCES += daemon/plan/planner-grow.c daemon/plan/planner-shrink.c daemon/plan/planner-knobs.c daemon/plan/planner-placement.c
libiocored_la_SOURCES += daemon/plan/trial.h daemon/plan/trial.c
libiocored_la_SOURCES += daemon/plan/placement.h daemon/plan/placement-internal.h daemon/plan/placement.c daemon/plan/placement-picture.c
libiocored_la_SOURCES += daemon/plan/placement-cost.c daemon/plan/placement-float.c daemon/plan/placement-memory.c daemon/plan/placement-nodes.c daemon/plan/placement-cpus.c daemon/plan/placement-request.c daemon/plan/placement-advice.c

# SPDX-License-Identifier: LGPL-2.1-or-later
# The model is shared by the plugin, by iocore-simfs, and by `iocored --simulate` (the topology of a scenario).
noinst_LTLIBRARIES += libsim-model.la
libsim_model_la_SOURCES = plugins/sim/scenario.h plugins/sim/scenario.c plugins/sim/scenario-json.h plugins/sim/scenario-json.c \
	plugins/sim/scenario-read.c \
	plugins/sim/model.h plugins/sim/model-internal.h plugins/sim/model.c plugins/sim/model-run.c plugins/sim/model-control.c \
	plugins/sim/ids.h plugins/sim/ids.c
libsim_model_la_LIBADD = $(CJSON_LIBS)

if PLUGIN_SIM
plugin_LTLIBRARIES += sim.la
sim_la_SOURCES = plugins/sim/sim.h plugins/sim/sim.c plugins/sim/sim-inventory.c plugins/sim/sim-hands.c plugins/sim/sim-wishes.c
sim_la_LDFLAGS = $(plugin_ldflags)
sim_la_LIBADD = libsim-model.la
endif

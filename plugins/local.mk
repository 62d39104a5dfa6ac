# SPDX-License-Identifier: LGPL-2.1-or-later
include_HEADERS = plugins/iocore-plugin.h
pkgconfig_DATA += plugins/iocore-plugin.pc

plugin_ldflags = -module -avoid-version -shared -export-symbols-regex '^iocore_plugin$$' $(IOCORE_LDFLAGS)

include plugins/common/local.mk
include plugins/vhost-sysfs/local.mk
include plugins/vhost-thread/local.mk
include plugins/systemd/local.mk
include plugins/libvirt/local.mk
include plugins/numa/local.mk
include plugins/iothread/local.mk
include plugins/cpu/local.mk
include plugins/sim/local.mk
include plugins/sample/local.mk

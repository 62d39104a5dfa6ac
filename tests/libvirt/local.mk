# SPDX-License-Identifier: LGPL-2.1-or-later
EXTRA_DIST += tests/libvirt/run tests/libvirt/lib.sh tests/libvirt/life.sh tests/libvirt/guest.sh tests/libvirt/pins.sh tests/libvirt/wishes.sh tests/libvirt/inventory.sh tests/libvirt/memory.sh tests/libvirt/cores.sh tests/libvirt/iothreads.sh tests/libvirt/away.sh tests/libvirt/between.py tests/libvirt/rights.sh tests/libvirt/placement.sh

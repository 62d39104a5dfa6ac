# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest with a kernel: it lets go of what is unplugged, its agent's port is opened, its disk gives an IOThread work.

# build_guest: $work/vmlinuz and $work/initramfs.gz. The reason why not is printed.
build_guest() {
  local directory root=$work/root module
  [ ! -e "$work/initramfs.gz" ] || return 0
  command -v busybox >/dev/null && command -v cpio >/dev/null || { echo "busybox or cpio is not installed"; return 1; }
  directory=$("$SOURCE/tests/vm/fetch-kernel" 6.1 2>"$work/fetch.log") || { tail -1 "$work/fetch.log"; return 1; }
  mkdir -p "$root"/{bin,dev,proc,sys,modules}
  cp "$(command -v busybox)" "$root/bin/busybox"
  for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk virtio_console; do
    cp "$directory"/lib/modules/*/kernel/drivers/*/"$module.ko" "$root/modules/" 2>/dev/null || { echo "$directory has no $module.ko"; return 1; }
    echo "$module.ko" >>"$root/modules/order"
  done
  cp "$directory"/boot/vmlinuz-* "$work/vmlinuz"
  # a second disk is read as long as it is there; the agent's port is held open
  cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done </modules/order
for port in /sys/class/virtio-ports/*; do
  [ "$(cat "$port/name")" != org.qemu.guest_agent.0 ] || sleep 100000 <>"/dev/${port##*/}" &
done
while :; do
  [ ! -b /dev/vdb ] || dd if=/dev/vdb of=/dev/null bs=4096 iflag=direct 2>/dev/null
  usleep 200000
done
INIT
  chmod +x "$root/init"
  (cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initramfs.gz"
}

# Domains that boot it, too, where there is one; from and to XML.
with_kernel() {
  if [ -e "$work/initramfs.gz" ]; then
    sed "s|<memory unit='MiB'>32<|<memory unit='MiB'>128<|; s|hvm</type></os>|hvm</type><kernel>$work/vmlinuz</kernel><initrd>$work/initramfs.gz</initrd><cmdline>quiet mitigations=off no_timer_check</cmdline></os>|"
  else
    cat
  fi
}

guest_xml() {
  cat <<END
<domain type='qemu'>
  <name>$1</name>
  <memory unit='MiB'>192</memory>
  <vcpu>1</vcpu>
  <iothreads>1</iothreads>
  <os><type arch='x86_64' machine='pc'>hvm</type><kernel>$work/vmlinuz</kernel><initrd>$work/initramfs.gz</initrd>
    <cmdline>console=ttyS0 quiet mitigations=off no_timer_check</cmdline></os>
  <features><acpi/></features>
  <devices>
    <controller type='usb' model='none'/>
    <controller type='virtio-serial' index='0'/>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <serial type='file'><source path='$work/guest.console'/></serial>
    $(disk_xml vda ua-system)
    <memballoon model='none'/>
  </devices>
</domain>
END
}
disk_xml() {
  echo "<disk type='file' device='disk'><driver name='qemu' type='raw' iothread='1'/><source file='$work/$1.img'/><target dev='$1' bus='virtio'/><alias name='$2'/></disk>"
}

# What the unit's thread did in the last epoch, in hundredths of a CPU
load_of() { ctl units --json | jq -e --arg id "$1" 'map(select(.id == $id))[0] | (.load // 0) * 100 | floor'; }
# It has so much work that its queues are read, or has not (busy-threshold)
works() { [ "$(load_of "$1")" -gt 2 ]; }
idles() {
  local load
  load=$(load_of "$1") && [ "$load" -le 2 ]
}

# event_msecs KIND NAME: when libvirt told each event of that kind so far
event_msecs() { libvirt_events | awk -v key="$1 $2" '$1 " " $2 == key { print $3 }'; }
more_events() { [ "$(event_msecs "$2" "$3" | wc -l)" -gt "$1" ]; }
# load_follows WHAT NAME SUSPENDED-OR-RESUMED UNIT CONDITION COMMAND...: after the command the condition holds; sets $late, how many milliseconds after libvirt's event
# the last one asked who still saw it otherwise.
late=
load_follows() {
  local what=$1 name=$2 change=$3 unit=$4 condition=$5 before began wrong=0 event last=$((SECONDS + patience)) status=1
  shift 5
  before=$(event_msecs "domain-$change" "$name" | wc -l)
  holds "$what" "$@"
  while [ "$SECONDS" -lt "$last" ]; do
    began=$(now_msec)
    if "$condition" "$unit"; then
      status=0
      break
    fi
    wrong=$began
  done
  wait_until "$soon" more_events "$before" "domain-$change" "$name" || status=1
  event=$(event_msecs "domain-$change" "$name" | tail -1)
  late=$((wrong - ${event:-0}))
  [ "$wrong" -ne 0 ] || late=0
  return "$status"
}

# that there is none yet is told, too, when the guest starts
agent_is_told() { jq -en --arg name "$1" 'any(inputs; .payload.data == ["domain-agent", $name, "connected"])' "$work/signals"; }

plug_and_unplug() {
  device_follows "an interface that is plugged into it is one of its devices" "$1" added ua-net v attach-device "$1" "$work/guest-interface.xml"
  device_follows "and is none any more when the guest has let go of it" "$1" removed ua-net v detach-device "$1" "$work/guest-interface.xml"
}

test_guest() {
  local g=$tag-g reason unit
  if ! reason=$(build_guest); then
    skip "what needs a guest with a kernel" "$reason"
    return
  fi
  truncate -s 1M "$work/vda.img"
  truncate -s 4M "$work/vdb.img"
  echo "<interface type='ethernet'><model type='virtio'/><target dev='$tag-g'/><alias name='ua-net'/></interface>" >"$work/guest-interface.xml"
  disk_xml vdb ua-load >"$work/guest-disk.xml"
  guest_xml "$g" >"$work/g.xml"
  stop_daemon
  plugins='libvirt iothread vhost-thread cpu' configure
  write_policy "$tag-b" "$g"
  start_daemon
  start_listening
  ok $? "libvirt's client and ours hear of domains" || return
  holds "a guest with a kernel starts" v create "$work/g.xml"
  wait_until 400 agent_is_told "$g"
  ok $? "it opens its agent's port, which is told" || diag "$(tail -5 "$work/guest.console")"
  plug_and_unplug "$g"
  device_follows "a disk of its IOThread is one of its devices" "$g" added ua-load v attach-device "$g" "$work/guest-disk.xml"
  unit=$(iothread_unit "$g")
  wait_until "$patience" works "$unit"
  ok $? "which gives the IOThread work" || diag "$(ctl units; tail -5 "$work/guest.console")"
  while another_attempt; do plug_and_unplug "$g"; done
  ok_in_most "each is shown within an epoch of 100 ms, and what a busy machine makes of it"
  test_load "$g" "$unit"
  device_follows "the disk is none any more when the guest has let go of it" "$g" removed ua-load v detach-device "$g" "$work/guest-disk.xml"
  while another_attempt; do plug_and_unplug "$g"; done
  ok_in_most "each is shown within an epoch of 100 ms, too"
  printf '%s\n' "agent connected" "device: device-added ua-net" "device: device-removed ua-net" "device: device-added ua-load" "suspended paused" "resumed unpaused" \
    "device: device-removed ua-load" "stopped destroyed" >"$work/wanted"
  v destroy "$g"
  wait_until "$soon" domain_is_gone "$g"
  ok $? "it ends, and is gone"
  heard_in_order
  ok $? "a policy hears of the agent, of the devices, and of the rest" || diag "$(diff "$work/wanted" "$work/heard")"
  stop_listening
  stop_daemon
  configure
  write_policy "$tag-b" "$tag-a"
  start_daemon
}

# A guest whose IOThread works is suspended and resumed.
test_load() {
  local status bound went= n=0 n_soon=0
  while another_attempt; do
    load_follows "a guest whose IOThread works is suspended" "$1" suspended "$2" idles v suspend "$1"
    status=$?
    ok "$status" "then the IOThread counts as idle" || diag "$(ctl units)"
    # the epoch in which that was has some of its work
    bound=$(($(epoch_bound) + 100))
    [ "$status" -eq 0 ] && [ "$late" -le "$bound" ]
    attempt_gave $? "$late ms, $bound ms are allowed"
    load_follows "and resumed" "$1" resumed "$2" works v resume "$1"
    ok $? "then it counts again" || diag "$(ctl units)"
    # it is the guest that begins to work again, which on a busy machine it does when it gets a CPU
    n=$((n + 1))
    [ "$late" -gt 10000 ] || n_soon=$((n_soon + 1))
    went="$went${went:+, }$late ms"
  done
  ok_in_most "it counts as idle since the epoch after that in which it was suspended at the latest"
  [ $((n_soon * 5)) -ge $((n * 3)) ]
  ok $? "and again soon after it was resumed: $went"
}

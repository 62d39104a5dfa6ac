# SPDX-License-Identifier: LGPL-2.1-or-later
# Domains come, pause, change and go: the model follows within an epoch of libvirt's event.

# Who told when: libvirt's own client and iocored's signals, on the same clock.
start_listening() {
  busctl --system monitor --json=short --match "type='signal',interface='org.iocore1.Manager',member='Event'" >"$work/signals" 2>/dev/null &
  listener_pids="$!"
  stdbuf -oL virsh -c qemu:///system event --all --loop --timestamp >"$work/events" 2>/dev/null &
  listener_pids="$listener_pids $!"
  # both listen when an event that is made for that has come
  wait_until "$patience" test_event_is_heard
}

test_event_is_heard() {
  domain_xml "$tag-heard" >"$work/heard.xml"
  v define "$work/heard.xml" && v undefine "$tag-heard"
  grep -q Defined "$work/events" && grep -q domain-added "$work/signals"
}

stop_listening() {
  kill $listener_pids 2>/dev/null
  wait $listener_pids 2>/dev/null
}

# libvirt's events as "KIND DOMAIN MILLISECONDS", but for those that one or the other perhaps was too late for (test_event_is_heard)
libvirt_events() {
  sed -n "s/^\([0-9-]*\) \([0-9:]*\)\.\([0-9]*\)+0000: event '\([a-z-]*\)' for domain '\([^']*\)': *\([A-Za-z]*\).*/\1 \2 \3 \4 \5 \6/p" "$work/events" |
    while read -r day time msec event name detail; do
      case $event/$detail in
      lifecycle/*) event=domain-$(tr '[:upper:]' '[:lower:]' <<<"$detail") ;;
      device-added/* | device-removed/*) event=domain-$event ;;
      metadata-change/*) event=domain-metadata ;;
      *) continue ;;
      esac
      [ "$name" = "$tag-heard" ] || echo "$event $name $(($(date -u -d "$day $time" +%s) * 1000 + 10#$msec))"
    done
}

our_events() {
  jq -r '"\(.payload.data[0]) \(.payload.data[1]) \(."timestamp-realtime" / 1000 | floor)"' "$work/signals"
}

# The Nth of a kind of a domain on one side is the Nth on the other: "KIND DOMAIN DELAY", DELAY none when there is none
delays() {
  awk 'NR == FNR { ours[$1 " " $2, ++n[$1 " " $2]] = $3; next }
    { key = $1 " " $2; delay = ours[key, ++m[key]]; print key, delay == "" ? "none" : delay - $3 }' <(our_events) <(libvirt_events)
}

# follows WHAT FILTER VALUE COMMAND...: after the command the model has the value, soon
follows() {
  local what=$1 filter=$2 value=$3
  shift 3
  "$@" >"$work/output" 2>&1 || { ok 1 "$what"; diag "$(cat "$work/output")"; return 1; }
  wait_until "$soon" domain_is "$tag-a" "$filter" "$value"
  ok $? "$what" || diag "$(domain "$tag-a" .)"
}

now_msec() { date +%s%3N; }
# device_events ADDED-OR-REMOVED NAME ALIAS: those that libvirt told so far, each with its day, time and milliseconds
device_events() {
  sed -n "s/^\([0-9-]*\) \([0-9:]*\)\.\([0-9]*\)+0000: event 'device-$1' for domain '$2': $3\$/\1 \2 \3/p" "$work/events"
}
# more_device_events N ADDED-OR-REMOVED NAME ALIAS: than N
more_device_events() {
  local before=$1
  shift
  [ "$(device_events "$@" | wc -l)" -gt "$before" ]
}
# msec_of_device ADDED-OR-REMOVED NAME ALIAS: when libvirt told it, in milliseconds; the last one
msec_of_device() {
  local day time msec
  read -r day time msec < <(device_events "$@" | tail -1)
  [ -n "$day" ] && echo $(($(date -u -d "$day $time" +%s) * 1000 + 10#$msec))
}
# how long after libvirt's event an epoch of 100 ms may have it; a machine that is busy begins epochs late, and hears late of what libvirt tells
epoch_bound() { echo $((100 + $(worst_lateness) / 1000 + 100)); }
# device_follows WHAT NAME ADDED-OR-REMOVED ALIAS COMMAND...: after the command it is among the devices that iocored shows, or is not. An attempt (see ok_in_most) at that within an epoch of
# libvirt's event: nobody who asked later than that has seen it otherwise.
device_follows() {
  local what=$1 name=$2 change=$3 alias=$4 count=0 before began bound event wrong=0 last=$((SECONDS + patience)) status=1
  shift 4
  [ "$change" != added ] || count=1
  before=$(device_events "$change" "$name" "$alias" | wc -l)
  "$@" >"$work/output" 2>&1 || { ok 1 "$what" || diag "$(cat "$work/output")"; attempt_gave 1 "none"; return; }
  while [ "$SECONDS" -lt "$last" ]; do
    began=$(now_msec)
    if domain_is "$name" "[.devices[] | select(.alias == \"$alias\")] | length" "$count"; then
      status=0
      break
    fi
    wrong=$began
  done
  wait_until "$soon" more_device_events "$before" "$change" "$name" "$alias" && event=$(msec_of_device "$change" "$name" "$alias") || status=1
  # of one that libvirt told and that was missed, the next look at all domains shows it
  [ "$wrong" -le $((${event:-0} + soon * 1000)) ] || status=1
  ok "$status" "$what" || diag "libvirt told it at ${event:-no time}, and it was not so at $wrong: $(domain "$name" .devices)"
  bound=$(epoch_bound)
  [ "$status" -eq 0 ] && [ "$wrong" -le $((event + bound)) ]
  attempt_gave $? "$change, seen otherwise $([ "$wrong" -le "${event:-0}" ] && echo "until libvirt told it" || echo "$((wrong - ${event:-0})) ms later"), $bound ms are allowed"
}

write_devices() {
  truncate -s 1M "$work/disk.img"
  cat >"$work/interface.xml" <<END
<interface type='ethernet'><model type='virtio'/><target dev='$tag-hot'/><alias name='ua-interface'/></interface>
END
  # QEMU takes a USB device away without asking the guest
  cat >"$work/disk.xml" <<END
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$work/disk.img'/><target dev='sda' bus='usb'/><alias name='ua-disk'/></disk>
END
}

start_others() {
  local name
  for name in b c d; do
    domain_xml "$tag-$name" | with_kernel >"$work/$name.xml"
  done
  v define "$work/b.xml"
  v start "$tag-b" && v create "$work/c.xml" && v create "$work/d.xml" || return 1
  for name in b c d; do
    wait_until "$patience" domain_is "$tag-$name" .state running || return 1
  done
}
# what happened to the first domain, in the order in which it did, in the words of `virsh event`; of one that is defined, with what it is
what_happened() {
  cat <<END
defined added, shutoff
started booted
suspended paused
resumed unpaused
device-added ua-interface
device: device-added ua-interface
device-added ua-disk
device: device-added ua-disk
device-removed ua-disk
device: device-removed ua-disk
metadata https://iocore.org/xmlns/domain/1
migrated iteration 1
stopped saved
started restored
shutdown host-request
stopped destroyed
started booted
rebooted
defined updated, running
END
}
reboot_is_told() { our_events | grep -q "^domain-rebooted $1 "; }
redefine() { v dumpxml "$1" --inactive >"$work/again.xml" && v define "$work/again.xml"; }
# of an element whose change ends what a test waits for: whatever was told before it has come then, to libvirt's client and to ours
mark=https://example.org/mark
mark_is_told() { grep -q "event 'metadata-change' for domain '$1': .*$mark" "$work/events" && grep -q "$mark" "$work/signals"; }

test_life() {
  local a=$tag-a all n bound reason name
  start_listening
  ok $? "libvirt's client and ours hear of domains" || return
  write_devices
  reason=$(build_guest) || diag "domains run an empty BIOS: $reason"
  domain_xml "$a" | with_kernel >"$work/a.xml"
  follows "a domain that is defined is known, and shut off" .state shutoff v define "$work/a.xml"
  follows "one that is started runs" .state running v start "$a"
  wait_until "$soon" domain_is "$a" .pid "$(cat "/run/libvirt/qemu/$a.pid")"
  ok $? "its process is known" || diag "$(domain "$a" .)"
  is "$(domain "$a" .vcpus)" 2 "so are its two vCPUs"
  follows "one that is suspended is paused" .state paused v suspend "$a"
  follows "one that is resumed runs" .state running v resume "$a"
  device_follows "an interface that is plugged in is one of its devices" "$a" added ua-interface v attach-device "$a" "$work/interface.xml"
  is "$(ctl domain show "$a" --json | jq -r '.devices[] | select(.alias == "ua-interface") | .backend')" "$tag-hot" "with its tap, as iocorectl shows it"
  device_follows "so is a disk" "$a" added ua-disk v attach-device "$a" "$work/disk.xml"
  device_follows "which it is no more when it is taken out" "$a" removed ua-disk v detach-device "$a" "$work/disk.xml"
  while another_attempt; do
    device_follows "a disk is plugged in once more" "$a" added ua-disk v attach-device "$a" "$work/disk.xml"
    device_follows "and taken out" "$a" removed ua-disk v detach-device "$a" "$work/disk.xml"
  done
  ok_in_most "each is shown within an epoch of 100 ms, and what a busy machine makes of it"
  holds "its owner writes metadata" v metadata "$a" --uri https://iocore.org/xmlns/domain/1 --key iocore --set "<iocore class='latency'/>" --live --config
  follows "one that is saved is shut off" .state shutoff v save "$a" "$work/save"
  follows "one that is restored runs" .state running v restore "$work/save"
  holds "three more domains start, and run in the model" start_others
  follows "one that is destroyed is shut off" .state shutoff v destroy "$a"
  follows "and starts again" .state running v start "$a"
  holds "one can be reset" v reset "$a"
  wait_until "$soon" reboot_is_told "$a"
  ok $? "which is told"
  follows "one whose definition changes while it runs still runs" .state running redefine "$a"
  v metadata "$a" --uri "$mark" --key mark --set "<mark/>" --live
  wait_until "$soon" mark_is_told "$a"
  ok $? "all has come that was told so far" || diag "$(tail -5 "$work/events"; tail -5 "$work/signals")"
  what_happened >"$work/wanted"
  heard_in_order
  ok $? "a policy hears of all that, with details and devices, in that order" || diag "$(diff "$work/wanted" "$work/heard")"
  delays >"$work/delays"
  stop_listening
  is "$(grep -c none "$work/delays")" 0 "each event of libvirt's is told by iocored" || diag "$(cat "$work/delays")"
  all=$(awk '{ print $3 }' "$work/delays" | sort -n)
  n=$(wc -l <<<"$all")
  diag "from libvirt's event to iocored's signal: $n events, least $(head -1 <<<"$all") ms, median $(sed -n "$(((n + 1) / 2))p" <<<"$all") ms, most $(tail -1 <<<"$all") ms"
  bound=$(epoch_bound)
  # as with figures that are measured more than once, a moment in which whoever listens was not run does not count
  [ "$(sed -n "$(((n * 4 + 4) / 5))p" <<<"$all")" -le "$bound" ] && [ "$(tail -1 <<<"$all")" -le $((bound + 2000)) ]
  ok $? "four of five not later than an epoch of 100 ms, and what a busy machine makes of it: $bound ms, the others soon" || diag "$(cat "$work/delays")"
  [ ! -e "$work/initramfs.gz" ] || for name in a b c d; do
    wait_until 400 runs_kernel "$tag-$name"
    ok $? "$tag-$name has got as far as its kernel"
  done
}
# a CPU that is where kernels are
runs_kernel() { v qemu-monitor-command "$1" --hmp "info registers -a" | grep -q "RIP=ffffffff"; }
worst_lateness() { busctl --system --json=short get-property org.iocore1 /org/iocore1 org.iocore1.Manager WorstLateUSec | jq .data; }

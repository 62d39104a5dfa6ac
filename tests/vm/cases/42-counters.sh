# SPDX-License-Identifier: LGPL-2.1-or-later
# What taps count, as the guest sees it: rates of a tap with one queue pair belong to its worker, those of several pairs to the device.
. /tests/tap.sh
. /tests/guest.sh

start_vm many - - --vcpus 1 --vcpu-share 0.05 --pairs 2 --rate 400 --inject 300
ok $? "a VM with two queue pairs sends 800 packets a second and gets 300"
start_load plain 0-3 --rate 600
ok $? "a load with one sends 600"

# At this threshold all workers are looked at in each epoch. Where they run is for this case to say.
configuration='[daemon]
epoch = 500ms
mode = observe
busy-threshold = 0'
start_daemon
ok $? "iocored starts"

with_taps() { iocorectl devices --json | jq -e '[.[] | select(.kind == "net") | .queue_pairs] | sort == [1, 2]'; }
holds "both taps are known" wait_until 60 with_taps
units=$(iocorectl units --json)
device_of() { jq -r --arg unit "t.$(worker_of "$1")" '.[] | select(.id == $unit) | .device' <<< "$units"; }
plain=$(device_of plain)
many=$(device_of many)

# look QUEUE: sets unit, bytes, packets and drops to what is told of it, whole numbers or null.
look() {
  read -r unit bytes packets drops < <(iocorectl queues --json --all | jq -r --arg id "$1" 'def whole: if . == null then . else round end;
    .[] | select(.id == $id) | "\(if .unit == "" then "-" else .unit end) \(.bytes_per_second | whole) \(.packets_per_second | whole) \(.drops_per_second | whole)"')
}
# An emulated machine is late by tens of milliseconds: within a quarter.
sends() { look "$1" && [ $((packets * 4)) -ge $(($2 * 3)) ] && [ $((packets * 4)) -le $(($2 * 5)) ]; }
told() { diag "$1: $packets packets, $bytes bytes, $drops lost in a second"; }

wait_until 60 sends "$plain.tx" 600
ok $? "what the load sends is what is told"
told "$plain.tx"
# both rates are rounded
is "$unit $(((bytes + 757) / 1514 - packets)) $drops" "t.$(worker_of plain) 0 null" "of its worker, with as many bytes"
wait_until 60 sends "$many.tx" 800
ok $? "both pairs of the VM send"
told "$many.tx"
wait_until 60 sends "$many.rx" 300
ok $? "and it gets what the host sends"
told "$many.rx"
is "$unit" - "which is of no one pair"
units=$(iocorectl units --json)
is "$(jq -r --arg device "$many" '[.[] | select(.device == $device) | .bytes_per_second | tostring] | join(" ")' <<< "$units")" "null null" \
  "so that the bytes of its units are not known"
bytes_known() { iocorectl units --json | jq -e --arg device "$plain" '.[] | select(.device == $device) | .bytes_per_second > 100000'; }
holds "and those of the other's are" wait_until 60 bytes_known

switched() {
  n_switches=$(iocorectl workers --json | jq --arg id "t.$(worker_of plain)" '.[] | select(.id == $id) | .switches_per_second | round')
  [ "$n_switches" -ge 20 ]
}
wait_until 60 switched
ok $? "a worker that works is given a CPU again and again ($n_switches times a second)"

# More than its workers get through, with what a thread of higher priority leaves them of one CPU: the queues of the tap fill, and the host drops the rest.
taskset 80 sh -c 'while :; do :; done' &
burner=$!
renice -n -20 -p "$burner" > /dev/null
for pair in 0 1; do
  renice -n 19 -p "$(worker_of many $pair)" > /dev/null
  taskset -p 80 "$(worker_of many $pair)" > /dev/null
done
tell_load many inject 1000000
dropping() { look "$many.rx" && [ "$drops" -gt 0 ]; }
wait_until 60 dropping
ok $? "what its worker is too slow for is told as lost"
told "$many.rx"
tell_load many inject 0
kill "$burner"

stop_load plain
gone() { [ "$(iocorectl devices --json | jq --arg id "$plain" 'map(select(.id == $id)) | length')" = 0 ]; }
holds "a device goes with its worker" wait_until 30 gone
stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"
tap_done

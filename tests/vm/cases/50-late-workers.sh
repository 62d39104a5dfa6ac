# SPDX-License-Identifier: LGPL-2.1-or-later
# Workers that appear while an I/O core is at work: each is put there in the first epoch of 100 ms that begins after it came into being.
. /tests/tap.sh
. /tests/guest.sh

# How many of the emulated CPUs are idle is a matter of the machine below.
configuration='[daemon]
epoch = 100ms
[policy.dynamic-cores]
vm_idle = 0'
epoch_usec=100000

start_vm first 0-3 0-3 --vcpus 1 --vcpu-share 0.05 --pairs 1 --load 0.4
ok $? "a VM runs"
start_daemon
placed() { [ "$(history 'select(.verdict == "done" and .action == "grow") | .action' | wc -l)" -ge 1 ] && [ -z "$(cpus_of "$1" | tr -d 0-9)" ]; }
holds "its load makes an I/O core" wait_until 60 placed "$(worker_of first)"
diag "discovery: $(iocorectl status --json | jq -c '[.plugins[] | select(.status == "open") | .name]')"

# appears NAME PAIR: in how many epochs after the one that the worker NAME PAIR came into being in it was placed, at most; and after how many ms.
# The epoch of its birth is counted from $mark, an epoch and a time in it, on the nominal grid: epochs that are left out make the result smaller, and one that was due at $mark
# but late makes it larger by one.
mark_epoch() { mark=$(iocorectl status --json | jq -r '"\(.epoch) \(.usec)"'); }
appeared() {
  local id born
  id=t.$(worker_of "$1" "$2") born=$(born_usec "$1" "$2")
  wait_until 60 decided "$id" || return 1
  iocorectl history --limit 1000 --json | jq -r --arg id "$id" --argjson born "$born" --argjson epoch "${mark% *}" --argjson usec "${mark#* }" --argjson length "$epoch_usec" \
    '[.[] | select(.object == $id and .action == "move" and .verdict == "done")][0] |
     "\(.epoch - $epoch - ((($born - $usec) / $length) | floor)) \((.usec - $born) / 1000 | round)"'
}
decided() { [ -n "$(history "select(.object == \"$1\" and .action == \"move\" and .verdict == \"done\") | .id")" ]; }

on_io_core() { iocorectl cores --json | jq -e --arg cpus "$(cpus_of "$1")" 'any(.[]; .io_core and "\(.cpu)" == $cpus)' > /dev/null; }

results=
check() { # check NAME PAIR DESCRIPTION
  local result
  result=$(appeared "$1" "$2")
  [ -n "$result" ]
  ok $? "$3 is placed: ${result#* } ms after it came into being"
  # one epoch because the phase of the grid is not known, one for "the next"
  [ "${result% *}" -le 2 ]
  attempt_gave $? "${result% *}"
  results="$results ${result#* }"
  # it may go to another one between two looks
  wait_until 30 on_io_core "$(worker_of "$1" "$2")"
  ok $? "on an I/O core, and there it stays"
}

for name in b c d; do
  mark_epoch
  start_load "$name" 0-3 --pause
  check "$name" 0 "the worker of a guest that starts"
done
for pair in 1 2; do
  mark_epoch
  add_pair first
  check first "$pair" "the worker of a queue pair that is added"
done
ok_in_most "they are placed in the next epoch: epochs from birth to decision, 2 at most"
for id in $(worker_of b) $(worker_of c) $(worker_of d) $(workers_of first); do wait_until 30 on_io_core "$id" || ok 1 "$id is still on an I/O core ($(cpus_of "$id"))"; done
median=$(printf '%s\n' $results | sort -n | sed -n 3p)
late=$(iocorectl status --json | jq '.worst_late_usec / 1000 | round')
[ "${median:-9999}" -le $((250 + late)) ]
ok $? "the median is $median ms, on CPUs that are held up for tens of them, and where an epoch began $late ms late at worst"
stop_daemon TERM
tap_done

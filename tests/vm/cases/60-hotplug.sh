# SPDX-License-Identifier: LGPL-2.1-or-later
# An I/O core is unplugged under its workers, and plugged in again; and somebody else's taskset on a worker.
. /tests/tap.sh
. /tests/guest.sh

# CPU 0 of a PC cannot be unplugged.
configuration='[daemon]
epoch = 500ms
[cores]
reserved = 0
[policy.dynamic-cores]
vm_idle = 0'

online() { echo "$2" > "/sys/devices/system/cpu/cpu$1/online"; }
for name in a b c; do
  start_load "$name" 0-3 --load 0.15 --vcpus 1 --vcpu-share 0.05 || ok 1 "load $name starts"
done
masks_of() { # of all threads of the loads b and c
  local name directory
  for name in b c; do
    for directory in /proc/"$(cat "$WORK/load.$name.pid")"/task/*; do cpus_of "${directory##*/}"; done
  done
}
before=$(masks_of)

# all_on: sets `there` to the CPU that all three are bound to.
all_on_one() {
  local name cpus first=
  for name in a b c; do
    cpus=$(cpus_of "$(worker_of "$name")")
    case $cpus in *[!0-9]* | "") return 1 ;; esac
    first=${first:-$cpus}
    [ "$cpus" = "$first" ] || return 1
  done
  there=$first
}
elsewhere() { all_on_one && [ "$there" != "$1" ]; }

start_daemon
ok $? "iocored starts"
wait_until 150 all_on_one
ok $? "the workers are on one I/O core"
first=$there
diag "I/O core CPU $first"
online "$first" 0
ok $? "it is unplugged"
wait_until 150 elsewhere "$first"
ok $? "the workers go to another I/O core (CPU ${there:-none})"
grep -q "went offline" "$WORK/daemon.log"
ok $? "which is told"
is "$(history .verdict | grep -c failed)" 0 "no decision failed"
is "$(grep -c 'Somebody else' "$WORK/daemon.log")" 0 "what the kernel did is nobody's change"
online "$first" 1
wait_until 60 grep -q "is online again" "$WORK/daemon.log"
ok $? "it comes back"
# unless the policy has just done so
case " $(io_cores)" in *" $first "*) ;; *) iocorectl grow --cpu "$first" ;; esac
ok $? "and may serve again"

taskset -cp 5 "$(worker_of a)" > /dev/null
wait_until 60 grep -q "Somebody else changed t.$(worker_of a)" "$WORK/daemon.log"
ok $? "a foreign taskset is noticed"

stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"
is "$(cpus_of "$(worker_of a)")" 5 "the worker that somebody else placed is left there"
is "$(masks_of)" "$before" "all other threads have their masks again"
[ "$tap_failed" -eq 0 ] || diag "$(tail -40 "$WORK/daemon.log")"
tap_done

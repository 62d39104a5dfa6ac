# SPDX-License-Identifier: LGPL-2.1-or-later
# Somebody binds a worker elsewhere while iocored manages it: it is theirs from then on.
. /tests/tap.sh
. /tests/guest.sh

# How many of the emulated CPUs are idle is a matter of the machine below.
configuration='[daemon]
epoch = 500ms
[policy.dynamic-cores]
vm_idle = 0'

for name in a b c; do start_load "$name" 0-3 --load 0.15 || ok 1 "load $name starts"; done
start_daemon
iocorectl events --json > "$WORK/events" &
# It may start later than the workers are gathered; then there is something else to hear.
hears() {
  [ -s "$WORK/events" ] && return
  iocorectl mode paused
  iocorectl mode active
  return 1
}
holds "events are heard" wait_until 60 hears
bound() { case $(cpus_of "$1") in *[!0-9]* | "") return 1 ;; esac; }
all_bound() { bound "$(worker_of a)" && bound "$(worker_of b)" && bound "$(worker_of c)"; }
holds "the workers are gathered" wait_until 60 all_bound

id=$(worker_of b)
taskset -cp 2-3 "$id" > /dev/null
# The device of a worker has the same name: "device-added" may be told of it, too.
n_told() { jq -s --arg id "t.$id" '[.[] | select(.kind == "foreign-change" and .object == $id)] | length' "$WORK/events"; }
noticed() { [ "$(n_told)" -gt 0 ]; }
holds "a taskset by somebody else is told as an event" wait_until 60 noticed
diag "$(grep foreign-change "$WORK/events")"
manual() { iocorectl units --json | jq -e --arg id "t.$id" 'any(.[]; .id == $id and .state == "manual")' > /dev/null; }
holds "and the worker is manual" wait_until 30 manual
is "$(n_told)" 1 "and told once"

# Reason to move it: its core gets full, and then there is one more.
for name in a b c; do tell_load "$name" load 0.35; done
epoch() { iocorectl status --json | jq .epoch; }
twentieth=$(($(epoch) + 20))
passed() { [ "$(epoch)" -ge "$twentieth" ]; }
wait_until 120 passed
is "$(cpus_of "$id")" 2-3 "it is not touched again in 20 epochs"
holds "it is still manual" manual
is "$(n_told)" 1 "and not told again"
stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"
is "$(cpus_of "$id")" 2-3 "nor is it touched at the end"
is "$(cpus_of "$(worker_of a)") $(cpus_of "$(worker_of c)")" "$(case $(uname -r) in 6.1.*) echo "0-7 0-7" ;; *) echo "0-3 0-3" ;; esac)" "the others are where they were before"
tap_done

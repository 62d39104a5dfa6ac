# SPDX-License-Identifier: LGPL-2.1-or-later
# One I/O core is full: a second one serves, and workers wait less. The load falls: one again, and no to and fro.
. /tests/tap.sh
. /tests/guest.sh

# How many of the emulated CPUs are idle is a matter of the machine below.
configuration='[daemon]
epoch = 500ms
[policy.dynamic-cores]
vm_idle = 0
start_load = 0.1
stop_load = 0.05
release_last = no'

# Two: each has an I/O core to itself then, so that it shows how little of the waiting is left, even where CPUs are held up by the machine below.
names="a b"
for name in $names; do start_vm "$name" 0-3 0-3 --vcpus 1 --vcpu-share 0.02 --load 0.2 || ok 1 "VM $name starts"; done
start_load pinned 0-3 --load 0.05
pinned=$(worker_of pinned)
taskset -p 4 "$pinned" > /dev/null
workers=$(for name in $names; do worker_of "$name"; done)
tell_all() {
  local name
  for name in $names; do tell_load "$name" "$@"; done
}

n_cores() { iocorectl cores --json | jq '[.[] | select(.io_core)] | length'; }
# Both are bound to one CPU each: how many CPUs is that?
n_cores_used() {
  local worker
  for worker in $workers; do cpus_of "$worker"; done | sort -u > "$WORK/used"
  grep -q '[^0-9]' "$WORK/used" && return 1
  wc -l < "$WORK/used"
}
uses() { [ "$(n_cores_used)" = "$1" ]; }
uses_more_than_one() { [ "$(n_cores_used)" -ge 2 ] 2> /dev/null; }
total() { # total run_nsec|wait_nsec: of both
  local worker sum=0 value
  for worker in $workers; do
    value=$("$1" "$worker")
    sum=$((sum + value))
  done
  echo "$sum"
}
# Over SECONDS: "share run wait": of their runnable time, how much both had to wait for a CPU, in tenths of a percent; and the two in ms.
waiting() {
  local run wait
  run=$(total run_nsec) wait=$(total wait_nsec)
  read -rt "$1" <> <(:)
  run=$((($(total run_nsec) - run) / 1000000)) wait=$((($(total wait_nsec) - wait) / 1000000))
  echo "$((wait * 1000 / (run + wait + 1))) $run $wait"
}
epoch() { iocorectl status --json | jq .epoch; }
grown_by() { history "select(.id > $1 and .action == \"grow\" and .verdict == \"done\") | .id" | head -n 1; }
grown() { [ -n "$(grown_by "$1")" ]; }

one_core() { [ "$(n_cores)" -eq 1 ]; }
# Nothing is decided any more then: there may always be another one in the next moment.
gathered_and_paused() {
  uses 1 || return 1
  iocorectl mode paused
  uses 1 && one_core && return
  iocorectl mode active
  return 1
}
while another_attempt; do
  [ ! -e "$WORK/daemon.pid" ] || stop_daemon TERM
  tell_all load 0.2
  start_daemon
  # Nothing is decided while it fills, so that there is time to measure; and it is known from when on the policy could see it.
  holds "two light loads are gathered on one I/O core" wait_until 150 gathered_and_paused
  tell_all load 0.7
  read -rt 2 <> <(:) # what a packet costs is learnt anew
  before=$(waiting 4)
  last=$(history .id | tail -n 1)
  iocorectl mode active > /dev/null
  from=$(epoch)
  holds "when it is full there is another one" wait_until 60 grown "$last"
  # In how many epochs it was full until that was decided, as the decision says. A program takes epochs to start: since the mode is known to be active there were no more either.
  read -r needed since < <(iocorectl why "$(grown_by "$last")" --json | jq -r "\"\(.evidence.epochs) \(.epoch - $from)\"")
  [ "$since" -le "$needed" ] || needed=$since
  [ "$needed" -le 5 ] || diag "$(history "select(.id > $last) | \"epoch \(.epoch): \(.action) \(.verdict) \(.text)\"")"
  holds "which serves" wait_until 60 uses_more_than_one
  read -rt 1 <> <(:)
  after=$(waiting 4)
  set -- $before $after
  fall=$((($1 - $4) * 100 / ($1 + 1)))
  diag "waiting: $(($1 / 10)).$(($1 % 10)) % of the runnable time ($2 ms run, $3 ms wait), with $(n_cores) I/O cores $(($4 / 10)).$(($4 % 10)) % ($5 ms, $6 ms)"
  [ "$needed" -le 5 ] && [ "$fall" -ge 40 ]
  attempt_gave $? "$needed, $fall %"
done
ok_in_most "it serves within 5 epochs, and the share of time that workers wait falls by 40 % at least"

tell_all load 0.06
fallen() { iocorectl cores --json | jq -e '[.[] | select(.io_core) | .load] | add < 0.7'; }
holds "iocored sees the load fall" wait_until 60 fallen
# From here on for a minute. What was decided before was for the load before.
from=$(history .id | tail -n 1) end=$((SECONDS + 60))
wait_until 120 one_core
ok $? "when the load falls there is one I/O core again"
[ "$SECONDS" -ge "$end" ] || read -rt $((end - SECONDS)) <> <(:)
changes=$(history "select(.id > $from and .verdict == \"done\" and (.action == \"grow\" or .action == \"shrink\")) | .action" | tr '\n' ' ')
[ "$(set -- $changes; echo $#)" -le 2 ] && one_core
ok $? "and no to and fro: in the minute after the load fell the I/O cores change at most twice ($changes)"
is "$(cpus_of "$pinned")" 2 "a worker that was pinned by hand before stays where it is"
stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"
tap_done

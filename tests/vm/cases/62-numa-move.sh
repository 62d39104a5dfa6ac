# SPDX-License-Identifier: LGPL-2.1-or-later
# Memory of a process goes to another node: real page tables, two real nodes.
. /tests/tap.sh
. /tests/guest.sh
. /tests/quiet.sh

configuration='[daemon]
epoch = 200ms'

# start_memory NAME PART...: a process that has it.
start_memory() {
  local name=$1
  shift
  memory-load "$@" > "$WORK/memory.$name.out" 2> "$WORK/memory.$name.log" &
  echo $! > "$WORK/memory.$name.pid"
  wait_until 60 grep -q ready "$WORK/memory.$name.out"
}
stop_memory() {
  local pid
  pid=$(cat "$WORK/memory.$1.pid")
  kill -9 "$pid" 2> /dev/null
  wait "$pid" 2> /dev/null
}
# pages_on NODE PID: small pages of its own memory there, as the kernel counts them; files are left out.
pages_on() {
  awk -v node="N$1=" '!/file=/ || /memfd/ { for (i = 2; i <= NF; i++) if (index($i, node) == 1) n += substr($i, length(node) + 1) } END { print n + 0 }' "/proc/$2/numa_maps"
}
job() { iocorectl jobs --json | jq -r ".[] | select(.id == $1) | $2"; }
last_job() { iocorectl jobs --json | jq -r ".[-1] | $1"; }
state_is() { [ "$(job "$1" .state)" = "$2" ]; }
goes_on() { [ "$(last_job '.state == "running" and .moved > 0')" = true ]; }

start_daemon
is "$(iocorectl status --json | jq -r '.plugins[] | select(.name == "numa") | .status')" open "the plugin numa is open"
diag "$(iocorectl status | grep -F 'numa')"
memory_known() { [ "$(iocorectl nodes --json | jq -c 'map(.memory_kib > 300000 and .memory_free_kib > 100000)')" = "[true,true]" ]; }
holds "the memory of both nodes is known" wait_until 30 memory_known

diag "worst lateness of an epoch before anything is moved: $(iocorectl status --json | jq .worst_late_usec) us"
start_memory wrong 1:128
pid=$(cat "$WORK/memory.wrong.pid")
before=$(pages_on 1 "$pid")
diag "before: $(pages_on 0 "$pid") pages on node 0, $before on node 1"
[ "$before" -ge 32768 ]
ok $? "128 MiB are on node 1"
iocorectl process move-memory "$pid" 0 > "$WORK/move.out" 2>&1
ok $? "they are moved to node 0"
diag "$(tail -n 1 "$WORK/move.out")"
diag "after: $(pages_on 0 "$pid") pages on node 0, $(pages_on 1 "$pid") on node 1"
# a few of a process's pages come and go, or move with others, or cannot be had at once, while it is looked at
[ "$(pages_on 1 "$pid")" -lt $((before / 100)) ] && [ "$(pages_on 0 "$pid")" -ge $((before * 99 / 100)) ]
ok $? "they are on node 0 now"
[ "$(last_job .moved)" -ge $((before * 99 / 100)) ] && [ "$(last_job .failed)" -le $((before / 100)) ]
ok $? "the job counts them: $(last_job .moved) of $before, and $(last_job .failed) that could not be moved"
iocorectl process move-memory "$pid" 0 > "$WORK/again.out"
[ $? -eq 0 ] && [ "$(last_job .moved)" -le $((before / 100)) ]
ok $? "moving them again moves none, or what could not be moved before: $(last_job .moved)"
stop_memory wrong

# How fast pages go is the machine's; a rate makes a job that lasts, whatever the machine.
restart_daemon() {
  worst=$(iocorectl status --json | jq .worst_late_usec)
  diag "worst lateness of an epoch meanwhile: ${worst:-?} us"
  stop_daemon TERM
  is "$daemon_status" 0 "the daemon ends well"
  start_daemon
}
usual=$configuration
configuration="$configuration
[plugin.numa]
move-rate = 8"
restart_daemon

start_memory small 1:160:small
pid=$(cat "$WORK/memory.small.pid")
before=$(pages_on 1 "$pid")
begun=$EPOCHREALTIME
iocorectl process move-memory "$pid" 0 > "$WORK/small.out" 2>&1 &
client=$!
moved_20_mib() { [ "$(last_job .moved)" -ge 5120 ]; }
holds "a job of 160 MiB in small pages, at 8 MiB a second, is seen to go on" wait_until 60 moved_20_mib
took=$((${EPOCHREALTIME/[.,]/} - ${begun/[.,]/}))
[ "$took" -gt 1000000 ]
ok $? "the first 20 MiB take longer than a second: $((took / 1000)) ms"
id=$(last_job .id)
asked=$EPOCHREALTIME
iocorectl job cancel "$id"
ok $? "it can be cancelled"
holds "it is over" wait_until 60 state_is "$id" cancelled
took=$((${EPOCHREALTIME/[.,]/} - ${asked/[.,]/}))
wait "$client"
is $? 1 "who followed it is told that it was cancelled"
diag "$(tail -n 1 "$WORK/small.out")"
moved=$(job "$id" .moved)
left=$(pages_on 1 "$pid")
diag "cancelled: $moved pages moved, $left of $before left on node 1, known after $((took / 1000)) ms"
[ "$left" -gt 0 ] && [ "$moved" -gt 0 ]
ok $? "a part was moved, a part was not"
difference=$((before - left - moved))
[ "${difference#-}" -le $((before / 100)) ]
ok $? "as many pages as the job counts have left node 1 (difference: $difference): none is moved after it is over"
holds "epochs go on" let_pass 5
followed=$((left - $(pages_on 1 "$pid")))
[ "${followed#-}" -le $((before / 100)) ]
ok $? "and five epochs later none has followed (difference: $followed)"

# A process that goes away meanwhile.
start_memory gone 1:128:small
gone=$(cat "$WORK/memory.gone.pid")
iocorectl process move-memory "$gone" 0 > "$WORK/gone.out" &
client=$!
wait_until 60 goes_on
stop_memory gone
wait "$client"
is "$? $(last_job .state)" "1 failed" "a job whose process goes away fails"
is "$(last_job .text)" "the process is gone" "and says so"
iocorectl process move-memory "$gone" 1 > /dev/null 2>&1
is $? 1 "a process that is not there is refused"

configuration=$usual
restart_daemon
iocorectl process move-memory "$pid" 0 > "$WORK/rest.out"
ok $? "what was left can be moved afterwards"
diag "$(tail -n 1 "$WORK/rest.out")"
is "$(pages_on 1 "$pid" | awk '{ print ($1 < 200) }')" 1 "none of it is left on node 1"
stop_memory small

# A cpuset that forbids the node.
start_memory bound 1:8:small
pid=$(cat "$WORK/memory.bound.pid")
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir /sys/fs/cgroup/bound && echo +cpuset > /sys/fs/cgroup/cgroup.subtree_control 2> /dev/null
  echo 1 > /sys/fs/cgroup/bound/cpuset.mems && echo "$pid" > /sys/fs/cgroup/bound/cgroup.procs
  iocorectl process move-memory "$pid" 0 > "$WORK/forbidden.out"
  is "$? $(last_job .state)" "1 failed" "memory does not go to a node that a cpuset forbids"
  diag "$(last_job .text)"
  is "$(pages_on 0 "$pid" | awk '{ print ($1 < 200) }')" 1 "it stays where it was"
fi
stop_memory bound

# More than the node has room for.
start_memory first 0:300:small
start_memory second 1:200:small
iocorectl process move-memory "$(cat "$WORK/memory.second.pid")" 0 > "$WORK/full.out"
diag "$(tail -n 1 "$WORK/full.out")"
is "$(last_job .state)" failed "a node that is full ends the job"
is "$(last_job .text)" "the node is full" "and it is told"
stop_memory first
stop_memory second

worst=$(iocorectl status --json | jq .worst_late_usec)
diag "worst lateness of an epoch meanwhile: ${worst:-?} us"
stop_daemon TERM
is "$daemon_status" 0 "the daemon ends well"
# Not before: with the last cpuset the kernel patches what it allocates pages with, and an emulated CPU that is in the midst of that may trap there, and panic.
wait_until 30 rmdir /sys/fs/cgroup/bound 2> /dev/null
tap_done

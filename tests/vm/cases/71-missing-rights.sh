# SPDX-License-Identifier: LGPL-2.1-or-later
# iocored without some of its rights: it says what it lacks, once, and what that costs.
. /tests/tap.sh
. /tests/guest.sh
. /tests/quiet.sh

# How many of the emulated CPUs are idle is a matter of the machine below.
configuration='[policy.dynamic-cores]
vm_idle = 0
[daemon]
epoch = 100ms'

# start_without CAPABILITY [OPTIONS...]: as start_daemon, with a new log.
start_without() {
  local capability=$1
  shift
  : > "$WORK/daemon.log"
  printf '%s\n' "$configuration" > "$WORK/iocored.conf"
  setpriv --bounding-set "-$capability" --inh-caps "-$capability" iocored --config "$WORK/iocored.conf" "$@" >> "$WORK/daemon.log" 2>&1 &
  echo $! > "$WORK/daemon.pid"
  wait_until 60 iocorectl status
}
# of_worker TID: its line, as JSON.
of_worker() {
  iocorectl workers --json | tr -d '\n' | sed 's/},[[:space:]]*{/}\n{/g' | grep "\"t\\.$1\""
}
listed() { of_worker "$1" > /dev/null; }
mode() {
  iocorectl status --json | sed -n 's/.*"mode":[[:space:]]*"\([a-z]*\)".*/\1/p' | head -n 1
}

for name in a b c; do start_load "$name" 0-3 --load 0.2; done
worker=$(worker_of a)
masks() { local name; for name in a b c; do cpus_of "$(worker_of "$name")"; done; }
before=$(masks)

# --- no CAP_SYS_NICE: nothing can be moved
start_without sys_nice
ok $? "without CAP_SYS_NICE iocored starts"
is "$(mode)" observe "it observes"
is "$(lines 'only observes.*CAP_SYS_NICE')" 1 "which it says once at its start"
iocorectl status | grep -q CAP_SYS_NICE
ok $? "and in its status"
! iocorectl mode active 2> "$WORK/mode.log" && [ "$(mode)" = observe ]
ok $? "nobody can make it act"
# The first of what it wishes is told, the same later is not.
refused() { [ -n "$(history 'select(.verdict == "refused") | .id')" ]; }
holds "what it wishes is refused" wait_until 60 refused
diag "$(history '"\(.action) \(.verdict) \(.text)"')"
quiet "without CAP_SYS_NICE"
is "$(masks)" "$before" "no worker is touched"
stop_daemon TERM
[ "$daemon_status" -ne 0 ]
ok $? "as it was to act, its end is a failure (status $daemon_status)"

start_without sys_nice --observe
is "$(mode)" observe "without CAP_SYS_NICE, told to observe, it does"
let_pass 5
stop_daemon TERM
is "$daemon_status" 0 "which is a success at its end"

# Nothing is decided from here on.
for name in a b c; do tell_load "$name" pause; done

# --- no CAP_SYS_PTRACE: nobody's open files can be seen
start_without sys_ptrace
ok $? "without CAP_SYS_PTRACE iocored starts"
holds "workers are found all the same" wait_until 30 listed "$worker"
told_why() { of_worker "$worker" | grep -q '"unidentified":[[:space:]]*"[^"]'; }
holds "each says why its device cannot be told" wait_until 30 told_why
diag "$(of_worker "$worker" | sed -n 's/.*"unidentified":[[:space:]]*\("[^"]*"\).*/\1/p')"
quiet "without CAP_SYS_PTRACE"
stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"

# --- and /proc hides what is not one's own, but for a group that root is not in
mount -t proc -o remount,hidepid=2,gid=65534 none /proc
start_without sys_ptrace
ok $? "with /proc hidden too iocored starts"
is "$(lines hidepid)" 1 "and says once what is hidden"
iocorectl status | grep -q 'hidepid.*CAP_SYS_PTRACE'
ok $? "its status says what is missing"
diag "$(iocorectl status | grep hidepid)"
start_load d 0-3 --pause
quiet "with /proc hidden"
stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"
start_daemon
holds "with CAP_SYS_PTRACE hidepid hides nothing: all workers are found" wait_until 30 listed "$(worker_of d)"
! iocorectl status | grep -q hidepid
ok $? "and nothing is said of it"
stop_daemon TERM
mount -t proc -o remount,hidepid=0,gid=0 none /proc

# --- no CAP_NET_ADMIN: Linux 6.1 tells nobody of new threads then, 6.12 anybody. Where it tells, nothing is searched for.
case $(uname -r) in
6.1.*) discovery='a scan every ' ;;
*)
  discovery='process connector'
  configuration="$configuration
scan-interval = 1h"
  ;;
esac
start_without net_admin
ok $? "without CAP_NET_ADMIN iocored starts"
iocorectl status | grep -q "discovery.*: $discovery"
ok $? "how new workers are found is said: $discovery"
diag "$(iocorectl status | grep discovery)"
start_load e 0-3 --pause
holds "a new one is found" wait_until 30 listed "$(worker_of e)"
quiet "without CAP_NET_ADMIN"
stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"
tap_done

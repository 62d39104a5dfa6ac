# SPDX-License-Identifier: LGPL-2.1-or-later
# iocored on the simulated kernel: killed before and after every write of a grow, a poll, a move and a shrink, the host is put back by --restore and by a restart.
set -u
. "$SOURCE/tests/lib/tap.sh"
. "$SOURCE/tests/lib/host.sh"
trap host_end EXIT

host_begin && host_kernel "$SOURCE/tests/data/scenarios/overload.json" 2 || { ok 1 "the simulated host starts"; tap_done; exit 1; }
mkdir "$host/none"
POLICIES=$host/none host_configure

ctl() {
  timeout 60 "$BUILD/iocorectl" "$@" >>"$host/ctl.log" 2>&1
}

# a daemon that was killed is a zombie until it is waited for
dead() {
  ! grep -qE '^State:\s+[^ZX]' "/proc/$daemon_pid/status" 2>/dev/null
}

# which units a new I/O core takes depends on their loads
loads_known() {
  [ "$("$BUILD/iocorectl" units --json | jq '[.[] | select(.load > 0)] | length')" -eq 6 ]
}

# Everything that is written to the host, in one go. Each wish is granted, or the daemon is dead.
work_through() {
  wait_until 30 loads_known && ctl grow --node 0 && ctl poll vq.1.1 on && ctl limit vq.2.1 65536 && ctl move d.1 1 && ctl move d.1 home && ctl move d.2 1 && ctl shrink --node 0 --cpu 0
}

# killed FAULT: the daemon works with that fault point; 0: it was killed there; 1: it came through.
killed() {
  IOCORED_FAULT=$1 host_daemon || return 2
  # the clean end writes too: it may be killed in the middle of putting the host back
  if work_through; then
    host_daemon_end TERM && return 1
    return 0
  fi
  wait_until 30 dead || return 3
  host_daemon_end KILL
  return 0
}

restore() {
  timeout 60 "$BUILD/iocored" --config "$host/iocored.conf" --restore >>"$host/iocored.log" 2>&1
}

host_dump "$host/before.json"
host_daemon && work_through
ok $? "grow, poll, limit, moves and shrink are carried out when nothing fails"
host_daemon_end TERM
ok $? "a clean end says that everything was put back"
host_dump "$host/after.json"
is "$(host_difference "$host/before.json" "$host/after.json")" "" "after SIGTERM the host is as before"

kills=0
for when in before after; do
  for ((n = 1; n <= 40; n++)); do
    killed $when:$n
    case $? in
    1) break ;;
    2) ok 1 "the daemon starts for fault point $when:$n"; break ;;
    3) ok 1 "fault point $when:$n: what failed was not the daemon"; diag "$(tail -3 "$host/ctl.log")"; host_daemon_end TERM; break ;;
    esac
    kills=$((kills + 1))
    # one way and the other: the restorer, or the next daemon
    if ((n % 2)); then
      restore || diag "$when:$n: --restore failed"
      how="--restore"
    else
      host_daemon
      how="a restart"
    fi
    host_dump "$host/after.json"
    # the next daemon has put back at its start; it changes nothing by itself, as it has no policies
    difference=$(host_difference "$host/before.json" "$host/after.json")
    is "$difference" "" "killed $when write $n: $how puts the host back"
    [ -z "$difference" ] || diag "$(tail -5 "$host/iocored.log")"
    host_daemon_end TERM
  done
done
# at 80 the loops would have ended before the writes did
[ "$kills" -ge 20 ] && [ "$kills" -lt 80 ]; ok $? "there were at least 10 writes to be killed before and after ($kills kills)"

# the restorer itself is killed in the middle, and runs again
for n in 1 2 3; do
  host_daemon && ctl grow --node 0 && ctl poll vq.1.1 on
  host_daemon_end KILL
  IOCORED_FAULT=before:$n restore
  restore
  host_dump "$host/after.json"
  is "$(host_difference "$host/before.json" "$host/after.json")" "" "--restore killed before its write $n and run again puts the host back"
done
is "$(restore; echo $?)" 0 "--restore with nothing to put back succeeds"
tap_done

# SPDX-License-Identifier: LGPL-2.1-or-later
# What a host may do to iocored: workers that die while they are looked at, names that lie.
. /tests/tap.sh
. /tests/guest.sh
. /tests/quiet.sh

configuration='[daemon]
epoch = 100ms'

knows() { iocorectl workers --json | grep -q "\"t\\.$1\""; }
knows_none() { ! iocorectl workers --json | grep -q '"t\.'; }

# A huge page more or less is no leak.
echo never > /sys/kernel/mm/transparent_hugepage/enabled
start_daemon
ok $? "iocored starts on a host without a worker"
daemon=$(cat "$WORK/daemon.pid")

# --- names
for name in vhost-1 "vhost-$daemon" 'vhost-1) S 2 0 0'; do
  : > "$WORK/impostor"
  impostor "$name" >> "$WORK/impostor" 2> "$WORK/impostor.log" &
  wait_until 30 test -s "$WORK/impostor"
  read -r process thread < "$WORK/impostor"
  is "$(cat "/proc/$process/comm") $(cat "/proc/$process/task/$thread/comm")" "${name:0:15} ${name:0:15}" "a process and a thread call themselves ${name:0:15}"
  let_pass 15
  ! knows "$process" && ! knows "$thread"
  ok $? "neither is taken for a worker"
  kill "$process"
  wait "$process" 2> /dev/null
done

# --- death. Five come and are killed at once, ten times: every second time when one of them is known, and the others are being looked at.
churn() { # churn TIMES
  local i j pids worker
  for ((i = 0; i < $1; i++)); do
    pids=
    for j in 0 1 2 3 4; do
      : > "$WORK/churn.$j"
      vhost-load --pause < /dev/null > "$WORK/churn.$j" 2>> "$WORK/churn.log" &
      pids="$pids $!"
    done
    for j in 0 1 2 3 4; do wait_until 30 test -s "$WORK/churn.$j" || return 1; done
    read -r _ worker _ < "$WORK/churn.0"
    [ $((i % 2)) -eq 0 ] || wait_until 30 knows "$worker" || return 1
    kill -9 $pids
    wait $pids 2> /dev/null
  done
  return 0
}
churn 4
ok $? "twenty workers come and are killed, every second time when one of them is known"
holds "workers that came and died are forgotten" wait_until 60 knows_none
let_pass 10
note
kib=$(anonymous_kib)
first=$(epoch)
churn 10
ok $? "fifty workers come and are killed"
holds "and all are forgotten" wait_until 60 knows_none
let_pass 10
diag "$(tail -n "+$((noted_lines + 1))" "$WORK/daemon.log")"
diag "$(($(epoch) - first)) epochs; $(($(lines) - noted_lines)) lines of log, $(($(journal_size) - noted_journal)) bytes of journal; of its own $kib, then $(anonymous_kib) KiB"
holds "no file of theirs stays open" wait_until 30 no_more_files
[ "$(anonymous_kib)" -le $((kib + 512)) ]
ok $? "and no memory"
[ $(($(lines) - noted_lines)) -le 20 ]
ok $? "little is said of it"
quiet "after it"
stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"
tap_done

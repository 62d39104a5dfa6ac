# SPDX-License-Identifier: LGPL-2.1-or-later
# What a host may do to iocored: workers that die while they are looked at, names that lie.
. /tests/tap.sh
. /tests/guest.sh

configuration='[daemon]
epoch = 100ms'

epoch() {
  iocorectl status --json | sed -n 's/.*"epoch":[[:space:]]*\([0-9]*\).*/\1/p' | head -n 1
}
epochs_passed() { # epochs_passed FIRST N
  [ "$(epoch)" -ge $(($1 + $2)) ]
}
# let_pass N: epochs.
let_pass() {
  local first
  first=$(epoch)
  wait_until 60 epochs_passed "$first" "$1"
}
lines() {
  local all
  mapfile -t all < "$WORK/daemon.log"
  echo "${#all[@]}"
}
n_files() {
  local all
  all=("/proc/$daemon/fd/"*)
  echo "${#all[@]}"
}
journal_size() {
  stat -c %s /run/iocored/journal 2> /dev/null || echo 0
}
# note: what a loop that goes wrong would make grow.
note() {
  noted_lines=$(lines) noted_journal=$(journal_size) noted_files=$(n_files)
}
# The daemon says next to nothing and writes next to nothing while nothing happens, whatever is wrong with the host.
quiet() { # quiet DESCRIPTION
  note
  let_pass 30
  local n=$(($(lines) - noted_lines)) bytes=$(($(journal_size) - noted_journal))
  [ "$n" -le 3 ] && [ "$bytes" -le 4096 ] && [ "$(n_files)" -le "$noted_files" ]
  ok $? "$1: nothing is retried in a loop ($n lines, $bytes bytes of journal, $(n_files) files after $noted_files in 30 epochs)"
}
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
    read -r j worker < "$WORK/churn.0"
    [ $((i % 2)) -eq 0 ] || wait_until 30 knows "$worker" || return 1
    kill -9 $pids
    wait $pids 2> /dev/null
  done
  return 0
}
resident() {
  field_of "$daemon" VmRSS | tr -cd 0-9
}
churn 4
holds "workers that came and died are forgotten" wait_until 30 knows_none
let_pass 10
note
kib=$(resident)
first=$(epoch)
churn 10
ok $? "fifty workers come and are killed"
holds "and all are forgotten" wait_until 30 knows_none
let_pass 10
diag "$(($(epoch) - first)) epochs; $(($(lines) - noted_lines)) lines of log, $(($(journal_size) - noted_journal)) bytes of journal; resident $kib, then $(resident) KiB"
is "$(n_files)" "$noted_files" "no file of theirs stays open"
[ "$(resident)" -le $((kib + 512)) ]
ok $? "and no memory"
[ $(($(lines) - noted_lines)) -le 20 ]
ok $? "little is said of it"
quiet "after it"
stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"
tap_done

# SPDX-License-Identifier: LGPL-2.1-or-later
# For cases in which something is wrong with the host: what the daemon says and writes meanwhile. Sourced after guest.sh; the daemon runs.

epoch() {
  iocorectl status --json | sed -n 's/.*"epoch":[[:space:]]*\([0-9]*\).*/\1/p' | head -n 1
}

# epochs_passed FIRST N
epochs_passed() {
  [ "$(epoch)" -ge $(($1 + $2)) ]
}

# let_pass N: epochs.
let_pass() {
  local first
  first=$(epoch)
  wait_until 90 epochs_passed "$first" "$1"
}

# lines [PATTERN]: of the daemon's log.
lines() {
  grep -c -e "${1:-}" "$WORK/daemon.log"
}

# Files that stay open: the fewest of ten looks, as in the midst of a scan there are more.
n_files() {
  local pid all look least=
  read -r pid < "$WORK/daemon.pid"
  for look in 0 1 2 3 4 5 6 7 8 9; do
    all=("/proc/$pid/fd/"*)
    [ "${least:-9999}" -le "${#all[@]}" ] || least=${#all[@]}
  done
  echo "$least"
}
no_more_files() {
  [ "$(n_files)" -le "$noted_files" ]
}

journal_size() {
  stat -c %s /run/iocored/journal 2> /dev/null || echo 0
}

# What it has of its own. The page tables are counted for that: VmRSS may be wrong by 64 pages for each CPU or thread.
anonymous_kib() {
  sed -n 's/^Anonymous: *\([0-9]*\) kB$/\1/p' "/proc/$(cat "$WORK/daemon.pid")/smaps_rollup"
}

# note: what a loop that goes wrong would make grow.
note() {
  noted_lines=$(lines) noted_journal=$(journal_size) noted_files=$(n_files)
}

# quiet DESCRIPTION: the daemon says and writes next to nothing while nothing happens, whatever is wrong.
quiet() {
  note
  let_pass 30
  local n=$(($(lines) - noted_lines)) bytes=$(($(journal_size) - noted_journal)) files
  wait_until 30 no_more_files
  files=$(n_files)
  [ "$n" -le 3 ] && [ "$bytes" -le 4096 ] && [ "$files" -le "$noted_files" ]
  ok $? "$1: nothing is retried in a loop ($n lines, $bytes bytes of journal, $files files after $noted_files in 30 epochs)"
}

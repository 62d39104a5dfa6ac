# SPDX-License-Identifier: LGPL-2.1-or-later
# Six loads on node 0 and the shipped policies: gathered on one I/O core, a second one when it is full, fewer when they stop.
. /tests/tap.sh
. /tests/guest.sh

names="a b c d e f"
for name in $names; do
  start_load "$name" 0-3 --load 0.1 || ok 1 "load $name starts"
done
start_load pinned 0-3 --load 0.1
taskset -p 4 "$(worker_of pinned)" > /dev/null
worker_list=$(for name in $names; do worker_of "$name"; done)

# io_cores: the CPUs that the six are bound to; fails when one of them may run on more than one CPU.
io_cores() {
  local worker cpus all=
  for worker in $worker_list; do
    cpus=$(cpus_of "$worker")
    case $cpus in *[!0-9]* | "") return 1 ;; esac
    all="$all $cpus"
  done
  tr ' ' '\n' <<< "$all" | sed '/^$/d' | sort -nu | tr '\n' ' '
}
on_cores() { # on_cores MIN MAX: all six are bound, together to so many CPUs
  local cores n
  cores=$(io_cores) || return 1
  n=$(wc -w <<< "$cores")
  [ "$n" -ge "$1" ] && [ "$n" -le "$2" ]
}
not_more_than() { # not_more_than N: so many CPUs have a worker bound to them, of those that are bound at all
  local n
  n=$(for worker in $worker_list; do cpus_of "$worker"; done | grep -cxE '[0-9]+' || :)
  [ "$n" -eq 0 ] || on_cores 0 "$1"
}
where() { for name in $names; do echo "$name: $(cpus_of "$(worker_of "$name")") (last ran on $(sed 's/.*) //' "/proc/$(worker_of "$name")/stat" | cut -d' ' -f37))"; done; }
total() { # total run_nsec|wait_nsec: of the six
  local worker sum=0 value
  for worker in $worker_list; do
    value=$("$1" "$worker")
    sum=$((sum + value))
  done
  echo "$sum"
}
# Share of their runnable time that the six had to wait for a CPU, in percent, over SECONDS.
waiting() {
  local run wait
  run=$(total run_nsec) wait=$(total wait_nsec)
  read -rt "$1" <> <(:)
  run=$(($(total run_nsec) - run)) wait=$(($(total wait_nsec) - wait))
  echo $((wait * 100 / (run + wait + 1)))
}

start_daemon
ok $? "iocored starts on a stock kernel"
holds "six light loads are gathered on one I/O core" wait_until 90 on_cores 1 1
diag "$(where)"
core=$(io_cores)
case $core in [0-3]\ ) ok 0 "it is on their owners' node" ;; *) ok 1 "it is on their owners' node ($core)" ;; esac
last_ran_there() {
  local worker
  for worker in $worker_list; do
    [ "$(sed 's/.*) //' "/proc/$worker/stat" | cut -d' ' -f37)" = "${core% }" ] || return 1
  done
}
holds "and there they run" wait_until 30 last_ran_there

for name in $names; do tell_load "$name" load 0.3; done
holds "when it is full a second one serves" wait_until 120 on_cores 2 3
diag "$(where)"
diag "waiting for a CPU on these cores: $(waiting 3) % of the runnable time"

for name in $names; do tell_load "$name" pause; done
holds "when the loads stop there is one at most" wait_until 180 not_more_than 1
diag "$(where)"
is "$(cpus_of "$(worker_of pinned)")" 2 "a worker that was pinned by hand before stays where it is"
stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"
tap_done

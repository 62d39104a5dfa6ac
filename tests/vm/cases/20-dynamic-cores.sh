# SPDX-License-Identifier: LGPL-2.1-or-later
# Six loads on node 0 and the shipped policies: gathered on one I/O core, a second one when it is full, fewer when they stop.
. /tests/tap.sh
. /tests/guest.sh

# An emulated CPU is held up by the machine below for tens of milliseconds: loads mean something over half a second.
configuration='[daemon]
epoch = 500ms'

names="a b c d e f"
workers=
for name in $names; do
  start_load "$name" 0-3 --load 0.07 || ok 1 "load $name starts"
  workers="$workers $(worker_of "$name")"
done
start_load pinned 0-3 --load 0.05
pinned=$(worker_of pinned)
taskset -p 4 "$pinned" > /dev/null

# look: sets n_bound, and io_cores to the CPUs that those of the six are bound to which may run on one CPU only.
look() {
  local worker cpus
  n_bound=0 io_cores=" "
  for worker in $workers; do
    cpus=$(cpus_of "$worker")
    case $cpus in *[!0-9]* | "") continue ;; esac
    n_bound=$((n_bound + 1))
    case $io_cores in *" $cpus "*) ;; *) io_cores="$io_cores$cpus " ;; esac
  done
  n_cores=$(set -- $io_cores; echo $#)
}
on_one_core() { look; [ "$n_bound" -eq 6 ] && [ "$n_cores" -eq 1 ]; }
on_more_cores() { look; [ "$n_bound" -eq 6 ] && [ "$n_cores" -ge 2 ]; }
on_one_core_at_most() { look; [ "$n_cores" -le 1 ]; }
all_ran_on_the_core() {
  local worker
  for worker in $workers; do
    [ " $(last_cpu_of "$worker") " = "$io_cores" ] || return 1
  done
}
where() {
  local name worker
  for name in $names; do
    worker=$(worker_of "$name")
    diag "$name: bound to $(cpus_of "$worker"), last ran on $(last_cpu_of "$worker")"
  done
}
total() { # total run_nsec|wait_nsec: of the six
  local worker sum=0 value
  for worker in $workers; do
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
wait_until 90 on_one_core
ok $? "six light loads are gathered on one I/O core"
where
case $io_cores in " "[0-3]" ") ok 0 "it is on their owners' node" ;; *) ok 1 "it is on their owners' node ($io_cores)" ;; esac
wait_until 30 all_ran_on_the_core
ok $? "and there they run"

for name in $names; do tell_load "$name" load 0.3; done
wait_until 90 on_more_cores
ok $? "when it is full a second one serves"
where
diag "waiting for a CPU on these cores: $(waiting 2) % of the runnable time"

for name in $names; do tell_load "$name" pause; done
wait_until 120 on_one_core_at_most
ok $? "when the loads stop there is one at most"
where
is "$(cpus_of "$pinned")" 2 "a worker that was pinned by hand before stays where it is"
stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"
tap_done

# SPDX-License-Identifier: LGPL-2.1-or-later
# Eight VMs on eight CPUs. By themselves their workers roam; with iocored they run on I/O cores only, and nothing else of a guest does.
. /tests/tap.sh
. /tests/guest.sh

# An emulated CPU is held up by the machine below for tens of milliseconds: loads mean something over half a second.
configuration='[daemon]
epoch = 500ms'

names="a b c d e f g h"
for name in $names; do
  case $name in [a-d]) cpus=0-3 ;; *) cpus=4-7 ;; esac
  start_vm "$name" "$cpus" "$cpus" --vcpus 1 --vcpu-share 0.02 --load 0.13 || ok 1 "VM $name starts"
done

declare -A ran run_before wait_before run_after wait_after without
# record SAMPLES [COMMAND]: sets ran[NAME] to the CPUs that its worker was last seen on, and $seen to the words that COMMAND says meanwhile.
record() {
  local name cpus word recorder
  last-cpus "$1" "${worker[@]}" > "$WORK/cpus" &
  recorder=$!
  seen=" "
  while [ $# -gt 1 ] && kill -0 "$recorder" 2> /dev/null; do
    for word in $("$2"); do
      case $seen in *" $word "*) ;; *) seen="$seen$word " ;; esac
    done
  done
  wait "$recorder"
  for name in $names; do
    cpus=$(sed -n "s/^${worker[$name]} //p" "$WORK/cpus")
    ran[$name]=" $cpus "
  done
}
declare -A worker
for name in $names; do worker[$name]=$(worker_of "$name"); done
count() { set -- $1; echo $#; }

record 100
total=0
for name in $names; do
  without[$name]=${ran[$name]}
  total=$((total + $(count "${ran[$name]}")))
done
[ "$total" -ge 16 ]
ok $? "without iocored a worker was seen on $((total / 8)).$((total * 10 / 8 % 10)) CPUs in the mean"

# Of each worker: the epoch of the decision that put it onto an I/O core. It was there when the daemon came: it appeared in epoch 1.
placed_in() {
  local id
  for id in $(history 'select(.verdict == "done") | .id'); do
    iocorectl why "$id" --json | jq -r '.epoch as $epoch | .steps[] | select(.knob == "unit.place") | "\(.object) \($epoch)"'
  done
}
all_placed() { [ "$(placed_in | cut -d ' ' -f 1 | sort -u | wc -l)" -eq 8 ]; }
latest=
for repetition in 1 2 3; do
  start_daemon
  ok $? "iocored starts on a stock kernel"
  wait_until 60 all_placed
  ok $? "all workers are put onto I/O cores"
  latest="$latest $(placed_in | sort -k 1,1 -u | sort -k 2,2n | tail -n 1 | cut -d ' ' -f 2)"
  [ "$repetition" -eq 3 ] || stop_daemon TERM
done
median=$(printf '%s\n' $latest | sort -n | sed -n 2p)
[ $((median - 1)) -le 3 ]
ok $? "within 3 epochs of appearing, which was epoch 1: the last of them in epochs$latest, in the median $median"

# A worker that was moved shows the CPU that it came from until it has run again, which takes a while where nine threads share two real CPUs.
all_ran_there() {
  local name cores
  cores=" $(io_cores)"
  for name in $names; do
    case $cores in *" $(last_cpu_of "${worker[$name]}") "*) ;; *) return 1 ;; esac
  done
}
wait_until 30 all_ran_there
ok $? "all of them have run there"

for name in $names; do run_before[$name]=$(run_nsec "${worker[$name]}") wait_before[$name]=$(wait_nsec "${worker[$name]}"); done
# Which CPUs are I/O cores may change meanwhile: those that were any.
record 60 io_cores
for name in $names; do run_after[$name]=$(run_nsec "${worker[$name]}") wait_after[$name]=$(wait_nsec "${worker[$name]}"); done
elsewhere=0
diag "worker  VM  CPUs without  CPUs with     run ms  wait ms  (I/O cores:$seen)"
for name in $names; do
  for cpu in ${ran[$name]}; do case $seen in *" $cpu "*) ;; *) elsewhere=$((elsewhere + 1)) ;; esac; done
  diag "$(printf '%-7s %-3s %-13s %-12s %7d %8d' "${worker[$name]}" "$name" "${without[$name]}" "${ran[$name]}" $(((${run_after[$name]} - ${run_before[$name]}) / 1000000)) \
    $(((${wait_after[$name]} - ${wait_before[$name]}) / 1000000)))"
done
is "$elsewhere" 0 "with it, workers were seen on I/O cores only"

# Threads of VMs that are no workers, and whose mask holds an I/O core: "tid mask".
intruders() {
  local name directory tid cores cpu list
  cores=$(io_cores)
  for name in $names; do
    for directory in "/proc/$(cat "$WORK/load.$name.pid")/task"/[0-9]*; do
      tid=${directory##*/}
      [ "$tid" != "${worker[$name]}" ] || continue
      list=$(cpus_of "$tid")
      for cpu in $cores; do in_list "$cpu" "$list" && echo "$tid $list"; done
    done
  done
}
none_intrudes() { [ -z "$(intruders)" ]; }
wait_until 10 none_intrudes
ok $? "no other thread of a guest may run there" || diag "$(intruders)"
n_threads=$(for name in $names; do ls "/proc/$(cat "$WORK/load.$name.pid")/task"; done | wc -l)
diag "$n_threads threads of guests"
stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"
tap_done

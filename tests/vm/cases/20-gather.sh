# SPDX-License-Identifier: LGPL-2.1-or-later
# Eight VMs on eight CPUs. By themselves their workers roam; with iocored they run on I/O cores only, and nothing else of a guest does.
. /tests/tap.sh
. /tests/guest.sh

# An emulated CPU is held up by the machine below for tens of milliseconds: loads mean something over half a second.
# How many of the emulated CPUs are idle is a matter of the machine below; and eight loads are less than they should be where it is slow: that there is reason for an I/O core
# shall be beyond doubt, and from the first.
configuration='[daemon]
epoch = 500ms
[policy.dynamic-cores]
vm_idle = 0
start_load = 0.05
stop_load = 0.01'

names="a b c d e f g h"
for name in $names; do
  case $name in [a-d]) cpus=0-3 ;; *) cpus=4-7 ;; esac
  start_vm "$name" "$cpus" "$cpus" --vcpus 1 --vcpu-share 0.02 --load 0.1 || ok 1 "VM $name starts"
done

declare -A ran run_before wait_before run_after wait_after without
# record SAMPLES: sets ran[NAME] to the CPUs that its worker was last seen on.
record() {
  local name cpus
  last-cpus "$1" "${worker[@]}" > "$WORK/cpus"
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

# A line for each time that a worker was put onto an I/O core: "t.TID EPOCH CPU". It was there when the daemon came: it appeared in epoch 1.
placements() {
  local id
  for id in $(history 'select(.verdict == "done") | .id'); do
    iocorectl why "$id" --json | jq -r '.epoch as $epoch | .steps[] | select(.knob == "unit.place") | "\(.object) \($epoch) \(.cpu)"'
  done
}
all_placed() {
  local name
  for name in $names; do
    case $(cpus_of "${worker[$name]}") in *[!0-9]* | "") return 1 ;; esac
  done
}
while another_attempt; do
  [ ! -e "$WORK/daemon.pid" ] || stop_daemon TERM
  start_daemon
  ok $? "iocored starts on a stock kernel"
  wait_until 60 all_placed
  ok $? "all workers are put onto I/O cores"
  # of the first placements of each, however often it was moved afterwards
  last=$(placements | awk '!($1 in first) || $2 < first[$1] { n += !($1 in first); first[$1] = $2 } END { for (id in first) if (first[id] > last) last = first[id]; print n == 8 ? last : 9999 }')
  [ $((last - 1)) -le 3 ]
  attempt_gave $? "$last"
  [ $((last - 1)) -le 3 ] || diag "$(history '"epoch \(.epoch): \(.action) \(.verdict) \(.text) \(.reason)"')"
done
ok_in_most "they are within 3 epochs of appearing, which was epoch 1: the last of them"

# A worker that was moved shows the CPU that it came from until it has run again, which takes a while where nine threads share two real CPUs.
all_ran_there() {
  local name cores
  cores=" $(io_cores)"
  for name in $names; do
    case $cores in *" $(last_cpu_of "${worker[$name]}") "*) ;; *) return 1 ;; esac
  done
}
wait_until 60 all_ran_there
ok $? "all of them have run there"

for name in $names; do run_before[$name]=$(run_nsec "${worker[$name]}") wait_before[$name]=$(wait_nsec "${worker[$name]}"); done
record 60
for name in $names; do run_after[$name]=$(run_nsec "${worker[$name]}") wait_after[$name]=$(wait_nsec "${worker[$name]}"); done
# Where iocored put it may change meanwhile, and a worker that sleeps shows the CPU before: those that were any since the daemon came.
placements > "$WORK/placements"
elsewhere=0
diag "worker  VM  CPUs without  CPUs with     run ms  wait ms  put onto"
for name in $names; do
  put=$(sed -n "s/^t\.${worker[$name]} [0-9]* //p" "$WORK/placements" | sort -nu | tr '\n' ' ')
  for cpu in ${ran[$name]}; do case " $put" in *" $cpu "*) ;; *) elsewhere=$((elsewhere + 1)) ;; esac; done
  diag "$(printf '%-7s %-3s %-13s %-12s %7d %8d  %s' "${worker[$name]}" "$name" "${without[$name]}" "${ran[$name]}" $(((${run_after[$name]} - ${run_before[$name]}) / 1000000)) \
    $(((${wait_after[$name]} - ${wait_before[$name]}) / 1000000)) "$put")"
done
[ "$elsewhere" -eq 0 ] || diag "$(history '"\(.id) epoch \(.epoch): \(.action) \(.verdict) \(.text)"')"
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
wait_until 60 none_intrudes
ok $? "no other thread of a guest may run there" || diag "$(intruders)"
n_threads=$(for name in $names; do ls "/proc/$(cat "$WORK/load.$name.pid")/task"; done | wc -l)
diag "$n_threads threads of guests"
stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"
tap_done

# SPDX-License-Identifier: LGPL-2.1-or-later
# The machine itself: what the other cases stand on.
. /tests/tap.sh
. /tests/guest.sh

is "$(cat /sys/devices/system/node/node0/cpulist) $(cat /sys/devices/system/node/node1/cpulist)" "0-3 4-7" "two nodes of four CPUs"

start_load a 0-3 --max
ok $? "a load sets up /dev/vhost-net and finds its worker"
start_load b 4-7 --pause
worker=$(worker_of a)
is "$(cat "/proc/$worker/comm")" "vhost-$(cat "$WORK/load.a.pid")" "the worker is named after its owner"
case $(uname -r) in
6.1.*) is "$(field_of "$worker" PPid) $(field_of "$worker" Tgid)" "2 $worker" "the worker is a kernel thread" ;;
*) is "$(field_of "$worker" Tgid)" "$(cat "$WORK/load.a.pid")" "the worker is a thread of its owner" ;;
esac

ran() { [ "$(run_nsec "$1")" -gt "$2" ]; }
holds "a worker with work runs" wait_until 60 ran "$worker" $(($(run_nsec "$worker") + 500000000))
# An emulated CPU that is held up meanwhile makes a few packets of the host's own look like a lot of work.
while another_attempt; do
  before=$(run_nsec "$(worker_of b)")
  first=$(run_nsec "$worker")
  wait_until 60 ran "$worker" $((first + 500000000))
  after=$(run_nsec "$(worker_of b)")
  [ $((after - before)) -lt 50000000 ]
  attempt_gave $? "$(((after - before) / 1000)) us"
done
ok_in_most "a worker without work does not meanwhile"

# 20 % of one CPU, whatever a packet costs here. Averaged over 4 s of the machine's own time.
tell_load a load 0.2
share() {
  local start=$EPOCHREALTIME run
  run=$(run_nsec "$worker")
  read -rt 4 <> <(:)
  echo $((($(run_nsec "$worker") - run) * 100 / ((${EPOCHREALTIME/[.,]/} - ${start/[.,]/}) * 1000)))
}
near() { percent=$(share); [ "$percent" -ge 14 ] && [ "$percent" -le 26 ]; }
near || near || near || near
ok $? "a load of 0.2 is held at about 0.2 of a CPU ($percent %)"

taskset -p 8 "$worker" > /dev/null
is "$(cpus_of "$worker")" 3 "the worker's affinity can be set"
tell_load a report
holds "the device completes what is sent" wait_until 30 grep -Eq '^sent [0-9]+ completed [1-9]' "$WORK/load.a.out"
diag "$(tail -n 1 "$WORK/load.a.out")"
stop_load a
holds "the worker goes with its owner" wait_until 30 test ! -e "/proc/$worker"
tap_done

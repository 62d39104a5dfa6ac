# SPDX-License-Identifier: LGPL-2.1-or-later
# IOThreads are units: they go to I/O cores through libvirt and stay there until they are sent home; how long they poll follows the class of their domain.

# iothread_unit NAME: its unit
iothread_unit() {
  local task pid
  pid=$(cat "/run/libvirt/qemu/$1.pid") || return 1
  for task in "/proc/$pid/task"/*; do
    [ "$(cat "$task/comm")" = "IO iothread1" ] && echo "io.${task##*/}" && return
  done
  return 1
}
# unit_is UNIT FILTER VALUE: in the model
unit_is() { [ "$(ctl units --json | jq -r --arg id "$1" "map(select(.id == \$id))[0] | $2")" = "$3" ]; }
iothread_is() { [ "$(iothread_pin "$1")" = "$2" ]; }
# all_vcpus_are CPUS NAME...
all_vcpus_are() {
  local name
  for name in "${@:2}"; do
    vcpus_are "$name" "$1" || return 1
  done
}
polls_for() { v domstats --iothread "$1" | sed -n 's/ *iothread.1.poll-max-ns=//p'; }
polls_are() { [ "$(polls_for "$1")" = "$2" ]; }

test_iothreads() {
  local a=$tag-a b=$tag-b c=$tag-c unit name
  if [ "$(nproc --all)" -lt 2 ]; then
    skip "IOThreads on I/O cores" "needs two CPUs"
    return
  fi
  stop_daemon
  plugins='libvirt iothread vhost-thread cpu' configure
  cp "$SOURCE/policies/65-iothreads.lua" "$work/policies/"
  start_daemon
  v metadata "$tag-d" --uri https://iocore.org/xmlns/domain/1 --key iocore --set "<iocore policy='manual'/>" --live
  wait_until "$soon" domain_is "$tag-d" .policy manual
  unit=$(iothread_unit "$a")
  wait_until "$soon" unit_is "$unit" .domain "$a"
  ok $? "an IOThread is a unit of its domain" || diag "$(ctl units; tail -5 "$work/iocored.log")"
  holds "CPU 1 becomes an I/O core" ctl grow --cpu 1
  for name in "$a" "$b" "$c"; do
    wait_until "$patience" iothread_is "$name" 1
    ok $? "the IOThread of $name goes there, as virsh says" || diag "$(v iothreadinfo "$name"; ctl decisions; tail -20 "$work/iocored.log")"
    is "$(allowed_cpus "$name" 'IO iothread1')" 1 "and the kernel"
  done
  wait_until "$patience" vcpus_are "$a" 0
  ok $? "while the vCPUs leave it"
  epochs_pass 25
  is "$(iothread_pin "$a") $(iothread_pin "$b") $(iothread_pin "$c")" "1 1 1" "and nobody chases it away again"
  wait_until "$soon" unit_is "$unit" .core 1
  ok $? "it is known to be there" || diag "$(ctl units --json | jq -c '.[0]')"
  is "$(iothread_pin "$tag-d")" "$(all_cpus)" "that of one whose owner wants it to be left alone stays where it was"
  holds "one is sent home" ctl move "$unit" home
  wait_until "$soon" iothread_is "$a" 0
  ok $? "which are its CPUs without the I/O core" || diag "$(v iothreadinfo "$a"; tail -5 "$work/iocored.log")"

  # somebody else
  v iothreadpin "$b" 1 0 --live
  wait_until "$soon" unit_is "$(iothread_unit "$b")" .state manual
  ok $? "one that a hand pins elsewhere is left to it" || diag "$(tail -5 "$work/iocored.log")"
  holds "CPU 1 is an I/O core no more" ctl shrink
  for name in "$a" "$c"; do
    wait_until "$patience" iothread_is "$name" "$(all_cpus)"
    ok $? "the IOThread of $name has its CPUs back" || diag "$(v iothreadinfo "$name"; tail -20 "$work/iocored.log")"
  done
  is "$(iothread_pin "$b")" 0 "what a hand pinned stays"
  v iothreadpin "$b" 1 "$(all_cpus)" --live

  test_polling "$c"

  holds "once more" ctl grow --cpu 1
  wait_until "$patience" iothread_is "$c" 1
  stop_daemon
  is "$(iothread_pin "$c") $(polls_for "$c")" "$(all_cpus) 32768" "at the end all is as it was"
  start_daemon
  ctl grow --cpu 1 >/dev/null
  # and what is asked of libvirt is done: what is on its way would be done after the restore
  wait_until "$patience" iothread_is "$c" 1 && wait_until "$patience" polls_are "$c" 200000 && wait_until "$patience" all_vcpus_are 0 "$a" "$b" "$c" && wait_until "$patience" nothing_is_open
  ok $? "with another iocored it all comes again"
  stop_daemon KILL
  timeout "$patience" "$BUILD/iocored" --config "$work/iocored.conf" --restore >>"$work/iocored.log" 2>&1
  is "$(iothread_pin "$c") $(polls_for "$c")" "$(all_cpus) 32768" "what one that was killed leaves, --restore takes back" || diag "$(tail -8 "$work/iocored.log")"

  v metadata "$c" --uri https://iocore.org/xmlns/domain/1 --remove --live
  rm "$work/policies/65-iothreads.lua"
  configure
  start_daemon
}

test_polling() {
  is "$(polls_for "$1")" 32768 "an IOThread of no class polls as QEMU has it"
  ctl domain set "$1" class=latency
  wait_until "$soon" polls_are "$1" 200000
  ok $? "one of class latency polls longer" || diag "$(ctl decisions; tail -20 "$work/iocored.log")"
  ctl domain set "$1" class=besteffort
  wait_until "$soon" polls_are "$1" 0
  ok $? "one of class besteffort does not"
  ctl domain set "$1" class=
  wait_until "$soon" polls_are "$1" 32768
  ok $? "without a class it polls as before"
  ctl domain set "$1" class=latency
  wait_until "$soon" polls_are "$1" 200000
  ok $? "and again"
}

# SPDX-License-Identifier: LGPL-2.1-or-later
# What iocored sets is what libvirt and the kernel say, and it is put back.

test_pins() {
  local b=$tag-b run old
  run=$(run_of "$b")
  old=$(run_of "$tag-c").0
  set_knob vcpu.cpus "$run.1" 1
  is "$(vcpu_pin "$b" 1)" 1 "a vCPU is pinned, as virsh says"
  is "$(allowed_cpus "$b" 'CPU 1/*')" 1 "and the kernel"
  is "$(vcpu_pin "$b" 0)" "$(allowed_cpus "$b" 'CPU 0/*')" "the other one is not"
  v dumpxml --inactive "$b" | grep -q vcpupin
  is $? 1 "and nothing is left for the next time that it starts"
  set_knob emulator.cpus "$run" 0
  is "$(v emulatorpin "$b" | tail -1 | tr -d ' *:')" 0 "so are the emulator's threads, as virsh says"
  is "$(allowed_cpus "$b" 'qemu-system-x86')" 0 "and the kernel"
  set_knob iothread.cpus "$run.1" 1
  is "$(v iothreadinfo "$b" | awk '$1 == 1 { print $2 }')" 1 "and an IOThread, as virsh says"
  is "$(allowed_cpus "$b" 'IO iothread1')" 1 "and the kernel"
  set_knob iothread.poll-max-ns "$run.1" 20000
  is "$(v domstats --iothread "$b" | sed -n 's/ *iothread.1.poll-max-ns=//p')" 20000 "an IOThread polls for as long as it is told"
  set_knob vcpu.cpus "$run.1" 99
  is "$(verdict)" failed "a CPU that is not there is refused"
  wait_until 5 grep -q "not a list of CPUs of this host" "$work/iocored.log"
  ok $? "which is told"
  is "$(vcpu_pin "$b" 1)" 1 "and changes nothing"

  # somebody else
  v vcpupin "$b" 1 0 --live
  wait_until 5 grep -q "Somebody else changed $run.1: vcpu.cpus is 0, iocored had set it to 1" "$work/iocored.log"
  ok $? "a pin that a hand changes is told" || diag "$(tail -20 "$work/iocored.log")"
  is "$(grep -c "Somebody else changed" "$work/iocored.log")" 1 "once, and nothing that iocored itself did is taken for that"

  # another run
  v destroy "$tag-c" && v create "$work/c.xml" && wait_until 5 domain_is "$tag-c" .state running
  ctl set vcpu.cpus "$old" 0 >"$work/output" 2>&1
  isnt_zero $? "what a domain was before it was started again is nobody any more" || diag "$(cat "$work/output")"

  stop_daemon
  is "$(v emulatorpin "$b" | tail -1 | tr -d ' *:')" "$(all_cpus)" "at the end the emulator has its CPUs back"
  is "$(allowed_cpus "$b" 'qemu-system-x86')" "$(all_cpus)" "from the kernel, too"
  is "$(v iothreadinfo "$b" | awk '$1 == 1 { print $2 }')" "$(all_cpus)" "so has the IOThread"
  is "$(v domstats --iothread "$b" | sed -n 's/ *iothread.1.poll-max-ns=//p')" 32768 "which polls as before"
  is "$(vcpu_pin "$b" 1)" 0 "what a hand changed stays"
  v vcpupin "$b" 1 "$(all_cpus)" --live

  start_daemon
  set_knob vcpu.cpus "$run.0" 1
  stop_daemon KILL
  is "$(vcpu_pin "$b" 0)" 1 "an iocored that is killed leaves its pins"
  timeout 20 "$BUILD/iocored" --config "$work/iocored.conf" --restore >>"$work/iocored.log" 2>&1
  is "$(vcpu_pin "$b" 0)" "$(all_cpus)" "which --restore takes back"
  start_daemon
}

isnt_zero() { [ "$1" -ne 0 ]; ok $? "$2"; }
all_cpus() { cat /sys/devices/system/cpu/online; }

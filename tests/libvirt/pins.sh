# SPDX-License-Identifier: LGPL-2.1-or-later
# What iocored sets is what libvirt and the kernel say, and it is put back.

test_pins() {
  local b=$tag-b run old
  run=$(run_of "$b")
  old=$(run_of "$tag-c").1
  pin_vcpus "$b" 1
  ok $? "vCPUs are pinned, as virsh says" || diag "$(v vcpupin "$b"; ctl decisions; tail -5 "$work/iocored.log")"
  is "$(allowed_cpus "$b" 'CPU 0/*') $(allowed_cpus "$b" 'CPU 1/*')" "1 1" "and the kernel"
  is "$(allowed_cpus "$b" 'qemu-system-x86')" "$(all_cpus)" "the other threads are not"
  is "$(vcpus_are "$tag-a" "$(all_cpus)"; echo $?)" 0 "nor are those of another domain"
  is "$(v dumpxml --inactive "$b" | grep -c vcpupin)" 0 "and nothing is left for the next time that it starts"
  set_knob iothread.cpus "$run.1" 1
  is "$(iothread_pin "$b")" 1 "and an IOThread, as virsh says"
  is "$(allowed_cpus "$b" 'IO iothread1')" 1 "and the kernel"
  set_knob iothread.poll-max-ns "$run.1" 20000
  is "$(v domstats --iothread "$b" | sed -n 's/ *iothread.1.poll-max-ns=//p')" 20000 "an IOThread polls for as long as it is told"
  set_knob iothread.poll-grow "$run.1" 3
  set_knob iothread.poll-shrink "$run.1" 2
  is "$(poll_steps "$b")" "3 2" "for longer and shorter in such steps"
  set_knob iothread.cpus "$run.1" 99
  is "$(verdict)" failed "a CPU that is not there is refused"
  wait_until "$soon" grep -q "not a list of CPUs of this host" "$work/iocored.log"
  ok $? "which is told"
  is "$(iothread_pin "$b")" 1 "and changes nothing"

  # what its owner wants
  ctl domain set "$b" class=latency weight=300
  ok $? "an owner's wishes are kept" || diag "$(tail -3 "$work/iocored.log")"
  v metadata "$b" https://iocore.org/xmlns/domain/1 | grep -q 'class=.latency. weight=.300.\|weight=.300. class=.latency.'
  ok $? "as libvirt's metadata" || diag "$(v metadata "$b" https://iocore.org/xmlns/domain/1)"
  wait_until "$soon" domain_is "$b" .class latency
  ok $? "and known"
  ctl domain set "$b" class=fast >"$work/output" 2>&1
  isnt_zero $? "what is none is refused: $(cat "$work/output")"
  ctl domain show "$b" | grep -qE "^ +vCPUs  0: thread [1-9][0-9]*, cell 0, CPUs 1\$"
  ok $? "domain show has its vCPUs with threads and CPUs" || diag "$(ctl domain show "$b")"
  ctl domain set "$b" class= weight=

  # somebody else
  ctl policy set test-pin cpu -- -1
  v vcpupin "$b" 1 0 --live
  wait_until "$soon" grep -q "Somebody else changed $run.1: vcpu.cpus is 0, iocored had set it to 1" "$work/iocored.log"
  ok $? "a pin that a hand changes is told" || diag "$(tail -20 "$work/iocored.log")"
  is "$(grep -c "Somebody else changed" "$work/iocored.log")" 1 "once, and nothing that iocored itself did is taken for that"

  # another run
  v destroy "$tag-c" && v create "$work/c.xml" && wait_until "$soon" domain_is "$tag-c" .pid "$(cat "/run/libvirt/qemu/$tag-c.pid")"
  ctl set iothread.cpus "$old" 0 >"$work/output" 2>&1
  isnt_zero $? "what a domain was before it was started again is nobody any more" || diag "$(cat "$work/output")"

  stop_daemon
  is "$(vcpu_pin "$b" 0)" "$(all_cpus)" "at the end the vCPU has its CPUs back"
  is "$(allowed_cpus "$b" 'CPU 0/*')" "$(all_cpus)" "from the kernel, too"
  is "$(iothread_pin "$b")" "$(all_cpus)" "so has the IOThread"
  is "$(v domstats --iothread "$b" | sed -n 's/ *iothread.1.poll-max-ns=//p')" 32768 "which polls as before"
  is "$(poll_steps "$b")" "0 0" "in the steps of before"
  is "$(vcpu_pin "$b" 1)" 0 "what a hand changed stays"
  v vcpupin "$b" 1 "$(all_cpus)" --live

  start_daemon
  pin_vcpus "$b" 1
  set_knob iothread.cpus "$run.1" 0
  stop_daemon KILL
  is "$(vcpus_are "$b" 1; echo $?) $(iothread_pin "$b")" "0 0" "an iocored that is killed leaves its pins"
  timeout "$patience" "$BUILD/iocored" --config "$work/iocored.conf" --restore >>"$work/iocored.log" 2>&1
  is "$(vcpus_are "$b" "$(all_cpus)"; echo $?) $(iothread_pin "$b")" "0 $(all_cpus)" "which --restore takes back"
  start_daemon
}

poll_steps() { v domstats --iothread "$1" | sed -n 's/ *iothread.1.poll-\(grow\|shrink\)=//p' | xargs; }

# What somebody else sets is noticed also where libvirt has no event for it, and where it is what there was before.
test_hands() {
  local b=$tag-b run told
  run=$(run_of "$b")
  stop_daemon
  v iothreadpin "$b" 1 "$(all_cpus)" --live
  configure "[plugin.libvirt]
resync = 1s"
  start_daemon
  told=$(grep -c "Somebody else changed" "$work/iocored.log")
  set_knob iothread.cpus "$run.1" 0
  is "$(iothread_pin "$b")" 0 "an IOThread that had all CPUs explicitly is pinned"
  holds "a hand gives them back" v iothreadpin "$b" 1 "$(all_cpus)" --live
  wait_until "$soon" grep -q "Somebody else changed $run.1: iothread.cpus is $(all_cpus), iocored had set it to 0" "$work/iocored.log"
  ok $? "which is told" || diag "$(tail -5 "$work/iocored.log")"
  set_knob iothread.poll-max-ns "$run.1" 20000
  is "$(polling "$b")" 20000 "it polls as it is told"
  holds "a hand sets that" v iothreadset "$b" 1 --poll-max-ns 555 --live
  wait_until "$soon" grep -q "Somebody else changed $run.1: iothread.poll-max-ns is 555, iocored had set it to 20000" "$work/iocored.log"
  ok $? "which is told, too" || diag "$(tail -5 "$work/iocored.log")"
  is "$(grep -c "Somebody else changed" "$work/iocored.log")" "$((told + 2))" "each once"
  stop_daemon
  is "$(polling "$b")" 555 "and stays at the end"
  v iothreadset "$b" 1 --poll-max-ns 32768 --live
  configure
  start_daemon
}

isnt_zero() { [ "$1" -ne 0 ]; ok $? "$2"; }

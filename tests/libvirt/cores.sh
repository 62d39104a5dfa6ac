# SPDX-License-Identifier: LGPL-2.1-or-later
# vCPUs and IOThreads leave I/O cores through libvirt, and come back.

cpus_are() { [ "$(vcpu_pin "$1" 0) $(vcpu_pin "$1" 1) $(v iothreadinfo "$1" | awk '$1 == 1 { print $2 }')" = "$2" ]; }

test_cores() {
  local name
  if [ "$(nproc --all)" -lt 2 ]; then
    skip "vCPUs leave I/O cores" "needs two CPUs"
    return
  fi
  v metadata "$tag-d" --uri https://iocore.org/xmlns/domain/1 --key iocore --set "<iocore policy='manual'/>" --live
  wait_until "$soon" domain_is "$tag-d" .policy manual
  holds "CPU 1 becomes an I/O core" ctl grow --cpu 1
  for name in a b c; do
    wait_until "$soon" cpus_are "$tag-$name" "0 0 0"
    ok $? "vCPUs and IOThread of $name leave it, as virsh says" || diag "$(v vcpupin "$tag-$name"; tail -5 "$work/iocored.log")"
    is "$(allowed_cpus "$tag-$name" 'CPU 1/*')" 0 "and the kernel"
  done
  is "$(vcpu_pin "$tag-d" 1)" "$(all_cpus)" "those of one whose owner wants it to be left alone stay"
  wait_until "$soon" grep -q "vCPU 1 of $tag-d stays: its owner wants it to be left alone" "$work/iocored.log"
  ok $? "which is told"
  # one that is started meanwhile
  v destroy "$tag-c" && v create "$work/c.xml"
  wait_until "$soon" cpus_are "$tag-c" "0 0 0"
  ok $? "one that is started later has to leave, too"
  holds "CPU 1 is an I/O core no more" ctl shrink
  for name in a b c; do
    wait_until "$soon" cpus_are "$tag-$name" "$(all_cpus) $(all_cpus) $(all_cpus)"
    ok $? "vCPUs and IOThread of $name have it back" || diag "$(v vcpupin "$tag-$name"; tail -5 "$work/iocored.log")"
  done
}

# What its owner pinned by hand is left alone, to however many CPUs: here to all but CPU 0, or to the one that there is beside it.
test_cores_by_hand() {
  local hand=$tag-hand list auto
  [ "$(nproc --all)" -ge 2 ] || return
  [ "$(nproc --all)" -ge 4 ] && list=1-2 || list=1
  domain_xml "$hand" "<cputune><vcpupin vcpu='0' cpuset='$list'/><iothreadpin iothread='1' cpuset='$list'/></cputune>" >"$work/hand.xml"
  holds "a domain with a vCPU and an IOThread that are pinned by hand to CPUs $list starts" v create "$work/hand.xml"
  wait_until "$soon" domain_is "$hand" .pinned true
  holds "CPU 1 becomes an I/O core again" ctl grow --cpu 1
  wait_until "$soon" vcpu_is "$hand" 1 "$(without_cpu 1)"
  ok $? "the vCPU that is not pinned leaves it" || diag "$(v vcpupin "$hand"; tail -5 "$work/iocored.log")"
  wait_until "$soon" grep -q "vCPU 0 of $hand stays: it is pinned by hand, and its owner does not say policy=auto" "$work/iocored.log"
  ok $? "that the other stays is told" || diag "$(tail -5 "$work/iocored.log")"
  wait_until "$soon" grep -q "IOThread 1 of $hand stays: it is pinned by hand" "$work/iocored.log"
  ok $? "that the IOThread does, too" || diag "$(tail -5 "$work/iocored.log")"
  epochs_pass 10
  is "$(vcpu_pin "$hand" 0) $(allowed_cpus "$hand" 'CPU 0/*') $(iothread_pin "$hand")" "$list $list $list" "they are where they were"
  [ "$list" = 1 ] && auto=$(without_cpu 1) || auto=2
  ctl domain set "$hand" policy=auto
  wait_until "$soon" vcpu_is "$hand" 0 "$auto"
  ok $? "unless their owner says policy=auto" || diag "$(v vcpupin "$hand"; tail -5 "$work/iocored.log")"
  holds "CPU 1 is an I/O core no more, again" ctl shrink
  wait_until "$soon" vcpu_is "$hand" 0 "$list"
  ok $? "then they have it back" || diag "$(v vcpupin "$hand"; tail -5 "$work/iocored.log")"
  v destroy "$hand"
}
vcpu_is() { [ "$(vcpu_pin "$1" "$2")" = "$3" ]; }
# The CPUs of the host but one.
without_cpu() { python3 -c '
import sys
cpus = [c for part in sys.argv[2].split(",") for c in range(int(part.split("-")[0]), int(part.split("-")[-1]) + 1) if c != int(sys.argv[1])]
spans = []
for c in cpus:
    if spans and spans[-1][1] == c - 1: spans[-1][1] = c
    else: spans.append([c, c])
print(",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans))' "$1" "$(all_cpus)"; }

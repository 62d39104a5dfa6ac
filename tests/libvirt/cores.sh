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
  holds "CPU 1 becomes an I/O core" ctl grow --cpu 1
  for name in a b c; do
    wait_until 10 cpus_are "$tag-$name" "0 0 0"
    ok $? "vCPUs and IOThread of $name leave it, as virsh says" || diag "$(v vcpupin "$tag-$name"; tail -5 "$work/iocored.log")"
    is "$(allowed_cpus "$tag-$name" 'CPU 1/*')" 0 "and the kernel"
  done
  is "$(vcpu_pin "$tag-d" 1)" "$(all_cpus)" "those of one whose owner wants it to be left alone stay"
  wait_until 5 grep -q "vCPU 1 of $tag-d stays: its owner wants it to be left alone" "$work/iocored.log"
  ok $? "which is told"
  # one that is started meanwhile
  v destroy "$tag-c" && v create "$work/c.xml"
  wait_until 10 cpus_are "$tag-c" "0 0 0"
  ok $? "one that is started later has to leave, too"
  holds "CPU 1 is an I/O core no more" ctl shrink
  for name in a b c; do
    wait_until 10 cpus_are "$tag-$name" "$(all_cpus) $(all_cpus) $(all_cpus)"
    ok $? "vCPUs and IOThread of $name have it back" || diag "$(v vcpupin "$tag-$name"; tail -5 "$work/iocored.log")"
  done
}

# SPDX-License-Identifier: LGPL-2.1-or-later
# A worker whose cpuset has none of the CPUs that may be I/O cores, and that nobody may widen: it is left where it is, told once, and not tried without end.
. /tests/tap.sh
. /tests/guest.sh
. /tests/quiet.sh

# How many of the emulated CPUs are idle is a matter of the machine below.
configuration='[daemon]
epoch = 100ms
[policy.dynamic-cores]
vm_idle = 0
release_last = no
[bans]
cpus = 2-7'

cgroup=/sys/fs/cgroup/narrow
mkdir $cgroup
echo 2-3 > $cgroup/cpuset.cpus
(
  echo "$BASHPID" > $cgroup/cgroup.procs
  start_load inside 2-3 --load 0.1
)
for name in a b c; do start_load "$name" 0-3 --load 0.15; done
inside=$(worker_of inside)
is "$(cpus_of "$inside")" "2-3" "a worker's cpuset allows two CPUs"
mount -o remount,ro /sys/fs/cgroup
! echo 0-7 2> /dev/null > $cgroup/cpuset.cpus
ok $? "and cannot be widened"

gathered() {
  local name cpus
  for name in a b c; do
    cpus=$(cpus_of "$(worker_of "$name")")
    case $cpus in 0 | 1) ;; *) return 1 ;; esac
  done
}
start_daemon
ok $? "iocored starts"
holds "the others are gathered on I/O cores" wait_until 90 gathered
holds "that one is blocked is told" wait_until 60 grep -q "t\.$inside.*blocked" "$WORK/daemon.log"
diag "$(grep blocked "$WORK/daemon.log" | head -n 3)"
for name in a b c inside; do tell_load "$name" pause; done
# One I/O core stays, to which that one could go.
one_is_left() { [ "$(io_cores | wc -w)" -eq 1 ]; }
holds "when all have paused one I/O core is left" wait_until 150 one_is_left
let_pass 10
quiet "with a worker that cannot be moved"
[ "$(lines "plugin.*t\.$inside.*blocked")" -le 2 ]
ok $? "it is not told again and again ($(lines "plugin.*t\.$inside.*blocked"))"
is "$(cpus_of "$inside")" "2-3" "the worker stays where it was"
stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"
is "$(cpus_of "$inside")" "2-3" "as it does then"
mount -o remount,rw /sys/fs/cgroup
kill "$(cat "$WORK/load.inside.pid")"
wait_until 30 test ! -e "/proc/$inside"
removed() { rmdir $cgroup; }
holds "and its cgroup can be removed" wait_until 30 removed
tap_done

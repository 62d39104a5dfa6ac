# SPDX-License-Identifier: LGPL-2.1-or-later
# variants: 6.1/flat 6.1/v2 6.1/v1 6.12/v2
# I/O cores as a cpuset partition: workers that are kernel threads are in it, and whatever ends iocored, every thread, cpuset and cgroup is as before. Where a worker is a
# thread of its owner, with cgroup v1, and where Linux would take CPUs from kernel threads for good, there is none, and its reason is told.
. /tests/tap.sh
. /tests/guest.sh

# How many of the emulated CPUs are idle is a matter of the machine below.
configuration='[daemon]
epoch = 500ms
[policy.dynamic-cores]
vm_idle = 0
[plugin.vhost-thread]
partition = root'
partition=/sys/fs/cgroup/iocored.partition

start_vm one 0-3 - --vcpus 2 --vcpu-share 0.05 --pairs 1 --load 0.2 || ok 1 "VM one starts"
start_vm two 0-3 4-7 --vcpus 1 --vcpu-share 0.05 --load 0.2 || ok 1 "VM two starts"
# Masks that no rule would give them: a worker's, and of a process that is nobody's.
start_load 3c 0-3 --load 0.12 || ok 1 "a load starts"
taskset -p 3c "$(worker_of 3c)" > /dev/null
taskset 5f sleep 100000 &
bystander=$!
is_bound() { [ "$(cpus_of $bystander)" = 0-4,6 ]; }
wait_until 30 is_bound
names="one two 3c"

read_partition() {
  state="" cpus=""
  read -r state 2> /dev/null < $partition/cpuset.cpus.partition
  read -r cpus 2> /dev/null < $partition/cpuset.cpus
}
workers_inside() {
  local name cgroup
  for name in $names; do
    read -r cgroup < "/proc/$(worker_of "$name")/cgroup"
    [ "$cgroup" = 0::/iocored.partition ] && in_list "$(cpus_of "$(worker_of "$name")")" "$cpus" || return 1
  done
}
partitioned() { read_partition && [ "$state" = root ] && workers_inside; }
placed() {
  local name
  for name in $names; do
    case $(cpus_of "$(worker_of "$name")") in *[!0-9]* | "") return 1 ;; esac
  done
}
about() { iocorectl status --json | jq -r '.plugins[] | select(.name == "vhost-thread") | .about[] | select(.key == "reserved by") | .value'; }
all_as_before() { # all_as_before DESCRIPTION
  as_before "$1 all is as before"
  [ ! -e $partition ]
  ok $? "and no cgroup of iocored's is left"
}

# refused PATTERN DESCRIPTION
refused() {
  is_refused() { about | grep -q "$1"; }
  dump_state > "$WORK/before"
  start_daemon
  holds "workers are on I/O cores" wait_until 90 placed
  holds "$2" wait_until 30 is_refused "$1"
  diag "reserved by $(about)"
  [ ! -e $partition ]
  ok $? "there is none"
  holds "and that is told" wait_until 30 grep -q "partition: iocored.partition: .*$1" "$WORK/daemon.log"
  stop_daemon TERM
  all_as_before "after SIGTERM"
  kill $bystander
  tap_done
  exit
}
if [ -d /sys/fs/cgroup/cpuset ]; then
  refused "cgroup v1" "with cgroup v1 no partition is made"
elif [ "$(field_of "$(worker_of one)" Tgid)" != "$(worker_of one)" ]; then
  refused "thread of its owner" "no partition is made under thread workers"
elif ! grep -q workqueue.disable_numa /proc/cmdline; then
  refused "workqueue.disable_numa" "no partition is made that would take kernel threads their CPUs for good"
fi

dump_state > "$WORK/before"
start_daemon
holds "the workers are in a partition, on I/O cores" wait_until 90 partitioned
# I/O cores may come and go meanwhile.
is_shown() { partitioned && [ "$(about)" = "partition (root) of CPUs $cpus" ]; }
has_the_cores() {
  local cpu n=0
  partitioned || return 1
  for cpu in $(io_cores); do
    in_list "$cpu" "$cpus" && ! in_list "$cpu" "$(cpus_of $$)" || return 1
    n=$((n + 1))
  done
  [ "$n" -gt 0 ]
}
holds "iocorectl status says so" wait_until 30 is_shown
holds "it has the I/O cores, and nobody else has them" wait_until 30 has_the_cores
diag "partition of CPUs $cpus; others may use $(cpus_of $$)"
dump_state > "$WORK/after"
n=$(differing "$WORK/before" "$WORK/after" | wc -l)
[ "$n" -ge 20 ]
ok $? "which the comparison sees ($n threads)"
keeps_the_rest() {
  local cpu
  partitioned || return 1
  for cpu in 0 1 2 3 4 6; do
    if in_list "$cpu" "$cpus"; then ! in_list "$cpu" "$(cpus_of $bystander)"; else in_list "$cpu" "$(cpus_of $bystander)"; fi || return 1
  done
  ! in_list 7 "$(cpus_of $bystander)"
}
holds "a process that is nobody's keeps what is left of its mask" wait_until 30 keeps_the_rest
diag "it may use $(cpus_of $bystander)"
add_pair one
inside() { [ "$(cat "/proc/$(worker_of one 1)/cgroup")" = 0::/iocored.partition ] && partitioned; }
holds "a worker that is born meanwhile comes into it" wait_until 60 inside
stop_daemon TERM
is "$daemon_status" 0 "SIGTERM ends iocored well"
all_as_before "after SIGTERM"
is "$(cpus_of "$(worker_of one 1)")" 0-3 "and the worker that was born meanwhile has its owner's CPUs"

dump_state > "$WORK/before"
start_daemon
holds "there is a partition again" wait_until 90 stands_still partitioned
stop_daemon KILL
holds "SIGKILL leaves it" partitioned
iocored --config "$WORK/iocored.conf" --restore >> "$WORK/restore.log" 2>&1
ok $? "iocored --restore succeeds"
all_as_before "after SIGKILL and --restore"
[ -s "$WORK/restore.log" ] && diag "$(cat "$WORK/restore.log")"

start_daemon
holds "there is a partition a third time" wait_until 90 partitioned
stop_daemon KILL
sed -i 's/^partition = .*/partition = no/' "$WORK/iocored.conf"
configuration=$(cat "$WORK/iocored.conf")
start_daemon
gone() { [ ! -e $partition ] && placed; }
holds "one that is not to make any puts it back, too" wait_until 90 gone
is "$(about)" affinity "and reserves by affinity"
stop_daemon TERM
all_as_before "after a restart and SIGTERM"
kill $bystander
tap_done

# SPDX-License-Identifier: LGPL-2.1-or-later
# variants: 6.1/v2 6.1/v1 6.12/v2
# Nothing of a guest runs on an I/O core but workers, and whatever ends iocored, every thread and every cpuset is as it was.
. /tests/tap.sh
. /tests/guest.sh

# How many of the emulated CPUs are idle is a matter of the machine below.
configuration='[daemon]
epoch = 500ms
[policy.dynamic-cores]
vm_idle = 0'

start_vm a 0-3 0-3 --vcpus 2 --vcpu-share 0.05 --pairs 1 --load 0.3 || ok 1 "VM a starts"
start_vm b 0-3 0-3 --vcpus 1 --vcpu-share 0.05 --load 0.3 || ok 1 "VM b starts"
# of one CPU only: neither can be made to leave it
start_vm c 0-3 3 --vcpus 1 --vcpu-share 0.05 --load 0.05 || ok 1 "VM c starts"

# guest_threads NAME: thread ids but the workers'.
guest_threads() {
  local directory id
  for directory in /proc/"$(pid_of "$1")"/task/*; do
    id=${directory##*/}
    case " $(workers_of "$1" | tr '\n' ' ') " in *" $id "*) ;; *) echo "$id" ;; esac
  done
}
isolated() {
  local cores name id cpu
  cores=$(io_cores)
  [ -n "$cores" ] || return 1
  for name in "$@"; do
    for id in $(guest_threads "$name"); do
      for cpu in $cores; do ! in_list "$cpu" "$(cpus_of "$id")" || return 1; done
    done
  done
}
gathered() {
  local name id
  isolated a b || return 1
  for name in a b; do
    for id in $(workers_of "$name"); do
      case " $(io_cores) " in *" $(cpus_of "$id") "*) ;; *) return 1 ;; esac
    done
  done
}
where() {
  local name id
  for name in a b c; do
    for id in $(guest_threads "$name"); do diag "$name: thread $id ($(cat /proc/"$id"/comm)) may use $(cpus_of "$id")"; done
    for id in $(workers_of "$name"); do diag "$name: worker $id may use $(cpus_of "$id")"; done
  done
  diag "I/O cores: $(io_cores)"
}
dump_state > "$WORK/before"

start_daemon
holds "workers are on I/O cores, and guests' other threads are off them" wait_until 90 gathered
where
is "$(cpus_of "$(vcpu_of c 0)")" 3 "a vCPU that is bound by hand stays where it is"
add_pair a
born=$(workers_of a | tail -n 1)
holds "the worker of a queue pair that is added is placed, too" wait_until 60 gathered

vcpu=$(vcpu_of b 0)
mask=$(cpus_of "$vcpu")
taskset -cp 1-2 "$vcpu" > /dev/null
told() { iocorectl history --limit 1000 --json | grep -q "thread.cpus" || grep -q "thread.cpus.*$vcpu\|$vcpu.*thread.cpus" "$WORK/daemon.log"; }
holds "a taskset on a vCPU is noticed" wait_until 20 told
is "$(cpus_of "$vcpu")" 1-2 "and left alone"
sed -i "s/^\(thread $vcpu [0-9]*\) [^ ]*/\1 $(field_of "$vcpu" Cpus_allowed)/" "$WORK/before"

stop_daemon TERM
is "$daemon_status" 0 "SIGTERM ends iocored well"
as_before "after SIGTERM every mask and every cpuset is as before"
home=0-3
is "$(cpus_of "$born")" "$home" "the worker that was born meanwhile has its owner's CPUs"

start_daemon
holds "the workers are gathered again" wait_until 90 gathered
add_pair a
born=$(workers_of a | tail -n 1)
stop_daemon KILL
iocored --config "$WORK/iocored.conf" --restore >> "$WORK/restore.log" 2>&1
ok $? "iocored --restore succeeds"
as_before "after SIGKILL and --restore every mask and every cpuset is as before"
is "$(cpus_of "$born")" "$home" "the worker that was born just before has its owner's CPUs"
[ -s "$WORK/restore.log" ] && diag "$(cat "$WORK/restore.log")"
tap_done

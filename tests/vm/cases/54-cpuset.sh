# SPDX-License-Identifier: LGPL-2.1-or-later
# variants: 6.1/v2 6.1/v1 6.12/v2
# Workers whose cpusets have no CPU in common: the I/O core comes into the cpuset that lacks it, nothing else of the guest goes there, and the cpuset gets back what it had.
. /tests/tap.sh
. /tests/guest.sh

# How many of the emulated CPUs are idle is a matter of the machine below.
configuration='[daemon]
epoch = 500ms
[policy.dynamic-cores]
vm_idle = 0'

start_vm a 0-1 0-1 --vcpus 1 --vcpu-share 0.05 --load 0.2 || ok 1 "VM a starts"
start_vm b 2-3 2-3 --vcpus 1 --vcpu-share 0.05 --load 0.2 || ok 1 "VM b starts"

gathered() {
  local name
  for name in a b; do
    case " $(io_cores) " in *" $(cpus_of "$(worker_of "$name")") "*) ;; *) return 1 ;; esac
  done
}
dump_state > "$WORK/before"

start_daemon
holds "both workers are on I/O cores" wait_until 90 gathered
diag "I/O cores: $(io_cores), workers on $(cpus_of "$(worker_of a)") and $(cpus_of "$(worker_of b)")"
dump_state > "$WORK/during"
diag "$(differing "$WORK/before" "$WORK/during")"
for name in a b; do
  pid=$(cat "$WORK/load.$name.pid")
  for task in /proc/"$pid"/task/*; do
    [ "${task##*/}" = "$(worker_of "$name")" ] || diag "$name: $(cat "$task/comm") may use $(cpus_of "${task##*/}")"
  done
done
stop_daemon TERM
as_before "after SIGTERM every mask and every cpuset is as before"

start_daemon
holds "both are there again" wait_until 90 gathered
stop_daemon KILL
iocored --config "$WORK/iocored.conf" --restore >> "$WORK/restore.log" 2>&1
ok $? "iocored --restore succeeds"
diag "$(cat "$WORK/restore.log")"
as_before "after SIGKILL and --restore every mask and every cpuset is as before"
tap_done

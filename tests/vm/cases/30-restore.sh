# SPDX-License-Identifier: LGPL-2.1-or-later
# variants: 6.1/v2 6.12/v2
# Whatever ends iocored: every thread of the machine that was there before has its mask again, and every cpuset, bit for bit; a worker that was born meanwhile
# has the mask of its owner.
. /tests/tap.sh
. /tests/guest.sh

# How many of the emulated CPUs are idle is a matter of the machine below.
configuration='[daemon]
epoch = 500ms
[policy.dynamic-cores]
vm_idle = 0'

# As libvirt pins them: the emulator alone, not at all, vCPUs elsewhere than the emulator.
start_vm one 0-3 - --vcpus 2 --vcpu-share 0.05 --pairs 1 --load 0.2
ok $? "a VM whose emulator is pinned runs"
start_vm two - - --vcpus 1 --vcpu-share 0.05 --load 0.12
ok $? "a VM that is not pinned runs"
start_vm three 0-3 4-7 --vcpus 1 --vcpu-share 0.05 --load 0.12
ok $? "a VM whose vCPUs are pinned elsewhere runs"
# Masks that no rule would give them.
masks="7e f0 3c"
for mask in $masks; do
  start_load "$mask" 0-3 --load 0.12 || ok 1 "a load starts"
  taskset -p "$mask" "$(worker_of "$mask")" > /dev/null
done
names="one two three $masks"

all_bound() {
  local name
  for name in $names; do
    case $(cpus_of "$(worker_of "$name")") in *[!0-9]* | "") return 1 ;; esac
  done
}
# Nothing of a guest but workers may run on the I/O core of the first VM.
reserved() {
  local name tid core
  core=$(cpus_of "$(worker_of one)")
  for name in one two; do
    for tid in "$(cat "$WORK/load.$name.pid")" "$(vcpu_of "$name" 0)"; do in_list "$core" "$(cpus_of "$tid")" && return 1; done
  done
  return 0
}
gathered() { all_bound && reserved; }
owner_mask=$(cpus_of "$(cat "$WORK/load.one.pid")")
n_born=0
one_is_born() {
  n_born=$((n_born + 1))
  add_pair one
  ok $? "a worker is born meanwhile"
}
born_as_owner() { is "$(cpus_of "$(worker_of one $n_born)")" "$owner_mask" "and the worker that was born meanwhile has its owner's mask"; }

dump_state > "$WORK/before"
is "$(for mask in $masks; do sed -n "s/^thread $(worker_of "$mask") [0-9]* 0*\([0-9a-f]*\).*/\1/p" "$WORK/before"; done | tr '\n' ' ')" "$masks " "masks are dumped"

start_daemon
holds "the workers are gathered, and other threads of guests leave" wait_until 90 gathered
dump_state > "$WORK/after"
[ "$(differing "$WORK/before" "$WORK/after" | wc -l)" -ge 8 ]
ok $? "which the comparison sees ($(differing "$WORK/before" "$WORK/after" | wc -l) threads)"
one_is_born
stop_daemon TERM
is "$daemon_status" 0 "SIGTERM ends iocored well"
as_before "after SIGTERM all is as before"
born_as_owner

dump_state > "$WORK/before"
start_daemon
holds "they are gathered again" wait_until 90 stands_still gathered
stop_daemon KILL
holds "SIGKILL leaves them there" gathered
one_is_born
start_daemon
holds "the next daemon gathers them" wait_until 90 gathered
stop_daemon TERM
as_before "after SIGKILL, a restart and SIGTERM all is as before"
born_as_owner

dump_state > "$WORK/before"
start_daemon
holds "they are gathered a third time" wait_until 90 gathered
one_is_born
stop_daemon KILL
gone=$(worker_of 3c)
stop_load 3c
names=${names% 3c}
wait_until 30 test ! -e "/proc/$gone"
iocored --config "$WORK/iocored.conf" --restore >> "$WORK/restore.log" 2>&1
ok $? "iocored --restore succeeds, though a load is gone meanwhile"
as_before "after SIGKILL and --restore all is as before"
born_as_owner
tap_done

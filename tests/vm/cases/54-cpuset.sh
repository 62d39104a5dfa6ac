# SPDX-License-Identifier: LGPL-2.1-or-later
# variants: 6.1/v2 6.1/v1 6.12/v2
# Workers whose cpusets have no CPU in common: the I/O core comes into the cpuset that lacks it, nothing else of the guest goes there, and the cpuset gets back what it had.
. /tests/tap.sh
. /tests/guest.sh

configuration='[daemon]
epoch = 500ms'

start_vm a 0-1 0-1 --vcpus 1 --vcpu-share 0.05 --load 0.2 || ok 1 "VM a starts"
start_vm b 2-3 2-3 --vcpus 1 --vcpu-share 0.05 --load 0.2 || ok 1 "VM b starts"

io_cores() { iocorectl cores --json | jq -r '.[] | select(.io_core) | .cpu' | tr '\n' ' '; }
gathered() {
  local name
  for name in a b; do
    case " $(io_cores) " in *" $(cpus_of "$(worker_of "$name")") "*) ;; *) return 1 ;; esac
  done
}
differing() {
  awk 'NR == FNR { mask[$1 " " $2] = $3; next } ($1 " " $2) in mask && mask[$1 " " $2] != $3 { print $1, mask[$1 " " $2], "->", $3 }' "$1" "$2"
}
dump_cpusets() {
  local file
  find /sys/fs/cgroup -name cpuset.cpus | sort | while IFS= read -r file; do echo "$file $(cat "$file")"; done
}
as_before() { # as_before DESCRIPTION
  dump_masks > "$WORK/after"
  is "$(differing "$WORK/before" "$WORK/after")" "" "$1, every mask is as before"
  dump_cpusets > "$WORK/cpusets.after"
  is "$(diff "$WORK/cpusets.before" "$WORK/cpusets.after")" "" "$1, every cpuset is as before"
}
dump_masks > "$WORK/before"
dump_cpusets > "$WORK/cpusets.before"

start_daemon
holds "both workers are on I/O cores" wait_until 60 gathered
dump_cpusets > "$WORK/cpusets.during"
diag "I/O cores: $(io_cores), workers on $(cpus_of "$(worker_of a)") and $(cpus_of "$(worker_of b)")"
diff "$WORK/cpusets.before" "$WORK/cpusets.during" > "$WORK/changed"
diag "cpusets: $(tr '\n' ' ' < "$WORK/changed")"
for name in a b; do
  pid=$(cat "$WORK/load.$name.pid")
  for task in /proc/"$pid"/task/*; do
    [ "${task##*/}" = "$(worker_of "$name")" ] || diag "$name: $(cat "$task/comm") may use $(cpus_of "${task##*/}")"
  done
done
stop_daemon TERM
as_before "after SIGTERM"

start_daemon
holds "both are there again" wait_until 60 gathered
stop_daemon KILL
iocored --config "$WORK/iocored.conf" --restore >> "$WORK/restore.log" 2>&1
ok $? "iocored --restore succeeds"
diag "$(cat "$WORK/restore.log")"
as_before "after SIGKILL and --restore"
tap_done

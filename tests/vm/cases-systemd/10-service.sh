# SPDX-License-Identifier: LGPL-2.1-or-later
# variants: 6.1/systemd
# iocored as its unit file starts it, in its sandbox, under a real systemd: it does its work, and the rest of the host leaves I/O cores and returns, however iocored ends.
. /tests/tap.sh
. /tests/guest.sh

cgroups=/sys/fs/cgroup
drop_ins=$(dirname "$(systemctl show -P FragmentPath iocored.service)")/iocored.service.d
mkdir -p /usr/local/etc/iocored.conf.d "$drop_ins"
# That there is reason for I/O cores shall be beyond doubt, on each node that a worker may be found on.
cat > /usr/local/etc/iocored.conf.d/test.conf <<'END'
[daemon]
epoch = 200ms
log-level = debug
[policy.dynamic-cores]
vm_idle = 0
start_load = 0.05
stop_load = 0.01
release_last = no
[plugin.systemd]
reserve-slices = system.slice user.slice
END
# There is no journal.
printf '[Service]\nStandardError=append:%s/daemon.log\n' "$WORK" > "$drop_ins/log.conf"
systemctl daemon-reload

effective_cpus() { cat "$cgroups/$1/cpuset.cpus.effective" 2> /dev/null || cat "$cgroups/cpuset.cpus.effective"; }
# An empty property is no AllowedCPUs.
allowed_cpus() { systemctl show -P AllowedCPUs "$1"; }
state_of() { systemctl show -P "$1" iocored.service; }
all_bound() {
  local name
  for name in a b; do
    case $(cpus_of "$(worker_of "$name")") in *[!0-9]* | "") return 1 ;; esac
  done
}
# Neither slice may run on a CPU that a worker is bound to.
slices_are_off() {
  local core slice
  all_bound || return 1
  for core in $(cpus_of "$(worker_of a)") $(cpus_of "$(worker_of b)"); do
    for slice in system.slice user.slice; do
      expand_list "$(effective_cpus "$slice")" | grep -qx "$core" && return 1
    done
  done
  return 0
}
# A CPU list, a line for each CPU.
expand_list() {
  local part
  for part in ${1//,/ }; do seq "${part%-*}" "${part#*-}"; done
}
# What AllowedCPUs of each slice is, what is in effect, and where the workers may run.
picture() {
  echo "($(allowed_cpus system.slice)) $(effective_cpus system.slice), ($(allowed_cpus user.slice)) $(effective_cpus user.slice); $(cpus_of "$(worker_of a)") $(cpus_of "$(worker_of b)")"
}
as_before="() 0-7, () 0-7; 0-7 0-7"
tell_state() {
  diag "$(picture), iocored $(cpus_of "$(state_of MainPID)")"
  diag "$(iocorectl status 2>&1)"
  diag "$(tail -n 60 "$WORK/daemon.log")"
}

start_load a 0-7 --load 0.12 || ok 1 "load a starts"
start_load b 0-7 --load 0.12 || ok 1 "load b starts"
is "$(picture)" "$as_before" "before, workers and the host's services may run anywhere"

holds "systemd starts iocored" systemctl start iocored
is "$(state_of ActiveState)/$(state_of SubState)" active/running "it is active"
began=$SECONDS
wait_until 150 slices_are_off
gathered=$?
ok $gathered "workers are gathered, and system.slice and user.slice are kept off their I/O core"
diag "$((SECONDS - began)) s"
[ $gathered -eq 0 ] || tell_state
# It may make another I/O core just then.
iocored_is_off() {
  expand_list "$(cpus_of "$(state_of MainPID)")" | grep -qx "$(cpus_of "$(worker_of a)")"
  [ $? -eq 1 ] && all_bound
}
wait_until 60 iocored_is_off
ok $? "iocored, which is in system.slice too, is off it, and could bind the workers there"
holds "iocorectl says so" wait_until 30 sh -c 'iocorectl status | grep -q "system.slice, user.slice by AllowedCPUs"'
holds "its sandbox lets it listen to the kernel's process connector" sh -c 'iocorectl status | grep -qi "process connector"'
start_load c 0-7 --load 0.12
late_worker_is_bound() { case $(cpus_of "$(worker_of c)") in *[!0-9]* | "") return 1 ;; esac; }
holds "a worker that comes later is bound" wait_until 90 late_worker_is_bound
stop_load c

systemctl stop iocored
is "$(state_of Result)" success "systemd stops it"
is "$(picture)" "$as_before" "everything is as before"

# Without its restart, which would hide what ExecStopPost= did.
printf '[Service]\nRestart=no\n' > "$drop_ins/test.conf"
systemctl daemon-reload
systemctl start iocored
holds "started again, it reserves again" wait_until 150 slices_are_off
systemctl kill -s KILL iocored
is_failed() { [ "$(state_of ActiveState)" = failed ]; }
wait_until 90 is_failed
is "$(state_of Result)" signal "killed"
is "$(picture)" "$as_before" "ExecStopPost= put everything back"

rm "$drop_ins/test.conf"
systemctl daemon-reload
systemctl reset-failed iocored
systemctl start iocored
holds "started a third time, it reserves again" wait_until 150 slices_are_off
fed=$(state_of WatchdogTimestampMonotonic)
was_fed() { [ "$(state_of WatchdogTimestampMonotonic)" -gt "$fed" ]; }
holds "it feeds systemd's watchdog" wait_until 60 was_fed
pid=$(state_of MainPID)
systemctl kill -s KILL iocored
is_restarted() { [ "$(state_of MainPID)" -gt 1 ] && [ "$(state_of MainPID)" != "$pid" ] && [ "$(state_of ActiveState)" = active ]; }
holds "killed, it is started by systemd again" wait_until 90 is_restarted
holds "and reserves again" wait_until 150 slices_are_off

systemctl set-property --runtime user.slice AllowedCPUs=0-1
foreign_is_told() { iocorectl status | grep -q "user.slice (changed by somebody else, left alone)"; }
holds "AllowedCPUs that somebody else sets is noticed" wait_until 60 foreign_is_told
systemctl stop iocored
is "$(allowed_cpus user.slice)" "0-1" "and left alone"
is "$(allowed_cpus system.slice)" "" "while the other slice is as before"
systemctl set-property --runtime user.slice AllowedCPUs=
stop_load a
stop_load b
tap_done

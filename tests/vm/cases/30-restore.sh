# SPDX-License-Identifier: LGPL-2.1-or-later
# Whatever ends iocored: every thread of the machine that was there before has its mask again, and every cpuset, bit for bit.
. /tests/tap.sh
. /tests/guest.sh

configuration='[daemon]
epoch = 500ms'

names="a b c d e f"
masks="ff 0f f0 7e 3c c3"
set -- $masks
for name in $names; do
  start_load "$name" 0-3 --load 0.12 || ok 1 "load $name starts"
  taskset -p "$1" "$(worker_of "$name")" > /dev/null
  shift
done

all_bound() {
  local name
  for name in $names; do
    case $(cpus_of "$(worker_of "$name")") in *[!0-9]* | "") return 1 ;; esac
  done
}
as_before() { # as_before DESCRIPTION
  dump_state > "$WORK/after"
  is "$(differing "$WORK/before" "$WORK/after")" "" "$1"
}

dump_state > "$WORK/before"
is "$(for name in $names; do sed -n "s/^thread $(worker_of "$name") [0-9]* 0*\([0-9a-f]*\).*/\1/p" "$WORK/before"; done | tr '\n' ' ')" "ff f f0 7e 3c c3 " "each worker has a mask of its own"

start_daemon
holds "the workers are gathered" wait_until 90 all_bound
dump_state > "$WORK/after"
[ "$(differing "$WORK/before" "$WORK/after" | wc -l)" -ge 6 ]
ok $? "which the comparison of masks sees"
stop_daemon TERM
is "$daemon_status" 0 "SIGTERM ends iocored well"
as_before "after SIGTERM every mask is as before"

start_daemon
holds "the workers are gathered again" wait_until 90 all_bound
stop_daemon KILL
holds "SIGKILL leaves them bound" all_bound
iocored --config "$WORK/iocored.conf" --restore >> "$WORK/restore.log" 2>&1
ok $? "iocored --restore succeeds"
as_before "after SIGKILL and --restore every mask is as before"

start_daemon
holds "the workers are gathered a third time" wait_until 90 all_bound
stop_daemon KILL
gone=$(worker_of f)
stop_load f
wait_until 30 test ! -e "/proc/$gone"
iocored --config "$WORK/iocored.conf" --restore >> "$WORK/restore.log" 2>&1
ok $? "a worker that is gone meanwhile does not make --restore fail"
names="a b c d e"
as_before "and the others' masks are as before"
tap_done

#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The control interface as iocore-simfs serves it: formats byte for byte, errors and quirks.
set -u
. "$SOURCE/tests/simfs/lib.sh"

names() { (cd "$vhost/$1" && printf '%s\n' * | LC_ALL=C sort | tr '\n' ' '); }
value() { cat "$vhost/$1"; }
links_of() { stat -c %h "$vhost/$1"; }

start_simfs small --generation 2 --speed 0
ok $? "generation 2 is mounted"

# --- formats
is "$(bytes_of worker/w.1/dev_list)" 'd.1\td.2\n' "dev_list is separated by tabs and ends in a newline"
is "$(bytes_of worker/w.2/dev_list)" '' "dev_list of a worker without devices is empty"
is "$(bytes_of dev/d.1/vq_list)" 'vq.1.0\tvq.1.1\n' "vq_list is separated by tabs and ends in a newline"
is "$(bytes_of worker/w.1/cpu)" '-1\n' "a worker that may run anywhere has cpu -1"
is "$(bytes_of worker/w.2/cpu)" '3\n' "a bound worker has its CPU"
is "$(bytes_of worker/w.1/locked)" '0\n' "locked is a number"
is "$(bytes_of worker/default)" 'w.1\n' "default is an id"
is "$(bytes_of dev/d.1/worker)" 'w.1\n' "a device's worker is an id"
is "$(bytes_of dev/d.1/owner)" '5000001\n' "owner is the pid of the VM's process"
is "$(bytes_of vq/vq.1.1/dev)" 'd.1\n' "a queue's dev is an id"
is "$(bytes_of vq/vq.1.1/min_processed_data_limit),$(bytes_of vq/vq.1.1/max_processed_data_limit)" '1500\n,524288\n' "queues have the kernel's limits"
is "$(bytes_of vq/vq.1.1/max_stuck_pending_items),$(bytes_of vq/vq.1.1/max_stuck_cycles),$(bytes_of vq/vq.1.1/min_poll_rate)" '0\n,-1\n,0\n' "stuck and rate limits are off"
is "$(bytes_of epoch)" '0\n' "epoch begins with 0"
is "$(bytes_of vq/vq.1.1/handled_bytes)" '0\n' "counters begin with 0"
is "$(bytes_of worker/w.1/uevent)" '' "uevent is empty"

# --- tree
is "$(names .)" "cycles d.1 d.2 dev epoch status vq vq.1.0 vq.1.1 vq.2.0 vq.2.1 w.1 w.2 worker " "the root has its files, three directories and a link for each object"
is "$(names worker)" "create default power remove status subsystem uevent w.1 w.2 " "worker/ has its files and what every class device has"
is "$(names dev/d.1 | sed 's/device_[a-z_]* //g')" "owner power status subsystem uevent vq_list worker " "a device has its files"
is "$(readlink "$vhost/vq.2.1")" "vq/vq.2.1" "an object's link leads to its directory"
is "$(cat "$vhost/w.2/cpu")" "3" "an object can be read through its link"
is "$(stat -c %s "$vhost/epoch")" "4096" "an attribute shows the size of a page"
is "$(stat -c %a "$vhost/cycles" "$vhost/worker/remove" "$vhost/dev/d.1/worker" | tr '\n' ' ')" "444 200 644 " "modes tell what can be read and written"
is "$(links_of worker),$(links_of dev),$(links_of vq)" "5,5,7" "the link count of a directory counts its subdirectories"
is "$(cat "$vhost/worker/remove" 2>&1 | grep -c 'Permission denied')" "1" "remove cannot be read, not even by root"
is "$(write_to worker/w.1/cpu 1)" EACCES "cpu cannot be written"
holds "each readable file of the tree can be read" find "$vhost" -type f -perm /444 -exec cat {} +

# --- status
/usr/bin/python3 - "$vhost" <<'PYTHON'
import os, sys
root, wrong = sys.argv[1], []
for directory in ("", "worker/w.1", "worker/w.2", "dev/d.1", "vq/vq.1.1", "vq/vq.2.0"):
    lines = open(os.path.join(root, directory, "status")).read().split("\n")
    assert lines.pop() == ""
    status = dict(line.split(":", 1) for line in lines)
    for name in os.listdir(os.path.join(root, directory)):
        path = os.path.join(root, directory, name)
        if os.path.isfile(path) and name not in ("status", "uevent"):
            if status.pop(name, None) != open(path).read().rstrip("\n"):
                wrong.append(path)
    wrong += status.keys()
sys.exit(" ".join(wrong) if wrong else 0)
PYTHON
ok $? "status has a line name:value for each file, and nothing else"

# --- epoch
is "$(write_to epoch 1),$(write_to epoch 1$'\n'),$(value epoch)" "0,0,2" "writing 1 to epoch advances it, newline or not"
is "$(write_to epoch 2),$(write_to epoch x),$(write_to epoch ''),$(value epoch)" "EINVAL,EINVAL,0,2" "anything else is refused"

# --- create
is "$(bytes_of worker/create)" '' "create reads as empty when nothing was created"
is "$(write_to worker/create 2),$(write_to worker/create -1)" "0,0" "create takes a CPU and -1"
is "$(bytes_of worker/create)" 'w.3\tw.4\n' "create tells the new ids"
is "$(bytes_of worker/create)" '' "reading create clears it"
is "$(value worker/w.3/cpu),$(value worker/w.4/cpu)" "2,-1" "the new workers are bound as asked"
is "$(write_to worker/create 4),$(write_to worker/create -2),$(write_to worker/create w.1)" "EINVAL,EINVAL,EINVAL" "create refuses what is no CPU"
is "$(links_of worker)" "7" "the link count has risen"
for _ in {1..40}; do echo 1 >"$vhost/worker/create"; done
is "$(tr '\t' '\n' <"$vhost/worker/create" | wc -l),$(links_of worker)" "32,47" "create tells 32 ids at most, later ones are created nevertheless"
is "$(bytes_of worker/create)" '' "and forgets those that it did not tell"

# --- lock, remove, default
is "$(write_to worker/remove w.3)" EINVAL "a worker that is not locked is not removed"
is "$(write_to worker/w.3/locked 1),$(value worker/w.3/locked)" "0,1" "a worker can be locked"
is "$(write_to worker/w.3/locked 0),$(value worker/w.3/locked)" "EINVAL,0" "unlocking is done, and refused: the kernel's quirk"
is "$(write_to worker/w.3/locked 0)" "0" "unlocking what is not locked is no error"
is "$(write_to worker/w.3/locked 2),$(write_to worker/w.3/locked yes)" "EINVAL,EINVAL" "locked is 0 or 1"
echo 1 >"$vhost/worker/w.3/locked"
is "$(write_to dev/d.2/worker w.3),$(value dev/d.2/worker)" "0,w.3" "a locked worker can be a device's target"
is "$(write_to worker/remove w.3)" EINVAL "a worker with devices is not removed"
is "$(write_to dev/d.2/worker w.1),$(write_to worker/remove w.3),$(test -e "$vhost/worker/w.3"; echo $?)" "0,0,1" "a locked empty worker is removed"
is "$(write_to worker/remove w.3),$(write_to worker/remove x)" "EINVAL,EINVAL" "what is not there is not removed"
is "$(write_to worker/default w.4),$(value worker/default)" "0,w.4" "the default worker can be set"
echo 1 >"$vhost/worker/w.2/locked"
is "$(write_to worker/default w.2),$(write_to worker/default w.99),$(value worker/default)" "EINVAL,EINVAL,w.4" "a locked or unknown worker cannot be the default"
echo 1 >"$vhost/worker/w.4/locked"
is "$(value worker/default)" "w.1" "locking the default worker makes another unlocked one the default"
is "$(write_to worker/create 3),$(value worker/create)" "0,w.45" "ids are not used again"

# --- move
is "$(write_to dev/d.1/worker w.5),$(value worker/w.5/dev_list),$(value worker/w.1/dev_list)" "0,d.1,d.2" "a device moves with its queues"
is "$(write_to dev/d.1/worker w.5)" "0" "a move to where it is succeeds"
is "$(write_to dev/d.1/worker w.3),$(write_to dev/d.1/worker 5),$(write_to dev/d.1/worker w.05),$(write_to dev/d.1/worker 'w.5 ')" "EINVAL,EINVAL,EINVAL,EINVAL" "unknown and malformed workers are refused"

# --- queues
is "$(write_to vq/vq.1.1/poll 1),$(value vq/vq.1.1/poll)" "0,1" "a queue can be polled"
is "$(value vq/vq.2.1/can_poll),$(write_to vq/vq.2.1/poll 1),$(value vq/vq.2.1/poll)" "0,0,0" "polling a queue that cannot be polled has no effect and no error"
is "$(write_to vq/vq.1.1/max_processed_data_limit 65536),$(value vq/vq.1.1/max_processed_data_limit)" "0,65536" "a limit can be set"
is "$(write_to vq/vq.1.1/max_processed_data_limit -5),$(write_to vq/vq.1.1/max_processed_data_limit 9x)" "EINVAL,EINVAL" "a limit is a number"
control "advance 100"
is "$(($(value vq/vq.1.1/poll_bytes) > 0)),$(value vq/vq.1.1/notif_works),$(($(value vq/vq.2.1/notif_works) > 0)),$(value vq/vq.2.1/poll_bytes)" "1,0,1,0" "counters of polling and of notifications are told apart"

# --- vanishing
/usr/bin/python3 - "$vhost" <<'PYTHON'
import errno, os, sys
root = sys.argv[1]
fd = os.open(root + "/dev/d.2/worker", os.O_RDONLY)
assert os.pread(fd, 64, 0) == b"w.1\n"
os.setxattr(root, "user.iocore.control", b"vanish d.2")
try:
    os.pread(fd, 64, 0)
    sys.exit("could still be read")
except OSError as error:
    assert error.errno == errno.ENODEV, error
try:
    open(root + "/dev/d.2/worker")
    sys.exit("could still be opened")
except FileNotFoundError:
    pass
PYTHON
ok $? "an open file of a vanished device says ENODEV, opening it anew ENOENT"
is "$(names dev)" "d.1 power status subsystem uevent " "a vanished device is not listed"
control "advance 2000"
is "$(test -e "$vhost/dev/d.3/vq_list"; echo $?),$(value worker/default),$(value dev/d.3/worker),$(links_of vq)" "0,w.1,w.1,9" "a VM that comes brings a new device on the default worker"
is "$(tr '\0' ' ' <"$proc/5000003/cmdline")" "qemu-system-x86_64 -name guest=vm3,debug-threads=on -S " "its process has a command line"
is "$(grep -P '^(Cpus|Mems)_allowed_list:\t' "$proc/5000003/status" | tr '\t\n' '  ')" "Cpus_allowed_list: 0-3 Mems_allowed_list: 0 " "and says where it may run"
control "advance 3000"
is "$(names dev),$(test -e "$proc/5000003"; echo $?)" "d.1 power status subsystem uevent ,1" "a VM that goes takes its device and process along"

# --- what tests can ask for
control "fail dev/*/worker ENODEV 1"
is "$(write_to dev/d.1/worker w.6),$(value dev/d.1/worker),$(write_to dev/d.1/worker w.6)" "ENODEV,w.5,0" "a write can be made to fail once"
control "fail worker/w.6/locked EIO -1 1"
is "$(write_to worker/w.6/locked 1),$(write_to worker/w.6/locked 0),$(write_to worker/w.6/locked 0)" "0,EIO,EIO" "or for ever, after some that succeed"
control "heal"
control "dump $work/before"
write_to dev/d.1/worker w.5 >"$work/moved"
control "dump $work/after"
is "$(diff "$work/before" "$work/after" | grep -c '^[<>]')" "2" "two dumps differ in the device that was moved"
write_to dev/d.1/worker w.6 >"$work/moved"
control "dump $work/after"
is "$(cmp "$work/before" "$work/after" && echo same)" "same" "and are the same bytes once it is back"
control "nonsense" 2>"$work/error"
ok $((! $?)) "a command that nobody knows is refused"

# --- CPU times
ticks() { /usr/bin/python3 -c 'import sys; print(sum(map(int, next(l for l in open(sys.argv[1]) if l.startswith("cpu3 ")).split()[1:9])))' "$proc/stat"; }
before=$(ticks)
size=$(stat -c '%i %s' "$proc/stat")
control "advance 1000"
is "$(stat -c '%i %s' "$proc/stat")" "$size" "stat of the fixture /proc is rewritten in place"
is "$(grep -cvE '^(cpu[0-9]* |cpu[0-9]+)( [0-9]+){10}$' "$proc/stat"),$(grep -c '^cpu' "$proc/stat")" "7,5" "CPU lines have ten numbers, one blank before each"
is "$(($(ticks) - before))" "100" "a second is a hundred ticks"

stop_simfs
ok $? "SIGTERM ends it with success"
is "$(ls -A "$vhost"),$(ls -A "$proc")" "," "and leaves neither mount nor processes"

# --- generation 1
start_simfs small --generation 1 --speed 0
ok $? "generation 1 is mounted"
is "$(find "$vhost" -name status -o -name total_work_cycles -o -name can_poll -o -name 'ksoftirq*' -o -name handled_packets | wc -l)" "0" "generation 1 has none of generation 2's files"
is "$(test -f "$vhost/vq/vq.1.0/poll_aggregated_wait_cycles"; echo $?)" "0" "and one that generation 2 has not"
is "$(write_to worker/w.1/work_list_max_stuck_cycles 5)" EACCES "a worker's limits cannot be written there"
control "advance 200"
first=$(value vq/vq.1.1/handled_bytes)
control "advance 200"
is "$(($(value vq/vq.1.1/handled_bytes) < $(value vq/vq.1.1/notif_bytes) / 10 && first > 0))" "1" "handled_bytes is that of the last service only"
stop_simfs

# --- real time, faults from the command line, the FIFO
jq 'del(.vms[].leaves)' "$SOURCE/tests/data/scenarios/small.json" >"$work/staying.json"
start_simfs "$work/staying.json" --speed 5 --fail 'worker/create=EINVAL:1' --control "$work/fifo"
is "$(write_to worker/create 1),$(write_to worker/create 1)" "EINVAL,0" "--fail makes a write fail"
holds "time passes by itself, and a VM comes" wait_until 30 test -d "$vhost/dev/d.3"
echo "default w.2" >"$work/fifo"
echo "dump $work/dump" >"$work/fifo"
holds "the FIFO takes commands" wait_until 30 grep -q '"default":.*"w.2"' "$work/dump"
stop_simfs

sed -n '/^{$/,/^}$/p' "$SOURCE/man/iocored-scenario.5" >"$work/example.json"
start_simfs "$work/example.json" --speed 0
ok $? "the example of iocored-scenario(5) is a scenario"
stop_simfs
is "$("$BUILD/tests/simfs/iocore-simfs" "$work" --scenario "$work/none.json" 2>&1)" "iocore-simfs: scenario $work/none.json: cannot be read: No such file or directory" "a scenario that cannot be read is told"
tap_done

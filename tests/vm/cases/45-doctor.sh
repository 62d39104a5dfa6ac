# SPDX-License-Identifier: LGPL-2.1-or-later
# variants: 6.1/v1 6.12/v2
# What iocorectl says on a real stock kernel: doctor without and with a daemon, the tables, the status.
. /tests/tap.sh
. /tests/guest.sh

answer() { jq -r --arg check "$1" '.[] | select(.check == $check) | .answer' "$WORK/doctor.json"; }
found() { jq -r --arg check "$1" '.[] | select(.check == $check) | .found' "$WORK/doctor.json"; }
says() { # says CHECK ANSWER PATTERN
  case "$(answer "$1"):$(found "$1")" in
  "$2:"$3) ok 0 "doctor: $1 is $2" ;;
  *) ok 1 "doctor: $1 is $2"; diag "$(answer "$1"): $(found "$1")" ;;
  esac
}

iocorectl doctor --json > "$WORK/doctor.json"
is $? 0 "doctor can look at everything"
says vhost yes "*module vhost, vhost_net*"
says control-interface no "*"
says workers no "none among*"
says connector yes "*socket opens"
says rights yes "*"
says proc yes "*"
case $(ls /sys/fs/cgroup) in
*cpuset.cpus* | *cgroup.controllers*) says cpuset yes "v2 at /sys/fs/cgroup*" ;;
*) says cpuset yes "v1 at /sys/fs/cgroup/cpuset*" ;;
esac
says systemd no "*"
says smt no "*"
says numa yes "nodes 0-1*"
says isolated-cpus no "*"
says irqbalance no "*"
says daemon no "*cannot be reached*"

start_vm alpha 0-3 0-3 --pairs 2 --vcpus 1 --load 0.1
ok $? "a guest with two queue pairs starts"
start_vm beta 4-7 4-7 --load 0.05
iocorectl doctor --json > "$WORK/doctor.json"
case $(uname -r) in
6.1.*) says workers yes "3 kernel threads, 0 threads of their owner's process*" ;;
*) says workers yes "0 kernel threads, 3 threads of their owner's process; fork_from_owner_default is Y*" ;;
esac

start_daemon
ok $? "iocored starts"
known() { iocorectl workers --json | jq -e 'length == 3 and all(.[]; .kind == "net" and .queue_pair != null and .domain != "")' > "$WORK/known"; }
holds "each worker's device, queue pair and domain are told" wait_until 60 known
is "$(iocorectl workers --json | jq -r 'sort_by(.domain, .queue_pair) | map("\(.domain) \(.queue_pair) \(.id)") | join(", ")')" \
  "alpha 0 t.$(worker_of alpha 0), alpha 1 t.$(worker_of alpha 1), beta 0 t.$(worker_of beta 0)" "as they are"
iocorectl doctor --json > "$WORK/doctor.json"
is "$(answer daemon) $(answer can-poll) $(answer can-limit)" "yes no no" "doctor says what the daemon cannot do"
iocorectl status > "$WORK/status"
grep -q '^ *discovery  vhost-thread: ' "$WORK/status"
ok $? "status says how workers are found"
grep -q '^ *reservation  vhost-thread: ' "$WORK/status"
ok $? "status says how I/O cores are kept free"
grep -q '^ *cannot  poll: ' "$WORK/status"
ok $? "status says that polling cannot be had"
for verb in doctor status workers units devices cores; do
  diag "iocorectl $verb"
  diag "$(iocorectl "$verb")"
done
stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"
stop_load alpha
stop_load beta
tap_done

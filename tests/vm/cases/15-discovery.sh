# SPDX-License-Identifier: LGPL-2.1-or-later
# Workers come and go while the daemon runs and its scans are an hour apart: the process connector tells of them.
. /tests/tap.sh
. /tests/guest.sh

configuration='[daemon]
scan-interval = 1h
mode = observe'

listed() { iocorectl workers | grep -Eq "^ *t\.$1( |\$)"; }
not_listed() { local list; list=$(iocorectl workers) && ! grep -Eq "^ *t\.$1( |\$)" <<< "$list"; }

start_load before 0-3 --pause
start_daemon
holds "a worker that was there before is listed" wait_until 30 listed "$(worker_of before)"

start_load after 4-7 --pause
worker=$(worker_of after)
holds "a worker that appears later is listed though nothing was searched" wait_until 30 listed "$worker"
owned() { iocorectl workers --json | jq -e --arg id "t.$1" --argjson owner "$2" 'any(.[]; .id == $id and .owner == $owner)'; }
holds "its owner is the process that made it" wait_until 30 owned "$worker" "$(pid_of after)"

# Neither a process that takes a worker's name nor one of its threads is one.
bash -c 'echo vhost-1 > /proc/$BASHPID/comm; sleep 1000 & wait' &
pretender=$!
named() { local name; read -r name < "/proc/$pretender/comm" && [ "$name" = vhost-1 ]; }
wait_until 30 named
start_load last 4-7 --pause
holds "a still later one is listed" wait_until 30 listed "$(worker_of last)"
holds "a process that calls itself vhost-1 is not" not_listed "$pretender"
kill "$pretender"

stop_load after
holds "a worker that ended is listed no more" wait_until 30 not_listed "$worker"
diag "$(iocorectl workers)"
diag "$(iocorectl status)"
stop_daemon TERM
is "$daemon_status" 0 "the daemon ends well"

configuration="$configuration
[plugin.vhost-thread]
connector = no"
start_daemon
start_load scanned 4-7 --pause
# No condition tells that something will not come; a load takes far longer to start than an epoch.
holds "switched off, nothing is heard of a worker" not_listed "$(worker_of scanned)"
stop_daemon TERM
tap_done

# SPDX-License-Identifier: LGPL-2.1-or-later
# Each rule of the planner, from its key in iocored.conf to the refusal that a client reads.
set -u
. "$SOURCE/tests/lib/tap.sh"
. "$SOURCE/tests/lib/host.sh"
trap host_end EXIT

ctl() {
  timeout 60 "$BUILD/iocorectl" "$@"
}

# verdict WISH...: what would become of it, "refused RULE" or "planned"
verdict() {
  ctl why-not "$@" --json | jq -r '[.verdict, .rule] | map(select(. != "")) | join(" ")'
}

# rules TEXT: the configuration with TEXT, read again
rules() {
  host_configure "$1" && ctl reload >/dev/null
}

loads_known() {
  [ "$(ctl units --json | jq '[.[] | select(.load > 0)] | length')" -eq 6 ]
}

host_begin && host_kernel "$SOURCE/tests/data/scenarios/uneven.json" 2 || { ok 1 "the simulated host starts"; tap_done; exit 1; }
mkdir "$host/none"
export POLICIES=$host/none
host_configure
host_daemon
wait_until 30 loads_known
is "$(verdict grow --node 0)" planned "without rules a node may grow"
is "$(verdict shrink --node 0)" planned "and shrink"

# --- how many
rules "[cores]
max = 1"
is "$(verdict grow --node 0)" "refused max-cores" "[cores] max: no more on this node"
is "$(verdict grow --node 1)" "refused max-cores" "[cores] max: nor on another"
rules "[cores]
max-per-node = 1"
is "$(verdict grow --node 0)" "refused max-cores" "[cores] max-per-node: no more on this node"
is "$(verdict grow --node 1)" planned "[cores] max-per-node: but on another"
rules "[cores]
min = 1"
is "$(verdict shrink --node 0)" "refused min-cores" "[cores] min: the host keeps its last"
rules "[cores]
min-per-node = 1"
is "$(verdict shrink --node 0)" "refused min-cores" "[cores] min-per-node: the node keeps its last"

# --- which
rules "[cores]
reserved = 2-3"
is "$(verdict grow --cpu 2)" "refused reserved-cpu" "[cores] reserved: not this CPU"
is "$(verdict grow --cpu 4)" planned "[cores] reserved: but another"
rules "[cores]
reserved = 0-7"
is "$(verdict grow --node 0)" "refused no-cpu" "[cores] reserved: a node of reserved CPUs does not grow"
rules "[bans]
cpus = 1-2"
is "$(verdict grow --cpu 2)" "refused banned" "[bans] cpus: no I/O core there"
is "$(verdict shrink --cpu 1)" "refused banned" "[bans] cpus: and one that is there stays"

# --- units
unit=$(ctl units --json | jq -r '[.[] | select(.core == 1)][0].id')
domain=$(ctl units --json | jq -r --arg id "$unit" '.[] | select(.id == $id).domain')
is "$(verdict move "$unit" home)" "refused banned" "[bans] cpus: who is there stays there"
rules ""
ctl grow --cpu 2 >/dev/null; ok $? "a second I/O core for what follows"
unit=$(ctl units --json | jq -r '[.[] | select(.core == 1)][0].id')
domain=$(ctl units --json | jq -r --arg id "$unit" '.[] | select(.id == $id).domain')
is "$(verdict move "$unit" 2)" planned "without rules a unit may move there"
rules "[bans]
units = x ${unit%?}*"
is "$(verdict move "$unit" 2)" "refused banned" "[bans] units: a pattern's unit stays"
rules "[bans]
domains = ${domain%?}?"
is "$(verdict move "$unit" 2)" "refused banned" "[bans] domains: a domain's unit stays"
is "$(verdict shrink --cpu 1)" "refused banned" "[bans] domains: and so does its I/O core"
rules "[units]
max-devices-per-worker = 1"
is "$(verdict move "$unit" 2)" "refused max-devices-per-worker" "[units] max-devices-per-worker: no more there"
is "$(verdict shrink --cpu 2)" "refused max-devices-per-worker" "[units] max-devices-per-worker: and nobody can leave"
rules "[units]
share-within = none"
is "$(verdict move "$unit" 2)" "refused share-within" "[units] share-within none: no company"
rules "[units]
share-within = domain"
is "$(verdict move "$unit" 2)" "refused share-within" "[units] share-within domain: no company of strangers"
rules "[units]
max-moves-per-epoch = 1"
is "$(ctl why-not grow --cpu 3 --json | jq '[.steps[] | select(startswith("move"))] | length')" 1 "[units] max-moves-per-epoch: a grow moves no more"
ctl grow --node 1 >/dev/null
is "$(verdict move "$unit" "$(ctl cores --json | jq '[.[] | select(.node == 1)][0].cpu')")" "refused numa" "no unit leaves its node while that has room"
rules ""
echo 1 >"$host/root/sys/class/vhost/worker/$(ctl cores --json | jq -r '.[] | select(.cpu == 2).worker')/locked"
refused_there() {
  verdict move "$unit" 2 | grep -q ^refused
}
wait_until 30 refused_there
ok $? "a worker that somebody locked takes no units ($(verdict move "$unit" 2))"
host_daemon_end TERM

# --- which CPUs, as the host has them; two hardware threads to a core
physical=$topology
topology="pack:2 numa:1 core:4 pu:2"
host_configure "isolated = 4
offline = 6
[cores]
reserved = 3"
host_daemon
is "$(verdict grow --cpu 4)" "refused isolated-cpu" "[topology] isolated: not this CPU"
is "$(verdict grow --cpu 6)" "refused offline-cpu" "[topology] offline: not this CPU"
is "$(verdict grow --cpu 2)" "refused whole-physical-cores" "[cores] whole-physical-cores: none whose sibling is reserved"
rules "isolated = 4
offline = 6
[cores]
reserved = 3
whole-physical-cores = no
use-isolated = yes"
is "$(verdict grow --cpu 2)" planned "[cores] whole-physical-cores no: siblings say nothing"
is "$(verdict grow --cpu 4)" planned "[cores] use-isolated: an isolated CPU may"
host_daemon_end TERM
topology=$physical

# --- policies: conflicts between them, and no back and forth
# there_is POLICY VERDICT [RULE]: there is such a decision
there_is() {
  ctl decisions --json | jq -e --arg source "policy:$1" --arg verdict "$2" --arg rule "${3:-}" 'any(.[]; .source == $source and .verdict == $verdict and .rule == $rule)'
}
grown_twice() {
  [ "$(n_done grow)" -ge 2 ]
}
n_done() {
  ctl decisions --json | jq --arg source "policy:$1" '[.[] | select(.source == $source and .verdict == "done")] | length'
}
cat >"$host/none/10-flap.lua" <<'LUA'
local n = 0
return policy { name = "flap", doc = "Polls, and does not.", on_epoch = function(host)
  n = n + 1
  host:queue("vq.2.1"):poll { on = n % 2 == 0, reason = "flap" }
end }
LUA
cat >"$host/none/20-less.lua" <<'LUA'
return policy { name = "less", doc = "Wants always what the other does.", on_epoch = function(host)
  host:queue("vq.2.1"):poll { on = true, reason = "less" }
end }
LUA
cat >"$host/none/30-grow.lua" <<'LUA'
return policy { name = "grow", doc = "Never has enough.", on_epoch = function(host)
  for node in host:nodes() do node:grow { reason = "more" } end
end }
LUA
host_configure "[cores]
hold = 1h
cool-down = 1h"
host_daemon
wait_until 30 there_is flap refused hold
ok $? "[cores] hold: what a policy changed is left alone"
is "$(n_done flap)" 1 "[cores] hold: so it changed once"
wait_until 30 there_is less superseded conflict
ok $? "the policy with the lower number wins, the loser is superseded"
wait_until 30 there_is grow refused cool-down
ok $? "[cores] cool-down: a node that has just grown is left alone"
wait_until 30 grown_twice
is "$(n_done grow)" 2 "[cores] cool-down: so each node grew once"
is "$(verdict grow --node 0)" planned "a client need not wait"
host_daemon_end TERM
host_configure "[cores]
hold = 0
cool-down = 0"
host_dump "$host/before.json"
host_daemon
wait_until 30 there_is grow refused no-cpu
ok $? "without hold and cool-down they grow until no CPU is left for vCPUs"
host_daemon_end TERM
host_dump "$host/after.json"
is "$(host_difference "$host/before.json" "$host/after.json")" "" "and all of it is put back"
tap_done

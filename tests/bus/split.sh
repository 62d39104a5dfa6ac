# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest larger than a node is split by the shipped policy, and its memory follows in a job. The host is tests/bus/split-host.c.

build_split_host() {
  mkdir -p "$dir/split/plugins" "$dir/split/policies" &&
    ${CC:-cc} -std=gnu17 -fPIC -shared -fvisibility=hidden -I"$SOURCE/plugins" "$SOURCE/tests/bus/split-host.c" -o "$dir/split/plugins/split-host.so" &&
    chmod 644 "$dir/split/plugins/split-host.so" &&
    cp "$SOURCE/policies/40-numa-placement.lua" "$dir/split/policies/"
}

job_is() { ctl jobs --json | jq -e --arg state "$1" '.[0].state == $state' >/dev/null; }
of_policy() { ctl decisions --json | jq -c 'map(select(.source == "policy:numa-placement") | [.id, .object, .verdict])'; }

test_split() {
  local id text

  build_split_host
  ok $? "a host with a guest larger than its nodes is built" || return
  cat >"$dir/iocored.conf" <<END
[daemon]
journal = $dir/split/journal
plugin-directory = $dir/split/plugins
plugins = split-host
policy-directories = $dir/split/policies
epoch = 50ms
[topology]
synthetic = pack:2 numa:1 core:1 pu:1
[policy.numa-placement]
settle = 0
rest = 1
interval = 1
[plugin.split-host]
gate = $dir/split/gate
END
  start_daemon || { ok 1 "iocored starts on that host"; return; }
  begin_monitor
  wait_until 30 job_is running
  ok $? "a job moves memory" || diag "$(ctl decisions; ctl jobs; tail -5 "$dir/iocored.log")"
  id=$(ctl decisions --json | jq '.[] | select(.verdict == "done") | .id')
  is "$(of_policy)" "[[$id,\"two\",\"done\"]]" "by one decision of the shipped policy"
  is "$(ctl jobs --json | jq -c '.[0] | [.id, .kind, .object, .cell, .node, .source, .total, .moved]')" '[1,"move-memory","two",1,1,"policy:numa-placement",262144,131072]' \
    "of guest cell 1 to node 1, and half of it is there"
  is "$(ctl why "$id" --json | jq -c '.steps | map([.kind, .object, .value, .result, .cell, .node, .job])')" \
    '[["knob-set","two.0","0","done",null,null,null],["knob-set","two.1","1","done",null,null,null],["memory-move","two","","done",1,1,1]]' \
    "the decision pinned the vCPUs and then began that job"
  text=$(ctl why "$id" --json | jq -r .text)
  is "$text" "two goes split to node 0-1: 2 of 2 vCPUs are pinned anew, 1.0 GiB of memory move. Jobs that move it: 1." "and says so"
  ctl why "$id" | grep -q '3\. begin job 1 that moves memory of guest cell 1 of two to node 1: done$'
  ok $? "also for people"
  past_epoch_in 60
  is "$(of_policy)" "[[$id,\"two\",\"done\"]]" "while it moves nothing is asked again"
  touch "$dir/split/gate"
  wait_until 30 job_is done
  ok $? "the job comes to its end"
  is "$(busctl --system --json=short call org.iocore1 /org/iocore1 org.iocore1.Manager GetMemory s two | jq -c '.data[1]')" \
    '[[0,[[0,1048576],[1,0]]],[1,[[0,0],[1,1048576]]]]' "the memory of each guest cell is on a node of its own"
  wait_until 30 told '.member == "JobChanged" and .payload.data[0:2] == [1, "done"]'
  ok $? "which a signal tells"
  end_monitor
  past_epoch_in 60
  is "$(of_policy)" "[[$id,\"two\",\"done\"]]" "and when it is over neither"
  stop_daemon TERM
  is $? 0 "SIGTERM ends iocored"
}

# past_epoch_in N: so many epochs from now have gone by
past_epoch_in() { wait_until 60 past_epoch "$(($(epoch) + $1))"; }

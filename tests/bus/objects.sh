# SPDX-License-Identifier: LGPL-2.1-or-later
# Reading: every object and property, and what the manual says of them.

# documented PATH INTERFACE: every member of the interface that the daemon shows is in the manual
documented() {
  local member missing=
  while read -r member; do
    grep -qE "(^|[^A-Za-z])$member([^A-Za-z]|\$)" "$SOURCE/man/org.iocore1.5" || missing="$missing $member"
  done < <(busctl --system introspect org.iocore1 "$1" "$2" | awk '$1 ~ /^\./ { print substr($1, 2) }')
  [ -z "$missing" ] || { echo "not in org.iocore1(5):$missing"; return 1; }
}

# readable PATH INTERFACE N: all properties can be read, and there are at least N
readable() {
  local n
  n=$(busctl --system --json=short call org.iocore1 "$1" org.freedesktop.DBus.Properties GetAll s "$2" | jq '.data[0] | length')
  [ "${n:-0}" -ge "$3" ] || { echo "${n:-no} properties"; return 1; }
}

# events_documented: every kind of event that the daemon and its plugins tell is in the manual
events_documented() {
  local kind missing=
  while read -r kind; do
    grep -qE "^\\.It Li (.* )?$kind( |\$)" "$SOURCE/man/org.iocore1.5" || missing="$missing $kind"
  done < <({
    grep -rhoE '(engine_tell|[>.]tell)\([^,]+, "[a-z-]+"' "$SOURCE/daemon" "$SOURCE/plugins" --include='*.c' | sed 's/.*"\(.*\)"/\1/'
    grep -hoE 'bus_event\([^,]+, "[a-z-]+"' "$SOURCE"/daemon/bus/*.c | sed 's/.*"\(.*\)"/\1/'
    sed -n '/^static const char \*event_name/,/^}/ s/"/\n/gp' "$SOURCE/daemon/epoch.c" | grep -E '^[a-z]+-[a-z]+$'
  } | sort -u)
  [ -z "$missing" ] || { echo "not in org.iocore1(5):$missing"; return 1; }
  for kind in $(sed -n '/^\.It Li Event(/,/^\.El/ s/^\.It Li \([a-z].*\)/\1/p' "$SOURCE/man/org.iocore1.5" | tr -d ,); do
    # those of domains are told as plugins name them, the contract says how
    grep -rqF "\"$kind\"" "$SOURCE/daemon" "$SOURCE/plugins" --include='*.c' || { [[ $kind = domain-* ]] && grep -qF "\"${kind#domain-}\"" "$SOURCE/plugins/iocore-plugin.h"; } ||
      missing="$missing $kind"
  done
  [ -z "$missing" ] || { echo "told by nobody:$missing"; return 1; }
}

# options_documented: every option that a plugin asks for is in the manual, and every one in the manual is asked for
options_documented() {
  local plugin option wrong=
  while read -r plugin option; do
    grep -qE "^\\.It Cm $option No of $plugin\$" "$SOURCE/man/iocored.conf.5" || wrong="$wrong $plugin/$option"
  done < <(cd "$SOURCE/plugins" && grep -oE '(option(_bool)?\([^"]*context, |define OPTION )"[a-z-]+"' -r vhost-sysfs vhost-thread systemd cpu sim --include='*.c' |
    sed -E 's,^([^/]*)/.*"(.*)"$,\1 \2,' | sort -u)
  while read -r option plugin; do
    grep -rqF "\"$option\"" "$SOURCE/plugins/$plugin" --include='*.c' || wrong="$wrong $option"
  done < <(sed -nE 's/^\.It Cm ([a-z-]+) No of ([a-z-]+)$/\1 \2/p' "$SOURCE/man/iocored.conf.5")
  [ -z "$wrong" ] || { echo "iocored.conf(5) and the plugins differ:$wrong"; return 1; }
}

members() { busctl --system introspect org.iocore1 /org/iocore1 org.iocore1.Manager | awk '$2 == "'"$1"'"' | wc -l; }

test_objects() {
  local class path verb queues

  is "$(ctl status --json | jq -c '[.mode, (.nodes | length), (.cores | length), (.units | length), has("queues")]')" '["active",2,8,3,false]' \
    "the state has every section but queues"
  is "$(ctl nodes --json | jq -c 'map([.node, .cpus])')" '[[0,4],[1,4]]' "nodes are those of the topology"
  is "$(ctl domains --json | jq -c 'map([.name, .node, .vcpus, .state])')" '[["alpha",0,2,"running"],["beta",0,1,"running"],["gamma",1,1,"running"]]' \
    "domains have node, vCPUs and state"
  is "$(ctl domains | awk 'NR < 3 { print $1, $2, $3, $4, $6 }' | tr '\n' ' ')" "DOMAIN STATE NODES VCPUS UNITS alpha running 0 2 1 " "domains are a table for people"
  is "$(ctl domain show alpha --json | jq -c '[.name, .nodes, .units, .policy, .class, .weight, .pinned, (.vcpu_threads | map(.id))]')" '["alpha",[0],1,"","",null,false,[0,1]]' \
    "domain show has all of one"
  ctl domain show alpha | grep -qE '^ +vCPUs  0: cell 0, CPUs unknown$'
  ok $? "domain show is readable, and leaves out what is not known"
  holds "a domain that is not there" error NoSuchObject domain show nobody
  is "$(ctl domain show $'no\e[2Jbody' 2>&1 >/dev/null | tr -d '\n')" 'iocorectl: There is no domain "no?[2Jbody"' "what is told on a terminal cannot command it"
  holds "nor is there advice for it" error NoSuchObject domain advise nobody
  is "$(ctl domain advise nobody 2>&1)" 'iocorectl: There is no domain "nobody"' "which says for what"
  ctl status | grep -qE '^ +objects  1 worker, 3 units, 3 devices, 3 domains$'
  ok $? "status counts what there is, also where it is one"
  is "$(ctl domain advise alpha --json | jq -c .)" '{"domain":"alpha","xml":""}' "a small domain is advised nothing"
  local advisers=() adviser
  for adviser in {1..24}; do
    ctl domain advise alpha > "$dir/advice.$adviser" 2>&1 &
    advisers+=($!)
  done
  wait "${advisers[@]}"
  is "$(cat "$dir"/advice.* | sort -u)" "It fits a node, or has guest cells: nothing to advise." "however many ask for advice at a time, all are answered"
  is "$(ctl units --json | jq -c 'map([.id, .domain, .core])')" '[["d.1","alpha",-1],["d.2","beta",-1],["d.3","gamma",-1]]' "units are on no I/O core yet"
  is "$(ctl queues --all --json | jq length)" 6 "every queue is listed with --all"
  wait_until 30 queue_is vq.1.1 '.packets_per_second > 50000'
  ok $? "a busy queue's rate is the scenario's"
  for verb in status nodes "cores --all" workers units devices "queues --all" domains "policy list" decisions; do
    # shellcheck disable=SC2086
    ctl $verb >"$dir/table" && ctl $verb --json | jq -e . >/dev/null && [ -s "$dir/table" ]
    ok $? "$verb is a table, and JSON with --json"
  done
  is "$(ctl units | awk 'NR > 1 { print $1 }' | tr '\n' ' ')" "d.1 d.2 d.3 " "a table has a line for each object"
  is "$(ctl units --no-legend | wc -l)" 3 "--no-legend leaves the headings out"

  for path in core/_30:Core:14 worker/w_2e1:Worker:10 unit/d_2e1:Unit:12 device/d_2e1:Device:3 queue/vq_2e1_2e1:Queue:17 domain/alpha:Domain:16 policy/quiet:Policy:11; do
    IFS=: read -r path class queues <<<"$path"
    holds "all properties of $path can be read" readable "/org/iocore1/$path" "org.iocore1.$class" "$queues"
    holds "all members of org.iocore1.$class are in the manual" documented "/org/iocore1/$path" "org.iocore1.$class"
  done
  holds "all members of org.iocore1.Manager are in the manual" documented /org/iocore1 org.iocore1.Manager
  holds "iocored.conf(5) has the options of plugins, and no others" options_documented
  holds "all kinds of events are in the manual" events_documented
  is "$(members method)" 23 "the Manager has its methods"
  is "$(members signal)" 3 "the Manager has its signals"
  is "$(get /org/iocore1/unit/d_2e1 org.iocore1.Unit Device)" '["d.1","/org/iocore1/device/d_2e1"]' "a reference is id and path"
  is "$(get /org/iocore1/device/d_2e1 org.iocore1.Device Queues)" '[["vq.1.0","/org/iocore1/queue/vq_2e1_2e0"],["vq.1.1","/org/iocore1/queue/vq_2e1_2e1"]]' \
    "a device names its queues"
  is "$(get /org/iocore1/domain/beta org.iocore1.Domain Units)" '[["d.2","/org/iocore1/unit/d_2e2"]]' "a domain names its units"
  is "$(get /org/iocore1/domain/alpha org.iocore1.Domain VCPUThreads)" '[[0,0,0,false,""],[1,0,0,false,""]]' "a domain names its vCPUs"
  is "$(for verb in IOThreads Cells Devices; do get /org/iocore1/domain/alpha org.iocore1.Domain $verb; done | tr -d '\n')" '[][][]' "and what else it has"
  holds "an object that is not there is an error" status 1 busctl --system get-property org.iocore1 /org/iocore1/unit/d_2e99 org.iocore1.Unit Id
  holds "a CPU that is not there is an error" status 1 busctl --system get-property org.iocore1 /org/iocore1/core/_399 org.iocore1.Core Cpu
  is "$(busctl --system --json=short call org.iocore1 /org/iocore1 org.freedesktop.DBus.ObjectManager GetManagedObjects |
    jq -c '.data[0] | keys | map(split("/")[3]) | group_by(.) | map([.[0], length])')" \
    '[["core",8],["device",3],["domain",3],["policy",1],["unit",3],["worker",1]]' "managed objects are all but queues"
  is "$(busctl --system tree --list org.iocore1 | grep -c /queue/vq)" 6 "queues are found by introspection"
}

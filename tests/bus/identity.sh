# SPDX-License-Identifier: LGPL-2.1-or-later
# A stock kernel's workers: who each of them is, how a plugin says it works, what it tells. The host is tests/bus/stock-host.c.

build_stock_host() {
  mkdir -p "$dir/plugins" &&
    ${CC:-cc} -std=gnu17 -fPIC -shared -fvisibility=hidden -I"$SOURCE/plugins" "$SOURCE/tests/bus/stock-host.c" -o "$dir/plugins/stock-host.so" &&
    chmod 644 "$dir/plugins/stock-host.so"
}

# columns FILE: the headings of a table
columns() { head -1 "$1" | tr -s ' ' | sed 's/ $//'; }
widest() { awk '{ if (length($0) > w) w = length($0) } END { print w + 0 }' "$1"; }

# make_host DIR: a host of fixture files with which every check of doctor can be made
make_host() {
  mkdir -p "$1"/proc/self "$1"/proc/sys/kernel "$1"/proc/7 "$1"/sys/devices/system/cpu/smt "$1"/sys/devices/system/cpu/cpu0/topology
  echo 6.1.0-50-amd64 >"$1/proc/sys/kernel/osrelease"
  echo 'proc /proc proc rw 0 0' >"$1/proc/self/mounts"
  printf 'CapEff:\t0000000000800000\n' >"$1/proc/self/status"
  printf '\033]0;hostile\007\n' >"$1/proc/7/comm"
  echo >"$1/sys/devices/system/cpu/isolated"
  echo 0 >"$1/sys/devices/system/cpu/smt/active"
  echo 0 >"$1/sys/devices/system/cpu/cpu0/topology/thread_siblings_list"
}

answer() { jq -r --arg check "$1" '.[] | select(.check == $check) | .answer' "$dir/doctor.json"; }

test_doctor() {
  local check

  make_host "$dir/host"
  ctl doctor --root "$dir/host" --json >"$dir/doctor.json"
  is $? 0 "doctor needs no daemon, and its status is 0 when every check could be made"
  is "$(answer kernel) $(answer rights) $(answer proc) $(answer cpuset) $(answer smt) $(answer daemon)" "yes partly yes no no " "it answers yes, partly or no"
  is "$(jq -c 'map(keys) | unique' "$dir/doctor.json")" '[["about","advice","answer","check","found"]]' "each check has what was found and what to do"
  for check in $(jq -r '.[].check' "$dir/doctor.json"); do
    grep -q "^\.It Cm $check\$" "$SOURCE/man/iocorectl.1"
    ok $? "the check $check is in the manual"
  done
  ctl doctor --root "$dir/host" >"$dir/table"
  is "$(wc -l <"$dir/table")" $(($(jq length "$dir/doctor.json") + 1)) "a table has one line for each check"
  grep -qE '^rights +partly +this process lacks CAP_SYS_PTRACE .* -- run as root' "$dir/table"
  ok $? "with what was found and what to do"
  echo 'no release' >"$dir/host/proc/sys/kernel/osrelease"
  ctl doctor --root "$dir/host" --json >"$dir/doctor.json"
  is "$? $(answer kernel)" "1 unknown" "a file that makes no sense is unknown, and the status 1"
  holds "a root that is not there is wrong use" status 2 ctl doctor --root "$dir/nowhere"
  ctl doctor --root "$dir/host" --bus "$DBUS_SYSTEM_BUS_ADDRESS" --json >"$dir/doctor.json"
  is "$(answer daemon) $(answer can-poll)" "$1" "$2"
}

# what a plugin tells reaches those who follow
test_told() {
  begin_monitor
  follow_events
  # these subscribe before they ask for anything
  "$dir/iocorectl" watch --interval 0.1 --json >"$dir/watched" 2>&1 &
  watcher_pid=$!
  "$dir/iocorectl" watch --interval 0.1 --no-legend >"$dir/watched-table" 2>&1 &
  table_pid=$!
  wait_until 30 lines "$dir/watched" 1 && wait_until 30 lines "$dir/watched-table" 1
  echo $'not-isolated 4711.9 is bound to CPU 3 by hand\xff' >"$dir/tell"
  holds "an event of a plugin is a signal" wait_until 30 told \
    '.member == "Event" and .payload.data == ["not-isolated", "4711.9", "is bound to CPU 3 by hand?"]'
  holds "events shows kind, object and reason" wait_until 30 grep -qE '^[0-9:]{8} not-isolated 4711.9: is bound to CPU 3 by hand\?$' "$dir/followed"
  holds "watch has the event with --json" wait_until 30 grep -q '"events":\[.*{"kind":"not-isolated","object":"4711.9"' "$dir/watched"
  holds "and without" wait_until 30 grep -qE '  not-isolated 4711.9: is bound to CPU 3 by hand\?$' "$dir/watched-table"
  echo 'not-isolated 4711.9 ' >"$dir/tell"
  holds "and when it is over, that too" wait_until 30 grep -qE '^[0-9:]{8} not-isolated 4711.9: no longer$' "$dir/followed"
  end_follower
  kill "$watcher_pid" "$table_pid"
  wait "$watcher_pid" "$table_pid" 2>/dev/null
  end_monitor
  : >"$dir/tell"
}

test_identity() {
  local worker=/org/iocore1/worker/t_2e102 unknown=/org/iocore1/worker/t_2e103 unit=/org/iocore1/unit/t_2e102

  holds "a plugin for a made-up stock host is built" build_stock_host || return
  : >"$dir/tell"
  cat >"$dir/stock.conf" <<END
[daemon]
journal = $dir/journal3
plugin-directory = $dir/plugins
plugins = stock-host
policy-directories = $dir/policies
epoch = 50ms
scan-interval = 100ms
[topology]
synthetic = pack:1 numa:1 core:4 pu:1
[plugin.stock-host]
tell = $dir/tell
END
  cp "$dir/stock.conf" "$dir/iocored.conf"
  start_daemon || { ok 1 "iocored starts on a stock host"; return; }

  is "$(get $worker org.iocore1.Worker Kind) $(get $worker org.iocore1.Worker Backend) $(get $worker org.iocore1.Worker QueuePair)" '"net" "tap-red" 1' \
    "a worker has kind, backend and queue pair"
  is "$(get $worker org.iocore1.Worker Owner) $(get $worker org.iocore1.Worker Domain) $(get $worker org.iocore1.Worker Unidentified)" '5000001 "red" ""' \
    "a worker has owner and domain"
  is "$(get $unknown org.iocore1.Worker QueuePair) $(get $unknown org.iocore1.Worker Kind) $(get $unknown org.iocore1.Worker Unidentified)" \
    '-1 "" "the fds of process 5000009 cannot be read"' "one that cannot be told says why"
  is "$(get $unknown org.iocore1.Worker Domain)" '"blue??[31m-whose-name-is-too-long-for-a-line"' "a name that is not UTF-8, with control characters, is made harmless"
  is "$(get $unit org.iocore1.Unit QueuePair) $(get $unit org.iocore1.Unit Unidentified)" '1 ""' "a unit has its queue pair"
  is "$(get /org/iocore1/device/net_2etap_2dred org.iocore1.Device Kind) $(get /org/iocore1/device/net_2etap_2dred org.iocore1.Device QueuePairs)" '"net" 2' \
    "a device has its kind and the number of its queue pairs"
  is "$(busctl --system get-property org.iocore1 /org/iocore1/queue/net_2etap_2dred_2erx org.iocore1.Queue Counters)" \
    'a{st} 3 "bytes" 7000 "packets" 7 "drops" 2' "a queue has each counter that its kernel side has, once"
  is "$(get /org/iocore1 org.iocore1.Manager About)" '[["stock-host","discovery","one look at the start"],["stock-host","reservation","none?"]]' \
    "the plugin says how it works"
  is "$(ctl workers --json | jq -c 'map([.id, .kind, .backend, .queue_pair, .owner, .domain])')" \
    '[["t.101","net","tap-red",0,5000001,"red"],["t.102","net","tap-red",1,5000001,"red"],["t.103","","",null,5000009,"blue??[31m-whose-name-is-too-long-for-a-line"]]' "the same as JSON"
  is "$(ctl units --json | jq -c 'map([.device, .kind, .queue_pair, .unidentified])[1:]')" \
    '[["net.tap-red","net",1,""],["","",null,"the fds of process 5000009 cannot be read"]]' "and that of units"
  is "$(get /org/iocore1/unit/t_2e102 org.iocore1.Unit State) $(get /org/iocore1/unit/t_2e102 org.iocore1.Unit Blocked)" '"manual" false' "what a hand has bound is manual"
  is "$(get /org/iocore1/unit/t_2e103 org.iocore1.Unit State) $(get /org/iocore1/unit/t_2e103 org.iocore1.Unit Blocked)" '"active" true' "what is kept away is blocked"
  is "$(ctl units --json | jq -c 'map([.state, .blocked])')" '[["active",false],["manual",false],["active",true]]' "the same as JSON"
  is "$(ctl units | awk '/^t\./ { print $NF }' | tr '\n' ' ')" "active manual blocked " "and one word for each in the table"
  is "$(ctl devices --json | jq -c 'map([.id, .kind, .backend, .owner, .queue_pairs])')" '[["net.tap-red","net","tap-red",5000001,2]]' "and that of devices"
  is "$(state | jq -c '.plugins | map([.name, (.about | map(.key))])')" '[["stock-host",["discovery","reservation"]]]' "the state says how plugins work"

  ctl workers >"$dir/table"
  is "$(columns "$dir/table")" "WORKER CPU PID KIND BACKEND PAIR OWNER DOMAIN LOAD WAIT SWITCHES/S STATE" "workers have the columns of a stock host"
  is "$(awk '$1 == "t.102" { print $3, $4, $5, $6, $7, $8 }' "$dir/table")" "102 net tap-red 1 5000001 red" "a worker's line says whose it is"
  is "$(awk '$1 == "t.103" { print $4, $5, $6, $7 }' "$dir/table")" "? - ? 5000009" "what cannot be told is a question mark"
  is "$(tail -1 "$dir/table")" "? t.103: the fds of process 5000009 cannot be read" "and below the table stands why"
  [ "$(widest "$dir/table")" -le 120 ]
  ok $? "the table is no wider than 120 columns"
  on_terminal "stty cols 80; $dir/iocorectl workers" | sed 's/\r$//; s/\x1b\[[0-9;]*m//g' >"$dir/narrow"
  is "$(widest "$dir/narrow" | awk '{ print ($1 <= 80) }') $(grep -c '^t\.' "$dir/narrow") $(grep -c 'blue.*for-a-line' "$dir/narrow")" "1 3 0" \
    "on a narrow terminal a domain's name is cut, and no line wider"
  ctl workers --all >"$dir/table"
  is "$(columns "$dir/table" | grep -oE 'LOCKED|SHARED|DEFAULT|PAIR' | tr '\n' ' ')" "PAIR LOCKED SHARED DEFAULT " "--all shows every column"
  is "$(ctl workers --no-legend | wc -l)" 3 "--no-legend leaves out headings and reasons"
  is "$(ctl devices | awk 'NR == 2 { print $1, $2, $3, $4, $5 }')" "net.tap-red net tap-red 5000001 2" "devices are a table with kind and pairs"

  ctl status >"$dir/status"
  grep -qx '   discovery  stock-host: one look at the start' "$dir/status"
  ok $? "status says how the plugin works"
  grep -qx '      cannot  poll: this host cannot poll' "$dir/status"
  ok $? "status says what the host cannot do, and why"
  is "$(get /org/iocore1 org.iocore1.Manager Unavailable | jq -r .poll)" "this host cannot poll" "and so does the property Unavailable"
  test_told
  test_doctor "yes no" "with a daemon it tells what that cannot do"
  stop_daemon TERM
  ctl doctor --root "$dir/host" --bus "$DBUS_SYSTEM_BUS_ADDRESS" --json >"$dir/doctor.json" 2>"$dir/doctor.err"
  is "$(answer daemon) $(answer can-poll)$(cat "$dir/doctor.err")" "no " "without one it says so, and nothing else"
}

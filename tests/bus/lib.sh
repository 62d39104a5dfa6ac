# SPDX-License-Identifier: LGPL-2.1-or-later
# A private D-Bus with the shipped policy file, and iocored on a simulated host on it. Needs BUILD and SOURCE; sets $dir. end_all ends everything, by pid.

dir=
bus_pid=
daemon_pid=

begin() {
  dir=$(mktemp -d)
  chmod 755 "$dir" # others are to reach the bus, and this copy of iocorectl
  cp "$BUILD/iocorectl" "$dir/iocorectl"
  mkdir "$dir/policies"
  cp "$SOURCE"/tests/bus/policies/*.lua "$dir/policies"
  # Like the system bus: nobody owns a name or gets a method call unless a file of its own allows it.
  cat >"$dir/bus.conf" <<END
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type><listen>unix:path=$dir/bus</listen><auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><deny own="*"/><deny send_type="method_call"/>
    <allow send_type="signal"/><allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <policy user="$(id -un)"><allow own="org.iocore1"/></policy>
  <include>$SOURCE/daemon/bus/org.iocore1.conf</include>
</busconfig>
END
  export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$dir/bus
  start_bus
}

# It tells its address when it listens: the socket is there before that.
start_bus() {
  dbus-daemon --config-file="$dir/bus.conf" --nofork --nopidfile --print-address=3 3>"$dir/bus.address" >>"$dir/bus.log" 2>&1 &
  bus_pid=$!
  wait_until 60 test -s "$dir/bus.address"
}

stop_bus() {
  [ -n "$bus_pid" ] || return 0
  kill "$bus_pid" 2>/dev/null
  wait "$bus_pid" 2>/dev/null
  bus_pid=
  rm -f "$dir/bus"
}

# configure SCENARIO SYNTHETIC [TEXT]: writes iocored.conf
configure() {
  cat >"$dir/iocored.conf" <<END
[daemon]
journal = $dir/journal
plugins = sim
policy-directories = $dir/policies
epoch = 50ms
${3:-}
[topology]
synthetic = $2
[plugin.sim]
scenario = $1
pace = real
END
}

# start_daemon [ARGUMENT...]: and waits until it decides
start_daemon() {
  "$BUILD/iocored" --config "$dir/iocored.conf" "$@" >>"$dir/iocored.log" 2>&1 &
  daemon_pid=$!
  wait_until 60 past_epoch 3 || { diag "iocored did not start"; diag "$(tail -20 "$dir/iocored.log")"; return 1; }
}

# stop_daemon [SIGNAL]: returns its exit status
stop_daemon() {
  local pid=$daemon_pid
  [ -n "$pid" ] || return 0
  daemon_pid=
  kill -"${1:-TERM}" "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
}

end_all() {
  stop_daemon TERM
  stop_bus
  [ -z "$dir" ] || rm -rf "$dir"
}

ctl() { "$dir/iocorectl" "$@"; }
# as somebody who is neither root nor the daemon's user
nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"; }
# state SECTION... : the daemon's JSON
state() { ctl status --json; }
epoch() { state | jq .epoch; }
past_epoch() { [ "$(epoch)" -gt "$1" ]; }
io_cores() { ctl cores --json | jq -c 'map(.cpu)'; }
unit_core() { ctl units --json | jq --arg id "$1" '.[] | select(.id == $id) | .core'; }
queue_is() { ctl queues --all --json | jq -e --arg id "$1" ".[] | select(.id == \$id) | $2" >/dev/null; }
get() { busctl --system --json=short get-property org.iocore1 "$1" "$2" "$3" | jq -c .data; }
# error NAME COMMAND...: a wish through iocorectl --json fails with the error org.iocore1.Error.NAME
error() {
  local name=$1 output
  shift
  output=$(ctl "$@" --json 2>/dev/null)
  [ $? -eq 1 ] && [ "$(jq -r .error <<<"$output")" = "org.iocore1.Error.$name" ]
}
# status STATUS COMMAND...: the command exits with STATUS
status() {
  local wanted=$1 got
  shift
  "$@" >/dev/null 2>&1
  got=$?
  [ "$got" -eq "$wanted" ] || { echo "exit status $got, not $wanted"; return 1; }
}
resident_kib() { awk '/^VmRSS:/ { print $2 }' "/proc/$daemon_pid/status"; }

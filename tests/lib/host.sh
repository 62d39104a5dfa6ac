# SPDX-License-Identifier: LGPL-2.1-or-later
# A simulated host behind FUSE, a private D-Bus and iocored, all below one temporary directory, for tests and for the demo.
# Needs BUILD and SOURCE. Sets $host, the directory. Everything is ended by host_end, which the caller traps on EXIT.

host=
host_pids=()

# host_begin: makes the directory and starts the bus.
host_begin() {
  host=$(mktemp -d)
  mkdir -p "$host/root/proc" "$host/root/sys/class/vhost" "$host/policies.d"
  cat >"$host/bus.conf" <<EOF
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=$host/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow own="*"/><allow user="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
EOF
  # it tells its address when it listens: the socket is there before that
  dbus-daemon --config-file="$host/bus.conf" --nofork --nopidfile --print-address=3 3>"$host/bus.address" >"$host/bus.log" 2>&1 &
  host_pids+=($!)
  host_until 60 test -s "$host/bus.address" || host_fail "the private D-Bus did not start" bus.log || return 1
  export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$host/bus
}

# host_until SECONDS COMMAND...: polls until the command succeeds.
host_until() {
  local host_until_end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$host_until_end" ] || return 1
    read -rt 0.05 <> <(:) || :
  done
}

host_fail() {
  echo "$1" >&2
  [ -e "$host/$2" ] && tail -20 "$host/$2" >&2
  return 1
}

# host_kernel SCENARIO GENERATION [iocore-simfs ARGUMENT...]: mounts the simulated kernel's control interface.
host_kernel() {
  local scenario=$1 generation=$2
  shift 2
  : >"$host/simfs.log"
  "$BUILD/tests/simfs/iocore-simfs" "$host/root/sys/class/vhost" --scenario "$scenario" --generation "$generation" --proc "$host/root/proc" "$@" >"$host/simfs.log" 2>&1 &
  host_kernel_pid=$!
  host_until 60 grep -q ready "$host/simfs.log" || host_fail "the simulated host did not start" simfs.log || return 1
  topology=$("$BUILD/tests/simfs/iocore-simfs" --print-topology --scenario "$scenario")
}

# host_kernel_end: unmounts it.
host_kernel_end() {
  [ -n "${host_kernel_pid:-}" ] || return 0
  kill "$host_kernel_pid" 2>/dev/null
  wait "$host_kernel_pid" 2>/dev/null
  host_kernel_pid=
  ! mountpoint -q "$host/root/sys/class/vhost" || fusermount3 -uz "$host/root/sys/class/vhost"
}

# host_configure [TEXT]: writes iocored.conf; TEXT is appended. POLICIES: directory of policies (default: the shipped ones).
host_configure() {
  cat >"$host/iocored.conf" <<EOF
[daemon]
root = $host/root
journal = $host/journal
plugins = vhost-sysfs cpu
policy-directories = ${POLICIES:-$BUILD/policies.d}
[topology]
synthetic = $topology
${1:-}
EOF
}

# host_daemon [iocored ARGUMENT...]: starts iocored and waits until it answers on the bus. $daemon_pid
host_daemon() {
  "$BUILD/iocored" --config "$host/iocored.conf" "$@" >>"$host/iocored.log" 2>&1 &
  daemon_pid=$!
  # before the second sample it takes no wishes
  host_until 60 host_sampled || host_fail "iocored did not start" iocored.log
}

host_sampled() {
  [ "$("$BUILD/iocorectl" status --json | jq .epoch)" -ge 2 ]
}

# host_long_epoch LENGTH: configures that, and returns when a long epoch is under way: the last short one, which was due within 100 ms, has been.
host_long_epoch() {
  sed -i "s/^\[daemon\]/[daemon]\nepoch = $1/" "$host/iocored.conf"
  "$BUILD/iocorectl" reload >/dev/null && host_until 60 host_no_epoch_since_200_msec
}

# The status is made anew when it is asked for after an epoch, and says when that was.
host_no_epoch_since_200_msec() {
  local now=${EPOCHREALTIME/[.,]/}
  [ $((now - $("$BUILD/iocorectl" status --json | jq .usec))) -ge 200000 ]
}

# host_daemon_end [SIGNAL]: ends it; returns its exit status.
host_daemon_end() {
  [ -n "${daemon_pid:-}" ] || return 0
  local pid=$daemon_pid
  daemon_pid=
  kill -"${1:-TERM}" "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
}

# host_control COMMAND: asks the simulator (see iocore-simfs --help); done when it returns.
host_control() {
  /usr/bin/python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.iocore.control", sys.argv[2].encode())' "$host/root/sys/class/vhost" "$1"
}

# host_dump FILE: the control state of the simulated kernel as JSON.
host_dump() {
  rm -f "$1"
  host_control "dump $1" && test -s "$1" || host_fail "the simulated host does not answer" simfs.log
}

# host_difference BEFORE AFTER: prints what is not as it was; nothing when all is. Devices that were born in between must be on the default worker.
host_difference() {
  jq -n --slurpfile before "$1" --slurpfile after "$2" -r -f "$SOURCE/tests/lib/difference.jq"
}

host_end() {
  host_daemon_end TERM
  host_kernel_end
  local pid
  for pid in "${host_pids[@]}"; do
    kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
  done
  host_pids=()
  [ -z "$host" ] || rm -rf "$host"
}

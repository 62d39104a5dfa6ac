# SPDX-License-Identifier: LGPL-2.1-or-later
# What cases share; sourced inside the test machine. WORK is the case's own directory. Everything waits for conditions, never for a time.

# start_load NAME CPUS [PACE...]: a load whose owner is allowed CPUS; its worker's thread id is then in $WORK/load.NAME.worker.
start_load() {
  local name=$1 cpus=$2
  shift 2
  mkfifo "$WORK/load.$name.control"
  taskset -c "$cpus" vhost-load "$@" <> "$WORK/load.$name.control" > "$WORK/load.$name.out" 2> "$WORK/load.$name.log" &
  echo $! > "$WORK/load.$name.pid"
  wait_until 60 grep -q '^worker ' "$WORK/load.$name.out" || return 1
  sed -n 's/^worker //p' "$WORK/load.$name.out" > "$WORK/load.$name.worker"
}

# tell_load NAME WORDS...
tell_load() {
  local name=$1
  shift
  echo "$*" > "$WORK/load.$name.control"
}

stop_load() {
  local pid
  pid=$(cat "$WORK/load.$1.pid")
  kill "$pid" 2> /dev/null
  wait "$pid" 2> /dev/null
  rm -f "$WORK/load.$1."*
}

# No program is started from here to run_nsec(): conditions ask often, and an emulated machine is slow at starting one.
worker_of() {
  local id=
  read -r id < "$WORK/load.$1.worker"
  echo "$id"
}

# read_status DIRECTORY: its status file into $status, as one piece: between two reads of a line each the state of a thread that works changes, the text
# before the next line with its length, and the line is cut.
read_status() {
  status=
  IFS= read -r -d '' status 2> /dev/null < "$1/status"
  [ -n "$status" ]
}

# status_field KEY: from $status, the kernel's own words.
status_field() {
  local rest=${status#*$'\n'"$1":$'\t'}
  [ "$rest" != "$status" ] && echo "${rest%%$'\n'*}"
}

# field_of TID KEY: a line of its status file.
field_of() {
  local status
  read_status "/proc/$1" && status_field "$2"
}

cpus_of() {
  field_of "$1" Cpus_allowed_list
}

# The CPU that it last ran on.
last_cpu_of() {
  local line fields
  read -r line < "/proc/$1/stat" || return 1
  read -ra fields <<< "${line##*) }"
  echo "${fields[36]}"
}

run_nsec() {
  local run rest
  read -r run rest < "/proc/$1/schedstat" && echo "$run"
}

wait_nsec() {
  local run wait rest
  read -r run wait rest < "/proc/$1/schedstat" && echo "$wait"
}

# Masks of all threads of the machine, a line for each: "tid starttime mask".
dump_masks() {
  local directory line fields status
  for directory in /proc/[0-9]*/task/[0-9]*; do
    read -r line < "$directory/stat" || continue
    read -ra fields <<< "${line##*) }"
    read_status "$directory" && echo "${directory##*/} ${fields[19]} $(status_field Cpus_allowed)"
  done 2> /dev/null | sort -n
}

# start_daemon [OPTIONS...]: returns when it answers on the bus.
start_daemon() {
  printf '%s\n' "${configuration:-}" > "$WORK/iocored.conf"
  iocored --config "$WORK/iocored.conf" "$@" >> "$WORK/daemon.log" 2>&1 &
  echo $! > "$WORK/daemon.pid"
  wait_until 60 iocorectl status
}

# stop_daemon SIGNAL: returns when it is gone; its exit status is in daemon_status.
stop_daemon() {
  local pid
  pid=$(cat "$WORK/daemon.pid")
  kill "-$1" "$pid"
  wait "$pid" 2> /dev/null
  daemon_status=$?
}

# Whatever a case leaves behind: init calls it after each one.
stop_everything() {
  killall -9 iocored vhost-load
}

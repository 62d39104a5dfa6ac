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

worker_of() {
  cat "$WORK/load.$1.worker"
}

workers() {
  cat "$WORK"/load.*.worker
}

# The kernel's own words: the mask, bit for bit.
mask_of() {
  sed -n 's/^Cpus_allowed:[[:space:]]*//p' "/proc/$1/status"
}

cpus_of() {
  sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$1/status"
}

# Masks of all threads of the machine, a line for each: "tid starttime mask".
dump_masks() {
  local directory
  for directory in /proc/[0-9]*/task/[0-9]*; do
    [ -r "$directory/status" ] && echo "${directory##*/} $(sed 's/.*) //' "$directory/stat" | cut -d' ' -f20) $(sed -n 's/^Cpus_allowed:[[:space:]]*//p' "$directory/status")"
  done 2> /dev/null | sort -n
}

run_nsec() {
  cut -d' ' -f1 "/proc/$1/schedstat"
}

wait_nsec() {
  cut -d' ' -f2 "/proc/$1/schedstat"
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

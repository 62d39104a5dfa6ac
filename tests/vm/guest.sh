# SPDX-License-Identifier: LGPL-2.1-or-later
# What cases share; sourced inside the test machine. WORK is the case's own directory. Everything waits for conditions, never for a time.

# start_load NAME CPUS [OPTIONS...]: a load whose owner is allowed CPUS, in no cgroup of its own. See vhost-load for the options.
start_load() {
  local name=$1 cpus=$2
  shift 2
  mkfifo "$WORK/load.$name.control"
  taskset -c "$cpus" vhost-load "$@" <> "$WORK/load.$name.control" > "$WORK/load.$name.out" 2> "$WORK/load.$name.log" &
  echo $! > "$WORK/load.$name.pid"
  wait_until 60 grep -q '^tap ' "$WORK/load.$name.out"
}

# cgroups of a VM as libvirt makes them. They are found again by the load's name: make_cgroups NAME N-VCPUS leaves the topmost in $WORK/load.NAME.cgroup.
machine_number=0
make_cgroups() {
  local name=$1 n=$2 top directory vcpu
  machine_number=$((machine_number + 1))
  if [ -d /sys/fs/cgroup/cpuset ]; then
    top=/sys/fs/cgroup/cpuset/machine/qemu-$machine_number-$name.libvirt-qemu
    make_v1_cgroup "${top%/*}"
    make_v1_cgroup "$top"
    make_v1_cgroup "$top/emulator"
    for ((vcpu = 0; vcpu < n; vcpu++)); do make_v1_cgroup "$top/vcpu$vcpu"; done
    echo "$top $top" > "$WORK/load.$name.cgroup"
  else
    top=/sys/fs/cgroup/machine.slice/machine-qemu\\x2d$machine_number\\x2d$name.scope
    for directory in "${top%/*}" "$top" "$top/libvirt"; do
      mkdir -p "$directory"
      echo +cpuset > "$directory/cgroup.subtree_control"
    done
    mkdir "$top/libvirt/emulator"
    echo threaded > "$top/libvirt/emulator/cgroup.type"
    for ((vcpu = 0; vcpu < n; vcpu++)); do
      mkdir "$top/libvirt/vcpu$vcpu"
      echo threaded > "$top/libvirt/vcpu$vcpu/cgroup.type"
    done
    echo "$top $top/libvirt" > "$WORK/load.$name.cgroup"
  fi
}

# With v1 a cpuset is empty at first, and takes nobody.
make_v1_cgroup() {
  local parent=${1%/*}
  mkdir -p "$1"
  cat "$parent/cpuset.mems" > "$1/cpuset.mems"
  cat "$parent/cpuset.cpus" > "$1/cpuset.cpus"
}

# cgroup_of NAME [emulator|vcpuN]: the directory; without the second the topmost one of the VM (systemd's scope).
cgroup_of() {
  local top= inner=
  read -r top inner < "$WORK/load.$1.cgroup"
  if [ $# -gt 1 ]; then echo "$inner/$2"; else echo "$top"; fi
}

# What goes to a cgroup and to one thread's affinity when libvirt pins; "-": neither.
pin_thread() { # pin_thread TID CGROUP CPUS
  if [ "$3" != - ]; then echo "$3" > "$2/cpuset.cpus"; fi
  if [ -e "$2/cgroup.threads" ]; then echo "$1" > "$2/cgroup.threads"; else echo "$1" > "$2/tasks"; fi
  if [ "$3" != - ]; then taskset -cp "$3" "$1" > /dev/null; fi
}

# start_vm NAME EMULATOR-CPUS VCPU-CPUS [OPTIONS...]: a load in cgroups like libvirt's, with a command line like QEMU's, pinned as <emulatorpin> and <vcpupin> of
# all vCPUs do ("-": not). The process is in the cgroup, and has the affinity, before it opens a device; the vCPUs' threads are moved afterwards.
start_vm() {
  local name=$1 emulator_cpus=$2 vcpu_cpus=$3 n=0 option word tid vcpu
  local -a before=()
  shift 3
  for option; do
    [ "${word:-}" != --vcpus ] || n=$option
    word=$option
  done
  make_cgroups "$name" "$n" || return 1
  [ "$emulator_cpus" = - ] || { echo "$emulator_cpus" > "$(cgroup_of "$name" emulator)/cpuset.cpus" && before=(taskset -c "$emulator_cpus"); }
  mkfifo "$WORK/load.$name.control"
  (
    echo "$BASHPID" > "$(cgroup_of "$name" emulator)/cgroup.procs"
    exec "${before[@]}" vhost-load "$@" --name /usr/bin/qemu-system-x86_64 -- -name "guest=$name,debug-threads=on" -machine pc \
      -netdev '{"type":"tap","fds":"%fds","vhost":true,"vhostfds":"%vhostfds","id":"hostnet0"}' -device virtio-net-pci,netdev=hostnet0
  ) <> "$WORK/load.$name.control" > "$WORK/load.$name.out" 2> "$WORK/load.$name.log" &
  echo $! > "$WORK/load.$name.pid"
  wait_until 60 grep -q '^tap ' "$WORK/load.$name.out" || return 1
  for ((vcpu = 0; vcpu < n; vcpu++)); do
    wait_until 60 grep -q "^vcpu [0-9]* $vcpu\$" "$WORK/load.$name.out" || return 1
    pin_thread "$(vcpu_of "$name" "$vcpu")" "$(cgroup_of "$name" "vcpu$vcpu")" "$vcpu_cpus"
  done
}

# tell_load NAME WORDS...
tell_load() {
  local name=$1
  shift
  echo "$*" > "$WORK/load.$name.control"
}

# add_pair NAME: returns when the load has one queue pair more (of a tap that was made for several: --pairs).
add_pair() {
  local n
  n=$(grep -c '^worker ' "$WORK/load.$1.out")
  tell_load "$1" pair
  wait_until 60 grep -q "^worker [0-9]* $n " "$WORK/load.$1.out"
}

# stop_load NAME: also of a VM; its cgroups go too.
stop_load() {
  local pid directory
  pid=$(cat "$WORK/load.$1.pid")
  kill "$pid" 2> /dev/null
  wait "$pid" 2> /dev/null
  if [ -e "$WORK/load.$1.cgroup" ]; then
    find "$(cgroup_of "$1")" -depth -type d > "$WORK/load.$1.cgroups"
    while IFS= read -r directory; do
      wait_until 30 rmdir "$directory" # a kernel thread that served it leaves a little later
    done < "$WORK/load.$1.cgroups"
  fi
  rm -f "$WORK/load.$1."*
}

# No program is started from here to run_nsec(): conditions ask often, and an emulated machine is slow at starting one.
# line_of NAME WORD [NUMBER]: the second word of the load's first line "WORD SECOND [NUMBER ...]".
line_of() {
  local word= second= number= rest
  while read -r word second number rest; do
    if [ "$word" = "$2" ] && [ "${3:-$number}" = "$number" ]; then
      echo "$second"
      return 0
    fi
  done < "$WORK/load.$1.out"
  return 1
}

# worker_of NAME [PAIR]
worker_of() {
  line_of "$1" worker "${2:-0}"
}

workers_of() {
  local word= id= rest
  while read -r word id rest; do
    [ "$word" != worker ] || echo "$id"
  done < "$WORK/load.$1.out"
}

# born_usec NAME [PAIR]: when that worker existed, in microseconds since 1970.
born_usec() {
  sed -n "s/^worker [0-9]* ${2:-0} //p" "$WORK/load.$1.out"
}

# pid_of NAME: the process of a load.
pid_of() {
  local pid
  read -r pid < "$WORK/load.$1.pid" && echo "$pid"
}

# vcpu_of NAME N: its thread.
vcpu_of() {
  line_of "$1" vcpu "$2"
}

tap_of() {
  line_of "$1" tap
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

# in_list CPU LIST: is it in "0-3,8"?
in_list() {
  local part
  local -a parts
  IFS=, read -ra parts <<< "$2"
  for part in "${parts[@]}"; do
    [ "$1" -ge "${part%-*}" ] && [ "$1" -le "${part#*-}" ] && return 0
  done
  return 1
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

# All that iocored may change: "thread TID STARTTIME MASK CGROUPS" and "cpuset DIRECTORY - CPUS".
dump_state() {
  dump-state | sort
}

# differing BEFORE AFTER: of the threads and cpusets in both dumps, those that are not the same.
differing() {
  awk '{ key = $1 " " $2 " " $3; value = substr($0, length(key) + 2) }
    NR == FNR { before[key] = value; next }
    key in before && before[key] != value { print key ": " before[key] " -> " value }' "$1" "$2"
}

# as_before DESCRIPTION: all that iocored may change is as in $WORK/before, a dump_state made before.
as_before() {
  dump_state > "$WORK/after"
  is "$(differing "$WORK/before" "$WORK/after")" "" "$1"
}

# start_daemon [OPTIONS...]: returns when it answers on the bus.
start_daemon() {
  printf '%s\n' "${configuration:-}" > "$WORK/iocored.conf"
  iocored --config "$WORK/iocored.conf" "$@" >> "$WORK/daemon.log" 2>&1 &
  echo $! > "$WORK/daemon.pid"
  wait_until 60 iocorectl status
}

# The CPUs that are I/O cores, in one line, each with a blank behind it.
io_cores() {
  iocorectl cores --json | jq -r '.[] | select(.io_core) | .cpu' | tr '\n' ' '
}

# history [FILTER]: the decisions, as jq's filter makes of each.
history() {
  iocorectl history --limit 1000 --json | jq -r ".[] | ${1:-.}"
}

# stop_daemon SIGNAL: returns when it is gone; its exit status is in daemon_status.
stop_daemon() {
  local pid
  pid=$(cat "$WORK/daemon.pid")
  kill "-$1" "$pid"
  wait "$pid" 2> /dev/null
  daemon_status=$?
}

is_stopped() {
  case $(field_of "$1" State) in T*) ;; *) return 1 ;; esac
}

# stands_still COMMAND...: it succeeds, and the daemon is stopped by SIGSTOP while it does: otherwise it may always be about to do something else.
stands_still() {
  local daemon
  read -r daemon < "$WORK/daemon.pid"
  "$@" && kill -STOP "$daemon" || return 1
  wait_until 30 is_stopped "$daemon" && "$@" && return
  kill -CONT "$daemon"
  return 1
}

# Neither a program that a case starts is there, nor a vhost worker.
nothing_runs() {
  local file name
  for file in /proc/[0-9]*/comm; do
    read -r name 2> /dev/null < "$file" || continue
    case $name in vhost-[0-9]* | vhost-load | iocored | memory-load | qemu-system-x86*) return 1 ;; esac
  done
  return 0
}

# Whatever a case leaves behind: init calls it after each one.
stop_everything() {
  local directory own
  killall -9 iocored vhost-load memory-load qemu-system-x86_64
  wait_until 30 nothing_runs
  own=$(sed -n 's/^0:://p' /proc/self/cgroup)
  find /sys/fs/cgroup/machine.slice /sys/fs/cgroup/cpuset/machine -depth -type d 2> /dev/null | while IFS= read -r directory; do
    # with a systemd the cases are in one of them
    case $own/ in "${directory#/sys/fs/cgroup}"/*) continue ;; esac
    wait_until 30 rmdir "$directory"
  done
}

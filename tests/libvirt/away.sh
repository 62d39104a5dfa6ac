# SPDX-License-Identifier: LGPL-2.1-or-later
# libvirtd that is killed, or hangs.

# lateness FILE: how late each epoch begins that is seen, in microseconds, for as long as FILE.goes is there; sorted in FILE at the end
lateness() {
  local last=0 now late
  while [ -e "$1.goes" ]; do
    read -r now late < <(busctl --system --json=short get-property org.iocore1 /org/iocore1 org.iocore1.Manager Epoch LastLateUSec | jq -s -r '[.[].data] | @tsv')
    [ -n "$now" ] && [ "$now" != "$last" ] || continue
    echo "$late"
    last=$now
  done >"$1.as-they-came"
}
lateness_pid= bystander_pid=
# start_lateness FILE, stop_lateness FILE [NUMBER]: of so many epochs at least. FILE.bystander: how late bystander.py was meanwhile.
start_lateness() {
  touch "$1.goes"
  lateness "$1" &
  lateness_pid=$!
  "$SOURCE/tests/libvirt/bystander.py" "$1.goes" >"$1.bystander.as-it-came" &
  bystander_pid=$!
}
stop_lateness() {
  wait_until "$patience" has_lines "$1.as-they-came" "${2:-45}"
  rm "$1.goes"
  wait "$lateness_pid" "$bystander_pid"
  sort -n "$1.as-they-came" >"$1"
  sort -n "$1.bystander.as-it-came" >"$1.bystander"
}
has_lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }

# distribution NAME FILE
distribution() {
  diag "$1: $(wc -l <"$2") epochs, late by $(median "$2") us (median), $(nine_of_ten "$2") us (9 of 10), $(most "$2") us (most)"
  diag "  a bystander meanwhile: by $(median "$2.bystander") us, $(nine_of_ten "$2.bystander") us, $(most "$2.bystander") us"
}
median() { sed -n "$((($(wc -l <"$1") + 1) / 2))p" "$1"; }
nine_of_ten() { sed -n "$(($(wc -l <"$1") * 9 / 10 + 1))p" "$1"; }
most() { tail -1 "$1"; }
larger() { echo $(($1 > $2 ? $1 : $2)); }
# no_later FILE: than in the same run with a libvirtd that works, or than a bystander where the machine has become busier since. Whoever waited for libvirtd would be late by seconds.
no_later() {
  [ "$(wc -l <"$1")" -ge 45 ] &&
    [ "$(median "$1")" -le $(($(larger "$(median "$work/late.healthy")" "$(median "$1.bystander")") + 20000)) ] &&
    [ "$(nine_of_ten "$1")" -le $(($(larger "$(nine_of_ten "$work/late.healthy")" "$(nine_of_ten "$1.bystander")") + 100000)) ] &&
    [ "$(most "$1")" -le $(($(most "$1.bystander") + 1000000)) ]
}

# with all rights: a libvirtd that is just starting may have given less, which is noticed after half a minute
is_connected() { ctl status | grep "libvirt: qemu:///system, .* domain" | grep -qv "read-only"; }
is_away() { ctl status | grep -q "does not answer"; }
was_told() { [ "$(times_told)" -ge "$1" ]; }
times_told() { grep -c "libvirt does not answer" "$work/iocored.log"; }

test_away() {
  start_lateness "$work/late.healthy"
  stop_lateness "$work/late.healthy"
  distribution "libvirtd healthy" "$work/late.healthy"
  start_lateness "$work/late.killed"
  test_killed
  test_killed_in_a_plan
  stop_lateness "$work/late.killed"
  distribution "libvirtd killed and started again" "$work/late.killed"
  no_later "$work/late.killed"
  ok $? "epochs are no later while libvirtd is killed and started again, three times"
  test_stopped
}

test_killed() {
  local before c=$tag-c run
  before=$(times_told)
  run=$(run_of "$c")
  stop_libvirtd KILL
  wait_until "$patience" is_away
  ok $? "that libvirtd was killed is noticed"
  is "$(domain "$c" .state)" running "its domains stay in the model"
  wait_until "$soon" was_told $((before + 1))
  is "$(times_told)" $((before + 1)) "told once"
  ctl set iothread.cpus "$run.1" 0 >"$work/output" 2>&1
  isnt_zero $? "nothing can be set meanwhile" || diag "$(cat "$work/output")"
  kill "$(cat "/run/libvirt/qemu/$tag-d.pid")"
  start_libvirtd
  ok $? "libvirtd starts again"
  wait_until "$patience" is_connected
  ok $? "iocored is connected again"
  wait_until "$patience" domain_is_gone "$tag-d"
  ok $? "a domain that ended meanwhile is gone" || diag "$(domains)"
  is "$(domain "$c" .state)" running "the others run"
  set_knob iothread.cpus "$run.1" 0
  is "$(iothread_pin "$c")" 0 "and can be pinned again, under the same name"
  set_knob iothread.cpus "$run.1" "$(all_cpus)"
  is "$(iothread_pin "$c")" "$(all_cpus)" "and unpinned"
}

# all_pins: of each domain that runs, as virsh, the kernel's threads and control groups have them
all_pins() {
  local name pid task
  for name in $(v list --name | sort); do
    pid=$(cat "/run/libvirt/qemu/$name.pid") || return 1
    echo "$name" && v vcpupin "$name" && v emulatorpin "$name" && v iothreadinfo "$name" || return 1
    for task in "/proc/$pid/task"/*; do
      case $(cat "$task/comm" 2>/dev/null) in
      CPU\ * | IO\ * | qemu-system*) echo "$(cat "$task/comm") $(awk '/^Cpus_allowed/ { print $2 }' "$task/status")" ;;
      esac
    done
    find /sys/fs/cgroup -path "*-$name.libvirt-qemu/*" -name cpuset.cpus 2>/dev/null | sort | while read -r file; do echo "${file#/sys/fs/cgroup} $(cat "$file")"; done
  done
}
pins_are() { all_pins >"$work/pins.now" && cmp -s "$work/pins.now" "$1"; }
# off_core NAME...: all that these have to leave CPU 1 with has, as virsh and the kernel say
off_core() {
  local name
  for name; do
    cpus_are "$name" "0 0 0" && [ "$(allowed_cpus "$name" 'CPU 0/*') $(allowed_cpus "$name" 'CPU 1/*') $(allowed_cpus "$name" 'IO iothread1')" = "0 0 0" ] || return 1
  done
}
kernel_has_not_begun() { [ "$(allowed_cpus "$1" 'CPU 0/*') $(allowed_cpus "$1" 'CPU 1/*')" = "$(all_cpus) $(all_cpus)" ]; }

# The plan: a CPU becomes an I/O core, so two vCPUs and an IOThread of each domain have to leave it.
test_killed_in_a_plan() {
  local a=$tag-a b=$tag-b c=$tag-c d=$tag-d
  if [ "$(nproc --all)" -lt 2 ]; then
    skip "a libvirtd that is killed in the middle of a plan" "needs two CPUs"
    return
  fi
  v create "$work/d.xml" >"$work/output" 2>&1
  wait_until "$patience" domain_is "$d" .state running
  ok $? "four domains run" || diag "$(domains)"
  all_pins >"$work/pins.before"
  kill -STOP "$libvirtd_pid"
  ctl grow --cpu 1 >"$work/output" 2>&1
  ok $? "CPU 1 becomes an I/O core while libvirtd does not answer" || diag "$(cat "$work/output")"
  epochs_pass 5
  kernel_has_not_begun "$a" && kernel_has_not_begun "$d"
  ok $? "what has to leave it is where it was, so far"
  stop_libvirtd KILL
  start_libvirtd
  wait_until "$patience" is_connected
  ok $? "libvirtd is killed and starts again"
  wait_until "$patience" off_core "$a" "$b" "$c" "$d"
  ok $? "then all eight vCPUs and four IOThreads leave it, as virsh and the kernel say" || diag "$(all_pins; ctl decisions; tail -20 "$work/iocored.log")"
  # and back, some of it perhaps done without that anybody heard of it
  holds "CPU 1 is an I/O core no more" ctl shrink
  stop_libvirtd KILL
  start_libvirtd
  ok $? "in the middle of which libvirtd is killed again"
  wait_until "$patience" pins_are "$work/pins.before"
  ok $? "and all is as it was before, in virsh, in /proc and in the control groups" || diag "$(diff "$work/pins.before" "$work/pins.now"; tail -20 "$work/iocored.log")"
}

test_stopped() {
  local before c=$tag-c
  wait_until "$patience" is_connected
  before=$(times_told)
  start_lateness "$work/late.stopped"
  kill -STOP "$libvirtd_pid"
  wait_until "$patience" is_away
  ok $? "a libvirtd that is stopped is noticed"
  stop_lateness "$work/late.stopped"
  wait_until "$soon" was_told $((before + 1))
  is "$(times_told)" $((before + 1)) "told once"
  is "$(domain "$c" .state)" running "its domains stay in the model"
  distribution "libvirtd stopped" "$work/late.stopped"
  no_later "$work/late.stopped"
  ok $? "epochs go on, and are no later than with one that works"
  kill -CONT "$libvirtd_pid"
  wait_until "$patience" is_connected
  ok $? "when it goes on, so does iocored"
}

between_pid=
# start_between [PROCEDURE [N]]: see between.py
start_between() {
  rm -f "$work/between"
  "$SOURCE/tests/libvirt/between.py" "$work/between" /run/libvirt/libvirt-sock "$@" >>"$work/between.log" 2>&1 &
  between_pid=$!
  wait_until "$patience" test -S "$work/between"
}
between_has_ended() { ! kill -0 "$between_pid"; }
stop_between() {
  kill "$between_pid"
  wait "$between_pid" 2>/dev/null
}
is_connected_by_us() { ctl status | grep "libvirt: qemu+unix:///system?socket=$work/between, .* domain" | grep -qv "read-only"; }
# of libvirt's remote protocol
pin_vcpu_flags=225

# What libvirtd did, and could not tell any more, is iocored's all the same: it is not done again, nobody else is thought to have done it, and in the end it is put back.
test_unanswered() {
  local before
  if [ "$(nproc --all)" -lt 2 ]; then
    skip "a connection that ends before the answer" "needs two CPUs"
    return
  fi
  stop_daemon
  all_pins >"$work/pins.before"
  before=$(grep -c "Somebody else changed" "$work/iocored.log")
  configure "[plugin.libvirt]
uri = qemu+unix:///system?socket=$work/between"
  start_between "$pin_vcpu_flags"
  start_daemon && wait_until "$patience" is_connected_by_us
  ok $? "a connection that somebody stands between" || diag "$(ctl status; cat "$work/between.log")"
  ctl grow --cpu 1 >"$work/output" 2>&1
  wait_until "$patience" between_has_ended || kill "$between_pid"
  wait "$between_pid"
  is $? 3 "ends before libvirtd has told that it pinned the first vCPU"
  pins_are "$work/pins.before"
  isnt_zero $? "which it has"
  start_between
  wait_until "$patience" off_core "$tag-a" "$tag-b" "$tag-c" "$tag-d"
  ok $? "connected again, all leave the I/O core" || diag "$(all_pins; tail -20 "$work/iocored.log")"
  is "$(grep -c "Somebody else changed" "$work/iocored.log")" "$before" "nothing of it is taken for somebody else's"
  stop_daemon
  pins_are "$work/pins.before"
  ok $? "and at the end all is as it was before" || diag "$(diff "$work/pins.before" "$work/pins.now"; tail -20 "$work/iocored.log")"
  stop_between
  configure
  start_daemon
}

# QEMUs that hang hold whoever asks them something; only that, and however many they are.
test_hang() {
  local a=$tag-a c=$tag-c name decision_c
  local -a pids=()
  v metadata "$tag-d" --uri https://iocore.org/xmlns/domain/1 --remove --live
  wait_until "$soon" domain_is "$tag-d" .policy ""
  for name in "$tag-b" "$tag-d" "$c"; do
    pids+=("$(cat "/run/libvirt/qemu/$name.pid")")
    kill -STOP "${pids[-1]}"
    ask_knob iothread.poll-max-ns "$(run_of "$name").1" 1000
    is "${decision:-none}: $(ctl why "$decision" --json | jq -r .verdict)" "$decision: in-progress" "$name, which hangs, is asked something"
  done
  decision_c=$decision
  v suspend "$a"
  wait_until "$soon" domain_is "$a" .state paused
  ok $? "other domains are followed while three QEMUs hang"
  v resume "$a"
  set_knob iothread.cpus "$(run_of "$a").1" 0
  is "$(iothread_pin "$a")" 0 "and set"
  wait_until "$patience" grep -q "iothread.poll-max-ns of $(run_of "$c").1 has answered: Connection timed out" "$work/iocored.log"
  ok $? "what it does not answer is given up" || diag "$(tail -5 "$work/iocored.log")"
  kill -CONT "${pids[@]}"
  wait_until "$patience" decision_ended "$decision_c"
  is "$(ctl why "$decision_c" --json | jq -r .verdict)" failed "which the decision says"
  wait_until "$patience" polls_as_told "$c"
  ok $? "and what it did in the end is put back" || diag "$(v domstats --iothread "$c"; ctl why "$decision_c"; tail -5 "$work/iocored.log")"
  set_knob iothread.poll-max-ns "$(run_of "$c").1" 2000
  is "$(polling "$c")" 2000 "when it goes on, it can be set again"
}
polls_as_told() { [ "$(polling "$1")" = 32768 ]; }
polling() { v domstats --iothread "$1" | sed -n 's/ *iothread.1.poll-max-ns=//p'; }

# SPDX-License-Identifier: LGPL-2.1-or-later
# libvirtd that is killed, or hangs.

# lateness SECONDS: how late each epoch of so long began, in microseconds, sorted
lateness() {
  local end=$((SECONDS + $1)) last=0 now late
  while [ "$SECONDS" -lt "$end" ]; do
    read -r now late < <(busctl --system --json=short get-property org.iocore1 /org/iocore1 org.iocore1.Manager Epoch LastLateUSec | jq -s -r '[.[].data] | @tsv')
    [ "$now" = "$last" ] || echo "$late"
    last=$now
  done | sort -n
}

# distribution NAME FILE
distribution() {
  local n
  n=$(wc -l <"$2")
  diag "$1: $n epochs, late by $(sed -n "$(((n + 1) / 2))p" "$2") us (median), $(sed -n "$((n * 9 / 10 + 1))p" "$2") us (9 of 10), $(tail -1 "$2") us (most)"
}
median() { sed -n "$((($(wc -l <"$1") + 1) / 2))p" "$1"; }
nine_of_ten() { sed -n "$(($(wc -l <"$1") * 9 / 10 + 1))p" "$1"; }
most() { tail -1 "$1"; }

is_connected() { ctl status | grep -q "libvirt: qemu:///system, "; }
is_away() { ctl status | grep -q "does not answer"; }
was_told() { [ "$(times_told)" -ge "$1" ]; }
times_told() { grep -c "libvirt does not answer" "$work/iocored.log"; }

test_away() {
  local before c=$tag-c run
  lateness 6 >"$work/late.healthy"

  # killed in the middle of a plan
  before=$(times_told)
  run=$(run_of "$c")
  stop_libvirtd KILL
  wait_until 10 is_away
  ok $? "that libvirtd was killed is noticed"
  is "$(domain "$c" .state)" running "its domains stay in the model"
  wait_until 5 was_told $((before + 1))
  is "$(times_told)" $((before + 1)) "told once"
  ctl set iothread.cpus "$run.1" 0 >"$work/output" 2>&1
  isnt_zero $? "nothing can be set meanwhile" || diag "$(cat "$work/output")"
  kill "$(cat "/run/libvirt/qemu/$tag-d.pid")"
  start_libvirtd
  ok $? "libvirtd starts again"
  wait_until 10 is_connected
  ok $? "iocored is connected again"
  wait_until 10 domain_is "$tag-d" .state ""
  ok $? "a domain that ended meanwhile is gone" || diag "$(domains)"
  is "$(domain "$c" .state)" running "the others run"
  set_knob iothread.cpus "$run.1" 0
  is "$(iothread_pin "$c")" 0 "and can be pinned again, under the same name"

  # in the middle of a plan: asked for, and libvirtd cannot answer
  kill -STOP "$libvirtd_pid"
  ctl set iothread.cpus "$run.1" 1 --no-wait --json >"$work/asked" 2>&1
  is "$(jq -r .verdict "$work/asked")" in-progress "what libvirtd has not answered is in progress"
  decision=$(jq .decision "$work/asked")
  stop_libvirtd KILL
  start_libvirtd
  wait_until 10 is_connected
  wait_until 40 decision_ended "$decision"
  ok $? "a plan in whose middle libvirtd is killed comes to an end: $(ctl why "$decision" --json | jq -r .verdict)" || diag "$(ctl why "$decision")"
  wait_until 10 pin_is_what_is_told "$decision" "$c"
  ok $? "and what it says is what is there" || diag "$(ctl why "$decision"; v iothreadinfo "$c")"

  # stopped
  before=$(times_told)
  kill -STOP "$libvirtd_pid"
  lateness 9 >"$work/late.stopped"
  is_away
  ok $? "a libvirtd that is stopped is noticed within nine seconds"
  is "$(times_told)" $((before + 1)) "told once"
  is "$(domain "$c" .state)" running "its domains stay in the model"
  distribution "libvirtd healthy" "$work/late.healthy"
  distribution "libvirtd stopped" "$work/late.stopped"
  # other tests may run beside; whoever waited for libvirtd would be late by seconds
  [ "$(wc -l <"$work/late.stopped")" -ge 25 ] && [ "$(median "$work/late.stopped")" -le $(($(median "$work/late.healthy") + 20000)) ] &&
    [ "$(nine_of_ten "$work/late.stopped")" -le $(($(nine_of_ten "$work/late.healthy") + 100000)) ] && [ "$(most "$work/late.stopped")" -le 1000000 ]
  ok $? "epochs go on, and are no later than with one that works"
  kill -CONT "$libvirtd_pid"
  wait_until 40 is_connected
  ok $? "when it goes on, so does iocored"
}

# A QEMU that hangs holds whoever asks it something; only that.
test_hang() {
  local a=$tag-a c=$tag-c pid decision_c
  pid=$(cat "/run/libvirt/qemu/$c.pid")
  kill -STOP "$pid"
  ask_knob iothread.poll-max-ns "$(run_of "$c").1" 1000
  decision_c=$decision
  v suspend "$a"
  wait_until 5 domain_is "$a" .state paused
  ok $? "other domains are followed while one QEMU hangs"
  v resume "$a"
  set_knob iothread.cpus "$(run_of "$a").1" 0
  is "$(iothread_pin "$a")" 0 "and set"
  wait_until 20 grep -q "iothread.poll-max-ns of $(run_of "$c").1 has answered: Connection timed out" "$work/iocored.log"
  ok $? "what it does not answer is given up" || diag "$(tail -5 "$work/iocored.log")"
  kill -CONT "$pid"
  wait_until 20 decision_ended "$decision_c"
  is "$(ctl why "$decision_c" --json | jq -r .verdict)" failed "which the decision says"
  wait_until 10 polls_as_told "$c"
  ok $? "and what it did in the end is put back" || diag "$(v domstats --iothread "$c"; ctl why "$decision_c"; tail -5 "$work/iocored.log")"
  set_knob iothread.poll-max-ns "$(run_of "$c").1" 2000
  is "$(polling "$c")" 2000 "when it goes on, it can be set again"
}
polls_as_told() { [ "$(polling "$1")" = 32768 ]; }
polling() { v domstats --iothread "$1" | sed -n 's/ *iothread.1.poll-max-ns=//p'; }

# Pinned when it is done, as before when it failed.
pin_is_what_is_told() {
  local pin
  pin=$(iothread_pin "$2")
  case $(ctl why "$1" --json | jq -r .verdict) in
  done) [ "$pin" = 1 ] ;;
  *) [ "$pin" = 0 ] ;;
  esac
}

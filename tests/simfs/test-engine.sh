# SPDX-License-Identifier: LGPL-2.1-or-later
# What happens between epochs and rooms: trials, modes, changes by others, reloads, late epochs, a restore with half of the plugins.
set -u
. "$SOURCE/tests/lib/tap.sh"
. "$SOURCE/tests/lib/host.sh"
trap host_end EXIT

ctl() {
  timeout 60 "$BUILD/iocorectl" "$@"
}

loads_known() {
  [ "$(ctl units --json | jq '[.[] | select(.load > 0)] | length')" -eq 6 ]
}

core_of() {
  ctl units --json | jq -r --arg id "$1" '.[] | select(.id == $id).core'
}

# on_core CPU: $unit is there
on_core() {
  [ "$(core_of $unit)" = "$1" ]
}

# decided FILTER: there is a decision like that
decided() {
  ctl decisions --json | jq -e "any(.[]; $1)"
}

epoch_passed() {
  [ "$(ctl status --json | jq .epoch)" -ge "$1" ]
}

# epochs N: N more have passed
epochs() {
  local target=$(($(ctl status --json | jq .epoch) + $1))
  wait_until 30 epoch_passed $target
}

# polled: whether vq.2.1 is polled now, as the kernel says
polled() {
  cat "$host/root/sys/class/vhost/vq/vq.2.1/poll"
}

host_begin && host_kernel "$SOURCE/tests/data/scenarios/uneven.json" 2 --control "$host/control" || { ok 1 "the simulated host starts"; tap_done; exit 1; }
mkdir "$host/none"
export POLICIES=$host/none
host_configure
host_dump "$host/before.json"
host_daemon
wait_until 30 loads_known
restored() {
  host_dump "$host/after.json" && is "$(host_difference "$host/before.json" "$host/after.json")" "" "$1"
}

# --- trials
unit=d.1
host_configure "[cores]
hold = 0"
ctl reload >/dev/null
ctl grow --cpu 2 >/dev/null
ctl grow --cpu 3 >/dev/null
# moved: $unit is on another worker than $worker, as the kernel says
moved() {
  local now
  read -r now <"$host/root/sys/class/vhost/dev/$unit/worker" && [ "$now" != "$worker" ]
}
# mover REASON [COMMAND...]: d.1 is on CPU 1 and is moved to CPU 2, once, 25 epochs from now; then the load falls, so that the trial fails for certain, and COMMAND is run.
# Both are to happen while it runs, which is for a second and a half: so the kernel is asked, and told, by this shell alone, which takes no time to start.
mover() {
  local worker reason=$1
  shift
  [ "$(core_of $unit)" = 1 ] || ctl move $unit 1 >/dev/null
  wait_until 30 on_core 1
  read -r worker <"$host/root/sys/class/vhost/dev/$unit/worker"
  cat >"$host/none/10-mover.lua" <<LUA
local n = 0
return policy { name = "mover", doc = "Moves a unit once, though that brings nothing.", on_epoch = function(host)
  n = n + 1
  if n == 25 then host:unit("$unit"):move { to = 2, reason = "$reason", trial = { measure = "bytes_per_second", better = "higher" } } end
end }
LUA
  ctl reload >/dev/null
  wait_until 30 moved || return 1
  echo "load 0.5" >"$host/control"
  [ $# -eq 0 ] || "$@" >/dev/null || return 1
  wait_until 30 decided ".reason == \"$reason\" and .verdict == \"done\""
}
# trial_of REASON: verdict and text
trial_of() {
  ctl why "$(ctl decisions --json | jq --arg reason "$1" '[.[] | select(.reason == $reason)] | last.id')" --json | jq -r '.trial'
}
trial_is_over() {
  [ "$(trial_of "$1")" != running ]
}

# ended REASON: the trial's verdict, when it has one
ended() {
  wait_until 30 trial_is_over "$1"
  host_control "load 1"
  trial_of "$1"
}

mover first
ok $? "a policy moves a unit on trial"
wait_until 30 on_core 2
ok $? "and it is there"
is "$(ended first)" undone "the trial does not prove itself"
wait_until 30 on_core 1
ok $? "and is undone"

mover second ctl move $unit 3
ok $? "a client moves the unit on while the trial runs"
is "$(ended second)" undone "the trial does not prove itself"
epochs 3
is "$(core_of $unit)" 3 "but the unit stays where the client wants it"

mover third ctl mode paused
is "$(ended third)" inconclusive "a trial that ends in the mode paused is not called undone"
epochs 3
is "$(core_of $unit)" 2 "as it is not"

# --- modes
is "$(ctl grow --node 1 --json | jq -r .verdict)" done "a client's wish is carried out in the mode paused"
cat >"$host/none/10-mover.lua" <<'LUA'
return policy { name = "mover", doc = "Polls.", on_epoch = function(host) host:queue("vq.2.1"):poll { on = true, reason = "poll" } end }
LUA
ctl reload >/dev/null
epochs 3
is "$(polled)" 0 "in the mode paused no policy acts"
ctl mode observe >/dev/null
wait_until 30 decided '.action == "poll" and .verdict == "would"'
ok $? "in the mode observe decisions are recorded as \"would\""
is "$(polled)" 0 "and not carried out"
is "$(ctl grow --node 1 --json | jq -r .verdict)" would "nor is a client's wish"
ctl mode active >/dev/null
now_polled() {
  [ "$(polled)" = "$1" ]
}
wait_until 30 now_polled 1
ok $? "in the mode active they are"
ctl mode paused >/dev/null
ctl policy disable mover >/dev/null 2>&1 || ctl policy set mover enabled no >/dev/null
wait_until 30 now_polled 0
ok $? "what a policy had changed is put back when it is disabled, in the mode paused too"
ctl mode active >/dev/null
ctl policy enable mover >/dev/null 2>&1 || ctl policy set mover enabled yes >/dev/null
wait_until 30 now_polled 1
rm "$host/none/10-mover.lua"
ctl reload >/dev/null
wait_until 30 now_polled 0
ok $? "and when its file is removed"

# --- changes by others
foreign() {
  host_configure
  sed -i 's/^\[daemon\]/[daemon]\nforeign-changes = '"$1"'/' "$host/iocored.conf"
  ctl reload >/dev/null
  ctl move $unit 2 >/dev/null
  [ "$(core_of $unit)" = 2 ] && echo w.2 >"$host/root/sys/class/vhost/dev/$unit/worker"
}
foreign contest
wait_until 30 on_core 1
is "$(ctl move $unit 3 --json | jq -r .verdict)" done "foreign-changes contest: iocored sets its own value all the same"
foreign adopt
wait_until 30 on_core 1
is "$(ctl move $unit 3 --json | jq -r .verdict)" done "foreign-changes adopt: it goes on from there"
is "$(ctl move $unit home --json | jq -r .verdict)" done "foreign-changes adopt: and back"
wait_until 30 on_core 1
ok $? "foreign-changes adopt: to what was found"

# --- late epochs, longer and shorter epochs
overruns() {
  ctl status --json | jq .overruns
}
before=$(overruns)
kill -STOP "$daemon_pid"
read -rt 1 <> <(:) || :
kill -CONT "$daemon_pid"
more_overruns() {
  [ "$(overruns)" -ge $((before + 5)) ]
}
wait_until 30 more_overruns
ok $? "epochs that could not begin are counted"
grep -q "began [0-9]* us late" "$host/iocored.log"; ok $? "and told"
holds "a longer epoch is under way" host_long_epoch 60s
sed -i 's/^epoch = 60s/epoch = 20ms/' "$host/iocored.conf"
ctl reload >/dev/null
epochs 10
ok $? "a shorter epoch begins when it is configured, not when the long one ends"
for epoch in 9ms 61s; do
  sed -i "s/^epoch = .*/epoch = $epoch/" "$host/iocored.conf"
  ! timeout 60 "$BUILD/iocored" --config "$host/iocored.conf" --check-config 2>/dev/null; ok $? "an epoch of $epoch is refused"
done

# --- a restore by the plugins that there are
host_configure
host_daemon_end KILL
sed -i 's/^plugins = .*/plugins = cpu/' "$host/iocored.conf"
timeout 60 "$BUILD/iocored" --config "$host/iocored.conf" --restore 2>"$host/restore.log"
is "$?" 1 "--restore fails when the plugin that made the changes is not there"
grep -q "stays in the journal" "$host/restore.log"; ok $? "and says that they stay in the journal"
sed -i 's/^plugins = .*/plugins = vhost-sysfs nosuch/' "$host/iocored.conf"
timeout 60 "$BUILD/iocored" --config "$host/iocored.conf" --restore 2>"$host/restore.log"; ok $? "--restore works though another plugin is missing"
grep -q "nosuch" "$host/restore.log"; ok $? "which it names"
restored "the host is as it was"
tap_done

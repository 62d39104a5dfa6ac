# SPDX-License-Identifier: LGPL-2.1-or-later
# Signals, and the verbs that follow.

# begin_monitor: records the daemon's signals, one JSON object a line
begin_monitor() {
  busctl --system --json=short monitor --match "type='signal',sender='org.iocore1'" >"$dir/signals" 2>"$dir/monitor.log" &
  monitor_pid=$!
  wait_until 30 grep -q Monitoring "$dir/monitor.log"
}
end_monitor() {
  kill "$monitor_pid" 2>/dev/null
  wait "$monitor_pid" 2>/dev/null
}
# told FILTER: a signal was recorded for which the jq filter holds; a line that is still being written is no signal yet
told() { head -n "$(wc -l <"$dir/signals")" "$dir/signals" | jq -s -e "any(.[]; $1)" >/dev/null; }
changed() { told ".member == \"PropertiesChanged\" and .path == \"$1\" and .payload.data[1].$2.data == $3"; }
lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }

follow_in_background() {
  "$dir/iocorectl" "$@" >"$dir/followed" 2>&1 &
  follower_pid=$!
}
ended() { ! kill -0 "$1"; }

# follow_events: in the background, into $dir/followed; when it returns, what is told from then on is shown there. What else is told (an epoch began late) is there, too.
follow_events() {
  follow_in_background events
  wait_until 30 mode_is_followed
}
mode_is_followed() { ctl mode observe && ctl mode active && grep -qE '^[0-9:]{8} mode active' "$dir/followed"; }
end_follower() {
  kill "$follower_pid" 2>/dev/null
  wait "$follower_pid" 2>/dev/null
}
# Whatever is told counts.
ended_by_modes() { ctl mode observe && ctl mode active && ended "$follower_pid"; }

test_following() {
  local last

  begin_monitor
  ok $? "signals can be monitored"
  last=$(ctl decisions --json | jq '.[-1].id // 0')
  follow_in_background decisions --follow --since "$last" --count 3 --json
  ctl grow --cpu 2 >/dev/null
  ctl move d.1 home >/dev/null
  ctl poll vq.3.1 on >/dev/null
  holds "decisions --follow ends after --count lines" wait_until 30 ended "$follower_pid"
  is "$(jq -rs 'map([.action, .verdict] | join(" ")) | join(", ")' "$dir/followed")" "grow done, move done, poll done" "and has the new decisions, one object a line"

  holds "a decision is a signal" wait_until 30 told '.member == "Decided" and .payload.data[1] == "done"'
  holds "PropertiesChanged: the I/O cores" wait_until 30 changed /org/iocore1 IOCores '[2]'
  holds "PropertiesChanged: the core" wait_until 30 changed /org/iocore1/core/_32 IOCore true
  holds "PropertiesChanged: a unit's core" wait_until 30 changed /org/iocore1/unit/d_2e2 Core 2
  holds "PropertiesChanged: a unit that went home" wait_until 30 changed /org/iocore1/unit/d_2e1 Core -1
  holds "PropertiesChanged: a queue's poll" wait_until 30 changed /org/iocore1/queue/vq_2e3_2e1 Poll true
  holds "InterfacesAdded: the worker of a new I/O core" wait_until 30 told '.member == "InterfacesAdded" and (.payload.data[0] | startswith("/org/iocore1/worker/"))'
  told '.member == "PropertiesChanged" and (.payload.data[1] | has("Load"))'
  is $? 1 "loads are never announced"

  follow_events
  ctl mode observe >/dev/null
  holds "events shows the mode" wait_until 30 grep -qE '^[0-9:]{8} mode observe' "$dir/followed"
  end_follower
  ctl mode active >/dev/null
  follow_in_background events --count 2
  wait_until 30 ended_by_modes
  is "$(wc -l <"$dir/followed")" 2 "events ends after --count lines"
  holds "PropertiesChanged: the mode" wait_until 30 changed /org/iocore1 Mode '"active"'

  ctl policy disable quiet
  holds "PropertiesChanged: a policy's state" wait_until 30 changed /org/iocore1/policy/quiet State '"disabled"'
  ctl policy set quiet level 0.25
  ctl policy enable quiet
  holds "PropertiesChanged: a policy's parameters" wait_until 30 told \
    '.member == "PropertiesChanged" and (.payload.data[1].Parameters.data // [] | any(.[0] == "level" and .[1] == 0.25))'
  ctl shrink --cpu 2 >/dev/null
  holds "InterfacesRemoved: the worker" wait_until 30 told '.member == "InterfacesRemoved" and (.payload.data[0] | startswith("/org/iocore1/worker/"))'
  end_monitor
  is "$(ctl watch --interval 0.1 --count 2 --no-legend | grep -cE '^[0-9:]{8}  load +[0-9.]+  node 0: ')" 2 "watch shows a line an interval"
  is "$(ctl watch --interval 0.1 --count 5 --no-legend | grep -cE ' (done|undone) #[0-9]+ ')" 1 "which has the last decision, once"
  is "$(ctl watch --interval 0.1 --count 2 --json | jq -s -c 'map(.nodes | length)')" '[2,2]' "and objects with --json"
}

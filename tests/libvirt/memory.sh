# SPDX-License-Identifier: LGPL-2.1-or-later
# The memory of a real domain: where it is, and moved to a node, with a bar on a terminal.

# One terminal of tmux's, with its server: its socket is ours.
tm() { timeout "$patience" tmux -f /dev/null -S "$work/tmux" "$@"; }
screen() { tm capture-pane -p -t bar | sed '/^ *$/d'; }
command_ended() { screen | grep -q "^ended 0$"; }
has_been_drawn() { grep -q $'\r\\[[#.]*\\]' "$1"; }

test_memory() {
  local a=$tag-a
  stop_daemon
  plugins='libvirt numa vhost-thread cpu' configure
  start_daemon
  ok $? "iocored runs with the plugin numa" || return
  wait_until "$patience" domain_is "$a" .state running
  ctl domain memory "$a" >"$work/output" 2>&1
  ok $? "the memory of a domain is looked at" || diag "$(cat "$work/output" "$work/iocored.log" | tail -20)"
  awk 'NR == 1 && $1 == "CELL" { head = 1 } NR > 1 && $0 ~ /M \([0-9]+\)/ { rows++ } END { exit !(head && rows > 0) }' "$work/output"
  ok $? "which is some" || diag "$(cat "$work/output")"
  is "$(ctl domain memory "$a" --json | jq '[.. | numbers] | max > 1024')" true "more than a MiB" || diag "$(ctl domain memory "$a" --json)"
  ctl domain move-memory "$a" 0 >"$work/output" 2>&1
  ok $? "it can be moved to node 0" || diag "$(cat "$work/output")"
  grep -q "^done: " "$work/output"
  ok $? "which ends well: $(tail -1 "$work/output")"
  ! has_been_drawn "$work/output" && ! grep -q $'[\r\033]' "$work/output"
  ok $? "no bar is drawn into a file" || diag "$(cat -v "$work/output")"

  if ! command -v tmux >/dev/null; then
    skip "a bar on a terminal" "needs tmux"
    return
  fi
  tm new-session -d -s bar -x 120 -y 20 "exec sh" && wait_until "$patience" tm has-session -t bar
  tm pipe-pane -t bar "cat >'$work/drawn'" && wait_until "$patience" test -e "$work/drawn"
  tm send-keys -t bar "clear; DBUS_SYSTEM_BUS_ADDRESS='$DBUS_SYSTEM_BUS_ADDRESS' '$BUILD/iocorectl' domain move-memory '$a' 0; echo ended \$?" Enter
  wait_until "$patience" command_ended
  ok $? "in a terminal it ends well, too" || diag "$(screen)"
  wait_until "$patience" has_been_drawn "$work/drawn"
  ok $? "a bar was drawn meanwhile" || diag "$(cat -v "$work/drawn")"
  screen | sed -n '/^ended/q; p' | tail -1 | grep -q "^done: "
  ok $? "its line is clean after the end" || diag "$(screen)"
  is "$(screen | grep -c '\[[#.]*\]')" 0 "nothing is left of it" || diag "$(screen)"
  tm kill-server
  stop_daemon
  configure
  start_daemon
}

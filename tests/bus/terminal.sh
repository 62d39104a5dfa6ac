# SPDX-License-Identifier: LGPL-2.1-or-later
# The command line: exit statuses, help, colours.

on_terminal() { TERM=xterm script -qec "$1" /dev/null </dev/null; }

status_to_full() { ctl "$2" >/dev/full 2>&1; [ $? -eq "$1" ]; }

# no_word_is_broken COLUMNS: of what was decided and of the policies
no_word_is_broken() {
  comm -23 <({ ctl decisions --json --limit 20 | jq -r '.[] | .text, .reason'; ctl policy list --json | jq -r '.[].doc'; } | tr -s ' ' '\n' | sort -u) \
    <(for verb in "decisions --limit 20" "policy list"; do on_terminal "stty cols $1; $dir/iocorectl $verb"; done | tr -s ' \r' '\n' | sort -u) >"$dir/broken"
  ! [ -s "$dir/broken" ] || { diag "$(head "$dir/broken")"; return 1; }
}

test_terminal() {
  local verb

  holds "an unknown verb is wrong use" status 2 ctl dance
  holds "an unknown option is wrong use" status 2 ctl status --dance
  holds "an option of another verb is wrong use" status 2 ctl status --node 1
  holds "a missing argument is wrong use" status 2 ctl move d.1
  holds "an argument too many is wrong use" status 2 ctl status d.1
  holds "a CPU that is no number is wrong use" status 2 ctl move d.1 two
  holds "a negative CPU is wrong use" status 2 ctl grow --cpu=-1
  holds "a switch that is neither on nor off is wrong use" status 2 ctl poll vq.1.1 maybe
  holds "no daemon on the bus is status 3" status 3 env DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent "$dir/iocorectl" status
  is "$(ctl --bus unix:path=/nonexistent status --json 2>/dev/null | jq -r '.error, .text')" \
    $'org.freedesktop.DBus.Error.NoServer\ncannot reach the D-Bus "unix:path=/nonexistent": No such file or directory' "and told to programs as any error"
  is "$(ctl domains 2>&1 >/dev/full)" "iocorectl: the output could not be written: No space left on device" "output that cannot be written is told"
  holds "and is status 1" status_to_full 1 domains
  is "$(ctl domain 2>&1)" "$(ctl domain dance 2>&1)" "wrong use of a verb is answered by how it is used, whatever is wrong"
  is "$(ctl policy dance 2>&1)" "iocorectl: use: iocorectl policy [list|show NAME|set NAME PARAMETER VALUE|enable NAME|disable NAME|reload]" "as it is in the help"
  holds "--bus gives the bus" status 0 env -u DBUS_SYSTEM_BUS_ADDRESS "$dir/iocorectl" --bus "$DBUS_SYSTEM_BUS_ADDRESS" status
  holds "--bus with nonsense is status 3" status 3 ctl --bus nonsense status
  for verb in $(ctl --help | awk '/^  [a-z-]+ / { print $1 }'); do
    ctl "$verb" --help | grep -q "^iocorectl $verb" && grep -qE "^\.It Cm ($verb)( |\$)|Cm $verb *[;,.]|^\.Cm $verb\$" "$SOURCE/man/iocorectl.1"
    ok $? "$verb has help and is in the manual"
  done
  holds "--version" ctl --version
  on_terminal "$dir/iocorectl mode" | grep -q $'\033\[32mactive'
  ok $? "colours on a terminal"
  NO_COLOR=1 on_terminal "$dir/iocorectl mode" | grep -q $'\033'
  is $? 1 "no colours with NO_COLOR"
  local columns
  for columns in 40 80 140; do
    holds "no word is broken on a terminal of $columns columns" no_word_is_broken "$columns"
  done
  is "$(on_terminal "stty cols 80; $dir/iocorectl decisions --limit 2" | grep -c '^.$')" 0 "nor is a line empty"
  ctl mode | grep -q $'\033'
  is $? 1 "no colours in a pipe"
}

# SPDX-License-Identifier: LGPL-2.1-or-later
# TAP for shell tests. A script of a layer sources this, calls ok / is / skip, and ends with tap_done.
# Set by the caller: BUILD (build directory), SOURCE (source directory).

tap_count=0
tap_failed=0

# ok STATUS DESCRIPTION: passes when STATUS is 0, and returns it.   some_command; ok $? "what holds" || diag "$(what_was_seen)"
ok() {
  tap_count=$((tap_count + 1))
  if [ "$1" -eq 0 ]; then
    printf 'ok %d - %s\n' "$tap_count" "$2"
  else
    tap_failed=$((tap_failed + 1))
    printf 'not ok %d - %s\n' "$tap_count" "$2"
  fi
  return "$1"
}

# is GOT WANTED DESCRIPTION
is() {
  if [ "$1" = "$2" ]; then ok 0 "$3"; else ok 1 "$3" || :; diag "got:    $1"; diag "wanted: $2"; fi
}

# holds DESCRIPTION COMMAND...: passes when the command succeeds; shows its output when it does not.
holds() {
  local description=$1 output status
  shift
  output=$("$@" 2>&1); status=$?
  ok $status "$description" || diag "$output"
}

# skip DESCRIPTION REASON
skip() {
  tap_count=$((tap_count + 1))
  printf 'ok %d - %s # SKIP %s\n' "$tap_count" "$1" "$2"
}

diag() {
  printf '%s\n' "$*" | sed 's/^/# /'
}

# wait_until SECONDS COMMAND...: polls ten times a second until the command succeeds; fails after SECONDS. (The command may be a function: it sees the variables of this one.)
wait_until() {
  local wait_until_end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$wait_until_end" ] || return 1
    read -rt 0.1 <> <(:) || :
  done
}

tap_done() {
  printf '1..%d\n' "$tap_count"
  [ "$tap_failed" -eq 0 ]
}

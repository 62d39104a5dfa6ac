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

# What is measured on a machine that others use as well holds in the median of five attempts: that is, in three of them, after which no more are needed.
#   while another_attempt; do ...; attempt_gave STATUS FIGURES; done; ok_in_most DESCRIPTION
n_attempts=0 n_within=0 figures=
another_attempt() {
  [ "$n_within" -lt 3 ] && [ $((n_attempts - n_within)) -lt 3 ]
}

# attempt_gave STATUS FIGURES: 0: they are within the bounds.
attempt_gave() {
  n_attempts=$((n_attempts + 1)) figures="$figures${figures:+; }$2"
  [ "$1" -ne 0 ] || n_within=$((n_within + 1))
}

# ok_in_most DESCRIPTION: and begins anew.
ok_in_most() {
  [ "$n_within" -ge 3 ]
  ok $? "$1: in $n_within of $n_attempts attempts ($figures)"
  n_attempts=0 n_within=0 figures=
}

tap_done() {
  printf '1..%d\n' "$tap_count"
  [ "$tap_failed" -eq 0 ]
}

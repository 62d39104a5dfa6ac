# SPDX-License-Identifier: LGPL-2.1-or-later
# Whose worker is it? A VM with three queue pairs, one with a pair, an owner of which nobody knows the name, one of which it cannot be told.
. /tests/tap.sh
. /tests/guest.sh

start_vm one - - --vcpus 1 --vcpu-share 0.05 --pairs 3 --pause
ok $? "a VM with three queue pairs runs"
start_vm two - - --vcpus 1 --vcpu-share 0.05 --tap guest-two --pause
ok $? "a VM with one runs"
start_load nameless 0-7 --pause
start_load several 0-7 --pause --device /dev/vhost-vsock

# The workers as the loads know them: "worker kind tap pair owner domain".
expected() {
  local pair
  for ((pair = 0; pair < $1; pair++)); do echo "t.$(worker_of one $pair) net $(tap_of one) $pair $(pid_of one) one"; done
  echo "t.$(worker_of two) net guest-two 0 $(pid_of two) two"
  echo "t.$(worker_of nameless) net $(tap_of nameless) 0 $(pid_of nameless) -"
  echo "t.$(worker_of several) ? - ? $(pid_of several) -"
  echo "t.$(line_of several idle) ? - ? $(pid_of several) -"
}
told() {
  iocorectl workers --json |
    jq -r 'def word: if . == null or . == "" then "-" else . end;
      .[] | "\(.id) \(if .kind == "" then "?" else .kind end) \(.backend | word) \(.queue_pair // "?") \(.owner) \(.domain | word)"' | sort
}
all_told() { [ "$(told)" = "$(expected "$1" | sort)" ]; }

configuration='[daemon]
epoch = 500ms'
start_daemon
ok $? "iocored starts"
holds "each worker's kind, tap, queue pair, owner and domain are told" wait_until 60 all_told 3
all_told 3 || diag "$(diff <(expected 3 | sort) <(told))"
is "$(iocorectl workers --json | jq -r '.[] | select(.kind == "") | .unidentified' | sort -u)" \
  "vhost devices of several kinds: which is whose cannot be told" "and why it cannot, where it cannot"
is "$(iocorectl devices --json | jq -r '.[] | "\(.kind) \(.backend) \(.owner) \(.queue_pairs)"' | sort)" \
  "$(printf '%s\n' "net $(tap_of one) $(pid_of one) 3" "net guest-two $(pid_of two) 1" "net $(tap_of nameless) $(pid_of nameless) 1" | sort)" \
  "a tap with its queue pairs is one device"

add_pair one
ok $? "the first VM gets a queue pair more"
holds "which is told as such" wait_until 60 all_told 4
all_told 4 || diag "$(diff <(expected 4 | sort) <(told))"
stop_load two
gone() { ! iocorectl workers --json | jq -e '.[] | select(.domain == "two")' > /dev/null; }
holds "a VM that ends is gone from the list" wait_until 30 gone
stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"
tap_done

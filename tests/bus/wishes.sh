# SPDX-License-Identifier: LGPL-2.1-or-later
# Wishes of clients: carried out, refused, explained.

test_wishes() {
  local id worker

  is "$(ctl why-not grow --node 0 --json | jq -r '[.verdict, (.steps | length > 2)] | @csv')" '"planned",true' "why-not says what a grow would do"
  is "$(io_cores)" '[]' "why-not changes nothing"
  is "$(ctl decisions --json)" '[]' "why-not is no decision"

  id=$(ctl grow --cpu 1 --reason "because of the test" --json | jq 'select(.verdict == "done") | .decision')
  is "$(io_cores)" '[1]' "grow makes the CPU asked for an I/O core"
  is "$(unit_core d.1),$(unit_core d.2)" "1,1" "a client sees the units on it at once"
  is "$(get /org/iocore1 org.iocore1.Manager IOCores)" '[1]' "the property IOCores says so"
  is "$(ctl why "${id:-0}" --json | jq -r '[.source, .action, .cpu, .reason, .verdict] | @csv')" "\"client:uid=$(id -u)\",\"grow\",1,\"because of the test\",\"done\"" \
    "why tells who asked and for which reason"
  ctl why "${id:-0}" | grep -q "because of the test" && ctl why "${id:-0}" | grep -qE "^ +steps  1\. "
  ok $? "why is readable"
  is "$(ctl why "${id:-0}" --json | jq -c '[.steps[] | .kind] | unique | length > 1')" true "why has the steps"

  is "$(ctl grow --cpu 1 --json | jq -r .verdict)" unchanged "growing on an I/O core changes nothing"
  ctl move d.1 2 2>&1 | grep -qE '^iocorectl: refused by the rule [a-z-]+: '
  ok $? "a refusal names its rule first"
  holds "growing on a CPU that is not there" error NoSuchObject grow --cpu 99
  holds "growing on a node that is not there" error NoSuchObject grow --node 9

  ctl grow --cpu 5 >/dev/null
  is "$(io_cores)" '[1,5]' "a second node gets its I/O core"
  ctl move d.1 home --reason home >/dev/null
  is "$(unit_core d.1)" -1 "move brings a unit home"
  ctl move d.1 1 >/dev/null
  is "$(unit_core d.1)" 1 "move brings a unit to an I/O core"
  is "$(ctl move d.1 1 --json | jq -r .verdict)" unchanged "moving to where it is changes nothing"
  holds "a unit that is not there" error NoSuchObject move d.99 1
  holds "moving to a CPU that is no I/O core is refused" error Refused move d.1 2
  ctl why-not move d.1 2 | grep -q '^refused'
  ok $? "why-not says that it would be"

  ctl poll vq.1.1 on >/dev/null
  holds "a queue is polled" queue_is vq.1.1 .poll
  ctl poll vq.1.1 off >/dev/null
  holds "and takes notifications again" queue_is vq.1.1 '.poll | not'
  is "$(ctl limit vq.1.1 60000 --json | jq -r .verdict)" "done" "a queue is limited"
  holds "a queue that is not there" error NoSuchObject poll vq.9.9 on
  is "$(ctl set queue.limit vq.1.0 70000 --json | jq -r .verdict)" "done" "set reaches a knob"
  holds "a knob that is not there is refused" error Refused set no.such d.1 1
  holds "set without an object" error Invalid set worker.locked "" 1

  ctl shrink --cpu 5 >/dev/null && ctl shrink --cpu 1 >/dev/null
  is "$(io_cores)" '[]' "shrink gives I/O cores back"
  is "$(unit_core d.1),$(unit_core d.3)" "-1,-1" "their units are home"
  is "$(ctl shrink --node 1 --json | jq -r .verdict)" unchanged "shrinking where nothing is left changes nothing"

  is "$(ctl mode observe)" observe "the mode is set"
  is "$(get /org/iocore1 org.iocore1.Manager Mode)" '"observe"' "the property Mode says so"
  is "$(ctl grow --json | jq -r .verdict)" would "in the mode observe a grow would be done"
  is "$(io_cores)" '[]' "but is not"
  ctl mode active >/dev/null
  holds "there is no such mode" error Invalid mode lazy

  ctl domain set alpha class=latency policy=manual weight=200 share-within=domain
  ok $? "a domain's owner says what it wants"
  is "$(ctl domain show alpha --json | jq -c '[.class, .policy, .weight, .share_within]')" '["latency","manual",200,"domain"]' "it is kept"
  is "$(get /org/iocore1/domain/alpha org.iocore1.Domain Class),$(get /org/iocore1/domain/alpha org.iocore1.Domain Policy)" '"latency","manual"' "and the domain's properties say so"
  is "$(ctl domains | awk '$1 == "alpha" { print $7 }')" latency/manual "as does the table of domains"
  ctl domain set alpha policy= weight= --json | jq -e '.domain == "alpha"' >/dev/null
  is "$(ctl domain show alpha --json | jq -c '[.class, .policy, .weight]')" '["latency","",null]' "what is set to nothing is taken away, the rest stays"
  holds "a wish that there is not" error Invalid domain set alpha colour=blue
  holds "a value that there is not" error Invalid domain set alpha class=fast
  holds "a domain that is not there has no wishes" error NoSuchObject domain set nobody class=latency
  holds "a wish without a value is a mistake in the use" status 2 ctl domain set alpha class
  holds "and so is no wish at all" status 2 ctl domain set alpha
  ctl domain set alpha class= share-within=

  is "$(ctl jobs --json)" "[]" "there are no jobs"
  holds "memory is not moved where no plugin can" error Refused process move-memory 1 0
  holds "nor of a domain that is not there" error NoSuchObject domain move-memory nobody 0
  holds "where the memory of a domain is that is not there is not known" error NoSuchObject domain memory nobody
  holds "a job that is not there cannot be cancelled" error NoSuchObject job cancel 77
  holds "a node is a number" status 2 ctl domain move-memory alpha north
  holds "a process is a number, and a start" status 2 ctl process move-memory 1.x 0
  holds "a cell is only of use where memory moves" status 2 ctl domain show alpha --cell 0

  is "$(ctl decisions --limit 2 --json | jq length)" 2 "--limit shows the newest"
  worker=$(ctl decisions --json | jq '.[-1].id')
  is "$(ctl decisions --since $((worker - 1)) --json | jq -c "map(.id) == [$worker]")" true "--since shows later ones"
  is "$(ctl history --json | jq length)" "$(ctl decisions --json | jq length)" "history is decisions"
  holds "a decision that is not there" error NoSuchObject why 999999
}

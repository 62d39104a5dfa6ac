# SPDX-License-Identifier: LGPL-2.1-or-later
# Clients that misbehave: the daemon goes on deciding, answers others, and does not grow.

raw() { timeout 300 /usr/bin/python3 "$SOURCE/tests/bus/raw-client.py" "$dir/bus" "$@"; }
answers() { raw "$@" | sort | uniq -c | awk '{ print $1, $2 }' | paste -sd,; }
# A sanitizer's shadow and quarantine are not the daemon's memory.
sanitized() { grep -q __asan_init "$BUILD/iocored"; }
# How long the daemon was ready to run and had no CPU, as the kernel counts it (0 where it does not).
waited_msec() { awk '{ print int($2 / 1000000) }' "/proc/$daemon_pid/schedstat" 2>/dev/null || echo 0; }

test_abuse() {
  local before began epochs overruns period waited resident long

  resident=$(resident_kib)
  waited=$(waited_msec)
  read -r began overruns period < <(state | jq -r '[.epoch, .overruns, .epoch_usec / 1000] | @tsv')
  before=$(state | jq -c '[.mode, .decisions, .changes]')
  long=$(printf '%0300d' 0)
  holds "a long id" error Invalid move "$long" 1
  holds "a long reason" error Invalid grow --reason "$long"
  holds "a long knob" error Invalid set "$long" d.1 1
  holds "a long value" error Invalid set worker.locked w.1 "$long"
  holds "a long policy's name" error Invalid policy set "$long" level 1
  holds "a long mode" error Invalid mode "$long"
  holds "an empty id" error NoSuchObject move "" 1
  holds "a control character in a reason" error Invalid grow --reason $'x\033[2J'
  holds "a line break in a reason" error Invalid grow --reason $'x\ny'
  holds "a C1 control character in a reason" error Invalid grow --reason $'x\302\233y'
  holds "an id that looks like a path" error NoSuchObject move ../../d.1 1
  holds "a format string" error NoSuchObject move %s%n%s 1
  is "$(busctl --system call org.iocore1 /org/iocore1 org.iocore1.Manager Grow iis -- -2 -1 x 2>&1 | grep -c 'is -1')" 1 "a node below -1"
  is "$(busctl --system call org.iocore1 /org/iocore1 org.iocore1.Manager WhyNot ssiis -- dance x -1 -1 x 2>&1 | grep -c 'no action')" 1 "an action that is not there"
  is "$(busctl --system call org.iocore1 /org/iocore1 org.iocore1.Manager GetState as 1 secrets 2>&1 | grep -c 'Sections are')" 1 "a section that is not there"

  is "$(answers huge 16000000)" "2 org.iocore1.Error.Invalid" "strings of 16 MB are refused"
  is "$(answers types)" "4 org.freedesktop.DBus.Error.InvalidArgs" "arguments of wrong types are refused"
  is "$(raw utf8)" dropped "the bus drops who sends what is not UTF-8"
  is "$(raw vanish 100)" 100 "clients vanish before they are answered"
  [ "$(raw subscribe 1000)" -ge 100 ]
  ok $? "a client subscribes to many signals"
  is "$(raw flood 5000)" 5000 "a flood of calls is answered"
  is "$(raw noreply 5000)" 5000 "calls that want no answer"
  is "$(raw managed 300)" 300 "a flood of calls for all objects is answered"

  is "$(state | jq -c '[.mode, .decisions, .changes]')" "$before" "nothing was changed or decided"
  before=$(epoch)
  holds "epochs go on" wait_until 30 past_epoch $((before + 5))
  # the timer goes before the bus: a call delays one epoch, a flood does not starve them
  read -r epochs overruns < <(state | jq -r "[.epoch - $began, .overruns - $overruns] | @tsv")
  waited=$(($(waited_msec) - waited))
  diag "$epochs epochs of $period ms and $overruns overruns meanwhile, $waited ms without a CPU"
  # neither time nor memory of a build with sanitizers is the daemon's: then nothing is said of them
  sanitized && return
  # what it lost by having no CPU is the machine's, that does other things too
  [ $(((overruns - waited / period) * 4)) -le $((epochs + overruns)) ]
  ok $? "floods cost at most a quarter of the epochs"
  # what a message of 16 MB leaves behind once, and nothing for the others
  [ $(($(resident_kib) - resident)) -lt 40000 ]
  ok $? "the daemon grew by less than 40 MB"
}

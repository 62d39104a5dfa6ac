# SPDX-License-Identifier: LGPL-2.1-or-later
# The shipped policy places real guests, and guest cells that are advised are what a real libvirt takes.

node_cpus() { cat /sys/devices/system/node/node0/cpulist 2>/dev/null || all_cpus; }

# start_placed NAME [EXTRA-XML]: another domain for the policy
start_placed() {
  domain_xml "$@" >"$work/$1.xml"
  v create "$work/$1.xml" && wait_until "$patience" domain_is "$1" .state running
}

# both_alone NAME: are its vCPUs on one CPU each, not the same one? As virsh and the kernel say.
both_alone() {
  local first second
  first=$(vcpu_pin "$1" 0)
  second=$(vcpu_pin "$1" 1)
  [[ $first =~ ^[0-9]+$ && $second =~ ^[0-9]+$ && $first != "$second" ]] || return 1
  [ "$(allowed_cpus "$1" 'CPU 0/*') $(allowed_cpus "$1" 'CPU 1/*')" = "$first $second" ]
}
pins_are_of() { [ "$(pins_of "$1")" = "$2" ]; }
pins_of() { echo "$(vcpu_pin "$1" 0) $(vcpu_pin "$1" 1) $(allowed_cpus "$1" 'CPU 0/*') $(allowed_cpus "$1" 'CPU 1/*')"; }
# Nothing that the policy asked for is open.
nothing_is_open() {
  local all
  all=$(ctl decisions --json) && jq -e 'all(.[]; .verdict != "in-progress" and .verdict != "")' <<<"$all" >/dev/null
}

test_placement() {
  local auto=$tag-p by_hand=$tag-q manual=$tag-r everywhere name
  if [ "$(nproc --all)" -lt 2 ] || [ "$(nproc)" -ne "$(nproc --all)" ]; then
    skip "the shipped policy places a guest" "needs two CPUs, and all that there are"
    return
  fi
  # as before the test of rights
  stop_libvirtd
  libvirtd_conf none
  start_libvirtd
  # each of those that other tests left would be placed, too; libvirtd, just started, may be faster to notice that one has ended than to end it
  for name in $(v list --name); do v destroy "$name" >"$work/output" 2>&1; done
  rm -f "$work/policies/60-test-pin.lua"
  cp "$SOURCE/policies/40-numa-placement.lua" "$work/policies/"
  configure "[policy.numa-placement]
pin_vcpus = cpu
settle = 1
rest = 1
interval = 2"
  start_daemon
  ok $? "iocored runs with the shipped policy" || return
  everywhere=$(all_cpus)
  start_placed "$by_hand" "<cputune><vcpupin vcpu='0' cpuset='1'/><vcpupin vcpu='1' cpuset='0'/></cputune>" &&
    start_placed "$manual" "<metadata><iocore xmlns='https://iocore.org/xmlns/domain/1' policy='manual'/></metadata>" && start_placed "$auto"
  ok $? "three domains start: one is pinned by hand, one marked manual"
  wait_until "$patience" both_alone "$auto"
  ok $? "the vCPUs of the third get a CPU each, as virsh and the kernel say" || diag "$(pins_of "$auto"; ctl decisions; tail -10 "$work/iocored.log")"
  diag "vCPUs of the third: $(pins_of "$auto")"
  wait_until "$patience" nothing_is_open
  is "$(ctl decisions --json | jq -r '[.[] | select((.source | endswith("numa-placement")) and .verdict == "done") | .object] | unique | join(" ")')" "$auto" \
    "by a decision of the policy" || diag "$(ctl decisions --json)"
  epochs_pass 45
  ok $? "two more looks of it" || diag "$(tail -5 "$work/iocored.log")"
  is "$(pins_of "$by_hand")" "1 0 1 0" "vCPUs that are pinned by hand stay where they are"
  is "$(pins_of "$manual")" "$everywhere $everywhere $everywhere $everywhere" "those of the one marked manual have all CPUs"
  both_alone "$auto"
  ok $? "and the third's are where they were"
  stop_daemon
  is "$(pins_of "$auto")" "$everywhere $everywhere $everywhere $everywhere" "when iocored has ended they have all CPUs again"
  is "$(pins_of "$by_hand")" "1 0 1 0" "and those pinned by hand what the hand said"
  test_cells "$auto"
  test_emulator
  test_killed_while_open "$auto"
}

cells_in() { grep -oE "<(cell|memnode) [^>]*>" | sort | tr -d '\n'; }

# A made-up host of two nodes with a CPU each: a guest with two vCPUs and one cell is larger than a node.
test_cells() {
  local name=$1 large=$tag-s xml=$work/large.xml
  configure "[topology]
synthetic = numa:2 core:1 pu:1"
  rm -f "$work/policies/40-numa-placement.lua"
  start_daemon
  ok $? "iocored runs on a host of two small nodes" || return
  wait_until "$soon" domain_is "$name" '.cells | length' 1
  ctl doctor --json --bus "$DBUS_SYSTEM_BUS_ADDRESS" >"$work/doctor.json"
  jq -j --arg name "$name" '.[] | select(.check == "guest-cells" and (.found | startswith("domain \($name) "))) | .xml' "$work/doctor.json" >"$work/cells"
  is "$(cat "$work/cells")" "$(ctl domain advise "$name")" "doctor advises the cells that domain advise does" || diag "$(cat "$work/doctor.json")"
  is "$(grep -c '<cell ' "$work/cells") $(grep -c '<memnode ' "$work/cells")" "2 2" "two cells, bound to a node each"
  ctl doctor --bus "$DBUS_SYSTEM_BUS_ADDRESS" >"$work/output"
  [[ "$(sed -n '/^<cpu>/,$p' "$work/output")" == *"$(cat "$work/cells")"* ]]
  ok $? "and for people as XML below its table" || diag "$(cat "$work/output")"

  domain_xml "$large" "$(cat "$work/cells")" >"$xml"
  v define "$xml" --validate >"$work/output" 2>&1
  ok $? "libvirt takes it, and finds it right" || diag "$(cat "$work/output" "$xml")"
  is "$(v dumpxml --inactive "$large" | cells_in)" "$(cells_in <"$work/cells")" "and has understood it so"
  # this host has one node perhaps: the cells are what is tried then, not where they are
  sed -i "s/nodeset='[0-9,-]*'/nodeset='0'/" "$xml"
  v undefine "$large" && v define "$xml" && v start "$large" >"$work/output" 2>&1
  ok $? "the guest starts with these cells" || diag "$(cat "$work/output")"
  wait_until "$soon" domain_is "$large" '.cells | length' 2
  ok $? "iocored sees two cells" || diag "$(domain "$large" .)"
  is "$(domain "$large" '[.vcpu_threads[].cell] | join(" ")')" "0 1" "with a vCPU each"
  is "$(ctl domain advise "$large")" "It fits a node, or has guest cells: nothing to advise." "and has nothing more to advise"
  stop_daemon
}

# write_asking_policy EPOCH:NAME=ACTION...: asks for domain:ACTION again and again, in that of 35 epochs
write_asking_policy() {
  local asked
  {
    echo 'return policy { name = "test-ask", doc = "Asks as it is told.", on_epoch = function(host)'
    for asked in "$@"; do
      echo "  if host.epoch % 35 == ${asked%%:*} then"
      asked=${asked#*:}
      echo "    local d = host:domain(\"${asked%%=*}\")"
      echo "    if d and d.state == \"running\" then d:${asked#*=} end"
      echo "  end"
    done
    echo 'end }'
  } >"$work/policies/60-test-ask.lua"
}
emulator_pin() { v emulatorpin "$1" | awk '{ print $NF }'; }
# CPUs of the emulator's threads: as virsh says, and as the kernel does of the first of them
emulator_cpus() { echo "$(emulator_pin "$1") $(allowed_cpus "$1" 'qemu-system-x86')"; }
emulator_is() { [ "$(emulator_cpus "$1")" = "$2 $2" ]; }
# refused_for OBJECT RULE: was something about it refused for that?
refused_for() { ctl decisions --json | jq -e --arg object "$1" --arg rule "$2" 'any(.[]; .object == $object and .verdict == "refused" and .rule == $rule)' >/dev/null; }

# On a made-up host of two nodes with a CPU each: the emulator's threads follow, and memory that libvirt does not bind anew keeps nothing from being placed.
test_emulator() {
  local follows=$tag-p strict=$tag-t everywhere
  everywhere=$(all_cpus)
  # what was just changed is held for two seconds
  write_asking_policy "0:$follows=place{placement=\"0@1 pin=cpu emulator=yes\"}" "5:$strict=place{placement=\"0@1 pin=cpu memory=domain\"}" "30:$strict=bind_memory{node=1}"
  start_daemon
  start_placed "$strict" "<numatune><memory mode='strict' nodeset='0'/></numatune><metadata><iocore xmlns='https://iocore.org/xmlns/domain/1' policy='auto'/></metadata>"
  ok $? "a domain with strict memory starts" || return
  wait_until "$patience" emulator_is "$follows" 1
  ok $? "the emulator's threads follow the vCPUs, as virsh and the kernel say" || diag "$(emulator_cpus "$follows"; ctl decisions; tail -5 "$work/iocored.log")"
  wait_until "$patience" pins_are_of "$follows" "1 1 1 1"
  is "$(pins_of "$follows")" "1 1 1 1" "which are there"
  wait_until "$patience" vcpus_are "$strict" 1
  ok $? "vCPUs are placed also where libvirt does not bind memory anew" || diag "$(pins_of "$strict"; ctl decisions; tail -5 "$work/iocored.log")"
  wait_until "$patience" refused_for "$strict" fixed
  ok $? "where that alone is asked for it says why" || diag "$(ctl decisions)"
  is "$(ctl decisions --json | jq '[.[] | select(.verdict == "failed")] | length')" 0 "nothing has failed"
  stop_daemon
  is "$(emulator_cpus "$follows") $(pins_of "$follows")" "$everywhere $everywhere $everywhere $everywhere $everywhere $everywhere" "at the end the emulator has its CPUs back"
  start_daemon
  # and what is asked of libvirt is done: what is on its way would be done after the restore
  wait_until "$patience" emulator_is "$follows" 1 && wait_until "$patience" pins_are_of "$follows" "1 1 1 1" && wait_until "$patience" vcpus_are "$strict" 1 && wait_until "$patience" nothing_is_open
  ok $? "another iocored places it again"
  stop_daemon KILL
  is "$(emulator_cpus "$follows")" "1 1" "one that is killed leaves it"
  timeout "$patience" "$BUILD/iocored" --config "$work/iocored.conf" --restore >>"$work/iocored.log" 2>&1
  is "$(emulator_cpus "$follows") $(pins_of "$follows")" "$everywhere $everywhere $everywhere $everywhere $everywhere $everywhere" "and --restore takes that back"
  v destroy "$strict"
  rm "$work/policies/60-test-ask.lua"
}

# open_decision NAME: what is asked of libvirt for the domain, and has not been answered
open_decision() { ctl decisions --json | jq -e --arg object "$1" '[.[] | select(.object == $object and .verdict == "in-progress")][0].id'; }
count_foreign() { grep -c "Somebody else changed" "$work/iocored.log"; }

# A decision to place a domain is announced and half done, and what is left of it lost on its way to a libvirtd that is killed then: it ends, nothing of it is taken for somebody else's,
# the next one places the domain, and in the end all is put back.
test_killed_while_open() {
  local name=$1 everywhere before id
  everywhere=$(all_cpus)
  before=$(count_foreign)
  configure "[topology]
synthetic = numa:2 core:1 pu:1
[plugin.libvirt]
uri = qemu+unix:///system?socket=$work/between"
  write_asking_policy "0:$name=place{placement=\"0@1 pin=cpu\"}"
  # the second of its two vCPUs
  start_between "$pin_vcpu_flags" 2
  start_daemon && wait_until "$patience" test -e "$work/between.lost"
  ok $? "a domain is being placed, and a question about its second vCPU does not come to libvirtd" || diag "$(ctl status; ctl decisions; cat "$work/between.log")"
  id=$(open_decision "$name")
  ok $? "the decision is open" || diag "$(ctl decisions)"
  is "$(pins_of "$name")" "1 $everywhere 1 $everywhere" "one vCPU is where it is to be, the other where it was"
  stop_libvirtd KILL
  wait_until "$patience" decision_ended "$id"
  is "$(ctl why "$id" --json | jq -r .verdict)" failed "when libvirtd is killed it ends" || diag "$(ctl why "$id")"
  start_libvirtd
  wait_until "$patience" is_connected_by_us
  ok $? "connected again" || diag "$(ctl status; cat "$work/between.log")"
  wait_until "$patience" pins_are_of "$name" "1 1 1 1" && wait_until "$patience" nothing_is_open
  ok $? "another decision places both" || diag "$(pins_of "$name"; ctl decisions; tail -10 "$work/iocored.log")"
  is "$(count_foreign)" "$before" "nothing of it is taken for somebody else's"
  stop_daemon
  is "$(pins_of "$name")" "$everywhere $everywhere $everywhere $everywhere" "and at the end all is as it was"
  stop_between
  rm "$work/policies/60-test-ask.lua"
}

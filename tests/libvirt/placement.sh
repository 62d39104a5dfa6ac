# SPDX-License-Identifier: LGPL-2.1-or-later
# The shipped policy places real guests, and guest cells that are advised are what a real libvirt takes.

node_cpus() { cat /sys/devices/system/node/node0/cpulist 2>/dev/null || all_cpus; }

# start_placed NAME [EXTRA-XML]: another domain for the policy
start_placed() {
  domain_xml "$@" >"$work/$1.xml"
  v create "$work/$1.xml" && wait_until 10 domain_is "$1" .state running
}

# both_alone NAME: are its vCPUs on one CPU each, not the same one? As virsh and the kernel say.
both_alone() {
  local first second
  first=$(vcpu_pin "$1" 0)
  second=$(vcpu_pin "$1" 1)
  [[ $first =~ ^[0-9]+$ && $second =~ ^[0-9]+$ && $first != "$second" ]] || return 1
  [ "$(allowed_cpus "$1" 'CPU 0/*') $(allowed_cpus "$1" 'CPU 1/*')" = "$first $second" ]
}
pins_of() { echo "$(vcpu_pin "$1" 0) $(vcpu_pin "$1" 1) $(allowed_cpus "$1" 'CPU 0/*') $(allowed_cpus "$1" 'CPU 1/*')"; }
# Nothing that the policy asked for is open.
nothing_is_open() { ! ctl decisions --json | jq -e 'any(.[]; .verdict == "in-progress" or .verdict == "")' >/dev/null; }

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
  # each of those that other tests left would be placed, too
  for name in $(v list --name); do v destroy "$name" >/dev/null; done
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
  wait_until 20 both_alone "$auto"
  ok $? "the vCPUs of the third get a CPU each, as virsh and the kernel say" || diag "$(pins_of "$auto"; ctl decisions; tail -10 "$work/iocored.log")"
  diag "vCPUs of the third: $(pins_of "$auto")"
  wait_until 10 nothing_is_open
  is "$(ctl decisions --json | jq -r '[.[] | select((.source | endswith("numa-placement")) and .verdict == "done") | .object] | unique | join(" ")')" "$auto" \
    "by a decision of the policy" || diag "$(ctl decisions --json)"
  # two more looks of the policy
  wait_until 20 past_epoch "$(($(epoch) + 45))"
  is "$(pins_of "$by_hand")" "1 0 1 0" "vCPUs that are pinned by hand stay where they are"
  is "$(pins_of "$manual")" "$everywhere $everywhere $everywhere $everywhere" "those of the one marked manual have all CPUs"
  both_alone "$auto"
  ok $? "and the third's are where they were"
  stop_daemon
  is "$(pins_of "$auto")" "$everywhere $everywhere $everywhere $everywhere" "when iocored has ended they have all CPUs again"
  is "$(pins_of "$by_hand")" "1 0 1 0" "and those pinned by hand what the hand said"
  test_cells "$auto"
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
  wait_until 10 domain_is "$name" '.cells | length' 1
  ctl doctor --json --bus "$DBUS_SYSTEM_BUS_ADDRESS" >"$work/doctor.json"
  jq -j --arg name "$name" '.[] | select(.check == "guest-cells" and (.found | startswith("domain \($name) "))) | .xml' "$work/doctor.json" >"$work/cells"
  is "$(cat "$work/cells")" "$(ctl domain advise "$name")" "doctor advises the cells that domain advise does" || diag "$(cat "$work/doctor.json")"
  is "$(grep -c '<cell ' "$work/cells") $(grep -c '<memnode ' "$work/cells")" "2 2" "two cells, bound to a node each"
  ctl doctor --bus "$DBUS_SYSTEM_BUS_ADDRESS" >"$work/output"
  is "$(sed -n '/^<cpu>/,$p' "$work/output" | awk 'NF' | head -n "$(wc -l <"$work/cells")")" "$(cat "$work/cells")" "and for people as XML below its table" || diag "$(cat "$work/output")"

  domain_xml "$large" "$(cat "$work/cells")" >"$xml"
  v define "$xml" --validate >"$work/output" 2>&1
  ok $? "libvirt takes it, and finds it right" || diag "$(cat "$work/output" "$xml")"
  is "$(v dumpxml --inactive "$large" | cells_in)" "$(cells_in <"$work/cells")" "and has understood it so"
  # this host has one node perhaps: the cells are what is tried then, not where they are
  sed -i "s/nodeset='[0-9,-]*'/nodeset='0'/" "$xml"
  v undefine "$large" && v define "$xml" && v start "$large" >"$work/output" 2>&1
  ok $? "the guest starts with these cells" || diag "$(cat "$work/output")"
  wait_until 10 domain_is "$large" '.cells | length' 2
  ok $? "iocored sees two cells" || diag "$(domain "$large" .)"
  is "$(domain "$large" '[.vcpu_threads[].cell] | join(" ")')" "0 1" "with a vCPU each"
  is "$(ctl domain advise "$large")" "It fits a node, or has guest cells: nothing to advise." "and has nothing more to advise"
  stop_daemon
}

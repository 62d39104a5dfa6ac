# SPDX-License-Identifier: LGPL-2.1-or-later
# What is known of domains with all sorts of parts, of names that are meant to hurt, and of a domain with a thousand disks.

xml_text() { sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g' <<<"$1"; }
device() { domain "$1" "[.devices[] | select(.kind == \"$2\")][0] | $3"; }

# Is there an object on the bus with that name?
on_the_bus() {
  busctl --system --json=short call org.iocore1 /org/iocore1 org.freedesktop.DBus.ObjectManager GetManagedObjects |
    jq -e --arg name "$1" 'any(.data[0][]["org.iocore1.Domain"] // empty; .Name.data == $name)' >/dev/null
}

test_parts() {
  local parts=$tag-parts
  truncate -s 1M "$work/parts.img"
  domain_xml "$parts" "<memoryBacking><source type='memfd'/></memoryBacking><numatune><memory mode='strict' nodeset='0'/></numatune>" \
    "<disk type='file' device='disk'><driver name='qemu' type='raw' iothread='1'/><source file='$work/parts.img'/><target dev='vda' bus='virtio'/></disk>" >"$work/parts.xml"
  holds "a domain with memory and a disk of its own kind starts" v create "$work/parts.xml"
  wait_until "$soon" domain_is "$parts" .state running
  wait_until "$soon" domain_is "$parts" '.devices | length' 2
  # and all that is known once it runs
  wait_until "$soon" domain_is "$parts" '.vcpu_threads | length' 2
  is "$(domain "$parts" .backing)" memfd "its memory is a memfd" || diag "$(domain "$parts" .)"
  is "$(domain "$parts" .bound)" true "bound by hand"
  is "$(domain "$parts" '.cells[0].node')" 0 "to node 0"
  is "$(device "$parts" interface '"\(.queues) \(.backend)"')" "2 $(v domiflist "$parts" | awk 'NF { print $1 }')" "its interface has two queues, and libvirt's tap"
  is "$(device "$parts" disk '"\(.backend) \(.bus) \(.iothread)"')" "vda virtio 1" "its disk is on the bus virtio, and served by IOThread 1"
  is "$(ctl domain show "$parts" | grep -oE 'disk virtio-.*')" "disk virtio-disk0, vda, bus virtio, IOThread 1" "which domain show says"
  v destroy "$parts"

  # a card of the host that is not there can be defined
  domain_xml "$tag-card" "" \
    "<hostdev mode='subsystem' type='pci' managed='no'><source><address domain='0x0000' bus='0x3b' slot='0x02' function='0x1'/></source></hostdev>" >"$work/card.xml"
  holds "a domain with a card of the host's is defined" v define "$work/card.xml"
  wait_until "$soon" domain_is "$tag-card" '.devices | length' 2
  is "$(device "$tag-card" hostdev .backend)" 0000:3b:02.1 "the card is known by its address" || diag "$(domain "$tag-card" .)"
  v undefine "$tag-card"
}

numad_pid=
# numad looks at the host for seconds before it says anything: others are tried meanwhile
start_with_numad() {
  local auto=$tag-auto
  command -v numad >/dev/null || return
  domain_xml "$auto" "<numatune><memory mode='strict' placement='auto'/></numatune>" | sed "s|<vcpu>2|<vcpu placement='auto'>2|" >"$work/auto.xml"
  v create "$work/auto.xml" >"$work/auto.output" 2>&1 &
  numad_pid=$!
}

test_numad() {
  local auto=$tag-auto chosen
  if [ -z "$numad_pid" ]; then
    skip "memory where numad said" "needs numad"
    return
  fi
  wait "$numad_pid"
  ok $? "a domain that numad places starts" || diag "$(cat "$work/auto.output")"
  wait_until "$patience" domain_is "$auto" .pid "$(cat "/run/libvirt/qemu/$auto.pid")"
  is "$(domain "$auto" .bound) $(domain "$auto" .pinned)" "false false" "nobody's hand did that"
  chosen=$(grep -o "<numad[^>]*>" "/run/libvirt/qemu/$auto.xml")
  is "<numad nodeset='$(domain "$auto" '.cells[0].node')' cpuset='$(domain "$auto" '.vcpu_threads[0].cpus')'/>" "$chosen" "its memory and its vCPUs are where numad said"
  v destroy "$auto"
}

test_names() {
  local hostile="$tag-ä ' \"q\" <\$(id)> & \`x\`" long uuid name pid
  domain_xml "$(xml_text "$hostile")" >"$work/hostile.xml"
  holds "a domain with a name that is meant to hurt starts" v create "$work/hostile.xml"
  wait_until "$soon" domain_is "$hostile" .state running
  ok $? "it runs in the model" || diag "$(domains)"
  # of the files that libvirt names after it the one with its number has the name as XML
  pid=$(sed -n "s/.*<domstatus .*pid='\([0-9]*\)'.*/\1/p" "/run/libvirt/qemu/$hostile.xml")
  wait_until "$soon" domain_is "$hostile" .pid "$pid"
  ok $? "its process is known" || diag "$(domain "$hostile" .)"
  is "$(ctl domain show "$hostile" | head -1)" "Domain $hostile: running" "domain show has it"
  wait_until "$soon" on_the_bus "$hostile"
  ok $? "it is an object on the bus"
  v destroy "$hostile" && wait_until "$soon" domain_is_gone "$hostile"
  ok $? "it goes when it has ended"

  long=$tag-$(printf 'n%.0s' {1..150})
  domain_xml "$long" >"$work/long.xml"
  holds "a domain with a name that is too long for us is defined" v define "$work/long.xml"
  uuid=$(v domuuid "$long" | head -1)
  wait_until "$soon" domain_is "$uuid" .state shutoff
  ok $? "it goes by its UUID" || diag "$(domains | jq -c '[.[].name]')"
  v undefine "$long"
  for name in "$tag-a&#10;b" "$(printf 'n%.0s' {1..10240})" "$tag/b"; do
    domain_xml "$name" >"$work/refused.xml"
    v define "$work/refused.xml" >"$work/output" 2>&1
    isnt_zero $? "libvirt itself refuses ${name:0:12}...: $(tail -1 "$work/output" | cut -c1-60)"
  done
}

# Domains that are gone before anybody can have looked at them.
test_vanish() {
  local i told=0
  domain_xml "$tag-brief" >"$work/brief.xml"
  for i in {1..5}; do
    v create "$work/brief.xml" && v destroy "$tag-brief" || told=1
  done
  is "$told" 0 "five machines start and end at once"
  wait_until "$soon" domain_is_gone "$tag-brief"
  ok $? "none of them is left in the model" || diag "$(domains)"
  is "$(grep "$tag-brief" "$work/iocored.log" | grep -ciE 'error|fail|cannot')" 0 "nothing went wrong with them"
  wait_until "$patience" is_connected
  ok $? "iocored goes on with libvirt"
}

# A controller takes so many: 250 targets with four units each.
thousand_disks() {
  local i letters=({a..z})
  echo "<controller type='scsi' index='0' model='virtio-scsi'/>"
  for ((i = 0; i < 1000; i++)); do
    echo "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/nonexistent/disk-$i'/>" \
      "<target dev='sd${letters[i / 676]}${letters[i / 26 % 26]}${letters[i % 26]}' bus='scsi'/><address type='drive' controller='0' bus='0' target='$((i % 250))' unit='$((i / 250))'/></disk>"
  done
}

test_thousand_disks() {
  local many=$tag-many
  domain_xml "$many" "" "$(thousand_disks)" >"$work/many.xml"
  start_lateness "$work/late.many"
  holds "a domain with a thousand disks is defined" v define "$work/many.xml"
  wait_until "$patience" domain_is "$many" '[.devices[] | select(.kind == "disk")] | length' 1000
  ok $? "all of them are known" || diag "$(domain "$many" '.devices | length')"
  is "$(ctl domain show "$many" | grep -c "disk .*sd[a-z]*")" 1000 "and shown"
  stop_lateness "$work/late.many" 20
  distribution "with a thousand disks" "$work/late.many"
  # a machine that is busy keeps one or the other waiting; whoever waited for libvirt or its XML would be late again and again
  [ "$(wc -l <"$work/late.many")" -ge 20 ] && [ "$(median "$work/late.many")" -le $(($(median "$work/late.many.bystander") + 100000)) ] &&
    [ "$(nine_of_ten "$work/late.many")" -le $(($(nine_of_ten "$work/late.many.bystander") + 500000)) ]
  ok $? "epochs went on meanwhile"
  v undefine "$many"
}

test_inventory() {
  start_with_numad
  test_parts
  test_names
  test_vanish
  test_thousand_disks
  test_numad
}

# SPDX-License-Identifier: LGPL-2.1-or-later
# variants: 6.12/libvirt
# Two real virtual machines of a real libvirtd, on a host with two real nodes, are placed by the shipped policies: the small one with vhost-net whole, the large one cell by cell.
# The large one was bound to one node before, by iocored, as one that fitted it once: there the kernel lets it have memory on no other.
# They are emulated in an emulated machine, so their firmware does nothing but halt. Nothing in their XML says where they, or their memory, should be.
. /tests/tap.sh
. /tests/guest.sh

configuration='[daemon]
epoch = 500ms
[cores]
max = 1
[policy.dynamic-cores]
start_load = 0.1
release_last = no
vm_idle = 0
[policy.numa-placement]
settle = 1
rest = 2
interval = 4'

v() { timeout 60 virsh -q -c qemu:///system "$@"; }
libvirt_answers() { v list; }

configure_libvirt() {
  mkdir -p "$WORK/memory" # /run is a tmpfs
  cat > /etc/libvirt/qemu.conf << END
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
security_driver = "none"
stdio_handler = "file"
memory_backing_dir = "$WORK/memory"
cgroup_device_acl = [ "/dev/null", "/dev/zero", "/dev/urandom", "/dev/net/tun", "/dev/vhost-net" ]
END
  cat > /etc/libvirt/libvirtd.conf << END
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
END
  # at the end of 64 KiB, where a CPU begins: cli; hlt; jmp back
  { head -c 65520 /dev/zero && printf '\372\364\353\375' && head -c 12 /dev/zero; } > "$WORK/firmware"
}

# start_domain NAME VCPUS MIB EXTRA-XML
start_domain() {
  cat > "$WORK/$1.xml" << END
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>$1</name>
  <memory unit='MiB'>$3</memory>
  <vcpu>$2</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><loader type='rom'>$WORK/firmware</loader></os>
  <devices>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
  $4
</domain>
END
  timeout 240 virsh -q -c qemu:///system create "$WORK/$1.xml"
}

# qemu_of NAME: its process.
qemu_of() { cat "/run/libvirt/qemu/$1.pid"; }

# vcpu_lists NAME: for each vCPU, in order, the CPUs that the kernel lets it run on.
vcpu_lists() {
  local pid task comm
  pid=$(qemu_of "$1") || return 1
  for task in "/proc/$pid/task"/*; do
    read -r comm < "$task/comm" || return 1
    case $comm in "CPU "*/TCG) comm=${comm#CPU }; echo "${comm%/TCG} $(cpus_of "${task##*/}")" ;; esac
  done | sort -n | cut -d ' ' -f 2
}

# node_of_cpus LIST: the node that all of them are on, CPUs 0 to 3 or 4 to 7.
node_of_cpus() {
  case $1 in
  "" | *[4-7]*[0-3]* | *[0-3]*[4-7]*) return 1 ;;
  *[0-3]*) echo 0 ;;
  *) echo 1 ;;
  esac
}

# nodes_of NAME: of each vCPU, in one line; a vCPU that is on no node alone, or may use an I/O core, is a "-".
nodes_of() {
  local list core line=
  core=$(io_cores)
  for list in $(vcpu_lists "$1"); do
    if [ -z "$core" ] || in_list "${core% }" "$list"; then line="$line-"; else line="$line$(node_of_cpus "$list" || echo -)"; fi
  done
  echo "$line"
}
small_is_whole() { [ "$(nodes_of small)" = 11 ]; }
split_is_split() { case $(nodes_of split) in 000111 | 111000) ;; *) return 1 ;; esac; }

# pages_of NAME NODE [CELL]: pages of its guest cell, or of its memory that is in no file, on the node, as the kernel counts them.
pages_of() {
  awk -v node="N$2=" -v what="${3:+/ram-node$3 }" '(what == "" && !/file=/) || (what != "" && index($0, what)) {
      for (i = 2; i <= NF; i++) if (index($i, node) == 1) n += substr($i, length(node) + 1) } END { print n + 0 }' "/proc/$(qemu_of "$1")/numa_maps"
}
tell_memory() {
  diag "$1: small $(pages_of small 0) + $(pages_of small 1) pages on nodes 0 + 1; split: cell 0 $(pages_of split 0 0) + $(pages_of split 1 0), cell 1 $(pages_of split 0 1) + $(pages_of split 1 1)"
}
pins() { for name in small split; do v vcpupin "$name" && v emulatorpin "$name"; done; }
# One that has no numatune may use all nodes.
nodesets() { for name in small split; do v numatune "$name" | awk -v name="$name" '/numa_nodeset/ { print name, $3 == "" ? "0-1" : $3 }'; done; }
mems_of() { field_of "$(qemu_of "$1")" Mems_allowed_list; }

part_began=${EPOCHREALTIME/[.,]/}
took() {
  local now=${EPOCHREALTIME/[.,]/}
  diag "$1: $(((now - part_began) / 1000)) ms"
  part_began=${EPOCHREALTIME/[.,]/}
}

# --- libvirt and its machines

configure_libvirt
# what it starts inherits that, too: all memory is on node 0, for which nobody asked
prefer-node 0 libvirtd > "$WORK/libvirtd.log" 2>&1 &
libvirtd=$!
holds "libvirtd starts" wait_until 120 libvirt_answers
took "libvirtd"
# an <interface> would have no vhost: to machines without KVM libvirt does not give it, whatever their <driver> says
holds "a small machine with vhost-net starts" start_domain small 2 64 "<memoryBacking><allocation mode='immediate'/></memoryBacking>
  <qemu:commandline>
    <qemu:arg value='-netdev'/><qemu:arg value='tap,id=network,ifname=tap-small,script=no,downscript=no,vhost=on'/>
    <qemu:arg value='-device'/><qemu:arg value='virtio-net-pci,netdev=network,romfile='/>
  </qemu:commandline>"
took "the small machine, and what libvirt asks of QEMU first"
holds "a machine larger than a node starts, with two cells" start_domain split 6 96 \
  "<memoryBacking><source type='file'/><access mode='shared'/><allocation mode='immediate'/></memoryBacking>
  <cpu><numa><cell id='0' cpus='0-2' memory='48' unit='MiB'/><cell id='1' cpus='3-5' memory='48' unit='MiB'/></numa></cpu>"
took "the large machine"

if [ "$tap_failed" -gt 0 ]; then
  diag "$(tail -n 5 /var/log/libvirt/qemu/*.log)"
  tap_done
  exit 1
fi
tell_memory "before"
[ "$(pages_of small 0)" -ge 16384 ] && [ "$(pages_of split 0 0)" -eq 12288 ] && [ "$(pages_of split 0 1)" -eq 12288 ]
ok $? "all memory of both is on node 0"
pins > "$WORK/pins.before"
nodesets > "$WORK/nodesets.before"
is "$(vcpu_lists small; vcpu_lists split)" "$(for ((i = 0; i < 8; i++)); do echo 0-7; done)" "their vCPUs may run anywhere"
took "looking at them"
# what libvirt asks for placement='auto', which neither has
! command -v numad > /dev/null || diag "numad would put the small one on node $(timeout 60 numad -w 2:64 2>&1)"

# --- iocored

mkdir -p /run/iocored/policies.d
cat > /run/iocored/policies.d/30-whole.lua << 'END'
local whole = false
return policy { name = "whole", doc = "Binds the large machine to node 1, once.", on_epoch = function(host)
  local d = host:domain("split")
  if whole or not d or d.state ~= "running" then return end
  if d.node == 1 then whole = true else d:bind_memory { node = 1 } end
end }
END
start_daemon
ok $? "iocored starts"
all_known() {
  is_known() { iocorectl domains --json | jq -c 'map([.name, .state, .vcpus, .pid, .units]) | sort'; }
  [ "$(is_known)" = "[[\"small\",\"running\",2,$(qemu_of small),1],[\"split\",\"running\",6,$(qemu_of split),0]]" ]
}
holds "it knows both machines, and the unit of the small one" wait_until 120 all_known
all_known || diag "$(iocorectl domains --json)"
took "iocored knows both"
identified() {
  worker=$(iocorectl workers --json | jq -r '.[] | select(.domain == "small") | "\(.kind) \(.backend) \(.queue_pair) \(.owner)"')
  [ "$worker" = "net tap-small 0 $(qemu_of small)" ]
}
wait_until 60 identified
is "$worker" "net tap-small 0 $(qemu_of small)" "it knows the vhost worker of the small one: its tap, queue pair, process and machine"
worker=$(iocorectl workers --json | jq -r '.[] | select(.domain == "small") | .id')
worker=${worker#t.}
is "$(field_of "$worker" Tgid)" "$(qemu_of small)" "which is a thread of QEMU"

decided() { history "select((.source | endswith(\"$1\")) and .verdict == \"done\") | .object" | sort -u | tr '\n' ' '; }
split_was_whole() { [ "$(decided whole)" = "split " ]; }
holds "the large machine is bound to node 1, by a decision" wait_until 120 split_was_whole
took "the large one is whole"

start_load io 0-3 --load 0.2
ok $? "there is I/O on node 0, of somebody else"
workers_are_on_core() {
  local core
  core=$(io_cores)
  [ -n "$core" ] && [ "$(cpus_of "$worker")" = "${core% }" ] && [ "$(cpus_of "$(worker_of io)")" = "${core% }" ]
}
holds "node 0 gets an I/O core, and all vhost workers run there only" wait_until 90 workers_are_on_core
core=$(io_cores)
diag "I/O core ${core% }, worker of small $(cpus_of "$worker"), worker of the load $(cpus_of "$(worker_of io)")"
is "$(node_of_cpus "${core% }")" 0 "the I/O core is on node 0"
took "the I/O core"
tell_load io pause

holds "the small machine is whole on node 1, where there is more room, and on no I/O core" wait_until 120 small_is_whole
holds "each cell of the large one has a node, the other one another, and no I/O core" wait_until 120 split_is_split
took "both are placed"
virsh_says_so() { [ "$(v vcpupin "$1" | awk '{ print $2 }')" = "$(vcpu_lists "$1")" ]; }
holds "virsh says the same of the small one" wait_until 60 virsh_says_so small
holds "and of the large one" wait_until 60 virsh_says_so split
diag "small on $(vcpu_lists small | tr '\n' ' '), split on $(vcpu_lists split | tr '\n' ' ')"
small_has_followed() { [ "$(pages_of small 1)" -ge 16384 ] && [ "$(pages_of small 0)" -le 1024 ]; }
holds "the memory of the small one has followed, by numatune" wait_until 120 small_has_followed
is "$(mems_of small)" 1 "what it takes from now on is from there"
tell_memory "after"
took "the memory of the small one"

# the cell whose vCPUs are on node 0: its pages were on node 1
case $(nodes_of split) in 000111) moving=0 ;; *) moving=1 ;; esac
# A page that the kernel uses just then cannot be moved: a hundredth is allowed for.
cells_are_apart() { [ "$(pages_of split 0 "$moving")" -ge 12165 ] && [ "$(pages_of split 1 $((1 - moving)))" -ge 12165 ]; }
holds "the memory of each cell of the large one is on the node of its vCPUs" wait_until 120 cells_are_apart
tell_memory "then"
split_jobs() { iocorectl jobs --json | jq -r "map(select(.object == \"split\")) | $1"; }
jobs_are_over() { [ "$(split_jobs 'length > 0 and all(.state == "done")')" = true ]; }
holds "a job is done that moved it" wait_until 60 jobs_are_over
is "$(split_jobs 'map([.kind, .cell, .node, .source] | join(" ")) | unique | join(", ")')" "move-memory $moving 0 policy:numa-placement" \
  "it moved that cell alone, to node 0, for the policy"
is "$(split_jobs 'map(.failed) | add <= 123')" true "and all but a hundredth of the pages, at most, could be moved"
is "$(mems_of split)" 0-1 "where it may have memory since then"
is "$(split_jobs 'map(.moved) | add >= 12165 and add <= 12288')" true "each page once"
diag "$(split_jobs '.[] | "\(.moved) of \(.total) pages in \(.ended_usec - .begun_usec) us, \(.busy_usec) us of them at work: \(.pages_per_second | floor) pages per second"')"
took "the memory of the large one"
is "$(iocorectl history --limit 1000 --json | jq -r '[.[] | select((.source | endswith("numa-placement")) and .verdict == "done") | .object] | unique | join(" ")')" \
  "small split" "these are decisions of the policy"
holds "the worker is still on the I/O core" workers_are_on_core

# --- the end

pins > "$WORK/pins.placed"
took "looking at them"
stop_daemon TERM
is "$daemon_status" 0 "iocored ends well"
took "the end of iocored"
pins > "$WORK/pins.after"
is "$(diff "$WORK/pins.before" "$WORK/pins.after")" "" "vCPUs and emulators have the CPUs that they had before, as virsh says"
[ -n "$(diff "$WORK/pins.before" "$WORK/pins.placed")" ]
ok $? "which they had not meanwhile"
is "$(vcpu_lists small; vcpu_lists split)" "$(for ((i = 0; i < 8; i++)); do echo 0-7; done)" "and the kernel"
nodesets > "$WORK/nodesets.after"
is "$(cat "$WORK/nodesets.after")" "$(cat "$WORK/nodesets.before")" "memory may come from the nodes that it could before"
is "$(mems_of small) $(mems_of split)" "0-1 0-1" "also as the kernel says"
is "$(cpus_of "$worker") $(cpus_of "$(worker_of io)")" "0-7 0-3" "and the workers run where they did"

stop_load io
left=$(qemu_of small) also_left=$(qemu_of split)
holds "the small machine ends" v destroy small
holds "the large one ends" v destroy split
kill "$libvirtd"
wait "$libvirtd"
both_are_gone() { [ ! -d "/proc/$left" ] && [ ! -d "/proc/$also_left" ]; }
holds "nothing of them is left" wait_until 30 both_are_gone
took "the end of libvirt"
tap_done

# SPDX-License-Identifier: LGPL-2.1-or-later
# A real libvirtd of our own, in namespaces that end with the script: its files are on tmpfs, its taps in a network of its own, its QEMUs in the tree of processes that goes away.
# Files that locks are on are ours, too: this may run twice at the same time.
# Only control groups stay behind, and are removed by their names. Sets $work, $tag (in the name of each domain).

libvirtd_pid= bus_pid= listener_pids=

# Seconds within which an event has to be followed, on a machine that is busy with other tests, too. Less than the half minute after which all domains are looked at again: that would hide
# an event that was lost.
soon=25
# Seconds for what is more than that: a daemon that starts, a libvirt that is called again, after half a minute at most, all that a plan changes, a guest that boots.
patience=120

# Run the script again in namespaces: enter "$0"
enter() {
  local machine_before status
  [ "$(id -u)" -eq 0 ] || { skip "a libvirtd of our own" "needs root"; tap_done; exit; }
  unshare --mount --pid --net --fork --mount-proc true 2>/dev/null || { skip "a libvirtd of our own" "namespaces are not to be had here"; tap_done; exit; }
  machine_before=$(echo /sys/fs/cgroup/*/machine /sys/fs/cgroup/machine)
  work=$(mktemp -d)
  export IOCORE_LIBVIRT_WORK=$work IOCORE_LIBVIRT_TAG=t$$
  unshare --mount --pid --net --fork --kill-child --mount-proc "$1"
  status=$?
  # of processes that are just ending some are busy yet
  wait_until "$soon" remove_cgroups "$IOCORE_LIBVIRT_TAG" "$machine_before"
  rm -rf "$work"
  exit $status
}

# remove_cgroups TAG MACHINE-BEFORE: those of the domains, and the ones above them that were not there before and that nobody else uses by now. Fails when one of a domain's is left.
remove_cgroups() {
  local directory top left=0
  for top in /sys/fs/cgroup /sys/fs/cgroup/*/; do
    top=${top%/}/machine
    [ -d "$top" ] || continue
    for directory in "$top"/qemu-*-"$1"*; do
      [ ! -d "$directory" ] || find "$directory" -depth -type d -exec rmdir {} + 2>/dev/null || left=1
    done
    case " $2 " in *" $top "*) ;; *) rmdir "$top" 2>/dev/null ;; esac
  done
  return "$left"
}

# In the namespaces: everything of libvirt's is new.
prepare() {
  local directory
  work=$IOCORE_LIBVIRT_WORK tag=$IOCORE_LIBVIRT_TAG
  ip link set lo up
  # ours, too: how late epochs are is not to depend on what others write to the disk that the journal is on
  for directory in "$work" /etc/libvirt /run/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do
    mkdir -p "$directory" && mount -t tmpfs tmpfs "$directory" || { diag "no tmpfs on $directory"; return 1; }
  done
  mkdir -p /var/lib/libvirt/qemu /var/log/libvirt/qemu
  cat >/etc/libvirt/qemu.conf <<'END'
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
security_driver = "none"
END
  libvirtd_conf none
  virtlogd -d --pid-file "$work/virtlogd.pid" >"$work/virtlogd.log" 2>&1 || { diag "virtlogd: $(cat "$work/virtlogd.log")"; return 1; }
}

# libvirtd_conf AUTHENTICATION: for connections that may change something
libvirtd_conf() {
  cat >/etc/libvirt/libvirtd.conf <<END
auth_unix_ro = "none"
auth_unix_rw = "$1"
unix_sock_group = "root"
unix_sock_ro_perms = "0777"
unix_sock_rw_perms = "0777"
END
}

start_libvirtd() {
  libvirtd --pid-file "$work/libvirtd.pid" >>"$work/libvirtd.log" 2>&1 &
  libvirtd_pid=$!
  wait_until "$patience" virsh -q -c qemu:///system list --name || { diag "$(tail -20 "$work/libvirtd.log")"; return 1; }
}

# stop_libvirtd [SIGNAL]: domains go on
stop_libvirtd() {
  [ -n "$libvirtd_pid" ] || return 0
  kill -"${1:-TERM}" "$libvirtd_pid"
  wait "$libvirtd_pid" 2>/dev/null
  libvirtd_pid=
}

v() { timeout "$patience" virsh -q -c qemu:///system "$@"; }

# domain_xml NAME [EXTRA-XML [EXTRA-DEVICES]]: two vCPUs that run an empty BIOS (see with_kernel, too), an IOThread, a tap with two queues and vhost
domain_xml() {
  cat <<END
<domain type='qemu'>
  <name>$1</name>
  <memory unit='MiB'>32</memory>
  <vcpu>2</vcpu>
  <iothreads>1</iothreads>
  ${2:-}
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <controller type='usb' model='piix3-uhci'/>
    <interface type='ethernet'>
      <model type='virtio'/>
      <driver name='vhost' queues='2'/>
    </interface>
    <memballoon model='none'/>
    ${3:-}
  </devices>
</domain>
END
}

# --- iocored and its bus

start_bus() {
  mkdir -p "$work/policies"
  chmod 755 "$work" # one test runs iocored as nobody
  cat >"$work/bus.conf" <<END
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=$work/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow own="*"/><allow user="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
END
  # it tells its address when it listens: the socket is there before that
  dbus-daemon --config-file="$work/bus.conf" --nofork --nopidfile --print-address=3 3>"$work/bus.address" >>"$work/bus.log" 2>&1 &
  bus_pid=$!
  wait_until "$patience" test -s "$work/bus.address" || { diag "dbus-daemon: $(cat "$work/bus.log")"; return 1; }
  export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$work/bus
}

# configure [TEXT]
configure() {
  cat >"$work/iocored.conf" <<END
[daemon]
journal = $work/journal
plugins = ${plugins:-libvirt vhost-thread cpu}
plugin-directory = $BUILD/.libs
policy-directories = $work/policies
epoch = 100ms
log-level = debug
${1:-}
[plugin.vhost-thread]
# whoever names patterns means this host, also where the kernel has no vhost
patterns = none
none.regex = ^no-such-thread$
none.kind = net
END
}

# write_policy NAME [LISTEN]: the policy that does what the tests say: pins the vCPUs of the first domain to one CPU, or to all that the host has (-2), or not (-1);
# and logs what it has heard of the other one, when `tell` changes.
write_policy() {
  cat >"$work/policies/60-test-pin.lua" <<END
local heard, told = {}, 0
local function hear(kind)
  return function(host, p, object, event, id, detail)
    if id == "${2:-}" then heard[#heard + 1] = kind .. event .. (detail == "" and "" or " " .. detail) .. (event == "defined" and object and ", " .. object.state or "") end
  end
end
return policy {
  name = "test-pin",
  doc = "Pins as it is told.",
  params = { cpu = { default = -1, min = -2, max = 1000, doc = "The CPU." }, tell = { default = 0, min = 0, max = 1000, doc = "Logs what was heard." } },
  on_epoch = function(host, p)
    local domain = host:domain("$1")
    if domain and p.cpu ~= -1 and domain.state == "running" then
      domain:pin { cpus = p.cpu == -2 and "$(all_cpus)" or p.cpu, reason = "so it was told" }
    end
    if p.tell ~= told then
      told = p.tell
      -- a line has at most 255 bytes, and there are not many
      local line = "heard"
      for _, event in ipairs(heard) do
        if #line + #event > 200 then log(line) line = "heard" end
        line = line .. "; " .. event
      end
      log(line)
      log("that was all, " .. told)
      heard = {}
    end
  end,
  on_domain = hear "",
  on_device = hear "device: ",
}
END
}
# heard: what the policy has heard since this was asked last, one thing a line, in $work/heard
n_told=0
heard() {
  local before
  before=$(wc -l <"$work/iocored.log")
  n_told=$((n_told + 1))
  ctl policy set test-pin tell "$n_told" >/dev/null && wait_until "$soon" grep -q "that was all, $n_told" "$work/iocored.log" || return 1
  tail -n "+$((before + 1))" "$work/iocored.log" | sed -n 's/.*Policy test-pin: heard; //p' | sed 's/; /\n/g' >"$work/heard"
}
# heard_in_order: is each line of $work/wanted among what was heard, one after the other? Others may be between them.
heard_in_order() {
  heard && awk 'NR == FNR { wanted[++n] = $0; next } $0 == wanted[k + 1] { k++ } END { exit k < n }' "$work/wanted" "$work/heard"
}
# pin_vcpus NAME CPU: and waits until libvirt says so
pin_vcpus() {
  local list=$2
  [ "$2" != -2 ] || list=$(all_cpus)
  ctl policy set test-pin cpu -- "$2" >"$work/output" 2>&1 || return 1
  wait_until "$soon" vcpus_are "$1" "$list"
}
vcpus_are() { [ "$(vcpu_pin "$1" 0) $(vcpu_pin "$1" 1)" = "$2 $2" ]; }
all_cpus() { cat /sys/devices/system/cpu/online; }

daemon_pid=
# start_daemon [ARGUMENT...]
start_daemon() {
  "$BUILD/iocored" --config "$work/iocored.conf" "$@" >>"$work/iocored.log" 2>&1 &
  daemon_pid=$!
  wait_until "$patience" past_epoch 3 || { diag "iocored did not start"; diag "$(tail -20 "$work/iocored.log")"; return 1; }
}

stop_daemon() {
  local pid=$daemon_pid
  [ -n "$pid" ] || return 0
  daemon_pid=
  kill -"${1:-TERM}" "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
}

ctl() { timeout "$patience" "$BUILD/iocorectl" "$@"; }
# end_all: the namespace ends what is left, too
end_all() {
  stop_daemon
  local domain
  for domain in $(timeout 10 virsh -q -c qemu:///system list --name 2>/dev/null); do
    timeout 10 virsh -q -c qemu:///system destroy "$domain" >/dev/null 2>&1
  done
  stop_libvirtd
}

epoch() { ctl status --json | jq .epoch; }
past_epoch() { [ "$(epoch)" -gt "$1" ]; }
# epochs_pass N: so many, from now on
epochs_pass() {
  local now
  now=$(epoch) && [ -n "$now" ] && wait_until "$patience" past_epoch $((now + $1))
}

# --- what iocored knows

# Each of these fails, too, when iocored does not answer: no answer is none that something is gone.
domains() {
  local answer
  answer=$(busctl --system --json=short call org.iocore1 /org/iocore1 org.iocore1.Manager GetState as 1 domains) &&
    jq -ce '.data[0] | fromjson | .domains' <<<"$answer"
}
# domain NAME FILTER: of the domain in the model
domain() {
  local all
  all=$(domains) && jq -r --arg name "$1" ".[] | select(.name == \$name) | $2" <<<"$all"
}
# domain_is NAME FILTER VALUE: it is there, and that is so
domain_is() {
  local all
  all=$(domains) && jq -e --arg name "$1" --arg value "$3" "any(.[]; .name == \$name and ($2 | tostring) == \$value)" <<<"$all" >/dev/null
}
# domain_is_gone NAME
domain_is_gone() {
  local all
  all=$(domains) && jq -e --arg name "$1" 'all(.[]; .name != $name)' <<<"$all" >/dev/null
}

# run_of NAME: the object of the knobs of the domain as it runs: UUID.START
run_of() {
  local pid
  pid=$(cat "/run/libvirt/qemu/$1.pid") || return 1
  printf '%s.%s\n' "$(v domuuid "$1" | head -1)" "$(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f20)"
}

# allowed_cpus NAME COMM: the CPUs of the domain's thread of that name, as the kernel has them
allowed_cpus() {
  local task pid
  pid=$(cat "/run/libvirt/qemu/$1.pid") || return 1
  for task in "/proc/$pid/task"/*; do
    case $(cat "$task/comm") in
    $2) awk '/^Cpus_allowed_list:/ { print $2 }' "$task/status"; return ;;
    esac
  done
  return 1
}
# set_knob KIND OBJECT VALUE: asks, again while something else is still changing there, and waits for what becomes of it. Sets $decision.
decision=
set_knob() {
  decision=
  wait_until "$patience" try_set "$@" && wait_until "$patience" decision_ended "$decision"
}
try_set() {
  ctl set "$1" "$2" "$3" --json >"$work/asked" 2>&1
  decision=$(jq '.decision // empty' "$work/asked" 2>/dev/null)
  [ -n "$decision" ]
}
# ask_knob KIND OBJECT VALUE: asks, and does not wait. Sets $decision.
ask_knob() { decision=$(ctl set "$1" "$2" "$3" --no-wait --json | jq .decision); }
decision_ended() {
  case $(ctl why "$1" --json | jq -r .verdict) in
  "" | in-progress) return 1 ;;
  esac
}
verdict() { ctl why "$decision" --json | jq -r .verdict; }
iothread_pin() { v iothreadinfo "$1" | awk '$1 == 1 { print $2 }'; }
vcpu_pin() { v vcpupin "$1" "$2" | awk '{ print $2 }'; }

# SPDX-License-Identifier: LGPL-2.1-or-later
# The bus goes and comes back; a second daemon; a big host; the end.

daemon_on_bus() { ctl status; }

# big_scenario FILE VMS: 40 queues each, of which a few are busy
big_scenario() {
  /usr/bin/python3 - "$2" >"$1" <<'END'
import sys
vms = []
for vm in range(int(sys.argv[1])):
    devices = []
    for device in range(10):
        load = '{ "at": 0, "queue": 1, "packets": 10, "bytes": 100 }' if device == 0 and vm < 20 else ""
        devices.append('{ "queues": 4, "backend": "tap-%d-%d", "load": [ %s ] }' % (vm, device, load))
    vms.append('{ "name": "vm%d", "vcpus": 1, "node": %d, "pid": %d, "devices": [ %s ] }' % (vm, vm % 2, 5000001 + vm, ", ".join(devices)))
print('{ "name": "big", "seed": 1, "duration": 100000, "topology": { "sockets": 2, "nodes": 2, "cores": 16, "threads": 1, "ghz": 2.2 }, "vms": [ %s ] }' % ", ".join(vms))
END
}

test_life() {
  local before

  before=$(epoch)
  stop_bus
  holds "no bus is status 3" status 3 ctl status
  start_bus
  holds "the daemon comes back after the bus" wait_until 30 daemon_on_bus
  holds "it went on deciding meanwhile" past_epoch "$before"
  holds "and a wish is granted" ctl grow --cpu 3
  ctl shrink --cpu 3 >/dev/null

  sed "s|^journal = .*|journal = $dir/journal2|" "$dir/iocored.conf" >"$dir/second.conf"
  timeout 60 "$BUILD/iocored" --config "$dir/second.conf" >"$dir/second.log" 2>&1
  [ $? -ne 0 ] && [ $? -ne 124 ] && grep -q "another daemon has the name" "$dir/second.log"
  ok $? "a second daemon on the bus refuses to start"
  holds "and the first one does not mind" daemon_on_bus

  follow_events
  stop_daemon TERM
  is $? 0 "SIGTERM ends the daemon"
  holds "who follows is told" wait_until 30 ended "$follower_pid"
  wait "$follower_pid"
  is $? 3 "with status 3"
  ctl status 2>&1 | grep -q "systemctl start iocored"
  ok $? "without a daemon iocorectl says what to do"
  holds "and its status is 3" status 3 ctl grow

  # the simulated host is ten times slower with sanitizers: a tenth of the VMs, and of the questions below
  local vms=250 questions=3000
  ! sanitized || vms=25 questions=300
  big_scenario "$dir/big.json" $vms
  configure "$dir/big.json" "pack:2 numa:1 core:16 pu:1"
  # simulating it takes a good part of a CPU: at a tenth of the pace, and of the epochs, a daemon that gets less is done with the time that has passed before the next epoch, and answers
  sed -i 's/^epoch = 50ms/epoch = 500ms/; s/^pace = real/&\nspeed = 0.1/' "$dir/iocored.conf"
  start_daemon || { ok 1 "iocored takes a host of $vms VMs with 40 queues each"; return; }
  is "$(ctl queues --all --json | jq length)" $((vms * 40)) "$((vms * 40)) queues are told when they are asked for"
  is "$(ctl status --json | jq -c '[(.units | length), has("queues")]')" "[$((vms * 10)),false]" "and only then"
  is "$(busctl --system --timeout=120 --json=short call org.iocore1 /org/iocore1 org.freedesktop.DBus.ObjectManager GetManagedObjects | jq '.data[0] | keys | length')" \
    $((32 + 1 + 1 + vms * 21)) "managed objects are all but queues there too"
  holds "one queue of them can be read" get "/org/iocore1/queue/vq_2e$((vms * 10))_2e3" org.iocore1.Queue Load
  # so many questions at a time that their looks at the whole host take more than the twentieth of the time that there is for them
  local answers asker askers=()
  answers=$(answers asked $questions)
  diag "$questions questions: $answers"
  [[ $answers =~ ^([0-9]+)\ answer,([0-9]+)\ org.iocore1.Error.Busy$ ]] && [ $((BASH_REMATCH[1] + BASH_REMATCH[2])) -eq $questions ]
  ok $? "some of a flood of questions what would become of a wish are answered, the others are to be asked again"
  for asker in {1..24}; do
    ctl why-not grow --cpu 3 --json >"$dir/answer.$asker" 2>&1 &
    askers+=($!)
  done
  wait "${askers[@]}"
  is "$(cat "$dir"/answer.* | jq -r .verdict | sort | uniq -c | awk '{ print $1, $2 }')" "24 planned" "which iocorectl does: however many ask at a time, all are answered"
  if ! sanitized; then
    [ "$(resident_kib)" -lt 65536 ]
    ok $? "in less than 64 MiB"
  fi
  stop_daemon TERM
  is $? 0 "SIGTERM ends it"
}

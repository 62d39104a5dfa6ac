# SPDX-License-Identifier: LGPL-2.1-or-later
# Connections that let one only look, and the test driver of libvirt's library.

read_only_is_told() { grep -q "connected read-only, so vCPUs and memory are not placed" "$work/nobody/log"; }

test_rights() {
  local b=$tag-b run
  run=$(run_of "$b")
  stop_daemon
  # polkit, which is not there, would have to be asked for whoever is not root
  stop_libvirtd
  libvirtd_conf polkit
  start_libvirtd
  mkdir "$work/nobody" && chown nobody "$work/nobody"
  configure
  sed -i "s|^journal = .*|journal = $work/nobody/journal|" "$work/iocored.conf"
  setpriv --reuid=nobody --regid=nogroup --clear-groups "$BUILD/iocored" --config "$work/iocored.conf" >"$work/nobody/log" 2>&1 &
  daemon_pid=$!
  wait_until 20 past_epoch 3
  ok $? "iocored runs without rights" || diag "$(tail -5 "$work/nobody/log")"
  wait_until 5 domain_is "$b" .state running
  ok $? "and knows the domains from a connection that only lets it look" || diag "$(domains; cat "$work/nobody/log")"
  holds "what is missing is told" read_only_is_told
  diag "$(grep -m1 "connected read-only" "$work/nobody/log")"
  ctl set iothread.cpus "$run.1" 0 >"$work/output" 2>&1
  isnt_zero $? "nothing can be set" || diag "$(cat "$work/output")"
  v suspend "$b"
  wait_until 5 domain_is "$b" .state paused
  ok $? "events are heard all the same"
  v resume "$b"
  stop_daemon

  configure "[plugin.libvirt]
uri = test:///default"
  write_policy test
  start_daemon
  ok $? "iocored runs on the test driver of libvirt's library"
  is "$(domain test .state)" running "its domain is known"
  ctl policy set test-pin cpu 1 >"$work/output"
  wait_until 10 grep -q "vcpu.cpus of 6695eb01-f6a4-8304-79aa-97f2502e193f.i1.0 has answered: 1" "$work/iocored.log"
  ok $? "and can be pinned" || diag "$(ctl decisions; tail -5 "$work/iocored.log")"
  stop_daemon
  is $? 0 "iocored ends well"
}

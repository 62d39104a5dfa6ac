# SPDX-License-Identifier: LGPL-2.1-or-later
# Connections that let one only look, and the test driver of libvirt's library.

read_only_is_told() { grep -q "connected read-only, so vCPUs and memory are not placed.*${1:-}" "$work/nobody/log"; }

polkit_pid=
# A polkit of our own, on our bus, that lets whoever is not root look, and nothing else.
start_polkit() {
  mount -t tmpfs tmpfs /etc/polkit-1 && mkdir /etc/polkit-1/rules.d || return 1
  cat >/etc/polkit-1/rules.d/10-test.rules <<'END'
polkit.addRule(function(action, subject) {
  if (action.id == "org.libvirt.unix.manage") return polkit.Result.NO;
  if (action.id == "org.libvirt.unix.monitor") return polkit.Result.YES;
});
END
  chmod -R a+rX /etc/polkit-1
  /usr/lib/polkit-1/polkitd --no-debug >"$work/polkitd.log" 2>&1 &
  polkit_pid=$!
  wait_until "$patience" busctl --system status org.freedesktop.PolicyKit1
}
stop_polkit() {
  [ -n "$polkit_pid" ] || return 0
  kill "$polkit_pid" 2>/dev/null
  wait "$polkit_pid" 2>/dev/null
  polkit_pid=
}
start_as_nobody() {
  : >"$work/nobody/log"
  setpriv --reuid=nobody --regid=nogroup --clear-groups "$BUILD/iocored" --config "$work/iocored.conf" >"$work/nobody/log" 2>&1 &
  daemon_pid=$!
  wait_until "$patience" past_epoch 3
}

test_rights() {
  local b=$tag-b run
  run=$(run_of "$b")
  stop_daemon
  if [ -x /usr/lib/polkit-1/polkitd ]; then
    start_polkit
    ok $? "a polkit of our own starts, which lets one only look" || diag "$(cat "$work/polkitd.log")"
  else
    skip "a polkit that denies" "needs polkitd; one that is not there is tried"
  fi
  stop_libvirtd
  libvirtd_conf polkit
  start_libvirtd
  mkdir "$work/nobody" && chown nobody "$work/nobody"
  configure
  sed -i "s|^journal = .*|journal = $work/nobody/journal|" "$work/iocored.conf"
  start_as_nobody
  ok $? "iocored runs without rights" || diag "$(tail -5 "$work/nobody/log")"
  wait_until "$soon" domain_is "$b" .state running
  ok $? "and knows the domains from a connection that only lets it look" || diag "$(domains; cat "$work/nobody/log")"
  wait_until "$soon" read_only_is_told "${polkit_pid:+access denied by policy}"
  ok $? "what is missing is told" || diag "$(tail -5 "$work/nobody/log")"
  diag "$(grep -m1 "connected read-only" "$work/nobody/log")"
  ctl set iothread.cpus "$run.1" 0 >"$work/output" 2>&1
  isnt_zero $? "nothing can be set" || diag "$(cat "$work/output")"
  v suspend "$b"
  wait_until "$soon" domain_is "$b" .state paused
  ok $? "events are heard all the same"
  v resume "$b"
  stop_daemon
  if [ -n "$polkit_pid" ]; then
    stop_polkit
    start_as_nobody
    wait_until "$soon" read_only_is_told PolicyKit1
    ok $? "without any polkit it is the same, and told what that is about" || diag "$(tail -5 "$work/nobody/log")"
    wait_until "$soon" domain_is "$b" .state running
    is "$(domain "$b" .state)" running "domains are known all the same"
    stop_daemon
  fi

  configure "[plugin.libvirt]
uri = test:///default"
  write_policy test
  start_daemon
  ok $? "iocored runs on the test driver of libvirt's library"
  wait_until "$soon" domain_is test .state running
  is "$(domain test .state)" running "its domain is known"
  wait_until "$soon" domain_is test '.vcpu_threads | length > 0' true
  is "$(ctl domain show test | grep -oE 'vCPUs .*')" "vCPUs  0: cell 0, CPUs $(domain test '.vcpu_threads[0].cpus')" "what is not known of it is not shown"
  is "$(ctl domain memory test 2>&1)" "iocorectl: the process of test is not known: nobody can say where its memory is" "and that its process is not known is said"
  ctl policy set test-pin cpu 1 >"$work/output"
  wait_until "$soon" grep -q "vcpu.cpus of 6695eb01-f6a4-8304-79aa-97f2502e193f.i1.0 has answered: 1" "$work/iocored.log"
  ok $? "and can be pinned" || diag "$(ctl decisions; tail -5 "$work/iocored.log")"
  stop_daemon
  is $? 0 "iocored ends well"
}

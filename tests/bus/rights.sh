# SPDX-License-Identifier: LGPL-2.1-or-later
# Reading is open to all; changes are for root and the daemon's user.

denied() {
  local output
  output=$(nobody "$dir/iocorectl" "$@" --json 2>/dev/null)
  [ $? -eq 1 ] && [ "$(jq -r .error <<<"$output")" = org.freedesktop.DBus.Error.AccessDenied ]
}

unwritable() { ! nobody busctl --system set-property org.iocore1 /org/iocore1 org.iocore1.Manager Mode s paused; }
owns() { nobody busctl --system call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus RequestName su org.iocore1 0; }

test_rights() {
  local before verb

  if [ "$(id -u)" -ne 0 ]; then
    skip "callers other than root read" "only root can become somebody else"
    skip "callers other than root change nothing" "only root can become somebody else"
    return
  fi
  for verb in status units jobs "queues --all" decisions "policy list" "why-not grow"; do
    # shellcheck disable=SC2086
    holds "nobody may ask: $verb" nobody "$dir/iocorectl" $verb
  done
  before=$(state | jq -c '[.mode, .decisions, .changes]')
  for verb in grow "shrink --node 0" "move d.1 1" "poll vq.1.1 on" "limit vq.1.1 1" "set worker.locked w.1 1" "mode paused" reload "policy set quiet level 1" \
    "policy enable quiet" "policy disable quiet" "process move-memory 1 0" "domain move-memory alpha 0" "job cancel 1"; do
    # shellcheck disable=SC2086
    holds "nobody may not: $verb" denied $verb
  done
  nobody "$dir/iocorectl" grow 2>&1 | grep -q 'only root'
  ok $? "the refusal says who may"
  holds "nobody may not set a property" unwritable
  is "$(state | jq -c '[.mode, .decisions, .changes]')" "$before" "nothing was changed or decided"
  holds "nobody may not take the name" status 1 owns
}

# SPDX-License-Identifier: LGPL-2.1-or-later
# For the scripts of this layer: a directory of their own and iocore-simfs in it. What was started is stopped when the script ends.
# Set by the caller: BUILD, SOURCE.

. "$SOURCE/tests/lib/tap.sh"

work=$(mktemp -d "${TMPDIR:-/tmp}/iocore-simfs.XXXXXX")
simfs_pid=
vhost=$work/root/sys/class/vhost
proc=$work/root/proc

# start_simfs SCENARIO OPTION...: mounts at $vhost, with the fixture /proc in $proc; waits until it is there. SCENARIO: a name in tests/data/scenarios or a path.
start_simfs() {
  local scenario=$1
  shift
  case $scenario in */*) ;; *) scenario=$SOURCE/tests/data/scenarios/$scenario.json ;; esac
  mkdir -p "$vhost" "$proc" || return 1
  : >"$work/simfs.out"
  "$BUILD/tests/simfs/iocore-simfs" "$vhost" --scenario "$scenario" --proc "$proc" "$@" >"$work/simfs.out" 2>"$work/simfs.err" &
  simfs_pid=$!
  wait_until 60 grep -q '^ready$' "$work/simfs.out" || { diag "$(cat "$work/simfs.err")"; return 1; }
}

# stop_simfs: returns its exit status; the mount is gone then.
stop_simfs() {
  local status=0
  [ -n "$simfs_pid" ] || return 0
  kill "$simfs_pid" 2>/dev/null
  wait "$simfs_pid" || status=$?
  simfs_pid=
  return $status
}

# control COMMAND: asks the simulator (see iocore-simfs --help); done when it returns.
control() {
  /usr/bin/python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.iocore.control", sys.argv[2].encode())' "$vhost" "$1"
}

# write_to FILE VALUE: prints 0 or the name of the error, as write(2) of the whole value gives it.
write_to() {
  /usr/bin/python3 - "$vhost/$1" "$2" <<'PYTHON'
import errno, os, sys
try:
    fd = os.open(sys.argv[1], os.O_WRONLY)
    os.write(fd, sys.argv[2].encode())
    print(0)
except OSError as error:
    print(errno.errorcode[error.errno])
PYTHON
}

# bytes_of FILE: its content with \t and \n spelled out.
bytes_of() {
  /usr/bin/python3 -c 'import sys; sys.stdout.write(repr(open(sys.argv[1], "rb").read())[2:-1])' "$vhost/$1"
}

simfs_cleanup() {
  stop_simfs
  rm -rf "$work"
}
trap simfs_cleanup EXIT

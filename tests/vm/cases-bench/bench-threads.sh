# SPDX-License-Identifier: LGPL-2.1-or-later
# The benchmark `threads` on 64 real workers. Not one of the layer's cases: `quickstart bench threads` asks for it. A row is a line "# {...}".
. /tests/tap.sh
. /tests/guest.sh

n_workers=64
started=0
for ((i = 0; i < n_workers; i++)); do
  start_load "$i" 0-7 --pause && started=$((started + 1))
done
is "$started" "$n_workers" "$n_workers loads have a worker each"
bench-threads --here > "$WORK/rows" 2> "$WORK/bench.log"
ok $? "reading their times is within its bound"
while read -r row; do diag "$row"; done < "$WORK/rows"
tap_done

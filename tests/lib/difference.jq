# SPDX-License-Identifier: LGPL-2.1-or-later
# $before, $after: what iocore-simfs dumps. One line for each thing that is not as it was; devices, queues and workers of the kernel's own that came or went
# meanwhile have no "before": new devices must be on the default worker, new queues in the mode that they are born in.
$before[0] as $before | $after[0] as $after |
def still(kind): [$before[kind] | keys[] | select($after[kind][.] != null)];
def born(kind): [$after[kind] | keys[] | select($before[kind][.] == null)];
(if $before.default != $after.default then "default worker: \($before.default) -> \($after.default)" else empty end),
(still("workers")[] | select($before.workers[.] != $after.workers[.]) | "worker \(.): \($before.workers[.]) -> \($after.workers[.])"),
(born("workers")[] | "worker \(.) was left behind"),
(still("devices")[] | select($before.devices[.] != $after.devices[.]) | "device \(.): worker \($before.devices[.]) -> \($after.devices[.])"),
(born("devices")[] | select($after.devices[.] != $after.default) | "device \(.), born meanwhile: on worker \($after.devices[.])"),
(still("queues")[] | select($before.queues[.] != $after.queues[.]) | "queue \(.): \($before.queues[.]) -> \($after.queues[.])"),
(born("queues")[] | select($after.queues[.].poll) | "queue \(.), born meanwhile: is polled")

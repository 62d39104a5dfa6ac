-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Polls the queues that are kicked often and are served by an I/O core, and gives idle ones their notifications back: elsewhere a worker that polls would
-- take a VM core's time. Only queues that are in the wrong mode are looked at: the filters run outside of Lua, so that a host where all is well costs a
-- scan of its queues now and then.

local LOOK = 5           -- epochs between two looks at the queues that are polled: all of them have to be looked at, idle ones too

local REGRET = 60        -- seconds within which polling again means that giving notifications back was wrong
local MAX_PATIENCE = 32  -- by how much that may be slowed down

-- queue id -> for how many looks in a row, and the epoch of the last of them
local since, last = {}, {}
local polled = {} -- queue id -> true: was asked for here
-- queue id -> time at which notifications were given back, and how many times as long that waits now: work that comes in bursts shall not switch for ever
local released, patience = {}, {}

local function streak(id, epoch, interval)
  since[id] = last[id] == epoch - interval and since[id] + 1 or 1
  last[id] = epoch
  return since[id]
end

local function forget(epoch, time, exists)
  for id, seen in pairs(last) do
    if seen < epoch - LOOK then
      since[id], last[id] = nil, nil
    end
  end
  for id in pairs(polled) do
    if not exists(id) then polled[id] = nil end
  end
  for id, at in pairs(released) do
    if not exists(id) or (not polled[id] and at > 0 and time - at > 10 * REGRET) then released[id], patience[id] = nil, nil end
  end
end

local busy = { polled = false, can_poll = true, manual = false, placed = true }
local idle = { polled = true, manual = false }
local stray = { polled = true, manual = false, placed = false }

local function poll_busy(host, p)
  busy.min_works, busy.min_load = p.start_kicks, p.start_load
  local left = p.max_changes
  for queue in host:queues(busy) do
    if streak(queue.id, host.epoch, 1) >= p.start_epochs and left > 0 then
      left = left - 1
      since[queue.id] = 0
      polled[queue.id] = true
      if released[queue.id] and host.time - released[queue.id] < REGRET then
        patience[queue.id] = math.min((patience[queue.id] or 1) * 4, MAX_PATIENCE)
        released[queue.id] = -math.huge -- one that is refused and asked for again counts once
      end
      queue:poll {
        on = true,
        reason = string.format("%.0f notifications a second, from %.0f on polling is cheaper", queue.works_per_second, p.start_kicks),
        evidence = { works_per_second = queue.works_per_second, start_kicks = p.start_kicks, load = queue.load },
      }
    end
  end
end

local function release_idle(host, p)
  idle.max_load = p.stop_load
  local left = p.max_changes
  for queue in host:queues(idle) do
    local epochs = streak(queue.id, host.epoch, LOOK) * LOOK
    if epochs >= p.stop_epochs * (patience[queue.id] or 1) and left > 0 then
      left = left - 1
      since[queue.id], polled[queue.id] = 0, nil
      released[queue.id] = host.time
      queue:poll {
        on = false,
        reason = string.format("at most %.3f cores of work for %d epochs: notifications are cheaper", p.stop_load, epochs),
        evidence = { load = queue.load, stop_load = p.stop_load, epochs = epochs },
      }
    end
  end
end

-- Those that were polled here and have left the I/O cores since.
local function release_stray(host)
  if not next(polled) then return end
  for queue in host:queues(stray) do
    if polled[queue.id] then
      polled[queue.id], last[queue.id] = nil, nil
      queue:poll { on = false, reason = "its worker is on no I/O core any more" }
    end
  end
end

return policy {
  name = "adaptive-polling",
  doc = "Polls queues on I/O cores that are kicked often and gives idle ones their notifications back.",
  params = {
    start_kicks = { default = 2000, min = 1, max = 10000000, unit = "1/s", doc = "Notifications a second from which a queue is polled." },
    start_load = { default = 0.05, min = 0, max = 1, unit = "cores", doc = "Load from which a queue is polled." },
    start_epochs = { default = 3, min = 1, max = 1000, unit = "epochs", doc = "For how long both must hold." },
    stop_load = { default = 0.02, min = 0, max = 1, unit = "cores", doc = "Load up to which a polled queue counts as idle." },
    stop_epochs = { default = 20, min = 1, max = 10000, unit = "epochs", doc = "For how long it must be idle." },
    max_changes = { default = 16, min = 1, max = 1000, doc = "Queues switched in one epoch, each way." },
  },

  on_epoch = function(host, p)
    if not host.can.poll or host.n_queues == 0 then return end
    poll_busy(host, p)
    if host.epoch % LOOK == 0 then
      release_stray(host)
      release_idle(host, p)
    end
    if host.epoch % 100 == 0 then
      forget(host.epoch, host.time, function(id) return host:queue(id) ~= nil end)
    end
  end,
}

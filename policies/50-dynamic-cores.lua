-- SPDX-License-Identifier: LGPL-2.1-or-later
-- How many I/O cores each NUMA node has: the first when its I/O is worth one, one more when they are full, one less when the others can carry the work.
-- Thresholds for growing and shrinking lie apart by more than the load fluctuates, and each change asked for soon after its opposite has to wait
-- longer, so that a load between two numbers of cores settles on the larger one.

-- Per node: hot, calm, idle: for how many epochs in a row there was reason to grow, to shrink, to release the last core.
local nodes = {}
local retry, delay = {}, {} -- unit id -> epoch before which its placement is not asked for again, and how long that was put off
local asked = { epoch = 0, n = 0 } -- placements asked for in that epoch, or infinite: something larger was
local crowded = 0 -- for how many epochs in a row a worker without a CPU of its own was full

local RETRY_PLACEMENT = 256  -- epochs at most until a unit that could not be placed is tried again
local LOOK_FOR_UNPLACED = 10 -- epochs between two looks for idle units without an I/O core
local MAX_WAIT = 64          -- epochs at most between two requests that are refused
local REGRET = 60            -- seconds within which growing again means that the shrink was wrong
local MAX_PATIENCE = 32      -- by how much shrinking may be slowed down
local LEARNED = 600          -- seconds for which it is remembered that a load was too much for so many cores
local SAME_LOAD = 1.3        -- by how much a load may have risen, and be the same
local CLEARLY_LESS = 0.8     -- part of a load that was too much which may not be
local MINUTE = 60            -- seconds in which a node gives back two cores at most, and none after it had to take one back
local WORTH_MOVING = 0.02    -- load from which a unit takes something off a full core when it leaves

local function state_of(node)
  local state = nodes[node.id]
  if not state then
    state = { cores = node.io.cores, hot = 0, calm = 0, idle = 0, asked = 0, not_before = 0, patience = 1, shrunk_at = -math.huge,
      shrunk_before = -math.huge, shrunk_load = 0, regrown_at = -math.huge }
    nodes[node.id] = state
  end
  return state
end

-- The condition has to hold anew after each change; one that is refused is asked for ever more rarely.
local function note_request(state, host)
  state.asked = state.asked + 1
  local wait = 1
  for _ = 3, state.asked do wait = math.min(wait * 2, MAX_WAIT) end
  state.not_before = host.epoch + wait
  asked.epoch, asked.n = host.epoch, math.huge -- it moves units itself
end

-- The load that went with the last shrink needs the core again: where units wait for each other, how full cores may be shows only then.
local function learn(state, host, load)
  if host.time - state.shrunk_at < LEARNED and load <= state.shrunk_load * SAME_LOAD then
    state.too_few, state.too_much, state.learned_at = state.cores, state.shrunk_load, host.time
  end
end

local function note_change(state, host, cores, load)
  if cores > state.cores then
    if host.time - state.shrunk_at < REGRET then
      state.patience = math.min(state.patience * 4, MAX_PATIENCE)
    end
    learn(state, host, load)
    if host.time - state.shrunk_at < 10 * REGRET then state.regrown_at = host.time end
  else
    if host.time - state.shrunk_at > 10 * REGRET then state.patience = 1 end
    state.shrunk_at, state.shrunk_before, state.shrunk_load = host.time, state.shrunk_at, load
  end
  state.cores, state.hot, state.calm, state.idle, state.asked, state.not_before = cores, 0, 0, 0, 0, 0
end

local function count(yes, n)
  return yes and n + 1 or 0
end

-- May a VM core be taken? What the units without an I/O core use now on VM cores moves onto the new core.
local function vm_can_spare(node, p, coming)
  local idle = node.vm.idle
  return idle == nil or idle + coming > p.vm_idle
end

local function start_first(host, node, p, state)
  local load, average = node.unplaced_load, node.unplaced_load_average
  state.hot = count(load >= p.start_load and vm_can_spare(node, p, math.max(load, average)), state.hot)
  if state.hot < p.grow_epochs or average < p.start_load or host.epoch < state.not_before then return end
  node:grow {
    reason = string.format("%.2f cores of I/O on VM cores, from %.2f on an I/O core is worth it", average, p.start_load),
    evidence = { unplaced_load = average, start_load = p.start_load, epochs = state.hot, vm_idle = node.vm.idle },
  }
  note_request(state, host)
end

-- A worker on the VM cores that is full hides what its units want: shared by several nodes, it keeps the load of each of them below start_load.
local function full_worker(host, p)
  for worker in host:workers() do
    if not worker.cpu and worker.sampled and worker.load > 1 - p.grow_below_idle then return worker end
  end
end

local function serves(worker, node)
  for unit in node:units { placed = false, manual = false, blocked = false, min_load = 0.001 } do
    if unit.worker == worker.id then return true end
  end
end

-- The node with the largest part of it gets its first I/O core; whether the others need one, too, is seen when that one is at work.
local function relieve(host, p, candidates)
  local worker, most = full_worker(host, p)
  for _, node in ipairs(worker and candidates or {}) do
    if (not most or node.unplaced_load_average > most.unplaced_load_average) and host.epoch >= state_of(node).not_before and
        vm_can_spare(node, p, node.unplaced_load) and serves(worker, node) then
      most = node
    end
  end
  crowded = count(most, crowded)
  if crowded < p.grow_epochs + 1 then return end
  most:grow {
    reason = string.format("%s, shared on VM cores, is full: %.2f cores of its I/O are this node's", worker.id, most.unplaced_load_average),
    evidence = { worker_load = worker.load, unplaced_load = most.unplaced_load_average, epochs = crowded, vm_idle = most.vm.idle },
  }
  note_request(state_of(most), host)
  crowded = 0
end

-- How long the units of the node's I/O cores wait, as a share of the time that they want; and whether there is something to be spread: one unit alone
-- fills one core and no more.
local function look_at_cores(node)
  local wait, divisible = 0, node.unplaced_load >= WORTH_MOVING
  for core in node:cores() do
    wait = wait + core.wait * core.load
    if not divisible and core.n_units > 1 then
      local n = 0
      for _ in core:units { min_load = WORTH_MOVING } do n = n + 1 end
      divisible = n > 1
    end
  end
  return node.io.load > 0 and wait / node.io.load or 0, divisible
end

-- Where CPUs are shared with others (a host that is a VM itself) a core never looks quite full, but its units wait for it.
local function fullness(node, p)
  local io = node.io
  local full, nearly = io.idle < p.grow_below_idle, io.idle < p.grow_waiting_below * io.cores
  if not full and not nearly then return false, 0 end
  local wait, divisible = look_at_cores(node)
  return divisible and (full or wait >= p.grow_wait), wait
end

-- A load that has just fallen comes in bursts still: there must be more to it than to the first time.
local function grow_epochs(host, p, state)
  return host.time - state.shrunk_at < REGRET and p.grow_epochs + 2 or p.grow_epochs
end

local function grow(host, node, p, state)
  local io = node.io
  local full, wait = fullness(node, p)
  state.hot = count(full and vm_can_spare(node, p, 0), state.hot)
  if state.hot < grow_epochs(host, p, state) or host.epoch < state.not_before then return end
  node:grow {
    reason = string.format("I/O cores are full: %.2f of %d cores idle, units wait for %.0f %% of the time they want", io.idle, io.cores, 100 * wait),
    evidence = { idle = io.idle, grow_below_idle = p.grow_below_idle, wait = wait, load = io.load, cores = io.cores, epochs = state.hot, vm_idle = node.vm.idle },
    trial = p.prove_growth and { measure = "bytes_per_second", better = "higher" } or nil,
  }
  note_request(state, host)
end

-- The least loaded of the cores that iocored made: the fewest units have to move, and what was there before iocored stays.
local function dispensable(node)
  local best
  for core in node:cores() do
    if core.ours and (not best or core.load_average < best.load_average or
        (core.load_average == best.load_average and core.n_units < best.n_units)) then
      best = core
    end
  end
  return best
end

local function ask_shrink(host, node, p, state, epochs, limit)
  if epochs < p.shrink_epochs * state.patience or host.epoch < state.not_before then return end
  if host.time - state.shrunk_before < MINUTE or host.time - state.regrown_at < MINUTE then return end
  local core = dispensable(node)
  if not core then return end
  local io = node.io
  core:shrink {
    reason = io.cores == 1 and string.format("%.2f cores of I/O are not worth an I/O core (less than %.2f)", io.load_average, limit)
      or string.format("%.2f cores of I/O fit onto %d I/O cores (up to %.2f)", io.load_average, io.cores - 1, limit),
    evidence = { load = io.load_average, limit = limit, cores = io.cores, epochs = epochs },
  }
  note_request(state, host)
end

-- What the other cores may carry when one is given back.
local function shrink_limit(host, p, state, cores)
  local limit = p.shrink_fill * (cores - 1)
  if state.too_few and cores - 1 <= state.too_few and host.time - state.learned_at < LEARNED then
    limit = math.min(limit, CLEARLY_LESS * state.too_much)
  end
  return limit
end

local function shrink(host, node, p, state)
  local io = node.io
  local limit = shrink_limit(host, p, state, io.cores)
  state.calm = count(io.cores > 1 and io.load_average <= limit and io.load <= limit + 0.2, state.calm)
  state.idle = count(io.cores == 1 and p.release_last and io.load_average < p.stop_load, state.idle)
  if state.calm > 0 then
    ask_shrink(host, node, p, state, state.calm, limit)
  elseif state.idle > 0 then
    ask_shrink(host, node, p, state, state.idle, p.stop_load)
  end
end

-- Onto the least loaded I/O core of its node, if there is one. Only so many in one epoch: the planner moves no more, and the rest comes next.
local function place(host, p, unit, why)
  if not p.place_units or unit.manual or unit.blocked or unit.core then return end
  local node = unit.node and host:node(unit.node)
  local core = node and node.io.idlest
  if not core then return end
  if asked.epoch ~= host.epoch then asked.epoch, asked.n = host.epoch, 0 end
  if asked.n >= p.max_placed then return end
  asked.n = asked.n + 1
  local id = unit.id
  delay[id] = math.min(2 * (delay[id] or 1), RETRY_PLACEMENT)
  retry[id] = host.epoch + delay[id]
  unit:move {
    to = core,
    reason = string.format("%s on no I/O core, CPU %d is the least loaded of its node", why, core.cpu),
    evidence = { load = unit.load_average, core_load = core.load_average, units = core.n_units },
  }
end

local function place_rest(host, node, p)
  if node.n_unplaced == 0 or (node.unplaced_load < 0.05 and host.epoch % LOOK_FOR_UNPLACED ~= 0) then return end
  for unit in node:units { placed = false, manual = false, blocked = false } do
    if asked.epoch == host.epoch and asked.n >= p.max_placed then return end
    if host.epoch >= (retry[unit.id] or 0) then place(host, p, unit, "unit") end
  end
end

return policy {
  name = "dynamic-cores",
  doc = "Per NUMA node: the first I/O core when I/O is worth one, one more when they are full, one less when the rest can carry the work.",
  params = {
    start_load = { default = 0.3, min = 0.05, max = 8, unit = "cores", doc = "I/O on VM cores from which the node gets its first I/O core." },
    stop_load = { default = 0.1, min = 0, max = 1, unit = "cores", doc = "Load below which the last I/O core is given back." },
    release_last = { default = true, doc = "Whether the last I/O core of a node may be given back." },
    grow_below_idle = { default = 0.12, min = 0, max = 1, unit = "cores", doc = "Idle time of all I/O cores of a node together below which it gets one more." },
    grow_wait = { default = 0.25, min = 0, max = 1,
      doc = "Share of the time that units wait for their I/O cores, where that is known, from which nearly full ones are full." },
    grow_waiting_below = { default = 0.35, min = 0, max = 1, doc = "Share of the I/O cores' time that is idle below which they are nearly full." },
    grow_epochs = { default = 2, min = 1, max = 1000, unit = "epochs", doc = "For how long a reason to grow must hold." },
    vm_idle = { default = 1, min = 0, max = 64, unit = "cores", doc = "VM cores of the node grow only while more than this is idle there, where that is known." },
    shrink_fill = { default = 0.7, min = 0.1, max = 0.9, doc = "How full the remaining I/O cores may be after one was given back." },
    shrink_epochs = { default = 20, min = 1, max = 100000, unit = "epochs", doc = "For how long a reason to shrink must hold; longer after one that was wrong." },
    place_units = { default = true, doc = "Whether units that are on no I/O core are moved to the least loaded one of their node." },
    max_placed = { default = 16, min = 1, max = 1000, doc = "How many units that are on no I/O core are moved in one epoch." },
    prove_growth = { default = false, doc = "Whether a further I/O core is given back again unless bytes per second rose with it." },
  },

  on_device = function(host, p, unit, event, id)
    if unit then
      place(host, p, unit, "new unit")
    else
      retry[id], delay[id] = nil, nil
    end
  end,

  on_epoch = function(host, p)
    local candidates
    for node in host:nodes() do
      local state = state_of(node)
      local cores = node.io.cores
      if cores ~= state.cores then note_change(state, host, cores, node.io.load_average) end
      if cores == 0 then
        start_first(host, node, p, state)
        -- less would be given back at once
        local average = node.unplaced_load_average
        if average < p.start_load and average > p.stop_load then
          candidates = candidates or {}
          candidates[#candidates + 1] = node
        end
      else
        -- a worker that was not sampled twice yet says nothing, neither for nor against
        if node.io.sampled then
          grow(host, node, p, state)
          if state.hot == 0 then shrink(host, node, p, state) end
        end
      end
    end
    if candidates then relieve(host, p, candidates) else crowded = 0 end
    -- after all that changes the number of cores, which must not want for moves
    for node in host:nodes() do
      if node.io.cores > 0 then place_rest(host, node, p) end
    end
  end,
}

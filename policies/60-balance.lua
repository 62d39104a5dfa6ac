-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Moves units between the I/O cores of a node so that the busiest core's load falls. Looks at two numbers per node while all is well; works out a plan on
-- copies only when they lie apart for several epochs, and asks for it only when the plan is clearly better.

local apart = {}    -- node id -> for how many epochs its cores lie apart
local rest = {}     -- node id -> epoch before which nothing is moved: averages follow a move slowly
local fruitless = {} -- node id -> { spread =, wait = } of the last plan that was not worth it

local MAX_WAIT = 640 -- epochs at most between two plans that are not worth it

local function variance(cores)
  local sum, squares = 0, 0
  for _, core in ipairs(cores) do
    sum = sum + core.load
    squares = squares + core.load * core.load
  end
  local mean = sum / #cores
  return squares / #cores - mean * mean
end

local function extremes(cores)
  local busiest, idlest = cores[1], cores[1]
  for _, core in ipairs(cores) do
    if core.load > busiest.load then busiest = core end
    if core.load < idlest.load then idlest = core end
  end
  return busiest, idlest
end

-- Copies of the node's cores and of the units on each.
local function copy(node)
  local cores, by_cpu = {}, {}
  for core in node:cores() do
    local entry = { core = core, load = core.load_average, units = {} }
    cores[#cores + 1], by_cpu[core.cpu] = entry, entry
  end
  for unit in node:units { placed = true, manual = false, blocked = false } do
    local entry = by_cpu[unit.core]
    if entry then entry.units[#entry.units + 1] = { unit = unit, load = unit.load_average } end
  end
  return cores
end

-- The unit whose move from the busiest to the idlest core leaves the smaller maximum of the two; nil when each would only swap their places.
local function best_move(from, to)
  local best, best_maximum = nil, from.load - 0.01
  for index, entry in ipairs(from.units) do
    local maximum = math.max(from.load - entry.load, to.load + entry.load)
    if entry.load > 0 and maximum < best_maximum then best, best_maximum = index, maximum end
  end
  return best
end

-- Carries out moves on the copies and returns them.
local function rehearse(cores, max_moves)
  local moves = {}
  while #moves < max_moves do
    local from, to = extremes(cores)
    local index = best_move(from, to)
    if not index then break end
    local entry = table.remove(from.units, index)
    from.load, to.load = from.load - entry.load, to.load + entry.load
    moves[#moves + 1] = { unit = entry.unit, load = entry.load, from = from.core, to = to.core }
  end
  return moves
end

-- Asks for the moves that are worth it; false when none are.
local function balance(node, p)
  local cores = copy(node)
  if #cores < 2 then return false end
  local before, top = variance(cores), extremes(cores).load
  local moves = rehearse(cores, p.max_moves)
  local after, new_top = variance(cores), extremes(cores).load
  if #moves == 0 or new_top >= top or after > before * (1 - p.min_gain) then return false end
  for _, move in ipairs(moves) do
    move.unit:move {
      to = move.to,
      reason = string.format("busiest I/O core of node %d from %.2f to %.2f", node.id, top, new_top),
      evidence = { load = move.load, variance_before = before, variance_after = after, busiest_before = top, busiest_after = new_top },
    }
  end
  return true
end

-- The cores of the node lie `spread` apart in this epoch.
local function look(host, node, p, spread)
  local id = node.id
  apart[id] = (apart[id] or 0) + 1
  local vain = fruitless[id]
  if apart[id] < p.hold_epochs then return end
  if host.epoch < (rest[id] or 0) and not (vain and spread > vain.spread + p.min_spread) then return end
  apart[id] = 0
  if balance(node, p) then
    fruitless[id], rest[id] = nil, host.epoch + p.rest_epochs
  else
    local wait = vain and math.min(2 * vain.wait, MAX_WAIT) or p.rest_epochs
    fruitless[id], rest[id] = { spread = spread, wait = wait }, host.epoch + wait
  end
end

return policy {
  name = "balance",
  doc = "Moves units between the I/O cores of a node when a dry run says that the busiest core's load falls clearly.",
  params = {
    min_spread = { default = 0.15, min = 0.01, max = 1, unit = "cores", doc = "Difference of the busiest and the idlest core's load from which a plan is worked out." },
    min_gain = { default = 0.25, min = 0, max = 1, doc = "By how much the variance of the cores' loads must fall." },
    hold_epochs = { default = 3, min = 1, max = 1000, unit = "epochs", doc = "For how long the cores must lie apart." },
    rest_epochs = { default = 20, min = 1, max = 10000, unit = "epochs", doc = "How long nothing is moved after a plan was worked out." },
    max_moves = { default = 2, min = 1, max = 100, doc = "Units moved in one epoch on one node." },
  },

  on_epoch = function(host, p)
    for node in host:nodes() do
      local io = node.io
      local spread = io.cores > 1 and io.sampled and io.busiest.load_average - io.idlest.load_average or 0
      if spread < p.min_spread then
        apart[node.id] = 0
      else
        look(host, node, p, spread)
      end
    end
  end,
}

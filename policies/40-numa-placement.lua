-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Puts virtual machines where their memory, their hardware and their I/O cores are: whole onto one node where they fit, guest cell by guest cell where not.
-- The host is looked at when a domain or an I/O core has changed, and now and then; what is to be done is worked out by host:placements, and only asked for here.

local due = 0    -- when the host is looked at next
local asked = {} -- by domain: what was asked for last, when it may be asked for again, and after how long

local MAX_WAIT = 3600 -- seconds

-- Changes come in bursts: a domain that starts is told of several times, and its vCPUs are known a little later.
local function soon(host, p)
  due = math.min(due, host.time + p.settle)
end

-- The same wish again means that it was not carried out: the longer that goes on the less often it is told.
local function may_ask(host, p, name, placement)
  local before = asked[name]
  if not before or before.placement ~= placement then return { placement = placement, wait = p.rest, again = host.time + p.rest } end
  if host.time < before.again then return nil end
  local wait = math.min(2 * before.wait, MAX_WAIT)
  return { placement = placement, wait = wait, again = host.time + wait }
end

local function reason(proposal)
  if proposal.shape == "stay" then return "vCPUs share CPUs while others of the node are free, or have other CPUs than they should" end
  return string.format("%s to node %s: %.2f CPUs won for each vCPU", proposal.shape, proposal.nodes, proposal.gain)
end

local function ask(proposal)
  proposal.domain:place {
    placement = proposal.placement,
    reason = reason(proposal),
    evidence = { gain = proposal.gain, gib = proposal.gib, pins = proposal.pins, remote_before = proposal.remote_before, remote_after = proposal.remote_after },
  }
end

-- One whose memory moves is not proposed, which does not mean that it is where it should be: the pause counts from when that is over.
local function keep_what_moves(host, still)
  for name, entry in pairs(asked) do
    local domain = host:domain(name)
    if domain and domain.moving then
      entry.again = host.time + entry.wait
      still[name] = entry
    end
  end
end

local function look(host, p)
  local still, n = {}, 0
  keep_what_moves(host, still)
  for _, proposal in ipairs(host:placements { pin = p.pin_vcpus, memory = p.memory, emulator = p.pin_emulator, gain = p.gain, gib_cost = p.gib_cost, keep_free = p.keep_free }) do
    local name = proposal.domain.name
    local entry = may_ask(host, p, name, proposal.placement)
    if entry and n < p.max_domains then
      ask(proposal)
      n = n + 1
      still[name] = entry
    else
      still[name] = asked[name]
    end
  end
  asked = still
  -- what was asked for makes room for more
  due = host.time + (n > 0 and p.rest or p.interval)
end

return policy {
  name = "numa-placement",
  doc = "Puts the vCPUs and the memory of virtual machines onto the nodes where they lose least.",
  params = {
    gain = { default = 0.1, min = 0.01, max = 10, unit = "CPUs", doc = "What a move must win for each vCPU: 1 is what a vCPU loses whose memory is all on a neighbour node." },
    gib_cost = { default = 0.01, min = 0, max = 10, unit = "CPUs", doc = "What moving 1 GiB of memory must win on top of that." },
    keep_free = { default = 0.02, min = 0, max = 1, doc = "Share of a node's memory that is left free when memory is moved there." },
    pin_vcpus = { default = "node", values = { "no", "node", "cpu" }, doc = "A vCPU may use all VM cores of its node, or gets one CPU, or stays where it is while only memory moves." },
    memory = { default = "cells", values = { "stay", "domain", "cells" }, doc = "May memory be moved: not, a virtual machine's as a whole, or also each guest cell's of one that is split." },
    pin_emulator = { default = false, doc = "The emulator's threads follow the vCPUs; they may always use I/O cores." },
    settle = { default = 2, min = 0, max = 60, unit = "s", doc = "How long after a change the host is looked at." },
    rest = { default = 5, min = 1, max = 3600, unit = "s", doc = "How long after something was asked for the host is looked at again." },
    interval = { default = 30, min = 1, max = 86400, unit = "s", doc = "How often the host is looked at when nothing has changed." },
    max_domains = { default = 4, min = 1, max = 64, doc = "Virtual machines placed at a time." },
  },

  on_start = function(host, p)
    due = host.time + p.settle
  end,
  on_domain = soon,
  on_core = soon,
  on_epoch = function(host, p)
    if host.time >= due then look(host, p) end
  end,
}

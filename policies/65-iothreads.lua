-- SPDX-License-Identifier: LGPL-2.1-or-later
-- How long QEMU's IOThreads poll before they sleep, by the class of their domain: polling takes latency away and costs CPU time, also where there is nothing to do. One whose domain
-- has no class polls as it did. Where IOThreads run is dynamic-cores' and balance's business: they are units like others.

local LOOK = 5           -- epochs between two looks
local MAX_WAIT = 3600    -- seconds between two requests that are refused

-- knob object -> what is known of the IOThread: its class and since when, `asked` last, what it polled `before` that (nil: nothing was asked for), when that may be done `again`
local threads = {}

-- nil: it is left as it is
local function wanted(p, class, before)
  if class == "latency" then return p.latency_ns end
  if class == "throughput" then return p.throughput_ns end
  if class == "besteffort" then return p.besteffort_ns end
  return before
end

-- A class must have been the same for a while: whoever sets one may still be trying.
local function note(host, class, knob)
  local state = threads[knob]
  if not state then
    state = {}
    threads[knob] = state
  end
  if state.class ~= class then state.class, state.since, state.again, state.wait = class, host.time, 0, nil end
  state.seen = host.epoch
  return state
end

local function reason(domain, thread, class)
  if class == "" then return string.format("IOThread %d of %s polls as before: its domain has no class any more", thread.id, domain.name) end
  return string.format("IOThread %d of %s is of class %s", thread.id, domain.name, class)
end

local function tune(host, p, domain, thread)
  local class = domain.class or ""
  local state = note(host, class, thread.knob)
  local now, ns = thread.poll_max_ns, wanted(p, class, state.before)
  if ns == now then
    state.again, state.wait = 0, nil
    if class == "" then state.before = nil end
    return
  end
  if not ns or host.time - state.since < p.settle or host.time < state.again then return end
  state.wait = state.wait and math.min(2 * state.wait, MAX_WAIT) or p.rest
  state.again = host.time + state.wait
  -- what was not asked for here is somebody else's, or was not known yet
  if not state.before or (now ~= state.asked and now ~= state.before) then state.before = now end
  state.asked = ns
  host:set {
    knob = "iothread.poll-max-ns", object = thread.knob, value = ns,
    reason = reason(domain, thread, class),
    evidence = { poll_max_ns = now, wanted_ns = ns },
  }
end

return policy {
  name = "iothreads",
  doc = "Lets IOThreads poll for as long as the class of their domain is worth.",
  params = {
    latency_ns = { default = 200000, min = 0, max = 10000000, unit = "ns", doc = "How long IOThreads of class latency poll at most." },
    throughput_ns = { default = 32768, min = 0, max = 10000000, unit = "ns", doc = "The same for class throughput; 32768 is what QEMU does when nobody says anything." },
    besteffort_ns = { default = 0, min = 0, max = 10000000, unit = "ns", doc = "The same for class besteffort; 0 is no polling." },
    settle = { default = 3, min = 0, max = 600, unit = "s", doc = "For how long a class must be the same before anything is asked for." },
    rest = { default = 5, min = 1, max = 3600, unit = "s", doc = "How long it takes at least until something that was not carried out is asked for again; twice as long each time." },
  },

  on_epoch = function(host, p)
    if host.epoch % LOOK ~= 0 then return end
    for domain in host:domains() do
      if domain.state == "running" and domain.wish ~= "manual" and not domain.stale then
        for i = 1, domain.n_iothreads do
          local thread = domain:iothread(i)
          if thread and thread.knob then tune(host, p, domain, thread) end
        end
      end
    end
    for knob, state in pairs(threads) do
      if host.epoch - state.seen > 100 * LOOK then threads[knob] = nil end
    end
  end,
}

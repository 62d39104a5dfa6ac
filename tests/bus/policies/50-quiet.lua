-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Wants nothing: what happens in these tests, clients asked for.
return policy {
  name = "quiet",
  doc = "Wants nothing.",
  params = {
    level = { default = 0.5, min = 0, max = 1, unit = "cores", doc = "A number." },
    loud = { default = false, doc = "A switch." },
  },
  on_epoch = function(host, p) end,
}

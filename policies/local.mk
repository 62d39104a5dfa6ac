# SPDX-License-Identifier: LGPL-2.1-or-later
dist_policy_DATA += policies/40-numa-placement.lua policies/50-dynamic-cores.lua policies/60-balance.lua policies/65-iothreads.lua policies/70-adaptive-polling.lua

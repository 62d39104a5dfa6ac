# SPDX-License-Identifier: LGPL-2.1-or-later
# Policies and configuration at run time.

parameter() { ctl policy show quiet --json | jq -c --arg name "$1" '.parameters[] | select(.name == $name) | .value'; }
policy_state() { ctl policy list --json | jq -r --arg name "$1" '.[] | select(.name == $name) | .state'; }
policy_states() { [ "$(policy_state "$1")" = "$2" ]; }

test_policies() {
  is "$(ctl policy list --json | jq -c 'map([.name, .priority, .state])')" '[["quiet",50,"loaded"]]' "policies are listed"
  is "$(busctl --system --json=short call org.iocore1 /org/iocore1 org.iocore1.Manager ListPolicies | jq -c '.data[0][0][:3]')" '["quiet",50,"loaded"]' \
    "ListPolicies tells the same"
  ctl policy show quiet | grep -qE '^level +0\.5 +0\.5 +0 +1 +cores '
  ok $? "policy show has value, default and limits"
  ctl policy set quiet level 0.75
  is "$(parameter level)" 0.75 "a parameter is set"
  ctl policy set quiet loud yes
  is "$(parameter loud)" true "a switch is set"
  holds "a value outside the limits" error Invalid policy set quiet level 1.5
  holds "a value that is no number" error Invalid policy set quiet level nan
  holds "a parameter that is not there" error NoSuchObject policy set quiet volume 1
  holds "a policy that is not there" error NoSuchObject policy set loud level 1
  is "$(parameter level)" 0.75 "what was refused changed nothing"
  ctl policy disable quiet
  is "$(policy_state quiet)" disabled "a policy is disabled"
  ctl policy enable quiet
  is "$(policy_state quiet)" loaded "and enabled"
  holds "policy show of nothing" status 1 ctl policy show nothing

  printf 'return policy { name = "second", doc = "Comes later.", on_epoch = function() end }\n' >"$dir/policies/60-second.lua"
  holds "reload" ctl reload
  is "$(policy_state second)" loaded "reload finds a new policy"
  is "$(parameter level)" 0.75 "and keeps what was set"
  holds "a new policy is an object" readable /org/iocore1/policy/second org.iocore1.Policy 11
  rm "$dir/policies/60-second.lua"
  ctl policy reload
  is "$(policy_state second)" "" "a policy whose file is gone ends"

  cp "$dir/iocored.conf" "$dir/good.conf"
  printf '[daemon]\nepoch = never\n' >>"$dir/iocored.conf"
  ctl reload 2>&1 | grep -qE "iocored.conf:[0-9]+: \[daemon\] epoch: "
  ok $? "an error in the configuration is told with file and line"
  holds "and reload fails" error Invalid reload
  is "$(get /org/iocore1 org.iocore1.Manager EpochUSec)" 50000 "the old configuration stays"
  sed 's/^epoch = 50ms/epoch = 60ms/' "$dir/good.conf" >"$dir/iocored.conf"
  ctl reload
  is "$(get /org/iocore1 org.iocore1.Manager EpochUSec)" 60000 "a good one is taken"
}

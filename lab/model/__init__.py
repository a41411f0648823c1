"""A model checker that drives the real controller, store and lifecycle through every interleaving.

system/     what is checked
    host.py         a host as docs/host.md specifies it: pure
    items.py        interned items and messages
    calls.py        what a controller can ask of AWS
    state.py        all that outlives a controller: table, hosts, commands, announcements; pure
    fake_aws.py     the AWS clients that the controller gets: every call goes to the state
    process.py      a controller stopped between two calls: its answers so far
    controllers.py  runs controllers from call to call, and forks them there
    aggregate.py    the state's items, decoded

search/     how
    actions.py      what can happen next, the state afterwards, and how a trace describes it
    canonical.py    which parts of a state decide its future: two states with the same are visited once
    invariants.py   the invariants, one function each
    explore.py      every run with a bounded number of faults, to its end
    random_walk.py  seeded random runs with any number of faults
    scenario.py     the initial state, and how a run is brought to its end

`make model` runs it. docs/model.md describes what it covers and what it does not.
"""

"""A checker that drives the real controller, store and lifecycle through every interleaving.

    host.py         a host, as docs/host.md promises it: pure
    world.py        all that outlives a controller: table, hosts, commands, what was announced; pure
    wire.py         the AWS clients that the controller is given: every call goes to the world
    process.py      a controller that can be stopped at every call, and forked there
    moves.py        what may happen next, what it makes of the world, and how to say it in words
    shape.py        what of a world decides its future: two worlds of one shape are one state
    invariants.py   what is promised, a function a promise
    explore.py      every run with so many faults, to its end
    walk.py         seeded random runs with as many faults as they like
    scenario.py     where a run begins and how one is brought to its end

`make model` runs it. What it covers and what it does not is in docs/model.md.
"""

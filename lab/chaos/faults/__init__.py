"""The faults, by what they hit."""

from lab.chaos.fault import Group
from lab.chaos.faults import (
    agents,
    cuts,
    disks,
    drifts,
    hosts,
    jars,
    lambdas,
    memory,
    proxies,
    services,
    uploads,
)

GROUPS: tuple[Group, ...] = (
    *cuts.GROUPS,
    *hosts.GROUPS,
    *agents.GROUPS,
    *proxies.GROUPS,
    *disks.GROUPS,
    *memory.GROUPS,
    *jars.GROUPS,
    *drifts.GROUPS,
    *services.GROUPS,
    *lambdas.GROUPS,
    *uploads.GROUPS,
)

"""The faults, by what they hit."""

from chaos.faults import cuts, jars
from chaos.fault import Group

GROUPS: tuple[Group, ...] = (*cuts.GROUPS, *jars.GROUPS)

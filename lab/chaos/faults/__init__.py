"""The faults, one module per kind. A module that defines GROUPS is found without being named anywhere."""

from importlib import import_module
from pkgutil import iter_modules

from lab.chaos.fault import Group


def groups() -> tuple[Group, ...]:
    """Return the groups of all modules in this folder, in the order of the modules' names."""
    modules = sorted(module.name for module in iter_modules(__path__))
    return tuple(group for module in modules for group in import_module(f"{__name__}.{module}").GROUPS)


GROUPS = groups()

"""What a fault is: what it does, how it has to end, and what users may notice of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from lab.chaos.host_under_test import HostUnderTest


class LossBudget(Enum):
    """Which requests a fault may cost. Whatever it is, after the good end none may be lost."""

    NOTHING = "no request at all"
    NOTHING_REPEATABLE = "no request that a proxy may repeat; the load sends no other"
    ANSWERS_BEGUN = "no request that a proxy may repeat, but for answers that the dying process had begun"
    WHILE_DOWN = "what comes while the host's own front door is down: the fault is that it is"


@dataclass(frozen=True)
class Ending:
    """How a fault ended. `bad_release` is the label whose own 5xx are no losses: users got its answers.

    `deployments` is how many there were in the end, where the fault itself cannot say.
    """

    outcome: str
    bad_release: str | None = None
    deployments: int | None = None


@dataclass(frozen=True)
class Fault:
    """One fault. `strike` does it and returns when the application came to an end; NotHeld or TimeoutError
    say that it came to no good one.

    `outcomes` are the good ends. `deployments` are those that it asks for, each to be announced exactly once;
    a fault without any has to be told to an operator, and the same thing of it once; `tells` is how many
    things there are to tell at most, 0 where the host mends it in a second and nobody has to be told.
    `repeats` is whether an announcement may come again, with the same id, because the fault hits the
    announcing itself.
    """

    name: str
    what: str
    inject: Callable[[HostUnderTest], Ending]
    outcomes: frozenset[str]
    loss_budget: LossBudget = LossBudget.NOTHING
    deployments: int = 1
    tells: int = 1
    repeats: bool = False


@dataclass(frozen=True)
class Group:
    """Faults that run one after the other on one station. `expand` finds out there which they are.

    `kind` is the host that they need; `spread` lets other stations take what `expand` found. `minutes` is
    about how long it takes: the longest begins first. `alone` ones come before all others: they need the
    machine to themselves.
    """

    name: str
    faults: tuple[Fault, ...] = ()
    expand: Callable[[HostUnderTest], list[Fault]] | None = None
    kind: str = "plain"
    spread: bool = False
    alone: bool = False
    minutes: float = field(default=0.5, compare=False)

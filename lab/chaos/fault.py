"""What a fault is: what it does, how it may end, and which requests it may cost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from lab.chaos.host_under_test import HostUnderTest


class LossBudget(Enum):
    """Which requests a fault may cost. Once the deployment has ended well, none may be lost."""

    NOTHING = "no request"
    ANSWERS_BEGUN = (
        "no request that a proxy may retry, of which alone the load consists, except answers that had begun"
    )
    WHILE_DOWN = "requests sent while nginx or the host is down, which is the fault itself"


@dataclass(frozen=True)
class Ending:
    """How a fault ended.

    `bad_release` is the label whose own 5xx are not counted as lost. `deployments` is how many there were,
    where it depends on the run.
    """

    outcome: str
    bad_release: str | None = None
    deployments: int | None = None


@dataclass(frozen=True)
class Fault:
    """One fault. `inject` does it and returns when the application has reached an end; it raises
    InvariantViolated or TimeoutError when it has not reached a good one.

    `outcomes` are the good ends. `deployments` are those that the fault requests, each to be announced
    exactly once. A fault without one has to be announced as drift: each difference once, and at most
    `drift_announcements` differences; 0 where the host recovers too fast for a check to see it. `may_repeat`
    allows an announcement to be published again under the same id: the fault hits the publishing.
    """

    name: str
    what: str
    inject: Callable[[HostUnderTest], Ending]
    outcomes: frozenset[str]
    loss_budget: LossBudget = LossBudget.NOTHING
    deployments: int = 1
    drift_announcements: int = 1
    may_repeat: bool = False


@dataclass(frozen=True)
class Group:
    """Faults that run one after the other on one host. `expand` finds more of them on that host.

    `kind` is the kind of host they need. With `spread`, other hosts take what `expand` found. `minutes` is
    roughly how long the group takes: the longest starts first. Groups that are `alone` run before all others,
    with the machine to themselves.
    """

    name: str
    faults: tuple[Fault, ...] = ()
    expand: Callable[[HostUnderTest], list[Fault]] | None = None
    kind: str = "plain"
    spread: bool = False
    alone: bool = False
    minutes: float = field(default=0.5, compare=False)

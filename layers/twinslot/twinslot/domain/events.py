"""The events that reach an application: requests of people, and the results of acts. No I/O."""

from dataclasses import dataclass

from twinslot.domain.model import HostResult, Live, Release, Settings, UploadOrder


@dataclass(frozen=True)
class UploadArrived:
    """Event: a runnable jar was uploaded to the bucket."""

    id: str
    app: str
    release: Release
    order: UploadOrder
    by: str


@dataclass(frozen=True)
class UploadRefused:
    """Event: an object was uploaded to the bucket that cannot be deployed, and why."""

    id: str
    app: str
    order: UploadOrder
    by: str
    key: str
    reason: str


@dataclass(frozen=True)
class RollbackRequested:
    """Event: a person requested that an earlier release go live; None requests the previous one."""

    id: str
    app: str
    at: float
    by: str
    to: Live | None = None


@dataclass(frozen=True)
class FreezeRequested:
    """Event: a person requested that uploads wait."""

    by: str
    why: str


@dataclass(frozen=True)
class UnfreezeRequested:
    """Event: a person requested that uploads go live again."""

    by: str


@dataclass(frozen=True)
class Surveyed:
    """Event: the result of Survey: the hosts that can be commanded, and for each one that cannot, why.

    `refusal` is why the deployment cannot begin at all ("" if it can), for example invalid settings.
    """

    act: str
    deployment: str
    hosts: tuple[str, ...]
    settings: Settings
    offline: tuple[HostResult, ...] = ()
    refusal: str = ""


@dataclass(frozen=True)
class CommandSent:
    """Event: SSM accepted the command of this act under the id `command`."""

    act: str
    deployment: str
    step: str
    command: str


@dataclass(frozen=True)
class CommandFailed:
    """Event: SSM will never accept the command of this act."""

    act: str
    deployment: str
    step: str
    reason: str


@dataclass(frozen=True)
class CommandEnded:
    """Event: the results of a command so far; on some hosts it may still be in progress."""

    command: str
    results: tuple[HostResult, ...]


@dataclass(frozen=True)
class Announced:
    """Event: the announcement of this act was published."""

    act: str


@dataclass(frozen=True)
class HostsReported:
    """Event: what some of the app's hosts reported outside of a deployment; `known` are all its hosts."""

    results: tuple[HostResult, ...]
    known: tuple[str, ...]


@dataclass(frozen=True)
class ScheduledCheck:
    """Event: a minute passed. Passed deadlines are acted on; overdue acts are repeated."""


Event = (
    UploadArrived
    | UploadRefused
    | RollbackRequested
    | FreezeRequested
    | UnfreezeRequested
    | Surveyed
    | CommandSent
    | CommandFailed
    | CommandEnded
    | Announced
    | HostsReported
    | ScheduledCheck
)

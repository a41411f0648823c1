"""The events that reach an application: what people and hosts did, and what became of acts. No I/O."""

from dataclasses import dataclass

from twinslot.domain.model import HostResult, Live, Release, Settings, UploadOrder


@dataclass(frozen=True)
class UploadArrived:
    """Event: a runnable jar lies in the bucket."""

    id: str
    app: str
    release: Release
    order: UploadOrder
    by: str


@dataclass(frozen=True)
class UploadRefused:
    """Event: something lies in the bucket that cannot be deployed, and why."""

    id: str
    app: str
    order: UploadOrder
    by: str
    key: str
    reason: str


@dataclass(frozen=True)
class RollbackAsked:
    """Event: a person wants an earlier release live; None asks for the previous one."""

    id: str
    app: str
    at: float
    by: str
    to: Live | None = None


@dataclass(frozen=True)
class FreezeAsked:
    """Event: a person wants uploads to wait."""

    by: str
    why: str


@dataclass(frozen=True)
class UnfreezeAsked:
    """Event: a person wants uploads to go live again."""

    by: str


@dataclass(frozen=True)
class Surveyed:
    """Event: the answer to Survey: the hosts that can be commanded, and for each one that cannot, why.

    `refusal` says why the deployment cannot begin at all ("" if it can), for example bad settings.
    """

    act: str
    deployment: str
    hosts: tuple[str, ...]
    settings: Settings
    offline: tuple[HostResult, ...] = ()
    refusal: str = ""


@dataclass(frozen=True)
class CommandSent:
    """Event: SSM took the command of this act and gave it this id."""

    act: str
    deployment: str
    step: str
    command: str


@dataclass(frozen=True)
class CommandFailed:
    """Event: SSM will never take the command of this act."""

    act: str
    deployment: str
    step: str
    reason: str


@dataclass(frozen=True)
class CommandEnded:
    """Event: what is known of a command's hosts so far; some may still be under way."""

    command: str
    results: tuple[HostResult, ...]


@dataclass(frozen=True)
class Announced:
    """Event: the announcement of this act was published."""

    act: str


@dataclass(frozen=True)
class Inspected:
    """Event: how things stand on some of the app's hosts; `known` are all the hosts that it has."""

    results: tuple[HostResult, ...]
    known: tuple[str, ...]


@dataclass(frozen=True)
class Tick:
    """Event: the clock; deadlines that passed are acted on and forgotten acts are repeated."""


Event = (
    UploadArrived
    | UploadRefused
    | RollbackAsked
    | FreezeAsked
    | UnfreezeAsked
    | Surveyed
    | CommandSent
    | CommandFailed
    | CommandEnded
    | Announced
    | Inspected
    | Tick
)

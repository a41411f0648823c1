"""What twinslot knows: frozen values, and the acts that follow from a decision. No I/O.

The events that arrive are in events.py. Times are seconds since the epoch (UTC, float); durations are whole
seconds; sizes are bytes.

Later versions of twinslot add fields, words (phases, outcomes, kinds) and acts. What one of them wrote is
read here without loss: an unknown field is kept in `Stored.unknown`, an unknown word is a `Word` that is not
`known`, and an unknown act is an `UnknownAct`.
"""

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Self

from twinslot.shared.constants import VERSION
from twinslot.shared.settings_schema import Settings as Settings

NO_APP = "-"
"""The app of refused uploads whose key does not name one. No real app can have this name."""


def written_by(version: str | None) -> str:
    """Return the note that names the two versions, for something that this version cannot read."""
    writer = f"twinslot {version}" if version else "an unknown version of twinslot"
    return f"written by {writer}, this is {VERSION}"


class Word(StrEnum):
    """A word from a closed list. `read` also takes a word that only another version knows."""

    @classmethod
    def read(cls, word: str) -> Self:
        """Return the member for `word`; for an unknown word, a pseudo-member that is not `known`."""
        if word in cls._value2member_map_:
            return cls(word)
        unknown = str.__new__(cls, word)
        unknown._name_ = unknown._value_ = word
        return unknown

    @property
    def known(self) -> bool:
        """Whether this version knows the word."""
        return self.value in type(self)._value2member_map_


class Phase(Word):
    """The phase of a deployment. The members are in the order of the work."""

    WAITING = "waiting"
    STAGING = "staging"
    FLIPPING = "flipping"
    BAKING = "baking"
    REVERTING = "reverting"
    ENDED = "ended"

    @property
    def working(self) -> bool:
        """Whether hosts work towards the release in this phase; every deployment that succeeds enters it."""
        match self:
            case Phase.STAGING | Phase.FLIPPING | Phase.BAKING:
                return True
            case Phase.WAITING | Phase.REVERTING | Phase.ENDED:
                return False
        return False  # a phase of another version

    @property
    def has_step(self) -> bool:
        """Whether hosts execute a step in this phase."""
        return self.working or self is Phase.REVERTING

    @property
    def before_traffic(self) -> bool:
        """Whether users cannot have seen the release yet."""
        match self:
            case Phase.WAITING | Phase.STAGING:
                return True
            case Phase.FLIPPING | Phase.BAKING | Phase.REVERTING | Phase.ENDED:
                return False
        return False  # a phase of another version


class Outcome(Word):
    """How a deployment ended. Each has exactly one, and it never changes."""

    LIVE = "LIVE"
    FAILED = "FAILED"
    REVERTED = "REVERTED"
    REFUSED = "REFUSED"
    SUPERSEDED = "SUPERSEDED"
    CANCELLED = "CANCELLED"


class Kind(Word):
    """What requested a deployment. A join is requested by a host that holds no release yet."""

    UPLOAD = "upload"
    ROLLBACK = "rollback"
    JOIN = "join"


@dataclass(frozen=True)
class Stored:
    """A value that is written to the table.

    `unknown` are the attributes that another version wrote with it, as DynamoDB gave them. Nothing here reads
    them; they are saved again, so that this version does not erase them.
    """

    unknown: tuple[tuple[str, Any], ...] = field(default=(), kw_only=True, repr=False, compare=False)


def plain(value: Any) -> dict[str, Any]:
    """Return the fields of a flat dataclass that this version knows, by name."""
    return {each.name: getattr(value, each.name) for each in fields(value) if each.name != "unknown"}


@dataclass(frozen=True)
class Release(Stored):
    """One exact jar. `version` is S3's version id; `sha256` (hex) is None until S3 or a host reports it."""

    bucket: str
    key: str
    version: str
    size: int
    label: str
    sha256: str | None = None

    def is_same_jar(self, other: "Release | None") -> bool:
        """Whether both name the same bytes: S3 never changes the object behind a version id."""
        return other is not None and (self.bucket, self.key, self.version) == (
            other.bucket,
            other.key,
            other.version,
        )


@dataclass(frozen=True)
class UploadOrder(Stored):
    """The position of an upload among the others: S3's sequencer for one key, event time between keys.

    A rollback has the key "" and no sequencer: it is newer than what was uploaded before it.
    """

    key: str
    sequencer: str
    at: float

    def is_after(self, other: "UploadOrder | None") -> bool:
        """Whether this one is newer. Sequencers are hex of unequal length: S3 says to pad the shorter
        with zeros on the left and to compare as text (S3 User Guide, event message structure).

        Event times are whole seconds. Between two keys in one second the sequencer decides too: S3 promises
        nothing about it, but it is the best guess, and does not depend on which event came first.
        """
        if other is None:
            return True
        width = max(len(self.sequencer), len(other.sequencer))
        mine, others = self.sequencer.rjust(width, "0"), other.sequencer.rjust(width, "0")
        if self.key == other.key and self.sequencer and other.sequencer:
            return mine > others
        return (self.at, mine, self.key) > (other.at, others, other.key)


@dataclass(frozen=True)
class Failure(Stored):
    """Why a deployment did not go live: in which phase, on which host (None: the cause is not one host)."""

    phase: Phase
    reason: str
    host: str | None = None
    log: tuple[str, ...] = ()


@dataclass(frozen=True)
class Live(Stored):
    """A release that receives traffic, or received it, and the deployment that made it live."""

    release: Release
    deployment: str
    since: float


@dataclass(frozen=True)
class Step(Stored):
    """The command under way. A host recognises a repeat by `name` together with the deployment's id.

    `command` is SSM's id, None until it is known; a host that has not reported by `deadline` has failed.
    """

    name: str
    verb: str
    attempt: int
    deadline: float
    command: str | None = None


@dataclass(frozen=True)
class PhaseEntry(Stored):
    """One entry of a timeline: the deployment entered `phase` at this time."""

    phase: Phase
    at: float


@dataclass(frozen=True)
class Deployment(Stored):
    """The work of making one release live, from its acceptance to its one outcome.

    `written_by` is the version of twinslot that decided its phase; "" in items from before 0.1.0.
    """

    id: str
    app: str
    kind: Kind
    order: UploadOrder
    release: Release | None
    by: str
    phase: Phase = Phase.WAITING
    outcome: Outcome | None = None
    timeline: tuple[PhaseEntry, ...] = ()
    fence: int = 0
    hosts: tuple[str, ...] = ()
    settings: Settings = field(default_factory=Settings)
    step: Step | None = None
    live_before: Live | None = None
    previous_before: Live | None = None
    failure: Failure | None = None
    unconfirmed: tuple[str, ...] = ()
    written_by: str = field(default="", compare=False)

    @property
    def known(self) -> bool:
        """Whether this version knows the deployment's kind, phase and outcome, and so what comes next."""
        return self.kind.known and self.phase.known and (self.outcome is None or self.outcome.known)

    def seconds(self) -> dict[str, float]:
        """Return the seconds spent in each phase that was left, in the order they were entered."""
        spent: dict[str, float] = {}
        for entered, left in zip(self.timeline, self.timeline[1:], strict=False):
            spent[entered.phase.value] = spent.get(entered.phase.value, 0.0) + left.at - entered.at
        return spent


@dataclass(frozen=True)
class Survey(Stored):
    """Act: find the hosts and the settings of the deployment that is about to stage."""

    id: str
    at: float
    deployment: str


@dataclass(frozen=True)
class SendCommand(Stored):
    """Act: send the step of the deployment under way to its hosts."""

    id: str
    at: float
    deployment: str
    step: str


@dataclass(frozen=True)
class Announce(Stored):
    """Act: announce how a deployment ended, what is live now and what a rollback would make live."""

    id: str
    at: float
    deployment: Deployment
    live: Live | None
    previous: Live | None = None


@dataclass(frozen=True)
class AnnounceStart(Stored):
    """Act: announce that a deployment has begun to stage, and what is live meanwhile."""

    id: str
    at: float
    deployment: Deployment
    live: Live | None


@dataclass(frozen=True)
class Freeze(Stored):
    """A person keeps uploads from going live: who, why, since when."""

    by: str
    why: str
    since: float


@dataclass(frozen=True)
class AnnounceFreeze(Stored):
    """Act: announce that an app was frozen or unfrozen (`frozen` is False) by `by` at `since`.

    `why` is the reason of the freeze; `waiting` is the label of the upload that waits, or waited until now.
    """

    id: str
    at: float
    app: str
    frozen: bool
    since: float
    by: str
    why: str
    waiting: str | None
    live: Live | None


@dataclass(frozen=True)
class Difference(Stored):
    """How a host differs from the expected state, in one sentence."""

    host: str
    what: str


@dataclass(frozen=True)
class Warn(Stored):
    """Act: announce that hosts differ from the expected state."""

    id: str
    at: float
    app: str
    differences: tuple[Difference, ...]
    live: Live | None


Act = Survey | SendCommand | AnnounceStart | Announce | AnnounceFreeze | Warn


@dataclass(frozen=True)
class UnknownAct(Stored):
    """An act of another version, whole in `unknown`: this version keeps it in the outbox for that one."""

    id: str = ""
    at: float = 0.0
    written_by: str = ""


@dataclass(frozen=True)
class Application(Stored):
    """The aggregate: all that decides what happens next for one app. `version` counts its writes.

    `live` receives the traffic, from the moment a flip is commanded; `previous` was live before it.
    `newest` is the order of the newest upload or rollback that was accepted. `drift` are the differences
    between hosts and the expected state that have been announced. While there is a `freeze`, uploads wait.
    `newcomers` are hosts that were found without any release; `unjoined` are those of them whose join to what
    is live failed.
    """

    name: str
    live: Live | None = None
    previous: Live | None = None
    current: Deployment | None = None
    waiting: Deployment | None = None
    newest: UploadOrder | None = None
    fence: int = 0
    outbox: tuple[Act | UnknownAct, ...] = ()
    drift: tuple[Difference, ...] = ()
    freeze: Freeze | None = None
    newcomers: tuple[str, ...] = ()
    unjoined: tuple[str, ...] = ()
    version: int = 0

    @property
    def kept_frozen(self) -> bool:
        """Whether the freeze keeps the waiting deployment from beginning."""
        return bool(self.freeze and self.waiting and self.waiting.kind is Kind.UPLOAD)

    @property
    def acts(self) -> tuple[Act, ...]:
        """The acts of the outbox that this version can perform."""
        return tuple(act for act in self.outbox if not isinstance(act, UnknownAct))

    @property
    def busy(self) -> bool:
        """Whether the scheduled check must process this app."""
        return bool(self.current or self.acts or (self.waiting and not self.kept_frozen))

    @property
    def unreadable(self) -> tuple[str, ...]:
        """What only another version can continue, one note each; empty when this version can do it all."""
        deployments = (each for each in (self.current, self.waiting) if each and not each.known)
        return (
            *(
                f"deployment {each.id} ({each.kind.value}, {each.phase.value}): {written_by(each.written_by)}"
                for each in deployments
            ),
            *(
                f"act {act.id}: {written_by(act.written_by)}"
                for act in self.outbox
                if isinstance(act, UnknownAct)
            ),
        )


@dataclass(frozen=True)
class SlotReport:
    """What a host reported of one slot. `state` is systemd's ActiveState; `pid` is 0 when no process runs;
    `restarts` counts how often systemd has restarted the process since it was started."""

    release: str | None
    label: str | None
    state: str
    verified: bool
    pid: int
    restarts: int = 0


@dataclass(frozen=True)
class HostReport:
    """What a host printed at the end of a command, checked for shape and origin. See docs/host.md."""

    host: str
    app: str
    verb: str
    step: str
    deployment: str
    fence: int
    ok: bool
    reason: str
    log: tuple[str, ...]
    live: str | None
    standby: bool
    slots: dict[str, SlotReport]
    sha256: str | None
    seconds: dict[str, float]


@dataclass(frozen=True)
class HostResult:
    """The result of a command on one host: `ok` is None while the command is in progress there."""

    host: str
    ok: bool | None
    reason: str = ""
    log: tuple[str, ...] = ()
    report: HostReport | None = None


@dataclass(frozen=True)
class Decision:
    """What follows from an event: the application to save, the acts to perform once it is saved, the
    deployments to record in the history, the SSM command ids to remember for this app, and what its hosts
    reported."""

    application: Application
    acts: tuple[Act, ...] = ()
    records: tuple[Deployment, ...] = ()
    commands: tuple[str, ...] = ()
    reports: tuple[HostReport, ...] = ()

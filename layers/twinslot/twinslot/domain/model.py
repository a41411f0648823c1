"""What twinslot talks about: frozen facts, and the acts that follow from a decision. No I/O. The events that
arrive are in events.py.

Times are seconds since the epoch (UTC, float); durations are whole seconds; sizes are bytes.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from twinslot.shared.settings_schema import Settings as Settings

NOBODY = "-"
"""The application that refused uploads belong to when their key names none; no real one can bear it."""


class Phase(StrEnum):
    """Where a deployment stands. The order of the members is the order of the work."""

    WAITING = "waiting"
    STAGING = "staging"
    FLIPPING = "flipping"
    BAKING = "baking"
    REVERTING = "reverting"
    ENDED = "ended"


class Outcome(StrEnum):
    """How a deployment ended. It has exactly one, and it never changes."""

    LIVE = "LIVE"
    FAILED = "FAILED"
    REVERTED = "REVERTED"
    REFUSED = "REFUSED"
    SUPERSEDED = "SUPERSEDED"
    CANCELLED = "CANCELLED"


class Kind(StrEnum):
    """What asked for a deployment. A join is asked for by a host that holds no release yet."""

    UPLOAD = "upload"
    ROLLBACK = "rollback"
    JOIN = "join"


@dataclass(frozen=True)
class Release:
    """One exact jar. `version` is S3's version id; `sha256` (hex) is None until S3 or a host told it."""

    bucket: str
    key: str
    version: str
    size: int
    label: str
    sha256: str | None = None

    def is_same_jar(self, other: "Release | None") -> bool:
        """Whether both name the same bytes: S3 never changes what a version id stands for."""
        return other is not None and (self.bucket, self.key, self.version) == (
            other.bucket,
            other.key,
            other.version,
        )


@dataclass(frozen=True)
class UploadOrder:
    """Where an upload stands among the others: S3's sequencer for one key, event time between keys.

    A rollback has the key "" and no sequencer: it stands over what was uploaded before it.
    """

    key: str
    sequencer: str
    at: float

    def is_after(self, other: "UploadOrder | None") -> bool:
        """Whether this one is newer. Sequencers are hex of unequal length: S3 says to pad the shorter
        with zeros on the left and to compare as text (S3 User Guide, event message structure).

        Event times are whole seconds. Of two keys in one second the sequencer decides too: S3 promises
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
class Failure:
    """Why a deployment did not go live: on which host (None: no host's fault), in which phase."""

    phase: Phase
    reason: str
    host: str | None = None
    log: tuple[str, ...] = ()


@dataclass(frozen=True)
class Live:
    """A release that traffic goes to (or went to), and the deployment that brought it there."""

    release: Release
    deployment: str
    since: float


@dataclass(frozen=True)
class Step:
    """The command under way: `name` is what a host recognises a repeat by, together with the deployment.

    `command` is SSM's id, None until it is known; after `deadline` a host that did not answer has failed.
    """

    name: str
    verb: str
    attempt: int
    deadline: float
    command: str | None = None


@dataclass(frozen=True)
class PhaseEntry:
    """One entry of a timeline: the deployment entered `phase` at this time."""

    phase: Phase
    at: float


@dataclass(frozen=True)
class Deployment:
    """The work of making one release live, from its acceptance to its one outcome."""

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

    def seconds(self) -> dict[str, float]:
        """Seconds spent in each phase that was left, in the order they were entered."""
        spent: dict[str, float] = {}
        for entered, left in zip(self.timeline, self.timeline[1:], strict=False):
            spent[entered.phase.value] = spent.get(entered.phase.value, 0.0) + left.at - entered.at
        return spent


@dataclass(frozen=True)
class Survey:
    """Act: find the hosts and the settings of the deployment that is about to stage."""

    id: str
    at: float
    deployment: str


@dataclass(frozen=True)
class SendCommand:
    """Act: tell the hosts of the deployment under way to do its step."""

    id: str
    at: float
    deployment: str
    step: str


@dataclass(frozen=True)
class Announce:
    """Act: tell people and programs how a deployment ended, what is live now and what a rollback goes to."""

    id: str
    at: float
    deployment: Deployment
    live: Live | None
    previous: Live | None = None


@dataclass(frozen=True)
class AnnounceStart:
    """Act: tell that a deployment has begun to stage, and what is live meanwhile."""

    id: str
    at: float
    deployment: Deployment
    live: Live | None


@dataclass(frozen=True)
class Freeze:
    """Somebody keeps uploads from going live: who, why, since when."""

    by: str
    why: str
    since: float


@dataclass(frozen=True)
class AnnounceFreeze:
    """Act: tell that an app is frozen, or unfrozen (`frozen` is False), and since when. `by` asked for
    it; `why` is the freeze's reason; `waiting` is the label of the upload that waits, or waited until now."""

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
class Difference:
    """What is otherwise on a host than the table says, in a sentence."""

    host: str
    what: str


@dataclass(frozen=True)
class Warn:
    """Act: tell people and programs that hosts are not as the table says."""

    id: str
    at: float
    app: str
    differences: tuple[Difference, ...]
    live: Live | None


Act = Survey | SendCommand | AnnounceStart | Announce | AnnounceFreeze | Warn


@dataclass(frozen=True)
class Application:
    """The aggregate: all that decides what happens next for one app. `version` counts its writes.

    `live` is where traffic goes, from the moment a flip is commanded; `previous` was live before it.
    `newest` is the order of the newest upload or rollback that was accepted. `drift` is what was found to
    be otherwise on the hosts and has been announced. While there is a `freeze`, uploads wait. `newcomers` are
    hosts that were found without any release; `unjoined` are those of them whose join to what is live failed.
    """

    name: str
    live: Live | None = None
    previous: Live | None = None
    current: Deployment | None = None
    waiting: Deployment | None = None
    newest: UploadOrder | None = None
    fence: int = 0
    outbox: tuple[Act, ...] = ()
    drift: tuple[Difference, ...] = ()
    freeze: Freeze | None = None
    newcomers: tuple[str, ...] = ()
    unjoined: tuple[str, ...] = ()
    version: int = 0

    @property
    def kept_frozen(self) -> bool:
        """Whether what waits has to go on waiting although nothing is under way."""
        return bool(self.freeze and self.waiting and self.waiting.kind is Kind.UPLOAD)

    @property
    def busy(self) -> bool:
        """Whether the clock has something to look after here."""
        return bool(self.current or self.outbox or (self.waiting and not self.kept_frozen))


@dataclass(frozen=True)
class SlotReport:
    """What a host says of one slot. `state` is systemd's ActiveState; `pid` is 0 when none runs; `restarts`
    counts how often systemd has started the process anew by itself since it was told to."""

    release: str | None
    label: str | None
    state: str
    verified: bool
    pid: int
    restarts: int = 0


@dataclass(frozen=True)
class HostReport:
    """What a host said at the end of a command, checked for shape and origin. See docs/host.md."""

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
    """One host's part in a command: `ok` is None while it is under way."""

    host: str
    ok: bool | None
    reason: str = ""
    log: tuple[str, ...] = ()
    report: HostReport | None = None


@dataclass(frozen=True)
class Decision:
    """What follows from an event: the application to save, the acts to do after it is saved, the
    deployments to record in the history, the SSM command ids to remember as this app's, and what its hosts
    reported."""

    application: Application
    acts: tuple[Act, ...] = ()
    records: tuple[Deployment, ...] = ()
    commands: tuple[str, ...] = ()
    reports: tuple[HostReport, ...] = ()

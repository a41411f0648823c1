"""What an announcement says, made ready to be told in a chat: words, numbers and lists of bounded length.

An announcement comes back over SNS, where anybody who may publish can have written it: each field is checked
here, and what a person reads of it is printable. How it is drawn is for whoever draws it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from twinslot.errors import BadEvent
from twinslot.intake.sanitize import quoted, sanitize

FORMAT = 1
OLD_OUTCOMES = {"HELD": "FROZEN", "RESUMED": "UNFROZEN"}
"""As earlier versions called them: an announcement may arrive after an update."""
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_.:-]{0,149}")
"""Of an announcement and of a deployment: both end up in the key of a table."""

SOMEBODY = "somebody"
PHASE = re.compile(r"[a-z]{1,10}")

MAX_NAME_CHARACTERS = 60
MAX_END_BYTES = 40
"""Of a way back: both ends and the longest command are together what Amazon Q takes as a step."""

MAX_KEY_CHARACTERS = 120
MAX_HOST_CHARACTERS = 40
MAX_REASON_CHARACTERS = 600
MAX_LINE_CHARACTERS = 300
MAX_COMMAND_CHARACTERS = 400
MAX_LOG_CHARACTERS = 2_000
"""Characters of a log, line ends included: its last lines are the ones that tell."""

MAX_HOSTS = 10
MAX_PHASES = 10
LATEST = 32_503_680_000.0
"""The year 3000: chats show no later moment."""

MAX_SECONDS = 1_000_000.0
BEFORE_TRAFFIC = ("waiting", "staging")


@dataclass(frozen=True)
class Headline:
    """One line: `icon`, then `subject` (which users have named) and `predicate` (which is ours)."""

    icon: str
    subject: str
    predicate: str

    def __str__(self) -> str:
        return f"{self.icon} {self.subject} {self.predicate}"


@dataclass(frozen=True)
class LiveNow:
    """What traffic goes to, since when (seconds since the epoch; None: not told)."""

    label: str
    since: float | None


@dataclass(frozen=True)
class Digest:
    """One announcement. Texts are printable lines; what it does not tell is "" or empty.

    `deployment` is None where it is about none. `origin` begins a sentence that ends with `by`. `cause` says
    why it failed (in `phase`, on `host`) or is frozen; `seconds` are those of each phase, in order;
    `differences` are pairs of a host and what is otherwise there; of the `unconfirmed` hosts nobody knows
    what they run. `command` can be copied, and `command_does` says what for.
    """

    id: str
    app: str
    outcome: str
    deployment: str | None
    headline: Headline
    meaning: str
    origin: str
    by: str
    live: LiveNow | None
    live_is: str = "Live now"
    key: str = ""
    cause: str = ""
    phase: str = ""
    host: str = ""
    log: tuple[str, ...] = ()
    seconds: tuple[tuple[str, float], ...] = ()
    differences: tuple[tuple[str, str], ...] = ()
    unconfirmed: tuple[str, ...] = ()
    command_does: str = ""
    command: str = ""

    @property
    def is_urgent(self) -> bool:
        """Whether somebody should look, also one who does not follow this deployment."""
        return self.outcome in ("FAILED", "REVERTED", "DRIFT")

    @property
    def is_end(self) -> bool:
        """Whether it tells how a deployment ended."""
        return self.outcome in ENDED


def digest(announcement: object) -> Digest:
    """The digest of an announcement's JSON, as announcements.py describes it. Raises BadEvent."""
    fields = _Fields(announcement, "the announcement")
    if fields.value("twinslot") != FORMAT:
        raise BadEvent(f"the announcement is not of the format {FORMAT} that this version of twinslot reads")
    outcome = fields.text("outcome", 20)
    outcome = OLD_OUTCOMES.get(outcome, outcome)
    if outcome in ENDED or outcome == "STARTED":
        return _of_deployment(fields, outcome)
    if outcome == "DRIFT":
        return _of_drift(fields)
    if outcome in ("FROZEN", "UNFROZEN"):
        return _of_freeze(fields, outcome)
    raise BadEvent(f"outcome: {quoted(outcome, 20)} is none that this version of twinslot knows")


def _of_deployment(fields: _Fields, outcome: str) -> Digest:
    kind, app = fields.text("kind", 20), fields.text("app", MAX_NAME_CHARACTERS)
    release, key = fields.part("release"), fields.text("key", MAX_KEY_CHARACTERS)
    name = f"{app} {release.text('label', MAX_NAME_CHARACTERS)}" if release else key or app
    failure = fields.part("failure")
    phase = failure.phase("phase") if failure else ""
    unconfirmed, live = fields.texts("unconfirmed", MAX_HOST_CHARACTERS), fields.live()
    return Digest(
        id=fields.id("announcement"),
        app=app,
        outcome=outcome,
        deployment=fields.id("deployment"),
        headline=_headline(outcome, kind, name, len(fields.texts("hosts", MAX_HOST_CHARACTERS))),
        meaning=_meaning(outcome, kind, phase, bool(unconfirmed)),
        origin=ORIGINS.get(kind, "Uploaded by"),
        by=fields.text("by", MAX_NAME_CHARACTERS) or SOMEBODY,
        live=live,
        key=key,
        cause=failure.text("reason", MAX_REASON_CHARACTERS) if failure else "",
        phase=phase,
        host=failure.text("host", MAX_HOST_CHARACTERS) if failure else "",
        log=_last_lines(failure.texts("log", MAX_LINE_CHARACTERS)) if failure else (),
        seconds=fields.seconds(),
        unconfirmed=_first_hosts(unconfirmed),
        command_does=_way_back(outcome, live, fields.part("previous")),
        command=fields.command("rollback"),
    )


def _of_drift(fields: _Fields) -> Digest:
    app = fields.text("app", MAX_NAME_CHARACTERS)
    found = fields.parts("differences")
    shown = [
        (each.text("host", MAX_HOST_CHARACTERS), each.text("what", MAX_LINE_CHARACTERS))
        for each in found[:MAX_HOSTS]
    ]
    if len(found) > MAX_HOSTS:
        shown.append(("…", f"and {len(found) - MAX_HOSTS} more"))
    count = "a host" if len(found) == 1 else f"{len(found)} hosts"
    return Digest(
        id=fields.id("announcement"),
        app=app,
        outcome="DRIFT",
        deployment=None,
        headline=Headline("⚠️", app, f"differs on {count} from what it should be"),
        meaning="The next deployment starts from what these hosts serve; nothing was changed.",
        origin="Found by",
        by="the inspection of the hosts",
        live=fields.live(),
        live_is="Should be live",
        differences=tuple(shown),
    )


def _of_freeze(fields: _Fields, outcome: str) -> Digest:
    app = fields.text("app", MAX_NAME_CHARACTERS)
    why, waiting = fields.text("why", MAX_REASON_CHARACTERS), fields.text("waiting", MAX_NAME_CHARACTERS)
    if outcome == "FROZEN":
        headline = Headline("⏸️", app, "is frozen")
        waits = f"{waiting} waits" if waiting else "Uploads wait"
        meaning = f"{waits} until it is unfrozen; a rollback still goes."
        origin = "Frozen by"
    else:
        headline = Headline("▶️", app, "is unfrozen")
        meaning = f"{waiting} waited; it begins now." if waiting else "Nothing waited; uploads go again."
        origin, why = "Unfrozen by", ""
    return Digest(
        id=fields.id("announcement"),
        app=app,
        outcome=outcome,
        deployment=None,
        headline=headline,
        meaning=meaning,
        origin=origin,
        by=fields.text("by", MAX_NAME_CHARACTERS) or SOMEBODY,
        live=fields.live(),
        cause=why,
        command_does="To unfreeze",
        command=fields.command("unfreeze") or fields.command("resume"),
    )


ENDED = {
    "LIVE": ("✅", "is live"),
    "FAILED": ("❌", "failed"),
    "REVERTED": ("↩️", "was taken back"),
    "REFUSED": ("⛔", "was refused"),
    "SUPERSEDED": ("⏭️", "was superseded"),
    "CANCELLED": ("⏹️", "was cancelled"),
}
"""How a headline tells each outcome of a deployment."""

OTHERWISE = {
    ("STARTED", "upload"): ("🚀", "is being staged"),
    ("STARTED", "rollback"): ("⏪", "is coming back"),
    ("LIVE", "rollback"): ("✅", "is live again"),
    ("STARTED", "join"): ("🚀", "goes to {hosts}"),
    ("LIVE", "join"): ("✅", "is live on {hosts}"),
    ("FAILED", "join"): ("❌", "did not get live on {hosts}"),
    ("REVERTED", "join"): ("❌", "did not stay live on {hosts}"),
    ("REFUSED", "join"): ("❌", "did not go to {hosts}"),
}
"""Where a headline depends on what asked for the deployment."""


ORIGINS = {"rollback": "Rollback asked for by", "join": "Hosts joined, found by"}


def _headline(outcome: str, kind: str, name: str, hosts: int) -> Headline:
    started = OTHERWISE["STARTED", "upload"]
    icon, predicate = OTHERWISE.get((outcome, kind)) or ENDED.get(outcome, started)
    return Headline(icon, name, predicate.format(hosts=f"{hosts} new hosts" if hosts > 1 else "a new host"))


def _meaning(outcome: str, kind: str, phase: str, is_unsure: bool) -> str:
    if kind == "join" and outcome in ("FAILED", "REVERTED", "REFUSED"):
        return "No other host was touched, and what is live stayed live."
    match outcome:
        case "STARTED":
            return "Users are untouched until every host has verified it."
        case "LIVE":
            return "It is live on all hosts that answered." if is_unsure else "It is live on all its hosts."
        case "FAILED" if phase in BEFORE_TRAFFIC:
            return "It did not go live; users never saw it."
        case "FAILED":
            return "It failed after traffic had moved to it; there is no release before it to go back to."
        case "REVERTED":
            return "It failed after traffic had moved to it; the release before is live again."
        case "REFUSED":
            return "Nothing was changed."
        case "SUPERSEDED":
            return "A newer upload or a rollback took its place before it began."
        case _:
            return "A rollback ended it."


def _way_back(outcome: str, live: LiveNow | None, previous: _Fields | None) -> str:
    """What the rollback's command does: after a failure it leads away from what is live, not what failed."""
    start = sanitize(live.label, MAX_END_BYTES) if live and outcome != "LIVE" else ""
    end = previous.text("label", MAX_END_BYTES) if previous else ""
    return "To go back" + (f" from {start}" if start else "") + (f" to {end}" if end else "")


def _last_lines(log: tuple[str, ...]) -> tuple[str, ...]:
    """As many of the last lines as fit into LONGEST_LOG."""
    kept: list[str] = []
    room = MAX_LOG_CHARACTERS
    for line in reversed(log):
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return tuple(reversed(kept))


def _first_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    more = len(hosts) - MAX_HOSTS
    return (*hosts[:MAX_HOSTS], f"and {more} more") if more > 0 else hosts


class _Fields:
    """A JSON object of unknown origin. What is missing or null is "" or empty; what is of another type than
    it should be raises BadEvent."""

    def __init__(self, value: object, name: str) -> None:
        if not isinstance(value, Mapping):
            raise BadEvent(f"{name} is {_kind(value)}, not a JSON object")
        self._fields = value

    def value(self, name: str) -> object:
        return self._fields.get(name)

    def id(self, name: str) -> str:
        value = self._fields.get(name)
        if not isinstance(value, str) or not ID.fullmatch(value):
            shown = quoted(value, 60) if isinstance(value, str) else _kind(value)
            raise BadEvent(f"{name}: {shown} is no id of an announcement or a deployment")
        return value

    def text(self, name: str, limit: int) -> str:
        value = self._fields.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise BadEvent(f"{name}: {_kind(value)}, not a text")
        return sanitize(value, limit)

    def phase(self, name: str) -> str:
        value = self.text(name, MAX_NAME_CHARACTERS)
        if value and not PHASE.fullmatch(value):
            raise BadEvent(f"{name}: {quoted(value, 60)} is no phase of a deployment")
        return value

    def texts(self, name: str, limit: int) -> tuple[str, ...]:
        values = self._list(name)
        if not all(isinstance(value, str) for value in values):
            raise BadEvent(f"{name}: not a list of texts")
        return tuple(sanitize(str(value), limit) for value in values)

    def part(self, name: str) -> _Fields | None:
        value = self._fields.get(name)
        return None if value is None else _Fields(value, name)

    def parts(self, name: str) -> list[_Fields]:
        return [_Fields(value, f"an item of {name}") for value in self._list(name)]

    def live(self) -> LiveNow | None:
        live = self.part("live")
        if live is None:
            return None
        since = live.value("since")
        return LiveNow(live.text("label", MAX_NAME_CHARACTERS), _number("since", since, LATEST))

    def seconds(self) -> tuple[tuple[str, float], ...]:
        spent = self.part("seconds")
        if spent is None:
            return ()
        found = [(str(name), _number("seconds", value, MAX_SECONDS)) for name, value in spent._fields.items()]
        if not all(PHASE.fullmatch(name) for name, _ in found):
            raise BadEvent("seconds: a name in it is no phase of a deployment")
        return tuple((name, seconds or 0.0) for name, seconds in found[:MAX_PHASES])

    def command(self, name: str) -> str:
        """A command to be copied: whole, or not at all."""
        command = self.text(name, MAX_COMMAND_CHARACTERS + 1)
        return command if len(command) <= MAX_COMMAND_CHARACTERS else ""

    def _list(self, name: str) -> list[object]:
        value = self._fields.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise BadEvent(f"{name}: {_kind(value)}, not a list")
        return value


def _number(name: str, value: object, most: float) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadEvent(f"{name}: {_kind(value)}, not a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise BadEvent(f"{name}: not a number")
    return float(min(max(value, 0), most))


def _kind(value: object) -> str:
    return f"a value of the type {type(value).__name__}"

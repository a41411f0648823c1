"""What people read of an announcement: its facts, bounded and printable, and their meaning in words.

A view is built from an act (build.py), or from an announcement's JSON of unknown origin (parse.py); both
give the same one. How it is drawn is up to email.py, amazon_q.py, functions/slack and the command line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from twinslot.announce import wording
from twinslot.announce.facts import MAX_SECONDS, Cause, Jar, Limits, LiveNow
from twinslot.announce.wording import Case, Words
from twinslot.domain.model import NO_APP, Kind, Outcome, Phase
from twinslot.intake.sanitize import sanitize
from twinslot.shared.constants import VERSION

SOMEBODY = "somebody"
HOST_REPORTS = "the hosts' reports"
LIVE_NOW = "Live now"
WHY = "Why"
MAX_PHASES = 10
MAX_WORD_CHARACTERS = 30
MAX_END_CHARACTERS = 40
"""Of a way back: both ends and the longest command are together what Amazon Q takes as a step."""

MAX_COMMAND_CHARACTERS = 400

MAX_CHAT_HOSTS = 10


@dataclass(frozen=True)
class Headline:
    """One line: `icon`, then `subject` (which users have named) and `predicate` (which is ours)."""

    icon: str
    subject: str
    predicate: str

    def __str__(self) -> str:
        return f"{self.icon} {self.subject} {self.predicate}"


@dataclass(frozen=True)
class View:
    """One announcement. Texts are printable lines; what it does not have is "" or empty.

    `outcome` is one of wording.OUTCOMES, unless another version has written one that is not known here:
    `unknown` names it, or a kind or a format. `deployment` is None where there is none. `seconds` are those
    of each phase, in order; `differences` are pairs of a host and how it differs, of which there are `others`
    more; what the `unconfirmed` hosts run is not known. `command` can be copied: it goes back to `previous`,
    or unfreezes.
    """

    id: str
    app: str
    outcome: str
    written_by: str
    deployment: str | None = None
    kind: str = ""
    jar: Jar | None = None
    key: str = ""
    by: str = ""
    live: LiveNow | None = None
    previous: LiveNow | None = None
    cause: Cause | None = None
    waiting: str = ""
    seconds: tuple[tuple[str, float], ...] = ()
    hosts: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    differences: tuple[tuple[str, str], ...] = ()
    others: int = 0
    command: str = ""
    unknown: str = ""

    def within(self, limits: Limits) -> View:
        """Return the view with all texts printable and cut; a command is whole, or left out."""
        differences = tuple(
            (sanitize(host, limits.host), sanitize(what, limits.difference))
            for host, what in self.differences[: limits.differences]
        )
        command = sanitize(self.command, MAX_COMMAND_CHARACTERS + 1)
        return replace(
            self,
            app=sanitize(self.app, limits.name),
            outcome=sanitize(self.outcome, MAX_WORD_CHARACTERS),
            written_by=sanitize(self.written_by, MAX_WORD_CHARACTERS),
            kind=sanitize(self.kind, MAX_WORD_CHARACTERS),
            unknown=sanitize(self.unknown, MAX_WORD_CHARACTERS),
            jar=self.jar.within(limits) if self.jar else None,
            key=sanitize(self.key, limits.key),
            by=sanitize(self.by, limits.name),
            live=self.live.within(limits) if self.live else None,
            previous=self.previous.within(limits) if self.previous else None,
            cause=self.cause.within(limits) if self.cause else None,
            waiting=sanitize(self.waiting, limits.name),
            seconds=tuple((phase, min(max(s, 0.0), MAX_SECONDS)) for phase, s in self.seconds[:MAX_PHASES]),
            hosts=tuple(sanitize(host, limits.host) for host in self.hosts),
            unconfirmed=tuple(sanitize(host, limits.host) for host in self.unconfirmed),
            differences=differences,
            others=self.others + len(self.differences) - len(differences),
            command=command if len(command) <= MAX_COMMAND_CHARACTERS else "",
        )

    @property
    def name(self) -> str:
        """What people call the deployment: the release's label, else the key of an upload without one."""
        return self.jar.label if self.jar else self.key

    @property
    def title(self) -> str:
        """The app and the name of the deployment. A key that names no app belongs to none."""
        app = "" if self.app == NO_APP else self.app
        return " ".join(filter(None, (app, self.name))) or "an upload"

    @property
    def headline(self) -> Headline:
        words = self._words
        subject = self.name if not self.jar and self.key.startswith(f"{self.app}/") else self.title
        return Headline(words.icon, subject, words.predicate.replace("{hosts}", self._hosts_in_words))

    @property
    def meaning(self) -> str:
        """What it means for users, in sentences."""
        if self.unknown:
            return f"Unknown {self.unknown}: written by {written_by(self.written_by)}, this is {VERSION}."
        return self._words.meaning.replace("{waiting}", self.waiting)

    @property
    def cause_is(self) -> str:
        return "It was frozen because" if self.outcome == wording.UNFROZEN else WHY

    @property
    def live_is(self) -> str:
        """What `live` is; "" where nothing is known of it."""
        if self.app == NO_APP or (self.unknown and not self.live):
            return ""
        return "Should be live" if self.outcome == wording.DRIFT else LIVE_NOW

    @property
    def host_lists(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Hosts that are worth a line, each list with its title."""
        if self.kind != Kind.JOIN:
            return (("Not confirmed on", self.unconfirmed),) if self.unconfirmed else ()
        lists = (("New hosts", self.hosts), ("Did not join", self.unconfirmed))
        return tuple((title, hosts) for title, hosts in lists if hosts)

    @property
    def origin(self) -> str:
        """Who did it."""
        by = self.by or (HOST_REPORTS if self.outcome == wording.DRIFT else SOMEBODY)
        return f"{wording.origin(self.outcome, self.kind)} {by}"

    @property
    def command_does(self) -> str:
        """What the command is for. After a failure it leads away from what is live, not from what failed."""
        if self.outcome == wording.FROZEN:
            return "To unfreeze"
        away = self.live.label if self.live and self.outcome != Outcome.LIVE else ""
        ends = (("from", away), ("to", self.previous.label if self.previous else ""))
        return " ".join(["To go back", *(f"{at} {sanitize(e, MAX_END_CHARACTERS)}" for at, e in ends if e)])

    @property
    def is_urgent(self) -> bool:
        """Whether also people should look who do not follow this deployment."""
        return self.outcome in (Outcome.FAILED, Outcome.REVERTED, wording.DRIFT)

    @property
    def is_end(self) -> bool:
        """Whether a deployment has ended."""
        return self.deployment is not None and self.outcome in list(Outcome)

    @property
    def _words(self) -> Words:
        return wording.words(self.outcome, self.kind, self._case)

    @property
    def _case(self) -> Case:
        if self.outcome in (wording.FROZEN, wording.UNFROZEN):
            return Case.WAITING if self.waiting else Case.PLAIN
        if self.outcome == Outcome.FAILED:
            is_before = self.cause and Phase.read(self.cause.phase).before_traffic
            return Case.PLAIN if is_before else Case.AFTER_TRAFFIC
        return Case.UNCONFIRMED if self.unconfirmed else Case.PLAIN

    @property
    def _hosts_in_words(self) -> str:
        if self.outcome == wording.DRIFT:
            return counted(len(self.differences) + self.others, "a host", "hosts")
        return counted(len(self.hosts), "a new host", "new hosts")


def written_by(version: str) -> str:
    return f"twinslot {version or 'of an unknown version'}"


def counted(number: int, one: str, many: str) -> str:
    return f"{number} {many}" if number > 1 else one


def listed(hosts: tuple[str, ...], most: int) -> list[str]:
    """Return the first hosts, and how many there are besides."""
    more = len(hosts) - most
    return [*hosts[:most], *([f"and {more} more"] if more > 0 else [])]

"""One deployment, watched in the table until it has its outcome."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from rich.text import Text
from twinslot.announce.build import view_of_end
from twinslot.announce.wording import TONES, Tone
from twinslot.aws.store import Store
from twinslot.domain.model import (
    Application,
    Deployment,
    Failure,
    Kind,
    Outcome,
    Phase,
    PhaseEntry,
)
from twinslot.errors import GiveUp, TryAgain, TwinslotError

from twinslot_cli.aws.errors import NotLive, explained
from twinslot_cli.output.json_output import deployment_shape, live_shape
from twinslot_cli.output.terminal import Terminal, frame, length, line, moment, shown

POLL_SECONDS = 1.0
UNSEEN_SECONDS = 120
"""How long S3's event may take to become a deployment before somebody should look."""

SILENT_SECONDS = 120
"""How long AWS may not answer before following is given up."""

RECENT = 20
"""How many of the newest deployments are looked through for the one that is followed."""

WORK = (Phase.STAGING, Phase.FLIPPING, Phase.BAKING)
MAX_LOG_LINES = 20
NOTE_COLUMN = 23
"""Where the note behind a phase and its seconds begins."""
TONE_STYLES = {
    Tone.GOOD: "bold green",
    Tone.BAD: "bold red",
    Tone.WARN: "bold yellow",
    Tone.ACTIVE: "cyan",
    Tone.NEUTRAL: "bold",
}
STYLES = {outcome: TONE_STYLES[TONES[outcome]] for outcome in Outcome}


@dataclass(frozen=True)
class Snapshot:
    """What the table says at one time: the application, and the deployment, None while it is not there."""

    application: Application
    deployment: Deployment | None


class DeploymentWatcher:
    """One deployment of an app; `is_it` knows its id when it sees it."""

    def __init__(self, store: Store, app: str, is_it: Callable[[str], bool]) -> None:
        self._store = store
        self._app = app
        self._is_it = is_it

    def look(self) -> Snapshot:
        """How it stands now. Raises TryAgain, and GiveUp."""
        application = self._store.load(self._app)
        for known in (application.current, application.waiting):
            if known and self._is_it(known.id):
                return Snapshot(application, known)
        for record in self._store.history(self._app, RECENT):
            if self._is_it(record.id):
                # Without an outcome it began or was moved on between the two reads: the next look tells.
                return Snapshot(application, record if record.outcome else None)
        return Snapshot(application, None)

    def last_look(self) -> Snapshot:
        """How it stands, for somebody who leaves; without the deployment when AWS does not tell."""
        with suppress(TwinslotError):
            return self.look()
        return Snapshot(Application(self._app), None)


def follow(followed: DeploymentWatcher, terminal: Terminal, what: str) -> Snapshot:
    """Show how the deployment goes on until it has ended; the last sight of it.

    Raises NotLive when nobody can say how it goes on, KeyboardInterrupt when somebody has seen enough.
    """
    watch = _Watch(what)
    with terminal.drawing(watch.draw, NOTE_COLUMN):
        while not watch.ended:
            try:
                watch.see(followed.look(), time.time())
            except TryAgain as error:
                watch.hear_nothing(error)
            except GiveUp as error:
                raise NotLive(
                    f"the deployment goes on, but cannot be followed: {explained(error)}"
                ) from error
            if not terminal.is_alive:
                for told in watch.news():
                    terminal.say(told)
            if not watch.ended:
                time.sleep(POLL_SECONDS)
    assert watch.sight
    return watch.sight


class _Watch:
    """What was seen so far."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.sight: Snapshot | None = None
        self._began = self._heard = time.monotonic()
        self._told: list[str] = []

    @property
    def ended(self) -> bool:
        return bool(self.sight and self.sight.deployment and self.sight.deployment.outcome)

    def see(self, sight: Snapshot, now: float) -> None:
        self._heard = time.monotonic()
        self.sight = sight
        if sight.deployment is None and self._heard - self._began > UNSEEN_SECONDS:
            raise NotLive(
                f"{self.what} has not become a deployment within {UNSEEN_SECONDS} s: `twinslot doctor"
                f" {sight.application.name}` says what is wrong"
            )

    def hear_nothing(self, error: TryAgain) -> None:
        if time.monotonic() - self._heard > SILENT_SECONDS:
            raise NotLive(
                f"the deployment goes on, but AWS has not answered for {SILENT_SECONDS} s: {explained(error)}"
            ) from error

    def draw(self) -> list[Text]:
        """The deployment as it stands, a line a phase."""
        deployment = self.sight.deployment if self.sight else None
        if self.sight is None or deployment is None:
            return [
                line(shown(frame(), "cyan"), f" {self.what}: uploaded; waiting for its deployment to begin")
            ]
        return phases(deployment, self.sight.application, time.time())

    def news(self) -> list[Text]:
        """What has not been told yet, a line each, for logs."""
        deployment = self.sight.deployment if self.sight else None
        if self.sight is None or deployment is None:
            return []
        lines = story(deployment, self.sight.application)
        fresh = [one for one in lines if one.plain not in self._told]
        self._told += [one.plain for one in fresh]
        return fresh


def phases(deployment: Deployment, application: Application, now: float) -> list[Text]:
    """A deployment under way or ended, a line a phase: done, at it, still to come."""
    spent = deployment.seconds()
    at_it = deployment.phase
    entered = deployment.timeline[-1].at if deployment.timeline else now
    lines = [line(shown(heading(deployment), "bold"), shown(f"  {deployment.id}", "dim"))]
    if at_it is Phase.WAITING:
        lines.append(
            _phase(shown(frame(), "cyan"), "waiting", length(now - entered), why_waiting(application))
        )
    for phase in (*WORK, Phase.REVERTING):
        if phase is at_it and phase is not Phase.ENDED:
            lines.append(
                _phase(shown(frame(), "cyan"), phase.value, length(now - entered), _until(deployment))
            )
        elif phase.value in spent:
            failed = deployment.failure and deployment.failure.phase is phase
            mark = shown("✗", "red") if failed else shown("✓", "green")
            lines.append(_phase(mark, phase.value, length(spent[phase.value])))
        elif phase in WORK and deployment.outcome is None and at_it is not Phase.REVERTING:
            lines.append(_phase(shown("·", "dim"), phase.value))
    return lines


def story(deployment: Deployment, application: Application) -> list[Text]:
    """The deployment so far, a line a phase that was entered: for logs, where nothing is drawn anew."""
    name = heading(deployment)
    lines = []
    previous: PhaseEntry | None = None
    for passage in deployment.timeline:
        after = f" after {length(passage.at - previous.at)} of {previous.phase.value}" if previous else ""
        previous = passage
        if passage.phase is Phase.ENDED:
            break
        lines.append(line(f"{moment(passage.at)}  {name}: {passage.phase.value}{after}"))
    if deployment.phase is Phase.WAITING and (why := why_waiting(application)):
        lines.append(line(f"{name}: {why}"))
    return lines


def ending(sight: Snapshot) -> list[Text]:
    """How it ended, why, and what to do now."""
    deployment, application = sight.deployment, sight.application
    if deployment is None or deployment.outcome is None:
        return []
    total = deployment.timeline[-1].at - deployment.timeline[0].at
    view = view_of_end(deployment, application.live, application.previous)
    live = f"{view.live_is}: {view.live.label if view.live else 'nothing'}"
    outcome = shown(deployment.outcome.value, STYLES[deployment.outcome])
    lines = [line(outcome, f" after {length(total)}. {view.meaning} {live}.")]
    if deployment.failure:
        lines += cause(deployment.failure)
    lines += [line(f"{title}: {', '.join(hosts)}") for title, hosts in view.host_lists]
    app, previous = application.name, application.previous
    if deployment.outcome is Outcome.LIVE and previous:
        lines.append(line(f"To go back to {previous.release.label}: twinslot rollback {app}"))
    elif deployment.failure and deployment.failure.phase not in (Phase.WAITING, Phase.STAGING):
        lines.append(line(f"The host's journal: twinslot logs {app} --idle"))
    return lines


def cause(failure: Failure) -> list[Text]:
    """Why it failed, with the last lines of the log."""
    host = f" on {failure.host}" if failure.host else ""
    lines = [line(shown(f"Why ({failure.phase.value}{host}): ", "bold"), failure.reason)]
    lines += [line("  ", shown(entry, "dim")) for entry in failure.log[-MAX_LOG_LINES:]]
    return lines


def heading(deployment: Deployment) -> str:
    """What people call a deployment: `shop 1.4.2`, `shop rollback to 1.4.1`; a refused upload by its key."""
    label = deployment.release.label if deployment.release else deployment.order.key
    kind = "" if deployment.kind.value == "upload" else f"{deployment.kind.value} to "
    return f"{deployment.app} {kind}{label}"


def why_waiting(application: Application) -> str:
    """Why a deployment waits for its turn; "" when nothing keeps it."""
    freeze = application.freeze
    if freeze and application.waiting and application.waiting.kind is Kind.UPLOAD:
        return (
            f"frozen by {freeze.by} since {moment(freeze.since)}: {freeze.why}"
            f" (goes on after twinslot unfreeze {application.name})"
        )
    if application.current:
        return f"waits for {heading(application.current)}, which is {application.current.phase.value}"
    return ""


def outcome_document(sight: Snapshot) -> dict[str, object]:
    """The JSON document of a deployment that was followed."""
    return {"deployment": deployment_shape(sight.deployment), "live": live_shape(sight.application.live)}


def _phase(mark: Text, name: str, spent: str = "", note: str = "") -> Text:
    return line("  ", mark, f" {name:<9} {spent:>7}", shown(f"  {note}" if note else "", "dim"))


def _until(deployment: Deployment) -> str:
    """How long the phase under way takes, or may take."""
    if deployment.phase is Phase.STAGING and deployment.hosts:
        return f"its start may take {deployment.settings.start_seconds} s"
    if deployment.phase is Phase.BAKING:
        return f"of {deployment.settings.bake_seconds} s"
    return ""

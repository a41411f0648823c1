"""Watch one deployment in the table until it has an outcome, and the lines that describe it."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from rich.text import Text
from twinslot.announce.build import view_of_end
from twinslot.announce.wording import TONES, Tone
from twinslot.aws.store import Store, Unreadable
from twinslot.domain.model import (
    Application,
    Deployment,
    Failure,
    Kind,
    Outcome,
    Phase,
    PhaseEntry,
    written_by,
)
from twinslot.errors import GiveUp, OtherVersion, TryAgain, TwinslotError

from twinslot_cli.aws.errors import NotLive, explain
from twinslot_cli.output.json_output import deployment_json, live_json
from twinslot_cli.output.terminal import Terminal, duration, line, spinner, styled, timestamp

POLL_SECONDS = 1.0
START_TIMEOUT_SECONDS = 120
"""How long an upload may take to become a deployment; S3's event takes a second or so."""

ANSWER_TIMEOUT_SECONDS = 120
"""How long AWS may give no answer before the deployment is no longer followed."""

RECENT = 20
"""The deployment is looked for among this many of the newest."""

MAX_LOG_LINES = 20
NOTE_COLUMN = 23
"""The column of the note behind a phase and its seconds."""
TONE_STYLES = {
    Tone.GOOD: "bold green",
    Tone.BAD: "bold red",
    Tone.WARN: "bold yellow",
    Tone.ACTIVE: "cyan",
    Tone.NEUTRAL: "bold",
}


@dataclass(frozen=True)
class Snapshot:
    """The app's state at one time, and the deployment; None while the table does not have it."""

    application: Application
    deployment: Deployment | None


class DeploymentWatcher:
    """Reads the state of one deployment of an app; `is_it` recognises it by its id."""

    def __init__(self, store: Store, app: str, is_it: Callable[[str], bool]) -> None:
        self._store = store
        self._app = app
        self._is_it = is_it

    def look(self) -> Snapshot:
        """Read the present state. Raises TryAgain, and GiveUp."""
        application = self._store.load(self._app)
        for known in (application.current, application.waiting):
            if known and self._is_it(known.id):
                return Snapshot(application, known)
        for record in self._store.history(self._app, RECENT):
            if self._is_it(record.id):
                if isinstance(record, Unreadable):
                    raise OtherVersion(f"deployment {record}")
                # Without an outcome it started or went on between the two reads: the next one shows it.
                return Snapshot(application, record if record.outcome else None)
        return Snapshot(application, None)

    def last_look(self) -> Snapshot:
        """Read the present state once more; return one without a deployment when AWS does not answer."""
        with suppress(TwinslotError):
            return self.look()
        return Snapshot(Application(self._app), None)


def follow(watcher: DeploymentWatcher, terminal: Terminal, what: str) -> Snapshot:
    """Show the progress of the deployment until it has ended; return the last snapshot.

    Raises NotLive when its state cannot be read any longer, and KeyboardInterrupt.
    """
    progress = _Progress(what)
    with terminal.redrawing(progress.rows, NOTE_COLUMN):
        while not progress.ended:
            try:
                progress.update(watcher.look())
            except TryAgain as error:
                progress.check_silence(error)
            except GiveUp as error:
                raise NotLive(
                    f"the deployment is not affected, but its state cannot be read: {explain(error)}"
                ) from error
            if not terminal.is_live:
                for row in progress.new_rows():
                    terminal.print(row)
            if not progress.ended:
                time.sleep(POLL_SECONDS)
    assert progress.snapshot
    return progress.snapshot


class _Progress:
    """The last snapshot of a deployment, and what was printed of it."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.snapshot: Snapshot | None = None
        self._started = self._last_answer = time.monotonic()
        self._printed: list[str] = []

    @property
    def ended(self) -> bool:
        return bool(self.snapshot and self.snapshot.deployment and self.snapshot.deployment.outcome)

    def update(self, snapshot: Snapshot) -> None:
        """Keep the snapshot. Raises NotLive when there is no deployment after the timeout."""
        self._last_answer = time.monotonic()
        self.snapshot = snapshot
        if snapshot.deployment is None and self._last_answer - self._started > START_TIMEOUT_SECONDS:
            raise NotLive(
                f"{self.what} has not started within {START_TIMEOUT_SECONDS} s: to find the cause, twinslot"
                f" doctor {snapshot.application.name}"
            )

    def check_silence(self, error: TryAgain) -> None:
        """Raise NotLive when AWS has given no answer for too long."""
        if time.monotonic() - self._last_answer > ANSWER_TIMEOUT_SECONDS:
            raise NotLive(
                f"the deployment is not affected, but AWS has not answered for {ANSWER_TIMEOUT_SECONDS} s:"
                f" {explain(error)}"
            ) from error

    def rows(self) -> list[Text]:
        """Return the present state, a row per phase, to be redrawn."""
        deployment = self.snapshot.deployment if self.snapshot else None
        if self.snapshot is None or deployment is None:
            return [line(styled(spinner(), "cyan"), f" {self.what}: waiting for the deployment to start")]
        return phase_rows(deployment, self.snapshot.application, time.time())

    def new_rows(self) -> list[Text]:
        """Return the rows that were not returned before, for output that is not redrawn."""
        deployment = self.snapshot.deployment if self.snapshot else None
        if self.snapshot is None or deployment is None:
            return []
        rows = timeline_rows(deployment, self.snapshot.application)
        fresh = [row for row in rows if row.plain not in self._printed]
        self._printed += [row.plain for row in fresh]
        return fresh


def phase_rows(deployment: Deployment, application: Application, now: float) -> list[Text]:
    """Return a row per phase: done, under way, or still to come."""
    spent = deployment.seconds()
    present = deployment.phase
    entered = deployment.timeline[-1].at if deployment.timeline else now
    turning = styled(spinner(), "cyan")
    rows = [line(styled(heading(deployment), "bold"), styled(f"  {deployment.id}", "dim"))]
    if present is Phase.WAITING:
        rows.append(_phase_row(turning, "waiting", duration(now - entered), why_waiting(application)))
    for phase in (phase for phase in Phase if phase.has_step):
        if phase is present:
            rows.append(_phase_row(turning, phase.value, duration(now - entered), _limit(deployment)))
        elif phase.value in spent:
            failed = deployment.failure and deployment.failure.phase is phase
            mark = styled("✗", "red") if failed else styled("✓", "green")
            rows.append(_phase_row(mark, phase.value, duration(spent[phase.value])))
        elif phase.working and deployment.outcome is None and present is not Phase.REVERTING:
            rows.append(_phase_row(styled("·", "dim"), phase.value))
    return rows


def timeline_rows(deployment: Deployment, application: Application) -> list[Text]:
    """Return a row per phase that was entered, for output that is not redrawn."""
    name = heading(deployment)
    rows = []
    previous: PhaseEntry | None = None
    for entry in deployment.timeline:
        after = f" after {duration(entry.at - previous.at)} of {previous.phase.value}" if previous else ""
        previous = entry
        if entry.phase is Phase.ENDED:
            break
        rows.append(line(f"{timestamp(entry.at)}  {name}: {entry.phase.value}{after}"))
    if deployment.phase is Phase.WAITING and (why := why_waiting(application)):
        rows.append(line(f"{name}: {why}"))
    return rows


def outcome_rows(snapshot: Snapshot) -> list[Text]:
    """Return the outcome, its cause, and the next step; nothing while there is no outcome."""
    deployment, application = snapshot.deployment, snapshot.application
    if deployment is None or deployment.outcome is None:
        return []
    total = deployment.timeline[-1].at - deployment.timeline[0].at
    outcome = styled(deployment.outcome.value, outcome_style(deployment.outcome))
    if not deployment.known:
        return [line(outcome, f" after {duration(total)}: {written_by(deployment.written_by)}")]
    view = view_of_end(deployment, application.live, application.previous)
    live = f"{view.live_is}: {view.live.label if view.live else 'nothing'}"
    rows = [line(outcome, f" after {duration(total)}. {view.meaning} {live}.")]
    if deployment.failure:
        rows += failure_rows(deployment.failure)
    rows += [line(f"{title}: {', '.join(hosts)}") for title, hosts in view.host_lists]
    app, previous = application.name, application.previous
    if deployment.outcome is Outcome.LIVE and previous:
        rows.append(line(f"To roll back to {previous.release.label}: twinslot rollback {app}"))
    elif deployment.failure and not deployment.failure.phase.before_traffic:
        rows.append(line(f"To see the journal of the failed release: twinslot logs {app} --idle"))
    return rows


def outcome_style(outcome: Outcome) -> str:
    """Return the style of an outcome; that of another version has the neutral one."""
    return TONE_STYLES[TONES.get(outcome, Tone.NEUTRAL)]


def failure_rows(failure: Failure) -> list[Text]:
    """Return the reason of a failure and the last lines of the log."""
    host = f" on {failure.host}" if failure.host else ""
    rows = [line(styled(f"Cause ({failure.phase.value}{host}): ", "bold"), failure.reason)]
    rows += [line("  ", styled(entry, "dim")) for entry in failure.log[-MAX_LOG_LINES:]]
    return rows


def heading(deployment: Deployment) -> str:
    """Return a title: `shop 1.4.2`, `shop rollback to 1.4.1`, or the key of a refused upload."""
    label = deployment.release.label if deployment.release else deployment.order.key
    kind = "" if deployment.kind.value == "upload" else f"{deployment.kind.value} to "
    return f"{deployment.app} {kind}{label}"


def why_waiting(application: Application) -> str:
    """Return why the app's deployment waits; "" when nothing blocks it."""
    freeze = application.freeze
    if freeze and application.waiting and application.waiting.kind is Kind.UPLOAD:
        return (
            f"frozen by {freeze.by} since {timestamp(freeze.since)}: {freeze.why}"
            f" (to continue: twinslot unfreeze {application.name})"
        )
    if application.current:
        return f"after {heading(application.current)}, which is {application.current.phase.value}"
    return ""


def outcome_json(snapshot: Snapshot) -> dict[str, object]:
    """Return the JSON document of a deployment that was followed."""
    return {"deployment": deployment_json(snapshot.deployment), "live": live_json(snapshot.application.live)}


def _phase_row(mark: Text, name: str, spent: str = "", note: str = "") -> Text:
    return line("  ", mark, f" {name:<9} {spent:>7}", styled(f"  {note}" if note else "", "dim"))


def _limit(deployment: Deployment) -> str:
    """Return how long the phase under way takes, or may take at most."""
    match deployment.phase:
        case Phase.STAGING if deployment.hosts:
            return f"at most {deployment.settings.start_seconds} s to become healthy"
        case Phase.BAKING:
            return f"of {deployment.settings.bake_seconds} s"
        case Phase.WAITING | Phase.STAGING | Phase.FLIPPING | Phase.REVERTING | Phase.ENDED:
            return ""
    return written_by(deployment.written_by)

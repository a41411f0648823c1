"""Load, decide, save, act: the only place where decisions and I/O meet.

The result of an act is an event itself, so one invocation loops until nothing new follows. An act that fails
stays in the application's outbox, where the scheduled check finds it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from twinslot import telemetry
from twinslot.announce.publish import Announcer
from twinslot.aws.artifacts import Artifacts
from twinslot.aws.fleet import Fleet
from twinslot.aws.parameters import SettingsReader
from twinslot.aws.store import Store
from twinslot.domain.deployment_id import deployment_id, is_same_request
from twinslot.domain.events import (
    Announced,
    CommandEnded,
    CommandFailed,
    CommandSent,
    Event,
    FreezeRequested,
    HostsReported,
    RollbackRequested,
    ScheduledCheck,
    Surveyed,
    UnfreezeRequested,
    UploadArrived,
    UploadRefused,
)
from twinslot.domain.lifecycle import cannot_continue, decide
from twinslot.domain.model import (
    Act,
    Announce,
    AnnounceFreeze,
    AnnounceStart,
    Application,
    Deployment,
    HostResult,
    Kind,
    Live,
    SendCommand,
    Settings,
    Survey,
    Warn,
)
from twinslot.errors import (
    BadSettings,
    CommandRefused,
    GiveUp,
    LostRace,
    NotAJar,
    NothingToRollBackTo,
    TwinslotError,
    UnknownApp,
)
from twinslot.intake.upload import Upload

RACES = 64
"""How often a decision is repeated because another controller saved first. One controller wins each race,
and 20 uploads in a second are 120 saves. If the removal of a published announcement from the outbox is given
up, it is published again."""

RECENT = 20
"""How many of the newest deployments are searched for a rollback that Lambda delivers a second time."""


@dataclass(frozen=True)
class Rollback:
    """The response to a rollback: its deployment id, the label it goes to, and what was live before."""

    deployment: str
    to: str
    was_live: Live | None


@dataclass(frozen=True)
class FreezeAnswer:
    """The answer to a freeze or an unfreeze: the state now, and the state before.

    `since` is in seconds since the epoch; `waiting` is the upload that waits, or waited until now.
    """

    frozen: bool
    was_frozen: bool
    since: float | None
    why: str | None
    waiting: Deployment | None


class Controller:
    """Handles events for applications. `clock` returns seconds since the epoch."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        artifacts: Artifacts,
        announcer: Announcer,
        settings: SettingsReader,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._artifacts = artifacts
        self._announcer = announcer
        self._settings = settings
        self._clock = clock

    def upload(self, upload: Upload) -> None:
        """Accept an upload as a deployment, or refuse it; either way it gets one outcome.

        Raises TryAgain when S3 or DynamoDB is not available.
        """
        event = self._read_upload(upload)
        self._handle(self._store.load(upload.app), event)

    def rollback(self, app: str, to: str | None, by: str, request: str) -> Rollback:
        """Make an earlier release live: the previous one, or the one that `to` names (label or deployment).

        `to` names a deployment that ended LIVE, or the deployment of the previous release, however it ended.
        `request` identifies the call: a second delivery by Lambda is ignored. Raises UnknownApp,
        NothingToRollBackTo, OtherVersion, or TryAgain.
        """
        application = self._load_known(app)
        target = None
        if to is not None:
            previous = application.previous
            # A rollback may have cut it short: it was live all the same.
            named = previous and previous.deployment == to
            target = previous if named else self._store.was_live(app, to)
            if target is None:
                raise NothingToRollBackTo(
                    f"{app}: no release {to!r} was ever live; twinslot history {app} lists its deployments"
                )
        now = self._clock()
        event = RollbackRequested(deployment_id(now, app, request), app, now, by, target)
        before, _ = self._handle(application, event)
        target = target or before.previous
        return Rollback(event.id, target.release.label if target else "", before.live)

    def freeze(self, app: str, why: str, by: str) -> FreezeAnswer:
        """Make uploads wait from now on. Raises UnknownApp, or TryAgain."""
        return self._freeze_answer(app, FreezeRequested(by, why))

    def unfreeze(self, app: str, by: str) -> FreezeAnswer:
        """Let uploads go live again, and begin the one that waits. Raises UnknownApp, or TryAgain."""
        return self._freeze_answer(app, UnfreezeRequested(by))

    def host_ready(self, instance: str) -> None:
        """Request a report from an instance that was provisioned, if its app has a live release.

        The report arrives at `hosts_reported`; if the host holds no release, a join follows. Raises TryAgain.
        """
        app = self._fleet.app_of(instance)
        if not app or not self._store.load(app).live:
            telemetry.logger.info("ignored: its app has no live release", instance=instance, app=app)
            return
        try:
            self._fleet.request_reports(app, (instance,))
        except CommandRefused as error:
            # It may be gone already; if not, its report is requested again within 15 minutes.
            telemetry.logger.warning("no report requested yet", instance=instance, error=str(error))

    def command_ended(self, command: str) -> None:
        """Continue the deployment whose command ended. Raises UnknownCommand when none is recorded (yet)."""
        app = self._store.app_of_command(command)
        self._gather(self._store.load(app), command)

    def request_reports(self) -> None:
        """Request reports from the hosts of every app that has nothing under way.

        Hosts that cannot be commanded are announced at once; the others' reports arrive at `hosts_reported`,
        and the next request makes up for one that is lost.
        """
        # An app may be listed as busy for acts that only another version can perform.
        self._each(self._store.idle_apps(), self._request_reports)
        self._each(self._store.busy_apps(), lambda app: self._request_reports(app, unless_busy=True))

    def hosts_reported(self, app: str, command: str) -> None:
        """Compare what hosts report with the expected state, after a command `report` by any sender."""
        hosts, offline = self._fleet.hosts(app)
        results = self._fleet.reports(app, command)
        self._handle(self._store.load(app), HostsReported(results, _known(hosts, offline)))

    def scheduled_check(self) -> None:
        """Find what no event reported: ended commands, passed deadlines, acts that were not performed.

        An error of one app does not affect the others; the first is raised after all were processed.
        """
        self._each(self._store.busy_apps(), self._check)

    def _freeze_answer(self, app: str, event: FreezeRequested | UnfreezeRequested) -> FreezeAnswer:
        before, after = self._handle(self._store.load(app), event)
        freeze = after.freeze
        return FreezeAnswer(
            frozen=freeze is not None,
            was_frozen=before.freeze is not None,
            since=freeze.since if freeze else None,
            why=freeze.why if freeze else None,
            waiting=before.waiting,
        )

    def _load_known(self, app: str) -> Application:
        """Load an app. Raises UnknownApp, which names the apps that exist, when it was never saved."""
        application = self._store.load(app)
        if application.version == 0:
            apps = sorted({*self._store.busy_apps(), *self._store.idle_apps()})
            known = f"there are: {', '.join(apps)}" if apps else "there is nothing yet"
            raise UnknownApp(f"{app} was never deployed here; {known}")
        return application

    def _each(self, apps: tuple[str, ...], process: Callable[[str], None]) -> None:
        errors: list[Exception] = []
        for app in apps:
            try:
                process(app)
            except Exception as error:
                telemetry.logger.exception("this app was not processed", app=app)
                errors.append(error)
        if errors:
            raise errors[0]

    def _check(self, app: str) -> None:
        application = self._store.load(app)
        current = application.current
        if current and current.known and current.step and current.step.command:
            application = self._gather(application, current.step.command)
        _, application = self._handle(application, ScheduledCheck())
        for note in application.unreadable:
            telemetry.logger.warning("left to another version", app=app, what=note)
        for deployment in (application.current, application.waiting):
            if deployment and not deployment.known:
                raise cannot_continue(deployment)

    def _request_reports(self, app: str, *, unless_busy: bool = False) -> None:
        if unless_busy and self._store.load(app).busy:
            return
        hosts, offline = self._fleet.hosts(app)
        if hosts:
            self._fleet.request_reports(app, hosts)
        self._handle(self._store.load(app), HostsReported(offline, _known(hosts, offline)))

    def _read_upload(self, upload: Upload) -> UploadArrived | UploadRefused:
        reason, by = upload.problem, upload.by
        if not reason:
            try:
                release, by = self._artifacts.inspect(upload)
                return UploadArrived(upload.id, upload.app, release, upload.order, by)
            except NotAJar as error:
                reason, by = str(error), error.by or by
            except GiveUp as error:
                reason = str(error)
        return UploadRefused(upload.id, upload.app, upload.order, by, upload.key, reason)

    def _gather(self, application: Application, command: str) -> Application:
        """Read the results of the command under way and decide on them; return the application after that."""
        current = application.current
        if not current or not current.step or current.step.command != command:
            return application
        results = self._fleet.results(current, command)
        _, application = self._handle(application, CommandEnded(command, results))
        return application

    def _handle(self, application: Application, event: Event) -> tuple[Application, Application]:
        """Decide, save and act until nothing new follows; return the application before and after."""
        repeat = isinstance(event, ScheduledCheck)
        found, application, acts = self._decide(application, event)
        pending = deque(acts)
        while pending:
            act = pending.popleft()
            try:
                result = self._act(application, act, repeat)
            except TwinslotError as error:
                telemetry.log_deferred(application.name, act, error)
                continue
            if result:
                _, application, acts = self._decide(application, result)
                pending.extend(acts)
        return found, application

    def _decide(
        self, application: Application, event: Event
    ) -> tuple[Application, Application, tuple[Act, ...]]:
        """Decide and save; when another controller saved first, load what it saved and decide again."""
        for _ in range(RACES):
            if self._was_accepted(application.name, event):
                telemetry.logger.info("ignored: a repeated event", event=event)
                return application, application, ()
            decision = decide(application, event, self._clock())
            if decision.application == application and not decision.acts:
                self._store.save_reports(application.name, decision.reports)
                return application, application, ()
            try:
                saved = self._store.save(application, decision)
            except LostRace:
                application = self._store.load(application.name)
                continue
            telemetry.log_decision(event, saved, decision.acts)
            for record in decision.records:
                telemetry.log_outcome(record)
            return application, saved, decision.acts
        raise LostRace(f"{application.name}: {RACES} other writes came first; the event will be retried")

    def _was_accepted(self, app: str, event: Event) -> bool:
        """Whether the history has a deployment of this very upload or rollback request."""
        match event:
            case UploadArrived() | UploadRefused():
                return self._store.deployment(app, event.id) is not None
            case RollbackRequested():
                # Its id begins with the time of its delivery: Lambda gives no time of the request.
                return any(is_same_request(known.id, event.id) for known in self._store.history(app, RECENT))
            case _:
                return False

    def _act(self, application: Application, act: Act, repeat: bool) -> Event | None:
        """Perform one act and return its result; None when it no longer applies to the application."""
        current = application.current
        match act:
            case AnnounceStart() if not current or current.id != act.deployment.id:
                return None
            case Announce() | AnnounceStart() | AnnounceFreeze() | Warn():
                self._announcer.publish(act)
                return Announced(act.id)
            case Survey() | SendCommand() if current and not current.known:
                return None
            case Survey():
                return self._survey(application, act)
            case SendCommand():
                if (
                    not current
                    or current.id != act.deployment
                    or not current.step
                    or current.step.name != act.step
                ):
                    return None
                try:
                    command = self._fleet.send(current, current.step, repeat=repeat)
                except CommandRefused as error:
                    return CommandFailed(act.id, act.deployment, act.step, str(error))
                return CommandSent(act.id, act.deployment, act.step, command)
            case _:
                assert_never(act)

    def _survey(self, application: Application, act: Survey) -> Surveyed:
        app, current = application.name, application.current
        is_upload = current is not None and current.kind is Kind.UPLOAD
        try:
            # The way back must not depend on a setting that only a later version knows.
            settings = self._settings.read(app, ignore_unknown=not is_upload)
        except BadSettings as error:
            return Surveyed(act.id, act.deployment, (), Settings(), refusal=str(error))
        hosts, offline = self._fleet.hosts(app)
        return Surveyed(act.id, act.deployment, hosts, settings, offline)


def _known(hosts: tuple[str, ...], offline: tuple[HostResult, ...]) -> tuple[str, ...]:
    return hosts + tuple(result.host for result in offline)

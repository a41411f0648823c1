"""Load, decide, save, act: the only place where decisions meet the world.

What an act answers is an event itself, so one invocation goes round until nothing new follows. What fails
halfway stays in the application's outbox; a tick finds it there.
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
from twinslot.domain.deployment_id import asks_the_same, deployment_id
from twinslot.domain.events import (
    Announced,
    CommandEnded,
    CommandFailed,
    CommandSent,
    Event,
    FreezeAsked,
    Inspected,
    RollbackAsked,
    Surveyed,
    Tick,
    UnfreezeAsked,
    UploadArrived,
    UploadRefused,
)
from twinslot.domain.lifecycle import decide
from twinslot.domain.model import (
    Act,
    Announce,
    AnnounceFreeze,
    AnnounceStart,
    Application,
    Deployment,
    HostResult,
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
)
from twinslot.intake.upload import Upload

RACES = 64
"""How often a decision is made anew because another controller saved first: one of each race wins, and 20
uploads in a second are 120 saves. An announcement whose strike-out is given up is made once more."""

RECENT = 20
"""How many of the newest deployments are looked through for a rollback that Lambda delivers once more."""


@dataclass(frozen=True)
class Rollback:
    """What a person who asked for a rollback is told: its id, where it goes, and what was live until then."""

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
    """Brings events to applications. `clock` gives seconds since the epoch."""

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
        """Accept what lies in the bucket as a deployment, or refuse it; either way it ends in one outcome.

        Raises TryAgain when S3 or DynamoDB cannot answer now.
        """
        event = self._judge(upload)
        self._handle(self._store.load(upload.app), event)

    def rollback(self, app: str, to: str | None, by: str, request: str) -> Rollback:
        """Make an earlier release live: the previous one, or the one that `to` names (label or deployment).

        `to` names what ended LIVE, or the deployment of the previous one, however that ended.
        `request` identifies the call: when Lambda delivers it once more, nothing follows from it. Raises
        NothingToRollBackTo, or TryAgain.
        """
        application = self._store.load(app)
        target = None
        if to is not None:
            previous = application.previous
            # A rollback may have cut it short: it was live all the same.
            named = previous and previous.deployment == to
            target = previous if named else self._store.was_live(app, to)
            if target is None:
                raise NothingToRollBackTo(
                    f"{app}: no release {to!r} was ever live; see its announcements for labels"
                )
        now = self._clock()
        asked = RollbackAsked(deployment_id(now, app, request), app, now, by, target)
        before, _ = self._handle(application, asked)
        target = target or before.previous
        return Rollback(asked.id, target.release.label if target else "", before.live)

    def freeze(self, app: str, why: str, by: str) -> FreezeAnswer:
        """Let uploads wait from now on. Raises UnknownApp, or TryAgain."""
        return self._freeze_answer(app, FreezeAsked(by, why))

    def unfreeze(self, app: str, by: str) -> FreezeAnswer:
        """Let uploads go live again, and what waits begin. Raises UnknownApp, or TryAgain."""
        return self._freeze_answer(app, UnfreezeAsked(by))

    def host_ready(self, instance: str) -> None:
        """An instance was provisioned. Where its app has a live release it is asked how things stand; its
        answer comes by `hosts_reported`, and if it holds no release, a join follows. Raises TryAgain."""
        app = self._fleet.app_of(instance)
        if not app or not self._store.load(app).live:
            telemetry.logger.info("ignored: no app with a live release owns it", instance=instance, app=app)
            return
        try:
            self._fleet.ask(app, (instance,))
        except CommandRefused as error:
            # It may be gone already, and if not, an inspection comes by.
            telemetry.logger.warning("left to the next inspection", instance=instance, error=str(error))

    def command_ended(self, command: str) -> None:
        """A command of ours ended, as SSM says. Raises UnknownCommand when its sending is not recorded."""
        app = self._store.app_of_command(command)
        self._gather(self._store.load(app), command)

    def inspect(self) -> None:
        """Ask the hosts of every app on which nothing is under way how things stand.

        Those that cannot be asked are told of at once; the others' answers come by `hosts_reported`, and the
        next inspection makes up for one that is lost.
        """
        self._each(self._store.idle_apps(), self._inspect)

    def hosts_reported(self, app: str, command: str) -> None:
        """A command `report` ended, whoever sent it: hold what the hosts say against the table."""
        hosts, offline = self._fleet.hosts(app)
        results = self._fleet.reports(app, command)
        self._handle(self._store.load(app), Inspected(results, _known(hosts, offline)))

    def tick(self) -> None:
        """Find and end what no event told of: ended commands, deadlines, acts that were forgotten.

        One app's trouble does not keep the others waiting; the first is raised when all had their turn.
        """
        self._each(self._store.busy_apps(), self._tick)

    def _freeze_answer(self, app: str, event: FreezeAsked | UnfreezeAsked) -> FreezeAnswer:
        before, after = self._handle(self._store.load(app), event)
        freeze = after.freeze
        return FreezeAnswer(
            frozen=freeze is not None,
            was_frozen=before.freeze is not None,
            since=freeze.since if freeze else None,
            why=freeze.why if freeze else None,
            waiting=before.waiting,
        )

    def _each(self, apps: tuple[str, ...], look_after: Callable[[str], None]) -> None:
        trouble: list[Exception] = []
        for app in apps:
            try:
                look_after(app)
            except Exception as error:
                telemetry.logger.exception("this app was not looked after", app=app)
                trouble.append(error)
        if trouble:
            raise trouble[0]

    def _tick(self, app: str) -> None:
        application = self._store.load(app)
        if application.current and application.current.step and application.current.step.command:
            application = self._gather(application, application.current.step.command)
        self._handle(application, Tick())

    def _inspect(self, app: str) -> None:
        hosts, offline = self._fleet.hosts(app)
        if hosts:
            self._fleet.ask(app, hosts)
        self._handle(self._store.load(app), Inspected(offline, _known(hosts, offline)))

    def _judge(self, upload: Upload) -> UploadArrived | UploadRefused:
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
        """Read what the hosts reported of the command under way and bring it to the application; what became
        of that."""
        current = application.current
        if not current or not current.step or current.step.command != command:
            return application
        results = self._fleet.results(current, command)
        _, application = self._handle(application, CommandEnded(command, results))
        return application

    def _handle(self, application: Application, event: Event) -> tuple[Application, Application]:
        """Decide, save and act until nothing new follows; returns the application before and after."""
        repeat = isinstance(event, Tick)
        found, application, acts = self._decide(application, event)
        undone = deque(acts)
        while undone:
            act = undone.popleft()
            try:
                answer = self._act(application, act, repeat)
            except TwinslotError as error:
                telemetry.log_put_off(application.name, act, error)
                continue
            if answer:
                _, application, acts = self._decide(application, answer)
                undone.extend(acts)
        return found, application

    def _decide(
        self, application: Application, event: Event
    ) -> tuple[Application, Application, tuple[Act, ...]]:
        """Decide and save; when another controller was first, load what it wrote and decide again."""
        for _ in range(RACES):
            if self._was_accepted(application.name, event):
                telemetry.logger.info("known already", event=event)
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
        raise LostRace(f"{application.name}: {RACES} other writes came first; the event will be tried again")

    def _was_accepted(self, app: str, event: Event) -> bool:
        """Whether the history has a deployment of this very upload or call for a rollback."""
        match event:
            case UploadArrived() | UploadRefused():
                return self._store.deployment(app, event.id) is not None
            case RollbackAsked():
                # Its id begins with the time of its delivery, since Lambda tells no other.
                return any(asks_the_same(known.id, event.id) for known in self._store.history(app, RECENT))
            case _:
                return False

    def _act(self, application: Application, act: Act, repeat: bool) -> Event | None:
        """Do one act and return what it answers; None when the application has moved on and it is void."""
        current = application.current
        match act:
            case AnnounceStart() if not current or current.id != act.deployment.id:
                return None
            case Announce() | AnnounceStart() | AnnounceFreeze() | Warn():
                self._announcer.publish(act)
                return Announced(act.id)
            case Survey():
                return self._survey(application.name, act)
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

    def _survey(self, app: str, act: Survey) -> Surveyed:
        try:
            settings = self._settings.read(app)
        except BadSettings as error:
            return Surveyed(act.id, act.deployment, (), Settings(), refusal=str(error))
        hosts, offline = self._fleet.hosts(app)
        return Surveyed(act.id, act.deployment, hosts, settings, offline)


def _known(hosts: tuple[str, ...], offline: tuple[HostResult, ...]) -> tuple[str, ...]:
    return hosts + tuple(result.host for result in offline)

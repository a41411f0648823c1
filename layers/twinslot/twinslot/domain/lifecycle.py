"""All rules of a deployment's lifecycle, and nothing else: no I/O, no clock, no randomness.

    WAITING -> STAGING -> FLIPPING -> BAKING -> LIVE
       |          |           |         |
       |          |           +---------+--> REVERTING -> REVERTED
       |          +--> FAILED (users never saw it), REFUSED (it could not begin)
       +--> SUPERSEDED (a newer upload), CANCELLED (a rollback, from any phase)

1.  One deployment of an application is under way; the newest upload waits, an older one is superseded.
2.  What was uploaded before the newest accepted upload or rollback is superseded, whenever its event arrives.
3.  All hosts stage; only when every one has verified the release do all flip; if one fails to flip or to
    bake, all revert.
4.  `live` changes when a flip is commanded, not when it is confirmed: from then on users may see the release.
5.  Beginning a deployment and reverting each raise the fence: commands sent before can no longer act.
6.  A host that has not reported by the step's deadline has failed.
7.  Each act goes into the outbox together with the decision, and is removed when its result arrives. The
    controller that decided has LEASE_SECONDS to perform it; then a scheduled check has it performed again.
8.  What hosts report is compared with `live`; a difference is announced once. A deployment starts from what
    the hosts report: if all of them serve the previous release, that one is live.
9.  An event that does not fit (late, repeated, of another deployment) changes nothing but the outbox.
10. The start of a deployment is announced once its hosts are commanded to stage, but not after its end.
11. While an application is frozen, uploads wait (the newest; a deployment under way goes on). Rollbacks and
    joins do not wait.
12. A host that holds no release gets what is live by a join, when nothing is under way and nothing else may
    begin. A join acts on newcomers alone: it moves neither `live` nor `previous`, and is no drift. A host
    whose join failed is left out until another release is live; the other newcomers are joined again.
13. A deployment whose kind or phase only another version of twinslot knows is not continued: it waits for
    that version, or for a rollback, which cancels it. The acts of another version stay in the outbox.
"""

from dataclasses import replace

from twinslot.domain import drift
from twinslot.domain.deployment_id import deployment_id
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
from twinslot.domain.model import (
    Announce,
    AnnounceFreeze,
    AnnounceStart,
    Application,
    Decision,
    Deployment,
    Failure,
    Freeze,
    HostResult,
    Kind,
    Live,
    Outcome,
    Phase,
    SendCommand,
    Settings,
    Step,
    Survey,
    UploadOrder,
    Warn,
    written_by,
)
from twinslot.domain.transition import Transition
from twinslot.errors import NothingToRollBackTo, OtherVersion, UnknownApp

LEASE_SECONDS = 60
"""Longer than a function may run, so that two controllers never perform the same act unless the first has
died."""

SURVEY_SECONDS = 600
DELIVERY_SECONDS = 60
"""How long SSM may take to deliver a command to an agent; the API's minimum is 30."""

STAGE_EXTRA_SECONDS = 300
"""Added to the application's own start: installing nginx on a new host, downloading the jar."""

FLIP_EXTRA_SECONDS = 60
BAKE_EXTRA_SECONDS = 60
REVERT_ATTEMPTS = 3
MAX_JOINING = 50
"""SendCommand takes at most 50 instance ids, and a join commands by id; more newcomers join afterwards."""


def allowed_seconds(verb: str, settings: Settings) -> int:
    """Return the seconds from the decision until a host without a report has failed, delivery included."""
    execution = {
        "stage": settings.start_seconds + STAGE_EXTRA_SECONDS,
        "flip": settings.start_seconds + FLIP_EXTRA_SECONDS,
        "bake": settings.bake_seconds + BAKE_EXTRA_SECONDS,
    }
    return DELIVERY_SECONDS + execution[verb]


def decide(application: Application, event: Event, now: float) -> Decision:
    """Return what follows from an event, at the time `now` (seconds since the epoch).

    The same arguments give the same decision; the application that was passed in is never changed. Raises
    NothingToRollBackTo for a rollback without a release to go to, UnknownApp for a freeze or an unfreeze of
    an app that never had an upload, and OtherVersion for the result of a step that only another version of
    twinslot knows how to continue.
    """
    rules = _Rules(application, now)
    match event:
        case UploadArrived():
            rules.upload_arrived(event)
        case UploadRefused():
            rules.upload_refused(event)
        case RollbackRequested():
            rules.rollback_requested(event)
        case FreezeRequested():
            rules.freeze_requested(event)
        case UnfreezeRequested():
            rules.unfreeze_requested(event)
        case Surveyed():
            rules.surveyed(event)
        case CommandSent():
            rules.command_sent(event)
        case CommandFailed():
            rules.command_failed(event)
        case CommandEnded():
            rules.command_ended(event)
        case Announced():
            rules.transition.remove_act(event.act)
        case HostsReported():
            rules.hosts_reported(event)
        case ScheduledCheck():
            rules.scheduled_check()
    return rules.transition.decision()


class _Rules:
    """One method per event, then the moves that they share."""

    def __init__(self, application: Application, now: float) -> None:
        self.transition = Transition(application, now)
        self.now = now

    @property
    def application(self) -> Application:
        """The application as decided so far."""
        return self.transition.application

    def upload_arrived(self, event: UploadArrived) -> None:
        if self.transition.knows(event.id):
            return
        upload = self.transition.accept(event.id, Kind.UPLOAD, event.order, event.by)
        upload = replace(upload, release=event.release)
        if not event.order.is_after(self.application.newest):
            newest = self.application.newest.key if self.application.newest else ""
            reason = f"a newer upload was accepted before this one's event arrived: {newest!r}"
            self.end(upload, Outcome.SUPERSEDED, Failure(Phase.WAITING, reason))
            return
        older = self.application.waiting
        self.transition.change(newest=event.order, waiting=upload)
        self.transition.records[upload.id] = upload
        if older:
            reason = f"a newer upload arrived: {event.order.key!r}"
            self.end(older, Outcome.SUPERSEDED, Failure(Phase.WAITING, reason))
        self.begin_next()

    def upload_refused(self, event: UploadRefused) -> None:
        if self.transition.knows(event.id):
            return
        upload = self.transition.accept(event.id, Kind.UPLOAD, event.order, event.by)
        self.end(upload, Outcome.REFUSED, Failure(Phase.WAITING, event.reason))

    def rollback_requested(self, event: RollbackRequested) -> None:
        if self.transition.knows(event.id):
            return
        target = event.to or self.application.previous
        if target is None:
            raise NothingToRollBackTo(
                f"{self.application.name}: there is no previous release to roll back to; upload a jar instead"
            )
        order = UploadOrder("", "", event.at)
        rollback = self.transition.accept(event.id, Kind.ROLLBACK, order, event.by)
        rollback = replace(rollback, release=target.release)
        under_way, older = self.application.current, self.application.waiting
        newest = order if order.is_after(self.application.newest) else self.application.newest
        self.transition.change(newest=newest, waiting=rollback)
        self.transition.records[rollback.id] = rollback
        for ended in (older, under_way):
            if ended:
                reason = f"{event.by} requested a rollback to {target.release.label}"
                self.end(ended, Outcome.CANCELLED, Failure(ended.phase, reason))
        self.begin_next()

    def freeze_requested(self, event: FreezeRequested) -> None:
        self.require_known()
        before = self.application.freeze
        if before and before.why == event.why:
            return
        self.transition.change(freeze=Freeze(event.by, event.why, before.since if before else self.now))
        self.announce_freeze(True, event.by, event.why)

    def unfreeze_requested(self, event: UnfreezeRequested) -> None:
        self.require_known()
        before = self.application.freeze
        if not before:
            return
        self.transition.change(freeze=None)
        self.announce_freeze(False, event.by, before.why)
        self.begin_next()

    def surveyed(self, event: Surveyed) -> None:
        self.transition.remove_act(event.act)
        current = self.application.current
        if (
            not current
            or current.id != event.deployment
            or current.step
            or current.phase is not Phase.STAGING
        ):
            return
        refusal = event.refusal
        if not refusal and not event.hosts and not event.offline and current.kind is not Kind.JOIN:
            app = self.application.name
            refusal = f"no running EC2 instance is tagged twinslot={app}; tag its hosts and upload again"
        silent = self.missing(current, event)
        if refusal:
            self.fail(current, Failure(Phase.STAGING, refusal), current.hosts, Outcome.REFUSED)
        elif silent:
            hosts = tuple(result.host for result in silent)
            self.fail(current, _failure(Phase.STAGING, silent[0]), hosts, Outcome.REFUSED)
        else:
            ready = replace(current, settings=event.settings)
            if current.kind is not Kind.JOIN:
                unconfirmed = tuple(result.host for result in event.offline)
                ready = replace(ready, hosts=event.hosts, unconfirmed=unconfirmed)
            self.take_step(ready, "stage", "stage")
            self.transition.post(AnnounceStart(f"{ready.id}/started", self.now, ready, self.application.live))

    def command_sent(self, event: CommandSent) -> None:
        self.transition.remove_act(event.act)
        self.transition.commands = (event.command,)
        current = self.application.current
        if current and current.id == event.deployment and current.step and current.step.name == event.step:
            step = replace(current.step, command=event.command)
            self.transition.change(current=replace(current, step=step))

    def command_failed(self, event: CommandFailed) -> None:
        self.transition.remove_act(event.act)
        current = self.application.current
        if current and current.id == event.deployment and current.step and current.step.name == event.step:
            self.step_failed(current, tuple(HostResult(host, False, event.reason) for host in current.hosts))

    def command_ended(self, event: CommandEnded) -> None:
        self.transition.collect_reports(event.results)
        current = self.application.current
        if not current or not current.step or current.step.command != event.command:
            return
        if current.phase is Phase.STAGING and current.kind is not Kind.JOIN:
            self.note_newcomers(event.results)
        if self.now > current.step.deadline:
            results = tuple(_silent(result, current.step) for result in event.results)
        else:
            results = event.results
        failed = tuple(result for result in results if result.ok is False)
        done = all(result.ok is not None for result in results)
        # Reverting waits for every host; in all other steps the first failure decides.
        if failed and (done or current.phase is not Phase.REVERTING):
            self.step_failed(current, failed)
        elif done:
            self.step_done(current, results)

    def scheduled_check(self) -> None:
        current = self.application.current
        if current and not current.known:
            pass  # rule 13
        elif current and current.step and not current.step.command and self.now > current.step.deadline:
            reason = "SSM did not accept the command in time; see the log of the function ssm_and_schedule"
            self.step_failed(current, tuple(HostResult(host, False, reason) for host in current.hosts))
        elif current and not current.step and self.now > current.timeline[-1].at + SURVEY_SECONDS:
            reason = f"the survey of the hosts (EC2, SSM) did not end within {SURVEY_SECONDS} s"
            self.fail(current, Failure(Phase.STAGING, reason), current.hosts)
        self.repeat_overdue_acts()

    def hosts_reported(self, event: HostsReported) -> None:
        self.transition.collect_reports(event.results)
        self.transition.change(
            drift=tuple(found for found in self.application.drift if found.host in event.known),
            newcomers=tuple(host for host in self.application.newcomers if host in event.known),
            unjoined=tuple(host for host in self.application.unjoined if host in event.known),
        )
        known = tuple(result for result in event.results if result.host in event.known)
        self.note_newcomers(known)
        if not self.application.current:
            self.compare(known)
        self.begin_next()

    def repeat_overdue_acts(self) -> None:
        """Have the acts performed again whose controller has not finished them within its lease."""
        overdue = {act.id for act in self.application.acts if self.now >= act.at + LEASE_SECONDS}
        outbox = tuple(
            replace(act, at=self.now) if act.id in overdue else act for act in self.application.outbox
        )
        self.transition.change(outbox=outbox)
        self.transition.acts += tuple(act for act in self.application.acts if act.id in overdue)

    def require_known(self) -> None:
        """Raise UnknownApp for an app that was never saved."""
        name = self.application.name
        if self.application == Application(name):
            raise UnknownApp(
                f"{name}: no jar of this app was ever uploaded; are its jars in the bucket's folder {name}/?"
            )

    def announce_freeze(self, frozen: bool, by: str, why: str) -> None:
        name, waiting = self.application.name, self.application.waiting
        label = waiting.release.label if waiting and waiting.release else None
        id = f"{name}/{'frozen' if frozen else 'unfrozen'}-{self.now:.3f}"
        self.transition.post(
            AnnounceFreeze(id, self.now, name, frozen, self.now, by, why, label, self.application.live)
        )

    def begin_next(self) -> None:
        """If nothing is under way, begin what waits and may begin, else a join of the newcomers."""
        waiting, live, newcomers = self.application.waiting, self.application.live, self.application.newcomers
        if self.application.current:
            return
        if waiting and waiting.known and not self.application.kept_frozen:
            self.transition.change(waiting=None)
            self.begin(waiting)
        elif live and newcomers:
            id = deployment_id(self.now, self.application.name, "join", str(self.application.fence + 1))
            join = self.transition.accept(id, Kind.JOIN, UploadOrder("", "", self.now), "twinslot")
            join = replace(join, release=live.release, hosts=newcomers[:MAX_JOINING])
            self.transition.records[id] = join
            self.begin(join)

    def begin(self, deployment: Deployment) -> None:
        """Begin with a survey of the hosts. The fence rises: earlier commands can no longer act."""
        begun = self.raise_fence(self.transition.enter(deployment, Phase.STAGING))
        self.transition.change(current=begun)
        self.transition.post(Survey(f"{begun.id}/survey", self.now, begun.id))

    def missing(self, current: Deployment, event: Surveyed) -> tuple[HostResult, ...]:
        """Return the hosts without which the deployment must not begin, and why they cannot be commanded."""
        match current.kind:
            case Kind.UPLOAD:
                return event.offline
            case Kind.ROLLBACK:
                # It is requested in an emergency: a host that is gone must not block the others.
                return () if event.hosts else event.offline
            case Kind.JOIN:
                offline = {result.host: result for result in event.offline}
                return tuple(
                    offline.get(host) or HostResult(host, False, "EC2 no longer lists it as a running host")
                    for host in current.hosts
                    if host not in event.hosts
                )

    def step_done(self, current: Deployment, results: tuple[HostResult, ...]) -> None:
        if not current.known:
            raise cannot_continue(current)
        match current.phase:
            case Phase.STAGING:
                self.staged(current, results)
            case Phase.FLIPPING:
                self.take_step(self.transition.enter(current, Phase.BAKING), "bake", "bake")
            case Phase.BAKING:
                self.compare(results)
                self.end(current, Outcome.LIVE)
            case Phase.REVERTING:
                self.end_reverted(current, results)
            case Phase.WAITING | Phase.ENDED:
                pass  # these have no step

    def step_failed(self, current: Deployment, failed: tuple[HostResult, ...]) -> None:
        if not current.known:
            raise cannot_continue(current)
        failure = _failure(current.phase, failed[0])
        if current.kind is Kind.JOIN:
            self.fail(current, failure, tuple(result.host for result in failed))
            return
        match current.phase:
            case Phase.STAGING:
                self.end(current, Outcome.FAILED, failure)
            case Phase.FLIPPING | Phase.BAKING:
                self.revert(replace(current, failure=failure))
            case Phase.REVERTING:
                self.revert_again(current, failed)
            case Phase.WAITING | Phase.ENDED:
                pass  # these have no step

    def staged(self, current: Deployment, results: tuple[HostResult, ...]) -> None:
        """Flip, now that every host has verified the release, unless they hold different bytes."""
        reports = [result.report for result in results if result.report]
        digests = {report.host: report.sha256 for report in reports if report.sha256}
        if len(set(digests.values())) > 1:
            found = ", ".join(f"{host} {digest[:12]}" for host, digest in sorted(digests.items()))
            reason = f"the hosts have different bytes for the same jar (SHA-256): {found}; upload it again"
            self.fail(current, Failure(Phase.STAGING, reason), current.hosts)
            return
        flipping = self.transition.enter(current, Phase.FLIPPING)
        if current.kind is not Kind.JOIN:
            self.compare(results)
            self.accept_reality(drift.served_by_all(results))
            flipping = self.move_live(flipping, next(iter(digests.values()), None))
        self.take_step(flipping, "flip", "flip")

    def move_live(self, flipping: Deployment, digest: str | None) -> Deployment:
        """Make the release live: users may see it from now on. The deployment keeps what was live before."""
        release = flipping.release
        if release and digest:
            release = replace(release, sha256=digest)
        live, previous = self.application.live, self.application.previous
        if release:
            arrived = Live(release, flipping.id, self.now)
            again = live is not None and release.is_same_jar(live.release)
            self.transition.change(live=arrived, previous=previous if again else live, unjoined=())
        return replace(flipping, release=release, live_before=live, previous_before=previous)

    def note_newcomers(self, results: tuple[HostResult, ...]) -> None:
        """Record which of these hosts hold no release while one is live: they wait for a join.

        While a deployment is under way no newcomer is removed: its release may only be staged.
        """
        if not self.application.live:
            return
        under_way, unjoined = self.application.current, self.application.unjoined
        judged = {result.host for result in results if result.report and not under_way}
        known = [host for host in self.application.newcomers if host not in judged]
        fresh = [result.host for result in results if drift.is_fresh(result) and result.host not in unjoined]
        self.transition.change(newcomers=tuple(dict.fromkeys(known + fresh)))

    def compare(self, results: tuple[HostResult, ...]) -> None:
        """Compare what hosts report with what should be live; announce new differences."""
        before = self.application.drift
        judged = {result.host for result in results}
        found = [drift.difference(result, self.application.live) for result in results]
        after = tuple(known for known in before if known.host not in judged) + tuple(filter(None, found))
        news = tuple(difference for difference in after if difference not in before)
        self.transition.change(drift=after)
        if news:
            name, live = self.application.name, self.application.live
            self.transition.post(Warn(f"{name}/drift-{self.now:.3f}", self.now, name, news, live))

    def accept_reality(self, served: str | None) -> None:
        """Swap `live` and `previous` if all hosts serve the previous release."""
        live, previous = self.application.live, self.application.previous
        if live and previous and served and served == previous.release.sha256 != live.release.sha256:
            self.transition.change(live=previous, previous=live, unjoined=())

    def revert(self, current: Deployment) -> None:
        """Make the previous release live again on every host, whether that host had flipped or not."""
        if current.live_before is None:
            self.end(current, Outcome.FAILED, current.failure)
            return
        self.take_step(self.raise_fence(self.transition.enter(current, Phase.REVERTING)), "revert", "flip")

    def revert_again(self, current: Deployment, failed: tuple[HostResult, ...]) -> None:
        attempt = current.step.attempt + 1 if current.step else 1
        if attempt > REVERT_ATTEMPTS:
            self.end_reverted(current, failed)
        else:
            self.take_step(self.raise_fence(current), f"revert-{attempt}", "flip", attempt)

    def end_reverted(self, current: Deployment, results: tuple[HostResult, ...]) -> None:
        self.transition.change(live=current.live_before, previous=current.previous_before, unjoined=())
        self.compare(results)
        silent = tuple(result.host for result in results if not result.ok)
        ended = replace(current, unconfirmed=current.unconfirmed + silent)
        self.end(ended, Outcome.REVERTED, current.failure)

    def raise_fence(self, current: Deployment) -> Deployment:
        fence = self.application.fence + 1
        self.transition.change(fence=fence)
        return replace(current, fence=fence)

    def take_step(self, current: Deployment, name: str, verb: str, attempt: int = 1) -> None:
        """Command the hosts of the deployment under way, with a deadline for the slowest."""
        self.transition.drop_host_acts(current)
        deadline = self.now + allowed_seconds(verb, current.settings)
        stepping = replace(current, step=Step(name, verb, attempt, deadline))
        self.transition.change(current=stepping)
        self.transition.post(SendCommand(f"{current.id}/{name}", self.now, current.id, name))

    def fail(
        self,
        current: Deployment,
        failure: Failure,
        hosts: tuple[str, ...],
        outcome: Outcome = Outcome.FAILED,
    ) -> None:
        """End the deployment; if it is a join, leave these hosts out until another release is live."""
        if current.kind is Kind.JOIN:
            newcomers = tuple(host for host in self.application.newcomers if host not in hosts)
            self.transition.change(newcomers=newcomers, unjoined=self.application.unjoined + hosts)
            current = replace(current, unconfirmed=hosts)
        self.end(current, outcome, failure)

    def end(self, deployment: Deployment, outcome: Outcome, failure: Failure | None = None) -> None:
        """Set the outcome of a deployment, record and announce it, and begin what waits."""
        ended = replace(
            self.transition.enter(deployment, Phase.ENDED), outcome=outcome, failure=failure, step=None
        )
        self.transition.drop_acts(ended)
        current, waiting = self.application.current, self.application.waiting
        self.transition.change(
            current=None if current and current.id == ended.id else current,
            waiting=None if waiting and waiting.id == ended.id else waiting,
        )
        if outcome is Outcome.LIVE:
            newcomers = tuple(host for host in self.application.newcomers if host not in ended.hosts)
            self.transition.change(newcomers=newcomers)
        self.transition.records[ended.id] = ended
        live, previous = self.application.live, self.application.previous
        self.transition.post(Announce(f"{ended.id}/announce", self.now, ended, live, previous))
        self.begin_next()


def cannot_continue(deployment: Deployment) -> OtherVersion:
    """Return the error for a deployment that only another version of twinslot can continue."""
    return OtherVersion(
        f"{deployment.app}: deployment {deployment.id} ({deployment.kind.value}, {deployment.phase.value})"
        f" cannot be continued: {written_by(deployment.written_by)};"
        " install that version again, or roll back, which cancels the deployment"
    )


def _failure(phase: Phase, result: HostResult) -> Failure:
    return Failure(phase, result.reason, result.host, result.log)


def _silent(result: HostResult, step: Step) -> HostResult:
    """Return a host's result after the deadline, when a missing report is a failure."""
    if result.ok is not None:
        return result
    reason = f"no report of the step {step.name} arrived before its deadline; is the SSM agent running there?"
    return replace(result, ok=False, reason=reason)

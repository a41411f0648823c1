"""Every rule of a deployment's life, and nothing else: no I/O, no clock, no randomness.

    WAITING -> STAGING -> FLIPPING -> BAKING -> LIVE
       |          |           |         |
       |          |           +---------+--> REVERTING -> REVERTED
       |          +--> FAILED (users never saw it), REFUSED (it could not begin)
       +--> SUPERSEDED (a newer upload), CANCELLED (a rollback, from any phase)

1.  One deployment of an application is under way; the newest upload waits, an older one is superseded.
2.  What was uploaded before the newest accepted upload or rollback is superseded, whenever its event comes.
3.  All hosts stage; only when every one has verified the release do all flip; one that fails to flip or to
    bake sends all back.
4.  `live` moves when a flip is commanded, not when it is confirmed: from then on users may see the release.
5.  Beginning a deployment and going back each raise the fence: what was commanded before can no longer act.
6.  A host that has not answered by the step's deadline has failed.
7.  Whatever is decided goes into the outbox with the decision and is struck out when its answer comes back.
    The controller that decided it has LEASE_SECONDS to do it; then a tick gives it to another.
8.  What hosts report is compared with `live`; a difference is announced once. A deployment starts from what
    the hosts say: if all of them serve the previous release, that one is live.
9.  An event that does not fit (late, repeated, of another deployment) changes nothing but the outbox.
10. That a deployment has begun is told once its hosts are commanded to stage; after its end it is not told.
11. While an application is frozen, uploads wait (the newest; what stages goes on). Rollbacks and joins do
    not wait.
12. A host that holds no release gets what is live by a join, when nothing is under way and nothing else may
    begin. A join acts on newcomers alone: it moves neither `live` nor `previous`, and is no drift. A host
    whose join failed is left out until another release is live; newcomers that fared well are joined anew.
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
    FreezeAsked,
    Inspected,
    RollbackAsked,
    Surveyed,
    Tick,
    UnfreezeAsked,
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
)
from twinslot.domain.transition import Transition
from twinslot.errors import NothingToRollBackTo, UnknownApp

LEASE_SECONDS = 60
"""Longer than a function may run, so that no act is done by two controllers unless one of them died."""

SURVEY_SECONDS = 600
DELIVERY_SECONDS = 60
"""How long SSM may take to hand a command to an agent; the API's least is 30."""

STAGE_EXTRA_SECONDS = 300
"""On top of the application's own start: installing nginx on a bare host, downloading the jar."""

FLIP_EXTRA_SECONDS = 60
BAKE_EXTRA_SECONDS = 60
REVERT_ATTEMPTS = 3
MAX_JOINING = 50
"""SendCommand takes no more hosts by name, and a join is for those that it names; the others follow."""


def allowed_seconds(verb: str, settings: Settings) -> int:
    """Seconds from the decision until a host that is silent counts as failed, delivery included."""
    execution = {
        "stage": settings.start_seconds + STAGE_EXTRA_SECONDS,
        "flip": settings.start_seconds + FLIP_EXTRA_SECONDS,
        "bake": settings.bake_seconds + BAKE_EXTRA_SECONDS,
    }
    return DELIVERY_SECONDS + execution[verb]


def decide(application: Application, event: Event, now: float) -> Decision:
    """What follows from an event, at the time `now` (seconds since the epoch).

    The same arguments give the same decision; the application that was passed in is never changed.
    Raises NothingToRollBackTo for a rollback without a release to go to, and UnknownApp where an app is to be
    frozen or unfrozen of which nothing was ever heard.
    """
    transition = _Rules(application, now)
    match event:
        case UploadArrived():
            transition.upload_arrived(event)
        case UploadRefused():
            transition.upload_refused(event)
        case RollbackAsked():
            transition.rollback_asked(event)
        case FreezeAsked():
            transition.freeze_asked(event)
        case UnfreezeAsked():
            transition.unfreeze_asked(event)
        case Surveyed():
            transition.surveyed(event)
        case CommandSent():
            transition.command_sent(event)
        case CommandFailed():
            transition.command_failed(event)
        case CommandEnded():
            transition.command_ended(event)
        case Announced():
            transition.strike_out(event.act)
        case Inspected():
            transition.inspected(event)
        case Tick():
            transition.tick()
    return transition.decision()


class _Rules(Transition):
    """One method an event, then the moves that they share."""

    def upload_arrived(self, event: UploadArrived) -> None:
        if self.knows(event.id):
            return
        upload = self.accept(event.id, Kind.UPLOAD, event.order, event.by)
        upload = replace(upload, release=event.release)
        if not event.order.is_after(self.application.newest):
            newest = self.application.newest
            reason = (
                f"a newer upload was accepted before this one's event came: {newest.key!r}" if newest else ""
            )
            self.end(upload, Outcome.SUPERSEDED, Failure(Phase.WAITING, reason))
            return
        older = self.application.waiting
        self.change(newest=event.order, waiting=upload)
        self.records[upload.id] = upload
        if older:
            self.end(
                older, Outcome.SUPERSEDED, Failure(Phase.WAITING, f"a newer upload came: {event.order.key!r}")
            )
        self.begin_next()

    def upload_refused(self, event: UploadRefused) -> None:
        if self.knows(event.id):
            return
        upload = self.accept(event.id, Kind.UPLOAD, event.order, event.by)
        self.end(upload, Outcome.REFUSED, Failure(Phase.WAITING, event.reason))

    def rollback_asked(self, event: RollbackAsked) -> None:
        if self.knows(event.id):
            return
        target = event.to or self.application.previous
        if target is None:
            raise NothingToRollBackTo(
                f"{self.application.name}: no release was live before the present one; upload a jar instead"
            )
        order = UploadOrder("", "", event.at)
        rollback = replace(self.accept(event.id, Kind.ROLLBACK, order, event.by), release=target.release)
        under_way, older = self.application.current, self.application.waiting
        newest = order if order.is_after(self.application.newest) else self.application.newest
        self.change(newest=newest, waiting=rollback)
        self.records[rollback.id] = rollback
        for ended in (older, under_way):
            if ended:
                reason = f"{event.by} asked for a rollback to {target.release.label}"
                self.end(ended, Outcome.CANCELLED, Failure(ended.phase, reason))
        self.begin_next()

    def freeze_asked(self, event: FreezeAsked) -> None:
        self.must_be_known()
        before = self.application.freeze
        if before and before.why == event.why:
            return
        self.change(freeze=Freeze(event.by, event.why, before.since if before else self.now))
        self.announce_freeze(True, event.by, event.why)

    def unfreeze_asked(self, event: UnfreezeAsked) -> None:
        self.must_be_known()
        before = self.application.freeze
        if not before:
            return
        self.change(freeze=None)
        self.announce_freeze(False, event.by, before.why)
        self.begin_next()

    def surveyed(self, event: Surveyed) -> None:
        self.strike_out(event.act)
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
            refusal = f"no running EC2 instance bears the tag twinslot={app}; tag its hosts and upload again"
        silent = self.silent(current, event)
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
            self.post(AnnounceStart(f"{ready.id}/started", self.now, ready, self.application.live))

    def command_sent(self, event: CommandSent) -> None:
        self.strike_out(event.act)
        self.commands = (event.command,)
        current = self.application.current
        if current and current.id == event.deployment and current.step and current.step.name == event.step:
            step = replace(current.step, command=event.command)
            self.change(current=replace(current, step=step))

    def command_failed(self, event: CommandFailed) -> None:
        self.strike_out(event.act)
        current = self.application.current
        if current and current.id == event.deployment and current.step and current.step.name == event.step:
            self.step_failed(current, tuple(HostResult(host, False, event.reason) for host in current.hosts))

    def command_ended(self, event: CommandEnded) -> None:
        self.collect_reports(event.results)
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
        # Going back waits for every host; in all other steps the first failure settles it.
        if failed and (done or current.phase is not Phase.REVERTING):
            self.step_failed(current, failed)
        elif done:
            self.step_done(current, results)

    def tick(self) -> None:
        current = self.application.current
        if current and current.step and not current.step.command and self.now > current.step.deadline:
            reason = "SSM did not take the command in time; look at the log of the function ssm_and_schedule"
            self.step_failed(current, tuple(HostResult(host, False, reason) for host in current.hosts))
        elif current and not current.step and self.now > current.timeline[-1].at + SURVEY_SECONDS:
            reason = f"EC2 and SSM did not say within {SURVEY_SECONDS} s which hosts there are"
            self.fail(current, Failure(Phase.STAGING, reason), current.hosts)
        overdue = {act.id for act in self.application.outbox if self.now >= act.at + LEASE_SECONDS}
        outbox = tuple(
            replace(act, at=self.now) if act.id in overdue else act for act in self.application.outbox
        )
        self.change(outbox=outbox)
        self.acts += tuple(act for act in outbox if act.id in overdue)

    def inspected(self, event: Inspected) -> None:
        self.collect_reports(event.results)
        self.change(
            drift=tuple(found for found in self.application.drift if found.host in event.known),
            newcomers=tuple(host for host in self.application.newcomers if host in event.known),
            unjoined=tuple(host for host in self.application.unjoined if host in event.known),
        )
        known = tuple(result for result in event.results if result.host in event.known)
        self.note_newcomers(known)
        if not self.application.current:
            self.compare(known)
        self.begin_next()

    def must_be_known(self) -> None:
        name = self.application.name
        if self.application == Application(name):
            raise UnknownApp(
                f"{name}: no upload of this app ever came; is it the name that its jars lie under?"
            )

    def announce_freeze(self, frozen: bool, by: str, why: str) -> None:
        name, waiting = self.application.name, self.application.waiting
        label = waiting.release.label if waiting and waiting.release else None
        id = f"{name}/{'frozen' if frozen else 'unfrozen'}-{self.now:.3f}"
        self.post(AnnounceFreeze(id, self.now, name, frozen, self.now, by, why, label, self.application.live))

    def begin_next(self) -> None:
        """Begin what may begin, if nothing is under way: what waits, else a join of the newcomers."""
        waiting, live, newcomers = self.application.waiting, self.application.live, self.application.newcomers
        if self.application.current:
            return
        if waiting and not self.application.kept_frozen:
            self.change(waiting=None)
            self.begin(waiting)
        elif live and newcomers:
            id = deployment_id(self.now, self.application.name, "join", str(self.application.fence + 1))
            join = self.accept(id, Kind.JOIN, UploadOrder("", "", self.now), "twinslot")
            join = replace(join, release=live.release, hosts=newcomers[:MAX_JOINING])
            self.records[id] = join
            self.begin(join)

    def begin(self, deployment: Deployment) -> None:
        """Survey its hosts. The fence rises: no earlier command acts any more."""
        begun = self.raise_fence(self.enter(deployment, Phase.STAGING))
        self.change(current=begun)
        self.post(Survey(f"{begun.id}/survey", self.now, begun.id))

    def silent(self, current: Deployment, event: Surveyed) -> tuple[HostResult, ...]:
        """The hosts without which the deployment does not begin, and why they cannot be commanded."""
        match current.kind:
            case Kind.UPLOAD:
                return event.offline
            case Kind.ROLLBACK:
                # It is asked for on the worst day: a host that is gone must not keep the others from it.
                return () if event.hosts else event.offline
            case Kind.JOIN:
                offline = {result.host: result for result in event.offline}
                return tuple(
                    offline.get(host) or HostResult(host, False, "it is gone: EC2 knows no such running host")
                    for host in current.hosts
                    if host not in event.hosts
                )

    def step_done(self, current: Deployment, results: tuple[HostResult, ...]) -> None:
        match current.phase:
            case Phase.STAGING:
                self.staged(current, results)
            case Phase.FLIPPING:
                self.take_step(self.enter(current, Phase.BAKING), "bake", "bake")
            case Phase.BAKING:
                self.compare(results)
                self.end(current, Outcome.LIVE)
            case Phase.REVERTING:
                self.end_reverted(current, results)

    def step_failed(self, current: Deployment, failed: tuple[HostResult, ...]) -> None:
        failure = _failure(current.phase, failed[0])
        match current.phase:
            case _ if current.kind is Kind.JOIN:
                self.fail(current, failure, tuple(result.host for result in failed))
            case Phase.STAGING:
                self.end(current, Outcome.FAILED, failure)
            case Phase.REVERTING:
                self.revert_again(current, failed)
            case _:
                self.go_back(replace(current, failure=failure))

    def staged(self, current: Deployment, results: tuple[HostResult, ...]) -> None:
        """Every host has verified the release: move the traffic, unless they hold different bytes."""
        reports = [result.report for result in results if result.report]
        digests = {report.host: report.sha256 for report in reports if report.sha256}
        if len(set(digests.values())) > 1:
            told = ", ".join(f"{host} {digest[:12]}" for host, digest in sorted(digests.items()))
            reason = f"the hosts hold different bytes of the same jar (sha-256): {told}"
            self.fail(current, Failure(Phase.STAGING, reason), current.hosts)
            return
        flipping = self.enter(current, Phase.FLIPPING)
        if current.kind is not Kind.JOIN:
            self.compare(results)
            self.accept_reality(drift.served_by_all(results))
            flipping = self.move_live(flipping, next(iter(digests.values()), None))
        self.take_step(flipping, "flip", "flip")

    def move_live(self, flipping: Deployment, digest: str | None) -> Deployment:
        """Users may see the release from now on; the deployment remembers what was live before."""
        release = flipping.release
        if release and digest:
            release = replace(release, sha256=digest)
        live, previous = self.application.live, self.application.previous
        if release:
            arrived = Live(release, flipping.id, self.now)
            again = live is not None and release.is_same_jar(live.release)
            self.change(live=arrived, previous=previous if again else live, unjoined=())
        return replace(flipping, release=release, live_before=live, previous_before=previous)

    def note_newcomers(self, results: tuple[HostResult, ...]) -> None:
        """Remember which of these hosts hold no release while one is live: they wait for a join.

        While a deployment is under way no newcomer is forgotten: what it holds may be but staged.
        """
        if not self.application.live:
            return
        under_way, unjoined = self.application.current, self.application.unjoined
        judged = {result.host for result in results if result.report and not under_way}
        known = [host for host in self.application.newcomers if host not in judged]
        fresh = [result.host for result in results if drift.is_fresh(result) and result.host not in unjoined]
        self.change(newcomers=tuple(dict.fromkeys(known + fresh)))

    def compare(self, results: tuple[HostResult, ...]) -> None:
        """Hold what hosts report against what should be live; announce what was not announced yet."""
        before = self.application.drift
        judged = {result.host for result in results}
        found = [drift.difference(result, self.application.live) for result in results]
        after = tuple(known for known in before if known.host not in judged) + tuple(filter(None, found))
        news = tuple(difference for difference in after if difference not in before)
        self.change(drift=after)
        if news:
            name, live = self.application.name, self.application.live
            self.post(Warn(f"{name}/drift-{self.now:.3f}", self.now, name, news, live))

    def accept_reality(self, served: str | None) -> None:
        """Take the hosts' word for what is live, if it is the previous release that all of them serve."""
        live, previous = self.application.live, self.application.previous
        if live and previous and served and served == previous.release.sha256 != live.release.sha256:
            self.change(live=previous, previous=live, unjoined=())

    def go_back(self, current: Deployment) -> None:
        """Make the release that was live before live again, on every host, whether it had flipped or not."""
        if current.live_before is None:
            self.end(current, Outcome.FAILED, current.failure)
            return
        self.take_step(self.raise_fence(self.enter(current, Phase.REVERTING)), "revert", "flip")

    def revert_again(self, current: Deployment, failed: tuple[HostResult, ...]) -> None:
        attempt = current.step.attempt + 1 if current.step else 1
        if attempt > REVERT_ATTEMPTS:
            self.end_reverted(current, failed)
        else:
            self.take_step(self.raise_fence(current), f"revert-{attempt}", "flip", attempt)

    def end_reverted(self, current: Deployment, results: tuple[HostResult, ...]) -> None:
        self.change(live=current.live_before, previous=current.previous_before, unjoined=())
        self.compare(results)
        silent = tuple(result.host for result in results if not result.ok)
        told = replace(current, unconfirmed=current.unconfirmed + silent)
        self.end(told, Outcome.REVERTED, current.failure)

    def raise_fence(self, current: Deployment) -> Deployment:
        fence = self.application.fence + 1
        self.change(fence=fence)
        return replace(current, fence=fence)

    def take_step(self, current: Deployment, name: str, verb: str, attempt: int = 1) -> None:
        """Command the hosts of the deployment under way, with a deadline for the slowest of them."""
        self.drop_orders_of(current)
        deadline = self.now + allowed_seconds(verb, current.settings)
        stepping = replace(current, step=Step(name, verb, attempt, deadline))
        self.change(current=stepping)
        self.post(SendCommand(f"{current.id}/{name}", self.now, current.id, name))

    def fail(
        self,
        current: Deployment,
        failure: Failure,
        hosts: tuple[str, ...],
        outcome: Outcome = Outcome.FAILED,
    ) -> None:
        """End it; where it is a join, these hosts are left out until another release is live."""
        if current.kind is Kind.JOIN:
            newcomers = tuple(host for host in self.application.newcomers if host not in hosts)
            self.change(newcomers=newcomers, unjoined=self.application.unjoined + hosts)
            current = replace(current, unconfirmed=hosts)
        self.end(current, outcome, failure)

    def end(self, deployment: Deployment, outcome: Outcome, failure: Failure | None = None) -> None:
        """Give a deployment its one outcome, record and announce it, and begin what waits."""
        ended = replace(self.enter(deployment, Phase.ENDED), outcome=outcome, failure=failure, step=None)
        self.drop_acts_of(ended)
        current, waiting = self.application.current, self.application.waiting
        self.change(
            current=None if current and current.id == ended.id else current,
            waiting=None if waiting and waiting.id == ended.id else waiting,
        )
        if outcome is Outcome.LIVE:
            newcomers = tuple(host for host in self.application.newcomers if host not in ended.hosts)
            self.change(newcomers=newcomers)
        self.records[ended.id] = ended
        live, previous = self.application.live, self.application.previous
        self.post(Announce(f"{ended.id}/announce", self.now, ended, live, previous))
        self.begin_next()


def _failure(phase: Phase, result: HostResult) -> Failure:
    return Failure(phase, result.reason, result.host, result.log)


def _silent(result: HostResult, step: Step) -> HostResult:
    """A host's result after the deadline: no answer is a failure."""
    if result.ok is not None:
        return result
    reason = f"no report of {step.name} came before its deadline; is the SSM agent running there?"
    return replace(result, ok=False, reason=reason)

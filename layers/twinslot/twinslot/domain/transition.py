"""What adds up while one event is decided: the application as it becomes, its acts, its records. Rules are
none of it: they are in lifecycle.py."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twinslot.domain.model import (
    Act,
    AnnounceStart,
    Application,
    Decision,
    Deployment,
    HostReport,
    HostResult,
    Kind,
    Phase,
    PhaseEntry,
    SendCommand,
    Survey,
    UploadOrder,
)


class Transition:
    """One event's consequences for an application, at the time `now` (seconds since the epoch)."""

    def __init__(self, application: Application, now: float) -> None:
        self.application = application
        self.now = now
        self.acts: tuple[Act, ...] = ()
        self.records: dict[str, Deployment] = {}
        self.commands: tuple[str, ...] = ()
        self.reports: tuple[HostReport, ...] = ()

    def decision(self) -> Decision:
        """All that follows, to be saved at once."""
        return Decision(
            self.application, self.acts, tuple(self.records.values()), self.commands, self.reports
        )

    def change(self, **fields: Any) -> None:
        """Let these fields of the application become this."""
        self.application = replace(self.application, **fields)

    def collect_reports(self, results: tuple[HostResult, ...]) -> None:
        """Keep what these hosts reported, whatever follows from it."""
        self.reports += tuple(result.report for result in results if result.report)

    def knows(self, deployment: str) -> bool:
        """Whether this deployment is in the aggregate; the history knows those that are not."""
        present = (self.application.current, self.application.waiting)
        return any(known is not None and known.id == deployment for known in present)

    def accept(self, deployment: str, kind: Kind, order: UploadOrder, by: str) -> Deployment:
        """A new deployment, which waits; it is in the application once a field of it holds it."""
        timeline = (PhaseEntry(Phase.WAITING, self.now),)
        return Deployment(deployment, self.application.name, kind, order, None, by, timeline=timeline)

    def enter(self, deployment: Deployment, phase: Phase) -> Deployment:
        """The deployment in this phase from now on."""
        return replace(deployment, phase=phase, timeline=(*deployment.timeline, PhaseEntry(phase, self.now)))

    def post(self, act: Act) -> None:
        """Have this done: it stays in the outbox until it is struck out."""
        self.change(outbox=(*self.application.outbox, act))
        self.acts += (act,)

    def strike_out(self, act: str) -> None:
        """Forget the act with this id: it was done, or need not be."""
        self.change(outbox=tuple(posted for posted in self.application.outbox if posted.id != act))

    def drop_orders_of(self, deployment: Deployment) -> None:
        """Forget what a deployment still wanted done on hosts: its next step replaces it."""
        self._drop(lambda act: isinstance(act, Survey | SendCommand) and act.deployment == deployment.id)

    def drop_acts_of(self, deployment: Deployment) -> None:
        """Forget all that a deployment still wanted: it has ended, and nobody wants to hear of its start."""
        self.drop_orders_of(deployment)
        self._drop(lambda act: isinstance(act, AnnounceStart) and act.deployment.id == deployment.id)

    def _drop(self, is_stale: Callable[[Act], bool]) -> None:
        self.change(outbox=tuple(act for act in self.application.outbox if not is_stale(act)))
        self.acts = tuple(act for act in self.acts if not is_stale(act))

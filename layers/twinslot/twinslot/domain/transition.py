"""What one event changes, collected while it is decided: the application, its acts, its records. The rules
are in lifecycle.py."""

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
    UnknownAct,
    UploadOrder,
)
from twinslot.shared.constants import VERSION


class Transition:
    """The changes of one event to an application, at the time `now` (seconds since the epoch)."""

    def __init__(self, application: Application, now: float) -> None:
        self.application = application
        self.now = now
        self.acts: tuple[Act, ...] = ()
        self.records: dict[str, Deployment] = {}
        self.commands: tuple[str, ...] = ()
        self.reports: tuple[HostReport, ...] = ()

    def decision(self) -> Decision:
        """Return all changes, to be saved in one transaction."""
        return Decision(
            self.application, self.acts, tuple(self.records.values()), self.commands, self.reports
        )

    def change(self, **fields: Any) -> None:
        """Replace these fields of the application."""
        self.application = replace(self.application, **fields)

    def collect_reports(self, results: tuple[HostResult, ...]) -> None:
        """Keep what these hosts reported, whatever is decided about it."""
        self.reports += tuple(result.report for result in results if result.report)

    def knows(self, deployment: str) -> bool:
        """Whether the aggregate has this deployment. Those that ended are only in the history."""
        present = (self.application.current, self.application.waiting)
        return any(known is not None and known.id == deployment for known in present)

    def accept(self, deployment: str, kind: Kind, order: UploadOrder, by: str) -> Deployment:
        """Return a new deployment that waits. The caller adds it to the application."""
        timeline = (PhaseEntry(Phase.WAITING, self.now),)
        app = self.application.name
        return Deployment(deployment, app, kind, order, None, by, timeline=timeline, written_by=VERSION)

    def enter(self, deployment: Deployment, phase: Phase) -> Deployment:
        """Return the deployment in this phase, entered now."""
        timeline = (*deployment.timeline, PhaseEntry(phase, self.now))
        return replace(deployment, phase=phase, timeline=timeline, written_by=VERSION)

    def post(self, act: Act) -> None:
        """Add an act. It stays in the outbox until it is removed."""
        self.change(outbox=(*self.application.outbox, act))
        self.acts += (act,)

    def remove_act(self, act: str) -> None:
        """Remove the act with this id from the outbox: it was performed, or need not be."""
        self.change(outbox=tuple(posted for posted in self.application.outbox if posted.id != act))

    def drop_host_acts(self, deployment: Deployment) -> None:
        """Remove the acts that a deployment still wants performed on hosts: its next step replaces them."""
        self._drop(lambda act: isinstance(act, Survey | SendCommand) and act.deployment == deployment.id)

    def drop_acts(self, deployment: Deployment) -> None:
        """Remove all acts of a deployment that has ended, the announcement of its start included."""
        self.drop_host_acts(deployment)
        self._drop(lambda act: isinstance(act, AnnounceStart) and act.deployment.id == deployment.id)

    def _drop(self, is_stale: Callable[[Act | UnknownAct], bool]) -> None:
        self.change(outbox=tuple(act for act in self.application.outbox if not is_stale(act)))
        self.acts = tuple(act for act in self.acts if not is_stale(act))

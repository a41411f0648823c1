"""An application that lives through events, for the tests of the rules."""

from twinslot.domain.events import CommandEnded, CommandSent, Event, Surveyed, UploadArrived
from twinslot.domain.lifecycle import decide
from twinslot.domain.model import (
    Announce,
    AnnounceFreeze,
    AnnounceStart,
    Application,
    Decision,
    Deployment,
    HostReport,
    HostResult,
    Outcome,
    Release,
    SendCommand,
    Settings,
    SlotReport,
    Survey,
    UploadOrder,
    Warn,
)

HOSTS = ("i-0a", "i-0b")


def jar(label: str) -> Release:
    return Release("artifacts", f"shop/shop-{label}.jar", f"version-of-{label}", 1000, label)


def upload(label: str, at: float) -> UploadArrived:
    return UploadArrived(f"D{label}", "shop", jar(label), UploadOrder(jar(label).key, "0A", at), "ann")


def result(host: str, ok: bool | None = True, sha256: str | None = None, reason: str = "") -> HostResult:
    report = None
    if ok is not None:
        slots = {"green": SlotReport(sha256, "some", "active", True, 7)}
        report = HostReport(
            host, "shop", "stage", "stage", "D", 1, ok, reason, (), "green", False, slots, sha256, {}
        )
    return HostResult(host, ok, reason, (), report)


class LifecycleDriver:
    """An application that lives through events; what was announced and commanded is kept in order."""

    def __init__(self, application: Application | None = None) -> None:
        self.application = application or Application("shop")
        self.now = 1000.0
        self.announced: list[Announce] = []
        self.told: list[AnnounceStart | AnnounceFreeze] = []
        self.commanded: list[tuple[str, str, int]] = []
        self.recorded: dict[str, Deployment] = {}

    def receive(self, event: Event, after: float = 1.0) -> Decision:
        self.now += after
        decision = decide(self.application, event, self.now)
        self.application = decision.application
        self.recorded |= {record.id: record for record in decision.records}
        for act in decision.acts:
            match act:
                case Announce():
                    self.announced.append(act)
                case SendCommand():
                    assert self.application.current
                    self.commanded.append((act.deployment, act.step, self.application.current.fence))
                case Survey() | Warn():
                    pass
                case _:
                    self.told.append(act)
        return decision

    @property
    def current(self) -> Deployment:
        assert self.application.current
        return self.application.current

    def survey(self, hosts: tuple[str, ...] = HOSTS, **more: object) -> Decision:
        answer = Surveyed(f"{self.current.id}/survey", self.current.id, hosts, Settings(), **more)  # type: ignore[arg-type]
        return self.receive(answer)

    def send(self) -> str:
        assert self.current.step
        name = self.current.step.name
        command = f"command-{self.current.id}-{name}"
        self.receive(CommandSent(f"{self.current.id}/{name}", self.current.id, name, command))
        return command

    def end(self, *results: HostResult, after: float = 1.0) -> Decision:
        command = self.send()
        return self.receive(CommandEnded(command, results or tuple(result(host) for host in HOSTS)), after)

    def deploy(self, label: str) -> None:
        self.receive(upload(label, self.now))
        self.survey()
        for _ in ("stage", "flip", "bake"):
            self.end()

    def outcomes(self) -> dict[str, Outcome | None]:
        return {act.deployment.id: act.deployment.outcome for act in self.announced}

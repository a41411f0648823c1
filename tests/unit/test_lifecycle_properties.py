"""What holds of the lifecycle whatever happens, in whatever order."""

from hypothesis import given, settings
from hypothesis import strategies as st
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
from twinslot.domain.lifecycle import decide
from twinslot.domain.model import (
    Act,
    Application,
    Decision,
    HostReport,
    HostResult,
    Kind,
    Outcome,
    Release,
    SendCommand,
    Settings,
    SlotReport,
    Survey,
    UploadOrder,
)
from twinslot.errors import NothingToRollBackTo, UnknownApp

HOSTS = ("i-0a", "i-0b")
NEWCOMERS = ("i-0c", "i-0d")
EMPTY = {name: SlotReport(None, None, "inactive", False, 0) for name in ("blue", "green")}
VERDICTS = st.sampled_from([True, False, None])


class World:
    """Holds an application, the acts that were asked for but not answered, and what was ever said."""

    def __init__(self) -> None:
        self.application = Application("shop")
        self.now = 1_000.0
        self.undone: list[Act] = []
        self.accepted: set[str] = set()
        self.outcomes: dict[str, list[Outcome | None]] = {}
        self.verified: set[str] = set()
        self.commands = 0
        self.failed_joins: list[tuple[tuple[str, ...], int]] = []
        self.moves_of_live = 0
        self.joins = 0

    def receive(self, event: Event) -> None:
        before = self.application
        try:
            decision = decide(before, event, self.now)
        except (NothingToRollBackTo, UnknownApp):
            return
        self.application = decision.application
        self.accepted |= {record.id for record in decision.records}
        self.undone += decision.acts
        for record in decision.records:
            if record.outcome:
                self.outcomes.setdefault(record.id, []).append(record.outcome)
        assert self.application.fence >= before.fence
        current = self.application.current
        if current and current.step and current.step.name in {"flip", "bake"}:
            assert current.id in self.verified, "a release flips that was not verified on every host"
        waits_for_nothing = self.application.waiting and not current and not self.application.kept_frozen
        assert not waits_for_nothing, "something waits for nothing"
        if current and current.kind is Kind.JOIN:
            assert set(current.hosts) <= set(NEWCOMERS), "a join acts on a host that is none of the new ones"
        self.judge_join(before, decision)

    def judge_join(self, before: Application, decision: Decision) -> None:
        """A join that ended has changed nothing for anybody else."""
        for record in decision.records:
            if record.kind is Kind.JOIN and record.outcome in (Outcome.LIVE, Outcome.FAILED):
                after = decision.application
                assert (after.live, after.previous) == (before.live, before.previous)
                if record.outcome is Outcome.FAILED:
                    self.failed_joins.append((record.unconfirmed, self.moves_of_live))
        self.moves_of_live += before.live != decision.application.live
        self.joins += sum(record.kind is Kind.JOIN for record in decision.records)

    def answer(self, verdicts: list[bool | None], lose: bool) -> None:
        """Do the oldest act that is undone, or lose its answer."""
        act = self.undone.pop(0)
        if lose:
            return
        match act:
            case Survey():
                hosts = (*HOSTS, *NEWCOMERS) if verdicts[0] is not False else ()
                self.receive(Surveyed(act.id, act.deployment, hosts, Settings()))
            case SendCommand():
                if verdicts[0] is None:
                    self.receive(CommandFailed(act.id, act.deployment, act.step, "refused"))
                    return
                self.commands += 1
                self.receive(CommandSent(act.id, act.deployment, act.step, f"c{self.commands}"))
            case _:
                self.receive(Announced(act.id))

    def end(self, verdicts: list[bool | None]) -> None:
        current = self.application.current
        if not current or not current.step or not current.step.command:
            return
        pairs = zip(current.hosts, verdicts * 2, strict=False)
        results = tuple(HostResult(host, verdict) for host, verdict in pairs)
        if current.step.name == "stage" and all(result.ok for result in results):
            self.verified.add(current.id)
        self.receive(CommandEnded(current.step.command, results))

    def settle(self) -> None:
        """No more faults: acts are answered, hosts succeed, and the scheduled check runs."""
        for _ in range(200):
            if not self.application.busy:
                return
            while self.undone:
                self.answer([True, True], lose=False)
            self.end([True, True])
            self.now += 61
            self.receive(ScheduledCheck())


def empty(host: str) -> HostResult:
    """What a host without a release says."""
    report = HostReport(host, "shop", "report", "report", "", 0, True, "", (), None, False, EMPTY, None, {})
    return HostResult(host, True, "", (), report)


def upload(number: int, at: float) -> UploadArrived:
    key = f"shop/{number % 3}.jar"
    release = Release("b", key, str(number), 1, str(number))
    return UploadArrived(f"D{number}", "shop", release, UploadOrder(key, f"{number:X}", at), "ann")


MOVES = st.one_of(
    st.tuples(st.just("upload"), st.integers(0, 30)),
    st.tuples(st.just("refuse"), st.integers(31, 40)),
    st.tuples(st.just("rollback"), st.integers(41, 50)),
    st.tuples(st.just("answer"), st.tuples(st.lists(VERDICTS, min_size=2, max_size=2), st.booleans())),
    st.tuples(st.just("end"), st.lists(VERDICTS, min_size=2, max_size=2)),
    st.tuples(st.just("step"), st.lists(VERDICTS, min_size=2, max_size=2)),
    st.tuples(st.just("tick"), st.integers(1, 700)),
    st.tuples(st.just("freeze"), st.sampled_from(["one reason", "another"])),
    st.tuples(st.just("unfreeze"), st.none()),
    st.tuples(st.just("appear"), st.lists(st.sampled_from(NEWCOMERS), unique=True)),
)


def running() -> World:
    """A release is live."""
    world = World()
    world.receive(upload(99, 0.0))
    world.settle()
    return world


def live_through(moves: list[tuple[str, object]], world: World | None = None) -> World:
    world = world or World()
    seen: set[object] = set()
    for kind, what in moves:
        world.now += 1
        match kind, what:
            case "upload", int(number):
                # The history keeps an ended deployment from being accepted twice; see the store's tests.
                if f"D{number}" not in seen:
                    world.receive(upload(number, float(number)))
                seen.add(f"D{number}")
            case "refuse", int(number) if number not in seen:
                seen.add(number)
                order = UploadOrder("shop/x.jar", "", world.now)
                world.receive(UploadRefused(f"D{number}", "shop", order, "ann", "shop/x.jar", "no zip"))
            case "rollback", int(number) if number not in seen:
                seen.add(number)
                world.receive(RollbackRequested(f"D{number}", "shop", world.now, "ann"))
            case "answer", (list(verdicts), bool(lose)) if world.undone:
                world.answer(verdicts, lose)
            case "end", list(verdicts):
                world.end(verdicts)
            case "step", list(verdicts):
                while world.undone:
                    world.answer([True, True], lose=False)
                world.end(verdicts)
            case "tick", int(seconds):
                world.now += seconds
                world.receive(ScheduledCheck())
            case "freeze", str(why):
                world.receive(FreezeRequested("ann", why))
            case "unfreeze", None:
                world.receive(UnfreezeRequested("bob"))
            case "appear", list(hosts):
                world.receive(HostsReported(tuple(empty(host) for host in hosts), (*HOSTS, *NEWCOMERS)))
            case _:
                pass
    return world


@settings(max_examples=300, deadline=None)
@given(st.lists(MOVES, max_size=40))
def test_every_accepted_deployment_ends_in_exactly_one_outcome(moves: list[tuple[str, object]]) -> None:
    world = live_through(moves)
    world.receive(UnfreezeRequested("bob"))
    world.settle()
    assert not world.application.busy
    assert world.application.waiting is None
    assert set(world.outcomes) == world.accepted
    assert all(len(outcomes) == 1 for outcomes in world.outcomes.values())


@settings(max_examples=300, deadline=None)
@given(st.lists(MOVES, max_size=40))
def test_what_is_live_was_verified_on_every_host(moves: list[tuple[str, object]]) -> None:
    world = live_through(moves)
    assert world.application.live is None or world.application.live.deployment in world.verified


@settings(max_examples=300, deadline=None)
@given(st.lists(MOVES, max_size=40))
def test_a_host_fails_to_join_what_is_live_once_at_most(moves: list[tuple[str, object]]) -> None:
    world = live_through(moves, running())
    tried = [(host, live) for hosts, live in world.failed_joins for host in hosts]
    assert len(tried) == len(set(tried))


@settings(max_examples=300, deadline=None)
@given(st.lists(MOVES, max_size=40))
def test_while_it_is_frozen_no_upload_begins(moves: list[tuple[str, object]]) -> None:
    world = live_through(moves)
    world.receive(FreezeRequested("ann", "from now on"))
    current, accepted = world.application.current, bool(world.accepted)
    world.settle()
    left = world.application
    assert not left.busy
    if accepted and left.waiting:
        assert left.waiting.kind is Kind.UPLOAD
        assert left.waiting.id not in world.outcomes
        assert current is None or current.id != left.waiting.id

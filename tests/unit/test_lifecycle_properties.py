"""What holds of the lifecycle whatever happens, in whatever order."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twinslot.errors import NothingToRollBackTo
from twinslot.events import (
    Announced,
    CommandEnded,
    CommandFailed,
    CommandSent,
    Event,
    RollbackAsked,
    Surveyed,
    Tick,
    UploadArrived,
    UploadRefused,
)
from twinslot.lifecycle import decide
from twinslot.model import (
    Announce,
    Application,
    HostResult,
    Order,
    Outcome,
    Release,
    SendCommand,
    Settings,
    Survey,
)

HOSTS = ("i-0a", "i-0b")
VERDICTS = st.sampled_from([True, False, None])


class World:
    """Holds an application, the acts that were asked for but not answered, and what was ever said."""

    def __init__(self) -> None:
        self.application = Application("shop")
        self.now = 1_000.0
        self.undone: list[Survey | SendCommand | Announce] = []
        self.accepted: set[str] = set()
        self.outcomes: dict[str, list[Outcome | None]] = {}
        self.verified: set[str] = set()
        self.commands = 0

    def meet(self, event: Event) -> None:
        before = self.application
        try:
            decision = decide(before, event, self.now)
        except NothingToRollBackTo:
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
        assert not (self.application.waiting and not current), "something waits for nothing"

    def answer(self, verdicts: list[bool | None], lose: bool) -> None:
        """Do the oldest act that is undone, or lose its answer."""
        act = self.undone.pop(0)
        if lose:
            return
        match act:
            case Announce():
                self.meet(Announced(act.id))
            case Survey():
                hosts = HOSTS if verdicts[0] is not False else ()
                self.meet(Surveyed(act.id, act.deployment, hosts, Settings()))
            case SendCommand():
                if verdicts[0] is None:
                    self.meet(CommandFailed(act.id, act.deployment, act.step, "refused"))
                    return
                self.commands += 1
                self.meet(CommandSent(act.id, act.deployment, act.step, f"c{self.commands}"))

    def end(self, verdicts: list[bool | None]) -> None:
        current = self.application.current
        if not current or not current.step or not current.step.command:
            return
        pairs = zip(HOSTS, verdicts, strict=False)
        results = tuple(HostResult(host, verdict) for host, verdict in pairs)
        if current.step.name == "stage" and all(result.ok for result in results):
            self.verified.add(current.id)
        self.meet(CommandEnded(current.step.command, results))

    def settle(self) -> None:
        """No more faults: acts are answered, hosts do well, and the clock ticks."""
        for _ in range(200):
            if not self.application.busy:
                return
            while self.undone:
                self.answer([True, True], lose=False)
            self.end([True, True])
            self.now += 61
            self.meet(Tick())


def upload(number: int, at: float) -> UploadArrived:
    key = f"shop/{number % 3}.jar"
    release = Release("b", key, str(number), 1, str(number))
    return UploadArrived(f"D{number}", "shop", release, Order(key, f"{number:X}", at), "ann")


MOVES = st.one_of(
    st.tuples(st.just("upload"), st.integers(0, 30)),
    st.tuples(st.just("refuse"), st.integers(31, 40)),
    st.tuples(st.just("rollback"), st.integers(41, 50)),
    st.tuples(st.just("answer"), st.tuples(st.lists(VERDICTS, min_size=2, max_size=2), st.booleans())),
    st.tuples(st.just("end"), st.lists(VERDICTS, min_size=2, max_size=2)),
    st.tuples(st.just("tick"), st.integers(1, 700)),
)


def live_through(moves: list[tuple[str, object]]) -> World:
    world = World()
    seen: set[object] = set()
    for kind, what in moves:
        world.now += 1
        match kind, what:
            case "upload", int(number):
                # The history keeps an ended deployment from being accepted twice; see the store's tests.
                if f"D{number}" not in seen:
                    world.meet(upload(number, float(number)))
                seen.add(f"D{number}")
            case "refuse", int(number) if number not in seen:
                seen.add(number)
                order = Order("shop/x.jar", "", world.now)
                world.meet(UploadRefused(f"D{number}", "shop", order, "ann", "shop/x.jar", "no zip"))
            case "rollback", int(number) if number not in seen:
                seen.add(number)
                world.meet(RollbackAsked(f"D{number}", "shop", world.now, "ann"))
            case "answer", (list(verdicts), bool(lose)) if world.undone:
                world.answer(verdicts, lose)
            case "end", list(verdicts):
                world.end(verdicts)
            case "tick", int(seconds):
                world.now += seconds
                world.meet(Tick())
            case _:
                pass
    return world


@settings(max_examples=300, deadline=None)
@given(st.lists(MOVES, max_size=40))
def test_every_accepted_deployment_ends_in_exactly_one_outcome(moves: list[tuple[str, object]]) -> None:
    world = live_through(moves)
    world.settle()
    assert not world.application.busy
    assert set(world.outcomes) == world.accepted
    assert all(len(outcomes) == 1 for outcomes in world.outcomes.values())


@settings(max_examples=300, deadline=None)
@given(st.lists(MOVES, max_size=40))
def test_what_is_live_was_verified_on_every_host(moves: list[tuple[str, object]]) -> None:
    world = live_through(moves)
    assert world.application.live is None or world.application.live.deployment in world.verified

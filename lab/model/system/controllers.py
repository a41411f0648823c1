"""Runs controllers that can be stopped at each call, and forked there.

A controller is deterministic: it depends on its start, the answers to its calls, and a clock that is given to
it. So a stopped controller is the list of its answers, and to continue it is to run it again from the start
on these answers. A tree of answers caches which call follows, so that no list is run twice.

The clock does not move while a controller runs. That is enough: a lease (60 s) is longer than a function may
run (30 s), so that a controller which waits for a lease has outlived the function that holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast
from unittest.mock import patch

from twinslot.announce.publish import Announcer
from twinslot.aws.codec import decode_fields, encode_fields
from twinslot.aws.fleet import Fleet
from twinslot.aws.store import Store
from twinslot.controller import Controller
from twinslot.domain.deployment_id import deployment_id
from twinslot.domain.model import HostReport, Release, Settings, UploadOrder
from twinslot.errors import NotAJar, TwinslotError
from twinslot.intake.upload import Upload

from lab.model.system.calls import Call
from lab.model.system.fake_aws import APP, EC2, HOSTS, SNS, SSM, DynamoDB
from lab.model.system.items import Item
from lab.model.system.process import Node, Process, Root, Start
from lab.model.system.state import State, serve

BUCKET = "artifacts"
HALF_A_SECOND = 0.5

Value = TypeVar("Value")


class Controllers:
    """All controllers run so far, as one tree of answers for each start."""

    def __init__(self) -> None:
        self._first: dict[Root, Node] = {}
        self.runs = 0

    def begin(self, start: Start, state: State) -> Process:
        """Return a controller before its first call."""
        happened = next((happened.at for happened in state.inputs if happened.name in start), 0.0)
        root = Root(start, state.now, happened, len(state.hosts))
        node = self._first.get(root)
        if node is None:
            node = self._first[root] = Node(root, None, None)
            self._run(node, state)
        return Process(node)

    def answered(self, process: Process, answer: Any, state: State) -> Process:
        """Return the controller after an answer; `state` is the state after the call."""
        node = process.node
        after = node.next.get(answer)
        if after is None:
            after = node.next[answer] = Node(node.root, node, answer)
            self._run(after, state)
        return Process(after)

    def _run(self, node: Node, state: State) -> None:
        """Run from the start to this node on its answers, then to the end as if nothing else happened."""
        self.runs += 1
        fake_aws = _Replay(node, state)
        try:
            _work(fake_aws, node.root)
        except TwinslotError:
            pass
        except Exception as error:
            fake_aws.node.error = f"{type(error).__name__}: {error}"


class _Replay:
    """Gives the known answers, then those of the state; records each call at its node."""

    def __init__(self, node: Node, state: State) -> None:
        self.known = node.answers()
        self.asked = 0
        self.node = node
        self.state = state
        self.fleet_size = node.root.hosts

    @property
    def replays(self) -> bool:
        return self.asked < len(self.known)

    def ask(self, call: Call) -> Any:
        if self.replays:
            before, answer = self.known[self.asked]
            self.asked += 1
            if before is None or call.kind != before.kind or (call.what != before.what and call.what != ()):
                raise AssertionError(f"not deterministic: {call} instead of {before}")
            return answer
        self.node.call = call
        self.state, answer = serve(self.state, call)
        after = self.node.next[answer] = Node(self.node.root, self.node, answer)
        self.node = after
        return answer


class _Jars:
    """The bucket: an upload `x…` is not a jar."""

    def inspect(self, upload: Upload) -> tuple[Release, str]:
        label = upload.key.partition("/")[2].partition(".")[0]
        if label.startswith("x"):
            raise NotAJar("it is a text file")
        return Release(upload.bucket, upload.key, upload.version, upload.size, label), upload.by


class _Defaults:
    """The default settings."""

    def read(self, app: str, ignore_unknown: bool = False) -> Settings:
        return Settings()


def _work(fake_aws: _Replay, root: Root) -> None:
    """Call the controller as the function's handler does."""
    # A rollback is ordered by its delivery: after the last upload, never at the same time.
    now = root.now + HALF_A_SECOND if root.start[0] == "rollback" else root.now
    clock: Callable[[], float] = lambda: now  # noqa: E731
    controller = Controller(
        store=Store("twinslot", cast("Any", DynamoDB(fake_aws)), clock),
        fleet=Fleet("twinslot-host", "1", cast("Any", SSM(fake_aws)), cast("Any", EC2(fake_aws))),
        artifacts=cast("Any", _Jars()),
        announcer=Announcer("topic", "twinslot-rollback", "twinslot-freeze", cast("Any", SNS(fake_aws))),
        settings=cast("Any", _Defaults()),
        clock=clock,
    )
    match root.start:
        case ("upload", name):
            controller.upload(upload_of(name, root.happened))
        case ("rollback", name):
            controller.rollback(APP, None, "ann", name)
        case ("freeze", name):
            controller.freeze(APP, name, "ann")
        case ("unfreeze", _):
            controller.unfreeze(APP, "ann")
        case ("ready", _):
            controller.host_ready(HOSTS[0])
        case ("notice", command):
            if command.split("/")[1] == "report":
                controller.hosts_reported(APP, command)
            else:
                controller.command_ended(command)
        case ("inspect", _):
            controller.request_reports()
        case _:
            controller.scheduled_check()


def upload_of(name: str, at: float) -> Upload:
    """Return the upload of this name at this time. Each upload has its own key."""
    key = f"{APP}/{name}.jar"
    order = UploadOrder(key, "0A", at)
    return Upload(APP, BUCKET, key, f"version-{name}", 1, order, deployment_id(at, BUCKET, key, name), "ann")


@contextmanager
def quiet() -> Iterator[None]:
    """Switch off logs and metrics, and cache what is encoded and decoded: both are immutable, and a search
    runs millions of controllers."""
    with (
        patch("twinslot.aws.store.decode_fields", _decode_once),
        patch("twinslot.aws.store.encode_fields", _encode_once),
        patch("twinslot.telemetry.log_decision", _say_nothing),
        patch("twinslot.telemetry.log_outcome", _say_nothing),
        patch("twinslot.telemetry.log_deferred", _say_nothing),
        patch("twinslot.telemetry.logger.info", _say_nothing),
        patch("twinslot.telemetry.logger.exception", _say_nothing),
    ):
        yield


_decoded: dict[tuple[type, int], Any] = {}


def _decode_once(kind: type[Value], attributes: Item) -> Value:
    """Decode an item. Interned items live for ever (see items.py), so that their id identifies them."""
    key = (kind, id(attributes))
    if key not in _decoded:
        _decoded[key] = decode_fields(kind, attributes)
    return cast("Value", _decoded[key])


_encoded: dict[object, Item] = {}


def _encode_once(value: object) -> Item:
    if isinstance(value, HostReport):
        return encode_fields(value)
    if value not in _encoded:
        _encoded[value] = encode_fields(value)
    return _encoded[value]


def _say_nothing(*_: object, **__: object) -> None:
    pass

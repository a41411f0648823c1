"""A controller that can be stopped at every call, and forked there.

Between two calls a controller is nothing but what it was started with and the answers that it has had: it
asks no clock but ours and rolls no dice. So a stopped controller is kept as that list of answers, and goes
on by being run again from its start on the same answers, as far as they reach. A tree of answers remembers
which call comes after which, so that no list is run twice.

A clock that does not move while a controller runs is enough: a lease (60 s) is longer than a function may run
(30 s), so whoever waits for the one to pass has outlived the other.
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

from lab.model.calls import Call
from lab.model.fake_aws import APP, EC2, HOSTS, SNS, SSM, DynamoDB
from lab.model.items import Item
from lab.model.process import Node, Process, Root, Start
from lab.model.state import State, serve

BUCKET = "artifacts"
HALF_A_SECOND = 0.5

Value = TypeVar("Value")


class Controllers:
    """All controllers that were ever run, as one tree a start."""

    def __init__(self) -> None:
        self._first: dict[Root, Node] = {}
        self.runs = 0

    def begin(self, start: Start, state: State) -> Process:
        """A controller before its first call."""
        happened = next((happened.at for happened in state.inputs if happened.name in start), 0.0)
        root = Root(start, state.now, happened, len(state.hosts))
        node = self._first.get(root)
        if node is None:
            node = self._first[root] = Node(root, None, None)
            self._run(node, state)
        return Process(node)

    def answered(self, process: Process, answer: Any, state: State) -> Process:
        """The controller after its call was answered; the world is as that call left it."""
        node = process.node
        after = node.next.get(answer)
        if after is None:
            after = node.next[answer] = Node(node.root, node, answer)
            self._run(after, state)
        return Process(after)

    def _run(self, node: Node, state: State) -> None:
        """Run from the start to this node on its answers, and on to the end as if nothing came between."""
        self.runs += 1
        fake_aws = _Replay(node, state)
        try:
            _work(fake_aws, node.root)
        except TwinslotError:
            pass
        except Exception as error:
            fake_aws.node.error = f"{type(error).__name__}: {error}"


class _Replay:
    """Answers what was answered before, then what the world answers; notes each call at its node."""

    def __init__(self, node: Node, state: State) -> None:
        self.known = node.heard()
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
                raise AssertionError(f"the same answers led to {call}, and to {before} before")
            return answer
        self.node.call = call
        self.state, answer = serve(self.state, call)
        after = self.node.next[answer] = Node(self.node.root, self.node, answer)
        self.node = after
        return answer


class _Jars:
    """The bucket: what was uploaded as `x…` is no jar."""

    def inspect(self, upload: Upload) -> tuple[Release, str]:
        label = upload.key.partition("/")[2].partition(".")[0]
        if label.startswith("x"):
            raise NotAJar("it is a text file")
        return Release(upload.bucket, upload.key, upload.version, upload.size, label), upload.by


class _Defaults:
    """Settings that nobody changed."""

    def read(self, app: str) -> Settings:
        return Settings()


def _work(fake_aws: _Replay, root: Root) -> None:
    """Do what a function's handler does."""
    # A rollback stands where it is delivered: after the upload that happened last, never beside it.
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
    """The upload of this name, which happened at this time. Every upload has a key of its own."""
    key = f"{APP}/{name}.jar"
    order = UploadOrder(key, "0A", at)
    return Upload(APP, BUCKET, key, f"version-{name}", 1, order, deployment_id(at, BUCKET, key, name), "ann")


@contextmanager
def quiet() -> Iterator[None]:
    """Without logs and metrics, for millions of controllers have nothing to say to an operator; and nothing
    is encoded or decoded twice, for neither an aggregate nor what was made of it is ever changed."""
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
    """Items are kept for good (see `world.item`), so that where one lies tells which it is."""
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

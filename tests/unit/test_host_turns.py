"""Fence, turn and ledger: who goes first on a host, and what a repeat finds."""

import json
import threading
from pathlib import Path

import pytest
from twinslot_host.command.context import Command
from twinslot_host.command.fence import raise_fence, seen_fence
from twinslot_host.command.ledger import LEDGER_ENTRIES, Report, finish, finished
from twinslot_host.command.request import Request
from twinslot_host.system.errors import NotExecuted
from twinslot_host.system.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths("shop", str(tmp_path))


def asked(fence: int, deployment: str = "D1") -> Request:
    return Request("stage", "shop", "stage", deployment, fence)


def test_a_lower_fence_is_refused_and_an_equal_one_is_not(paths: Paths) -> None:
    raise_fence(paths, 5)
    raise_fence(paths, 5)
    with pytest.raises(NotExecuted, match="fence 4 is lower than 5"):
        raise_fence(paths, 4)
    assert seen_fence(paths) == 5


def test_no_fence_is_not_compared(paths: Paths) -> None:
    raise_fence(paths, 5)
    raise_fence(paths, 0)
    assert seen_fence(paths) == 5


def test_the_verb_that_runs_gives_way_and_the_newcomer_gets_its_turn(paths: Paths) -> None:
    running = threading.Event()
    ended: list[str] = []

    def older() -> None:
        command = Command(asked(5), paths)
        try:
            with command.work_lock():
                running.set()
                while True:
                    command.pause(0.01)
        except NotExecuted as failure:
            ended.append(failure.reason)

    raise_fence(paths, 5)
    thread = threading.Thread(target=older)
    thread.start()
    assert running.wait(5)
    raise_fence(paths, 6)
    with Command(asked(6), paths).work_lock(wait=5):
        thread.join(5)
    assert ended == ["stage gave way to a newer command: fence 6 over 5"]


def test_a_turn_that_does_not_come_is_given_up(paths: Paths) -> None:
    with (
        Command(asked(5), paths).work_lock(),
        pytest.raises(NotExecuted, match="still runs"),
        Command(asked(5), paths).work_lock(wait=0.1),
    ):
        pass


def test_the_ledger_knows_a_step_of_a_deployment(paths: Paths) -> None:
    assert finished(paths, asked(5)) is None
    finish(paths, asked(5), Report(True, "report"))
    assert finished(paths, asked(5)) == Report(True, "report")
    assert finished(paths, asked(5)._replace(step="flip")) is None
    assert finished(paths, asked(5, "D2")) is None


def test_the_ledger_keeps_the_newest(paths: Paths) -> None:
    for number in range(LEDGER_ENTRIES + 1):
        finish(paths, asked(1, f"D{number}"), Report(False, "report"))
    assert finished(paths, asked(1, "D0")) is None
    assert finished(paths, asked(1, "D1")) == Report(False, "report")
    assert len(json.loads(Path(paths.ledger).read_text())["entries"]) == LEDGER_ENTRIES

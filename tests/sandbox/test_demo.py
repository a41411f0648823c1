"""The demo's progress, and what it prints where it cannot run."""

import fcntl
import io
import re
from pathlib import Path

import pytest

from lab.sandbox.demo import __main__ as run
from lab.sandbox.demo.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def event(step: str, status: str = "InProgress", kind: str = run.COMMANDS) -> dict[str, object]:
    return {"detail-type": kind, "detail": {"status": status, "parameters": {"step": [step]}}}


def test_a_line_has_the_time_the_subject_and_the_event() -> None:
    out = io.StringIO()
    with Progress(out) as progress:
        progress.about = "1.0.0"
        progress.line("staging")
    assert re.fullmatch(r" {1,5}\d+\.\d s  1\.0\.0   staging\n", out.getvalue())


def test_without_a_terminal_lines_are_plain() -> None:
    out = io.StringIO()
    with Progress(out) as progress:
        progress.status = lambda: "7 requests"
        progress.line("staging")
    assert "\x1b" not in out.getvalue()
    assert "7 requests" not in out.getvalue()


def test_a_terminal_keeps_the_count_below_the_lines_and_is_left_clean() -> None:
    out = Terminal()
    with Progress(out) as progress:
        progress.status = lambda: "7 requests"
        progress.line("staging")
        assert out.getvalue().endswith("staging\n7 requests")
    assert out.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize(
    ("step", "phase"),
    [
        ("stage", "staging"),
        ("flip", "flipping"),
        ("bake", "baking"),
        ("revert", "reverting"),
        ("revert-2", "reverting"),
    ],
)
def test_a_command_that_begins_is_printed_as_its_phase(step: str, phase: str) -> None:
    out = io.StringIO()
    run.print_phase(Progress(out), event(step))
    assert out.getvalue().endswith(f"{phase}\n")


@pytest.mark.parametrize(
    "other",
    [event("stage", "Success"), event("provision"), event("report"), event("stage", kind="Object Created")],
)
def test_other_events_are_not_printed(other: dict[str, object]) -> None:
    out = io.StringIO()
    run.print_phase(Progress(out), other)
    assert out.getvalue() == ""


def test_where_it_cannot_run_it_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "unavailable", lambda: "machines need root: run it with sudo")
    assert run.main() == 2
    assert capsys.readouterr().out == "the demo cannot run here: machines need root: run it with sudo\n"


def test_two_demos_in_one_checkout_do_not_mix_their_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(run, "unavailable", lambda: None)
    monkeypatch.setattr(run, "RESULTS", tmp_path)
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run.main() == 2
    assert capsys.readouterr().out == "the demo cannot run here: another one is running in this checkout\n"

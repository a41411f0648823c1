"""On a terminal, long lines are wrapped with an indent, a progress bar and a deployment are redrawn, and
there are colours unless NO_COLOR is set. In a pipe, lines are whole."""

import io
import json
import re
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text
from twinslot.domain.model import Phase
from twinslot_cli import main
from twinslot_cli.commands import deploy, doctor, history, status
from twinslot_cli.output import terminal
from twinslot_cli.output.terminal import wrap

from lab.screenshots.screen import screen
from tests.cli.conftest import Run, World

Twinslot = Callable[..., Run]
WIDTHS = (60, 80, 120)
PART = 5 * 1024**2
STYLE = re.compile(r"\x1b\[[0-9;]*m")
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|9[0-7])(?:;[0-9;]*)?m")
SILENT = " ".join(["the instance metadata service is silent;"] * 4)
REMEDY = " && ".join(
    ["aws ec2 modify-instance-metadata-options --http-endpoint enabled --instance-id ID"] * 2
)


class Screen(io.StringIO):
    """The output of a terminal, kept for a test."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def look(twinslot: Twinslot, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Run a command on a terminal with so many columns; return its exit code and its output."""

    def look(columns: int, *arguments: str) -> tuple[int, str]:
        output = Screen()
        with monkeypatch.context() as patch:
            patch.setenv("COLUMNS", str(columns))
            patch.setenv("TERM", "xterm-256color")
            patch.setattr(sys, "stdout", output)
            patch.setattr(sys, "argv", ["twinslot", *arguments])
            code = main.main()
        return code, output.getvalue()

    return look


@pytest.fixture(scope="module")
def app(world: World) -> str:
    """An app with releases, a failure, a freeze and a host with a fault."""
    app = world.app(hosts=0)
    world.set(app, json.dumps({"bake_seconds": 1}))
    host = world.hosts.add(app)
    host.answers["doctor"] = json.dumps(
        {"checks": [{"name": "metadata", "ok": False, "what": SILENT, "remedy": REMEDY}]}
    )
    for arguments, code in [
        (("deploy", str(world.jar("1.0.0")), "--app", app), 0),
        (("deploy", str(world.jar("1.1.0")), "--app", app), 0),
        (("deploy", str(world.jar("2.0.0-dies")), "--app", app), 1),
        (
            ("freeze", app, "--why", "the database is being moved to another account, which takes the night"),
            0,
        ),
    ]:
        with world.process(*arguments) as process:
            out, err = process.communicate(timeout=60)
        assert process.returncode == code, out + err
    return app


@given(st.text(st.sampled_from("ab\u5bb6 -/"), max_size=200), st.integers(20, 130), st.integers(0, 30))
def test_a_long_line_is_wrapped_and_loses_nothing(text: str, width: int, indent: int) -> None:
    parts = [part.plain for part in wrap(Text(text), width, indent)]

    assert "".join("".join(parts).split()) == "".join(text.split())
    others = parts[1:]
    assert all(cell_len(part) <= width for part in others)
    indents = {len(part) - len(part.lstrip(" ")) for part in others if part}
    assert all(columns >= min(indent, terminal.MIN_INDENT) for columns in indents)


@pytest.mark.parametrize("columns", WIDTHS)
def test_no_line_is_broken_by_the_terminal(look: Any, app: str, columns: int) -> None:
    for verb, indent in (
        ("status", status.INDENT),
        ("doctor", doctor.WHAT_COLUMN),
        ("history", history.INDENT),
    ):
        _, told = look(columns, verb, app)

        lines = STYLE.sub("", told).splitlines()
        assert max(map(cell_len, lines)) <= columns, verb
        # In 120 columns only the host's doctor has long lines.
        if verb == "doctor" or columns < 120:
            assert any(line.startswith(" " * indent) for line in lines), verb


def test_in_a_pipe_each_finding_and_each_remedy_is_one_line(twinslot: Twinslot, app: str) -> None:
    lines = twinslot("doctor", app).out.splitlines()

    found = lines.index(f"✗ {'metadata':<19} {SILENT}")
    assert lines[found + 1] == " " * doctor.WHAT_COLUMN + REMEDY


def test_colours_are_used_on_terminals_without_no_color(
    look: Any, twinslot: Twinslot, app: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert COLOUR.search(look(80, "status", app)[1])
    assert not STYLE.search(twinslot("status", app).out)

    monkeypatch.setenv("NO_COLOR", "1")

    assert not COLOUR.search(look(80, "status", app)[1])


def test_on_a_terminal_json_is_one_document_and_nothing_else(look: Any, world: World, app: str) -> None:
    for arguments in (
        ("status",), ("status", app), ("history", app), ("logs", app), ("doctor", app),
        ("freeze", app, "--why", "a test"), ("unfreeze", app), ("rollback", app),
        ("deploy", str(world.jar("1.2.0")), "--app", app),
        ("status", "never"), ("rollback", app, "--to", "9.9.9"), ("deploy", "gone.jar", "--app", app),
        ("history", "No App"), ("logs", "never"), ("status", "--stack", "other"),
    ):  # fmt: skip
        _, told = look(80, *arguments, "--json")

        assert json.loads(told)["twinslot"] == 1, arguments


def test_an_upload_and_a_deployment_show_their_progress(
    look: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, answer = world.app(), world.aws.gateway.around
    jar = world.jar("1.0.0", size=3 * PART)

    def slowly(request: Any, ask: Any) -> Any:
        if request.service == "s3" and "partNumber" in request.query:
            # Slow enough that the bar is drawn for each part.
            time.sleep(0.3)
        return answer(request, ask)

    monkeypatch.setattr(deploy, "PART_BYTES", PART)
    monkeypatch.setattr(deploy, "TransferConfig", partial(TransferConfig, max_concurrency=1))
    monkeypatch.setattr(world.aws.gateway, "around", slowly)

    code, told = look(60, "deploy", str(jar), "--app", app)

    plain = STYLE.sub("", told)
    assert code == 0, plain
    assert {"33%", "67%"} <= set(re.findall(r"\d+%", plain)), "the bar shows each part"
    assert "10.5/15.7 MB" in plain
    assert len(set(re.findall(rf"[{terminal.FRAMES}]", plain))) > 1, "the spinner moves"
    uploading, *seen = [STYLE.sub("", line).rstrip() for line in screen(told.rstrip())]
    assert uploading.startswith("uploading shop-1.0.0.jar (15.7 MB) to")
    text = "\n".join(seen)
    assert "%" not in text, "the bar is removed at the end"
    for phase in (phase for phase in Phase if phase.working):
        assert len(re.findall(rf"^  ✓ {phase.value} ", text, re.MULTILINE)) == 1
    assert re.search(r"^LIVE after .*(\n  .*)?\Z", text, re.MULTILINE), (
        "its outcome, on one line or two, is last"
    )

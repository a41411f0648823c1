"""`pip install .` installs the program `twinslot`, and all that reaches a terminal is sanitized."""

import io
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twinslot.domain.model import (
    Application,
    Deployment,
    Difference,
    Failure,
    Freeze,
    Kind,
    Live,
    Outcome,
    Phase,
    PhaseEntry,
    Release,
    UploadOrder,
)
from twinslot_cli import docs
from twinslot_cli.checks.check import Check
from twinslot_cli.commands import doctor, history, status
from twinslot_cli.output import watch
from twinslot_cli.output.terminal import Terminal

ROOT = Path(__file__).parents[2]
TEXT = st.text(max_size=60) | st.sampled_from(["[red]x[/red]", "\x1b[31m", "a\r\nb", "\u202e", ":smile:"])


def test_the_wheel_installs_the_program(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("cli", "layers"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    built = [*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(source)]
    subprocess.run(built, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("twinslot-*.whl")
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=False)
    site = next(folder.glob("lib/python*/site-packages"))
    # The dependencies are those of the tests.
    (site / "tests.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    python = folder / "bin" / "python"
    install = [*pip, "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)

    environment = {"PATH": os.defpath, "PYTHONPATH": ""}
    told = subprocess.run(
        [str(folder / "bin" / "twinslot"), "--help"], capture_output=True, text=True, env=environment
    )

    assert told.returncode == 0, told.stderr
    assert "rollback" in told.stdout


def test_the_page_is_generated_from_the_help() -> None:
    assert (ROOT / "docs" / "cli.md").read_text() == docs.page(), "generate it: python -m twinslot_cli.docs"


@given(st.lists(TEXT, min_size=12, max_size=12))
def test_no_text_from_outside_reaches_the_terminal_unchecked(texts: list[str]) -> None:
    label, key, by, reason, host, log, what, why, remedy, name, version, id = texts
    release = Release("bucket", key, version, 1, label)
    failure = Failure(Phase.BAKING, reason, host, (log, log))
    timeline = (PhaseEntry(Phase.WAITING, 1.0), PhaseEntry(Phase.STAGING, 2.0), PhaseEntry(Phase.ENDED, 3.0))
    deployment = Deployment(
        id, "shop", Kind.UPLOAD, UploadOrder(key, "", 1.0), release, by, Phase.ENDED, Outcome.FAILED,
        timeline, failure=failure, unconfirmed=(host,),
    )  # fmt: skip
    live = Live(release, id, 1.0)
    application = Application(
        "shop",
        live,
        live,
        deployment,
        deployment,
        drift=(Difference(host, what),),
        freeze=Freeze(by, why, 1.0),
    )
    out = io.StringIO()
    terminal = Terminal(out=out)
    for row in [
        *watch.outcome_rows(watch.Snapshot(application, deployment)),
        *watch.timeline_rows(deployment, application),
        *watch.phase_rows(deployment, application, 5.0),
        *history.rows([deployment], 80),
        *status.rows(status.AppStatus(application, ()), 5.0, 80),
        *doctor.rows([Check(name, False, what, remedy, host)]),
    ]:
        terminal.print(row)

    assert all(character.isprintable() or character == "\n" for character in out.getvalue())

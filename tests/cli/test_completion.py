"""Completion in bash, as `twinslot --install-completion` sets it up."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import ROOT, Run, World

PROGRAM = """#!{python}
import sys
from twinslot_cli.__main__ import main
sys.exit(main())
"""
TYPED = """
twinslot --install-completion
diff <(twinslot --show-completion) <(cat ~/.bash_completions/twinslot.sh; echo)
source ~/.bashrc
press_tab() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    local line=($(complete -p twinslot))
    ${line[-2]} twinslot
    echo "tab: ${COMPREPLY[*]}"
}
press_tab twinslot ro
press_tab twinslot fr
press_tab twinslot un
press_tab twinslot ho
press_tab twinslot unfreeze APP
press_tab twinslot history APP
AWS_ACCESS_KEY_ID='' AWS_SECRET_ACCESS_KEY='' press_tab twinslot history APP
"""


def test_bash_completes_verbs_and_the_names_of_apps(
    world: World, twinslot: Callable[..., Run], tmp_path: Path
) -> None:
    app = world.app()
    assert twinslot("deploy", str(world.jar("1.0.0")), "--app", app).code == 0
    program = tmp_path / "twinslot"
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)

    done = subprocess.run(
        ["bash", "-c", TYPED.replace("APP", app)],
        env={
            "PATH": f"{tmp_path}:{os.defpath}",
            "HOME": str(tmp_path),
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONPATH": f"{ROOT / 'cli'}:{ROOT / 'layers' / 'twinslot'}",
            **world.aws.variables(),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].startswith("bash completion installed in ")
    tabs = [line.removeprefix("tab: ") for line in done.stdout.splitlines() if line.startswith("tab:")]
    assert tabs == ["rollback", "freeze", "unfreeze", "", app, app, ""]

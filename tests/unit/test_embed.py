"""The SSM document: what SSM allows, what docs/host.md promises, and the program as it is."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from embed import DOCUMENT, MAX_BYTES, document, is_in_step, parted, script, sources, unpack
from twinslot_host.command.request import PATTERNS

ROOT = DOCUMENT.parent.parent


def test_the_document_is_in_step_with_the_program() -> None:
    assert is_in_step(json.loads(DOCUMENT.read_text())), "run python host/embed.py"


def test_a_document_that_is_out_of_step_is_found() -> None:
    changed = document(script({**sources(), "twinslot_host.main": "pass\n"}))
    assert not is_in_step(changed)
    reworded = json.loads(DOCUMENT.read_text())
    reworded["parameters"]["app"]["allowedPattern"] = ".*"
    assert not is_in_step(reworded)


def test_the_document_leaves_room_below_what_ssm_allows() -> None:
    assert DOCUMENT.stat().st_size < MAX_BYTES - 10_000


def test_nothing_is_pasted_into_the_script() -> None:
    assert "{{" not in DOCUMENT.read_text()
    for name, parameter in document("")["parameters"].items():
        assert parameter["interpolationType"] == "ENV_VAR"
        assert re.fullmatch("[a-zA-Z0-9]+", name)


def test_the_documents_patterns_are_those_of_the_contract() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (?:`(.+?)`|the same) \|", (ROOT / "docs/host.md").read_text(), re.M)
    listed: dict[str, str] = {}
    for name, pattern in rows:
        listed[name] = pattern.replace("\\|", "|") or listed["release"]
    assert listed == PATTERNS


def test_the_script_starts_by_its_own_first_line_and_reports_what_it_lacks(tmp_path: Path) -> None:
    file = tmp_path / "_script.sh"
    file.write_text("\n".join(json.loads(DOCUMENT.read_text())["mainSteps"][0]["inputs"]["runCommand"]))
    file.chmod(0o755)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", str(file)], env={"PATH": path}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")
    assert "update amazon-ssm-agent" in json.loads(done.stdout)["reason"]


def test_what_is_packed_can_be_shown() -> None:
    own, packed = parted(json.loads(DOCUMENT.read_text()))
    assert own[0] == "#!/usr/bin/env python3"
    assert len(packed) > 10_000
    assert unpack(json.loads(DOCUMENT.read_text())) == sources()

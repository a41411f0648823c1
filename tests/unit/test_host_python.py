"""The host program and what it shares run on the oldest supported Python: Amazon Linux 2023 has 3.9."""

import ast
import json
import os
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
from embed import DOCUMENT, HERE, LAYER, is_in_step, sources

INSTALLED = [*Path.home().glob(".pyenv/versions/3.9.*/bin/python3"), shutil.which("python3.9")]
OLDEST = next((str(path) for path in INSTALLED if path), None)
needs_python_3_9 = pytest.mark.skipif(not OLDEST, reason="needs Python 3.9, on PATH or installed by pyenv")
SMOKE = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
for name in json.loads(sys.argv[2]):
    __import__(name)
from twinslot.shared.manifest import parse
from twinslot.shared.settings_schema import SETTINGS, Settings, accepted, validate
from twinslot_host.command.request import read_request
from twinslot_host.doctor.run import CHECKS
assert validate({"java_options": ["-Xa"], "java": None}) == Settings(java_options=("-Xa",))
assert accepted({"bake_seconds": 7, "colour": "red"}) == Settings(bake_seconds=7)
assert parse(b"Main-Class: a.B\\n\\n") == {"main-class": "a.B"}
assert read_request({"SSM_verb": "report", "SSM_app": "shop", "SSM_step": "report"}).settings == Settings()
print(len(SETTINGS), len(CHECKS))
"""


@needs_python_3_9
def test_every_module_is_imported_by_python_3_9() -> None:
    assert OLDEST
    names = sorted(set(sources()) - {"twinslot"})
    arguments = [json.dumps([str(HERE), str(LAYER)]), json.dumps(names)]
    done = subprocess.run([OLDEST, "-c", SMOKE, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@needs_python_3_9
def test_the_packed_script_runs_on_python_3_9(tmp_path: Path) -> None:
    assert OLDEST
    file = tmp_path / "_script.sh"
    file.write_text("\n".join(json.loads(DOCUMENT.read_text())["mainSteps"][0]["inputs"]["runCommand"]))
    command = {"SSM_verb": "stage", "SSM_app": "shop", "SSM_step": "stage", "PATH": os.environ["PATH"]}
    done = subprocess.run([OLDEST, "-I", str(file)], env=command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout)["reason"] == "parameter deployment is empty: stage needs it"


@pytest.mark.parametrize(
    "root", [HERE / "twinslot_host", LAYER / "twinslot/shared"], ids=lambda root: root.name
)
def test_only_the_standard_library_is_imported(root: Path) -> None:
    for path in root.rglob("*.py"):
        tree = ast.parse(path.read_text(), feature_version=(3, 9))
        imports = (node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)))
        names = chain.from_iterable(
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            for node in imports
        )
        packages = {name.partition(".")[0] for name in names}
        assert packages <= sys.stdlib_module_names | {"twinslot", "twinslot_host"}, path


def test_the_document_is_the_same_whatever_python_packs_it() -> None:
    """Docstrings are cut by their lines, so that no two versions of Python can disagree about the result."""
    assert is_in_step(json.loads(DOCUMENT.read_text()))
    for name, source in sources().items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                assert not ast.get_docstring(node), name

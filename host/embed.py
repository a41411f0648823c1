"""Pack host/twinslot_host and the layer's twinslot.shared into the SSM document host/document.json.

    python host/embed.py            write the document
    python host/embed.py --check    exit with 1 when the document does not contain the current program
    python host/embed.py --unpack   print the program that the document contains

SSM limits a document to 64 KB, and the program is larger. It is packed without its docstrings, compressed,
into one script that imports its modules from itself.
"""

from __future__ import annotations

import ast
import base64
import bz2
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LAYER = HERE.parent / "layers/twinslot"
sys.path.append(str(LAYER))

from twinslot_host.command.request import DEFAULTS, PATTERNS  # noqa: E402 - it imports twinslot.shared

DOCUMENT = HERE / "document.json"
MAX_BYTES = 64 * 1024
"""The largest document that SSM accepts (AWS Systems Manager quotas)."""
STEP_SECONDS = 7200
"""The agent kills a command that runs longer. The longest steps are a start and a bake of 1,800 s each,
and an installation; the controller's own deadlines end a deployment long before."""

DESCRIPTIONS = {
    "verb": "What to do.",
    "app": "The application; empty only for a provision that prepares the machine without an application.",
    "step": "The name of the step; with the deployment it makes the command idempotent.",
    "deployment": "The deployment's ULID.",
    "fence": "Refused when lower than the highest that the host has seen; 0 is not compared.",
    "release": "The release, as base64url of JSON.",
    "previous": "The previous release, as base64url of JSON.",
    "settings": "The application's settings, as base64url of JSON.",
    "slot": "The slot whose journal the verb logs prints.",
    "lines": "The largest number of lines that the verb logs prints.",
}

SCRIPT = '''\
#!/usr/bin/env python3
"""The program of host/twinslot_host, packed by host/embed.py; --unpack prints it."""
import base64, bz2, importlib.abc, importlib.util, json, os, sys

if sys.version_info < (3, 9):
    sys.exit("twinslot needs Python 3.9 or later on this host, and found " + sys.version.split()[0])

MODULES = json.loads(bz2.decompress(base64.b64decode("""
@packed@
""")))


class Packed(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name in MODULES else None

    def is_package(self, name):
        return any(module.startswith(name + ".") for module in MODULES)

    def get_source(self, name):
        return MODULES[name]


sys.meta_path.insert(0, Packed())
from twinslot_host.main import main

sys.exit(main(sys.argv, dict(os.environ)))
'''


def sources() -> dict[str, str]:
    """Return the program as it is packed: module name -> source text without docstrings.

    The layer's package `twinslot` is empty here: a host needs only twinslot.shared.
    """
    modules = {"twinslot": ""}
    for root, package in ((HERE, "twinslot_host"), (LAYER, "twinslot/shared")):
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            modules[".".join(part for part in parts if part != "__init__")] = undocumented(path.read_text())
    return modules


def undocumented(source: str) -> str:
    """Return the source with each docstring and each string below a name replaced by an empty one.

    Lines are cut by their numbers, not written again by `ast.unparse`, whose output differs between versions
    of Python: `--check` compares the result.
    """
    lines = source.splitlines(keepends=True)
    for node in sorted(ast.walk(ast.parse(source)), key=lambda node: -getattr(node, "lineno", 0)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.end_lineno:
            lines[node.lineno - 1 : node.end_lineno] = [" " * node.col_offset + '""\n']
    return "".join(lines)


def script(modules: dict[str, str]) -> str:
    """Return the script that runs these modules."""
    packed = base64.b64encode(bz2.compress(json.dumps(modules).encode())).decode()
    lines = [packed[start : start + 1000] for start in range(0, len(packed), 1000)]
    return SCRIPT.replace("@packed@", "\n".join(lines))


def document(program: str) -> dict[str, Any]:
    """Return the SSM document that runs a script, with the parameters of docs/host.md in its environment."""
    parameters = {}
    for name, pattern in PATTERNS.items():
        parameters[name] = {
            "type": "String",
            "description": DESCRIPTIONS[name],
            "allowedPattern": pattern,
            "interpolationType": "ENV_VAR",
        }
        if name in DEFAULTS:
            parameters[name]["default"] = DEFAULTS[name]
    return {
        "schemaVersion": "2.2",
        "description": "The verbs of twinslot on a host; see docs/host.md.",
        "parameters": parameters,
        "mainSteps": [
            {
                "action": "aws:runShellScript",
                "name": "twinslot",
                "precondition": {"StringEquals": ["platformType", "Linux"]},
                "inputs": {"timeoutSeconds": str(STEP_SECONDS), "runCommand": program.splitlines()},
            }
        ],
    }


def parted(content: dict[str, Any]) -> tuple[list[str], str]:
    """Return the script's lines without the packed program, and the packed program."""
    lines = content["mainSteps"][0]["inputs"]["runCommand"]
    start = next(number for number, line in enumerate(lines) if line.endswith('b64decode("""')) + 1
    end = lines.index('""")))', start)
    return lines[:start] + lines[end:], "".join(lines[start:end])


def unpack(content: dict[str, Any]) -> dict[str, str]:
    """Return the modules that a document contains: name -> source text."""
    modules: dict[str, str] = json.loads(bz2.decompress(base64.b64decode(parted(content)[1])))
    return modules


def is_in_step(content: dict[str, Any]) -> bool:
    """Return whether a document contains the current program.

    The compressed text itself is not compared: its bytes may depend on the compressor's version.
    """
    wanted = document(script(sources()))
    if unpack(content) != unpack(wanted) or parted(content)[0] != parted(wanted)[0]:
        return False
    content["mainSteps"][0]["inputs"].pop("runCommand")
    wanted["mainSteps"][0]["inputs"].pop("runCommand")
    return content == wanted


def main(arguments: list[str]) -> int:
    """Run the command of the module's docstring. Returns the exit code."""
    if arguments == ["--unpack"]:
        for name, text in unpack(json.loads(DOCUMENT.read_text())).items():
            print(f"# ======== {name}\n{text}")
        return 0
    if arguments == ["--check"]:
        if DOCUMENT.exists() and is_in_step(json.loads(DOCUMENT.read_text())):
            return 0
        print(
            "host/document.json does not contain the current program: run python host/embed.py",
            file=sys.stderr,
        )
        return 1
    DOCUMENT.write_text(json.dumps(document(script(sources())), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

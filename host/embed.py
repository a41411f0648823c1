"""Packs host/twinslot_host into the SSM document host/document.json.

    python host/embed.py            writes the document
    python host/embed.py --check    exits with 1 when the document does not carry the program as it is
    python host/embed.py --unpack   prints the program that the document carries

A document may have 64 KB, and the program with its explanations is larger: it travels compressed, as one
script that imports its modules from itself and leaves nothing behind on the host.
"""

from __future__ import annotations

import base64
import bz2
import json
import sys
from pathlib import Path
from typing import Any

from twinslot_host.command.request import DEFAULTS, PATTERNS

HERE = Path(__file__).resolve().parent
PROGRAM = HERE / "twinslot_host"
DOCUMENT = HERE / "document.json"
MAX_BYTES = 64 * 1024
"""What SSM allows a document to have (AWS Systems Manager quotas)."""
STEP_SECONDS = 7200
"""Past this the agent kills a command. The longest are a start and a bake of 1,800 s each, and an
installation; the controller's own deadlines end a deployment long before."""

DESCRIPTIONS = {
    "verb": "What to do.",
    "app": "The application; empty only for a provision that prepares the machine alone.",
    "step": "What a repeat is recognised by, together with the deployment.",
    "deployment": "The deployment's ULID.",
    "fence": "Refused when lower than the highest that the host has seen; 0 is not compared.",
    "release": "The release, as base64url of JSON.",
    "previous": "The release that was live before, as base64url of JSON.",
    "settings": "The application's settings, as base64url of JSON.",
    "slot": "Whose journal logs prints.",
    "lines": "How many lines of it, at most.",
}

SCRIPT = '''\
#!/usr/bin/env python3
"""The program of host/twinslot_host, packed by host/embed.py, whose --unpack shows it."""
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
    """The program: the names of its modules and their texts."""
    modules = {}
    for path in sorted(PROGRAM.rglob("*.py")):
        parts = path.relative_to(HERE).with_suffix("").parts
        modules[".".join(part for part in parts if part != "__init__")] = path.read_text()
    return modules


def script(modules: dict[str, str]) -> str:
    """The one script that runs them."""
    packed = base64.b64encode(bz2.compress(json.dumps(modules).encode())).decode()
    lines = [packed[start : start + 1000] for start in range(0, len(packed), 1000)]
    return SCRIPT.replace("@packed@", "\n".join(lines))


def document(program: str) -> dict[str, Any]:
    """The SSM document that runs a script, with the parameters of docs/host.md in its environment."""
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
        "description": "The verbs of twinslot on a host, which docs/host.md explains.",
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
    """The lines of a document's script that are its own, and what they carry."""
    lines = content["mainSteps"][0]["inputs"]["runCommand"]
    start = next(number for number, line in enumerate(lines) if line.endswith('b64decode("""')) + 1
    end = lines.index('""")))', start)
    return lines[:start] + lines[end:], "".join(lines[start:end])


def unpack(content: dict[str, Any]) -> dict[str, str]:
    """The modules that a document carries."""
    modules: dict[str, str] = json.loads(bz2.decompress(base64.b64decode(parted(content)[1])))
    return modules


def is_in_step(content: dict[str, Any]) -> bool:
    """Whether a document carries the program as it is. The compressed text itself is not compared:
    compressors need not agree about it."""
    wanted = document(script(sources()))
    if unpack(content) != unpack(wanted) or parted(content)[0] != parted(wanted)[0]:
        return False
    content["mainSteps"][0]["inputs"].pop("runCommand")
    wanted["mainSteps"][0]["inputs"].pop("runCommand")
    return content == wanted


def main(arguments: list[str]) -> int:
    """Does what the module's docstring says, and returns the exit code."""
    if arguments == ["--unpack"]:
        for name, text in unpack(json.loads(DOCUMENT.read_text())).items():
            print(f"# ======== {name}\n{text}")
        return 0
    if arguments == ["--check"]:
        if DOCUMENT.exists() and is_in_step(json.loads(DOCUMENT.read_text())):
            return 0
        print(
            "host/document.json is out of step with host/twinslot_host: run python host/embed.py",
            file=sys.stderr,
        )
        return 1
    DOCUMENT.write_text(json.dumps(document(script(sources())), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

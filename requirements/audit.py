"""Whether a pinned package has a known vulnerability, by a copy of the Python Packaging Advisory Database.

    python -m requirements.audit build/setup/advisories requirements/dev.txt ...

`make check-security` runs it on all that is pinned. It needs no network: the set-up clones the database where
it can; without it the audit is skipped and says so.

The database (pypa/advisory-database) has a file for each advisory, vulns/<package>/<id>.yaml, in the format
https://ossf.github.io/osv-schema/
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True, order=True)
class Finding:
    """A pinned version that an advisory is about. `fixed` is "" where no version fixes it."""

    package: str
    version: str
    advisory: str
    fixed: str
    file: str

    def __str__(self) -> str:
        fixed = f"fixed in {self.fixed}" if self.fixed else "fixed in no version yet"
        return f"{self.file}: {self.package} {self.version} has {self.advisory}, {fixed}"


def audit(database: Path, files: list[Path]) -> list[Finding]:
    """What the advisories of the database say of the versions that these files pin."""
    folders = {canonicalize_name(folder.name): folder for folder in (database / "vulns").iterdir()}
    found = []
    for file in files:
        for package, version in pins(file.read_text()):
            folder = folders.get(canonicalize_name(package))
            for advisory in sorted(folder.glob("*.yaml")) if folder else ():
                # The C reader is ten times as fast, and as safe.
                told = yaml.load(advisory.read_text(), Loader=yaml.CSafeLoader)
                if is_about(told, package, version):
                    names = ", ".join([told["id"], *told.get("aliases", ())])
                    found.append(Finding(package, version, names, _fixed(told, version), str(file)))
    return sorted(found)


def pins(requirements: str) -> Iterator[tuple[str, str]]:
    """The packages and versions that a requirements file pins."""
    for match in PIN.finditer(requirements):
        yield match[1], match[2]


def is_about(advisory: dict[str, Any], package: str, version: str) -> bool:
    """Whether a version is among those that an advisory lists, or within one of its ranges."""
    if advisory.get("withdrawn"):
        return False
    for affected in advisory.get("affected", ()):
        if canonicalize_name(affected["package"]["name"]) != canonicalize_name(package):
            continue
        if any(_same(version, listed) for listed in affected.get("versions", ())):
            return True
        ranges = [span for span in affected.get("ranges", ()) if span["type"] == "ECOSYSTEM"]
        if any(_is_within(Version(version), span["events"]) for span in ranges):
            return True
    return False


def _is_within(version: Version, events: list[dict[str, str]]) -> bool:
    """Whether the last event up to this version let the vulnerability in."""
    passed = []
    for event in events:
        for kind, at in event.items():
            since = Version(str(at))
            if since < version or (since == version and kind != "last_affected"):
                passed.append((since, kind == "introduced"))
    return max(passed)[1] if passed else False


def _fixed(advisory: dict[str, Any], version: str) -> str:
    """Return the first version above this one that fixes it, or ""."""
    fixes = [
        Version(str(event["fixed"]))
        for affected in advisory["affected"]
        for span in affected.get("ranges", ())
        if span["type"] == "ECOSYSTEM"
        for event in span["events"]
        if "fixed" in event
    ]
    return str(min((fix for fix in fixes if fix > Version(version)), default=""))


def _same(version: str, listed: object) -> bool:
    try:
        return Version(version) == Version(str(listed))
    except InvalidVersion:
        return False


def _day(database: Path) -> str:
    """The day of the newest advisory in a clone."""
    command = ["git", "-C", str(database), "log", "-1", "--format=%cs", "--", "vulns"]
    # A list of our own, no shell; the PATH is the caller's.
    shown = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
    return shown.stdout.strip() or "an unknown day"


def main(database: Path, files: list[Path]) -> int:
    """The exit code; what is found is printed."""
    if not (database / "vulns").is_dir():
        print(f"known vulnerabilities: skipped, since there is no database of advisories in {database}")
        return 0
    found = audit(database, files)
    print(*found, sep="\n", end="\n" if found else "")
    count = sum(len(list(pins(file.read_text()))) for file in files)
    about = f"{count} pinned packages, by the advisories of {_day(database)}"
    print(f"known vulnerabilities: {len(found)} in {about}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]))

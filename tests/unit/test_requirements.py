"""What is installed is pinned to the byte, from whichever index it is installed."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "twinslot" / "requirements.txt"
FILES = sorted([*(ROOT / "requirements").glob("*.txt"), LAYER])
PIN = re.compile(r"([a-z0-9][a-z0-9.-]*)(\[[a-z0-9,-]+\])?==([0-9][A-Za-z0-9.+!]*)( ; [^\\]+)?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def lines(file: Path) -> Iterator[tuple[str, list[str]]]:
    """Each requirement and its hashes: lines that end in a backslash go on in the next."""
    for line in re.sub(r"\\\n", " ", file.read_text()).splitlines():
        if line and not line.lstrip().startswith("#"):
            requirement, *hashes = re.split(r"\s+(?=--)", line.strip())
            yield requirement, hashes


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_requirement_is_one_version_with_hashes(file: Path) -> None:
    found = list(lines(file))
    assert found
    for requirement, hashes in found:
        assert PIN.fullmatch(requirement), requirement
        assert hashes, requirement
        assert all(HASH.fullmatch(hash) for hash in hashes), requirement


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_file_says_where_to_take_it_from(file: Path) -> None:
    """A host, an option or an address in here would win over what pip is set up to trust."""
    text = file.read_text()
    assert "://" not in text
    for option in ("--index", "--extra-index", "--find-links", "--trusted-host", "--pre", "git+", "@ "):
        assert option not in text


def test_the_layer_runs_on_what_the_tests_run_on() -> None:
    tested = dict(
        requirement.split(" ;")[0].split("==") for requirement, _ in lines(ROOT / "requirements/dev.txt")
    )
    for requirement, _ in lines(LAYER):
        name, version = requirement.split(" ;")[0].split("==")
        assert tested[name] == version

"""The project's own files are in step with the code: tiers, workflows, package metadata, the changelog."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from twinslot.shared.constants import VERSION

from tests.conftest import TIERS
from tests.pages import ROOT, Page

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PAGES = [Page(ROOT / name) for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
RELEASE = r"^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d\n\nCommit: (.+)\n"
RELEASES = re.findall(RELEASE, (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
"""Each version in the changelog, the newest first, with what follows `Commit:`."""
NOT_YET_NAMED = "named by the next commit."

each_page = pytest.mark.parametrize("page", PAGES, ids=str)
each_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)


@each_page
def test_links_lead_somewhere(page: Page) -> None:
    for link in page.links:
        if not link.target.startswith("https://"):
            file, _, anchor = link.target.partition("#")
            found = ROOT / file if file else page.path
            assert found.exists(), f"{page}: {link.target} leads nowhere"
            if anchor:
                assert anchor in Page(found).anchors, f"{page}: {link.target}: no such heading"


@each_page
def test_targets_of_make_exist(page: Page) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+(?: [a-z0-9-]+)*):", MAKEFILE, re.MULTILINE))
    names = {name for target in targets for name in target.split()}
    for code in page.code:
        if code.startswith("make "):
            asked = {word for word in code.split()[1:] if "=" not in word}
            assert asked <= names, f"{page}: {code}"


@each_page
def test_lines_are_wrapped(page: Page) -> None:
    for number, line in enumerate(page.path.read_text().splitlines(), 1):
        assert len(line) <= 100 or line.startswith("|"), f"{page}:{number}: wrap this"


def test_contributing_lists_each_tier_and_make_runs_each() -> None:
    (tiers,) = [section for section in PAGES[0].sections if section.title == "Tiers"]
    assert set(re.findall(r"^\| `(\w+)` \|", tiers.prose, re.MULTILINE)) == set(TIERS)
    (made,) = re.findall(r"^TIERS := (.*)$", MAKEFILE, re.MULTILINE)
    assert set(made.split()) == set(TIERS)
    assert {path.name for path in (ROOT / "tests").iterdir() if any(path.glob("test_*.py"))} == set(TIERS)


def test_ci_runs_on_each_version_of_python_that_the_package_names() -> None:
    named = [name.removeprefix("Programming Language :: Python :: ") for name in PROJECT["classifiers"]]
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    (job,) = jobs.values()
    assert job["strategy"]["matrix"]["python"] == [name for name in named if re.fullmatch(r"3\.\d+", name)]


@each_workflow
def test_each_action_is_pinned_by_its_commit(workflow: Path) -> None:
    for line in workflow.read_text().splitlines():
        if "uses:" in line:
            assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@each_workflow
def test_a_workflow_can_only_read(workflow: Path) -> None:
    assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}


def test_each_package_is_marked_as_typed() -> None:
    for package in ("layers/twinslot/twinslot", "cli/twinslot_cli"):
        assert (ROOT / package / "py.typed").read_text() == ""


def test_the_licence_is_the_one_that_the_package_names() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "Copyright 2026 The twinslot authors" in text


def test_the_changelog_begins_with_the_version_of_the_code() -> None:
    assert RELEASES[0][0] == VERSION
    assert RELEASES[-1][0] == "0.1.0"


def test_each_release_names_its_commit() -> None:
    # The newest is named by the commit after it: none can contain its own hash.
    assert RELEASES[0][1] == NOT_YET_NAMED or re.fullmatch("[0-9a-f]{40}", RELEASES[0][1])
    for version, commit in RELEASES[1:]:
        assert re.fullmatch("[0-9a-f]{40}", commit), f"{version} names no commit"


def test_the_commit_of_a_release_has_its_version() -> None:
    for version, commit in RELEASES:
        if commit == NOT_YET_NAMED:
            continue
        show = ["git", "show", f"{commit}:layers/twinslot/twinslot/shared/constants.py"]
        shown = subprocess.run(show, cwd=ROOT, capture_output=True, text=True)
        if shown.returncode:
            pytest.skip(f"this copy's history does not contain {commit}, the release {version}")
        assert f'\nVERSION = "{version}"\n' in shown.stdout

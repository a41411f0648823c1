"""The pages: what they point to is there, what they name exists, and they speak of all that they have to."""

import os
import re
import subprocess
from typing import Any

import pytest
from twinslot.announce.wording import DRIFT, FROZEN, STARTED, UNFROZEN
from twinslot.domain.model import Outcome

from lab.bench.cost import alarm_metrics
from tests.doc_commands_not_run import DOC_COMMANDS_NOT_RUN
from tests.pages import ROOT, Page, Section, pages

PAGES = pages()
OPERATIONS = Page(ROOT / "docs" / "operations.md")
MADE_BY_RUNS = ("build", "build/")

each_page = pytest.mark.parametrize("page", PAGES, ids=str)


@each_page
def test_each_block_of_code_says_what_it_is(page: Page) -> None:
    for block in page.blocks:
        assert block.kind, f"{page}:{block.line}: say behind the fence what it is: sh, sh host, json, …"
    for section in page.sections:
        bare = re.search(r"^\n(?: {4}|\t)\S.*", section.prose, re.MULTILINE)
        assert not bare, f"{page}: fence this, and say what it is: {bare[0].strip()}"


@each_page
def test_every_link_leads_somewhere(page: Page) -> None:
    for link in page.links:
        if re.match(r"[a-z]+:", link.target):
            assert link.target.startswith("https://"), f"{page}: {link.target} goes over an open line"
            continue
        file, _, anchor = link.target.partition("#")
        found = (page.path.parent / file).resolve() if file else page.path
        assert found.exists(), f"{page}: {link.target} leads nowhere"
        assert found.is_relative_to(ROOT), f"{page}: {link.target} leads out of the project"
        if anchor:
            assert anchor in Page(found).anchors, f"{page}: {file or 'it'} has no heading #{anchor}"


@each_page
def test_every_picture_says_what_is_on_it(page: Page) -> None:
    for link in page.links:
        if link.is_picture:
            assert len(link.text) >= 20, f"{page}: what is to be seen on {link.target}?"


def test_every_picture_is_shown_somewhere() -> None:
    shown = {
        (page.path.parent / link.target).resolve() for page in PAGES for link in page.links if link.is_picture
    }
    assert set((ROOT / "docs" / "images").glob("*.*")) - shown == set()


@each_page
def test_every_file_of_the_project_that_is_named_exists(page: Page) -> None:
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in MADE_BY_RUNS}
    for code in page.code:
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", code) and code.split("/")[0] in rooms:
            assert (ROOT / code).exists(), f"{page}: there is no {code}"


@each_page
def test_every_target_of_make_that_is_named_exists(page: Page) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for command in [*page.code, *(command for block in page.blocks for command in block.commands)]:
        words = command.split()
        if words[0] == "make" and len(words) > 1:
            assert words[1] in targets, f"{page}: there is no make {words[1]}"


def test_the_table_of_settings_is_linked_from_the_readme() -> None:
    assert "docs/settings.md" in {link.target for link in Page(ROOT / "README.md").links}


def test_no_reason_against_a_command_outlives_it() -> None:
    commands = [command for page in PAGES for block in page.blocks for command in block.commands]
    for pattern in DOC_COMMANDS_NOT_RUN:
        assert any(re.fullmatch(pattern, command) for command in commands), f"no page has {pattern}"


def section(page: Page, title: str) -> Section:
    (found,) = [section for section in page.sections if section.title == title]
    return found


def firsts(section: Section) -> list[str]:
    """What stands between backticks at the beginning of the rows of its tables."""
    return re.findall(r"^\| `([^`]+)`", section.prose, re.MULTILINE)


def test_whoever_is_on_call_finds_each_announcement() -> None:
    told = firsts(section(OPERATIONS, "Announcements"))
    assert set(told) == {*Outcome, STARTED, FROZEN, UNFROZEN, DRIFT}


def test_whoever_is_on_call_finds_each_part_of_the_dashboard(resources: dict[str, dict[str, Any]]) -> None:
    body = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0]
    titles = re.findall(r'"title": "([^"]+)"', body)
    assert firsts(section(OPERATIONS, "The dashboard")) == titles


def test_whoever_is_on_call_finds_each_alarm(resources: dict[str, dict[str, Any]]) -> None:
    alarms = [name for name, resource in resources.items() if resource["Type"] == "AWS::CloudWatch::Alarm"]
    assert sorted(firsts(section(OPERATIONS, "Alarms"))) == sorted(alarms)


def test_whoever_is_on_call_finds_each_queue_of_dead_letters(resources: dict[str, dict[str, Any]]) -> None:
    queues = [name for name, resource in resources.items() if resource["Type"] == "AWS::SQS::Queue"]
    assert queues
    told = section(OPERATIONS, "Dead letters").code
    assert {name.removesuffix("DeadLetters") for name in queues} <= set(told)


def test_what_the_page_of_costs_says_of_alarms_is_so() -> None:
    page = (ROOT / "docs" / "cost.md").read_text()
    ((metrics, dollars),) = re.findall(r"\| the alarms \| (\d+) metrics .*\| ([0-9.]+) \|", page)
    assert int(metrics) == alarm_metrics()
    assert float(dollars) == pytest.approx(alarm_metrics() * 0.10)


def test_the_readme_is_in_step_in_both_languages() -> None:
    english, korean = (Page(ROOT / name).sections for name in ("README.md", "README.ko.md"))
    assert [section.level for section in english] == [section.level for section in korean]
    for one, other in zip(english, korean, strict=True):
        where = f"{one.title!r} and {other.title!r}"
        assert [(b.kind, b.text) for b in one.blocks] == [(b.kind, b.text) for b in other.blocks], where
        assert targets(one) == targets(other), where
        assert one.rows == other.rows, where
        assert set(one.code) == set(other.code), where
        assert one.items == other.items, where


def targets(section: Section) -> list[tuple[bool, str]]:
    """What a section points to, whatever the order that its sentences take in a language."""
    own = {"README.md": "the other language", "README.ko.md": "the other language"}
    return sorted((link.is_picture, own.get(link.target, link.target)) for link in section.links)


def test_the_template_has_each_parameter_that_is_to_be_set() -> None:
    commands = [command for page in PAGES for block in page.blocks for command in block.commands]
    overrides = [command.partition("--parameter-overrides ")[2] for command in commands]
    names = {word.partition("=")[0] for override in overrides for word in override.replace("'", "").split()}
    assert names
    template = (ROOT / "template.yaml").read_text()
    for name in names:
        assert f"\n  {name}:\n    Type: String\n" in template, f"the template has no parameter {name}"


def test_the_sam_cli_knows_each_option_that_is_to_be_given() -> None:
    sam = ROOT / ".venv-sam" / "bin" / "sam"
    if not sam.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("CI has to ask the SAM CLI, but there is none in .venv-sam")
        pytest.skip("`make check` installs the SAM CLI")
    options: dict[str, set[str]] = {}
    for command in (command for page in PAGES for block in page.blocks for command in block.commands):
        if command.startswith("sam "):
            options.setdefault(command.split()[1], set()).update(re.findall(r"--[a-z-]+", command))
    for verb, given in options.items():
        environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "COLUMNS": "200"}
        told = subprocess.run(
            [sam, verb, "--help"], env=environment, capture_output=True, text=True, check=True
        )
        assert given <= set(re.findall(r"--[a-z-]+", told.stdout)), f"sam {verb}"

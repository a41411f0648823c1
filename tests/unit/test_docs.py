"""The pages: their links lead somewhere, their names exist, they are complete, wrapped and in step."""

import os
import re
import subprocess
import unicodedata
from typing import Any

import pytest
from twinslot.announce.wording import DRIFT, FROZEN, STARTED, UNFROZEN
from twinslot.domain.model import Kind, Outcome, Phase

from lab.bench.cost import alarm_metrics
from tests.doc_commands_not_run import DOC_COMMANDS_NOT_RUN
from tests.pages import ROOT, Link, Page, Section, original, pages, translations

PAGES = pages()
DOCS = ROOT / "docs"
README = Page(ROOT / "README.md")
OPERATIONS = Page(DOCS / "operations.md")
HOW_IT_WORKS = Page(DOCS / "how-it-works.md")
GLOSSARY = Page(DOCS / "glossary.md")
DECISIONS = [Page(path) for path in sorted((DOCS / "decisions").glob("*.md")) if path.name != "README.md"]
MADE_BY_RUNS = ("build", "build/")

COLUMNS = 100
GENERATED = {DOCS / "cli.md", DOCS / "settings.md"}
"""Their generators write them, and tests compare the pages with what these print."""

MIN_README_WORDS, MAX_README_WORDS = 600, 950
TERMS = {
    *("app", "release", "previous release", "slot", "live", "idle", "warm", "standby"),
    *("deployment", "rollback", "join", "stage", "flip", "bake", "freeze", "unfreeze"),
    *("fence", "expected state", "drift", "report", "dead-letter queue", "the schedule"),
}
STATUS = r"\d{4}-\d\d-\d\d\b.* · (Accepted\b.*|Superseded on \d{4}-\d\d-\d\d by \[.+\))"

each_page = pytest.mark.parametrize("page", PAGES, ids=str)


@each_page
def test_each_block_of_code_is_labelled(page: Page) -> None:
    for block in page.blocks:
        assert block.kind, f"{page}:{block.line}: label the fence: sh, sh host, json, …"
    for section in page.sections:
        bare = re.search(r"^\n(?: {4}|\t)\S.*", section.prose, re.MULTILINE)
        assert not bare, f"{page}: fence and label this: {bare[0].strip()}"


@each_page
def test_every_link_leads_somewhere(page: Page) -> None:
    for link in page.links:
        if re.match(r"[a-z]+:", link.target):
            assert link.target.startswith("https://"), f"{page}: {link.target} is not encrypted"
            continue
        anchor = link.target.partition("#")[2]
        found = page.leads_to(link)
        assert found.exists(), f"{page}: {link.target} leads nowhere"
        assert found.is_relative_to(ROOT), f"{page}: {link.target} leads out of the project"
        if anchor:
            assert anchor in Page(found).anchors, f"{page}: {link.target}: no such heading"


@each_page
def test_every_picture_has_an_alternative_text(page: Page) -> None:
    for link in page.links:
        if link.is_picture:
            assert len(link.text) >= 20, f"{page}: what does {link.target} show?"


def test_every_picture_is_shown_on_a_page() -> None:
    shown = {page.leads_to(link) for page in PAGES for link in page.links if link.is_picture}
    assert set((DOCS / "images").glob("*.*")) - shown == set()


@each_page
def test_every_file_of_the_project_that_is_named_exists(page: Page) -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in MADE_BY_RUNS}
    for code in page.code:
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", code) and code.split("/")[0] in folders:
            assert (ROOT / code).exists(), f"{page}: there is no {code}"


@each_page
def test_every_target_of_make_that_is_named_exists(page: Page) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for command in [*page.code, *(command for block in page.blocks for command in block.commands)]:
        words = command.split()
        if words[0] == "make" and len(words) > 1:
            assert words[1] in targets, f"{page}: there is no make {words[1]}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.path not in GENERATED], ids=str)
def test_the_lines_of_a_page_are_wrapped(page: Page) -> None:
    fenced = False
    for number, line in enumerate(page.text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if fenced or line.startswith(("|", "<img ")):
            continue
        without_targets = re.sub(r"\]\([^)\s]+\)", "]", line)
        assert line.startswith("![") or columns(without_targets) <= COLUMNS, f"{page}:{number}: wrap this"


def columns(text: str) -> int:
    """The width on a terminal, where a Korean character takes two columns."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_the_readme_is_short(name: str) -> None:
    words = len((ROOT / name).read_text().split())
    assert MIN_README_WORDS <= words <= MAX_README_WORDS


def test_the_readme_begins_with_the_status_the_licence_one_command_and_one_picture() -> None:
    first = README.sections[1]
    assert first.level == 1
    status = first.prose.index("not yet run in a real AWS account")
    assert status < first.prose.index("[Apache-2.0](LICENSE)") < first.prose.index("![")
    assert [block.commands for block in first.blocks] == [["aws s3 cp shop-1.4.2.jar s3://ARTIFACTS/shop/"]]
    assert len([link for link in first.links if link.is_picture]) == 1
    assert README.text.index("not yet run in a real AWS account") < README.text.index("```")


def test_the_readme_has_the_commands_that_people_know() -> None:
    commands = {command for block in README.blocks for command in block.commands} | set(README.code)
    assert {"make demo", "make sandbox", "make test", "make check", "sam build"} <= commands


def test_the_index_links_every_page() -> None:
    index = Page(DOCS / "README.md")
    linked = {index.leads_to(link) for link in index.links if not link.target.startswith("https://")}
    assert set(DOCS.rglob("*.md")) - {index.path} - linked == set()


def test_the_readme_links_the_index() -> None:
    assert {"docs/README.md", "docs/settings.md"} <= {link.target for link in README.links}


def test_no_reason_against_a_command_outlives_it() -> None:
    commands = [command for page in PAGES for block in page.blocks for command in block.commands]
    for pattern in DOC_COMMANDS_NOT_RUN:
        assert any(re.fullmatch(pattern, command) for command in commands), f"no page has {pattern}"


def first_code(section: Section) -> list[str]:
    """The code at the beginning of each row of a section's tables."""
    return re.findall(r"^\| `([^`]+)`", section.prose, re.MULTILINE)


def first_cells(section: Section) -> list[str]:
    """The first cell of each row of a section's tables, the headings left out."""
    cells = re.findall(r"^\| ([^|]+?) \|.*\n(?!\| ---)", section.prose + "\n", re.MULTILINE)
    return [cell for cell in cells if cell != "---"]


def test_the_page_for_on_call_begins_with_the_three_questions() -> None:
    questions = [OPERATIONS.sections[number] for number in (2, 3, 4)]
    assert [section.title for section in questions] == [
        "Users see errors",
        "A deployment failed",
        "An alarm came",
    ]
    commands = [section.blocks[0].commands for section in questions]
    assert commands == [["twinslot status shop"], ["twinslot history shop"], ["twinslot doctor shop"]]


def test_the_table_of_contents_for_on_call_is_complete() -> None:
    contents = OPERATIONS.section("Contents")
    linked = [(link.text, link.target.removeprefix("#")) for link in contents.links]
    titles = [section.title for section in OPERATIONS.sections]
    expected = list(zip(titles, OPERATIONS.anchors, strict=True))[2:]
    expected.remove(("Contents", "contents"))
    assert linked == expected


def test_the_page_for_on_call_has_each_announcement() -> None:
    explained = first_code(OPERATIONS.section("Announcements"))
    assert set(explained) == {*Outcome, STARTED, FROZEN, UNFROZEN, DRIFT}


def product_texts() -> str:
    """The strings of the controller and the host program, with `…` for each value that is filled in."""
    folders = (ROOT / "layers" / "twinslot" / "twinslot", ROOT / "host" / "twinslot_host")
    source = "\n".join(path.read_text() for folder in folders for path in sorted(folder.rglob("*.py")))
    joined = re.sub(r'"\s*\n\s*f?"', "", source)
    return re.sub(r"\{[^{}]*\}", "…", joined)


@pytest.mark.parametrize("title", ["What failed, by its reason", "DRIFT"])
def test_the_page_for_on_call_quotes_reasons_as_the_program_words_them(title: str) -> None:
    texts = product_texts()
    quoted = first_code(OPERATIONS.section(title))
    assert len(quoted) >= 5
    for reason in quoted:
        pattern = r".{0,20}".join(map(re.escape, reason.split("…")))
        assert re.search(pattern, texts), f"{title}: the program has no reason like {reason!r}"


def test_the_page_for_on_call_has_each_part_of_the_dashboard(resources: dict[str, dict[str, Any]]) -> None:
    body = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0]
    titles = re.findall(r'"title": "([^"]+)"', body)
    assert first_code(OPERATIONS.section("The dashboard")) == titles


def test_the_page_for_on_call_has_each_alarm(resources: dict[str, dict[str, Any]]) -> None:
    alarms = [name for name, resource in resources.items() if resource["Type"] == "AWS::CloudWatch::Alarm"]
    assert sorted(first_code(OPERATIONS.section("Alarms"))) == sorted(alarms)


def test_the_page_for_on_call_has_each_dead_letter_queue(resources: dict[str, dict[str, Any]]) -> None:
    queues = [name for name, resource in resources.items() if resource["Type"] == "AWS::SQS::Queue"]
    assert queues
    explained = OPERATIONS.section("Messages in the dead-letter queue").code
    assert {name.removesuffix("DeadLetters") for name in queues} <= set(explained)


def terms() -> set[str]:
    """The terms of the glossary; a row can have several, with commas between them."""
    cells = [cell for section in GLOSSARY.sections for cell in first_cells(section)]
    return {term.strip(" `") for cell in cells for term in cell.split(",")}


def test_the_glossary_has_each_term_phase_and_outcome() -> None:
    expected = {*TERMS, *Phase, *Outcome, STARTED, FROZEN, UNFROZEN, DRIFT}
    assert expected - terms() == set()
    (kind,) = re.findall(r"^\| kind \|(.+)\|$", GLOSSARY.text, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", kind)) == set(Kind)


@pytest.mark.parametrize(
    "section", [OPERATIONS.section("Announcements"), HOW_IT_WORKS.section("Outcomes")], ids=lambda s: s.title
)
def test_the_tables_of_outcomes_use_the_words_of_the_glossary(section: Section) -> None:
    assert set(Outcome) <= set(first_code(section)) <= terms()
    words = "|".join(sorted(map(re.escape, terms() - {"kind"})))
    for row in re.findall(r"^\| `\w+`.*? \| ([^|]+)", section.prose, re.MULTILINE):
        assert re.search(rf"\b({words})s?\b", row), f"{row} has no term of the glossary"
    old = re.search(r"\b(held|hold|holds|taken back|bears|under way)\b", section.prose)
    assert not old, old


@pytest.mark.parametrize("page", DECISIONS, ids=str)
def test_each_decision_has_its_date_and_status(page: Page) -> None:
    decisions = [section for section in page.sections if section.level == 2]
    assert decisions
    for section in decisions:
        first = section.prose.strip().split("\n\n")[0].replace("\n", " ")
        assert re.fullmatch(STATUS, first), f"{page}: {section.title}: date and status first"
    index = Page(DOCS / "decisions" / "README.md")
    assert page.path in {index.leads_to(link) for link in index.links}


def test_the_page_about_costs_counts_the_alarms_as_the_template_has_them() -> None:
    page = (DOCS / "cost.md").read_text()
    ((metrics, dollars),) = re.findall(r"\| the alarms \| (\d+) metrics .*\| ([0-9.]+) \|", page)
    assert int(metrics) == alarm_metrics()
    assert float(dollars) == pytest.approx(alarm_metrics() * 0.10)


@pytest.mark.parametrize(("english", "korean"), translations(), ids=str)
def test_a_page_is_in_step_in_both_languages(english: Page, korean: Page) -> None:
    assert [section.level for section in english.sections] == [section.level for section in korean.sections]
    for one, other in zip(english.sections, korean.sections, strict=True):
        where = f"{one.title!r} and {other.title!r}"
        assert [(b.kind, b.text) for b in one.blocks] == [(b.kind, b.text) for b in other.blocks], where
        assert targets(english, one) == targets(korean, other), where
        assert one.rows == other.rows, where
        assert set(one.code) == set(other.code), where
        assert one.items == other.items, where


def targets(page: Page, section: Section) -> list[tuple[bool, str]]:
    """The links of a section, sorted, whatever the language of the pages that they lead to."""
    return sorted((link.is_picture, target(page, link)) for link in section.links)


def target(page: Page, link: Link) -> str:
    """What a link leads to: an address, or the path of the English page and the number of its section."""
    if link.target.startswith("https://"):
        return link.target
    found, anchor = page.leads_to(link), link.target.partition("#")[2]
    number = Page(found).anchors.index(anchor) if anchor else 0
    return f"{original(found)} {number}"


def test_the_template_has_each_parameter_of_a_command() -> None:
    commands = [command for page in PAGES for block in page.blocks for command in block.commands]
    overrides = [command.partition("--parameter-overrides ")[2] for command in commands]
    names = {word.partition("=")[0] for override in overrides for word in override.replace("'", "").split()}
    assert names
    template = (ROOT / "template.yaml").read_text()
    for name in names:
        assert f"\n  {name}:\n    Type: String\n" in template, f"the template has no parameter {name}"


def test_the_sam_cli_knows_each_option_of_a_command() -> None:
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
        printed = subprocess.run(
            [sam, verb, "--help"], env=environment, capture_output=True, text=True, check=True
        )
        assert given <= set(re.findall(r"--[a-z-]+", printed.stdout)), f"sam {verb}"

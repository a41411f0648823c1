"""The check of phrases finds what its list names, where people read it, and nothing else."""

from pathlib import Path

import phrases
import pytest

LIST = """
[[phrase]]
pattern = "the old (?:name|word)s?"
instead = "the new name"
allow = [{ path = "docs/*.md", reason = "history" }]
"""
LISTED = phrases.read(LIST)
REAL = phrases.read(phrases.LIST.read_text())


def lines(path: str, text: str) -> list[int]:
    return [finding.line for finding in LISTED.find(path, text) if not finding.allowed_in]


def test_a_finding_names_the_place_the_phrase_and_what_to_write() -> None:
    (finding,) = LISTED.find("README.md", "# Title\n\nThis is The\nold name.\n")
    assert str(finding) == 'README.md:3: "The old name": write the new name'


@pytest.mark.parametrize(
    "text",
    [
        '"""What the old\n    name was."""\n',
        "# The\n# old\n# word\n",
        "x = 1  # the old names\n",
        'x = "the "\\\n    "old name"\n',
        'x = f"{x} is the old name"\n',
        'x = f"the old "\\\n    f"name {x}"\n',
    ],
)
def test_comments_and_strings_of_python_are_read(text: str) -> None:
    assert lines("lab/a.py", text) == [1]


@pytest.mark.parametrize(
    "text", ["the_old_name = 1\n", "x = the if old else name\n", "class TheOldName: pass\n"]
)
def test_names_in_python_are_not_read(text: str) -> None:
    assert lines("lab/a.py", text) == []


@pytest.mark.parametrize(
    "text", ["- the\n  old name\n", "> the\n> old name\n", "// the\n// old name\n", "| the old name |\n"]
)
def test_other_files_are_read_whole(text: str) -> None:
    assert lines("README.md", text) == [1]


def test_a_phrase_is_found_in_whole_words_alone() -> None:
    assert lines("README.md", "bathe old name; the old namesake") == []


def test_a_phrase_may_be_where_the_list_allows_it() -> None:
    assert lines("docs/history.md", "the old name") == []
    assert lines("docs.md", "the old name") == [1]


def test_a_pattern_that_captures_is_refused() -> None:
    with pytest.raises(ValueError, match="captures"):
        phrases.read('[[phrase]]\npattern = "(a)"\ninstead = "b"')


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of no files, with LIST as its list."""
    monkeypatch.setattr(phrases, "ROOT", tmp_path)
    monkeypatch.setattr(phrases, "LIST", tmp_path / "phrases.toml")
    (tmp_path / "phrases.toml").write_text(LIST)
    return tmp_path


def test_files_that_people_read_are_searched(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read = {".github/a.yml", "docs/a.md", "docs/b.html", "Makefile", "lab/a.py", "lab/a.js"}
    not_read = {"build/a.md", ".venv/a.py", "docs/a.ko.md", "docs/ko/a.md", "a.json", "lab/__pycache__/a.py"}
    for name in read | not_read:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("# the old name\n")
    assert set(phrases.files()) == read
    assert phrases.main([]) == 1
    out = capsys.readouterr().out
    assert 'Makefile:1: "the old name": write the new name' in out
    assert "phrases: 5 to be rewritten in 6 files" in out
    assert phrases.main(["docs/a.md"]) == 0


def test_what_is_allowed_and_not_there_any_more_is_found(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert phrases.main([]) == 1
    assert "nothing is allowed in docs/*.md any more" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        "The release before keeps serving.",
        "on each host that bears the tag twinslot=shop",
        "shop was not well within 10 s",
        "it was taken back",
        "heard 25 s ago",
        "hosts are not as the table says",
        "Again changes nothing.",
        "the queue of dead letters; the letter in it",
        "the clock finds it; a later tick does it",
        "Say the version and end.",
        "Whoever looks needs the right to it.",
        "Whether the clock has something to look after here.",
        "so that no act is done by two controllers",
        "Other people's programs that a host needs.",
        "Sleeps, never deaf for long.",
        "Nobody is told of it.",
        "three times running",
        "It stands in the table, and lies in the bucket.",
        "as ever",
    ],
)
def test_the_list_finds_the_language_that_was_left_behind(text: str) -> None:
    assert REAL.find("README.md", text)


@pytest.mark.parametrize(
    "text",
    [
        "the previous release",
        "The controller verifies the release before it moves traffic.",
        "messages in the dead-letter queue",
        "a lower-case letter; letters and digits; to the letter",
        "the lab stands in for AWS",
        "the system time, the schedule, the scheduled check",
        "tell a person apart from a program",
    ],
)
def test_the_list_leaves_plain_english_alone(text: str) -> None:
    assert REAL.find("README.md", text) == []

"""Find the phrases that phrases.toml lists, in what people read: pages, comments, strings, the template.

    python .ci/phrases.py              all of the project's files
    python .ci/phrases.py FILE ...     these alone, whose paths begin at the project's root

Print each as path:line, the phrase and what to write instead; exit with 1 when there is one. Of Python, only
comments and strings count: names in code have rules of their own. Korean pages are not read.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_name("phrases.toml")
SUFFIXES = (".css", ".html", ".in", ".java", ".js", ".md", ".py", ".sh", ".toml", ".yaml", ".yml")
NAMES = ("Makefile", "run")
KOREAN = (".ko.md", "/ko/")
HIDDEN_FOLDERS = (".ci", ".github")
"""The hidden folders that are read; all others hold what tools made."""
MADE_BY_RUNS = ("build", "__pycache__")
EXAMPLES = ROOT / "tests" / "unit" / "test_phrases.py"

GAP = r"[\"']?\s(?:[\s#>*|\\\"'-]|//|f(?=[\"']))*"
"""What a space in a pattern matches: also a line's end, with what the next line of a comment, a quotation, a
list or a string begins with."""

PROSE = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
"""Python's tokens that people read. From 3.12 on, the text of an f-string has a token of its own."""


@dataclass(frozen=True)
class Phrase:
    """What must not be written, what to write instead, and the paths (globs) that may have it."""

    pattern: str
    instead: str
    allowed_in: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A phrase as a file has it. `allowed_in` is the glob of the list that allows it there, or ""."""

    path: str
    line: int
    found: str
    instead: str
    allowed_in: str = ""

    def __str__(self) -> str:
        return f'{self.path}:{self.line}: "{self.found}": write {self.instead}'


class Phrases:
    """The list, as one regular expression with a group for each phrase: one search is the fastest."""

    def __init__(self, listed: Iterable[Phrase]) -> None:
        self._listed = tuple(listed)
        patterns = "|".join(f"({phrase.pattern.replace(' ', GAP)})" for phrase in self._listed)
        self._any = re.compile(rf"\b(?:{patterns})\b", re.IGNORECASE)
        if self._any.groups != len(self._listed):
            raise ValueError("a pattern has a group that captures: write (?:…)")

    def find(self, path: str, text: str) -> list[Finding]:
        """Return what is found in one file's text, in the order of its lines."""
        matches = list(self._any.finditer(text))
        if matches and path.endswith(".py"):
            # Only now: reading tokens takes far longer than searching.
            prose = _prose(text)
            matches = [match for match in matches if prose[match.start()]]
        return [self._finding(path, match) for match in matches]

    def _finding(self, path: str, match: re.Match[str]) -> Finding:
        phrase = self._listed[(match.lastindex or 0) - 1]
        allowed = next((glob for glob in phrase.allowed_in if fnmatch(path, glob)), "")
        line = match.string.count("\n", 0, match.start()) + 1
        return Finding(path, line, re.sub(GAP, " ", match[0]), phrase.instead, allowed)

    @property
    def allowances(self) -> set[str]:
        """The paths (globs) that any phrase is allowed in."""
        return {glob for phrase in self._listed for glob in phrase.allowed_in}


def read(text: str) -> Phrases:
    """Return the phrases of a list in TOML.

    Raises KeyError for an entry that lacks a field, re.error for an invalid pattern, and ValueError for one
    that captures.
    """
    return Phrases(
        Phrase(
            entry["pattern"],
            entry["instead"],
            tuple(allowed["path"] for allowed in entry.get("allow", ()) if allowed["reason"]),
        )
        for entry in tomllib.loads(text)["phrase"]
    )


def _prose(source: str) -> bytearray:
    """Return 1 for each character of a Python program that belongs to a comment or a string, 0 for others."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    prose = bytearray(len(source))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in PROSE:
            start, end = (starts[row - 1] + column for row, column in (token.start, token.end))
            prose[start:end] = b"\1" * (end - start)
    return prose


def files() -> Iterator[str]:
    """Yield the paths of the files that people read, from the project's root on."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(
            name
            for name in folders
            if name not in MADE_BY_RUNS and (name in HIDDEN_FOLDERS or not name.startswith("."))
        )
        for name in sorted(names):
            path = Path(folder, name)
            shown = path.relative_to(ROOT).as_posix()
            is_read = name.endswith(SUFFIXES) or name in NAMES
            if is_read and path not in (LIST, EXAMPLES) and not any(part in shown for part in KOREAN):
                yield shown


def main(paths: list[str]) -> int:
    """Print what is found in these files, or in all, and return the exit code."""
    phrases = read(LIST.read_text())
    wanted = [path for path in files() if not paths or path in paths]
    found = [each for path in wanted for each in phrases.find(path, (ROOT / path).read_text())]
    wrong = [str(finding) for finding in found if not finding.allowed_in]
    if not paths:
        unused = phrases.allowances - {finding.allowed_in for finding in found}
        wrong += [f"{LIST.name}: nothing is allowed in {glob} any more: delete it" for glob in sorted(unused)]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"phrases: {len(wrong)} to be rewritten in {len(wanted)} files, by {LIST.relative_to(ROOT)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

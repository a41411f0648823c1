"""The project's pages: headings, blocks of code, links, pictures, tables, and their translations.

A block of code is fenced and labelled: `sh` are commands for the reader's own machine, `sh host` commands for
a shell on a host; any other label (`json`, `nginx`, `text`, …) is for reading only.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
KOREAN = ROOT / "docs" / "ko"

FENCE = "```"
HEADING = re.compile(r"(#{1,6}) (.+)")
IMAGE = re.compile(r'<img src="([^"]+)" width="\d+" alt="([^"]+)">')
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
INLINE = re.compile(r"`([^`]+)`")
ROW = re.compile(r"\|(.+)\|")


@dataclass(frozen=True)
class Block:
    """A block of code: `kind` is the label of its fence, `line` its first line, counted from 1."""

    kind: str
    text: str
    line: int

    @property
    def commands(self) -> list[str]:
        """The commands of a `sh` block; lines that a backslash continues are one, comments are left out."""
        if self.kind.split(" ")[0] != "sh":
            return []
        whole = self.text.replace("\\\n", " ").splitlines()
        lines = [re.sub(r"\s{2,}", " ", line.strip()) for line in whole]
        return [line for line in lines if line and not line.startswith("#")]


@dataclass(frozen=True)
class Link:
    """A link or a picture; `text` of a picture is its alternative text."""

    text: str
    target: str
    is_picture: bool


@dataclass(frozen=True)
class Section:
    """The text below one heading, up to the next; the first of a page has the level 0 and no title."""

    level: int
    title: str
    blocks: tuple[Block, ...]
    prose: str

    @cached_property
    def links(self) -> list[Link]:
        links = [Link(text, target, bool(mark)) for mark, text, target in LINK.findall(self._without_code)]
        return links + [Link(text, target, True) for target, text in IMAGE.findall(self._without_code)]

    @cached_property
    def code(self) -> list[str]:
        """The texts between backticks."""
        return INLINE.findall(self.prose)

    @cached_property
    def rows(self) -> list[int]:
        """The number of cells of each row of its tables."""
        return [len(row.split("|")) for row in ROW.findall(INLINE.sub("", self.prose))]

    @cached_property
    def items(self) -> int:
        """The number of items of its lists."""
        return len(re.findall(r"^(?:- |\d+\. )", self.prose, re.MULTILINE))

    @cached_property
    def _without_code(self) -> str:
        return INLINE.sub("", self.prose)


class Page:
    """One page, read when it is made. Raises ValueError where a fence is not closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sections = _sections(path)

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def blocks(self) -> list[Block]:
        return [block for section in self.sections for block in section.blocks]

    @property
    def links(self) -> list[Link]:
        return [link for section in self.sections for link in section.links]

    @property
    def code(self) -> list[str]:
        return [code for section in self.sections for code in section.code]

    def section(self, title: str) -> Section:
        """The one section with this title."""
        (found,) = [section for section in self.sections if section.title == title]
        return found

    @cached_property
    def anchors(self) -> list[str]:
        """The anchor of each section, in order, by GitHub's rules."""
        seen: Counter[str] = Counter()
        anchors = []
        for section in self.sections:
            title = re.sub(r"[^\w\- ]", "", section.title.replace("`", "").lower()).replace(" ", "-")
            anchors.append(f"{title}-{seen[title]}" if seen[title] else title)
            seen[title] += 1
        return anchors

    def leads_to(self, link: Link) -> Path:
        """The file that a link within the project leads to."""
        file = link.target.partition("#")[0]
        return (self.path.parent / file).resolve() if file else self.path


def pages() -> list[Page]:
    """The README in both languages and everything below docs/."""
    return [Page(path) for path in [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))]]


def translations() -> list[tuple[Page, Page]]:
    """Each English page that exists in Korean, and the Korean one."""
    korean = [ROOT / "README.ko.md", *sorted(KOREAN.glob("*.md"))]
    return [(Page(original(path)), Page(path)) for path in korean]


def original(path: Path) -> Path:
    """The English page of a Korean one; any other path as it is."""
    if path == ROOT / "README.ko.md":
        return ROOT / "README.md"
    return path.parent.parent / path.name if path.parent == KOREAN else path


def _sections(path: Path) -> list[Section]:
    sections: list[Section] = []
    level, title = 0, ""
    blocks: list[Block] = []
    prose: list[str] = []
    fenced: list[str] | None = None
    kind, start = "", 0
    for number, line in enumerate(path.read_text().splitlines(), 1):
        heading = HEADING.fullmatch(line)
        if line.lstrip().startswith(FENCE):
            if fenced is None:
                fenced, kind, start = [], line.strip().removeprefix(FENCE).strip(), number
            else:
                blocks.append(Block(kind, "\n".join(fenced), start))
                fenced = None
        elif fenced is not None:
            fenced.append(line)
        elif heading:
            sections.append(Section(level, title, tuple(blocks), "\n".join(prose)))
            level, title, blocks, prose = len(heading[1]), heading[2], [], []
        else:
            prose.append(line)
    if fenced is not None:
        raise ValueError(f"{path}:{start}: the block of code is not closed")
    sections.append(Section(level, title, tuple(blocks), "\n".join(prose)))
    return sections

"""What the project's pages consist of: headings, blocks of code, links, pictures, tables.

A block of code is fenced and says what it is: `sh` are commands for the reader's own machine, `sh host`
commands for a shell on a host; anything else (`json`, `nginx`, `text`, …) is there to be read.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]

FENCE = "```"
HEADING = re.compile(r"(#{1,6}) (.+)")
IMAGE = re.compile(r'<img src="([^"]+)" width="\d+" alt="([^"]+)">')
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
INLINE = re.compile(r"`([^`]+)`")
ROW = re.compile(r"\|(.+)\|")


@dataclass(frozen=True)
class Block:
    """A block of code: `kind` is what stands behind its fence, `line` where it begins, counted from 1."""

    kind: str
    text: str
    line: int

    @property
    def commands(self) -> list[str]:
        """The commands of a block of them: lines that a backslash continues are one; comments are none."""
        if self.kind.split(" ")[0] != "sh":
            return []
        whole = self.text.replace("\\\n", " ").splitlines()
        lines = [re.sub(r"\s{2,}", " ", line.strip()) for line in whole]
        return [line for line in lines if line and not line.startswith("#")]


@dataclass(frozen=True)
class Link:
    """What a page points to; `text` of a picture is what is read where it cannot be seen."""

    text: str
    target: str
    is_picture: bool


@dataclass(frozen=True)
class Section:
    """What stands below one heading, up to the next; the first of a page has the level 0 and no title."""

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
        """What stands between backticks."""
        return INLINE.findall(self.prose)

    @cached_property
    def rows(self) -> list[int]:
        """The number of cells of each row of its tables."""
        return [len(row.split("|")) for row in ROW.findall(INLINE.sub("", self.prose))]

    @cached_property
    def items(self) -> int:
        """How many items its lists have."""
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
    def blocks(self) -> list[Block]:
        return [block for section in self.sections for block in section.blocks]

    @property
    def links(self) -> list[Link]:
        return [link for section in self.sections for link in section.links]

    @property
    def code(self) -> list[str]:
        return [code for section in self.sections for code in section.code]

    @cached_property
    def anchors(self) -> set[str]:
        """What a link may name behind `#`, by GitHub's rules."""
        seen: Counter[str] = Counter()
        anchors = set()
        for section in self.sections:
            title = re.sub(r"[^\w\- ]", "", section.title.replace("`", "").lower()).replace(" ", "-")
            anchors.add(f"{title}-{seen[title]}" if seen[title] else title)
            seen[title] += 1
        return anchors


def pages() -> list[Page]:
    """The README in both languages and everything below docs/."""
    return [Page(path) for path in [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))]]


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
        raise ValueError(f"{path}:{start}: the block of code does not end")
    sections.append(Section(level, title, tuple(blocks), "\n".join(prose)))
    return sections

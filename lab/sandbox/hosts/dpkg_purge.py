"""Makes packages never to have been in an image that is not booted: no file of theirs, no word of dpkg's.

dpkg is not asked for it. A package that goes awakes the triggers of others (caches of manual pages, of icons,
of whatever else this system has), which take minutes and write hundreds of megabytes into the layer.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

_DPKG = Path("var/lib/dpkg")


def owners(root: Path, directory: str) -> set[str]:
    """The packages with something below a directory, which is given as dpkg knows it: /usr/lib/jvm."""
    lists = (root / _DPKG / "info").glob("*.list")
    return {_name(each) for each in lists if f"\n{directory}/" in each.read_text(errors="surrogateescape")}


def forget(root: Path, packages: Iterable[str]) -> None:
    """Removes what these packages brought, and what dpkg has noted of them. Who depends on them must be among
    them: apt refuses to work where something is broken. Directories stay, empty or not."""
    forgotten = frozenset(packages)
    for note in [*(root / _DPKG / "info").iterdir()]:
        if _name(note) in forgotten:
            if note.suffix == ".list":
                _remove_files(root, note.read_text(errors="surrogateescape").splitlines())
            note.unlink()
    status = root / _DPKG / "status"
    paragraphs = status.read_text(errors="surrogateescape").strip().split("\n\n")
    kept = [f"{each}\n\n" for each in paragraphs if _package(each) not in forgotten]
    status.write_text("".join(kept), errors="surrogateescape")


def forget_alternatives(root: Path, directory: str) -> None:
    """Removes the links that update-alternatives keeps to files below a directory, and its notes of them."""
    for note in [*(root / _DPKG / "alternatives").iterdir()]:
        # How it chooses and its link; then a line for the name and one for the link of each that goes with
        # it; an empty one; then the files to choose from (update-alternatives(1), "administrative file").
        links, _, files = note.read_text().partition("\n\n")
        if f"\n{directory}/" not in f"\n{files}":
            continue
        _, link, *slaves = links.splitlines()
        names = (note.name, *slaves[::2])
        _remove_files(root, [link, *slaves[1::2], *(f"/etc/alternatives/{name}" for name in names)])
        note.unlink()


def remove_trees(root: Path, directories: Iterable[str]) -> None:
    """Removes directories with all that is in them, whoever put it there; those that are there."""
    for place in (root / directory.lstrip("/") for directory in directories):
        if place.is_dir() and _lies_within(root, place):
            shutil.rmtree(place)


def _remove_files(root: Path, paths: Iterable[str]) -> None:
    for place in (root / path.lstrip("/") for path in paths):
        if (place.is_symlink() or place.is_file()) and _lies_within(root, place):
            place.unlink()


def _lies_within(root: Path, place: Path) -> bool:
    """A link above it, such as /lib, may lead elsewhere; never out of the image, into this system."""
    return place.parent.resolve().is_relative_to(root.resolve())


def _name(note: Path) -> str:
    """The package of a file of notes: `openjdk-17-jre` of openjdk-17-jre:amd64.list."""
    return note.name.removesuffix(note.suffix).partition(":")[0]


def _package(paragraph: str) -> str:
    """The package that a paragraph of the status file tells of: its first field, as dpkg writes them."""
    return paragraph.partition("\n")[0].removeprefix("Package: ")

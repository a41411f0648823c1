"""Removes packages from an image that is not booted: their files, and dpkg's records of them.

dpkg itself is not used: a purge runs the triggers of other packages (caches of manual pages, icons and so
on), which take minutes and write hundreds of megabytes into the layer.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

_DPKG = Path("var/lib/dpkg")


def owners(root: Path, directory: str) -> set[str]:
    """Return the packages with files below a directory, which is given as dpkg has it: /usr/lib/jvm."""
    lists = (root / _DPKG / "info").glob("*.list")
    return {_name(each) for each in lists if f"\n{directory}/" in each.read_text(errors="surrogateescape")}


def purge(root: Path, packages: Iterable[str]) -> None:
    """Remove the files of these packages and dpkg's records of them.

    Packages that depend on them have to be included: apt does not work with broken dependencies. Directories
    stay.
    """
    purged = frozenset(packages)
    for record in [*(root / _DPKG / "info").iterdir()]:
        if _name(record) in purged:
            if record.suffix == ".list":
                _remove_files(root, record.read_text(errors="surrogateescape").splitlines())
            record.unlink()
    status = root / _DPKG / "status"
    paragraphs = status.read_text(errors="surrogateescape").strip().split("\n\n")
    kept = [f"{each}\n\n" for each in paragraphs if _package(each) not in purged]
    status.write_text("".join(kept), errors="surrogateescape")


def purge_alternatives(root: Path, directory: str) -> None:
    """Remove the links that update-alternatives has to files below a directory, and its records of them."""
    for record in [*(root / _DPKG / "alternatives").iterdir()]:
        # The mode and the link; two lines (name, link) per slave; an empty line; then the alternatives
        # (update-alternatives(1), "administrative file").
        links, _, files = record.read_text().partition("\n\n")
        if f"\n{directory}/" not in f"\n{files}":
            continue
        _, link, *slaves = links.splitlines()
        names = (record.name, *slaves[::2])
        _remove_files(root, [link, *slaves[1::2], *(f"/etc/alternatives/{name}" for name in names)])
        record.unlink()


def remove_trees(root: Path, directories: Iterable[str]) -> None:
    """Remove directories with their content, if they exist."""
    for place in (root / directory.lstrip("/") for directory in directories):
        if place.is_dir() and _lies_within(root, place):
            shutil.rmtree(place)


def _remove_files(root: Path, paths: Iterable[str]) -> None:
    for place in (root / path.lstrip("/") for path in paths):
        if (place.is_symlink() or place.is_file()) and _lies_within(root, place):
            place.unlink()


def _lies_within(root: Path, place: Path) -> bool:
    """Return whether a path is in the image: a link above it, such as /lib, may lead out of it."""
    return place.parent.resolve().is_relative_to(root.resolve())


def _name(record: Path) -> str:
    """Return the package of one of dpkg's files: `openjdk-17-jre` for openjdk-17-jre:amd64.list."""
    return record.name.removesuffix(record.suffix).partition(":")[0]


def _package(paragraph: str) -> str:
    """Return the package of a paragraph of the status file, from its first field."""
    return paragraph.partition("\n")[0].removeprefix("Package: ")

"""`make screenshots` takes every picture of the pages: here after a short run, into a temporary folder."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from lab.project import ROOT
from lab.sandbox.sandbox import unavailable as no_sandbox
from lab.screenshots.browser import unavailable as no_browser
from lab.screenshots.picture import MAX_BYTES

IMAGES = ROOT / "docs" / "images"
SECONDS = 200
MIN_WIDTH, MIN_HEIGHT = 600, 400
"""Pixels: a page that did not load is smaller, or blank."""

MIN_COLOURS = 20
MAX_SHARE_OF_ONE_COLOUR = 0.99


@pytest.mark.timeout(SECONDS + 30)
def test_every_picture_is_taken_and_none_is_blank(tmp_path: Path) -> None:
    reason = no_sandbox() or no_browser()
    if reason:
        pytest.skip(reason)
    before = contents(IMAGES)

    variables = [f"PY={sys.executable}", f"TO={tmp_path}", "MINUTES=0"]
    make = ["make", "--assume-old=setup", "screenshots", *variables]
    done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    taken = sorted(tmp_path.iterdir())
    assert [path.name for path in taken] == sorted(path.name for path in IMAGES.glob("*.png"))
    for path in taken:
        assert faults_of(path) == []
    assert contents(IMAGES) == before


def test_a_blank_picture_is_found(tmp_path: Path) -> None:
    path = tmp_path / "blank.png"
    Image.new("RGB", (800, 500), "white").save(path)
    assert faults_of(path) == ["1 colours", "100 % of it is one colour"]


def faults_of(path: Path) -> list[str]:
    """Return what is wrong with a picture: no PNG, too small, too large or blank."""
    with Image.open(path) as image:
        kind, (width, height) = image.format, image.size
        colours = image.convert("RGB").getcolors(width * height) or []
    most = max(count for count, _ in colours) / (width * height)
    found = {
        f"a {kind}": kind != "PNG",
        f"{width} × {height} pixels": width < MIN_WIDTH or height < MIN_HEIGHT,
        f"{path.stat().st_size:,} bytes": path.stat().st_size > MAX_BYTES,
        f"{len(colours)} colours": len(colours) < MIN_COLOURS,
        f"{most:.0%} of it is one colour".replace("%", " %"): most > MAX_SHARE_OF_ONE_COLOUR,
    }
    return [fault for fault, is_there in found.items() if is_there]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}

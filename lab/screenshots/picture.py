"""A picture for the README, and how it is taken."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from lab.screenshots.browser import SCALE, Browser

MAX_BYTES = 400_000
COLOURS = 256
"""Of a picture's palette. It takes 40 % of the bytes of full colour and looks the same."""


@dataclass(frozen=True)
class Picture:
    """A page to photograph as NAME.png: `html` is a whole page or what belongs into its body.

    `width` is the page's in CSS pixels; the picture ends above the first element that the CSS selector `end`
    finds, if any.
    """

    name: str
    html: str
    width: int = 800
    end: str = ""


def take(browser: Browser, picture: Picture, folder: Path) -> Path:
    """Photograph it into the folder. Raises ValueError when the file is too large for a README."""
    browser.show(picture.html, picture.width)
    return photograph(browser, folder / f"{picture.name}.png", picture.end)


def photograph(browser: Browser, path: Path, end: str = "") -> Path:
    """Photograph what the browser shows now, above `end`. Raises ValueError as `take` does."""
    browser.photograph(path)
    with Image.open(path) as whole:
        bottom = browser.top_of(end) if end else None
        height = whole.height if bottom is None else round(bottom * SCALE)
        few = whole.crop((0, 0, whole.width, height)).convert("RGB")
    # Covers every colour, then moves to the frequent ones: flat areas keep theirs to the bit.
    few.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=1).save(path, optimize=True)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path} has {size:,} bytes, and a README's picture may have {MAX_BYTES:,}")
    return path

"""A picture for the README, and how it is taken."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from lab.screenshots.browser import Browser

MAX_BYTES = 400_000
COLOURS = 256
"""With this many, a picture has 40 % of the bytes and looks the same."""


@dataclass(frozen=True)
class Picture:
    """A page to photograph as NAME.png: `html` is a whole page or what belongs into its body.

    `width` is the page's in CSS pixels, `selector` the element that is shown.
    """

    name: str
    html: str
    width: int = 800
    selector: str = "html"


def take(browser: Browser, picture: Picture, folder: Path) -> Path:
    """Photograph it into the folder. Raises ValueError when the file is too large for a README."""
    browser.show(picture.html, picture.width)
    return photograph(browser, folder / f"{picture.name}.png", picture.selector)


def photograph(browser: Browser, path: Path, selector: str = "html") -> Path:
    """Photograph what the browser shows now. Raises ValueError as `take` does."""
    browser.photograph(path, selector)
    with Image.open(path) as whole:
        few = whole.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    few.save(path, optimize=True)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path} has {size:,} bytes, and a README's picture may have {MAX_BYTES:,}")
    return path

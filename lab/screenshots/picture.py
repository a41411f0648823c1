"""A picture for the README, and how it is taken."""

from dataclasses import dataclass
from pathlib import Path

from lab.project import ROOT
from lab.screenshots.browser import Browser

IMAGES = ROOT / "docs" / "images"
MAX_BYTES = 400_000


@dataclass(frozen=True)
class Picture:
    """A page to photograph as docs/images/NAME.png: `html` is a whole page or what stands in its body.

    `width` is the page's in CSS pixels, `selector` the element that is shown.
    """

    name: str
    html: str
    width: int = 800
    selector: str = "html"


def take(browser: Browser, picture: Picture) -> Path:
    """Photograph it. Raises ValueError when the file is too large for a README."""
    browser.show(picture.html, picture.width)
    return photograph(browser, picture.name, picture.selector)


def photograph(browser: Browser, name: str, selector: str = "html") -> Path:
    """Photograph what the browser shows now, as docs/images/NAME.png. Raises ValueError as `take` does."""
    path = IMAGES / f"{name}.png"
    browser.photograph(path, selector)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path} has {size:,} bytes, and a README's picture may have {MAX_BYTES:,}")
    return path

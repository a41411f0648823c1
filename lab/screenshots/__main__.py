"""`make screenshots`: the pictures of the pages, taken in Chromium during one real run of the sandbox, and
the demo's traffic.

scenes.py takes those of deployments in progress. Other modules add pictures of what the run has left: their
`pictures(story)` yields them. The sandbox still runs then: `story.sandbox` has the announcements, an endpoint
for the command line and so on.
"""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from lab.project import ROOT
from lab.sandbox.sandbox import Sandbox
from lab.sandbox.sandbox import unavailable as no_sandbox
from lab.screenshots import cli, slack
from lab.screenshots.browser import Browser
from lab.screenshots.browser import unavailable as no_browser
from lab.screenshots.picture import Picture, take
from lab.screenshots.scenes import take_scenes
from lab.screenshots.story import Story
from lab.screenshots.traffic import take_traffic

IMAGES = ROOT / "docs" / "images"
MINUTES = 5.0
PARAMETERS = {"AnnounceTo": "anna@example.com"}
"""Without a subscriber to the announcements `doctor` would find a second fault."""

MODULES: tuple[Callable[[Story], Iterator[Picture]], ...] = (slack.pictures, cli.pictures)
"""`slack.pictures` and the like."""


def main(argv: list[str] | None = None) -> int:
    """Take all pictures; return the exit code."""
    arguments = _parser().parse_args(argv)
    reason = no_sandbox() or no_browser()
    if reason:
        print(f"no pictures can be taken here: {reason}")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    arguments.to.mkdir(parents=True, exist_ok=True)
    try:
        for path in _take(arguments.to, arguments.minutes * 60):
            print(path, flush=True)
    except KeyboardInterrupt:
        return 130
    except (RuntimeError, TimeoutError, ValueError) as error:
        print(f"the pictures were not all taken: {error}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.screenshots", description="Take the pictures.")
    parser.add_argument("--to", type=Path, default=IMAGES, help="the folder; docs/images unless given")
    parser.add_argument(
        "--minutes",
        type=float,
        default=MINUTES,
        help=f"how long deployments of all kinds go on before the first picture; {MINUTES:g} unless given",
    )
    return parser


def _take(folder: Path, seconds: float) -> Iterator[Path]:
    """Yield each picture's path when it is taken, after so many seconds of deployments."""
    with Browser() as browser, Sandbox(parameters=PARAMETERS) as sandbox, Story(sandbox) as story:
        story.mix(seconds)
        yield from take_scenes(story, browser, folder)
        for pictures in MODULES:
            for picture in pictures(story):
                yield take(browser, picture, folder)
    yield take_traffic(folder)


if __name__ == "__main__":
    sys.exit(main())

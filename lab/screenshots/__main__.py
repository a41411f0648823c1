"""`make screenshots`: the pictures of the README, taken in Chromium during one real run of the sandbox.

scenes.py takes those of what is on its way. Any other module adds pictures of what the run has left: its
`pictures(story)` yields them, when a few releases have gone live, one has been taken back and one waits. The
sandbox still runs then: `story.sandbox` has the announcements, an endpoint for the command line and the like.
"""

import signal
import sys
from collections.abc import Callable, Iterator

from lab.sandbox.sandbox import Sandbox
from lab.sandbox.sandbox import unavailable as no_sandbox
from lab.screenshots import cli, slack
from lab.screenshots.browser import Browser
from lab.screenshots.browser import unavailable as no_browser
from lab.screenshots.picture import Picture, take
from lab.screenshots.scenes import take_scenes
from lab.screenshots.story import Story

MODULES: tuple[Callable[[Story], Iterator[Picture]], ...] = (slack.pictures, cli.pictures)
"""`slack.pictures` and the like."""


def main() -> int:
    """Take all pictures; the exit code."""
    reason = no_sandbox() or no_browser()
    if reason:
        print(f"no pictures can be taken here: {reason}")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Browser() as browser, Sandbox() as sandbox, Story(sandbox) as story:
            for label in ("1.4.2", "1.5.0"):
                print(f"{label} ended {story.deploy(label).data['outcome']}", flush=True)
            for path in take_scenes(story, browser):
                print(path, flush=True)
            for pictures in MODULES:
                for picture in pictures(story):
                    print(take(browser, picture), flush=True)
    except KeyboardInterrupt:
        return 130
    except (RuntimeError, TimeoutError, ValueError) as error:
        print(f"the pictures were not all taken: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
